"""What it costs to run a graph of many numbers as a few NumPy calls.

micrograd's demo and smaller or larger works of its kind. Before anything is timed, the losses and
gradients of some steps of training are compared with those of eager code, each step on other data.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinygrad_edu as te
from benchmarks import peers
from benchmarks.measure import DifferentResultError
from benchmarks.micrograd_demo import Network, moons
from tinygrad_edu.compile.levels import Levels

Numbers = NDArray[np.float64]

DEMO = (2, 16, 16, 1)
# Nodes per sample are few enough that a hundred nodes make a graph.
LINEAR = (2, 4, 1)
SAMPLES = (2, 24, 240, 2_400, 24_000)
VERIFIED_STEPS = 3
# Above so many nodes eager code takes seconds.
LARGE = 500_000
RATE = 0.1
TIMES_FASTER = 150.0
EAGER_STEPS, SECONDS_PER_NODE = 3.0, 1e-6
# A replay is linear in the nodes if a node of the largest graph costs at most so many times what
# one costs in the cheapest.
SLOPE = 4.0


class Work:
    """A network of single numbers on moons, eager and as a program."""

    def __init__(self, sizes: Sequence[int], samples: int) -> None:
        self.samples = samples
        self.network = Network(te.Value, None, sizes)
        self.parameters = self.network.parameters()
        # The loss wraps its data: here they are Values already, those that the program is given.
        self.network.value = lambda value: value
        x, self.labels = self.data(0)
        self.inputs = [[te.Value(number, requires_grad=False) for number in row] for row in x]
        self.weights = np.array([p.data for p in self.parameters])

    def data(self, step: int) -> tuple[Numbers, NDArray[np.int64]]:
        """Other numbers at each step, with the same labels."""
        _, labels = moons(self.samples)
        return moons(self.samples, noise=0.1 + 0.05 * step)[0], labels

    def record(self) -> Any:
        """The loss as a graph."""
        return self.network.loss(self.inputs, self.labels)  # type: ignore[arg-type]

    def compiled(self, root: Any) -> Levels:
        return Levels(root, self.parameters, [value for row in self.inputs for value in row])

    def loss(self, x: Any) -> Any:
        """The loss of an array, read number by number: what a user gives to te.compile."""
        rows = [[x[i, 0], x[i, 1]] for i in range(self.samples)]
        return self.network.loss(rows, self.labels)  # type: ignore[arg-type]

    def verify_step(self, replays: int = VERIFIED_STEPS) -> None:
        """Compare what te.compile makes of the loss with eager code, each call on other data."""
        step = te.compile(self.loss)
        for number in range(2 + replays):
            x, _ = self.data(number)
            for parameter in self.parameters:
                parameter.grad = None
            found = step(x)
            gradient = np.array([parameter.grad for parameter in self.parameters])
            root = self.loss(x)
            expected = np.array(te.grad(root, tuple(self.parameters)))
            if found.data != root.data or not np.array_equal(gradient, expected):
                raise DifferentResultError(f"call {number} of te.compile: {found}, eager {root}")

    def verify(self, program: Levels) -> None:
        """Train some steps, each on other data, and compare with eager code to the last bit."""
        losses = []
        for step in range(VERIFIED_STEPS):
            x, _ = self.data(step)
            loss, gradient = program.run(self.weights, x.reshape(-1))
            for parameter, number in zip(self.parameters, self.weights, strict=True):
                parameter.data = number
            for row, numbers in zip(self.inputs, x, strict=True):
                for value, number in zip(row, numbers, strict=True):
                    value.data = number
            root = self.record()
            expected = np.array(te.grad(root, tuple(self.parameters)))
            if loss != root.data or not np.array_equal(gradient, expected):
                error = np.abs(gradient - expected).max() / np.abs(expected).max()
                raise DifferentResultError(
                    f"step {step}: loss {loss}, eager {root.data}; gradients are off by {error:.1e}"
                )
            if not np.abs(gradient).max() > 0:
                raise DifferentResultError(f"step {step}: all gradients are 0, which tells nothing")
            losses.append(float(loss))
            self.weights = self.weights - RATE * gradient
        if len(set(losses)) < VERIFIED_STEPS:
            raise DifferentResultError(f"the losses {losses} do not change from step to step")


@contextmanager
def collector() -> Iterator[list[float]]:
    """The seconds that Python's garbage collector takes meanwhile, at each collection."""
    taken: list[float] = []
    start = 0.0

    def told(phase: str, info: dict[str, int]) -> None:
        nonlocal start
        if phase == "start":
            start = perf_counter()
        else:
            taken.append(perf_counter() - start)

    gc.callbacks.append(told)
    try:
        yield taken
    finally:
        gc.callbacks.remove(told)


def seconds(call: Callable[[], Any]) -> tuple[float, float, Any]:
    """How long a call takes, how long of it the collector took, and what it returns."""
    with collector() as taken:
        start = perf_counter()
        result = call()
        elapsed = perf_counter() - start
    return elapsed, sum(taken), result


