"""Gradients and updates in the course of training."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.artist import Artist
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ...flow import Flow
from ...flow.symptoms import LEAST_UPDATE, MOST_UPDATE
from ..style import GREY, figure_context, legend_below, new_figure, short
from .scales import (
    DEPTH_COLOURS,
    NO_NUMBER,
    RATIO_COLOURS,
    RATIO_NORM,
    colourable,
    depth_ticks,
    median,
    powers,
    ratio_bar,
    relative,
    started,
    whole_numbers,
)
from .words import translator

_COLUMNS = 300
_USUAL = 1e-3  # CS231n
_UPDATES = -8, 2


def epochs(flow: Flow, *, lang: str = "en") -> Figure:
    """The rms of δ of each layer ÷ the last one's as colours, depth × epoch.

    Where no epochs are known, depth × backward pass. White is the last layer's own size; the
    colours span a factor of a million to both sides and are always the same. A column is the
    median of its passes. Raises `ValueError` for a flow without passes.
    """
    say = translator(lang)
    started(flow)
    with np.errstate(divide="ignore"):
        logs = np.log10(relative(flow["delta"]))
    passes = len(logs)
    bounds = [0, *flow.epochs] if flow.epochs else [*range(passes + 1)]
    if bounds[-1] < passes:  # an epoch that was not finished
        bounds.append(passes)
    width = math.ceil((len(bounds) - 1) / _COLUMNS)
    starts = [*range(0, len(bounds) - 1, width)]
    edges = np.array([*starts, len(bounds) - 1]) + 0.5
    image = np.array(
        [
            median(logs[bounds[start] : bounds[min(start + width, len(bounds) - 1)]])
            for start in starts
        ]
    ).T
    with figure_context(lang):
        names = flow.layers
        figure = new_figure(6.8, 4.4)
        axes = figure.add_subplot()
        axes.pcolormesh(
            edges,
            np.arange(len(names) + 1) - 0.5,
            colourable(image),
            cmap=RATIO_COLOURS,
            norm=RATIO_NORM,
            rasterized=True,
        )
        unit, what = ("Epoch", "epochs") if flow.epochs else ("Backward pass", "passes")
        axes.set(
            title=say("Gradient in each layer during training"),
            ylabel=say("Layer (the first one is at the bottom)"),
        )
        depth_ticks(axes.yaxis, names, level=False)
        axes.xaxis.set_major_locator(whole_numbers())
        ratio_bar(figure, [axes], say("rms δ ÷ last layer's"))
        text = f"colour: median of {{width}} {what}"
        if width == 1:
            text = "colour: median of each epoch" if flow.epochs else "colour: each backward pass"
        axes.set_xlabel(f"{say(unit)}\n{say(text).format(width=f'{width:,}')}")
        if np.isnan(image).any():
            legend_below(figure, [Patch(color=NO_NUMBER, label=say("no number"))], lang)
    return figure


def updates(flow: Flow, *, lang: str = "en") -> Figure:
    """The rms of each step ÷ that of the weights it moved, by layer, on a fixed log axis.

    Colours go from the first layer to the last. The line at 1e-3 is what CS231n calls usual, the
    band from 1e-4 to 1e-1 what TheDeepChecker calls fine. Raises `ValueError` for a flow without
    passes.
    """
    say = translator(lang)
    started(flow)
    names, rows = flow.layers, flow["update"]
    looked = np.flatnonzero(~np.isnan(rows).all(axis=1))
    width = max(1, math.ceil(len(looked) / _COLUMNS))
    groups = [looked[start : start + width] for start in range(0, len(looked), width)]
    x = np.array([group.mean() + 1 for group in groups])
    drawn = np.array([median(rows[group]) for group in groups]).reshape(-1, len(names))
    with figure_context(lang):
        figure = new_figure(6.8, 4.2)
        axes = figure.add_subplot()
        norm = Normalize(0, max(len(names) - 1, 1))
        scale = powers(drawn, *_UPDATES)
        for place in range(len(names)):
            colour = DEPTH_COLOURS(norm(place))
            scale.line(axes, x, drawn[:, place], color=colour, markersize=3, linewidth=1)
        fine = say("fine: {low} to {high}").format(low=short(LEAST_UPDATE), high=short(MOST_UPDATE))
        handles: list[Artist] = [
            axes.axhline(
                _USUAL, color=GREY, linestyle="--", linewidth=1, label=say("usual: about 0.001")
            ),
            axes.axhspan(LEAST_UPDATE, MOST_UPDATE, color="#009E73", alpha=0.12, label=fine),
        ]
        if not (drawn > 0).any():
            axes.text(
                0.5,
                0.25,
                say("no step of an optimiser moved the weights"),
                transform=axes.transAxes,
                ha="center",
            )
        axes.set(
            title=say("How far each step moves the weights"),
            xlabel=say("Backward pass"),
            ylabel=say("update ÷ weight (rms)"),
            xlim=(0.5 - 0.01 * len(flow), 0.5 + 1.01 * len(flow)),
        )
        scale.apply(axes, "y")
        axes.xaxis.set_major_locator(whole_numbers())
        axes.grid(alpha=0.3)
        if len(names) > 1:
            bar = figure.colorbar(ScalarMappable(norm, DEPTH_COLOURS), ax=axes, label=say("Layer"))
            depth_ticks(bar.ax.yaxis, names, level=False, room=16)
        if width > 1:
            text = say("line: median of {width} measured steps").format(width=width)
            handles.append(Patch(facecolor="none", edgecolor="none", label=text))
        legend_below(figure, handles + scale.notes(say), lang)
    return figure
