"""What the engine does to arrays, taken down while it runs: a tape of NumPy's calls.

A `Traced` stands where an array would, has its numbers, and computes with them. Whatever NumPy is
asked to do with it is an instruction on the tape, whose operands are named by slots. The engine
knows nothing of it: forwards, derivative rules, the sweep and the optimisers run as they always do.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..engine.node import tick
from ..engine.operation import Untraced

PLAIN = (int, float, bool, str, bytes, type(None), type(Ellipsis), np.dtype, type)


class Untraceable(Untraced):
    """A function does with a stand-in what cannot be taken down step by step."""

    def __init__(self, tape: Tape, what: str) -> None:
        super().__init__(what)
        self.tape = tape

    def whole(
        self, function: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any]
    ) -> Any:
        """Take the function down as one instruction."""
        return self.tape.call(function, args, options)


@dataclass(frozen=True)
class Slot:
    """The name of a number or array that an instruction gives, or that the program is given."""

    number: int

    def __repr__(self) -> str:
        return f"t{self.number}"


@dataclass(eq=False)
class Instruction:
    """out ← function(*args, **kwargs), where slots stand for what was computed before.

    A `guard` gives a truth value that must be `value` again, or the tape does not hold.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    out: Slot
    value: Any
    guard: bool = False
    scope: str = ""


@dataclass(eq=False)
class Tape:
    """The instructions of one run, and the constants in them by slot."""

    instructions: list[Instruction] = field(default_factory=list)
    inputs: dict[Slot, Any] = field(default_factory=dict)
    constants: dict[Slot, Any] = field(default_factory=dict)
    count: int = 0
    guarding: bool = True
    _known: dict[int, Slot] = field(default_factory=dict)

    def slot(self) -> Slot:
        """A new one."""
        self.count += 1
        return Slot(self.count)

    def given(self, value: Any) -> Any:
        """A traced stand-in for an input of the program."""
        slot = self.slot()
        self.inputs[slot] = value
        return self.stand_in(slot, value)

    def stand_in(self, slot: Slot, value: Any) -> Any:
        """What code computes with in place of `value`."""
        if isinstance(value, bool | int | float) and not isinstance(value, np.generic):
            return TracedNumber(self, slot, value)
        return Traced(self, slot, value)

    def call(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run `function` on the numbers, note it down, and return a stand-in for its result."""
        kwargs = kwargs or {}
        if function in AS_UFUNC and any(isinstance(each, Traced) for each in args):
            function = AS_UFUNC[function]  # which can be told where to write
        value = function(
            *unwrapped(args), **{name: unwrapped(each) for name, each in kwargs.items()}
        )
        named, options = self.named(args), {name: self.named(each) for name, each in kwargs.items()}
        out = self.slot()
        self.instructions.append(Instruction(function, named, options, out, value))
        if isinstance(value, tuple | list):
            parts = []
            for place, each in enumerate(value):
                part = self.slot()
                self.instructions.append(
                    Instruction(operator.getitem, (out, place), {}, part, each)
                )
                parts.append(self.stand_in(part, each))
            return type(value)(parts) if type(value) in (tuple, list) else tuple(parts)
        return self.stand_in(out, value)

    def rewritten(self, array: Traced, result: Traced) -> Traced:
        """What an array is after something was written into it: the same object, another slot."""
        if result.dtype != array.dtype or result.shape != array.shape:
            raise Untraceable(self, "writes numbers of another kind into an array")
        array.slot, array.value = result.slot, result.value
        return array

    # ---- effects, see engine/effects.py ----

    def random(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
        """Numbers that the program draws anew."""
        return self.call(Drawn(generator), (shape,))

    def assign(self, leaf: Any, data: Any) -> None:
        """New data for a leaf, which later reads see."""
        leaf._data = data
        leaf.serial = tick()

    def guard(self, condition: Traced | TracedNumber) -> Any:
        """Take a branch by a truth value, and note down that it must be the same again."""
        if not self.guarding:
            raise Untraceable(self, "branches")
        value = bool(condition.value)
        self.instructions.append(
            Instruction(bool, (condition.slot,), {}, self.slot(), value, guard=True)
        )
        return value

    def named(self, item: Any) -> Any:
        """Operands with slots in the place of stand-ins and of arrays."""
        if isinstance(item, Traced | TracedNumber):
            return item.slot
        if isinstance(item, tuple | list):
            return type(item)(self.named(each) for each in item)
        if isinstance(item, dict):
            return {name: self.named(each) for name, each in item.items()}
        if isinstance(item, slice):
            return slice(*map(self.named, (item.start, item.stop, item.step)))
        if isinstance(item, np.ndarray):
            slot = self._known.get(id(item))
            if slot is None:
                slot = self._known[id(item)] = self.slot()
                self.constants[slot] = item  # and so its id is not given away
            return slot
        return item


def unwrapped(item: Any) -> Any:
    """Operands with the numbers themselves."""
    if isinstance(item, Traced | TracedNumber):
        return item.value
    if isinstance(item, tuple | list):
        return type(item)(map(unwrapped, item))
    if isinstance(item, dict):
        return {name: unwrapped(each) for name, each in item.items()}
    if isinstance(item, slice):
        return slice(*map(unwrapped, (item.start, item.stop, item.step)))
    return item


class Traced(NDArrayOperatorsMixin):
    """An array, or a NumPy number, that notes down what is done to it."""

    __slots__ = ("slot", "tape", "value")

    def __init__(self, tape: Tape, slot: Slot, value: Any) -> None:
        self.tape, self.slot, self.value = tape, slot, value

    # ---- what does not depend on the numbers ----

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.value.shape  # type: ignore[no-any-return]

    dtype = property(lambda self: self.value.dtype)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    nbytes = property(lambda self: self.value.nbytes)
    itemsize = property(lambda self: self.value.itemsize)
    strides = property(lambda self: self.value.strides)
    flags = property(lambda self: self.value.flags)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self.value)))

    def setflags(self, *_: Any, **__: Any) -> None:
        """Nothing: a program's arrays are its own."""

    # ---- NumPy's functions ----

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any
    ) -> Any:
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        if out is None or out[0] is None:
            return self.tape.call(function, inputs, kwargs)
        (into,) = out
        if not isinstance(into, Traced) or into.value.base is not None:
            raise Untraceable(self.tape, "writes into an array that the tape does not know")
        return self.tape.rewritten(into, self.tape.call(function, inputs, kwargs))

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        if function in WRITING:
            into, *rest = args
            self.tape.rewritten(into, self.tape.call(Changed(function), (into, *rest), kwargs))
            return None
        if function in SHAPES:
            return function(*unwrapped(args), **kwargs)
        return self.tape.call(function, args, kwargs)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise Untraceable(self.tape, "turns it into an array of its own")

    # ---- methods ----

    def __getitem__(self, index: Any) -> Any:
        return self.tape.call(operator.getitem, (self, index))

    def __setitem__(self, index: Any, value: Any) -> None:
        if self.value.base is not None or not self.value.flags.writeable:
            raise Untraceable(self.tape, "writes into a part of an array")
        self.tape.rewritten(self, self.tape.call(put, (self, index, value)))

    @property
    def T(self) -> Any:
        """The transpose."""
        return self.transpose()

    def __bool__(self) -> bool:
        return bool(self.tape.guard(self))

    def __float__(self) -> float:
        raise Untraceable(self.tape, "needs its number")

    def __int__(self) -> int:
        raise Untraceable(self.tape, "needs its number")

    def __index__(self) -> int:
        raise Untraceable(self.tape, "needs its number")

    def __repr__(self) -> str:
        return f"<traced {self.dtype} of shape {self.shape}>"


