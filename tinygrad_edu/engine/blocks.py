"""Large arrays a block at a time, so that what a formula computes on its way stays in the cache.

NumPy takes one step of a formula after the other, each through the whole array: from some hundred
thousand entries on, each step waits for memory. What works entry by entry can be cut anywhere, and
what works along rows between them. And large arrays without branches: see `select`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import update_wrapper
from typing import Any

import numpy as np

from .node import NUMBERS, Node

ndarray = np.ndarray
Kernel = Callable[..., Any]

# Bytes of one array in one block: several of them fit into the cache of a core, while the calls
# that each block costs, about a microsecond apiece, hardly show.
BLOCK = 2**18
# From so many entries on, more steps are cheaper than dearer ones.
MANY = 1000
# Integers as wide as the floats.
BITS = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}


def blocks(rows: bool, *arguments: Any) -> Iterator[tuple[slice, list[Any]]]:
    """Where each block stands, and what it has of every argument.

    The arrays among the arguments are cut where they are flat, or between their `rows`: all but
    the last axis as one. Numbers are in every block.
    """
    cut: list[Any] = [
        a.reshape((-1, a.shape[-1]) if rows else -1) if a.__class__ is ndarray and a.ndim else None
        for a in arguments
    ]
    step = max(BLOCK // max(a[:1].nbytes for a in cut if a is not None), 1)
    each = list(zip(cut, arguments, strict=True))
    for start in range(0, len(cut[0]), step):
        here = slice(start, start + step)
        yield here, [whole if array is None else array[here] for array, whole in each]


def cuttable(x: Any, others: Sequence[Any]) -> bool:
    """Whether the others can be cut where `x` is: arrays of its shape, and numbers."""
    for each in others:
        if each.__class__ is ndarray:
            if each.ndim and each.shape != x.shape:
                return False
        elif each.__class__ not in NUMBERS and (isinstance(each, Node) or np.ndim(each)):
            return False
    return True


def in_blocks(kernel: Kernel, rows: bool, x: Any, *others: Any) -> Any:
    """`kernel(x, *others)` block by block; it may change the length of a row."""
    out: Any = None
    cut: Any = None
    for here, parts in blocks(rows, x, *others):
        target = None if cut is None else cut[here]
        part = kernel(*parts, into=target)
        if cut is None:
            out = np.empty((*x.shape[:-1], *part.shape[1:]) if rows else x.shape, part.dtype)
            cut = out.reshape(-1, *part.shape[1:])
        if part is not target:
            cut[here] = part
    return out


def blockwise(kernel: Kernel) -> Kernel:
    """A forward from `kernel`, which works entry by entry: large arrays go through it in blocks.

    The kernel's last parameter, `into`, if it has one, is an array in which it may leave its
    result, as ufuncs do with `out`, or None. What is broadcast goes through the kernel in one
    piece, as small arrays and numbers do.
    """

    def forward(x: Any, *others: Any, **named: Any) -> Any:
        if named:
            x, *others = signature.bind(x, *others, **named).args  # type: ignore[assignment]
        if x.__class__ is ndarray and x.nbytes > BLOCK and cuttable(x, others):
            return in_blocks(in_one_block, False, x, *others)
        return kernel(x, *others)

    signature = inspect.signature(kernel)
    in_one_block = kernel if "into" in signature.parameters else without_into(kernel)
    return in_place_of(kernel, forward)


def rowwise(kernel: Kernel) -> Kernel:
    """A forward or a pullback from `kernel`, which works along `axis`: blocks of whole rows.

    `into` is as for `blockwise`. Along another axis than the last large arrays go through the
    kernel in one piece too.
    """

    def rule(x: Any, *others: Any, axis: int = -1) -> Any:
        if x.__class__ is ndarray and x.nbytes > BLOCK and x.ndim > 1 and axis in (-1, x.ndim - 1):
            return in_blocks(kernel, True, x, *others)
        return kernel(x, *others, axis=axis)

    return in_place_of(kernel, rule)


def without_into(kernel: Kernel) -> Kernel:
    """A kernel that always makes its result anew, called like those that may not."""
    return lambda *parts, into=None: kernel(*parts)


def in_place_of(kernel: Kernel, function: Kernel) -> Kernel:
    """The function, with the kernel's name and its parameters but `into`."""
    update_wrapper(function, kernel)
    signature = inspect.signature(kernel)
    shown = [each for name, each in signature.parameters.items() if name != "into"]
    function.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    return function


def all_bits(condition: Any, dtype: Any) -> Any:
    """Integers as wide as `dtype`, all of their bits set where the condition holds, else none."""
    return np.negative(condition.view(np.int8)).astype(BITS[dtype])


def select(condition: Any, x: Any, y: Any, into: Any = None) -> Any:
    """np.where; of many entries by their bits.

    For each entry np.where branches, and the processor, which guesses what comes next, guesses
    half of the branches on random data wrong, each at the price of some twenty entries.
    """
    if condition.__class__ is not ndarray or condition.size < MANY or condition.dtype != bool:
        return np.where(condition, x, y)
    if not cuttable(condition, (x, y)) or (dtype := np.result_type(x, y)) not in BITS:
        return np.where(condition, x, y)
    ones, zeros = (np.asarray(each, dtype).view(BITS[dtype]) for each in (x, y))
    bits = all_bits(condition, dtype)
    out = np.empty(bits.shape, dtype) if into is None else into
    if zeros.ndim or zeros:
        bits &= ones ^ zeros
        np.bitwise_xor(bits, zeros, out=out.view(BITS[dtype]))
    else:
        np.bitwise_and(bits, ones, out=out.view(BITS[dtype]))
    return out
