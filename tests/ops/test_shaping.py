"""NumPy's functions that move, repeat, join, cut and choose entries: values, slopes, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.ops.composed import agrees
from tinygrad_edu.errors import InPlaceError, OperandError

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value
numpy: Any = np

rng = np.random.default_rng(3)
M = rng.permutation(np.arange(6.0)).reshape(2, 3) - 2.25
T = rng.permutation(np.arange(24.0)).reshape(2, 3, 4) / 4
V = np.array([0.5, -1.25, 3.0])
W = np.array([2.0, -0.75, 1.5])
MASK = np.array([[True, False, True], [False, False, True]])

ONE: dict[str, tuple[Callable[..., Any], Any]] = {
    "ravel": (lambda x: np.ravel(x) * np.arange(6), M),
    "ravel by columns": (lambda x: np.ravel(x, order="F") * np.arange(6), M),
    "reshape by columns": (lambda x: np.reshape(x, (3, 2), order="F"), M),
    "reshape of more by columns": (lambda x: np.reshape(x, (4, -1), order="F"), T),
    "reshape by name": (lambda x: np.reshape(x, shape=(3, -1)), M),
    "moveaxis": (lambda x: np.moveaxis(x, 0, -1), T),
    "moveaxes": (lambda x: np.moveaxis(x, (0, 2), (1, 0)), T),
    "rollaxis": (lambda x: np.rollaxis(x, 2), T),
    "rollaxis forward": (lambda x: np.rollaxis(x, 0, 3), T),
    "rollaxis by negative numbers": (lambda x: np.rollaxis(x, -1, -2), T),
    "matrix_transpose": (np.matrix_transpose, T),
    "permute_dims": (lambda x: np.permute_dims(x, (1, 2, 0)), T),
    "copy": (np.copy, M),
    "atleast_1d": (lambda x: np.atleast_1d(x), np.float64(2.0)),
    "atleast_2d": (lambda x: np.atleast_2d(x), V),
    "atleast_3d": (lambda x: np.atleast_3d(x), M),
    "atleast_3d of a row": (lambda x: np.atleast_3d(x), V),
    "fliplr": (np.fliplr, M),
    "flipud": (np.flipud, M),
    "trace by diagonal": (lambda x: np.linalg.diagonal(x, offset=1), T),
    "compress": (lambda x: np.compress([False, True, True], x, axis=1), M),
    "compress of all": (lambda x: np.compress([False, True, True], x), M),
    "extract": (lambda x: np.extract(MASK, x), M),
    "delete": (lambda x: np.delete(x, [0, -1], axis=1), M),
    "delete by a slice": (lambda x: np.delete(x, slice(1, None), axis=0), M),
    "insert a number": (lambda x: np.insert(x, 1, 5.0), M),
    "insert along an axis": (lambda x: np.insert(x, [1, 2], 7.0, axis=1), M),
    "array_split": (lambda x: np.array_split(x, 2, axis=1)[0], M),
    "array_split, the rest": (lambda x: np.array_split(x, 4, axis=-1)[2], T),
    "split": (lambda x: np.split(x, 3, axis=1)[2], M),
    "split at places": (lambda x: np.split(x, [1, 2], axis=1)[1], M),
    "split beyond the end": (lambda x: np.concatenate(np.split(x, [1, 5], axis=1), axis=1), M),
    "vsplit": (lambda x: np.vsplit(x, 2)[1], M),
    "hsplit": (lambda x: np.hsplit(x, [1])[1], M),
    "hsplit of a row": (lambda x: np.hsplit(x, 3)[1], V),
    "dsplit": (lambda x: np.dsplit(x, 2)[1], T),
    "unstack": (lambda x: np.unstack(x, axis=1)[2], M),
    "roll of several axes": (lambda x: np.roll(x, (1, 2), axis=(0, 1)), T),
    "tile of a number": (lambda x: np.tile(x, 3), np.float64(2.0)),
    "repeat by counts": (lambda x: np.repeat(x, [2, 0, 1], axis=1), M),
    "take beyond the end": (lambda x: np.take(x, [[7, -1], [2, 9]], mode="wrap"), M),
    "take, clipped": (lambda x: np.take(x, [[7, -1], [2, 9]], mode="clip"), M),
    "pad by constants": (lambda x: np.pad(x, ((1, 2), (0, 1)), constant_values=3.0), M),
    "pad by name": (lambda x: np.pad(x, pad_width=1, mode="symmetric"), M),
    "sort of all": (lambda x: np.sort(x, axis=None), M),
    "sort backwards": (lambda x: np.sort(x)[:, ::-1], M),
    "partition of all": (lambda x: np.partition(x, 2, axis=None)[2], M),
    "partition by two": (lambda x: np.partition(x, (0, 2), axis=-1)[:, 0], M),
    "choose among constants": (lambda x: np.choose([0, 1, 1], [x, W]), V),
    "piecewise": (lambda x: np.piecewise(x, [x < 0, x > 1], [lambda t: -t, np.square, 4.0]), V),
    "piecewise of what is chosen": (
        lambda x: np.piecewise(x, [x < 2], [lambda t: t / np.sum(t), lambda t: np.cumsum(t)]),
        V,
    ),
    "piecewise, 0 elsewhere": (lambda x: np.piecewise(x, [x < 0], [lambda t: t**3]), V),
    "full_like": (lambda x: np.full_like(x, x[1]), V),
    "logspace": (lambda x: np.logspace(x, 1.0, 4), np.float64(-0.5)),
    "logspace to a base": (lambda x: np.logspace(0.0, 2.0, 3, base=x), np.float64(2.5)),
    "geomspace": (lambda x: np.geomspace(x, 8.0, 4), np.float64(0.5)),
    "fftshift": (np.fft.fftshift, M),
    "ifftshift": (lambda x: np.fft.ifftshift(x, axes=1), M),
    "append to a list": (lambda x: np.append([x[0], 4.0], x[1:]), V),
    "options as NumPy has them": (
        lambda x: np.concatenate([x, x], dtype=None, casting="same_kind"),
        V,
    ),
    "vander": (lambda x: np.vander(x, 4), V),
    "vander, increasing": (lambda x: np.vander(x, increasing=True), V),
    "meshgrid of one": (lambda x: np.meshgrid(x)[0], V),
}
TWO: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "vstack": (lambda x, y: np.vstack([x, y]), M, V),
    "hstack": (lambda x, y: np.hstack([x, y]), V, W),
    "hstack of matrices": (lambda x, y: np.hstack((x, y)), M, M[:, :1] + 1),
    "dstack": (lambda x, y: np.dstack([x, y]), V, W),
    "column_stack": (lambda x, y: np.column_stack([x, y]), V, M.T),
    "append": (lambda x, y: np.append(x, y), M, V),
    "append along an axis": (lambda x, y: np.append(x, y[None], axis=0), M, V),
    "insert a row": (lambda x, y: np.insert(x, 1, y, axis=0), M, V),
    "insert a column": (lambda x, y: np.insert(x, -1, y[:2], axis=1), M, V),
    "insert several": (lambda x, y: np.insert(x, [2, 0, 1], y), V, W),
    "insert before a slice": (lambda x, y: np.insert(x, slice(0, 3), y), V, W),
    "block": (lambda x, y: np.block([[x, y[:2, None]], [np.ones((1, 3)), y[2]]]), M, V),
    "block of a row": (lambda x, y: np.block([x, 1.0, y]), V, W),
    "choose": (lambda x, y: np.choose([[0, 1, 0], [1, 1, 0]], [x, y]), M, V),
    "choose, wrapped": (lambda x, y: np.choose([2, 3, -1], [x, y], mode="wrap"), V, W),
    "choose, clipped": (lambda x, y: np.choose([5, 0, -1], [x, y], mode="clip"), V, W),
    "select": (lambda x, y: np.select([x > 1, y > 0], [x * y, np.square(y)], default=-1.0), V, W),
    "select from a default": (lambda x, y: np.select([MASK], [x * y], x - y), M, V),
    "broadcast_arrays": (lambda x, y: np.multiply(*np.broadcast_arrays(x, y)), M, V),
    "meshgrid": (lambda x, y: np.stack(np.meshgrid(x, y)), V, W[:2]),
    "meshgrid by rows": (lambda x, y: np.stack(np.meshgrid(x, y, indexing="ij")), V, W[:2]),
    "sparse meshgrid": (lambda x, y: np.multiply(*np.meshgrid(x, y, sparse=True)), V, W[:2]),
    "linspace": (lambda x, y: np.linspace(x, y, 5), np.float64(1.0), np.float64(2.5)),
    "linspace of arrays": (lambda x, y: np.linspace(x, y, 4, endpoint=False, axis=1), V, W),
    "polyval": (lambda x, y: np.polyval(x, y), V, M),
}


@pytest.mark.parametrize(("call", "array"), ONE.values(), ids=ONE.keys())
def test_functions_of_one_array(call: Callable[..., Any], array: Any) -> None:
    agrees(call, array)


@pytest.mark.parametrize(("call", "one", "other"), TWO.values(), ids=TWO.keys())
def test_functions_of_two_arrays(call: Callable[..., Any], one: Any, other: Any) -> None:
    agrees(call, one, other)


@given(
    values=st.lists(st.integers(-3, 3), min_size=1, max_size=8),
    kth=st.integers(0, 7),
    seed=st.integers(0, 9),
)
def test_sorting_gives_each_gradient_back_to_an_entry_of_that_size(
    values: list[int], kth: int, seed: int
) -> None:
    """Also where entries tie: then it matters not to which of them."""
    weights = np.random.default_rng(seed).permutation(len(values)) + 1.0
    for function in (np.sort, lambda a: np.partition(a, kth % len(values))):
        x = Value(values)
        out: Any = function(x)
        out.backward(weights)
        for size in set(values):
            here = out.data == size
            assert np.sum(x.grad[x.data == size]) == np.sum(weights[here])
        assert sorted(x.grad) == sorted(weights)


def test_constants_of_a_shape_are_arrays_that_can_be_written() -> None:
    x = Value(np.float32(M))
    for made, entry in ((np.zeros_like(x), 0), (np.ones_like(x), 1), (np.full_like(x, 7), 7)):
        assert type(made) is np.ndarray
        assert made.dtype == np.float32
        assert np.all(made == entry)
        made[0, 0] = 3.0
    assert np.zeros_like(x, dtype=int, shape=(2,)).tolist() == [0, 0]
    assert np.empty_like(x).shape == x.shape


def test_questions() -> None:
    x = Value(np.float32(M))
    assert (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1)) == ((2, 3), 2, 6, 3)
    assert np.result_type(x, np.float64) == np.float64
    assert np.array2string(Value([1.0, 2.0])) == "[1. 2.]"
    assert x.tolist() == np.float32(M).tolist()


def test_indices_that_an_untracked_value_holds() -> None:
    x = Value(M)
    assert np.take(M, np.argmax(x, axis=1)).tolist() == np.take(M, M.argmax(axis=1)).tolist()
    best: Any = np.take_along_axis(x, np.argmax(x, axis=1)[:, None], axis=1)
    assert best.data.tolist() == M.max(axis=1, keepdims=True).tolist()
    best.backward(np.ones((2, 1)))
    assert x.grad.tolist() == (M.max(axis=1, keepdims=True) == M).tolist()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda v: v.sort(), InPlaceError, r"np\.sort\(v\)"),
        (lambda v: np.pad(v, 1, mode="linear_ramp"), ValueError, "np.concatenate"),
        (lambda v: np.split(v, 2), ValueError, r"np\.array_split"),
        (lambda v: np.vsplit(v, 2), ValueError, "2 axes"),
        (lambda v: np.choose([0, 2], [v[:2], v[1:]]), ValueError, "wrap"),
        (lambda v: np.select([v > 0], [v, v]), ValueError, "each condition"),
        (lambda v: numpy.reshape(v, 3, order="X"), OperandError, '"C" or "F"'),
        (lambda v: np.moveaxis(v, 1, 0), ValueError, "axis"),
        (lambda v: numpy.meshgrid(v, v, indexing="yx"), ValueError, "indexing"),
        (lambda v: np.take(V, v), TypeError, r"v\.data"),
        (lambda v: v.take([0], dim=0), OperandError, "axis="),
    ],
)
def test_errors_say_what_to_write(call: Callable[[Any], Any], error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        call(Value(V))
