"""What a model is made of, as one forward pass shows it: products, functions, norms, sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from ..engine.context import changed, observe
from ..engine.derivatives import grad
from ..engine.node import Node
from ..engine.operation import Elementwise, Operation
from ..engine.value import Value
from ..errors import ShapeError
from ..nn.layers import Linear
from ..nn.module import Module, unchanged
from ..nn.normalisation import Normalisation
from ..nn.recurrent import RNN
from ..nn.summary import MOVES

Array = np.ndarray[Any, np.dtype[Any]]
Kind = Literal["input", "product", "map", "norm", "scale", "sum", "join", "unknown"]

PRODUCTS = frozenset({"matmul", "affine", "dot"})
SUMS = frozenset({"add", "subtract"})
SCALES = frozenset({"multiply", "divide"})
JOINS = frozenset({"stack", "concatenate"})
PARTS = frozenset({"getitem", "take", "first_half", "second_half", "delete"})


@dataclass(frozen=True)
class Layer:
    """A product with weights: z = x W + b, or one step of a recurrence.

    `activation` is the record that is applied to z, through a normalisation; None for none. What
    is not one record (z σ(2z), say) is put together as one, and what a call gives beside z is
    bound in it. `normalised` says that z goes through BatchNorm or LayerNorm first, `residual` that
    the layer is inside of a branch whose input is added again. `steps` counts the uses in a pass.
    """

    name: str
    module: Module
    fan_in: int
    fan_out: int
    activation: Operation | None
    normalised: bool
    residual: bool
    steps: int
    weights: tuple[Value, ...] = field(repr=False)
    bias: Value | None = field(repr=False)


@dataclass(eq=False)
class Block:
    """A part of the pass whose means the theory knows, with the numbers of the blocks it reads.

    `node` is the value it gives; of a product `weight` and `bias` are its leaves, of a map `op` is
    all that happens entry by entry since the block it reads; `constant` are the entries of an
    input that the model holds, or the factors of a scale.
    """

    kind: Kind
    inputs: tuple[int, ...]
    node: Any
    name: str = ""
    weight: Any = None
    bias: Any = None
    op: Operation | None = None
    module: Module | None = None
    constant: Any = None

    @property
    def width(self) -> int:
        """How many units a sample has here."""
        return int(np.shape(self.node)[-1]) if np.ndim(self.node) else 1


@dataclass(frozen=True)
class Structure:
    """A pass: its blocks, each behind those it reads, its layers, and where z of each layer is.

    `places[i]` are the blocks that hold the pre-activation of layer i, one for each use, and
    `outputs[i]` those behind its activation.
    """

    blocks: list[Block]
    layers: list[Layer]
    places: list[list[int]]
    outputs: list[list[int]]


def layers_of(model: Module, x: Any) -> list[Layer]:
    """The layers of a model, in the order in which one forward pass on `x` comes to them.

    `x` is an array such as the model takes. The model is as before afterwards. Errors are those of
    the model; raises `ShapeError` where no layer multiplies by weights.
    """
    return structure_of(model, x).layers


def structure_of(model: Module, x: Any) -> Structure:
    """One pass on `x`, while learning, taken apart. Raises `ShapeError` where it has no layers."""
    trace = Trace(model)
    given = Value(x, requires_grad=False) if not isinstance(x, Value) else x
    trace.add(Block("input", (), given, constant=given.data))
    with ExitStack() as stack:
        stack.enter_context(unchanged(model))
        for _, module in model.named_modules():
            if isinstance(module, Normalisation):
                stack.enter_context(trace.followed(module))
        # Who watches the user's passes need not hear of this one.
        stack.enter_context(changed(recording=True, tracking=True, observers=()))
        stack.enter_context(observe(trace.listen))
        stack.enter_context(np.errstate(all="ignore"))
        model.train()
        model(given)
    return trace.structure()


class Trace:
    """Listens to a forward pass, and puts each new node into a block."""

    def __init__(self, model: Module) -> None:
        self.blocks: list[Block] = []
        # By id, each with the node itself, so that no id is given away a second time.
        self.found: dict[int, tuple[Any, int]] = {}
        self.owners = {
            id(leaf): (path, module, leaf)
            for path, module in model.named_modules()
            for leaf in vars(module).values()
            if isinstance(leaf, Value) and leaf.op is None
        }
        self.paths = {id(leaf): (path, leaf) for path, leaf in model.named_leaves()}
        self.model = model
        self.silent = 0

    def add(self, block: Block) -> int:
        """The number of a new block."""
        self.blocks.append(block)
        self.found[id(block.node)] = block.node, len(self.blocks) - 1
        return len(self.blocks) - 1

    def place(self, item: Any) -> int | None:
        """The block that a value is in, None for numbers and parameters."""
        return self.found[id(item)][1] if id(item) in self.found else None

    def given(self, item: Any) -> int:
        """The block of a value, which is a new input where the model made it of constants."""
        place = self.place(item)
        if place is None:
            data = item.data if isinstance(item, Value) else np.asarray(item, np.float64)
            place = self.add(Block("input", (), item, name="constant", constant=data))
        return place

    def leaf(self, item: Any) -> Any:
        """The parameter that an operand is, None if it is none."""
        return item if id(item) in self.paths else None

    @contextmanager
    def followed(self, module: Module) -> Iterator[None]:
        """Take what a normalisation does as one block."""
        forward: Callable[..., Any] = module.forward

        def told(x: Any) -> Any:
            self.silent += 1
            try:
                out = forward(x)
            finally:
                self.silent -= 1
            self.add(Block("norm", (self.given(x),), out, module=module))
            return out

        vars(module)["forward"] = told
        try:
            yield
        finally:
            del vars(module)["forward"]

    def listen(self, node: Node, gradient: Any) -> None:
        """Put a new node into a block."""
        op = node.op
        if self.silent or op is None:
            return
        inputs: Sequence[Any] = node.inputs
        if op.name in PRODUCTS and len(np.shape(self.leaf(inputs[1]))) >= 2:
            self.product(node)
            return
        places = [place for item in inputs if (place := self.place(item)) is not None]
        if not places:
            return  # of parameters and constants alone
        if entrywise(op):
            self.elementwise(node, places)
        elif op.name in JOINS:
            self.add(Block("join", tuple(dict.fromkeys(places)), node, name=op.name))
        elif op.name in MOVES and len(set(places)) == 1:
            if op.name in PARTS and self.blocks[places[0]].kind == "join":
                # A part of it is one of the steps, and which one cannot be seen any more.
                self.add(Block("unknown", (places[0],), node, name=f"{op.name} of joined arrays"))
            else:
                self.found[id(node)] = node, places[0]
        else:
            self.add(Block("unknown", tuple(dict.fromkeys(places)), node, name=op.name, op=op))

    def product(self, node: Node) -> None:
        """x W, or x W + b; what an RNN adds as its b is another product, and makes a sum."""
        x, weight, *others = node.inputs
        bias = next(iter(others), None)
        block = Block("product", (self.given(x),), node, weight=weight)
        if bias is not None and (place := self.place(bias)) is not None:
            # Two numbers would stand for one node: the product has none of its own.
            self.blocks.append(block)
            product = len(self.blocks) - 1
            self.add(Block("sum", (product, place), node))
            return
        block.bias = bias
        self.add(block)

    def elementwise(self, node: Node, places: list[int]) -> None:
        """A function of one block, a sum of two, a bias, or factors."""
        op, inputs = node.op, node.inputs
        assert op is not None
        others = [item for item in inputs if self.place(item) is None]
        large = [item for item in others if np.size(item) > 1]
        roots = {self.root(place) for place in places}
        if len(roots) == 1 and not large:
            self.add(Block("map", tuple(roots), node, name=op.name))
            return
        place = places[0]
        block = self.blocks[place]
        if len(places) == 1 and len(large) == 1:
            free = block.kind == "product" and block.bias is None
            if op.name == "add" and free and self.leaf(large[0]) is not None:
                block.bias, block.node = large[0], node
                self.found[id(node)] = node, place
                return
            if op.name == "multiply" or (op.name == "divide" and self.place(inputs[0]) is not None):
                factors = np.asarray(getattr(large[0], "data", large[0]), np.float64)
                factors = factors if op.name == "multiply" else 1 / factors
                self.add(Block("scale", (place,), node, constant=factors))
                return
        if op.name in SUMS and len(inputs) == 2:
            self.add(Block("sum", (self.given(inputs[0]), self.given(inputs[1])), node, op.name))
            return
        self.add(Block("unknown", tuple(dict.fromkeys(places)), node, name=op.name, op=op))

    def root(self, place: int) -> int:
        """What a map is a function of; any other block itself."""
        block = self.blocks[place]
        return block.inputs[0] if block.kind == "map" else place

    # ---- at the end ----

    def structure(self) -> Structure:
        """The layers, and the functions of maps put together."""
        readers: dict[int, list[int]] = {}
        for number, block in enumerate(self.blocks):
            for place in block.inputs:
                readers.setdefault(place, []).append(number)
        for block in self.blocks:
            if block.kind == "map":
                block.op = self.composed(block)
        uses: dict[int, list[int]] = {}
        for number, block in enumerate(self.blocks):
            if block.kind == "product":
                uses.setdefault(id(block.weight), []).append(number)
        layers, places, outputs = [], [], []
        for numbers in uses.values():
            block = self.blocks[numbers[0]]
            layer = self.layer(numbers, block, readers)
            if layer is not None:
                layers.append(layer)
                recurrent = isinstance(layer.module, RNN)
                places.append([readers[n][0] if recurrent else n for n in numbers])
                outputs.append([self.output(place, readers)[0] for place in places[-1]])
        if not layers:
            raise ShapeError(
                "this model multiplies by no weights that it holds, so it has no layers to look "
                "at; give it a te.nn.Linear, or x @ W with a Value W of its own"
            )
        return Structure(self.blocks, layers, places, outputs)

    def layer(
        self, numbers: list[int], block: Block, readers: dict[int, list[int]]
    ) -> Layer | None:
        """A layer of all uses of one matrix; None for the input matrix of an RNN."""
        path, leaf = self.paths[id(block.weight)]
        owner, module, _ = self.owners.get(id(leaf), ("", self.model, leaf))
        fan_in, fan_out = block.weight.shape[-2:]
        weights: tuple[Value, ...] = (leaf,)
        bias, place = block.bias, numbers[0]
        name = path if not path.endswith("weight") else path.removesuffix("weight").rstrip(".")
        if isinstance(module, RNN):
            if leaf is module.weight:
                return None
            weights, bias = (module.weight, leaf), module.bias
            fan_in, name, place = sum(len(each.data) for each in weights), owner, readers[place][0]
        output, normalised = self.output(place, readers)
        behind = self.blocks[output]
        return Layer(
            name=name or type(module).__name__.lower(),
            module=module,
            fan_in=int(fan_in),
            fan_out=int(fan_out),
            activation=behind.op if behind.kind in ("map", "unknown") else None,
            normalised=normalised,
            residual=self.inside(numbers[0], readers),
            steps=len(numbers),
            weights=weights,
            bias=bias if isinstance(bias, Value) else None,
        )

    def output(self, place: int, readers: dict[int, list[int]]) -> tuple[int, bool]:
        """The block behind a pre-activation's activation, and whether it was normalised before."""
        reading = readers.get(place, [])
        for kind in ("norm", "scale"):
            for number in reading:
                if self.blocks[number].kind == kind:
                    output, normalised = self.output(number, readers)
                    return output, normalised or kind == "norm"
        maps = [number for number in reading if self.blocks[number].kind == "map"]
        for number in reversed(maps):
            if number in readers:
                return number, False
        unknown = [number for number in reading if self.blocks[number].kind == "unknown"]
        return next(iter([*maps[-1:], *unknown]), place), False

    def inside(self, place: int, readers: dict[int, list[int]]) -> bool:
        """Whether a block lies between a value and the sum that adds the value again."""
        behind = reach(place, lambda number: readers.get(number, ()))
        before = reach(place, lambda number: self.blocks[number].inputs)
        for number in behind:
            block = self.blocks[number]
            if block.kind == "sum" and block.node is not self.blocks[place].node:
                branch = [each for each in block.inputs if each in behind or each == place]
                other = [each for each in block.inputs if each not in branch]
                if branch and any(each in before for each in other):
                    return True
        return False

    def composed(self, block: Block) -> Operation:
        """All that happens to the entries of a block's input, as one record of one argument."""
        root = block.inputs[0]
        nodes: list[Any] = []
        pending = [block.node]
        while pending:
            node = pending.pop()
            place = self.place(node)
            if place is None or place == root or any(node is each for each in nodes):
                continue
            nodes.append(node)
            pending.extend(node.inputs)
        nodes.sort(key=lambda node: int(node.serial))
        if len(nodes) == 1 and isinstance(block.node.op, Elementwise):
            return bound(block.node, self.place)
        steps = [node for node in nodes if entrywise(node.op)]

        def forward(x: Any) -> Any:
            values: dict[int, Any] = {}

            def value(item: Any) -> Any:
                if id(item) in values:
                    return values[id(item)]
                if self.place(item) == root:
                    return x
                place = self.place(item)
                if place is not None:  # moved: the same entries
                    return values[id(self.blocks[place].node)]
                return number(item)

            for node in steps:
                values[id(node)] = node.op(*map(value, node.inputs), **node.options)
            return values[id(block.node)]

        def slope(out: Any, x: Any) -> Any:
            with changed(tracking=True, observers=()):
                given = Value(x)
                result = forward(given)
                return grad(result, (given,), gradient=np.ones(np.shape(x)))[0]

        return made(" of ".join(dict.fromkeys(n.op.name for n in reversed(steps))), forward, slope)


