"""Random programs: a few operations, each legal on the numbers computed before it, to verify
derivatives of what nobody would write by hand.

A step is drawn as one block, its arguments counted from the newest result backwards; what a step
lacks it brings along as a new input. So a failing program shrinks by losing whole steps. Nothing
is rejected: what is not legal is not among the choices.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from ..activations import ACTIVATIONS
from ..engine.operation import FUNCTIONS, OPERATIONS, UFUNCS, Case, Operation, find
from ..errors import OperandError
from .samples import (
    apply,
    corners,
    cuts,
    forward_allows,
    interval,
    option_sets,
    room,
    structural_cases,
    window,
)

try:
    from hypothesis import strategies as st
except ImportError:
    raise ImportError(
        'random programs are drawn with hypothesis; run: pip install "tinygrad_edu[verify]"'
    ) from None

Shape = tuple[int, ...]

# How near to a kink or to the end of a domain a program comes, and how large its numbers get.
MARGIN = 2.0**-3
LARGEST = 1000.0
MOST_ENTRIES, MOST_RESULTS = 8, 24
# New inputs are multiples of this of at most so much, where the domain has them.
UNIT, SMALL = 2.0**-3, 3.0
SHAPES: tuple[Shape, ...] = ((), (1,), (2,), (3,), (1, 3), (2, 1), (2, 2), (2, 3), (3, 2))
# What is added to new inputs, more to each entry than to the last, where they meet on a kink.
SHIFTS = (0.0, 0.25, -0.25, 0.5, 1.0, 8.0)
# One step in so many is the last.
LENGTH = 6
# One step in so many does not take the newest result, if it could: what nothing takes is lost.
OLDER = 4
# What one call chooses: how many arguments, which options, and for each argument three things.
PICKS = 11
NAMES = "xyz", "abcdefghijklmnopqrstuvw"


@dataclass(frozen=True)
class Step:
    """One operation of a program: `takes` are positions among the inputs and earlier results."""

    op: Operation
    takes: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Program:
    """A short computation, to be called on arrays or Values; its text is Python to paste and run.

    `inputs` are the arrays it was drawn with. Position n is input n or, after the inputs, the
    result of a step; the last step's is what the program returns.
    """

    inputs: tuple[Any, ...]
    steps: tuple[Step, ...]

    def __call__(self, *inputs: Any) -> Any:
        """The last result, of the program's own inputs if none are given."""
        results = list(inputs or self.inputs)
        if len(results) != len(self.inputs):
            raise OperandError(f"this program takes {len(self.inputs)} inputs, not {len(results)}")
        for step in self.steps:
            results.append(apply(step.op, [results[i] for i in step.takes], step.options))
        return results[-1]

    def __str__(self) -> str:
        first, later = (
            [*letters[:count], *(f"{letters[0]}{i + 1}" for i in range(len(letters), count))]
            for letters, count in zip(NAMES, (len(self.inputs), len(self.steps)), strict=True)
        )
        names = first + later
        lines = ["import numpy as np", "import tinygrad_edu as te", ""]
        for name, data in zip(first, self.inputs, strict=True):
            lines.append(f'{name} = te.Value({written(data)}, name="{name}")')
        for name, step in zip(later, self.steps, strict=True):
            given = [names[i] for i in step.takes]
            if step.op.variadic:
                given = [f"[{', '.join(given)}]"]
            given += [f"{key}={written(value)}" for key, value in step.options.items()]
            lines.append(f"{name} = {spelled(step.op, step.options)}({', '.join(given)})")
        return "\n".join(lines)

    __repr__ = __str__


def spelled(op: Operation, options: Mapping[str, Any]) -> str:
    """How an operation is called in Python: NumPy's name where it has one for these options."""
    for function in op.numpy:
        name = getattr(function, "__name__", "")
        known: Mapping[Any, Any] = UFUNCS if isinstance(function, np.ufunc) else FUNCTIONS
        if not hasattr(np, name) or known.get(getattr(np, name)) is not op:
            continue
        try:
            parameters = inspect.signature(function).parameters if options else {}
        except (TypeError, ValueError):
            continue
        if all(option in parameters for option in options):
            return f"np.{name}"
    if ACTIVATIONS.get(op.name) is op:
        return f"te.activations.{op.name}"
    return f'te.OPERATIONS["{op.name}"]'


def written(item: Any) -> str:
    """An array or an option as Python text."""
    if isinstance(item, np.ndarray | np.generic):
        return f"np.array({item.tolist()})" if np.ndim(item) else written(item.item())
    if isinstance(item, np.dtype):
        return f'np.dtype("{item.name}")'
    if isinstance(item, tuple):
        return f"({', '.join(map(written, item))}{',' if len(item) == 1 else ''})"
    if isinstance(item, float) and not math.isfinite(item):
        return f'float("{item}")'
    return repr(item)


