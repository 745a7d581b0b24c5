"""Small data sets, and what cuts them into parts: each set is a pair of arrays `(x, y)`."""

from typing import TYPE_CHECKING, NoReturn

from ..spellings import refuse_name
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

ARRAYS = "a pair of arrays, (x, y): te.train.fit takes it, and te.data.batches cuts it"
# What PyTorch and scikit-learn call them.
ELSEWHERE = {
    "DataLoader": "te.data.batches(x, y, size): each batch is a pair",
    "TensorDataset": ARRAYS,
    "Dataset": ARRAYS,
    "Subset": "x[rows], y[rows]",
    "random_split": "te.data.split(x, y, share)",
    "train_test_split": "te.data.split(x, y, share)",
    "make_moons": "te.data.moons(...)",
    "make_circles": "te.data.circles(...)",
    "make_blobs": "te.data.blobs(...)",
    "load_digits": "te.data.digits(...)",
}


def elsewhere(name: str) -> NoReturn:
    """Say what to write for a name of PyTorch's or scikit-learn's."""
    refuse_name("te.data", name, ELSEWHERE, __all__)


# Type checkers shall find a wrong name by themselves.
if not TYPE_CHECKING:
    __getattr__ = elsewhere
