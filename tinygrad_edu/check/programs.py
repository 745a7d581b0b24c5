"""Programs: a few operations one after the other, as a value that can be run, written and changed.

What a failing test prints is Python to paste. How programs are drawn is in drawing.py.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..activations import ACTIVATIONS
from ..engine.operation import FUNCTIONS, UFUNCS, Operation
from ..errors import OperandError
from .samples import apply

NAMES = "xyz", "abcdefghijklmnopqrstuvw"


@dataclass(frozen=True)
class Step:
    """One operation of a program: `takes` are positions among the inputs and earlier results."""

    op: Operation
    takes: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Program:
    """A short computation, to be called on arrays or Values; its text is Python to paste and run.

    `inputs` are the arrays it was drawn with. Position n is input n or, after the inputs, the
    result of a step; the last step's is what the program returns.
    """

    inputs: tuple[Any, ...]
    steps: tuple[Step, ...]

    def __call__(self, *inputs: Any) -> Any:
        """The last result, of the program's own inputs if none are given."""
        return self.values(*inputs)[-1]

    def values(self, *inputs: Any) -> list[Any]:
        """The inputs and all results, in the order of their positions."""
        found = list(inputs or self.inputs)
        if len(found) != len(self.inputs):
            raise OperandError(f"this program takes {len(self.inputs)} inputs, not {len(found)}")
        for step in self.steps:
            found.append(apply(step.op, [found[i] for i in step.takes], step.options))
        return found

    def __str__(self) -> str:
        first, later = (
            [*letters[:count], *(f"{letters[0]}{i + 1}" for i in range(len(letters), count))]
            for letters, count in zip(NAMES, (len(self.inputs), len(self.steps)), strict=True)
        )
        names = first + later
        lines = ["import numpy as np", "import tinygrad_edu as te", ""]
        for name, data in zip(first, self.inputs, strict=True):
            lines.append(f'{name} = te.Value({written(data)}, name="{name}")')
        for name, step in zip(later, self.steps, strict=True):
            given = [names[i] for i in step.takes]
            if step.op.variadic:
                given = [f"[{', '.join(given)}]"]
            given += [f"{key}={written(value)}" for key, value in step.options.items()]
            lines.append(f"{name} = {spelled(step.op, step.options)}({', '.join(given)})")
        return "\n".join(lines)

    __repr__ = __str__


def spelled(op: Operation, options: Mapping[str, Any]) -> str:
    """How an operation is called in Python: NumPy's name where it has one for these options."""
    for function in op.numpy:
        name = getattr(function, "__name__", "")
        known: Mapping[Any, Any] = UFUNCS if isinstance(function, np.ufunc) else FUNCTIONS
        if known.get(getattr(np, name, None)) is op:
            name = f"np.{name}"
        elif known.get(getattr(np.linalg, name, None)) is op:
            name = f"np.linalg.{name}"
        else:
            continue
        try:
            parameters = inspect.signature(function).parameters if options else {}
        except (TypeError, ValueError):
            continue
        if all(option in parameters for option in options):
            return name
    if ACTIVATIONS.get(op.name) is op:
        return f"te.activations.{op.name}"
    return f'te.OPERATIONS["{op.name}"]'


def written(item: Any) -> str:
    """An array or an option as Python text."""
    if isinstance(item, np.ndarray | np.generic):
        return f"np.array({item.tolist()})" if np.ndim(item) else written(item.item())
    if isinstance(item, np.dtype):
        return f'np.dtype("{item.name}")'
    if isinstance(item, tuple):
        return f"({', '.join(map(written, item))}{',' if len(item) == 1 else ''})"
    if isinstance(item, float) and not math.isfinite(item):
        return f'float("{item}")'
    return repr(item)
