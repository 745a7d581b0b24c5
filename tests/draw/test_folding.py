"""What is drawn of a graph: layers as boxes, repeats once, and never an edge that is not there."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.draw.drawing import Drawing
from tinygrad_edu.draw.folding import Folding, Part, Record, folding, kind, uses_by
from tinygrad_edu.draw.graph import graph
from tinygrad_edu.draw.messages import passed_back, rms
from tinygrad_edu.engine.context import changed
from tinygrad_edu.nn import MLP, Linear, Module, Sequential


class Cell(Module):
    """A recurrent cell, written by hand."""

    def __init__(self, inputs: int, units: int) -> None:
        generator = np.random.default_rng(0)
        self.input = te.Value(generator.normal(size=(inputs, units)), "W")
        self.state = te.Value(generator.normal(size=(units, units)), "U")
        self.bias = te.Value(np.zeros(units), "b")

    def forward(self, x: Any, h: Any) -> Any:
        return np.tanh(x @ self.input + h @ self.state + self.bias)


class Neurons(Module):
    """Layers of neurons."""

    def __init__(self, *widths: int) -> None:
        generator = np.random.default_rng(0)
        self.layers = [
            [Neuron(inputs, generator) for _ in range(outputs)]
            for inputs, outputs in pairwise(widths)
        ]

    def forward(self, xs: Any) -> Any:
        for layer in self.layers:
            xs = [neuron(xs) for neuron in layer]
        return xs[0]


class Neuron(Module):
    """Single numbers, as micrograd has them."""

    def __init__(self, inputs: int, generator: np.random.Generator) -> None:
        self.weights = [te.Value(w) for w in generator.normal(size=inputs)]
        self.bias = te.Value(0.0)

    def forward(self, xs: Any) -> Any:
        total = self.bias
        for w, x in zip(self.weights, xs, strict=True):
            total = total + w * x
        return total.relu()


def recurrent(steps: int, between: Callable[[Any], Any] = lambda h: h) -> te.Value:
    """The loss of an unrolled network, with its gradients."""
    cell = Cell(3, 4)
    h: Any = np.zeros((2, 4))
    for x in np.random.default_rng(1).normal(size=(steps, 2, 3)):
        h = between(cell(x, h))
    loss = np.mean(h**2)
    loss.backward()
    return loss  # type: ignore[no-any-return]


def network(*widths: int, count: int = 4) -> te.Value:
    """The loss of an MLP on random points, with its gradients."""
    generator = np.random.default_rng(0)
    x = te.Value(generator.normal(size=(count, widths[0])), "x", requires_grad=False)
    y = te.Value(generator.normal(size=(count, widths[-1])), "y", requires_grad=False)
    loss = te.nn.losses.mse(MLP(widths, "tanh", "sigmoid")(x), y)
    loss.name = "loss"
    loss.backward()
    return loss


def outline(value: Any, **options: Any) -> tuple[dict[str, str], list[str]]:
    """Kind and first line of each node, and the edges, as text."""
    drawing = Drawing(graph(value, **options).source)
    nodes = {
        name: f"{what}: {label.split('; ')[0]}" for name, (what, label) in drawing.nodes.items()
    }
    return nodes, [f"{tail} {head}" for tail, head, _ in drawing.edges]


# Golden outlines. (Single neurons, fan-out, diamonds and broadcasting are in test_graph.py.)


def test_layers_are_frames() -> None:
    nodes, edges = outline(network(2, 8, 1))
    assert nodes == {
        "n0": "constant: x (4, 2) float64",
        "n1": "parameter: weight (2, 8) float64",
        "n2": "parameter: bias (8,) float64",
        "n3": "operation: x @ weight + bias → (4, 8) float64",
        "n4": "operation: tanh → (4, 8) float64",
        "n5": "parameter: weight (8, 1) float64",
        "n6": "parameter: bias (1,) float64",
        "n7": "operation: ( ) @ weight + bias → (4, 1) float64",
        "n8": "operation: sigmoid → (4, 1) float64",
        "n9": "constant: y (4, 1) float64",
        "n10": "output: loss = mse(·, y)",
    }
    assert edges == [
        *("n0 n3", "n1 n3", "n2 n3", "n3 n4", "n4 n7"),
        *("n5 n7", "n6 n7", "n7 n8", "n8 n10", "n9 n10"),
    ]
    drawing = Drawing(graph(network(2, 8, 1)).source)
    first, second = ("mlp", "layers.0"), ("mlp", "layers.1")
    assert drawing.frames == {
        **dict.fromkeys(("n1", "n2", "n3"), first),
        **dict.fromkeys(("n4", "n8"), ("mlp",)),
        **dict.fromkeys(("n5", "n6", "n7"), second),
    }
    assert "what one layer computes" in drawing.legend


def test_a_collapsed_network_has_a_node_for_each_layer() -> None:
    loss = network(2, 8, 1)
    drawing = Drawing(graph(loss, collapse="layer").source)
    assert [what for what, _ in drawing.nodes.values()] == [
        *("constant", "layer", "operation", "layer", "operation", "constant", "output")
    ]
    tanh, affine = loss.inputs[0].inputs[0].inputs[0], loss.inputs[0].inputs[0]
    first = tanh.inputs[0]
    mean, deviation = first.data.mean(), first.data.std()
    assert drawing.labels["n3"] == (
        f"layers.0: affine → (4, 8) float64; 24 parameters; value {mean:.3g} ± {deviation:.3g}; "
        f"δ rms {np.sqrt((first.grad**2).mean()):.3g}"
    ).replace("-", "−")
    assert drawing.labels["n7"].startswith("layers.1: affine → (4, 1) float64; 9 parameters; ")
    size = {n: np.sqrt((n.grad**2).mean()) for n in (tanh, affine)}
    assert ("n4", "n7", (
        f"↑ (4, 1) rms {size[affine]:.3g}; × local derivative of layers.1; "
        f"= (4, 8) rms {size[tanh]:.3g}"
    )) in drawing.edges  # fmt: skip
    assert drawing.widths["n4", "n7"] == pytest.approx(3 + math.log10(size[tanh]) / 3, abs=0.005)
    assert "gradient of a layer's output" in drawing.legend
    assert drawing.frames == {}


def test_a_depth_says_which_scopes_are_boxes() -> None:
    whole, edges = outline(network(2, 8, 1), collapse=1)
    assert whole == {
        "n0": "constant: x (4, 2) float64",
        "n3": "layer: mlp: affine ×2, tanh, sigmoid → (4, 1) float64",
        "n9": "constant: y (4, 1) float64",
        "n10": "output: loss = mse(·, y)",
    }
    assert edges == ["n0 n3", "n3 n10", "n9 n10"]
    assert outline(network(2, 8, 1), collapse=2) == outline(network(2, 8, 1), collapse="layer")
    # Nothing is three scopes deep, and so nothing is a box.
    deeper, edges = outline(network(2, 8, 1), collapse=3)
    assert Counter(line.split(":")[0] for line in deeper.values())["layer"] == 0
    assert len(edges) == 10


def test_an_unrolled_recurrent_network_is_drawn_once() -> None:
    for loss in (recurrent(5), recurrent(1, lambda h: h)):
        nodes, _ = outline(loss, collapse="layer")
        assert list(nodes.values())[-1] == "output: mean"
    nodes, edges = outline(recurrent(5), collapse="layer")
    assert nodes == {
        "n0": "constant: constant (2, 3) float64 ×5",
        "n2": "layer: cell ×5",
        "n3": "constant: (2, 4) float64",
        "n34": "operation: ( )² → (2, 4) float64",
        "n35": "output: mean",
    }
    assert edges == ["n0 n2", "n3 n2", "n2 n2", "n2 n34", "n34 n35"]
    drawing = Drawing(graph(recurrent(5), collapse="layer").source)
    assert "; matmul ×2, add ×2, tanh → (2, 4) float64; 32 parameters; " in drawing.labels["n2"]
    (loop,) = (label for tail, head, label in drawing.edges if tail == head)
    assert loop.startswith("×4 to the next one; ↑ (2, 4) rms ")
    assert {"×N", "a … b"} <= set(drawing.legend)


def test_steps_with_something_between_them_repeat_together() -> None:
    nodes, edges = outline(recurrent(4, lambda h: h * 0.5), collapse="layer")
    assert [line for line in nodes.values() if "×" in line] == [
        "constant: constant (2, 3) float64 ×4",
        "layer: cell ×4",
        "constant: constant ×4",
        "operation: multiply ×4 → (2, 4) float64",
    ]
    cell, half = (name for name, line in nodes.items() if "cell" in line or "multiply" in line)
    assert {f"{cell} {half}", f"{half} {cell}"} <= set(edges)


def test_the_ends_of_a_repeat_are_those_of_the_first_and_the_last_copy() -> None:
    loss = network(*[4] * 12)
    drawing = Drawing(graph(loss, collapse="layer").source)
    sums = [n for n in Record(loss).operations if n.op and n.op.name == "affine"]
    first, last = (f"{rms([n.grad]):.3g}".replace("-", "−") for n in (sums[0], sums[-2]))
    (box,) = (label for label in drawing.labels.values() if "×10" in label and "affine" in label)
    assert box.startswith("layers.0 … layers.9 ×10; affine → (4, 4) float64; 200 parameters; ")
    assert box.endswith(f"δ rms {first} … {last}")
    tanh = [n for n in Record(loss).operations if n.op and n.op.name == "tanh"]
    (loop,) = (label for _, _, label in drawing.edges if "next" in label)
    messages = [f"{rms([n.grad]):.3g}".replace("-", "−") for n in (tanh[0], tanh[8])]
    assert loop == f"×9 to the next one; ↑ (4, 4) rms {messages[0]} … {messages[1]}"


def test_layers_of_other_sizes_stay_apart() -> None:
    nodes, _ = outline(network(2, 3, 3, 3, 1), collapse="layer")
    boxes = [line.removeprefix("layer: ") for line in nodes.values() if line.startswith("layer")]
    assert boxes == [
        "layers.0: affine → (4, 3) float64",
        "layers.1 … layers.2 ×2",
        "layers.3: affine → (4, 1) float64",
    ]


def test_weights_that_two_layers_share_stand_between_them() -> None:
    class Tied(Module):
        def __init__(self) -> None:
            self.encode, self.decode = Linear(3, 3, bias=False), Linear(3, 3, bias=False)
            self.decode.weight = self.encode.weight

        def forward(self, x: Any) -> Any:
            return self.decode(np.tanh(self.encode(x)))

    y = np.sum(Tied()(np.ones((2, 3))))
    y.backward()
    nodes, edges = outline(y, collapse="layer")
    assert nodes == {
        "n0": "constant: (2, 3) float64",
        "n1": "parameter: weight (3, 3) float64",
        "n2": "layer: encode: matmul → (2, 3) float64",
        "n3": "operation: tanh → (2, 3) float64",
        "n4": "layer: decode: matmul → (2, 3) float64",
        "n5": "output: sum",
    }
    assert edges == ["n0 n2", "n1 n2", "n2 n3", "n3 n4", "n1 n4", "n4 n5"]
    drawing = Drawing(graph(y, collapse="layer").source)
    assert "parameters" not in drawing.labels["n2"]


def test_a_layer_called_twice_in_a_row_is_drawn_once() -> None:
    layer = Linear(3, 3)
    y = np.sum(layer(layer(np.ones((2, 3)))))
    drawing = Drawing(graph(y, collapse="layer").source)
    (box,) = (label for what, label in drawing.nodes.values() if what == "layer")
    assert box.startswith("linear ×2; affine → (2, 3) float64; 12 parameters; ")


def test_constants_only() -> None:
    x = te.Value([1.0, 2.0], "x", requires_grad=False)
    for collapse in ("none", "layer", 1):
        nodes, edges = outline(Sequential(np.tanh)(x), collapse=collapse)
        assert nodes == {"n0": "constant: (2,) float64"}
        assert edges == []
    nodes, edges = outline(te.Value(1.0, "w") * x * np.ones(2))
    assert list(nodes.values()) == [
        *("parameter: w", "constant: x (2,) float64"),
        *("operation: w × x → (2,) float64", "constant: (2,) float64"),
        "output: ( ) × ( ) → (2,) float64",
    ]
    assert edges == ["n0 n2", "n1 n2", "n2 n4", "n3 n4"]


def test_an_operation_of_a_user() -> None:
    name = "softsign_of_a_test"
    softsign = te.OPERATIONS.get(name) or te.define_elementwise(
        name,
        lambda x: x / (1 + np.abs(x)),
        lambda out, x: 1 / np.square(1 + np.abs(x)),
        formula=r"\operatorname{{softsign}}\left({0}\right)",
    )
    y = softsign(te.Value(3.0, "v"))
    y.backward()
    drawing = Drawing(graph(y).source)
    assert drawing.nodes == {
        "n0": ("parameter", "v; value 3; gradient 0.0625"),
        "n1": ("output", f"{name}(v); value 0.75; gradient 1"),
    }
    assert drawing.edges == [("n0", "n1", "↑ 1 × 0.0625 = 0.0625")]


def test_a_mask_is_a_constant() -> None:
    x = te.Value([1.0, -2.0, 3.0], "x")
    y = np.sum(np.where(x > 0, x, x * 0.1))
    y.backward()
    nodes, edges = outline(y)
    assert nodes == {
        "n0": "parameter: x (3,) float64",
        "n1": "constant: 0.1",
        "n2": "operation: x × 0.1 → (3,) float64",
        "n3": "constant: (3,) bool",
        "n4": "operation: where(·, x, ·) → (3,) float64",
        "n5": "output: sum",
    }
    assert edges == ["n0 n2", "n1 n2", "n3 n4", "n0 n4", "n2 n4", "n4 n5"]


# What belongs to a layer


def test_data_that_is_tracked_is_no_parameter() -> None:
    x = te.Value(np.ones((4, 2)), "x")
    nodes, edges = outline(MLP([2, 3, 1])(x), collapse="layer")
    assert nodes["n0"] == "parameter: x (4, 2) float64"
    assert edges[0] == "n0 n3"
    drawing = Drawing(graph(MLP([2, 3, 1])(x), collapse="layer").source)
    assert "; 9 parameters; " in drawing.labels["n3"]
    cell = Cell(2, 3)
    nodes, _ = outline(cell(x, te.Value(np.zeros((4, 3)), "h")), collapse="layer")
    assert {"parameter: x (4, 2) float64", "parameter: h (4, 3) float64"} <= set(nodes.values())


def test_what_is_made_in_a_layer_belongs_to_it() -> None:
    class Dropout(Module):
        def forward(self, x: Any) -> Any:
            mask = te.Value(np.array([1.0, 0.0, 1.0]), "mask", requires_grad=False)
            return x * mask / 0.5

    x = te.Value(np.ones((4, 3)), "x")
    mask = np.array([1.0, 0.0, 1.0])
    for collapse in ("layer", 1):
        nodes, _ = outline(Dropout()(x), collapse=collapse)
        assert list(nodes.values()) == [
            "parameter: x (4, 3) float64",
            "layer: dropout: multiply, divide → (4, 3) float64",
        ]
    frames = Drawing(graph(Dropout()(x)).source).frames
    assert set(frames) == {"n1", "n2", "n3", "n4"}
    # An array that comes from outside might be anything: it is drawn.
    nodes, _ = outline(Dropout()(x * mask), collapse="layer")
    assert "constant: (3,) float64" in nodes.values()


def test_a_layer_that_is_the_output_has_its_outline_twice() -> None:
    source = graph(MLP([2, 1])(np.ones((4, 2))), collapse="layer").source
    (line,) = (line for line in source.splitlines() if "layers.0" in line)
    assert "peripheries=2" in line
    assert "shape=box3d" in line


# Too many nodes


def irregular(count: int) -> te.Value:
    """`count` functions after one another in Thue's order, in which nothing repeats."""
    word = "a"
    while len(word) < count:
        word = "".join({"a": "abc", "b": "ac", "c": "b"}[letter] for letter in word)
    x: Any = te.Value(1.0, "x")
    for letter in word[:count]:
        x = {"a": np.sin, "b": np.cos, "c": np.tanh}[letter](x)
    return x  # type: ignore[no-any-return]


