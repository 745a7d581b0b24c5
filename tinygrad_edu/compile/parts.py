"""Parameters that are updated together lie one behind the other in one array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.node import tick
from ..engine.value import Value
from ..errors import OperandError
from ..optim import Optimizer

Array = np.ndarray[Any, np.dtype[Any]]
LINE = 64  # bytes in a line of the cache


@dataclass(eq=False)
class Part:
    """Parameters of one group and dtype: their numbers, gradients, and what is remembered of them.

    `views` are the leaves' data, each a read-only view of `data` (None for a single number, which
    is copied); `states` holds arrays of the whole part, and counts.
    """

    leaves: list[Value]
    places: list[int]  # in the optimiser
    group: Mapping[str, Any]
    data: Array
    gradient: Array
    states: dict[str, Any]
    views: list[Any]
    gradients: list[Array]
    given: list[Any]  # the states that the optimiser holds, views of ours
    options: dict[str, Any]  # of the group, but for the rate
    single: list[tuple[Value, int]]  # leaves that are a number, and where each lies

    def take_over(self, optimizer: Optimizer) -> bool:
        """Copy states that the optimiser was given meanwhile; False if they are of another kind."""
        for place, held in zip(self.places, self.given, strict=True):
            if optimizer.states[place] is not held:
                if len({kind_of(optimizer.states[place]) for place in self.places}) > 1:
                    return False
                if optimizer.states[place].keys() != self.states.keys():
                    return False
                self.join(optimizer)
                return True
        return True

    def same(self) -> bool:
        """Whether the options are as they were."""
        group = self.group
        for name, option in self.options.items():  # noqa: SIM110 (half of what all() costs)
            if group[name] != option:
                return False
        return True

    def join(self, optimizer: Optimizer) -> None:
        """Put the states of all leaves one behind the other, and views of them in their place."""
        states = [optimizer.states[place] for place in self.places]
        names = states[0].keys()
        for name in names:
            if isinstance(states[0][name], int):
                self.states[name] = states[0][name]
                continue
            whole = np.concatenate([np.ravel(state[name]) for state in states])
            if name in self.states:
                self.states[name][...] = whole
            else:
                self.states[name] = whole
        self.given = []
        for place, cut, leaf in zip(self.places, self.cuts(), self.leaves, strict=True):
            held = {
                name: entry if isinstance(entry, int) else entry[cut].reshape(leaf.shape)
                for name, entry in self.states.items()
            }
            optimizer.states[place] = held
            self.given.append(held)

    def shaped(self, array: Array, optimizer: Optimizer) -> Array:
        """An array of the part as the rule takes it: the parameter's shape where that may count."""
        return array if works_entrywise(type(optimizer)) else array.reshape(self.leaves[0].shape)

    def shaped_states(self, optimizer: Optimizer) -> dict[str, Any]:
        """The states as the rule takes them."""
        return {
            name: entry if isinstance(entry, int) else self.shaped(entry, optimizer)
            for name, entry in self.states.items()
        }

    def cuts(self) -> list[slice]:
        """Where each leaf lies."""
        found, at = [], 0
        for leaf in self.leaves:
            found.append(slice(at, at + leaf.size))
            at += leaf.size
        return found

    def update(self, optimizer: Optimizer) -> None:
        """One step by the gradients, without a program."""
        data, gradient = (self.shaped(a, optimizer) for a in (self.data, self.gradient))
        states = self.shaped_states(optimizer)
        data[...], after = optimizer.update(data, gradient, states, self.group)
        for name, entry in after.items():
            if isinstance(entry, int):
                self.states[name] = entry
            else:
                states[name][...] = entry

    def hand_back(self) -> None:
        """After a step: stamp the leaves, and copy what cannot be a view."""
        for leaf in self.leaves:
            leaf.serial = tick()
        for leaf, at in self.single:
            leaf._data = self.data[at]
        for name, entry in self.states.items():
            if isinstance(entry, int):
                for held in self.given:
                    held[name] = entry


def settled(group: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a group that a program holds fast."""
    return {name: each for name, each in group.items() if name not in ("params", "lr", "base_lr")}


def kind_of(state: Mapping[str, Any]) -> tuple[Any, ...]:
    """What states that lie together have in common: their names, and counts."""
    counts = tuple((name, entry) for name, entry in state.items() if isinstance(entry, int))
    return tuple(state), counts


def parts_of(optimizer: Optimizer, moved: set[int]) -> list[Part]:
    """The `moved` parameters of an optimiser, those together that share group, dtype and counts.

    Each leaf's data is a view from then on.
    """
    found: dict[Any, Part] = {}
    for place, (leaf, group) in enumerate(optimizer.places):
        if id(leaf) not in moved:
            continue
        state = optimizer.states[place]
        for name, entry in state.items():
            if not isinstance(entry, int) and np.shape(entry) != leaf.shape:
                raise OperandError(
                    f"{type(optimizer).__name__} remembers {name} of shape {np.shape(entry)} for a "
                    f"parameter of shape {leaf.shape}; te.compile takes rules that remember arrays "
                    "of the parameter's shape, and integers"
                )
        key: tuple[Any, ...] = (id(group), leaf.dtype, kind_of(state))
        if not works_entrywise(type(optimizer)):
            key = (*key, place)
        if key not in found:
            empty = np.empty(0, leaf.dtype)
            found[key] = Part([], [], group, empty, empty, {}, [], [], [], settled(group), [])
        found[key].leaves.append(leaf)
        found[key].places.append(place)
    for part in found.values():
        size = sum(leaf.size for leaf in part.leaves)
        part.data = aligned(size, part.leaves[0].dtype)
        np.concatenate([np.ravel(leaf._data) for leaf in part.leaves], out=part.data)
        part.gradient = aligned(size, part.data.dtype)
        part.gradient[...] = 0
        for cut, leaf in zip(part.cuts(), part.leaves, strict=True):
            part.gradients.append(part.gradient[cut].reshape(leaf.shape or (1,)))
            if not leaf.ndim:
                part.views.append(None)
                part.single.append((leaf, cut.start))
                continue
            view = part.data[cut].reshape(leaf.shape)
            view.setflags(write=False)
            leaf._data = view
            part.views.append(view)
        part.join(optimizer)
    return list(found.values())


def works_entrywise(kind: type[Optimizer]) -> bool:
    """Whether the class that defines the rule says so itself: a subclass may do otherwise."""
    author = next(each for each in kind.__mro__ if "update" in vars(each))
    return bool(vars(author).get("entrywise", False))


def aligned(size: int, dtype: Any) -> Array:
    """Memory from the start of a cache line on, where a processor's wide loads take half the time.

    What NumPy allocates begins some sixteen bytes behind it.
    """
    dtype = np.dtype(dtype)
    spare = LINE // dtype.itemsize
    memory = np.empty(size + spare, dtype)
    start = -memory.__array_interface__["data"][0] % LINE // dtype.itemsize
    return memory[start : start + size]
