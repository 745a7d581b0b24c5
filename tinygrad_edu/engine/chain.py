"""The chain rule for an element-wise operation: incoming gradient × local derivative."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

ndarray = np.ndarray
vdot = np.vdot


def chain(g: Any, slope: Any) -> Any:
    """Incoming gradient times local derivative, where exactly zero annihilates even NaN and ∞.

    Only non-finite products are looked at again: where nothing comes in, or nothing is selected
    (a Boolean slope is a selection), nothing passes, whatever the branch not taken holds.
    """
    product = g * slope
    if product.__class__ is ndarray:
        # One pass without temporaries: a sum of squares is finite only if every entry is.
        if isfinite(vdot(product, product)):
            return product
    elif isfinite(product):
        return product
    nothing = np.equal(g, 0) | np.equal(slope, 0)
    return np.where(nothing & ~np.isfinite(product), np.zeros((), product.dtype), product)[()]
