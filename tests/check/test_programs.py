from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import tinygrad_edu as te
from tests.check.judging import Judge, fifty_digits, gradient, judged, second_order
from tinygrad_edu.check import gradients
from tinygrad_edu.check.drawing import PICKS, Block, Draft, extended, programs
from tinygrad_edu.check.legal import LARGEST, MARGIN, MOST_ENTRIES
from tinygrad_edu.check.programs import Program, Step
from tinygrad_edu.check.samples import interval, room
from tinygrad_edu.engine.operation import OPERATIONS, Operation, ThroughOutput
from tinygrad_edu.errors import OperandError, ShapeError

MANY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
DIFFERENTIABLE = [op for op in OPERATIONS.values() if op.differentiable and not op.surrogate]
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


@pytest.fixture(scope="module")
def sample() -> list[Program]:
    """Programs of 27 steps, drawn without hypothesis, which has its favourites."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(80):
        draft = Draft(3)
        for _ in range(27):
            first = int(rng.integers(len(DIFFERENTIABLE)))
            block = Block(1, first, rng.bytes(PICKS), rng.bytes(MOST_ENTRIES))
            assert extended(draft, block, DIFFERENTIABLE)
        found.append(draft.program(0))
    return found


@MANY
@given(programs())
def test_programs_are_legal(program: Program) -> None:
    values = results(program)
    assert 1 <= len(program.inputs) <= 3
    assert 1 <= len(program.steps) <= 27
    for data in program.inputs:
        assert np.array_equal(np.asarray(data, np.float32), data)
    for value in values:
        assert value.dtype == np.float64
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
        for zero in (*step.op.kinks, *step.op.edges):
            distance = zero(*arrays, **step.options) if callable(zero) else arrays[0] - zero
            assert np.all(np.abs(distance) >= min(MARGIN, room(step.op, 0)))


@MANY
@given(programs())
def test_every_result_counts(program: Program) -> None:
    used = {taken for step in program.steps for taken in step.takes}
    assert used == set(range(len(program.inputs) + len(program.steps) - 1))


def test_programs_are_long_and_draw_on_all_records(sample: list[Program]) -> None:
    sizes = [len(program.inputs) + len(program.steps) for program in sample]
    assert max(sizes) <= 30
    assert np.median(sizes) > 14
    assert np.mean([size > 20 for size in sizes]) > 0.15
    counts = Counter(step.op.name for program in sample for step in program.steps)
    assert len(counts) > 0.9 * len(DIFFERENTIABLE)
    assert max(counts.values()) < 10 * sum(counts.values()) / len(DIFFERENTIABLE)
    taken = [Counter(i for step in program.steps for i in step.takes) for program in sample]
    assert np.mean([max(times.values()) > 1 for times in taken]) > 0.5
    # Several shapes meet in one step, and are broadcast.
    shapes = Counter(
        len({np.shape(values[i]) for i in step.takes}) > 1
        for program in sample
        for values in [results(program)]
        for step in program.steps
        if step.op.elementwise and len(step.takes) > 1
    )
    assert shapes[True] > 0.2 * shapes.total()


def test_derivatives_of_programs_neither_vanish_nor_explode(sample: list[Program]) -> None:
    slopes = []
    for program in sample:
        leaves = tuple(te.Value(data) for data in program.inputs)
        out = program(*leaves)
        found = te.grad(out, leaves, gradient=np.ones(out.shape))
        slopes.append(max(np.max(np.abs(slope)) for slope in found))
    assert np.mean(np.greater(slopes, 1e-4)) > 0.9
    assert max(slopes) < 1e5


@pytest.mark.parametrize("record", DIFFERENTIABLE, ids=lambda op: op.name)
def test_every_record_with_a_derivative_can_be_drawn(record: Operation) -> None:
    found = drawn(programs([record], steps=(1, 1)), 3)
    assert [step.op for program in found for step in program.steps] == [record] * len(found)
    assert found


@pytest.mark.parametrize(
    ("judge", "share"), [(gradient, 2.0), (second_order, 0.6)], ids=["gradient", "second order"]
)
def test_derivatives_of_random_programs_are_right(judge: Judge, share: float) -> None:
    judged(judge, share=share)


def test_gradients_of_random_programs_are_right_to_fifty_digits() -> None:
    judged(fifty_digits, programs(steps=(1, 4)), share=0.5)


def pasted(text: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The text of a program as a function of its inputs, and these."""
    space: dict[str, Any] = {}
    exec(text, space)
    lines = [line for line in text.splitlines() if " = " in line and not line.startswith("#")]
    first = [line.split(" = ")[0] for line in lines if " = te.Value(" in line]
    body, last = "\n".join(lines[len(first) :]), lines[-1].split(" = ")[0]
    assert isinstance(space[last], te.Value)

    def function(*values: Any) -> Any:
        here = {"np": np, "te": te, **dict(zip(first, values, strict=True))}
        exec(body, here)
        return here[last]

    inputs = tuple(space[name].data for name in first)
    assert np.array_equal(function(*(te.Value(data) for data in inputs)).data, space[last].data)
    return function, inputs


@MANY
@given(programs())
def test_the_text_of_a_program_computes_the_same(program: Program) -> None:
    function, inputs = pasted(str(program))
    out = function(*map(te.Value, inputs))
    assert np.array_equal(out.data, program())
    assert all(map(np.array_equal, inputs, program.inputs))
    assert repr(program) == str(program)


