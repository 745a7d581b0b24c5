"""Records of angles and their functions, hyperbolic ones too, of their inverses, and of lengths."""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

from ..engine.blocks import blockwise
from ..engine.operation import POSITIVE, REAL, Elementwise, define_elementwise
from .selection import bounded
from .tails import MANY, amended, far_out, least

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
tan = define_elementwise(
    "tan",
    np.tan,
    lambda out, x: 1 + out * out,
    formula=r"\tan\left({0}\right)",
    # From one pole to the next; no float is a pole.
    domain=(-pi / 2, pi / 2),
    numpy=(np.tan,),
    extremes=((1e15,), (1.5707,)),
)
degrees = define_elementwise(
    "degrees",
    np.degrees,
    180 / pi,
    formula=r"\frac{{180}}{{\pi}} {0}",
    numpy=(np.degrees, np.rad2deg),
)
radians = define_elementwise(
    "radians",
    np.radians,
    pi / 180,
    formula=r"\frac{{\pi}}{{180}} {0}",
    numpy=(np.radians, np.deg2rad),
)

# Slopes with rules of their own, because 1 − x² has digits as (1 − x)(1 + x) only, whose own
# derivative −(1 + x) + (1 − x) has none where x is small.
arcsin_slope = define_elementwise(
    "arcsin_slope",
    lambda x: 1 / np.sqrt((1 - x) * (1 + x)),
    lambda out, x: x * out * out * out,
    formula=r"\frac{{1}}{{\sqrt{{1 - {0}^2}}}}",
    domain=(-1.0, 1.0),
    extremes=((0.9999999,), (-0.9999999,), (1e-300,)),
    definition=lambda x: 1 / np.sqrt(1 - x**2),
)
arcsin = define_elementwise(
    "arcsin",
    np.arcsin,
    lambda out, x: arcsin_slope(x),
    formula=r"\arcsin\left({0}\right)",
    domain=(-1.0, 1.0),
    numpy=(np.arcsin,),
    extremes=((0.9999999,), (-0.9999999,), (1e-300,)),
)
arccos = define_elementwise(
    "arccos",
    np.arccos,
    lambda out, x: -arcsin_slope(x),
    formula=r"\arccos\left({0}\right)",
    domain=(-1.0, 1.0),
    numpy=(np.arccos,),
    extremes=((0.9999999,), (-0.9999999,), (1e-300,)),
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
# A length to divide by, as the reader of a formula takes it, but ∞ in place of 0: so all
# derivatives are 0 at the origin.
never_zero = define_elementwise(
    "never_zero",
    lambda length: np.where(length == 0, np.inf, length),
    lambda out, length: length != 0,
    formula="{0}",
    domain=POSITIVE,
    extremes=((1e308,),),
)


def hypot_slope_forward(a: Any, b: Any) -> Any:
    """a / √(a² + b²) from numbers of which the larger one is 1: no square of them is lost."""
    size = never_zero(np.maximum(abs(a), abs(b)))
    return a / size / never_zero(np.hypot(a / size, b / size))


hypot_slope: Elementwise = define_elementwise(
    "hypot_slope",
    hypot_slope_forward,
    # b²/h³ and −ab/h³, by parts of h that neither overflow nor cancel.
    (
        # The square of a slope alone would be 0 from 1e-162 down.
        lambda out, a, b: np.square(hypot_slope(b, a) / np.sqrt(never_zero(np.hypot(a, b)))),
        lambda out, a, b: -out * hypot_slope(b, a) / never_zero(np.hypot(a, b)),
    ),
    formula=r"\frac{{{0}}}{{\sqrt{{{0}^2 + {1}^2}}}}",
    domain=(REAL, REAL),
    kinks=(lambda a, b: np.abs(a) + np.abs(b),),
    extremes=((3e200, 4e200), (3e-200, 4e-200), (0.0, 0.0), (1e-200, 1e200)),
    definition=lambda a, b: a / np.hypot(a, b),
)
# At the origin, the tip of a cone, the slope is 0: between those of its sides.
hypot = define_elementwise(
    "hypot",
    np.hypot,
    (lambda out, a, b: hypot_slope(a, b), lambda out, a, b: hypot_slope(b, a)),
    formula=r"\sqrt{{{0}^2 + {1}^2}}",
    domain=(REAL, REAL),
    kinks=(lambda a, b: np.abs(a) + np.abs(b),),
    numpy=(np.hypot,),
    extremes=((3e200, 4e200), (3e-200, 4e-200), (0.0, 0.0), (1e-200, 1e200)),
)
# Between the second and the third quadrant the angle jumps from π to −π; its slopes do not.
arctan2 = define_elementwise(
    "arctan2",
    np.arctan2,
    (
        lambda out, y, x: hypot_slope(x, y) / never_zero(np.hypot(y, x)),
        lambda out, y, x: -hypot_slope(y, x) / never_zero(np.hypot(y, x)),
    ),
    formula=r"\operatorname{{atan2}}\left({0}, {1}\right)",
    domain=(REAL, REAL),
    kinks=(lambda y, x: np.abs(y) + np.maximum(x, 0),),
    numpy=(np.arctan2,),
    extremes=((3e200, 4e200), (3e-200, 4e-200), (0.0, 0.0), (1e-200, 1e200)),
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
arcsinh = define_elementwise(
    "arcsinh",
    np.arcsinh,
    lambda out, x: 1 / np.hypot(1, x),
    formula=r"\operatorname{{arsinh}}\left({0}\right)",
    numpy=(np.arcsinh,),
    extremes=((1e200,), (-1e308,), (1e-300,)),
)
arccosh = define_elementwise(
    "arccosh",
    np.arccosh,
    lambda out, x: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)),
    formula=r"\operatorname{{arcosh}}\left({0}\right)",
    domain=(1.0, np.inf),
    numpy=(np.arccosh,),
    extremes=((1.0000002,), (1e200,), (1e308,)),
)
arctanh_slope = define_elementwise(
    "arctanh_slope",
    lambda x: 1 / (1 - x) / (1 + x),
    lambda out, x: x * out * (2 * out),
    formula=r"\frac{{1}}{{1 - {0}^2}}",
    domain=(-1.0, 1.0),
    extremes=((0.9999999,), (-0.9999999,), (1e-300,)),
    definition=lambda x: 1 / (1 - x**2),
)
arctanh = define_elementwise(
    "arctanh",
    np.arctanh,
    lambda out, x: arctanh_slope(x),
    formula=r"\operatorname{{artanh}}\left({0}\right)",
    domain=(-1.0, 1.0),
    numpy=(np.arctanh,),
    extremes=((0.9999999,), (-0.9999999,), (1e-300,)),
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

# Of so few entries each call of NumPy's takes the same time, whatever it computes.
FEW = 128
# Where 1 − y² has lost ten bits and more.
NEAR_ONE = 0.9995
LOST = 1 - NEAR_ONE**2


def sech_squared_through(y: Any, x: Any) -> Any:
    """1 − y² for y = tanh(x), from x where the subtraction would cancel."""
    if y.__class__ is np.float64 is x.__class__ and -NEAR_ONE < y < NEAR_ONE:
        return 1 - y * y
    if getattr(y, "shape", None) != getattr(x, "shape", ()):
        y = aligned(y, x)
    if y.size <= FEW:  # to look for the largest entry would take as long
        single = not y.ndim and hasattr(x, "tape") and x.dtype == y.dtype == np.float64
        if single and -NEAR_ONE < y < NEAR_ONE:  # as above, in a recording
            return 1 - y * y
        slope = 1.0 / np.cosh(x)
        return slope * slope
    if y.size < MANY:
        slope = 1.0 - y * y
        if least(slope) > LOST:
            return slope
    return sech_squared_forward(x)
