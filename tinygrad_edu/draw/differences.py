"""What finite differences can tell: their errors against the step, kinks, Taylor remainders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..check.report import Entry
from ..check.words import sentence
from ..errors import ShapeError
from .style import (
    COLOURS,
    DASHES,
    GREY,
    figure_context,
    legend_below,
    new_figure,
    plain,
    short,
    translator,
    wrapped,
)

if TYPE_CHECKING:
    from ..check.identities import Taylor

Array = NDArray[np.float64]

MARKERS = "os^D"
# Steps from 100 to 1e-15, a quarter of a decade apart.
STEPS = 10.0 ** np.arange(2, -15.1, -0.25)
# The step that many verifiers take everywhere.
USUAL = 1e-6


def error_against_step(entry: Entry, *, lang: str = "en") -> Figure:
    """The error of central differences against the step h, for one verified derivative.

    Beside the extrapolated slope, and beside the claim, both axes logarithmic. Raises `ShapeError`
    for an entry that no differences were taken for.
    """
    say = translator(lang)
    v = entry.verdict
    if not entry.steps:
        raise ShapeError(
            f"no differences were taken for {entry.name}: its verdict is by fifty digits, or by "
            "bisection; plot the report of gradients(..., mode='entries')"
        )
    with figure_context(lang):
        figure = new_figure(6.4, 4.6)
        axes = figure.add_subplot()
        handles: list[Artist] = []
        for value, label, colour, style in (
            (v.expected, "central difference − extrapolated slope", COLOURS[0], "o-"),
            (v.claim, "central difference − claim", COLOURS[1], "s--"),
        ):
            errors = np.abs(np.subtract(entry.quotients, value))
            handles += logarithmic(
                axes, entry.steps, errors, style, color=colour, markersize=4, label=say(label)
            )
        if 0 < v.bar < inf:
            handles.append(
                axes.axhline(v.bar, color=GREY, linestyle=":", label=say("bar of the slope"))
            )
        finished(axes, say("step h"), say("error"))
        if not axes.lines or (len(handles) == 1 and 0 < v.bar < inf):
            text = say("The errors are 0 at every step, or not finite: there is nothing to draw.")
            axes.text(0.5, 0.5, wrapped(text, 40, lang), ha="center", transform=axes.transAxes)
        title = f"{plain(entry.name)}: {plain(sentence(v, lang))}"
        axes.set_title(wrapped(title, 72, lang), fontsize="medium")
        if handles:
            legend_below(figure, handles, lang)
    return figure


def forward_and_central(
    f: Callable[..., Any], x: float, slope: float, name: str, *, lang: str = "en"
) -> Figure:
    """The relative errors of forward and central differences of f at x against the step.

    `slope` is the true one, not 0; f takes arrays. A line shows what rounding f once contributes.
    """
    say = translator(lang)
    steps = STEPS[STEPS <= 1]
    with figure_context(lang), np.errstate(all="ignore"):
        figure = new_figure(6.4, 4.4)
        axes = figure.add_subplot()
        handles: list[Artist] = []
        right, left = quotients(f, x, steps)
        for values, label, colour, style in (
            (right, "forward: (f(x + h) − f(x)) / h", COLOURS[1], "s-"),
            ((right + left) / 2, "central: (f(x + h) − f(x − h)) / 2h", COLOURS[0], "o-"),
        ):
            handles += logarithmic(
                axes,
                steps,
                np.abs(values / slope - 1),
                style,
                color=colour,
                markersize=3,
                label=say(label),
            )
        rounding = np.finfo(np.float64).eps * abs(float(f(x)) / slope) / steps
        handles += axes.plot(
            steps,
            rounding,
            color=GREY,
            linestyle=":",
            label=say("rounding: ε |f(x)| / (h |f′(x)|)"),
        )
        axes.set_ylim(1e-17, 10)
        finished(axes, say("step h"), say("relative error"))
        axes.set_title(say("Differences of {name}").format(name=plain(name)), fontsize="medium")
        legend_below(figure, handles, lang)
    return figure


def best_steps(
    cases: Sequence[tuple[str, Callable[..., Any], float, float]], *, lang: str = "en"
) -> Figure:
    """The relative errors of central differences of several functions against the step.

    A case is a name, a function of arrays, where it is taken, and its true slope there, not 0.
    """
    say = translator(lang)
    with figure_context(lang), np.errstate(all="ignore"):
        figure = new_figure(6.4, 4.4)
        axes = figure.add_subplot()
        handles: list[Artist] = []
        for number, (name, f, x, slope) in enumerate(cases):
            errors = np.abs(sum(quotients(f, x, STEPS)) / 2 / slope - 1)
            # One error alone may be small by luck.
            typical = np.median(sliding_window_view(errors, 5), axis=1)
            step = short(STEPS[np.nanargmin(typical) + 2], 1)
            label = say("{name}: best at h = {step}").format(name=plain(name), step=step)
            style = MARKERS[number % len(MARKERS)] + DASHES[number % len(DASHES)]
            handles += logarithmic(
                axes, STEPS, errors, style, color=COLOURS[number], markersize=3, label=label
            )
        usual = say("h = {step}, the usual step").format(step=short(USUAL))
        handles.append(axes.axvline(USUAL, color=GREY, label=usual))
        axes.set_ylim(1e-17, 1e3)
        finished(axes, say("step h"), say("relative error"))
        axes.set_title(say("Central differences"), fontsize="medium")
        legend_below(figure, handles, lang)
    return figure


def sides(cases: Sequence[tuple[str, Callable[..., Any], float]], *, lang: str = "en") -> Figure:
    """The difference quotients on both sides of a point, and their mean, against the step.

    A case is a name, a function of arrays, and the point; each has a panel.
    """
    say = translator(lang)
    steps = STEPS[STEPS <= 1]
    with figure_context(lang), np.errstate(all="ignore"):
        figure = new_figure(3.0 * len(cases), 3.0)
        panels = figure.subplots(1, len(cases), sharey=True, squeeze=False)[0]
        for axes, (name, f, x) in zip(panels, cases, strict=True):
            right, left = quotients(f, x, steps)
            handles: list[Artist] = []
            for values, label, colour, style in (
                (right, "right: (f(x + h) − f(x)) / h", COLOURS[0], "-"),
                (left, "left: (f(x) − f(x − h)) / h", COLOURS[1], "--"),
                ((right + left) / 2, "central, their mean", COLOURS[2], ":"),
            ):
                handles += axes.semilogx(
                    steps, values, style, color=colour, linewidth=2, label=say(label)
                )
            axes.set_xticks([1e-15, 1e-10, 1e-5, 1.0])
            finished(axes, say("step h"), "")
            axes.set_title(plain(name), fontsize="medium")
        panels[0].set_ylabel(say("difference quotient"))
        legend_below(figure, handles, lang)
    return figure


def taylor_remainders(taylor: Taylor, *, lang: str = "en") -> Figure:
    """Both remainders of a Taylor test against the step, both axes logarithmic.

    Beside them lines of slope 1 and 2, and what of the remainders is rounding.
    """
    say = translator(lang)
    steps = np.array(taylor.steps)
    with figure_context(lang), np.errstate(all="ignore"):
        figure = new_figure(6.4, 4.4)
        axes = figure.add_subplot()
        handles: list[Artist] = []
        for remainders, label, colour, style in (
            (taylor.first, "|f(x + hv) − f(x)|", COLOURS[0], "o"),
            (taylor.second, "|f(x + hv) − f(x) − h g·v|", COLOURS[1], "s"),
        ):
            handles += logarithmic(
                axes, steps, remainders, style, color=colour, markersize=4, label=label
            )
        if not handles:
            nothing = say("both remainders are 0 at every step")
            axes.text(0.5, 0.5, nothing, transform=axes.transAxes, ha="center", va="center")
            axes.set_ylim(1e-17, 1.0)
        bottom, top = axes.get_ylim()
        for power, remainders, style in ((1, taylor.first, "--"), (2, taylor.second, "-.")):
            start = next((k for k, r in enumerate(remainders) if taylor.floor[k] < r < inf), None)
            if start is not None:
                line = remainders[start] * (steps / steps[start]) ** power
                label = say("slope {power}").format(power=power)
                handles += axes.loglog(steps, line, style, color=GREY, linewidth=1, label=label)
        floor = np.array(taylor.floor)
        if handles and np.any(floor > 0):
            bottom = min(bottom, float(np.min(floor[floor > 0])) / 10)
            shade = axes.fill_between(steps, floor, bottom, color=GREY, alpha=0.2, linewidth=0)
            shade.set_label(say("rounding"))
            handles.append(shade)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(steps[-1] / 2, steps[0] * 2)
        axes.set_ylim(bottom, top)
        finished(axes, say("step h"), say("remainder"))
        axes.set_title(wrapped(plain(taylor.summary(lang)), 72, lang), fontsize="medium")
        if handles:
            legend_below(figure, handles, lang, columns=2)
    return figure


def quotients(f: Callable[..., Any], x: float, steps: Array) -> tuple[Array, Array]:
    """The difference quotients to the right and to the left, over the steps really taken."""
    value = f(np.full_like(steps, x))
    ahead, behind = x + steps, x - steps
    return (f(ahead) - value) / (ahead - x), (value - f(behind)) / (x - behind)


def logarithmic(
    axes: Axes, steps: Sequence[float] | Array, values: Any, style: str, **look: Any
) -> Sequence[Artist]:
    """A line through the values that a logarithmic axis can show, or nothing."""
    x, y = np.array(steps), np.array(values)
    shown = (y > 0) & (y < inf)
    return axes.loglog(x[shown], y[shown], style, **look) if shown.any() else []


def finished(axes: Axes, across: str, up: str) -> None:
    """Axes with labels and a grid."""
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(True, alpha=0.3)
