"""Records of exponentials, logarithms and roots, and of logarithms of two exponentials added."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.operation import POSITIVE, REAL, Operation, define_elementwise

LOG_2 = math.log(2)
LOG2_E, LOG10_E = math.log2(math.e), math.log10(math.e)

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
cbrt = define_elementwise(
    "cbrt",
    np.cbrt,
    lambda out, x: 1 / (3 * out * out),
    formula=r"\sqrt[3]{{{0}}}",
    # Negative numbers are the mirror image; at 0 the tangent is vertical.
    domain=POSITIVE,
    numpy=(np.cbrt,),
    extremes=((1e308,), (1e-200,)),
)
exp2 = define_elementwise(
    "exp2",
    np.exp2,
    lambda out, x: LOG_2 * out,
    formula="2^{{{0}}}",
    domain=(-1000.0, 1000.0),
    numpy=(np.exp2,),
    extremes=((-1080.0,), (-2000.0,), (1000.0,)),
)
log2 = define_elementwise(
    "log2",
    np.log2,
    lambda out, x: LOG2_E / x,
    formula=r"\log_2\left({0}\right)",
    domain=POSITIVE,
    numpy=(np.log2,),
    extremes=((1e308,), (1e-300,)),
)
log10 = define_elementwise(
    "log10",
    np.log10,
    lambda out, x: LOG10_E / x,
    formula=r"\log_{{10}}\left({0}\right)",
    domain=POSITIVE,
    numpy=(np.log10,),
    extremes=((1e308,), (1e-300,)),
)


def difference(a: Any, b: Any) -> tuple[Any, Any]:
    """b − a, 0 of equal infinite ones too, and what rounding took from it (Knuth's TwoSum)."""
    apart = np.where(a == b, 0.0, b - a)
    back = apart - b
    lost = (b - (apart - back)) - (a + back)
    return apart, np.where(np.isfinite(lost), lost, 0.0)


def define_share(
    name: str, power: np.ufunc, rate: float, definition: Callable[..., Any], formula: str
) -> Operation:
    """A record of the part that B^a has in B^a + B^b; `power` is that of B, `rate` is log B."""

    def forward(a: Any, b: Any) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            apart, lost = difference(a, b)
            # In a tail what the difference lost would be seen: it is multiplied by the exponent.
            # (Where that is as large as 1/2, the power is infinite anyhow, or 0.)
            return 1 / (1 + power(apart) * np.maximum(1 + rate * lost, 0.5))

    share = define_elementwise(
        name,
        forward,
        (
            lambda out, a, b: rate * out * share(b, a),
            lambda out, a, b: -rate * out * share(b, a),
        ),
        formula=formula,
        domain=(REAL, REAL),
        extremes=((1e4, 1e4), (8e307, -8e307), (-8e307, 8e307)),
        definition=definition,
    )
    return share


share = define_share(
    "logaddexp_share",
    np.exp,
    1.0,
    lambda a, b: 1 / (1 + np.exp(b - a)),
    formula=r"\frac{{1}}{{1 + \exp\left({1} - {0}\right)}}",
)
share_of_two = define_share(
    "logaddexp2_share",
    np.exp2,
    LOG_2,
    lambda a, b: 1 / (1 + np.exp2(b - a)),
    formula=r"\frac{{1}}{{1 + 2^{{{1} - {0}}}}}",
)
logaddexp = define_elementwise(
    "logaddexp",
    np.logaddexp,
    (lambda out, a, b: share(a, b), lambda out, a, b: share(b, a)),
    formula=r"\log\left(\exp\left({0}\right) + \exp\left({1}\right)\right)",
    domain=(REAL, REAL),
    numpy=(np.logaddexp,),
    extremes=((1e4, 1e4), (8e307, -8e307), (-8e307, 8e307)),
)
logaddexp2 = define_elementwise(
    "logaddexp2",
    np.logaddexp2,
    (lambda out, a, b: share_of_two(a, b), lambda out, a, b: share_of_two(b, a)),
    formula=r"\log_2\left(2^{{{0}}} + 2^{{{1}}}\right)",
    domain=(REAL, REAL),
    numpy=(np.logaddexp2,),
    extremes=((1e4, 1e4), (8e307, -8e307), (-8e307, 8e307)),
)
