"""Numbers to predict: a function of one variable, and the sums of binary numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import OperandError, ShapeError
from .checks import Array, Seed, noisy, whole


def regression_1d(
    count: int = 100,
    noise: float = 0.1,
    function: Callable[[Array], Any] = np.sin,
    interval: tuple[float, float] = (-np.pi, np.pi),
    seed: Seed = 0,
) -> tuple[Array, Array]:
    """A function of one variable: evenly spaced inputs, and its values with noise added.

    Both have shape (count, 1); `function` is called once with all inputs. The inputs reach from
    one end of `interval` to the other; `noise` is the standard deviation of what is added to each
    value. Raises `ShapeError` for a count below 1 or a function that returns another shape,
    `OperandError` for a noise that is negative or an interval whose ends are not in order.
    """
    x = np.linspace(*ends(interval), whole("count", count))[:, None]
    clean = np.asarray(function(x), np.float64)
    if clean.shape != x.shape:
        raise ShapeError(
            f"function must return one number per input, shape {x.shape}; it returned {clean.shape}"
        )
    return x, noisy(clean, noise, seed)


def ends(interval: Any) -> tuple[float, float]:
    """The two ends of an interval."""
    try:
        low, high = (float(end) for end in interval)
    except (TypeError, ValueError):
        low = high = 0.0
    if not -np.inf < low < high < np.inf:
        raise OperandError(f"interval must be two numbers (low, high), not {interval!r}")
    return low, high


def adding_sequences(count: int = 200, bits: int = 8, seed: Seed = 0) -> tuple[Array, Array]:
    """Pairs of random binary numbers, digit by digit as one adds by hand, and their sums.

    Inputs have shape (count, bits + 1, 2): the two numbers' digits, 0.0 or 1.0, the least one
    first, with a 0 behind the last. Targets have shape (count, bits + 1, 1): the sum's digits, of
    which the last is the carry. Each number is drawn evenly from 0 to 2**bits − 1. Raises
    `ShapeError` for a count below 1 or bits outside of 1 to 62.
    """
    places = np.arange(whole("bits", bits, 1, 62) + 1)
    numbers = np.random.default_rng(seed).integers(2**bits, size=(whole("count", count), 1, 2))
    sums = numbers.sum(axis=2, keepdims=True)
    x, y = ((each >> places[:, None] & 1).astype(np.float64) for each in (numbers, sums))
    return x, y
