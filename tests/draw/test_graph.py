"""Drawings of graphs: what they say, that their numbers are right, and that names stay text."""

from __future__ import annotations

import importlib.metadata
import io
import math
import re
import shutil
import stat
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image

import tinygrad_edu as te
from tests.draw.drawing import Drawing
from tests.shares import one_in
from tinygrad_edu.activations import sigmoid
from tinygrad_edu.check.samples import apply, arguments, fixed_cases
from tinygrad_edu.draw.graph import Graph, graph
from tinygrad_edu.draw.labels import JAPANESE
from tinygrad_edu.draw.looks import INK, KINDS, LAYER
from tinygrad_edu.draw.messages import message
from tinygrad_edu.draw.render import is_wide
from tinygrad_edu.engine.node import record
from tinygrad_edu.engine.operation import Elementwise
from tinygrad_edu.errors import OperandError, RenderingError, StaleGraphError, UnknownNameError
from tinygrad_edu.nn import MLP, Module

SVG = "{http://www.w3.org/2000/svg}"


class Scaled(Module):
    """a·x + b."""

    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b

    def forward(self, x: Any) -> Any:
        return self.a * x + self.b


HOSTILE = (
    '<b>&amp;"x"</b>',
    "a|b{c}",
    'back\\slash\\N\\"',
    '"];evil[label="x',
    "<script>alert(1)</script>",
    "重み<1>",
    '"',
    "\\",
    "&lt;",
    "]]>",
    "-->",
    "${7*7}",
    "\\l",
)


def written(x: float) -> str:
    return f"{x:.4g}".replace("-", "−")


def described(x: Any) -> str:
    if not x.ndim:
        return written(x)
    rms = f" rms {math.sqrt((x**2).mean()):.3g}" if x.size else ""
    return f"{x.shape}{rms}"


def neuron() -> te.Value:
    x1 = te.Value(1.0, "x1", requires_grad=False)
    x2 = te.Value(2.0, "x2", requires_grad=False)
    y = te.Value(1.0, "y", requires_grad=False)
    w1, w2, b = te.Value(0.5, "w1"), te.Value(-0.75, "w2"), te.Value(0.25, "b")
    loss: te.Value = (sigmoid(w1 * x1 + w2 * x2 + b) - y) ** 2
    loss.name = "loss"
    return loss


NEURON_EDGES = [
    ("n0", "n2"),
    ("n1", "n2"),
    ("n3", "n5"),
    ("n4", "n5"),
    ("n2", "n6"),
    ("n5", "n6"),
    ("n6", "n8"),
    ("n7", "n8"),
    ("n8", "n9"),
    ("n9", "n11"),
    ("n10", "n11"),
    ("n11", "n12"),
]


def test_a_neuron_before_backward_shows_values_and_no_gradients() -> None:
    p = 1 / (1 + math.exp(0.75))
    drawing = Drawing(graph(neuron()).source)
    none = "gradient –"
    assert drawing.nodes == {
        "n0": ("parameter", f"w1; value 0.5; {none}"),
        "n1": ("constant", "x1 = 1"),
        "n2": ("operation", f"w1 × x1; value 0.5; {none}"),
        "n3": ("parameter", f"w2; value −0.75; {none}"),
        "n4": ("constant", "x2 = 2"),
        "n5": ("operation", f"w2 × x2; value −1.5; {none}"),
        "n6": ("operation", f"+; value −1; {none}"),
        "n7": ("parameter", f"b; value 0.25; {none}"),
        "n8": ("operation", f"( ) + b; value −0.75; {none}"),
        "n9": ("operation", f"sigmoid; value {written(p)}; {none}"),
        "n10": ("constant", "y = 1"),
        "n11": ("operation", f"( ) − y; value {written(p - 1)}; {none}"),
        "n12": ("output", f"loss = ( )²; value {written((p - 1) ** 2)}; {none}"),
    }
    assert drawing.edges == [(*ends, "") for ends in NEURON_EDGES]
    assert drawing.widths == {}
    assert drawing.legend == [
        *("parameter", "constant: no gradient", "operation", "output"),
        *("↓", "forward: values"),
        "no gradient is passed",
        *("–", "no gradient yet: no backward() has come here"),
    ]


