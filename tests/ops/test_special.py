"""erf, the normal distribution and the exact GELU, in units in the last place.

The true values come from mpmath with 50 digits. What is asked: values within 4 units; derivatives
within 4 units of the largest, and within 16 of their own in the tails.
"""

from __future__ import annotations

import math
import runpy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.engine.blocks import BLOCK
from tinygrad_edu.engine.operation import Operation
from tinygrad_edu.ops import special

Function = Callable[[Any], Any]

DIGITS = 50
UNITS, TAIL_UNITS = 4, 16
TABLES = ("TAIL_SINGLE", "TAIL_DOUBLE", "ERF_SINGLE", "ERF_DOUBLE")
each_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@contextmanager
def declared(forward: Function, rule: Any) -> Iterator[Operation]:
    """A record that is forgotten afterwards."""
    op = te.define_elementwise("declared_here", forward, rule, formula="f({0})")
    try:
        yield op
    finally:
        del te.OPERATIONS[op.name]


@contextmanager
def no_warning() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("error")
        yield


@cache
def points(dtype: type) -> Any:
    """From one end of the format to the other, denormal and signed zeros included."""
    info = np.finfo(dtype)
    rng = np.random.default_rng(0)
    sizes = np.concatenate(
        [
            [0.0, info.smallest_subnormal, info.smallest_normal, info.max],
            10.0 ** np.linspace(np.log10(info.smallest_normal) - 5, np.log10(info.max) - 1, 60),
            10.0 ** rng.uniform(-8, 3, 60),
            np.sqrt([0.5, 1, 2, 4]),
            rng.uniform(0, 7, 400),
            rng.uniform(7, 26, 100),
            rng.uniform(26, 28, 60),
            rng.uniform(36, 40, 100),
            10.0 ** rng.uniform(-4, 0, 100),
        ]
    )
    return np.concatenate([sizes, -sizes]).astype(dtype)


def near(x: Any) -> Any:
    """x, or where its exp is far below every format, a number for which mpmath needs less time."""
    return max(min(x, mp.mpf(200)), mp.mpf(-200))


def distribution(x: Any) -> Any:
    return mp.erfc(-near(x) / mp.sqrt(2)) / 2


def density(x: Any) -> Any:
    return mp.exp(-(near(x) ** 2) / 2) / mp.sqrt(2 * mp.pi)


TRUTH: dict[str, Function] = {
    "erf": lambda x: mp.erf(x) if abs(x) < 1 else mp.erf(near(x)),
    "erf'": lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-(near(x) ** 2)),
    "gaussian": lambda x: mp.exp(-(near(x) ** 2)),
    "normal_cdf": distribution,
    "normal_cdf'": density,
    "normal_cdf''": lambda x: -near(x) * density(x),
    "gelu": lambda x: x * distribution(x),
    "gelu'": lambda x: distribution(x) + near(x) * density(x),
    "gelu''": lambda x: (2 - near(x) ** 2) * density(x),
}


@cache
def exact(name: str, dtype: type) -> list[Any]:
    with mp.workdps(DIGITS):
        return [TRUTH[name](mp.mpf(float(x))) for x in points(dtype)]


def units_off(got: Any, wanted: list[Any], unit: Any = None) -> Any:
    """|got − wanted| in units in the last place of `unit` (or of what is wanted)."""
    sizes = np.array([abs(float(w)) for w in wanted]) if unit is None else unit
    # The largest number of all has no next one.
    spacing = np.spacing(np.minimum(sizes, np.finfo(got.dtype).max / 2).astype(got.dtype))
    with mp.workdps(DIGITS):
        return np.array(
            [
                float(abs(mp.mpf(float(g)) - w) / mp.mpf(float(s))) if np.isfinite(g) else np.inf
                for g, w, s in zip(got, wanted, np.broadcast_to(spacing, got.shape), strict=True)
            ]
        )


def least(off: Any, most: float, name: str, x: Any) -> None:
    where = np.argmax(off)
    assert off[where] <= most, f"{name}({x[where]!r}) is {off[where]:.3g} units off"


def relative(dtype: type) -> float:
    """Two units in the last place at most, as part of a number."""
    return 2 * float(np.finfo(dtype).eps)


def check_values(name: str, function: Function, dtype: type) -> None:
    x = points(dtype)
    with no_warning():
        got = function(x)
    assert got.dtype == dtype
    least(units_off(got, exact(name, dtype)), UNITS, name, x)


def check_derivative(name: str, got: Any, tail_from: float) -> None:
    """Within 4 units of the largest derivative, and from `tail_from` on within 16 of its own."""
    x, wanted = points(got.dtype), exact(name, got.dtype.type)
    least(units_off(got, wanted, max(abs(float(w)) for w in wanted)), UNITS, name, x)
    tail = np.abs(x) >= tail_from
    if name == "gelu'":
        tail &= x < 0  # on the other side it is all but 1
    least(np.where(tail, units_off(got, wanted), 0), TAIL_UNITS, name, x)


