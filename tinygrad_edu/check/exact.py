"""The decisive tier: the function is computed with 60 digits and more, and its slopes read off it.

Steps of 1e-20 leave some twenty right digits of a difference quotient: no rule is trusted, and
nothing is extrapolated. A slope is read at two precisions, with a step for each, and believed when
both agree; else more digits are taken, up to 1080, with which even 1 − 1e-300 has a slope. What
does not settle is a kink, a jump or a vertical tangent.

The gradient is a graph of operations too, and run again likewise. That tells two mistakes apart: a
rule that is wrong as mathematics, and one that is right but written so that float64 loses its
digits, as s (1 − s) does for the slope of a sigmoid at 40.

Rounding that no rule can help is allowed for. Where a claim is off, the function is computed again
with every result and every local slope changed by a random 2⁻⁵⁰ of itself: what that does to the
slope, eight times over, is what backpropagation in float64 may do to the claim. It is next to
nothing for a chain of factors, and large where large messages cancel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import RLock
from typing import Any

import numpy as np

from ..engine.value import Value
from .formulas import FEWEST, MOST, Function, engine_rule, stated_rule
from .numbers import context, nearest
from .problem import Array
from .report import Entry
from .verdict import Verdict

# Digits, and the step as a power of 1/10. At 1080 digits f may be 1e600 times what is looked for.
LADDER = ((FEWEST, 20), (120, 40), (360, 120), (MOST, 300), (MOST, 360))
# Slopes at two precisions agree to this share, the sides of a kink and a rule to that: constants
# in rules are rounded to float64, and an exp of up to 745 multiplies what that takes off.
SETTLED, SAME = 1e-18, 1e-12
# How far float64 may be off before it is asked whether rounding explains it.
TOLERANCE = 1e-9
# The smallest number of which float64 keeps all digits.
FLOOR = 2.0**-1022
# What falls to these shares of itself with the next step falls to 0: the gap between the slopes on
# two sides with each step, a slope with the last one.
CLOSES, FALLS = 1e-3, 1e-6
# How often rounding is imitated, and how many times its effect is allowed.
TRIALS, ALLOWED = 4, 8
MOST_DIGITS = 16.0
# mpmath's precision is one for all threads.
LOCK = RLock()


@dataclass(frozen=True)
class Slope:
    """What is seen of one output beside the point: its slope with so many digits, or a kink's two.

    `reason` says why there is none.
    """

    low: Any = None
    high: Any = None
    rung: tuple[int, int] = LADDER[0]
    reason: str = ""

    @property
    def kink(self) -> bool:
        """Whether the slopes on the two sides differ."""
        return bool(self.low != self.high)


def slopes(function: Function, number: int, index: tuple[int, ...]) -> list[Slope]:
    """For each output its slope as one entry of an input moves."""
    before = function.quotients(number, index, LADDER[0])
    seen: list[Slope | None] = [None] * before[0].size
    for rung in LADDER[1:]:
        now = function.quotients(number, index, rung)
        with context().workdps(rung[0]):
            for row, known in enumerate(seen):
                if known is None:
                    coarse, fine = ([side[row].item() for side in each] for each in (before, now))
                    seen[row] = settled(coarse, fine, rung)
        before = now
        if None not in seen:
            break
    return [Slope(reason="jump") if each is None else each for each in seen]


def settled(coarse: list[Any], fine: list[Any], rung: tuple[int, int]) -> Slope | None:
    """The slope that two rungs agree on; None if there must be more digits."""
    finite = context().isfinite
    sides = [(a, b) for a, b in zip(coarse, fine, strict=True) if finite(a) and finite(b)]
    if not sides:
        return Slope(reason="value")
    gaps = [abs(each[-1] - each[0]) for each in zip(*sides, strict=True)]
    coarsest, largest = (max(map(abs, each)) for each in zip(*sides, strict=True))
    if gaps[1] > SAME * largest and all(abs(a - b) <= SAME * gaps[1] for a, b in sides):
        low, high = sorted(b for _, b in sides)
        return Slope(low, high, rung)
    before, after = (sum(each) / len(sides) for each in zip(*sides, strict=True))
    smooth = gaps[1] <= SETTLED * largest or gaps[1] <= CLOSES * gaps[0]
    if smooth and after != 0 and abs(after - before) <= SETTLED * abs(after):
        return Slope(after, after, rung)
    # What is 0 with few digits may be a small slope with more of them.
    falls = largest <= FLOOR or (smooth and largest <= FALLS * coarsest)
    if (rung[0] == MOST and largest == 0) or (rung == LADDER[-1] and falls):
        return Slope(context().zero, context().zero, rung)
    return None


def room(function: Function, number: int, index: tuple[int, ...], row: int, slope: Slope) -> Any:
    """How far rounding alone may take backpropagation from the slope; see the top of this file."""
    with context().workdps(slope.rung[0]):
        most, finite = context().zero, context().isfinite
        for seed in range(TRIALS):
            sides = function.quotients(number, index, slope.rung, seed)
            seen = [each for each in (side[row].item() for side in sides) if finite(each)]
            most = max([most, *(abs(each - slope.low) for each in seen)])
        return ALLOWED * most


def verdict(
    claim: float, slope: Slope, formula: Callable[[int], Any], allowance: Callable[[], Any]
) -> Verdict:
    """The verdict on a claim, in view of what its formula gives with so many digits.

    `allowance` says how far rounding may take it; it is asked only if the claim is off.
    """
    if slope.reason:
        return unclear(claim, slope.reason)
    if slope.kink:
        low, high = nearest(slope.low), nearest(slope.high)
        bar = TOLERANCE * max(abs(low), abs(high))
        inside = low - bar <= claim <= high + bar
        return Verdict("kink", claim, (low + high) / 2, bar, low, high, inside=inside)
    true = slope.low
    with context().workdps(slope.rung[0]):
        expected, size = nearest(true), abs(true)
        if math.isinf(expected):
            return unclear(claim, "beyond")
        bar = nearest(TOLERANCE * size + FLOOR)
        if not math.isfinite(claim):
            return wrong(claim, expected, bar, "claim")
        off = abs(claim - true)
        error = formula_error(formula, true, slope.rung[0])
        most = None
        if off > bar or (error is not None and error > SAME * size + FLOOR):
            most = allowance()
            bar = max(bar, nearest(most))
        if error is not None and error > SAME * size + FLOOR and error > most:
            return wrong(claim, expected, bar, off_from(error, size))
        if off > bar:
            return wrong(claim, expected, bar, "" if error is None else "lost")
        rounded = off > TOLERANCE * size + FLOOR
        share = nearest(off / size) if size else float(off > 0)
        digits = min(max(-math.log10(share), 0.0), MOST_DIGITS) if share else MOST_DIGITS
    if claim == expected:
        digits = MOST_DIGITS + 1
    reason = "rounded" if rounded else ""
    return Verdict("correct", claim, expected, bar, expected - bar, expected + bar, digits, reason)


def formula_error(formula: Callable[[int], Any], true: Any, digits: int) -> Any:
    """How far the formula is off, with more digits if need be; None if it is not known."""
    for precision in (digits, MOST):
        given = formula(precision)
        if given is None:
            return None
        error = abs(given - true)
        if error <= SAME * abs(true) + FLOOR:
            break
    return error if context().isfinite(error) else None


def off_from(error: Any, size: Any) -> str:
    """From which digit on a rule is wrong."""
    digit = math.floor(-math.log10(nearest(error / size))) + 1 if error < size else 1
    return f"the rule itself is wrong, from digit {digit} on"


def unclear(claim: float, reason: str) -> Verdict:
    """No verdict, and why."""
    return Verdict("inconclusive", claim, math.nan, math.inf, -math.inf, math.inf, reason=reason)


def wrong(claim: float, expected: float, bar: float, reason: str) -> Verdict:
    """A claim that is wrong, and why."""
    return Verdict("wrong", claim, expected, bar, expected - bar, expected + bar, reason=reason)


def entries(
    f: Callable[..., Any],
    point: Sequence[Array],
    names: Sequence[str],
    claims: Sequence[Array],
    rule: Callable[..., Any] | None = None,
    leaves: Sequence[Value] = (),
) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """The verdicts on claimed Jacobians at a point, each (outputs, *its input's shape), and notes.

    A claim of one row is that of the sum of all outputs. `rule` is the function the claims are
    from, None for the engine. Where f takes arrays and puts them into a model's parameters, those
    are the `leaves` of its graph. Raises `OperandError` where f cannot be computed with 50 digits,
    `ImportError` where mpmath is missing.
    """
    context()
    with LOCK:
        size = math.prod(claims[0].shape[:1])
        function = Function(f, point, leaves)
        function.summed = size != math.prod(function.shape)
        notes = [rounding_note(function)]
        if rule is None:
            written = engine_rule(function)
        else:
            written, why = stated_rule(rule, point)
            if why:
                notes.append(f"The rule's formula is not known, only its numbers are judged: {why}")
        stand_ins = function.stand_ins() if rule is None else ""
        found = []
        for number, (name, x, claim) in enumerate(zip(names, point, claims, strict=True)):
            for index in np.ndindex(x.shape):
                label = f"{name}{list(index)}" if index else name
                for row, slope in enumerate(slopes(function, number, index)):
                    place = (row, *index)
                    judged = verdict(
                        float(claim[place]),
                        slope if function.finite(row) else Slope(reason="value"),
                        partial(written.at, number, place),
                        partial(room, function, number, index, row, slope),
                    )
                    if stand_ins and judged.kind == "wrong":
                        judged = unclear(judged.claim, stand_ins)
                    found.append(Entry(f"{function.output(row)}{label}", judged))
        return tuple(found), tuple(notes)


def rounding_note(function: Function) -> str:
    """How far the value of the function in float64 is from the exact one."""
    given = function.value.reshape(-1)
    with context().workdps(FEWEST), np.errstate(all="ignore"):
        true = function.base(FEWEST)[1]
        finite = np.isfinite(given) & np.isfinite(true)
        off = [nearest(each.item()) for each in np.abs(given - true)[finite]]
    units = np.array(off) / np.spacing(np.maximum(np.abs(given[finite]), np.finfo(float).tiny))
    return f"The function itself is rounded by at most {units.max(initial=0):.2g} ulp here."
