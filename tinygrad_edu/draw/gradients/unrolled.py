"""The gradient over the time steps of recurrent layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from ...flow import Flow, Theory
from ..style import GREY, figure_context, legend_below, new_figure, panel_grid, short
from .depth import STYLES, THEORY
from .scales import Floats, elided, powers, relative, started, whole_numbers
from .words import translator


def time(flow: Flow, *, theory: Theory | None = None, lang: str = "en") -> Figure:
    """The rms of δ at each time step of each RNN, in the first and in the last backward pass.

    The last time step is 1, on a fixed log axis; titles have the factor from a step to the one
    before it. Passes without a gradient at the last step are passed over. Raises `ValueError` for a
    flow without passes, or of a model without an RNN.
    """
    say = translator(lang)
    started(flow)
    if not flow.over_time:
        raise ValueError(
            "there are no time steps: this model has no te.nn.RNN; "
            'write kind="layers" for the gradient over depth'
        )
    measured = {name: _ends(passes) for name, passes in flow.over_time.items()}
    predicted = {} if theory is None else dict(zip(theory.names, theory.steps, strict=True))
    scale = powers(np.concatenate([c for curves in measured.values() for c in curves.values()]))
    with figure_context(lang):
        rows, columns = panel_grid(len(measured))
        figure = new_figure(max(4.4 * columns, 6.4), 3.4 * rows + 0.6)
        panels: Any = figure.subplots(rows, columns, squeeze=False)
        handles: dict[str, Artist] = {}
        for axes, (name, curves) in zip(panels.flat, measured.items(), strict=False):
            factors = []
            for (step, curve), style in zip(curves.items(), STYLES, strict=False):
                label = say("pass {step}" if step else "first pass").format(step=f"{step + 1:,}")
                line = scale.line(axes, np.arange(len(curve)) + 1, curve, label=label, **style)
                handles.setdefault(label, line)
                factors.append(_factor(curve))
            if name in predicted and predicted[name].size:
                curve = relative(predicted[name])
                label = say("theory before training")
                places = np.arange(len(curve)) + 1
                (theirs,) = axes.plot(
                    places, scale.clipped(curve), color=THEORY, linestyle=":", label=label
                )
                handles[label] = theirs
            lines = [elided(name, 40)]
            known = [short(factor, 2) for factor in factors if np.isfinite(factor)]
            if known:
                lines.append(say("a step back: × {factor}").format(factor=" → ".join(known)))
            axes.set_title("\n".join(lines), fontsize="medium")
            axes.set_xlabel(say("Time step (the gradient comes from the right)"))
            axes.axhline(1, color=GREY, linewidth=0.8, zorder=1)
            axes.set_xlim(0.5, max(1, *map(len, curves.values())) + 0.5)
            scale.apply(axes, "y")
            axes.xaxis.set_major_locator(whole_numbers())
            axes.grid(alpha=0.3)
        for axes in panels.flat[len(measured) :]:
            axes.set_visible(False)
        for axes in panels[:, 0]:
            axes.set_ylabel(say("rms of δ = ∂L/∂z, last step = 1"))
        figure.suptitle(say("Gradient over time"))
        legend_below(figure, [*handles.values(), *scale.notes(say)], lang)
    return figure


def _ends(passes: list[list[float]]) -> dict[int, Floats]:
    """The first and the last pass with a gradient at the last step, as the steps went forward."""
    usable = [
        step for step, sizes in enumerate(passes) if sizes and sizes[0] > 0 and sizes[0] < math.inf
    ]
    chosen = sorted({usable[0], usable[-1]}) if usable else [0]
    return {step: relative(np.array(passes[step][::-1], np.float64)) for step in chosen}


def _factor(curve: Floats) -> float:
    """The factor of one step back, between the first and the last step."""
    if len(curve) < 2 or not 0 < curve[0] < np.inf:
        return np.nan
    return float(curve[0] ** (1 / (len(curve) - 1)))
