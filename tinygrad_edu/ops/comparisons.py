"""Records without a derivative: comparisons, logic, questions to numbers, and places of entries."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..engine.dispatch import implements
from ..engine.operation import define_discrete
from ..errors import ShapeError

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
logical_xor = define_discrete(
    "logical_xor",
    np.logical_xor,
    formula=r"{0} \oplus {1}",
    numpy=(np.logical_xor,),
    array_arguments=2,
)
logical_not = define_discrete(
    "logical_not", np.logical_not, formula=r"\lnot {0}", numpy=(np.logical_not,)
)
isfinite = define_discrete(
    "isfinite", np.isfinite, formula=r"\text{{finite }} {0}", numpy=(np.isfinite,)
)
isnan = define_discrete("isnan", np.isnan, formula=r"\text{{NaN }} {0}", numpy=(np.isnan,))
isinf = define_discrete("isinf", np.isinf, formula=r"\left|{0}\right| = \infty", numpy=(np.isinf,))
signbit = define_discrete("signbit", np.signbit, formula="{0} < 0", numpy=(np.signbit,))
isclose = define_discrete(
    "isclose",
    lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: np.isclose(a, b, rtol, atol, equal_nan),
    formula=r"{0} \approx {1}",
    numpy=(np.isclose,),
    array_arguments=2,
)
all_of = define_discrete(
    "all",
    lambda a, axis=None, keepdims=False: np.all(a != 0, axis=axis, keepdims=keepdims),
    formula=r"\bigwedge {0}",
    numpy=(np.all,),
)
any_of = define_discrete(
    "any",
    lambda a, axis=None, keepdims=False: np.any(a != 0, axis=axis, keepdims=keepdims),
    formula=r"\bigvee {0}",
    numpy=(np.any,),
)
count_nonzero = define_discrete(
    "count_nonzero",
    lambda a, axis=None, keepdims=False: np.count_nonzero(a, axis=axis, keepdims=keepdims),
    formula=r"\#\left({0} \ne 0\right)",
    numpy=(np.count_nonzero,),
)
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
argsort = define_discrete(
    "argsort",
    lambda a, axis=-1, kind=None, stable=None: np.argsort(a, axis, kind=kind, stable=stable),
    formula=r"\operatorname{{argsort}} {0}",
    numpy=(np.argsort,),
)
argpartition = define_discrete(
    "argpartition",
    lambda a, kth=0, axis=-1: np.argpartition(a, kth, axis),
    formula=r"\operatorname{{argpartition}} {0}",
)
argwhere = define_discrete(
    "argwhere",
    np.argwhere,
    formula=r"\operatorname{{argwhere}} {0}",
    numpy=(np.argwhere,),
)
searchsorted = define_discrete(
    "searchsorted",
    lambda a, v, side="left", sorter=None: np.searchsorted(np.ravel(a), v, side, sorter),
    formula=r"\operatorname{{searchsorted}}\left({0}, {1}\right)",
    array_arguments=2,
)
selected = define_discrete(
    "selected",
    lambda chosen, tied: np.where(tied, 0.5, chosen) if np.any(tied) else chosen,
    formula=r"\left[{0}\right] + \frac{{1}}{{2}} \left[{1}\right]",
    array_arguments=2,
)


@implements(np.argpartition)
def parted(a: Any, kth: Any, axis: int | None = -1) -> Any:
    """The untracked indices that bring the smallest entries before the k-th, as in a sorted row."""
    return argpartition(a, kth=kth, axis=axis)


@implements(np.searchsorted)
def places(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Where numbers belong in a sorted row, as untracked indices."""
    if np.ndim(a) != 1:
        raise ShapeError(
            f"np.searchsorted looks in one row, not in an array of shape {np.shape(a)}"
        )
    return searchsorted(a, v, side=side, sorter=sorter)


@implements(np.nonzero)
def nonzero(a: Any) -> tuple[Any, ...]:
    """The untracked indices of the entries that are not 0, one row for each axis."""
    return tuple(argwhere(a).T)


@implements(np.flatnonzero)
def flatnonzero(a: Any) -> Any:
    """The untracked indices that the entries that are not 0 have in one row."""
    return argwhere(np.ravel(a))[:, 0]


@implements(np.isposinf)
def isposinf(x: Any) -> Any:
    """Whether entries are ∞."""
    return np.isinf(x) & ~np.signbit(x)


@implements(np.isneginf)
def isneginf(x: Any) -> Any:
    """Whether entries are −∞."""
    return np.isinf(x) & np.signbit(x)


@implements(np.allclose)
def allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Whether all entries are nearly the same, as an untracked truth value."""
    return np.all(np.isclose(a, b, rtol, atol, equal_nan))


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Whether shapes and entries are the same, as an untracked truth value."""
    if np.shape(a1) != np.shape(a2):
        return False
    same = np.equal(a1, a2)
    return np.all(same | (np.isnan(a1) & np.isnan(a2)) if equal_nan else same)


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    """Whether entries are the same where shapes are broadcast, as an untracked truth value."""
    try:
        np.broadcast_shapes(np.shape(a1), np.shape(a2))
    except ValueError:
        return False
    return np.all(np.equal(a1, a2))


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """Whether there may be complex entries: no Value has any."""
    return False


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """Whether no entry can be complex: that of no Value can."""
    return True


@implements(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """Whether entries have an imaginary part: none of a Value has."""
    return np.zeros(np.shape(x), bool)[()]


@implements(np.isreal)
def isreal(x: Any) -> Any:
    """Whether entries have no imaginary part: all of a Value have none."""
    return np.ones(np.shape(x), bool)[()]
