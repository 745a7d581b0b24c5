"""Records of the elementary functions: exponentials, logarithms, trigonometry, roots."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.operation import POSITIVE, define_elementwise

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


def arctan_slope_forward(x: Any) -> Any:
    """1 / (1 + x²), where x² overflows too."""
    # A sum of squares is the fastest bound of all entries.
    if np.vdot(x, x) < 1e18:
        return 1 / (1 + np.square(x))
    far = 1 / np.maximum(np.abs(x), 1e9)
    return np.where(np.abs(x) > 1e9, far * far, 1 / (1 + np.square(np.clip(x, -1e9, 1e9))))


arctan_slope = define_elementwise(
    "arctan_slope",
    arctan_slope_forward,
    lambda out, x: -2 * (x * out) * out,
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


def sech_squared_forward(y: Any, x: Any) -> Any:
    """1 − y² for y = tanh(x); as (exp(−|x|) (1 + |y|))² where the subtraction would cancel."""
    if getattr(y, "shape", None) != getattr(x, "shape", ()):
        y = aligned(y, x)
    slope = 1 - y * y
    # argmin finds the least entry, or a NaN, in half the time of min.
    if slope.size and not slope.item(slope.argmin()) >= 1e-3:
        return np.square(np.exp(-np.abs(x)) * (1 + np.abs(y)))
    return slope


sech_squared = define_elementwise(
    "sech_squared",
    sech_squared_forward,
    # A function of y alone; x only says how to round it where y is all but ±1.
    (lambda out, y, x: -2 * y, 0),
    formula=r"\operatorname{{sech}}^2\left({1}\right)",
    domain=((-0.999, 0.999), (-3.0, 3.0)),
    extremes=((1.0, 19.0), (-1.0, -1000.0)),
    definition=lambda y, x: 1 - y**2,
)
