"""Records that move entries without changing them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.operation import FUNCTIONS, define_structural
from ..engine.value import Value

reshape = define_structural(
    "reshape",
    lambda a, shape: a.reshape(shape),
    lambda g, out, a, shape: np.reshape(g, a.shape),
    formula=r"\operatorname{{reshape}}\left({0}\right)",
    numpy=(np.reshape,),
    cases=((((2, 3),), {"shape": (3, 2)}), (((4,),), {"shape": (2, -1)}), (((1,),), {"shape": ()})),
)
transpose = define_structural(
    "transpose",
    lambda a, axes=None: np.transpose(a, axes),
    lambda g, out, a, axes=None: np.transpose(
        g, None if axes is None else tuple(np.argsort([axis % a.ndim for axis in axes]).tolist())
    ),
    formula="{{{0}}}^T",
    numpy=(np.transpose,),
    cases=(
        (((2, 3),), {}),
        (((2, 3, 4),), {"axes": (2, 0, 1)}),
        (((2, 3, 4),), {"axes": (-1, 0, 1)}),
        (((3,),), {}),
    ),
)
swapaxes = define_structural(
    "swapaxes",
    lambda a, axis1, axis2: np.swapaxes(a, axis1, axis2),
    lambda g, out, a, axis1, axis2: np.swapaxes(g, axis1, axis2),
    formula=r"\operatorname{{swapaxes}}\left({0}\right)",
    numpy=(np.swapaxes,),
    cases=((((2, 3, 4),), {"axis1": 0, "axis2": -1}),),
)
squeeze = define_structural(
    "squeeze",
    lambda a, axis=None: np.squeeze(a, axis),
    lambda g, out, a, axis=None: np.reshape(g, a.shape),
    formula=r"\operatorname{{squeeze}}\left({0}\right)",
    numpy=(np.squeeze,),
    cases=((((2, 1, 3),), {}), (((2, 1, 1),), {"axis": 1}), (((1, 1),), {})),
)
expand_dims = define_structural(
    "expand_dims",
    lambda a, axis: np.expand_dims(a, axis),
    lambda g, out, a, axis: np.reshape(g, a.shape),
    formula=r"\operatorname{{expand}}\left({0}\right)",
    numpy=(np.expand_dims,),
    cases=((((2, 3),), {"axis": 1}), (((3,),), {"axis": (0, -1)})),
)
astype = define_structural(
    "astype",
    lambda a, dtype: a.astype(dtype),
    lambda g, out, a, dtype: g,  # the engine restores the input's dtype
    formula="{0}",
    cases=((((2, 3),), {"dtype": np.dtype(np.float64)}),),
)


def piece(g: Any, out: Any, *arrays: Any, position: int, axis: int | None = 0) -> Any:
    """The part of a concatenation's gradient that belongs to one of its arrays."""
    mine = arrays[position]
    if axis is None:
        first = sum(math.prod(np.shape(a)) for a in arrays[:position])
        return np.reshape(g[first : first + math.prod(np.shape(mine))], np.shape(mine))
    first = sum(a.shape[axis] for a in arrays[:position])
    before = (slice(None),) * (axis % mine.ndim)
    return g[(*before, slice(first, first + mine.shape[axis]))]


concatenate = define_structural(
    "concatenate",
    lambda *arrays, axis=0: np.concatenate(arrays, axis=axis),
    piece,
    formula=r"\left[{0}, \ldots\right]",
    numpy=(np.concatenate,),
    variadic=True,
    cases=(
        (((2, 3), (1, 3)), {}),
        (((2, 3), (2, 1), (2, 2)), {"axis": -1}),
        (((2,), (1, 3)), {"axis": None}),
    ),
)
stack = define_structural(
    "stack",
    lambda *arrays, axis=0: np.stack(arrays, axis=axis),
    lambda g, out, *arrays, position, axis=0: g[(*(slice(None),) * (axis % out.ndim), position)],
    formula=r"\left[{0}, \ldots\right]",
    numpy=(np.stack,),
    variadic=True,
    cases=((((2, 3), (2, 3)), {}), (((3,), (3,), (3,)), {"axis": -1}), (((), ()), {})),
)


def array(nested: Any) -> Value:
    """A Value from a nested list of Values and numbers, as `np.array` would build it.

    Raises `ShapeError` where the rows' shapes differ.
    """
    if isinstance(nested, list | tuple) and nested:
        return stack([array(part) for part in nested])  # type: ignore[no-any-return]
    return nested if isinstance(nested, Value) else Value(nested, requires_grad=False)


def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Any:
    """NumPy's `apply_along_axis`: `func1d` on every 1-D line of `arr` along `axis`."""
    axis %= arr.ndim
    others = [a for a in range(arr.ndim) if a != axis]
    lines = np.reshape(np.transpose(arr, [*others, axis]), (-1, arr.shape[axis]))
    results = stack([func1d(line, *args, **kwargs) for line in lines])
    lead = tuple(arr.shape[a] for a in others)
    shape = results.shape[1:]
    back = [*range(axis), *range(len(lead), len(lead) + len(shape)), *range(axis, len(lead))]
    return np.transpose(np.reshape(results, lead + shape), back)


# NumPy's questions about an array are answered without recording anything.
FUNCTIONS[np.shape] = lambda a: a.shape
FUNCTIONS[np.ndim] = lambda a: a.ndim
FUNCTIONS[np.size] = lambda a, axis=None: a.size if axis is None else a.shape[axis]
FUNCTIONS[np.apply_along_axis] = apply_along_axis
