"""How a call of NumPy's reaches an operation: NumPy hands it to Value, and Value to this module.

A function of NumPy is a record (`np.tanh`), or a *composition*: plain NumPy that the records make
up (`np.fliplr` is a flip). Compositions have no rules, so nothing in them can be wrong twice.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np

from ..errors import InPlaceError, OperandError, UnsupportedError, closest
from .node import record
from .operation import FUNCTIONS, OPERATIONS, UFUNCS, Operation, enter, unknown_option
from .unsupported import reason

Function = TypeVar("Function", bound=Callable[..., Any])

# Records that do at once what a ufunc does to one entry after the other.
REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logaddexp": "logsumexp",
    "logical_and": "all",
    "logical_or": "any",
}
ACCUMULATIONS = {"add": "cumsum", "multiply": "cumprod"}
# What NumPy 2.0 calls arguments that have a better name since.
OLD_NAMES = {"newshape": "shape"}


@dataclass(frozen=True, eq=False)
class Composition:
    """A function of NumPy written with operations.

    Its parameters bear NumPy's names; those of NumPy's that it lacks are refused.
    """

    function: Callable[..., Any]
    numpy: tuple[Any, ...]
    names: tuple[str, ...]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's result. Raises `OperandError` for arguments that it does not take."""
        try:
            return self.function(*args, **kwargs)
        except TypeError:
            if "kwargs" not in self.names:
                for name in kwargs.keys() - set(self.names):
                    raise OperandError(unknown_option(self.name, name, self.names)) from None
            try:
                inspect.signature(self.function).bind(*args, **kwargs)
            except TypeError as error:
                takes = ", ".join(self.names)
                raise OperandError(f"np.{self.name} takes {takes}: {error}") from None
            raise

    @property
    def name(self) -> str:
        """As NumPy calls it."""
        return str(self.numpy[0].__name__)


def implements(*functions: Any) -> Callable[[Function], Function]:
    """Decorates what NumPy's `functions` do on Values, written with other operations.

    A function that only later versions of NumPy have may be None.
    """
    present = tuple(function for function in functions if function is not None)

    def decorate(function: Function) -> Function:
        names = tuple(inspect.signature(function).parameters)
        enter(Composition(function, present, names), present)
        return function

    return decorate


