"""Derivatives of functions: gradients, products with Jacobians, and whole matrices of them.

Each is read off the sweep; forward mode is the pullback of the pullback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, overload

import numpy as np

from ..errors import NonFiniteError, OperandError, ShapeError
from .context import observe
from .node import Node, describe, user_line
from .sweep import gradients, start
from .value import Value


@overload
def grad(
    y: Callable[..., Any], xs: None = None, *, create_graph: bool = False
) -> Callable[..., Any]: ...


@overload
def grad(
    y: Value,
    xs: Value | Sequence[Value],
    gradient: Any = None,
    create_graph: bool = False,
) -> tuple[Any, ...]: ...


def grad(y: Any, xs: Any = None, gradient: Any = None, create_graph: bool = False) -> Any:
    """∂y/∂x for each x of `xs`, as a tuple in their order; or, of a function, its gradient function.

    `gradient` is the incoming gradient of y's shape, optional for a single number. Zeros stand
    where y does not depend on x. With `create_graph` the results are Values that can be
    differentiated again. `grad(f)` takes the derivative in f's first argument: arrays give
    arrays, Values (or `create_graph`) give Values. No `.grad` is touched.
    Raises `ShapeError`, `NotTrackedError`, `StaleGraphError`.
    """
    if not isinstance(y, Node):
        if not callable(y):
            raise OperandError(f"te.grad takes a Value or a function, not {y!r}")
        return value_and_grad(y, create_graph=create_graph, value=False)
    if xs is None:
        raise OperandError("te.grad(y, xs) needs xs: the Value or list of Values to derive by")
    nodes = (xs,) if isinstance(xs, Node) else tuple(xs)
    for x in nodes:
        if not isinstance(x, Node):
            raise OperandError(f"te.grad takes Values in xs, not {x!r}; wrap it with te.Value")
    if not y.requires_grad:
        start(y, gradient)
    return gradients(y, nodes, gradient, create_graph)


def value_and_grad(
    f: Callable[..., Any], *, create_graph: bool = False, value: bool = True
) -> Callable[..., Any]:
    """The function that returns `(f(x, ...), ∂f/∂x)`, x being the first argument."""

    def derived(x: Any, *others: Any) -> Any:
        as_values = create_graph or isinstance(x, Node)
        leaf = x if isinstance(x, Node) and x.requires_grad else Value(x)
        y = evaluated(f, leaf, *others)
        (slope,) = (
            gradients(y, (leaf,), None, as_values)
            if y.requires_grad
            else zeros_like(leaf, as_values)
        )
        if not value:
            return slope
        return (y if as_values else y.data), slope

    derived.__name__ = getattr(f, "__name__", "f")
    return derived


def evaluated(f: Callable[..., Any], *args: Any) -> Value:
    """f's result as a Value, a constant where f does not depend on what is tracked."""
    y = f(*args)
    return y if isinstance(y, Value) else Value(y, requires_grad=False)


def zeros_like(x: Value, as_values: bool) -> tuple[Any, ...]:
    """A zero derivative with x's shape and dtype."""
    zeros = np.zeros_like(x.data)[()]
    return (Value(zeros, requires_grad=False) if as_values else zeros,)


def vjp(f: Callable[..., Any], *inputs: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """`(f(*inputs), pullback)`: pullback(g) is gᵀJ, one array per input, for g of f's shape."""
    leaves = tuple(Value(x) for x in inputs)
    y = evaluated(f, *leaves)

    def pullback(g: Any) -> tuple[Any, ...]:
        return gradients(y, leaves, g)

    return y.data, pullback


def jvp(f: Callable[..., Any], inputs: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """`(f(*inputs), J · tangents)`: the change of f along one direction.

    The pullback is linear in its gradient; differentiating it once more gives the forward product.
    Raises `ShapeError` where a tangent's shape is not its input's.
    """
    leaves = tuple(Value(x) for x in inputs)
    if len(leaves) != len(tangents):
        raise ShapeError(f"{len(leaves)} inputs need as many tangents, not {len(tangents)}")
    directions = [Value(t, requires_grad=False) for t in tangents]
    for leaf, direction in zip(leaves, directions, strict=True):
        if leaf.shape != direction.shape:
            raise ShapeError(
                f"a tangent of shape {direction.shape} does not fit its input {describe(leaf)}"
            )
    y = evaluated(f, *leaves)
    probe = Value(np.zeros_like(y.data))
    pulled = gradients(y, leaves, probe, create_graph=True)
    total: Any = sum(np.sum(p * d) for p, d in zip(pulled, directions, strict=True))
    if not total.requires_grad:
        return y.data, np.zeros_like(y.data)[()]
    (forward,) = gradients(total, (probe,))
    return y.data, forward


def jacobian(f: Callable[..., Any], *, create_graph: bool = False) -> Callable[..., Any]:
    """The function x ↦ ∂f/∂x of shape f's shape + x's shape (first argument)."""

    def derived(x: Any, *others: Any) -> Any:
        as_values = create_graph or isinstance(x, Node)
        leaf = x if isinstance(x, Node) and x.requires_grad else Value(x)
        y = evaluated(f, leaf, *others)
        rows = []
        for entry in range(y.size):
            unit = np.zeros(y.size, y.dtype)
            unit[entry] = 1
            (row,) = gradients(y, (leaf,), unit.reshape(y.shape), as_values)
            rows.append(row)
        shape = y.shape + leaf.shape
        if not rows:
            return np.zeros(shape, leaf.dtype)
        return np.reshape(np.stack(rows), shape) if shape else rows[0]

    return derived


def hessian(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function x ↦ ∂²f/∂x² of shape x's shape twice, for a scalar f (first argument)."""
    return jacobian(grad(f, create_graph=True))


def hvp(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function (x, v) ↦ H v, the Hessian of a scalar f times a vector of x's shape."""

    def product(x: Any, v: Any, *others: Any) -> Any:
        as_values = isinstance(x, Node)
        leaf = x if isinstance(x, Node) and x.requires_grad else Value(x)
        y = evaluated(f, leaf, *others)
        (slope,) = gradients(y, (leaf,), None, create_graph=True)
        return gradients(slope, (leaf,), v, as_values)[0]

    return product


@contextmanager
def trace_nonfinite() -> Iterator[None]:
    """Raise `NonFiniteError` at the first NaN or infinity, naming the operation that bore it.

    Forward, the operation whose result is not finite; backward, the node whose incoming gradient
    is not. Costs a look at every array.
    """

    def look(node: Node, gradient: Any) -> None:
        forward = gradient is None
        if np.all(np.isfinite(node._data if forward else gradient)):
            return
        made_by = node.op.name if node.op else "an input"
        given = ", ".join(describe(item) for item in node.inputs)
        line = f" at {node.line or user_line()}" if forward or node.line else ""
        what = "gave a" if forward else "received the gradient"
        found = node._data if forward else gradient
        bad = np.asarray(found)[~np.isfinite(found)].flat[0]
        raise NonFiniteError(
            f"{made_by} of {given or describe(node)} {what} {bad}{line}; look at its inputs: "
            "log and sqrt need positive numbers, exp and ** overflow, division needs a non-zero"
        )

    with observe(look):
        yield
