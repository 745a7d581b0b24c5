"""What is seen of a function: slopes and bars, noise, sides, jumps; against what was put in."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.check.functions import FUNCTIONS
from tinygrad_edu.check.noise import EPSILON, noise_of
from tinygrad_edu.check.slope import (
    Evidence,
    evidence,
    largest_step,
    sample_points,
)

SEEDS = 60


def seen(f: Callable[[float], float], x: float, noise: float = 0.0, seed: int = 0) -> Evidence:
    """The evidence on f at x, with normal noise that is the same for two calls at one point."""
    unit = largest_step(x)
    points = sample_points(unit)
    added = noise * np.random.default_rng(seed).standard_normal(len(points))
    added[1] = added[0]
    values = [f(x + t) + n for t, n in zip(points, added.tolist(), strict=True)]
    return evidence(values, unit, x)


# Where a function is looked at


@pytest.mark.parametrize("x", [0.0, 1e-9, 0.1, 1.0, -3.0, 1e5, 1e300, -1e-300])
def test_the_largest_step_is_a_power_of_two_next_to_a_tenth_of_the_number(x: float) -> None:
    unit = largest_step(x)
    assert math.frexp(unit)[0] == 0.5
    assert 1 / 16 <= unit / max(abs(x), 0.1) <= 1 / 8


def test_one_derivative_costs_at_most_150_evaluations() -> None:
    for unit in (2.0**-7, 0.25, 2.0**30):
        points = sample_points(unit)
        assert len(points) <= 150
        assert points[:2] == [0.0, 0.0]  # twice, for functions that are not deterministic
        assert max(map(abs, points)) == unit
        steps = {point for point in points if math.frexp(point)[0] in (-0.5, 0.5)}
        assert steps == {-step for step in steps}
        assert len(steps) >= 50


@given(st.floats(-1e6, 1e6))
def test_adding_a_step_rounds_by_no_more_than_the_number_itself(x: float) -> None:
    for point in sample_points(largest_step(x)):
        moved = (x + point) - x
        assert abs(moved - point) <= EPSILON * max(abs(x), abs(point))


# Slopes and their bars


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bars_hold_the_true_slope_and_those_of_the_sides_do(name: str) -> None:
    function = FUNCTIONS[name]
    rng = np.random.default_rng(8)
    for _ in range(10):
        x = function.point(rng, least=1e-2, most=20.0)
        true = function.true_slope(x)
        found = seen(function, x)
        for estimate in (found.both, found.left, found.right):
            room = estimate.bar + 1e-15 * abs(true)
            assert abs(estimate.slope - true) <= room, (x, true, estimate)
            assert estimate.low <= estimate.slope <= estimate.high


@pytest.mark.parametrize("amplitude", [1e-15, 1e-12, 1e-9, 1e-6, 1e-3])
def test_bars_hold_the_true_slope_under_noise(amplitude: float) -> None:
    missed = 0
    for seed in range(SEEDS):
        found = seen(math.sin, 1.0, amplitude, seed)
        for estimate in (found.both, found.left, found.right):
            missed += abs(estimate.slope - math.cos(1.0)) > estimate.bar
    assert missed <= 0.01 * 3 * SEEDS


@pytest.mark.parametrize("amplitude", [1e-12, 1e-9, 1e-6])
def test_the_noise_is_measured_within_a_small_factor(amplitude: float) -> None:
    shares = [seen(math.sin, 1.0, amplitude, seed).noise / amplitude for seed in range(SEEDS)]
    assert min(shares) >= 0.2
    assert max(shares) <= 20
    assert 1 <= np.median(shares) <= 9


def test_bars_grow_with_the_noise_and_not_far_beyond_it() -> None:
    for amplitude in (1e-12, 1e-9, 1e-6):
        bars = [seen(math.sin, 1.0, amplitude, seed).both.bar for seed in range(SEEDS)]
        # With noise s the best that steps of up to 1/8 allow is about s / (1/8).
        assert 8 * amplitude < np.median(bars) < 3000 * amplitude


def test_smooth_functions_have_no_noise_beyond_their_rounding() -> None:
    for x in (1e-3, 0.5, 1.0, 40.0):
        found = seen(lambda t: math.exp(-t), x)
        # The rounding of the value, and of the number of which it is the value.
        assert 0 < found.noise <= (20 + 4 * x) * EPSILON * math.exp(-x)
        assert not found.jumps
        assert found.scatter == 0.0


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=6), st.sampled_from([0.0, 0.5, -1.0, 12.0]))
def test_polynomials_have_the_slope_of_their_coefficients(
    coefficients: list[float], x: float
) -> None:
    p = np.polynomial.Polynomial(coefficients)
    found = seen(lambda t: float(p(t)), x)
    scale = float(sum(abs(c) * max(abs(x), 1) ** k for k, c in enumerate(coefficients)))
    slope = float(p.deriv()(x))
    room = 8 * len(coefficients) * EPSILON * scale  # the rounding in this slope
    assert abs(found.both.slope - slope) <= found.both.bar + room
    # Of what does not move at all the bar is that of rounding beside 1.
    still = found.nearby == 0 and found.both.bar <= 1e-12
    assert found.both.bar <= 1e-9 * scale or scale < 1e-290 or still


def test_a_constant_has_slope_zero_exactly() -> None:
    found = seen(lambda t: 3.0, 1.0)
    assert found.both.slope == found.left.slope == found.right.slope == 0.0
    assert found.nearby == 0.0
    assert found.both.bar < 1e-12
    zero = seen(lambda t: 0.0, 1.0)
    assert (zero.value, zero.both.slope) == (0.0, 0.0)


def test_how_steep_a_function_is_nearby_is_seen_at_a_place_of_slope_zero() -> None:
    assert seen(math.cos, 0.0).nearby == pytest.approx(largest_step(0.0) / 2, rel=1e-3)
    assert seen(lambda t: -4 * t, 1.0).nearby == pytest.approx(4.0)


def test_the_plain_differences_are_those_of_the_steps() -> None:
    found = seen(math.exp, 0.0)
    assert len(found.steps) == len(found.quotients) >= 20
    assert found.steps[0] == largest_step(0.0)
    for step, quotient in zip(found.steps, found.quotients, strict=True):
        assert step == found.steps[0] / 2 ** found.steps.index(step)
        # (e^h − e^−h) / 2h = sinh(h) / h, rounded by at most one unit of each value.
        assert quotient == pytest.approx(math.sinh(step) / step, abs=2 * EPSILON / step)


# The two sides


@pytest.mark.parametrize(("below", "above"), [(0.0, 1.0), (-1.0, 1.0), (2.0, -3.0), (0.01, 1.0)])
@pytest.mark.parametrize("x", [0.0, 1.0, -250.0])
def test_each_side_of_a_kink_has_its_own_slope(below: float, above: float, x: float) -> None:
    found = seen(lambda t: above * (t - x) if t > x else below * (t - x), x)
    for side, slope in ((found.left, below), (found.right, above)):
        assert abs(side.slope - slope) <= side.bar <= 1e-9


def test_curved_sides_are_extrapolated() -> None:
    found = seen(lambda t: math.exp(t) if t > 0 else math.cos(t) - 2 * t, 0.0)
    assert found.right.slope == pytest.approx(1.0, abs=1e-10)
    assert found.left.slope == pytest.approx(-2.0, abs=1e-10)


def test_where_one_side_is_not_defined_the_other_one_counts() -> None:
    found = seen(lambda t: t**2 if t >= 1 else math.nan, 1.0)
    assert found.left.bar == math.inf
    assert abs(found.right.slope - 2.0) <= found.right.bar <= 1e-10


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_function_that_is_nowhere_finite_has_no_slope(bad: float) -> None:
    found = seen(lambda t: bad, 1.0)
    assert [e.bar for e in (found.both, found.left, found.right)] == [math.inf] * 3


def test_large_steps_that_leave_the_domain_do_no_harm() -> None:
    found = seen(lambda t: math.log(t) if t > 0 else math.nan, 1e-4)
    assert abs(found.both.slope - 1e4) <= found.both.bar <= 1e-6


# Jumps, scatter


@pytest.mark.parametrize("x", [0.0, 1.0, -2.0])
def test_jumps_are_seen_at_their_place_only(x: float) -> None:
    jumping: list[Callable[[float], float]] = [
        lambda t: float(np.heaviside(t - x, 0.5)) + t,
        lambda t: float(math.floor(t)),
    ]
    for f in jumping:
        assert seen(f, x).jumps
        assert not seen(f, x + 0.3).jumps


def test_vertical_tangents_are_seen() -> None:
    assert seen(lambda t: math.sqrt(t) if t >= 0 else math.nan, 0.0).jumps
    assert seen(np.cbrt, 0.0).jumps
    assert seen(lambda t: math.copysign(math.sqrt(abs(t)), t), 0.0).jumps
    assert seen(lambda t: abs(t) ** 0.1, 0.0).jumps


def test_smooth_functions_do_not_jump() -> None:
    for name, function in FUNCTIONS.items():
        rng = np.random.default_rng(5)
        for _ in range(5):
            x = function.point(rng, least=1e-7, most=100.0)
            assert not seen(function, x).jumps, (name, x)


def test_two_calls_that_differ_are_scatter() -> None:
    unit = largest_step(1.0)
    values = [math.sin(1 + t) for t in sample_points(unit)]
    assert evidence(values, unit).scatter == 0.0
    values[1] += 0.25
    assert evidence(values, unit).scatter == pytest.approx(0.25)
    assert evidence(values, unit).noise >= 0.25


# The noise table by itself


def test_noise_is_read_off_equally_spaced_values() -> None:
    k = np.arange(8)
    trend = 1 + 1e-3 * k + 1e-5 * k**2 - 1e-6 * k**3
    noises = [
        noise_of((trend + 1e-9 * np.random.default_rng(seed).standard_normal(8)).tolist())
        for seed in range(200)
    ]
    found = [noise for noise in noises if noise]
    assert len(found) >= 0.9 * len(noises)  # 0 means that it is not clear
    assert 0.7e-9 <= np.median(found) <= 9e-9
    assert max(found) <= 20e-9


def test_what_is_no_noise_is_not_taken_for_it() -> None:
    assert not noise_of([math.exp(k) for k in range(8)])
    assert not noise_of([0.0] * 8)
    assert not noise_of([1.0, math.nan, *[1.0] * 6])
    assert not noise_of([1.0, math.inf, *[1.0] * 6])


def test_noise_scales_with_the_values_even_where_their_squares_underflow() -> None:
    table = (1 + 1e-9 * np.random.default_rng(3).standard_normal(8)).tolist()
    noise = noise_of(table)
    assert noise
    for size in (1e-200, 1e-290, 1e200):
        scaled = noise_of([size * value for value in table])
        assert scaled == pytest.approx(size * noise, rel=1e-3, abs=0.0)