def test_the_edges_of_a_neuron_multiply_incoming_gradient_and_local_derivative() -> None:
    loss = neuron()
    loss.backward()
    drawing = Drawing(graph(loss).source)
    p = 1 / (1 + math.exp(0.75))
    error, slope = 2 * (p - 1), p * (1 - p)
    delta = error * slope
    e, s, d = written(error), written(slope), written(delta)
    messages = {
        ("n11", "n12"): (f"↑ 1 × ({e}) = {e}", error),
        ("n9", "n11"): (f"↑ {e} × 1 = {e}", error),
        ("n8", "n9"): (f"↑ {e} × {s} = {d}", delta),
        ("n6", "n8"): (f"↑ {d} × 1 = {d}", delta),
        ("n7", "n8"): (f"↑ {d} × 1 = {d}", delta),
        ("n2", "n6"): (f"↑ {d} × 1 = {d}", delta),
        ("n5", "n6"): (f"↑ {d} × 1 = {d}", delta),
        ("n0", "n2"): (f"↑ {d} × 1 = {d}", delta),
        ("n3", "n5"): (f"↑ {d} × 2 = {written(2 * delta)}", 2 * delta),
    }
    assert drawing.edges == [(*ends, messages.get(ends, [""])[0]) for ends in NEURON_EDGES]
    # 3 points for 1, and one more for a thousand times that.
    assert drawing.widths == {
        ends: pytest.approx(3 + math.log10(abs(sent)) / 3, abs=0.005)
        for ends, (_, sent) in messages.items()
    }
    assert drawing.labels["n3"] == f"w2; value −0.75; gradient {written(2 * delta)}"
    assert drawing.labels["n12"].endswith("gradient 1")
    for text in ("local derivative = message", "line width: |message|"):
        assert any(text in line for line in drawing.legend)
    assert "pullback" not in graph(loss).source


def test_a_node_used_twice_has_two_edges_whose_messages_add_up() -> None:
    x = te.Value(3.0, "x")
    y = x * x
    y.backward()
    drawing = Drawing(graph(y).source)
    assert drawing.nodes == {
        "n0": ("parameter", "x; value 3; gradient 6"),
        "n1": ("output", "x × x; value 9; gradient 1"),
    }
    assert drawing.edges == [("n0", "n1", "↑ 1 × 3 = 3")] * 2


def test_a_diamond_is_drawn_once_with_its_plain_numbers() -> None:
    x = te.Value(2.0)
    y = (x * 3) / (1 - x)
    y.backward()
    drawing = Drawing(graph(y).source)
    # y = 3x/(1 − x): numerator 6, denominator −1; ∂y/∂numerator = −1, ∂y/∂denominator = −6.
    assert drawing.nodes == {
        "n0": ("leaf", "leaf; value 2; gradient 3"),
        "n1": ("constant", "3"),
        "n2": ("operation", "( ) × 3; value 6; gradient −1"),
        "n3": ("constant", "1"),
        "n4": ("operation", "1 − ( ); value −1; gradient −6"),
        "n5": ("output", "÷; value −6; gradient 1"),
    }
    assert drawing.edges == [
        ("n0", "n2", "↑ −1 × 3 = −3"),
        ("n1", "n2", ""),
        ("n3", "n4", ""),
        ("n0", "n4", "↑ −6 × (−1) = 6"),
        ("n2", "n5", "↑ 1 × (−1) = −1"),
        ("n4", "n5", "↑ 1 × (−6) = −6"),
    ]


def test_broadcasting_is_undone_on_the_edge() -> None:
    x = np.array([[1.0, 2.0, 3.0]] * 4)
    b, scale = te.Value(np.zeros(3), "b"), te.Value(2.0, "scale")
    y = np.sum(scale * (x + b))
    y.backward()
    drawing = Drawing(graph(y).source)
    assert drawing.edges == [
        ("n0", "n2", ""),
        ("n1", "n2", "↑ (4, 3) rms 2; × 1; = (4, 3) rms 2; summed over 4 samples; = (3,) rms 8"),
        (
            "n3",
            "n4",
            # Twice (1 + 4 + 9)/3 in the mean square, 4 · (1 + 2 + 3) in the sum.
            "↑ (4, 3) rms 1; × (4, 3) rms 2.16; = (4, 3) rms 2.16; summed over 12 entries; = 24",
        ),
        ("n2", "n4", "↑ (4, 3) rms 1; × 2; = (4, 3) rms 2"),
        ("n4", "n5", "↑ 1; × (4, 3) rms 1; = (4, 3) rms 1"),
    ]
    assert drawing.widths["n3", "n4"] == pytest.approx(3 + math.log10(24) / 3, abs=0.005)
    assert drawing.labels["n2"] == "( ) + b → (4, 3) float64; value 2 ± 0.816; gradient 2 ± 0"
    assert drawing.nodes["n0"] == ("constant", "(4, 3) float64; 2 ± 0.816")
    assert "rms" in drawing.legend


