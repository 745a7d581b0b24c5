"""What surrounds recording: no_grad, scope, recorded lines and observers, in threads and tasks."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.engine.context import STATE, changed
from tinygrad_edu.engine.sweep import sweep
from tinygrad_edu.errors import InPlaceError, NonFiniteError, ShapeError

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value


def tracked() -> bool:
    return bool((Value(1.0) * 2).requires_grad)


def test_no_grad_blocks_and_decorators_nest_and_end() -> None:
    @te.no_grad()
    def silently() -> bool:
        return tracked()

    assert tracked()
    with te.no_grad():
        assert not tracked()
        with te.no_grad():
            assert not tracked()
        assert not tracked()
    assert tracked()
    assert not silently()
    assert not silently()
    assert tracked()
    with pytest.raises(ZeroDivisionError), te.no_grad():
        1 / 0  # noqa: B018
    assert tracked()


def test_results_of_no_grad_hold_no_inputs() -> None:
    x = Value([1.0, 2.0])
    with te.no_grad():
        y = np.exp(x * 2)
        leaf = Value(3.0)
    assert (y.op, y.inputs, y.requires_grad) == (None, (), False)
    assert leaf.requires_grad
    np.sum(y * x).backward()
    assert x.grad.tolist() == y.data.tolist()


def test_detach_and_constants_stop_the_gradient() -> None:
    x = Value(3.0)
    (x * x.detach()).backward()
    assert x.grad == 3.0
    rounded = x + Value(4.0, requires_grad=False) - x.detach()
    assert te.grad(rounded, x) == (1.0,)
    assert not (Value(1.0, requires_grad=False) + 1).requires_grad


def test_in_place_updates_write_the_leaf_inside_no_grad_only() -> None:
    w = Value([1.0, 2.0], name="w")
    same = w
    with te.no_grad():
        w -= np.array([0.5, 0.5])
        w *= 2.0
        w += Value([1.0, 1.0])
        w /= 2.0
        w **= 2
    assert w is same
    assert w.op is None
    assert w.requires_grad
    assert w.data.tolist() == [1.0, 4.0]
    single = Value(np.array([1, 2], np.float32))
    with te.no_grad():
        single -= np.array([0.5, 0.5])  # float64
    assert single.dtype == np.float32
    with te.no_grad(), pytest.raises(ShapeError):
        w += np.ones((3, 2))


@pytest.mark.parametrize(
    "update",
    [
        lambda v: v.__iadd__(1.0),
        lambda v: v.__isub__(1.0),
        lambda v: v.__imul__(2.0),
        lambda v: v.__itruediv__(2.0),
        lambda v: v.__ipow__(2),
        lambda v: v.__imatmul__(np.eye(2)),
    ],
)
def test_in_place_operators(update: Callable[[Any], Any]) -> None:
    leaf = Value([1.0, 2.0], name="weight")
    with pytest.raises(InPlaceError, match=r"weight\.data = .*te\.optim"):
        update(leaf)
    assert leaf.data.tolist() == [1.0, 2.0]
    inner = leaf * 1.0
    result = update(inner)
    assert result is not inner
    assert result.requires_grad
    assert inner.data.tolist() == [1.0, 2.0]
    np.sum(result).backward()
    assert leaf.grad is not None


def test_the_rebinding_update_keeps_its_old_value_in_the_graph() -> None:
    x = Value(3.0)
    y = x * 2
    kept = y
    y += x
    (y * kept).backward()
    assert kept.data == 6.0
    assert x.grad == 3 * 6 + 9 * 2


def in_threads(*works: Callable[[], None]) -> None:
    """Run each in a thread of its own; the first failure is raised here."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    if failures:
        raise failures[0]


def test_every_thread_has_its_own_state() -> None:
    """While one thread is inside every context, another has none of them, and the reverse."""
    inside, checked = threading.Event(), threading.Event()
    seen: list[Any] = []

    def entered() -> None:
        with (
            te.no_grad(),
            te.record_lines(),
            changed(scope="layer"),
            te.observe(lambda node, gradient: seen.append(node)),
        ):
            inside.set()
            assert checked.wait(10)
            made = Value(1.0) * 2
            assert not made.requires_grad
            assert made.scope == "layer"
            assert made.line is not None
        assert len(seen) == 1

    def outside() -> None:
        assert inside.wait(10)
        made = Value(1.0) * 2
        made.backward()
        checked.set()
        assert made.requires_grad
        assert made.scope == ""
        assert made.line is None

    in_threads(entered, outside)
    assert tracked()


