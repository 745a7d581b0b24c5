"""Test functions of two variables with published minima, and the way an optimiser takes down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.value import Operand, Value
from .base import Optimizer
from .schedules import Schedule

Array = np.ndarray[Any, np.dtype[Any]]
Pair = tuple[float, float]


@dataclass(frozen=True)
class Landscape:
    """A height over the plane; call it with a point of shape (2, ...): an array or a Value."""

    name: str
    height: Callable[[Any, Any], Any]
    minimum: Pair
    """Where it is lowest; its height there is 0."""
    start: Pair
    """Where optimisers are usually started."""
    window: tuple[Pair, Pair]
    """The stretches of x and y worth looking at."""

    def __call__(self, point: Any) -> Any:
        """The height at the point."""
        return self.height(point[0], point[1])


rosenbrock = Landscape(
    "Rosenbrock",
    lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
    minimum=(1.0, 1.0),
    start=(-1.2, 1.0),
    window=((-1.7, 1.7), (-0.6, 2.2)),
)
"""A bent valley, steep across and nearly flat along. Source: Rosenbrock 1960, equation 30."""

beale = Landscape(
    "Beale",
    lambda x, y: (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2,
    minimum=(3.0, 0.5),
    start=(1.0, 1.0),
    window=((-0.3, 4.2), (-2.0, 1.6)),
)
"""A plateau with steep walls. Source: Beale 1958; Moré, Garbow and Hillstrom 1981, problem 5."""

rastrigin = Landscape(
    "Rastrigin",
    lambda x, y: 20 + x**2 - 10 * np.cos(2 * np.pi * x) + y**2 - 10 * np.cos(2 * np.pi * y),
    minimum=(0.0, 0.0),
    start=(0.4, -0.3),
    window=((-2.6, 2.6), (-2.6, 2.6)),
)
"""A bowl full of dips, one at nearly every pair of whole numbers: a way down ends in the dip where
it starts. Source: Rastrigin 1974; Mühlenbein, Schomisch and Born 1991, equation 15."""


def descend(
    function: Callable[[Value], Value],
    start: Operand,
    optimizer: Callable[[list[Value]], Optimizer],
    steps: int,
    schedule: Schedule | None = None,
) -> Array:
    """The points that `steps` steps lead through from `start`, shape (steps + 1, *start.shape).

    `optimizer` makes one from a list of parameters: `te.optim.Adam`, or
    `lambda params: te.optim.Adam(params, lr=0.1)`; `schedule` takes each step for an epoch. For
    many starts side by side `start` has shape (2, n): their heights are added up.
    """
    point = Value(start, name="point")
    rule = optimizer([point])
    path: list[Array] = [point.data]
    heights: list[float] = []
    for step in range(steps):
        if schedule is not None:
            rule.scale(schedule(step, heights))
        rule.zero_grad()
        height = np.sum(function(point))
        heights.append(height.item())
        height.backward()
        rule.step()
        path.append(point.data)
    return np.array(path)
