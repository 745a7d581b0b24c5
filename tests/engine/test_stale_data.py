"""Data that changes between forward and backward: never silently wrong, at any order.

Each test either gets the gradient of the numbers that were recorded or a `StaleGraphError`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.errors import StaleGraphError

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value


def rebind(leaf: Any) -> None:
    leaf.data = leaf.data + 1.0


def update_in_place(leaf: Any) -> None:
    with te.no_grad():
        leaf -= 0.5


def optimise(leaf: Any) -> None:
    leaf.grad = np.ones(leaf.shape) if leaf.ndim else np.float64(1.0)
    te.optim.SGD([leaf], lr=0.1).step()


def set_inside_no_grad(leaf: Any) -> None:
    with te.no_grad():
        leaf.data = np.zeros(leaf.shape)


CHANGES = [rebind, update_in_place, optimise, set_inside_no_grad]
GRAPHS: list[Callable[[Any], Any]] = [
    lambda w: w * w,
    lambda w: w * 2.0,  # the gradient does not depend on w, yet the value did
    lambda w: np.exp(w),
    lambda w: w[0] * 3.0,
    lambda w: np.reshape(w, (2, 1)) + 1.0,
    lambda w: w.T @ w,
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("graph", GRAPHS)
def test_first_order(change: Callable[[Any], None], graph: Callable[[Any], Any]) -> None:
    w = Value([1.0, 2.0], name="weight")
    y: Any = np.sum(graph(w))
    change(w)
    w.grad = None
    with pytest.raises(StaleGraphError, match="weight"):
        y.backward()
    assert w.grad is None  # nothing was added before the error
    with pytest.raises(StaleGraphError):
        te.grad(y, w)
    with pytest.raises(StaleGraphError):
        te.grad(y, w, create_graph=True)
    (slope,) = te.grad(np.sum(graph(w)), w)  # recorded anew, it works
    assert slope.shape == (2,)


@pytest.mark.parametrize("change", CHANGES)
def test_higher_order(change: Callable[[Any], None]) -> None:
    w = Value([1.0, 2.0])
    (slope,) = te.grad(np.sum(w**4), w, create_graph=True)
    (bend,) = te.grad(np.sum(slope), w, create_graph=True)
    change(w)
    for derivative in (slope, bend):
        with pytest.raises(StaleGraphError):
            te.grad(np.sum(derivative), w)


@pytest.mark.parametrize("change", CHANGES)
def test_scalars(change: Callable[[Any], None]) -> None:
    w = Value(3.0)
    y = w * w
    change(w)
    with pytest.raises(StaleGraphError):
        y.backward()


def test_an_untracked_input_counts() -> None:
    w = Value([1.0, 2.0])
    c = Value([3.0, 4.0], requires_grad=False)
    y = np.sum(w * c)
    c.data = [9.0, 9.0]
    with pytest.raises(StaleGraphError):
        y.backward()


def test_a_deep_input_counts() -> None:
    w = Value(1.0)
    y = w * 2
    for _ in range(100):
        y = np.tanh(y)
    w.data = 5.0
    with pytest.raises(StaleGraphError):
        y.backward()


def test_a_graph_beside_the_changed_leaf_is_not_stale() -> None:
    u, w = Value([1.0, 2.0]), Value([3.0, 4.0])
    y = np.sum(u * 3)
    w.data = [0.0, 0.0]
    y.backward()
    assert u.grad.tolist() == [3.0, 3.0]


def test_a_leaf_may_change_before_it_is_used() -> None:
    w = Value([1.0, 2.0])
    for step in range(3):
        w.data = [1.0 + step, 2.0]
        w.grad = None
        np.sum(w * w).backward()
        assert w.grad.tolist() == [2.0 + 2 * step, 4.0]


@pytest.mark.parametrize("change", CHANGES)
def test_detached_numbers_and_views_stay_what_they_were(change: Callable[[Any], None]) -> None:
    """What shares memory with a leaf must not change when the leaf is updated."""
    w = Value([1.0, 2.0])
    u = Value([1.0, 1.0])
    with te.no_grad():
        view = w[:]
    shared = [w.detach(), view, w.data, w.data[::-1], Value(w)]
    wanted = [np.array(item.data if isinstance(item, Value) else item) for item in shared]
    graphs = [np.sum(u * item) for item in shared]
    change(w)
    for item, numbers, y in zip(shared, wanted, graphs, strict=True):
        assert np.array_equal(item.data if isinstance(item, Value) else item, numbers)
        u.grad = None
        y.backward()
        assert np.array_equal(u.grad, numbers)


def test_a_numpy_operand_may_be_written_to() -> None:
    w = Value([1.0, 1.0])
    array = np.array([3.0, 4.0])
    views = [array, array[::-1], array.reshape(2, 1).T[0]]
    results = [np.sum(w * view) for view in views]
    power = np.sum(w**array)
    product = w @ array
    chosen = np.sum(np.where(array > 3.5, w, array))
    array[...] = 100.0
    for y, wanted in zip(results, ([3.0, 4.0], [4.0, 3.0], [3.0, 4.0]), strict=True):
        assert te.grad(y, w)[0].tolist() == wanted
    assert te.grad(power, w)[0].tolist() == [3.0, 4.0]
    assert te.grad(product, w)[0].tolist() == [3.0, 4.0]
    assert te.grad(chosen, w)[0].tolist() == [0.0, 1.0]


def test_a_read_only_view_of_a_writable_array_is_copied() -> None:
    base = np.array([3.0, 4.0, 5.0])
    view = base[:2]
    view.setflags(write=False)
    w = Value([1.0, 1.0])
    y = np.sum(w * view)
    base[...] = 0.0
    y.backward()
    assert w.grad.tolist() == [3.0, 4.0]


def test_a_numpy_operand_stays_writable_and_its_owners() -> None:
    array = np.array([3.0, 4.0])
    Value([1.0, 1.0]) * array
    te.OPERATIONS["linear"](array)
    te.OPERATIONS["reshape"](array, shape=(2, 1))
    assert array.flags.writeable


def test_operands_of_the_second_order_may_be_written_to() -> None:
    w = Value([1.0, 2.0])
    array = np.array([3.0, 4.0])
    seed = np.array([1.0, 10.0])
    (slope,) = te.grad(w * w * array, w, gradient=seed, create_graph=True)
    array[...] = 0.0
    seed[...] = 0.0
    np.sum(slope).backward()
    assert w.grad.tolist() == [2 * 3.0, 2 * 4.0 * 10.0]


def indices(change: bool) -> dict[str, tuple[Any, Callable[[], None]]]:
    """Indices into three entries that select the first two, and how to change them afterwards."""
    rows, mask, as_list = np.array([0, 1]), np.array([True, True, False]), [0, 1]
    inner = np.array([0, 1])
    nested = [0, 1]
    held = Value([1.0, 0.0, 0.0], requires_grad=False)

    def write(array: Any, values: Any) -> Callable[[], None]:
        def to() -> None:
            array[:] = values

        return to

    return {
        "integers": (rows, write(rows, [2, 2])),
        "mask": (mask, write(mask, False)),
        "list": (as_list, write(as_list, [2, 2])),
        "tuple": ((inner,), write(inner, [2, 2])),
        "list in a tuple": ((nested,), write(nested, [2, 2])),
        "value": (held[:2].argmax() + np.array([0, 1]), lambda: None),
    }


@pytest.mark.parametrize("kind", indices(False))
def test_an_index_may_be_written_to(kind: str) -> None:
    index, change = indices(True)[kind]
    w = Value([1.0, 2.0, 3.0])
    weights = np.array([10.0, 20.0])
    picked = np.sum(w[index] * weights)
    placed = np.sum(te.set_at(w, index, w[:2] * 5.0) * np.array([1.0, 2.0, 3.0]))
    change()
    assert te.grad(picked, w)[0].tolist() == [10.0, 20.0, 0.0]
    assert te.grad(placed, w)[0].tolist() == [5.0, 10.0, 3.0]


@pytest.mark.parametrize("kind", ["integers", "mask", "list", "tuple", "list in a tuple"])
def test_an_index_given_to_the_record_itself_may_be_written_to(kind: str) -> None:
    index, change = indices(True)[kind]
    w = Value([1.0, 2.0, 3.0])
    picked = te.OPERATIONS["getitem"](w, index=index)
    change()
    assert te.grad(picked, w, gradient=[10.0, 20.0])[0].tolist() == [10.0, 20.0, 0.0]


def test_options_may_be_written_to() -> None:
    w = Value(np.arange(6.0))
    shape, axes = [3, 2], [1, 0]
    y: Any = np.transpose(np.reshape(w, shape), axes)
    shape[:] = [6, 1]
    axes[:] = [0, 1]
    y.backward(np.arange(6.0).reshape(2, 3))
    assert w.grad.tolist() == [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]


def test_writing_into_a_gradient_changes_no_other() -> None:
    w = Value([1.0, 2.0])
    y = np.sum(w * w)
    y.backward()
    w.grad[...] = 100.0
    y.backward()
    assert w.grad.tolist() == [102.0, 104.0]


def test_an_observer_that_updates_leaves_during_the_sweep_does_not_mix_numbers() -> None:
    """Updating a leaf while a pass is under way either raises or uses the recorded numbers."""
    u, w = Value([3.0, 4.0]), Value([1.0, 2.0])
    y = np.sum(u * w) * 1.0

    def meddle(node: Any, gradient: Any) -> None:
        if gradient is not None and node.op is te.OPERATIONS["sum"]:
            u.data = [100.0, 100.0]

    try:
        with te.observe(meddle):
            y.backward()
    except StaleGraphError:
        return
    assert w.grad.tolist() == [3.0, 4.0]
