"""What a function does beside computing: random numbers drawn, and leaves given new data.

They go through here so that a program that is recorded does them anew at each call.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ..errors import UnknownNameError
from .context import RECORDER
from .node import numbers_of, tick
from .value import Value


class Structure:
    """How often a module was given another attribute, and which of them were told to rest.

    `mode` is the same number whenever the same modules are in use instead of learning.
    """

    version = 0
    mode = 0

    def __init__(self) -> None:
        self.tokens: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    def switch(self, module: Any) -> None:
        """A module goes from learning to use, or back."""
        token = self.tokens.setdefault(module, hash((len(self.tokens), tick())))
        self.mode ^= token


structure = Structure()

# Kinds of random numbers, and what NumPy's generators call them.
METHODS = {"uniform": "random", "normal": "standard_normal"}
OF_KINDS = " or ".join(map(repr, METHODS))


def random(
    generator: np.random.Generator, shape: int | tuple[int, ...] = (), kind: str = "uniform"
) -> Any:
    """Random numbers that a compiled function draws anew at each call: an array, no Value.

    `kind` is "uniform", from [0, 1), or "normal", of mean 0 and standard deviation 1. Raises
    `UnknownNameError` for another one.
    """
    if kind not in METHODS:
        raise UnknownNameError(f"there is no kind of random numbers {kind!r}; write {OF_KINDS}")
    recorder = RECORDER.get()
    if recorder is None:
        return getattr(generator, METHODS[kind])(shape)
    return recorder.random(generator, shape, METHODS[kind])


def assign(leaf: Value, data: Any) -> None:
    """Give a leaf new data, of its shape and dtype; a compiled function does it at each call.

    For what a layer remembers from call to call, such as a running mean. `data` is not copied.
    """
    data = numbers_of(data)
    recorder = RECORDER.get()
    if recorder is None:
        leaf.data = data
    else:
        recorder.assign(leaf, data)
