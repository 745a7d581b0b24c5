"""Small data sets, and what cuts them into parts: each set is a pair of arrays `(x, y)`."""

from .batching import batches, split
from .images import digits
from .points import blobs, circles, moons, spirals, xor
from .sequences import adding_sequences, regression_1d

__all__ = [
    "adding_sequences",
    "batches",
    "blobs",
    "circles",
    "digits",
    "moons",
    "regression_1d",
    "spirals",
    "split",
    "xor",
]
