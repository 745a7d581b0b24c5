"""Pictures of curves: the first article's figure, every activation in large, small multiples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

import tinygrad_edu as te
from tests.draw.layout import problems
from tests.draw.test_training import HAS_JAPANESE, in_each_language, legend
from tests.ops.user_records import restored
from tests.shares import one_in
from tinygrad_edu import draw
from tinygrad_edu.draw.style import JAPANESE
from tinygrad_edu.errors import OperandError, UnknownNameError

Array = NDArray[np.float64]
Function = Callable[[Array], Array]
LAST = "ja" if HAS_JAPANESE else "en"
CURVES = [name for name, each in te.ACTIVATIONS.items() if each.elementwise]


@cache
def large(name: str) -> Mapping[str, Figure]:
    return in_each_language(lambda lang: draw.activation(name, lang=lang))


@pytest.fixture
def own() -> Iterator[Any]:
    """A learner's own activation, x² where x > 2: it jumps there."""
    with restored():
        yield te.define_elementwise(
            "my_square",
            lambda x: np.where(x > 2, x * x, 0.0),
            lambda out, x: np.where(x > 2, 2 * x, 0.0),
            formula=r"\operatorname{{sq}}({0})",
            kinks=(2.0,),
        )


def curve(line: Line2D) -> tuple[Array, Array]:
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


def drawn(axes: Axes) -> list[tuple[Array, Array]]:
    """The curves in a panel, without marks and the line at 0."""
    return [curve(line) for line in axes.lines if np.size(line.get_xdata()) > 2 and has_line(line)]


def has_line(line: Line2D) -> bool:
    return line.get_linestyle() != "None"


def marks(axes: Axes) -> set[tuple[float, float, bool]]:
    """Place of each mark, and whether it is filled: a value that is taken, not a limit."""
    return {
        (float(round(x, 9)), float(round(y, 6)), line.get_markerfacecolor() != "white")
        for line in axes.lines
        if not has_line(line)
        for x, y in np.asarray(line.get_xydata())
    }


def shades(axes: Axes) -> list[tuple[float, float]]:
    return [
        (float(each.get_x()), float(each.get_x() + each.get_width()))  # type: ignore[attr-defined]
        for each in axes.patches
    ]


# ---- the first article's figure ----


@cache
def first() -> Mapping[str, Figure]:
    return in_each_language(lambda lang: draw.activations(lang=lang))


ARTICLE: Mapping[str, Function] = {
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": lambda x: np.tanh(x),
    "ReLU": lambda x: np.maximum(0, x),
    "Leaky ReLU": lambda x: np.where(x > 0, x, 0.01 * x),
}


def test_the_first_figure_is_the_articles() -> None:
    for lang, figure in first().items():
        assert problems(figure) == []
        axes = figure.axes[0]
        assert axes.get_title() == {
            "en": "Representative activation functions",
            "ja": "代表的な活性化関数",
        }.get(lang)
        assert legend(figure) == list(ARTICLE)
        assert axes.get_xlim() == (-5, 5)
        assert all(line.get_visible() for line in axes.get_xgridlines() + axes.get_ygridlines())
        curves = drawn(axes)
        assert len(curves) == 4
        for (x, y), f in zip(curves, ARTICLE.values(), strict=True):
            np.testing.assert_array_equal(x, np.linspace(-5, 5, 200))
            np.testing.assert_allclose(y, f(x), rtol=1e-14, atol=1e-300)
        looks = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
        assert len({colour for colour, _ in looks}) == len({dash for _, dash in looks}) == 4


def test_the_inset_shows_the_leak() -> None:
    inset: Any
    (inset,) = first()["en"].axes[0].child_axes
    left, _ = inset.get_xlim()
    bottom, top = inset.get_ylim()
    assert left == -5
    assert bottom < -0.05 < 0 < top < 0.1
    x, y = drawn(inset)[3]
    assert (x[0], y[0]) == (-5, pytest.approx(-0.05))
    # 0.05 is a third of the inset's height at least, in pixels too few to see outside of it.
    assert 0.05 / (top - bottom) > 1 / 3
    outside = first()["en"].axes[0].get_ylim()
    assert 0.05 / (outside[1] - outside[0]) < 0.01


