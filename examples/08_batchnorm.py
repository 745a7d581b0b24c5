"""
BatchNorm's surprise
====================

BatchNorm takes the scale of the weights out of the question, and so cures a gradient that vanishes.
But a layer of it with a ReLU *enlarges* the mean of δ² by π/(π − 1) = 1.467 on the way back.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_edu as te

noise = np.random.default_rng(0).normal(size=(128, 64))


def network(depth, norm=True, residual=False):
    def block(seed, width=64):
        linear = te.nn.Linear(64, width, init="lecun_normal", seed=seed)
        return te.nn.Sequential(*[te.nn.BatchNorm(64)] * norm, "relu", linear)

    inner = [te.nn.Residual(block(n)) if residual else block(n) for n in range(2, depth)]
    return te.nn.Sequential(te.nn.Linear(64, 64, seed=0), *inner, block(seed=1, width=1))


# %%
# One backward pass each, before any training: δ of the first layer ÷ that of the last hidden one.

flows = {}
for name, depth, options in (
    ("10 layers", 10, {"norm": False}),
    ("10 layers, BatchNorm", 10, {}),
    ("50 layers, BatchNorm", 50, {}),
    ("50 layers, BatchNorm, residual", 50, {"residual": True}),
):
    model = network(depth, **options)
    with te.flow.track(model) as flow:
        np.mean(model(noise)).backward()
    ratio = flow["delta"][0, 0] / flow["delta"][0, -2]
    print(f"{name:31} {ratio:8.2g} times, δ² {ratio ** (2 / (depth - 2)):.2f} a layer")
    flows[name] = flow

# %%
# Fifty layers with BatchNorm, measured inside of the band that theory predicts.

growing = te.draw.flow(flows["50 layers, BatchNorm"], theory=te.flow.theory(network(50), x=noise))

# %%
# The same with a way around each block, x + f(x): a path for the gradient without any factor.

residual = te.draw.flow(flows["50 layers, BatchNorm, residual"])

folder = Path(*sys.argv[1:2] or ["runs/examples"])
folder.mkdir(parents=True, exist_ok=True)
growing.savefig(folder / "08_batchnorm_growing.png")
residual.savefig(folder / "08_batchnorm_residual.png")
