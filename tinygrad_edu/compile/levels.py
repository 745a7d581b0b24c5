"""A graph of many single numbers becomes a program of a few NumPy calls.

Nodes of equal operation at equal depth are computed at once: their inputs are gathered from one
buffer that holds all numbers of the graph, the record's own `forward` is called on these arrays,
and its own rules on the way back. A chain of sums is one reduction, and so is the gradient of a
number that is used many times. Both add in the order in which the recorded graph does, so what
comes out is the same bit for bit where NumPy's functions give an array what they give a number.

The nodes of a group are numbered in the order in which their consumer reads them, which makes
most gathers slices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice, pairwise
from math import isfinite
from operator import add, attrgetter, mul, neg, sub, truediv
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..engine.chain import chain, repaired
from ..engine.node import NO_OPTIONS, Node
from ..engine.operation import OPERATIONS, Operation
from ..engine.sweep import stale, start
from ..engine.value import Value
from ..errors import OperandError, ShapeError, StaleGraphError, UnsupportedError

Array = np.ndarray[Any, np.dtype[Any]]
Buffers = list[Any]

ndarray = np.ndarray
SERIAL = attrgetter("serial")
# A graph below this many numbers is not worth the calls that groups cost.
FEWEST = 500
# A NumPy call costs as much as so many nodes one by one.
NARROW = 16
# For a vdot of more numbers than these BLAS would wake its threads, which can take long.
MANY = 10_000
add_up = np.add.reduce
# Of so many nodes of a group it is tried whether arrays are treated as numbers are.
SAMPLE = 8
# Structural operations that on numbers work entry by entry, their pullbacks too.
POINTWISE = frozenset({"astype", "chain_product"})
# These can write where they are told to, which Python's operators cannot.
UFUNCS: Mapping[Any, np.ufunc] = {
    add: np.add,
    sub: np.subtract,
    mul: np.multiply,
    truediv: np.true_divide,
    neg: np.negative,
}
PYTHON_NUMBERS = (bool, int, float)
# Where a node has fewer arguments than others.
ABSENT = (-1, -1)
# x + −0 is x, for every x.
NOTHING = -0.0


def suits(root: Value) -> bool:
    """Whether `Levels` can run the graph of `root` and has reason to: it is made of many numbers.

    Costs a walk through the graph, which ends at the first array.
    """
    nodes: list[Node] = [root]
    seen = {root.serial}
    for node in nodes:
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
    given at each run, those of all other leaves stay what they are now. Comparisons and work under
    `no_grad` are computed anew where they were recorded.
    Raises `UnsupportedError` where the graph holds an array, `StaleGraphError` where another leaf
    was rebound since, `OperandError` where a value is listed twice, and what `backward` raises.
    """

    def __init__(self, root: Value, leaves: Sequence[Value], inputs: Sequence[Value] = ()) -> None:
        start(root, None)  # which says why there is no gradient where there is none
        graph = Graph(root, (*leaves, *inputs), len(leaves))
        self.nodes = graph.count
        self.leaves, self.inputs = len(leaves), len(inputs)
        self.root = graph.dtype[graph.root], graph.slot[graph.root]
        self.steps = list(graph.steps())
        self.active = [step for step in reversed(self.steps) if step.active]
        self.slopes = list(graph.leaf_sums())
        self.given = list(graph.given_slots())
        self.seeds = graph.seeds()
        self.template = graph.values()
        self.sizes = graph.gradient_sizes
        dtypes = [graph.dtypes[graph.dtype[i]] for i in range(len(leaves))]
        self.leaf_dtype = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)
        self._spare: list[tuple[Buffers, Buffers]] = []

    def run(self, leaf_values: Any, input_values: Any = ()) -> tuple[Any, Array]:
        """The root's number and ∂root/∂leaf in the order of the leaves.

        Shapes: (leaves,), (inputs,) -> (), (leaves,). Both are the caller's. Raises `ShapeError`.
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
        code, slot = self.root
        result = values[code][slot]
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
        return result, total

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


class Gather:
    """Numbers of a buffer by their places: a view where these follow one another."""

    __slots__ = ("count", "index", "period", "shape", "where")

    def __init__(self, index: Array) -> None:
        self.shape, self.count = index.shape, index.size
        self.index, self.where, self.period = index, None, 0
        flat = index.reshape(-1)
        if consecutive(flat):
            self.where = slice(int(flat[0]), int(flat[0]) + self.count)
            return
        # Several times the same numbers, as where many terms get the gradient of their sum.
        again = np.flatnonzero(flat[1:] == flat[0])
        if again.size:
            period = int(again[0]) + 1
            first = flat[:period]
            if (
                period >= NARROW
                and self.count % period == 0
                and consecutive(first)
                and (flat.reshape(-1, period) == first).all()
            ):
                self.where, self.period = slice(int(first[0]), int(first[0]) + period), period

    def read(self, buffer: Any) -> Any:
        """The numbers, to be read only, in the shape of the index."""
        if self.where is None:
            return buffer.take(self.index)
        view = buffer[self.where]
        if self.period:
            view = np.broadcast_to(view, (self.count // self.period, self.period))
        return view.reshape(self.shape)


def consecutive(index: Array) -> bool:
    """Whether each number is one more than the one before."""
    size = index.size
    return bool(index[-1] - index[0] == size - 1 and (size < 3 or (np.diff(index) == 1).all()))


class Rows(Gather):
    """A matrix of numbers of which some rows lie in the buffer as they are."""

    __slots__ = ("pieces",)

    def __init__(self, index: Array) -> None:
        super().__init__(index)
        self.pieces: list[tuple[int, int, Gather]] = []
        rows, columns = index.shape
        if self.where is not None or rows < 2 or columns < NARROW:
            return
        whole = (np.diff(index, axis=1) == 1).all(axis=1)
        joined = whole[1:] & whole[:-1] & (index[1:, 0] == index[:-1, -1] + 1)
        # A new piece begins where a row does not continue the one before, in memory or in kind.
        cuts = np.flatnonzero(~(joined | ~(whole[1:] | whole[:-1]))) + 1
        if len(cuts) < 6 and whole.any():
            edges = [0, *cuts.tolist(), rows]
            self.pieces = [(low, high, Gather(index[low:high])) for low, high in pairwise(edges)]

    def read(self, buffer: Any) -> Any:
        """The numbers, to be read only, in the shape of the index."""
        if not self.pieces:
            return super().read(buffer)
        out = np.empty(self.shape, buffer.dtype)
        for low, high, gather in self.pieces:
            out[low:high] = gather.read(buffer)
        return out


class Sums:
    """Sums of numbers of a buffer, each from its first term to its last, as the graph adds.

    `index` holds the places of all terms, those of sum i from `starts[i]` on, `counts[i]` of them.
    """

    __slots__ = ("parts",)

    def __init__(self, index: Array, starts: Array, counts: Array) -> None:
        self.parts: list[tuple[Any, Gather]] = []
        # Sums of like length are done together, the shorter ones filled up with nothing.
        lengths = np.frexp(np.maximum(counts, 1) - 0.5)[1]
        for length in np.unique(lengths):
            rows = np.flatnonzero((lengths == length) & (counts > 0))
            if not rows.size:
                continue
            term = np.arange(counts[rows].max())[:, None]
            inside = term < counts[rows]
            places = np.where(inside, index[np.where(inside, starts[rows] + term, 0)], 0)
            where = slice(int(rows[0]), int(rows[-1]) + 1) if consecutive(rows) else rows
            self.parts.append((where, Rows(places)))

    def into(self, out: Any, buffer: Any) -> None:
        """Write all sums, one after the other."""
        for where, gather in self.parts:
            terms = gather.read(buffer)
            if len(terms) == 1:
                out[where] = terms[0]
            elif terms.shape[1] == 1:
                # NumPy's sum along memory would add pairs of pairs.
                out[where] = np.add.accumulate(terms[:, 0])[-1]
            elif where.__class__ is slice:
                np.add.reduce(terms, axis=0, out=out[where], initial=NOTHING)
            else:
                out[where] = np.add.reduce(terms, axis=0, initial=NOTHING)


class Total:
    """Sums at one depth."""

    __slots__ = ("active", "collect", "out", "sums")

    def __init__(self, out: tuple[int, slice], sums: Sums, collect: Collect | None) -> None:
        self.out, self.sums, self.collect = out, sums, collect
        # A term reads the gradient of its sum from where it is: there is no message to write.
        self.active = collect is not None

    def forward(self, values: Buffers, kept: dict[Any, Any]) -> None:
        """Add up."""
        code, where = self.out
        self.sums.into(values[code][where], values[code])

    def backward(self, values: Buffers, gradients: Buffers, kept: dict[Any, Any]) -> None:
        """Add up the gradients that several messages make."""
        if self.collect:
            self.collect(gradients)


class Collect(NamedTuple):
    """Gradients that several messages make."""

    code: int
    where: Any
    sums: Sums

    def __call__(self, gradients: Buffers) -> None:
        """Add up the messages."""
        buffer = gradients[self.code]
        if self.where.__class__ is slice:
            self.sums.into(buffer[self.where], buffer)
        else:
            out = np.empty(len(self.where), buffer.dtype)
            self.sums.into(out, buffer)
            buffer[self.where] = out


class Message(NamedTuple):
    """What a group sends to one of its arguments: the rule, and where the products go."""

    rule: Any
    code: int
    where: slice


class Group:
    """Nodes of one operation at one depth."""

    __slots__ = (
        "active",
        "arguments",
        "collect",
        "direct",
        "g",
        "messages",
        "op",
        "options",
        "out",
    )

    def __init__(
        self,
        op: Operation,
        options: Mapping[str, Any],
        out: tuple[int, slice],
        arguments: list[tuple[int, Any]],
        g: Gather | None,
        messages: list[Message],
        collect: Collect | None,
    ) -> None:
        self.op, self.options, self.out, self.arguments = op, options, out, arguments
        self.g, self.messages, self.collect = g, messages, collect
        self.active = bool(messages or collect)
        forward = UFUNCS.get(op.forward, op.forward)
        self.direct = forward if isinstance(forward, np.ufunc) and not options else None

    def read(self, values: Buffers) -> list[Any]:
        """The arguments: arrays, or a constant that all nodes share."""
        return [item if code < 0 else item.read(values[code]) for code, item in self.arguments]

    def forward(self, values: Buffers, kept: dict[Any, Any]) -> None:
        """Compute all nodes of the group."""
        code, where = self.out
        arrays = self.read(values)
        out = values[code][where]
        if self.direct:
            self.direct(*arrays, out=out)
        else:
            out[...] = self.op.forward(*arrays, **self.options)
        if self.messages:
            kept[self] = arrays

    def backward(self, values: Buffers, gradients: Buffers, kept: dict[Any, Any]) -> None:
        """Send the gradients of all nodes on to their arguments."""
        if self.collect:
            self.collect(gradients)
        if self.g is None:
            return
        code, where = self.out
        count = where.stop - where.start
        g = self.g.read(gradients[code])
        given = (values[code][where], *kept.pop(self))
        for rule, code, where in self.messages:
            target = gradients[code][where]
            if not callable(rule):
                if rule == -1:
                    np.negative(g, out=target)
                else:
                    target[...] = chain(g, rule or False)
            elif self.op.elementwise:
                slope = rule(*given, **self.options)
                # As chain does, but without an array in between.
                if slope.__class__ is not ndarray:
                    target[...] = chain(g, slope)
                else:
                    np.multiply(g, slope, out=target)
                    if not isfinite(add_up(target) if count > MANY else np.vdot(target, target)):
                        target[...] = repaired(target, g, slope)
            else:
                target[...] = rule(g, *given, **self.options)

    def works(self, values: Buffers) -> bool:
        """Whether operation and rules do to an array what they do to some of its numbers.

        A user's record may mix entries, or ask `if x > 0`.
        """
        code, where = self.out
        dtype, count = values[code].dtype, where.stop - where.start
        some = np.unique(np.linspace(0, count - 1, SAMPLE).astype(int)).tolist()
        try:
            arrays = self.read(values)
            out = np.asarray(self.op.forward(*arrays, **self.options))
            checks: list[tuple[Callable[..., Any], list[Any]]] = [(self.op.forward, arrays)]
            if self.op.elementwise:
                given = [out, *arrays]
                checks += [(rule, given) for rule, _, _ in self.messages if callable(rule)]
            for function, given in checks:
                whole = np.broadcast_to(function(*given, **self.options), count)
                parts = [[a[i] if a.__class__ is ndarray else a for a in given] for i in some]
                single = np.array([function(*part, **self.options) for part in parts])
                if not nearly(whole[some], single):
                    return False
        except Exception:  # a user's record may fail on arrays in any way
            return False
        return out.shape == (count,) and out.dtype == dtype


def nearly(ours: Array, theirs: Array) -> bool:
    """Whether numbers are the same but for far more rounding than there should be."""
    if ours.shape != theirs.shape:
        return False
    size = np.abs(theirs, where=np.isfinite(theirs), out=np.zeros(theirs.shape))
    near = np.abs(np.subtract(ours, theirs, dtype=float)) <= 1e-5 * size + 1e-6 * size.max()
    return bool((near | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))).all())


class Row(NamedTuple):
    """One node that is computed by itself; places are pairs of a buffer and an index."""

    slot: tuple[int, int]
    forward: Callable[..., Any]
    options: Mapping[str, Any]
    reads: tuple[tuple[int, int], ...]
    incoming: tuple[int, ...]  # where the messages are that make its gradient, if there are several
    g: int
    sends: tuple[tuple[Any, int, int], ...]
    elementwise: bool


class Narrow:
    """Nodes one after the other, as numbers: where too few are alike for a call on arrays."""

    __slots__ = ("active", "rows", "working")

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.working = [row for row in reversed(rows) if row.incoming or row.sends]
        self.active = bool(self.working)

    def forward(self, values: Buffers, kept: dict[Any, Any]) -> None:
        """Compute one node after the other."""
        for (code, slot), forward, options, reads, _, _, _, _ in self.rows:
            given = [values[c][i] for c, i in reads]
            out = forward(*given, **options) if options else forward(*given)
            values[code][slot] = out if out.__class__ is not ndarray else out[()]

    def backward(self, values: Buffers, gradients: Buffers, kept: dict[Any, Any]) -> None:
        """Send the gradients on, from the last node to the first."""
        for (code, slot), _, options, reads, incoming, gslot, sends, elementwise in self.working:
            buffer = gradients[code]
            if not incoming:
                g = buffer[gslot]
            elif len(incoming) < NARROW:
                first, *others = incoming
                g = buffer[first]
                for place in others:
                    g = g + buffer[place]
                buffer[gslot] = g
            else:
                g = buffer[gslot] = np.add.accumulate(buffer.take(list(incoming)))[-1]
            if not sends:
                continue
            given = [values[code][slot], *(values[c][i] for c, i in reads)]
            for rule, target, place in sends:
                if not callable(rule):
                    message = -g if rule == -1 else chain(g, rule or False)
                elif elementwise:
                    message = chain(g, rule(*given, **options) if options else rule(*given))
                else:
                    message = rule(g, *given, **options)
                if message.__class__ is ndarray:
                    message = message.reshape(())[()]
                gradients[target][place] = message


def total(*terms: Any) -> Any:
    """The terms from first to last."""
    first, *others = terms
    for term in others:
        first = first + term
    return first


class Graph:
    """A recorded graph as arrays of integers, and the program that is read off it.

    Nodes are numbered: those that are given at each run, in their order, then all others in the
    order of their creation, then the constants that are terms of sums. An edge is one argument of
    one node.
    """

    def __init__(self, root: Value, given: Sequence[Value], leaves: int) -> None:
        self.given, self.leaves = len(given), leaves
        self.read(root, given)
        self.levels()
        self.connect()
        self.group()
        self.number()
        self.point()

    def read(self, root: Value, given: Sequence[Value]) -> None:
        """Walk through the graph once; the only work that is done node by node, with `levels`."""
        nodes: list[Node] = list(given)
        seen = {node.serial: place for place, node in enumerate(nodes)}
        if len(seen) < len(nodes):
            raise OperandError("a value is listed twice among leaves and inputs; list it once")
        if root.serial not in seen:
            seen[root.serial] = len(nodes)
            nodes.append(root)
        flat: list[int] = []
        counts = [0] * len(given)
        kinds = [0] * len(given)
        constants: list[Any] = []
        known: dict[Any, int] = {None: 0}
        records: list[tuple[Any, Mapping[str, Any]]] = [(None, NO_OPTIONS)]
        for node in islice(nodes, len(given), None):  # which grows meanwhile
            op, inputs = node.op, node.inputs
            key = (op, frozen_options(node.options)) if node.options else op
            kind = known.get(key)
            if kind is None:
                kind = known[key] = len(records)
                records.append((op, node.options))
            kinds.append(kind)
            counts.append(len(inputs))
            for item in inputs:
                if isinstance(item, Node):
                    serial = item.serial
                    place = seen.get(serial)
                    if place is None:
                        place = seen[serial] = len(nodes)
                        nodes.append(item)
                    flat.append(place)
                else:
                    flat.append(~len(constants))
                    constants.append(item)
        self.records, self.constants = records, constants
        self.count = count = len(nodes)

        serials = np.fromiter(map(SERIAL, nodes), np.int64, count)
        serials[: self.given] = -1
        order = np.argsort(serials, kind="stable")
        rank = np.empty(count, np.intp)
        rank[order] = np.arange(count)
        self.root = int(rank[seen[root.serial]])
        ordered = [nodes[i] for i in order.tolist()]
        self.kind = np.array(kinds, np.intp)[order]
        self.data = [node._data for node in ordered]
        self.tracked = np.fromiter((node.requires_grad for node in ordered), bool, count)
        self.code()

        arity = np.array(counts, np.intp)
        consumer = np.repeat(rank, arity)
        first = np.cumsum(arity) - arity
        column = np.arange(len(flat)) - np.repeat(first, arity)
        argument = np.array(flat, np.intp)
        argument = np.where(argument >= 0, rank[argument], argument)
        late = np.flatnonzero(argument > consumer)
        if late.size:
            user, leaf = ordered[consumer[late[0]]], ordered[argument[late[0]]]
            raise StaleGraphError(stale(user, leaf))
        # What each node takes, by column; -1 where there is nothing, less than that for constants.
        self.arguments = np.full((count, max(2, int(arity.max()))), -1)
        self.arguments[consumer, column] = np.where(argument >= 0, argument, argument - 1)

    def code(self) -> None:
        """Number the dtypes, and let each node know its own."""
        classes = list(map(type, self.data))
        self.dtypes: list[np.dtype[Any]] = []
        codes: dict[type, int] = {}
        for kind in dict.fromkeys(classes):
            if kind not in PYTHON_NUMBERS and not issubclass(kind, np.number | np.bool_):
                refuse(self.data[classes.index(kind)])
            dtype: np.dtype[Any] = np.dtype(kind)
            if dtype not in self.dtypes:
                self.dtypes.append(dtype)
            codes[kind] = self.dtypes.index(dtype)
        self.dtype = np.fromiter(map(codes.__getitem__, classes), np.intp, len(classes))

    def levels(self) -> None:
        """The depth of each node, which sum it is a part of, and whether it needs a gradient.

        Of an addition that only another addition uses, no one else needs to know the result.
        """
        count, given = self.count, self.given
        arguments = self.arguments
        is_add = np.array([op is OPERATIONS["add"] for op, _ in self.records])[self.kind]
        for column in (arguments[:, 0], arguments[:, 1]):
            is_add &= (column < 0) | (self.dtype[column] == self.dtype)
        self.is_add = is_add & np.array([dtype.kind == "f" for dtype in self.dtypes])[self.dtype]
        is_add = self.is_add
        uses = np.bincount(arguments[arguments >= 0], minlength=count)
        folds = is_add & (uses == 1)

        # The lists end with what holds for a constant.
        first, second = arguments[:, 0].tolist(), arguments[:, 1].tolist()
        wide = (arguments[:, 2:] != -1).any(axis=1).tolist()
        adds, fold, tracked = is_add.tolist(), [*folds.tolist(), False], self.tracked.tolist()
        deepest = [-1] * count + [-2]  # of what goes into a node
        length = [1] * count + [0]
        into = [-1] * count
        needs = [False] * (count + 1)
        needs[: self.leaves] = [True] * self.leaves
        is_leaf = (self.kind == 0).tolist()
        for i in range(given, count):
            if is_leaf[i]:
                continue
            a, b = first[i], second[i]
            if a < 0:
                a = -1
            if b < 0:
                b = -1
            if adds[i] and (fold[a] or fold[b]):
                # The longer chain goes on, so that a total of many small sums is not cut up.
                if not fold[a] or (fold[b] and length[b] > length[a]):
                    a, b = b, a
                into[a] = i
                length[i] = length[a] + 1
                below, other = deepest[a], deepest[b] + 1
                deepest[i] = below if below > other else other
            else:
                below, other = deepest[a], deepest[b]
                deepest[i] = (below if below > other else other) + 1
            if wide[i]:
                others = [item for item in arguments[i].tolist() if item >= 0]
                deepest[i] = max(deepest[item] for item in others) + 1
                needs[i] = tracked[i] and any(needs[item] for item in others)
            elif needs[a] or needs[b]:
                needs[i] = tracked[i]
        self.depth = np.array(deepest[:count]) + 1
        self.needs = np.array(needs[:count])
        folded = np.array(into)
        self.inner = folded >= 0
        self.head = np.where(self.inner, folded, np.arange(count))
        while (self.inner[self.head]).any():
            self.head = self.head[self.head]

    def connect(self) -> None:
        """All edges but those inside of a sum, and which of them a gradient takes."""
        consumer, column = np.nonzero(self.arguments != -1)
        argument = self.arguments[consumer, column]
        is_sum = self.is_add[consumer]
        # A constant among the terms of a sum becomes a number of the buffer.
        terms = np.flatnonzero(is_sum & (argument < 0))
        self.extra: list[Any] = []
        if terms.size:
            codes = self.dtype[consumer[terms]]
            found: dict[Any, int] = {}
            places = []
            for code, item in zip(codes.tolist(), argument[terms].tolist(), strict=True):
                constant = self.dtypes[code].type(self.constants[-2 - item])
                key = code, constant.tobytes()
                place = found.get(key)
                if place is None:
                    place = found[key] = self.count + len(self.extra)
                    self.extra.append((code, constant))
                places.append(place)
            argument[terms] = places
            more = np.array([code for code, _ in self.extra])
            blank = np.zeros(len(more), bool)
            self.dtype = np.concatenate([self.dtype, more])
            self.needs = np.concatenate([self.needs, blank])
            self.inner = np.concatenate([self.inner, blank])
        keep = (argument < 0) | ~self.inner[argument]
        self.consumer, self.column, self.argument = consumer[keep], column[keep], argument[keep]
        self.unit = self.head[self.consumer]

        # Where nothing comes in, as from a comparison, the gradient is that of the first place: 0.
        self.active = (self.argument >= 0) & self.needs[self.argument] & self.needs[self.consumer]
        passes = np.zeros((len(self.records), self.arguments.shape[1]), bool)
        for kind, (op, _) in enumerate(self.records):
            if op is not None and op.elementwise:
                passes[kind, : op.count] = [
                    rule.__class__ in (int, float) and rule == 1 for rule in op.array_rules
                ]
        same = self.dtype[self.argument] == self.dtype[self.unit]
        self.passes = self.active & passes[self.kind[self.consumer], self.column] & same

    def group(self) -> None:
        """Number the groups by depth, and put the nodes of each in the order of its consumer."""
        nodes = np.flatnonzero((self.kind > 0) & ~self.inner[: self.count])
        self.units = nodes
        look = np.where(self.is_add, len(self.records), self.kind)
        look = look * len(self.dtypes) + self.dtype[: self.count]
        classes: dict[type, int] = {}
        constant = np.array([classes.setdefault(type(c), len(classes)) for c in self.constants])
        ordinary = ~self.is_add[self.consumer]
        for column in range(self.arguments.shape[1]):
            edges = np.flatnonzero((self.column == column) & ordinary)
            argument = self.argument[edges]
            what = np.zeros(self.count, np.intp)
            codes = 1 + 2 * self.dtype[argument] + self.active[edges]
            of_constants = argument < 0
            if of_constants.any():
                offset = 1 + 2 * len(self.dtypes)
                codes[of_constants] = offset + constant[-2 - argument[of_constants]]
            what[self.consumer[edges]] = codes
            look = look * (1 + int(what.max())) + what
            if column > 1:
                look = np.unique(look, return_inverse=True)[1]
        looks = np.unique(look[nodes], return_inverse=True)[1]
        key = self.depth[nodes] * (1 + int(looks.max(initial=0))) + looks
        groups = np.unique(key, return_inverse=True)[1]
        self.of = np.full(len(self.dtype), -1)
        self.of[nodes] = groups
        order = np.argsort(groups, kind="stable")
        self.bounds = np.searchsorted(groups[order], np.arange(int(groups.max(initial=-1)) + 2))
        members = nodes[order]

        # The terms of all sums, those of one behind one another.
        self.terms = np.flatnonzero(self.is_add[self.consumer])
        self.terms = self.terms[np.argsort(self.unit[self.terms], kind="stable")]
        self.lengths = np.bincount(self.unit[self.terms], minlength=self.count)
        self.starts = np.cumsum(self.lengths) - self.lengths

        wish = np.arange(len(self.dtype)) - len(self.dtype)
        position = 0
        bounds = self.bounds.tolist()
        for low, high in zip(reversed(bounds[:-1]), reversed(bounds[1:]), strict=True):
            if high - low < NARROW:
                continue
            here = members[low:high]
            here = members[low:high] = here[np.argsort(wish[here])]
            if self.is_add[here[0]]:
                lengths = self.lengths[here]
                edges = spread(self.starts[here], lengths)
                term = edges - np.repeat(self.starts[here], lengths)
                read = self.argument[self.terms[edges[np.argsort(term, kind="stable")]]]
            else:
                read = self.arguments[here].T.reshape(-1)
                read = read[read >= 0]
            wish[read] = np.arange(position, position + len(read))
            position += len(read)
        self.members = members

    def number(self) -> None:
        """Give each number its place in the buffer of its dtype; the first holds nothing."""
        constants = np.arange(self.count, len(self.dtype))
        leaves = np.flatnonzero((self.kind == 0)[self.given :]) + self.given
        sequence = np.concatenate([np.arange(self.given), leaves, constants, self.members])
        self.slot = np.zeros(len(self.dtype), np.intp)
        self.value_sizes = []
        for code in range(len(self.dtypes)):
            mine = sequence[self.dtype[sequence] == code]
            self.slot[mine] = np.arange(1, 1 + len(mine))
            self.value_sizes.append(1 + len(mine))

    def point(self) -> None:
        """Say where each gradient is, and where the messages are that make it.

        A number that is used once has the gradient that its consumer sends, and a term of a sum
        has that of the sum: neither is written again.
        """
        total = len(self.dtype)
        place = np.zeros(total, np.intp)
        place[self.members] = np.arange(len(self.members))
        edges = np.flatnonzero(self.active)
        argument, unit = self.argument[edges], self.unit[edges]
        passes = self.passes[edges]
        incoming = np.bincount(argument, minlength=total)
        inner = np.arange(total) >= self.given
        own = inner & (incoming > 1)
        own[self.root] = True

        # What is sent, last group first, with room before it for the sums that it is made of.
        sent = np.flatnonzero(~passes)
        columns = self.arguments.shape[1]
        group = self.of[unit[sent]]
        order = np.lexsort((place[unit[sent]], self.column[edges[sent]] + columns * -group))
        sent = sent[order]
        at = np.zeros(len(edges), np.intp)
        where = np.zeros(total, np.intp)
        self.gradient_sizes = []
        sums = self.members[own[self.members]]
        if self.root < self.given:
            sums = np.append(sums, self.root)
        sums = sums[np.argsort(-self.of[sums], kind="stable")]
        for code in range(len(self.dtypes)):
            mine = sums[self.dtype[sums] == code]
            where[mine] = np.arange(1, 1 + len(mine))
            messages = sent[self.dtype[argument[sent]] == code]
            at[messages] = np.arange(1 + len(mine), 1 + len(mine) + len(messages))
            self.gradient_sizes.append(1 + len(mine) + len(messages))

        pointer = np.arange(total)
        single = (incoming[argument] == 1) & inner[argument]
        by_message = np.flatnonzero(single & ~passes)
        where[argument[by_message]] = at[by_message]
        by_sum = np.flatnonzero(single & passes)
        pointer[argument[by_sum]] = unit[by_sum]
        while True:
            further = pointer[pointer]
            if (further == pointer).all():
                break
            pointer = further
        self.gradient = where[pointer]
        self.own, self.incoming = own, incoming

        source = np.where(passes, self.gradient[unit], at)
        # The sweep adds messages from the last consumer to the first.
        order = np.argsort(
            argument * (self.count + 1) + (self.count - self.consumer[edges]), kind="stable"
        )
        self.sources = source[order]
        self.source_starts = np.cumsum(incoming) - incoming
        self.message = np.zeros(len(self.argument), np.intp)
        self.message[edges] = at
        self.sends = self.active & ~self.passes

    def seeds(self) -> list[tuple[int, int]]:
        """Where the sweep begins."""
        return [(int(self.dtype[self.root]), int(self.gradient[self.root]))]

    def given_slots(self) -> Iterator[tuple[bool, Any, int, Any]]:
        """Where the numbers of leaves and inputs go."""
        for is_leaf, low, high in (
            (True, 0, self.leaves),
            (False, self.leaves, self.given),
        ):
            nodes = np.arange(low, high)
            for code in range(len(self.dtypes)):
                mine = nodes[self.dtype[nodes] == code]
                if mine.size:
                    yield (
                        is_leaf,
                        as_slice(mine - low),
                        code,
                        as_slice(self.slot[mine]),
                    )

    def leaf_sums(self) -> Iterator[tuple[int, Any, Any]]:
        """The sums that are the gradients of the leaves."""
        nodes = np.arange(self.leaves)
        if self.root < self.leaves:
            yield -1, [self.root], None
        for code in range(len(self.dtypes)):
            mine = nodes[(self.dtype[nodes] == code) & (self.incoming[nodes] > 0)]
            if mine.size:
                yield code, mine, self.sums_of(mine)

    def sums_of(self, nodes: Array) -> Sums:
        """How the gradients of `nodes` are added up."""
        return Sums(self.sources, self.source_starts[nodes], self.incoming[nodes])

    def values(self) -> Buffers:
        """The buffers with all numbers as they were recorded, and the constants."""
        buffers: Buffers = []
        for code, (dtype, size) in enumerate(zip(self.dtypes, self.value_sizes, strict=True)):
            buffer = np.zeros(size, dtype)
            if dtype.kind == "f":
                buffer[0] = NOTHING
            if len(self.dtypes) == 1:
                buffer[self.slot[: self.count]] = self.data
            else:
                mine = np.flatnonzero(self.dtype[: self.count] == code)
                buffer[self.slot[mine]] = [self.data[i] for i in mine.tolist()]
            if dtype.kind == "f":
                buffer[0] = NOTHING
            buffers.append(buffer)
        for place, (code, constant) in enumerate(self.extra, self.count):
            buffers[code][self.slot[place]] = constant
        return [*buffers, self.constants]

    def steps(self) -> Iterator[Total | Group | Narrow]:
        """The program, first to last."""
        self.edge = np.full(self.arguments.shape, -1)
        self.edge[self.consumer, self.column] = np.arange(len(self.consumer))
        self.term_slots = self.slot[self.argument[self.terms]]
        recorded = self.values()
        bounds = self.bounds.tolist()
        count = len(bounds) - 1
        terms = np.where(self.is_add[self.members], self.lengths[self.members], 0)
        work = np.diff(self.bounds)
        if count:
            work = np.maximum(work, np.add.reduceat(terms, self.bounds[:-1]) // 4)
        small = (work < NARROW).tolist()
        steps: list[tuple[int, int, Total | Group | None]] = []
        for group in range(count):
            low, high = bounds[group : group + 2]
            step = None if small[group] else self.step(self.members[low:high], recorded)
            if step is None and steps and steps[-1][2] is None:
                low = steps.pop()[0]
            steps.append((low, high, step))
        for low, high, step in steps:
            yield step or Narrow(list(self.rows(self.members[low:high])))

    def step(self, nodes: Array, recorded: Buffers) -> Total | Group | None:
        """The nodes of a group at once, or None where they cannot be done so."""
        count, first = len(nodes), int(nodes[0])
        op, options = self.records[self.kind[first]]
        code = int(self.dtype[first])
        start = int(self.slot[first])
        out = code, slice(start, start + count)
        collect = None
        several = nodes[self.own[nodes] & (self.incoming[nodes] > 0)]
        if several.size:
            where = as_slice(self.gradient[several])
            collect = Collect(code, where, self.sums_of(several))
        if self.is_add[first]:
            sums = Sums(self.term_slots, self.starts[nodes], self.lengths[nodes])
            return Total(out, sums, collect)
        if not (op.elementwise or op.name in POINTWISE or not op.differentiable):
            return None
        arguments: list[tuple[int, Any]] = []
        messages = []
        for column in range(self.arguments.shape[1]):
            items = self.arguments[nodes, column]
            if items[0] == -1:
                break
            if items[0] < 0:
                constants = [self.constants[i] for i in (-2 - items).tolist()]
                arguments.append((-1, constants))
                continue
            arguments.append((int(self.dtype[items[0]]), Gather(self.slot[items])))
            edges = self.edge[nodes, column]
            if self.sends[edges[0]]:
                at = int(self.message[edges[0]])
                target = int(self.dtype[items[0]])
                messages.append(Message(op.array_rules[column], target, slice(at, at + count)))
        dtypes = [self.dtypes[code] for code, _ in arguments if code >= 0]
        try:
            arguments = [
                (code, item if code >= 0 else operand(item, dtypes)) for code, item in arguments
            ]
        except (ValueError, TypeError, OverflowError):
            return None
        g = Gather(self.gradient[nodes]) if messages else None
        group = Group(op, options, out, arguments, g, messages, collect)
        with np.errstate(all="ignore"):
            return group if group.works(recorded) else None

    def rows(self, nodes: Array) -> Iterator[Row]:
        """Nodes that are computed one by one."""
        arguments = self.arguments[nodes].T
        is_node = arguments >= 0
        codes = np.where(is_node, self.dtype[arguments], -1).tolist()
        places = np.where(is_node, self.slot[arguments], -2 - arguments).tolist()
        reads = zip(codes, places, strict=True)
        edges = self.edge[nodes].T
        sends = np.where(is_node & self.sends[edges], self.message[edges], -1).tolist()
        counts = np.where(self.own[nodes], self.incoming[nodes], 0)
        # All in tuples, and those of integers only: the garbage collector looks through a list
        # again and again.
        for node, kind, place, g, at, count, read, slots in zip(
            nodes.tolist(),
            self.kind[nodes].tolist(),
            zip(self.dtype[nodes].tolist(), self.slot[nodes].tolist(), strict=True),
            self.gradient[nodes].tolist(),
            self.source_starts[nodes].tolist(),
            counts.tolist(),
            zip(*(zip(*pair, strict=True) for pair in reads), strict=True),
            zip(*sends, strict=True),
            strict=True,
        ):
            incoming = tuple(self.sources[at : at + count].tolist()) if count else ()
            op, options = self.records[kind]
            if self.is_add[node]:
                first = self.starts[node]
                terms = self.term_slots[first : first + self.lengths[node]].tolist()
                given = tuple((place[0], term) for term in terms)
                forward = add if len(given) == 2 else total
                yield Row(place, forward, NO_OPTIONS, given, incoming, g, (), True)
                continue
            messages = tuple(
                (
                    partial(op.array_rules[0], position=column)
                    if op.variadic
                    else op.array_rules[column],
                    read[column][0],
                    slot,
                )
                for column, slot in enumerate(slots)
                if slot >= 0
            )
            if read[-1] == ABSENT:
                read = tuple(pair for pair in read if pair != ABSENT)
            yield Row(place, op.forward, options, read, incoming, g, messages, op.elementwise)


def operand(constants: list[Any], dtypes: list[np.dtype[Any]]) -> Any:
    """The constants of a group as one if they are one, else as an array.

    Python's numbers take the dtype that they would take beside numbers of `dtypes`.
    """
    first = constants[0]
    if all(item is first for item in constants):
        return first
    array: Array = np.array(constants)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise TypeError("not numbers")
    if array.tobytes() == array[:1].tobytes() * array.size:
        return first
    weak = first.__class__ in PYTHON_NUMBERS
    return array.astype(np.result_type(*dtypes, first)) if weak else array


def spread(starts: Array, lengths: Array) -> Array:
    """The numbers start, start + 1, … of each run, one run behind the other."""
    ends = np.cumsum(lengths)
    places: Array = np.arange(int(ends[-1])) + np.repeat(starts - ends + lengths, lengths)
    return places


def as_slice(index: Array) -> Any:
    """The same places as a slice where they follow one another."""
    return slice(int(index[0]), int(index[0]) + index.size) if consecutive(index) else index


def frozen_options(options: Mapping[str, Any]) -> Any:
    """Something equal for equal options; a mapping that cannot be compared is by itself."""
    key = tuple((name, type(value), value, str(value)) for name, value in options.items())
    try:
        hash(key)
    except TypeError:
        return id(options)
    return key


def refuse(data: Any) -> NoReturn:
    """Say why a graph cannot be run by levels."""
    raise UnsupportedError(
        f"a program by levels is made of single numbers, and this graph holds data of shape "
        f"{np.shape(data)}; write the whole computation with arrays, or index the numbers out "
        "before it begins"
    )
