"""What a function does beside computing: random numbers drawn, and leaves given new data.

They go through here so that a program that is recorded does them anew at each call.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from .context import RECORDER
from .node import tick
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


def random(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Numbers from [0, 1), of that shape."""
    recorder = RECORDER.get()
    return generator.random(shape) if recorder is None else recorder.random(generator, shape)


def assign(leaf: Value, data: Any) -> None:
    """Give a leaf new data, of its shape and dtype, without copying."""
    recorder = RECORDER.get()
    if recorder is None:
        leaf.data = data
    else:
        recorder.assign(leaf, data)
