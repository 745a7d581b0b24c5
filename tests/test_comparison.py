"""Comparisons: the numbers of a loop written by hand, what is said of them, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.comparison import TASKS, TEXTS, Comparison, Row, compare, median
from tinygrad_edu.errors import OperandError, ShapeError, UnknownNameError
from tinygrad_edu.terminal import Terminal

Array = np.ndarray[Any, np.dtype[Any]]


def by_hand(
    task: str, name: str, seed: int, epochs: int, lr: float, init: str | None = "xavier_normal"
) -> tuple[Array, Array, Array]:
    """Losses, accuracies and δ ratios of one network, each number by the textbook's formula."""
    chosen = TASKS[task]
    x, y = chosen.points()
    first = te.nn.MLP(chosen.widths, name, init=init, seed=seed)
    weights = [np.array(each.data) for each in first.parameters()]
    velocities = [np.zeros_like(each) for each in weights]
    losses, accuracies, ratios = np.empty((3, epochs + 1))
    for epoch in range(epochs + 1):
        leaves = [te.Value(each) for each in weights]
        hidden: Any = x
        sums = []
        for weight, bias in zip(leaves[::2], leaves[1::2], strict=True):
            sums.append(hidden @ weight + bias)
            hidden = te.ACTIVATIONS[name](sums[-1])
        chance = 1 / (1 + np.exp(-sums[-1]))
        loss = -np.mean(y * np.log(chance) + (1 - y) * np.log(1 - chance))
        *slopes, delta, last = te.grad(loss, [*leaves, sums[0], sums[-1]])
        losses[epoch] = loss.data
        accuracies[epoch] = np.mean((sums[-1].data > 0) == (y > 0.5))
        ratios[epoch] = math.sqrt(np.mean(delta**2)) / math.sqrt(np.mean(last**2))
        velocities = [0.9 * v + g for v, g in zip(velocities, slopes, strict=True)]
        weights = [w - lr * v for w, v in zip(weights, velocities, strict=True)]
    return losses, accuracies, ratios


@pytest.mark.parametrize(
    ("task", "name"), [("xor", "tanh"), ("xor", "softmax"), ("moons", "gelu"), ("spirals", "relu")]
)
def test_the_numbers_are_those_of_a_loop_by_hand(task: str, name: str) -> None:
    (row,) = compare(task, [name], seeds=2, epochs=25, lr=0.1).rows
    assert row.name == name
    for seed in range(2):
        expected = by_hand(task, name, seed, epochs=25, lr=0.1)
        for found, wanted in zip((row.losses, row.accuracies, row.ratios), expected, strict=True):
            assert found.shape == (26, 2)
            np.testing.assert_allclose(found[:, seed], wanted, rtol=1e-12)


def test_a_seed_learns_the_same_alone() -> None:
    (alone,) = compare("moons", "tanh", seeds=1, epochs=40).rows
    (three,) = compare("moons", "tanh", seeds=3, epochs=40).rows
    np.testing.assert_allclose(three.losses[:, :1], alone.losses, rtol=1e-12)
    assert not np.allclose(three.losses[:, 1:], alone.losses)


def test_all_start_from_the_same_weights_unless_each_has_its_own() -> None:
    for init in ("he_normal", None):
        result = compare("xor", ["tanh", "relu"], seeds=1, epochs=1, init=init)
        assert result.init == init
        for row in result.rows:
            expected = by_hand("xor", row.name, 0, epochs=1, lr=0.2, init=init)
            np.testing.assert_allclose(row.losses[:, 0], expected[0], rtol=1e-12)
    ones = compare("xor", "tanh", seeds=1, epochs=1, init=lambda shape, _: np.ones(shape))
    assert ones.init is not None
    assert "function" not in ones.init  # its name, not where it lies in memory


def test_linear_never_learns_xor_and_tanh_does() -> None:
    result = compare("xor", ["linear", "tanh"], seeds=3, epochs=200)
    learnt, never = result.rows
    assert (learnt.name, never.name) == ("tanh", "linear")  # the fastest first
    assert never.accuracies.max() <= 0.75  # no straight line has more than three of four right
    assert np.isinf(never.reached).all()
    assert math.isinf(never.epochs)
    # The best that a linear network can do is to answer 0.5 always.
    assert never.loss == pytest.approx(math.log(2), abs=1e-3)
    assert learnt.accuracies[-1].min() == 1
    for seed, epoch in enumerate(learnt.reached.astype(int)):
        assert learnt.accuracies[epoch, seed] >= 0.95 > learnt.accuracies[:epoch, seed].max()


