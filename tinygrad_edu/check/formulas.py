"""A function and the derivatives claimed of it, in numbers of as many digits as are wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.context import changed
from ..engine.node import Node
from ..engine.sweep import gradients as swept
from ..engine.value import Value
from ..errors import OperandError
from .numbers import context, lift
from .problem import Array
from .replay import Replay, rounded

FEWEST, MOST = 60, 1080


class Function:
    """f at a point as exact numbers see it: recorded and run again, or called on such numbers.

    `shape` and `value` are f's in float64; `summed` asks for the slopes of the sum of all outputs.
    """

    def __init__(
        self, f: Callable[..., Any], point: Sequence[Array], leaves: Sequence[Value] = ()
    ) -> None:
        self.f, self.point, self.leaves = f, point, leaves
        self.replay, self.shape, self.value = self.recorded()
        self.summed = False
        self.bases: dict[tuple[int, int | None], Any] = {}

    def recorded(self) -> tuple[Replay | None, tuple[int, ...], Array]:
        """The recording if it holds beside the point too, f's shape, and its value in float64.

        Raises `OperandError` where f can neither be recorded nor called on exact numbers.
        """
        try:
            # The point last: leaves that f places its arguments in are then those of its graph.
            programs = []
            for share in (-1e-9, 1e-9, 0):
                here = self.record(self.moved(share))
                programs.append(here.program())
            if programs[0] == programs[1] == programs[2]:
                root = here.roots[0]
                return here, root._data.shape, np.asarray(root._data)
            why: Any = (
                "what it does depends on numbers in a way that a graph does not hold: an `if`, "
                ".data or .item(), or chance"
            )
        except Exception as error:  # whatever a user's function raises
            why = error
        try:
            with context().workdps(FEWEST), np.errstate(all="ignore"):
                out, again = (lift(self.f(*map(lift, self.point))) for _ in range(2))
                if not np.all((out == again) | np.isnan(out)):
                    raise OperandError("two calls with the same input differ")
                value = np.asarray(self.f(*(x.copy()[()] for x in self.point)), np.float64)
        except Exception as error:
            raise OperandError(
                "the exact tier needs a function made of NumPy's functions and this package's "
                "operations, np.where in place of `if`, np.exp in place of math.exp; this one "
                f"cannot be recorded ({why}) nor called on numbers of 50 digits ({error})"
            ) from error
        return None, out.shape, value

    def record(self, point: Sequence[Array]) -> Replay:
        """The graph of f, comparisons and other results without a derivative included."""
        leaves = self.leaves or [Value(x[()]) for x in point]
        with changed(tracking=True, recording=True), np.errstate(all="ignore"):
            out = self.f(*(point if self.leaves else leaves))
        if not isinstance(out, Node):
            raise OperandError(f"it returned {type(out).__name__}, not a Value")
        return Replay([out], leaves)

    def moved(self, share: float) -> list[Array]:
        """The point, or one close by."""
        return [x + share * np.where(x == 0, 1.0, np.abs(x)) for x in self.point]

    def at(self, arrays: Sequence[Any], nearby: Any, seed: int | None) -> tuple[Any, Any]:
        """The outputs as a vector, and all that led to them; see `Replay.run`."""
        if self.replay is not None:
            data = self.replay.run(arrays, nearby, seed)
            return lift(data[id(self.replay.roots[0])]).reshape(-1), data
        if seed is None:
            return lift(self.f(*arrays)).reshape(-1), None
        rng = np.random.default_rng(seed)
        out = lift(self.f(*(rounded(array, rng) for array in arrays)))
        return rounded(out.reshape(-1), rng), None

    def base(self, digits: int, seed: int | None = None) -> tuple[list[Any], Any, Any]:
        """The point itself, the outputs there, and all that led to them."""
        if (digits, seed) not in self.bases:
            arrays = [lift(x) for x in self.point]
            self.bases[digits, seed] = (arrays, *self.at(arrays, None, seed))
        found: tuple[list[Any], Any, Any] = self.bases[digits, seed]
        return found

    def quotients(
        self, number: int, index: tuple[int, ...], rung: tuple[int, int], seed: int | None = None
    ) -> list[Any]:
        """The slopes of all outputs on the left and on the right of one entry of an input."""
        digits, power = rung
        with context().workdps(digits), np.errstate(all="ignore"):
            size = abs(float(self.point[number][index])) or 1.0
            h = size * context().mpf(10) ** -power
            point, home, data = self.base(digits, seed)
            sides = []
            for step in (-h, h):
                arrays = list(point)
                arrays[number] = lift(point[number])
                arrays[number][index] += step
                slope = (self.at(arrays, data, seed)[0] - home) / step
                sides.append(lift(np.sum(slope)).reshape(1) if self.summed else slope)
            return sides

    def finite(self, row: int) -> bool:
        """Whether an output, or their sum, is finite in float64."""
        return bool(np.all(np.isfinite(self.value if self.summed else self.value.flat[row])))

    def output(self, row: int) -> str:
        """How the derivatives of one of several outputs begin to be called."""
        if self.summed or self.value.size == 1:
            return ""
        return f"output{[int(i) for i in np.unravel_index(row, self.shape)]} by "

    def stand_ins(self) -> str:
        """What to say where an operation's rule stands in for a derivative on purpose."""
        nodes = self.replay.nodes if self.replay else ()
        names = {node.op.name for node in nodes if node.op and node.op.surrogate}
        return f"{', '.join(sorted(names))}: its gradient is a stand-in" if names else ""


