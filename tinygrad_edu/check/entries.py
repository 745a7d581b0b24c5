"""Each entry of a Jacobian judged alone: 92 evaluations for each entry of the inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .mistakes import guess
from .problem import Array, Problem
from .report import Entry, Report
from .slope import evidence, largest_step, sample_points
from .verdict import Verdict, decide

# So many entries are named of those that are judged together.
MENTIONED = 4


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
    unsound: dict[int, tuple[int, ...]] = {}
    kinks: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
    for number, index, name in problem.entries():
        at = float(problem.point[number][index])
        unit = largest_step(at)
        for row, values in enumerate(columns(problem, [(number, index)], rows, unit)):
            place = (row, *index)
            seen = evidence(values, unit, at)
            claim = float(claims[number][place]) if fits[number] else np.nan
            verdict = decide(claim, seen)
            if not fits[number]:
                verdict = replace(verdict, kind="wrong", reason="shape")
            label = f"{output(problem, row)} by {name}" if len(rows) > 1 else name
            entries.append(Entry(label, verdict, seen.steps, seen.quotients))
            expected[number][place], bars[number][place] = accepted(verdict)
            if verdict.kind == "kink":
                kinks.setdefault(row, []).append((number, index))
            if verdict.kind == "wrong":
                unsound.setdefault(number, place)
    entries += [
        entry for row in kinks for entry in together(problem, rows, claims, row, kinks[row])
    ]
    guesses = []
    for number, place in unsound.items():
        if np.all(np.isfinite(expected[number])):
            whole = slice(None) if len(rows) > 1 else 0
            tables = (each[number][whole] for each in (claims, expected, bars))
            slope = float(expected[number][place])
            sentence = guess(*tables) or stale(problem, rows, number, place, claims[number], slope)
            if sentence:
                guesses.append(f"{problem.names[number]}: {sentence}")
    return Report(tuple(entries), tuple(problem.notes), tuple(guesses), problem.evaluations)


def columns(
    problem: Problem, moving: list[tuple[int, tuple[int, ...]]], rows: Array, unit: float
) -> list[list[float]]:
    """For each row the values of its sum as some entries move together."""
    direction = [np.zeros_like(x) for x in problem.point]
    for number, index in moving:
        direction[number][index] = 1.0
    f = problem.along(direction)
    values = np.array([f(t) for t in sample_points(unit)])
    if len(rows) == 1:
        values = values @ rows.T
    return values.T.tolist()  # type: ignore[no-any-return]


def together(
    problem: Problem,
    rows: Array,
    claims: list[Array],
    row: int,
    moving: list[tuple[int, tuple[int, ...]]],
) -> list[Entry]:
    """What several entries at kinks claim together: wrong if moving all of them meets no kink.

    Each of two equal entries may have any share of the gradient of their maximum, but both
    together have 1.
    """
    if len(moving) < 2:
        return []
    claim = sum(float(claims[number][(row, *index)]) for number, index in moving)
    seen = evidence(columns(problem, moving, rows, largest_step(1.0))[row], largest_step(1.0))
    verdict = decide(claim, seen)
    if verdict.kind != "wrong":
        return []
    names = [problem.name(number, index) for number, index in moving]
    label = f"{' + '.join(names[:MENTIONED])}{' + ...' if len(names) > MENTIONED else ''} together"
    if len(rows) > 1:
        label = f"{output(problem, row)} by {label}"
    return [Entry(label, verdict, seen.steps, seen.quotients)]


def output(problem: Problem, row: int) -> str:
    """What one of several outputs is called."""
    return f"output{[int(i) for i in np.unravel_index(row, problem.shape)]}"


def accepted(verdict: Verdict) -> tuple[float, float]:
    """What would have been right, and how far it may be off, ∞ where that is not known."""
    if verdict.kind == "inconclusive" or verdict.kind == "kink":
        return (verdict.expected if np.isfinite(verdict.expected) else 0.0), np.inf
    return verdict.expected, verdict.bar


def stale(
    problem: Problem,
    rows: Array,
    number: int,
    place: tuple[int, ...],
    claim: Array,
    expected: float,
) -> str:
    """Whether a rule gives the same gradient elsewhere, where it is another one."""
    if problem.rule is None or len(rows) > 1:
        return ""
    rng = np.random.default_rng(0)
    moved = [rng.choice((-1.0, 1.0), x.shape) * largest_step(1.0) for x in problem.point]
    with np.errstate(all="ignore"):
        there = problem.asked([x + d for x, d in zip(problem.point, moved, strict=True)])[number]
    if not np.array_equal(there.ravel(), claim.ravel()):
        return ""
    h = largest_step(1.0) / 64
    apart = [np.array(each) for each in moved]
    apart[number][place[1:]] += h
    values = [float(rows[0] @ problem.along(each)(1.0)) for each in (moved, apart)]
    slope = (values[1] - values[0]) / h
    if abs(slope - expected) <= 0.05 * abs(expected):
        return ""
    return "it is the same for other inputs: is it computed from old ones?"
