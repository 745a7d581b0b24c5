"""
One neuron as a graph
=====================

Every value remembers which operation it came from and what went into it. That is all a computation
graph is, and walking it backwards with the chain rule gives every derivative at once.
"""

import sys
from pathlib import Path

import tinygrad_edu as te

# %%
# A neuron with one input, x, a weight, a bias and a sigmoid. Plain arithmetic records the graph.

x = te.Value(2.0, name="x")
w = te.Value(-3.0, name="w")
b = te.Value(7.0, name="b")
y = te.activations.sigmoid(w * x + b)
print(te.draw.tree(y))

# %%
# No gradient is there yet: the tree says "–", not 0. One backward pass fills in all of them.

y.backward()
for leaf in (x, w, b):
    print(f"dy/d{leaf.name} = {leaf.grad:+.4f}")

# %%
# By hand: sigmoid's slope is y (1 − y), and z = w x + b has the slopes w, x and 1.

slope = y.data * (1 - y.data)
print("by hand:", *(f"{slope * factor:+.4f}" for factor in (w.data, x.data, 1.0)))

# %%
# The picture has the value and the gradient in each box, and on each line what the chain rule
# multiplied by.

graph = te.draw.graph(y, title="One neuron, after backward()")

folder = Path(*sys.argv[1:2] or ["runs/examples"])
folder.mkdir(parents=True, exist_ok=True)
graph.save(folder / "01_scalar_graph.png")
