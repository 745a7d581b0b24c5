"""Pictures: computation graphs, training, and the report they stand in."""

from .graph import Graph, graph
from .training import gradient_magnitudes, losses, regions, surfaces

__all__ = ["Graph", "gradient_magnitudes", "graph", "losses", "regions", "surfaces"]
