"""
XOR: why one neuron answers 0.5
===============================

One sigmoid neuron draws one straight line, and no line has (0, 1) and (1, 0) on one side and (0, 0)
and (1, 1) on the other. Ten thousand steps do not help. Eight hidden units do.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_edu as te

x, y = te.data.xor()
answers, curves = {}, {}

# %%
# The same data, loss, rate and number of steps for both; only the hidden layer is new. The steps
# are compiled, which changes no number and saves seconds.

for name, widths in {"one neuron": [2, 1], "8 hidden tanh units": [2, 8, 1]}.items():
    model = te.nn.MLP(widths, activation="tanh", output="sigmoid", seed=0)
    optimizer = te.optim.SGD(model.parameters(), lr=0.1)
    step = te.compile(lambda x, y, model=model: te.nn.losses.mse(model(x), y), optimizer)
    curves[name] = np.array([step(x, y) for _ in range(10_000)])
    answers[name] = lambda points, model=model: model(points).data[:, 0]
    print(f"{name:20} loss {curves[name][-1]:.4f}  answers {answers[name](x).round(2)}")

# %%
# 0.25 is the loss of answering 0.5 to everything. At weights 0 the gradient is 0, since the four
# errors cancel, and the neuron stays there; no other weights do better.

neuron = te.nn.MLP([2, 1], output="sigmoid", init="zeros", seed=0)
te.nn.losses.mse(neuron(x), y).backward()
print("gradient at weights 0:", neuron.layers[0].weight.grad.ravel(), neuron.layers[0].bias.grad)

# %%
# Left, what the neuron has settled on; right, the surface that passes through all four points.

surfaces = te.draw.learned_surfaces(answers, x, y[:, 0])

# %%
losses = te.draw.losses(curves, reference=(0.25, "answering 0.5 to everything"))

folder = Path(*sys.argv[1:2] or ["runs/examples"])
folder.mkdir(parents=True, exist_ok=True)
surfaces.savefig(folder / "03_xor_surfaces.png")
losses.savefig(folder / "03_xor_losses.png")