@dataclass(frozen=True)
class Costs:
    """Medians over repeats, in seconds; of eager code with the share of the collector."""

    nodes: int
    record: float
    record_collector: float
    step: float
    build: float
    replay: float
    calls: float
    call: float

    @property
    def limit(self) -> float:
        """What the first step may cost."""
        return EAGER_STEPS * self.step + SECONDS_PER_NODE * self.nodes

    @property
    def first_step(self) -> float:
        """Record, build and run, over what it may cost."""
        return (self.record + self.build + self.replay) / self.limit

    @property
    def first_calls(self) -> float:
        """The first two calls of te.compile, by the second of which there is a program."""
        return self.calls / self.limit


def costs(sizes: Sequence[int], samples: int, repeats: int) -> Costs:
    """Verify a work, then time its parts in turn."""
    work = Work(sizes, samples)
    program = work.compiled(work.record())
    work.verify(program)
    work.verify_step(VERIFIED_STEPS if program.nodes < LARGE else 1)
    x = work.data(1)[0]
    rows = []
    for _ in range(repeats):
        gc.collect()
        record, collected, root = seconds(work.record)
        build, _, program = seconds(partial(work.compiled, root))
        backward, _, _ = seconds(partial(te.grad, root, tuple(work.parameters)))
        del root
        calls = max(3, 20_000 // program.nodes)
        flat = x.reshape(-1)
        replay = median(seconds(partial(program.run, work.weights, flat))[0] for _ in range(calls))
        step = te.compile(work.loss)
        gc.collect()
        first = sum(seconds(partial(step, x))[0] for _ in range(2))
        call = median(seconds(partial(step, x))[0] for _ in range(calls))
        rows.append((record, collected, record + backward, build, replay, first, call))
    return Costs(program.nodes, *(median(column) for column in zip(*rows, strict=True)))


def against_micrograd(repeats: int) -> tuple[float, float, float]:
    """Times faster, times faster but for the collector, and seconds of a replay: medians."""
    reference = Network(peers.micrograd_value(), 0.0, DEMO)
    work = Work(DEMO, 100)
    program = work.compiled(work.record())
    work.verify(program)
    labels = work.labels
    ratios, without, replays = [], [], []
    for step in range(repeats):
        x, _ = work.data(step)
        # Both sides have the same weights and data, so they must have the same gradients.
        for parameter, number in zip(reference.parameters(), work.weights, strict=True):
            parameter.data = float(number)
        elapsed, collected, loss = seconds(partial(reference.forward_backward, x, labels))
        times = []
        for _ in range(20):
            start = perf_counter()
            value, gradient = program.run(work.weights, x.reshape(-1))
            times.append(perf_counter() - start)
        theirs = np.array([p.grad for p in reference.parameters()])
        error = np.abs(gradient - theirs).max() / np.abs(theirs).max()
        if not (abs(value - loss) <= 1e-10 * abs(loss) and error <= 1e-10):
            raise DifferentResultError(f"loss {value}, micrograd {loss}; gradients off by {error}")
        ratios.append(elapsed / median(times))
        without.append((elapsed - collected) / median(times))
        replays.append(median(times))
        work.weights = work.weights - RATE * gradient
    return median(ratios), median(without), median(replays)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.levels", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--largest", type=int, default=SAMPLES[-1], help="most samples")
    parser.add_argument("--no-peers", action="store_true", help="measure tinygrad_edu alone")
    options = parser.parse_args(arguments)
    failed = False

    if not options.no_peers:
        faster, without, replay = against_micrograd(options.repeats)
        failed |= without < TIMES_FASTER
        print(
            f"micrograd's demo, forward and backward: {replay * 1e3:.2f} ms, "
            f"{faster:.0f} times faster than micrograd, {without:.0f} times without its garbage "
            f"collections (bar {TIMES_FASTER:.0f})"
        )
    print(
        f"{'network':>10} {'nodes':>9} {'record':>9} {'collector':>9} {'eager':>9} {'build':>9} "
        f"{'replay':>9} {'te.compile':>10} {'build/eager':>11} {'first/limit':>11} "
        f"{'calls/limit':>11}   in µs a node, medians"
    )
    linear = []
    works = [(DEMO, 100), *((LINEAR, samples) for samples in SAMPLES)]
    for sizes, samples in works:
        if samples > options.largest:
            continue
        found = costs(sizes, samples, options.repeats)
        per_node = [
            1e6 * seconds / found.nodes
            for seconds in (found.record, found.record_collector, found.step, found.build)
        ]
        replay, call = (1e6 * each / found.nodes for each in (found.replay, found.call))
        print(
            f"{'-'.join(map(str, sizes)):>10} {found.nodes:>9,} "
            + " ".join(f"{value:9.3f}" for value in per_node)
            + f" {replay:9.4f} {call:10.4f} {found.build / found.step:11.2f}"
            + f" {found.first_step:11.2f} {found.first_calls:11.2f}"
        )
        failed |= found.nodes > 1000 and found.first_step > 1
        if sizes == LINEAR:
            linear.append(replay)
    slope = linear[-1] / min(linear)
    print(f"a node of the largest graph costs {slope:.1f} times the cheapest (bar {SLOPE:g})")
    return 1 if failed or slope > SLOPE else 0


if __name__ == "__main__":
    sys.exit(main())
