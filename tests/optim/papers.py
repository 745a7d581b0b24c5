"""The update rules as the papers print them, with 50 digits, one number at a time.

Each takes the start, the slope as a function, how many steps, and the options; it returns the
parameter after each step. They are written in another form than ours wherever there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpmath import mp, mpf

Slope = Callable[[Any], Any]
Path = list[Any]


def polyak(p: Any, slope: Slope, steps: int, *, lr: float, momentum: float = 0.0) -> Path:
    """Polyak 1964, equation 9: p(t+1) = p(t) − α f′(p(t)) + β (p(t) − p(t−1))."""
    path = [p, p]
    for _ in range(steps):
        now, before = path[-1], path[-2]
        path.append(now - mpf(lr) * slope(now) + mpf(momentum) * (now - before))
    return path[2:]


def nesterov(p: Any, slope: Slope, steps: int, *, lr: float, momentum: float) -> Path:
    """Sutskever et al. 2013, equations 3 and 4, whose θ + μ v is what we call p."""
    mu, theta, v, path = mpf(momentum), p, mpf(0), []
    for _ in range(steps):
        v = mu * v - mpf(lr) * slope(theta + mu * v)
        theta = theta + v
        path.append(theta + mu * v)
    return path


def adagrad(p: Any, slope: Slope, steps: int, *, lr: float, epsilon: float = 1e-10) -> Path:
    """Duchi et al. 2011, section 1.1: G(t) is the sum of all g²."""
    slopes, path = [], []
    for _ in range(steps):
        slopes.append(slope(p))
        p -= mpf(lr) * slopes[-1] / (mp.sqrt(mp.fsum(g**2 for g in slopes)) + mpf(epsilon))
        path.append(p)
    return path


def weighted(beta: Any, numbers: list[Any]) -> Any:
    """(1 − β) Σ β^(t−i) x(i), the running mean written out: Kingma and Ba 2015, equation 1."""
    last = len(numbers) - 1
    return (1 - beta) * mp.fsum(beta ** (last - i) * x for i, x in enumerate(numbers))


def rmsprop(
    p: Any,
    slope: Slope,
    steps: int,
    *,
    lr: float,
    decay: float = 0.99,
    epsilon: float = 1e-8,
    momentum: float = 0.0,
    centered: bool = False,
) -> Path:
    """Graves 2013, equations 38 to 41, the mean taken from the variance where `centered`."""
    slopes: Path = []
    change, path = mpf(0), []
    for _ in range(steps):
        slopes.append(slope(p))
        variance = weighted(mpf(decay), [g**2 for g in slopes])
        if centered:
            variance -= weighted(mpf(decay), slopes) ** 2
        change = mpf(momentum) * change - mpf(lr) * slopes[-1] / (mp.sqrt(variance) + mpf(epsilon))
        p += change
        path.append(p)
    return path


def adam(
    p: Any,
    slope: Slope,
    steps: int,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    shrink: float = 0.0,
) -> Path:
    """Kingma and Ba 2015, algorithm 1; with `shrink` Loshchilov and Hutter 2019, algorithm 2."""
    beta1, beta2 = map(mpf, betas)
    slopes: Path = []
    path = []
    for t in range(1, steps + 1):
        slopes.append(slope(p))
        m = weighted(beta1, slopes) / (1 - beta1**t)
        v = weighted(beta2, [g**2 for g in slopes]) / (1 - beta2**t)
        p -= mpf(lr) * (m / (mp.sqrt(v) + mpf(epsilon)) + mpf(shrink) * p)
        path.append(p)
    return path


def decayed(rule: Callable[..., Path]) -> Callable[..., Path]:
    """A rule to whose slope weight_decay · p is added."""

    def with_decay(
        p: Any, slope: Slope, steps: int, *, weight_decay: float, **options: Any
    ) -> Path:
        return rule(p, lambda at: slope(at) + mpf(weight_decay) * at, steps, **options)

    return with_decay
