"""The trial of one operation: the verdicts so far, and how one more derivative is judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ..engine.context import changed
from ..engine.operation import Operation
from ..engine.sweep import gradients
from ..engine.value import Value
from .report import Entry
from .samples import Call, apply
from .slope import HALVINGS, Estimate, Evidence, evidence, largest_step, limit
from .verdict import SHARP, Verdict, decide

# What the record says of a point: all around it is smooth, or a kink is near, or exactly here.
# Several numbers at once, all of them at smooth points, are mixed.
Place = Literal["smooth", "mixed", "near", "kink"]

ROUNDING = 2.0**-51


class Trial:
    """One operation, the numbers drawn for it, and what was found.

    `points` and `shapes` count what was tried, `kinks` are those that were met, `undeclared` is
    where another one was seen. `counterexample` is the first failing call in full.
    """

    def __init__(self, op: Operation, rng: np.random.Generator) -> None:
        self.op = op
        self.rng = rng
        self.entries: list[Entry] = []
        self.guesses: list[str] = []
        self.kinks: set[int] = set()
        self.points = self.shapes = self.evaluations = 0
        self.undeclared = self.counterexample = ""

    def judge(
        self,
        name: str,
        claim: float,
        values: Sequence[float],
        at: float,
        place: Place = "smooth",
        noise: Callable[[], float] = lambda: 0.0,
    ) -> Verdict:
        """The verdict on a claimed slope, from values at the `sample_points` around a number.

        `noise` measures the rounding of the claim; it is asked only where that may be the matter.
        """
        unit = largest_step(at)
        seen = evidence(values, unit, at)
        verdict = decide(claim, seen)
        if place == "kink" and verdict.reason == "jump":
            verdict = beside(claim, seen, values, unit) or verdict
        if verdict.kind == "kink" and place in ("smooth", "mixed"):
            self.undeclared = self.undeclared or name
        if verdict.kind == "kink" and place == "mixed" and not verdict.inside:
            # Of two entries on corners, each may be right and their sum on neither side.
            verdict = replace(verdict, kind="inconclusive", reason="corners", inside=True)
        close = verdict.kind == "wrong" and verdict.error <= SHARP * abs(claim) < math.inf
        if close and verdict.error <= noise():
            verdict = replace(verdict, kind="inconclusive", reason="own")
        if self.op.surrogate and not verdict.ok:
            verdict = replace(verdict, kind="inconclusive", reason="surrogate", inside=True)
        self.entries.append(Entry(name, verdict, seen.steps, seen.quotients))
        return verdict

    def refuse(
        self,
        name: str,
        reason: str | Exception,
        claim: float = math.nan,
        expected: float = math.nan,
    ) -> None:
        """Enter what is wrong for a reason that no differences are needed for."""
        if isinstance(reason, Exception):
            reason = f"it raises {type(reason).__name__}: {reason}"
        verdict = Verdict("wrong", claim, expected, math.inf, math.nan, math.nan, reason=reason)
        self.entries.append(Entry(name, verdict))

    def outputs(self, call: Call, inputs: Sequence[Any], incoming: Any = None) -> tuple[Any, ...]:
        """What is differentiated, of arrays or Values: the operation, or the gradient that it
        makes of an `incoming` one.
        """
        if incoming is None:
            return (apply(self.op, inputs, call.options),)
        recorded = isinstance(inputs[0], Value)
        with changed(tracking=True):
            leaves = tuple(inputs if recorded else map(Value, inputs))
            out = apply(self.op, leaves, call.options)
            return gradients(out, leaves, incoming, create_graph=recorded)

    def value(self, f: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """A value of `f`, NaN where it refuses the numbers."""
        self.evaluations += 1
        try:
            return f(*arrays)
        except (ArithmeticError, ValueError):
            return math.nan

    def names(self, call: Call) -> Sequence[str]:
        """What the arrays of a call are called."""
        if self.op.variadic:
            return [f"{self.op.arguments[0]}[{i}]" for i in range(len(call.arrays))]
        return self.op.arguments

    def written(self, call: Call, k: int | None = None, in_full: bool = False) -> str:
        """The call, or that at point number `k` of it; arrays by their shapes unless `in_full`."""
        arrays = call.arrays if k is None else [array[k] for array in call.arrays]
        parts = [
            f"{name} of shape {np.shape(x)}"
            if np.ndim(x) and not in_full
            else f"{name}={np.asarray(x).tolist()}"
            for name, x in zip(self.names(call), arrays, strict=True)
        ]
        options = [
            f"{name}={value.tolist() if isinstance(value, np.ndarray) else value!r}"
            for name, value in call.options.items()
        ]
        return f"{self.op.name}({', '.join(parts + options)})"

    def remember(self, call: Call) -> None:
        """Keep the first counterexample in full."""
        self.counterexample = self.counterexample or self.written(call, in_full=True)


def beside(claim: float, seen: Evidence, values: Sequence[float], unit: float) -> Verdict | None:
    """The verdict at a jump, by the slopes of the two sides without the value at the point itself.

    None where a side has no slope: the tangent is vertical there.
    """
    steps = unit * 2.0 ** -np.arange(HALVINGS)
    gaps = -np.diff(steps)

    def one_sided(side: Any) -> Estimate:
        noises = ROUNDING * (np.abs(side[1:]) + np.abs(side[:-1])) / gaps
        return limit(-np.diff(side) / gaps, noises, (1, 2, 3, 4))

    ahead, behind = np.split(np.array(values[2 : 2 + 2 * HALVINGS]), 2)
    left, right = one_sided(-behind), one_sided(ahead)
    if not max(left.bar, right.bar) < math.inf:
        return None
    verdict = decide(claim, replace(seen, left=left, right=right, both=Estimate(), jumps=False))
    # The slopes may be the same on both sides: still there is none here.
    return replace(verdict, kind="kink") if verdict.kind == "correct" else verdict
