"""Pictures of training: what they show, in which limits, and that every label can be read."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from mpl_toolkits.mplot3d import proj3d
from numpy.typing import ArrayLike, NDArray

from tests.draw.layout import drawn_texts, problems
from tests.shares import one_in
from tinygrad_edu.draw import style
from tinygrad_edu.draw.learned import Network, learned_surfaces, regions
from tinygrad_edu.draw.style import JAPANESE, JAPANESE_FAMILIES, figure_context
from tinygrad_edu.draw.training import gradient_magnitudes, losses
from tinygrad_edu.errors import UnknownNameError

Array = NDArray[np.float64]

POINTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
TARGETS = np.array([0, 1, 1, 0])
INSTALL = r'pip install "tinygrad_edu\[ja\]"'
HAS_JAPANESE = find_spec("matplotlib_fontja") is not None or not set(JAPANESE_FAMILIES).isdisjoint(
    fontManager.get_font_names()
)


def sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


def slope(x: Array) -> Array:
    """Output 0.5 on the line Input 1 + Input 2 / 2 = 0.3, unlike in every mirror image."""
    return sigmoid(2 * (x @ [1, 0.5] - 0.3))


def xor(x: Array) -> Array:
    """Two ridges of tanh that part the four points as a trained network does."""
    hidden = np.tanh(x @ [[4, -4], [-4, 4]] - 2)
    return sigmoid(3 * hidden.sum(axis=1) + 3)


def neuron(x: Array) -> Array:
    """The article's neuron after training: its outputs differ by 2e-9 over [-1, 1]²."""
    return 0.5 + x @ [2.5e-10, 2.5e-10]


def constant(value: float) -> Network:
    return lambda x: np.full(len(x), value)


def in_each_language(make: Callable[[str], Figure]) -> Mapping[str, Figure]:
    """The figure in every language that this machine has letters for; refused in the others."""
    figures = {"en": make("en")}
    if HAS_JAPANESE:
        figures["ja"] = make("ja")
    else:
        with pytest.raises(ImportError, match=INSTALL):
            make("ja")
    return figures


