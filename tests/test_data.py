"""Data sets are what their names say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.errors import OperandError, ShapeError

Array = np.ndarray[Any, np.dtype[Any]]
SEEDED: dict[str, Callable[..., tuple[Array, Array]]] = {
    "moons": te.data.moons,
    "spirals": te.data.spirals,
}
seeded = pytest.mark.parametrize("make", SEEDED.values(), ids=SEEDED)


def test_xor_is_true_where_exactly_one_input_is() -> None:
    x, y = te.data.xor()
    assert x.shape == (4, 2)
    assert y.shape == (4, 1)
    assert x.dtype == y.dtype == np.float64
    assert [(int(a) ^ int(b), t) for (a, b), t in zip(x, y[:, 0], strict=True)] == [
        (0, 0.0),
        (1, 1.0),
        (1, 1.0),
        (0, 0.0),
    ]
    assert sorted(map(tuple, x)) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_each_call_gives_arrays_of_its_own() -> None:
    x, y = te.data.xor()
    x[:], y[:] = 7, 7
    again, targets = te.data.xor()
    assert again.max() == targets.max() == 1


@pytest.mark.parametrize("count", [2, 7, 200])
def test_moons_are_two_half_circles(count: int) -> None:
    x, y = te.data.moons(count, noise=0)
    upper, lower = x[y[:, 0] == 0], x[y[:, 0] == 1]
    np.testing.assert_allclose(np.hypot(*upper.T), 1, rtol=1e-12)
    np.testing.assert_allclose(np.hypot(lower[:, 0] - 1, lower[:, 1] - 0.5), 1, rtol=1e-12)
    assert upper[:, 1].min() >= -1e-12
    assert lower[:, 1].max() <= 0.5 + 1e-12
    # As scikit-learn's make_moons defines them.
    angles = np.linspace(0, np.pi, count // 2)
    np.testing.assert_allclose(upper, np.c_[np.cos(angles), np.sin(angles)], atol=1e-12)
    angles = np.linspace(0, np.pi, count - count // 2)
    np.testing.assert_allclose(
        lower, np.c_[1 - np.cos(angles), 1 - np.sin(angles) - 0.5], atol=1e-12
    )


@pytest.mark.parametrize("turns", [0.25, 1, 3.0])
def test_spirals_are_two_arms_whose_radius_grows_with_the_angle(turns: float) -> None:
    x, y = te.data.spirals(200, noise=0, turns=turns)
    assert list(y[:, 0]) == [0] * 100 + [1] * 100
    np.testing.assert_allclose(x[100:], -x[:100], atol=1e-12)  # half a turn further
    radius = np.hypot(*x[:100].T)
    angle = np.unwrap(np.arctan2(x[:100, 1], x[:100, 0]))
    assert radius[0] == pytest.approx(0.1)
    assert radius[-1] == pytest.approx(1)
    assert angle[0] == pytest.approx(0)
    assert angle[-1] == pytest.approx(2 * np.pi * turns)
    np.testing.assert_allclose((radius - 0.1) / 0.9, angle / angle[-1], atol=1e-12)


@seeded
@pytest.mark.parametrize("count", [2, 9, 10])
def test_both_targets_have_half_of_the_points(
    make: Callable[..., tuple[Array, Array]], count: int
) -> None:
    x, y = make(count)
    assert x.shape == (count, 2)
    assert y.shape == (count, 1)
    assert x.dtype == y.dtype == np.float64
    assert list(y[:, 0]) == [0] * (count // 2) + [1] * (count - count // 2)


@seeded
def test_noise_is_normal_and_follows_the_seed(make: Callable[..., tuple[Array, Array]]) -> None:
    clean, _ = make(4000, noise=0, seed=5)
    moved = make(4000, noise=0.3, seed=5)[0] - clean
    assert moved.std() == pytest.approx(0.3, rel=0.05)
    assert abs(moved.mean()) < 0.02
    assert abs(np.corrcoef(moved.T)[0, 1]) < 0.06
    np.testing.assert_array_equal(make(4000, noise=0.3, seed=5)[0] - clean, moved)
    np.testing.assert_array_equal(make(4000, noise=0, seed=6)[0], clean)
    assert not np.array_equal(make(4000, noise=0.3, seed=6)[0] - clean, moved)


@seeded
def test_a_generator_serves_as_a_seed_and_moves_on(
    make: Callable[..., tuple[Array, Array]],
) -> None:
    generator = np.random.default_rng(3)
    first, second = make(20, seed=generator)[0], make(20, seed=generator)[0]
    np.testing.assert_array_equal(first, make(20, seed=3)[0])
    assert not np.array_equal(first, second)


@seeded
@pytest.mark.parametrize("count", [1, 0, -4, 2.0, "10", None])
def test_a_count_that_is_none_is_refused(
    make: Callable[..., tuple[Array, Array]], count: Any
) -> None:
    with pytest.raises(ShapeError, match="whole number from 2 up"):
        make(count)


@seeded
@pytest.mark.parametrize("noise", [-0.1, np.nan, np.inf, "0.1", None])
def test_a_noise_that_is_none_is_refused(
    make: Callable[..., tuple[Array, Array]], noise: Any
) -> None:
    with pytest.raises(OperandError, match="noise must be a number from 0 up"):
        make(10, noise=noise)


@pytest.mark.parametrize("turns", [0, -1, np.nan, np.inf, "2"])
def test_turns_that_are_none_are_refused(turns: Any) -> None:
    with pytest.raises(OperandError, match="turns must be a positive number"):
        te.data.spirals(10, turns=turns)
