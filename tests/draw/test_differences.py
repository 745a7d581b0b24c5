"""Pictures of finite differences: what they show, and that every label can be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from matplotlib.figure import Figure

import tinygrad_edu as te
from tests.draw.layout import problems
from tests.draw.test_training import in_each_language, legend
from tests.shares import one_in
from tinygrad_edu.check.identities import taylor
from tinygrad_edu.draw.differences import (
    STEPS,
    best_steps,
    error_against_step,
    forward_and_central,
    sides,
    taylor_remainders,
)
from tinygrad_edu.draw.style import JAPANESE
from tinygrad_edu.errors import ShapeError, UnknownNameError
from tools.png import FOLDER, small
from tools.verify_pictures import pictures

PAGE = FOLDER.parent / "verify.md"
POINT = np.linspace(0.1, 2.0, 5)
CASES = [
    ("sin(x) at 1", np.sin, 1.0, np.cos(1.0)),
    ("log(x) at 1e-5", np.log, 1e-5, 1e5),
    ("$ at 1", np.exp, 1.0, np.e),
]


def sines(x: Any) -> Any:
    return np.sum(np.sin(x))


def relu(x: Any) -> Any:
    return np.maximum(x, 0.0)


def lines(figure: Figure, panel: int = 0) -> dict[str, tuple[Any, Any]]:
    """What is drawn in one panel, by label."""
    return {
        str(line.get_label()): (np.asarray(line.get_xdata()), np.asarray(line.get_ydata()))
        for line in figure.axes[panel].lines
    }


@pytest.mark.parametrize(
    "make",
    one_in(
        3,
        [
            lambda lang: te.check.gradients(np.sin, 1.0).plot(lang),
            lambda lang: te.check.gradients(np.abs, 0.0, rule=lambda x: 3.0).plot(lang),
            lambda lang: te.check.gradients(np.sqrt, 0.0).plot(lang),
            lambda lang: forward_and_central(np.sin, 1.0, np.cos(1.0), "sin", lang=lang),
            lambda lang: best_steps(CASES, lang=lang),
            lambda lang: sides([("relu at 0", relu, 0.0), ("$x$ at 1", relu, 1.0)], lang=lang),
            lambda lang: taylor(sines, POINT).plot(lang),
            lambda lang: taylor(sines, POINT, rule=lambda x: 1.01 * np.cos(x)).plot(lang),
            lambda lang: taylor(np.abs, 0.0).plot(lang),
            lambda lang: taylor(np.sqrt, 0.0).plot(lang),
            lambda lang: taylor(lambda x: 3 * x, 1.0).plot(lang),
            lambda lang: taylor(lambda x: 0 * x, 1.0).plot(lang),
        ],
    ),
)
def test_every_label_can_be_read_in_each_language(make: Any) -> None:
    for lang, figure in in_each_language(make).items():
        assert problems(figure) == []
        step = "step h" if lang == "en" else JAPANESE["step h"]
        assert {axes.get_xlabel() for axes in figure.axes} == {step}
    with pytest.raises(UnknownNameError):
        make("fr")


def test_the_report_draws_the_error_of_the_plain_differences() -> None:
    report = te.check.gradients(np.sin, 1.0, rule=lambda x: 1.001 * np.cos(x))
    drawn = lines(report.plot())
    h, error = drawn["central difference − extrapolated slope"]
    # Where truncation is all there is, it is cos(1) h²/6.
    large = h > 1e-3
    assert large.sum() > 4
    assert error[large] == pytest.approx(np.cos(1.0) * h[large] ** 2 / 6, rel=1e-2)
    h, error = drawn["central difference − claim"]
    assert error[h < 1e-3] == pytest.approx(1e-3 * np.cos(1.0), rel=1e-3)
    assert drawn["bar of the slope"][1][0] == report.worst.verdict.bar
    with pytest.raises(ShapeError, match="no differences were taken"):
        error_against_step(te.check.Entry("x", report.worst.verdict))


def test_forward_differences_fall_with_h_and_central_ones_with_its_square() -> None:
    figure = forward_and_central(np.sin, 1.0, np.cos(1.0), "sin at 1")
    forward, central, rounding = lines(figure).values()
    for (h, error), order, smallest in ((forward, 1, 1e-6), (central, 2, 1e-3)):
        smooth = (h >= smallest) & (h < 0.1)
        slope = np.polyfit(np.log(h[smooth]), np.log(error[smooth]), 1)[0]
        assert slope == pytest.approx(order, abs=0.02)
    h, error = central
    with mpmath.workdps(40):
        x, step = mpmath.mpf(1), mpmath.mpf(float(h[0]))
        exact = (mpmath.sin(x + step) - mpmath.sin(x - step)) / (2 * step) / mpmath.cos(x) - 1
    assert error[0] == pytest.approx(float(abs(exact)), rel=1e-12)
    # Rounding is what is left at small steps, and its line is not crossed by much.
    h, error = forward
    tiny = h < 1e-9
    assert np.all(error[tiny] < 4 * np.interp(h[tiny], rounding[0][::-1], rounding[1][::-1]))
    assert np.median(error[tiny] * h[tiny]) > 1e-18


def test_the_best_steps_are_orders_of_magnitude_apart() -> None:
    figure = best_steps(CASES)
    labels = "\n".join(legend(figure))
    best = [float(found) for found in re.findall("best at h = (.*)", labels)]
    # Theory: where h²·f‴/6f′ meets ε·f/h f′, give or take a factor of ten.
    assert best[0] == pytest.approx(8e-6, rel=9)
    assert 1e-12 < best[1] < 1e-9
    assert legend(figure)[-1] == "h = 1e-6, the usual step"
    for h, _ in list(lines(figure).values())[:-1]:
        assert set(h) <= set(STEPS)


def test_near_a_kink_the_step_decides_what_is_seen() -> None:
    figure = sides([("at", relu, 0.0), ("near", relu, 1e-9), ("far", relu, 1e-3)])
    assert [axes.get_title() for axes in figure.axes] == ["at", "near", "far"]
    for panel, distance in enumerate((0.0, 1e-9, 1e-3)):
        right, left, central = lines(figure, panel).values()
        h = left[0]
        assert right[1] == pytest.approx(np.ones(len(h)), rel=1e-6)
        assert left[1] == pytest.approx(np.minimum(distance / h, 1), rel=1e-6)
        assert central[1] == pytest.approx((1 + np.minimum(distance / h, 1)) / 2, rel=1e-6)


def test_the_taylor_plot_shows_the_remainders_and_slopes_to_compare_with() -> None:
    result = taylor(sines, POINT)
    figure = taylor_remainders(result)
    assert len(figure.axes[0].collections) == 1  # the shade of rounding
    drawn = lines(figure)
    for label, remainders in (
        ("|f(x + hv) − f(x)|", result.first),
        ("|f(x + hv) − f(x) − h g·v|", result.second),
    ):
        assert tuple(drawn[label][0]) == result.steps
        assert tuple(drawn[label][1]) == remainders
    for power in (1, 2):
        h, line = drawn[f"slope {power}"]
        assert np.diff(np.log(line)) == pytest.approx(power * np.diff(np.log(h)))
    low, high = figure.axes[0].get_ylim()
    assert low < min(result.floor)
    assert high > max(result.first)
    assert figure.axes[0].get_title() == result.summary()


def test_nothing_to_draw_is_said() -> None:
    figure = taylor(lambda x: 0 * x, 1.0).plot()
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "both remainders are 0 at every step"
    ]


def test_the_pictures_of_the_page_are_there_and_small() -> None:
    shown = re.findall(r"!\[[^\]]{20,}\]\(pictures/(\w+)\.png\)", PAGE.read_text("utf-8"))
    made = pictures()
    assert sorted(shown) == sorted(made)
    for name in made:
        assert Path(FOLDER, f"{name}.png").stat().st_size < 60_000
    assert small(made["verify_v"])[:4] == b"\x89PNG"
