"""The step-through page: that its numbers are the engine's, and that a browser shows them."""

from __future__ import annotations

import base64
import hashlib
import html as entities
import importlib.metadata
import json
import math
import re
import shutil
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

import tinygrad_edu as te
from tests.ops.user_records import restored
from tests.shares import one_in
from tinygrad_edu.activations import sigmoid
from tinygrad_edu.check.samples import apply, arguments, fixed_cases
from tinygrad_edu.draw.page.recording import Recording
from tinygrad_edu.draw.page.words import JAPANESE
from tinygrad_edu.draw.steps import Page, step_through
from tinygrad_edu.engine.context import changed
from tinygrad_edu.engine.sweep import order, start, sweep
from tinygrad_edu.errors import (
    NotTrackedError,
    OperandError,
    ShapeError,
    StaleGraphError,
    UnknownNameError,
)

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>",
    '"onload="alert(1)',
    "'><img src=x onerror=alert(1)>",
    "two\nlines\u2028of\u2029them",
    "$record ${7*7} {0} {}",
    "&lt;b&gt;&amp;",
    "back\\slash\\u003c",
    "重み<1>",
    "\ud800",
)


# Computations


def neuron() -> te.Value:
    x1 = te.Value(1.0, "x1", requires_grad=False)
    x2 = te.Value(2.0, "x2", requires_grad=False)
    y = te.Value(1.0, "y", requires_grad=False)
    w1, w2, b = te.Value(0.5, "w1"), te.Value(-0.75, "w2"), te.Value(0.25, "b")
    loss: te.Value = (sigmoid(w1 * x1 + w2 * x2 + b) - y) ** 2
    loss.name = "loss"
    return loss


def fan_out() -> te.Value:
    a, b = te.Value(2.0, "a"), te.Value(-3.0, "b")
    h = np.tanh(a * b + 5.0)
    y: te.Value = h * a + h**2 + np.maximum(a, b) / h
    return y


def network() -> te.Value:
    x, y = te.data.xor()
    model = te.nn.MLP([2, 3, 1], activation="tanh", seed=0)
    loss = te.nn.losses.mse(model(x), y)
    loss.name = "loss"
    return loss


def broadcast() -> te.Value:
    x = np.arange(12.0).reshape(4, 3) / 10 - 0.5
    b, scale = te.Value([0.1, -0.2, 0.3], "b"), te.Value(2.0, "scale")
    y: te.Value = np.sum(np.square(scale * (x + b)))
    return y


def pieces() -> te.Value:
    m, v = te.Value([[1.0, -2.0, 3.0], [0.5, 4.0, -6.0]], "m"), te.Value([2.0, -1.0, 0.5], "v")
    tall = np.concatenate([m, np.reshape(v, (1, 3)), m[1:]])
    y: te.Value = np.mean(np.where(tall > 0, tall, 0.1 * tall).T * 3.0) + np.max(v) - m[0, 1]
    return y


def deep() -> te.Value:
    y: Any = te.Value(0.5, "x")
    for _ in range(60):
        y = np.tanh(y) * 1.5
    return y  # type: ignore[no-any-return]


COMPUTATIONS = (neuron, fan_out, network, broadcast, pieces)


# Reading a page


def content(page: str) -> Any:
    """What the page's script is given."""
    (found,) = re.findall('<script type="application/json" id="record">(.*?)</script>', page, re.S)
    return json.loads(found)


def shown(recording: Recording) -> Any:
    """The same, before it is written into a page."""
    known = {"steps": recording.steps, "arrays": recording.heatmaps.arrays}
    return json.loads(json.dumps(known, allow_nan=False))


def data(item: Any, record: Any) -> Any:
    """The exact number or array of an item in a row."""
    if "array" not in item:
        return float(item["exact"])
    array = record["arrays"][item["array"]]
    shape = tuple(map(int, re.findall(r"\d+", array["shape"])))
    exact = [[float(text) for _, text, _ in row] for row in array["cells"]]
    return np.array(exact).reshape(shape)


def rows(step: Any) -> dict[str, list[Any]]:
    """The rows of a step, by their labels."""
    return {part["label"]: part["row"] for part in step["parts"] if "row" in part}


def formulas(step: Any) -> dict[str, str]:
    return {part["label"]: part["math"] for part in step["parts"] if "math" in part}


def items(row: list[Any]) -> list[Any]:
    return [item for item in row if isinstance(item, dict)]


def signs(row: list[Any]) -> str:
    return "".join(item for item in row if isinstance(item, str))


def same(found: Any, expected: Any) -> bool:
    """Whether two numbers or arrays are bit for bit the same, 0 and −0 apart."""
    return np.array_equal(np.asarray(found), np.asarray(expected, np.float64), equal_nan=True)


def recorded(value: te.Value, check: bool = False, lang: str = "en") -> Recording:
    with changed(observers=()), np.errstate(all="ignore"):
        return Recording(value, start(value, None), check, lang)


def sent_back(node: Any, position: int, gradient: Any) -> Any:
    """A message by another way: the operation alone on fresh leaves, and a sweep of its own."""
    inputs = [
        te.Value(item.data)
        if i == position
        else getattr(item, "data", item)
        if isinstance(item, te.Value)
        else item
        for i, item in enumerate(node.inputs)
    ]
    with np.errstate(all="ignore"):
        return te.grad(apply(node.op, inputs, node.options), inputs[position], gradient)[0]


# The numbers