def derivatives(op: Function, dtype: type) -> tuple[Any, Any]:
    """The first and the second derivative at `points`, as the engine gives them."""
    x: Any = te.Value(points(dtype))
    ones = np.ones(x.shape, dtype)
    with no_warning():
        (slope,) = te.grad(op(x), x, gradient=ones, create_graph=True)
        (bend,) = te.grad(slope, x, gradient=ones)
    assert slope.dtype == bend.dtype == dtype
    return slope.data, bend


def check_gelu(forward: Function, rule: Any, dtype: type) -> None:
    check_values("gelu", forward, dtype)
    with declared(forward, rule) as op:
        slope, bend = derivatives(op, dtype)
    check_derivative("gelu'", slope, 3)
    check_derivative("gelu''", bend, 3)


RECORDS: dict[str, Function] = {
    "erf": special.erf,
    "gaussian": special.gaussian,
    "normal_cdf": special.normal_cdf,
}
FUNCTIONS = RECORDS | {"gelu": special.gelu_exact_forward, "gelu'": special.gelu_exact_derivative}


@each_dtype
@pytest.mark.parametrize("name", RECORDS)
def test_values_are_right_in_the_last_places(name: str, dtype: type) -> None:
    check_values(name, RECORDS[name], dtype)


@each_dtype
def test_the_slope_of_erf_is_right_down_to_the_smallest_numbers(dtype: type) -> None:
    slope, _ = derivatives(special.erf, dtype)
    check_derivative("erf'", slope, 0)


@each_dtype
def test_the_derivatives_of_the_distribution_are_right_in_the_tails(dtype: type) -> None:
    slope, bend = derivatives(special.normal_cdf, dtype)
    check_derivative("normal_cdf'", slope, 0)
    check_derivative("normal_cdf''", bend, 3)


@each_dtype
def test_gelu_and_its_two_derivatives_are_right_in_the_tails(dtype: type) -> None:
    check_gelu(special.gelu_exact_forward, special.gelu_exact_slope, dtype)


@each_dtype
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_number_alone_is_what_it_is_among_others(name: str, dtype: type) -> None:
    x = points(dtype)
    with no_warning():
        alone = np.array([FUNCTIONS[name](one) for one in x])
        together = FUNCTIONS[name](x)
    assert alone.dtype == together.dtype == dtype
    one_place, least_of_all = relative(dtype), float(np.finfo(dtype).smallest_subnormal)
    np.testing.assert_allclose(alone, together, rtol=one_place, atol=least_of_all)


@each_dtype
def test_infinities_give_the_limits_and_nan_gives_nan(dtype: type) -> None:
    ends: Any = np.array([-np.inf, np.inf, np.nan], dtype)
    limits = {
        "erf": (-1, 1),
        "gaussian": (0, 0),
        "normal_cdf": (0, 1),
        "gelu": (0, np.inf),
        "gelu'": (0, 1),
    }
    for name, (low, high) in limits.items():
        for x in (ends, np.concatenate([points(dtype), ends])):
            with no_warning():
                got = FUNCTIONS[name](x)
            np.testing.assert_array_equal(got[-3:], [low, high, np.nan])
            assert np.isnan(got).sum() == 1
    with declared(special.gelu_exact_forward, special.gelu_exact_slope) as gelu:
        for op, slopes in ((special.erf, (0, 0)), (special.normal_cdf, (0, 0)), (gelu, (0, 1))):
            value: Any = te.Value(ends)
            ones: Any = np.ones(3, dtype)
            (slope,) = te.grad(op(value), value, gradient=ones, create_graph=True)
            np.testing.assert_array_equal(slope.data, [*slopes, np.nan])
            (bend,) = te.grad(slope, value, gradient=ones)
            np.testing.assert_array_equal(bend, [0, 0, np.nan])


def test_the_standard_library_agrees() -> None:
    x = np.concatenate([np.linspace(-7, 7, 1001), 10.0 ** np.linspace(-320, 0, 200)])
    np.testing.assert_allclose(special.erf(x), list(map(math.erf, x)), rtol=1e-15, atol=5e-324)
    peer = [math.erfc(-one / math.sqrt(2)) / 2 for one in x]
    np.testing.assert_allclose(special.normal_cdf(x), peer, rtol=1e-13)


@each_dtype
def test_symmetries_hold_to_the_last_bit_or_the_last_place(dtype: type) -> None:
    x = points(dtype)
    x = np.abs(x[np.abs(x) < 1e30])
    np.testing.assert_array_equal(special.erf(-x), -special.erf(x))
    np.testing.assert_array_equal(np.signbit(special.erf(np.array([0.0, -0.0]))), [False, True])
    np.testing.assert_array_equal(special.normal_cdf(x), 1 - special.normal_cdf(-x))
    np.testing.assert_array_equal(special.gelu_exact_forward(x), x + special.gelu_exact_forward(-x))
    whole = special.gelu_exact_derivative(x) + special.gelu_exact_derivative(-x)
    np.testing.assert_allclose(whole, 1, rtol=relative(dtype))


