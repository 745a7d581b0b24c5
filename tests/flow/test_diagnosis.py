"""What a training is said to suffer from: textbook cases, limits on both sides, the gate, texts."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.errors import NonFiniteError, OperandError, UnknownNameError
from tinygrad_edu.flow import KINDS, Diagnosis, Flow, diagnose, learning, symptoms
from tinygrad_edu.flow.diagnosis_texts import ADVICE, COMMENTS, NAMES, REASONS, VERDICTS
from tinygrad_edu.terminal import Terminal

SGD, Adam = te.optim.SGD, te.optim.Adam


# ---- trainings ----


def trained(
    model: te.nn.Module, rate: float = 0.1, epochs: int = 60, rule: Any = SGD, **options: Any
) -> Diagnosis:
    """What is said of a model after its training, by default on two half circles."""
    x, y = options.pop("data", None) or te.data.moons(80, seed=1)
    tracker = te.flow.Tracker(every=5)
    loss = options.pop("loss", te.nn.losses.bce_with_logits)
    optimizer = rule(model.parameters(), lr=rate)
    try:
        with np.errstate(all="ignore"):
            te.train.fit(
                model,
                (x, y),
                loss,
                optimizer,
                epochs=epochs,
                callbacks=[tracker],
                progress=False,
                **options,
            )
    except NonFiniteError:
        pass
    return diagnose(tracker.flow)


def mlp(depth: int, act: str, width: int = 16, **options: Any) -> te.nn.MLP:
    return te.nn.MLP([2, *[width] * depth, 1], act, **options)


class LastState(te.nn.Module):
    def __init__(self, factor: float) -> None:
        self.rnn = te.nn.RNN(1, 16)
        self.rnn.recurrent_weight.data = factor * self.rnn.recurrent_weight.data
        self.head = te.nn.Linear(16, 1)

    def forward(self, x: Any) -> Any:
        return self.head(self.rnn(x)[1])


def sequences() -> tuple[Any, Any]:
    x = np.random.default_rng(0).normal(size=(32, 30, 1))
    return x, (x[:, 0] > 0).astype(float)


def quarters(scale: float = 1.0) -> tuple[Any, Any]:
    """Is a point in the first or third quarter of the plane?"""
    x = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    return x * scale, (x[:, :1] * x[:, 1:] > 0).astype(float)


def far_wave() -> tuple[Any, Any]:
    x, y = te.data.regression_1d(60)
    return x, 30 * y + 20


def with_a_hole() -> tuple[Any, Any]:
    x, y = te.data.moons(80, seed=1)
    x[50, 0] = math.nan
    return x, y


def shifted(depth: int, act: str, bias: float) -> te.nn.MLP:
    model = mlp(depth, act)
    for layer in model.layers[:-1]:
        assert layer.bias is not None
        layer.bias.data = layer.bias.data + bias
    return model


normal, constant = te.nn.init.normal, te.nn.init.constant
TEXTBOOK: dict[str, tuple[str, Callable[[], Diagnosis]]] = {
    "sigmoid at depth 10": ("vanishing", lambda: trained(mlp(10, "sigmoid", 32))),
    "forgetful RNN": (
        "vanishing",
        lambda: trained(LastState(0.3), data=sequences(), epochs=15),
    ),
    "RNN with large recurrent weights": (
        "exploding",
        lambda: trained(LastState(4.0), data=sequences(), epochs=15),
    ),
    "N(0, 1) before tanh": (
        "initialisation",
        lambda: trained(mlp(12, "tanh", 64, init=partial(normal)), 0.01, 30, data=quarters()),
    ),
    "tiny weights": (
        "initialisation",
        lambda: trained(mlp(5, "relu", 32, init=partial(normal, std=0.003))),
    ),
    "dead after a huge step": ("dead", lambda: trained(mlp(3, "relu"), 50)),
    "dead from the start": ("dead", lambda: trained(shifted(3, "relu", -9.0))),
    "inputs in thousands": (
        "saturated",
        lambda: trained(mlp(3, "tanh"), 0.05, data=quarters(1e4)),
    ),
    "equal weights": (
        "symmetric",
        lambda: trained(mlp(2, "tanh", init=partial(constant, value=1)), data=quarters()),
    ),
    "zeros": ("symmetric", lambda: trained(mlp(2, "relu", init="zeros"))),
    "rate 100": ("step_large", lambda: trained(mlp(2, "tanh"), 100)),
    "Adam's rate 10": (
        "step_large",
        lambda: trained(mlp(2, "tanh"), 10, 8, Adam, batch_size=16),
    ),
    "rate 1e-9": ("step_small", lambda: trained(mlp(2, "tanh"), 1e-9)),
    "rate 3e-4": ("step_small", lambda: trained(mlp(2, "tanh"), 3e-4)),
    "NaN in the data": (
        "non_finite",
        lambda: trained(mlp(2, "tanh"), batch_size=20, data=with_a_hole()),
    ),
}
HEALTHY: dict[str, Callable[[], Diagnosis]] = {
    "noisy batches": lambda: trained(mlp(2, "relu"), 0.2, 30, batch_size=8),
    "deep ReLU": lambda: trained(mlp(8, "relu", 32), 0.003, 40, Adam),
    "to a loss of nearly 0": lambda: trained(mlp(2, "tanh"), 0.05, 300, Adam),
    "large targets": lambda: trained(
        te.nn.MLP([1, 32, 1], "tanh"),
        0.1,
        200,
        Adam,
        loss=te.nn.losses.mse,
        data=far_wave(),
    ),
    "one layer": lambda: trained(te.nn.Linear(2, 1), 0.5, 60),
}


@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_cases_have_their_cause_first(name: str) -> None:
    kind, train = TEXTBOOK[name]
    found = train()
    assert found.learning.failed
    assert found.verdict is not None
    assert (found.verdict.kind, found.verdict.grade, found.grade) == (kind, "sick", "sick")
    assert "NOT LEARNING" in str(found)


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_trainings_are_not_accused(name: str) -> None:
    found = HEALTHY[name]()
    assert not found.learning.failed
    assert not found.findings, found


# ---- flows made by hand ----

FAILED, LEARNT = [0.7] * 50, np.geomspace(0.7, 0.01, 50).tolist()
OWN = {"sigmoid": 2.0, "tanh": 1.5, "relu": 2.0}


def made(
    losses: Any = FAILED,
    guessing: float = 0.7,
    delta: Any = (1.0, 1.0, 1.0),
    act: str = "tanh",
    **looked: Any,
) -> Flow:
    """A flow that was looked at in every pass, with the same numbers for each of them."""
    names = [f"layers.{i}" for i in range(len(delta))]
    flow, count = Flow(names, [], 1), len(losses)
    flow.losses, flow.guessing = list(losses), [guessing] * count
    for name, each in zip(names, delta, strict=True):
        flow.activations[name], flow.sigma_w2[name] = act, looked.get("sigma_w2", OWN[act])
        flow.fans[name] = 32, 32
        flow.delta[name] += [each] * count
        for quantity, row in flow.series.items():
            if quantity != "delta":
                numbers = looked.get(quantity, math.nan)
                row[name] += numbers if isinstance(numbers, list) else [numbers] * count
    return flow


def told(flow: Flow, kind: str, **options: Any) -> str:
    """The grade of a kind, empty where it is not found."""
    return "".join(each.grade for each in diagnose(flow, **options).findings if each.kind == kind)


SATURATED = 0.5 + (1 - math.erf(2.178272210301 / math.sqrt(2))) / 2
SIDES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("vanishing", {"delta": (0.11, 1.0, 1.0)}, ""),
    ("vanishing", {"delta": (0.09, 1.0, 1.0)}, "watch"),
    ("vanishing", {"delta": (1.1e-3, 1.0, 1.0)}, "watch"),
    ("vanishing", {"delta": (0.9e-3, 1.0, 1.0)}, "sick"),
    ("vanishing", {"delta": (0.9e-6, 1e-3, 1e-3)}, "sick"),
    ("exploding", {"delta": (9.0, 1.0, 1.0)}, ""),
    ("exploding", {"delta": (11.0, 1.0, 1.0)}, "watch"),
    ("exploding", {"delta": (69.0, 1.0, 1.0)}, "watch"),
    ("exploding", {"delta": (71.0, 1.0, 1.0)}, "sick"),
    ("exploding", {"delta": (math.nan, 71.0, 1.0)}, "sick"),  # the first layer is frozen
    ("dead", {"dead": 0.49, "act": "relu"}, ""),
    ("dead", {"dead": 0.51, "act": "relu"}, "watch"),
    ("dead", {"dead": 0.69, "act": "relu"}, "watch"),
    ("dead", {"dead": 0.71, "act": "relu"}, "sick"),
    ("saturated", {"saturated": SATURATED - 0.01}, ""),
    ("saturated", {"saturated": SATURATED + 0.01}, "sick"),
    ("saturated", {"saturated": 0.49, "act": "sigmoid"}, ""),
    ("saturated", {"saturated": 0.51, "act": "sigmoid"}, "sick"),
    ("saturated", {"saturated": 0.99, "act": "relu"}, ""),  # that is no illness but when dead
    ("symmetric", {"symmetric": 0.49}, ""),
    ("symmetric", {"symmetric": 0.51}, "sick"),
    ("symmetric", {"sigma_w2": 0.0}, "sick"),
    ("symmetric", {"symmetric": [1.0] + [0.0] * 49}, "sick"),
    ("step_small", {"update": 1.1e-4, "losses": [0.7] * 1000}, ""),
    ("step_small", {"update": 0.9e-4, "losses": [0.7] * 1000}, "sick"),
    ("step_large", {"update": 0.09}, ""),
    ("step_large", {"update": 0.11}, "watch"),  # it has done no harm
    ("step_large", {"update": 0.11, "losses": [0.7, *[9.0] * 49]}, "sick"),
    # Xavier's rule for tanh is 1, He's 1/E φ² = 2.54; each layer is 10 times off, or all are 4.
    ("initialisation", {"sigma_w2": 25.0 * 0.38, "delta": (50.0, 1.0, 1.0)}, ""),
    ("initialisation", {"sigma_w2": 25.0 * 0.42, "delta": (50.0, 1.0, 1.0)}, "sick"),
    ("initialisation", {"sigma_w2": 0.26, "delta": (0.01, 1.0, 1.0)}, ""),
    ("initialisation", {"sigma_w2": 0.24, "delta": (0.01, 1.0, 1.0)}, "sick"),
    ("initialisation", {"sigma_w2": 0.24, "delta": (math.nan, 1.0, 1.0)}, ""),
    ("initialisation", {"sigma_w2": 0.24}, ""),  # nothing has come of it
    ("initialisation", {"sigma_w2": 99.0, "saturated": 0.9}, "sick"),
)


def check(sides: Any = SIDES) -> None:
    for kind, options, grade in sides:
        assert told(made(**options), kind) == grade, (kind, options)


def test_each_limit_from_both_sides() -> None:
    check()


def test_the_limits_are_those_of_the_papers() -> None:
    assert symptoms.VANISHING == (1e-1, 1e-3)
    assert symptoms.EXPLODING == (10, 70)
    assert (symptoms.LEAST_UPDATE, symptoms.MOST_UPDATE) == (1e-4, 1e-1)
    assert (symptoms.MOST, symptoms.DYING) == (0.5, 0.7)


MUTANTS: dict[str, tuple[str, Any]] = {
    "comparison swapped": ("beyond", lambda value, limit, kind: value > limit),
    "equal sides": ("beyond", lambda value, limit, kind: value < limit),
    "vanishing by the absolute number": ("VANISHING", (1e-1, 1e-7)),
    "one limit for both": ("VANISHING", (1e-1, 1e-1)),
    "exploding early": ("EXPLODING", (10.0, 10.0)),
    "exploding late": ("EXPLODING", (10.0, 100.0)),
    "dead as half": ("DYING", 0.5),
    "dead as most": ("MOST", 0.7),
    "small step": ("LEAST_UPDATE", 1e-3),
    "large step": ("MOST_UPDATE", 1.0),
    "far": ("FAR", 100.0),
    "far everywhere": ("FAR_EACH", 10.0),
    "flat like ReLU": ("most_flat", lambda op: 0.75),
    "ReLU's flat half": ("silent", lambda op: False),
    "no harm": ("ruined", lambda view: True),
    "harm": ("ruined", lambda view: False),
    "no consequence": ("harmed", lambda view: True),
    "guessing is learning": ("BETTER", 1.1),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    room = learning if name == "guessing is learning" else symptoms
    monkeypatch.setattr(room, *MUTANTS[name])
    if name == "far":  # one layer alone
        flow = made(delta=(50.0, 1.0, 1.0))
        flow.sigma_w2["layers.0"] = 30.0
        assert not told(flow, "initialisation")
        monkeypatch.undo()
        assert told(flow, "initialisation") == "sick"
        return
    with pytest.raises(AssertionError):
        check()


# ---- the gate ----


@pytest.mark.parametrize(
    "options",
    [
        {"delta": (1e-9, 1.0, 1.0)},
        {"delta": (1e9, 1.0, 1.0)},
        {"dead": 1.0, "act": "relu"},
        {"saturated": 1.0},
        {"symmetric": 1.0},
        {"update": 0.5},
        {"update": 1e-6},
        {"sigma_w2": 99.0, "saturated": 0.9},
    ],
)
def test_a_symptom_without_failure_is_worth_watching_at_most(options: dict[str, Any]) -> None:
    assert diagnose(made(LEARNT, **options)).grade == "watch"
    assert diagnose(made(LEARNT, **options), learnt=True).grade == "watch"
    if "update" not in options:
        assert diagnose(made(**options)).grade == "sick"
        assert diagnose(made(LEARNT, **options), learnt=False).grade == "sick"
        assert diagnose(made(**options), learnt=True).grade == "watch"


NOISE = np.random.default_rng(0).gamma(8, 1 / 8, 400)  # mean squares of 16 numbers


@pytest.mark.parametrize(
    ("losses", "guessing", "failed"),
    [
        (FAILED, 0.7, True),
        (LEARNT, 0.7, False),
        ([0.7] * 80 + np.geomspace(0.7, 0.05, 20).tolist(), 0.7, False),  # a plateau first
        (np.linspace(0.8, 0.65, 100), 0.7, False),  # it is getting there
        (np.linspace(0.8, 0.799, 100), 0.7, True),  # but not at this pace
        (LEARNT[:30] + [0.69] * 20, 0.7, True),  # lost again
        ([0.7, *[30.0] * 99], 0.7, True),
        (np.geomspace(5e4, 30, 100), 0.7, True),  # falling, and still wild
        ([0.7, *np.geomspace(5e4, 0.8, 99)], 0.7, True),  # back to where it was
        ([0.55] * 100, 0.7, True),  # a lucky start is no learning
        (NOISE, 1.0, True),
        (NOISE * np.linspace(1, 0.2, 400), 1.0, False),
        (np.linspace(1, 0.2, 100), math.nan, False),  # a row at a time
        (NOISE, math.nan, True),
        ([*LEARNT, math.inf], 0.7, True),
        ([0.9, 0.8, 0.8], 0.7, False),  # no time to learn
    ],
)
def test_failure_to_learn_is_read_off_the_losses(
    losses: Any, guessing: float, failed: bool
) -> None:
    assert diagnose(made(losses, guessing)).learning.failed is failed


def test_guessing_is_not_what_wild_answers_cost() -> None:
    flow = made([0.7, *[60.0] * 99])
    flow.guessing = [0.7, *[80.0] * 99]  # below which 60 is no success
    learning = diagnose(flow).learning
    assert learning.failed
    assert learning.guessing == 0.7


def test_the_noise_of_batches_is_no_oscillation() -> None:
    assert not told(made(NOISE, 1.0), "oscillation")
    assert not told(made(NOISE * 0.1, 1.0), "oscillation")
    to_and_fro = np.where(np.arange(100) % 2, 0.4, 1.2)
    assert told(made(to_and_fro, 0.7), "oscillation") == "sick"
    assert told(made(to_and_fro / 100, 0.7), "oscillation") == ""
    assert (
        diagnose(made(to_and_fro, 0.7, update=0.2)).verdict
        == diagnose(made(to_and_fro, 0.7)).verdict
    )


# ---- edges ----


def test_nothing_measured_says_what_to_do() -> None:
    with pytest.raises(OperandError, match=r"te\.flow\.track\(model\)"):
        diagnose(made([]))


def test_one_layer_has_no_ratio() -> None:
    assert diagnose(made(delta=(1e-30,))).findings == ()


def test_losses_that_are_no_numbers_leave_the_question_open() -> None:
    # Many numbers were differentiated, say, and no step was taken.
    found = diagnose(made([math.nan] * 20, math.nan, update=0.0))
    assert not found.findings
    assert not found.learning.failed
    assert "cannot be told" in str(found)
    assert "判断できません" in found.learning.line("ja")


def test_numbers_that_are_not_finite() -> None:
    lost = made([0.7] * 3 + [math.nan] * 3, delta=(math.nan,) * 3)
    for name in lost.layers:
        lost.delta[name][:3] = [1.0] * 3
    found = diagnose(lost).verdict
    assert found is not None
    assert (found.kind, found.grade, found.step) == ("non_finite", "sick", 3)
    lost = made([0.7] * 3 + [math.nan] * 3)  # with a δ of some layer that is finite
    assert [each.kind for each in diagnose(lost).findings] == ["non_finite"]
    overflown = made(delta=(1.0, math.inf, 1.0))
    found = diagnose(overflown).verdict
    assert found is not None
    assert (found.kind, found.layer, found.step) == ("non_finite", "layers.1", 0)


def test_a_step_that_overflows_is_the_cause_of_nan() -> None:
    lost = made([0.7, math.nan], delta=(math.nan,) * 3, update=1e20)
    for name in lost.layers:
        lost.delta[name][0] = 1.0
    assert [each.kind for each in diagnose(lost).findings] == ["step_large", "non_finite"]


def test_a_step_is_not_blamed_for_what_was_there_before_it() -> None:
    wild = made([50.0, *[1e9] * 49], update=5.0, delta=(30.0, 1.0, 1.0))
    wild.delta["layers.0"][1:] = [1e3] * 49
    assert [each.kind for each in diagnose(wild).findings] == ["exploding", "step_large"]
    wild.losses[0] = 0.7
    assert [each.kind for each in diagnose(wild).findings] == ["step_large", "exploding"]


def test_units_that_became_alike_are_no_cause() -> None:
    thrown = made([0.7, *[1e9] * 49], update=5.0, symmetric=[0.0, *[1.0] * 49])
    assert [each.kind for each in diagnose(thrown).findings] == ["step_large", "symmetric"]


def test_causes_come_before_what_follows_from_them() -> None:
    ill: dict[str, Any] = {
        "dead": 1.0,
        "delta": (1e-9, 1.0, 1.0),
        "symmetric": 1.0,
        "sigma_w2": 1e-4,
    }
    kinds = [each.kind for each in diagnose(made(act="relu", **ill)).findings]
    assert kinds == ["symmetric", "initialisation", "vanishing", "dead"]


def test_time_steps_of_an_rnn() -> None:
    flow = made()
    flow.over_time["layers.0"] = [[1.0, 0.1, 0.01, 1e-4]] * 50
    found = diagnose(flow).verdict
    assert found is not None
    assert (found.kind, found.layer, found.value) == ("vanishing", "layers.0", 1e-4)
    assert "over time" in diagnose(flow).text()
    flow.over_time["layers.0"] = [[1e-4, 1.0]] * 50
    assert told(flow, "exploding") == "sick"
    flow.over_time["layers.0"] = [[1.0]] * 50  # one step
    assert not diagnose(flow).findings


# ---- texts ----


def test_after_a_pass_or_two_nothing_is_said_of_learning() -> None:
    model = te.nn.MLP([2, 8, 1], seed=0)
    x, y = te.data.moons(50, seed=0)
    with te.flow.track(model) as flow:
        te.nn.losses.bce_with_logits(model(x), y).backward()
    assert diagnose(flow).learning.line().endswith("it cannot be told whether it learns")
    assert diagnose(flow, learnt=True).learning.line().endswith(": learnt")
    assert diagnose(flow, learnt=False).learning.line().endswith("NOT LEARNING")


def test_sentences_name_the_number_its_limit_and_the_reason() -> None:
    found = diagnose(made(delta=(0.25**4, 1.0, 0.25, 0.5, 1.0), act="sigmoid"), learnt=False)
    found = diagnose(made(delta=(0.2**5, 1.0, 0.2, 0.5, 1.0, 1.0), act="sigmoid"))
    assert found.text() == (
        "The gradient vanishes: rms δ of layers.0 ÷ last is 0.00032 (limit 0.001). "
        "Each layer passes on about 0.2 of rms δ; sigmoid's slope is at most 0.25."
    )
    assert found.text("ja") == (
        "勾配消失：layers.0 の δ の rms は最終層の 0.00032 倍です（限界 0.001）。"
        "1 層さかのぼるごとに δ の rms が約 0.2 倍に縮みます（sigmoid の微分値は最大でも 0.25）。"
    )
    assert found.advice() == 'te.nn.MLP(widths, "relu")  # He initialisation by itself'
    assert found.learning.line() == "0.7 after 50 passes (guessing costs 0.7): NOT LEARNING"
    assert found.learning.line("ja").endswith("学習できていません")
    heading, row = found.rows("ja")
    assert heading[0] == "所見"
    assert row[:6] == ("勾配消失", "異常", "layers.0", "0.00032", "< 0.001", "1")


def test_the_same_is_said_everywhere() -> None:
    found = diagnose(made(delta=(1e-5, 1.0, 1.0), act="sigmoid"))
    out = io.StringIO()
    found.show(Terminal(out))
    for text in (str(found), out.getvalue(), found._repr_html_()):
        for part in ("NOT LEARNING", "vanishing gradient", "1e-05", found.sentences()[0]):
            assert part in text
    out = io.StringIO()
    found.show(Terminal(out), lang="ja")
    assert "勾配消失" in out.getvalue()
    healthy = diagnose(made(LEARNT))
    assert "Nothing is out of its limits." in str(healthy)
    assert healthy.verdict is None
    assert healthy.advice() == ""
    assert healthy.grade == "healthy"
    with pytest.raises(UnknownNameError, match='"en" and "ja"'):
        found.rows("fr")


def test_every_kind_has_its_texts_in_both_languages() -> None:
    for lang in ("en", "ja"):
        assert set(NAMES[lang]) == set(KINDS)
        assert set(KINDS) <= set(VERDICTS[lang])
        assert set(COMMENTS[lang]) == set(ADVICE)
        assert set(REASONS[lang]) == set(REASONS["en"])
    for kind, options, grade in SIDES:
        if grade == "sick":
            found = diagnose(made(**options))
            for lang in ("en", "ja"):
                text = found.text(lang) + found.advice(lang) + found.learning.line(lang)
                assert "{" not in text, kind
                assert len(found.sentences(lang)) == 2
