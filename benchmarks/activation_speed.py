"""Every activation on a million float32 numbers: ours, by hand in NumPy, and PyTorch's, in turn.

python -m benchmarks.activation_speed [--only relu,mish] [--write docs/activation_speed.md]
`python -m benchmarks --only activations` runs it too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Protocol

import numpy as np

import tinygrad_edu as te
from benchmarks.activation_formulas import BY_HAND, in_torch
from benchmarks.measure import DifferentResultError
from benchmarks.works import Array
from tinygrad_edu.files import write_text

SHAPE = (1000, 1000)  # softmax and its like work along the rows
SPREAD = 3.0  # wide enough for saturated entries
INPUTS = 4
ROUNDS = 9
BLOCK_SECONDS = 0.02
# Of the largest entry of an array: by hand, float32 formulas cancel here and there.
RTOL = 1e-5

OURS, HAND, TORCH = "tinygrad_edu", "hand", "PyTorch"


class Side(Protocol):
    """One program for an activation, run on the input with the given number."""

    def forward(self, i: int) -> Any:
        """The value, ready for a backward pass."""

    def both(self, i: int) -> tuple[Any, Any]:
        """The value, and the gradient of the input."""


class ByHand:
    """The textbook's formulas on plain arrays."""

    def __init__(self, name: str, inputs: Sequence[Array], gradients: Sequence[Array]) -> None:
        self._rules, self._inputs, self._gradients = BY_HAND[name], inputs, gradients

    def forward(self, i: int) -> Array:
        return self._rules.forward(self._inputs[i])

    def both(self, i: int) -> tuple[Array, Array]:
        x = self._inputs[i]
        y = self._rules.forward(x)
        return y, self._rules.backward(self._gradients[i], x, y)


class TinygradEdu:
    """The recorded activation and its backward pass."""

    def __init__(self, name: str, inputs: Sequence[Array], gradients: Sequence[Array]) -> None:
        self._function: Any = te.ACTIVATIONS[name]
        self._leaves = [te.Value(array) for array in inputs]
        self._gradients = gradients

    def forward(self, i: int) -> te.Value:
        return self._function(self._leaves[i])  # type: ignore[no-any-return]

    def both(self, i: int) -> tuple[Array, Array]:
        leaf = self._leaves[i]
        y = self._function(leaf)
        y.backward(self._gradients[i])
        gradient, leaf.grad = leaf.grad, None
        return y.data, gradient


class PyTorch:
    """The same with tensors."""

    def __init__(self, name: str, inputs: Sequence[Array], gradients: Sequence[Array]) -> None:
        torch = import_module("torch")
        torch.set_num_threads(1)
        self._function = in_torch()[name]
        self._leaves = [torch.tensor(array, requires_grad=True) for array in inputs]
        self._gradients = [torch.tensor(array) for array in gradients]

    def forward(self, i: int) -> Any:
        return self._function(self._leaves[i])

    def both(self, i: int) -> tuple[Any, Any]:
        leaf = self._leaves[i]
        y = self._function(leaf)
        y.backward(self._gradients[i])
        gradient, leaf.grad = leaf.grad, None
        return y.detach(), gradient


SIDES: Mapping[str, Callable[[str, Sequence[Array], Sequence[Array]], Side]] = {
    OURS: TinygradEdu,
    HAND: ByHand,
    TORCH: PyTorch,
}


def normal_numbers(seed: int, shape: tuple[int, ...], spread: float = 1.0) -> list[Array]:
    """Several arrays, so that no pass can reuse the work of the one before; read-only."""
    arrays = np.random.default_rng(seed).standard_normal((INPUTS, *shape)) * spread
    result: list[Array] = []
    for array in arrays:
        result.append(array.astype(np.float32))
        result[-1].flags.writeable = False
    return result


def make_sides(name: str, labels: Sequence[str]) -> dict[str, Side]:
    """The programs called `labels`, all for the same inputs and incoming gradients."""
    inputs = normal_numbers(0, SHAPE, SPREAD)
    gradients = normal_numbers(1, BY_HAND[name].forward(inputs[0]).shape)
    return {label: SIDES[label](name, inputs, gradients) for label in labels}


