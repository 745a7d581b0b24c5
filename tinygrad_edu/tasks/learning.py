"""How a task is learnt: the optimiser and the schedule by name, and one whole training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import optim, train
from ..engine.context import no_grad
from ..errors import OperandError, ShapeError, UnknownNameError
from ..nn import BatchNorm, Sequential
from ..optim import Schedule
from .layers import network
from .problems import TASKS, Array, Sets, Settings

# For these models and batches; the optimisers' own defaults suit larger ones.
RATES = {"gd": 0.2, "sgd": 0.2, "adagrad": 0.05, "rmsprop": 0.005, "adam": 0.01, "adamw": 0.01}

SCHEDULES: Mapping[str, Callable[[int], Schedule | None]] = {
    "cosine": optim.cosine,
    "step": lambda epochs: optim.step_decay(max(epochs // 3, 1), 0.2),
    "warm-up": lambda epochs: optim.warm_up(max(epochs // 10, 1)),
    "plateau": lambda epochs: optim.plateau(0.3, max(epochs // 20, 2)),
    "none": lambda epochs: None,
}


@dataclass(frozen=True)
class Learnt:
    """A model after training, and its loss and metrics on each part of the data.

    `best_epoch` is the one whose weights it has, where it may be stopped early.
    """

    seed: int
    model: Sequential
    history: train.History
    results: Mapping[str, Mapping[str, float]]
    best_epoch: int | None

    def logits(self, x: Array) -> Array:
        """What the model says to inputs."""
        with no_grad():
            return self.model(x).data  # type: ignore[no-any-return]


def make_model(settings: Settings, seed: int) -> Sequential:
    """The model. Raises `UnknownNameError` or `ShapeError` for layers that do not fit."""
    task = TASKS[settings.task]
    sequences = task.kind == "sums"
    return network(settings.layers, task.inputs, task.outputs, sequences=sequences, seed=seed)


def make_optimizer(settings: Settings, model: Sequential) -> optim.Optimizer:
    """The optimiser. Raises `UnknownNameError`, or `OperandError` for a decay it cannot do."""
    rule: Callable[..., optim.Optimizer] = optim.named(settings.optimizer)
    options = {"weight_decay": settings.weight_decay} if settings.optimizer != "gd" else {}
    if settings.weight_decay and not options:
        raise OperandError("gd has no weight decay; write --optimizer sgd")
    return rule(model.parameters(), lr=rate(settings), **options)


def rate(settings: Settings) -> float:
    """The learning rate, the optimiser's own where none is asked for."""
    return RATES[settings.optimizer] if settings.lr is None else settings.lr


def make_schedule(settings: Settings) -> Schedule | None:
    """The schedule. Raises `UnknownNameError`."""
    if settings.schedule not in SCHEDULES:
        *names, last = SCHEDULES
        raise UnknownNameError(
            f"no schedule {settings.schedule!r}; there is {', '.join(names)} and {last}"
        )
    return SCHEDULES[settings.schedule](settings.epochs)


def check_batch(settings: Settings, model: Sequential, sets: Sets) -> None:
    """Raise `ShapeError` where a batch of one row would be left for a BatchNorm."""
    x, _ = sets.training
    rows = len(x)

    def leaves_one(size: int) -> bool:
        return min(size, rows) == 1 or rows % size == 1

    # Each step of a sequence is a row to it.
    if x.ndim == 2 and leaves_one(settings.batch) and has_batchnorm(model):
        fitting = min(
            (size for size in range(2, rows + 1) if not leaves_one(size)),
            key=lambda size: abs(size - settings.batch),
        )
        raise ShapeError(
            f"batchnorm learns from batches of two rows or more, and of {rows} rows in batches of "
            f"{settings.batch} the last one has a single row; write --batch {fitting}"
        )


def has_batchnorm(model: Sequential) -> bool:
    """Whether it normalises over batches."""
    return any(isinstance(layer, BatchNorm) for layer in model.layers)


def learn(
    settings: Settings,
    seed: int,
    sets: Sets | None = None,
    tell: Callable[[train.Run], Any] = lambda run: None,
    checkpoint: Path | None = None,
) -> Learnt:
    """Train from one seed; `tell` is called after each epoch. Nothing is printed.

    `sets` are the task's data, if they are at hand. Raises `NonFiniteError` for a training that
    diverges.
    """
    task = TASKS[settings.task]
    sets = sets or task.sets()
    model = make_model(settings, seed)
    stopping = train.EarlyStopping(settings.patience) if settings.patience else None
    history = train.fit(
        model,
        sets.training,
        task.loss,
        make_optimizer(settings, model),
        epochs=settings.epochs,
        batch_size=settings.batch,
        seed=seed,
        callbacks=[*([stopping] if stopping else []), tell],
        validation=sets.validation,
        metrics=task.metrics,
        schedule=make_schedule(settings),
        clip_norm=settings.clip,
        checkpoint=checkpoint,
        resume=settings.resume and checkpoint is not None,
        compile=settings.compile,
        progress=False,
    )
    results = {
        name: train.evaluate(model, pair, task.loss, metrics=task.metrics, batch_size=8192)
        for name, pair in sets._asdict().items()
    }
    # Without a best one, where no validation loss is a number, the last weights stay.
    best = (stopping.best_epoch or len(history)) if stopping else None
    return Learnt(seed, model, history, results, best)
