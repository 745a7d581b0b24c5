"""The picture of a comparison: which activation learns, how fast, and with which gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tinygrad_edu.comparison import Comparison, Row
from tinygrad_edu.draw.style import (
    COLOURS,
    GREY,
    figure_context,
    new_figure,
    plain,
    wrapped,
)

JAPANESE: Mapping[str, str] = {
    "The same network with different activations: {task}": "活性化関数だけを変えた比較：{task}",
    "XOR": "XOR",
    "two moons": "二つの半月",
    "two spirals": "二重らせん",
    "Which learns, and how fast?": "どれが学習し、どれだけ速いか",
    "epochs until 95 % are right": "正解率 95 % までのエポック数",
    "seeds that never do": "到達しないシード",
    " ({count} diverged)": "（発散 {count}）",
    "Does the gradient arrive?": "勾配は最初の層に届くか",
    "rms δ of the first layer ÷ last layer": "δの二乗平均平方根：最初の層 ÷ 最後の層",
    "vanishing": "消失",
    "weak": "弱い",
    "exploding": "爆発",
    "median of the seeds": "シードの中央値",
    "one seed": "各シード",
    "most seeds never reach 95 %": "過半数のシードが 95 % に届かない",
    "δ ratio before learning": "学習前のδの比",
    "δ ratio while learning": "学習中のδの比",
    "beyond the edge": "図の範囲外",
}
TASKS = {"xor": "XOR", "moons": "two moons", "spirals": "two spirals"}
LEARNS, NEVER = COLOURS[:2]
# Fixed, so that a healthy gradient never looks vanished.
RATIOS = (1e-5, 1e3)
# Where the ratio counts as a symptom: AUTOTRAINER (ICSE 2021) for 1e-3 and 70.
ZONES = ((RATIOS[0], 1e-3, 0.16), (1e-3, 1e-1, 0.07), (10, 70, 0.07), (70, RATIOS[1], 0.16))
ZONE_NAMES = {"vanishing": 1e-4, "weak": 1e-2, "exploding": 1e2}
SYMBOLS: Mapping[str, Mapping[str, Any]] = {
    "median of the seeds": {"marker": "o", "markersize": 8},
    "one seed": {"marker": "|", "markersize": 9},
    "most seeds never reach 95 %": {"marker": "x", "markersize": 7, "markeredgewidth": 2},
    "δ ratio before learning": {"marker": "D", "markersize": 8, "markerfacecolor": "white"},
    "δ ratio while learning": {"marker": "D", "markersize": 5},
    "beyond the edge": {"marker": "<", "markersize": 7},
}


def comparison(result: Comparison, lang: str = "en") -> Figure:
    """Each activation in a row, the fastest on top: its epochs to 95 %, and its δ ratio.

    The ratio is that of `Row`, on an axis of fixed limits; what lies beyond is marked at the edge.
    Raises `UnknownNameError` for a language other than "en" and "ja".
    """
    with figure_context(lang):
        say = JAPANESE.__getitem__ if lang == "ja" else str
        count = len(result.rows)
        # A sentence of Japanese has no space after it at which a line could end.
        sentences = result.caption(lang).replace("。", "。\n").splitlines()
        caption = "\n".join(wrapped(sentence, 120, lang) for sentence in sentences)
        figure = new_figure(10, 2.6 + 0.24 * count + 0.17 * caption.count("\n"))
        speed, never, ratio = figure.subplots(
            1, 3, sharey=True, gridspec_kw={"width_ratios": (4, 2.7, 4)}
        )
        for place, row in enumerate(result.rows):
            colour = LEARNS if math.isfinite(row.epochs) else NEVER
            draw_speed(speed, place, row, colour)
            missed = np.count_nonzero(np.isinf(row.reached))
            if missed or row.diverged:
                text = f"{missed}/{result.seeds}"
                if row.diverged:
                    text += say(" ({count} diverged)").format(count=row.diverged)
                never.text(0.17, place, text, va="center", size="small", color=colour)
            if colour == NEVER:
                mark(never, 0.08, place, "most seeds never reach 95 %", colour)
            draw_ratio(ratio, place, row, colour)
        for low, high, alpha in ZONES:
            ratio.axvspan(low, high, color=GREY, alpha=alpha, linewidth=0)
        for name, middle in ZONE_NAMES.items():
            ratio.text(middle, -1, say(name), ha="center", va="center", size="small", color=GREY)
        speed.set(
            title=say("Which learns, and how fast?"),
            xlabel=say("epochs until 95 % are right"),
            xscale="log",
            xlim=(0.8, 1.3 * max(result.epochs, 10)),
            ylim=(count - 0.4, -1.6),
        )
        speed.set_yticks(range(count), [plain(row.name) for row in result.rows])
        never.set(xlim=(0, 1), xlabel=say("seeds that never do"), xticks=())
        ratio.set(
            title=say("Does the gradient arrive?"),
            xlabel=say("rms δ of the first layer ÷ last layer"),
            xscale="log",
            xlim=RATIOS,
        )
        for axes in (speed, never, ratio):
            axes.hlines(
                range(count), *axes.get_xlim(), color=GREY, alpha=0.2, linewidth=0.8, zorder=0
            )
            axes.tick_params(axis="y", length=0)
        figure.align_xlabels((speed, never, ratio))
        speed.grid(axis="x", alpha=0.3)
        ratio.grid(axis="x", alpha=0.3)
        title = "The same network with different activations: {task}"
        figure.suptitle(say(title).format(task=say(TASKS[result.task])))
        handles = [
            Line2D([], [], linestyle="none", color="black", label=say(name), **symbol)
            for name, symbol in SYMBOLS.items()
        ]
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=3,
            title=caption,
            title_fontsize="small",
            frameon=False,
        )
    return figure


def draw_speed(axes: Axes, place: int, row: Row, colour: str) -> None:
    """The epochs at which the seeds got there, and their median."""
    seeds = np.maximum(row.reached[np.isfinite(row.reached)], 1)  # 0 has no place on a log axis
    if seeds.size:
        axes.plot([seeds.min(), seeds.max()], [place, place], color=colour, linewidth=1.5)
        mark(axes, seeds, np.full(seeds.size, place), "one seed", colour)
    if math.isfinite(row.epochs):
        mark(axes, max(row.epochs, 1), place, "median of the seeds", colour)


def draw_ratio(axes: Axes, place: int, row: Row, colour: str) -> None:
    """The ratio before and while learning."""
    ratios = {"δ ratio before learning": row.ratio_at_start, "δ ratio while learning": row.ratio}
    drawn = np.clip(list(ratios.values()), *RATIOS)
    axes.plot(drawn, [place, place], color=colour, linewidth=1.5)
    for (name, number), at in zip(ratios.items(), drawn, strict=True):
        if number == at:
            mark(axes, number, place, name, colour)
        elif not math.isnan(number):
            direction = "<" if number < at else ">"
            mark(axes, at, place, "beyond the edge", colour, marker=direction)


def mark(axes: Axes, x: Any, y: Any, name: str, colour: str, **changes: Any) -> None:
    """A symbol of the legend at each place, in the colour of its row."""
    axes.plot(x, y, linestyle="none", color=colour, clip_on=False, **{**SYMBOLS[name], **changes})
