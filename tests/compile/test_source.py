"""The program that is shown: names of the compiler's alone, nothing twice, nothing for nothing."""

from __future__ import annotations

import ast
import re
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.compile.judging import bits, same_at_every_call
from tinygrad_edu.compile.program import Program
from tinygrad_edu.engine.operation import OPERATIONS
from tinygrad_edu.errors import RecordingWarning

HOSTILE = "x\n    raise SystemExit('injected')\n#\"\"\"\\u2028') or exit("


class Hostile(te.nn.Module):
    """A name that is code stands wherever a user may choose one."""

    def __init__(self) -> None:
        self.parts = {HOSTILE: te.nn.Linear(3, 2), "\r\nimport os": te.nn.Linear(2, 2)}
        self.weight = te.Value(np.ones(2), name=HOSTILE)

    def forward(self, x: Any) -> Any:
        for each in self.parts.values():
            x = np.tanh(each(x))
        return x * self.weight


@pytest.fixture
def hostile_operation() -> Any:
    def forward(x: Any) -> Any:
        return x * 2.0 if np.max(x) > 0 else 2.0 * x

    forward.__name__ = HOSTILE
    forward.__qualname__ = HOSTILE
    yield te.define_elementwise(HOSTILE, forward, 2.0, formula="h({0})")
    del OPERATIONS[HOSTILE]


def test_names_cannot_inject_code(hostile_operation: Any) -> None:
    model = Hostile()
    optimizer = te.optim.SGD(model.parameters(), lr=0.1)

    def loss(x: Any) -> Any:
        return np.sum(hostile_operation(model(x)) ** 2)

    loss.__name__ = HOSTILE
    step = te.compile(loss, optimizer)
    for n in range(4):
        step(np.ones((2, 3)) * n)
    tree = ast.parse(step.source)
    assert [type(each) for each in tree.body] == [ast.FunctionDef, ast.FunctionDef]
    names = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}
    arguments = {each.arg for each in ast.walk(tree) if isinstance(each, ast.arg)}
    ours = re.compile(r"[a-z]+\d+(_\d+)*|cm?\d+(_\d+)*(e\d+)?")
    for name in names | arguments:
        known = ("found", "gradients", "step", "strictly", "finite", "failed", "copyto")
        assert (
            ours.fullmatch(name)
            or hasattr(np, name)
            or name in known
            or name in dir(__builtins__)
            or name == "FloatingPointError"
        ), name
    attributes = {each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
    assert all(hasattr(np.ndarray, each) or hasattr(np.ufunc, each) for each in attributes)
    assert not any(isinstance(each, ast.Import | ast.ImportFrom) for each in ast.walk(tree))
    code = "\n".join(line.split("#")[0] for line in step.source.splitlines())
    assert "injected" not in code
    assert "import" not in code


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


def test_scopes_and_shapes_stand_beside_the_lines() -> None:
    model = te.nn.MLP([3, 5, 2])
    step = te.compile(lambda x: np.sum(model(x)), te.optim.SGD(model.parameters()))
    for _ in range(2):
        step(np.ones((4, 3)))
    assert "# 4 x 5" in step.source


def test_a_program_that_differs_from_its_recording_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = te.Value(np.arange(3.0))
    optimizer = te.optim.SGD([w], lr=0.1, momentum=0.9)
    generator = np.random.default_rng(3)
    drop = te.nn.Dropout(0.5, seed=generator)
    step = te.compile(lambda x: np.sum(drop(w * w) * x), optimizer)
    right = Program.function_of

    def wrong(self: Program) -> Any:
        self.source = self.source.replace("multiply(", "add(")
        self.objects.setdefault("add", np.add)
        return right(self)

    monkeypatch.setattr(Program, "function_of", wrong)
    step(np.ones(3))
    before, state = w.data, generator.bit_generator.state
    velocity = optimizer.states[0]["velocity"].copy()
    with pytest.warns(RecordingWarning, match="report it"):
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
