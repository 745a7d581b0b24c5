"""What a traced forward pass says a model is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.flow.structure import Layer, layers_of

X = np.random.default_rng(0).normal(size=(6, 4))
A = te.activations


def linear(inputs: int, outputs: int) -> Any:
    return te.nn.Linear(inputs, outputs)


def sequence(*parts: Any) -> Any:
    return te.nn.Sequential(*parts)


def about(layer: Layer) -> tuple[Any, ...]:
    name = layer.activation.name if layer.activation else None
    return layer.name, layer.fan_in, layer.fan_out, name, layer.normalised, layer.residual


def test_an_mlp() -> None:
    model = te.nn.MLP([4, 7, 5, 1], "tanh", "sigmoid")
    layers = layers_of(model, X)
    assert [about(layer) for layer in layers] == [
        ("layers.0", 4, 7, "tanh", False, False),
        ("layers.1", 7, 5, "tanh", False, False),
        ("layers.2", 5, 1, "sigmoid", False, False),
    ]
    assert layers[0].activation is A.tanh
    assert [layer.module for layer in layers] == model.layers
    assert all(layer.steps == 1 for layer in layers)
    assert layers[1].weights == (model.layers[1].weight,)
    assert layers[1].bias is model.layers[1].bias


def test_norms_branches_and_what_lies_between() -> None:
    inner = sequence(linear(8, 8), "relu", linear(8, 8))
    model = sequence(
        linear(4, 8),
        te.nn.BatchNorm(8),
        "relu",
        te.nn.Dropout(0.5),
        te.nn.Residual(inner),
        linear(8, 8),
        te.nn.Dropout(0.5),
        "tanh",
        lambda h: h.reshape(-1, 2, 4),
        linear(4, 3),
        te.nn.LayerNorm(3),
        "softmax",
    )
    assert [about(layer)[3:] for layer in layers_of(model, X)] == [
        ("relu", True, False),
        ("relu", False, True),
        (None, False, True),
        ("tanh", False, False),
        ("softmax", True, False),
    ]


@pytest.mark.parametrize(
    ("function", "plain"),
    [
        (lambda z: A.leaky_relu(z, 0.2), lambda z: np.where(z > 0, z, 0.2 * z)),
        (lambda z: A.swish(z, beta=3.0), lambda z: z / (1 + np.exp(-3 * z))),
        (lambda z: np.maximum(0.5, z), lambda z: np.maximum(0.5, z)),
        (lambda z: 1 - z, lambda z: 1 - z),
        (lambda z: z * A.sigmoid(2 * z), lambda z: z / (1 + np.exp(-2 * z))),
        (lambda z: np.where(z > 1, z, np.sin(z)), lambda z: np.where(z > 1, z, np.sin(z))),
        (
            lambda z: np.tanh(z.reshape(-1, 2)).reshape(-1, 6) + 0.1 * z,
            lambda z: np.tanh(z) + z / 10,
        ),
        (lambda z: A.prelu(z, te.Value(0.4)), lambda z: np.where(z > 0, z, 0.4 * z)),
    ],
)
def test_functions_that_no_record_has_by_itself(function: Any, plain: Any) -> None:
    model = sequence(linear(4, 6), function, linear(6, 1))
    op = layers_of(model, X)[0].activation
    assert op is not None
    z = np.linspace(-3, 3, 61) + 0.013
    np.testing.assert_allclose(op(z), plain(z), rtol=1e-13)
    rule = op.array_rules[0]
    slopes = np.broadcast_to(rule(op(z), z) if callable(rule) else rule, z.shape)
    step = 1e-6
    np.testing.assert_allclose(
        slopes, (plain(z + step) - plain(z - step)) / (2 * step), rtol=1e-6, atol=1e-8
    )
    with te.no_grad():
        np.testing.assert_array_equal(rule(op(z), z) if callable(rule) else slopes, slopes)
    assert op.name not in te.OPERATIONS or te.OPERATIONS[op.name] is not op


def test_a_record_alone_is_itself() -> None:
    model = sequence(linear(4, 6), A.leaky_relu, linear(6, 6), np.tanh, linear(6, 1))
    assert [layer.activation for layer in layers_of(model, X)] == [A.leaky_relu, A.tanh, None]


def test_a_recurrence_is_one_layer_of_many_steps() -> None:
    model = sequence(te.nn.RNN(3, 5, "tanh"), lambda both: both[1], linear(5, 2))
    rnn, out = layers_of(model, np.ones((2, 20, 3)))
    assert (about(rnn), rnn.steps) == (("layers.0", 8, 5, "tanh", False, False), 20)
    assert rnn.weights == (model[0].weight, model[0].recurrent_weight)
    assert rnn.bias is model[0].bias
    assert (about(out), out.steps) == (("layers.2", 5, 2, None, False, False), 1)


def test_a_layer_used_twice() -> None:
    shared = linear(4, 4)
    layers = layers_of(sequence(shared, "tanh", shared, "relu"), X)
    assert [layer.steps for layer in layers] == [2]


class Own(te.nn.Module):
    """Weights in a list, a bias added afterwards, a branch of the user's own."""

    def __init__(self) -> None:
        self.matrices = [te.Value(np.ones((4, 4)) * scale) for scale in (0.1, 0.2)]
        self.shift = te.Value(np.ones(4))

    def forward(self, x: Any) -> Any:
        h = np.tanh(x @ self.matrices[0] + self.shift)
        return h + np.exp(h @ self.matrices[1])


def test_a_module_written_by_hand() -> None:
    model = Own()
    layers = layers_of(model, X)
    assert [about(layer) for layer in layers] == [
        ("matrices.0", 4, 4, "tanh", False, False),
        ("matrices.1", 4, 4, "exp", False, True),
    ]
    assert [layer.bias for layer in layers] == [model.shift, None]


def test_a_linear_layer_alone_and_a_model_without() -> None:
    assert [layer.name for layer in layers_of(linear(4, 2), X)] == ["linear"]
    with pytest.raises(ShapeError, match="no weights"):
        layers_of(sequence("relu"), X)


def test_nobody_else_hears_of_the_pass() -> None:
    heard: list[Any] = []
    model = te.nn.MLP([4, 3, 1])
    with te.observe(lambda node, gradient: heard.append(node)):
        layers_of(model, X)
        te.flow.theory(model)
    assert not heard
    with te.no_grad():
        assert len(layers_of(model, X)) == 2
