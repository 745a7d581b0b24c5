"""Losses: a prediction and a target of one shape, to a single number."""

from __future__ import annotations

import numpy as np

from ..activations import softplus
from ..engine.value import Operand, Value
from ..errors import ShapeError


def checked(prediction: Operand, target: Operand) -> None:
    """Refuse shapes that broadcasting would turn into a table of all pairs."""
    if np.shape(prediction) != np.shape(target):
        raise ShapeError(
            f"the prediction has shape {np.shape(prediction)} and the target "
            f"{np.shape(target)}; they must be equal, reshape the target with "
            f".reshape({', '.join(map(str, np.shape(prediction)))})"
        )


def mse(prediction: Value, target: Operand) -> Value:
    """Mean squared error: the mean over all entries of (prediction − target)².

    Raises `ShapeError` where the shapes differ.
    """
    checked(prediction, target)
    return np.mean(np.square(prediction - target))  # type: ignore[return-value]


def bce_with_logits(logits: Value, target: Operand) -> Value:
    """Binary cross-entropy of sigmoid(logits) against targets in [0, 1], averaged, in nats.

    Both terms are positive, so nothing cancels however large the logits are. Raises `ShapeError`
    where the shapes differ.
    """
    checked(logits, target)
    return np.mean(target * softplus(-logits) + (1 - target) * softplus(logits))  # type: ignore[operator,return-value]