def test_chosen_names_over_a_chosen_domain() -> None:
    figure = draw.activations(["mish", "sine"], domain=(-1, 3))
    axes = figure.axes[0]
    assert axes.get_title() == "Activation functions"
    assert legend(figure) == ["Mish", "Sine"]
    assert axes.get_xlim() == (-1, 3)
    assert not axes.child_axes
    (_, mish), (x, sine) = drawn(axes)
    np.testing.assert_allclose(mish, x * np.tanh(np.log1p(np.exp(x))), rtol=1e-13, atol=1e-16)
    np.testing.assert_allclose(sine, np.sin(te.ACTIVATIONS["sine"].defaults["omega"] * x))


# ---- small multiples ----


def test_small_multiples_have_f_solid_and_its_derivative_dashed() -> None:
    names = ["sigmoid", "tanh", "relu", "leaky_relu"]
    slopes: list[Function] = [
        lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
        lambda x: 1 / np.cosh(x) ** 2,
        lambda x: np.where(x > 0, 1.0, 0.0),
        lambda x: np.where(x > 0, 1.0, 0.01),
    ]
    make = lambda lang: draw.activations(names, slopes=True, lang=lang)  # noqa: E731
    for lang, figure in in_each_language(make).items():
        assert problems(figure) == []
        title = "Activation functions and their derivatives"
        assert figure.get_suptitle() == (title if lang == "en" else JAPANESE[title])
        assert [axes.get_title() for axes in figure.axes] == list(ARTICLE)
        for axes, f, slope in zip(figure.axes, ARTICLE.values(), slopes, strict=True):
            by_dashes = {line.get_linestyle(): curve(line) for line in axes.lines if has_line(line)}
            assert set(by_dashes) == {"-", "--"}
            x, y = by_dashes["-"]
            np.testing.assert_allclose(y, f(x), rtol=1e-13)
            x, y = by_dashes["--"]
            known = np.isfinite(y)
            np.testing.assert_allclose(y[known], slope(x[known]), rtol=1e-12)
        relu = marks(figure.axes[2])
        assert {(0, 0, True), (0, 1, False)} <= relu
        assert len(legend(figure)) == 4


@pytest.mark.thorough
def test_more_than_eight_names_get_a_panel_each() -> None:
    figure = draw.activations(CURVES, slopes=True, lang=LAST)
    assert problems(figure) == []
    assert [axes.get_visible() for axes in figure.axes].count(True) == len(CURVES)
    few = draw.activations(CURVES[:9])
    assert [len(drawn(axes)) for axes in few.axes if axes.get_visible()] == [1] * 9
    assert len(draw.activations(CURVES[:8]).axes) == 1


# ---- one in large ----


def mish(x: Array) -> tuple[Array, Array, Array]:
    s = 1 / (1 + np.exp(-x))
    t = np.tanh(np.log1p(np.exp(x)))
    p = 1 - t * t
    return x * t, t + x * p * s, 2 * p * s + x * p * s * (1 - s - 2 * t * s)


def hard_swish(x: Array) -> tuple[Array, Array, Array]:
    inside = np.abs(x) < 3
    return (
        x * np.clip((x + 3) / 6, 0, 1),
        np.where(inside, (2 * x + 3) / 6, x >= 3),
        np.where(inside, 1 / 3, 0),
    )


CLOSED: Mapping[str, Callable[[Array], tuple[Array, Array, Array]]] = {
    "mish": mish,
    "hard_swish": hard_swish,
    "tanh": lambda x: (np.tanh(x), np.cosh(x) ** -2, -2 * np.tanh(x) * np.cosh(x) ** -2),
    "threshold": lambda x: (np.where(x > 1, x, 0), np.where(x > 1, 1.0, 0), 0 * x),
}


@pytest.mark.parametrize("name", CLOSED)
def test_f_and_two_derivatives_are_those_of_the_closed_form(name: str) -> None:
    kinks = [jump for jump in (-3, 1, 3) if name in {"hard_swish", "threshold"}]
    for axes, position in zip(large(name)["en"].axes, range(3), strict=True):
        (found,) = drawn(axes)
        x, y = found
        assert (x[0], x[-1]) == (-6, 6) == axes.get_xlim()
        assert len(x) >= 600
        known = np.isfinite(y) & (np.abs(x[:, None] - [*kinks, 99]).min(axis=1) > 1e-6)
        assert known.sum() > 600
        np.testing.assert_allclose(
            y[known], CLOSED[name](x[known])[position], rtol=1e-10, atol=1e-12
        )


