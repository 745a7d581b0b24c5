"""What happens after each epoch of a training: anything a function does, and early stopping."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from ..errors import OperandError
from ..nn.module import Module
from ..optim import Optimizer
from .history import History


@dataclass
class Run:
    """A training under way, as callbacks see it after an epoch."""

    model: Module
    optimizer: Optimizer
    history: History
    epochs: int

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.history)

    def stop(self, reason: str) -> None:
        """Make this epoch the last; the history's `stopped` gives the reason."""
        self.history.stopped = reason


class Callback:
    """What `te.train.fit` calls; a subclass defines what it needs.

    `state_dict` is kept in checkpoints: what a callback remembers must be in it (arrays, numbers,
    texts, in dicts and lists), or a resumed training is not the same.
    """

    def watching(self, run: Run) -> AbstractContextManager[Any]:
        """What is entered before the first epoch, and left after the last or with an error."""
        return nullcontext()

    def epoch_ended(self, run: Run) -> None:
        """Called after each epoch, validation included, before the checkpoint is written."""

    def finished(self, run: Run) -> None:
        """Called once after the last epoch."""

    def state_dict(self) -> dict[str, Any]:
        """What the callback remembers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remember again what `state_dict` gave."""


class Called(Callback):
    """A plain function of the run as a callback."""

    def __init__(self, function: Callable[[Run], Any]) -> None:
        self.function = function

    def epoch_ended(self, run: Run) -> None:
        """Call it."""
        self.function(run)


class EarlyStopping(Callback):
    """Stop when a number has not improved for `patience` epochs.

    `monitor` is a column of the history; by default the validation loss, or the training loss
    where nothing is validated. Losses are to fall, all else is to rise, by more than `least` to
    count. With `restore` the model gets back the weights of its best epoch at the end: save them
    with `te.train.save`, as a checkpoint goes on from the last epoch.
    Source: Prechelt 1998.
    """

    def __init__(
        self,
        patience: int = 10,
        *,
        monitor: str | None = None,
        least: float = 0.0,
        restore: bool = True,
    ) -> None:
        if not isinstance(patience, int) or patience < 1:
            raise OperandError(f"patience must be a whole number from 1 up, not {patience!r}")
        if not 0 <= least < math.inf:
            raise OperandError(f"least must be a number from 0 up, not {least!r}")
        self.patience = patience
        self.monitor = monitor
        self.least = least
        self.restore = restore
        self.best = math.inf
        self.best_epoch = 0
        self.weights: dict[str, Any] = {}

    def __repr__(self) -> str:
        options = ("patience", "monitor", "least", "restore")
        given = ", ".join(f"{name}={getattr(self, name)!r}" for name in options)
        return f"EarlyStopping({given})"

    def epoch_ended(self, run: Run) -> None:
        """Compare with the best epoch so far."""
        name = self.monitor or ("validation_loss" if "validation_loss" in run.history else "loss")
        number = run.history[name][-1]
        cost = number if name.endswith("loss") else -number
        if cost < self.best - self.least:
            self.best, self.best_epoch = cost, run.epoch
            self.weights = run.model.state_dict() if self.restore else {}
        elif run.epoch - self.best_epoch >= self.patience:
            run.stop(
                f"{name} has not improved for {self.patience} epochs; "
                f"the best was {abs(self.best):.4g} in epoch {self.best_epoch}"
            )

    def finished(self, run: Run) -> None:
        """Give the model its best weights."""
        if self.weights:
            run.model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """The best epoch, and its weights."""
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remember the best epoch again."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.weights = state["weights"]