def test_the_messages_of_a_matrix_product_are_those_of_linear_algebra() -> None:
    generator = np.random.default_rng(0)
    x, w = generator.normal(size=(4, 2)), generator.normal(size=(2, 3))
    g = generator.normal(size=(4, 3))
    left, right = te.Value(x, "x"), te.Value(w, "W")
    y = left @ right
    y.backward(g)

    middle = "× local derivative of @"
    assert [label for _, _, label in Drawing(graph(y).source).edges] == [
        f"↑ {described(g)}; {middle}; = {described(g @ w.T)}",
        f"↑ {described(g)}; {middle}; = {described(x.T @ g)}",
    ]


@pytest.mark.parametrize(
    "name", one_in(4, (n for n, op in te.OPERATIONS.items() if op.differentiable), first=1)
)
def test_the_messages_of_every_record_are_the_gradients_of_the_engine(name: str) -> None:
    op = te.OPERATIONS[name]
    for case in fixed_cases(op):
        call = arguments(op, case, "near", seed=0)
        leaves = [te.Value(array) for array in call.arrays]
        out = apply(op, leaves, call.options)
        if isinstance(op, Elementwise) and out.shape != np.broadcast_shapes(*case.shapes):
            continue  # sech_squared and its like take y and x of one shape
        out.backward(np.random.default_rng(1).normal(size=out.shape))
        drawing = Drawing(graph(out).source)
        assert [tail for tail, _, _ in drawing.edges] == [f"n{i}" for i in range(len(leaves))]
        with np.errstate(all="ignore"):
            sent = [message(out, i, out.grad).passed for i in range(len(leaves))]
        for (_, _, label), leaf, exact in zip(drawing.edges, leaves, sent, strict=True):
            np.testing.assert_array_equal(exact, leaf.grad)  # to the last bit
            shown = label.rpartition("= ")[2]
            shown = "0" if shown == "−0" else shown
            assert shown == described(leaf.grad + 0.0), (case, label)


def test_messages_add_up_to_the_gradient_of_a_node() -> None:
    a, b = te.Value(0.5, "a"), te.Value(1.25, "b")
    y: Any = np.tanh(a * b) * b + (a - b) ** 3 / a
    y.backward()
    drawing = Drawing(graph(y).source)
    total = dict.fromkeys(drawing.labels, 0.0)
    for tail, _, label in drawing.edges:
        total[tail] += float(label.rpartition("= ")[2].replace("−", "-"))
    slope = 1 / math.cosh(0.625) ** 2
    assert total["n0"] == pytest.approx(
        slope * 1.25**2 + 3 * 0.75**2 / 0.5 + 0.75**3 / 0.25, rel=1e-3
    )
    assert total["n1"] == pytest.approx(
        slope * 0.5 * 1.25 + math.tanh(0.625) - 3 * 0.75**2 / 0.5, rel=2e-3
    )


