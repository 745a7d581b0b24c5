"""Losses and their slopes in units in the last place."""

from __future__ import annotations

import warnings

import mpmath as mp
import numpy as np
import pytest

import tinygrad_edu as te
from tests.activations.truth import (
    DIGITS,
    SLOPE_UNITS,
    TAIL_UNITS,
    VALUE_UNITS,
    Value,
    logistic,
    points,
    softplus,
    units_off,
)

each_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@each_dtype
@pytest.mark.parametrize("target", [0.0, 0.25, 1.0])
def test_binary_cross_entropy_is_right_in_the_last_places(target: float, dtype: type) -> None:
    """One logit at a time, so that no mean hides an error."""
    for logit in points(dtype)[::3]:
        with mp.workdps(DIGITS):
            x, t = mp.mpf(float(logit)), mp.mpf(target)
            loss = t * softplus(-x) + (1 - t) * softplus(x)
            slope = (1 - t) * logistic(x) - t * logistic(-x)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            value = Value(logit)
            got = te.nn.losses.bce_with_logits(value, dtype(target))
            got.backward()
        assert units_off(got.data, float(loss), float(loss)) <= VALUE_UNITS, logit
        assert units_off(value.grad, float(slope), 1.0) <= SLOPE_UNITS, logit
        if target in (0.0, 1.0):
            assert units_off(value.grad, float(slope), float(slope)) <= TAIL_UNITS, logit


@each_dtype
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_mean_squared_error_is_right_in_the_last_places(size: int, dtype: type) -> None:
    rng = np.random.default_rng(size)
    prediction, target = rng.normal(0, 10.0 ** rng.integers(-3, 4, (2, size))).astype(dtype)
    with mp.workdps(DIGITS):
        differences = [
            mp.mpf(float(p)) - mp.mpf(float(t)) for p, t in zip(prediction, target, strict=True)
        ]
        loss = float(sum(d * d for d in differences) / size)
        slopes = np.array([float(2 * d / size) for d in differences])
    value = Value(prediction)
    got = te.nn.losses.mse(value, target)
    got.backward()
    assert units_off(got.data, loss, loss) <= VALUE_UNITS
    assert units_off(value.grad, slopes, slopes).max() <= VALUE_UNITS
