"""Pictures of a training run: its losses, what was learned, and how large its gradients were."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu.draw.style import figure_context, translator

Floats = NDArray[np.floating[Any]]
Network = Callable[[NDArray[np.float64]], Floats]
"""A trained network: inputs (n, 2) to outputs (n,)."""

# Okabe and Ito's colours, which colour-blind readers can tell apart; the dashes say it twice.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", "-.", ":")
_GREY = "#666666"
_MARKERS: Mapping[int, Mapping[str, Any]] = {
    1: {"marker": "o", "markerfacecolor": "black", "markeredgecolor": "white", "markersize": 10},
    0: {"marker": "s", "markerfacecolor": "white", "markeredgecolor": "black", "markersize": 9},
}
_ERROR: Mapping[str, Any] = {"color": "black", "linewidth": 1}
_FLAT = 1e-3
_STRETCHES = 500
_EDGE_MARKERS = 40
_BELOW = "{name}: below {limit} in {count} of {total} epochs (▼, drawn at the edge)"
_ABOVE = "{name}: above {limit} in {count} of {total} epochs (▲, drawn at the edge)"
_NOT_ON_A_LOG_AXIS = (
    "{name} (not drawn in {count} of {total} epochs: zero, infinite or not a number)"
)
_NOT_A_NUMBER = "{name}: not a number in {count} of {total} epochs (not drawn)"


def losses(
    curves: Mapping[str, ArrayLike],
    *,
    reference: tuple[float, str] | None = None,
    lang: str = "en",
) -> Figure:
    """The loss of each named network in each epoch, on a log axis.

    `curves` holds arrays of shape (epochs,); `reference` is a loss to compare with and its label.
    Raises `ValueError` for a curve that is not one-dimensional.
    """
    say = translator(lang)
    with figure_context(lang):
        figure = _figure(5.6, 3.6)
        axes = figure.add_subplot()
        for (name, values), style in zip(curves.items(), _line_styles(), strict=False):
            curve = _one_dimensional(name, values)
            label = _plain(name)
            if (missing := ~((curve > 0) & np.isfinite(curve))).any():
                label = say(_NOT_ON_A_LOG_AXIS).format(name=label, **_share(missing))
            axes.plot(
                np.arange(curve.size), curve, label=label, marker=_dot_if_alone(curve), **style
            )
        if reference is not None:
            axes.axhline(
                reference[0], label=_plain(reference[1]), color=_GREY, linestyle="--", linewidth=1
            )
        axes.set(
            title=say("Loss during training"),
            xlabel=say("Epoch"),
            ylabel=say("Loss (log scale)"),
            yscale="log",
        )
        # At least a decade and a half, for a loss that stays where it is.
        low, high = axes.get_ylim()
        middle = math.sqrt(low) * math.sqrt(high)
        axes.set_ylim(min(low, middle / 5), max(high, middle * 5))
        axes.xaxis.set_major_locator(_whole_epochs())
        axes.grid(alpha=0.3)
        _legend_below(figure, axes.lines, lang)
    return figure


def surfaces(
    networks: Mapping[str, Network], points: ArrayLike, targets: ArrayLike, *, lang: str = "en"
) -> Figure:
    """The outputs of the networks over [-1, 1]² as surfaces, side by side.

    `points` (n, 2) are marked at the heights of their `targets` (n,), each with a line to the
    surface; height and colour always span 0 to 1. Raises `ValueError` without a network, and for
    one whose output is not of shape (n,).
    """
    say = translator(lang)
    x, y, grid = _grid(-1, 1, 100)
    inputs, labels = _examples(networks, points, targets)
    with figure_context(lang):
        figure = _figure(4.4 * len(networks), 4.2)
        norm = Normalize(0, 1)
        panels: list[Any] = []  # three-dimensional axes come without type annotations
        for position, (name, network) in enumerate(networks.items(), 1):
            # With its own depth sorting, the surface would hide the marks.
            axes: Any = figure.add_subplot(
                1, len(networks), position, projection="3d", computed_zorder=False
            )
            panels.append(axes)
            image, notes = _picture_of(name, network, grid, say)
            if image is not None:
                axes.plot_surface(
                    x,
                    y,
                    image,
                    cmap="plasma",
                    norm=norm,
                    rcount=len(x),
                    ccount=len(x),
                    linewidth=0,
                    antialiased=False,
                )
                heights = np.clip(_output(name, network, inputs), 0, 1)
                for point, height, target in zip(inputs, heights, labels, strict=True):
                    axes.plot(*np.c_[point, point], [height, target], **_ERROR)
            for point, target in zip(inputs, labels, strict=True):
                axes.plot(*point, target, linestyle="none", **_marker(target))
            # The layout does not see the labels of three-dimensional axes: keep them inside, and
            # uncovered by the next panel, by hand; let short ones follow their axis too.
            axes.set_box_aspect((1, 1, 0.75), zoom=0.9)
            axes.patch.set_visible(False)
            for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
                axis.set_rotate_label(True)
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
        _legend_below(figure, [*_point_handles(say), error], lang, _columns(networks))
    return figure


def regions(
    networks: Mapping[str, Network], points: ArrayLike, targets: ArrayLike, *, lang: str = "en"
) -> Figure:
    """The outputs of the networks over [-0.5, 1.5]² as colours, with the line of output 0.5.

    Arguments and errors are those of `surfaces`. A panel without such a line says so in its title.
    """
    say = translator(lang)
    x, y, grid = _grid(-0.5, 1.5, 201)
    half = (x[0, 1] - x[0, 0]) / 2
    inputs, labels = _examples(networks, points, targets)
    with figure_context(lang):
        figure = _figure(4.4 * len(networks), 4.6, compress=True)
        norm = Normalize(0, 1)
        panels = []
        for position, (name, network) in enumerate(networks.items(), 1):
            axes = figure.add_subplot(1, len(networks), position)
            panels.append(axes)
            image, notes = _picture_of(name, network, grid, say)
            if image is not None:
                axes.imshow(
                    image,
                    cmap="PuOr",
                    norm=norm,
                    origin="lower",
                    extent=(-0.5 - half, 1.5 + half, -0.5 - half, 1.5 + half),
                    interpolation="bilinear",
                )
                if image.min() < 0.5 < image.max():
                    axes.contour(x, y, image, levels=[0.5], colors="black", linewidths=2)
                else:
                    notes.append(say(_no_boundary(image)))
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
        figure.suptitle(say("Decision regions"))
        figure.colorbar(ScalarMappable(norm, "PuOr"), ax=panels, label=say("Output"), shrink=0.8)
        boundary = Line2D(
            [], [], color="black", linewidth=2, label=say("decision boundary: output 0.5")
        )
        _legend_below(figure, [*_point_handles(say), boundary], lang, _columns(networks))
    return figure


def gradient_magnitudes(
    epochs: ArrayLike,
    rms: Mapping[str, ArrayLike],
    *,
    limits: tuple[float, float] = (1e-8, 1.0),
    lang: str = "en",
) -> Figure:
    """The root mean square of ∂L/∂(pre-activation) of each named layer, on a fixed log axis.

    `epochs` and each array of `rms` have shape (n,). Values outside `limits`, zeros too, are drawn
    at the edge with a mark, and the legend counts them. Long runs are drawn as the median of
    stretches of epochs in a band from the smallest to the largest value. Raises `ValueError` for
    limits that are not positive and rising, and for shapes that differ.
    """
    say = translator(lang)
    low, high = limits
    if not 0 < low < high < math.inf:
        raise ValueError(
            f"limits {limits} do not fit a log axis: write two rising positive numbers"
        )
    times = _one_dimensional("epochs", epochs)
    width = max(1, math.ceil(times.size / _STRETCHES))
    stretches = [slice(start, start + width) for start in range(0, times.size, width)]
    centres = [times[stretch].mean() for stretch in stretches]
    with figure_context(lang):
        figure = _figure(5.6, 3.6)
        axes = figure.add_subplot()
        layers: list[Artist] = []
        notes: list[Artist] = []
        for (name, values), style in zip(rms.items(), _line_styles(), strict=False):
            sizes = _one_dimensional(name, values)
            if sizes.shape != times.shape:
                raise ValueError(
                    f"layer {name!r} has {sizes.size} values for {times.size} epochs: "
                    "give one value for each epoch"
                )
            drawn = np.clip(sizes, low, high)
            if width > 1:
                axes.fill_between(
                    centres,
                    [drawn[stretch].min() for stretch in stretches],
                    [drawn[stretch].max() for stretch in stretches],
                    color=style["color"],
                    alpha=0.3,
                    linewidth=0,
                )
            layers += axes.plot(
                centres,
                [np.median(drawn[stretch]) for stretch in stretches],
                label=_plain(name),
                marker=_dot_if_alone(times),
                **style,
            )
            for text, found, edge, marker in (
                (_BELOW, sizes < low, low, "v"),
                (_ABOVE, sizes > high, high, "^"),
                (_NOT_A_NUMBER, np.isnan(sizes), math.nan, ""),
            ):
                if found.any():
                    shown = _spread_out(times[found], times)
                    notes += axes.plot(
                        shown,
                        np.full(shown.shape, edge),
                        linestyle="none",
                        marker=marker,
                        color=style["color"],
                        clip_on=False,
                        label=say(text).format(
                            name=_plain(name), limit=_short(edge), **_share(found)
                        ),
                    )
        if width > 1:
            text = say("line: median of {width} epochs; band: smallest to largest")
            notes.append(
                Line2D([], [], color=_GREY, alpha=0.3, linewidth=6, label=text.format(width=width))
            )
        axes.set(
            title=say("Gradient magnitude per layer"),
            xlabel=say("Epoch"),
            ylabel=say("rms of ∂L/∂(pre-activation)"),
            yscale="log",
            ylim=limits,
        )
        axes.xaxis.set_major_locator(_whole_epochs())
        axes.grid(alpha=0.3)
        _legend_below(figure, layers + notes, lang)
    return figure


def _figure(width: float, height: float, *, compress: bool = False) -> Figure:
    engine = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, compress=compress)
    return Figure(figsize=(width, height), dpi=100, layout=engine)


def _legend_below(figure: Figure, handles: Sequence[Artist], lang: str, columns: int = 1) -> None:
    """Add a legend under everything else, and the height that it and long titles take."""
    labels = [_wrapped(str(handle.get_label()), 60, lang) for handle in handles]
    rows = math.ceil(sum(label.count("\n") + 1 for label in labels) / columns)
    more_lines = max(axes.get_title().count("\n") for axes in figure.axes)
    figure.set_figheight(figure.get_figheight() + 0.22 * rows + 0.17 * more_lines)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def _whole_epochs() -> MaxNLocator:
    return MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)


def _columns(networks: Mapping[str, Network]) -> int:
    return 1 if len(networks) == 1 else 3


def _line_styles() -> Iterator[dict[str, Any]]:
    for colour, dashes in zip(cycle(_COLOURS), cycle(_DASHES), strict=False):
        yield {"color": colour, "linestyle": dashes, "linewidth": 1.8}


def _dot_if_alone(values: Floats) -> str:
    return "o" if values.size == 1 else ""


def _one_dimensional(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name!r} has shape {array.shape}: give one number for each epoch")
    return array


def _share(found: NDArray[np.bool_]) -> dict[str, str]:
    return {"count": f"{np.count_nonzero(found):,}", "total": f"{found.size:,}"}


def _spread_out(chosen: Floats, times: Floats) -> Floats:
    """The first of the chosen times in each of a few equal parts of the axis."""
    parts = np.linspace(times[0], times[-1], _EDGE_MARKERS)
    return chosen[np.unique(np.searchsorted(parts, chosen), return_index=True)[1]]


def _short(number: float, digits: int = 6) -> str:
    return f"{number:.{digits}g}".replace("e-0", "e-").replace("e+0", "e")


def _plain(name: str) -> str:
    """A name as Matplotlib shows it without reading mathematics into it."""
    return name.replace("$", r"\$")


def _title(name: str, notes: list[str], lang: str) -> str:
    return "\n".join(_wrapped(line, 46, lang) for line in (_plain(name), *notes))


def _wrapped(text: str, width: int, lang: str) -> str:
    # Kana and kanji are nearly twice as wide as Latin letters.
    return textwrap.fill(text, round(0.58 * width) if lang == "ja" else width)


def _grid(
    low: float, high: float, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.meshgrid(np.linspace(low, high, count), np.linspace(low, high, count))
    return x, y, np.c_[x.ravel(), y.ravel()]


def _examples(
    networks: Mapping[str, Network], points: ArrayLike, targets: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not networks:
        raise ValueError("there is nothing to draw: give at least one network")
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
        return None, [text.format(**_share(~np.isfinite(outputs)))]
    notes = []
    if outputs.min() < 0 or outputs.max() > 1:
        notes.append(say("outputs outside 0 to 1 are drawn at the edge"))
    if 0 < (spread := np.ptp(outputs)) < _FLAT:
        text = say("almost flat: it varies by {spread} here")
        notes.append(text.format(spread=_short(spread, digits=1)))
    side = math.isqrt(len(grid))
    return np.clip(outputs, 0, 1).reshape(side, side), notes


def _no_boundary(outputs: NDArray[np.float64]) -> str:
    if outputs.min() == outputs.max() == 0.5:
        return "no decision boundary in view: the output is 0.5 everywhere"
    if outputs.min() >= 0.5:
        return "no decision boundary in view: the output is nowhere below 0.5"
    return "no decision boundary in view: the output is nowhere above 0.5"


def _marker(target: float) -> Mapping[str, Any]:
    return _MARKERS[int(target >= 0.5)]


def _point_handles(say: Callable[[str], str]) -> list[Artist]:
    return [
        Line2D([], [], linestyle="none", label=say(f"target {target}"), **_MARKERS[target])
        for target in (1, 0)
    ]
