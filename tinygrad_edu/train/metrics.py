"""How right predictions are, as a share from 0 to 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.node import numbers_of
from ..errors import OperandError, ShapeError


def accuracy(prediction: Any, target: Any) -> float:
    """The share of rows whose largest score is that of the target's class.

    `prediction` has shape (..., classes); `target` holds class indices of shape (...), or
    probabilities of the prediction's shape, of which the largest counts. Raises `ShapeError`,
    `OperandError` for classes that there are not.
    """
    prediction, target = (np.asarray(numbers_of(each)) for each in (prediction, target))
    if prediction.ndim and prediction.shape[-1] == 1:
        raise ShapeError(
            f"accuracy of a prediction of shape {prediction.shape}: it has one class only; "
            "write binary_accuracy"
        )
    if target.shape == prediction.shape:
        target = target.argmax(axis=-1)
    if target.shape != prediction.shape[:-1]:
        raise ShapeError(
            f"the prediction has shape {prediction.shape}, so accuracy needs class indices of "
            f"shape {prediction.shape[:-1]}, not {target.shape}"
        )
    classes = prediction.shape[-1]
    if np.any((target < 0) | (target >= classes)):
        raise OperandError(
            f"the targets reach from {target.min()} to {target.max()}, and the prediction has "
            f"{classes} classes: they are 0 to {classes - 1}"
        )
    return float(np.mean(prediction.argmax(axis=-1) == target))


def binary_accuracy(prediction: Any, target: Any, threshold: float = 0.5) -> float:
    """The share of entries that are on the target's side of `threshold`.

    Prediction and target, 0 or 1, have one shape. That of probabilities is 0.5; of logits, what
    `bce_with_logits` takes, it is 0: write `functools.partial(te.train.binary_accuracy,
    threshold=0)`. Raises `ShapeError`; `OperandError` for predictions that are no probabilities
    under a threshold of such.
    """
    prediction, target = (np.asarray(numbers_of(each)) for each in (prediction, target))
    if target.shape != prediction.shape:
        raise ShapeError(
            f"the prediction has shape {prediction.shape} and the target {target.shape}; "
            "they must be equal"
        )
    if 0 < threshold < 1 and np.any((prediction < 0) | (prediction > 1)):
        raise OperandError(
            f"binary_accuracy with the threshold {threshold} takes probabilities, from 0 to 1; "
            f"these reach from {prediction.min():.4g} to {prediction.max():.4g}. Of logits the "
            "threshold is 0: functools.partial(te.train.binary_accuracy, threshold=0)"
        )
    return float(np.mean((prediction > threshold) == (target > 0.5)))