def test_an_unselected_entry_passes_exactly_nothing() -> None:
    x = te.Value(0.0, "x")
    y: Any = np.sqrt(x) * 0.0
    y.backward()
    edges = {(t, h): label for t, h, label in Drawing(graph(y).source).edges}
    assert edges["n0", "n1"] == "↑ 0 × inf = 0"
    assert x.grad == 0


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda v: v**3, "v^3"),
        (lambda v: v**2, "v²"),
        (lambda v: v**-0.5, "v^−0.5"),
        (lambda v: v ** np.array([1.0, 2.0]), "v ^ ( ) → (2,) float64"),
        (lambda v: -v, "−v"),
        (lambda v: abs(v), "|v|"),
        (lambda v: np.sqrt(v), "√v"),
        (lambda v: np.tanh(v), "tanh(v)"),
        (lambda v: np.tanh(np.tanh(v)), "tanh"),
        (lambda v: np.clip(np.tanh(v), 0, 1), "clip(·, 0, 1)"),
        (lambda v: np.mean(v * np.ones((2, 3)), axis=1), "mean(axis=1) → (2,) float64"),
        (lambda v: np.reshape(v * np.ones((2, 3)), (3, 2)), "reshape → (3, 2) float64"),
        (lambda v: (v * np.ones((2, 3))).T, "( )ᵀ → (3, 2) float64"),
        (lambda v: (v * np.ones(3))[1:], "( )[i] → (2,) float64"),
        (lambda v: (v * np.ones(3)).astype(np.float32), "astype(dtype=float32) → (3,) float32"),
        (lambda v: (v * np.ones(3)) - (v * np.ones(3)), "( ) − ( ) → (3,) float64"),
    ],
)
def test_operations_are_written_as_a_learner_reads_them(
    make: Callable[[te.Value], te.Value], expected: str
) -> None:
    drawing = Drawing(graph(make(te.Value(1.5, "v"))).source)
    *_, output = drawing.nodes.values()
    assert output[0] == "output"
    assert output[1].split("; ")[0] == expected


def test_a_single_value_is_drawn() -> None:
    for value, kind, label in (
        (te.Value(1.0), "leaf", "leaf; value 1; gradient –"),
        (te.Value([1.0, 3.0], "w"), "parameter", "w (2,) float64; value 2 ± 1; gradient –"),
        (te.Value(np.float32(0.1), "x", requires_grad=False), "constant", "x float32; 0.1"),
        (te.Value(np.zeros((0, 2))), "leaf", "leaf (0, 2) float64; value –; gradient –"),
        (te.Value([7.0]) > 3, "constant", "(1,) bool; True"),
        (te.Value(-0.0, "z"), "parameter", "z; value 0; gradient –"),
        (te.Value(math.nan, "z"), "parameter", "z; value nan; gradient –"),
    ):
        assert Drawing(graph(value).source).nodes == {"n0": (kind, label)}


def test_names_that_occur_twice_are_told_apart_by_the_layer_that_uses_them() -> None:
    model = MLP([2, 3, 1])
    drawing = Drawing(graph(model(np.ones((4, 2)))).source)
    found = {
        (*drawing.frames[name], label.split(";")[0])
        for name, label in drawing.labels.items()
        if drawing.kinds[name] == "parameter"
    }
    assert found == {
        ("mlp", "layers.0", "weight (2, 3) float64"),
        ("mlp", "layers.0", "bias (3,) float64"),
        ("mlp", "layers.1", "weight (3, 1) float64"),
        ("mlp", "layers.1", "bias (1,) float64"),
    }
    # What two layers share stands outside of them, so its name says where it is used first.
    layer = Scaled(te.Value(2.0, "w"), te.Value(3.0, "w"))
    drawing = Drawing(graph(layer(2.0 * layer(1.0))).source)
    assert drawing.nodes["n0"] == ("parameter", "scaled.w; value 2; gradient –")
    assert "n0" not in drawing.frames
    assert drawing.frames["n2"] == ("scaled",)


def test_the_same_computation_gives_the_same_text() -> None:
    def source() -> str:
        loss = neuron()
        loss.backward()
        return graph(loss, title="neuron").source

    assert source() == source()


def test_ids_are_those_of_the_computation_whatever_was_computed_before() -> None:
    def ids(drawing: Drawing) -> dict[str, str]:
        return {name: label.split(";")[0] for name, label in drawing.labels.items()}

    model = MLP([2, 3, 1], "tanh")
    x, y = np.ones((4, 2)), te.Value(np.zeros((4, 1)), "y", requires_grad=False)
    optimizer = te.optim.SGD(model.parameters(), lr=0.1)
    loss = te.nn.losses.mse(model(x), y)
    first = Drawing(graph(loss).source)
    loss.backward()
    optimizer.step()  # which writes to the parameters: they are newer than x now
    second = Drawing(graph(te.nn.losses.mse(model(x), y)).source)
    assert ids(second) == ids(first)
    assert [ends[:2] for ends in second.edges] == [ends[:2] for ends in first.edges]
    # Folding leaves to each node that is still drawn the id it had.
    collapsed = ids(Drawing(graph(te.nn.losses.mse(model(x), y), collapse="layer").source))
    assert "n4" in collapsed
    for name, heading in collapsed.items():
        if not heading.startswith("layers."):
            assert ids(first)[name] == heading


