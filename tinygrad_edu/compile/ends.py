"""What goes into a compiled function and what comes out: numbers, in containers of any kind."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from ..engine.containers import is_leaf, is_model, mapped, parts
from ..engine.node import make_leaf, numbers_of
from ..engine.value import Value
from ..nn.module import Module
from .tape import Traced, TracedNumber

ndarray = np.ndarray


# What is meant by itself. A generator is drawn from by te.random, a model has its parameters.
NEVER_CHANGE = (Module, np.random.Generator, np.dtype, Enum, range, frozenset, type(Ellipsis))


class Unfit(Exception):
    """Arguments of a kind that only runs as ever, and why."""


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
        # Its gradient is added up over all of its uses, in their order.
        raise Unfit("a tracked Value is given twice; give it once")
    return tuple(kind_of(each, known) for each in args)


def kind_of(item: Any, known: Container[int]) -> Any:
    """What must be the same of one argument. Raises `Unfit`."""
    if isinstance(item, np.ndarray | np.generic):
        return item.shape, item.dtype, item.strides  # BLAS adds up in another order
    if isinstance(item, Value):
        if id(item) in known or (item.requires_grad and item.op is not None):
            raise Unfit(
                "a Value is given that the function uses anyway, or that is tracked and computed "
                "from others; leave it out of the arguments, or give v.detach()"
            )
        return item.shape, item.dtype, item.requires_grad
    if item.__class__ is float:
        return (float,)
    held = None if is_model(item) else parts(item)
    if held is not None:
        return type(item), tuple((key, kind_of(part, known)) for key, part in held.items())
    if isinstance(item, list):
        array = np.asarray(item)
        return list, array.shape, array.dtype
    if isinstance(item, int | str | bytes | complex | None):
        return type(item), item
    if callable(item) or isinstance(item, NEVER_CHANGE):
        return type(item), Same(item)
    raise Unfit(
        f"an object of class {type(item).__name__} is given, and a program would not see when its "
        "attributes change; give the numbers themselves, or a dataclass of them"
    )


def read_only(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same arguments, with views that cannot be written to in the place of arrays."""
    views: dict[int, Any] = {}

    def view(item: Any) -> Any:
        if not isinstance(item, ndarray):
            return item
        if id(item) not in views:
            views[id(item)] = item[...]
            views[id(item)].setflags(write=False)
        return views[id(item)]

    return tuple(each_end(view, each) for each in args)


# ---- results ----


def alike(ours: Any, theirs: Any) -> bool:
    """Whether what a function returned is the same but for rounding."""
    a, b = all_ends(ours), all_ends(theirs)
    return len(a) == len(b) and all(map(same_end, a, b))


def all_ends(returned: Any) -> list[Any]:
    """The results in order, those without numbers too."""
    found: list[Any] = []
    each_end(found.append, returned)
    return found


def same_end(a: Any, b: Any) -> bool:
    """Whether two results are the same but for rounding."""
    a, b = (getattr(item, "value", item) for item in map(numbers_of, (a, b)))
    if not all(isinstance(item, ndarray | np.generic | int | float) for item in (a, b)):
        return bool(a == b) if isinstance(a, str | bytes | None) else type(a) is type(b)
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    if a.dtype.kind not in "fc":
        return bool(np.all(a == b))
    return near(a, b, 1e-3 if a.dtype.itemsize < 8 else 1e-6)


def near(a: Any, b: Any, tolerance: float) -> bool:
    """Whether arrays of one shape differ by less than that share of the largest number."""
    size = np.max(np.abs(b), initial=0, where=np.isfinite(b))
    with np.errstate(invalid="ignore"):
        close = np.abs(a - b) <= tolerance * size
    return bool((close | (a == b) | (np.isnan(a) & np.isnan(b))).all())


def first_of(returned: Any) -> Any:
    """The loss in what a function returned."""
    return returned[0] if isinstance(returned, tuple | list) and returned else returned


def is_result(item: Any) -> bool:
    """Whether something that a function returned is computed anew at each call."""
    return isinstance(item, Value | np.ndarray | np.generic | Traced | TracedNumber)


def ends_of(returned: Any) -> list[Any]:
    """The results with numbers, in order."""
    return [item for item in all_ends(returned) if is_result(item)]


def detached(item: Any) -> Any:
    """A Value without its graph, an array of its own."""
    if isinstance(item, ndarray):
        return item if item.flags.writeable else item.copy()
    return item.detach() if isinstance(item, Value) else item


def with_holes(returned: Any, values: list[bool]) -> Any:
    """The container that a function returned, and where its results go.

    `values` says for each of them whether it was a Value when the function ran as ever.
    """
    count = len(ends_of(returned))
    if len(values) != count:
        values = [True] * count
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
