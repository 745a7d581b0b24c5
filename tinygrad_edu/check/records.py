"""One operation judged over all that its record declares: domain, options, shapes, kinks, extremes.

`pointwise.py` judges an element-wise operation at hundreds of points, `shapes.py` any operation on
small arrays, `extremes.py` what must stay finite and what float32 makes of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.operation import Elementwise
from .extremes import judge_extremes
from .pointwise import judge_points
from .report import Report
from .samples import operation
from .shapes import judge_shapes
from .trial import Trial
from .words import REASONS

# So many entries keep the differences that `plot` draws.
KEPT = 30


def rule(record: Any, *, seed: int = 0) -> Report:
    """Judge the rules of one operation, yours or ours, over its whole domain.

    `record` is the operation, its name, or the NumPy function it stands for. Judged are the first
    and second derivatives for each set of options, at numbers of every size from 1e-6 to 1e3, at
    special ones, and in shapes that broadcast or are empty; on each kink, where a rule must lie
    between the slopes on the two sides; at each extreme, where value and derivatives must be
    finite without a warning; and in float32. `seed` draws the numbers.
    Raises `UnknownNameError` for a name that no operation has, `OperandError` for an operation
    without a derivative.
    """
    trial = Trial(operation(record), np.random.default_rng(seed))
    with np.errstate(all="ignore"):
        if isinstance(trial.op, Elementwise):
            judge_points(trial)
        judge_shapes(trial)
        judge_extremes(trial)
    return report(trial)


def report(trial: Trial) -> Report:
    """All verdicts; the differences of the worst entries only."""
    entries = list(trial.entries)
    for number in sorted(range(len(entries)), key=lambda i: entries[i].severity)[:-KEPT]:
        entries[number] = replace(entries[number], steps=(), quotients=())
    guesses = tuple(dict.fromkeys(trial.guesses))
    return Report(tuple(entries), tuple(notes(trial)), guesses, trial.evaluations)


def notes(trial: Trial) -> list[str]:
    """What was tried, and what else is to be said."""
    op = trial.op
    tried = [
        f"{trial.points} points of its domain" if trial.points else "",
        f"{trial.shapes} combinations of shapes and options",
        f"{len(trial.kinks)} of {len(op.kinks)} declared kinks" if op.kinks else "",
        f"{len(op.extremes)} declared extremes" if op.extremes else "",
    ]
    orders = "its derivative is constant" if op.constant else "first and second derivatives"
    said = [f"{op.name} was tried at {', '.join(filter(None, tried))}: {orders}."]
    if trial.undeclared:
        said.append(f"A kink that the record does not declare: {trial.undeclared}.")
    if op.surrogate:
        why = REASONS["en"]["surrogate"]
        said.append(f"{op.name} is a surrogate: {why}, so nothing here is wrong.")
    if trial.counterexample:
        said.append(f"A counterexample: {trial.counterexample}")
    return said
