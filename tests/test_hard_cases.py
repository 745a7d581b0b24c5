"""The cases of hard_cases.py, and what happens beside numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.check.test_wrong_rules import MISTAKES
from tests.hard_cases import BEHAVIOUR, CASES, WRONG_RULES, Case
from tinygrad_edu.errors import NotTrackedError, ShapeError
from tools import hard_cases_page

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value

FIRST = {name: case for name, case in CASES.items() if case.order == 1}
KINKS = {name: case for name, case in CASES.items() if case.left is not None}
HIGHER = {name: case for name, case in CASES.items() if case.order > 1}
# Recording the slopes of so many operations takes long and proves nothing more.
SHALLOW = {name: case for name, case in FIRST.items() if name != "100,000 additions in a row"}


def close(got: Any, wanted: Any, case: Case) -> None:
    """Equal within so many places of the entry (of 1/1000 of the largest one, if that is more)."""
    got, wanted = np.asarray(got), np.asarray(wanted, dtype=float)
    assert got.shape == wanted.shape
    finite = np.isfinite(wanted)
    largest = np.max(np.abs(wanted[finite]), initial=0.0)
    unit = np.finfo(got.dtype).eps / np.finfo(float).eps
    size = np.maximum(np.abs(np.where(finite, wanted, 0.0)), 1e-3 * largest)
    with np.errstate(invalid="ignore"):
        right = np.abs(got - wanted) <= case.ulp * unit * np.spacing(size) + case.absolute
    right |= (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    assert right.all(), f"got {got.tolist()}, exact {wanted.tolist()}"


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    """Forwards into a branch that is not taken may warn, as NumPy does."""
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("name", FIRST)
def test_gradients(name: str) -> None:
    case = FIRST[name]
    leaves = [Value(x) for x in case.at.values()]
    y = case.f(*leaves)
    by_grad = te.grad(y, leaves)
    y.backward()
    for leaf, slope, exact in zip(leaves, by_grad, case.gives, strict=True):
        close(slope, exact, case)
        assert slope.dtype == leaf.dtype
        if leaf.grad is None:  # backward does not invent a zero for what it never reached
            assert not np.any(exact)
        else:
            assert np.array_equal(leaf.grad, slope, equal_nan=True)
            assert leaf.grad.dtype == leaf.dtype


@pytest.mark.parametrize("name", SHALLOW)
def test_gradients_recorded_for_higher_orders_are_the_same(name: str) -> None:
    case = SHALLOW[name]
    leaves = [Value(x) for x in case.at.values()]
    slopes = te.grad(case.f(*leaves), leaves, create_graph=True)
    for slope, exact in zip(slopes, case.gives, strict=True):
        close(slope.data, exact, case)


@pytest.mark.parametrize("name", KINKS)
def test_choices_at_corners_lie_between_the_slopes_of_the_sides(name: str) -> None:
    case = KINKS[name]
    assert case.left is not None
    assert case.right is not None
    leaves = [Value(x) for x in case.at.values()]
    for slope, left, right in zip(
        te.grad(case.f(*leaves), leaves), case.left, case.right, strict=True
    ):
        assert np.all(slope >= np.minimum(left, right))
        assert np.all(slope <= np.maximum(left, right))


@pytest.mark.parametrize("name", HIGHER)
def test_higher_orders(name: str) -> None:
    case = HIGHER[name]
    derivative: Callable[..., Any] = case.f
    for _ in range(case.order):
        derivative = te.grad(derivative)
    close(derivative(*case.at.values()), case.gives[0], case)


def test_the_page_is_written_from_the_cases() -> None:
    assert hard_cases_page.PAGE.read_text(encoding="utf-8") == hard_cases_page.page()


def test_the_page_tells_of_each_behaviour_and_each_wrong_rule_that_is_tested() -> None:
    tested = {name.removeprefix("test_") for name in dir(TestBehaviour) if name.startswith("test_")}
    assert tested == {name.replace(" ", "_") for name in BEHAVIOUR}
    assert set(WRONG_RULES) == {*MISTAKES, "a lost tail"}


def test_fifty_digits_reject_a_lost_tail() -> None:
    def sigmoid(x: Any) -> Any:
        return 1 / (1 + np.exp(-x))

    def lost(x: Any) -> Any:
        return sigmoid(x) * (1 - sigmoid(x))

    assert te.check.gradients(sigmoid, 40.0, rule=lost).worst.verdict.kind == "inconclusive"
    report = te.check.gradients(sigmoid, 40.0, rule=lost, precision="exact")
    assert report.worst.verdict.kind == "wrong"


class TestBehaviour:
    def test_a_second_backward_adds_the_same_again(self) -> None:
        x = Value(3.0)
        y = x * x
        z = y * 2.0
        z.backward()
        z.backward()
        assert x.grad == 24.0

    def test_two_losses_add_up(self) -> None:
        x = Value(2.0)
        (x * x).backward()
        (x * 3.0).backward()
        assert x.grad == 7.0

    def test_the_wrapped_array_may_change(self) -> None:
        array = np.array([3.0, 4.0])
        x = Value(array)
        y = np.sum(x * x)
        array[...] = 100.0
        y.backward()
        assert x.grad.tolist() == [6.0, 8.0]

    def test_the_array_of_a_leaf_is_locked(self) -> None:
        x = Value([3.0, 4.0])
        y = np.sum(x * x)
        with pytest.raises(ValueError, match="read-only"):
            x.data[...] = 100.0
        y.backward()
        assert x.grad.tolist() == [6.0, 8.0]

    def test_gradients_alias_neither_each_other_nor_the_seed(self) -> None:
        a, b, seed = Value([1.0, 2.0]), Value([3.0, 4.0]), np.array([1.0, 1.0])
        (a + b).backward(seed)
        a.grad += 5.0
        assert b.grad.tolist() == [1.0, 1.0]
        assert seed.tolist() == [1.0, 1.0]

    def test_the_seed_is_unchanged(self) -> None:
        a, seed = Value([1.0, 2.0]), np.array([1.0, 2.0])
        (a * a * a).backward(seed)
        assert seed.tolist() == [1.0, 2.0]

    def test_a_vector_needs_a_seed(self) -> None:
        x = Value([1.0, 2.0])
        with pytest.raises(ShapeError):
            (x * x).backward()
        assert x.grad is None

    def test_a_seed_of_another_shape_does_not_broadcast(self) -> None:
        x = Value(np.ones((2, 2)))
        with pytest.raises(ShapeError):
            (x * x).backward(np.array([1.5, 1.5]))

    def test_a_number_has_a_number_for_gradient(self) -> None:
        x = Value(2.0)
        np.sum(x * np.ones((2, 3))).backward()
        assert np.shape(x.grad) == ()
        assert x.grad == 6.0

    def test_integers_have_float_gradients(self) -> None:
        x = Value(np.array([1, 2, 3]))
        np.sum(x * 0.5).backward()
        assert x.grad.dtype == np.float64
        assert x.grad.tolist() == [0.5, 0.5, 0.5]

    def test_equal_values_are_two_leaves(self) -> None:
        a, b = Value(2.0), Value(2.0)
        (a * b + a).backward()
        assert (a.grad, b.grad) == (3.0, 2.0)

    def test_two_runs_give_the_same_bits(self) -> None:
        runs = []
        for _ in range(2):
            x = Value(np.linspace(0.1, 1, 50))
            np.sum(np.exp(x) * x).backward()
            runs.append(x.grad.tobytes())
        assert runs[0] == runs[1]

    def test_a_detached_root_says_so(self) -> None:
        with pytest.raises(NotTrackedError):
            (Value(2.0).detach() * 3).backward()
