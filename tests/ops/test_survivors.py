"""Tests of what mutants of the rule files showed to be untested.

Expected values are closed forms: Euler's theorem for homogeneous functions, and the like.
"""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

import tinygrad_edu as te
from tests.activations.truth import FORMS, check_slopes, check_values, function_of

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value

# Tests over the registry say nothing of a record that is missing from it.
RECORDS = """
absolute add affine arctan arctan_slope argmax argmin astype bitwise_and bitwise_or bitwise_xor
bounded broadcast_to celu chain_product clip concatenate cos cosh divide dot elu equal erf exp
expand_dims expm1 first_half gaussian gelu gelu_exact_derivative gelu_root gelu_tanh_derivative
getitem glu greater greater_equal hard_shrink hard_sigmoid hard_swish hard_tanh invert isfinite
isnan leaky_gelu leaky_relu less less_equal linear log log1p log_sigmoid log_softmax logical_and
logical_not logical_or matmul max maximum mean min minimum mish mish_slope multiply negative
normal_cdf not_equal positive power prelu reciprocal relu relu6 reshape scatter sech_squared
second_half selected selu set_at sigmoid sigmoid_linear sigmoid_slope sign silu silu_slope sin sine
sinh soft_shrink softmax softmin softplus softsign sqrt square squared_relu squeeze stack step
subtract sum swapaxes swiglu swish tanh tanh_shrink tanh_squared threshold transpose where
"""


def test_no_record_is_missing() -> None:
    assert set(RECORDS.split()) <= set(te.OPERATIONS)


def slopes(function: Any, *arguments: Any) -> list[Any]:
    """The gradient for each argument, one entry at a time."""
    inputs = [Value(np.asarray(a, np.float64)) for a in np.broadcast_arrays(*arguments)]
    out = function(*inputs)
    return list(te.grad(out, inputs, gradient=np.ones(out.shape)))


@pytest.mark.parametrize("exponent", [3, 2, 1, -1, 0.5, -2.5])
def test_powers_with_pythons_numbers_for_exponents(exponent: float) -> None:
    x = np.array([0.25, 1.0, 3.0, 10.0])
    (slope,) = slopes(lambda x: x**exponent, x)
    np.testing.assert_allclose(slope, exponent * np.power(x, exponent - 1.0), rtol=1e-14)
    (second,) = slopes(te.grad(lambda x: np.sum(x**exponent), create_graph=True), x)
    wanted = exponent * (exponent - 1) * np.power(x, exponent - 2.0)
    np.testing.assert_allclose(second, wanted, rtol=1e-14)


@pytest.mark.parametrize("zero", [0, 0.0])
def test_a_constant_power_is_flat_even_where_the_square_overflows(zero: float) -> None:
    (slope,) = slopes(lambda x: x**zero, [0.0, 1e-3, 2.0, 1e200, -1e200])
    np.testing.assert_array_equal(slope, 0.0)


def test_powers_of_zero() -> None:
    exponents = np.array([0.0, 1.0, 2.0, 3.0])
    of_base, of_exponent = slopes(np.power, np.zeros(4), exponents)
    np.testing.assert_array_equal(of_base, [0, 1, 0, 0])
    # 0ᵇ is 0 for all b > 0; at b = 0, where it jumps, the rule takes it for flat too.
    np.testing.assert_array_equal(of_exponent, 0.0)


