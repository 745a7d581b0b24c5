"""What can be computed about an activation from its record alone: corners, limits, gains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf, sqrt
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from ..engine.operation import Elementwise, Operation
from .quadrature import gaussian_means

Array = np.ndarray[Any, np.dtype[Any]]

# Saturated: a slope below this share of the largest (te.flow uses the same).
SATURATED = 0.05
# Where shapes are looked for; all activations here are straight or flat further out.
REACH, FINENESS = 32.0, 1 / 64
FAR = 1e6
# What torch.nn.init.calculate_gain recommends.
TORCH_GAINS = {
    "linear": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": sqrt(2),
    "leaky_relu": sqrt(2 / (1 + 0.01**2)),
    "selu": 0.75,
}


def curve(op: Operation) -> bool:
    """Whether the operation is a function of one number, its other arguments having defaults."""
    return isinstance(op, Elementwise) and all(name in op.defaults for name in op.arguments[1:])


def parameters(op: Operation) -> tuple[Any, ...]:
    """The defaults of the arguments after the first."""
    return tuple(op.defaults[name] for name in op.arguments[1:])


def slope(op: Operation, x: Any) -> Any:
    """f′(x) by the record's rule."""
    rule = op.array_rules[0]
    x = np.asarray(x, np.float64)
    with np.errstate(all="ignore"):
        local = rule(op(x), x, *parameters(op)) if callable(rule) else rule
    return np.broadcast_to(np.asarray(local, np.float64), x.shape)


@dataclass(frozen=True)
class Corner:
    """A kink: f and f′ just left and right of it, and f′ there as the rule has it."""

    x: float
    values: tuple[float, float]
    slopes: tuple[float, float]
    chosen: float

    @property
    def jump(self) -> bool:
        """Whether f itself jumps here."""
        return abs(self.values[1] - self.values[0]) > 1e-9

    @property
    def smooth(self) -> bool:
        """Whether neither f nor f′ jumps here (only a higher derivative does)."""
        return not self.jump and abs(self.slopes[1] - self.slopes[0]) < 1e-9


def corners(op: Operation) -> tuple[Corner, ...]:
    """The places on the x axis that the record declares as kinks, from left to right."""
    found: set[float] = set()
    grid = np.arange(-REACH, REACH + FINENESS, FINENESS)
    for kink in op.kinks:
        if not callable(kink):
            found.add(float(kink))
            continue

        def distance(x: Any, kink: Callable[..., Any] = kink) -> Any:
            return np.broadcast_to(kink(x, *parameters(op)), np.shape(x))

        found.update(roots(distance, grid))
    return tuple(corner(op, x) for x in sorted(found))


def corner(op: Operation, x: float) -> Corner:
    """What happens at x."""
    # Not the next numbers: where x is 0 they are denormal, and 1/x of them infinite.
    beside = x + np.array([-1e-12, 1e-12]) * max(1.0, abs(x))
    left, right = (float(v) for v in op(beside))
    before, after = (float(s) for s in slope(op, beside))
    return Corner(x, (left, right), (before, after), float(slope(op, x)))


def roots(f: Callable[[Any], Any], grid: Array) -> Iterator[float]:
    """Where f is zero or changes its sign on the grid, by bisection."""
    heights = np.asarray(f(grid), np.float64)
    yield from grid[heights == 0].tolist()
    for i in np.flatnonzero(heights[:-1] * heights[1:] < 0):
        low, high = grid[i], grid[i + 1]
        for _ in range(60):
            middle = (low + high) / 2
            same = np.sign(f(np.array([middle]))[0]) == np.sign(heights[i])
            low, high = (middle, high) if same else (low, middle)
        plain = round(float(low), 12)
        yield float(high) if f(np.array([high]))[0] == 0 != f(np.array([plain]))[0] else plain


