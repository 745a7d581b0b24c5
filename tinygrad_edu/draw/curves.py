"""Activations as curves over one input, with their derivatives, corners and saturation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ..activations.card import title
from ..activations.facts import SATURATED, corners, curve
from ..engine.derivatives import grad
from ..engine.operation import Operation
from .gallery import Names, chosen, interval, required
from .style import (
    GREY,
    figure_context,
    legend_below,
    line_styles,
    new_figure,
    panel_grid,
    plain,
    short,
    translator,
)

Floats = NDArray[np.float64]
Function = Callable[[Any], Any]

# The first article's figure, and how it writes what the second calls Tanh.
REPRESENTATIVE = ("sigmoid", "tanh", "relu", "leaky_relu")
SPELLINGS = {"tanh": "tanh"}
POINTS, FINE_POINTS = 200, 1201
MOST_TOGETHER = 8
WIDTH = (-6.0, 6.0)
# How far beside a corner its one-sided limits are read, and what counts as a jump.
BESIDE, JUMP = 1e-9, 1e-6
SHADE: Mapping[str, Any] = {"facecolor": GREY, "alpha": 0.18, "linewidth": 0}
MARK: Mapping[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 6}


@dataclass(frozen=True)
class Section:
    """An activation as a function of one number, everything else being held.

    `corners` are the declared kinks; `note` says, in English, which input moves and where the
    others stay, or is empty where there are none.
    """

    record: Operation
    function: Function
    corners: tuple[float, ...]
    note: str


@dataclass(frozen=True)
class Jump:
    """A place where a curve jumps: its limits from the left and the right, and its value there."""

    x: float
    sides: tuple[float, float]
    taken: float


@dataclass(frozen=True)
class Curve:
    """Points of a function, with a NaN in each jump, so that no line is drawn through it."""

    x: Floats
    y: Floats
    jumps: tuple[Jump, ...]


def activations(
    names: Names | None = None,
    *,
    domain: Sequence[float] = (-5.0, 5.0),
    slopes: bool = False,
    lang: str = "en",
) -> Figure:
    """Curves of several activations: one over another, or with `slopes` a panel for each.

    Without names, the first article's figure: Sigmoid, tanh, ReLU and Leaky ReLU at 200 points,
    with an inset in which Leaky ReLU's negative side can be seen. With `slopes` f is drawn solid
    and f′ dashed. More than eight names get a panel each in any case. Where a curve jumps, its
    value is a dot and what it only comes near to a circle. A name may also be a record of one's
    own. Raises `UnknownNameError` for an unknown name, and `ValueError` for no name at all and for
    a domain that is not finite and rising.
    """
    say = translator(lang)
    drawn = [section(record) for record in chosen(names, REPRESENTATIVE)]
    low, high = interval(domain)
    with figure_context(lang):
        if slopes or len(drawn) > MOST_TOGETHER:
            return _panels(drawn, low, high, slopes, lang)
        figure = new_figure(8, 5)
        axes = figure.add_subplot()
        lines = _overlay(axes, drawn, low, high)
        for line, each in zip(lines, drawn, strict=True):
            note = say("{name} ({note})").format(name=_name(each, lang), note=say(each.note))
            line.set_label(note if each.note else _name(each, lang))
        heading = "Representative activation functions" if names is None else "Activation functions"
        axes.set(title=say(heading), xlabel="$x$", ylabel="$f(x)$", xlim=(low, high))
        axes.grid(True, alpha=0.4)
        noted = any(each.note for each in drawn)
        legend_below(figure, lines, lang, 2 if noted else min(len(drawn), 4))
        if names is None and low < 0 < high:
            _inset(axes, drawn, low)
    return figure


def activation(
    name: str | Operation, *, domain: Sequence[float] | None = None, lang: str = "en"
) -> Figure:
    """One activation in large: f, f′ and f″, where it is saturated, and its corners.

    The derivatives are those of `te.grad`. Saturated is where |f′| is less than 5 % of its maximum
    in view. At a corner, the value that the rule takes is a dot, what the curve only comes near to
    a circle. `domain` is [−6, 6], or as much wider as its corners need. Of an activation along an
    axis the first output is drawn as the first input moves. `name` may also be a record of one's
    own. Raises `UnknownNameError` for an unknown name and `ValueError` for a domain that is not
    finite and rising.
    """
    say = translator(lang)
    (record,) = chosen([name], ())
    shown = section(record)
    low, high = _whole_view(shown) if domain is None else interval(domain)
    curves = value, slope, _ = tuple(
        sampled(function, np.linspace(low, high, FINE_POINTS), shown.corners)
        for function in (shown.function, *derivatives(shown.function))
    )
    with figure_context(lang):
        figure = new_figure(7.2, 7.4)
        grid: Any = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
        slope_label = "stand-in for $f'(x)$" if record.surrogate else "derivative $f'(x)$"
        labels = ("$f(x)$", say(slope_label), say("second derivative $f''(x)$"))
        colours = [style["color"] for style in islice(line_styles(), 3)]
        spans = saturated(slope)
        for axes, drawn, label, colour in zip(grid, curves, labels, colours, strict=True):
            axes.axhline(0, color=GREY, linewidth=0.8, zorder=1)
            axes.plot(drawn.x, drawn.y, color=colour, linewidth=1.8)
            _mark(axes, drawn.jumps, colour)
            for left, right in spans:
                axes.axvspan(left, right, **SHADE)
            axes.set(ylabel=label, xlim=(low, high))
            if not np.nan_to_num(drawn.y).any():
                axes.set_ylim(-1, 1)
            axes.grid(True, alpha=0.4)
        bends = [jump.x for jump in slope.jumps if jump.x not in {j.x for j in value.jumps}]
        grid[0].plot(bends, values(shown.function, np.array(bends)), **_dot(colours[0]))
        grid[0].set_title(plain(title(record.name, lang)))
        grid[2].set_xlabel(say(shown.note) if shown.note else "$x$")
        handles: list[Artist] = []
        if any(each.jumps for each in curves):
            handles += _mark_handles(lang, _taken(*curves))
        if spans:
            label = say("saturated: $|f'|$ is less than 5 % of its maximum here")
            handles.append(Patch(**SHADE, label=label))
        if handles:
            legend_below(figure, handles, lang)
    return figure


def section(record: Operation) -> Section:
    """A record as a function of one number.

    Where it takes several, the first moves: beside two others at 0, as of softmax, or beside one
    at 1 where it acts as a gate, as of GLU.
    """
    if curve(record):
        return Section(record, record, tuple(each.x for each in corners(record)), "")
    if (count := required(record)) > 1:
        others = [1.0] * (count - 1)
        note = "first of 2 inputs, the other is 1" if count == 2 else "first input, the others at 1"
        return Section(record, lambda x: record(x, *others), (), note)
    with np.errstate(all="ignore"):
        halving = np.shape(record.forward(np.ones(2))) != (2,)
    held = (1.0,) if halving else (0.0, 0.0)
    note = "first of 2 inputs, the other is 1" if halving else "first of 3 inputs, the others are 0"

    def first_output(x: Any) -> Any:
        rest = [np.full(np.shape(x), value) for value in held]
        return record(np.stack([x, *rest], axis=-1))[..., 0]

    return Section(record, first_output, (), note)


def derivatives(function: Function) -> tuple[Function, Function]:
    """f′ and f″ of an element-wise function, as functions of arrays."""
    first = grad(lambda x: np.sum(function(x)))
    return first, grad(lambda x: np.sum(first(x)))


def values(function: Function, x: Floats) -> Floats:
    """The function at each x, NaN where it is not finite."""
    with np.errstate(all="ignore"):
        found = np.array(function(x), np.float64)
    return np.where(np.isfinite(found), found, np.nan)


def sampled(function: Function, x: Floats, positions: Iterable[float]) -> Curve:
    """The function at `x`, parted at those of the positions at which it jumps."""
    jumps = []
    beside = BESIDE * np.array([-1, 0, 1])
    for position in positions:
        if x[0] < position < x[-1]:
            left, taken, right = values(function, position + beside)
            if not np.ptp([left, taken, right]) < JUMP * max(1.0, abs(taken)):
                jumps.append(Jump(position, (float(left), float(right)), float(taken)))
    for jump in jumps:
        x = np.sort(np.append(x[np.abs(x - jump.x) > BESIDE], jump.x + beside))
    y = values(function, x)
    y[np.isin(x, [jump.x for jump in jumps])] = np.nan
    return Curve(x, y, tuple(jumps))


def saturated(slope: Curve) -> list[tuple[float, float]]:
    """The stretches of the curve of f′ on which |f′| is less than 5 % of its maximum."""
    sizes = np.abs(slope.y)
    if not np.isfinite(sizes).any():
        return []
    low = (sizes < SATURATED * np.nanmax(sizes)) | (sizes == 0)
    ends = np.flatnonzero(np.diff(np.r_[False, low, False])).reshape(-1, 2)
    return [(float(slope.x[a]), float(slope.x[b - 1])) for a, b in ends if b - a > 1]


def _whole_view(shown: Section) -> tuple[float, float]:
    """[−6, 6], wider where a corner needs it, narrower where the function ends."""
    least, most = shown.record.domain[0]
    if math.isfinite(least) and math.isfinite(most):
        least, most = -math.inf, math.inf  # no end of the function, only of where it is tested
    low = min(WIDTH[0], most + WIDTH[0], *(x - 2 for x in shown.corners))
    high = max(WIDTH[1], least + WIDTH[1], *(x + 2 for x in shown.corners))
    return interval((max(low, least), min(high, most)))


def _overlay(axes: Axes, drawn: Sequence[Section], low: float, high: float) -> list[Line2D]:
    lines = []
    for each, style in zip(drawn, line_styles(), strict=False):
        shown = sampled(each.function, np.linspace(low, high, POINTS), each.corners)
        lines += axes.plot(shown.x, shown.y, **style)
        _mark(axes, shown.jumps, style["color"])
    return lines


def _inset(axes: Axes, drawn: Sequence[Section], low: float) -> None:
    """A close look at the negative side, where Leaky ReLU is a hundred times flatter."""
    # The upper left is where these four curves leave room.
    window: Any = axes.inset_axes((0.1, 0.52, 0.38, 0.4))
    _overlay(window, drawn, low, 0.04 * -low)
    lowest = 0.01 * low
    window.set(xlim=(low, 0.04 * -low), ylim=(1.2 * lowest, -0.2 * lowest))
    window.set_yticks([lowest, lowest / 2, 0])
    window.grid(True, alpha=0.4)
    window.tick_params(labelsize="small")
    axes.indicate_inset_zoom(window, edgecolor=GREY)


def _panels(drawn: Sequence[Section], low: float, high: float, slopes: bool, lang: str) -> Figure:
    """A panel for each activation, with its derivative if `slopes` is true."""
    say = translator(lang)
    rows, columns = panel_grid(len(drawn))
    noted = any(each.note or each.record.surrogate for each in drawn)
    figure = new_figure(2.9 * columns, (2.5 if noted else 2.3) * rows + 0.7)
    grid: Any = figure.subplots(rows, columns, sharex=True, squeeze=False)
    solid, dashed = islice(line_styles(), 2)
    x = np.linspace(low, high, POINTS)
    jumps: list[Jump] = []
    for axes, each in zip(grid.flat, drawn, strict=False):
        functions = [each.function, *derivatives(each.function)[: int(slopes)]]
        # The second line first: f must be seen where both are 0, and the marks above it.
        for function, style in reversed([*zip(functions, (solid, dashed), strict=False)]):
            shown = sampled(function, x, each.corners)
            axes.plot(shown.x, shown.y, **style)
            _mark(axes, shown.jumps, style["color"])
            jumps += shown.jumps
        axes.set_title(_name(each, lang), fontsize="medium")
        axes.set_xlim(low, high)
        axes.grid(True, alpha=0.4)
        stand_in = "the gradient is a stand-in" if slopes and each.record.surrogate else ""
        axes.set_xlabel(say(each.note or stand_in), fontsize="small")
    for axes in grid.flat[len(drawn) :]:
        axes.set_visible(False)
    # Where a panel below is missing, the shared axis must be read from this one.
    for axes in grid.flat[max(len(drawn) - columns, 0) : len(drawn)]:
        axes.tick_params(labelbottom=True)
    heading = "Activation functions and their derivatives" if slopes else "Activation functions"
    figure.suptitle(say(heading))
    handles: list[Artist] = [Line2D([], [], label="$f(x)$", **solid)]
    if slopes:
        handles.append(Line2D([], [], label=say("derivative $f'(x)$"), **dashed))
    if jumps:
        handles += _mark_handles(lang)
    legend_below(figure, handles, lang, min(columns, 2))
    return figure


def _name(each: Section, lang: str) -> str:
    # In Japanese too the articles write these names in Latin letters wherever curves are labelled.
    return SPELLINGS.get(each.record.name) or plain(title(each.record.name))


def _mark(axes: Axes, jumps: Sequence[Jump], colour: str) -> None:
    """At each jump the value that is taken as a dot, the sides that are not as circles."""
    for jump in jumps:
        for side in jump.sides:
            if not np.isclose(side, jump.taken, atol=JUMP):
                axes.plot([jump.x], [side], **_circle(colour))
        axes.plot([jump.x], [jump.taken], **_dot(colour))


def _circle(colour: str) -> dict[str, Any]:
    return {**MARK, "markerfacecolor": "white", "markeredgecolor": colour, "zorder": 3}


def _dot(colour: str) -> dict[str, Any]:
    return {**MARK, "color": colour, "zorder": 3}


def _mark_handles(lang: str, taken: str = "") -> list[Artist]:
    say = translator(lang)
    return [
        Line2D([], [], label=say("value at a corner, as the rule has it") + taken, **_dot(GREY)),
        Line2D([], [], label=say("limit from one side, not taken"), **_circle(GREY)),
    ]


def _taken(value: Curve, slope: Curve, bend: Curve) -> str:
    """The values at corners, of the slope rather than of the others: "$f'(0)=0$"."""
    for sign, drawn in (("f'", slope), ("f", value), ("f''", bend)):
        if 0 < len(drawn.jumps) <= 4:
            # Without a space a formula is not parted at the end of a line.
            numbers = [(short(j.x), short(round(j.taken, 6) + 0.0)) for j in drawn.jumps]
            return " (" + ", ".join(f"${sign}({x})={y}$" for x, y in numbers) + ")"
    return ""
