"""Optimisers, gradient clipping and schedules of the learning rate."""

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
