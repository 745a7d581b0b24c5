"""Recurrent layers: one step after the other, with a state that is handed on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.value import Operand, Value
from ..errors import OperandError, ShapeError
from ..ops.products import affine
from .init import Initialiser, drawn
from .layers import Function, between, check_sizes, label
from .module import Module, scope

# So many steps are cut from one array.
AT_ONCE = 16


class RNN(Module):
    """h_t = φ(x_t W + h_(t−1) U + b), for sequences of any length from 1 up.

    W is `weight` (inputs, hidden), U `recurrent_weight` (hidden, hidden), b `bias` (hidden,), which
    starts at 0. `init`, for W, is by default the one that the activation's card advises;
    initialisers that use fans are told (inputs + hidden, hidden), because each pre-activation adds
    up the terms of both products. Raises `UnknownNameError` for names that do not exist,
    `ShapeError` for sizes that are none. Source: Elman 1990; Saxe et al. 2014 for the orthogonal U.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        activation: str | Function = "tanh",
        *,
        init: str | Initialiser | None = None,
        recurrent_init: str | Initialiser = "orthogonal",
        seed: int | np.random.Generator = 0,
        dtype: Any = np.float64,
    ) -> None:
        check_sizes("RNN", dtype, inputs=inputs, hidden=hidden)
        self.activation = between(activation, "RNN")
        if init is None:
            init = getattr(self.activation, "initialiser", "xavier_normal")
        random, fans = np.random.default_rng(seed), (inputs + hidden, hidden)
        weights = drawn(init, (inputs, hidden), random, dtype, fans)
        recurrent = drawn(recurrent_init, (hidden, hidden), random, dtype, fans)
        self.weight = Value(weights, name="weight")
        self.recurrent_weight = Value(recurrent, name="recurrent_weight")
        self.bias = Value(np.zeros(hidden, dtype), name="bias")

    def forward(
        self, x: Operand, state: Operand | None = None, truncate: int | None = None
    ) -> tuple[Value, Value]:
        """All states, of shape (batch, steps, hidden), and the last one, (batch, hidden).

        x has shape (batch, steps, inputs); `state`, before the first step, (batch, hidden), zeros
        if None. With `truncate=k` no gradient passes back from a step to the one before it at
        steps k, 2k, 3k, ... (truncated back-propagation through time; Williams and Peng 1990);
        it does pass to a `state` that is given: hand on `state.detach()` to end it there too.
        Raises `ShapeError` for other shapes, a sequence of no steps among them.
        """
        inputs, hidden = self.weight.shape
        if not isinstance(x, Value):
            x = np.asarray(x)
        if x.ndim != 3 or x.shape[2] != inputs or not x.shape[1]:
            raise ShapeError(
                f"{self!r} takes x of shape (batch, steps, {inputs}) with one step or more, not "
                f"{x.shape}"
            )
        if truncate is not None and (not isinstance(truncate, int | np.integer) or truncate < 1):
            raise OperandError(f"truncate is a number of steps from 1 up, not {truncate!r}")
        batch = x.shape[0]
        h: Any = np.zeros((batch, hidden), self.weight.dtype) if state is None else state
        if np.shape(h) != (batch, hidden):
            raise ShapeError(
                f"the state has shape {np.shape(h)}; for x of shape {x.shape} it must have "
                f"{(batch, hidden)} (np.broadcast_to makes one row many)"
            )
        states = []
        for t, x_t in enumerate(slices(x)):
            if truncate and t and t % truncate == 0:
                h = h.detach()
            with scope(f"steps.{t}"):
                z = affine(x_t, self.weight, self.bias)
                h = self.activation(affine(h, self.recurrent_weight, z))
            states.append(h)
        return np.stack(states, axis=1), h  # type: ignore[return-value]

    def __repr__(self) -> str:
        inputs, hidden = self.weight.shape
        return f"RNN({inputs}, {hidden}, activation={label(self.activation)})"


def slices(x: Any) -> list[Any]:
    """x[:, t] for each t."""
    steps = x.shape[1]
    if steps <= AT_ONCE or not isinstance(x, Value):
        return [x[:, t] for t in range(steps)]
    # By halves: the gradient of a slice is as large as what it is cut from.
    return [*slices(x[:, : steps // 2]), *slices(x[:, steps // 2 :])]
