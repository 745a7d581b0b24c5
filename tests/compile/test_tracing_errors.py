"""What a program cannot know is refused, with the line and what to write instead."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.compile.judging import bits, same_at_every_call
from tinygrad_edu.engine.operation import OPERATIONS
from tinygrad_edu.errors import RecordingWarning, TracingError

X = np.array([0.5, -1.0, 2.0])


def if_(v: Any) -> Any:
    if np.sum(v) > 0:
        return v
    return -v


def while_(v: Any) -> Any:
    while np.sum(v) < 10:
        v = v + 1
    return v


def assert_(v: Any) -> Any:
    assert np.all(np.isfinite(v))
    return v


def append(v: Any) -> Any:
    array = np.zeros(3)
    array[0] = v.detach()[0]
    return v + array


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "if": (if_, "np.where"),
    "while": (while_, "np.where"),
    "assert": (assert_, "np.where"),
    "and": (lambda v: v * (np.sum(v) > 0 and 2.0), "np.where"),
    "bool": (lambda v: v * bool(v[0]), "np.where"),
    "max": (lambda v: max(v[0], v[1]), "np.where"),
    "float": (lambda v: v * float(v[0].detach()), "return it"),
    "int": (lambda v: v * int(v[0].detach()), "return it"),
    "round": (lambda v: v * round(v[0].item()), "return it"),
    "math": (lambda v: v * math.exp(v[0].detach()), "np.exp"),
    "item": (lambda v: v * math.exp(v[0].item()), "np.exp"),
    "format": (lambda v: (v, f"{v[0]:.3f}"), "return it"),
    "format of an item": (lambda v: (v, f"{v[0].item():.3f}"), "return it"),
    "percent": (lambda v: (v, "%.3f" % v[0].detach()), "return it"),  # noqa: UP031
    "data": (lambda v: v * np.max(v.data), "v.detach()"),
    "asarray": (lambda v: v * np.asarray(v.detach()), "v.detach()"),
    "array": (lambda v: v * np.array([v[0].detach(), 1.0, 2.0]), "v.detach()"),
    "into an array": (append, "v.detach()"),
    "tolist": (lambda v: v * v.tolist()[0], ""),
    "range": (lambda v: v * len(range(np.argmax(v).item())), "return it"),
    "index of a list": (lambda v: v * [1.0, 2.0, 3.0][np.argmax(v)], "return it"),
    "gradient": (lambda v: te.grad(np.sum(v * v), [v])[0] if loud(v) else v, "np.where"),
}


def loud(v: Any) -> Any:
    return np.linalg.norm(te.grad(np.sum(v * v), [v])[0]) > 1


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    f, advice = REFUSED[name]
    leaf = te.Value(X)
    step = te.compile(lambda x: np.sum(as_value(f(leaf * x))))
    step(X)  # the first call runs as ever
    for _ in range(2):
        with pytest.raises(TracingError, match=r"test_tracing_errors\.py:\d+: .+") as caught:
            step(X)
        assert advice in str(caught.value)
        assert isinstance(leaf._data, np.ndarray)


def as_value(found: Any) -> Any:
    return found[0] if isinstance(found, tuple) else found


def test_a_numbers_argument() -> None:
    step = te.compile(lambda x, n: np.sum(x) * (2.0 if n > 0 else 1.0))
    step(X, 1.0)
    with pytest.raises(TracingError, match=r"np\.where"):
        step(X, 1.0)
    step = te.compile(lambda x, n: np.sum(x) * np.where(np.less(0.0, n), 2.0, 1.0))
    assert [step(X, n) for n in (1.0, -1.0, 1.0, -1.0)] == [3.0, 1.5, 3.0, 1.5]


ALLOWED: dict[str, Callable[[Any], Any]] = {
    "where": lambda v: np.where(np.sum(v) > 0, v, -v),
    "item": lambda v: v * v[0].item() + 2.0 ** v[1].item(),
    "detach": lambda v: v * v.detach(),
    "printed": lambda v: v if repr(v) else -v,
    "shape": lambda v: v * v.shape[0] * len(v) * v.size if v.ndim else v,
    "loop": lambda v: sum((each * 2 for each in v), 0.0) * v,
    "maximum": lambda v: np.maximum(v, 0.25) + np.clip(v, None, 1.0),
    "number and ufunc": lambda v: np.maximum(v, v[0].item()) * np.exp(v[1].item()),
    "index that is computed": lambda v: v[np.argmax(v)] + v[np.argsort(v)],
    "mask": lambda v: v * (v > 0),
    "set": lambda v: te.set_at(v, 0, v[1] * 2),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_allowed(name: str) -> None:
    def f(x: Any) -> Any:
        v = te.Value(x)
        out = np.sum(ALLOWED[name](v))
        return out, te.grad(out, [v])

    same_at_every_call(f, lambda call: (np.roll(X, call) * (1 - 2 * (call % 2)),))


def test_entries_that_are_picked_are_recorded_for_each_count() -> None:
    def f(x: Any) -> Any:
        v = te.Value(x)
        out = np.sum(v[v > 0] ** 2)
        return out, te.grad(out, [v])

    counts = [X, X, -X, X, -X, np.abs(X), -np.abs(X), X]
    same_at_every_call(f, lambda call: (counts[call],), len(counts))


def test_more_ways_than_are_kept_run_uncompiled() -> None:
    def f(x: Any) -> Any:
        return np.sum(te.Value(x)[x > 0.5]).detach()

    step = te.compile(f)

    def call() -> None:
        for n in range(30):
            x = (np.arange(12.0) < n % 12) * 1.0
            assert bits(step(x)) == bits(f(x))

    with pytest.warns(RecordingWarning, match="uncompiled"):
        call()


@pytest.fixture
def declared() -> Any:
    """Records that a test declares are gone afterwards."""
    before = set(OPERATIONS)
    yield
    for name in set(OPERATIONS) - before:
        del OPERATIONS[name]


@pytest.mark.usefixtures("declared")
def test_an_operation_of_ones_own_may_branch() -> None:
    def forward(x: Any) -> Any:
        return np.sin(x) if np.max(x) > 1 else np.cos(x) * float(np.sum(x) > 0)

    def slope(out: Any, x: Any) -> Any:
        return np.cos(x) if np.asarray(x).max() > 1 else -np.sin(x) * (np.sum(x) > 0)

    mine = te.define_elementwise("mine", forward, slope, formula="m({0})")

    def f(x: Any) -> Any:
        v = te.Value(x)
        out = np.sum(mine(v) * v)
        return out, te.grad(out, [v])

    order = [X, X, X / 4, X, -X / 4, X]
    step = same_at_every_call(f, lambda call: (order[call],), len(order))
    assert sum(map(len, step.programs.values())) == 1


@pytest.mark.usefixtures("declared")
def test_an_operation_that_writes_into_its_own_array() -> None:
    def forward(x: Any) -> Any:
        out = np.zeros(x.shape)
        out[1:] = x[:-1]
        top = out[:1]
        top += x[-1]
        return out

    def pullback(g: Any, out: Any, x: Any) -> Any:
        found = np.empty_like(g)
        found[:-1], found[-1] = g[1:], g[0]
        return found

    mine = te.define_structural("mine", forward, pullback, formula="m({0})", cases=[(((3,),), {})])

    def f(x: Any) -> Any:
        v = te.Value(x)
        out = np.sum(mine(v) * v)
        return out, te.grad(out, [v])

    same_at_every_call(f, lambda call: (X * (call + 1),))
