"""Numbers and arrays as the page shows them: short, exact, and as cells with colours."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..labels import number, quantity

# What is larger is cut, so that a page of hundreds of steps stays a file that a browser opens.
ROWS, COLUMNS = 12, 16
LEVELS = 8


class Heatmaps:
    """All arrays of a page, each once."""

    def __init__(self, say: Any) -> None:
        self.say = say
        self.arrays: list[dict[str, Any]] = []
        self.places: dict[tuple[Any, ...], int] = {}

    def quantity(self, data: Any, name: str = "") -> dict[str, Any]:
        """A number, or a reference to an array, under its name."""
        if not np.ndim(data):
            return {"name": name, "text": number(as_float(data)), "exact": exact(data)}
        array = np.ascontiguousarray(data)
        key = (array.shape, array.dtype.str, array.tobytes())
        if key not in self.places:
            self.places[key] = len(self.arrays)
            self.arrays.append(self.heatmap(array))
        return {"name": name, "text": quantity(as_float(array)), "array": self.places[key]}

    def heatmap(self, array: np.ndarray[Any, Any]) -> dict[str, Any]:
        """The cells of an array, its leading axes one below the other."""
        table = array.reshape(-1, array.shape[-1]) if array.size else array.reshape(0, 0)
        finite = np.abs(as_float(array)[np.isfinite(array)])
        largest = float(np.max(finite, initial=0.0))
        rows, columns = (min(n, most) for n, most in zip(table.shape, (ROWS, COLUMNS), strict=True))
        lead = list(np.ndindex(array.shape[:-1]))[:rows] if array.size else []
        notes = [self.say("colours: ±{}").format(number(largest))]
        if (rows, columns) != table.shape:
            notes.append(
                self.say("the first {} of {} rows and {} of {} columns").format(
                    rows, table.shape[0], columns, table.shape[1]
                )
            )
        return {
            "shape": str(array.shape),
            "notes": notes if array.size else [],
            "rows": [", ".join(map(str, index)) for index in lead],
            "columns": [str(column) for column in range(columns)],
            "cells": [
                [[number(as_float(x)), exact(x), level(float(x), largest)] for x in row[:columns]]
                for row in table[:rows]
            ],
        }


def as_float(data: Any) -> Any:
    """Truth values as 0 and 1, any other numbers as they are."""
    return np.asarray(data, np.float64)[()] if np.asarray(data).dtype == bool else data


def exact(x: Any) -> str:
    """All digits of a number: reading them gives it back."""
    return str(as_float(x))


def level(x: float, largest: float) -> int | None:
    """The depth of a number's colour, from −8 to 8; None where it is not finite."""
    if not np.isfinite(x):
        return None
    return round(LEVELS * x / largest) if largest else 0
