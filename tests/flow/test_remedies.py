"""What is claimed of a remedy is what its re-run has shown."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.errors import OperandError, UnknownNameError
from tinygrad_edu.flow.known_remedies import ORDERS, REMEDIES
from tinygrad_edu.flow.remedies import (
    Remedies,
    Trial,
    Tried,
    enough,
    guessed,
    judge,
    try_remedies,
)
from tinygrad_edu.nn.losses import bce, bce_with_logits, cross_entropy, mae, mse

DATA = te.data.moons(40, seed=0)


def dead(seed: int) -> Any:
    """Units that are 0 for every point of the moons."""
    model: Any = te.nn.MLP([2, 8, 1], "relu", seed=seed)
    model.layers[0].bias.data = np.full(8, -100.0)
    return model


def adam(parameters: list[te.Value]) -> te.optim.Optimizer:
    return te.optim.Adam(parameters, lr=0.05)


def tried(make_model: Any = dead, **options: Any) -> Remedies:
    given: dict[str, Any] = {"seeds": 2, "epochs": 60, "progress": False} | options
    return try_remedies(make_model, DATA, bce_with_logits, adam, **given)


def trial(learnt: bool, loss: float, seed: int = 0, start: float = 1.0) -> Trial:
    flow = te.flow.Flow(["only"], [], 1)
    flow.losses, flow.guessing = [1.0, loss], [1.0, 1.0]
    for rows in flow.series.values():
        rows["only"] = [1.0, 1.0]
    found = te.flow.diagnose(flow, learnt=learnt)
    return Trial(seed, (start, loss), (1.0,), (1.0,), 1.0, loss, 1.0, learnt, found)


def several(learnt: int, losses: list[float], name: str = "relu") -> Tried:
    start = 1.0 if name == "before" else 1.5  # what changes something changes the losses
    runs = tuple(trial(i < learnt, loss, i, start) for i, loss in enumerate(losses))
    return Tried(REMEDIES.get(name), runs)


# ---- what guessing costs, at best ----


class Constant(te.nn.Module):
    """Answers that have nothing to do with x."""

    def __init__(self, answers: Any) -> None:
        self.answers = np.asarray(answers, float)

    def forward(self, x: Any) -> Any:
        return te.Value(self.answers, requires_grad=False)


def test_guessing_a_number_costs_the_variance() -> None:
    y = np.random.default_rng(0).normal(50, 3, (30, 2))
    model = Constant(np.random.default_rng(1).normal(size=(30, 2)))
    assert guessed(model, (y, y), mse) == pytest.approx(np.mean(np.var(y, axis=0)), rel=1e-9)


def test_guessing_a_class_costs_the_entropy_of_the_shares() -> None:
    shares = np.array([0.2, 0.3, 0.5])
    y = np.repeat([0, 1, 2], [4, 6, 10])
    wild = np.random.default_rng(0).normal(0, 20, (20, 3))
    entropy = -np.sum(shares * np.log(shares))
    assert guessed(Constant(wild), (wild, y), cross_entropy) == pytest.approx(entropy, rel=1e-8)

    sides = np.asarray(y == 2, float)[:, None]
    two = math.log(2)
    assert guessed(Constant(wild[:, :1]), (y, sides), bce_with_logits) == pytest.approx(two)
    probabilities = np.full((20, 1), 0.9)
    assert guessed(Constant(probabilities), (y, sides), bce) == pytest.approx(two)


@pytest.mark.parametrize("size", [40.0, 1e4])
def test_wild_answers_do_not_make_guessing_dearer(size: float) -> None:
    sides = np.arange(20.0)[:, None] % 2
    wild = size + np.random.default_rng(0).normal(0, size / 10, (20, 1))
    found = guessed(Constant(wild), (sides, sides), bce_with_logits)
    assert found == pytest.approx(math.log(2), rel=1e-9)


def test_guessing_is_never_dearer_than_the_mean_answer() -> None:
    y = np.random.default_rng(0).normal(size=(9, 1))
    answers = y + 1
    expected = np.mean(np.abs(np.mean(answers) - y))
    assert guessed(Constant(answers), (y, y), mae) <= expected * (1 + 1e-12)


# ---- verdicts ----


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ((0, [0.7] * 5), (4, [0.1] * 5), "cured"),
        ((0, [0.7] * 5), (3, [0.1] * 5), "better"),
        ((4, [0.1] * 5), (5, [0.1] * 5), "cured"),
        ((5, [0.1] * 5), (5, [0.1] * 5), "no help"),
        ((5, [0.1] * 5), (4, [0.1] * 5), "worse"),
        ((0, [0.7] * 5), (0, [0.5] * 5), "better"),
        ((0, [0.7] * 5), (0, [0.65] * 5), "no help"),
        ((0, [0.7] * 5), (0, [0.9] * 5), "worse"),
        ((0, [0.7] * 5), (0, [math.inf] * 5), "worse"),
        ((0, [math.inf] * 5), (0, [math.inf] * 5), "no help"),
        ((0, [math.inf] * 5), (0, [0.7] * 5), "better"),
    ],
)
def test_the_verdict_follows_from_the_trainings(before: Any, after: Any, verdict: str) -> None:
    assert judge(several(*after), several(before[0], before[1], "before")) == verdict


def test_what_changes_nothing_at_all_was_not_applicable() -> None:
    runs = several(0, [0.7] * 5).runs
    assert judge(Tried(REMEDIES["xavier"], runs), Tried(None, runs)) == "not applicable"


def test_four_of_five_must_learn() -> None:
    assert [enough(count) for count in (1, 2, 3, 4, 5, 10)] == [1, 2, 3, 4, 4, 8]


# ---- trainings ----


def test_dead_units_are_cured_by_what_brings_them_back() -> None:
    found = tried()
    assert found.before.learnt == 0
    assert found.diagnosis.verdict is not None
    assert found.diagnosis.verdict.kind in ("dead", "initialisation")
    assert {"xavier", "he"} <= set(found.cures)  # biases are 0 again
    assert "before" not in found.cures


def test_no_cure_is_claimed_that_a_training_by_hand_does_not_show() -> None:
    found = tried(remedies=["leaky_relu", "he", "clipping"])
    for name in ("leaky_relu", "he", "clipping"):
        for run in found[name].runs:
            model: Any = dead(run.seed)
            if name == "he":
                model = te.nn.MLP([2, 8, 1], "relu", init="he_normal", seed=run.seed)
            elif name == "leaky_relu":
                model.activation = te.activations.leaky_relu
            history = te.train.fit(
                model,
                DATA,
                bce_with_logits,
                adam(model.parameters()),
                epochs=60,
                seed=run.seed,
                clip_norm=1.0 if name == "clipping" else None,
                progress=False,
            )
            assert run.losses == tuple(history.losses)
            loss = te.train.evaluate(model, DATA, bce_with_logits)["loss"]
            assert run.loss == loss
            assert run.learnt == (loss <= 0.5 * run.guessing)


def test_every_seed_starts_from_the_weights_it_had_before() -> None:
    found = tried(remedies=["smaller_step"], seeds=[4, 7])
    assert [run.seed for run in found["smaller_step"].runs] == [4, 7]
    for before, after in zip(found.before.runs, found["smaller_step"].runs, strict=True):
        assert before.losses[0] == after.losses[0]
        assert before.delta_first == after.delta_first


def test_steps_and_penalties_are_what_their_code_says() -> None:
    def healthy(seed: int) -> te.nn.Module:
        return te.nn.MLP([2, 8, 1], "tanh", seed=seed)

    found = tried(healthy, remedies=["smaller_step", "l2"], seeds=1, epochs=5)
    for name, rate, penalty in (("smaller_step", 0.005, 0.0), ("l2", 0.05, 1e-3)):
        model = healthy(0)

        def loss(
            prediction: Any, target: Any, model: Any = model, penalty: float = penalty
        ) -> te.Value:
            return bce_with_logits(prediction, target) + penalty * te.nn.losses.l2(model)

        history = te.train.fit(
            model,
            DATA,
            loss,
            te.optim.Adam(model.parameters(), lr=rate),
            epochs=5,
            progress=False,
        )
        assert found[name].runs[0].losses == pytest.approx(history.losses, rel=1e-12)


def test_a_training_that_diverges_has_no_loss_and_has_not_learnt() -> None:
    found = try_remedies(
        lambda seed: te.nn.MLP([2, 8, 1], "linear", seed=seed),
        DATA,
        mse,
        lambda parameters: te.optim.SGD(parameters, lr=1e30),
        seeds=1,
        epochs=30,
        remedies=["smallest_step"],
        progress=False,
    )
    (run,) = found.before.runs
    assert run.loss == math.inf
    # What guessing costs is a matter of the data alone.
    assert run.guessing == pytest.approx(np.var(DATA[1]), rel=1e-9)
    assert "epoch" in run.error
    assert not run.learnt
    assert found.before.ratio > 0 or math.isnan(found.before.ratio)


def test_what_cannot_be_changed_is_said_to_be_so() -> None:
    found = tried(lambda seed: te.nn.Sequential(te.nn.Linear(2, 1, seed=seed)), remedies=["relu"])
    assert found["relu"].verdict == "not applicable"
    assert found["relu"].runs == ()
    assert "nothing to change" in found.table()


def test_the_order_is_the_articles_and_everything_is_everything() -> None:
    assert ORDERS["vanishing"][:2] == ("relu", "leaky_relu")
    assert ORDERS["vanishing"].index("batchnorm") < ORDERS["vanishing"].index("xavier")
    assert ORDERS["exploding"][:2] == ("clipping", "l2")
    assert set(ORDERS) == set(te.flow.KINDS)
    found = tried(epochs=1, seeds=1, everything=True)
    assert sorted(each.name for each in found.tried) == sorted(REMEDIES)


def test_the_first_cure_may_be_the_last_that_is_tried() -> None:
    found = tried(remedies=["clipping", "he", "l2"], until_cured=True)
    assert [each.name for each in found.tried] == ["clipping", "he"]
    assert found.cures == ("he",)


def test_processes_give_what_one_process_gives() -> None:
    alone = tried(remedies=["he"], epochs=3)
    with ProcessPoolExecutor(2) as processes:
        together = tried(remedies=["he"], epochs=3, executor=processes)
    for mine, theirs in zip(alone["he"].runs, together["he"].runs, strict=True):
        assert replace(mine, diagnosis=None) == replace(theirs, diagnosis=None)  # type: ignore[arg-type]


def test_the_table_says_what_to_write_in_both_languages() -> None:
    before = several(0, [0.7] * 5, name="before")
    cured, worse = several(5, [0.1] * 5, "he"), several(0, [2.0] * 5, "l2")
    found = Remedies(before, (replace(cured, verdict="cured"), replace(worse, verdict="worse")))
    for lang, words in (("en", ("Cured by", "Worse with")), ("ja", ("効いた対策", "悪化"))):
        table = found.table(lang)
        assert all(word in table for word in words)
        assert REMEDIES["he"].code in table
        assert REMEDIES["l2"].title[lang] in table
    assert "<table>" in found._repr_html_()
    with pytest.raises(UnknownNameError):
        found.table("fr")
    with pytest.raises(UnknownNameError, match="he"):
        found["hee"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"remedies": ["prayer"]}, UnknownNameError, "no remedy 'prayer'"),
        ({"seeds": 0}, OperandError, "1 or more"),
        ({"seeds": []}, OperandError, "empty list"),
        ({"make_model": lambda seed: None}, OperandError, "make_model"),
    ],
)
def test_what_is_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tried(**options)
