"""Shapes and options: derivatives of a weighted sum of all outputs, by a few entries of each call.

Small arrays in every declared case, and with lengths of 1 and 0; element-wise: broadcast.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine.operation import Case, Elementwise
from ..engine.sweep import gradients
from ..engine.value import Value
from .extremes import judge_float32
from .samples import Call, apply, arguments, arguments_on_kink, distances, fixed_cases, unbounded
from .slope import LEAST_SIZE, largest_step, sample_points
from .trial import Place, Trial

# How many entries are judged in one case, beside a random direction, and how many on a kink.
ENTRIES, ON_KINK = 3, 4


def judge_shapes(trial: Trial) -> None:
    """First derivatives in all shapes; in declared ones also second ones, kinks and float32."""
    op = trial.op
    declared = 0 if isinstance(op, Elementwise) else len(op.cases)
    for number, case in enumerate(fixed_cases(op)):
        call = arguments(op, case, "near" if number % 2 else "round", trial.rng)
        trial.shapes += 1
        judge_sum(trial, call, ENTRIES)
        if number < declared:
            judge_float32(trial, call)
            judge_sum(trial, call, 1, order=2)
            judge_scaled(trial, call)
            judge_kinks(trial, case)


def judge_scaled(trial: Trial, call: Call) -> None:
    """The same with all numbers times one of 1e-6 to 1e2, unless that leads to a kink."""
    size = float(f"{10.0 ** trial.rng.uniform(-6, 2):.1g}")
    scaled = Call(tuple(size * array for array in call.arrays), call.options)
    anywhere = all(unbounded(trial.op, i) for i in range(len(call.arrays)))
    if anywhere and all(np.all(distance > 0) for distance in distances(trial.op, scaled)):
        judge_sum(trial, scaled, 1, place="near")


def judge_kinks(trial: Trial, case: Case) -> None:
    """First derivatives where an entry is exactly on a kink, for each kink."""
    for which in range(len(trial.op.kinks)):
        call = arguments_on_kink(trial.op, case, which, trial.rng)
        if call is not None:
            trial.kinks.add(which)
            judge_sum(trial, call, ON_KINK, place="kink")


def judge_sum(trial: Trial, call: Call, most: int, place: Place = "smooth", order: int = 1) -> None:
    """The gradient of Σ weights · y along a random direction and by at most so many entries.

    With `order` 2 that of a weighted sum of its gradient, by the weights too.
    """
    name = trial.written(call) + (", its gradient" if order == 2 else "")

    def total(*inputs: Any) -> Any:
        """The weighted sum, of arrays or Values; its last input is `weights` if `order` is 2."""
        parts = trial.outputs(call, inputs[:count], *inputs[count:])
        return sum(np.sum(w * part) for w, part in zip(factors, parts, strict=True))

    try:
        count, shapes = len(call.arrays), [np.shape(x) for x in call.arrays]
        weights = drawn(trial, np.shape(apply(trial.op, call.arrays, call.options)))
        factors = [weights] if order == 1 else [drawn(trial, shape) for shape in shapes]
        point = call.arrays if order == 1 else (*call.arrays, weights)
        leaves = tuple(map(Value, point))
        claims = gradients(total(*leaves), leaves)
    except Exception as error:
        trial.remember(call)
        return trial.refuse(name, error)

    def along(directions: list[Any], label: str, at: float, place: Place = place) -> bool:
        """Judge the slope along a direction; whether it is right."""
        lines = list(zip(point, directions, strict=True))
        values = [
            float(trial.value(total, [x + t * d for x, d in lines]))
            for t in sample_points(largest_step(at))
        ]
        claim = float(sum(np.sum(g * d) for g, d in zip(claims, directions, strict=True)))
        verdict = trial.judge(f"{name} {label}", claim, values, at, place)
        if not verdict.ok:
            trial.remember(call)
        return verdict.ok and verdict.reason != "corners"

    entries = [(i, index) for i, x in enumerate(point) for index in np.ndindex(np.shape(x))]
    if place != "kink" and len(entries) > 1:
        sizes = (np.maximum(np.abs(x), LEAST_SIZE) for x in point)
        directions = [drawn(trial, size.shape) * size for size in sizes]
        where: Place = "mixed" if place == "smooth" else place
        if not along(directions, "along a random direction", 0.5, where):
            most = len(entries)
    for chosen in trial.rng.permutation(len(entries))[:most]:
        number, index = entries[chosen]
        directions = [np.zeros(np.shape(x)) for x in point]
        directions[number][index] = 1.0
        label = [*trial.names(call)[:count], "weights"][number] + (
            str(list(index)) if index else ""
        )
        along(directions, f"by {label}", float(point[number][index]))


def drawn(trial: Trial, shape: tuple[int, ...]) -> Any:
    """Short numbers of different sizes, none of them 0; of one number the factor is 1."""
    if not shape:
        return np.float64(1)
    size = math.prod(shape)
    numbers = (trial.rng.permutation(size) + 4) * trial.rng.choice((-0.125, 0.125), size)
    return numbers.reshape(shape)
