"""An array's numbers count, not how they lie in memory: transposed, reversed or with gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.ops.user_records import DIFFERENTIABLE
from tinygrad_edu.check.samples import apply, arguments, interval, option_sets, structural_cases
from tinygrad_edu.engine.operation import Operation


def transposed(a: Any) -> Any:
    return np.asfortranarray(a)


def turned(a: Any) -> Any:
    return np.ascontiguousarray(np.flip(a))[(slice(None, None, -1),) * a.ndim]


def with_gaps(a: Any) -> Any:
    wide = np.zeros([2 * n for n in a.shape], a.dtype)
    every_other = wide[(slice(None, None, 2),) * a.ndim]
    every_other[...] = a
    return every_other


def calls(op: Operation, size: tuple[int, int]) -> list[tuple[list[Any], Any]]:
    """Arguments, and options."""
    rng = np.random.default_rng(0)
    if not op.elementwise:
        drawn = [arguments(op, case, "near", rng) for case in structural_cases(op)]
        return [([np.asarray(x) for x in call.arrays], call.options) for call in drawn]
    ends = [interval(op, position) for position in range(len(op.arguments))]
    return [
        ([rng.uniform(max(low, -30), min(high, 30), size) for low, high in ends], options)
        for options in option_sets(op)
    ]


def results(op: Operation, arrays: list[Any], options: Any) -> list[Any]:
    """The value and the gradients, on arrays and recorded."""
    inputs = [te.Value(x) for x in arrays]
    for leaf, x in zip(inputs, arrays, strict=True):
        if x.ndim:
            leaf.rebind(x)  # a Value copies into NumPy's own order; results of operations need not
    out = apply(op, inputs, options)
    ones = np.ones(out.shape)
    recorded = te.grad(out, inputs, gradient=ones, create_graph=True)
    return [out.data, *te.grad(out, inputs, gradient=ones), *(g.data for g in recorded)]


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=lambda op: op.name)
@pytest.mark.parametrize("size", [(5, 7), pytest.param((300, 400), marks=pytest.mark.thorough)])
def test_numbers_count_and_not_how_they_lie_in_memory(op: Operation, size: tuple[int, int]) -> None:
    for arrays, options in calls(op, size):
        with np.errstate(all="ignore"):
            right = results(op, arrays, options)
            for lay in (transposed, turned, with_gaps):
                found = results(op, [lay(x) if x.ndim else x for x in arrays], options)
                for want, got in zip(right, found, strict=True):
                    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12, err_msg=op.name)