def row(**changes: Any) -> Row:
    """Five epochs of four seeds: one early, one late, one never, one that diverges."""
    accuracies = np.array([[0.5, 0.9, 0.96, 1, 1], [0.5, 0.5, 0.6, 0.7, 0.95]] + 2 * [5 * [0.5]])
    losses = np.array(
        [
            [0.7, 0.5, 0.3, 0.2, 0.1],
            [0.7, 0.6, 0.5, 0.4, 0.3],
            5 * [0.7],
            [1, 9, 99, np.inf, np.nan],
        ]
    )
    ratios = np.array(
        [[1, 2, 3, 90, 90], [1, 1, 5, 7, 8], [4, 4, 4, 4, np.nan], [np.nan, np.nan, 6, 6, 6]]
    )
    known = {"losses": losses.T, "accuracies": accuracies.T, "ratios": ratios.T}
    return Row("mish", **{**known, **changes})


def test_what_is_read_off_a_row() -> None:
    assert row().reached.tolist() == [2, 4, math.inf, math.inf]
    assert row().epochs == 4  # the lower median: half of the seeds are there
    assert math.isinf(row(accuracies=np.full((5, 4), 0.5)).epochs)
    assert row().diverged == 1
    assert row().loss == 0.3
    assert math.isinf(row(losses=np.full((5, 4), np.nan)).loss)
    expected = [[0.7, 0.5, 0.3, 0.2, 0.1], [0.7, 0.6, 0.5, 0.4, 0.3], [1, 9, 99, np.inf, np.inf]]
    np.testing.assert_array_equal(row().band, expected)
    assert row().ratio_at_start == 1
    # Until 95 % are right, seed by seed: medians 2, 5, 4 and 6.
    assert row().ratio == 4


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [([3, 1, 2], 2), ([4, 1, 2, 3], 2), ([math.nan, 5], 5), ([math.inf, 1], 1), ([7], 7)],
)
def test_median_is_the_lower_of_all_that_are_numbers(numbers: list[float], expected: float) -> None:
    assert median(iter(numbers)) == expected


def test_the_median_of_nothing_is_no_number() -> None:
    assert math.isnan(median([]))
    assert math.isnan(median([math.nan]))


HEADS = {
    "en": ("activation", "epochs to 95 %", "seeds that reach it", "final loss"),
    "ja": ("活性化関数", "95 % までのエポック数", "到達したシード", "最後の損失"),
}
WORDS = {
    "en": ("never", "diverged (4/4)", "0.3 (1/4 diverged)", "each activation's own"),
    "ja": ("到達せず", "発散（4/4）", "0.3（1/4 発散）", "活性化関数ごとに選択"),
}


@pytest.mark.parametrize("lang", HEADS)
def test_the_table_and_the_caption_say_it_in_both_languages(lang: str) -> None:
    never, diverged, some, own = WORDS[lang]
    hopeless = row(losses=np.full((5, 4), np.nan), accuracies=np.full((5, 4), 0.5))
    result = Comparison("xor", (2, 8, 1), 4, 4, 4, 0.2, None, (row(), hopeless))
    heads, cells = result.table(lang)
    assert tuple(heads)[:4] == HEADS[lang]
    assert len(heads) == 6
    assert cells == [
        ["mish", "4", "2/4", some, "1", "4"],
        ["mish", never, "0/4", diverged, "1", "4"],
    ]
    caption = result.caption(lang)
    assert all(fact in caption for fact in ("2-8-1", "0.2", "0.9", "95 %", own))
    assert "{" not in caption


def test_both_languages_have_the_same_words() -> None:
    english, japanese = TEXTS["en"], TEXTS["ja"]
    assert english.keys() == japanese.keys()
    assert len(english["columns"]) == len(japanese["columns"])


