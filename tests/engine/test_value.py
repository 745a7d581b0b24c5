"""What a Value is: its data, dtypes, scalars, attributes, printing, comparing and copying."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.errors import (
    ConversionError,
    DtypeError,
    InPlaceError,
    NotTrackedError,
    ShapeError,
)

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value


def test_a_value_has_slots_only() -> None:
    with pytest.raises(AttributeError):
        Value(1.0).extra = 1
    assert not hasattr(Value(1.0), "__dict__")


def test_attributes_of_a_leaf() -> None:
    v = Value([[1.0, 2.0, 3.0]], name="x")
    assert v.shape == (1, 3)
    assert (v.ndim, v.size, v.dtype, v.name, v.scope) == (2, 3, np.float64, "x", "")
    assert v.T.shape == (3, 1)
    assert v.grad is None
    assert v.op is None
    assert v.inputs == ()
    assert dict(v.options) == {}
    assert v.requires_grad is True


def test_attributes_of_an_inner_node() -> None:
    x = Value([[1.0, 2.0, 3.0]])
    node = np.sum(x, axis=1, keepdims=True)
    assert node.op is te.OPERATIONS["sum"]
    assert node.inputs == (x,)
    assert node.options["axis"] == 1
    assert node.options["keepdims"] is True
    assert node.requires_grad
    assert node.grad is None


def test_wrapping_copies() -> None:
    array = np.array([1.0, 2.0])
    v = Value(array)
    array[0] = 9.0
    assert v.data.tolist() == [1.0, 2.0]
    array = np.array([1.0, 2.0])
    array.setflags(write=False)
    assert not np.shares_memory(Value(array).data, array)
    assert not np.shares_memory(Value(v).data, v.data)


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (3, np.float64),
        (True, np.float64),
        ([1, 2], np.float64),
        ([True, False], np.float64),
        (np.array([1], np.uint8), np.float64),
        (np.int64(7), np.float64),
        (2.5, np.float64),
        (np.float32(2.5), np.float32),
        (np.zeros(2, np.float32), np.float32),
        (np.zeros(2), np.float64),
        ([], np.float64),
    ],
)
def test_dtype_of_a_leaf(data: Any, dtype: Any) -> None:
    assert Value(data).dtype == dtype


@pytest.mark.parametrize(
    "data",
    [
        np.zeros(2, np.float16),
        np.float16(1),
        np.zeros(2, np.longdouble),
        np.longdouble(1),
        np.zeros(2, np.complex64),
        1j,
        np.array([None]),
        None,
        object(),
        "1.0",
        np.array(["a"]),
        np.array([b"a"]),
        np.datetime64("2020-01-01"),
    ],
)
def test_data_without_a_derivative_is_refused(data: Any) -> None:
    with pytest.raises(TypeError, match="float32 or float64") as caught:
        Value(data)
    assert isinstance(caught.value, DtypeError)


def test_ragged_data_is_explained() -> None:
    with pytest.raises((te.errors.OperandError, te.errors.ShapeError)):
        Value([[1.0, 2.0], [3.0]])


SCALAR_WORK: dict[str, Callable[[Any], Any]] = {
    "leaf": lambda v: v,
    "add": lambda v: v + 1,
    "add an integer array": lambda v: v + np.array(1),
    "subtract from": lambda v: 2.0 - v,
    "multiply": lambda v: v * v,
    "divide": lambda v: 1 / v,
    "power": lambda v: v**2,
    "power of a number": lambda v: 2**v,
    "negative": lambda v: -v,
    "absolute": abs,
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "square": np.square,
    "reciprocal": np.reciprocal,
    "sign": np.sign,
    "sin": np.sin,
    "cos": np.cos,
    "arctan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "maximum": lambda v: np.maximum(v, 0),
    "minimum": lambda v: np.minimum(v, 0),
    "clip": lambda v: np.clip(v, 0, 1),
    "where": lambda v: np.where(v > 0, v, 0.0),
    "sum": lambda v: v.sum(),
    "mean": lambda v: v.mean(),
    "max": lambda v: v.max(),
    "min": lambda v: v.min(),
    "reshape": lambda v: v.reshape(()),
    "reshape from a vector": lambda v: v.reshape(1).reshape(()),
    "transpose": lambda v: v.T,
    "squeeze": lambda v: np.squeeze(v),
    "squeeze a matrix": lambda v: np.squeeze(np.expand_dims(v, (0, 1))),
    "broadcast_to": lambda v: np.broadcast_to(v, ()),
    "index": lambda v: v[None][0],
    "index with an ellipsis": lambda v: v[...],
    "index nothing": lambda v: v[()],
    "set_at": lambda v: te.set_at(v, (), v * 2),
    "stack": lambda v: te.stack([v, v])[1],
    "concatenate": lambda v: np.concatenate([v[None], v[None]]).sum(),
    "dot": lambda v: np.dot(v, v),
    "dot of vectors": lambda v: v[None] @ v[None],
    "astype": lambda v: v.astype(np.float64),
    "detach": lambda v: v.detach(),
    "comparison": lambda v: v > 0,
    "both": lambda v: (v > 0) & (v < 1),
    "argmax": lambda v: v[None].argmax(),
    "sigmoid": te.activations.sigmoid,
    "relu": te.activations.relu,
    "leaky_relu": te.activations.leaky_relu,
    "elu": te.activations.elu,
    "swish": te.activations.swish,
    "hard_sigmoid": te.activations.hard_sigmoid,
    "gelu": te.activations.gelu,
    "softplus": te.activations.softplus,
    "hard_swish": te.activations.hard_swish,
    "mish": te.activations.mish,
    "sigmoid_linear": te.activations.sigmoid_linear,
}


@pytest.mark.parametrize("work", SCALAR_WORK.values(), ids=SCALAR_WORK.keys())
def test_a_scalar_is_a_numpy_scalar(work: Callable[[Any], Any]) -> None:
    """Data and gradients alike: 0-d arrays cost several times as much to compute with."""
    v = Value(0.5)
    result = work(v)
    assert isinstance(result.data, np.generic)
    if result.requires_grad:
        result.backward()
        assert isinstance(v.grad, np.float64)
        assert isinstance(result.grad, np.float64)
        with np.errstate(all="ignore"):
            (slope,) = te.grad(result, v)
            (node,) = te.grad(result, v, create_graph=True)
        assert isinstance(slope, np.float64)
        assert isinstance(node.data, np.float64)


def test_python_numbers_are_weak() -> None:
    v = Value(np.array([0.5, 2.0], np.float32))
    results = [
        v + 1,
        1 - v,
        v * 2.0,
        3.0 / v,
        v**2,
        v**0.5,
        2.0**v,
        v - True,
        np.maximum(v, 0.0),
        np.clip(v, 0.1, 0.9),
        np.clip(v, None, 0.9),
        np.where(v > 1, v, 0.0),
        v.mean(),
        np.mean(v, axis=0),
        np.sqrt(v),
        np.square(v),
        te.set_at(v, 0, 1.0),
    ]
    for result in results:
        assert result.dtype == np.float32
        np.sum(result).backward()
        assert v.grad.dtype == np.float32
    assert (v * np.float64(2)).dtype == np.float64  # a NumPy number is not weak, as in NumPy 2


@pytest.mark.parametrize("name", list(te.ACTIVATIONS))
def test_activations_stay_float32(name: str) -> None:
    v = Value(np.array([-2.0, 0.0, 1.5, 3.0], np.float32))
    result = te.ACTIVATIONS[name](v)
    (slope,) = te.grad(np.sum(result), v, create_graph=True)
    assert result.dtype == slope.dtype == np.float32


def test_each_gradient_has_its_inputs_dtype_and_shape() -> None:
    single = Value(np.ones((2, 1), np.float32))
    double = Value(np.ones(3))
    scalar = Value(np.float32(2.0))
    product = single * double * scalar
    assert product.dtype == np.float64
    np.sum(product).backward()
    for leaf in (single, double, scalar):
        assert leaf.grad.dtype == leaf.dtype
        assert leaf.grad.shape == leaf.shape
    for slope, leaf in zip(
        te.grad(product.sum(), [single, double, scalar], create_graph=True),
        (single, double, scalar),
        strict=True,
    ):
        assert slope.dtype == leaf.dtype
        assert slope.shape == leaf.shape


@pytest.mark.parametrize(
    "gradient", [[1, 2], [1.0, 2.0], np.array([1.0, 2.0]), np.array([1, 2]), Value([1.0, 2.0])]
)
def test_the_roots_gradient_has_the_roots_dtype(gradient: Any) -> None:
    v = Value(np.ones(2, np.float32))
    y = v * 3
    y.backward(gradient)
    assert y.grad.dtype == v.grad.dtype == np.float32
    assert v.grad.tolist() == [3.0, 6.0]


@pytest.mark.parametrize("operand", [np.complex128(1j), 1j, np.longdouble(1), "a", {}, object()])
def test_operands_without_a_derivative_are_refused(operand: Any) -> None:
    for v in (Value([1.0, 2.0]), Value([1.0, 2.0], requires_grad=False)):
        with pytest.raises(TypeError):
            v + operand


def test_arrays_in_a_graph_are_read_only() -> None:
    v = Value([1.0, 2.0, 3.0])
    mask = v > 1
    with te.no_grad():
        untracked = v * 2
    nodes: list[Any] = [v, v * 2, v[1:], v.T, v.reshape(3, 1), np.broadcast_to(v, (2, 3))]
    nodes += [mask, v.detach(), untracked, te.stack([v, v]), v.astype(np.float32)]
    for node in nodes:
        assert not node.data.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            node.data[...] = 0.0
    v.data = [4.0, 5.0, 6.0]
    assert not v.data.flags.writeable
    with te.no_grad():
        v -= 1.0
    assert not v.data.flags.writeable


def test_assigning_data_rebinds_a_leaf() -> None:
    v = Value(np.array([1, 2], np.float32), name="w")
    array = np.array([3.0, 4.0])
    v.data = array
    array[0] = 9.0
    assert v.data.tolist() == [3.0, 4.0]
    assert v.dtype == np.float32
    v.data = Value([5.0, 6.0])
    assert v.data.tolist() == [5.0, 6.0]
    with pytest.raises(ShapeError, match="w has shape"):
        v.data = np.zeros(3)
    with pytest.raises(InPlaceError, match="result of add"):
        (v + 1).data = np.zeros(2)
    assert v.data.tolist() == [5.0, 6.0]


def test_repr_shows_value_name_and_operation() -> None:
    v = Value([1.0, 2.5], name="weights")
    assert "1" in repr(v)
    assert "2.5" in repr(v)
    assert "weights" in repr(v)
    product = v * 2
    assert "multiply" in repr(product)
    product.name = "twice"
    assert "twice" in repr(product)
    assert "multiply" in repr(product)
    assert "bool" in repr(v > 1)
    assert "float32" in repr(Value(np.float32(1)))
    assert str(v) == repr(v)


def test_format() -> None:
    assert f"{Value(0.123456):.4f}" == "0.1235"
    assert f"{Value([[0.5]]) * 2:.1f}" == "1.0"
    assert f"{Value(2.0)}" == str(Value(2.0))
    assert f"{Value(12.0) > 1}"
    with pytest.raises(ShapeError):
        f"{Value([1.0, 2.0]):.4f}"


def test_single_elements_are_truth_values_and_items() -> None:
    assert Value(2.0)
    assert not Value([[0.0]])
    assert (Value(2.0) * 3).item() == 6.0
    assert type(Value(2.0).item()) is float
    assert (Value(2.0) > 1).item() is True
    assert Value([1.0, 5.0]).argmax().item() == 1
    with pytest.raises(ShapeError, match=r"np\.where"):
        bool(Value([1.0, 2.0]))
    with pytest.raises(ShapeError):
        bool(Value([]))
    with pytest.raises(ShapeError):
        Value([1.0, 2.0]).item()


def test_length_and_iteration_are_numpys() -> None:
    v = Value([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert len(v) == 3
    rows = list(v)
    assert [row.data.tolist() for row in rows] == v.data.tolist()
    first, _, last = v
    (last * 2 + first).sum().backward()
    assert v.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [2.0, 2.0]]
    for scalar in (Value(1.0), v.sum()):
        with pytest.raises(TypeError):
            len(scalar)
        with pytest.raises(TypeError):
            list(scalar)
    assert list(Value([])) == []


def test_equality_is_elementwise() -> None:
    v = Value([1.0, 2.0])
    assert (v == [1.0, 5.0]).data.tolist() == [True, False]
    assert (v == Value([1.0, 2.0])).data.all()
    assert (np.array([1.0, 0.0]) == v).data.tolist() == [True, False]
    assert (v != 1).data.tolist() == [False, True]
    assert not (v == v).requires_grad


@pytest.mark.parametrize("foreign", [None, "a", object(), {1.0}, {}, b"1"])
def test_equality_with_foreign_objects_is_not_implemented(foreign: Any) -> None:
    v = Value([1.0, 2.0])
    assert v.__eq__(foreign) is NotImplemented
    assert v.__ne__(foreign) is NotImplemented
    assert (v == foreign) is False
    assert (v != foreign) is True


def test_hashing_is_by_identity() -> None:
    a, b = Value(2.0), Value(2.0)
    assert {a: "a", b: "b"}[a] == "a"
    assert len({a, b, a}) == 2
    assert hash(a) == hash(a)


@pytest.mark.parametrize(
    "compare",
    [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne],
)
def test_comparisons_follow_numpy(compare: Callable[[Any, Any], Any]) -> None:
    a, b = np.array([1.0, 2.0, np.nan]), np.array([2.0, 2.0, 2.0])
    wanted = compare(a, b).tolist()
    for result in (compare(Value(a), Value(b)), compare(Value(a), b), compare(a, Value(b))):
        assert isinstance(result, Value)
        assert result.data.tolist() == wanted
        assert result.dtype == np.bool_
        assert not result.requires_grad


def test_masks_combine() -> None:
    v = Value([-1.0, 0.5, 2.0])
    low, high = v > 0, v < 1
    assert (low & high).data.tolist() == [False, True, False]
    assert (low | high).data.tolist() == [True, True, True]
    assert (low ^ high).data.tolist() == [True, False, True]
    assert (~low).data.tolist() == [True, False, False]
    assert (np.array([True, True, False]) & low).data.tolist() == [False, True, False]
    assert np.logical_and(low, high).data.tolist() == [False, True, False]
    assert np.logical_not(low).data.tolist() == [True, False, False]
    assert v[low & high].data.tolist() == [0.5]
    assert (low & high).mean().item() == pytest.approx(1 / 3)


def test_untracked_integers_are_indices() -> None:
    v = Value([1.0, 5.0, 3.0])
    assert ["a", "b", "c"][v.argmax()] == "b"
    assert v[v.argmax()].item() == 5.0
    assert v[: v.argmax()].data.tolist() == [1.0]
    with pytest.raises(ConversionError):
        ["a", "b", "c"][v[0]]
    with pytest.raises(ConversionError):
        v[v]


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_leaves_copy_whole(clone: Callable[[Any], Any]) -> None:
    v = Value(np.array([1, 2], np.float32), name="w")
    v.sum().backward()
    twin = clone(v)
    assert twin.data.tolist() == [1.0, 2.0]
    assert (twin.name, twin.dtype, twin.requires_grad) == ("w", np.float32, True)
    assert twin.grad.tolist() == [1.0, 1.0]
    assert not np.shares_memory(twin.data, v.data)
    assert not np.shares_memory(twin.grad, v.grad)
    assert not twin.data.flags.writeable
    (twin * 3).sum().backward()
    assert twin.grad.tolist() == [4.0, 4.0]
    assert v.grad.tolist() == [1.0, 1.0]
    scalar = clone(Value(2.0, requires_grad=False))
    assert isinstance(scalar.data, np.float64)
    assert not scalar.requires_grad


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_untracked_results_copy_as_read_only(clone: Callable[[Any], Any]) -> None:
    v = Value([1.0, 5.0, 3.0])
    mask = clone(v > 2)
    assert mask.data.tolist() == [False, True, True]
    assert mask.dtype == np.bool_
    assert not mask.data.flags.writeable
    assert not clone(v.detach()).data.flags.writeable


@pytest.mark.parametrize("clone", [copy.deepcopy, copy.copy, pickle.dumps])
def test_nodes_refuse_to_be_copied(clone: Callable[[Any], object]) -> None:
    with pytest.raises(NotTrackedError, match=r"multiply.*detach"):
        clone(Value(2.0) * 3)


def test_operators_answer_on_both_sides() -> None:
    v = Value([1.0, 2.0])
    array = np.array([3.0, 4.0])
    for result, wanted in (
        (array + v, [4.0, 6.0]),
        (array - v, [2.0, 2.0]),
        (array * v, [3.0, 8.0]),
        (array / v, [3.0, 2.0]),
        (array**v, [3.0, 16.0]),
        (np.float64(2) * v, [2.0, 4.0]),
        (np.float64(2) ** v, [2.0, 4.0]),
        ([3.0, 4.0] - v, [2.0, 2.0]),
        (2 - v, [1.0, 0.0]),
        (+v, [1.0, 2.0]),
    ):
        assert isinstance(result, Value)
        assert result.requires_grad
        assert result.data.tolist() == wanted
    assert (array @ v).item() == 11.0
    assert (v @ array).item() == 11.0
    assert sum([v, v], start=v).data.tolist() == [3.0, 6.0]
