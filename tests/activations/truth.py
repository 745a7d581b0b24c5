"""True values and slopes of the activations, and how far a function is from them.

The true values come from mpmath with 50 digits, by the textbook definitions; distances are in
units in the last place.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import inf, nan, pi
from typing import Any

import mpmath as mp
import numpy as np

import tinygrad_edu as te
from tinygrad_edu.check.samples import option_sets
from tinygrad_edu.engine.operation import Elementwise

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value
Function = Callable[..., Any]

DIGITS = 50
# A value is within so many units in its last place; a slope in those of the largest slope, and in
# the tail, where a slope is less than this part of the largest, in its own.
VALUE_UNITS, SLOPE_UNITS, TAIL_UNITS, TAIL = 4, 4, 16, 1e-3
# Exponentials beyond this are far outside of float64, and cost mpmath millions of digits.
FAR = mp.mpf(1e5)


def between(x: Any, low: Any, high: Any) -> Any:
    return min(max(x, mp.mpf(low)), mp.mpf(high))


def logistic(x: Any) -> Any:
    return 1 / (1 + mp.exp(between(-x, -FAR, FAR)))


def softplus(x: Any) -> Any:
    return max(x, mp.mpf(0)) + mp.log1p(mp.exp(-min(abs(x), FAR)))


def tanh(x: Any) -> Any:
    return mp.tanh(between(x, -FAR, FAR))


def sech_squared(x: Any) -> Any:
    return mp.sech(between(x, -FAR, FAR)) ** 2


def exp(x: Any) -> Any:
    return mp.exp(max(x, -FAR))


def silu_slope(x: Any) -> Any:
    return logistic(x) * (1 + x * logistic(-x))


# (1 + tanh u)/2 is written σ(2u): it keeps its digits.
def gelu_argument(x: Any) -> Any:
    return mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3)


def gelu_slope(x: Any) -> Any:
    slope_of_argument = mp.sqrt(2 / mp.pi) * (1 + 3 * mp.mpf("0.044715") * x**2)
    gate = logistic(2 * gelu_argument(x))
    return gate + x * gate * logistic(-2 * gelu_argument(x)) * 2 * slope_of_argument


def normal_cdf(x: Any) -> Any:
    return mp.erfc(-between(x, -FAR, FAR) / mp.sqrt(2)) / 2


def mish_slope(x: Any) -> Any:
    return tanh(softplus(x)) + x * sech_squared(softplus(x)) * logistic(x)


def tanh_shrink(x: Any) -> Any:
    # Near 0 even 50 digits cancel; the next term of the series is 1e-24 of the first.
    if abs(x) < 1e-2:
        terms = (mp.mpf(1) / 3, -mp.mpf(2) / 15, mp.mpf(17) / 315, -mp.mpf(62) / 2835)
        return sum(term * x ** (2 * i + 3) for i, term in enumerate(terms)) + (
            mp.mpf(1382) / 155925 * x**11 - mp.mpf(21844) / 6081075 * x**13
        )
    return x - tanh(x)


# Klambauer et al. 2017, appendix: α and λ in closed form, here to 30 digits.
SELU_ALPHA = mp.mpf("1.67326324235437728481704299167")
SELU_SCALE = mp.mpf("1.05070098735548049341933498529")
# The float64 numbers that the records hold.
LEAKY, PARAMETRIC = mp.mpf(0.01), mp.mpf(0.25)


@dataclass(frozen=True)
class Truth:
    """Value and slope, both in 50 digits; their limits at −∞ and ∞; where the slope is not a tail.

    `crossing` is the size of x within which a small slope of a smooth function is one that is
    about to change its sign.
    """

    value: Function
    slope: Function
    limits: tuple[float, float] = (-inf, inf)
    ends: tuple[float, float] = (0, 0)
    crossing: float = 0


TANH_GELU = Truth(
    lambda x: x * logistic(2 * gelu_argument(x)), gelu_slope, (0, inf), (0, 1), crossing=3
)
SILU = Truth(lambda x: x * logistic(x), silu_slope, (0, inf), (0, 1), crossing=3)
ELU = Truth(
    lambda x: x if x > 0 else mp.expm1(max(x, -FAR)),
    lambda x: 1 if x > 0 else exp(x),
    (-1, inf),
    (0, 1),
)
# At a kink the slope is the one that the card states.
TRUTH: dict[str, Truth] = {
    "linear": Truth(lambda x: x, lambda x: 1, ends=(1, 1)),
    "sigmoid": Truth(logistic, lambda x: logistic(x) * logistic(-x), (0, 1)),
    "relu": Truth(lambda x: max(x, mp.mpf(0)), lambda x: int(x > 0), (0, inf), (0, 1)),
    "tanh": Truth(tanh, sech_squared, (-1, 1)),
    "leaky_relu": Truth(
        lambda x: x if x > 0 else LEAKY * x, lambda x: 1 if x > 0 else LEAKY, ends=(0.01, 1)
    ),
    "elu": ELU,
    "swish": SILU,
    "hard_sigmoid": Truth(
        lambda x: between((x + 1) / 2, 0, 1), lambda x: mp.mpf(int(abs(x) <= 1)) / 2, (0, 1)
    ),
    "gelu": TANH_GELU,
    "gelu approximate=none": Truth(
        lambda x: x * normal_cdf(x),
        lambda x: normal_cdf(x) + x * exp(-(x**2) / 2) / mp.sqrt(2 * mp.pi),
        (0, inf),
        (0, 1),
        crossing=3,
    ),
    "softplus": Truth(softplus, logistic, (0, inf), (0, 1)),
    "leaky_gelu": TANH_GELU,
    "hard_swish": Truth(
        lambda x: x * between((x + 3) / 6, 0, 1),
        lambda x: (2 * x + 3) / 6 if abs(x) < 3 else int(x > 0),
        (0, inf),
        (0, 1),
    ),
    "mish": Truth(lambda x: x * tanh(softplus(x)), mish_slope, (0, inf), (0, 1), crossing=3),
    "arctan": Truth(mp.atan, lambda x: 1 / (1 + x * x), (-pi / 2, pi / 2)),
    "sigmoid_linear": Truth(lambda x: between(x, 0, 1), lambda x: int(0 <= x <= 1), (0, 1)),
    "relu6": Truth(lambda x: between(x, 0, 6), lambda x: int(0 < x < 6), (0, 6)),
    "selu": Truth(
        lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * mp.expm1(max(x, -FAR))),
        lambda x: SELU_SCALE * (1 if x > 0 else SELU_ALPHA * exp(x)),
        (-1.7580993408473768, inf),
        (0, 1.0507009873554805),
    ),
    "celu": ELU,
    "prelu": Truth(
        lambda x: x if x > 0 else PARAMETRIC * x,
        lambda x: 1 if x > 0 else PARAMETRIC,
        ends=(0.25, 1),
    ),
    "silu": SILU,
    "log_sigmoid": Truth(
        lambda x: -softplus(-x), lambda x: logistic(-x), limits=(-inf, 0), ends=(1, 0)
    ),
    "hard_tanh": Truth(lambda x: between(x, -1, 1), lambda x: int(abs(x) <= 1), (-1, 1)),
    "hard_shrink": Truth(
        lambda x: x if abs(x) > 0.5 else 0, lambda x: int(abs(x) > 0.5), ends=(1, 1)
    ),
    "soft_shrink": Truth(
        lambda x: x - between(x, -0.5, 0.5), lambda x: int(abs(x) > 0.5), ends=(1, 1)
    ),
    "tanh_shrink": Truth(tanh_shrink, lambda x: tanh(x) ** 2, ends=(1, 1)),
    "softsign": Truth(lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2, (-1, 1)),
    "threshold": Truth(lambda x: x if x > 1 else 0, lambda x: int(x > 1), (0, inf), (0, 1)),
    "squared_relu": Truth(
        lambda x: max(x, mp.mpf(0)) ** 2, lambda x: 2 * max(x, mp.mpf(0)), (0, inf), (0, inf)
    ),
    # It has no limits, and its slope crosses 0 again and again.
    "sine": Truth(mp.sin, mp.cos, (nan, nan), (nan, nan), crossing=inf),
    # Straight through: a stand-in, and the same everywhere.
    "step": Truth(lambda x: int(x > 0), lambda x: 1, (0, 1), (1, 1)),
}


def forms() -> dict[str, tuple[str, Mapping[str, Any]]]:
    """The activations of one number, once with each of their options: label, name and options."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for name, op in te.ACTIVATIONS.items():
        if not isinstance(op, Elementwise):
            continue
        for options in option_sets(op):
            said = {key: value for key, value in options.items() if value != op.defaults[key]}
            label = " ".join([name, *(f"{key}={value}" for key, value in said.items())])
            found[label] = name, said
    return found


