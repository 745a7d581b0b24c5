"""micrograd's demo, a network of single numbers, written once and run with any ``Value`` class.

Network, loss and data follow the notebook ``demo.ipynb`` of https://github.com/karpathy/micrograd:
100 moons, a 2-16-16-1 relu network, a max-margin loss and L2 regularisation.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import DifferentResultError

VERIFIED_STEPS = 5
PASSES_PER_BLOCK = 4
RTOL = 1e-10


class Neuron:
    def __init__(self, value: Callable[[float], Any], rng: random.Random, nin: int, nonlin: bool):
        self.w = [value(rng.uniform(-1, 1)) for _ in range(nin)]
        self.b = value(0)
        self.nonlin = nonlin

    def __call__(self, x: Sequence[Any]) -> Any:
        act = sum((wi * xi for wi, xi in zip(self.w, x, strict=True)), self.b)
        return act.relu() if self.nonlin else act

    def parameters(self) -> list[Any]:
        return [*self.w, self.b]


class Network:
    """The demo's MLP. ``no_gradient`` is what a parameter's ``grad`` is before a backward pass."""

    def __init__(
        self, value: Callable[[float], Any], no_gradient: float | None, sizes: Sequence[int]
    ) -> None:
        rng = random.Random(1337)
        last = len(sizes) - 2
        self.layers = [
            [Neuron(value, rng, sizes[i], nonlin=i != last) for _ in range(sizes[i + 1])]
            for i in range(last + 1)
        ]
        self.value = value
        self.no_gradient = no_gradient

    def __call__(self, x: Sequence[Any]) -> Any:
        for layer in self.layers:
            x = [neuron(x) for neuron in layer]
        return x[0] if len(x) == 1 else x

    def parameters(self) -> list[Any]:
        return [p for layer in self.layers for neuron in layer for p in neuron.parameters()]

    def loss(self, x: NDArray[np.float64], y: NDArray[np.int64], alpha: float = 1e-4) -> Any:
        inputs = [list(map(self.value, row)) for row in x]
        scores = list(map(self, inputs))
        losses = [(1 + -yi * score).relu() for yi, score in zip(y, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        reg_loss = alpha * sum(p * p for p in self.parameters())
        return data_loss + reg_loss

    def forward_backward(self, x: NDArray[np.float64], y: NDArray[np.int64]) -> float:
        loss = self.loss(x, y)
        for p in self.parameters():
            p.grad = self.no_gradient
        loss.backward()
        return float(loss.data)

    def update(self, learning_rate: float = 0.1) -> None:
        for p in self.parameters():
            p.data = p.data - learning_rate * p.grad


def moons(
    count: int = 100, noise: float = 0.1, seed: int = 1337
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Two interleaved half circles, labelled -1 and 1, in random order."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, np.pi, count // 2)
    outer = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    order = rng.permutation(2 * len(angle))
    x = np.concatenate([outer, inner]) + rng.normal(0, noise, (2 * len(angle), 2))
    return x[order], np.repeat([-1, 1], len(angle))[order]


def all_nodes(root: Any, inputs: Callable[[Any], Sequence[Any]]) -> list[Any]:
    """Values that the graph of ``root`` holds; plain numbers among the inputs do not count."""
    seen = {id(root): root}
    todo = [root]
    while todo:
        for node in inputs(todo.pop()):
            if isinstance(node, type(root)) and id(node) not in seen:
                seen[id(node)] = node
                todo.append(node)
    return list(seen.values())


def verify(reference: Network, network: Network) -> None:
    """Compare loss and every gradient for some steps of training."""
    x, y = moons()
    for step in range(VERIFIED_STEPS):
        expected = reference.forward_backward(x, y)
        loss = network.forward_backward(x, y)
        if not abs(loss - expected) <= RTOL * abs(expected):
            raise DifferentResultError(f"step {step}: loss {loss}, micrograd {expected}")
        gradients, theirs = (
            np.array([p.grad for p in n.parameters()], dtype=np.float64)
            for n in (network, reference)
        )
        error = np.abs(gradients - theirs).max() / np.abs(theirs).max()
        if not error <= RTOL:
            raise DifferentResultError(f"step {step}: gradients are off by {error:.1e}")
        network.update()
        reference.update()


class _CollectorTime:
    """Seconds that Python's garbage collector has taken while installed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._start = 0.0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._start = perf_counter()
        else:
            self.seconds += perf_counter() - self._start


def _block(network: Network) -> tuple[float, float]:
    """Seconds of some passes, and the collector's seconds among them."""
    x, y = moons()
    # Nobody pays for what the other side has left. One pass that is not measured leaves to the
    # next the garbage that every pass of a training loop finds, and the last leaves as much.
    gc.collect()
    network.forward_backward(x, y)
    collector = _CollectorTime()
    gc.callbacks.append(collector)
    seconds = 0.0
    for _ in range(PASSES_PER_BLOCK):
        start = perf_counter()
        network.forward_backward(x, y)
        seconds += perf_counter() - start
        network.update()
    gc.callbacks.remove(collector)
    return seconds, collector.seconds


@dataclass(frozen=True)
class Comparison:
    """Medians over blocks: how many times faster, and each side's share of collector time."""

    times_faster: float
    times_faster_without_collector: float
    reference_collector_share: float
    collector_share: float


def compare(reference: Network, network: Network, blocks: int) -> Comparison:
    """Time blocks of forward and backward passes in turn, each with its own collections."""
    times = [(*_block(reference), *_block(network)) for _ in range(blocks)]
    return Comparison(
        median(a / b for a, _, b, _ in times),
        median((a - a_gc) / (b - b_gc) for a, a_gc, b, b_gc in times),
        median(a_gc / a for a, a_gc, _, _ in times),
        median(b_gc / b for _, _, b, b_gc in times),
    )
