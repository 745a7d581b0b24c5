"""Training: a loop that is measured, can be interrupted, and says where it breaks."""

from .callbacks import Callback, EarlyStopping, Run
from .checkpoints import load, save
from .history import History
from .loop import evaluate, fit
from .metrics import accuracy, binary_accuracy

__all__ = [
    "Callback",
    "EarlyStopping",
    "History",
    "Run",
    "accuracy",
    "binary_accuracy",
    "evaluate",
    "fit",
    "load",
    "save",
]
