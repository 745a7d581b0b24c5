"""A step that is recorded once and replayed: forward, backward and update as one program."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engine.containers import is_leaf, is_model, mapped, parts
from ..engine.context import RECORDER, STATE, changed, observe
from ..engine.effects import structure
from ..engine.node import Node, Untraced, make_leaf
from ..engine.value import Value
from ..errors import OperandError, RecordingWarning, TracingError
from ..optim import Optimizer
from .parts import Part, housed, parts_of, room
from .program import Program
from .tape import Method, Slot, Tape, Traced, TracedNumber

Array = np.ndarray[Any, np.dtype[Any]]
# Of the positional arguments, of the others; whether derivatives are tracked, and modules learn.
Kinds = tuple[tuple[Any, ...], tuple[Any, ...], tuple[bool, int]]
ndarray = np.ndarray

# So many programs of one kind of arguments, one for each way through its branches.
MOST_BRANCHES = 8
# So many kinds of arguments are remembered.
MOST_KINDS = 64
# A recording that is not finite is tried so often.
MOST_FAILURES = 3


def compile(f: Callable[..., Any], optimizer: Optimizer | None = None) -> Compiled:
    """`f`, a backward pass and the optimiser's step as one program: `step = te.compile(f, opt)`.

    `f` takes arrays, Values and numbers, and containers of them, and returns a loss, or a tuple
    that begins with one; so does `step`, with results that are not tracked. Without an optimiser
    the gradients are added to the leaves' `.grad`, with one they stay inside and `.grad` is None;
    where `f` returns what is not tracked, there is no backward pass. The first call runs as ever,
    the second one records, and later ones replay what was recorded. It records again where shapes,
    dtypes, integers, a module's mode or parameters have changed. What `f` computes from its
    arguments, from Values and by dropout is computed anew at each call; other numbers (a global
    array, random ones of `f`'s own) are those of the recording. `step.source` is the program as
    Python. Raises `TracingError` where `f` needs the number behind a Value.
    """
    if not callable(f):
        raise OperandError(f"te.compile takes a function of arrays and Values, not {f!r:.60}")
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise OperandError(f"te.compile takes an optimiser of te.optim, not {optimizer!r:.60}")
    return Compiled(f, optimizer)


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


@dataclass(eq=False)
class Recorded:
    """A program, and what it needs of the world around it.

    `counts` are where optimisers keep numbers. Behind its `results` the program returns gradients,
    of the leaves `grown` and of the arguments at positions `given`, and then the counts; `shape` is
    the container of the results.
    """

    program: Program
    step: Callable[..., Any]
    counts: list[tuple[dict[str, Any], str]]
    grown: list[Value]
    given: list[int]
    shape: Any
    results: int
    generators: list[np.random.Generator]
    plain: bool  # every argument is an array


@dataclass(eq=False)
class Run:
    """What a recording of a function gave: the stand-ins of its results and gradients."""

    tape: Tape
    inputs: list[Slot] = field(default_factory=list)
    held: dict[Slot, Any] = field(default_factory=dict)
    results: list[Any] = field(default_factory=list)
    shape: Any = None
    # By the id of a leaf, and by the position of an argument.
    gradients: dict[int, Any] = field(default_factory=dict)
    of_arguments: dict[int, Any] = field(default_factory=dict)
    assigned: list[tuple[Value, Any]] = field(default_factory=list)


class Compiled:
    """What `te.compile` returns: call it as you would call the function."""

    def __init__(self, f: Callable[..., Any], optimizer: Optimizer | None) -> None:
        self.f, self.optimizer = f, optimizer
        self.parts: list[Part] = []
        self.housing: list[tuple[Value, Array, bool]] = []
        self.scalars: list[tuple[Value, bool]] = []
        self.known: set[int] = set()
        self.version = -1
        # For each kind of arguments the programs, one for each way that branches were taken.
        self.programs: dict[Kinds, list[Recorded]] = {}
        self.latest: tuple[Kinds, Recorded] | None = None
        # Kinds that stay uncompiled, and how often a recording was of no use.
        self.refused: set[Kinds] = set()
        self.failures: dict[Kinds, int] = {}
        # The branching records that programs call as they are, by their sites on the tape.
        self.whole: dict[Kinds, Container[int]] = {}
        # Whether each result is a Value, as the first call returned them.
        self.values: list[bool] = []
        # The leaves that took part, and in which modes of the modules they were looked for.
        self.found: dict[int, Value] = {}
        self.modes: set[int] = set()
        self._told = False
        self._fruitless = 0
        self._inside = False
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        count = sum(map(len, self.programs.values()))
        return f"<compiled {getattr(self.f, '__name__', self.f)!s}, {count} programs>"

    @property
    def source(self) -> str:
        """The latest program as Python; empty before there is one."""
        return "" if self.latest is None else self.latest[1].program.source

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function returns, without a graph."""
        state = STATE.get()
        if state.watched or RECORDER.get() is not None:
            return self.surrounded(args, kwargs)
        with self._lock:
            if self._inside:  # the function calls this step itself
                return self.eager(args, kwargs)
            self._inside = True
            try:
                if self.latest is not None and self.version == structure.version and not kwargs:
                    kinds, recorded = self.latest
                    now = state.tracking, structure.mode
                    if kinds[2] == now and self.like(args, kinds) and self.settled():
                        found = self.run(recorded, args)
                        return found[0] if found else self.elsewhere(args, kinds, recorded)
                return self.anew(args, kwargs)
            finally:
                self._inside = False

    def surrounded(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A call that another recording, or an observer, shall see the inside of."""
        if RECORDER.get() is not None:
            if self.optimizer is not None:
                raise TracingError(
                    "a compiled step with an optimiser is called inside of another compiled "
                    "function; call it beside that, or compile one function of both losses"
                )
            return self.eager(args, kwargs)
        if STATE.get().observers:
            raise TracingError(
                "a compiled step makes no nodes that te.observe or te.trace_nonfinite could tell "
                f"of; inside of them call {getattr(self.f, '__name__', 'the function')} itself"
            )
        with changed(lines=False):
            return self(*args, **kwargs)

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
        return True

    def run(self, recorded: Recorded, args: tuple[Any, ...]) -> tuple[Any] | None:
        """The results in a tuple; None where a guard does not hold, and nothing has changed."""
        # Of what most programs do not have, not even an empty list is made.
        given = list(args if recorded.plain else numbers(args))
        for leaf, _ in self.scalars:
            given.append(leaf._data)
        for part in self.parts:
            given.append(part.group["lr"])
        for kept, name in recorded.counts:
            given.append(kept[name])
        before = None
        if recorded.generators:
            before = [each.bit_generator.state for each in recorded.generators]
        try:
            found = recorded.step(*given)
        except Exception:
            # It overflows, has no value, or an operation refuses: as ever, step by step.
            if before:
                put_back(recorded.generators, before)
            return (self.eager(args, {}),)
        if found is None:
            if before:
                put_back(recorded.generators, before)
            return None
        self.finish(recorded, found, args)
        return (filled_in(recorded.shape, found),)

    def finish(self, recorded: Recorded, found: tuple[Any, ...], args: tuple[Any, ...]) -> None:
        """Hand out what a program has found besides its results."""
        if recorded.counts:
            newest = found[len(found) - len(recorded.counts) :]
            for (kept, name), number in zip(recorded.counts, newest, strict=True):
                kept[name] = number
        if self.optimizer is not None:
            for part in self.parts:
                part.hand_back(self.optimizer)
        if recorded.grown or recorded.given:
            grown = recorded.grown
            if recorded.given:
                items = list(arguments(args))
                grown = [*grown, *(items[place] for place in recorded.given)]
            for leaf, g in zip(grown, found[recorded.results :], strict=False):
                leaf.grad = g if leaf.grad is None else leaf.grad + g

    def elsewhere(
        self, args: tuple[Any, ...], kinds: Kinds, tried: Recorded | None = None
    ) -> Any:
        """One of the other programs whose guards hold, else a new one."""
        for recorded in self.programs[kinds]:
            if recorded is not tried:
                found = self.run(recorded, args)
                if found is not None:
                    self.latest = kinds, recorded
                    return found[0]
        # A record that branches is a call of its own from then on, right on either way: there
        # are as many ways through a program as products of its branches.
        sites = {id(each): {*each.program.failed} - {0} for each in self.programs[kinds]}
        if branching := frozenset[int]().union(*sites.values()):
            known = self.whole.get(kinds, frozenset())
            if isinstance(known, frozenset):
                known |= branching
                self.whole[kinds] = known if len(known) < MOST_BRANCHES else range(sys.maxsize)
            self.programs[kinds] = [p for p in self.programs[kinds] if not sites[id(p)]]
        for each in self.programs[kinds]:
            each.program.failed.clear()
        if len(self.programs[kinds]) >= MOST_BRANCHES:
            self.refuse(kinds, f"it branches on its numbers in {MOST_BRANCHES} ways and more")
            return self.eager(args, {})
        return self.record(args, kinds)

    # ---- as ever ----

    def eager(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Without a program."""
        with changed(recording=False):
            returned = self.f(*args, **kwargs)
        results = each_end(detached, returned)  # a leaf among them is about to move
        self.backward(returned)
        if self.optimizer is not None:
            self.optimizer.step()
            self.optimizer.zero_grad()
        return results

    def backward(self, returned: Any) -> None:
        """The backward pass from what the function returned."""
        loss = first_of(returned)
        if self.optimizer is not None:
            if not isinstance(loss, Value):
                raise OperandError(
                    "a function that is compiled with an optimiser returns the loss, a Value, or "
                    f"a tuple that begins with it, not {loss!r:.60}"
                )
            self.optimizer.zero_grad()
            loss.backward()
        elif isinstance(loss, Value) and loss.requires_grad and loss.size == 1:
            loss.backward()

    def refuse(self, kinds: Kinds, why: str) -> None:
        """Leave a kind of arguments uncompiled, and say so."""
        self.programs.pop(kinds, None)
        self.refused.add(kinds)
        if self.latest is not None and self.latest[0] == kinds:
            self.latest = None
        warnings.warn(
            f"te.compile leaves {self.f!r:.80} uncompiled for these arguments: {why}",
            RecordingWarning,
            stacklevel=6,
        )

    def anew(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A call that the latest program does not know: another program, as ever, or recorded."""
        if self.version != structure.version or not self.settled():
            self.modes, self.found = set(), {}
            return self.look(args, kwargs)
        if structure.mode not in self.modes:
            return self.look(args, kwargs)  # other leaves may take part
        if kwargs:
            return self.eager(args, kwargs)
        try:
            now = STATE.get().tracking, structure.mode
            kinds = tuple(map(self.kind_of, args)), (), now
        except Unfit:
            return self.eager(args, kwargs)
        if kinds in self.refused:
            return self.eager(args, kwargs)
        if kinds in self.programs:
            return self.elsewhere(args, kinds)
        self.tell(kinds)
        return self.record(args, kinds)

    def tell(self, kinds: Kinds) -> None:
        """Say once that it records again."""
        if not self._told and any(known[2] == kinds[2] for known in self.programs):
            self._told = True
            warnings.warn(
                "te.compile records again for arguments of another shape, dtype or layout, or "
                "another integer (write float(n) where it is only computed with); each kind has "
                "its program from then on. This is said once",
                RecordingWarning,
                stacklevel=5,
            )

    def look(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run as ever, and note down which leaves take part."""
        found = self.found

        def listen(node: Node, gradient: Any) -> None:
            if gradient is None:
                for item in node.inputs:
                    if isinstance(item, Value) and item.op is None:
                        found.setdefault(id(item), item)

        # What the calls before this one have led to.
        self._fruitless = self._fruitless + 1 if self.latest is None and self.modes == set() else 0
        if self._fruitless == MOST_FAILURES + 1:
            warnings.warn(
                f"te.compile has not come to record {self.f!r:.80}: at each call a module is given "
                "another attribute or mode (self.last = ... in its forward, say); return such "
                "values instead",
                RecordingWarning,
                stacklevel=4,
            )
        version, mode = structure.version, structure.mode
        token = RECORDER.set(Assigned(found))
        try:
            with observe(listen), changed(recording=True):
                returned = self.f(*args, **kwargs)
        finally:
            RECORDER.reset(token)
        for each in ends_of(returned):
            if isinstance(each, Value) and each.op is None:
                found.setdefault(id(each), each)
        results = each_end(detached, returned)
        self.backward(returned)
        moved: set[int] = set()
        if self.optimizer is not None:
            moved = {id(each) for each in self.optimizer.params if each.grad is not None}
            self.optimizer.step()
            self.optimizer.zero_grad()
        given = {id(each) for each in arguments((*args, *kwargs.values()))}
        self.settle([leaf for key, leaf in found.items() if key not in given], moved)
        ends = ends_of(returned)
        self.values = [isinstance(each, Value) for each in ends]
        self.version = version if version == structure.version else -1
        self.modes.add(mode)
        return results

    def settle(self, leaves: list[Value], moved: set[int]) -> None:
        """Give every leaf its place in memory; programs of before are forgotten."""
        self.programs, self.latest, self.refused, self.failures = {}, None, set(), {}
        self.whole = {}
        self.parts = parts_of(self.optimizer, moved) if self.optimizer is not None else []
        members = {id(leaf): leaf for part in self.parts for leaf in part.leaves}
        self.housing = [
            (leaf, view, leaf.requires_grad)
            for part in self.parts
            for leaf, view in zip(part.leaves, part.views, strict=True)
            if view is not None
        ]
        self.scalars = [(leaf, leaf.requires_grad) for leaf in members.values() if not leaf.ndim]
        for leaf in leaves:
            if id(leaf) not in members and leaf.ndim:
                self.housing.append((leaf, housed(leaf), leaf.requires_grad))
            elif id(leaf) not in members:
                self.scalars.append((leaf, leaf.requires_grad))
        self.known = set(map(id, self.leaves()))

    def leaves(self) -> list[Value]:
        """All that take part."""
        return [*(leaf for leaf, _, _ in self.housing), *(leaf for leaf, _ in self.scalars)]

    # ---- what the arguments are ----

    def kind_of(self, item: Any) -> Any:
        """What must be the same for a program to hold. Raises `Unfit`."""
        if isinstance(item, np.ndarray | np.generic):
            return item.shape, item.dtype, item.strides  # BLAS adds up in another order
        if isinstance(item, Value):
            if id(item) in self.known or (item.requires_grad and item.op is not None):
                raise Unfit  # gradients flow on into leaves of ours, or another graph
            return item.shape, item.dtype, item.requires_grad
        if item.__class__ is float:
            return (float,)
        held = None if is_model(item) else parts(item)
        if held is not None:
            return type(item), tuple((key, self.kind_of(part)) for key, part in held.items())
        if isinstance(item, list):
            array = np.asarray(item)
            return list, array.shape, array.dtype
        return type(item), item if isinstance(item, int | str | bytes | None) else Same(item)

    def like(self, args: tuple[Any, ...], kinds: Kinds) -> bool:
        """Whether arguments are of the kinds that were recorded."""
        known = kinds[0]
        if len(args) != len(known):
            return False
        for each, kind in zip(args, known):  # noqa: B905 (strict costs as much as a comparison)
            if each.__class__ is ndarray:
                if each.shape != kind[0] or each.dtype is not kind[1] or each.strides != kind[2]:
                    return False
            else:
                try:
                    if self.kind_of(each) != kind:
                        return False
                except Unfit:
                    return False
        return True

    # ---- recording ----

    def record(self, args: tuple[Any, ...], kinds: Kinds) -> Any:
        """Run with stand-ins for all arrays, which is a real call, and make a program of it."""
        tape = Tape(whole=self.whole.get(kinds, ()))
        try:
            run = self.traced(tape, args)
            try:
                recorded, writes = self.updated(run, args)
            except TracingError as error:  # in a rule of the user's own, which steps uncompiled
                raise Untraced(str(error)) from error
        except Untraced as unknown:
            forget(tape)
            self.refuse(kinds, str(unknown))
            return self.eager(args, {})
        except BaseException as error:
            forget(tape)
            if isinstance(error.__cause__, TracingError):  # NumPy has taken it for one of its own
                raise error.__cause__ from None
            raise
        if recorded is None or not all(finite(each) for each in self.to_check(run)):
            # Only step by step what is not finite is mended, or reported.
            forget(tape)
            self.failed(kinds)
            return self.eager(args, {})
        drawn = [(generator, generator.bit_generator.state) for generator in recorded.generators]
        saved = [(into, into.copy()) for into, _ in writes]
        forget(tape)
        inputs = [tape.inputs[slot] for slot in recorded.program.given]
        values = {each.out: each.value for each in tape.instructions} | tape.inputs
        expected = [
            np.array(values[each] if isinstance(each, Slot) else each)
            for each in recorded.program.wanted
        ]
        try:
            found = recorded.step(*inputs)
        except FloatingPointError:
            self.failed(kinds)
            return self.undone(saved, args)
        except Exception as error:
            self.refuse(kinds, f"its program fails; please report it with the function ({error!r})")
            return self.undone(saved, args)
        put_back(*zip(*drawn, strict=True)) if drawn else None
        if (
            found is None
            or not all(map(same, found, expected))
            or not all(same(into, value) for into, value in writes)
        ):
            self.refuse(kinds, "its program gives other numbers; please report it with the code")
            forget(tape)
            return self.undone(saved, args)
        self.finish(recorded, found, args)
        self.programs.setdefault(kinds, []).append(recorded)
        if len(self.programs) > MOST_KINDS:
            self.programs.pop(next(iter(self.programs)))
        self.latest = kinds, recorded
        return filled_in(recorded.shape, found)

    def undone(self, saved: Sequence[tuple[Array, Array]], args: tuple[Any, ...]) -> Any:
        """As ever, from where the program began that was of no use."""
        for into, before in saved:
            into[...] = before
        return self.eager(args, {})

    def failed(self, kinds: Kinds) -> None:
        """Count a recording that was of no use."""
        self.failures[kinds] = self.failures.get(kinds, 0) + 1
        if self.failures[kinds] >= MOST_FAILURES:
            self.refuse(
                kinds,
                "numbers overflow, or have no value, at every call (look for the log or root of 0, "
                "and 0/0), and only the uncompiled way mends or reports that",
            )

    def to_check(self, run: Run) -> Iterator[Any]:
        """The numbers that are to be finite, else the engine's mending is asked for."""
        yield from run.gradients.values()
        yield from run.of_arguments.values()
        if run.tape.chained:
            yield from run.results

    def traced(self, tape: Tape, args: tuple[Any, ...]) -> Run:
        """Forward and backward with stand-ins; all is as before then."""
        run = Run(tape)
        leaves = self.leaves()
        before = [(leaf, leaf._data, leaf.grad, leaf.serial) for leaf in leaves]
        stand_ins = [tape.given(leaf._data) for leaf in leaves]
        for leaf, stand_in in zip(leaves, stand_ins, strict=True):
            if leaf.ndim:
                run.held[stand_in.slot] = leaf._data
        tracked: list[tuple[int, Value]] = []

        def stand(item: Any) -> Any:
            if not is_input(item):
                return item
            data = item._data if isinstance(item, Value) else item
            stand_in = tape.given(np.asarray(data) if isinstance(data, list) else data)
            run.inputs.append(stand_in.slot)
            if item.__class__ is float:
                return stand_in
            wants = isinstance(item, Value) and item.requires_grad
            node = make_leaf(Value, stand_in, requires_grad=wants)
            if wants:
                tracked.append((len(run.inputs) - 1, node))
            elif not isinstance(item, Value):
                tape.plain.add(id(node))
                tape.kept.append(node)
            return node

        given = [each_end(stand, each) for each in args]
        run.inputs += [
            stand_in.slot for leaf, stand_in in zip(leaves, stand_ins, strict=True) if not leaf.ndim
        ]
        token = RECORDER.set(tape)
        try:
            for leaf, stand_in in zip(leaves, stand_ins, strict=True):
                leaf._data, leaf.grad = stand_in, None
            returned = self.f(*given)
            self.backward(returned)
            ends = ends_of(returned)
            values = self.values if len(self.values) == len(ends) else [True] * len(ends)
            run.results = [own(data_of(each), leaves, stand_ins) for each in ends]
            following = iter(values)
            run.shape = each_end(
                lambda each: Hole(next(following) and isinstance(each, Value))
                if is_result(each)
                else each,
                returned,
            )
            run.gradients = {id(leaf): leaf.grad for leaf in leaves if leaf.grad is not None}
            run.of_arguments = {
                place: node.grad for place, node in tracked if node.grad is not None
            }
        finally:
            RECORDER.reset(token)
            for (leaf, data, grad, serial), stand_in in zip(before, stand_ins, strict=True):
                if leaf._data is not stand_in:
                    run.assigned.append((leaf, leaf._data))
                leaf._data, leaf.grad, leaf.serial = data, grad, serial
        return run

    def updated(self, run: Run, args: tuple[Any, ...]) -> tuple[Recorded | None, list[Any]]:
        """The program, and what it writes: pairs of an array and its numbers afterwards.

        None where it would be another than that of the first call.
        """
        tape = run.tape
        mark = len(tape.instructions)
        targets: list[tuple[Slot, Array]] = []
        writes: list[tuple[Array, Any]] = []
        assigned: list[tuple[Any, Array]] = []
        for leaf, now in run.assigned:
            if not leaf.ndim or not isinstance(now, Traced):
                raise Untraced(f"{leaf.name or 'a number'} is given new data")
            assigned.append((now.slot, room(leaf._data)))
            writes.append((room(leaf._data), now.value))
        outputs = [slot_of(each) for each in run.results]
        grown: list[Value] = []
        if self.optimizer is None:
            for leaf in self.leaves():
                if id(leaf) in run.gradients:
                    grown.append(leaf)
                    outputs.append(slot_of(run.gradients[id(leaf)]))
        else:
            moved = {id(leaf) for part in self.parts for leaf in part.leaves}
            if moved != {id(each) for each in self.optimizer.params} & run.gradients.keys():
                return None, []
            for part in self.parts:
                for leaf, place in zip(part.leaves, part.gradients, strict=True):
                    targets.append((tape.named(as_array(run.gradients[id(leaf)])), place))
            for leaf in self.leaves():
                if id(leaf) in run.gradients and id(leaf) not in moved:
                    grown.append(leaf)  # not the optimiser's
                    outputs.append(slot_of(run.gradients[id(leaf)]))
        outputs += map(slot_of, run.of_arguments.values())
        counts: list[tuple[dict[str, Any], str]] = []
        rates, before, after, later = [], [], [], list[tuple[Slot, Array]]()
        for part in self.parts:
            assert self.optimizer is not None
            for leaf, place in zip(part.leaves, part.gradients, strict=True):
                place[...] = value_of(run.gradients[id(leaf)])
            rate = tape.given(part.group["lr"])
            rates.append(rate.slot)
            arrays: dict[str, Any] = {
                name: entry if isinstance(entry, int) else part.shaped(entry, self.optimizer)
                for name, entry in part.states.items()
            }
            here, incoming = (part.shaped(a, self.optimizer) for a in (part.data, part.gradient))
            data, gradient = tape.given(here), tape.given(incoming)
            run.held[data.slot], run.held[gradient.slot] = here, incoming
            states: dict[str, Any] = {}
            for name, entry in arrays.items():
                states[name] = tape.given(entry)
                if isinstance(entry, int):
                    before.append(states[name].slot)
                else:
                    run.held[states[name].slot] = entry
            moved_to, states_after = self.optimizer.update(
                data, gradient, states, {**part.group, "lr": rate}
            )
            if states_after.keys() != part.states.keys():
                return None, []
            later.append((tape.named(moved_to), here))
            writes.append((here, value_of(moved_to)))
            for name, entry in states_after.items():
                if isinstance(part.states[name], int):
                    counts.append((part.states, name))
                    after.append(slot_of(entry))
                else:
                    later.append((tape.named(entry), arrays[name]))
                    writes.append((arrays[name], value_of(entry)))
        program = Program(
            tape,
            [*run.inputs, *rates, *before],
            run.held,
            [*outputs, *after],
            targets,
            mark=mark,
            later=later,
            checked=[part.gradient for part in self.parts],
            assigned=assigned,
            chained=tape.chained,
        )
        generators = [generator for generator, _ in tape.generators.values()]
        recorded = Recorded(
            program,
            program.function,
            counts,
            grown,
            list(run.of_arguments),
            run.shape,
            len(run.results),
            generators,
            all(each.__class__ is ndarray for each in args),
        )
        return recorded, writes


# ---- what goes in and comes out ----


def each_end(change: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` with `change(item)` for everything that it holds and that is no container."""
    return mapped(lambda leaf, path: change(leaf), tree, change)


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


def data_of(item: Any) -> Any:
    """The numbers of a Value, or their stand-in; others as they are."""
    return item._data if isinstance(item, Value) else item


def own(data: Any, leaves: Sequence[Value], stand_ins: Sequence[Traced]) -> Any:
    """A result that does not look at memory which a step writes into."""
    if isinstance(data, Traced) and isinstance(data.value, ndarray):
        for leaf, stand_in in zip(leaves, stand_ins, strict=True):
            if leaf.ndim and np.may_share_memory(data.value, stand_in.value):
                return data.tape.call(Method("copy"), (data, "K"))
    return data


def slot_of(item: Any) -> Any:
    """The slot of a traced result; a constant as it is."""
    return item.slot if isinstance(item, Traced | TracedNumber) else item


def value_of(item: Any) -> Any:
    """The numbers of a traced result; a constant as it is."""
    return item.value if isinstance(item, Traced | TracedNumber) else item


def as_array(item: Any) -> Any:
    """A constant number as an array, which has a slot; a traced result as it is."""
    return item if isinstance(item, Traced) else np.asarray(item)


def same(found: Any, expected: Any) -> bool:
    """Whether numbers are the same bit for bit."""
    a, b = np.asarray(found), np.asarray(expected)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def finite(item: Any) -> bool:
    """Whether the numbers that were recorded are."""
    value = value_of(item)
    return not np.issubdtype(np.asarray(value).dtype, np.inexact) or bool(
        np.all(np.isfinite(value))
    )


def detached(item: Any) -> Any:
    """A Value without its graph."""
    return item.detach() if isinstance(item, Value) else item


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


def put_back(generators: Sequence[np.random.Generator], states: Sequence[Any]) -> None:
    """Generators as they were."""
    for generator, state in zip(generators, states, strict=True):
        generator.bit_generator.state = state


def forget(tape: Tape) -> None:
    """Generators as they were before a recording."""
    for generator, state in tape.generators.values():
        generator.bit_generator.state = state


@dataclass(frozen=True)
class Assigned:
    """Notes down which leaves are given new data, and lets it happen."""

    found: dict[int, Value]

    def random(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
        """As ever."""
        return generator.random(shape)

    def assign(self, leaf: Value, data: Any) -> None:
        """As ever."""
        self.saw(leaf)
        leaf.data = data

    def saw(self, leaf: Value) -> None:
        """A leaf that takes part."""
        self.found.setdefault(id(leaf), leaf)
