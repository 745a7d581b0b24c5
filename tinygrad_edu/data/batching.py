"""Parts of a data set: batches for the steps of a training, and rows kept back for a test."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np

from ..errors import OperandError, ShapeError
from .checks import Seed, whole


def batches(
    x: Any, y: Any, size: int, shuffle: bool = True, seed: Seed = 0
) -> Iterator[tuple[Any, Any]]:
    """All rows once, `size` of them at a time: pairs `(x, y)`, the last one of what remains.

    `x` and `y` are arrays, or tuples of arrays (each batch then has tuples of the same length),
    all with the same number of rows. The order is drawn when this is called; an
    integer `seed` gives the same order at every call, a generator a new one for each epoch.
    Unshuffled batches are views. Raises `ShapeError` for different numbers of rows, none at all, or
    a size below 1.
    """
    count, size = rows(x, y), whole("size", size)
    x, y = (each if isinstance(each, tuple) else np.asarray(each) for each in (x, y))
    if not shuffle:
        return (
            (taken(x, part), taken(y, part))
            for part in (slice(begin, begin + size) for begin in range(0, count, size))
        )
    order = np.random.default_rng(seed).permutation(count)
    return (
        (taken(x, part), taken(y, part))
        for part in (order[begin : begin + size] for begin in range(0, count, size))
    )


def split(
    x: Any, y: Any, share: float = 0.2, seed: Seed = 0
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Rows to train with and rows to test with, drawn at random: `(x, y), (x_test, y_test)`.

    `share` is that of the rows to test with, rounded, but at least one row on either side; `x`
    and `y` are what `batches` takes. Raises `ShapeError` for different numbers of rows or fewer
    than two, `OperandError` for a share that is not between 0 and 1.
    """
    count = rows(x, y)
    if not isinstance(share, Real) or not 0 < share < 1:
        raise OperandError(f"share must be a number between 0 and 1, as 0.2, not {share!r}")
    if count < 2:
        raise ShapeError("a single row cannot be split into one part to train and one to test with")
    tests = min(max(round(count * float(share)), 1), count - 1)
    order = np.random.default_rng(seed).permutation(count)
    train, test = order[tests:], order[:tests]
    return (taken(x, train), taken(y, train)), (taken(x, test), taken(y, test))


def taken(data: Any, index: Any) -> Any:
    """Some rows of an array, or of each of a tuple's."""
    if isinstance(data, tuple):
        return tuple(taken(each, index) for each in data)
    return np.asarray(data)[index]


def rows(x: Any, y: Any) -> int:
    """How many rows both have. Raises `ShapeError`."""
    arrays = [each for part in (x, y) for each in (part if isinstance(part, tuple) else (part,))]
    shapes = [np.shape(each) for each in arrays]
    if not all(shapes):
        raise ShapeError("data must have an axis of rows in front; a single number has none")
    counts = {shape[0] for shape in shapes}
    if len(counts) != 1:
        raise ShapeError(
            "x and y must have the same number of rows, one target for each input; their shapes "
            f"are {' and '.join(map(str, shapes))}"
        )
    if not (count := counts.pop()):
        raise ShapeError("there are no rows: x and y are empty")
    return int(count)
