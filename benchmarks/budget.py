"""Where the time of one recorded operation goes, and that of a whole training step.

python -m benchmarks.budget [--repeats 100]

Nanoseconds, and in brackets how many bare NumPy calls that is; for the XOR step, how many steps by
hand. Each is the least of many timings that take turns, or the difference of two such.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from timeit import timeit
from typing import Any

import numpy as np

import tinygrad_edu as te
from benchmarks.hand_written import HandWritten
from benchmarks.ours import TinygradEdu
from benchmarks.works import WORKS, initial_parameters, make_batches
from tinygrad_edu.engine.chain import chain
from tinygrad_edu.engine.node import Node, make_leaf, numbers_of
from tinygrad_edu.engine.sweep import sweep

Call = Callable[[], Any]
CALLS = 100
STEP = "XOR step"
PARTS = {
    "NumPy": "the forwards alone, on arrays",
    "allocation": "a node for each result",
    "dispatch": "the rest of the forward: finding records, checking operands, freeing the graph",
    "rule": "the derivative rules alone, on arrays, times what comes in",
    "start": "backward() of a graph that is one leaf: what each backward pass begins with",
    "sweep": "the rest of backward(): the order of nodes, broadcasting undone, gradients kept",
    "update": "the optimiser",
    "together": "what the whole takes longer than its parts, each run again and again: caches",
}


@dataclass(frozen=True)
class Row:
    """What an operation or a step costs in nanoseconds, beside `bare`: the same in plain NumPy."""

    name: str
    parts: Mapping[str, float]
    bare: float

    @property
    def whole(self) -> float:
        """All parts."""
        return sum(self.parts.values())


def split(name: str, times: Mapping[str, float], bare: float) -> Row:
    """Seconds that contain each other as parts that do not; what noise makes negative is 0."""
    numpy, allocation, rule, start = (times[each] for each in PARTS if each in times)
    forward, backward, update = times["forward"], times["backward"], times.get("step", 0.0)
    seconds = (
        *(numpy, allocation, forward - numpy - allocation),
        *(rule, start, backward - rule - start),
        *(update, times["whole"] - forward - backward - update),
    )
    parts = {part: max(each, 0.0) * 1e9 for part, each in zip(PARTS, seconds, strict=True)}
    return Row(name, parts, bare * 1e9)


def in_turn(calls: Mapping[str, Sequence[Call]], repeats: int) -> dict[str, float]:
    """The seconds of all calls under a name, each the least of so many loops."""
    flat = [(name, call) for name, under in calls.items() for call in under]
    rounds = [[timeit(call, number=CALLS) / CALLS for _, call in flat] for _ in range(repeats)]
    totals = dict.fromkeys(calls, 0.0)
    for (name, _), times in zip(flat, zip(*rounds, strict=True), strict=True):
        totals[name] += min(times)
    return totals


def rules_of(node: Node, g: Any) -> list[Call]:
    """What a sweep has to compute at one node."""
    op, options = node.op, node.options
    assert op is not None
    given = (node._data, *map(numbers_of, node.inputs))
    rules = [
        partial(rule, **options)
        for rule, item in zip(op.array_rules, node.inputs, strict=True)
        if callable(rule) and isinstance(item, Node) and item.requires_grad
    ]
    if op.elementwise:
        return [partial(lambda rule: chain(g, rule(*given)), rule) for rule in rules]
    return [partial(rule, g, *given) for rule in rules]


def calls_of(build: Callable[[], Any], step: Call | None = None) -> dict[str, list[Call]]:
    """What is timed of the graph that `build` records and `step` updates."""
    root = build()
    ones, leaf = np.ones(root.shape)[()], te.Value(np.ones(root.shape))
    swept = list(sweep(root, ones))
    leaves = [node for node, _ in swept if node.op is None]
    made = [(node, node.op, g) for node, g in swept if node.op is not None]

    def backward(of: te.Value, reached: Sequence[Node]) -> None:
        for each in reached:
            each.grad = None
        of.backward(ones)

    def whole() -> None:
        backward(build(), leaves)
        if step:
            step()

    return {
        "NumPy": [
            partial(op.forward, *map(numbers_of, node.inputs), **node.options)
            for node, op, _ in made
        ],
        "allocation": [partial(make_leaf, te.Value, ones)] * len(made),
        "rule": [rule for node, _, g in made for rule in rules_of(node, g)],
        "start": [partial(backward, leaf, [leaf])],
        "forward": [build],
        "backward": [partial(backward, root, leaves)],
        "step": [step] if step else [],
        "whole": [whole],
    }


def operations() -> dict[str, Callable[[], Any]]:
    """Typical operations on arrays of 4 × 8, and one on single numbers."""
    rng = np.random.default_rng(0)
    a, b, w = (te.Value(rng.uniform(0.5, 1.5, shape)) for shape in ((4, 8), (4, 8), (8, 8)))
    s, t = te.Value(1.5), te.Value(0.5)
    return {
        "a + b": lambda: a + b,
        "a * b": lambda: a * b,
        "a @ w": lambda: a @ w,
        "np.tanh(a)": lambda: np.tanh(a),
        "a.sum()": lambda: a.sum(),
        "s * t (numbers)": lambda: s * t,
    }


def rows(repeats: int) -> list[Row]:
    """All operations, and the training step of the XOR network beside the same by hand."""
    found = []
    for name, build in operations().items():
        times = in_turn(calls_of(build), repeats)
        found.append(split(name, times, times["NumPy"]))
    work = WORKS["xor"]
    parameters, (x, target) = initial_parameters(work), make_batches(work)[0]
    hand = HandWritten(work, parameters)
    ours, twin = TinygradEdu(work, parameters), TinygradEdu(work, parameters)
    # Its parameters are updated, so that the graph of the others is not out of date.
    te.nn.losses.mse(twin.model(x), target).backward()
    optimizer = te.optim.SGD(twin.model.parameters(), lr=work.learning_rate)
    calls = calls_of(lambda: te.nn.losses.mse(ours.model(x), target), optimizer.step)
    times = in_turn(calls | {"hand": [lambda: hand.step(x, target)]}, repeats)
    return [*found, split(STEP, times, times["hand"])]


def table(found: Sequence[Row]) -> str:
    """The rows as text, with a word on each part below."""
    cells = [["", *PARTS, "whole"]]
    for row in found:
        numbers = (*row.parts.values(), row.whole)
        cells.append([row.name, *(f"{each:,.0f} ({each / row.bare:.1f})" for each in numbers)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.rjust, row, widths)) for row in cells]
    return "\n".join([*lines, "", *(f"{part}: {meaning}" for part, meaning in PARTS.items())])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budget", description=__doc__)
    parser.add_argument("--repeats", type=int, default=100, help="timings of each part")
    print(table(rows(parser.parse_args(arguments).repeats)))


if __name__ == "__main__":
    main()
