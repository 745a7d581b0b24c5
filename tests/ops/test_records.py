"""Properties of every record in the registry, and of records a user might declare.

Nothing here names an operation: a record is tested from the moment it is registered.
"""

from __future__ import annotations

import itertools
import re
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.ops.checks import check_first_order, check_kink, check_second_order, weights
from tests.ops.user_records import ALL, DIFFERENTIABLE, DISCRETE, ELEMENTWISE
from tinygrad_edu.check.samples import (
    Call,
    Reach,
    along,
    apply,
    arguments,
    distances,
    fixed_cases,
    numbers,
    option_sets,
)
from tinygrad_edu.check.strategies import SEEDS, calls, calls_on_kink
from tinygrad_edu.engine.operation import Case, Elementwise, Operation

FEW = settings(max_examples=max(5, settings().max_examples // 4))
CLOSE_BY: tuple[Reach, ...] = ("round", "near")


def named(op: Operation) -> str:
    return op.name


def bits(array: Any) -> tuple[Any, ...]:
    """What two results must share to be the same: dtype, shape and every bit."""
    solid = np.asarray(array)
    return solid.dtype, solid.shape, solid.tobytes()


every_record = pytest.mark.parametrize("op", ALL, ids=named)
differentiable_records = pytest.mark.parametrize("op", DIFFERENTIABLE, ids=named)
elementwise_records = pytest.mark.parametrize("op", ELEMENTWISE, ids=named)
discrete_records = pytest.mark.parametrize("op", DISCRETE, ids=named)


# These and the kinks are proved in tests/ops/test_all_floats.py and by `te.check.rule`.
@pytest.mark.thorough
@differentiable_records
@given(data=st.data())
def test_the_gradient_is_the_slope(op: Operation, data: st.DataObject) -> None:
    check_first_order(op, data.draw(calls(op)))


@pytest.mark.thorough
@differentiable_records
@given(data=st.data())
def test_the_gradient_of_the_gradient_is_its_slope(op: Operation, data: st.DataObject) -> None:
    check_second_order(op, data.draw(calls(op, most=2)))


@pytest.mark.thorough
@differentiable_records
def test_both_orders_at_every_declared_shape_and_at_0d_length_1_and_empty(op: Operation) -> None:
    for seed, case in enumerate(fixed_cases(op)):
        call = arguments(op, case, "near", seed)
        check_first_order(op, call)
        check_second_order(op, call)


@pytest.mark.parametrize(
    ("op", "which"),
    [
        pytest.param(op, which, id=f"{op.name}-{which}")
        for op in DIFFERENTIABLE
        for which in range(len(op.kinks))
    ],
)
@pytest.mark.thorough
@given(data=st.data())
def test_on_a_kink_the_rule_lies_between_the_slopes_beside_it(
    op: Operation, which: int, data: st.DataObject
) -> None:
    check_kink(op, data.draw(calls_on_kink(op, which)))


@differentiable_records
@FEW
@given(data=st.data())
def test_float32_goes_in_and_out(op: Operation, data: st.DataObject) -> None:
    call = data.draw(calls(op, reaches=CLOSE_BY))
    doubles = [te.Value(a) for a in call.arrays]
    exact = apply(op, doubles, call.options)
    expected = te.grad(exact, doubles, gradient=weights(exact.shape))
    each = range(len(doubles))
    single = data.draw(st.sampled_from([*({k} for k in each), {*each}]))
    inputs = [te.Value(np.float32(a) if k in single else a) for k, a in enumerate(call.arrays)]
    out = apply(op, inputs, call.options)
    gradients = te.grad(out, inputs, gradient=weights(out.shape))
    for got, want in zip((out.data, *gradients), (exact.data, *expected), strict=True):
        size = np.max(np.abs(want), initial=1)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * size)
    for g, value in zip(gradients, inputs, strict=True):
        assert (g.dtype, g.shape) == (value.dtype, value.shape)


@elementwise_records
def test_float32_is_right_all_along_an_axis_and_warns_of_nothing(op: Operation) -> None:
    rng = np.random.default_rng(0)
    constants = [numbers(op, i, (), "near", rng) for i in range(len(op.arguments))]

    def value_and_slope(points: Any, kind: type) -> list[Any]:
        arguments = [kind(constant) for constant in constants]
        moved = arguments[position] = te.Value(kind(points))
        out = op(*arguments, **options)
        return [out.data, *te.grad(out, moved, gradient=np.ones(out.shape))]

    for position, options in itertools.product(range(len(constants)), option_sets(op)):
        axis = along(op, position)
        call = Call((*constants[:position], axis, *constants[position + 1 :]), options)
        away = [np.broadcast_to(d >= 1, axis.shape) for d in distances(op, call)]
        axis = axis[np.all(away, axis=0)] if away else axis
        axis = axis[np.all([abs(w) < 1e37 for w in value_and_slope(axis, np.float64)], axis=0)]
        together = value_and_slope(axis, np.float32)
        for got, want in zip(together, value_and_slope(axis, np.float64), strict=True):
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-6)
        # A forward may choose its form by the smallest entry: each entry alone must do as well.
        some = slice(None, None, max(len(axis) // 50, 1))
        alone = [value_and_slope(point, np.float32) for point in axis[some]]
        for got, want in zip(zip(*alone, strict=True), together, strict=True):
            np.testing.assert_allclose(got, want[some], rtol=2e-5, atol=2e-6)


@elementwise_records
def test_a_python_number_does_not_widen_float32(op: Operation) -> None:
    rng = np.random.default_rng(0)
    single = [
        numbers(op, i, (3,), "near", rng).astype(np.float32) for i in range(len(op.arguments))
    ]
    for position, name in enumerate(op.arguments):
        values: list[Any] = [te.Value(a) for a in single]
        # Of f(x, slope=1.0) only the parameter is ever a bare number beside an array.
        if len(values) > 1 and (name in op.defaults or not op.defaults):
            values[position] = single[position][0].item()
        out = op(*values, **option_sets(op)[0])
        assert out.dtype == np.float32
        out.backward(np.ones(out.shape))
        assert all(v.grad.dtype == np.float32 for v in values if isinstance(v, te.Value))


@elementwise_records
def test_python_numbers_are_taken_as_numpy_takes_them(op: Operation) -> None:
    rng = np.random.default_rng(0)
    scalars = [numbers(op, i, (), "near", rng) for i in range(len(op.arguments))]
    for options in option_sets(op):
        assert bits(op(*[s.item() for s in scalars], **options)) == bits(op(*scalars, **options))


@elementwise_records
@FEW
@given(data=st.data())
def test_an_argument_left_out_is_its_default(op: Operation, data: st.DataObject) -> None:
    call = data.draw(calls(op))
    given = dict(zip(op.arguments, call.arrays, strict=True))
    required = [a for name, a in given.items() if name not in op.defaults]
    full = [op.defaults.get(name, a) for name, a in given.items()]
    wanted = bits(op.forward(*full, **call.options))
    assert bits(op(*map(te.Value, required), **call.options).data) == wanted
    assert bits(op(*required, **call.options)) == wanted


@every_record
@FEW
@given(data=st.data())
def test_arrays_and_values_give_the_same_bits_and_are_left_alone(
    op: Operation, data: st.DataObject
) -> None:
    call = data.draw(calls_of_any(op))
    before = [bits(a) for a in call.arrays]
    plain = apply(op, call.arrays, call.options)
    out = apply(op, [as_value(a) for a in call.arrays], call.options)
    assert isinstance(out, te.Value)
    assert bits(out.data) == bits(plain)
    if out.ndim == 0:
        assert isinstance(out.data, np.generic)
    assert [bits(a) for a in call.arrays] == before


@differentiable_records
@FEW
@given(data=st.data())
def test_constants_change_no_gradient(op: Operation, data: st.DataObject) -> None:
    call = data.draw(calls(op))
    inputs = [te.Value(a) for a in call.arrays]
    out = apply(op, inputs, call.options)
    expected = te.grad(out, inputs, gradient=weights(out.shape))
    out.backward(weights(out.shape))
    for position, want in enumerate(expected):
        assert bits(inputs[position].grad) == bits(want)
        alone = te.Value(call.arrays[position])
        mixed = [alone if i == position else a for i, a in enumerate(call.arrays)]
        result = apply(op, mixed, call.options)
        assert bits(result.data) == bits(out.data)
        (got,) = te.grad(result, alone, gradient=weights(out.shape))
        assert bits(got) == bits(want)
        if np.ndim(got) == 0:
            assert isinstance(got, np.generic)
            assert isinstance(inputs[position].grad, np.generic)


@pytest.mark.parametrize(
    ("op", "function"),
    [pytest.param(op, f, id=f"{op.name}-{f.__name__}") for op in ALL for f in op.numpy],
)
@FEW
@given(data=st.data())
def test_numpy_functions_are_the_record(op: Operation, function: Any, data: st.DataObject) -> None:
    call = data.draw(calls_of_any(op))
    # NumPy's names for what it requires differ between versions and ours; its order does not.
    positional = [value for name, value in call.options.items() if name not in op.defaults]
    keywords = {name: value for name, value in call.options.items() if name in op.defaults}

    def called(arrays: list[Any]) -> Any:
        return function(*([arrays] if op.variadic else arrays), *positional, **keywords)

    values = [as_value(a) for a in call.arrays]
    out = called(values)
    assert isinstance(out, te.Value)
    assert bits(out.data) == bits(apply(op, call.arrays, call.options))
    if op.differentiable:
        assert out.op is op
    for position in range(len(values)):
        mixed = called([v if i == position else v.data for i, v in enumerate(values)])
        assert bits(mixed.data) == bits(out.data)
    by_numpy = called(list(call.arrays))
    assert np.result_type(by_numpy) == out.dtype
    np.testing.assert_allclose(out.data, by_numpy, rtol=1e-14)


@discrete_records
@FEW
@given(data=st.data())
def test_discrete_results_are_untracked(op: Operation, data: st.DataObject) -> None:
    call = data.draw(calls_of_any(op))
    out = apply(op, [as_value(a) for a in call.arrays], call.options)
    assert not out.requires_grad
    assert out.op is None
    assert out.inputs == ()


@pytest.mark.parametrize(
    ("op", "extreme"),
    [
        pytest.param(op, extreme, id=f"{op.name}{extreme}")
        for op in DIFFERENTIABLE
        for extreme in op.extremes
    ],
)
def test_value_and_derivative_are_finite_at_extremes(
    op: Operation, extreme: tuple[float, ...]
) -> None:
    shapes = [((),) * len(extreme), ((3,),) * len(extreme)]  # no broadcasting: sums may overflow
    cases = [Case(s) for s in shapes] if isinstance(op, Elementwise) else fixed_cases(op)
    for case in cases:
        inputs = [te.Value(np.full(s, x)) for s, x in zip(case.shapes, extreme, strict=True)]
        with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
            warnings.simplefilter("error")
            out = apply(op, inputs, case.options)
            gradients = te.grad(out, inputs, gradient=np.ones(out.shape))
        assert np.all(np.isfinite(out.data))
        for g in gradients:
            assert np.all(np.isfinite(g))
        if all(np.all(np.abs(a) < 1e37) for a in (extreme, out.data, *gradients)):
            single = [te.Value(np.float32(value.data)) for value in inputs]
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                out = apply(op, single, case.options)
                gradients = te.grad(out, single, gradient=np.ones(out.shape))
            assert np.all(np.isfinite(out.data))
            for g in gradients:
                assert np.all(np.isfinite(g))


@every_record
def test_the_formula_takes_its_arguments(op: Operation) -> None:
    letters = "abcdef"[: len(op.arguments)]
    text = op.formula.format(*letters)
    assert any(re.search(rf"(?<![A-Za-z\\]){letter}(?![A-Za-z])", text) for letter in letters), text
    for opening, closing in ((r"\{", r"\}"), (r"\\left\b", r"\\right\b"), (r"\\begin", r"\\end")):
        assert len(re.findall(opening, text)) == len(re.findall(closing, text)), text


def as_value(array: Any) -> te.Value:
    """A tracked leaf; of truth values, which no leaf holds, a mask as a comparison gives it."""
    return te.Value(array) if array.dtype.kind == "f" else te.Value(array) > 0


@st.composite
def calls_of_any(draw: st.DrawFn, op: Operation) -> Call:
    """Calls of any record; of a discrete one with truth values if it takes no other."""
    if op.differentiable:
        return draw(calls(op))
    shape = draw(st.sampled_from([(), (3,), (2, 3)]))
    rng = np.random.default_rng(draw(SEEDS))
    arrays: list[Any] = [rng.integers(-1, 2, shape).astype(np.float64)[()] for _ in op.arguments]
    try:
        op.forward(*arrays)
    except TypeError:
        arrays = [a > 0 for a in arrays]
    axes = [None, *range(-len(shape), len(shape))]
    options = {"axis": draw(st.sampled_from(axes))} if "axis" in op.options else {}
    return Call(tuple(arrays), options)
