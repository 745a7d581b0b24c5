"""The picture of a comparison: what stands where, and that every word can be read."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import tinygrad_edu as te
from tests.draw.layout import drawn_texts, problems
from tests.shares import one_in
from tinygrad_edu.comparison import TASKS, Comparison, Row, compare
from tinygrad_edu.draw.comparison import JAPANESE, RATIOS, comparison
from tinygrad_edu.draw.style import figure_context
from tinygrad_edu.errors import UnknownNameError

EPOCHS = 1500
INF = math.inf


def languages() -> Sequence[str]:
    """Those that this machine has letters for."""
    try:
        with figure_context("ja"):
            return ("en", "ja")
    except ImportError:
        return ("en",)


in_each_language = pytest.mark.parametrize("lang", languages())


def row(
    name: str,
    reached: Sequence[float],
    ratios: tuple[float, float] = (0.1, 1.0),
    losses: Sequence[float] | float = 0.25,
) -> Row:
    """An activation whose seeds get there at the given epochs, with its ratio before and after."""
    shape = (EPOCHS + 1, len(reached))
    epoch = np.arange(EPOCHS + 1)[:, None]
    course = np.broadcast_to(np.where(epoch == 0, *ratios), shape)
    accuracies = np.where(epoch >= np.array(reached), 1.0, 0.5)
    return Row(name, np.broadcast_to(losses, shape), accuracies, course)


def of(*rows: Row, task: str = "moons") -> Comparison:
    seeds = len(rows[0].reached)
    return Comparison(task, (2, 16, 16, 1), 100, seeds, EPOCHS, 0.2, "xavier_normal", rows)


ROWS = (
    row("fast", (20, 40, 60), (0.5, 5.0)),
    row("unsure", (900, 800, INF), (0.02, 0.2), (0.1, 0.2, math.nan)),
    row("never", (INF, 700, INF), (1e-3, 1e-2)),
    row("lost", (INF,) * 3, (1e-2, 0.0)),
    row("blown up", (INF,) * 3, (1.0, INF), math.nan),
    row("unmeasured", (INF,) * 3, (math.nan, math.nan)),
)


def many(count: int) -> Comparison:
    """Rows with all the package's names and more, from fast to never."""
    generator = np.random.default_rng(count)
    names = [*te.ACTIVATIONS, *(f"a_name_of_many_letters_{i}" for i in range(count))][:count]
    rows = []
    for place, name in enumerate(names):
        epochs = 10 ** generator.uniform(0, 3.4, 5).round(2) + 100 * place
        reached = np.where(epochs > EPOCHS, INF, epochs.round())
        losses = [0.1, 0.2, 0.3, 0.4, math.nan if place % 7 == 6 else 0.5]
        size = 10 ** generator.uniform(-7, 5, 2)
        rows.append(row(name, list(reached), (float(size[0]), float(size[1])), losses))
    return of(*sorted(rows, key=lambda each: each.epochs))


def panels(figure: Figure) -> tuple[Axes, Axes, Axes]:
    speed, never, ratio = figure.axes
    return speed, never, ratio


def marks(axes: Axes, marker: str, **wanted: Any) -> list[tuple[float, int]]:
    """Where symbols of one kind are drawn: (x, row)."""
    found = [
        (float(x), int(y))
        for line in axes.lines
        if line.get_marker() == marker
        and all(getattr(line, f"get_{key}")() == value for key, value in wanted.items())
        for x, y in zip(np.ravel(line.get_xdata()), np.ravel(line.get_ydata()), strict=True)
    ]
    return sorted(found, key=lambda place: place[1])


@in_each_language
@pytest.mark.parametrize("count", one_in(3, [4, 1, 16, 35]))
def test_every_word_can_be_read(count: int, lang: str) -> None:
    figure = comparison(many(count), lang)
    assert problems(figure) == []
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [each.name for each in many(count).rows]


@in_each_language
def test_panels_have_their_titles_and_all_that_is_written_in_them_stays_inside(lang: str) -> None:
    figure = comparison(of(*ROWS), lang)
    figure.draw_without_rendering()
    words = [
        "Which learns, and how fast?",
        "Does the gradient arrive?",
        "epochs until 95 % are right",
        "seeds that never do",
        "rms δ of the first layer ÷ last layer",
        "vanishing",
        "weak",
        "exploding",
    ]
    words = words if lang == "en" else [JAPANESE[word] for word in words]
    speed, never, ratio = panels(figure)
    assert [speed.get_title(), ratio.get_title()] == words[:2]
    assert [axes.get_xlabel() for axes in panels(figure)] == words[2:5]
    assert [text.get_text() for text in ratio.texts] == words[5:]
    for axes in (never, ratio):
        box = axes.get_window_extent()
        for text in axes.texts:
            extent = text.get_window_extent()
            assert box.x0 < extent.x0 < extent.x1 < box.x1, text.get_text()
            assert box.y0 < extent.y0 < extent.y1 < box.y1, text.get_text()


def test_the_zones_are_named_where_they_lie() -> None:
    _, _, ratio = panels(comparison(of(*ROWS)))
    edges = [each.get_window_extent().intervalx for each in ratio.patches]
    edges = [ratio.transData.inverted().transform(np.c_[each, [0, 0]])[:, 0] for each in edges]
    np.testing.assert_allclose(edges, [(1e-5, 1e-3), (1e-3, 0.1), (10, 70), (70, 1e3)])
    vanishing, weak, exploding = (text.get_position()[0] for text in ratio.texts)
    assert 1e-5 < vanishing < 1e-3 < weak < 0.1
    assert exploding > 70


