"""The points of an element-wise operation: its partial derivatives, hundreds by each call.

Entries do not mix, so all points are moved at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from ..engine.operation import Case, Operation
from ..engine.sweep import gradients
from ..engine.value import Value
from .extremes import judge_float32
from .mistakes import guess
from .noise import POINTS, noise_of
from .samples import (
    Call,
    apply,
    away,
    close_call,
    distances,
    magnitudes,
    numbers,
    on,
    option_sets,
    short,
    units,
)
from .slope import largest_step, sample_points
from .trial import Place, Trial
from .verdict import Verdict

# How many first and second derivatives are judged, by and large, and of how many points at least.
FIRST, SECOND, FEWEST = 200, 100, 6
# What share of the points is drawn in which way, and how many more than are used: points come last
# where a value changes by less than a share FLAT of it within a step, so rounding hides its slope.
SHARES: Mapping[Any, float] = {
    "magnitudes": 0.4,
    "round": 0.28,
    "near": 0.28,
    "far": 0.02,
    "wide": 0.02,
}
MORE, FLAT = 1.5, 1e-8
# How many points are judged on a kink, of how many that are drawn.
ON_KINK, CANDIDATES = 4, 200
# A rule's rounding is measured at points this far apart, in units of the first step.
SPACING = 2.0**-17 * 0.9031


def judge_points(trial: Trial) -> None:
    """First and second derivatives at points of the domain, first ones on each kink, float32."""
    op, options = trial.op, option_sets(trial.op)
    count = len(op.arguments)
    firsts = max(FIRST // (count * len(options)), FEWEST)
    seconds = max(SECOND // (count**2 * len(options)), FEWEST)
    for each in options:
        call = scattered(trial, firsts, each)
        trial.points += len(call.arrays[0])
        derivatives(trial, call)
        judge_float32(trial, call)
        if not op.constant:
            few = Call(tuple(array[:seconds] for array in call.arrays), each)
            derivatives(trial, few, order=2)
        for which in range(len(op.kinks)):
            call = on_kink(trial, which, each)
            if call.arrays[0].size:
                trial.kinks.add(which)
                derivatives(trial, call)


def scattered(trial: Trial, count: int, options: Mapping[str, Any]) -> Call:
    """Points of the domain of every size, special numbers among them, none at a pole."""
    op, rng = trial.op, trial.rng
    columns = []
    for position in range(len(op.arguments)):
        parts = []
        for kind, share in SHARES.items():
            most = math.ceil(MORE * share * count)
            if kind in ("magnitudes", "far"):
                parts.append(magnitudes(op, position, most, rng, kind == "far"))
            else:
                parts.append(short(numbers(op, position, (most,), kind, rng), 4))
        rest = np.concatenate(parts)
        # Of several arguments they would meet on corners where they are equal.
        first = units(op, position) if len(op.arguments) == 1 else rest[:0]
        mixed = rng.permutation(first), rng.permutation(rest)
        columns.append(np.concatenate(mixed)[: rest.size])
    values = apply(op, columns, options)
    flat = np.ones(values.shape, dtype=bool)
    for way in (1, -1):  # where one side only is flat there is a corner, and it is tried
        further = [column + way * first_steps(column) for column in columns]
        flat &= np.abs(apply(op, further, options) - values) < FLAT * np.abs(values)
    chosen = [k for k in np.argsort(flat, kind="stable") if np.isfinite(values[k])][:count]
    return Call(tuple(column[chosen] for column in columns), options)


def on_kink(trial: Trial, which: int, options: Mapping[str, Any]) -> Call:
    """A few different points that are exactly on a kink and away from the others."""
    op = trial.op
    case = Case(((CANDIDATES,),) * len(op.arguments), options)
    call = close_call(op, case, which, trial.rng)
    finite = np.isfinite(apply(op, call.arrays, options))  # otherwise it is a pole
    met = np.all([finite, on(op, call, which), *away(op, call, which)], axis=0)
    different = np.unique(np.stack(call.arrays)[:, met], axis=1)
    return Call(tuple(trial.rng.permutation(different.T)[:ON_KINK].T), options)


def derivatives(trial: Trial, call: Call, order: int = 1) -> None:
    """The partials at all points of a call, or with `order` 2 the partials of the partials."""
    op = trial.op
    ones = np.ones(len(call.arrays[0]))

    def outputs(*inputs: Any) -> Any:
        return trial.outputs(call, inputs, None if order == 1 else ones)

    def claims(*arrays: Any) -> Any:
        leaves = tuple(map(Value, arrays))
        return np.array([gradients(out, leaves, ones) for out in outputs(*leaves)])

    @cache
    def nearby() -> Any:
        """The claims close by: those of a rule that rounds well lie on a smooth curve."""
        pairs = [(x, SPACING * first_steps(x)) for x in call.arrays]
        moves = np.arange(POINTS) + 0.5
        return np.array([claims(*(x + move * h for x, h in pairs)) for move in moves])

    def noise(*place: int) -> float:
        return noise_of(nearby()[(slice(None), *place)].tolist())

    try:
        claimed = claims(*call.arrays)
    except Exception as error:
        return trial.refuse(trial.written(call), error)
    places = whereabouts(op, call)
    points = [trial.written(call, k) for k in range(ones.size)]
    for j, by in enumerate(op.arguments):
        values = table(trial, outputs, call, j, claimed[:, j].shape)
        at = call.arrays[j].tolist()
        for i, first in enumerate(op.arguments[: len(claimed)]):
            if order == 2 and not callable(op.rules[i]):
                continue  # a constant
            label = by if order == 1 else f"{by} twice" if i == j else f"{first} and {by}"
            columns = zip(claimed[i, j].tolist(), values[:, i].T.tolist(), at, places, strict=True)
            verdicts = [
                trial.judge(f"{points[k]} by {label}", *column, partial(noise, i, j, k))
                for k, column in enumerate(columns)
            ]
            explain(trial, label, verdicts)


def whereabouts(op: Operation, call: Call) -> list[Place]:
    """What the record says of each point."""
    nearest = np.min([np.ones(len(call.arrays[0])), *distances(op, call)], axis=0)
    return ["kink" if near == 0 else "near" if near < 1 else "smooth" for near in nearest.tolist()]


def explain(trial: Trial, label: str, verdicts: Sequence[Verdict]) -> None:
    """Guess at the mistake that makes derivatives wrong."""
    told = [v for v in verdicts if v.kind in ("correct", "wrong") and v.bar < math.inf]
    if not all(v.ok for v in told):
        sentence = guess(*np.array([(v.claim, v.expected, v.bar) for v in told]).T)
        if sentence:
            trial.guesses.append(f"by {label}: {sentence}")


def table(
    trial: Trial, f: Callable[..., Any], call: Call, position: int, shape: tuple[int, ...]
) -> Any:
    """The values of `f`, of this shape, as an argument moves: a row for each sample point."""
    steps, arrays = first_steps(call.arrays[position]), list(call.arrays)
    rows = []
    for t in sample_points(1.0):
        arrays[position] = call.arrays[position] + t * steps
        rows.append(np.broadcast_to(trial.value(f, arrays), shape))
    return np.array(rows)


def first_steps(array: Any) -> Any:
    """The first step of each entry."""
    return np.array([largest_step(x) for x in array.tolist()])
