"""Derivatives from values alone: finite differences, extrapolated, each with an error bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

EPSILON = np.finfo(np.float64).eps
ENOUGH = 1e-11  # Relative: no step smaller than the one that reaches this is tried.
FEWEST, MOST = 4, 10  # steps


class Estimate(NamedTuple):
    """A derivative and how far it may be off, entry by entry."""

    value: Array
    error: Array


def derivative(f: Callable[[Any], Any], x: float, step: float, side: int = 0) -> Estimate:
    """df/dx at the number `x`, for f whose values are arrays.

    `side` 0 takes central differences; +1 and −1 give the limit of f′ from the right and from the
    left by values of f on that side alone, not at `x` itself: at a jump it is the slope beside it.
    f is evaluated within `step` of `x` (twice `step` for one side). Steps are halved and the
    differences extrapolated (Richardson); of the table the entry with the narrowest bar is kept,
    a bar being the distance to its neighbours plus the rounding of f (4 ulp) carried along.
    """
    # The errors of central differences have even powers of the step only.
    base, growth = (4.0, 2.0) if side == 0 else (2.0, 9.0)
    best, best_error = np.zeros(()), np.full((), np.inf)
    coarser: list[Array] = []
    for row in range(MOST):
        h = step / 2**row
        ahead, behind = (x + h, x - h) if side == 0 else (x + 2 * side * h, x + side * h)
        upper, lower = np.array(f(ahead)), np.array(f(behind))  # f may return a view of its input
        with np.errstate(all="ignore"):
            finer = [(upper - lower) / (ahead - behind)]
            noise = growth * 4 * EPSILON * (np.abs(upper) + np.abs(lower)) / abs(ahead - behind)
            for column, neighbour in enumerate(coarser):
                correction = (finer[column] - neighbour) / (base ** (column + 1) - 1)
                finer.append(finer[column] + correction)
                distance = np.maximum(np.abs(correction), np.abs(finer[-1] - neighbour))
                error = 2 * distance + noise
                narrower = error < best_error
                best = np.where(narrower, finer[-1], best)
                best_error = np.where(narrower, error, best_error)
            coarser = finer
            if row + 1 >= FEWEST and np.all(best_error <= ENOUGH * np.abs(best) + 2 * noise):
                break
    return Estimate(best, best_error)


def jacobian(
    f: Callable[..., Any], arrays: tuple[Any, ...], position: int, step: float, side: int = 0
) -> Estimate:
    """∂f/∂arrays[position], entry by entry: f's shape followed by that array's shape."""
    moved = np.array(arrays[position], dtype=np.float64)
    before, after = arrays[:position], arrays[position + 1 :]
    columns = []
    for index in np.ndindex(moved.shape):
        home = float(moved[index])

        def along(x: float, index: tuple[int, ...] = index) -> Any:
            moved[index] = x
            return f(*before, moved[()], *after)

        columns.append(derivative(along, home, step, side))
        moved[index] = home
    shape = np.shape(f(*arrays))
    if not columns:
        return Estimate(np.zeros(shape + moved.shape), np.zeros(shape + moved.shape))
    value, error = (
        np.stack([np.broadcast_to(part, shape) for part in parts], axis=-1).reshape(
            shape + moved.shape
        )
        for parts in zip(*columns, strict=True)
    )
    return Estimate(value, error)


def contracted(weights: Any, jacobian: Any) -> Any:
    """Σ weights · jacobian over the axes of f's value, which come first."""
    return np.tensordot(weights, jacobian, np.ndim(weights))
