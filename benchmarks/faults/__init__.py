"""How often `te.flow.diagnose` is right: small networks with one planted illness, and healthy ones.

`judging.py` makes those that it is judged by; whoever changes the diagnosis does not look there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_edu as te
from tinygrad_edu.errors import NonFiniteError

Array = np.ndarray[Any, np.dtype[Any]]

HEALTHY = "healthy"


@dataclass
class Setting:
    """Everything of a training that has not begun."""

    model: te.nn.Module
    data: tuple[Array, Array]
    loss: Callable[[Any, Any], te.Value]
    make_optimizer: Callable[[list[te.Value]], te.optim.Optimizer]
    epochs: int
    batch_size: int | None = None
    schedule: te.optim.Schedule | None = None

    def train(self, *callbacks: te.train.Callback) -> bool:
        """Train; whether all numbers stayed finite."""
        try:
            with np.errstate(all="ignore"):
                te.train.fit(
                    self.model,
                    self.data,
                    self.loss,
                    self.make_optimizer(self.model.parameters()),
                    epochs=self.epochs,
                    batch_size=self.batch_size,
                    callbacks=callbacks,
                    schedule=self.schedule,
                    progress=False,
                )
        except NonFiniteError:
            return False
        return True


@dataclass(frozen=True)
class Case:
    """A training, what is wrong with it, and what else can honestly be said to be wrong."""

    name: str
    kind: str
    """`HEALTHY` or one of the diagnosis's kinds."""
    also: frozenset[str]
    make: Callable[[int], Setting]


def examine(case: Case, seed: int) -> te.flow.Diagnosis:
    """What is said of a case after its training, by someone who has seen that alone."""
    tracker = te.flow.Tracker(every=10)
    case.make(seed).train(tracker)
    return te.flow.diagnose(tracker.flow)
