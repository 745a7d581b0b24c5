"""What the parts of complex numbers are where all are real: themselves, 0, or their sign."""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

from ..engine.dispatch import implements


@implements(np.real, np.conjugate, np.real_if_close)
def real(val: Any) -> Any:
    """The real part of real numbers: themselves."""
    return np.positive(val)


@implements(np.imag)
def imag(val: Any) -> Any:
    """The imaginary part of real numbers: 0."""
    return 0.0 * np.positive(val)


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """The angle of real numbers: 0 of those on the right, π (180 degrees) of those on the left."""
    half_turn = 180.0 if deg else pi
    return np.heaviside(-z, 0.0) * half_turn
