"""Histograms of a model's parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.draw.layout import problems
from tinygrad_edu.draw.weights import weight_histograms


def heights(axes: Any) -> float:
    """How many entries the bars of a panel count in all."""
    return float(sum(bar.get_height() for bar in axes.patches))


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_each_parameter_has_its_panel_and_every_entry_is_counted(lang: str) -> None:
    model = te.nn.MLP([2, 16, 16, 1], "tanh", seed=3)
    figure = weight_histograms(model, lang=lang)
    assert problems(figure) == []
    shown = [axes for axes in figure.axes if axes.get_visible()]
    parameters = dict(model.named_parameters())
    assert [axes.get_title().split()[0] for axes in shown] == [*parameters]
    for axes, value in zip(shown, parameters.values(), strict=True):
        assert heights(axes) == value.size
        assert axes.get_xlim() == shown[0].get_xlim()


def test_what_is_not_finite_is_counted_in_the_title() -> None:
    model = te.nn.Linear(2, 2, seed=0)
    model.weight.data = np.array([[1.0, np.nan], [np.inf, 2.0]])
    figure = weight_histograms(model)
    assert "2 entries are no finite numbers" in figure.axes[0].get_title()
    assert heights(figure.axes[0]) == 2


def test_a_model_without_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match="no parameters"):
        weight_histograms(te.nn.Sequential(np.tanh))
