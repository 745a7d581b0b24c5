"""A failing program made small: the one or two steps that matter, on few and simple numbers.

hypothesis shrinks what it has drawn, one choice after the other, and runs the rest of the program
again each time. A program knows all its values, so any part of it can be looked at alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .legal import result
from .programs import Program, Step


def smallest(program: Program, fails: Callable[[Program], bool]) -> Program:
    """The smallest part of a failing program that still fails, on the simplest numbers found.

    Only programs that are legal are tried, and `fails` is asked about each of them once.
    """
    seen = {str(program)}
    while True:
        for candidate in smaller(program):
            text = str(candidate)
            if text in seen:
                continue
            seen.add(text)
            if legal(candidate) and fails(candidate):
                program = candidate
                break
        else:
            return program


def smaller(program: Program) -> Iterator[Program]:
    """What to try in place of a program, the smallest first."""
    if len(program.steps) > 1:
        values = program.values()
        count, last = len(program.inputs), len(values) - 1
        for number, step in enumerate(program.steps):
            yield part(program, values, count + number, set(step.takes))
        for position in range(count, last):
            yield part(program, values, position, set())
        for position in range(count, last):
            yield part(program, values, last, {position})
    for number, data in enumerate(program.inputs):
        for simple in simpler(data):
            inputs = (*program.inputs[:number], simple, *program.inputs[number + 1 :])
            yield replace(program, inputs=inputs)


def part(program: Program, values: list[Any], root: int, known: set[int]) -> Program:
    """The steps that a result depends on, where the values `known` are inputs."""
    count = len(program.inputs)
    needed = {root}
    for position in range(root, count - 1, -1):
        if position in needed and position not in known:
            needed.update(program.steps[position - count].takes)
    inputs = [i for i in sorted(needed) if i < count or i in known]
    steps = [i for i in sorted(needed) if i not in inputs]
    places = {position: place for place, position in enumerate([*inputs, *steps])}
    return Program(
        tuple(values[i] for i in inputs),
        tuple(
            Step(step.op, tuple(places[i] for i in step.takes), step.options)
            for step in (program.steps[i - count] for i in steps)
        ),
    )


def simpler(data: Any) -> Iterator[Any]:
    """Arrays to try in place of one: with fewer entries, and then with shorter ones."""
    shape = np.shape(data)
    if shape:
        yield np.ravel(data)[0]
    for axis, length in enumerate(shape):
        for shorter in (1, 2):
            if shorter < length:
                yield np.take(data, range(shorter), axis)
    for other in (np.zeros(shape), np.ones(shape), np.round(data), np.round(data * 8) / 8):
        if weight(other) < weight(data):
            yield other[()]


def weight(data: Any) -> tuple[int, float]:
    """How long an array is as text, and how large its numbers are."""
    return len(str(data.tolist())), float(np.sum(np.abs(data)))


def legal(program: Program) -> bool:
    """Whether every step is called inside its domain and away from its kinks."""
    values = list(program.inputs)
    for step in program.steps:
        out = result(step.op, [values[i] for i in step.takes], step.options)
        if out is None:
            return False
        values.append(out)
    return True
