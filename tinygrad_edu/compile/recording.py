"""A recording of a function becomes its program of NumPy calls: forward, backward and update."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator

from ..engine.context import RECORDER, changed
from ..engine.node import Untraced, make_leaf
from ..engine.value import Value
from .ends import (
    alike,
    arguments,
    each_end,
    ends_of,
    filled_in,
    is_input,
    numbers,
    read_only,
    with_holes,
)
from .housing import Housing, room
from .parts import Array
from .program import Program
from .tape import Method, Slot, Tape, Traced, TracedNumber

ndarray = np.ndarray


class NoResultError(Exception):
    """A program has come to no result: nothing has changed."""


class OtherNumbersError(Exception):
    """A program does not give what it should; `args` says why."""


OTHERWISE = (
    "while it is recorded it returns something else than as ever. In a recording arrays among the "
    "arguments are Values (look for isinstance(x, np.ndarray), type(x), x is y, str(x)), and the "
    "function runs twice (look for random numbers of its own, which te.random draws, and for what "
    "it changes: lists, attributes, global variables)"
)


@dataclass(eq=False)
class Run:
    """What a recording of a function gave: the stand-ins of its results and gradients."""

    tape: Tape
    inputs: list[Slot] = field(default_factory=list)
    held: dict[Slot, Any] = field(default_factory=dict)
    results: list[Any] = field(default_factory=list)
    returned: Any = None
    shape: Any = None
    # By the id of a leaf, and by the position of an argument.
    gradients: dict[int, Any] = field(default_factory=dict)
    of_arguments: dict[int, Any] = field(default_factory=dict)
    assigned: list[tuple[Value, Any]] = field(default_factory=list)

    def numbers(self) -> Iterator[Any]:
        """What is to be finite, else the engine's mending is asked for."""
        yield from self.gradients.values()
        yield from self.of_arguments.values()
        if self.tape.chained:
            yield from self.results


def traced(
    f: Callable[[tuple[Any, ...]], Any],
    backward: Callable[[Any], None],
    args: tuple[Any, ...],
    leaves: Sequence[Value],
    tape: Tape,
    values: list[bool],
) -> Run:
    """Forward and backward with stand-ins for all arrays; every leaf is as before then.

    `values` says which results were Values.
    """
    run = Run(tape)
    # Values that are given may be met in other ways too, and are given back with the leaves.
    lent = [each for each in arguments(args) if isinstance(each, Value) and each.op is None]
    lent = list({id(each): each for each in lent}.values())
    before = [(leaf, leaf._data, leaf.grad, leaf.serial) for leaf in (*leaves, *lent)]
    stand_ins = [tape.given(leaf._data, leaf.name) for leaf in leaves]
    for leaf, stand_in in zip(leaves, stand_ins, strict=True):
        if leaf.ndim:
            run.held[stand_in.slot] = leaf._data
    tracked: list[tuple[int, Value]] = []

    def stand(item: Any) -> Any:
        if not is_input(item):
            return item
        data = data_of(item)
        data = getattr(data, "value", data)  # given twice
        stand_in = tape.given(np.asarray(data) if isinstance(data, list) else data)
        run.inputs.append(stand_in.slot)
        if isinstance(item, Value) and item.op is None:
            item._data, item.grad = stand_in, None
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

    token = RECORDER.set(tape)
    try:
        given = [each_end(stand, each) for each in args]
        run.inputs += [s.slot for s in stand_ins if not s.ndim]
        stand_ins += [each._data for each in lent]
        for leaf, stand_in in zip(leaves, stand_ins, strict=False):
            leaf._data, leaf.grad = stand_in, None
        with changed(observers=(tape.hear,)):
            returned = f(tuple(given))
            backward(returned)
        if any(each.grad is not None for each in lent):
            raise Untraced("a Value is given as an argument, and f finds it in another way too")
        run.results = [own(data_of(each), leaves, stand_ins) for each in ends_of(returned)]
        run.returned, run.shape = returned, with_holes(returned, values)
        run.gradients = {id(leaf): leaf.grad for leaf in leaves if leaf.grad is not None}
        run.of_arguments = {place: node.grad for place, node in tracked if node.grad is not None}
    finally:
        RECORDER.reset(token)
        for (leaf, *_), stand_in in zip(before, stand_ins, strict=False):
            if leaf._data is not stand_in:
                run.assigned.append((leaf, leaf._data))
        for leaf, data, grad, serial in before:
            leaf._data, leaf.grad, leaf.serial = data, grad, serial
    return run


