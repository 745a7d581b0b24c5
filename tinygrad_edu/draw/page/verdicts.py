"""What the finite differences say of a gradient, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..labels import number
from .differences import SEED, Comparison
from .heatmaps import Heatmaps, exact

Translate = Callable[[str], str]


def in_short(comparison: Comparison, say: Translate) -> str:
    """A short sentence; none where nothing was compared."""
    if comparison.verdict == "none":
        return ""
    if comparison.verdict == "kink":
        return say("A corner lies here.")
    if comparison.verdict == "inconclusive":
        return say("Finite differences cannot tell.")
    if comparison.verdict == "wrong":
        on_purpose = "Finite differences differ on purpose."
        return say(on_purpose if comparison.stand_ins else "Finite differences differ.")
    if comparison.digits is None:
        return say("Finite differences agree.")
    return say("Finite differences agree in {} digits.").format(comparison.digits)


def part(
    comparison: Comparison, gradient: Any, say: Translate, heatmaps: Heatmaps
) -> dict[str, Any]:
    """The check as a part of a step: the numbers side by side, and sentences."""
    label, verdict = say("Finite differences"), comparison.verdict
    if verdict == "none":
        note = say("Not checked: the numbers are not finite.")
        return {"label": label, "verdict": "none", "row": [], "notes": [note]}
    index, found = comparison.worst
    slopes = (found.low, found.high) if found.kind == "kink" else (found.expected,)
    at = f"{say('entry {}').format(list(index))}: " if index else ""
    row: list[Any] = [
        precise(found.claim, at + say("gradient")),
        "↔",
        *(precise(slope, say("finite difference")) for slope in slopes),
    ]
    if index and len(comparison.entries) == comparison.total:
        differences = comparison.slopes.reshape(np.shape(gradient))
        row = [
            heatmaps.quantity(gradient, say("gradient")),
            "↔",
            heatmaps.quantity(differences, say("finite differences")),
            *(row if verdict != "correct" else []),
        ]
    notes = [sentence(comparison, say)]
    if comparison.single:
        notes.append(say("The graph is in float32; the differences were taken in float64."))
    return {"label": label, "verdict": verdict, "row": row, "notes": notes}


def sentence(comparison: Comparison, say: Translate) -> str:
    """What has been found."""
    compared, digits = len(comparison.entries), comparison.digits
    if comparison.verdict == "wrong":
        if comparison.stand_ins:
            names = ", ".join(comparison.stand_ins)
            return say("{} passes on a stand-in for its derivative.").format(names)
        return say("They differ: a rule on the way may be wrong.")
    _, worst = comparison.worst
    if comparison.verdict == "kink":
        return say(
            "A corner: the slopes on its two sides are {} and {}; the gradient lies between them."
        ).format(number(worst.low), number(worst.high))
    if comparison.verdict == "inconclusive":
        return say("They cannot tell: the slope is lost in rounding, or the function jumps here.")
    if digits is None:
        return say("All of them are zero.") if compared > 1 else say("Both are zero.")
    if compared < comparison.total:
        return say(
            "{} of {} entries, drawn at random (seed {}), agree in {} digits of the largest."
        ).format(compared, comparison.total, SEED, digits)
    if compared > 1:
        return say("All {} entries agree in {} digits of the largest.").format(compared, digits)
    return say("They agree in {} digits.").format(digits)


def precise(x: float, name: str) -> dict[str, Any]:
    """A number with ten digits."""
    return {"name": name, "text": number(x, 10), "exact": exact(np.float64(x))}
