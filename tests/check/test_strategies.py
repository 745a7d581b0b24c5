"""The strategies keep their promises, and the example that a reader pastes runs."""

from __future__ import annotations

import inspect
import itertools
import math
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.shares import one_in
from tinygrad_edu.check import strategies
from tinygrad_edu.check.samples import distances, interval, operation
from tinygrad_edu.engine.operation import Elementwise
from tinygrad_edu.errors import OperandError, UnknownNameError

DIFFERENTIABLE = sorted(name for name, op in te.OPERATIONS.items() if op.differentiable)
ON_KINKS = [
    (name, which) for name in DIFFERENTIABLE for which in range(len(te.OPERATIONS[name].kinks))
]
ends = st.one_of(st.just(math.inf), st.floats(-1e6, 1e6))
domains = (
    st.tuples(ends.map(lambda x: -abs(x)), ends)
    .filter(lambda pair: pair[0] < pair[1])
    .filter(lambda pair: pair[1] - pair[0] > 1e-6)
)


@given(data=st.data(), domain=domains, avoid=st.lists(st.integers(-3, 3), max_size=2))
def test_numbers_are_inside_the_open_domain_and_beside_what_they_avoid(
    data: st.DataObject, domain: tuple[float, float], avoid: list[int]
) -> None:
    drawn = data.draw(strategies.numbers(domain, avoid=avoid))
    low, high = domain
    assert low < drawn < high
    assert drawn not in avoid


@given(strategies.numbers())
def test_numbers_are_multiples_of_an_eighth_and_sums_of_products_are_exact(x: float) -> None:
    assert (8 * x).is_integer()
    assert abs(x) < 16
    assert np.float32(x) == x


@pytest.mark.parametrize(
    ("domain", "avoid", "simplest"),
    [
        ((-math.inf, math.inf), (), 0.0),
        ((0.5, math.inf), (), 0.625),
        ((-math.inf, -3.0), (), -3.125),
        ((0.0, 1.0), (), 0.0625),
        ((1e6, math.inf), (), 1e6 + 0.125),
        ((0.0, 1e-3), (), 2.0**-14),
    ],
)
def test_numbers_shrink_to_the_one_nearest_to_0(
    domain: tuple[float, float], avoid: tuple[float, ...], simplest: float
) -> None:
    assert find(strategies.numbers(domain, avoid=avoid), lambda x: True) == simplest


def test_a_failing_array_shrinks_to_a_small_one() -> None:
    found = find(strategies.arrays(), lambda a: bool(np.any(a > 1)))
    assert isinstance(found, np.generic)
    assert found == 1.125
    found = find(strategies.arrays((2, 3)), lambda a: float(np.sum(a)) < -1)
    np.testing.assert_array_equal(np.sort(found.ravel())[1:], np.zeros(5))
    assert found.min() == -1.125


@given(
    data=st.data(),
    shape=st.sampled_from([None, (), (0,), (3,), (2, 0), (2, 3)]),
    dtype=st.sampled_from([np.float64, np.float32]),
)
def test_arrays_have_the_shape_and_dtype_asked_for(
    data: st.DataObject, shape: tuple[int, ...] | None, dtype: Any
) -> None:
    drawn = data.draw(strategies.arrays(shape, domain=(-1, 1), dtype=dtype))
    assert shape is None or drawn.shape == shape
    assert drawn.dtype == dtype
    assert np.all(np.abs(drawn) < 1)
    assert isinstance(drawn, np.generic if drawn.ndim == 0 else np.ndarray)


@given(strategies.arrays(st.sampled_from([(2,), (4,)])))
def test_a_shape_may_be_drawn(array: Any) -> None:
    assert array.shape in ((2,), (4,))


@given(data=st.data(), count=st.integers(1, 4))
def test_broadcastable_arrays_broadcast_and_have_their_own_domains(
    data: st.DataObject, count: int
) -> None:
    own = [(float(i), i + 0.5) for i in range(count)]
    arrays = data.draw(strategies.broadcastable(count, domain=own, max_side=4))
    assert len(arrays) == count
    assert all(n <= 4 for n in np.broadcast_shapes(*(a.shape for a in arrays)))
    for (low, high), array in zip(own, arrays, strict=True):
        assert np.all((low < array) & (array < high))


