"""Derivatives of functions: gradients, products with Jacobians, and whole matrices of them.

Each is read off the sweep; forward mode is the pullback of the pullback. What a function is given
and what it returns may be nested containers (see `containers`): derivatives come back in their
form. In between, all that it returns is one vector, and so each derivative is one sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar, overload

import numpy as np

from ..errors import OperandError, ShapeError
from .call import Call, differentiated, refuse_compiled, vector
from .containers import Model, filled, leaves, mapped, matched, opened, parts
from .node import Node
from .sweep import gradients, start
from .value import Value

Key = TypeVar("Key", bound=str | int)
Function = Callable[..., Any]
Positions = int | tuple[int, ...]

# Where HIPS autograd, JAX and PyTorch write another name.
SPELLINGS = {"argnum": "argument", "argnums": "argument", "grad_outputs": "gradient"}


@overload
def grad(
    y: Function, argument: Positions = 0, /, *, create_graph: bool = False
) -> Callable[..., Any]: ...


@overload
def grad(
    y: Function, *, argument: Positions = 0, create_graph: bool = False
) -> Callable[..., Any]: ...


@overload
def grad(
    y: Value,
    xs: Value | Sequence[Value],
    gradient: Any = None,
    create_graph: Literal[False] = False,
) -> tuple[Any, ...]: ...


@overload
def grad(
    y: Value,
    xs: Value | Sequence[Value],
    gradient: Any = None,
    *,
    create_graph: Literal[True],
) -> tuple[Value, ...]: ...


@overload
def grad(
    y: Value, xs: dict[Key, Value], gradient: Any = None, create_graph: Literal[False] = False
) -> dict[Key, Any]: ...


@overload
def grad(
    y: Value, xs: dict[Key, Value], gradient: Any = None, *, create_graph: Literal[True]
) -> dict[Key, Value]: ...


@overload
def grad(
    y: Value, xs: Model, gradient: Any = None, create_graph: bool = False
) -> dict[str, Any]: ...


def grad(
    y: Any,
    xs: Any = None,
    gradient: Any = None,
    create_graph: bool = False,
    **options: Any,
) -> Any:
    """∂y/∂x for each x of `xs`, a tuple in their order; or, of a function, its gradient function.

    `gradient` is the incoming gradient of y's shape, optional for a single number. Zeros stand
    where y does not depend on x. With `create_graph` the results are Values that can be
    differentiated again. A dict of Values, or a model, gives a dict.

    `te.grad(f)` takes the derivative of a single number by f's first argument, `te.grad(f, 1)` by
    its second, and `te.grad(f, (0, 1))` the pair of both (or write `argument=`). Arrays give
    arrays; Values, or `create_graph`, give Values. An argument may be a dict, list, tuple, named
    tuple or dataclass of numbers, nested at will: the gradient has its form, integers in it count
    as float64, and None stands for what is no number (bools, text, functions). A list of plain
    numbers is an array. A `te.nn.Module` is differentiated by its own parameters, to a dict
    {name: array} without those that do not require gradients. Where f returns a Python number, or
    what depends on x by comparisons alone, the gradient is 0; where it was cut off by `detach()`
    or `no_grad()`, that is an error; NumPy's own number may be a constant: 0 with a warning. No
    `.grad` is touched.
    Raises `ShapeError`, `OperandError`, `NotTrackedError`, `StaleGraphError`.
    """
    if not isinstance(y, Node):
        if not callable(y):
            raise OperandError(f"te.grad takes a Value or a function, not {y!r}")
        if gradient is not None:
            raise OperandError("gradient= goes with te.grad(y, xs); of a function write te.vjp")
        argument = options.pop("argument", 0 if xs is None else xs)
        refuse("grad(f)", options)
        both = value_and_grad(y, argument, create_graph=create_graph)
        return lambda *args, **keywords: both(*args, **keywords)[1]
    if options:
        refuse("grad(y, xs)", options, "gradient= and create_graph=")
    if xs is None:
        raise OperandError("te.grad(y, xs) needs xs: the Value or list of Values to derive by")
    if isinstance(xs, Node):
        xs = (xs,)
    elif parts(xs) is None or isinstance(xs, list):
        xs = tuple(xs) if isinstance(xs, Iterable) else (xs,)
    wanted = opened(xs)
    mapped(not_a_value, wanted, not_a_value)
    differentiated()
    if not y.requires_grad:
        start(y, gradient)
    return filled(wanted, gradients(y, tuple(leaves(wanted)), gradient, create_graph))


def not_a_value(x: Any, path: str = "") -> Any:
    """Refuse what is asked for a derivative by and is no Value."""
    if not isinstance(x, Node):
        raise OperandError(f"te.grad takes Values in xs, not {x!r}; wrap it with te.Value")
    return x


def value_and_grad(
    f: Function, argument: Positions = 0, *, create_graph: bool = False, **unknown: Any
) -> Callable[..., tuple[Any, Any]]:
    """The function that returns `(f(x, ...), ∂f/∂x)`: `te.grad(f)` with f's own value."""
    refuse("value_and_grad", unknown)
    argument = checked(argument)

    def derived(*args: Any, **keywords: Any) -> tuple[Any, Any]:
        call = Call(*alone(f, argument, args, keywords), create_graph)
        return call.result, call.gradient()

    return derived


