"""Results stay what they were while someone holds them, whatever is called or written meanwhile."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.compile.judging import bits, copied, numbers, plain, same_at_every_call
from tinygrad_edu.errors import RecordingWarning, StaleGraphError

W = np.arange(12.0).reshape(3, 4)

# Each takes an array of 3 × 4 and a parameter of that shape.
RESULTS: dict[str, Callable[[Any, Any], Any]] = {
    "the argument": lambda x, w: x,
    "a view of the argument": lambda x, w: x.T,
    "the parameter": lambda x, w: w,
    "a view of the parameter": lambda x, w: w[1:, ::2].T,
    "a reshaped parameter": lambda x, w: np.reshape(w, (2, 6)),
    "the parameter cut off": lambda x, w: w.detach(),
    "twice the same": lambda x, w: (x + w, x + w, (x + w).T),
    "a result and a view of it": lambda x, w: ((y := np.tanh(x) * w), y[0], np.ravel(y)),
    "a gradient": lambda x, w: te.grad(np.sum(np.tanh(w) * x), [w]),
    "two gradients": lambda x, w: te.grad(np.sum((w + (v := te.Value(x))) * x), [w, v]),
    "a constant": lambda x, w: (np.ones(3), te.Value(np.ones(3)), x * 1.0),
    "a number": lambda x, w: (np.sum(x), np.sum(w)),
    "broadcast": lambda x, w: np.broadcast_to(w[0], (3, 4)),
    "the largest": lambda x, w: (np.max(w, axis=0), np.argmax(w * x, axis=1)),
}


def changed(array: Any) -> Any:
    return array * 1.5 - 2.0


@pytest.mark.parametrize("optimised", [False, True], ids=["alone", "with an optimiser"])
@pytest.mark.parametrize("name", RESULTS)
def test_results_are_not_overwritten(name: str, optimised: bool) -> None:
    of = RESULTS[name]
    pair = []
    for compiled in (False, True):
        w = te.Value(W)
        optimizer = te.optim.SGD([w], lr=0.1, momentum=0.9) if optimised else None

        def f(x: Any, w: Any = w, optimised: bool = optimised) -> Any:
            found = of(x, w)
            return (np.sum(np.tanh(w) * x), found) if optimised else (0.0, found)

        step = te.compile(f, optimizer) if compiled else None
        held: list[Any] = []
        then: list[Any] = []
        for n in range(6):
            x = W / 7 + n
            if step is not None:
                found = step(x)
            else:
                loss, found = f(x)
                found = plain(found)
                if optimizer is not None:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    loss = loss.detach()
                found = (loss, found)
            held.append(found)
            then.append(copied(tree(found)))
            if not optimised:
                w.data = changed(w.data)
            for kept, was in zip(held, then, strict=True):
                assert bits(tree(kept)) == bits(was)
        pair.append([bits(each) for each in then])
    assert pair[0] == pair[1]


def tree(found: Any) -> Any:
    """Numbers alone."""
    return tuple(map(tree, found)) if isinstance(found, tuple) else numbers(found)


def test_writing_into_a_result_changes_no_other() -> None:
    w = te.Value(W)
    step = te.compile(lambda x: (x * 2.0, x * 2.0, np.zeros(3), te.grad(np.sum(w * x), [w])))
    for n in range(5):
        x = W + n
        one, other, constant, (slope,) = step(x)
        for each, expected in (one, 2 * x), (other, 2 * x), (constant, np.zeros(3)), (slope, x):
            assert bits(each) == bits(expected) or isinstance(each, te.Value)
        for each in (constant, slope):
            each[...] = -1.0
        assert bits(x) == bits(W + n)


def test_gradients_of_two_leaves_are_arrays_of_their_own() -> None:
    a, b = te.Value(np.ones(3)), te.Value(np.zeros(3))
    step = te.compile(lambda x: np.sum((a + b) * x))
    for n in range(4):
        a.grad = b.grad = None
        x = np.arange(3.0) + n
        step(x)
        assert a.grad is not b.grad
        assert not np.shares_memory(a.grad, b.grad)
        assert not np.shares_memory(a.grad, x)
        a.grad *= 0
        assert bits(b.grad) == bits(x)


def test_what_one_reads_of_a_parameter_stays() -> None:
    w, rest = te.Value(W), te.Value(np.zeros(4), requires_grad=False)
    step = te.compile(lambda x: np.sum((w + rest) * x), te.optim.SGD([w], lr=1.0))
    seen = []
    for n in range(5):
        seen.append((w.data, w.detach().data, np.asarray(w.detach()), rest.data, np.asarray(rest)))
        step(np.ones((3, 4)))
        for m, (data, *others, first, second) in enumerate(seen):
            assert bits(data) == bits(W - m)
            assert all(bits(each) == bits(data) for each in others)
            assert bits(first) == bits(second) == bits(np.zeros(4))
        with pytest.raises(ValueError, match="read-only"):
            w.data[0, 0] = 1.0
        assert n < 5


def test_a_graph_from_before_a_step_is_stale() -> None:
    w = te.Value(W)
    step = te.compile(lambda x: np.sum(w * x), te.optim.SGD([w], lr=1.0))
    for _ in range(3):
        step(W)
    loss = np.sum(w * w)
    step(W)
    with pytest.raises(StaleGraphError):
        loss.backward()


def test_two_steps_share_their_parameters() -> None:
    pair = []
    for compiled in (False, True):
        model = te.nn.MLP([3, 4, 1], activation="tanh")
        optimizer = te.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)

        def loss(x: Any, model: Any = model) -> Any:
            return np.mean(model(x) ** 2)

        def predict(x: Any, model: Any = model) -> Any:
            return model(x).detach()

        learn = te.compile(loss, optimizer) if compiled else None
        look: Any = te.compile(predict) if compiled else predict
        seen = []
        for n in range(6):
            x = np.cos(np.arange(6.0) + n).reshape(2, 3)
            if learn is not None:
                seen.append(bits(learn(x)))
            else:
                optimizer.zero_grad()
                out = loss(x)
                out.backward()
                optimizer.step()
                seen.append(bits(plain(out)))
            seen.append(bits(look(x)))
        pair.append(seen)
    assert pair[0] == pair[1]


def test_arguments_that_share_memory() -> None:
    memory = np.arange(20.0)

    def f(a: Any, b: Any, c: Any) -> Any:
        v = te.Value(a)
        out = np.sum(np.tanh(v) * b + c * v)
        return out, te.grad(out, [v])

    def shared(call: int) -> tuple[Any, ...]:
        return memory[call : call + 6], memory[call : call + 6][::-1], memory[2:8]

    same_at_every_call(f, shared)
    same_at_every_call(f, lambda call: (memory[call : call + 6],) * 3)
    square = np.arange(16.0).reshape(4, 4)
    same_at_every_call(f, lambda call: (square, square.T, square[call % 4]))


def test_results_are_arguments_of_the_next_call() -> None:
    def f(x: Any) -> Any:
        y = np.tanh(x) + x.T
        return y, y.T

    step = te.compile(f)
    one = other = (W[:3, :3], W[:3, :3])
    with warnings.catch_warnings():  # the layout of the first result is another
        warnings.simplefilter("ignore", RecordingWarning)
        for n in range(8):
            one, other = step(one[n % 2]), f(other[n % 2])
            assert bits(one) == bits(other)


def rolled(view: Any) -> Callable[[int], tuple[Any, ...]]:
    return lambda call: (view + call,)


def test_layouts() -> None:
    def f(x: Any) -> Any:
        v = te.Value(x)
        out = np.sum(v * v, axis=0) @ np.exp(-np.abs(v))[:, 0]
        return out, te.grad(out, [v])

    wide = np.cos(np.arange(64.0)).reshape(8, 8)
    for view in (wide.T, np.asfortranarray(wide), wide[::-1], wide[:, ::-1], wide[::1]):
        same_at_every_call(f, rolled(view))
        order = [(each,) for each in (view, wide, view, wide.T.copy().T, view)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecordingWarning)
            same_at_every_call(f, order.__getitem__)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (1, 1)])
def test_arrays_of_size_zero(shape: Any) -> None:
    def f(x: Any) -> Any:
        v = te.Value(x)
        out = np.sum(np.tanh(v) * 2 + v)
        return out, plain(np.exp(v)), te.grad(out, [v]), plain(np.concatenate([v, v]))

    same_at_every_call(f, lambda call: (np.full(shape, 0.1 * call),))


def test_nodes_that_are_used_again() -> None:
    def f(x: Any) -> Any:
        v = te.Value(x)
        a: Any = np.tanh(v)
        b, c = a * a, np.exp(a)
        d: Any = b + c + a + b
        out = np.sum(d * d / (1 + b))
        return out, te.grad(out, [v, a, b])

    same_at_every_call(f, lambda call: (np.linspace(-1, 1 + call, 7),))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_held_results_of_mixed_calls(data: st.DataObject) -> None:
    """Two kinds of arguments in any order, results dropped and kept in any order."""
    w = te.Value(np.arange(4.0))

    def f(x: Any) -> Any:
        y: Any = np.tanh(x) * w
        return y, np.sum(y), np.exp(y) + y

    step = te.compile(lambda x: plain(f(x)))
    step.programs = {}
    step.say = lambda message: None  # type: ignore[method-assign]
    held: list[tuple[Any, Any]] = []
    for n in range(12):
        x = np.full((2, 4) if data.draw(st.booleans()) else (4,), 0.1 * n)
        held.append((step(x), bits(plain(f(x)))))
        if data.draw(st.booleans()):
            held.pop(data.draw(st.integers(0, len(held) - 1)))
            gc.collect(0)
        for found, was in held:
            assert bits(found) == was
