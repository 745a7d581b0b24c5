"""Activations along an axis: softmax and its relatives, masks, and the gates that halve it."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import tinygrad_edu as te
from tests.activations.truth import (
    DIGITS,
    SLOPE_UNITS,
    TAIL,
    TAIL_UNITS,
    VALUE_UNITS,
    Function,
    Value,
    logistic,
    silu_slope,
    units_off,
)
from tinygrad_edu.engine.operation import Structural

softmax, softmin = te.activations.softmax, te.activations.softmin
log_softmax = te.activations.log_softmax

each_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])
each_spread = pytest.mark.parametrize("spread", [1, 10, 300, 1e4])
ROWS, CLASSES = 60, 7
# NumPy's float32 exp alone may be 2.5 units off, and seven of them are added up.
VALUES: dict[Any, int] = {np.float64: VALUE_UNITS, np.float32: VALUE_UNITS + 1}


@cache
def logits(spread: float, dtype: type) -> Any:
    return np.random.default_rng(0).uniform(-spread, spread, (ROWS, CLASSES)).astype(dtype)


@cache
def true_shares(spread: float, dtype: type, sign: int) -> tuple[Any, Any, Any]:
    """Each row's shares p, their complements 1 − p and their logarithms, to 50 digits."""
    shares: Any = np.empty((3, ROWS, CLASSES), object)
    with mp.workdps(DIGITS):
        for i, row in enumerate(logits(spread, dtype)):
            powers = [mp.exp(mp.mpf(sign * float(x)) - max(sign * row).item()) for x in row]
            for j, power in enumerate(powers):
                rest = mp.fsum(powers[:j] + powers[j + 1 :])
                # log(p/(p + rest)), with all of its digits however small rest is.
                logarithm = -mp.log1p(rest / power)
                shares[:, i, j] = power / (power + rest), rest / (power + rest), logarithm
    return shares[0], shares[1], shares[2]


# The entry of each row that a gradient of 1 comes in for.
ASKED = np.arange(ROWS) % CLASSES
ONE: Any = np.eye(CLASSES)[ASKED] == 1


