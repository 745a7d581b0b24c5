"""The tracked gradient of each layer, against a network that is written here in plain NumPy.

δ = ∂L/∂(pre-activation) is measured by adding a small number to one pre-activation of one sample
at a time. The network's formulas are the textbook's, and no code of the package computes them.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.finite_differences import derivative
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.losses import bce_with_logits, mse

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[[Any], Any]


def logistic(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def gelu(z: Any) -> Any:
    return z / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))


FUNCTIONS: dict[str, Function] = {
    "linear": lambda z: z,
    "sigmoid": logistic,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True),
    "elu": lambda z: np.where(z > 0, z, np.exp(z) - 1),
    "swish": lambda z: z * logistic(z),
    "hard_sigmoid": lambda z: np.clip((z + 1) / 2, 0, 1),
    "gelu": gelu,
    "softplus": lambda z: np.log1p(np.exp(z)),
    "leaky_gelu": gelu,
    "hard_swish": lambda z: z * np.clip((z + 3) / 6, 0, 1),
    "mish": lambda z: z * np.tanh(np.log1p(np.exp(z))),
    "arctan": np.arctan,
    "sigmoid_linear": lambda z: np.clip(z, 0, 1),
}
SIXTEEN = [activation.name for activation in te.activations.SIXTEEN]
KINKS: dict[str, tuple[float, ...]] = {
    "relu": (0.0,),
    "leaky_relu": (0.0,),
    "elu": (0.0,),
    "hard_sigmoid": (-1.0, 1.0),
    "hard_swish": (-3.0, 3.0),
    "sigmoid_linear": (0.0, 1.0),
}
LOSSES: dict[str, tuple[Callable[[Any, Any], te.Value], Callable[[Any, Any], Any]]] = {
    "mse": (mse, lambda p, t: np.mean((p - t) ** 2)),
    "bce_with_logits": (
        bce_with_logits,
        lambda z, t: -np.mean(t * np.log(logistic(z)) + (1 - t) * np.log(logistic(-z))),
    ),
}
STEP = 2.0**-9
MARGIN = 0.2  # a step grows on its way through the layers, but far less than a hundredfold


@dataclass
class Network:
    """A network's numbers, and its forward in plain NumPy."""

    weights: list[Array]
    biases: list[Array | None]
    activation: str
    output: str | None

    def forward(self, x: Any, layer: int = -1, perturbation: Any = 0.0) -> tuple[Any, list[Any]]:
        """The output and each layer's input; `perturbation` is added to one pre-activation."""
        inputs = []
        for position, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            inputs.append(x)
            z = x @ weight + (0 if bias is None else bias)
            if position == layer:
                z = z + perturbation
            last = position == len(self.weights) - 1
            function = (self.output or "linear") if last else self.activation
            x = FUNCTIONS[function](z)
        return x, inputs

    def model(self) -> Any:
        """The same network of the package's layers."""
        widths = [len(self.weights[0]), *(weight.shape[1] for weight in self.weights)]
        model = te.nn.MLP(widths, self.activation, self.output)
        for layer, weight, bias in zip(model.layers, self.weights, self.biases, strict=True):
            layer.weight.data = weight
            if bias is None:
                layer.bias = None
            else:
                layer.bias = te.Value(bias, name="bias")
        return model

    def deltas(self, x: Array, loss: Callable[[Any], Any]) -> list[tuple[Array, Array]]:
        """∂loss(output)/∂(pre-activation) of each layer, entry by entry, each with its bar."""
        found = []
        for layer, weight in enumerate(self.weights):
            shape = (len(x), weight.shape[1])
            slopes, bars = np.zeros(shape), np.zeros(shape)
            for entry in np.ndindex(shape):

                def moved(
                    shift: float,
                    layer: int = layer,
                    shape: tuple[int, int] = shape,
                    entry: tuple[int, ...] = entry,
                ) -> Any:
                    perturbation = np.zeros(shape)
                    perturbation[entry] = shift
                    return loss(self.forward(x, layer, perturbation)[0])

                estimate = derivative(moved, 0.0, STEP)
                slopes[entry], bars[entry] = estimate.value, estimate.error
            found.append((slopes, bars))
        return found


