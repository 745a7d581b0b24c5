"""
The Hessian of a loss surface
=============================

The gradient says which way is down; the Hessian, how soon that changes. Its largest eigenvalue λ
at a minimum sets the largest rate that gradient descent stands: 2/λ. A little below, it still
arrives; a little above, it never does: it comes near, and jumps from side to side for ever.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np

import tinygrad_edu as te

# %%
# A loss with two parameters, so that it can be drawn: a neuron that tells two clouds apart.

generator = np.random.default_rng(0)
data = np.concatenate([generator.normal(0, 1, 40), generator.normal(2, 1, 40)])


def loss(point):
    weight, bias = point
    x = data.reshape(80, *[1] * np.ndim(weight))
    z = weight * x + bias
    return np.mean(np.logaddexp(0, np.concatenate([z[:40], -z[40:]])), axis=0)


# %%
# Newton's method steps to the bottom of the parabola that gradient and Hessian describe.

bottom = np.zeros(2)
for step in range(7):
    slope, curvature = te.grad(loss)(bottom), te.hessian(loss)(bottom)
    print(f"step {step}: loss {loss(bottom):.6f}, |gradient| {np.linalg.norm(slope):.0e}")
    bottom = bottom - np.linalg.solve(curvature, slope)

# %%
# There, the eigenvalues are the curvatures along the two main directions of the valley.

curvatures, directions = np.linalg.eigh(te.hessian(loss)(bottom))
limit = 2 / curvatures[-1]
print(f"curvatures {curvatures.round(4)}, largest rate 2/λ = {limit:.2f}")

start = bottom + directions @ [1.5, 0.3]
rates = {f"{share:g} · 2/λ": partial(te.optim.GD, lr=share * limit) for share in (0.1, 0.95, 1.05)}
ways = {name: te.optim.descend(loss, start, rule, 60) for name, rule in rates.items()}
for name, way in ways.items():
    print(f"rate {name:11} {np.linalg.norm(way[-1] - bottom):.1e} from the bottom after 60 steps")
figure = te.draw.descent(loss, ways, minimum=bottom, title="Rates below and above 2/λ")
figure.axes[0].set(xlabel="weight", ylabel="bias")

folder = Path(*sys.argv[1:2] or ["runs/examples"])
folder.mkdir(parents=True, exist_ok=True)
figure.savefig(folder / "10_hessian.png")
