"""Pictures: activations, computation graphs, training, and the report they stand in."""

from .comparison import comparison
from .curves import activation, activations
from .formulas import expression, latex, tree
from .gallery import surfaces
from .graph import Graph, graph
from .learned import learned_surfaces, regions
from .steps import Page, step_through
from .training import gradient_magnitudes, losses
from .weights import weight_histograms

__all__ = [
    "Graph",
    "Page",
    "activation",
    "activations",
    "comparison",
    "expression",
    "gradient_magnitudes",
    "graph",
    "latex",
    "learned_surfaces",
    "losses",
    "regions",
    "step_through",
    "surfaces",
    "tree",
    "weight_histograms",
]
