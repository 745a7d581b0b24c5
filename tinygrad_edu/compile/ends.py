"""What goes into a compiled function and what comes out: numbers, in containers of any kind."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.containers import is_leaf, is_model, mapped, parts
from ..engine.node import make_leaf
from ..engine.value import Value
from .tape import Traced, TracedNumber

ndarray = np.ndarray


class Unfit(Exception):
    """Arguments of a kind that only runs as ever."""


class Hole:
    """Where a result stands in what a function returns: a Value's numbers, or an array."""

    def __init__(self, value: bool) -> None:
        self.value = value


@dataclass(frozen=True)
class Same:
    """An object that is the same only as itself."""

    item: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.item is self.item

    def __hash__(self) -> int:
        return id(self.item)


def each_end(change: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` with `change(item)` for everything that it holds and that is no container."""
    return mapped(lambda leaf, path: change(leaf), tree, change)


# ---- arguments ----


def is_input(item: Any) -> bool:
    """Whether an argument is an input of a program; others are a part of it."""
    if isinstance(item, Value | np.ndarray | np.generic) or item.__class__ is float:
        return True
    return isinstance(item, list) and is_leaf(item)


def arguments(args: tuple[Any, ...]) -> Iterator[Any]:
    """The arguments that are inputs of a program, those inside of containers too."""
    for each in args:
        if is_input(each):
            yield each
        elif not is_model(each):
            yield from arguments(tuple((parts(each) or {}).values()))


def is_tracked(item: Any) -> bool:
    """Whether an argument gets a gradient."""
    return isinstance(item, Value) and item.requires_grad


def numbers(args: tuple[Any, ...]) -> Iterator[Any]:
    """Their numbers."""
    for each in args:
        if each.__class__ is ndarray:
            yield each
        elif isinstance(each, Value):
            yield each._data
        elif is_input(each):
            yield np.asarray(each) if isinstance(each, list) else each
        elif not is_model(each):
            yield from numbers(tuple((parts(each) or {}).values()))


def kinds_of(args: tuple[Any, ...], known: Container[int]) -> tuple[Any, ...]:
    """What must be the same of arguments for a program to hold.

    `known` are the ids of the function's own leaves. Raises `Unfit`.
    """
    tracked = [id(each) for each in arguments(args) if is_tracked(each)]
    if len(set(tracked)) < len(tracked):
        raise Unfit  # its gradient is added up over all of its uses, in their order
    return tuple(kind_of(each, known) for each in args)


def kind_of(item: Any, known: Container[int]) -> Any:
    """What must be the same of one argument. Raises `Unfit`."""
    if isinstance(item, np.ndarray | np.generic):
        return item.shape, item.dtype, item.strides  # BLAS adds up in another order
    if isinstance(item, Value):
        if id(item) in known or (item.requires_grad and item.op is not None):
            raise Unfit  # gradients flow on into leaves of ours, or another graph
        return item.shape, item.dtype, item.requires_grad
    if item.__class__ is float:
        return (float,)
    held = None if is_model(item) else parts(item)
    if held is not None:
        return type(item), tuple((key, kind_of(part, known)) for key, part in held.items())
    if isinstance(item, list):
        array = np.asarray(item)
        return list, array.shape, array.dtype
    return type(item), item if isinstance(item, int | str | bytes | None) else Same(item)


# ---- results ----


def first_of(returned: Any) -> Any:
    """The loss in what a function returned."""
    return returned[0] if isinstance(returned, tuple | list) and returned else returned


def is_result(item: Any) -> bool:
    """Whether something that a function returned is computed anew at each call."""
    return isinstance(item, Value | np.ndarray | np.generic | Traced | TracedNumber)


def ends_of(returned: Any) -> list[Any]:
    """The results with numbers, in order."""
    found: list[Any] = []
    each_end(lambda item: found.append(item) if is_result(item) else None, returned)
    return found


def detached(item: Any) -> Any:
    """A Value without its graph."""
    return item.detach() if isinstance(item, Value) else item


def with_holes(returned: Any, values: list[bool]) -> Any:
    """The container that a function returned, and where its results go.

    `values` says for each of them whether it was a Value when the function ran as ever.
    """
    if len(values) != len(ends_of(returned)):
        values = [True] * len(ends_of(returned))
    following = iter(values)
    return each_end(
        lambda each: Hole(next(following) and isinstance(each, Value)) if is_result(each) else each,
        returned,
    )


def filled_in(shape: Any, found: tuple[Any, ...]) -> Any:
    """The results of a program in the container that the function returned."""
    if shape.__class__ is Hole:
        return result(shape, found[0])
    following = iter(found)
    return each_end(
        lambda item: result(item, next(following)) if item.__class__ is Hole else item, shape
    )


def result(hole: Hole, data: Any) -> Any:
    """One result as the function returns it."""
    if data.__class__ is ndarray:
        if not data.ndim:
            data = data[()]
        elif hole.value:
            data.setflags(write=False)
    return make_leaf(Value, data, requires_grad=False) if hole.value else data
