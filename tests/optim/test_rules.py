"""Each rule beside its paper's formula, three steps long; and wrong rules, which must not pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

import tinygrad_edu as te
from tests.optim import papers
from tinygrad_edu.optim import GD, SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

Array = np.ndarray[Any, np.dtype[Any]]
Update = Callable[..., tuple[Any, dict[str, Any]]]

START = (1.0, -2.0, 0.3)
STEPS = 3
RULES: dict[str, tuple[type[Optimizer], Callable[..., papers.Path], dict[str, Any]]] = {
    "gd": (GD, papers.polyak, {"lr": 0.1}),
    "sgd": (SGD, papers.polyak, {"lr": 0.1}),
    "momentum": (SGD, papers.polyak, {"lr": 0.1, "momentum": 0.9}),
    "nesterov": (SGD, papers.nesterov, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "sgd decayed": (
        SGD,
        papers.decayed(papers.polyak),
        {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.2},
    ),
    "adagrad": (Adagrad, papers.adagrad, {"lr": 0.1}),
    "adagrad decayed": (
        Adagrad,
        papers.decayed(papers.adagrad),
        {"lr": 0.2, "epsilon": 0.1, "weight_decay": 0.2},
    ),
    "rmsprop": (RMSprop, papers.rmsprop, {"lr": 0.05}),
    "rmsprop with all": (
        RMSprop,
        papers.decayed(papers.rmsprop),
        {
            "lr": 0.05,
            "decay": 0.8,
            "epsilon": 0.1,
            "momentum": 0.6,
            "centered": True,
            "weight_decay": 0.2,
        },
    ),
    "adam": (Adam, papers.adam, {"lr": 0.1}),
    "adam decayed": (
        Adam,
        papers.decayed(papers.adam),
        {"lr": 0.1, "betas": (0.7, 0.8), "epsilon": 0.1, "weight_decay": 0.2},
    ),
    "adamw": (AdamW, papers.adam, {"lr": 0.1, "betas": (0.7, 0.8), "weight_decay": 0.2}),
}
every_rule = pytest.mark.parametrize("name", RULES)


def height(p: Any) -> Any:
    """Σ p² + cos p, of slope 2 p − sin p."""
    return np.sum(p * p + np.cos(p))


def by_hand(name: str) -> Array:
    """The parameter after each step, by the paper's formula; shape (STEPS, 3)."""
    _, paper, options = RULES[name]
    if name in ("nesterov", "adamw"):
        ours_only = {"nesterov": "nesterov", "adamw": "weight_decay"}[name]
        options = {key: value for key, value in options.items() if key != ours_only}
        options |= {"shrink": 0.2} if name == "adamw" else {}
    with mp.workdps(50):
        paths = [
            paper(mpf(start), lambda p: 2 * p - mp.sin(p), STEPS, **options) for start in START
        ]
        return np.array([[float(p) for p in path] for path in paths]).T


def options_of(name: str) -> dict[str, Any]:
    """All options of a rule, those of the example and the defaults."""
    rule, _, given = RULES[name]
    return rule([te.Value(1.0)], **given).groups[0]


def follow(update: Update, options: dict[str, Any]) -> Array:
    """The parameter after each step of a rule; shape (STEPS, 3)."""
    p, path = np.array(START), []
    state: dict[str, Any] = {}
    for _ in range(STEPS):
        p, state = update(p, 2 * p - np.sin(p), state, options)
        path.append(p)
    return np.array(path)


def agree(path: Array, truth: Array) -> bool:
    return bool(np.allclose(path, truth, rtol=1e-14, atol=1e-14))


@every_rule
def test_three_steps_by_the_papers_formula(name: str) -> None:
    assert agree(follow(RULES[name][0].update, options_of(name)), by_hand(name))


@every_rule
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_three_steps_of_an_optimizer(name: str, dtype: Any) -> None:
    rule, _, given = RULES[name]
    p, q = te.Value(np.array(START[:2], dtype)), te.Value(dtype(START[2]))
    optimizer = rule([p, q], **given)
    for expected in by_hand(name):
        optimizer.zero_grad()
        (height(p) + height(q)).backward()
        optimizer.step()
        tolerance = 1e-14 if dtype is np.float64 else 2e-6
        np.testing.assert_allclose([*p.data, q.data], expected, rtol=tolerance, atol=tolerance)
    assert p.dtype == q.dtype == dtype
    assert isinstance(q.data, dtype)
    for entry in [entry for state in optimizer.states for entry in state.values()]:
        assert isinstance(entry, int) or entry.dtype == dtype


def scaled_slope(update: Update) -> Update:
    return lambda p, g, state, options: update(p, 1.01 * g, state, options)


