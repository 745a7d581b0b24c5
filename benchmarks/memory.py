"""What a recorded graph costs beyond its numbers' arrays, beside micrograd and MyGrad.

python -m benchmarks.memory [--no-peers] [--steps 10000]
`python -m benchmarks --only memory` runs it too.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

import tinygrad_edu as te
from benchmarks import peers
from benchmarks.micrograd_demo import all_nodes

OURS = "tinygrad_edu"
NOT_MEASURED = "–"
MOST_BYTES = 400.0
OPERATIONS = 10_000
WARM_STEPS, STEPS = 100, 10_000
# What Python itself may allocate meanwhile, for larger serial numbers and the like.
SLACK = 2048


@dataclass(frozen=True)
class Library:
    """How a library makes a leaf and two functions, and where its nodes keep inputs and data."""

    leaf: Callable[[Any], Any]
    relu: Callable[[Any], Any]
    tanh: Callable[[Any], Any] | None
    inputs: Callable[[Any], Sequence[Any]]


def tinygrad_edu() -> Library:
    return Library(te.Value, te.activations.relu, np.tanh, lambda node: node.inputs)


def micrograd() -> Library:
    return Library(peers.micrograd_value(), lambda v: v.relu(), None, lambda node: node._prev)


def mygrad() -> Library:
    library, activations = import_module("mygrad"), import_module("mygrad.nnet.activations")

    def inputs(node: Any) -> Sequence[Any]:
        return () if node.creator is None else node.creator.variables

    return Library(library.tensor, activations.relu, library.tanh, inputs)


LIBRARIES: Mapping[str, Callable[[], Library]] = {
    OURS: tinygrad_edu,
    "micrograd": micrograd,
    "mygrad": mygrad,
}


def chain(library: Library, operations: int) -> Any:
    """A product of numbers."""
    value, factor = library.leaf(1.0), library.leaf(1.0001)
    for _ in range(operations):
        value = value * factor
    return value


def mixed(library: Library, operations: int) -> Any:
    """The example at the top of micrograd's README, over and over, added up."""
    relu, a, b = library.relu, library.leaf(-4.0), library.leaf(2.0)
    total = a
    for _ in range(operations // 26):
        c = a + b
        d = a * b + b**3
        c = c + (c + 1)
        c = c + (1 + c + (-a))
        d = d + (d * 2 + relu(b + a))
        d = d + (3 * d + relu(b - a))
        e = c - d
        f = e**2
        g = f / 2.0
        g = g + 10.0 / f
        total = total + g
    return total


def small_arrays(library: Library, operations: int) -> Any:
    """A chain of products and tanh on four numbers."""
    assert library.tanh is not None
    value, factor = library.leaf(np.ones(4)), library.leaf(np.full(4, 1.5))
    for _ in range(operations // 2):
        value = library.tanh(value * factor)
    return value


GRAPHS: Mapping[str, Callable[[Library, int], Any]] = {
    "chain of products of two numbers": chain,
    "the expression of micrograd's README": mixed,
    "products and tanh of four numbers": small_arrays,
}


@dataclass(frozen=True)
class Size:
    """What a graph took: bytes beyond arrays for each of its nodes."""

    nodes: int
    bytes_a_node: float


@contextmanager
def traced() -> Iterator[None]:
    """Python's allocations are counted inside; nothing is left to collect at either end."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
        gc.collect()


def size(
    library: Library,
    graph: Callable[[Library, int], Any],
    operations: int = OPERATIONS,
    backward: bool = False,
) -> Size:
    """Record a graph, with its gradients if `backward`, and share out what it takes."""
    graph(library, 100)  # what is kept once and for all is no graph's
    with traced():
        before, _ = tracemalloc.get_traced_memory()
        root = graph(library, operations)
        if backward:
            root.backward(np.ones(root.shape))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    nodes = all_nodes(root, library.inputs)
    # A number's own bytes are counted: only arrays are not the graph's.
    arrays = sum(sys.getsizeof(node.data) for node in nodes if np.ndim(node.data))
    return Size(len(nodes), (after - before - arrays) / len(nodes))


def training(numbers: bool) -> Callable[[], None]:
    """A training step: of single numbers, or of a small network with all that a loop has."""
    if numbers:
        w, b = te.Value(0.5), te.Value(0.0)

        def scalar_step() -> None:
            for x in (-1.0, 0.0, 1.0, 2.0):
                error = (w * x + b).tanh() - 0.3 * x
                (error * error).backward()
            for parameter in (w, b):
                parameter.data = parameter.data - 0.1 * parameter.grad
                parameter.grad = None

        return scalar_step

    model = te.nn.MLP([2, 8, 1], activation="tanh", output="sigmoid", seed=0)
    optimizer = te.optim.SGD(model.parameters(), lr=0.1)
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    target = np.array([[0.0], [1.0], [1.0], [0.0]])

    def step() -> None:
        loss = te.nn.losses.mse(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def peaks(step: Callable[[], None], steps: int = STEPS, collector: bool = True) -> tuple[int, int]:
    """The most bytes in use during the first 100 steps, and during all that follow.

    `collector` says whether Python's garbage collector is on.
    """
    step()
    was_on = gc.isenabled()
    with traced():
        try:
            if not collector:
                gc.disable()
            found = []
            for count in (WARM_STEPS, steps - WARM_STEPS):
                tracemalloc.reset_peak()
                for _ in range(count):
                    step()
                found.append(tracemalloc.get_traced_memory()[1])
        finally:
            if was_on:
                gc.enable()
    return found[0], found[1]


def main() -> int:
    """Measure and print; 1 where a graph or a training step takes too much."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--no-peers", action="store_true", help="measure tinygrad_edu alone")
    parser.add_argument("--steps", type=int, default=STEPS, help="of training, over 100")
    options = parser.parse_args()
    if options.steps <= WARM_STEPS:
        parser.error(f"--steps must be more than {WARM_STEPS}")
    wanted = [OURS] if options.no_peers else list(LIBRARIES)
    names = [name for name in wanted if name == OURS or peers.is_installed(name)]
    libraries = {name: LIBRARIES[name]() for name in names}
    failures = []

    print(f"Bytes a node beyond its arrays (nodes); the bar is at most {MOST_BYTES:g} for ours:")
    width = max(map(len, GRAPHS))
    print("  ".join([" " * width, *(name.rjust(20) for name in wanted)]))
    for label, graph in GRAPHS.items():
        cells = []
        for name in wanted:
            library = libraries.get(name)
            if library is None or (graph is small_arrays and library.tanh is None):
                cells.append(NOT_MEASURED)
                continue
            found = size(library, graph)
            cells.append(f"{found.bytes_a_node:.0f} ({found.nodes:,})")
            if name == OURS and found.bytes_a_node > MOST_BYTES:
                failures.append(f"FAILED {label}: {found.bytes_a_node:.0f} bytes a node")
        print("  ".join([label.ljust(width), *(cell.rjust(20) for cell in cells)]), flush=True)
    swept = size(libraries[OURS], mixed, backward=True).bytes_a_node
    print(f"{OURS} after backward(), the expression of micrograd's README: {swept:.0f}")

    print(f"\nMost KiB in use in {WARM_STEPS} steps of training, and up to step {options.steps:,}:")
    for numbers, what in ((False, "2-8-1 network, SGD"), (True, "single numbers")):
        for collector in (True, False):
            first, later = peaks(training(numbers), options.steps, collector)
            label = what if collector else f"{what}, without the garbage collector"
            print(f"{label}: {first / 1024:.1f}, {later / 1024:.1f}", flush=True)
            if later > first + SLACK:
                failures.append(f"FAILED {label}: the memory of a step grows")
    print("\n".join(["", peers.compared(wanted[1:]), *failures]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
