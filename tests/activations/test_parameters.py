"""Parameters other than the defaults: values, slopes in x and gradients of the parameters."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import tinygrad_edu as te
from tests.activations.truth import DIGITS, Function, Value, between

# The textbooks' formulas of x and the parameters.
DEFINITIONS: dict[str, Function] = {
    "swish": lambda x, beta: x / (1 + mp.exp(-beta * x)),
    "softplus": lambda x, beta: mp.log1p(mp.exp(beta * x)) / beta,
    "leaky_relu": lambda x, alpha: x if x > 0 else alpha * x,
    "prelu": lambda x, alpha: x if x > 0 else alpha * x,
    "elu": lambda x, alpha: x if x > 0 else alpha * mp.expm1(x),
    "celu": lambda x, alpha: x if x > 0 else alpha * mp.expm1(x / alpha),
    "hard_sigmoid": lambda x, slope: between(slope * x + mp.mpf(1) / 2, 0, 1),
    "hard_tanh": lambda x, low, high: min(max(x, low), high),
    "hard_shrink": lambda x, lambd: x if abs(x) > lambd else mp.mpf(0),
    "soft_shrink": lambda x, lambd: mp.sign(x) * max(abs(x) - lambd, 0),
    "threshold": lambda x, threshold, value: x if x > threshold else value,
    "sine": lambda x, omega: mp.sin(omega * x),
}
CASES: list[tuple[str, tuple[float, ...]]] = [
    ("swish", (0.25,)),
    ("swish", (1.702,)),  # The sigmoid approximation of GELU.
    ("swish", (-2.0,)),
    ("softplus", (0.5,)),
    ("softplus", (20.0,)),
    ("leaky_relu", (0.2,)),
    ("leaky_relu", (0.0,)),
    ("prelu", (0.75,)),
    ("prelu", (-0.5,)),
    ("elu", (0.5,)),
    ("elu", (1.75,)),
    ("celu", (0.5,)),
    ("celu", (3.0,)),
    ("hard_sigmoid", (1 / 6,)),
    ("hard_sigmoid", (0.2,)),  # Keras's.
    ("hard_tanh", (-2.0, 0.75)),
    ("hard_tanh", (0.25, 6.0)),
    ("hard_shrink", (1.25,)),
    ("soft_shrink", (1.25,)),
    ("threshold", (0.3, -20.0)),
    ("threshold", (-1.5, 0.5)),
    ("sine", (30.0,)),
    ("sine", (0.5,)),
]
each_case = pytest.mark.parametrize(
    ("name", "parameters"), CASES, ids=[f"{name}{given}" for name, given in CASES]
)
# exp(βx) turns the rounding of βx = 600 into the first.
RELATIVE, SEVERAL_UNITS = 2e-13, 1e-15


@cache
def sample(name: str, parameters: tuple[float, ...]) -> Any:
    """Numbers up to ±30, away from every kink."""
    rng = np.random.default_rng(0)
    size = np.concatenate([rng.uniform(0, 30, 40), 10.0 ** rng.uniform(-6, 1, 20)])
    x = np.concatenate([size, -size])
    for kink in te.ACTIVATIONS[name].kinks:
        x = x[np.abs(kink(x, *parameters) if callable(kink) else x - kink) > 1e-2]
    return x


@cache
def exact(name: str, parameters: tuple[float, ...]) -> tuple[Any, list[Any]]:
    """True values, and the derivatives in x and each parameter, by differences in 50 digits."""
    f, values, slopes = DEFINITIONS[name], [], []
    with mp.workdps(DIGITS):
        rest = [mp.mpf(parameter) for parameter in parameters]
        for number in sample(name, parameters):
            at = (mp.mpf(number), *rest)
            values.append(float(f(*at)))
            orders = np.eye(len(at), dtype=int).tolist()
            slopes.append([float(mp.diff(f, at, tuple(order))) for order in orders])
    return np.array(values), list(np.array(slopes).T)


def check(name: str, function: Function, parameters: tuple[float, ...]) -> None:
    """Assert that values and all derivatives are right, and that nothing warns."""
    x = sample(name, parameters)
    wanted, slopes = exact(name, parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # A parameter for each x, so that each gets a gradient of its own.
        inputs = [Value(x), *(Value(np.full(x.shape, p)) for p in parameters)]
        out = function(*inputs)
        plain = function(x, *parameters)
        gradients = te.grad(out, inputs, gradient=np.ones(x.shape))
    for got, want in ((out.data, wanted), (plain, wanted), *zip(gradients, slopes, strict=True)):
        # A sine is as wrong as its argument is rounded, also where it crosses 0.
        share = RELATIVE if name == "sine" else SEVERAL_UNITS
        np.testing.assert_allclose(got, want, rtol=RELATIVE, atol=share * np.abs(want).max())


def test_every_parameter_is_tried_away_from_its_default() -> None:
    curves = {
        name: op.arguments[1:] for name, op in te.ACTIVATIONS.items() if len(op.arguments) > 1
    }
    assert set(curves) == set(DEFINITIONS) == {name for name, _ in CASES}
    for name, given in CASES:
        defaults = [te.ACTIVATIONS[name].defaults[parameter] for parameter in curves[name]]
        assert len(given) == len(defaults)
        assert all(one != default for one, default in zip(given, defaults, strict=True))


@each_case
def test_values_and_gradients_with_other_parameters(
    name: str, parameters: tuple[float, ...]
) -> None:
    check(name, te.ACTIVATIONS[name], parameters)


WRONG: list[tuple[str, Function]] = [
    ("swish", lambda x, beta: te.activations.silu(beta * x)),
    ("swish", lambda x, beta: te.activations.swish(x, 0.25)),
    ("softplus", lambda x, beta: te.activations.softplus(beta * x)),
    ("softplus", lambda x, beta: np.log1p(np.exp(beta * x)) / beta * (1 + 1e-12)),
    ("elu", lambda x, alpha: te.activations.celu(x, alpha)),
    ("celu", lambda x, alpha: te.activations.elu(x, alpha)),
    ("prelu", lambda x, alpha: np.where(x > 0, x, (alpha + 1e-9) * x)),
    ("hard_sigmoid", lambda x, slope: np.clip(slope * (x + 1), 0, 1)),
    ("hard_tanh", lambda x, low, high: te.activations.hard_tanh(x, low, high - 1e-9)),
    ("soft_shrink", lambda x, lambd: te.activations.hard_shrink(x, lambd)),
    ("threshold", lambda x, threshold, value: te.activations.threshold(x, threshold)),
    ("sine", lambda x, omega: omega * np.sin(x)),
]


@pytest.mark.parametrize(("name", "wrong"), WRONG)
def test_the_check_rejects_wrong_parameters(name: str, wrong: Function) -> None:
    parameters = next(given for case, given in CASES if case == name)
    with pytest.raises((AssertionError, RuntimeWarning)):
        check(name, wrong, parameters)


def test_pytorchs_hard_sigmoid_is_the_slope_of_a_sixth() -> None:
    x = np.linspace(-5, 5, 1001)
    hard_sigmoid = te.activations.hard_sigmoid
    got = hard_sigmoid(x, slope=1 / 6)
    np.testing.assert_allclose(got, np.clip(x / 6 + 1 / 2, 0, 1), rtol=0, atol=2e-16)
    slopes = te.grad(lambda x: np.sum(hard_sigmoid(x, slope=1 / 6)))(x)
    assert set(slopes[np.abs(x) < 3]) == {1 / 6}
    assert not np.any(slopes[np.abs(x) > 3.001])


def test_a_learned_parameter_gets_the_gradient_of_all_it_touches() -> None:
    x, incoming = np.random.default_rng(0).normal(size=(2, 5, 3))
    each = np.where(x > 0, 0, x) * incoming
    whole, channels = Value(0.25), Value(np.array([0.1, 0.2, 0.3]))
    te.activations.prelu(x, alpha=whole).backward(incoming)
    np.testing.assert_allclose(whole.grad, each.sum(), rtol=1e-14)
    te.activations.prelu(x, channels).backward(incoming)
    np.testing.assert_allclose(channels.grad, each.sum(axis=0), rtol=1e-14)
    assert channels.grad.shape == (3,)


@pytest.mark.parametrize(
    ("name", "start", "wanted"),
    [("prelu", 0.25, 0.6), ("swish", 1.0, 1.5), ("softplus", 1.0, 1.2), ("celu", 1.0, 0.5)],
)
def test_gradient_descent_finds_a_parameter(name: str, start: float, wanted: float) -> None:
    op: Any = te.ACTIVATIONS[name]
    x = np.linspace(-3, 3, 25)
    parameter = Value(start)
    target = op(x, wanted)
    for _ in range(500):
        (slope,) = te.grad(te.nn.losses.mse(op(x, parameter), target), parameter)
        parameter = Value(parameter.data - 0.5 * slope)
    assert parameter.item() == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize(("name", "same"), [("swish", "silu"), ("leaky_relu", "prelu")])
def test_a_parameter_makes_one_activation_another(name: str, same: str) -> None:
    x = np.linspace(-20, 20, 101)
    one = te.ACTIVATIONS[name](x, np.float64(te.ACTIVATIONS[same].defaults.get("alpha", 1.0)))
    np.testing.assert_allclose(one, te.ACTIVATIONS[same](x), rtol=4e-15)