def texts(figure: Figure) -> str:
    return "\n".join(text for text, _ in drawn_texts(figure))


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def painted(figure: Figure) -> Array:
    """The pixels of the figure from the lowest row up: the colour at [y, x]."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[::-1] / 255


DECAY = 0.3 * 10.0 ** -(np.arange(10_000) / 800)
NOISE = 0.1 * np.exp(np.random.default_rng(0).normal(size=10_000))
SICK = np.where(np.arange(10_000) < 9000, NOISE, np.nan)
SICK[4321], SICK[6000] = 0, 50
LONG = "a network with a rather long name, which does not fit on one line: $\\such$"

FIGURES: Mapping[str, Callable[[str], Figure]] = {
    "losses": lambda lang: losses(
        {"one neuron": np.full(10_000, 0.25), "8 hidden units": 0.25 * DECAY},
        reference=(0.25, "always answering 0.5"),
        lang=lang,
    ),
    "flat loss": lambda lang: losses({LONG: np.full(100, 0.25)}, lang=lang),
    "one epoch": lambda lang: losses({"a": [0.3]}, lang=lang),
    "no epoch": lambda lang: losses({"a": []}, lang=lang),
    "diverging loss": lambda lang: losses(
        {LONG: [0.3, 1e200, np.inf, np.nan], "zero": [0.0] * 4}, lang=lang
    ),
    "surfaces": lambda lang: learned_surfaces(
        {"one neuron": neuron, LONG: xor}, POINTS, TARGETS, lang=lang
    ),
    "one surface": lambda lang: learned_surfaces({LONG: xor}, POINTS, TARGETS, lang=lang),
    "sick surfaces": lambda lang: learned_surfaces(
        {"diverged": constant(np.nan), LONG: constant(3)}, POINTS, TARGETS, lang=lang
    ),
    "regions": lambda lang: regions(
        {"one neuron": neuron, "tanh": xor}, POINTS, TARGETS, lang=lang
    ),
    "one region": lambda lang: regions({LONG: xor}, POINTS, TARGETS, lang=lang),
    "sick regions": lambda lang: regions(
        {
            "diverged": constant(np.nan),
            LONG: constant(3),
            "low": lambda x: 0.1 + 1e-5 * np.asarray(x[:, 0]),
        },
        POINTS,
        TARGETS,
        lang=lang,
    ),
    "gradients": lambda lang: gradient_magnitudes(
        range(10_000), {"hidden (tanh)": DECAY, "output (sigmoid)": NOISE}, lang=lang
    ),
    "few gradients": lambda lang: gradient_magnitudes([0], {"hidden": [0], "out": [1]}, lang=lang),
    "sick gradients": lambda lang: gradient_magnitudes(
        range(10_000),
        {LONG: SICK, **{f"layer {i}": DECAY * 10.0**-i for i in range(12)}},
        lang=lang,
    ),
}


@pytest.mark.parametrize("name", one_in(4, FIGURES))
def test_no_text_is_cut_off_or_covered(name: str) -> None:
    for lang, figure in in_each_language(FIGURES[name]).items():
        assert figure.dpi == 100
        assert problems(figure) == [], lang


def test_figures_are_saved_after_their_context_without_a_missing_letter() -> None:
    for figure in in_each_language(FIGURES["diverging loss"]).values():
        for kind in ("svg", "png"):
            figure.savefig(io.BytesIO(), format=kind)


def test_overlaps_and_cuts_are_found_and_slanted_neighbours_are_not() -> None:
    def written(*places: tuple[float, float, str, float]) -> Figure:
        figure = Figure(figsize=(4, 4), dpi=100)
        for x, y, text, angle in places:
            figure.text(x, y, text, rotation=angle, ha="center", va="center")
        return figure

    assert problems(written((0.5, 0.5, "one", 0), (0.52, 0.51, "two", 0))) == [
        "'one' overlaps 'two'"
    ]
    assert problems(written((0.99, 0.5, "outside", 0))) == ["'outside' is cut off"]
    slanted = [(0.5, 0.5, "a long slanted text", 45), (0.6, 0.45, "a neighbour", 45)]
    assert problems(written(*slanted)) == []
    assert len(problems(written(*slanted[:1], (0.55, 0.55, "across", 0)))) == 1


def test_losses_draws_every_epoch_on_a_log_axis() -> None:
    curves = {"one neuron": np.full(10_000, 0.25), "8 hidden units": 0.25 * DECAY}
    make = lambda lang: losses(curves, reference=(0.24, "guessing"), lang=lang)  # noqa: E731
    for figure in in_each_language(make).values():
        (axes,) = figure.axes
        *drawn, reference = axes.lines
        for line, curve in zip(drawn, curves.values(), strict=True):
            np.testing.assert_array_equal(line.get_xdata(), np.arange(10_000))
            np.testing.assert_array_equal(line.get_ydata(), curve)
        assert list(np.asarray(reference.get_ydata())) == [0.24, 0.24]
        assert reference.get_linestyle() == "--"
        assert axes.get_yscale() == "log"
        assert legend(figure) == ["one neuron", "8 hidden units", "guessing"]


def test_losses_says_what_a_log_axis_cannot_show() -> None:
    figure = losses({"a": [1, np.nan, np.inf, 0], "b": [0.5, 0.4, 0.3, 0.2]})
    note = "a (not drawn in 3 of 4 epochs: zero, infinite or not a number)"
    assert [text.replace("\n", " ") for text in legend(figure)] == [note, "b"]


@pytest.mark.parametrize("value", [0.25, 1e-12, 1e12])
def test_a_loss_that_stays_where_it_is_has_a_labelled_axis(value: float) -> None:
    figure = losses({"a": np.linspace(1.0001 * value, value, 100)}, reference=(value, "b"))
    low, high = figure.axes[0].get_ylim()
    assert low < value < high
    assert high / low >= 10
    assert "10^{" in texts(figure)


class Recorder:
    """A network that remembers at which inputs it was asked."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.asked: list[Array] = []

    def __call__(self, inputs: Array) -> Array:
        self.asked.append(inputs)
        return np.asarray(self.network(inputs))


