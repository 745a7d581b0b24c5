"""Derivatives of functions: gradients, products with Jacobians, and whole matrices of them.

Each is read off the sweep; forward mode is the pullback of the pullback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, overload

import numpy as np

from ..errors import NonFiniteError, OperandError, ShapeError
from .context import STATE, changed, observe
from .node import Node, describe, user_line
from .operation import OPERATIONS
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
    """∂y/∂x for each x of `xs`, a tuple in their order; or, of a function, its gradient function.

    `gradient` is the incoming gradient of y's shape, optional for a single number. Zeros stand
    where y does not depend on x. With `create_graph` the results are Values that can be
    differentiated again. `grad(f)` takes the derivative in f's first argument: arrays give
    arrays, Values (or `create_graph`) give Values. No `.grad` is touched.
    Raises `ShapeError`, `NotTrackedError`, `StaleGraphError`.
    """
    if not isinstance(y, Node):
        if not callable(y):
            raise OperandError(f"te.grad takes a Value or a function, not {y!r}")
        both = value_and_grad(y, create_graph=create_graph)
        return lambda *args, **keywords: both(*args, **keywords)[1]
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
    f: Callable[..., Any], *, create_graph: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """The function that returns `(f(x, ...), ∂f/∂x)`, x being the first argument."""

    def derived(x: Any, *others: Any, **keywords: Any) -> tuple[Any, Any]:
        call = Call(f, (x,), others, keywords, create_graph)
        (slope,) = call.pulled(None)
        return call.result, slope

    return derived


class Call:
    """One recorded call of `f`, with a fresh node for every input that is differentiated.

    Fresh, because a Value that the caller holds may also reach f by another way, which does not
    count; and still joined to it, so that derivatives nest. `as_values` says whether results
    are Values: where an input is one, a graph is asked for, or this call stands inside a function
    that is being differentiated itself.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        inputs: Sequence[Any],
        others: Sequence[Any] = (),
        keywords: Mapping[str, Any] | None = None,
        create_graph: bool = False,
    ) -> None:
        given = create_graph or any(isinstance(x, Node) for x in inputs)
        self.as_values = given or STATE.get().differentiating
        with changed(tracking=True, differentiating=True):
            self.leaves = tuple(fresh(x) for x in inputs)
            y = f(*self.leaves, *others, **(keywords or {}))
        self.y = y if isinstance(y, Value) else Value(y, requires_grad=False)
        self.result = self.y if self.as_values else self.y.data

    def pulled(self, g: Any, as_values: bool | None = None) -> tuple[Any, ...]:
        """The gradient of every input for an incoming gradient `g` of the result."""
        if g is None and self.y.size != 1:
            start(self.y, g)
        keep = self.as_values if as_values is None else as_values
        return gradients(self.y, self.leaves, g, keep)


def fresh(x: Any) -> Value:
    """A tracked node of x's numbers that f alone can reach."""
    if isinstance(x, Value) and x.requires_grad:
        return OPERATIONS["positive"](x)  # type: ignore[no-any-return]
    return Value(x)


def vjp(f: Callable[..., Any], *inputs: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """`(f(*inputs), pullback)`: pullback(g) is gᵀJ, one array per input, for g of f's shape."""
    call = Call(f, inputs)

    def pullback(g: Any) -> tuple[Any, ...]:
        return call.pulled(g, call.as_values or isinstance(g, Node))

    return call.result, pullback


def jvp(f: Callable[..., Any], inputs: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """`(f(*inputs), J · tangents)`: the change of f along one direction.

    The pullback is linear in its gradient; differentiating it once more gives the forward product.
    Raises `ShapeError` where a tangent's shape is not its input's.
    """
    if len(inputs) != len(tangents):
        raise ShapeError(f"{len(inputs)} inputs need as many tangents, not {len(tangents)}")
    for x, tangent in zip(inputs, tangents, strict=True):
        if np.shape(x) != np.shape(tangent):
            raise ShapeError(
                f"a tangent of shape {np.shape(tangent)} does not fit its input of shape "
                f"{np.shape(x)}; they must be equal"
            )
    call = Call(f, inputs, create_graph=any(isinstance(t, Node) for t in tangents))
    probe = Value(np.zeros_like(call.y.data))
    pulled = call.pulled(probe, as_values=True)
    directions = [t if isinstance(t, Node) else Value(t, requires_grad=False) for t in tangents]
    with changed(tracking=True):
        total: Any = sum(np.sum(p * d) for p, d in zip(pulled, directions, strict=True))
    if isinstance(total, Value):
        (forward,) = gradients(total, (probe,), None, call.as_values)
    else:
        forward = probe.detach() if call.as_values else probe.data
    return call.result, forward


def jacobian(f: Callable[..., Any], *, create_graph: bool = False) -> Callable[..., Any]:
    """The function x ↦ ∂f/∂x of shape f's shape + x's shape (first argument)."""

    def derived(x: Any, *others: Any, **keywords: Any) -> Any:
        call = Call(f, (x,), others, keywords, create_graph)
        y, (leaf,) = call.y, call.leaves
        shape = y.shape + leaf.shape
        units = np.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
        rows = [call.pulled(unit)[0] for unit in units]
        if not rows:
            empty = np.zeros(shape, leaf.dtype)
            return Value(empty, requires_grad=False) if call.as_values else empty
        with changed(tracking=True):
            return np.reshape(np.stack(rows), shape) if shape else rows[0]

    return derived


def hessian(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function x ↦ ∂²f/∂x² of shape x's shape twice, for a scalar f (first argument)."""
    return jacobian(grad(f, create_graph=True))


def hvp(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function (x, v) ↦ H v, the Hessian of a scalar f times a vector of x's shape."""

    def product(x: Any, v: Any, *others: Any, **keywords: Any) -> Any:
        call = Call(f, (x,), others, keywords, create_graph=isinstance(v, Node))
        (slope,) = call.pulled(None, as_values=True)
        return gradients(slope, call.leaves, v, call.as_values)[0]

    return product


@contextmanager
def trace_nonfinite() -> Iterator[None]:
    """Raise `NonFiniteError` at the first NaN or infinity, naming the operation that bore it.

    Forward, the operation whose result is not finite; backward, the node whose incoming gradient
    is not. Costs a look at every array.
    """
    users: dict[int, Node] = {}

    def look(node: Node, gradient: Any) -> None:
        forward = gradient is None
        found = node._data if forward else gradient
        if forward:
            users.clear()  # of an earlier sweep, whose graph must not be kept alive
        if np.all(np.isfinite(found)):
            if not forward:
                for item in node.inputs:
                    if isinstance(item, Node):
                        users[item.serial] = node
            return
        bearer = node if forward else users.get(node.serial, node)
        made_by = bearer.op.name if bearer.op else "the incoming gradient"
        given = ", ".join(describe(item) for item in bearer.inputs)
        line = bearer.line or (user_line() if forward else None)
        bad = np.asarray(found)[~np.isfinite(found)].flat[0]
        what = "gave" if forward else f"passed on, to {describe(node)}, the gradient"
        raise NonFiniteError(
            f"{made_by}{f' of {given}' if given else ''} {what} {bad}"
            f"{f' at {line}' if line else ''}; look at its inputs: log and sqrt need positive "
            "numbers, exp and ** overflow, division needs a divisor that is not zero"
        )

    with observe(look):
        yield
