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
def exact(name: str, dtype: type) -> tuple[Any, Any]:
    """True values and slopes at `points`, each rounded once, to float64."""
    with mp.workdps(DIGITS):
        at = [mp.mpf(float(x)) for x in points(dtype)]
        value, slope = TRUTH[name]
        return np.array([float(value(x)) for x in at]), np.array([float(slope(x)) for x in at])


def units_off(got: Any, wanted: Any, unit: Any) -> Any:
    """|got − wanted| in units in the last place of `unit`, in the precision of `got`."""
    # The largest number of all has no next one.
    below = np.minimum(np.abs(unit).astype(got.dtype), np.finfo(got.dtype).max / 2)
    unit = np.spacing(below).astype(np.float64)
    with np.errstate(invalid="ignore"):  # ∞ − ∞ of a wrong version
        return np.abs(got.astype(np.float64) - wanted) / unit


def check_values(name: str, function: Function, dtype: type) -> None:
    """Assert that a function gives an activation's values, and that it warns of nothing."""
    x, (values, _) = points(dtype), exact(name, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = np.asarray(function(x))
    off = units_off(got, values, values)
    where = np.argmax(off)
    assert off[where] <= VALUE_UNITS, f"{name}({x[where]}) is {off[where]:.3g} units off"


def check_slopes(name: str, function: Function, dtype: type) -> None:
    """Assert that a function's gradients are an activation's slopes, without a warning."""
    x, (_, slopes) = Value(points(dtype)), exact(name, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = function(x)
        (got,) = te.grad(y, x, gradient=np.ones(y.shape, dtype))
    assert y.dtype == got.dtype == dtype
    largest = np.abs(slopes).max()
    off = units_off(got, slopes, largest)
    where = np.argmax(off)
    assert off[where] <= SLOPE_UNITS, f"{name}'({x.data[where]}) is {off[where]:.3g} units off"
    # Where the slope of a smooth function changes its sign it is small too, but that is no tail.
    crossing = (name in {"swish", "gelu", "leaky_gelu", "mish"}) & (np.abs(x.data) < 3)
    tail = (np.abs(slopes) < TAIL * largest) & ~crossing
    off = np.where(tail, units_off(got, slopes, slopes), 0)
    where = np.argmax(off)
    assert off[where] <= TAIL_UNITS, f"{name}'({x.data[where]}) is {off[where]:.3g} of its own off"


each_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])
each_truth = pytest.mark.parametrize("name", TRUTH)


def test_every_activation_has_a_truth() -> None:
    assert {*TRUTH, "softmax"} == set(te.ACTIVATIONS)


@each_dtype
@each_truth
def test_values_are_right_in_the_last_places(name: str, dtype: type) -> None:
    check_values(name, te.ACTIVATIONS[name], dtype)


@each_dtype
@each_truth
def test_slopes_are_right_in_the_last_places_and_in_the_tails(name: str, dtype: type) -> None:
    check_slopes(name, te.ACTIVATIONS[name], dtype)


@each_dtype
@each_truth
def test_a_number_alone_is_as_right_as_among_others(name: str, dtype: type) -> None:
    """A forward may choose its form by the smallest entry, and no form may warn."""
    function = te.ACTIVATIONS[name]
    check_values(name, lambda x: np.array([function(one) for one in x]), dtype)
    check_slopes(name, lambda x: te.stack([function(x[i]) for i in range(len(x))]), dtype)


LIMITS = {
    "sigmoid": (0, 1),
    "relu": (0, np.inf),
    "tanh": (-1, 1),
    "elu": (-1, np.inf),
    "swish": (0, np.inf),
    "hard_sigmoid": (0, 1),
    "gelu": (0, np.inf),
    "softplus": (0, np.inf),
    "leaky_gelu": (0, np.inf),
    "hard_swish": (0, np.inf),
    "mish": (0, np.inf),
    "arctan": (-np.pi / 2, np.pi / 2),
    "sigmoid_linear": (0, 1),
}