def test_surfaces_are_the_articles_in_fixed_height_and_colour() -> None:
    recorder = Recorder(xor)
    networks: dict[str, Network] = {"one neuron": neuron, "tanh": recorder}
    make = lambda lang: learned_surfaces(networks, POINTS, TARGETS, lang=lang)  # noqa: E731
    for lang, figure in in_each_language(make).items():
        labels = ["Learned Activation Output Surface", "Input 1", "Input 2", "Output"]
        title, *labels = labels if lang == "en" else [JAPANESE[label] for label in labels]
        assert figure.get_suptitle() == title
        panels: list[Any] = figure.axes[:2]
        for axes, name in zip(panels, networks, strict=True):
            assert axes.get_title().startswith(name)
            assert [axes.get_xlabel(), axes.get_ylabel(), axes.get_zlabel()] == labels
            assert (axes.get_xlim(), axes.get_ylim(), axes.get_zlim()) == ((-1, 1), (-1, 1), (0, 1))
            assert not axes.patch.get_visible()  # it would cover the labels of its neighbour
            (surface,) = axes.collections
            assert (surface.norm.vmin, surface.norm.vmax) == (0, 1)
            assert surface.get_cmap().name == "plasma"
        colours = panels[0].collections[0].get_facecolors()
        plasma = mpl.colormaps["plasma"](0.5)
        assert np.abs(colours - plasma).max() < 0.005  # one step of the colour map
        assert "varies by 1e-9" in panels[0].get_title() or lang == "ja"
    grid = recorder.asked[0]
    assert len(np.unique(grid, axis=0)) == 100 * 100
    assert (grid.min(axis=0) == -1).all()
    assert (grid.max(axis=0) == 1).all()


def test_the_surface_is_the_network_over_its_inputs() -> None:
    figure = learned_surfaces(
        {"plane": lambda x: np.asarray(x @ [0.3, 0.1] + 0.5)}, POINTS, TARGETS
    )
    axes: Any = figure.axes[0]
    heights = axes.collections[0].get_array().reshape(99, 99)  # one for each tile of the grid
    x, y = np.meshgrid(*2 * [np.linspace(-1, 1, 100)[1:] - 1 / 99])
    np.testing.assert_allclose(heights, 0.3 * x + 0.1 * y + 0.5, atol=1e-12)


@pytest.mark.parametrize("height", [0.0, 0.5, 1.0])
def test_the_points_stand_at_their_targets_and_no_surface_hides_them(height: float) -> None:
    figure = learned_surfaces({"level": constant(height)}, POINTS, TARGETS)
    pixels = painted(figure)
    axes: Any = figure.axes[0]
    for point, target in zip(POINTS, TARGETS, strict=True):
        x, y, _ = proj3d.proj_transform(*point, target, axes.get_proj())
        column, row = np.round(axes.transData.transform((x, y))).astype(int)
        np.testing.assert_allclose(
            pixels[row, column], to_rgba("black" if target else "white"), atol=0.02
        )
    assert legend(figure)[:2] == ["target 1", "target 0"]


def test_regions_are_the_network_with_its_boundary() -> None:
    recorder = Recorder(slope)
    make = lambda lang: regions({"slope": recorder}, POINTS, TARGETS, lang=lang)  # noqa: E731
    for figure in in_each_language(make).values():
        axes, bar = figure.axes
        assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, 1.5), (-0.5, 1.5))
        assert axes.get_title() == "slope"
        assert bar.get_ylim() == (0, 1)
        (image,) = axes.images
        assert (image.norm.vmin, image.norm.vmax) == (0, 1)
        (boundary,) = (each for each in axes.collections if isinstance(each, QuadContourSet))
        line = boundary.get_paths()[0].vertices
        np.testing.assert_allclose(np.asarray(line) @ [1, 0.5], 0.3, atol=1e-3)
        pixels = painted(figure)
        for x, y in ((-0.4, 1.0), (1.4, 1.4), (1.4, -0.4), (-0.4, -0.4)):
            expected = mpl.colormaps["PuOr"](slope(np.array([[x, y]]))[0])
            column, row = np.round(axes.transData.transform((x, y))).astype(int)
            np.testing.assert_allclose(pixels[row, column], expected, atol=0.02)
        for marker, point, target in zip(axes.lines, POINTS, TARGETS, strict=True):
            np.testing.assert_array_equal(marker.get_xydata(), [point])
            assert marker.get_marker() == ("o" if target else "s")
            assert marker.get_markerfacecolor() == ("black" if target else "white")
    asked = recorder.asked[0]
    assert (asked.min(axis=0) == -0.5).all()
    assert (asked.max(axis=0) == 1.5).all()


