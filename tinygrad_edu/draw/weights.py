"""How the parameters of a model are distributed, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..nn.module import Module
from .style import COLOURS, GREY, figure_context, new_figure, panel_grid, plain, short, translator

BINS = 40


def weight_histograms(model: Module, *, lang: str = "en") -> Figure:
    """A histogram of each parameter of `model`, all on one horizontal scale.

    The title of each says its shape, mean and standard deviation; entries that are no finite
    numbers are counted there. Raises `ValueError` for a model without parameters.
    """
    say = translator(lang)
    parameters = dict(model.named_parameters())
    if not parameters:
        raise ValueError("this model has no parameters to draw")
    with figure_context(lang):
        rows, columns = panel_grid(len(parameters))
        figure = new_figure(3.2 * columns, 2.6 * rows + 0.5)
        grid: Any = figure.subplots(rows, columns, sharex=True, squeeze=False)
        finite = {name: kept(value.data) for name, value in parameters.items()}
        largest = max((np.abs(data).max(initial=0) for data in finite.values()), default=0)
        reach = 1.05 * largest or 1.0
        for axes, (name, data) in zip(grid.flat, finite.items(), strict=False):
            axes.hist(data, bins=BINS, range=(-reach, reach), color=COLOURS[0])
            axes.axvline(0, color=GREY, linewidth=0.8)
            value = parameters[name]
            lines = [f"{plain(name)} {value.shape}"]
            if data.size:
                lines.append(f"{short(data.mean(), 3)} ± {short(data.std(), 3)}")
            if lost := np.size(value.data) - data.size:
                lines.append(say("{count} entries are no finite numbers").format(count=lost))
            axes.set_title("\n".join(lines), fontsize="medium")
            axes.set_xlim(-reach, reach)
        for axes in grid.flat[len(parameters) :]:
            axes.set_visible(False)
        for axes in grid.flat[max(len(parameters) - columns, 0) : len(parameters)]:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel(say("value of an entry"))
        for axes in grid[:, 0]:
            axes.set_ylabel(say("number of entries"))
        figure.suptitle(say("Parameters: shape, mean ± standard deviation"))
    return figure


def kept(data: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """The finite entries, as a vector."""
    flat = np.ravel(data)
    return flat[np.isfinite(flat)]
