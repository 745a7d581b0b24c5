"""A graph of many single numbers becomes a program of a few NumPy calls.

Nodes of equal operation at equal depth are computed at once: their inputs are gathered from one
buffer that holds all numbers of the graph, the record's own `forward` is called on these arrays,
and its own rules on the way back. A chain of sums is one reduction, and so is the gradient of a
number that is used many times. Both add in the order in which the recorded graph does, so what
comes out is the same bit for bit where NumPy's functions give an array what they give a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..engine.node import Node
from ..engine.sweep import start
from ..engine.value import Value
from ..errors import ShapeError
from .level_graph import Graph
from .level_source import lines_of
from .level_steps import NOTHING, Array, Buffers, ndarray

# A graph below this many numbers is not worth the calls that groups cost.
FEWEST = 500
MANY = 4_000


def suits(root: Value) -> bool:
    """Whether `Levels` can run the graph of `root` and has reason to: it is made of many numbers.

    Looks at the `MANY` nodes next to the root, or up to the first array: `Levels` itself refuses
    a graph that has one further on.
    """
    nodes: list[Node] = [root]
    seen = {root.serial}
    for node in islice(nodes, MANY):  # which grows meanwhile
        if node._data.__class__ is ndarray:
            return False
        for item in node.inputs:
            if isinstance(item, Node) and item.serial not in seen:
                seen.add(item.serial)
                nodes.append(item)
    return len(nodes) > FEWEST


class Levels:
    """The program of a recorded graph of numbers: its value and its gradients for new numbers.

    `leaves` are the values whose gradients are wanted; the numbers of `leaves` and `inputs` are
    given at each run, those of all other leaves stay what they are now. `others` are results
    beside the root, without gradients. Comparisons and work under `no_grad` are computed anew
    where they were recorded.
    Raises `UnsupportedError` where the graph holds an array, `StaleGraphError` where another leaf
    was rebound since, `OperandError` where a value is listed twice, and what `backward` raises.
    """

    def __init__(
        self,
        root: Value,
        leaves: Sequence[Value],
        inputs: Sequence[Value] = (),
        others: Sequence[Value] = (),
    ) -> None:
        start(root, None)  # which says why there is no gradient where there is none
        graph = Graph(root, (*leaves, *inputs), len(leaves), others)
        self.nodes = graph.count
        self.leaves, self.inputs = len(leaves), len(inputs)
        # Where the results are.
        self.results = [(graph.dtype[i], graph.slot[i]) for i in (graph.root, *graph.others)]
        # What is said of each step, and the step.
        self.program = list(graph.steps())
        self.steps = [step for _, step in self.program]
        self.active = [step for step in reversed(self.steps) if step.active]
        self.slopes = list(graph.leaf_sums())
        self.given = list(graph.given_slots())
        self.seeds = graph.seeds()
        self.template = graph.values()
        self.sizes = graph.gradient_sizes
        dtypes = [graph.dtypes[graph.dtype[i]] for i in range(len(leaves))]
        self.dtypes = graph.dtypes
        self.leaf_dtype = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)
        self._spare: list[tuple[Buffers, Buffers]] = []

    def run(self, leaf_values: Any, input_values: Any = ()) -> tuple[Any, Array, *tuple[Any, ...]]:
        """The root's number, ∂root/∂leaf in the order of the leaves, and the others' numbers.

        Shapes: (leaves,), (inputs,) -> (), (leaves,), … All are the caller's. Raises `ShapeError`.
        """
        leaf_values, input_values = np.asarray(leaf_values), np.asarray(input_values)
        for values, count, what in (
            (leaf_values, self.leaves, "leaf_values"),
            (input_values, self.inputs, "input_values"),
        ):
            if values.shape != (count,):
                raise ShapeError(
                    f"{what} has shape {values.shape}; give one number for each of the {count} "
                    f"{what.split('_')[0]} values of this program, in their order"
                )
        # Whoever runs at the same time takes other buffers; list.pop is one step for all threads.
        try:
            values, gradients = self._spare.pop()
        except IndexError:
            values, gradients = self.buffers()
        for from_leaves, places, code, slots in self.given:
            values[code][slots] = (leaf_values if from_leaves else input_values)[places]
        kept: dict[Any, Any] = {}
        for step in self.steps:
            step.forward(values, kept)
        result, *others = (values[code][slot] for code, slot in self.results)
        total = np.zeros(self.leaves, self.leaf_dtype)
        with np.errstate(all="ignore"):
            for step in self.active:
                step.backward(values, gradients, kept)
            for code, places, sums in self.slopes:
                if code < 0:
                    total[places] = 1
                else:
                    out = np.empty(len(places), gradients[code].dtype)
                    sums.into(out, gradients[code])
                    total[places] = out
        kept.clear()
        self._spare.append((values, gradients))
        return (result, total, *others)

    @property
    def source(self) -> str:
        """The program as text: its steps forward, then backward, by the places that they use."""
        return "\n".join(lines_of(self)) + "\n"

    def buffers(self) -> tuple[Buffers, Buffers]:
        """Memory for one run: all numbers of the graph, and all that flows back."""
        *arrays, constants = self.template
        gradients = []
        for array, size in zip(arrays, self.sizes, strict=True):
            gradient = np.empty(size, array.dtype)
            gradient[:1] = NOTHING
            gradients.append(gradient)
        for code, slot in self.seeds:
            gradients[code][slot] = 1
        return [*(array.copy() for array in arrays), constants], gradients
