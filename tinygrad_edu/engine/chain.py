"""The chain rule for an element-wise operation: incoming gradient × local derivative."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

ndarray = np.ndarray
vdot = np.vdot


def chain(g: Any, slope: Any) -> Any:
    """Incoming gradient times local derivative, with 0 · ∞ = 0 where nothing comes in.

    A Boolean slope is a selection. Only non-finite products are looked at again: an unselected
    entry, or one whose incoming gradient is exactly zero, passes on exactly zero, whatever the
    branch that was not taken holds.
    """
    product = g * slope
    if product.__class__ is ndarray:
        # One pass without temporaries: a sum of squares is finite only if every entry is.
        if isfinite(vdot(product, product)):
            return product
    elif isfinite(product):
        return product
    nothing = np.equal(g, 0)
    if np.asarray(slope).dtype == bool:
        nothing = nothing | np.logical_not(slope)
    return np.where(nothing & ~np.isfinite(product), np.zeros((), product.dtype), product)[()]