def computed(op: Function, x: Any) -> tuple[Any, Any]:
    """Values, and the slopes of the entry that each row is asked for, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = Value(x)
        out = op(value)
        (got,) = te.grad(out, value, gradient=ONE.astype(x.dtype))
    assert out.dtype == got.dtype == x.dtype
    return out.data, got


def check_shares(op: Function, sign: int, spread: float, dtype: type) -> None:
    """Assert that values and slopes are those of softmax(sign · x)."""
    shares, rests, _ = true_shares(spread, dtype, sign)
    asked = np.take_along_axis(shares, ASKED[:, None], -1)
    slopes = (sign * asked * np.where(ONE, rests, -shares)).astype(np.float64)
    values, got = computed(op, logits(spread, dtype))
    wanted = shares.astype(np.float64)
    assert units_off(values, wanted, wanted).max() <= VALUES[dtype]
    assert units_off(got, slopes, 0.25).max() <= SLOPE_UNITS
    tail = np.abs(slopes) < TAIL / 4
    assert units_off(got, slopes, slopes)[tail].max(initial=0) <= TAIL_UNITS


@each_dtype
@each_spread
def test_softmax_is_right_in_the_last_places(spread: float, dtype: type) -> None:
    check_shares(softmax, 1, spread, dtype)


@each_dtype
@each_spread
def test_softmin_is_right_in_the_last_places(spread: float, dtype: type) -> None:
    check_shares(softmin, -1, spread, dtype)


def plain_softmax(x: Any) -> Any:
    powers = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return powers / np.sum(powers, axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("naive", "spread"),
    [
        (lambda x: np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True), 1e4),
        (lambda x: np.exp(log_softmax(x)), 300),
        # The rounding of x − max x counts too.
        (plain_softmax, 300),
        (lambda x: softmax(x, axis=0), 1),
        (lambda x: softmax(x) + 1e-15, 10),
    ],
)
def test_the_check_rejects_naive_softmaxes(naive: Function, spread: float) -> None:
    with pytest.raises((AssertionError, RuntimeWarning)), np.errstate(over="warn"):
        check_shares(naive, 1, spread, np.float64)


def check_logarithms(op: Function, spread: float, dtype: type) -> None:
    """Assert that values and slopes are those of log softmax."""
    shares, rests, logarithms = true_shares(spread, dtype, 1)
    slopes = np.where(ONE, rests, -shares).astype(np.float64)
    values, got = computed(op, logits(spread, dtype))
    wanted = logarithms.astype(np.float64)
    off = units_off(values, wanted, wanted)
    assert off.max() <= VALUE_UNITS, f"{wanted.ravel()[off.argmax()]} is {off.max():.3g} units off"
    assert units_off(got, slopes, 1.0).max() <= SLOPE_UNITS
    tail = np.abs(slopes) < TAIL
    assert units_off(got, slopes, slopes)[tail].max(initial=0) <= TAIL_UNITS


@each_dtype
@pytest.mark.parametrize("spread", [1, 10, 300, 1e4])
def test_log_softmax_is_right_in_the_last_places(spread: float, dtype: type) -> None:
    check_logarithms(log_softmax, spread, dtype)


def logsumexp(x: Any) -> Any:
    greatest = np.max(x, axis=-1, keepdims=True)
    return greatest + np.log(np.sum(np.exp(x - greatest), axis=-1, keepdims=True))


@pytest.mark.parametrize(
    ("naive", "spread"),
    [
        (lambda x: np.log(softmax(x)), 1e4),
        (lambda x: x - logsumexp(x), 10),
        (lambda x: log_softmax(x) * (1 + 1e-14), 1),
    ],
)
def test_the_check_rejects_naive_logarithms(naive: Function, spread: float) -> None:
    with pytest.raises((AssertionError, RuntimeWarning)), np.errstate(divide="warn"):
        check_logarithms(naive, spread, np.float64)


@pytest.mark.parametrize("op", [softmax, softmin, log_softmax], ids=lambda op: op.name)
def test_the_axis_is_the_one_that_is_asked_for(op: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    for axis in (0, 1, 2, -1, -2, -3):
        got = op(x, axis=axis)
        last = op(np.moveaxis(x, axis, -1))
        np.testing.assert_allclose(np.moveaxis(got, axis, -1), last, rtol=1e-15)
        total = np.sum(np.exp(got) if op is log_softmax else got, axis=axis)
        np.testing.assert_allclose(total, 1, rtol=1e-15)
    with pytest.raises(ValueError, match="over an axis; a single number has none"):
        op(0.5)


# Masks


# What may come in for three entries, the largest numbers included.
INCOMING = [(1.0, 2.0, 3.0), (0.0, 1e37, 0.0), (-1e37, 1e37, 1e37), (0.0, 0.0, 0.0)]


MASKED = [[1.0, -np.inf, 2.0], [-np.inf, -np.inf, 3.0], [-3e38, -np.inf, 3e38]]


def check_mask(op: Function, row: list[float], incoming: tuple[float, ...], dtype: type) -> None:
    """Assert that what is hidden has no share and exactly no gradient, without a warning."""
    logits: Any = np.array(row, dtype)
    gradient: Any = np.array(incoming, dtype)
    hidden = np.isinf(logits)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = Value(logits)
        out = op(x)
        (got,) = te.grad(out, x, gradient=gradient)
    logarithmic = np.any(out.data < 0)
    assert np.all(out.data[hidden] == (-np.inf if logarithmic else 0))
    assert np.all(got[hidden] == 0)
    assert np.all(np.isfinite(got))
    # The others are as if the hidden ones were not there. Of log softmax, though, a hidden entry
    # is an output too, −∞ for any x, and what comes in for it goes to the others.
    alone = Value(logits[~hidden])
    rest = op(alone)
    np.testing.assert_allclose(out.data[~hidden], rest.data, rtol=4 * float(np.finfo(dtype).eps))
    if not logarithmic:
        (apart,) = te.grad(rest, alone, gradient=gradient[~hidden])
        size = float(np.abs(incoming).max())
        np.testing.assert_allclose(got[~hidden], apart, rtol=1e-5, atol=1e-6 * size)


@each_dtype
@pytest.mark.parametrize("incoming", INCOMING)
@pytest.mark.parametrize("row", MASKED)
def test_a_masked_entry_has_no_share_and_exactly_no_gradient(
    row: list[float], incoming: tuple[float, ...], dtype: type
) -> None:
    check_mask(softmax, row, incoming, dtype)
    check_mask(log_softmax, row, incoming, dtype)
    check_mask(softmin, [-x for x in row], incoming, dtype)


def with_pullback(op: Structural, pullback: Function) -> Function:
    """The record with another rule; the registry does not see it."""
    return replace(op, pullbacks=(pullback,))


@pytest.mark.parametrize(
    "naive",
    [
        with_pullback(log_softmax, lambda g, out, x: g - np.exp(out) * np.sum(g)),
        with_pullback(softmax, lambda g, out, x: (out + 1e-12) * (g - np.sum(g * out))),
        lambda x: np.exp(x) / np.sum(np.exp(x)),
        lambda x: softmax(np.clip(x, -20, 20)),
        lambda x: np.log(softmax(x)),
    ],
)
def test_the_check_rejects_naive_masks(naive: Function) -> None:
    rejected = 0
    for row in MASKED:
        try:
            check_mask(naive, row, (1.0, 2.0, 3.0), np.float64)
        except (AssertionError, RuntimeWarning):
            rejected += 1
    assert rejected


@pytest.mark.parametrize("op", [softmax, softmin, log_softmax], ids=lambda op: op.name)
def test_second_derivatives_of_a_masked_entry_are_zero_too(op: Any) -> None:
    sign = -1 if op is softmin else 1
    hessian = te.hessian(lambda x: np.sum(op(sign * x)[:1]))(np.array([1.0, -np.inf, 2.0]))
    assert np.all(hessian[1] == 0)
    assert np.all(hessian[:, 1] == 0)
    assert np.all(hessian[::2, ::2] != 0)


@each_dtype
def test_a_row_that_is_all_masked_is_nan_and_leaves_the_others_alone(dtype: type) -> None:
    x: Any = np.array([[-np.inf] * 3, [1, 2, 3], [-np.inf, 0, 0]], dtype)
    for op, sign in ((softmax, 1), (softmin, -1), (log_softmax, 1)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            value = Value(sign * x)
            out = op(value)
            (got,) = te.grad(out, value, gradient=np.ones(x.shape, dtype))
        assert np.all(np.isnan(out.data[0]))
        alone = op(sign * x[1:])
        np.testing.assert_allclose(out.data[1:], alone, rtol=4 * float(np.finfo(dtype).eps))
        assert np.all(np.isfinite(got[1:]))


@each_dtype
def test_softmax_of_the_largest_and_of_infinite_logits(dtype: type) -> None:
    huge = float(np.finfo(dtype).max)
    x: Any = np.array(
        [[huge, -huge, 0], [-np.inf, 5, 5], [-huge, -huge, -np.inf], [0, np.nan, 1]], dtype
    )
    wanted: Any = np.array([[1, 0, 0], [0, 0.5, 0.5], [0.5, 0.5, 0], [np.nan] * 3], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got, opposite, logarithms = softmax(x), softmin(-x), log_softmax(x)
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(opposite, wanted)
    half = -np.log(2)
    np.testing.assert_allclose(
        logarithms,
        np.array([[0, -np.inf, -huge], [-np.inf, half, half], [half, half, -np.inf], [np.nan] * 3]),
        rtol=float(np.finfo(dtype).eps),
    )


# Gates


GATES: dict[str, tuple[Function, Function, Function]] = {
    # f(a, b), ∂f/∂a and ∂f/∂b
    "glu": (
        lambda a, b: a * logistic(b),
        lambda a, b: logistic(b),
        lambda a, b: a * logistic(b) * logistic(-b),
    ),
    "swiglu": (
        lambda a, b: a * logistic(a) * b,
        lambda a, b: silu_slope(a) * b,
        lambda a, b: a * logistic(a),
    ),
}


def check_gate(name: str, op: Function, dtype: type) -> None:
    """Assert that value and slopes are right in the last places.

    The gates stay where a sigmoid is no denormal: a denormal has lost digits, and the other half
    of the input, as large as one likes, would show it.
    """
    rng = np.random.default_rng(0)
    far = 80 if dtype is np.float32 else 700
    pairs: Any = np.concatenate(
        [
            rng.normal(0, 3, (200, 2)),
            rng.uniform(-far, far, (200, 2)),
            10.0 ** rng.uniform(-8, 1, (100, 2)) * rng.choice((-1, 1), (100, 2)),
            [[0.0, 0.0], [1.0, -0.0], [-2.0, far], [1e30, -5.0], [-5.0, 1e30]],
        ]
    ).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = Value(pairs)
        out = op(x)
        (got,) = te.grad(out, x, gradient=np.ones(out.shape, dtype))
    assert out.dtype == got.dtype == dtype
    with mp.workdps(DIGITS):
        exact = [[mp.mpf(float(number)) for number in pair] for pair in pairs]
        value, *slopes = (np.array([float(part(a, b)) for a, b in exact]) for part in GATES[name])
    assert units_off(out.data[:, 0], value, value).max() <= VALUE_UNITS
    for half, slope in enumerate(slopes):
        # The gate's slope passes through 0 near −1.28.
        crossing = np.abs(pairs[:, 0] + 1.28) < 0.1 if name == "swiglu" else False
        scale = np.where(crossing, pairs[:, 1], slope)
        assert units_off(got[:, half], slope, scale).max() <= TAIL_UNITS


@each_dtype
@pytest.mark.parametrize("name", GATES)
def test_gates_are_right_in_the_last_places(name: str, dtype: type) -> None:
    check_gate(name, te.ACTIVATIONS[name], dtype)


@pytest.mark.parametrize(
    ("name", "naive"),
    [
        ("glu", lambda x: x[:, :1] * te.activations.swish(x[:, 1:]) / x[:, 1:]),
        ("glu", lambda x: x[:, 1:] * te.activations.sigmoid(x[:, :1])),
        ("glu", lambda x: x[:, :1] * (1 - te.activations.sigmoid(-x[:, 1:]))),
        ("swiglu", lambda x: x[:, :1] * te.activations.silu(x[:, 1:])),
        ("swiglu", lambda x: x[:, :1] * (1 - te.activations.sigmoid(-x[:, :1])) * x[:, 1:]),
    ],
)
def test_the_check_rejects_naive_gates(name: str, naive: Function) -> None:
    with pytest.raises((AssertionError, RuntimeWarning)):
        check_gate(name, naive, np.float64)


@pytest.mark.parametrize("name", GATES)
def test_gates_halve_the_axis_that_is_asked_for(name: str) -> None:
    op = te.ACTIVATIONS[name]
    x = np.random.default_rng(0).normal(size=(2, 4, 6))
    for axis, shape in ((0, (1, 4, 6)), (1, (2, 2, 6)), (-1, (2, 4, 3))):
        got = op(x, axis=axis)
        assert got.shape == shape
        first, second = np.split(x, 2, axis=axis)
        paired = op(np.stack([first, second], axis=-1))[..., 0]
        np.testing.assert_allclose(got, paired, rtol=1e-15)
    for odd in (0.5, np.ones((2, 3))):
        with pytest.raises(ValueError, match="needs an even length; the shape is"):
            op(odd)