def test_the_nearest_nodes_are_drawn_and_the_others_counted() -> None:
    y = irregular(24)
    drawing = Drawing(graph(y, max_nodes=4).source)
    assert list(drawing.kinds.values()) == ["operation", "operation", "operation", "output", ""]
    names = [node.op.name for node in Record(y).operations if node.op]
    assert [label.split("; ")[0] for label in drawing.labels.values()][:4] == names[-4:]
    notice = drawing.labels["notice"].split("; ")
    assert notice[0] == "21 nodes are left out:"
    assert sum(map(int, re.findall(r"\d+", notice[1]))) == 21
    assert "1 parameter" in notice[1]
    assert notice[2] == "only the 4 nearest to the output are drawn (max_nodes)"
    assert [edge[:2] for edge in drawing.edges if edge[0] == "notice"] == [("notice", "n21")]
    assert "notice" not in Drawing(graph(y, max_nodes=25).source).labels
    assert "notice" in Drawing(graph(y, max_nodes=24).source).labels


def test_of_many_kinds_that_are_left_out_the_most_frequent_are_named() -> None:
    y: Any = te.Value(1.0)
    for function in (np.sin, np.cos, np.sin, np.tanh, np.exp, np.arctan, np.sinh, np.sqrt):
        y = function(y)
    label = Drawing(graph(y, max_nodes=1).source).labels["notice"]
    assert label.startswith("8 nodes are left out:; 2 sin, ")
    assert label.split("; ")[1].endswith(", 2 others")


