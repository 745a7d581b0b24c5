"""The chain rule for an element-wise operation: incoming gradient × local derivative."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import numpy as np

from .blocks import blocks, cuttable, select

ndarray = np.ndarray
vdot = np.vdot
FLOAT64 = np.dtype(np.float64)
BOOL = np.dtype(np.bool_)


def chain(g: Any, slope: Any) -> Any:
    """Incoming gradient times local derivative, with 0 · ∞ = 0 where nothing comes in.

    A Boolean slope is a selection. Only non-finite products are looked at again: an unselected
    entry, or one whose incoming gradient is exactly zero, passes on exactly zero, whatever the
    branch that was not taken holds.
    """
    product = g * slope
    if product.__class__ is ndarray:
        # One pass without temporaries: a sum of squares is finite only if every entry is.
        flat = product.ravel()
        if isfinite(flat.dot(flat)):
            return product
    elif hasattr(product, "tape"):
        product.tape.chained = True  # a program looks at the end of a step
        return product
    elif isfinite(product):
        return product
    return repaired(product, g, slope)


def repaired(product: Any, g: Any, slope: Any) -> Any:
    """The product with zeros where nothing comes in or is selected."""
    nothing = np.equal(g, 0)
    if np.asarray(slope).dtype == bool:
        nothing = nothing | np.logical_not(slope)
    return np.where(nothing & ~np.isfinite(product), np.zeros((), product.dtype), product)[()]


def chain_in_blocks(
    g: Any, rule: Callable[..., Any], given: tuple[Any, ...], options: Mapping[str, Any]
) -> Any:
    """`chain(g, rule(*given, **options))` of a large array, both steps block by block."""
    if not cuttable(g, given):
        return chain(g, rule(*given, **options))
    for here, (incoming, *parts) in blocks(False, g, *given):
        slope = rule(*parts, **options)
        if not here.start:
            out = np.empty(g.shape, np.result_type(incoming, slope))
            flat = out.reshape(-1)
        target = flat[here]
        if slope.__class__ is ndarray and slope.dtype is BOOL:
            product = select(slope, incoming, 0, into=target)
            if product is not target:
                target[...] = product
            continue
        np.multiply(incoming, slope, out=target)
        # For a vdot of so many float64 numbers BLAS would wake its threads, which can take long.
        total = np.add.reduce(target) if out.dtype is FLOAT64 else vdot(target, target)
        if not isfinite(total):
            target[...] = repaired(target, incoming, slope)
    return out
