"""Two classical tests of derivatives as tools of their own: dot product and Taylor remainder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import derivatives
from ..engine.node import Node
from ..errors import OperandError, ShapeError
from ..tables import width
from .directions import contracted
from .noise import EPSILON
from .problem import Array, Problem
from .report import Entry, Report
from .slope import LEAST_SIZE
from .verdict import MOST_DIGITS, SHARP, Verdict, judge
from .words import sentence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Roundings of a summand, on its way and in the sum, that are usual.
ROUNDINGS = 8
# How far inputs are moved, as a share of themselves, and how often, to see the rounding inside of
# rules; of what power the trend is that is no rounding; and how many times what is seen it may be.
MOVED, POINTS, TREND, MARGIN = (2e-7, 2e-5), 10, 3, 10
# Along a direction that is scaled by the inputs, t is as a number of this size.
SIZE = 1.0
# An order is fitted to remainders this many times above rounding, over so many steps.
CLEAR, FITTED, FEWEST = 8, 8, 3

DERIVED = (
    "Forward mode is the pullback of the pullback here: that both modes agree proves nothing new; "
    "that Jv agrees with finite differences does."
)
GIVEN = (
    "Agreement of ⟨u, Jv⟩ and ⟨Jᵀu, v⟩ proves that both modes are of the same Jacobian, not that "
    "it is f's; that Jv agrees with finite differences does, along this v."
)
WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "step": "step h",
        "order": "order",
        "summary": "remainders of order {first} and {second}; g·v: {verdict}",
        "rounding": "– (all rounding)",
        "infinite": "– (not finite)",
    },
    "ja": {
        "step": "刻み幅 h",
        "order": "次数",
        "summary": "剰余の次数：{first}、{second}、g·v：{verdict}",
        "rounding": "–（丸め誤差のみ）",
        "infinite": "–（有限でない）",
    },
}
FIRST, SECOND = "|f(x+hv) − f(x)|", "|f(x+hv) − f(x) − h g·v|"


def dot_product(
    f: Callable[..., Any],
    *inputs: Any,
    jvp: Callable[..., Any] | None = None,
    vjp: Callable[..., Any] | None = None,
    seed: int = 0,
) -> Report:
    """Judge whether forward and reverse mode agree, ⟨u, Jv⟩ = ⟨Jᵀu, v⟩ for random u and v.

    `jvp(inputs, tangents)` is the tangent of f, of f's shape; `vjp(inputs, u)` is the gradient of
    ⟨u, f⟩ by each input, a tuple. Both are given tuples of arrays. One left out is the engine's;
    where both are given f may be of any library. Nothing is truncated, so the two numbers differ
    by rounding only. Jv is compared with finite differences as well, along the same v; the notes
    say what that proves.
    Raises `OperandError`, `DtypeError` or `ShapeError` for what cannot be differentiated at all.
    """
    if not inputs:
        raise OperandError("give the inputs at which to check, as in dot_product(f, x, y)")
    problem = Problem(f, inputs, vjp if jvp is not None else None)
    rng = np.random.default_rng(seed)
    u = rng.standard_normal(problem.shape)
    v = [rng.standard_normal(x.shape) * np.maximum(np.abs(x), LEAST_SIZE) for x in problem.point]
    modes = Modes(f, jvp, vjp, u, v)
    forward, backward, size = modes.products(problem.point, v)
    misfit = modes.misfit
    bar = ROUNDINGS * size + modes.noise(problem.point, rng)
    agreement = wrong(forward, backward, misfit) if misfit else equal(forward, backward, bar)
    along = problem.along(v)
    slope, seen = judge(forward, lambda t: float(u.ravel() @ along(t)), SIZE)
    bar += slope.bar
    if slope.kind == "wrong" and abs(forward - slope.expected) <= bar:
        slope = equal(forward, slope.expected, bar)  # it is the claim that is rounded so much
    entries = (
        Entry("⟨u, Jv⟩ against ⟨Jᵀu, v⟩", agreement),
        Entry("Jv against finite differences", slope, seen.steps, seen.quotients),
    )
    notes = (*problem.notes, DERIVED if jvp is None and vjp is None else GIVEN)
    return Report(entries, notes, (), problem.evaluations)


class Modes:
    """Both modes' products with fixed u and v, at any inputs.

    `misfit` says what is wrong with the shapes that were returned, if anything is.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        jvp: Callable[..., Any] | None,
        vjp: Callable[..., Any] | None,
        u: Array,
        v: list[Array],
    ) -> None:
        self.jvp = jvp or (lambda inputs, tangents: derivatives.jvp(f, inputs, tangents)[1])
        self.vjp = vjp or (lambda inputs, u: derivatives.vjp(f, *inputs)[1](u))
        self.u, self.v = u, v
        self.misfit = ""

    def products(self, point: Sequence[Array], v: Sequence[Array]) -> tuple[float, float, float]:
        """⟨u, Jv⟩, ⟨Jᵀu, v⟩, and one rounding of all their summands; NaN where a shape is wrong."""
        tangents = tuple(each.copy()[()] for each in v)
        with np.errstate(all="ignore"):
            forward = bare(self.jvp(tuple(x.copy()[()] for x in point), tangents))
            given = self.vjp(tuple(x.copy()[()] for x in point), self.u.copy()[()])
            if len(point) == 1 and not isinstance(given, tuple | list):
                given = (given,)
            if not isinstance(given, tuple | list) or len(given) != len(point):
                raise OperandError(
                    f"vjp must return {len(point)} gradients, one for each input, as a tuple"
                )
            backward = [bare(g) for g in given]
            if forward.shape != self.u.shape:
                self.misfit = f"jvp returned shape {forward.shape}, f has {self.u.shape}"
                forward = np.full(self.u.shape, np.nan)
            for i, (g, x) in enumerate(zip(backward, point, strict=True)):
                if g.shape != x.shape:
                    self.misfit = f"vjp returned shape {g.shape} for an input of shape {x.shape}"
                    backward[i] = np.full(x.shape, np.nan)
            # Others may compute in float32.
            epsilon = max(np.finfo(g.dtype).eps for g in (forward, *backward))
            terms = [self.u * forward, *(g * v for g, v in zip(backward, v, strict=True))]
            sums = [float(np.sum(term, dtype=np.float64)) for term in terms]
            size = float(epsilon) * sum(float(np.sum(np.abs(term))) for term in terms)
        return sums[0], sum(sums[1:]), size

    def noise(self, point: Sequence[Array], rng: np.random.Generator) -> float:
        """How much of the products' difference is rounding inside of the rules.

        It is what goes up and down without a trend as x moves a little, and v, in which both
        products are linear, much. An error has a trend.
        """
        x_ways = [rng.uniform(0.5, 1, x.shape) * x for x in point]
        v_ways = [rng.uniform(0.5, 1, v.shape) * v for v in self.v]
        noise = 0.0
        for share in MOVED:
            ts = rng.uniform(-1, 1, POINTS)
            table = []
            for t in ts:
                moved = [x + t * share * way for x, way in zip(point, x_ways, strict=True)]
                turned = [v + t * way for v, way in zip(self.v, v_ways, strict=True)]
                forward, backward, _ = self.products(moved, turned)
                table.append(forward - backward)
            if np.all(np.isfinite(table)):
                left = np.polyval(np.polyfit(ts, table, TREND), ts) - table
                noise = max(noise, math.sqrt(np.sum(left**2) / (POINTS - TREND - 1)))
        return MARGIN * noise


