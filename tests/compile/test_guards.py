"""What a program relies on may change between calls: it gives what uncompiled code would."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.compile.judging import Stepped, bits, plain, same_at_every_call, twins
from tinygrad_edu.errors import OperandError, RecordingWarning, ShapeError, TracingError

nn, losses = te.nn, te.nn.losses
RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 4, 3))
Y = RNG.standard_normal((6, 4, 2))


def regression(model: Any, x: Any, y: Any) -> Any:
    return losses.mse(model(x), y)


def maker(
    build: Callable[[], Any] = lambda: nn.MLP([3, 5, 2], activation="tanh"),
    rule: Callable[[Any], Any] = lambda params: te.optim.Adam(params, lr=0.05),
    loss: Callable[..., Any] = regression,
) -> Callable[[], Any]:
    def make() -> Any:
        model = build()
        return model, loss, rule(model.parameters())

    return make


def together(pair: tuple[Any, Any], batches: range) -> None:
    """Both train on some batches, and are the same after each."""
    for n in batches:
        results = [bits(each(X[n % 6], Y[n % 6])) for each in pair]
        assert results[0] == results[1], f"batch {n}"
        assert pair[0].state() == pair[1].state(), f"batch {n}"


CHANGES: dict[str, Callable[[Any], Any]] = {
    "rebound": lambda one: setattr(one.model.layers[0].weight, "data", np.ones((3, 5))),
    "replaced": lambda one: setattr(one.model.layers[0], "weight", te.Value(np.ones((3, 5)))),
    "frozen": lambda one: setattr(one.model.layers[0].bias, "requires_grad", False),
    "rate": lambda one: setattr(one.optimizer, "lr", 0.2),
    "schedule": lambda one: one.optimizer.scale(0.3),
    "option": lambda one: one.optimizer.groups[0].__setitem__("weight_decay", 0.1),
    "betas": lambda one: one.optimizer.groups[0].__setitem__("betas", (0.5, 0.9)),
    "model loaded": lambda one: one.model.load_state_dict(
        {name: array + 1 for name, array in one.model.state_dict().items()}
    ),
    "optimiser loaded": lambda one: one.optimizer.load_state_dict(
        {**one.optimizer.state_dict(), "state": [{} for _ in one.optimizer.params]}
    ),
    "in place": lambda one: in_place(one.model.layers[0].weight),
    "gradient left": lambda one: setattr(one.model.layers[0].weight, "grad", np.ones((3, 5))),
    "part replaced": lambda one: setattr(one.model.layers[0], "bias", te.Value(np.ones(5))),
}


def in_place(weight: te.Value) -> None:
    with te.no_grad():
        weight *= 0.5


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_calls_counts(change: str) -> None:
    pair = twins(maker())
    together(pair, range(4))
    before = pair[1].step.source
    assert before
    for each in pair:
        CHANGES[change](each)
    together(pair, range(4, 9))
    assert pair[1].step.source


class Contained(nn.Module):
    """Parts and parameters in containers, and in containers of these."""

    def __init__(self) -> None:
        self.parts: list[Any] = [nn.Linear(3, 4), np.tanh, nn.Linear(4, 2)]
        self.table: dict[str, Any] = {
            "scale": te.Value(np.ones(2)),
            "more": [te.Value(np.zeros(2))],
        }

    def forward(self, x: Any) -> Any:
        for each in self.parts:
            x = each(x)
        return x * self.table["scale"] + sum(self.table["more"])


IN_CONTAINERS: dict[str, Callable[[Any], Any]] = {
    "a module in a list": lambda model: model.parts.__setitem__(0, nn.Linear(3, 4, seed=9)),
    "a function in a list": lambda model: model.parts.__setitem__(1, np.sin),
    "one more": lambda model: model.parts.append(np.tanh),
    "one less": lambda model: model.parts.pop(1),
    "another order": lambda model: model.parts.append(model.parts.pop(1)),
    "a parameter in a dict": lambda model: model.table.update(scale=te.Value(np.full(2, 0.5))),
    "a parameter further in": lambda model: model.table["more"].append(te.Value(np.ones(2))),
    "another list": lambda model: model.table.update(more=[te.Value(np.ones(2))]),
}


@pytest.mark.parametrize("change", IN_CONTAINERS)
def test_a_change_inside_of_a_container_counts(change: str) -> None:
    pair = twins(maker(Contained))
    together(pair, range(4))
    assert pair[1].step.source
    for each in pair:
        IN_CONTAINERS[change](each.model)
    together(pair, range(4, 9))
    assert pair[1].step.source


@pytest.mark.parametrize("when", [1, 2, 3])
def test_a_change_right_before_the_recording_counts(when: int) -> None:
    for change in CHANGES.values():
        pair = twins(maker())
        together(pair, range(when))
        for each in pair:
            change(each)
        together(pair, range(when, 6))


def test_a_state_loaded_back_goes_on_as_it_did() -> None:
    pair = twins(maker())
    together(pair, range(4))
    saved = [(one.model.state_dict(), one.optimizer.state_dict()) for one in pair]
    together(pair, range(4, 7))
    for one, (weights, options) in zip(pair, saved, strict=True):
        one.model.load_state_dict(weights)
        one.optimizer.load_state_dict(options)
    together(pair, range(7, 10))


def test_train_and_eval() -> None:
    def build() -> Any:
        return nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm(8), nn.Dropout(0.5, seed=3), nn.Linear(8, 2)
        )

    pair = twins(maker(build))
    for mode in (True, False, True, True, False):
        for each in pair:
            each.model.train(mode)
        together(pair, range(4))


def test_programs_of_both_modes_are_kept() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm(8), nn.Dropout(0.5, seed=3))
    twin = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm(8), nn.Dropout(0.5, seed=3))
    step = te.compile(lambda x: plain(model(x)))
    made = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for n in range(12):
            for one in (model, twin):
                one.train(n % 2 == 0)
            assert bits(step(X[n % 6])) == bits(plain(twin(X[n % 6])))
            assert bits(model.state_dict()) == bits(twin.state_dict())
            made.add(step.source)
    assert len(made - {""}) == 2
    assert sum(map(len, step.programs.values())) == 2


def test_parameters_that_get_no_gradient_rest() -> None:
    def build() -> Any:
        model = nn.MLP([3, 5, 2], activation="tanh")
        model.unused = te.Value(np.ones(3))
        return model

    def rule(params: Any) -> Any:
        return te.optim.AdamW(params, lr=0.1, weight_decay=0.5)

    pair = twins(maker(build, rule))
    together(pair, range(5))
    assert bits(pair[1].model.unused.data) == bits(np.ones(3))


def test_numbers_are_parameters_too_and_groups_have_options_of_their_own() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            self.scale = te.Value(1.5)
            self.linear = nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            return self.linear(x) * self.scale

    def rule(params: Any) -> Any:
        return te.optim.SGD(
            [{"params": params[:1], "lr": 0.01}, {"params": params[1:], "momentum": 0.9}], lr=0.1
        )

    together(twins(maker(Scaled, rule)), range(6))


def test_a_leaf_that_only_gives_its_numbers_takes_part() -> None:
    readers: dict[str, Callable[[Any], Any]] = {
        "detach": lambda w: np.sum(w.detach() * 2.0),
        "item": lambda w: np.sum(X[0] * w[0].item()),
        "Value": lambda w: np.sum(te.Value(w)),
        "itself": lambda w: w,
    }
    for reader in readers.values():
        w = te.Value(np.ones(3))

        def f(x: Any, w: Any = w, reader: Any = reader) -> Any:
            return np.sum(x), reader(w)

        step = te.compile(f)
        for n in range(5):
            w.data = np.arange(3.0) + n
            assert bits(step(X[n])) == bits(plain((np.sum(X[n]), reader(w))))


def test_a_leaf_that_is_only_asked_for_its_number_is_refused() -> None:
    w = te.Value(2.0)
    step = te.compile(lambda x: np.sum(x) * np.float64(w.data))
    step(X[0])
    with pytest.raises(TracingError, match=r"\.data"):
        step(X[0])


def test_two_dtypes_in_one_model() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            self.first = nn.Linear(3, 4, dtype=np.float32)
            self.second = nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return self.second(np.tanh(self.first(x)))

    together(twins(maker(Mixed)), range(6))


def test_two_parameters_with_one_gradient() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            self.a, self.b = te.Value(np.ones((3, 2))), te.Value(np.zeros((3, 2)))

        def forward(self, x: Any) -> Any:
            return x @ (self.a + self.b)

    together(twins(maker(Sum)), range(6))


def test_a_constant_gradient() -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        return np.sum(model.bias) + 0.0 * np.sum(model(x))

    together(twins(maker(lambda: nn.Linear(3, 2), loss=loss)), range(5))


def test_a_rule_of_ones_own() -> None:
    class Clipped(te.optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, 0.1)

        @staticmethod
        def update(parameter: Any, gradient: Any, state: Any, options: Any) -> Any:
            size = np.sqrt(np.sum(gradient * gradient))
            return parameter - options["lr"] * gradient / np.maximum(size, 1.0), {}

    together(twins(maker(rule=Clipped)), range(6))


def test_a_rule_that_takes_a_parameter_as_a_matrix() -> None:
    class Rows(te.optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, 0.1)

        @staticmethod
        def update(parameter: Any, gradient: Any, state: Any, options: Any) -> Any:
            total = state.get("total", 0.0) + gradient * gradient
            size = np.sqrt(np.sum(total, axis=-1, keepdims=True)) + 1e-3
            return parameter - options["lr"] * gradient / size, {"total": total}

    together(twins(maker(rule=Rows)), range(6))


def test_a_rule_that_remembers_other_shapes_is_refused() -> None:
    class Odd(te.optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, 0.1)

        @staticmethod
        def update(parameter: Any, gradient: Any, state: Any, options: Any) -> Any:
            return parameter - options["lr"] * gradient, {"sizes": np.sum(gradient, axis=-1)}

    one = Stepped(*maker(rule=Odd)())
    with pytest.raises(OperandError, match="sizes of shape"):
        one(X[0], Y[0])


def test_a_rule_that_branches_stays_uncompiled() -> None:
    class Clipped(te.optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, 0.1)

        @staticmethod
        def update(parameter: Any, gradient: Any, state: Any, options: Any) -> Any:
            size = np.sqrt(np.sum(gradient * gradient))
            gradient = gradient / size if size > 1 else gradient
            return parameter - options["lr"] * gradient, {}

    pair = twins(maker(rule=Clipped))
    together(pair, range(1))
    with pytest.warns(RecordingWarning, match="uncompiled"):
        together(pair, range(1, 2))
    together(pair, range(2, 5))


# ---- arguments ----


def test_other_shapes_and_dtypes_are_recorded_and_said_once() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.tanh(x) * 2)

    step = te.compile(f)
    a: Any = np.ones((2, 3))
    b, c = np.ones(4), np.ones(4, np.float32)
    for each in (a, a, a):
        assert bits(step(each)) == bits(f(each))
    with pytest.warns(RecordingWarning, match="another shape"):
        assert bits(step(b)) == bits(f(b))
    for each in (c, a, b, c, a, b + 1, c + 1, a + 1):
        assert bits(step(each)) == bits(f(each))
    assert len(step.programs) == 3


def test_integers_are_parts_of_a_program_and_floats_are_inputs() -> None:
    step = te.compile(lambda x, n, factor: np.sum(x**n) * factor)
    x = np.arange(3.0)
    for factor in (1.0, 2.0, 3.0, -0.0):
        assert step(x, 2, factor) == 5.0 * factor
    with pytest.warns(RecordingWarning, match="integer"):
        assert step(x, 3, 1.0) == 9.0
    assert len(step.programs) == 2


def test_many_integers_do_not_pile_up() -> None:
    step = te.compile(lambda x, n: np.sum(x) + n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for n in range(100):
            assert step(np.ones(2), n) == 2 + n
    assert len(step.programs) <= 64


def test_containers_lists_and_names() -> None:
    def f(tree: Any, numbers: Any, flag: Any = None) -> Any:
        total = np.sum(tree["a"] * tree["b"][0]) + np.sum(np.tanh(tree["b"][1]) * 2)
        return {"total": total, "first": np.sum(numbers) * 2.0 if flag else total}

    step = te.compile(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for n in range(4):
            tree = {"a": np.ones(3) * n, "b": (np.arange(3.0), 0.5 * n)}
            assert bits(step(tree, [1.0, 2.0])) == bits(f(tree, [1.0, 2.0]))
            named = {"numbers": [1.0, 2.0 + n], "flag": True}
            assert bits(step(tree, **named)) == bits(f(tree, **named))


def test_arguments_by_name() -> None:
    def f(x: Any, y: Any, *, factor: float = 2.0) -> Any:
        return np.sum(np.tanh(x) * y) * factor

    step = te.compile(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for n in range(5):
            x, y = np.arange(3.0) + n, np.ones(3) * n
            for given in ({"y": y, "x": x}, {"x": x, "y": y, "factor": 0.5 * n}, {"y": x, "x": y}):
                assert bits(step(**given)) == bits(f(**given))
            assert bits(step(x, y=y)) == bits(f(x, y))


def test_an_argument_that_was_mutated_is_read_anew() -> None:
    step = te.compile(lambda x: np.sum(x * x))
    x = np.zeros(3)
    for n in range(5):
        x[:] = n
        assert step(x) == 3 * n * n


def test_a_parameter_given_as_an_argument() -> None:
    pair = []
    for compiled in (False, True):
        w = te.Value(np.arange(3.0))
        optimizer = te.optim.SGD([w], lr=0.1)

        def loss(v: Any, x: Any, w: Any = w) -> Any:
            return np.sum(w * v * x)

        step = te.compile(loss, optimizer) if compiled else None
        for n in range(5):
            x = np.arange(3.0) + n
            if step is not None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", RecordingWarning)  # it stays uncompiled
                    step(w, x)
            else:
                optimizer.zero_grad()
                loss(w, x).backward()
                optimizer.step()
        pair.append(bits(w.data))
    assert pair[0] == pair[1]


def test_a_node_of_another_graph_as_an_argument_hands_its_gradient_on() -> None:
    w = te.Value(np.arange(3.0))
    step = te.compile(lambda v: np.sum(v * v))
    with pytest.warns(RecordingWarning, match=r"give v\.detach\(\)") as said:  # noqa: PT031
        for n in range(1, 5):
            w.grad = None
            step(w * float(n))
            assert bits(w.grad) == bits(2.0 * n * n * np.arange(3.0))
    assert len(said) == 1


# ---- branches ----


def bent(x: Any) -> Any:
    """Something of this package that looks at its numbers: tanh's slope far out."""
    v = te.Value(x)
    out = np.tanh(v)
    return out, te.grad(np.sum(out), [v])