def test_a_real_comparison_that_diverges_is_drawn_without_a_warning() -> None:
    result = compare("moons", ["linear", "relu", "step"], seeds=2, epochs=30, lr=1e300)
    assert problems(comparison(result)) == []


@in_each_language
@pytest.mark.parametrize("task", TASKS)
def test_each_task_has_a_title(task: str, lang: str) -> None:
    figure = comparison(of(*ROWS, task=task), lang)
    assert problems(figure) == []
    words = {
        "en": {"xor": "XOR", "moons": "two moons", "spirals": "two spirals"},
        "ja": {"xor": "XOR", "moons": "二つの半月", "spirals": "二重らせん"},
    }
    assert figure.get_suptitle().endswith(words[lang][task])


@in_each_language
def test_the_picture_is_saved_without_a_missing_letter(lang: str) -> None:
    figure = comparison(of(*ROWS), lang)
    for kind in ("svg", "png"):
        figure.savefig(io.BytesIO(), format=kind)


@in_each_language
def test_counts_of_many_seeds_stay_in_their_panel(lang: str) -> None:
    figure = comparison(of(row("blown up", (INF,) * 1000, losses=math.nan)), lang)
    assert problems(figure) == []
    _, never, _ = panels(figure)
    (count,) = never.texts
    assert count.get_text().startswith("1000/1000")
    assert never.get_window_extent().x0 < count.get_window_extent().x0
    assert count.get_window_extent().x1 < never.get_window_extent().x1


def test_the_fastest_stands_on_top() -> None:
    for axes in panels(comparison(of(*ROWS))):
        low, high = axes.get_ylim()
        assert low > len(ROWS) - 1
        assert high < 0


def test_medians_and_seeds_stand_at_their_epochs() -> None:
    speed, _, _ = panels(comparison(of(*ROWS)))
    assert speed.get_xscale() == "log"
    assert marks(speed, "o") == [(40, 0), (900, 1)]
    seeds = [(20, 0), (40, 0), (60, 0), (900, 1), (800, 1), (700, 2)]
    assert marks(speed, "|") == seeds
    low, high = speed.get_xlim()
    assert low < 1
    assert high > EPOCHS


def test_learnt_before_the_first_step_is_drawn_at_the_edge() -> None:
    speed, _, _ = panels(comparison(of(row("at once", (0, 0, 3)))))
    assert marks(speed, "o") == [(1, 0)]
    assert marks(speed, "|") == [(1, 0), (1, 0), (3, 0)]


def test_who_never_learns_is_marked_and_counted() -> None:
    figure = comparison(of(*ROWS))
    speed, never, ratio = panels(figure)
    assert [place for _, place in marks(never, "x")] == [2, 3, 4, 5]
    assert [(text.get_text(), text.get_position()[1]) for text in never.texts] == [
        ("1/3 (1 diverged)", 1),
        ("2/3", 2),
        ("3/3", 3),
        ("3/3 (3 diverged)", 4),
        ("3/3", 5),
    ]
    # The colour says it too, in every panel.
    colours = {
        (line.get_color(), int(np.ravel(line.get_ydata())[0]) > 1)
        for axes in (speed, never, ratio)
        for line in axes.lines
        if np.size(line.get_ydata())
    }
    assert colours == {("#0072B2", False), ("#D55E00", True)}


def test_who_learns_and_then_diverges_is_told() -> None:
    _, never, _ = panels(comparison(of(row("risky", (5, 6, 7), losses=(0.1, 0.2, math.nan)))))
    assert [text.get_text() for text in never.texts] == ["0/3 (1 diverged)"]
    assert marks(never, "x") == []


def test_ratios_stand_on_an_axis_that_never_moves() -> None:
    for result in (of(*ROWS), of(ROWS[0]), many(20)):
        _, _, ratio = panels(comparison(result))
        assert ratio.get_xscale() == "log"
        assert ratio.get_xlim() == RATIOS
    _, _, ratio = panels(comparison(of(*ROWS)))
    before = marks(ratio, "D", markerfacecolor="white")
    assert before == [(0.5, 0), (0.02, 1), (1e-3, 2), (1e-2, 3), (1.0, 4)]
    assert [place for place in marks(ratio, "D") if place not in before] == [
        (5.0, 0),
        (0.2, 1),
        (1e-2, 2),
    ]
    assert marks(ratio, "<") == [(RATIOS[0], 3)]
    assert marks(ratio, ">") == [(RATIOS[1], 4)]


def test_the_legend_explains_every_symbol_and_the_caption_what_was_the_same() -> None:
    figure = comparison(of(*ROWS))
    (legend,) = figure.legends
    shown = {
        line.get_marker()
        for axes in figure.axes
        for line in axes.lines
        if line.get_marker() not in ("None", "", None)
    }
    explained = [
        handle.get_marker() for handle in legend.legend_handles if isinstance(handle, Line2D)
    ]
    assert shown - {">"} == set(explained)
    caption = legend.get_title().get_text()
    assert caption.split() == of(*ROWS).caption().split()
    assert "rms of δ" in "\n".join(text for text, _ in drawn_texts(figure))


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="lang='en' or lang='ja'"):
        comparison(of(*ROWS), "de")
