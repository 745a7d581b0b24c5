from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

import tinygrad_edu as te
from tests.check.judging import Judge, fifty_digits, gradient, judged, second_order
from tinygrad_edu.check import gradients
from tinygrad_edu.check.drawing import PICKS, Block, Draft, extended, programs
from tinygrad_edu.check.legal import LARGEST, MARGIN, MOST_ENTRIES
from tinygrad_edu.check.programs import Program, Step
from tinygrad_edu.check.samples import interval, room
from tinygrad_edu.check.shrinking import smallest
from tinygrad_edu.engine.operation import OPERATIONS, Operation, ThroughOutput
from tinygrad_edu.errors import OperandError, ShapeError

MANY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
DIFFERENTIABLE = [op for op in OPERATIONS.values() if op.differentiable and not op.surrogate]
OTHERS = ("add", "multiply", "sin", "exp", "divide", "reshape", "mean", "softmax", "broadcast_to")


@pytest.fixture
def declared() -> Iterator[None]:
    """Records that a test declares are gone afterwards."""
    before = set(OPERATIONS)
    yield
    for name in set(OPERATIONS) - before:
        del OPERATIONS[name]


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


def check_text(program: Program) -> None:
    """What is printed of a program computes the same."""
    function, inputs = pasted(str(program))
    assert np.array_equal(function(*map(te.Value, inputs)).data, program())
    assert all(map(np.array_equal, inputs, program.inputs))
    assert repr(program) == str(program)