def test_a_branch_inside_the_package_is_taken_the_other_way() -> None:
    near, far = np.linspace(-1, 1, 500), np.linspace(-40, 40, 500)
    order = [near, near, near, far, near, far, far, near]
    same_at_every_call(bent, lambda call: (order[call],), len(order))


def test_what_overflows_is_as_ever() -> None:
    def f(x: Any) -> Any:
        v = te.Value(x)
        with np.errstate(over="ignore"):
            out = np.sum(np.exp(v))
        return out, te.grad(out, [v])

    order = [1.0, 1.0, 1.0, 800.0, 1.0, 800.0]
    same_at_every_call(f, lambda call: (np.full(3, order[call]),), len(order))


def test_an_overflow_warns_as_ever() -> None:
    step = te.compile(lambda x: np.sum(np.exp(x)))
    for _ in range(3):
        step(np.ones(2))
    with pytest.warns(RuntimeWarning, match="overflow"):
        assert step(np.full(2, 1e3)) == np.inf


def test_nothing_coming_in_gives_zero_though_the_slope_is_infinite() -> None:
    def f(x: Any) -> Any:
        v = te.Value(x)
        return te.grad(np.sum(np.where(v > 0, np.sqrt(np.abs(v)), v)), [v])[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        same_at_every_call(f, lambda call: (np.array([1.0, -1.0, 0.0, 4.0]) * (call != 2),))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none(bad: float) -> None:
    def f(x: Any) -> Any:
        v = te.Value(x)
        out = np.sum(np.where(v > 0, v * v, 0.0))
        return out, te.grad(out, [v])

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for place in range(4):
            order = [(np.array([bad if call == place else 1.0, 2.0]),) for call in range(6)]
            step = same_at_every_call(f, order.__getitem__, 6)
            assert sum(map(len, step.programs.values())) <= 1


def test_a_training_whose_loss_is_not_finite_is_as_ever() -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        return losses.mse(model(x), y)

    pair = twins(maker(loss=loss))
    together(pair, range(4))
    with np.errstate(all="ignore"):
        bad = np.full((4, 3), np.nan)
        results = [bits(each(bad, Y[0])) for each in pair]
        assert results[0] == results[1]
        together(pair, range(3))


# ---- what may go wrong in the middle ----


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_exception_leaves_all_as_it_was(at: int) -> None:
    class Fails(nn.Module):
        def __init__(self) -> None:
            self.first = nn.Linear(3, 4)
            self.norm, self.drop = nn.BatchNorm(4), nn.Dropout(0.5, seed=1)
            self.last = nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return self.last(self.drop(self.norm(self.first(x))))

    pair = twins(maker(Fails))
    together(pair, range(at))
    before = pair[1].state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        with pytest.raises(ShapeError):
            pair[1](X[0], np.ones((3, 7)))
    assert pair[1].state() == before
    for each in pair:
        each.model.load_state_dict(pair[0].model.state_dict())
    for one, other in zip(*(each.model.named_generators() for each in pair), strict=True):
        other[1].bit_generator.state = one[1].bit_generator.state
    together(pair, range(at, 6))
    for _, leaf in pair[1].model.named_leaves():
        assert isinstance(leaf._data, np.ndarray)


def test_an_exception_while_recording_leaves_all_as_it_was() -> None:
    calls = []

    def loss(model: Any, x: Any, y: Any) -> Any:
        calls.append(1)
        prediction = model(x)
        if len(calls) == 2:
            raise KeyError("mine")
        return losses.mse(prediction, y)

    def build() -> Any:
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.Dropout(0.5), nn.Linear(4, 2))

    one = Stepped(*maker(build, loss=loss)())
    one(X[0], Y[0])
    before = one.state()
    with pytest.raises(KeyError, match="mine"):
        one(X[1], Y[1])
    assert one.state() == before
    for _, leaf in one.model.named_leaves():
        assert isinstance(leaf._data, np.ndarray)
        assert leaf.grad is None


