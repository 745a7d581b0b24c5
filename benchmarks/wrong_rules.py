"""Functions with gradients in closed form, and the mistakes that are made in such gradients.

A function takes arrays and gives a number; its rule takes the same and gives a gradient for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

Rule = Callable[..., tuple[Any, ...]]
Curve = Callable[[Any], Any]
Rng = np.random.Generator


@dataclass(frozen=True)
class Trial:
    """A function at a point with a rule to be judged, and what kind of rule it is."""

    kind: str
    f: Callable[..., Any]
    rule: Rule
    point: tuple[Any, ...]

    def gradient(self) -> tuple[Any, ...]:
        """What the rule says at the point."""
        with np.errstate(all="ignore"):
            return self.rule(*self.point)


def logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


# Each as (function, derivative), for numbers of both signs …
SMOOTH: Sequence[tuple[Curve, Curve]] = (
    (np.sin, np.cos),
    (np.cos, lambda x: -np.sin(x)),
    (np.exp, np.exp),
    (np.expm1, np.exp),
    (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    (np.sinh, np.cosh),
    (np.arctan, lambda x: 1 / (1 + x * x)),
    (np.square, lambda x: 2 * x),
    (lambda x: x**3, lambda x: 3 * x**2),
    (logistic, lambda x: logistic(x) * logistic(-x)),
    (lambda x: np.logaddexp(0, x), logistic),
    (lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x)),
    (lambda x: x * np.tanh(x), lambda x: np.tanh(x) + x / np.cosh(x) ** 2),
    (np.reciprocal, lambda x: -1 / x**2),
)
# … and for positive ones.
POSITIVE: Sequence[tuple[Curve, Curve]] = (
    (np.log, np.reciprocal),
    (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    (np.log1p, lambda x: 1 / (1 + x)),
    (lambda x: x**2.5, lambda x: 2.5 * x**1.5),
)
# Each as (corner, function and derivative below it, function and derivative above it).
PIECEWISE: Sequence[tuple[float, Curve, Curve, Curve, Curve]] = (
    (0.0, lambda x: 0 * x, lambda x: 0 * x, lambda x: x, np.ones_like),
    (0.0, lambda x: 0.01 * x, lambda x: 0.01 + 0 * x, lambda x: x, np.ones_like),
    (0.0, np.negative, lambda x: -1 + 0 * x, lambda x: x, np.ones_like),
    (0.0, np.expm1, np.exp, lambda x: x, np.ones_like),
    (0.0, lambda x: -x * x, lambda x: -2 * x, np.square, lambda x: 2 * x),
    (1.0, lambda x: x * x / 2, lambda x: x, lambda x: x - 0.5, np.ones_like),
    (1.0, lambda x: x, np.ones_like, np.ones_like, lambda x: 0 * x),
    (0.5, np.sin, np.cos, lambda x: np.sin(0.5) + x - 0.5, np.ones_like),
)

SIZES = (2, 3, 5)
LONG = 1000
FORGOTTEN = f"0 in one of {LONG:,} entries"


def numbers(rng: Rng, *shape: int, positive: bool = False) -> Any:
    """Of size 0.1 to 3, of both signs."""
    x = rng.uniform(0.1, 3, shape)
    return x if positive else x * rng.choice([-1, 1], shape)


def size(rng: Rng) -> int:
    return int(rng.choice(SIZES))


def curve(rng: Rng) -> tuple[Curve, Curve, bool]:
    """A function with its derivative, and whether it wants positive numbers."""
    i = int(rng.integers(len(SMOOTH) + len(POSITIVE)))
    positive = i >= len(SMOOTH)
    f, slope = POSITIVE[i - len(SMOOTH)] if positive else SMOOTH[i]
    return f, slope, positive


def weighted(rng: Rng, *shape: int) -> Trial:
    """Σ w f(x)."""
    f, slope, positive = curve(rng)
    w = numbers(rng, *shape)
    return Trial(
        "right",
        lambda x: np.sum(w * f(x)),
        lambda x: (w * slope(x),),
        (numbers(rng, *shape, positive=positive),),
    )


def single(rng: Rng) -> Trial:
    return weighted(rng)


def vector(rng: Rng) -> Trial:
    return weighted(rng, size(rng))


def product(rng: Rng) -> Trial:
    """Σ f(x) g(y)."""
    (f, df, f_positive), (g, dg, g_positive) = curve(rng), curve(rng)
    n = size(rng)
    return Trial(
        "right",
        lambda x, y: np.sum(f(x) * g(y)),
        lambda x, y: (df(x) * g(y), f(x) * dg(y)),
        (numbers(rng, n, positive=f_positive), numbers(rng, n, positive=g_positive)),
    )


def chain(rng: Rng) -> Trial:
    """Σ f(w tanh(x)), for a function f of numbers of both signs."""
    f, slope = SMOOTH[int(rng.integers(len(SMOOTH) - 1))]
    n = size(rng)
    w = numbers(rng, n)
    return Trial(
        "right",
        lambda x: np.sum(f(w * np.tanh(x))),
        lambda x: (slope(w * np.tanh(x)) * w / np.cosh(x) ** 2,),
        (numbers(rng, n),),
    )


def log_sum_exp(rng: Rng) -> Trial:
    """The logarithm of Σ exp(x)."""
    return Trial(
        "right",
        lambda x: np.log(np.sum(np.exp(x))),
        lambda x: (np.exp(x) / np.sum(np.exp(x)),),
        (numbers(rng, size(rng)),),
    )


def layer(rng: Rng) -> Trial:
    """Σ C tanh(X W + b), of X, W and b."""
    rows, inputs, outputs = size(rng), size(rng), size(rng)
    c = numbers(rng, rows, outputs)

    def rule(x: Any, w: Any, b: Any) -> tuple[Any, ...]:
        g = c / np.cosh(x @ w + b) ** 2
        return g @ w.T, x.T @ g, g.sum(0)

    return Trial(
        "right",
        lambda x, w, b: np.sum(c * np.tanh(x @ w + b)),
        rule,
        # Small enough for tanh to be steep.
        tuple(
            numbers(rng, *shape) / 3 for shape in ((rows, inputs), (inputs, outputs), (outputs,))
        ),
    )


ANY: Sequence[Callable[[Rng], Trial]] = (single, vector, product, chain, log_sum_exp, layer)


def right(rng: Rng) -> Trial:
    """Any of the functions with its own gradient."""
    return ANY[int(rng.integers(len(ANY)))](rng)


def scaled(trial: Trial, number: int, factor: float) -> Rule:
    """The rule whose gradient of one of the inputs is off by a factor."""

    def rule(*point: Any) -> tuple[Any, ...]:
        parts = list(trial.rule(*point))
        parts[number] = parts[number] * factor
        return tuple(parts)

    return rule


def off_by(factor: float, rng: Rng) -> tuple[Trial, Rule]:
    trial = right(rng)
    return trial, scaled(trial, int(rng.integers(len(trial.point))), factor)


def wrong_branch(rng: Rng) -> tuple[Trial, Rule]:
    """The derivative of a function of two pieces, of the other piece for one of its entries."""
    corner, below, below_slope, above, above_slope = PIECEWISE[int(rng.integers(len(PIECEWISE)))]
    n = size(rng)
    w = numbers(rng, n)
    missed = np.arange(n) == rng.integers(n)
    trial = Trial(
        "right",
        lambda x: np.sum(w * np.where(x > corner, above(x), below(x))),
        lambda x: (w * np.where(x > corner, above_slope(x), below_slope(x)),),
        (numbers(rng, n),),
    )
    return trial, lambda x: (w * np.where((x > corner) ^ missed, above_slope(x), below_slope(x)),)


def stale_input(rng: Rng) -> tuple[Trial, Rule]:
    """The gradient at the inputs of the step before, which were a hundredth larger."""
    trial = right(rng)
    before = tuple(x * 1.01 for x in trial.point)
    return trial, lambda *point: trial.rule(*before)


def missing_reduction(rng: Rng) -> tuple[Trial, Rule]:
    """The gradient of a bias that was broadcast over rows: not summed, or of one row only."""
    f, slope = SMOOTH[int(rng.integers(len(SMOOTH) - 1))]
    rows, columns = size(rng), size(rng)
    c = numbers(rng, rows, columns)
    kept = bool(rng.integers(2))
    x = numbers(rng, rows, columns) / 2
    b = numbers(rng, *((1, columns) if kept else (columns,))) / 2
    trial = Trial(
        "right",
        lambda x, b: np.sum(c * f(x + b)),
        lambda x, b: (c * slope(x + b), (c * slope(x + b)).sum(0, keepdims=kept)),
        (x, b),
    )
    if rng.integers(2):
        return trial, lambda x, b: (c * slope(x + b),) * 2
    return trial, lambda x, b: (c * slope(x + b), (c * slope(x + b))[:1].reshape(b.shape))


def transposed(rng: Rng) -> tuple[Trial, Rule]:
    """The gradient of a factor of a matrix product, itself or with the other factor transposed."""
    n = size(rng)
    c = numbers(rng, n, n)

    def rule(a: Any, b: Any) -> tuple[Any, ...]:
        g = c / np.cosh(a @ b) ** 2
        return g @ b.T, a.T @ g

    trial = Trial(
        "right",
        lambda a, b: np.sum(c * np.tanh(a @ b)),
        rule,
        (numbers(rng, n, n) / 3, numbers(rng, n, n) / 3),
    )
    if rng.integers(2):
        return trial, lambda a, b: (rule(a, b)[0], rule(a, b)[1].T)
    return trial, lambda a, b: ((c / np.cosh(a @ b) ** 2) @ b, rule(a, b)[1])


def off_by_one(rng: Rng) -> tuple[Trial, Rule]:
    """The gradient of a slice, put back one place further on."""
    f, slope, positive = curve(rng)
    n = size(rng)
    start = int(rng.integers(4))
    w = numbers(rng, n)

    def rule(shift: int, x: Any) -> tuple[Any, ...]:
        out = np.zeros_like(x)
        out[start + shift : start + shift + n] = w * slope(x[start : start + n])
        return (out,)

    trial = Trial(
        "right",
        lambda x: np.sum(w * f(x[start : start + n])),
        partial(rule, 0),
        (numbers(rng, n + 4, positive=positive),),
    )
    return trial, partial(rule, 1)


def one_zero(rng: Rng) -> tuple[Trial, Rule]:
    """The gradient of a thousand numbers, one of which was forgotten."""
    trial = weighted(rng, LONG)
    kept = np.arange(LONG) != rng.integers(LONG)
    return trial, lambda x: (trial.rule(x)[0] * kept,)


SIZES_OF_ERROR = tuple(float(f"1e-{k}") for k in range(3, 10))
MISTAKES: Mapping[str, Callable[[Rng], tuple[Trial, Rule]]] = {
    "sign": partial(off_by, -1.0),
    "factor 2": partial(off_by, 2.0),
    **{f"relative {error:.0e}": partial(off_by, 1 + error) for error in SIZES_OF_ERROR},
    "wrong branch": wrong_branch,
    "stale input": stale_input,
    "missing reduction": missing_reduction,
    "transposed": transposed,
    "off by one in a slice": off_by_one,
    FORGOTTEN: one_zero,
}


def pairs(kind: str, count: int, seed: int) -> list[tuple[Trial, Trial]]:
    """Trials of a kind of mistake: each function with its right rule, and with the wrong one."""
    rng = np.random.default_rng([seed, list(MISTAKES).index(kind)])
    found = []
    for _ in range(count):
        trial, wrong = MISTAKES[kind](rng)
        found.append((trial, replace(trial, kind=kind, rule=wrong)))
    return found
