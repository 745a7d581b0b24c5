"""Initialisers: weights of shape (fan_in, fan_out) whose variance keeps signals alive."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnknownNameError, closest

Array = np.ndarray[Any, np.dtype[Any]]
Initialiser = Callable[[tuple[int, int], np.random.Generator], Array]


def xavier_normal(shape: tuple[int, int], generator: np.random.Generator) -> Array:
    """N(0, 2/(fan_in + fan_out)), for tanh and sigmoid.

    Source: Glorot and Bengio 2010, equation 12.
    """
    return generator.standard_normal(shape) * math.sqrt(2 / sum(shape))


def xavier_uniform(shape: tuple[int, int], generator: np.random.Generator) -> Array:
    """U(−a, a) with a² = 6/(fan_in + fan_out): the same variance as `xavier_normal`.

    Source: Glorot and Bengio 2010, equation 16.
    """
    bound = math.sqrt(6 / sum(shape))
    return generator.uniform(-bound, bound, shape)


def he_normal(shape: tuple[int, int], generator: np.random.Generator) -> Array:
    """N(0, 2/fan_in), for ReLU and its relatives.

    Source: He et al. 2015, equation 10.
    """
    return generator.standard_normal(shape) * math.sqrt(2 / shape[0])


def he_uniform(shape: tuple[int, int], generator: np.random.Generator) -> Array:
    """U(−a, a) with a² = 6/fan_in: the same variance as `he_normal`.

    Source: He et al. 2015, equation 10.
    """
    bound = math.sqrt(6 / shape[0])
    return generator.uniform(-bound, bound, shape)


def lecun_normal(shape: tuple[int, int], generator: np.random.Generator) -> Array:
    """N(0, 1/fan_in), which SELU needs to keep zero mean and unit variance.

    Source: LeCun et al. 1998, section 4.6; Klambauer et al. 2017.
    """
    return generator.standard_normal(shape) * math.sqrt(1 / shape[0])


INITIALISERS: dict[str, Initialiser] = {
    "xavier_normal": xavier_normal,
    "xavier_uniform": xavier_uniform,
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "lecun_normal": lecun_normal,
}
# Where PyTorch and Keras write another name.
SPELLINGS = {"kaiming": "he", "glorot": "xavier"}


def named(name: str) -> Initialiser:
    """The initialiser called `name`. Raises `UnknownNameError` that names the closest ones."""
    if name in INITIALISERS:
        return INITIALISERS[name]
    plain = name.lower().rstrip("_")
    for other, ours in SPELLINGS.items():
        plain = plain.replace(other, ours)
    known = plain in INITIALISERS
    hint = f"write {plain!r}" if known else f"there is {closest(plain, INITIALISERS)}"
    raise UnknownNameError(f"no initialiser {name!r}; {hint}")
