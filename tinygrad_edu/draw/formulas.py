"""A graph as a formula, and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..activations import ACTIVATIONS
from ..engine.context import changed
from ..engine.expression import Formula, formula
from ..engine.node import Node
from ..engine.operation import Operation
from ..engine.sweep import gradients, refuse_newer_inputs
from ..engine.value import Value
from ..errors import OperandError
from .labels import Say, sayer

LINES = 200


def expression(
    value: Value, wrt: Value | None = None, *, depth: int | None = None, limit: int = 4000
) -> Formula:
    """The formula that `value` was computed by, or that of its derivative with respect to `wrt`.

    The derivative is that of the sum of all entries of `value`, traced from the rules and lightly
    simplified. Leaves are written by their names or, without one, as numbers; what is more than
    `depth` operations away from `value` is a letter. Raises `OperandError` for what is no Value,
    and for a formula of more than `limit` characters.
    """
    for given in (value,) if wrt is None else (value, wrt):
        if not isinstance(given, Node):
            raise OperandError(f"a formula is written of a te.Value, not {type(given).__name__}")
    if wrt is None:
        return formula(value, depth=depth, limit=limit)
    with changed(tracking=True, recording=True):
        (slope,) = gradients(value, (wrt,), np.ones(value.shape, value.dtype), create_graph=True)
    return formula(slope, helper, depth=depth, limit=limit)


def latex(
    value: Value, wrt: Value | None = None, *, depth: int | None = None, limit: int = 4000
) -> str:
    """`value` as LaTeX for math mode, or its derivative with respect to `wrt`.

    Parts that occur twice get a letter each, explained at the end. The derivative is that of the
    sum of all entries; what is more than `depth` operations away is a letter. Raises
    `OperandError` for what is no Value, and for a formula of more than `limit` characters.
    """
    return expression(value, wrt, depth=depth, limit=limit).in_latex()


def helper(op: Operation) -> bool:
    """Whether a formula says what the operation stands for: it has no name that users know."""
    return op.name not in ACTIVATIONS


def tree(value: Value, *, max_lines: int = LINES, lang: str = "en") -> str:
    """The graph of `value` as text: each node with its value and gradient, its inputs below it.

    A node that is used twice is written out once, and after that by its number. Raises
    `OperandError` for what is no Value, `StaleGraphError` where a leaf has new data since,
    `UnknownNameError` for a language other than "en" and "ja".
    """
    if not isinstance(value, Node):
        raise OperandError(f"te.draw.tree shows a te.Value, not {type(value).__name__}")
    say = sayer(lang)
    lines: list[str] = []
    for line in branches(value, say):
        if len(lines) == max_lines:
            lines.append(say("… more than {} lines; max_lines= shows more").format(max_lines))
            break
        lines.append(line)
    return "\n".join(lines)


def branches(root: Node, say: Say) -> Iterator[str]:
    """The lines of `tree`, one by one."""
    shown: dict[int, int] = {}
    stack: list[tuple[Any, str, str]] = [(root, "", "")]
    while stack:
        item, lead, below = stack.pop()
        again = isinstance(item, Node) and item.op is not None and id(item) in shown
        number = ""
        if isinstance(item, Node) and item.op is not None:
            number = f"#{shown.setdefault(id(item), len(shown) + 1)} "
        yield lead + number + (say("(above)") if again else described(item, say))
        if again or not isinstance(item, Node):
            continue
        refuse_newer_inputs(item)
        parts = item.inputs
        for position in range(len(parts) - 1, -1, -1):
            last = position == len(parts) - 1
            stack.append(
                (
                    parts[position],
                    below + ("└─ " if last else "├─ "),
                    below + ("   " if last else "│  "),
                )
            )


def described(item: Any, say: Say) -> str:
    """A node on one line: what it is, its value and, if it is tracked, its gradient."""
    if not isinstance(item, Node):
        return short(item)
    name = " ".join((item.name or "").split())
    what = item.op.name if item.op is not None else ""
    heading = " = ".join(part for part in (name, what) if part) or say("leaf")
    gradient = ""
    if item.requires_grad:
        gradient = f"   {say('gradient')} {'–' if item.grad is None else short(item.grad)}"
    return f"{heading}   {say('value')} {short(item._data)}{gradient}"


def short(data: Any) -> str:
    """A number with four digits; of an array the shape and mean ± standard deviation."""
    if not np.ndim(data):
        return str(data) if data is None else f"{data + 0.0:.4g}"
    if not np.size(data):
        return str(np.shape(data))
    with np.errstate(all="ignore"):
        return f"{np.shape(data)} {np.mean(data):.3g} ± {np.std(data):.3g}"
