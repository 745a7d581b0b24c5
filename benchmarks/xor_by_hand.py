"""What ``tinygrad-edu xor`` does, its training by hand in NumPy: ``-m benchmarks.xor_by_hand OUT``.

The same gradient check, the same two networks from the same start, the same 10,000 epochs, the
hidden network's gradients measured in every epoch, the same tables, and the same pictures by the
package's own drawing functions.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.hand_written import xor_gradients
from benchmarks.works import XOR_EPOCHS
from tinygrad_edu.draw import gradient_magnitudes, learned_surfaces, losses, regions
from tinygrad_edu.errors import RenderingError
from tinygrad_edu.xor import Settings
from tinygrad_edu.xor.pages import batch_graph, sample_graph
from tinygrad_edu.xor.texts import TEXTS

Array = NDArray[np.float64]
Network = Callable[[Array], Array]

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float64)
TARGET = np.array([[0], [1], [1], [0]], dtype=np.float64)
RATE = 0.1


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def rms(array: Array) -> float:
    return math.sqrt(np.vdot(array, array) / array.size)


def train_neuron() -> tuple[Network, list[float]]:
    """The article's single sigmoid neuron, and its losses."""
    rng = np.random.default_rng(0)
    w, b = rng.standard_normal((2, 1)), np.array([rng.standard_normal()])
    losses: list[float] = []
    for epoch in range(XOR_EPOCHS):
        output = sigmoid(X @ w + b)
        error = output - TARGET
        loss = (error * error).mean()
        delta = error * output
        delta *= 1 - output
        delta *= 2 / error.size
        w -= RATE * (X.T @ delta)
        b -= RATE * delta.sum(axis=0)
        losses.append(loss)
        if epoch % 1000 == 0:
            print(f"Epoch {epoch}, Loss: {loss:.4f}")
    return lambda x: sigmoid(x @ w + b)[:, 0], losses


def train_hidden(
    w1: Array, b1: Array, w2: Array, b2: Array
) -> tuple[Network, list[float], list[tuple[float, ...]]]:
    """Eight tanh units before the sigmoid, their losses, and each epoch's sizes of gradients."""
    losses: list[float] = []
    sizes: list[tuple[float, ...]] = []
    for epoch in range(XOR_EPOCHS):
        hidden = np.tanh(X @ w1 + b1)
        output = sigmoid(hidden @ w2 + b2)
        error = output - TARGET
        loss = (error * error).mean()
        delta2 = error * output
        delta2 *= 1 - output
        delta2 *= 2 / error.size
        delta1 = delta2 @ w2.T
        delta1 *= 1 - hidden * hidden
        dw1, dw2 = X.T @ delta1, hidden.T @ delta2
        losses.append(loss)
        sizes.append((rms(delta1), rms(delta2), rms(dw1), rms(dw2)))
        w1 -= RATE * dw1
        b1 -= RATE * delta1.sum(axis=0)
        w2 -= RATE * dw2
        b2 -= RATE * delta2.sum(axis=0)
        if epoch % 1000 == 0:
            print(f"Epoch {epoch}, Loss: {loss:.4f}")
    return lambda x: sigmoid(np.tanh(x @ w1 + b1) @ w2 + b2)[:, 0], losses, sizes


def check_gradients(parameters: list[Array]) -> float:
    """The largest error of the hidden network's gradients against central differences."""
    step = 1e-6
    worst = 0.0
    _, gradients = xor_gradients(parameters, X, TARGET)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        for index in np.ndindex(parameter.shape):
            kept = parameter[index]
            around = []
            for moved in (kept + step, kept - step):
                parameter[index] = moved
                around.append(xor_gradients(parameters, X, TARGET)[0])
            parameter[index] = kept
            difference = (around[0] - around[1]) / (2 * step)
            worst = max(worst, float(abs(difference - gradient[index])))
    return worst


def draw(
    out: Path,
    networks: dict[str, Network],
    curves: dict[str, list[float]],
    sizes: list[tuple[float, ...]],
) -> None:
    first, last, *_ = zip(*sizes, strict=True)
    by_layer = {"layers.0": first, "layers.1": last}
    figures = {
        "loss": losses(curves, reference=(0.25, "always 0.5")),
        "surfaces": learned_surfaces(networks, X, TARGET[:, 0]),
        "regions": regions(networks, X, TARGET[:, 0]),
        "gradients": gradient_magnitudes(range(XOR_EPOCHS), by_layer),
    }
    for name, figure in figures.items():
        figure.savefig(out / f"{name}.png", dpi=200)
    text = TEXTS["en"]
    for name, make in (("graph", sample_graph), ("graph_batch", batch_graph)):
        graph = make(Settings(), text)
        graph.save(out / f"{name}.dot")
        try:
            graph.save(out / f"{name}.svg")
        except RenderingError:
            print("no renderer for graphs is installed")


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    parameters = [
        rng.standard_normal((2, 8)) * math.sqrt(2 / 10),
        np.zeros(8),
        rng.standard_normal((8, 1)) * math.sqrt(2 / 9),
        np.zeros(1),
    ]
    print(f"worst error of 33 gradients: {check_gradients(parameters):.1e}")
    neuron, neuron_losses = train_neuron()
    network, network_losses, sizes = train_hidden(*parameters)
    networks = {"one neuron": neuron, "8 tanh units": network}
    curves = {"one neuron": neuron_losses, "8 tanh units": network_losses}
    for name, answer in networks.items():
        print(f"== {name}: prediction after learning ==")
        for x, predicted, target in zip(X, answer(X), TARGET[:, 0], strict=True):
            print(f"Input: {x}, Predicted: {predicted:.4f}, Target: {target:.0f}")
    np.savetxt(out / "gradients.csv", np.c_[range(XOR_EPOCHS), sizes], "%.9e", ",")
    both = np.transpose([range(XOR_EPOCHS), neuron_losses, network_losses])
    np.savetxt(out / "losses.csv", both, "%.9e", ",", header="epoch,neuron,hidden", comments="")
    draw(out, networks, curves, sizes)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