def sampled(operations: list[Operation], count: int, steps: int, inputs: int) -> list[Program]:
    """Programs drawn without hypothesis, which takes its time and has its favourites."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        draft = Draft(inputs)
        for _ in range(steps):
            first = int(rng.integers(len(operations)))
            block = Block(1, first, rng.bytes(PICKS), rng.bytes(MOST_ENTRIES))
            assert extended(draft, block, operations)
        found.append(draft.program(0))
    return found


@pytest.fixture(scope="module")
def sample() -> list[Program]:
    """Long programs of all records."""
    return sampled(DIFFERENTIABLE, 80, 27, 3)


@MANY
@given(programs())
def test_programs_are_legal(program: Program) -> None:
    values = program.values()
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
    used = {taken for step in program.steps for taken in step.takes}
    assert used == set(range(len(values) - 1)), "every result counts"
    check_text(program)


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
        for values in [program.values()]
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


def test_every_record_with_a_derivative_occurs_with_its_options() -> None:
    lacking = []
    for op in DIFFERENTIABLE:
        wanted = {str(case.options) for case in op.cases} or {"{}"}
        found: dict[str, Program] = {}
        for program in sampled([op], 6 + 3 * len(wanted), 1, op.count if op.elementwise else 3):
            assert [step.op for step in program.steps] == [op]
            found.setdefault(str(program.steps[0].options), program)
        for program in found.values():
            check_text(program)
        if len(found) < 0.6 * len(wanted):
            lacking.append((op.name, len(found), len(wanted)))
    assert not lacking


@pytest.mark.parametrize(
    ("judge", "share"), [(gradient, 1.5), (second_order, 0.4)], ids=["gradient", "second order"]
)
def test_derivatives_of_random_programs_are_right(judge: Judge, share: float) -> None:
    judged(judge, share=share)


def test_gradients_of_random_programs_are_right_to_fifty_digits() -> None:
    judged(fifty_digits, programs(steps=(1, 4)), share=0.4)


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


def steeper(op: Any) -> Any:
    return replace(op, partials=(lambda out, x: (1 - out * out) * (1 + 1e-6),))


def of_the_wrong_sign(op: Any) -> Any:
    return replace(op, partials=(op.partials[0], lambda out, a, b: out / b))


def wrong_where_it_is_reused(op: Any) -> Any:
    return replace(op, partials=(lambda out, a, b: b if a is not b else 0 * b, op.partials[1]))


def not_reversed(op: Any) -> Any:
    return replace(
        op, pullbacks=(lambda g, out, a, axis=None: np.reshape(np.cumsum(g, axis), a.shape),)
    )


def not_transposed(op: Any) -> Any:
    return replace(op, pullbacks=(lambda g, out, a, b: g @ b, op.pullbacks[1]))


def cut_where_it_is_broadcast(op: Any) -> Any:
    def cut(gg: Any, out: Any, g: Any, slope: Any) -> Any:
        return np.reshape(np.ravel(g * gg)[: slope.size], slope.shape)

    return replace(op, pullbacks=(op.pullbacks[0], cut))


PLANTED: Mapping[str, Callable[[Any], Any]] = {
    "tanh": steeper,
    "divide": of_the_wrong_sign,
    "multiply": wrong_where_it_is_reused,
    "cumsum": not_reversed,
    "matmul": not_transposed,
    "chain_product": cut_where_it_is_broadcast,
}


def failure(judge: Judge, operations: list[str]) -> str:
    """What is printed of a program that a judge finds wrong."""
    with pytest.raises(AssertionError) as caught:
        judged(judge, programs(operations), share=4.0)
    return str(caught.value)


def steps_of(text: str) -> list[str]:
    """The lines of a printed program that call an operation."""
    lines = [line for line in text.splitlines() if " = " in line and not line.startswith("#")]
    return [line for line in lines if " = te.Value(" not in line]


LONG = ("cumsum", "matmul", "chain_product")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.thorough if name in LONG else ()) for name in PLANTED],
)
def test_a_wrong_rule_shrinks_to_its_own_step_which_fails_when_pasted(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(OPERATIONS, name, PLANTED[name](OPERATIONS[name]))
    # In one order: that of a set would be another in each process.
    text = failure(gradient, [*dict.fromkeys((*OTHERS, name))])
    assert len(steps_of(text)) == 1, text
    assert f'a = te.OPERATIONS["{name}"](' in text
    function, inputs = pasted(text)
    if name == "matmul":  # shapes that do not fit
        with pytest.raises((ShapeError, ValueError)):
            gradients(function, *inputs)
    else:
        report = gradients(function, *inputs)
        assert not report.ok
        assert "# Derivatives judged" in text
    monkeypatch.undo()
    function, inputs = pasted(text)
    assert gradients(function, *inputs).ok


def detached(x: Any) -> Any:
    return x.detach() if isinstance(x, te.Value) else x


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        (lambda out, x: np.cos(detached(x)), "# Derivatives judged"),
        (
            ThroughOutput(lambda out, x: (1 + 1e-6) * np.cos(x), lambda out, x: np.cos(x), np.cos),
            "# the recorded gradient",
        ),
    ],
    ids=["not recorded", "recorded wrong"],
)
def test_a_wrong_second_derivative_shrinks_to_its_own_step(
    monkeypatch: pytest.MonkeyPatch, rule: Any, complaint: str
) -> None:
    sin: Any = OPERATIONS["sin"]
    monkeypatch.setitem(OPERATIONS, "sin", replace(sin, partials=(rule,)))
    names = ["sin", "add", "exp", "mean", "reshape"]
    judged(gradient, programs(names), share=0.5)
    text = failure(second_order, names)
    assert len(steps_of(text)) == 1, text
    assert complaint in text


def test_two_steps_that_fail_together_are_kept_together() -> None:
    def exp_of_tanh(program: Program) -> str:
        makers = (None,) * len(program.inputs) + tuple(step.op.name for step in program.steps)
        met = any(s.op.name == "exp" and makers[s.takes[0]] == "tanh" for s in program.steps)
        return "exp(tanh(...))" if met else ""

    text = failure(exp_of_tanh, ["tanh", "exp", "add", "mean", "matmul"])
    assert text.splitlines()[3:] == [
        'x = te.Value(0.0, name="x")',
        "a = np.tanh(x)",
        "b = np.exp(a)",
        "# exp(tanh(...))",
    ]


def test_only_legal_programs_are_tried() -> None:
    log, divide = OPERATIONS["log"], OPERATIONS["divide"]
    program = Program(
        (np.array([[2.75, 1.0]]), np.float64(-3.0)),
        (Step(log, (0,)), Step(divide, (2, 1)), Step(OPERATIONS["sin"], (3,))),
    )
    seen = []

    def fails(candidate: Program) -> bool:
        seen.append(candidate)
        return candidate.steps[-1].op is divide

    small = smallest(program, fails)
    assert str(small).splitlines()[3:] == [
        'x = te.Value(1.0, name="x")',
        'y = te.Value(0.0, name="y")',
        "a = np.divide(y, x)",
    ]
    assert len({str(each) for each in seen}) == len(seen)
    for each in seen:
        assert np.all(np.isfinite(each()))


def test_a_record_takes_part_from_its_declaration_on(
    monkeypatch: pytest.MonkeyPatch, declared: None
) -> None:
    strategy = programs()
    for name in set(OPERATIONS) - {"add", "sin"}:
        monkeypatch.delitem(OPERATIONS, name)
    mine = te.define_elementwise("mine", np.sin, lambda out, x: np.cos(x), formula="m({0})")
    program = find(
        strategy,
        lambda program: any(step.op is mine for step in program.steps),
        settings=settings(database=None, deadline=None, phases=[Phase.generate, Phase.shrink]),
        random=random.Random(1),
    )
    assert [step.op for step in program.steps] == [mine]
    assert program.inputs == (0.0,)


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
