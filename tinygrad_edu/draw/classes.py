"""Pictures of a classifier of images: its confusions, its mistakes, what its units look for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from .heatmap import ABOVE, BELOW
from .style import COLOURS, figure_context, new_figure, short, translator

Floats = NDArray[np.float64]

_SIGNED = LinearSegmentedColormap.from_list("below and above zero", [BELOW, "#ffffff", ABOVE])
_GAP = 3  # rows of pixels above an image, for its number
_PALE = 0.08  # of the full colour: a cell that counts one is told from one that counts none


def confusion_matrix(
    targets: ArrayLike,
    predictions: ArrayLike,
    *,
    names: Sequence[str] = (),
    lang: str = "en",
) -> Figure:
    """How often each class (a row) was taken for each class (a column).

    `targets` and `predictions` are class indices of shape (n,); `names` are what the classes are
    called, by default their numbers. The diagonal and the mistakes have a colour of their own,
    each by its largest count, so that few mistakes can be seen too. Raises `ValueError` for other
    shapes, for none, and for an index that has no name.
    """
    say = translator(lang)
    truth, answers = _indices(targets), _indices(predictions)
    if truth.shape != answers.shape or not truth.size:
        raise ValueError(
            f"{truth.size} targets and {answers.size} predictions do not fit: "
            "give one of each for every row, and at least one"
        )
    count = len(names) or int(max(truth.max(), answers.max())) + 1
    if min(truth.min(), answers.min()) < 0 or max(truth.max(), answers.max()) >= count:
        raise ValueError(f"a class index is outside of 0 to {count - 1}: give a name to each class")
    table = np.zeros((count, count), int)
    np.add.at(table, (truth, answers), 1)
    labels = list(names) or [str(number) for number in range(count)]
    side = max(3.6, 0.42 * count)
    with figure_context(lang):
        figure = new_figure(side + 1.0, side + 1.2)
        axes = figure.add_subplot()
        right = np.eye(count, dtype=bool)
        for mask, colour in ((right, COLOURS[0]), (~right, COLOURS[1])):
            shades = LinearSegmentedColormap.from_list(colour, ["#ffffff", colour])
            most = max(int(table[mask].max(initial=0)), 1)
            shown = np.where(table > 0, _PALE + (1 - _PALE) * table / most, 0)
            axes.imshow(np.ma.masked_where(~mask, shown), cmap=shades, vmin=0, vmax=1)
            for row, column in zip(*np.nonzero(mask & (table > 0)), strict=True):
                axes.text(
                    column,
                    row,
                    f"{table[row, column]}",
                    ha="center",
                    va="center",
                    color="white" if shown[row, column] > 0.6 else "black",
                )
        axes.set_xticks(range(count), labels)
        axes.set_yticks(range(count), labels)
        axes.set_xticks(np.arange(count - 1) + 0.5, minor=True)
        axes.set_yticks(np.arange(count - 1) + 0.5, minor=True)
        axes.grid(which="minor", color="#dddddd", linewidth=0.8)
        axes.tick_params(which="both", length=0)
        wrong = int(np.count_nonzero(truth != answers))
        axes.set(xlabel=say("Predicted"), ylabel=say("Target"))
        text = say("{right} of {total} right, {wrong} wrong")
        title = text.format(right=f"{truth.size - wrong:,}", total=f"{truth.size:,}", wrong=wrong)
        axes.set_title(title, fontsize="medium")
        figure.suptitle(say("Confusion matrix"))
    return figure


def mistakes(
    images: ArrayLike,
    probabilities: ArrayLike,
    targets: ArrayLike,
    *,
    most: int = 18,
    lang: str = "en",
) -> Figure:
    """The images that were taken for another class, those with the surest answers first.

    `images` of shape (n, height, width), `probabilities` of shape (n, classes) and `targets` of
    shape (n,). At most `most` are drawn; where none is wrong, the least certain ones. Raises
    `ValueError` for shapes that do not fit, and for none.
    """
    say = translator(lang)
    pictures, shares, truth = np.asarray(images), np.asarray(probabilities), _indices(targets)
    if pictures.ndim != 3 or shares.ndim != 2 or not len(pictures) == len(shares) == truth.size > 0:
        raise ValueError(
            f"images of shape {pictures.shape}, probabilities {shares.shape} and "
            f"{truth.size} targets do not fit: give (n, height, width), (n, classes) and n"
        )
    answers, surest = shares.argmax(axis=1), shares.max(axis=1)
    wrong = np.flatnonzero(answers != truth)
    order = wrong[np.argsort(-surest[wrong])] if wrong.size else np.argsort(surest)
    chosen = order[:most]
    if not wrong.size:
        text = say("None of {total} is wrong; the least certain ones")
    elif len(chosen) < len(wrong):
        text = say("The surest {shown} of {count} mistakes in {total}")
    else:
        text = say("All {count} mistakes in {total}, the surest first")
    heading = text.format(shown=len(chosen), count=f"{len(wrong):,}", total=f"{truth.size:,}")
    with figure_context(lang):
        columns = min(6, len(chosen))
        rows = -(-len(chosen) // columns)
        figure = new_figure(max(1.45 * columns, 4.5), 1.75 * rows + 0.5)
        for position, index in enumerate(chosen, 1):
            axes = figure.add_subplot(rows, columns, position)
            axes.imshow(pictures[index], cmap="gray_r")
            axes.set(xticks=(), yticks=())
            said = say("target {target}, read {answer}").format(
                target=truth[index], answer=answers[index]
            )
            axes.set_title(f"{said}\n{surest[index]:.0%}", fontsize="small")
        figure.suptitle(heading)
    return figure


def weight_images(
    weight: ArrayLike, shape: tuple[int, int], *, most: int = 64, lang: str = "en"
) -> Figure:
    """The weights of the units of a first layer as images, all on one scale with white at zero.

    `weight` has shape (height · width, units) and `shape` is (height, width). Of more than `most`
    units those with the largest weights are drawn, in their order. Raises `ValueError` for shapes
    that do not fit.
    """
    say = translator(lang)
    table = np.asarray(weight, dtype=np.float64)
    if table.ndim != 2 or len(table) != shape[0] * shape[1] or not table.size:
        raise ValueError(
            f"weights of shape {table.shape} are no images of {shape[0]} × {shape[1]}: "
            f"give shape ({shape[0] * shape[1]}, units)"
        )
    finite = np.nan_to_num(table, posinf=0, neginf=0)
    units = table.shape[1]
    chosen = np.sort(np.argsort(-np.square(finite).sum(axis=0), kind="stable")[:most])
    reach = float(np.abs(finite).max()) or 1.0
    height, width = shape
    columns = min(16 if len(chosen) > 32 else 8, len(chosen))
    rows = -(-len(chosen) // columns)
    # One picture for all: as many axes would take seconds to lay out.
    mosaic = np.full((rows * (height + _GAP), columns * (width + 1)), np.nan)
    with figure_context(lang):
        figure = new_figure(max(0.58 * columns + 1.2, 4.8), 0.72 * rows + 0.9)
        axes = figure.add_subplot()
        for place, unit in enumerate(chosen):
            top, left = (place // columns) * (height + _GAP) + _GAP, place % columns * (width + 1)
            mosaic[top : top + height, left : left + width] = table[:, unit].reshape(shape)
            frame = Rectangle((left - 0.5, top - 0.5), width, height, fill=False, linewidth=0.6)
            axes.add_patch(frame).set_clip_on(False)
            axes.text(left + width / 2 - 0.5, top - 0.8, f"{unit}", ha="center", size="x-small")
        image = axes.imshow(
            np.ma.masked_invalid(mosaic), cmap=_SIGNED, vmin=-reach, vmax=reach, origin="upper"
        )
        axes.set_axis_off()
        text = say("Weights of the first layer, unit by unit")
        if len(chosen) < units:
            text = say("Weights of the first layer: {shown} of {units} units")
        figure.suptitle(text.format(shown=len(chosen), units=units))
        bar = figure.colorbar(image, label=say("weight"), pad=0.02)
        bar.set_ticks([-reach, 0, reach], labels=[short(-reach, 2), "0", short(reach, 2)])
    return figure


def _indices(classes: ArrayLike) -> NDArray[np.intp]:
    array = np.asarray(classes)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"class indices are whole numbers of shape (n,), not {array.dtype} of {array.shape}; "
            "write probabilities.argmax(axis=1) for an answer"
        )
    return array.astype(np.intp)
