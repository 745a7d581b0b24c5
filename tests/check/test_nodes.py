from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import tinygrad_edu as te
from tinygrad_edu.check.drawing import programs
from tinygrad_edu.check.nodes import nodes
from tinygrad_edu.check.programs import Program
from tinygrad_edu.engine.operation import OPERATIONS
from tinygrad_edu.errors import NotTrackedError, StaleGraphError


@pytest.fixture(autouse=True)
def _only_here() -> Iterator[None]:
    before = set(OPERATIONS)
    yield
    for name in set(OPERATIONS) - before:
        del OPERATIONS[name]


def guilty(root: te.Value, **options: Any) -> set[str]:
    """The nodes that are not ok."""
    report = nodes(root, **options)
    return {entry.name.split(" by ")[0] for entry in report.entries if not entry.verdict.ok}


def wrong_tanh() -> Any:
    """tanh with a slope that is 1e-6 too large."""
    return te.define_elementwise(
        "wrong_tanh", np.tanh, lambda out, x: (1 - out * out) * (1 + 1e-6), formula="w({0})"
    )


def test_the_guilty_operation_alone_is_named() -> None:
    wrong = wrong_tanh()
    x = te.Value(np.array([[0.5, -1.0, 2.0]]), name="x")
    weight = te.Value(np.array([[1.0, 0.5], [-0.25, 1.0], [0.5, 0.125]]))
    hidden = wrong(np.sin(x @ weight))
    y = np.mean(np.exp(hidden) * te.activations.softmax(hidden)) + np.sum(np.tanh(x))
    assert guilty(y) == {"wrong_tanh (node 3)"}
    names = [entry.name for entry in nodes(y).entries]
    assert "wrong_tanh (node 3) by its input x[0, 0]" in names
    assert "sin (node 2) by its input x[0, 1]" in names


@settings(max_examples=25, deadline=None, database=None)
@given(programs(steps=(1, 8)))
def test_right_rules_are_not_blamed(program: Program) -> None:
    report = nodes(program(*(te.Value(data) for data in program.inputs)))
    assert report.ok, f"{program}\n{report}"


def test_each_input_is_judged_by_its_own_rule() -> None:
    wrong = te.define_elementwise(
        "wrong_product",
        lambda a, b: a * b,
        (lambda out, a, b: b, lambda out, a, b: -a),
        formula="{0}{1}",
    )
    x = te.Value(np.array([0.5, -1.0]))
    verdicts = {e.name: e.verdict.ok for e in nodes(np.sum(wrong(x, x))).entries}
    assert verdicts["wrong_product (node 1) by its input a[0]"]
    assert not verdicts["wrong_product (node 1) by its input b[0]"]
    # A constant has no gradient: its rule does not count.
    assert nodes(np.sum(wrong(x, np.array([1.0, 2.0])))).ok
    assert "the sign is wrong" in "".join(nodes(np.sum(wrong(x, x))).guesses)


def test_arrays_of_a_variadic_record_are_numbered() -> None:
    x = te.Value(np.array([0.5, -1.0]))
    names = [entry.name for entry in nodes(np.sum(np.concatenate([x, 2.0 * x]))).entries]
    assert "concatenate (node 2) by its input arrays[1][0]" in names


def test_a_rule_that_fails_is_wrong() -> None:
    def fails(g: Any, out: Any, a: Any) -> Any:
        return np.concatenate([g, g])

    wrong = te.define_structural(
        "wrong_flip", lambda a: np.flip(a), fails, formula="w({0})", cases=[(((3,),), {})]
    )
    x = te.Value(np.array([0.5, -1.0, 2.0]))
    y = np.sum(np.exp(wrong(x)))
    assert guilty(y) == {"wrong_flip (node 1)"}
    assert "the rule fails: " in str(nodes(y))


def test_large_inputs_are_sampled_by_seed() -> None:
    wrong = wrong_tanh()
    x = te.Value(np.random.default_rng(0).standard_normal((40, 30)))
    y = np.sum(np.sin(wrong(x)))
    report = nodes(y, seed=1)
    assert guilty(y, seed=1) == {"wrong_tanh (node 1)"}
    assert any("12 entries were drawn (seed 1)" in note for note in report.notes)
    assert str(report) == str(nodes(y, seed=1))
    assert str(report) != str(nodes(y, seed=2))


def test_the_mistake_is_guessed_from_a_sample_too() -> None:
    negated = te.define_elementwise(
        "negated_cos", np.cos, lambda out, x: np.sin(x), formula="w({0})"
    )
    y = np.sum(negated(te.Value(np.linspace(1.0, 2.0, 50))))
    assert nodes(y).guesses == ("negated_cos (node 1): the sign is wrong",)


@pytest.mark.thorough
def test_a_long_graph_stays_printable() -> None:
    x = te.Value(np.array([0.5, 0.25]))
    y: Any = x
    for _ in range(150):
        y = np.sin(y) + x
    report = nodes(np.sum(y))
    assert report.ok
    assert len(report.entries) <= 3 * 301
    assert len(str(report).splitlines()) < 80


def test_surrogates_are_noted_and_not_judged() -> None:
    x = te.Value(np.array([0.5, -1.0]))
    report = nodes(np.sum(te.activations.step(x) * x))
    assert report.ok
    assert not any(entry.name.startswith("step") for entry in report.entries)
    assert "step was not judged: its rule stands in for a derivative." in report.notes


def test_float32_graphs_are_judged_in_float64() -> None:
    x = te.Value(np.array([0.5, -1.0], np.float32))
    report = nodes(np.sum(np.tanh(x.astype(np.float32)) * np.array([2, 3])[[0, 1]]))
    assert report.proven
    assert guilty(np.sum(wrong_tanh()(x))) == {"wrong_tanh (node 1)"}


def test_masks_and_indices_are_constants() -> None:
    x = te.Value(np.array([0.5, -1.0, 2.0]))
    y = np.where(x > 0, np.sqrt(np.abs(x)), x)[np.array([0, 2, 2])]
    assert nodes(np.sum(y)).proven


def test_the_line_is_told_where_it_was_recorded() -> None:
    wrong = wrong_tanh()
    with te.record_lines():
        y = wrong(te.Value(0.5))
    assert any("test_nodes.py" in note and "y = wrong(" in note for note in nodes(y).notes)


def test_what_has_no_graph_is_refused() -> None:
    x = te.Value(np.array([0.5, -1.0]))
    roots: list[Any] = [x, x.detach(), np.sin(x.detach())]
    for root in roots:
        with pytest.raises(NotTrackedError, match="no operation with a derivative"):
            nodes(root)
    y: Any = np.sin(x)
    x.data = np.array([1.0, 2.0])
    with pytest.raises(StaleGraphError):
        nodes(y)
