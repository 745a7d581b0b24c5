"""The numbers on cards are the true ones: limits, gains, χ₁, Lipschitz constants, corners."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from math import atanh, erf, exp, inf, log, pi, sqrt
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import tinygrad_edu as te
from tests.activations.truth import DIGITS, FORMS, TRUTH
from tests.finite_differences import derivative
from tinygrad_edu.activations import facts as computed
from tinygrad_edu.activations.facts import Corner, Facts
from tinygrad_edu.engine.operation import Elementwise, Operation

# Cards tell of the defaults.
CURVES = [name for name in FORMS if name in te.ACTIVATIONS]
each_curve = pytest.mark.parametrize("name", CURVES)


@cache
def facts(name: str) -> Facts:
    return computed.facts(te.ACTIVATIONS[name])


@cache
def corners(name: str) -> tuple[Corner, ...]:
    return computed.corners(te.ACTIVATIONS[name])


def test_what_a_curve_is() -> None:
    assert set(CURVES) == {n for n, op in te.ACTIVATIONS.items() if isinstance(op, Elementwise)}
    assert all(computed.curve(te.ACTIVATIONS[name]) for name in CURVES)
    for name in ("softmax", "glu"):
        assert not computed.curve(te.ACTIVATIONS[name])
    assert not computed.curve(te.OPERATIONS["add"])  # of two numbers
    assert not computed.curve(te.OPERATIONS["sum"])
    assert computed.curve(te.OPERATIONS["exp"])


# Means over N(0, 1), with the true functions


def gaussian_nodes() -> tuple[Any, Any]:
    """Points and weights for E[f(ζ)], with a border at every corner."""
    borders = [-14, -9, -6, -4, -3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 4, 6, 9, 14]
    inner, weights = np.polynomial.legendre.leggauss(30)
    points, parts = [], []
    for low, high in pairwise(borders):
        x = (low + high) / 2 + (high - low) / 2 * inner
        points.append(x)
        parts.append((high - low) / 2 * weights * np.exp(-(x**2) / 2) / np.sqrt(2 * pi))
    return np.concatenate(points), np.concatenate(parts)


@each_curve
def test_mean_gain_and_chi_are_those_of_the_true_function(name: str) -> None:
    x, weights = gaussian_nodes()
    with mp.workdps(20):
        values = np.array([float(TRUTH[name].value(mp.mpf(one))) for one in x])
        slopes = np.array([float(TRUTH[name].slope(mp.mpf(one))) for one in x])
    found = facts(name)
    assert found.mean == pytest.approx(weights @ values, rel=1e-12, abs=1e-12)
    assert found.gain == pytest.approx(1 / sqrt(weights @ values**2), rel=1e-12)
    assert found.chi == pytest.approx(weights @ slopes**2, rel=1e-12)


def cdf(x: float) -> float:
    return (1 + erf(x / sqrt(2))) / 2


def pdf(x: float) -> float:
    return exp(-x * x / 2) / sqrt(2 * pi)


# E[φ], E[φ²] and E[φ′²] in closed form.
CLOSED: dict[str, tuple[float, float, float]] = {
    "linear": (0, 1, 1),
    "relu": (1 / sqrt(2 * pi), 1 / 2, 1 / 2),
    "squared_relu": (1 / 2, 3 / 2, 2),
    "leaky_relu": (0.99 / sqrt(2 * pi), (1 + 1e-4) / 2, (1 + 1e-4) / 2),
    "prelu": (0.75 / sqrt(2 * pi), (1 + 1 / 16) / 2, (1 + 1 / 16) / 2),
    "step": (1 / 2, 1 / 2, 1),  # the stand-in's
    "sine": (0, (1 - exp(-2)) / 2, (1 + exp(-2)) / 2),
    "threshold": (pdf(1), 1 - cdf(1) + pdf(1), 1 - cdf(1)),
    "hard_tanh": (0, 2 * cdf(1) - 1 - 2 * pdf(1) + 2 * (1 - cdf(1)), 2 * cdf(1) - 1),
    "hard_shrink": (0, 2 * (1 - cdf(0.5) + 0.5 * pdf(0.5)), 2 * (1 - cdf(0.5))),
    "soft_shrink": (0, 2 * (1.25 * (1 - cdf(0.5)) - 0.5 * pdf(0.5)), 2 * (1 - cdf(0.5))),
    # E[exp(ζ); ζ < 0] = √e Φ(−1), and so on.
    "elu": (
        pdf(0) + sqrt(exp(1)) * cdf(-1) - 1 / 2,
        1 / 2 + exp(2) * cdf(-2) - 2 * sqrt(exp(1)) * cdf(-1) + 1 / 2,
        1 / 2 + exp(2) * cdf(-2),
    ),
    # The fixed point that the paper's constants are made for.
    "selu": (0, 1, 1.0507009873554805**2 * (1 / 2 + 1.6732632423543772**2 * exp(2) * cdf(-2))),
}


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms(name: str) -> None:
    mean, second, chi = CLOSED[name]
    found = facts(name)
    assert found.mean == pytest.approx(mean, rel=1e-12, abs=1e-12)
    assert found.gain == pytest.approx(1 / sqrt(second), rel=1e-12)
    assert found.chi == pytest.approx(chi, rel=1e-12)


@pytest.mark.parametrize("name", ["sigmoid", "hard_sigmoid"])
def test_what_is_odd_about_a_half_has_the_mean_a_half(name: str) -> None:
    assert facts(name).mean == pytest.approx(0.5, rel=1e-14)


def test_a_mean_that_only_rounding_keeps_from_0_is_0() -> None:
    odd = {"linear", "tanh", "arctan", "hard_tanh", "hard_shrink", "soft_shrink", "tanh_shrink"}
    odd |= {"softsign", "sine", "selu"}
    assert {name for name in CURVES if facts(name).mean == 0} == odd


def test_means_with_another_variance_and_with_breaks() -> None:
    mean = computed.gaussian_mean
    assert mean(lambda x: x**2, [], variance=9.0) == pytest.approx(9, rel=1e-13)
    assert mean(lambda x: x**4, [], variance=0.25) == pytest.approx(3 / 16, rel=1e-13)
    assert mean(lambda x: x > 0.3, [0.3]) == pytest.approx(1 - cdf(0.3), rel=1e-13)
    assert mean(lambda x: x > 0.3, [0.3], variance=4.0) == pytest.approx(1 - cdf(0.15), rel=1e-13)
    assert mean(lambda x: 1.0 + 0 * x, [-100.0, 100.0]) == pytest.approx(1, rel=1e-13)


def test_pytorchs_gains() -> None:
    """torch.nn.init.calculate_gain, as its documentation lists them."""
    theirs = {
        "linear": 1,
        "sigmoid": 1,
        "tanh": 5 / 3,
        "relu": sqrt(2),
        "leaky_relu": sqrt(2 / (1 + 0.01**2)),
        "selu": 3 / 4,
    }
    assert {name: facts(name).torch_gain for name in CURVES if facts(name).torch_gain} == theirs


# Limits, monotonicity, steepness


@each_curve
def test_limits_are_the_true_ones(name: str) -> None:
    for got, wanted in zip(facts(name).limits, TRUTH[name].limits, strict=True):
        assert got == pytest.approx(wanted, rel=1e-15, abs=0, nan_ok=True)
        assert str(got) != "-0.0"


def test_what_is_monotone() -> None:
    falling_back = {"swish", "silu", "gelu", "leaky_gelu", "mish", "hard_swish", "sine"}
    assert {name for name in CURVES if not facts(name).monotone} == falling_back


def largest(name: str, near: float) -> float:
    """max f′ close to a point, to 50 digits: where f″ is 0."""
    with mp.workdps(DIGITS):
        slope = TRUTH[name].slope
        peak = mp.findroot(lambda x: mp.diff(slope, x), near)
        return float(slope(peak))


# max |f′|; 30 digits of some were computed from the definitions elsewhere.
LIPSCHITZ: dict[str, float] = {
    **dict.fromkeys(CURVES, 1.0),
    "sigmoid": 0.25,
    "hard_sigmoid": 0.5,
    "hard_swish": 1.5,
    "swish": 1.09983932012886691695818492432,
    "silu": 1.09983932012886691695818492432,
    "mish": 1.08849816125172786122829362739,
    "gelu": largest("gelu", 1.4),
    "leaky_gelu": largest("gelu", 1.4),
    "selu": 1.75809934084737685994021752081,
    "squared_relu": inf,
    # These jump.
    **dict.fromkeys(["hard_shrink", "threshold", "step"], inf),
}


@each_curve
def test_lipschitz_constants(name: str) -> None:
    # Just before its corner at 3 the slope of hard_swish is all but 1.5.
    assert facts(name).lipschitz == pytest.approx(LIPSCHITZ[name], rel=1e-8)
    if name == "gelu":
        assert LIPSCHITZ[name] == pytest.approx(1.129, abs=1e-3)


def test_the_true_peaks_agree_with_their_digits() -> None:
    assert largest("silu", 2.4) == pytest.approx(LIPSCHITZ["silu"], rel=1e-15)
    assert largest("mish", 1.5) == pytest.approx(LIPSCHITZ["mish"], rel=1e-15)
    assert largest("gelu approximate=none", 1.4) == pytest.approx(
        1.12890414518515478634074444226, rel=1e-15
    )


# Saturation


FLAT = atanh(sqrt(0.95))  # tanh′ is 1/20 there
SATURATED: dict[str, tuple[tuple[float, float], ...] | None] = {
    "linear": (),
    "prelu": (),
    "sigmoid": ((-inf, -2 * FLAT), (2 * FLAT, inf)),
    "tanh": ((-inf, -FLAT), (FLAT, inf)),
    "arctan": ((-inf, -sqrt(19)), (sqrt(19), inf)),
    "softsign": ((-inf, 1 - sqrt(20)), (sqrt(20) - 1, inf)),
    "softplus": ((-inf, -log(19)),),
    "log_sigmoid": ((log(19), inf),),
    "elu": ((-inf, -log(20)),),
    "celu": ((-inf, -log(20)),),
    "selu": ((-inf, -log(20)),),
    "relu": ((-inf, 0),),
    "leaky_relu": ((-inf, 0),),
    "relu6": ((-inf, 0), (6, inf)),
    "hard_sigmoid": ((-inf, -1), (1, inf)),
    "hard_tanh": ((-inf, -1), (1, inf)),
    "sigmoid_linear": ((-inf, 0), (1, inf)),
    "hard_shrink": ((-0.5, 0.5),),
    "soft_shrink": ((-0.5, 0.5),),
    "threshold": ((-inf, 1),),
    "hard_swish": ((-inf, -3), (-1.5 - 0.225, -1.5 + 0.225)),
    "tanh_shrink": ((-atanh(sqrt(0.05)), atanh(sqrt(0.05))),),
    "squared_relu": None,
    "step": (),
}


@pytest.mark.parametrize("name", SATURATED)
def test_saturation_in_closed_form(name: str) -> None:
    got, wanted = facts(name).saturated, SATURATED[name]
    if wanted is None:
        assert got is None
        return
    assert got is not None
    assert len(got) == len(wanted)
    for pair, true in zip(got, wanted, strict=True):
        assert pair == pytest.approx(true, rel=1e-9, abs=1e-9)


@each_curve
def test_intervals_are_saturated_and_nothing_else_is(name: str) -> None:
    """|f′| < 5 % of its maximum inside, and not outside, all along the axis."""
    got = facts(name).saturated
    if got is None:
        return
    steepest = 1.0 if name in {"hard_shrink", "threshold", "step"} else LIPSCHITZ[name]
    x = np.concatenate([np.random.default_rng(0).uniform(-30, 30, 300), np.linspace(-3, 3, 121)])
    ends = np.array([end for pair in got for end in pair if np.isfinite(end)])
    with mp.workdps(20):
        flat = np.array([abs(TRUTH[name].slope(mp.mpf(one))) < 0.05 * steepest for one in x])
        edges = [float(abs(TRUTH[name].slope(mp.mpf(end)))) for end in ends]
    inside = np.any([(low < x) & (x < high) for low, high in got], axis=0) if got else flat & False
    apart = np.min(np.abs(x[:, None] - ends), axis=1, initial=1) > 1e-6
    np.testing.assert_array_equal(inside[apart], flat[apart])
    # A smooth slope is 5 % of the largest at the ends.
    if not corners(name):
        np.testing.assert_allclose(edges, 0.05 * steepest, rtol=1e-8)


def test_a_wave_is_flat_again_and_again() -> None:
    got = facts("sine").saturated
    assert got is not None
    half = np.arcsin(0.05)
    middles = pi / 2 + pi * np.arange(-10, 10)
    np.testing.assert_allclose(got, np.stack([middles - half, middles + half], axis=1), atol=1e-9)


# Corners


# x, f′ on the left, on the right, and as the rule has it; or where f jumps f on both sides.
CORNERS: dict[str, list[tuple[float, float, float, float]]] = {
    "relu": [(0, 0, 1, 0)],
    "leaky_relu": [(0, 0.01, 1, 0.01)],
    "prelu": [(0, 0.25, 1, 0.25)],
    "selu": [(0, 1.7580993408473768, 1.0507009873554805, 1.7580993408473768)],
    "relu6": [(0, 0, 1, 0), (6, 1, 0, 0)],
    "hard_sigmoid": [(-1, 0, 0.5, 0.5), (1, 0.5, 0, 0.5)],
    "hard_tanh": [(-1, 0, 1, 1), (1, 1, 0, 1)],
    "sigmoid_linear": [(0, 0, 1, 1), (1, 1, 0, 1)],
    "hard_swish": [(-3, 0, -0.5, 0), (3, 1.5, 1, 1)],
    "soft_shrink": [(-0.5, 1, 0, 0), (0.5, 0, 1, 0)],
}
JUMPS: dict[str, list[tuple[float, float, float, float]]] = {
    "hard_shrink": [(-0.5, -0.5, 0, 0), (0.5, 0, 0.5, 0)],
    "threshold": [(1, 0, 1, 0)],
    "step": [(0, 0, 1, 1)],
}


@each_curve
def test_corners_are_where_they_are_said_to_be(name: str) -> None:
    bends = [each for each in corners(name) if not each.smooth]
    got = [(each.x, *(each.values if each.jump else each.slopes), each.chosen) for each in bends]
    assert [each.jump for each in bends] == [name in JUMPS] * len(bends)
    wanted = CORNERS.get(name) or JUMPS.get(name) or []
    assert len(got) == len(wanted)
    np.testing.assert_allclose(np.ravel(got), np.ravel(wanted), rtol=1e-9, atol=1e-9)


@each_curve
def test_the_rule_lies_between_the_slopes_beside_a_kink(name: str) -> None:
    """By finite differences of the value, which know of no rule."""
    op: Operation = te.ACTIVATIONS[name]
    for each in corners(name):
        sides = [derivative(lambda x: op(np.float64(x)), each.x, 0.05, side) for side in (-1, 1)]
        low, high = sorted(float(side.value) for side in sides)
        for side, slope in zip(sides, each.slopes, strict=True):
            if not op.surrogate:
                assert slope == pytest.approx(float(side.value), abs=1e-7)
        if not (each.jump or op.surrogate):
            assert low - 1e-7 <= each.chosen <= high + 1e-7
        assert each.chosen == te.grad(op)(each.x)


@each_curve
def test_there_is_no_other_corner(name: str) -> None:
    """Two slopes very close to each other differ little, but at a declared kink."""
    op: Operation = te.ACTIVATIONS[name]
    at = np.arange(-20, 20, 1 / 32)
    before, after = (computed.slope(op, at + shift) for shift in (-1e-9, 1e-9))
    jumps = at[np.abs(after - before) > 1e-6]
    declared = [each.x for each in corners(name) if not each.smooth and name != "step"]
    np.testing.assert_array_equal(jumps, declared)


def test_smooth_kinks_are_no_corners() -> None:
    """A second derivative jumps there: f and f′ do not."""
    for name in ("softsign", "squared_relu", "celu", "elu"):
        assert [each.x for each in corners(name)] == [0]
        assert corners(name)[0].smooth


def test_kinks_that_depend_on_parameters_are_found() -> None:
    def shifted(x: Any, shift: float = 1 / 3) -> Any:
        return np.abs(x - shift) + np.abs(x + shift)

    op = Elementwise(
        name="shifted",
        forward=shifted,
        partials=(lambda out, x, shift: np.sign(x - shift) + np.sign(x + shift), 0),
        formula="{0}",
        domain=((-inf, inf),),
        kinks=(lambda x, shift: x - shift, lambda x, shift: x + shift),
    )
    found = computed.corners(op)
    np.testing.assert_allclose([each.x for each in found], [-1 / 3, 1 / 3], atol=1e-11)
    assert [each.chosen for each in found] == [-1, 1]
    np.testing.assert_allclose([each.slopes for each in found], [(-2, 0), (0, 2)], atol=1e-9)


# The cost


def test_the_cost_is_a_ratio_of_times() -> None:
    relu, mish = te.ACTIVATIONS["relu"], te.ACTIVATIONS["mish"]
    assert 0.3 < computed.cost(relu, relu, entries=100_000, repeats=15) < 3
    assert computed.cost(mish, relu, entries=100_000, repeats=5) > 1.5
