"""Layers compute what they say, with right gradients, and refuse what makes no sense."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.finite_differences import contracted, jacobian
from tests.nn.judging import assert_gradients, shaken
from tinygrad_edu.errors import (
    GradientError,
    IndexingError,
    OperandError,
    ShapeError,
    UnknownNameError,
)
from tinygrad_edu.nn import Dropout, Residual
from tinygrad_edu.nn.layers import side_by_side

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


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (te.nn.Linear(2, 3), (4, 5), "Linear(2, 3) takes x of shape (..., 2), not (4, 5)"),
        (te.nn.Linear(2, 3), (), "Linear(2, 3) takes x of shape (..., 2), not ()"),
        (
            te.nn.Linear(2, 3, bias=False),
            (4, 5),
            "Linear(2, 3, bias=False) takes x of shape (..., 2), not (4, 5)",
        ),
        (
            te.nn.MLP([2, 3, 1]),
            (4, 5),
            "Linear(2, 3) takes x of shape (..., 2), not (4, 5), in mlp.layers.0",
        ),
        (
            te.nn.Sequential(te.nn.Linear(5, 3), "relu", te.nn.Linear(2, 3)),
            (4, 5),
            "Linear(2, 3) takes x of shape (..., 2), not (4, 3), in sequential.layers.2",
        ),
        (
            te.nn.Linear(64, 10),
            (7, 8, 8),
            "Linear(64, 10) takes x of shape (..., 64), not (7, 8, 8); write x.reshape(len(x), -1)",
        ),
        (
            te.nn.Linear(2, 3),
            (2, 50),
            "Linear(2, 3) takes x of shape (..., 2), not (2, 50); rows are the examples: write x.T",
        ),
        (
            te.nn.Linear(1, 3),
            (50,),
            "Linear(1, 3) takes x of shape (..., 1), not (50,); write x.reshape(-1, 1)",
        ),
    ],
)
def test_inputs_of_another_width_are_refused_by_the_layer(
    model: te.nn.Module, shape: tuple[int, ...], message: str
) -> None:
    for x in (np.ones(shape), te.Value(np.ones(shape))):
        with pytest.raises(ShapeError) as caught:
            model(x)
        assert str(caught.value) == message


@pytest.mark.parametrize(("width", "shape"), [(64, (7, 8, 8)), (2, (2, 50)), (1, (50,))])
def test_what_the_error_says_to_write_fits(width: int, shape: tuple[int, ...]) -> None:
    layer, x = te.nn.Linear(width, 3), np.ones(shape)
    with pytest.raises(ShapeError) as caught:
        layer(x)
    mended = eval(str(caught.value).rpartition("write ")[2], {"x": x, "len": len})
    examples = shape[0] if len(shape) > 2 else max(shape)
    assert layer(mended).shape == (examples, 3)


def test_another_misfit_than_the_width_keeps_its_own_error() -> None:
    layer = side_by_side([te.nn.MLP([2, 1]), te.nn.MLP([2, 1])]).layers[0]
    with pytest.raises(ShapeError, match="affine failed"):
        layer(np.ones((3, 4, 2)))


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


def test_sequential_takes_activations_by_name() -> None:
    first, second = te.nn.Linear(2, 3, seed=1), te.nn.Linear(3, 1, seed=2)
    model = te.nn.Sequential(first, "tanh", second, "sigmoid")
    twin = te.nn.Sequential(first, te.activations.tanh, second, te.activations.sigmoid)
    x = numbers(4, 2)
    np.testing.assert_array_equal(model(x).data, twin(x).data)
    with pytest.raises(UnknownNameError, match="no activation 'ReLU'; write 'relu'"):
        te.nn.Sequential(first, "ReLU")


def test_a_sequential_is_indexed_like_a_list() -> None:
    layers: list[Any] = [
        te.nn.Linear(2, 3, seed=1),
        te.activations.tanh,
        te.nn.Linear(3, 1, seed=2),
    ]
    model = te.nn.Sequential(*layers)
    assert len(model) == 3
    assert [*model] == layers
    assert model[0] is layers[0]
    assert model[-1] is layers[2]
    head = model[:2]
    assert isinstance(head, te.nn.Sequential)
    assert [*head] == layers[:2]
    x = numbers(4, 2)
    np.testing.assert_array_equal(head(x).data, np.tanh(layers[0](x)).data)
    assert head.parameters() == model.parameters()[:2]
    for index in (3, -4):
        with pytest.raises(IndexingError, match=f"has 3 layers and no layer {index}"):
            model[index]


def test_sequential_refuses_a_list_of_layers() -> None:
    layers: Any = [te.nn.Linear(2, 3)]
    with pytest.raises(OperandError, match=r"write Sequential\(\*layers\)"):
        te.nn.Sequential(layers)


@pytest.mark.parametrize(
    ("build", "who"),
    [
        (lambda kind: te.nn.Sequential(te.nn.Linear(2, 3), kind), "Sequential"),
        (lambda kind: te.nn.Residual(kind), "Residual"),
        (lambda kind: te.nn.MLP([2, 1], kind), "MLP"),
        (lambda kind: te.nn.MLP([2, 1], output=kind), "MLP"),
        (lambda kind: te.nn.RNN(2, 1, kind), "RNN"),
    ],
)
def test_a_class_is_no_layer(build: Callable[[Any], Any], who: str) -> None:
    with pytest.raises(OperandError, match=rf"{who} takes layers.*parentheses: Dropout\(...\)"):
        build(te.nn.Dropout)
    build(te.nn.Dropout(0.5))


def test_sequential_says_where_a_layer_gives_several_results() -> None:
    model = te.nn.Sequential(te.nn.RNN(2, 3), te.nn.Linear(3, 1))
    x = numbers(4, 5, 2)
    with pytest.raises(OperandError, match=r"Linear\(3, 1\) is given 2 results.*both\[0\] behind"):
        model(x)
    mended = te.nn.Sequential(model[0], lambda both: both[0], model[1])
    np.testing.assert_array_equal(mended(x).data, model[1](model[0](x)[0]).data)
    with pytest.raises(TypeError, match="lose its gradient in silence"):
        te.nn.Sequential(te.nn.Linear(2, 3), math.exp)(numbers(4, 2))


class Without(Residual):
    """Only what is inside."""

    def forward(self, x: Any) -> Any:
        return self.inner(x)


class Twice(Residual):
    """Inside of it the sum again."""

    def forward(self, x: Any) -> Any:
        return x + super().forward(x)


class Detached(Residual):
    """Right numbers, without the short way for gradients."""

    def forward(self, x: Any) -> Any:
        return x.detach() + self.inner(x)


def residual_by_hand(kind: type[Residual]) -> None:
    inner = te.nn.Linear(3, 3, seed=1)
    x = numbers(2, 4, 3)
    np.testing.assert_allclose(kind(inner)(te.Value(x)).data, x + x @ inner.weight.data)


def test_residual_adds_what_is_inside_to_its_input() -> None:
    residual_by_hand(Residual)
    for mutant in (Without, Twice):
        with pytest.raises(AssertionError):
            residual_by_hand(mutant)
    model = Residual(te.nn.Sequential(te.nn.Linear(2, 3, seed=1), "tanh", te.nn.Linear(3, 2)))
    assert [name for name, _ in model.named_parameters()] == [
        "inner.layers.0.weight",
        "inner.layers.0.bias",
        "inner.layers.2.weight",
        "inner.layers.2.bias",
    ]
    x = numbers(4, 2)
    np.testing.assert_allclose(Residual(np.tanh)(x), x + np.tanh(x), rtol=1e-15)


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=2).map(tuple),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_residual_refuses_a_layer_that_changes_the_shape(
    outer: tuple[int, ...], inputs: int, outputs: int
) -> None:
    """Also (n, 1), which broadcasting would add without a word."""
    layer, x = Residual(te.nn.Linear(inputs, outputs)), numbers(*outer, inputs)
    if inputs == outputs:
        assert layer(x).shape == x.shape
        return
    message = rf"last layer inside give {inputs} outputs"
    with pytest.raises(ShapeError, match=message) as caught:
        layer(x)
    assert f"of shape {x.shape}" in str(caught.value)
    assert f"of shape {(*outer, outputs)}" in str(caught.value)


def dropout_by_hand(kind: type[Dropout]) -> None:
    layer, x = kind(0.3, seed=5), numbers(4, 5)
    generator = np.random.default_rng(5)
    for _ in range(2):  # another mask each time
        mask = generator.random((4, 5))
        wanted = np.where(mask < 0.3, 0.0, x / 0.7)
        np.testing.assert_allclose(layer(x), wanted, rtol=1e-14)
    layer.eval()
    np.testing.assert_array_equal(layer(x), x)
    layer.train()
    np.testing.assert_allclose(
        layer(x), np.where(generator.random((4, 5)) < 0.3, 0.0, x / 0.7), rtol=1e-14
    )


class Unscaled(Dropout):
    """The mean falls."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) * (1 - self.rate if self.training else 1)