@each_dtype
@each_truth
def test_infinities_give_the_limits_and_nan_gives_nan(name: str, dtype: type) -> None:
    function = te.ACTIVATIONS[name]
    limits: Any = np.array([*LIMITS.get(name, (-np.inf, np.inf)), np.nan], dtype)
    for alone in (False, True):
        ends: Any = np.array([-np.inf, np.inf, np.nan], dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            got = np.array([function(x) for x in ends]) if alone else function(ends)
        np.testing.assert_array_equal(got, limits)
    eps = float(np.finfo(dtype).eps)
    # Where the value settles the slope is 0; where it grows, the line has its own.
    steepness = {"linear": (1, 1), "leaky_relu": (0.01, 1)}.get(name, 1.0 * np.isinf(limits[:2]))
    for end, slope in zip((-np.inf, np.inf), steepness, strict=True):
        assert te.grad(function)(dtype(end)) == pytest.approx(slope, rel=eps, abs=0)


# What a textbook or a hurried hand writes.
NAIVE: dict[str, Function] = {
    "sigmoid": lambda x: np.exp(x) / (1 + np.exp(x)),
    "tanh": lambda x: 1 - 2 / (np.exp(2 * x) + 1),
    "leaky_relu": lambda x: np.maximum(x, 0) - 0.01 * np.abs(x),
    "elu": lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1),
    "swish": lambda x: np.maximum(x, -1000) * te.activations.sigmoid(x),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "softplus": lambda x: np.logaddexp(0, x) + 1e-20,
    "leaky_gelu": lambda x: x * te.activations.sigmoid(1.5957691216057308 * (x + 0.044715 * x**3)),
    "hard_swish": lambda x: np.maximum(x, -3) * np.clip(x / 6 + 0.5, 0, 1),
    "mish": lambda x: np.maximum(x, -1000) * np.tanh(np.logaddexp(0, x)),
}


@each_dtype
@pytest.mark.parametrize("name", NAIVE)
def test_the_check_rejects_naive_values(name: str, dtype: type) -> None:
    with pytest.raises((AssertionError, RuntimeWarning)):
        check_values(name, NAIVE[name], dtype)


def clipped(x: Any) -> Any:
    return np.clip(x, -1000, 1000)


def mish_gate(x: Any) -> Any:
    return np.tanh(np.logaddexp(0, x))


NAIVE_SLOPES: dict[str, Function] = {
    "sigmoid": lambda x: te.activations.sigmoid(x) * (1 - te.activations.sigmoid(x)),
    "tanh": lambda x: 1 - np.square(np.tanh(x)),
    "swish": lambda x: (
        te.activations.sigmoid(x)
        + clipped(x) * te.activations.sigmoid(x) * (1 - te.activations.sigmoid(x))
    ),
    "mish": lambda x: (
        mish_gate(x) + clipped(x) * te.activations.sigmoid(x) * (1 - np.square(mish_gate(x)))
    ),
    "hard_swish": lambda x: np.where(x < -3, 0.0, np.where(x < 3, x / 3 + 0.5, 1.0)),
    "arctan": lambda x: np.square(np.cos(np.arctan(x))),
    "softplus": lambda x: 1 - te.activations.sigmoid(-x),
}


@each_dtype
@pytest.mark.parametrize("name", NAIVE_SLOPES)
def test_the_check_rejects_naive_slopes(name: str, dtype: type) -> None:
    forward = te.ACTIVATIONS[name].forward
    op = te.define_elementwise(
        f"naive_{name}",
        lambda x: forward(x),
        lambda out, x: NAIVE_SLOPES[name](x),
        formula="{0}",
    )
    try:
        with pytest.raises(AssertionError):
            check_slopes(name, op, dtype)
    finally:
        del te.OPERATIONS[op.name]


