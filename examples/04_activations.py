"""
Sixteen activations, as curves and as surfaces
==============================================

What a layer of a network does between two matrix products: the sixteen functions of the articles,
each with its slope, which is what the gradient is multiplied by on its way back.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_edu as te

# %%
# The slope decides what a deep network can learn. Below 1 everywhere, it shrinks the gradient at
# each layer; 0 on half of the axis, it switches units off.

points = np.linspace(-5, 5, 2001)
print("activation      f(-2)    f(2)  least f'  greatest f'")
for activation in te.activations.SIXTEEN:
    if activation.name != "softmax":  # of one number alone it is always 1
        slopes = te.grad(lambda x, f=activation: np.sum(f(x)))(points)
        ends = activation(np.array([-2.0, 2.0]))
        print(f"{activation.name:14} {ends[0]:6.3f}  {ends[1]:6.3f}  {slopes.min():8.3f}", end="")
        print(f"  {slopes.max():11.3f}")

# %%
# In two dimensions: f solid, f′ dashed. Softmax is drawn as the first output while the first input
# moves.

curves = te.draw.activations([f.name for f in te.activations.SIXTEEN], slopes=True)

# %%
# In three: each over two inputs, of Z = 2 · Input1 + 3 · Input2 + 1. Inputs from −2 to 2 show both
# sides of 0; with the article's 0 to 10 the bend of most functions is out of the picture.

surfaces = te.draw.surfaces(domain="centre")

folder = Path(*sys.argv[1:2] or ["runs/examples"])
folder.mkdir(parents=True, exist_ok=True)
curves.savefig(folder / "04_activation_curves.png")
surfaces.savefig(folder / "04_activation_surfaces.png")
