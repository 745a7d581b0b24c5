"""Random programs: a few operations, each legal on the numbers computed before it, to verify
derivatives of what nobody would write by hand.

A step is drawn as one block, its arguments counted from the newest result backwards; what a step
lacks it brings along as a new input. So a failing program shrinks by losing whole steps. Nothing
is rejected: what is not legal is not among the choices.

Every number is computed twice, the second time from inputs that are moved by a hair. So a program
knows its own slope: steps that would make it steep are not legal, and a result that nothing moves
any more is not what the program returns if there is another.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..engine.operation import OPERATIONS, Operation, find
from ..errors import OperandError
from .legal import (
    MOST_ENTRIES,
    SHAPES,
    Shape,
    completed,
    inside,
    joined,
    renamed,
    result,
    simplest,
    small_cases,
)
from .programs import Program, Step
from .samples import option_sets

try:
    from hypothesis import strategies as st
except ImportError:
    raise ImportError(
        'random programs are drawn with hypothesis; run: pip install "tinygrad_edu[verify]"'
    ) from None

# How far inputs are moved for the second computation, and how much further results may move.
HAIR = 2.0**-20
STEEPEST, FLATTEST = 1000.0, 2.0**-10
GOLDEN = (math.sqrt(5) - 1) / 2
# What is added to new inputs where they meet on a kink, more to each entry than to the last, and
# what to the diagonals of square ones, which may have to be positive definite.
SHIFTS = (
    *((shift, 0.0) for shift in (0.0, 0.25, -0.25, 0.5, 1.0, 8.0)),
    *((shift, diagonal) for diagonal in (4.0, 16.0) for shift in (0.0, 0.25)),
)
# One step in so many is the last.
LENGTH = 30
# One step in so many does not take the newest result, if it could: what nothing takes is lost.
OLDER = 8
# What one call chooses: how many arguments, which options, and for each argument three things.
PICKS = 11


def programs(
    operations: Iterable[Operation | str] | None = None,
    *,
    steps: tuple[int, int] = (1, 27),
    inputs: tuple[int, int] = (1, 3),
) -> st.SearchStrategy[Program]:
    """A hypothesis strategy: programs that are smooth, finite and inside all domains.

    `operations` are records or their names; left out, every record of `te.OPERATIONS` that has a
    derivative takes part, those declared later too. `steps` and `inputs` are the least and most of
    each; steps that the result does not depend on are left out of the program afterwards. Inputs
    are short dyadic numbers, which float32 holds exactly, in arrays of at most 9 entries.
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
        # Integers of hypothesis' own prefer some, and hardly ever draw others.
        st.binary(min_size=2, max_size=2).map(lambda two: int.from_bytes(two) % operations),
        st.binary(max_size=PICKS),
        st.binary(max_size=MOST_ENTRIES),
    )


class Draft:
    """A program while it is drawn: all values so far, and the step that made each (None: input).

    `moved` are the values where all inputs are moved by a hair, `alive` says which of them
    differ from `values`, and `taken` which are arguments of a step.
    """

    def __init__(self, most: int) -> None:
        self.values: list[Any] = []
        self.moved: list[Any] = []
        self.alive: list[bool] = []
        self.steps: list[Step | None] = []
        self.taken: set[int] = set()
        self.most = most

    @property
    def left(self) -> int:
        """How many more inputs there may be."""
        return self.most - self.steps.count(None)

    def loose(self, position: int) -> bool:
        """Whether a value would be lost, being no argument of any step."""
        return self.alive[position] and position not in self.taken

    def newest(self) -> list[int]:
        """All positions, the newest first, but before all others those that would be lost."""
        return sorted(range(len(self.values)), key=lambda i: (not self.loose(i), -i))

    def place(self, data: Any) -> int:
        """Add a new input; its position."""
        self.values.append(data)
        self.moved.append(moved(data, len(self.values)))
        self.alive.append(True)
        self.steps.append(None)
        return len(self.values) - 1

    def replace(self, position: int, data: Any) -> None:
        """Give a new input other numbers."""
        self.values[position], self.moved[position] = data, moved(data, position + 1)

    def cut(self, length: int) -> None:
        """Forget the inputs that were added since there were `length` values."""
        del self.values[length:], self.moved[length:], self.alive[length:], self.steps[length:]

    def called(self, step: Step) -> bool:
        """Whether the step is legal; then its result is added."""
        out = result(step.op, [self.values[i] for i in step.takes], step.options)
        if out is None:
            return False
        arrays = completed(step.op, [self.moved[i] for i in step.takes])
        with np.errstate(all="ignore"):
            near = np.asarray(step.op.forward(*arrays, **step.options))[()]
        far = np.max(np.abs(near - out)) / HAIR
        if not far <= STEEPEST:
            return False
        self.values.append(out)
        self.moved.append(near)
        self.alive.append(bool(far >= FLATTEST))
        self.steps.append(step)
        self.taken.update(step.takes)
        return True

    def program(self, least: int) -> Program:
        """The result that depends on the most steps, of those alive if any."""
        below: list[set[int]] = []
        for i, step in enumerate(self.steps):
            below.append({i}.union(*(below[taken] for taken in step.takes)) if step else {i})
        results = [i for i, step in enumerate(self.steps) if step is not None]
        needed = below[max(results, key=lambda i: (self.alive[i], len(below[i]), i))]
        kept = [i for i in sorted(needed) if self.steps[i] is None]
        inputs = [self.values[i] for i in kept]
        inputs += [np.float64(0.0)] * (least - len(inputs))
        places = {position: place for place, position in enumerate(kept)}
        made: list[Step] = []
        for position in sorted(needed):
            step = self.steps[position]
            if step is not None:
                places[position] = len(inputs) + len(made)
                made.append(Step(step.op, tuple(places[i] for i in step.takes), step.options))
        return Program(tuple(inputs), tuple(made))


