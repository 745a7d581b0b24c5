"""What losses ask of their arguments, and what they make of the losses of all targets."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal

import numpy as np

from ...engine.node import Node, frames_to_the_user
from ...engine.operation import REAL, define_elementwise
from ...engine.value import Operand, Value
from ...errors import LossWarning, OperandError, ShapeError, UnknownNameError

Reduction = Literal["mean", "sum", "none"]

# What PyTorch and Keras call the options of losses.
SPELLINGS = {
    "input": "prediction",
    "y_pred": "prediction",
    "y_true": "target",
    "labels": "target",
    "weight": "weights",
    "class_weight": "weights",
    "pos_weight": "positive_weight",
    "beta": "delta",
    "log_target": "leave it out: the target holds probabilities, np.exp(log_target)",
    "from_logits": "leave it out: cross_entropy and bce_with_logits take logits, bce probabilities",
    "size_average": "write reduction='mean' or 'sum'",
    "reduce": "write reduction='none'",
}
# Where a loss has no weights.
BY_HAND = SPELLINGS | {
    "weight": "write np.mean(weight * loss) with reduction='none' in the loss",
    "weights": "write np.mean(weights * loss) with reduction='none' in the loss",
}

# What leaves every entry as it is.
MOVES = frozenset(
    {
        *("astype", "broadcast_to", "concatenate", "expand_dims", "flip", "getitem", "positive"),
        *("reshape", "squeeze", "stack", "swapaxes", "take", "transpose"),
    }
)
PROBABILITIES = frozenset({"sigmoid", "hard_sigmoid", "softmax", "softmin"})


def as_prediction(given: Operand) -> Value:
    """A Value as it is, numbers as one that is not tracked."""
    return given if isinstance(given, Value) else Value(given, requires_grad=False)


def as_target(given: Operand) -> Any:
    """A Value as it is, anything else as an array: whole numbers stay what they are."""
    return given if isinstance(given, Value) else np.asarray(given)


def pair(prediction: Operand, target: Operand) -> tuple[Value, Any]:
    """Both, if they are of one shape: broadcasting would make a table of all pairs.

    Raises `ShapeError`.
    """
    y, t = as_prediction(prediction), as_target(target)
    shape, wanted = t.shape, y.shape
    if shape != wanted:
        if math.prod(shape) == math.prod(wanted):
            advice = f"write target.reshape{wanted}"
        elif shape == wanted[:-1]:
            advice = (
                "give one target per prediction; if the targets are classes, write "
                "te.nn.losses.cross_entropy"
            )
        else:
            advice = "give one target per prediction"
        raise ShapeError(
            f"the prediction has shape {wanted} and the target {shape}; they must be equal, "
            + advice
        )
    if not y.size:
        raise ShapeError(f"the prediction is empty, of shape {shape}: there is no loss of nothing")
    return y, t


def reduced(losses: Value, reduction: str, total: Any = None) -> Value:
    """The mean, the sum, or all losses; `total` is the weight of all, where it is not their count.

    Raises `UnknownNameError`.
    """
    if reduction == "mean":
        return losses.mean() if total is None else losses.sum() / total
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise UnknownNameError(
        f'no reduction {reduction!r}; write "mean" (over all targets), "sum" or "none"'
    )


def weighted_forward(weight: Any, number: Any) -> Any:
    """Their product; 0 where the weight is 0, though the number is infinite there."""
    with np.errstate(invalid="ignore"):
        product = weight * number
    return np.where((weight == 0) & np.isinf(number), 0.0, product)


# The logarithm of what is impossible, −∞, counts nothing where it never happens.
weighted = define_elementwise(
    "weighted",
    weighted_forward,
    (lambda out, weight, number: number, lambda out, weight, number: weight),
    formula=r"{0} \cdot {1}",
    domain=(REAL, REAL),
    extremes=((0.0, 1e308), (1e200, 1e-200)),
    definition=lambda weight, number: weight * number,
)


def positive(what: str, number: Any) -> None:
    """Raise `OperandError` for what is not a number above 0."""
    if not isinstance(number, int | float | np.number) or not number > 0:
        raise OperandError(f"{what} must be a positive number, not {number!r}")


def warn_of_probabilities(prediction: Value, loss: str, why: str) -> None:
    """Warn where a prediction comes out of a sigmoid or a softmax: `why` says what is wrong.

    The warning stands at the user's line, so Python shows it once for each.
    """
    node: Any = prediction
    while isinstance(node, Node) and node.op is not None:
        if node.op.name in PROBABILITIES:
            warnings.warn(
                f"{loss} is given what comes out of {node.op.name}, but {why}. Give it what goes "
                f"into {node.op.name}: for an MLP write output=None",
                LossWarning,
                stacklevel=frames_to_the_user(),
            )
            return
        if node.op.name not in MOVES:
            return
        node = node.inputs[0]
