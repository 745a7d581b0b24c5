"""A step that is recorded once and replayed: forward, backward and update as one program."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.context import changed, observe
from ..engine.effects import RECORDER
from ..engine.node import Node, make_leaf, tick
from ..engine.value import Value
from ..errors import OperandError, TracingError
from ..optim import Optimizer
from .program import Program, slots
from .tape import Slot, Tape, Traced, TracedNumber

Array = np.ndarray[Any, np.dtype[Any]]


def compiled(f: Callable[..., Any], optimizer: Optimizer | None = None) -> Compiled:
    """A function that does what `f` does, the optimiser's step too, as a recorded program."""
    if not callable(f):
        raise OperandError(f"te.compile takes a function of arrays and Values, not {f!r:.60}")
    return Compiled(f, optimizer)


@dataclass(eq=False)
class Part:
    """Parameters that are updated together: their numbers lie one behind the other."""

    leaves: list[Value]
    places: list[int]  # in the optimiser
    group: Mapping[str, Any]
    data: Array
    gradient: Array
    states: dict[str, Any]


class Compiled:
    """What `te.compile` returns: call it as you would call the function.

    The first call runs as ever and notes which leaves take part, the second one records while it
    runs, and later ones replay. `source` is the latest program as Python.
    """

    def __init__(self, f: Callable[..., Any], optimizer: Optimizer | None) -> None:
        self.f, self.optimizer = f, optimizer
        self.leaves: list[Value] | None = None
        self.parts: list[Part] = []
        self.views: list[tuple[Value, Array]] = []
        # For each kind of arguments the programs, one for each way that branches were taken.
        self.programs: dict[Any, list[Program]] = {}
        self.latest: tuple[Any, Program, Callable[..., Any]] | None = None
        self._lock = threading.Lock()

    @property
    def source(self) -> str:
        """The program as Python."""
        return "" if self.latest is None else self.latest[1].source

    def __call__(self, *args: Any) -> Any:
        if self.latest is None or not self._lock.acquire(blocking=False):
            return self.anew(args, tuple(map(kind_of, args)))
        try:
            kinds, _, step = self.latest
            for each, kind in zip(args, kinds, strict=True):
                if (
                    each.__class__ is not np.ndarray
                    or each.shape != kind[0]
                    or each.dtype is not kind[1]
                ):
                    return self.anew(args, tuple(map(kind_of, args)))
            for leaf, view in self.views:
                if leaf._data is not view:
                    self.taken_over()
                    break
            try:
                found = step(*args, *(kept[name] for kept, name, _, _ in self.latest[1].numbers))
            except FloatingPointError:
                return self.eager(args)
            if found is None:
                return self.another(args, kinds)
            return self.ended(self.latest[1], found)
        finally:
            self._lock.release()

    def another(self, args: tuple[Any, ...], kinds: Any) -> Any:
        """One of the other programs whose guards hold, else a new one."""
        for program in self.programs[kinds]:
            step = program.function
            found = step(*args, *(kept[name] for kept, name, _, _ in program.numbers))
            if found is not None:
                self.latest = kinds, program, step
                return self.ended(program, found)
        return self.anew(args, kinds)

    def ended(self, program: Program, found: tuple[Any, ...]) -> Value:
        """After a step: the loss, and what is counted one further."""
        result, *numbers = found
        for (kept, name, _, _), number in zip(program.numbers, numbers, strict=True):
            kept[name] = number
        for leaf, _ in self.views:
            leaf.serial = tick()
        return make_leaf(Value, result, requires_grad=False)

    def taken_over(self) -> None:
        """Copy what leaves were given meanwhile to where the programs look for it."""
        for leaf, view in self.views:
            if leaf._data is not view:
                np.copyto(room(view), leaf._data)
                leaf._data = view

    def anew(self, args: tuple[Any, ...], kinds: Any) -> Any:
        """Run as ever, or record."""
        if self.leaves is None:
            return self.eager(args)
        if not self.parts and self.optimizer is not None:
            self.parts = parts_of(self.optimizer)
            self.views = [(leaf, leaf._data) for part in self.parts for leaf in part.leaves]
        known = {id(leaf) for leaf, _ in self.views}
        for leaf in self.leaves:
            if id(leaf) not in known:
                self.views.append((leaf, housed(leaf)))
        self.taken_over()
        recording = Recording(self, args)
        program = recording.program
        program.numbers = recording.numbers
        self.programs.setdefault(kinds, []).append(program)
        self.latest = kinds, program, program.function
        return recording.result

    def eager(self, args: tuple[Any, ...]) -> Any:
        """Without a program, and with an ear for the leaves that take part."""
        found: dict[int, Value] = {}

        def listen(node: Node, gradient: Any) -> None:
            if gradient is None:
                for item in node.inputs:
                    if isinstance(item, Value) and item.op is None:
                        found.setdefault(id(item), item)

        token = RECORDER.set(Assigned(found))
        try:
            with observe(listen), changed_recording():
                loss = self.f(*args)
        finally:
            RECORDER.reset(token)
        if self.optimizer is not None:
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        given = {id(each) for each in args}
        self.leaves = [leaf for key, leaf in found.items() if key not in given]
        return loss.detach() if isinstance(loss, Value) else loss


