"""A tape as a program: what is not needed left out, memory reused, written as Python."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from .instructions import Slot, replaced, slots
from .memory import Array
from .passes import simplified, together
from .tape import Tape
from .writer import Writer

BUILTINS = {"slice": slice, "Ellipsis": Ellipsis, "FloatingPointError": FloatingPointError}


class Program:
    """Python source that does what a tape did, and the function that it defines.

    `inputs` are the slots given at each call, in order; `held` those whose arrays stay where they
    are (parameters, constants), by slot; `outputs` what it returns as a tuple, None where a guard
    does not hold; `targets` say for some results of the first `mark` instructions in which array
    they belong, `later` and `assigned` for others. When these begin, all of `checked` is finite;
    without it, where `chained`, the results are.
    """

    def __init__(
        self,
        tape: Tape,
        inputs: Sequence[Slot],
        held: Mapping[Slot, Any],
        outputs: Sequence[Any],
        targets: Sequence[tuple[Slot, Array]],
        mark: int | None = None,
        later: Sequence[tuple[Slot, Array]] = (),
        checked: Sequence[Array] = (),
        assigned: Sequence[tuple[Slot, Array]] = (),
        chained: bool = False,
    ) -> None:
        self.given, self.wanted = list(inputs), list(outputs)
        self.failed: list[int] = []  # sites of guards that did not hold
        wanted = [*slots(tuple(outputs)), *(slot for slot, _ in (*targets, *later, *assigned))]
        behind = {each.out for each in tape.instructions[mark:]} if mark is not None else set()
        instructions, became = simplified(tape, wanted, held)
        count = len(instructions)
        cut = next((n for n, each in enumerate(instructions) if each.out in behind), count)
        instructions = [*together(instructions[:cut]), *together(instructions[cut:])]
        results = [replaced(each, became) for each in outputs]
        used = {slot for each in instructions for slot in each.reads}
        used |= {became.get(slot, slot) for slot in wanted}

        def renamed(places: Sequence[tuple[Slot, Array]]) -> list[tuple[Slot, Array]]:
            return [(became.get(slot, slot), array) for slot, array in places]

        values = {**tape.inputs, **tape.constants}
        values |= {each.out: each.value for each in tape.instructions}
        arrays: dict[Slot, list[Array]] = {}
        for slot, value in values.items():
            if isinstance(value, np.ndarray):
                arrays.setdefault(became.get(slot, slot), []).append(value)
        writer = Writer(
            instructions,
            cut,
            values,
            arrays,
            inputs,
            held,
            {slot: array for slot, array in tape.constants.items() if slot in used},
            results,
            renamed(targets),
            renamed(later),
            renamed(assigned),
            checked,
            tape.names,
            tape.gradients,
        )
        # Without an optimiser a gradient that is not finite shows in the results.
        self.source = writer.source(chained and not checked)
        self.function = ready(self.source, writer.objects, self.failed)


def ready(source: str, objects: Mapping[str, Any], failed: list[int]) -> Callable[..., Any]:
    """A program, ready to run."""
    # Cheaper than np.errstate as a decorator, which costs as much as three operations.
    strict = Context()
    strict.run(np.seterr, over="raise", divide="raise", invalid="raise")
    strict.run(np.setbufsize, 2048)  # for masks: as quick as 8192, and stays in the cache
    known: dict[str, Any] = {
        **objects,
        "strictly": strict.run,
        "finite": math.isfinite,
        "failed": failed.append,
    }
    found: Any = None
    # Each has globals of its own, which it is not in: so all goes when the program does.
    for code in compile(source, "<compiled step>", "exec", dont_inherit=True).co_consts:
        if isinstance(code, CodeType):
            names = {name: known[name] for name in code.co_names if name in known}
            found = known[code.co_name] = FunctionType(code, {"__builtins__": BUILTINS, **names})
    function: Callable[..., Any] = found
    return function
