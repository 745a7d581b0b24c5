"""Records of the elementary functions: exponentials, logarithms, trigonometry, roots."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.blocks import blockwise
from ..engine.operation import POSITIVE, define_elementwise
from .selection import bounded
from .tails import MANY, amended, far_out, greatest, least

exp = define_elementwise(
    "exp",
    np.exp,
    lambda out, x: out,
    formula=r"\exp\left({0}\right)",
    domain=(-700.0, 700.0),
    numpy=(np.exp,),
    extremes=((-1000.0,), (700.0,), (-744.5,)),
)
expm1 = define_elementwise(
    "expm1",
    np.expm1,
    # out + 1 would lose exp(x) for large negative x.
    lambda out, x: np.exp(x),
    formula=r"\left(\exp\left({0}\right) - 1\right)",
    domain=(-700.0, 700.0),
    numpy=(np.expm1,),
    extremes=((-1000.0,), (1e-20,), (700.0,)),
)
log = define_elementwise(
    "log",
    np.log,
    lambda out, x: 1 / x,
    formula=r"\log\left({0}\right)",
    domain=POSITIVE,
    numpy=(np.log,),
    extremes=((1e308,), (1e-300,)),
)
log1p = define_elementwise(
    "log1p",
    np.log1p,
    lambda out, x: 1 / (1 + x),
    formula=r"\log\left(1 + {0}\right)",
    domain=(-1.0, np.inf),
    numpy=(np.log1p,),
    extremes=((1e308,), (1e-300,), (-0.999,)),
)
sqrt = define_elementwise(
    "sqrt",
    np.sqrt,
    lambda out, x: 0.5 / out,
    formula=r"\sqrt{{{0}}}",
    domain=POSITIVE,
    numpy=(np.sqrt,),
    extremes=((1e308,), (1e-300,)),
)
sin = define_elementwise(
    "sin",
    np.sin,
    lambda out, x: np.cos(x),
    formula=r"\sin\left({0}\right)",
    numpy=(np.sin,),
    extremes=((1e15,),),
)
cos = define_elementwise(
    "cos",
    np.cos,
    lambda out, x: -np.sin(x),
    formula=r"\cos\left({0}\right)",
    numpy=(np.cos,),
    extremes=((1e15,),),
)


def largest(x: Any) -> float:
    """The largest number of x's dtype."""
    return float(np.finfo(x.dtype).max)


def far_arctan_slope(x: Any) -> Any:
    """1 / (1 + x²) where x² overflows: the largest entries have 1/x²."""
    far = np.abs(x) > 1e9
    return amended(1 / (1 + np.square(np.where(far, 1, x))), far, lambda x: np.square(1 / x), x)


@blockwise
@far_out(far_arctan_slope)
def arctan_slope_forward(x: Any, into: Any = None) -> Any:
    """1 / (1 + x²)."""
    slope = np.square(x)
    slope += 1
    return np.divide(1, slope, out=into)


arctan_slope = define_elementwise(
    "arctan_slope",
    arctan_slope_forward,
    # The largest number stands for ∞, whose product with 0 would be NaN.
    lambda out, x: -2 * (bounded(x, low=-largest(x), high=largest(x)) * out) * out,
    formula=r"\frac{{1}}{{1 + {0}^2}}",
    extremes=((1e150,), (-1e308,)),
    definition=lambda x: 1 / (1 + x**2),
)
sinh = define_elementwise(
    "sinh",
    np.sinh,
    lambda out, x: np.cosh(x),
    formula=r"\sinh\left({0}\right)",
    domain=(-700.0, 700.0),
    numpy=(np.sinh,),
    extremes=((700.0,), (-700.0,)),
)
cosh = define_elementwise(
    "cosh",
    np.cosh,
    lambda out, x: np.sinh(x),
    formula=r"\cosh\left({0}\right)",
    domain=(-700.0, 700.0),
    numpy=(np.cosh,),
    extremes=((700.0,), (-700.0,)),
)


def aligned(y: Any, x: Any) -> Any:
    """`y` as broadcasting with `x` shapes it; a NumPy number where both are Python's."""
    return y + np.zeros(np.shape(x), np.result_type(y, x))


@blockwise
def sech_squared_forward(x: Any, into: Any = None) -> Any:
    """(2 / (exp(x) + exp(−x)))²."""
    with np.errstate(over="ignore", divide="ignore"):  # there it is 0
        slope = np.exp(x)
        slope += 1 / slope
        slope = np.divide(2, slope, out=into)
    slope *= slope
    return slope


sech_squared = define_elementwise(
    "sech_squared",
    sech_squared_forward,
    lambda out, x: -2 * out * np.tanh(x),
    formula=r"\operatorname{{sech}}^2\left({0}\right)",
    extremes=((19.0,), (-1000.0,), (1e308,), (-1e308,)),
    definition=lambda x: 1 - np.tanh(x) ** 2,
)

# Where 1 − y² has lost ten bits and more.
NEAR_ONE = 0.9995


@blockwise
def sech_squared_through(y: Any, x: Any, into: Any = None) -> Any:
    """1 − y² for y = tanh(x), from x where the subtraction would cancel."""
    if getattr(y, "shape", None) != getattr(x, "shape", ()):
        y = aligned(y, x)
    if y.size < MANY and greatest(y) < NEAR_ONE and least(y) > -NEAR_ONE:
        return np.subtract(1, y * y, out=into)
    return sech_squared_forward(x)