class Recorded:
    """The program of a run, the optimiser's update included, and what surrounds it.

    Behind its results the program returns gradients, of the leaves `grown` and of the arguments
    at the positions `given`, and then the numbers that the optimiser keeps at `counts`. `writes`
    are arrays of leaves and optimiser with what the program leaves in them.
    Raises `Untraced` where something of it cannot be a program.
    """

    def __init__(self, run: Run, housing: Housing, args: tuple[Any, ...]) -> None:
        self.housing = housing
        self.given, self.shape, self.results = list(run.of_arguments), run.shape, len(run.results)
        self.plain = all(each.__class__ is ndarray for each in args)
        self.grown: list[Value] = []
        self.counts: list[tuple[dict[str, Any], str]] = []
        self.writes: list[tuple[Array, Any]] = []
        self.generators = [generator for generator, _ in run.tape.generators.values()]
        self.program = self.written(run)
        self.step = self.program.function

    @property
    def source(self) -> str:
        """The program as Python."""
        return self.program.source

    @property
    def branching(self) -> set[int]:
        """The sites of records whose branches went the other way."""
        return {*self.program.failed} - {0}

    def written(self, run: Run) -> Program:
        """The program."""
        tape, housing = run.tape, self.housing
        parts, optimizer = housing.parts, housing.optimizer
        mark = len(tape.instructions)
        targets: list[tuple[Slot, Array]] = []
        assigned: list[tuple[Any, Array]] = []
        for leaf, now in run.assigned:
            if not leaf.ndim or not isinstance(now, Traced):
                raise Untraced(f"{leaf.name or 'a number'} is given new data")
            assigned.append((now.slot, room(leaf._data)))
            self.writes.append((room(leaf._data), now.value))
        outputs = [slot_of(each) for each in run.results]
        moved = {id(leaf) for part in parts for leaf in part.leaves}
        if optimizer is not None:
            if moved != {id(each) for each in optimizer.params} & run.gradients.keys():
                raise Untraced("other parameters have gradients than at the first call")
            for part in parts:
                for leaf, place in zip(part.leaves, part.gradients, strict=True):
                    targets.append((tape.named(as_array(run.gradients[id(leaf)])), place))
                    tape.gradients[id(place)] = leaf._data
        for leaf in housing.leaves:
            if id(leaf) in run.gradients and id(leaf) not in moved:
                self.grown.append(leaf)
                outputs.append(slot_of(run.gradients[id(leaf)]))
        outputs += map(slot_of, run.of_arguments.values())
        rates, before, after, later = [], [], [], list[tuple[Slot, Array]]()
        tape.part = f"update: {type(optimizer).__name__}"
        for part in parts:
            assert optimizer is not None
            for leaf, place in zip(part.leaves, part.gradients, strict=True):
                place[...] = value_of(run.gradients[id(leaf)])
            rate = tape.given(part.group["lr"], "lr")
            rates.append(rate.slot)
            arrays = part.shaped_states(optimizer)
            here, incoming = (part.shaped(a, optimizer) for a in (part.data, part.gradient))
            data, gradient = tape.given(here, "weights"), tape.given(incoming, "slopes")
            run.held[data.slot], run.held[gradient.slot] = here, incoming
            states: dict[str, Any] = {}
            for name, entry in arrays.items():
                states[name] = tape.given(entry, name)
                if isinstance(entry, int):
                    before.append(states[name].slot)
                else:
                    run.held[states[name].slot] = entry
            moved_to, states_after = optimizer.update(
                data, gradient, states, {**part.group, "lr": rate}
            )
            if states_after.keys() != part.states.keys():
                raise Untraced("the rule remembers other things than at the first call")
            later.append((tape.named(moved_to), here))
            self.writes.append((here, value_of(moved_to)))
            for name, entry in states_after.items():
                if isinstance(part.states[name], int):
                    self.counts.append((part.states, name))
                    after.append(slot_of(entry))
                else:
                    later.append((tape.named(entry), arrays[name]))
                    self.writes.append((arrays[name], value_of(entry)))
        return Program(
            tape,
            [*run.inputs, *rates, *before],
            run.held,
            [*outputs, *after],
            targets,
            mark=mark,
            later=later,
            checked=[part.gradient for part in parts],
            assigned=assigned,
            chained=tape.chained,
        )

    def tried(self, tape: Tape, args: tuple[Any, ...]) -> Any:
        """The results of the program on what was recorded, bit for bit the same.

        It is the step: leaves and optimiser are as afterwards. Raises `NoResultError` or
        `OtherNumbersError`, and nothing has changed.
        """
        drawn = positions(self.generators)
        saved = [(into, into.copy()) for into, _ in self.writes]
        forget(tape)
        inputs = [tape.inputs[slot] for slot in self.program.given]
        values = {each.out: each.value for each in tape.instructions} | tape.inputs
        expected = [
            np.array(values[each] if isinstance(each, Slot) else each)
            for each in self.program.wanted
        ]
        for part in self.housing.parts:
            part.gradient.fill(np.nan)  # so that one which is not written does not go unnoticed
        error: Exception | None = None
        try:
            found = self.step(*inputs)
            if (
                found is None
                or not all(map(same, found, expected))
                or not all(same(into, value) for into, value in self.writes)
            ):
                error = OtherNumbersError("its program gives other numbers")
        except FloatingPointError as unfit:
            error = NoResultError(unfit)
        except Exception as failure:
            error = OtherNumbersError(f"its program fails ({failure!r})")
        if error is not None:
            forget(tape)
            for into, numbers_before in saved:
                into[...] = numbers_before
            raise error
        put_back(drawn)
        self.writes = []
        self.finish(found, args)
        return filled_in(self.shape, found)

    def run(self, args: tuple[Any, ...]) -> tuple[Any] | None:
        """The results in a tuple; None where a guard does not hold, and nothing has changed.

        Raises `NoResultError`.
        """
        # Of what most programs do not have, not even an empty list is made.
        given = list(args if self.plain else numbers(args))
        for leaf, _ in self.housing.scalars:
            given.append(leaf._data)
        for part in self.housing.parts:
            given.append(part.group["lr"])
        for kept, name in self.counts:
            given.append(kept[name])
        before: Any = ()
        if self.generators:
            before = positions(self.generators)
        try:
            found = self.step(*given)
        except Exception as error:  # it overflows, has no value, or an operation refuses
            put_back(before)
            raise NoResultError from error
        if found is None:
            put_back(before)
            return None
        self.finish(found, args)
        return (filled_in(self.shape, found),)

    def forgive(self) -> None:
        """Forget which guards did not hold."""
        self.program.failed.clear()

    def finish(self, found: tuple[Any, ...], args: tuple[Any, ...]) -> None:
        """Hand out what a program has found besides its results."""
        if self.counts:
            newest = found[len(found) - len(self.counts) :]
            for (kept, name), number in zip(self.counts, newest, strict=True):
                kept[name] = number
        if self.housing.parts:
            self.housing.hand_back()
        if self.grown or self.given:
            grown = self.grown
            if self.given:
                items = list(arguments(args))
                grown = [*grown, *(items[place] for place in self.given)]
            for leaf, g in zip(grown, found[self.results :], strict=False):
                leaf.grad = g if leaf.grad is None else leaf.grad + g