def compare_with_the_engine(value: te.Value) -> None:
    """Every number of every step."""
    with np.errstate(all="ignore"):
        swept = list(sweep(value, start(value, None)))
    nodes = order(value)[::-1]
    recording = recorded(value)
    record, names = shown(recording), recording.names
    name = {node.serial: names[node.serial, math.inf] for node in nodes}
    steps = iter(record["steps"])

    leaves, operations = ([n for n in nodes if (n.op is None) is leaf] for leaf in (True, False))
    for node in (*leaves, *operations):
        own = items(rows(next(steps))["Value"])[-1]
        assert own["name"] == name[node.serial]
        assert same(data(own, record), node._data)

    sums: dict[int, Any] = {}
    arrived: dict[int, list[Any]] = {}
    for node, gradient in swept:
        (row, *_) = rows(next(steps)).values()
        *terms, total = items(row)
        assert total["name"] == f"∂{name[value.serial]}/∂{name[node.serial]}"
        assert same(data(total, record), gradient)
        assert len(terms) == len(arrived.get(node.serial, []))
        for term, message in zip(terms, arrived.get(node.serial, []), strict=True):
            assert same(data(term, record), message)
        for position, item in enumerate(node.inputs):
            if not isinstance(item, te.Value) or not item.requires_grad:
                continue
            expected = sent_back(node, position, gradient)
            found = rows(step := next(steps))
            assert step["target"] == recording.ids[item.serial, math.inf]
            chain = next(row for label, row in found.items() if label.startswith("Incoming"))
            assert same(data(items(chain)[0], record), gradient)
            passed = items(chain)[-1]
            for label, row in found.items():
                if label.startswith("Sum over"):
                    (passed,) = items(row)
            assert same(data(passed, record), expected)
            arrived.setdefault(item.serial, []).append(expected)
            before = sums.get(item.serial)
            sums[item.serial] = expected if before is None else before + expected
            if "×" in signs(chain):
                left, local, product = (data(each, record) for each in items(chain))
                with np.errstate(all="ignore"):
                    both = left * local
                # Of an operation that mixes entries the product was rounded in another order.
                assert np.where(np.isfinite(both), both, product) == pytest.approx(
                    product, rel=1e-14, nan_ok=True
                )
            if "Gradient before + message = gradient after" in found:
                addition = found["Gradient before + message = gradient after"]
                first, message, after = items(addition)
                assert signs(addition) == "+="
                assert first["text"] == "–" if before is None else same(data(first, record), before)
                assert same(data(message, record), expected)
                assert same(data(after, record), sums[item.serial])
    assert next(steps, None) is None
    for node, gradient in swept[1:]:
        assert same(sums[node.serial], gradient)


@pytest.mark.parametrize("compute", [*COMPUTATIONS, deep])
def test_every_number_is_the_engine_s(compute: Callable[[], te.Value]) -> None:
    compare_with_the_engine(compute())


@pytest.mark.parametrize(
    "name", one_in(4, (n for n, op in te.OPERATIONS.items() if op.differentiable))
)
def test_every_number_of_every_record_is_the_engine_s(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinygrad_edu.draw.page.heatmaps.ROWS", 1000)
    op = te.OPERATIONS[name]
    for case in fixed_cases(op):
        call = arguments(op, case, "near", seed=0)
        if all(math.prod(shape) for shape in case.shapes):
            out = apply(op, [te.Value(array) for array in call.arrays], call.options)
            weights = np.random.default_rng(1).normal(size=out.shape)
            compare_with_the_engine(np.sum(out * weights))


def test_a_neuron_is_told_in_numbers_that_a_reader_can_check() -> None:
    p = 1 / (1 + math.exp(0.75))
    slope, error = p * (1 - p), 2 * (p - 1)

    def told(x: float) -> str:
        return f"{x:.4g}".replace("-", "−")

    steps = shown(recorded(neuron()))["steps"]
    assert [step["said"] for step in steps[:10]] == [
        "w1 is given: 0.5.",
        "w2 is given: −0.75.",
        "b is given: 0.25.",
        "Compute v1 = w1 · x1: 0.5 · 1 = 0.5.",
        "Compute v2 = w2 · x2: (−0.75) · 2 = −1.5.",
        "Compute v3 = v1 + v2: 0.5 + (−1.5) = −1.",
        "Compute v4 = v3 + b: (−1) + 0.25 = −0.75.",
        f"Compute v5 = sigmoid(v4): sigmoid(−0.75) = {told(p)}.",
        f"Compute v6 = v5 − y: {told(p)} − 1 = {told(p - 1)}.",
        f"Compute loss = v6²: ({told(p - 1)})² = {told((p - 1) ** 2)}.",
    ]
    assert [step["where"] for step in (steps[0], steps[9], steps[10], steps[-1])] == [
        "Forward 1 of 10",
        "Forward 10 of 10",
        "Backward 1 of 19",
        "Backward 19 of 19",
    ]
    assert formulas(steps[7])["Definition"] == "sigmoid(v4) = 1 / (1 + exp(−v4))"
    assert steps[10]["said"] == "Backward begins: ∂loss/∂loss = 1."
    assert steps[11]["said"] == f"loss sends to v6 the message 1 × ({told(error)}) = {told(error)}."
    assert steps[12]["said"] == f"The gradient of v6 is complete: {told(error)}."
    through = next(s for s in steps[10:] if s["said"].startswith("v5 sends to v4"))
    assert through["said"].endswith(f"{told(error)} × {told(slope)} = {told(error * slope)}.")
    assert formulas(through) == {
        "Local derivative": "∂v5/∂v4 = v5 · (1 − v5)",
        "Numbers put in": f"{told(p)} · (1 − {told(p)}) = {told(slope)}",
    }
    assert formulas(next(s for s in steps if s["said"].startswith("v2 sends")))[
        "Local derivative"
    ] == ("∂v2/∂w2 = x2 = 2")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda v: v**3, "Compute v1 = v³: 1.5³ = 3.375."),
        (lambda v: v**-0.5, "Compute v1 = v^(−0.5): 1.5^(−0.5) = 0.8165."),
        (lambda v: -v, "Compute v1 = −v: −1.5 = −1.5."),
        (lambda v: 2 / v, "Compute v1 = 2 / v: 2 / 1.5 = 1.333."),
        (lambda v: 0.1 + v, "Compute v1 = 0.1 + v: 0.1 + 1.5 = 1.6."),
        (
            lambda v: np.maximum(-v, v) ** 2,
            "Compute v2 = maximum(v1, v): maximum(−1.5, 1.5) = 1.5.",
        ),
        (lambda v: np.clip(v, 0, 1), "Compute v1 = clip(v, 0, 1): clip(1.5, 0, 1) = 1."),
        (lambda v: (v * np.ones((2, 3)))[1:, 0].sum(), "Compute v2 = v1[1:, 0]: (1,) rms 1.5."),
        (lambda v: (v * np.ones(3)).mean(), "Compute v2 = mean(v1): 1.5."),
        (
            lambda v: np.sum(v * np.ones((1, 2)) @ np.ones((2, 1))),
            "Compute v2 = v1 @ c2: (1, 1) rms 3.",
        ),
    ],
)
def test_operations_are_written_as_in_a_book(
    make: Callable[[te.Value], te.Value], said: str
) -> None:
    assert said in [step["said"] for step in shown(recorded(make(te.Value(1.5, "v"))))["steps"]]


