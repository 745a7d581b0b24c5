"""
Glorot and Bengio's figures, measured again
===========================================

In 2010 Glorot and Bengio asked why deep networks did not learn, and found that the weights everyone
used made the gradient smaller at each layer. Their network, 1,024 inputs, five layers of 1,000 tanh
units and nine outputs, fits on a laptop today.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_edu as te

WIDTHS = [1024, *[1000] * 5, 9]
generator = np.random.default_rng(0)
images, labels = generator.uniform(-1, 1, (300, 1024)), generator.integers(0, 9, 300)

# %%
# The standard until then, uniform in ±1/√inputs, and the one they proposed, which now has Glorot's
# first name: uniform in ±√(6/(inputs + outputs)). One backward pass each, before any training.


def standard(shape, generator):
    return generator.uniform(-1, 1, shape) / np.sqrt(shape[0])


flows = {}
for name, init in (("standard", standard), ("normalised", "xavier_uniform")):
    model = te.nn.MLP(WIDTHS, "tanh", init=init, seed=0)
    with te.flow.track(model) as flow:
        te.nn.losses.cross_entropy(model(images), labels).backward()
    delta, theory = flow["delta"][0], te.flow.theory(model, x=images)
    print(f"{name:10} δ of a layer ÷ δ of the next:", (delta[:4] / delta[1:5]).round(2))
    print(f"{'':10} by theory:                  ", np.sqrt(theory.chi[:4]).round(2))
    print(f"{'':10} of the fifth layer's δ the first gets {delta[0] / delta[4]:.0%}")
    flows[name] = flow

# %%
# Their figures 6 and 7 are histograms of the activations and of what comes back. With the standard
# weights both lose at each layer that they have come through: h from the bottom up, δ from the top
# down.

standard_histograms = te.draw.flow(flows["standard"], "histograms")

# %%
# With the normalised weights the five layers look alike.

normalised_histograms = te.draw.flow(flows["normalised"], "histograms")

folder = Path(*sys.argv[1:2] or ["runs/examples"])
folder.mkdir(parents=True, exist_ok=True)
standard_histograms.savefig(folder / "05_glorot_standard.png")
normalised_histograms.savefig(folder / "05_glorot_normalised.png")
