"""A tape as a program: what is not needed left out, memory reused, written as Python."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..engine.blocks import BLOCK
from .parts import aligned
from .tape import Changed, Drawn, Instruction, Method, Slot, Tape, slots

Array = np.ndarray[Any, np.dtype[Any]]

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
VIEWS = frozenset({"transpose", "reshape", "swapaxes", "ravel", "squeeze", "view", "diagonal"})
# Later versions of NumPy want `out=` written out.
BY_NAME = frozenset({np.maximum, np.minimum})
UNWRITTEN = r"[^\w.\[\] -]"


def replaced(item: Any, names: Mapping[Slot, Slot]) -> Any:
    """Operands with other slots."""
    if isinstance(item, Slot):
        return names.get(item, item)
    if isinstance(item, tuple | list):
        return type(item)(replaced(each, names) for each in item)
    if isinstance(item, dict):
        return {name: replaced(each, names) for name, each in item.items()}
    if isinstance(item, slice):
        return slice(*(replaced(each, names) for each in (item.start, item.stop, item.step)))
    return item


def simplified(
    tape: Tape, outputs: Sequence[Slot], held: Collection[Slot] = ()
) -> tuple[list[Instruction], dict[Slot, Slot]]:
    """What leads to outputs and guards, each computation once; and which slots became others."""
    values = {each.out: each.value for each in tape.instructions} | tape.inputs
    names: dict[Slot, Slot] = {}
    known: dict[Any, Slot] = {}
    single = []
    for each in tape.instructions:
        if not names.keys().isdisjoint(each.reads):
            each = replace(
                each, args=replaced(each.args, names), kwargs=replaced(dict(each.kwargs), names)
            )
        args = each.args
        if not isinstance(each.function, Drawn) and tape.constants.keys() >= {*each.reads}:
            if not each.guard:
                tape.constants[each.out] = each.value
            continue
        if (same := unchanged(each, args, tape.constants, values, held)) is not None:
            names[each.out] = same
            continue
        operands = args
        if each.function in (np.add, np.multiply):  # either way round
            operands = tuple(sorted(args, key=str))
        key = (each.guard, *fingerprint((each.function, operands, each.kwargs)))
        if key in known and not isinstance(each.function, Drawn):
            names[each.out] = known[key]
            continue
        known[key] = each.out
        single.append(each)
    wanted = {names.get(slot, slot) for slot in outputs}
    kept = []
    for each in reversed(single):
        if each.guard or isinstance(each.function, Drawn) or each.out in wanted:
            wanted.update(each.reads)
            kept.append(each)
    return kept[::-1], names


def unchanged(
    each: Instruction,
    args: tuple[Any, ...],
    constants: Mapping[Slot, Any],
    values: Mapping[Slot, Any],
    held: Collection[Slot],
) -> Slot | None:
    """The slot whose numbers a result is: a copy, as only what is held is written to, or x · 1."""
    candidates: list[Slot]
    if isinstance(each.function, Method) and each.function.name == "copy":
        candidates = [slot for slot in args[:1] if slot not in held]
    elif each.function is np.multiply and not each.kwargs:
        given: list[Any] = [constants.get(a) if isinstance(a, Slot) else a for a in args]
        candidates = [
            slot
            for slot, factor in zip(args, given[::-1], strict=True)
            if isinstance(slot, Slot) and slot not in held and np.all(np.equal(factor, 1))
        ]
    else:
        return None
    for slot in candidates:
        memory = values.get(slot)
        if any(np.may_share_memory(memory, values[each]) for each in held if each in values):
            continue  # a view of what is held
        same, value = values.get(slot), each.value
        if (
            isinstance(value, np.ndarray)
            and isinstance(same, np.ndarray)
            and (same.shape, same.strides, same.dtype) == (value.shape, value.strides, value.dtype)
        ):
            return slot
    return None


def fingerprint(item: Any) -> tuple[Any, ...]:
    """Equal for operands that are the same, types and signs of zero too."""
    if isinstance(item, Slot):
        return ("slot", item.number)
    if isinstance(item, tuple | list):
        return (type(item), *map(fingerprint, item))
    if isinstance(item, dict):
        return ("dict", *((name, fingerprint(each)) for name, each in sorted(item.items())))
    if isinstance(item, slice):
        return ("slice", *map(fingerprint, (item.start, item.stop, item.step)))
    if isinstance(item, int | float | np.generic | str | type(None)):
        return (type(item), repr(item))
    if isinstance(item, Method):
        return ("method", item.name)
    if isinstance(item, Changed):
        return ("changed", item.function.__name__)
    ufunc = getattr(item, "__self__", None)
    if isinstance(ufunc, np.ufunc):  # np.add.reduce is another object each time
        return ("ufunc", ufunc.__name__, item.__name__)
    return ("object", id(item))


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


@dataclass(eq=False)
class Buffer:
    """An array that instructions write to, its name, and its memory, which others use in turn."""

    name: str
    array: Array
    memory: Array

    @property
    def form(self) -> tuple[Any, ...]:
        """What a result must have in common with it."""
        return self.array.shape, self.array.dtype, self.array.strides


class Program:
    """Python source that does what a tape did, and the objects that it names.

    `inputs` are the slots given at each call, in order; `held` those whose arrays stay where they
    are (parameters, constants), by slot; `outputs` what it returns as a tuple, None where a guard
    does not hold; `targets` say for some results in which array they belong.
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
        wanted = [*slots(tuple(outputs)), *(slot for slot, _ in (*targets, *later, *assigned))]
        behind = {each.out for each in tape.instructions[mark:]} if mark is not None else set()
        self.instructions, became = simplified(tape, wanted, held)
        self.mark = next(
            (n for n, each in enumerate(self.instructions) if each.out in behind),
            len(self.instructions),
        )
        self.instructions[self.mark :] = together(self.instructions[self.mark :])
        self.instructions[: self.mark] = together(self.instructions[: self.mark])
        self.checked = checked
        # Without an optimiser a gradient that is not finite shows in the results.
        self.chained = chained and not checked
        self.outputs = [replaced(each, became) for each in outputs]
        self.values = {**tape.inputs, **tape.constants}
        self.values |= {each.out: each.value for each in self.instructions}
        self.targets: dict[Slot, Array] = {}
        self.copies: list[tuple[Slot, Array]] = []
        self.arrays: dict[Slot, Any] = dict(held)
        used = {slot for each in self.instructions for slot in each.reads}
        self.constants = tape.constants
        used |= {*slots(tuple(self.outputs)), *(became.get(slot, slot) for slot in wanted)}
        self.arrays |= {slot: a for slot, a in tape.constants.items() if slot in used}
        # Gradients are copied before the update, what they lead to after it.
        self.first_copies: list[tuple[Slot, Array]] = []
        self.direct: set[Slot] = set()
        self.kept: dict[Slot, str] = {}
        for wanted_in, copies in ((targets, self.first_copies), (later, self.copies)):
            for slot, array in wanted_in:
                slot = became.get(slot, slot)
                if slot in self.targets or slot in self.arrays or slot in inputs:
                    copies.append((slot, array))  # one result is wanted in two places
                    continue
                self.targets[slot] = array
                if copies is self.first_copies:
                    self.direct.add(slot)
        self.copies += [(became.get(slot, slot), array) for slot, array in assigned]
        self.numbers: list[Any] = []
        self.names = {slot: f"x{number}" for number, slot in enumerate(inputs)}
        self.objects: dict[str, Any] = {}
        self.known: dict[int, str] = {}  # their names by their ids
        self.failed: list[int] = []  # sites of guards that did not hold
        for number, (slot, array) in enumerate(self.arrays.items()):
            self.names[slot] = self.hold(f"w{number}", array)
        self.inputs = [self.names[slot] for slot in inputs]
        self.roots: dict[Slot, Slot] = {}
        self.owned: dict[Slot, Buffer] = {}  # by the root that fills it
        self.free: list[Buffer] = []
        self.lines: list[str] = []
        self.scratch: dict[str, Array] = {}  # for blocks
        self.tested: list[Array] = []  # gradients that are known to be finite
        self.count = 0
        self.bytes = 0
        self.write()
        self.source = self.written()
        self.function = self.function_of()
        # What was recorded is not needed any more, and large.
        for name in (
            *("instructions", "values", "arrays", "owned", "free", "roots", "known", "constants"),
            *("names", "targets", "last", "lines", "before", "copies", "first_copies", "direct"),
            *("returned", "tested", "scratch", "outputs", "inputs"),
        ):
            delattr(self, name)

    # ---- memory ----

    def root(self, slot: Slot) -> Slot:
        """The slot whose memory a view looks at; itself for others."""
        while slot in self.roots:
            slot = self.roots[slot]
        return slot

    def relate(self, each: Instruction) -> None:
        """Note down whose memory a result shares."""
        if isinstance(each.value, np.ndarray):
            for slot in each.reads:
                base = self.values.get(slot)
                if isinstance(base, np.ndarray) and np.may_share_memory(each.value, base):
                    self.roots[each.out] = slot
                    return

    def buffer(self, slot: Slot, value: Array) -> str:
        """Memory for a result, of the recorded layout; what is free is used again.

        Best what was used last and has this form, else the smallest that is large enough and not
        much too large.
        """
        form = value.shape, value.dtype, value.strides
        size = value.nbytes
        for found in reversed(self.free):
            if found.form == form:
                break
        else:
            fitting = [each for each in self.free if size <= each.memory.nbytes <= 2 * size]
            memory = min(fitting, key=lambda each: each.memory.nbytes).memory if fitting else None
            self.free = [each for each in self.free if each.memory is not memory]
            if memory is None:
                memory = aligned(size, np.uint8)
                self.bytes += size
            self.count += 1
            strides = np.empty_like(value, subok=False).strides
            array: Array = np.ndarray(value.shape, value.dtype, memory, 0, strides)
            found = Buffer(self.hold(f"b{self.count}", array), array, memory)
        self.free = [each for each in self.free if each is not found]
        self.owned[slot] = found
        self.arrays[slot] = found.array
        return found.name

    def release(self, slot: Slot) -> None:
        """Give the memory of a result back."""
        self.free.append(self.owned.pop(slot))

    # ---- writing ----

    def write(self) -> None:
        """All lines of the program."""
        for each in self.instructions:
            self.relate(each)
        self.last = last = dict[Slot, int]()
        for number, each in enumerate(self.instructions):
            for slot in each.reads:
                last[self.root(slot)] = number
        end = len(self.instructions)
        self.returned = {self.root(slot) for slot in slots(tuple(self.outputs))}
        for slot in (
            *self.returned,
            *self.targets,
            *(slot for slot, _ in (*self.copies, *self.first_copies)),
        ):
            last[self.root(slot)] = end
        scope = ""
        self.before: list[str] = []
        stop = 0
        for number, each in enumerate(self.instructions):
            if number < stop:
                continue  # in a loop over blocks
            self.number = number
            if number == self.mark:
                self.copy(self.first_copies)
                self.keep()
                self.before, self.lines = self.lines, []
                self.own_gradients()
            if each.scope != scope:
                scope = each.scope
                # A scope has names that a user chose.
                self.lines.append(f"# {re.sub(UNWRITTEN, '?', scope)}")
            if (stop := self.run_from(number)) > number + 1:
                Blocks(self, number, stop).write()
                continue
            dying = self.dying(each)
            entrywise = isinstance(each.function, np.ufunc) and each.function is not np.matmul
            if entrywise:  # a result may take the place of an operand
                for root in dying:
                    self.release(root)
            self.emit(each)
            if not entrywise:
                for root in dying:
                    self.release(root)
        if self.mark == end:
            self.copy(self.first_copies)
            self.keep()
        self.copy(self.copies)

    def own_gradients(self) -> None:
        """Let the update write over gradients that it has read: nobody else sees them."""
        places = {id(array) for array in self.checked}
        for slot, array in self.arrays.items():
            if id(array) in places and slot not in self.returned:
                self.owned[slot] = Buffer(self.names[slot], array, array.view(np.uint8))

    def dying(self, each: Instruction) -> list[Slot]:
        """Whose memory is not needed after an instruction."""
        roots = dict.fromkeys(self.root(slot) for slot in each.reads)
        return [r for r in roots if self.last[r] == self.number and r in self.owned]

    def run_from(self, start: int) -> int:
        """Where instructions end that go through large arrays entry by entry, and can together."""
        shape = None
        for number in range(start, len(self.instructions)):
            each = self.instructions[number]
            if not entry_by_entry(each, self.values) or number == self.mark != start:
                return number
            if shape not in (None, each.value.shape):
                return number
            shape = each.value.shape
        return len(self.instructions)

    def keep(self) -> None:
        """Copy results that lie among the gradients, before an update takes their memory."""
        for each in dict.fromkeys(slots(tuple(self.outputs))):
            if self.root(each) in self.direct and isinstance(self.values[each], np.ndarray):
                self.kept[each] = f"t{each.number}"
                self.lines.append(f"{self.kept[each]} = {self.text(each)}.copy()")

    def copy(self, copies: Sequence[tuple[Slot, Array]]) -> None:
        """Put results where they belong."""
        for slot, array in copies:
            self.lines.append(
                f"{self.named(np.copyto)}({self.object(array, 'w')}, {self.text(slot)})"
            )

    def emit(self, each: Instruction) -> None:
        """The line of one instruction."""
        value = each.value
        if each.guard:
            condition = self.text(each.args[0])
            self.lines.append(
                f"if {'not ' if value else ''}{condition}: return failed({each.site})"
            )
            return
        array = isinstance(value, np.ndarray)
        if array and each.out in self.roots and self.hoisted(each):
            return
        into = self.place(each)
        line = self.call(each, into)
        if into:
            self.names[each.out] = into
            self.lines.append(f"{line}  # {shape(value)}")
            if each.out in self.direct and value.nbytes > BLOCK:
                # While it is in the cache; others are looked at together.
                self.lines += self.test(self.targets[each.out].reshape(-1))
                self.tested.append(self.targets[each.out])
            return
        self.names[each.out] = f"t{each.out.number}"
        comment = f"  # {shape(value)}" if array else ""
        self.lines.append(f"t{each.out.number} = {line}{comment}")
        if each.out in self.targets:
            copies = self.first_copies if each.out in self.direct else self.copies
            copies.append((each.out, self.targets[each.out]))

    def place(self, each: Instruction) -> str:
        """The name of the array that takes a result; empty where it is a new one."""
        value, out = each.value, each.out
        if not isinstance(value, np.ndarray) or not value.ndim or out in self.roots:
            return ""
        if not takes_out(each):
            return ""
        if out in self.targets and (out in self.direct or self.untouched(each)):
            self.arrays[out] = self.targets[out]
            return self.object(self.targets[out], "w")
        if out not in self.returned and out not in self.targets:
            return self.buffer(out, value)
        return ""

    def test(self, array: Array) -> list[str]:
        """Raise where an entry is not finite: a sum of squares is if every entry is."""
        name = self.object(array, "g")
        return [f"if not finite({name}.dot({name})): raise FloatingPointError"]

    def untouched(self, each: Instruction) -> bool:
        """Whether nobody reads any more what lies where a result belongs."""
        place = self.targets[each.out]
        return all(
            self.last.get(slot, -1) <= self.number
            for slot, array in self.arrays.items()
            if slot not in self.roots
            and isinstance(array, np.ndarray)
            and np.may_share_memory(array, place)
        )

    def hoisted(self, each: Instruction) -> bool:
        """Whether a view of memory that stays where it is was made once and for all."""
        sources = each.reads
        if len(sources) != 1 or sources[0] not in self.arrays:
            return False
        base = self.arrays[sources[0]]
        view = each.function(*bound(each.args, sources[0], base), **each.kwargs)
        if not np.may_share_memory(view, base):
            return False
        self.arrays[each.out] = view
        self.names[each.out] = self.object(view, "v")
        return True

    def object(self, item: Any, letter: str) -> str:
        """The name of an object that the program holds."""
        known = self.known.get(id(item))
        return known or self.hold(f"{letter}{len(self.objects)}", item)

    def hold(self, name: str, item: Any) -> str:
        """Let the program know an object under a name."""
        self.objects[name] = item
        self.known.setdefault(id(item), name)
        return name

    def call(self, each: Instruction, into: str) -> str:
        """The expression of an instruction; `into` is the array that takes its result."""
        function, args, kwargs = each.function, each.args, dict(each.kwargs)
        if function in INFIX and len(args) == 2:
            return f"{self.text(args[0])} {INFIX[function]} {self.text(args[1])}"
        if function is operator.neg:
            return f"-{self.text(args[0])}"
        if function is operator.getitem:
            return f"{self.text(args[0])}[{self.index(args[1])}]"
        if function is np.dot and not kwargs:
            given = [self.text(args[1]), *([into] if into else [])]
            return f"{self.text(args[0])}.dot({', '.join(given)})"
        if isinstance(function, Method):
            given = [*map(self.text, args[1:]), *([into] if into else [])]
            given += [f"{name}={self.text(item)}" for name, item in kwargs.items()]
            return f"{self.text(args[0])}.{function.name}({', '.join(given)})"
        numbers = not isinstance(each.value, np.ndarray) and not any(
            isinstance(self.values.get(slot), np.ndarray) for slot in each.reads
        )
        if numbers and function in ON_NUMBERS and not kwargs:
            return f"{self.text(args[0])} {ON_NUMBERS[function]} {self.text(args[1])}"
        given = list(map(self.text, args))
        owner = getattr(function, "__self__", None)
        if isinstance(owner, np.ufunc):
            name = f"{self.named(owner)}.{function.__name__}"
            if function.__name__ == "reduce" and len(args) == 1 and not kwargs.keys() - {"axis"}:
                given.append(self.text(kwargs.pop("axis", 0)))
                given += ["None", into] if into else []
                into = ""
        else:
            name = self.named(function)
        if isinstance(function, np.ufunc) and function in OF_TWO:
            given = [self.text(self.ready(item, each)) for item in args]
        if into and not kwargs and isinstance(function, np.ufunc) and function not in BY_NAME:
            given.append(into)
        elif into:
            kwargs["out"] = Written(into)
        given += [f"{name}={self.text(item)}" for name, item in kwargs.items()]
        return f"{name}({', '.join(given)})"

    def ready(self, item: Any, each: Instruction) -> Any:
        """A number among the operands as an array, which NumPy need not make at each call."""
        if isinstance(item, Slot) and item in self.constants and isinstance(each.value, np.ndarray):
            array = self.constants[item]
            others = [self.values[slot] for slot in each.reads if slot is not item]
            if any(np.shape(a) == each.value.shape for a in others) and np.ndim(array):
                first = array.flat[0] if array.size else 0
                if array.dtype.kind == "f" and np.all(array == first) and first != 0:
                    item = first
        if item.__class__ not in (int, float, np.float32, np.float64) or not math.isfinite(item):
            return item
        dtypes = {a.dtype for a in map(self.values.get, each.reads) if isinstance(a, np.ndarray)}
        if len(dtypes) != 1 or (dtype := dtypes.pop()).kind != "f":
            return item
        if isinstance(item, np.generic) and item.dtype != dtype:
            return item
        array = np.array(item, dtype)
        if not np.isfinite(array):
            return item
        name = re.sub(r"\W", "_", f"c{float(item):.6g}".replace("-", "m"))
        held = self.objects.get(name)
        if held is None:
            self.hold(name, array)
        elif held.dtype != dtype or held.tobytes() != array.tobytes():
            return item
        return Written(name)

    def held_blocks(self, name: str, blocks: list[Any]) -> str:
        """The name of a list of blocks; equal ones are one."""
        for known in (name, *(f"{name}{number}" for number in range(2, len(self.objects) + 3))):
            held = self.objects.get(known)
            if held is None:
                return self.hold(known, blocks)
            if len(held) == len(blocks) and all(map(alike, held, blocks)):
                return known
        raise AssertionError("there are more names than objects")

    def named_as(self, name: str, item: Any) -> str:
        """A name for an object, unless it names one already."""
        return name if name in self.objects else self.hold(name, item)

    def named(self, function: Any) -> str:
        """The name of a function: NumPy's own, else a number."""
        name = getattr(function, "__name__", "")
        if getattr(np, name, None) is function:
            return self.hold(name, function)
        return self.object(function, "f")

    def text(self, item: Any) -> str:
        """An operand."""
        if isinstance(item, Slot):
            return self.names[item]
        if isinstance(item, Written):
            return item.name
        if isinstance(item, tuple):
            return f"({''.join(self.text(each) + ', ' for each in item)})"
        if isinstance(item, list):
            return f"[{', '.join(map(self.text, item))}]"
        if isinstance(item, slice):
            parts = (item.start, item.stop, item.step)
            return f"slice({', '.join(map(self.text, parts))})"
        if item.__class__ in (int, bool, type(None), str) or item is Ellipsis:
            return repr(item)
        if item.__class__ is float and np.isfinite(item):
            return repr(item)
        return self.object(item, "k")

    def index(self, item: Any) -> str:
        """What stands between brackets."""
        parts = item if isinstance(item, tuple) else (item,)
        if not parts:
            return "()"
        return ", ".join(map(self.text, parts)) + (
            "," if len(parts) == 1 and isinstance(item, tuple) else ""
        )

    # ---- running ----

    def handed_out(self) -> list[str]:
        """The results: an array that is the program's own, or is in two of them, as a copy."""
        texts, seen = [], set[Slot]()
        for each in self.outputs:
            text = self.text(each)
            if isinstance(each, Slot) and each in self.kept and each not in seen:
                text = self.kept[each]
                seen.add(each)
            elif isinstance(each, Slot):
                root = self.root(each)
                if isinstance(self.values[each], np.ndarray) and (
                    root in self.arrays or each in self.arrays or root in self.given or root in seen
                ):
                    text = f"{text}.copy()"
                seen.add(root)
            elif isinstance(each, np.ndarray):
                text = f"{text}.copy()"
            texts.append(text)
        return texts

    def tests(self) -> Iterator[str]:
        """What says of each result whether it is finite."""
        self.objects["vdot"] = np.vdot
        for each in dict.fromkeys(slots(tuple(self.outputs))):
            value = self.values[each]
            if np.issubdtype(np.asarray(value).dtype, np.inexact):
                name = self.text(each)
                yield f"finite(vdot({name}, {name}))" if np.ndim(value) else f"finite({name})"

    def written(self) -> str:
        """The program as Python."""
        given = ", ".join(self.inputs)
        result = "".join(f"{each}, " for each in self.handed_out())
        first = self.before or self.lines
        second = self.lines if self.before else []
        made = {line.split(" = ")[0] for line in first if re.match(r"t\d+ = ", line)}
        used = set(re.findall(r"\bt\d+\b", " ".join([*second, result])))
        handed = "".join(f"{name}, " for name in sorted(made & used))
        lines = [f"def gradients({given}):"]
        lines += [f"    {line}" for line in [*first, f"return ({handed})"]]
        lines += ["", f"def step({given}):", f"    found = strictly(gradients, {given})"]
        lines += ["    if found is None: return None"]
        for each in self.checked:
            for part in gaps(each, self.tested):
                lines += [f"    {line}" for line in self.test(part)]
        lines += [f"    {handed}= found"] if handed else []
        if self.chained and (tests := list(self.tests())):
            lines += [f"    if not ({' and '.join(tests)}): raise FloatingPointError"]
        lines += [f"    {line}" for line in [*second, f"return ({result})"]]
        return "\n".join(lines) + "\n"

    # ---- running ----

    def function_of(self) -> Callable[..., Any]:
        """The program, ready to run."""
        # Cheaper than np.errstate as a decorator, which costs as much as three operations.
        strict = Context()
        strict.run(np.seterr, over="raise", divide="raise", invalid="raise")
        strict.run(np.setbufsize, 2048)  # for masks: as quick as 8192, and stays in the cache
        self.objects |= {"strictly": strict.run, "finite": math.isfinite}
        self.objects["failed"] = self.failed.append
        source = self.source
        names = list(self.objects)
        inner = "".join(f"    {line}\n" for line in source.splitlines())
        text = f"def make({', '.join(names)}):\n{inner}    return step\n"
        builtins = {
            "slice": slice,
            "Ellipsis": Ellipsis,
            "FloatingPointError": FloatingPointError,
        }
        space: dict[str, Any] = {"__builtins__": builtins}
        exec(compile(text, "<compiled step>", "exec"), space)
        made: Callable[..., Any] = space["make"](*self.objects.values())
        return made


