"""Every activation and loss, its value and its slope, in units in the last place.

The true values come from mpmath with 50 digits, by the textbook definitions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import tinygrad_edu as te

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value
Function = Callable[[Any], Any]

DIGITS = 50
# A value is within so many units in its last place; a slope in those of the largest slope, and in
# the tail, where a slope is less than this part of the largest, in its own.
VALUE_UNITS, SLOPE_UNITS, TAIL_UNITS, TAIL = 4, 4, 16, 1e-3
# Exponentials beyond this are far outside of float64, and cost mpmath millions of digits.
FAR = mp.mpf(1e5)
LEAK = mp.mpf(0.01)  # the float64 number that the record holds


def between(x: Any, low: Any, high: Any) -> Any:
    return min(max(x, mp.mpf(low)), mp.mpf(high))


def logistic(x: Any) -> Any:
    return 1 / (1 + mp.exp(between(-x, -FAR, FAR)))


def gelu_argument(x: Any) -> Any:
    return mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3)


def gelu_slope(x: Any) -> Any:
    slope_of_argument = mp.sqrt(2 / mp.pi) * (1 + 3 * mp.mpf("0.044715") * x**2)
    gate = logistic(2 * gelu_argument(x))
    return gate + x * gate * logistic(-2 * gelu_argument(x)) * 2 * slope_of_argument


def softplus(x: Any) -> Any:
    return max(x, mp.mpf(0)) + mp.log1p(mp.exp(-min(abs(x), FAR)))


def sech_squared(x: Any) -> Any:
    return mp.sech(between(x, -FAR, FAR)) ** 2


# Value and slope, by the definitions. (1 + tanh u)/2 is written σ(2u): it keeps its digits.
TRUTH: dict[str, tuple[Function, Function]] = {
    "linear": (lambda x: x, lambda x: 1),
    "sigmoid": (logistic, lambda x: logistic(x) * logistic(-x)),
    "relu": (lambda x: max(x, mp.mpf(0)), lambda x: int(x > 0)),
    "tanh": (lambda x: mp.tanh(between(x, -FAR, FAR)) if abs(x) > 1 else mp.tanh(x), sech_squared),
    "leaky_relu": (lambda x: x if x > 0 else LEAK * x, lambda x: 1 if x > 0 else LEAK),
    "elu": (
        lambda x: x if x > 0 else mp.expm1(max(x, -FAR)),
        lambda x: 1 if x > 0 else mp.exp(max(x, -FAR)),
    ),
    "swish": (lambda x: x * logistic(x), lambda x: logistic(x) * (1 + x * logistic(-x))),
    "hard_sigmoid": (
        lambda x: between((x + 1) / 2, 0, 1),
        lambda x: mp.mpf(1) / 2 if abs(x) <= 1 else 0,
    ),
    "gelu": (lambda x: x * logistic(2 * gelu_argument(x)), gelu_slope),
    "softplus": (softplus, logistic),
    "leaky_gelu": (lambda x: x * logistic(2 * gelu_argument(x)), gelu_slope),
    "hard_swish": (
        lambda x: x * between((x + 3) / 6, 0, 1),
        lambda x: (2 * x + 3) / 6 if abs(x) < 3 else int(x > 0),
    ),
    "mish": (
        lambda x: x * mp.tanh(softplus(x)),
        lambda x: mp.tanh(softplus(x)) + x * sech_squared(softplus(x)) * logistic(x),
    ),
    "arctan": (mp.atan, lambda x: 1 / (1 + x * x)),
    "sigmoid_linear": (lambda x: between(x, 0, 1), lambda x: int(0 <= x <= 1)),
}


@cache
def points(dtype: type) -> Any:
    """From one end of the format to the other, denormal and signed zeros included."""
    info = np.finfo(dtype)
    rng = np.random.default_rng(0)
    size = np.concatenate(
        [
            [0.0, info.smallest_subnormal, info.smallest_normal, info.max],
            10.0 ** np.linspace(np.log10(info.smallest_normal) - 5, np.log10(info.max) - 1, 60),
            10.0 ** rng.uniform(-8, 3, 60),
            [20.5, 36.5, 87.0, 88.8, 103.5, 708.0, 710.0, 740.0, 744.5, 746.0, 1000.0],
            rng.uniform(0, 8, 250),
            rng.uniform(8, 40, 60),
            rng.uniform(40, 750, 60),
        ]
    )
    return np.concatenate([size, -size]).astype(dtype)


@cache
def exact(name: str, dtype: type) -> tuple[Any, Any]:
    """True values and slopes at `points`, each rounded once, to float64."""
    with mp.workdps(DIGITS):
        at = [mp.mpf(float(x)) for x in points(dtype)]
        value, slope = TRUTH[name]
        return np.array([float(value(x)) for x in at]), np.array([float(slope(x)) for x in at])


def units_off(got: Any, wanted: Any, unit: Any) -> Any:
    """|got − wanted| in units in the last place of `unit`, in the precision of `got`."""
    unit = np.spacing(np.abs(unit).astype(got.dtype)).astype(np.float64)
    return np.abs(got.astype(np.float64) - wanted) / unit


def rounding_errors(name: str, function: Function, dtype: type) -> dict[str, tuple[float, float]]:
    """The largest errors as parts of what is allowed, and the inputs where they are."""
    x = Value(points(dtype))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = function(x)
        y.backward(np.ones(y.shape, dtype))
    assert y.dtype == x.grad.dtype == dtype
    values, slopes = exact(name, dtype)
    largest = np.abs(slopes).max()
    # Between its minimum and 0 a slope may change its sign: no tail, however small it is there.
    crossing = (slopes < 0).any() & (np.abs(x.data) < 3)
    tail = (np.abs(slopes) < TAIL * largest) & ~crossing
    errors = {
        "value": units_off(y.data, values, values) / VALUE_UNITS,
        "slope": units_off(x.grad, slopes, largest) / SLOPE_UNITS,
        "tail": np.where(tail, units_off(x.grad, slopes, slopes) / TAIL_UNITS, 0),
    }
    return {
        kind: (float(off.max()), float(x.data[np.argmax(off)])) for kind, off in errors.items()
    }
