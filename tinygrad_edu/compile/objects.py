"""The objects that generated source names, each by a name of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .instructions import Drawn
from .names import Names


class Objects:
    """Arrays, functions and numbers that a program holds, under the names that its source uses."""

    def __init__(self) -> None:
        self.unique = Names()
        self.objects: dict[str, Any] = {}
        self.known: dict[Any, str] = {}  # their names, by what tells them apart
        self.made_later: list[tuple[str, Callable[[], Any]]] = []

    def object(self, item: Any, letter: str) -> str:
        """The name of an object that the program holds."""
        known = self.known.get(id(item))
        if known is None:
            wanted = letter if len(letter) > 1 else f"{letter}{len(self.objects)}"
            known = self.hold(self.unique.new(wanted), item)
        return known

    def hold(self, name: str, item: Any) -> str:
        """Let the program know an object under a name."""
        self.objects[name] = item
        self.known.setdefault(id(item), name)
        return name

    def hold_later(self, key: Any, wanted: str, make: Callable[[], Any]) -> str:
        """The name of what is made of arrays when they are laid out; equal keys are one."""
        name = self.known.get(key)
        if name is None:
            name = self.known[key] = self.unique.new(wanted)
            self.objects[name] = None
            self.made_later.append((name, make))
        return name

    def named(self, function: Any) -> str:
        """The name of a function: NumPy's own, else one like its own."""
        name = self.known.get(id(function))
        if name is None:
            name = getattr(function, "__name__", "")
            if function is zip or getattr(np, name, None) is function:
                return self.hold(name, function)
            if isinstance(function, Drawn):
                name = f"draw_{function.method}"
            name = "" if name == "<lambda>" else name
            return self.hold(self.unique.of_user(name, f"f{len(self.objects)}"), function)
        return name

    def as_array(self, value: Any, dtype: Any) -> str:
        """The name of a number as an array, which NumPy need not make at each call."""
        array = np.array(value, dtype)
        key = dtype, array.tobytes()
        name = self.known.get(key)
        if name is None:
            digits = f"{float(value):.6g}".replace("-", "m").replace("+", "").replace(".", "_")
            name = self.known[key] = self.unique.new(f"c{digits}")
            self.objects[name] = array
        return name
