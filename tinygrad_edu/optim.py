"""Update rules: plain NumPy on a parameter, its gradient and what is remembered of earlier ones."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from numbers import Real
from typing import Any

import numpy as np

from .engine.value import Value
from .errors import NotTrackedError, OperandError
from .nn.module import Module

ndarray = np.ndarray
subtract = np.subtract


class SGD:
    """Gradient descent, `p ← p − lr · v` with `v ← momentum · v + ∂L/∂p`.

    `lr` > 0; `momentum` in [0, 1). Each step gives the leaves new data, so a graph recorded
    before it raises `StaleGraphError` instead of mixing old and new numbers.
    Source: Polyak 1964, equation 9, in the form of Sutskever et al. 2013.
    """

    def __init__(self, params: Iterable[Value], lr: float = 0.1, momentum: float = 0.0) -> None:
        if isinstance(params, Module):
            raise OperandError("SGD takes a list of parameters; pass model.parameters()")
        self.params = [params] if isinstance(params, Value) else list(params)
        if not self.params:
            raise OperandError("SGD got no parameters; pass model.parameters()")
        for parameter in self.params:
            if not isinstance(parameter, Value) or parameter.op is not None:
                raise OperandError(f"SGD updates leaves made with te.Value, not {parameter!r}")
        if len({id(parameter) for parameter in self.params}) < len(self.params):
            raise OperandError("SGD got the same parameter twice, which would be moved twice")
        if not isinstance(lr, Real) or not 0 < lr < inf:
            raise OperandError(f"lr must be a positive number, not {lr!r}")
        if not isinstance(momentum, Real) or not 0 <= momentum < 1:
            raise OperandError(f"momentum must be at least 0 and below 1, not {momentum!r}")
        # Python numbers are weak: a float32 parameter stays float32.
        self.lr: float = float(lr)
        self.momentum: float = float(momentum)
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
