"""Every record compiled, with its derivatives, gives bit for bit what it gives uncompiled."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.compile.judging import same_at_every_call
from tests.ops.checks import weights
from tests.ops.user_records import ALL, DIFFERENTIABLE, DISCRETE
from tinygrad_edu.check.samples import Reach, apply, arguments, fixed_cases, option_sets
from tinygrad_edu.engine.operation import Case, Operation
from tinygrad_edu.errors import RecordingWarning

DTYPES: tuple[Any, ...] = (np.float64, np.float32)


def named(op: Operation) -> str:
    return op.name


def forward(op: Operation, options: Any) -> Any:
    return lambda *arrays: apply(op, [te.Value(a) for a in arrays], options)


def first_order(op: Operation, options: Any) -> Any:
    def f(*arrays: Any) -> Any:
        inputs = [te.Value(a) for a in arrays]
        out = apply(op, inputs, options)
        return out, te.grad(out, inputs, gradient=weights(out.shape))

    return f


def second_order(op: Operation, options: Any) -> Any:
    def f(*arrays: Any) -> Any:
        inputs = [te.Value(a) for a in arrays]
        out = apply(op, inputs, options)
        incoming = te.Value(weights(out.shape).astype(out.dtype))
        slopes = te.grad(out, inputs, gradient=incoming, create_graph=True)
        vector: Any = np.concatenate([np.reshape(g, (-1,)) for g in slopes])
        if not vector.requires_grad:
            return vector.detach()
        return slopes, te.grad(vector, [*inputs, incoming], gradient=weights(vector.shape))

    return f


def check(op: Operation, function: Any, case: Case, reach: Reach, dtype: Any) -> None:
    drawn = {}

    def given(call: int) -> tuple[Any, ...]:
        # The last call has the numbers of the third again.
        seed = min(call, 4 - call % 2)
        if seed not in drawn:
            arrays = arguments(op, case, reach, seed).arrays
            drawn[seed] = tuple(np.asarray(a, dtype)[()] for a in arrays)
        return drawn[seed]

    same_at_every_call(function(op, case.options), given)


def shapes(op: Operation) -> list[Case]:
    """Few cases: one for each set of options, of arrays."""
    if op.elementwise:
        cycle = ((2, 3), (3,), (2, 1))
        count = len(op.arguments)
        return [Case(cycle[:count], options) for options in option_sets(op)]
    return list(op.cases)


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=named)
def test_values_and_gradients(op: Operation) -> None:
    for case in shapes(op)[:3]:
        check(op, first_order, case, "near", np.float64)


UNSHAPED = ("argwhere",)  # how many entries come out depends on the numbers


@pytest.mark.parametrize("op", [op for op in DISCRETE if op.name not in UNSHAPED], ids=named)
def test_choices(op: Operation) -> None:
    shape = (2, 3)
    rng = np.random.default_rng(0)
    kind: Any = (lambda a: a > 0) if "logical" in op.name or "bitwise" in op.name else np.asarray

    def given(call: int) -> tuple[Any, ...]:
        return tuple(kind(rng.standard_normal(shape).round(1)) for _ in range(op.count))

    drawn = [given(call) for call in range(5)]
    if op.name in ("invert", "bitwise_and", "bitwise_or", "bitwise_xor"):
        drawn = [tuple(each > 0 for each in arrays) for arrays in drawn]
    same_at_every_call(lambda *arrays: op(*arrays), lambda call: drawn[call])


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", DTYPES, ids=["float64", "float32"])
@pytest.mark.parametrize("reach", ["round", "near", "wide"])
@pytest.mark.parametrize("function", [forward, first_order, second_order])
@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=named)
def test_all_cases(op: Operation, function: Any, reach: Reach, dtype: Any) -> None:
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        # Of "wide" numbers in float32 many overflow at each call.
        warnings.simplefilter("ignore", RecordingWarning)
        for case in fixed_cases(op):
            check(op, function, case, reach, dtype)


def test_there_are_records() -> None:
    assert len(ALL) > 150
