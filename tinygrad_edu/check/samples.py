"""Arguments for an operation, read off its record: inside its domain and away from its kinks, at
every magnitude, or exactly on a kink. A new record needs nothing here.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..engine.operation import FUNCTIONS, UFUNCS, Case, Elementwise, Operation, find
from ..errors import OperandError

Reach = Literal["round", "near", "wide"]

# Room around kinks and at the ends of a domain. Kinks that several arguments share leave less,
# since many entries must keep clear of one another.
ROOM, SHARED_ROOM = 0.5, 0.125
REACHES: tuple[Reach, ...] = ("round", "near", "wide")
NEAR, WIDE = 6.0, 100.0
SMALLEST, MIDDLE, LARGEST = -6.0, 1.0, 3.0  # powers of ten
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


def operation(record: Any) -> Operation:
    """The differentiable operation that is meant by a record, a name or a NumPy function.

    Raises `UnknownNameError` for a name that no operation has, and `OperandError` for what is no
    operation or has no derivative.
    """
    if isinstance(record, str):
        record = find(record)
    elif not isinstance(record, Operation) and callable(record):
        record = UFUNCS.get(record) or FUNCTIONS.get(record, record)
    if not isinstance(record, Operation):
        raise OperandError(
            f"{record!r} is no operation; give one of te.OPERATIONS, its name, or what "
            "te.define_elementwise returned"
        )
    if not record.differentiable:
        raise OperandError(f"{record.name} has no derivative: its results are untracked")
    return record


# ---- what a record says of its arguments ----


def interval(op: Operation, position: int) -> tuple[float, float]:
    """The domain of one argument."""
    return op.domain[min(position, len(op.domain) - 1)]


def unbounded(op: Operation, position: int) -> bool:
    """Whether an argument may be any number."""
    return interval(op, position) == (-math.inf, math.inf)


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
    most = SHARED_ROOM if op.edges or any(callable(kink) for kink in op.kinks) else ROOM
    return min(most, *(width / 4 for width in widths))


def distances(op: Operation, call: Call) -> Iterator[Any]:
    """How far each entry is from each kink of the record, and from each edge; 1 is far enough."""
    for kink in op.kinks:
        if callable(kink):
            yield np.abs(kink(*call.arrays, **call.options)) / SHARED_ROOM
        else:
            # float32 may have rounded some of the room away.
            yield np.abs(call.arrays[0] - kink) / (0.99 * room(op, 0))
    for edge in op.edges:
        yield np.abs(edge(*call.arrays, **call.options)) / SHARED_ROOM


# ---- numbers ----


def numbers(
    op: Operation, position: int, shape: tuple[int, ...], reach: Reach, rng: np.random.Generator
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


def magnitudes(
    op: Operation, position: int, count: int, rng: np.random.Generator, far: bool = False
) -> Any:
    """Random numbers of three digits at distances of 1e-6 to 10 from 0, from corners and from ends
    of the domain, all sizes alike; with `far` of 10 to 1e3.

    All numbers are inside the domain, none is at an end.
    """
    low, high = interval(op, position)
    near = {0.0, *(cut for cut in cuts(op, position) if abs(cut) <= NEAR)}
    anchors = np.array([anchor for anchor in sorted(near) if low <= anchor <= high])
    powers = (MIDDLE, LARGEST) if far else (SMALLEST, MIDDLE)
    kept: list[float] = []
    for _ in range(FEW_ATTEMPTS if anchors.size else 0):
        sizes = 10.0 ** rng.uniform(*powers, count) * rng.choice((-1.0, 1.0), count)
        places = short(rng.choice(anchors, count) + short(sizes, 3), 9)
        kept += places[(low < places) & (places < high)].tolist()
        if len(kept) >= count:
            return np.array(kept[:count])
    # A domain that is narrower, or lies elsewhere.
    return numbers(op, position, (count,), "wide" if far else "near", rng)


def units(op: Operation, position: int) -> Any:
    """Those of −1, 0 and 1 that an argument may be, away from declared corners and from ends."""
    margin = room(op, position)
    pieces = list(itertools.pairwise(cuts(op, position)))
    return np.array(
        [
            unit
            for unit in (-1.0, 0.0, 1.0)
            if any(left + margin <= unit <= right - margin for left, right in pieces)
        ]
    )


def short(data: Any, digits: int) -> Any:
    """Numbers rounded to so many decimal digits, which a reader can copy."""
    rounded = [float(f"{x:.{digits}g}") for x in np.ravel(data).tolist()]
    return np.reshape(rounded, np.shape(data))


def along(op: Operation, position: int) -> Any:
    """Float32 numbers all along the axis of an argument, dense enough to meet each of its turns."""
    margin = room(op, position)
    pieces = [
        (left + margin, right - margin) for left, right in itertools.pairwise(cuts(op, position))
    ]
    reaches: tuple[Reach, ...] = ("near", "wide")
    ends = [window(*piece, reach) for piece in pieces for reach in reaches]
    points = np.concatenate([np.linspace(low, high, 201) for low, high in ends])
    return points.astype(np.float32).astype(np.float64)


def window(low: float, high: float, reach: Reach) -> tuple[float, float]:
    """The part of a piece of the axis to draw from: where 0 is, or nearest to it."""
    half = WIDE if reach == "wide" else NEAR
    if reach == "wide" and math.isfinite(high - low):
        return low, high
    if low >= half or high <= -half:
        return (low, min(high, low + half)) if low > 0 else (max(low, high - half), high)
    return max(low, -half), min(high, half)


# ---- calls ----


def arguments(op: Operation, case: Case, reach: Reach, seed: int | np.random.Generator) -> Call:
    """A call with the shapes of `case`, away from every kink.

    Raises `ValueError` if none is found.
    """
    rng = np.random.default_rng(seed)
    for _ in range(ATTEMPTS):
        drawn = (numbers(op, i, shape, reach, rng) for i, shape in enumerate(case.shapes))
        call = Call(tuple(drawn), case.options)
        if all(np.all(fine) for fine in away(op, call)):
            return call
    raise ValueError(f"no numbers for {op.name} {case} keep away from its kinks")


def arguments_on_kink(
    op: Operation, case: Case, which: int, seed: int | np.random.Generator
) -> Call | None:
    """A call with the shapes of `case` and an entry exactly on kink number `which`; None if none
    is found.

    Every entry keeps away from the other kinks, and is either on this one or away from it.
    """
    rng = np.random.default_rng(seed)
    for _ in range(FEW_ATTEMPTS):
        call = close_call(op, case, which, rng)
        fine, met = away(op, call, which), on(op, call, which)
        if np.any(met) and all(map(np.all, fine)):
            return call
    return None


def close_call(op: Operation, case: Case, which: int, rng: np.random.Generator) -> Call:
    """A call some of whose entries are likely to be on kink number `which`."""
    kink = op.kinks[which]
    arrays = [numbers(op, i, shape, "round", rng) for i, shape in enumerate(case.shapes)]
    if callable(kink):
        # Few different numbers meet often.
        arrays = [
            rng.integers(-2, 3, a.shape).astype(np.float64)[()] if unbounded(op, i) else a
            for i, a in enumerate(arrays)
        ]
    else:
        arrays[0] = np.where(rng.integers(2, size=arrays[0].shape) == 1, kink, arrays[0])[()]
    return Call(tuple(arrays), case.options)


def on(op: Operation, call: Call, which: int) -> Any:
    """Which entries are exactly on kink number `which`."""
    return list(distances(op, call))[which] == 0


def away(op: Operation, call: Call, which: int | None = None) -> list[Any]:
    """For each kink, which entries are far enough from it; exactly on kink `which` will do."""
    return [
        (distance >= 1) | ((distance == 0) & (number == which))
        for number, distance in enumerate(distances(op, call))
    ]


# ---- shapes and options ----


def option_sets(op: Operation) -> list[Mapping[str, Any]]:
    """The options that an element-wise record is tried with."""
    return [case.options for case in op.cases] or [{}]


def fixed_cases(op: Operation) -> list[Case]:
    """Shapes and options that every record is tried at."""
    return elementwise_cases(op) if isinstance(op, Elementwise) else structural_cases(op)


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
    cycled = (tuple(itertools.islice(itertools.cycle(p), len(op.arguments))) for p in patterns)
    return [
        Case(shapes, options) for shapes in dict.fromkeys(cycled) for options in option_sets(op)
    ]


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
