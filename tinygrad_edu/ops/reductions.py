"""Records that combine the entries along axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine.operation import define_structural

AXES: tuple[Any, ...] = (
    (((2, 3),), {}),
    (((2, 3, 4),), {"axis": (0, 2)}),
    (((2, 3, 4),), {"axis": -1, "keepdims": True}),
    (((3, 1),), {"axis": 0}),
    (((),), {}),
)


def reduced_axes(ndim: int, axis: Any) -> tuple[int, ...]:
    """The axes that `axis` (None, an integer or a tuple) names among `ndim`, none of them negative.

    NumPy lets a scalar be reduced over axis 0 or −1: that names nothing.
    """
    if axis is None or not ndim:
        return tuple(range(ndim))
    return tuple(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,)))


def kept_shape(shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    """The shape of a reduction of `shape` over `axis` that keeps its axes with length 1."""
    reduced = reduced_axes(len(shape), axis)
    return tuple(1 if a in reduced else length for a, length in enumerate(shape))


def spread(g: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """A reduction's gradient given back to every entry that went into it."""
    if axis is not None and not keepdims:
        g = np.reshape(g, kept_shape(shape, axis))
    return broadcast_to(g, shape)


def broadcast_to_forward(array: Any, shape: tuple[int, ...]) -> Any:
    """A new array of `shape` filled with `array`."""
    # Filling beats np.broadcast_to on small arrays, and a solid array is faster to multiply.
    out = np.empty(shape, array.dtype)
    out[...] = array
    return out


broadcast_to = define_structural(
    "broadcast_to",
    broadcast_to_forward,
    lambda g, out, array, shape: g,  # the engine undoes broadcasting
    formula=r"\operatorname{{broadcast}}\left({0}\right)",
    numpy=(np.broadcast_to,),
    cases=(
        (((3,),), {"shape": (2, 3)}),
        (((2, 1),), {"shape": (2, 3)}),
        (((),), {"shape": (2,)}),
    ),
)


def sum_forward(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    """What `np.sum` computes, without its wrapper."""
    return np.add.reduce(a, axis=axis, keepdims=keepdims)


total = define_structural(
    "sum",
    sum_forward,
    lambda g, out, a, axis=None, keepdims=False: spread(g, a.shape, axis, keepdims),
    formula=r"\sum {0}",
    numpy=(np.sum,),
    cases=(*AXES, (((0, 3),), {"axis": 0})),
)


def mean_count(shape: tuple[int, ...], axis: Any) -> int:
    """How many entries each mean is taken of."""
    if axis is None:
        return math.prod(shape)
    return math.prod(shape[a] for a in reduced_axes(len(shape), axis))


def mean_forward(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    """What `np.mean` computes, without its wrapper."""
    return np.add.reduce(a, axis=axis, keepdims=keepdims) / mean_count(a.shape, axis)


mean = define_structural(
    "mean",
    mean_forward,
    lambda g, out, a, axis=None, keepdims=False: spread(
        g / mean_count(a.shape, axis), a.shape, axis, keepdims
    ),
    formula=r"\operatorname{{mean}}\left({0}\right)",
    numpy=(np.mean,),
    cases=AXES,
)


def gaps(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Distances between neighbours in size along `axis`: zero at a tie."""
    axes = reduced_axes(a.ndim, axis)
    moved = np.moveaxis(a, axes, range(len(axes)))
    flat = moved.reshape(mean_count(a.shape, axis), -1)
    return np.diff(np.sort(flat, axis=0), axis=0)


def shared_among_ties(g: Any, out: Any, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """An extreme's gradient, in equal parts to the entries that attain it."""
    kept = kept_shape(a.shape, axis)
    attained = a == np.reshape(out, kept)
    share = attained / np.sum(attained, axis=axis, keepdims=True)
    return np.reshape(g, kept) * share


maximum_over = define_structural(
    "max",
    lambda a, axis=None, keepdims=False: np.maximum.reduce(a, axis=axis, keepdims=keepdims),
    shared_among_ties,
    formula=r"\max\left({0}\right)",
    numpy=(np.max, np.amax),
    kinks=(gaps,),
    cases=AXES,
)
minimum_over = define_structural(
    "min",
    lambda a, axis=None, keepdims=False: np.minimum.reduce(a, axis=axis, keepdims=keepdims),
    shared_among_ties,
    formula=r"\min\left({0}\right)",
    numpy=(np.min, np.amin),
    kinks=(gaps,),
    cases=AXES,
)
