"""A tape as a program: what is not needed left out, memory reused, written as Python."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .tape import Changed, Drawn, Instruction, Method, Slot, Tape

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
REDUCTIONS = frozenset({"reduce"})


def slots(item: Any) -> Iterator[Slot]:
    """The slots in operands."""
    if isinstance(item, Slot):
        yield item
    elif isinstance(item, tuple | list):
        for each in item:
            yield from slots(each)
    elif isinstance(item, dict):
        for each in item.values():
            yield from slots(each)
    elif isinstance(item, slice):
        yield from slots((item.start, item.stop, item.step))


def read(instruction: Instruction) -> list[Slot]:
    """What an instruction needs."""
    return [*slots(instruction.args), *slots(dict(instruction.kwargs))]


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


def simplified(tape: Tape, outputs: Sequence[Slot]) -> tuple[list[Instruction], dict[Slot, Slot]]:
    """What leads to the outputs and guards, each computation once; and which slots became others."""
    names: dict[Slot, Slot] = {}
    known: dict[Any, Slot] = {}
    single = []
    for each in tape.instructions:
        args, kwargs = replaced(each.args, names), replaced(dict(each.kwargs), names)
        key = (each.guard, *fingerprint((each.function, args, kwargs)))
        if key in known and not isinstance(each.function, Drawn):
            names[each.out] = known[key]
            continue
        known[key] = each.out
        single.append(
            Instruction(each.function, args, kwargs, each.out, each.value, each.guard, each.scope)
        )
    wanted = {names.get(slot, slot) for slot in outputs}
    kept = []
    for each in reversed(single):
        if each.guard or isinstance(each.function, Drawn) or each.out in wanted:
            wanted.update(read(each))
            kept.append(each)
    return kept[::-1], names


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
        targets: Mapping[Slot, Array],
        mark: int | None = None,
        later: Mapping[Slot, Array] | None = None,
        checked: Sequence[Array] = (),
        assigned: Mapping[Slot, Array] | None = None,
    ) -> None:
        later, assigned = later or {}, assigned or {}
        wanted = [*slots(tuple(outputs)), *targets, *later, *assigned]
        behind = {each.out for each in tape.instructions[mark:]} if mark is not None else set()
        self.instructions, became = simplified(tape, wanted)
        self.mark = next(
            (n for n, each in enumerate(self.instructions) if each.out in behind),
            len(self.instructions),
        )
        self.checked = checked
        self.outputs = [replaced(each, became) for each in outputs]
        self.values = {**tape.inputs, **tape.constants}
        self.values |= {each.out: each.value for each in self.instructions}
        self.targets: dict[Slot, Array] = {}
        self.copies: list[tuple[Slot, Array]] = []
        self.arrays: dict[Slot, Any] = {**tape.constants, **held}
        # Gradients are copied before the update, what they lead to after it.
        self.first_copies: list[tuple[Slot, Array]] = []
        self.direct: set[Slot] = set()
        for wanted_in, copies in ((targets, self.first_copies), (later, self.copies)):
            for slot, array in wanted_in.items():
                slot = became.get(slot, slot)
                if slot in self.targets or slot in self.arrays or slot in inputs:
                    copies.append((slot, array))  # one result is wanted in two places
                    continue
                self.targets[slot] = array
                if copies is self.first_copies:
                    self.direct.add(slot)
        self.copies += [(became.get(slot, slot), array) for slot, array in assigned.items()]
        self.numbers: list[Any] = []
        self.names = {slot: f"x{number}" for number, slot in enumerate(inputs)}
        self.objects: dict[str, Any] = {}
        for number, (slot, array) in enumerate(self.arrays.items()):
            self.names[slot] = f"w{number}"
            self.objects[f"w{number}"] = array
        self.inputs = [self.names[slot] for slot in inputs]
        self.roots: dict[Slot, Slot] = {}
        self.owned: dict[Slot, Any] = {}  # by the root that fills it: a buffer and its key
        self.free: dict[Any, list[tuple[str, Array]]] = {}
        self.lines: list[str] = []
        self.count = 0
        self.bytes = 0
        self.write()
        self.source = self.written()
        self.function = self.function_of()
        # What was recorded is not needed any more, and large.
        for name in ("instructions", "values", "arrays", "owned", "free", "roots", "targets"):
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
            for slot in read(each):
                base = self.values.get(slot)
                if isinstance(base, np.ndarray) and np.may_share_memory(each.value, base):
                    self.roots[each.out] = slot
                    return

    def buffer(self, slot: Slot, value: Array) -> str:
        """Memory for a result, of the recorded layout; what is free is used again."""
        key = value.shape, value.dtype, value.strides
        pool = self.free.setdefault(key, [])
        if pool:
            name, array = pool.pop()
        else:
            self.count += 1
            name, array = f"b{self.count}", np.empty_like(value, subok=False)
            self.objects[name] = array
            self.bytes += array.nbytes
        self.owned[slot] = key, name, array
        self.arrays[slot] = array
        return name

    def release(self, slot: Slot) -> None:
        """Give the memory of a result back."""
        key, name, array = self.owned.pop(slot)
        self.free[key].append((name, array))

    # ---- writing ----

    def write(self) -> None:
        """All lines of the program."""
        for each in self.instructions:
            self.relate(each)
        self.last = last = dict[Slot, int]()
        for number, each in enumerate(self.instructions):
            for slot in read(each):
                last[self.root(slot)] = number
        end = len(self.instructions)
        self.returned = {self.root(slot) for slot in slots(tuple(self.outputs))}
        for slot in (*self.returned, *self.targets, *(slot for slot, _ in (*self.copies, *self.first_copies))):
            last[self.root(slot)] = end
        scope = ""
        self.before: list[str] = []
        for number, each in enumerate(self.instructions):
            self.number = number
            if number == self.mark:
                self.copy(self.first_copies)
                self.before, self.lines = self.lines, []
            if each.scope != scope:
                scope = each.scope
                self.lines.append(f"# {scope}")
            roots = dict.fromkeys(self.root(slot) for slot in read(each))
            dying = [root for root in roots if last[root] == number and root in self.owned]
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
        self.copy(self.copies)

    def copy(self, copies: Sequence[tuple[Slot, Array]]) -> None:
        """Put results where they belong."""
        self.objects["copyto"] = np.copyto
        for slot, array in copies:
            self.lines.append(f"copyto({self.object(array, 'w')}, {self.text(slot)})")

    def emit(self, each: Instruction) -> None:
        """The line of one instruction."""
        value = each.value
        if each.guard:
            condition = self.text(each.args[0])
            self.lines.append(f"if {'not ' if value else ''}{condition}: return None")
            return
        array = isinstance(value, np.ndarray)
        if array and each.out in self.roots and self.hoisted(each):
            return
        into = ""
        if array and value.ndim and each.out not in self.roots and takes_out(each, self.values):
            if each.out in self.targets and (each.out in self.direct or self.untouched(each)):
                self.arrays[each.out] = self.targets[each.out]
                into = self.object(self.targets[each.out], "w")
            elif each.out not in self.returned and each.out not in self.targets:
                into = self.buffer(each.out, value)
        line = self.call(each, into)
        if into:
            self.names[each.out] = into
            self.lines.append(f"{line}  # {shape(value)}")
            return
        self.names[each.out] = f"t{each.out.number}"
        comment = f"  # {shape(value)}" if array else ""
        self.lines.append(f"t{each.out.number} = {line}{comment}")
        if each.out in self.targets:
            copies = self.first_copies if each.out in self.direct else self.copies
            copies.append((each.out, self.targets[each.out]))

    def untouched(self, each: Instruction) -> bool:
        """Whether nobody reads any more what lies where a result belongs."""
        place = self.targets[each.out]
        return all(
            self.last.get(slot, -1) <= self.number
            for slot, array in self.arrays.items()
            if slot not in self.roots and isinstance(array, np.ndarray) and np.may_share_memory(array, place)
        )

    def hoisted(self, each: Instruction) -> bool:
        """Whether a view of memory that stays where it is was made once and for all."""
        sources = read(each)
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
        for name, known in self.objects.items():
            if known is item:
                return name
        name = f"{letter}{len(self.objects)}"
        self.objects[name] = item
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
        if isinstance(function, Method):
            given = [*map(self.text, args[1:]), *([into] if into else [])]
            given += [f"{name}={self.text(item)}" for name, item in kwargs.items()]
            return f"{self.text(args[0])}.{function.name}({', '.join(given)})"
        numbers = not isinstance(each.value, np.ndarray) and not any(
            isinstance(self.values.get(slot), np.ndarray) for slot in read(each)
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
        if into and not kwargs and isinstance(function, np.ufunc):
            given.append(into)
        elif into:
            kwargs["out"] = Written(into)
        given += [f"{name}={self.text(item)}" for name, item in kwargs.items()]
        return f"{name}({', '.join(given)})"

    def named(self, function: Any) -> str:
        """The name of a function: NumPy's own, else a number."""
        name = getattr(function, "__name__", "")
        if getattr(np, name, None) is function:
            self.objects.setdefault(name, function)
            return str(name)
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
        return ", ".join(map(self.text, parts)) + ("," if len(parts) == 1 and isinstance(item, tuple) else "")

    # ---- running ----

    def written(self) -> str:
        """The program as Python."""
        given = ", ".join(self.inputs)
        result = "".join(f"{self.text(each)}, " for each in self.outputs)
        first = self.before or self.lines
        second = self.lines if self.before else []
        made = {line.split(" = ")[0] for line in first if re.match(r"t\d+ = ", line)}
        used = set(re.findall(r"\bt\d+\b", " ".join([*second, result])))
        handed = "".join(f"{name}, " for name in sorted(made & used))
        lines = ["@strict", f"def gradients({given}):"]
        lines += [f"    {line}" for line in [*first, f"return ({handed})"]]
        tests = [f"finite({n}.dot({n}))" for n in (self.object(a, "w") for a in self.checked)]
        lines += ["", f"def step({given}):", f"    found = gradients({given})"]
        lines += [f"    if {' or not '.join(['found is None', *tests])}: return None"]
        lines += [f"    {handed}= found"] if handed else []
        lines += [f"    {line}" for line in [*second, f"return ({result})"]]
        return "\n".join(lines) + "\n"

    # ---- running ----

    def function_of(self) -> Callable[..., Any]:
        """The program, ready to run."""
        self.objects["strict"] = np.errstate(over="raise", divide="raise", invalid="raise")
        self.objects["finite"] = math.isfinite
        source = self.source
        names = list(self.objects)
        inner = "".join(f"    {line}\n" for line in source.splitlines())
        text = f"def make({', '.join(names)}):\n{inner}    return step\n"
        space: dict[str, Any] = {"__builtins__": {"slice": slice, "Ellipsis": Ellipsis}}
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


def takes_out(each: Instruction, values: Mapping[Slot, Any]) -> bool:
    """Whether the function of an instruction can write into an array that it is given."""
    function = each.function
    if isinstance(function, np.ufunc):
        return function.nout == 1 and each.value.dtype == natural(each, values)
    if isinstance(function, Method):
        return function.name == "dot" and each.value.ndim == 2
    return isinstance(getattr(function, "__self__", None), np.ufunc) and function.__name__ == "reduce"


def natural(each: Instruction, values: Mapping[Slot, Any]) -> Any:
    return each.value.dtype


def shape(value: Any) -> str:
    """The shape of an array as it stands in a comment."""
    return " x ".join(map(str, value.shape)) or "1"
