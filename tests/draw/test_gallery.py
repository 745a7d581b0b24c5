"""The second article's gallery, its neighbour over [−2, 2]², and every claim of their captions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

import tinygrad_edu as te
from tests.draw.layout import problems
from tests.draw.test_training import HAS_JAPANESE, in_each_language
from tests.ops.user_records import restored
from tests.shares import one_in
from tinygrad_edu import draw
from tinygrad_edu.draw.style import JAPANESE
from tinygrad_edu.errors import OperandError, UnknownNameError

Array = NDArray[np.float64]
LAST = "ja" if HAS_JAPANESE else "en"


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max())
    return np.asarray(powers / powers.sum())


def gelu(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))))


# As the article defines, spells and orders them.
ARTICLE: Mapping[str, Callable[[Array], Array]] = {
    "Linear": lambda z: z,
    "Sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "ReLU": lambda z: np.maximum(0, z),
    "Tanh": lambda z: np.asarray(np.tanh(z)),
    "Leaky ReLU": lambda z: np.where(z > 0, z, 0.01 * z),
    "Softmax": lambda z: np.apply_along_axis(softmax, 0, z),
    "ELU": lambda z: np.where(z > 0, z, np.exp(z) - 1),
    "Swish": lambda z: z / (1 + np.exp(-z)),
    "Hard Sigmoid": lambda z: np.clip((z + 1) / 2, 0, 1),
    "GELU": gelu,
    "Softplus": lambda z: np.asarray(np.log(1 + np.exp(z))),
    "Leaky GELU": gelu,
    "Hard Swish": lambda z: z * np.clip((z + 3) / 6, 0, 1),
    "Mish": lambda z: z * np.tanh(np.log(1 + np.exp(z))),
    "Arctan": lambda z: np.asarray(np.arctan(z)),
    "Sigmoid-Linear": lambda z: np.clip(z, 0, 1),
}


def inputs(low: float, high: float) -> tuple[Array, Array, Array]:
    x, y = np.meshgrid(*2 * [np.linspace(low, high, 100)])
    return x, y, 2 * x + 3 * y + 1


def tiles(heights: Array) -> Array:
    """What colours each tile of a surface: the mean of its four corners."""
    return np.asarray(
        (heights[:-1, :-1] + heights[:-1, 1:] + heights[1:, :-1] + heights[1:, 1:]) / 4
    )


def drawn(axes: Any) -> Array:
    (surface,) = axes.collections
    return np.asarray(surface.get_array()).reshape(99, 99)


def words(figure: Figure) -> str:
    """The caption; it keeps names together by spaces that do not break."""
    return figure.get_supxlabel().replace("\xa0", " ")


def caption(figure: Figure) -> dict[str, str]:
    """The lines of the caption, by what comes before their colon."""
    lines = words(figure).replace(",\n", ", ").splitlines()
    return {head: rest for head, _, rest in (line.rpartition(": ") for line in lines)}


def listed(text: str) -> list[str]:
    return text.rstrip(".").split(", ")


@cache
def gallery(domain: str) -> Mapping[str, Figure]:
    return in_each_language(lambda lang: draw.surfaces(domain=domain, lang=lang))


@pytest.mark.parametrize(
    ("domain", "low", "high"),
    [("article", 0, 10), pytest.param("centre", -2, 2, marks=pytest.mark.thorough)],
)
def test_the_gallery_is_the_articles(domain: str, low: float, high: float) -> None:
    _, _, z = inputs(low, high)
    for lang, figure in gallery(domain).items():
        suffix, *labels = [
            text if lang == "en" else JAPANESE[text]
            for text in ("{name} Activation", "Input1", "Input2", "Output")
        ]
        assert [axes.get_title() for axes in figure.axes] == [
            suffix.format(name=name) for name in ARTICLE
        ]
        for axes, function in zip(figure.axes, ARTICLE.values(), strict=True):
            each: Any = axes
            assert [each.get_xlabel(), each.get_ylabel(), each.get_zlabel()] == labels
            assert each.get_xlim() == each.get_ylim() == (low, high)
            assert each.get_subplotspec().get_gridspec().get_geometry() == (4, 4)
            np.testing.assert_allclose(drawn(each), tiles(function(z)), rtol=1e-9, atol=1e-12)
            (surface,) = each.collections
            assert surface.get_cmap().name == "viridis"
            bottom, top = each.get_zlim()
            assert bottom <= function(z).min() <= function(z).max() <= top
            surface.remove()  # thousands of tiles, which no text depends on
        if domain == "article" or lang == LAST:
            assert problems(figure) == [], lang
    if domain == "article":
        assert gallery(domain)["en"].axes[13].get_title() == "Mish Activation"


def test_what_is_said_of_the_articles_gallery_is_so() -> None:
    said = caption(gallery("article")["en"])
    _, _, z = inputs(0, 10)
    heights = {name: f(z) for name, f in ARTICLE.items()}
    assert (z.min(), z.max()) == (1, 51)
    assert said.pop("Z = 2·Input1 + 3·Input2 + 1 runs from 1 to 51 here") == (
        "the negative side of the functions never appears."
    )
    groups = said.pop("Exactly the same surface").rstrip(".").split("; ")
    assert groups == ["Linear = ReLU = Leaky ReLU = ELU", "GELU = Leaky GELU"]
    for group in groups:
        first, *others = group.split(" = ")
        assert all(np.array_equal(heights[first], heights[other]) for other in others)
    near = listed(said.pop("Less than 1 % of the height away from Linear"))
    flat = listed(said.pop("Flat"))
    almost = listed(
        said.pop("Almost flat (nine tenths of the points within 15 % of the drawn height)")
    )
    for name, each in heights.items():
        height = np.ptp(each)
        assert (name in flat) == (height == 0)
        far = np.abs(each - z).max() / np.ptp(z)
        assert (name in [*near, "Linear", "ReLU", "Leaky ReLU", "ELU"]) == (far < 0.01)
        middle = np.quantile(each, 0.95) - np.quantile(each, 0.05)
        if name != "Softmax":
            assert (name in almost) == (0 < middle < 0.15 * height)
    assert len(flat) + len(almost) == 5
    said_of_softmax = said.pop("Softmax")
    assert "Input1 changes nothing" in said_of_softmax
    np.testing.assert_allclose(heights["Softmax"], heights["Softmax"][:, :1] * np.ones(100))
    assert not said


def test_what_is_said_of_the_gallery_around_0_is_so() -> None:
    said = caption(gallery("centre")["en"])
    _, _, z = inputs(-2, 2)
    heights = {name: f(z) for name, f in ARTICLE.items()}
    assert (
        said.pop("Z = 2·Input1 + 3·Input2 + 1 runs from −9 to 11 here") == "both sides of 0 appear."
    )
    assert said.pop("Exactly the same surface") == "GELU = Leaky GELU."
    leak = np.abs(heights["Leaky ReLU"] - heights["ReLU"]).max() / np.ptp(heights["ReLU"])
    assert leak < 0.01
    assert said.pop("Less than 1 % of the height away from ReLU") == "Leaky ReLU."
    flat = listed(said.pop("Flat wherever Z ≤ −3, with a slope of 0"))
    turning = listed(said.pop("Not monotone, they fall and rise again"))
    for name, each in heights.items():
        if name == "Softmax":
            continue
        assert (name in flat) == (np.ptp(each[z <= -3]) == 0)
        steps = np.diff(each.ravel()[np.argsort(z, axis=None)])
        assert (name in turning) == (steps.min() < -1e-6 and steps.max() > 1e-6)
    assert "Input1 changes nothing" in said.pop("Softmax")
    assert not said


def test_the_caption_says_the_same_in_japanese() -> None:
    for domain in ("article", "centre"):
        figures = gallery(domain)
        if "ja" not in figures:
            continue
        english, japanese = (words(figures[lang]) for lang in ("en", "ja"))
        assert "入力2の方向" in japanese
        assert ("まったく現れない" in japanese) == ("never appears" in english)
        for name in ARTICLE:
            assert japanese.count(name) == english.count(name)


def test_functions_of_two_inputs_take_the_pair() -> None:
    x, y, _ = inputs(-2, 2)
    make = lambda lang: draw.surfaces(["glu", "swiglu"], domain="centre", lang=lang)  # noqa: E731
    for lang, figure in in_each_language(make).items():
        assert problems(figure) == []
        glu, swiglu = figure.axes
        np.testing.assert_allclose(drawn(glu), tiles(x / (1 + np.exp(-y))), atol=1e-12)
        np.testing.assert_allclose(drawn(swiglu), tiles(y * x / (1 + np.exp(-x))), atol=1e-12)
        if lang == "en":
            assert caption(figure)["GLU, SwiGLU"] == "of the pair (Input1, Input2), not of Z."


@pytest.mark.parametrize("names", one_in(3, ["mish", ["softmax"], ["linear", "step", "softmin"]]))
def test_a_few_names_over_a_domain_of_ones_own(names: Any) -> None:
    make = lambda lang: draw.surfaces(names, domain=(-3, 1.5), lang=lang)  # noqa: E731
    for figure in in_each_language(make).values():
        assert problems(figure) == []
        assert len(figure.axes) == (1 if isinstance(names, str) else len(names))
        assert all(axes.get_xlim() == (-3, 1.5) for axes in figure.axes)


@pytest.fixture
def own() -> Iterator[Any]:
    with restored():
        yield te.define_elementwise(
            "my_cube", lambda x: x**3, lambda out, x: 3 * x * x, formula="{0}^3"
        )


def test_a_record_of_ones_own_is_drawn_as_ours_are(own: Any) -> None:
    figure = draw.surfaces([own, "linear"], domain="centre")
    assert problems(figure) == []
    assert figure.axes[0].get_title() == "My Cube Activation"
    np.testing.assert_allclose(drawn(figure.axes[0]), tiles(inputs(-2, 2)[2] ** 3))


BAD: Mapping[str, tuple[Callable[[], object], type[Exception], str]] = {
    "name": (lambda: draw.surfaces("Mish"), UnknownNameError, "'mish'"),
    "no name": (lambda: draw.surfaces([]), ValueError, r"names=\['relu'\]"),
    "a number": (lambda: draw.surfaces([3]), OperandError, "3 is no activation"),  # type: ignore[list-item]
    "domain": (lambda: draw.surfaces(domain="center"), UnknownNameError, "'center'.*'centre'"),
    "falling": (lambda: draw.surfaces(domain=(1, -1)), ValueError, "no interval"),
    "endless": (lambda: draw.surfaces(domain=(0, math.inf)), ValueError, "no interval"),
    "language": (lambda: draw.surfaces(lang="fr"), UnknownNameError, "'fr'.*'ja'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_drawn_is_refused(case: str) -> None:
    make, kind, message = BAD[case]
    with pytest.raises(kind, match=message):
        make()


def test_no_setting_is_left_behind() -> None:
    before = dict(mpl.rcParams)
    draw.surfaces("relu")
    assert dict(mpl.rcParams) == before
