"""Derivatives by nested containers: the form comes back, the numbers are right, at any order."""

from __future__ import annotations

import functools
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.finite_differences import derivative
from tinygrad_edu.engine import call
from tinygrad_edu.engine.containers import filled, leaves, mapped, opened
from tinygrad_edu.errors import (
    ConversionError,
    DtypeError,
    NotTrackedError,
    OperandError,
    ShapeError,
    StaleGraphError,
)

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value

W = np.array([[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]])
B = np.array([0.1, -0.2])
X = np.array([[1.0, -2.0, 0.5], [0.3, 0.7, -1.1]])

Point = namedtuple("Point", ["x", "y"])  # the untyped kind is one to support too


class Layer(NamedTuple):
    weight: Any
    bias: Any


@dataclass(frozen=True)
class Oscillator:
    mass: Any
    stiffness: Any
    name: str = "spring"
    history: Any = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not np.all(np.asarray(self.mass) > 0):  # must not run on Values or on gradients
            raise ValueError("mass")


@dataclass(slots=True)
class Slotted:
    a: Any
    b: Any


def prediction(w: Any, b: Any) -> Any:
    return np.sum(np.tanh(X @ w + b) ** 2)


def prediction_slopes(w: Any, b: Any) -> tuple[Any, Any]:
    """∂/∂W and ∂/∂b of Σ tanh(XW + b)²."""
    t = np.tanh(X @ w + b)
    inner = 2 * t * (1 - t * t)
    return X.T @ inner, inner.sum(axis=0)


BY_W, BY_B = prediction_slopes(W, B)


class TestGradient:
    @pytest.mark.parametrize(
        ("pack", "unpack"),
        [
            (lambda w, b: (w, b), lambda p: p),
            (lambda w, b: [w, b], lambda p: p),
            (lambda w, b: {"w": w, "b": b}, lambda p: (p["w"], p["b"])),
            (lambda w, b: {1: w, (2, "b"): b}, lambda p: (p[1], p[2, "b"])),
            (lambda w, b: OrderedDict(w=w, b=b), lambda p: (p["w"], p["b"])),
            (lambda w, b: defaultdict(list, w=w, b=b), lambda p: (p["w"], p["b"])),
            (lambda w, b: Layer(w, b), lambda p: (p.weight, p.bias)),
            (lambda w, b: Point(w, b), lambda p: (p.x, p.y)),
            (lambda w, b: Slotted(w, b), lambda p: (p.a, p.b)),
            (lambda w, b: [{"deep": (w,)}, [[b]]], lambda p: (p[0]["deep"][0], p[1][0][0])),
        ],
    )
    def test_the_form_comes_back(
        self, pack: Callable[..., Any], unpack: Callable[[Any], Any]
    ) -> None:
        inside: list[Any] = []

        def f(p: Any) -> Any:
            inside.append(p)
            return prediction(*unpack(p))

        slope = te.grad(f)(pack(W, B))
        assert type(slope) is type(pack(W, B))
        assert type(inside[0]) is type(pack(W, B))  # f is given the form too
        by_w, by_b = unpack(slope)
        assert type(by_w) is np.ndarray
        assert by_w == pytest.approx(BY_W, rel=1e-12)
        assert by_b == pytest.approx(BY_B, rel=1e-12)
        if isinstance(slope, dict):
            assert list(slope) == list(pack(W, B))
        if isinstance(slope, defaultdict):
            assert slope["new"] == []
        value, again = te.value_and_grad(f)(pack(W, B))
        assert value == pytest.approx(float(prediction(W, B)))
        assert unpack(again)[0].tolist() == by_w.tolist()

    def test_a_frozen_dataclass_with_constants(self) -> None:
        spring = Oscillator(mass=2.0, stiffness=8.0, history=[np.ones(2), "start"])

        def frequency(o: Any) -> Any:
            assert o.name == "spring"
            assert o.history[1] == "start"
            return np.sqrt(o.stiffness / o.mass)

        slope = te.grad(frequency)(spring)
        assert isinstance(slope, Oscillator)
        assert slope.stiffness == pytest.approx(2.0 / 2 / 8.0)
        assert slope.mass == pytest.approx(-2.0 / 2 / 2.0)
        assert slope.name is None
        assert slope.history[0].tolist() == [0.0, 0.0]
        assert slope.history[1] is None
        assert spring == Oscillator(2.0, 8.0)

    def test_what_is_no_number_is_passed_on_and_has_no_gradient(self) -> None:
        constants: dict[str, Any] = {
            "train": True,
            "mask": np.array([True, False]),
            "bit": np.True_,
            "above": Value([1.0, -1.0]) > 0,
            "name": "tanh",
            "activation": np.tanh,
            "record": te.activations.tanh,
            "module class": te.nn.Linear,
            "dataclass": Oscillator,
            "array class": te.Value,
            "seed": None,
            "generator": np.random.default_rng(0),
        }

        def f(p: Any) -> Any:
            for key, constant in constants.items():
                assert p[key] is constant
            return np.sum(np.where(p["mask"], p["activation"](p["x"]), p["x"] ** 3))

        slope = te.grad(f)({**constants, "x": np.array([0.5, 2.0])})
        assert list(slope) == [*constants, "x"]
        assert all(slope[key] is None for key in constants)
        assert slope["x"] == pytest.approx([1 - np.tanh(0.5) ** 2, 12.0])

    def test_integers_are_float64_as_in_a_value(self) -> None:
        slope = te.grad(lambda p: p["a"] ** 2 * np.sum(p["b"]))({"a": 3, "b": np.array([1, 2])})
        assert slope["a"] == 18.0
        assert slope["b"].tolist() == [9.0, 9.0]
        assert slope["b"].dtype == np.float64
        with pytest.raises(ConversionError, match="index"):
            te.grad(lambda p: np.sum(p["w"][p["i"]]))({"w": np.ones(3), "i": np.array([0, 2])})

    def test_what_stands_alone_is_read_as_by_a_value(self) -> None:
        assert te.grad(lambda x: x * 2)(True) == 2.0
        assert te.grad(lambda x: np.sum(x**2))(range(3)).tolist() == [0.0, 2.0, 4.0]

    def test_float32_stays_leaf_by_leaf(self) -> None:
        both = (np.array([1.0, 2.0], np.float32), np.array([3.0, 4.0]))
        single, double = te.grad(lambda p: np.sum(p[0] * p[1]))(both)
        assert single.dtype == np.float32
        assert double.dtype == np.float64

    def test_a_list_of_plain_numbers_is_an_array(self) -> None:
        for numbers in ([1.0, 2, np.float64(3.0)], [[1.0, 2.0], [3.0, 4.0]]):
            slope = te.grad(lambda x: np.sum(x**2))(numbers)
            assert type(slope) is np.ndarray
            assert slope.tolist() == (2.0 * np.array(numbers)).tolist()
        slope = te.grad(lambda p: np.sum(p["x"] ** 2))({"x": [1.0, 2.0]})
        assert slope["x"].tolist() == [2.0, 4.0]

    def test_a_list_that_is_no_array_is_a_container(self) -> None:
        slope = te.grad(lambda x: x[0][0] * x[1] * x[2])([[1.0], 2.0, 1.5])
        assert isinstance(slope, list)
        assert [float(np.sum(each)) for each in slope] == [3.0, 1.5, 2.0]
        slope = te.grad(lambda x: np.sum(x[0]) * np.sum(x[1]))([[1.0], [2.0, 3.0]])
        assert [each.tolist() for each in slope] == [[5.0], [1.0, 1.0]]
        slope = te.grad(lambda x: x[0] * x[1])([Value(2.0), 3.0])
        assert [each.item() for each in slope] == [3.0, 2.0]
        a, b = te.grad(lambda p: p[0] * p[1])((2.0, 3.0))
        assert (a, b) == (3.0, 2.0)

    def test_values_in_values_out_and_still_joined(self) -> None:
        a = Value(2.0)
        slope = te.grad(lambda p: p["a"] ** 3 * p["b"])({"a": a, "b": 5.0})
        assert isinstance(slope["a"], Value)
        assert isinstance(slope["b"], Value)
        slope["a"].backward()
        assert a.grad == 6 * 2.0 * 5.0

    def test_a_value_given_twice_is_two_leaves(self) -> None:
        a = Value(3.0)
        first, second = te.grad(lambda p: p[0] ** 2 * p[1])((a, a))
        assert first.item() == 18.0
        assert second.item() == 9.0

    def test_what_the_caller_holds_is_not_touched(self) -> None:
        params: dict[str, Any] = {"w": W.copy(), "more": [1.0, Value(2.0)]}
        held = params["more"]

        def f(p: Any) -> Any:
            y = np.sum(p["w"]) * p["more"][1]
            p["w"] = None
            p["more"].append(3.0)
            del p["more"][0]
            return y

        slope = te.grad(f)(params)
        assert slope["w"].data.tolist() == np.full((3, 2), 2.0).tolist()
        assert slope["more"][0].data == 0.0
        assert params["w"].tolist() == W.tolist()
        assert held == params["more"]
        assert len(held) == 2
        assert held[1].grad is None

    def test_containers_of_nothing(self) -> None:
        nothing: Any
        for nothing in ({}, (), [], {"a": []}):
            assert te.grad(lambda p: 1.0)(nothing) == nothing
            assert te.jacobian(lambda p: 1.0)(nothing) == nothing
            assert te.jvp(lambda p: 2.0, (nothing,), (nothing,)) == (2.0, 0.0)
            assert te.hvp(lambda p: 1.0)(nothing, nothing) == nothing

    def test_finite_differences(self) -> None:
        def f(p: Any) -> Any:
            hidden = np.tanh(X @ p["layer"].weight + p["layer"].bias)
            return np.sum(np.exp(-hidden * p["scale"]) / (1 + hidden**2))

        params = {"layer": Layer(W, B), "scale": 0.7}
        slope = te.grad(f)(params)

        def at(w: Any) -> Any:
            return f({"layer": Layer(w, B), "scale": 0.7})

        for index in np.ndindex(W.shape):
            step = np.zeros(W.shape)
            step[index] = 1.0
            assert slope["layer"].weight[index] == pytest.approx(
                derivative(
                    functools.partial(lambda step, t: at(W + t * step), step), 0.0, 0.1
                ).value
            )
        assert slope["scale"] == pytest.approx(
            derivative(lambda s: f({"layer": Layer(W, B), "scale": s}), 0.7, 0.1).value
        )


