"""What the engine does to arrays, taken down while it runs: a tape of NumPy's calls.

A `Traced` stands where an array would, has its numbers, and computes with them. Whatever NumPy is
asked to do with it is an instruction on the tape, whose operands are named by slots. The engine
knows nothing of it: forwards, derivative rules, the sweep and the optimisers run as they always do.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from operator import getitem
from types import FrameType
from typing import Any

import numpy as np

from ..engine.context import STATE
from ..engine.node import NO_OPTIONS, tick
from ..errors import TracingError
from .instructions import Drawn, Instruction, Method, Slot
from .traced import OVER, Traced, TracedNumber, by_package, frame_of_record, refused, unwrapped

__all__ = ["Instruction", "Method", "Slot", "Tape", "Traced", "TracedNumber"]

# What needs no look at what is inside.
PLAIN = frozenset({bool, int, float, str, type(None), type(Ellipsis), np.float64, np.float32})


@dataclass(eq=False)
class Tape:
    """The instructions of one run, and the constants in them by slot."""

    instructions: list[Instruction] = field(default_factory=list)
    inputs: dict[Slot, Any] = field(default_factory=dict)
    constants: dict[Slot, Any] = field(default_factory=dict)
    count: int = 0
    # The calls of records' functions that branch, by number: so many, and those taken down whole.
    sites: int = 0
    whole: Container[int] = ()
    latest: FrameType | None = None
    # Stand-ins for arguments that are no Values.
    plain: set[int] = field(default_factory=set)
    kept: list[Any] = field(default_factory=list)  # so that no id is given away
    # Whether a gradient went through an operation, where 0 · ∞ would be mended.
    chained: bool = False
    # Generators that were drawn from, each with its state before.
    generators: dict[int, tuple[np.random.Generator, Any]] = field(default_factory=dict)
    thread: int = field(default_factory=threading.get_ident)
    # What users call inputs, and the parameters of which arrays hold the gradients, by their ids.
    names: dict[Slot, str] = field(default_factory=dict)
    gradients: dict[int, Any] = field(default_factory=dict)
    # Which part is recorded, in words, outside of modules.
    part: str = "forward"
    _known: dict[int, Slot] = field(default_factory=dict)

    def close(self) -> None:
        """The recording is over: stand-ins that have been kept are of no use any more."""
        self.thread = 0

    def slot(self) -> Slot:
        """A new one."""
        self.count += 1
        return Slot(self.count)

    def given(self, value: Any, name: str | None = None) -> Any:
        """A traced stand-in for an input of the program, which the source may call by `name`."""
        slot = self.slot()
        self.inputs[slot] = value
        if name:
            self.names[slot] = name
        return self.stand_in(slot, value)

    def stand_in(self, slot: Slot, value: Any) -> Any:
        """What code computes with in place of `value`."""
        if (
            value.__class__ is not np.ndarray
            and isinstance(value, bool | int | float)
            and not isinstance(value, np.generic)
        ):
            return TracedNumber(self, slot, value)
        return Traced(self, slot, value)

    def hear(self, node: Any, gradient: Any) -> None:
        """As an observer of the engine: whose rules are about to run, if a sweep goes backwards."""
        if gradient is not None:
            self.part = f"backward: {node.scope}" if node.scope else "backward"

    def call(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any] = NO_OPTIONS,
    ) -> Any:
        """Run `function` on the numbers, note it down, and return a stand-in for its result."""
        if self.thread != threading.get_ident():
            if not self.thread:
                raise TracingError(OVER)
            raise TracingError(
                "another thread uses parameters that te.compile is recording a program of; let "
                "one thread call the compiled function twice before others begin"
            )
        if function in PARTICULAR:
            function = particular(function, args)
        numbers: list[Any] = []
        named: list[Any] = []
        reads: list[Slot] = []
        for each in args:
            kind = each.__class__
            if kind is Traced or kind is TracedNumber:
                numbers.append(each.value)
                named.append(each.slot)
                reads.append(each.slot)
            elif kind in PLAIN:
                numbers.append(each)
                named.append(each)
            else:
                numbers.append(unwrapped(each))
                named.append(self.operand(each, reads))
        try:
            if kwargs:
                value = function(
                    *numbers, **{name: unwrapped(each) for name, each in kwargs.items()}
                )
                kwargs = {name: self.operand(each, reads) for name, each in kwargs.items()}
            else:
                value = function(*numbers)
        except FloatingPointError:  # by which a forward chooses between two formulas
            raise refused(next(each for each in args if hasattr(each, "tape")), "number") from None
        out = self.note_down(function, tuple(named), kwargs, value, tuple(reads))
        if value.__class__ is not np.ndarray and isinstance(value, tuple | list):
            parts = [
                self.stand_in(self.note_down(getitem, (out, place), NO_OPTIONS, each, (out,)), each)
                for place, each in enumerate(value)
            ]
            return value._make(parts) if hasattr(value, "_make") else type(value)(parts)
        return self.stand_in(out, value)

    def note_down(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        value: Any,
        reads: tuple[Slot, ...],
        guard: bool = False,
        site: int = 0,
    ) -> Slot:
        """One instruction more; returns the slot of its result."""
        self.count += 1
        out = Slot(self.count)
        scope = self.part
        if inside := STATE.get().scope:
            scope = f"forward: {inside}"
        self.instructions.append(
            Instruction(function, args, kwargs, out, value, reads, scope, guard, site)
        )
        return out

    def rewritten(self, array: Traced, result: Traced) -> Traced:
        """What an array is after something was written into it: the same object, another slot."""
        if result.dtype != array.dtype or result.shape != array.shape:
            raise refused(array, "array")
        array.slot, array.value = result.slot, result.value
        return array

    # ---- effects, see engine/effects.py ----

    def random(self, generator: np.random.Generator, shape: Any, method: str) -> Any:
        """Numbers that the program draws anew."""
        self.generators.setdefault(id(generator), (generator, generator.bit_generator.state))
        return self.call(Drawn(generator, method), (shape,))

    def assign(self, leaf: Any, data: Any) -> None:
        """New data for a leaf, which later reads see."""
        leaf._data = data
        leaf.serial = tick()

    def saw(self, leaf: Any) -> None:
        """Nothing: what takes part is known."""

    def swept(self) -> None:
        """Nothing: what is computed is taken down."""

    def entered(self, module: Any) -> None:
        """Nothing: what takes part is known."""

    def guard(self, condition: Traced | TracedNumber) -> Any:
        """Take a branch by a truth value, and note down that it must be the same again."""
        if not by_package():
            raise refused(condition, "truth")
        return self.note(condition, frame_of_record())

    def note(self, condition: Traced | TracedNumber, frame: FrameType | None) -> bool:
        """The truth value of a condition, which must be the same again, asked for in a frame."""
        site = 0
        if frame is not None:
            if frame is not self.latest:
                self.latest = frame
                self.sites += 1
            site = self.sites
            if site in self.whole:
                raise refused(condition, "truth")
        value, slot = bool(condition.value), condition.slot
        self.note_down(bool, (slot,), NO_OPTIONS, value, (slot,), guard=True, site=site)
        return value

    def operand(self, item: Any, reads: list[Slot]) -> Any:
        """Operands with slots in the place of stand-ins and of arrays, which `reads` collects."""
        kind = item.__class__
        if kind is Traced or kind is TracedNumber:
            reads.append(item.slot)
            return item.slot
        if isinstance(item, tuple | list):
            parts = [self.operand(each, reads) for each in item]
            return parts if isinstance(item, list) else tuple(parts)
        if isinstance(item, dict):
            return {name: self.operand(each, reads) for name, each in item.items()}
        if isinstance(item, slice):
            return slice(
                *[self.operand(each, reads) for each in (item.start, item.stop, item.step)]
            )
        if isinstance(item, np.ndarray):
            slot = self.constant(item)
            reads.append(slot)
            return slot
        return item

    def named(self, item: Any) -> Any:
        """Operands with slots in the place of stand-ins and of arrays."""
        return self.operand(item, [])

    def constant(self, array: Any) -> Slot:
        """The slot of an array that is a part of the program."""
        slot = self._known.get(id(array))
        if slot is None:
            slot = self._known[id(array)] = self.slot()
            self.constants[slot] = array  # and so its id is not given away
        return slot


def particular(function: Callable[..., Any], args: tuple[Any, ...]) -> Callable[..., Any]:
    """The function to take down for one that stands in a table below. Raises `Untraced`."""
    traced = [each for each in args if each.__class__ is Traced]
    if (
        function in OF_UNKNOWN_SHAPE
        or (function in OF_GIVEN_SHAPE and any(each.__class__ is Traced for each in args[1:]))
        or (function is getitem and has_mask(args[1]))
    ):
        raise refused(traced[0], "shape")
    # A ufunc can be told where to write. Powers such as 2 are others by the operator.
    if any(each.ndim for each in traced) and (
        function is not operator.pow or not is_quick(args[1])
    ):
        function = AS_UFUNC.get(function, function)
    return function


def has_mask(index: Any) -> bool:
    """Whether an index picks entries by a condition that was computed."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(each.__class__ is Traced and each.dtype == bool for each in parts)


def is_quick(exponent: Any) -> bool:
    """Whether NumPy's operator has another way to such powers than the ufunc."""
    return np.ndim(exponent) == 0 and (hasattr(exponent, "tape") or exponent in (-1, 0, 0.5, 1, 2))


# How many entries they give depends on numbers.
OF_UNKNOWN_SHAPE = frozenset(
    {
        *(np.argwhere, np.bincount, np.compress, np.extract, np.flatnonzero, np.histogram),
        *(np.intersect1d, np.nonzero, np.setdiff1d, np.setxor1d, np.trim_zeros, np.union1d),
        *(np.unique, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values),
        Method("nonzero"),
    }
)
# Or on those of another argument than the first.
OF_GIVEN_SHAPE = frozenset({np.delete, np.insert, np.repeat, Method("repeat")})
AS_UFUNC: dict[Any, Any] = {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.divide,
    operator.floordiv: np.floor_divide,
    operator.mod: np.remainder,
    operator.pow: np.power,
}
PARTICULAR = OF_UNKNOWN_SHAPE | OF_GIVEN_SHAPE | AS_UFUNC.keys() | {getitem}
