"""Loops over blocks of large arrays: what is computed on the way stays in the cache."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.blocks import BLOCK
from .instructions import Instruction, Slot
from .memory import Array, Buffer

if TYPE_CHECKING:
    from .writer import Writer


class Blocks:
    """Writes the loop that instructions from `start` to `stop` are done in."""

    def __init__(self, writer: Writer, start: int, stop: int) -> None:
        self.writer, self.start, self.stop = writer, start, stop
        self.run = writer.instructions[start:stop]
        arrays = [writer.values[slot] for each in self.run for slot in each.reads]
        widest = max(each.value.itemsize for each in self.run)
        widest = max(widest, *(a.itemsize for a in arrays if isinstance(a, np.ndarray)))
        self.shape = self.run[0].value.shape
        # Where something is broadcast to every row, blocks are of whole rows.
        self.rows = any(np.ndim(a) and a.shape != self.shape for a in arrays)
        size, one = math.prod(self.shape), math.prod(self.shape[1:]) if self.rows else 1
        # Smaller than elsewhere: formulas keep more arrays than operations do.
        step = min(max(BLOCK // 2 // widest // one, 1) * one, size)
        self.step, self.rest = step, (size - 1) % step + 1
        self.cuts = [slice(at // one, (at + step) // one) for at in range(0, size, step)]
        # Nothing that holds on to what was recorded.
        self.cut = partial(cut_as, tuple(self.cuts), self.rows)
        self.key = step, self.rows, self.shape
        self.parts: dict[str, str] = {}  # names of lists of blocks, by that of one block
        self.ones: dict[str, str] = {}  # and these by that of the whole
        self.before: list[str] = []
        self.scratch: dict[Slot, tuple[str, Any]] = {}
        self.free: dict[Any, list[str]] = {}

    def write(self) -> None:
        """Its lines."""
        writer, memory = self.writer, self.writer.memory
        whole = dict(writer.names)
        names: dict[Slot, str] = {}
        lines = []
        for number, each in enumerate(self.run, self.start):
            writer.number = number
            for slot in each.reads:
                if np.shape(writer.values[slot]) != self.shape or slot in self.scratch:
                    continue
                if slot not in names:
                    writer.names[slot] = self.part(writer.text(slot), slot)
                    names[slot] = whole[slot]
            # All blocks of one instruction are not done before the first of the next one.
            memory.release(memory.dying(number), self.stop - 1)
            for slot in {*each.reads} & self.scratch.keys():
                if memory.last[slot] == number:
                    name, dtype = self.scratch[slot]
                    self.free.setdefault(dtype, []).append(name)
            name = self.place(each, names)
            lines.append(writer.call(each, name))
            writer.names[each.out] = name
        writer.names = whole | names
        count = len(self.cuts)
        comment = f"# {' x '.join(map(str, self.shape))}, in {count} blocks"
        writer.lines += [*self.before, comment]
        over = list(self.parts.values())
        if len(over) == 1:
            writer.lines.append(f"for {', '.join(self.parts)} in {over[0]}:")
        else:
            writer.lines.append(f"for {', '.join(self.parts)} in {writer.named(zip)}(")
            writer.lines += [f"    {name}," for name in over] + ["):"]
        writer.lines += [f"    {line}" for line in lines]

    def part(self, name: str, slot: Slot) -> str:
        """The name of one block of an array, known now (then it is cut once) or at each call."""
        writer, one = self.writer, self.ones.get(name)
        if one is None:
            one = self.ones[name] = writer.unique.new(f"{name}_block")
            if slot in writer.fixed:
                cut, objects = self.cut, writer.objects
                self.parts[one] = writer.hold_later(
                    (name, self.key), f"{name}_blocks", lambda: cut(objects[name])
                )
            else:
                self.parts[one] = f"{writer.object(self.cut, 'cut')}({name})"
        return one

    def buffer(self, dtype: Any) -> str:
        """Memory for one block."""
        pool = self.free.setdefault(dtype, [])
        if pool:
            return pool.pop()
        writer = self.writer
        form = (self.step,), dtype, (dtype.itemsize,)
        found: Buffer = writer.memory.new(form, self.step * dtype.itemsize)
        found.spans.append((self.start, self.stop - 1))
        whole, objects = found.name, writer.objects
        objects[whole] = None
        row = self.shape[1:] if self.rows else ()
        sizes = [self.step] * (len(self.cuts) - 1) + [self.rest]
        name = writer.unique.new(f"{whole}_block")
        self.parts[name] = writer.hold_later(
            (whole, self.key),
            f"{whole}_blocks",
            lambda: [objects[whole][:size].reshape(-1, *row) for size in sizes],
        )
        return name

    def place(self, each: Instruction, names: dict[Slot, str]) -> str:
        """Where the block of a result is written to."""
        writer, out = self.writer, each.out
        kept = out in writer.returned or out in writer.targets
        if not kept and writer.memory.last[out] < self.stop:
            dtype = each.value.dtype
            name = self.buffer(dtype)
            self.scratch[out] = name, dtype
            return name
        name = writer.place(each, self.start)
        if not name:
            name = writer.temporary_for(out)
            empty = writer.named(np.empty)
            dtype = writer.object(each.value.dtype, "k")
            self.before.append(f"{name} = {empty}({each.value.shape}, {dtype})")
            writer.copy_later(out)
        names[out] = name
        return self.part(name, out)


def cut_as(cuts: Sequence[slice], rows: bool, array: Array) -> list[Array]:
    """The blocks of an array: of its rows, or of all entries one behind the other."""
    flat = array if rows else array.reshape(-1)
    return [flat[each] for each in cuts]


def run_from(writer: Writer, start: int) -> int:
    """Where instructions end that go through large arrays entry by entry, and can together."""
    instructions, shape = writer.instructions, None
    for number in range(start, len(instructions)):
        each = instructions[number]
        if not entry_by_entry(each, writer.values) or number == writer.mark != start:
            return number
        if shape not in (None, each.value.shape):
            return number
        shape = each.value.shape
    return len(instructions)


def entry_by_entry(each: Instruction, values: Mapping[Slot, Any]) -> bool:
    """Whether an instruction can be done block by block, and is on arrays that are worth it."""
    function, value = each.function, each.value
    if not isinstance(function, np.ufunc) or not large(value):
        return False
    if function.nout != 1 or function.signature or each.kwargs:
        return False
    if not all(item.__class__ in (Slot, int, float) or np.isscalar(item) for item in each.args):
        return False
    return all(
        (a.shape == value.shape and a.flags.c_contiguous) or to_every_row(a, value)
        for a in (values.get(slot) for slot in each.reads)
        if isinstance(a, np.ndarray) and a.ndim
    )


def to_every_row(a: Array, value: Array) -> bool:
    """Whether an array is broadcast along the first axis, and a block has some rows."""
    if value.ndim < 2 or value[0].nbytes * 8 > BLOCK:
        return False
    return a.ndim < value.ndim or (a.ndim == value.ndim and a.shape[0] == 1 < value.shape[0])


def large(value: Any) -> bool:
    """Whether a result does not fit into the cache of a core beside others."""
    return isinstance(value, np.ndarray) and value.size >= BLOCK and value.flags.c_contiguous
