"""Derivatives of functions, compiled; and functions that take derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.compile.judging import bits, same_at_every_call, same_training


def f(x: Any) -> Any:
    return np.sum(np.tanh(x) * x**3 + np.exp(-x * x))


def vector(x: Any) -> Any:
    return np.sin(x) * np.sum(x) + te.logsumexp(x)


TAKEN: dict[str, Callable[..., Any]] = {
    "grad": te.grad(f),
    "grad of grad": te.grad(lambda x: np.sum(te.grad(f)(x) ** 2)),
    "value_and_grad": te.value_and_grad(f),
    "by two": te.value_and_grad(lambda x, v: f(x) * np.sum(v * x), (0, 1)),
    "hvp": te.hvp(f),
    "hessian": te.hessian(f),
    "jacobian": te.jacobian(vector),
    "vjp": lambda x, v: te.vjp(vector, x)[1](v),
    "jvp": lambda x, v: te.jvp(vector, (x,), (v,)),
    "third": te.grad(lambda x: np.sum(te.hessian(f)(x) ** 2)),
    "dict": te.value_and_grad(lambda tree: f(tree["a"]) * np.sum(tree["b"][0])),
}


def given(name: str, call: int) -> tuple[Any, ...]:
    x = np.linspace(-1, 1 + call, 4)
    if name in ("by two", "hvp", "vjp", "jvp"):
        return x, np.cos(x)
    return ({"a": x, "b": [np.cos(x), 2]},) if name == "dict" else (x,)


@pytest.mark.parametrize("name", TAKEN)
def test_of_arrays(name: str) -> None:
    step = same_at_every_call(TAKEN[name], lambda call: given(name, call))
    assert step.source


@pytest.mark.parametrize("name", ["grad", "value_and_grad", "hessian"])
def test_of_float32(name: str) -> None:
    same_at_every_call(TAKEN[name], lambda call: (given(name, call)[0].astype(np.float32),))


@pytest.mark.parametrize("name", ["grad", "hvp", "hessian"])
def test_of_values(name: str) -> None:
    def values(call: int) -> tuple[Any, ...]:
        return tuple(te.Value(a, requires_grad=False) for a in given(name, call))

    same_at_every_call(TAKEN[name], values)


def test_of_a_model() -> None:
    model = te.nn.MLP([3, 4, 1], activation="tanh")
    by_model = te.value_and_grad(lambda m, x: np.mean(m(x) ** 2))
    x = np.cos(np.arange(6.0)).reshape(2, 3)
    step = te.compile(lambda x: by_model(model, x))
    direct = te.compile(by_model)
    for n in range(5):
        assert bits(step(x + n)) == bits(by_model(model, x + n))
        assert bits(direct(model, x + n)) == bits(by_model(model, x + n))


def test_a_loss_with_a_gradient_in_it() -> None:
    def make() -> Any:
        model = te.nn.MLP([3, 4, 1], activation="tanh")

        def loss(model: Any, x: Any) -> Any:
            v = te.Value(x)
            out = model(v)
            (slope,) = te.grad(np.sum(out), [v], create_graph=True)
            return np.mean(out**2) + 0.1 * np.mean((np.sqrt(np.sum(slope**2, axis=1)) - 1) ** 2)

        return model, loss, te.optim.Adam(model.parameters(), lr=0.05)

    rng = np.random.default_rng(0)
    same_training(make, [(rng.standard_normal((5, 3)),) for _ in range(20)])
