"""The table of a model: rows, parameters, and operations counted by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.nn.test_module import Every
from tinygrad_edu.engine.context import changed
from tinygrad_edu.engine.operation import OPERATIONS, Structural
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.summary import MOVES, Row, flops


def cost(f: Any, *shapes: tuple[int, ...]) -> int:
    """The FLOPs of all nodes that f of Values of such shapes records."""
    found: list[int] = []
    values = [te.Value(np.ones(shape)) for shape in shapes]
    with changed(recording=True), te.observe(lambda node, gradient: found.append(flops(node))):
        f(*values)
    return sum(found)


@pytest.mark.parametrize(
    ("f", "shapes", "wanted"),
    [
        (lambda a, b: a @ b, [(2, 3), (3, 4)], 2 * 2 * 3 * 4),
        (lambda a, b: a @ b, [(5, 2, 3), (3, 4)], 2 * 5 * 2 * 3 * 4),
        (lambda a, b: a @ b, [(3,), (3,)], 2 * 3),
        (lambda a, b: a @ b, [(2, 3), (3,)], 2 * 2 * 3),
        (lambda a, b: np.dot(a, b), [(3,), (3, 4)], 2 * 3 * 4),
        (lambda a, b: np.einsum("ij,jk->ik", a, b), [(2, 3), (3, 4)], 2 * 2 * 3 * 4),
        (lambda a, b: np.einsum("...i,...i->...", a, b), [(5, 3), (1, 3)], 2 * 5 * 3),
        (lambda a: np.einsum("ij->j", a), [(2, 3)], 6),
        (lambda a, b, c: np.einsum("i,j,k", a, b, c), [(2,), (3,), (4,)], 3 * 24),
        (lambda a: a + 1, [(2, 3)], 6),
        (lambda a, b: a * b, [(2, 1), (3,)], 6),
        (np.tanh, [(2, 3)], 6),
        (lambda a: a.sum(), [(2, 3)], 6),
        (lambda a: a.sum(axis=0), [(2, 3)], 6),
        (lambda a: a.softmax(), [(2, 3)], 6),
        (lambda a: a.reshape(6).reshape(3, 2).T[0], [(2, 3)], 0),
        (lambda a, b: np.concatenate([a, b]), [(2, 3), (1, 3)], 0),
        (lambda a: a > 0, [(2, 3)], 6),
        (lambda a: np.sum(a.reshape(6) * 2) + 1, [(2, 3)], 6 + 6 + 1),
    ],
)
def test_operations_are_counted_by_the_convention(
    f: Any, shapes: list[tuple[int, ...]], wanted: int
) -> None:
    assert cost(f, *shapes) == wanted


CHOOSING = {"sort", "partition", "max", "min", "tril", "triu"}


@pytest.mark.parametrize(
    "op", [op for op in OPERATIONS.values() if isinstance(op, Structural)], ids=lambda op: op.name
)
def test_what_costs_nothing_only_moves_entries(op: Structural) -> None:
    """Its outputs are inputs or given numbers; what computes gives numbers that were not there."""
    new = False
    for case in op.cases:
        rng = np.random.default_rng(1)
        arrays = [rng.uniform(1.1, 1.9, shape) for shape in case.shapes]
        if op.name in ("solve", "cholesky", "eigvalsh", "eigenvectors", "inv"):
            arrays[0] = arrays[0] @ np.swapaxes(arrays[0], -1, -2)
        out = np.asarray(op.forward(*arrays, **case.options))
        entries = {0.0, *np.concatenate([np.ravel(a) for a in arrays]).tolist()}
        entries.add(case.options.get("constant_values", 0.0))  # what pad puts around
        new |= not {*np.ravel(out).tolist()} <= entries
    if op.name in MOVES:
        assert not new
    elif op.name not in CHOOSING:
        assert new


def test_the_table_of_a_model_by_hand() -> None:
    model = te.nn.Sequential(
        te.nn.Linear(3, 8),
        te.nn.BatchNorm(8),
        "relu",
        te.nn.Dropout(0.2),
        te.nn.Residual(te.nn.Linear(8, 8, bias=False)),
        te.nn.LayerNorm(8),
        te.nn.Linear(8, 1),
        lambda x: np.tanh(x) * 2,
    )
    summary = model.summary((5, 3))
    # Of BatchNorm in use: x − mean, ε, root, quotient, weight, bias; of LayerNorm also its sums.
    batch_norm, layer_norm = 4 * 40 + 2 * 8, 2 * 40 + 4 * 40 + 2 * 5
    assert summary.rows == (
        Row("layers.0", "Linear", ((5, 8),), 3 * 8 + 8, 2 * 5 * 3 * 8),
        Row("layers.1", "BatchNorm", ((5, 8),), 16, batch_norm),
        Row("", "relu", ((5, 8),), 0, 40),
        Row("layers.3", "Dropout", ((5, 8),), 0, 0),
        Row("layers.4.inner", "Linear", ((5, 8),), 64, 2 * 5 * 8 * 8),
        Row("layers.4", "add", ((5, 8),), 0, 40),
        Row("layers.5", "LayerNorm", ((5, 8),), 16, layer_norm),
        Row("layers.6", "Linear", ((5, 1),), 9, 2 * 5 * 8),
        Row("", "tanh, multiply", ((5, 1),), 0, 10),
    )
    assert summary.parameters == sum(row.parameters for row in summary.rows) == 137
    assert summary.flops == 240 + batch_norm + 40 + 640 + 40 + layer_norm + 80 + 10


def test_the_text_is_an_aligned_table() -> None:
    assert str(te.nn.MLP([64, 64, 10]).summary((1, 64))) == (
        """\
