"""A number of Python's among the arguments is what an untracked Value of their dtype would be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.engine.operation import OPERATIONS

SEVERAL = [op for op in OPERATIONS.values() if op.elementwise and op.count > 1 and not op.variadic]


@pytest.mark.parametrize("op", SEVERAL, ids=lambda op: op.name)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("number", [0.5, 1])
def test_values_and_gradients(op: Any, dtype: Any, number: float) -> None:
    for place in range(op.count):
        found = []
        for item in (number, te.Value(dtype(number), requires_grad=False)):
            args: list[Any] = [
                te.Value(np.array([0.6, 0.65], dtype) + dtype(0.1 * n)) for n in range(op.count)
            ]
            args[place] = item
            out = op(*args)
            if out.requires_grad:
                np.sum(out).backward()
            slopes = [each.grad for n, each in enumerate(args) if n != place]
            found.append([out.data, *(g for g in slopes if g is not None)])
        for ours, theirs in zip(*found, strict=True):
            assert ours.dtype == theirs.dtype
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("zero", [0, 0.0, -0.0])
def test_division_by_a_zero_of_pythons_is_numpys(zero: float) -> None:
    for data in (2.0, np.array([2.0, 1.0])):
        v, w = te.Value(data), te.Value(data)
        with np.errstate(divide="ignore"):
            np.sum(v / zero).backward()
            np.sum(w / np.float64(zero)).backward()
        assert np.array_equal(v.grad, w.grad)
        assert np.isinf(v.grad).all()
