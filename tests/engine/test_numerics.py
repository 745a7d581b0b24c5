"""Ties, kinks, 0 · ∞, and how many units in the last place values and slopes are off.

The true values come from mpmath with 50 digits, by the textbook definitions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import tinygrad_edu as te

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value

mp.mp.dps = 50
LEAK = mp.mpf(0.01)  # the float64 number that the record holds
CUBIC = mp.mpf("0.044715")


Exact = Callable[[Any], Any]


def between(x: Any, low: Any, high: Any) -> Any:
    return min(max(x, mp.mpf(low)), mp.mpf(high))


def logistic(x: Any) -> Any:
    # Beyond ±1e6 the result is far outside of float64 anyway, and exp costs millions of digits.
    return 1 / (1 + mp.exp(-between(x, -1e6, 1e6)))


def logistic_slope(x: Any) -> Any:
    return logistic(x) * logistic(-x)


def twice_inner(x: Any) -> Any:
    """2u of the tanh form of GELU; (1 + tanh u)/2 = σ(2u) holds its digits in the tail."""
    return 2 * mp.sqrt(2 / mp.pi) * (x + CUBIC * x**3)


def gelu_slope(x: Any) -> Any:
    inner_slope = 2 * mp.sqrt(2 / mp.pi) * (1 + 3 * CUBIC * x**2)
    return logistic(twice_inner(x)) + x * logistic_slope(twice_inner(x)) * inner_slope


def softplus(x: Any) -> Any:
    return max(x, mp.mpf(0)) + mp.log1p(mp.exp(-min(abs(x), mp.mpf(1e6))))


def mish_slope(x: Any) -> Any:
    return mp.tanh(softplus(x)) + x * mp.sech(softplus(x)) ** 2 * logistic(x)


TEXTBOOK: dict[str, tuple[Exact, Exact]] = {
    "linear": (lambda x: x, lambda x: 1),
    "sigmoid": (logistic, logistic_slope),
    "relu": (lambda x: max(x, mp.mpf(0)), lambda x: int(x > 0)),
    "tanh": (mp.tanh, lambda x: mp.sech(between(x, -1e6, 1e6)) ** 2),
    "leaky_relu": (lambda x: x if x > 0 else LEAK * x, lambda x: 1 if x > 0 else LEAK),
    "elu": (
        lambda x: x if x > 0 else mp.expm1(max(x, mp.mpf(-1e6))),
        lambda x: 1 if x > 0 else mp.exp(max(x, mp.mpf(-1e6))),
    ),
    "swish": (lambda x: x * logistic(x), lambda x: logistic(x) + x * logistic_slope(x)),
    "hard_sigmoid": (lambda x: between((x + 1) / 2, 0, 1), lambda x: int(abs(x) < 1) / mp.mpf(2)),
    "gelu": (lambda x: x * logistic(twice_inner(x)), gelu_slope),
    "softplus": (softplus, logistic),
    "leaky_gelu": (lambda x: x * logistic(twice_inner(x)), gelu_slope),
    "hard_swish": (
        lambda x: x * between((x + 3) / 6, 0, 1),
        lambda x: (2 * x + 3) / 6 if abs(x) < 3 else int(x > 0),
    ),
    "mish": (lambda x: x * mp.tanh(softplus(x)), mish_slope),
    "arctan": (mp.atan, lambda x: 1 / (1 + x * x)),
    "sigmoid_linear": (lambda x: between(x, 0, 1), lambda x: int(0 < x < 1)),
}
# Everyday, small, saturated and huge numbers of both signs; off every corner.
INPUTS = np.array(
    [s * a for a in (1e-300, 1e-8, 9.0, 13.0, 19.0, 20.5, 36.5, 40.0, 88.0) for s in (1, -1)]
    + [s * a for a in (300.0, 709.0, 740.0, 746.0, 1000.0, 1e5, 1e300) for s in (1, -1)]
)
INPUTS = np.concatenate([INPUTS, np.random.default_rng(0).uniform(-8, 8, 100)])
INPUTS = np.concatenate([INPUTS, np.random.default_rng(1).uniform(-40, 40, 60)])
# Beyond ±3 a slope below this part of max|f′| is a tail, and held to its own size.
SLOPE_SCALE, TAIL = 1e-3, 3.0


def exact(name: str, points: Any) -> tuple[Any, Any]:
    """Values and slopes at `points`, each rounded once."""
    values, slopes = (
        np.array([float(f(mp.mpf(float(point)))) for point in points]) for f in TEXTBOOK[name]
    )
    return values, slopes


def units_off(got: Any, wanted: Any, scale: Any) -> Any:
    """|got − wanted| in units in the last place of `scale`."""
    with np.errstate(over="ignore"):
        return np.abs(got - wanted) / np.spacing(np.abs(scale))


@pytest.mark.parametrize("name", TEXTBOOK)
def test_activations_are_right_in_the_last_places(name: str) -> None:
    """Values: 4 ulp. Slopes: 4 ulp of max|f′|, and in the tails 16 ulp of themselves."""
    values, slopes = exact(name, INPUTS)
    x = Value(INPUTS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = te.ACTIVATIONS[name](x)
        y.backward(np.ones(INPUTS.shape))
    largest = np.abs(slopes).max()
    tail = (np.abs(slopes) < SLOPE_SCALE * largest) & (np.abs(INPUTS) > TAIL)
    off = units_off(y.data, values, values)
    worst = int(np.argmax(off))
    assert off[worst] <= 4, (INPUTS[worst], y.data[worst], values[worst])
    off = units_off(x.grad, slopes, np.where(tail, slopes, largest)) / np.where(tail, 4, 1)
    worst = int(np.argmax(off))
    assert off[worst] <= 4, (INPUTS[worst], x.grad[worst], slopes[worst])


def test_the_slope_of_hard_swish_keeps_its_digits_where_it_crosses_zero() -> None:
    for x in (-1.4960937, -1.5000001, -1.49999):
        wanted = float((2 * mp.mpf(x) + 3) / 6)
        assert te.grad(te.activations.hard_swish)(x) == pytest.approx(
            wanted, rel=16 * 2.0**-53, abs=0
        )


@pytest.mark.parametrize("name", TEXTBOOK)
def test_activations_of_float32_are_right_and_warn_of_nothing(name: str) -> None:
    points = INPUTS[np.abs(INPUTS) > 1e-30]
    x = Value(np.clip(points, -3e38, 3e38).astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = te.ACTIVATIONS[name](x)
        y.backward(np.ones(points.shape))
    values, slopes = exact(name, x.data)
    tiny = float(np.finfo(np.float32).smallest_normal)
    assert y.data == pytest.approx(values, rel=1e-6, abs=4 * tiny)
    assert x.grad == pytest.approx(slopes, rel=0, abs=1e-6 * float(np.abs(slopes).max()))


ELEMENTARY: dict[str, tuple[Exact, Exact, list[float]]] = {
    "exp": (mp.exp, mp.exp, [-744.5, -50.0, -1e-20, 0.3, 700.0]),
    "expm1": (mp.expm1, mp.exp, [-50.0, -1.0, -1e-20, 1e-20, 1e-5, 3.0, 700.0]),
    "log": (mp.log, lambda x: 1 / x, [1e-300, 0.5, 1.0000001, 7.0, 1e300]),
    "log1p": (mp.log1p, lambda x: 1 / (1 + x), [-0.999, -1e-9, 1e-20, 1e-5, 3.0, 1e300]),
    "sqrt": (mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), [1e-300, 0.3, 2.0, 1e300]),
    "square": (lambda x: x * x, lambda x: 2 * x, [-1e150, -1e-150, 0.3, 1e150]),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2, [-1e150, 1e-150, 0.7]),
    "sin": (mp.sin, mp.cos, [-3.0, 1e-20, 0.5, 100.0]),
    "cos": (mp.cos, lambda x: -mp.sin(x), [-3.0, 1e-20, 0.5, 100.0]),
    "arctan": (mp.atan, lambda x: 1 / (1 + x * x), [-1e150, -2.0, 1e-20, 0.5, 1e150]),
    "sinh": (mp.sinh, mp.cosh, [-700.0, -1.0, 1e-20, 0.5, 700.0]),
    "cosh": (mp.cosh, mp.sinh, [-700.0, -1.0, 1e-20, 0.5, 700.0]),
    "tanh": (mp.tanh, lambda x: mp.sech(x) ** 2, [-350.0, -19.0, -1e-20, 0.5, 10.0, 19.0, 350.0]),
    "negative": (lambda x: -x, lambda x: mp.mpf(-1), [-1e308, 0.5]),
    "absolute": (abs, mp.sign, [-1e308, -0.5, 0.5]),
}


@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_functions_are_right_in_the_last_places(name: str) -> None:
    f, slope, points = ELEMENTARY[name]
    x = Value(np.array(points))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = te.OPERATIONS[name](x)
        y.backward(np.ones(len(points)))
    for got, rule in ((y.data, f), (x.grad, slope)):
        with mp.workdps(400):
            wanted = np.array([float(rule(mp.mpf(point))) for point in points])
        off = units_off(got, wanted, wanted)
        assert off.max() <= 4, (points[int(off.argmax())], off.max())


def test_softmax_of_huge_logits() -> None:
    logits = [[1e4, 0.0, -1e4], [1e308, 1e308, 0.0], [-1e4, -1e4 - 1.0, -1e308]]
    x = Value(logits)
    weights = np.array([1.0, -2.0, 3.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = te.activations.softmax(x)
        np.sum(y * weights).backward()
    e = np.exp(-1.0)
    wanted = np.array([[1, 0, 0], [0.5, 0.5, 0], [1 / (1 + e), e / (1 + e), 0]])
    assert y.data == pytest.approx(wanted, rel=1e-15)
    slopes = wanted * (weights - np.sum(wanted * weights, axis=1, keepdims=True))
    assert x.grad == pytest.approx(slopes, rel=1e-14)


class TestTies:
    def test_maximum_and_minimum_share(self) -> None:
        for function in (np.maximum, np.minimum):
            a, b = Value([1.0, 2.0, 3.0]), Value(2.0)
            np.sum(function(a, b)).backward()
            assert a.grad[1] == 0.5
            assert b.grad == 1.5
            assert np.sum(a.grad) + b.grad == 3.0
            same = Value(3.0)
            function(same, same).backward()
            assert same.grad == 1.0

    def test_max_and_min_share(self) -> None:
        for reduce in (np.max, np.min, np.amax, np.amin):
            x = Value([2.0, 2.0, 2.0, 2.0])
            reduce(x).backward()
            assert x.grad.tolist() == [0.25] * 4
        x = Value([[2.0, 2.0], [1.0, 5.0]])
        np.sum(np.max(x, axis=1) * np.array([10.0, 1.0])).backward()
        assert x.grad.tolist() == [[5.0, 5.0], [0.0, 1.0]]
        x = Value([[2.0, 2.0], [1.0, 2.0]])
        x.max(keepdims=True).sum().backward()
        assert x.grad == pytest.approx(np.array([[1, 1], [0, 1]]) / 3)
        x = Value([np.inf, np.inf, 0.0])
        np.max(x).backward()
        assert x.grad.tolist() == [0.5, 0.5, 0.0]

    def test_clip_passes_1_at_its_bounds(self) -> None:
        x = Value([-2.0, -1.0, 0.0, 1.0, 2.0])
        np.sum(np.clip(x, -1, 1)).backward()
        assert x.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]
        low, high = Value(-1.0), Value(1.0)
        x = Value([-2.0, 0.0, 2.0, 3.0])
        np.sum(np.clip(x, low, high)).backward()
        assert (low.grad, high.grad) == (1.0, 2.0)
        assert x.grad.tolist() == [0.0, 1.0, 0.0, 0.0]

    def test_kinks_have_documented_slopes(self) -> None:
        assert te.grad(abs)(0.0) == 0.0
        assert te.grad(np.sign)(0.0) == 0.0
        assert te.grad(te.activations.relu)(0.0) == 0.0
        assert te.grad(lambda x: np.maximum(0, x))(0.0) == 0.5
        assert te.grad(te.activations.leaky_relu)(0.0) == 0.01


class TestZeroTimesInfinity:
    """A branch that was not taken annihilates what follows, whatever it holds."""

    @pytest.fixture(autouse=True)
    def _quiet(self) -> Any:
        with np.errstate(all="ignore"):
            yield

    def test_where(self) -> None:
        x = Value([-1.0, 4.0])
        np.sum(np.where(x > 0, np.sqrt(x), x)).backward()
        assert x.grad.tolist() == [1.0, 0.25]
        x = Value([-1.0, 0.0, 4.0])
        np.sum(np.where(x > 0, np.log(x), 0.0)).backward()
        assert x.grad.tolist() == [0.0, 0.0, 0.25]
        assert te.grad(lambda x: np.where(x < 15, x, np.exp(np.exp(x))))(10.0) == 1.0
        scalar = te.grad(lambda x: np.where(x > 0, np.sqrt(x), x))
        assert scalar(-1.0) == 1.0

    def test_a_mask_that_multiplies(self) -> None:
        x = Value([-1.0, 4.0])
        root = np.where(x > 0, np.sqrt(x), 0.0)
        np.sum((x > 0) * root).backward()
        assert x.grad.tolist() == [0.0, 0.25]

    def test_clip_and_relu_before_a_root(self) -> None:
        cuts: list[Any] = [te.activations.relu, lambda x: np.clip(x, 0, None)]
        for cut in cuts:
            x = Value([-1.0, 4.0])
            np.sum(np.sqrt(cut(x))).backward()
            assert x.grad.tolist() == [0.0, 0.25]

    def test_maximum_before_a_root(self) -> None:
        x = Value([-1.0, 4.0])
        np.sum(np.sqrt(np.maximum(x, 0.0))).backward()
        assert x.grad.tolist() == [0.0, 0.25]

    def test_a_step_before_a_root(self) -> None:
        """sign has derivative 0 everywhere: an infinite gradient does not change that."""
        x = Value([-1.0, 4.0])
        np.sum(np.sqrt(np.sign(x) + 1)).backward()
        assert x.grad.tolist() == [0.0, 0.0]

    def test_exactly_zero_incoming(self) -> None:
        x = Value([0.0, 4.0])
        np.sum(np.sqrt(x) * np.array([0.0, 1.0])).backward()
        assert x.grad.tolist() == [0.0, 0.25]
        assert te.grad(lambda x: np.sqrt(x) * np.sqrt(x))(0.0) == 0.0  # the documented price

    def test_true_infinities_and_nans_stay(self) -> None:
        assert te.grad(np.sqrt)(0.0) == np.inf
        assert te.grad(lambda x: 1 / x)(0.0) == -np.inf
        assert te.grad(lambda x: np.sum(x * x))(np.array([1.0, np.nan, 3.0]))[1] != 0.0
        x = Value([1.0, np.nan, 3.0])
        np.sum(x * x).backward()
        assert x.grad[[0, 2]].tolist() == [2.0, 6.0]
        assert np.isnan(x.grad[1])
        x = Value([1e308, 1e308])
        np.sum(x * x).backward(np.inf)
        assert x.grad.tolist() == [np.inf, np.inf]

    def test_large_finite_products_are_left_alone(self) -> None:
        """Their sum of squares overflows; they do not."""
        x = Value([1e200, -1e250, 0.0])
        np.sum(x * x * 0.5).backward()
        assert x.grad.tolist() == [1e200, -1e250, 0.0]


def test_backward_passes_warn_of_nothing() -> None:
    """An infinite or undefined slope is told by its value: NumPy's warnings are for forwards."""
    with np.errstate(all="ignore"):
        x, z = Value([0.0, -1.0, 4.0]), Value([0.0, 1e-320])
        y: Any = np.sum(np.where(x > 0, np.sqrt(x), x)) + np.sum(np.log(z)) + np.sum(z**-2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y.backward()
        te.grad(y, [x, z])
        te.grad(y, [x, z], create_graph=True)
        te.hessian(np.sqrt)(0.0)
        te.jvp(np.sqrt, (0.0,), (1.0,))
        te.vjp(np.sqrt, 0.0)[1](1.0)
    assert np.isfinite(x.grad).all()
    assert not np.isfinite(z.grad).any()
