"""Gradient descent by hand, three steps long, beside the optimiser's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.errors import NotTrackedError, OperandError, StaleGraphError

RATE = 0.1


def quadratic(p: Any, q: Any) -> Any:
    """p₁² + 3 p₂² + q p₁: its gradients are (2 p₁ + q, 6 p₂) and p₁."""
    return p[0] ** 2 + 3 * p[1] ** 2 + q * p[0]


def gradients(p: Any, q: float) -> tuple[Any, float]:
    return np.array([2 * p[0] + q, 6 * p[1]]), p[0]


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_three_steps_by_hand(momentum: float, dtype: Any) -> None:
    p, q = te.Value(np.array([1.0, -2.0], dtype)), te.Value(dtype(0.5))
    optimizer = te.optim.SGD([p, q], lr=RATE, momentum=momentum)
    by_hand: tuple[Any, float] = (np.array([1.0, -2.0]), 0.5)
    velocity: tuple[Any, float] = (np.zeros(2), 0.0)
    for _ in range(3):
        optimizer.zero_grad()
        quadratic(p, q).backward()
        optimizer.step()
        slope = gradients(*by_hand)
        velocity = (momentum * velocity[0] + slope[0], momentum * velocity[1] + slope[1])
        by_hand = (by_hand[0] - RATE * velocity[0], by_hand[1] - RATE * velocity[1])
        tolerance = 1e-14 if dtype is np.float64 else 1e-6
        np.testing.assert_allclose(p.data, by_hand[0], rtol=tolerance)
        assert q.data == pytest.approx(by_hand[1], rel=tolerance)
        assert p.dtype == q.dtype == dtype


def test_momentum_of_a_constant_slope_adds_up_to_a_geometric_series() -> None:
    p = te.Value(0.0)
    optimizer = te.optim.SGD([p], lr=1.0, momentum=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        (p * 1.0).backward()
        optimizer.step()
    assert p.data == -(1 + 1.5 + 1.75)


def test_gradients_add_up_until_they_are_forgotten() -> None:
    p = te.Value(1.0)
    optimizer = te.optim.SGD([p], lr=RATE)
    (p * 3.0).backward()
    (p * 4.0).backward()
    optimizer.step()
    assert p.data == pytest.approx(1 - RATE * 7, rel=1e-15)
    optimizer.zero_grad()
    assert p.grad is None


def test_a_step_gives_new_data_and_leaves_the_old_array_alone() -> None:
    start = np.array([1.0, 2.0])
    p = te.Value(start)
    before = p.data
    optimizer = te.optim.SGD([p], lr=RATE)
    np.sum(p).backward()
    gradient = p.grad.copy()
    optimizer.step()
    np.testing.assert_array_equal(before, [1.0, 2.0])
    np.testing.assert_array_equal(start, [1.0, 2.0])
    np.testing.assert_array_equal(p.grad, gradient)
    np.testing.assert_allclose(p.data, [0.9, 1.9], rtol=1e-15)
    assert not p.data.flags.writeable


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_graph_from_before_a_step_is_stale(momentum: float) -> None:
    p = te.Value([1.0, 2.0], name="p")
    optimizer = te.optim.SGD([p], lr=RATE, momentum=momentum)
    loss: Any = np.sum(p * p)
    loss.backward()
    optimizer.step()
    with pytest.raises(StaleGraphError, match="the data of 'p'"):
        loss.backward()


def test_parameters_without_a_gradient_stay_as_they_are() -> None:
    used, unused = te.Value(1.0), te.Value(5.0)
    optimizer = te.optim.SGD([used, unused], lr=RATE)
    (used * 2.0).backward()
    optimizer.step()
    assert (used.data, unused.data) == (pytest.approx(0.8), 5.0)


def test_a_step_without_any_gradient_says_what_is_missing() -> None:
    optimizer = te.optim.SGD([te.Value(1.0)], lr=RATE)
    with pytest.raises(NotTrackedError, match=r"call loss\.backward\(\) before step\(\)"):
        optimizer.step()


def test_parameters_may_come_one_by_one() -> None:
    p = te.Value(1.0)

    def parameters() -> Iterator[te.Value]:
        yield p

    optimizer = te.optim.SGD(parameters(), lr=RATE)
    for _ in range(2):
        optimizer.zero_grad()
        (p * 1.0).backward()
        optimizer.step()
    assert p.data == pytest.approx(0.8)


@pytest.mark.parametrize("rate", [0.0, -0.1, math.nan])
def test_a_rate_that_is_not_positive_is_refused(rate: float) -> None:
    with pytest.raises(OperandError, match=f"lr must be a positive number, not {rate}"):
        te.optim.SGD([te.Value(1.0)], lr=rate)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, 2.0, math.nan])
def test_a_momentum_that_would_never_settle_is_refused(momentum: float) -> None:
    with pytest.raises(OperandError, match=f"at least 0 and below 1, not {momentum}"):
        te.optim.SGD([te.Value(1.0)], momentum=momentum)


def test_parameters_must_be_leaves() -> None:
    with pytest.raises(OperandError, match=r"pass model\.parameters\(\)"):
        te.optim.SGD([])
    for thing in (te.Value(1.0) * 2, np.ones(2), 1.0):
        with pytest.raises(OperandError, match=r"leaves made with te\.Value"):
            te.optim.SGD([thing])  # type: ignore[list-item]