class TestArgument:
    def f(self, x: Any, y: Any, p: Any, scale: float = 1.0) -> Any:
        return scale * np.sum(x**2 * y**3) * p["k"]

    def test_one_or_several(self) -> None:
        x, y, p = np.array([1.0, 2.0]), np.array([3.0, 1.0]), {"k": 2.0}
        by_x, by_y = 2 * x * y**3 * 2.0, 3 * x**2 * y**2 * 2.0
        by_k = np.sum(x**2 * y**3)
        assert te.grad(self.f)(x, y, p) == pytest.approx(by_x)
        for by in (te.grad(self.f, 1), te.grad(self.f, argument=1), te.grad(self.f, argument=-2)):
            assert by(x, y, p) == pytest.approx(by_y)
        assert te.grad(self.f, argument=2)(x, y, p, scale=10.0) == {"k": pytest.approx(10 * by_k)}
        several = te.grad(self.f, (2, 0))(x, y, p)
        assert isinstance(several, tuple)
        assert several[0] == {"k": pytest.approx(by_k)}
        assert several[1] == pytest.approx(by_x)
        value, (only,) = te.value_and_grad(self.f, argument=(1,))(x, y, p)
        assert value == pytest.approx(2 * by_k)
        assert only == pytest.approx(by_y)

    def test_matrices(self) -> None:
        jac = te.jacobian(lambda a, x: a @ x, 1)(W, B)
        assert jac.tolist() == W.tolist()
        blocks = te.hessian(lambda x, y: x * y**2, argument=(0, 1))(2.0, 3.0)
        assert blocks == ((0.0, 6.0), (6.0, 4.0))
        assert te.hessian(lambda x, y: x * y**2, 1)(2.0, 3.0) == 4.0

    @pytest.mark.parametrize("make", [te.grad, te.value_and_grad, te.jacobian, te.hessian])
    def test_other_libraries_spellings(self, make: Callable[..., Any]) -> None:
        for name in ("argnum", "argnums"):
            with pytest.raises(OperandError, match="write argument=1"):
                make(np.arctan2, **{name: 1})
        with pytest.raises(OperandError, match=r"'has_aux'.*argument="):
            make(np.tanh, has_aux=True)

    def test_what_is_no_position(self) -> None:
        wrong: Any
        for wrong in (0.3, np.ones(2), "x", True, (0, "x")):
            with pytest.raises(OperandError, match=r"position.*te\.grad\(f\)\(x\)"):
                te.grad(np.tanh, wrong)
        with pytest.raises(OperandError, match="no argument 3"):
            te.grad(np.tanh, 3)(1.0)
        with pytest.raises(OperandError, match="position"):
            te.grad(lambda x: x * x)(x=1.0)
        with pytest.raises(OperandError, match="twice"):
            te.grad(lambda x, y: x * y, (1, -1))(1.0, 2.0)
        with pytest.raises(OperandError, match=r"te\.vjp"):
            te.grad(np.tanh, gradient=1.0)  # type: ignore[call-overload]
        with pytest.raises(OperandError, match=r"write gradient=1\.0"):
            te.grad(Value(1.0) * 2, Value(1.0), grad_outputs=1.0)  # type: ignore[call-overload]

    def test_the_names_of_f_are_free(self) -> None:
        def f(x: Any, *, f: Any, v: Any, args: Any) -> Any:
            return x * f * v * args

        assert te.grad(f)(1.0, f=2.0, v=3.0, args=5.0) == 30.0
        assert te.hvp(lambda y, x: y**3 * x)(1.0, 1.0, x=2.0) == 12.0