def bare(item: Any) -> Array:
    """What a rule returned, as an array of floats."""
    data = np.asarray(item._data if isinstance(item, Node) else item)
    return data if data.dtype.kind == "f" else data.astype(np.float64)


def equal(claim: float, expected: float, bar: float) -> Verdict:
    """The verdict on two numbers that should be the same but for rounding."""
    finite = math.isfinite(claim), math.isfinite(expected)
    if not any(finite):
        reason = "neither product is a finite number"
        return Verdict("inconclusive", claim, expected, bar, -math.inf, math.inf, reason=reason)
    if not all(finite) or not abs(claim - expected) <= bar:
        return wrong(claim, expected, "" if finite[0] else "claim", bar)
    low, high = expected - bar, expected + bar
    scale = max(abs(claim), abs(expected))
    if bar > SHARP * scale:
        return Verdict("inconclusive", claim, expected, bar, low, high, reason="rounding")
    digits = min(-math.log10(bar / scale), MOST_DIGITS) if bar else MOST_DIGITS
    return Verdict("correct", claim, expected, bar, low, high, digits=digits)


def wrong(claim: float, expected: float, reason: str, bar: float = math.inf) -> Verdict:
    """The verdict on two numbers that should be the same and are not."""
    return Verdict("wrong", claim, expected, bar, expected - bar, expected + bar, reason=reason)


