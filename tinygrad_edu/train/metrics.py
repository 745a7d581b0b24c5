"""How right predictions are, as a share from 0 to 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError


def accuracy(prediction: Any, target: Any) -> float:
    """The share of rows whose largest score is that of the target's class.

    `prediction` has shape (..., classes); `target` holds class indices of shape (...), or
    probabilities of the prediction's shape, of which the largest counts. Raises `ShapeError`.
    """
    prediction, target = numbers(prediction), numbers(target)
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
    return float(np.mean(prediction.argmax(axis=-1) == target))


def binary_accuracy(prediction: Any, target: Any, threshold: float = 0.5) -> float:
    """The share of entries that are on the target's side of `threshold`.

    Prediction and target, 0 or 1, have one shape. The threshold of logits is 0: write
    `functools.partial(te.train.binary_accuracy, threshold=0)`. Raises `ShapeError`.
    """
    prediction, target = numbers(prediction), numbers(target)
    if target.shape != prediction.shape:
        raise ShapeError(
            f"the prediction has shape {prediction.shape} and the target {target.shape}; "
            "they must be equal"
        )
    return float(np.mean((prediction > threshold) == (target > 0.5)))


def numbers(given: Any) -> Any:
    """The array of a Value, or of anything like one."""
    return np.asarray(getattr(given, "data", given) if not isinstance(given, np.ndarray) else given)
