"""Pictures of how training went: its losses, and how large its gradients were."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from .style import (
    GREY,
    figure_context,
    legend_below,
    line_styles,
    new_figure,
    plain,
    share,
    short,
    translator,
)

Floats = NDArray[np.floating[Any]]

_VALIDATION = "validation_"
_NO_CURVES = ("epoch", "lr", "seconds")
_METRICS: Mapping[str, Mapping[str, str]] = {
    "loss": {"en": "Loss", "ja": "損失"},
    "accuracy": {"en": "Accuracy", "ja": "正解率"},
    "right_bits": {"en": "Right bits", "ja": "正しいビットの割合"},
    "right_sums": {"en": "Right sums", "ja": "正しい和の割合"},
}
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
        figure = new_figure(5.6, 3.6)
        axes = figure.add_subplot()
        for (name, values), style in zip(curves.items(), line_styles(), strict=False):
            curve = _one_dimensional(name, values)
            label = plain(name)
            if (missing := ~((curve > 0) & np.isfinite(curve))).any():
                label = say(_NOT_ON_A_LOG_AXIS).format(name=label, **share(missing))
            axes.plot(
                np.arange(curve.size), curve, label=label, marker=_dot_if_alone(curve), **style
            )
        if reference is not None:
            axes.axhline(
                reference[0], label=plain(reference[1]), color=GREY, linestyle="--", linewidth=1
            )
        axes.set(
            title=say("Loss during training"),
            xlabel=say("Epoch"),
            ylabel=say("Loss (log scale)"),
            yscale="log",
        )
        _widen(axes, 5)  # at least a decade and a half, for a loss that stays where it is
        axes.xaxis.set_major_locator(_whole_epochs())
        axes.grid(alpha=0.3)
        legend_below(figure, axes.lines, lang)
    return figure


def training(history: Any, *, lang: str = "en") -> Figure:
    """The loss and each metric after each epoch, of the training and of the validation data.

    `history` is what `te.train.fit` returns, or a mapping from names of columns to arrays of shape
    (epochs,): `loss`, any metrics as `accuracy`, and the same with `validation_` in front. The loss
    has a log axis if it is positive; the epoch of the lowest validation loss is marked. Raises
    `ValueError` without a column `loss`, and for shapes that differ.
    """
    say = translator(lang)
    columns = {
        name: _one_dimensional(name, history[name]) for name in history if name not in _NO_CURVES
    }
    if "loss" not in columns:
        raise ValueError('there is no column "loss": give what te.train.fit returned')
    epochs = columns["loss"].size
    for name, curve in columns.items():
        if curve.size != epochs:
            raise ValueError(f"{name!r} has {curve.size} values for {epochs} epochs")
    measured = list(dict.fromkeys(name.removeprefix(_VALIDATION) for name in columns))
    times = np.arange(1, epochs + 1)
    handles: dict[str, Artist] = {}
    with figure_context(lang):
        figure = new_figure(min(1.0 + 4.2 * len(measured), 10.4), 3.6)
        for position, name in enumerate(measured, 1):
            axes = figure.add_subplot(1, len(measured), position)
            curves = [columns.get(name), columns.get(_VALIDATION + name)]
            for given, what, style in zip(
                curves, ("training data", "validation data"), line_styles(), strict=False
            ):
                if given is None:
                    continue
                (line,) = axes.plot(
                    times, given, label=say(what), marker=_dot_if_alone(given), **style
                )
                handles.setdefault(what, line)
            drawn = np.concatenate([curve for curve in curves if curve is not None])
            drawn = drawn[np.isfinite(drawn)]
            axes.set(title=_METRICS.get(name, {}).get(lang, plain(name)), xlabel=say("Epoch"))
            if not drawn.size:
                axes.text(0.5, 0.5, "–", transform=axes.transAxes, ha="center")
            elif name == "loss":
                lowest = curves[1]
                if lowest is not None and np.isfinite(lowest).any():
                    best = int(np.nanargmin(np.where(np.isfinite(lowest), lowest, np.nan)))
                    text = say("lowest validation loss (epoch {epoch})").format(epoch=best + 1)
                    (handles["best"],) = axes.plot(
                        times[best],
                        lowest[best],
                        linestyle="none",
                        marker="*",
                        markersize=12,
                        color="black",
                        label=text,
                    )
                if drawn.min() > 0:
                    axes.set_yscale("log")
                    _widen(axes, 1.5)
                    axes.set_title(say("Loss (log scale)"))
            elif drawn.min() >= 0 and drawn.max() <= 1:
                below = max(0.0, drawn.min() - 0.05 * (1 - drawn.min()) - 0.002)
                axes.set_ylim(below, 1 + 0.04 * (1 - below))
                axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.6g} %")
            axes.xaxis.set_major_locator(_whole_epochs())
            axes.grid(alpha=0.3)
        figure.suptitle(say("Training"))
        legend_below(figure, list(handles.values()), lang, len(handles))
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
        figure = new_figure(5.6, 3.6)
        axes = figure.add_subplot()
        layers: list[Artist] = []
        notes: list[Artist] = []
        for (name, values), style in zip(rms.items(), line_styles(), strict=False):
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
                label=plain(name),
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
                        label=say(text).format(name=plain(name), limit=short(edge), **share(found)),
                    )
        if width > 1:
            text = say("line: median of {width} epochs; band: smallest to largest")
            notes.append(
                Line2D([], [], color=GREY, alpha=0.3, linewidth=6, label=text.format(width=width))
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
        legend_below(figure, layers + notes, lang)
    return figure


def _widen(axes: Axes, factor: float) -> None:
    """Let a log axis reach at least by this factor from its middle."""
    low, high = axes.get_ylim()
    middle = math.sqrt(low) * math.sqrt(high)
    axes.set_ylim(min(low, middle / factor), max(high, middle * factor))


def _whole_epochs() -> MaxNLocator:
    return MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)


def _dot_if_alone(values: Floats) -> str:
    return "o" if values.size == 1 else ""


def _one_dimensional(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name!r} has shape {array.shape}: give one number for each epoch")
    return array


def _spread_out(chosen: Floats, times: Floats) -> Floats:
    """The first of the chosen times in each of a few equal parts of the axis."""
    parts = np.linspace(times[0], times[-1], _EDGE_MARKERS)
    return chosen[np.unique(np.searchsorted(parts, chosen), return_index=True)[1]]
