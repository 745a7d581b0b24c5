"""Drawings of graphs: what they say, that their numbers are right, and that names stay text."""

from __future__ import annotations

import html
import importlib.metadata
import io
import math
import re
import shutil
import stat
from base64 import b64decode
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image

import tinygrad_edu as te
from tests.strategies import apply, arguments, fixed_cases
from tinygrad_edu.activations import sigmoid
from tinygrad_edu.draw.graph import INK, JAPANESE, KINDS, Graph, graph
from tinygrad_edu.draw.render import is_wide
from tinygrad_edu.engine.operation import Elementwise
from tinygrad_edu.errors import OperandError, RenderingError, StaleGraphError, UnknownNameError

SVG = "{http://www.w3.org/2000/svg}"
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


class Drawing:
    """The nodes and edges of DOT text, their labels as a reader sees them."""

    def __init__(self, source: str) -> None:
        self.kinds: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.edges: list[tuple[str, str, str]] = []
        self.legend: list[str] = []
        shapes = {style["shape"] + style.get("peripheries", ""): k for k, style in KINDS.items()}
        for line in source.splitlines():
            attributes = dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|[^\s\]]+)', line))
            attributes = {key: value.strip('"') for key, value in attributes.items()}
            label = read(attributes.get("label", ""))
            if edge := re.match(r"\s+(\w+) -> (\w+)", line):
                if attributes.get("style") != "invis":
                    self.edges.append((edge[1], edge[2], label))
            elif node := re.match(r"\s+(n\d+|left_out|legend\w*) \[", line):
                if node[1].startswith("legend"):
                    self.legend.append(label)
                else:
                    shape = attributes["shape"] + attributes.get("peripheries", "")
                    self.kinds[node[1]] = shapes.get(shape, "")
                    self.labels[node[1]] = label

    @property
    def nodes(self) -> dict[str, tuple[str, str]]:
        return {name: (self.kinds[name], self.labels[name]) for name in self.labels}


def read(label: str) -> str:
    """A DOT label as text: its lines and cells separated by "; "."""
    text = re.sub(r"\\[nl]|[{}|]+", "; ", label)
    return html.unescape(text).replace("\\\\", "\\").replace("\u00a0", "").strip("; ")


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
    ("n3", "n6"),
    ("n0", "n6"),
    ("n4", "n7"),
    ("n1", "n7"),
    ("n6", "n8"),
    ("n7", "n8"),
    ("n8", "n9"),
    ("n5", "n9"),
    ("n9", "n10"),
    ("n10", "n11"),
    ("n2", "n11"),
    ("n11", "n12"),
]