@each_dtype
@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_shape_and_layout_is_taken(name: str, dtype: type) -> None:
    function = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    long: Any = rng.normal(0, 3, 2 * BLOCK // dtype().itemsize + 7).astype(dtype)
    pieces = [function(piece) for piece in np.array_split(long, 9)]
    together = function(long)
    np.testing.assert_allclose(together, np.concatenate(pieces), rtol=relative(dtype))
    table = long[:24].reshape(2, 3, 4).T
    before = table.copy()
    for part in (table, table[::2], np.broadcast_to(table[:, :, :1], (4, 3, 5))):
        got = function(part)
        assert got.shape == part.shape
        assert got.dtype == dtype
        close = [[[function(one) for one in row] for row in plane] for plane in part]
        np.testing.assert_allclose(got, close, rtol=relative(dtype))
    np.testing.assert_array_equal(table, before)
    assert function(np.empty((0, 3), dtype)).shape == (0, 3)


@pytest.mark.parametrize("name", RECORDS)
def test_python_numbers_and_whole_numbers_are_taken(name: str) -> None:
    function = RECORDS[name]
    for number in (2, -3, 0.5, True):
        assert function(number) == function(np.float64(number))
    np.testing.assert_array_equal(function([1, -2]), function(np.array([1.0, -2.0])))
    with pytest.raises(TypeError):
        function(np.array([1j]))


def clipped(x: Any) -> Any:
    return np.clip(x, -40, 40)


def half_of_one_and_erf(x: Any) -> Any:
    return (1 + special.erf(x / math.sqrt(2))) / 2


WRONG_VALUES: dict[str, list[Function]] = {
    "erf": [
        lambda x: 2 * special.normal_cdf(math.sqrt(2) * clipped(x)) - 1,
        lambda x: np.tanh(2 / math.sqrt(math.pi) * (clipped(x) + 0.0894 * clipped(x) ** 3)),
    ],
    "gaussian": [lambda x: np.exp(-np.square(clipped(x)))],
    "normal_cdf": [
        half_of_one_and_erf,
        lambda x: special.gelu_exact_forward(x) / np.where(x == 0, 1, x),
    ],
    "gelu": [
        lambda x: np.clip(x, -40, None) * half_of_one_and_erf(x),
        lambda x: np.where(x < 0, np.maximum(x, -40) * special.normal_cdf(x), x),
    ],
}


@each_dtype
@pytest.mark.parametrize(
    ("name", "wrong"), [(name, wrong) for name, many in WRONG_VALUES.items() for wrong in many]
)
def test_what_a_hurried_hand_writes_is_rejected(name: str, wrong: Function, dtype: type) -> None:
    with pytest.raises(AssertionError):
        check_values(name, lambda x: wrong(x).astype(dtype), dtype)


def constant(x: Any) -> Any:
    return x.detach() if isinstance(x, te.Value) else x


def plain_density(x: Any) -> Any:
    return special.PEAK * np.exp(-0.5 * np.square(clipped(x)))


WRONG_RULES: list[Any] = [
    lambda out, x: special.normal_cdf(x) + clipped(x) * plain_density(x),
    lambda out, x: half_of_one_and_erf(x) + clipped(x) * special.normal_density(0, x),
    lambda out, x: special.normal_cdf(x),
    lambda out, x: special.gelu_exact_derivative(x) * (1 + 1e-6),
    lambda out, x: special.normal_cdf(x) + clipped(x) * special.normal_density(0, constant(x)),
]


@each_dtype
@pytest.mark.parametrize("which", range(len(WRONG_RULES)))
def test_a_wrong_rule_of_gelu_is_rejected(which: int, dtype: type) -> None:
    with pytest.raises(AssertionError):
        check_gelu(special.gelu_exact_forward, WRONG_RULES[which], dtype)


@pytest.mark.parametrize("name", TABLES)
def test_every_coefficient_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dtype = np.float32 if name.endswith("SINGLE") else np.float64
    value = "erf" if name.startswith("ERF") else "normal_cdf"
    right = getattr(special, name)
    for part, place in ((p, i) for p in (0, 1) for i in range(len(right[p]))):
        wrong = [list(coefficients) for coefficients in right]
        wrong[part][place] *= 1.001
        monkeypatch.setattr(special, name, wrong)
        with pytest.raises(AssertionError):
            check_values(value, RECORDS[value], dtype)


@pytest.mark.thorough
@pytest.mark.parametrize("name", TABLES)
def test_the_coefficients_are_what_the_tool_prints(name: str) -> None:
    tool = Path(__file__).parents[2] / "tools" / "erfc_coefficients.py"
    assert runpy.run_path(str(tool))["table"](name) == getattr(special, name)
