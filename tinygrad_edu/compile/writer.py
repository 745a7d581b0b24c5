"""The text of a program: a line for each instruction, with names, shapes and scopes."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..engine.blocks import BLOCK
from .blocks import Blocks, run_from
from .instructions import Instruction, Method, Slot, slots
from .memory import Array, Buffer, Memory
from .names import Names, plain_text

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
WIDTH = 100

ndarray = np.ndarray


class Writer:
    """Writes the lines of a program, and collects the objects that they name.

    `held` are arrays that stay where they are, by slot; `targets` say where results of the first
    part belong, `later` those of the second, which begins at instruction `mark`; `results` are what
    the program returns. `flat` are all gradients, which are checked between the parts.
    """

    def __init__(
        self,
        instructions: Sequence[Instruction],
        mark: int,
        values: Mapping[Slot, Any],
        arrays: Mapping[Slot, Sequence[Array]],
        inputs: Sequence[Slot],
        held: Mapping[Slot, Any],
        constants: Mapping[Slot, Any],
        results: Sequence[Any],
        targets: Sequence[tuple[Slot, Array]],
        later: Sequence[tuple[Slot, Array]],
        assigned: Sequence[tuple[Slot, Array]],
        flat: Sequence[Array],
        titles: Mapping[Slot, str],
        gradients_of: Mapping[int, Array],
    ) -> None:
        self.instructions, self.mark, self.values = instructions, mark, values
        self.results, self.flat = results, flat
        self.names: dict[Slot, str] = {}
        self.unique = Names()
        self.objects: dict[str, Any] = {}
        self.known: dict[Any, str] = {}  # names of objects, by what tells them apart
        self.made_later: list[tuple[str, Callable[[], Any]]] = []
        self.constants = constants
        # Arrays that do not move: they are known before the program runs.
        self.places: dict[Slot, Any] = dict(held)
        self.fixed: set[Slot] = {*held, *constants}
        # Where results belong. Gradients are copied before the update, what they lead to after it.
        self.targets: dict[Slot, Array] = {}
        self.direct: set[Slot] = set()
        self.first_copies: list[tuple[Slot, Array]] = []
        self.copies: list[tuple[Slot, Array]] = []
        for wanted_in, copies in ((targets, self.first_copies), (later, self.copies)):
            for slot, array in wanted_in:
                if slot in self.targets or slot in self.fixed or slot in inputs:
                    copies.append((slot, array))  # one result is wanted in two places
                    continue
                self.targets[slot] = array
                if copies is self.first_copies:
                    self.direct.add(slot)
        self.copies += assigned
        self.kept: dict[Slot, str] = {}
        self.tested: list[Array] = []  # gradients that are known to be finite
        self.entitle(inputs, held, constants, titles, gradients_of)
        self.inputs = [self.names[slot] for slot in inputs]
        returned = slots(tuple(results))
        copied = (slot for slot, _ in (*self.copies, *self.first_copies))
        self.returned: set[Slot] = set(returned)
        self.memory = Memory(instructions, arrays, (*self.returned, *self.targets, *copied))
        self.returned |= {self.memory.root(slot) for slot in self.returned}
        # Temporaries of the first part, and those among them that the second one reads.
        self.lines: list[str] = []
        self.temporary: set[str] = set()
        self.handed: dict[str, None] = {}
        self.in_second = False
        self.number = self.count = 0
        self.first: list[str] = []
        self.write()

    # ---- names ----

    def entitle(
        self,
        inputs: Sequence[Slot],
        held: Mapping[Slot, Any],
        constants: Mapping[Slot, Any],
        titles: Mapping[Slot, str],
        gradients_of: Mapping[int, Array],
    ) -> None:
        """Name what is there before the program runs: parameters by the scope that reads them."""
        scopes: dict[Slot, list[str]] = {}
        for each in self.instructions[: self.mark] if titles else ():
            if not each.scope.startswith("forward"):
                continue
            for slot in each.reads:
                if slot in titles and slot in held:
                    path = [name for name in each.scope[9:].split(".") if name]
                    scopes[slot] = common(scopes.get(slot, path), path)
        paths = [path for slot, path in scopes.items() if slot in titles]
        # A model's own name says nothing where all is in it.
        shared = len({path[0] for path in paths if path}) == 1 and all(path[1:] for path in paths)
        for number, slot in enumerate(inputs):
            self.names[slot] = self.unique.of_user(titles.get(slot, ""), f"x{number}")
        for slot, array in held.items():
            title = titles.get(slot, "")
            if title and slot in scopes:
                title = "_".join([*scopes[slot][shared:], title])
            self.names[slot] = self.hold(self.unique.of_user(title, f"w{len(self.objects)}"), array)
        for slot, array in constants.items():
            name = "k"
            if isinstance(array, ndarray) and array.size and array.dtype.kind == "f":
                first = array.flat[0]
                if first in (0, 1) and (array == first).all():
                    name = f"{'ones' if first else 'zeros'}_{'_'.join(map(str, array.shape))}"
            self.names[slot] = self.object(array, name)
        for array in (*self.targets.values(), *(array for _, array in self.first_copies)):
            owner = self.known.get(id(gradients_of.get(id(array))))
            if owner and id(array) not in self.known:
                self.hold(self.unique.new(f"{owner}_gradient"), array)

    def object(self, item: Any, letter: str) -> str:
        """The name of an object that the program holds."""
        known = self.known.get(id(item))
        if known is None:
            wanted = letter if len(letter) > 1 else f"{letter}{len(self.objects)}"
            known = self.hold(self.unique.new(wanted), item)
        return known

    def hold(self, name: str, item: Any) -> str:
        """Let the program know an object under a name."""
        self.objects[name] = item
        self.known.setdefault(id(item), name)
        return name

    def hold_later(self, key: Any, wanted: str, make: Callable[[], Any]) -> str:
        """The name of what is made of arrays when they are laid out; equal keys are one."""
        name = self.known.get(key)
        if name is None:
            name = self.known[key] = self.unique.new(wanted)
            self.objects[name] = None
            self.made_later.append((name, make))
        return name

    def named(self, function: Any) -> str:
        """The name of a function: NumPy's own, else a number."""
        name = self.known.get(id(function))
        if name is None:
            name = getattr(function, "__name__", "")
            if function is zip or getattr(np, name, None) is function:
                return self.hold(name, function)
            return self.object(function, "f")
        return name

    def temporary_for(self, slot: Slot) -> str:
        """The name of a result that is another object at each call."""
        self.count += 1
        name = self.names[slot] = self.unique.new(f"t{self.count}")
        if not self.in_second:
            self.temporary.add(name)
        return name

    # ---- lines ----

    def write(self) -> None:
        """All lines of the program."""
        memory, end = self.memory, len(self.instructions)
        scope, stop = "", 0
        for number, each in enumerate(self.instructions):
            if number < stop:
                continue  # in a loop over blocks
            self.number = number
            if number == self.mark:
                self.begin_second()
            if each.scope != scope:
                scope = each.scope
                self.lines.append(f"# {plain_text(scope)}")
            if (stop := run_from(self, number)) > number + 1:
                Blocks(self, number, stop).write()
                continue
            dying = memory.dying(number)
            function = each.function
            if function.__class__ is np.ufunc and function.signature is None:
                memory.release(dying, number)  # a result may take the place of an operand
                self.emit(each)
            else:
                self.emit(each)
                memory.release(dying, number)
        if self.mark == end:
            self.begin_second()
        self.copy(self.copies)
        arrays, self.bytes = memory.laid_out(end)
        for name, array in arrays.items():
            self.objects[name] = array
        for name, make in self.made_later:
            self.objects[name] = make()

    def begin_second(self) -> None:
        """What follows runs when all gradients are known, and finite."""
        self.copy(self.first_copies)
        # Results that lie among the gradients, before an update takes their memory.
        for slot in dict.fromkeys(slots(tuple(self.results))):
            if self.memory.root(slot) in self.direct and isinstance(self.values[slot], ndarray):
                self.count += 1
                name = self.kept[slot] = self.unique.new(f"t{self.count}")
                self.temporary.add(name)
                self.lines.append(f"{name} = {self.text(slot)}.copy()")
        self.first, self.lines = self.lines, []
        self.in_second = True
        # The update may write over gradients that it has read: nobody else sees them.
        flat = {id(array) for array in self.flat}
        for slot, array in self.places.items():
            if id(array) in flat and slot not in self.returned:
                form = array.shape, array.dtype, array.strides
                self.memory.owned[slot] = Buffer(self.names[slot], form, array.nbytes)

    def copy(self, copies: Sequence[tuple[Slot, Array]]) -> None:
        """Put results where they belong."""
        for slot, array in copies:
            self.lines.append(
                f"{self.named(np.copyto)}({self.object(array, 'w')}, {self.text(slot)})"
            )

    def emit(self, each: Instruction) -> None:
        """The line of one instruction."""
        value, out = each.value, each.out
        if each.guard:
            condition = self.text(each.args[0])
            self.lines.append(f"if {'not ' if value else ''}{condition}:")
            self.lines.append(f"    return failed({each.site})")
            return
        array = isinstance(value, ndarray)
        if array and out in self.memory.roots and self.hoisted(each):
            self.copy_later(out)
            return
        into = self.place(each, self.number)
        line = self.call(each, into)
        if into:
            self.names[out] = into
            self.append(line, value)
            if out in self.direct and value.nbytes > BLOCK:
                # While it is in the cache; others are looked at together.
                test = self.finite(self.targets[out].reshape(-1))
                self.lines += [f"if not {test}:", "    raise FloatingPointError"]
                self.tested.append(self.targets[out])
            return
        name = self.temporary_for(out)
        self.append(f"{name} = {line}", value if array else None)
        self.copy_later(out)

    def copy_later(self, slot: Slot) -> None:
        """Put a result where it belongs, if it does and was not written there."""
        if slot in self.targets:
            copies = self.first_copies if slot in self.direct else self.copies
            copies.append((slot, self.targets[slot]))

    def append(self, line: str, value: Any) -> None:
        """A line, with the shape of what it computes behind it or, where it is long, above it."""
        if value is None:
            self.lines.append(line)
            return
        comment = f"# {shape(value)}"
        if len(line) + len(comment) + 8 > WIDTH:
            self.lines += [comment, line]
        else:
            self.lines.append(f"{line}  {comment}")

    def place(self, each: Instruction, since: int) -> str:
        """The name of the array that takes a result; empty where it is a new one."""
        value, out = each.value, each.out
        if not isinstance(value, ndarray) or not value.ndim or out in self.memory.roots:
            return ""
        if not takes_out(each):
            return ""
        if out in self.targets:
            if out in self.direct or self.untouched(each):
                self.places[out] = self.targets[out]
                self.fixed.add(out)
                return self.object(self.targets[out], "w")
        elif out not in self.returned:
            self.fixed.add(out)
            return self.buffer(out, value, since)
        return ""

    def buffer(self, slot: Slot, value: Array, since: int) -> str:
        """The name of memory for a result."""
        found = self.memory.buffer(slot, value, since)
        if found.name not in self.objects:  # in the order in which they appear
            self.objects[found.name] = None
        return found.name

    def finite(self, array: Array) -> str:
        """Whether all entries are finite: if the sum of their squares is."""
        name = self.object(array, "g")
        return f"finite({name}.dot({name}))"

    def untouched(self, each: Instruction) -> bool:
        """Whether nobody reads any more what lies where a result belongs."""
        place, last = self.targets[each.out], self.memory.last
        return all(
            last.get(slot, -1) <= self.number or not np.may_share_memory(array, place)
            for slot, array in self.places.items()
            if isinstance(array, ndarray)
        )

    def hoisted(self, each: Instruction) -> bool:
        """Whether a view of memory that stays where it is was made once and for all."""
        function, args, kwargs, objects = each.function, each.args, each.kwargs, self.objects
        slot = each.reads[0]
        if len(each.reads) != 1 or slot not in self.fixed or next(slots(args), None) is not slot:
            return False
        if slot in self.targets and self.targets[slot].strides != self.values[slot].strides:
            return False  # of another layout than was recorded: it may be a copy
        base = self.names[slot]
        key = base, function, str(bound(args, slot, None)), str(kwargs)
        transposed = function is TRANSPOSE and len(args) == 1
        self.names[each.out] = self.hold_later(
            key,
            f"{base}_{'T' if transposed else 'view'}",
            lambda: function(*bound(args, slot, objects[base]), **kwargs),
        )
        self.fixed.add(each.out)
        return True

    # ---- expressions ----

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
        if function is np.dot and not kwargs:
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
        if function in OF_TWO:
            given = [self.ready(item, each) for item in args]
        else:
            given = [self.text(item) for item in args]
        if into:
            given.append(into if not kwargs and function not in BY_NAME else f"out={into}")
        for name, item in kwargs.items():
            given.append(f"{name}={self.text(item)}")
        return f"{self.named(function)}({', '.join(given)})"

    def ready(self, item: Any, each: Instruction) -> str:
        """An operand; a number as an array, which NumPy need not make at each call."""
        number: Any = item
        if item.__class__ is Slot:
            if item not in self.constants or not isinstance(each.value, ndarray):
                return self.text(item)
            number = self.only_number(item, each)
        if number.__class__ not in NUMBERS or not math.isfinite(number):
            return self.text(item)
        dtypes = {a.dtype for a in map(self.values.get, each.reads) if isinstance(a, ndarray)}
        if len(dtypes) != 1 or (dtype := dtypes.pop()).kind != "f":
            return self.text(item)
        if isinstance(number, np.generic) and number.dtype != dtype:
            return self.text(item)
        array = np.array(number, dtype)
        if not np.isfinite(array):
            return self.text(item)
        key = dtype, array.tobytes()
        name = self.known.get(key)
        if name is None:
            digits = f"{float(number):.6g}".replace("-", "m").replace("+", "").replace(".", "_")
            name = self.known[key] = self.unique.new(f"c{digits}")
            self.objects[name] = array
        return name

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

    # ---- the whole ----

    def handed_out(self) -> list[str]:
        """The results: an array that is the program's own, or is in two of them, as a copy."""
        texts, seen = [], set[Slot]()
        for each in self.results:
            text = self.kept.get(each, "") if each.__class__ is Slot and each not in seen else ""
            if text:
                self.handed[text] = None
                seen.add(each)
                texts.append(text)
                continue
            text = self.text(each)
            if each.__class__ is Slot:
                root = self.memory.root(each)
                if isinstance(self.values[each], ndarray) and (
                    root in self.fixed
                    or each in self.fixed
                    or root in seen
                    or self.names[root] in self.inputs
                ):
                    text = f"{text}.copy()"
                seen.add(root)
            elif isinstance(each, ndarray):
                text = f"{text}.copy()"
            texts.append(text)
        return texts

    def tests(self, chained: bool) -> Iterator[str]:
        """What is true where all is finite: the loss and its gradients, or every result."""
        results = list(dict.fromkeys(slots(tuple(self.results))))
        if self.flat:
            first = self.results[:1]
            results = [each for each in first if each.__class__ is Slot and self.is_number(each)]
        for each in results if self.flat or chained else ():
            if np.asarray(self.values[each]).dtype.kind in "fc":
                name = self.text(each)
                if not self.is_number(each):
                    name = f"{self.named(np.vdot)}({name}, {name})"
                yield f"finite({name})"
        for flat in self.flat:
            yield from map(self.finite, gaps(flat, self.tested))

    def is_number(self, slot: Slot) -> bool:
        """Whether a result has no axes."""
        return not np.ndim(self.values[slot])

    def source(self, chained: bool) -> str:
        """The program as Python; where `chained`, its results must be finite."""
        given = ", ".join(self.inputs)
        tests = list(self.tests(chained))
        results = listed(self.handed_out())
        handed = listed(self.handed)
        what = "Forward and backward" if self.flat else "The results"
        lines = [f"def gradients({given}):"]
        lines += [f'    """{what}; where a number overflows, this call runs uncompiled."""']
        lines += [f"    {line}" for line in (*self.first, f"return {handed}")]
        lines += ["", "", f"def step({given}):"]
        lines += [
            '    """All of it. Functions of NumPy write into their last argument, a buffer."""'
        ]
        lines += [f"    found = strictly({', '.join(['gradients', *self.inputs])})"]
        lines += ["    if found is None:", "        return None"]
        lines += [f"    {handed} = found"] if self.handed else []
        if tests:
            lines += [f"    if not ({' and '.join(tests)}):", "        raise FloatingPointError"]
        lines += [f"    {line}" for line in (*self.lines, f"return {results}")]
        return "".join(f"{part}\n" for line in lines for part in folded(line))