@pytest.mark.parametrize(
    ("network", "note"),
    [
        (constant(0.9), "the output is nowhere below 0.5"),
        (constant(0.1), "the output is nowhere above 0.5"),
        (constant(0.5), "the output is 0.5 everywhere"),
        (constant(np.nan), "40,401 of 40,401 outputs are not finite numbers"),
        (constant(7), "outputs outside 0 to 1 are drawn at the edge"),
        (neuron, "almost flat: it varies by 1e-9 here"),
    ],
)
def test_regions_says_what_cannot_be_seen(network: Network, note: str) -> None:
    make = lambda lang: regions({"a": network}, POINTS, TARGETS, lang=lang)  # noqa: E731
    figures = in_each_language(make)
    titles = {lang: figure.axes[0].get_title() for lang, figure in figures.items()}
    assert note in titles["en"].replace("\n", " ")
    for title in titles.values():
        assert len(title.split("\n")) > 1


def test_gradients_keep_their_axis_and_every_epoch_of_a_short_run() -> None:
    rms = {"hidden": DECAY[:400], "output": NOISE[:400]}
    make = lambda lang: gradient_magnitudes(range(400), rms, lang=lang)  # noqa: E731
    for figure in in_each_language(make).values():
        (axes,) = figure.axes
        assert axes.get_ylim() == (1e-8, 1)
        assert axes.get_yscale() == "log"
        for line, values in zip(axes.lines, rms.values(), strict=False):
            np.testing.assert_array_equal(line.get_xdata(), np.arange(400))
            np.testing.assert_array_equal(line.get_ydata(), np.minimum(values, 1))
    tight = gradient_magnitudes(range(400), rms, limits=(1e-3, 1e3))
    assert tight.axes[0].get_ylim() == (1e-3, 1e3)


def test_a_long_run_is_drawn_as_medians_in_a_band_that_loses_no_spike() -> None:
    values = np.clip(NOISE, 0, 0.5)
    values[4321], values[4322] = 1e-7, 0.9
    figure = gradient_magnitudes(range(10_000), {"layer": values})
    (axes,) = figure.axes
    (line,) = axes.lines
    stretches = values.reshape(500, 20)
    np.testing.assert_array_equal(line.get_ydata(), np.median(stretches, axis=1))
    np.testing.assert_array_equal(line.get_xdata(), np.arange(10_000).reshape(500, 20).mean(axis=1))
    (band,) = (each for each in axes.collections if isinstance(each, PolyCollection))
    corners = {tuple(corner) for corner in np.asarray(band.get_paths()[0].vertices)}
    for centre, stretch in zip(np.asarray(line.get_xdata()), stretches, strict=True):
        assert {(centre, stretch.min()), (centre, stretch.max())} <= corners
    assert legend(figure) == ["layer", "line: median of 20 epochs; band: smallest to largest"]