def programs(
    operations: Iterable[Operation | str] | None = None,
    *,
    steps: tuple[int, int] = (1, 8),
    inputs: tuple[int, int] = (1, 3),
) -> st.SearchStrategy[Program]:
    """A hypothesis strategy: programs that are smooth, finite and inside all domains.

    `operations` are records or their names; left out, every record of `te.OPERATIONS` that has a
    derivative takes part, those declared later too. `steps` and `inputs` are the least and most of
    each; steps that the result does not depend on are left out of the program afterwards. Inputs
    are short dyadic numbers, which float32 holds exactly, in arrays of at most 8 entries.
    Raises `OperandError`, when drawn, if none of the operations can be called.
    """
    for name, (least, most), minimum in (("steps", steps, 1), ("inputs", inputs, 0)):
        if not minimum <= least <= most or most < 1:
            raise OperandError(f"{name} is (least, most), as in {name}=(1, 3); not {least, most}")
    chosen = None
    if operations is not None:
        chosen = [find(item) if isinstance(item, str) else item for item in operations]
        for op in chosen:
            if not op.differentiable:
                raise OperandError(f"{op.name} has no derivative; leave it out of operations")
        if not chosen:
            raise OperandError("operations is empty; leave it out to draw from all of them")
    return drawn_programs(chosen, steps, inputs)


@st.composite
def drawn_programs(
    draw: st.DrawFn,
    operations: Sequence[Operation] | None,
    steps: tuple[int, int],
    inputs: tuple[int, int],
) -> Program:
    """As `programs`."""
    if operations is None:
        operations = [
            op for op in list(OPERATIONS.values()) if op.differentiable and not op.surrogate
        ]
    draft = Draft(inputs[1])
    drawn = blocks(len(operations))
    for number in range(steps[1]):
        block = draw(drawn)
        if not block.more and number >= steps[0]:
            break
        if not extended(draft, block, operations):
            break
    if not draft.values:
        names = ", ".join(op.name for op in operations)
        raise OperandError(
            f"none of {names} can be called on at most {inputs[1]} inputs within its domain and "
            "away from its kinks; allow more inputs, as in inputs=(1, 4), or more operations"
        )
    return draft.program(inputs[0])


@dataclass
class Block:
    """All that is drawn for one step: always four choices, so that it can be lost as a whole.

    `more` says whether there is such a step, `first` is the operation, `picks` choose among what
    it could be called with (as often as there are none left, the first), `numbers` are for the
    entries of its new inputs.
    """

    more: int
    first: int
    picks: bytes
    numbers: bytes

    def __post_init__(self) -> None:
        self.rewind()

    def rewind(self) -> None:
        """Begin again with the first pick and the first number."""
        self.turns = iter(self.picks)
        self.entries = itertools.cycle(self.numbers or b"\0")

    def pick(self, count: int) -> int:
        """A number below `count`; the first is the simplest."""
        return next(self.turns, 0) % count if count > 1 else 0


@lru_cache(maxsize=64)
def blocks(operations: int) -> st.SearchStrategy[Block]:
    """The strategy for one step out of so many operations."""
    return st.builds(
        Block,
        st.integers(0, LENGTH - 1),
        st.integers(0, operations - 1),
        st.binary(max_size=PICKS),
        st.binary(max_size=MOST_ENTRIES),
    )


class Draft:
    """A program while it is drawn: all values so far, and the step that made each (None: input)."""

    def __init__(self, most: int) -> None:
        self.values: list[Any] = []
        self.results: list[Step | None] = []
        self.most = most

    @property
    def newest(self) -> range:
        """All positions, the newest first."""
        return range(len(self.values) - 1, -1, -1)

    @property
    def left(self) -> int:
        """How many more inputs there may be."""
        return self.most - self.results.count(None)

    def append(self, value: Any, step: Step | None = None) -> int:
        """Add an input or the result of a step; its position."""
        self.values.append(np.asarray(value)[()])
        self.results.append(step)
        return len(self.values) - 1

    def cut(self, length: int) -> None:
        """Forget what was added since there were `length` values."""
        del self.values[length:], self.results[length:]

    def program(self, least: int) -> Program:
        """What the last result depends on, the inputs first."""
        needed = {len(self.values) - 1}
        for position in self.newest:
            step = self.results[position]
            if position in needed and step is not None:
                needed.update(step.takes)
        kept = [i for i in sorted(needed) if self.results[i] is None]
        kept_inputs = [self.values[i] for i in kept]
        kept_inputs += [np.float64(0.0)] * (least - len(kept_inputs))
        places = {position: place for place, position in enumerate(kept)}
        made: list[Step] = []
        for position in sorted(needed):
            step = self.results[position]
            if step is not None:
                places[position] = len(kept_inputs) + len(made)
                takes = tuple(places[i] for i in step.takes)
                made.append(Step(step.op, takes, step.options))
        return Program(tuple(kept_inputs), tuple(made))


