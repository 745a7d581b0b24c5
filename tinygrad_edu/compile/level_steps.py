"""The steps of a program by levels: many numbers gathered from buffers and computed at once.

A buffer holds all numbers of one dtype, another what flows back to them. Each step reads both by
the places that it was given, which are slices as often as can be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import isfinite
from operator import add, mul, neg, sub, truediv
from typing import Any, NamedTuple

import numpy as np

from ..engine.chain import chain, repaired
from ..engine.operation import Operation

Array = np.ndarray[Any, np.dtype[Any]]
Buffers = list[Any]

ndarray = np.ndarray
# A NumPy call costs as much as so many nodes one by one.
NARROW = 16
# For a vdot of more numbers than these BLAS would wake its threads, which can take long.
MANY = 10_000
add_up = np.add.reduce
# Of so many nodes of a group it is tried whether arrays are treated as numbers are.
SAMPLE = 8
# These can write where they are told to, which Python's operators cannot.
UFUNCS: Mapping[Any, np.ufunc] = {
    add: np.add,
    sub: np.subtract,
    mul: np.multiply,
    truediv: np.true_divide,
    neg: np.negative,
}
# x + −0 is x, for every x.
NOTHING = -0.0


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
        self.parts: list[tuple[Any, Rows]] = []
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
    column: int
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
        for rule, _, code, where in self.messages:
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
                checks += [(rule, given) for rule, _, _, _ in self.messages if callable(rule)]
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