def test_kinds_differ_in_outline_and_their_text_is_readable_on_any_page() -> None:
    def luminance(colour: str) -> float:
        parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    looks = [*KINDS.values(), LAYER]
    outlines = {(look["shape"], look.get("peripheries"), look.get("style")) for look in looks}
    assert len(outlines) == len(looks)
    for style in looks:
        # Contrasts as WCAG 2.2 defines them: 7 for text (1.4.6), 3 for outlines (1.4.11).
        fill = luminance(style["fillcolor"]) + 0.05
        assert fill / (luminance(INK) + 0.05) >= 7
        assert fill / (luminance(style["color"]) + 0.05) >= 3
    source = graph(neuron()).source
    assert 'bgcolor="#ffffff"' in source
    colours = re.findall(r'color="?([^"\s\]]+)', source)
    assert colours
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in colours)


def test_a_wider_line_is_a_larger_message_in_a_readable_range() -> None:
    def drawn_width(slope: float) -> float:
        x = te.Value(1.0)
        y = x * slope
        y.backward()
        return Drawing(graph(y).source).widths["n0", "n2"]

    for sent, points in ((1e-3, 2), (1, 3), (-1, 3), (1e3, 4), (1e-6, 1)):
        assert drawn_width(sent) == pytest.approx(points)
    for sent, points in ((0, 1), (1e-300, 1), (1e300, 4), (math.inf, 4), (math.nan, 4)):
        assert drawn_width(sent) == points


def test_operands_in_frames_have_letters_where_their_order_matters() -> None:
    class Both(Module):
        def forward(self, x: te.Value, y: te.Value) -> te.Value:
            return np.tanh(x) - np.tanh(y) + np.tanh(x) * np.tanh(y)  # type: ignore[no-any-return]

    inside = Drawing(graph(Both()(te.Value(1.0, "x"), te.Value(2.0, "y"))).source)
    headings = [label.split("; ")[0] for label in inside.labels.values()]
    assert headings.count("(a) − (b)") == 1
    assert {"×", "+"} <= set(headings)
    minus = next(name for name, label in inside.labels.items() if label.startswith("(a)"))
    letters = [
        (inside.labels[tail][:7], text) for tail, head, text in inside.edges if head == minus
    ]
    assert letters == [("tanh(x)", "(a)"), ("tanh(y)", "(b)")]
    outside: Any = np.tanh(te.Value(1.0, "x")) - np.tanh(te.Value(2.0, "y"))
    assert "(a)" not in graph(outside).source


# Names and languages


@pytest.fixture(params=["dot", "graphviz-pure"])
def renderer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each renderer in turn. Without a PATH no `dot` is found, and the other one all the same."""
    if request.param == "graphviz-pure":
        monkeypatch.setenv("PATH", "")
    elif shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed: its half needs `dot` (2026-11-22)")
    return str(request.param)


def texts(svg: str) -> list[str]:
    """The texts of an SVG, without the space that keeps them off their edge."""
    found = ElementTree.fromstring(svg).iter(f"{SVG}text")
    return ["".join(text.itertext()).strip("\u00a0 ") for text in found]


def tags(svg: str) -> list[str]:
    """The elements of a drawing, without the font that Japanese text brings along."""
    names = [element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()]
    return [name for name in names if name != "style"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_shown_and_injects_nothing(name: str, renderer: str) -> None:
    def drawn(name: str) -> Graph:
        w, x = te.Value(1.0, name), te.Value(2.0, name, requires_grad=False)
        y: Any = np.tanh(w) * x
        y.name = name
        y.backward()
        return graph(y, title=name)

    harmless, hostile = drawn("w"), drawn(name)
    shown = texts(hostile.svg)
    assert len(shown) == len(texts(harmless.svg))
    assert {name, f"{name} = 2"} <= set(shown)
    assert tags(hostile.svg) == tags(harmless.svg)
    plain, sly = Drawing(harmless.source), Drawing(hostile.source)
    assert plain.edges == sly.edges
    assert plain.kinds == sly.kinds


@pytest.mark.parametrize("options", [{"heatmaps": True}, {"collapse": "layer"}])
@pytest.mark.parametrize("name", HOSTILE[:6])
def test_hostile_names_of_layers_and_operations_inject_nothing_either(
    name: str, options: dict[str, Any], renderer: str, tmp_path: Path
) -> None:
    class Layer(Module):
        def __init__(self, name: str) -> None:
            operation = replace(te.OPERATIONS["tanh"], name=name)
            self.inner = {name: lambda x: record(operation, (x,))}
            self.parts = {name: Scaled(te.Value([1.0, 2.0], name), te.Value([3.0, 4.0], name))}
            self.name = name

        def forward(self, x: Any) -> Any:
            return self.inner[self.name](self.parts[self.name](x))

    def drawn(name: str) -> Graph:
        y = Layer(name)(np.ones((2, 2)))
        y.backward(np.ones((2, 2)))
        return graph(y, title=name, **options)

    harmless, hostile = drawn("w"), drawn(name)
    assert tags(hostile.svg) == tags(harmless.svg)
    assert len(texts(hostile.svg)) == len(texts(harmless.svg))
    layer = f"parts.{name}: " if "collapse" in options else name
    assert any(text.startswith(layer) for text in texts(hostile.svg))
    assert any(f"{name} →" in text or f"{name}(" in text for text in texts(hostile.svg))
    hostile.save(tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.title == name
    assert [tag for tag in page.tags if tag in ("script", "b", "img", "a", "iframe")] == []
    assert page.tags.count("text") == len(texts(hostile.svg))


class Page(HTMLParser):
    """The tags and the title of a page, as a browser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.title = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "title" and not self.title:
            self.title = data


