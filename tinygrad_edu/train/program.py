"""A training step as one program, that stops where the uncompiled one does."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..compile.compiled import Compiled, Kinds
from ..compile.recording import OTHERWISE
from ..engine.context import RECORDER, STATE
from ..errors import TracingError
from ..optim import Optimizer


class StoppedError(Exception):
    """Loss or gradient is not finite."""


class Recording(Compiled):
    """What `te.compile` makes of the loss of a batch, the first of what `f` returns.

    `parameters` are to have finite gradients, `generators` are those of the model.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        optimizer: Optimizer | None,
        parameters: Sequence[Any],
        generators: Sequence[np.random.Generator],
    ) -> None:
        super().__init__(f, optimizer)
        self.parameters, self.generators = parameters, generators
        self.states: list[Any] = []

    def backward(self, returned: Any) -> None:
        """As ever; outside of a recording what is not finite stops it before the step."""
        if RECORDER.get() is not None:
            super().backward(returned)
            return
        loss = returned[0].item()
        if math.isfinite(loss):
            super().backward(returned)
        check_finite(loss, self.parameters)

    def tell(self, kinds: Kinds) -> None:
        """Say nothing: the last batch is known to be smaller."""

    def record(self, args: tuple[Any, ...], kinds: Kinds) -> Any:
        """As ever."""
        self.states = [each.bit_generator.state for each in self.generators]
        return super().record(args, kinds)

    def refuse(self, kinds: Kinds, why: str) -> None:
        """As ever. Raises `TracingError` where random numbers would be the same at each step."""
        # Those that te.random draws from are where they were.
        for generator, state in zip(self.generators, self.states, strict=True):
            if why == OTHERWISE and generator.bit_generator.state != state:
                raise TracingError(
                    "the model draws random numbers that a program would repeat at every step; "
                    "draw them by te.random(generator, shape), or write compile=False"
                )
        super().refuse(kinds, why)


def refuse_observers() -> None:
    """Raise `TracingError` where something looks into each step."""
    if STATE.get().observers:
        raise TracingError(
            "te.flow.Tracker, te.flow.track, te.observe and te.trace_nonfinite look into each "
            "step, and a compiled one has no inside; write compile=False, or leave them out"
        )


def check_finite(loss: float, parameters: Sequence[Any]) -> None:
    """Raise `StoppedError` where a training cannot go on."""
    if not math.isfinite(loss):
        raise StoppedError(f"the loss is {loss}")
    if not all(finite(p.grad) for p in parameters if p.grad is not None):
        raise StoppedError("a gradient is not finite")


def finite(array: Any) -> bool:
    """Whether all entries are; a sum is quicker to look at than each of them."""
    return math.isfinite(np.add.reduce(array, None)) or bool(np.all(np.isfinite(array)))
