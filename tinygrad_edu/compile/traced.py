"""What stands where an array or number would while a function is recorded.

It has the numbers, computes with them, and hands what it is asked to do to its tape. What a program
cannot do is refused here, with the user's line and what to write instead.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..engine import methods, node, operation, sweep, value
from ..engine.node import PACKAGE, Node, Untraced, user_line
from ..errors import TracingError
from .instructions import Changed, Method, Slot, has_shape, put

if TYPE_CHECKING:
    from .tape import Tape

# Frames that only hand on what was asked of them.
BETWEEN = (
    *(__file__, str(Path(__file__).with_name("tape.py")), value.__file__, methods.__file__),
    str(Path(np.__file__).parent),
)
# They write into their first argument.
WRITING = frozenset({np.put_along_axis, np.copyto, np.put, np.putmask, np.place, np.fill_diagonal})
# They need no numbers.
SHAPES = frozenset({np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj})
# What runs the functions that a record is made of.
RUNS_RECORDS = frozenset(
    {node.record.__code__, operation.Operation.__call__.__code__, sweep.sweep.__code__}
)
NUMBER = (
    "a program does not know it. Compute with the value itself (np.exp(v), not math.exp(v)); to "
    "see the number, return it: `return loss, v`"
)
OVER = (
    "this number stands for one of a recording that is over, and a program does not know it; let "
    "the compiled function return it in place of keeping it: `return loss, v`"
)
INSTEAD = {
    "truth": (
        "asks whether a value is true, and a program has no branches; write np.where(condition, "
        "a, b), or call the function itself, without te.compile. A bool, a whole number or a text "
        "among the arguments is a part of the program, and may decide"
    ),
    "number": f"asks for the number behind a value, and {NUMBER}",
    "data": f"asks for the .data of a value, and {NUMBER}. As a constant it is v.detach()",
    "shape": (
        "picks entries by a condition, and how many there are is not known to a program; write "
        "np.where(condition, v, 0) or v * condition, which keep the shape"
    ),
    "array": (
        "turns a value into a NumPy array, which a program cannot follow (the arguments of a "
        "compiled function are Values); NumPy's functions take it as it is, v.detach() is its "
        "numbers as a constant. A plain array that it indexes is te.Value(X, requires_grad=False)"
        "[v], and np.array([v, w]) is te.array([v, w])"
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
    if not item.tape.thread:
        return TracingError(OVER)
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
        for each in inputs:
            if isinstance(each, Node):
                return NotImplemented
        if out is None and method == "__call__":
            return self.tape.call(ufunc, inputs, kwargs)
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


for each in (
    *("all", "any", "argmax", "argmin", "argsort", "astype", "clip", "copy", "cumprod", "cumsum"),
    *("diagonal", "dot", "flatten", "item", "max", "mean", "min", "nonzero", "prod", "ravel"),
    *("repeat", "reshape", "round", "squeeze", "std", "sum", "swapaxes", "take", "trace"),
    *("transpose", "var", "view"),
):
    setattr(Traced, each, method(each))


class TracedNumber:
    """A number of Python's own, weak beside arrays: the learning rate, a count of steps."""

    __slots__ = ("slot", "tape", "value")

    def __init__(self, tape: Tape, slot: Slot, value: Any) -> None:
        self.tape, self.slot, self.value = tape, slot, value

    def __bool__(self) -> bool:
        return bool(self.tape.guard(self))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(self.value, name):
            raise AttributeError(f"a number that is recorded has no attribute {name!r}")
        raise refused(self, "number")

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


FOR_VALUES: dict[Any, Any] = {operator.eq: np.equal, operator.ne: np.not_equal}


def operators() -> None:
    """Give TracedNumber the operators of Python, each an instruction; a Value has its own."""
    arithmetic = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")
    for name in (*arithmetic, "lt", "le", "gt", "ge", "eq", "ne"):
        function = getattr(operator, name)

        def forwards(self: Any, other: Any, function: Any = function) -> Any:
            if isinstance(other, Node):
                # A Value would take this for a foreign object, which nothing is equal to.
                return (
                    FOR_VALUES[function](self, other) if function in FOR_VALUES else NotImplemented
                )
            return self.tape.call(function, (self, other))

        def backwards(self: Any, other: Any, function: Any = function) -> Any:
            if isinstance(other, Node):
                return NotImplemented
            return self.tape.call(function, (other, self))

        setattr(TracedNumber, f"__{name}__", forwards)
        if name in arithmetic:
            setattr(TracedNumber, f"__r{name}__", backwards)
    for name in ("neg", "pos", "abs"):
        function = getattr(operator, name)
        setattr(
            TracedNumber,
            f"__{name}__",
            lambda self, function=function: self.tape.call(function, (self,)),
        )


operators()
