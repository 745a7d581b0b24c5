"""From what is seen of a function to a verdict on a claim."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.check import Verdict, judge
from tinygrad_edu.check.slope import Estimate, Evidence, evidence, largest_step, sample_points
from tinygrad_edu.check.verdict import decide


def seen(f: Callable[[float], float] = math.sin, x: float = 0.5) -> Evidence:
    unit = largest_step(x)
    return evidence([f(x + t) for t in sample_points(unit)], unit, x)


def verdict(claim: float, f: Callable[[float], float], x: float) -> Verdict:
    return judge(claim, lambda t: f(x + t), x)[0]


def test_judge_returns_what_it_saw_and_calls_once_for_each_point() -> None:
    calls = []

    def f(t: float) -> float:
        calls.append(t)
        return math.sin(0.5 + t)

    found, grounds = judge(math.cos(0.5), f, 0.5)
    assert calls == sample_points(largest_step(0.5))
    assert found == decide(math.cos(0.5), grounds)
    assert grounds.value == math.sin(0.5)


def test_a_right_claim_is_correct_to_as_many_digits_as_the_bar_allows() -> None:
    found = verdict(math.cos(0.5), math.sin, 0.5)
    assert found.kind == "correct"
    assert found.ok
    assert found.low <= found.claim <= found.high
    assert (found.low, found.high) == (found.expected - found.bar, found.expected + found.bar)
    assert found.digits == pytest.approx(-math.log10(found.bar / math.cos(0.5)), abs=0.1)
    assert found.digits > 12
    assert found.error == 0.0


@pytest.mark.parametrize("error", [1e-9, -1e-6, 0.5, -2.0, 1e6])
def test_a_claim_outside_of_the_bar_is_wrong_by_its_distance(error: float) -> None:
    found = verdict(math.cos(0.5) + error, math.sin, 0.5)
    assert found.kind == "wrong"
    assert not found.ok
    assert found.error == pytest.approx(abs(error), rel=1e-3)
    assert abs(found.expected - math.cos(0.5)) <= found.bar


@pytest.mark.parametrize("claim", [math.nan, math.inf, -math.inf])
def test_a_claim_that_is_no_number_is_wrong(claim: float) -> None:
    for f, x in ((math.sin, 0.5), (abs, 0.0), (lambda t: 3.0, 1.0)):
        found = verdict(claim, f, x)
        assert not found.ok
        assert found.error == math.inf


def test_zero_is_judged_beside_how_steep_the_function_is_nearby() -> None:
    assert verdict(0.0, math.cos, 0.0).kind == "correct"
    assert verdict(0.0, lambda t: 1e-9 * math.cos(t), 0.0).kind == "correct"
    assert verdict(1e-5, math.cos, 0.0).kind == "wrong"
    assert verdict(0.0, lambda t: 7.0, 2.0).kind == "correct"
    assert verdict(0.0, lambda t: 0.0, 0.0).kind == "correct"


def test_a_slope_that_rounding_hides_is_inconclusive() -> None:
    found = verdict(1e-14, lambda t: 1e6 + 1e-14 * t, 1.0)
    assert (found.kind, found.reason, found.ok) == ("inconclusive", "rounding", True)
    assert verdict(1.0, lambda t: 1e6 + 1e-14 * t, 1.0).kind == "wrong"


# Kinks


@pytest.mark.parametrize("claim", [-1.0, -0.3, 0.0, 1.0])
def test_between_the_slopes_of_a_kink_all_is_accepted(claim: float) -> None:
    found = verdict(claim, abs, 0.0)
    assert (found.kind, found.inside, found.ok, found.error) == ("kink", True, True, 0.0)
    assert (found.low, found.high) == pytest.approx((-1.0, 1.0))


@pytest.mark.parametrize(("claim", "off"), [(-1.01, 0.01), (1.5, 0.5), (1 + 1e-6, 1e-6)])
def test_outside_of_them_nothing_is(claim: float, off: float) -> None:
    found = verdict(claim, abs, 0.0)
    assert (found.kind, found.inside, found.ok) == ("kink", False, False)
    assert found.error == pytest.approx(off)


# What cannot be told


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_not_finite_has_no_slope(bad: float) -> None:
    found = verdict(0.0, lambda t: bad, 1.0)
    assert (found.kind, found.reason) == ("inconclusive", "value")


def test_a_function_that_is_finite_at_one_point_only_has_no_slope() -> None:
    found = verdict(1.0, lambda t: 1.0 if t == 1.0 else math.nan, 1.0)
    assert (found.kind, found.reason) == ("inconclusive", "steps")


def test_calls_that_differ_make_it_inconclusive() -> None:
    grounds = replace(seen(), scatter=1e-3)
    found = decide(math.cos(0.5), grounds)
    assert (found.kind, found.reason) == ("inconclusive", "random")
    assert decide(math.cos(0.5), replace(seen(), scatter=0.0)).kind == "correct"


def test_at_a_jump_no_claim_is_judged() -> None:
    found = decide(0.0, replace(seen(), jumps=True))
    assert (found.kind, found.reason) == ("inconclusive", "jump")


@pytest.mark.parametrize("claim", [0.0, 1.0, -5.0])
def test_jumps_are_called_so(claim: float) -> None:
    found = verdict(claim, lambda t: float(math.floor(t)), 2.0)
    assert (found.kind, found.reason) == ("inconclusive", "jump")


def test_at_the_end_of_the_domain_the_one_side_decides() -> None:
    def f(t: float) -> float:
        return t**2 if t >= 1 else math.nan

    assert verdict(2.0, f, 1.0).kind == "correct"
    assert verdict(2.001, f, 1.0).kind == "wrong"
    rough = replace(seen(f, 1.0), right=Estimate(2.0, 0.1), both=Estimate())
    found = decide(2.05, rough)
    assert (found.kind, found.reason) == ("inconclusive", "edge")


def test_sides_whose_bars_are_wide_decide_no_kink() -> None:
    blurred = replace(
        seen(abs, 0.0), left=Estimate(-1.0, 0.9), right=Estimate(1.0, 0.9), both=Estimate(0.0, 0.5)
    )
    assert decide(0.3, blurred).kind == "inconclusive"


# Whatever the function and the claim


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.lists(
        st.floats(allow_nan=True, allow_infinity=True),
        min_size=len(sample_points(0.125)),
        max_size=len(sample_points(0.125)),
    ),
)
def test_every_list_of_values_gets_a_verdict(claim: float, values: list[float]) -> None:
    found = decide(claim, evidence(values, 0.125))
    assert found.kind in ("correct", "wrong", "kink", "inconclusive")
    assert not found.error < 0
    if found.kind == "correct":
        assert found.low <= claim <= found.high


slopes = st.floats(-5, 5)


@given(slopes, slopes, st.floats(-0.5, 1.5), st.sampled_from([0.0, 1.0, -30.0]))
def test_claims_at_corners_of_any_angle(below: float, above: float, share: float, x: float) -> None:
    claim = below + share * (above - below)
    found = verdict(claim, lambda t: (above if t > x else below) * (t - x), x)
    if 0 <= share <= 1:
        assert found.ok, found
    elif abs(claim - (above if share > 1 else below)) > 1e-9:
        assert not found.ok, found
