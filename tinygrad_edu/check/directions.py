"""Many inputs at once: random directions, and bisection to name the entries that are wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from .entries import claimed
from .mistakes import guess
from .problem import Array, Problem
from .report import Entry, Report
from .slope import LEAST_SIZE, Evidence, evidence, largest_step, sample_points
from .verdict import Verdict, decide

# Three directions that pass bound an undetected vector of errors by 160 bars, but for one case in
# a million: an error is hidden only if it is nearly at right angles to all of them.
DIRECTIONS = 3
# Once so many wrong entries have been named the search ends.
NAMED = 8
# Entries are judged alone, for 92 evaluations each, as long as this is enough for all.
ENOUGH = 320


def by_directions(problem: Problem, rng: np.random.Generator) -> Report:
    """The derivatives along random directions, each entry moving in proportion to its size.

    Where one of them is wrong, the entries that make it so are found by halving those that move,
    and judged alone; the other directions are then only looked at, for what is still hidden.
    """
    outer, gradient, misshapen = contracted(problem, rng)
    point = np.concatenate([x.ravel() for x in problem.point])
    size = np.maximum(np.abs(point), LEAST_SIZE)
    for number in misshapen:
        problem.pieces(size)[number][...] = 0.0
    unit = largest_step(1.0)

    def f(direction: Array, t: float) -> float:
        return float(outer @ problem.along(problem.pieces(direction))(t))

    def alone(position: int, error: float = math.nan, bar: float = math.nan) -> Entry:
        """The verdict on one entry; by the `error` that the search saw where that must do."""
        claim, at = float(gradient[position]), float(point[position])
        unit = largest_step(at)
        points = sample_points(unit)
        if error == error and problem.evaluations + len(points) > ENOUGH:
            expected = claim + error
            verdict = Verdict("wrong", claim, expected, bar, expected - bar, expected + bar)
            return Entry(problem.name_at(position), verdict)
        direction = np.zeros(size.size)
        direction[position] = 1.0
        seen = evidence([f(direction, t) for t in points], unit, at)
        return Entry(problem.name_at(position), decide(claim, seen), seen.steps, seen.quotients)

    entries: list[Entry] = []
    wrong: list[Entry] = []
    missing = np.flatnonzero(~np.isfinite(gradient))
    for position in map(int, missing[:NAMED]):
        # The first shows what it should have been; that of each would cost too much.
        wrong.append(
            alone(position)
            if not wrong
            else Entry(problem.name_at(position), nothing(float(gradient[position]), "claim"))
        )
    gradient[missing] = size[missing] = 0.0
    search, unsure = Search(f), np.zeros(size.size)
    turn = 0
    for turn in range(DIRECTIONS if size.any() else 0):
        direction = rng.standard_normal(size.size) * size
        if search.step is None:
            seen = evidence([f(direction, t) for t in sample_points(unit)], unit)
            verdict = decide(float(gradient @ direction), seen)
            if verdict.kind == "kink" and verdict.inside:
                # Many slopes lie between those on the two sides, and most of them are wrong.
                verdict = replace(verdict, kind="inconclusive", reason="kinks")
            entries.append(Entry(f"direction {turn + 1}", verdict, seen.steps, seen.quotients))
            if verdict.ok:
                continue
            search.learn(seen)
        room = search.room + float(unsure @ np.abs(direction))
        for position, *found in search.culprits(gradient, direction, room):
            if len(wrong) >= NAMED:
                break
            entry = alone(position, *found)
            verdict = entry.verdict
            if not verdict.ok:
                wrong.append(entry)
            # It is right now, within its bar, and takes no further part.
            gradient[position] = verdict.expected
            unsure[position] = verdict.bar
    moved = np.count_nonzero(size)
    plural = "s" if turn else ""
    notes = [f"{moved} entries were checked along {turn + 1} random direction{plural}."]
    notes = notes if moved else []
    if missing.size:
        notes.append(f"{missing.size} entries of the gradient are not finite.")
    if len(wrong) >= NAMED:
        notes.append(f"The search ended when {NAMED} wrong entries had been found.")
    sentence = ""
    if len(wrong) > 1:
        parts = ("claim", "expected", "bar")
        sentence = guess(*(np.array([getattr(e.verdict, part) for e in wrong]) for part in parts))
    guesses = (f"those found: {sentence}",) if sentence else ()
    entries += [
        *wrong,
        *(Entry(problem.names[number], nothing(math.nan, "shape")) for number in misshapen),
    ]
    return Report(tuple(entries), (*problem.notes, *notes), guesses, problem.evaluations)


def contracted(problem: Problem, rng: np.random.Generator) -> tuple[Array, Array, list[int]]:
    """A sum of outputs, its claimed gradient as one vector, and the inputs whose has no shape."""
    if problem.rule is None:
        rows = rng.standard_normal((1, problem.size)) if problem.size > 1 else np.ones((1, 1))
        claims = problem.claims(rows)
    else:
        rows, claims = claimed(problem)
        if len(rows) > 1:
            weights = rng.standard_normal((1, len(rows)))
            claims = [np.tensordot(weights, claim, 1) for claim in claims]
            rows = weights
    misshapen = [
        number
        for number, (x, claim) in enumerate(zip(problem.point, claims, strict=True))
        if claim.shape != (1, *x.shape)
    ]
    flat = [
        np.zeros(x.size) if number in misshapen else claim.ravel()
        for number, (x, claim) in enumerate(zip(problem.point, claims, strict=True))
    ]
    return rows[0], np.concatenate(flat), misshapen


class Search:
    """Finds wrong entries by central differences over one step, which tell much in two calls."""

    def __init__(self, f: Callable[[Array, float], float]) -> None:
        self.f = f
        self.step: float | None = None
        self.room = math.inf

    def learn(self, seen: Evidence) -> None:
        """Choose the step at which plain differences come nearest to the extrapolated slope."""
        errors = [abs(quotient - seen.both.slope) for quotient in seen.quotients]
        # By and large: at one step they may come near by chance.
        around = [max(errors[i - 1 : i + 2]) for i in range(1, len(errors) - 1)]
        best = min(
            range(len(around)), key=lambda i: around[i] if around[i] < math.inf else math.inf
        )
        self.step = seen.steps[best + 1]
        self.room = 10 * max(around[best], seen.both.bar)

    def error(self, direction: Array, gradient: Array) -> float:
        """How far the slope along a direction is from the claimed one."""
        h = self.step or 0.0
        slope = (self.f(direction, h) - self.f(direction, -h)) / (2 * h)
        return slope - float(gradient @ direction)

    def culprits(
        self, gradient: Array, direction: Array, room: float
    ) -> Iterator[tuple[int, float, float]]:
        """The entries that make the slope along a direction wrong, how far off, and within what."""
        gradient = gradient.copy()
        groups = [(np.arange(direction.size), self.error(direction, gradient))]
        while groups:
            group, error = groups.pop()
            if not abs(error) > room:
                continue
            if group.size == 1:
                (position,) = group
                step = float(direction[position])
                yield int(position), error / step, room / abs(step)
                continue
            first, second = np.array_split(group, 2)
            part = np.zeros_like(direction)
            part[first] = direction[first]
            share = self.error(part, gradient)
            groups += [(second, error - share), (first, share)]


def nothing(claim: float, reason: str) -> Verdict:
    """The verdict on a claim that is none: no number, or of another shape than its input."""
    return Verdict("wrong", claim, math.nan, math.inf, math.nan, math.nan, reason=reason)
