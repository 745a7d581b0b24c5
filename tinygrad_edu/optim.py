"""Update rules: plain NumPy on a parameter, its gradient and what is remembered of earlier ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .engine.value import Value
from .errors import NotTrackedError, OperandError

ndarray = np.ndarray
subtract = np.subtract


class SGD:
    """Gradient descent, `p ← p − lr · v` with `v ← momentum · v + ∂L/∂p`.

    `lr` > 0; `momentum` in [0, 1). Each step gives the leaves new data, so a graph recorded
    before it raises `StaleGraphError` instead of mixing old and new numbers.
    Source: Polyak 1964, equation 9, in the form of Sutskever et al. 2013.
    """

    def __init__(self, params: Iterable[Value], lr: float = 0.1, momentum: float = 0.0) -> None:
        self.params = list(params)
        if not self.params:
            raise OperandError("SGD got no parameters; pass model.parameters()")
        for parameter in self.params:
            if not isinstance(parameter, Value) or parameter.op is not None:
                raise OperandError(f"SGD updates leaves made with te.Value, not {parameter!r}")
        if not lr > 0:
            raise OperandError(f"lr must be positive, not {lr}")
        if not 0 <= momentum < 1:
            raise OperandError(f"momentum must be at least 0 and below 1, not {momentum}")
        # Python numbers are weak: a float32 parameter stays float32.
        self.lr = float(lr)
        self.momentum = float(momentum)
        self.velocities: list[Any] = [None] * len(self.params)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.params:
            parameter.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient. Raises `NotTrackedError` if none has."""
        moved = False
        lr, momentum = self.lr, self.momentum
        for position, parameter in enumerate(self.params):
            g = parameter.grad
            if g is None:
                continue
            moved = True
            if momentum:
                previous = self.velocities[position]
                g = g if previous is None else momentum * previous + g
                self.velocities[position] = g
            change = lr * g
            if change.__class__ is ndarray:
                # The product's memory becomes the new data: no allocation beyond it.
                subtract(parameter._data, change, change)
                parameter.rebind(change)
            else:
                parameter.rebind(parameter._data - change)
        if not moved:
            raise NotTrackedError("no parameter has a gradient; call loss.backward() before step()")
