"""Activations as curves over one input, with their derivatives, corners and saturation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ..activations.card import title as title_of
from ..activations.facts import SATURATED, Corner, corners, curve, largest_slope
from ..engine.operation import Operation
from ..engine.sweep import gradients
from ..engine.value import Value
from .gallery import Names, chosen, interval
from .style import (
    COLOURS,
    GREY,
    figure_context,
    legend_below,
    line_styles,
    new_figure,
    panel_grid,
    plain,
    translator,
)

Floats = NDArray[np.float64]

# The first article's figure.
REPRESENTATIVE = ("sigmoid", "tanh", "relu", "leaky_relu")
SPELLINGS = {"tanh": "tanh"}  # as that figure has it; the second article writes Tanh
POINTS = 200
MOST_TOGETHER = 8
WIDTH = (-6.0, 6.0)


@dataclass(frozen=True)
class Curve:
    """An activation as a function of one number: f and its first two derivatives at `x`.

    Each array has NaN between the two sides of a jump, so that no line is drawn through it.
    """

    name: str
    x: Floats
    heights: Floats
    slopes: Floats
    bends: Floats
    corners: tuple[Corner, ...]
    steepest: float
    moved: str


def activations(
    names: Names | None = None,
    *,
    domain: tuple[float, float] = (-5.0, 5.0),
    slopes: bool = False,
    lang: str = "en",
) -> Figure:
    """Curves of several activations: one over another, or with `slopes` a panel for each.

    Without names, the first article's figure: Sigmoid, tanh, ReLU and Leaky ReLU at 200 points,
    with an inset in which Leaky ReLU's negative side can be seen. With `slopes` f is drawn solid
    and f′ dashed. More than eight names get a panel each in any case. A name may also be a record
    of one's own. Raises `UnknownNameError` for an unknown name, and `ValueError` for no name at all
    and for a domain that is not finite and rising.
    """
    say = translator(lang)
    records = chosen(names, REPRESENTATIVE)
    low, high = interval(domain)
    drawn = [sampled(record, low, high, lang) for record in records]
    with figure_context(lang):
        if slopes or len(drawn) > MOST_TOGETHER:
            return panels(drawn, low, high, slopes, lang)
        figure = new_figure(8, 5)
        axes = figure.add_subplot()
        for each, style in zip(drawn, line_styles(), strict=False):
            axes.plot(each.x, each.heights, label=plain(each.name), **style)
        heading = "Representative activation functions" if names is None else "Activation functions"
        axes.set(title=say(heading), xlabel="x", ylabel="f(x)", xlim=(low, high))
        axes.grid(True, alpha=0.4)
        legend_below(figure, axes.lines, lang, min(len(drawn), 4))
        if names is None and low < -1 < 1 < high:
            inset(axes, drawn, low)
    return figure


def inset(axes: Axes, drawn: Sequence[Curve], low: float) -> None:
    """A close look at the negative side, where Leaky ReLU is a hundred times flatter."""
    # The upper left is where these four curves leave room.
    window: Any = axes.inset_axes((0.08, 0.52, 0.38, 0.4))
    for each, style in zip(drawn, line_styles(), strict=False):
        window.plot(each.x, each.heights, **style)
    window.set(xlim=(low, 0.2), ylim=(0.012 * low, 0.012))
    window.grid(True, alpha=0.4)
    window.tick_params(labelsize="small")
    axes.indicate_inset_zoom(window, edgecolor=GREY)


def panels(drawn: Sequence[Curve], low: float, high: float, slopes: bool, lang: str) -> Figure:
    """A panel for each curve, with its derivative if `slopes` is true."""
    say = translator(lang)
    rows, columns = panel_grid(len(drawn))
    figure = new_figure(2.9 * columns, 2.3 * rows + 0.7)
    grid: Any = figure.subplots(rows, columns, sharex=True, squeeze=False)
    value, slope = line_style(0), {**line_style(1), "linestyle": "--"}
    for axes, each in zip(grid.flat, drawn, strict=False):
        axes.plot(each.x, each.heights, **value)
        if slopes:
            axes.plot(each.x, each.slopes, **slope)
            mark(axes, [c for c in each.corners if low <= c.x <= high], slope["color"])
        axes.set_title(plain(each.name), fontsize="medium")
        axes.set_xlim(low, high)
        axes.grid(True, alpha=0.4)
        if each.moved:
            axes.set_xlabel(each.moved, fontsize="small")
    for axes in grid.flat[len(drawn) :]:
        axes.set_visible(False)
    # Where a panel below is missing, the shared axis must be read from this one.
    for axes in grid.flat[max(len(drawn) - columns, 0) : len(drawn)]:
        axes.tick_params(labelbottom=True)
    heading = "Activation functions and their derivatives" if slopes else "Activation functions"
    figure.suptitle(say(heading))
    handles: list[Artist] = [Line2D([], [], label=say("f(x)"), **value)]
    if slopes:
        handles.append(Line2D([], [], label=say("derivative f′(x)"), **slope))
        if any(not c.smooth for each in drawn for c in each.corners):
            handles += corner_handles(slope["color"], lang)
    legend_below(figure, handles, lang, min(len(handles), 2 if columns < 4 else 4))
    return figure


def activation(
    name: str | Operation, *, domain: tuple[float, float] | None = None, lang: str = "en"
) -> Figure:
    """One activation in large: f, f′ and f″, where it is saturated, and its corners.

    Saturated is where |f′| is less than 5 % of its maximum. At a corner the slope that the rule
    takes is a dot, those beside it are circles. `domain` is [−6, 6] or wider, for all corners to
    be seen. Of an activation along an axis the first output is drawn as the first input moves.
    `name` may also be a record of one's own. Raises `UnknownNameError` for an unknown name and
    `ValueError` for a domain that is not finite and rising.
    """
    say = translator(lang)
    (record,) = chosen([name], ())
    bends = corners(record) if curve(record) else ()
    ends = [WIDTH[0], WIDTH[1], *(c.x - 1 for c in bends), *(c.x + 1 for c in bends)]
    low, high = interval((min(ends), max(ends)) if domain is None else domain)
    drawn = sampled(record, low, high, lang, points=1201)
    with figure_context(lang):
        figure = new_figure(8.4, 5.2)
        axes = figure.add_subplot()
        handles: list[Any] = []
        for label, values, dashes, order in (
            ("f(x)", drawn.heights, "-", 0),
            ("derivative f′(x)", drawn.slopes, "--", 1),
            ("second derivative f″(x)", drawn.bends, ":", 2),
        ):
            style = {**line_style(order), "linestyle": dashes}
            handles += axes.plot(drawn.x, values, label=say(label), **style)
        spans = shaded(axes, drawn)
        visible = [c for c in drawn.corners if low <= c.x <= high]
        mark(axes, visible, COLOURS[1])
        if any(not c.smooth for c in visible):
            handles += corner_handles(COLOURS[1], lang)
        if spans:
            label = say("saturated: |f′| < 5 % of its maximum")
            handles.append(Patch(facecolor=GREY, alpha=0.18, label=label))
        axes.axhline(0, color=GREY, linewidth=0.8, zorder=0)
        axes.set(title=plain(drawn.name), xlabel=drawn.moved or "x", xlim=(low, high))
        axes.set_ylim(*height_limits(drawn))
        axes.grid(True, alpha=0.4)
        legend_below(figure, handles, lang, 2)
    return figure


def line_style(position: int) -> dict[str, Any]:
    """The style of line number `position`."""
    styles = line_styles()
    return next(style for i, style in enumerate(styles) if i == position)


def sampled(record: Operation, low: float, high: float, lang: str, points: int = POINTS) -> Curve:
    """The curve of a record with all parameters at their defaults."""
    say = translator(lang)
    x = np.linspace(low, high, points)
    name = SPELLINGS.get(record.name) or title_of(record.name)
    if not curve(record):
        heights, slopes, bends = first_output(record, x)
        halves = not keeps_width(record)
        moved = "first of 3 inputs, the others are 0"
        moved = "first of 2 inputs, the other is 1" if halves else moved
        return Curve(name, x, heights, slopes, bends, (), math.nan, say(moved))
    found = corners(record)
    # Points beside each jump, and a gap between them.
    for each in found:
        if low < each.x < high and not each.smooth:
            x = np.sort(np.append(x, [each.x - 1e-9, each.x, each.x + 1e-9]))
    inputs = Value(x)
    with np.errstate(all="ignore"):
        out = record(inputs)
        ones = np.ones(x.shape)
        (slope,) = gradients(out, (inputs,), ones, create_graph=True)
        bend = gradients(slope, (inputs,), ones)[0] if slope.requires_grad else np.zeros(x.shape)
    heights, slopes, bends = (np.array(v, np.float64) for v in (out.data, slope.data, bend))
    for each in found:
        here = x == each.x
        if each.jump:
            heights[here] = np.nan
        if not each.smooth:
            slopes[here] = np.nan
        bends[here] = np.nan
    return Curve(name, x, heights, slopes, bends, found, largest_slope(record, x), "")


def keeps_width(record: Operation) -> bool:
    """Whether a record along an axis gives as many outputs as it is given inputs."""
    return bool(record(np.ones(2)).shape == (2,))


def first_output(record: Operation, x: Floats) -> tuple[Floats, Floats, Floats]:
    """The first output of a record along an axis while its first input is x, and derivatives."""
    others = [0.0, 0.0] if keeps_width(record) else [1.0]
    rows = np.column_stack([x, *(np.full(x.shape, other) for other in others)])
    inputs = Value(rows)
    first = np.zeros(rows.shape)
    first[:, 0] = 1.0
    out = record(inputs)
    (slope,) = gradients(out[:, 0], (inputs,), np.ones(x.shape), create_graph=True)
    (bend,) = gradients(slope, (inputs,), first)
    return out.data[:, 0], slope.data[:, 0], bend[:, 0]


def shaded(axes: Axes, drawn: Curve) -> bool:
    """Shade where the curve is saturated; whether that is anywhere."""
    if not math.isfinite(drawn.steepest):
        return False
    with np.errstate(invalid="ignore"):
        low = np.abs(drawn.slopes) < SATURATED * drawn.steepest
    # Runs of saturated points; a single one is where a wave passes through 0.
    edges = np.flatnonzero(np.diff(np.concatenate([[False], low, [False]]).astype(int)))
    spans = [(a, b - 1) for a, b in edges.reshape(-1, 2) if b - a > 2]
    for first, last in spans:
        axes.axvspan(drawn.x[first], drawn.x[last], color=GREY, alpha=0.18, linewidth=0, zorder=0)
    return bool(spans)


def mark(axes: Axes, found: Sequence[Corner], colour: str) -> None:
    """At each corner the slopes beside it as circles and the one the rule takes as a dot."""
    for each in found:
        if each.smooth:
            continue
        axes.plot([each.x] * 2, each.slopes, **circles(colour))
        axes.plot([each.x], [each.chosen], **dot(colour))


def circles(colour: str) -> dict[str, Any]:
    """Open circles: limits that are not reached."""
    return {
        "linestyle": "none",
        "marker": "o",
        "markersize": 6,
        "markerfacecolor": "white",
        "markeredgecolor": colour,
    }


def dot(colour: str) -> dict[str, Any]:
    """A filled dot: the value that is taken."""
    return {"linestyle": "none", "marker": "o", "markersize": 6, "color": colour}


def corner_handles(colour: str, lang: str) -> list[Artist]:
    """What circles and dots mean, for the legend."""
    say = translator(lang)
    return [
        Line2D([], [], label=say("slope beside a corner"), **circles(colour)),
        Line2D([], [], label=say("slope that the rule takes there"), **dot(colour)),
    ]


def height_limits(drawn: Curve) -> tuple[float, float]:
    """Limits that show all of f′ and f″, and of f as much as fits beside them."""
    small = np.concatenate([drawn.slopes, drawn.bends, np.clip(drawn.heights, -3.0, 3.0)])
    low, high = float(np.nanmin(small)), float(np.nanmax(small))
    low, high = max(low, -6.0), min(high, 6.0)
    room = 0.06 * max(high - low, 1e-3)
    return low - room, high + room
