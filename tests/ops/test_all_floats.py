"""Every record at any float64 numbers: subnormal, huge, equal, beside its kinks and ends.

Nothing here names a right operation: a record is tested from the moment it is registered.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.ops.exactly import truth
from tests.ops.judges import (
    WIDTHS,
    entries,
    judge_along,
    judge_entries,
    judge_orders,
    judge_slopes,
)
from tests.ops.test_mutants import Mistake, Rule, after, changed
from tests.ops.user_records import ELEMENTWISE, STRUCTURAL
from tests.shares import one_in
from tinygrad_edu.check.samples import arguments, corners, interval, option_sets, structural_cases
from tinygrad_edu.check.strategies import SEEDS
from tinygrad_edu.engine.operation import Operation

SOME, FEW = (settings(max_examples=settings().max_examples * share // 15) for share in (10, 3))
ANY = st.floats(allow_nan=False, allow_infinity=False)


def places(op: Operation, position: int) -> list[float]:
    """Where an argument's rule is most likely to be wrong, and the floats beside."""
    at = {0.0, -0.0, 1.0, 5e-324, *interval(op, position)}
    at |= {extreme[position] for extreme in op.extremes}
    at |= {*corners(op)} if position == 0 else set()
    beside = [math.nextafter(x, end) for x in at for end in (-math.inf, math.inf)]
    return sorted(x for x in [*at, *beside] if math.isfinite(x))


@st.composite
def points(draw: st.DrawFn, op: Operation) -> Any:
    """Up to four points, (arguments, points)."""
    each = [
        st.one_of(ANY, st.floats(-40, 40), st.sampled_from(places(op, position)))
        for position in range(len(op.arguments))
    ]
    drawn = np.array(draw(st.lists(st.tuples(*each), min_size=1, max_size=4))).T
    if len(each) > 1 and draw(st.booleans()):
        drawn[1, 0] = drawn[0, 0]  # a tie
    return drawn


@pytest.mark.parametrize("op", one_in(6, ELEMENTWISE, 0))
@SOME
@given(data=st.data())
def test_value_and_slopes_are_true_at_any_floats(op: Operation, data: st.DataObject) -> None:
    judge_slopes(op, data.draw(st.sampled_from(option_sets(op))), data.draw(points(op)))


@pytest.mark.parametrize("op", one_in(6, ELEMENTWISE, 1))
@FEW
@given(data=st.data())
def test_three_orders_are_true_at_any_floats(op: Operation, data: st.DataObject) -> None:
    judge_orders(op, data.draw(st.sampled_from(option_sets(op))), data.draw(points(op)))


@pytest.mark.parametrize("op", one_in(6, STRUCTURAL, 2))
@FEW
@given(data=st.data())
def test_gradients_are_true_for_entries_of_any_size(op: Operation, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(SEEDS))
    case = data.draw(st.sampled_from(structural_cases(op)))
    judge_entries(op, entries(op, case, data.draw(st.sampled_from(WIDTHS)), rng), rng)


@pytest.mark.parametrize("op", one_in(6, STRUCTURAL, 3))
@FEW
@given(data=st.data())
def test_three_orders_are_true_along_a_direction(op: Operation, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(SEEDS))
    call = arguments(op, data.draw(st.sampled_from(structural_cases(op))), "near", rng)
    judge_along(op, call, [rng.uniform(-1.5, 1.5, np.shape(x))[()] for x in call.arrays])


# ---- wrong rules ----


def where(test: Callable[[Any], Any], factor: float) -> Mistake:
    """A rule that is off by a factor where its first argument passes a test."""

    def mistake(right: Rule) -> Rule:
        def wrong(first: Any, arguments: tuple[Any, ...], options: Any) -> Any:
            found = right(first, arguments, options)
            return np.where(test(arguments[0]), factor * found, found)

        return wrong

    return mistake


def straight(right: Rule) -> Rule:
    """A rule whose own derivative is right and whose second derivative is 0."""

    def wrong(first: Any, arguments: tuple[Any, ...], options: Any) -> Any:
        found = right(first, arguments, options)
        if not isinstance(found, te.Value) or not found.requires_grad:
            return found
        (slope,) = te.grad(found, [arguments[0]], gradient=np.ones(found.shape))
        return found.data + slope * (arguments[0] - arguments[0].data)

    return wrong