def test_a_neuron_before_backward_shows_values_and_no_gradients() -> None:
    p = 1 / (1 + math.exp(0.75))
    drawing = Drawing(graph(neuron()).source)
    none = "gradient –"
    assert drawing.nodes == {
        "n0": ("constant", "x1 = 1"),
        "n1": ("constant", "x2 = 2"),
        "n2": ("constant", "y = 1"),
        "n3": ("parameter", f"w1; value 0.5; {none}"),
        "n4": ("parameter", f"w2; value −0.75; {none}"),
        "n5": ("parameter", f"b; value 0.25; {none}"),
        "n6": ("operation", f"w1 × x1; value 0.5; {none}"),
        "n7": ("operation", f"w2 × x2; value −1.5; {none}"),
        "n8": ("operation", f"+; value −1; {none}"),
        "n9": ("operation", f"( ) + b; value −0.75; {none}"),
        "n10": ("operation", f"sigmoid; value {written(p)}; {none}"),
        "n11": ("operation", f"( ) − y; value {written(p - 1)}; {none}"),
        "n12": ("output", f"loss = ( )²; value {written((p - 1) ** 2)}; {none}"),
    }
    assert drawing.edges == [(*ends, "") for ends in NEURON_EDGES]
    assert drawing.legend == [
        "parameter",
        "constant: no gradient",
        "operation",
        "output",
        "↓ forward: values; gradient –: no backward() has come here yet",
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
        ("n11", "n12"): f"↑ 1 × ({e}) = {e}",
        ("n10", "n11"): f"↑ {e} × 1 = {e}",
        ("n9", "n10"): f"↑ {e} × {s} = {d}",
        ("n8", "n9"): f"↑ {d} × 1 = {d}",
        ("n5", "n9"): f"↑ {d} × 1 = {d}",
        ("n6", "n8"): f"↑ {d} × 1 = {d}",
        ("n7", "n8"): f"↑ {d} × 1 = {d}",
        ("n3", "n6"): f"↑ {d} × 1 = {d}",
        ("n4", "n7"): f"↑ {d} × 2 = {written(2 * delta)}",
    }
    assert drawing.edges == [(*ends, messages.get(ends, "")) for ends in NEURON_EDGES]
    assert drawing.labels["n4"] == f"w2; value −0.75; gradient {written(2 * delta)}"
    assert drawing.labels["n12"].endswith("gradient 1")
    assert "× local derivative = message" in drawing.legend[-1]
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
        ("n2", "n3", ""),
        ("n0", "n3", "↑ (4, 3) rms 2; × 1; = (4, 3) rms 2; summed over 4 samples; = (3,) rms 8"),
        (
            "n1",
            "n4",
            # Twice (1 + 4 + 9)/3 in the mean square, 4 · (1 + 2 + 3) in the sum.
            "↑ (4, 3) rms 1; × (4, 3) rms 2.16; = (4, 3) rms 2.16; summed over 12 entries; = 24",
        ),
        ("n3", "n4", "↑ (4, 3) rms 1; × 2; = (4, 3) rms 2"),
        ("n4", "n5", "↑ 1; × (4, 3) rms 1; = (4, 3) rms 1"),
    ]
    assert drawing.labels["n3"] == "( ) + b → (4, 3); value 2 ± 0.816; gradient 2 ± 0"
    assert drawing.nodes["n2"] == ("constant", "(4, 3); 2 ± 0.816")
    assert "rms" in drawing.legend[-1]


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


@pytest.mark.parametrize("name", [n for n, op in te.OPERATIONS.items() if op.differentiable])
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
        for (_, _, label), leaf in zip(drawing.edges, leaves, strict=True):
            assert label.rpartition("= ")[2] == described(leaf.grad), (case, label)


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
        (lambda v: v ** np.array([1.0, 2.0]), "v ^ ( ) → (2,)"),
        (lambda v: -v, "−v"),
        (lambda v: abs(v), "|v|"),
        (lambda v: np.sqrt(v), "√v"),
        (lambda v: np.tanh(v), "tanh(v)"),
        (lambda v: np.tanh(np.tanh(v)), "tanh"),
        (lambda v: np.clip(np.tanh(v), 0, 1), "clip(·, 0, 1)"),
        (lambda v: np.mean(v * np.ones((2, 3)), axis=1), "mean(axis=1) → (2,)"),
        (lambda v: np.reshape(v * np.ones((2, 3)), (3, 2)), "reshape → (3, 2)"),
        (lambda v: (v * np.ones((2, 3))).T, "( )ᵀ → (3, 2)"),
        (lambda v: (v * np.ones(3))[1:], "( )[i] → (2,)"),
        (lambda v: (v * np.ones(3)).astype(np.float32), "astype(dtype=float32) → (3,) float32"),
        (lambda v: (v * np.ones(3)) - (v * np.ones(3)), "( ) − ( ) → (3,)"),
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
        (te.Value([1.0, 3.0], "w"), "parameter", "w (2,); value 2 ± 1; gradient –"),
        (te.Value(np.float32(0.1), "x", requires_grad=False), "constant", "x float32; 0.1"),
        (te.Value(np.zeros((0, 2))), "leaf", "leaf (0, 2); value –; gradient –"),
        (te.Value([7.0]) > 3, "constant", "(1,) bool; True"),
        (te.Value(-0.0, "z"), "parameter", "z; value 0; gradient –"),
        (te.Value(math.nan, "z"), "parameter", "z; value nan; gradient –"),
    ):
        assert Drawing(graph(value).source).nodes == {"n0": (kind, label)}


def test_names_that_occur_twice_are_told_apart_by_the_scope_that_uses_them() -> None:
    from tinygrad_edu.nn import MLP

    labels = Drawing(graph(MLP([2, 3, 1])(np.ones((4, 2)))).source).labels.values()
    headings = [label.split(";")[0] for label in labels]
    for wanted in ("0.weight (2, 3)", "0.bias (3,)", "1.weight (3, 1)", "1.bias (1,)"):
        assert any(heading.endswith(f"layers.{wanted}") for heading in headings), wanted


