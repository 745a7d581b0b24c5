"""Targets that are classes, and weights of classes: what is refused, and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.node import numbers_of
from ...engine.value import Value
from ...errors import OperandError, ShapeError
from ...ops.tails import greatest, least

WHOLE = frozenset("biu")


def one_hot(loss: str, target: Any, scores: Any, ignored: int | None = None) -> Any:
    """In the shape of the scores 1 for the class of each row, 0 for others and in ignored rows.

    Raises `ShapeError`, `OperandError` for what is no class.
    """
    refuse_other_classes(loss, target, scores.shape, ignored)
    # By comparison and not by an index: a target that is recorded is compared anew in a replay.
    own = target[..., None] == np.arange(scores.shape[-1])
    if ignored is not None:
        own = own & (target != ignored)[..., None]
    kind = scores.dtype.type
    return np.where(own, kind(1), kind(0))


def refuse_other_classes(
    loss: str, target: Any, shape: tuple[int, ...], ignored: int | None
) -> None:
    """Raise `ShapeError` or `OperandError` for what is not a class for each row of scores."""
    *rows, classes = shape
    plain, wanted = numbers_of(target), tuple(rows)
    if plain.shape != wanted:
        if plain.shape == (*wanted, 1):
            advice = "write target[..., 0]"
        elif plain.shape[:-1] == wanted and set(np.unique(plain).tolist()) <= {0, 1}:
            advice = f"these rows tell {plain.shape[-1]} classes apart, the scores {classes}"
        elif len(shape) > 2 and plain.shape == (shape[0], *shape[2:]):
            advice = "classes are the last axis: write np.moveaxis(scores, 1, -1)"
        else:
            advice = "give one class for each row"
        raise ShapeError(
            f"{loss} of scores of shape {shape} takes the class of each row, of shape {wanted}, "
            f"or an array of shape {shape}; the target has shape {plain.shape}: {advice}"
        )
    if plain.dtype.kind not in WHOLE:
        raise OperandError(
            f"{loss} takes classes as whole numbers, not as {plain.dtype}; write "
            "target.astype(int), and leave it a NumPy array: te.Value makes floats of it"
        )
    counted = plain if ignored is None else plain[plain != ignored]
    if counted.size and (counted.min() < 0 or counted.max() >= classes):
        low, high = int(counted.min()), int(counted.max())
        if low == 1 and high == classes:
            advice = "count from 0: write target - 1"
        elif low < 0 and ignored is None and loss == "cross_entropy":
            advice = f"for rows that do not count write ignore_index={low}"
        else:
            advice = f"a model with {high + 1} outputs has as many classes"
        raise OperandError(
            f"{loss} of {classes} classes takes the numbers 0 to {classes - 1}; the targets reach "
            f"from {low} to {high}; {advice}"
        )


def refuse_rows_of_labels(target: Any) -> None:
    """Raise `OperandError` for whole numbers that are neither one-hot rows nor empty ones."""
    plain = numbers_of(target)
    if np.all(plain == np.rint(plain)) and (least(plain) < 0 or plain.sum(axis=-1).max() > 1):
        raise OperandError(
            "a target in the shape of the logits holds probabilities, whose rows add up to 1, but "
            f"these whole numbers do not; for classes give one number per row, of shape "
            f"{plain.shape[:-1]}, and for several labels per row write te.nn.losses.bce_with_logits"
        )


def refuse_labels(loss: str, target: Any) -> None:
    """Raise `OperandError` for whole numbers other than 0 and 1, as −1 and 1 or 0, 1, 2."""
    plain = numbers_of(target)
    if (least(plain) < 0 or greatest(plain) > 1) and np.all(plain == np.rint(plain)):
        advice = (
            "for −1 and 1 write (target + 1) / 2"
            if set(np.unique(plain).tolist()) <= {-1, 1}
            else "for classes from 0 up write te.nn.losses.cross_entropy"
        )
        raise OperandError(
            f"{loss} takes targets from 0 to 1; these reach from {least(plain):.6g} to "
            f"{greatest(plain):.6g}; {advice}"
        )


def class_weights(weights: Any, logits: Value) -> Any:
    """One weight for each class, in the dtype of the logits. Raises `ShapeError`."""
    given, wanted = np.asarray(weights, logits.dtype), logits.shape[-1:]
    if given.shape != wanted:
        raise ShapeError(f"weights must have shape {wanted}, one for each class, not {given.shape}")
    return given


def column_weights(weights: Any, logits: Value) -> Any:
    """One weight for all logits or for each column, in their dtype. Raises `ShapeError`."""
    given = np.asarray(weights, logits.dtype)
    if given.shape not in ((), logits.shape[-1:]):
        raise ShapeError(
            f"positive_weight of shape {given.shape} does not fit logits of shape {logits.shape}; "
            "give a number, or one for each column"
        )
    return given
