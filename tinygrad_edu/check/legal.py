"""Which operation may be called on which numbers: inside its domain, away from its kinks, and with
a result that is neither large nor steep. Nothing is drawn here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..engine.operation import Case, Operation
from .samples import corners, cuts, interval, room, structural_cases, window

Shape = tuple[int, ...]
Arrays = Sequence[Any]
Options = Mapping[str, Any]

# How near to a kink or to the end of a domain a program comes, and how large its numbers get.
MARGIN = 2.0**-3
LARGEST = 1000.0
MOST_ENTRIES, MOST_RESULTS = 9, 24
# New inputs are multiples of this of at most so much, where the domain has them.
UNIT, SMALL = 2.0**-3, 3.0
SHAPES: tuple[Shape, ...] = ((), (1,), (2,), (3,), (1, 3), (2, 1), (2, 2), (2, 3), (3, 2))


def result(op: Operation, arrays: Arrays, options: Options) -> Any:
    """The result of a call that is inside the domain, smooth, finite and not large; else None."""
    if not all(inside(op, position, data) for position, data in enumerate(arrays)):
        return None
    arrays = completed(op, arrays)
    with np.errstate(all="ignore"):
        try:
            for zero in (*op.kinks, *op.edges):
                if callable(zero) and np.any(np.abs(zero(*arrays, **options)) < MARGIN):
                    return None
            out = np.asarray(op.forward(*arrays, **options))
        except (ValueError, TypeError, IndexError, ArithmeticError):
            return None
        fine = out.dtype == np.float64 and 0 < out.size <= MOST_RESULTS
        return out[()] if fine and np.all(np.abs(out) <= LARGEST) else None


def completed(op: Operation, arrays: Arrays) -> list[Any]:
    """The arrays of a call with those that are left out."""
    names = () if op.variadic else op.arguments[len(arrays) :]
    return [*arrays, *(np.float64(op.defaults[name]) for name in names)]


def inside(op: Operation, position: int, data: Any) -> bool:
    """Whether numbers keep a margin to the ends of an argument's domain and to its corners."""
    low, high, margin = bounds(op, position)
    return bool(
        (low == -math.inf or np.min(data) >= low)
        and (high == math.inf or np.max(data) <= high)
        and (position or all(np.all(np.abs(data - kink) >= margin) for kink in corners(op)))
    )


@lru_cache(maxsize=4096)
def bounds(op: Operation, position: int) -> tuple[float, float, float]:
    """The ends of an argument's domain less the margin, and the margin."""
    low, high = interval(op, position)
    margin = min(MARGIN, room(op, position))
    return low + margin, high - margin, margin


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
    small = all(0 < math.prod(s) <= MOST_ENTRIES for i, s in enumerate(shapes) if i != slot)
    return shapes if small and fits(op, Case(shapes, case.options)) else ()


def fits(op: Operation, case: Case) -> bool:
    """Whether the forward takes these shapes; that a matrix of ones has no inverse is no matter."""
    with np.errstate(all="ignore"):
        try:
            out = op.forward(*(np.ones(shape)[()] for shape in case.shapes), **case.options)
        except np.linalg.LinAlgError as error:
            return "square" not in str(error)
        except (ValueError, TypeError, IndexError, ArithmeticError):
            return False
        return np.size(out) > 0


@lru_cache(maxsize=1024)
def small_cases(op: Operation) -> tuple[Case, ...]:
    """The cases of a record whose arrays are small, the smallest first; one at least."""
    sized = sorted(
        (
            (max(math.prod(shape) for shape in case.shapes), number, case)
            for number, case in enumerate(structural_cases(op))
            if all(math.prod(shape) for shape in case.shapes) and fits(op, case)
        ),
        key=lambda item: item[:2],
    )
    count = max(1, sum(size <= MOST_ENTRIES for size, _, _ in sized))
    return tuple(case for _, _, case in sized[:count])


def joined(shape: Shape, other: Shape) -> bool:
    """Whether two shapes broadcast to a small one."""
    try:
        return math.prod(np.broadcast_shapes(shape, other)) <= MOST_RESULTS
    except ValueError:
        return False
