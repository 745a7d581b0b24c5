"""Optimisers, gradient clipping and schedules of the learning rate."""

from typing import TYPE_CHECKING, NoReturn

from ..spellings import refuse_name
from . import landscapes
from .base import Optimizer
from .clipping import clip_grad_norm, clip_grad_value
from .landscapes import descend
from .rules import GD, OPTIMIZERS, SGD, Adagrad, Adam, AdamW, RMSprop, named
from .schedules import Schedule, cosine, plateau, step_decay, warm_up

__all__ = [
    "Adagrad",
    "Adam",
    "AdamW",
    "GD",
    "OPTIMIZERS",
    "Optimizer",
    "RMSprop",
    "SGD",
    "Schedule",
    "clip_grad_norm",
    "clip_grad_value",
    "cosine",
    "descend",
    "landscapes",
    "named",
    "plateau",
    "step_decay",
    "warm_up",
]

SCHEDULES = (
    "te.optim.step_decay, cosine, warm_up or plateau: te.train.fit(..., schedule=) takes one, and "
    "in a loop of your own optimizer.scale(schedule(epoch, losses))"
)
# What PyTorch and Keras call them.
ELSEWHERE = {
    "lr_scheduler": SCHEDULES,
    "LRScheduler": SCHEDULES,
    "LambdaLR": "a function of (epoch, losses) that returns the factor of the rate",
    "StepLR": "te.optim.step_decay(every, factor)",
    "ExponentialLR": "te.optim.step_decay(1, factor)",
    "CosineAnnealingLR": "te.optim.cosine(epochs, floor): a factor of the rate, not a rate",
    "LinearLR": "te.optim.warm_up(epochs)",
    "SequentialLR": "te.optim.warm_up(epochs, then=te.optim.cosine(epochs))",
    "ReduceLROnPlateau": "te.optim.plateau(factor, patience)",
    "clip_grad_norm_": "te.optim.clip_grad_norm(parameters, most)",
    "clip_grad_value_": "te.optim.clip_grad_value(parameters, most)",
    "Momentum": "te.optim.SGD(parameters, momentum=0.9)",
    "Nesterov": "te.optim.SGD(parameters, momentum=0.9, nesterov=True)",
}


def elsewhere(name: str) -> NoReturn:
    """Say what to write for a name of PyTorch's or Keras's."""
    refuse_name("te.optim", name, ELSEWHERE, __all__)


# Type checkers shall find a wrong name by themselves.
if not TYPE_CHECKING:
    __getattr__ = elsewhere
