"""Right slopes of many functions over nine orders of magnitude: hardly ever doubted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pytest

from tests.check.functions import FUNCTIONS, ROUGH, Function
from tinygrad_edu.check import Verdict


class Case(NamedTuple):
    name: str
    x: float
    slope: float
    verdict: Verdict


def judged(seed: int, points: int, functions: Mapping[str, Function] = FUNCTIONS) -> list[Case]:
    """Right slopes of every function, each at so many random numbers, with their verdicts."""
    rng = np.random.default_rng(seed)
    cases = []
    for name, function in functions.items():
        for _ in range(points):
            x = function.point(rng)
            slope = function.true_slope(x)
            cases.append(Case(name, x, slope, function.judged(x, slope)))
    return cases


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return judged(seed=2, points=25)


def doubted(cases: list[Case]) -> list[Case]:
    return [case for case in cases if not case.verdict.ok]


def test_none_is_called_wrong(cases: list[Case]) -> None:
    assert not doubted(cases)
    assert not [case for case in cases if case.verdict.kind == "kink"]


def test_nearly_all_are_called_correct(cases: list[Case]) -> None:
    kinds = Counter(case.verdict.kind for case in cases)
    assert kinds["correct"] >= 0.95 * len(cases)
    assert kinds["inconclusive"] <= 0.05 * len(cases)


def test_what_is_inconclusive_is_saturated_or_next_to_a_pole(cases: list[Case]) -> None:
    # There the values do not hold the slope: a slope of 1e-12 beside a value of 1 is lost in its
    # rounding, and next to a pole the smallest step is as large as the distance from it.
    unsaid = [case for case in cases if case.verdict.kind == "inconclusive"]
    saturated = {"tanh", "sigmoid", "erf", "expm1", "exp", "softplus", "silu", "gelu", "exp(-x^2)"}
    for case in unsaid:
        flat = case.name in saturated and abs(case.x) > 3
        assert flat or (case.name in {"1/x", "log", "cbrt", "sqrt"} and abs(case.x) < 1e-5), case


def test_the_bars_are_narrow(cases: list[Case]) -> None:
    shares = [case.verdict.bar / abs(case.slope) for case in cases if case.slope]
    assert np.median(shares) < 1e-12


def test_rounding_waves_and_noise_are_not_taken_for_mistakes() -> None:
    cases = judged(seed=5, points=20, functions=ROUGH)
    assert not doubted(cases)
    assert sum(case.verdict.kind == "correct" for case in cases) >= 0.5 * len(cases)


@pytest.mark.parametrize(
    ("name", "x"),
    [
        # Stairs as wide as many of the steps.
        ("sin in float32", 0.8296022053155893),
        ("log cosh", 2.4997462046474913e-06),
        ("log cosh", 3.864685557729614e-05),
        ("log cosh", -0.007785493302514802),
        # Rounding that is larger on the way than at the point.
        ("sin(10 x)", 156.607915524091),
    ],
)
def test_where_verdicts_once_were_wrong(name: str, x: float) -> None:
    function = ROUGH[name]
    assert function.judged(x, function.true_slope(x)).ok


@pytest.mark.parametrize("error", [1e-1, 1e-4])
def test_errors_beyond_the_noise_are_found_in_spite_of_it(error: float) -> None:
    rng = np.random.default_rng(6)
    found = 0
    for name in ("noise of 1e-8", "1e8 + sin", "log cosh", "sin(10 x)"):
        for _ in range(10):
            x = ROUGH[name].point(rng, least=0.3, most=2.0)
            verdict = ROUGH[name].judged(x, ROUGH[name].true_slope(x) * (1 + error))
            assert verdict.kind != "correct"
            found += verdict.kind == "wrong"
    assert found >= 30


@pytest.mark.thorough
def test_of_many_right_slopes_one_in_a_thousand_may_be_doubted() -> None:
    cases = judged(seed=11, points=1000)
    kinds = Counter(case.verdict.kind for case in cases)
    assert len(doubted(cases)) <= 1e-3 * len(cases), doubted(cases)
    assert kinds["correct"] >= 0.95 * len(cases)


@pytest.mark.thorough
def test_of_many_rough_slopes_one_in_a_thousand_may_be_doubted() -> None:
    cases = judged(seed=12, points=300, functions=ROUGH)
    assert len(doubted(cases)) <= 1e-3 * len(cases), doubted(cases)