class KeepingRate(Dropout):
    """The rate is the share that stays."""

    def __init__(self, rate: float, *, seed: int) -> None:
        super().__init__(1 - rate, seed=seed)


class OneMask(Dropout):
    """The same mask each time."""

    def forward(self, x: Any) -> Any:
        self.generator = np.random.default_rng(5)
        return super().forward(x)


class Always(Dropout):
    """In use too."""

    def forward(self, x: Any) -> Any:
        self.training = True
        return super().forward(x)


def test_dropout_is_its_definition() -> None:
    dropout_by_hand(Dropout)
    for mutant in (Unscaled, KeepingRate, OneMask, Always):
        with pytest.raises(AssertionError):
            dropout_by_hand(mutant)


@given(st.floats(0.05, 0.9), st.integers(0, 2**32))
def test_dropout_keeps_the_mean_and_drops_its_share(rate: float, seed: int) -> None:
    out = Dropout(rate, seed=seed)(np.ones((100, 100)))
    deviation = math.sqrt(rate * (1 - rate) / 10_000)
    # Of 15 or 60 cases none is six standard errors off, unless the rate is another.
    assert abs(np.mean(out == 0) - rate) <= 6 * deviation
    assert abs(out.mean() - 1) <= 6 * deviation / (1 - rate) + 1e-12


