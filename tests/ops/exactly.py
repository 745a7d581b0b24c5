"""What an element-wise record's value and derivatives truly are at any float64 numbers.

The record is run with a hundred digits and more, by its forward or its definition, and no rule is
trusted: first, second and third derivatives are differences of values. Two steps must agree; where
they do not, steps get shorter and digits more, down to steps of 1e-360. `te.check` reads slopes off
values likewise, one entry at a time; here many points are one array, and there are three orders.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tinygrad_edu.check.numbers import context, lift, nearest
from tinygrad_edu.check.replay import applied, textbook
from tinygrad_edu.check.samples import Call
from tinygrad_edu.engine.operation import Operation

# Two steps agree to this share; what is smaller than NOTHING is 0.
SETTLED, NOTHING = 1e-15, 1e-310
# Slopes on the two sides of a kink are further apart than this share of them.
APART = 1e-12
# What mpmath may lose of its digits on the way to a value.
SPARE = 12
# Of a pair of arguments the second moves so far where the first moves by 1.
SECOND = 0.75


@dataclass(frozen=True)
class Rung:
    """Digits, and two steps as powers of 1/10: of an argument's size up to 1, or (`blunt`) of 1."""

    digits: int
    powers: tuple[int, int]
    blunt: bool = False


# By the highest order that is asked for. A step of 1e-18 never crosses a kink at another float.
LADDERS = {
    1: (Rung(60, (12, 16), blunt=True), Rung(390, (18, 22)), Rung(1100, (340, 360))),
    3: (Rung(120, (12, 16), blunt=True), Rung(600, (18, 22)), Rung(1900, (340, 360))),
}

# How far each argument moves, in units of its step; and what a derivative is called: ("left", i),
# ("right", i), ("second", i, j), ("third", i), and ("third", i, j) along two arguments.
Move = tuple[float, ...]
Name = tuple[Any, ...]


@dataclass(frozen=True)
class Difference:
    """A derivative as a weighted sum of values, and how often each argument's unit divides it."""

    weights: tuple[tuple[float, Move], ...]
    order: int
    units: tuple[int, ...]


@cache
def differences(count: int, order: int) -> dict[Name, Difference]:
    """All derivatives of a function of so many arguments, up to an order of 1 or 3."""

    def moved(*parts: tuple[int, float]) -> Move:
        amounts = dict(parts)
        return tuple(amounts.get(i, 0.0) for i in range(count))

    found: dict[Name, Difference] = {}
    home = moved()
    for i in range(count):
        a, b, c, d = (moved((i, amount)) for amount in (-2.0, -1.0, 1.0, 2.0))
        found["left", i] = Difference(((1.0, home), (-1.0, b)), 1, (i,))
        found["right", i] = Difference(((1.0, c), (-1.0, home)), 1, (i,))
        found["first", i] = Difference(((0.5, c), (-0.5, b)), 1, (i,))
        if order == 1:
            continue
        found["second", i, i] = Difference(((1.0, c), (-2.0, home), (1.0, b)), 2, (i, i))
        found["third", i] = Difference(((0.5, d), (-1.0, c), (1.0, b), (-0.5, a)), 3, (i, i, i))
    signs = (-1.0, 1.0)
    for i, j in itertools.combinations(range(count), 2) if order > 1 else ():
        crossed = tuple(
            (a * b / (4 * SECOND), moved((i, a), (j, b * SECOND))) for a in signs for b in signs
        )
        found["second", i, j] = Difference(crossed, 2, (i, j))
        a, b, c, d = (moved((i, amount), (j, amount * SECOND)) for amount in (-2.0, -1.0, 1.0, 2.0))
        found["third", i, j] = Difference(((0.5, d), (-1.0, c), (1.0, b), (-0.5, a)), 3, ())
    return found


@cache
def moves(count: int, order: int) -> list[Move]:
    """All places where f is looked at."""
    found = differences(count, order).values()
    return [*dict.fromkeys(move for each in found for _, move in each.weights)]


def scale(x: Any) -> Any:
    """The size of an argument where that is less than 1: the unit of its steps."""
    return np.where(x == 0, 1.0, np.minimum(np.abs(x), 1.0))


