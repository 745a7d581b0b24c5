"""Each entry of a Jacobian judged alone: 76 evaluations for each entry of the inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .mistakes import guess
from .problem import Array, Problem
from .report import Entry, Report
from .slope import evidence, largest_step, sample_points
from .verdict import Verdict, decide


def claimed(problem: Problem) -> tuple[Array, list[Array]]:
    """Which sums of outputs the claims are gradients of, a row of factors each, and the claims.

    The engine's are those of each output; a rule's too if it returns Jacobians, whose first axes
    are f's; else they are those of the sum of all outputs.
    """
    each = np.eye(problem.size)
    if problem.rule is None:
        return each, problem.claims(each)
    stated = problem.stated()
    if problem.shape and all(
        claim.shape == problem.shape + x.shape
        for claim, x in zip(stated, problem.point, strict=True)
    ):
        tables = zip(stated, problem.point, strict=True)
        return each, [claim.reshape(problem.size, *x.shape) for claim, x in tables]
    return np.ones((1, problem.size)), [claim[None] for claim in stated]


def by_entries(problem: Problem, rows: Array, claims: list[Array]) -> Report:
    """The verdicts on all entries of claimed Jacobians."""
    shapes = [(len(rows), *x.shape) for x in problem.point]
    fits = [claim.shape == shape for claim, shape in zip(claims, shapes, strict=True)]
    expected, bars = ([np.zeros(shape) for shape in shapes] for _ in range(2))
    entries: list[Entry] = []
    unsound = set()
    for number, index, name in problem.entries():
        at = float(problem.point[number][index])
        for row, (unit, values) in enumerate(columns(problem, number, index, rows)):
            place = (row, *index)
            seen = evidence(values, unit, at)
            claim = float(claims[number][place]) if fits[number] else np.nan
            verdict = decide(claim, seen)
            if not fits[number]:
                verdict = replace(verdict, kind="wrong", reason="shape")
            label = f"{output(problem, row)} by {name}" if len(rows) > 1 else name
            entries.append(Entry(label, verdict, seen.steps, seen.quotients))
            expected[number][place], bars[number][place] = accepted(verdict)
            if not verdict.ok:
                unsound.add(number)
    guesses = []
    for number in sorted(unsound):
        if np.all(np.isfinite(expected[number])) and np.all(np.isfinite(bars[number])):
            whole = slice(None) if len(rows) > 1 else 0
            tables = (each[number][whole] for each in (claims, expected, bars))
            sentence = guess(*tables) or stale(problem, number, claims[number])
            if sentence:
                guesses.append(f"{problem.names[number]}: {sentence}")
    return Report(tuple(entries), tuple(problem.notes), tuple(guesses), problem.evaluations)


def columns(
    problem: Problem, number: int, index: tuple[int, ...], rows: Array
) -> list[tuple[float, list[float]]]:
    """For each row the first step and the values of its sum as one entry of an input moves."""
    direction = [np.zeros_like(x) for x in problem.point]
    direction[number][index] = 1.0
    unit = largest_step(float(problem.point[number][index]))
    f = problem.along(direction)
    values = np.array([f(t) for t in sample_points(unit)])
    if len(rows) == 1:
        values = values @ rows.T
    return [(unit, column) for column in values.T.tolist()]


def output(problem: Problem, row: int) -> str:
    """What one of several outputs is called."""
    return f"output{[int(i) for i in np.unravel_index(row, problem.shape)]}"


def accepted(verdict: Verdict) -> tuple[float, float]:
    """What would have been right, and how far it may be off; NaN where that is not known."""
    if verdict.kind == "inconclusive" and not np.isfinite(verdict.bar):
        return np.nan, np.nan
    return verdict.expected, verdict.bar + (verdict.high - verdict.low) / 2


def stale(problem: Problem, number: int, claim: Array) -> str:
    """Whether a rule gives the same gradient elsewhere: a last guess for one that is wrong."""
    if problem.rule is None:
        return ""
    rng = np.random.default_rng(0)
    moved = [rng.choice((-1.0, 1.0), x.shape) * largest_step(1.0) for x in problem.point]
    f = problem.along(moved)
    slopes = f(1.5) - f(0.5), f(0.5) - f(-0.5)
    with np.errstate(all="ignore"):
        there = problem.asked([x + d for x, d in zip(problem.point, moved, strict=True)])[number]
    straight = np.allclose(*slopes, rtol=1e-6, atol=0.0)
    if not straight and np.array_equal(there.ravel(), claim.ravel()):
        return "it is the same for other inputs: is it computed from old ones?"
    return ""
