"""Schedules: what the learning rate is multiplied by, as a pure function of time and losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import OperandError
from .base import fraction, not_negative, positive

Schedule = Callable[[float, Sequence[float]], float]
"""`schedule(epoch, losses)` is the factor of the rate in epoch `epoch`, counted from 0.

`losses` are those of the epochs before. A fraction of an epoch is allowed: 2.5 is in the middle of
the third. Nothing is remembered from call to call, so a training can go on where it stopped.
"""

# Small letters: they are called and read as the functions that they are.


@dataclass(frozen=True)
class step_decay:
    """The factor `factor` more after every `every` epochs: factor^⌊epoch / every⌋.

    `factor` in [0, 1). Raises `OperandError`. Source: PyTorch's StepLR.
    """

    every: float
    factor: float = 0.1

    def __post_init__(self) -> None:
        positive("every", self.every)
        fraction("factor", self.factor)

    def __call__(self, epoch: float, losses: Sequence[float] = ()) -> float:
        """The factor in `epoch`."""
        return self.factor ** int(epoch // self.every)


@dataclass(frozen=True)
class cosine:
    """Down from 1 to `floor` along half a cosine in `epochs` epochs; `floor` from then on.

    `floor` in [0, 1). Raises `OperandError`.
    Source: Loshchilov and Hutter 2017, equation 5, without restarts.
    """

    epochs: float
    floor: float = 0.0

    def __post_init__(self) -> None:
        positive("epochs", self.epochs)
        fraction("floor", self.floor)

    def __call__(self, epoch: float, losses: Sequence[float] = ()) -> float:
        """The factor in `epoch`."""
        done = min(epoch / self.epochs, 1.0)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True)
class warm_up:
    """Up from `start` to 1 along a line in `epochs` epochs, then as `then` says, or 1.

    `then` is another schedule, whose epoch 0 is where the line ends: `warm_up(5, cosine(95))`.
    `start` in [0, 1). Raises `OperandError`.
    Source: Goyal et al. 2017, section 2.2; `start` is that of PyTorch's LinearLR.
    """

    epochs: float
    then: Schedule | None = None
    start: float = 1 / 3

    def __post_init__(self) -> None:
        positive("epochs", self.epochs)
        fraction("start", self.start)
        if self.then is not None and not callable(self.then):
            raise OperandError(
                f"then must be a schedule such as cosine(95) or None, not {self.then!r}"
            )

    def __call__(self, epoch: float, losses: Sequence[float] = ()) -> float:
        """The factor in `epoch`."""
        if epoch < self.epochs:
            return self.start + (1 - self.start) * epoch / self.epochs
        if self.then is None:
            return 1.0
        return self.then(epoch - self.epochs, losses[math.ceil(self.epochs) :])


@dataclass(frozen=True)
class plateau:
    """The factor `factor` more whenever the loss has not fallen for over `patience` epochs.

    It has fallen where it is below the least so far by `threshold` of that. `floor` is the least
    factor. The factor is worked out from all the losses before `epoch`, the validation losses for
    example, each time. `factor`, `threshold` and `floor` in [0, 1). Raises `OperandError`.
    Source: PyTorch's ReduceLROnPlateau.
    """

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    floor: float = 0.0

    def __post_init__(self) -> None:
        for name in ("factor", "threshold", "floor"):
            fraction(name, getattr(self, name))
        not_negative("patience", self.patience)

    def __call__(self, epoch: float, losses: Sequence[float]) -> float:
        """The factor in `epoch`."""
        least, waited, factor = math.inf, 0, 1.0
        for loss in losses[: int(epoch)]:
            if loss < least - self.threshold * abs(least) or least == math.inf > loss:
                least, waited = loss, 0
            else:
                waited += 1
            if waited > self.patience:
                factor, waited = max(self.factor * factor, self.floor), 0
        return factor
