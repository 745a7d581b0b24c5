"""Small data sets: inputs of shape (count, 2) and targets 0 or 1 of shape (count, 1)."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from .errors import OperandError, ShapeError

Array = np.ndarray[Any, np.dtype[Any]]


def xor() -> tuple[Array, Array]:
    """The four points of exclusive or: inputs of shape (4, 2) and targets of shape (4, 1)."""
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = np.array([[0.0], [1.0], [1.0], [0.0]])
    return x, y


def moons(
    count: int = 200, noise: float = 0.1, seed: int | np.random.Generator = 0
) -> tuple[Array, Array]:
    """Two half circles of radius 1 that reach into each other, one for each target.

    The upper one (target 0) has its centre at (0, 0), the lower one (target 1) at (1, 0.5); each
    holds half of the points, evenly spaced, those of the upper one first: not shuffled.
    `noise` is the standard deviation of what is added to each coordinate. Raises `ShapeError` for
    a count below 2, `OperandError` for a noise that is negative or not finite.
    Source: scikit-learn's `make_moons`.
    """
    upper, lower = (np.linspace(0, np.pi, part) for part in halves(count))
    x = np.concatenate(
        [
            np.stack([np.cos(upper), np.sin(upper)], axis=1),
            np.stack([1 - np.cos(lower), 0.5 - np.sin(lower)], axis=1),
        ]
    )
    return with_noise(x, noise, seed)


def spirals(
    count: int = 200,
    noise: float = 0.02,
    turns: float = 1.5,
    seed: int | np.random.Generator = 0,
) -> tuple[Array, Array]:
    """Two arms that wind around each other from radius 0.1 to radius 1, one for each target.

    On each arm the radius grows evenly with the angle over `turns` full turns; the arm of target 1
    is that of target 0 turned by half a turn. Each holds half of the points, from the middle
    outwards, those of target 0 first: not shuffled. `noise` and errors are those of `moons`;
    `OperandError` also for turns that are not positive.
    Source: Lang and Witbrock 1988, with three turns and without noise.
    """
    if not isinstance(turns, Real) or not 0 < turns < math.inf:
        raise OperandError(f"turns must be a positive number, not {turns!r}")
    arms = []
    for begin, part in zip((0, np.pi), halves(count), strict=True):
        angle = begin + np.linspace(0, 2 * np.pi * turns, part)
        radius = np.linspace(0.1, 1, part)
        arms.append(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1))
    return with_noise(np.concatenate(arms), noise, seed)


def halves(count: int) -> tuple[int, int]:
    """How many points have target 0 and how many target 1: one more, where the count is odd."""
    if not isinstance(count, int | np.integer) or count < 2:
        raise ShapeError(f"count must be a whole number from 2 up, not {count!r}")
    return count // 2, count - count // 2


def with_noise(x: Array, noise: float, seed: int | np.random.Generator) -> tuple[Array, Array]:
    """The points of both halves moved by N(0, noise²), and their targets."""
    if not isinstance(noise, Real) or not 0 <= noise < math.inf:
        raise OperandError(f"noise must be a number from 0 up, not {noise!r}")
    x = x + noise * np.random.default_rng(seed).standard_normal(x.shape)
    return x, np.repeat([[0.0], [1.0]], halves(len(x)), axis=0)
