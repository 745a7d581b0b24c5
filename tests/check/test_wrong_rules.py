"""Wrong slopes: rejected down to errors that rounding hides, and never confirmed beyond them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
import pytest

from tests.check.functions import DIGITS, FUNCTIONS
from tinygrad_edu.check import Verdict, gradients, judge

# Mistakes that people and libraries make: a function, its wrong slope, and where to look.


class Mistake(NamedTuple):
    f: Callable[[Any], Any]
    wrong: Callable[[Any], Any]
    points: tuple[float, ...]


def scaled(error: float) -> Mistake:
    """cos, off by a relative error that a tolerance of about that size lets through."""
    return Mistake(np.sin, lambda x: np.cos(x) * (1 + error), (0.5, 1.0, 2.0))


def gelu(x: Any) -> float:
    return 0.5 * float(x) * math.erfc(-float(x) / math.sqrt(2))


def slope_of_the_approximate_gelu(x: Any) -> float:
    """d/dx of x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))): up to 9e-4 off the exact gelu's."""
    with mp.workdps(DIGITS):
        return float(
            mp.diff(lambda t: t / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (t + 0.044715 * t**3))), x)
        )


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


MISTAKES: dict[str, Mistake] = {
    "the sign": Mistake(np.sin, lambda x: -np.cos(x), (0.3, 1.0)),
    "counted twice": Mistake(np.exp, lambda x: 2 * np.exp(x), (0.3,)),
    "off by 9e-4": scaled(9e-4),
    "off by 9e-6": scaled(9e-6),
    "off by 9e-7": scaled(9e-7),
    "off by 9e-10": scaled(9e-10),
    "off by 1e-11": scaled(1e-11),
    "the slope of an approximation": Mistake(
        gelu, slope_of_the_approximate_gelu, (1.5, 2.0, 2.5, 3.0)
    ),
    "a constant rounded to four places": Mistake(
        lambda x: 1.0507009873554805 * np.maximum(x, 0), lambda x: 1.0507 * (x > 0), (0.5, 2.0)
    ),
    "zero for a small slope": Mistake(lambda x: 1e-6 * np.sin(x), lambda x: 0.0, (0.5,)),
    "more than the steeper side of a kink": Mistake(
        lambda x: np.maximum(x, 0), lambda x: 1.2, (0.0,)
    ),
    "zero where kinks cancel": Mistake(
        lambda x: np.maximum(x, 0) - np.maximum(-x, 0), lambda x: 0.0, (0.0,)
    ),
    "a forgotten absolute value": Mistake(
        lambda x: x * np.abs(x), lambda x: 2 * x, (-1.0, -1e-3, -50.0)
    ),
    "the identity beyond a threshold": Mistake(
        lambda x: np.logaddexp(0, x), lambda x: 1.0, (20.5,)
    ),
    "not a number": Mistake(np.sin, lambda x: math.nan, (0.5,)),
}


def verdict(f: Callable[[Any], Any], claim: Any, x: float) -> Verdict:
    return judge(float(claim), lambda step: float(f(np.float64(x + step))), x)[0]


@pytest.mark.parametrize("name", MISTAKES)
def test_common_mistakes_are_rejected(name: str) -> None:
    f, wrong, points = MISTAKES[name]
    for x in points:
        assert not verdict(f, wrong(np.float64(x)), x).ok, x


@pytest.mark.parametrize("name", MISTAKES)
def test_common_mistakes_are_rejected_as_rules_for_arrays(name: str) -> None:
    f, wrong, points = MISTAKES[name]
    report = gradients(
        lambda x: np.sum(np.stack([np.asarray(f(entry)) for entry in x])),
        np.array(points),
        rule=lambda x: np.array([wrong(entry) for entry in x]),
    )
    assert not report.ok
    assert [entry.verdict.ok for entry in report.entries] == [False] * len(points)


def test_a_lost_tail_is_not_confirmed() -> None:
    # s (1 − s) is 0 at 40, where the slope is 4e-18 beside a value of 1: no float64 value tells.
    s = sigmoid(40.0)
    assert s * (1 - s) == 0.0
    assert verdict(sigmoid, s * (1 - s), 40.0).kind != "correct"
    assert verdict(sigmoid, 4.248354255291589e-18, 40.0).ok


