"""What is easily written and no program can do: an answer that is right, or one that says so."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.compile.judging import bits, plain
from tinygrad_edu.errors import NotTrackedError, OperandError, RecordingWarning, TracingError

nn, losses = te.nn, te.nn.losses
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((4, 3)), RNG.standard_normal((4, 2))


def model() -> Any:
    return nn.MLP([3, 5, 2], activation="tanh", seed=0)


# ---- the backward pass is not f's ----


def passes(network: Any, optimizer: Any) -> Callable[..., Any]:
    def f(x: Any, y: Any) -> Any:
        loss = losses.mse(network(x), y)
        loss.backward()
        return loss

    return f


def whole_steps(network: Any, optimizer: Any) -> Callable[..., Any]:
    def f(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = losses.mse(network(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return f


@pytest.mark.parametrize("write", [passes, whole_steps])
@pytest.mark.parametrize("given", [False, True], ids=["alone", "with an optimiser"])
def test_a_backward_pass_of_its_own_is_refused(write: Any, given: bool) -> None:
    network = model()
    optimizer = te.optim.SGD(network.parameters(), lr=0.1)
    step = te.compile(write(network, optimizer), optimizer if given else None)
    with pytest.raises(OperandError, match=r"called loss\.backward\(\) itself.*return the loss"):
        step(X, Y)


# ---- what is another thing in a recording ----


def by_class(x: Any) -> Any:
    return np.sum(x) * (1.0 if isinstance(x, np.ndarray) else 1000.0)


def by_type(x: Any) -> Any:
    return np.sum(x) if type(x) is te.Value else np.sum(x * x)


def by_float(x: Any, weight: float = 0.5) -> Any:
    return np.sum(x) * weight if isinstance(weight, float) else np.sum(x) * 7.0


def by_text(x: Any) -> Any:
    return np.sum(x) * float(len(str(x)))


def said(x: Any) -> Any:
    return np.sum(x), f"the mean is {np.mean(x)}"


def of_numbers(x: Any) -> Any:
    total = W * 1.0
    for n in range(600):
        total = total * 0.5 + x * (0.25 + n % 3)
    return total * (1.0 if isinstance(x, float) else 3.0)


W = te.Value(0.5)


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (by_class, (X,)),
        (by_type, (X,)),
        (by_float, (X, 0.25)),
        (by_text, (X,)),
        (said, (X,)),
        (of_numbers, (0.75,)),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_results_are_those_of_the_function_as_ever(f: Any, args: tuple[Any, ...]) -> None:
    step = te.compile(f)
    with pytest.warns(RecordingWarning, match="isinstance"):  # noqa: PT031 (said once of many calls)
        for _ in range(4):
            assert bits(step(*args)) == bits(plain(f(*args)))
    assert not step.source


def test_random_numbers_of_its_own_are_not_repeated() -> None:
    ours = np.random.default_rng(3)
    step = te.compile(lambda x: np.sum(x * ours.standard_normal(4)))
    with pytest.warns(RecordingWarning, match=r"te\.random"):
        found = [float(step(np.ones(4)).item()) for _ in range(6)]
    assert len(set(found)) == 6


# ---- what f changes ----


def test_an_array_that_is_given_is_not_changed_in_place() -> None:
    def add(x: Any) -> Any:
        h = x
        h += 1
        return np.sum(h * x)

    x = np.ones(3)
    with pytest.raises(OperandError, match=r"add changes an array.*x = x \+ 1"):
        te.compile(add)(x)
    assert (x == 1).all()


def test_a_container_that_is_given_is_not_changed() -> None:
    def remember(x: Any, state: Any) -> Any:
        state["h"] = 0.5 * state["h"] + x
        return np.sum(state["h"])

    def append(x: Any, log: Any) -> Any:
        log.append(x)
        return np.sum(x)

    for f, held in ((remember, {"h": np.zeros(2)}), (append, [1.0, "a"])):
        with pytest.raises(OperandError, match="changes a list or dict"):
            te.compile(f)(np.ones(2), held)


def test_a_result_that_is_the_argument_can_be_written_to() -> None:
    step = te.compile(lambda x: x)
    for _ in range(4):
        step(np.ones(3))[0] = 5.0


def test_numbers_of_objects_are_read_at_each_call() -> None:
    held = SimpleNamespace(scale=1.0)
    step = te.compile(lambda x, held: np.sum(x) * held.scale)
    with pytest.warns(RecordingWarning, match=r"object of class SimpleNamespace.*dataclass"):  # noqa: PT031 (said once of many calls)
        for n in range(5):
            held.scale = float(n)
            assert step(np.ones(2), held) == 2.0 * n


def test_what_was_kept_of_a_recording_says_so() -> None:
    log: list[Any] = []

    def f(x: Any) -> Any:
        loss = np.sum(te.Value(x) ** 2)
        log.append(loss.item())
        return loss

    step = te.compile(f)
    for _ in range(3):
        step(np.ones(3))
    assert log[0] == 3.0
    uses: list[Callable[[Any], Any]] = [float, np.exp, lambda v: v + 1, lambda v: v < 1]
    uses += [lambda v: sum([v, v]), lambda v: f"{v:.3f}"]
    for use in uses:
        with pytest.raises(TracingError, match="recording that is over"):
            use(log[1])


# ---- calls of many kinds ----


def test_a_count_of_epochs_does_not_make_a_program_each() -> None:
    network = model()
    optimizer = te.optim.SGD(network.parameters(), lr=0.1)
    step = te.compile(lambda x, y, epoch: losses.mse(network(x), y), optimizer)
    with pytest.warns(RecordingWarning) as told:  # noqa: PT031 (said once of many calls)
        for epoch in range(40):
            step(X, Y, epoch)
    assert len(step.programs) <= 12
    assert len(told) == 2
    assert "each of the last 12 calls" in str(told[1].message)


def test_one_wrong_argument_leaves_right_ones_compiled() -> None:
    network = model()
    step = te.compile(lambda x, y: losses.cross_entropy(network(x), y))
    labels = np.array([0, 1, 1, 0])
    for _ in range(3):
        step(X, labels)
    with pytest.raises(Exception, match=r"label|class"):
        step(X, np.array([0, 1, 2, 0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step(X, labels)
    assert step.source


# ---- what is given to te.compile, and asked of what it returns ----


def test_what_is_no_loss_is_refused() -> None:
    network = model()
    optimizer = te.optim.SGD(network.parameters(), lr=0.1)
    wrong: tuple[tuple[Any, ...], ...] = (
        ("f",),
        (nn.MLP,),
        (optimizer, passes),
        (network, optimizer),
        (passes, te.optim.SGD),
        (passes, network),
    )
    for args in wrong:
        with pytest.raises(OperandError, match=r"te\.(compile|optim)"):
            te.compile(*args)


def test_a_compiled_model_says_where_its_parts_are() -> None:
    network = model()
    compiled = te.compile(network)
    for _ in range(3):
        assert bits(compiled(X)) == bits(plain(network(X)))
    with pytest.raises(AttributeError, match=r"step\.f\.parameters"):
        compiled.parameters()
    with pytest.raises(NotTrackedError, match=r"te\.compile"):
        losses.mse(compiled(X), Y).backward()


def test_derivatives_of_what_is_compiled_are_refused() -> None:
    step = te.compile(lambda v: np.sum(v * v))
    for derive in (te.grad, te.value_and_grad, te.hessian):
        with pytest.raises(OperandError, match=r"te\.compile\(te\.grad\(f\)\)"):
            derive(step)(np.ones(3))
    with pytest.raises(OperandError, match=r"te\.compile\(te\.grad\(f\)\)"):
        te.check.gradients(step, np.ones(3))


def test_methods_are_compiled_in_init() -> None:
    class Wrong:
        @te.compile
        def loss(self, x: Any) -> Any:
            return np.sum(x)

    with pytest.raises(TypeError, match=r"__init__.*te\.compile\(self\.loss"):
        Wrong().loss(X)


def squares(x: Any) -> Any:
    return np.sum(te.Value(x) ** 2)


def test_copies_begin_anew() -> None:
    step = te.compile(squares)
    for _ in range(3):
        step(X)
    for another in (copy.deepcopy(step), copy.copy(step), pickle.loads(pickle.dumps(step))):
        assert not another.source
        for _ in range(3):
            assert bits(another(X)) == bits(plain(squares(X)))
        assert another.source


def test_a_plain_array_that_is_indexed_says_what_to_write() -> None:
    table = np.arange(12.0).reshape(4, 3)
    step = te.compile(lambda rows: np.sum(table[rows]))
    rows = np.array([0, 2])
    step(rows)
    with pytest.raises(TracingError, match=r"te\.Value\(X, requires_grad=False\)\[v\]"):
        step(rows)
    held = te.Value(table, requires_grad=False)
    right = te.compile(lambda rows: np.sum(held[rows]))
    for n in range(4):
        assert right(np.array([0, n])) == table[[0, n]].sum()


def test_the_line_is_the_users_and_not_numpys() -> None:
    step = te.compile(lambda x: np.sum(np.linspace(0, x, 3)))
    step(2.0)
    with pytest.raises(TracingError, match=r"test_slips\.py:\d+: step = te\.compile"):
        step(2.0)
