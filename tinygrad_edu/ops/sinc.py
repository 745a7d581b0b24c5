"""sin(πx) / (πx) and its derivatives of any order, exact at 0 and around it.

For s(z) = sin(z)/z the derivatives follow from one another, z s⁽ᵏ⁾ + k s⁽ᵏ⁻¹⁾ = sin⁽ᵏ⁾(z), in both
directions: errors grow by k/z upwards, where |z| is large therefore, and by z/k downwards, so much
less than 1 near 0 that s⁽ᴷ⁾ = 0 for a large K will do to start with (Miller's algorithm).
"""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

from ..engine.operation import Operation, define_elementwise
from .tails import amended

# What the start of the way down may be off in the end.
START = 1e-18


def circular(x: Any) -> list[Any]:
    """sin(πx) and its first three derivatives by πx, with all digits for any x."""
    turn = np.fmod(x, 2)
    quarters = np.rint(2 * turn)
    angle = pi * (turn - quarters / 2)
    sine, cosine = np.sin(angle), np.cos(angle)
    count = quarters.astype(np.int8)
    odd = (count & 1) != 0
    first = np.where(odd, cosine, sine) * (1 - (count & 2))
    second = np.where(odd, sine, cosine) * (1 - (count + 1 & 2))
    return [first, second, -first, -second]


def upwards(x: Any, order: int) -> Any:
    """s⁽ᵏ⁾(πx) from s, for |πx| > k."""
    waves = circular(x)
    out = waves[0] / pi / x  # πx may overflow
    for k in range(1, order + 1):
        out = (waves[k % 4] - k * out) / pi / x
    return out


def downwards(x: Any, order: int) -> Any:
    """s⁽ᵏ⁾(πx) from a derivative of much higher order, for |πx| ≤ k + 1."""
    waves, z = circular(x), pi * x
    last, off = order, 1.0
    while off > START:
        last += 1
        off *= (order + 1) / last
    out = np.zeros_like(z)
    for k in range(last, order, -1):
        out = (waves[k % 4] - z * out) / k
    return out


@np.errstate(over="ignore", invalid="ignore")
def sinc_derivative_forward(x: Any, *, order: int = 1) -> Any:
    """The derivative of sin(πx) / (πx) whose number is `order`."""
    points = np.asarray(x, np.float64)
    near = np.abs(points) <= (order + 1) / pi
    out = upwards(np.where(near, order + 1, points), order)
    out = amended(out, near, lambda some: downwards(some, order), points)
    return (pi**order * out).astype(np.result_type(x), copy=False)[()]


sinc_derivative: Operation = define_elementwise(
    "sinc_derivative",
    sinc_derivative_forward,
    lambda out, x, order=1: sinc_derivative(x, order=order + 1),
    formula=r"\operatorname{{sinc}}^{{(k)}}\left({0}\right)",
    extremes=((0.0,), (1e-300,), (1e308,), (-1e308,)),
    cases=[(((3,),), {"order": order}) for order in (1, 2, 3)],
)
sinc = define_elementwise(
    "sinc",
    np.sinc,
    lambda out, x: sinc_derivative(x, order=1),
    formula=r"\operatorname{{sinc}}\left({0}\right)",
    numpy=(np.sinc,),
    extremes=((0.0,), (1e-300,), (1e300,)),
)
