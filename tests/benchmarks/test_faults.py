"""The benchmark of faults is only fair if what it plants is there, and if it counts right."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pytest

from benchmarks.faults import HEALTHY, Case, examine, tuning
from benchmarks.faults.__main__ import BAR, Judged, confusion, judged, main, rates
from benchmarks.faults.judging import (
    DRAWN,
    OF_EACH,
    OF_HEALTHY,
    WRITTEN,
    Planted,
    cases,
    draws,
)
from benchmarks.faults.recipes import Recipe, Score, alike, inputs_times, ratio, score
from tinygrad_edu.flow import KINDS

STEP = {"step_large", "step_small"}


def counted(kind: str, grade: str, verdict: str = "", *sick: str, also: str = "") -> Judged:
    case = Case("a network", kind, frozenset(also.split()), Recipe("moons").setting)
    return Judged(case, grade, verdict, frozenset(sick))


# ---- the networks ----


def test_the_illnesses_are_those_that_are_diagnosed() -> None:
    for illness, written in WRITTEN.items():
        names = STEP if illness == "step" else {illness}
        assert {each.kind for each in written} <= names
        assert names <= {HEALTHY, *KINDS}
        assert all(each.also <= set(KINDS) - {each.kind} for each in written)
    assert len(WRITTEN) == 9


def test_half_of_the_networks_are_written_down() -> None:
    ill = [len(written) for illness, written in WRITTEN.items() if illness != HEALTHY]
    assert sum(ill) == OF_EACH * 8 / 2
    assert len(WRITTEN[HEALTHY]) == OF_HEALTHY / 2


@pytest.mark.parametrize("illness", DRAWN)
def test_every_maker_draws_its_own_kind(illness: str) -> None:
    for make in DRAWN[illness]:
        for seed in range(5):
            planted = make(np.random.default_rng(seed))
            assert planted.kind in (STEP if illness == "step" else {illness})
            assert planted.also <= set(KINDS) - {planted.kind}
            assert (planted.recipe == planted.twin) == (illness == HEALTHY)


def numbers(planted: Planted, seed: int) -> list[Any]:
    setting = planted.recipe.setting(seed)
    return [*setting.data, *(each.data for each in setting.model.parameters())]


@pytest.mark.parametrize("illness", DRAWN)
def test_the_same_seed_draws_the_same_networks(illness: str) -> None:
    once, again, other = (list(islice(draws(illness, 1, seed), 3)) for seed in (7, 7, 8))
    for mine, same in zip(once, again, strict=True):
        assert mine.recipe.name == same.recipe.name
        for a, b in zip(numbers(mine, 7), numbers(same, 7), strict=True):
            assert np.array_equal(a, b, equal_nan=True)
    assert [each.twin for each in once] != [each.twin for each in other]


def test_an_examination_says_the_same_twice() -> None:
    case = Planted("step_small", Recipe("moons", lr=1e-8, epochs=15)).case(1)
    once, again = (examine(case, 3) for _ in range(2))
    assert str(once) == str(again)


def test_units_that_are_alike_stay_alike() -> None:
    setting = Recipe("moons", depth=3, epochs=5, alter=(alike(0),)).setting(0)
    setting.train()
    first = setting.model.parameters()[0].data
    assert np.array_equal(first, np.repeat(first[:, :1], first.shape[1], axis=1))


# ---- whether a network has learnt ----


def test_a_learner_and_a_guesser_are_told_apart() -> None:
    learner, guesser = Recipe("blobs", epochs=60), Recipe("blobs", lr=1e-8, epochs=60)
    assert score(learner.setting(0)).learnt
    assert not score(learner.setting(0)).failed("step_small")
    assert score(guesser.setting(0)).failed("step_small")
    assert not score(guesser.setting(0)).learnt


def test_a_loss_that_is_only_low_in_the_end_is_no_learning() -> None:
    assert Score(0.9, 0.9, 0.9, True).learnt
    assert not Score(0.9, -3.0, 0.9, True).learnt
    assert not Score(0.9, 0.9, 0.9, False).learnt
    assert not Score(0.1, 0.4, 0.1, True).failed("dead")
    assert not Score(-5.0, -5.0, 0.9, True).failed("step_large")


def test_the_ratio_of_a_deep_sigmoid_network_is_small_and_a_linear_one_is_as_computed() -> None:
    assert ratio(Recipe("moons", "sigmoid", 10, 16).setting(0)) < 1e-3
    setting = Recipe("wave", "linear", 2, 8, init="ones").setting(0)
    # δ of each hidden unit is that of the output, times 1.
    assert ratio(setting) == pytest.approx(1)


def test_a_planted_illness_that_does_not_hurt_is_not_ill() -> None:
    twin = Recipe("blobs", epochs=60)
    assert not Planted("saturated", twin, {"alter": (inputs_times(1.01),)}).honest(0)
    assert Planted("step_small", twin, {"lr": 1e-8}).honest(0)


# ---- counting ----


def test_the_four_rates() -> None:
    found = counted("dead", "sick", "dead", "dead")
    wrong = counted("dead", "sick", "vanishing", "vanishing")
    missed = counted("dead", "watch")
    false = counted(HEALTHY, "sick", "dead", "dead")
    quiet = counted(HEALTHY, "watch")
    # Called ill: found, found, wrong, false. Ill: found, found, wrong, missed, missed.
    everything = [found, found, wrong, missed, missed, false, quiet]
    assert rates(everything) == pytest.approx((3 / 4, 3 / 5, 2 / 4, 2 / 5))
    assert rates([quiet]) == (1, 1, 1, 1)


def test_a_kind_behind_another_counts_where_the_other_is_honest_too() -> None:
    told = ("vanishing", "sick", "initialisation", "initialisation", "vanishing")
    assert not counted(*told).right
    assert counted(*told, also="initialisation").right
    assert not counted(*told[:-1], also="initialisation").right
    assert not counted("vanishing", "watch", "vanishing", also="initialisation").right


def test_a_row_of_the_confusion_table_for_each_planted_kind() -> None:
    table = confusion(
        [
            counted("dead", "sick", "dead", "dead"),
            counted("dead", "sick", "vanishing", "vanishing"),
            counted("dead", "watch", "dead"),
            counted(HEALTHY, "healthy"),
        ]
    )
    assert table == [
        ["planted", HEALTHY, "vanishing", "dead", "right"],
        [HEALTHY, "1", "·", "·", "1 of 1"],
        ["dead", "1", "1", "1", "1 of 3"],
    ]


@dataclass
class Said:
    kind: str
    grade: str


@dataclass
class Answer:
    findings: list[Said]
    verdict: Said | None
    grade: str


def test_only_findings_that_are_sick_count() -> None:
    said = [Said("dead", "sick"), Said("vanishing", "watch")]
    answer: Any = Answer(said, said[0], "sick")
    case = Case("a network", "vanishing", frozenset({"dead"}), Recipe("moons").setting)
    assert judged(case, answer).sick == {"dead"}
    assert not judged(case, answer).right


def test_the_command_takes_the_networks_for_tuning_too(capsys: pytest.CaptureFixture[str]) -> None:
    made = tuning.cases(0)
    assert {case.kind for case in made} == {HEALTHY, *KINDS}
    assert len({case.name for case in made}) == len(made)
    main(["--set", "tuning", "--only", "symmetric"])
    assert "3 networks" in capsys.readouterr().out


# ---- the whole, which takes minutes ----


@pytest.mark.thorough
@pytest.mark.parametrize("illness", WRITTEN)
def test_what_is_written_down_is_honest(illness: str) -> None:
    for planted in WRITTEN[illness]:
        assert planted.honest(0), planted.recipe


@pytest.mark.thorough
def test_precision_and_recall_over_sixty_networks() -> None:
    made = cases(0)
    kinds = Counter("step" if case.kind in STEP else case.kind for case in made)
    assert kinds == dict.fromkeys(WRITTEN, OF_EACH) | {HEALTHY: OF_HEALTHY}
    assert len({case.name for case in made}) == 60
    assert min(rates([judged(case, examine(case, 0)) for case in made])) >= BAR
