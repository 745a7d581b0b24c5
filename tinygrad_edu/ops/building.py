"""Arrays made after others: constants of their shape, grids, powers; and questions about them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.dispatch import implements
from ..engine.node import Node, numbers_of
from .reductions import broadcast_to


@implements(np.zeros_like)
def zeros_like(a: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """Zeros of an array's shape and dtype: a constant, so an array."""
    return np.zeros_like(numbers_of(a), dtype=dtype, shape=shape)


@implements(np.ones_like)
def ones_like(a: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """Ones of an array's shape and dtype: a constant, so an array."""
    return np.ones_like(numbers_of(a), dtype=dtype, shape=shape)


@implements(np.empty_like)
def empty_like(a: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """An array of another's shape and dtype, not yet filled: a constant."""
    return np.empty_like(numbers_of(a), dtype=dtype, shape=shape)


@implements(np.full_like)
def full_like(a: Any, fill_value: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """A number, or an array, repeated in an array's shape; a tracked one stays tracked."""
    shape = np.shape(a) if shape is None else shape
    if not isinstance(fill_value, Node):
        return np.full_like(numbers_of(a), fill_value, dtype=dtype, shape=shape)
    filled: Any = broadcast_to(fill_value, shape)
    return filled.astype(dtype or a.dtype)


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """Arrays repeated to the shape that they have in common."""
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple(np.broadcast_to(each, shape) for each in args)


@implements(np.meshgrid)
def meshgrid(
    *xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Any, ...]:
    """The coordinates of a grid, an array for each axis."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f'np.meshgrid takes indexing="xy" or "ij", not {indexing!r}')
    count = len(xi)
    axes = list(range(count))
    if indexing == "xy" and count > 1:
        axes[:2] = 1, 0
    lines = [
        np.reshape(x, [-1 if place == axis else 1 for place in range(count)])
        for x, axis in zip(xi, axes, strict=True)
    ]
    return tuple(lines) if sparse else broadcast_arrays(*lines)


@implements(np.linspace)
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, *, axis: int = 0) -> Any:
    """Numbers at equal distances from `start` to `stop`."""
    shares = np.arange(num) / max(num - 1 if endpoint else num, 1)
    way = stop - start
    line = np.reshape(shares, (-1, *(1,) * np.ndim(way)))
    grid = start + line * way
    if endpoint and num > 1:  # without rounding
        grid = np.where(line == 1, stop, grid)
    grid = grid.astype(np.result_type(numbers_of(start), numbers_of(stop), 1.0))
    return grid if axis == 0 else np.moveaxis(grid, 0, axis)


@implements(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    *,
    axis: int = 0,
) -> Any:
    """Powers of a base whose exponents have equal distances."""
    if np.ndim(base):
        start = start + np.zeros(np.shape(base))
    exponents = linspace(start, stop, num, endpoint, axis=axis)
    return np.power(base, exponents)


@implements(np.geomspace)
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, *, axis: int = 0) -> Any:
    """Positive numbers at equal ratios from `start` to `stop`."""
    return np.exp(np.linspace(np.log(start), np.log(stop), num, endpoint, axis=axis))


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of numbers, a column for each exponent."""
    count = np.size(x) if N is None else N
    powers = np.arange(count)
    return np.reshape(x, (-1, 1)) ** (powers if increasing else powers[::-1])


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """A polynomial with the coefficients `p`, that of the highest power first, at `x`."""
    value: Any = np.zeros_like(numbers_of(x))
    for coefficient in p:
        value = value * x + coefficient
    return value


@implements(getattr(np, "unstack", None))
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices of an array along an axis."""
    return tuple(np.moveaxis(x, axis, 0))


# ---- questions, answered without recording anything ----


@implements(np.shape)
def shape(a: Any) -> tuple[int, ...]:
    """The lengths of the axes."""
    return numbers_of(a).shape  # type: ignore[no-any-return]


@implements(np.ndim)
def ndim(a: Any) -> int:
    """The number of axes."""
    return numbers_of(a).ndim  # type: ignore[no-any-return]


@implements(np.size)
def size(a: Any, axis: int | None = None) -> int:
    """The number of entries, or the length of an axis."""
    return np.size(numbers_of(a), axis)


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype that an operation on these gives."""
    return np.result_type(*map(numbers_of, arrays_and_dtypes))


@implements(np.array2string, np.array_str, np.array_repr)
def array2string(a: Any, *options: Any, **kwargs: Any) -> str:
    """The numbers as text."""
    return np.array2string(numbers_of(a), *options, **kwargs)