def test_long_names_and_those_of_several_lines_become_one_short_line() -> None:
    name = "two\nlines\tand\x00\x1b\u202e" + "x" * 100
    heading = Drawing(graph(te.Value(1.0, name)).source).labels["n0"].split(";")[0]
    assert heading.startswith("two lines and\ufffd\ufffd\ufffdxxx")
    assert heading.endswith("x…")
    assert len(heading) == 40


def everything_said() -> Iterator[str]:
    """Drawings that use every word there is."""

    def drawn(value: Any, **options: Any) -> str:
        return graph(value, lang="ja", **options).source

    loss = neuron()
    yield drawn(loss)
    loss.backward()
    yield drawn(loss)
    yield drawn(loss, max_nodes=3)
    x = te.Value(np.ones((4, 2)))
    y = np.sum((x @ np.ones((2, 3)) + te.Value(np.ones(3), "b")) * te.Value(2.0))
    y.backward()
    yield drawn(y)
    data = np.ones((40, 3))
    data[0] = np.nan
    y = np.sum(np.tanh(MLP([3, 3, 3, 1], "tanh")(data)))
    y.backward()
    yield drawn(y, heatmaps=True)
    yield drawn(y, collapse="layer")
    yield drawn(y, max_nodes=12)
    yield drawn(Scaled(te.Value(2.0), te.Value(3.0))(np.ones(2)), collapse=1)
    single = Scaled(te.Value(2.0, "weight"), 3.0)
    yield drawn(np.tanh(single(te.Value(1.0, "x"))), collapse=1)
    y = te.Value(2.0, "y")
    for i in range(1, 9):
        y = np.tanh(y) * np.tanh(np.tanh(y)) + float(i)
    yield drawn(y, max_nodes=6)
    before, y = te.Value(1.0, "before"), te.Value(1.0, "y")
    for _ in range(20):
        before, y = y, before + y
    yield drawn(y, max_nodes=6)
    y = te.Value(2.0, "y")
    for function in (np.sin, np.cos, np.tanh, np.exp, np.sqrt, np.arctan, np.sinh) * 2:
        y = function(y) * (te.Value(1.0) + te.Value(2.0, "w"))
    yield drawn(y, max_nodes=6)


# What te.draw.tree says, and no drawing.
OF_TREES = ("(above)", "… more than {} lines; max_lines= shows more")