@pytest.mark.parametrize("name", ["leaky_relu", "prelu"])
@pytest.mark.parametrize("alpha", [-2.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
def test_a_leak_may_be_steeper_than_1(name: str, alpha: float) -> None:
    x = np.array([-1e3, -2.0, -0.5, 0.0, 0.5, 2.0, 1e3])
    wanted = np.where(x > 0, x, alpha * x)
    np.testing.assert_array_equal(te.ACTIVATIONS[name](x, alpha), wanted)
    np.testing.assert_array_equal(te.ACTIVATIONS[name](x, np.full(x.shape, alpha)), wanted)


def test_a_step_among_nans() -> None:
    got = te.activations.step(np.array([np.nan, 0.0, -1.0, 2.0, -0.0]))
    np.testing.assert_array_equal(got, [np.nan, 0, 0, 1, 0])


# Bounds and the numbers beside them.
AROUND: Any = np.array([-3.0, -1.0, 0.0, 0.25, 1.0, 2.0])


@pytest.mark.parametrize("name", ["hard_tanh", "clip"])
def test_moving_a_window_with_its_number_moves_the_result(name: str) -> None:
    """f(x + t, low + t, high + t) = f + t: the slopes add up to 1, on the bounds too."""
    parts = slopes(te.OPERATIONS[name], AROUND, -1.0, 1.0)
    np.testing.assert_array_equal(np.sum(parts, axis=0), 1.0)


def test_a_shrinkage_scales_with_its_number() -> None:
    """f(tx, tλ) = t f(x, λ): Euler's x ∂f/∂x + λ ∂f/∂λ = f, on the corner too."""
    of_x, of_lambd = slopes(te.activations.soft_shrink, AROUND, 1.0)
    wanted = te.activations.soft_shrink(AROUND, 1.0)
    np.testing.assert_array_equal(AROUND * of_x + of_lambd, wanted)


def test_a_hard_sigmoid_knows_only_the_product_of_slope_and_number() -> None:
    """x ∂f/∂x = s ∂f/∂s, on the corners too."""
    of_x, of_slope = slopes(te.activations.hard_sigmoid, AROUND, 0.5)
    np.testing.assert_array_equal(AROUND * of_x, 0.5 * of_slope)


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_extremes_of_two_have_their_kink_where_both_are_equal(name: str) -> None:
    (kink,) = te.OPERATIONS[name].kinks
    assert callable(kink)
    a, b = np.array([1.0, -2.0, 3.0, 0.5]), np.array([1.0, -2.0, -3.0, 2.0])
    np.testing.assert_array_equal(kink(a, b) == 0, a == b)


# Where the slope of a textbook's formula jumps, or the slope's own.
CORNERS: dict[str, set[float]] = {
    **{"relu": {0}, "leaky_relu": {0}, "prelu": {0}, "elu": {0}, "selu": {0}, "celu": {0}},
    **{"absolute": {0}, "sign": {0}, "step": {0}, "squared_relu": {0}, "softsign": {0}},
    **{"reciprocal": {0}, "relu6": {0, 6}, "hard_swish": {-3, 3}, "sigmoid_linear": {0, 1}},
}


@pytest.mark.parametrize("name", CORNERS)
def test_corners_are_where_the_textbook_has_them(name: str) -> None:
    assert set(te.OPERATIONS[name].kinks) == CORNERS[name]


def test_arrays_of_numbers_and_values() -> None:
    v = Value(3.0)
    mixed = te.array([[1.0, v], (v * v, 2.0)])
    np.testing.assert_array_equal(mixed.data, [[1, 3], [9, 2]])
    (slope,) = te.grad(mixed, [v], gradient=np.array([[1.0, 10.0], [100.0, 1000.0]]))
    assert slope == 10 + 100 * 2 * 3
    assert te.array(v) is v
    for constant in (2.5, [2.5], [[1.0], [2.0]], [], np.ones(2)):
        made = te.array(constant)
        np.testing.assert_array_equal(made.data, constant)
        assert not made.requires_grad


def test_an_extreme_over_axes_has_its_kink_at_ties_along_them() -> None:
    for name in ("max", "min"):
        (gaps,) = te.OPERATIONS[name].kinks
        assert callable(gaps)
        a = np.array([[1.0, 5.0, 2.0], [4.0, 4.0, 9.0]])
        np.testing.assert_array_equal(gaps(a, axis=1), [[1, 3], [0, 5]])
        np.testing.assert_array_equal(np.ravel(gaps(a, axis=0)), [3, 1, 7])
        np.testing.assert_array_equal(np.ravel(gaps(a)), [1, 2, 0, 1, 4])


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (1.0, 1.0), (2.0, -1.0)])
def test_a_clip_moves_with_its_number_whatever_its_bounds(low: float, high: float) -> None:
    parts = slopes(te.OPERATIONS["clip"], AROUND, low, high)
    np.testing.assert_array_equal(np.sum(parts, axis=0), 1.0)


def test_bounds_pass_the_gradient_as_those_of_clip_do() -> None:
    bounded = te.OPERATIONS["bounded"]
    (slope,) = slopes(lambda x: bounded(x, low=-1.0, high=1.0), AROUND)
    np.testing.assert_array_equal(slope, np.abs(AROUND) <= 1)


@pytest.mark.parametrize(
    ("name", "bounds", "corners"),
    [
        ("clip", (-1.0, 2.0), [{-1}, {2}, set()]),
        ("hard_tanh", (-1.0, 2.0), [{-1}, {2}]),
        ("hard_sigmoid", (0.5,), [{-1}, {1}]),
        ("threshold", (2.0, 5.0), [{2}]),
        ("soft_shrink", (2.0,), [{-2, 2}]),
        ("hard_shrink", (2.0,), [{-2, 2}]),
    ],
)
def test_corners_that_parameters_place(name: str, bounds: Any, corners: Any) -> None:
    x = np.arange(-4.0, 5.0)
    for kink, wanted in zip(te.OPERATIONS[name].kinks, corners, strict=True):
        assert callable(kink)
        assert set(x[np.broadcast_to(kink(x, *bounds), x.shape) == 0]) == wanted


def test_the_corners_of_bounds() -> None:
    x = np.arange(-4.0, 5.0)
    found = [kink(x, low=-1.0, high=2.0) for kink in te.OPERATIONS["bounded"].kinks]  # type: ignore[operator]
    assert [set(x[each == 0]) for each in found] == [{-1}, {2}]


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax", "glu", "swiglu"])
def test_the_axis_is_the_last_unless_said(name: str) -> None:
    assert te.ACTIVATIONS[name].defaults["axis"] == -1


def test_writing_into_constants() -> None:
    v = Value(5.0)
    out = te.set_at(np.zeros(3), 1, v)
    np.testing.assert_array_equal(out.data, [0, 5, 0])
    (slope,) = te.grad(out, [v], gradient=np.array([1.0, 10.0, 100.0]))
    assert slope == 10
    assert not te.set_at(np.zeros(3), 1, 2.0).requires_grad


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("label", [label for label in FORMS if label != "sine"])
def test_infinite_neighbours_change_nobody(label: str, dtype: type) -> None:
    """One entry far out may choose another form for all."""
    ends: Any = np.array([np.inf, -np.inf], dtype)
    function = function_of(label)
    check_values(label, lambda x: function(np.concatenate([x, ends]))[:-2], dtype)
    check_slopes(label, lambda x: function(np.concatenate([x, ends]))[:-2], dtype)


@pytest.mark.parametrize("gap", [600.0, 700.0])
def test_log_softmax_of_logits_that_are_all_far_down(gap: float) -> None:
    """log p of the greatest is −log1p(exp(−gap)), though exp of the other logit is 0."""
    got = te.activations.log_softmax(np.array([-300.0, -300.0 - gap]))
    with mp.workdps(50):
        wanted = -mp.log1p(mp.exp(-gap))
    np.testing.assert_allclose(got, [float(wanted), -gap], rtol=1e-15)
