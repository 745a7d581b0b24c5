"""The chain rule at one input of one operation, in numbers: what drawings write on an edge."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.chain import chain
from ..engine.node import Node
from ..engine.operation import Elementwise
from ..engine.sweep import conform


@dataclass(frozen=True)
class Message:
    """What an operation passes back to one of its inputs.

    `incoming` is the gradient of the operation's output. `local` is the local derivative, None
    where an operation mixes entries of an array and it would be a whole Jacobian. `product` is
    their product, and `passed` what arrives: `product` summed over the `summed` entries per entry
    that broadcasting had repeated (1: none), which are whole samples if `samples` is true.
    """

    incoming: Any
    local: Any
    product: Any
    passed: Any
    summed: int
    samples: bool


def message(node: Node, position: int, incoming: Any) -> Message:
    """What `node`, whose gradient is `incoming`, passes to its input number `position`.

    The rules are those that the sweep applies to arrays.
    """
    op, out, item = node.op, node._data, node.inputs[position]
    assert op is not None
    arrays = [each._data if isinstance(each, Node) else each for each in node.inputs]
    local: Any = None
    if isinstance(op, Elementwise):
        rule = op.array_rules[position]
        local = rule(out, *arrays, **node.options) if callable(rule) else rule
        # The number 0 selects nothing, as the sweep has it, even of an infinite gradient.
        product = chain(incoming, local if callable(rule) or local else False)
    else:
        pullback = op.array_rules[0 if op.variadic else position]
        options = {**node.options, **({"position": position} if op.variadic else {})}
        product = pullback(incoming, out, *arrays, **options)
        if np.ndim(out) == 0:
            local = pullback(np.ones_like(out)[()], out, *arrays, **options)
    product = np.asarray(product)[()]
    passed = conform(product, item._data, node)
    if product.size == passed.size:
        product = passed
    samples = product.ndim > 1 and product.shape[1:] in (passed.shape, passed.shape[1:])
    return Message(incoming, local, product, passed, product.size // max(passed.size, 1), samples)


def passed_back(uses: Iterable[tuple[Node, int, Any]]) -> list[Any]:
    """What each of the items gets in all, of uses given as consumer, position and item."""
    totals: dict[int, Any] = {}
    for consumer, position, item in uses:
        passed = message(consumer, position, consumer.grad).passed
        totals[id(item)] = totals[id(item)] + passed if id(item) in totals else passed
    return list(totals.values())


def rms(arrays: Iterable[Any]) -> float:
    """Root of the mean square of all entries; 0 of none.

    Squares of a gradient that vanishes underflow, those of one that explodes overflow: therefore
    in units of the largest entry.
    """
    entries = np.concatenate([np.ravel(array) for array in arrays]).astype(float)
    largest = float(np.max(np.abs(entries), initial=0.0))
    if not 0 < largest < math.inf:
        return largest
    return largest * math.sqrt(np.mean(np.square(entries / largest)))