def test_japanese_drawings_say_all_and_hold_no_english() -> None:
    lines = []
    for drawing in map(Drawing, everything_said()):
        lines += [*drawing.labels.values(), *drawing.legend, *(e[2] for e in drawing.edges)]
    text = "\n".join(lines)
    for english, japanese in JAPANESE.items():
        if english != "computation graph" and english not in OF_TREES:
            assert re.search(re.sub(r"\\{\w*\\}", ".+", re.escape(japanese)), text), english
    names_of_things = {
        *("affine", "exp", "loss", "sigmoid", "nodes", "float", "weight", "bias", "layers", "tanh"),
        *(
            "before",
            "matmul",
            "multiply",
            "add",
            "arctan",
            "sinh",
            "cosine",
            "sine",
            "sum",
            "scaled",
            "sqrt",
        ),
    }
    assert set(re.findall(r"[a-z]{4,}", text)) <= names_of_things


def test_japanese_texts_have_room(renderer: str) -> None:
    loss = neuron()
    loss.inputs[0].name = "誤差"
    loss.backward()
    svg = graph(loss, title="連鎖律", lang="ja").svg
    (shift,) = map(float, re.findall(r"translate\(([\d.]+)", svg))
    picture = ElementTree.fromstring(svg)
    assert picture.get("lang") == "ja"
    width = float(picture.attrib["viewBox"].split()[2])
    for text in picture.iter(f"{SVG}text"):
        line = text.text or ""
        # A full square for each kana and kanji, and at least half of one for a Latin letter.
        length = float(text.attrib["font-size"]) * sum(1 if is_wide(c) else 0.5 for c in line)
        start = {"start": 0.0, "middle": length / 2}[text.attrib["text-anchor"]]
        left = float(text.attrib["x"]) + shift - start
        assert left >= 0, line
        assert left + length <= width, line


# Pictures


def test_svg_holds_shapes_and_text_and_nothing_else(renderer: str) -> None:
    loss = neuron()
    loss.backward()
    picture = graph(loss, title="One neuron")
    root = ElementTree.fromstring(picture.svg)
    assert root.tag == f"{SVG}svg"
    assert (root.get("role"), root.get("aria-label")) == ("img", "One neuron")
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags == {"svg", "g", "polygon", "polyline", "path", "text"}
    assert re.findall(r"https?:[^\"]*", picture.svg) == ["http://www.w3.org/2000/svg"]
    for word in ("<!", "<?", "href", "style", "url(", "class", "id="):
        assert word not in picture.svg
    background = next(root.iter(f"{SVG}polygon"))
    assert background.get("fill") == "#ffffff"
    fills = {element.get("fill") for element in root.iter()}
    assert {style["fillcolor"] for name, style in KINDS.items() if name != "leaf"} <= fills
    shown = texts(picture.svg)
    for text in ("One neuron", "w1 × x1", "sigmoid", "loss = ( )²", "x1 = 1", "+"):
        assert text in shown
    labels = [label for _, _, label in Drawing(picture.source).edges if label]
    assert len(labels) == 9
    assert set(labels) <= set(shown)
    assert picture._repr_svg_() == picture.svg


def test_operands_stand_in_reading_order(renderer: str) -> None:
    a, b = te.Value(1.0, "first", requires_grad=False), te.Value(2.0, "second")
    for y, left, right in ((a - b, "first = 1", "second"), (b - a, "second", "first = 1")):
        y.backward()
        root = ElementTree.fromstring(graph(y).svg)
        x = {text.text: float(text.attrib["x"]) for text in root.iter(f"{SVG}text")}
        assert x[left] < x[right]