def method(name: str) -> Callable[..., Any]:
    """A method of arrays as an instruction."""

    def called(self: Traced, *args: Any, **kwargs: Any) -> Any:
        return self.tape.call(Method(name), (self, *args), kwargs)

    return called


@dataclass(frozen=True)
class Changed:
    """A copy of an array, changed by a function of NumPy's that writes into its first argument."""

    function: Callable[..., Any]

    def __call__(self, array: Any, *args: Any, **kwargs: Any) -> Any:
        array = array.copy()
        self.function(array, *args, **kwargs)
        return array


@dataclass(frozen=True)
class Drawn:
    """generator.random(shape): other numbers at each call."""

    generator: np.random.Generator

    def __call__(self, shape: tuple[int, ...]) -> Any:
        return self.generator.random(shape)


@dataclass(frozen=True)
class Method:
    """array.name(*args) as a function of the array."""

    name: str

    def __call__(self, array: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(array, self.name)(*args, **kwargs)


for each in (
    *("all", "any", "argmax", "argmin", "argsort", "astype", "clip", "copy", "cumprod", "cumsum"),
    *("diagonal", "dot", "flatten", "item", "max", "mean", "min", "nonzero", "prod", "ravel"),
    *("repeat", "reshape", "round", "squeeze", "std", "sum", "swapaxes", "take", "trace"),
    *("transpose", "var", "view"),
):
    setattr(Traced, each, method(each))


def put(array: Any, index: Any, value: Any) -> Any:
    """A copy of the array with array[index] = value."""
    array = array.copy()
    array[index] = value
    return array


WRITING = frozenset(
    {np.put_along_axis, np.copyto, np.put, np.putmask, np.place, np.fill_diagonal}
)
SHAPES = frozenset({np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj})


AS_UFUNC: dict[Any, Any] = {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.divide,
    operator.floordiv: np.floor_divide,
    operator.mod: np.remainder,
    operator.pow: np.power,
}


class TracedNumber:
    """A number of Python's own, weak beside arrays: the learning rate, a count of steps."""

    __slots__ = ("slot", "tape", "value")
    __array_ufunc__ = None  # NumPy hands operators back

    def __init__(self, tape: Tape, slot: Slot, value: Any) -> None:
        self.tape, self.slot, self.value = tape, slot, value

    def __bool__(self) -> bool:
        return bool(self.tape.guard(self))

    def __float__(self) -> float:
        raise Untraceable(self.tape, "needs its number")

    def __repr__(self) -> str:
        return f"<traced {self.value!r}>"


def operators() -> None:
    """Give TracedNumber the operators of Python, each an instruction."""
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
        function = getattr(operator, name)

        def forwards(self: Any, other: Any, function: Any = function) -> Any:
            return (self if isinstance(self, TracedNumber) else other).tape.call(
                function, (self, other)
            )

        def backwards(self: Any, other: Any, function: Any = function) -> Any:
            return self.tape.call(function, (other, self))

        setattr(TracedNumber, f"__{name}__", forwards)
        setattr(TracedNumber, f"__r{name}__", backwards)
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        function = getattr(operator, name)
        setattr(
            TracedNumber,
            f"__{name}__",
            lambda self, other, function=function: self.tape.call(function, (self, other)),
        )
    for name in ("neg", "pos", "abs"):
        function = getattr(operator, name)
        setattr(
            TracedNumber,
            f"__{name}__",
            lambda self, function=function: self.tape.call(function, (self,)),
        )


operators()
