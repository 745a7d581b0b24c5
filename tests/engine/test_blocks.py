"""Large arrays go through kernels and rules in blocks and give what one piece gives."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.engine.blocks import BLOCK, MANY, blocks, blockwise, rowwise, select
from tinygrad_edu.engine.chain import chain, chain_in_blocks
from tinygrad_edu.engine.operation import Elementwise

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def large(dtype: type, blocks: float = 2.5, seed: int = 0) -> Any:
    """More numbers than one block holds; those by which the last block is shorter included."""
    entries = int(blocks * BLOCK / np.dtype(dtype).itemsize)
    return np.random.default_rng(seed).normal(0, 3, entries).astype(dtype)


@each_dtype
def test_blocks_cover_every_entry_once_and_are_small(dtype: type) -> None:
    x = large(dtype)
    number, other = 2.0, np.arange(x.size)
    seen = []
    for here, (part, whole, numbers) in blocks(False, x, number, other):
        assert whole is number
        assert max(part.nbytes, numbers.nbytes) <= BLOCK
        np.testing.assert_array_equal(part, x[here])
        seen.append(numbers)
    np.testing.assert_array_equal(np.concatenate(seen), other)
    assert len(seen) > 1


def recorded(sizes: list[int]) -> Any:
    @blockwise
    def kernel(x: Any, factor: Any = 2.0, into: Any = None) -> Any:
        """Twice x, or as many times as is said."""
        sizes.append(np.size(x))
        return np.multiply(x, factor, out=into)

    return kernel


def test_only_what_can_be_cut_is_cut() -> None:
    sizes: list[int] = []
    kernel = recorded(sizes)
    x = large(np.float64)

    def pieces(*given: Any, **named: Any) -> int:
        sizes.clear()
        np.testing.assert_array_equal(
            kernel(*given, **named), given[0] * [*given[1:], *named.values()][0]
        )
        return len(sizes)

    assert pieces(x, 3.0) == pieces(x, factor=np.float64(3)) == 3
    assert pieces(x, x) == pieces(x, factor=x) == 3
    assert pieces(x.reshape(2, -1), x.reshape(2, -1)) == 3
    assert pieces(x.reshape(2, -1)[:, ::-1], 3.0) == 3  # a view is cut too
    assert pieces(x.reshape(2, -1), x[: x.size // 2]) == 1  # it is broadcast
    assert pieces(x[:10], 3.0) == pieces(np.float64(3), 3.0) == 1
    out = kernel(x)
    assert out.base is None
    assert out.flags.owndata


def test_a_kernel_shows_its_parameters_and_its_text() -> None:
    kernel = recorded([])
    assert list(inspect.signature(kernel).parameters) == ["x", "factor"]
    assert kernel.__name__ == "kernel"
    assert kernel.__doc__ == "Twice x, or as many times as is said."


def test_rows_stay_whole_and_may_change_their_length() -> None:
    lengths = []

    @rowwise
    def halved(x: Any, axis: int = -1, into: Any = None) -> Any:
        lengths.append(x.shape)
        first, second = np.split(x, 2, axis=axis)
        return first - second

    x = large(np.float32).reshape(-1, 20)
    np.testing.assert_array_equal(halved(x), x[:, :10] - x[:, 10:])
    assert len(lengths) == 3
    assert all(shape[1:] == (20,) for shape in lengths)
    lengths.clear()
    np.testing.assert_array_equal(halved(x, axis=0), x[: len(x) // 2] - x[len(x) // 2 :])
    assert len(lengths) == 1


VALUES = [1.5, -0.0, np.nan, np.inf, -np.inf, 5e-324, 3e38]


@each_dtype
@pytest.mark.parametrize("entries", [7, MANY, 3 * MANY])
def test_select_is_where_to_the_last_bit(entries: int, dtype: type) -> None:
    rng = np.random.default_rng(0)
    with np.errstate(over="ignore", under="ignore"):
        x, y = rng.choice(VALUES, (2, entries)).astype(dtype)
    condition = rng.random(entries) < 0.5
    arguments: list[Any] = [x, y, 0, 0.0, -0.0, 1.5, dtype(-2), np.nan, np.arange(entries) / 3]
    for one in arguments:
        for other in arguments:
            wanted = np.where(condition, one, other)
            for into in (None, np.empty(entries, wanted.dtype)):
                got = select(condition, one, other, into)
                assert got.dtype == wanted.dtype
                assert got.tobytes() == wanted.tobytes()
    # As np.where, it broadcasts and takes conditions that are no truth values.
    square = rng.random((entries, 2)) < 0.5
    np.testing.assert_array_equal(
        select(square, x[:, None], y[:, None]), np.where(square, x[:, None], y[:, None])
    )
    np.testing.assert_array_equal(select(square, 1, 2), np.where(square, 1, 2))
    np.testing.assert_array_equal(select(1 * condition, x, y), np.where(condition, x, y))


def test_select_of_values_is_recorded() -> None:
    condition = np.arange(2 * MANY) % 3 == 0
    x, y = te.Value(np.ones(2 * MANY)), te.Value(np.zeros(2 * MANY))
    chosen: Any = select(condition, x, y)
    assert isinstance(chosen, te.Value)
    gradients = te.grad(chosen, (x, y), gradient=np.ones(2 * MANY))
    np.testing.assert_array_equal(gradients[0], condition)
    np.testing.assert_array_equal(gradients[1], ~condition)


@each_dtype
@pytest.mark.parametrize("rule", [lambda out, x: x > 0, lambda out, x: 1 / x, lambda out, x: 2.0])
def test_the_chain_rule_in_blocks_is_the_chain_rule(rule: Any, dtype: type) -> None:
    x, g = large(dtype), large(dtype, seed=1)
    x[::7], g[::11] = 0, np.inf
    g[::5] = 0
    with np.errstate(all="ignore"):
        wanted = chain(g, rule(x, x))
        got = chain_in_blocks(g, rule, (x, x), {})
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)
    assert np.all(got[::35] == 0)


@each_dtype
@pytest.mark.parametrize(
    "name", [n for n, op in te.ACTIVATIONS.items() if isinstance(op, Elementwise)]
)
def test_activations_of_many_numbers_are_those_of_few(name: str, dtype: type) -> None:
    """A form may be chosen by what else is there; the last places may tell."""
    op = te.ACTIVATIONS[name]
    x = te.Value(large(dtype))
    y = op(x)
    y.backward(np.ones(x.shape))
    for here in (slice(0, 100), slice(-100, None), slice(BLOCK // 4 - 50, BLOCK // 4 + 50)):
        few = te.Value(x.data[here])
        out = op(few)
        out.backward(np.ones(few.shape))
        rtol = 16 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(y.data[here], out.data, rtol=rtol)
        np.testing.assert_allclose(x.grad[here], few.grad, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax", "glu", "swiglu"])
def test_activations_of_many_rows_are_those_of_few(name: str) -> None:
    op = te.ACTIVATIONS[name]
    x = te.Value(large(np.float32).reshape(-1, 20))
    y = op(x)
    g = np.random.default_rng(1).normal(size=y.shape).astype(np.float32)
    y.backward(g)
    for here in (slice(0, 3), slice(-3, None)):
        few = te.Value(x.data[here])
        out = op(few)
        out.backward(g[here])
        np.testing.assert_allclose(y.data[here], out.data, rtol=1e-6)
        np.testing.assert_allclose(x.grad[here], few.grad, rtol=1e-6, atol=1e-6)


def test_the_incoming_gradient_stays_the_callers() -> None:
    """What cannot change is not copied; what can is, and no gradient is the caller's array."""
    x = te.Value(np.ones(3))
    mine: Any = np.ones(3)
    y: Any = 2 * x
    y.backward(mine)
    mine[0] = 7
    np.testing.assert_array_equal(y.grad, np.ones(3))
    fixed: Any = np.ones(3)
    fixed.flags.writeable = False
    z: Any = x + 0
    x.grad = None
    z.backward(fixed)
    assert z.grad is fixed
    assert x.grad is not fixed
    assert x.grad.flags.writeable
