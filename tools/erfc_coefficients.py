"""Computes the coefficients that tinygrad_edu/ops/special.py holds, and prints them.

    python tools/erfc_coefficients.py

Two functions are approximated on z ≥ 0, each by one quotient of polynomials for float32 and one for
float64:

- `TAIL`: S in Φ(−z) = exp(−z²/2) / (√(2π) z + (2 − z S(z))), Φ being the normal distribution. The
  √(2π) there is rounded to 24 bits, and S makes up for it.
- `ERF`: N in erf(z) = w + f (1 − w) with w = z + z N(z) and f = 1 − exp(−z²); 1 − w is
  exp(z²) erfc(z).

The error that is made small is that of Φ or erf, relative to itself. It is levelled as BRASIL does
(Hofreither, "An algorithm for best rational approximation based on barycentric rational
interpolation", 2021): interpolate, then shrink the intervals between nodes where the error is
large, until it is as large in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, reduce
from itertools import pairwise
from typing import Any

import mpmath as mp
import numpy as np

Function = Callable[[Any], Any]

DIGITS = 50
ROUNDS, FASTEST, LEVEL = 400, 0.1, 1.02
PROBES = 8


def quotient(coefficients: tuple[Any, Any], z: Any) -> Any:
    """P(z) / Q(z); each has its highest power first."""
    numerator, denominator = (reduce(lambda total, c: total * z + c, part) for part in coefficients)
    return numerator / denominator


def interpolated(f: Function, nodes: list[Any], high: int, low: int) -> tuple[Any, Any]:
    """P of degree `high` and Q of degree `low`, Q(0) = 1, with P / Q = f at the nodes."""
    rows = [
        [z**power for power in range(high + 1)] + [-f(z) * z**power for power in range(1, low + 1)]
        for z in nodes
    ]
    solution = list(mp.lu_solve(mp.matrix(rows), mp.matrix([f(z) for z in nodes])))
    return solution[high::-1], [*solution[:high:-1], mp.mpf(1)]


def levelled(f: Function, weight: Function, end: float, degrees: tuple[int, int]) -> Any:
    """The P and Q whose largest |P/Q − f| weight on [0, end] is all but the least possible."""

    def place(t: Any) -> Any:
        return t / (1 - t)  # nodes crowd near 0, where the functions bend

    count = sum(degrees) + 1
    last = mp.mpf(end) / (1 + mp.mpf(end))
    turns = [mp.pi * (2 * i + 1) / (2 * count) for i in range(count)]
    borders = [mp.mpf(0), *(last * (1 - mp.cos(turn)) / 2 for turn in turns), last]
    least, best = mp.inf, None
    for _ in range(ROUNDS):
        found = interpolated(f, [place(t) for t in borders[1:-1]], *degrees)
        errors = []
        for left, right in pairwise(borders):
            probes = [place(left + (right - left) * i / PROBES) for i in range(PROBES + 1)]
            errors.append(max(abs(quotient(found, z) - f(z)) * weight(z) for z in probes))
        if max(errors) < least:
            least, best = max(errors), found
        if max(errors) < LEVEL * min(errors):
            break
        mean = mp.fsum(errors) / len(errors)
        widest = max(abs(error - mean) for error in errors)
        pace = 1 - FASTEST * min(1, widest / mean)
        lengths = [
            (right - left) * pace ** ((error - mean) / widest)
            for (left, right), error in zip(pairwise(borders), errors, strict=True)
        ]
        borders = [mp.mpf(0)]
        for length in lengths:
            borders.append(borders[-1] + length * last / mp.fsum(lengths))
    return best


def mills(z: Any) -> Any:
    """Φ(−z) exp(z²/2)."""
    return mp.erfc(z / mp.sqrt(2)) * mp.exp(z * z / 2) / 2


def tail(end: float, degrees: tuple[int, int]) -> Any:
    """S's P and Q."""
    slope = mp.mpf(float(np.float32(mp.sqrt(2 * mp.pi))))

    @cache
    def wanted(z: Any) -> Any:
        return slope - (1 / mills(z) - 2) / z if z else slope - mp.sqrt(8 / mp.pi)

    return levelled(wanted, cache(lambda z: z * mills(z)), end, degrees)


def erf(end: float, degrees: tuple[int, int]) -> Any:
    """N's P and Q."""

    @cache
    def wanted(z: Any) -> Any:
        return (1 - mp.erfc(z) * mp.exp(z * z)) / z - 1 if z else 2 / mp.sqrt(mp.pi) - 1

    @cache
    def weight(z: Any) -> Any:
        return z * mp.exp(-z * z) / mp.erf(z) if z else mp.sqrt(mp.pi) / 2

    return levelled(wanted, weight, end, degrees)


# How far each is fitted: beyond, the exp is less than the smallest number, or erf is 1.
TABLES: dict[str, tuple[Callable[..., Any], float, tuple[int, int]]] = {
    "TAIL_SINGLE": (tail, 15.0, (3, 4)),
    "TAIL_DOUBLE": (tail, 39.0, (10, 10)),
    "ERF_SINGLE": (erf, 4.2, (3, 3)),
    "ERF_DOUBLE": (erf, 6.0, (7, 7)),
}


def table(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """P and Q as special.py holds them: the highest power first, each number rounded once."""
    fit, end, degrees = TABLES[name]
    with mp.workdps(DIGITS):
        numerator, denominator = fit(end, degrees)
        return tuple(map(float, numerator)), tuple(map(float, denominator))


def main() -> None:
    """Print all tables as Python."""
    for name in TABLES:
        print(f"{name} = (")
        for coefficients in table(name):
            print("    (", *(f"        {number!r}," for number in coefficients), "    ),", sep="\n")
        print(")")


if __name__ == "__main__":
    main()