def bound(node: Any, place: Callable[[Any], int | None]) -> Operation:
    """The record of a node as a function of its one argument that is in a block."""
    op: Elementwise = node.op
    position = next(i for i, item in enumerate(node.inputs) if place(item) is not None)
    others = {i: number(item) for i, item in enumerate(node.inputs) if i != position}
    defaults = {i: op.defaults.get(name) for i, name in enumerate(op.arguments) if i != position}
    if position == 0 and not node.options and others == defaults and len(node.inputs) == op.count:
        return op

    def arguments(x: Any) -> list[Any]:
        return [others.get(i, x) for i in range(len(node.inputs))]

    def slope(out: Any, x: Any) -> Any:
        rule = op.array_rules[position]
        return rule(out, *arguments(x), **node.options) if callable(rule) else rule

    kinks = tuple(
        kink
        if not callable(kink)
        else lambda x, kink=kink: np.broadcast_to(kink(*arguments(x)), np.shape(x))
        for kink in op.kinks
        if callable(kink) or position == 0
    )
    made_of = made(op.name, lambda x: op(*arguments(x), **node.options), slope)
    return replace(made_of, kinks=kinks)


def made(name: str, forward: Callable[..., Any], slope: Callable[..., Any]) -> Elementwise:
    """A record of one argument that is in no registry."""
    return Elementwise(
        name=name, forward=forward, partials=(slope,), formula="{0}", domain=((-np.inf, np.inf),)
    )


