"""Records of running sums and products, and what they make up."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np

from ..engine.dispatch import implements
from ..engine.operation import define_structural
from ..errors import OperandError
from .arithmetic import chain_product
from .reductions import backwards
from .shaping import part

# Of so many lines or more a running product takes one step in all of them at once.
FEW = 16

LINES: tuple[Any, ...] = (
    (((2, 3),), {}),
    (((2, 3),), {"axis": 0}),
    (((2, 3, 2),), {"axis": -2}),
    (((4,),), {}),
    (((),), {}),
)


def cumsum_pullback(g: Any, out: Any, a: Any, axis: int | None = None) -> Any:
    """Each entry is in all sums from its own on: the running sum from the end."""
    along = 0 if axis is None or not a.ndim else axis
    return np.reshape(backwards(np.cumsum(backwards(g, along), axis=along), along), a.shape)


cumsum = define_structural(
    "cumsum",
    lambda a, axis=None: np.cumsum(a, axis),
    cumsum_pullback,
    formula=r"\operatorname{{cumsum}}\left({0}\right)",
    numpy=(np.cumsum,),
    cases=LINES,
)


def recurrence_forward(x: Any, a: Any, axis: int = -1) -> Any:
    """y₀ = x₀ and yₖ = xₖ + aₖ₋₁ yₖ₋₁ along an axis, on which `a` is one shorter than `x`."""
    x, a = np.moveaxis(x, axis, -1), np.moveaxis(a, axis, -1)
    if a.shape != (*x.shape[:-1], max(x.shape[-1] - 1, 0)):
        raise ValueError(
            f"each of {x.shape[-1]} numbers but the first takes a factor, not {a.shape[-1]} of them"
        )
    out = np.array(x, np.result_type(x, a))
    if out.size < FEW * out.shape[-1]:
        # Python's own numbers in a row beat arrays of one entry each.
        for line in np.ndindex(out.shape[:-1]):
            first, *rest = x[line].tolist()
            pairs = zip(rest, a[line].tolist(), strict=True)
            out[line] = list(
                accumulate(pairs, lambda y, pair: pair[0] + pair[1] * y, initial=first)
            )
    else:
        for k in range(1, out.shape[-1]):
            out[..., k] += a[..., k - 1] * out[..., k - 1]
    return np.moveaxis(out, -1, axis)


def recurred_back(g: Any, a: Any, axis: int) -> Any:
    """The recurrence from the end: what `g` makes of everything that comes before it."""
    return backwards(recurrence(backwards(g, axis), backwards(a, axis), axis=axis), axis)


# What running products are made of, and their derivatives, of any order.
recurrence = define_structural(
    "recurrence",
    recurrence_forward,
    (
        lambda g, out, x, a, axis=-1: recurred_back(g, a, axis),
        lambda g, out, x, a, axis=-1: (
            part(recurred_back(g, a, axis), axis, 1, None) * part(out, axis, None, -1)
        ),
    ),
    formula=r"\operatorname{{recurrence}}\left({0}, {1}\right)",
    cases=((((4,), (3,)), {}), (((3, 2), (2, 2)), {"axis": 0}), (((1,), (0,)), {})),
)


def cumprod_pullback(g: Any, out: Any, a: Any, axis: int | None = None) -> Any:
    """The product of all before an entry, times g₀ + a₁ (g₁ + a₂ (g₂ + …)) from there on."""
    along = 0 if axis is None or not a.ndim else axis
    line = np.reshape(a, out.shape)
    first = np.ones(part(g, along, None, 1).shape, g.dtype)
    before = np.concatenate([first, part(out, along, None, -1)], axis=along)
    after = recurred_back(g, part(line, along, 1, None), along)
    return np.reshape(chain_product(before, after), a.shape)


cumprod = define_structural(
    "cumprod",
    lambda a, axis=None: np.cumprod(a, axis),
    cumprod_pullback,
    formula=r"\operatorname{{cumprod}}\left({0}\right)",
    numpy=(np.cumprod,),
    extremes=((0.0,), (1e12,), (-1e-12,)),
    cases=LINES,
)


def cumulative(running: Any, x: Any, axis: int | None, start: float | None) -> Any:
    """A running sum or product as the array API standard has it: of a line unless `axis` says."""
    if axis is None:
        if np.ndim(x) != 1:
            raise OperandError(
                f"a running {'sum' if running is cumsum else 'product'} needs axis= on an array "
                f"of {np.ndim(x)} axes"
            )
        axis = 0
    out = running(x, axis=axis)
    if start is None:
        return out
    first = np.full(part(out, axis, None, 1).shape if out.shape[axis] else (), start, out.dtype)
    shape = [1 if a == axis % out.ndim else n for a, n in enumerate(out.shape)]
    return np.concatenate([np.broadcast_to(first, shape), out], axis=axis)


if hasattr(np, "cumulative_sum"):  # from NumPy 2.1 on

    @implements(np.cumulative_sum)
    def cumulative_sum(x: Any, *, axis: int | None = None, include_initial: bool = False) -> Any:
        """The sum up to each entry; with `include_initial` from 0 on."""
        return cumulative(cumsum, x, axis, 0.0 if include_initial else None)

    @implements(np.cumulative_prod)
    def cumulative_prod(x: Any, *, axis: int | None = None, include_initial: bool = False) -> Any:
        """The product up to each entry; with `include_initial` from 1 on."""
        return cumulative(cumprod, x, axis, 1.0 if include_initial else None)


@implements(np.nancumsum)
def nancumsum(a: Any, axis: int | None = None) -> Any:
    """The sum up to each entry, NaN counted as 0 and left without a gradient."""
    return np.cumsum(np.where(np.isnan(a), 0, a), axis=axis)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: int | None = None) -> Any:
    """The product up to each entry, NaN counted as 1 and left without a gradient."""
    return np.cumprod(np.where(np.isnan(a), 1, a), axis=axis)
