"""Pictures of a network that adds binary numbers: worked sums, and which bits it gets right."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from .style import COLOURS, GREY, figure_context, new_figure, translator

Bits = NDArray[np.int_]

_WRONG = "#E60026"


def sums(bits: ArrayLike, answers: ArrayLike, *, most: int = 6, lang: str = "en") -> Figure:
    """Sums as they are written, the highest bit on the left, with the carries and the answers.

    `bits` of shape (n, steps, 2) are two numbers, the lowest bit first and the highest 0; `answers`
    of shape (n, steps) are probabilities that a bit of the sum is 1. A wrong bit has a frame. At
    most `most` sums are drawn. Raises `ValueError` for shapes that do not fit, and for none.
    """
    say = translator(lang)
    pairs, shares = _checked(bits, answers)
    pairs, shares = pairs[:most], shares[:most]
    steps = pairs.shape[1]
    with figure_context(lang):
        columns = min(2, len(pairs))
        rows = -(-len(pairs) // columns)
        figure = new_figure(columns * (0.34 * steps + 2.2), 2.0 * rows + 0.9)
        norm = Normalize(0, 1)
        panels = []
        for position, (pair, share) in enumerate(zip(pairs, shares, strict=True), 1):
            axes = figure.add_subplot(rows, columns, position)
            panels.append(axes)
            _written(axes, pair, share, norm, say)
        figure.suptitle(say("Sums bit by bit"))
        figure.colorbar(
            ScalarMappable(norm, "PuOr"),
            ax=panels,
            label=say("output: probability that the bit is 1"),
            shrink=min(1.0, 1.6 / rows + 0.2),
        )
    return figure


def bit_accuracy(bits: ArrayLike, answers: ArrayLike, *, lang: str = "en") -> Figure:
    """The share of right bits at each position, over all sums; the highest bit on the left.

    Arguments and errors are those of `sums`.
    """
    say = translator(lang)
    pairs, shares = _checked(bits, answers)
    right = ((shares > 0.5) == (_sum(pairs) == 1)).mean(axis=0)
    with figure_context(lang):
        figure = new_figure(6.4, 3.6)
        axes = figure.add_subplot()
        places = np.arange(len(right))
        bars = axes.bar(places, 100 * right, color=COLOURS[0], width=0.7)
        axes.bar_label(bars, [_percent(share) for share in right], fontsize="small", padding=2)
        axes.axhline(50, color=GREY, linestyle="--", linewidth=1)
        axes.annotate(
            say("guessing"),
            (1, 50),
            (4, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            color=GREY,
        )
        axes.set_xticks(places, [f"{2**place}" for place in places])
        axes.set(
            title=say("Right bits by position ({count} sums)").format(count=f"{len(pairs):,}"),
            xlabel=say("value of the bit"),
            ylabel=say("right bits (%)"),
            xlim=(len(right) - 0.5, -0.5),
            ylim=(0, 112),
            yticks=(0, 25, 50, 75, 100),
        )
    return figure


def _written(axes: Axes, pair: Bits, share: NDArray[np.float64], norm: Normalize, say: Any) -> None:
    """One sum: carries, both numbers, the sum and the answer in rows, the decimal beside each."""
    steps = len(pair)
    colours = ScalarMappable(norm, "PuOr").to_rgba(share)
    right, carry = _sum(pair[None])[0], _carries(pair[None])[0]
    answer = (share > 0.5).astype(int)
    lines = {
        say("carry"): (carry, ""),
        "a": (pair[:, 0], str(_decimal(pair[:, 0]))),
        "b": (pair[:, 1], str(_decimal(pair[:, 1]))),
        "a + b": (right, str(_decimal(right))),
        say("network"): (answer, str(_decimal(answer))),
    }
    last = len(lines) - 1
    for row, (digits, decimal) in enumerate(lines.values()):
        for place, digit in enumerate(digits):
            column = steps - 1 - place
            if row == 0 and not digit:
                continue
            colour = "black"
            if row == 0:
                colour = GREY
            elif row == last:
                wrong = digit != right[place]
                axes.add_patch(
                    Rectangle(
                        (column - 0.5, row - 0.5),
                        1,
                        1,
                        facecolor=colours[place],
                        edgecolor=_WRONG if wrong else "white",
                        linewidth=2.5 if wrong else 0.5,
                        zorder=3 if wrong else 2,
                    )
                )
                colour = "white" if abs(share[place] - 0.5) > 0.3 else "black"
            axes.text(
                column,
                row,
                str(digit),
                ha="center",
                va="center",
                color=colour,
                zorder=4,
                fontsize="small" if row == 0 else "medium",
            )
        ink = _WRONG if row == last and decimal != lines["a + b"][1] else "black"
        axes.text(steps - 0.2, row, decimal, va="center", color=ink)
    axes.plot([-0.5, steps + 1.6], [2.5, 2.5], color="black", linewidth=1)
    axes.set(xlim=(-0.6, steps + 1.6), ylim=(last + 0.6, -0.6), xticks=())
    axes.set_yticks(range(len(lines)), list(lines))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _checked(bits: ArrayLike, answers: ArrayLike) -> tuple[Bits, NDArray[np.float64]]:
    pairs, shares = np.asarray(bits).astype(int), np.asarray(answers, np.float64)
    if pairs.ndim != 3 or pairs.shape[2] != 2 or shares.shape != pairs.shape[:2] or not pairs.size:
        raise ValueError(
            f"bits of shape {pairs.shape} and answers of shape {shares.shape} do not fit: "
            "give shapes (n, steps, 2) and (n, steps)"
        )
    return pairs, shares


def _sum(pairs: Bits) -> Bits:
    return np.asarray((pairs.sum(axis=2) + _carries(pairs)) % 2)


def _carries(pairs: Bits) -> Bits:
    """What is carried into each position from the one below."""
    carries = np.zeros(pairs.shape[:2], int)
    for place in range(1, pairs.shape[1]):
        carries[:, place] = (pairs[:, place - 1].sum(axis=1) + carries[:, place - 1]) // 2
    return carries


def _decimal(digits: Bits) -> int:
    return sum(int(digit) << place for place, digit in enumerate(digits))


def _percent(share: float) -> str:
    """A percentage that says 100 only of all."""
    if share == 1:
        return "100"
    return f"{min(100 * share, 99.9):.1f}"
