"""Heatmaps: which entries are which colours, also of what is large or not finite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.draw.drawing import Drawing
from tinygrad_edu.draw.graph import graph
from tinygrad_edu.draw.heatmap import ABOVE, BELOW, NOT_FINITE, heatmap


def shown(data: object) -> list[list[str]]:
    """The colours of a heatmap."""
    found = heatmap(np.array(data, float))
    assert found is not None
    return [[colour for colour, _ in row] for row in found.cells]


def test_colours_run_from_orange_through_white_to_blue() -> None:
    assert shown([-2.0, 0.0, 2.0]) == [[BELOW, "#ffffff", ABOVE]]
    # Half way from white to the colour.
    half = "#" + "".join(f"{round((255 + int(ABOVE[i : i + 2], 16)) / 2):02x}" for i in (1, 3, 5))
    assert shown([[1.0, -2.0], [2.0, 0.0]]) == [[half, BELOW], [ABOVE, "#ffffff"]]
    found = heatmap(np.array([[1.0, -2.0], [2.0, 0.0]]))
    assert found is not None
    assert (found.range, found.block) == (2, (1, 1))
    assert [[below for _, below in row] for row in found.cells] == [[False, True], [False, False]]
    assert shown([0.0, 0.0]) == [["#ffffff"] * 2]


def test_both_ends_can_be_told_apart_by_colour_blind_readers() -> None:
    # Blue against orange: the blue channel differs as much as any can.
    low, high = (int(colour[5:], 16) for colour in (BELOW, ABOVE))
    assert high - low > 150


def test_larger_arrays_show_means_of_blocks() -> None:
    data = np.random.default_rng(0).normal(size=(33, 40))
    found = heatmap(data)
    assert found is not None
    assert found.block == (3, 3)
    assert (len(found.cells), len(found.cells[0])) == (11, 14)
    means = [[data[i : i + 3, j : j + 3].mean() for j in range(0, 40, 3)] for i in range(0, 33, 3)]
    assert found.range == pytest.approx(np.abs(means).max())
    assert [[below for _, below in row] for row in found.cells] == (np.array(means) < 0).tolist()
    vector = heatmap(np.arange(17.0))
    assert vector is not None
    assert (vector.block, len(vector.cells), len(vector.cells[0])) == ((1, 2), 1, 9)
    assert vector.range == 16  # the last block is one entry


def test_what_is_not_finite_is_marked_and_does_not_spoil_the_rest() -> None:
    assert shown([math.nan, -1.0, math.inf, 2.0])[0][::2] == [NOT_FINITE] * 2
    assert shown([math.nan, -1.0, math.inf, 2.0])[0][3] == ABOVE
    assert shown([math.nan]) == [[NOT_FINITE]]


@pytest.mark.parametrize("data", [1.0, np.zeros((0, 3)), np.zeros((2, 2, 2)), None])
def test_what_is_neither_vector_nor_matrix_has_none(data: object) -> None:
    assert heatmap(data) is None


def test_drawn_heatmaps_are_those_of_value_and_gradient() -> None:
    x, w = np.array([[1.0, -1.0], [0.5, 0.0]]), te.Value([[2.0], [-4.0]], "w")
    y = np.sum(x @ w)
    assert Drawing(graph(y).source).tables == {}
    before = Drawing(graph(y, heatmaps=True).source)
    assert before.cells("n1") == [shown(w.data)]
    assert "±4" in before.labels["n1"].split("; ")
    y.backward()
    after = Drawing(graph(y, heatmaps=True).source)
    assert after.kinds == {"n0": "constant", "n1": "parameter", "n2": "operation", "n3": "output"}
    assert after.cells("n0") == [shown(x)]
    assert after.cells("n1") == [shown([[2.0], [-4.0]]), shown([[1.5], [-1.0]])]
    assert after.cells("n2") == [shown([[6.0], [1.0]]), shown([[1.0], [1.0]])]
    assert after.labels["n1"].split("; ")[-2:] == ["±4", "±1.5"]
    assert "n3" not in after.tables
    assert any("±a" in line for line in after.legend)
    assert [edge[:2] for edge in after.edges] == [("n0", "n2"), ("n1", "n2"), ("n2", "n3")]


def test_the_legend_says_what_else_occurs() -> None:
    x = np.ones((40, 2))
    x[0] = np.nan
    y: Any = np.tanh(x * te.Value(2.0))
    legend = Drawing(graph(y, heatmaps=True).source).legend
    assert any("means of 3 × 1 entries" in line for line in legend)
    assert any("not finite" in line for line in legend)
    y = np.tanh(np.ones((2, 2)) * te.Value(2.0))
    legend = Drawing(graph(y, heatmaps=True).source).legend
    assert not any("means of" in line or "not finite" in line for line in legend)