def test_graphs_of_many_threads_do_not_mix() -> None:
    def work(start: float) -> Callable[[], None]:
        def run() -> None:
            for step in range(200):
                x = Value([start, start + step])
                y = np.sum(x * x * x)
                with te.no_grad():
                    assert not (x * 2).requires_grad
                (slope,) = te.grad(y, x, create_graph=True)
                np.sum(slope).backward()
                assert x.grad.tolist() == [6 * start, 6 * (start + step)]

        return run

    in_threads(*(work(float(k)) for k in range(4)))


def test_every_asyncio_task_has_its_own_state() -> None:
    async def entered() -> tuple[bool, str]:
        with te.no_grad(), changed(scope="task"):
            await asyncio.sleep(0.01)
            node = Value(1.0) * 2
            return node.requires_grad, node.scope

    async def beside() -> tuple[bool, str]:
        await asyncio.sleep(0.005)
        node = Value(1.0) * 2
        return node.requires_grad, node.scope

    async def both() -> list[tuple[bool, str]]:
        return list(await asyncio.gather(entered(), beside(), entered()))

    assert asyncio.run(both()) == [(False, "task"), (True, ""), (False, "task")]


def test_scope_is_kept_by_leaves_and_nodes() -> None:
    with changed(scope="outer"):
        leaf = Value(1.0)
        with changed(scope="outer.inner"):
            node = leaf * 2
        after = node * 2
    assert [leaf.scope, node.scope, after.scope] == ["outer", "outer.inner", "outer"]
    assert (node * 2).scope == ""


def test_observers_hear_of_new_nodes_and_of_final_gradients() -> None:
    events: list[tuple[str, Any]] = []

    def listen(node: Any, gradient: Any) -> None:
        events.append((node.op.name if node.op else "leaf", gradient))

    x = Value(3.0)
    with te.observe(listen):
        y = x * x + x
        assert events == [("multiply", None), ("add", None)]
        events.clear()
        y.backward()
    assert events == [("add", 1.0), ("multiply", 1.0), ("leaf", 7.0)]
    events.clear()
    np.exp(x).backward()
    assert events == []


def test_observers_hear_te_grad_and_nest() -> None:
    outer: list[Any] = []
    inner: list[Any] = []
    x = Value([1.0, 2.0])
    y = np.sum(x * x)
    with te.observe(lambda node, gradient: outer.append(gradient)):
        te.grad(y, x)
        with te.observe(lambda node, gradient: inner.append(gradient)):
            te.grad(y, x)
    assert len(outer) == 6
    assert len(inner) == 3
    assert inner[-1].tolist() == [2.0, 4.0]


def test_observers_of_create_graph_get_arrays() -> None:
    swept: list[Any] = []
    new: list[Any] = []
    x = Value([1.0, 2.0])
    y = np.sum(x**3)

    def listen(node: Any, gradient: Any) -> None:
        (new if gradient is None else swept).append(gradient)

    with te.observe(listen):
        te.grad(y, x, create_graph=True)
    assert [np.asarray(g).tolist() for g in swept] == [1.0, [1.0, 1.0], [3.0, 12.0]]
    assert all(not isinstance(g, Value) for g in swept)
    assert new  # the derivative's own nodes


def test_an_observer_that_raises_leaves_the_state_as_it_was() -> None:
    def fail(node: Any, gradient: Any) -> None:
        raise KeyError("observer")

    before = np.geterr()
    with pytest.raises(KeyError), te.observe(fail):
        Value(1.0) * 2
    y = Value(1.0) * 2
    with pytest.raises(KeyError), te.observe(fail):
        y.backward()
    assert STATE.get().observers == ()
    assert np.geterr() == before
    assert tracked()


@pytest.fixture
def loud() -> Iterator[dict[str, Any]]:
    """NumPy's error handling set to something of our own."""
    with np.errstate(divide="warn", over="raise", under="ignore", invalid="call"):
        yield dict(np.geterr())


