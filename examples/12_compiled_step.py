"""
A compiled step, read aloud
===========================

A step of training computes the same things each time, with other numbers. ``te.compile`` takes
down once what the engine does, and from then on runs that: a few dozen calls of NumPy.
"""

import sys
from pathlib import Path
from time import perf_counter

import tinygrad_edu as te

x, y = te.data.xor()
model = te.nn.MLP([2, 8, 1], activation="tanh", output="sigmoid", seed=0)
optimizer = te.optim.SGD(model.parameters(), lr=0.1)

# %%
# Each step recorded anew: this graph, two thousand times.

loss = te.nn.losses.mse(model(x), y)
loss.backward()
graph = te.draw.graph(loss, title="What is recorded at each step")

recorded, start = [], perf_counter()
for _ in range(2000):
    loss = te.nn.losses.mse(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    recorded.append(loss.item())
seconds = perf_counter() - start

# %%
# The same from the start, compiled: bit for bit the same losses.

model = te.nn.MLP([2, 8, 1], activation="tanh", output="sigmoid", seed=0)
optimizer = te.optim.SGD(model.parameters(), lr=0.1)
step = te.compile(lambda x, y: te.nn.losses.mse(model(x), y), optimizer)
start = perf_counter()
compiled = [step(x, y).item() for _ in range(2000)]
print(f"{seconds / (perf_counter() - start):.1f} times as fast, same losses:", recorded == compiled)

# %%
# The program. Functions write into their last argument, ``b1`` to ``b6``; behind each line stands
# the shape, above it the layer. Forward: x W, the bias, tanh; the same with sigmoid; ``t1`` is the
# mean of the squares. Backward: the error times each slope, last to first, 1/cosh² for tanh; into
# ``…_gradient`` go hᵀδ and the sum of δ. The update moves all 33 weights in two lines.

print(step.source)

folder = Path(*sys.argv[1:2] or ["runs/examples"])
folder.mkdir(parents=True, exist_ok=True)
graph.save(folder / "12_compiled_step.png")
