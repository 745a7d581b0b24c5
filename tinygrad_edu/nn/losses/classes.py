"""Losses of classes: how little of its trust a prediction puts in what is true, in nats."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...activations import log_softmax, softplus
from ...engine.node import numbers_of
from ...engine.operation import REAL, define_elementwise
from ...engine.value import Operand, Value
from ...errors import OperandError, ShapeError
from ...ops.elementary import difference
from ...ops.tails import greatest, least
from ...spellings import refusing
from .arguments import (
    BY_HAND,
    SPELLINGS,
    Reduction,
    as_prediction,
    as_target,
    pair,
    positive,
    reduced,
    warn_of_probabilities,
    weighted,
)
from .labels import (
    class_weights,
    column_weights,
    one_hot,
    refuse_labels,
    refuse_rows_of_labels,
)


@refusing(BY_HAND)
def bce(prediction: Operand, target: Operand, reduction: Reduction = "mean") -> Value:
    """Binary cross-entropy of probabilities p against targets t: −t log p − (1 − t) log(1 − p).

    Nothing is clamped: certainty that is wrong costs ∞. Where the probabilities are a sigmoid's,
    `bce_with_logits` of what goes into it keeps digits that they have lost. Raises `ShapeError`
    where the shapes differ, `OperandError` for predictions outside of [0, 1].
    """
    p, t = pair(prediction, target)
    low, high = least(p.data), greatest(p.data)
    if low < 0 or high > 1:
        raise OperandError(
            f"bce takes probabilities, from 0 to 1; the prediction reaches from {low:.6g} to "
            f"{high:.6g}; for numbers of any size write te.nn.losses.bce_with_logits"
        )
    refuse_labels("bce", t)
    with np.errstate(divide="ignore"):
        true, false = np.log(p), np.log1p(-p)
    losses = weighted(t, true) + weighted(1 - t, false)
    return reduced(0.0 - losses, reduction)  # a loss of 0, and not of −0


@refusing(BY_HAND)
def bce_with_logits(
    logits: Operand,
    target: Operand,
    positive_weight: Any = None,
    reduction: Reduction = "mean",
) -> Value:
    """Binary cross-entropy of sigmoid(logits) against targets in [0, 1].

    Both terms are positive, so nothing cancels however large the logits are. `positive_weight`, a
    number or an array with one for each column, multiplies the term of the target: above 1 it
    makes up for targets 1 that are few. Raises `ShapeError` where the shapes differ; warns
    (`LossWarning`) of logits that come out of a sigmoid.
    """
    z, t = pair(logits, target)
    refuse_labels("bce_with_logits", t)
    warn_of_probabilities(
        z,
        "bce_with_logits",
        "takes the sigmoid itself: of a probability, from 0 to 1, that is from 0.5 to 0.73, so the "
        "loss of a target 0 never falls below 0.69. For probabilities write te.nn.losses.bce",
    )
    true: Value = t * softplus(-z)
    if positive_weight is not None:
        true = true * column_weights(positive_weight, z)
    return reduced(true + (1 - t) * softplus(z), reduction)


@refusing(SPELLINGS)
def cross_entropy(
    logits: Operand,
    target: Operand,
    *,
    label_smoothing: float = 0.0,
    weights: Any = None,
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
) -> Value:
    """Cross-entropy of softmax(logits) against classes or probabilities: −Σ t log softmax(logits).

    `logits` have shape (..., classes); `target` holds either whole numbers, the class of each row,
    in shape (...), or probabilities, in the logits' shape. `label_smoothing` ε mixes the target
    with all classes alike: (1 − ε) t + ε / classes. `weights`, one for each class, multiply the
    classes' terms. Rows whose class is `ignore_index` do not count. The mean is over the rows;
    where the target holds classes, each row counts by the weight of its own, as in PyTorch. A
    wrong class may have the logit −∞. Raises `ShapeError`, `OperandError` for targets that do not
    fit; warns (`LossWarning`) of logits that come out of a softmax.
    Source: smoothing: Szegedy et al. 2016, Rethinking the Inception Architecture, section 7.
    """
    z, t = as_prediction(logits), as_target(target)
    if z.ndim == 0 or z.shape[-1] < 2 or 0 in z.shape:
        raise ShapeError(
            "cross_entropy takes logits of shape (..., classes), of two classes or more, not of "
            f"shape {z.shape}; for a single number per row write te.nn.losses.bce_with_logits"
        )
    if not 0 <= label_smoothing <= 1:
        raise OperandError(f"label_smoothing must be from 0 to 1, not {label_smoothing!r}")
    classes = z.shape[-1]
    by_class = t.shape != z.shape
    if not by_class:
        refuse_rows_of_labels(t)
        if ignore_index is not None:
            raise OperandError(
                "ignore_index names a class, but the targets are probabilities; give classes as "
                "target.argmax(axis=-1), or leave it out"
            )
    if weights is not None:
        weights = class_weights(weights, z)
    warn_of_probabilities(
        z,
        "cross_entropy",
        "takes the softmax itself: that of probabilities, from 0 to 1, is nearly even, so the loss "
        f"of {classes} classes never falls below {np.log1p((classes - 1) / np.e):.2f}",
    )
    share = one_hot("cross_entropy", t, z, ignore_index) if by_class else t
    trust, total = share, None
    if label_smoothing:
        counted = np.sum(share, axis=-1, keepdims=True) if by_class else 1.0
        trust = (1 - label_smoothing) * share + label_smoothing / classes * counted
    if weights is not None:
        trust = trust * weights
    if by_class and not (weights is None and ignore_index is None):
        total = np.sum(share if weights is None else share * weights)
        if reduction == "mean" and total == 0:
            raise OperandError(
                "there is nothing to average: every target is ignored or has the weight 0"
            )
    return reduced(weighted(-trust, log_softmax(z)).sum(axis=-1), reduction, total)


def shortfall_forward(a: Any, b: Any, margin: Any) -> Any:
    """max(0, a − b + margin), right in the last place where a − b is all but −margin, too."""
    with np.errstate(over="ignore", invalid="ignore"):
        apart, lost = difference(b, a)
        # Where this cancels it is exact, and what the difference has lost is all that is missing.
        return np.maximum(apart + margin + lost, 0.0)


shortfall = define_elementwise(
    "shortfall",
    shortfall_forward,
    (
        lambda out, a, b, margin: out > 0,
        lambda out, a, b, margin: -1.0 * (out > 0),
        lambda out, a, b, margin: out > 0,
    ),
    formula=r"\max\left(0, {0} - {1} + {2}\right)",
    domain=(REAL, REAL, REAL),
    kinks=(lambda a, b, margin: a - b + margin,),
    extremes=((1e308, 1e308, 1.0), (0.0, 1.0, 1.0), (-1e308, 1.0, 1.0)),
    definition=lambda a, b, margin: np.maximum(a - b + margin, 0.0),
)


@refusing(BY_HAND)
def hinge(
    prediction: Operand, target: Operand, margin: float = 1.0, reduction: Reduction = "mean"
) -> Value:
    """Hinge loss: what the true answer lacks to lead by `margin`, which is what an SVM minimises.

    For two classes prediction and target have one shape and the targets are −1 and 1: the loss is
    max(0, margin − t y). For several, predictions are scores of shape (..., classes) and targets
    whole numbers of shape (...): the loss is the mean over the classes of
    max(0, margin + score − score of the true class), the true class itself adding nothing to it.
    Raises `ShapeError`, `OperandError` for targets that do not fit.
    Source: Cortes and Vapnik 1995; Weston and Watkins 1999, for several classes.
    """
    positive("margin", margin)
    y, t = as_prediction(prediction), as_target(target)
    if y.ndim and y.shape[-1] > 1 and t.shape == y.shape[:-1]:
        own = one_hot("hinge", t, y) == 1
        score = np.sum(np.where(own, y, 0.0), axis=-1, keepdims=True)
        lacks = np.where(own, 0.0, shortfall(y, score, margin))
        return reduced(lacks.sum(axis=-1) / y.shape[-1], reduction)
    y, t = pair(y, t)
    plain = numbers_of(t)
    if not np.all(np.abs(plain) == 1):
        raise OperandError(
            f"hinge takes targets −1 and 1; these reach from {least(plain):.6g} to "
            f"{greatest(plain):.6g}; for 0 and 1 write 2 * target - 1, for classes give scores of "
            "shape (..., classes)"
        )
    return reduced(shortfall(0.0, t * y, margin), reduction)


@refusing(BY_HAND)
def kl_divergence(log_prediction: Operand, target: Operand, reduction: Reduction = "mean") -> Value:
    """Kullback–Leibler divergence of true probabilities t from predicted p: Σ t (log t − log p).

    `log_prediction` are logarithms of probabilities, as log_softmax gives them, `target`
    probabilities, both of shape (..., classes). The sum is over the classes; `reduction` is of the
    rows (PyTorch's "batchmean"). Where both all but agree the logarithms cancel: the error is then
    a few units in the last place of the terms, not of their sum. Raises `ShapeError` where the
    shapes differ, `OperandError` for a negative target or a prediction that holds no logarithms.
    Source: Kullback and Leibler 1951, On Information and Sufficiency.
    """
    q, t = pair(log_prediction, target)
    if not q.ndim:
        raise ShapeError("kl_divergence takes rows of probabilities, not a single number")
    if least(q.data) >= 0 and greatest(q.data) > 0:
        raise OperandError(
            f"kl_divergence takes logarithms of probabilities, all from 0 down; these reach from "
            f"{least(q.data):.6g} to {greatest(q.data):.6g}; write te.activations.log_softmax of "
            "the logits, or np.log of probabilities"
        )
    if least(numbers_of(t)) < 0:
        raise OperandError(
            "kl_divergence takes probabilities for targets; these reach down to "
            f"{least(numbers_of(t)):.6g}"
        )
    with np.errstate(divide="ignore"):
        losses = weighted(t, np.log(t)) - weighted(t, q)
    return reduced(losses.sum(axis=-1), reduction)