def check_as_ever(
    f: Callable[[tuple[Any, ...]], Any],
    args: tuple[Any, ...],
    run: Run,
    leaves: Sequence[Value],
) -> None:
    """Raise `OtherNumbersError` where `f` returns other results than in its recording.

    It runs once more, as ever, on generators and leaves that are put back then.
    """
    drawn = positions(generator for generator, _ in run.tape.generators.values())
    forget(run.tape)
    with kept(leaves):
        returned = f(read_only(args))
    put_back(drawn)
    if not alike(run.returned, returned):
        raise OtherNumbersError(OTHERWISE)


@contextmanager
def kept(leaves: Sequence[Value]) -> Iterator[None]:
    """Leaves are afterwards what they were before."""
    before = [(leaf, leaf._data, leaf.grad, leaf.serial) for leaf in leaves]
    try:
        yield
    finally:
        for leaf, data, grad, serial in before:
            leaf._data, leaf.grad, leaf.serial = data, grad, serial


def data_of(item: Any) -> Any:
    """The numbers of a Value, or their stand-in; others as they are."""
    return item._data if isinstance(item, Value) else item


def own(data: Any, leaves: Sequence[Value], stand_ins: Sequence[Traced]) -> Any:
    """A result that does not look at memory which a step writes into."""
    if isinstance(data, Traced) and isinstance(data.value, ndarray):
        for leaf, stand_in in zip(leaves, stand_ins, strict=False):
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


def forget(tape: Tape) -> None:
    """Generators as they were before a recording."""
    put_back(tape.generators.values())


def positions(generators: Iterable[Generator]) -> list[tuple[Generator, Any]]:
    """Generators, each with its place in its sequence of numbers."""
    return [(generator, generator.bit_generator.state) for generator in generators]


def put_back(drawn: Iterable[tuple[Generator, Any]]) -> None:
    """Generators to the places that they had."""
    for generator, state in drawn:
        generator.bit_generator.state = state
