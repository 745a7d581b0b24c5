"""What one operation on single numbers costs: ours, micrograd, MyGrad, HIPS autograd and PyTorch.

python -m benchmarks.overhead [--repeats 3] [--no-peers]
`python -m benchmarks --only overhead` runs it too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from itertools import cycle, islice
from statistics import median
from time import perf_counter
from typing import Any, Protocol

import numpy as np

import tinygrad_edu as te
from benchmarks import peers
from benchmarks.measure import DifferentResultError

OURS = "tinygrad_edu"
NOT_MEASURED = "–"
# Short enough for recursion, long enough that starting a backward pass hardly counts.
LENGTH = 200
POINTS = ((1.25, 1.001), (-0.75, 0.998), (0.5, 1.003), (2.0, 0.997))
ROUNDS = 15
BLOCK_SECONDS = 0.02
RTOL = 1e-10

Tanh = Callable[[Any], Any]


def products(x: Any, w: Any, tanh: Tanh) -> Any:
    for _ in range(LENGTH):
        x = x * w
    return x


def tanhs(x: Any, w: Any, tanh: Tanh) -> Any:
    for _ in range(LENGTH):
        x = tanh(x)
    return x


PROGRAMS: Mapping[str, Callable[[Any, Any, Tanh], Any]] = {"a * b": products, "np.tanh(v)": tanhs}


def true_result(label: str, x: float, w: float) -> tuple[float, float, float]:
    """The value of a program and its two derivatives, in closed form."""
    if label == "a * b":
        return x * w**LENGTH, w**LENGTH, LENGTH * x * w ** (LENGTH - 1)
    slope = 1.0
    for _ in range(LENGTH):
        x = np.tanh(x)
        slope *= 1 - x * x
    return x, slope, 0.0


class Side(Protocol):
    """A library: `tanh` is None where it has none."""

    tanh: Tanh | None

    def record(self, program: Callable[..., Any], i: int) -> Any:
        """Run a program at point number `i`, ready for a backward pass."""

    def both(self, program: Callable[..., Any], i: int) -> tuple[Any, Any, Any]:
        """The value, and the gradients of both numbers (None where one has no part in it)."""


class Leaves:
    """A library whose leaves have `backward` and `grad`, which is `none` before."""

    def __init__(self, leaf: Callable[[float], Any], tanh: Tanh | None, none: Any = None) -> None:
        self.tanh, self._none = tanh, none
        self._leaves = [(leaf(x), leaf(w)) for x, w in POINTS]

    def record(self, program: Callable[..., Any], i: int) -> Any:
        return program(*self._leaves[i], self.tanh)

    def both(self, program: Callable[..., Any], i: int) -> tuple[Any, Any, Any]:
        x, w = self._leaves[i]
        root = program(x, w, self.tanh)
        root.backward()
        found = root.data, x.grad, w.grad
        self.forget(x)
        self.forget(w)
        return found

    def forget(self, leaf: Any) -> None:
        """Let the next backward pass begin anew."""
        leaf.grad = self._none


class MyGrad(Leaves):
    """Its gradients cannot be assigned."""

    def forget(self, leaf: Any) -> None:
        """As its documentation says."""
        leaf.null_grad()


class Autograd:
    """It records while it runs a function."""

    def __init__(self) -> None:
        self._make_vjp = import_module("autograd").make_vjp
        self.tanh: Tanh | None = import_module("autograd.numpy").tanh

    def record(self, program: Callable[..., Any], i: int) -> Any:
        return self._make_vjp(lambda x, w: program(x, w, self.tanh), (0, 1))(*POINTS[i])

    def both(self, program: Callable[..., Any], i: int) -> tuple[Any, Any, Any]:
        vjp, value = self.record(program, i)
        return value, *vjp(1.0)


def mygrad() -> Side:
    library = import_module("mygrad")
    return MyGrad(library.tensor, library.tanh)


def pytorch() -> Side:
    torch = import_module("torch")
    torch.set_num_threads(1)
    return Leaves(lambda x: torch.tensor(x, dtype=torch.float64, requires_grad=True), torch.tanh)


SIDES: Mapping[str, Callable[[], Side]] = {
    OURS: lambda: Leaves(te.Value, np.tanh),
    "micrograd": lambda: Leaves(peers.micrograd_value(), None, none=0),
    "mygrad": mygrad,
    "autograd": Autograd,
    "torch": pytorch,
}


def verify(label: str, name: str, side: Side) -> None:
    """Compare with the closed form. Raises DifferentResultError where a side differs."""
    for i, point in enumerate(POINTS):
        for got, wanted in zip(
            side.both(PROGRAMS[label], i), true_result(label, *point), strict=True
        ):
            number = 0.0 if got is None else float(got)
            if not abs(number - wanted) <= RTOL * abs(wanted):
                raise DifferentResultError(f"{name}, {label}: {number}, in closed form {wanted}")


def seconds(program: Callable[[int], Any], times: int) -> float:
    start = perf_counter()
    for i in islice(cycle(range(len(POINTS))), times):
        program(i)
    return perf_counter() - start


def in_turn(programs: Mapping[str, Callable[[int], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of one call of each program, in blocks that alternate: neighbours meet the same
    machine.
    """
    counts = {}
    for name, program in programs.items():
        seconds(program, len(POINTS))
        once = seconds(program, len(POINTS)) / len(POINTS)
        counts[name] = max(len(POINTS), round(BLOCK_SECONDS / once))
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            times[name].append(seconds(program, counts[name]) / counts[name])
    return times


def ratios(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Our time ÷ that of each other, the median over the rounds."""
    ours = times[OURS]
    return {
        name: median(a / b for a, b in zip(ours, theirs, strict=True))
        for name, theirs in times.items()
        if name != OURS
    }


def main() -> int:
    """Measure and print; 1 where another library records faster or computes something else."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overhead", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--repeats", type=int, default=3, help=f"times {ROUNDS} blocks")
    parser.add_argument("--no-peers", action="store_true", help="measure tinygrad_edu alone")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    others = [] if options.no_peers else [name for name in SIDES if name != OURS]
    sides = {OURS: SIDES[OURS]()}
    sides |= {name: SIDES[name]() for name in others if peers.is_installed(name)}
    failures = []
    head = ["one operation", *(f"÷ {name}" for name in others), "microseconds"]
    print("  ".join([head[0].ljust(34), *(text.rjust(12) for text in head[1:])]))
    for label, program in PROGRAMS.items():
        able = {n: side for n, side in sides.items() if label == "a * b" or side.tanh is not None}
        for name, side in list(able.items()):
            try:
                verify(label, name, side)
            except DifferentResultError as error:
                failures.append(f"FAILED {error}")
                del able[name]
        if OURS not in able:
            continue
        for what, suffix in (("record", ""), ("both", " and backward")):
            calls = {name: partial(getattr(side, what), program) for name, side in able.items()}
            times = in_turn(calls, options.repeats * ROUNDS)
            found = ratios(times)
            cells = [f"{found[name]:.2f}" if name in found else NOT_MEASURED for name in others]
            own = f"{median(times[OURS]) / LENGTH * 1e6:.2f}"
            line = f"{label}, recorded{suffix}"
            print("  ".join([line.ljust(34), *(c.rjust(12) for c in [*cells, own])]), flush=True)
            failures += [
                f"FAILED {line}: {name} is faster, {ratio:.2f}"
                for name, ratio in found.items()
                if ratio >= 1 and what == "record"
            ]
    print("\n".join([peers.compared(others), *failures]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
