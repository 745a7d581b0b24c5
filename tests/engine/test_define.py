"""Operations that users declare are as good as ours; incomplete ones fail when declared."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.ops.user_records import restored
from tinygrad_edu.errors import IncompleteRecordError, ShapeError

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with restored():
        yield


def softsign() -> Any:
    return te.define_elementwise(
        "my_softsign",
        lambda x: x / (1 + np.abs(x)),
        lambda out, x: 1 / np.square(1 + np.abs(x)),
        formula=r"\frac{{{0}}}{{1 + |{0}|}}",
    )


def test_an_elementwise_operation() -> None:
    f = softsign()
    assert te.OPERATIONS["my_softsign"] is f
    assert f(np.array([1.0, -3.0])).tolist() == [0.5, -0.75]
    x = Value([1.0, -3.0])
    y = f(x)
    assert y.op is f
    np.sum(y).backward()
    assert x.grad.tolist() == [1 / 4, 1 / 16]
    # f″ = −2 sign(x) / (1 + |x|)³, f‴ = 6 / (1 + |x|)⁴
    assert te.grad(te.grad(f))(1.0) == pytest.approx(-2 / 8)
    assert te.grad(te.grad(te.grad(f)))(-3.0) == pytest.approx(6 / 256)
    assert te.jvp(f, (1.0,), (2.0,))[1] == pytest.approx(0.5)


@pytest.mark.parametrize("names", [np.hypot, (np.hypot,), [np.hypot]], ids=["one", "tuple", "list"])
def test_dispatch_of_a_numpy_function(names: Any) -> None:
    te.define_elementwise(
        "my_hypot",
        np.hypot,
        (lambda out, a, b: a / out, lambda out, a, b: b / out),
        formula=r"\sqrt{{{0}^2 + {1}^2}}",
        numpy=names,
    )
    a, b = Value(np.array([3.0, 6.0], np.float32)), Value([[4.0], [8.0]])
    y = np.hypot(a, b)
    assert y.data.tolist() == [[5.0, np.hypot(6, 4)], [np.hypot(3, 8), 10.0]]
    np.sum(y).backward()
    assert a.grad.shape == (2,)
    assert a.grad.dtype == np.float32
    assert b.grad[0, 0] == pytest.approx(4 / 5 + 4 / np.hypot(6, 4))
    assert np.hypot(3.0, a).shape == (2,)
    with pytest.raises(ShapeError, match="my_hypot"):
        np.hypot(a, np.ones(3))


def test_constant_partials() -> None:
    affine = te.define_elementwise(
        "my_mix",
        lambda a, b, c, d: a + 0.25 * b - 3 * c + np.sign(d),
        (1, 0.25, -3, 0),
        formula="{0} + 0.25 {1} - 3 {2} + s({3})",
    )
    leaves = [Value(k) for k in (1.0, 2.0, 3.0, 4.0)]
    affine(*leaves).backward()
    assert [leaf.grad for leaf in leaves] == [1.0, 0.25, -3.0, 0.0]
    assert te.grad(te.grad(lambda x: affine(x, x, x, x)))(2.0) == 0.0


def test_boolean_partials_select() -> None:
    half = te.define_elementwise(
        "my_half",
        lambda x: np.where(x > 0, x, 0.0),
        lambda out, x: x > 0,
        formula="h({0})",
    )
    with np.errstate(all="ignore"):
        slope = te.grad(lambda x: np.sum(half(np.log(x))))(np.array([0.0, 2.0, -1.0]))
    assert slope.tolist() == [0.0, 0.5, 0.0]


def test_arguments_with_defaults() -> None:
    scaled = te.define_elementwise(
        "my_scaled",
        lambda x, factor=2.0: x * factor,
        (lambda out, x, factor: factor, lambda out, x, factor: x),
        formula="{1} {0}",
    )
    x, k = Value(3.0), Value(5.0)
    assert scaled(x).item() == 6.0
    assert scaled(x, 4.0).item() == 12.0
    y = scaled(x, factor=k)
    y.backward()
    assert (x.grad, k.grad) == (5.0, 3.0)
    with pytest.raises(TypeError, match="factor"):
        scaled(x, scale=3.0)


def test_a_structural_operation_with_options() -> None:
    cumulative = te.define_structural(
        "my_cumsum",
        lambda a, axis: np.cumsum(a, axis=axis),
        lambda g, out, a, axis: np.sum(g, axis=axis, keepdims=True) - np.cumsum(g, axis=axis) + g,
        formula=r"\operatorname{{cumsum}}\left({0}\right)",
        cases=[(((3,),), {"axis": 0}), (((2, 3),), {"axis": 1})],
        numpy=(np.cumsum,),
    )
    x = Value([1.0, 2.0, 3.0, 4.0])
    w = np.array([1.0, 2.0, 3.0, 4.0])
    y: Any = np.cumsum(x, axis=0)
    assert y.data.tolist() == [1.0, 3.0, 6.0, 10.0]
    assert y.options["axis"] == 0
    assert te.grad(np.sum(y * w), x)[0].tolist() == [10.0, 9.0, 7.0, 4.0]
    lower = np.tril(np.ones((4, 4)))
    bend = te.hessian(lambda x: np.sum(cumulative(x, axis=0) ** 2))(np.ones(4))
    assert bend == pytest.approx(2 * lower.T @ lower)
    with pytest.raises(TypeError, match="axis"):
        cumulative(x, dim=0)


def test_several_arrays_and_a_frozen_option() -> None:
    weighted = te.define_structural(
        "my_weighted",
        lambda a, b, weights: np.sum(a * b * np.asarray(weights)),
        (
            lambda g, out, a, b, weights: g * b * np.asarray(weights),
            lambda g, out, a, b, weights: g * a * np.asarray(weights),
        ),
        formula=r"\langle {0}, {1} \rangle",
        cases=[(((3,), (3,)), {"weights": (1.0, 2.0, 3.0)})],
    )
    for weights in (np.array([1.0, 2.0]), [1.0, 2.0]):
        a, b = Value([3.0, 4.0]), Value([5.0, 6.0])
        y = weighted(a, b, weights=weights)
        weights[0] = 100.0
        y.backward()
        assert a.grad.tolist() == [5.0, 12.0]
        assert b.grad.tolist() == [3.0, 8.0]
    nested = (np.array([1.0, 2.0]),)
    y = weighted(a, b, weights=nested)
    nested[0][...] = 100.0
    assert te.grad(y, a)[0].tolist() == [5.0, 12.0]


def test_gradients_of_shared_arrays_are_copied() -> None:
    """A rule may return an array it keeps: the leaves' gradients must not be that array."""
    ones = np.ones(3)
    total = te.define_structural(
        "my_total",
        lambda a, b: a + b,
        (lambda g, out, a, b: ones, lambda g, out, a, b: ones),
        formula="{0} + {1}",
        cases=[(((3,), (3,)), {})],
    )
    a, b = Value(np.zeros(3)), Value(np.zeros(3))
    total(a, b).backward(np.ones(3))
    a.grad += 5.0
    assert b.grad.tolist() == [1.0, 1.0, 1.0]
    assert ones.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "pullback",
    [
        lambda g, out, a: 2 * g.T,
        lambda g, out, a: g[0],
        lambda g, out, a: np.ones((2, 3, 3)),
        lambda g, out, a: np.ones(6),
        lambda g, out, a: np.sum(g),
    ],
)
def test_a_pullback_of_the_wrong_shape_is_named(pullback: Callable[..., Any]) -> None:
    wrong = te.define_structural(
        "my_wrong", lambda a: 2 * a, pullback, formula="2 {0}", cases=[(((2, 3),), {})]
    )
    x = Value(np.ones((2, 3)))
    with pytest.raises(ShapeError, match="my_wrong"):
        wrong(x).backward(np.arange(6.0).reshape(2, 3))
    assert x.grad is None