FORMS = forms()


def function_of(label: str) -> Function:
    """The activation with its options, as a function of x."""
    name, options = FORMS[label]
    op = te.ACTIVATIONS[name]
    return (lambda x: op(x, **options)) if options else op


@cache
def points(dtype: type) -> Any:
    """From one end of the format to the other, denormals, signed zeros and the corners included."""
    info = np.finfo(dtype)
    rng = np.random.default_rng(0)
    size = np.concatenate(
        [
            [0.0, info.smallest_subnormal, info.smallest_normal, info.max, 0.5, 1.0, 3.0, 6.0],
            10.0 ** np.linspace(np.log10(info.smallest_normal) - 5, np.log10(info.max) - 1, 60),
            10.0 ** rng.uniform(-8, 3, 60),
            [20.5, 36.5, 87.0, 88.8, 103.5, 708.0, 710.0, 740.0, 744.5, 746.0, 1000.0],
            1 - 10.0 ** np.arange(-8, -2),
            1.5 + 10.0 ** np.arange(-8, -2),
            3 - 10.0 ** np.arange(-8, -2),
            rng.uniform(0, 8, 250),
            rng.uniform(8, 40, 60),
            rng.uniform(40, 750, 60),
        ]
    )
    return np.concatenate([size, -size]).astype(dtype)


