"""What each layer of a model gives, holds and computes: a table of one forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from ..engine.context import changed, observe
from ..engine.node import Node, numbers_of
from ..engine.value import Value
from ..errors import ShapeError
from .module import Module, members, unchanged

Shape = tuple[int, ...]

PRODUCTS = frozenset({"matmul", "affine", "dot"})
# What only moves entries, or drops some, or puts zeros between them.
MOVING = (
    "astype broadcast_to concatenate delete diag diagflat diagonal expand_dims first_half flip "
    "getitem pad repeat reshape resize roll rot90 second_half set_at squeeze stack "
    "swapaxes take take_along_axis tile transpose tril triu"
)
MOVES = frozenset(MOVING.split())


@dataclass
class Row:
    """One call of a layer, or functions that a model applies between layers.

    `path` is where the layer is in the model, and `kind` its class; of functions, `path` is the
    module that applies them, and `kind` says their names. `shapes` are those of the outputs.
    `parameters` are entries that no row above has counted; `flops` are None where a layer was not
    called.
    """

    path: str
    kind: str
    shapes: tuple[Shape, ...] = ()
    parameters: int = 0
    flops: int | None = 0


@dataclass(frozen=True)
class Summary:
    """The rows of a model, in the order of their calls, and its totals.

    FLOPs are floating-point operations of one forward pass in use (`model.eval()`), as recorded:
    2 m k n for the product of (m, k) and (k, n), with or without a bias (each term is a
    multiplication and an addition), and as many for each einsum as its operands times the sizes of
    all labels; 1 for each entry of an element-wise result, be it a sum or a tanh; 0 for moving
    entries (reshape, slices, stack); 1 for each entry of the largest input of all else (sums,
    variances, softmax). `str(summary)` is the table; notebooks show it as one too.
    """

    name: str
    inputs: tuple[Shape, ...]
    rows: tuple[Row, ...]
    parameters: int

    @property
    def flops(self) -> int:
        """The sum over all rows."""
        return sum(row.flops or 0 for row in self.rows)

    def cells(self) -> list[tuple[str, str, str, str]]:
        """The texts of the table, heading first and totals last."""
        return [
            ("layer", "output", "parameters", "FLOPs"),
            *(
                (
                    " ".join(filter(None, (row.path, row.kind))),
                    ", ".join(map(str, row.shapes)) if row.flops is not None else "not called",
                    f"{row.parameters:,}",
                    f"{row.flops or 0:,}",
                )
                for row in self.rows
            ),
            ("total", "", f"{self.parameters:,}", f"{self.flops:,}"),
        ]

    def title(self) -> str:
        """The model's class and the shapes of its inputs."""
        return f"{self.name} for {', '.join(map(str, self.inputs))}"

    def __str__(self) -> str:
        cells = self.cells()
        left, middle, *numbers = (max(map(len, column)) for column in zip(*cells, strict=True))
        rows = [
            f"{layer:<{left}}  {output:<{middle}}  {count:>{numbers[0]}}  {flops:>{numbers[1]}}"
            for layer, output, count, flops in cells
        ]
        rule = "─" * len(rows[0])
        return "\n".join([self.title(), rows[0], rule, *rows[1:-1], rule, rows[-1]])

    def _repr_html_(self) -> str:
        heading, *rows = (
            "".join(
                f'<{tag} style="text-align: {"left" if column < 2 else "right"}">'
                f"{escape(text)}</{tag}>"
                for column, text in enumerate(row)
            )
            for tag, row in zip(("th", *["td"] * len(self.rows), "th"), self.cells(), strict=True)
        )
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return (
            f"<table><caption>{escape(self.title())}</caption>"
            f"<thead><tr>{heading}</tr></thead><tbody>{body}</tbody></table>"
        )


def flops(node: Node) -> int:
    """What the operation of a node costs, by the convention of `Summary`."""
    op, inputs = node.op, [numbers_of(item) for item in node.inputs]
    size = int(np.size(node._data))
    if op is None or op.name in MOVES:
        return 0
    if op.elementwise:
        return size
    if op.name in PRODUCTS:
        return 2 * size * (np.shape(inputs[0]) or (1,))[-1]
    if op.name == "einsum":
        return len(inputs) * terms(node.options["subscripts"], [np.shape(x) for x in inputs])
    return max((int(np.size(x)) for x in inputs), default=0)


