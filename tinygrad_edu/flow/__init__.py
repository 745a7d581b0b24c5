"""Gradient flow: how strong the gradient is at each layer, measured and predicted."""

from .listening import Tracker, rms, track
from .measured import Flow
from .structure import Layer, layers_of
from .theory import Theory, theory

__all__ = ["Flow", "Layer", "Theory", "Tracker", "layers_of", "rms", "theory", "track"]
