"""Pictures: activations, computation graphs, training, and the report they stand in."""

from .addition import bit_accuracy, sums
from .classes import confusion_matrix, mistakes, weight_images
from .comparison import comparison
from .curves import activation, activations
from .descent import descent
from .formulas import expression, latex, tree
from .gallery import surfaces
from .gradients import flow
from .graph import Graph, graph
from .learned import decision_regions, learned_surfaces, regions
from .steps import Page, step_through
from .training import gradient_magnitudes, losses, training
from .weights import weight_histograms

__all__ = [
    "Graph",
    "Page",
    "activation",
    "activations",
    "bit_accuracy",
    "comparison",
    "confusion_matrix",
    "decision_regions",
    "descent",
    "expression",
    "flow",
    "gradient_magnitudes",
    "graph",
    "latex",
    "learned_surfaces",
    "losses",
    "mistakes",
    "regions",
    "step_through",
    "sums",
    "surfaces",
    "training",
    "tree",
    "weight_histograms",
    "weight_images",
]