def vjp(f: Function, *inputs: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """`(f(*inputs), pullback)`: pullback(g) is gᵀJ, one gradient per input.

    g has the form of what f returns, which may be a container; each gradient has its input's.
    Raises `ShapeError` where g does not fit.
    """
    refuse_compiled(f)
    call = Call(lambda given: f(*given), inputs)

    def pullback(g: Any) -> tuple[Any, ...]:
        incoming = list(matched(call.outputs, g, "the gradient", "f's result"))
        as_values = call.as_values or any(isinstance(each, Node) for each in incoming)
        slopes: tuple[Any, ...] = filled(call.inputs, call.pulled(vector(incoming), as_values))
        return slopes

    return call.result, pullback


def jvp(f: Function, inputs: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """`(f(*inputs), J · tangents)`: the change of f along one direction.

    A tangent has its input's form (a model's is a dict {parameter name: array}).
    Raises `ShapeError` where it does not, `OperandError` where `inputs` is no tuple.
    """
    refuse_compiled(f)
    for name, given in (("inputs", inputs), ("tangents", tangents)):
        if not isinstance(given, tuple | list):
            raise OperandError(
                f"te.jvp takes {name} as a tuple, one for each argument of f: "
                "te.jvp(f, (x,), (tangent,))"
            )
    if len(inputs) != len(tangents):
        raise ShapeError(f"{len(inputs)} inputs need as many tangents, not {len(tangents)}")
    along = tuple(tangents)
    as_values = any(isinstance(tangent, Node) for tangent in leaves(along))
    call = Call(lambda given: f(*given), tuple(inputs), as_values)
    directions = list(matched(call.inputs, along, "tangents", "its input"))
    return call.result, call.pushed(directions)


def jacobian(
    f: Function, argument: Positions = 0, *, create_graph: bool = False, **unknown: Any
) -> Callable[..., Any]:
    """The function x ↦ ∂f/∂x of shape f's shape + x's shape.

    x is f's first argument, or the one at position `argument`. Where f returns a container, each
    of its leaves is replaced by its derivative; where x is one, that has x's form.
    """
    refuse("jacobian", unknown)
    argument = checked(argument)

    def derived(*args: Any, **keywords: Any) -> Any:
        return Call(*alone(f, argument, args, keywords), create_graph).jacobian()

    return derived


def hessian(f: Function, argument: Positions = 0, **unknown: Any) -> Callable[..., Any]:
    """The function x ↦ ∂²f/∂x² of shape x's shape twice, for f of a single number.

    x is f's first argument, or the one at position `argument`. For a container x the result has
    x's form twice: `hessian(f)(x)["a"]["b"]` is ∂²f/∂a∂b.
    """
    refuse("hessian", unknown, "argument=")
    slope = grad(f, argument=argument, create_graph=True)
    return jacobian(slope, argument)


def hvp(f: Function) -> Callable[..., Any]:
    """The function (x, v) ↦ H v, the Hessian of a single number f times a vector of x's form.

    Raises `ShapeError` where v's form is not x's.
    """
    refuse_compiled(f)

    def product(x: Any, v: Any, /, *others: Any, **keywords: Any) -> Any:
        as_values = any(isinstance(each, Node) for each in leaves(v))
        call = Call(lambda given: f(given, *others, **keywords), x, as_values)
        direction = tuple(matched(call.inputs, v, "v", "x"))
        slope, seed = vector(call.slope(as_values=True)), vector(direction)
        return filled(call.inputs, gradients(slope, call.leaves, seed, call.as_values))

    return product


def alone(
    f: Function, argument: Positions, args: tuple[Any, ...], keywords: Mapping[str, Any]
) -> tuple[Callable[[Any], Any], Any]:
    """`f` as a function of what it is to be differentiated by, and that."""
    refuse_compiled(f)
    chosen = argument if isinstance(argument, tuple) else (argument,)
    count = len(args)
    for position in chosen:
        if not -count <= position < count:
            raise OperandError(
                f"there is no argument {position} to derive by: this call gives {count} by "
                "position, counted from 0, and only those can be chosen"
            )
    if len({position % count for position in chosen}) < len(chosen):
        raise OperandError(f"argument={argument} names an argument twice")
    if argument == 0:
        return lambda x: f(x, *args[1:], **keywords), args[0]

    def of_chosen(x: Any) -> Any:
        given = list(args)
        for position, part in zip(chosen, x if chosen is argument else (x,), strict=True):
            given[position] = part
        return f(*given, **keywords)

    return of_chosen, tuple(args[i] for i in chosen) if chosen is argument else args[chosen[0]]


def checked(argument: Any) -> Positions:
    """`argument` if it is a position or a tuple of positions; else an error."""
    chosen = argument if isinstance(argument, tuple) else (argument,)
    if not all(isinstance(each, int | np.integer) for each in chosen) or isinstance(argument, bool):
        raise OperandError(
            "the argument to derive by is given by its position, an int or a tuple of ints, not "
            f"{argument!r:.60}; a derivative is a function itself: te.grad(f)(x)"
        )
    return argument  # type: ignore[no-any-return]


def refuse(
    name: str, unknown: Mapping[str, Any], known: str = "argument= and create_graph="
) -> None:
    """Raise `OperandError` for an option there is not, with ours for the names others give it."""
    for option, given in unknown.items():
        ours = SPELLINGS.get(option)
        hint = f"write {ours}={given!r:.60}" if ours else f"it takes {known}"
        raise OperandError(f"te.{name} has no option {option!r}; {hint}")