def test_a_step_that_calls_itself() -> None:
    w = te.Value(np.arange(3.0))

    def f(x: Any, depth: int) -> Any:
        return np.sum(w * x) + (step(x * 2, depth - 1).item() if depth else 0.0)

    step = te.compile(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for n in range(5):
            x = np.ones(3) * n
            assert step(x, 2).item() == 3.0 * n * 7


def test_a_compiled_function_inside_of_another() -> None:
    inner = te.compile(lambda x: np.sum(x * x))
    outer = te.compile(lambda x: inner(x) + inner(2 * x))
    for n in range(5):
        assert outer(np.ones(2) * n) == 10.0 * n * n


def test_a_step_with_an_optimiser_inside_of_another_is_refused() -> None:
    w = te.Value(np.ones(3))
    inner = te.compile(lambda x: np.sum(w * x), te.optim.SGD([w], lr=0.1))
    outer = te.compile(lambda x: inner(x))
    with pytest.raises(TracingError, match="beside"):
        outer(np.ones(3))


def test_observers_see_nothing_of_a_program_and_are_told() -> None:
    step = te.compile(lambda x: np.sum(x))
    with te.observe(lambda node, gradient: None):  # noqa: SIM117
        with pytest.raises(TracingError, match="observe"):
            step(np.ones(2))


def test_no_grad_is_another_program() -> None:
    w = te.Value(np.ones(3))

    def f(x: Any) -> Any:
        return np.sum(w * x)

    step = te.compile(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for n in range(4):
            w.grad = None
            assert step(np.ones(3) * n) == 3.0 * n
            assert bits(w.grad) == bits(np.ones(3) * n)
            with te.no_grad():
                w.grad = None
                assert step(np.ones(3) * n) == 3.0 * n
                assert w.grad is None


def test_threads() -> None:
    w = te.Value(np.zeros(50))
    optimizer = te.optim.SGD([w], lr=1.0)
    step = te.compile(lambda x: np.sum(w * x), optimizer)
    x = np.full(50, -1.0)
    faults: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(40):
                step(x)
        except BaseException as error:
            faults.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert not faults
    assert bits(w.data) == bits(np.full(50, 160.0))


def test_threads_with_arguments_of_several_shapes() -> None:
    """Without an optimiser: each thread gets the results of its own arguments."""

    def f(x: Any) -> Any:
        v = te.Value(x)
        out = np.sum(np.tanh(v) * v)
        return out, te.grad(out, [v])

    step = te.compile(f)
    given = [np.linspace(-1, 1 + n, 3 + n % 2) for n in range(4)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for _ in range(2):
            for x in given:
                step(x)
    expected = [bits(plain(f(x))) for x in given]
    wrong: list[int] = []

    def work(n: int) -> None:
        for _ in range(30):
            if bits(step(given[n])) != expected[n]:
                wrong.append(n)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert not wrong


def test_a_model_that_changes_at_each_call_is_never_compiled_and_says_so() -> None:
    class Keeps(nn.Module):
        def __init__(self) -> None:
            self.linear, self.last = nn.Linear(3, 2), None

        def forward(self, x: Any) -> Any:
            self.last = self.linear(x)
            return self.last

    pair = twins(maker(Keeps))
    with pytest.warns(RecordingWarning, match="attribute"):
        together(pair, range(8))
    assert pair[1].step.source == ""
    assert bits(pair[1].model.last.data) == bits(pair[0].model.last.data)


def test_bad_calls() -> None:
    with pytest.raises(OperandError, match="function"):
        te.compile(3)  # type: ignore[arg-type]
    with pytest.raises(OperandError, match="optimiser"):
        te.compile(np.sum, "sgd")  # type: ignore[arg-type]
    w = te.Value(np.ones(2))
    with pytest.raises(OperandError, match="returns the loss"):
        te.compile(lambda x: 3.0, te.optim.SGD([w]))(np.ones(2))


def test_gradients_add_up_without_an_optimiser() -> None:
    w = te.Value(np.arange(3.0))
    step = te.compile(lambda x: np.sum(w * w * x))
    total = np.zeros(3)
    for n in range(1, 6):
        x = np.ones(3) * n
        assert bits(step(x)) == bits(plain(np.sum(w * w * x)))
        total = total + 2 * np.arange(3.0) * n
        assert bits(w.grad) == bits(total)
