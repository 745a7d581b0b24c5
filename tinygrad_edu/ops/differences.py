"""Differences, slopes and integrals of sampled functions, their interpolation and convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.dispatch import implements
from ..engine.node import numbers_of
from ..engine.operation import define_structural
from .reductions import backwards, operand
from .shaping import part


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along an axis, taken `n` times."""
    a = operand(a)
    if n < 0 or not a.ndim:
        raise ValueError(f"np.diff takes an array with an axis and n >= 0, not n={n} of {a.shape}")
    if not n:
        return a
    width = tuple(1 if each == axis % a.ndim else length for each, length in enumerate(a.shape))
    pieces = [
        np.broadcast_to(piece, width) if np.ndim(piece) == 0 else piece
        for piece in (prepend, a, append)
        if piece is not None
    ]
    if len(pieces) > 1:
        a = np.concatenate(pieces, axis=axis)
    for _ in range(n):
        a = part(a, axis, 1, None) - part(a, axis, None, -1)
    return a


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours in one row, between what is to come before and after them."""
    row = np.reshape(ary, (-1,))
    pieces = (to_begin, row[1:] - row[:-1], to_end)
    given = [
        np.reshape(operand(piece).astype(row.dtype), (-1,)) for piece in pieces if piece is not None
    ]
    return np.concatenate(given) if len(given) > 1 else given[0]


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Slopes along each axis by central differences; at the ends one-sided of order 1 or 2."""
    f = operand(f)
    axes = tuple(np.atleast_1d(range(f.ndim) if axis is None else axis).tolist())
    spacing = varargs or (1.0,)
    if len(spacing) == 1 and not np.ndim(spacing[0]):
        spacing *= len(axes)
    if len(spacing) != len(axes):
        raise TypeError(
            f"np.gradient takes no spacing, one number, or one for each of {len(axes)} axes, not "
            f"{len(spacing)}"
        )
    if edge_order not in (1, 2):
        raise ValueError(f"np.gradient takes edge_order 1 or 2, not {edge_order}")
    slopes = tuple(
        slope(f, operand(each) if np.ndim(each) else each, along % f.ndim, edge_order)
        for each, along in zip(spacing, axes, strict=True)
    )
    return slopes[0] if len(slopes) == 1 else slopes


