"""Arguments for a record, read off its own fields: inside its domain and away from its kinks, or
exactly on one. A new record needs nothing here.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from tinygrad_edu.engine.operation import Case, Elementwise, Operation

# Room around kinks and at the ends of a domain. Kinks that several arguments share leave less,
# since many entries must keep clear of one another.
ROOM, SHARED_ROOM = 0.5, 0.125
REACHES = ("round", "near", "wide")
NEAR, WIDE = 6.0, 100.0
ATTEMPTS, FEW_ATTEMPTS = 5000, 100


@dataclass(frozen=True)
class Call:
    """One call of a record: its arrays (NumPy scalars if 0-d) and its options."""

    arrays: tuple[Any, ...]
    options: Mapping[str, Any]


def apply(op: Operation, arguments: Any, options: Mapping[str, Any]) -> Any:
    """The record called as a function."""
    if op.variadic:
        return op(list(arguments), **options)
    return op(*arguments, **options)


def interval(op: Operation, position: int) -> tuple[float, float]:
    """The domain of one argument."""
    return op.domain[min(position, len(op.domain) - 1)]


def corners(op: Operation) -> list[float]:
    """The kinks that are numbers: places on the axis of the first argument."""
    return sorted(float(kink) for kink in op.kinks if not callable(kink))


def cuts(op: Operation, position: int) -> list[float]:
    """Where the axis of an argument ends or has a corner, in order."""
    low, high = interval(op, position)
    return [low, *(corners(op) if position == 0 else ()), high]


def room(op: Operation, position: int) -> float:
    """How far the numbers of an argument stay from what they must not reach."""
    widths = [right - left for left, right in itertools.pairwise(cuts(op, position))]
    most = SHARED_ROOM if any(callable(kink) for kink in op.kinks) else ROOM
    return min(most, *(width / 4 for width in widths))


def step(op: Operation, position: int) -> float:
    """A step for finite differences that stays well inside that room."""
    return room(op, position) / 4


def distances(op: Operation, call: Call) -> Iterator[Any]:
    """How far each entry is from each kink of the record; 1 is far enough."""
    for kink in op.kinks:
        if callable(kink):
            yield np.abs(kink(*call.arrays, **call.options)) / SHARED_ROOM
        else:
            # float32 may have rounded some of the room away.
            yield np.abs(call.arrays[0] - kink) / (0.99 * room(op, 0))


def numbers(
    op: Operation, position: int, shape: tuple[int, ...], reach: str, rng: np.random.Generator
) -> Any:
    """Random numbers from every smooth piece of an argument's domain alike.

    `round` gives multiples of 1/4, and often −1, 0 and 1, where many a rule has its special case;
    `wide` often gives the ends, where a forward may overflow on its way. All of them are float32
    numbers, and so the same in both precisions.
    """
    margin = room(op, position)
    pieces = np.array(
        [
            window(left + margin, right - margin, reach)
            for left, right in itertools.pairwise(cuts(op, position))
        ]
    )
    low, high = np.moveaxis(pieces[rng.integers(len(pieces), size=shape)], -1, 0)
    drawn = low + (high - low) * rng.random(shape)
    if reach == "round":
        units = rng.integers(-1, 2, shape)
        special = (rng.random(shape) < 0.3) & (low <= units) & (units <= high)
        drawn = np.where(special, units, np.clip(np.round(4 * drawn) / 4, low, high))
    elif reach == "wide":
        drawn = np.where(
            rng.random(shape) < 0.3, np.where(rng.random(shape) < 0.5, low, high), drawn
        )
    return drawn.astype(np.float32).astype(np.float64)[()]


def along(op: Operation, position: int) -> Any:
    """Float32 numbers all along the axis of an argument, dense enough to meet each of its turns."""
    margin = room(op, position)
    pieces = [
        (left + margin, right - margin) for left, right in itertools.pairwise(cuts(op, position))
    ]
    ends = [window(*piece, reach) for piece in pieces for reach in ("near", "wide")]
    points = np.concatenate([np.linspace(low, high, 201) for low, high in ends])
    return points.astype(np.float32).astype(np.float64)


def window(low: float, high: float, reach: str) -> tuple[float, float]:
    """The part of a piece of the axis to draw from: where 0 is, or nearest to it."""
    half = WIDE if reach == "wide" else NEAR
    if reach == "wide" and math.isfinite(high - low):
        return low, high
    if low >= half or high <= -half:
        return (low, min(high, low + half)) if low > 0 else (max(low, high - half), high)
    return max(low, -half), min(high, half)


def arguments(op: Operation, case: Case, reach: str, seed: int) -> Call:
    """A call with the shapes of `case`, away from every kink."""
    rng = np.random.default_rng(seed)
    for _ in range(ATTEMPTS):
        call = Call(
            tuple(numbers(op, i, shape, reach, rng) for i, shape in enumerate(case.shapes)),
            case.options,
        )
        if all(np.all(distance >= 1) for distance in distances(op, call)):
            return call
    raise AssertionError(f"no numbers for {op.name} {case} keep away from its kinks")


def count(op: Operation) -> int:
    """How many arrays an element-wise record takes."""
    return len(op.arguments)


def structural_cases(op: Operation) -> list[Case]:
    """The cases of a record and, where its forward allows them, the same with length 1 or 0.

    A length that occurs in several places is replaced in all of them.
    """
    cases = list(op.cases)
    for case, length in itertools.product(op.cases, (1, 0)):
        for old in sorted({n for shape in case.shapes for n in shape} - {length}):
            shapes = tuple(tuple(length if n == old else n for n in s) for s in case.shapes)
            if forward_allows(op, varied := Case(shapes, case.options)):
                cases.append(varied)
    return cases


def forward_allows(op: Operation, case: Case) -> bool:
    """Whether the forward takes these shapes and gives numbers."""
    ones = [np.ones(shape)[()] for shape in case.shapes]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return bool(np.all(np.isfinite(op.forward(*ones, **case.options))))
        except (ValueError, IndexError, ZeroDivisionError):
            return False


def elementwise_cases(op: Operation) -> list[Case]:
    """Broadcasting that is not left to chance: 0-d, length 1 and empty, in every argument."""
    patterns: tuple[tuple[tuple[int, ...], ...], ...] = (
        ((),),
        ((1,), (2, 3)),
        ((2, 3), (1,)),
        ((2, 1), (1, 3)),
        ((), (2, 1)),
        ((2, 1), ()),
        ((0,), ()),
        ((0,), (1,)),
        ((2, 0), (2, 1)),
        ((1,), (2, 0)),
    )
    cycled = (tuple(itertools.islice(itertools.cycle(p), count(op))) for p in patterns)
    return [
        Case(shapes, options) for shapes in dict.fromkeys(cycled) for options in option_sets(op)
    ]


def option_sets(op: Operation) -> list[Mapping[str, Any]]:
    """The options that an element-wise record is tried with."""
    return [case.options for case in op.cases] or [{}]


def fixed_cases(op: Operation) -> list[Case]:
    """Shapes and options that every record is tried at."""
    return elementwise_cases(op) if isinstance(op, Elementwise) else structural_cases(op)


def cases(op: Operation, most: int = 3) -> st.SearchStrategy[Case]:
    """Shapes and options for one call; lengths of element-wise arguments up to `most`."""
    if not isinstance(op, Elementwise):
        return st.sampled_from(structural_cases(op))
    shapes = mutually_broadcastable_shapes(num_shapes=count(op), max_dims=2, max_side=most)
    options = st.sampled_from(option_sets(op))
    return st.builds(lambda drawn, chosen: Case(drawn.input_shapes, chosen), shapes, options)


SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def calls(
    draw: st.DrawFn,
    op: Operation,
    case: Case | None = None,
    reaches: tuple[str, ...] = REACHES,
    most: int = 3,
) -> Call:
    """Calls of a record where it is smooth."""
    chosen = draw(cases(op, most)) if case is None else case
    return arguments(op, chosen, draw(st.sampled_from(reaches)), draw(SEEDS))


@st.composite
def calls_on_kink(draw: st.DrawFn, op: Operation, which: int) -> Call:
    """Calls of a record with at least one entry exactly on its kink number `which`.

    Every entry keeps away from the other kinks, and is either on this one or away from it.
    """
    kink = op.kinks[which]
    case = draw(cases(op, most=2))
    rng = np.random.default_rng(draw(SEEDS))
    for _ in range(FEW_ATTEMPTS):
        arrays = [numbers(op, i, shape, "round", rng) for i, shape in enumerate(case.shapes)]
        if callable(kink):
            # Few different numbers meet often.
            arrays = [
                rng.integers(-2, 3, a.shape).astype(np.float64)[()] if unbounded(op, i) else a
                for i, a in enumerate(arrays)
            ]
        else:
            arrays[0] = np.where(rng.integers(2, size=arrays[0].shape) == 1, kink, arrays[0])[()]
        call = Call(tuple(arrays), case.options)
        if all(
            np.any(distance == 0) and np.all((distance == 0) | (distance >= 1))
            if number == which
            else np.all(distance >= 1)
            for number, distance in enumerate(distances(op, call))
        ):
            return call
    reject()


def unbounded(op: Operation, position: int) -> bool:
    """Whether an argument may be any number."""
    return interval(op, position) == (-math.inf, math.inf)
