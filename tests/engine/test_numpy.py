"""Plain NumPy calls on Values: the same numbers, the same shapes, and a gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.finite_differences import contracted, jacobian

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value

rng = np.random.default_rng(7)
X = rng.uniform(0.2, 1.5, (2, 3))
Y = rng.uniform(0.2, 1.5, (2, 3))
ROW = rng.uniform(0.2, 1.5, 3)

# Written once, run on arrays and on Values.
CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "ufuncs": lambda x, y: np.exp(x) + np.log(y) - np.sqrt(x) * np.tanh(y) / np.square(x),
    "more ufuncs": lambda x, y: np.sin(x) + np.cos(y) + np.arctan(x) + np.log1p(y) + np.expm1(x),
    "hyperbolic": lambda x, y: np.sinh(x) * np.cosh(y) - np.reciprocal(x),
    "powers": lambda x, y: np.power(x, y) + x**2 + 2**y + np.float64(3) ** x,
    "named arithmetic": lambda x, y: np.add(
        np.subtract(x, y), np.multiply(x, np.divide(y, np.negative(x)))
    ),
    "absolute": lambda x, y: np.abs(x - 0.7) + np.absolute(y) + np.fabs(x) + np.sign(y),
    "choices": lambda x, y: np.maximum(x, y) + np.minimum(x, 0.5) + np.where(x > y, x, y * 2),
    "where with a constant": lambda x, y: np.where(np.array([True, False, True]), x, 0.0) + y,
    "clip": lambda x, y: np.clip(x, 0.4, 1.0) + np.clip(y, None, 1.0) + np.clip(x, 0.5, None),
    "clip by name": lambda x, y: np.clip(x, a_min=0.4, a_max=1.0) + np.clip(y, 0.3, a_max=1.1),
    "sum": lambda x, y: np.sum(x) + np.sum(x, axis=0) * np.sum(y, axis=-1, keepdims=True),
    "sum over several": lambda x, y: np.sum(x * y, axis=(0, 1)) + np.sum(y, (0,)),
    "sum by position": lambda x, y: np.sum(x, 1) + np.mean(y, 1),
    "sum over no axis": lambda x, y: np.sum(x, axis=()) * y,
    "mean": lambda x, y: np.mean(x) * np.mean(y, axis=1, keepdims=True) + np.mean(x, axis=(0, 1)),
    "extremes": lambda x, y: np.max(x) + np.min(y, axis=0) + np.amax(x, axis=0) * np.amin(y),
    "integer axis of NumPy's": lambda x, y: (
        np.sum(x, axis=np.int64(1)) + np.mean(y, axis=np.intp(1)) + np.max(x, axis=np.int32(1))
    ),
    "dtype and out by position": lambda x, y: np.sum(x, 0, None, None) + np.mean(y, 0, None),
    "reshape": lambda x, y: np.reshape(x, (3, 2)) @ np.reshape(y, -1).reshape((2, 3)),
    "transpose": lambda x, y: (
        np.transpose(x) + y.T + np.swapaxes(x, 0, 1) + np.transpose(y, (1, 0))
    ),
    "axes": lambda x, y: np.squeeze(np.expand_dims(x, 1)) + np.squeeze(y[:, None], axis=1),
    "broadcast_to": lambda x, y: np.broadcast_to(x, (4, 2, 3)) * y,
    "join": lambda x, y: np.concatenate([x, y], axis=1) @ np.concatenate((x, y), axis=-1).T,
    "join with constants": lambda x, y: np.concatenate([x, np.ones((1, 3)), y]),
    "join flat": lambda x, y: np.concatenate([x, y], axis=None),
    "stack": lambda x, y: np.stack([x, y]) * np.stack((x, y), axis=0),
    "stack by the last axis": lambda x, y: np.stack([x, np.zeros((2, 3)), y], axis=-1),
    "products": lambda x, y: x @ y.T + np.matmul(x, np.transpose(y)) + np.dot(x, y.T),
    "product with constants": lambda x, y: x @ ROW + np.dot(ROW, y.T) + np.matmul(y, ROW),
    "dot with a number": lambda x, y: np.dot(x, 2.0) + np.dot(np.float64(3), y),
    "array on the left": lambda x, y: ROW * x + ROW / y - ROW**x,
    "list on the left": lambda x, y: [1.0, 2.0, 3.0] * x + y - [[1, 2, 3], [4, 5, 6]],
    "rows": lambda x, y: x[0] * y[1] + x[-1],
    "slices": lambda x, y: x[:, ::2] + y[..., 1:] + x[:, None, 1] * 2,
    "fancy": lambda x, y: x[[0, 0, 1]] + y[np.array([1, 1, 1])] + x[[0, 1, 1], [2, 2, 0]],
    "fancy by tuples": lambda x, y: x[(0, 0, 1), :] + y[(0, 1), (1, 1)][0],
    "nothing chosen": lambda x, y: np.sum(x[[]]) + y[:0].sum() + x.sum() * y[0, 0],
    "masks": lambda x, y: np.sum(x[x > 0.7]) + np.sum(y[np.array([True, False])]) + x,
    "new axes": lambda x, y: x[None, :, None] + y[:, None],
    "python's own": lambda x, y: abs(x - 0.7) + sum([x, y]) + (-x) + (+y) + pow(x, 3),
    "constants in the middle": lambda x, y: (x * 2 - np.arange(3)) * np.array([[1], [2]]) + y,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_values_and_gradients_of_numpy_calls(call: Callable[[Any, Any], Any]) -> None:
    x, y = Value(X), Value(Y)
    plain = call(X, Y)
    result = call(x, y)
    assert isinstance(result, Value)
    assert result.shape == np.shape(plain)
    assert result.data == pytest.approx(plain, rel=1e-14)
    weights = np.random.default_rng(1).uniform(0.5, 1.5, result.shape)
    result.backward(weights)
    for position, leaf in enumerate((x, y)):
        estimate = jacobian(call, (X, Y), position, 1e-3)
        wanted = contracted(weights, estimate.value)
        assert leaf.grad == pytest.approx(wanted, rel=1e-7, abs=1e-8)


def test_reductions_of_a_single_number() -> None:
    """NumPy lets a number be reduced over axis 0 or −1."""
    for reduce in (np.sum, np.max, np.min):
        for axis in (0, -1, None):
            x = Value(3.0)
            y = reduce(x, axis=axis) * 2
            assert y.shape == ()
            y.backward()
            assert x.grad == 2.0


def test_empty_arrays() -> None:
    x = Value(np.zeros((0, 3)))
    for y in (np.sum(x * x), np.sum(np.exp(x)), np.sum(x @ np.ones((3, 2))), np.sum(x.T)):
        x.grad = None
        y.backward()
        assert x.grad.shape == (0, 3)
    assert np.sum(x, axis=0).data.tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="max"):
        np.max(x)


def test_questions_about_an_array_record_nothing() -> None:
    x = Value(X)
    made: list[Any] = []
    with te.observe(lambda node, gradient: made.append(node)):
        assert np.shape(x) == (2, 3)
        assert np.ndim(x) == 2
        assert np.size(x) == 6
        assert np.size(x, 1) == 3
    assert made == []


def test_untracked_results_of_numpy_calls() -> None:
    x = Value([1.0, np.nan, np.inf])
    assert np.isfinite(x).data.tolist() == [True, False, False]
    assert np.isnan(x).data.tolist() == [False, True, False]
    assert np.argmax(Value(X), axis=1).data.tolist() == X.argmax(axis=1).tolist()
    assert np.argmin(Value(X)).item() == X.argmin()
    assert np.greater(Value(X), 0.7).data.tolist() == (X > 0.7).tolist()
    for result in (np.isfinite(x), np.argmax(x), np.logical_not(x > 1), np.argmin(x, axis=0)):
        assert isinstance(result, Value)
        assert not result.requires_grad


def test_accuracy_of_a_classifier_in_plain_numpy() -> None:
    scores = Value([[0.1, 0.9], [0.8, 0.2], [0.6, 0.4]])
    correct = scores.argmax(axis=1) == np.array([1, 0, 1])
    assert f"{np.mean(correct):.2f}" == "0.67"


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize(
    "line",
    [
        lambda line: line * 2,
        lambda line: np.sum(line),
        lambda line: line[:1],
        lambda line: line[:, None] * line,
        lambda line: np.concatenate([line, line]),
    ],
)
def test_apply_along_axis(axis: int, line: Callable[[Any], Any]) -> None:
    array = rng.normal(size=(2, 3))
    x = Value(array)
    plain = np.apply_along_axis(line, axis, array)
    result: Any = np.apply_along_axis(line, axis, x)
    assert result.shape == plain.shape
    assert result.data == pytest.approx(plain)
    result.backward(np.ones(plain.shape))
    estimate = jacobian(lambda a: np.apply_along_axis(line, axis, a), (array,), 0, 1e-3)
    assert x.grad == pytest.approx(contracted(np.ones(plain.shape), estimate.value), abs=1e-8)


def test_apply_along_an_axis_of_three() -> None:
    array = rng.normal(size=(2, 3, 4))
    for axis in (0, 1, 2):
        plain = np.apply_along_axis(lambda line, k: line[::k], axis, array, 2)
        result = np.apply_along_axis(lambda line, k: line[::k], axis, Value(array), 2)
        assert result.data.tolist() == plain.tolist()


class TestBuildingArrays:
    def test_array_as_numpy_builds_it(self) -> None:
        v, w = Value(2.0), Value(3.0)
        built = te.array([[v, 1.0], [w, v * w]])
        assert built.data.tolist() == [[2.0, 1.0], [3.0, 6.0]]
        built.backward([[1.0, 2.0], [10.0, 100.0]])
        assert v.grad == 1.0 + 3 * 100
        assert w.grad == 10.0 + 2 * 100

    def test_array_of_rows_and_constants(self) -> None:
        row = Value([1.0, 2.0])
        built = te.array([row, [3, 4], np.array([5.0, 6.0])])
        assert built.data.tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
        np.sum(built * np.array([[1.0], [10.0], [100.0]])).backward()
        assert row.grad.tolist() == [1.0, 1.0]

    def test_array_of_what_is_not_tracked(self) -> None:
        for data in ([[1, 2], [3, 4]], 5.0, [], np.ones(2), (1.0, 2.0)):
            built = te.array(data)
            assert isinstance(built, Value)
            assert not built.requires_grad
            assert built.data.tolist() == np.array(data, float).tolist()
        v = Value(1.0)
        assert te.array(v) is v or te.array(v).requires_grad

    def test_ragged_rows_are_explained(self) -> None:
        with pytest.raises((ValueError, TypeError), match="shape"):
            te.array([[1.0, Value(2.0)], [Value(3.0)]])

    def test_stack(self) -> None:
        v, w = Value([1.0, 2.0]), Value([3.0, 4.0])
        for axis in (0, 1, -1, -2):
            stacked = te.stack([v, w], axis=axis)
            assert stacked.data.tolist() == np.stack([v.data, w.data], axis=axis).tolist()
        assert te.stack(list(v)).data.tolist() == [1.0, 2.0]
        assert te.stack(x * 2 for x in (v, w)).shape == (2, 2)
        assert te.stack((v, [0.0, 0.0]))[1].data.tolist() == [0.0, 0.0]

    @pytest.mark.parametrize(
        ("index", "value"),
        [
            (0, [7.0, 8.0, 9.0]),
            (0, 5.0),
            ((1, 2), 5.0),
            ((slice(None), 1), [7.0, 8.0]),
            (slice(None), [[1.0], [2.0]]),
            (Ellipsis, 3.0),
            ([0, 1], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
            (np.array([[True, False, True], [False, True, False]]), [1.0, 2.0, 3.0]),
            (([0, 1], [2, 0]), [1.0, 2.0]),
            ([0, 0], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
            (0, [[7.0, 8.0, 9.0]]),
            ([], np.zeros((0, 3))),
        ],
    )
    def test_set_at(self, index: Any, value: Any) -> None:
        def assigned(a: Any, b: Any) -> Any:
            out = np.array(a)
            out[index] = b
            return out

        a, b = rng.normal(size=(2, 3)), np.array(value)
        v, w = Value(a), Value(b)
        result = te.set_at(v, index, w)
        assert result.data.tolist() == assigned(a, b).tolist()
        assert v.data.tolist() == a.tolist()
        weights = rng.normal(size=(2, 3))
        result.backward(weights)
        for position, leaf in enumerate((v, w)):
            estimate = jacobian(assigned, (a, b), position, 1e-3)
            assert leaf.grad == pytest.approx(contracted(weights, estimate.value), abs=1e-9)

    def test_set_at_of_constants(self) -> None:
        w = Value(5.0)
        result = te.set_at(np.zeros(3), 1, w)
        assert result.data.tolist() == [0.0, 5.0, 0.0]
        np.sum(result * np.array([1.0, 2.0, 3.0])).backward()
        assert w.grad == 2.0
        v = Value([1.0, 2.0])
        mask = v > 1
        assert te.set_at(v, mask, 0.0).data.tolist() == [1.0, 0.0]
        assert v.data.tolist() == [1.0, 2.0]

    def test_set_at_in_a_loop_is_the_functional_assignment(self) -> None:
        x = Value(2.0)
        powers = te.array([1.0, 0.0, 0.0, 0.0])
        for k in range(1, 4):
            powers = te.set_at(powers, k, powers[k - 1] * x)
        assert powers.data.tolist() == [1.0, 2.0, 4.0, 8.0]
        np.sum(powers).backward()
        assert x.grad == 1 + 2 * 2 + 3 * 4

    def test_an_index_outside_is_explained(self) -> None:
        with pytest.raises(IndexError, match="set_at"):
            te.set_at(Value([1.0]), 3, 0.0)


def test_methods_are_the_functions() -> None:
    x = Value(X)
    pairs: list[tuple[Any, Any]] = [
        (x.exp(), np.exp(x)),
        (x.log(), np.log(x)),
        (x.log1p(), np.log1p(x)),
        (x.expm1(), np.expm1(x)),
        (x.sqrt(), np.sqrt(x)),
        (x.square(), np.square(x)),
        (x.abs(), np.abs(x)),
        (x.sign(), np.sign(x)),
        (x.reciprocal(), np.reciprocal(x)),
        (x.sin(), np.sin(x)),
        (x.cos(), np.cos(x)),
        (x.arctan(), np.arctan(x)),
        (x.sinh(), np.sinh(x)),
        (x.cosh(), np.cosh(x)),
        (x.tanh(), np.tanh(x)),
        (x.sum(0), np.sum(x, 0)),
        (x.mean(1, True), np.mean(x, 1, keepdims=True)),
        (x.max(axis=0), np.max(x, axis=0)),
        (x.min(), np.min(x)),
        (x.clip(0.4, 1.0), np.clip(x, 0.4, 1.0)),
        (x.reshape(3, 2), np.reshape(x, (3, 2))),
        (x.reshape((3, -1)), np.reshape(x, (3, 2))),
        (x.reshape(-1), np.reshape(x, 6)),
        (x.transpose(), np.transpose(x)),
        (x.transpose(1, 0), np.transpose(x)),
        (x.transpose((1, 0)), x.T),
        (x.swapaxes(0, 1), np.swapaxes(x, 0, 1)),
        (x[:, :1].squeeze(1), np.squeeze(x[:, :1])),
        (x.dot(ROW), np.dot(x, ROW)),
        (x.argmax(axis=0), np.argmax(x, axis=0)),
        (x.argmin(axis=0), np.argmin(x, axis=0)),
        (x.argsort(axis=0), np.argsort(x, axis=0)),
        (x.exp2(), np.exp2(x)),
        (x.log2(), np.log2(x)),
        (x.log10(), np.log10(x)),
        (x.tan(), np.tan(x)),
        ((x / 2).arcsin(), np.arcsin(x / 2)),
        ((x / 2).arccos(), np.arccos(x / 2)),
        (x.arcsinh(), np.arcsinh(x)),
        ((x + 1).arccosh(), np.arccosh(x + 1)),
        ((x / 2).arctanh(), np.arctanh(x / 2)),
        (x.erf(), te.erf(x)),
        (x.floor(), np.floor(x)),
        (x.ceil(), np.ceil(x)),
        (x.trunc(), np.trunc(x)),
        (x.round(1), np.round(x, 1)),
        (round(x, 1), np.round(x, 1)),
        (x // 0.3, np.floor_divide(x, 0.3)),
        (0.3 // x, np.floor_divide(0.3, x)),
        (x % 0.3, np.remainder(x, 0.3)),
        (1 % x, np.mod(1, x)),
        (divmod(x, 0.3)[1], np.divmod(x, 0.3)[1]),
        (divmod(2.0, x)[0], np.divmod(2.0, x)[0]),
        (x.prod(0), np.prod(x, 0)),
        (x.var(1, ddof=1), np.var(x, axis=1, ddof=1)),
        (x.std(keepdims=True), np.std(x, keepdims=True)),
        (x.logsumexp(axis=1), te.logsumexp(x, axis=1)),
        (x.cumsum(1), np.cumsum(x, axis=1)),
        (x.cumprod(), np.cumprod(x)),
        (x.trace(), np.trace(x)),
        ((x > 1).all(axis=0), np.all(x > 1, axis=0)),
        ((x > 1).any(), np.any(x > 1)),
        (x.mT, np.matrix_transpose(x)),
        (x.ravel(), np.ravel(x)),
        (x.flatten("F"), np.ravel(x, order="F")),
        (x.flip(0), np.flip(x, 0)),
        (x.roll(1, axis=1), np.roll(x, 1, axis=1)),
        (x.repeat(2, axis=0), np.repeat(x, 2, axis=0)),
        (x.take([0, 2], axis=1), np.take(x, [0, 2], axis=1)),
        (x.diagonal(1), np.diagonal(x, 1)),
        (x.copy(), np.copy(x)),
        (x.sigmoid(), te.activations.sigmoid(x)),
        (x.relu(), te.activations.relu(x)),
        (x.softplus(), te.activations.softplus(x)),
        (x.gelu(), te.activations.gelu(x)),
        (x.silu(), te.activations.silu(x)),
        (x.mish(), te.activations.mish(x)),
        (x.log_softmax(axis=0), te.activations.log_softmax(x, axis=0)),
        (x.softmax(axis=0), te.activations.softmax(x, axis=0)),
    ]
    for one, other in pairs:
        assert one.op is other.op
        assert one.data.tolist() == other.data.tolist()


def test_records_are_functions_of_arrays_too() -> None:
    tanh = te.OPERATIONS["tanh"](X)
    assert type(tanh) is np.ndarray
    assert tanh.tolist() == np.tanh(X).tolist()
    assert te.OPERATIONS["sum"](X, axis=0).tolist() == X.sum(axis=0).tolist()
    for name in te.ACTIVATIONS:
        if te.ACTIVATIONS[name].elementwise:
            assert np.ndim(te.ACTIVATIONS[name](0.5)) == 0