def test_a_chain_that_is_too_long_is_folded() -> None:
    y: Any = te.Value(0.5, "x")
    for _ in range(50):
        y = np.tanh(y)
    y.backward()
    drawing = Drawing(graph(y, max_nodes=10).source)
    last, first = y.inputs[0].data, y
    while first.inputs[0].op:
        first = first.inputs[0]
    assert drawing.nodes == {
        "n0": ("parameter", f"x; value 0.5; gradient {y.inputs and drawn_grad(first):.4g}"),
        "n1": (
            "output",
            f"tanh ×50; value {first.data:.4g} … {y.data:.4g}; gradient {first.grad:.4g} … 1",
        ),
        "notice": (
            "",
            "51 nodes are more than 10 (max_nodes):; what repeats is drawn once, as ×N",
        ),
    }
    assert last > y.data
    assert [edge[:2] for edge in drawing.edges] == [("n0", "n1"), ("n1", "n1")]
    assert drawing.edges[1][2].startswith("×49 to the next one; ↑ ")
    assert len(Drawing(graph(y, max_nodes=51).source).labels) == 51


def drawn_grad(first: Any) -> float:
    """The gradient of the leaf before the first tanh."""
    return float(first.grad * (1 - first.data**2))


@pytest.mark.parametrize("length", [20_000, pytest.param(1_000_000, marks=pytest.mark.thorough)])
def test_a_very_long_chain_draws_a_summary_of_itself(length: int) -> None:
    y: Any = te.Value(1.0, "x")
    for _ in range(length):
        y = np.tanh(y)
    drawing = Drawing(graph(y).source)
    assert drawing.labels["n1"].startswith(f"tanh ×{length:,}; ")
    assert drawing.labels["notice"].startswith(f"{length + 1:,} nodes are more than 300")