# Wrong slopes made from right ones.

# Of relative size; the first nine are those of tolerances in use.
ERRORS = tuple(10.0**-power for power in range(1, 10))
USUAL = (0.1, 3.0)  # |x| for which the sizes of errors that pass elsewhere were measured


class Spoilt(NamedTuple):
    name: str
    x: float
    error: float
    slope: float
    verdict: Verdict


def spoilt(seed: int, each: int, least: float, most: float) -> list[Spoilt]:
    """Slopes that are off by each relative error, of random functions at random numbers."""
    rng = np.random.default_rng(seed)
    names = sorted(FUNCTIONS)
    cases = []
    for error in ERRORS:
        for _ in range(each):
            name = names[rng.integers(len(names))]
            x = FUNCTIONS[name].point(rng, least, most)
            slope = FUNCTIONS[name].true_slope(x)
            if not slope:
                continue
            claim = slope * (1 + error * rng.choice([-1, 1]))
            cases.append(Spoilt(name, x, error, slope, FUNCTIONS[name].judged(x, claim)))
    return cases


def rate(cases: list[Spoilt], kind: str) -> float:
    return sum(case.verdict.kind == kind for case in cases) / len(cases)


@pytest.fixture(scope="module")
def usual() -> list[Spoilt]:
    return spoilt(seed=3, each=34, least=USUAL[0], most=USUAL[1])


@pytest.fixture(scope="module")
def wide() -> list[Spoilt]:
    return spoilt(seed=4, each=34, least=1e-6, most=1e3)


def test_errors_of_every_size_are_found_at_usual_numbers(usual: list[Spoilt]) -> None:
    assert len(usual) >= 300
    for error in ERRORS:
        found = rate([case for case in usual if case.error == error], "wrong")
        # A bar is 1e-13 of the slope on the median; 1e-9 is lost only next to a slope of zero.
        assert found == 1.0 if error >= 1e-6 else found >= 0.95, (error, found)


def test_errors_of_every_size_are_found_at_any_numbers(wide: list[Spoilt]) -> None:
    assert len(wide) >= 290
    # Up to a twentieth may be inconclusive, as for right slopes: tails and poles.
    large = [case for case in wide if case.error >= 1e-6]
    assert rate(large, "wrong") >= 0.94
    assert rate([case for case in wide if case.error < 1e-6], "wrong") >= 0.85
    assert rate(large, "kink") == 0.0
    assert not [case for case in large if case.error >= 1e-5 and case.verdict.kind == "correct"]


def test_what_is_confirmed_is_so_to_the_digits_that_are_said(
    usual: list[Spoilt], wide: list[Spoilt]
) -> None:
    for case in usual + wide:
        if case.verdict.kind == "correct":
            assert abs(case.verdict.claim - case.slope) <= 2 * case.verdict.bar, case
            assert case.error <= 1e-6, case


def test_wrong_verdicts_say_how_much_the_slope_really_is(usual: list[Spoilt]) -> None:
    for case in usual:
        if case.verdict.kind == "wrong":
            # The claim is the float next to the spoilt slope, and the slope the next to the true.
            off = abs(case.verdict.expected - case.slope)
            assert off <= case.verdict.bar + 4e-16 * abs(case.slope), case


@pytest.mark.thorough
def test_of_many_wrong_slopes_hardly_any_passes() -> None:
    usual = spoilt(seed=21, each=600, least=USUAL[0], most=USUAL[1])
    wide = spoilt(seed=22, each=600, least=1e-6, most=1e3)
    for error in ERRORS:
        near = [case for case in usual if case.error == error]
        if error >= 1e-6:
            assert rate(near, "correct") <= 1e-3
            assert rate(near, "wrong") >= 0.99
        far = [case for case in wide if case.error == error]
        if error >= 1e-5:
            assert rate(far, "correct") == 0.0
        assert rate(far, "wrong") >= (0.93 if error >= 1e-6 else 0.85)