def root_mean_square(array: Any) -> float:
    return math.sqrt(sum(float(entry) ** 2 for entry in np.ravel(array)) / np.size(array))


def heard_deltas(model: Any) -> tuple[list[Any], Callable[[Any, Any], None]]:
    """A list that the observer beside it fills with the δ of each layer."""
    heard: list[Any] = [None] * len(model.layers)

    def listen(node: Any, gradient: Any) -> None:
        for position, layer in enumerate(model.layers):
            if gradient is not None and any(each is layer.weight for each in node.inputs):
                heard[position] = np.array(gradient)

    return heard, listen


def judge(network: Network, x: Array, target: Array, name: str) -> None:
    """Every δ, its root mean square and that of ∇W, against the finite differences."""
    loss, plain = LOSSES[name]
    model = network.model()
    heard, listen = heard_deltas(model)
    with te.flow.track(model) as flow, te.observe(listen):
        result = loss(model(x), target)
        result.backward()
    output, inputs = network.forward(x)
    assert result.item() == pytest.approx(plain(output, target), rel=1e-12)
    assert len(flow) == 1
    measured = network.deltas(x, lambda output: plain(output, target))
    for name, delta, (slopes, bars), entering in zip(
        flow.layers, heard, measured, inputs, strict=True
    ):
        largest = np.abs(slopes).max()
        assert bars.max() <= 1e-7 * largest + 1e-10  # or the next line would say nothing
        assert np.all(np.abs(delta - slopes) <= 2 * bars + 1e-10 * largest + 1e-14)
        assert flow.delta[name] == [pytest.approx(root_mean_square(slopes), rel=1e-7, abs=1e-10)]
        gradient = entering.T @ slopes
        assert flow.weight[name] == [pytest.approx(root_mean_square(gradient), rel=1e-7, abs=1e-9)]


def clear(z: Array, kinks: Sequence[float]) -> bool:
    return all(np.abs(z - kink).min() >= MARGIN for kink in kinks)


@st.composite
def networks(draw: st.DrawFn) -> tuple[Network, Array]:
    """Networks and inputs whose pre-activations keep clear of every kink.

    A unit's bias is shifted until all samples are clear. Without a bias its weights are drawn
    again; a layer whose input is all zeros for a sample, where no weights help, gets a bias.
    """
    depth = draw(st.integers(1, 4), label="depth")
    widths = draw(st.lists(st.integers(1, 4), min_size=depth + 1, max_size=depth + 1))
    activation = draw(st.sampled_from(SIXTEEN), label="activation")
    output = draw(st.sampled_from([None, *SIXTEEN]), label="output")
    biased = draw(st.lists(st.booleans(), min_size=depth, max_size=depth), label="biased")
    batch = draw(st.integers(1, 4), label="batch")
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    first = x = rng.normal(size=(batch, widths[0]))
    weights: list[Array] = []
    biases: list[Array | None] = []
    for position, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        function = (output or "linear") if position == depth - 1 else activation
        kinks = KINKS.get(function, ())
        weight, bias = rng.normal(size=(inputs, outputs)), rng.normal(size=outputs)
        with_bias = biased[position]
        for unit in range(outputs):
            for _ in range(100):
                if with_bias or clear(x @ weight[:, unit], kinks):
                    break
                weight[:, unit] = rng.normal(size=inputs)
            else:
                with_bias = True
        for unit in range(outputs) if with_bias else ():
            shifts = rng.permutation(np.linspace(-4, 4, 161))
            z = x @ weight[:, unit]
            bias[unit] = next(b for b in [bias[unit], *shifts] if clear(z + b, kinks))
        weights.append(weight)
        biases.append(bias if with_bias else None)
        x = FUNCTIONS[function](x @ weight + (bias if with_bias else 0))
    return Network(weights, biases, activation, output), first


@given(st.data())
def test_delta_is_the_slope_of_the_loss_in_each_pre_activation(data: st.DataObject) -> None:
    network, x = data.draw(networks(), label="network")
    logits = network.output not in ("sigmoid", "softmax")
    name = data.draw(st.sampled_from([*LOSSES] if logits else ["mse"]), label="loss")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="targets"))
    target = rng.uniform(0, 1, (len(x), network.weights[-1].shape[1]))
    judge(network, x, target, name)


