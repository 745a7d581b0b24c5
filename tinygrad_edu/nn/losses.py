"""Losses: a prediction and a target of one shape, to a single number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..activations import softplus
from ..engine.operation import define_structural
from ..engine.value import Operand, Value
from ..errors import ShapeError


def checked(prediction: Value, target: Any) -> None:
    """Refuse shapes that broadcasting would turn into a table of all pairs."""
    shape = target.shape if hasattr(target, "shape") else np.shape(target)
    if shape != prediction.shape:
        wanted = prediction.shape
        same_size = math.prod(shape) == math.prod(wanted)
        raise ShapeError(
            f"the prediction has shape {wanted} and the target {shape}; they must be equal, "
            + (f"write target.reshape{wanted}" if same_size else "give one target per prediction")
        )


def squared_error_forward(prediction: Any, target: Any) -> Any:
    """The mean of (prediction − target)²."""
    difference = prediction - target
    return np.add.reduce(np.square(difference), None) / difference.size


def squared_error_pullback(g: Any, out: Any, prediction: Any, target: Any) -> Any:
    """2 (prediction − target) / n, times g."""
    return (2 * g / prediction.size) * (prediction - target)


mean_squared_error = define_structural(
    "mse",
    squared_error_forward,
    (
        squared_error_pullback,
        lambda g, out, prediction, target: squared_error_pullback(g, out, target, prediction),
    ),
    formula=r"\operatorname{{mean}}\left(\left({0} - {1}\right)^2\right)",
    cases=((((4, 1), (4, 1)), {}), (((2, 3), (2, 3)), {}), (((), ()), {})),
)


def mse(prediction: Value, target: Operand) -> Value:
    """Mean squared error: the mean over all entries of (prediction − target)².

    Raises `ShapeError` where the shapes differ.
    """
    checked(prediction, target)
    return mean_squared_error(prediction, target)


def bce_with_logits(logits: Value, target: Operand) -> Value:
    """Binary cross-entropy of sigmoid(logits) against targets in [0, 1], averaged, in nats.

    Both terms are positive, so nothing cancels however large the logits are. Raises `ShapeError`
    where the shapes differ.
    """
    target = target if isinstance(target, Value) else np.asarray(target)
    checked(logits, target)
    return (target * softplus(-logits) + (1 - target) * softplus(logits)).mean()
