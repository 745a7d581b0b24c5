"""The backward pass: shared nodes, accumulation, seeds, aliasing, depth and memory."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.engine.sweep import sweep
from tinygrad_edu.errors import NotTrackedError, ShapeError

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value


def test_a_node_used_twice() -> None:
    x = Value(3.0)
    (x * x).backward()
    assert x.grad == 6.0
    y = Value(3.0)
    (y + y).backward()
    assert y.grad == 2.0
    z = Value(3.0)
    (z / z).backward()
    assert z.grad == pytest.approx(0.0, abs=1e-16)
    w = Value([1.0, 2.0])
    (w @ w).backward()
    assert w.grad.tolist() == [2.0, 4.0]


def test_diamond() -> None:
    a, b = Value(2.0), Value(3.0)
    c, d = a + b, a * b
    y = (c + d) + c * d
    y.backward()
    assert a.grad == 1 + 3 + 3 * (2 + 3) + 2 * 3
    assert b.grad == 1 + 2 + 2 * (2 + 3) + 2 * 3
    assert c.grad == 1 + 6
    assert d.grad == 1 + 5
    assert y.grad == 1


def test_sixty_diamonds_in_a_row_have_2_to_the_60_paths() -> None:
    x = Value(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad == 2.0**60


def test_fan_out_of_a_thousand() -> None:
    x = Value([2.0, -1.0])
    uses = [x * float(k) for k in range(1000)]
    total = uses[0]
    for use in uses[1:]:
        total = total + use
    np.sum(total * x).backward()
    assert x.grad.tolist() == [2 * 499500 * 2.0, 2 * 499500 * -1.0]


def test_shared_node_of_different_depth_waits_for_all_its_users() -> None:
    x = Value(0.5)
    shared = x * 2
    deep = shared
    for _ in range(50):
        deep = deep + 1
    (deep * shared).backward()
    assert shared.grad == 51.0 + 1.0
    assert x.grad == 2 * 52.0


def test_a_second_pass_doubles_leaves_and_inner_nodes_keep_the_last() -> None:
    x = Value([0.3, -1.7, 2.0])
    w = Value([1.1, 0.4, -0.9])
    hidden = np.tanh(x * w)
    loss = np.mean(hidden * hidden)
    loss.backward()
    once = {id(node): np.copy(node.grad) for node in (x, w, hidden, loss)}
    loss.backward()
    for leaf in (x, w):
        assert np.array_equal(leaf.grad, 2 * once[id(leaf)])
    for inner in (hidden, loss):
        assert np.array_equal(inner.grad, once[id(inner)])
    loss.backward()
    assert np.array_equal(x.grad, once[id(x)] + once[id(x)] + once[id(x)])


def test_two_outputs_of_one_graph_add_up_on_the_leaf() -> None:
    x = Value(2.0)
    shared = x * x
    (shared * 1.0).backward()
    (shared * 3.0).backward()
    assert x.grad == 4.0 + 12.0
    assert shared.grad == 3.0


def test_grad_touches_no_grad() -> None:
    x = Value(2.0)
    shared = x * x
    y = shared * 3
    assert te.grad(y, [x, shared]) == (12.0, 3.0)
    assert x.grad is shared.grad is y.grad is None


def test_unreached_nodes_have_no_gradient() -> None:
    x, unused = Value(2.0), Value(3.0)
    aside = x * 5
    constant = Value(4.0, requires_grad=False)
    (x * constant).backward()
    assert unused.grad is None
    assert aside.grad is None
    assert constant.grad is None


def test_a_leaf_is_its_own_root() -> None:
    x = Value(2.0)
    x.backward()
    x.backward()
    assert x.grad == 2.0
    v = Value([1.0, 2.0])
    v.backward([3.0, 4.0])
    assert v.grad.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("shape", [(2,), (2, 2), (), (1, 1)])
def test_a_seed_needs_the_roots_shape(shape: tuple[int, ...]) -> None:
    y = Value(np.ones((1, 2))) * 2
    with pytest.raises(ShapeError, match="shape"):
        y.backward(np.ones(shape))
    with pytest.raises(ShapeError, match=r"sum\(\) or \.mean"):
        y.backward()


def test_a_single_element_of_any_rank_needs_no_seed() -> None:
    x = Value([[2.0]])
    (x * x).backward()
    assert x.grad.tolist() == [[4.0]]


@pytest.mark.parametrize("seed", ["a", 1j, None])
def test_a_seed_is_made_of_real_numbers(seed: Any) -> None:
    y = Value([1.0, 2.0]) * 2
    with pytest.raises((TypeError, ValueError)):
        y.backward([seed, seed])


def test_a_mask_of_booleans_is_a_seed() -> None:
    v = Value([1.0, 2.0])
    (-v).backward(np.array([True, False]))
    assert v.grad.tolist() == [-1.0, 0.0]
    w = Value([1.0, 2.0])
    (-w).backward(w > 1)
    assert w.grad.tolist() == [0.0, -1.0]


def test_the_seed_is_neither_written_to_nor_kept() -> None:
    works: list[Any] = [lambda v: v + 0, lambda v: v * 1, lambda v: v]
    for work in works:
        a, b = Value([1.0, 2.0]), Value([3.0, 4.0])
        seed = np.array([1.0, 2.0])
        (work(a) + work(b)).backward(seed)
        assert seed.flags.writeable
        a.grad += 5.0
        assert seed.tolist() == [1.0, 2.0]
        assert b.grad.tolist() == [1.0, 2.0]
        seed[0] = 7.0
        assert b.grad.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "join",
    [
        lambda a, b: a + b,
        lambda a, b: (a - b) * 1.0,
        lambda a, b: a.reshape(2, 2) + b.T,
        lambda a, b: np.concatenate([a, b]).reshape(4, 2) * 2,
        lambda a, b: te.stack([a, b]),
        lambda a, b: a[...] + b[:, :],
        lambda a, b: np.where([[True, False], [True, True]], a, b),
        lambda a, b: te.set_at(a, 0, b[0]),
        lambda a, b: np.squeeze(np.expand_dims(a, 0)) + np.swapaxes(b, 0, 1),
        lambda a, b: a.astype(np.float64) + b,
    ],
)
def test_leaf_gradients_share_no_memory(join: Any) -> None:
    a, b = Value([[1.0, 2.0], [3.0, 4.0]]), Value([[5.0, 6.0], [7.0, 8.0]])
    y = join(a, b)
    seed = np.ones(y.shape)
    y.backward(seed)
    for one, other in ((a.grad, b.grad), (a.grad, seed), (b.grad, seed), (a.grad, y.grad)):
        assert not np.shares_memory(one, other)
    kept = b.grad.copy()
    a.grad *= 100.0  # a clipped gradient, say: writable, and nobody else's
    assert np.array_equal(b.grad, kept)
    first, second = te.grad(join(a, b), [a, b], gradient=seed)
    assert not np.shares_memory(first, second)
    first *= 2.0
    twice, again = te.grad(join(a, b), [a, a], gradient=seed)
    assert not np.shares_memory(twice, again)


def test_gradients_of_inner_nodes_are_read_only() -> None:
    x = Value([1.0, 2.0])
    h = x + 1.0
    (h * 2.0).sum().backward()
    with pytest.raises(ValueError, match="read-only"):
        h.grad[0] = 5.0


def test_a_root_without_tracked_leaves_is_refused() -> None:
    constant = Value([1.0], requires_grad=False) * 2
    for root in (constant, Value(1.0, requires_grad=False), Value(1.0) > 0, Value(1.0).detach()):
        with pytest.raises(NotTrackedError, match="detach"):
            root.backward()
        with pytest.raises(NotTrackedError):
            te.grad(root, [Value(1.0)])


def test_the_sweep_yields_every_node_once_and_final() -> None:
    a = Value(2.0, name="a")
    b = a * 3
    c = b + a
    d = c * b
    yielded = list(sweep(d, np.float64(1.0)))
    assert [node for node, _ in yielded] == [d, c, b, a]
    assert [float(g) for _, g in yielded] == [1.0, 6.0, 6.0 + 8.0, 6.0 + 3 * 14.0]
    assert all(node.grad is None for node, _ in yielded)


def test_serials_are_a_topological_order() -> None:
    x = Value(1.0)
    nodes = [x]
    rng = np.random.default_rng(0)
    for _ in range(100):
        i, j = rng.integers(len(nodes), size=2)
        nodes.append(nodes[i] + nodes[j])
    serials = [node.serial for node in nodes]
    assert serials == sorted(set(serials))
    for node in nodes[1:]:
        assert all(item.serial < node.serial for item in node.inputs)


def test_two_runs_give_the_same_bits() -> None:
    runs = []
    for _ in range(2):
        x = Value(np.linspace(0.1, 1, 50))
        np.sum(np.exp(x) * x / np.sqrt(x)).backward()
        runs.append(x.grad)
    assert runs[0].tobytes() == runs[1].tobytes()


def test_a_deep_chain_differentiates_twice() -> None:
    depth = 20_000
    x = Value(1.0)
    y = x
    for _ in range(depth):
        y = y * 1.0001
    (slope,) = te.grad(y * x, x, create_graph=True)
    slope.backward()
    assert x.grad == pytest.approx(2 * 1.0001**depth, rel=1e-9)


@contextmanager
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_a_chain_of_a_million_operations() -> None:
    with no_collector():  # which would not free it, and doubles the time
        x = Value(1.0)
        y = x
        for _ in range(1_000_000):
            y = y + x
        deepest = y
        for _ in range(10):
            deepest = deepest.inputs[0]
        inner = weakref.ref(deepest)
        del deepest
        y.backward()
        assert y.item() == 1_000_001.0
        assert x.grad == 1_000_001.0
        del y
        assert inner() is None


def one_of_everything() -> None:
    """Graphs of first and second order, and the failures on the way."""
    x = Value([0.5, -1.5, 2.0], name="x")
    y = np.sum(np.tanh(x) * x + np.where(x > 0, np.sqrt(np.abs(x)), x) + x[[0, 0, 1]])
    y.backward()
    (slope,) = te.grad(np.concatenate([x * y, x]).sum(), x, create_graph=True)
    np.sum(slope).backward()
    with pytest.raises(ShapeError):
        x @ Value(np.ones((2, 2)))
    with pytest.raises(ShapeError):
        slope.backward(np.ones(7))
    with te.no_grad(), te.record_lines(), te.observe(lambda node, gradient: None):
        mask = x > 0
        x -= 0.1
    assert mask.inputs == ()


def test_a_thousand_graphs_leave_nothing_to_the_garbage_collector() -> None:
    one_of_everything()  # what is made once for all stays out of the count
    with no_collector():
        for _ in range(1000):
            x = Value([0.5, -1.5, 2.0])
            hidden = np.tanh(x * 2 + 1)
            np.mean(hidden * hidden).backward()
        assert gc.collect() == 0
        for _ in range(20):
            one_of_everything()
        del x, hidden
        assert gc.collect() == 0


def test_derivatives_of_functions_leave_nothing_to_the_garbage_collector() -> None:
    def work() -> None:
        te.grad(lambda x: np.sum(x**3))(np.ones(3))
        te.hessian(lambda x: np.sum(x**3))(np.ones(3))
        te.hvp(lambda x: np.sum(x**3))(np.ones(3), np.ones(3))
        te.jvp(np.sin, (1.0,), (1.0,))
        te.vjp(np.sin, 1.0)[1](1.0)

    work()
    with no_collector():
        for _ in range(20):
            work()
        assert gc.collect() == 0


def test_a_graph_is_freed_with_its_last_root() -> None:
    with no_collector():
        x = Value([1.0, 2.0])
        hidden = np.exp(x)
        inner = weakref.ref(hidden)
        one, other = hidden.sum(), hidden.max()
        del hidden
        one.backward()
        assert inner() is not None
        del one
        assert inner() is not None
        del other
        assert inner() is None


def test_ten_kept_masks_pin_no_graph() -> None:
    with no_collector():
        x = Value(np.linspace(-1, 1, 8))
        graphs, kept = [], []
        for step in range(10):
            h = np.tanh(x * float(step + 1))
            graphs.append(weakref.ref(h))
            kept += [h > 0, h.argmax(), h.detach(), (h > 0) & (h < 1), np.isfinite(h)]
            with te.no_grad():
                kept.append(h * 2)
        del h
        assert all(graph() is None for graph in graphs)
        assert all(node.inputs == () and node.op is None for node in kept)


def test_gradients_pin_no_graph() -> None:
    with no_collector():
        x = Value([1.0, 2.0])
        h = x * 3
        graph = weakref.ref(h)
        np.sum(h * h).backward()
        (slope,) = te.grad(np.sum(h * h), x)
        del h
        assert graph() is None
        assert slope.tolist() == x.grad.tolist() == [18.0, 36.0]