def test_more_layers_than_nodes_are_wanted_collapse_by_themselves() -> None:
    loss = network(*[4] * 120)
    drawing = Drawing(graph(loss).source)
    # 119 layers of three nodes and two constants, 119 activations, x, y and the loss.
    assert drawing.labels["notice"] == (
        f"{119 * 4 + 3} nodes are more than 300 (max_nodes):; each layer is drawn as one"
    )
    assert list(drawing.kinds.values()) == [
        *("constant", "layer", "operation", "layer", "operation", "constant", "output", "")
    ]
    assert "notice" not in Drawing(graph(loss, collapse="layer").source).labels
    assert len(Drawing(graph(loss, max_nodes=1000).source).labels) == 119 * 4 + 3


def samples(count: int) -> te.Value:
    """micrograd's kind of graph: a network of single numbers, for each sample anew."""
    generator = np.random.default_rng(0)
    network = Neurons(2, 8, 8, 1)
    scores = [network(xs) for xs in generator.normal(size=(count, 2))]
    total: Any = scores[0] ** 2
    for score in scores[1:]:
        total = total + score**2
    total.backward()
    return total  # type: ignore[no-any-return]


def boxes_of(drawing: Drawing) -> list[str]:
    """What is written on layers that are drawn as one node."""
    return [label for what, label in drawing.nodes.values() if what == "layer"]


