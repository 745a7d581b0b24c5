"""A recorded graph run again with other numbers in its leaves: with sixty digits, for instance.

Operations are run by their forwards, which NumPy's functions make up, or by their definitions,
which are other operations, where the forward is written for floats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..engine.context import changed
from ..engine.node import Node
from ..engine.operation import Operation
from ..engine.value import Value
from ..errors import OperandError
from .matrices import MATRICES, factorised
from .numbers import Exact, functions, lift

# Four times what float64 rounds off.
ROUNDING = 2.0**-50


def below(roots: Sequence[Node]) -> list[Node]:
    """All nodes that the roots were computed from, tracked or not, in the order of creation."""
    found = {id(root): root for root in roots}
    unseen = list(found.values())
    while unseen:
        for item in unseen.pop().inputs:
            if isinstance(item, Node) and id(item) not in found:
                found[id(item)] = item
                unseen.append(item)
    return sorted(found.values(), key=lambda node: node.serial)


class Replay:
    """The computation that made `roots`, to be run again with other numbers in its leaves."""

    def __init__(self, roots: Sequence[Node], leaves: Sequence[Node]) -> None:
        self.roots, self.leaves = list(roots), list(leaves)
        self.nodes = below(roots)
        self.definitions: dict[int, Replay | None] = {}

    def program(self) -> list[Any]:
        """What it does, without the numbers in its leaves: to compare recordings by."""
        places = {id(leaf): place for place, leaf in enumerate(self.leaves)}
        steps: list[Any] = []
        for node in self.nodes:
            if node.op is None:
                steps.append(places.get(id(node), bits(node._data)))
            else:
                constants = [bits(item) for item in node.inputs if not isinstance(item, Node)]
                steps.append((node.op, repr(node.options), constants))
        return steps

    def definition(self, node: Node, operands: Sequence[Any]) -> Replay | None:
        """The definition of a node's operation as a graph, if that is what is to be run."""
        if id(node) not in self.definitions:
            assert node.op is not None
            shapes = [np.shape(operand) for operand in operands]
            self.definitions[id(node)] = textbook(node.op, shapes, node.options)
        return self.definitions[id(node)]

    def run(
        self,
        arrays: Sequence[Any],
        nearby: Mapping[int, Any] | None = None,
        seed: int | None = None,
    ) -> dict[int, Any]:
        """What every node is, by its id, where the leaves are `arrays`.

        With a `seed` rounding is imitated: each result is changed by a random share of ROUNDING,
        and so is the way each operand has gone from `nearby`, the result of a run close by. That is
        what a local derivative does that is right but for rounding.
        """
        rng = None if seed is None else np.random.default_rng(seed)
        data: dict[int, Any] = {
            id(leaf): array for leaf, array in zip(self.leaves, arrays, strict=True)
        }
        for node in self.nodes:
            if id(node) in data:
                continue
            if nearby is not None and rng is None:
                inputs = [id(item) for item in node.inputs if isinstance(item, Node)]
                if all(data[each] is nearby[each] for each in inputs):
                    data[id(node)] = nearby[id(node)]  # nothing that leads here has moved
                    continue
            if node.op is None:
                data[id(node)] = number(node._data)
                continue
            operands = []
            for item in node.inputs:
                known = isinstance(item, Node)
                operand = data[id(item)] if known else number(item)
                if known and rng:
                    there = operand if nearby is None else nearby[id(item)]
                    operand = there + rounded(operand - there, rng) if exact(operand) else operand
                operands.append(operand)
            written = self.definition(node, operands)
            out = applied(node.op, operands, node.options, written)
            data[id(node)] = rounded(out, rng) if rng and exact(out) else out
        return data


def rounded(array: Any, rng: np.random.Generator) -> Any:
    """The array, each entry changed by a share of ROUNDING up or down."""
    return array * (1 + ROUNDING * rng.choice((-1.0, 1.0), array.shape))


def bits(item: Any) -> bytes:
    """Numbers as they are stored."""
    return np.asarray(item).tobytes()


def exact(array: Any) -> bool:
    """Whether these are numbers of many digits, and not truth values or indices."""
    return isinstance(array, Exact)


def number(item: Any) -> Any:
    """An array as a replay computes with it: floats become exact, masks and indices stay."""
    if item is None:
        return None
    array = np.asarray(item)
    return lift(array) if array.dtype.kind in "fO" else array


def applied(
    op: Operation, operands: Sequence[Any], options: Mapping[str, Any], definition: Replay | None
) -> Any:
    """What an operation is for such numbers: by its definition, if one is given.

    Raises `OperandError` if there is none and the forward, which is for floats, cannot take them.
    """
    try:
        if definition is not None:
            return definition.run(operands)[id(definition.roots[0])]
        if op.name in MATRICES:
            return factorised(op, operands, options)
        if op.name in SPECIAL:
            return SPECIAL[op.name](*operands, **options)
        return number(op.forward(*operands, **options))
    except (TypeError, ValueError, AttributeError) as error:
        raise OperandError(
            f"the operation {op.name} cannot be run with 50 digits: {error}. Give its record a "
            "`definition`: the same function, written with NumPy's functions and other operations"
        ) from error


def chained(g: Any, slope: Any) -> Any:
    """Incoming gradient times local derivative; where nothing comes in, or is selected, 0."""
    chosen = (slope != 0) | (np.asarray(slope).dtype != bool)
    return np.where((g != 0) & chosen, g * slope, 0.0 * lift(np.ones(np.shape(slope))))


# What has no definition and a forward for floats.
SPECIAL: Mapping[str, Callable[..., Any]] = {
    "astype": lambda a, dtype: lift(a),
    "chain_product": chained,
    "erf": lambda x: lift(functions()["erf"](x)),
    "normal_cdf": lambda x: lift(functions()["normal_cdf"](x)),
    "sinc": lambda x: lift(functions()["sinc_derivative"](x, 0)),
    "sinc_derivative": lambda x, order: lift(functions()["sinc_derivative"](x, order)),
}


def textbook(
    op: Operation, shapes: Sequence[tuple[int, ...]], options: Mapping[str, Any]
) -> Replay | None:
    """An operation's definition as a graph of other operations; None if its forward will do."""
    if op.definition is None or op.name in SPECIAL or isinstance(op.forward, np.ufunc):
        return None
    symbols = [Value(np.ones(shape)) for shape in shapes]
    with changed(tracking=True, recording=True), np.errstate(all="ignore"):
        return Replay([op.definition(*symbols, **options)], symbols)
