"""Clipping gradients by their norm and entry by entry."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import tinygrad_edu as te
from tinygrad_edu.errors import NonFiniteError, OperandError
from tinygrad_edu.optim import clip_grad_norm, clip_grad_value

entries = st.floats(-1e150, 1e150)


def leaf(gradient: Any, name: str | None = None) -> te.Value:
    """A leaf with this gradient."""
    value = te.Value(np.zeros_like(gradient), name=name)
    value.grad = np.asarray(gradient)[()]
    return value


def test_the_norm_is_that_of_all_gradients_together() -> None:
    parameters = [leaf([3.0, 0.0]), te.Value([7.0]), leaf(4.0)]
    assert clip_grad_norm(parameters, 10.0) == 5.0
    np.testing.assert_array_equal(parameters[0].grad, [3.0, 0.0])
    assert clip_grad_norm(parameters, 1.0) == 5.0
    np.testing.assert_allclose(parameters[0].grad, [3 / (5 + 1e-6), 0.0], rtol=1e-15)
    assert parameters[1].grad is None
    assert parameters[2].grad == pytest.approx(4 / (5 + 1e-6), rel=1e-15)


@given(
    gradients=st.lists(arrays(np.float64, st.integers(1, 4), elements=entries), max_size=3),
    most=st.floats(1e-3, 1e3),
)
def test_clipping_shortens_and_never_turns(gradients: list[Any], most: float) -> None:
    parameters = [leaf(gradient) for gradient in [*gradients, np.array([1.0, 0.0])]]
    before = np.concatenate([parameter.grad for parameter in parameters])
    largest = np.max(np.abs(before))
    norm = largest * np.linalg.norm(before / largest)
    assert clip_grad_norm(parameters, most) == pytest.approx(norm, rel=1e-12)
    after = np.concatenate([parameter.grad for parameter in parameters])
    if norm <= most - 1e-6:
        np.testing.assert_array_equal(after, before)
    else:
        assert np.linalg.norm(after) <= most * (1 + 1e-12)
        np.testing.assert_allclose(after * (norm / most), before, rtol=2e-3, atol=1e-12 * norm)


def test_clipping_keeps_the_dtype_and_leaves_the_old_arrays_alone() -> None:
    gradient = np.array([30.0, 40.0], np.float32)
    parameter, number = leaf(gradient), leaf(np.float32(0.0))
    clip_grad_norm([parameter, number], 1.0)
    np.testing.assert_array_equal(gradient, [30.0, 40.0])
    clip_grad_value([parameter, number], 0.7)
    assert parameter.grad.dtype == number.grad.dtype == np.float32
    np.testing.assert_allclose(parameter.grad, [0.6, 0.7], rtol=1e-6)


def test_squares_that_overflow_do_not_turn_the_gradient_into_zeros() -> None:
    for dtype, huge in ((np.float64, 3e200), (np.float32, 3e30)):
        parameter = leaf(np.array([huge, -huge], dtype))
        norm = clip_grad_norm([parameter], 1.0)
        assert norm == pytest.approx(huge * math.sqrt(2), rel=1e-6)
        np.testing.assert_allclose(parameter.grad, [math.sqrt(0.5), -math.sqrt(0.5)], rtol=1e-6)


def test_infinite_gradients() -> None:
    def parameters() -> list[te.Value]:
        return [leaf([math.inf, 1.0], name="weight"), leaf([2.0])]

    broken = parameters()
    assert clip_grad_norm(broken, 1.0) == math.inf
    np.testing.assert_array_equal(broken[0].grad, [math.nan, 0.0])
    np.testing.assert_array_equal(broken[1].grad, [0.0])
    nan = [leaf([math.nan]), leaf([2.0])]
    assert math.isnan(clip_grad_norm(nan, 1.0))
    assert math.isnan(nan[1].grad[0])
    kept = parameters()
    with pytest.raises(NonFiniteError, match=r"entries in weight; .* te\.trace_nonfinite\(\)"):
        clip_grad_norm(kept, 1.0, error_if_nonfinite=True)
    assert kept[1].grad[0] == 2.0
    with pytest.raises(NonFiniteError, match="entries in number 0"):
        clip_grad_norm(nan[:1], 1.0, error_if_nonfinite=True)


def test_no_gradient_at_all_has_the_norm_zero() -> None:
    assert clip_grad_norm([te.Value(1.0)], 1.0) == 0.0
    zeros = leaf([0.0, 0.0])
    assert clip_grad_norm(zeros, 1e-9) == 0.0
    np.testing.assert_array_equal(zeros.grad, [0.0, 0.0])


def test_entries_are_brought_into_the_range() -> None:
    parameters = [leaf([-3.0, 0.5, math.inf, math.nan]), te.Value(1.0), leaf(-2.0)]
    clip_grad_value(parameters, 1.0)
    np.testing.assert_array_equal(parameters[0].grad, [-1.0, 0.5, 1.0, math.nan])
    assert parameters[1].grad is None
    assert parameters[2].grad == -1.0


@pytest.mark.parametrize("clip", [clip_grad_norm, clip_grad_value])
def test_what_clipping_refuses(clip: Any) -> None:
    for most in (0.0, -1.0, math.nan, math.inf, "1"):
        with pytest.raises(OperandError, match=r"most, the .*, must be a positive number, not "):
            clip([leaf([1.0])], most)
    with pytest.raises(OperandError, match=r"pass model\.parameters\(\)"):
        clip(te.nn.Linear(2, 1), 1.0)
    with pytest.raises(OperandError, match="updates leaves made with"):
        clip([np.ones(2)], 1.0)
