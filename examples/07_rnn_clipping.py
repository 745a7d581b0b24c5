"""
An RNN explodes through time, and clipping holds it
===================================================

A recurrent layer multiplies by the same matrix at every time step, so a gradient that grows by a
third at each is hundreds of times as large after twenty.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np

import tinygrad_edu as te

# %%
# The task: was the first of 20 numbers positive? The others are there to distract.

x = np.random.default_rng(0).normal(0, 0.3, (100, 20, 1))
y = (x[:, 0] > 0) * 1.0


class Reader(te.nn.Module):
    def __init__(self):
        wide = partial(te.nn.init.normal, std=2 / np.sqrt(32))
        self.rnn = te.nn.RNN(1, 32, recurrent_init=wide, seed=0)
        self.answer = te.nn.Linear(32, 1, seed=1)

    def forward(self, x):
        return self.answer(self.rnn(x)[1])


# %%
# The same start for both. ``clip_norm`` shortens a gradient that is longer; its direction stays.

flows = {}
for name, clip_norm in (("no clipping", None), ("clip_norm=0.3", 0.3)):
    model, tracker = Reader(), te.flow.Tracker()
    theory = te.flow.theory(model, x=x)
    te.train.fit(
        model, (x, y), te.nn.losses.bce_with_logits, te.optim.SGD(model.parameters(), lr=0.3),
        epochs=100, clip_norm=clip_norm, callbacks=[tracker], progress=False,
    )  # fmt: skip
    flows[name] = tracker.flow
    last, *_, first = tracker.flow.over_time["rnn"][0]
    print(f"{name:14} δ grows {first / last:.0f} times; loss {tracker.flow.losses[-1]:.3f}")
time = te.draw.flow(flows["no clipping"], "time", theory=theory)

# %%
# Both begin alike. Without clipping the loss is thrown back each time it begins to fall.

curves = {name: flow.losses for name, flow in flows.items()}
losses = te.draw.losses(curves, reference=(np.log(2), "guessing: ln 2"))

folder = Path(*sys.argv[1:2] or ["runs/examples"])
folder.mkdir(parents=True, exist_ok=True)
time.savefig(folder / "07_rnn_time.png")
losses.savefig(folder / "07_rnn_losses.png")