def extended(draft: Draft, block: Block, operations: Sequence[Operation]) -> bool:
    """Whether a step could be added to the draft."""
    # What was chosen may meet on a kink that new inputs alone avoid; after that the next operation
    # in turn is taken for the one that was drawn.
    turns = (*operations[block.first :], *operations[: block.first])
    for op, alone in itertools.product(turns, (False, True)):
        length = len(draft.values)
        block.rewind()
        call = (elementwise if op.elementwise else structural)(block, draft, op, alone)
        if call is not None:
            takes, options = call
            out = settled(draft, length, op, takes, options)
            if out is not None:
                draft.append(out, Step(op, takes, options))
                return True
        draft.cut(length)
    return False


Call = tuple[tuple[int, ...], Mapping[str, Any]]


def elementwise(block: Block, draft: Draft, op: Operation, alone: bool) -> Call | None:
    """Arguments for an element-wise record that broadcast, all new if `alone`; None if none fit."""
    required = sum(name not in op.defaults for name in op.arguments)
    count = required + block.pick(op.count - required + 1)
    sets = option_sets(op)
    options = sets[block.pick(len(sets))]
    takes: list[int] = []
    shape: Shape = ()
    last = len(draft.values) - 1
    for position in range(count):
        fitting = [
            i
            for i in (() if alone else draft.newest)
            if joined(shape, draft.values[i].shape) and inside(op, position, draft.values[i])
        ]
        if len(takes) == count - 1:
            # The last one is chosen so that all of them stay away from kinks.
            fitting = [
                i
                for i in fitting
                if legal(op, [draft.values[j] for j in (*takes, i)], options) is not None
            ]
        if fitting and last not in takes and fitting[0] == last and block.pick(OLDER) < OLDER - 1:
            taken: int | None = last
        else:
            shapes = [each for each in SHAPES if joined(shape, each)]
            taken = choose(block, draft, op, position, fitting, shapes)
        if taken is None:
            return None
        takes.append(taken)
        shape = np.broadcast_shapes(shape, draft.values[taken].shape)
    return tuple(takes), options


def structural(block: Block, draft: Draft, op: Operation, alone: bool) -> Call | None:
    """Arguments and options for a structural record after one of its cases; None if none fit.

    All arguments are new if `alone`.
    """
    frames = [
        frame
        for i in (() if alone else draft.newest)
        for case in range(len(op.cases))
        for slot in range(len(op.cases[case].shapes))
        for frame in framed(draft, op, i, case, slot)
    ]
    latest = [frame for frame in frames if frame[0][1] == draft.newest[0]]
    if latest and block.pick(OLDER) < OLDER - 1:
        frames = latest
    frames += [
        ((), shapes, options) for shapes, options in small_cases(op) if len(shapes) <= draft.left
    ]
    if not frames:
        return None
    given, shapes, options = frames[block.pick(len(frames))]
    takes = []
    for position, shape in enumerate(shapes):
        if given and given[0] == position:
            takes.append(given[1])
            continue
        fitting = [
            i
            for i in (() if alone else draft.newest)
            if draft.values[i].shape == shape and inside(op, position, draft.values[i])
        ]
        taken = choose(block, draft, op, position, fitting, [shape])
        if taken is None:
            return None
        takes.append(taken)
    return tuple(takes), options


Frame = tuple[tuple[int, ...], tuple[Shape, ...], Mapping[str, Any]]


def framed(draft: Draft, op: Operation, value: int, case: int, slot: int) -> Iterable[Frame]:
    """A case of a record in whose slot an earlier value fits, lengths renamed."""
    data, options = draft.values[value], op.cases[case].options
    if len(op.cases[case].shapes) == 1:
        if legal(op, [data], options) is not None:
            yield (0, value), (data.shape,), options
        return
    shapes = renamed(op, case, slot, data.shape)
    if shapes and inside(op, slot, data):
        known = {v.shape for v in draft.values}
        if sum(shape not in known for shape in shapes) <= draft.left:
            yield (slot, value), shapes, options


@lru_cache(maxsize=4096)
def renamed(op: Operation, number: int, slot: int, shape: Shape) -> tuple[Shape, ...]:
    """The shapes of a case after its slot is given `shape`: equal lengths stay equal, 1 stays 1.

    Empty if they do not fit.
    """
    case = op.cases[number]
    if len(case.shapes[slot]) != len(shape):
        return ()
    lengths = {1: 1}
    for old, new in zip(case.shapes[slot], shape, strict=True):
        if lengths.setdefault(old, new) != new:
            return ()
    shapes = tuple(tuple(lengths.get(n, n) for n in each) for each in case.shapes)
    small = all(math.prod(s) <= MOST_ENTRIES for i, s in enumerate(shapes) if i != slot)
    return shapes if small and forward_allows(op, Case(shapes, case.options)) else ()


