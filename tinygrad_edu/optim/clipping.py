"""Gradient clipping, between `loss.backward()` and `optimizer.step()`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine.value import Value
from ..errors import NonFiniteError
from ..spellings import refusing
from .base import leaves, positive

SPELLINGS = {
    "max_norm": "most",
    "clip_value": "most",
    "norm_type": "leave it out: the norm is √Σg²",
    "foreach": "leave it out: it is PyTorch's own matter",
}


@refusing(SPELLINGS)
def clip_grad_norm(
    parameters: Value | Iterable[Value], most: float, *, error_if_nonfinite: bool = False
) -> float:
    """Shorten all gradients together to the norm `most` if theirs is greater; returns theirs.

    The norm is that of one vector of all entries. Gradients are multiplied by
    most / (norm + 1e-6), PyTorch's way around 0 / 0. An infinite gradient turns into NaN and the
    others into 0, a NaN turns all into NaN, unless `error_if_nonfinite` makes both a
    `NonFiniteError` that names the parameters. Raises `OperandError`.
    Source: Pascanu, Mikolov and Bengio 2013, algorithm 1.
    """
    most = positive("most, the norm that all gradients are shortened to together,", most)
    held = with_gradient("clip_grad_norm", parameters)
    norm = math.hypot(*(length(parameter.grad) for parameter in held))
    if error_if_nonfinite and not math.isfinite(norm):
        names = [
            parameter.name or f"number {position}"
            for position, parameter in enumerate(held)
            if not np.all(np.isfinite(parameter.grad))
        ]
        raise NonFiniteError(
            f"the gradient has NaN or infinite entries in {', '.join(names)}; find where they are "
            "born with te.trace_nonfinite()"
        )
    factor = most / (norm + 1e-6)
    if not factor >= 1:
        with np.errstate(invalid="ignore"):  # ∞ · 0, as the docstring says
            for parameter in held:
                parameter.grad = factor * parameter.grad
    return norm


@refusing(SPELLINGS)
def clip_grad_value(parameters: Value | Iterable[Value], most: float) -> None:
    """Bring every entry of the gradients into [−most, most]; NaN stays. Raises `OperandError`."""
    most = positive("most, the largest entry that a gradient keeps,", most)
    for parameter in with_gradient("clip_grad_value", parameters):
        parameter.grad = np.clip(parameter.grad, -most, most)


def with_gradient(who: str, parameters: Value | Iterable[Value]) -> list[Value]:
    """The leaves that a backward pass has reached."""
    return [parameter for parameter in leaves(who, parameters) if parameter.grad is not None]


def length(gradient: Any) -> float:
    """The norm of all entries, also where a square would overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        norm = float(np.linalg.norm(np.ravel(gradient)))
    if norm == math.inf and math.isfinite(largest := float(np.max(np.abs(gradient)))):
        return largest * float(np.linalg.norm(np.ravel(gradient / largest)))
    return norm
