"""Losses of numbers: how far predictions are from what was measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.node import record
from ...engine.operation import define_structural
from ...engine.value import Operand, Value
from ...spellings import refusing
from .arguments import BY_HAND, Reduction, pair, positive, reduced


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


def mse(prediction: Operand, target: Operand, reduction: Reduction = "mean") -> Value:
    """Mean squared error: the mean over all entries of (prediction − target)².

    Raises `ShapeError` where the shapes differ.
    """
    y, t = pair(prediction, target)
    if reduction == "mean":
        return record(mean_squared_error, (y, t))  # type: ignore[no-any-return]
    return reduced(np.square(y - t), reduction)


@refusing(BY_HAND)
def mae(prediction: Operand, target: Operand, reduction: Reduction = "mean") -> Value:
    """Mean absolute error: the mean over all entries of |prediction − target|.

    Its gradient is 0 where both are equal. Raises `ShapeError` where the shapes differ.
    """
    y, t = pair(prediction, target)
    return reduced(abs(y - t), reduction)


@refusing(BY_HAND)
def huber(
    prediction: Operand, target: Operand, delta: float = 1.0, reduction: Reduction = "mean"
) -> Value:
    """Half the squared error d² / 2 up to |d| = delta, and from there on delta (|d| − delta / 2).

    The gradient is d, but never beyond ±delta: a wrong measurement pulls no harder than that.
    PyTorch's smooth L1 loss is this divided by delta. Raises `ShapeError` where the shapes differ,
    `OperandError` for a delta that is not positive.
    Source: Huber 1964, Robust Estimation of a Location Parameter.
    """
    positive("delta", delta)
    y, t = pair(prediction, target)
    apart = y - t
    near = np.clip(apart, -delta, delta)
    return reduced(near * (apart - near / 2), reduction)
