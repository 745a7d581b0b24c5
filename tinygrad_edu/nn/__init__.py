"""Layers, initialisers and losses: plain objects that hold Values."""

import re
from typing import TYPE_CHECKING, NoReturn

from .. import activations
from ..errors import closest
from . import init, losses
from .layers import MLP, Dropout, Linear, Residual, Sequential
from .module import Module
from .normalisation import BatchNorm, LayerNorm
from .recurrent import RNN
from .summary import Summary

__all__ = [
    "MLP",
    "RNN",
    "BatchNorm",
    "Dropout",
    "LayerNorm",
    "Linear",
    "Module",
    "Residual",
    "Sequential",
    "Summary",
    "init",
    "losses",
]

# What PyTorch's torch.nn has, and what to write here.
UNBUILT = (
    "a class of your own, derived from te.nn.Module: convolutions, gates, attention and "
    "embeddings are not built in"
)
ELSEWHERE = {
    "Parameter": "te.Value(array) as an attribute of the module",
    "Buffer": "te.Value(array, requires_grad=False) as an attribute of the module",
    "ModuleList": "a list of modules as an attribute",
    "ParameterList": "a list of Values as an attribute",
    "ModuleDict": "a dict of modules as an attribute",
    "ParameterDict": "a dict of Values as an attribute",
    "Flatten": "lambda x: x.reshape(len(x), -1)",
    "functional": "te.activations and te.nn.losses",
    "utils": "te.optim, for clip_grad_norm and clip_grad_value",
} | dict.fromkeys(
    ("LSTM", "GRU", "LSTMCell", "GRUCell", "Conv", "Embedding", "MultiheadAttention"), UNBUILT
)


def elsewhere(name: str) -> NoReturn:
    """Say what to write for a name of PyTorch's."""
    plain = re.sub(r"(Cell|[123]d)$", "", name)
    letters = name.replace("_", "").lower()
    if activation := activations.ours(name):
        hint = f"write te.activations.{activation}"
    elif loss := losses.ELSEWHERE.get(letters):
        hint = f"write te.nn.losses.{loss}"
    elif plain in __all__:
        hint = f"write te.nn.{plain}" + ", features last" * (plain == "BatchNorm")
    else:
        instead = ELSEWHERE.get(name) or ELSEWHERE.get(plain)
        hint = f"write {instead}" if instead else f"there is {closest(name, __all__)}"
    raise AttributeError(f"te.nn has no {name!r}; {hint}", name=name)


# Type checkers shall find a wrong name by themselves.
if not TYPE_CHECKING:
    __getattr__ = elsewhere