def test_a_graph_of_single_numbers_is_drawn_as_one_sample() -> None:
    loss = samples(20)
    drawing = Drawing(graph(loss).source)
    boxes = boxes_of(drawing)
    assert [re.findall(r"×([\d,]+);", box) for box in boxes] == [["20"]] * (8 + 8 + 1)
    assert boxes[0].startswith("layers.0.0 ×20; multiply ×2, add ×2, relu; 3 parameters; ")
    count = len(Record(loss).numbers)
    assert count > 20 * 200
    assert drawing.labels["notice"] == (
        f"{count:,} nodes are more than 300 (max_nodes):; each layer is drawn as one"
    )


@pytest.mark.parametrize("count", [20, pytest.param(300, marks=pytest.mark.thorough)])
def test_a_large_one_is_drawn_as_one_sample_of_one_neuron_per_layer(count: int) -> None:
    loss = samples(count)
    drawing = Drawing(graph(loss, max_nodes=50).source)
    boxes = boxes_of(drawing)
    assert [re.findall(r"×([\d,]+);", box) for box in boxes] == [
        *([f"{8 * count:,}"], [f"{8 * count:,}"], [f"{count}"])
    ]
    assert boxes[1].startswith("layers.1.0 … layers.1.7 ×")
    assert "; 72 parameters; " in boxes[1]
    assert len(drawing.labels) < 20
    assert drawing.labels["notice"].split("; ")[1:] == [
        *("each layer is drawn as one", "what repeats is drawn once, as ×N")
    ]