def test_no_error_state_leaks_into_observers(loud: dict[str, Any]) -> None:
    states: list[Any] = []

    def listen(node: Any, gradient: Any) -> None:
        states.append(dict(np.geterr()))

    x = Value([1.0, 2.0])
    with te.observe(listen):
        y = np.sum(x * x)
        y.backward()
        te.grad(y, x)
        te.grad(y, x, create_graph=True)
        te.hessian(lambda z: np.sum(z**3))(np.ones(2))
    assert len(states) > 10
    assert all(state == loud for state in states)
    assert np.geterr() == loud


def test_no_error_state_leaks_out_of_the_sweep(loud: dict[str, Any]) -> None:
    x = Value([1.0, 2.0])
    y = np.sum(x * x)
    walk = sweep(y, np.float64(1.0))
    for _ in walk:
        assert np.geterr() == loud
    abandoned = sweep(y, np.float64(1.0))
    next(abandoned)
    assert np.geterr() == loud
    del abandoned
    assert np.geterr() == loud


def test_no_error_state_leaks_out_of_user_rules_that_raise(loud: dict[str, Any]) -> None:
    y = Value(1.0) * 2
    with pytest.raises(ShapeError):
        y.backward(np.ones(3))
    assert np.geterr() == loud


def test_the_line_of_user_code_is_recorded_on_demand() -> None:
    x = Value([1.0, 2.0])
    assert (x * 2).line is None
    with te.record_lines():
        product = x * 2  # this very line
        summed = np.sum(product)
        method = product.mean()
    assert product.line is not None
    assert "test_state.py" in product.line
    assert "product = x * 2  # this very line" in product.line
    assert summed.line is not None
    assert "np.sum(product)" in summed.line
    assert method.line is not None
    assert "product.mean()" in method.line


def test_an_error_names_the_line_on_demand() -> None:
    x, w = Value(np.ones((4, 2)), name="x"), Value(np.ones((3, 8)), name="weight")
    with te.record_lines(), pytest.raises(ShapeError) as caught:
        x @ w  # the faulty line
    message = str(caught.value)
    assert "matmul" in message
    assert "'x' of shape (4, 2)" in message
    assert "'weight' of shape (3, 8)" in message
    assert "test_state.py" in message
    assert "x @ w  # the faulty line" in message


def test_the_operation_that_bore_a_nan_is_named() -> None:
    with np.errstate(all="ignore"):
        x = Value([1.0, -1.0], name="x")
        with pytest.raises(NonFiniteError, match=r"log.*'x'.*nan") as caught, te.trace_nonfinite():
            np.sum(np.exp(np.log(x)))
        assert "np.sum(np.exp(np.log(x)))" in str(caught.value)
        with pytest.raises(NonFiniteError, match=r"exp.*inf"), te.trace_nonfinite():
            np.exp(x * 1000.0)
        with pytest.raises(NonFiniteError, match=r"divide"), te.trace_nonfinite():
            x / np.array([1.0, 0.0])
        with te.trace_nonfinite():
            np.exp(x)
        np.log(x)  # outside, nothing is looked at


def test_the_derivative_that_bore_an_infinity_is_named() -> None:
    x = Value([4.0, 0.0], name="x")
    with te.record_lines():
        root = x**0.5  # the culprit
    y = np.sum(root * 2.0)
    with pytest.raises(NonFiniteError, match=r"power") as caught, te.trace_nonfinite():
        y.backward()
    assert "'x'" in str(caught.value)
    assert "inf" in str(caught.value)
    assert "x**0.5  # the culprit" in str(caught.value)
    with te.trace_nonfinite():
        np.sum(np.sqrt(Value([4.0]))).backward()


def test_tracing_pins_no_graph() -> None:
    """A whole training run may be traced: what it left behind is freed before the block ends."""
    graphs = []
    with te.trace_nonfinite():
        for _ in range(5):
            x = Value([1.0, 2.0])
            h = x * 2
            graphs.append(weakref.ref(h))
            np.sum(h * h).backward()
            del h
        assert sum(graph() is not None for graph in graphs) <= 1