def test_the_same_computation_gives_the_same_text() -> None:
    def source() -> str:
        loss = neuron()
        loss.backward()
        return graph(loss, title="neuron").source

    assert source() == source()


def test_kinds_differ_in_outline_and_their_text_is_readable_on_any_page() -> None:
    def luminance(colour: str) -> float:
        parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    outlines = {(s["shape"], s.get("peripheries"), s.get("style")) for s in KINDS.values()}
    assert len(outlines) == len(KINDS)
    for style in KINDS.values():
        # Contrasts as WCAG 2.2 defines them: 7 for text (1.4.6), 3 for outlines (1.4.11).
        fill = luminance(style["fillcolor"]) + 0.05
        assert fill / (luminance(INK) + 0.05) >= 7
        assert fill / (luminance(style["color"]) + 0.05) >= 3
    source = graph(neuron()).source
    assert 'bgcolor="#ffffff"' in source
    colours = re.findall(r'color="?([^"\s\]]+)', source)
    assert colours
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in colours)


def test_the_nearest_nodes_are_drawn_and_the_others_counted() -> None:
    x = te.Value(1.0, "x")
    y = x
    for _ in range(10):
        y = y + 1
    drawing = Drawing(graph(y, max_nodes=5).source)
    # 21 nodes: x, ten sums and ten ones. Nearest are the last sums and their ones.
    kinds = ["operation", "constant", "operation", "constant", "output"]
    assert [kind for name, kind in drawing.kinds.items() if name != "left_out"] == kinds
    assert drawing.labels["left_out"] == (
        "16 more nodes are left out:; only the 5 nearest to the output are drawn (max_nodes)"
    )
    assert [edge for edge in drawing.edges if edge[0] == "left_out"] == [("left_out", "n0", "")]
    assert "left_out" not in Drawing(graph(y, max_nodes=21).source).labels
    assert Drawing(graph(y, max_nodes=20).source).labels["left_out"].startswith("1 more")


@pytest.mark.parametrize("length", [20_000, pytest.param(1_000_000, marks=pytest.mark.thorough)])
def test_a_long_chain_draws_a_summary_of_itself(length: int) -> None:
    y: Any = te.Value(1.0, "x")
    for _ in range(length):
        y = np.tanh(y)
    drawing = Drawing(graph(y).source)
    assert len(drawing.labels) == 301
    assert drawing.labels["left_out"].startswith(f"{length + 1 - 300:,} more nodes")


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


def test_long_names_and_those_of_several_lines_become_one_short_line() -> None:
    name = "two\nlines\tand\x00\x1b\u202e" + "x" * 100
    heading = Drawing(graph(te.Value(1.0, name)).source).labels["n0"].split(";")[0]
    assert heading.startswith("two lines and\ufffd\ufffd\ufffdxxx")
    assert heading.endswith("x…")
    assert len(heading) == 40


def everything_said() -> Iterator[te.Value]:
    """Values whose drawings use every word there is."""
    loss = neuron()
    yield loss
    loss.backward()
    yield loss
    x = te.Value(np.ones((4, 2)))
    y = np.sum((x @ np.ones((2, 3)) + te.Value(np.ones(3), "b")) * te.Value(2.0))
    y.backward()
    yield y


def test_japanese_drawings_say_all_and_hold_no_english() -> None:
    drawings = [
        Drawing(graph(v, lang="ja", max_nodes=count).source)
        for v in everything_said()
        for count in (3, 99)
    ]
    lines = "\n".join(
        line
        for drawing in drawings
        for line in (*drawing.labels.values(), *drawing.legend, *(e[2] for e in drawing.edges))
    )
    for english, japanese in JAPANESE.items():
        if english != "computation graph":
            assert re.search(re.escape(japanese).replace(r"\{\}", ".+"), lines), english
    names_of_things = {"loss", "sigmoid", "nodes"}
    assert set(re.findall(r"[a-z]{4,}", lines)) == names_of_things


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
    with pytest.raises(UnknownNameError, match="lang='ja'"):
        graph(te.Value(1.0), lang="fr")
    for name in ("g.jpg", "g"):
        with pytest.raises(UnknownNameError, match=r"end its name in \.dot, \.svg, \.png or \.pdf"):
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
