"""Errors say what failed, on what, and what to write instead; no gradient is lost in silence."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.engine.dispatch import unsupported
from tinygrad_edu.engine.methods import ELSEWHERE
from tinygrad_edu.errors import (
    ConversionError,
    InPlaceError,
    OperandError,
    ShapeError,
    UnsupportedError,
)

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value
numpy: Any = np


def chain_of(error: BaseException) -> str:
    """The error's message and those of its causes."""
    messages = []
    link: BaseException | None = error
    while link is not None:
        messages.append(str(link))
        link = link.__cause__
    return " | ".join(messages)


@pytest.mark.parametrize(
    "convert",
    [
        float,
        int,
        complex,
        math.exp,
        math.sqrt,
        math.floor,
        lambda v: "%.3f" % v,  # noqa: UP031
        lambda v: [0, 1, 2][v],
        lambda v: range(v),
    ],
)
@pytest.mark.parametrize("make", [lambda: Value(1.0), lambda: Value(1.0) * 1.0])
def test_a_tracked_number_does_not_become_a_plain_one(
    convert: Callable[[Any], Any], make: Callable[[], Any]
) -> None:
    with pytest.raises(ConversionError):
        convert(make())


def test_float_names_what_to_write() -> None:
    with pytest.raises(ConversionError) as caught:
        math.exp(Value(1.0))
    for advice in ("np.exp(v)", "v.item()", ".data"):
        assert advice in str(caught.value)


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        np.array,
        lambda v: np.array([v, v]),
        lambda v: np.array([[v, v], [v, v]]),
        lambda v: np.asarray(v, dtype=np.float32),
        lambda v: np.float64(v),
        lambda v: Value([v, v]),
        lambda v: v + [v, v],  # noqa: RUF005
        lambda v: np.add(v, [v, 1.0]),
    ],
)
@pytest.mark.parametrize("data", [1.0, [1.0, 2.0]])
def test_a_tracked_value_does_not_become_an_array(convert: Callable[[Any], Any], data: Any) -> None:
    with pytest.raises(ConversionError) as caught:
        convert(Value(data))
    for advice in (".data", "te.array", "te.stack", "np.where", "te.set_at"):
        assert advice in str(caught.value)


@pytest.mark.parametrize("data", [1.0, [1.0]])
def test_a_tracked_value_is_not_written_into_an_array(data: Any) -> None:
    array = np.zeros(3)
    v = Value(data)
    # NumPy replaces the error for a single number, and keeps ours as its cause.
    with pytest.raises((TypeError, ValueError)) as caught:
        array[0] = v
    assert ".data" in chain_of(caught.value)
    with pytest.raises(ConversionError, match=r"te\.set_at"):
        array[:] = Value([1.0, 2.0, 3.0])
    with pytest.raises(TypeError):
        np.copyto(array, v)
    assert array.tolist() == [0.0, 0.0, 0.0]


def test_untracked_values_convert() -> None:
    v = Value([1.0, 2.5]).detach()
    assert np.asarray(v).tolist() == [1.0, 2.5]
    assert np.array(v, dtype=np.float32).dtype == np.float32
    assert float(v[1]) == 2.5
    assert int(v[1]) == 2
    assert math.floor(v[1]) == 2
    array = np.zeros(2)
    array[:] = v
    assert array.tolist() == [1.0, 2.5]
    assert np.array([v > 1, v > 2]).tolist() == [[False, True], [False, True]]


@pytest.mark.parametrize(
    "add",
    [
        operator.iadd,
        operator.isub,
        operator.imul,
        operator.itruediv,
        operator.ipow,
        lambda a, v: np.add(a, v, out=a),
        lambda a, v: np.add(a, v, a),
        lambda a, v: np.exp(v, out=a),
        lambda a, v: np.sum(v, axis=0, out=a),
        lambda a, v: np.clip(v, 0, 1, out=a),
    ],
)
def test_an_array_takes_no_value_in_place(add: Callable[[Any, Any], Any]) -> None:
    array = np.array([1.0, 2.0])
    with pytest.raises(InPlaceError, match=r"np\.where|use what it returns"):
        add(array, Value([3.0, 4.0]))
    assert array.tolist() == [1.0, 2.0]


def test_writing_into_a_value_names_the_functional_way() -> None:
    v = Value([1.0, 2.0])
    for target in (v, v * 2, v.detach()):
        with pytest.raises(InPlaceError, match=r"te\.set_at.*np\.where"):
            target[0] = 5.0


def test_a_failed_forward_names_operation_inputs_and_shapes() -> None:
    x, w = Value(np.ones((4, 2)), name="x"), Value(np.ones((3, 8)), name="weight")
    for fail, parts in (
        (lambda: x @ w, ["matmul", "'x' of shape (4, 2)", "'weight' of shape (3, 8)"]),
        (lambda: x + np.ones(3), ["add", "'x' of shape (4, 2)", "(3,)"]),
        (lambda: (x * 2) - w, ["subtract", "(4, 2)", "'weight'"]),
        (lambda: x.reshape(3, 3), ["reshape", "'x'", "(3, 3)"]),
        (lambda: np.concatenate([x, w]), ["concatenate", "'x'", "'weight'"]),
        (lambda: te.stack([x, w]), ["stack", "'x'", "'weight'"]),
        (lambda: te.set_at(x, 0, w), ["set_at", "'x'", "'weight'"]),
        (lambda: x.sum(axis=2), ["sum", "'x'", "axis"]),
    ):
        with pytest.raises((ValueError, IndexError), match="failed on") as caught:
            fail()
        for part in parts:
            assert part in str(caught.value)
        assert caught.value.__cause__ is not None
    with pytest.raises(IndexError, match=r"getitem.*'x'.*index"):
        x[7]
    assert issubclass(ShapeError, ValueError)