def slope(f: Any, spacing: Any, axis: int, edge_order: int) -> Any:
    """The slopes along one axis, on which `spacing` is the distance or the coordinates."""
    length = f.shape[axis]
    if length <= edge_order:
        raise ValueError(
            f"np.gradient with edge_order={edge_order} needs {edge_order + 1} entries along an "
            f"axis; axis {axis} has {length}"
        )
    if np.ndim(spacing) and np.shape(spacing) != (length,):
        raise ValueError(
            f"the spacing along axis {axis} is a number or {length} coordinates, not an array of "
            f"shape {np.shape(spacing)}"
        )
    before, after = part(f, axis, None, -1), part(f, axis, 1, None)
    if np.ndim(spacing):
        steps = np.reshape(
            spacing[1:] - spacing[:-1], [-1 if each == axis else 1 for each in range(f.ndim)]
        )
        rise = (after - before) / steps
        left, right = part(steps, axis, None, -1), part(steps, axis, 1, None)
        # The parabola through three points: of the slopes beside the nearer one weighs more.
        bend = part(rise, axis, 1, None) - part(rise, axis, None, -1)
        inner = part(rise, axis, None, -1) + left / (left + right) * bend
    else:
        rise = (after - before) / spacing
        inner = (part(f, axis, 2, None) - part(f, axis, None, -2)) / (2 * spacing)
    first, last = part(rise, axis, None, 1), part(rise, axis, -1, None)
    if edge_order == 2:
        first = 2 * first - part(inner, axis, None, 1)
        last = 2 * last - part(inner, axis, -1, None)
    return np.concatenate([first, inner, last], axis=axis)


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral by trapezoids, at the points `x` or at the distance `dx`."""
    y, x = operand(y), None if x is None else operand(x)
    widths = dx
    if x is not None:
        along = axis if x.ndim > 1 else 0
        widths = part(x, along, 1, None) - part(x, along, None, -1)
        if x.ndim == 1:
            widths = np.reshape(widths, [-1 if a == axis % y.ndim else 1 for a in range(y.ndim)])
    heights = (part(y, axis, 1, None) + part(y, axis, None, -1)) / 2
    return np.sum(widths * heights, axis=axis)


@implements(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: float | None = None
) -> Any:
    """The line through the points (xp, fp) at x; at a corner its slope is that to the right."""
    x, xp, fp = (operand(each).astype(np.float64) for each in (x, xp, fp))
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.shape[0]:
        raise ValueError(
            f"np.interp takes points as two rows of the same length, not {xp.shape} and {fp.shape}"
        )
    if period is not None:
        if not period:
            raise ValueError("np.interp takes a period that is not 0")
        length, left, right = abs(period), None, None
        x, xp = np.remainder(x, length), np.remainder(xp, length)
        order = np.argsort(numbers_of(xp))
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - length, xp, xp[:1] + length])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    count = xp.shape[0]
    left, right = fp[0] if left is None else left, fp[-1] if right is None else right
    at = np.clip(np.searchsorted(numbers_of(xp), numbers_of(x), "right") - 1, 0, max(count - 2, 0))
    out = fp[at]
    if count > 1:
        out = out + (x - xp[at]) * ((fp[at + 1] - out) / (xp[at + 1] - xp[at]))
    return np.where(x < xp[0], left, np.where(x > xp[-1], right, out))


def convolve_forward(a: Any, v: Any, mode: str = "full") -> Any:
    """What `np.convolve` computes, of rows."""
    if np.ndim(a) != 1 or np.ndim(v) != 1:
        raise ValueError(f"np.convolve takes two rows, not shapes {np.shape(a)} and {np.shape(v)}")
    return np.convolve(a, v, mode)  # type: ignore[call-overload]


def correlated(g: Any, mine: Any, other: Any, mode: str) -> Any:
    """The gradient of one of two convolved rows: `g` correlated with the other one."""
    n, m = mine.shape[0], other.shape[0]
    short = min(n, m)
    if mode != "full":  # the gradient of the whole has zeros where it was cut
        before = (short - 1) // 2 if mode == "same" else short - 1
        after = n + m - 1 - before - g.shape[0]
        g = np.concatenate([np.zeros(before, g.dtype), g, np.zeros(after, g.dtype)])
    return convolve(g, backwards(other), mode="valid")


def convolve_first(g: Any, out: Any, a: Any, v: Any, mode: str = "full") -> Any:
    """Sums of products of g and v, which is moved along g."""
    return correlated(g, a, v, mode)


def convolve_second(g: Any, out: Any, a: Any, v: Any, mode: str = "full") -> Any:
    """Sums of products of g and a, which is moved along g."""
    return correlated(g, v, a, mode)


convolve = define_structural(
    "convolve",
    convolve_forward,
    (convolve_first, convolve_second),
    formula=r"{0} * {1}",
    numpy=(np.convolve,),
    cases=(
        (((4,), (3,)), {}),
        (((2,), (5,)), {"mode": "same"}),
        (((5,), (2,)), {"mode": "same"}),
        (((5,), (3,)), {"mode": "valid"}),
        (((2,), (4,)), {"mode": "valid"}),
    ),
)


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Sums of products of two rows, one moved along the other."""
    a, v = np.reshape(a, (-1,)), np.reshape(v, (-1,))
    if mode == "same" and a.shape[0] < v.shape[0]:
        return backwards(convolve(v, backwards(a), mode=mode))
    return convolve(a, backwards(v), mode=mode)
