"""One recorded call of a function, with a fresh leaf for every number it is differentiated by."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from itertools import repeat
from typing import Any

import numpy as np

from ..errors import NotTrackedError, OperandError, ShapeError, StaleGraphError
from .containers import ends, filled, is_leaf, leaves, mapped, opened, parts
from .context import changed
from .node import Node, describe, user_line
from .operation import OPERATIONS
from .sweep import gradients
from .value import Value

# A column costs a recorded sweep to begin with, and then as much as some rows: it is the sweep of
# a sweep.
ROWS_PER_COLUMN = 4

CONSTANT = "it has no derivative: return numbers computed from what the function is given"
LOST = (
    "nothing tracked leads to what the function returned: .data, .item(), detach() or no_grad() "
    "cut it off, or it is a constant; compute with the Values that the function is given, and "
    "return a constant as a Python number"
)


def differentiated() -> bool:
    """Whether a derivative is being taken inside a function that is differentiated itself.

    It is then remembered that what this function returns may be constant.
    """
    running = RUNNING.get()
    if running is not None:
        running.takes_derivatives = True
    return running is not None


def refuse_compiled(f: Any) -> None:
    """Raise `OperandError` for what te.compile has made."""
    if getattr(f, "returns_no_graph", False):
        raise OperandError(
            "a compiled function returns numbers without a graph, of which there is no derivative; "
            "take that of the function itself, and compile that if you like: "
            "te.compile(te.grad(f)), not te.grad(te.compile(f))"
        )


def no_number(x: Any) -> str:
    """What to say of an argument without a leaf."""
    return (
        f"there is no number to derive by in {x!r:.60}; give a number, an array, a dict, list, "
        "tuple or dataclass of them, or a te.nn.Module (other objects are not looked into)"
    )


class Call:
    """One recorded call of `f` by `x`, with a fresh node for every leaf of `x`.

    Fresh, because a Value that the caller holds may also reach f by another way, which does not
    count; and still joined to it, so that derivatives nest. The parameters of a model are its
    leaves as they are. `as_values` says whether results are Values: where a leaf is one, a graph is
    asked for, or this call stands inside a function that is being differentiated itself.
    """

    def __init__(self, f: Callable[[Any], Any], x: Any, create_graph: bool = False) -> None:
        self.f, self.given = f, x
        self.as_values = create_graph or differentiated()
        self.takes_derivatives = False
        self.made: list[tuple[Value, int]] = []
        with changed(tracking=True):
            given = self.argument(x)
            self.inputs = opened(given)
            self.leaves = tuple(leaves(self.inputs))
            if not self.leaves and any(True for _ in ends(self.inputs)):
                raise OperandError(no_number(x))
            token = RUNNING.set(self)
            try:
                self.returned = f(given)
            finally:
                RUNNING.reset(token)
            self.outputs = opened(mapped(as_value, self.returned))
            found = tuple(leaves(self.outputs))
            self.root: Value = vector(found)
        for node, serial in self.made:
            if node.serial != serial:
                raise StaleGraphError(
                    f"an argument ({describe(node)}) was given new data by the function that is "
                    "being differentiated; write x = ... for a new value, not x.data = ..."
                )
        if not found:
            why = "is its `return` missing?" if self.returned is None else CONSTANT
            raise OperandError(f"the function returned {self.returned!r:.60}; {why}")

    def argument(self, x: Any) -> Any:
        """`x` with a fresh node for every leaf."""
        if parts(x) is not None:
            return mapped(self.fresh, x)
        # What stands alone is a number, or an error: a bool and a range are read as te.Value does.
        if is_leaf(x) or np.asarray(x).dtype.kind in "biuf":
            return self.fresh(x, "")
        raise OperandError(no_number(x))

    def fresh(self, leaf: Any, path: str) -> Value:
        """A tracked node of the leaf's numbers that f alone can reach."""
        if isinstance(leaf, Node) and not stands_for_an_array(leaf):
            self.as_values = True
        joined = isinstance(leaf, Value) and leaf.requires_grad
        node: Value = OPERATIONS["positive"](leaf) if joined else Value(leaf)
        named = any(map(str.isalpha, path))  # a mere position says nothing
        node.name = getattr(leaf, "name", None) or (path if named else None)
        self.made.append((node, node.serial))
        return node

    @property
    def result(self) -> Any:
        """What f returned: Values, or the numbers in them."""
        return self.outputs if self.as_values else mapped(plain, self.outputs, plain)

    def pulled(self, g: Any, as_values: bool | None = None) -> tuple[Any, ...]:
        """The gradient of every leaf for an incoming gradient `g` of the root."""
        keep = self.as_values if as_values is None else as_values
        return gradients(self.root, self.leaves, g, keep)

    def slope(self, as_values: bool | None = None) -> tuple[Any, ...]:
        """The gradient of every leaf where f gave a single number."""
        if parts(self.outputs) is not None:
            raise OperandError(
                f"a gradient is of a single number, and the function returned a "
                f"{type(self.returned).__name__}; return the number alone, or write te.jacobian "
                "or te.vjp"
            )
        if self.root.size != 1:
            raise ShapeError(
                f"a gradient is of a single number, and the function returned one of shape "
                f"{self.root.shape}; reduce it with .sum() or .mean(), or write te.jacobian for "
                "the derivatives of all entries"
            )
        if not self.root.requires_grad:
            self.refuse_a_lost_gradient()
        return self.pulled(None, as_values)

    def refuse_a_lost_gradient(self) -> None:
        """Raise `NotTrackedError` unless what f returned depends on x by comparisons alone.

        A derivative may well be constant, and Python's own numbers are meant so: a branch's 0.0.
        NumPy's own may be a constant as well, or what `.data` gave: that is a warning.
        """
        numbers = [leaf for leaf in ends(self.returned) if hasattr(leaf, "dtype")]
        if self.takes_derivatives or not numbers:
            return
        if not any(isinstance(leaf, Node) for leaf in numbers):  # NumPy's own: who can tell
            return warnings.warn(f"the gradient is 0: {LOST} ({user_line()})", stacklevel=2)
        with changed(tracking=True, recording=True):  # once more, to see where it comes from
            given = self.argument(self.given)
            unseen = [leaf for leaf in ends(self.f(given)) if isinstance(leaf, Node)]
        while unseen:
            node = unseen.pop()
            by_choice = node.op is not None and not node.op.differentiable
            for item in node.inputs:
                if isinstance(item, Node):
                    if item.requires_grad and by_choice:
                        return  # a step, whose slope is 0
                    if not item.requires_grad:
                        unseen.append(item)
        raise NotTrackedError(f"{LOST} ({user_line()})")

    def gradient(self) -> Any:
        """∂f/∂x in the form of x."""
        return filled(self.inputs, self.slope())

    def pushed(self, directions: Sequence[Any]) -> Any:
        """The change of what f returned, in its form, along a direction of every leaf.

        The pullback is linear in its gradient: its derivative by that is the forward product.
        """
        probe = Value(np.zeros_like(self.root.data))
        with changed(tracking=True):
            pulled = vector(self.pulled(probe, as_values=True))
            (forward,) = gradients(pulled, (probe,), vector(directions), self.as_values)
            return filled(self.outputs, self.portions(forward))

    def portions(self, numbers: Any, shape: tuple[int, ...] = ()) -> Iterator[Any]:
        """What of `numbers`, an entry for each of the root's, belongs to each leaf f returned.

        `shape` is that of an entry.
        """
        end = 0
        for leaf in leaves(self.outputs):
            begin, end = end, end + leaf.size
            portion = numbers if leaf is self.root else numbers[begin:end]
            if portion.shape != leaf.shape + shape:
                portion = np.reshape(portion, leaf.shape + shape)
            yield portion[()] if isinstance(portion, np.ndarray) else portion

    def jacobian(self) -> Any:
        """∂f/∂x: for every leaf that f returned, in its place, a block for every leaf of x."""
        with changed(tracking=True):
            tables = self.by_columns() or self.by_rows()
            blocks = [
                list(self.portions(table, leaf.shape))
                for table, leaf in zip(tables, self.leaves, strict=True)
            ]
        rows = zip(*blocks, strict=True) if blocks else repeat(())
        return filled(self.outputs, (filled(self.inputs, row) for row in rows))

    def by_rows(self) -> list[Any]:
        """∂root/∂leaf for each leaf, a sweep for each entry of the root."""
        rows = [self.pulled(unit) for unit in units(self.root)]
        return [
            self.table([row[position] for row in rows], leaf.shape, leaf.dtype)
            for position, leaf in enumerate(self.leaves)
        ]

    def by_columns(self) -> list[Any] | None:
        """The same from a sweep for each entry of the leaves, if that is cheaper.

        None also where one is not finite: rows are sharper there, as 0 · ∞ is met less.
        """
        if ROWS_PER_COLUMN * sum(leaf.size for leaf in self.leaves) >= self.root.size:
            return None
        probe = Value(np.zeros_like(self.root.data))
        tables = []
        for slope, leaf in zip(self.pulled(probe, as_values=True), self.leaves, strict=True):
            columns = [
                np.reshape(gradients(slope, (probe,), unit, self.as_values)[0], (-1,))
                for unit in units(leaf)
            ]
            if not all(np.all(np.isfinite(plain(column))) for column in columns):
                return None
            table = np.transpose(self.table(columns, (self.root.size,), leaf.dtype))
            tables.append(table if table.dtype == leaf.dtype else table.astype(leaf.dtype))
        return tables

    def table(self, rows: list[Any], shape: tuple[int, ...], dtype: Any) -> Any:
        """The rows, each of `shape`, as one array or Value; there may be none."""
        if rows:
            return np.stack(rows)
        nothing = np.zeros((0, *shape), dtype)
        return Value(nothing, requires_grad=False) if self.as_values else nothing


def stands_for_an_array(leaf: Node) -> bool:
    """Whether it does while a program is recorded, whose arguments are all Values."""
    tape = getattr(leaf._data, "tape", None)
    return tape is not None and id(leaf) in tape.plain


def as_value(leaf: Any, path: str = "") -> Any:
    """What f returned as a node: a plain number is a constant."""
    return leaf if isinstance(leaf, Node) else Value(leaf, requires_grad=False)


def plain(item: Any, path: str = "") -> Any:
    """The numbers of a Value; anything else as it is."""
    return item._data if isinstance(item, Node) else item


def vector(items: Sequence[Any]) -> Any:
    """One item as it is, several (or none) as a single axis of numbers."""
    if len(items) == 1:
        return items[0]
    if not items:
        return Value(np.zeros(0), requires_grad=False)
    with changed(tracking=True):
        return np.concatenate([np.reshape(item, (-1,)) for item in items])


def units(like: Value) -> Iterator[Any]:
    """The arrays of `like`'s shape with a single 1."""
    for position in range(like.size):
        unit = np.zeros(like.shape, like.dtype)
        unit.flat[position] = 1
        yield unit


# The innermost call that is under way.
RUNNING: ContextVar[Call | None] = ContextVar("tinygrad_edu_call", default=None)