def test_records_pickle_by_name() -> None:
    f = softsign()
    assert pickle.loads(pickle.dumps(f)) is f


COMPLETE: dict[str, Any] = {
    "name": "my_operation",
    "forward": lambda x: x * 2,
    "partials": (lambda out, x: 2.0,),
    "formula": "2 {0}",
}
INCOMPLETE: dict[str, dict[str, Any]] = {
    "no name": {"name": ""},
    "a name that exists": {"name": "tanh"},
    "no forward": {"forward": None},
    "a forward without arguments": {"forward": lambda: 1.0, "partials": ()},
    "no partial": {"partials": ()},
    "a missing partial": {"forward": lambda a, b: a * b},
    "a partial too many": {"partials": (1, 2)},
    "a partial that is None": {"partials": (None,)},
    "a partial that is text": {"partials": ("cos",)},
    "a partial of the wrong arguments": {"partials": (lambda out: out,)},
    "no formula": {"formula": ""},
    "a formula with unescaped braces": {"formula": r"\frac{1}{0}"},
    "a formula of an argument that is not there": {"formula": "{5}"},
    "no domain": {"domain": ()},
    "a domain that is None": {"domain": None},
    "a domain the wrong way round": {"domain": (3.0, 1.0)},
}


def test_the_complete_record_is_accepted() -> None:
    assert te.define_elementwise(**COMPLETE)(3.0) == 6.0


@pytest.mark.parametrize("change", INCOMPLETE.values(), ids=INCOMPLETE.keys())
def test_incomplete_elementwise_records_fail_when_declared(change: dict[str, Any]) -> None:
    before = dict(te.OPERATIONS)
    with pytest.raises(IncompleteRecordError):
        te.define_elementwise(**(COMPLETE | change))
    assert before == te.OPERATIONS


STRUCTURAL: dict[str, Any] = {
    "name": "my_structure",
    "forward": lambda a, axis=0: np.flip(a, axis),
    "pullbacks": (lambda g, out, a, axis=0: np.flip(g, axis),),
    "formula": r"\operatorname{{flip}}({0})",
    "cases": [(((2, 3),), {"axis": 1})],
}


def test_the_complete_structural_record_is_accepted() -> None:
    assert te.define_structural(**STRUCTURAL)(np.arange(3)).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    "change",
    [
        {"pullbacks": ()},
        {"pullbacks": (None,)},
        {"pullbacks": (lambda g, out, a, axis: g,) * 3},
        {"pullbacks": (lambda g: g,)},
        {"cases": ()},
        {"formula": ""},
        {"forward": None},
        {"domain": ()},
    ],
    ids=[
        "none",
        "one None",
        "too many",
        "wrong arguments",
        "cases",
        "formula",
        "forward",
        "domain",
    ],
)
def test_incomplete_structural_records_fail_when_declared(change: dict[str, Any]) -> None:
    before = dict(te.OPERATIONS)
    with pytest.raises(IncompleteRecordError):
        te.define_structural(**(STRUCTURAL | change))
    assert before == te.OPERATIONS


def test_the_formula_and_the_domain_must_be_given() -> None:
    with pytest.raises(TypeError, match="formula"):
        te.define_elementwise("my_f", np.exp, lambda out, x: out)  # type: ignore[call-arg]


def test_every_record_of_ours_is_complete() -> None:
    for name, operation in te.OPERATIONS.items():
        assert operation.name == name
        assert operation.formula.format(*["x"] * 8)
        assert operation.domain
        assert callable(operation.forward)
