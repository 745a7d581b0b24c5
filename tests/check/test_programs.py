from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

import tinygrad_edu as te
from tinygrad_edu.check import gradients
from tinygrad_edu.check.programs import LARGEST, MARGIN, Program, Step, programs
from tinygrad_edu.check.samples import interval, room
from tinygrad_edu.engine.operation import OPERATIONS, Operation
from tinygrad_edu.errors import OperandError

MANY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
OTHERS = ("add", "multiply", "sin", "exp", "divide", "reshape", "mean", "softmax", "broadcast_to")


@pytest.fixture
def declared() -> Iterator[list[Operation]]:
    """Records that a test declares; they are gone afterwards."""
    before = set(OPERATIONS)
    made: list[Operation] = []
    yield made
    for name in set(OPERATIONS) - before:
        del OPERATIONS[name]


def results(program: Program) -> list[Any]:
    """All that a program computes, on NumPy's arrays, its inputs first."""
    values = list(program.inputs)
    for step in program.steps:
        values.append(np.asarray(Program(tuple(values), (step,))())[()])
    return values


def drawn(strategy: Any, count: int) -> list[Program]:
    """Some programs of a strategy."""
    found: list[Program] = []

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(program: Program) -> None:
        found.append(program)

    collect()
    return found


@MANY
@given(programs())
def test_programs_are_legal(program: Program) -> None:
    values = results(program)
    assert 1 <= len(program.steps) <= 8
    assert 1 <= len(program.inputs) <= 3
    for data in program.inputs:
        assert np.array_equal(np.asarray(data, np.float32), data)
    for value in values:
        assert np.all(np.isfinite(value))
        assert np.all(np.abs(value) <= LARGEST)
    for number, step in enumerate(program.steps):
        assert all(taken < len(program.inputs) + number for taken in step.takes)
        arrays = [values[i] for i in step.takes]
        for position, data in enumerate(arrays):
            low, high = interval(step.op, position)
            margin = min(MARGIN, room(step.op, position))
            assert np.all(data >= low + margin)
            assert np.all(data <= high - margin)
        arrays += [np.float64(step.op.defaults[name]) for name in step.op.arguments[len(arrays) :]]
        for kink in step.op.kinks:
            distance = kink(*arrays, **step.options) if callable(kink) else arrays[0] - kink
            assert np.all(np.abs(distance) >= min(MARGIN, room(step.op, 0)))


@MANY
@given(programs())
def test_every_result_counts(program: Program) -> None:
    used = {taken for step in program.steps for taken in step.takes}
    assert used == set(range(len(program.inputs) + len(program.steps) - 1))


@MANY
@given(programs())
def test_gradients_of_random_programs_are_right(program: Program) -> None:
    report = gradients(program, *program.inputs, mode="directions")
    assert report.ok, f"{program}\n{report}"


@settings(max_examples=8, deadline=None, database=None)
@given(programs(steps=(1, 4)))
def test_gradients_of_random_programs_are_right_to_fifty_digits(program: Program) -> None:
    report = gradients(program, *program.inputs, precision="exact")
    assert report.ok, f"{program}\n{report}"


@MANY
@given(programs())
def test_the_text_of_a_program_computes_the_same(program: Program) -> None:
    space: dict[str, Any] = {}
    lines = str(program).splitlines()
    exec(str(program), space)
    last = space[lines[-1].split(" = ")[0]]
    out = program(*(te.Value(data) for data in program.inputs))
    assert isinstance(last, te.Value)
    assert np.array_equal(last.data, out.data)
    assert np.array_equal(last.data, program())
    assert repr(program) == str(program)


def test_text_has_numpys_names_and_ours() -> None:
    program = Program(
        (np.array([[0.5, -1.0]]), np.float64(2.0)),
        (
            Step(OPERATIONS["tanh"], (0,)),
            Step(OPERATIONS["relu"], (1,)),
            Step(OPERATIONS["sum"], (2,), {"axis": 0}),
            Step(OPERATIONS["stack"], (4, 4), {"axis": -1}),
            Step(OPERATIONS["getitem"], (5,), {"index": np.array([0, 1])}),
        ),
    )
    assert str(program).splitlines()[3:] == [
        'x = te.Value(np.array([[0.5, -1.0]]), name="x")',
        'y = te.Value(2.0, name="y")',
        "a = np.tanh(x)",
        "b = te.activations.relu(y)",
        "c = np.sum(a, axis=0)",
        "d = np.stack([c, c], axis=-1)",
        'e = te.OPERATIONS["getitem"](d, index=np.array([0, 1]))',
    ]


