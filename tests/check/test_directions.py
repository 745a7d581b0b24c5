"""Many inputs: a few random directions instead of every entry, and wrong entries named."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.check import Report, gradients

MOST = 400  # evaluations
COUNT = 20_000
Rule = Callable[..., Any]


@pytest.fixture(scope="module")
def many() -> Any:
    return np.random.default_rng(1).normal(size=COUNT)


def f(x: Any) -> Any:
    return np.sum(np.sin(x) ** 2)


def slope(x: Any) -> Any:
    return np.sin(2 * x)


def planted(errors: dict[int, float]) -> Rule:
    """The right gradient of f but for some entries, each off by a share of its slope."""

    def rule(x: Any) -> Any:
        gradient = slope(x)
        for position, error in errors.items():
            gradient[position] *= 1 + error
        return gradient

    return rule


def wrong(report: Report) -> set[str]:
    """The names of the entries, not of directions, that are wrong."""
    return {
        entry.name
        for entry in report.entries
        if not entry.verdict.ok and not entry.name.startswith("direction")
    }


def test_many_right_entries_are_confirmed_in_a_few_directions(many: Any) -> None:
    report = gradients(f, many, rule=slope)
    assert report.proven
    assert [entry.name for entry in report.entries] == [f"direction {i}" for i in (1, 2, 3)]
    assert report.evaluations <= MOST
    assert any(str(COUNT) in note and "direction" in note for note in report.notes)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "errors",
    [
        {17: -2.0, 9_999: 1.0, 19_999: -1.0},
        {0: 0.5, 1: 0.5, 2: 0.5},
        {3: 1e-2, 7_000: -1e-2, 12_345: 1.0},
    ],
)
def test_three_wrong_entries_of_twenty_thousand_are_named(
    many: Any, errors: dict[int, float], seed: int
) -> None:
    report = gradients(f, many, rule=planted(errors), seed=seed)
    assert not report.ok
    assert wrong(report) == {f"x[{position}]" for position in errors}
    assert report.evaluations <= MOST
    assert len(report.entries) == 1 + len(errors)  # each of them once
    for entry in report.entries:
        if entry.name.startswith("x["):
            position = int(entry.name[2:-1])
            assert entry.verdict.kind == "wrong"
            assert entry.verdict.claim == pytest.approx(
                math.sin(2 * many[position]) * (1 + errors[position])
            )
            off = abs(entry.verdict.expected - math.sin(2 * many[position]))
            assert off <= entry.verdict.bar < 1e-3


@pytest.mark.parametrize("position", [0, 1_234, 19_999])
def test_a_small_error_in_one_entry_is_found(many: Any, position: int) -> None:
    report = gradients(f, many, rule=planted({position: 1e-3}))
    assert wrong(report) == {f"x[{position}]"}
    assert report.evaluations <= MOST


def test_a_tiny_error_in_one_entry_is_at_least_noticed(many: Any) -> None:
    report = gradients(f, many, rule=planted({1_234: 1e-6}))
    assert not report.ok


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        (lambda g: 2 * g, "a factor of 2 too much"),
        (lambda g: -g, "the sign is wrong"),
        (lambda g: 0 * g, "it is 0"),
        (lambda g: 1.001 * g, "1.001 times the right value"),
    ],
)
def test_where_all_entries_are_wrong_a_few_are_named(
    many: Any, mistake: Rule, sentence: str
) -> None:
    report = gradients(f, many, rule=lambda x: mistake(slope(x)))
    assert not report.ok
    assert 1 <= len(wrong(report)) <= 20
    assert report.evaluations <= MOST
    (guess,) = report.guesses
    assert sentence in guess


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_entries_that_are_no_numbers_are_named(many: Any, bad: float) -> None:
    def rule(x: Any) -> Any:
        gradient = slope(x)
        gradient[[55, 7_777]] = bad
        return gradient

    report = gradients(f, many, rule=rule)
    assert wrong(report) == {"x[55]", "x[7777]"}
    assert report.evaluations <= MOST


@pytest.mark.thorough
def test_a_million_inputs_cost_at_most_four_hundred_evaluations() -> None:
    x = np.random.default_rng(3).normal(size=10**6)
    calls = 0

    def quadratic(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return x @ x / 2

    def off(x: Any) -> Any:
        x[[5, 500_000, 999_999]] *= (2.0, -1.0, 0.0)
        return x

    report = gradients(quadratic, x, rule=off)
    assert wrong(report) == {"x[5]", "x[500000]", "x[999999]"}
    assert calls == report.evaluations <= MOST


def test_inputs_of_very_different_sizes_move_in_proportion() -> None:
    x = np.logspace(-1, 6, 3_000)
    assert gradients(lambda x: np.sum(np.log(x)), x, rule=lambda x: 1 / x).proven
    report = gradients(
        lambda x: np.sum(np.log(x)),
        x,
        rule=lambda x: np.where(np.arange(x.size) == 2_900, 1.1, 1.0) / x,
    )
    assert wrong(report) == {"x[2900]"}


def test_several_inputs_each_have_their_names() -> None:
    rng = np.random.default_rng(2)
    x, w = rng.normal(size=(60, 40)), rng.normal(size=40)

    def model(x: Any, w: Any) -> Any:
        return np.sum(np.tanh(x * w))

    def rule(x: Any, w: Any) -> tuple[Any, Any]:
        inner = 1 / np.cosh(x * w) ** 2
        gradient = np.sum(inner * x, 0)
        gradient[7] *= -1
        return inner * w, gradient

    report = gradients(model, x, w, rule=rule)
    assert wrong(report) == {"w[7]"}


# Few inputs, where it is asked for


def test_directions_may_be_asked_for() -> None:
    report = gradients(lambda x: np.sum(np.exp(x)), np.ones(5), mode="directions")
    assert [entry.name for entry in report.entries] == [f"direction {i}" for i in (1, 2, 3)]
    assert report.proven
    assert gradients(lambda x: x**2, 3.0, mode="directions").proven


def test_auto_looks_at_entries_while_they_are_few() -> None:
    few, many = np.ones(20), np.ones(3_000)
    total: Rule = lambda x: np.sum(np.exp(x))  # noqa: E731
    assert len(gradients(total, few).entries) == 20
    assert len(gradients(total, many).entries) == 3
    # A Jacobian has an entry for each output and input.
    assert len(gradients(lambda x: np.exp(x), np.ones(100)).entries) == 3


def test_the_seed_draws_the_directions() -> None:
    first, again, other = (
        gradients(lambda x: np.sum(np.exp(x)), np.ones(5), mode="directions", seed=seed)
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first.entries[0].verdict.claim != other.entries[0].verdict.claim


def test_arrays_of_outputs_are_weighted_at_random() -> None:
    x = np.random.default_rng(6).normal(size=(30, 100))
    w = np.random.default_rng(7).normal(size=(100, 5))
    report = gradients(lambda x, w: np.tanh(x @ w), x, w)
    assert report.proven
    assert len(report.entries) == 3
    # Half of each of two outputs' gradients swapped: the plain sum of all outputs is unchanged.
    table = np.array([[1.0, 2.0], [3.0, 4.0]])
    wrong_table = table + np.array([[0.5, 0.0], [-0.5, 0.0]])
    found = gradients(
        lambda x: table @ x, np.ones(2), rule=lambda x: wrong_table, mode="directions"
    )
    assert wrong(found) == {"x[0]"}


def test_rules_for_the_sum_of_outputs() -> None:
    x = np.linspace(-2, 2, 50)
    assert gradients(np.sin, x, rule=np.cos, mode="directions").proven
    report = gradients(
        np.sin, x, rule=lambda x: np.cos(x) * (1 + (np.arange(50) == 9)), mode="directions"
    )
    assert wrong(report) == {"x[9]"}


def test_a_gradient_of_another_shape_is_wrong_and_the_rest_is_judged(many: Any) -> None:
    report = gradients(f, many, rule=lambda x: slope(x)[:-1])
    assert wrong(report) == {"x"}
    assert "shape" in report.table()
    y = np.arange(1.0, 5.0)
    two = gradients(
        lambda x, y: np.sum(x * y), np.ones(4), y, rule=lambda x, y: (2 * y, x[:3]),
        mode="directions",
    )  # fmt: skip
    assert "y" in wrong(two)
    assert wrong(two) & {f"x[{i}]" for i in range(4)}


def test_second_derivatives_of_many_inputs() -> None:
    x = np.random.default_rng(8).normal(size=2_500)
    assert gradients(lambda x: np.sum(np.sin(x)), x, order=2).proven


# Kinks


def hidden(seed: int = 0) -> tuple[Rule, Rule, Any, Any]:
    """A network of relus: its loss, the gradient, and the weights of its two layers."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(20, 30)), rng.normal(size=(20, 2))
    v, w = rng.normal(size=(30, 80)) / 5, rng.normal(size=(80, 2)) / 9

    def loss(v: Any, w: Any) -> Any:
        return np.mean((np.maximum(x @ v, 0) @ w - y) ** 2)

    def gradient(v: Any, w: Any) -> tuple[Any, Any]:
        h = np.maximum(x @ v, 0)
        residual = 2 * (h @ w - y) / y.size
        return x.T @ ((residual @ w.T) * (h > 0)), h.T @ residual

    return loss, gradient, v, w


