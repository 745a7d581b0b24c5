"""Records that combine the entries along axes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from ..engine.dispatch import Composition, implements
from ..engine.node import Node
from ..engine.operation import Structural, define_structural
from ..errors import OperandError
from .arithmetic import chain_product
from .tails import least

AXES: tuple[Any, ...] = (
    (((2, 3),), {}),
    (((2, 3, 4),), {"axis": (0, 2)}),
    (((2, 3, 4),), {"axis": -1, "keepdims": True}),
    (((3, 1),), {"axis": 0}),
    (((),), {}),
)
# What reductions do with options that no record takes: most are to choose some of the entries.
COMPOSED = frozenset({"where", "initial", "correction"})
CHOOSING: dict[str, Composition] = {}


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Reduction(Structural):
    """A reduction, with compositions in front of it for some of the options that NumPy gives it."""

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """As for every record, or the composition where one of those options is given."""
        if COMPOSED.isdisjoint(kwargs):
            return super().bound(args, kwargs)
        return CHOOSING[self.name](*args, **kwargs)


def choosing(reduction: Reduction) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates what a reduction does with one of those options."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        names = tuple(inspect.signature(function).parameters)
        CHOOSING[reduction.name] = Composition(function, reduction.numpy, names)
        return function

    return decorate


def operand(a: Any) -> Any:
    """A Value, or anything else as an array."""
    return a if isinstance(a, Node) or hasattr(a, "tape") else np.asarray(a)


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


def count_of(shape: tuple[int, ...], axis: Any) -> int:
    """How many entries of an array of `shape` each reduction over `axis` is taken of."""
    if axis is None:
        return math.prod(shape)
    return math.prod(shape[a] for a in reduced_axes(len(shape), axis))


def last_axes(ndim: int, axis: Any) -> tuple[int, ...]:
    """An order of the axes in which those that are reduced come last."""
    reduced = reduced_axes(ndim, axis)
    return (*(a for a in range(ndim) if a not in reduced), *reduced)


def lanes(a: Any, axis: Any) -> Any:
    """`a` with the entries of each reduction over `axis` in one row: its last axis."""
    count = count_of(a.shape, axis)
    if axis is None:
        return np.reshape(a, (count,))
    order = last_axes(a.ndim, axis)
    kept = tuple(a.shape[each] for each in order[: a.ndim - len(reduced_axes(a.ndim, axis))])
    return np.reshape(np.transpose(a, order), (*kept, count))


def from_lanes(rows: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """The array of `shape` whose `lanes` over `axis` are `rows`."""
    if axis is None:
        return np.reshape(rows, shape)
    order = last_axes(len(shape), axis)
    moved = np.reshape(rows, tuple(shape[each] for each in order))
    return np.transpose(moved, [order.index(each) for each in range(len(shape))])


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


total = Reduction.define(
    "sum",
    sum_forward,
    lambda g, out, a, axis=None, keepdims=False: spread(g, a.shape, axis, keepdims),
    formula=r"\sum {0}",
    numpy=(np.sum,),
    cases=(*AXES, (((0, 3),), {"axis": 0})),
)


@choosing(total)
def sum_chosen(
    a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """The sum of `initial` and of the entries that a mask chooses."""
    out = total(np.where(where, a, 0), axis=axis, keepdims=keepdims)
    return out if initial is None else out + initial


def mean_forward(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    """What `np.mean` computes, without its wrapper."""
    return np.add.reduce(a, axis=axis, keepdims=keepdims) / count_of(a.shape, axis)


mean = Reduction.define(
    "mean",
    mean_forward,
    lambda g, out, a, axis=None, keepdims=False: spread(
        g / count_of(a.shape, axis), a.shape, axis, keepdims
    ),
    formula=r"\operatorname{{mean}}\left({0}\right)",
    numpy=(np.mean,),
    cases=AXES,
)


def count_chosen(where: Any, a: Any, axis: Any) -> Any:
    """How many entries of `a` a mask chooses for each mean, in its dtype, with the axes kept."""
    ones = np.ones(a.shape, a.dtype)[()]
    return np.sum(np.where(where, ones, 0), axis=axis, keepdims=True)


@choosing(mean)
def mean_chosen(a: Any, axis: Any = None, keepdims: bool = False, where: Any = True) -> Any:
    """The mean of the entries that a mask chooses; NaN where it chooses none."""
    chosen = total(np.where(where, a, 0), axis=axis, keepdims=True)
    return without_axes(chosen / count_chosen(where, a, axis), axis, keepdims)


def without_axes(reduced: Any, axis: Any, keepdims: bool) -> Any:
    """A reduction that has kept its axes, without them unless `keepdims`."""
    if keepdims:
        return reduced
    gone = reduced_axes(reduced.ndim, axis)
    return np.reshape(reduced, tuple(n for a, n in enumerate(reduced.shape) if a not in gone))


def backwards(a: Any, axis: int = -1) -> Any:
    """The entries along one axis in reverse order."""
    return a[(*(slice(None),) * (axis % a.ndim), slice(None, None, -1))]


def product_of_others(rows: Any) -> Any:
    """For each entry of a row the product of all others: never by division, so zeros do no harm."""
    first = np.ones((*rows.shape[:-1], min(rows.shape[-1], 1)), rows.dtype)
    before = np.cumprod(np.concatenate([first, rows[..., :-1]], axis=-1), axis=-1)
    turned = backwards(rows)
    after = np.cumprod(np.concatenate([first, turned[..., :-1]], axis=-1), axis=-1)
    # A zero before, and numbers after that multiply to ∞, make 0: that is their product, too.
    return chain_product(before, backwards(after))


def product_pullback(g: Any, out: Any, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The product of all other entries: that of those before, times that of those after."""
    others = from_lanes(product_of_others(lanes(a, axis)), a.shape, axis)
    return chain_product(np.reshape(g, kept_shape(a.shape, axis)), others)


