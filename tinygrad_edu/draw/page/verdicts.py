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
    if comparison.verdict == "corner":
        return say("A corner lies here.")
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
    index, entry = comparison.worst
    at = f"{say('entry {}').format(list(index))}: " if index else ""
    row: list[Any] = [
        precise(entry.gradient, at + say("gradient")),
        "↔",
        *(precise(slope, say("finite difference")) for slope in dict.fromkeys(entry.slopes)),
    ]
    if index and len(comparison.entries) == comparison.total:
        slopes = comparison.slopes.reshape(np.shape(gradient))
        row = [
            heatmaps.quantity(gradient, say("gradient")),
            "↔",
            heatmaps.quantity(slopes, say("finite differences")),
            *(row if verdict != "agrees" else []),
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
    if comparison.verdict == "corner":
        slopes = comparison.worst[1].slopes
        return say(
            "A corner: the slopes on its two sides are {} and {}; the gradient lies between them."
        ).format(*map(number, slopes))
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
