"""What a viewer could not read in a figure: text that is cut off or covered by other text."""

from __future__ import annotations

from itertools import combinations
from unittest.mock import patch

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

Corners = NDArray[np.float64]


def problems(figure: Figure, tolerance: float = 1.0) -> list[str]:
    """One line for each drawn text that leaves the figure, and for each two that overlap.

    `tolerance` is the number of pixels that boxes may share, at the figure's own resolution.
    """
    boxes = drawn_texts(figure)
    size = np.array([figure.bbox.width, figure.bbox.height])
    found = [
        f"{text!r} is cut off"
        for text, corners in boxes
        if (corners.min(axis=0) < -tolerance).any()
        or (corners.max(axis=0) > size + tolerance).any()
    ]
    found += [
        f"{one!r} overlaps {other!r}"
        for (one, a), (other, b) in combinations(boxes, 2)
        # Most are far apart, which a look at their ends tells.
        if (a.max(axis=0) > b.min(axis=0)).all() and (b.max(axis=0) > a.min(axis=0)).all()
        if _overlap(a, b) > tolerance
    ]
    return found


def drawn_texts(figure: Figure) -> list[tuple[str, Corners]]:
    """Every text that drawing the figure really draws, with the corners of its box in pixels."""
    # Asking the figure's artists would not do: axes hold many tick labels that they never draw.
    drawn: list[tuple[str, Corners]] = []
    draw = Text.draw

    def record(self: Text, renderer: object, *args: object, **options: object) -> None:
        if self.get_visible() and self.get_text().strip():
            drawn.append((self.get_text(), _corners(self)))
        draw(self, renderer, *args, **options)  # type: ignore[arg-type]

    if any(axes.name == "3d" for axes in figure.axes):
        figure.draw_without_rendering()  # only drawing tells their labels where they are
    with patch.object(Text, "draw", record):
        figure.draw_without_rendering()
    return drawn


def _corners(text: Text) -> Corners:
    # The extent of a slanted text is that of its shadow on the axes, larger than the text: turn
    # the extent of the level text about the same centre instead.
    shadow = text.get_window_extent()
    angle = text.get_rotation()
    text.set_rotation(0)
    level = text.get_window_extent()
    text.set_rotation(angle)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    half = signs * (level.width / 2, level.height / 2)
    return np.asarray(half @ [[cos, sin], [-sin, cos]] + np.add(shadow.min, shadow.max) / 2)


def _overlap(a: Corners, b: Corners) -> float:
    """How far two rectangles reach into each other along the direction that parts them best."""
    depths = []
    for one in (a, b):
        for side in (one[1] - one[0], one[2] - one[1]):
            axis = side / max(np.hypot(*side), 1e-12)
            p, q = a @ axis, b @ axis
            depths.append(min(p.max(), q.max()) - max(p.min(), q.min()))
    return float(min(depths))