@pytest.mark.parametrize("seed", range(4))
def test_a_network_of_relus_is_right(seed: int) -> None:
    loss, gradient, v, w = hidden(seed)
    rules: tuple[Any, ...] = (None, gradient)
    for rule in rules:
        report = gradients(loss, v, w, rule=rule)
        assert len(report.entries) == 3
        assert report.ok
        assert report.count("correct") >= 2


@pytest.mark.parametrize("seed", range(4))
def test_a_wrong_weight_of_a_network_of_relus_is_named(seed: int) -> None:
    loss, gradient, v, w = hidden(seed)

    def rule(v: Any, w: Any) -> tuple[Any, Any]:
        first, second = gradient(v, w)
        first[3, 4] += 0.1
        return first, second

    report = gradients(loss, v, w, rule=rule)
    assert not report.ok
    assert wrong(report) == {"v[3, 4]"}


def relu_sum(x: Any) -> Any:
    return np.sum(np.maximum(x, 0))


def test_a_wrong_entry_beside_one_at_its_kink_is_named() -> None:
    x = np.where(np.arange(50) == 3, 0.0, np.linspace(-2, 2, 50))
    right: Rule = lambda x: (x > 0) * 1.0  # noqa: E731
    assert gradients(relu_sum, x, rule=right, mode="directions").ok
    twice = gradients(
        relu_sum, x, rule=lambda x: right(x) * (1 + (np.arange(50) == 40)), mode="directions"
    )
    assert "x[40]" in wrong(twice)


def test_a_value_outside_of_the_slopes_of_a_kink_is_not_confirmed() -> None:
    x = np.where(np.arange(50) == 3, 0.0, np.linspace(-2, 2, 50))
    for at_zero in (1.5, -0.5):
        report = gradients(
            relu_sum,
            x,
            rule=lambda x, value=at_zero: np.where(x == 0, value, (x > 0) * 1.0),
            mode="directions",
        )
        assert not report.proven
    for seed in range(6):
        all_wrong = gradients(
            relu_sum, np.zeros(50), rule=lambda x: x + 1.5, mode="directions", seed=seed
        )
        assert not all_wrong.proven, seed


def test_a_function_that_is_not_finite_or_random_is_inconclusive() -> None:
    rng = np.random.default_rng(0)
    functions: list[Rule] = [
        lambda x: np.sum(x) + rng.normal(),
        lambda x: np.sum(np.log(x - 1)),
    ]
    for function in functions:
        report = gradients(function, np.ones(50), rule=np.ones_like, mode="directions")
        assert report.count("inconclusive") == len(report.entries)
        assert report.ok
