"""What mistake would explain a wrong gradient: guesses, tried against what was expected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

# Guesses are compared to this share of the largest entry, and to four bars.
NEAR = 1e-6


def guess(claimed: Array, expected: Array, bars: Array) -> str:
    """The mistake that turns `expected` into `claimed`, in a few words; "" if none is known.

    `expected` and `bars` have the right shape; `claimed` may have another.
    """
    with np.errstate(all="ignore"):
        room = 4 * bars + NEAR * np.abs(expected).max(initial=0)
        if np.all(np.isinf(room)):
            return ""

        def close(a: Array, b: Array) -> bool:
            allowed = room if room.shape == a.shape else np.min(room)
            return a.shape == b.shape and bool(np.all(np.abs(a - b) <= allowed))

        for sentence, candidate in candidates(expected):
            if close(claimed, candidate):
                return sentence
        if claimed.shape != expected.shape:
            return reshaped(claimed, expected, close)
        return proportional(claimed, expected, ~(np.abs(claimed - expected) <= room), room)


def proportional(claimed: Array, expected: Array, wrong: Array, room: Array) -> str:
    """What the wrong entries have in common: they are 0, or in one ratio to the right ones."""
    if not wrong.any():
        return ""
    some = "every entry" if wrong.all() else f"{np.count_nonzero(wrong)} of {wrong.size} entries"
    if np.all(claimed[wrong] == 0):
        return f"{some}: 0 where the gradient is not"
    ratio = float(np.median(claimed[wrong] / expected[wrong]))
    alike = np.abs(claimed - ratio * expected) <= room
    if np.count_nonzero(wrong) > 1 and np.all(alike[wrong]):
        if abs(ratio + 1) <= NEAR:
            return f"{some}: the sign is wrong"
        return f"{some}: {ratio:.6g} times the right value"
    return ""


def reshaped(claimed: Array, expected: Array, close: Any) -> str:
    """What is wrong with a gradient of another shape than the input's."""
    for axes in broadcast_axes(claimed.shape, expected.shape):
        if close(claimed.sum(axes).reshape(expected.shape), expected):
            over = ", ".join(map(str, axes))
            return (
                f"it has shape {claimed.shape} and its sum over axis {over} is right: the input "
                "was broadcast, so its gradient must be summed over what it was broadcast to"
            )
    return f"it has shape {claimed.shape}, the input has {expected.shape}"


def candidates(expected: Array) -> Iterator[tuple[str, Array]]:
    """Wrong gradients that are often written, made from the right one."""
    yield "it is 0", np.zeros_like(expected)
    yield "the sign is wrong", -expected
    for factor in (2.0, 0.5):
        more = "much" if factor > 1 else "little"
        yield f"a factor of 2 too {more}", factor * expected
    if expected.ndim == 2:
        yield "it is transposed", expected.T
        for axis in range(2):
            summed = np.broadcast_to(expected.sum(axis, keepdims=True), expected.shape)
            yield f"it is summed over axis {axis}, and repeated", summed
            yield f"it is averaged over axis {axis}, and repeated", summed / expected.shape[axis]
    if expected.size > 1:
        for axis in range(expected.ndim):
            yield f"it is in reverse order along axis {axis}", np.flip(expected, axis)
            for shift in (1, -1):
                moved = np.roll(expected, shift, axis)
                yield f"it is shifted by {shift} along axis {axis}", moved
        yield (
            "it is divided by the number of entries: was a mean taken instead of a sum?",
            expected / expected.size,
        )
        yield (
            "it is multiplied by the number of entries: was a sum taken instead of a mean?",
            expected * expected.size,
        )
    yield "it is 1 everywhere: was the local derivative left out?", np.ones_like(expected)
    yield "it is squared", expected**2
    yield "it is inverted", 1 / expected


def broadcast_axes(given: tuple[int, ...], wanted: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The axes whose sum would turn one shape into another, if there are such."""
    extra = len(given) - len(wanted)
    if extra < 0:
        return
    axes = [*range(extra)]
    for axis, length in enumerate(wanted, extra):
        if length == 1 and given[axis] != 1:
            axes.append(axis)
        elif length != given[axis]:
            return
    if axes:
        yield tuple(axes)
