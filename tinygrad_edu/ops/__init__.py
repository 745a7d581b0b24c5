"""The operation records, one module per subject; importing this package registers them all."""

from . import arithmetic, elementary, linalg, reductions, selection, shaping, special

__all__ = ["arithmetic", "elementary", "linalg", "reductions", "selection", "shaping", "special"]
