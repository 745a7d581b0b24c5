"""A program by levels as text, in the order of its steps, to be read: nothing runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from .level_graph import Note, Step
from .level_steps import Collect, Gather, Group, Sums, Total

if TYPE_CHECKING:
    from .levels import Levels

# Text of a user's, in characters: an option, a constant, a scope.
LONGEST = 60
WIDTH = 100


def lines_of(program: Levels) -> Iterator[str]:
    """The lines: what is given, the steps forward and backward, what is returned."""
    numbers, flows = (named(letter, program.dtypes) for letter in "vg")
    yield f"# {program.nodes:,} numbers in v, what flows back to them in g"
    yield "# [a:b] is read where it lies, [n places] is gathered"
    yield "forward"
    for from_leaves, places, code, slots in program.given:
        source = "leaf_values" if from_leaves else "input_values"
        yield f"  {numbers[code]}{at(slots)} = {source}{at(places)}"
    for note, step in program.program:
        yield beside(note, forward(note, step, numbers))
    results = (f"{numbers[code]}[{slot}]" for code, slot in program.results)
    yield f"  return {', '.join(results)}"
    yield "backward"
    for code, slot in program.seeds:
        yield f"  {flows[code]}[{slot}] = 1"
    for note, step in reversed(program.program):
        if step.active:
            first, *others = backward(note, step, flows)
            yield beside(note, first)
            yield from (f"    {line}" for line in others)
    for code, places, sums in program.slopes:
        found = "1" if code < 0 else added(sums, flows[code])
        yield f"  gradient{at(places)} = {found}"
    yield "  return gradient"


def named(letter: str, dtypes: Sequence[np.dtype[Any]]) -> list[str]:
    """What the buffers are called: by their dtypes where there are several."""
    return [letter] if len(dtypes) == 1 else [f"{letter}_{dtype}" for dtype in dtypes]


def beside(note: Note, line: str) -> str:
    """A line with the depth before it, and the size and the scope behind."""
    low, high = note.depths
    depth = f"depth {low}" if low == high else f"depth {low} to {high}"
    where = f" in {clean(note.scope)}" if note.scope not in ("", "*") else ""
    comment = f"# {count_of(sum(note.operations.values()), 'node')}{where}"
    text = fill(f"{depth}: {line}", WIDTH, initial_indent="  ", subsequent_indent="    ")
    fits = len(text.splitlines()[-1]) + 2 + len(comment) <= WIDTH
    return f"{text}  {comment}" if fits else f"{text}\n    {comment}"


def forward(note: Note, step: Step, numbers: Sequence[str]) -> str:
    """What a step computes."""
    if isinstance(step, Total):
        code, where = step.out
        return f"{numbers[code]}{at(where)} = {added(step.sums, numbers[code])}"
    if isinstance(step, Group):
        code, where = step.out
        options = [f"{clean(name)}={clean(value)}" for name, value in step.options.items()]
        arguments = ", ".join([*given(step, numbers), *options])
        return f"{numbers[code]}{at(where)} = {clean(step.op.name)}({arguments})"
    return "one by one: " + alone(note.operations)


def backward(note: Note, step: Step, flows: Sequence[str]) -> Iterator[str]:
    """What a step sends to its arguments, after what came to it is added up."""
    if isinstance(step, Total | Group):
        if step.collect:
            yield collected(step.collect, flows)
        if isinstance(step, Group) and step.g:
            incoming = f"{flows[step.out[0]]}{read(step.g)}"
            for rule, column, code, where in step.messages:
                if not callable(rule):
                    found = f"-{incoming}" if rule == -1 else f"{incoming} * {clean(rule)}"
                elif step.op.elementwise:
                    found = f"{incoming} * slope {column} of {clean(step.op.name)}"
                else:
                    found = f"pullback {column} of {clean(step.op.name)}({incoming})"
                yield f"{flows[code]}{at(where)} = {found}"
    else:
        yield "one by one: " + alone(note.operations)


def given(group: Group, numbers: Sequence[str]) -> Iterator[str]:
    """The arguments of a group."""
    for code, item in group.arguments:
        if code >= 0:
            yield f"{numbers[code]}{read(item)}"
        elif isinstance(item, np.ndarray):
            yield count_of(item.size, "constant")
        else:
            yield clean(item)


def alone(operations: Mapping[str, int]) -> str:
    """How many of each operation."""
    return ", ".join(f"{count:,} {clean(name)}" for name, count in operations.items())


def collected(collect: Collect, flows: Sequence[str]) -> str:
    """Gradients that several messages make."""
    name = flows[collect.code]
    return f"{name}{at(collect.where)} = {added(collect.sums, name)}"


def added(sums: Sums, name: str) -> str:
    """Sums, those of like length together: of how many terms each, from where."""
    found = []
    for _, gather in sums.parts:
        terms, count = gather.shape
        place = f"{name}{read(gather)}"
        if len(gather.pieces) > 1:
            place = f"{name} in {len(gather.pieces)} pieces"
        found.append(f"{count:,} x sum of {terms:,}: {place}" if terms > 1 else place)
    return " and ".join(found)


def read(gather: Gather) -> str:
    """Where numbers are read."""
    if gather.where is None:
        return f"[{count_of(gather.count, 'place')}]"
    times = f" {gather.count // gather.period:,} times" if gather.period else ""
    return at(gather.where) + times


def at(places: Any) -> str:
    """A run of places, or how many there are."""
    if isinstance(places, slice):
        return f"[{places.start}:{places.stop}]"
    return f"[{count_of(len(places), 'place')}]"


def count_of(count: int, what: str) -> str:
    """A number of things."""
    return f"{count:,} {what}" + "s" * (count != 1)


def clean(item: Any) -> str:
    """Text that may be a user's, on one line and not too long."""
    text = str(item)
    text = "".join(each if each.isprintable() else "?" for each in text[: LONGEST + 1])
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
