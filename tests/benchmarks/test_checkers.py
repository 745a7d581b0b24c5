"""The comparison of verifiers is only honest if right rules are right and wrong ones wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.checkers import (
    FACTORS,
    Found,
    Tally,
    across,
    large_trial,
    many,
    markdown,
    missed,
    mistakes,
    mistakes_table,
    percent,
    planted,
    slopes,
    slopes_table,
)
from benchmarks.record_slopes import FROM_KINKS, records, trials
from benchmarks.verifiers import (
    OURS,
    VERIFIERS,
    Answer,
    Counted,
    TinygradEdu,
    WrongWrapperError,
    verify_wrapper,
)
from benchmarks.wrong_rules import (
    ANY,
    FORGOTTEN,
    MISTAKES,
    PIECEWISE,
    POSITIVE,
    SIZES_OF_ERROR,
    SMOOTH,
    Curve,
    Trial,
    off_by,
    pairs,
)


def differences(trial: Trial, step: float = 1e-4) -> list[Any]:
    """Central differences of the fourth order."""
    gradients = []
    for i, x in enumerate(trial.point):
        gradient = np.empty(np.shape(x))
        for index in np.ndindex(gradient.shape):
            total = 0.0
            for times, weight in ((1, 8), (-1, -8), (2, -1), (-2, 1)):
                moved = np.array(x, np.float64)
                moved[index] += times * step
                point = [*trial.point[:i], moved, *trial.point[i + 1 :]]
                total += weight * trial.f(*point)
            gradient[index] = total / (12 * step)
        gradients.append(gradient)
    return gradients


def distance(left: Any, right: Any) -> float:
    """The largest difference, of the largest entry; infinite where the shapes differ."""
    if np.shape(left) != np.shape(right):
        return np.inf
    return float(np.abs(left - right).max() / np.abs(right).max())


def furthest(trial: Trial, other: Trial) -> float:
    parts = zip(trial.gradient(), other.gradient(), strict=True)
    return max(distance(wrong, right) for wrong, right in parts)


@pytest.mark.parametrize(
    ("f", "slope", "x"),
    [
        *((f, slope, [-2.5, -0.4, 0.3, 1.7]) for f, slope in SMOOTH),
        *((f, slope, [0.2, 1.0, 2.9]) for f, slope in POSITIVE),
        *((below, slope, [c - 0.3, c - 0.1]) for c, below, slope, _, _ in PIECEWISE),
        *((above, slope, [c + 0.1, c + 2.3]) for c, _, _, above, slope in PIECEWISE),
    ],
)
def test_closed_forms_equal_differences(f: Curve, slope: Curve, x: list[float]) -> None:
    point = np.array(x)
    trial = Trial("", lambda x: np.sum(f(x)), lambda x: (slope(x),), (point,))
    (expected,) = differences(trial, 1e-3)
    np.testing.assert_allclose(trial.gradient()[0], expected, rtol=1e-7, atol=1e-7)


def test_pieces_differ_beyond_their_corners() -> None:
    for corner, _, below, _, above in PIECEWISE:
        for x in (corner - 0.4, corner + 0.4):
            assert abs(above(np.float64(x)) - below(np.float64(x))) > 1e-3


@pytest.mark.parametrize("make", ANY)
@pytest.mark.parametrize("seed", range(5))
def test_right_rules_equal_differences(make: Any, seed: int) -> None:
    trial = make(np.random.default_rng(seed))
    for part, expected in zip(trial.gradient(), differences(trial), strict=True):
        assert distance(part, expected) < 1e-6


@pytest.mark.parametrize("kind", [kind for kind in MISTAKES if kind != FORGOTTEN])
def test_generated_pairs_are_right_and_wrong(kind: str) -> None:
    for right, wrong in pairs(kind, 12, seed=3):
        assert wrong.kind == kind
        assert wrong.point is right.point
        assert wrong.f is right.f
        for part, expected in zip(right.gradient(), differences(right), strict=True):
            assert distance(part, expected) < 1e-6
        assert furthest(wrong, right) > 9e-10


@pytest.mark.parametrize("error", SIZES_OF_ERROR)
def test_relative_errors_have_the_size_that_is_said(error: float) -> None:
    for right, wrong in pairs(f"relative {error:.0e}", 12, seed=4):
        assert furthest(wrong, right) == pytest.approx(error, rel=1e-5)


def test_one_of_a_thousand_entries_is_zero() -> None:
    for right, wrong in pairs(FORGOTTEN, 3, seed=0):
        (given,), (true,) = wrong.gradient(), right.gradient()
        assert given.shape == (1000,)
        assert np.count_nonzero(given != true) == 1
        assert np.all(given[given != true] == 0)


def test_half_of_the_missing_reductions_keep_the_shape() -> None:
    shapes = [
        np.shape(wrong.gradient()[1]) == np.shape(right.gradient()[1])
        for right, wrong in pairs("missing reduction", 40, seed=0)
    ]
    assert 8 < sum(shapes) < 32


def test_pairs_depend_on_the_seed_alone() -> None:
    first, again, other = (pairs("sign", 5, seed) for seed in (1, 1, 2))

    def points(found: list[tuple[Trial, Trial]]) -> list[Any]:
        return [part for right, _ in found for part in (*right.point, *right.gradient())]

    assert all(map(np.array_equal, points(first), points(again)))
    assert not all(map(np.array_equal, points(first), points(other)))


def test_points_of_records_are_in_the_domain_and_off_the_corners() -> None:
    named = {op.name: op for op in records()}
    assert {"tanh", "relu", "gelu", "power", "clip"} <= named.keys()
    assert "step" not in named, "its rule is a surrogate"
    sizes = []
    for trial in trials(3, seed=1):
        name, argument = trial.kind.split(" by ")
        op = named[name]
        i = op.arguments.index(argument)
        (x,) = trial.point
        low, high = op.domain[min(i, len(op.domain) - 1)]
        assert low < x < high
        if i == 0:
            corners = [kink for kink in op.kinks if not callable(kink)]
            assert all(abs(x - corner) > FROM_KINKS for corner in corners)
        assert np.isfinite(trial.f(*trial.point))
        assert np.shape(trial.gradient()[0]) == ()
        sizes.append(abs(x))
    assert min(sizes) < 1e-5
    assert min(sizes) >= 1e-6
    assert 1e2 < max(sizes) <= 1e3


def test_functions_of_records_have_the_slope_of_their_rule() -> None:
    found = {trial.kind: trial for trial in trials(1, seed=0)}
    for kind, x, expected in (
        ("tanh by x", 0.5, 1 / np.cosh(0.5) ** 2),
        ("multiply by b", 0.5, None),
        ("sqrt by x", 4.0, 0.25),
        ("relu by x", -1.0, 0.0),
    ):
        trial = replace(found[kind], point=(np.float64(x),))
        (slope,) = trial.gradient()
        (difference,) = differences(trial)
        assert slope == pytest.approx(difference, rel=1e-7, abs=1e-9)
        if expected is not None:
            assert slope == pytest.approx(expected, rel=1e-14)


class Says:
    """A verifier of one opinion, which looks once."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def answer(self, f: Any, trial: Trial) -> Answer:
        f(*trial.point)
        return self._answer

    def gradient(self, trial: Trial) -> tuple[Any, ...]:
        return trial.gradient()


