"""Arrays joined into one, and one cut into parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.dispatch import implements
from ..engine.operation import define_structural
from ..engine.value import Value
from .rearranging import take
from .shaping import at_least, part


def piece(g: Any, out: Any, *arrays: Any, position: int, axis: int | None = 0) -> Any:
    """The part of a concatenation's gradient that belongs to one of its arrays."""
    mine = arrays[position]
    if axis is None:
        first = sum(math.prod(np.shape(a)) for a in arrays[:position])
        return np.reshape(g[first : first + math.prod(np.shape(mine))], np.shape(mine))
    first = sum(a.shape[axis] for a in arrays[:position])
    return part(g, axis, first, first + mine.shape[axis])


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
        return stack([array(part) for part in nested])
    return nested if isinstance(nested, Value) else Value(nested, requires_grad=False)


# ---- joined ----


@implements(np.vstack)
def vstack(tup: Sequence[Any]) -> Any:
    """Rows, or arrays of rows, one below the other."""
    return concatenate([at_least(2, each) for each in tup], axis=0)


@implements(np.hstack)
def hstack(tup: Sequence[Any]) -> Any:
    """Arrays side by side: along the second axis, or the only one."""
    parts = [at_least(1, each) for each in tup]
    return concatenate(parts, axis=1 if np.ndim(parts[0]) > 1 else 0)


@implements(np.dstack)
def dstack(tup: Sequence[Any]) -> Any:
    """Arrays behind one another: along the third axis."""
    return concatenate([at_least(3, each) for each in tup], axis=2)


@implements(np.column_stack)
def column_stack(tup: Sequence[Any]) -> Any:
    """Arrays as columns of a matrix."""
    columns = (np.reshape(each, (-1, 1)) if np.ndim(each) < 2 else each for each in tup)
    return concatenate(list(columns), axis=1)


@implements(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """An array with others behind it."""
    return concatenate([array(arr), array(values)], axis=axis)


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """An array with values inserted before positions along an axis."""
    if axis is None:
        arr, axis = np.reshape(arr, -1), 0
    axis %= np.ndim(arr)
    values = at_least(
        np.ndim(arr),
        values.astype(arr.dtype) if isinstance(values, Value) else np.asarray(values, arr.dtype),
    )
    if np.ndim(obj) == 0 and not isinstance(obj, slice):
        values = np.moveaxis(values, 0, axis)  # as NumPy takes one position
        count = values.shape[axis]
    else:
        count = np.size(np.arange(arr.shape[axis])[obj])
    shape = (*arr.shape[:axis], count, *arr.shape[axis + 1 :])
    joined = concatenate([arr, np.broadcast_to(values, shape)], axis=axis)
    length = arr.shape[axis]
    order = np.insert(np.arange(length), obj, np.arange(length, length + count))
    return take(joined, order, axis=axis)


@implements(np.block)
def block(arrays: Any) -> Any:
    """A matrix of blocks from nested lists of them."""

    def depth(nested: Any) -> int:
        return 1 + max(map(depth, nested)) if isinstance(nested, list) else 0

    def joined(nested: Any, level: int) -> Any:
        if not level:
            return at_least(dimensions, nested)
        return concatenate([joined(part, level - 1) for part in nested], axis=-level)

    def ranks(nested: Any) -> int:
        return max(map(ranks, nested)) if isinstance(nested, list) else np.ndim(nested)

    levels = depth(arrays)
    dimensions = max(levels, ranks(arrays))
    return joined(arrays, levels)


# ---- cut ----


def cut(ary: Any, places: Sequence[int], axis: int) -> list[Any]:
    """The parts of an array between places along an axis."""
    ends = [*places, ary.shape[axis]]
    return [part(ary, axis, start, end) for start, end in zip([0, *places], ends, strict=True)]


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Parts of an array as equally long as can be, or between given places."""
    if np.ndim(indices_or_sections):
        return cut(ary, [int(place) for place in indices_or_sections], axis)
    count = int(indices_or_sections)
    if count < 1:
        raise ValueError(f"np.array_split makes one part or more, not {count}")
    length, longer = divmod(ary.shape[axis], count)
    return cut(ary, [k * length + min(k, longer) for k in range(1, count)], axis)


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Parts of an array, all equally long, or between given places."""
    if not np.ndim(indices_or_sections) and ary.shape[axis] % indices_or_sections:
        raise ValueError(
            f"np.split makes equal parts, but {ary.shape[axis]} entries along axis {axis} cannot "
            f"be divided by {indices_or_sections}; write np.array_split"
        )
    return array_split(ary, indices_or_sections, axis)


def split_along(name: str, function: Any, axis: Callable[[int], int], least: int) -> None:
    """Let NumPy's `function` be `split` along the axis that an array of so many axes has."""

    def along(ary: Any, indices_or_sections: Any) -> list[Any]:
        if ary.ndim < least:
            raise ValueError(
                f"np.{name} needs {least} axes or more, and this array has shape {ary.shape}"
            )
        return split(ary, indices_or_sections, axis(ary.ndim))

    along.__name__ = name
    along.__doc__ = f"Parts of an array along axis {axis(3)}."
    implements(function)(along)


split_along("vsplit", np.vsplit, lambda ndim: 0, 2)
split_along("hsplit", np.hsplit, lambda ndim: 1 if ndim > 1 else 0, 1)
split_along("dsplit", np.dsplit, lambda ndim: 2, 3)
