"""Hypothesis strategies for tests of your own: arrays inside a domain, shapes that broadcast,
Values, calls of an operation, and whole programs, with a way to make one small that fails.

All numbers are short (multiples of 1/8, or of a smaller power of 2 where a domain is narrow): sums
and products of them are exact, and a failing example shrinks to small ones. Needs hypothesis:
`pip install "tinygrad_edu[verify]"`.

    import numpy as np
    import tinygrad_edu as te
    from hypothesis import given

    def softclip(x, width):
        return width * np.tanh(x / width)

    @given(te.check.strategies.broadcastable(2, domain=(0.5, 4.0)))
    def test_softclip_has_the_right_gradient(arrays):
        te.check.assert_gradients(softclip, *arrays)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine.operation import Case, Elementwise, Operation
from ..engine.value import Value
from ..errors import OperandError
from .drawing import programs
from .samples import (
    REACHES,
    Call,
    Reach,
    arguments,
    arguments_on_kink,
    operation,
    option_sets,
    structural_cases,
)
from .shrinking import smallest

try:
    from hypothesis import reject
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as hnp
except ImportError:
    raise ImportError(
        "te.check.strategies draws with hypothesis, which is missing; "
        'run: pip install "tinygrad_edu[verify]"'
    ) from None

__all__ = [
    "arrays",
    "broadcastable",
    "calls",
    "calls_on_kink",
    "numbers",
    "programs",
    "smallest",
    "values",
]

Shape = tuple[int, ...]
Domain = tuple[float, float]

# Numbers are multiples of this, or of a power of 2 that leaves FINEST of them in a narrow domain.
UNIT, FINEST = 0.125, 16
# An end that is infinite is replaced by one so far from 0, or from the other end.
REACH = 16.0
SEEDS = st.integers(0, 2**32 - 1)


def numbers(
    domain: Domain = (-math.inf, math.inf), *, avoid: Sequence[float] = ()
) -> st.SearchStrategy[float]:
    """Short numbers inside the open interval `domain`, none of those in `avoid` among them.

    They shrink to 0, or to the number nearest to it. An infinite end is taken for ±16, or for 16
    beyond the other end. `avoid` is for kinks: numbers keep 1/8 away, less in narrow intervals.
    Raises `OperandError` for an empty interval.
    """
    low, high = map(float, domain)
    if not low < high:
        raise OperandError(f"domain=({low:g}, {high:g}) is empty; give (low, high) with low < high")
    ends = sorted({low, high, *(float(x) for x in avoid if low < x < high)})
    pieces = [multiples(*piece) for piece in itertools.pairwise(ends)]
    filled = [st.integers(first, last).map(unit.__mul__) for unit, first, last in pieces if unit]
    if not filled:
        raise OperandError(f"there are too few float64 numbers between {low!r} and {high!r}")
    return st.one_of(filled)


def multiples(low: float, high: float) -> tuple[float, int, int]:
    """A power of 2, and its first and last multiple in an open interval; 0 for one too narrow."""
    if low == -math.inf:
        low = min(-REACH, high - REACH)
    if high == math.inf:
        high = max(REACH, low + REACH)
    unit = min(UNIT, 2.0 ** math.floor(math.log2((high - low) / FINEST)))
    first, last = math.floor(low / unit) + 1, math.ceil(high / unit) - 1
    exact = low < first * unit and last * unit < high
    return (unit if exact and first <= last else 0.0), first, last


def arrays(
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    *,
    domain: Domain = (-math.inf, math.inf),
    avoid: Sequence[float] = (),
    dtype: Any = np.float64,
) -> st.SearchStrategy[Any]:
    """Arrays of `numbers(domain, avoid=avoid)`.

    `shape` is a shape or a strategy for shapes; without it there are 0 to 2 axes of length 1 to 3.
    A 0-d array is a NumPy scalar. `dtype` is float64 or float32.
    """
    shapes = hnp.array_shapes(min_dims=0, max_dims=2, max_side=3) if shape is None else shape
    kind = np.dtype(dtype)
    if kind not in (np.float32, np.float64):
        raise OperandError(f"dtype={kind} has no derivatives; give np.float64 or np.float32")
    # Without a fill every entry is drawn on its own.
    drawn = hnp.arrays(np.float64, shapes, elements=numbers(domain, avoid=avoid), fill=st.nothing())
    return drawn.map(lambda array: array.astype(kind)[()])


def broadcastable(
    count: int,
    *,
    domain: Domain | Sequence[Domain] = (-math.inf, math.inf),
    avoid: Sequence[float] = (),
    dtype: Any = np.float64,
    max_dims: int = 2,
    max_side: int = 3,
) -> st.SearchStrategy[tuple[Any, ...]]:
    """Tuples of `count` arrays whose shapes broadcast together, 0-d and length 1 often among them.

    `domain` is one interval for all arrays, or a list of one for each.
    """
    domains = domain if isinstance(domain[0], Sequence) else [domain] * count
    if len(domains) != count:
        raise OperandError(f"{len(domains)} domains are given for {count} arrays")
    return hnp.mutually_broadcastable_shapes(
        num_shapes=count, max_dims=max_dims, max_side=max_side
    ).flatmap(
        lambda drawn: st.tuples(
            *(
                arrays(shape, domain=each, avoid=avoid, dtype=dtype)  # type: ignore[arg-type]
                for shape, each in zip(drawn.input_shapes, domains, strict=True)
            )
        )
    )


def values(
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    *,
    domain: Domain = (-math.inf, math.inf),
    avoid: Sequence[float] = (),
    dtype: Any = np.float64,
    name: str | None = None,
) -> st.SearchStrategy[Value]:
    """Tracked leaves that hold `arrays(shape, domain=domain, avoid=avoid, dtype=dtype)`."""
    drawn = arrays(shape, domain=domain, avoid=avoid, dtype=dtype)
    return drawn.map(lambda array: Value(array, name=name))


@st.composite
def calls(
    draw: st.DrawFn,
    record: Operation | str,
    case: Case | None = None,
    reaches: Sequence[Reach] = REACHES,
    most: int = 3,
) -> Call:
    """Calls of an operation inside its domain and away from its kinks: `.arrays` and `.options`.

    `record` is the operation or its name; `case` fixes shapes and options, otherwise lengths of
    element-wise arguments go up to `most`. `reaches` are the numbers to draw from: "round" ones,
    others "near" 0, and "wide" ones up to the ends of the domain.
    """
    op = operation(record)
    chosen = draw(cases(op, most)) if case is None else case
    return arguments(op, chosen, draw(st.sampled_from(reaches)), draw(SEEDS))


@st.composite
def calls_on_kink(draw: st.DrawFn, record: Operation | str, which: int = 0) -> Call:
    """Calls of an operation with at least one entry exactly on its kink number `which`.

    Every entry keeps away from the other kinks, and is either on this one or away from it.
    """
    op = operation(record)
    if not 0 <= which < len(op.kinks):
        raise OperandError(f"{op.name} declares {len(op.kinks)} kinks; there is no number {which}")
    call = arguments_on_kink(op, draw(cases(op, most=2)), which, draw(SEEDS))
    return reject() if call is None else call


def cases(op: Operation, most: int) -> st.SearchStrategy[Case]:
    """Shapes and options for one call."""
    if not isinstance(op, Elementwise):
        return st.sampled_from(structural_cases(op))
    shapes = hnp.mutually_broadcastable_shapes(
        num_shapes=len(op.arguments), max_dims=2, max_side=most
    )
    options = st.sampled_from(option_sets(op))
    return st.builds(lambda drawn, chosen: Case(drawn.input_shapes, chosen), shapes, options)
