"""The two networks, and how they learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import data, optim
from ..compile.compiled import compile
from ..engine.context import no_grad
from ..engine.value import Value
from ..nn.layers import MLP, side_by_side
from ..nn.losses import mse
from ..terminal import Terminal

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Settings:
    """What the command was asked for. `seeds` is how many seeds to repeat over, 0 for none."""

    hidden: int = 8
    activation: str = "tanh"
    optimizer: str = "sgd"
    epochs: int = 10_000
    lr: float = 0.1
    seed: int = 0
    seeds: int = 0
    compile: bool = False
    out: Path = Path("runs/xor")
    lang: str = "en"
    plots: bool = True


@dataclass(frozen=True)
class Learnt:
    """A network after training: its loss at each epoch and its answers to the four inputs."""

    name: str
    network: MLP
    losses: list[float]
    answers: Array
    targets: Array

    @property
    def right(self) -> Array:
        """Which answers are on the right side of 0.5."""
        return right(self.answers, self.targets)

    def __call__(self, points: Array) -> Array:
        """The answers to points of shape (n, 2), of shape (n,)."""
        with no_grad():
            return self.network(points).data[:, 0]  # type: ignore[no-any-return]


def right(answers: Array, targets: Array) -> Array:
    """Which answers are on the right side of 0.5; NaN is on neither."""
    return np.where(targets > 0.5, answers > 0.5, answers <= 0.5)


def neuron(seed: int) -> MLP:
    """The article's network: one sigmoid neuron, weights and bias drawn from N(0, 1)."""
    generator = np.random.default_rng(seed)
    network = MLP(
        [2, 1], output="sigmoid", init=lambda shape, g: g.standard_normal(shape), seed=generator
    )
    network.layers[0].bias = Value([generator.standard_normal()], name="bias")
    return network


def hidden_network(settings: Settings, seed: int) -> MLP:
    """The one change: a hidden layer, its weights drawn by Xavier's rule."""
    widths = [2, settings.hidden, 1]
    return MLP(widths, settings.activation, "sigmoid", init="xavier_normal", seed=seed)


def make_optimizer(settings: Settings, network: MLP) -> optim.Optimizer:
    """The optimiser by name. Raises `UnknownNameError`."""
    return optim.named(settings.optimizer)(network.parameters(), lr=settings.lr)


def every(epochs: int) -> int:
    """The article prints every thousandth epoch; shorter runs print ten times too."""
    return min(1000, max(epochs // 10, 1))


def stepping(
    loss: Callable[[Array, Array], Value], optimizer: optim.Optimizer, *, compiled: bool
) -> Callable[[Array, Array], Value]:
    """One step of training as a function that returns the loss before it."""
    if compiled:
        return compile(loss, optimizer)

    def step(x: Array, y: Array) -> Value:
        found = loss(x, y)
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
        return found

    return step


def learn(
    name: str, network: MLP, settings: Settings, terminal: Terminal, *, measured: bool = False
) -> Learnt:
    """The article's training: mean squared error over all four points, one step an epoch.

    Steps that are `measured` run uncompiled.
    """

    def loss(x: Array, y: Array) -> Value:
        return mse(network(x), y)

    compiled = settings.compile and not measured
    step = stepping(loss, make_optimizer(settings, network), compiled=compiled)
    x, y = data.xor()
    losses = []
    with terminal.progress(name, settings.epochs) as advance:
        for epoch in range(settings.epochs):
            losses.append(step(x, y).item())
            if epoch % every(settings.epochs) == 0:
                terminal.say(f"Epoch {epoch}, Loss: {losses[-1]:.4f}")
                advance(epoch)
    with no_grad():
        answers = network(x).data[:, 0]
    return Learnt(name, network, losses, answers, y[:, 0])


def learn_all(name: str, networks: Sequence[MLP], settings: Settings, terminal: Terminal) -> Array:
    """Train networks of one shape side by side; answers of shape (networks, 4, 1)."""
    together = side_by_side(networks)

    def loss(x: Array, y: Array) -> Value:
        return mse(together(x), y) * len(networks)

    step = stepping(loss, make_optimizer(settings, together), compiled=settings.compile)
    x, y = data.xor()
    targets = np.broadcast_to(y, (len(networks), *y.shape))
    with terminal.progress(name, settings.epochs) as advance:
        for epoch in range(settings.epochs):
            step(x, targets)
            if epoch % 100 == 0:
                advance(epoch)
    with no_grad():
        return together(x).data  # type: ignore[no-any-return]