class Knows(Says):
    """Compares with differences."""

    def __init__(self) -> None:
        super().__init__("right")

    def answer(self, f: Any, trial: Trial) -> Answer:
        parts = zip(trial.gradient(), differences(trial), strict=True)
        return "right" if all(distance(*pair) < 1e-5 for pair in parts) else "wrong"


def test_a_mistake_is_found_only_by_who_lets_the_right_rule_pass() -> None:
    pairs_of_sign = pairs("sign", 6, seed=0)
    for verifier, share in ((Knows(), 1.0), (Says("wrong"), 0.0), (Says("right"), 0.0)):
        found = Found()
        for right, wrong in pairs_of_sign:
            found.ask(verifier, right, wrong)
        assert found.share == share
        assert found.right.answers.total() == found.wrong.answers.total() == 6


def test_tallies_add_up() -> None:
    tally = Tally()
    trial = pairs("off by one in a slice", 1, seed=0)[0][0]
    for answer in ("right", "open", "open", "wrong"):
        tally.ask(Says(answer), trial)
    shares = [tally.share(answer) for answer in ("right", "open", "wrong")]
    assert shares == [0.25, 0.5, 0.25]
    assert tally.calls == 4
    assert tally.calls_a_trial == 1
    other = Tally()
    other.add(tally)
    other.add(tally)
    assert other.calls == other.answers.total() == 8
    assert other.share("open") == 0.5


def test_functions_are_counted_and_give_float64() -> None:
    f = Counted(lambda x: np.float32(x) + 1)
    assert f(2.0).dtype == np.float64
    assert f(3.0) == 4
    assert f.calls == 2