def test_the_wrong_number_of_arguments() -> None:
    v = Value([1.0, 2.0])
    with pytest.raises(OperandError, match="'y'"):
        np.where(v > 1, v)
    with pytest.raises(OperandError, match="'b'"):
        te.OPERATIONS["matmul"](v)
    with pytest.raises(OperandError, match="twice"):
        te.OPERATIONS["sum"](v, a=v)
    with pytest.raises(OperandError, match="positional"):
        te.OPERATIONS["sum"](v, 0, False, 3, 4)


METHODS = ["sum", "mean", "max", "min", "argmax", "softmax", "squeeze"]


@pytest.mark.parametrize("method", METHODS)
def test_dim_is_called_axis(method: str) -> None:
    v = Value(np.ones((1, 3)))
    with pytest.raises(TypeError, match="axis"):
        getattr(v, method)(dim=0)
    with pytest.raises(OperandError, match="axis"):
        te.OPERATIONS[method](v, dim=0)


def test_keepdim_is_called_keepdims() -> None:
    v = Value(np.ones((1, 3)))
    with pytest.raises(TypeError, match="keepdims"):
        v.sum(axis=0, keepdim=True)
    with pytest.raises(OperandError, match="keepdims"):
        te.OPERATIONS["sum"](v, axis=0, keepdim=True)
    with pytest.raises(OperandError, match="axis"):
        te.stack([v, v], dim=1)


def test_a_function_of_a_later_numpy_is_named_with_the_closest() -> None:
    message = str(unsupported("numpy.linalg.matrix_norms"))
    assert message.startswith("np.linalg.matrix_norms has no derivative rule")
    assert "matrix_norm" in message.split(";")[1]
    assert "te.define_" in message


def test_an_unsupported_function_says_why_and_what_to_write() -> None:
    with pytest.raises(UnsupportedError, match=r"np\.histogram .* write np\.histogram\(v\.data\)"):
        np.histogram(Value([1.0, 2.0]))


def test_a_ufunc_method_that_writes_or_is_unknown_is_named() -> None:
    v = Value([1.0, 2.0])
    with pytest.raises(InPlaceError, match=r"te\.set_at"):
        np.add.at(np.zeros(2), [0, 1], v)
    with pytest.raises(UnsupportedError, match=r"np\.maximum\.reduceat"):
        np.maximum.reduceat(v, [0])
    with pytest.raises(UnsupportedError, match=r"np\.add\.reduce .*'where'"):
        np.add.reduce(v, where=np.array([True, False]))


@pytest.mark.parametrize(
    ("call", "name", "option"),
    [
        (lambda v: np.exp(v, where=np.array([True, False])), "exp", "where"),
        (lambda v: np.exp(v, dtype=np.float32), "exp", "dtype"),
        (lambda v: numpy.cumsum(v, where=np.array([True, False])), "cumsum", "where"),
        (lambda v: np.sum(v, dtype=np.float32), "sum", "dtype"),
        (lambda v: numpy.ptp(v, initial=0.0), "ptp", "initial"),
        (lambda v: np.vstack([v, v], dtype=np.float32), "vstack", "dtype"),
        (lambda v: np.concatenate([v, v], dtype=np.float32), "concatenate", "dtype"),
    ],
)
def test_an_unknown_option_is_named(call: Callable[[Any], Any], name: str, option: str) -> None:
    with pytest.raises(TypeError) as caught:
        call(Value([1.0, 2.0]))
    assert name in str(caught.value)
    assert f"'{option}'" in str(caught.value)


def test_names_of_pytorchs_say_what_to_write() -> None:
    v = Value([1.0, 2.0])
    for name, hint in ELSEWHERE.items():
        assert not hasattr(v, name)
        with pytest.raises(AttributeError, match=re.escape(f"{name!r}; write {hint}")):
            getattr(v, name)
    with pytest.raises(AttributeError, match="reshap"):
        v.reshap  # noqa: B018


def test_masks_of_floats_are_refused() -> None:
    with pytest.raises(OperandError, match="bitwise_and"):
        Value([1.0]) & Value([2.0])
    with pytest.raises(OperandError, match="invert"):
        ~Value([1.0])


def test_what_to_say_of_things_that_are_no_values() -> None:
    with pytest.raises(OperandError, match=r"Value or a function"):
        te.grad(3.0)  # type: ignore[call-overload]
    with pytest.raises(OperandError, match="xs"):
        te.grad(Value(3.0))
    with pytest.raises(OperandError, match=r"te\.Value"):
        te.grad(Value(3.0) * 2, [np.ones(2)])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        te.grad(lambda x: None)(1.0)
