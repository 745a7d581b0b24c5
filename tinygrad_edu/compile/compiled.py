"""A step that is recorded once and replayed: forward, backward and update as one program."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.containers import mapped
from ..engine.context import changed, observe
from ..engine.effects import RECORDER, structure
from ..engine.node import Node, make_leaf
from ..engine.value import Value
from ..errors import OperandError, RecordingWarning
from ..optim import Optimizer
from .parts import Part, housed, parts_of, room
from .program import Program
from .tape import Slot, Tape, Traced, TracedNumber

Array = np.ndarray[Any, np.dtype[Any]]
Kinds = tuple[Any, ...]
ndarray = np.ndarray


def compile(f: Callable[..., Any], optimizer: Optimizer | None = None) -> Compiled:  # noqa: A001
    """`f`, a backward pass and the optimiser's step as one program: `step = te.compile(f, opt)`.

    `f` takes arrays, Values and numbers and returns a loss, or a tuple that begins with one; so
    does `step`, with results that are not tracked. Without an optimiser the gradients are added to
    the leaves' `.grad`; where `f` returns what is not tracked, there is no backward pass. The first
    call runs as ever, the second one records, and later ones replay what was recorded. It records
    again where shapes, dtypes, numbers, a module's mode or parameters have changed. `step.source`
    is the program as Python. Raises `TracingError` where `f` needs the number behind a Value.
    """
    if not callable(f):
        raise OperandError(f"te.compile takes a function of arrays and Values, not {f!r:.60}")
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise OperandError(f"te.compile takes an optimiser of te.optim, not {optimizer!r:.60}")
    return Compiled(f, optimizer)


@dataclass(eq=False)
class Recorded:
    """A program, and what it needs of the world around it.

    `counts` are where optimisers keep numbers, each with the slots before and after; `grown` the
    leaves whose gradients it returns behind its results, `shape` the container of the results.
    """

    program: Program
    step: Callable[..., Any]
    counts: list[tuple[dict[str, Any], str]]
    grown: list[Value]
    shape: Any
    results: int


class Compiled:
    """What `te.compile` returns: call it as you would call the function."""

    def __init__(self, f: Callable[..., Any], optimizer: Optimizer | None) -> None:
        self.f, self.optimizer = f, optimizer
        self.parts: list[Part] = []
        self.housing: list[tuple[Value, Array, bool]] = []
        self.scalars: list[Value] = []
        self.version = -1
        # For each kind of arguments the programs, one for each way that branches were taken.
        self.programs: dict[Kinds, list[Recorded]] = {}
        self.latest: tuple[Kinds, Recorded] | None = None
        self._told = False
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        count = sum(map(len, self.programs.values()))
        return f"<compiled {getattr(self.f, '__name__', self.f)!s}, {count} programs>"

    @property
    def source(self) -> str:
        """The latest program as Python; empty before there is one."""
        return "" if self.latest is None else self.latest[1].program.source

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function returns, without a graph."""
        if not self._lock.acquire(blocking=False):
            # Another thread is inside, or the function calls this step itself.
            return self.eager(args, kwargs)
        try:
            if self.latest is not None and self.version == structure.version and not kwargs:
                kinds, recorded = self.latest
                if same_arrays(args, kinds) and self.settled():
                    found = self.run(recorded, args)
                    return self.elsewhere(args, kinds) if found is None else found[0]
            return self.anew(args, kwargs)
        finally:
            self._lock.release()

    # ---- replaying ----

    def settled(self) -> bool:
        """Whether every leaf is as it was recorded; new data is taken over first."""
        for leaf, view, tracked in self.housing:
            if leaf.requires_grad is not tracked:
                return False
            data = leaf._data
            if data is not view:
                if data.shape != view.shape or data.dtype != view.dtype:
                    return False
                room(view)[...] = data
                leaf._data = view
        if self.parts and self.optimizer is not None:
            for part in self.parts:
                if not part.same:
                    return False
                part.take_over(self.optimizer)
        return True

    def run(self, recorded: Recorded, args: tuple[Any, ...]) -> tuple[Any] | None:
        """The results in a tuple; None where a guard does not hold, and nothing has changed."""
        counted = [kept[name] for kept, name in recorded.counts]
        rates = [part.group["lr"] for part in self.parts]
        single = [leaf._data for leaf in self.scalars]
        try:
            found = recorded.step(*numbers(args), *single, *rates, *counted)
        except FloatingPointError:
            # Something overflowed, or has no value: as ever, step by step.
            return (self.eager(args, {}),)
        if found is None:
            return None
        for (kept, name), number in zip(
            recorded.counts, found[len(found) - len(counted) :], strict=True
        ):
            kept[name] = number
        if self.optimizer is not None:
            for part in self.parts:
                part.hand_back(self.optimizer)
        else:
            for leaf, g in zip(recorded.grown, found[recorded.results :], strict=False):
                leaf.grad = g if leaf.grad is None else leaf.grad + g
        return (filled_in(recorded.shape, found),)

    def elsewhere(self, args: tuple[Any, ...], kinds: Kinds) -> Any:
        """One of the other programs whose guards hold, else a new one."""
        for recorded in self.programs[kinds]:
            if self.latest is not None and recorded is self.latest[1]:
                continue
            found = self.run(recorded, args)
            if found is not None:
                self.latest = kinds, recorded
                return found[0]
        return self.record(args, {}, kinds)

    # ---- as ever ----

    def eager(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Without a program."""
        with changed(recording=False):
            returned = self.f(*args, **kwargs)
        loss = first_of(returned)
        if self.optimizer is not None:
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        elif isinstance(loss, Value) and loss.requires_grad:
            loss.backward()
        return mapped(lambda leaf, path: detached(leaf), returned)

    def anew(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A call that the latest program does not know: another program, as ever, or recorded."""
        kinds = tuple(map(kind_of, args)), tuple((n, kind_of(each)) for n, each in kwargs.items())
        if self.version == structure.version and self.settled():
            if kinds in self.programs:
                return self.elsewhere(args, kinds) if not kwargs else self.eager(args, kwargs)
            if kwargs:
                return self.eager(args, kwargs)
            self.tell(kinds)
            return self.record(args, kwargs, kinds)
        return self.look(args, kwargs)

    def tell(self, kinds: Kinds) -> None:
        """Say once that it records again."""
        if self.programs and not self._told:
            self._told = True
            warnings.warn(
                "te.compile records again for arguments of another shape or dtype; each kind has "
                "its program from then on. This is said once",
                RecordingWarning,
                stacklevel=5,
            )

    def look(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run as ever, and note down which leaves take part."""
        found: dict[int, Value] = {}

        def listen(node: Node, gradient: Any) -> None:
            if gradient is None:
                for item in node.inputs:
                    if isinstance(item, Value) and item.op is None:
                        found.setdefault(id(item), item)

        version = structure.version
        token = RECORDER.set(Assigned(found))
        try:
            with observe(listen), changed(recording=True):
                returned = self.f(*args, **kwargs)
        finally:
            RECORDER.reset(token)
        loss = first_of(returned)
        if self.optimizer is not None:
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        elif isinstance(loss, Value) and loss.requires_grad:
            loss.backward()
        given = {id(each) for each in (*args, *kwargs.values())}
        self.settle([leaf for key, leaf in found.items() if key not in given])
        self.version = version if version == structure.version else -1
        return mapped(lambda leaf, path: detached(leaf), returned)

    def settle(self, leaves: list[Value]) -> None:
        """Give every leaf its place in memory; programs of before are forgotten."""
        self.programs, self.latest = {}, None
        self.parts = parts_of(self.optimizer) if self.optimizer is not None else []
        known = {id(leaf) for part in self.parts for leaf in part.leaves}
        self.housing = [
            (leaf, view, leaf.requires_grad)
            for part in self.parts
            for leaf, view in zip(part.leaves, part.views, strict=True)
            if view is not None
        ]
        self.scalars = [leaf for part in self.parts for leaf in part.leaves if not leaf.ndim]
        for leaf in leaves:
            if id(leaf) not in known and leaf.ndim:
                self.housing.append((leaf, housed(leaf), leaf.requires_grad))
            elif id(leaf) not in known:
                self.scalars.append(leaf)

    # ---- recording ----

    def record(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], kinds: Kinds) -> Any:
        """Run with stand-ins for all arrays, which is a real call, and make a program of it."""
        tape = Tape()
        swapped: list[tuple[Value, Any, Any]] = []
        held: dict[Slot, Any] = {}
        for leaf in [*(leaf for leaf, _, _ in self.housing), *self.scalars]:
            stand_in = tape.given(leaf._data)
            swapped.append((leaf, leaf._data, stand_in))
            if leaf.ndim:
                held[stand_in.slot] = leaf._data
        inputs: list[Slot] = []
        given: list[Any] = []
        for each in args:
            if isinstance(each, np.ndarray | np.generic | Value) or each.__class__ is float:
                stand_in = tape.given(each._data if isinstance(each, Value) else each)
                inputs.append(stand_in.slot)
                if each.__class__ is float:
                    given.append(stand_in)
                    continue
                tracked = isinstance(each, Value) and each.requires_grad
                given.append(make_leaf(Value, stand_in, requires_grad=tracked))
            else:
                given.append(each)
        inputs += [stand_in.slot for leaf, _, stand_in in swapped if not leaf.ndim]
        token = RECORDER.set(tape)
        grads = [(leaf, leaf.grad) for leaf, _, _ in swapped]
        try:
            for leaf, _, stand_in in swapped:
                leaf._data, leaf.grad = stand_in, None
            returned = self.f(*given, **kwargs)
            loss = first_of(returned)
            if self.optimizer is not None or (isinstance(loss, Value) and loss.requires_grad):
                loss.backward()
            gradients = {id(leaf): leaf.grad for leaf, _, _ in swapped}
        finally:
            RECORDER.reset(token)
            assigned: dict[Slot, Any] = {}
            for (leaf, data, stand_in), (_, before) in zip(swapped, grads, strict=True):
                now, leaf._data, leaf.grad = leaf._data, data, before
                if now is not stand_in:
                    assigned[now.slot] = room(data)
                    room(data)[...] = now.value
        mark = len(tape.instructions)
        targets: dict[Slot, Array] = {}
        grown: list[Value] = []
        outputs: list[Any] = []
        known: set[int] = set()
        for part in self.parts:
            for leaf, place in zip(part.leaves, part.gradients, strict=True):
                known.add(id(leaf))
                g = gradients.get(id(leaf))
                leaf.grad = None if g is None else np.array(g.value)[()]
                place[...] = 0 if g is None else g.value
                if g is not None:
                    targets[g.slot] = place
        results = [slot_of(each) for each in ends_of(returned)]
        outputs += results
        if self.optimizer is None:
            for leaf, _, _ in swapped:
                g = gradients[id(leaf)]
                if g is not None:
                    grown.append(leaf)
                    outputs.append(slot_of(g))
                    value = np.array(g.value)[()]
                    leaf.grad = value if leaf.grad is None else leaf.grad + value
        counts: list[tuple[dict[str, Any], str]] = []
        rates, before, after, later = [], [], [], dict[Slot, Array]()
        for part in self.parts:
            assert self.optimizer is not None
            rate = tape.given(part.group["lr"])
            rates.append(rate.slot)
            data, gradient = tape.given(part.data), tape.given(part.gradient)
            held[data.slot], held[gradient.slot] = part.data, part.gradient
            states: dict[str, Any] = {}
            for name, entry in part.states.items():
                states[name] = tape.given(entry)
                if isinstance(entry, int):
                    before.append(states[name].slot)
                else:
                    held[states[name].slot] = entry
            moved, updated = self.optimizer.update(
                data, gradient, states, {**part.group, "lr": rate}
            )
            later[moved.slot] = part.data
            part.data[...] = moved.value
            for name, entry in updated.items():
                if isinstance(part.states[name], int):
                    counts.append((part.states, name))
                    after.append(slot_of(entry))
                    part.states[name] = entry.value
                else:
                    later[entry.slot] = part.states[name]
                    part.states[name][...] = entry.value
            part.hand_back(self.optimizer)
        program = Program(
            tape,
            [*inputs, *rates, *before],
            held,
            [*outputs, *after],
            targets,
            mark=mark,
            later=later,
            checked=[part.gradient for part in self.parts],
            assigned=assigned,
        )
        container = mapped(lambda leaf, path: blank(leaf), returned)
        recorded = Recorded(program, program.function, counts, grown, container, len(results))
        self.programs.setdefault(kinds, []).append(recorded)
        self.latest = kinds, recorded
        return mapped(lambda leaf, path: recorded_value(leaf), returned)


# ---- what goes in and comes out ----


def kind_of(item: Any) -> Any:
    """What must be the same for a program to hold."""
    if isinstance(item, np.ndarray | np.generic):
        return item.shape, item.dtype
    if isinstance(item, Value):
        return item.shape, item.dtype, item.requires_grad
    return (float,) if item.__class__ is float else (type(item), item)


def same_arrays(args: tuple[Any, ...], kinds: Kinds) -> bool:
    """Whether arguments are of the kinds that were recorded."""
    known = kinds[0]
    if len(args) != len(known):
        return False
    for each, kind in zip(args, known, strict=True):
        if each.__class__ is ndarray:
            if each.shape != kind[0] or each.dtype is not kind[1] or len(kind) != 2:
                return False
        elif kind_of(each) != kind:
            return False
    return True


def numbers(args: tuple[Any, ...]) -> Iterator[Any]:
    """The arguments that are inputs of a program."""
    for each in args:
        if each.__class__ is ndarray:
            yield each
        elif isinstance(each, Value):
            yield each._data
        elif isinstance(each, np.ndarray | np.generic) or each.__class__ is float:
            yield each


def first_of(returned: Any) -> Any:
    """The loss in what a function returned."""
    return returned[0] if isinstance(returned, tuple | list) and returned else returned


def ends_of(returned: Any) -> list[Any]:
    """The results with numbers, in order."""
    found: list[Any] = []
    mapped(lambda leaf, path: found.append(leaf), returned)
    return found


def slot_of(item: Any) -> Any:
    """The slot of a traced result; a constant as it is."""
    data = item._data if isinstance(item, Value) else item
    return data.slot if isinstance(data, Traced | TracedNumber) else data


def detached(leaf: Any) -> Any:
    """A Value without its graph."""
    return leaf.detach() if isinstance(leaf, Value) else leaf


def recorded_value(leaf: Any) -> Any:
    """The numbers of a result of a recording."""
    data = leaf._data if isinstance(leaf, Value) else leaf
    value = data.value if isinstance(data, Traced | TracedNumber) else data
    return make_leaf(Value, value, requires_grad=False) if isinstance(leaf, Value) else value


def blank(leaf: Any) -> Any:
    """A result of the same kind that holds on to nothing."""
    return make_leaf(Value, np.float64(0), requires_grad=False) if isinstance(leaf, Value) else 0.0


def filled_in(shape: Any, found: tuple[Any, ...]) -> Any:
    """The results of a program in the container that the function returned."""
    if shape.__class__ is Value:
        return make_leaf(Value, found[0], requires_grad=False)
    following = iter(found)

    def put(leaf: Any, path: str) -> Any:
        result = next(following)
        return make_leaf(Value, result, requires_grad=False) if isinstance(leaf, Value) else result

    return mapped(put, shape)


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