def mlp() -> Any:
    return te.nn.MLP([2, 3, 1], activation="tanh", seed=3)


INPUTS = np.array([[0.5, -1.0], [1.5, 0.25], [-0.3, 0.8]])


def loss(model: Any) -> Any:
    return np.mean((model(INPUTS) - 0.5) ** 2)


def loss_by_hand(p: Any) -> Any:
    """The same network written with its parameters by name."""
    hidden = np.tanh(INPUTS @ p["layers.0.weight"] + p["layers.0.bias"])
    return np.mean((hidden @ p["layers.1.weight"] + p["layers.1.bias"] - 0.5) ** 2)


def numbers(model: Any) -> dict[str, Any]:
    return {name: parameter.data for name, parameter in model.named_parameters()}


def assert_same(a: Any, b: Any) -> None:
    """Equal to rounding, whatever the form."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    else:
        assert np.shape(a) == np.shape(b)
        assert a == pytest.approx(b, rel=1e-10, abs=1e-14)


class TestModules:
    def test_the_gradient_is_a_dict_of_names(self) -> None:
        model = mlp()
        loss(model).backward()
        wanted = {name: parameter.grad for name, parameter in model.named_parameters()}
        model.zero_grad()
        before = numbers(model)
        slope = te.grad(loss)(model)
        assert_same(slope, wanted)
        assert all(parameter.grad is None for parameter in model.parameters())
        assert numbers(model) == before  # the very same arrays
        value, again = te.value_and_grad(loss)(model)
        assert isinstance(value, np.float64)
        assert_same(again, wanted)

    @pytest.mark.parametrize("order", [te.grad, te.jacobian, te.hessian])
    def test_as_the_same_function_of_a_dict(self, order: Callable[..., Any]) -> None:
        model = mlp()
        assert_same(order(loss)(model), order(loss_by_hand)(numbers(model)))

    def test_products(self) -> None:
        model = mlp()
        rng = np.random.default_rng(1)
        v = {name: rng.normal(size=a.shape) for name, a in numbers(model).items()}
        assert_same(te.hvp(loss)(model, v), te.hvp(loss_by_hand)(numbers(model), v))
        assert_same(te.jvp(loss, (model,), (v,)), te.jvp(loss_by_hand, (numbers(model),), (v,)))
        value, pullback = te.vjp(lambda m: m(INPUTS), model)
        (pulled,) = pullback(np.ones((3, 1)))
        assert value.shape == (3, 1)
        assert_same(pulled, te.grad(lambda m: np.sum(m(INPUTS)))(model))
        with pytest.raises(ShapeError, match=r"layers\.0\.weight"):
            te.hvp(loss)(model, np.ones(3))

    def test_in_a_container_and_beside_others(self) -> None:
        model = mlp()

        def f(p: Any, x: Any) -> Any:
            return np.sum(p["net"](x)) * p["scale"]

        slope = te.grad(f, (0, 1))({"net": model, "scale": 2.0}, INPUTS)
        assert slope[0]["scale"] == pytest.approx(np.sum(model(INPUTS).data))
        assert slope[0]["net"]["layers.1.bias"] == pytest.approx([6.0])
        _, pulled = te.vjp(lambda x: 2 * np.sum(model(x)), INPUTS)[1](1.0), slope[1]
        assert pulled == pytest.approx(te.grad(lambda x: 2 * np.sum(model(x)))(INPUTS))

    def test_frozen_parameters_are_left_out(self) -> None:
        model = mlp()
        model.layers[0].weight.requires_grad = False
        slope = te.grad(loss)(model)
        assert list(slope) == ["layers.0.bias", "layers.1.weight", "layers.1.bias"]
        for parameter in model.parameters():
            parameter.requires_grad = False
        assert te.grad(lambda m: 1.0)(model) == {}

    def test_create_graph_and_a_gradient_penalty(self) -> None:
        """∂/∂θ |∂f/∂x|²: derivatives by the input inside of one by the model."""
        model = mlp()

        def penalty(network: Any, m: Any) -> Any:
            return np.sum(te.grad(lambda x: np.sum(network(m, x)))(INPUTS) ** 2)

        def by_hand(p: Any, x: Any) -> Any:
            hidden = np.tanh(x @ p["layers.0.weight"] + p["layers.0.bias"])
            return hidden @ p["layers.1.weight"] + p["layers.1.bias"]

        slope = te.grad(functools.partial(penalty, lambda m, x: m(x)))(model)
        assert_same(slope, te.grad(functools.partial(penalty, by_hand))(numbers(model)))
        nodes = te.grad(loss, create_graph=True)(model)
        assert all(isinstance(node, Value) for node in nodes.values())
        np.sum(nodes["layers.1.weight"]).backward()
        rows = te.hessian(loss)(model)["layers.1.weight"]["layers.0.bias"]
        assert model.layers[0].bias.grad == pytest.approx(rows.sum(axis=(0, 1)))

    def test_a_model_is_a_function_too(self) -> None:
        model = mlp()
        x = np.array([0.2, -0.4])
        assert te.jacobian(model)(x).shape == (1, 2)
        assert te.grad(lambda x: model(x)[0])(x) == pytest.approx(te.jacobian(model)(x)[0])

    def test_what_changes_a_parameter_on_the_way_is_refused(self) -> None:
        model = mlp()

        def f(m: Any) -> Any:
            y = loss(m)
            m.layers[0].weight.data = m.layers[0].weight.data * 2
            return y

        with pytest.raises(StaleGraphError, match="weight"):
            te.grad(f)(model)

    def test_whatever_names_parameters(self) -> None:
        class Line:
            def __init__(self) -> None:
                self.slope, self.offset = Value(2.0), Value(1.0)

            def named_parameters(self) -> Iterator[tuple[str, Any]]:
                yield "slope", self.slope
                yield "offset", self.offset

        line = Line()
        assert te.grad(lambda m: (m.slope * 3.0 + m.offset) ** 2)(line) == {
            "slope": 2 * 7.0 * 3.0,
            "offset": 2 * 7.0,
        }
        y = line.slope**2 * line.offset
        assert te.grad(y, line) == {"slope": 4.0, "offset": 4.0}


class TestGradOfAValue:
    def test_a_dict_gives_a_dict(self) -> None:
        a, b = Value(2.0), Value([1.0, 3.0])
        y = np.sum(a * b)
        slope = te.grad(y, {"b": b, "a": a})
        assert list(slope) == ["b", "a"]
        assert slope["a"] == 4.0
        assert slope["b"].tolist() == [2.0, 2.0]
        nodes = te.grad(y, {"a": a}, create_graph=True)
        assert isinstance(nodes["a"], Value)

    def test_a_module_gives_its_names(self) -> None:
        model = mlp()
        y = loss(model)
        assert_same(te.grad(y, model), te.grad(loss)(model))

    def test_sequences_give_a_tuple_of_what_they_hold(self) -> None:
        a, b = Value(2.0), Value(3.0)
        y = a * a * b
        nested: Any = [a, {"b": b}, (a,)]
        assert te.grad(y, nested) == (12.0, {"b": 4.0}, (12.0,))
        iterators: list[Any] = [iter([b, a]), {"b": b, "a": a}.values(), (x for x in (b, a))]
        for xs in iterators:
            assert te.grad(y, xs) == (4.0, 12.0)

    def test_what_is_no_value(self) -> None:
        y = Value(1.0) * 2
        wrong: Any
        for wrong in ({"a": 1.0}, [np.ones(2)], (None,), 3.0, "x", {"a": True}, [1.0, 2.0]):
            with pytest.raises(OperandError, match=r"te\.Value"):
                te.grad(y, wrong)


class TestProducts:
    def test_jvp_of_containers(self) -> None:
        def f(p: Any, k: Any) -> Any:
            return {"y": np.sin(p["a"]) * p["b"], "n": (np.sum(p["a"]) ** 2, k)}

        a, b = np.array([0.3, -0.7]), 1.5
        da, db = np.array([1.0, 2.0]), -0.5
        value, forward = te.jvp(f, ({"a": a, "b": b}, 2.0), ({"a": da, "b": db}, 7.0))
        assert value["y"] == pytest.approx(np.sin(a) * b)
        assert forward["y"] == pytest.approx(np.cos(a) * b * da + np.sin(a) * db)
        assert forward["n"][0] == pytest.approx(2 * a.sum() * da.sum())
        assert forward["n"][1] == 7.0
        assert isinstance(forward["n"][0], np.float64)

    def test_jvp_against_finite_differences(self) -> None:
        def f(p: Any) -> Any:
            return np.tanh(X @ p[0]) * p[1]["b"]

        _, forward = te.jvp(f, ((W, {"b": B}),), ((W**2, {"b": B + 1}),))
        wanted = derivative(lambda t: f((W + t * W**2, {"b": B + t * (B + 1)})), 0.0, 0.1).value
        assert forward == pytest.approx(wanted)

    def test_vjp_of_containers(self) -> None:
        def f(p: Any, x: Any) -> Any:
            return [p.weight @ x, {"norm": np.sum(p.weight**2), "p": p.bias}]

        x = np.array([2.0, -1.0])
        _, pullback = te.vjp(f, Layer(W, B), x)
        g = np.array([1.0, 0.5, -2.0])
        for _ in range(2):
            layer, by_x = pullback([g, {"norm": 3.0, "p": [5.0, 7.0]}])
            assert isinstance(layer, Layer)
            assert layer.weight == pytest.approx(np.outer(g, x) + 3.0 * 2 * W)
            assert layer.bias.tolist() == [5.0, 7.0]
            assert by_x == pytest.approx(g @ W)

    def test_mixed_dtypes_and_constants_in_a_result(self) -> None:
        single = np.array([1.0, 2.0], np.float32)

        def f(x: Any, y: Any) -> Any:
            return {"x": x * 2, "y": y * 3, "mask": x > 1, "how": "fast", "k": 4.0, "no": None}

        value, pullback = te.vjp(f, single, 5.0)
        assert value["x"].dtype == np.float32
        assert type(value["mask"]) is np.ndarray
        assert value["mask"].tolist() == [False, True]
        assert value["how"] == "fast"
        assert value["no"] is None
        by_x, by_y = pullback(
            {"x": [1, 1], "y": 1, "mask": None, "how": None, "k": 0.0, "no": None}
        )
        assert by_x.dtype == np.float32
        assert by_x.tolist() == [2.0, 2.0]
        assert by_y == 3.0
        _, forward = te.jvp(f, (single, 5.0), (single, 1.0))
        assert forward["x"].tolist() == [2.0, 4.0]
        assert forward["mask"] is None
        assert forward["k"] == 0.0

    def test_values_among_tangents_give_values(self) -> None:
        t = Value(2.0)
        value, forward = te.jvp(lambda p: p["a"] ** 2, ({"a": 3.0},), ({"a": t},))
        assert isinstance(value, Value)
        assert te.grad(forward, t) == (6.0,)
        product = te.hvp(lambda p: p["a"] ** 3)({"a": 3.0}, {"a": t})
        assert te.grad(product["a"], t) == (18.0,)
        _, pullback = te.vjp(lambda p: p["a"] ** 2, {"a": 3.0})
        assert te.grad(pullback(t)[0]["a"], t) == (6.0,)
        assert isinstance(pullback(2.0)[0]["a"], np.float64)

    @pytest.mark.parametrize(
        ("tangent", "message"),
        [
            ({"a": 1.0}, "lacks b"),
            ({"a": 1.0, "b": np.ones(2), "c": 1.0}, "has c"),
            ({"a": 1.0, "d": np.ones(2)}, "lacks b and has d"),
            ({"a": 1.0, "b": np.ones(3)}, r"tangents\.0\.b has shape \(3,\).*\(2,\)"),
            ({"a": 1.0, "b": None}, r"None.*shape \(2,\)"),
            ({"a": {"x": 1.0}, "b": np.ones(2)}, r"tangents\.0\.a .*a number"),
            ((1.0, np.ones(2)), "a dict of a, b"),
            (1.0, "a dict of a, b"),
        ],
    )
    def test_a_tangent_of_another_form(self, tangent: Any, message: str) -> None:
        with pytest.raises(ShapeError, match=message):
            te.jvp(lambda p: p["a"] * p["b"], ({"a": 1.0, "b": np.ones(2)},), (tangent,))

    def test_a_vector_or_gradient_of_another_form(self) -> None:
        with pytest.raises(ShapeError, match="lacks w and has v"):
            te.hvp(lambda p: p["w"] ** 2)({"w": 1.0}, {"v": 1.0})
        with pytest.raises(ShapeError, match=r"x\.1"):
            te.vjp(lambda p: {"x": (p, p)}, 1.0)[1]({"x": (1.0, np.ones(2))})
        with pytest.raises(ShapeError, match="lacks 1"):
            te.hvp(lambda p: p[0] * p[1])((1.0, 2.0), (1.0,))
        with pytest.raises(ShapeError, match="Layer"):
            te.hvp(lambda p: p["layer"].weight)({"layer": Layer(1.0, 2.0)}, {"layer": 1.0})

    def test_jvp_wants_tuples(self) -> None:
        inputs: Any
        tangents: Any
        for inputs, tangents in ((np.ones(2), np.ones(2)), ((1.0,), 1.0), (1.0, (1.0,))):
            with pytest.raises(OperandError, match=r"te\.jvp\(f, \(x,\), \(tangent,\)\)"):
                te.jvp(np.sin, inputs, tangents)


class TestMatrices:
    def test_jacobian_of_a_dict(self) -> None:
        def f(p: Any) -> Any:
            return p["a"] * p["b"]

        a, b = np.array([1.0, 2.0, 3.0]), 5.0
        jac = te.jacobian(f)({"a": a, "b": b})
        assert list(jac) == ["a", "b"]
        assert jac["a"].tolist() == (5.0 * np.eye(3)).tolist()
        assert jac["b"].tolist() == a.tolist()

    def test_jacobian_of_containers_to_containers(self) -> None:
        def f(p: Any) -> Any:
            return {"sum": np.sum(p[0]) * p[1], "outer": [np.outer(p[0], p[0]), p[1] ** 2]}

        x, y = np.array([1.0, -2.0]), 3.0
        jac = te.jacobian(f)((x, y))
        assert_same(jac["sum"], (np.full(2, y), np.float64(x.sum())))
        wanted = np.zeros((2, 2, 2))
        for i, j in np.ndindex(2, 2):
            wanted[i, j, i] += x[j]
            wanted[i, j, j] += x[i]
        assert jac["outer"][0][0] == pytest.approx(wanted)
        assert jac["outer"][0][1].tolist() == np.zeros((2, 2)).tolist()
        assert_same(jac["outer"][1], (np.zeros(2), np.float64(6.0)))

    def test_jacobian_of_a_list(self) -> None:
        x = np.array([2.0, 1.0])
        by_sum, by_max = te.jacobian(lambda x: [np.sum(x), np.max(x)])(x)
        assert by_sum.tolist() == [1.0, 1.0]
        assert by_max.tolist() == [1.0, 0.0]
        nodes = te.jacobian(lambda x: (x, 2 * x))(Value(x))
        assert [node.data.tolist() for node in nodes] == [np.eye(2).tolist(), [[2, 0], [0, 2]]]

    def test_hessian_of_a_dict_is_a_dict_of_dicts(self) -> None:
        """Of aᵀ x + b² x₀ x₁, whose blocks are written down here."""
        a, b, x = np.array([1.0, 2.0]), 3.0, np.array([0.5, -1.5])

        def f(p: Any) -> Any:
            return np.sum(p["a"] * p["x"]) + p["b"] ** 2 * p["x"][0] * p["x"][1]

        blocks = te.hessian(f)({"a": a, "b": b, "x": x})
        wanted = {
            "a": {"a": np.zeros((2, 2)), "b": np.zeros(2), "x": np.eye(2)},
            "b": {"a": np.zeros(2), "b": 2 * x[0] * x[1], "x": 2 * b * x[::-1]},
            "x": {"a": np.eye(2), "b": 2 * b * x[::-1], "x": b**2 * np.eye(2)[::-1]},
        }
        assert_same(blocks, wanted)

    def test_constants_have_no_block(self) -> None:
        blocks = te.hessian(lambda p: p["x"] ** 3)({"x": 2.0, "how": "fast"})
        assert blocks == {"x": {"x": 12.0, "how": None}, "how": None}

    def test_third_derivatives_of_a_dict(self) -> None:
        third = te.jacobian(te.hessian(lambda p: p["x"] ** 2 * p["y"]))({"x": 3.0, "y": 5.0})
        assert third["x"]["x"] == {"x": 0.0, "y": 2.0}
        assert third["x"]["y"] == {"x": 2.0, "y": 0.0}
        assert third["y"]["y"] == {"x": 0.0, "y": 0.0}

    def test_no_rows(self) -> None:
        assert te.jacobian(lambda x: x[:0])(np.ones(2)).shape == (0, 2)
        empty = te.jacobian(lambda x: x[:0])(Value([1.0, 2.0]))
        assert isinstance(empty, Value)
        assert empty.shape == (0, 2)

    def test_empty_leaves(self) -> None:
        jac = te.jacobian(lambda p: (p[0] * 2, p[1] * 3, p[2]))((np.ones(0), 1.0, np.ones(2)))
        assert [[block.shape for block in row] for row in jac] == [
            [(0, 0), (0,), (0, 2)],
            [(0,), (), (2,)],
            [(2, 0), (2,), (2, 2)],
        ]


def tall(p: Any) -> Any:
    """Many numbers of a few."""
    grid = np.linspace(0.1, 2.0, 60)
    return {"wave": np.sin(p["rate"] * grid + p["shift"][0]) * p["shift"][1], "rate": p["rate"]}


class TestColumns:
    """Where x is small and f(x) is large, the Jacobian is made column by column."""

    AT: Any = {"rate": 1.3, "shift": np.array([0.4, 2.0])}  # noqa: RUF012

    def both_ways(self, monkeypatch: pytest.MonkeyPatch, jacobian: Callable[[], Any]) -> Any:
        """The Jacobian, which must be the same by rows, and must not have been by rows."""
        with monkeypatch.context() as patch:
            patch.setattr(call.Call, "by_rows", lambda self: pytest.fail("by rows"))
            columns = jacobian()
        with monkeypatch.context() as patch:
            patch.setattr(call, "ROWS_PER_COLUMN", 10**9)
            rows = jacobian()
        return columns, rows

    def test_as_by_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert_same(*self.both_ways(monkeypatch, lambda: te.jacobian(tall)(self.AT)))

    def test_the_dtype_of_each_leaf(self, monkeypatch: pytest.MonkeyPatch) -> None:
        single = np.float32(0.5)
        columns, rows = self.both_ways(
            monkeypatch, lambda: te.jacobian(lambda x: x * np.arange(9.0))(single)
        )
        assert columns.dtype == rows.dtype == np.float32

    def test_second_order_through_columns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        grid = np.linspace(0.0, 1.0, 12)
        columns, rows = self.both_ways(
            monkeypatch, lambda: te.jacobian(te.jacobian(lambda x: np.exp(x * grid)))(0.7)
        )
        assert_same(columns, rows)
        assert columns == pytest.approx(grid**2 * np.exp(0.7 * grid))
        x = Value(0.7)
        np.sum(te.jacobian(lambda x: np.exp(x * grid))(x)).backward()
        assert x.grad == pytest.approx(np.sum(grid**2 * np.exp(0.7 * grid)))

    def test_a_constant_function(self, monkeypatch: pytest.MonkeyPatch) -> None:
        columns, _ = self.both_ways(monkeypatch, lambda: te.jacobian(lambda x: np.ones(9))(2.0))
        assert columns.tolist() == [0.0] * 9

    def test_rows_decide_where_a_column_is_not_finite(self) -> None:
        """A column mixes 0 · ∞ into entries that rows keep apart."""
        mixing = np.zeros((20, 2))
        mixing[0] = 1.0, 0.0
        mixing[1] = 0.0, 1.0
        with np.errstate(all="ignore"):
            jac = te.jacobian(lambda x: mixing @ np.sqrt(x))(np.array([0.0, 4.0]))
        assert jac[:2].tolist() == [[np.inf, 0.0], [0.0, 0.25]]
        assert not jac[2:].any()


class TestNesting:
    def test_third_derivatives_by_mpmath(self) -> None:
        with mpmath.workdps(30):
            wanted = float(mpmath.diff(mpmath.tanh, 0.3, 3))
        assert te.grad(te.grad(te.grad(np.tanh)))(0.3) == pytest.approx(wanted, rel=1e-13)

        def in_a_dict(p: Any) -> Any:
            return {"x": np.tanh(p["x"])}

        third = te.jacobian(te.jacobian(te.jacobian(in_a_dict)))({"x": 0.3})
        assert third["x"]["x"]["x"]["x"] == pytest.approx(wanted, rel=1e-13)

    def test_no_grad_around_a_derivative_does_not_cut_it(self) -> None:
        x, v = {"a": Value(2.0), "b": np.array([1.0, 3.0])}, {"a": 1.0, "b": np.ones(2)}

        def f(p: Any) -> Any:
            return np.sum(p["a"] ** 2 * p["b"] ** 2)

        with te.no_grad():
            blocks = te.hessian(f)(x)
            product = te.hvp(f)(x, v)
            _, forward = te.jvp(te.grad(f), (x,), (v,))
            g = Value(3.0)
            _, pullback = te.vjp(lambda a: (a**2, a**3), 5.0)
            (pulled,) = pullback((g, g))
        assert te.grad(pulled, g) == (2 * 5.0 + 3 * 25.0,)
        for found in (product["a"], forward["a"], blocks["a"]["a"] + np.sum(blocks["a"]["b"])):
            assert found.item() == 2 * 10.0 + 4 * 2.0 * 4.0
        assert te.grad(product["a"], x["a"]) == (4 * 4.0,)
        assert te.grad(forward["a"], x["a"]) == (4 * 4.0,)
        assert te.grad(np.sum(blocks["b"]["a"]), x["a"]) == (4 * 4.0,)

    def test_perturbations_are_not_confused(self) -> None:
        # d/dx [x · ∂/∂y (x y)] is 2x, also where x or y is in a container.
        assert te.grad(lambda x: x * te.grad(lambda p: x * p["y"])({"y": x})["y"])(2.0) == 4.0
        assert te.grad(lambda x: x * te.grad(lambda p: x * p["y"])({"y": 1.0})["y"])(2.0) == 4.0
        slope = te.grad(lambda p: p["x"] * te.grad(lambda y: p["x"] * y)(p["x"]))({"x": 2.0})
        assert slope == {"x": 4.0}
        slope = te.grad(lambda p: p["x"] * te.grad(lambda q: p["x"] * q["x"])(p)["x"])({"x": 2.0})
        assert slope == {"x": 4.0}
        assert te.grad(lambda x: x * te.jvp(lambda p: x * p[0], ((x,),), ((1.0,),))[1])(2.0) == 4.0
        assert te.grad(lambda x: x * te.vjp(lambda y: x * y, x)[1](1.0)[0])(2.0) == 4.0

    @pytest.mark.parametrize(
        "second",
        [
            lambda f, x, v: te.jacobian(te.grad(f))(x)["a"]["a"] * v["a"],
            lambda f, x, v: te.grad(lambda p: te.grad(f)(p)["a"] * v["a"])(x)["a"],
            lambda f, x, v: te.jvp(te.grad(f), (x,), (v,))[1]["a"],
            lambda f, x, v: te.grad(lambda p: te.jvp(f, (p,), (v,))[1])(x)["a"],
            lambda f, x, v: te.vjp(te.grad(f), x)[1](v)[0]["a"],
            lambda f, x, v: te.hvp(f)(x, v)["a"],
            lambda f, x, v: te.hessian(f)(x)["a"]["a"] * v["a"],
        ],
    )
    def test_every_way_to_a_second_derivative(self, second: Callable[..., Any]) -> None:
        def f(p: Any) -> Any:
            return np.exp(2 * p["a"]) * np.cos(p["b"])

        x, v = {"a": 0.3, "b": 0.8}, {"a": 1.7, "b": 0.0}
        wanted = 4 * np.exp(0.6) * np.cos(0.8) * 1.7
        assert second(f, x, v) == pytest.approx(wanted, rel=1e-13)

    def test_grad_inside_grad_with_a_closure(self) -> None:
        """The slope of an inner minimum: min over y of (y − x²)² + y², one Newton step exact."""

        def inner(x: Any) -> Any:
            def cost(p: Any) -> Any:
                return (p["y"] - x**2) ** 2 + p["y"] ** 2

            start = {"y": 0.0}
            slope = te.grad(cost)(start)["y"]
            bend = te.hessian(cost)(start)["y"]["y"]
            return -slope / bend  # x²/2

        assert te.grad(inner)(3.0) == pytest.approx(3.0)
        assert te.grad(te.grad(inner))(3.0) == pytest.approx(1.0)

    def test_a_linear_function_has_second_derivative_zero(self) -> None:
        assert te.grad(te.grad(lambda x: 3 * x))(2.0) == 0.0
        x = Value(2.0)
        assert te.grad(lambda y: te.grad(3 * x, x, create_graph=True)[0])(1.0) == 0.0


@te.no_grad()
def untracked_square(x: Any) -> Any:
    return x * x


class TestErrors:
    def test_no_single_number(self) -> None:
        for returned in (lambda x: (x, x), lambda x: {"loss": x}, lambda x: [x]):
            with pytest.raises(OperandError, match=r"single number.*te\.jacobian or te\.vjp"):
                te.grad(returned)(1.0)
        with pytest.raises(ShapeError, match=r"\(3,\).*\.sum\(\).*te\.jacobian"):
            te.grad(lambda p: p["x"])({"x": np.ones(3)})

    def test_nothing_returned(self) -> None:
        for operator in (te.grad, te.value_and_grad, te.jacobian, te.hessian):
            with pytest.raises(OperandError, match=r"returned None.*return"):
                operator(lambda x: None)(1.0)
        for returned in (lambda x: x > 0, lambda x: "done", lambda x: {"ok": True}):
            with pytest.raises(OperandError, match="no derivative"):
                te.jacobian(returned)(1.0)

    @pytest.mark.parametrize(
        "lossy",
        [
            lambda x: np.sum(x.detach() ** 2),
            lambda x: untracked_square(x),
            lambda x: untracked_square(x) + (x.data > 0),
        ],
    )
    def test_a_gradient_lost_on_the_way_is_an_error(self, lossy: Callable[[Any], Any]) -> None:
        message = r"\.data, \.item\(\), detach\(\) or no_grad\(\).*test_containers\.py"
        for slope in (te.grad(lossy), te.hessian(lossy), te.grad(te.grad(lossy))):
            with pytest.raises(NotTrackedError, match=message):
                slope(2.0)
        with pytest.raises(NotTrackedError, match=message):
            te.value_and_grad(lambda p: lossy(p["x"]))({"x": 2.0})
        assert te.grad(lambda x: x * 3.0 + lossy(x))(2.0) == 3.0  # what is left is no error

    @pytest.mark.parametrize(
        "lossy",
        [
            lambda x: np.sum(x.data**2),
            lambda x: np.float64(x.item()),
            lambda x: np.array(3.0),
        ],
    )
    def test_of_numpys_own_numbers_the_gradient_is_zero_with_a_warning(
        self, lossy: Callable[[Any], Any]
    ) -> None:
        with pytest.warns(UserWarning, match=r"gradient is 0.*\.data.*test_containers\.py"):
            assert te.grad(lossy)(2.0) == 0.0

    @pytest.mark.parametrize(
        "step",
        [
            lambda x: np.sum(x > 0) + 0.0,
            lambda x: 2.0 * (x == 1) - (x < 3),
            lambda x: np.sum(np.argmax(np.stack([x, -x]))) * 1.0,
        ],
    )
    def test_what_depends_by_comparisons_alone_has_the_slope_zero(
        self, step: Callable[[Any], Any]
    ) -> None:
        assert te.grad(step)(2.0) == 0.0
        assert te.hessian(step)(2.0) == 0.0
        assert te.value_and_grad(lambda p: step(p["x"]))({"x": 2.0})[1] == {"x": 0.0}

    def test_a_constant_branch_is_zero(self) -> None:
        relu = te.grad(lambda x: x * x if x > 0 else 0.0)
        assert relu(3.0) == 6.0
        assert relu(-3.0) == 0.0

    def test_new_data_inside_the_function(self) -> None:
        def rebound(x: Any) -> Any:
            x.data = 5.0
            return x * x

        def updated(p: Any) -> Any:
            with te.no_grad():
                p["x"] -= 1.0
            return p["x"] * 2

        with pytest.raises(StaleGraphError, match=r"argument.*x = "):
            te.grad(rebound)(3.0)
        with pytest.raises(StaleGraphError, match="'x'"):
            te.grad(updated)({"x": 3.0})

    def test_nothing_to_derive_by(self) -> None:
        class Parameters:
            w = 1.0

        for nothing in (None, "tanh", {"a": "b"}, (None, True), Parameters(), {1.0, 2.0}, np.tanh):
            with pytest.raises(OperandError, match=r"no number.*dict.*te\.nn\.Module"):
                te.grad(lambda p: 1.0)(nothing)

    @pytest.mark.parametrize(
        "wrong", [1j, np.ones(2) * 1j, np.ones(2, np.float16), np.array([None]), np.longdouble(1)]
    )
    def test_numbers_that_have_no_derivative_here(self, wrong: Any) -> None:
        with pytest.raises(DtypeError, match="float32 or float64"):
            te.grad(lambda p: p["x"])({"x": wrong})

    def test_a_leaf_is_named_by_its_place(self) -> None:
        with pytest.raises(ShapeError, match=r"'layers\.1\.w' of shape \(2,\)"):
            te.grad(lambda p: np.sum(p["layers"][1]["w"] @ np.ones(3)))(
                {"layers": [{"w": np.ones(2)}, {"w": np.ones(2)}]}
            )
        with pytest.raises(ShapeError) as caught:
            te.vjp(lambda x, y: x + y, np.ones(2), np.ones(3))
        assert "'" not in str(caught.value)  # a position is no name

    def test_an_error_in_f_leaves_nothing_behind(self) -> None:
        with pytest.raises(ZeroDivisionError):
            te.grad(lambda x: 1 // 0)(1.0)
        assert isinstance(te.grad(lambda x: x * x)(1.0), np.float64)


LEAVES = st.one_of(
    st.floats(-10, 10),
    st.integers(-5, 5),
    st.lists(st.floats(-10, 10), max_size=3).map(np.array),
    st.floats(-10, 10).map(lambda x: Value(x)),
)
CONSTANTS = st.sampled_from([None, True, False, "relu", np.tanh, np.array([True, False])])


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.one_of(st.text(max_size=3), st.integers(0, 9))
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
        st.dictionaries(st.text(max_size=2), inner, max_size=2).map(OrderedDict),
        st.builds(Layer, inner, inner),
        st.builds(Slotted, inner, inner),
    )


TREES = st.recursive(st.one_of(LEAVES, CONSTANTS), containers, max_leaves=8)
NESTED = containers(TREES)


def form(tree: Any) -> Any:
    """Types, keys and shapes of a nest, as one may compare them; written apart from the engine."""
    if isinstance(tree, dict):
        return type(tree), [(key, form(part)) for key, part in tree.items()]
    if isinstance(tree, list):
        plain = [isinstance(x, int | float) and not isinstance(x, bool) for x in tree]
        if tree and all(plain):
            return np.shape(tree)
        if tree and all(isinstance(x, list) and form(x).__class__ is tuple for x in tree):
            shapes = [form(x) for x in tree]
            if all(all(isinstance(n, int) for n in s) for s in shapes) and len(set(shapes)) == 1:
                return np.shape(tree)
    if isinstance(tree, list | tuple):
        return type(tree), [form(part) for part in tree]
    if isinstance(tree, Slotted):
        return Slotted, [form(tree.a), form(tree.b)]
    if isinstance(tree, Value):
        return tree.shape
    if isinstance(tree, np.ndarray):
        return None if tree.dtype == bool else tree.shape
    if tree is None or isinstance(tree, bool | str) or callable(tree):
        return None
    return ()


class TestAnyNest:
    @given(NESTED)
    def test_taken_apart_and_put_together(self, tree: Any) -> None:
        found = list(leaves(tree))
        again = filled(opened(tree), found)
        assert form(again) == form(tree)
        assert all(a is b for a, b in zip(leaves(again), found, strict=True))
        same = mapped(lambda leaf, path: leaf, tree)
        assert form(same) == form(tree)

    @given(NESTED)
    def test_a_path_leads_to_its_leaf(self, tree: Any) -> None:
        paths: list[str] = []
        mapped(lambda leaf, path: paths.append(path), tree)
        assert len(paths) == len(list(leaves(tree)))

    @given(NESTED)
    def test_the_gradient_has_the_form_and_the_numbers(self, tree: Any) -> None:
        """∂/∂x of Σ k x²/2 + x over all leaves is k x + 1, k counting the leaves."""

        def f(nest: Any) -> Any:
            return sum((k * np.sum(x**2) / 2 + np.sum(x) for k, x in enumerate(leaves(nest))), 0.0)

        assume(list(leaves(tree)))
        slope = te.grad(f)(tree)
        assert form(slope) == form(tree)
        for k, (g, x) in enumerate(zip(leaves(slope), leaves(tree), strict=True)):
            at = x.data if isinstance(x, Value) else np.asarray(x)
            got = g.data if isinstance(g, Value) else g
            assert got == pytest.approx(k * at + 1.0)

    @given(NESTED)
    def test_forward_and_reverse_mode_have_the_form(self, tree: Any) -> None:
        """Of f(x) = 2x, leaf by leaf: the tangent doubles, and so does the gradient."""
        # Arrays, for a list of nothing but numbers would be an array itself.
        found = [np.atleast_1d(x.data if isinstance(x, Value) else x) for x in leaves(tree)]
        assume(found)
        plain = filled(opened(tree), found)

        def doubled(nest: Any) -> Any:
            return mapped(lambda x, path: 2 * x, nest)

        value, forward = te.jvp(doubled, (plain,), (plain,))
        (back,) = te.vjp(doubled, plain)[1](plain)
        for result in (value, forward, back):
            assert form(result) == form(plain)
            for got, x in zip(leaves(result), found, strict=True):
                assert got == pytest.approx(2.0 * x)