def terms(subscripts: str, shapes: Sequence[Shape]) -> int:
    """How many products an einsum adds up: the sizes of all its labels, multiplied."""
    sizes: dict[str | int, int] = {}
    for labels, shape in zip(subscripts.split("->")[0].split(","), shapes, strict=True):
        first, *others = labels.replace(" ", "").split("...")
        behind = "".join(others)
        between = len(shape) - len(first) - len(behind)
        # Axes that "..." stands for are aligned at their ends.
        keys = [*first, *range(-between, 0), *behind]
        for key, length in zip(keys, shape, strict=True):
            sizes[key] = max(sizes.get(key, 1), length) if length else 0
    return math.prod(sizes.values())


def summarise(model: Module, given: Sequence[Any]) -> Summary:
    """Run the model once on `given`, arrays or shapes, and note what its layers do."""
    if not given:
        raise ShapeError("summary needs an input, or its shape, as in model.summary((32, 2))")
    leaves = dict(model.named_parameters())
    dtype = next(iter(leaves.values())).dtype if leaves else np.dtype(np.float64)
    inputs = [recorded(np.zeros(x, dtype) if is_shape(x) else np.asarray(x)) for x in given]
    notes = Notes({id(leaf) for leaf in leaves.values()})
    with ExitStack() as stack:
        stack.enter_context(unchanged(model))
        for path, module in model.named_modules():
            stack.enter_context(followed(notes, path, module))
        stack.enter_context(changed(recording=True))
        stack.enter_context(observe(notes.listen))
        stack.enter_context(np.errstate(all="ignore"))
        model.eval()
        model(*inputs)
    for path, module in model.named_modules():
        if is_layer(module) and path not in notes.called:
            notes.begin(path, module).flops = None
    return Summary(
        type(model).__name__,
        tuple(np.shape(x) for x in inputs),
        tuple(notes.rows),
        sum(leaf.size for leaf in leaves.values()),
    )


def is_shape(x: Any) -> bool:
    """Whether an input is only the shape of one."""
    return isinstance(x, tuple) and all(isinstance(n, int | np.integer) for n in x)


def recorded(x: Any) -> Any:
    """Floats as a Value, so that what is done to them is recorded; indices as they are."""
    return Value(x, requires_grad=False) if x.dtype.kind == "f" else x


@contextmanager
def followed(notes: Notes, path: str, module: Module) -> Iterator[None]:
    """Let `notes` know when the module's forward begins and ends."""
    forward: Callable[..., Any] = module.forward
    own = vars(module).get("forward")

    def told(*inputs: Any, **options: Any) -> Any:
        around, notes.path = notes.path, path
        notes.row = row = notes.begin(path, module) if is_layer(module) else None
        out = forward(*inputs, **options)
        if row is not None:
            row.shapes = tuple(shapes(out))
        # What the module around does next is a row of its own.
        notes.path, notes.row = around, None
        return out

    vars(module)["forward"] = told
    try:
        yield
    finally:
        del vars(module)["forward"]
        if own is not None:
            vars(module)["forward"] = own


def is_layer(module: Module) -> bool:
    """Whether a module has a row of its own: no other modules are inside."""
    return not any(isinstance(part, Module) for _, part in members(module))


def shapes(out: Any) -> Iterator[Shape]:
    """The shapes of all arrays that a layer gives."""
    if isinstance(out, Value | np.ndarray | np.generic):
        yield np.shape(out)
    elif isinstance(out, list | tuple | dict):
        for item in out.values() if isinstance(out, dict) else out:
            yield from shapes(item)


@dataclass
class Notes:
    """The rows so far; `path` and `row` are where the model is just now.

    `functions` are the names of those that make up the row, None in the row of a layer.
    """

    uncounted: set[int]
    rows: list[Row] = field(default_factory=list)
    called: set[str] = field(default_factory=set)
    path: str = ""
    row: Row | None = None
    functions: list[str] | None = None

    def begin(self, path: str, module: Module) -> Row:
        """A row for a layer."""
        own = (part for _, part in members(module) if isinstance(part, Value))
        row = Row(path, type(module).__name__, parameters=sum(map(self.count, own)))
        self.rows.append(row)
        self.called.add(path)
        self.functions = None
        return row

    def count(self, item: Any) -> int:
        """The entries of a parameter the first time, 0 afterwards and for all else."""
        if id(item) not in self.uncounted:
            return 0
        self.uncounted.remove(id(item))
        return int(item.size)

    def listen(self, node: Node, gradient: Any) -> None:
        """Add a new node to the row it belongs to."""
        if gradient is not None:
            return
        if self.row is None:
            self.row, self.functions = Row(self.path, ""), []
            self.rows.append(self.row)
        row = self.row
        if self.functions is not None:
            name = node.op.name if node.op else "constant"
            self.functions += [name] * (name not in self.functions)
            row.kind, row.shapes = ", ".join(self.functions), (np.shape(node._data),)
        row.parameters += sum(map(self.count, node.inputs))
        row.flops = (row.flops or 0) + flops(node)
