"""The network that is looked at: its data, its layers, one training that is listened to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import data, flow, optim
from ..activations import ACTIVATIONS
from ..engine.value import Value
from ..errors import NonFiniteError, ShapeError, UnknownNameError, closest
from ..flow import Diagnosis, Flow, Remedies, Theory, surgery
from ..flow.remedies import LEARNT, Experiment, guessed
from ..nn import MLP, BatchNorm, LayerNorm, Module, init
from ..nn.losses import bce_with_logits, cross_entropy
from ..train import Run, accuracy, binary_accuracy, evaluate, fit

Array = np.ndarray[Any, np.dtype[Any]]
Pair = tuple[Array, Array]

# For deep networks of these widths; the optimisers' own defaults suit other ones.
RATES = {"gd": 0.1, "sgd": 0.1, "adagrad": 0.01, "rmsprop": 0.001, "adam": 0.003, "adamw": 0.003}
NORMS = {"batchnorm": BatchNorm, "layernorm": LayerNorm}
SHORT = {name: f"{name}_normal" for name in ("xavier", "he", "lecun")}
AUTO = "auto"
ROWS = 300
DEEPEST, WIDEST = 200, 1000


@dataclass(frozen=True)
class Settings:
    """What the command was asked for.

    `init` "auto" is what the activation's card advises, `lr` None what suits the optimiser,
    `workers` None as many processes as there are processors, `sweep` empty for none.
    """

    depth: int = 10
    width: int = 64
    activation: str = "sigmoid"
    init: str = AUTO
    task: str = "spirals"
    normalise: str = ""
    residual: bool = False
    optimizer: str = "sgd"
    lr: float | None = None
    epochs: int = 100
    batch: int = 32
    seed: int = 0
    remedy: bool = False
    everything: bool = False
    seeds: int = 5
    sweep: str = ""
    workers: int | None = None
    out: Path = Path("runs/flow")
    lang: str = "en"
    plots: bool = True

    @property
    def rate(self) -> float:
        """The learning rate."""
        return RATES[self.optimizer] if self.lr is None else self.lr

    @property
    def weights(self) -> str:
        """The name of the initialiser."""
        if self.init == AUTO:
            return getattr(ACTIVATIONS[self.activation], "initialiser", "xavier_normal")
        return initialiser(self.init)


@dataclass(frozen=True)
class Task:
    """Points to tell apart."""

    make: Callable[[], Pair]
    outputs: int
    loss: Callable[[Any, Any], Value]
    right: Callable[[Any, Any], float]


def blobs() -> Pair:
    """Three clouds, their coordinates of mean 0 and standard deviation 1."""
    x, y = data.blobs(ROWS, seed=0)
    return (x - x.mean(axis=0)) / x.std(axis=0), y


def two_classes(make: Callable[..., Pair], **options: Any) -> Task:
    """A task with targets 0 and 1."""
    right = partial(binary_accuracy, threshold=0.0)
    return Task(partial(make, ROWS, seed=0, **options), 1, bce_with_logits, right)


TASKS: Mapping[str, Task] = {
    "spirals": two_classes(data.spirals),
    "moons": two_classes(data.moons),
    "circles": two_classes(data.circles),
    "blobs": Task(blobs, 3, cross_entropy, accuracy),
}


def initialiser(name: str) -> str:
    """The full name. Raises `UnknownNameError` for one that does not exist."""
    if name == AUTO:
        return name
    full = SHORT.get(name, name)
    init.named(full)
    return full


def one_of(what: str, name: str, known: Mapping[str, Any]) -> str:
    """The name. Raises `UnknownNameError` that names the closest ones."""
    if name not in known:
        raise UnknownNameError(f"no {what} {name!r}; there is {closest(name, known)}")
    return name


def check(settings: Settings) -> None:
    """Raise `UnknownNameError`, `ShapeError` or `OperandError` for what cannot be meant."""
    one_of("task", settings.task, TASKS)
    optim.named(settings.optimizer)
    if settings.normalise:
        one_of("normalisation", settings.normalise, NORMS)
    size = min(settings.batch, ROWS)
    if (settings.normalise == "batchnorm" or settings.remedy) and (size == 1 or ROWS % size == 1):
        fitting = 2 if size == 1 else size - 1
        raise ShapeError(
            f"BatchNorm learns from batches of two rows or more, and of {ROWS} rows in batches of "
            f"{settings.batch} one has a single row; write --batch {fitting}"
        )
    make_model(settings, settings.seed)


def make_model(settings: Settings, seed: int) -> Module:
    """The network, `depth` hidden layers of `width`."""
    outputs = TASKS[settings.task].outputs
    widths = [2, *[settings.width] * settings.depth, outputs]
    model: Module = MLP(widths, settings.activation, init=settings.weights, seed=seed)
    if settings.normalise:
        model = surgery.normalised(NORMS[settings.normalise])(model, seed) or model
    if settings.residual:
        model = surgery.shortcuts(model, seed) or model
    return model


def make_optimizer(settings: Settings) -> Callable[[list[Value]], optim.Optimizer]:
    """What takes parameters and gives the optimiser; it can be sent to another process."""
    return partial(optim.named(settings.optimizer), lr=settings.rate)


@dataclass(frozen=True)
class Looked:
    """A training and what was seen of it.

    `loss` is that of the trained model on all data, `right` its share of right answers, `guessing`
    what the same answer for every row costs; `error` says why it ended early. `theory` is of the
    first weights, None for a model that it does not know.
    """

    settings: Settings
    flow: Flow
    losses: tuple[float, ...]
    loss: float
    right: float
    guessing: float
    diagnosis: Diagnosis
    theory: Theory | None
    error: str

    @property
    def learnt(self) -> bool:
        """Whether the loss is at most half of what guessing costs, as for a remedy."""
        return not self.error and self.loss <= LEARNT * self.guessing

    @property
    def state(self) -> str:
        """Whether it is "learnt", "learning" or "failed"."""
        if self.learnt:
            return "learnt"
        return "failed" if self.error or self.diagnosis.learning.failed else "learning"


def look(settings: Settings, tell: Callable[[Run], Any] = lambda run: None) -> Looked:
    """Train once and measure; a training that diverges is measured as far as it came."""
    task = TASKS[settings.task]
    x, y = task.make()
    model = make_model(settings, settings.seed)
    try:
        rows = None if settings.normalise != "batchnorm" else min(settings.batch, ROWS)
        predicted = flow.theory(model, x=x, batch=rows)
    except (TypeError, ValueError):  # softmax between the layers, say
        predicted = None
    tracker, error = flow.Tracker(), ""
    try:
        history = fit(
            model,
            (x, y),
            task.loss,
            make_optimizer(settings)(model.parameters()),
            epochs=settings.epochs,
            batch_size=settings.batch,
            seed=settings.seed,
            callbacks=[tracker, tell],
            progress=False,
        )
    except NonFiniteError as ended:
        history, error = ended.history, str(ended)
    losses = tuple(history.losses) if history else ()
    cost, right = math.nan, math.nan
    if not error:
        found = evaluate(model, (x, y), task.loss, metrics={"right": task.right})
        cost, right = found["loss"], found["right"]
    guessing = guessed(make_model(settings, settings.seed), (x, y), task.loss)
    learnt = True if cost <= LEARNT * guessing else None if not error else False
    return Looked(
        settings,
        tracker.flow,
        losses,
        cost,
        right,
        guessing,
        flow.diagnose(tracker.flow, learnt=learnt),
        predicted,
        error,
    )


def remedies(settings: Settings, executor: Executor | None, terminal: Any) -> Remedies:
    """The same training with one remedy after the other."""
    task = TASKS[settings.task]
    return flow.try_remedies(
        partial(make_model, settings),
        task.make(),
        task.loss,
        make_optimizer(settings),
        range(settings.seed, settings.seed + settings.seeds),
        epochs=settings.epochs,
        batch_size=settings.batch,
        everything=settings.everything,
        executor=executor,
        progress=terminal,
    )


def trial(settings: Settings) -> dict[str, float]:
    """One training as a cell of a sweep."""
    task = TASKS[settings.task]
    experiment = Experiment(
        partial(make_model, settings),
        task.make(),
        task.loss,
        make_optimizer(settings),
        settings.epochs,
        settings.batch,
        10,
        None,
    )
    found = experiment.run("before", settings.seed)
    assert found is not None
    return {"ratio": found.ratio, "learnt": float(found.learnt), "loss": found.loss}