@pytest.mark.parametrize(
    ("make", "formula"),
    [
        (lambda v: np.tanh(v), "∂v1/∂v = 1 − v1²"),
        (lambda v: np.exp(v), "∂v1/∂v = v1 = 4.482"),
        (lambda v: v**3, "∂v1/∂v = 3 · v²"),
        (lambda v: 1 / v, "∂v1/∂v = −v1 / v"),
        (lambda v: v.relu(), "∂v1/∂v = 1 where v > 0, else 0"),
        (lambda v: np.maximum(v, 1), "∂v1/∂v = 1 where v > 1, else 0"),
        (lambda v: np.maximum(v, 1.5), "∂v1/∂v = 1 where v > 1.5, 1/2 where v = 1.5, else 0"),
        (
            lambda v: np.mean(v * np.ones((2, 3))),
            "message = broadcast_to(g / 6, shape=(2, 3)), g = ∂v2/∂v2",
        ),
        (
            lambda v: (v * np.ones((2, 3)))[1, 2],
            "message = scatter(g, shape=(2, 3), index=(1, 2)), g = ∂v2/∂v2",
        ),
        (lambda v: np.sum(v * np.ones((2, 3)) @ np.ones((3, 2))), "message = g @ c2ᵀ, g = ∂v3/∂v2"),
    ],
)
def test_rules_are_those_of_the_records(make: Callable[[te.Value], te.Value], formula: str) -> None:
    steps = shown(recorded(make(te.Value(1.5, "v"))))["steps"]
    found = [text for step in steps for text in formulas(step).values()]
    assert formula in found


def test_a_rule_that_cannot_be_traced_is_left_out_and_its_numbers_are_not() -> None:
    with restored():
        cube = te.define_elementwise(
            "cube",
            lambda x: x**3,
            lambda out, x: 3 * float(x) ** 2,  # a symbol is no float
            formula="{0}^3",
        )
        y = cube(te.Value(2.0, "w"))
        steps = shown(recorded(y))["steps"]
    sent = next(step for step in steps if step["said"].startswith("v1 sends"))
    assert sent["said"] == "v1 sends to w the message 1 × 12 = 12."
    assert formulas(sent) == {}


def test_names_are_distinct_and_those_of_users_come_first() -> None:
    first, again, taken = te.Value(1.0, "w"), te.Value(2.0, "w"), te.Value(3.0, "v1")
    y = (first * again + taken) * np.sum(te.Value([1.0, 2.0]) * np.array([3.0, 4.0]))
    assert sorted(name for name in recorded(y).names.values() if not name[0].isdigit()) == [
        *("c1", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "w", "w₂"),
    ]
    names = recorded(network()).names.values()
    assert {"layers.0.weight", "layers.0.bias", "layers.1.weight", "loss"} <= set(names)


def test_broadcasting_is_undone_in_so_many_words() -> None:
    x = np.array([[1.0, 2.0, 3.0]] * 10)
    b, scale = te.Value([0.0, 0.5, 1.0], "b"), te.Value(2.0, "scale")
    steps = shown(recorded(np.sum(scale * (x + b))))["steps"]
    to_b = next(step for step in steps if "sends to b" in step["said"])
    to_scale = next(step for step in steps if "sends to scale" in step["said"])
    assert to_b["said"] == "v1 sends to b the message (3,) rms 20 (summed over 10 samples)."
    assert formulas(to_b)["Sum over 10 samples, because broadcasting had repeated b"] == (
        "entry [0]: 2 + 2 + 2 + 2 + 2 + 2 + 2 + 2 + … = 20"
    )
    # 10 · (1 + 2.5 + 4) in all.
    assert to_scale["said"] == "v2 sends to scale the message 75 (summed over 30 entries)."
    assert formulas(to_scale)["Sum over 30 entries, because broadcasting had repeated scale"] == (
        "1 + 2.5 + 4 + 1 + 2.5 + 4 + 1 + 2.5 + … = 75"
    )


def test_the_line_of_code_is_the_user_s() -> None:
    def page(record: bool) -> Page:
        w = te.Value(2.0, "w")
        if not record:
            return step_through(w * 3 + 1)
        with te.record_lines():
            return step_through(w * 3 + 1)  # this very line

    codes = [
        part["code"]
        for step in content(page(True).html)["steps"]
        for part in step["parts"]
        if "code" in part
    ]
    assert len(codes) == 4  # each operation, forward and backward
    assert {re.sub(r":\d+:", ":", code) for code in codes} == {
        "test_steps.py: return step_through(w * 3 + 1) # this very line"
    }
    assert "te.record_lines()" not in page(True).html
    assert "te.record_lines()" in page(False).html


