"""The reference that derivative rules are judged by is judged by closed forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from tests.finite_differences import contracted, derivative, jacobian

SMOOTH: list[tuple[Callable[[Any], Any], Callable[[Any], Any], list[float]]] = [
    (np.sin, mpmath.sin, [0.0, 0.3, 1.5, 100.0]),
    (np.exp, mpmath.exp, [-5.0, 0.0, 3.0, 600.0]),
    (np.log, mpmath.log, [0.5, 2.0, 90.0]),
    (np.tanh, mpmath.tanh, [-4.0, 0.0, 0.7]),
    (np.reciprocal, lambda x: 1 / x, [-0.5, 0.75, 40.0]),
    (lambda x: x**5, lambda x: x**5, [-3.0, 0.0, 1.0]),
    (lambda x: np.sin(30 * x), lambda x: mpmath.sin(30 * x), [0.0, 0.4]),
]


@pytest.mark.parametrize(("f", "exact", "points"), SMOOTH)
@pytest.mark.parametrize(("side", "digits"), [(0, 1e-9), (1, 1e-7), (-1, 1e-7)])
def test_a_smooth_derivative_has_nine_digits_and_an_honest_bar(
    f: Callable[[Any], Any],
    exact: Callable[[Any], Any],
    points: list[float],
    side: int,
    digits: float,
) -> None:
    for x in points:
        estimate = derivative(f, x, 0.125 if side == 0 else 0.0625, side)
        with mpmath.workdps(40):
            want = float(mpmath.diff(exact, mpmath.mpf(x)))
        off = abs(estimate.value - want)
        assert off <= digits * max(abs(want), 1e-3)
        assert off <= estimate.error <= 100 * digits * max(abs(want), 1e-3)


def test_each_side_of_a_corner_and_of_a_jump_has_its_own_slope() -> None:
    for f, left, right in (
        (abs, -1.0, 1.0),
        (np.sign, 0.0, 0.0),
        (lambda x: x * (x > 0), 0.0, 1.0),
    ):
        assert derivative(f, 0.0, 0.1, -1).value == pytest.approx(left, abs=1e-12)
        assert derivative(f, 0.0, 0.1, 1).value == pytest.approx(right, abs=1e-12)


def test_a_jump_has_no_central_derivative() -> None:
    assert not derivative(np.sign, 0.0, 0.1).error < 1


def test_a_jacobian_has_the_shape_of_the_value_and_then_of_the_argument() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    slopes = jacobian(np.matmul, (a, b), 1, 0.1)
    np.testing.assert_allclose(slopes.value, np.einsum("ij,kl->ikjl", a, np.eye(4)), atol=1e-11)
    assert jacobian(np.matmul, (a[:0], b), 0, 0.1).value.shape == (0, 4, 0, 3)
    weights = np.arange(8.0).reshape(2, 4)
    np.testing.assert_allclose(contracted(weights, slopes.value), a.T @ weights, atol=1e-10)


def test_a_view_of_the_argument_is_not_taken_for_a_constant() -> None:
    slopes = jacobian(np.transpose, (np.arange(6.0).reshape(2, 3),), 0, 0.1)
    assert slopes.value.sum() == pytest.approx(6.0)
