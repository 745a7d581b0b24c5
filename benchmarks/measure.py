"""Comparing two sides: first that they compute the same, then how long they take."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.works import Batch, Side, Work

VERIFIED_STEPS = 20


class DifferentResultError(Exception):
    """A side computes something else than the hand-written step: its time means nothing."""


def verify(work: Work, hand: Side, side: Side, batches: Sequence[Batch]) -> None:
    """Compare the loss and every weight at each of the first steps, in place of both sides.

    Raises DifferentResultError where they differ by more than ``work.rtol``.
    """
    start = [parameter.copy() for parameter in hand.parameters()]
    for i, (x, target) in enumerate(islice(cycle(batches), VERIFIED_STEPS)):
        expected = hand.step(x, target).item()
        loss = side.step(side.prepare(x), side.prepare(target)).item()
        if not abs(loss - expected) <= work.rtol * abs(expected):
            raise DifferentResultError(f"{work.name}, step {i}: loss {loss}, by hand {expected}")
        for j, (ours, theirs) in enumerate(zip(side.parameters(), hand.parameters(), strict=True)):
            if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
                raise DifferentResultError(
                    f"{work.name}: parameter {j} is {ours.dtype}{ours.shape}, "
                    f"by hand {theirs.dtype}{theirs.shape}"
                )
            error = np.abs(ours - theirs).max() / np.abs(theirs).max()
            if not error <= work.rtol:
                raise DifferentResultError(
                    f"{work.name}, step {i}: parameter {j} is off by {error:.1e}"
                )
    # Weights that hardly move would agree with a program that does nothing.
    for j, (before, after) in enumerate(zip(start, hand.parameters(), strict=True)):
        if np.abs(after - before).max() < 100 * work.rtol * np.abs(after).max():
            raise DifferentResultError(
                f"{work.name}: parameter {j} moved too little in {VERIFIED_STEPS} steps to tell"
            )


def _seconds(side: Side, batches: Sequence[tuple[Any, Any]], steps: int) -> float:
    step = side.step
    start = perf_counter()
    for x, target in islice(cycle(batches), steps):
        step(x, target)
    return perf_counter() - start


def step_ratio(
    hand: Side, side: Side, batches: Sequence[Batch], blocks: int, block_seconds: float
) -> tuple[float, float]:
    """Time blocks of steps in turn: hand, side, hand, side, ...

    Neighbouring blocks see the same machine, so their ratio is steadier than either time.

    Returns the median ratio (side / hand) and the median seconds of one hand-written step.
    """
    prepared = [(side.prepare(x), side.prepare(target)) for x, target in batches]
    _seconds(side, prepared, len(prepared))
    steps = len(batches)
    while (elapsed := _seconds(hand, batches, steps)) < block_seconds / 4:
        steps *= 2
    steps = max(len(batches), round(steps * block_seconds / elapsed))
    times = [
        (_seconds(hand, batches, steps), _seconds(side, prepared, steps)) for _ in range(blocks)
    ]
    return median(b / a for a, b in times), median(a for a, _ in times) / steps
