"""Gradient flow: how strong it is at each layer; measured, predicted, diagnosed, cured."""

from .diagnosis import Diagnosis, diagnose
from .known_remedies import REMEDIES, Remedy
from .learning import Learning
from .listening import Tracker, rms, track
from .measured import Flow
from .remedies import Remedies, Tried, try_remedies
from .structure import Layer, layers_of
from .sweep import Sweep, sweep
from .symptoms import KINDS, Finding
from .theory import Theory, theory

__all__ = [
    "Diagnosis",
    "Finding",
    "Flow",
    "KINDS",
    "Layer",
    "Learning",
    "REMEDIES",
    "Remedies",
    "Remedy",
    "Sweep",
    "Theory",
    "Tracker",
    "Tried",
    "diagnose",
    "layers_of",
    "rms",
    "sweep",
    "theory",
    "track",
    "try_remedies",
]
