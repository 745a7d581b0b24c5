"""What the engine does to arrays, taken down while it runs: a tape of NumPy's calls.

A `Traced` stands where an array would, has its numbers, and computes with them. Whatever NumPy is
asked to do with it is an instruction on the tape, whose operands are named by slots. The engine
knows nothing of it: forwards, derivative rules, the sweep and the optimisers run as they always do.
"""

from __future__ import annotations

import operator
import sys
import threading
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..engine import methods, node, operation, sweep, value
from ..engine.node import PACKAGE, Node, Untraced, tick, user_line
from ..errors import TracingError

# Frames that only hand on what was asked of them.
BETWEEN = (__file__, value.__file__, methods.__file__, str(Path(np.__file__).parent))
# What runs the functions that a record is made of.
RUNS_RECORDS = frozenset(
    {node.record.__code__, operation.Operation.__call__.__code__, sweep.sweep.__code__}
)
NUMBER = (
    "a program does not know it. Compute with the value itself (np.exp(v), not math.exp(v)); to "
    "see the number, return it: `return loss, v`"
)
INSTEAD = {
    "truth": (
        "asks whether a value is true, and a program has no branches; write np.where(condition, "
        "a, b), or leave this step uncompiled"
    ),
    "number": f"asks for the number behind a value, and {NUMBER}",
    "data": f"asks for the .data of a value, and {NUMBER}. As a constant it is v.detach()",
    "shape": (
        "picks entries by a condition, and how many there are is not known to a program; write "
        "np.where(condition, v, 0) or v * condition, which keep the shape"
    ),
    "array": (
        "turns a value into a NumPy array, which a program cannot follow; NumPy's functions take "
        "it as it is, and v.detach() is its numbers as a constant"
    ),
}


class Untraceable(Untraced):
    """A function does with a stand-in what cannot be taken down step by step."""

    def __init__(self, item: Traced | TracedNumber, what: str) -> None:
        super().__init__(what)
        self.item, self.tape = item, item.tape

    def whole(
        self, function: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any]
    ) -> Any:
        """Take the function down as one instruction."""
        out = self.tape.call(function, args, options)
        if isinstance(out, Traced) and out.ndim:
            self.tape.note(self.tape.call(has_shape, (out, out.shape)), None)
        return out

    def copy(self) -> Any:
        """The array itself, copied."""
        if isinstance(self.item, TracedNumber):
            return self.tape.call(np.float64, (self.item,))
        return self.tape.call(Method("copy"), (self.item, "K"))


def refused(item: Traced | TracedNumber, what: str) -> Exception:
    """The error for what a program cannot do: the user's, or one that the engine deals with.

    A record's functions are then taken as a whole; in code of the user's nothing is to be done.
    """
    asked_by_user = False
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(PACKAGE) and path not in BETWEEN:
            if asked_by_user and frame.f_code not in RUNS_RECORDS:
                return TracingError(f"{user_line()}\n  {INSTEAD[what]}")
            break
        asked_by_user = asked_by_user or not path.startswith(BETWEEN)
        frame = frame.f_back
    return Untraceable(item, f"{user_line()}\n  {INSTEAD[what]}")


def frame_of_record() -> FrameType | None:
    """The call of a record's function that is running, if one is, which can be taken down whole."""
    inner: FrameType | None = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith((PACKAGE, *BETWEEN)):
        if frame.f_code in RUNS_RECORDS:
            return inner
        inner, frame = frame, frame.f_back
    return None