class Rule:
    """The derivatives that are claimed, as formulas.

    `parts` holds for each input the rows of its Jacobian, nodes of `replay` or numbers; or None
    where they are not known.
    """

    def __init__(
        self, parts: Sequence[Sequence[Any] | None], point: Sequence[Array], leaves: Sequence[Node]
    ) -> None:
        self.parts, self.point = parts, point
        nodes = [g for part in parts for g in part or () if isinstance(g, Node)]
        self.replay = Replay(nodes, leaves)
        self.known: dict[int, list[Any]] = {}

    def at(self, number: int, place: tuple[int, ...], digits: int) -> Any:
        """One entry of a claimed Jacobian with so many digits; None where no formula is known."""
        if digits not in self.known:
            with context().workdps(digits), np.errstate(all="ignore"):
                self.known[digits] = self.tables()
        table = self.known[digits][number]
        return None if table is None else table[place].item()

    def tables(self) -> list[Any]:
        """All claimed Jacobians; None for those that are not known or do not fit their input."""
        data = self.replay.run([lift(x) for x in self.point]) if self.replay.roots else {}
        tables = []
        for part, x in zip(self.parts, self.point, strict=True):
            rows = [lift(data[id(g)] if isinstance(g, Node) else g) for g in part or ()]
            entries = np.concatenate([row.reshape(-1) for row in rows] or [lift(np.zeros(0))])
            fits = part is not None and x.size and entries.size % x.size == 0
            tables.append(entries.reshape(-1, *x.shape) if fits else None)
        return tables


def engine_rule(function: Function) -> Rule:
    """The engine's own gradients, recorded: those of each output, or of the sum of all."""
    replay, point = function.replay, function.point
    if replay is None or not replay.roots[0].requires_grad:
        return Rule([None] * len(point), point, ())
    root, leaves = replay.roots[0], tuple(replay.leaves)
    rows = np.ones((1, function.value.size)) if function.summed else np.eye(function.value.size)
    with changed(tracking=True, recording=True):
        found = [
            swept(root, leaves, row.reshape(function.shape)[()], create_graph=True) for row in rows
        ]
    return Rule([[each[i] for each in found] for i in range(len(leaves))], point, leaves)


def stated_rule(rule: Callable[..., Any], point: Sequence[Array]) -> tuple[Rule, str]:
    """A rule written by hand, recorded or called on exact numbers; and why it could not be."""

    def parts(arguments: Sequence[Any]) -> list[list[Any]]:
        given = rule(*arguments)
        listed = [given] if len(point) == 1 and not isinstance(given, tuple | list) else given
        return [[part if isinstance(part, Node) else lift(part)] for part in listed]

    try:
        leaves = [Value(x[()]) for x in point]
        with changed(tracking=True, recording=True), np.errstate(all="ignore"):
            return Rule(parts(leaves), point, leaves), ""
    except Exception as error:  # whatever a user's function raises
        why = str(error)
    try:
        with context().workdps(MOST), np.errstate(all="ignore"):
            return Rule(parts([lift(x) for x in point]), point, ()), ""
    except Exception as error:
        return Rule([None] * len(point), point, ()), f"{why}; {error}"
