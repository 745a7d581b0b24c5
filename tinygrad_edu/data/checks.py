"""What all makers of data ask of their arguments."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from ..errors import OperandError, ShapeError

Array = np.ndarray[Any, np.dtype[Any]]
Seed = int | np.random.Generator


def whole(what: str, count: Any, least: int = 1, most: int | None = None) -> int:
    """A whole number within bounds. Raises `ShapeError`."""
    fits = isinstance(count, int | np.integer) and not isinstance(count, bool)
    if not fits or count < least or (most is not None and count > most):
        bounds = f"from {least} up" if most is None else f"from {least} to {most}"
        raise ShapeError(f"{what} must be a whole number {bounds}, not {count!r}")
    return int(count)


def noisy(clean: Array, noise: Any, seed: Seed, what: str = "noise") -> Array:
    """The numbers, each with N(0, noise²) added. Raises `OperandError` for a noise that is none."""
    if not isinstance(noise, Real) or not 0 <= float(noise) < math.inf:
        raise OperandError(f"{what} must be a number from 0 up, not {noise!r}")
    moved: Array = clean + noise * np.random.default_rng(seed).standard_normal(clean.shape)
    return moved
