"""Is a claimed slope right? The decision, from what was seen of the function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .slope import Estimate, Evidence, evidence, largest_step, sample_points

Kind = Literal["correct", "wrong", "kink", "inconclusive"]

# A bar of more than this share of the slope proves nothing.
SHARP = 1e-6
MOST_DIGITS = 16.0
# A bar is about as wide as its error may be; a claim is wrong if it is outside of so many.
SURELY = 4.0
# A claim that is all but zero is right if the bar is no more than this share of the slopes nearby.
ZERO = 1e-9
# The smallest difference of the slopes on the two sides, as a share of them, that makes a kink.
KINK = 1e-9
# The squares of smaller numbers are lost to underflow, and products of several of them on the way.
TINY = 1e-150


@dataclass(frozen=True)
class Verdict:
    """What is said of a claim, and on what grounds.

    `expected` is the slope with its `bar`; `low` to `high` is what would be accepted: the bar, or
    at a kink all between the slopes on the two sides, where `inside` says whether the claim is
    among them. `digits` are those confirmed of a correct claim. `reason` is a key of
    `words.REASONS`, or a sentence; a claim that is right only within what rounding may do to it
    has "rounded".
    """

    kind: Kind
    claim: float
    expected: float
    bar: float
    low: float
    high: float
    digits: float = 0.0
    reason: str = ""
    inside: bool = True

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the claim."""
        return self.kind != "wrong" and self.inside

    @property
    def error(self) -> float:
        """How far the claim is from what would be accepted; 0 inside, ∞ where it is no number."""
        error = max(self.low - self.claim, self.claim - self.high, 0.0)
        return math.inf if math.isnan(error) and not self.ok else error


def judge(claim: float, f: Callable[[float], float], size: float) -> tuple[Verdict, Evidence]:
    """The verdict on `claim`, said to be df/dt at 0, for a t that is added to a number of `size`.

    Calls f 92 times.
    """
    unit = largest_step(size)
    seen = evidence([f(t) for t in sample_points(unit)], unit, size)
    return decide(claim, seen), seen


def decide(claim: float, seen: Evidence) -> Verdict:
    """The verdict on a claimed slope."""
    left, right = seen.left, seen.right

    def unclear(reason: str, best: Estimate = seen.both) -> Verdict:
        return Verdict(
            "inconclusive", claim, best.slope, best.bar, best.low, best.high, reason=reason
        )

    if not math.isfinite(seen.value):
        return unclear("value")
    if math.isnan(claim):
        best = seen.both
        return Verdict("wrong", claim, best.slope, best.bar, best.low, best.high, reason="claim")
    if seen.scatter > SHARP * abs(seen.value):
        return unclear("random")
    if seen.stairs or (seen.nearby and seen.noise > max(SHARP * seen.largest, TINY)):
        return unclear("rough")
    if seen.jumps:
        return unclear("jump")
    sides = [side for side in (left, right) if side.bar < math.inf]
    if not sides:
        return unclear("steps")
    if 0 < max(abs(claim), abs(seen.value), abs(seen.both.slope)) < TINY:
        return unclear("tiny")
    if len(sides) == 2 and apart(left, right):
        inside = min(left.low, right.low) <= claim <= max(left.high, right.high)
        low, high = sorted((left.slope, right.slope))
        bar = max(left.bar, right.bar)
        if not inside and bar > 1e-3 * (high - low):
            return unclear("near")
        return Verdict("kink", claim, (low + high) / 2, bar, low, high, inside=inside)
    best = min([seen.both, *sides] if len(sides) == 2 else sides, key=lambda each: each.bar)
    if not best.holds(claim):
        near = seen.closest
        if near.bar < math.inf and near.holds(claim) and not near.holds(best.slope):
            return unclear("near", best)
        if abs(claim - best.slope) <= SURELY * best.bar:
            return unclear("rounding", best)
        reason = "" if math.isfinite(claim) else "claim"
        return Verdict("wrong", claim, best.slope, best.bar, best.low, best.high, reason=reason)
    scale = max(abs(best.slope), abs(claim))
    sharpness = SHARP * scale
    if abs(claim) <= best.bar:
        # Beside a slope of zero no bar is small: that is judged beside how steep f is nearby.
        scale = seen.nearby
        sharpness = (SHARP if claim == 0 else ZERO) * scale
        if claim == scale == 0:
            sharpness = math.inf  # f does not move at all
    if best.bar <= sharpness:
        share = best.bar / scale if scale else 0.0
        digits = min(-math.log10(share), MOST_DIGITS) if share else MOST_DIGITS
        return Verdict("correct", claim, best.slope, best.bar, best.low, best.high, digits=digits)
    return unclear("edge" if len(sides) == 1 else "rounding", best)


def apart(left: Estimate, right: Estimate) -> bool:
    """Whether the slopes on the two sides differ by more than their bars can explain."""
    gap = abs(right.slope - left.slope)
    return gap > 3 * (left.bar + right.bar) and gap > KINK * max(abs(left.slope), abs(right.slope))
