"""Forwards with tails: one formula for nearly all entries, and another for the few far out.

Where no entry is far out the question must cost next to nothing. Mostly the processor has noticed:
an exp that overflows, or ∞ − ∞, raises a flag that NumPy looks at anyway. Otherwise argmin and
argmax find the ends, or a NaN, several times as fast as one step of a formula.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from math import inf
from typing import Any

import numpy as np

# Of so many entries of a layer's values a few are in a tail: no use looking for the case of none.
MANY = 10_000


def far_out(careful: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a kernel that is right unless a step overflows or has no value: then `careful`."""

    def decorate(kernel: Callable[..., Any]) -> Callable[..., Any]:
        strict = np.errstate(over="raise", divide="raise", invalid="raise")(kernel)

        @wraps(kernel)
        def forward(*arguments: Any, **named: Any) -> Any:
            try:
                return strict(*arguments, **named)
            except FloatingPointError:
                named.pop("into", None)
                return careful(*arguments, **named)

        return forward

    return decorate


def least(x: Any) -> float:
    """The least entry; NaN if one is NaN, ∞ if there is none."""
    return x.item(x.argmin()) if x.size else inf


def greatest(x: Any) -> float:
    """The greatest entry; NaN if one is NaN, −∞ if there is none."""
    return x.item(x.argmax()) if x.size else -inf


def amended(out: Any, chosen: Any, formula: Callable[..., Any], *arguments: Any) -> Any:
    """`out`, a new array or number, with `formula` of the arguments where `chosen` holds."""
    if np.ndim(out) and not out.flags.c_contiguous:  # of a transposed array: flat, it is a copy
        if np.any(chosen):
            out[chosen] = formula(*(each[chosen] for each in arguments))
        return out
    flat = np.reshape(out, -1)
    places = np.flatnonzero(chosen)
    if places.size:
        flat[places] = formula(*(np.reshape(each, -1)[places] for each in arguments))
    return out if np.ndim(out) else flat[0]