def taylor(
    f: Callable[..., Any], *inputs: Any, rule: Callable[..., Any] | None = None, seed: int = 0
) -> Taylor:
    """Judge f's gradient g by the remainders of its Taylor series along a random direction v.

    |f(x+hv) − f(x)| shrinks with h, and |f(x+hv) − f(x) − h g·v| with h² if g is right. g is the
    engine's, or what `rule(*inputs)` returns, as for `gradients`; of several outputs a random
    weighted sum is taken. It costs as much for many inputs as for one.
    Raises `OperandError`, `DtypeError` or `ShapeError` for what has no gradient of x's shape.
    """
    if not inputs:
        raise OperandError("give the inputs at which to check, as in taylor(f, x, y)")
    problem = Problem(f, inputs, rule)
    rng = np.random.default_rng(seed)
    outer, gradient, misshapen = contracted(problem, rng)
    if misshapen:
        name = problem.names[misshapen[0]]
        shape = problem.point[misshapen[0]].shape
        raise ShapeError(f"rule must return a gradient of shape {shape} for input {name}")
    point = np.concatenate([x.ravel() for x in problem.point])
    direction = rng.standard_normal(point.size) * np.maximum(np.abs(point), LEAST_SIZE)
    along = problem.along(problem.pieces(direction))
    values: dict[float, float] = {}

    def value(t: float) -> float:
        return values.setdefault(t, float(outer @ along(t)))

    finite = np.isfinite(gradient)
    with np.errstate(invalid="ignore"):
        slope = float(gradient @ direction)
        # x + hv is rounded as well, which changes f.
        carried = float(np.abs(gradient[finite]) @ np.abs(point[finite]))
    verdict, seen = judge(slope, value, SIZE)
    centre, pairs = values[0.0], [(h, values[h]) for h in seen.steps]
    return Taylor(
        steps=seen.steps,
        first=tuple(abs(value - centre) for _, value in pairs),
        second=tuple(abs(value - centre - h * slope) for h, value in pairs),
        floor=tuple(
            2 * seen.noise + EPSILON * (carried + 2 * abs(value) + abs(centre))
            for _, value in pairs
        ),
        verdict=verdict,
        notes=tuple(problem.notes),
    )


@dataclass(frozen=True)
class Taylor:
    """How fast f approaches its tangent as the step is halved.

    `first` is |f(x+hv) − f(x)|, `second` is |f(x+hv) − f(x) − h g·v|, one for each of `steps`; of
    less than `floor` they are rounding. `verdict` is that on g·v, from the same values of f and
    those on the other side.
    """

    steps: tuple[float, ...]
    first: tuple[float, ...]
    second: tuple[float, ...]
    floor: tuple[float, ...]
    verdict: Verdict
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the gradient."""
        return self.verdict.ok

    @property
    def orders(self) -> tuple[float, float]:
        """The powers of h in both remainders at small steps; NaN for one that is all rounding.

        With the right gradient of a smooth f the second is 2, or more where f is hardly curved;
        with a wrong one, or on the wrong side of a kink, it is 1.
        """
        return self.order(self.first), self.order(self.second)

    def order(self, remainders: Sequence[float]) -> float:
        """The slope of a line through the last remainders that are clear of rounding."""
        clear = [
            (math.log2(h), math.log2(r))
            for h, r, floor in zip(self.steps, remainders, self.floor, strict=True)
            if CLEAR * floor < r < math.inf
        ]
        if len(clear) < FEWEST:
            return math.nan
        return linear_regression(*zip(*clear[-FITTED:], strict=True)).slope

    def summary(self, lang: str = "en") -> str:
        """One line: both orders, and the verdict on g·v."""
        verdict = sentence(self.verdict, lang)  # which refuses an unknown language
        say = WORDS[lang]

        def spelled(order: float, remainders: Sequence[float]) -> str:
            if not math.isnan(order):
                return f"{order:.2f}"
            return say["rounding" if any(map(math.isfinite, remainders)) else "infinite"]

        first, second = self.orders
        return say["summary"].format(
            first=spelled(first, self.first), second=spelled(second, self.second), verdict=verdict
        )

    def table(self, lang: str = "en") -> str:
        """The summary, and for each step both remainders with their orders since the last step."""
        summary = self.summary(lang)
        order = WORDS[lang]["order"]
        lines = [(WORDS[lang]["step"], FIRST, order, SECOND, order)]
        for k, h in enumerate(self.steps):
            pairs = [
                (f"{remainders[k]:.3e}", self.since(k, remainders))
                for remainders in (self.first, self.second)
            ]
            lines.append((f"{h:.3e}", *pairs[0], *pairs[1]))
        widths = [max(width(line[i]) for line in lines) for i in range(len(lines[0]))]
        rows = [
            "  ".join(" " * (w - width(cell)) + cell for cell, w in zip(line, widths, strict=True))
            for line in lines
        ]
        return "\n".join([summary, *rows, *self.notes])

    def since(self, k: int, remainders: Sequence[float]) -> str:
        """The order of a remainder between two steps, the last number k; "–" where it is hidden."""
        if k == 0 or not all(CLEAR * self.floor[i] < remainders[i] < math.inf for i in (k - 1, k)):
            return "–"
        return f"{math.log2(remainders[k - 1] / remainders[k]):.2f}"

    def __str__(self) -> str:
        return self.table()

    def plot(self, lang: str = "en") -> Figure:
        """Both remainders against the step, beside slopes of 1 and 2 and the rounding floor."""
        from ..draw.differences import taylor_remainders

        return taylor_remainders(self, lang=lang)