def by_package() -> bool:
    """Whether code of this package asks for a truth value, not a user's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(BETWEEN):
        frame = frame.f_back
    return frame is None or frame.f_code.co_filename.startswith(PACKAGE)


@dataclass(frozen=True)
class Slot:
    """The name of a number or array that an instruction gives, or that the program is given."""

    number: int

    def __repr__(self) -> str:
        return f"t{self.number}"


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


@dataclass(eq=False)
class Instruction:
    """out ← function(*args, **kwargs), where slots stand for what was computed before.

    A `guard` gives a truth value that must be `value` again, or the tape does not hold; its `site`
    is the number of the call of a record's function that it is in, 0 for others.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    out: Slot
    value: Any
    guard: bool = False
    scope: str = ""
    site: int = 0

    @cached_property
    def reads(self) -> tuple[Slot, ...]:
        """The slots that it needs."""
        return (*slots(self.args), *slots(dict(self.kwargs)))


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
        if self.thread != threading.get_ident():
            raise TracingError(
                "another thread uses parameters that te.compile is recording a program of; let "
                "one thread call the compiled function twice before others begin"
            )
        if (
            function in OF_UNKNOWN_SHAPE
            or (function in OF_GIVEN_SHAPE and any(isinstance(each, Traced) for each in args[1:]))
            or (function is operator.getitem and has_mask(args[1]))
        ):
            raise refused(next(each for each in args if isinstance(each, Traced)), "shape")
        if function in AS_UFUNC and any(isinstance(each, Traced) and each.ndim for each in args):
            # It can be told where to write. Powers such as 2 are others by the operator.
            if function is not operator.pow or not is_quick(args[1]):
                function = AS_UFUNC[function]
        try:
            value = function(
                *unwrapped(args), **{name: unwrapped(each) for name, each in kwargs.items()}
            )
        except FloatingPointError:  # by which a forward chooses between two formulas
            raise refused(next(each for each in args if hasattr(each, "tape")), "number") from None
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
            if hasattr(value, "_make"):
                return value._make(parts)
            return type(value)(parts)
        return self.stand_in(out, value)

    def rewritten(self, array: Traced, result: Traced) -> Traced:
        """What an array is after something was written into it: the same object, another slot."""
        if result.dtype != array.dtype or result.shape != array.shape:
            raise refused(array, "array")
        array.slot, array.value = result.slot, result.value
        return array

    # ---- effects, see engine/effects.py ----

    def random(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
        """Numbers that the program draws anew."""
        self.generators.setdefault(id(generator), (generator, generator.bit_generator.state))
        return self.call(Drawn(generator), (shape,))

    def assign(self, leaf: Any, data: Any) -> None:
        """New data for a leaf, which later reads see."""
        leaf._data = data
        leaf.serial = tick()

    def entered(self, module: Any) -> None:
        """Nothing: what takes part is known."""

    def saw(self, node: Any) -> None:
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
        value = bool(condition.value)
        self.instructions.append(
            Instruction(bool, (condition.slot,), {}, self.slot(), value, guard=True, site=site)
        )
        return value

    def named(self, item: Any) -> Any:
        """Operands with slots in the place of stand-ins and of arrays."""
        if isinstance(item, Traced | TracedNumber):
            return item.slot
        if isinstance(item, tuple | list):
            return (list if isinstance(item, list) else tuple)(self.named(each) for each in item)
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
        parts = map(unwrapped, item)
        return item._make(parts) if hasattr(item, "_make") else type(item)(parts)
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
        if any(isinstance(each, Node) for each in inputs):
            return NotImplemented
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        if method == "at":
            into, *rest = inputs
            if not isinstance(into, Traced) or into.value.base is not None:
                raise refused(self, "array")
            return self.tape.rewritten(into, self.tape.call(Changed(function), (into, *rest)))
        if out is None or out[0] is None:
            return self.tape.call(function, inputs, kwargs)
        (into,) = out
        if not isinstance(into, Traced) or into.value.base is not None or "where" in kwargs:
            raise refused(self, "array")
        return self.tape.rewritten(into, self.tape.call(function, inputs, kwargs))

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        if any(issubclass(kind, Node) for kind in types):
            return NotImplemented
        if function in WRITING:
            into, *rest = args
            if not isinstance(into, Traced):
                raise refused(self, "array")
            self.tape.rewritten(into, self.tape.call(Changed(function), (into, *rest), kwargs))
            return None
        if function in SHAPES:
            return function(*unwrapped(args), **kwargs)
        return self.tape.call(function, args, kwargs)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise refused(self, "array")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(f"a value that is recorded has no attribute {name!r}")
        raise refused(self, "array")

    # ---- methods ----

    # Not by the ufunc: ** 2 is a square, and numbers have a function of their own.

    def __pow__(self, other: Any) -> Any:
        return NotImplemented if isinstance(other, Node) else self.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return NotImplemented if isinstance(other, Node) else self.power(other, self)

    def __ipow__(self, other: Any) -> Any:
        return self.tape.rewritten(self, self.power(self, other))

    def power(self, base: Any, exponent: Any) -> Any:
        """`base ** exponent`, one of them this."""
        return self.tape.call(operator.pow, (base, exponent))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, tuple) and not index and isinstance(self.value, np.generic):
            return self
        return self.tape.call(operator.getitem, (self, index))

    def __setitem__(self, index: Any, value: Any) -> None:
        if self.value.base is not None or not self.value.flags.writeable:
            raise refused(self, "array")
        self.tape.rewritten(self, self.tape.call(put, (self, index, value)))

    @property
    def T(self) -> Any:
        """The transpose."""
        return self.transpose()

    def asked(self) -> Traced:
        """What a Value's `.data` is."""
        if by_package():
            return self
        raise refused(self, "data")

    def __bool__(self) -> bool:
        return bool(self.tape.guard(self))

    def __float__(self) -> float:
        raise refused(self, "number")

    def __int__(self) -> int:
        raise refused(self, "number")

    def __index__(self) -> int:
        raise refused(self, "number")

    def __format__(self, spec: str) -> str:
        raise refused(self, "number")

    def __repr__(self) -> str:
        return f"<recorded {self.dtype} of shape {self.shape}>"


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
        """The copy."""
        array = array.copy()
        self.function(array, *args, **kwargs)
        return array


