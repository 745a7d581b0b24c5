"""Each function of NumPy is supported, or the table says why not and what to write instead."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.engine.dispatch import call_function
from tinygrad_edu.engine.operation import FUNCTIONS, UFUNCS
from tinygrad_edu.engine.unsupported import GROUPS, NOT_HANDED_OVER, UNSUPPORTED, instead, reason
from tinygrad_edu.errors import ConversionError, DtypeError, InPlaceError, UnsupportedError
from tools.numpy_page import public

PUBLIC = public()
HERE = sorted(name for name in PUBLIC if name in GROUPS)

v: Any = te.Value([3.0, 1.0, 2.0])
w: Any = te.Value([1.0, 5.0, 2.0])
two: Any = te.Value(2.0)


def supported(name: str) -> bool:
    return PUBLIC[name] in UFUNCS or PUBLIC[name] in FUNCTIONS


def test_nothing_of_numpy_is_forgotten() -> None:
    forgotten = [name for name in PUBLIC if not supported(name) and name not in GROUPS]
    assert not forgotten, f"neither supported nor in the table: {' '.join(forgotten)}"


def test_nothing_is_supported_and_unsupported() -> None:
    both = [name for name in HERE if supported(name)]
    assert not both, f"supported, so take it out of the table: {' '.join(both)}"


def test_nothing_is_in_the_table_twice() -> None:
    count = Counter(name for group in UNSUPPORTED for name in group.names)
    assert set(count.values()) == {1}


@pytest.mark.parametrize("name", HERE)
def test_the_error_is_the_tables(name: str) -> None:
    why = reason(name)
    assert why is not None
    assert why == reason(f"numpy.{name}") == reason(f"np.{name}")
    function = PUBLIC[name]
    with pytest.raises(UnsupportedError, match=re.escape(why)):
        attempt(function)


def attempt(function: Any) -> Any:
    """A call of one of NumPy's functions that reaches a Value, whatever it takes."""
    if isinstance(function, np.ufunc):
        return function(*[v] * function.nin)
    return call_function(function, (v,), {})


def test_the_reasons_say_what_to_write() -> None:
    for name, group in GROUPS.items():
        assert instead(name)
        assert "{" not in instead(name)
        assert reason(name) == f"{group.why}; write {instead(name)}"
    assert reason("no_such_function") is None


class Advice(NamedTuple):
    """A function of NumPy on arrays, and what the letters of the advice are."""

    numpy: Callable[..., Any]
    letters: dict[str, Any]


P, Q = np.array([2.0, -1.0, 3.0]), np.array([1.0, 4.0, 0.5])
HOLED = np.array([3.0, np.nan, 1.0, 2.0])
MATRIX, SIDE = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 1.0]]), np.array([1.0, 0.5, -2.0])
ROW = np.array([3.0, 1.0, 2.0, 1.0])
# Advice that is code computes the same.
ADVICE: dict[str, Advice] = {
    "left_shift": Advice(lambda v, n: np.left_shift(v.astype(int), n), {"v": ROW, "n": 2}),
    "right_shift": Advice(lambda v, n: np.right_shift(v.astype(int), n), {"v": ROW, "n": 1}),
    "sort_complex": Advice(np.sort_complex, {"v": ROW}),
    "unique": Advice(np.unique, {"v": ROW}),
    "intersect1d": Advice(np.intersect1d, {"v": ROW, "w": np.array([2.0, 5.0, 1.0])}),
    "setdiff1d": Advice(np.setdiff1d, {"v": P, "w": np.array([2.0])}),
    "polyder": Advice(np.polyder, {"p": P}),
    "polyfit": Advice(
        lambda x, y, degree: np.polyfit(x, y, degree), {"x": SIDE, "y": P, "degree": 1}
    ),
    "polyint": Advice(np.polyint, {"p": P}),
    "polymul": Advice(np.polymul, {"p": P, "q": Q}),
    "linalg.lstsq": Advice(
        lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], {"a": MATRIX, "b": SIDE}
    ),
    "nanmedian": Advice(np.nanmedian, {"v": HOLED}),
    "nanpercentile": Advice(np.nanpercentile, {"v": HOLED, "q": 30}),
    "nanquantile": Advice(np.nanquantile, {"v": HOLED, "q": 0.3}),
    "unwrap": Advice(np.unwrap, {"v": np.array([0.0, 3.0, 6.5, -4.0])}),
}


@pytest.mark.parametrize("name", [name for name in ADVICE if name in GROUPS])
def test_the_advice_computes_the_same(name: str) -> None:
    function, letters = ADVICE[name]
    wrapped = {
        letter: te.Value(given) if isinstance(given, np.ndarray) else given
        for letter, given in letters.items()
    }
    if "w" in letters:  # a plain array, as the advice has it
        wrapped["w"] = letters["w"]
    got = eval(instead(name), {"np": np, **wrapped})
    assert got.requires_grad
    wanted = function(*letters.values())
    np.testing.assert_allclose(got.data, wanted, rtol=1e-12, atol=1e-14)


def test_a_discrete_cosine_is_the_real_part_of_a_fourier_transform() -> None:
    angles = 2 * np.pi * np.outer(np.arange(3), np.arange(3)) / 3
    spectrum = np.fft.fft(v.data)
    np.testing.assert_allclose((np.cos(angles) @ v).data, spectrum.real, atol=1e-14)
    np.testing.assert_allclose((-np.sin(angles) @ v).data, spectrum.imag, atol=1e-14)


def test_weighted_counts_are_a_product() -> None:
    indices, n = np.array([0, 2, 0]), 3
    counted = (np.arange(n)[:, None] == indices) @ v
    assert np.array_equal(counted.data, np.bincount(indices, weights=v.data, minlength=n))


class TestNotHandedOver:
    """What NumPy does without asking a Value raises an error all the same."""

    ATTEMPTS: ClassVar[dict[str, Callable[[], Any]]] = {
        "array": lambda: np.array([v, w]),
        "asarray": lambda: np.asarray(v),
        "r_": lambda: np.r_[v, w],
        "c_": lambda: np.c_[v, w],
        "mgrid": lambda: np.mgrid[0:two:1],
        "setitem": lambda: np.zeros(3).__setitem__(slice(None), v),
        "iadd": lambda: np.zeros(3).__iadd__(v),
        "float64": lambda: np.float64(two),
        "int64": lambda: np.int64(two),
        "float": lambda: float(two),
        "arange": lambda: np.arange(two),
        "full": lambda: np.full(3, two),
        "math": lambda: __import__("math").exp(two),
        "random": lambda: np.random.default_rng(0).normal(two, 1.0),
        "vectorize": lambda: np.vectorize(lambda x: x + 1)(v),
    }

    @pytest.mark.parametrize("name", ATTEMPTS)
    def test_it_raises(self, name: str) -> None:
        with pytest.raises((ConversionError, DtypeError, InPlaceError)):
            self.ATTEMPTS[name]()

    def test_each_is_in_the_table(self) -> None:
        told = " ".join(NOT_HANDED_OVER)
        for name in self.ATTEMPTS.keys() - {"setitem", "iadd"}:
            assert name in told, name
