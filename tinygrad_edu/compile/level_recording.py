"""A function of single numbers is run once as it is, and its graph becomes a program by levels.

Other than in a recording for NumPy's calls, only the arguments have stand-ins, which know where in
the arguments each number comes from; all that is computed from them are numbers as ever.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import isfinite
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..engine.context import RECORDER, changed
from ..engine.node import Node, Untraced, make_leaf
from ..engine.value import Value
from .ends import (
    alike,
    arguments,
    each_end,
    ends_of,
    filled_in,
    first_of,
    is_input,
    is_tracked,
    near,
    numbers,
    read_only,
    with_holes,
)
from .housing import Housing
from .levels import Levels
from .parts import Array
from .recording import NoResultError, OtherNumbersError, kept

# Levels and numbers one by one differ by rounding alone, where NumPy's functions on arrays do.
TOLERANCE = 1e-9, 1e-3  # float64, float32


class Unsuited(Exception):
    """A function does with numbers what a program by levels cannot do: arrays, effects, reading."""


class Read(Untraced):
    """The number behind a stand-in is asked for: a record's function may, and runs on it."""

    def __init__(self, number: Given) -> None:
        super().__init__("the number of an argument")
        self.number = number

    def whole(self, function: Any, args: tuple[Any, ...], options: Any) -> Any:
        """What the function makes of the numbers."""
        return function(*map(plain, args), **options)

    def copy(self) -> Given:
        """The same number of the arguments."""
        return self.number