def test_broadcastable_arrays_do_differ_in_shape() -> None:
    def stretched(arrays: Any) -> bool:
        return bool(arrays[0].ndim == 0 and arrays[1].ndim == 2)

    scalar, matrix = find(strategies.broadcastable(2, domain=(0, 1)), stretched)
    assert (scalar.shape, matrix.ndim) == ((), 2)


@given(strategies.values((3,), domain=(0.0, 2.0), dtype=np.float32, name="w"))
def test_values_are_tracked_leaves(value: te.Value) -> None:
    assert (value.shape, value.name) == ((3,), "w")
    assert value.dtype == np.float32
    assert value.requires_grad
    assert value.op is None
    assert np.all((value.data > 0) & (value.data < 2))


@pytest.mark.parametrize("name", one_in(6, DIFFERENTIABLE))
@given(data=st.data())
def test_calls_are_inside_the_domain_and_away_from_kinks(name: str, data: st.DataObject) -> None:
    call = data.draw(strategies.calls(name))
    op = te.OPERATIONS[name]
    for position, array in enumerate(call.arrays):
        low, high = interval(op, position)
        assert np.all((low < array) & (array < high))
    assert all(np.all(distance > 0) for distance in distances(op, call))
    out = op.forward(*call.arrays, **call.options)
    assert np.all(np.isfinite(out))
    if isinstance(op, Elementwise):
        assert np.shape(out) == np.broadcast_shapes(*(a.shape for a in call.arrays))


@pytest.mark.parametrize("place", one_in(3, ON_KINKS))
@given(data=st.data())
def test_calls_on_a_kink_are_on_that_one_only(place: tuple[str, int], data: st.DataObject) -> None:
    name, which = place
    op = te.OPERATIONS[name]
    call = data.draw(strategies.calls_on_kink(op, which))
    for number, kink in enumerate(op.kinks):
        gap = kink(*call.arrays, **call.options) if callable(kink) else call.arrays[0] - kink
        if number == which:
            assert np.any(gap == 0)
        else:
            assert np.all(gap != 0)


def test_an_operation_may_be_meant_by_its_name_or_by_numpys_function() -> None:
    assert operation("tanh") is operation(np.tanh) is operation(te.OPERATIONS["tanh"])
    assert operation(np.sum) is te.OPERATIONS["sum"]


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: one(strategies.calls("tahn")), UnknownNameError, "tanh"),
        (lambda: one(strategies.calls("argmax")), OperandError, "no derivative"),
        (lambda: one(strategies.calls_on_kink("relu", 3)), OperandError, "number 3"),
        (lambda: strategies.numbers((1, 0)), OperandError, "low < high"),
        (lambda: strategies.numbers((1.0, np.nextafter(1.0, 2))), OperandError, "too few"),
        (lambda: strategies.arrays((2,), dtype=int), OperandError, "np.float64"),
        (lambda: strategies.broadcastable(2, domain=[(0, 1)]), OperandError, "1 domains"),
    ],
)
def test_what_cannot_be_drawn_says_what_to_write(
    wrong: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        wrong()


def one(strategy: st.SearchStrategy[Any]) -> Any:
    return find(strategy, lambda drawn: True)


def test_the_example_for_the_readers_own_tests_runs() -> None:
    documentation = inspect.getdoc(strategies)
    assert documentation is not None
    lines = itertools.dropwhile(lambda line: not line.startswith("    "), documentation.split("\n"))
    names: dict[str, Any] = {}
    exec(textwrap.dedent("\n".join(lines)), names)
    names["test_softclip_has_the_right_gradient"]()


def test_without_hypothesis_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import tinygrad_edu\n"
        "try:\n    import tinygrad_edu.check.strategies\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "tinygrad_edu[verify]"' in done.stdout
