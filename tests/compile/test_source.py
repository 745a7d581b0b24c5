"""The program that is shown: names of the compiler's alone, nothing twice, nothing for nothing."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import sys
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.compile.judging import bits, same_at_every_call, same_training
from tinygrad_edu.compile.memory import Memory
from tinygrad_edu.compile.names import Names, harmless
from tinygrad_edu.compile.program import Program, ready
from tinygrad_edu.engine.operation import OPERATIONS
from tinygrad_edu.errors import RecordingWarning

HOSTILE = "x\n    raise SystemExit('injected')\n#\"\"\"\\u2028') or exit("


# Each is a name of a parameter, and of the part that it is in.
HOSTILE_NAMES = (
    HOSTILE,
    "w\nraise SystemExit('injected')",
    '"""',
    "'quoted'",
    "lambda",
    "None",
    "add",
    "multiply",
    "print",
    "slice",
    "FloatingPointError",
    "found",
    "strictly",
    "gradients",
    "step",
    "make",
    "failed",
    "b1",
    "t1",
    "c0_5",
    "k3",
    "x0",
    "ones_2",
    "weights",
    "重み",
    "ｐｒｉｎｔ",  # Python takes it for print
    "equal",
    "equal",
    "equal",
    "9lives",
    "__import__",
    "",
    "_",
    "long" * 100,
)


class Hostile(te.nn.Module):
    """A name that is code stands wherever a user may choose one."""

    def __init__(self) -> None:
        self.parts = {HOSTILE: te.nn.Linear(3, 2), "\r\nimport os": te.nn.Linear(2, 2)}
        self.biases = [
            te.Value(np.full(2, 0.5 + n), name=name) for n, name in enumerate(HOSTILE_NAMES)
        ]

    def forward(self, x: Any) -> Any:
        for each in self.parts.values():
            x = np.tanh(each(x))
        for bias in self.biases:
            with te.nn.module.scope(bias.name or "|"):
                x = x * 0.5 + bias * 0.5
        return x


@pytest.fixture
def hostile_operation() -> Any:
    def forward(x: Any) -> Any:
        return x * 2.0 if np.max(x) > 0 else 2.0 * x

    forward.__name__ = HOSTILE
    forward.__qualname__ = HOSTILE
    yield te.define_elementwise(HOSTILE, forward, 2.0, formula="h({0})")
    del OPERATIONS[HOSTILE]


