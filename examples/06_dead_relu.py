"""
A dead ReLU stays dead
======================

A ReLU that gives 0 for every sample has slope 0 for every sample: no gradient, no step, no way
back. One step that is too large is enough. A leak of 0.01 keeps the way open.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_edu as te

x = np.random.default_rng(0).uniform(0, 1, (200, 2))
y = 3 + x[:, :1] + 2 * x[:, 1:] ** 2

# %%
# The same network, data and seed, trained three times. 0.3 is three hundred times Adam's
# default of 0.001.

flows = {}
for activation, lr in (("relu", 0.3), ("leaky_relu", 0.3), ("relu", 0.01)):
    model = te.nn.MLP([2, 32, 32, 1], activation, init="he_normal", seed=0)
    tracker = te.flow.Tracker(every=1)
    te.train.fit(
        model, (x, y), te.nn.losses.mse, te.optim.Adam(model.parameters(), lr=lr),
        epochs=200, callbacks=[tracker], progress=False,
    )  # fmt: skip
    flow = flows[f"{activation}, rate {lr}"] = tracker.flow
    dead = np.nanmax(flow["dead"][-1])
    print(f"{activation:10} rate {lr:<4}  loss {flow.losses[-1]:.4f}  dead {dead:4.0%} of a layer")
print(f"answering the mean of y costs {np.var(y):.4f}")

# %%
# What came of each. With dead units the loss ends at what the mean of y costs, and stays there.

losses = te.draw.losses(
    {name: flow.losses for name, flow in flows.items()},
    reference=(float(np.var(y)), "answering the mean of y"),
)

# %%
# Where it came from: at the first steps the updates are as large as the weights themselves, a
# thousand times what is usual. After that the first two layers hardly move but by Adam's memory;
# the last one still finds the mean of y.

updates = te.draw.flow(flows["relu, rate 0.3"], "updates")

folder = Path(*sys.argv[1:2] or ["runs/examples"])
folder.mkdir(parents=True, exist_ok=True)
losses.savefig(folder / "06_dead_relu_losses.png")
updates.savefig(folder / "06_dead_relu_updates.png")
