"""Gradient flow: how strong the gradient is at each layer, measured and predicted."""

from .measure import Flow, rms, track
from .structure import Layer, layers_of
from .theory import Theory, theory

__all__ = ["Flow", "Layer", "Theory", "layers_of", "rms", "theory", "track"]