@pytest.mark.parametrize("activation", SIXTEEN)
def test_every_activation_in_a_network_of_three_layers(activation: str) -> None:
    rng = np.random.default_rng(1)
    x, target = rng.normal(size=(3, 2)), rng.uniform(0, 1, (3, 2))
    shapes = [(2, 3), (3, 3), (3, 2)]
    for _ in range(1000):
        weights = [rng.normal(size=shape) for shape in shapes]
        network = Network(weights, [rng.normal(size=n) for _, n in shapes], activation, "sigmoid")
        _, inputs = network.forward(x)
        before = [a @ w + b for a, w, b in zip(inputs, weights, network.biases, strict=True)]
        if all(clear(z, KINKS.get(activation, ())) for z in before[:-1]):
            break
    judge(network, x, target, "mse")


@pytest.mark.parametrize("epochs", [0, 300])
@pytest.mark.parametrize("seed", [0, 3])
def test_the_xor_network(seed: int, epochs: int) -> None:
    x, y = te.data.xor()
    model = te.nn.MLP([2, 8, 1], "tanh", "sigmoid", seed=seed)
    optimizer = te.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(epochs):
        optimizer.zero_grad()
        mse(model(x), y).backward()
        optimizer.step()
    weights = [layer.weight.data for layer in model.layers]
    biases = [layer.bias.data for layer in model.layers if layer.bias is not None]
    judge(Network(weights, [*biases], "tanh", "sigmoid"), x, y, "mse")


# ---- what the tracker counts ----


def network(seed: int = 0, output: str | None = "sigmoid", dtype: Any = np.float64) -> te.nn.MLP:
    return te.nn.MLP([2, 3, 1], "tanh", output, seed=seed, dtype=dtype)


def samples(count: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 2)), rng.uniform(0, 1, (count, 1))


def squares(prediction: Any, target: Any) -> Any:
    return np.sum((prediction - target) ** 2)


def measured(model: te.nn.MLP, x: Array, y: Array, loss: Any = mse) -> te.flow.Flow:
    """One pass, tracked on its own; the gradients are forgotten again."""
    with te.flow.track(model) as flow:
        loss(model(x), y).backward()
    model.zero_grad()
    return flow


def test_each_pass_has_its_own_entry_in_order() -> None:
    model = network()
    batches = [samples(4, seed) for seed in range(3)]
    with te.flow.track(model) as flow:
        for x, y in batches:
            mse(model(x), y).backward()  # the gradients of leaves add up, those of a pass do not
    assert len(flow) == 3
    for position, (x, y) in enumerate(batches):
        alone = measured(network(), x, y)
        for name in flow.layers:
            assert flow.delta[name][position] == pytest.approx(alone.delta[name][0], rel=1e-14)
            assert flow.weight[name][position] == pytest.approx(alone.weight[name][0], rel=1e-14)


def test_passes_while_an_optimizer_moves_the_weights() -> None:
    model, (x, y) = network(), samples(4)
    optimizer = te.optim.SGD(model.parameters(), lr=0.5)
    with te.flow.track(model) as flow:
        for _ in range(5):
            optimizer.zero_grad()
            mse(model(x), y).backward()
            optimizer.step()
    assert [len(rows) for rows in (*flow.delta.values(), *flow.weight.values())] == [5] * 4
    assert not np.isnan([*flow.delta.values(), *flow.weight.values()]).any()
    assert len(set(flow.delta["layers.0"])) == 5


def test_passes_in_another_order_than_their_graphs_were_made() -> None:
    model = network()
    (x1, y1), (x2, y2) = samples(4, 1), samples(4, 2)
    with te.flow.track(model) as flow:
        first, second = mse(model(x1), y1), mse(model(x2), y2)
        second.backward()
        first.backward()
        first.backward()
    alone = [measured(network(), x, y).delta["layers.0"][0] for x, y in ((x2, y2), (x1, y1))]
    assert flow.delta["layers.0"] == pytest.approx([alone[0], alone[1], alone[1]], rel=1e-14)


