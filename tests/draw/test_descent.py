"""Ways down a function: where the lines run, what the legend says, and that it can be read."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import tinygrad_edu as te
from tests.draw.layout import problems
from tests.draw.test_training import in_each_language, legend
from tinygrad_edu.draw.style import JAPANESE
from tinygrad_edu.errors import ShapeError, UnknownNameError
from tinygrad_edu.optim.landscapes import beale, rastrigin, rosenbrock
from tools.optimizer_pictures import BEALE, PICTURES, many_starts, paths
from tools.png import FOLDER

PAGE = FOLDER.parent / "optimizers.md"
STAR = "minimum (1, 1); distances are from here"


@cache
def picture(name: str) -> Figure:
    """A picture of the page, drawn once for all tests."""
    return PICTURES[name]()


def bowl(point: Any) -> Any:
    return point[0] ** 2 + 4 * point[1] ** 2


def lines(figure: Figure) -> dict[str, tuple[Any, Any]]:
    """What is drawn, by label; dots have none."""
    return {
        str(line.get_label()): (np.asarray(line.get_xdata()), np.asarray(line.get_ydata()))
        for line in figure.axes[0].lines
    }


def straight(start: float, end: float, steps: int) -> Any:
    """A path along the diagonal."""
    return np.linspace([start, start], [end, end], steps + 1)


def test_the_legend_says_how_far_each_path_comes() -> None:
    figure = te.draw.descent(
        rosenbrock,
        {
            "there": np.vstack([straight(0, 1, 10), [[1.0, 1.0]] * 10]),
            "half way": straight(0, 0.5, 20),
            "at once": np.ones((1, 2)),
            "there and away": np.vstack([straight(0, 1, 5), straight(1, 0, 5)]),
            "lost": np.vstack([straight(0, 1, 5), [[np.inf, 0.0]], straight(0, 1, 3)]),
            "out and back": np.array([[0.0, 0.0], [9.0, 9.0], [1.0, 1.0]]),
            "$x$": straight(0, 1, 1),
        },
    )
    assert [" ".join(text.split()) for text in legend(figure)] == [
        "there: 10 steps to within 0.01",
        "half way: 0.71 away after 20 steps",
        "at once: 0 steps to within 0.01",
        "there and away: 1.4 away after 11 steps",
        "lost: no finite numbers from step 6 on",
        "out and back: 2 steps to within 0.01 (leaves the picture)",
        r"\$x\$: 1 steps to within 0.01",
        "start",
        STAR,
        "a dot at each step",
    ]
    assert figure.axes[0].get_title() == "Ways down the Rosenbrock function"


def test_lines_start_and_minimum_are_where_they_belong() -> None:
    path = te.optim.descend(beale, beale.start, te.optim.Adam, 90)
    figure = te.draw.descent(beale, {"Adam": path})
    drawn = lines(figure)
    x, y = drawn[next(label for label in drawn if label.startswith("Adam: "))]
    np.testing.assert_array_equal(np.column_stack([x, y]), path)
    np.testing.assert_array_equal(drawn["start"], [[1.0], [1.0]])
    star = drawn["minimum (3, 0.5); distances are from here"]
    np.testing.assert_array_equal(star, [[3.0], [0.5]])
    assert figure.axes[0].get_xlim() == beale.window[0]
    assert figure.axes[0].get_ylim() == beale.window[1]
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "."]
    np.testing.assert_array_equal(np.ravel(dots[0].get_ydata()), path[::5, 1])
    assert "a dot every 5 steps" in legend(figure)


def test_paths_from_many_starts_share_a_line_in_the_legend() -> None:
    starts = np.array([[0.3, 1.2, 0.1, -1.9], [0.2, 0.9, -0.3, 0.1]])
    path = te.optim.descend(rastrigin, starts, lambda p: te.optim.GD(p, lr=0.002), 30)
    figure = te.draw.descent(rastrigin, {"GD": path})
    assert legend(figure)[0] == "GD: 2 of 4 within 0.01 after 30 steps"
    drawn = np.column_stack(lines(figure)["start"])
    assert sorted(drawn.tolist()) == sorted(starts.T.tolist())


def test_contours_enclose_equal_areas() -> None:
    figure = te.draw.descent(bowl, {"a": straight(1, 0, 2)}, window=((-1, 1), (-1, 1)))
    marks = [float(tick.get_text()) for tick in figure.axes[1].get_yticklabels()]
    grid = np.meshgrid(np.linspace(-1, 1, 401), np.linspace(-1, 1, 401))
    heights = bowl(np.stack(grid))
    inside = [np.mean(heights <= mark) for mark in marks]
    np.testing.assert_allclose(inside, np.linspace(0, 1, len(marks)), atol=0.02)
    assert figure.axes[1].get_ylabel() == "function value"


@pytest.mark.parametrize("floor", [0.0, 0.25, 1000.0])
def test_contours_are_told_apart_by_their_labels(floor: float) -> None:
    figure = te.draw.descent(lambda point: floor + bowl(point) / 100, {"way": straight(2, 0, 4)})
    ticks = figure.axes[1].yaxis
    labels = [label.get_text().replace(",", "") for label in ticks.get_ticklabels()]
    assert len(set(labels)) == len(labels) > 5
    np.testing.assert_allclose([float(label) for label in labels], ticks.get_majorticklocs(), 0.05)


def test_any_function_and_its_window() -> None:
    path = np.array([[0.0, 0.0], [2.0, 10.0]])
    figure = te.draw.descent(bowl, {"a": path, "b": [[np.nan, 0.0]]})
    assert legend(figure)[:2] == ["a: at 400 after 1 steps", "b: no finite numbers from step 0 on"]
    assert figure.axes[0].get_title() == "Ways down the function"
    assert figure.axes[0].get_xlim() == (-0.5, 2.5)
    assert figure.axes[0].get_ylim() == (-1.5, 11.5)
    figure = te.draw.descent(bowl, {"a": path}, minimum=(0, -20), title="A bowl")
    assert figure.axes[0].get_title() == "A bowl"
    assert figure.axes[0].get_ylim()[0] < -20
    assert "a: 30 away after 1 steps" in legend(figure)


def test_functions_of_values_and_odd_ones() -> None:
    def recorded(point: Any) -> Any:
        return np.sum(te.Value(np.asarray(point)) ** 2, axis=0)

    te.draw.descent(recorded, {"a": straight(1, 0, 3)}).draw_without_rendering()
    flat = te.draw.descent(lambda p: 0 * p[0] + 3, {"a": straight(1, 0, 3)})
    flat.draw_without_rendering()
    assert len(flat.axes) == 1
    broken = te.draw.descent(
        lambda p: np.log(p[0]), {"a": straight(1, 2, 3)}, window=((-1, 2),) * 2
    )
    broken.draw_without_rendering()
    assert len(broken.axes) == 2
    empty = te.draw.descent(rosenbrock, {})
    assert legend(empty) == ["start", STAR, "a dot at each step"]


@pytest.mark.parametrize("name", PICTURES)
def test_every_label_of_the_page_can_be_read(name: str) -> None:
    assert problems(picture(name)) == []


@pytest.mark.parametrize("make", [lambda lang: paths(beale, BEALE, 300, lang), many_starts])
def test_every_label_can_be_read_in_each_language(make: Any) -> None:
    for figure in in_each_language(make).values():
        assert problems(figure) == []


def test_japanese_labels() -> None:
    figures = in_each_language(
        lambda lang: te.draw.descent(rosenbrock, {"Adam": straight(0, 1, 300)}, lang=lang)
    )
    if "ja" in figures:
        assert figures["ja"].axes[0].get_title() == "Rosenbrock 関数を下る経路"
        first = legend(figures["ja"])[0].replace("\u00a0", " ")
        assert first == "Adam： 298 ステップで距離 0.01 未満"
        assert legend(figures["ja"])[1:] == [
            "初期値",
            "最小点 (1, 1)、距離はこの点から測る",
            "点：10 ステップごと",
        ]
    assert "function value" in JAPANESE


@pytest.mark.parametrize("path", [np.zeros(2), np.zeros((3, 3)), np.zeros((0, 2)), 1.0])
def test_paths_of_another_shape_are_refused(path: Any) -> None:
    with pytest.raises(ShapeError, match=r"path 'Adam' has shape .*: give points of shape"):
        te.draw.descent(rosenbrock, {"Adam": path})


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown language 'fr'"):
        te.draw.descent(rosenbrock, {}, lang="fr")


def test_the_pictures_of_the_page_are_there_and_small() -> None:
    shown = re.findall(r"!\[[^\]]{20,}\]\(pictures/(\w+)\.png\)", PAGE.read_text("utf-8"))
    assert sorted(shown) == sorted(PICTURES)
    for name in shown:
        assert Path(FOLDER, f"{name}.png").stat().st_size < 140_000


def test_the_page_quotes_the_pictures() -> None:
    page = " ".join(PAGE.read_text("utf-8").split())
    for name in ("optimizers_rosenbrock", "optimizers_beale", "optimizers_rastrigin"):
        for label in legend(picture(name)):
            if found := re.search(r"(\d[\d,]*) steps to within", label):
                assert f"{found[1]} steps" in page, label
            if found := re.search(r"(\d+ of \d+) within", label):
                assert found[1] in page, label
