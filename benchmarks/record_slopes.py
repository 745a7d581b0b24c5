"""The derivatives of the package's own records as rules to be judged, over their whole domains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tinygrad_edu as te
from benchmarks.wrong_rules import Rng, Trial
from tinygrad_edu.engine.operation import Elementwise, Interval

SMALLEST, LARGEST = -6, 3  # powers of 10
FROM_KINKS = 1e-12


def records() -> list[Elementwise]:
    """The element-wise records whose rule is the derivative: a surrogate is right not to be."""
    found = [op for op in te.OPERATIONS.values() if isinstance(op, Elementwise)]
    return [op for op in found if not op.surrogate]


def number(rng: Rng, interval: Interval) -> Any:
    """Of either sign, in the interval, its size as likely in any decade as in any other."""
    low, high = interval
    while True:
        x = 10 ** rng.uniform(SMALLEST, LARGEST) * rng.choice([-1, 1])
        if low < x < high:
            return np.float64(x)


def point(rng: Rng, op: Elementwise, options: dict[str, Any]) -> list[Any]:
    """Arguments of the record within its domain, and not on a corner."""
    while True:
        x = [number(rng, op.domain[min(i, len(op.domain) - 1)]) for i in range(op.count)]
        gaps = [kink(*x, **options) if callable(kink) else x[0] - kink for kink in op.kinks]
        if all(abs(float(gap)) > FROM_KINKS for gap in gaps):
            return x


def trial(op: Elementwise, argument: int, arguments: list[Any], options: dict[str, Any]) -> Trial:
    """The record as a function of one of its arguments, with its own partial."""
    before, after = arguments[:argument], arguments[argument + 1 :]
    partial = op.partials[argument]

    def f(x: Any) -> Any:
        return op.forward(*before, np.float64(x), *after, **options)

    def rule(x: Any) -> tuple[Any, ...]:
        given = [*before, np.float64(x), *after]
        out = op.forward(*given, **options)
        slope = partial(out, *given, **options) if callable(partial) else partial
        return (np.float64(slope),)

    return Trial(f"{op.name} by {op.arguments[argument]}", f, rule, (arguments[argument],))


def trials(points: int, seed: int) -> Iterator[Trial]:
    """Every argument of every record, at as many points each."""
    rng = np.random.default_rng(seed)
    for op in records():
        options = dict(op.cases[0].options) if op.cases else {}
        for argument in range(op.count):
            for _ in range(points):
                yield trial(op, argument, point(rng, op, options), options)
