"""Layers compute what they say, with right gradients, and refuse what makes no sense."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.finite_differences import contracted, jacobian
from tinygrad_edu.errors import ShapeError, UnknownNameError

ACTIVATIONS = sorted(name for name, op in te.ACTIVATIONS.items() if op.keeps_width)
# Glorot and Bengio 2010, He et al. 2015, LeCun et al. 1998.
SPREADS = {
    "xavier_normal": lambda inputs, outputs: np.sqrt(2 / (inputs + outputs)),
    "he_normal": lambda inputs, outputs: np.sqrt(2 / inputs),
    "lecun_normal": lambda inputs, outputs: np.sqrt(1 / inputs),
}


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("shape", [(4, 2), (2,), (3, 4, 2), (0, 2), (1, 2)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_is_an_affine_map_with_its_gradients(shape: tuple[int, ...], bias: bool) -> None:
    layer = te.nn.Linear(2, 3, bias=bias, seed=1)
    if layer.bias is not None:
        layer.bias.data = numbers(3, seed=2)
    x, weight = numbers(*shape), layer.weight.data
    shift = np.zeros(3) if layer.bias is None else layer.bias.data
    np.testing.assert_allclose(layer(x).data, np.einsum("...i,io->...o", x, weight) + shift)
    tracked, factors = te.Value(x), numbers(*shape[:-1], 3, seed=3)
    np.sum(layer(tracked) * factors).backward()
    leaves = [tracked, layer.weight, *([] if layer.bias is None else [layer.bias])]
    arrays = (x, weight, *([] if layer.bias is None else [shift]))
    for position, leaf in enumerate(leaves):
        estimate = jacobian(lambda x, w, b=0.0: x @ w + b, arrays, position, 0.1)
        wanted = contracted(factors, estimate.value)
        np.testing.assert_allclose(leaf.grad, wanted, rtol=1e-9, atol=1e-12)


def test_linear_starts_with_a_bias_of_zero_and_the_dtype_that_was_asked_for() -> None:
    for dtype in (np.float32, np.float64):
        layer = te.nn.Linear(3, 4, dtype=dtype)
        assert layer.bias is not None
        np.testing.assert_array_equal(layer.bias.data, np.zeros(4))
        assert layer.weight.shape == (3, 4)
        assert layer.weight.dtype == layer.bias.dtype == dtype
        assert layer(numbers(2, 3).astype(dtype)).dtype == dtype


@pytest.mark.parametrize("count", [0, -1, 2.5, "3", None])
def test_linear_refuses_widths_that_are_none(count: Any) -> None:
    with pytest.raises(ShapeError, match=f"positive whole number of inputs, not {count!r}"):
        te.nn.Linear(count, 3)
    with pytest.raises(ShapeError, match=f"positive whole number of outputs, not {count!r}"):
        te.nn.Linear(3, count)


def test_inputs_of_another_width_are_refused_with_both_shapes() -> None:
    with pytest.raises(ShapeError, match=r"\(4, 3\).*'weight' of shape \(2, 3\)"):
        te.nn.Linear(2, 3)(np.ones((4, 3)))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("output", [None, "sigmoid", "softmax"])
def test_mlp_puts_the_activation_between_its_layers(activation: str, output: str | None) -> None:
    model = te.nn.MLP([2, 3, 4, 2], activation, output, seed=4)
    x = numbers(5, 2)
    h: Any = x
    for layer in model.layers[:-1]:
        h = te.ACTIVATIONS[activation](h @ layer.weight.data)
    h = h @ model.layers[-1].weight.data
    wanted = h if output is None else te.ACTIVATIONS[output](h)
    np.testing.assert_allclose(model(x).data, wanted, rtol=1e-12)


def test_mlp_takes_functions_as_activations() -> None:
    model = te.nn.MLP([2, 3, 1], np.tanh, lambda z: z * 2, seed=4)
    twin = te.nn.MLP([2, 3, 1], "tanh", None, init="xavier_normal", seed=4)
    x = numbers(5, 2)
    np.testing.assert_allclose(model(x).data, 2 * twin(x).data, rtol=1e-15)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_draws_its_weights_as_the_card_advises(activation: str) -> None:
    advice = te.ACTIVATIONS[activation].initialiser
    if advice not in SPREADS:
        assert advice == "he_uniform"  # sine's; its distribution is not a scaled normal one
        return
    generator = np.random.default_rng(9)
    model = te.nn.MLP([2, 3, 4], activation, seed=9)
    for layer, (inputs, outputs) in zip(model.layers, [(2, 3), (3, 4)], strict=True):
        scale = SPREADS[advice](inputs, outputs)
        drawn = generator.standard_normal((inputs, outputs))  # one generator for all layers
        np.testing.assert_allclose(layer.weight.data, scale * drawn, rtol=1e-14)


@pytest.mark.parametrize(
    ("activation", "advice"),
    [("relu", "he_normal"), ("tanh", "xavier_normal"), ("selu", "lecun_normal")],
)
def test_the_advice_is_the_literatures(activation: str, advice: str) -> None:
    assert te.ACTIVATIONS[activation].initialiser == advice


@pytest.mark.parametrize("activation", ["glu", "swiglu"])
def test_mlp_refuses_an_activation_that_halves_its_layer(activation: str) -> None:
    with pytest.raises(ShapeError, match=f"'{activation}' gives half as many outputs"):
        te.nn.MLP([2, 4, 1], activation)


def test_mlp_shares_a_generator_that_it_is_given() -> None:
    generator = np.random.default_rng(9)
    first, second = (te.nn.MLP([2, 3], seed=generator).layers[0].weight.data for _ in range(2))
    np.testing.assert_array_equal(first, te.nn.MLP([2, 3], seed=9).layers[0].weight.data)
    assert not np.any(first == second)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "ReLU"}, "no activation 'ReLU'; write 'relu'"),
        ({"activation": "LeakyReLU"}, "write 'leaky_relu'"),
        ({"activation": "SiLU"}, "write 'silu'"),
        ({"output": "Softmax"}, "no activation 'Softmax'; write 'softmax'"),
        ({"activation": "LogSigmoid"}, "no activation 'LogSigmoid'; write 'log_sigmoid'"),
        ({"init": "kaiming_normal"}, "no initialiser 'kaiming_normal'; write 'he_normal'"),
    ],
)
def test_mlp_names_what_to_write_instead(options: dict[str, str], message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        te.nn.MLP([2, 3, 1], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("widths", [[], [2]])
def test_mlp_needs_inputs_and_outputs(widths: list[int]) -> None:
    with pytest.raises(ShapeError, match="at least two widths"):
        te.nn.MLP(widths)


@pytest.mark.parametrize("widths", [[2, 0, 1], [0, 2], [2, 2.5]])
def test_mlp_refuses_widths_that_are_none(widths: list[Any]) -> None:
    with pytest.raises(ShapeError, match="positive whole number"):
        te.nn.MLP(widths)


def test_sequential_applies_layers_and_functions_in_order() -> None:
    first, second = te.nn.Linear(2, 3, seed=1), te.nn.Linear(3, 1, seed=2)
    model = te.nn.Sequential(first, np.tanh, te.activations.relu, second, lambda z: z + 1)
    x = numbers(4, 2)
    wanted = np.maximum(np.tanh(x @ first.weight.data), 0) @ second.weight.data + 1
    np.testing.assert_allclose(model(x).data, wanted, rtol=1e-13)
    assert te.nn.Sequential()(x) is x


def test_layers_show_what_they_are() -> None:
    assert repr(te.nn.Linear(2, 3)) == "Linear(2, 3)"
    assert repr(te.nn.Linear(2, 3, bias=False)) == "Linear(2, 3, bias=False)"
    mlp = te.nn.MLP([2, 3, 1], "tanh", "sigmoid")
    assert repr(mlp) == "MLP([2, 3, 1], activation='tanh', output='sigmoid')"
    assert repr(te.nn.MLP([2, 1])).endswith("activation='relu', output=None)")
    assert repr(te.nn.Sequential(te.nn.Linear(2, 3), mlp)) == f"Sequential(Linear(2, 3), {mlp!r})"
