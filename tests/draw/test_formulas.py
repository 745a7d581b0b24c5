"""Graphs as formulas and as text: the formula means the graph, its derivative the gradient."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.draw.formulas import expression, latex, tree
from tinygrad_edu.engine.expression import Formula
from tinygrad_edu.errors import OperandError, StaleGraphError, UnknownNameError

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value
NAMES: dict[str, Any] = dict(te.OPERATIONS) | {"pi": np.pi}
NAMES |= {name: getattr(np, name) for name in ("tanh", "exp", "log", "sin", "cos", "sqrt", "abs")}
NAMES |= {"maximum": np.maximum, "where": np.where}


def worth(formula: Formula, **names: Any) -> Any:
    """A formula evaluated as the Python that it is."""
    known = {**NAMES, "selected": lambda a, b: 1.0 * te.OPERATIONS["selected"](a, b), **names}

    def value(text: str) -> Any:
        # A condition counts as 1 or 0 in a formula, while NumPy adds no truth values.
        text = re.sub(r"\(([^(),]+ [<>]=? [^(),]+)\)", r"(1.0 * (\1))", text)
        return eval(text, {"__builtins__": {}}, known)

    for letter, text, _ in formula.where:
        known[letter] = value(text)
    return value(formula.text)


FUNCTIONS: dict[str, Any] = {
    "polynomial": lambda x, y: x * x * y - 3 * x + y / 2,
    "quotient": lambda x, y: (x - (y - 1)) / (x * y),
    "neuron": lambda x, y: te.activations.sigmoid(x * y + 0.5) ** 2,
    "logarithm": lambda x, y: np.log(x) * np.exp(-y) - np.sqrt(x * y),
    "fan-out": lambda x, y: np.tanh(x * y) * np.tanh(x * y) + x * y,
    "pieces": lambda x, y: te.activations.relu(x - y) + np.maximum(x, y) + abs(x - 2),
    "powers": lambda x, y: (-x) ** 2 - (x**2) ** y + x ** (y**2),
    "gates": lambda x, y: te.activations.mish(x) * te.activations.gelu(y),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("point", [(0.7, 1.3), (1.9, 0.4), (2.5, 2.25)])
def test_the_formula_is_the_function_and_its_derivative_the_gradient(
    name: str, point: tuple[float, float]
) -> None:
    x, y = Value(point[0], name="x"), Value(point[1], name="y")
    out = FUNCTIONS[name](x, y)
    values = {"x": x.data, "y": y.data}
    np.testing.assert_allclose(worth(expression(out), **values), out.data, rtol=1e-13)
    for leaf, wanted in zip((x, y), te.grad(out, (x, y)), strict=True):
        np.testing.assert_allclose(worth(expression(out, leaf), **values), wanted, rtol=1e-12)


def test_what_is_0_or_1_or_twice_negative_is_not_written() -> None:
    x, y = Value(2.0, name="x"), Value(3.0, name="y")
    assert expression(x * 1 + 0).text == "x"
    assert expression(-np.negative(x)).text == "x"
    assert expression(x - (-y)).text == "x + y"
    assert expression(-x * -y).text == "x * y"
    assert expression(0 * x).text == "0"
    assert expression(x / 1).text == expression(x**1).text == "x"
    assert expression(3 * x + y, x).text == "3"
    assert expression(np.sin(x), x).text == "cos(x)"
    assert expression(np.cos(x), x).text == "-sin(x)"
    assert expression(x + y, Value(1.0, name="z")).text == "0"


def test_latex_is_typeset_as_a_textbook_has_it() -> None:
    x, w, b = (Value(1.0, name=name) for name in "xwb")
    y = te.activations.sigmoid(w * x + b)
    assert latex(y) == r"\sigma\left(w \cdot x + b\right)"
    assert latex(y, b) == (
        r"\sigma\left(u\right) \cdot \left(1 - \sigma\left(u\right)\right) "
        r"\quad\text{where } u = w \cdot x + b"
    )
    assert latex((x + 1) / w) == r"\frac{x + 1}{w}"
    assert latex((x + 1) ** 2) == r"{\left(x + 1\right)}^{2}"


def test_depth_leaves_what_is_further_away_as_a_letter() -> None:
    x = Value(0.5, name="x")
    z = np.tanh(x * x)
    z.name = "z"
    y = np.exp(np.sin(z) + x)
    assert expression(y, depth=3).text == "exp(sin(z) + x)"
    assert expression(y, depth=1).text == "exp(u)"
    assert expression(y).text == "exp(sin(tanh(x ** 2)) + x)"


def test_a_formula_that_is_too_long_says_what_to_do() -> None:
    x = Value(0.5, name="x")
    y = x
    for _ in range(2000):
        y = np.sin(y) + x
    with pytest.raises(OperandError, match="depth="):
        latex(y)
    assert expression(y, depth=2).text == "sin(u) + x"


@pytest.mark.parametrize("call", [expression, latex, tree])
def test_only_values_have_formulas(call: Any) -> None:
    with pytest.raises(OperandError, match=r"te\.Value, not float"):
        call(1.0)


def test_a_name_injects_no_latex() -> None:
    x = Value(1.0, name=r"\input{evil}$")
    assert "\\input" not in latex(x * 2)
    assert "$" not in latex(x * 2)


def test_the_tree_shows_each_node_once_with_value_and_gradient() -> None:
    x, w = Value(2.0, name="x"), Value(-3.0, name="w")
    z = w * x
    y = np.tanh(z) * z
    assert tree(y).split("\n") == [
        "#1 multiply   value 6   gradient –",
        "├─ #2 tanh   value -1   gradient –",
        "│  └─ #3 multiply   value -6   gradient –",
        "│     ├─ w   value -3   gradient –",
        "│     └─ x   value 2   gradient –",
        "└─ #3 (above)",
    ]
    (y + 0).backward()
    assert "x   value 2   gradient" in tree(y)
    assert "–" not in tree(y)


def test_a_large_graph_is_cut_and_does_not_recurse() -> None:
    x = Value(0.5, name="x")
    y = x
    for _ in range(100_000):
        y = y + x
    start = time.perf_counter()
    lines = tree(y, max_lines=50).split("\n")
    assert len(lines) == 51
    assert lines[-1] == "… more than 50 lines; max_lines= shows more"
    assert time.perf_counter() - start < 5


def test_old_results_are_not_shown_above_new_data() -> None:
    weight = te.Value(2.0, name="weight")
    loss = weight * weight + 1.0
    weight.data = 3.0
    with pytest.raises(StaleGraphError, match="weight"):
        tree(loss)
    assert "value 10" in tree(weight * weight + 1.0)


def test_the_tree_speaks_japanese_too() -> None:
    x = te.Value(2.0, name="x")
    y = x * x
    y.backward()
    shared = y + y
    said = tree(shared, lang="ja")
    assert "x   値 2   勾配 4" in said
    assert "（上に記載）" in said
    assert not re.search("value|gradient|above", said)
    assert tree(shared, lang="ja", max_lines=1).endswith("… 1 行より先は省略（max_lines= で変更）")
    with pytest.raises(UnknownNameError, match="unknown language"):
        tree(y, lang="fr")
