"""The training steps that are measured: networks, data and starting weights, the same for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[np.floating[Any]]
Batch = tuple[Array, Array]

XOR_EPOCHS = 10_000


@dataclass(frozen=True)
class Work:
    """One network and its step: forward, backward, SGD with mean squared error.

    ``rtol`` bounds the difference of two correct programs, relative to the largest entry of an
    array. Where the same products are summed in the same precision they differ by rounding only:
    about sqrt(784) sums of 1.2e-7 in float32, 20 steps, and the rare unit whose pre-activation is
    zero but for rounding, which relu may then pass or stop.
    """

    name: str
    sizes: tuple[int, ...]
    activation: str
    output: str | None
    batch_size: int
    dtype: DTypeLike
    learning_rate: float
    rtol: float
    bar: float


WORKS = {
    work.name: work
    for work in (
        Work("xor", (2, 8, 1), "tanh", "sigmoid", 4, np.float64, 0.1, 1e-10, 2.4),
        Work("deep", (32,) * 51, "tanh", "tanh", 64, np.float64, 0.1, 1e-10, 1.9),
        Work("small", (64, 128, 64, 10), "relu", None, 128, np.float32, 0.1, 1e-4, 1.5),
        Work("wide", (784, 512, 512, 10), "relu", None, 256, np.float32, 0.1, 1e-4, 1.2),
    )
}


class Side(Protocol):
    """One program's model and optimiser. ``step`` returns the loss before the update."""

    def prepare(self, array: Array) -> Any: ...

    def step(self, x: Any, target: Any) -> Any: ...

    def parameters(self) -> list[Array]: ...


def initial_parameters(work: Work, seed: int = 0) -> list[Array]:
    """Weights (inputs, outputs) and biases, layer after layer: He for relu, Xavier for tanh."""
    rng = np.random.default_rng(seed)
    parameters: list[Array] = []
    for fan_in, fan_out in zip(work.sizes[:-1], work.sizes[1:], strict=True):
        variance = 2 / fan_in if work.activation == "relu" else 2 / (fan_in + fan_out)
        parameters.append(rng.normal(0, variance**0.5, (fan_in, fan_out)).astype(work.dtype))
        parameters.append(rng.normal(0, 0.1, fan_out).astype(work.dtype))
    return parameters


def make_batches(work: Work, count: int = 16, seed: int = 1) -> list[Batch]:
    """Different batches, so that no step can reuse the work of the one before."""
    rng = np.random.default_rng(seed)
    batches: list[Batch] = []
    for _ in range(count):
        if work.name == "xor":
            corners = rng.permutation([[0, 0], [0, 1], [1, 0], [1, 1]])
            target = corners[:, :1] ^ corners[:, 1:]
            x = corners + rng.normal(0, 0.05, corners.shape)
        else:
            x = rng.normal(0, 1, (work.batch_size, work.sizes[0]))
            target = rng.uniform(-0.5, 0.5, (work.batch_size, work.sizes[-1]))
        batches.append((x.astype(work.dtype), target.astype(work.dtype)))
    return batches
