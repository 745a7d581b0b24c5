"""
An operation of your own
========================

An operation is one record: how it is computed, its local derivative, its formula. Everything else,
gradients of any order, the numbers on a graph, curves, tests, is read off that record.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_edu as te

# %%
# The snake activation, x + sin²(ax)/a (Ziyin et al. 2020), for data that repeat themselves: a rule
# for x, and one for its parameter. The domain is where it is to be tested.

snake = te.define_elementwise(
    "snake",
    lambda x, a=2.0: x + np.sin(a * x) ** 2 / a,
    (
        lambda out, x, a: 1 + np.sin(2 * a * x),
        lambda out, x, a: (a * x * np.sin(2 * a * x) - np.sin(a * x) ** 2) / a**2,
    ),
    formula=r"{0} + \frac{{\sin^2\left({1} {0}\right)}}{{{1}}}",
    domain=((-50.0, 50.0), (0.5, 5.0)),
)

# %%
# Is the rule right? Finite differences judge it at hundreds of points, at first and second order. A
# slip, cos for sin, is found as surely.

print(te.check.rule(snake).summary())
print(te.check.gradients(snake, 0.7, rule=lambda x: 1 + np.cos(2 * 2.0 * x)))

# %%
# Its curve and derivatives, with no further line written for them.

curve = te.draw.activation(snake)

# %%
# In a network it learns a wave, and goes on with it outside of what it has seen. tanh does not.

seen, beyond = np.linspace(-3, 3, 120)[:, None], np.linspace(3, 5, 40)[:, None]
for activation in ("tanh", snake):
    model = te.nn.MLP([1, 32, 1], activation, seed=0)
    optimizer = te.optim.Adam(model.parameters(), lr=0.01)
    step = te.compile(lambda x, y, model=model: te.nn.losses.mse(model(x), y), optimizer)
    for _ in range(1500):
        loss = step(seen, np.sin(2 * seen))
    further = te.nn.losses.mse(model(beyond), np.sin(2 * beyond))
    print(f"{getattr(activation, 'name', activation):6} seen {loss:.0e}, beyond {further:.0e}")

folder = Path(*sys.argv[1:2] or ["runs/examples"])
folder.mkdir(parents=True, exist_ok=True)
curve.savefig(folder / "11_snake.png")
