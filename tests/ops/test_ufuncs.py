"""NumPy's ufuncs on Values, as far as the properties of all records cannot see it.

The true derivatives come from mpmath. What is asked of them is a few units in the last place, near
the ends of a domain and at the ends of the floats too.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import tinygrad_edu as te
from tests.ops.composed import agrees
from tinygrad_edu.errors import ConversionError, ShapeError

DIGITS = 60
# Units in the last place of the derivative whose order this is; each rule rounds a few times.
UNITS = {1: 6, 2: 10, 3: 24}
TINY, LARGEST = np.finfo(np.float64).smallest_normal, np.finfo(np.float64).max

EVERYWHERE = (0.3, -0.3, 1.0, -2.5, 1e-9, -1e-200, 1e9, 1e155, -1e200, 1e300)
INSIDE = (0.3, -0.6, 1e-9, -1e-200, 0.999, 1 - 1e-12, -1 + 2.0**-53, 1 - 2.0**-53)
UNARY: dict[str, tuple[Any, Any, tuple[float, ...]]] = {
    "tan": (np.tan, mp.tan, (0.3, -1.5, 1.57, 1.5707963267948966, 1e-9, 100.0, 1e15)),
    "arcsin": (np.arcsin, mp.asin, INSIDE),
    "arccos": (np.arccos, mp.acos, INSIDE),
    "arctanh": (np.arctanh, mp.atanh, INSIDE),
    "arcsinh": (np.arcsinh, mp.asinh, EVERYWHERE),
    "arccosh": (np.arccosh, mp.acosh, (1 + 2.0**-52, 1 + 1e-9, 1.5, 10.0, 1e155, 1e200, 1e300)),
    "cbrt": (np.cbrt, lambda x: mp.sign(x) * mp.cbrt(abs(x)), EVERYWHERE[:5] + EVERYWHERE[6:]),
    "exp2": (np.exp2, lambda x: mp.mpf(2) ** x, (0.3, -7.25, 1000.5, -1000.5)),
    "log2": (np.log2, lambda x: mp.log(x, 2), (0.3, 1.0, 1e-100, 1e200, 1e300)),
    "log10": (np.log10, mp.log10, (0.3, 1.0, 1e-100, 1e200, 1e300)),
    "degrees": (np.degrees, mp.degrees, (0.3, -1e200)),
    "radians": (np.radians, mp.radians, (0.3, -1e200)),
}


FAR_APART = ((3e200, 4e200), (3e-200, 4e-200), (-1e-200, 1e200), (1.0, 1e-9), (1e-9, -1.0))
# Differences of exponents that floats hold exactly: what rounds them off is no rule's doing.
EXPONENTS = ((1000.0, 1000.0), (-3.5, 2.25), (700.5, 0.25), (0.25, 700.5), (1e4, 9.9e3))
BINARY: dict[str, tuple[Any, tuple[tuple[float, float], ...]]] = {
    "hypot": (np.hypot, ((0.3, -2.5), (-1.0, 0.0), *FAR_APART)),
    "arctan2": (np.arctan2, ((0.3, -2.5), (-1.0, 0.5), *FAR_APART)),
    "logaddexp": (np.logaddexp, EXPONENTS),
    "logaddexp2": (np.logaddexp2, EXPONENTS),
}


def of_angle(y: Any, x: Any, by: Sequence[int]) -> Any:
    """A derivative of the angle of z = x + iy, the imaginary part of log z."""
    n = len(by)
    z = mp.mpc(x, y)
    return mp.im(-((-1) ** n) * mp.factorial(n - 1) * mp.mpc(0, 1) ** by.count(0) / z**n)


def of_log_of_sum(a: Any, b: Any, by: Sequence[int], base: Any = mp.e) -> Any:
    """A derivative of log(Bᵃ + Bᵇ) to the base B, by the parts that the two have in the sum."""
    parts = [1 / (1 + mp.power(base, each)) for each in (b - a, a - b)]
    if len(by) == 1:
        return parts[by[0]]
    first = parts[0] * parts[1] * mp.log(base)
    second = first * (parts[1] - parts[0]) * mp.log(base)
    return (first if len(by) == 2 else second) * (-1) ** by.count(1)


def of_length(a: Any, b: Any, by: Sequence[int]) -> Any:
    """A derivative of √(a² + b²) = h: a/h, b²/h³, −3ab²/h⁵ and what follows by symmetry."""
    h = mp.hypot(a, b)
    x, y = (a, b) if by.count(0) >= by.count(1) else (b, a)
    if len(by) == 1:
        return x / h
    if len(by) == 2:
        return -x * y / h**3 if by[0] != by[1] else y * y / h**3
    return -3 * x * y * y / h**5 if len(set(by)) == 1 else y * (2 * x * x - y * y) / h**5


TRUE: dict[str, Callable[..., Any]] = {
    "hypot": of_length,
    "arctan2": of_angle,
    "logaddexp": of_log_of_sum,
    "logaddexp2": lambda a, b, by: of_log_of_sum(a, b, by, 2),
}


def derivative(f: Callable[..., Any], point: Sequence[float], by: Sequence[int]) -> Any:
    """∂f at `point` by the arguments numbered `by`, one after the other; nothing may warn."""
    with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("error")
        leaves = [te.Value(np.float64(x)) for x in point]
        out = f(*leaves)
        for argument in by:
            (out,) = te.grad(out, (leaves[argument],), create_graph=True)
            if not out.requires_grad:
                out = out + 0 * leaves[0]
        return out.data


def true_derivative(f: Callable[[Any], Any], x: float, order: int) -> Any:
    """The same of one argument by mpmath, with steps far below the rounding of floats."""
    with mp.workdps(4 * DIGITS):
        step = mp.mpf(10) ** -DIGITS * (mp.mpf(x) or 1)
        return mp.diff(f, mp.mpf(x), order, h=step)


def close(got: Any, true: Any, units: float) -> bool:
    """Whether `got` is at most so many units off."""
    unit = np.spacing(max(abs(float(true)), TINY))
    return bool(abs(mp.mpf(float(got)) - true) <= units * unit)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("order", UNITS)
def test_derivatives_have_nearly_all_digits_at_both_ends(name: str, order: int) -> None:
    f, true, points = UNARY[name]
    judged = 0
    for x in points:
        wanted = true_derivative(true, x, order)
        if abs(wanted) < LARGEST:
            got = derivative(f, (x,), (0,) * order)
            assert close(got, wanted, UNITS[order]), (x, got, float(wanted))
            judged += 1
    assert judged


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("order", UNITS)
def test_derivatives_by_two_arguments_have_nearly_all_digits(name: str, order: int) -> None:
    f, points = BINARY[name]
    for (a, b), by in itertools.product(points, itertools.product((0, 1), repeat=order)):
        with mp.workdps(DIGITS):
            wanted = TRUE[name](mp.mpf(a), mp.mpf(b), by)
        if abs(wanted) < LARGEST:
            got = derivative(f, (a, b), by)
            assert close(got, wanted, UNITS[order]), (a, b, by, got, float(wanted))


# ---- where one-sided derivatives differ, and numbers that are none ----


def slopes(f: Callable[..., Any], *arrays: Any) -> list[Any]:
    """The gradients of the sum of all entries, with no warning."""
    leaves = [te.Value(a) for a in arrays]
    out = f(*leaves)
    return list(te.grad(out, leaves, gradient=np.ones(out.shape)))


def test_at_the_origin_lengths_and_angles_have_slope_0() -> None:
    for f in (np.hypot, np.arctan2):
        assert derivative(f, (0.0, 0.0), (0,)) == derivative(f, (0.0, 0.0), (1,)) == 0
        assert derivative(f, (0.0, 0.0), (0, 1)) == derivative(f, (0.0, 0.0), (1, 1)) == 0


@pytest.mark.parametrize("f", [np.logaddexp, np.logaddexp2])
def test_equal_exponents_share_and_infinite_ones_are_no_exception(f: Any) -> None:
    for each in (1000.0, -1000.0, 0.1, -np.inf, np.inf):
        assert [derivative(f, (each, each), (i,)) for i in (0, 1)] == [0.5, 0.5]
    for other in (3.0, -1e308):
        assert [derivative(f, (-np.inf, other), (i,)) for i in (0, 1)] == [0, 1]
        assert [derivative(f, (other, np.inf), (i,)) for i in (0, 1)] == [0, 1]
        assert derivative(f, (-np.inf, other), (0, 1)) == 0


@pytest.mark.parametrize(("f", "least"), [(np.fmax, False), (np.fmin, True)])
def test_the_other_number_gets_the_gradient_where_one_is_nan(f: Any, least: bool) -> None:
    a = np.array([1.0, np.nan, 2.0, 3.0, np.nan, np.inf])
    b = np.array([2.0, 1.0, np.nan, 3.0, np.nan, 1.0])
    np.testing.assert_array_equal(f(te.Value(a), b).data, f(a, b))
    to_a = np.array([0.0, 0.0, 1.0, 0.5, 0.5, 1.0])
    to_a[[0, 5]] = 1 - to_a[[0, 5]] if least else to_a[[0, 5]]
    np.testing.assert_array_equal(slopes(f, a, b), [to_a, 1 - to_a])


def test_quotients_of_the_slopes_are_those_of_the_remainder_not_of_the_rounded_division() -> None:
    # 1 / 0.1 is rounded to 10, but 0.1 goes into 1 only nine times.
    for f in (np.remainder, np.fmod):
        assert f(1.0, 0.1) > 0.09
        assert slopes(f, 1.0, 0.1) == [1, -9]
    np.testing.assert_array_equal(slopes(np.remainder, [-7.0, 7.0], [3.0, -3.0]), [[1, 1], [3, 3]])
    np.testing.assert_array_equal(slopes(np.fmod, [-7.0, 7.0], [3.0, -3.0]), [[1, 1], [2, 2]])


@pytest.mark.thorough
def test_sinc_has_all_derivatives_at_0_and_beside_it() -> None:
    f: Callable[[Any], Any] = np.sinc
    for order in range(9):
        at_0 = 0.0 if order % 2 else (-1) ** (order // 2) * np.pi**order / (order + 1)
        assert f(0.0) == pytest.approx(at_0, rel=1e-15, abs=0)
        for x in (1e-300, -1e-8, 0.01, 0.5, 0.63, 0.64, 1.0, -1.5, 2.8, 7.25, 1e6 + 0.5, 1e15 + 2):
            with mp.workdps(DIGITS + 320 * (order + 1)):
                z = mp.pi * x
                true = mp.sin(z) / z
                for k in range(1, order + 1):
                    true = (mp.sin(z + k * mp.pi / 2) - k * true) / z
                true *= mp.pi**order
            # NumPy multiplies by a rounded π, so digits of the value itself are lost far away.
            if order or abs(x) < 1:
                amplitude = np.pi**order / max(np.pi * abs(x), order + 1)
                assert abs(f(x) - true) < 4e-15 * amplitude, (order, x)
                if abs(x) < 0.1:
                    assert f(x) == pytest.approx(float(true), rel=4e-15, abs=0), (order, x)
        f = te.grad(f)


# ---- functions that operations make up ----

RNG = np.random.default_rng(5)
X, Y = RNG.uniform(0.2, 0.8, (2, 3)), RNG.uniform(1.1, 1.9, 3)
COMPOSED: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "the fraction of modf": (lambda x: np.modf(x * 7.3)[0], (-X,)),
    "the remainder of divmod": (lambda x, y: np.divmod(x * 9, y)[1], (X, Y)),
    "ldexp": (lambda x: np.ldexp(x, np.array([1, -3, 40])), (X,)),
    "nan_to_num": (lambda x: np.nan_to_num(x * x), (X,)),
    "logaddexp.reduce": (np.logaddexp.reduce, (X,)),
    "logaddexp2.reduce": (lambda x: np.logaddexp2.reduce(x, axis=1, keepdims=True), (X,)),
    "logaddexp2.accumulate": (lambda x: np.logaddexp2.accumulate(x, axis=1), (X,)),
    "hypot.reduce": (lambda x: np.hypot.reduce(x, axis=None), (X,)),
    "hypot.outer": (np.hypot.outer, (X, Y)),
    "subtract.accumulate": (np.subtract.accumulate, (X,)),
    "subtract.reduce": (lambda x: np.subtract.reduce(x, axis=1), (X,)),
    "divide.reduce": (lambda x: np.divide.reduce(x, axis=1, initial=2.0), (X,)),
    "arctan2.outer": (np.arctan2.outer, (X, Y)),
    "fmax.reduce": (lambda x: np.fmax.reduce(x, axis=1), (X,)),
    "remainder.outer": (np.remainder.outer, (Y, X)),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_compositions_are_numpys(name: str) -> None:
    call, arrays = COMPOSED[name]
    agrees(call, *arrays)


SPECIAL = np.array([0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.0, 7.126, 1e300, np.inf, -np.inf, np.nan])
ROW = np.array([-1.0, 0.0, 2.0])
BY_NUMPY: dict[str, Callable[..., Any]] = {
    "modf, fraction": lambda x: np.modf(x)[0],
    "modf, whole": lambda x: np.modf(x)[1],
    "fix": np.fix,
    "round": np.round,
    "around to tenths": lambda x: np.around(x, 1),
    "round to tens": lambda x: np.round(x, decimals=-1),
    "divmod, quotient": lambda x: np.divmod(x, -0.75)[0],
    "divmod, remainder": lambda x: np.divmod(x, -0.75)[1],
    "nan_to_num": np.nan_to_num,
    "nan_to_num, chosen": lambda x: np.nan_to_num(x, nan=7.0, posinf=1.0, neginf=-1.0),
    "ldexp": lambda x: np.ldexp(x, 3),
    "float_power": lambda x: np.float_power(np.abs(x), 0.5),
    "isposinf": np.isposinf,
    "isneginf": np.isneginf,
    "iscomplex": np.iscomplex,
    "isreal": np.isreal,
    "iscomplexobj": np.iscomplexobj,
    "isrealobj": np.isrealobj,
    "nonzero": lambda x: np.nonzero(x)[0],
    "flatnonzero": np.flatnonzero,
    "argsort": lambda x: np.argsort(x, kind="stable"),
    "argpartition": lambda x: np.argpartition(x, 3)[3],
    "searchsorted": lambda x: np.searchsorted(np.array([-1.0, 0.0, 2.0]), x),
    "searchsorted from the right": lambda x: np.searchsorted(
        np.array([-1.0, 0.0, 2.0]), x, "right"
    ),
    "all": lambda x: np.all(np.reshape(x, (3, 4)), axis=0),
    "any": lambda x: np.any(np.reshape(x, (3, 4)), axis=1, keepdims=True),
    "count_nonzero": np.count_nonzero,
    "isclose": lambda x: np.isclose(x, 0.5, atol=0.1),
}


@pytest.mark.parametrize("name", BY_NUMPY)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_special_numbers_are_taken_as_numpy_takes_them(name: str, dtype: type) -> None:
    call = BY_NUMPY[name]
    with np.errstate(all="ignore"):
        x: Any = SPECIAL.astype(dtype)
        wanted, got = call(x), call(te.Value(x))
    data = got.data if isinstance(got, te.Value) else got
    assert np.asarray(data).dtype == np.asarray(wanted).dtype
    np.testing.assert_array_equal(data, wanted)
    np.testing.assert_array_equal(np.signbit(data), np.signbit(wanted))


def test_what_replaces_nan_and_infinity_has_no_gradient() -> None:
    x = np.array([2.0, np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(slopes(np.nan_to_num, x), [[1, 0, 0, 0]])


def test_rounding_has_gradient_0_and_float_power_is_float64() -> None:
    np.testing.assert_array_equal(slopes(lambda x: np.round(x, 2), X), [np.zeros_like(X)])
    x = te.Value(np.array([4.0, 9.0], np.float32))
    root: Any = np.float_power(x, 0.5)
    assert root.dtype == np.float64
    (slope,) = te.grad(root, (x,), gradient=np.ones(2))
    assert slope.dtype == np.float32
    np.testing.assert_allclose(slope, [1 / 4, 1 / 6], rtol=1e-7)


def test_an_exponent_of_ldexp_is_a_constant() -> None:
    huge = np.ldexp(te.Value(2.0**-1000), 1500)
    assert huge.data == 2.0**500
    with pytest.raises(ConversionError, match="tracked Value"):
        np.ldexp(te.Value(1.0), te.Value(3.0))


SAME: tuple[tuple[Any, Any], ...] = (
    ([1.0, 2.0], [1.0, 2.0]),
    ([1.0, 2.0], [1.0, 2.0 + 1e-9]),
    ([1.0, np.nan], [1.0, np.nan]),
    ([1.0, 1.0], 1.0),
    ([[1.0, 1.0]], [1.0, 1.0]),
    ([1.0, 2.0], [1.0, 2.0, 3.0]),
)


@pytest.mark.parametrize(
    "ask",
    [
        np.array_equal,
        np.array_equiv,
        lambda a, b: np.array_equal(a, b, equal_nan=True),
        lambda a, b: np.shape(a) == np.shape(b) and np.allclose(a, b),
        lambda a, b: np.shape(a) == np.shape(b) and np.allclose(a, b, equal_nan=True, rtol=1e-12),
    ],
)
def test_whether_arrays_are_the_same_is_answered_as_numpy_does(ask: Any) -> None:
    for a, b in SAME:
        wanted = ask(np.array(a), np.array(b))
        for given in (
            (te.Value(a), te.Value(b)),
            (te.Value(a), np.array(b)),
            (np.array(a), te.Value(b)),
        ):
            answer = ask(*given)
            assert bool(answer) == wanted
            assert not getattr(answer, "requires_grad", False)


def test_indices_of_a_value_choose_from_it() -> None:
    x = te.Value([[3.0, 0.0], [-1.0, 2.0]])
    chosen = x[np.nonzero(x > 0)]
    np.testing.assert_array_equal(chosen.data, [3, 2])
    (slope,) = te.grad(chosen, (x,), gradient=np.ones(2))
    np.testing.assert_array_equal(slope, [[1, 0], [0, 1]])
    np.testing.assert_array_equal(np.argwhere(x).data, np.argwhere(x.data))
    with pytest.raises(ShapeError, match="one row"):
        np.searchsorted(x, 1.0)
