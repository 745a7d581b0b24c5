"""The text of a program: a line for each instruction, with names, shapes and scopes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..engine.blocks import BLOCK
from .blocks import Blocks, large, run_from
from .expressions import Expressions, listed, ndarray, takes_out
from .instructions import Instruction, Method, Slot, slots
from .memory import Array, Buffer, Memory
from .names import plain_text

WIDTH = 100


class Writer(Expressions):
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
        super().__init__(values, constants)
        self.instructions, self.mark = instructions, mark
        self.results, self.flat = results, flat
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
        self.lines: list[str] = []
        # Names of temporaries that can be used again, and the slots that have had one.
        self.spare: list[str] = []
        self.renamed: set[Slot] = set()
        self.loops = any(large(each.value) for each in instructions)
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
            for slot in each.reads:
                if slot in titles and slot in held and each.scope.startswith("forward"):
                    path = [name for name in each.scope[9:].split(".") if name]
                    scopes[slot] = common(scopes[slot], path) if slot in scopes else path
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

    def temporary_for(self, slot: Slot) -> str:
        """The name of a result that is another object at each call."""
        if self.spare:
            name = self.spare.pop()
        else:
            self.count += 1
            name = self.unique.new(f"t{self.count}")
            if not self.in_second:
                self.temporary.add(name)
        self.names[slot] = name
        self.renamed.add(slot)
        return name

    def spare_names(self) -> None:
        """Let names be used again whose objects nobody will ask for: these are freed by that."""
        for slot in self.memory.unnamed.pop(self.number, ()):
            if slot in self.renamed:
                self.spare.append(self.names[slot])

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
            if self.loops and (stop := run_from(self, number)) > number + 1:
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
            self.spare_names()
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
        self.spare, self.renamed = [], set()
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
                test = self.finite(self.targets[out].reshape(-1), f"{into}_flat")
                self.lines += [f"if not {test}:", "    raise FloatingPointError"]
                self.tested.append(self.targets[out])
            return
        self.spare_names()
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
        comment = f"# {shape(value.shape)}"
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

    def finite(self, array: Array, wanted: str) -> str:
        """Whether all entries are finite: if the sum of their squares is."""
        name = self.object(array, wanted)
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
            for part in gaps(flat, self.tested):
                yield self.finite(part, f"{self.object(flat, 'g')}_part")

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
        for number, line in enumerate(lines):
            if len(line) > WIDTH:
                lines[number] = "\n".join(folded(line))
        return "\n".join(lines) + "\n"


TRANSPOSE = Method("transpose")


def folded(line: str) -> Iterator[str]:
    """A long line as some that are shorter, where it has commas between brackets."""
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


@lru_cache(maxsize=1024)
def shape(lengths: tuple[int, ...]) -> str:
    """The shape of an array as it stands in a comment."""
    return " x ".join(map(str, lengths)) or "1"