TINY = after(lambda g: g * (1 + 1e-9))
FEW_UNITS = after(lambda g: g * (1 + 2e-14))
MISTAKES: list[tuple[str, str, Mistake]] = [
    *(
        (name, "1e-9", TINY)
        for name in ("exp", "sin", "multiply", "arctan2", "tanh", "relu", "where")
    ),
    *((name, "2e-14", FEW_UNITS) for name in ("exp", "log", "sqrt", "divide", "maximum")),
    ("tanh", "in the tails", where(lambda x: np.abs(x) > 18, 1 + 1e-6)),
    ("sigmoid", "in the tails", where(lambda x: x > 30, 1 + 1e-6)),
    ("log", "for huge numbers", where(lambda x: x > 1e200, 1.5)),
    ("sqrt", "for subnormal numbers", where(lambda x: x < 1e-300, 1 + 1e-6)),
    ("sin", "for large numbers", where(lambda x: np.abs(x) > 1e6, -1.0)),
    ("relu", "beside the kink", where(lambda x: np.abs(x) < 1e-200, 0.0)),
    ("sigmoid_linear", "at the kink", where(lambda x: x == 1, 2.0)),
]
THIRD = ("exp", "log", "sin", "cos", "sqrt", "reciprocal", "tanh", "sigmoid", "arctan", "sinh")


def samples(op: Operation) -> Any:
    """Points as `points` draws them, many at once."""
    rng = np.random.default_rng(0)
    count = len(op.arguments)
    few = 30 // count
    bits = rng.integers(0, 2**64, (count, few), dtype=np.uint64).view(np.float64)
    near = rng.uniform(-40, 40, (count, few))
    beside = np.array([np.resize(rng.permutation(places(op, i)), few) for i in range(count)])
    found = np.concatenate([bits, near, beside], axis=1)
    return np.where(np.isfinite(found), found, 1.0)


@pytest.mark.parametrize(
    ("name", "mistake"), [pytest.param(n, m, id=f"{n}-{label}") for n, label, m in MISTAKES]
)
def test_a_rule_that_is_wrong_somewhere_is_rejected(name: str, mistake: Mistake) -> None:
    op = te.OPERATIONS[name]
    options = option_sets(op)[0]
    arrays = samples(op)
    true = truth(op, options, arrays)
    judge_slopes(op, options, arrays, true)
    for position in range(len(op.arguments)):
        if callable(op.rules[position]):
            with pytest.raises(AssertionError, match="the slope by"):
                judge_slopes(changed(op, position, mistake), options, arrays, true)


@pytest.mark.parametrize("name", THIRD)
def test_a_rule_that_is_wrong_from_the_third_order_on_is_rejected(name: str) -> None:
    op = te.OPERATIONS[name]
    arrays = samples(op)[:, 25:65]
    true = truth(op, {}, arrays, order=3)
    judge_orders(op, {}, arrays, true)
    with pytest.raises(AssertionError, match=r"te\.jvp 3 times"):
        judge_orders(changed(op, 0, straight), {}, arrays, true)


@pytest.mark.parametrize("name", ["sum", "matmul", "softmax", "logsumexp", "cumsum", "var", "inv"])
def test_a_pullback_that_is_wrong_is_rejected(name: str) -> None:
    op, rng = te.OPERATIONS[name], np.random.default_rng(0)
    wrong = changed(op, 0, after(lambda g: g * (1 + 1e-7)))
    call = arguments(op, op.cases[0], "near", rng)
    tangents = [rng.uniform(0.5, 1.5, np.shape(x)) for x in call.arrays]
    judge_entries(op, call, rng)
    judge_along(op, call, tangents)
    with pytest.raises(AssertionError, match="the gradient of argument 0"):
        judge_entries(wrong, call, rng)
    with pytest.raises(AssertionError, match=r"te\.jvp 1 times"):
        judge_along(wrong, call, tangents)