def test_nothing_of_the_user_s_is_touched() -> None:
    y = fan_out()
    y.backward()
    nodes = order(y)
    before = [node.grad for node in nodes]
    told: list[Any] = []
    with te.observe(lambda node, gradient: told.append(node)):
        step_through(y)
    assert told == []
    assert all(node.grad is grad for node, grad in zip(nodes, before, strict=True))
    for node in nodes:
        node.grad = None
    step_through(y)
    assert [node.grad for node in nodes] == [None] * len(nodes)


def test_large_arrays_are_cut_and_the_page_says_so() -> None:
    w = te.Value(np.arange(600.0).reshape(20, 30) - 100, "W")
    record = shown(recorded(np.sum(w * 0.5)))
    (item,) = rows(record["steps"][0])["Value"]
    array = record["arrays"][item["array"]]
    assert array["notes"] == ["colours: ±499", "the first 12 of 20 rows and 16 of 30 columns"]
    assert [[float(exact) for _, exact, _ in row] for row in array["cells"]] == w.data[
        :12, :16
    ].tolist()
    levels = [[level for *_, level in row] for row in array["cells"]]
    assert levels == [[round(8 * x / 499) for x in row] for row in w.data[:12, :16]]


def test_arrays_of_any_rank_and_numbers_that_are_not_finite() -> None:
    cube = te.Value(np.arange(24.0).reshape(2, 3, 4), "cube")
    odd = te.Value([math.inf, -math.inf, math.nan, -0.0], "odd")
    with np.errstate(invalid="ignore"):
        y = np.sum(cube) + np.sum(odd) + np.sum(te.Value(np.zeros((0, 3))))
    record = shown(recorded(y))
    arrays = {array["shape"]: array for array in reversed(record["arrays"])}
    assert arrays["(2, 3, 4)"]["rows"] == ["0, 0", "0, 1", "0, 2", "1, 0", "1, 1", "1, 2"]
    assert arrays["(2, 3, 4)"]["columns"] == ["0", "1", "2", "3"]
    assert arrays["(4,)"]["cells"][0][:3] == [
        ["inf", "inf", None],
        ["−inf", "-inf", None],
        ["nan", "nan", None],
    ]
    assert arrays["(0, 3)"]["cells"] == []


# Finite differences


def checks(value: te.Value) -> dict[str, Any]:
    """The check of each leaf, by its name."""
    record = shown(recorded(value, check=True))
    found = {}
    for step in record["steps"]:
        for part in step["parts"]:
            if part["label"] == "Finite differences":
                (row, *_) = rows(step).values()
                name = items(row)[-1]["name"].rpartition("∂")[2]
                found[name] = {**part, "said": step["said"], "arrays": record["arrays"]}
    return found


def agreeing(part: Any) -> int:
    (digits,) = re.findall(r"agree in (\d+) digits", part["said"])
    return int(digits)


@pytest.mark.parametrize("compute", COMPUTATIONS)
def test_correct_gradients_agree_with_finite_differences(compute: Callable[[], te.Value]) -> None:
    value = compute()
    found = checks(value)
    leaves = [node for node in order(value) if node.op is None]
    assert len(found) == len(leaves)
    for part in found.values():
        assert part["verdict"] == "correct"
        assert agreeing(part) >= 8


def test_finite_differences_are_derivatives_and_not_the_engine_s_gradients() -> None:
    w = te.Value([0.5, -1.25, 3.0], "w")
    (part,) = checks(np.sum(np.sin(w))).values()
    gradient, difference = (data(item, part) for item in items(part["row"]))
    assert np.allclose(difference, np.cos(w.data), rtol=1e-10)
    assert np.array_equal(gradient, np.cos(w.data))
    assert part["notes"] == [f"All 3 entries agree in {agreeing(part)} digits of the largest."]


def test_a_wrong_record_is_found_out() -> None:
    with restored():
        wrong = te.define_elementwise(
            "wrong_square", lambda x: x * x, lambda out, x: 3 * x, formula="{0}^2"
        )
        y = np.sum(wrong(te.Value([1.0, 2.0], "w"))) + te.Value(2.0, "fine") * 3
        found = checks(y)
        page = step_through(y).html
    assert found["fine"]["verdict"] == "correct"
    part = found["w"]
    assert part["verdict"] == "wrong"
    assert part["said"].endswith("Finite differences differ.")
    assert part["notes"] == ["They differ: a rule on the way may be wrong."]
    gradients, slopes, worst, slope = (data(item, part) for item in items(part["row"]))
    assert gradients.tolist() == [3.0, 6.0]
    assert slopes == pytest.approx([2.0, 4.0], rel=1e-9)
    assert (worst, slope) == pytest.approx((6.0, 4.0), rel=1e-9)
    assert items(part["row"])[2]["name"] == "entry [1]: gradient"
    assert '"verdict":"wrong"' in page


def test_kinks_stand_ins_and_single_precision_are_told_apart_from_mistakes() -> None:
    (kink,) = checks(te.Value(0.0, "w").relu() * 2).values()
    assert kink["verdict"] == "kink"
    assert kink["notes"][0] == (
        "A corner: the slopes on its two sides are 0 and 2; the gradient lies between them."
    )
    (both,) = checks(np.sum(te.Value([1.0, 0.0], "w").relu())).values()
    assert both["verdict"] == "kink"
    assert [data(item, both) for item in items(both["row"])[2:]] == pytest.approx([0, 0, 1])
    (stand_in,) = checks(te.OPERATIONS["step"](te.Value(0.3, "w")) * 2).values()
    assert stand_in["verdict"] == "wrong"
    assert stand_in["said"].endswith("Finite differences differ on purpose.")
    assert stand_in["notes"] == ["step passes on a stand-in for its derivative."]
    single = te.Value(np.array([1.0, 2.0], np.float32), "w")
    (part,) = checks(np.sum(np.tanh(single * 0.3))).values()
    assert part["verdict"] == "correct"
    assert 5 <= agreeing(part) <= 8
    assert part["notes"][1] == ("The graph is in float32; the differences were taken in float64.")
    (zero,) = checks(te.Value(1.0, "w") * 0).values()
    assert (zero["verdict"], zero["notes"]) == ("correct", ["Both are zero."])
    (vertical,) = checks(te.Value(0.0, "w").sqrt() * 2).values()
    assert vertical["verdict"] == "inconclusive"
    assert vertical["said"].endswith("Finite differences cannot tell.")
    assert vertical["notes"] == [
        "They cannot tell: the slope is lost in rounding, or the function jumps here."
    ]
    (unchecked,) = checks(te.Value(math.inf, "w") * 2).values()
    assert unchecked["verdict"] == "none"
    assert unchecked["notes"] == ["Not checked: the numbers are not finite."]


