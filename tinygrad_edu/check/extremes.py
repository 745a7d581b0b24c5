"""Extremes and float32: where arithmetic overflows, or loses its digits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.operation import Elementwise
from ..engine.sweep import gradients
from ..engine.value import Value
from .samples import Call, apply, fixed_cases
from .trial import Trial

# float32 rounds each number to 6e-8 of itself; a rule computes with several.
SINGLE, SINGLE_SIZE = 1e-4, 1e-5
SINGLE_LARGEST = 1e37


def judge_extremes(trial: Trial) -> None:
    """Value and derivatives where the record says that they stay finite."""
    op = trial.op
    for extreme in op.extremes:
        for case in fixed_cases(op):
            if isinstance(op, Elementwise) and any(case.shapes):
                continue  # numbers will do
            arrays = (np.full(s, x)[()] for s, x in zip(case.shapes, extreme, strict=True))
            at_extreme(trial, Call(tuple(arrays), case.options))


def at_extreme(trial: Trial, call: Call) -> None:
    """Refuse what is not finite at an extreme, or warns, in float64 and in float32."""
    for kind in (np.float64, np.float32):
        name, said = trial.written(call), "" if kind is np.float64 else " in float32"
        try:
            with np.errstate(all="raise", under="ignore"):
                found = computed(trial, call, kind)
        except Exception as error:
            return trial.refuse(name + said, f"at this declared extreme: {error}")
        for label, data in found.items():
            bad = data[~np.isfinite(data)]
            if bad.size:
                trial.refuse(name + label + said, "extreme", float(bad[0]))
        numbers = (*call.arrays, *found.values())
        if not max(np.abs(data).max(initial=0) for data in numbers) < SINGLE_LARGEST:
            return


def judge_float32(trial: Trial, call: Call) -> None:
    """Refuse a value or a derivative that float32 makes much worse, or that widens it."""
    single = Call(tuple(np.float32(array) for array in call.arrays), call.options)
    try:
        rounded, exact = (computed(trial, single, kind) for kind in (np.float32, np.float64))
    except Exception as error:
        return trial.refuse(f"{trial.written(call)} in float32", error)
    if rounded[""].dtype != np.float32 and "dtype" not in call.options:
        return trial.refuse(f"{trial.written(call)} in float32", "widened")
    for label, want in exact.items():
        got = rounded[label]
        usual = np.median(np.abs(want)) if want.size else 0.0
        room = SINGLE * np.abs(want) + SINGLE_SIZE * max(usual, 1.0)
        bad = np.flatnonzero(~(np.abs(got - want) <= room) & (np.abs(want) < SINGLE_LARGEST))
        if bad.size:
            point = int(bad[0]) if isinstance(trial.op, Elementwise) else None
            name = f"{trial.written(call, point)}{label} in float32"
            trial.refuse(name, "float32", float(got.flat[bad[0]]), float(want.flat[bad[0]]))


def computed(trial: Trial, call: Call, kind: Any) -> dict[str, Any]:
    """The value, under "", and the derivatives of the sum of all outputs, in one precision."""
    leaves = tuple(Value(kind(array)) for array in call.arrays)
    out = apply(trial.op, leaves, call.options)
    slopes = gradients(out, leaves, np.ones(out.shape, kind))
    labels = ["", *(f" by {name}" for name in trial.names(call))]
    return {
        label: np.asarray(data) for label, data in zip(labels, (out.data, *slopes), strict=True)
    }