@pytest.mark.parametrize("name", one_in(2, ["mish", "hard_swish", "threshold", "softmax", "step"]))
def test_no_text_is_cut_off_or_covered_and_all_is_labelled(name: str) -> None:
    for lang, figure in large(name).items():
        assert problems(figure) == [], lang
        f, slope, bend = figure.axes
        labels = ["derivative $f'(x)$", "second derivative $f''(x)$"]
        labels = labels if lang == "en" else [JAPANESE[label] for label in labels]
        assert f.get_ylabel() == "$f(x)$"
        assert bend.get_ylabel() == labels[1]
        # The gradient of a step is a stand-in, and the picture says so.
        assert (slope.get_ylabel() == labels[0]) == (name != "step")
        assert f.get_title()
        assert all(axes.get_xlim() == f.get_xlim() for axes in (slope, bend))


@pytest.mark.parametrize("name", CURVES)
def test_no_line_is_drawn_through_a_jump(name: str) -> None:
    for axes in large(name)["en"].axes:
        ((x, y),) = drawn(axes)
        assert (np.diff(x) > 0).all()
        run, rise = np.diff(x), np.abs(np.diff(y))  # NaN beside a gap, where no line is drawn
        # Sine's second derivative is the steepest of all smooth curves: 30³ at most.
        steepest = 30**3 if name == "sine" else 15
        assert not (rise > steepest * run + 1e-6).any()


CORNERS: Mapping[str, tuple[set[tuple[float, float, bool]], ...]] = {
    "tanh": (set(), set(), set()),
    "threshold": (
        {(1, 0, True), (1, 1, False)},
        {(1, 0, True), (1, 1, False)},
        set(),
    ),
    "hard_swish": (
        {(-3, 0, True), (3, 3, True)},
        {(-3, -0.5, False), (-3, 0, True), (3, 1.5, False), (3, 1, True)},
        {(-3, 0, True), (-3, 1 / 3, False), (3, 0, True), (3, 1 / 3, False)},
    ),
    "relu": ({(0, 0, True)}, {(0, 0, True), (0, 1, False)}, set()),
    "step": ({(0, 0, True), (0, 1, False)},),
}


@pytest.mark.parametrize("name", CORNERS)
def test_corners_have_a_dot_where_the_rule_is_and_circles_where_it_is_not(name: str) -> None:
    figure = large(name)["en"]
    for axes, expected in zip(figure.axes, CORNERS[name], strict=False):
        slope = te.ACTIVATIONS[name]
        found = marks(axes)
        if name == "hard_swish" and axes is figure.axes[1]:
            # Which of the two slopes the rule takes is its own choice; all four must be there.
            assert {(x, y) for x, y, _ in found} >= {(x, y) for x, y, _ in expected}
            for corner in (-3.0, 3.0):
                (chosen,) = (y for x, y, filled in found if x == corner and filled)
                value = te.Value(corner)
                assert te.grad(slope(value), [value])[0] == pytest.approx(chosen)
        elif name == "hard_swish" and axes is figure.axes[2]:
            assert {x for x, *_ in found} == {-3, 3}
        else:
            assert found == expected
    said = " ".join(label for each in figure.legends for label in legend(figure) if each)
    assert ("corner" in said) == (name != "tanh")


def test_saturation_is_shaded_where_the_slope_is_below_a_twentieth() -> None:
    spans = {name: shades(large(name)["en"].axes[1]) for name in ("tanh", "sigmoid", "linear")}
    # cosh⁻² x = 1/20, and σ(1 − σ) = 1/80 at the logit of (1 + √0.95)/2.
    tanh = math.acosh(math.sqrt(20))
    share = (1 + math.sqrt(0.95)) / 2
    sigmoid = math.log(share / (1 - share))
    for name, edge in (("tanh", tanh), ("sigmoid", sigmoid)):
        (a, b), (c, d) = spans[name]
        assert (a, d) == (-6, 6)
        assert -b == pytest.approx(edge, abs=0.011)
        assert c == pytest.approx(edge, abs=0.011)
    assert spans["linear"] == []
    for name in ("relu", "threshold"):
        ((a, b),) = shades(large(name)["en"].axes[0])
        assert a == -6
        assert b == pytest.approx(0 if name == "relu" else 1, abs=0.011)
    for lang, figure in large("tanh").items():
        text = "saturated: $|f'|$ is less than 5 % of its maximum here"
        assert legend(figure) == [text if lang == "en" else JAPANESE[text]]