def test_passes_of_another_model_between_leave_no_entries() -> None:
    model, other, (x, y) = network(), network(1), samples(4)
    alone = measured(model, x, y).delta["layers.0"][0]
    optimizer = te.optim.SGD(other.parameters(), lr=0.5)
    with te.flow.track(model) as flow:
        mse(other(x), y).backward()
        waiting = mse(model(x), y)
        for _ in range(2):
            optimizer.zero_grad()
            mse(other(x), y).backward()
            optimizer.step()
        waiting.backward()
        mse(other(x), y).backward()
        mse(model(x), y).backward()
    assert flow.delta["layers.0"] == pytest.approx([alone, alone], rel=1e-14)


@pytest.mark.parametrize("sizes", [(4, 4), (1, 3), (2, 5, 1)])
def test_a_model_used_several_times_in_one_pass_counts_all_entries(sizes: tuple[int, ...]) -> None:
    model, (x, y) = network(), samples(sum(sizes))
    together = measured(model, x, y, squares)
    cuts = np.cumsum(sizes)[:-1]
    with te.flow.track(model) as flow:
        loss: Any = 0.0
        for xs, ys in zip(np.split(x, cuts), np.split(y, cuts), strict=True):
            loss = loss + squares(model(xs), ys)
        loss.backward()
    for name in flow.layers:
        assert flow.delta[name] == pytest.approx(together.delta[name], rel=1e-13)
        assert flow.weight[name] == pytest.approx(together.weight[name], rel=1e-13)


def test_nothing_is_taken_down_outside_the_with_block() -> None:
    model, (x, y) = network(), samples(4)
    flow = te.flow.track(model)
    mse(model(x), y).backward()
    assert len(flow) == 0
    with flow:
        before = mse(model(x), y)
        mse(model(x), y).backward()
    before.backward()
    mse(model(x), y).backward()
    assert len(flow) == 1
    with flow:  # goes on where it left off
        mse(model(x), y).backward()
    assert len(flow) == 2


def test_trackers_inside_each_other_hear_the_same() -> None:
    model, (x, y) = network(), samples(4)
    with te.flow.track(model) as outer:
        mse(model(x), y).backward()
        with te.flow.track(model) as inner, te.flow.track(model.layers[1]) as part:
            mse(model(2 * x), y).backward()
        mse(model(3 * x), y).backward()
    assert (len(outer), len(inner), len(part)) == (3, 1, 1)
    assert inner.delta["layers.0"] == outer.delta["layers.0"][1:2]
    assert part.layers == ("linear",)
    assert part.delta["linear"] == outer.delta["layers.1"][1:2]


def test_an_exception_ends_the_tracking_and_keeps_what_was_seen() -> None:
    model, (x, y) = network(), samples(4)
    flow = te.flow.track(model)

    def failing() -> None:
        with flow:
            mse(model(x), y).backward()
            mse(model(x[:, :1]), y).backward()

    with pytest.raises(ShapeError):
        failing()
    mse(model(x), y).backward()
    assert len(flow) == 1


def test_a_pass_that_is_broken_off_does_not_run_into_the_next() -> None:
    model, (x, y) = network(), samples(4)
    whole = measured(model, x, y)

    class Stop(Exception):
        pass

    def stop(node: Any, gradient: Any) -> None:
        if gradient is not None and node.op is not None and node.op.name == "tanh":
            raise Stop

    with te.flow.track(model) as flow:
        with pytest.raises(Stop), te.observe(stop):
            mse(model(x), y).backward()
        mse(model(x), y).backward()
    assert flow.delta["layers.1"] == pytest.approx(2 * whole.delta["layers.1"], rel=1e-14)
    assert math.isnan(flow.delta["layers.0"][0])
    assert flow.delta["layers.0"][1] == pytest.approx(whole.delta["layers.0"][0], rel=1e-14)


def test_a_layer_that_a_pass_does_not_reach_gets_nan() -> None:
    model, (x, _) = network(), samples(4)
    with te.flow.track(model) as flow:
        np.sum(model.layers[0](x)).backward()
    assert flow.delta["layers.0"] == [pytest.approx(1.0)]  # the sum passes 1 to every entry
    assert np.isnan(flow.delta["layers.1"] + flow.weight["layers.1"]).all()