def test_of_a_large_leaf_a_sample_is_checked() -> None:
    w = te.Value(np.linspace(-1, 1, 100).reshape(10, 10), "w")
    (part,) = checks(np.sum(w**3)).values()
    assert part["notes"] == [
        "16 of 100 entries, drawn at random (seed 0), agree in "
        f"{agreeing(part)} digits of the largest."
    ]
    gradient, difference = items(part["row"])
    index = tuple(map(int, re.findall(r"\d+", gradient["name"])))
    assert data(gradient, part) == 3 * w.data[index] ** 2
    assert data(difference, part) == pytest.approx(3 * w.data[index] ** 2, rel=1e-8)


def test_constants_stay_as_they_were() -> None:
    w = te.Value(3.0, "w")
    (part,) = checks(w * w.detach()).values()  # by w alone: 3, not 6
    gradient, difference = (data(item, part) for item in items(part["row"]))
    assert gradient == 3
    assert difference == pytest.approx(3, rel=1e-10)


def test_checks_can_be_left_out() -> None:
    assert "Finite" not in step_through(fan_out(), check=False).html
    assert "Finite differences" in step_through(fan_out()).html


# The page


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text in them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.text: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        if self.tags:
            self.text.setdefault(self.tags[-1], []).append(data)

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] or "" for attributes in self.attributes if "id" in attributes]


