"""Functions of one number in float64, and their slopes by closed forms at 50 digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

from tinygrad_edu.check import Verdict, judge

DIGITS = 50
LEAST, MOST = 1e-6, 1e3  # of |x|


@dataclass(frozen=True)
class Function:
    """A function, its slope for mpmath's numbers, and where both are finite and have rounding."""

    f: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    positive: bool = False
    most: float = MOST

    def __call__(self, x: float) -> float:
        with np.errstate(all="ignore"):
            return float(self.f(np.float64(x)))

    def true_slope(self, x: float) -> float:
        """The slope at the float `x`, rounded once."""
        with mp.workdps(DIGITS):
            return float(self.slope(mp.mpf(x)))

    def point(self, rng: np.random.Generator, least: float = LEAST, most: float = MOST) -> float:
        """A number at which to look at the function, of any order of magnitude."""
        size = math.exp(rng.uniform(math.log(least), math.log(min(most, self.most))))
        return size if self.positive else float(rng.choice([-size, size]))

    def judged(self, x: float, claim: float) -> Verdict:
        """The verdict on a claimed slope at x."""
        return judge(claim, lambda step: self(x + step), x)[0]


def logistic(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def normal_density(x: Any) -> Any:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


FUNCTIONS: dict[str, Function] = {
    "3x - 7": Function(lambda x: 3 * x - 7, lambda x: mp.mpf(3)),
    "x^2": Function(lambda x: x * x, lambda x: 2 * x),
    "x^3": Function(lambda x: x**3, lambda x: 3 * x * x),
    "x^2.5": Function(lambda x: x**2.5, lambda x: 2.5 * x ** mp.mpf(1.5), positive=True),
    "1/x": Function(lambda x: 1 / x, lambda x: -1 / x**2),
    "sqrt": Function(np.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), positive=True),
    "cbrt": Function(np.cbrt, lambda x: 1 / (3 * mp.cbrt(x * x))),
    "exp": Function(np.exp, mp.exp, most=700),
    "expm1": Function(np.expm1, mp.exp),
    "log": Function(np.log, lambda x: 1 / x, positive=True),
    "log1p": Function(np.log1p, lambda x: 1 / (1 + x), positive=True),
    "sin": Function(np.sin, mp.cos),
    "cos": Function(np.cos, lambda x: -mp.sin(x)),
    "sinh": Function(np.sinh, mp.cosh, most=700),
    "tanh": Function(np.tanh, lambda x: mp.sech(x) ** 2),
    "arctan": Function(np.arctan, lambda x: 1 / (1 + x * x)),
    "arcsinh": Function(np.arcsinh, lambda x: 1 / mp.sqrt(1 + x * x)),
    "hypot(x, 1)": Function(lambda x: np.hypot(x, 1.0), lambda x: x / mp.sqrt(1 + x * x)),
    "x/(1 + x^2)": Function(lambda x: x / (1 + x * x), lambda x: (1 - x * x) / (1 + x * x) ** 2),
    "exp(-x^2)": Function(
        lambda x: np.exp(-x * x),
        lambda x: -2 * x * mp.exp(-x * x),
    ),
    "sigmoid": Function(
        lambda x: 1 / (1 + np.exp(-x)),
        lambda x: logistic(x) * logistic(-x),
    ),
    "softplus": Function(lambda x: np.logaddexp(0.0, x), logistic),
    "silu": Function(
        lambda x: x / (1 + np.exp(-x)),
        lambda x: logistic(x) * (1 + x * logistic(-x)),
    ),
    "gelu": Function(
        lambda x: 0.5 * x * math.erfc(-x / math.sqrt(2)),
        lambda x: mp.erfc(-x / mp.sqrt(2)) / 2 + x * normal_density(x),
        most=20,
    ),
    "erf": Function(
        lambda x: math.erf(x),
        lambda x: 2 * mp.exp(-x * x) / mp.sqrt(mp.pi),
    ),
    "x log x": Function(lambda x: x * np.log(x), lambda x: mp.log(x) + 1, positive=True),
}

# The same, but rounding or the values of other terms hide some digits, or waves are short.
ROUGH: dict[str, Function] = {
    "log cosh": Function(lambda x: np.log(np.cosh(x)), mp.tanh, most=700),
    "log(1 + x)": Function(lambda x: np.log(1 + x), lambda x: 1 / (1 + x), positive=True),
    "1 - cos": Function(lambda x: 1 - np.cos(x), mp.sin),
    "exp - 1": Function(lambda x: np.exp(x) - 1, mp.exp, most=700),
    "(x + 1)^2 - x^2": Function(lambda x: (x + 1) ** 2 - x**2, lambda x: mp.mpf(2)),
    "1e8 + sin": Function(lambda x: 1e8 + np.sin(x), mp.cos),
    "sin(10 x)": Function(lambda x: np.sin(10 * x), lambda x: 10 * mp.cos(10 * x)),
    "sin(1000 x)": Function(lambda x: np.sin(1000 * x), lambda x: 1000 * mp.cos(1000 * x)),
    "sin(1/x)": Function(lambda x: np.sin(1 / x), lambda x: -mp.cos(1 / x) / x**2),
    "roots and a power": Function(
        lambda x: np.sqrt(np.sqrt(np.sqrt(np.abs(x)))) ** 8, lambda x: mp.sign(x)
    ),
    "a sum of waves": Function(
        lambda x: np.sum(np.sin(x * np.arange(1, 100))),
        lambda x: sum(k * mp.cos(k * x) for k in range(1, 100)),
        most=10,
    ),
    "noise of 1e-8": Function(lambda x: np.sin(x) * (1 + 1e-8 * np.sin(1e12 * x)), mp.cos),
    "sin in float32": Function(lambda x: np.float32(np.sin(x)), mp.cos),
}