def verify(name: str, side: Side, hand: Side) -> None:
    """Compare values and gradients. Raises DifferentResultError where they differ."""
    for i in range(INPUTS):
        for part, got, wanted in zip(
            ("value", "gradient"), map(np.asarray, side.both(i)), hand.both(i), strict=True
        ):
            if got.shape != wanted.shape or got.dtype != wanted.dtype:
                raise DifferentResultError(
                    f"{name}: the {part} is {got.dtype}{got.shape}, "
                    f"by hand {wanted.dtype}{wanted.shape}"
                )
            error = np.abs(got - wanted).max() / np.abs(wanted).max()
            if not error <= RTOL:
                raise DifferentResultError(f"{name}: the {part} is off by {error:.1e}")


def seconds(program: Callable[[int], Any], times: int) -> float:
    start = perf_counter()
    for i in islice(cycle(range(INPUTS)), times):
        program(i)
    return perf_counter() - start


def in_turn(programs: Sequence[Callable[[int], Any]]) -> list[float]:
    """The median ratio of the first program's time to that of each other one.

    Blocks of about the same length alternate: neighbours meet the same machine.
    """
    counts = []
    for program in programs:
        seconds(program, INPUTS)
        counts.append(max(INPUTS, round(BLOCK_SECONDS * INPUTS / seconds(program, INPUTS))))
    rounds = []
    for _ in range(ROUNDS):
        ours, *others = (
            seconds(program, count) / count for program, count in zip(programs, counts, strict=True)
        )
        rounds.append([ours / other for other in others])
    return [median(ratios) for ratios in zip(*rounds, strict=True)]


def measured(name: str, labels: Sequence[str], repeats: int) -> list[float]:
    """Our time ÷ that of each other side, forward and then forward with backward: the best of all.

    Raises DifferentResultError where the others compute something else than the formula by hand.
    """
    found = []
    for _ in range(repeats):
        sides = make_sides(name, labels)
        for label in labels:
            if label != HAND:
                verify(name, sides[label], sides[HAND])
        forward = in_turn([sides[label].forward for label in labels])
        found.append(forward + in_turn([sides[label].both for label in labels]))
    return [min(ratios) for ratios in zip(*found, strict=True)]


def page(rows: Sequence[Sequence[str]], columns: Sequence[str], versions: str) -> str:
    """The table as Markdown, with what was measured and how to do it again."""
    lines = [
        "# How fast the activations are",
        "",
        "Our time ÷ that of the same activation written by hand in NumPy, and ÷ PyTorch's on one",
        "thread, for a million float32 numbers, normal with a spread of 3; below 1 ours is faster.",
        "*Both* is the value and the gradient. Ours are right to the last places in every tail,",
        f"which `tanh_shrink` and `log_softmax` pay for most. {versions}. To measure it again:",
        "`python -m benchmarks.activation_speed --write docs/activation_speed.md`.",
        "",
        "| " + " | ".join(columns) + " |",
        "|---|" + "---:|" * (len(columns) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join(BY_HAND), help="names, with commas between")
    parser.add_argument("--repeats", type=int, default=3, help="measurements; the best counts")
    parser.add_argument("--no-peers", action="store_true", help="leave PyTorch out")
    parser.add_argument("--write", type=Path, help="a Markdown file for the table")
    options = parser.parse_args()
    labels = [OURS, HAND]
    versions = f"NumPy {np.__version__}"
    if find_spec("torch") and not options.no_peers:
        labels.append(TORCH)
        versions += f", PyTorch {version('torch')}"
    others = [f"÷ {label}" for label in labels[1:]]
    columns = ["activation", *(f"forward {o}" for o in others), *(f"both {o}" for o in others)]
    print("  ".join(columns))
    rows, failures = [], []
    for name in options.only.split(","):
        try:
            ratios = measured(name, labels, options.repeats)
        except DifferentResultError as error:
            failures.append(f"FAILED {error}")
            continue
        rows.append([name, *(f"{ratio:.2f}" for ratio in ratios)])
        print("  ".join(rows[-1]), flush=True)
    print("\n".join([versions, *failures]))
    if options.write and not failures:
        write_text(options.write, page(rows, columns, versions))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