MLP for (1, 64)
layer            output   parameters  FLOPs
───────────────────────────────────────────
layers.0 Linear  (1, 64)       4,160  8,192
relu             (1, 64)           0     64
layers.1 Linear  (1, 10)         650  1,280
───────────────────────────────────────────
total                          4,810  9,536"""
    )


def test_notebooks_show_a_table_with_every_cell() -> None:
    class Odd(te.nn.Linear):
        pass

    Odd.__name__ = "A<B"
    summary = te.nn.Sequential(Odd(2, 3)).summary((4, 2))
    html = summary._repr_html_()
    assert "layers.0 A&lt;B" in html
    assert "A<B" not in html
    assert html.count("<tr>") == 3
    for text in ("(4, 3)", ">9<", ">48<", "Sequential for (4, 2)"):
        assert text in html


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(1, 4))
def test_recurrent_layers_cost_both_products_at_each_step(
    batch: int, steps: int, inputs: int, hidden: int
) -> None:
    (row,) = te.nn.RNN(inputs, hidden).summary((batch, steps, inputs)).rows
    assert row.kind == "RNN"
    assert row.shapes == ((batch, steps, hidden), (batch, hidden))
    assert row.parameters == (inputs + hidden + 1) * hidden
    assert row.flops == steps * batch * hidden * (2 * inputs + 2 * hidden + 1)


def test_the_model_is_as_before() -> None:
    model = Every()
    model.recurrent.eval()
    attributes = [dict(vars(module)) for _, module in model.named_modules()]
    state = model.state_dict()
    generators = [each.bit_generator.state for _, each in model.named_generators()]
    numbers = np.random.default_rng(0).normal(size=(5, 4, 2))
    assert model.summary(numbers).parameters == sum(p.size for p in model.parameters())
    assert [dict(vars(module)) for _, module in model.named_modules()] == attributes
    assert [each.bit_generator.state for _, each in model.named_generators()] == generators
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    with pytest.raises(ShapeError):
        model.summary((5, 4, 3))
    assert [dict(vars(module)) for _, module in model.named_modules()] == attributes


def test_a_module_that_draws_and_writes_in_use_is_put_back() -> None:
    class Restless(te.nn.Module):
        def __init__(self) -> None:
            self.generator = np.random.default_rng(0)
            self.count = te.Value(0.0, requires_grad=False)

        def forward(self, x: Any) -> Any:
            self.count.data = self.count.data + 1
            return x + self.generator.normal(size=x.shape)

    model = Restless()
    before = model.generator.bit_generator.state
    assert model.summary((2, 3)).flops == 6
    assert model.generator.bit_generator.state == before
    assert model.count.data == 0.0


def test_a_graph_recorded_before_can_still_be_swept() -> None:
    model = te.nn.Sequential(te.nn.Linear(2, 3), te.nn.BatchNorm(3)).eval()
    loss = np.sum(model(np.ones((4, 2))))
    model.summary((4, 2))
    loss.backward()
    assert model[0].weight.grad is not None


def test_layers_that_are_used_twice_or_never_are_counted_once() -> None:
    class Tied(te.nn.Module):
        def __init__(self) -> None:
            self.layer, self.unused = te.nn.Linear(2, 2), te.nn.Linear(2, 5)
            self.scale = te.Value([1.0, 2.0])

        def forward(self, x: Any) -> Any:
            return self.layer(self.layer(x)) * self.scale

    summary = Tied().summary(np.ones((1, 2)))
    assert summary.rows == (
        Row("layer", "Linear", ((1, 2),), 6, 8),
        Row("layer", "Linear", ((1, 2),), 0, 8),
        Row("", "multiply", ((1, 2),), 2, 2),
        Row("unused", "Linear", (), 15, None),
    )
    assert summary.parameters == 23
    assert summary.flops == 18
    assert "unused Linear  not called          15" in str(summary)


def test_inputs_are_arrays_or_shapes_any_number_of_them() -> None:
    class Two(te.nn.Module):
        def __init__(self) -> None:
            self.layer = te.nn.Linear(2, 3, dtype=np.float32)

        def forward(self, x: Any, chosen: Any) -> Any:
            return {"all": self.layer(x), "one": self.layer(x)[chosen]}

    (first, second, third) = Two().summary((4, 2), np.array([1, 0])).rows
    assert (first.shapes, second.shapes) == (((4, 3),), ((4, 3),))
    assert (third.kind, third.shapes, third.flops) == ("getitem", ((2, 3),), 0)
    heard: list[Any] = []

    class Telling(te.nn.Module):
        def forward(self, x: Any) -> Any:
            heard.append(x)
            return x * 2

    Telling().summary(np.ones((2, 3), np.float32))
    assert heard[0].dtype == np.float32
    assert Telling().summary(()).rows == (Row("", "Telling", ((),), 0, 1),)
    with pytest.raises(ShapeError, match=r"model\.summary\(\(32, 2\)\)"):
        Telling().summary()


def test_inputs_at_zero_warn_of_nothing() -> None:
    class Logs(te.nn.Module):
        def forward(self, x: Any) -> Any:
            return np.log(x) / x

    assert Logs().summary((3,)).flops == 6
    assert math.isfinite(Logs().summary((0,)).flops)
