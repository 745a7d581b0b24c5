"""The error function, the normal distribution, and GELU as its definition has it: x Φ(x).

For z ≥ 0 they rest on Φ(−z) = exp(−z²/2) / (√(2π) z + (2 − z S(z))) and on erf(z) = w + f (1 − w)
with w = z + z N(z) and f = 1 − exp(−z²). S and N are quotients of polynomials whose coefficients
tools/erfc_coefficients.py computes. What they add is small beside the rest wherever their rounding
could show, and exp is taken of z² in all its digits: tails hold down to the smallest numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from math import pi, sqrt
from typing import Any

import numpy as np

from ..engine.blocks import blockwise
from ..engine.operation import define_elementwise
from .selection import bounded
from .tails import greatest

Quotient = tuple[tuple[float, ...], tuple[float, ...]]

TAIL_SINGLE = (
    (
        0.019391255757708243,
        0.1577577967401154,
        0.5598416542928375,
        0.9108576399231083,
    ),
    (
        0.009696796454253174,
        0.09097817011408055,
        0.3949935649998995,
        0.9145903195545121,
        1.0,
    ),
)
TAIL_DOUBLE = (
    (
        1.283125942515104e-16,
        8.935897923309157e-07,
        2.6703517007061415e-05,
        0.0003904007466276515,
        0.003619875101969272,
        0.023312934682588632,
        0.10788824129835357,
        0.35911978591331084,
        0.8330438821102217,
        1.2346027596471851,
        0.9108591533118715,
    ),
    (
        4.467948942021219e-07,
        1.3911732827239771e-05,
        0.00021263614464996127,
        0.0020753174772986612,
        0.014222620817097487,
        0.07124212503088857,
        0.26382110537752,
        0.7141431802575978,
        1.358517979776514,
        1.6554066552439428,
        1.0,
    ),
)
ERF_SINGLE = (
    (
        -0.18260537994319448,
        -0.6876391506020634,
        -0.8007516389251915,
        0.12837917699516938,
    ),
    (
        0.1823005539531763,
        0.8734161368480683,
        1.5520387004058067,
        1.0,
    ),
)
ERF_DOUBLE = (
    (
        -0.001452285665487055,
        -0.020834478542699226,
        -0.13415299550367585,
        -0.49287863720468994,
        -1.084463363682865,
        -1.3420630619708722,
        -0.687905675222469,
        0.1283791670955126,
    ),
    (
        0.0014522845218792324,
        0.02228680123000357,
        0.15561980547919635,
        0.6359312408997189,
        1.6329511444498874,
        2.622853550907811,
        2.4310355943136592,
        1.0,
    ),
)

PEAK = 1 / sqrt(2 * pi)
# √(2π) in 24 bits, whose products with 24 bits are exact in float64; S makes up for the rest.
ROOT_TWO_PI = 2.5066282749176025
# Beyond these exp(−z²/2) is 0, and erf is 1.
FAR, FAR_ERF = 40.0, 6.0


def on_flat_arrays(kernel: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A forward for arrays of any shape, and numbers, from `kernel`, which works in place."""

    @blockwise
    @wraps(kernel)
    def forward(x: Any) -> Any:
        x = np.asarray(x)
        if x.dtype != np.float32:
            x = x.astype(np.float64, casting="same_kind", copy=False)
        return kernel(x.reshape(-1)).reshape(x.shape)[()]

    return forward


def size(x: Any, far: float) -> Any:
    """|x|, at most `far`, in a new array."""
    z = np.abs(x)
    return z if greatest(z) <= far else np.minimum(z, far, out=z)


def polynomial(coefficients: tuple[float, ...], z: Any) -> Any:
    """By Horner's rule, in place."""
    highest, following, *others = coefficients
    out = highest * z
    out += following
    for coefficient in others:
        out *= z
        out += coefficient
    return out


def quotient(single: Quotient, double: Quotient, z: Any) -> Any:
    """P(z) / Q(z) with the coefficients for z's dtype."""
    numerator, denominator = single if z.dtype == np.float32 else double
    out = polynomial(numerator, z)
    out /= polynomial(denominator, z)
    return out


def in_parts(z: Any) -> tuple[Any, Any]:
    """The leading 24 bits of float64 numbers, and the rest."""
    head = z.astype(np.float32).astype(np.float64)
    return head, z - head


def squared(z: Any, head: Any, rest: Any) -> tuple[Any, Any]:
    """z² as the sum of a float64 number and what rounding took from it."""
    square = np.square(z)
    lost = z + head
    lost *= rest
    exact = np.square(head)
    exact -= square
    lost += exact
    return square, lost


def bell(z: Any, rate: float) -> Any:
    """exp(−rate z²) for |z| ≤ 40 and a rate that is a power of two."""
    if z.dtype == np.float32:
        square = np.square(z.astype(np.float64))
        square *= -rate
        return np.exp(square, out=square).astype(np.float32)
    square, lost = squared(z, *in_parts(z))
    square *= -rate
    out = np.exp(square, out=square)
    lost *= -rate
    lost *= out
    out += lost
    return out