def test_all_mistakes_are_asked_about_and_tabled() -> None:
    results = mistakes({OURS: Knows(), "torch": Says("right")}, len(MISTAKES) + 1, seed=0)
    counts = [sides[OURS].wrong.answers.total() for sides in results.values()]
    assert counts == [2, *[1] * (len(MISTAKES) - 1)]
    table = mistakes_table(results)
    assert [row[0] for row in table[1:-2]] == list(MISTAKES)
    columns = dict(zip(table[0], zip(*table[1:], strict=True), strict=True))
    assert columns[OURS][0] == "100 %"
    assert columns["torch"][0] == "0 %"
    assert columns["jax"][0] == "–", "it was not asked"
    assert columns["torch"][-1] != "–"


def test_errors_are_tried_where_there_is_a_slope() -> None:
    results = slopes({OURS: Says("open")}, points=1, seed=0)
    right, *wrong = (sides[OURS].answers.total() for sides in results.values())
    arguments = sum(op.count for op in records())
    assert right == arguments
    assert all(0 < count <= -(-arguments // 4) for count in wrong)
    assert len(slopes_table(results)) == 1 + 3 + 2 * len(wrong) + 1


def test_what_falls_short_is_said() -> None:
    good, bad = Found(), Found()
    trial, wrong = pairs("sign", 1, seed=0)[0]
    good.ask(Knows(), trial, wrong)
    bad.ask(Says("open"), trial, wrong)
    right = Tally()
    right.ask(Says("right"), trial)
    assert not list(missed({"sign": {OURS: good, "jax": bad}}, {OURS: right}))
    (line,) = missed({"sign": {OURS: bad, "jax": good}}, {OURS: right})
    assert "jax" in line
    for answer in ("wrong", "open"):
        tally = Tally()
        tally.ask(Says(answer), trial)
        assert len(list(missed({}, {OURS: tally}))) == 2  # and too few are called correct


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.5, "50.0 %"), (1e-6, "0.0001 %"), (0.9999, "99.99 %")],
)
def test_percentages_are_not_rounded_to_all_or_nothing(share: float, text: str) -> None:
    assert percent(share) == text


def test_tables_are_aligned_and_show_who_was_not_asked() -> None:
    tables = [["kind", *VERIFIERS], across("a", percent, {OURS: 0.5})]
    head, rule, row = markdown(tables).splitlines()
    assert len(head) == len(rule) == len(row)
    assert row.count("–") == len(VERIFIERS) - 1
    assert head.count("|") == rule.count("|") == row.count("|")


def test_planted_entries_are_wrong_and_the_others_right() -> None:
    right = large_trial(50, seed=0)
    (part,) = differences(right)
    assert distance(right.gradient()[0], part) < 1e-8
    wrong, names = planted(right, seed=0)
    (given,), (true,) = wrong.gradient(), right.gradient()
    changed = np.flatnonzero(given != true)
    assert {f"x[{i}]" for i in changed} == names
    assert sorted(given[changed] / true[changed]) == pytest.approx(sorted(FACTORS))


def test_directions_are_reported_for_right_and_planted_entries() -> None:
    table, failures = many({300: 2}, seed=0)
    assert not failures
    assert [row[:2] for row in table[1:]] == [["300", "right"], ["300", f"{len(FACTORS)} wrong"]]
    assert [row[2] for row in table[1:]] == ["correct 2", "wrong 2"]
    assert table[2][4] == f"{2 * len(FACTORS)} of {2 * len(FACTORS)}"


def test_ours_is_asked_as_users_ask_it() -> None:
    rng = np.random.default_rng(0)
    for make in ANY:
        verify_wrapper("ours", TinygradEdu(), make(rng))
    trial, wrong = off_by(1.1, rng)
    assert TinygradEdu().answer(trial.f, replace(trial, rule=wrong)) == "wrong"


def test_wrapper_that_hands_on_another_gradient_is_refused() -> None:
    trial = ANY[0](np.random.default_rng(0))

    class Doubles(Says):
        def gradient(self, trial: Trial) -> tuple[Any, ...]:
            return tuple(2 * part for part in trial.gradient())

    verify_wrapper("fine", Says("right"), trial)
    with pytest.raises(WrongWrapperError, match="sees"):
        verify_wrapper("doubles", Doubles("right"), trial)
    with pytest.raises(WrongWrapperError, match="rejects"):
        verify_wrapper("strict", Says("wrong"), trial)