class Given(NDArrayOperatorsMixin):
    """A number of the arguments, and its place among all of them."""

    __slots__ = ("place", "value")
    tape = None  # like what stands in for arrays in other recordings, and no tape is kept
    shape: tuple[int, ...] = ()
    ndim = 0
    size = 1

    def __init__(self, value: Any, place: int) -> None:
        self.value, self.place = value, place

    dtype = property(lambda self: self.value.dtype)

    def __getitem__(self, index: Any) -> Any:
        return self if index == () else self.value[index]

    def astype(self, dtype: Any) -> Given:
        """The same number of the arguments in another dtype."""
        return Given(self.value.astype(dtype), self.place)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        given = []
        for each in inputs:
            if isinstance(each, Node):
                return NotImplemented
            given.append(each.value if each.__class__ is Given else each)
        return (ufunc if method == "__call__" else getattr(ufunc, method))(*given, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return function(*map(plain, args), **kwargs)

    def asked(self, *_: Any, **__: Any) -> Any:
        """What `.data` is: nothing that a program may depend on."""
        raise Read(self)

    __array__ = __bool__ = __float__ = __int__ = __index__ = item = tolist = asked


class GivenArray:
    """An array among the arguments, of which single numbers are taken."""

    __slots__ = ("places", "values")
    tape = None

    def __init__(self, values: Array, places: Array) -> None:
        self.values, self.places = values, places

    shape = property(lambda self: self.values.shape)
    dtype = property(lambda self: self.values.dtype)
    ndim = property(lambda self: self.values.ndim)
    size = property(lambda self: self.values.size)

    def __getitem__(self, index: Any) -> Given | GivenArray:
        found = self.values[index]
        if isinstance(found, np.generic):
            return Given(found, int(self.places[index]))
        return GivenArray(found, self.places[index])

    def refuse(self, *_: Any, **__: Any) -> Any:
        """Raise `Unsuited`: it is more than numbers."""
        raise Unsuited("computes with whole arrays")

    __array_ufunc__ = __array_function__ = __array__ = asked = refuse
    __neg__ = __pos__ = __abs__ = __invert__ = refuse
    __getattr__ = refuse


class Watching:
    """What a recording by levels does in the place of effects, and where numbers are read."""

    def random(self, generator: Any, shape: Any, method: str) -> Any:
        """Not by levels."""
        raise Unsuited("draws random numbers")

    def assign(self, leaf: Any, data: Any) -> None:
        """Not by levels."""
        raise Unsuited("gives a leaf new data")

    def swept(self) -> None:
        """Not by levels."""
        raise Unsuited("takes derivatives")

    def entered(self, module: Any) -> None:
        """Nothing: what takes part is known."""

    def saw(self, node: Any) -> None:
        """What is read does not show in the graph, but for numbers of the arguments."""
        if not isinstance(node._data, Given | GivenArray):
            raise Unsuited("reads a number")


class StandIns:
    """Stand-ins for the numbers in arguments, counted from the first to the last.

    `own` are those that get gradients. Raises `Unsuited` for arrays that would.
    """

    def __init__(self, args: tuple[Any, ...]) -> None:
        self.count, self.weak = 0, False
        self.own: list[Value] = []
        self.own_places: list[int] = []
        # Values that are given may be met in other ways too, and have their numbers back then.
        self.lent: dict[int, tuple[Value, Any]] = {}
        self.args = tuple(each_end(self.stand, each) for each in args)

    def stand(self, item: Any) -> Any:
        """The stand-in for one argument."""
        if not is_input(item):
            return item
        wants = is_tracked(item)
        data = np.asarray(item._data if isinstance(item, Value) else item)
        if wants and data.ndim:
            raise Unsuited("is given arrays that are tracked")
        places = np.arange(self.count, self.count + data.size).reshape(data.shape)
        self.count += data.size
        self.weak = self.weak or item.__class__ is float
        given = GivenArray(data, places) if data.ndim else Given(data[()], int(places))
        node: Value = make_leaf(Value, given, requires_grad=wants)
        if wants:
            self.own.append(node)
            self.own_places.append(int(places))
        if isinstance(item, Value) and item.op is None:
            self.lent.setdefault(id(item), (item, given))
        return node

    def recorded(self, f: Callable[[tuple[Any, ...]], Any]) -> tuple[Any, list[Value], list[int]]:
        """What `f` returns, and nodes of its graph that stand for numbers, with their places."""
        before = [(leaf, leaf._data) for leaf, _ in self.lent.values()]
        token = RECORDER.set(Watching())
        try:
            for leaf, given in self.lent.values():
                leaf._data = given
            with changed(recording=True):
                returned = f(self.args)
            known = set(map(id, self.own))
            inputs = [each for each in inputs_of(ends_of(returned)) if id(each) not in known]
            places = [node._data.place for node in inputs]
            for node in (*inputs, *self.own):
                node._data = plain(node._data)
        finally:
            RECORDER.reset(token)
            for leaf, data in before:
                leaf._data = data
        if any(id(node) in self.lent and node.requires_grad for node in inputs):
            raise Unsuited("finds a tracked argument in another way too")
        return returned, inputs, places


class RecordedByLevels:
    """A program by levels and what surrounds it: the optimiser's update, gradients handed out.

    Making one runs `f`, and `backward` from what it returns, which is a real call but for the
    update. Raises `Unsuited`, `Untraced` or `UnsupportedError` where `f` is no function of single
    numbers, `OtherNumbersError` where the program gives others; nothing has changed then.
    """

    generators: Sequence[np.random.Generator] = ()
    branching: frozenset[int] = frozenset()

    def __init__(
        self,
        f: Callable[[tuple[Any, ...]], Any],
        backward: Callable[[Any], None],
        args: tuple[Any, ...],
        housing: Housing,
        values: list[bool],
    ) -> None:
        self.housing = housing
        given = StandIns(args)
        if any(leaf.ndim for leaf in housing.leaves):
            raise Unsuited("has parameters that are arrays")
        if given.weak and any(leaf.dtype == np.float32 for leaf in housing.leaves):
            raise Unsuited("is given Python's numbers, which float32 leaves as it is")
        returned, inputs, places = given.recorded(f)
        self.shape = with_holes(returned, values)
        root, ends = first_of(returned), ends_of(returned)
        if not is_tracked(root) or root is not ends[0]:
            raise Unsuited("has no loss")
        if not all(isinstance(each, Value) and not each.ndim for each in ends):
            raise Unsuited("returns arrays")
        # In the order of the optimiser's memory, then those that get their gradients themselves.
        self.moved = [leaf for part in housing.parts for leaf in part.leaves]
        members = set(map(id, self.moved))
        self.others = [leaf for leaf in housing.leaves if id(leaf) not in members]
        self.places = np.array(places, np.intp)
        self.of_arguments = np.array(given.own_places, np.intp)
        leaves = [*self.moved, *self.others, *given.own]
        # Before anything moves: a graph knows when its leaves have moved on.
        self.levels = Levels(root, leaves, inputs, ends[1:])
        gradients = gradients_of(leaves, partial(backward, returned))
        self.reached = [g is not None for g in gradients]
        if not all(self.reached[: len(self.moved)]):
            raise Unsuited("reaches other parameters than at the first call")
        self.check(args, ends, gradients)
        with kept(housing.leaves):
            if not alike(returned, f(read_only(args))):
                raise Unsuited("returns something else than as ever")

    @property
    def source(self) -> str:
        """The program as text."""
        return self.levels.source

    def forgive(self) -> None:
        """Nothing: it has no guards."""

    def check(self, args: tuple[Any, ...], ends: list[Value], gradients: list[Any]) -> None:
        """Compare the program with what was just computed number by number."""
        loss, slopes, *others = self.found(args)
        expected = [0.0 if g is None else g for g in gradients]
        for ours, theirs in (
            ([loss, *others], [each._data for each in ends]),
            (slopes, expected),
        ):
            a, b = np.asarray(ours, float), np.asarray(theirs, float)
            narrow = any(np.asarray(each).dtype == np.float32 for each in (*ours, *theirs))
            if not near(a, b, TOLERANCE[narrow]):
                raise OtherNumbersError("its program by levels gives other numbers")

    def found(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Loss, gradients of all leaves, and the other results."""
        entries = np.concatenate([np.empty(0), *map(np.ravel, numbers(args))])
        known = np.concatenate(
            [
                *(part.data for part in self.housing.parts),
                np.array([leaf._data for leaf in self.others]),
                entries[self.of_arguments],
            ]
        )
        return self.levels.run(known, entries[self.places])

    def run(self, args: tuple[Any, ...]) -> tuple[Any]:
        """The results in a tuple. Raises `NoResultError`."""
        loss, slopes, *others = self.found(args)
        housing, at = self.housing, 0
        if housing.optimizer is not None:
            if not (isfinite(loss) and isfinite(np.vdot(slopes, slopes))):
                raise NoResultError
            for part in housing.parts:
                size = part.gradient.size
                part.gradient[...] = slopes[at : at + size]
                part.update(housing.optimizer)
                at += size
            housing.hand_back()
        if at < len(slopes):
            own = (each for each in arguments(args) if is_tracked(each))
            for leaf, g, reached in zip(
                (*self.others, *own), slopes[at:], self.reached[at:], strict=False
            ):
                if reached:
                    leaf.grad = g if leaf.grad is None else leaf.grad + g
        return (filled_in(self.shape, (loss, *others)),)


@contextmanager
def uncollected() -> Iterator[None]:
    """Let the garbage collector rest: of a graph, which has no cycles, it would look at all nodes.

    It costs as much as recording does.
    """
    resting = not gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not resting:
            gc.enable()


def gradients_of(leaves: Sequence[Value], backward: Callable[[], None]) -> list[Any]:
    """What a backward pass leaves at leaves, which have what they had afterwards."""
    before = [leaf.grad for leaf in leaves]
    try:
        for leaf in leaves:
            leaf.grad = None
        backward()
        return [leaf.grad for leaf in leaves]
    finally:
        for leaf, g in zip(leaves, before, strict=True):
            leaf.grad = g


def plain(item: Any) -> Any:
    """A number itself in the place of its stand-in."""
    return item.value if isinstance(item, Given) else item


def inputs_of(results: Sequence[Value]) -> Iterator[Value]:
    """The nodes under results that stand for numbers of the arguments."""
    nodes: list[Any] = list({id(each): each for each in results}.values())
    seen = {node.serial for node in nodes}
    for node in nodes:  # which grows meanwhile
        if node._data.__class__ is Given:
            yield node
            continue
        for item in node.inputs:
            if isinstance(item, Node) and item.serial not in seen:
                seen.add(item.serial)
                nodes.append(item)
