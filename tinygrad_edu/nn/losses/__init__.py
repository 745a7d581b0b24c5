"""Losses: a prediction and a target, to a single number.

Each takes `reduction=`: "mean" of the losses of all targets, their "sum", or "none", each by
itself.
"""

from typing import TYPE_CHECKING, NoReturn

from ...spellings import refuse_name
from .classes import bce, bce_with_logits, cross_entropy, hinge, kl_divergence
from .numbers import huber, mae, mse
from .penalties import l1, l2

__all__ = [
    "bce",
    "bce_with_logits",
    "cross_entropy",
    "hinge",
    "huber",
    "kl_divergence",
    "l1",
    "l2",
    "mae",
    "mse",
]

# What other libraries call them: their letters alone, in lower case.
ELSEWHERE = {
    "mseloss": "mse",
    "meansquarederror": "mse",
    "l1loss": "mae",
    "meanabsoluteerror": "mae",
    "huberloss": "huber",
    "smoothl1loss": "huber",
    "smoothl1": "huber",
    "bceloss": "bce",
    "binarycrossentropy": "bce",
    "bcewithlogitsloss": "bce_with_logits",
    "binarycrossentropywithlogits": "bce_with_logits",
    "crossentropyloss": "cross_entropy",
    "nllloss": "cross_entropy",
    "categoricalcrossentropy": "cross_entropy",
    "sparsecategoricalcrossentropy": "cross_entropy",
    "kldiv": "kl_divergence",
    "kldivloss": "kl_divergence",
    "hingeloss": "hinge",
    "multimarginloss": "hinge",
}


def elsewhere(name: str) -> NoReturn:
    """Say what to write for a name of PyTorch's or Keras's."""
    ours = ELSEWHERE.get(name.replace("_", "").lower())
    refuse_name("te.nn.losses", name, {name: f"te.nn.losses.{ours}"} if ours else {}, __all__)


# Type checkers shall find a wrong name by themselves.
if not TYPE_CHECKING:
    __getattr__ = elsewhere