def moved(data: Any, number: int) -> Any:
    """The numbers of an input moved by a hair, each in a direction of its own."""
    turns = number + np.arange(np.size(data)).reshape(np.shape(data))
    return data + HAIR * (0.5 + turns * GOLDEN % 1) * (-1.0) ** turns


def extended(draft: Draft, block: Block, operations: Sequence[Operation]) -> bool:
    """Whether a step could be added to the draft."""
    # What was chosen may meet on a kink that new inputs alone avoid; after that the next operation
    # in turn is taken for the one that was drawn, and at last the simplest call of one.
    turns = (*operations[block.first :], *operations[: block.first])
    simple = replace(block, picks=b"", numbers=b"")
    for turn, op, alone in itertools.product((block, simple), turns, (False, True)):
        length = len(draft.values)
        turn.rewind()
        call = (elementwise if op.elementwise else structural)(turn, draft, op, alone)
        if call is not None and settled(draft, length, Step(op, *call)):
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
    newest = [] if alone else draft.newest()
    for position in range(count):
        fitting = [i for i in newest if joined(shape, draft.values[i].shape)]
        shapes = [each for each in SHAPES if joined(shape, each)]
        # The last one is chosen so that all of them stay away from kinks.
        whole = options if position == count - 1 else None
        taken = choose(block, draft, op, takes, fitting, shapes, whole)
        if taken is None:
            return None
        takes.append(taken)
        shape = np.broadcast_shapes(shape, draft.values[taken].shape)
    return tuple(takes), options


def structural(block: Block, draft: Draft, op: Operation, alone: bool) -> Call | None:
    """Arguments and options for a structural record after one of its cases; None if none fit.

    All arguments are new if `alone`.
    """
    newest = [] if alone else draft.newest()
    start = block.pick(len(newest)) if newest and block.pick(OLDER) == OLDER - 1 else 0
    frames: list[Frame] = []
    for i in (*newest[start:], *newest[:start]):
        frames = list(framed(draft, op, i))
        if frames:
            break
    if not frames or start:
        frames += [
            ((), case.shapes, case.options)
            for case in small_cases(op)
            if len(case.shapes) <= draft.left
        ]
    if not frames:
        return None
    given, shapes, options = frames[block.pick(len(frames))]
    takes: list[int] = []
    for position, shape in enumerate(shapes):
        if given and given[0] == position:
            takes.append(given[1])
            continue
        fitting = [i for i in newest if draft.values[i].shape == shape]
        taken = choose(block, draft, op, takes, fitting, [shape])
        if taken is None:
            return None
        takes.append(taken)
    return tuple(takes), options


Frame = tuple[tuple[int, ...], tuple[Shape, ...], Mapping[str, Any]]


def framed(draft: Draft, op: Operation, value: int) -> Iterator[Frame]:
    """The cases of a record in one of whose slots an earlier value fits, lengths renamed."""
    data = draft.values[value]
    for number, case in enumerate(op.cases):
        if len(case.shapes) == 1:
            if result(op, [data], case.options) is not None:
                yield (0, value), (data.shape,), case.options
            continue
        for slot in range(len(case.shapes)):
            shapes = renamed(op, number, slot, data.shape)
            if shapes and inside(op, slot, data):
                known = {each.shape for each in draft.values}
                if sum(shape not in known for shape in shapes) <= draft.left:
                    yield (slot, value), shapes, case.options


def choose(
    block: Block,
    draft: Draft,
    op: Operation,
    takes: Sequence[int],
    fitting: Sequence[int],
    shapes: Sequence[Shape],
    options: Mapping[str, Any] | None = None,
) -> int | None:
    """The argument after those in `takes`: one of the earlier values that are `fitting` in shape,
    mostly one that nothing takes yet, or a new input of one of the shapes; None if there is none.

    With `options` the call has no further arguments, and must be legal.
    """

    def fine(i: int) -> bool:
        if options is None:
            return inside(op, len(takes), draft.values[i])
        return result(op, [draft.values[j] for j in (*takes, i)], options) is not None

    loose = next((i for i in fitting if draft.loose(i) and i not in takes and fine(i)), None)
    if loose is not None and block.pick(OLDER) < OLDER - 1:
        return loose
    fresh = draft.left > 0 and bool(shapes)
    number = block.pick(len(fitting) + fresh)
    for i in fitting[number:]:
        if fine(i):
            return i
    if not fresh:
        return next((i for i in fitting[:number] if fine(i)), None)
    shape = shapes[block.pick(len(shapes))]
    numbers = simplest(op, len(takes))
    entries = [numbers[next(block.entries) % len(numbers)] for _ in range(math.prod(shape))]
    return draft.place(np.array(entries).reshape(shape)[()])


def settled(draft: Draft, length: int, step: Step) -> bool:
    """Whether a step is added, its new inputs (from `length` on) moved off kinks if need be."""
    drawn = draft.values[length:]
    for shift, diagonal in SHIFTS if drawn else SHIFTS[:1]:
        start = 1
        for turn, data in enumerate(drawn):
            ramp = np.arange(start, start + data.size).reshape(data.shape)
            shifted = data + shift * ramp
            if diagonal and data.ndim > 1 and data.shape[-1] == data.shape[-2]:
                shifted = shifted + diagonal * np.eye(data.shape[-1])
            draft.replace(length + turn, shifted[()])
            start += data.size
        if draft.called(step):
            return True
    return False