@pytest.mark.parametrize("record", DIFFERENTIABLE, ids=lambda op: op.name)
def test_the_text_of_every_record_and_of_its_options_runs(record: Operation) -> None:
    options = {str(case.options): case.options for case in record.cases}.values() or [{}]
    found = {}
    for program in drawn(programs([record], steps=(1, 1), inputs=(0, 3)), 30):
        found.setdefault(str(program.steps[0].options), program)
    assert len(found) > 0.5 * len(options)
    for program in found.values():
        function, inputs = pasted(str(program))
        assert np.array_equal(function(*map(te.Value, inputs)).data, program())


def test_text_has_numpys_names_and_ours() -> None:
    program = Program(
        (np.array([[0.5, -1.0]]), np.float64(2.0)),
        (
            Step(OPERATIONS["tanh"], (0,)),
            Step(OPERATIONS["relu"], (1,)),
            Step(OPERATIONS["sum"], (2,), {"axis": 0}),
            Step(OPERATIONS["stack"], (4, 4), {"axis": -1}),
            Step(OPERATIONS["getitem"], (5,), {"index": np.array([0, 1])}),
            Step(OPERATIONS["det"], (6,)),
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
        "f = np.linalg.det(e)",
    ]


def too_steep(op: Any) -> Operation:
    return replace(op, partials=(lambda out, x: (1 - out * out) * (1 + 1e-6),))


def of_the_wrong_sign(op: Any) -> Operation:
    return replace(op, partials=(op.partials[0], lambda out, a, b: out / b))


def wrong_where_it_is_reused(op: Any) -> Operation:
    return replace(op, partials=(lambda out, a, b: b if a is not b else 0 * b, op.partials[1]))


def not_reversed(op: Any) -> Operation:
    return replace(
        op, pullbacks=(lambda g, out, a, axis=None: np.reshape(np.cumsum(g, axis), a.shape),)
    )


def not_transposed(op: Any) -> Operation:
    return replace(op, pullbacks=(lambda g, out, a, b: g @ b, op.pullbacks[1]))


def wrong_when_recorded(op: Any) -> Operation:
    rule = ThroughOutput(lambda out, x: np.cos(2.0 * x) + np.sin(x), np.cos, np.cos)
    return replace(op, partials=(replace(rule, on_arrays=lambda out, x: np.cos(x)),))


PLANTED: Mapping[str, Callable[[Any], Operation]] = {
    "tanh": too_steep,
    "divide": of_the_wrong_sign,
    "multiply": wrong_where_it_is_reused,
    "cumsum": not_reversed,
    "matmul": not_transposed,
}


def smallest_failure(judge: Judge, operations: list[str], share: float = 4.0) -> str:
    """What is printed of the smallest program that a judge finds wrong."""
    with pytest.raises(AssertionError) as caught:
        judged(judge, programs(operations), share=share)
    return str(caught.value)


@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_rule_shrinks_to_a_step_that_fails_when_pasted(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(OPERATIONS, name, PLANTED[name](OPERATIONS[name]))
    text = smallest_failure(gradient, [*{*OTHERS, name}])
    steps = [line for line in text.splitlines() if " = " in line and "te.Value" not in line]
    steps = [line for line in steps if not line.startswith("#")]
    assert len(steps) <= 2, text
    assert f'te.OPERATIONS["{name}"](' in text
    assert "# Derivatives judged" in text or "# ShapeError" in text
    function, inputs = pasted(text)
    try:
        assert not gradients(function, *inputs).ok
    except ShapeError:
        assert "# ShapeError" in text
    monkeypatch.undo()
    function, inputs = pasted(text)
    assert gradients(function, *inputs).ok


def test_a_wrong_second_derivative_shrinks_to_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPERATIONS, "sin", wrong_when_recorded(OPERATIONS["sin"]))
    judged(gradient, programs(["sin", "add"]))
    text = smallest_failure(second_order, ["sin", "add", "exp", "mean"])
    assert text.count("(x)") == 1, text
    function, inputs = pasted(text)
    assert not gradients(function, *inputs, order=2).ok


def test_a_missing_reduction_shrinks_to_two_steps(declared: list[Operation]) -> None:
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
    text = smallest_failure(gradient, [*OTHERS, wrong.name])
    assert len([line for line in text.splitlines() if line[1:].startswith(" = ")]) <= 4, text
    assert "wrong_times" in text


def test_a_record_takes_part_from_its_declaration_on(declared: list[Operation]) -> None:
    strategy = programs()
    mine = te.define_elementwise("mine", np.sin, lambda out, x: np.cos(x), formula="m({0})")

    def without_mine(program: Program) -> str:
        return "mine takes part" if any(step.op is mine for step in program.steps) else ""

    with pytest.raises(AssertionError) as caught:
        judged(without_mine, strategy, share=20.0)
    assert str(caught.value).splitlines()[3:] == [
        'x = te.Value(0.0, name="x")',
        'a = te.OPERATIONS["mine"](x)',
        "# mine takes part",
    ]


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
        "import tinygrad_edu.check.drawing"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'ImportError: random programs are drawn with hypothesis; run: pip install "tiny' in (
        ran.stderr
    )
