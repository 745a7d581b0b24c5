"""Arrays as small tables of colours: blue above zero, orange below, white at zero."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

MOST = 16  # cells in a row or column; of a larger array each stands for a block
ABOVE, BELOW, NOT_FINITE = "#0072b2", "#d55e00", "#1a1a1a"


class Heatmap(NamedTuple):
    """Rows of cells, each a colour and whether it stands for less than zero.

    The strongest colours are those of ±`range`. A cell stands for a `block` of entries.
    """

    cells: list[list[tuple[str, bool]]]
    range: float
    block: tuple[int, int]


def heatmap(data: Any) -> Heatmap | None:
    """The heatmap of a vector (one row) or matrix; None of anything else."""
    if np.ndim(data) not in (1, 2) or not data.size:
        return None
    table = np.atleast_2d(np.asarray(data, float))
    rows, columns = (-(-length // MOST) for length in table.shape)
    if rows > 1 or columns > 1:
        for axis, block in enumerate((rows, columns)):
            starts = np.arange(0, table.shape[axis], block)
            counts = np.diff([*starts, table.shape[axis]])
            sums = np.add.reduceat(table, starts, axis)
            table = sums / (counts[:, None] if axis == 0 else counts)
    finite = np.isfinite(table)
    largest = float(np.max(np.abs(table), where=finite, initial=0.0))
    scaled = np.where(finite, table, 0) / (largest or 1)
    cells = [
        [
            (colour_of(x) if known else NOT_FINITE, bool(x < 0))
            for x, known in zip(*row, strict=True)
        ]
        for row in zip(scaled, finite, strict=True)
    ]
    return Heatmap(cells, largest, (rows, columns))


def colour_of(x: float) -> str:
    """The colour of a number from −1 to 1."""
    end = ABOVE if x > 0 else BELOW
    parts = (255 + (int(end[i : i + 2], 16) - 255) * abs(x) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part):02x}" for part in parts)