@cache
def exact(label: str, dtype: type) -> tuple[Any, Any]:
    """True values and slopes at `points`, each rounded once, to float64."""
    truth = TRUTH[label]
    with mp.workdps(DIGITS):
        at = [mp.mpf(float(x)) for x in points(dtype)]
        values = np.array([float(truth.value(x)) for x in at])
        return values, np.array([float(truth.slope(x)) for x in at])


def units_off(got: Any, wanted: Any, unit: Any) -> Any:
    """|got − wanted| in units in the last place of `unit`, in the precision of `got`."""
    largest = float(np.finfo(got.dtype).max)
    # The largest number of all has no next one.
    below = np.minimum(np.abs(unit), largest / 2).astype(got.dtype)
    with np.errstate(invalid="ignore"):  # ∞ − ∞ of a wrong version
        off = np.abs(got.astype(np.float64) - wanted) / np.spacing(below).astype(np.float64)
    # What is beyond the largest number is infinite in this precision.
    beyond = np.isinf(got) & (np.abs(wanted) > largest) & (np.sign(got) == np.sign(wanted))
    return np.where(beyond, 0.0, off)


def check_values(label: str, function: Function, dtype: type) -> None:
    """Assert that a function gives an activation's values, and that it warns of nothing."""
    x, (values, _) = points(dtype), exact(label, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = np.asarray(function(x))
    assert got.dtype == dtype
    off = units_off(got, values, values)
    where = np.argmax(off)
    assert off[where] <= VALUE_UNITS, f"{label}({x[where]}) is {off[where]:.3g} units off"


def check_slopes(label: str, function: Function, dtype: type) -> None:
    """Assert that a function's gradients are an activation's slopes, without a warning."""
    x, (_, slopes) = Value(points(dtype)), exact(label, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = function(x)
        (got,) = te.grad(y, x, gradient=np.ones(y.shape, dtype))
    assert y.dtype == got.dtype == dtype
    # Where the largest slope is infinite each is judged by itself.
    largest = np.abs(slopes).max()
    off = units_off(got, slopes, largest if np.isfinite(largest) else slopes)
    where = np.argmax(off)
    assert off[where] <= SLOPE_UNITS, f"{label}'({x.data[where]}) is {off[where]:.3g} units off"
    tail = (np.abs(slopes) < TAIL * largest) & (np.abs(x.data) >= TRUTH[label].crossing)
    off = np.where(tail, units_off(got, slopes, slopes), 0)
    where = np.argmax(off)
    assert off[where] <= TAIL_UNITS, f"{label}'({x.data[where]}) is {off[where]:.3g} of its own off"
