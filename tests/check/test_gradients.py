"""Gradients of functions of arrays: the engine's and those that a rule states."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tinygrad_edu.check import Report, assert_gradients, gradients
from tinygrad_edu.errors import (
    ConversionError,
    DtypeError,
    GradientError,
    OperandError,
    ShapeError,
)

Rule = Callable[..., Any]
untyped: Rule = gradients


def names(report: Report) -> list[str]:
    return [entry.name for entry in report.entries]


def kinds(report: Report) -> list[str]:
    return [entry.verdict.kind for entry in report.entries]


def expected(report: Report) -> list[float]:
    return [entry.verdict.expected for entry in report.entries]


# The engine's gradients


def test_every_entry_of_every_input_is_judged_by_name() -> None:
    x, w = np.array([[0.5, -1.0, 2.0]]), np.array([1.0, 0.25, -3.0])
    report = gradients(lambda x, w: np.sum(np.tanh(x * w)), x, w)
    assert names(report) == ["x[0, 0]", "x[0, 1]", "x[0, 2]", "w[0]", "w[1]", "w[2]"]
    assert kinds(report) == ["correct"] * 6
    assert report.ok
    assert report.proven
    assert report.guesses == report.notes == ()
    slope = 1 / np.cosh(x * w) ** 2
    assert expected(report) == pytest.approx([*(w * slope)[0], *(x * slope)[0]])


def test_each_entry_of_an_input_costs_at_most_150_evaluations() -> None:
    calls = 0

    def f(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return np.sum(x * x)

    report = gradients(f, np.array([1.0, 2.0, 3.0]), rule=lambda x: 2 * x)
    assert report.evaluations == calls
    assert 3 < calls <= 3 * 150
    # Several outputs are looked at in the same calls.
    assert gradients(lambda x: np.exp(x), np.array([1.0, 2.0])).evaluations <= 2 * 150


def test_single_numbers_have_the_bare_name() -> None:
    for x in (3.0, np.float64(3.0), np.array(3.0), te.Value(3.0)):
        report = gradients(lambda x: x * x, x)
        assert names(report) == ["x"]
        assert kinds(report) == ["correct"]
        assert expected(report) == pytest.approx([6.0])


def test_outputs_that_are_arrays_have_a_jacobian() -> None:
    report = gradients(lambda x, y: np.stack([x * y, x + y, np.exp(x)]), 2.0, 5.0)
    assert names(report) == [f"output[{i}] by {x}" for x in "xy" for i in range(3)]
    assert kinds(report) == ["correct"] * 6
    assert expected(report) == pytest.approx([5, 1, math.exp(2), 2, 1, 0], abs=1e-9)
    table = gradients(lambda x: x[:, None] * x, np.array([1.0, 2.0]))
    assert len(table.entries) == 8
    assert table.entries[1].name == "output[0, 1] by x[0]"
    assert table.proven


@given(
    st.sampled_from([((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2,)), ((1,), (2, 2)), ((2, 3), ())]),
    st.integers(0, 2**32 - 1),
)
def test_broadcast_inputs_have_gradients_of_their_own_shape(shapes: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(size=shape) for shape in shapes)
    report = gradients(lambda x, y: np.sum(np.sin(x) * y + y * y), x, y)
    assert report.proven
    assert len(report.entries) == np.size(x) + np.size(y)


def test_values_lists_and_numbers_are_inputs() -> None:
    report = gradients(lambda a, b, c: np.sum(a * b) * c, te.Value([1.0, 2.0], "w"), [3.0, 4.0], 2)
    assert report.proven
    assert names(report) == ["a[0]", "a[1]", "b[0]", "b[1]", "c"]
    assert expected(report) == pytest.approx([6, 8, 2, 4, 11])


def test_a_value_that_is_given_is_left_alone() -> None:
    w = te.Value([1.0, 2.0])
    before = w.data.copy()
    gradients(lambda w: np.sum(w * w), w)
    np.testing.assert_array_equal(w.data, before)
    assert w.grad is None


def test_a_function_may_know_the_values_it_is_given() -> None:
    report = gradients(lambda x: (x.tanh() ** 2).sum(), np.array([0.3, -2.0]))
    assert report.proven
    assert gradients(te.activations.gelu, np.array([0.3, -2.0])).proven
    assert gradients(np.tanh, 0.3).proven


def test_names_are_the_parameters_or_numbers() -> None:
    assert names(gradients(lambda *x: x[0] * x[1], 1.0, 2.0)) == ["input 1", "input 2"]
    assert names(gradients(lambda first, *rest: first * rest[0], 1.0, 2.0)) == [
        "first",
        "input 2",
    ]


def test_constants_have_slope_zero() -> None:
    assert kinds(gradients(lambda x, y: y * 1.0, np.ones(2), 3.0)) == ["correct"] * 3
    assert kinds(gradients(lambda x: te.Value(3.0), 2.0)) == ["correct"]


def test_a_detached_path_is_found() -> None:
    report = gradients(lambda x: x.detach() * x, 3.0)
    assert kinds(report) == ["wrong"]
    assert report.guesses == ("x: a factor of 2 too little",)
    assert not report.ok


def test_the_seed_makes_no_difference_to_entries() -> None:
    first, second = (gradients(lambda x: np.exp(x), [0.5, 1.0], seed=seed) for seed in (0, 9))
    assert first == second


# Kinds of numbers


def test_float32_is_judged_in_float64_and_the_report_says_so() -> None:
    x = np.array([1.0, 2.0], np.float32)
    report = gradients(lambda x: np.sum(np.tanh(x)), x)
    assert report.proven
    assert all(entry.verdict.bar < 1e-11 for entry in report.entries)
    assert any("float32" in note for note in report.notes)
    stated = gradients(lambda x: np.sum(np.tanh(x)), x, rule=lambda x: 1 - np.tanh(x) ** 2)
    assert stated.proven
    assert any("float32" in note for note in stated.notes)


@pytest.mark.parametrize("error", [-2.0, 1.0, 0.01])
def test_float32_hides_no_mistake(error: float) -> None:
    x = np.array([1.0, 2.0], np.float32)

    def in_single_only(x: Any) -> Any:
        right = 1 - np.tanh(x) ** 2
        return right * (1 + error) if x.dtype == np.float32 else right

    report = gradients(lambda x: np.sum(np.tanh(x)), x, rule=in_single_only)
    assert kinds(report) == ["wrong", "wrong"]
    both = gradients(
        lambda x: np.sum(np.tanh(x)), x, rule=lambda x: (1 + error) * (1 - np.tanh(x) ** 2)
    )
    assert kinds(both) == ["wrong", "wrong"]


@pytest.mark.parametrize("n", [3, np.int64(3), np.array(3, np.uint8), True])
def test_whole_numbers_are_converted_and_the_report_says_so(n: Any) -> None:
    report = gradients(lambda n: n * n, n)
    assert kinds(report) == ["correct"]
    assert expected(report) == pytest.approx([2.0 * int(n)])
    (note,) = report.notes
    assert "n is " in note
    assert "float64" in note


@pytest.mark.parametrize("dtype", [np.complex128, object, str])
def test_what_is_not_real_is_refused(dtype: Any) -> None:
    with pytest.raises(DtypeError, match=r"input z is .*real numbers"):
        gradients(lambda z: z, np.array([1, 2]).astype(dtype))
    with pytest.raises(DtypeError, match="real numbers"):
        gradients(lambda z: z, None)


@pytest.mark.parametrize("mode", ["auto", "entries", "directions"])
@pytest.mark.parametrize("shape", [(0,), (0, 3)])
def test_empty_inputs_have_nothing_to_judge(shape: tuple[int, ...], mode: Any) -> None:
    x = np.zeros(shape)
    functions: tuple[Rule, ...] = (lambda x: np.sum(x * x), lambda x: np.exp(x))
    for f in functions:
        assert gradients(f, x, mode=mode).ok
    assert gradients(functions[0], x, rule=lambda x: 2 * x, mode=mode).ok
    assert gradients(lambda x: np.sum(x), x).entries == ()
    both = gradients(lambda x, y: np.sum(x) + y * y, x, 3.0)
    assert names(both) == ["y"]
    assert both.proven


def test_an_input_that_is_not_finite_is_inconclusive() -> None:
    for x in (math.nan, math.inf):
        report = gradients(lambda x: np.sin(x) * 0 + x, x, rule=lambda x: 1.0)
        assert kinds(report) == ["inconclusive"]
        assert report.ok
        assert not report.proven


def test_one_nan_does_not_hide_the_other_entries() -> None:
    x = np.array([1.0, math.nan, 3.0])
    report = gradients(lambda x: x * x, x, rule=lambda x: np.diag(2 * x))
    diagonal = [entry for entry in report.entries if entry.name in ("output[0] by x[0]",)]
    assert kinds(Report(tuple(diagonal))) == ["correct"]


# Rules


def cosine(x: Any) -> Any:
    return np.cos(x)


def test_a_rule_is_a_gradient_for_each_input() -> None:
    x, y = np.array([0.5, 2.0]), np.array([3.0, -1.0])
    assert gradients(lambda x, y: np.sum(x * y), x, y, rule=lambda x, y: (y, x)).proven
    swapped = gradients(lambda x, y: np.sum(x * y), x, y, rule=lambda x, y: (x, y))
    assert kinds(swapped) == ["wrong"] * 4
    assert expected(swapped) == pytest.approx([3.0, -1.0, 0.5, 2.0])


def test_a_rule_may_return_a_tuple_a_list_values_or_a_number() -> None:
    x = np.array([0.5, 2.0])
    sine: Rule = lambda x: np.sum(np.sin(x))  # noqa: E731
    rules: list[Rule] = [
        cosine,
        lambda x: (np.cos(x),),
        lambda x: [np.cos(x)],
        lambda x: te.Value(np.cos(x)),
        lambda x: [math.cos(x[0]), math.cos(x[1])],
    ]
    for rule in rules:
        assert gradients(sine, x, rule=rule).proven
    assert gradients(math.sin, 0.5, rule=math.cos).proven
    assert gradients(sine, [0.5], rule=lambda x: [math.cos(x[0])]).proven
    assert gradients(lambda x, y: x * y, 2.0, 3.0, rule=lambda x, y: [y, x]).proven


def test_for_an_array_of_outputs_a_rule_is_that_of_their_sum() -> None:
    x = np.array([0.5, 2.0])
    report = gradients(np.sin, x, rule=cosine)
    assert names(report) == ["x[0]", "x[1]"]
    assert report.proven
    assert kinds(gradients(np.sin, x, rule=lambda x: np.cos(x) / 2)) == ["wrong"] * 2


def test_or_a_jacobian() -> None:
    def f(x: Any) -> Any:
        return np.stack([x[0] * x[1], x[0]])

    x = np.array([2.0, 3.0])
    right = gradients(f, x, rule=lambda x: np.array([[x[1], x[0]], [1.0, 0.0]]))
    assert names(right)[:2] == ["output[0] by x[0]", "output[1] by x[0]"]
    assert right.proven
    wrong = gradients(f, x, rule=lambda x: np.array([[x[1], x[0]], [1.0, 0.5]]))
    assert kinds(wrong) == ["correct", "correct", "correct", "wrong"]
    turned = gradients(f, x, rule=lambda x: np.array([[x[1], x[0]], [1.0, 0.0]]).T)
    assert not turned.ok
    assert turned.guesses == ("x: it is transposed",)


def test_jacobians_for_several_inputs() -> None:
    def f(x: Any, y: Any) -> Any:
        return x * y

    x, y = np.array([2.0, 3.0]), np.array(5.0)
    report = gradients(f, x, y, rule=lambda x, y: (np.eye(2) * y, x))
    assert report.proven
    assert len(report.entries) == 6
    assert not gradients(f, x, y, rule=lambda x, y: (np.eye(2) * y, x[::-1])).ok


def test_functions_of_plain_numbers_may_raise_outside_of_their_domain() -> None:
    report = gradients(math.log, 1e-3, rule=lambda x: 1 / x)
    assert kinds(report) == ["correct"]
    assert kinds(gradients(math.log, 1e-3, rule=lambda x: 1.001 / x)) == ["wrong"]


@pytest.mark.parametrize("error", [ValueError, ZeroDivisionError, OverflowError])
def test_errors_at_the_point_itself_reach_the_caller(error: type[Exception]) -> None:
    def f(x: Any) -> Any:
        raise error("boo")

    with pytest.raises(error, match="boo"):
        gradients(f, 1.0, rule=lambda x: 1.0)
    with pytest.raises(error, match="boo"):
        gradients(f, 1.0)


def test_errors_of_the_rule_reach_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        gradients(lambda x: x, 1.0, rule=lambda x: 1 / 0)


def test_a_function_that_fails_next_to_the_point_is_inconclusive() -> None:
    def f(x: Any) -> Any:
        if x != 1.0:
            raise ValueError("only at 1")
        return x

    assert kinds(gradients(f, 1.0, rule=lambda x: 1.0)) == ["inconclusive"]


def test_a_random_function_is_inconclusive() -> None:
    rng = np.random.default_rng(0)
    report = gradients(lambda x: np.sum(x) + rng.normal(), np.ones(2), rule=np.ones_like)
    assert kinds(report) == ["inconclusive"] * 2
    assert {entry.verdict.reason for entry in report.entries} == {"random"}
    assert "not deterministic" in report.table()
    assert kinds(gradients(lambda x: x * rng.normal(), 1.0)) == ["inconclusive"]


@pytest.mark.parametrize("out", ["text", None, 1j, {"a": 1.0}, object()])
def test_functions_that_return_no_number_are_refused(out: Any) -> None:
    with pytest.raises(DtypeError, match="must return a number or an array"):
        gradients(lambda x: out, 1.0, rule=lambda x: 1.0)
    with pytest.raises((DtypeError, OperandError), match=r"must return|returned"):
        gradients(lambda x: out, 1.0)


def test_a_shape_that_depends_on_the_numbers_is_refused() -> None:
    def f(x: Any) -> Any:
        return x if x == 1.0 else np.stack([x, x])

    with pytest.raises(ShapeError, match=r"\(2,\).*\(\).*must not depend"):
        gradients(f, 1.0, rule=lambda x: 1.0)


def test_functions_and_rules_that_modify_their_inputs_do_no_harm() -> None:
    x = np.array([1.0, 2.0])

    def f(x: Any) -> Any:
        x *= 2
        return np.sum(x * x)

    def rule(x: Any) -> Any:
        x *= 8
        return x

    report = gradients(f, x, rule=rule)
    assert report.proven
    assert expected(report) == pytest.approx([8.0, 16.0])
    np.testing.assert_array_equal(x, [1.0, 2.0])


@pytest.mark.parametrize("f", [lambda x: np.log(x), lambda x: np.sqrt(x), lambda x: 1 / (x + 1)])
def test_where_the_function_is_not_finite_nothing_can_be_said(f: Rule) -> None:
    rules: tuple[Any, ...] = (None, lambda x: 1.0)
    for rule in rules:
        report = gradients(f, -1.0, rule=rule)
        assert kinds(report) == ["inconclusive"]
        assert report.entries[0].verdict.reason == "value"


def test_a_rule_that_is_not_finite_is_wrong() -> None:
    for bad in (math.nan, math.inf):
        report = gradients(lambda x: np.sum(np.sin(x)), [0.5, 1.0], rule=lambda x, b=bad: b * x)
        assert kinds(report) == ["wrong"] * 2
        assert "no finite number" in report.table()


def test_shapes_that_do_not_fit_are_wrong() -> None:
    x = np.ones((2, 3))
    rules: list[Rule] = [
        lambda x: 2 * x[:1],
        lambda x: 2 * x.ravel(),
        lambda x: 2.0,
        lambda x: np.ones((2, 3, 1)) * 2,
        lambda x: np.zeros((0, 3)),
    ]
    for rule in rules:
        report = gradients(lambda x: np.sum(x * x), x, rule=rule)
        assert kinds(report) == ["wrong"] * 6
        assert "shape" in report.table()
        assert not report.ok
    (guess,) = gradients(lambda x: np.sum(x * x), x, rule=lambda x: 2 * x.ravel()).guesses
    assert "(6,)" in guess
    assert "(2, 3)" in guess


def test_a_wrong_shape_is_wrong_at_a_kink_too() -> None:
    report = gradients(lambda x: np.sum(np.abs(x)), np.zeros(2), rule=lambda x: 0.0)
    assert kinds(report) == ["wrong"] * 2


# Guesses at the mistake

C = np.array([[1.0, 2.0, 4.0], [7.0, 11.0, 13.0], [17.0, 19.0, 23.0]]) / 8


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        (lambda c: 0 * c, "it is 0"),
        (lambda c: -c, "the sign is wrong"),
        (lambda c: 2 * c, "a factor of 2 too much"),
        (lambda c: c / 2, "a factor of 2 too little"),
        (lambda c: c.T, "it is transposed"),
        (lambda c: c.sum(0) + 0 * c, "it is summed over axis 0, and repeated"),
        (lambda c: c.sum(1, keepdims=True) + 0 * c, "it is summed over axis 1, and repeated"),
        (lambda c: c.mean(0) + 0 * c, "it is averaged over axis 0, and repeated"),
        (lambda c: c.mean(1, keepdims=True) + 0 * c, "it is averaged over axis 1, and repeated"),
        (lambda c: c[::-1], "it is in reverse order along axis 0"),
        (lambda c: c[:, ::-1], "it is in reverse order along axis 1"),
        (lambda c: np.roll(c, 1, 0), "it is shifted by 1 along axis 0"),
        (lambda c: np.roll(c, -1, 1), "it is shifted by -1 along axis 1"),
        (lambda c: c / 9, "divided by the number of entries: was a mean taken instead of a sum?"),
        (
            lambda c: c * 9,
            "multiplied by the number of entries: was a sum taken instead of a mean?",
        ),
        (lambda c: 0 * c + 1, "it is 1 everywhere: was the local derivative left out?"),
        (lambda c: c**2, "it is squared"),
        (lambda c: 1 / c, "it is inverted"),
        (lambda c: 1.25 * c, "every entry: 1.25 times the right value"),
        (lambda c: c * (1 + 1e-3), "every entry: 1.001 times the right value"),
        (lambda c: np.where(c > 1.8, 0, c), "3 of 9 entries: 0 where the gradient is not"),
        (lambda c: np.where(c > 1.8, -c, c), "3 of 9 entries: the sign is wrong"),
        (lambda c: np.where(c > 1.8, 3 * c, c), "3 of 9 entries: 3 times the right value"),
    ],
)
def test_mistakes_are_guessed(mistake: Rule, sentence: str) -> None:
    x = np.full((3, 3), 0.5)
    report = gradients(lambda x: np.sum(C * np.sin(x)), x, rule=lambda x: mistake(C * np.cos(x)))
    if sentence in ("it is squared", "it is inverted") or "everywhere" in sentence:
        report = gradients(lambda x: np.sum(C * x), x, rule=lambda x: mistake(C))
    assert not report.ok
    (guess,) = report.guesses
    assert guess.startswith("x: ")
    assert sentence in guess
    assert guess in report.table()


def test_a_missing_sum_over_broadcast_axes_is_guessed() -> None:
    x, b, c = np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0, 3.0]), np.array([[0.5], [2.0]])
    forgot = gradients(lambda x, b: np.sum(x * b), x, b, rule=lambda x, b: (b + 0 * x, x))
    (guess,) = forgot.guesses
    assert guess.startswith("b: it has shape (2, 3) and its sum over axis 0 is right")
    kept = gradients(lambda x, c: np.sum(x * c), x, c, rule=lambda x, c: (c + 0 * x, x))
    (guess,) = kept.guesses
    assert guess.startswith("c: it has shape (2, 3) and its sum over axis 1 is right")
    number = gradients(lambda x, c: np.sum(x * c), x, 2.0, rule=lambda x, c: (c + 0 * x, x))
    (guess,) = number.guesses
    assert "its sum over axis 0, 1 is right" in guess
    assert "broadcast" in guess


def test_a_transposed_gradient_of_another_shape_is_guessed() -> None:
    x = np.arange(6.0).reshape(2, 3)
    report = gradients(lambda x: np.sum(x**2), x, rule=lambda x: (2 * x).T)
    assert report.guesses == ("x: it is transposed",)


def test_a_stale_rule_is_guessed() -> None:
    old = np.array([0.3, -1.0])
    report = gradients(
        lambda x: np.sum(np.sin(x)), np.array([0.5, 2.0]), rule=lambda x: np.cos(old)
    )
    (guess,) = report.guesses
    assert "the same for other inputs" in guess
    assert "old" in guess


def test_no_guess_is_made_where_none_fits() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=5)
    report = gradients(
        lambda x: np.sum(np.sin(x)), rng.normal(size=5), rule=lambda x: np.cos(x) + noise * x
    )
    assert not report.ok
    assert report.guesses == ()


def test_only_wrong_inputs_are_guessed_about() -> None:
    report = gradients(
        lambda x, y: np.sum(np.sin(x) * y), [0.5, 1.0], [2.0, 3.0],
        rule=lambda x, y: (y * np.cos(x), -np.sin(x)),
    )  # fmt: skip
    assert report.guesses == ("y: the sign is wrong",)


def test_a_huge_wrong_gradient_warns_of_nothing() -> None:
    report = gradients(lambda x: np.sum(np.cosh(x)), [690.0], rule=lambda x: 1.1 * np.sinh(x))
    assert not report.ok


# Derivatives of derivatives


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(np.exp(x)),
        lambda x: np.sum(np.tanh(x) * x),
        lambda x: np.tanh(x) ** 2,
        lambda x: np.sum(3 * x),
        lambda x: te.activations.gelu(x),
    ],
)
def test_second_derivatives_are_judged(f: Rule) -> None:
    report = gradients(f, np.array([0.5, -1.0]), order=2)
    assert names(report) == ["x[0]", "x[1]"]
    assert report.proven


def test_second_derivatives_of_several_inputs_have_their_names() -> None:
    report = gradients(lambda a, b: np.sum(np.sin(a) * b), np.array([0.5, 1.0]), 2.0, order=2)
    assert names(report) == ["a[0]", "a[1]", "b"]
    assert report.proven


def test_a_rule_that_is_right_once_but_not_twice_is_found() -> None:
    record = te.define_elementwise(
        "once",
        np.sin,
        # The right number, but a constant to the engine.
        lambda out, x: np.cos(x.data if isinstance(x, te.Value) else x),
        formula="once({0})",
    )
    try:
        function: Rule = record
        x = np.array([0.5, 1.0])
        assert gradients(lambda x: np.sum(function(x)), x).proven
        twice = gradients(lambda x: np.sum(function(x)), x, order=2)
        assert kinds(twice) == ["wrong", "wrong"]
    finally:
        del te.OPERATIONS["once"]


def test_the_weights_of_second_derivatives_come_from_the_seed() -> None:
    first, again, other = (
        gradients(lambda x: np.sum(np.exp(x)), [0.5, 1.0], order=2, seed=seed) for seed in (1, 1, 2)
    )
    assert expected(first) == expected(again)
    assert expected(first) != expected(other)


# assert_gradients


def test_assert_gradients_raises_with_the_table() -> None:
    assert_gradients(lambda x: np.sum(np.sin(x)), [0.5, 1.0])
    assert_gradients(lambda x: np.sum(np.sin(x)), [0.5, 1.0], rule=cosine)
    with pytest.raises(GradientError) as caught:
        assert_gradients(lambda x: np.sum(np.sin(x)), [0.5, 1.0], rule=lambda x: -np.cos(x))
    assert isinstance(caught.value, AssertionError)
    said = str(caught.value)
    for part in ("x[0]", "x[1]", "WRONG", "the sign is wrong", "2 wrong"):
        assert part in said


def test_assert_gradients_accepts_kinks_and_what_cannot_be_told_unless_strict() -> None:
    assert_gradients(te.activations.relu, 0.0)
    assert_gradients(te.activations.relu, 0.0, strict=True)
    assert_gradients(np.floor, 1.0, rule=lambda x: 0.0)
    with pytest.raises(GradientError, match="inconclusive"):
        assert_gradients(np.floor, 1.0, rule=lambda x: 0.0, strict=True)


def test_assert_gradients_passes_options_on() -> None:
    with pytest.raises(GradientError, match="direction"):
        assert_gradients(
            lambda x: np.sum(np.sin(x)), [0.5, 1.0], rule=lambda x: -np.cos(x), mode="directions"
        )
    with pytest.raises(OperandError, match="order"):
        assert_gradients(np.sin, 1.0, order=3)


# Errors teach


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gradients(lambda: 1.0), OperandError, r"gradients\(f, x"),
        (lambda: gradients(np.sin, 1.0, order=0), OperandError, "order is 1 or 2, not 0"),
        (lambda: untyped(np.sin, 1.0, mode="all"), OperandError, "\"entries\".*not 'all'"),
        (lambda: untyped(3.0, 1.0), OperandError, "function"),
        (lambda: untyped(np.sin, 1.0, rule=2.0), OperandError, "function"),
        (lambda: gradients(np.sin, 1.0, order=2, rule=np.cos), OperandError, "as f"),
        (
            lambda: gradients(lambda x, y: x * y, 1.0, 2.0, rule=lambda x, y: y),
            OperandError,
            "gradient for each of the 2 inputs",
        ),
        (
            lambda: gradients(lambda x, y: x * y, 1.0, 2.0, rule=lambda x, y: (y,)),
            OperandError,
            "gradient for each of the 2 inputs",
        ),
        (
            lambda: gradients(lambda x: x.data, np.ones(2)),
            OperandError,
            "no Value.*rule=",
        ),
        (lambda: gradients(lambda x: math.sin(x), 1.0), ConversionError, "np.exp|np.sin"),
        (lambda: gradients(np.sin, 1.0, rule=lambda x: None), Exception, "rule.* x"),
        (lambda: gradients(np.sin, 1.0, rule=lambda x: "a"), Exception, "rule.* x"),
        (lambda: gradients(np.sin, 1.0, rule=lambda x: 1j), Exception, "rule.* x"),
        (
            lambda: gradients(lambda x: (x, 2 * x), 1.0),
            OperandError,
            r"np\.stack|one array",
        ),
    ],
)
def test_mistaken_calls_are_told_what_to_write(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()