def correction(z: Any) -> Any:
    """2 − z S(z): what is added to √(2π) z to give exp(−z²/2) / Φ(−z) for z ≥ 0."""
    out = quotient(TAIL_SINGLE, TAIL_DOUBLE, z)
    out *= z
    return np.subtract(2, out, out=out)


def tail(z: Any) -> tuple[Any, Any]:
    """Numerator and denominator of Φ(−z) for 0 ≤ z ≤ 40, the numerator being exp(−z²/2)."""
    denominator = correction(z)
    if z.dtype == np.float32:
        denominator += ROOT_TWO_PI * z
        return bell(z, 0.5), denominator
    head, rest = in_parts(z)
    square, lost = squared(z, head, rest)
    square *= -0.5
    head *= ROOT_TWO_PI
    rest *= ROOT_TWO_PI
    denominator += rest
    # What z² lost changes its exp by so small a part that the denominator can take it.
    lost *= 0.5
    lost *= head + denominator
    denominator += lost
    denominator += head
    return np.exp(square, out=square), denominator


@on_flat_arrays
def gaussian_forward(x: Any) -> Any:
    """exp(−x²)."""
    return bell(size(x, FAR), 1)


gaussian = define_elementwise(
    "gaussian",
    gaussian_forward,
    # Beyond the bounds it is 0, and so is x times it.
    lambda out, x: -2 * bounded(x, low=-FAR, high=FAR) * out,
    formula=r"\exp\left(-{0}^2\right)",
    extremes=((27.0,), (1e308,), (-1e308,)),
    definition=lambda x: np.exp(-(x**2)),
)


@on_flat_arrays
def erf_forward(x: Any) -> Any:
    """w + f (1 − w) at |x|, with x's sign."""
    z = size(x, FAR_ERF)
    out = quotient(ERF_SINGLE, ERF_DOUBLE, z)
    out *= z
    out += z
    np.square(z, out=z)
    np.negative(z, out=z)
    fallen = np.expm1(z, out=z)
    fallen *= out - 1
    out += fallen
    return np.copysign(out, x, out=out)


erf = define_elementwise(
    "erf",
    erf_forward,
    lambda out, x: 2 / sqrt(pi) * gaussian(x),
    formula=r"\operatorname{{erf}}\left({0}\right)",
    extremes=((27.0,), (1e308,), (-1e308,)),
)


@on_flat_arrays
def normal_cdf_forward(x: Any) -> Any:
    """Φ(x), the chance that a standard normal number is less than x."""
    power, out = tail(size(x, FAR))
    np.divide(power, out, out=out)
    # 1 − Φ(−z) where x is positive, and Φ(−z) elsewhere.
    np.subtract(x > 0, out, out=out)
    return np.abs(out, out=out)


def normal_density(out: Any, x: Any) -> Any:
    """exp(−x²/2) / √(2π), whose exp is taken as its square root twice."""
    root = gaussian(x / 2)
    return PEAK * root * root


normal_cdf = define_elementwise(
    "normal_cdf",
    normal_cdf_forward,
    normal_density,
    formula=r"\Phi\left({0}\right)",
    extremes=((-38.0,), (38.0,), (1e308,), (-1e308,)),
    definition=lambda x: (1 + erf(x / np.sqrt(2))) / 2,
)


@on_flat_arrays
def gelu_exact_forward(x: Any) -> Any:
    """x Φ(x), as max(x, 0) − |x| Φ(−|x|)."""
    z = size(x, FAR)
    power, denominator = tail(z)
    # Not Φ times x: Φ alone loses digits where x Φ has them all.
    z /= denominator
    z *= power
    return np.subtract(np.maximum(x, 0), z, out=z)


@on_flat_arrays
def gelu_exact_slope_forward(x: Any) -> Any:
    """Φ(x) + x φ(x), with exp(−x²/2) as its square root twice."""
    z = size(x, FAR)
    root = bell(z, 0.25)
    denominator = correction(z)
    z *= ROOT_TWO_PI
    denominator += z
    out = root / denominator
    out *= root
    np.subtract(x > 0, out, out=out)
    np.abs(out, out=out)
    density = np.clip(x, -FAR, FAR, out=z)
    density *= PEAK
    density *= root
    density *= root
    out += density
    return out


def gelu_exact_bend(out: Any, x: Any) -> Any:
    """φ(x) (2 − x²), the second derivative of x Φ(x)."""
    x = bounded(x, low=-FAR, high=FAR)
    root = gaussian(x / 2)
    return (2 - x * x) * (PEAK * root) * root


gelu_exact_derivative = define_elementwise(
    "gelu_exact_derivative",
    gelu_exact_slope_forward,
    gelu_exact_bend,
    formula=r"\left(\Phi\left({0}\right) + {0}\,\varphi\left({0}\right)\right)",
    extremes=((-38.0,), (38.0,), (1e308,), (-1e308,)),
    definition=lambda x: normal_cdf(x) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
)


def gelu_exact_slope(out: Any, x: Any) -> Any:
    """The rule of x Φ(x): Φ(x) + x φ(x)."""
    return gelu_exact_derivative(x)