def test_png_and_files_of_every_format(renderer: str, tmp_path: Path) -> None:
    picture = graph(neuron(), title="One neuron")
    for name in ("g.dot", "g.svg", "g.PNG"):
        picture.save(tmp_path / name)
    assert (tmp_path / "g.dot").read_text(encoding="utf-8") == picture.source
    assert (tmp_path / "g.svg").read_text(encoding="utf-8") == picture.svg
    with Image.open(io.BytesIO((tmp_path / "g.PNG").read_bytes())) as image:
        pixels = np.asarray(image.convert("RGB"))
        width, height = image.size
    view = ElementTree.fromstring(picture.svg).attrib["viewBox"].split()
    # Points are 1/72 inch, the picture has 144 dots per inch.
    assert (width, height) == pytest.approx((2 * float(view[2]), 2 * float(view[3])), abs=30)
    colours = {
        "#{:02x}{:02x}{:02x}".format(*pixel) for pixel in np.unique(pixels.reshape(-1, 3), axis=0)
    }
    assert {KINDS[k]["fillcolor"] for k in ("parameter", "constant", "operation")} <= colours
    if renderer == "dot":
        picture.save(str(tmp_path / "g.pdf"))
        assert (tmp_path / "g.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_page_is_complete_and_has_no_address(renderer: str, lang: str, tmp_path: Path) -> None:
    picture = graph(neuron(), title="One neuron", lang=lang)
    picture.save(tmp_path / "g.html")
    text = (tmp_path / "g.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert f'<html lang="{lang}">' in text
    assert "://" not in text
    assert not re.search(r"(?:src|href)=|url\((?!data:)", text)
    page = Page(text)
    assert page.title == "One neuron"
    assert page.tags.count("svg") == 1
    assert page.tags.count("text") == len(texts(picture.svg))


def test_what_graphviz_pure_cannot_draw_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "")
    picture = graph(te.Value(1.0, "重み"))
    with pytest.raises(RenderingError, match=r"as PDF: graphviz-pure draws no PDF .*\.svg"):
        picture.save(tmp_path / "g.pdf")
    with pytest.raises(RenderingError, match=r"no Japanese font for PNG .*\.svg.*install Graphviz"):
        picture.save(tmp_path / "g.png")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> NoReturn:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(importlib.metadata, "files", missing)


@pytest.mark.usefixtures("no_renderer")
def test_without_a_renderer_the_error_says_what_to_install(tmp_path: Path) -> None:
    picture = graph(neuron())
    for draw in (
        lambda: picture.svg,
        lambda: picture.png,
        picture._repr_svg_,
        lambda: picture.save(tmp_path / "g.svg"),
        lambda: picture.save(tmp_path / "g.pdf"),
    ):
        with pytest.raises(RenderingError, match=r'pip install "tinygrad_edu\[render\]".*\.source'):
            draw()
    assert list(tmp_path.iterdir()) == []
    picture.save(tmp_path / "g.dot")
    assert (tmp_path / "g.dot").read_text(encoding="utf-8") == picture.source
    assert picture.source.startswith("digraph")


@pytest.mark.parametrize("script", ["#!/bin/sh\necho no such plugin >&2; exit 1\n", "#!/missing\n"])
def test_a_broken_dot_is_passed_over(
    script: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "dot"
    program.write_text(script)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    picture = graph(neuron())
    assert "sigmoid" in texts(picture.svg)
    with pytest.raises(RenderingError, match=r"dot (failed: no such plugin|does not start: .*);"):
        picture.save(tmp_path / "g.pdf")


# Bad input


def test_bad_input_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(OperandError, match=r"te\.Value, not float"):
        graph(1.5)  # type: ignore[arg-type]
    for count in (0, -1, 2.5, "all"):
        with pytest.raises(OperandError, match="max_nodes must be a positive whole number"):
            graph(te.Value(1.0), max_nodes=count)  # type: ignore[arg-type]
    for depth in (0, -1, 1.5, True, "layers", None):
        with pytest.raises(OperandError, match=r'collapse must be "none", "layer" or a depth'):
            graph(te.Value(1.0), collapse=depth)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="lang='ja'"):
        graph(te.Value(1.0), lang="fr")
    for name in ("g.jpg", "g"):
        with pytest.raises(UnknownNameError, match=r"in \.svg, \.png, \.pdf, \.dot or \.html"):
            graph(te.Value(1.0)).save(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        graph(te.Value(1.0)).save(tmp_path / "missing" / "g.dot")
    assert list(tmp_path.iterdir()) == []


def test_a_graph_older_than_its_leaf_is_refused() -> None:
    w = te.Value(1.0, "w")
    y = w * 2
    w.data = 5.0
    with pytest.raises(StaleGraphError, match="'w'"):
        graph(y)


def test_japanese_text_brings_its_characters_along() -> None:
    y = te.Value(1.0, "重み") * 2.0
    japanese, english = graph(y).svg, graph(te.Value(1.0, "w") * 2.0).svg
    assert "@font-face" not in english
    style = next(
        e.text or "" for e in ElementTree.fromstring(japanese).iter() if e.tag.endswith("style")
    )
    font = TTFont(BytesIO(b64decode(style.partition("base64,")[2].partition(")")[0])))
    assert {ord("重"), ord("み")} <= set(font.getBestCmap())
    assert len(font.getBestCmap()) < 20  # and no others
    font.close()