def test_dropout_shares_a_generator_and_keeps_dtypes() -> None:
    generator = np.random.default_rng(1)
    first, second = Dropout(seed=generator), Dropout(seed=generator)
    assert [name for name, _ in te.nn.Sequential(first, second).named_generators()] == [
        "layers.0.generator"
    ]
    for x in (numbers(3, 4), numbers(3, 4).astype(np.float32)):
        assert first(x).dtype == x.dtype
        assert first(te.Value(x)).dtype == x.dtype
    assert Dropout(0.0)(numbers(3, 4)).shape == (3, 4)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, math.nan, "0.5", None])
def test_a_rate_is_a_share_below_one(rate: Any) -> None:
    with pytest.raises(OperandError, match=rf"share that is set to 0, in \[0, 1\), not {rate!r}"):
        Dropout(rate)


@pytest.mark.parametrize(
    "layer",
    [
        te.nn.Linear(2, 2, seed=1),
        te.nn.MLP([2, 2, 1], "tanh", "sigmoid", seed=1),
        Residual(te.nn.Sequential(te.nn.Linear(2, 2, seed=1), "tanh")),
        te.nn.Sequential(te.nn.Linear(2, 2, seed=1), Dropout(0.5), te.nn.Linear(2, 1, seed=2)),
    ],
    ids=repr,
)
def test_gradients_of_first_and_second_order(layer: Any) -> None:
    assert_gradients(shaken(layer), numbers(2, 2))


def test_a_residual_without_its_short_way_is_rejected() -> None:
    with pytest.raises(GradientError):
        assert_gradients(shaken(Detached(te.nn.Linear(2, 2))), numbers(2, 2))


def test_layers_show_what_they_are() -> None:
    assert repr(te.nn.Linear(2, 3)) == "Linear(2, 3)"
    assert repr(te.nn.Linear(2, 3, bias=False)) == "Linear(2, 3, bias=False)"
    mlp = te.nn.MLP([2, 3, 1], "tanh", "sigmoid")
    assert repr(mlp) == "MLP([2, 3, 1], activation='tanh', output='sigmoid')"
    assert repr(te.nn.MLP([2, 1])).endswith("activation='relu', output=None)")
    assert repr(te.nn.Sequential(te.nn.Linear(2, 3), mlp)) == f"Sequential(Linear(2, 3), {mlp!r})"
    assert repr(te.nn.Sequential(te.nn.Linear(2, 3), "relu", np.tanh)) == (
        "Sequential(Linear(2, 3), 'relu', 'tanh')"
    )
    assert repr(Residual(te.nn.Linear(2, 2))) == "Residual(Linear(2, 2))"
    assert repr(Dropout(0.25)) == "Dropout(0.25)"
    assert repr(te.nn.BatchNorm(3)) == "BatchNorm(3)"
    assert repr(te.nn.LayerNorm(3)) == "LayerNorm(3)"
    assert repr(te.nn.RNN(2, 3, "relu")) == "RNN(2, 3, activation='relu')"


def test_long_models_are_shown_as_trees() -> None:
    inner = te.nn.Sequential(*[te.nn.Linear(100, 100)] * 5)
    model = te.nn.Sequential(te.nn.Linear(64, 100), te.nn.BatchNorm(100), Residual(inner), "relu")
    assert (
        repr(model)
        == """\
Sequential(
  (0): Linear(64, 100)
  (1): BatchNorm(100)
  (2): Residual(Sequential(
    (0): Linear(100, 100)
    (1): Linear(100, 100)
    (2): Linear(100, 100)
    (3): Linear(100, 100)
    (4): Linear(100, 100)
  ))
  (3): 'relu'
)"""
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ReLU", "write te.activations.relu"),
        ("LeakyReLU", "write te.activations.leaky_relu"),
        ("LogSigmoid", "write te.activations.log_sigmoid"),
        ("Identity", "write te.activations.linear"),
        ("BatchNorm1d", "write te.nn.BatchNorm, features last"),
        ("Dropout2d", "write te.nn.Dropout"),
        ("RNNCell", "write te.nn.RNN"),
        ("GRU", "derived from te.nn.Module"),
        ("Conv2d", "derived from te.nn.Module"),
        ("CrossEntropyLoss", "write te.nn.losses.cross_entropy"),
        ("MSELoss", "write te.nn.losses.mse"),
        ("Parameter", "write te.Value"),
        ("Sequental", "there is Sequential"),
    ],
)
def test_pytorchs_names_say_what_to_write(name: str, hint: str) -> None:
    with pytest.raises(AttributeError, match=f"te.nn has no {name!r}; .*{hint}"):
        getattr(te.nn, name)
    assert not hasattr(te.nn, "__nothing__")


def test_everything_in_nn_has_a_name_that_exists() -> None:
    for name in te.nn.__all__:
        assert getattr(te.nn, name) is not None
