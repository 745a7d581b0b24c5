"""Where the results of a program lie: in memory that is used in turn, and laid out once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .instructions import Instruction, Slot
from .parts import LINE, aligned

Array = np.ndarray[Any, np.dtype[Any]]
Form = tuple[tuple[int, ...], Any, tuple[int, ...]]


@dataclass(eq=False)
class Buffer:
    """An array that instructions write to, and the spans of the program that it is needed in."""

    name: str
    form: Form  # shape, dtype, strides
    size: int  # bytes
    spans: list[tuple[int, int]] = field(default_factory=list)
    since: int = 0
    start: int = -1  # where it lies; -1 where its memory is not ours


class Memory:
    """Which results share memory, how long each is needed, and buffers that take them in turn.

    `arrays` are those that were recorded for a slot: several where results became one.
    """

    def __init__(
        self,
        instructions: Sequence[Instruction],
        arrays: Mapping[Slot, Sequence[Array]],
        to_the_end: Iterable[Slot],
    ) -> None:
        # The slots whose memory views look at, and the last instruction that reads each.
        self.roots: dict[Slot, Slot] = {}
        self.last: dict[Slot, int] = {}
        roots, last = self.roots, self.last
        read: dict[Slot, int] = {}
        for number, each in enumerate(instructions):
            for slot in each.reads:
                read[slot] = last[roots.get(slot, slot)] = number
            # What a ufunc returns is new.
            if each.function.__class__ is not np.ufunc and each.value.__class__ is np.ndarray:
                for slot in each.reads:
                    bases = arrays.get(slot, ())
                    if any(np.may_share_memory(each.value, base) for base in bases):
                        roots[each.out] = roots.get(slot, slot)
                        break
        for slot in to_the_end:
            last[roots.get(slot, slot)] = read[slot] = len(instructions)
        # After which instruction memory is not needed, and which it is the last to name.
        self.ends: dict[int, list[Slot]] = {}
        self.unnamed: dict[int, list[Slot]] = {}
        for ends, found in ((self.ends, last), (self.unnamed, read)):
            for slot, number in found.items():
                ends.setdefault(number, []).append(slot)
        self.buffers: list[Buffer] = []
        self.owned: dict[Slot, Buffer] = {}  # by the slot that fills it
        self.free: dict[Form, list[Buffer]] = {}

    def root(self, slot: Slot) -> Slot:
        """The slot whose memory a view looks at; itself for others."""
        return self.roots.get(slot, slot)

    def dying(self, number: int) -> list[Slot]:
        """Whose memory is not needed after an instruction."""
        return [slot for slot in self.ends.get(number, ()) if slot in self.owned]

    def buffer(self, slot: Slot, value: Array, number: int) -> Buffer:
        """Memory for a result, of the recorded layout: best what was used last, as it is hot."""
        strides = value.strides
        if not value.flags.c_contiguous:
            strides = np.empty_like(value, subok=False).strides
        form = value.shape, value.dtype, strides
        free = self.free.get(form)
        found = free.pop() if free else self.new(form, value.nbytes)
        found.since = number
        self.owned[slot] = found
        return found

    def new(self, form: Form, size: int) -> Buffer:
        """One more buffer."""
        found = Buffer(f"b{len(self.buffers) + 1}", form, size, start=0)
        self.buffers.append(found)
        return found

    def release(self, slots: Iterable[Slot], number: int) -> None:
        """Give the memory of results back."""
        for slot in slots:
            found = self.owned.pop(slot)
            found.spans.append((found.since, number))
            self.free.setdefault(found.form, []).append(found)

    def laid_out(self, end: int) -> tuple[dict[str, Array], int]:
        """Every buffer's array, and the bytes of all: what is not needed at once shares memory.

        The largest first, each at the lowest place where it is in nobody's way.
        """
        self.release(list(self.owned), end)
        placed: list[Buffer] = []
        total = 0
        for each in sorted(self.buffers, key=lambda it: -it.size):
            start = 0
            for other in placed:  # by their places
                if other.start >= start + each.size:
                    break
                if other.start + other.size > start and meet(each.spans, other.spans):
                    start = -(-(other.start + other.size) // LINE) * LINE
            each.start = start
            total = max(total, start + each.size)
            placed.append(each)
            placed.sort(key=lambda it: it.start)
        memory = aligned(total, np.uint8)
        return {
            each.name: np.ndarray(*each.form[:2], memory, each.start, each.form[2])
            for each in self.buffers
        }, total


def meet(a: Sequence[tuple[int, int]], b: Sequence[tuple[int, int]]) -> bool:
    """Whether two buffers are needed at the same time; spans are in order, and their ends belong.

    (What an instruction reads must not lie under what it writes, or NumPy copies it.)
    """
    i = j = 0
    while i < len(a) and j < len(b):
        if a[i][1] < b[j][0]:
            i += 1
        elif b[j][1] < a[i][0]:
            j += 1
        else:
            return True
    return False
