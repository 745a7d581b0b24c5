"""The gradient of a leaf beside finite differences: the graph is run again, no rule is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, inf, isfinite, log10
from typing import Any

import numpy as np

from ...check import Verdict, judge
from ...check.report import KINDS
from ...check.verdict import Kind
from ...engine.node import Node

# A leaf of more entries is sampled: each entry takes 92 runs of the graph.
MOST, SAMPLE, SEED = 64, 16, 0
# Gradients in float32 are compared with differences in float64.
SINGLE_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Comparison:
    """The entries of a leaf that were compared: their indices and verdicts.

    `verdict` is the worst kind among them, or "none" where nothing could be compared. `digits` are
    those that agree in every entry, counted from the first digit of the largest (None: where all
    are zero). `slopes` are the finite differences.
    """

    entries: tuple[tuple[tuple[int, ...], Verdict], ...]
    total: int
    single: bool
    stand_ins: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """The worst of the entries' verdicts."""
        return self.kind(self.worst[1]) if self.entries else "none"

    @property
    def worst(self) -> tuple[tuple[int, ...], Verdict]:
        """The entry with the worst verdict and, of several, the one that is farthest off."""
        return max(
            self.entries,
            key=lambda each: (KINDS.index(self.kind(each[1])), apart(each[1])),
        )

    @property
    def scale(self) -> float:
        """The largest of all gradients and differences."""
        numbers = [abs(x) for _, v in self.entries for x in (v.claim, v.low, v.high)]
        return max(filter(isfinite, numbers), default=0.0)

    @property
    def digits(self) -> int | None:
        """How many digits agree in every entry, None where all are zero."""
        error = max(apart(verdict) for _, verdict in self.entries)
        if not any(verdict.claim or apart(verdict) for _, verdict in self.entries):
            return None
        if not error:
            return 15
        return min(max(floor(-log10(error / self.scale)), 0), 15) if error < inf else 0

    @property
    def slopes(self) -> Any:
        """The finite differences in the order of the entries."""
        return np.array([verdict.expected for _, verdict in self.entries])

    def kind(self, verdict: Verdict) -> Kind:
        """What is said of an entry, in view of its precision."""
        near = verdict.error <= SINGLE_TOLERANCE * self.scale
        if not verdict.ok:
            return "correct" if self.single and near else "wrong"
        return verdict.kind


def apart(verdict: Verdict) -> float:
    """How far a gradient is from its finite difference; 0 between the slopes at a kink."""
    if verdict.kind == "kink" or not verdict.ok:
        return verdict.error
    return abs(verdict.claim - verdict.expected)


class Replay:
    """The forward pass of a graph, run again in float64 with one entry of one leaf moved.

    `nodes` are its tracked nodes in the order of their creation; everything else stays.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.data: dict[int, Any] = {}
        for node in nodes:
            self.data[node.serial] = self.run(node, self.data)

    def run(self, node: Node, moved: dict[int, Any]) -> Any:
        """What `node` is where some nodes' data have changed."""
        if node.op is None:
            return double(node._data)
        arrays = []
        for item in node.inputs:
            if isinstance(item, Node) and item.requires_grad:
                serial = item.serial
                arrays.append(moved[serial] if serial in moved else self.data[serial])
            else:
                arrays.append(double(item._data if isinstance(item, Node) else item))
        options = {
            k: np.dtype(float) if isinstance(v, np.dtype) else v for k, v in node.options.items()
        }
        return np.asarray(node.op.forward(*arrays, **options))[()]

    def compare(self, leaf: Node, gradient: Any) -> Comparison:
        """The gradient of `leaf` beside its finite differences."""
        depending = {leaf.serial}
        after = []
        for node in self.nodes:
            if any(isinstance(item, Node) and item.serial in depending for item in node.inputs):
                depending.add(node.serial)
                after.append(node)
        home, slopes = np.array(self.data[leaf.serial]), np.asarray(gradient)
        entries = []
        for index in chosen(home.shape):

            def root(shift: float, index: tuple[int, ...] = index) -> float:
                trial = home.copy()
                trial[index] += shift
                moved = {leaf.serial: trial[()]}
                for node in after:
                    moved[node.serial] = self.run(node, moved)
                return float(np.ravel(moved.get(self.nodes[-1].serial, trial))[0])

            if isfinite(home[index]) and isfinite(root(0.0)):
                verdict, _ = judge(float(slopes[index]), root, float(home[index]))
                entries.append((index, verdict))
        single = any(np.asarray(node._data).dtype == np.float32 for node in self.nodes)
        stand_ins = {node.op.name for node in after if node.op and node.op.surrogate}
        return Comparison(tuple(entries), home.size, single, tuple(sorted(stand_ins)))


def double(item: Any) -> Any:
    """float32 as float64, anything else as it is."""
    return item.astype(np.float64) if getattr(item, "dtype", None) == np.float32 else item


def chosen(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The indices of all entries of an array or, of a large one, of a random sample."""
    indices = np.arange(int(np.prod(shape)))
    if indices.size > MOST:
        indices = np.sort(np.random.default_rng(SEED).choice(indices, SAMPLE, replace=False))
    return [tuple(map(int, np.unravel_index(i, shape))) for i in indices]
