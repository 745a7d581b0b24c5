"""Records of + − × ÷ ** and their relatives. On scalars Python's operators beat NumPy's."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..engine.chain import chain
from ..engine.dispatch import implements
from ..engine.operation import (
    OPERATIONS,
    POSITIVE,
    REAL,
    Structural,
    define_elementwise,
    define_structural,
)

add = define_elementwise(
    "add", operator.add, (1, 1), formula="{0} + {1}", domain=(REAL, REAL), numpy=(np.add,)
)
subtract = define_elementwise(
    "subtract",
    operator.sub,
    (1, -1),
    formula="{0} - {1}",
    domain=(REAL, REAL),
    numpy=(np.subtract,),
)
multiply = define_elementwise(
    "multiply",
    operator.mul,
    (lambda out, a, b: b, lambda out, a, b: a),
    formula=r"{0} \cdot {1}",
    domain=(REAL, REAL),
    numpy=(np.multiply,),
    extremes=((1e200, 1e-200), (0.0, 1e308)),
)


def inverse(b: Any) -> Any:
    """1/b; infinite at a 0 of Python's too, which raises where NumPy's does not."""
    if b.__class__ in (int, float) and not b:
        return math.copysign(math.inf, b)
    return 1 / b


divide = define_elementwise(
    "divide",
    operator.truediv,
    (lambda out, a, b: inverse(b), lambda out, a, b: -out / b),
    formula=r"\frac{{{0}}}{{{1}}}",
    domain=(REAL, REAL),
    kinks=(lambda a, b: b,),
    numpy=(np.divide,),
    extremes=((1e200, 1e200), (1e-200, 1e-200)),
)
positive = define_elementwise("positive", operator.pos, 1, formula="{0}", numpy=(np.positive,))
negative = define_elementwise(
    "negative", operator.neg, -1, formula="-{0}", numpy=(np.negative,), extremes=((1e308,),)
)


def lowered(base: Any, exponent: Any) -> Any:
    """exponent − 1, but 1 where 0⁰ is differentiated: then 0 · 0¹ is the derivative."""
    if exponent.__class__ in (int, float):
        return exponent - 1 if exponent else 1
    return np.where((base == 0) & (exponent == 0), 1.0, exponent - 1)


power = define_elementwise(
    "power",
    operator.pow,
    (
        lambda out, a, b: b * a ** lowered(a, b),
        # log is taken of 1 where the base is 0: 0ᵇ stays 0 as b > 0 changes.
        lambda out, a, b: out * np.log(np.where(a == 0, 1.0, a)),
    ),
    formula="{{{0}}}^{{{1}}}",
    domain=(POSITIVE, (-4.0, 4.0)),
    numpy=(np.power,),
    extremes=((0.0, 2.0), (0.0, 1.0), (0.0, 0.0), (1e100, 3.0)),
)
absolute = define_elementwise(
    "absolute",
    operator.abs,
    lambda out, x: np.sign(x),
    formula=r"\left|{0}\right|",
    kinks=(0.0,),
    numpy=(np.absolute, np.fabs),
    extremes=((0.0,), (1e308,), (-1e308,)),
)
sign = define_elementwise(
    "sign",
    np.sign,
    0,
    formula=r"\operatorname{{sign}}\left({0}\right)",
    kinks=(0.0,),
    numpy=(np.sign,),
    extremes=((0.0,), (1e308,)),
)
square = define_elementwise(
    "square",
    np.square,
    lambda out, x: 2.0 * x,
    formula="{{{0}}}^2",
    numpy=(np.square,),
    extremes=((1e154,), (0.0,)),
)
reciprocal = define_elementwise(
    "reciprocal",
    np.reciprocal,
    lambda out, x: -out * out,
    formula=r"\frac{{1}}{{{0}}}",
    kinks=(0.0,),
    numpy=(np.reciprocal,),
    extremes=((1e150,), (1e-150,)),
)


@implements(np.float_power)
def float_power(x1: Any, x2: Any) -> Any:
    """x1 to the power of x2 in float64, whatever goes in."""
    return np.power(*(OPERATIONS["astype"](each, np.float64) for each in (x1, x2)))


@implements(np.nan_to_num)
def nan_to_num(x: Any, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Numbers in place of NaN and ±∞, by default 0 and the largest of the dtype; elsewhere x."""
    ends = np.finfo(x.dtype)
    highest = float(ends.max) if posinf is None else posinf
    lowest = float(ends.min) if neginf is None else neginf
    finite = np.where(np.isposinf(x), highest, np.where(np.isneginf(x), lowest, x))
    return np.where(np.isnan(x), nan, finite)


# What the sweep does between two element-wise nodes, as an operation of its own for the second
# derivative.
chain_product: Structural = define_structural(
    "chain_product",
    chain,
    (
        lambda gg, out, g, slope: chain_product(gg, slope),
        # Where nothing came in the slope never counted, even if it is asked for in NaN.
        lambda gg, out, g, slope: chain_product(g, gg),
    ),
    formula=r"{0} \cdot {1}",
    cases=((((2, 3), (2, 3)), {}), (((2, 3), (3,)), {}), (((), ()), {})),
)