@dataclass(frozen=True)
class Facts:
    """Numbers about an activation with all parameters at their defaults.

    `mean` is E[φ(ζ)], `gain` 1/√E[φ(ζ)²] and `chi` E[φ′(ζ)²] for ζ ~ N(0, 1): with weights of
    variance V and n inputs, χ₁ = n V · `chi` at unit variance of the pre-activations, so `chi` is
    χ₁ under Xavier's rule (n V = 1) and twice that under He's (n V = 2). `saturated` are the
    intervals in which |f′| is below 5 % of its maximum, None where it has no maximum.
    """

    limits: tuple[float, float]
    monotone: bool
    mean: float
    lipschitz: float
    saturated: tuple[tuple[float, float], ...] | None
    gain: float
    torch_gain: float | None
    chi: float


def facts(op: Operation) -> Facts:
    """Everything above, computed. `op` must be a function of one number (`curve`)."""
    grid = np.arange(-REACH, REACH + FINENESS, FINENESS)
    breaks = corners(op)
    slopes = slope(op, grid)
    ends = np.abs(slope(op, np.array([-FAR, FAR])))
    jumps = any(each.jump for each in breaks)
    steepest = inf if ends.max() > 10 * np.abs(slopes).max() else largest_slope(op, grid)
    positions = [each.x for each in breaks]
    heights = op(grid)
    rises = np.diff(heights)
    second = gaussian_mean(lambda x: np.square(op(x)), positions)
    with np.errstate(all="ignore"):
        low, high = (float(v) + 0.0 for v in op(np.array([-inf, inf])))  # −0 is 0
    return Facts(
        limits=(low, high),
        monotone=bool(np.all(rises >= 0) or np.all(rises <= 0)),
        mean=gaussian_mean(lambda x: op(x), positions),
        lipschitz=inf if jumps else steepest,
        saturated=None if steepest == inf else saturated(op, grid, steepest),
        gain=1 / sqrt(second),
        torch_gain=TORCH_GAINS.get(op.name),
        chi=gaussian_mean(lambda x: np.square(slope(op, x)), positions),
    )


def largest_slope(op: Operation, grid: Array) -> float:
    """max |f′|, the peak between two points of the grid included."""
    heights = np.abs(slope(op, grid))
    peak = int(np.argmax(heights))
    for _ in range(3):
        grid = np.linspace(grid[max(peak - 1, 0)], grid[min(peak + 1, grid.size - 1)], 1001)
        heights = np.maximum(np.abs(slope(op, grid)), 0)
        peak = int(np.argmax(heights))
    return float(heights[peak])


def saturated(op: Operation, grid: Array, steepest: float) -> tuple[tuple[float, float], ...]:
    """The intervals in which |f′| < 5 % of its maximum."""

    def margin(x: Any) -> Any:
        return np.abs(slope(op, x)) - SATURATED * steepest

    borders = sorted({-inf, inf, *roots(margin, grid)})
    merged: list[tuple[float, float]] = []
    for low, high in pairwise(borders):
        inside = (max(low, -FAR) + min(high, FAR)) / 2
        if low == -inf:
            inside = min(high, REACH) - 1e-6
        elif high == inf:
            inside = low + 1e-6 if low < REACH else FAR
        if margin(np.array([inside]))[0] < 0:
            if merged and merged[-1][1] == low:
                merged[-1] = (merged[-1][0], high)
            else:
                merged.append((low, high))
    # A single point, where a wavy slope passes through 0, saturates nothing.
    return tuple((low, high) for low, high in merged if high - low > 2 * FINENESS)


def gaussian_mean(f: Callable[[Any], Any], breaks: list[float], variance: float = 1.0) -> float:
    """E[f(√variance ζ)] for ζ ~ N(0, 1), with the places where f or its slope jumps."""
    mean = float(gaussian_means(lambda x, _: np.asarray(f(x))[None], 0.0, variance, breaks)[0, 0])
    return mean if abs(mean) > 1e-12 else 0.0  # what is odd cancels but for rounding


def cost(op: Operation, relu: Operation, entries: int = 1_000_000, repeats: int = 7) -> float:
    """The time of a forward pass over float32 numbers, in units of relu's in the same run."""
    x = np.random.default_rng(0).standard_normal((entries // 1000, 1000)).astype(np.float32)
    ratios = []
    for _ in range(repeats):
        times = []
        for each in (relu, op):
            start = perf_counter()
            each(x)
            times.append(perf_counter() - start)
        ratios.append(times[1] / times[0])
    return median(ratios)