def test_other_uses_of_a_weight_are_no_pre_activations() -> None:
    model, (x, y) = network(), samples(4)
    alone = measured(model, x, y)
    weight: Any = model.layers[0].weight
    with te.flow.track(model) as flow:
        (mse(model(x), y) + 0.5 * np.sum(weight * weight)).backward()
    assert flow.delta == {name: pytest.approx(rows) for name, rows in alone.delta.items()}
    model.zero_grad()
    mse(model(x), y).backward()
    assert flow.weight["layers.0"] == [
        pytest.approx(root_mean_square(weight.grad + weight.data), rel=1e-12)
    ]


def test_te_grad_and_graphs_of_gradients_are_passes_too() -> None:
    model, (x, y) = network(), samples(4)
    alone = measured(model, x, y).delta["layers.0"][0]
    weight = model.layers[0].weight
    with te.flow.track(model) as flow:
        te.grad(mse(model(x), y), [weight])
        te.grad(mse(model(x), y), [weight], create_graph=True)
    assert flow.delta["layers.0"] == pytest.approx([alone, alone], rel=1e-14)


def test_weights_that_are_held_fixed_have_a_delta_and_no_gradient() -> None:
    model, (x, y) = network(), samples(4)
    whole = measured(model, x, y)
    first: Any = model.layers[0]
    first.weight = te.Value(first.weight.data, requires_grad=False)
    flow = measured(model, x, y)
    assert flow.delta["layers.0"] == pytest.approx(whole.delta["layers.0"], rel=1e-14)
    assert math.isnan(flow.weight["layers.0"][0])


@pytest.mark.parametrize(
    ("dtype", "scale"), [(np.float32, 1e-30), (np.float32, 1e30), (np.float64, 1e-250)]
)
def test_vanishing_and_exploding_gradients_keep_their_size(dtype: Any, scale: float) -> None:
    model, (x, y) = network(dtype=dtype), samples(4)
    x, y = x.astype(dtype), y.astype(dtype)
    plain, (small, large) = measured(model, x, y), (network(dtype=dtype), dtype(scale))
    with te.flow.track(small) as flow:
        (mse(small(x), y) * large).backward()
    for name in flow.layers:
        assert flow.delta[name][0] == pytest.approx(scale * plain.delta[name][0], rel=1e-5)
        assert flow.weight[name][0] == pytest.approx(scale * plain.weight[name][0], rel=1e-5)


def test_a_gradient_that_is_not_a_number_is_said_to_be_none() -> None:
    model, (x, y) = network(output=None), samples(4)
    with te.flow.track(model) as flow:
        (mse(model(x), y) * np.nan).backward()
    assert np.isnan([flow.delta["layers.1"], flow.weight["layers.1"]]).all()


def test_a_model_without_linear_layers_is_refused() -> None:
    with pytest.raises(ShapeError, match="no layers to track"):
        te.flow.track(te.nn.Sequential(np.tanh))


def test_layers_inside_other_modules_have_their_paths_as_names(tmp_path: Path) -> None:
    model = te.nn.Sequential(network(output=None), te.nn.Linear(1, 2, bias=False))
    x, _ = samples(5)
    with te.flow.track(model) as flow:
        for _ in range(3):
            np.sum(model(x)).backward()
    names = ("layers.0.layers.0", "layers.0.layers.1", "layers.1")
    assert flow.layers == names
    flow.to_csv(tmp_path / "gradients.csv")
    with (tmp_path / "gradients.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["epoch", *(f"rms {what} {name}" for what in ("δ", "∇W") for name in names)]
    assert [row[0] for row in rows] == ["0", "1", "2"]
    for step, row in enumerate(rows):
        wanted = [flow.delta[name][step] for name in names]
        wanted += [flow.weight[name][step] for name in names]
        assert [float(cell) for cell in row[1:]] == pytest.approx(wanted, rel=1e-9)
        assert flow.rows([step]) == [[step, *wanted]]