TRANSPOSE = Method("transpose")


def folded(line: str) -> Iterator[str]:
    """A line as some that are not too long, where it has commas between brackets."""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    while (
        len(line) > WIDTH and not {"'", '"', "#"} & {*line} and not line.lstrip().startswith("for ")
    ):
        cut = max(line.rfind(", ", 0, WIDTH), line.rfind(" and ", 0, WIDTH))
        if cut < len(indent):
            break
        yield line[: cut + 1].rstrip()
        line = indent + line[cut + 1 :].lstrip()
    yield line


def listed(items: Iterable[str]) -> str:
    """Names as a tuple."""
    texts = list(items)
    return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"


def common(a: list[str], b: list[str]) -> list[str]:
    """What two paths begin with."""
    same = 0
    while same < len(a) and same < len(b) and a[same] == b[same]:
        same += 1
    return a[:same]


def bound(item: Any, slot: Slot, value: Any) -> Any:
    """Operands with the array of the only slot in them."""
    if isinstance(item, tuple):
        return tuple(bound(each, slot, value) for each in item)
    return value if item is slot else item


def gaps(flat: Array, parts: Sequence[Array]) -> list[Array]:
    """What lies in a flat array outside of the parts that are views of it."""
    start, at, found = flat.__array_interface__["data"][0], 0, []
    taken = [(p.__array_interface__["data"][0] - start, p) for p in parts]
    for offset, part in sorted((o, p.size) for o, p in taken if 0 <= o < flat.nbytes):
        first = offset // flat.itemsize
        if first > at:
            found.append(flat[at:first])
        at = first + part
    if not at:
        return [flat] if flat.size else []
    return [*found, flat[at:]] if at < flat.size else found


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


def shape(value: Any) -> str:
    """The shape of an array as it stands in a comment."""
    return " x ".join(map(str, value.shape)) or "1"