@dataclass(frozen=True)
class Written:
    """An operand that is a name already."""

    name: str


def bound(item: Any, slot: Slot, value: Any) -> Any:
    """Operands with the array of the only slot in them."""
    if isinstance(item, tuple):
        return tuple(bound(each, slot, value) for each in item)
    return value if item == slot else item


class Blocks:
    """A loop over blocks of large arrays: what is computed on the way stays in the cache."""

    def __init__(self, program: Program, start: int, stop: int) -> None:
        self.program, self.start, self.stop = program, start, stop
        self.run = program.instructions[start:stop]
        arrays = [program.values[slot] for each in self.run for slot in each.reads]
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
        self.parts: dict[str, str] = {}  # names of lists of blocks, by that of one block
        self.before: list[str] = []
        self.scratch: dict[Slot, str] = {}
        self.free: dict[Any, list[str]] = {}
        self.count = 0

    def write(self) -> None:
        """Its lines."""
        program = self.program
        whole = dict(program.names)
        names: dict[Slot, str] = {}
        lines = []
        for number, each in enumerate(self.run, self.start):
            program.number = number
            for slot in each.reads:
                if np.shape(program.values[slot]) != self.shape or slot in self.scratch:
                    continue
                if slot not in names:
                    program.names[slot] = self.part(whole[slot], program.arrays.get(slot))
            for root in program.dying(each):
                program.release(root)
            for slot in {*each.reads} & self.scratch.keys():
                if program.last[slot] == number:
                    self.free.setdefault(program.values[slot].dtype, []).append(self.scratch[slot])
            name = self.place(each, names)
            lines.append(program.call(each, name))
            program.names[each.out] = name
        program.names = whole | names
        program.lines += [*self.before, f"# {shape(self.run[0].value)}, {len(self.cuts)} blocks"]
        over = list(self.parts.values())
        if len(over) == 1:
            program.lines.append(f"for {', '.join(self.parts)} in {over[0]}:")
        else:
            program.lines.append(f"for {', '.join(self.parts)} in {program.named_as('zip', zip)}(")
            program.lines += [f"    {name}," for name in over] + ["):"]
        program.lines += [f"    {line}" for line in lines]

    def part(self, name: str, array: Any) -> str:
        """The name of one block of an array, known now (then it is cut once) or at each call."""
        program, one = self.program, f"{name}_"
        if one in self.parts:
            return one
        if array is None:
            cut = program.object(self.cut, "cut")
            self.parts[one] = f"{cut}({name})"
        else:
            self.parts[one] = program.held_blocks(f"{name}_blocks", self.cut(array))
        return one

    def buffer(self, dtype: Any) -> str:
        """Memory for one block."""
        pool = self.free.setdefault(dtype, [])
        if pool:
            return pool.pop()
        self.count += 1
        name = f"s{self.count}{dtype.kind}{dtype.itemsize}"
        known = self.program.scratch.get(name)
        if known is None or known.size < self.step:
            known = self.program.scratch[name] = aligned(self.step, dtype)
            self.program.bytes += known.nbytes
        row = self.shape[1:] if self.rows else ()
        sizes = [self.step] * (len(self.cuts) - 1) + [self.rest]
        blocks = [known[:size].reshape(-1, *row) for size in sizes]
        self.parts[name] = self.program.held_blocks(f"{name}_blocks", blocks)
        return name

    def place(self, each: Instruction, names: dict[Slot, str]) -> str:
        """Where the block of a result is written to."""
        program, out = self.program, each.out
        kept = out in program.returned or out in program.targets
        if not kept and program.last[out] < self.stop:
            self.scratch[out] = self.buffer(each.value.dtype)
            return self.scratch[out]
        name = program.place(each)
        if not name:
            name = f"t{out.number}"
            empty = program.named(np.empty)
            dtype = program.object(each.value.dtype, "k")
            self.before.append(f"{name} = {empty}({each.value.shape}, {dtype})")
            if out in program.targets:
                copies = program.first_copies if out in program.direct else program.copies
                copies.append((out, program.targets[out]))
        names[out] = name
        return self.part(name, program.arrays.get(out))


