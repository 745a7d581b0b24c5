"""Pictures of gradient flow: the numbers they show, their fixed axes, and that all can be read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colors import to_hex
from matplotlib.font_manager import FontProperties, findfont, get_font

import tinygrad_edu as te
from tests.draw.layout import problems
from tests.draw.test_training import HAS_JAPANESE, in_each_language, legend
from tests.shares import one_in
from tinygrad_edu.draw import gradients
from tinygrad_edu.draw.gradients import KINDS, words
from tinygrad_edu.draw.gradients.scales import every, median, short_names
from tinygrad_edu.draw.style import figure_context
from tinygrad_edu.errors import UnknownNameError
from tinygrad_edu.flow import Flow
from tinygrad_edu.flow.diagnosis import Diagnosis
from tinygrad_edu.flow.known_remedies import REMEDIES
from tinygrad_edu.flow.remedies import Remedies, Trial, Tried

Array = np.ndarray[Any, np.dtype[Any]]
NAN, INF = math.nan, math.inf
LANGUAGES = ("en", *(("ja",) if HAS_JAPANESE else ()))


def made(layers: int, passes: int, *, every: int = 10, prefix: str = "layers.") -> Flow:
    """A flow of numbers that are all different: δ halves a layer, and shrinks pass by pass."""
    names = [f"{prefix}{place}" for place in range(layers)]
    flow = Flow(names, names[:1], every)
    random = np.random.default_rng(0)
    for step in range(passes):
        flow.losses.append(0.7)
        flow.guessing.append(0.7)
        looked = step % every == 0
        for place, name in enumerate(names):
            delta = 0.5 ** (layers - 1 - place) * 0.99**step * math.exp(random.normal(0, 0.1))
            flow.series["delta"][name].append(delta)
            flow.series["weight"][name].append(0.3 + 0.01 * place)
            flow.series["update"][name].append(1e-3 * (place + 1) if looked else NAN)
        for times in flow.over_time.values():
            times.append([0.9**back * 0.99**step for back in range(6)])
        if looked:
            flow.samples[step] = {
                "delta": {name: random.normal(size=50) for name in names},
                "activation": {name: np.tanh(random.normal(size=50)) for name in names[:-1]},
            }
    flow.activations = dict.fromkeys(names[:-1], "tanh")
    return flow


@cache
def sick() -> Flow:
    """A flow of 50 layers of long names with zeros, infinities, numbers out of range and gaps."""
    flow = made(50, 350, prefix="encoder.blocks.projection_of_values_")
    for place, name in enumerate(flow.layers):
        delta = flow.series["delta"][name]
        delta[1:50] = [0.0 if place % 3 else NAN] * 49
        delta[50] = 10.0 ** (3 * place - 147)
        delta[310:] = [INF] * 40
        flow.series["weight"][name][:] = [10.0 ** (2 * (50 - place))] * 350
        flow.series["update"][name][::10] = [(0.0, INF, 1e-30, NAN, 1e30)[place % 5]] * 35
    flow.over_time[flow.layers[0]][:2] = [[], [NAN, 1.0]]
    flow.over_time[flow.layers[0]][-1] = [1.0, 0.0, NAN, INF, 1e-30, 1e30]
    for sample in flow.samples.values():
        for both in sample.values():
            for numbers in both.values():
                numbers[:8] = [0, 0, NAN, INF, -INF, 1e300, -1e-300, 5]
    return flow


def lost(flow: Flow) -> Flow:
    """The same without a number."""
    for rows in flow.series.values():
        for name in rows:
            rows[name] = [NAN] * len(flow)
    flow.over_time = {name: [[]] * len(flow) for name in flow.over_time}
    return flow


@pytest.mark.parametrize("kind", one_in(2, KINDS))
def test_fifty_sick_layers_and_one_layer_alone_can_be_read(kind: str) -> None:
    # A layout takes its time: the widest letters where there is most to draw.
    figures = in_each_language(lambda lang: te.draw.flow(sick(), kind, lang=lang))
    assert problems(figures[LANGUAGES[-1]], tolerance=2.0) == []
    assert problems(te.draw.flow(made(1, 12), kind), tolerance=2.0) == []


@pytest.mark.parametrize("kind", KINDS)
def test_one_pass_or_no_number_at_all_is_drawn(kind: str) -> None:
    for flow in (made(3, 1), lost(made(3, 12))):
        figure = te.draw.flow(flow, kind)
        assert figure.axes


def shown(line: Any) -> tuple[Array, Array]:
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


# ---- what each picture shows ----


def test_layers_shows_the_first_and_the_last_pass_and_the_theory_of_the_first() -> None:
    model = te.nn.MLP([2, *[16] * 6, 1], "sigmoid", seed=0)
    x = np.random.default_rng(0).normal(size=(32, 2))
    theory = te.flow.theory(model, x=x)
    optimizer = te.optim.SGD(model.parameters(), lr=1.0)
    with te.flow.track(model) as flow:
        for _ in range(3):
            optimizer.zero_grad()
            te.nn.losses.mse(model(x), x[:, :1]).backward()
            optimizer.step()
    figure = te.draw.flow(flow, theory=theory)
    (axes,) = figure.axes
    first, last, predicted, *limits = axes.lines
    for line, step in ((first, 0), (last, 2)):
        x_drawn, y = shown(line)
        np.testing.assert_array_equal(x_drawn, range(7))
        np.testing.assert_allclose(y, flow["delta"][step] / flow["delta"][step, -1], rtol=1e-14)
    np.testing.assert_allclose(shown(predicted)[1], theory.delta, rtol=1e-14)
    (band,) = (each for each in axes.collections if isinstance(each, PolyCollection))
    corners = {tuple(corner) for corner in np.asarray(band.get_paths()[0].vertices)}
    for place, (low, high) in enumerate(zip(theory.low, theory.high, strict=True)):
        assert {(place, low), (place, high)} <= corners
    assert sorted(np.asarray(line.get_ydata())[0] for line in limits) == [1e-3, 1e-1, 10, 70]
    assert axes.get_yscale() == "log"
    np.testing.assert_allclose(axes.get_ylim(), (1e-12, 1e4), rtol=1e-12)
    assert f"first pass (last layer: {flow['delta'][0, -1]:.3g})" in legend(figure)[0]


def test_the_log_axis_grows_by_whole_steps_and_ends_somewhere() -> None:
    def limits(ratio: float) -> tuple[float, float]:
        flow = made(2, 1)
        flow.series["delta"].update(zip(flow.layers, ([ratio], [1.0]), strict=True))
        low, high = te.draw.flow(flow).axes[0].get_ylim()
        return round(math.log10(low), 9), round(math.log10(high), 9)

    assert limits(1.0) == limits(1e-12) == limits(1e4) == limits(0.0) == (-12, 4)
    assert limits(0.9e-12) == limits(1e-16) == (-16, 4)
    assert limits(1.1e4) == (-12, 8)
    assert limits(1e-300) == (-48, 4)
    assert limits(1e300) == (-12, 48)


def test_what_leaves_the_axis_is_marked_at_its_edge_and_what_is_no_number_is_a_gap() -> None:
    flow = made(6, 1)
    numbers = (0.0, 1e-60, NAN, INF, 1e-2, 1.0)
    flow.series["delta"] = {n: [x] for n, x in zip(flow.layers, numbers, strict=True)}
    figure = te.draw.flow(flow)
    line, below, above = figure.axes[0].lines[:3]
    np.testing.assert_allclose(shown(line)[1], [1e-48, 1e-48, NAN, 1e4, 1e-2, 1], rtol=1e-12)
    assert (below.get_marker(), list(shown(below)[0])) == ("v", [0, 1])
    assert (above.get_marker(), list(shown(above)[0])) == ("^", [3])
    assert [text.split(":")[0].split(",")[0] for text in legend(figure)[-3:]] == [
        "below the axis",
        "above the axis",
        "gap",
    ]


def test_epochs_shows_the_median_of_each_epoch_with_the_first_layer_at_the_bottom() -> None:
    flow = made(4, 23)
    flow.epochs = [5, 10, 10, 20]  # the third epoch reached no layer, the fifth was not finished
    logs = np.log10(flow["delta"] / flow["delta"][:, -1:])
    for lang, figure in in_each_language(
        lambda lang: te.draw.flow(flow, "epochs", lang=lang)
    ).items():
        axes, bar = figure.axes
        (mesh,) = (each for each in axes.collections if isinstance(each, QuadMesh))
        drawn: Array = np.ma.filled(np.ma.asarray(mesh.get_array()), NAN)
        assert drawn.shape == (4, 5)
        assert np.isnan(drawn[:, 2]).all()
        for column, passes in ((0, logs[:5]), (1, logs[5:10]), (3, logs[10:20]), (4, logs[20:])):
            np.testing.assert_allclose(drawn[:, column], np.median(passes, axis=0), rtol=1e-12)
        assert (mesh.norm.vmin, mesh.norm.vmax) == (-6, 6)
        assert axes.get_ylim() == (-0.5, 3.5)
        assert bar.get_ylim() == (-6, 6)
        assert axes.get_xlabel().split("\n")[0] == {"en": "Epoch", "ja": "エポック"}[lang]


def test_many_passes_become_at_most_300_columns_and_colours_beyond_a_million_are_darker() -> None:
    flow = made(3, 1000)
    flow.series["delta"][flow.layers[0]] = [0.0] * 500 + [1e30] * 500
    axes = te.draw.flow(flow, "epochs").axes[0]
    (mesh,) = (each for each in axes.collections if isinstance(each, QuadMesh))
    drawn: Any = mesh.get_array()
    assert drawn.shape == (3, 250)
    assert "median of 4 passes" in axes.get_xlabel()
    assert axes.get_xlim() == (0.5, 1000.5)
    colours: Any = mesh.to_rgba(drawn)
    assert [to_hex(colours[0, 0]), to_hex(colours[0, -1])] == ["#6b2a00", "#00324f"]
    assert to_hex(colours[2, 0]) == "#ffffff"


def test_histograms_count_every_entry_of_the_first_and_the_last_look() -> None:
    flow = made(50, 31)
    last = flow.samples[30]["activation"][flow.layers[0]]
    last[:5] = [0, 0, NAN, INF, 3.0]
    figure = te.draw.flow(flow, "histograms")
    panels = np.array(figure.axes).reshape(10, 2)
    assert [axes.get_ylabel() for axes in panels[:, 0]] == [
        *("49", "44", "38", "33", "27", "22", "16", "11", "5", "0")
    ]
    first_look, last_look = panels[-1, 0].patches
    counts, edges, _ = first_look.get_data()
    sample = flow.samples[0]["activation"][flow.layers[0]]
    np.testing.assert_allclose(counts, np.histogram(sample, edges)[0] / 50)
    counts, edges, _ = last_look.get_data()
    assert (edges[0], edges[-1]) == (-3.3, 3.3)  # tanh would need ±1.1
    assert sum(counts) == pytest.approx(46 / 50)
    assert [text.get_text() for text in panels[-1, 0].texts] == [
        "0: 0% → 4%",
        "not finite: 0% → 4%",
    ]
    counts, edges, _ = panels[-1, 1].patches[1].get_data()
    ratios = np.abs(flow.samples[30]["delta"][flow.layers[0]]) / flow["delta"][30, -1]
    np.testing.assert_allclose(counts, np.histogram(ratios, edges)[0] / 50)
    assert [text.get_text() for text in panels[0, 0].texts] == ["no activation function"]
    assert "10 of 50 layers" in figure.get_suptitle()


def test_updates_are_drawn_where_they_were_looked_at_coloured_by_depth() -> None:
    flow = made(3, 40)
    figure = te.draw.flow(flow, "updates")
    axes = figure.axes[0]
    for place, line in enumerate(axes.lines[:3]):
        x, y = shown(line)
        np.testing.assert_array_equal(x, [1, 11, 21, 31])
        np.testing.assert_allclose(y, 1e-3 * (place + 1), rtol=1e-14)
    assert len({to_hex(line.get_color()) for line in axes.lines[:3]}) == 3
    assert list(shown(axes.lines[3])[1]) == [1e-3, 1e-3]
    band: Any = axes.patches[0]
    assert (band.get_y(), band.get_y() + band.get_height()) == (1e-4, 1e-1)
    np.testing.assert_allclose(axes.get_ylim(), (1e-8, 1e2), rtol=1e-12)


def test_without_an_optimiser_updates_says_so() -> None:
    model = te.nn.Linear(2, 1, seed=0)
    with te.flow.track(model) as flow:
        te.nn.losses.mse(model(np.ones((3, 2))), np.zeros((3, 1))).backward()
    texts = [text.get_text() for text in te.draw.flow(flow, "updates").axes[0].texts]
    assert texts == ["no step of an optimiser moved the weights"]


def test_the_trap_is_named_where_weight_gradients_hide_a_vanishing_delta() -> None:
    flow = made(10, 1)
    figure = te.draw.flow(flow, "trap")
    axes = figure.axes[0]
    for line, quantity in zip(axes.lines, ("delta", "weight"), strict=False):
        numbers = flow[quantity][0]
        np.testing.assert_allclose(shown(line)[1], numbers / numbers[-1], rtol=1e-14)
    assert "hide" in axes.get_title()
    flow.series["weight"] = flow.series["delta"]
    assert "hide" not in te.draw.flow(flow, "trap").axes[0].get_title()


def test_time_goes_forwards_and_says_the_factor_of_a_step_back() -> None:
    class Last(te.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = te.nn.RNN(2, 8, seed=0)
            self.out = te.nn.Linear(8, 1, seed=1)

        def forward(self, x: Any) -> Any:
            return self.out(self.rnn(x)[1])

    model, x = Last(), np.random.default_rng(0).normal(size=(4, 9, 2))
    theory = te.flow.theory(model, x=x)
    with te.flow.track(model) as flow:
        te.nn.losses.mse(model(x), np.ones((4, 1))).backward()
    axes = te.draw.flow(flow, "time", theory=theory).axes[0]
    measured = np.array(flow.over_time["rnn"][0])[::-1]
    x_drawn, y = shown(axes.lines[0])
    np.testing.assert_array_equal(x_drawn, range(1, 10))
    np.testing.assert_allclose(y, measured / measured[-1], rtol=1e-14)
    steps = theory.steps[0]
    np.testing.assert_allclose(shown(axes.lines[1])[1], steps / steps[-1], rtol=1e-14)
    factor = (measured[0] / measured[-1]) ** (1 / 8)
    assert f"× {factor:.2g}" in axes.get_title()
    np.testing.assert_allclose(axes.get_ylim(), (1e-12, 1e4), rtol=1e-12)


# ---- the sweep and the remedies ----

CELLS = [
    {"activation": name, "init": init, "depth": depth, "ratio": ratio, "learnt": learnt, "loss": 1}
    for name, ratio, learnt in (("sigmoid", 1e-9, 0.0), ("relu", 0.5, 0.4), ("tanh", 0.0, 1.0))
    for init in ("normal", "he_normal")
    for depth in (50, 5)
]


@pytest.mark.parametrize(
    ("keys", "rows", "panels", "columns"),
    [
        ((), ["sigmoid", "relu", "tanh"], 2, ["5", "50"]),
        (("init", "activation"), ["normal", "he_normal"], 1, ["sigmoid", "relu", "tanh"]),
        (("depth",), [], 1, ["5", "50"]),
    ],
)
def test_the_grid_has_a_cell_for_each_network(
    keys: tuple[str, ...], rows: list[str], panels: int, columns: list[str]
) -> None:
    cells = [cell for cell in CELLS if keys != ("depth",) or cell["activation"] == "relu"]
    for figure in in_each_language(lambda lang: gradients.grid(cells, keys, lang=lang)).values():
        *grids, bar = [axes for axes in figure.axes if axes.get_visible()]
        assert len(grids) == panels
        assert [text.get_text() for text in grids[0].get_yticklabels()] == rows
        assert [text.get_text() for text in grids[0].get_xticklabels()] == columns
        (image,) = grids[0].images
        drawn: Array = np.ma.filled(np.ma.asarray(image.get_array()), NAN)
        ratios = {"sigmoid": -9, "relu": math.log10(0.5), "tanh": -1000}
        if keys:
            rows_of = [[*ratios.values()]] * 2 if len(keys) == 2 else [[ratios["relu"]] * 2]
        else:
            rows_of = [[each] * 2 for each in ratios.values()]
        np.testing.assert_allclose(drawn, rows_of)
        assert (image.norm.vmin, image.norm.vmax) == (-6, 6)
        styles = [line.get_fillstyle() for line in grids[0].lines]
        wanted = {-9: "none", -1000: "full"}
        assert styles == [wanted.get(round(each), "left") for row in rows_of for each in row]
        assert bar.get_xlim() == (-6, 6) or bar.get_ylim() == (-6, 6)


def test_the_cells_can_be_read() -> None:
    for keys in ((), ("depth",)):
        assert problems(gradients.grid(CELLS, keys, lang=LANGUAGES[-1])) == []


def test_missing_cells_are_grey_and_a_fourth_key_is_pooled() -> None:
    cells: list[dict[str, Any]] = [
        {"a": a, "b": b, "c": 1, "seed": seed, "ratio": 10.0**-seed, "learnt": seed != 1}
        for a in (1, 2)
        for b in "xy"
        for seed in (1, 2, 3)
        if (a, b) != (2, "y")
    ]
    figure = gradients.grid(cells)
    drawn: list[Array] = [
        np.ma.filled(np.ma.asarray(axes.images[0].get_array()), NAN) for axes in figure.axes[:2]
    ]
    np.testing.assert_array_equal(np.hstack(drawn), [[-2, -2], [-2, NAN]])
    assert {line.get_fillstyle() for line in figure.axes[0].lines} == {"left"}
    assert "median over seed" in legend(figure)
    assert "no number" in legend(figure)


def trial(seed: int, losses: tuple[float, ...], delta: tuple[float, ...], error: str = "") -> Trial:
    nothing = (NAN,) * len(delta)
    late = nothing if error else delta
    return Trial(
        seed, losses, delta, late, 1.0, losses[-1], 0.7, not error, cast(Diagnosis, None), error
    )


def tried(name: str, losses: Array, delta: Array, verdict: str, error: str = "") -> Tried:
    runs = [
        trial(seed, tuple(each), tuple(delta * (seed + 1)), error)
        for seed, each in enumerate(losses.tolist())
    ]
    return Tried(REMEDIES.get(name), tuple(runs), verdict)


def test_remedies_stand_beside_the_training_without() -> None:
    losses = np.array([[0.7, 0.7, 0.7], [0.7, 0.71, 0.72], [0.7, 0.6, 0.5]])
    low, flat = 10.0 ** np.arange(-8, 1), np.ones(9)
    found = Remedies(
        tried("before", losses, low, ""),
        (
            tried("relu", losses / [1, 10, 100], flat, "cured"),
            Tried(REMEDIES["residual"], (), "not applicable"),
            tried("largest_step", np.array([[0.7, 90.0]] * 3), low, "worse", "diverged"),
        ),
    )
    for lang, figure in in_each_language(lambda lang: gradients.remedies(found, lang=lang)).items():
        panels = np.array(figure.axes).reshape(2, 2)
        assert REMEDIES["relu"].title[lang] in panels[0, 0].get_title()
        before, after, guessing = panels[0, 0].lines
        np.testing.assert_array_equal(shown(before)[1], [0.7, 0.7, 0.7])
        np.testing.assert_allclose(shown(after)[1], [0.7, 0.07, 0.007])
        np.testing.assert_array_equal(shown(guessing)[1], [0.7, 0.7])
        np.testing.assert_allclose(panels[0, 0].get_ylim(), (1e-4, 10))
        np.testing.assert_allclose(shown(panels[1, 0].lines[0])[1], low)
        np.testing.assert_allclose(shown(panels[1, 0].lines[1])[1], flat)
        diverged = panels[0, 1].lines
        np.testing.assert_allclose(shown(diverged[1])[1], [0.7, 10])
        assert diverged[2].get_marker() == "^"
        # Of a training that diverged, the gradients of its first pass.
        np.testing.assert_allclose(shown(panels[1, 1].lines[1])[1], low)
    assert problems(figure) == []


def test_more_than_four_remedies_take_another_row() -> None:
    one = tried("before", np.ones((2, 3)), np.ones(4), "")
    many = [tried(name, np.ones((2, 3)), np.ones(4), "no help") for name in list(REMEDIES)[:5]]
    panels = np.array(gradients.remedies(Remedies(one, tuple(many))).axes).reshape(4, 4)
    seen = [[axes.get_visible() for axes in row] for row in panels]
    assert seen == [[True] * 4] * 2 + [[True, False, False, False]] * 2


def test_nothing_tried_is_refused() -> None:
    before = tried("before", np.ones((2, 3)), np.ones(4), "")
    for nothing in ((), (Tried(REMEDIES["residual"], (), "not applicable"),)):
        with pytest.raises(ValueError, match="no remedy was tried"):
            gradients.remedies(Remedies(before, nothing))


# ---- errors ----

WRONG: Mapping[str, tuple[type[Exception], str, Callable[[], Any]]] = {
    "kind": (UnknownNameError, "kind=histograms", lambda: te.draw.flow(made(2, 1), "histogram")),
    "lang": (UnknownNameError, "'fr'.*'en'.*'ja'", lambda: te.draw.flow(made(2, 1), lang="fr")),
    "no pass": (ValueError, r"te\.flow\.track\(model\)", lambda: te.draw.flow(made(2, 0))),
    "theory": (
        ValueError,
        r"te\.flow\.theory\(model\)",
        lambda: te.draw.flow(made(2, 1), theory=te.flow.theory(te.nn.MLP([2, 3, 3, 1], seed=0))),
    ),
    "cells": (ValueError, "no cells", lambda: gradients.grid([])),
    "keys": (ValueError, "keys=", lambda: gradients.grid(CELLS, ["width"])),
    "no keys": (ValueError, "no key", lambda: gradients.grid([{"ratio": 1, "learnt": 1}])),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_drawn_is_refused_with_what_to_write(case: str) -> None:
    error, message, make = WRONG[case]
    with pytest.raises(error, match=message):
        make()


def test_time_without_a_recurrent_layer_names_the_picture_over_depth() -> None:
    flow = made(2, 1)
    flow.over_time = {}
    with pytest.raises(ValueError, match='kind="layers"'):
        te.draw.flow(flow, "time")


# ---- parts ----


def test_names_keep_what_tells_them_apart() -> None:
    assert short_names(["layers.0", "layers.1", "layers.10"]) == ["0", "1", "10"]
    assert short_names(["a.0.w", "a.1.w"]) == ["0", "1"]
    assert short_names(["a.b.c", "a.c"]) == ["b.c", "c"]
    assert short_names(["w", "w"]) == ["w", "w"]
    assert short_names(["out"]) == ["out"]
    assert short_names(["in", *(f"{i}.layers.2" for i in range(20))]) == [
        "in",
        *map(str, range(20)),
    ]
    twice = [f"{i}.{part}.weight" for part in "ab" for i in range(9)]
    assert short_names(twice) == [f"{i}.{part}" for part in "ab" for i in range(9)]
    (long,) = short_names(["x" * 10 + "y" * 10])
    assert long == "xxxxxxx…yyyyyy"
    assert short_names(["a$b", "c"]) == [r"a\$b", "c"]


def test_ticks_are_even_with_the_first_and_the_last() -> None:
    for count in range(1, 60):
        for most in (2, 7, 20):
            places = every(count, most)
            assert places[0] == 0
            assert places[-1] == count - 1
            assert len(places) <= max(most, 1)
            assert len(set(np.diff(places)[:-1])) <= 1


def test_the_median_counts_infinities_and_passes_over_what_is_no_number() -> None:
    rows = np.array([[NAN, -INF, 1.0, INF], [NAN, 5.0, NAN, INF], [NAN, 7.0, 3.0, 0.0]])
    np.testing.assert_array_equal(median(rows), [NAN, 5, 2, INF])
    np.testing.assert_array_equal(median(rows[1:]), [NAN, 6, 3, INF])
    np.testing.assert_array_equal(median(rows[:0]), [NAN] * 4)


def test_every_japanese_label_has_its_letters_and_its_blanks() -> None:
    blanks = [
        sorted(re.findall(r"{\w+}", text)) for pair in words.JAPANESE.items() for text in pair
    ]
    assert blanks[::2] == blanks[1::2]
    if not HAS_JAPANESE:
        return
    letters: set[int] = set()
    with figure_context("ja"):
        for family in mpl.rcParams["font.family"]:
            path = findfont(FontProperties(family=[family]), fallback_to_default=False)
            letters |= set(get_font(path).get_charmap())
    assert {ord(letter) for text in words.JAPANESE.values() for letter in text} <= letters


def test_the_settings_of_matplotlib_are_left_as_they_were() -> None:
    before = dict(mpl.rcParams)
    for lang in LANGUAGES:
        te.draw.flow(made(2, 1), lang=lang)
    assert dict(mpl.rcParams) == before
