"""Pictures of what networks of two inputs have learned: their surfaces and decision regions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from .style import (
    add_axes_3d,
    draw_surface,
    figure_context,
    legend_below,
    new_figure,
    panel_grid,
    plain,
    share,
    short,
    translator,
    wrapped,
)

Network = Callable[[NDArray[np.float64]], NDArray[np.floating[Any]]]
"""A trained network: inputs (n, 2) to outputs (n,)."""

_MARKERS: Mapping[int, Mapping[str, Any]] = {
    1: {"marker": "o", "markerfacecolor": "black", "markeredgecolor": "white", "markersize": 10},
    0: {"marker": "s", "markerfacecolor": "white", "markeredgecolor": "black", "markersize": 9},
}
_ERROR: Mapping[str, Any] = {"color": "black", "linewidth": 1}
_WRONG = "#E60026"
_FLAT = 1e-3


def learned_surfaces(
    networks: Mapping[str, Network], points: ArrayLike, targets: ArrayLike, *, lang: str = "en"
) -> Figure:
    """The outputs of the networks over [-1, 1]² as surfaces, side by side.

    `points` (n, 2) are marked at the heights of their `targets` (n,), each with a line to the
    surface; height and colour always span 0 to 1. Raises `ValueError` without a network, and for
    one whose output is not of shape (n,).
    """
    say = translator(lang)
    x, y, grid = _grid((-1, 1), (-1, 1), 100)
    inputs, labels = _examples(networks, points, targets)
    with figure_context(lang):
        figure = new_figure(4.4 * len(networks), 4.2)
        norm = Normalize(0, 1)
        panels: list[Any] = []  # three-dimensional axes come without type annotations
        for position, (name, network) in enumerate(networks.items(), 1):
            axes = add_axes_3d(figure, 1, len(networks), position)
            panels.append(axes)
            image, notes = _picture_of(name, network, grid, say)
            if image is not None:
                draw_surface(axes, x, y, image, cmap="plasma", norm=norm)
                heights = np.clip(_output(name, network, inputs), 0, 1)
                for point, height, target in zip(inputs, heights, labels, strict=True):
                    axes.plot(*np.c_[point, point], [height, target], **_ERROR)
            for point, target in zip(inputs, labels, strict=True):
                axes.plot(*point, target, linestyle="none", **_marker(target))
            axes.set_title(_title(name, notes, lang), fontsize="medium")
            axes.set(
                xlim=(-1, 1),
                ylim=(-1, 1),
                zlim=(0, 1),
                xticks=(-1, 0, 1),
                yticks=(-1, 0, 1),
                zticks=(0, 0.5, 1),
                xlabel=say("Input 1"),
                ylabel=say("Input 2"),
                zlabel=say("Output"),
            )
        figure.suptitle(say("Learned Activation Output Surface"))
        figure.colorbar(
            ScalarMappable(norm, "plasma"), ax=panels, label=say("Output"), shrink=0.7, pad=0.08
        )
        error = Line2D([], [], label=say("line: from the output to its target"), **_ERROR)
        legend_below(figure, [*_point_handles(say), error], lang, _columns(networks))
    return figure


def regions(
    networks: Mapping[str, Network], points: ArrayLike, targets: ArrayLike, *, lang: str = "en"
) -> Figure:
    """The outputs of the networks over [-0.5, 1.5]² as colours, with the line of output 0.5.

    Arguments and errors are those of `learned_surfaces`. A panel without such a line says so in
    its title.
    """
    say = translator(lang)
    x, y, grid = _grid((-0.5, 1.5), (-0.5, 1.5), 201)
    inputs, labels = _examples(networks, points, targets)
    with figure_context(lang):
        figure = new_figure(4.4 * len(networks), 4.6, compress=True)
        norm = Normalize(0, 1)
        panels = []
        for position, (name, network) in enumerate(networks.items(), 1):
            axes = figure.add_subplot(1, len(networks), position)
            panels.append(axes)
            image, notes = _picture_of(name, network, grid, say)
            if image is not None:
                notes += _paint(axes, x, y, image, norm, say)
            for point, target in zip(inputs, labels, strict=True):
                axes.plot(*point, linestyle="none", **_marker(target))
            axes.set_title(_title(name, notes, lang), fontsize="medium")
            axes.set(
                xlim=(-0.5, 1.5),
                ylim=(-0.5, 1.5),
                xticks=(0, 1),
                yticks=(0, 1),
                aspect="equal",
                xlabel=say("Input 1"),
                ylabel=say("Input 2"),
            )
        _explain(figure, panels, norm, _point_handles(say), _columns(networks), lang)
    return figure


def decision_regions(
    network: Network,
    clouds: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    lang: str = "en",
) -> Figure:
    """The output of one network as colours under each named cloud of points, the wrong ones ringed.

    A cloud is points of shape (n, 2) and targets 0 or 1 of shape (n,) or (n, 1); all are drawn in
    the same limits, and each title counts the points on the right side of 0.5. Raises `ValueError`
    without a cloud, for shapes that do not fit, and for points that are not finite.
    """
    say = translator(lang)
    if not clouds:
        raise ValueError("there is nothing to draw: give at least one cloud of points")
    examples = {name: _shaped(*cloud) for name, cloud in clouds.items()}
    everywhere = np.concatenate([points for points, _ in examples.values()])
    if not everywhere.size or not np.isfinite(everywhere).all():
        raise ValueError("the points must be finite numbers, and at least one")
    low, high = everywhere.min(axis=0), everywhere.max(axis=0)
    margin = 0.08 * (high - low).max() or 1.0
    across, up = ((a - margin, b + margin) for a, b in zip(low, high, strict=True))
    x, y, grid = _grid(across, up, 201)
    image, notes = _picture_of("", network, grid, say)
    with figure_context(lang):
        rows, columns = panel_grid(len(clouds))
        tall = np.clip((up[1] - up[0]) / (across[1] - across[0]), 0.4, 1.6)
        figure = new_figure(4.6 * columns, (3.6 * tall + 1) * rows, compress=True)
        norm = Normalize(0, 1)
        panels = []
        handles: dict[str, Artist] = {}
        for position, (name, (inputs, labels)) in enumerate(examples.items(), 1):
            axes = figure.add_subplot(rows, columns, position)
            panels.append(axes)
            lines = list(notes)
            if image is not None:
                lines += _paint(axes, x, y, image, norm, say)
            right = np.where(labels >= 0.5, 1, -1) * (_output(name, network, inputs) - 0.5) > 0
            size = float(np.clip(90 / math.sqrt(max(len(inputs), 1)), 3, 8))
            for target in (1, 0):
                (dots,) = axes.plot(
                    *inputs[(labels >= 0.5) == target].T,
                    linestyle="none",
                    label=say(f"target {target}"),
                    **{**_MARKERS[target], "markersize": size, "markeredgewidth": 0.6},
                )
                handles.setdefault(say(f"target {target}"), dots)
            if not right.all():
                (rings,) = axes.plot(
                    *inputs[~right].T,
                    linestyle="none",
                    marker="o",
                    markersize=size + 6,
                    markerfacecolor="none",
                    markeredgecolor=_WRONG,
                    markeredgewidth=2,
                    label=say("on the wrong side"),
                )
                handles.setdefault(say("on the wrong side"), rings)
            title = say("{name}: {count} of {total} right").format(name=name, **share(right))
            axes.set_title(_title(title, lines, lang), fontsize="medium")
            axes.set(
                xlim=across,
                ylim=up,
                aspect="equal",
                xlabel=say("Input 1"),
                ylabel=say("Input 2"),
            )
        _explain(figure, panels, norm, list(handles.values()), 2 if columns > 1 else 1, lang)
    return figure


def _explain(
    figure: Figure,
    panels: list[Axes],
    norm: Normalize,
    points: Sequence[Artist],
    columns: int,
    lang: str,
) -> None:
    """The title of decision regions, what their colours mean, and the legend of the points."""
    say = translator(lang)
    figure.suptitle(say("Decision regions"))
    figure.colorbar(ScalarMappable(norm, "PuOr"), ax=panels, label=say("Output"), shrink=0.8)
    boundary = Line2D(
        [], [], color="black", linewidth=2, label=say("decision boundary: output 0.5")
    )
    legend_below(figure, [*points, boundary], lang, columns)


def _paint(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    image: NDArray[np.float64],
    norm: Normalize,
    say: Callable[[str], str],
) -> list[str]:
    """The outputs as colours with the line of output 0.5; a note where there is no such line."""
    right, up = (x[0, 1] - x[0, 0]) / 2, (y[1, 0] - y[0, 0]) / 2
    axes.imshow(
        image,
        cmap="PuOr",
        norm=norm,
        origin="lower",
        extent=(x[0, 0] - right, x[0, -1] + right, y[0, 0] - up, y[-1, 0] + up),
        interpolation="bilinear",
    )
    if image.min() < 0.5 < image.max():
        axes.contour(x, y, image, levels=[0.5], colors="black", linewidths=2)
        return []
    return [say(_no_boundary(image))]


def _grid(
    across: tuple[float, float], up: tuple[float, float], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.meshgrid(np.linspace(*across, count), np.linspace(*up, count))
    return x, y, np.c_[x.ravel(), y.ravel()]


def _examples(
    networks: Mapping[str, Network], points: ArrayLike, targets: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not networks:
        raise ValueError("there is nothing to draw: give at least one network")
    return _shaped(points, targets)


def _shaped(
    points: ArrayLike, targets: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    inputs = np.asarray(points, dtype=np.float64)
    labels = np.asarray(targets, dtype=np.float64).ravel()
    if inputs.shape != (labels.size, 2):
        raise ValueError(
            f"points of shape {inputs.shape} and {labels.size} targets do not fit: "
            "give points of shape (n, 2) and n targets"
        )
    return inputs, labels


def _output(name: str, network: Network, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    outputs = np.asarray(network(inputs), dtype=np.float64)
    if outputs.shape != (len(inputs),):
        raise ValueError(
            f"network {name!r} returned shape {outputs.shape} for {len(inputs)} inputs: "
            f"return shape ({len(inputs)},), for instance by [:, 0]"
        )
    return outputs


def _picture_of(
    name: str, network: Network, grid: NDArray[np.float64], say: Callable[[str], str]
) -> tuple[NDArray[np.float64] | None, list[str]]:
    """The outputs on the grid, cut to 0 to 1, and what a viewer must be told about them."""
    outputs = _output(name, network, grid)
    if not np.isfinite(outputs).all():
        text = say("no picture: {count} of {total} outputs are not finite numbers")
        return None, [text.format(**share(~np.isfinite(outputs)))]
    notes = []
    if outputs.min() < 0 or outputs.max() > 1:
        notes.append(say("outputs outside 0 to 1 are drawn at the edge"))
    if 0 < (spread := np.ptp(outputs)) < _FLAT:
        text = say("almost flat: it varies by {spread} here")
        notes.append(text.format(spread=short(spread, digits=1)))
    side = math.isqrt(len(grid))
    return np.clip(outputs, 0, 1).reshape(side, side), notes


def _no_boundary(outputs: NDArray[np.float64]) -> str:
    if outputs.min() == outputs.max() == 0.5:
        return "no decision boundary in view: the output is 0.5 everywhere"
    if outputs.min() >= 0.5:
        return "no decision boundary in view: the output is nowhere below 0.5"
    return "no decision boundary in view: the output is nowhere above 0.5"


def _title(name: str, notes: list[str], lang: str) -> str:
    return "\n".join(wrapped(line, 46, lang) for line in (plain(name), *notes))


def _columns(networks: Mapping[str, Network]) -> int:
    return 1 if len(networks) == 1 else 3


def _marker(target: float) -> Mapping[str, Any]:
    return _MARKERS[int(target >= 0.5)]


def _point_handles(say: Callable[[str], str]) -> list[Artist]:
    return [
        Line2D([], [], linestyle="none", label=say(f"target {target}"), **_MARKERS[target])
        for target in (1, 0)
    ]