@pytest.mark.parametrize("count", [20, pytest.param(300, marks=pytest.mark.thorough)])
def test_without_layers_it_is_folded_all_the_same(count: int) -> None:
    with changed(scope=""):
        generator = np.random.default_rng(0)
        weights = [te.Value(w) for w in generator.normal(size=8)]
        total: Any = 0.0
        for xs in generator.normal(size=(count, 8)):
            score: Any = 0.0
            for w, x in zip(weights, xs, strict=True):
                score = score + w * x
            total = total + np.tanh(score)
    nodes, edges = outline(total)
    assert nodes == {
        "n0": "leaf: leaf ×8",
        "n1": f"constant: constant ×{8 * count:,}",
        "n2": f"operation: multiply ×{8 * count:,}",
        "n3": f"constant: constant ×{count}",
        "n4": f"operation: add ×{8 * count:,}",
        "n33": f"operation: tanh ×{count}",
        "n34": "constant: 0",
        "n35": f"output: add ×{count}",
        "notice": f": {27 * count + 9:,} nodes are more than 300 (max_nodes):",
    }
    assert "n4 n4" in edges
    assert "n35 n35" in edges


# Properties of all drawings

FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "square": lambda a, b: a * a,
    "tanh": lambda a, b: np.tanh(a),
    "scaled": lambda a, b: 0.5 * a,
    "summed": lambda a, b: a - np.mean(b) if b.ndim else a - b,
}
SCOPES = ("", "", "m", "m.layers.0", "m.layers.1", "cell")


@st.composite
def graphs(draw: st.DrawFn) -> te.Value:
    """Random graphs with fan-out, constants and scopes, some of which repeat."""
    values: list[Any] = [te.Value([0.5, -1.0], "w"), te.Value(0.7), te.Value(2.0, "c", False)]
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(sorted(FUNCTIONS)),
                st.integers(1, 4),
                st.integers(1, 4),
                st.sampled_from(SCOPES),
            ),
            min_size=1,
            max_size=6,
        )
    )
    for name, back, further, scope in steps * draw(st.integers(1, 4)):
        with changed(scope=scope), np.errstate(all="ignore"):
            a, b = values[-min(back, len(values))], values[-min(further, len(values))]
            values.append(FUNCTIONS[name](a, b))
    with np.errstate(all="ignore"):
        root = np.sum(values[-1] * values[0])
    root.backward()
    return root  # type: ignore[no-any-return]


collapses = st.sampled_from(["none", "layer", 1, 2])


def placed(folded: Folding) -> dict[int, Part]:
    """The part of each item that is drawn, by identity of nodes."""
    return {id(item): part for part in folded.parts for item in part.items}


@given(graphs(), collapses, st.sampled_from([4, 12, 1000]))
def test_every_drawn_edge_is_one_of_the_graph(root: te.Value, collapse: Any, limit: int) -> None:
    folded = folding(root, collapse, limit)
    for link in folded.links:
        for copy in link.uses:
            for use in copy:
                assert use.consumer.inputs[use.position] is use.item
                assert any(item is use.consumer for item in link.target.items)
                assert any(item is use.item for item in link.source.items)