def entrywise(op: Operation) -> bool:
    """Whether an operation works entry by entry: comparisons do too, as NumPy's ufuncs."""
    return op.elementwise or any(isinstance(each, np.ufunc) for each in op.numpy if not op.rules)


def number(item: Any) -> Any:
    """An operand that is no block: a number, or the one entry of a parameter."""
    data = item.data if isinstance(item, Value) else item
    return np.reshape(data, ())[()] if isinstance(data, np.ndarray) else data


def reach(start: int, following: Callable[[int], Sequence[int]]) -> set[int]:
    """All numbers that can be come to from `start`, without itself."""
    found: set[int] = set()
    pending = [start]
    while pending:
        for each in following(pending.pop()):
            if each not in found:
                found.add(each)
                pending.append(each)
    return found


def example(model: Module, rows: int, scale: float, seed: int = 0) -> Array:
    """Random inputs, N(0, scale²), of the shape that the first layer of a model takes.

    Raises `ShapeError` where no layer of the package comes first.
    """
    random = np.random.default_rng(seed)
    for _, module in model.named_modules():
        shape: tuple[int, ...] | None = None
        if isinstance(module, Linear):
            shape = (rows, module.weight.shape[-2])
        elif isinstance(module, RNN):
            shape = (rows, 8, module.weight.shape[-2])
        elif isinstance(module, Normalisation):
            shape = (rows, module.features)
        if shape is not None:
            dtype = next(leaf.dtype for _, leaf in module.named_parameters())
            return np.asarray(random.normal(0, scale, shape), dtype)
    raise ShapeError(
        "this model has no te.nn.Linear whose inputs could be counted; give x, some rows of data"
    )
