"""Derivatives judged by finite differences: values of the function decide, no rule is trusted.

Differences are taken over a ladder of halved steps and extrapolated (Richardson), on each side and
for both together; a bar says how far the limit may be off, from rounding and from the distance
between neighbouring extrapolations.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .engine.context import no_grad
from .engine.value import Value
from .errors import ShapeError
from .nn.module import Module

Verdict = Literal["agrees", "corner", "wrong"]

STEPS = (8, 24)
HEARD = 8  # of the steps added last, those whose bends are taken for rounding
EPSILON = float(np.finfo(np.float64).eps)
TINY = float(np.finfo(np.float64).tiny)


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
        """How far the gradient lies outside the slopes; 0 between those of a corner, ∞ for NaN."""
        low, high = min(self.slopes), max(self.slopes)
        error = max(low - self.gradient, self.gradient - high, 0.0)
        return math.inf if math.isnan(error) else error

    def line(self) -> str:
        """The entry in one line."""
        low, high = self.slopes
        difference = f"{low: .10e}" if low == high else f"{low: .3e} | {high: .3e}"
        return (
            f"{self.name:<24} {self.gradient: .10e}  {difference}  ±{self.bar:.1e}  {self.verdict}"
        )


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
        """The entry that is farthest off, compared with its bar; a wrong one if there is any."""
        return max(
            self.entries, key=lambda entry: (entry.verdict == "wrong", entry.error / entry.bar)
        )

    @property
    def largest_error(self) -> float:
        """The largest distance between a gradient and its finite difference."""
        return max(entry.error for entry in self.entries)

    def count(self, verdict: Verdict) -> int:
        """How many entries have this verdict."""
        return sum(entry.verdict == verdict for entry in self.entries)

    def __str__(self) -> str:
        return self.table()

    def table(self) -> str:
        """All entries: name, gradient, finite difference (two at a corner), its bar, verdict."""
        head = f"{'parameter':<24}  gradient          finite difference    bar       verdict"
        return "\n".join([head, *(entry.line() for entry in self.entries)])


def model(network: Module, loss: Callable[[Any, Any], Value], x: Any, y: Any) -> Report:
    """Check ∂loss(network(x), y)/∂p for every entry of every parameter p, in float64.

    The parameters are as before afterwards, without gradients. Raises `ShapeError` if the network
    has no parameters.
    """
    parameters = dict(network.named_parameters())
    if not parameters:
        raise ShapeError("this model has no parameters to check")
    kept = [parameter.data for parameter in parameters.values()]
    entries = []
    try:
        network.zero_grad()
        for parameter in parameters.values():
            parameter.rebind(parameter.data.astype(np.float64))
        loss(network(x), y).backward()
        for name, parameter in parameters.items():
            data, gradient = parameter.data, parameter.grad
            for index in np.ndindex(np.shape(data)):
                home = float(np.asarray(data)[index])

                def moved(
                    shift: float,
                    parameter: Value = parameter,
                    index: tuple[int, ...] = index,
                    home: float = home,
                ) -> float:
                    trial = np.array(parameter.data)
                    trial[index] = home + shift
                    parameter.rebind(trial[()])
                    with no_grad():
                        return float(loss(network(x), y).data)

                label = f"{name}{list(index)}" if index else name
                rule = 0.0 if gradient is None else float(np.asarray(gradient)[index])
                entries.append(judged(label, rule, moved, max(abs(home), 0.1)))
                parameter.rebind(data)
    finally:
        for parameter, data in zip(parameters.values(), kept, strict=True):
            parameter.rebind(data)
        network.zero_grad()
    return Report(tuple(entries))


def judged(name: str, gradient: float, f: Callable[[float], float], scale: float) -> Entry:
    """The verdict on `gradient`, claimed to be df/dx at 0, for an x that varies over `scale`.

    Other verdicts than "agrees" are given only after much smaller steps: a corner of f near 0
    looks like one at 0 to larger ones, and spoils the differences more than their bar knows.
    """
    centre = f(0.0)
    unit = 2.0 ** math.floor(math.log2(scale) - 3)  # x + a power of 2 is hardly ever rounded
    sides: list[tuple[float, float]] = []
    for steps in STEPS:
        sides += [(f(unit / 2**k), f(-unit / 2**k)) for k in range(len(sides), steps)]
        entry = compared(name, gradient, centre, sides, unit)
        if entry.verdict == "agrees":
            break
    return entry


def compared(
    name: str, gradient: float, centre: float, sides: list[tuple[float, float]], unit: float
) -> Entry:
    """The verdict from the values of f at 0 and at ±`unit` halved again and again.

    Where f is smooth, the slopes on the two sides and the central one are the same; at a corner
    the two differ; with a corner of f or of f′ close by, on one side, those of the other hold.
    """
    steps = [unit / 2**k for k in range(len(sides))]
    right = [(ahead - centre) / h for h, (ahead, _) in zip(steps, sides, strict=True)]
    left = [(centre - behind) / h for h, (_, behind) in zip(steps, sides, strict=True)]
    central = [(a + b) / 2 for a, b in zip(left, right, strict=True)]
    # At the smallest steps nothing but rounding is left of f(h) − 2 f(0) + f(−h), once the shares
    # of a corner, ∝ h, and of f″, ∝ h², are gone; the rounding grows √(1 + 6² + 8²) times.
    bends = [(b - a) * h for h, a, b in zip(steps, left, right, strict=True)][STEPS[0] + HEARD :]
    trios = zip(bends, bends[1:], bends[2:], strict=False)
    heard = [abs(a - 6 * b + 8 * c) / 10 for a, b, c in trios]
    rounding = [
        max(8 * EPSILON * max(abs(centre), abs(ahead), abs(behind)), *heard, TINY) / h
        for h, (ahead, behind) in zip(steps, sides, strict=True)
    ]
    one_sided = [extrapolated(side, rounding, (1, 2, 3, 4)) for side in (left, right)]
    (low, low_bar), (high, high_bar) = sorted(one_sided)
    if high - low > max(10 * (low_bar + high_bar), 1e-6 * max(abs(low), abs(high))):
        inside = low - low_bar <= gradient <= high + high_bar
        slopes, bar = (one_sided[0][0], one_sided[1][0]), max(low_bar, high_bar)
        return Entry(name, gradient, slopes, bar, "corner" if inside else "wrong")
    both = extrapolated(central, rounding, (2, 4, 6, 8))
    limits = sorted([both, *one_sided], key=lambda limit: limit[1])
    slope, bar = limits[0]
    # One side alone says nothing of a corner at 0 until the other side was seen from near.
    for limit, reach in limits if len(sides) == STEPS[-1] else [both]:
        if reach < math.inf and reach <= 1000 * bar and abs(gradient - limit) <= reach:
            return Entry(name, gradient, (limit, limit), reach, "agrees")
    return Entry(name, gradient, (slope, slope), bar, "wrong")


def extrapolated(
    differences: list[float], rounding: list[float], powers: tuple[int, ...]
) -> tuple[float, float]:
    """The limit of `differences` at steps halved each time, and its bar; ∞ where there is none.

    `powers` are those of the step in their error; each column of the table removes one. A limit
    that smaller steps contradict, in its column or not extrapolated, is passed over.
    """
    best, narrowest = differences[-1], math.inf
    column, noise = differences, rounding
    plain = list(zip(column, bars(column, noise), strict=True))
    for power in powers:
        factor = 2.0**power
        column = [b + (b - a) / (factor - 1) for a, b in itertools.pairwise(column)]
        noise = [(factor * b + a) / (factor - 1) for a, b in itertools.pairwise(noise)]
        limits = list(zip(column, bars(column, noise), strict=True))
        for smaller, (limit, bar) in zip(reversed(range(len(limits))), limits, strict=True):
            others = limits[len(limits) - smaller :] + plain[len(plain) - smaller :]
            if bar < narrowest and all(abs(limit - x) <= bar + reach for x, reach in others):
                best, narrowest = limit, bar
    return best, narrowest


def bars(limits: list[float], rounding: list[float]) -> list[float]:
    """How far each limit may be off, by its distance from the one before and by rounding."""
    distances = [math.inf, *(abs(b - a) for a, b in itertools.pairwise(limits))]
    return [2 * distance + noise for distance, noise in zip(distances, rounding, strict=True)]
