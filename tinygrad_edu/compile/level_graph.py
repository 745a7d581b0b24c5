"""A recorded graph of numbers as arrays of integers, and the steps that are read off it.

The nodes of a group are numbered in the order in which their consumer reads them, which makes
most gathers slices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice, takewhile
from operator import add, attrgetter
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..engine.node import NO_OPTIONS, Node
from ..engine.operation import OPERATIONS
from ..engine.sweep import stale
from ..engine.value import Value
from ..errors import OperandError, StaleGraphError, UnsupportedError
from .level_steps import (
    NARROW,
    NOTHING,
    Array,
    Buffers,
    Collect,
    Gather,
    Group,
    Message,
    Narrow,
    Row,
    Sums,
    Total,
    consecutive,
    total,
)

SERIAL, SCOPE = attrgetter("serial"), attrgetter("scope")
# Structural operations that on numbers work entry by entry, their pullbacks too.
POINTWISE = frozenset({"astype", "chain_product"})
PYTHON_NUMBERS = (bool, int, float)
# Where a node has fewer arguments than others.
ABSENT = (-1, -1)
Step = Total | Group | Narrow


class Note(NamedTuple):
    """What is said of a step where its program is shown."""

    depths: tuple[int, int]
    operations: Mapping[str, int]
    scope: str


class Graph:
    """A recorded graph as arrays of integers, and the program that is read off it.

    Nodes are numbered: those that are given at each run, in their order, then all others in the
    order of their creation, then the constants that are terms of sums. An edge is one argument of
    one node.
    """

    def __init__(
        self, root: Value, given: Sequence[Value], leaves: int, others: Sequence[Value] = ()
    ) -> None:
        self.given, self.leaves = len(given), leaves
        self.read(root, given, others)
        self.levels()
        self.connect()
        self.group()
        self.number()
        self.point()

    def read(self, root: Value, given: Sequence[Value], others: Sequence[Value]) -> None:
        """Walk through the graph once; the only work that is done node by node, with `levels`."""
        nodes: list[Node] = list(given)
        seen = {node.serial: place for place, node in enumerate(nodes)}
        if len(seen) < len(nodes):
            raise OperandError("a value is listed twice among leaves and inputs; list it once")
        flat: list[int] = []
        counts = [0] * len(given)
        kinds = [0] * len(given)
        constants: list[Any] = []
        known: dict[Any, int] = {None: 0}
        records: list[tuple[Any, Mapping[str, Any]]] = [(None, NO_OPTIONS)]
        below: list[int] = []  # how many nodes lead to the root, and then to each other result

        def walk() -> Iterator[Node]:
            for result in (root, *others):
                start = len(nodes)
                if result.serial not in seen:
                    seen[result.serial] = start
                    nodes.append(result)
                yield from islice(nodes, start, None)  # which grows meanwhile
                below.append(len(nodes))

        for node in walk():
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
        self.root, *self.others = [int(rank[seen[each.serial]]) for each in (root, *others)]
        self.below_root = rank[: below[0]]
        ordered = [nodes[i] for i in order.tolist()]
        self.kind = np.array(kinds, np.intp)[order]
        self.data = [node._data for node in ordered]
        self.scopes = list(map(SCOPE, ordered))
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
        folds[[self.root, *self.others]] = False

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
        swept = np.zeros(len(self.dtype), bool)
        swept[self.below_root] = True
        self.active &= swept[self.consumer]
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

    def steps(self) -> Iterator[tuple[Note, Step]]:
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
            members = self.members[low:high]
            yield self.note(members), step or Narrow(list(self.rows(members)))

    def note(self, nodes: Array) -> Note:
        """Where in the graph, and in the user's code, the nodes of a step are."""
        depths = self.depth[nodes]
        kinds = np.where(self.is_add[nodes], 0, self.kind[nodes])
        names: Counter[str] = Counter()
        for kind, count in enumerate(np.bincount(kinds).tolist()):
            if count:
                names[self.records[kind][0].name if kind else "sum"] += count
        scopes = {self.scopes[node] for node in nodes.tolist()}
        return Note((int(depths.min()), int(depths.max())), names, common(scopes))

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
                rule = op.array_rules[column]
                messages.append(Message(rule, column, target, slice(at, at + count)))
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


def common(scopes: Iterable[str]) -> str:
    """The scope that all of these lie in, with a star where they differ."""
    one, *others = scopes
    if not others:
        return one
    paths = (scope.split(".") for scope in (one, *others))
    same = list(takewhile(lambda names: len(set(names)) == 1, zip(*paths, strict=False)))
    return ".".join([*(names[0] for names in same), "*"])


def refuse(data: Any) -> NoReturn:
    """Say why a graph cannot be run by levels."""
    raise UnsupportedError(
        f"a program by levels is made of single numbers, and this graph holds data of shape "
        f"{np.shape(data)}; write the whole computation with arrays, or index the numbers out "
        "before it begins"
    )
