"""What a tape needs not do: twice the same, work that nobody reads, or with constants alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from .blocks import entry_by_entry, large
from .instructions import Drawn, Instruction, Method, Slot
from .tape import Tape

COPY = Method("copy")
EITHER_WAY_ROUND = frozenset({np.add, np.multiply})
EXACT = frozenset({int, bool, str, type(None), type(Ellipsis)})


def simplified(
    tape: Tape, outputs: Sequence[Slot], held: Collection[Slot] = ()
) -> tuple[list[Instruction], dict[Slot, Slot]]:
    """What leads to outputs and guards, each computation once; and which slots became others."""
    constants = tape.constants
    values = {each.out: each.value for each in tape.instructions} | tape.inputs
    names: dict[Slot, Slot] = {}
    known: dict[Any, Slot] = {}
    single = []
    for each in tape.instructions:
        for slot in each.reads:
            if slot in names:
                each = each.renamed(names)
                break
        function = each.function
        if function.__class__ is not Drawn:
            for slot in each.reads:
                if slot not in constants:
                    break
            else:
                if not each.guard:
                    constants[each.out] = each.value
                continue
            if function is COPY or function is np.multiply:
                same = unchanged(each, constants, values, held)
                if same is not None:
                    names[each.out] = same
                    continue
            key = fingerprint(each)
            if key in known:
                names[each.out] = known[key]
                continue
            known[key] = each.out
        single.append(each)
    wanted = {names.get(slot, slot) for slot in outputs}
    kept = []
    for each in reversed(single):
        if each.out in wanted or each.guard or each.function.__class__ is Drawn:
            wanted.update(each.reads)
            kept.append(each)
    return kept[::-1], names


def unchanged(
    each: Instruction,
    constants: Mapping[Slot, Any],
    values: Mapping[Slot, Any],
    held: Collection[Slot],
) -> Slot | None:
    """The slot whose numbers a result is: a copy, as only what is held is written to, or x · 1."""
    candidates: Sequence[Slot]
    if each.function is COPY:
        candidates = each.reads[:1]
    elif each.kwargs:
        return None
    else:
        candidates = [
            slot
            for slot, factor in zip(each.args, each.args[::-1], strict=True)
            if slot.__class__ is Slot and is_one(constants.get(factor, factor))
        ]
    value = each.value
    for slot in candidates:
        same = values.get(slot)
        if (
            slot not in held
            and isinstance(value, np.ndarray)
            and isinstance(same, np.ndarray)
            and (same.shape, same.strides, same.dtype) == (value.shape, value.strides, value.dtype)
            and not any(np.may_share_memory(same, values[it]) for it in held if it in values)
        ):
            return slot
    return None


def is_one(factor: Any) -> bool:
    """Whether a factor changes nothing."""
    if factor.__class__ is Slot:
        return False
    return bool(factor == 1) if np.ndim(factor) == 0 else bool(np.all(np.equal(factor, 1)))


def fingerprint(each: Instruction) -> Any:
    """Equal for instructions that do the same, types and signs of zero too."""
    operands: Any = tuple([part(item) for item in each.args])
    if each.function in EITHER_WAY_ROUND and not each.kwargs:
        operands = frozenset(operands)
    options = part(dict(each.kwargs)) if each.kwargs else None
    return each.function, operands, options, each.guard


def part(item: Any) -> Any:
    """The share of an operand in that."""
    kind = item.__class__
    if kind is Slot:
        return item
    if kind in EXACT:
        return kind, item
    if kind is float or isinstance(item, np.generic):
        return kind, repr(item)
    if isinstance(item, tuple | list):
        return (kind, *map(part, item))
    if isinstance(item, dict):
        return (kind, *((name, part(each)) for name, each in sorted(item.items())))
    if isinstance(item, slice):
        return (slice, part(item.start), part(item.stop), part(item.step))
    return kind, id(item)


def together(instructions: Sequence[Instruction]) -> list[Instruction]:
    """The same, what goes through large arrays entry by entry in longer runs.

    A number that is found between two such instructions waits until after the second one.
    """
    if not any(large(each.value) for each in instructions):
        return list(instructions)
    values = {each.out: each.value for each in instructions}
    found: list[Instruction] = []
    waiting: list[Instruction] = []
    behind: set[Slot] = set()
    last: Any = None
    for each in instructions:
        if last is not None:
            if entry_by_entry(each, values) and each.value.shape == last:
                if behind.isdisjoint(each.reads):
                    found.append(each)
                    continue
            elif not np.ndim(each.value) and not isinstance(each.function, Drawn):
                waiting.append(each)
                behind.add(each.out)
                continue
        found += waiting
        waiting, behind = [], set()
        found.append(each)
        last = each.value.shape if entry_by_entry(each, values) else None
    return found + waiting