@pytest.fixture(params=["dot", "graphviz-pure", "none"])
def renderer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way to draw the graph in turn: one program, the other, and a list without either."""
    if request.param == "dot":
        if shutil.which("dot") is None:
            pytest.skip("Graphviz is not installed: its third needs `dot` (2026-11-22)")
        return "dot"

    def missing(name: str) -> NoReturn:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setenv("PATH", "")
    if request.param == "none":
        monkeypatch.setattr(importlib.metadata, "files", missing)
    return str(request.param)


def test_every_node_and_message_has_its_place_in_the_drawing(renderer: str) -> None:
    page = step_through(network()).html
    record, elements = content(page), Elements(page)
    assert ("svg" in elements.tags) == (renderer != "none" or "button" in elements.tags)
    assert ("ol" in elements.tags) == (renderer == "none")
    assert len(set(elements.ids)) == len(elements.ids)
    assert set(record["known"]) <= set(elements.ids)
    assert set(record["complete"]) <= set(record["known"])
    for step in record["steps"]:
        assert {step["node"], step.get("target"), step.get("edge")} <= {*record["known"], None}
    # A text is shown from the step on that makes it known.
    first, last = (record["known"][step["edge"]] for step in record["steps"] if "edge" in step), 0
    for known in first:
        assert "sends" in record["steps"][known]["said"]
        assert known > last
        last = known
    for text in ("value 0.7899", "layers.0.bias", "loss = mse(v3, c2)", "c1 (4, 2)"):
        assert text in page


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_and_inject_nothing(name: str, renderer: str) -> None:
    def drawn(name: str) -> str:
        w, x = te.Value(1.0, name), te.Value(2.0, name, requires_grad=False)
        y: Any = np.tanh(w) * x
        y.name = name
        return step_through(y, title=name).html

    harmless, hostile = drawn("w"), drawn(name)
    plain, sly = Elements(harmless), Elements(hostile)
    assert [t for t in sly.tags if t != "path"] == [t for t in plain.tags if t != "path"]
    assert sly.ids == plain.ids
    names = [sorted(attributes) for attributes in sly.attributes]
    assert names == [sorted(attributes) for attributes in plain.attributes]
    first, other = content(hostile)["steps"], content(harmless)["steps"]
    assert len(first) == len(other)
    line = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(name.split()))
    said = line if len(line) <= 24 else f"{line[:23]}…"
    assert first[0]["said"] == f"{said} is given: 1."
    assert entities.unescape(re.findall("<title>(.*?)</title>", hostile)[0]) == line
    hostile.encode()


def test_the_page_needs_nothing_and_may_do_nothing(renderer: str) -> None:
    for lang in ("en", "ja"):
        page = step_through(fan_out(), lang=lang).html
        assert "://" not in page
        assert "@import" not in page
        assert set(re.findall(r"url\(([a-z]*:)", page)) <= {"data:"}
        elements = Elements(page)
        assert not {"link", "img", "iframe", "object", "base", "form", "a"} & set(elements.tags)
        for attributes in elements.attributes:
            assert not {"src", "href", "style", "srcset", "action"} & set(attributes)
            assert not any(key.startswith("on") for key in attributes)
        (policy,) = (a["content"] for a in elements.attributes if "http-equiv" in a)
        assert policy is not None
        assert policy.startswith("default-src 'none'; ")
        for kind, directive in (("style", "style-src"), ("script", "script-src")):
            (text,) = re.findall(f"<{kind}>(.*?)</{kind}>", page, re.S)
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{directive} 'sha256-{digest}'" in policy


def test_the_same_computation_gives_the_same_bytes(renderer: str) -> None:
    for compute in COMPUTATIONS:
        assert step_through(compute()).html == step_through(compute()).html


def test_japanese_pages_say_all_and_hold_no_english(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = set()

    class Listening(dict[str, str]):
        def __getitem__(self, key: str) -> str:
            heard.add(key)
            return super().__getitem__(key)

    monkeypatch.setattr("tinygrad_edu.draw.page.words.JAPANESE", Listening(JAPANESE))
    with restored():
        wrong = te.define_elementwise("w_sq", lambda x: x * x, lambda o, x: 3 * x, formula="{0}")
        tie = np.maximum(te.Value(1.5, "m"), 1.5)
        large, zeros = te.Value(np.ones((20, 30)), "l"), te.Value(np.zeros(3), "z")
        swish = te.OPERATIONS["swish"](te.Value(0.5, "h"), te.Value(1.5, "beta"))
        single = te.Value(np.float32(1.5), "s").astype(np.float64)
        unnamed = te.Value(2.0) * wrong(te.Value(2.0, "d"))
        step = te.OPERATIONS["step"](te.Value(0.3, "t"))
        infinite = 1 / te.Value(math.inf, "i")
        with te.record_lines():
            used_twice = fan_out()
        values = [
            used_twice,
            neuron(),
            network(),
            broadcast(),
            np.sum(large) + tie + np.sum(zeros * 0) + swish + single + unnamed + step + infinite,
            te.Value(1.0, "z") * 0,
            np.sqrt(te.Value(0.0, "edge")),
        ]
        pages = [step_through(value, lang="ja").html for value in values]
    assert heard == set(JAPANESE)
    known = {"loss", "layers", "weight", "bias", "scale", "beta", "step", "rms"}  # names
    known |= {"edge", "shape", "dtype", "float", "axis", "inf", "nan"}
    for page in pages:
        assert '<html lang="ja">' in page
        assert "@font-face" in page
        for step in content(page)["steps"]:
            texts = [step["said"], step["where"]]
            for part in step["parts"]:
                texts += [part["label"], part.get("math", ""), *part.get("notes", ())]
                texts += [item["name"] for item in items(part.get("row", []))]
            assert set(re.findall(r"\b[A-Za-z_]{3,}\b(?!\()", " ".join(texts))) <= known


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    page = step_through(neuron(), tmp_path / "steps.HTML", title="One <neuron>")
    assert (tmp_path / "steps.HTML").read_text(encoding="utf-8") == page.html
    assert "<h1>One &lt;neuron&gt;</h1>" in page.html
    page.save(str(tmp_path / "again.html"))
    assert (tmp_path / "again.html").read_bytes() == page.html.encode()
    for write in (
        lambda: step_through(neuron(), tmp_path / "missing" / "steps.html"),
        lambda: page.save(tmp_path / "missing" / "steps.html"),
    ):
        with pytest.raises(FileNotFoundError):
            write()
    for name in ("steps.htm", "steps", "steps.svg"):
        with pytest.raises(UnknownNameError, match=r"end its name in \.html"):
            step_through(neuron(), tmp_path / name)
        with pytest.raises(UnknownNameError, match=r"end its name in \.html"):
            page.save(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.html", "steps.HTML"]


def test_in_a_notebook_the_page_stands_in_a_frame_of_its_own() -> None:
    frame = step_through(neuron(), title='"quoted"')._repr_html_()
    elements = Elements(frame)
    assert elements.tags == ["iframe"]
    (attributes,) = elements.attributes
    assert attributes["srcdoc"] == step_through(neuron(), title='"quoted"').html
    assert attributes["sandbox"] == "allow-scripts"


def test_bad_input_says_what_to_write() -> None:
    with pytest.raises(OperandError, match=r"te\.Value, not float"):
        step_through(1.5)  # type: ignore[arg-type]
    with pytest.raises(NotTrackedError, match=r"wrap an input with te\.Value"):
        step_through(te.Value(1.0, requires_grad=False))
    with pytest.raises(ShapeError, match=r"\.sum\(\) or \.mean\(\)"):
        step_through(te.Value([1.0, 2.0]) * 2)
    with pytest.raises(UnknownNameError, match="lang='ja'"):
        step_through(neuron(), lang="fr")
    w = te.Value(1.0, "w")
    y = w * 2
    w.data = 5.0
    with pytest.raises(StaleGraphError, match="'w'"):
        step_through(y)


def test_a_single_leaf_has_two_steps() -> None:
    steps = content(step_through(te.Value([3.0], "w")).html)["steps"]
    assert [step["said"] for step in steps] == [
        "w is given: (1,) rms 3.",
        "Backward begins: ∂w/∂w = 1. Finite differences agree in 15 digits.",
    ]


@pytest.mark.parametrize("length", [300, 100_000])
def test_a_graph_that_nobody_would_step_through_is_refused(length: int) -> None:
    y: Any = te.Value(1.0, "x")
    for _ in range(length):
        y = np.tanh(y)
    with pytest.raises(OperandError, match=f"{length + 1:,} nodes.* a single sample"):
        step_through(y)
    assert content(step_through(deep()).html)["complete"]


# The browser

SIZES = ((1280, 800), (800, 600), (390, 844))
OVERLAPS = """() => {
  const boxes = [];
  const frames = new Map([[document.documentElement, [0, 0, innerWidth, innerHeight]]]);
  const cut = (a, b) => [
    Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3]),
  ];
  const sides = (rect) => [rect.left, rect.top, rect.right, rect.bottom];
  const frame = (element) => {
    if (!frames.has(element)) {
      const outer = frame(element.parentElement);
      const open = getComputedStyle(element).overflowX === "visible";
      frames.set(element, open ? outer : cut(outer, sides(element.getBoundingClientRect())));
    }
    return frames.get(element);
  };
  const add = (text, element, rect) => {
    const box = cut(sides(rect), frame(element));
    if (box[2] - box[0] > 1 && box[3] - box[1] > 1) boxes.push([text.trim(), ...box]);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("script, template, select, .unseen")) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest("svg")) {
      add(node.data, element, element.getBoundingClientRect());
      continue;
    }
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) add(node.data, element, rect);
  }
  return boxes;
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("playwright is not installed: no browser shows the page (2026-11-22)")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed: no browser shows the page (2026-11-22)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


