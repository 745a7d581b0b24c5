"""What a sweep found: activation × initialiser × depth, as cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..style import figure_context, legend_below, new_figure, panel_grid, plain
from .scales import NO_NUMBER, RATIO_COLOURS, RATIO_NORM, Floats, Say, colourable, median, ratio_bar
from .words import JAPANESE, translator

_RESULTS = ("ratio", "learnt", "loss")
_DARK = 3.2  # from here on, in powers of ten, white can be read and black cannot
_MARKS: Mapping[str, Mapping[str, Any]] = {
    "learnt": {"fillstyle": "full"},
    "learnt in some of the runs": {"fillstyle": "left"},
    "not learnt": {"fillstyle": "none"},
}


def grid(
    cells: Iterable[Mapping[str, Any]], keys: Sequence[str] = (), *, lang: str = "en"
) -> Figure:
    """The δ ratio of each network of a sweep as colours, and whether it learnt as a mark.

    `cells` are those of `te.flow.sweep`: each has the keys of the grid, `ratio` (rms δ of the first
    layer ÷ that of the last) and `learnt` (the share of its runs that did). `keys`, by default
    those in front of the results, are drawn as rows, panels and columns; two as rows and columns,
    one as columns. Over a fourth one and more the median is taken (the mean of `learnt`). Raises
    `ValueError` without cells, and for keys that a cell has not.
    """
    say = translator(lang)
    table = list(cells)
    if not table:
        raise ValueError("this sweep has no cells to draw: give the cells of te.flow.sweep(...)")
    every = list(keys) or _in_front(table[0])
    if not every or any(key not in cell for key in every for cell in table):
        raise ValueError(
            f"cells of {', '.join(table[0])} cannot be drawn over {', '.join(every) or 'no key'}: "
            'give keys that each cell has, as keys=("activation", "init", "depth")'
        )
    chosen, pooled = every[:3], every[3:]
    row, panel, column = {1: (None, None, 0), 2: (0, None, 1), 3: (0, 1, 2)}[len(chosen)]
    entries = [
        [None if place is None else cell[chosen[place]] for place in (row, panel, column)]
        for cell in table
    ]
    rows, panels, columns = (_in_order(each) for each in zip(*entries, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log10([_number(cell.get("ratio")) for cell in table])
    learnt = np.array([_number(cell.get("learnt")) for cell in table])
    with figure_context(lang):
        across, down = panel_grid(len(panels))[::-1]
        side: Literal["right", "bottom"] = "right" if len(rows) * down > 4 else "bottom"
        wide, tall = max(0.72 * len(columns), 2.0) + 0.3, 0.4 * len(rows) + 0.9
        margin = 0.9 + 0.085 * max(len(str(name)) for name in rows)
        figure = new_figure(
            max(wide * across + margin + (side == "right"), 5.2),
            tall * down + 0.8 + (side == "bottom"),
        )
        looks, gaps = set(), False
        drawn: Any = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for number, (axes, group) in enumerate(zip(drawn.flat, panels, strict=False)):
            image = np.full((2, len(rows), len(columns)), np.nan)
            for x, name in enumerate(columns):
                for y, other in enumerate(rows):
                    here = np.array([entry == [other, group, name] for entry in entries])
                    image[:, y, x] = _middle(logs[here]), _mean(learnt[here])
            _panel(axes, *image)
            looks |= {_look(share) for share in image[1].flat}
            gaps |= bool(np.isnan(image[0]).any())
            axes.set_xticks(range(len(columns)), [plain(str(name)) for name in columns])
            axes.set_yticks(range(len(rows)), [plain(str(name)) for name in rows])
            axes.tick_params(which="both", length=0)
            if row is None:
                axes.set_yticks([])
            elif not number % across:
                axes.set_ylabel(_word(chosen[row], say))
            if panel is not None:
                title = say("{key}: {value}").format(
                    key=_word(chosen[panel], say), value=plain(str(group))
                )
                axes.set_title(title, fontsize="medium")
            if number >= len(panels) - across:
                axes.tick_params(labelbottom=True)
                axes.set_xlabel(_word(chosen[column], say))
                if max(len(str(name)) for name in columns) > 6:
                    axes.tick_params(axis="x", labelrotation=30)
        shown = list(drawn.flat[: len(panels)])
        for axes in drawn.flat[len(panels) :]:
            axes.set_visible(False)
        figure.suptitle(say("Which networks pass the gradient on, and learn"))
        ratio_bar(figure, shown, say("rms δ, first ÷ last layer"), side)
        handles: list[Artist] = [
            Line2D([], [], linestyle="none", color="black", label=say(text), **_mark(text))
            for text in _MARKS
            if text in looks
        ]
        if gaps:
            handles.append(Patch(color=NO_NUMBER, label=say("no number")))
        notes = [say("number: power of ten of the ratio")]
        if pooled:
            others = say(", ").join(_word(key, say) for key in pooled)
            notes.append(say("median over {keys}").format(keys=others))
        handles += [Line2D([], [], linestyle="none", label=note) for note in notes]
        legend_below(figure, handles, lang)
    return figure


def _panel(axes: Axes, logs: Floats, learnt: Floats) -> None:
    """Cells, each with its number and its mark."""
    axes.imshow(
        colourable(logs), cmap=RATIO_COLOURS, norm=RATIO_NORM, aspect="auto", interpolation="none"
    )
    for (y, x), log in np.ndenumerate(logs):
        dark = abs(log) > _DARK
        ink, paper = ("white", "black") if dark else ("black", "white")
        if np.isfinite(log):
            told = f"{log:+.1f}" if round(float(log), 1) else "0.0"
            text = told.replace("-", "−")
        else:
            text = "–" if np.isnan(log) else "−∞" if log < 0 else "+∞"
        axes.text(x - 0.12, y, text, ha="center", va="center", color=ink, fontsize="small")
        if look := _look(float(learnt[y, x])):
            axes.plot(
                x + 0.34, y, linestyle="none", color=ink, **_mark(look), markerfacecoloralt=paper
            )
    axes.set_xticks(np.arange(logs.shape[1] - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(logs.shape[0] - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)


def _look(share: float) -> str:
    """What the mark of a cell is, of the share of its runs that learnt; empty for none."""
    if np.isnan(share):
        return ""
    some = "learnt in some of the runs" if share > 0 else "not learnt"
    return "learnt" if share >= 1 else some


def _mark(look: str) -> dict[str, Any]:
    return {"marker": "o", "markersize": 6, "markeredgewidth": 1, **_MARKS[look]}


def _in_front(cell: Mapping[str, Any]) -> list[str]:
    """The keys of a cell up to its results."""
    keys = list(cell)
    ends = [keys.index(key) for key in _RESULTS if key in keys]
    return keys[: min(ends, default=len(keys))]


def _in_order(found: Iterable[Any]) -> list[Any]:
    """What there is, once: numbers in their order, names in that of the grid."""
    once: list[Any] = []
    for each in found:  # which may be lists, that no dictionary takes
        if each not in once:
            once.append(each)
    return sorted(once) if all(isinstance(each, int | float) for each in once) else once


def _number(found: Any) -> float:
    return math.nan if found is None else float(found)


def _middle(logs: Floats) -> float:
    return float(median(logs[:, None])[0])


def _mean(shares: Floats) -> float:
    known = shares[~np.isnan(shares)]
    return float(np.mean(known)) if known.size else math.nan


def _word(key: str, say: Say) -> str:
    """A key of the grid in the language of the picture, where it is one of the usual ones."""
    return say(key) if key in JAPANESE else plain(key)
