"""Where the first NaN or infinity was born: in a forward computation, or in a derivative."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from ..errors import NonFiniteError
from .context import changed, observe
from .node import Node, describe, make_leaf, numbers_of, record, user_line
from .operation import Operation
from .sweep import gradients, sweep

SMALL = "add a small constant, or keep it away with np.maximum"
INSIDE = "keep them inside with np.clip"
LARGE = "its numbers are too large: scale them, or lower the learning rate"
OVERFLOW = "it overflows: subtract the maximum first, as te.logsumexp, softmax and sigmoid do"
LOGITS = (
    "behind a sigmoid or a softmax, give what goes into it to te.nn.losses.bce_with_logits or "
    "cross_entropy"
)
# What usually mends a value or a slope that is not finite.
ADVICE = {
    "log": f"the logarithm is of positive numbers: {SMALL}; {LOGITS}",
    "log2": f"the logarithm is of positive numbers: {SMALL}",
    "log10": f"the logarithm is of positive numbers: {SMALL}",
    "log1p": f"log(1 + x) is of numbers above -1: keep x away from it with np.maximum; {LOGITS}",
    "sqrt": f"the root is of positive numbers, and its slope at 0 is infinite: {SMALL}",
    "power": f"a power below 1 has an infinite slope at 0, and large ones overflow: {SMALL}",
    "divide": f"a divisor is 0, or tiny: {SMALL}",
    "reciprocal": f"a divisor is 0, or tiny: {SMALL}",
    "exp": OVERFLOW,
    "expm1": OVERFLOW,
    "arcsin": f"arcsin is of numbers from -1 to 1, and vertical at both: {INSIDE}",
    "arccos": f"arccos is of numbers from -1 to 1, and vertical at both: {INSIDE}",
    "arctanh": f"arctanh is of numbers between -1 and 1: {INSIDE}",
    "arccosh": f"arccosh is of numbers from 1 up, and vertical at 1: {INSIDE}",
    "chain_product": "the derivative of a derivative is not finite here",
}


@contextmanager
def trace_nonfinite() -> Iterator[None]:
    """Raise `NonFiniteError` at the first NaN or infinity, naming the operation that bore it.

    Forward, the operation whose result is not finite; backward, the one whose derivative made a
    gradient so. The error quotes the input at that place, and says where the numbers were not
    finite before: in the data, or in a gradient that was given. The line comes with it inside
    `te.record_lines()`. Costs a look at every array, and keeps the gradients of a sweep until the
    next operation.
    """
    # Of the sweep under way: who used a node, and with what gradient.
    users: dict[int, list[tuple[Node, Any]]] = {}
    latest = 0

    def look(node: Node, gradient: Any) -> None:
        nonlocal latest
        if gradient is None:
            # What a derivative makes on its way counts once it is passed on.
            if (users or not finite(node._data)) and running(sweep) is None:
                users.clear()  # of an earlier sweep, whose graph must not be kept alive
                if not finite(node._data):
                    blame_forward(node)
            return
        if node.serial >= latest:
            users.clear()
        latest = node.serial
        if not finite(gradient):
            blame_backward(node, gradient, users.get(node.serial, []))
        for item in node.inputs:
            if isinstance(item, Node) and item.requires_grad:
                users.setdefault(item.serial, []).append((node, gradient))

    with observe(look):
        yield


def finite(numbers: Any) -> bool:
    """Whether all are; what is no number at all (None) counts as such."""
    return numbers is None or bool(np.all(np.isfinite(numbers)))


def running(function: Callable[..., Any]) -> FrameType | None:
    """The innermost call of `function` that is under way."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not function.__code__:
        frame = frame.f_back
    return frame


def first(numbers: Any) -> tuple[tuple[int, ...], str]:
    """Where the first number stands that is not finite, and that number and place in words."""
    array = np.asarray(numbers)
    index = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
    return index, f"{array[index]}{f' at {list(index)}' if index else ''}"


def blame_forward(node: Node) -> NoReturn:
    """Raise the error for a result that is not finite."""
    op, inputs = node.op, node.inputs
    recording = running(record)
    if op is None and recording:  # an untracked result does not remember
        op, inputs = recording.f_locals["op"], recording.f_locals["inputs"]
    numbers = [numbers_of(item) for item in inputs]
    index, found = first(node._data)
    told = f"{call(op, inputs)} gave {found}"
    for item, held in zip(inputs, numbers, strict=True):
        if not finite(held):
            maker = f"{item.op.name} that made it" if isinstance(item, Node) and item.op else "data"
            advice = (
                f"an input ({describe(item)}) was {first(held)[1]} already: look at the {maker}"
            )
            break
    else:
        advice = ADVICE.get(op.name, LARGE) if op else LARGE
        if op is not None and op.elementwise:
            entries = (np.broadcast_to(each, np.shape(node._data))[index] for each in numbers)
            told += f", from {', '.join(map(str, entries))}"
    line = node.line or user_line()
    raise NonFiniteError(told + within(node) + f"; {advice}" + (f"\n  at {line}" if line else ""))


def blame_backward(node: Node, gradient: Any, users: list[tuple[Node, Any]]) -> NoReturn:
    """Raise the error for a gradient of `node` that is not finite."""
    index, found = first(gradient)
    if not users:
        raise NonFiniteError(
            f"the gradient that the backward pass began with is {found}; look at gradient="
        )
    for user, incoming in users:
        if passes_on(user, incoming, node):
            continue
        name = user.op.name if user.op else ""
        line = f"at {user.line}" if user.line else "te.record_lines() around it names the line"
        raise NonFiniteError(
            f"the derivative of {call(user.op, user.inputs)} passed back {found}, where the input "
            f"is {numbers_of(node)[index]}{within(user)}; {ADVICE.get(name, LARGE)}\n  {line}"
        )
    raise NonFiniteError(
        f"the gradients that {len(users)} uses of {describe(node)} pass back are finite, and their "
        f"sum is {found}; scale the loss down"
    )


def within(node: Node) -> str:
    """The scope of a node, in words."""
    return f", in {node.scope}" if node.scope else ""


def call(op: Operation | None, inputs: Sequence[Any]) -> str:
    """An operation and its inputs, in words."""
    given = ", ".join(describe(item) for item in inputs)
    return f"{op.name if op else 'an operation'}{f' of {given}' if given else ''}"


def passes_on(user: Node, incoming: Any, node: Node) -> bool:
    """Whether the gradient that `user` alone passes on to `node` is finite: asked once more."""
    assert user.op is not None
    inputs = tuple(
        make_leaf(type(user), node._data) if item is node else numbers_of(item)
        for item in user.inputs
    )
    with changed(tracking=True, observers=(), lines=False):
        again = record(user.op, inputs, user.options)
        slopes = gradients(again, tuple(x for x in inputs if isinstance(x, Node)), incoming)
    return all(finite(slope) for slope in slopes)
