"""Instructions as expressions of Python: operators, methods, and functions of NumPy."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .instructions import Instruction, Method, Slot
from .objects import Objects

INFIX: dict[Any, str] = {
    operator.add: "+",
    operator.sub: "-",
    operator.mul: "*",
    operator.truediv: "/",
    operator.floordiv: "//",
    operator.mod: "%",
    operator.pow: "**",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.eq: "==",
    operator.ne: "!=",
}
# What stands between two numbers: quicker than the ufunc, and the same.
ON_NUMBERS = {
    np.add: "+",
    np.subtract: "-",
    np.multiply: "*",
    np.divide: "/",
    np.less: "<",
    np.less_equal: "<=",
    np.greater: ">",
    np.greater_equal: ">=",
}
# Of two numbers of one dtype, so that a number beside an array may be one already.
OF_TWO = frozenset(
    {
        *(np.add, np.subtract, np.multiply, np.divide, np.power, np.remainder, np.floor_divide),
        *(np.maximum, np.minimum, np.fmax, np.fmin, np.copysign, np.arctan2, np.hypot),
        *(np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal),
    }
)
# Later versions of NumPy want `out=` written out.
BY_NAME = frozenset({np.maximum, np.minimum})
# They are written as they are: nothing that a user names.
AS_THEY_ARE = frozenset({int, bool, type(None), str, type(Ellipsis)})
NUMBERS: frozenset[Any] = frozenset({int, float, np.float32, np.float64})

ndarray = np.ndarray


class Expressions(Objects):
    """Writes one instruction at a time; `names` are those of the slots that it may read."""

    def __init__(self, values: Mapping[Slot, Any], constants: Mapping[Slot, Any]) -> None:
        super().__init__()
        self.values, self.constants = values, constants
        self.names: dict[Slot, str] = {}
        # Temporaries of the first part, and those among them that the second one reads.
        self.in_second = False
        self.temporary: set[str] = set()
        self.handed: dict[str, None] = {}

    def call(self, each: Instruction, into: str) -> str:
        """The expression of an instruction; `into` is the array that takes its result."""
        function, args, kwargs = each.function, each.args, each.kwargs
        if function.__class__ is np.ufunc:
            return self.call_of_ufunc(each, into)
        if function in INFIX and len(args) == 2:
            return f"{self.text(args[0])} {INFIX[function]} {self.text(args[1])}"
        if function is operator.neg:
            return f"-{self.text(args[0])}"
        if function is operator.getitem:
            return f"{self.text(args[0])}[{self.index(args[1])}]"
        if function is np.dot and not kwargs and self.is_array(args[0]):
            into = f", {into}" if into else ""
            return f"{self.text(args[0])}.dot({self.text(args[1])}{into})"
        if isinstance(function, Method):
            given = [*map(self.text, args[1:]), *([into] if into else [])]
            given += [f"{name}={self.text(item)}" for name, item in kwargs.items()]
            return f"{self.text(args[0])}.{function.name}({', '.join(given)})"
        given = list(map(self.text, args))
        options = dict(kwargs)
        owner = getattr(function, "__self__", None)
        if isinstance(owner, np.ufunc):
            name = f"{self.named(owner)}.{function.__name__}"
            if function.__name__ == "reduce" and len(args) == 1 and not options.keys() - {"axis"}:
                given.append(self.text(options.pop("axis", 0)))
                given += ["None", into] if into else []
                into = ""
        else:
            name = self.named(function)
        given += [f"out={into}"] if into else []
        given += [f"{name}={self.text(item)}" for name, item in options.items()]
        return f"{name}({', '.join(given)})"

    def call_of_ufunc(self, each: Instruction, into: str) -> str:
        """The same for the most frequent ones."""
        function, args, kwargs = each.function, each.args, each.kwargs
        if (
            not kwargs
            and function in ON_NUMBERS
            and not isinstance(each.value, ndarray)
            and not any(isinstance(self.values.get(slot), ndarray) for slot in each.reads)
        ):
            return f"{self.text(args[0])} {ON_NUMBERS[function]} {self.text(args[1])}"
        between = function in OF_TWO
        given = [self.ready(item, each) if between else self.text(item) for item in args]
        if into:
            given.append(into if not kwargs and function not in BY_NAME else f"out={into}")
        for name, item in kwargs.items():
            given.append(f"{name}={self.text(item)}")
        name = self.known.get(id(function)) or self.named(function)
        return f"{name}({', '.join(given)})"

    def is_array(self, item: Any) -> bool:
        """Whether an operand is an array, with methods."""
        return item.__class__ is Slot and isinstance(self.values.get(item), ndarray)

    def ready(self, item: Any, each: Instruction) -> str:
        """An operand; a number as an array, which NumPy need not make at each call."""
        number: Any = item
        if item.__class__ is Slot:
            if item not in self.constants or each.value.__class__ is not ndarray:
                return self.text(item)
            number = self.only_number(item, each)
        if number.__class__ not in NUMBERS or not math.isfinite(number):
            return self.text(item)
        dtypes = {a.dtype for a in map(self.values.get, each.reads) if isinstance(a, ndarray)}
        if len(dtypes) != 1 or (dtype := dtypes.pop()).kind != "f":
            return self.text(item)
        if isinstance(number, np.generic) and number.dtype != dtype:
            return self.text(item)
        if not math.isfinite(dtype.type(number)):
            return self.text(item)
        return self.as_array(number, dtype)

    def only_number(self, slot: Slot, each: Instruction) -> Any:
        """The number that all entries of a constant are, where others give the result its shape."""
        array = self.constants[slot]
        if not isinstance(array, ndarray) or not array.ndim or array.dtype.kind != "f":
            return array if isinstance(array, np.generic) else None
        others = [self.values[it] for it in each.reads if it is not slot]
        if not array.size or not any(np.shape(a) == each.value.shape for a in others):
            return None
        first = array.flat[0]
        return first if first != 0 and (array == first).all() else None

    def text(self, item: Any) -> str:
        """An operand."""
        kind = item.__class__
        if kind is Slot:
            name = self.names[item]
            if self.in_second and name in self.temporary:
                self.handed[name] = None
            return name
        if kind in AS_THEY_ARE or (kind is float and math.isfinite(item)):
            return repr(item)
        if kind is tuple:
            return listed([self.text(each) for each in item])
        if kind is list:
            return f"[{', '.join(map(self.text, item))}]"
        if kind is slice:
            parts = (item.start, item.stop, item.step)
            return f"slice({', '.join(map(self.text, parts))})"
        return self.object(item, "k")

    def index(self, item: Any) -> str:
        """What stands between brackets."""
        parts = item if isinstance(item, tuple) else (item,)
        if not parts:
            return "()"
        texts = [":" if each == slice(None) else self.text(each) for each in parts]
        return ", ".join(texts) + ("," if len(parts) == 1 and isinstance(item, tuple) else "")


def listed(items: Iterable[str]) -> str:
    """Names as a tuple."""
    texts = list(items)
    return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"


def takes_out(each: Instruction) -> bool:
    """Whether the function of an instruction can write into an array that it is given."""
    function = each.function
    if function.__class__ is np.ufunc:
        return function.nout == 1
    if function is np.dot:
        return not each.kwargs
    if isinstance(function, Method):
        return function.name == "dot" and each.value.ndim == 2
    owner = getattr(function, "__self__", None)
    return isinstance(owner, np.ufunc) and function.__name__ == "reduce"
