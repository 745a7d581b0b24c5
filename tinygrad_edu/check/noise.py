"""How much noise there is in values of a function: rounding, measured and not guessed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

EPSILON = 2.0**-52
SMALLEST = 5e-324
# Where the points begin whose differences show the noise, and their spacing, in units of the
# largest step: two tables close by on each side, for what looks like noise in one of them only is a
# corner or a pole, and one table further off. Their fractions are out of step with any stairs.
TABLES = (
    (0.0, 2.0**-24 * 4 / 3),
    (0.0, -(2.0**-22) * 8 / 7),
    (0.0, 2.0**-17 * 8 / 11),
    (0.0, -(2.0**-19) * 4 / 5),
    (-0.5, -(2.0**-16) * 8 / 13),
)
POINTS, ORDER = 8, 4
# A measured noise is off by a factor of two or so, and a difference holds that of several values.
CAUTION = 3.0
# Numbers as large as x, which is at most 16 units, are rounded by half of this much of a unit.
ARGUMENT = 8 * EPSILON
# The smallest change of f is a stair of rounding if it is this share of the numbers around; where
# stairs are higher than the second share they are no rounding of float64.
STAIR, WIDE = 64 * EPSILON, 1e-9
SMALL = 8  # of the changes of f over the smallest steps: if one is 0, f stands still


@dataclass(frozen=True)
class Noise:
    """What was measured around a point: in each value, and as a share of values further off.

    `scatter` is how far two calls at the point differ, `close` the noise that shows in values close
    by alone. `stairs` says that f moves on both sides, but not over the smaller half of the steps.
    """

    value: float
    close: float
    relative: float
    scatter: float
    stairs: bool

    def of(self, side: Sequence[float], steps: Sequence[float]) -> list[float]:
        """What each value over `steps` may be off, by its rounding and by that of x + h."""
        slopes = [abs(a - b) / (h / 2) for a, b, h in zip(side, side[1:], steps, strict=False)]
        moved = [ARGUMENT * steps[0] * slope for slope in (*slopes, slopes[-1])]
        return [
            max(self.value, self.relative * abs(value)) + more
            for value, more in zip(side, moved, strict=True)
        ]


def noise_points(unit: float) -> list[float]:
    """The points of all tables."""
    return [
        (start + (i + 0.5) * spacing) * unit for start, spacing in TABLES for i in range(POINTS)
    ]


def measured(
    centre: Sequence[float],
    ahead: Sequence[float],
    behind: Sequence[float],
    nearby: Sequence[float],
    at: float,
) -> Noise:
    """The noise, from two values at the point, those over halved steps, and those of the tables.

    `at` is the number that the steps are added to.
    """
    value, again = centre
    *close, far = (nearby[i * POINTS :][:POINTS] for i in range(len(TABLES)))
    moves = [abs(v - value) for pair in zip(ahead, behind, strict=True) for v in pair]
    still = 0 in moves[-SMALL:]
    scatter = abs(again - value) if again == again else 0.0
    *_, second, most = sorted(map(noise_of, close))
    # Where f does not move its noise may come in wide stairs, which few of the tables see.
    surely = max(SMALLEST, scatter, EPSILON * abs(value), most if still else second)
    bends = [a - 2 * value + b for a, b in zip(ahead, behind, strict=True)]
    first, sized = min(filter(None, moves), default=EPSILON), max(1.0, abs(at), abs(value))
    return Noise(
        value=max(surely, noise_left(bends), first if still and first <= STAIR * sized else 0.0),
        close=surely,
        relative=max(EPSILON, noise_of(far) / (abs(far[0]) or math.inf)),
        scatter=scatter,
        stairs=bool(moves[0] and moves[1])
        and not any(moves[len(ahead) :])
        and first > WIDE * sized,
    )


def noise_of(table: Sequence[float]) -> float:
    """The noise in equally spaced values, from their differences of high order; 0 if unclear.

    Source: Moré and Wild, Estimating computational noise (2011), section 3.
    """
    size = max(map(abs, table))
    if not 0 < size < math.inf or not all(map(math.isfinite, table)):
        return 0.0
    levels = []
    differences = [value / size for value in table]  # whose squares do not underflow
    for order in range(1, len(table) - 1):  # a single difference of the last order tells little
        differences = [b - a for a, b in itertools.pairwise(differences)]
        if order == ORDER and min(differences) * max(differences) > 0:
            return 0.0  # a trend
        if order >= ORDER:
            gamma = math.factorial(order) ** 2 / math.factorial(2 * order)
            mean_square = sum(d * d for d in differences) / len(differences)
            levels.append(math.sqrt(gamma * mean_square))
    # Noise looks the same at every order.
    if max(levels) > 8 * min(levels):
        return 0.0
    return CAUTION * size * sorted(levels)[len(levels) // 2]


def noise_left(bends: Sequence[float]) -> float:
    """The noise in f(h) − 2 f(0) + f(−h) at the smallest steps h, each half the one before.

    Combined so that nothing is left of a jump, of a corner, ∝ h, or of curvature, ∝ h². A corner
    close by spoils some of what is left, and the largest steps may show more than curvature.
    """
    small = bends[len(bends) // 2 :]
    changes = [b - a for a, b in itertools.pairwise(small)]
    trios = zip(changes, changes[1:], changes[2:], strict=False)
    left = sorted(abs(a - 6 * b + 8 * c) / 15 for a, b, c in trios)
    low = left[len(left) // 3]
    return 2 * CAUTION * low if low < math.inf else 0.0
