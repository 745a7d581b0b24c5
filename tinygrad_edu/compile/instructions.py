"""What a tape is made of: instructions, slots for their results, and NumPy's nameless functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np


class Slot:
    """The name of a number or array that an instruction gives, or that the program is given."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"t{self.number}"


@dataclass(eq=False, slots=True)
class Instruction:
    """out ← function(*args, **kwargs), where slots stand for what was computed before.

    `reads` are these slots. A `guard` gives a truth value that must be `value` again, or the tape
    does not hold; its `site` is the number of the call of a record's function that it is in, 0 for
    others. `scope` says where it comes from, in words.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    out: Slot
    value: Any
    reads: tuple[Slot, ...]
    scope: str = ""
    guard: bool = False
    site: int = 0

    def renamed(self, names: Mapping[Slot, Slot]) -> Instruction:
        """The same with other operands."""
        return Instruction(
            self.function,
            replaced(self.args, names),
            replaced(dict(self.kwargs), names),
            self.out,
            self.value,
            tuple([names.get(slot, slot) for slot in self.reads]),
            self.scope,
            self.guard,
            self.site,
        )


def slots(item: Any) -> Iterator[Slot]:
    """The slots in operands."""
    if item.__class__ is Slot:
        yield item
    elif isinstance(item, tuple | list):
        for each in item:
            if each.__class__ is Slot:
                yield each
            elif isinstance(each, tuple | list | dict | slice):
                yield from slots(each)
    elif isinstance(item, dict):
        yield from slots(tuple(item.values()))
    elif isinstance(item, slice):
        yield from slots((item.start, item.stop, item.step))


def replaced(item: Any, names: Mapping[Slot, Slot]) -> Any:
    """Operands with other slots."""
    if item.__class__ is Slot:
        return names.get(item, item)
    if isinstance(item, tuple | list):
        return type(item)(replaced(each, names) for each in item)
    if isinstance(item, dict):
        return {name: replaced(each, names) for name, each in item.items()}
    if isinstance(item, slice):
        return slice(*(replaced(each, names) for each in (item.start, item.stop, item.step)))
    return item


class Method:
    """array.name(*args) as a function of the array; there is one object for each name."""

    __slots__ = ("name",)
    name: str
    known: ClassVar[dict[str, Any]] = {}

    def __new__(cls, name: str) -> Self:
        """The one of that name."""
        found = cls.known.get(name)
        if found is None:
            found = cls.known[name] = super().__new__(cls)
            found.name = name
        return found

    def __call__(self, array: Any, *args: Any, **kwargs: Any) -> Any:
        """What the method returns."""
        return getattr(array, self.name)(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Method({self.name!r})"


@dataclass(frozen=True)
class Changed:
    """A copy of an array, changed by a function of NumPy's that writes into its first argument."""

    function: Callable[..., Any]

    def __call__(self, array: Any, *args: Any, **kwargs: Any) -> Any:
        """The copy."""
        array = array.copy()
        self.function(array, *args, **kwargs)
        return array


@dataclass(frozen=True)
class Drawn:
    """A method of a generator: other numbers at each call."""

    generator: np.random.Generator
    method: str

    def __call__(self, shape: Any) -> Any:
        """The numbers, of that shape."""
        return getattr(self.generator, self.method)(shape)


def put(array: Any, index: Any, value: Any) -> Any:
    """A copy of the array with array[index] = value."""
    array = array.copy()
    array[index] = value
    return array


def has_shape(array: Any, shape: tuple[int, ...]) -> bool:
    """Whether the array has that shape."""
    return bool(array.shape == shape)
