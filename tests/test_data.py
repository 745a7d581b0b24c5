"""Data sets are what their names say."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tinygrad_edu as te
from tinygrad_edu.errors import OperandError, ShapeError

Array = np.ndarray[Any, np.dtype[Any]]
SEEDED: dict[str, Callable[..., tuple[Array, Array]]] = {
    "moons": te.data.moons,
    "circles": te.data.circles,
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


@pytest.mark.parametrize("count", [2, 9, 40])
@pytest.mark.parametrize("factor", [0.1, 0.5, 0.99])
def test_circles_are_scikit_learns(count: int, factor: float) -> None:
    peer = pytest.importorskip("sklearn.datasets", reason="scikit-learn makes the circles, too")
    x, y = te.data.circles(count, noise=0, factor=factor)
    points, classes = peer.make_circles(count, noise=None, factor=factor, shuffle=False)
    np.testing.assert_allclose(x, points, atol=1e-15)
    np.testing.assert_array_equal(y[:, 0], classes)
    np.testing.assert_allclose(np.hypot(*x.T), np.where(y[:, 0] == 0, 1, factor), rtol=1e-12)


@pytest.mark.parametrize("factor", [0, 1, -0.5, np.nan, "0.5", None])
def test_a_factor_that_is_none_is_refused(factor: Any) -> None:
    with pytest.raises(OperandError, match="factor must be a number between 0 and 1"):
        te.data.circles(10, factor=factor)


@given(st.integers(1, 5), st.integers(0, 30), st.integers(1, 4))
def test_blobs_hold_equally_many_points_of_each_class(
    classes: int, more: int, features: int
) -> None:
    count = classes + more
    x, y = te.data.blobs(count, classes, features=features)
    assert x.shape == (count, features)
    assert y.shape == (count,)
    assert y.dtype.kind == "i"
    assert list(y) == sorted(y)
    sizes = np.bincount(y)
    assert len(sizes) == classes
    assert sizes.max() - sizes.min() <= 1
    assert list(sizes) == sorted(sizes, reverse=True)


def test_blobs_are_normal_around_their_centres() -> None:
    centres = np.array([[0.0, 0.0, 5.0], [100.0, 0.0, -5.0]])
    x, y = te.data.blobs(8000, centres, spread=2.0)
    assert x.shape == (8000, 3)
    moved = x - centres[y]
    assert moved.std(axis=0) == pytest.approx([2, 2, 2], rel=0.05)
    assert np.abs(moved.mean(axis=0)).max() < 0.1
    drawn, classes = te.data.blobs(4000, 400, spread=0)
    assert len(np.unique(drawn, axis=0)) == 400
    assert (drawn.min(), drawn.max()) == pytest.approx((-10, 10), abs=0.3)
    assert np.ptp(drawn[classes == 7], axis=0).max() == 0


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2), (0, 2), (2, 0)])
def test_centres_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"array of shape \(classes, features\)"):
        te.data.blobs(10, np.zeros(shape))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"count": 2}, ShapeError, "count must be a whole number from 3 up, not 2"),
        ({"centres": 0}, ShapeError, "centres must be a whole number from 1 up, not 0"),
        ({"features": 1.5}, ShapeError, "features must be a whole number from 1 up, not 1.5"),
        ({"spread": -1}, OperandError, "spread must be a number from 0 up, not -1"),
    ],
)
def test_blobs_that_are_none_are_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        te.data.blobs(**options)


def test_regression_is_a_function_with_noise() -> None:
    x, y = te.data.regression_1d(5, noise=0)
    np.testing.assert_allclose(x, np.pi * np.array([[-1], [-0.5], [0], [0.5], [1]]), atol=1e-15)
    np.testing.assert_allclose(y, [[0], [-1], [0], [1], [0]], atol=1e-15)
    x, clean = te.data.regression_1d(4000, 0, lambda x: x**2, interval=(0, 3), seed=2)
    assert (x[0, 0], x[-1, 0]) == (0, 3)
    np.testing.assert_array_equal(clean, x * x)
    moved = te.data.regression_1d(4000, 0.3, lambda x: x**2, interval=(0, 3), seed=2)[1] - clean
    assert moved.std() == pytest.approx(0.3, rel=0.05)
    assert abs(moved.mean()) < 0.02


@pytest.mark.parametrize("interval", [(1, 1), (2, 1), (0, np.inf), (np.nan, 1), 3, (1, 2, 3), "ab"])
def test_an_interval_that_is_none_is_refused(interval: Any) -> None:
    with pytest.raises(OperandError, match=r"two numbers \(low, high\)"):
        te.data.regression_1d(10, interval=interval)


def test_a_function_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"shape \(10, 1\); it returned \(10,\)"):
        te.data.regression_1d(10, function=lambda x: x[:, 0])


@given(st.integers(1, 20), st.integers(1, 62), st.integers(0, 2**32 - 1))
def test_adding_sequences_are_right_sums(count: int, bits: int, seed: int) -> None:
    x, y = te.data.adding_sequences(count, bits, seed)
    assert x.shape == (count, bits + 1, 2)
    assert y.shape == (count, bits + 1, 1)
    assert x.dtype == y.dtype == np.float64

    def numbers(digits: Array) -> list[int]:
        return [sum(int(digit) << place for place, digit in enumerate(row)) for row in digits]

    for first, second, total in zip(
        numbers(x[:, :, 0]), numbers(x[:, :, 1]), numbers(y[:, :, 0]), strict=True
    ):
        assert first + second == total
        assert max(first, second) < 2**bits
    assert set(np.unique(x)) | set(np.unique(y)) <= {0.0, 1.0}


def test_adding_sequences_draw_every_number() -> None:
    x, _ = te.data.adding_sequences(4000, 3)
    for which in (0, 1):
        numbers = (x[:, :, which] @ [1, 2, 4, 8]).astype(int)
        np.testing.assert_allclose(np.bincount(numbers, minlength=8), 500, rtol=0.2)


@pytest.mark.parametrize(("count", "bits"), [(0, 8), (5, 0), (5, 63), (5, 2.0), (True, 8)])
def test_sequences_that_are_none_are_refused(count: Any, bits: Any) -> None:
    with pytest.raises(ShapeError, match="must be a whole number"):
        te.data.adding_sequences(count, bits)


def test_digits_are_scikit_learns_in_two_parts() -> None:
    peer = pytest.importorskip("sklearn.datasets", reason="the digits come with scikit-learn")
    (x, y), (x_test, y_test) = te.data.digits()
    assert x.shape == (1438, 64)
    assert x_test.shape == (359, 64)
    levels, labels = peer.load_digits(return_X_y=True)
    wanted = sorted((label, *row) for row, label in zip(levels, labels, strict=True))
    rows, answers = np.concatenate([x, x_test]) * 16, np.concatenate([y, y_test])
    assert sorted((label, *row) for row, label in zip(rows, answers, strict=True)) == wanted
    assert y.dtype.kind == "i"
    assert (x.min(), x.max()) == (0, 1)
    np.testing.assert_array_equal(te.data.digits()[0][0], x)
    assert not np.array_equal(te.data.digits(seed=1)[0][0], x)
    assert te.data.digits(0.5)[1][0].shape == (898, 64)


def test_digits_name_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r'pip install "tinygrad_edu\[data\]"'):
        te.data.digits()


@given(st.integers(1, 40), st.integers(1, 50), st.booleans(), st.integers(0, 99))
def test_batches_hold_every_row_once(count: int, size: int, shuffle: bool, seed: int) -> None:
    x, y = np.arange(3.0 * count).reshape(count, 3), np.arange(count)
    parts = list(te.data.batches(x, y, size, shuffle, seed))
    assert [len(rows) for rows, _ in parts[:-1]] == [size] * (len(parts) - 1)
    assert 1 <= len(parts[-1][0]) <= size
    answers = np.concatenate([labels for _, labels in parts])
    assert sorted(answers) == list(range(count))
    for rows, labels in parts:
        np.testing.assert_array_equal(rows, x[labels])
    if not shuffle:
        assert list(answers) == list(range(count))
        assert np.shares_memory(parts[0][0], x)


def test_batches_follow_the_seed_and_a_generator_moves_on() -> None:
    x = y = np.arange(100)

    def order(**options: Any) -> list[int]:
        parts = te.data.batches(x, y, 7, **options)
        return [int(label) for _, labels in parts for label in labels]

    assert order() == order(seed=0) != list(range(100))
    assert order() != order(seed=1)
    generator = np.random.default_rng(0)
    assert order(seed=generator) == order()
    assert order(seed=generator) != order()
    # Batches that are not taken to the end leave the generator where whole ones leave it.
    one, other = np.random.default_rng(5), np.random.default_rng(5)
    next(te.data.batches(x, y, 7, seed=one))
    order(seed=other)
    assert one.bit_generator.state == other.bit_generator.state


def test_all_orders_are_equally_likely() -> None:
    generator = np.random.default_rng(4)
    seen: dict[tuple[int, ...], int] = {}
    for _ in range(1200):
        ((order, _),) = te.data.batches(np.arange(3), np.arange(3), 3, seed=generator)
        seen[tuple(order)] = seen.get(tuple(order), 0) + 1
    assert len(seen) == 6
    assert all(150 < times < 250 for times in seen.values())  # 200 ± 13


def test_batches_and_parts_of_tuples_keep_their_rows_together() -> None:
    x = np.arange(10), np.arange(20).reshape(10, 2)
    y = list(range(10))
    for (first, second), labels in te.data.batches(x, y, 4):
        np.testing.assert_array_equal(first, labels)
        np.testing.assert_array_equal(second[:, 0], 2 * labels)
    for (first, second), labels in te.data.split(x, y, 0.3):
        np.testing.assert_array_equal(first, labels)
        np.testing.assert_array_equal(second[:, 1], 2 * labels + 1)


@given(st.integers(2, 60), st.floats(0.001, 0.999), st.integers(0, 99))
@example(2, 0.999, 0)
@example(2, 0.001, 0)
def test_split_parts_the_rows(count: int, share: float, seed: int) -> None:
    x, y = np.arange(2 * count).reshape(count, 2), np.arange(count)
    (train, labels), (test, answers) = te.data.split(x, y, share, seed)
    assert sorted([*labels, *answers]) == list(range(count))
    np.testing.assert_array_equal(train, x[labels])
    np.testing.assert_array_equal(test, x[answers])
    assert min(len(train), len(test)) >= 1
    assert abs(len(test) - share * count) <= (1 if len(test) in (1, count - 1) else 0.5)
    np.testing.assert_array_equal(te.data.split(x, y, share, seed)[1][1], answers)


def test_split_draws_the_rows_that_it_keeps_back() -> None:
    times = np.zeros(10)
    for seed in range(500):
        times[te.data.split(np.arange(10), np.arange(10), 0.3, seed)[1][1]] += 1
    np.testing.assert_allclose(times, 150, atol=45)  # ± 10


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, np.nan, "0.2", None])
def test_a_share_that_is_none_is_refused(share: Any) -> None:
    with pytest.raises(OperandError, match="share must be a number between 0 and 1"):
        te.data.split(np.arange(5), np.arange(5), share)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 2)), np.zeros(4), r"same number of rows.*\(3, 2\) and \(4,\)"),
        ((np.zeros(3), np.zeros(4)), np.zeros(3), r"\(3,\) and \(4,\) and \(3,\)"),
        (np.zeros((0, 2)), np.zeros(0), "there are no rows"),
        (1.0, np.zeros(3), "a single number has none"),
    ],
)
def test_rows_that_do_not_fit_are_refused(x: Any, y: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        te.data.batches(x, y, 2)
    with pytest.raises(ShapeError, match=message):
        te.data.split(x, y)


def test_one_row_is_not_split() -> None:
    with pytest.raises(ShapeError, match="a single row cannot be split"):
        te.data.split(np.zeros((1, 2)), np.zeros(1))


@pytest.mark.parametrize("size", [0, -3, 2.5, "8", None, True])
def test_a_size_of_batches_that_is_none_is_refused(size: Any) -> None:
    with pytest.raises(ShapeError, match="size must be a whole number from 1 up"):
        te.data.batches(np.zeros(4), np.zeros(4), size)
