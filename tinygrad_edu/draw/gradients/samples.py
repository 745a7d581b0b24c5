"""How activations and δ are distributed, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.scale import SymmetricalLogTransform

from ...flow import Flow
from ..style import COLOURS, GREY, figure_context, legend_below, new_figure
from .scales import Floats, Say, Scale, powers, relative, short_names, started
from .words import translator

_MOST = 10
_BINS = 48
_A_DECADE = 4
# What activations with bounds never leave, then steps; beyond the last one the axis is logarithmic.
_REACHES = 1.1, 3.3, 11.0, 33.0


def histograms(flow: Flow, *, lang: str = "en") -> Figure:
    """Histograms of the activations and of |δ| of each layer, in the first and in the last look.

    One row for a layer, the first layer at the bottom; of more than ten, ten that are evenly
    spread. Activations share one axis, |δ| ÷ rms δ of the last layer a fixed log axis. Entries that
    are 0 or not finite are given in words. Raises `ValueError` for a flow without passes.
    """
    say = translator(lang)
    started(flow)
    if not flow.samples:
        raise ValueError("this flow has no samples to draw: its passes were all without a look")
    total = len(flow.layers)
    chosen = np.linspace(0, total - 1, min(total, _MOST)).round().astype(int).tolist()
    looks = sorted({min(flow.samples), max(flow.samples)})
    names = [flow.layers[place] for place in chosen]
    shown = short_names(flow.layers)
    data = {
        (quantity, name): [_sample(flow, look, quantity, name) for look in looks]
        for quantity in ("activation", "delta")
        for name in names
    }
    reach = _reach([each for key, both in data.items() if key[0] == "activation" for each in both])
    scale = powers(relative(flow["delta"][looks]))
    with figure_context(lang):
        figure = new_figure(7.6, 1.3 + 0.72 * len(names))
        panels: Any = figure.subplots(len(names), 2, squeeze=False, sharex="col")
        for row, (place, name) in enumerate(zip(reversed(chosen), reversed(names), strict=True)):
            for axes, quantity in zip(panels[row], ("activation", "delta"), strict=True):
                edges = _edges(reach) if quantity == "activation" else _decades(scale)
                side = "left" if quantity == "activation" else "right"
                _panel(axes, data[quantity, name], edges, side, say)
                if quantity == "activation" and not any(e.size for e in data[quantity, name]):
                    known = flow.activations.get(name)
                    text = say("not measured" if known else "no activation function")
                    axes.text(0.5, 0.5, text, transform=axes.transAxes, color=GREY, **_MIDDLE)
            panels[row, 0].set_ylabel(shown[place], rotation=0, ha="right", va="center")
        _signed(panels[-1, 0], reach)
        scale.apply(panels[-1, 1], "x")
        panels[-1, 0].set_xlabel(say("activation h"))
        panels[-1, 1].set_xlabel(say("|δ| ÷ rms δ of the last layer"))
        text = "Activations and δ, layer by layer"
        if len(names) < total:
            text = "Activations and δ in {shown} of {total} layers"
        figure.suptitle(say(text).format(shown=len(names), total=total))
        handles: list[Artist] = []
        for look, style in zip(looks, _STYLES, strict=False):
            label = say("pass {step}" if look else "first pass").format(step=f"{look + 1:,}")
            handles.append(Patch(label=label, **style))
        handles.append(Line2D([], [], linestyle="none", label=say(_HEIGHTS)))
        legend_below(figure, handles, lang)
    return figure


_MIDDLE: Mapping[str, Any] = {"ha": "center", "va": "center", "fontsize": "small"}
_HEIGHTS = (
    "height: share of the entries, each panel on its own scale; the bars at the ends have all "
    "beyond; entries that are 0 or not finite are given in words"
)
_STYLES: tuple[dict[str, Any], ...] = (
    {"facecolor": COLOURS[5], "edgecolor": "none", "alpha": 0.7},
    {"facecolor": "none", "edgecolor": COLOURS[1], "linewidth": 1.4},
)


def _sample(flow: Flow, look: int, quantity: str, name: str) -> Floats:
    """What a look kept of a layer; of δ its size ÷ rms δ of the last layer."""
    found = np.asarray(flow.samples[look][quantity].get(name, ()), np.float64).ravel()
    if quantity == "delta":
        with np.errstate(all="ignore"):
            return np.asarray(np.abs(found) / flow.series["delta"][flow.layers[-1]][look])
    return found


def _panel(axes: Axes, samples: list[Floats], edges: Floats, side: str, say: Say) -> None:
    """The histograms of both looks, and what they leave out at the side that is mostly empty."""
    zeros, lost, highest = [], [], 0
    for numbers, style in zip(samples, _STYLES, strict=False):
        if not numbers.size:
            continue
        finite = numbers[np.isfinite(numbers)]
        kept = np.clip(finite[finite != 0], edges[0], edges[-1])
        counts, _ = np.histogram(kept, edges)
        highest = max(highest, int(counts.max()))
        axes.stairs(counts / numbers.size, edges, fill=style["edgecolor"] == "none", **style)
        zeros.append(np.count_nonzero(finite == 0) / numbers.size)
        lost.append(1 - finite.size / numbers.size)
    for text, shares, height in (("0: {shares}", zeros, 0.94), ("not finite: {shares}", lost, 0.6)):
        if any(shares):
            told = " → ".join(f"{each:.0%}" for each in shares)
            axes.text(
                0.015 if side == "left" else 0.985,
                height,
                say(text).format(shares=told),
                transform=axes.transAxes,
                ha=side,
                va="top",
                fontsize="x-small",
            )
    axes.set_yticks([])
    axes.set_ylim(0, axes.get_ylim()[1] if highest else 1)
    axes.margins(x=0)
    for edge in ("left", "right", "top"):
        axes.spines[edge].set_visible(False)


def _reach(samples: list[Floats]) -> float:
    """Half the width of the axis of activations."""
    found = np.concatenate([np.zeros(1), *samples])
    largest = float(np.abs(found[np.isfinite(found)]).max())
    for reach in _REACHES:
        if largest <= reach:
            return reach
    return float(10.0 ** (4 * math.ceil(min(math.log10(largest), 300) / 4)))


def _edges(reach: float) -> Floats:
    if reach <= _REACHES[-1]:
        return np.linspace(-reach, reach, _BINS + 1)
    stretch = SymmetricalLogTransform(10, 1, 1)
    (end,) = np.asarray(stretch.transform(np.array([reach])))
    return np.asarray(stretch.inverted().transform(np.linspace(-end, end, _BINS + 1)))


def _decades(scale: Scale) -> Floats:
    low, high = np.log10(scale.limits)
    return np.logspace(low, high, _A_DECADE * round(high - low) + 1)


def _signed(axes: Axes, reach: float) -> None:
    """The axis of activations."""
    if reach > _REACHES[-1]:
        axes.set_xscale("symlog", linthresh=1)
        middle = math.sqrt(reach)
        axes.set_xticks([-reach, -middle, 0, middle, reach])
        axes.xaxis.minorticks_off()
    axes.set_xlim(-reach, reach)
