"""The dot-product test and the Taylor test: what each of them can and cannot tell."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tinygrad_edu.check.identities import Taylor, dot_product, taylor
from tinygrad_edu.errors import OperandError, ShapeError, UnknownNameError

A = np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]])
POINT = np.linspace(0.1, 2.0, 5)


def kinds(report: te.check.Report) -> list[str]:
    return [entry.verdict.kind for entry in report.entries]


# ---- dot product ----


@pytest.mark.parametrize(
    ("f", "inputs"),
    [
        (np.sin, [POINT]),
        (lambda x, y: x * y, [2.0, 3.0]),
        (lambda x, w: np.tanh(x @ w), [A, A.T]),
        (lambda x: np.sum(x, axis=0), [A]),
        (te.activations.gelu, [A]),
        (lambda x: np.exp(x) / np.sum(np.exp(x)), [POINT]),
        (lambda x: x * 0, [A]),
    ],
)
def test_our_own_modes_agree_with_each_other_and_with_differences(f: Any, inputs: Any) -> None:
    report = dot_product(f, *inputs)
    assert kinds(report) == ["correct", "correct"]
    assert [entry.name for entry in report.entries] == [
        "⟨u, Jv⟩ against ⟨Jᵀu, v⟩",
        "Jv against finite differences",
    ]
    assert min(entry.verdict.digits for entry in report.entries) > 10
    assert "proves nothing new" in report.notes[-1]


def test_the_numbers_compared_are_the_products_of_a_known_jacobian() -> None:
    given_to: dict[str, Any] = {}

    def jvp(inputs: Any, tangents: Any) -> Any:
        given_to.setdefault("tangents", tangents)
        return A @ tangents[0]

    def vjp(inputs: Any, u: Any) -> Any:
        given_to.setdefault("u", u)
        return A.T @ u  # of a single input the gradient may stand alone

    report = dot_product(lambda x: A @ x, np.array([1.0, 2.0, -3.0]), jvp=jvp, vjp=vjp)
    (v,) = given_to["tangents"]
    with mpmath.workdps(40):
        u, exact = mpmath.matrix(given_to["u"]), mpmath.matrix(A) * mpmath.matrix(v)
        expected = float(mpmath.fdot(u, exact))
    for entry in report.entries:
        assert entry.verdict.claim == pytest.approx(expected, rel=1e-14)
        assert entry.verdict.expected == pytest.approx(expected, rel=1e-11)
    assert "not that it is f's" in report.notes[-1]


@given(st.integers(0, 2**32 - 1), st.integers(1, 11), st.sampled_from([-1, 1]))
def test_an_error_of_one_mode_is_found_far_below_what_differences_see(
    seed: int, power: int, sign: int
) -> None:
    factor = 1 + sign * 10.0**-power
    x = np.random.default_rng(seed).standard_normal(4)
    report = dot_product(
        np.sin, x, jvp=lambda inputs, v: factor * np.cos(inputs[0]) * v[0], seed=seed
    )
    assert report.entries[0].verdict.kind == "wrong"
    assert not report.ok


def test_a_mistake_that_both_modes_share_is_seen_by_differences_only() -> None:
    report = dot_product(
        np.sin,
        POINT,
        jvp=lambda inputs, v: 1.0001 * np.cos(inputs[0]) * v[0],
        vjp=lambda inputs, u: (1.0001 * np.cos(inputs[0]) * u,),
    )
    assert kinds(report) == ["correct", "wrong"]


def test_one_forgotten_entry_of_a_thousand_is_found() -> None:
    def vjp(inputs: Any, u: Any) -> Any:
        g = np.cos(inputs[0]) * u
        g[617] = 0.0
        return (g,)

    report = dot_product(np.sin, np.linspace(-3, 3, 1000), vjp=vjp)
    assert kinds(report) == ["wrong", "correct"]


def test_where_the_modes_choose_different_slopes_of_a_kink_they_disagree() -> None:
    report = dot_product(np.abs, 0.0, jvp=lambda inputs, v: v[0], vjp=lambda inputs, u: (-u,))
    assert kinds(report) == ["wrong", "kink"]


@given(st.integers(0, 2**32 - 1), st.integers(-6, 3))
def test_rounding_is_no_disagreement(seed: int, power: int) -> None:
    # Right rules whose formulas differ from ours: 1 − tanh², and a sum that cancels on its way.
    rng = np.random.default_rng(seed)
    x = np.sign(rng.standard_normal(3)) * np.minimum(10.0**power * rng.uniform(1, 10, 3), 8.0)
    report = dot_product(np.tanh, x, jvp=lambda xs, v: (1 - np.tanh(xs[0]) ** 2) * v[0], seed=seed)
    assert report.ok
    cancels = dot_product(
        lambda x: 3 * x, x, jvp=lambda xs, v: (xs[0] + 1e6 + 3 * v[0]) - (xs[0] + 1e6), seed=seed
    )
    assert cancels.ok


def test_what_was_computed_in_float32_is_not_blamed_for_its_rounding() -> None:
    def jvp(inputs: Any, v: Any) -> Any:
        return np.float32(np.cos(inputs[0])) * np.float32(v[0])

    assert dot_product(np.sin, POINT, jvp=jvp).ok
    wrong = dot_product(np.sin, POINT, jvp=lambda xs, v: np.float32(1.001) * jvp(xs, v))
    assert kinds(wrong) == ["wrong", "wrong"]


def test_a_gradient_of_another_shape_is_wrong_and_says_which() -> None:
    report = dot_product(lambda x: np.sum(x, axis=0), np.ones((2, 3)), vjp=lambda inputs, u: u)
    assert kinds(report) == ["wrong", "correct"]
    assert "vjp returned shape (3,) for an input of shape (2, 3)" in report.table()
    report = dot_product(lambda x: np.sum(x, axis=0), np.ones((2, 3)), jvp=lambda xs, v: v[0])
    assert kinds(report) == ["wrong", "wrong"]
    assert "jvp returned shape (2, 3), f has (3,)" in report.table()


def test_infinite_products_prove_nothing_and_one_that_is_none_is_wrong() -> None:
    assert kinds(dot_product(np.sqrt, 0.0)) == ["inconclusive", "inconclusive"]
    report = dot_product(np.sin, 1.0, jvp=lambda inputs, v: np.nan)
    assert kinds(report) == ["wrong", "wrong"]
    assert kinds(dot_product(np.sin, 1.0, vjp=lambda inputs, u: np.nan)) == ["wrong", "correct"]


def test_rules_get_copies_and_the_same_seed_gives_the_same_report() -> None:
    def jvp(inputs: Any, tangents: Any) -> Any:
        inputs[0][:] = 7.0
        tangents[0][:] = 7.0
        return np.zeros(5)

    one, other = (dot_product(lambda x: 0 * x, POINT, jvp=jvp, seed=3) for _ in range(2))
    assert one == other
    assert one.ok
    assert dot_product(np.sin, POINT, seed=4) != dot_product(np.sin, POINT, seed=5)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(OperandError, match=r"as in dot_product\(f, x, y\)"):
        dot_product(np.sin)
    with pytest.raises(OperandError, match="vjp must return 2 gradients"):
        dot_product(lambda x, y: x * y, 1.0, 2.0, vjp=lambda inputs, u: u)
    with pytest.raises(OperandError, match=r"as in taylor\(f, x, y\)"):
        taylor(np.sin)


# ---- Taylor ----


def sines(x: Any) -> Any:
    return np.sum(np.sin(x))


RIGHT: list[tuple[Callable[..., Any], list[Any]]] = [
    (sines, [POINT]),
    (np.exp, [0.3]),
    (lambda x, y: np.sum(np.tanh(x @ y)), [A, A.T]),
    (lambda x: np.exp(x) * x, [POINT]),
    (lambda x: 1e5 + np.sin(x), [1.0]),
    (np.log, [1e-3]),
    (lambda x: x * x, [1e5]),
]


@pytest.mark.parametrize(("f", "inputs"), RIGHT)
@pytest.mark.parametrize("seed", [0, 1])
def test_right_gradients_leave_a_remainder_of_second_order(f: Any, inputs: Any, seed: int) -> None:
    result = taylor(f, *inputs, seed=seed)
    assert result.ok
    assert result.orders == pytest.approx((1, 2), abs=0.05)


@pytest.mark.parametrize(("f", "inputs"), RIGHT)
def test_wrong_ones_leave_a_remainder_of_first_order(f: Any, inputs: Any) -> None:
    def rule(*arrays: Any) -> Any:
        leaves = [te.Value(array) for array in arrays]
        return tuple(0.99 * g for g in te.grad(np.sum(f(*leaves)), leaves))

    result = taylor(f, *inputs, rule=rule)
    assert result.verdict.kind == "wrong"
    assert not result.ok
    assert result.orders == pytest.approx((1, 1), abs=0.1)


def test_an_error_too_small_for_the_orders_is_still_found() -> None:
    result = taylor(sines, POINT, rule=lambda x: (1 + 1e-9) * np.cos(x))
    assert result.orders[1] == pytest.approx(2, abs=0.05)
    assert result.verdict.kind == "wrong"


def test_the_remainders_are_those_of_exact_arithmetic() -> None:
    points: list[float] = []

    def recorded(x: Any) -> Any:
        points.append(float(x))
        return np.sin(x)

    result = taylor(recorded, 0.7, rule=np.cos)
    # f is called twice at the point, then at each step ahead.
    start = points[0]
    twice = max(i for i, pair in enumerate(pairwise(points)) if pair == (start, start))
    ahead = points[twice + 2 :][: len(result.steps)]
    # v is what x moved by at the first step, but for rounding.
    v = (ahead[0] - start) / result.steps[0]
    with mpmath.workdps(40):
        for h, x, first, second, floor in zip(
            result.steps, ahead, result.first, result.second, result.floor, strict=True
        ):
            change = mpmath.sin(x) - mpmath.sin(start)
            rest = change - h * v * mpmath.cos(start)
            assert first == pytest.approx(float(abs(change)), abs=floor)
            assert second == pytest.approx(float(abs(rest)), abs=floor)
    assert result.steps == tuple(result.steps[0] / 2**k for k in range(len(result.steps)))


def test_of_a_linear_function_the_second_remainder_is_rounding() -> None:
    result = taylor(lambda x: np.sum(3 * x + 2), POINT)
    assert result.ok
    assert result.orders[0] == pytest.approx(1, abs=1e-6)
    assert math.isnan(result.orders[1])
    assert all(r <= floor for r, floor in zip(result.second, result.floor, strict=True))
    assert "– (all rounding)" in result.summary()
    wrong = taylor(lambda x: np.sum(3 * x + 2), POINT, rule=lambda x: np.full(5, 2.999))
    assert not wrong.ok
    assert wrong.orders[1] == pytest.approx(1, abs=0.01)


def test_a_constant_has_no_remainder_at_all() -> None:
    result = taylor(lambda x: 0 * x, 2.0)
    assert result.ok
    assert set(result.first + result.second) == {0.0}


def test_a_stationary_point_has_a_first_remainder_of_second_order() -> None:
    result = taylor(lambda x: np.sum(x * x), np.zeros(3))
    assert result.ok
    assert result.orders == pytest.approx((2, 2), abs=1e-6)


@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.3, 1.0])
def test_at_a_kink_any_slope_between_those_of_its_sides_is_accepted(slope: float) -> None:
    result = taylor(np.abs, 0.0, rule=lambda x: slope)
    assert (result.verdict.kind, result.ok) == ("kink", True)


@pytest.mark.parametrize("slope", [-3.0, 1.01])
def test_at_a_kink_no_other_slope_is_accepted(slope: float) -> None:
    result = taylor(np.abs, 0.0, rule=lambda x: slope)
    assert (result.verdict.kind, result.ok) == ("kink", False)
    assert result.orders[1] == pytest.approx(1, abs=0.01)


def test_jacobians_and_gradients_of_the_sum_are_taken_for_several_outputs() -> None:
    def f(x: Any) -> Any:
        return np.exp(x) * x

    def slopes(x: Any) -> Any:
        return np.exp(x) * (1 + x)

    for rule in (slopes, lambda x: np.diag(slopes(x))):
        assert taylor(f, POINT, rule=rule).orders == pytest.approx((1, 2), abs=0.05)
    for rule in (lambda x: 1.001 * slopes(x), lambda x: np.diag(slopes(x))[::-1]):
        assert taylor(f, POINT, rule=rule).verdict.kind == "wrong"


def test_an_infinite_gradient_has_no_second_remainder() -> None:
    result = taylor(np.sqrt, 0.0)
    assert result.verdict.kind == "inconclusive"
    assert "– (not finite)" in result.summary()


def test_it_costs_as_much_for_many_inputs_as_for_one() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return np.sum(np.sin(x))

    taylor(f, np.linspace(-3, 3, 10_000))
    assert len(calls) <= 100


def test_a_gradient_of_another_shape_cannot_be_tried() -> None:
    with pytest.raises(ShapeError, match=r"a gradient of shape \(5,\) for input x"):
        taylor(sines, POINT, rule=lambda x: np.ones(4))


def test_the_table_has_a_line_for_each_step_and_both_languages() -> None:
    result = taylor(sines, POINT)
    lines = str(result).splitlines()
    assert lines[0].startswith("remainders of order 1.00 and 2.00; g·v: correct")
    assert lines[1].strip().startswith("step h  |f(x+hv) − f(x)|")
    assert len(lines) == 2 + len(result.steps)
    halved = lines[10].split()
    assert float(halved[0]) == pytest.approx(result.steps[8], rel=1e-3)
    assert float(halved[1]) == pytest.approx(result.first[8], rel=1e-3)
    assert float(halved[3]) == pytest.approx(result.second[8], rel=1e-3)
    assert float(halved[4]) == pytest.approx(2, abs=0.02)
    assert lines[-1].split()[-1] == "–"  # where rounding is all there is
    assert result.table("ja").startswith("剰余の次数：1.00、2.00、g·v：正しい")
    with pytest.raises(UnknownNameError, match="no language 'fr'"):
        result.table("fr")


def test_inputs_that_were_converted_are_named() -> None:
    assert "x is int64 and was converted" in taylor(sines, np.array([1, 2])).table()
    assert isinstance(taylor(sines, te.Value(POINT)), Taylor)