@dataclass(frozen=True)
class Assigned:
    """Notes down which leaves are given new data, and lets it happen."""

    found: dict[int, Value]

    def random(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
        """As ever."""
        return generator.random(shape)

    def assign(self, leaf: Value, data: Any) -> None:
        """As ever."""
        self.found.setdefault(id(leaf), leaf)
        leaf.data = data


def changed_recording() -> Any:
    """Untracked results remember where they came from."""
    return changed(recording=True)


def kind_of(item: Any) -> Any:
    """What must be the same for a program to hold."""
    if isinstance(item, np.ndarray | np.generic):
        return item.shape, item.dtype
    if isinstance(item, Value):
        return item.shape, item.dtype, item.requires_grad
    return type(item), item


class Recording:
    """One run with duck arrays, which is a real one too, and the program made of it."""

    def __init__(self, owner: Compiled, args: tuple[Any, ...]) -> None:
        self.owner, self.optimizer = owner, owner.optimizer
        self.tape = Tape()
        # What is counted: where it is kept, its slot before, and after.
        self.numbers: list[tuple[dict[str, Any], str, Slot, Slot]] = []
        assert owner.leaves is not None
        self.parts = owner.parts
        self.held: dict[Slot, Any] = {}
        swapped: list[tuple[Value, Any, Traced]] = []
        for leaf, view in owner.views:
            stand_in = self.tape.given(view)
            swapped.append((leaf, view, stand_in))
            self.held[stand_in.slot] = view
            leaf._data = stand_in
        inputs, given = [], []
        for each in args:
            if isinstance(each, np.ndarray | np.generic):
                stand_in = self.tape.given(each)
                inputs.append(stand_in.slot)
                given.append(make_leaf(Value, stand_in, requires_grad=False))
            else:
                given.append(each)
        token = RECORDER.set(self.tape)
        try:
            loss = owner.f(*given)
            if self.optimizer is not None:
                self.optimizer.zero_grad()
                loss.backward()
            gradients = {
                id(leaf): leaf.grad for part in self.parts for leaf in part.leaves
            }
        finally:
            RECORDER.reset(token)
            assigned: dict[Slot, Array] = {}
            for leaf, view, stand_in in swapped:
                now, leaf._data = leaf._data, view
                if now is not stand_in:
                    assigned[now.slot] = view.base
                    np.copyto(view.base, now.value)
        mark = len(self.tape.instructions)
        targets: dict[Slot, Array] = {}
        for part in self.parts:
            at = 0
            for leaf in part.leaves:
                g = gradients[id(leaf)]
                leaf.grad = g.value
                view = part.gradient[at : at + leaf.size].reshape(leaf.shape)
                np.copyto(view, g.value)
                targets[g.slot] = view
                at += leaf.size
        updates = [self.update(part) for part in self.parts]
        self.counted = self.numbers
        self.result = make_leaf(Value, loss._data.value, requires_grad=False)
        self.program = Program(
            self.tape,
            [*inputs, *(before for _, _, before, _ in self.numbers)],
            self.held,
            [loss._data.slot, *(after for _, _, _, after in self.numbers)],
            targets,
            mark=mark,
            assigned=assigned,
            later={slot: array for update in updates for slot, array in update.items()},
            checked=[part.gradient for part in self.parts],
        )

    def update(self, part: Part) -> dict[Slot, Array]:
        """The optimiser's rule on all numbers of a part at once."""
        assert self.optimizer is not None
        data, gradient = self.tape.given(part.data), self.tape.given(part.gradient)
        self.held[data.slot], self.held[gradient.slot] = part.data, part.gradient
        state = {}
        for name, entry in part.states.items():
            state[name] = self.tape.given(entry)
            if not isinstance(state[name], TracedNumber):
                self.held[state[name].slot] = entry
        after, states = self.optimizer.update(data, gradient, state, part.group)
        np.copyto(part.data, after.value)
        results = {after.slot: part.data}
        for name, entry in states.items():
            if isinstance(entry, TracedNumber):
                part.states[name] = entry.value
                self.numbers.append((part.states, name, state[name].slot, entry.slot))
            else:
                np.copyto(part.states[name], entry.value)
                results[entry.slot] = part.states[name]
        return results


def housed(leaf: Value) -> Array:
    """A read-only view of memory of our own that has taken the place of a leaf's data."""
    view = np.array(leaf._data)[...]
    view.setflags(write=False)
    leaf._data = view
    return view


def room(view: Array) -> Array:
    """The memory behind a view, in its shape, to be written to."""
    own = view.base
    assert isinstance(own, np.ndarray)
    if own.shape == view.shape:
        return own
    start = (view.__array_interface__["data"][0] - own.__array_interface__["data"][0]) // own.itemsize
    return own[start : start + view.size].reshape(view.shape)


def parts_of(optimizer: Optimizer) -> list[Part]:
    """The parameters of an optimiser, those together that share a group and a dtype."""
    found: list[Part] = []
    for place, (leaf, group) in enumerate(optimizer.places):
        same = [p for p in found if p.group is group and p.data.dtype == leaf.dtype]
        if same:
            same[0].leaves.append(leaf)
            same[0].places.append(place)
        else:
            empty = np.empty(0, leaf.dtype)
            found.append(Part([leaf], [place], group, empty, empty, {}))
    for part in found:
        states = [optimizer.states[place] for place in part.places]
        part.states = {
            name: entry
            if isinstance(entry, int)
            else np.concatenate([np.ravel(state[name]) for state in states])
            for name, entry in states[0].items()
        }
        part.data = np.concatenate([np.ravel(leaf._data) for leaf in part.leaves])
        part.gradient = np.zeros_like(part.data)
        at = 0
        for leaf in part.leaves:
            view = part.data[at : at + leaf.size].reshape(leaf.shape)
            view.setflags(write=False)
            leaf._data = view
            at += leaf.size
    return found