class Around:
    """A record around some points, (arguments, points), as it is with so many digits."""

    def __init__(
        self, op: Operation, options: Mapping[str, Any], arrays: Any, order: int, rung: Rung
    ) -> None:
        self.op, self.options, self.arrays, self.rung = op, options, arrays, rung
        self.units = scale(arrays)
        self.differences = differences(len(arrays), order)
        self.moves = moves(len(arrays), order)

    def values(self, step: Any) -> dict[Move, Any]:
        """f at all places, a step away."""
        home, relative = lift(self.arrays), lift(self.units) * step
        alone = lift(np.ones_like(self.arrays)) * step if self.rung.blunt else relative
        operands = [
            np.concatenate(
                [
                    home[i] + (alone if np.count_nonzero(move) < 2 else relative)[i] * move[i]
                    for move in self.moves
                ]
            )
            for i in range(len(self.arrays))
        ]
        out = run(self.op, self.options, operands)
        return dict(zip(self.moves, out.reshape(len(self.moves), -1), strict=True))

    def estimates(self, power: int) -> Estimates:
        """All derivatives at all points by one step, of 10 to the −power."""
        ctx = context()
        step = ctx.mpf(10) ** -power
        f = self.values(step)
        found: Estimates = {}
        for name, difference in self.differences.items():
            blunt = self.rung.blunt and len(set(difference.units)) == 1
            listed = found[name] = []
            for n in range(self.arrays.shape[1]):
                by = step**difference.order
                for i in () if blunt else difference.units:
                    by *= self.units[i, n]
                terms = [weight * f[move][n] for weight, move in difference.weights]
                # A definition may have been through numbers of 1, as 1 − tanh² has.
                noise = max(1, *map(abs, terms)) * ctx.mpf(10) ** (SPARE - self.rung.digits)
                listed.append(Estimate(sum(terms) / by, noise / by))
        return found

    def resolved(self) -> Any:
        """Which points differ from the places around them in all digits that count."""
        with np.errstate(divide="ignore"):
            size = np.log10(np.abs(self.arrays))
            if not self.rung.blunt:
                size = size - np.log10(self.units)
        return np.all(size + max(self.rung.powers) + 30 <= self.rung.digits, axis=0)


def run(op: Operation, options: Mapping[str, Any], operands: list[Any]) -> Any:
    """The record's values, a plain array of exact numbers."""
    shapes = [operand.shape for operand in operands]
    out = lift(applied(op, operands, options, textbook(op, shapes, options)))
    array = np.asarray(out.view(np.ndarray))
    return np.broadcast_to(array, shapes[0]) if op.elementwise else array


@dataclass(frozen=True)
class Estimate:
    """What one step tells of a derivative at one point, and how far rounding may have taken it."""

    value: Any
    noise: Any


Estimates = dict[Name, list[Estimate]]


def agree(coarse: Estimate, fine: Estimate, share: float = SETTLED) -> bool:
    """Whether two steps tell the same, and more than rounding does."""
    if not (context().isfinite(coarse.value) and context().isfinite(fine.value)):
        return False
    enough = share * abs(fine.value) + NOTHING
    return bool(abs(fine.value - coarse.value) <= enough and fine.noise <= enough)


def falls(coarse: Estimate, fine: Estimate) -> bool:
    """Whether it is 0 in the limit."""
    return bool(abs(fine.value) <= 1e-6 * abs(coarse.value) and abs(fine.value) <= 1e-100)


def smooth(coarse: list[Estimate], fine: list[Estimate]) -> bool:
    """Whether the slopes (central, left, right) are one."""
    if not agree(coarse[0], fine[0]):
        return False
    gaps = [abs(each[1].value - each[2].value) for each in (coarse, fine)]
    return bool(gaps[1] <= 1e-3 * gaps[0] or gaps[1] <= SETTLED * abs(fine[0].value) + NOTHING)


def beside(coarse: list[Estimate], fine: list[Estimate]) -> tuple[Any, Any] | None:
    """The slopes on the two sides where they differ, or the only one there is; None without."""
    sides = []
    for each in (1, 2):
        if context().isnan(fine[each].value):
            continue
        if falls(coarse[each], fine[each]):
            sides.append(context().zero)
        elif agree(coarse[each], fine[each], APART):
            sides.append(fine[each].value)
        else:
            return None
    return (min(sides), max(sides)) if sides else None


@dataclass(frozen=True)
class Truth:
    """Value and derivatives at points, rounded once, to float64; NaN where there is none, or none
    that float64 holds.

    `slopes` are those on the two sides, the same but at a kink, (arguments, 2, points); `second` is
    (arguments, arguments, points); `third` is that along each of `directions`, (arguments, points).
    """

    value: Any
    slopes: Any
    second: Any
    third: Any
    directions: Any


