"""Reductions, statistics, running sums and differences, as far as the properties of all records
cannot see it: NumPy's options, zeros, NaN, ties, nothing at all, and the last digits.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import tinygrad_edu as te
from tests.ops.composed import agrees
from tinygrad_edu.errors import ConversionError, OperandError, ShapeError

# NumPy's type stubs take np.sum(value) for an array; here Values are untyped.
Value: Any = te.Value

rng = np.random.default_rng(11)
ROW = rng.uniform(0.4, 1.6, 5)
MATRIX = rng.uniform(0.4, 1.6, (3, 3))
BLOCK = rng.uniform(0.4, 1.6, (2, 2, 2))
SOME = np.array([[True, False, True], [False, True, True], [True, True, True]])
COLUMNS = np.array([True, False, True])
GRID = np.array([-1.0, 0.25, 1.5, 2.0, 4.0])

CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "sum where": (lambda a: np.sum(a, where=SOME), (MATRIX,)),
    "sum where and initial": (
        lambda a: np.sum(a, axis=0, where=SOME, initial=2.0, keepdims=True),
        (MATRIX,),
    ),
    "sum of a broadcast mask": (lambda a: np.sum(a, axis=1, where=COLUMNS), (MATRIX,)),
    "sum where a Value is": (lambda a: np.sum(a, where=a > 1), (MATRIX,)),
    "sum onto a Value": (lambda a: np.sum(a, axis=0, initial=a[0, 1]), (MATRIX,)),
    "prod where": (lambda a: np.prod(a, axis=-1, where=SOME, initial=0.5), (MATRIX,)),
    "mean where": (lambda a: np.mean(a, axis=0, where=SOME), (MATRIX,)),
    "mean where, kept": (lambda a: np.mean(a, axis=(0, 1), keepdims=True, where=SOME), (MATRIX,)),
    "max where": (lambda a: np.max(a, axis=1, where=SOME, initial=0.0), (MATRIX,)),
    "max of a floor": (lambda a: np.max(a, axis=0, initial=a[0, 1]), (MATRIX,)),
    "min where": (lambda a: np.min(a, where=SOME, initial=9.0, keepdims=True), (MATRIX,)),
    "var": (lambda a: np.var(a, 0) + np.var(a, axis=-2, ddof=1), (MATRIX,)),
    "var by correction": (lambda a: np.var(a, axis=0, correction=1), (MATRIX,)),
    "var where": (lambda a: np.var(a, axis=0, where=SOME[::-1], keepdims=True), (MATRIX,)),
    "std": (lambda a: np.std(a, axis=(0, 2), ddof=1.5, keepdims=True), (BLOCK,)),
    "std by correction": (lambda a: np.std(a, correction=1), (MATRIX,)),
    "std where": (lambda a: np.std(a, axis=1, where=SOME, ddof=1), (MATRIX,)),
    "ptp": (lambda a: np.ptp(a, axis=1) + np.ptp(a, keepdims=True), (MATRIX,)),
    "prod of all axes": (lambda a: np.prod(a) * np.prod(a, axis=(-1, 0), keepdims=True), (BLOCK,)),
    "apply_over_axes": (lambda a: np.apply_over_axes(np.prod, a, [0, -1]), (BLOCK,)),
    "apply_over_axes to one number": (lambda a: np.apply_over_axes(np.sum, a, (0, 1)), (MATRIX,)),
    "median of an odd number": (np.median, (ROW,)),
    "median of an even number": (lambda a: np.median(a, axis=(0, 2), keepdims=True), (BLOCK,)),
    "quantile": (lambda a: np.quantile(a, 0.3, axis=1), (MATRIX,)),
    "quantiles": (lambda a: np.quantile(a, [[0.0, 0.9], [0.5, 1.0]], axis=0), (MATRIX,)),
    "quantiles, kept": (lambda a: np.quantile(a, [0.2, 0.7], axis=(0, 1), keepdims=True), (BLOCK,)),
    "percentile": (lambda a: np.percentile(a, [10, 62.5]), (ROW,)),
    **{
        f"quantile {method}": (
            lambda a, method=method: np.quantile(a, [0.12, 0.5, 0.77], method=method),
            (ROW,),
        )
        for method in ("lower", "higher", "midpoint", "nearest", "hazen", "weibull", "inverted_cdf")
    },
    "average": (lambda a: np.average(a, axis=1, keepdims=True), (MATRIX,)),
    "average, weighted": (lambda a, w: np.average(a, axis=-1, weights=w), (MATRIX, ROW[:3])),
    "average of matrices": (
        lambda a, w: np.average(a, axis=(2, 0), weights=w),
        (BLOCK, rng.uniform(0.5, 1.5, (2, 2))),
    ),
    "average, all weighted": (lambda a, w: np.average(a, weights=w), (MATRIX, MATRIX[::-1])),
    "sum of weights": (
        lambda a, w: np.sum(np.stack(np.average(a, axis=0, weights=w, returned=True)), axis=0),
        (MATRIX, MATRIX[::-1] + 0.5),
    ),
    "cov": (lambda a: np.cov(a), (MATRIX,)),
    "cov of two": (lambda a, b: np.cov(a, b, bias=True), (ROW, ROW[::-1] ** 2)),
    "cov of columns": (lambda a: np.cov(a, rowvar=False, ddof=0), (MATRIX,)),
    "cov of one": (np.cov, (ROW,)),
    "cumsum": (lambda a: np.cumsum(a) @ np.cumsum(a * a, axis=None), (MATRIX,)),
    "cumsum along axes": (lambda a: np.cumsum(a, 1) * np.cumsum(a, axis=-3), (BLOCK,)),
    "cumprod": (lambda a: np.cumprod(a)[::5], (MATRIX,)),
    "cumprod along axes": (lambda a: np.cumprod(a, 0) * np.cumprod(a, axis=-1), (MATRIX,)),
    "cumulative_sum": (
        lambda a: np.cumulative_sum(a, axis=1, include_initial=True) ** 2,
        (MATRIX,),
    ),
    "cumulative_prod": (lambda a: np.cumulative_prod(a, include_initial=True), (ROW,)),
    "cumulative_prod of columns": (lambda a: np.cumulative_prod(a, axis=0), (MATRIX,)),
    "diff": (lambda a: np.diff(a) ** 2, (MATRIX,)),
    "diff of diff": (lambda a: np.diff(a, n=2, axis=0), (MATRIX,)),
    "diff between": (
        lambda a, b, c: np.diff(a, prepend=b, append=c) ** 2,
        (MATRIX, np.array(0.5), MATRIX[:, :2]),
    ),
    "diff none": (lambda a: np.diff(a, n=0) ** 2, (ROW,)),
    "diff of one": (lambda a: np.diff(a[:1], prepend=a[1]) ** 2, (ROW,)),
    "ediff1d": (lambda a: np.ediff1d(a) ** 2, (MATRIX,)),
    "ediff1d between": (
        lambda a, b: np.ediff1d(a, to_begin=b, to_end=[1.0, 2.0]),
        (ROW, np.array(0.25)),
    ),
    "gradient": (lambda a: np.gradient(a) ** 2, (ROW,)),
    "gradient along all axes": (lambda a: sum(np.gradient(a)), (MATRIX,)),
    "gradient along one axis": (lambda a: np.gradient(a, 0.5, axis=-1), (MATRIX,)),
    "gradient at a distance": (lambda a, h: np.gradient(a, h, axis=0) ** 2, (MATRIX, ROW[0])),
    "gradient at distances": (
        lambda a: sum(np.gradient(a, 0.5, 2.0, axis=(1, 0), edge_order=2)),
        (MATRIX,),
    ),
    "gradient at points": (lambda a, x: np.gradient(a, x), (ROW, GRID)),
    "gradient with parabolas": (lambda a, x: np.gradient(a, x, edge_order=2), (ROW, GRID)),
    "gradient at points of each axis": (
        lambda a, x: sum(np.gradient(a, 0.5, x, axis=(0, 1), edge_order=2)),
        (MATRIX, GRID[:3]),
    ),
    "gradient of two": (lambda a: np.gradient(a[:2]), (ROW,)),
    "trapezoid": (lambda a: np.trapezoid(a, dx=0.5, axis=0) ** 2, (MATRIX,)),
    "trapezoid at points": (lambda a, x: np.trapezoid(a, x), (MATRIX, GRID[:3])),
    "trapezoid along an axis": (lambda a, x: np.trapezoid(a, x, axis=0), (MATRIX, GRID[:3])),
    "trapezoid at points of its own": (
        lambda a, x: np.trapezoid(a, x, axis=1),
        (MATRIX, np.cumsum(MATRIX, axis=1)),
    ),
    "convolve": (np.convolve, (ROW, MATRIX[0])),
    **{
        f"{function.__name__} {mode} {n} {m}": (
            lambda a, v, function=function, mode=mode: function(a, v, mode),
            (rng.uniform(0.4, 1.6, n), rng.uniform(0.4, 1.6, m)),
        )
        for function in (np.convolve, np.correlate)
        for mode in ("full", "same", "valid")
        for n, m in ((5, 3), (2, 5), (5, 2), (4, 4), (1, 3))
    },
    "correlate": (np.correlate, (ROW, MATRIX[0])),
    "interp": (np.interp, (np.array([0.1, 1.7, -0.9, 3.0]), GRID, ROW)),
    "interp of a matrix": (lambda x, y: np.interp(x, GRID, y), (2 * MATRIX[:2, :2] - 0.5, ROW)),
    "interp of a number": (lambda x, y: np.interp(x, GRID, y), (np.array(0.4), ROW)),
    "interp outside": (
        lambda y: np.interp(np.array([-3.0, 5.0, 1.0, -1.0, 4.0]), GRID, y),
        (ROW,),
    ),
    "interp with ends": (
        lambda y: np.interp(np.array([-3.0, 5.0, 1.0]), GRID, y, left=y[1] ** 2, right=0.5),
        (ROW,),
    ),
    "interp all around": (
        lambda x, y: np.interp(x, GRID, y, period=6.0),
        (np.array([-7.7, 0.1, 5.4, 11.2]), ROW),
    ),
    "interp through one point": (lambda y: np.interp([0.5, 1.0, 2.0], [1.0], y), (ROW[:1],)),
}


# Whose slopes are constant, or whose second derivatives are those of records.
FIRST_ORDER = (
    *("sum ", "mean ", "max ", "min ", "ptp", "median", "quantile", "percentile", "average of"),
    *("diff of", "ediff1d between", "gradient along", "gradient at distances", "gradient of"),
    *("interp outside", "interp with ends", "interp through", "convolve ", "correlate "),
)


@pytest.mark.parametrize("name", CALLS)
def test_numpy_and_its_slopes(name: str) -> None:
    call, arrays = CALLS[name]
    if name.startswith("cumulative") and not hasattr(np, "cumulative_sum"):
        pytest.skip("NumPy has it from 2.1 on")
    agrees(call, *arrays, order=1 if name.startswith(FIRST_ORDER) else 2)


def test_correlations_and_their_slopes() -> None:
    # The diagonal is 1 whatever the rows are, so that only rounding is left of its slopes.
    agrees(lambda a: np.corrcoef(a)[np.triu_indices(3, 1)], MATRIX)
    agrees(lambda a, b: np.corrcoef(a, b)[0, 1], ROW, ROW[::-1] ** 2)
    np.testing.assert_allclose(
        np.corrcoef(Value(MATRIX), rowvar=False).data, np.corrcoef(MATRIX, rowvar=False), rtol=1e-14
    )
    assert np.corrcoef(Value(ROW)).data == 1


def test_options_as_numpy_has_them() -> None:
    v = Value(MATRIX)
    for function in (np.sum, np.prod, np.mean, np.max, np.min, np.var, np.std, np.ptp):
        for options in ({"axis": -1}, {"axis": (0, -1), "keepdims": True}, {"axis": ()}):
            np.testing.assert_allclose(
                function(v, **options).data, function(MATRIX, **options), rtol=1e-14, atol=1e-16
            )
    assert np.average(Value(ROW), returned=True)[1] == 5
    assert np.median(v, overwrite_input=False).data == np.median(MATRIX)
    np.testing.assert_array_equal(np.gradient(v, axis=()), ())
    assert isinstance(np.gradient(v), type(np.gradient(MATRIX)))
    assert np.var(v, 0, None, None, 1).data == pytest.approx(np.var(MATRIX, 0, ddof=1), rel=1e-15)


# ---- zeros in products ----


def test_prod_is_right_with_zeros_in_it_to_third_order() -> None:
    for zeros in itertools.product((False, True), repeat=4):
        a = np.where(zeros, 0.0, [2.0, 3.0, 5.0, 7.0])
        first, second = te.grad(np.prod)(a), te.hessian(np.prod)(a)
        third = te.jacobian(te.hessian(np.prod))(a)
        for places in itertools.product(range(4), repeat=3):
            assert first[places[:1]] == without(a, places[:1])
            assert second[places[:2]] == without(a, places[:2])
            assert third[places] == without(a, places)


def without(a: Any, places: tuple[int, ...]) -> float:
    """The product of all entries but those differentiated by; 0 if one is met twice."""
    rest = [x for i, x in enumerate(a) if i not in places]
    return math.prod(rest) if len({*places}) == len(places) else 0.0


def test_cumprod_is_right_with_zeros_in_it_to_second_order() -> None:
    for zeros in itertools.product((False, True), repeat=4):
        a = np.where(zeros, 0.0, [2.0, 3.0, 5.0, 7.0])
        first, second = te.jacobian(np.cumprod)(a), te.jacobian(te.jacobian(np.cumprod))(a)
        for k, i, j in itertools.product(range(4), repeat=3):
            assert first[k, i] == (without(a[: k + 1], (i,)) if i <= k else 0)
            assert second[k, i, j] == (without(a[: k + 1], (i, j)) if max(i, j) <= k else 0)


def test_products_along_axes_with_zeros_in_them() -> None:
    a = np.array([[[0.0, 2.0], [3.0, 0.0]], [[5.0, 0.0], [0.0, 7.0]]])
    for axis in (None, 0, -1, (0, 2), (2, 1), (), (0, 1, 2)):
        for keepdims in (False, True):
            v = Value(a)
            out = np.prod(v, axis=axis, keepdims=keepdims)
            (got,) = te.grad(out, v, gradient=np.ones(out.shape))
            for place in np.ndindex(a.shape):
                raised = a.copy()
                raised[place] += 1  # a product is linear in each of its factors
                change = np.prod(raised, axis=axis) - np.prod(a, axis=axis)
                assert got[place] == np.sum(change)


def test_a_product_of_others_is_no_quotient() -> None:
    # The product overflows and so does its quotient, but not what is left without an entry.
    slopes: Any = te.grad(np.prod)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(slopes(np.array([1e200, 2e200])), [2e200, 1e200])
    np.testing.assert_array_equal(slopes(np.array([1e-200, 2e-200])), [2e-200, 1e-200])
    np.testing.assert_array_equal(slopes(np.array([0.0, 1e200, 1e200])), [np.inf, 0, 0])


def test_a_long_running_product() -> None:
    a = rng.uniform(0.99, 1.01, 3000)
    grad = te.grad(lambda v: np.sum(np.cumprod(v)))(a)
    running = np.cumprod(a)
    expected = np.cumsum(running[::-1])[::-1] / a
    np.testing.assert_allclose(grad, expected, rtol=1e-11)
    many = rng.uniform(0.9, 1.1, (40, 30))
    expected = np.cumsum(np.cumprod(many, axis=0)[::-1], axis=0)[::-1] / many
    grad = te.grad(lambda v: np.sum(np.cumprod(v, axis=0)))(many)
    np.testing.assert_allclose(grad, expected, rtol=1e-12)


# ---- ties, equal entries, nothing ----


def test_ties_share() -> None:
    a = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    (got,) = te.grad(np.sum(np.max((v := Value(a)), axis=1)), v)
    np.testing.assert_allclose(got, [[0, 0.5, 0.5], [1 / 3] * 3])
    np.testing.assert_allclose(te.grad(np.ptp)(np.array([1.0, 1.0, 2.0])), [-0.5, -0.5, 1])
    np.testing.assert_array_equal(te.grad(np.ptp)(np.full(4, 2.0)), np.zeros(4))
    chosen = te.grad(lambda v: np.max(v, where=[True, True, False], initial=1.0))
    np.testing.assert_allclose(chosen(np.array([1.0, 0.0, 5.0])), [0.5, 0, 0])


def test_the_deviation_of_equal_entries_has_the_subgradient_0() -> None:
    for n, x in itertools.product((1, 2, 3, 10, 1000), (0.1, 1 / 3, 1e8 / 7, 1e-300, 0.0)):
        a = np.full(n, x)
        assert np.std(Value(a)).data == 0
        assert np.var(Value(a)).data == 0
        np.testing.assert_array_equal(te.grad(np.std)(a), np.zeros(n))
        np.testing.assert_array_equal(te.grad(np.nanstd)(a), np.zeros(n))


def test_nothing_is_what_numpy_makes_of_it() -> None:
    empty = Value(np.zeros((0, 3)))
    sums: tuple[Any, ...] = (np.sum, np.prod, np.cumsum, np.cumprod, np.nansum, np.nanprod)
    means: tuple[Any, ...] = (np.var, np.std, np.mean, np.nanmean)
    extremes: tuple[Any, ...] = (np.max, np.ptp)
    for function in sums:
        for options in ({}, {"axis": 0}, {"axis": 1}):
            out = function(empty, **options)
            np.testing.assert_array_equal(out.data, function(empty.data, **options))
            (got,) = te.grad(out, empty, gradient=np.ones(out.shape))
            assert got.shape == (0, 3)
    assert np.sum(empty, initial=2.0).data == 2
    assert np.max(empty, initial=2.0).data == np.min(empty, initial=2.0).data == 2
    assert te.logsumexp(empty).data == -np.inf
    for function in means:
        with pytest.warns(RuntimeWarning):
            assert np.isnan(function(empty).data)
    for function in extremes:
        with pytest.raises(ShapeError, match="zero-size"):
            function(empty)
    with pytest.raises(ValueError, match="no quantile"):
        np.median(empty)


def test_a_single_number() -> None:
    v = Value(3.0)
    for function, value, slope in (
        (np.sum, 3.0, 1.0),
        (np.prod, 3.0, 1.0),
        (np.var, 0.0, 0.0),
        (np.std, 0.0, 0.0),
        (te.logsumexp, 3.0, 1.0),
        (np.median, 3.0, 1.0),
        (np.nanmax, 3.0, 1.0),
        (np.average, 3.0, 1.0),
        (lambda a: np.sum(np.cumsum(a)), 3.0, 1.0),
        (lambda a: np.sum(np.cumprod(a)), 3.0, 1.0),
        (lambda a: np.prod(a, axis=0), 3.0, 1.0),
    ):
        assert function(v).data == value
        assert te.grad(function)(3.0) == slope


def test_too_many_degrees_of_freedom() -> None:
    for function in (np.var, np.std, np.nanvar, np.nanstd):
        for ddof, value in ((3, np.inf), (4, np.inf)):
            with pytest.warns(RuntimeWarning):
                out = function(Value([1.0, 2.0, 4.0]), ddof=ddof)
            assert out.data == value or np.isnan(out.data)
        with pytest.warns(RuntimeWarning):
            assert np.isnan(function(Value([2.0]), ddof=1).data)


# ---- NaN ----

HOLES = np.where(SOME, MATRIX, np.nan)
SKIPPING: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "nansum": (lambda a: np.nansum(a, axis=0), lambda rows: [np.sum(r) for r in rows]),
    "nanprod": (lambda a: np.nanprod(a, axis=0), lambda rows: [np.prod(r) for r in rows]),
    "nanmean": (lambda a: np.nanmean(a, axis=0), lambda rows: [np.mean(r) for r in rows]),
    "nanvar": (lambda a: np.nanvar(a, axis=0), lambda rows: [np.var(r) for r in rows]),
    "nanstd": (
        lambda a: np.nanstd(a, axis=0, ddof=1),
        lambda rows: [np.std(r, ddof=1) for r in rows],
    ),
    "nanmax": (lambda a: np.nanmax(a, axis=0), lambda rows: [np.max(r) for r in rows]),
    "nanmin": (lambda a: np.nanmin(a, axis=0), lambda rows: [np.min(r) for r in rows]),
}


@pytest.mark.parametrize("name", SKIPPING)
def test_what_is_no_number_is_left_out_and_gets_no_gradient(name: str) -> None:
    call, by_columns = SKIPPING[name]
    with_all: Any = getattr(np, name)
    weights = np.array([1.0, -2.0, 0.5])
    v = Value(HOLES)
    out = call(v)
    np.testing.assert_allclose(out.data, call(HOLES), rtol=1e-14, atol=1e-16)
    (got,) = te.grad(out, v, gradient=weights)
    columns = [Value(HOLES[SOME[:, k], k]) for k in range(3)]
    one_by_one = np.sum(te.stack(by_columns(columns)) * weights)
    for k, want in enumerate(te.grad(one_by_one, columns)):
        np.testing.assert_allclose(got[SOME[:, k], k], want, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(got[~SOME], 0)
    options: dict[str, Any] = {"axis": 1, "keepdims": True}
    agrees(lambda a: with_all(a, **options), MATRIX)
    out = with_all(v, **options, where=SOME | ~SOME)
    np.testing.assert_allclose(out.data, with_all(HOLES, **options), rtol=1e-14, atol=1e-16)


def test_running_sums_and_products_without_nan() -> None:
    calls: tuple[Any, ...] = (lambda a: np.nancumsum(a, axis=1), np.nancumprod)
    for call in calls:
        v = Value(HOLES)
        out = call(v)
        np.testing.assert_allclose(out.data, call(HOLES), rtol=1e-14)
        (got,) = te.grad(out, v, gradient=np.ones(out.shape))
        np.testing.assert_array_equal(got[~SOME], 0)
        assert np.all(got[SOME] > 0)
        agrees(call, MATRIX)


def test_nothing_but_nan() -> None:
    v = Value(np.full((2, 2), np.nan))
    for function in (np.nanmax, np.nanmin):
        assert np.isnan(function(v).data)
        np.testing.assert_array_equal(function(v, axis=0, initial=1.0).data, [1, 1])
    assert np.nansum(v).data == 0
    assert np.nanprod(v).data == 1
    with pytest.warns(RuntimeWarning):
        assert np.isnan(np.nanmean(v).data)
    skipping: tuple[Any, ...] = (np.nansum, np.nanprod, np.nanmax)
    for function in skipping:
        np.testing.assert_array_equal(te.grad(function)(v.data), np.zeros((2, 2)))


def test_nan_is_not_sorted_away() -> None:
    for function in (np.median, lambda a: np.quantile(a, 0.1), np.max, np.var):
        assert np.isnan(function(Value([1.0, np.nan, 2.0])).data)


# ---- the last digits ----


def ulps(got: Any, true: Any, scale: Any = 0.0) -> float:
    """The distance in units in the last place of the true number, or of `scale` if larger."""
    return float(abs(mpmath.mpf(float(got)) - true) / np.spacing(max(abs(float(true)), scale)))


FAR: tuple[list[float], ...] = (
    [-1e4, -1e4 - 1],
    [1e4, 1e4 - 1, 1e4 + 0.3],
    [0.0, -50.0, -700.0, -745.0],
    [1e-3, 2e-3],
    [700.1, 30.7, 650.3, -80.9],
    [1e308, -1e308, 1e308],
    [0.1, -12.9, -12.95, 3.7],
    [0.25] * 7,
    [0.1, *[-13.27] * 999],
)


@pytest.mark.parametrize("numbers", FAR, ids=lambda numbers: f"{numbers[:3]}")
def test_logsumexp_and_its_shares_to_the_last_digits(numbers: list[float]) -> None:
    with warnings.catch_warnings(), mpmath.workdps(60):
        warnings.simplefilter("error")
        top = mpmath.mpf(max(numbers))
        powers = [mpmath.exp(x - top) for x in map(mpmath.mpf, numbers)]
        total = mpmath.fsum(powers)
        out = te.logsumexp(Value(numbers))
        assert ulps(out.data, top + mpmath.log(total)) <= 4
        grad = te.grad(te.logsumexp)(np.array(numbers))
        for got, power in zip(grad, powers, strict=True):
            assert ulps(got, power / total, 1e-300) <= 6
        column = te.logsumexp(Value(np.array(numbers)[:, None]), axis=0, keepdims=True)
        assert column.shape == (1, 1)
        assert column.data[0, 0] == pytest.approx(out.data, rel=1e-15)


def test_logsumexp_of_what_is_masked() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        infinite = np.array([[-np.inf, 0.0, 0.0], [-np.inf] * 3, [1.0, np.inf, 2.0]])
        v = Value(infinite)
        out = te.logsumexp(v, axis=1)
        np.testing.assert_allclose(out.data, [math.log(2), -np.inf, np.inf])
        (got,) = te.grad(out, v, gradient=np.ones(3))
        np.testing.assert_array_equal(got, [[0, 0.5, 0.5], [0, 0, 0], [0, 1, 0]])
        assert np.isnan(te.logsumexp(Value([0.0, np.nan])).data)


def test_logsumexp_is_its_ufunc_reduced() -> None:
    agrees(lambda a: np.logaddexp.reduce(a, axis=0), MATRIX)
    agrees(lambda a: np.log(np.sum(np.exp(a))), MATRIX)
    v = Value(MATRIX)
    np.testing.assert_allclose(te.logsumexp(v).data, np.logaddexp.reduce(MATRIX, axis=None))
    np.testing.assert_allclose(
        te.hessian(te.logsumexp)(ROW),
        np.diag(p := np.exp(ROW) / np.sum(np.exp(ROW))) - np.outer(p, p),
        rtol=1e-13,
    )
    with pytest.raises(OperandError, match="axis=, NumPy's name"):
        te.logsumexp(v, dim=0)


SPREADS: tuple[list[float], ...] = (
    [1e8 + x for x in (0.1, 0.7, -0.4, 1.3)],
    [1e15 + x for x in (1.0, 2.0, 4.0, 7.0, -3.0)],
    [1.0, 2.0, 4.0],
    [0.1, 0.1, np.nextafter(0.1, 1)],
    [-3e7, 1e-9, 3e7],
    [1e16, 1.0, 2.0, 3.0],
    [*(1e6 + k / 7 for k in range(500))],
)


@pytest.mark.parametrize("numbers", SPREADS, ids=lambda numbers: f"{numbers[:3]}")
@pytest.mark.parametrize("ddof", [0, 1])
def test_spread_far_from_0_to_the_last_digits(numbers: list[float], ddof: int) -> None:
    a = np.array(numbers)
    with mpmath.workdps(60):
        exact = [mpmath.mpf(x) for x in numbers]
        mean = mpmath.fsum(exact) / len(exact)
        apart = [x - mean for x in exact]
        square = mpmath.fsum(x * x for x in apart) / (len(exact) - ddof)
        root = mpmath.sqrt(square)
        for got in (np.var(Value(a), ddof=ddof), np.nanvar(Value(a), ddof=ddof)):
            assert ulps(got.data, square) <= 4
        assert ulps(np.std(Value(a), ddof=ddof).data, root) <= 4
        by_var = te.grad(lambda v: np.var(v, ddof=ddof))(a)
        by_std = te.grad(lambda v: np.std(v, ddof=ddof))(a)
        largest = max(map(abs, apart))
        for i, x in enumerate(apart):
            slope = 2 * x / (len(exact) - ddof)
            assert ulps(by_var[i], slope, float(2 * largest / len(exact))) <= 4
            scale = float(largest / len(exact) / root)
            assert ulps(by_std[i], x / root / (len(exact) - ddof), scale) <= 6


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e200, 1e300])
def test_a_deviation_whose_square_is_no_float(unit: float) -> None:
    a = unit * np.array([1.0, 2.0, 4.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out, grad = np.std(Value(a)).data, te.grad(np.std)(a)
    assert out == pytest.approx(unit * np.std([1.0, 2.0, 4.0]), rel=1e-15)
    np.testing.assert_allclose(grad, te.grad(np.std)(np.array([1.0, 2.0, 4.0])), rtol=1e-14)
    both = np.stack([a, np.array([1.0, 2.0, 4.0])])
    np.testing.assert_allclose(np.std(Value(both), axis=1).data[1], np.std(both[1]), rtol=1e-15)


# ---- what is refused ----


def test_what_makes_no_sense_is_refused() -> None:
    v = Value(MATRIX)
    options: Any = {"method": "lineal"}, {"edge_order": 3}
    for call, error, words in (
        (lambda: np.max(v, where=SOME), OperandError, "needs initial="),
        (lambda: np.min(v, where=SOME), OperandError, "needs initial="),
        (lambda: np.var(v, ddof=1, correction=1), OperandError, "the same"),
        (lambda: v.sum(where=SOME, dim=0), OperandError, "where PyTorch writes dim="),
        (lambda: v.mean(initial=1.0), OperandError, "no option 'initial'"),
        (lambda: np.var(v, mean=np.zeros(())), OperandError, "no option 'mean'"),
        (lambda: np.sum(v, dtype=np.float32), OperandError, "astype"),
        (lambda: np.average(v, weights=ROW[:3]), OperandError, "need axis="),
        (lambda: np.average(v, axis=0, weights=ROW), OperandError, "do not fit"),
        (lambda: np.average(v, axis=1, weights=np.zeros(3)), ZeroDivisionError, "zero"),
        (lambda: np.quantile(v, Value(0.5)), ConversionError, "lose its gradient"),
        (lambda: np.quantile(v, 1.5), ValueError, r"\[0, 1\]"),
        (lambda: np.quantile(v, 0.5, **options[0]), ValueError, "lineal"),
        (lambda: np.diff(v, n=-1), ValueError, "n >= 0"),
        (lambda: np.diff(Value(1.0)), ValueError, "an axis"),
        (lambda: np.gradient(v, 1.0, 2.0, 3.0), TypeError, "2 axes"),
        (lambda: np.gradient(v, **options[1]), ValueError, "1 or 2"),
        (lambda: np.gradient(v[:2], axis=0, edge_order=2), ValueError, "3 entries"),
        (lambda: np.gradient(v, GRID, axis=0), ValueError, "3 coordinates"),
        (lambda: np.convolve(v, ROW), ShapeError, "two rows"),
        (lambda: np.interp(v, GRID, ROW[:3]), ValueError, "same length"),
        (lambda: np.interp(v, GRID, ROW, period=0), ValueError, "not 0"),
        (lambda: np.cov(Value(BLOCK)), ValueError, "3 axes"),
        (lambda: te.OPERATIONS["recurrence"](v, MATRIX), ShapeError, "takes a factor"),
    ):
        with pytest.raises(error, match=words):
            call()
    if hasattr(np, "cumulative_sum"):
        with pytest.raises(OperandError, match="a running sum needs axis="):
            np.cumulative_sum(v)
        with pytest.raises(OperandError, match="a running product needs axis="):
            np.cumulative_prod(v)
