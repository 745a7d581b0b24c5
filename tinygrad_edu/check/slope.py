"""What values of a function say of its slope at a point: a number with a bar, or why there is none.

Nothing is assumed of the function. Its noise is measured, not guessed; the slope is extrapolated
from steps halved again and again; and of all estimates with their bars the narrowest is believed
that no smaller step contradicts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .noise import EPSILON, measured, noise_points

Array = np.ndarray[Any, np.dtype[Any]]

HALVINGS = 25
# The largest step is between a sixteenth and an eighth of the input, or of this if it is smaller.
LEAST_SIZE = 0.1
FEW = 4  # of the steps: the largest show how steep f is nearby
LAST = 8  # of the steps, those that show a jump
# No slope is known better than this much rounding of f over the largest step.
FLOOR = 16 * EPSILON
# No slope is known better than it can be written down.
WRITTEN = 8 * EPSILON
# Estimates that come nearer to their limit by less than this at each halving tell nothing of it.
SLOWEST = 0.95
# Errors that rounding makes may stay the same over distances like x: then they tilt f.
TILT = 0.5


@dataclass(frozen=True)
class Estimate:
    """A slope and half the width of the interval it is in; infinite where nothing is known."""

    slope: float = math.nan
    bar: float = math.inf

    def holds(self, slope: float) -> bool:
        """Whether the interval contains a slope."""
        return self.low <= slope <= self.high

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self.slope - self.bar

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.slope + self.bar

    def widened(self, more: float) -> Estimate:
        """The same with a wider bar."""
        return Estimate(self.slope, self.bar + more)


@dataclass(frozen=True)
class Evidence:
    """All that was seen of f around a point.

    `both` is the slope by central differences, `left` and `right` are those of each side alone,
    `closest` is what the smallest steps alone say. `value` is f at the point, `largest` the largest
    of all values, `noise` the measured rounding; `scatter` is how far two calls at the point
    differ. `jumps` says that f changes at once there, or ever faster; `stairs` that it moves on
    both sides, but not over the smaller half of the steps. `nearby` is how steep f is on the whole
    over the largest steps. `steps` and `quotients` are the plain central differences.
    """

    value: float
    both: Estimate
    left: Estimate
    right: Estimate
    closest: Estimate
    noise: float
    largest: float
    scatter: float
    jumps: bool
    stairs: bool
    nearby: float
    steps: tuple[float, ...]
    quotients: tuple[float, ...]


def largest_step(size: float) -> float:
    """The first step to take from a number of this size: a power of 2, so that adding is exact."""
    return 2.0 ** (math.frexp(max(abs(size), LEAST_SIZE))[1] - 4)


def sample_points(unit: float) -> list[float]:
    """Where `evidence` needs the values of f, the point itself (0) twice; `unit` is the first step.

    They are 92: what one derivative costs.
    """
    steps = [unit * 2.0**-k for k in range(HALVINGS)]
    return [0.0, 0.0, *steps, *(-h for h in steps), *noise_points(unit)]


def evidence(values: Sequence[float], unit: float, at: float = 1.0) -> Evidence:
    """What the values of f at `sample_points(unit)` say of its slope at 0.

    `at` is the number that the points are added to, as far as there is one.
    """
    centre, again, *rest = values
    ahead, behind, nearby = rest[:HALVINGS], rest[HALVINGS : 2 * HALVINGS], rest[2 * HALVINGS :]
    steps = [unit * 2.0**-k for k in range(HALVINGS)]
    noise = measured((centre, again), ahead, behind, nearby, at)
    noises = {1.0: noise.of(ahead, steps), -1.0: noise.of(behind, steps)}
    floor = FLOOR * abs(centre) / unit

    def sure(found: Estimate) -> Estimate:
        """With the bar that it deserves even if differences agree better."""
        if found.bar == math.inf:
            return found
        tilts = [1 / (abs(at) or unit), *([abs(found.slope) / abs(centre)] if centre else [])]
        return found.widened(floor + TILT * noise.value * min(tilts) + WRITTEN * abs(found.slope))

    def one_sided(side: Sequence[float], sign: float) -> Estimate:
        slopes = [sign * (value - centre) / h for value, h in zip(side, steps, strict=True)]
        off = [(noise.value + each) / h for each, h in zip(noises[sign], steps, strict=True)]
        return sure(limit(slopes, off, (1, 2, 3, 4)))

    trios = list(zip(ahead, behind, steps, strict=True))
    central = [(a - b) / (2 * h) for a, b, h in trios]
    off = [(a + b) / (2 * h) for a, b, h in zip(noises[1.0], noises[-1.0], steps, strict=True)]
    changes = (
        [abs(a - centre) for a in ahead],
        [abs(b - centre) for b in behind],
        [abs(a - b) for a, b, _ in trios],
        [abs(a - 2 * centre + b) for a, b, _ in trios],
    )
    with np.errstate(all="ignore"):
        both = sure(limit(central, off, (2, 4, 6, 8)))
        left, right = one_sided(behind, -1.0), one_sided(ahead, 1.0)
    return Evidence(
        value=centre,
        both=both,
        left=left,
        right=right,
        closest=closest(central),
        noise=noise.value,
        largest=max((abs(value) for value in values if math.isfinite(value)), default=0.0),
        scatter=noise.scatter,
        jumps=any(lingers(each, noise.close) for each in changes),
        stairs=noise.stairs,
        nearby=max(
            (
                abs(value - centre) / h
                for side in (ahead, behind)
                for value, h in zip(side[:FEW], steps, strict=False)
                if math.isfinite(value)
            ),
            default=0.0,
        ),
        steps=tuple(steps),
        quotients=tuple(central),
    )


def lingers(differences: Sequence[float], noise: float) -> bool:
    """Whether differences of f shrink more slowly than the smallest steps they are taken over."""
    tail = [d for d in differences[-LAST:] if math.isfinite(d)]
    if len(tail) < LAST or min(tail) <= 50 * noise:
        return False
    return all(2**-0.9 < b / a < 1.1 for a, b in itertools.pairwise(tail))


def closest(quotients: Sequence[float]) -> Estimate:
    """What the smallest steps say by themselves, if they agree."""
    last = quotients[-FEW:]
    if not all(map(math.isfinite, last)) or not any(last):
        return Estimate()
    return Estimate(last[-1], 10 * (max(last) - min(last)))


def limit(slopes: Sequence[float], noises: Sequence[float], powers: tuple[int, ...]) -> Estimate:
    """The limit of slopes at halved steps: Richardson's columns, chosen among by Lepski's rule.

    `powers` are those of the step in the error of `slopes`; each column removes one of them. From
    the smallest step upward the intervals are intersected while anything is left; of those the
    narrowest is kept.
    """
    values, noise = np.array(slopes), np.array(noises)
    # The estimates and their bars, each column's in the place of its smallest step.
    table = np.full((2, len(powers) + 1, len(values)), np.inf)
    for column, power in enumerate((*powers, powers[-1] + 1)):
        table[0, column, column:] = values
        table[1, column, column + 2 :] = bars(values, noise, power)
        factor = 2.0**power
        values = values[1:] + (values[1:] - values[:-1]) / (factor - 1)
        noise = (factor * noise[1:] + noise[:-1]) / (factor - 1)
    chosen = table[1].argmin(0)
    estimates, reaches = table[:, chosen, np.arange(len(slopes))].tolist()
    best, low, high = Estimate(), -math.inf, math.inf
    for slope, bar in zip(reversed(estimates), reversed(reaches), strict=True):
        if bar == math.inf:
            continue
        if slope + bar < low or slope - bar > high:
            break
        low, high = max(low, slope - bar), min(high, slope + bar)
        if bar < best.bar:
            best = Estimate(slope, bar)
    return best


def bars(values: Array, noise: Array, power: int) -> Array:
    """How far each of `values` may be from their limit, but for the first two; ∞ if unknown.

    Their error should shrink by 2**-`power` from one to the next.
    """
    changes = np.abs(np.diff(values))
    before, change, noise = changes[:-1], changes[1:], noise[2:]
    ratio = np.divide(change, before, out=np.zeros_like(change), where=before > 0)
    # What is left of a series that shrinks by this ratio; where it hardly does, nothing is known.
    left = np.where(ratio > SLOWEST, np.inf, np.maximum(2.0, 2 * ratio / (1 - ratio)))
    left = np.where(change > noise, left, 2.0)
    # A change may vanish by chance: then the one before tells what it should have been.
    found = noise + left * np.maximum(change, before * 2.0**-power)
    return np.where(np.isfinite(found), found, np.inf)
