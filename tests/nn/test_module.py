"""Modules find their parameters, name them by where they are, and record under their scope."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.errors import ShapeError


class Model(te.nn.Module):
    """Parameters and parts of every kind."""

    def __init__(self) -> None:
        self.scale = te.Value(1.0)
        self.fixed = te.Value(2.0, requires_grad=False)
        self.title = "a model"
        self.first = te.nn.Linear(2, 3)
        self.pair = (te.nn.Linear(3, 3, bias=False), te.Value([1.0, 2.0]))
        self.table = {"left": te.nn.Linear(3, 1), "right": [te.nn.Linear(3, 1), te.Value(0.0)]}
        self.derived = self.scale * 2

    def forward(self, x: Any) -> Any:
        h = self.first(x) * self.scale
        return self.table["left"](h) + self.table["right"][0](self.pair[0](h))  # type: ignore[index, operator]


NAMES = [
    "scale",
    "pair.1",
    "table.right.1",
    "first.weight",
    "first.bias",
    "pair.0.weight",
    "table.left.weight",
    "table.left.bias",
    "table.right.0.weight",
    "table.right.0.bias",
]


def test_parameters_are_the_tracked_leaves_with_their_paths() -> None:
    model = Model()
    named = dict(model.named_parameters())
    assert list(named) == NAMES  # a module's own before those of its parts, in order
    assert named["pair.0.weight"] is model.pair[0].weight
    assert named["table.right.1"] is model.table["right"][1]  # type: ignore[index]
    assert model.parameters() == [*named.values()]


def test_modules_have_paths_too() -> None:
    names = [name for name, _ in Model().named_modules()]
    assert names == ["", "first", "pair.0", "table.left", "table.right.0"]


def test_a_part_that_is_replaced_takes_its_parameters_along() -> None:
    model = Model()
    model.pair = (te.nn.Linear(3, 3, bias=False), te.Value([3.0]))
    named = dict(model.named_parameters())
    assert list(named) == NAMES
    assert named["pair.1"] is model.pair[1]
    assert named["pair.1"].shape == (1,)


def test_shared_parameters_are_listed_once_and_collect_all_their_gradients() -> None:
    class Tied(te.nn.Module):
        def __init__(self) -> None:
            self.first, self.second = te.nn.Linear(2, 2), te.nn.Linear(2, 2)
            self.second.weight = self.first.weight

        def forward(self, x: Any) -> Any:
            return self.second(self.first(x))

    model = Tied()
    assert [name for name, _ in model.named_parameters()] == [
        "first.weight",
        "first.bias",
        "second.bias",
    ]
    x = np.array([[1.0, -2.0]])
    np.sum(model(x)).backward()
    w = model.first.weight.data
    # d/dW of Σ x W W is xᵀ (W 1)ᵀ + (x W)ᵀ 1ᵀ.
    wanted = x.T @ (w @ np.ones((2, 1))).T + (x @ w).T @ np.ones((1, 2))
    np.testing.assert_allclose(model.first.weight.grad, wanted, rtol=1e-14)


def test_zero_grad_forgets_all_gradients() -> None:
    model = Model()
    np.sum(model(np.ones((4, 2)))).backward()
    assert all(model.first.__dict__[name].grad is not None for name in ("weight", "bias"))
    model.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


def scopes(model: Any, x: Any) -> list[str]:
    heard: list[str] = []
    with te.observe(lambda node, gradient: heard.append(node.scope)):
        model(x)
    return heard


def test_nodes_are_recorded_under_the_path_of_their_layer() -> None:
    model, x = te.nn.MLP([2, 3, 1], "tanh", "sigmoid"), np.ones((4, 2))
    assert scopes(model, x) == ["mlp.layers.0", "mlp", "mlp.layers.1", "mlp"]
    nested = te.nn.Sequential(model, te.nn.Linear(1, 1))
    assert scopes(nested, x) == [
        "sequential.layers.0.layers.0",
        "sequential.layers.0",
        "sequential.layers.0.layers.1",
        "sequential.layers.0",
        "sequential.layers.1",
    ]
    assert scopes(Model(), x)[0] == "model.first"
    assert {"model", "model.table.left", "model.pair.0"} <= set(scopes(Model(), x))


def test_a_scope_ends_with_its_module_even_if_that_fails() -> None:
    model = te.nn.MLP([2, 3, 1])
    with pytest.raises(ShapeError):
        model(np.ones((4, 5)))
    assert (te.Value(1.0) * 2).scope == ""


def test_a_module_without_forward_says_so() -> None:
    class Empty(te.nn.Module):
        pass

    with pytest.raises(TypeError, match=r"Empty defines no forward\(self, x\)"):
        Empty()(1.0)
    assert Empty().parameters() == []
