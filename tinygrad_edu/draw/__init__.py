"""Pictures: activations, computation graphs, training, and the report they stand in."""

from .comparison import comparison
from .curves import activation, activations
from .gallery import surfaces
from .graph import Graph, graph
from .learned import learned_surfaces, regions
from .training import gradient_magnitudes, losses

__all__ = [
    "Graph",
    "activation",
    "activations",
    "comparison",
    "gradient_magnitudes",
    "graph",
    "learned_surfaces",
    "losses",
    "regions",
    "surfaces",
]