def test_the_view_is_wide_enough_for_every_corner() -> None:
    assert large("relu6")["en"].axes[0].get_xlim() == (-6, 8)
    figure = draw.activation("relu6", domain=(-1, 2))
    assert figure.axes[0].get_xlim() == (-1, 2)
    assert {x for axes in figure.axes for x, *_ in marks(axes)} == {0}


def test_softmax_moves_its_first_input_and_glu_has_a_gate() -> None:
    ((x, y),) = drawn(large("softmax")["en"].axes[0])
    soft = np.exp(x) / (np.exp(x) + 2)
    np.testing.assert_allclose(y, soft, rtol=1e-12)
    ((_, slope),) = drawn(large("softmax")["en"].axes[1])
    np.testing.assert_allclose(slope, soft * (1 - soft), rtol=1e-10)
    ((_, bend),) = drawn(large("softmax")["en"].axes[2])
    np.testing.assert_allclose(bend, soft * (1 - soft) * (1 - 2 * soft), rtol=1e-9, atol=1e-12)
    ((x, y),) = drawn(large("glu")["en"].axes[0])
    np.testing.assert_allclose(y, x / (1 + np.exp(-1)), rtol=1e-12)
    assert "first of 3 inputs" in large("softmax")["en"].axes[2].get_xlabel()
    assert "the other is 1" in large("glu")["en"].axes[2].get_xlabel()


def test_a_record_of_ones_own_is_drawn_as_ours_are(own: Any) -> None:
    for figure in in_each_language(lambda lang: draw.activation(own, lang=lang)).values():
        assert problems(figure) == []
        assert figure.axes[0].get_title() == "My Square"
        ((x, y),) = drawn(figure.axes[0])
        known = np.isfinite(y)
        np.testing.assert_allclose(y[known], np.where(x > 2, x * x, 0)[known])
        assert np.isnan(y[x == 2]).all()
        assert {(2, 0, True), (2, 4, False)} <= marks(figure.axes[0])
    together = draw.activations([own, "relu"])
    assert legend(together) == ["My Square", "ReLU"]


# ---- what is refused ----


BAD: Mapping[str, tuple[Callable[[], object], type[Exception], str]] = {
    "name": (lambda: draw.activation("LogSigmoid"), UnknownNameError, "log_sigmoid"),
    "names": (lambda: draw.activations(["relu", "Mish"]), UnknownNameError, "'mish'"),
    "no name": (lambda: draw.activations([]), ValueError, r"at least one name"),
    "a number": (lambda: draw.activations([3]), OperandError, "3 is no activation"),  # type: ignore[list-item]
    "language": (lambda: draw.activation("relu", lang="fr"), UnknownNameError, "'fr'.*'ja'"),
    "languages": (lambda: draw.activations(lang="fr"), UnknownNameError, "'fr'.*'ja'"),
    **{
        f"domain {domain}": (
            lambda domain=domain: draw.activations(domain=domain),  # type: ignore[misc]
            ValueError,
            r"no interval.*domain=\(-5, 5\)",
        )
        for domain in ((1, -1), (0, 0), (0, math.inf), (math.nan, 1), (1, 2, 3), ())
    },
    "domain": (
        lambda: draw.activation("relu", domain=(1, -1)),
        ValueError,
        r"no interval.*domain=\(-5, 5\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_drawn_is_refused(case: str) -> None:
    make, kind, message = BAD[case]
    with pytest.raises(kind, match=message):
        make()


def test_no_setting_is_left_behind() -> None:
    before = dict(mpl.rcParams)
    in_each_language(lambda lang: draw.activation("relu", lang=lang))
    assert dict(mpl.rcParams) == before