@pytest.mark.parametrize("name", ["linear", "relu", "softplus"])
def test_a_training_that_diverges_is_told_and_no_warning(name: str) -> None:
    result = compare("moons", name, seeds=2, epochs=60, lr=1e300)
    (only,) = result.rows
    assert only.diverged == 2
    assert math.isinf(only.loss)
    assert result.table()[1][0][3] == "diverged (2/2)"
    assert result.table("ja")[1][0][3] == "発散（2/2）"


def test_the_sixteen_are_the_default_and_nothing_is_done_twice() -> None:
    names = [each.name for each in compare("xor", seeds=1, epochs=1).rows]
    assert sorted(names) == sorted([*te.ACTIVATIONS][:16])
    assert len(compare("xor", ["relu", "relu"], seeds=1, epochs=1).rows) == 1


@pytest.mark.parametrize(
    "name", [name for name, each in te.ACTIVATIONS.items() if each.keeps_width]
)
def test_every_activation_that_keeps_its_width_can_be_compared(name: str) -> None:
    result = compare("xor", name, seeds=2, epochs=2)
    assert np.isfinite(result.rows[0].losses).all()


def test_the_terminal_hears_how_far_it_is() -> None:
    heard: list[tuple[str, int]] = []

    class Listening(Terminal):
        @contextmanager
        def progress(self, label: str, total: int, done: int = 0) -> Iterator[Callable[..., None]]:
            yield lambda done: heard.append((f"{label} {total}", done))

    compare("xor", ["relu", "tanh"], seeds=1, epochs=100, terminal=Listening())
    assert {label for label, _ in heard} == {"xor 200"}
    assert all(before <= after for (_, before), (_, after) in pairwise(heard))
    assert heard[-1][1] == 200


