"""Every activation of one number, its value and its slope, in units in the last place."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.activations.truth import (
    FORMS,
    TRUTH,
    Function,
    Value,
    check_slopes,
    check_values,
    function_of,
)
from tinygrad_edu.engine.operation import Elementwise

each_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])
each_form = pytest.mark.parametrize("label", FORMS)


def test_every_form_of_every_activation_has_a_truth() -> None:
    assert set(FORMS) <= set(TRUTH)
    along_an_axis = {"softmax", "log_softmax", "softmin", "glu", "swiglu"}
    assert {name for name, _ in FORMS.values()} | along_an_axis == set(te.ACTIVATIONS)


@each_dtype
@each_form
def test_values_are_right_in_the_last_places(label: str, dtype: type) -> None:
    check_values(label, function_of(label), dtype)


@each_dtype
@each_form
def test_slopes_are_right_in_the_last_places_and_in_the_tails(label: str, dtype: type) -> None:
    check_slopes(label, function_of(label), dtype)


@each_dtype
@each_form
def test_a_number_alone_is_as_right_as_among_others(label: str, dtype: type) -> None:
    """A forward may choose its form by the smallest entry, and no form may warn."""
    function = function_of(label)
    check_values(label, lambda x: np.array([function(one) for one in x]), dtype)
    check_slopes(label, lambda x: te.stack([function(x[i]) for i in range(len(x))]), dtype)


@each_dtype
@each_form
def test_infinities_give_the_limits_and_nan_gives_nan(label: str, dtype: type) -> None:
    function, truth = function_of(label), TRUTH[label]
    limits: Any = np.array([*truth.limits, np.nan], dtype)
    for alone in (False, True):
        ends: Any = np.array([-np.inf, np.inf, np.nan], dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            got = np.array([function(x) for x in ends]) if alone else function(ends)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, limits, rtol=2 * float(np.finfo(dtype).eps), atol=0)
    for end, slope in zip((-np.inf, np.inf), truth.ends, strict=True):
        got = te.grad(function)(dtype(end))
        assert got == pytest.approx(slope, rel=float(np.finfo(dtype).eps), abs=0, nan_ok=True)


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
    "relu6": lambda x: np.clip(x, 0, 6 - 1e-5),
    "selu": lambda x: np.where(x > 0, 1.0507 * x, 1.0507 * 1.67326 * np.expm1(np.minimum(x, 0))),
    "celu": lambda x: np.maximum(x, 0) + np.exp(np.minimum(x, 0)) - 1,
    "silu": lambda x: x * np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x))),
    "log_sigmoid": lambda x: np.log(te.activations.sigmoid(x)),
    "hard_tanh": lambda x: (np.abs(x + 1) - np.abs(x - 1)) / 2,
    "hard_shrink": lambda x: np.where(np.abs(x) < 0.5, 0, x),
    "soft_shrink": lambda x: x - 0.5 * np.sign(x),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "softsign": lambda x: np.sign(x) * (1 - 1 / (1 + np.abs(x))),
    "threshold": lambda x: np.where(x >= 1, x, 0),
    "squared_relu": lambda x: x * np.maximum(x, 0) + 1e-300,
    "sine": lambda x: np.sin(np.fmod(x, 2 * np.pi)),
    "step": lambda x: np.heaviside(x, 0.5),
}


@each_dtype
@pytest.mark.parametrize("label", NAIVE)
def test_the_check_rejects_naive_values(label: str, dtype: type) -> None:
    with pytest.raises((AssertionError, RuntimeWarning)):
        check_values(label, NAIVE[label], dtype)


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
    "log_sigmoid": lambda x: 1 - te.activations.sigmoid(x),
    "softsign": lambda x: np.square(1 - np.abs(x / (1 + np.abs(x)))),
    "tanh_shrink": lambda x: 1 - np.square(1 / np.cosh(clipped(x) / 2)),
    "celu": lambda x: 1 + np.minimum(np.expm1(np.minimum(x, 0)), 0),
    "elu": lambda x: np.where(x > 0, 1.0, np.expm1(np.minimum(x, 0)) + 1),
    "selu": lambda x: np.where(x > 0, 1.05, 1.758 * np.exp(np.minimum(x, 0))),
    "squared_relu": lambda x: 2.0001 * np.maximum(x, 0),
    "sine": lambda x: np.sqrt(np.maximum(1 - np.square(np.sin(x)), 0)),
    # At a corner the other side's slope.
    "relu": lambda x: x >= 0,
    "relu6": lambda x: (x > 0) & (x <= 6),
    "leaky_relu": lambda x: np.where(x >= 0, 1.0, 0.01),
    "prelu": lambda x: np.where(x >= 0, 1.0, 0.25),
    "hard_tanh": lambda x: (x > -1) & (x <= 1),
    "hard_shrink": lambda x: np.abs(x) >= 0.5,
    "soft_shrink": lambda x: (x > 0.5) | (x <= -0.5),
    "hard_sigmoid": lambda x: np.where(np.abs(x) < 1, 0.5, 0.0),
    "sigmoid_linear": lambda x: (x >= 0) & (x < 1),
    "threshold": lambda x: x >= 1,
}


@each_dtype
@pytest.mark.parametrize("label", NAIVE_SLOPES)
def test_the_check_rejects_naive_slopes(label: str, dtype: type) -> None:
    op = te.ACTIVATIONS[label]
    assert isinstance(op, Elementwise)
    (rule, *_), parameters = op.partials, [op.defaults[name] for name in op.arguments[1:]]
    assert callable(rule)
    check_slopes(label, with_slope(op, lambda out, x: rule(out, x, *parameters)), dtype)
    wrong = with_slope(op, lambda out, x: NAIVE_SLOPES[label](x))
    with pytest.raises(AssertionError):
        check_slopes(label, wrong, dtype)


def with_slope(op: Elementwise, rule: Function) -> Function:
    """The record's value with a slope of its own; the registry does not see it."""
    return Elementwise(
        name=f"another_{op.name}",
        forward=lambda x: op.forward(x),
        partials=(rule,),
        formula="{0}",
        domain=op.domain,
    )


@pytest.mark.parametrize("name", te.ACTIVATIONS)
def test_lists_and_python_numbers_are_taken(name: str) -> None:
    function = te.ACTIVATIONS[name]
    for numbers in ([0.5, -1.5], (0.5, -1.5), [[1, -2], [3, 0]]):
        got = function(numbers)
        assert isinstance(got, np.ndarray)
        np.testing.assert_array_equal(got, function(np.array(numbers)))
    if isinstance(function, Elementwise):
        for number in (0.5, -100.0, 2, -3):
            got = function(number)
            assert isinstance(got, np.generic)
            assert got == function(Value(number)).data
