"""What a change of a model changes, and that it changes nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.flow import surgery

RELU, TANH = te.activations.relu, te.activations.tanh
X = np.random.default_rng(0).normal(size=(7, 4))


def mlp(activation: str = "sigmoid", output: str | None = None, **options: Any) -> Any:
    return te.nn.MLP([4, 6, 6, 6, 2], activation, output, seed=3, **options)


def weights(model: te.nn.Module) -> list[Any]:
    return [leaf.data for leaf in model.parameters()]


def same_weights(one: te.nn.Module, other: te.nn.Module) -> None:
    for mine, theirs in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("output", [None, "sigmoid"])
def test_a_model_taken_apart_is_the_same_function(output: str | None) -> None:
    model = te.nn.Sequential(mlp("tanh", output), te.nn.Linear(2, 3))
    before = model(X).data
    apart = surgery.taken_apart(model)
    np.testing.assert_array_equal(apart(X).data, before)
    assert not any(isinstance(part, te.nn.MLP) for _, part in apart.named_modules())


@pytest.mark.parametrize("output", [None, "sigmoid"])
def test_another_activation_is_that_of_a_model_made_with_it(output: str | None) -> None:
    changed = surgery.activation("relu")(mlp("sigmoid", output, init="xavier_normal"), 0)
    made = mlp("relu", output, init="xavier_normal")
    assert changed is not None
    same_weights(changed, made)
    np.testing.assert_array_equal(changed(X).data, made(X).data)


def test_activations_are_found_in_models_of_ones_own() -> None:
    class Own(te.nn.Module):
        def __init__(self) -> None:
            self.first = te.nn.Linear(4, 5)
            self.bend: Any = np.tanh
            self.rest: list[Any] = [te.nn.Linear(5, 5), te.activations.sigmoid, te.nn.Linear(5, 1)]
            self.output = te.activations.sigmoid

        def forward(self, x: Any) -> Any:
            x = self.bend(self.first(x))
            for part in self.rest:
                x = part(x)
            return self.output(x)

    model = Own()
    assert surgery.activation("relu")(model, 0) is model
    assert model.bend is RELU
    assert model.rest[1] is RELU
    assert model.output is te.activations.sigmoid


def test_the_state_of_a_recurrence_gets_the_activation_too() -> None:
    rnn = te.nn.RNN(2, 3)
    surgery.activation("relu")(te.nn.Sequential(rnn, te.nn.Linear(3, 1)), 0)
    assert rnn.activation is RELU


@pytest.mark.parametrize("init", ["he_normal", "xavier_normal"])
def test_weights_drawn_anew_are_those_of_a_model_made_with_them(init: str) -> None:
    model = mlp("tanh", init="normal")
    for layer in model.layers:
        layer.bias.data = np.full(layer.bias.shape, -9.0)
    changed = surgery.initialised(init)(model, 3)
    assert changed is model
    same_weights(changed, mlp("tanh", init=init))


@pytest.mark.parametrize("kind", [te.nn.BatchNorm, te.nn.LayerNorm])
def test_a_normalisation_stands_between_each_hidden_layer_and_its_activation(kind: Any) -> None:
    changed = surgery.normalised(kind)(mlp("tanh"), 0)
    assert changed is not None
    parts: list[Any] = []
    for layer in mlp("tanh").layers[:-1]:
        parts += [layer, kind(6), "tanh"]
    made = te.nn.Sequential(*parts, mlp("tanh").layers[-1])
    np.testing.assert_array_equal(changed(X).data, made(X).data)
    assert surgery.normalised(kind)(changed, 0) is None


def test_layers_that_are_normalised_already_are_left() -> None:
    model = te.nn.Sequential(
        *(te.nn.Linear(4, 6), te.nn.BatchNorm(6), "relu", te.nn.Linear(6, 6), "relu"),
        te.nn.Linear(6, 1),
    )
    changed = surgery.normalised(te.nn.LayerNorm)(model, 0)
    assert changed is not None
    kinds = [type(part).__name__ for _, part in changed.named_modules()]
    assert (kinds.count("BatchNorm"), kinds.count("LayerNorm")) == (1, 1)


def test_shortcuts_add_what_goes_into_a_layer_of_the_same_width() -> None:
    model = mlp("tanh")
    first, second, third, last = ((layer.weight.data, layer.bias.data) for layer in model.layers)
    changed = surgery.shortcuts(model, 0)
    h = np.tanh(X @ first[0] + first[1])
    for weight, bias in (second, third):
        h = h + np.tanh(h @ weight + bias)
    assert changed is not None
    np.testing.assert_allclose(changed(X).data, h @ last[0] + last[1], rtol=1e-12)
    assert surgery.shortcuts(changed, 0) is None


@pytest.mark.parametrize(
    "change",
    [
        surgery.activation("relu"),
        surgery.normalised(te.nn.BatchNorm),
        surgery.shortcuts,
        surgery.both(surgery.activation("relu"), surgery.shortcuts),
    ],
)
def test_nothing_to_change_is_none(change: surgery.Change) -> None:
    assert change(te.nn.Sequential(te.nn.Linear(3, 1), "sigmoid"), 0) is None


def test_both_changes_happen_or_the_one_that_can() -> None:
    relu_he = surgery.both(surgery.activation("relu"), surgery.initialised("he_normal"))
    for activation in ("sigmoid", "relu"):
        changed = relu_he(mlp(activation, init="normal"), 3)
        made = mlp("relu", init="he_normal")
        assert changed is not None
        same_weights(changed, made)
        np.testing.assert_array_equal(changed(X).data, made(X).data)


def test_an_activation_is_known_as_numpys_function_too() -> None:
    assert surgery.activation_of(np.tanh) is TANH
    assert surgery.activation_of(np.sum) is None
    assert surgery.activation_of(te.activations.softmax) is None
