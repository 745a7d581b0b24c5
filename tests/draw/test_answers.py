"""Pictures of what trained models answer: that they show it, and that every label can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tests.draw.layout import drawn_texts, problems
from tinygrad_edu.draw.addition import bit_accuracy, sums
from tinygrad_edu.draw.classes import confusion_matrix, mistakes, weight_images
from tinygrad_edu.draw.learned import decision_regions
from tinygrad_edu.draw.style import COLOURS, figure_context
from tinygrad_edu.draw.training import training
from tinygrad_edu.errors import UnknownNameError
from tinygrad_edu.train import History

Array = NDArray[np.float64]

try:
    with figure_context("ja"):
        LANGUAGES = ["en", "ja"]
except ImportError:
    LANGUAGES = ["en"]

RNG = np.random.default_rng(0)
POINTS = RNG.uniform(-2, 4, (300, 2)) * [1, 0.5]
SIDES = (POINTS[:, 0] > 1).astype(float)
TARGETS = RNG.integers(0, 10, 300)
ANSWERS = np.where(RNG.random(300) < 0.1, (TARGETS + 1) % 10, TARGETS)
SHARES = np.full((300, 10), 0.02)
SHARES[np.arange(300), ANSWERS] = RNG.uniform(0.3, 1, 300)
IMAGES = RNG.random((300, 8, 8))
PAIRS = np.array([(255, 1), (170, 85), (13, 200), (0, 0), (1, 1)])


def bits_of(numbers: NDArray[np.int_]) -> NDArray[np.int_]:
    """Nine binary digits, the lowest first, along a new axis behind the first."""
    return np.moveaxis(numbers[..., None] >> np.arange(9) & 1, -1, 1)


BITS = bits_of(PAIRS)
SUMS = bits_of(PAIRS.sum(axis=1))
OUTPUTS = np.abs(SUMS - 0.1)
OUTPUTS[0, 3] = 0.8  # 256 becomes 264

EPOCHS = np.arange(40)
LOSS = np.exp(-EPOCHS / 9)
COLUMNS: Mapping[str, Any] = {
    "loss": LOSS,
    "accuracy": 1 - LOSS / 2,
    "validation_loss": LOSS + EPOCHS / 300,
    "validation_accuracy": 0.98 - LOSS / 2,
    "lr": EPOCHS,
    "seconds": EPOCHS,
}


def slope(x: Array) -> Array:
    """0.5 at a first coordinate of 1.2."""
    return np.asarray(1 / (1 + np.exp(-4 * (x[:, 0] - 1.2))))


FIGURES: Mapping[str, Callable[[str], Figure]] = {
    "training": lambda lang: training(COLUMNS, lang=lang),
    "loss only": lambda lang: training({"loss": [1.0]}, lang=lang),
    "three metrics": lambda lang: training(
        {**COLUMNS, "right_sums": LOSS, "right_bits": LOSS}, lang=lang
    ),
    "sick training": lambda lang: training(
        {"loss": [np.nan, np.nan], "validation_loss": [-1.0, np.inf], "$r^2": [-3, 4]}, lang=lang
    ),
    "regions": lambda lang: decision_regions(
        slope,
        {"training data": (POINTS, SIDES), "test data": (POINTS[:9], SIDES[:9, None])},
        lang=lang,
    ),
    "one cloud": lambda lang: decision_regions(
        lambda x: np.full(len(x), 0.9), {"a": (POINTS, SIDES)}, lang=lang
    ),
    "diverged": lambda lang: decision_regions(
        lambda x: np.full(len(x), np.nan), {"a": (POINTS, SIDES)}, lang=lang
    ),
    "confusion": lambda lang: confusion_matrix(TARGETS, ANSWERS, lang=lang),
    "names": lambda lang: confusion_matrix(
        [0, 1, 1], [0, 0, 1], names=["a cat", "a dog $x"], lang=lang
    ),
    "many": lambda lang: confusion_matrix(
        np.repeat(TARGETS, 40), np.repeat(ANSWERS, 40), lang=lang
    ),
    "mistakes": lambda lang: mistakes(IMAGES, SHARES, TARGETS, lang=lang),
    "one mistake": lambda lang: mistakes(IMAGES[:1], SHARES[:1], (ANSWERS[:1] + 1) % 10, lang=lang),
    "no mistake": lambda lang: mistakes(IMAGES, SHARES, ANSWERS, most=3, lang=lang),
    "weights": lambda lang: weight_images(RNG.standard_normal((64, 100)), (8, 8), lang=lang),
    "few weights": lambda lang: weight_images(np.zeros((6, 2)), (2, 3), lang=lang),
    "sums": lambda lang: sums(BITS, OUTPUTS, lang=lang),
    "one sum": lambda lang: sums(BITS[:1, :2], OUTPUTS[:1, :2], lang=lang),
    "positions": lambda lang: bit_accuracy(BITS, OUTPUTS, lang=lang),
}


USUAL = ("three metrics", "regions", "confusion", "mistakes", "weights", "sums", "positions")


@pytest.mark.parametrize(
    ("name", "lang"),
    [
        pytest.param(name, lang, marks=() if name in USUAL else pytest.mark.thorough)
        for name in FIGURES
        for lang in LANGUAGES
    ],
)
def test_no_text_is_cut_off_or_covered(name: str, lang: str) -> None:
    figure = FIGURES[name](lang)
    assert figure.dpi == 100
    assert figure.get_figwidth() <= 11
    assert problems(figure) == []


@pytest.mark.parametrize("name", FIGURES)
def test_an_unknown_language_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"'fr'.*'en'.*'ja'"):
        FIGURES[name]("fr")


def texts(figure: Figure) -> list[str]:
    return [text.replace("\n", " ") for text, _ in drawn_texts(figure)]


# ---- loss and metrics ----


def test_training_draws_both_kinds_of_data_over_all_epochs() -> None:
    figure = training(COLUMNS)
    loss, accuracy = figure.axes
    assert (loss.get_title(), accuracy.get_title()) == ("Loss (log scale)", "Accuracy")
    for axes, name in ((loss, "loss"), (accuracy, "accuracy")):
        for line, column in zip(axes.lines, (name, f"validation_{name}"), strict=False):
            np.testing.assert_array_equal(line.get_xdata(), EPOCHS + 1)
            np.testing.assert_array_equal(line.get_ydata(), COLUMNS[column])
    star = loss.lines[2]
    best = int(np.argmin(COLUMNS["validation_loss"]))
    np.testing.assert_array_equal(star.get_xydata(), [[best + 1, COLUMNS["validation_loss"][best]]])
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == [
        *("training data", "validation data"),
        f"lowest validation loss (epoch {best + 1})",
    ]
    assert accuracy.get_ylim()[1] > 1 > accuracy.get_ylim()[0] > 0.3
    assert "100 %" in texts(figure)


def test_a_history_is_drawn_as_its_columns_are() -> None:
    history = History({name: list(values) for name, values in COLUMNS.items()})
    drawn = [line.get_ydata() for axes in history.plot().axes for line in axes.lines]
    again = [line.get_ydata() for axes in training(COLUMNS).axes for line in axes.lines]
    assert len(drawn) == 5
    for one, other in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loss_that_is_not_positive_has_a_plain_axis() -> None:
    axes = training({"loss": [0.5, -0.5]}).axes[0]
    assert (axes.get_yscale(), axes.get_title()) == ("linear", "Loss")
    assert training({"loss": [0.5, 0.4]}).axes[0].get_yscale() == "log"


# ---- decision regions ----


def test_regions_lie_under_their_points_and_ring_the_wrong_ones() -> None:
    clouds = {"training": (POINTS, SIDES), "test": (POINTS[:50], SIDES[:50])}
    figure = decision_regions(slope, clouds)
    *panels, _ = figure.axes
    limits = [panel.get_xlim() + panel.get_ylim() for panel in panels]
    assert limits[0] == limits[1]
    assert limits[0][0] < POINTS[:, 0].min() < POINTS[:, 0].max() < limits[0][1]
    for panel, (name, (points, sides)) in zip(panels, clouds.items(), strict=True):
        wrong = (points[:, 0] > 1.2) != (sides == 1)
        one, zero, rings = panel.lines
        np.testing.assert_array_equal(one.get_xydata(), points[sides == 1])
        np.testing.assert_array_equal(zero.get_xydata(), points[sides == 0])
        np.testing.assert_array_equal(rings.get_xydata(), points[wrong])
        assert panel.get_title() == f"{name}: {len(points) - wrong.sum()} of {len(points)} right"
        (line,) = (each for each in panel.collections if isinstance(each, QuadContourSet))
        np.testing.assert_allclose(np.asarray(line.get_paths()[0].vertices)[:, 0], 1.2, atol=1e-3)
        (image,) = panel.images
        assert (image.norm.vmin, image.norm.vmax) == (0, 1)


def test_an_answer_that_is_no_number_is_on_no_side() -> None:
    figure = FIGURES["diverged"]("en")
    assert "0 of 300 right" in figure.axes[0].get_title()
    assert "40,401 of 40,401 outputs are not" in figure.axes[0].get_title()


def test_without_a_boundary_in_view_it_is_said() -> None:
    title = FIGURES["one cloud"]("en").axes[0].get_title().replace("\n", " ")
    assert "the output is nowhere below 0.5" in title


# ---- classes ----


def test_the_confusion_matrix_counts_each_pair() -> None:
    figure = confusion_matrix([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0])
    (axes,) = figure.axes
    found = {text.get_position(): text.get_text() for text in axes.texts}
    assert found == {(0, 0): "2", (1, 0): "1", (1, 1): "2", (0, 2): "1"}  # column, then row
    assert axes.get_title() == "4 of 6 right, 2 wrong"
    right, wrong = (image.get_array() for image in axes.images)
    assert right is not None
    assert wrong is not None
    assert right[0, 0] == right[1, 1] == wrong[0, 1] == wrong[2, 0] == 1
    assert right[2, 2] == 0
    colours = [image.cmap(1.0)[:3] for image in axes.images]
    np.testing.assert_allclose(colours, [to_rgb(COLOURS[0]), to_rgb(COLOURS[1])], atol=1e-6)


def test_the_surest_mistakes_come_first() -> None:
    figure = mistakes(IMAGES, SHARES, TARGETS, most=5)
    wrong = np.flatnonzero(ANSWERS != TARGETS)
    order = wrong[np.argsort(-SHARES.max(axis=1)[wrong])][:5]
    assert figure.get_suptitle() == f"The surest 5 of {len(wrong)} mistakes in 300"
    for axes, index in zip(figure.axes, order, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), IMAGES[index])
        share = f"{SHARES[index].max():.0%}"
        assert axes.get_title() == f"target {TARGETS[index]}, read {ANSWERS[index]}\n{share}"
    everything = mistakes(IMAGES, SHARES, TARGETS, most=300)
    assert everything.get_suptitle() == f"All {len(wrong)} mistakes in 300, the surest first"
    assert len(everything.axes) == len(wrong)


def test_without_a_mistake_the_least_certain_are_drawn() -> None:
    figure = FIGURES["no mistake"]("en")
    assert figure.get_suptitle() == "None of 300 is wrong; the least certain ones"
    least = np.argsort(SHARES.max(axis=1))[:3]
    for axes, index in zip(figure.axes, least, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), IMAGES[index])


def test_weights_are_drawn_as_images_on_one_scale() -> None:
    weight = np.arange(12.0).reshape(6, 2) - 4
    axes, _ = weight_images(weight, (2, 3)).axes
    (image,) = axes.images
    pixels: Any = image.get_array()
    assert pixels.count() == 12
    for frame, column in zip(axes.patches, weight.T, strict=True):
        left, top = (round(edge + 0.5) for edge in frame.get_xy())  # type: ignore[attr-defined]
        shown = pixels[top : top + 2, left : left + 3]
        np.testing.assert_array_equal(shown, column.reshape(2, 3))
    assert (image.norm.vmin, image.norm.vmax) == (-7, 7)
    np.testing.assert_allclose(image.cmap(0.5)[:3], 1, atol=0.01)


def test_of_many_units_those_with_the_largest_weights_are_drawn() -> None:
    weight = np.ones((4, 5)) * [1, 3, 0, -4, 2]
    figure = weight_images(weight, (2, 2), most=3)
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "3", "4"]
    assert figure.get_suptitle() == "Weights of the first layer: 3 of 5 units"


# ---- sums ----


def test_sums_are_written_with_their_carries_and_what_is_wrong() -> None:
    figure = sums(BITS, OUTPUTS)
    axes = figure.axes[0]
    rows: dict[float, dict[float, str]] = {}
    for text in axes.texts:
        column, row = text.get_position()
        rows.setdefault(row, {})[column] = text.get_text()

    def written(row: int) -> str:
        return "".join(rows[row].get(column, "") for column in range(9))

    assert written(0) == "11111111"
    assert [written(row) for row in (1, 2, 3, 4)] == [
        *("011111111", "000000001", "100000000", "100001000")
    ]
    assert [rows[row][8.8] for row in (1, 2, 3, 4)] == ["255", "1", "256", "264"]
    (wrong,) = (box for box in axes.patches if box.get_linewidth() > 2)
    assert wrong.get_xy() == (4.5, 3.5)  # type: ignore[attr-defined]
    assert not [box for box in figure.axes[1].patches if box.get_linewidth() > 2]
    assert len(sums(BITS, OUTPUTS, most=2).axes) == 3
    assert not [each for each in axes.collections if isinstance(each, PathCollection)]


def test_right_bits_are_counted_at_each_position() -> None:
    figure = bit_accuracy(BITS, OUTPUTS)
    (axes,) = figure.axes
    heights = [bar.get_height() for bar in axes.patches]  # type: ignore[attr-defined]
    assert heights == [100, 100, 100, 80, 100, 100, 100, 100, 100]
    assert [label.get_text() for label in axes.get_xticklabels()] == [str(2**k) for k in range(9)]
    assert axes.get_xlim()[0] > axes.get_xlim()[1]  # as written: the highest on the left
    nearly = np.repeat(OUTPUTS, 1000, axis=0)
    nearly[1:, 3] = np.abs(np.repeat(SUMS, 1000, axis=0)[1:, 3] - 0.1)
    said = texts(bit_accuracy(np.repeat(BITS, 1000, axis=0), nearly))
    assert "99.9" in said
    assert "Right bits by position (5,000 sums)" in said


# ---- what cannot be drawn ----

BAD: Mapping[str, tuple[Callable[[], Figure], str]] = {
    "no loss": (lambda: training({"accuracy": [1.0]}), 'no column "loss"'),
    "no history": (lambda: training(History()), 'no column "loss"'),
    "lengths": (lambda: training({"loss": [1.0], "a": [1, 2]}), "'a' has 2 values for 1 epochs"),
    "a number": (lambda: training({"loss": 1.0}), r"'loss' has shape \(\)"),
    "no cloud": (lambda: decision_regions(slope, {}), "at least one cloud"),
    "no points": (
        lambda: decision_regions(slope, {"a": (np.zeros((0, 2)), [])}),
        "finite numbers, and at least one",
    ),
    "far away": (lambda: decision_regions(slope, {"a": ([[np.inf, 0]], [1])}), "finite numbers"),
    "in space": (
        lambda: decision_regions(slope, {"a": (np.zeros((3, 3)), [0, 1, 0])}),
        r"points of shape \(3, 3\) and 3 targets",
    ),
    "column": (
        lambda: decision_regions(lambda x: x[:, :1], {"a": (POINTS, SIDES)}),
        r"returned shape \(40401, 1\)",
    ),
    "classes": (lambda: confusion_matrix([0, 1], [0]), "2 targets and 1 predictions"),
    "none": (lambda: confusion_matrix(np.zeros(0, int), np.zeros(0, int)), "at least one"),
    "floats": (lambda: confusion_matrix([0.0], [0.0]), r"argmax\(axis=1\)"),
    "nameless": (lambda: confusion_matrix([0, 2], [0, 1], names="ab"), "outside of 0 to 1"),
    "negative": (lambda: confusion_matrix([-1], [0]), "outside of 0 to 0"),
    "flat images": (
        lambda: mistakes(IMAGES.reshape(300, 64), SHARES, TARGETS),
        r"give \(n, height, width\), \(n, classes\) and n",
    ),
    "no image": (lambda: mistakes(IMAGES[:0], SHARES[:0], TARGETS[:0]), "do not fit"),
    "weights": (lambda: weight_images(np.zeros((64, 3)), (8, 9)), r"no images of 8 × 9"),
    "bits": (lambda: sums(BITS[:, :, 0], OUTPUTS), r"give shapes \(n, steps, 2\) and \(n, steps\)"),
    "answers": (lambda: bit_accuracy(BITS, OUTPUTS[:2]), "do not fit"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_drawn_is_refused(case: str) -> None:
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make()