def shifted_slope(update: Update) -> Update:
    return lambda p, g, state, options: update(p, g + 0.01, state, options)


def turned_slope(update: Update) -> Update:
    return lambda p, g, state, options: update(p, -g, state, options)


def too_long(update: Update) -> Update:
    def wrong(p: Any, g: Any, state: Any, options: Any) -> Any:
        new, after = update(p, g, state, options)
        return p + 1.001 * (new - p), after

    return wrong


def forgetful(update: Update) -> Update:
    return lambda p, g, state, options: update(p, g, {}, options)


def late(update: Update) -> Update:
    def wrong(p: Any, g: Any, state: Any, options: Any) -> Any:
        new, after = update(p, g, state.get("last", {}), options)
        return new, {"last": state.get("now", {}), "now": after}

    return wrong


MUTANTS = [scaled_slope, shifted_slope, turned_slope, too_long, forgetful, late]


WRONG = [
    (name, mutant)
    for name in RULES
    for mutant in MUTANTS
    if name not in ("gd", "sgd") or mutant not in (forgetful, late)  # they have nothing to forget
]


@pytest.mark.parametrize(("name", "mutant"), WRONG)
def test_wrong_rules_are_told_apart(name: str, mutant: Callable[[Update], Update]) -> None:
    assert not agree(follow(mutant(RULES[name][0].update), options_of(name)), by_hand(name))


@every_rule
def test_every_option_counts(name: str) -> None:
    rule, _, given = RULES[name]
    options = options_of(name)
    for option in given:
        wrong = {"betas": (0.8, 0.7), "nesterov": False, "centered": False}.get(option)
        changed = options | {option: 1.01 * options[option] if wrong is None else wrong}
        assert not agree(follow(rule.update, changed), by_hand(name)), option


@every_rule
def test_a_rule_writes_into_nothing(name: str) -> None:
    update, options = RULES[name][0].update, options_of(name)
    p, g = np.array(START), np.array([0.5, -0.1, 0.0])
    state: dict[str, Any] = {}
    for _ in range(STEPS):
        p_before, g_before, names = p.copy(), g.copy(), list(state)
        for array in (p, g, *state.values()):
            if isinstance(array, np.ndarray):
                array.setflags(write=False)
        after, state_after = update(p, g, state, options)
        again, state_again = update(p, g, state, options)
        np.testing.assert_array_equal(p, p_before)
        np.testing.assert_array_equal(g, g_before)
        assert list(state) == names
        np.testing.assert_array_equal(after, again)
        assert not any(np.shares_memory(after, each) for each in (p, g))
        for key, entry in state_after.items():
            np.testing.assert_array_equal(entry, state_again[key])
        p, state = after, state_after


@every_rule
def test_a_rule_records_itself_when_given_values(name: str) -> None:
    update, options = RULES[name][0].update, options_of(name)
    p, recorded = np.array(START), te.Value(START)
    state: dict[str, Any] = {}
    state_of_values: dict[str, Any] = {}
    for _ in range(STEPS):
        p, state = update(p, 2 * p - np.sin(p), state, options)
        recorded, state_of_values = update(
            recorded, 2 * recorded - np.sin(recorded), state_of_values, options
        )
        np.testing.assert_array_equal(recorded.data, p)
        assert recorded.op is not None
        assert state.keys() == state_of_values.keys()


def test_the_centered_rule_survives_a_slope_that_never_changes() -> None:
    options = options_of("rmsprop with all") | {"weight_decay": 0.0, "epsilon": 1e-8}
    state: dict[str, Any] = {}
    p = np.zeros(1000)
    slope = np.linspace(0.1, 3.0, 1000)
    for _ in range(400):
        p, state = RMSprop.update(p, slope, state, options)
    assert np.all(np.isfinite(p))
    assert np.all(p < 0)


def test_adams_first_step_is_as_long_as_the_rate_whatever_the_slope() -> None:
    slope = np.array([1e-3, 1.0, 1e6])
    p, _ = Adam.update(np.zeros(3), slope, {}, options_of("adam"))
    np.testing.assert_allclose(p, -0.1, rtol=2e-5)


def test_decoupled_decay_shrinks_every_weight_at_the_same_rate() -> None:
    start, slope = np.array([1.0, 1.0]), np.array([1e-3, 1e3])
    shrunk, _ = AdamW.update(start, slope, {}, options_of("adamw") | {"weight_decay": 0.5})
    plain, _ = AdamW.update(start, slope, {}, options_of("adamw") | {"weight_decay": 0.0})
    np.testing.assert_allclose(plain - shrunk, 0.1 * 0.5 * start, rtol=1e-12)
