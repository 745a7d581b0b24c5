"""Records that choose among entries."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from ..engine.blocks import blockwise, select
from ..engine.dispatch import implements
from ..engine.operation import (
    REAL,
    Structural,
    define_elementwise,
    define_structural,
)
from ..engine.value import Operand, Value, frozen_index
from .comparisons import selected
from .tails import greatest, least

where = define_elementwise(
    "where",
    blockwise(select),
    (0, lambda out, condition, x, y: condition != 0, lambda out, condition, x, y: condition == 0),
    formula=r"\begin{{cases}} {1} & {0} \\ {2} & \text{{otherwise}} \end{{cases}}",
    domain=(REAL, REAL, REAL),
    kinks=(lambda condition, x, y: condition,),
    numpy=(np.where,),
)
# Where both are equal the gradient is shared; without ties the slope is Boolean, a selection.
maximum = define_elementwise(
    "maximum",
    np.maximum,
    (
        lambda out, a, b: selected(a > b, a == b),
        lambda out, a, b: selected(b > a, a == b),
    ),
    formula=r"\max\left({0}, {1}\right)",
    domain=(REAL, REAL),
    kinks=(lambda a, b: a - b,),
    numpy=(np.maximum,),
    extremes=((1e308, -1e308), (0.0, 0.0)),
)
minimum = define_elementwise(
    "minimum",
    np.minimum,
    (
        lambda out, a, b: selected(a < b, a == b),
        lambda out, a, b: selected(b < a, a == b),
    ),
    formula=r"\min\left({0}, {1}\right)",
    domain=(REAL, REAL),
    kinks=(lambda a, b: a - b,),
    numpy=(np.minimum,),
    extremes=((1e308, -1e308), (0.0, 0.0)),
)


def alike(a: Any, b: Any) -> Any:
    """Where both are equal, or NaN."""
    return (a == b) | (np.isnan(a) & np.isnan(b))


# NaN is no number to be the greater or the lesser one: the other gets all of the gradient.
fmax = define_elementwise(
    "fmax",
    np.fmax,
    (
        lambda out, a, b: selected((a > b) | np.isnan(b), alike(a, b)),
        lambda out, a, b: selected((b > a) | np.isnan(a), alike(a, b)),
    ),
    formula=r"\operatorname{{fmax}}\left({0}, {1}\right)",
    domain=(REAL, REAL),
    kinks=(lambda a, b: a - b,),
    numpy=(np.fmax,),
    extremes=((1e308, -1e308), (0.0, 0.0)),
)
fmin = define_elementwise(
    "fmin",
    np.fmin,
    (
        lambda out, a, b: selected((a < b) | np.isnan(b), alike(a, b)),
        lambda out, a, b: selected((b < a) | np.isnan(a), alike(a, b)),
    ),
    formula=r"\operatorname{{fmin}}\left({0}, {1}\right)",
    domain=(REAL, REAL),
    kinks=(lambda a, b: a - b,),
    numpy=(np.fmin,),
    extremes=((1e308, -1e308), (0.0, 0.0)),
)
clip = define_elementwise(
    "clip",
    lambda x, low, high: np.minimum(np.maximum(x, low), high),
    (
        lambda out, x, low, high: (x >= low) & (x <= high),
        lambda out, x, low, high: (x < low) & (low <= high),
        lambda out, x, low, high: (x > high) | (low > high),
    ),
    formula=r"\operatorname{{clip}}\left({0}, {1}, {2}\right)",
    domain=(REAL, REAL, REAL),
    kinks=(
        lambda x, low, high: x - low,
        lambda x, low, high: x - high,
        lambda x, low, high: low - high,
    ),
    extremes=((1e308, -1.0, 1.0), (1.0, -1.0, 1.0)),
)


def bounded_forward(x: Any, *, low: float, high: float) -> Any:
    """x, but never outside of [low, high]."""
    if least(x) >= low and greatest(x) <= high:
        return x
    return np.minimum(np.maximum(x, low), high)


# For rules whose result has long been rounded to its limit where their exp would overflow: x, as
# the reader of a formula takes it, but never outside of the bounds.
bounded = define_elementwise(
    "bounded",
    bounded_forward,
    lambda out, x, low, high: (x >= low) & (x <= high),
    formula="{0}",
    kinks=(lambda x, low, high: x - low, lambda x, low, high: x - high),
    cases=((((3,),), {"low": -1.0, "high": 2.0}),),
)


@implements(np.clip)
def clip_as_numpy(
    a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None
) -> Any:
    """Each entry kept within bounds; None is no bound."""
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    return clip(a, -inf if low is None else low, inf if high is None else high)


def scatter_forward(g: Any, shape: tuple[int, ...], index: Any) -> Any:
    """Zeros of `shape` with `g` added at `index`, repeated entries adding up."""
    out = np.zeros(shape, g.dtype)
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [np.asarray(part) for part in parts if isinstance(part, np.ndarray | list)]
    if any(array.dtype != bool for array in arrays):
        np.add.at(out, index, g)
    else:
        out[index] = g
    return out


ROWS = np.array([0, 0, 2])
INDICES = (
    1,
    slice(1, None),
    (slice(None), -1),
    (None, slice(None, None, 2)),
    (Ellipsis, 0),
    ROWS,
    (ROWS, np.array([1, 1, 0])),
    np.array([[True, False], [False, True], [True, True]]),
    (np.array([True, False, True]), 1),
)
getitem = define_structural(
    "getitem",
    lambda a, index: a[index],
    lambda g, out, a, index: scatter(g, shape=a.shape, index=index),
    formula=r"{{{0}}}_{{i}}",
    cases=[(((3, 2),), {"index": index}) for index in INDICES],
)
scatter: Structural = define_structural(
    "scatter",
    scatter_forward,
    lambda g, out, a, shape, index: g[index],
    formula=r"\operatorname{{scatter}}\left({0}\right)",
    cases=(
        (((2,),), {"shape": (3, 2), "index": 1}),
        (((3, 2),), {"shape": (3, 2), "index": ROWS}),
        (((4,),), {"shape": (3, 2), "index": INDICES[7]}),
    ),
)


def last_writers(shape: tuple[int, ...], index: Any) -> Any:
    """Which of the written entries remain: where an index repeats, the last one does."""
    holder = np.full(shape, -1)
    turns = np.arange(holder[index].size).reshape(np.shape(holder[index]))
    holder[index] = turns
    return holder[index] == turns


def set_at_forward(a: Any, values: Any, index: Any) -> Any:
    """A copy of `a` with `values` at `index`."""
    out = np.array(a, dtype=np.result_type(a, values))
    out[index] = values
    return out


write: Structural = define_structural(
    "set_at",
    set_at_forward,
    (
        lambda g, out, a, values, index: write(g, 0.0, index=index),
        lambda g, out, a, values, index: g[index] * last_writers(a.shape, index),
    ),
    formula=r"\operatorname{{set}}\left({0}, {1}\right)",
    cases=(
        (((3, 2), (2,)), {"index": 1}),
        (((3, 2), ()), {"index": (slice(None), 0)}),
        (((3, 2), (3, 2)), {"index": ROWS}),
        (((3, 2), (4,)), {"index": INDICES[7]}),
    ),
)


def set_at(v: Operand, index: Any, w: Operand) -> Value:
    """A copy of `v` with `v[index]` replaced by `w`: the functional form of `v[index] = w`.

    Shapes as in NumPy's assignment; where an index repeats, the last write remains. Raises
    `ShapeError` or `IndexingError`.
    """
    leaf = v if isinstance(v, Value) else Value(v, requires_grad=False)
    return write(leaf, w, index=frozen_index(index))


@implements(np.choose)
def choose(a: Any, choices: Any, *, mode: str = "raise") -> Any:
    """For each entry of `a` that of the array whose number it is."""
    numbers, last = np.asarray(a), len(choices) - 1
    if mode == "wrap":
        numbers = numbers % (last + 1)
    elif mode == "clip":
        numbers = np.clip(numbers, 0, last)
    elif np.any((numbers < 0) | (numbers > last)):
        raise ValueError(
            f"np.choose takes numbers from 0 to {last} for {last + 1} arrays; "
            'mode="clip" or "wrap" takes others'
        )
    chosen = choices[0]
    for number in range(1, last + 1):
        chosen = np.where(numbers == number, choices[number], chosen)
    return chosen


@implements(np.select)
def first_choice(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """Entries of the first array whose condition holds."""
    if len(condlist) != len(choicelist):
        raise ValueError(
            "np.select takes a choice for each condition, "
            f"not {len(choicelist)} for {len(condlist)}"
        )
    chosen = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        chosen = np.where(condition, choice, chosen)
    return chosen


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Functions of the entries where a condition holds, for each condition; of several the last."""
    listed = isinstance(condlist, list | tuple) and np.ndim(condlist[0]) > 0
    masks = [np.asarray(mask, bool) for mask in (condlist if listed else [condlist])]
    parts = list(funclist)
    if len(parts) == len(masks) + 1:
        masks.append(~np.logical_or.reduce(masks))
    elif len(parts) != len(masks):
        raise ValueError(
            f"np.piecewise takes {len(masks)} functions for {len(masks)} conditions, or one more "
            f"for the rest, not {len(parts)}"
        )
    chosen: Any = x * 0.0
    for mask, part in zip(masks, parts, strict=True):
        if not callable(part):
            chosen = np.where(mask, part, chosen)
        elif np.any(mask):
            chosen = set_at(chosen, mask, part(x[mask], *args, **kw))
    return chosen
