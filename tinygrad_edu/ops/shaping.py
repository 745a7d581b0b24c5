"""Records that move entries without changing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..engine.dispatch import implements
from ..engine.operation import define_structural
from ..errors import OperandError

reshape = define_structural(
    "reshape",
    lambda a, shape: a.reshape(shape),
    lambda g, out, a, shape: np.reshape(g, a.shape),
    formula=r"\operatorname{{reshape}}\left({0}\right)",
    cases=((((2, 3),), {"shape": (3, 2)}), (((4,),), {"shape": (2, -1)}), (((1,),), {"shape": ()})),
)
transpose = define_structural(
    "transpose",
    lambda a, axes=None: np.transpose(a, axes),
    lambda g, out, a, axes=None: np.transpose(
        g, None if axes is None else tuple(np.argsort([axis % a.ndim for axis in axes]).tolist())
    ),
    formula="{{{0}}}^T",
    numpy=(np.transpose, np.permute_dims),
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


def by_order(a: Any, shape: Any, order: str) -> Any:
    """`a` in another shape, its entries read and written row by row ("C") or by columns ("F")."""
    if order in ("C", "A", "K"):
        return reshape(a, shape)
    if order != "F":
        raise OperandError(f'order is "C" or "F", not {order!r}')
    lengths = tuple(shape) if np.ndim(shape) else (shape,)
    return transpose(reshape(transpose(a), lengths[::-1]))


@implements(np.reshape)
def reshape_as_numpy(a: Any, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    """The same entries in another shape."""
    return by_order(a, shape, order)


@implements(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    """All entries in one row."""
    return by_order(a, -1, order)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Some axes moved to other places; the rest keep their order."""
    old, new = (normalize_axis_tuple(axes, a.ndim) for axes in (source, destination))
    if len(old) != len(new):
        raise ValueError(
            f"np.moveaxis moves {len(old)} axes to {len(new)} places; give as many of each"
        )
    order = [axis for axis in range(a.ndim) if axis not in old]
    for target, axis in sorted(zip(new, old, strict=True)):
        order.insert(target, axis)
    return transpose(a, order)


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """One axis moved in front of another."""
    axis %= a.ndim
    start = start + a.ndim if start < 0 else start
    return moveaxis(a, axis, start - 1 if axis < start else start)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    """The last two axes exchanged."""
    return swapaxes(x, -1, -2)


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """The same entries: nothing can change those of a Value."""
    return np.positive(a)


@implements(np.astype)
def astype_as_numpy(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """The same numbers as float32 or float64."""
    return astype(x, dtype=np.dtype(dtype))


def part(a: Any, axis: int, start: int | None, stop: int | None) -> Any:
    """The entries from `start` to `stop` along an axis."""
    return a[(*(slice(None),) * (axis % a.ndim), slice(start, stop))]


def at_least(count: int, a: Any) -> Any:
    """An array with `count` axes or more; the added ones stand where NumPy puts them."""
    shape = np.shape(a)
    missing = count - len(shape)
    if missing <= 0:
        return a
    if count == 3 and len(shape) > 0:
        shape = (*(1,) * (2 - len(shape)), *shape, 1)
    else:
        shape = (*(1,) * missing, *shape)
    return np.reshape(a, shape)


def each_at_least(name: str, function: Any, count: int) -> None:
    """Let NumPy's `function` add axes of length 1 in front, up to `count`."""

    def of_all(*arys: Any) -> Any:
        results = tuple(at_least(count, each) for each in arys)
        return results[0] if len(results) == 1 else results

    of_all.__name__ = name
    of_all.__doc__ = f"Axes of length 1 added, so that there are {count} or more."
    implements(function)(of_all)


each_at_least("atleast_1d", np.atleast_1d, 1)
each_at_least("atleast_2d", np.atleast_2d, 2)
each_at_least("atleast_3d", np.atleast_3d, 3)


@implements(np.apply_along_axis)
def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Any:
    """`func1d` of every line of an array along an axis."""
    axis %= arr.ndim
    others = [a for a in range(arr.ndim) if a != axis]
    lines = np.reshape(np.transpose(arr, [*others, axis]), (-1, arr.shape[axis]))
    results = np.stack([func1d(line, *args, **kwargs) for line in lines])
    lead = tuple(arr.shape[a] for a in others)
    shape = results.shape[1:]
    back = [*range(axis), *range(len(lead), len(lead) + len(shape)), *range(axis, len(lead))]
    return np.transpose(np.reshape(results, lead + shape), back)
