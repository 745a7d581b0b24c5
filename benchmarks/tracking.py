"""What it costs to measure gradient flow: a training step with `te.flow.track` beside one without.

784-512-512-10, relu, SGD, batch 256, float32. Both sides train the same network from the same
weights on the same batches, in turn, and must end with the same weights bit for bit.

python -m benchmarks.tracking [--repeats 3]; `python -m benchmarks --only tracking` does too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import cycle
from statistics import median
from time import perf_counter

import numpy as np

import tinygrad_edu as te
from benchmarks.ours import TinygradEdu
from benchmarks.works import WORKS, initial_parameters, make_batches

WORK = WORKS["wide"]
BLOCKS, STEPS, BAR = 30, 10, 1.10
# Only what is measured in every pass, and everything in every tenth.
EVERY = {"rms δ and rms ∇W in every step": 10**9, "all of it in every tenth step": 10}


def ratio(every: int) -> float:
    """The median over neighbouring blocks of the time with tracking ÷ the time without."""
    sides = [TinygradEdu(WORK, initial_parameters(WORK)) for _ in range(2)]
    batches = [cycle(make_batches(WORK)) for _ in sides]
    flow = te.flow.track(sides[1].model, every=every)
    ratios = []
    for block in range(BLOCKS + 1):
        seconds = [0.0, 0.0]
        order = (0, 1) if block % 2 else (1, 0)
        for which in order:
            side, watching = sides[which], flow if which else nullcontext()
            with watching:
                start = perf_counter()
                for _ in range(STEPS):
                    side.step(*next(batches[which]))
                seconds[which] = perf_counter() - start
        if block:  # the first look at the layers is dearer, and comes once
            ratios.append(seconds[1] / seconds[0])
    assert len(flow) == (BLOCKS + 1) * STEPS, "not every step was measured"
    for plain, tracked in zip(sides[0].parameters(), sides[1].parameters(), strict=True):
        if not np.array_equal(plain, tracked):
            raise AssertionError("a training that is measured ends with other weights")
    return median(ratios)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracking", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    failed = False
    for label, every in EVERY.items():
        found = [ratio(every) for _ in range(options.repeats)]
        each = " ".join(f"{number:.3f}" for number in found)
        print(f"{label:<34}  {median(found):.3f} x a step without  ({each}; bar {BAR:g})")
        failed |= median(found) > BAR
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
