"""The leaves of a compiled function, each at a place in memory that programs know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import is_
from typing import Any

import numpy as np

from ..engine.value import Value
from ..errors import TracingError
from ..nn.module import Module
from ..optim import Optimizer
from .parts import Array, Part, parts_of

ndarray = np.ndarray


class Housing:
    """The leaves that take part: the `moved` ones, which the optimiser updates, in its `parts`.

    `places` are arrays with the read-only view that is the leaf's data, and whether it is tracked;
    `scalars` are single numbers, which have no memory of their own.
    """

    def __init__(
        self, leaves: Sequence[Value], moved: set[int], optimizer: Optimizer | None
    ) -> None:
        self.optimizer = optimizer
        self.parts: list[Part] = [] if optimizer is None else parts_of(optimizer, moved)
        members = {id(leaf): leaf for part in self.parts for leaf in part.leaves}
        self.places: list[tuple[Value, Array, bool]] = [
            (leaf, view, leaf.requires_grad)
            for part in self.parts
            for leaf, view in zip(part.leaves, part.views, strict=True)
            if view is not None
        ]
        self.scalars = [(leaf, leaf.requires_grad) for leaf in members.values() if not leaf.ndim]
        for leaf in leaves:
            if id(leaf) not in members and leaf.ndim:
                self.places.append((leaf, housed(leaf), leaf.requires_grad))
            elif id(leaf) not in members:
                self.scalars.append((leaf, leaf.requires_grad))
        self.leaves = [*(leaf for leaf, _, _ in self.places), *(leaf for leaf, _ in self.scalars)]
        self.known = set(map(id, self.leaves))

    def settled(self) -> bool:
        """Whether every leaf is as it was recorded; new data is taken over first."""
        for leaf, view, tracked in self.places:
            if leaf.requires_grad is not tracked:
                return False
            data = leaf._data
            if data is not view:
                if data.shape != view.shape or data.dtype != view.dtype:
                    return False
                if data.__class__ is not ndarray:
                    raise TracingError(
                        "another thread is recording a program with the same parameters; let one "
                        "thread call the compiled functions twice before others begin"
                    )
                room(view)[...] = data
                leaf._data = view
        for leaf, wanted in self.scalars:
            if leaf.requires_grad is not wanted:
                return False
        for part in self.parts:
            if not part.same():
                return False
            if part.states and not part.take_over(self.optimizer):  # type: ignore[arg-type]
                return False
            for leaf, at in part.single:
                part.data[at] = leaf._data
        return True

    def hand_back(self) -> None:
        """After an update: tell the leaves and the optimiser."""
        for part in self.parts:
            part.hand_back()


class Containers:
    """Lists and dicts, those in which modules keep their parts too, and what was in them.

    A module notices when an attribute is set, but not when something is put into a list.
    """

    def __init__(self, roots: Iterable[Any]) -> None:
        self.known: list[tuple[Any, tuple[Any, ...]]] = []
        todo: list[Any] = list(roots)
        seen: set[int] = set()
        for item in todo:  # which grows meanwhile
            if id(item) in seen:
                continue
            seen.add(id(item))
            if isinstance(item, list | tuple | dict):
                parts = tuple(item.values() if isinstance(item, dict) else item)
                if not isinstance(item, tuple):
                    self.known.append((item, parts))
                todo += parts
            elif isinstance(item, Module):
                todo += vars(item).values()

    def same(self) -> bool:
        """Whether they hold the very same parts."""
        for item, parts in self.known:
            now = item.values() if isinstance(item, dict) else item
            if len(now) != len(parts) or not all(map(is_, now, parts)):
                return False
        return True


def housed(leaf: Value) -> Array:
    """A read-only view of memory of our own, that takes the place of a leaf's data."""
    view = np.array(leaf._data)[...]
    view.setflags(write=False)
    leaf._data = view
    return view


def room(view: Array) -> Array:
    """The memory behind a read-only view, in its shape, to be written to."""
    own = view.base
    assert isinstance(own, np.ndarray)
    if own.shape == view.shape:
        return own
    first = view.__array_interface__["data"][0] - own.__array_interface__["data"][0]
    start = first // own.itemsize
    return own[start : start + view.size].reshape(view.shape)