@lru_cache(maxsize=1024)
def small_cases(op: Operation) -> tuple[tuple[tuple[Shape, ...], Mapping[str, Any]], ...]:
    """The cases of a record whose arrays are small, the smallest first; one at least."""
    sized = sorted(
        (
            (max(math.prod(shape) for shape in case.shapes), number, case)
            for number, case in enumerate(structural_cases(op))
            if all(math.prod(shape) for shape in case.shapes)
            and np.size(op.forward(*(np.ones(shape)[()] for shape in case.shapes), **case.options))
        ),
        key=lambda item: item[:2],
    )
    count = max(1, sum(size <= MOST_ENTRIES for size, _, _ in sized))
    return tuple((case.shapes, case.options) for _, _, case in sized[:count])


def choose(
    block: Block,
    draft: Draft,
    op: Operation,
    position: int,
    fitting: list[int],
    shapes: list[Shape],
) -> int | None:
    """An earlier value that fits, or a new input of one of the shapes; None if there is neither."""
    fresh = draft.left > 0 and bool(shapes)
    if not fitting and not fresh:
        return None
    number = block.pick(len(fitting) + fresh)
    if number < len(fitting):
        return fitting[number]
    shape = shapes[block.pick(len(shapes))]
    numbers = simplest(op, position)
    entries = [numbers[next(block.entries) % len(numbers)] for _ in range(math.prod(shape))]
    return draft.append(np.array(entries).reshape(shape))


def settled(
    draft: Draft, length: int, op: Operation, takes: tuple[int, ...], options: Mapping[str, Any]
) -> Any:
    """The result of a call, its new inputs (from `length` on) moved off kinks; None if illegal."""
    drawn = draft.values[length:]
    for shift in SHIFTS if drawn else SHIFTS[:1]:
        start = 1
        for turn, data in enumerate(drawn):
            ramp = np.arange(start, start + data.size).reshape(data.shape)
            draft.values[length + turn] = (data + shift * ramp)[()]
            start += data.size
        out = legal(op, [draft.values[i] for i in takes], options)
        if out is not None:
            return out
    return None


def legal(op: Operation, arrays: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """The result of a call that is inside the domain, smooth, finite and not large; else None."""
    if not all(inside(op, position, data) for position, data in enumerate(arrays)):
        return None
    names = () if op.variadic else op.arguments[len(arrays) :]
    arrays = [*arrays, *(np.float64(op.defaults[name]) for name in names)]
    with np.errstate(all="ignore"):
        try:
            for kink in op.kinks:
                if callable(kink) and np.any(np.abs(kink(*arrays, **options)) < MARGIN):
                    return None
            out = np.asarray(op.forward(*arrays, **options))
        except (ValueError, TypeError, IndexError, ArithmeticError):
            return None
        fine = out.dtype.kind == "f" and 0 < out.size <= MOST_RESULTS
        return out if fine and np.all(np.abs(out) <= LARGEST) else None


def inside(op: Operation, position: int, data: Any) -> bool:
    """Whether numbers keep a margin to the ends of an argument's domain and to its corners."""
    low, high = interval(op, position)
    if low == -math.inf and high == math.inf and not op.kinks:
        return True
    margin = min(MARGIN, room(op, position))
    return bool(
        np.all((data >= low + margin) & (data <= high - margin))
        and (position or all(np.all(np.abs(data - kink) >= margin) for kink in corners(op)))
    )


@lru_cache(maxsize=1024)
def simplest(op: Operation, position: int) -> list[float]:
    """Dyadic numbers for an argument, inside its domain and away from its corners, 0 and 1 first.

    They are all multiples of 1/8 from −3 to 3, or where there are none others as short.
    """
    margin = min(MARGIN, room(op, position))
    found: list[float] = []
    for left, right in itertools.pairwise(cuts(op, position)):
        low, high = window(left + margin, right - margin, "near")
        unit = UNIT
        while math.floor(high / unit) - math.ceil(low / unit) < 2:
            unit /= 2
        found += [k * unit for k in range(math.ceil(low / unit), math.floor(high / unit) + 1)]
    near = [x for x in found if abs(x) <= SMALL]
    return sorted(near or found, key=lambda x: (x.as_integer_ratio()[1], abs(x), x < 0))


def joined(shape: Shape, other: Shape) -> bool:
    """Whether two shapes broadcast to a small one."""
    try:
        return math.prod(np.broadcast_shapes(shape, other)) <= MOST_RESULTS
    except ValueError:
        return False