def truth(op: Operation, options: Mapping[str, Any], arrays: Any, order: int = 1) -> Truth:
    """The truth at the points `arrays`, (arguments, points), up to an order of 1 or 3."""
    count, points = arrays.shape
    known: list[dict[Name, Any]] = [{} for _ in range(points)]
    slopes = [("slope", i) for i in range(count)]
    others = [name for name in differences(count, order) if name[0] in ("second", "third")]
    ladder = LADDERS[order]
    # Seen from afar stairs are a slope: on either side of a kink only the shortest steps will do.
    for rung in ladder[-1:] if op.kinks else ladder:
        asked = [n for n in range(points) if len(known[n]) < len(slopes) + len(others)]
        asked = [n for n in asked if Around(op, options, arrays[:, [n]], order, rung).resolved()[0]]
        if not asked:
            continue
        around = Around(op, options, arrays[:, asked], order, rung)
        with context().workdps(rung.digits), np.errstate(all="ignore"):
            coarse, fine = map(around.estimates, rung.powers)
            for place, n in enumerate(asked):
                for name in (name for name in slopes if name not in known[n]):
                    parts = [(side, name[1]) for side in ("first", "left", "right")]
                    before, after = ([e[p][place] for p in parts] for e in (coarse, fine))
                    if smooth(before, after):
                        known[n][name] = after[0].value, after[0].value
                    elif rung is ladder[-1]:
                        known[n][name] = beside(before, after)
                for name in (name for name in others if name not in known[n]):
                    if agree(coarse[name][place], fine[name][place]):
                        known[n][name] = fine[name][place].value
    return rounded(true_values(op, options, arrays), arrays, known, order)


def true_values(op: Operation, options: Mapping[str, Any], arrays: Any) -> Any:
    """The record's values, with as many digits as it takes."""
    points = arrays.shape[1]
    found: list[Any] = [None] * points
    ladder = (60, 390, 1100)
    for digits in ladder:
        asked = [n for n in range(points) if found[n] is None]
        if not asked:
            break
        both = []
        for precision in (digits, digits + 20):
            with context().workdps(precision), np.errstate(all="ignore"):
                both.append(run(op, options, [lift(row) for row in arrays[:, asked]]))
        for n, coarse, fine in zip(asked, *both, strict=True):
            with context().workdps(digits):
                # What is 0 with few digits may be small with more of them.
                sure = fine != 0 and abs(fine - coarse) <= 1e-20 * abs(fine)
            if sure or digits == ladder[-1] or not context().isfinite(fine):
                found[n] = fine
    return found


def along(op: Operation, call: Call, tangents: list[Any], weights: Any) -> list[Any]:
    """The first three derivatives of a weighted sum of all outputs along a direction, each with
    the sum of its terms' absolute values.
    """
    rung = LADDERS[3][0]
    found = []
    with context().workdps(rung.digits), np.errstate(all="ignore"):
        ways = [(lift(x), lift(t)) for x, t in zip(call.arrays, tangents, strict=True)]
        for power in rung.powers:
            step = context().mpf(10) ** -power
            a, b, home, c, d = (
                run(op, call.options, [x + step * amount * t for x, t in ways])
                for amount in (-2, -1, 0, 1, 2)
            )
            terms = ((c - b) / 2, c - 2 * home + b, d / 2 - c + b - a / 2)
            found.append([weights * term / step**n for n, term in enumerate(terms, 1)])
        size = np.max([np.max(np.abs(each), initial=0) for each in found[1]])
        for coarse, fine in zip(*found, strict=True):
            off = np.max(np.abs(coarse - fine), initial=0)
            assert off <= SETTLED * size, f"{op.name}{call} has a kink along {tangents}"
        return [
            (nearest(lift(np.sum(each)).item()), nearest(lift(np.sum(np.abs(each))).item()))
            for each in found[1]
        ]


def rounded(values: Any, arrays: Any, known: list[dict[Name, Any]], order: int) -> Truth:
    """What is known, as float64 numbers."""

    def number(found: Any) -> float:
        near = np.nan if found is None else nearest(found)
        return near if np.isfinite(near) else np.nan

    count, points = arrays.shape
    value = np.array([number(each) for each in values])
    slopes = np.full((count, 2, points), np.nan)
    second = np.full((count, count, points), np.nan)
    directions, third = [], []
    for i in range(count):
        for n in range(points):
            slopes[i, :, n] = [number(each) for each in known[n].get(("slope", i)) or (None, None)]
        for j in range(i, count):
            second[i, j] = second[j, i] = [number(k.get(("second", i, j))) for k in known]
    for name in (name for name in differences(count, order) if name[0] == "third"):
        direction = np.zeros_like(arrays)
        direction[name[1]] = 1.0
        if len(name) == 3:
            direction[name[1]] = scale(arrays[name[1]])
            direction[name[2]] = SECOND * scale(arrays[name[2]])
        directions.append(direction)
        third.append([number(k.get(name)) for k in known])
    return Truth(value, slopes, second, np.array(third), np.array(directions))
