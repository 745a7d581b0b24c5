"""Points in the plane and the class of each."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from ..errors import OperandError, ShapeError
from .checks import Array, Seed, noisy, whole


def xor() -> tuple[Array, Array]:
    """The four points of exclusive or: inputs of shape (4, 2) and targets of shape (4, 1)."""
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = np.array([[0.0], [1.0], [1.0], [0.0]])
    return x, y


def moons(count: int = 200, noise: float = 0.1, seed: Seed = 0) -> tuple[Array, Array]:
    """Two half circles of radius 1 that reach into each other, one for each target.

    Inputs have shape (count, 2); targets are 0.0 or 1.0, of shape (count, 1).
    The upper one (target 0) has its centre at (0, 0), the lower one (target 1) at (1, 0.5); each
    holds half of the points, evenly spaced, those of the upper one first: not shuffled.
    `noise` is the standard deviation of what is added to each coordinate. Raises `ShapeError` for
    a count below 2, `OperandError` for a noise that is negative or not finite.
    Source: scikit-learn's `make_moons`.
    """
    upper, lower = (np.linspace(0, np.pi, part) for part in halves(count))
    return two_sets(
        np.stack([np.cos(upper), np.sin(upper)], axis=1),
        np.stack([1 - np.cos(lower), 0.5 - np.sin(lower)], axis=1),
        noise,
        seed,
    )


def circles(
    count: int = 200, noise: float = 0.05, factor: float = 0.5, seed: Seed = 0
) -> tuple[Array, Array]:
    """Two circles around (0, 0): the outer one of radius 1 is target 0, the inner one target 1.

    `factor` is the inner one's radius. Shapes, order, `noise` and errors are those of `moons`;
    `OperandError` also for a factor that is not between 0 and 1.
    Source: scikit-learn's `make_circles`.
    """
    if not isinstance(factor, Real) or not 0 < factor < 1:
        raise OperandError(f"factor must be a number between 0 and 1, not {factor!r}")
    outer, inner = (np.linspace(0, 2 * np.pi, part, endpoint=False) for part in halves(count))
    return two_sets(
        np.stack([np.cos(outer), np.sin(outer)], axis=1),
        factor * np.stack([np.cos(inner), np.sin(inner)], axis=1),
        noise,
        seed,
    )


def spirals(
    count: int = 200, noise: float = 0.02, turns: float = 1.5, seed: Seed = 0
) -> tuple[Array, Array]:
    """Two arms that wind around each other from radius 0.1 to radius 1, one for each target.

    On each arm the radius grows evenly with the angle over `turns` full turns; the arm of target 1
    is that of target 0 turned by half a turn. Each holds half of the points, from the middle
    outwards, those of target 0 first: not shuffled. Shapes, `noise` and errors are those of
    `moons`; `OperandError` also for turns that are not positive.
    Source: Lang and Witbrock 1988, with three turns and without noise.
    """
    if not isinstance(turns, Real) or not 0 < turns < math.inf:
        raise OperandError(f"turns must be a positive number, not {turns!r}")
    arms = []
    for begin, part in zip((0, np.pi), halves(count), strict=True):
        angle = begin + np.linspace(0, 2 * np.pi * turns, part)
        radius = np.linspace(0.1, 1, part)
        arms.append(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1))
    return two_sets(*arms, noise, seed)


def halves(count: int) -> tuple[int, int]:
    """How many points have target 0 and how many target 1: one more, where the count is odd."""
    count = whole("count", count, 2)
    return count // 2, count - count // 2


def two_sets(first: Array, second: Array, noise: float, seed: Seed) -> tuple[Array, Array]:
    """The points of both sets moved by N(0, noise²), and their targets 0 and 1."""
    y = np.repeat([[0.0], [1.0]], (len(first), len(second)), axis=0)
    return noisy(np.concatenate([first, second]), noise, seed), y


def blobs(
    count: int = 200,
    centres: Any = 3,
    spread: float = 1.0,
    features: int = 2,
    seed: Seed = 0,
) -> tuple[Array, Array]:
    """Clouds of normally distributed points, one for each class.

    `centres` is the number of clouds, drawn evenly from [−10, 10] in each of the `features`
    dimensions, or an array of shape (classes, features) that gives them. Inputs have
    shape (count, features); targets are whole numbers from 0 up, of shape (count,). The clouds hold
    equally many points, the first ones one more where the count does not divide; class after
    class, not shuffled. `spread` is the standard deviation of each coordinate.
    Raises `ShapeError` for fewer points than clouds or centres of another shape, `OperandError`
    for a spread that is negative or not finite.
    Source: scikit-learn's `make_blobs`.
    """
    generator = np.random.default_rng(seed)
    if np.ndim(centres):
        middles = np.asarray(centres, np.float64)
        if middles.ndim != 2 or not middles.size:
            raise ShapeError(
                "centres must be a number of clouds or an array of shape (classes, features), "
                f"not one of shape {middles.shape}"
            )
    else:
        shape = whole("centres", centres), whole("features", features)
        middles = generator.uniform(-10, 10, shape)
    classes = len(middles)
    y = np.sort(np.arange(whole("count", count, classes)) % classes)
    return noisy(middles[y], spread, generator, "spread"), y