def call_function(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """One of NumPy's functions on Values. Raises `UnsupportedError`, `InPlaceError`."""
    if kwargs.get("out") is not None:
        raise InPlaceError(
            f"np.{function.__name__} cannot write a Value into out=; use what it returns"
        )
    implementation: Any = FUNCTIONS.get(function)
    if implementation is None:
        raise unsupported(f"{function.__module__}.{function.__name__}")
    count = implementation.count if isinstance(implementation, Operation) else 1
    if kwargs or len(args) > count:
        # Options given by position come in NumPy's order, which has dtype and out in it.
        names, defaults = signature(function)
        names = names[count : len(args)]
        if len(names) == len(args) - count:
            args, kwargs = args[:count], {**dict(zip(names, args[count:], strict=True)), **kwargs}
        kwargs = {
            name: value
            for name, value in kwargs.items()
            if name in implementation.names or not is_default(value, defaults.get(name))
        }
    return implementation(*args, **kwargs)


@cache
def signature(function: Callable[..., Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """What the arguments of one of NumPy's functions are called, in order, and their defaults."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # written in C: NumPy does not tell
        return (), {}
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = {OLD_NAMES.get(each.name, each.name): each for each in parameters}
    in_order = tuple(name for name, each in named.items() if each.kind in kinds)
    return in_order, {name: each.default for name, each in named.items()}


def is_default(value: Any, default: Any) -> bool:
    """Whether an option is given as NumPy has it anyway, as its own wrappers give them."""
    return value is None or value is default or (isinstance(value, str) and value == default)


def call_ufunc(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """A ufunc of NumPy, or a method of one, on Values.

    Raises `UnsupportedError`, `InPlaceError`.
    """
    operation = UFUNCS.get(ufunc)
    if not kwargs and method == "__call__" and isinstance(operation, Operation):
        return record(operation, inputs)
    if kwargs.get("out") is not None or method == "at":
        raise InPlaceError(
            f"np.{ufunc.__name__} cannot write a Value into an existing array, the gradient "
            "would be lost; write array = array + value (a new result), np.where or te.set_at"
        )
    if operation is None:
        raise unsupported(f"numpy.{ufunc.__name__}")
    if method in METHODS:
        return METHODS[method](ufunc, operation, *inputs, **kwargs)
    if method != "__call__":
        raise UnsupportedError(
            f"np.{ufunc.__name__}.{method} is not supported on a Value; "
            "reduce each slice, as in te.stack([np.sum(v[:2]), np.sum(v[2:])])"
        )
    given = {name: value for name, value in kwargs.items() if value is not None}
    if not isinstance(operation, Operation):
        return operation(*inputs, **given)
    if given:
        raise UnsupportedError(unknown_option(operation.name, next(iter(given)), operation.names))
    return record(operation, inputs)


def slices(a: Any, axis: int) -> Iterator[Any]:
    """The parts of `a` along an axis, each without it."""
    before = (slice(None),) * (axis % a.ndim)
    return (a[(*before, position)] for position in range(a.shape[axis]))


def reduce(
    ufunc: np.ufunc,
    operation: Callable[..., Any],
    array: Any,
    axis: Any = 0,
    keepdims: bool = False,
    initial: Any = None,
    **unknown: Any,
) -> Any:
    """`ufunc.reduce`: by the record of the whole reduction, else one entry after the other."""
    refuse(ufunc, "reduce", unknown)
    known = REDUCTIONS.get(ufunc.__name__)
    if known:
        total = OPERATIONS[known](array, axis=axis, keepdims=keepdims)
        return total if initial is None else operation(initial, total)
    axes = range(array.ndim) if axis is None else np.atleast_1d(axis) % array.ndim
    for each in sorted((int(each) for each in axes), reverse=True):
        parts = list(slices(array, each))
        start = initial if initial is not None else ufunc.identity if not parts else None
        if start is None and not parts:
            raise OperandError(f"np.{ufunc.__name__}.reduce of nothing has no value; pass initial=")
        *_, array = accumulate(parts, operation, initial=start)
        array = np.expand_dims(array, each) if keepdims else array
        initial = None
    return array


def accumulated(
    ufunc: np.ufunc, operation: Callable[..., Any], array: Any, axis: int = 0, **unknown: Any
) -> Any:
    """`ufunc.accumulate`: all the results that a reduction passes through."""
    refuse(ufunc, "accumulate", unknown)
    known = ACCUMULATIONS.get(ufunc.__name__)
    if known:
        return OPERATIONS[known](array, axis=axis)
    return np.stack(list(accumulate(slices(array, axis), operation)), axis=axis)


def outer(ufunc: np.ufunc, operation: Callable[..., Any], a: Any, b: Any, **unknown: Any) -> Any:
    """`ufunc.outer`: of each entry of `a` with each of `b`."""
    refuse(ufunc, "outer", unknown)
    return operation(np.reshape(a, (*np.shape(a), *(1,) * np.ndim(b))), b)


def refuse(ufunc: np.ufunc, method: str, unknown: Mapping[str, Any]) -> None:
    """Raise `UnsupportedError` for an option of a ufunc's method that no Value takes."""
    for name, value in unknown.items():
        if value is not None:
            raise UnsupportedError(
                f"np.{ufunc.__name__}.{method} has no option {name!r} on a Value; "
                "choose entries with np.where, and convert with .astype"
            )


METHODS: dict[str, Callable[..., Any]] = {
    "reduce": reduce,
    "accumulate": accumulated,
    "outer": outer,
}


def unsupported(path: str) -> UnsupportedError:
    """The error for a NumPy function without a record: why, or the nearest that have one."""
    written = path.replace("numpy", "np", 1)
    why = reason(path)
    if why is not None:
        return UnsupportedError(f"{written} is not for a Value: {why}")
    known = {function.__name__ for function in (*UFUNCS, *FUNCTIONS)}
    near = closest(path.rpartition(".")[2], known, fallback=False)
    return UnsupportedError(
        f"{written} has no derivative rule here"
        f"{f'; the closest that have one are {near}' if near else ''} (te.OPERATIONS lists all). "
        "Declare your own with te.define_elementwise or te.define_structural, "
        "or use v.data if no gradient is needed"
    )