product = Reduction.define(
    "prod",
    lambda a, axis=None, keepdims=False: np.multiply.reduce(a, axis=axis, keepdims=keepdims),
    product_pullback,
    formula=r"\prod {0}",
    numpy=(np.prod,),
    extremes=((0.0,), (1e12,), (-1e-12,)),
    cases=(*AXES, (((2, 2),), {"axis": (1, 0)})),
)


@choosing(product)
def product_chosen(
    a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """The product of `initial` and of the entries that a mask chooses."""
    out = product(np.where(where, a, 1), axis=axis, keepdims=keepdims)
    return out if initial is None else out * initial


def gaps(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Distances between neighbours in size along `axis`: zero at a tie."""
    return np.diff(np.sort(lanes(a, axis)))


def shared_among_ties(g: Any, out: Any, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """An extreme's gradient, in equal parts to the entries that attain it."""
    kept = kept_shape(a.shape, axis)
    attained = a == np.reshape(out, kept)
    share = attained / np.sum(attained, axis=axis, keepdims=True)
    return np.reshape(g, kept) * share


maximum_over = Reduction.define(
    "max",
    lambda a, axis=None, keepdims=False: np.maximum.reduce(a, axis=axis, keepdims=keepdims),
    shared_among_ties,
    formula=r"\max\left({0}\right)",
    numpy=(np.max, np.amax),
    kinks=(gaps,),
    cases=AXES,
)
minimum_over = Reduction.define(
    "min",
    lambda a, axis=None, keepdims=False: np.minimum.reduce(a, axis=axis, keepdims=keepdims),
    shared_among_ties,
    formula=r"\min\left({0}\right)",
    numpy=(np.min, np.amin),
    kinks=(gaps,),
    cases=AXES,
)


def need_initial(initial: Any, where: Any, name: str) -> None:
    """Raise `OperandError` where a mask may leave nothing to take the extreme of."""
    if initial is None and where is not True:
        raise OperandError(
            f"np.{name} with where= needs initial=, the value where the mask chooses nothing"
        )


@choosing(maximum_over)
def maximum_chosen(
    a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """The greatest of `initial` and of the entries that a mask chooses."""
    need_initial(initial, where, "max")
    kept, start = np.where(where, a, -inf), -inf if initial is None else initial
    if not count_of(a.shape, axis):
        return total(kept, axis=axis, keepdims=keepdims) + start
    return np.maximum(maximum_over(kept, axis=axis, keepdims=keepdims), start)


@choosing(minimum_over)
def minimum_chosen(
    a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """The least of `initial` and of the entries that a mask chooses."""
    need_initial(initial, where, "min")
    kept, start = np.where(where, a, inf), inf if initial is None else initial
    if not count_of(a.shape, axis):
        return total(kept, axis=axis, keepdims=keepdims) + start
    return np.minimum(minimum_over(kept, axis=axis, keepdims=keepdims), start)


@np.errstate(over="ignore", invalid="ignore", under="ignore")
def powers(a: Any, axis: Any) -> tuple[Any, Any, Any]:
    """The greatest entry over `axis`, exp(a − greatest), and the sum of these powers less 1."""
    top = np.maximum.reduce(a, axis=axis, keepdims=True, initial=-inf)
    attained = a == top
    shifted = a - top
    if not np.all(np.isfinite(top)):
        shifted = np.where(attained, 0, shifted)
    power = np.exp(shifted)
    if not least(shifted) >= -2:
        # Knuth's sum of two tells what rounding took off the difference; its exp has lost as much.
        back = shifted - a
        lost = (a - (shifted - back)) - (top + back)
        power = np.where(np.isfinite(lost), power + power * lost, power)
    # Each of the greatest adds exactly 1: the sum of the others alone keeps their digits.
    others = np.add.reduce(np.where(attained, 0, power), axis=axis, keepdims=True)
    ties = np.add.reduce(attained, axis=axis, keepdims=True, dtype=a.dtype)
    return top, power, others + np.maximum(ties - 1, 0)


def logsumexp_forward(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    """max a + log(1 + Σ of the others' exp(a − max a))."""
    top, _, others = powers(a, axis)
    return without_axes(top + np.log1p(others), axis, keepdims)


def shares_forward(a: Any, axis: Any = None) -> Any:
    """exp(a) / Σ exp(a) over `axis`; 0 for −∞, even if there is nothing else."""
    _, power, others = powers(a, axis)
    return np.where(a == -inf, 0, power) / (1 + others)


def shares_pullback(g: Any, out: Any, a: Any, axis: Any = None) -> Any:
    """out (g − Σ g out): each entry's gradient, less their average."""
    centred = g - np.sum(g * out, axis=axis, keepdims=True)
    # Where one entry of `out` is all but 1, rounding leaves no digit of its `centred`: again.
    centred = centred - np.sum(centred * out, axis=axis, keepdims=True)
    return out * centred


shares = define_structural(
    "shares",
    shares_forward,
    shares_pullback,
    formula=r"\operatorname{{softmax}}\left({0}\right)",
    extremes=((1e308,), (-1e308,), (0.0,)),
    cases=[(shapes, {"axis": options.get("axis")}) for shapes, options in AXES],
    definition=lambda a, axis=None: np.exp(a) / np.sum(np.exp(a), axis=axis, keepdims=True),
)
logsumexp = define_structural(
    "logsumexp",
    logsumexp_forward,
    lambda g, out, a, axis=None, keepdims=False: (
        np.reshape(g, kept_shape(a.shape, axis)) * shares(a, axis=axis)
    ),
    formula=r"\log \sum \exp\left({0}\right)",
    extremes=((1e308,), (-1e308,), (0.0,)),
    cases=AXES,
    definition=lambda a, axis=None, keepdims=False: np.log(
        np.sum(np.exp(a), axis=axis, keepdims=keepdims)
    ),
)


@implements(np.ptp)
def peak_to_peak(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The greatest entry less the least one; ties share the gradient."""
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


@implements(np.apply_over_axes)
def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """A reduction over one axis after the other, each kept with length 1."""
    for axis in np.atleast_1d(axes).tolist():
        out = func(a, axis)
        a = out if np.ndim(out) == np.ndim(a) else np.expand_dims(out, axis)
    return a
