"""Layers, initialisers and losses: plain objects that hold Values."""

from . import init, losses
from .layers import MLP, Linear, Sequential
from .module import Module

__all__ = ["MLP", "Linear", "Module", "Sequential", "init", "losses"]
