"""Remedies that were tried: losses and gradients before and after, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..style import COLOURS, GREY, figure_context, legend_below, new_figure, plain, wrapped
from .scales import Floats, Scale, median, powers, relative, thresholds, whole_numbers
from .words import translator

if TYPE_CHECKING:
    from ...flow.remedies import Remedies, Trial, Tried

_MOST_ACROSS = 4
_STYLES: tuple[dict[str, Any], ...] = (
    {"color": COLOURS[1], "linestyle": "--", "linewidth": 1.6},
    {"color": COLOURS[0], "linestyle": "-", "linewidth": 1.8},
)
# A loss is seen down to a thousandth of guessing and up to ten times that.
_BELOW, _ABOVE = 3, 1


def remedies(remedies: Remedies, *, lang: str = "en") -> Figure:
    """The losses and the δ of each layer before and after each remedy that was tried.

    A column for each remedy, the training without any drawn in all of them. A line is the median
    over the seeds, its band reaches from the smallest to the largest; δ is that of the last epoch,
    the last layer as 1 (of the first pass where training diverged). Axes are logarithmic and the
    same for all. Raises `ValueError` where nothing was tried.
    """
    say = translator(lang)
    texts = remedies.rows(lang)[2:]
    tried = [(each, text) for each, text in zip(remedies.tried, texts, strict=True) if each.runs]
    if not tried:
        raise ValueError("no remedy was tried that changes this model: there is nothing to draw")
    before = remedies.before
    guessing = [run.guessing for run in before.runs if 0 < run.guessing < math.inf]
    level = float(np.median(guessing)) if guessing else 1.0
    every = [before, *(each for each, _ in tried)]
    power = math.log10(level)
    costs = powers(
        # A loss that grows without end would leave no room for the others.
        np.minimum(np.concatenate([_losses(each).ravel() for each in every]), level),
        math.floor(power) - _BELOW,
        math.ceil(power) + _ABOVE,
    )
    ratios = powers(np.concatenate([_ratios(each).ravel() for each in every]))
    with figure_context(lang):
        across = min(len(tried), _MOST_ACROSS)
        blocks = math.ceil(len(tried) / across)
        figure = new_figure(max(2.5 * across + 0.9, 5.2), 4.6 * blocks + 0.5)
        panels: Any = figure.subplots(2 * blocks, across, squeeze=False)
        marks: list[Artist] = []
        for number in range(len(tried), blocks * across):
            block, column = divmod(number, across)
            for axes in panels[2 * block : 2 * block + 2, column]:
                axes.set_visible(False)
        for number, (after, (title, _, _, learnt, verdict)) in enumerate(tried):
            block, column = divmod(number, across)
            above, below = panels[2 * block : 2 * block + 2, column]
            for each, style in zip((before, after), _STYLES, strict=True):
                _curves(above, costs, _losses(each), style, first=1)
                _curves(below, ratios, _ratios(each), style)
            above.axhline(level, color=GREY, linestyle=":", linewidth=1.2)
            marks = thresholds(below, say)
            heading = wrapped(plain(title), 28, lang)
            above.set_title(f"{heading}\n{verdict} ({learnt})", fontsize="medium")
            above.set_xlabel(say("Epoch"))
            below.set_xlabel(say("Layer"))
            for axes, scale in ((above, costs), (below, ratios)):
                scale.apply(axes, "y")
                axes.xaxis.set_major_locator(whole_numbers(6))
                axes.grid(alpha=0.3)
                if column:
                    axes.tick_params(labelleft=False)
            if not column:
                above.set_ylabel(say("Loss (log scale)"))
                below.set_ylabel(say("rms δ, last layer = 1"))
        figure.suptitle(say("Remedies: before and after"))
        handles: list[Artist] = [
            Line2D([], [], label=say(text), **style)
            for text, style in zip(("before", "after"), _STYLES, strict=True)
        ]
        handles.append(Line2D([], [], color=GREY, linestyle=":", label=say("loss of guessing")))
        handles += marks
        label = say("line: median of the seeds; band: smallest to largest")
        handles.append(Patch(color=GREY, alpha=0.25, label=label))
        handles.append(Line2D([], [], linestyle="none", label=say("in brackets: runs that learnt")))
        legend_below(figure, [*handles, *costs.merged(ratios).notes(say)], lang, 1 + (across > 2))
    return figure


def _curves(axes: Axes, scale: Scale, rows: Floats, style: dict[str, Any], first: int = 0) -> None:
    """The median of rows, each of a seed, in a band from the smallest to the largest."""
    places = np.arange(rows.shape[1]) + first  # epochs are counted from 1, layers from 0
    low, high = (scale.clipped(reduce(rows, axis=0)) for reduce in (np.fmin.reduce, np.fmax.reduce))
    axes.fill_between(places, low, high, color=style["color"], alpha=0.2, linewidth=0)
    scale.line(axes, places, median(rows), marker="" if len(places) > 1 else "o", **style)


def _losses(tried: Tried) -> Floats:
    """A row for each seed; infinity stands for the epochs of a training that had diverged."""
    rows = [[math.inf if math.isnan(loss) else loss for loss in run.losses] for run in tried.runs]
    ended = [math.inf if run.error else math.nan for run in tried.runs]
    return _table(rows, ended)


def _ratios(tried: Tried) -> Floats:
    """A row for each seed: rms δ of each layer in the last epoch, the last layer as 1."""
    return _table([_ratio(run) for run in tried.runs], [math.nan] * len(tried.runs))


def _ratio(run: Trial) -> list[float]:
    late, early = (
        relative(np.array(each, np.float64)) for each in (run.delta_last, run.delta_first)
    )
    return [float(each) for each in (late if np.isfinite(late).any() else early)]


def _table(rows: Sequence[Sequence[float]], fill: Sequence[float]) -> Floats:
    """Rows, those that end early filled up."""
    table = np.empty((len(rows), max(map(len, rows))))
    for place, (row, number) in enumerate(zip(rows, fill, strict=True)):
        table[place] = number
        table[place, : len(row)] = row
    return table