@given(graphs(), collapses, st.sampled_from([12, 1000]))
def test_no_node_and_no_edge_is_lost(root: te.Value, collapse: Any, limit: int) -> None:
    folded = folding(root, collapse, limit)
    record = Record(root)
    drawn = [
        id(i) for p in folded.parts for i in (*p.items, *p.parameters) if kind(i) != "constant"
    ]
    assert len(drawn) == len(set(drawn))
    tracked = [n for n in (*record.operations, *record.leaves.values()) if kind(n) != "constant"]
    if folded.left_out:
        assert len(folded.parts) == limit
        assert folded.cut
        return
    assert set(drawn) == {id(node) for node in tracked}
    shown = Counter(
        (use.consumer.serial, use.position) for link in folded.links for c in link.uses for use in c
    )
    assert set(shown.values()) <= {1}
    places = placed(folded)
    for node in record.operations:
        for use in uses_by(node):
            if (node.serial, use.position) not in shown:
                home = places[id(node)]
                assert home.box
                inside = places.get(id(use.item)) is home
                own = any(use.item is parameter for parameter in home.parameters)
                assert inside or own or kind(use.item) == "constant"


@given(graphs(), collapses, st.sampled_from([1, 4, 12, 1000]))
def test_everything_that_is_drawn_leads_to_the_output(
    root: te.Value, collapse: Any, limit: int
) -> None:
    folded = folding(root, collapse, limit)
    assert any(item is root for item in folded.root.items)
    reached, queue = {folded.root}, [folded.root]
    while queue:
        part = queue.pop()
        for link in folded.links:
            if link.target is part and link.source not in reached:
                reached.add(link.source)
                queue.append(link.source)
    assert reached == set(folded.parts)


@given(graphs(), collapses, st.sampled_from([12, 1000]))
def test_messages_add_up_to_the_gradients_of_the_engine(
    root: te.Value, collapse: Any, limit: int
) -> None:
    folded = folding(root, collapse, limit)
    arrived: dict[int, list[Any]] = {}
    for link in folded.links:
        for copy in link.uses:
            if kind(copy[0].item) == "constant":
                continue
            items = list({id(use.item): use.item for use in copy}.values())
            with np.errstate(all="ignore"):
                messages = passed_back(copy)
            for item, passed in zip(items, messages, strict=True):
                arrived.setdefault(id(item), []).append(passed)
    cut = {id(item) for part in folded.cut for item in part.items}
    for part in folded.parts:
        for node in part.items:
            if kind(node) == "constant" or node is root or folded.left_out or id(node) in cut:
                continue
            if part.box and not any(node is output for output in part.outputs):
                continue
            inner = [
                use
                for other in part.items
                for use in uses_by(other)
                if part.box and use.item is node and not drawn_between(folded, use)
            ]
            with np.errstate(all="ignore"):
                total = sum([*arrived.get(id(node), []), *passed_back(inner)])
            # In another order than the engine's: what cancels leaves other roundings.
            size = rms([*arrived.get(id(node), []), node.grad])
            np.testing.assert_allclose(total, node.grad, rtol=1e-12, atol=1e-13 * size)


def drawn_between(folded: Folding, use: Any) -> bool:
    """Whether a use is one of an edge."""
    return any(
        each.consumer is use.consumer and each.position == use.position
        for link in folded.links
        for copy in link.uses
        for each in copy
    )


@given(graphs(), collapses, st.sampled_from([4, 1000]))
def test_text_and_ids_depend_on_the_computation_alone(
    root: te.Value, collapse: Any, limit: int
) -> None:
    options = {"collapse": collapse, "max_nodes": limit}
    source = graph(root, **options).source
    te.Value(1.0) + te.Value(2.0)
    assert graph(root, **options).source == source
    folded, drawing = folding(root, collapse, limit), Drawing(source)
    links = [(f"n{link.source.number}", f"n{link.target.number}") for link in folded.links]
    assert [edge[:2] for edge in drawing.edges if edge[0] != "notice"] == links
    everything = Record(root).numbers
    for name, label in drawing.labels.items():
        if name != "notice":
            assert int(name[1:]) in everything.values(), label
