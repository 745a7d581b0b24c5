"""Derivatives judged by finite differences: values of the function decide, no rule is trusted.

A difference is taken over a ladder of halved steps and extrapolated (Richardson); the bar says
how far it may be off, from rounding and from the distance between neighbouring extrapolations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .engine.context import no_grad
from .engine.value import Value
from .errors import ShapeError
from .nn.module import Module

Verdict = Literal["agrees", "corner", "wrong"]

STEPS = 8
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Entry:
    """One gradient entry beside its finite difference.

    At a corner the slopes on the two sides differ, and any number between them is accepted.
    """

    name: str
    gradient: float
    slopes: tuple[float, float]
    bar: float
    verdict: Verdict

    @property
    def error(self) -> float:
        """How far the gradient lies outside the slopes; 0 between those of a corner."""
        low, high = min(self.slopes), max(self.slopes)
        return max(low - self.gradient, self.gradient - high, 0.0)

    def line(self) -> str:
        """The entry in one line."""
        low, high = self.slopes
        difference = f"{low: .10e}" if low == high else f"{low: .3e} | {high: .3e}"
        return f"{self.name:<24} {self.gradient: .10e}  {difference}  ±{self.bar:.1e}  {self.verdict}"


@dataclass(frozen=True)
class Report:
    """The verdicts on all entries of a model's gradient."""

    entries: tuple[Entry, ...]

    @property
    def ok(self) -> bool:
        """Whether no entry is wrong."""
        return not self.count("wrong")

    @property
    def worst(self) -> Entry:
        """The entry that is farthest off, compared with its bar."""
        return max(self.entries, key=lambda entry: entry.error / entry.bar)

    @property
    def largest_error(self) -> float:
        """The largest distance between a gradient and its finite difference."""
        return max(entry.error for entry in self.entries)

    def count(self, verdict: Verdict) -> int:
        """How many entries have this verdict."""
        return sum(entry.verdict == verdict for entry in self.entries)

    def table(self) -> str:
        """All entries: name, gradient, finite difference (two at a corner), its bar, verdict."""
        head = f"{'parameter':<24}  gradient          finite difference    bar       verdict"
        return "\n".join([head, *(entry.line() for entry in self.entries)])


def model(network: Module, loss: Callable[[Any, Any], Value], x: Any, y: Any) -> Report:
    """Check ∂loss(network(x), y)/∂p for every entry of every parameter p, in float64.

    Raises `ShapeError` if the network has no parameters.
    """
    parameters = dict(network.named_parameters())
    if not parameters:
        raise ShapeError("this model has no parameters to check")
    network.zero_grad()
    loss(network(x), y).backward()
    entries = []
    for name, parameter in parameters.items():
        data, gradient = parameter.data, parameter.grad
        for index in np.ndindex(np.shape(data)):

            def moved(
                shift: float, parameter: Value = parameter, index: tuple[int, ...] = index
            ) -> float:
                trial = np.array(data)
                trial[index] += shift
                parameter.rebind(trial)
                with no_grad():
                    return float(loss(network(x), y).data)

            label = f"{name}{list(index)}" if index else name
            rule = 0.0 if gradient is None else float(np.asarray(gradient)[index])
            entries.append(judged(label, rule, moved, max(abs(float(np.asarray(data)[index])), 0.1)))
        parameter.rebind(data)
    network.zero_grad()
    return Report(tuple(entries))


def judged(name: str, gradient: float, f: Callable[[float], float], scale: float) -> Entry:
    """The verdict on `gradient`, claimed to be df/dx at 0, for an x that varies over `scale`.

    A corner shows in the difference of the one-sided slopes: it tends to zero with the step
    where f is smooth, and to a constant at a corner.
    """
    centre = f(0.0)
    steps = [0.125 * scale / 2**k for k in range(STEPS)]
    sides = [(f(h), f(-h)) for h in steps]
    central = [(ahead - behind) / (2 * h) for h, (ahead, behind) in zip(steps, sides, strict=True)]
    jumps = [
        ((ahead - centre) - (centre - behind)) / h
        for h, (ahead, behind) in zip(steps, sides, strict=True)
    ]
    size = max(abs(centre), *(abs(value) for side in sides for value in side))
    rounding = [8 * EPSILON * size / h for h in steps]
    # The error of central differences has odd powers of the step too where f″ or f′ jumps.
    slope, bar = min(
        (extrapolated(central, rounding, powers) for powers in ((2, 4, 6, 8), (1, 2, 3, 4))),
        key=lambda estimate: estimate[1],
    )
    jump, jump_bar = extrapolated(jumps, rounding, (1, 3, 5, 7))
    if abs(jump) > 10 * jump_bar and abs(jump) > 1e-6 * abs(slope):
        slopes = (slope - jump / 2, slope + jump / 2)
        bar += jump_bar
        inside = min(slopes) - bar <= gradient <= max(slopes) + bar
        return Entry(name, gradient, slopes, bar, "corner" if inside else "wrong")
    verdict: Verdict = "agrees" if abs(gradient - slope) <= bar else "wrong"
    return Entry(name, gradient, (slope, slope), bar, verdict)


def extrapolated(
    differences: list[float], rounding: list[float], powers: tuple[int, ...]
) -> tuple[float, float]:
    """The limit of `differences` at steps halved each time, and its bar.

    `powers` are those of the step in their error; each column of the table removes one.
    """
    best, narrowest = differences[-1], float("inf")
    column, noise = differences, rounding
    for power in powers:
        factor = 2.0**power
        finer = [
            b + (b - a) / (factor - 1) for a, b in zip(column, column[1:], strict=False)
        ]
        noise = [
            (factor * b + a) / (factor - 1) for a, b in zip(noise, noise[1:], strict=False)
        ]
        for k in range(1, len(finer)):
            bar = 2 * abs(finer[k] - finer[k - 1]) + noise[k]
            if bar < narrowest:
                best, narrowest = finer[k], bar
        column = finer
    return best, narrowest
