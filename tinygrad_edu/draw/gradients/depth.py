"""The gradient over depth: before and after training, beside theory and beside that of weights."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...flow import Flow, Theory
from ..style import COLOURS, figure_context, legend_below, new_figure, short
from .scales import Floats, ends, level_depth, powers, relative, started, thresholds
from .words import translator

THEORY = "#009E73"
STYLES = (
    {"color": COLOURS[0], "linestyle": "-", "linewidth": 1.8, "marker": "o"},
    {"color": COLOURS[1], "linestyle": "--", "linewidth": 1.8, "marker": "s"},
)


def layers(flow: Flow, *, theory: Theory | None = None, lang: str = "en") -> Figure:
    """The rms of δ of each layer in the first and in the last backward pass, the last layer as 1.

    The log axis is fixed, so that a healthy gradient never looks vanished; it grows by whole steps
    of four decades. Passes whose last layer has no positive gradient are passed over. `theory` is
    drawn as a band that 95 % of networks stay in before training. Raises `ValueError` for a flow
    without passes, and for the theory of another model.
    """
    say = translator(lang)
    started(flow)
    rows = flow["delta"]
    ratios, steps = relative(rows), ends(rows)
    predicted = None if theory is None else _of_layers(flow, theory)
    with figure_context(lang):
        figure = new_figure(6.4, 4.2)
        axes = figure.add_subplot()
        places = np.arange(len(flow.layers))
        scale = powers(ratios[steps])
        handles: list[Artist] = []
        for step, style in zip(steps, STYLES, strict=False):
            text = say("pass {step} (last layer: {size})" if step else _FIRST)
            label = text.format(step=f"{step + 1:,}", size=short(rows[step, -1], 3))
            handles.append(scale.line(axes, places, ratios[step], label=label, **style))
        if predicted is not None:
            middle, low, high = map(scale.clipped, predicted)
            label = say("theory before training: median")
            handles += axes.plot(places, middle, color=THEORY, linestyle=":", label=label)
            label = say("theory before training: 95 % of networks")
            handles.append(
                axes.fill_between(
                    places, low, high, color=THEORY, alpha=0.25, linewidth=0, label=label
                )
            )
        handles += thresholds(axes, say)
        axes.set(
            title=say("Gradient in each layer"), ylabel=say("rms of δ = ∂L/∂z, last layer = 1")
        )
        scale.apply(axes, "y")
        level_depth(axes, flow.layers, say)
        axes.grid(alpha=0.3)
        handles += scale.notes(say)
        if steps[-1] < len(rows) - 1:
            label = say("after pass {step} the last layer has a δ of 0 or not finite")
            label = label.format(step=f"{steps[-1] + 1:,}")
            handles.append(Line2D([], [], linestyle="none", label=label))
        legend_below(figure, handles, lang)
    return figure


def trap(flow: Flow, *, lang: str = "en") -> Figure:
    """The rms of δ and of ∇W of each layer in the first pass, the last layer as 1.

    Weight gradients can be alike in all layers while δ vanishes (Glorot and Bengio 2010, figure 8):
    ∇W is δ times the layer's input, and sums it over the batch. Raises `ValueError` for a flow
    without passes.
    """
    say = translator(lang)
    started(flow)
    step = ends(flow["delta"])[0]
    with figure_context(lang):
        figure = new_figure(6.4, 4.2)
        axes = figure.add_subplot()
        rows = relative(np.array([flow[quantity][step] for quantity in ("delta", "weight")]))
        scale = powers(rows)
        handles: list[Artist] = []
        for ratios, text, style in zip(rows, _BOTH, STYLES, strict=True):
            label = say(text).format(ratio=short(ratios[0], 2))
            places = np.arange(len(ratios))
            handles.append(scale.line(axes, places, ratios, label=label, **style))
        handles += thresholds(axes, say)
        text = "Weight gradients can hide what δ shows"
        if not rows[1, 0] > 10 * rows[0, 0]:
            text = "Weight gradients beside δ"
        axes.set(title=say(text), ylabel=say("rms, last layer = 1"))
        scale.apply(axes, "y")
        level_depth(axes, flow.layers, say)
        axes.grid(alpha=0.3)
        legend_below(figure, handles + scale.notes(say), lang)
    return figure


_FIRST = "first pass (last layer: {size})"
_BOTH = (
    "δ = ∂L/∂z: first ÷ last layer {ratio}",
    "∇W = ∂L/∂W: first ÷ last layer {ratio}",
)


def _of_layers(flow: Flow, theory: Theory) -> list[Floats]:
    """Median and both ends of δ for the layers of a flow."""
    places = {name: place for place, name in enumerate(theory.names)}
    if theory.names[-1] != flow.layers[-1] or not places.keys() >= set(flow.layers):
        raise ValueError(
            f"this theory is of the layers {', '.join(theory.names)}, and the flow of "
            f"{', '.join(flow.layers)}: give te.flow.theory(model) of the model that was tracked"
        )
    chosen = [places[name] for name in flow.layers]
    return [each[chosen] for each in (theory.delta, theory.low, theory.high)]