def test_names_cannot_inject_code(hostile_operation: Any) -> None:
    models = Hostile(), Hostile()
    made = [te.optim.Adam(model.parameters(), lr=0.1) for model in models]

    def loss(model: Any, x: Any) -> Any:
        return np.sum(hostile_operation(model(x)) ** 2)

    def of_first(x: Any) -> Any:
        return loss(models[0], x)

    of_first.__name__ = HOSTILE
    step = te.compile(of_first, made[0])
    for n in range(4):
        x = np.ones((2, 3)) * n
        step(x)
        made[1].zero_grad()
        loss(models[1], x).backward()
        made[1].step()
        assert bits([*models[0].parameters()]) == bits([*models[1].parameters()])
    tree = ast.parse(step.source)
    assert [type(each) for each in tree.body] == [ast.FunctionDef, ast.FunctionDef]
    functions = {
        ast.unparse(each.func) for each in ast.walk(tree) if isinstance(each, ast.Call)
    } - {"strictly", "finite", "failed", "copyto"}
    for name in functions:
        first, *rest = name.split(".")
        # One of NumPy's, a method of an array, or an operation under a harmless name.
        known = first.startswith(harmless(HOSTILE)) or first == "has_shape"
        assert known or hasattr(np, first) or rest, name
    attributes = {each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
    assert all(hasattr(np.ndarray, each) or hasattr(np.ufunc, each) for each in attributes)
    assert not any(
        isinstance(each, ast.Import | ast.ImportFrom | ast.Global | ast.Lambda)
        for each in ast.walk(tree)
    )
    # All text is in comments and in the two docstrings.
    constants = [each.value for each in ast.walk(tree) if isinstance(each, ast.Constant)]
    assert sum(isinstance(each, str) for each in constants) == 2
    assert "'injected'" not in ast.unparse(tree)
    assert step.source.isascii() or all(
        line.lstrip().startswith("#") for line in step.source.splitlines() if not line.isascii()
    )
    assert max(map(len, step.source.splitlines())) <= 100


@pytest.mark.parametrize("text", [*HOSTILE_NAMES, "layers_0_weight", "loss", "two  words"])
def test_a_name_of_a_users_means_nothing_else(text: str) -> None:
    name = harmless(text)
    assert not name or name.isidentifier()
    assert name.isascii()
    assert len(name) <= 50
    assert not keyword.iskeyword(name)
    assert not hasattr(np, name)
    assert not hasattr(builtins, name)
    assert not re.fullmatch(r"[a-z]+\d+", name)


def test_things_of_one_name_have_several() -> None:
    names = Names()
    assert [names.of_user(text, "w0") for text in ("loss", "loss", "lo-ss", "lo_ss", "")] == [
        "loss",
        "loss_2",
        "lo_ss",
        "lo_ss_2",
        "w0",
    ]


def test_text_as_an_option_is_quoted() -> None:
    def f(x: Any) -> Any:
        v = te.Value(x)
        return np.sum(np.pad(v, 1, mode="edge")).detach()

    same_at_every_call(f, lambda call: (np.arange(3.0) + call,))


def test_equal_computations_are_done_once_and_unused_ones_not_at_all() -> None:
    def f(x: Any) -> Any:
        np.cosh(x)
        return np.sum(np.tanh(x) * np.tanh(x))

    step = same_at_every_call(f, lambda call: (np.arange(3.0) + call,))
    assert step.source.count("tanh") == 1
    assert "cosh" not in step.source


def test_the_source_is_empty_before_there_is_a_program_and_the_repr_counts_them() -> None:
    def mine(x: Any) -> Any:
        return np.sum(x)

    step = te.compile(mine)
    assert step.source == ""
    step(np.ones(2))
    assert step.source == ""
    step(np.ones(2))
    assert "def step(" in step.source
    assert "mine" in repr(step)
    assert "1 program" in repr(step)


def test_scopes_names_and_shapes_stand_beside_the_lines() -> None:
    model = te.nn.MLP([3, 5, 2])
    step = te.compile(lambda x: np.sum(model(x)), te.optim.SGD(model.parameters(), lr=0.5))
    for _ in range(2):
        step(np.ones((4, 3)))
    lines = [line.strip() for line in step.source.splitlines()]
    order = [
        "# forward: mlp.layers.0",
        "add(b1, layers_0_bias, b1)  # 4 x 5",
        "# backward: mlp.layers.0",
        "# update: SGD",
        "add(weights, slopes, weights)  # 32",
    ]
    assert [line for line in lines if line in order] == order


def test_long_lines_are_folded() -> None:
    leaves = [te.Value(1.0, name=f"number_{'abcdefghij'[n]}" * 3) for n in range(10)]
    step = te.compile(lambda x: sum(each * x for each in leaves))
    for n in range(3):
        assert step(n / 2).data == 10 * n / 2
    assert max(map(len, step.source.splitlines())) <= 100
    ast.parse(step.source)


def test_a_gradient_that_is_a_view_is_put_where_it_belongs() -> None:
    def make() -> Any:
        model: Any = te.nn.Module()
        model.bias = te.Value(np.zeros((3, 1, 2)), name="bias")

        def f(model: Any, x: Any) -> Any:
            return np.sum(np.tanh(x + model.bias) ** 2)

        return model, f, te.optim.SGD(model.parameters(), lr=0.1)

    rng = np.random.default_rng(0)
    same_training(make, [(rng.normal(size=(3, 4, 2)),) for _ in range(5)])


def test_a_loss_that_is_not_finite_is_left_to_uncompiled_code() -> None:
    w = te.Value(np.ones(3))
    step = te.compile(lambda x: np.sum(abs(w - x)), te.optim.SGD([w], lr=0.5))
    for _ in range(3):
        step(np.ones(3))
    assert "if not (finite(" in step.source
    assert np.isinf(step(np.array([1.0, np.inf, 1.0])).data)


@pytest.mark.parametrize("op", ["+", "-", "*", "/", "**", "<", "==", "!="])
def test_a_number_beside_a_value(op: str) -> None:
    w = te.Value(1.5)
    f = eval(f"lambda x: (x {op} w) * 1.0, ", {"w": w})[0]
    same_at_every_call(f, lambda call: (0.5 + call,))


def test_memory_is_shared_only_by_what_is_not_needed_at_once() -> None:
    rng = np.random.default_rng(0)
    forms: list[Any] = [((4,), np.dtype(np.float64), (8,)), ((3, 5), np.dtype(np.float32), (20, 4))]
    for _ in range(20):
        memory = Memory([], {}, ())
        for _ in range(30):
            form = forms[rng.integers(2)]
            found = memory.new(form, int(np.prod(form[0])) * form[1].itemsize)
            start = int(rng.integers(20))
            found.spans.append((start, start + int(rng.integers(6))))
        arrays, total = memory.laid_out(30)
        for one in memory.buffers:
            assert arrays[one.name].shape == one.form[0]
            for other in memory.buffers:
                (a, b), (c, d) = one.spans[0], other.spans[0]
                if one is not other and a <= d and c <= b:
                    assert not np.may_share_memory(arrays[one.name], arrays[other.name])
        assert total < sum(each.size for each in memory.buffers)


def test_a_program_that_differs_from_its_recording_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = te.Value(np.arange(3.0))
    optimizer = te.optim.SGD([w], lr=0.1, momentum=0.9)
    generator = np.random.default_rng(3)
    drop = te.nn.Dropout(0.5, seed=generator)
    step = te.compile(lambda x: np.sum(drop(w * w) * x), optimizer)

    def wrong(source: str, objects: dict[str, Any], failed: list[int]) -> Any:
        return ready(source.replace("multiply(", "add("), {"add": np.add, **objects}, failed)

    monkeypatch.setattr(sys.modules[Program.__module__], "ready", wrong)
    step(np.ones(3))
    before, state = w.data, generator.bit_generator.state
    velocity = optimizer.states[0]["velocity"].copy()
    with pytest.warns(RecordingWarning, match="gives other numbers"):
        step(np.ones(3))
    after = generator.bit_generator.state
    generator.bit_generator.state = state
    twin = te.Value(before)
    np.sum(drop(twin * twin)).backward()
    moved = te.optim.SGD.update(before, twin.grad, {"velocity": velocity}, {**optimizer.groups[0]})[
        0
    ]
    assert bits(w.data) == bits(moved)
    assert repr(generator.bit_generator.state) == repr(after)
    assert step.source == ""
    step(np.ones(3))  # and it stays uncompiled
    assert step.source == ""