def together(instructions: Sequence[Instruction]) -> list[Instruction]:
    """The same, what goes through large arrays entry by entry in longer runs.

    A number that is found between two such instructions waits until after the second one.
    """
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


def gaps(flat: Array, parts: Sequence[Array]) -> list[Array]:
    """What lies in a flat array outside of the parts that are views of it."""
    start, at, found = flat.__array_interface__["data"][0], 0, []
    taken = [(p.__array_interface__["data"][0] - start, p) for p in parts]
    for offset, part in sorted((o, p.size) for o, p in taken if 0 <= o < flat.nbytes):
        first = offset // flat.itemsize
        if first > at:
            found.append(flat[at:first])
        at = first + part
    return [*found, flat[at:]] if at < flat.size else found


def cut_as(cuts: Sequence[slice], rows: bool, array: Array) -> list[Array]:
    """The blocks of an array: of its rows, or of all entries one behind the other."""
    flat = array if rows else array.reshape(-1)
    return [flat[each] for each in cuts]


def entry_by_entry(each: Instruction, values: Mapping[Slot, Any]) -> bool:
    """Whether an instruction can be done block by block, and is on arrays that are worth it."""
    function, value = each.function, each.value
    if not isinstance(function, np.ufunc) or function.nout != 1 or function.signature:
        return False
    if each.kwargs or not large(value):
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
    return isinstance(value, np.ndarray) and value.flags.c_contiguous and value.size >= BLOCK


def alike(a: Array, b: Array) -> bool:
    """Whether two arrays are the same place in memory, of the same layout."""
    return (a.__array_interface__, a.dtype) == (b.__array_interface__, b.dtype)


def takes_out(each: Instruction) -> bool:
    """Whether the function of an instruction can write into an array that it is given."""
    function = each.function
    if isinstance(function, np.ufunc):
        return function.nout == 1
    if function is np.dot:
        return not each.kwargs
    if isinstance(function, Method):
        return function.name == "dot" and each.value.ndim == 2
    return (
        isinstance(getattr(function, "__self__", None), np.ufunc) and function.__name__ == "reduce"
    )


def shape(value: Any) -> str:
    """The shape of an array as it stands in a comment."""
    return " x ".join(map(str, value.shape)) or "1"
