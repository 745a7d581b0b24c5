"""Activations as surfaces over two inputs, and what a viewer of them must be told."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ..activations import SIXTEEN, card, named
from ..engine.operation import Operation
from ..errors import OperandError, UnknownNameError
from .style import (
    add_axes_3d,
    draw_surface,
    figure_context,
    new_figure,
    panel_grid,
    plain,
    short,
    translator,
    wrapped,
)

Floats = NDArray[np.float64]
Names = str | Operation | Iterable[str | Operation]

DOMAINS: Mapping[str, tuple[float, float]] = {"article": (0.0, 10.0), "centre": (-2.0, 2.0)}

_POINTS = 100
# What a viewer takes for the same surface, and for a flat one: as shares of the drawn height.
_SAME = 0.01
_FLAT = 0.15
_FLAT_SHARE = (0.05, 0.95)
# Hard Swish is the last of the sixteen to become flat, at −3.
_FAR_BELOW = -3.0


@dataclass(frozen=True)
class Surface:
    """One drawn function: its heights, and what they are a function of."""

    title: str
    heights: Floats
    of: str  # "Z", "columns" of Z or the "pair" of the inputs


def surfaces(
    names: Names | None = None,
    *,
    domain: str | tuple[float, float] = "article",
    lang: str = "en",
) -> Figure:
    """Each named activation of Z = 2·Input1 + 3·Input2 + 1 as a surface, side by side.

    Without names, the second article's gallery: its sixteen in its order, 4 × 4. `domain` is the
    interval of both inputs: "article" is its [0, 10], "centre" is [−2, 2], where the negative side
    shows. Colours and heights are each panel's own. Softmax goes along the grid's axis 0, as in
    the article; functions of two inputs (GLU) take the pair of inputs in Z's stead. The caption
    says which surfaces cannot be told apart, are flat or not monotone, as found in the drawn ones.
    A name may also be a record of one's own. Raises `UnknownNameError` for an unknown name or
    domain and `ValueError` for no name at all and for an interval that is not finite and rising.
    """
    say = translator(lang)
    records = chosen(names, SIXTEEN)
    if isinstance(domain, str):
        if domain not in DOMAINS:
            raise UnknownNameError(
                f"unknown domain {domain!r}: write 'article' ([0, 10]), 'centre' ([−2, 2]) "
                "or two numbers, as in domain=(-2, 2)"
            )
        domain = DOMAINS[domain]
    low, high = interval(domain)
    side = np.linspace(low, high, _POINTS)
    x, y = np.meshgrid(side, side)
    z = 2 * x + 3 * y + 1
    drawn = [_surface(record, x, y, z) for record in records]
    rows, columns = panel_grid(len(drawn))
    with figure_context(lang):
        width = min(24 + 28 * columns, 110)
        caption = "\n".join(wrapped(line, width, lang) for line in _caption(drawn, z, say))
        caption = caption.replace(_NO_BREAK, " ")
        figure = new_figure(3.8 * columns, 3.5 * rows + 0.5 + 0.18 * (caption.count("\n") + 1))
        for position, surface in enumerate(drawn, 1):
            axes = add_axes_3d(figure, rows, columns, position)
            draw_surface(axes, x, y, surface.heights, cmap="viridis")
            axes.set(
                title=say("{name} Activation").format(name=plain(surface.title)),
                xlim=(low, high),
                ylim=(low, high),
                xlabel=say("Input1"),
                ylabel=say("Input2"),
                zlabel=say("Output"),
            )
            if np.ptp(surface.heights) == 0:
                axes.set_zlim(surface.heights.flat[0] - 1, surface.heights.flat[0] + 1)
            _tick(axes)
        heading = say("Activation functions over inputs from {low} to {high}")
        heading = heading.format(low=_number(low), high=_number(high))
        figure.suptitle(wrapped(heading, 34 * columns, lang))
        # The layout keeps room for this label of the whole figure, as it would not for any text.
        figure.supxlabel(caption, fontsize="medium", linespacing=1.3)
    return figure


def chosen(names: Names | None, default: Iterable[str | Operation]) -> list[Operation]:
    """The records of these names, or of the default; a record stands for itself."""
    if names is None:
        names = default
    elif isinstance(names, str | Operation):
        names = [names]
    records = []
    for name in names:
        if not isinstance(name, str | Operation):
            raise OperandError(
                f"{name!r} is no activation: give a name such as 'relu', or a record that "
                "te.define_elementwise returned"
            )
        record = named(name) if isinstance(name, str) else name
        if not (record.elementwise or _along_an_axis(record)):
            raise OperandError(
                f"{record.name} is no activation: give a record that works entry by entry, as "
                "te.define_elementwise returns, or along an axis, as softmax"
            )
        records.append(record)
    if not records:
        raise ValueError("there is nothing to draw: give at least one name, as in names=['relu']")
    return records


def interval(domain: Sequence[float]) -> tuple[float, float]:
    """The two ends of `domain`, once they are known to be finite and rising."""
    try:
        low, high = map(float, domain)
        rising = -math.inf < low < high < math.inf
    except (TypeError, ValueError):
        rising = False
    if not rising:
        raise ValueError(
            f"domain {domain!r} is no interval: write two finite numbers, the smaller one first, "
            "as in domain=(-5, 5)"
        )
    return low, high


def required(record: Operation) -> int:
    """How many arguments of a record have no default."""
    return sum(name not in record.defaults for name in record.arguments)


def _along_an_axis(record: Operation) -> bool:
    one_array = record.differentiable and not record.variadic and required(record) == 1
    return one_array and np.ndim(record.forward(np.ones(2))) == 1


def _surface(record: Operation, x: Floats, y: Floats, z: Floats) -> Surface:
    of = "Z"
    with np.errstate(all="ignore"):
        if required(record) > 1:
            heights, of = record(x, y), "pair"
        elif record.elementwise:
            heights = record(z)
        else:
            heights, of = record(z, axis=0) if "axis" in record.options else record(z), "columns"
            if heights.shape != z.shape:
                heights, of = record(np.stack([x, y], axis=-1))[..., 0], "pair"
    return Surface(card.title(record.name), np.where(np.isfinite(heights), heights, np.nan), of)


def _tick(axes: Any) -> None:
    """Ticks whose labels cover neither one another nor the label of their axis.

    Neither the layout nor three-dimensional axes themselves make room for long numbers.
    """
    widest = 0
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        # Ticks at the ends of the two input axes would meet.
        prune = None if axis is axes.zaxis else "both"
        for bins in (5, 3):
            axis.set_major_locator(MaxNLocator(bins, steps=[1, 2, 5, 10], prune=prune))
            width = _width(axis)
            if width < 4 or not prune:
                break
        if width > 5:
            axis.set_major_formatter(lambda value, _: _number(value, 4))
            width = _width(axis)
        axis.labelpad = 4 + 3 * max(0, width - 3)
        widest = max(widest, width)
    if widest > 4:
        axes.set_box_aspect((1, 1, 0.75), zoom=0.8)
        axes.tick_params(labelsize="small")


def _width(axis: Any) -> int:
    """How many letters the longest number on an axis has."""
    low, high = axis.get_view_interval()
    ticks = [tick for tick in axis.get_majorticklocs() if low <= tick <= high]
    return max((len(text) for text in axis.get_major_formatter().format_ticks(ticks)), default=0)


def _caption(drawn: Sequence[Surface], z: Floats, say: Callable[[str], str]) -> list[str]:
    """What cannot be seen in these surfaces, or is easily overlooked: one line for each fact."""
    lines = []
    # No line ends within a name.
    drawn = [replace(each, title=each.title.replace(" ", _NO_BREAK)) for each in drawn]

    def tell(text: str, found: Iterable[str], between: str = "list", **facts: str) -> None:
        if names := list(found):
            lines.append(say(text).format(names=say(_BETWEEN[between]).join(names), **facts))

    of_z = [each for each in drawn if each.of == "Z"]
    low, high = z.min(), z.max()
    side = (
        "the negative side of the functions never appears"
        if low >= 0
        else "the positive side of the functions never appears"
        if high <= 0
        else "both sides of 0 appear"
    )
    text = say("Z = 2·Input1 + 3·Input2 + 1 runs from {low} to {high} here: {side}.")
    lines.append(text.format(low=_number(low), high=_number(high), side=say(side)))

    flat = [each for each in of_z if np.ptp(each.heights) == 0]
    rest = [each for each in of_z if np.ptp(each.heights) > 0]
    groups: list[list[Surface]] = []
    for each in rest:
        for group in groups:
            if np.array_equal(group[0].heights, each.heights):
                group.append(each)
                break
        else:
            groups.append([each])
    same = [" = ".join(each.title for each in group) for group in groups if len(group) > 1]
    tell("Exactly the same surface: {names}.", same, "groups")
    while groups:
        (leader, *_), *groups = groups
        near = [group for group in groups if _distance(group[0], leader) < _SAME]
        groups = [group for group in groups if group not in near]
        found = [each for each in rest if any(each in group for group in near)]
        tell(
            "Less than 1 % of the height away from {leader}: {names}.",
            (each.title for each in found),
            leader=leader.title,
        )
    tell("Flat: {names}.", (each.title for each in flat))
    tell(
        "Almost flat (nine tenths of the points within 15 % of the drawn height): {names}.",
        (each.title for each in rest if _spread(each.heights) < _FLAT * np.ptp(each.heights)),
    )
    if (below := z <= _FAR_BELOW).any():
        tell(
            "Flat wherever Z ≤ −3, with a slope of 0: {names}.",
            (each.title for each in rest if np.ptp(each.heights[below]) == 0),
        )
    rising = np.argsort(z, axis=None)
    tell(
        "Not monotone, they fall and rise again: {names}.",
        (each.title for each in rest if _turns(each.heights.ravel()[rising])),
    )
    tell(
        "{names}: taken along Input2, as in the article, so Input1 changes nothing.",
        (
            each.title
            for each in drawn
            if each.of == "columns" and np.allclose(each.heights, each.heights[:, :1], atol=0)
        ),
    )
    tell(
        "{names}: of the pair (Input1, Input2), not of Z.",
        (each.title for each in drawn if each.of == "pair"),
    )
    return lines


_NO_BREAK = "\u00a0"
_BETWEEN = {"list": ", ", "groups": "; "}


def _distance(one: Surface, other: Surface) -> float:
    return float(np.abs(one.heights - other.heights).max() / np.ptp(other.heights))


def _spread(heights: Floats) -> float:
    return float(np.ptp(np.quantile(heights, _FLAT_SHARE)))


def _turns(heights: Floats) -> bool:
    """Whether heights that belong to rising inputs both rise and fall, by more than rounding."""
    steps = np.diff(heights) / np.ptp(heights)
    return bool(steps.min() < -1e-9 and steps.max() > 1e-9)


def _number(number: float, digits: int = 6) -> str:
    return short(number, digits).replace("-", "−")
