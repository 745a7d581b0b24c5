"""Kinks, jumps and vertical tangents: at them, near them on both sides, and far from them.

Between the slopes on the two sides nothing is wrong, and outside of them nothing is correct.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.check import Entry, Report, Verdict, gradients, judge

NEAR = (1e-9, -1e-9)
FAR = (1e-4, -1e-4, 0.01, -0.01, 0.4, -0.4)
Rule = Callable[..., Any]


@dataclass(frozen=True)
class Kink:
    """A function that bends at `place`, and its slopes to the left and to the right of it."""

    f: Callable[[float], float]
    place: float
    left: Callable[[float], float]
    right: Callable[[float], float]

    def slope(self, x: float) -> float:
        return (self.left if x < self.place else self.right)(x)

    def judged(self, x: float, claim: float) -> Verdict:
        return judge(claim, lambda step: float(self.f(x + step)), x)[0]


def constant(slope: float) -> Callable[[float], float]:
    return lambda x: slope


def clip(x: float) -> float:
    return min(max(x, -1.0), 1.0)


def hard_swish(x: float) -> float:
    return x * min(max(x + 3.0, 0.0), 6.0) / 6.0


def hard_swish_slope(x: float) -> float:
    return (2 * x + 3) / 6


KINKS = {
    "relu": Kink(lambda x: max(x, 0.0), 0.0, constant(0.0), constant(1.0)),
    "leaky relu": Kink(lambda x: max(x, 0.01 * x), 0.0, constant(0.01), constant(1.0)),
    "abs": Kink(abs, 0.0, constant(-1.0), constant(1.0)),
    "hard swish at -3": Kink(hard_swish, -3.0, constant(0.0), hard_swish_slope),
    "hard swish at 3": Kink(hard_swish, 3.0, hard_swish_slope, constant(1.0)),
    "clip at -1": Kink(clip, -1.0, constant(0.0), constant(1.0)),
    "clip at 1": Kink(clip, 1.0, constant(1.0), constant(0.0)),
    "maximum of x^2 and 2 - x": Kink(
        lambda x: max(x * x, 2.0 - x), 1.0, constant(-1.0), lambda x: 2 * x
    ),
    "elu with a = 2": Kink(
        lambda x: x if x > 0 else 2 * math.expm1(x),
        0.0,
        lambda x: 2 * math.exp(x),
        constant(1.0),
    ),
    "relu after many digits": Kink(lambda x: 1e6 + max(x, 0.0), 0.0, constant(0.0), constant(1.0)),
    "a small bend": Kink(lambda x: x + 1e-5 * abs(x), 0.0, constant(1 - 1e-5), constant(1 + 1e-5)),
    "a tiny bend": Kink(lambda x: x + 1e-8 * abs(x), 0.0, constant(1 - 1e-8), constant(1 + 1e-8)),
}


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("name", KINKS)
def test_at_a_kink_the_slopes_between_are_accepted(name: str, share: float) -> None:
    kink = KINKS[name]
    left, right = kink.left(kink.place), kink.right(kink.place)
    found = kink.judged(kink.place, left + share * (right - left))
    assert found.ok, found
    if name != "a tiny bend":
        assert (found.kind, found.inside) == ("kink", True)
        assert sorted((found.low, found.high)) == pytest.approx(sorted((left, right)), abs=1e-6)


@pytest.mark.parametrize("share", [-0.2, 1.2, 3.0])
@pytest.mark.parametrize("name", KINKS)
def test_at_a_kink_slopes_beyond_are_rejected(name: str, share: float) -> None:
    kink = KINKS[name]
    left, right = kink.left(kink.place), kink.right(kink.place)
    found = kink.judged(kink.place, left + share * (right - left))
    assert found.kind != "correct", found
    assert not found.ok, found


@pytest.mark.parametrize("away", [*NEAR, *FAR])
@pytest.mark.parametrize("name", KINKS)
def test_next_to_a_kink_the_slope_of_that_side_is_accepted(name: str, away: float) -> None:
    kink = KINKS[name]
    x = kink.place + away
    found = kink.judged(x, kink.slope(x))
    assert found.ok, found
    if abs(away) >= 1e-4 and kink.slope(x) != 0:
        assert found.kind == "correct", found


@pytest.mark.parametrize("away", [*NEAR, *FAR])
@pytest.mark.parametrize("name", sorted(set(KINKS) - {"a small bend", "a tiny bend"}))
def test_next_to_a_kink_nothing_else_is_confirmed(name: str, away: float) -> None:
    kink = KINKS[name]
    x = kink.place + away
    left, right = kink.left(kink.place), kink.right(kink.place)
    for share in (-0.2, 0.0, 0.3, 0.5, 1.0, 1.2):
        claim = left + share * (right - left)
        if abs(claim - kink.slope(x)) < 0.05 * abs(right - left):
            continue
        found = kink.judged(x, claim)
        assert found.kind != "correct", found
        if abs(away) >= 1e-4:
            assert found.kind == "wrong", found
        elif kink.place == 0.0 and not 0 <= share <= 1 and name != "relu after many digits":
            # Next to larger numbers 1e-9 is nearer than the smallest step.
            assert not found.ok, found


@pytest.mark.parametrize("distance", [1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12, 1e-15])
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("name", ["relu", "abs", "leaky relu"])
def test_at_any_distance_right_is_not_wrong_and_wrong_not_correct(
    name: str, side: int, distance: float
) -> None:
    kink = KINKS[name]
    x = side * distance
    assert kink.judged(x, kink.slope(x)).ok
    other = kink.left(x) if side > 0 else kink.right(x)
    for claim in (other, (kink.left(x) + kink.right(x)) / 2):
        assert kink.judged(x, claim).kind != "correct"
    for claim in (-1.5, 1.5):
        found = kink.judged(x, claim)
        # Nearer than the points that show the noise it looks like noise, or a jump of the slope.
        assert found.kind != "correct" if distance < 1e-6 else not found.ok, found


def test_where_kinks_cancel_the_function_is_smooth() -> None:
    def f(x: float) -> float:
        return max(x, 0.0) - max(-x, 0.0)

    def found(claim: float) -> Verdict:
        return judge(claim, f, 0.0)[0]

    assert found(1.0).kind == "correct"
    assert found(0.0).kind == "wrong"
    assert found(0.5).kind == "wrong"


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (lambda x: x * abs(x), 0.0, 0.0),
        (lambda x: max(x, 0.0) ** 2, 0.0, 0.0),
        (lambda x: abs(x - 1) ** 3, 1.0, 0.0),
        (lambda x: x if x > 0 else math.expm1(x), 0.0, 1.0),
    ],
)
def test_bends_of_the_slope_alone_are_no_kinks(
    f: Callable[[float], float], x: float, slope: float
) -> None:
    def found(claim: float) -> Verdict:
        return judge(claim, lambda step: f(x + step), x)[0]

    assert found(slope).kind == "correct"
    assert found(slope + 0.01).kind == "wrong"
    assert found(slope - 0.01).kind == "wrong"


def test_cusps_of_slope_zero_are_not_called_wrong() -> None:
    for power in (1.5, 1.1):
        for claim, ok in ((0.0, True), (1.0, False)):
            found = judge(claim, lambda x, power=power: abs(x) ** power, 0.0)[0]  # type: ignore[misc]
            assert found.ok if ok else found.kind != "correct", (power, found)


# Jumps


JUMPS: dict[str, tuple[Callable[[float], float], tuple[float, ...]]] = {
    "floor": (math.floor, (0.0, 1.0, -3.0)),
    "round": (lambda x: float(np.round(x)), (0.5, 2.5, -1.5)),
    "sign": (lambda x: float(np.sign(x)), (0.0,)),
    "heaviside": (lambda x: float(np.heaviside(x, 0.5)), (0.0,)),
    "heaviside, 1 at 0": (lambda x: float(np.heaviside(x, 1.0)), (0.0,)),
    "a small step": (lambda x: 1e-3 * math.floor(x), (1.0,)),
    "a large step": (lambda x: 1e6 * math.floor(x), (1.0,)),
}


@pytest.mark.parametrize("claim", [0.0, 1.0, -7.0])
@pytest.mark.parametrize("name", JUMPS)
def test_at_a_jump_nothing_can_be_said(name: str, claim: float) -> None:
    f, places = JUMPS[name]
    for x in places:
        found = judge(claim, lambda step, x=x: float(f(x + step)), x)[0]  # type: ignore[misc]
        assert (found.kind, found.reason) == ("inconclusive", "jump"), (x, found)


@pytest.mark.parametrize("name", JUMPS)
def test_away_from_jumps_the_slope_is_zero(name: str) -> None:
    f, places = JUMPS[name]
    for x in (place + away for place in places for away in (0.25, -0.25, 0.01, -0.01)):

        def found(claim: float, x: float = x) -> Verdict:
            return judge(claim, lambda step: float(f(x + step)), x)[0]

        assert found(0.0).kind == "correct", x
        assert found(1.0).kind == "wrong", x


@pytest.mark.parametrize("away", [1e-9, -1e-9, 1e-12, -1e-6])
@pytest.mark.parametrize("name", JUMPS)
def test_next_to_a_jump_zero_is_not_wrong(name: str, away: float) -> None:
    f, places = JUMPS[name]
    for x in places:
        found = judge(0.0, lambda step, x=x: float(f(x + away + step)), x + away)[0]  # type: ignore[misc]
        assert found.ok, (x, found)


def test_a_jump_beside_a_slope_far_away_does_no_harm() -> None:
    def found(claim: float) -> Verdict:
        x = 1.0 + 1e-4
        return judge(claim, lambda step: math.floor(x + step) + (x + step) ** 2, x)[0]

    assert found(2 * (1.0 + 1e-4)).kind == "correct"
    assert found(2.1).kind == "wrong"


# Vertical tangents and ends of the domain


VERTICAL: dict[str, Callable[[float], float]] = {
    "sqrt": lambda x: math.sqrt(x) if x >= 0 else math.nan,
    "cube root": lambda x: float(np.cbrt(x)),
    "signed square root": lambda x: math.copysign(math.sqrt(abs(x)), x),
    "root of abs": lambda x: math.sqrt(abs(x)),
    "x log abs x": lambda x: x * math.log(abs(x)) if x else 0.0,
    "fifth root": lambda x: math.copysign(abs(x) ** 0.2, x),
}


@pytest.mark.parametrize("claim", [math.inf, -math.inf, 0.0, 1.0, 1e9])
@pytest.mark.parametrize("name", VERTICAL)
def test_at_a_vertical_tangent_nothing_is_wrong_or_correct(name: str, claim: float) -> None:
    found = judge(claim, VERTICAL[name], 0.0)[0]
    assert found.kind == "inconclusive", found


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("power", [1.5, 1.25, 2.5])
def test_powers_that_end_at_zero_have_slope_zero_there(power: float, size: float) -> None:
    def found(claim: float) -> Verdict:
        return judge(claim, lambda x: size * x**power if x >= 0 else math.nan, 0.0)[0]

    assert found(0.0).ok
    assert not found(size).ok


def test_a_pole_has_no_slope() -> None:
    found = judge(-math.inf, lambda x: 1 / x if x else math.inf, 0.0)[0]
    assert (found.kind, found.reason) == ("inconclusive", "value")
    found = judge(math.inf, lambda x: math.log(x) if x > 0 else -math.inf, 0.0)[0]
    assert (found.kind, found.reason) == ("inconclusive", "value")


# Arrays: which of several entries has the kink


def named(report: Report, kind: str) -> list[str]:
    return [entry.name for entry in report.entries if entry.verdict.kind == kind]


def share_ties(x: Any) -> Any:
    ties = x == np.max(x)
    return ties / np.sum(ties)


def test_ties_of_a_maximum_are_kinks_and_share() -> None:
    x = np.array([1.0, 3.0, 3.0])
    report = gradients(lambda x: np.max(x), x)
    assert report.ok
    assert named(report, "kink") == ["x[1]", "x[2]"]
    assert report.count("correct") == 1
    right: list[Rule] = [share_ties, lambda x: np.array([0.0, 1, 0])]
    for rule in right:
        assert gradients(lambda x: np.max(x), x, rule=rule).ok
    wrong: list[Rule] = [
        lambda x: (x == 3.0) * 1.0,  # each may have 1, but not both
        lambda x: np.array([0.0, 1.2, 0.5]),
        lambda x: np.array([0.1, 0.5, 0.5]),
        lambda x: np.array([0.0, -0.5, 0.5]),
    ]
    for rule in wrong:
        assert not gradients(lambda x: np.max(x), x, rule=rule).ok


def test_ties_along_an_axis() -> None:
    weights = np.array([10.0, 1.0])

    def f(x: Any) -> Any:
        return np.sum(np.max(x, axis=1) * weights)

    x = np.array([[2.0, 2.0], [1.0, 5.0]])
    report = gradients(f, x)
    assert report.ok
    assert named(report, "kink") == ["x[0, 0]", "x[0, 1]"]
    assert [entry.verdict.high for entry in report.entries[:2]] == pytest.approx([10.0, 10.0])
    assert [entry.verdict.low for entry in report.entries[:2]] == pytest.approx([0.0, 0.0])
    assert not gradients(f, x, rule=lambda x: np.array([[10.0, 11.0], [0.0, 1.0]])).ok
    assert not gradients(f, x, rule=lambda x: np.array([[5.0, 5.0], [1.0, 0.0]])).ok


def test_maximum_of_two_equal_inputs() -> None:
    x = np.array([1.0, 2.0, 3.0])
    report = gradients(lambda x, y: np.sum(np.maximum(x, y)), x, np.array([2.0, 2.0, 2.0]))
    assert report.ok
    assert named(report, "kink") == ["x[1]", "y[1]"]
    same = gradients(lambda x: np.sum(np.maximum(x, x)), x)
    assert same.count("correct") == 3


def test_a_minimum_with_a_broadcast_number() -> None:
    x, y = np.array([1.0, 2.0, 3.0]), np.array(2.0)
    report = gradients(lambda x, y: np.sum(np.minimum(x, y)), x, y)
    assert report.ok
    assert named(report, "kink") == ["x[1]", "y"]
    assert (report.entries[-1].verdict.low, report.entries[-1].verdict.high) == pytest.approx(
        (1.0, 2.0)
    )


@pytest.mark.parametrize("claim", [[0.0, 0.0], [1.0, -1.0], [0.6, 0.8]])
def test_the_norm_at_zero_has_the_unit_box_of_slopes(claim: list[float]) -> None:
    def norm(x: Any) -> Any:
        return np.sqrt(np.sum(x * x))

    report = gradients(norm, np.zeros(2), rule=lambda x: np.array(claim))
    assert [entry.verdict.kind for entry in report.entries] == ["kink", "kink"]
    assert report.ok
    assert not gradients(norm, np.zeros(2), rule=lambda x: np.array([1.1, 0.0])).ok
    away = gradients(norm, np.array([3.0, 4.0]), rule=lambda x: x / norm(x))
    assert away.count("correct") == 2


def test_masks_hide_what_is_not_selected() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.where(x > 0, np.sqrt(np.abs(x)), x))

    x = np.array([-1.0, -4.0, 4.0])
    right = gradients(f, x, rule=lambda x: np.array([1.0, 1.0, 0.25]))
    assert right.count("correct") == 3
    lost = gradients(f, x, rule=lambda x: np.array([math.nan, 1.0, 0.25]))
    assert [entry.verdict.kind for entry in lost.entries] == ["wrong", "correct", "correct"]
    engine = gradients(lambda x: np.sum(np.where(x > 0, np.sqrt(x), x)), x)
    assert engine.count("correct") == 3


def test_a_network_of_relus_with_a_unit_on_its_kink() -> None:
    x = np.array([[0.0, 0.0], [1.0, -1.0]])
    w = np.array([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]])
    b = np.array([0.0, 0.1, -0.2])

    def f(w: Any, b: Any) -> Any:
        return np.sum(te.activations.relu(x @ w + b) ** 2 + te.activations.relu(x @ w + b))

    report = gradients(f, w, b)
    assert report.ok
    assert named(report, "kink") == ["b[0]"]
    (kinked,) = (entry for entry in report.entries if entry.verdict.kind == "kink")
    # The sample (0, 0) has pre-activation b[0] = 0; the other one 0.5 − 1.5 = −1, no share.
    assert (kinked.verdict.low, kinked.verdict.high) == pytest.approx((0.0, 1.0), abs=1e-9)


def test_an_entry_at_a_kink_shows_both_slopes() -> None:
    entry: Entry = gradients(te.activations.relu, 0.0).entries[0]
    assert "kink" in " ".join(entry.cells())
    assert "0 to 1" in entry.cells()
