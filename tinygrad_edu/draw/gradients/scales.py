"""Axes of pictures of gradient flow: fixed powers of ten, depth, and the colours of ratios."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from ...flow import Flow
from ...flow.symptoms import EXPLODING, VANISHING
from ..heatmap import ABOVE, BELOW
from ..style import GREY, plain, short

Floats = NDArray[np.float64]
Say = Callable[[str], str]

_RATIOS = -12, 4
_STEP = 4
_FARTHEST = 48
_DOTS = 60
_EDGE_MARKERS = 30
_MANY = 10  # names, of which nobody reads more than what tells them apart
_LETTERS = 14
NO_NUMBER = "#b5b5b5"
# White is the last layer's own size; the ends, which the colour bar shows as arrows, are darker.
RATIO_COLOURS = LinearSegmentedColormap.from_list(
    "ratio", [BELOW, "#ffffff", ABOVE], 257
).with_extremes(bad=NO_NUMBER, under="#6b2a00", over="#00324f")
RATIO_NORM = Normalize(-6, 6)
_PALE = 0.88  # the yellow end of viridis cannot be read on white
DEPTH_COLOURS = LinearSegmentedColormap.from_list(
    "depth", mpl.colormaps["viridis"](np.linspace(0, _PALE, 64))
)


def started(flow: Flow) -> None:
    """Raise `ValueError` if nothing was measured."""
    if not len(flow):
        raise ValueError(
            "this flow has no backward passes to draw: run loss.backward() inside of "
            "`with te.flow.track(model) as flow:`, or train with "
            "te.train.fit(..., callbacks=[tracker]) and draw tracker.flow"
        )


def relative(rows: Floats) -> Floats:
    """Each row divided by its last entry; NaN where that is no positive number."""
    last = rows[..., -1:]
    with np.errstate(all="ignore"):
        return np.where((last > 0) & np.isfinite(last), rows / last, np.nan)


def ends(rows: Floats) -> list[int]:
    """The first and the last row that can be drawn relative to its last entry; at least one."""
    usable = np.flatnonzero((rows[:, -1] > 0) & np.isfinite(rows[:, -1]))
    return sorted({int(usable[0]), int(usable[-1])}) if usable.size else [0]


def median(rows: Floats) -> Floats:
    """The median of each column without its NaNs: infinities count, no number at all gives NaN."""
    if not len(rows):
        return np.full(rows.shape[1:], np.nan)
    ordered = np.sort(rows, axis=0)  # NaNs go last
    count = np.count_nonzero(~np.isnan(rows), axis=0)
    lower, upper = (
        np.take_along_axis(ordered, place[None], axis=0)[0]
        for place in (np.maximum(count - 1, 0) // 2, np.where(count, count // 2, 0))
    )
    with np.errstate(invalid="ignore"):  # of −∞ and ∞
        return np.asarray(np.where(lower == upper, lower, lower / 2 + upper / 2))


def powers(numbers: ArrayLike, lowest: int = _RATIOS[0], highest: int = _RATIOS[1]) -> Scale:
    """A log scale of fixed limits, wider by whole steps where numbers leave them."""
    found = np.ravel(np.asarray(numbers, np.float64))
    logs = np.log10(found[(found > 0) & np.isfinite(found)])
    least, most = float(logs.min(initial=lowest)), float(logs.max(initial=highest))
    lowest -= _STEP * math.ceil(max(lowest - max(least, -_FARTHEST), 0) / _STEP)
    highest += _STEP * math.ceil(max(min(most, _FARTHEST) - highest, 0) / _STEP)
    return Scale((10.0**lowest, 10.0**highest))


@dataclass
class Scale:
    """A log scale; what it cannot show is drawn at its edges or left out, and told in a legend."""

    limits: tuple[float, float]
    below: bool = False
    above: bool = False
    gaps: bool = False

    def line(self, axes: Axes, x: ArrayLike, numbers: ArrayLike, **style: Any) -> Line2D:
        """Draw numbers as a line."""
        low, high = self.limits
        places, sizes = np.asarray(x), np.asarray(numbers, np.float64)
        look = {"marker": "o", "markersize": 4, "markerfacecolor": "white", **style}
        if sizes.size > _DOTS:
            look["marker"] = ""
        (line,) = axes.plot(places, self.clipped(sizes), **look)
        for found, edge, marker in ((sizes < low, low, "v"), (sizes > high, high, "^")):
            if found.any():
                shown = places[found][:: math.ceil(np.count_nonzero(found) / _EDGE_MARKERS)]
                axes.plot(
                    shown,
                    np.full(len(shown), edge),
                    linestyle="none",
                    marker=marker,
                    color=line.get_color(),
                    clip_on=False,
                )
        self.below |= bool((sizes < low).any())
        self.above |= bool((sizes > high).any())
        self.gaps |= bool(np.isnan(sizes).any())
        return line

    def clipped(self, numbers: ArrayLike) -> Floats:
        """Numbers brought inside of the scale; NaN stays."""
        return np.clip(np.asarray(numbers, np.float64), *self.limits)

    def merged(self, other: Scale) -> Scale:
        """What both have to tell."""
        return Scale(
            self.limits, self.below | other.below, self.above | other.above, self.gaps | other.gaps
        )

    def apply(self, axes: Axes, name: Literal["x", "y"]) -> None:
        """Give the scale to one of the axes, with ticks at whole powers of ten."""
        low, high = self.limits
        axes.set(**{f"{name}scale": "log", f"{name}lim": self.limits})
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_locator(LogLocator(numticks=9 if name == "y" else 6))
        if math.log10(high / low) > 8:
            axis.set_minor_locator(NullLocator())

    def notes(self, say: Say) -> list[Artist]:
        """What a legend has to tell of the numbers that are not drawn in their place."""
        texts = (
            (self.below, "v", "below the axis, 0 too: drawn at its edge"),
            (self.above, "^", "above the axis, infinity too: drawn at its edge"),
            (self.gaps, "", "gap: not a number, or nothing to compare with"),
        )
        return [
            Line2D([], [], linestyle="none", marker=marker, color=GREY, label=say(text))
            for found, marker, text in texts
            if found
        ]


def whole_numbers(most: int | Literal["auto"] = "auto") -> MaxNLocator:
    """Ticks at whole numbers."""
    return MaxNLocator(most, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)


_GRADES = (
    "watch: below {low} or above {high}",
    "sick if training fails too: below {low} or above {high}",
)


def thresholds(axes: Axes, say: Say) -> list[Artist]:
    """Lines at the ratios that are a reason to look, and at those of an illness."""
    handles: list[Artist] = []
    for low, high, text, dashes, colour in zip(
        VANISHING,
        EXPLODING,
        _GRADES,
        (":", "--"),
        ("#b58900", "#c0392b"),
        strict=True,
    ):
        for limit in (low, high):
            line = axes.axhline(limit, color=colour, linestyle=dashes, linewidth=1, zorder=1)
        line.set_label(say(text).format(low=short(low), high=short(high)))
        handles.append(line)
    return handles


def short_names(names: Sequence[str]) -> list[str]:
    """Names without what they all begin and end with, the middle of long ones left out.

    Of many names only what tells them apart is kept: 4 and 5 of "4.layers.2" and "5.layers.2".
    """
    parts = [name.split(".") for name in names]
    if len(parts) > 1:
        for end in (0, -1):
            while all(len(each) > 1 and each[end] == parts[0][end] for each in parts):
                for each in parts:
                    del each[end]
    depth = 1 if len(names) > _MANY else max(map(len, parts))
    while len({tuple(each[:depth]) for each in parts}) < len(set(names)):
        depth += 1
    return [elided(".".join(each[:depth]), _LETTERS) for each in parts]


def elided(name: str, most: int) -> str:
    """A name as Matplotlib shows it, of at most so many letters."""
    half = most // 2
    return plain(name if len(name) <= most else f"{name[:half]}…{name[half + 1 - most :]}")


def depth_ticks(axis: Axis, names: Sequence[str], *, level: bool = True, room: int = 0) -> None:
    """Mark every so-manieth layer, the first and the last always, as many as can be read.

    `room` is how many letters fit on a level axis beside one another, or on an upright one above.
    """
    shown = short_names(names)
    longest = max(map(len, shown))
    slanted = level and longest > 4
    room = room or (64 if level else 20)
    most = (room // 4 if slanted else room // (longest + 2)) if level else room
    places = [0] if len(shown) == 1 else every(len(shown), max(most, 2))
    axis.set_ticks(places, [shown[place] for place in places])
    if slanted:
        axis.set_tick_params(rotation=30)
        for text in axis.get_ticklabels():
            text.set(ha="right", rotation_mode="anchor")
    axis.set_minor_locator(NullLocator())


def every(count: int, most: int) -> list[int]:
    """Evenly spaced places of 0 to `count` − 1, the last of them too, at most `most`."""
    width = math.ceil((count - 1) / max(most - 1, 1)) or 1
    places = list(range(0, count, width))
    if places[-1] != count - 1:
        # The last one stands for a neighbour that would touch it.
        places = [*(places[:-1] if count - 1 - places[-1] < width else places), count - 1]
    return places


def level_depth(axes: Axes, names: Sequence[str], say: Say) -> None:
    """Depth from left to right."""
    axes.set_xlim(-0.5, len(names) - 0.5)
    depth_ticks(axes.xaxis, names)
    text = "Layer ({first} to {last}); the gradient comes from the right"
    if len(names) == 1:
        text = "Layer"
    elif max(map(len, (names[0], names[-1]))) > _LETTERS:
        text = "Layer; the gradient comes from the right"
    axes.set_xlabel(say(text).format(first=plain(names[0]), last=plain(names[-1])))


def ratio_bar(
    figure: Figure, panels: Sequence[Axes], text: str, side: Literal["right", "bottom"] = "right"
) -> Colorbar:
    """The bar of the colours of ratios, the same in every picture."""
    bar = figure.colorbar(
        ScalarMappable(RATIO_NORM, RATIO_COLOURS),
        ax=list(panels),
        label=text,
        extend="both",
        location=side,
    )
    marks = sorted((*VANISHING, 1, *EXPLODING))
    labels = ["$10^{-6}$", *map(short, marks), "$10^6$"]
    bar.set_ticks([-6, *map(math.log10, marks), 6], labels=labels)
    bar.minorticks_off()
    return bar


def colourable(logs: Floats) -> Any:
    """Logarithms of ratios as an image: infinities are the darkest colours, NaN is grey."""
    return np.ma.masked_where(np.isnan(logs), np.clip(logs, -1e3, 1e3))
