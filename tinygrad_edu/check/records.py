"""One operation judged over all that its record declares: domain, options, shapes, kinks, extremes.

Entries of an element-wise operation do not mix, so hundreds of points are moved by each call of its
forward; of the others a weighted sum of all outputs is differentiated, shape by shape.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from ..engine.operation import Case, Elementwise, Operation
from ..engine.sweep import gradients as swept
from ..engine.value import Value
from .mistakes import guess
from .report import Entry, Report
from .samples import (
    Call,
    apply,
    arguments,
    arguments_on_kink,
    away,
    close_call,
    distances,
    fixed_cases,
    magnitudes,
    numbers,
    on,
    operation,
    option_sets,
    short,
    unbounded,
)
from .slope import (
    HALVINGS,
    LEAST_SIZE,
    NOISE_POINTS,
    evidence,
    largest_step,
    limit,
    noise_of,
    sample_points,
)
from .verdict import SHARP, Verdict, apart, decide

Array = np.ndarray[Any, np.dtype[Any]]

# How many derivatives of an element-wise operation are judged at points, by and large, and of how
# many points. Far out many functions are all but constant, and float64 cannot tell their slopes.
FIRST, SECOND, FEWEST = 200, 100, 6
SHARES = {"magnitudes": 0.4, "round": 0.28, "near": 0.28, "far": 0.02, "wide": 0.02}
# Of points where a value changes by less than this share of it as an argument grows by 1, at most
# this share of all points is taken.
FLAT, FLAT_SHARE = 1e-7, 0.03
ON_KINK, CANDIDATES = 4, 200
# How many entries are judged in one combination of shapes, beside a random direction.
ENTRIES = 3
# So many entries keep the differences that `plot` draws.
KEPT = 30
# float32 rounds each number to 6e-8 of itself; a rule computes with several.
SINGLE, SINGLE_SIZE = 1e-4, 1e-5
SINGLE_LARGEST = 1e37
# Points at which the noise of a rule is measured lie so far apart, in units of the first step.
SPACING = 2.0**-17 * 0.9031
ROUNDED = "the rule's own rounding is as large as its error"
SURROGATE = "its rule stands in for the derivative on purpose"


def rule(record: Any, *, seed: int = 0) -> Report:
    """Judge the rules of one operation, yours or ours, over its whole domain.

    `record` is the operation, its name, or the NumPy function it stands for. Judged are the first
    and second derivatives for each set of options, at numbers of every size from 1e-6 to 1e3, at
    special ones, and in shapes that broadcast or are empty; on each kink, where a rule must lie
    between the slopes on the two sides; at each extreme, where value and derivatives must be
    finite without a warning; and in float32. `seed` draws the numbers.
    Raises `UnknownNameError` for a name that no operation has, `OperandError` for an operation
    without a derivative.
    """
    op = operation(record)
    trial = Trial(op, np.random.default_rng(seed))
    with np.errstate(all="ignore"):
        if isinstance(op, Elementwise):
            trial.points()
        trial.shapes()
        trial.extremes()
    return trial.report()


class Trial:
    """The verdicts on one operation as they come in."""

    def __init__(self, op: Operation, rng: np.random.Generator) -> None:
        self.op = op
        self.rng = rng
        self.entries: list[Entry] = []
        self.guesses: list[str] = []
        self.counterexample = ""
        self.undeclared = ""
        self.evaluations = 0
        self.kinks_met: set[int] = set()
        self.tried_points = self.tried_shapes = 0

    # ---- what is said of one derivative ----

    def judge(
        self,
        name: str,
        claim: float,
        values: list[float],
        at: float,
        at_kink: bool = False,
        noise: Callable[[], float] = lambda: 0.0,
    ) -> Verdict:
        """The verdict on one claim, from the values of the function around the number `at`.

        `noise` measures that of the claim itself, if it is far off.
        """
        unit = largest_step(at)
        seen = evidence(values, unit, at)
        verdict = decide(claim, seen)
        if at_kink and verdict.reason == "jump":
            verdict = beside(claim, values, unit) or verdict
        close = verdict.kind == "wrong" and verdict.error <= SHARP * abs(claim) < math.inf
        if close and verdict.error <= noise():
            verdict = replace(verdict, kind="inconclusive", reason=ROUNDED)
        if self.op.surrogate and not verdict.ok:
            verdict = replace(verdict, kind="inconclusive", reason=SURROGATE, inside=True)
        self.entries.append(Entry(name, verdict, seen.steps, seen.quotients))
        return verdict

    def refuse(
        self, name: str, reason: str, claim: float = math.nan, expected: float = math.nan
    ) -> None:
        """An entry that is wrong for a reason that no differences are needed for."""
        said = reason.replace("{", "{{").replace("}", "}}")
        verdict = Verdict("wrong", claim, expected, math.inf, math.nan, math.nan, reason=said)
        self.entries.append(Entry(name, verdict))

    # ---- element-wise operations: many points at once ----

    def points(self) -> None:
        """First and second derivatives at points of the domain, and first ones on the kinks."""
        op, options = self.op, option_sets(self.op)
        count = len(op.arguments)
        firsts = max(FIRST // (count * len(options)), FEWEST)
        seconds = max(SECOND // (count**2 * len(options)), FEWEST)
        for each in options:
            call = self.scattered(firsts, each)
            self.derivatives(call)
            self.in_float32(call, self.name(call))
            if not op.constant:
                some = Call(tuple(a[:seconds] for a in call.arrays), each)
                self.derivatives(some, twice=True)
            for which in range(len(op.kinks)):
                self.on_kink(which, each)

    def scattered(self, count: int, options: Mapping[str, Any]) -> Call:
        """Points of the domain of every size, special numbers among them, none on a kink."""
        op, rng = self.op, self.rng
        columns = []
        for position in range(len(op.arguments)):
            parts = []
            for kind, share in SHARES.items():
                most = math.ceil(1.5 * share * count)  # some fall on kinks
                if kind in ("magnitudes", "far"):
                    parts.append(magnitudes(op, position, most, rng, kind == "far"))
                else:
                    drawn = numbers(op, position, (most,), kind, rng)  # type: ignore[arg-type]
                    parts.append(short(drawn, 4))
            columns.append(np.concatenate(parts))
            rng.shuffle(columns[-1])
        call = Call(tuple(columns), options)
        clear = np.all([np.ones(len(columns[0])), *(d > 0 for d in distances(op, call))], axis=0)
        flat = clear & self.flat(call)
        some = np.flatnonzero(flat)[: math.ceil(FLAT_SHARE * count)]
        chosen = np.concatenate([some, np.flatnonzero(clear & ~flat), np.flatnonzero(flat)])
        # What is flat comes twice; of both the first is kept, and shuffled with the rest.
        chosen = rng.permutation(list(dict.fromkeys(chosen.tolist()))[:count])
        return Call(tuple(column[chosen] for column in columns), options)

    def flat(self, call: Call) -> Any:
        """Where a value hardly changes, whatever moves: its slopes are hidden by its rounding."""
        values = apply(self.op, call.arrays, call.options)
        flat = values != 0
        for position, array in enumerate(call.arrays):
            half = self.units(array) / 2
            before, after = call.arrays[:position], call.arrays[position + 1 :]
            ends = [
                self.value(
                    lambda *a: apply(self.op, a, call.options), (*before, array + move, *after)
                )
                for move in (half, -half)
            ]
            flat = flat & (np.abs(ends[0] - ends[1]) <= FLAT * half * np.abs(values))
        return flat

    def derivatives(self, call: Call, at_kink: bool = False, twice: bool = False) -> None:
        """The partials at all points of a call; with `twice` the partials of the partials."""
        op, name = self.op, self.name(call)
        ones = np.ones(len(call.arrays[0]))

        def values(*arrays: Any) -> Any:
            if not twice:
                return apply(op, arrays, call.options)[None]
            leaves = tuple(map(Value, arrays))
            return np.stack(swept(apply(op, leaves, call.options), leaves, ones))

        def claims(*arrays: Any) -> Any:
            leaves = tuple(map(Value, arrays))
            slopes = swept(apply(op, leaves, call.options), leaves, ones, create_graph=twice)
            if not twice:
                return np.stack(slopes)[None]
            none = np.zeros((len(leaves), ones.size))
            return np.stack([swept(g, leaves, ones) if g.requires_grad else none for g in slopes])

        try:
            claimed = claims(*call.arrays)
        except Exception as error:
            self.refuse(f"{name(None)} twice" if twice else name(None), raised(error))
            return

        @cache
        def nearby() -> Any:
            """The claims close by: those of a rule that rounds well lie on a smooth curve."""
            spacings = [SPACING * self.units(array) for array in call.arrays]
            shifted = (
                [a + (i + 0.5) * h for a, h in zip(call.arrays, spacings, strict=True)]
                for i in range(NOISE_POINTS)
            )
            return np.array([claims(*arrays) for arrays in shifted])

        def own_noise(*place: int) -> float:
            return noise_of(nearby()[(slice(None), *place)].tolist()) or 0.0

        smooth = np.all([ones, *away(op, call)], axis=0)  # so the record says
        if not twice:
            self.tried_points += ones.size
        for j, by in enumerate(op.arguments):
            table = self.table(values, call, j)
            for i in range(len(claimed)):
                if twice and not callable(op.rules[i]):
                    continue
                label = by
                if twice:
                    label = f"{by} twice" if i == j else f"{op.arguments[i]} and {by}"
                columns = zip(
                    claimed[i, j].tolist(),
                    table[:, i].T.tolist(),
                    call.arrays[j].tolist(),
                    strict=True,
                )
                verdicts = [
                    self.judge(
                        f"{name(k)} by {label}",
                        *column,
                        at_kink,
                        partial(own_noise, i, j, k),
                    )
                    for k, column in enumerate(columns)
                ]
                if not at_kink:
                    self.explain(label, verdicts)
                for k in np.flatnonzero(smooth).tolist():
                    if verdicts[k].kind == "kink":
                        self.undeclared = self.undeclared or f"{name(k)} by {label}"

    def explain(self, label: str, verdicts: Sequence[Verdict]) -> None:
        """Guess at the mistake that makes derivatives wrong."""
        told = [v for v in verdicts if v.kind in ("correct", "wrong") and v.bar < math.inf]
        if all(v.ok for v in told):
            return
        parts = (
            np.array([getattr(v, part) for v in told]) for part in ("claim", "expected", "bar")
        )
        sentence = guess(*parts)
        if sentence:
            self.guesses.append(f"by {label}: {sentence}")

    def on_kink(self, which: int, options: Mapping[str, Any]) -> None:
        """The partials at points that are exactly on a kink and away from the others."""
        op = self.op
        shapes = ((CANDIDATES,),) * len(op.arguments)
        call = close_call(op, Case(shapes, options), which, self.rng)
        met = np.all([on(op, call, which), *away(op, call, which)], axis=0)
        met &= np.isfinite(apply(op, call.arrays, options))  # otherwise it is a pole
        different = np.unique(np.stack(call.arrays)[:, met], axis=1)
        if different.size:
            self.kinks_met.add(which)
            chosen = self.rng.permutation(different.T)[:ON_KINK]
            self.derivatives(Call(tuple(chosen.T), options), at_kink=True)

    def table(self, f: Callable[..., Any], call: Call, position: int) -> Array:
        """The values of `f` as an argument moves, all of its entries at a time: a row for each of
        the sample points.
        """
        arrays = call.arrays
        units = self.units(arrays[position])
        rows: list[Any] = []
        for t in sample_points(1.0):
            moved = arrays[position] + t * units
            rows.append(self.value(f, (*arrays[:position], moved, *arrays[position + 1 :])))
        shape = max(units.shape, *(np.shape(row) for row in rows), key=len)
        return np.array([np.broadcast_to(row, shape) for row in rows])

    def units(self, array: Any) -> Any:
        """The first step of each entry."""
        return np.array([largest_step(x) for x in array.tolist()])

    # ---- any operation: small arrays, one entry at a time ----

    def shapes(self) -> None:
        """Derivatives of a weighted sum of all outputs, in every declared shape and others."""
        op = self.op
        simple = isinstance(op, Elementwise)
        declared = 0 if simple else len(op.cases)
        for number, case in enumerate(fixed_cases(op)):
            call = arguments(op, case, "near" if number % 2 else "round", self.rng)
            self.tried_shapes += 1
            self.sums(call, ENTRIES)
            if number >= declared:
                continue  # shapes with lengths 1 and 0
            self.in_float32(call, lambda _, call=call: self.shaped(call))  # type: ignore[misc]
            if (scaled := self.scaled(call)) is not None:
                self.sums(scaled, 1)
            self.sums(call, 1, twice=True)
            for which in range(len(op.kinks)):
                met = arguments_on_kink(op, case, which, self.rng)
                if met is not None:
                    self.kinks_met.add(which)
                    self.sums(met, ON_KINK, at_kink=True)

    def scaled(self, call: Call) -> Call | None:
        """A call with all numbers times one of 1e-6 to 1e2, unless that leads to a kink."""
        size = float(f"{10.0 ** self.rng.uniform(-6, 2):.1g}")
        if not all(unbounded(self.op, i) for i in range(len(call.arrays))):
            return None
        scaled = Call(tuple(size * array for array in call.arrays), call.options)
        clear = all(np.all(distance > 0) for distance in distances(self.op, scaled))
        return scaled if clear else None

    def sums(self, call: Call, most: int, at_kink: bool = False, twice: bool = False) -> None:
        """The derivatives of a weighted sum of outputs by some of the entries of the arguments.

        With `twice` of a weighted sum of its first derivatives, by arguments and weights.
        """
        op, name = self.op, self.shaped(call)
        names = self.names(call)
        try:
            weights = self.weights(np.shape(apply(op, call.arrays, call.options)))
            others = [self.weights(array.shape) for array in call.arrays]
            leaves = tuple(map(Value, (*call.arrays, weights) if twice else call.arrays))
            inner = leaves[: len(call.arrays)]
            out = apply(op, inner, call.options)
            if twice:
                firsts = swept(out, inner, leaves[-1], create_graph=True)
                terms = [np.sum(g * w) for g, w in zip(firsts, others, strict=True)]
                total = sum(terms[1:], terms[0])
                tracked = isinstance(total, Value) and total.requires_grad
                claims = swept(total, leaves) if tracked else [0 * leaf.data for leaf in leaves]
            else:
                claims = swept(out, inner, weights)
        except Exception as error:
            self.refuse(name, raised(error))
            self.remember(call)
            return

        def f(*arrays: Any) -> float:
            if not twice:
                return float(np.sum(weights * apply(op, arrays, call.options)))
            moved = tuple(map(Value, arrays[:-1]))
            slopes = swept(apply(op, moved, call.options), moved, arrays[-1])
            return float(sum(np.sum(g * w) for g, w in zip(slopes, others, strict=True)))

        arrays = tuple(leaf.data for leaf in leaves)
        order = "the gradient along" if twice else "along"

        def along(directions: Sequence[Any], label: str, at: float) -> bool:
            values = [
                self.value(f, [a + t * d for a, d in zip(arrays, directions, strict=True)])
                for t in sample_points(largest_step(at))
            ]
            pairs = zip(claims, directions, strict=True)
            claim = float(sum(np.sum(g * d) for g, d in pairs))
            verdict = self.judge(f"{name} {order} {label}", claim, values, at, at_kink)
            if not verdict.ok:
                self.remember(call)
            if verdict.kind == "kink" and all(map(np.all, away(op, call))):
                self.undeclared = self.undeclared or f"{name} {order} {label}"
            return verdict.ok

        places = [(i, index) for i, a in enumerate(arrays) for index in np.ndindex(a.shape)]
        if not places:
            return
        if not at_kink and len(places) > 1:
            sizes = (np.maximum(np.abs(a), LEAST_SIZE) for a in arrays)
            directions = [self.weights(size.shape) * size for size in sizes]
            if not along(directions, "a random direction", 0.5):
                most = len(places)
        for chosen in self.rng.permutation(len(places))[:most]:
            number, index = places[chosen]
            directions = [np.zeros(a.shape) for a in arrays]
            directions[number][index] = 1.0
            label = [*names, "weights"][number] + (str(list(index)) if index else "")
            along(directions, label, float(arrays[number][index]))

    def weights(self, shape: tuple[int, ...]) -> Any:
        """Short numbers with different sizes, none of them 0."""
        size = math.prod(shape)
        drawn = (self.rng.permutation(size) + 4) * self.rng.choice((-0.125, 0.125), size)
        return drawn.reshape(shape)[()]

    # ---- extremes and float32 ----

    def extremes(self) -> None:
        """Value and derivatives where the record says that they stay finite."""
        op = self.op
        for extreme in op.extremes:
            shape = ((),) * len(extreme)
            cases = (
                [Case(shape, options) for options in option_sets(op)]
                if isinstance(op, Elementwise)
                else fixed_cases(op)
            )
            for case in cases:
                arrays = (np.full(s, x)[()] for s, x in zip(case.shapes, extreme, strict=True))
                self.at_extreme(Call(tuple(arrays), case.options))

    def at_extreme(self, call: Call) -> None:
        """Refuse what is not finite at an extreme, or warns, in float64 and in float32."""
        op = self.op
        simple = isinstance(op, Elementwise)
        name = self.name(call)(None) if simple else self.shaped(call)
        largest = 0.0
        for kind in (np.float64, np.float32):
            if kind is np.float32 and not largest < SINGLE_LARGEST:
                return
            leaves = tuple(Value(kind(array)) for array in call.arrays)
            said = "" if kind is np.float64 else " in float32"
            try:
                with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
                    warnings.simplefilter("error")
                    out = apply(op, leaves, call.options)
                gradients = swept(out, leaves, np.ones(out.shape, kind))
            except Exception as error:
                self.refuse(name + said, f"at this declared extreme {raised(error)}")
                return
            found = {name: out.data, **dict(zip(self.names(call), gradients, strict=True))}
            for label, data in found.items():
                if not np.all(np.isfinite(data)):
                    shown = name if label == name else f"{name} by {label}"
                    bad = float(np.ravel(data)[~np.isfinite(np.ravel(data))][0])
                    what = "value" if label == name else "derivative"
                    self.refuse(
                        shown + said, f"the {what} is {bad} at this declared extreme", claim=bad
                    )
            sizes = [np.abs(a).max(initial=0) for a in (*call.arrays, *found.values())]
            largest = float(np.max(sizes))

    def in_float32(self, call: Call, name: Callable[[int | None], str]) -> None:
        """Refuse a value or a derivative that float32 makes much worse, or that widens it."""
        op = self.op
        single = tuple(np.float32(array) for array in call.arrays)
        results = []
        try:
            for kind in (np.float32, np.float64):
                leaves = tuple(Value(kind(array)) for array in single)
                out = apply(op, leaves, call.options)
                ones = np.ones(out.shape, kind)
                results.append((out.data, *swept(out, leaves, ones)))
        except Exception as error:
            self.refuse(f"{name(None)} in float32", raised(error))
            return
        if results[0][0].dtype != np.float32 and "dtype" not in call.options:
            found = results[0][0].dtype
            self.refuse(f"{name(None)} in float32", f"float32 goes in and {found} comes out")
            return
        labels = ["", *(f" by {argument}" for argument in self.names(call))]
        for label, got, want in zip(labels, *results, strict=True):
            usual = np.median(np.abs(want)) if np.size(want) else 0.0
            room = SINGLE * np.abs(want) + SINGLE_SIZE * max(usual, 1.0)
            bad = np.flatnonzero(~(np.abs(got - want) <= room) & (np.abs(want) < SINGLE_LARGEST))
            for k in bad[:1]:
                numbers = float(np.ravel(got)[k]), float(np.ravel(want)[k])
                self.refuse(
                    f"{name(int(k))}{label} in float32",
                    f"float32 gives {numbers[0]:.8g} and float64 {numbers[1]:.8g}",
                    *numbers,
                )

    # ---- calls, names, the report ----

    def value(self, f: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """A value of the function, NaN where it refuses the numbers."""
        self.evaluations += 1
        try:
            return f(*arrays)
        except (ArithmeticError, ValueError):
            return math.nan

    def names(self, call: Call) -> Sequence[str]:
        """What the arrays of a call are called."""
        if self.op.variadic:
            return [f"{self.op.arguments[0]}[{i}]" for i in range(len(call.arrays))]
        return self.op.arguments

    def name(self, call: Call) -> Callable[[int | None], str]:
        """Writes the call with the numbers of one of its points; all of it where there is none."""

        def written(k: int | None) -> str:
            if k is None and np.ndim(call.arrays[0]):
                return self.op.name
            numbers = (float(a if k is None else a[k]) for a in call.arrays)
            parts = [f"{n}={x!r}" for n, x in zip(self.op.arguments, numbers, strict=True)]
            return f"{self.op.name}({', '.join([*parts, *told(call.options)])})"

        return written

    def shaped(self, call: Call) -> str:
        """The call with the shapes of its arrays."""
        parts = [
            f"{name} of shape {array.shape}"
            for name, array in zip(self.names(call), call.arrays, strict=True)
        ]
        return f"{self.op.name}({', '.join([*parts, *told(call.options)])})"

    def remember(self, call: Call) -> None:
        """Keep the first counterexample in full."""
        if not self.counterexample:
            lists = [
                f"{name}={np.asarray(array).tolist()}"
                for name, array in zip(self.names(call), call.arrays, strict=True)
            ]
            self.counterexample = (
                f"A counterexample: {self.op.name}({', '.join([*lists, *told(call.options)])})"
            )

    def notes(self) -> list[str]:
        """What was tried, and what else is to be said."""
        op = self.op
        points = f"{self.tried_points} points of its domain, " if self.tried_points else ""
        shapes = f"{self.tried_shapes} combinations of shapes and options"
        kinks = f"{len(self.kinks_met)} of {len(op.kinks)} declared kinks"
        extremes = f"{len(op.extremes)} declared extremes"
        orders = "its derivative is constant" if op.constant else "first and second derivatives"
        notes = [f"{op.name} was tried at {points}{shapes}, {kinks}, {extremes}: {orders}."]
        if self.undeclared:
            notes.append(f"A kink that the record does not declare: {self.undeclared}.")
        if op.surrogate:
            notes.append(f"{op.name} is a surrogate: {SURROGATE}, so nothing here is wrong.")
        return [*notes, *([self.counterexample] if self.counterexample else [])]

    def report(self) -> Report:
        """All verdicts; differences are kept of the worst entries only."""
        worst = sorted(self.entries, key=lambda entry: entry.severity, reverse=True)[:KEPT]
        kept = {id(entry) for entry in worst}
        entries = (
            entry if id(entry) in kept else Entry(entry.name, entry.verdict)
            for entry in self.entries
        )
        guesses = tuple(dict.fromkeys(self.guesses))
        return Report(tuple(entries), tuple(self.notes()), guesses, self.evaluations)


def beside(claim: float, values: Sequence[float], unit: float) -> Verdict | None:
    """The verdict at a jump, by the slopes beside it: values on one side, none at the point.

    None where a side has no slope: the tangent is vertical.
    """
    _, _, *rest = values
    sides = []
    for sign, side in ((-1.0, rest[HALVINGS : 2 * HALVINGS]), (1.0, rest[:HALVINGS])):
        steps = [unit * 2.0**-k for k in range(HALVINGS)]
        pairs = list(itertools.pairwise(zip(side, steps, strict=True)))
        slopes = [sign * (a - b) / (h - k) for (a, h), (b, k) in pairs]
        noises = [2.0**-51 * (abs(a) + abs(b)) / (h - k) for (a, h), (b, k) in pairs]
        sides.append(limit(slopes, noises, (1, 2, 3, 4)))
    if not all(side.bar < math.inf for side in sides):
        return None
    low, high = sorted(side.slope for side in sides)
    bar = max(side.bar for side in sides)
    inside = min(s.low for s in sides) <= claim <= max(s.high for s in sides)
    if not inside and not apart(*sides) and bar > 1e-6 * max(abs(claim), abs(high), abs(low)):
        return None
    return Verdict("kink", claim, (low + high) / 2, bar, low, high, inside=inside)


def told(options: Mapping[str, Any]) -> list[str]:
    """Options as they are written in a call."""
    return [
        f"{name}={value.tolist() if isinstance(value, np.ndarray) else value!r}"
        for name, value in options.items()
    ]


def raised(error: Exception) -> str:
    """What to say of a forward or a rule that raises."""
    return f"it raises {type(error).__name__}: {error}"