BAD: Mapping[str, tuple[Callable[[], object], type[Exception], str]] = {
    "task": (lambda: compare("moon"), UnknownNameError, "no task 'moon'.*moons"),
    "name": (lambda: compare("xor", ["ReLU"]), UnknownNameError, "relu"),
    "no name": (lambda: compare("xor", []), OperandError, "at least one activation"),
    "glu": (lambda: compare("xor", ["relu", "glu"]), ShapeError, "glu.*leave it out"),
    "swiglu": (lambda: compare("xor", "swiglu"), ShapeError, "swiglu.*leave it out"),
    "no seed": (lambda: compare("xor", seeds=0), OperandError, "seeds.*from 1 up, not 0"),
    "half a seed": (lambda: compare("xor", seeds=0.5), OperandError, "seeds.*not 0.5"),  # type: ignore[arg-type]
    "no epoch": (lambda: compare("xor", epochs=0), OperandError, "epochs.*from 1 up, not 0"),
    "lr": (lambda: compare("xor", lr=-1), OperandError, "lr must be a positive number, not -1"),
    "init": (lambda: compare("xor", init="xavier"), UnknownNameError, "xavier_"),
    "table": (
        lambda: compare("xor", "relu", seeds=1, epochs=1).table("fr"),
        UnknownNameError,
        "'fr'.*en and ja",
    ),
    "caption": (
        lambda: compare("xor", "relu", seeds=1, epochs=1).caption("fr"),
        UnknownNameError,
        "'fr'.*en and ja",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_compared_is_refused(case: str) -> None:
    make, kind, message = BAD[case]
    with pytest.raises(kind, match=message):
        make()


# ---- what it teaches ----


def test_the_first_ratio_is_that_of_backpropagation_in_plain_numpy() -> None:
    x, y = te.data.moons(100)
    generator = np.random.default_rng(0)
    one, two, three = (
        generator.standard_normal(shape) * math.sqrt(2 / sum(shape))
        for shape in ((2, 16), (16, 16), (16, 1))
    )
    h1 = np.tanh(x @ one)
    h2 = np.tanh(h1 @ two)
    last = (1 / (1 + np.exp(-h2 @ three)) - y) / len(x)
    first = ((last @ three.T * (1 - h2**2)) @ two.T) * (1 - h1**2)
    ratio = math.sqrt(np.mean(first**2) / np.mean(last**2))
    (tanh,) = compare("moons", "tanh", seeds=1, epochs=1).rows
    assert tanh.ratio_at_start == pytest.approx(ratio, rel=1e-12)


def test_on_xor_all_but_linear_learn_and_sigmoid_last() -> None:
    *learnt, never = compare("xor").rows
    assert never.name == "linear"
    assert learnt[-1].name == "sigmoid"
    assert all(row.epochs < TASKS["xor"].epochs for row in learnt)


@pytest.mark.thorough
def test_moons_are_learnt_late_or_never_where_the_function_or_the_gradient_fails() -> None:
    rows = {row.name: row for row in compare("moons", ["linear", "sigmoid", "tanh", "relu"]).rows}
    assert rows["relu"].epochs < 150
    assert rows["tanh"].epochs < 150
    assert rows["sigmoid"].epochs > 500
    assert rows["linear"].accuracies.max() < 0.95
    # Linear's gradient arrives all the same.
    ratios = [rows[name].ratio_at_start for name in ("sigmoid", "tanh", "linear")]
    assert ratios[0] < 0.1 < ratios[1] < ratios[2]


@pytest.mark.thorough
def test_spirals_need_more_than_moons() -> None:
    names = ["linear", "sigmoid", "tanh", "relu"]
    moons, spirals = (
        {row.name: row for row in compare(task, names).rows} for task in ("moons", "spirals")
    )
    for name in ("tanh", "relu"):
        assert 3 * moons[name].epochs < spirals[name].epochs
    assert spirals["relu"].epochs < 600
    assert spirals["linear"].epochs == spirals["sigmoid"].epochs == math.inf


# ---- the edges of the definitions ----


@pytest.mark.parametrize(
    ("reached", "expected"),
    [
        ((4,), 4),
        ((math.inf,), math.inf),
        ((3, math.inf, 1), 3),
        ((3, math.inf, math.inf), math.inf),
        ((0, math.inf), 0),
        ((4, math.inf, 2, math.inf), 4),
        ((4, math.inf, math.inf, math.inf), math.inf),
    ],
)
def test_never_is_where_fewer_than_half_get_there(
    reached: tuple[float, ...], expected: float
) -> None:
    accuracies = np.where(np.arange(5)[:, None] >= np.array(reached), 0.95, 0.9499)
    assert row(accuracies=accuracies).reached.tolist() == list(reached)
    assert row(accuracies=accuracies).epochs == expected


def test_the_first_time_counts() -> None:
    assert row(accuracies=np.array([[0.5], [0.96], [0.5], [1.0]])).epochs == 1


def test_the_ratio_while_learning_ends_where_it_has_learnt() -> None:
    accuracies = np.array([[0.5], [0.5], [1.0], [1.0], [1.0]])
    ratios = 10.0 ** -np.arange(5)[:, None]
    assert row(accuracies=accuracies, ratios=ratios).ratio == pytest.approx(0.1)
    assert row(accuracies=accuracies / 2, ratios=ratios).ratio == pytest.approx(0.01)


def test_one_seed_diverges_alone() -> None:
    scales = iter([1e160] * 3 + [0.5] * 6)  # of the three layers of each seed

    def init(shape: tuple[int, int], generator: np.random.Generator) -> Array:
        return generator.standard_normal(shape) * next(scales)

    (relu,) = compare("moons", "relu", seeds=3, epochs=10, init=init).rows
    assert np.isfinite(relu.losses[-1]).tolist() == [False, True, True]
    assert np.isfinite(relu.losses[:, 1:]).all()
    assert relu.diverged == 1
    assert math.isfinite(relu.loss)


@pytest.mark.parametrize("lr", [1e3, 1e200, 1e308])
def test_no_learning_rate_gives_a_warning(lr: float) -> None:
    names = [name for name, each in te.ACTIVATIONS.items() if each.keeps_width]
    rows = {row.name: row for row in compare("xor", names, seeds=2, epochs=20, lr=lr).rows}
    assert rows.keys() == set(names)
    assert math.isinf(rows["linear"].epochs)
    if lr > 1e100:
        assert rows["linear"].diverged == 2
        assert np.isnan(rows["linear"].losses[-1]).all()
        # What is not a number is on neither side.
        assert (rows["linear"].accuracies[-1] == 0).all()
