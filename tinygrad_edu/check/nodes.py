"""Which operation of a graph is guilty: each one's rule is judged alone, at the recorded numbers.

A wrong gradient spreads to everything below it; the rule that made it is wrong by itself.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.context import changed
from ..engine.node import Node, record
from ..engine.sweep import gradients as swept
from ..engine.sweep import order
from ..engine.value import Value
from ..errors import NotTrackedError, OperandError
from .directions import nothing
from .entries import by_entries, claimed
from .mistakes import guess
from .problem import Array, Problem
from .report import Entry, Report

# Of an operation with more numbers in its inputs so many are looked at, and of all those that
# were looked at the worst are listed.
SAMPLED, LISTED = 12, 3
# So many guesses, and places in the code, are told.
TOLD = 10
# A rule that fails raises one of these, or what the engine says of its gradient's shape.
FAILURES = (ValueError, TypeError, IndexError, KeyError, ArithmeticError, AttributeError)


def nodes(root: Node, *, seed: int = 0) -> Report:
    """Judge the rule of each operation that `root` was computed with, to name the guilty one.

    Each tracked operation of the graph is run alone on the numbers that were recorded, in float64:
    its gradient for a random incoming one is held against differences of its own forward. Entries
    are called as in "tanh (node 3) by its input x[0]"; nodes are numbered in the order in which
    they were computed, leaves left out. Of each node the worst entries are listed, all wrong ones
    among the first. `seed` draws the incoming gradients, and which entries of large inputs to look
    at. Surrogate rules are no derivatives: they are not judged.
    Raises `NotTrackedError` where there is nothing to judge, `StaleGraphError` as the sweep does.
    """
    if not isinstance(root, Node):
        raise OperandError(f"nodes takes a Value that was computed, not {root!r}")
    computed = [node for node in reversed(order(root)) if node.op is not None]
    if not root.requires_grad or not computed:
        raise NotTrackedError(
            "no operation with a derivative led to this value; compute it from te.Value(...)"
        )
    rng = np.random.default_rng(seed)
    entries: list[Entry] = []
    guesses: list[str] = []
    remarks: list[str] = []
    surrogates: Counter[str] = Counter()
    evaluations = judged = sampled = 0
    for number, node in enumerate(computed, 1):
        assert node.op is not None
        if node.op.surrogate:
            surrogates[node.op.name] += 1
            continue
        alone = Alone(node, f"{node.op.name} (node {number})", rng)
        report = alone.report()
        judged += len(report.entries)
        sampled += alone.sampled
        evaluations += report.evaluations
        worst = sorted(report.entries, key=lambda entry: entry.severity, reverse=True)
        entries += worst[:LISTED]
        guesses += report.guesses
        if not report.ok and node.line and len(remarks) < TOLD:
            remarks.append(f"{alone.label} was recorded at {node.line}")
    remarks.append(
        f"{len(computed) - surrogates.total()} operations were judged alone, at {judged} entries "
        f"of their inputs, for a random incoming gradient; of each the {LISTED} worst are listed."
    )
    if sampled:
        remarks.append(
            f"Of {sampled} operations on more than {SAMPLED} numbers {SAMPLED} entries were drawn "
            f"(seed {seed})."
        )
    for name, count in surrogates.items():
        times = f" ({count} times)" if count > 1 else ""
        remarks.append(f"{name}{times} was not judged: its rule stands in for a derivative.")
    return Report(tuple(entries), tuple(remarks), tuple(guesses[:TOLD]), evaluations)


class Alone:
    """One node of a graph as a function of those of its inputs that are tracked."""

    def __init__(self, node: Node, label: str, rng: np.random.Generator) -> None:
        assert node.op is not None
        self.op = node.op
        self.label = label
        self.rng = rng
        self.arrays = [doubled(item) for item in node.inputs]
        # float32 is judged in float64, where astype does not round.
        self.options = {name: doubled(value) for name, value in node.options.items()}
        self.tracked = [
            i for i, item in enumerate(node.inputs) if isinstance(item, Node) and item.requires_grad
        ]
        self.weights = rng.standard_normal(np.shape(node._data))
        self.count = sum(np.size(self.arrays[i]) for i in self.tracked)
        self.sampled = self.count > SAMPLED

    def report(self) -> Report:
        """The verdicts on its gradient, for a random incoming one."""
        given = [self.arrays[i] for i in self.tracked]
        names = [f"{self.label} by its input {self.argument(i)}" for i in self.tracked]
        try:
            claims = self.gradients(*given)
        except FAILURES as error:
            failed = nothing(math.nan, f"the rule fails: {error}")
            return Report(tuple(Entry(name, failed) for name in names))
        if not self.sampled:
            problem = Problem(self.forward, given, self.gradients, names)
            return by_entries(problem, *claimed(problem))
        places = self.drawn()
        problem = Problem(
            self.moved(places),
            [given[which][index] for which, index in places],
            lambda *numbers: tuple(claims[which][index] for which, index in places),
            [f"{names[which]}{list(index)}" for which, index in places],
        )
        report = by_entries(problem, *claimed(problem))
        wrong = [entry.verdict for entry in report.entries if entry.verdict.kind == "wrong"]
        parts = ("claim", "expected", "bar")
        tables = (np.array([getattr(verdict, part) for verdict in wrong]) for part in parts)
        sentence = guess(*tables) if len(wrong) > 1 else ""
        return replace(report, guesses=(f"{self.label}: {sentence}",) if sentence else ())

    def argument(self, position: int) -> str:
        """What the record calls an argument."""
        if self.op.variadic:
            return f"{self.op.arguments[0]}[{position}]"
        return self.op.arguments[position]

    def placed(self, given: tuple[Any, ...]) -> list[Any]:
        """All inputs, the tracked ones as given."""
        arrays = list(self.arrays)
        for position, array in zip(self.tracked, given, strict=True):
            arrays[position] = array
        return arrays

    def forward(self, *given: Any) -> Any:
        """A weighted sum of all that the operation returns."""
        return np.vdot(self.weights, self.op.forward(*self.placed(given), **self.options))

    def gradients(self, *given: Any) -> tuple[Any, ...]:
        """That sum's gradient, by the operation's own rules."""
        leaves = tuple(Value(array) for array in given)
        with changed(tracking=True), np.errstate(all="ignore"):
            out = record(self.op, tuple(self.placed(leaves)), self.options)
        return swept(out, leaves, self.weights)

    def drawn(self) -> list[tuple[int, tuple[int, ...]]]:
        """Entries to look at, of each tracked input alike: its number among them, and the index."""
        places = []
        share = -(-SAMPLED // len(self.tracked))
        for which, position in enumerate(self.tracked):
            shape = np.shape(self.arrays[position])
            size = int(np.prod(shape))
            for flat in sorted(self.rng.choice(size, min(share, size), replace=False)):
                places.append((which, tuple(int(i) for i in np.unravel_index(flat, shape))))
        return places

    def moved(self, places: list[tuple[int, tuple[int, ...]]]) -> Callable[..., Any]:
        """The weighted sum as a function of some entries alone."""

        def forward(*numbers: Any) -> Any:
            copies: list[Array] = [np.array(self.arrays[i]) for i in self.tracked]
            for (which, index), number in zip(places, numbers, strict=True):
                copies[which][index] = number
            return self.forward(*(copy[()] for copy in copies))

        return forward


def doubled(item: Any) -> Any:
    """An operand's or an option's numbers in float64, where they are of another float."""
    data = item._data if isinstance(item, Node) else item
    if isinstance(data, np.ndarray | np.generic) and data.dtype.kind == "f":
        return data.astype(np.float64)
    if isinstance(data, np.dtype | type) and data == np.float32:
        return np.dtype(np.float64)
    return data