def test_every_record_with_a_derivative_occurs() -> None:
    wanted = {op.name for op in OPERATIONS.values() if op.differentiable and not op.surrogate}
    missing = {
        name
        for name in wanted
        if not any(
            step.op.name == name
            for program in drawn(programs([name], steps=(1, 1)), 3)
            for step in program.steps
        )
    }
    assert not missing
    seen = {step.op.name for program in drawn(programs(), 300) for step in program.steps}
    assert seen <= wanted
    assert len(seen) > 0.7 * len(wanted)


def test_a_record_takes_part_from_its_declaration_on(declared: list[Operation]) -> None:
    strategy = programs()
    mine = te.define_elementwise("mine", np.sin, lambda out, x: np.cos(x), formula="m({0})")
    program = find(
        strategy,
        lambda program: any(step.op is mine for step in program.steps),
        settings=settings(
            database=None,
            max_examples=5000,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
        ),
        random=random.Random(1),
    )
    assert [step.op for step in program.steps] == [mine]


def failing(program: Program) -> bool:
    """Whether a program's gradient is rejected, or cannot even be computed."""
    try:
        return not gradients(program, *program.inputs, mode="directions").ok
    except ValueError:
        return True


def shrunk(wrong: Operation, seed: int) -> Program:
    """The smallest failing program among some operations and a wrong one."""
    operations = [*(OPERATIONS[name] for name in OTHERS), wrong]
    return find(
        programs(operations),
        lambda program: wrong in (step.op for step in program.steps) and failing(program),
        settings=settings(
            database=None,
            max_examples=1000,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],  # explaining takes longer than both
        ),
        random=random.Random(seed),
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_a_wrong_factor_shrinks_to_one_step(declared: list[Operation], seed: int) -> None:
    wrong = te.define_elementwise(
        "wrong_log",
        np.log,
        lambda out, x: (1 + 1e-6) / x,
        formula="w({0})",
        domain=(0.0, np.inf),
    )
    program = shrunk(wrong, seed)
    assert [step.op for step in program.steps] == [wrong]
    assert [np.shape(data) for data in program.inputs] == [()]


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.thorough)])
def test_a_missing_reduction_shrinks_to_two_steps(declared: list[Operation], seed: int) -> None:
    # The gradient of an array that was repeated along an axis of length 1 is cut, not summed.
    def cut(g: Any, out: Any, a: Any, b: Any) -> Any:
        return np.reshape(np.ravel(g * b)[: a.size], a.shape)

    wrong = te.define_structural(
        "wrong_times",
        lambda a, b: a * b,
        (cut, lambda g, out, a, b: g * a),
        formula="w({0})",
        cases=[(((2, 3), (2, 3)), {}), (((2, 1), (2, 3)), {}), (((1, 3), (2, 3)), {})],
    )
    program = shrunk(wrong, seed)
    assert len(program.steps) <= 2
    assert wrong in [step.op for step in program.steps]


def test_bounds_are_kept() -> None:
    for program in drawn(programs(["add", "exp"], steps=(2, 3), inputs=(2, 2)), 30):
        assert len(program.steps) <= 3
        assert len(program.inputs) == 2


def test_what_cannot_be_drawn_is_said() -> None:
    with pytest.raises(OperandError, match="steps is"):
        programs(steps=(0, 3))
    with pytest.raises(OperandError, match="inputs is"):
        programs(inputs=(3, 1))
    with pytest.raises(OperandError, match="less has no derivative"):
        programs(["less"])
    with pytest.raises(OperandError, match="is empty"):
        programs([])
    with pytest.raises(OperandError, match="allow more inputs"):
        drawn(programs(["maximum"], inputs=(1, 1)), 1)
    with pytest.raises(OperandError, match="takes 1 inputs, not 2"):
        drawn(programs(["sin"]), 1)[0](1.0, 2.0)


def test_without_hypothesis_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import tinygrad_edu\n"
        "import tinygrad_edu.check.programs"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'ImportError: random programs are drawn with hypothesis; run: pip install "tiny' in (
        ran.stderr
    )