@dataclass(frozen=True)
class Drawn:
    """generator.random(shape): other numbers at each call."""

    generator: np.random.Generator

    def __call__(self, shape: tuple[int, ...]) -> Any:
        """The numbers."""
        return self.generator.random(shape)


@dataclass(frozen=True)
class Method:
    """array.name(*args) as a function of the array."""

    name: str

    def __call__(self, array: Any, *args: Any, **kwargs: Any) -> Any:
        """What the method returns."""
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


def has_shape(array: Any, shape: tuple[int, ...]) -> bool:
    """Whether the array has that shape."""
    return bool(array.shape == shape)


def has_mask(index: Any) -> bool:
    """Whether an index picks entries by a condition that was computed."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(each, Traced) and each.dtype == bool for each in parts)


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
WRITING = frozenset(
    {np.put_along_axis, np.copyto, np.put, np.putmask, np.place, np.fill_diagonal}
)
SHAPES = frozenset({np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj})


def is_quick(exponent: Any) -> bool:
    """Whether NumPy's operator has another way to such powers than the ufunc."""
    return np.ndim(exponent) == 0 and (hasattr(exponent, "tape") or exponent in (-1, 0, 0.5, 1, 2))


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

    def __init__(self, tape: Tape, slot: Slot, value: Any) -> None:
        self.tape, self.slot, self.value = tape, slot, value

    def __bool__(self) -> bool:
        return bool(self.tape.guard(self))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or any(isinstance(each, Node) for each in inputs):
            return NotImplemented
        return self.tape.call(ufunc, inputs, kwargs)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise refused(self, "array")

    def __float__(self) -> float:
        raise refused(self, "number")

    def __int__(self) -> int:
        raise refused(self, "number")

    def __index__(self) -> int:
        raise refused(self, "number")

    def __round__(self, *_: Any) -> int:
        raise refused(self, "number")

    def __format__(self, spec: str) -> str:
        raise refused(self, "number")

    def __repr__(self) -> str:
        return f"<recorded {type(self.value).__name__}>"


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
