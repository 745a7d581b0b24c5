"""te.grad in all its forms, vjp, jvp, jacobian, hessian and hvp, against closed forms."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.errors import NotTrackedError, OperandError, ShapeError

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value

A = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0], [1.0, 1.0, -2.0]])
POINT = np.array([0.3, -1.2, 0.8])


def quadratic(x: Any) -> Any:
    """xᵀAx: gradient (A + Aᵀ)x, Hessian A + Aᵀ."""
    return x @ A @ x


def cubic(x: Any) -> Any:
    """(x₀² x₁ + x₂³) with a Hessian that depends on x."""
    return x[0] ** 2 * x[1] + x[2] ** 3


def cubic_gradient(x: Any) -> Any:
    return np.array([2 * x[0] * x[1], x[0] ** 2, 3 * x[2] ** 2])


def cubic_hessian(x: Any) -> Any:
    return np.array([[2 * x[1], 2 * x[0], 0.0], [2 * x[0], 0.0, 0.0], [0.0, 0.0, 6 * x[2]]])


class TestGradOfAValue:
    def test_a_tuple_in_the_order_asked_for(self) -> None:
        a, b = Value(2.0), Value([1.0, 3.0])
        y = np.sum(a * b * b)
        for xs in ([a, b], (b, a), [a, a, b]):
            slopes = te.grad(y, xs)
            assert isinstance(slopes, tuple)
            for slope, x in zip(slopes, xs, strict=True):
                assert isinstance(slope, np.ndarray | np.float64)
                assert np.asarray(slope).tolist() == (10.0 if x is a else [4.0, 12.0])
        assert te.grad(y, a) == (10.0,)

    def test_zeros_where_unconnected(self) -> None:
        a, b = Value(2.0), Value(np.ones((2, 3), np.float32))
        (slope,) = te.grad(a * 3, [b])
        assert slope.shape == (2, 3)
        assert slope.dtype == np.float32
        assert not slope.any()
        (node,) = te.grad(a * 3, [b], create_graph=True)
        assert isinstance(node, Value)
        assert not node.data.any()
        assert node.shape == (2, 3)

    def test_with_respect_to_inner_nodes(self) -> None:
        a = Value(2.0)
        b = a * a
        c = b * 3
        assert te.grad(c * b, [c, b, a]) == (4.0, 12.0 + 3 * 4.0, 24.0 * 4)
        assert te.grad(c, c) == (1.0,)

    def test_an_incoming_gradient(self) -> None:
        x = Value(POINT)
        y = x * x
        (slope,) = te.grad(y, x, gradient=[1.0, 10.0, 100.0])
        assert slope.tolist() == (2 * POINT * [1.0, 10.0, 100.0]).tolist()
        with pytest.raises(ShapeError):
            te.grad(y, x)
        with pytest.raises(ShapeError):
            te.grad(y, x, gradient=np.ones(2))

    def test_create_graph_gives_values_to_any_order(self) -> None:
        x = Value(1.5)
        slope: Any = x**5
        for wanted in (5 * 1.5**4, 20 * 1.5**3, 60 * 1.5**2, 120 * 1.5, 120.0, 0.0):
            (slope,) = te.grad(slope, x, create_graph=True)
            assert isinstance(slope, Value)
            assert slope.item() == pytest.approx(wanted, rel=1e-14)

    def test_the_incoming_gradient_is_an_input_of_the_created_graph(self) -> None:
        x, u = Value(POINT), Value([1.0, 2.0, 3.0])
        (pulled,) = te.grad(x**3, x, gradient=u, create_graph=True)
        (back,) = te.grad(np.sum(pulled), u)
        assert back == pytest.approx(3 * POINT**2)

    def test_a_gradient_penalty(self) -> None:
        """∂/∂w of |∂/∂x tanh(w·x)|² = 2 w s² − 4 w w·w t s² x, with s = sech², t = tanh."""
        w, x = Value(0.7), Value(-0.4)
        (slope,) = te.grad(np.tanh(w * x), x, create_graph=True)
        (penalty,) = te.grad(slope**2, w)
        t = np.tanh(0.7 * -0.4)
        s = 1 - t * t
        assert penalty == pytest.approx(2 * 0.7 * s * s - 4 * 0.7**2 * s * s * t * -0.4, rel=1e-14)

    def test_untracked_roots_are_refused(self) -> None:
        with pytest.raises(NotTrackedError):
            te.grad(Value(1.0, requires_grad=False) * 2, Value(1.0))


class TestGradOfAFunction:
    @pytest.mark.parametrize("x", [POINT, POINT.tolist()])
    def test_arrays_in_arrays_out(self, x: Any) -> None:
        slope = te.grad(quadratic)(x)
        assert type(slope) is np.ndarray
        assert slope == pytest.approx((A + A.T) @ POINT)
        assert te.grad(cubic)(x) == pytest.approx(cubic_gradient(POINT))

    @pytest.mark.parametrize("x", [3.0, 3, np.float64(3.0), np.array(3.0)])
    def test_numbers(self, x: Any) -> None:
        slope = te.grad(lambda x: x * x)(x)
        assert isinstance(slope, np.float64)
        assert slope == 6.0

    def test_values_in_values_out(self) -> None:
        for x in (Value(POINT), Value(POINT, requires_grad=False)):
            slope = te.grad(cubic)(x)
            assert isinstance(slope, Value)
            assert slope.data == pytest.approx(cubic_gradient(POINT))
            assert x.grad is None
        x = Value(POINT)
        np.sum(te.grad(cubic)(x)).backward()
        assert x.grad == pytest.approx(cubic_hessian(POINT).sum(axis=0))

    def test_create_graph(self) -> None:
        slope = te.grad(cubic, create_graph=True)(POINT)
        assert isinstance(slope, Value)
        assert slope.requires_grad

    def test_nested(self) -> None:
        third = te.grad(te.grad(te.grad(np.sin)))
        assert third(0.4) == pytest.approx(-np.cos(0.4), rel=1e-14)

    def test_other_arguments_are_passed_on(self) -> None:
        def f(x: Any, a: Any, power: int = 1) -> Any:
            return np.sum(a * x**power)

        assert te.grad(f)(POINT, 2.0).tolist() == [2.0] * 3
        assert te.grad(f)(POINT, 2.0, 2) == pytest.approx(4 * POINT)
        assert te.grad(f)(POINT, 2.0, power=2) == pytest.approx(4 * POINT)
        assert te.value_and_grad(f)(POINT, a=2.0, power=2)[1] == pytest.approx(4 * POINT)

    def test_another_tracked_argument_stays_connected(self) -> None:
        w = Value(3.0)
        slope = te.grad(lambda x, w: w * x**2, create_graph=True)(2.0, w)
        slope.backward()
        assert w.grad == 4.0

    def test_float32_stays(self) -> None:
        assert te.grad(lambda x: np.sum(x * x))(np.array([1, 2], np.float32)).dtype == np.float32

    def test_a_function_that_does_not_depend_on_x(self) -> None:
        assert te.grad(lambda x: 3.0)(2.0) == 0.0
        assert te.grad(lambda x: Value(3.0) * 2)(POINT).tolist() == [0.0] * 3

    def test_a_vector_function_is_refused(self) -> None:
        with pytest.raises(ShapeError, match=r"sum\(\)"):
            te.grad(lambda x: x * 2)(POINT)

    def test_value_and_grad(self) -> None:
        value, slope = te.value_and_grad(quadratic)(POINT)
        assert isinstance(value, np.float64)
        assert value == pytest.approx(POINT @ A @ POINT)
        assert slope == pytest.approx((A + A.T) @ POINT)
        value, slope = te.value_and_grad(quadratic)(Value(POINT))
        assert isinstance(value, Value)
        assert isinstance(slope, Value)

    def test_numpy_functions_and_records_are_functions_too(self) -> None:
        assert te.grad(np.exp)(1.0) == np.exp(1.0)
        assert te.grad(te.activations.sigmoid)(0.0) == 0.25
        assert te.grad(np.sum)(POINT).tolist() == [1.0] * 3


class TestNesting:
    """Derivatives of functions that take derivatives: each keeps to its own variable."""

    def test_the_inner_derivative_ignores_the_outer_use_of_the_same_value(self) -> None:
        # d/dx [x · (∂/∂y (x y) at y = x)] = d/dx x² = 2x, not d/dx 2x².
        assert te.grad(lambda x: x * te.grad(lambda y: x * y)(x))(2.0) == 4.0
        # The same where y is a number: what the inner derivative gives still depends on x.
        assert te.grad(lambda x: x * te.grad(lambda y: x * y)(1.0))(2.0) == 4.0
        assert te.grad(lambda x: x * te.grad(lambda y: x + y)(x))(2.0) == 1.0

    def test_the_same_for_matrices_of_derivatives(self) -> None:
        x = Value(POINT)
        jac = te.jacobian(lambda y: x * y)(x)
        assert jac.data == pytest.approx(np.diag(POINT))
        product = te.hvp(lambda y: np.sum(x * y * y))(x, np.ones(3))
        assert product.data == pytest.approx(2 * POINT)
        _, slope = te.value_and_grad(lambda y: np.sum(x * y))(x)
        assert slope.data.tolist() == POINT.tolist()

    def test_an_inner_node_as_the_argument(self) -> None:
        x = Value(3.0)
        h = x * 2
        slope = te.grad(lambda y: y * y * h)(h)
        assert slope.item() == 2 * 6.0 * 6.0
        slope.backward()
        assert x.grad == pytest.approx(2 * 2 * 6.0 * 2)  # d/dx 2(2x)² = 16x, with ∂ through y and h

    @pytest.mark.parametrize(
        "inner",
        [
            lambda x: te.grad(lambda z: z**3)(x),
            lambda x: te.jvp(lambda z: z**3, (x,), (1.0,))[1],
            lambda x: te.vjp(lambda z: z**3, x)[1](1.0)[0],
            lambda x: te.jacobian(lambda z: z**3)(x),
            lambda x: te.hvp(lambda z: z**4 / 4)(x, 1.0),
        ],
        ids=["grad", "jvp", "vjp", "jacobian", "hvp"],
    )
    def test_the_outer_gradient_flows_through_the_inner_derivative(
        self, inner: Callable[[Any], Any]
    ) -> None:
        assert inner(Value(2.0)).data == pytest.approx(12.0)
        assert te.grad(inner)(2.0) == pytest.approx(12.0)

    def test_values_given_to_products_give_values(self) -> None:
        x, t = Value(2.0), Value(5.0)
        value, forward = te.jvp(lambda z: z**3, (x,), (t,))
        assert isinstance(value, Value)
        assert isinstance(forward, Value)
        assert te.grad(forward, t) == (12.0,)
        value, pullback = te.vjp(lambda z: z**3, x)
        assert isinstance(value, Value)
        (pulled,) = pullback(t)
        assert isinstance(pulled, Value)

    def test_no_grad_around_a_derivative_does_not_make_it_zero(self) -> None:
        with te.no_grad():
            assert te.grad(lambda x: x * x)(3.0) == 6.0
            assert te.value_and_grad(lambda x: x * x)(3.0) == (9.0, 6.0)
            assert te.hessian(quadratic)(POINT) == pytest.approx(A + A.T)
            assert te.jacobian(lambda x: x * x)(POINT) == pytest.approx(np.diag(2 * POINT))
            assert te.jvp(np.sin, (0.0,), (1.0,))[1] == 1.0
            assert te.vjp(np.sin, 0.0)[1](1.0) == (1.0,)
            assert te.hvp(cubic)(POINT, np.ones(3)) == pytest.approx(
                cubic_hessian(POINT).sum(axis=1)
            )
            assert not (Value(1.0) * 2).requires_grad


class TestProducts:
    def test_vjp(self) -> None:
        value, pullback = te.vjp(lambda x, m: m @ x, POINT, A)
        assert value == pytest.approx(A @ POINT)
        g = np.array([1.0, -2.0, 0.5])
        for _ in range(2):  # may be called again
            by_x, by_m = pullback(g)
            assert by_x == pytest.approx(g @ A)
            assert by_m == pytest.approx(np.outer(g, POINT))

    def test_vjp_of_a_number_and_of_a_constant(self) -> None:
        value, pullback = te.vjp(np.exp, 1.0)
        assert value == np.exp(1.0)
        assert pullback(2.0) == (2 * np.exp(1.0),)
        _, constant = te.vjp(lambda x: 3.0, POINT)
        assert constant(1.0)[0].tolist() == [0.0] * 3
        _, pullback = te.vjp(lambda x: x * 2, POINT)
        with pytest.raises(ShapeError):
            pullback(np.ones(2))

    def test_jvp(self) -> None:
        tangent = np.array([0.5, 1.0, -1.0])
        value, forward = te.jvp(lambda x: np.sin(x) * x, (POINT,), (tangent,))
        assert value == pytest.approx(np.sin(POINT) * POINT)
        assert forward == pytest.approx((np.cos(POINT) * POINT + np.sin(POINT)) * tangent)

    def test_jvp_of_several_inputs(self) -> None:
        da, dx = np.eye(3), np.array([1.0, 0.0, 2.0])
        value, forward = te.jvp(lambda a, x: a @ x, (A, POINT), (da, dx))
        assert value == pytest.approx(A @ POINT)
        assert forward == pytest.approx(da @ POINT + A @ dx)

    def test_jvp_of_a_constant_and_of_misfits(self) -> None:
        assert te.jvp(lambda x: np.ones(2), (POINT,), (POINT,))[1].tolist() == [0.0, 0.0]
        with pytest.raises(ShapeError, match="tangent"):
            te.jvp(np.sin, (POINT,), (np.ones(2),))
        with pytest.raises(ShapeError):
            te.jvp(np.sin, (POINT,), (POINT, POINT))

    def test_jvp_and_vjp_agree(self) -> None:
        rng = np.random.default_rng(5)
        x, u = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
        g = rng.normal(size=(3, 3))

        def f(x: Any) -> Any:
            return np.tanh(x.T @ x) / (1 + np.sum(x * x))

        _, forward = te.jvp(f, (x,), (u,))
        (backward,) = te.vjp(f, x)[1](g)
        assert np.sum(forward * g) == pytest.approx(np.sum(backward * u), rel=1e-12)

    def test_jvp_where_the_derivative_is_infinite_or_a_branch_is_dead(self) -> None:
        with np.errstate(all="ignore"):
            assert te.jvp(np.sqrt, (0.0,), (1.0,))[1] == np.inf
            assert te.jvp(lambda x: np.where(x > 0, np.sqrt(x), x), (-1.0,), (2.0,))[1] == 2.0


class TestMatrices:
    def test_jacobian(self) -> None:
        def f(x: Any) -> Any:
            return te.stack([x[0] * x[1], np.sum(x), np.exp(x[2])])

        wanted = [[POINT[1], POINT[0], 0.0], [1.0] * 3, [0.0, 0.0, np.exp(POINT[2])]]
        assert te.jacobian(f)(POINT) == pytest.approx(np.array(wanted))
        assert te.jacobian(f)(Value(POINT)).data == pytest.approx(np.array(wanted))

    def test_jacobian_shapes_are_outputs_then_inputs(self) -> None:
        x = np.arange(6.0).reshape(2, 3)
        jac = te.jacobian(lambda x: x.T @ x)(x)
        assert jac.shape == (3, 3, 2, 3)
        wanted = np.zeros((3, 3, 2, 3))
        for i, j, k in itertools.product(range(3), range(3), range(2)):
            wanted[i, j, k, i] += x[k, j]
            wanted[i, j, k, j] += x[k, i]
        assert jac == pytest.approx(wanted)
        assert te.jacobian(np.sum)(x).tolist() == np.ones((2, 3)).tolist()
        assert te.jacobian(lambda x: np.broadcast_to(x, (2, 2)))(3.0).tolist() == [[1, 1], [1, 1]]
        assert te.jacobian(np.sin)(0.0) == 1.0
        assert te.jacobian(lambda x: x[:0])(POINT).shape == (0, 3)
        assert te.jacobian(lambda x: np.ones(2))(POINT).tolist() == np.zeros((2, 3)).tolist()

    def test_hessian(self) -> None:
        assert te.hessian(quadratic)(POINT) == pytest.approx(A + A.T)
        assert te.hessian(cubic)(POINT) == pytest.approx(cubic_hessian(POINT))
        assert te.hessian(cubic)(Value(POINT)).data == pytest.approx(cubic_hessian(POINT))
        assert te.hessian(np.sum)(POINT).tolist() == np.zeros((3, 3)).tolist()
        assert te.hessian(np.exp)(0.5) == pytest.approx(np.exp(0.5))
        assert te.hessian(lambda x: np.sum(x**3))(np.ones((2, 2))).shape == (2, 2, 2, 2)

    def test_a_vector_function_has_no_hessian(self) -> None:
        with pytest.raises(ShapeError):
            te.hessian(lambda x: x * x)(POINT)

    def test_third_derivatives(self) -> None:
        third = te.jacobian(te.hessian(lambda x: np.sum(x**3)))(POINT)
        wanted = np.zeros((3, 3, 3))
        for k in range(3):
            wanted[k, k, k] = 6.0
        assert third == pytest.approx(wanted)

    def test_hvp(self) -> None:
        v = np.array([1.0, -1.0, 2.0])
        assert te.hvp(quadratic)(POINT, v) == pytest.approx((A + A.T) @ v)
        assert te.hvp(cubic)(POINT, v) == pytest.approx(cubic_hessian(POINT) @ v)
        assert te.hvp(cubic)(POINT.tolist(), v.tolist()) == pytest.approx(cubic_hessian(POINT) @ v)
        assert te.hvp(np.sum)(POINT, v).tolist() == [0.0] * 3
        product = te.hvp(cubic)(Value(POINT), v)
        assert isinstance(product, Value)
        assert product.data == pytest.approx(cubic_hessian(POINT) @ v)
        with pytest.raises(ShapeError):
            te.hvp(cubic)(POINT, np.ones(2))


class TestSecondOrderOfTheEngine:
    """What the engine itself does between the rules, differentiated again."""

    def test_broadcasting_and_reduction(self) -> None:
        x = np.array([[1.0, 2.0, 3.0]])

        def f(x: Any) -> Any:
            return np.sum((x * np.ones((4, 1))) ** 3)

        assert te.hessian(f)(x).reshape(3, 3) == pytest.approx(np.diag(24 * x[0]))

    def test_mixed_dtypes(self) -> None:
        x, w = Value(np.array([1, 2], np.float32)), Value([3.0, 4.0])
        (slope,) = te.grad(np.sum(x**2 * w), x, create_graph=True)
        assert slope.dtype == np.float32
        (mixed,) = te.grad(np.sum(slope), w)
        assert mixed.dtype == np.float64
        assert mixed.tolist() == [2.0, 4.0]

    @pytest.mark.parametrize(
        ("base", "exponent"), [(2.0, 0.0), (2.0, 1.0), (2.0, 3.0), (0.5, -1.0)]
    )
    def test_mixed_derivatives_of_a_power_commute(self, base: float, exponent: float) -> None:
        """∂²(aᵇ)/∂a∂b = aᵇ⁻¹ (1 + b log a), whichever comes first."""
        wanted = base ** (exponent - 1) * (1 + exponent * np.log(base))
        a, b = Value(base), Value(exponent)
        (by_a,) = te.grad(a**b, a, create_graph=True)
        (by_b,) = te.grad(a**b, b, create_graph=True)
        assert te.grad(by_a, b)[0] == pytest.approx(wanted, rel=1e-14)
        assert te.grad(by_b, a)[0] == pytest.approx(wanted, rel=1e-14)

    @pytest.mark.parametrize("order", [1, 2, 3, 4])
    def test_a_branch_not_taken_stays_dead_at_every_order(self, order: int) -> None:
        def derivative(x: Any) -> Any:
            return np.where(x > 0, np.sqrt(x), x**3)

        for _ in range(order):
            derivative = te.grad(derivative)
        with np.errstate(all="ignore"):
            assert derivative(-1.0) == [3.0, -6.0, 6.0, 0.0][order - 1]

    def test_a_dead_branch_below_another_function(self) -> None:
        def f(x: Any) -> Any:
            return np.sum(np.where(x > 0, np.sqrt(x), x) ** 2)

        with np.errstate(all="ignore"):
            bend = te.hessian(f)(np.array([-1.0, 4.0, -3.0]))
        assert bend == pytest.approx(np.diag([2.0, 0.0, 2.0]), abs=1e-15)


def test_te_grad_needs_values_in_xs() -> None:
    with pytest.raises(OperandError):
        te.grad(Value(1.0) * 2, [3.0])  # type: ignore[list-item]
