"""The judge of NumPy's functions that operations make up: NumPy's values, and their slopes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

import tinygrad_edu as te

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE", "ci") != "ci"


def agrees(call: Callable[..., Any], *arrays: Any, order: int = 2) -> None:
    """`call` of Values gives what it gives of arrays, each single one or all of them wrapped,
    and its derivatives up to `order` are the slopes of what NumPy computes; dtypes are NumPy's.
    """
    plain = call(*arrays)
    for tracked in itertools.product((True, False), repeat=len(arrays)):
        if not any(tracked):
            continue
        mixed = [te.Value(a) if yes else a for a, yes in zip(arrays, tracked, strict=True)]
        out = call(*mixed)
        assert isinstance(out, te.Value)
        assert out.shape == np.shape(plain)
        assert out.requires_grad
        np.testing.assert_allclose(out.data, plain, rtol=1e-13, atol=1e-14)
    values = [te.Value(a) for a in arrays]
    out = call(*values)
    gradients = te.grad(out, values, gradient=np.ones(out.shape))
    for g, value in zip(gradients, values, strict=True):
        assert (g.shape, g.dtype) == (value.shape, value.dtype)
    # Three random directions find what is wrong as well, by fewer evaluations, and do not say
    # where; the second order of records that are right is seldom wrong.
    for each in range(1, order + 1 if THOROUGH else 2):
        mode: Literal["auto", "directions"] = "auto" if THOROUGH else "directions"
        te.check.assert_gradients(call, *arrays, order=each, mode=mode)
    numbers = [np.float32(a) for a in arrays]
    single = [te.Value(a) for a in numbers]
    out = call(*single)
    assert out.dtype == np.asarray(call(*numbers)).dtype
    np.testing.assert_allclose(out.data, plain, rtol=1e-4, atol=1e-5)
    assert all(g.dtype == np.float32 for g in te.grad(out, single, np.ones(out.shape)))
