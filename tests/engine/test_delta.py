"""δ = ∂L/∂(pre-activation) of every layer, tracked, against perturbed pre-activations.

The finite differences come from a forward pass in plain NumPy, written out here, in which a small
number is added to one pre-activation of one sample at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.finite_differences import contracted, jacobian
from tinygrad_edu.activations.facts import corners

STEP = 0.01
Loss = Callable[[Any, Any], Any]
LOSSES: dict[str, tuple[Loss, Loss]] = {  # ours, and the same in plain NumPy
    "mse": (te.nn.losses.mse, lambda p, t: np.mean((p - t) ** 2)),
    "bce_with_logits": (
        te.nn.losses.bce_with_logits,
        lambda z, t: np.mean(np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - z * t),
    ),
}

# What can stand between two layers and has a derivative of its own.
HIDDEN = [name for name, op in te.ACTIVATIONS.items() if op.keeps_width and not op.surrogate]


def plain_forward(model: Any, x: Any, added: list[Any]) -> tuple[Any, list[Any]]:
    """The output and the pre-activations, `added[l]` being added to those of layer l."""
    pre_activations = []
    for position, layer in enumerate(model.layers):
        z = x @ layer.weight.data + layer.bias.data + added[position]
        pre_activations.append(z)
        last = position == len(model.layers) - 1
        function = model.output if last else model.activation
        x = z if function is None else function(z)
    return x, pre_activations


def tracked_deltas(model: Any, x: Any, target: Any, loss: Loss) -> tuple[list[Any], Any]:
    """δ of each layer as observers hear it, and what `te.flow.track` makes of it."""
    heard: dict[int, Any] = {}

    def listen(node: Any, gradient: Any) -> None:
        for position, layer in enumerate(model.layers):
            if gradient is not None and any(item is layer.weight for item in node.inputs):
                assert position not in heard
                heard[position] = np.array(gradient)

    with te.observe(listen), te.flow.track(model) as flow:
        loss(model(x), target).backward()
    return [heard[position] for position in range(len(model.layers))], flow


def check(model: Any, x: Any, target: Any, name: str) -> None:
    loss, plain_loss = LOSSES[name]
    deltas, flow = tracked_deltas(model, x, target, loss)
    zeros = [np.zeros(delta.shape) for delta in deltas]
    output, pre_activations = plain_forward(model, x, zeros)
    assert [z.shape for z in pre_activations] == [delta.shape for delta in deltas]
    assert np.asarray(loss(te.Value(output), target).data) == pytest.approx(
        plain_loss(output, target), rel=1e-13
    )
    inputs = x
    for position, (delta, layer) in enumerate(zip(deltas, model.layers, strict=True)):

        def perturbed(extra: Any, position: int = position) -> Any:
            added = [*zeros[:position], extra, *zeros[position + 1 :]]
            return plain_loss(plain_forward(model, x, added)[0], target)

        estimate = jacobian(perturbed, (zeros[position],), 0, STEP)
        wanted = contracted(1.0, estimate.value)
        tolerance = 1e-9 * np.abs(wanted).max(initial=0.0) + 1e-12
        assert delta == pytest.approx(wanted, rel=1e-8, abs=tolerance)
        # From δ follow the parameters' gradients: ∇W = aᵀδ and ∇b = Σδ.
        assert layer.weight.grad == pytest.approx(inputs.T @ wanted, rel=1e-7, abs=10 * tolerance)
        assert layer.bias.grad == pytest.approx(wanted.sum(axis=0), rel=1e-7, abs=10 * tolerance)
        assert flow.delta[flow.layers[position]] == pytest.approx(
            [np.sqrt(np.mean(wanted**2))], rel=1e-7, abs=tolerance
        )
        assert flow.weight[flow.layers[position]] == pytest.approx(
            [np.sqrt(np.mean((inputs.T @ wanted) ** 2))], rel=1e-7, abs=10 * tolerance
        )
        if position < len(model.layers) - 1:
            inputs = model.activation(pre_activations[position])


def far_from_corners(model: Any, x: Any) -> bool:
    """No pre-activation is so near a corner of its function that a step would cross it."""
    _, pre_activations = plain_forward(model, x, [0.0] * len(model.layers))
    functions = [*[model.activation] * (len(model.layers) - 1), model.output]
    for z, function in zip(pre_activations, functions, strict=True):
        for corner in corners(function) if function is not None else ():
            if np.abs(z - corner.x).min(initial=np.inf) < 6 * STEP:
                return False
    return True


@pytest.mark.parametrize("epochs", [0, 50])
def test_the_xor_network(epochs: int) -> None:
    x, target = te.data.xor()
    model = te.nn.MLP([2, 8, 1], activation="tanh", output="sigmoid", seed=0)
    optimiser = te.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(epochs):
        optimiser.zero_grad()
        te.nn.losses.mse(model(x), target).backward()
        optimiser.step()
    optimiser.zero_grad()
    check(model, x, target, "mse")


@given(data=st.data())
def test_networks_of_any_depth_width_activation_and_batch(data: st.DataObject) -> None:
    depth = data.draw(st.integers(1, 4), label="depth")
    widths = data.draw(st.lists(st.integers(1, 4), min_size=depth + 1, max_size=depth + 1))
    batch = data.draw(st.integers(1, 4), label="batch")
    activation = data.draw(st.sampled_from(HIDDEN), label="activation")
    output = data.draw(st.sampled_from([None, "sigmoid", "tanh", "softmax"]), label="output")
    name = "mse" if output else data.draw(st.sampled_from([*LOSSES]), label="loss")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16), label="seed"))
    model: Any = te.nn.MLP(widths, activation=activation, output=output, seed=rng)
    x = rng.normal(size=(batch, widths[0]))
    target = rng.uniform(0, 1, (batch, widths[-1]))
    for _ in range(60):
        for layer in model.layers:
            layer.bias.data = rng.normal(size=layer.bias.shape)
        if far_from_corners(model, x):
            break
    else:
        assume(False)
    check(model, x, target, name)
