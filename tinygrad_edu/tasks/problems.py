"""The tasks: their data, their loss, what counts as right, and settings that learn them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from .. import data
from ..engine.value import Value
from ..nn.losses import bce_with_logits, cross_entropy
from ..train import accuracy, binary_accuracy

Array = np.ndarray[Any, np.dtype[Any]]
Pair = tuple[Array, Array]
Metric = Callable[[Any, Any], float]

BITS = 8


@dataclass(frozen=True)
class Settings:
    """What the command was asked for.

    `lr` None is the optimiser's own, `clip` None no clipping, `patience` 0 no early stopping,
    `seeds` how many seeds to repeat over, 0 for none.
    """

    task: str
    layers: str
    epochs: int
    batch: int
    out: Path
    optimizer: str = "adam"
    lr: float | None = None
    schedule: str = "cosine"
    clip: float | None = None
    weight_decay: float = 0.0
    patience: int = 0
    seed: int = 0
    seeds: int = 0
    resume: bool = False
    compile: bool = False
    lang: str = "en"
    plots: bool = True


class Sets(NamedTuple):
    """Data to learn from, to watch while learning, and to judge by only once, at the end."""

    training: Pair
    validation: Pair
    test: Pair


@dataclass(frozen=True)
class Task:
    """What is to be learnt. `goal` is the share of right answers on the test data to reach.

    The first metric is the one that is judged; the data are the same for every seed.
    """

    kind: Literal["points", "images", "sums"]
    inputs: int
    outputs: int
    sets: Callable[[], Sets]
    loss: Callable[[Any, Any], Value]
    metrics: Mapping[str, Metric]
    goal: float
    defaults: Settings


def points(make: Callable[..., Pair], **options: Any) -> Callable[[], Sets]:
    """400 points to learn from, 200 to watch, 1,000 to judge by, each drawn anew."""
    return lambda: Sets(
        *(make(count, seed=seed, **options) for seed, count in enumerate((400, 200, 1000)))
    )


def images() -> Sets:
    """The digits: a fifth to judge by, a tenth of the rest to watch."""
    rest, test = data.digits(test_share=0.2, seed=0)
    training, validation = data.split(*rest, share=0.1, seed=0)
    return Sets(training, validation, test)


def sums() -> Sets:
    """2,000 random sums to learn from, 500 to watch, and all there are, these too, to judge by."""
    first, second = np.indices((2**BITS, 2**BITS)).reshape(2, -1)
    return Sets(
        data.adding_sequences(2000, bits=BITS, seed=0),
        data.adding_sequences(500, bits=BITS, seed=1),
        (
            np.stack([digits(first), digits(second)], axis=2),
            digits(first + second)[:, :, None],
        ),
    )


def digits(numbers: Array) -> Array:
    """Binary digits, the lowest first; shape (count, BITS + 1)."""
    return np.asarray(numbers[:, None] >> np.arange(BITS + 1) & 1, dtype=np.float64)


def right_sums(prediction: Any, target: Any) -> float:
    """The share of sums all of whose bits are right."""
    return float(np.all((prediction > 0) == (target > 0.5), axis=(1, 2)).mean())


right_side: Metric = partial(binary_accuracy, threshold=0.0)
POINTS: Mapping[str, Metric] = {"accuracy": right_side}
IMAGES: Mapping[str, Metric] = {"accuracy": accuracy}
SUMS: Mapping[str, Metric] = {"right_sums": right_sums, "right_bits": right_side}


def two_classes(sets: Callable[[], Sets], goal: float, name: str, layers: str, epochs: int) -> Task:
    """Points in the plane to tell apart."""
    return Task(
        "points",
        *(2, 1, sets, bce_with_logits, POINTS, goal),
        Settings(name, layers, epochs, batch=32, out=Path("runs") / name),
    )


TASKS: Mapping[str, Task] = {
    "moons": two_classes(points(data.moons, noise=0.15), 0.97, "moons", "16,relu,16,relu,1", 60),
    "circles": two_classes(
        points(data.circles, noise=0.1), 0.97, "circles", "16,relu,16,relu,1", 60
    ),
    "spirals": two_classes(points(data.spirals), 0.99, "spirals", "64,relu,64,relu,1", 200),
    "digits": Task(
        "images",
        *(64, 10, images, cross_entropy, IMAGES, 0.97),
        Settings("digits", "64,relu,10", 30, 32, Path("runs/digits")),
    ),
    "sequence": Task(
        "sums",
        *(2, 1, sums, bce_with_logits, SUMS, 1.0),
        Settings("sequence", "rnn:16,1", 30, 32, Path("runs/sequence")),
    ),
}