def test_values_beyond_the_axis_are_drawn_at_its_edge_and_counted() -> None:
    values = np.full(10_000, 1e-3)
    values[[17, 5000]] = 0, 1e-9
    values[9000:] = 1e-12
    values[8000] = 30
    values[7000] = np.nan
    make = lambda lang: gradient_magnitudes(range(10_000), {"layer": values}, lang=lang)  # noqa: E731
    for lang, figure in in_each_language(make).items():
        _, below, above, lost = figure.axes[0].lines
        assert below.get_marker() == "v"
        assert set(np.asarray(below.get_ydata())) == {1e-8}
        epochs = set(np.asarray(below.get_xdata()))
        assert {17, 5000} < epochs
        assert 2 < len(epochs - {17, 5000}) < 10  # a tenth of at most forty marks
        assert min(epochs - {17, 5000}) == 9000
        assert (above.get_marker(), list(np.asarray(above.get_xdata()))) == ("^", [8000])
        assert list(np.asarray(above.get_ydata())) == [1]
        notes = [text.replace("\n", " ") for text in legend(figure)[1:4]]
        counts = ("1,002", "1", "1")
        for note, count, line in zip(notes, counts, (below, above, lost), strict=True):
            assert "10,000" in note
            assert count in note
            assert line.get_color() == figure.axes[0].lines[0].get_color()
        if lang == "en":
            assert notes == [
                "layer: below 1e-8 in 1,002 of 10,000 epochs (▼, drawn at the edge)",
                "layer: above 1 in 1 of 10,000 epochs (▲, drawn at the edge)",
                "layer: not a number in 1 of 10,000 epochs (not drawn)",
            ]


BAD: Mapping[str, tuple[Callable[[], Figure], str]] = {
    "scalar": (lambda: losses({"a": 0.25}), r"'a' has shape \(\)"),
    "table": (lambda: losses({"a": [[1, 2]]}), r"'a' has shape \(1, 2\)"),
    "column": (
        lambda: learned_surfaces({"net": lambda x: x[:, :1]}, POINTS, TARGETS),
        r"'net' returned shape \(10000, 1\).*\[:, 0\]",
    ),
    "nothing": (lambda: regions({}, POINTS, TARGETS), "at least one network"),
    "targets": (lambda: regions({"net": xor}, POINTS, [0, 1]), r"shape \(4, 2\) and 2 targets"),
    "limits": (lambda: gradient_magnitudes([0], {"a": [1]}, limits=(0, 1)), "positive"),
    "falling": (lambda: gradient_magnitudes([0], {"a": [1]}, limits=(1, 1e-8)), "rising"),
    "lengths": (lambda: gradient_magnitudes([0, 1], {"a": [1]}), "'a' has 1 values for 2 epochs"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_drawn_is_refused(case: str) -> None:
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "targets", [TARGETS[:, None], TARGETS.astype(np.float32), TARGETS.astype(bool), [0, 1, 1, 0]]
)
def test_targets_may_be_a_column_or_of_any_type(targets: ArrayLike) -> None:
    axes = regions({"net": xor}, POINTS, targets).axes[0]
    assert [line.get_marker() for line in axes.lines] == ["s", "o", "o", "s"]


def test_the_context_leaves_no_setting_behind() -> None:
    before = dict(mpl.rcParams)
    in_each_language(lambda lang: losses({"a": [1, 0.5]}, lang=lang))
    assert dict(mpl.rcParams) == before


def test_every_japanese_label_has_its_letters() -> None:
    if not HAS_JAPANESE:
        with pytest.raises(ImportError, match=INSTALL), figure_context("ja"):
            pass
        return
    with figure_context("ja"):
        families = mpl.rcParams["font.family"]
    letters: set[int] = set()
    for family in families:
        path = findfont(FontProperties(family=[family]), fallback_to_default=False)
        letters |= set(get_font(path).get_charmap())
    missing = {
        letter for text in JAPANESE.values() for letter in text if ord(letter) not in letters
    }
    assert not missing


def test_without_a_japanese_font_the_error_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(style, "find_spec", lambda _: None)
    monkeypatch.setattr(fontManager, "ttflist", [])
    with pytest.raises(ImportError, match=INSTALL):
        losses({"a": [1]}, lang="ja")
    assert losses({"a": [1]}, lang="en").axes


def test_an_installed_font_serves_where_the_extra_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(style, "find_spec", lambda _: None)
    monkeypatch.setattr(fontManager, "get_font_names", lambda: ["DejaVu Sans", "VL Gothic"])
    with figure_context("ja"):
        assert mpl.rcParams["font.family"] == ["VL Gothic", "DejaVu Sans"]


@pytest.mark.parametrize("name", FIGURES)
def test_an_unknown_language_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"'fr'.*'en'.*'ja'"):
        FIGURES[name]("fr")
