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
TINY = np.finfo(np.float64).smallest_normal

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


def log_of_sum(base: Any) -> Callable[[Any, Any], Any]:
    return lambda a, b: max(a, b) + mp.log1p(base ** -abs(a - b)) / mp.log(base)


FAR_APART = ((3e200, 4e200), (3e-200, 4e-200), (-1e-200, 1e200), (1.0, 1e-9), (1e-9, -1.0))
# Differences of exponents that floats hold exactly: what rounds them off is no rule's doing.
EXPONENTS = ((1000.0, 1000.0), (-3.5, 2.25), (700.5, 0.25), (0.25, 700.5), (1e4, 9.9e3))
BINARY: dict[str, tuple[Any, Any, tuple[tuple[float, float], ...]]] = {
    "hypot": (np.hypot, mp.hypot, ((0.3, -2.5), (-1.0, 0.0), *FAR_APART)),
    "arctan2": (np.arctan2, mp.atan2, ((0.3, -2.5), (-1.0, 0.5), *FAR_APART)),
    "logaddexp": (np.logaddexp, log_of_sum(mp.e), EXPONENTS),
    "logaddexp2": (np.logaddexp2, log_of_sum(mp.mpf(2)), EXPONENTS),
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


def true_derivative(f: Callable[..., Any], point: Sequence[float], by: Sequence[int]) -> Any:
    """The same by mpmath, with steps far below the rounding of floats at any size."""
    with mp.workdps(DIGITS):
        numbers = [mp.mpf(x) for x in point]
        size = max(map(abs, numbers))
        scales = [abs(x) or size for x in numbers]
        orders = tuple(by.count(i) for i in range(len(point)))

        def scaled(*parts: Any) -> Any:
            moved = [x + s * t for x, s, t in zip(numbers, scales, parts, strict=True)]
            return f(*moved)

        with mp.workdps(DIGITS * 12):
            slope = mp.diff(scaled, (mp.mpf(0),) * len(point), orders, h=mp.mpf(10) ** -90)
            for scale, order in zip(scales, orders, strict=True):
                slope /= scale**order
        return +slope


def close(got: Any, true: Any, units: float, size: Any = None) -> bool:
    """Whether `got` is at most so many units off, those of `size` if it is given."""
    unit = np.spacing(max(abs(float(true if size is None else size)), TINY))
    return bool(abs(mp.mpf(float(got)) - true) <= units * unit)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("order", UNITS)
def test_derivatives_have_nearly_all_digits_at_both_ends(name: str, order: int) -> None:
    f, true, points = UNARY[name]
    for x in points:
        wanted = true_derivative(true, (x,), (0,) * order)
        if abs(wanted) < np.finfo(np.float64).max:
            got = derivative(f, (x,), (0,) * order)
            assert close(got, wanted, UNITS[order]), (x, got, float(wanted))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("order", UNITS)
def test_derivatives_by_two_arguments_have_nearly_all_digits(name: str, order: int) -> None:
    f, true, points = BINARY[name]
    for point in points:
        for by in itertools.product((0, 1), repeat=order):
            wanted = true_derivative(true, point, by)
            if abs(wanted) < np.finfo(np.float64).max:
                got = derivative(f, point, by)
                # Sums of terms of either sign: y² − x², say.
                size = wanted if order == 1 else None
                assert close(got, wanted, UNITS[order], size), (point, by, got, float(wanted))