@each_dtype
@pytest.mark.parametrize("spread", [1, 10, 300, 1e4])
def test_softmax_is_right_in_the_last_places(spread: float, dtype: type) -> None:
    logits: Any = np.random.default_rng(0).uniform(-spread, spread, (60, 7)).astype(dtype)
    wanted, slopes = np.empty(logits.shape), np.empty(logits.shape)
    for i, row in enumerate(logits):
        with mp.workdps(DIGITS):
            powers = [mp.exp(mp.mpf(float(x)) - mp.mpf(float(max(row)))) for x in row]
            parts = [power / mp.fsum(powers) for power in powers]
            rest = mp.fsum(parts[: i % 7] + parts[i % 7 + 1 :])  # 1 less the one, all its digits
        for j, part in enumerate(parts):
            wanted[i, j] = part
            slopes[i, j] = part * rest if j == i % 7 else -part * parts[i % 7]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = Value(logits)
        y = te.activations.softmax(x)
        (got,) = te.grad(y, x, gradient=np.eye(7, dtype=dtype)[np.arange(60) % 7])
    assert units_off(y.data, wanted, wanted).max() <= VALUE_UNITS
    assert units_off(got, slopes, 0.25).max() <= SLOPE_UNITS
    tail = np.abs(slopes) < TAIL / 4
    assert units_off(got, slopes, slopes)[tail].max(initial=0) <= TAIL_UNITS


@each_dtype
def test_softmax_of_the_largest_and_of_infinite_logits(dtype: type) -> None:
    huge = float(np.finfo(dtype).max)
    x: Any = np.array(
        [[huge, -huge, 0], [-np.inf, 5, 5], [-huge, -huge, -np.inf], [0, np.nan, 1]], dtype
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = te.activations.softmax(x)
    np.testing.assert_array_equal(got, [[1, 0, 0], [0, 0.5, 0.5], [0.5, 0.5, 0], [np.nan] * 3])


@each_dtype
@pytest.mark.parametrize("target", [0.0, 0.25, 1.0])
def test_binary_cross_entropy_is_right_in_the_last_places(target: float, dtype: type) -> None:
    """One logit at a time, so that no mean hides an error."""
    for logit in points(dtype)[::3]:
        with mp.workdps(DIGITS):
            x, t = mp.mpf(float(logit)), mp.mpf(target)
            loss = t * softplus(-x) + (1 - t) * softplus(x)
            slope = (1 - t) * logistic(x) - t * logistic(-x)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            value = Value(logit)
            got = te.nn.losses.bce_with_logits(value, dtype(target))
            got.backward()
        assert units_off(got.data, float(loss), float(loss)) <= VALUE_UNITS, logit
        assert units_off(value.grad, float(slope), 1.0) <= SLOPE_UNITS, logit
        if target in (0.0, 1.0):
            assert units_off(value.grad, float(slope), float(slope)) <= TAIL_UNITS, logit


@each_dtype
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_mean_squared_error_is_right_in_the_last_places(size: int, dtype: type) -> None:
    rng = np.random.default_rng(size)
    prediction, target = rng.normal(0, 10.0 ** rng.integers(-3, 4, (2, size))).astype(dtype)
    with mp.workdps(DIGITS):
        differences = [
            mp.mpf(float(p)) - mp.mpf(float(t)) for p, t in zip(prediction, target, strict=True)
        ]
        loss = float(sum(d * d for d in differences) / size)
        slopes = np.array([float(2 * d / size) for d in differences])
    value = Value(prediction)
    got = te.nn.losses.mse(value, target)
    got.backward()
    assert units_off(got.data, loss, loss) <= VALUE_UNITS
    assert units_off(value.grad, slopes, slopes).max() <= VALUE_UNITS


@pytest.mark.parametrize("name", te.ACTIVATIONS)
def test_lists_and_python_numbers_are_taken(name: str) -> None:
    function = te.ACTIVATIONS[name]
    for numbers in ([0.5, -1.5], (0.5, -1.5), [[1, -2], [3, 0]]):
        got = function(numbers)
        assert isinstance(got, np.ndarray)
        np.testing.assert_array_equal(got, function(np.array(numbers)))
    if name != "softmax":
        for number in (0.5, -100.0, 2, -3):
            got = function(number)
            assert isinstance(got, np.generic)
            assert got == function(Value(number)).data