class Shown:
    """A page in the browser, and all that it asked for or complained about."""

    def __init__(self, chromium: Any, path: Path, size: tuple[int, int], scheme: str) -> None:
        width, height = size
        self.context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.address = path.as_uri()
        self.page.goto(self.address)
        self.page.evaluate("document.fonts.ready")

    def __enter__(self) -> Shown:
        return self

    def __exit__(self, *error: object) -> None:
        self.context.close()
        if error[0] is None:
            assert self.complaints == []
            assert [url for url in self.requests if not url.startswith("data:")] == [self.address]

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector)).strip()


@pytest.fixture
def opened(chromium: Any, tmp_path: Path) -> Callable[..., Shown]:
    """Opens the page of a computation."""

    def opened(
        value: te.Value, size: tuple[int, int] = SIZES[0], lang: str = "en", scheme: str = "light"
    ) -> Shown:
        step_through(value, tmp_path / "steps.html", lang=lang)
        return Shown(chromium, tmp_path / "steps.html", size, scheme)

    return opened


SEEN = """() => {
  const all = (selector, read) => [...document.querySelectorAll(selector)].map(read);
  const texts = (selector) => all(selector, (element) => element.textContent);
  const ids = (selector) => all(selector, (element) => element.id).sort();
  return {
    said: texts("#said"), where: texts("#where"), at: all("#scrub", (e) => e.value),
    labels: texts("#parts h3"), math: texts("#parts .math"), code: texts("#parts pre"),
    notes: texts("#parts .note"), numbers: texts("#parts data"),
    digits: all("#parts data", (e) => e.value), cells: texts("#parts td"),
    titles: all("#parts td", (e) => e.title.split(" = ")[1]),
    known: ids(".known"), complete: ids(".complete"), here: ids(".here"), there: ids(".there"),
  };
}"""


def looks_like(shown: Shown, record: Any, at: int) -> None:
    """The page shows step `at` with the numbers of the record, and nothing that is not known."""
    step = record["steps"][at]
    parts = step["parts"]
    quantities = [item for part in parts for item in items(part.get("row", []))]
    scalars = [item for item in quantities if "array" not in item]
    arrays = [record["arrays"][item["array"]] for item in quantities if "array" in item]
    cells = [cell for array in arrays for row in array["cells"] for cell in row]
    assert shown.page.evaluate(SEEN) == {
        "said": [step["said"]],
        "where": [step["where"]],
        "at": [str(at)],
        "labels": [part["label"] for part in parts],
        "math": [part["math"] for part in parts if "math" in part],
        "code": [part["code"] for part in parts if "code" in part],
        "notes": [note for part in parts for note in part.get("notes", ())],
        "numbers": [item["text"] for item in scalars],
        "digits": [item.get("exact", "") for item in scalars],
        "cells": [text for text, _, _ in cells],
        "titles": [exact for _, exact, _ in cells],
        "known": sorted(each for each, since in record["known"].items() if since <= at),
        "complete": sorted(each for each, since in record["complete"].items() if since <= at),
        "here": sorted(filter(None, [step["node"], step.get("edge")])),
        "there": list(filter(None, [step.get("target")])),
    }


@pytest.mark.parametrize("compute", one_in(2, [neuron, fan_out, network, broadcast], first=1))
def test_the_browser_shows_each_step_as_recorded(
    compute: Callable[[], te.Value], opened: Callable[..., Shown]
) -> None:
    with te.record_lines():
        value = compute()
    record = content(step_through(value).html)
    with opened(value) as shown:
        for at in range(len(record["steps"])):
            looks_like(shown, record, at)
            shown.page.keyboard.press("ArrowRight")
        looks_like(shown, record, len(record["steps"]) - 1)  # the last one stays


def test_without_a_renderer_the_browser_shows_a_list(
    opened: Callable[..., Shown], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> NoReturn:
        raise importlib.metadata.PackageNotFoundError(name)

    value = fan_out()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "")
        patch.setattr(importlib.metadata, "files", missing)
        shown = opened(value)
        record = content(step_through(value).html)
    with shown:
        assert shown.page.locator(".listed .node").count() == 12
        for at in range(len(record["steps"])):
            looks_like(shown, record, at)
            shown.page.keyboard.press("ArrowRight")


def test_keys_buttons_and_the_slider_go_where_they_say(opened: Callable[..., Shown]) -> None:
    value = neuron()
    record = content(step_through(value).html)
    last = len(record["steps"]) - 1
    with opened(value) as shown:
        press = shown.page.keyboard.press
        for key, at in (
            ("ArrowLeft", 0),
            ("ArrowRight", 1),
            ("ArrowRight", 2),
            ("ArrowLeft", 1),
            ("End", last),
            ("ArrowRight", last),
            ("Home", 0),
        ):
            press(key)
            looks_like(shown, record, at)
        for button, at in (("forth", 1), ("final", last), ("back", last - 1), ("first", 0)):
            shown.page.click(f"#{button}")
            looks_like(shown, record, at)
        shown.page.focus("#scrub")
        for key, at in (("ArrowRight", 1), ("End", last), ("ArrowLeft", last - 1), ("Home", 0)):
            press(key)
            looks_like(shown, record, at)
        assert shown.page.get_attribute("#scrub", "aria-valuetext") == record["steps"][0]["where"]
        w2 = next(s for s in record["steps"] if s["said"].startswith("w2 is given"))["node"]
        shown.page.click(f"#{w2} .heading")
        looks_like(shown, record, record["known"][w2])
        press("End")
        shown.page.click(f"#{w2} .heading")
        looks_like(shown, record, record["complete"][w2])


