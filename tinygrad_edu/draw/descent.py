"""The ways that optimisers take down a function of two variables, on its contours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu.engine.context import no_grad
from tinygrad_edu.engine.value import Value
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.optim.landscapes import Landscape

from .style import (
    GREY,
    figure_context,
    legend_below,
    line_styles,
    new_figure,
    plain,
    short,
    translator,
)

Floats = NDArray[np.float64]
Window = tuple[tuple[float, float], tuple[float, float]]

_GRID = 241
_LEVELS = 11
_DOTS = 40
_NEAR = 0.01


def descent(
    function: Callable[[Any], Any],
    paths: Mapping[str, ArrayLike],
    *,
    window: Window | None = None,
    minimum: Sequence[float] | None = None,
    title: str | None = None,
    lang: str = "en",
) -> Figure:
    """Paths over the contours of a function; each stretch between two contours has the same area.

    `function` takes points of shape (2, ...), `paths` are named arrays as `te.optim.descend`
    returns them: of shape (steps + 1, 2), or (steps + 1, 2, n) from n starts. `window`, the
    stretches of x and y to draw, `minimum` and `title` are those of a landscape, if it is one;
    else the window is what the paths need. Raises `ShapeError` for paths of another shape.
    """
    say = translator(lang)
    tracks = {name: _track(name, path) for name, path in paths.items()}
    if isinstance(function, Landscape):
        window = function.window if window is None else window
        minimum = function.minimum if minimum is None else minimum
        title = title or say("Ways down the {name} function").format(name=function.name)
    lowest = None if minimum is None else np.asarray(minimum, dtype=np.float64)
    if window is None:
        window = _around([*tracks.values(), *([] if lowest is None else [lowest[None, :, None]])])
    with figure_context(lang):
        figure = new_figure(6.0, 4.6)
        axes = figure.add_subplot()
        x, y = (np.linspace(*side, _GRID) for side in window)
        heights = _heights(function, np.stack(np.meshgrid(x, y)))
        # As much area between each two: steep walls and flat valleys both get their lines.
        levels = np.unique(np.quantile(heights[np.isfinite(heights)], np.linspace(0, 1, _LEVELS)))
        if levels.size > 1:
            ground = axes.contourf(
                x, y, heights, levels, cmap="Greys", norm=BoundaryNorm(levels, 256), alpha=0.4
            )
            axes.contour(x, y, heights, levels, colors=GREY, linewidths=0.4)
            bar = figure.colorbar(ground, ax=axes, spacing="uniform")
            bar.set_ticks(list(levels), labels=_told_apart(levels))
            bar.set_label(say("function value"))
        longest = max((len(track) for track in tracks.values()), default=1) - 1
        every = _round_up(longest / _DOTS)
        handles: list[Artist] = []
        for (name, track), style in zip(tracks.items(), line_styles(), strict=False):
            label = _label(name, track, lowest, function, say)
            if not _inside(track, window):
                label = say("{name} (leaves the picture)").format(name=label)
            style |= {"linewidth": 1.4, "zorder": 3}
            handles += axes.plot(track[:, 0], track[:, 1], label=label, **style)[:1]
            dots = track[::every]
            axes.plot(dots[:, 0], dots[:, 1], ".", color=style["color"], markersize=5, zorder=3)
        handles += _marks(axes, tracks, lowest, every, say)
        axes.set(
            title=title or say("Ways down the function"),
            xlabel="x",
            ylabel="y",
            xlim=window[0],
            ylim=window[1],
        )
        legend_below(figure, handles, lang)
    return figure


def _marks(
    axes: Any,
    tracks: Mapping[str, Floats],
    lowest: Floats | None,
    every: int,
    say: Callable[[str], str],
) -> list[Artist]:
    starts = [track[0] for track in tracks.values()] or [np.zeros((2, 0))]
    handles = axes.plot(
        *np.unique(np.concatenate(starts, axis=1), axis=1),
        "o",
        color="white",
        markeredgecolor="black",
        markersize=7,
        zorder=4,
        label=say("start"),
    )
    if lowest is not None:
        text = say("minimum ({x}, {y}); distances are from here").format(
            x=short(lowest[0]), y=short(lowest[1])
        )
        handles += axes.plot(
            *lowest,
            "*",
            color="white",
            markeredgecolor="black",
            markersize=13,
            zorder=4,
            label=text,
        )
    dots = say("a dot at each step" if every == 1 else "a dot every {count} steps")
    handles.append(Line2D([], [], marker=".", color=GREY, label=dots.format(count=every)))
    return handles  # type: ignore[no-any-return]


def _label(
    name: str,
    track: Floats,
    lowest: Floats | None,
    function: Callable[[Any], Any],
    say: Callable[[str], str],
) -> str:
    """How far the paths of one name come."""
    steps, count = len(track) - 1, track.shape[2]
    said: dict[str, Any] = {"name": plain(name), "steps": f"{steps:,}", "near": _NEAR}
    lost = np.flatnonzero(~np.isfinite(track).all(axis=(1, 2)))
    if lost.size:
        return say("{name}: no finite numbers from step {step} on").format(
            step=f"{lost[0]:,}", **said
        )
    if lowest is None:
        heights = _heights(function, track[-1])
        return say("{name}: at {height} after {steps} steps").format(
            height=_short(heights.min()), **said
        )
    distances = np.hypot(*(track - lowest[:, None]).transpose(1, 0, 2))
    arrived = np.count_nonzero(distances[-1] < _NEAR)
    if count > 1:
        return say("{name}: {count} of {total} within {near} after {steps} steps").format(
            count=arrived, total=count, **said
        )
    if not arrived:
        return say("{name}: {distance} away after {steps} steps").format(
            distance=_short(distances[-1, 0]), **said
        )
    outside = np.flatnonzero(distances[:, 0] >= _NEAR)
    step = int(outside[-1]) + 1 if outside.size else 0
    return say("{name}: {step} steps to within {near}").format(step=f"{step:,}", **said)


def _short(number: float, digits: int = 2) -> str:
    return f"{float(f'{number:.{digits}g}'):,.10g}".replace("e-0", "e-")


def _told_apart(numbers: Floats) -> list[str]:
    """Labels of two digits, or of as many as make all of them different."""
    for digits in range(2, 10):
        labels = [_short(number, digits) for number in numbers.tolist()]
        if len(set(labels)) == len(labels):
            break
    return labels


def _heights(function: Callable[[Any], Any], points: Floats) -> Floats:
    """The function at points of shape (2, ...)."""
    with no_grad(), np.errstate(all="ignore"):
        heights = function(points)
    return np.asarray(heights.data if isinstance(heights, Value) else heights, dtype=np.float64)


def _track(name: str, path: ArrayLike) -> Floats:
    """A path as the paths from one start or several, of shape (steps + 1, 2, starts)."""
    track = np.asarray(path, dtype=np.float64)
    if track.ndim == 2:
        track = track[:, :, None]
    if track.ndim != 3 or track.shape[1] != 2 or not track.size:
        raise ShapeError(
            f"the path {name!r} has shape {np.shape(path)}: give points of shape (steps + 1, 2), "
            "as te.optim.descend returns them"
        )
    return track


def _around(points: Sequence[Floats]) -> Window:
    """The stretches of x and y that hold all finite points, and a margin."""
    flat = [each.transpose(0, 2, 1).reshape(-1, 2) for each in points]
    together = np.concatenate([*flat, np.empty((0, 2))])
    together = together[np.isfinite(together).all(axis=1)]
    if not len(together):
        together = np.zeros((1, 2))
    low, high = together.min(axis=0), together.max(axis=0)
    margin = np.maximum(0.15 * (high - low), 0.5)
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return (left, right), (bottom, top)


def _inside(track: Floats, window: Window) -> bool:
    low, high = np.array(window).T[:, :, None]
    finite = np.isfinite(track)
    return bool(np.all((low <= track) & (track <= high) | ~finite))


def _round_up(number: float) -> int:
    """The least of 1, 2, 5, 10, 20, 50 ... that is not below the number."""
    size = 1
    while True:
        for digit in (1, 2, 5):
            if digit * size >= number:
                return digit * size
        size *= 10
