"""The derivative of each smooth activation's slope, in units in the last place.

The truth is a difference quotient of the true slope in so many digits that its error cannot show.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import tinygrad_edu as te
from tests.activations.truth import TRUTH, Value, function_of, points, units_off
from tests.shares import one_in

SMOOTH = (
    *("sigmoid", "tanh", "arctan", "softplus", "log_sigmoid", "tanh_shrink"),
    *("swish", "silu", "gelu", "leaky_gelu", "mish"),
)
UNITS, TAIL_UNITS, TAIL = 4, 16, 1e-3
# Nearer to 0 than this a small second derivative is one that changes its sign.
CROSSINGS = 6.0
# A slope of 1 less exp(−745) has 324 nines; behind them the quotient needs digits of its own.
DIGITS, STEP = 420, mp.mpf("1e-30")


@cache
def bends(label: str, dtype: type) -> Any:
    """The true second derivative at `points`, rounded once, to float64."""
    slope = TRUTH[label].slope
    found = []
    with mp.workdps(DIGITS):
        for x in map(mp.mpf, map(float, points(dtype))):
            h = STEP * max(abs(x), 1)
            found.append(float((slope(x + h) - slope(x - h)) / (2 * h)))
    return np.array(found)


def check_bends(label: str, function: Any, dtype: type) -> None:
    """Assert that the gradient of a function's gradient is the second derivative, silently."""
    x, wanted = Value(points(dtype)), bends(label, dtype)
    ones = np.ones(x.shape, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (slope,) = te.grad(function(x), x, gradient=ones, create_graph=True)
        (got,) = te.grad(slope, x, gradient=ones)
    largest = np.abs(wanted).max()
    off = units_off(got, wanted, largest)
    where = np.argmax(off)
    assert off[where] <= UNITS, f"{label}''({x.data[where]}) is {off[where]:.3g} units off"
    tail = (np.abs(wanted) < TAIL * largest) & (np.abs(x.data) >= CROSSINGS)
    off = np.where(tail, units_off(got, wanted, wanted), 0)
    where = np.argmax(off)
    assert off[where] <= TAIL_UNITS, f"{label}''({x.data[where]}) is {off[where]:.3g} of its own"


@pytest.mark.parametrize(
    "dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.thorough)]
)
@pytest.mark.parametrize("label", one_in(3, SMOOTH, 1))
def test_second_derivatives_are_right_in_the_last_places_and_in_the_tails(
    label: str, dtype: type
) -> None:
    check_bends(label, function_of(label), dtype)


NAIVE: dict[str, Any] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-np.clip(x, -80, 80))),
    "tanh": lambda x: 1 - 2 / (np.exp(np.clip(2 * x, -80, 80)) + 1),
    "silu": lambda x: np.clip(x, -1000, 1000) * te.activations.sigmoid(x),
    "mish": lambda x: np.clip(x, -1000, 1000) * np.tanh(te.activations.softplus(x)),
}


@pytest.mark.parametrize("label", NAIVE)
def test_the_check_rejects_what_a_textbook_differentiates_to(label: str) -> None:
    with pytest.raises((AssertionError, RuntimeWarning)):
        check_bends(label, NAIVE[label], np.float64)
