"""What ``tinygrad-edu xor`` does, its training by hand in NumPy: ``-m benchmarks.xor_by_hand OUT``.

The same gradient check, the same two networks, the same 10,000 epochs, every gradient's size in
every epoch, and the same pictures by the package's own drawing functions.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinygrad_edu as te
from benchmarks.hand_written import xor_gradients
from benchmarks.works import XOR_EPOCHS
from tinygrad_edu.draw import graph, training

Array = NDArray[np.float64]

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float64)
TARGET = np.array([[0], [1], [1], [0]], dtype=np.float64)
RATE = 0.1


@dataclass
class Run:
    """A trained network, its losses, and per layer the rms of its gradients, by epoch."""

    network: Callable[[Array], Array]
    losses: list[float]
    deltas: dict[str, list[float]]
    weight_gradients: dict[str, list[float]]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def rms(array: Array) -> float:
    return math.sqrt(np.vdot(array, array) / array.size)


def train_neuron(rng: np.random.Generator) -> Run:
    """The article's single sigmoid neuron."""
    w, b = rng.standard_normal((2, 1)), rng.standard_normal(1)
    run = Run(lambda x: sigmoid(x @ w + b)[:, 0], [], {"neuron": []}, {"neuron": []})
    for epoch in range(XOR_EPOCHS):
        output = sigmoid(X @ w + b)
        error = output - TARGET
        loss = (error * error).mean()
        delta = error * output
        delta *= 1 - output
        delta *= 2 / error.size
        dw = X.T @ delta
        run.losses.append(loss)
        run.deltas["neuron"].append(rms(delta))
        run.weight_gradients["neuron"].append(rms(dw))
        w -= RATE * dw
        b -= RATE * delta.sum(axis=0)
        if epoch % 1000 == 0:
            print(f"Epoch {epoch}, Loss: {loss:.4f}")
    return run


def train_hidden(w1: Array, b1: Array, w2: Array, b2: Array) -> Run:
    """Eight tanh units before the sigmoid."""
    run = Run(
        lambda x: sigmoid(np.tanh(x @ w1 + b1) @ w2 + b2)[:, 0],
        [],
        {"hidden": [], "output": []},
        {"hidden": [], "output": []},
    )
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
        run.losses.append(loss)
        run.deltas["hidden"].append(rms(delta1))
        run.deltas["output"].append(rms(delta2))
        run.weight_gradients["hidden"].append(rms(dw1))
        run.weight_gradients["output"].append(rms(dw2))
        w1 -= RATE * dw1
        b1 -= RATE * delta1.sum(axis=0)
        w2 -= RATE * dw2
        b2 -= RATE * delta2.sum(axis=0)
        if epoch % 1000 == 0:
            print(f"Epoch {epoch}, Loss: {loss:.4f}")
    return run


def check_gradients(parameters: list[Array]) -> float:
    """The largest error of the hidden network's gradients against central differences."""
    step = 1e-6
    worst = 0.0
    _, gradients = xor_gradients(parameters, X, TARGET)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        for index in np.ndindex(parameter.shape):
            kept = parameter[index]
            losses = []
            for moved in (kept + step, kept - step):
                parameter[index] = moved
                losses.append(xor_gradients(parameters, X, TARGET)[0])
            parameter[index] = kept
            difference = (losses[0] - losses[1]) / (2 * step)
            worst = max(worst, float(abs(difference - gradient[index])))
    return worst


def write_gradients(path: Path, runs: dict[str, Run]) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["network", "epoch", "layer", "rms_delta", "rms_weight_gradient"])
        for name, run in runs.items():
            for layer, deltas in run.deltas.items():
                sizes = zip(deltas, run.weight_gradients[layer], strict=True)
                table.writerows((name, epoch, layer, *both) for epoch, both in enumerate(sizes))


def neuron_graph(rng: np.random.Generator, x: Array, target: Array) -> te.Value:
    """The loss of one neuron, differentiated: only the package can draw its graph."""
    w, b = te.Value(rng.standard_normal((2, 1)), "w"), te.Value(rng.standard_normal(1), "b")
    loss = te.nn.losses.mse(te.activations.sigmoid(x @ w + b), target)
    loss.backward()
    return loss


def draw(out: Path, runs: dict[str, Run], rng: np.random.Generator) -> None:
    networks = {name: run.network for name, run in runs.items()}
    hidden = runs["8 tanh units"].deltas
    figures: Iterable[tuple[str, Any]] = (
        ("losses", training.losses({name: run.losses for name, run in runs.items()})),
        ("surfaces", training.surfaces(networks, X, TARGET[:, 0])),
        ("regions", training.regions(networks, X, TARGET[:, 0])),
        ("gradients", training.gradient_magnitudes(np.arange(XOR_EPOCHS), hidden)),
    )
    for name, figure in figures:
        figure.savefig(out / f"{name}.png", dpi=150)
    for name, rows in (("graph", slice(1, 2)), ("graph_batch", slice(None))):
        picture = graph.graph(neuron_graph(rng, X[rows], TARGET[rows]))
        picture.save(out / f"{name}.dot")
        try:
            picture.save(out / f"{name}.svg")
        except te.errors.RenderingError:
            print("no renderer for graphs is installed")


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    parameters = [
        rng.normal(0, math.sqrt(2 / 10), (2, 8)),
        np.zeros(8),
        rng.normal(0, math.sqrt(2 / 9), (8, 1)),
        np.zeros(1),
    ]
    print(f"worst error of 33 gradients: {check_gradients(parameters):.1e}")
    runs = {"one neuron": train_neuron(rng), "8 tanh units": train_hidden(*parameters)}
    for name, run in runs.items():
        print(f"== {name}: prediction after learning ==")
        for x, predicted, target in zip(X, run.network(X), TARGET[:, 0], strict=True):
            print(f"Input: {x}, Predicted: {predicted:.4f}, Target: {target:.0f}")
    write_gradients(out / "gradients.csv", runs)
    draw(out, runs, rng)
    if not (runs["8 tanh units"].losses[-1] < 1e-3 < 0.2 < runs["one neuron"].losses[-1]):
        sys.exit("the training by hand went wrong")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
