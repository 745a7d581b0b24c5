"""Records that choose among entries, and the comparisons they choose by."""

from __future__ import annotations

import operator
from math import inf
from typing import Any

import numpy as np

from ..engine.blocks import blockwise, select
from ..engine.operation import (
    FUNCTIONS,
    REAL,
    Structural,
    define_discrete,
    define_elementwise,
    define_structural,
)
from ..engine.value import Operand, Value, frozen_index
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
selected = define_discrete(
    "selected",
    lambda chosen, tied: np.where(tied, 0.5, chosen) if np.any(tied) else chosen,
    formula=r"\left[{0}\right] + \frac{{1}}{{2}} \left[{1}\right]",
    array_arguments=2,
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


def clip_as_numpy(
    a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None
) -> Any:
    """`np.clip` with its two spellings of the bounds; None is no bound."""
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    return clip(a, -inf if low is None else low, inf if high is None else high)


FUNCTIONS[np.clip] = clip_as_numpy


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
    return write(leaf, w, index=frozen_index(index))  # type: ignore[no-any-return]


less = define_discrete(
    "less", operator.lt, formula="{0} < {1}", numpy=(np.less,), array_arguments=2
)
less_equal = define_discrete(
    "less_equal", operator.le, formula=r"{0} \le {1}", numpy=(np.less_equal,), array_arguments=2
)
greater = define_discrete(
    "greater", operator.gt, formula="{0} > {1}", numpy=(np.greater,), array_arguments=2
)
greater_equal = define_discrete(
    "greater_equal",
    operator.ge,
    formula=r"{0} \ge {1}",
    numpy=(np.greater_equal,),
    array_arguments=2,
)
equal = define_discrete(
    "equal", operator.eq, formula="{0} = {1}", numpy=(np.equal,), array_arguments=2
)
not_equal = define_discrete(
    "not_equal", operator.ne, formula=r"{0} \ne {1}", numpy=(np.not_equal,), array_arguments=2
)
bitwise_and = define_discrete(
    "bitwise_and",
    operator.and_,
    formula=r"{0} \land {1}",
    numpy=(np.bitwise_and,),
    array_arguments=2,
)
bitwise_or = define_discrete(
    "bitwise_or", operator.or_, formula=r"{0} \lor {1}", numpy=(np.bitwise_or,), array_arguments=2
)
bitwise_xor = define_discrete(
    "bitwise_xor",
    operator.xor,
    formula=r"{0} \oplus {1}",
    numpy=(np.bitwise_xor,),
    array_arguments=2,
)
invert = define_discrete("invert", operator.invert, formula=r"\lnot {0}", numpy=(np.invert,))
logical_and = define_discrete(
    "logical_and",
    np.logical_and,
    formula=r"{0} \land {1}",
    numpy=(np.logical_and,),
    array_arguments=2,
)
logical_or = define_discrete(
    "logical_or",
    np.logical_or,
    formula=r"{0} \lor {1}",
    numpy=(np.logical_or,),
    array_arguments=2,
)
logical_not = define_discrete(
    "logical_not", np.logical_not, formula=r"\lnot {0}", numpy=(np.logical_not,)
)
isfinite = define_discrete(
    "isfinite", np.isfinite, formula=r"\text{{finite }} {0}", numpy=(np.isfinite,)
)
isnan = define_discrete("isnan", np.isnan, formula=r"\text{{NaN }} {0}", numpy=(np.isnan,))
argmax = define_discrete(
    "argmax",
    lambda a, axis=None, keepdims=False: np.argmax(a, axis=axis, keepdims=keepdims),
    formula=r"\arg\max {0}",
    numpy=(np.argmax,),
)
argmin = define_discrete(
    "argmin",
    lambda a, axis=None, keepdims=False: np.argmin(a, axis=axis, keepdims=keepdims),
    formula=r"\arg\min {0}",
    numpy=(np.argmin,),
)