def test_space_plays_and_pauses_at_the_chosen_speed(opened: Callable[..., Shown]) -> None:
    value = neuron()
    record = content(step_through(value).html)
    last = len(record["steps"]) - 1
    with opened(value) as shown:
        page = shown.page
        page.clock.install()
        page.clock.pause_at(page.evaluate("Date.now()") + 1000)
        assert shown.text("#play") == "Play"
        page.keyboard.press("Space")
        assert shown.text("#play") == "Pause"
        looks_like(shown, record, 0)
        page.clock.run_for(2100)
        looks_like(shown, record, 1)
        page.clock.run_for(4000)
        looks_like(shown, record, 3)
        page.keyboard.press("Space")
        assert shown.text("#play") == "Play"
        page.clock.run_for(10_000)
        looks_like(shown, record, 3)
        page.select_option("#speed", label="× 5")
        page.click("#play")
        page.clock.run_for(1300)
        looks_like(shown, record, 6)
        page.focus(".step")
        page.keyboard.press("ArrowRight")  # going by hand stops it
        page.clock.run_for(10_000)
        looks_like(shown, record, 7)
        page.keyboard.press("Space")
        page.clock.run_for(60_000)
        looks_like(shown, record, last)
        assert shown.text("#play") == "Play"
        page.keyboard.press("Space")  # from the beginning
        looks_like(shown, record, 0)


def test_cells_say_all_their_digits_to_pointer_and_keys(opened: Callable[..., Shown]) -> None:
    w = te.Value([[0.1, -0.2], [1 / 3, 4.0]], "w")
    with opened(np.sum(w * 3)) as shown:
        page = shown.page
        assert shown.text("#said") == "w is given: (2, 2) rms 2.01."
        page.hover("#parts td >> nth=2")
        assert shown.text("#parts output") == "w [1, 0] = 0.3333333333333333"
        page.mouse.move(0, 0)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        page.focus("#parts .heat")
        for key, text in (
            ("ArrowDown", "w [0, 0] = 0.1"),
            ("ArrowRight", "w [0, 1] = -0.2"),
            ("ArrowDown", "w [1, 1] = 4.0"),
            ("ArrowDown", "w [1, 1] = 4.0"),
        ):
            page.keyboard.press(key)
            assert shown.text("#parts output") == text
        assert shown.page.input_value("#scrub") == "0"  # these keys were for the cells


def test_it_is_said_aloud_and_has_names(opened: Callable[..., Shown]) -> None:
    with opened(neuron()) as shown:
        page = shown.page
        status = page.locator("[role=status][aria-live=polite]")
        assert "w1 is given" in status.inner_text()
        page.keyboard.press("ArrowRight")
        assert "w2 is given" in status.inner_text()
        for name in ("first step", "one step back", "Play", "one step on", "last step"):
            assert page.get_by_role("button", name=name, exact=True).count() == 1
        assert page.get_by_role("slider", name="step").count() == 1
        assert page.get_by_role("combobox", name="speed").count() == 1
        assert page.get_by_role("img", name="Step by step through the chain rule").count() == 1


def outline(shown: Shown, name: str) -> tuple[float, str]:
    """How a node is outlined: thickness and dashes."""
    width, dashes = shown.page.evaluate(
        "s => { const c = getComputedStyle(document.querySelector(s));"
        " return [parseFloat(c.strokeWidth), c.strokeDasharray]; }",
        f"#{name} > :is(path, polygon)",
    )
    return width, dashes


def test_what_a_step_is_about_differs_in_more_than_colour(opened: Callable[..., Shown]) -> None:
    value = neuron()
    record = content(step_through(value).html)
    at, step = next((i, s) for i, s in enumerate(record["steps"]) if "edge" in s)
    other = next(n for n in record["complete"] if n not in (step["node"], step["target"]))
    with opened(value) as shown:
        for _ in range(at):
            shown.page.keyboard.press("ArrowRight")
        thin, _ = outline(shown, other)
        thick, solid = outline(shown, step["node"])
        also_thick, dashed = outline(shown, step["target"])
        arrow, _ = outline(shown, step["edge"])
        assert min(thick, also_thick, arrow) >= 2 * thin
        assert solid == "none"
        assert dashed != "none"


def problems(shown: Shown) -> list[str]:
    """What a reader could not read, or would have to look for sideways."""
    page = shown.page
    found = page.evaluate(
        "[['page', document.documentElement], ['step', document.querySelector('.step')]]"
        ".filter(([, e]) => e.scrollWidth > e.clientWidth).map(([name]) => `${name} is too wide`)"
    )
    if page.evaluate("document.documentElement.scrollHeight > innerHeight"):
        found.append("the page is too high")
    for (one, *a), (other, *b) in combinations(page.evaluate(OVERLAPS), 2):
        width = min(a[2], b[2]) - max(a[0], b[0])
        height = min(a[3], b[3]) - max(a[1], b[1])
        # Lines of text share a little of the room above and below their letters.
        if width > 1 and height > 0.3 * min(a[3] - a[1], b[3] - b[1]):
            found.append(f"{one!r} overlaps {other!r}")
    return [str(each) for each in found]


@pytest.mark.parametrize("size", one_in(3, SIZES))
@pytest.mark.parametrize(
    ("compute", "lang", "scheme"),
    [(network, "en", "light"), (fan_out, "ja", "dark"), (broadcast, "ja", "light")],
)
def test_nothing_is_cut_off_or_covered(
    size: tuple[int, int],
    compute: Callable[[], te.Value],
    lang: str,
    scheme: str,
    opened: Callable[..., Shown],
) -> None:
    value = compute()
    count = len(content(step_through(value).html)["steps"])
    with opened(value, size, lang, scheme) as shown:
        # Every third step, others in each size.
        for at in range(count):
            if at % len(SIZES) == SIZES.index(size):
                assert problems(shown) == [], at
            shown.page.keyboard.press("ArrowRight")
        shown.page.check("#whole")
        shown.page.keyboard.press("End")
        assert shown.page.evaluate(
            "(() => { const p = document.querySelector('.picture');"
            " return p.scrollWidth <= p.clientWidth && p.scrollHeight <= p.clientHeight; })()"
        )
