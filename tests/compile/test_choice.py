"""Code of many single numbers runs by levels, code of arrays straight on; both as uncompiled."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.compile.judging import bits, plain, same_training, twins
from tests.compile.test_layers import RULES
from tests.compile.test_levels import random_function
from tests.shares import one_in
from tinygrad_edu.compile import levels
from tinygrad_edu.compile.levels import FEWEST
from tinygrad_edu.errors import RecordingWarning, TracingError

nn = te.nn
ROWS = 12
RNG = np.random.default_rng(0)
BATCHES = [(RNG.standard_normal((ROWS, 2)), RNG.choice([-1.0, 1.0], ROWS)) for _ in range(20)]
USUAL = ("sgd", "adam", "sgd with momentum")


class Neurons(nn.Module):
    """A network of numbers: its weights and what flows through it are single Values."""

    def __init__(self, activation: str = "relu", dtype: Any = np.float64) -> None:
        rng = np.random.default_rng(1)
        self.activation = activation
        self.weights = [
            [[te.Value(dtype(number)) for number in row] for row in rng.uniform(-1, 1, shape)]
            for shape in ((6, 2), (1, 6))
        ]
        self.scale = te.Value(dtype(0.75))
        self.biases = [[te.Value(dtype(0.1)) for _ in layer] for layer in self.weights]

    def forward(self, x: Sequence[Any]) -> Any:
        for number, (layer, biases) in enumerate(zip(self.weights, self.biases, strict=True)):
            sums = [
                sum((w * each for w, each in zip(row, x, strict=True)), b)
                for row, b in zip(layer, biases, strict=True)
            ]
            x = [getattr(each, self.activation)() for each in sums] if number == 0 else sums
        return x[0] * self.scale


def hinge(model: Any, x: Any, y: Any) -> Any:
    """A loss of scores, one row after the other; what is given is read number by number."""
    losses = [(1.0 - y[i] * model([x[i, 0], x[i, 1]])).relu() for i in range(len(y))]
    return sum(losses) * (1.0 / len(losses)) + 1e-3 * sum(p * p for p in model.parameters())


def maker(
    rule: str = "adam", activation: str = "relu", loss: Any = hinge, build: Any = Neurons
) -> Callable[[], Any]:
    def make() -> Any:
        model = build(activation)
        return model, loss, RULES[rule](model.parameters())

    return make


def by_levels(step: Any) -> bool:
    """Whether the latest program runs by levels; there is one."""
    assert step.source
    return "def step(" not in step.source


def near(ours: Any, theirs: Any, rtol: float = 1e-12) -> bool:
    """Whether numbers are the same but for NumPy's functions of arrays and of numbers."""
    return bool(np.allclose(ours, theirs, rtol=rtol, atol=rtol))


def weights_of(model: Any) -> list[float]:
    return [p.item() for p in model.parameters()]


def gradients_of(model: Any) -> list[Any]:
    return [None if p.grad is None else float(p.grad) for p in model.parameters()]


# ---- training ----


@pytest.mark.parametrize(
    "rule", [*USUAL, *one_in(5, [rule for rule in RULES if rule not in USUAL])]
)
def test_training(rule: str) -> None:
    """What is made of sums, products and choices is the same bit for bit."""
    assert by_levels(same_training(maker(rule), BATCHES).step)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_training_through_other_functions(activation: str) -> None:
    by_hand, compiled = twins(maker("adam", activation))
    for x, y in BATCHES:
        assert near(compiled(x, y).item(), by_hand(x, y).item())
        assert near(weights_of(compiled.model), weights_of(by_hand.model), 1e-10)
    assert by_levels(compiled.step)


def test_gradients_without_an_optimiser() -> None:
    one, other = Neurons(), Neurons()
    step = te.compile(lambda x, y: hinge(one, x, y))
    for n, (x, y) in enumerate(BATCHES[:8]):
        if n in (3, 5):  # else they add up
            for p in (*one.parameters(), *other.parameters()):
                p.grad = None
        found, loss = step(x, y), hinge(other, x, y)
        loss.backward()
        assert bits(found) == bits(plain(loss))
        assert gradients_of(one) == gradients_of(other)
    assert by_levels(step)


def test_a_program_that_forgets_its_data_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison above can fail."""
    right = levels.Levels.run
    first: list[Any] = []

    def wrong(self: Any, leaf_values: Any, input_values: Any = ()) -> Any:
        first.append(np.array(input_values))
        return right(self, leaf_values, first[0])

    monkeypatch.setattr(levels.Levels, "run", wrong)
    with pytest.raises(AssertionError):
        same_training(maker(), BATCHES[:6])


@pytest.mark.parametrize("seed", one_in(6, range(3, 15), first=2))
def test_random_programs(seed: int) -> None:
    """Many numbers of many operations, used again and again."""
    count = 1 + 3 * seed
    program = random_function(seed, count, 150 + 30 * seed)
    ours, theirs = ([te.Value(float(n)) for n in range(count)] for _ in range(2))
    rng = np.random.default_rng(seed)
    step = te.compile(lambda x: program([w * x for w in ours], ()))
    for call in range(5):
        numbers = rng.standard_normal(count)
        for ws in (ours, theirs):
            for w, number in zip(ws, numbers, strict=True):
                w.data, w.grad = number, None
        x = 1.0 + call
        found, expected = step(x), program([w * x for w in theirs], ())
        expected.backward()
        assert bits(found) == bits(plain(expected))
        for one, other in zip(ours, theirs, strict=True):
            assert bits(one.grad) == bits(other.grad) or one.grad == other.grad == 0
    assert by_levels(step)


def test_float32_stays_float32() -> None:
    def build(activation: str) -> Any:
        return Neurons(activation, np.float32)

    compiled = same_training(
        maker("sgd", build=build),
        [(x.astype(np.float32), y.astype(np.float32)) for x, y in BATCHES[:6]],
    )
    assert {p.dtype for p in compiled.model.parameters()} == {np.dtype(np.float32)}


def test_results_beside_the_loss() -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        scores = [model([x[i, 0], x[i, 1]]) for i in range(len(y))]
        total = sum((s - t) * (s - t) for s, t in zip(scores, y, strict=True)) * 0.0625
        return total, scores[0], {"largest": np.maximum(scores[0], scores[1])}

    by_hand, compiled = twins(maker("sgd", loss=lambda *args: loss(*args)[:2]))
    for x, y in BATCHES[:6]:
        assert bits(compiled(x, y)) == bits(by_hand(x, y))
    model = Neurons()
    step = te.compile(lambda x, y: loss(model, x, y))
    held = []
    for x, y in BATCHES[:6]:
        held.append((step(x, y), plain(loss(model, x, y)[:2])))
    for (total, score, others), (expected, expected_score) in held:  # and they stay what they were
        assert bits(total) == bits(expected)
        assert bits(score) == bits(expected_score)
        assert others["largest"].item() >= score.item()


# ---- what is given ----


def chain(x: Any, y: Any) -> Any:
    """A polynomial of two numbers, of more nodes than a straight line is chosen for."""
    total = x * y
    for n in range(FEWEST):
        total = total * 0.5 + x * (0.25 + n % 3) - y
    return total


NUMBERS: dict[str, Callable[[float], Any]] = {
    "float": float,
    "float64": np.float64,
    "Value": lambda number: te.Value(number, requires_grad=False),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_as_arguments(kind: str) -> None:
    w = te.Value(0.5)
    step = te.compile(lambda x, y: chain(x * w, y + w))
    for n in range(5):
        x, y = NUMBERS[kind](0.25 * n), NUMBERS[kind](1.0 - 0.5 * n)
        w.grad = None
        found, slope = step(x, y), w.grad
        w.grad = None
        loss = chain(x * w, y + w)
        loss.backward()
        assert bits(found) == bits(plain(loss))
        assert slope == w.grad


def test_tracked_numbers_as_arguments_get_their_gradients() -> None:
    w = te.Value(0.5)
    step = te.compile(lambda x, y: chain(x, y) * w)
    for n in range(5):
        ours, theirs = ([te.Value(0.25 * n), te.Value(1.0 - n)] for _ in range(2))
        w.grad = None
        found, slope = step(*ours), w.grad
        w.grad = None
        loss = chain(*theirs) * w
        loss.backward()
        assert bits(found) == bits(plain(loss))
        assert slope == w.grad
        assert [v.grad for v in ours] == [v.grad for v in theirs]


def test_the_same_leaf_twice() -> None:
    x, twin = te.Value(0.5), te.Value(0.5)
    step = te.compile(lambda a, b: chain(a, b) * x)
    for n in range(5):
        x.data = twin.data = 0.5 + 0.25 * n
        x.grad = twin.grad = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecordingWarning)  # it stays uncompiled
            found = step(x, x)
        loss = chain(twin, twin) * twin
        loss.backward()
        assert bits(found) == bits(plain(loss))
        # What comes to it as two arguments and as a leaf is added up apart.
        assert x.grad is not None
        assert abs(x.grad - twin.grad) <= 4 * np.spacing(abs(twin.grad))


def test_one_value_in_two_places_of_a_model() -> None:
    def build(activation: str) -> Any:
        model = Neurons(activation)
        model.weights[1][0][0] = model.weights[0][0][0]
        model.biases[0] = [model.biases[0][0]] * 6
        return model

    same_training(maker("adam", build=build), BATCHES[:8])


def test_lists_and_containers_of_numbers() -> None:
    model, twin = Neurons(), Neurons()

    def loss(model: Any, batch: Any) -> Any:
        rows = zip(batch["x"], batch["y"], strict=True)
        return sum((model(list(x)) - y) * (model(list(x)) - y) for x, y in rows)

    step = te.compile(lambda batch: loss(model, batch))
    for x, y in BATCHES[:5]:
        for each in (*model.parameters(), *twin.parameters()):
            each.grad = None
        batch = {"x": [tuple(map(float, row)) for row in x], "y": tuple(map(float, y))}
        found, expected = step(batch), loss(twin, batch)
        expected.backward()
        assert bits(found) == bits(plain(expected))
        assert gradients_of(model) == gradients_of(twin)


def test_another_count_of_rows_is_another_program() -> None:
    by_hand, compiled = twins(maker())
    order = [ROWS, ROWS, ROWS, 7, 7, 7, ROWS, 7, ROWS, 7]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for count, (x, y) in zip(order, BATCHES, strict=False):
            assert bits(compiled(x[:count], y[:count])) == bits(by_hand(x[:count], y[:count]))
            assert compiled.state() == by_hand.state()
    assert len(compiled.step.programs) == 2


# ---- what is chosen ----


def test_arrays_among_numbers_go_straight_on() -> None:
    class Mixed(Neurons):
        def __init__(self, activation: str) -> None:
            super().__init__(activation)
            self.matrix = te.Value(np.cos(np.arange(4.0)).reshape(2, 2))

        def forward(self, x: Any) -> Any:
            hidden = x @ self.matrix
            return super().forward([hidden[0], hidden[1]])

    def loss(model: Any, x: Any, y: Any) -> Any:
        return sum((1.0 - y[i] * model(x[i])).relu() for i in range(4))

    compiled = same_training(maker("adam", loss=loss, build=Mixed), BATCHES[:6])
    assert not by_levels(compiled.step)


def test_an_array_far_below_many_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further down than is looked for beforehand: a program by levels is not made after all."""
    monkeypatch.setattr(levels, "MANY", FEWEST + 10)
    w, twin = te.Value(np.ones(3)), te.Value(np.ones(3))

    def f(x: Any, w: Any) -> Any:
        total = np.sum(w * x)
        for _ in range(FEWEST):
            total = total * 0.5 + 1.0
        return total * np.sum(w)

    step = te.compile(lambda x: f(x, w))
    for n in range(3):
        w.grad = twin.grad = None
        x = np.arange(3.0) + n
        found, expected = step(x), f(x, twin)
        expected.backward()
        assert bits(found) == bits(plain(expected))
        assert bits(w.grad) == bits(twin.grad)
    assert not by_levels(step)


def test_few_numbers_go_straight_on() -> None:
    w, twin = te.Value(0.5), te.Value(0.5)
    step = te.compile(lambda x: (w * x + 1.0).tanh() * w, te.optim.SGD([w], lr=0.1))
    optimizer = te.optim.SGD([twin], lr=0.1)
    for n in range(6):
        loss = (twin * float(n) + 1.0).tanh() * twin
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert bits(step(float(n))) == bits(plain(loss))
        assert w.item() == twin.item()
    assert not by_levels(step)


def test_random_numbers_are_drawn_anew() -> None:
    class Dropped(Neurons):
        def __init__(self, activation: str) -> None:
            super().__init__(activation)
            self.drop = nn.Dropout(0.5, seed=4)

        def forward(self, x: Any) -> Any:
            return self.drop(super().forward(x))

    def loss(model: Any, x: Any, y: Any) -> Any:
        return sum((1.0 - y[i] * model([x[i, 0], x[i, 1]])).relu() for i in range(4))

    same_training(maker("sgd", loss=loss, build=Dropped), BATCHES[:6])


def test_a_gradient_inside_of_the_loss() -> None:
    def loss(model: Any, x: Any, y: Any) -> Any:
        total: Any = 0.0
        for i in range(4):
            v = [te.Value(x[i, 0]), te.Value(x[i, 1])]
            score = model(v)
            slopes = te.grad(score, v, create_graph=True)
            total = total + (score - y[i]) * (score - y[i]) + sum(g * g for g in slopes)
        return total

    same_training(maker("sgd", loss=loss), BATCHES[:6])


# ---- what changes between calls ----


def right_or_refused(f: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> int:
    """How many of the calls give what they give uncompiled; all others say why they do not."""
    step, right = te.compile(lambda *args: f(*args)), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for args in calls:
            try:
                found = step(*args)
            except TracingError as error:
                assert "np.where" in str(error) or "return it" in str(error)  # noqa: PT017
                continue
            assert bits(found) == bits(plain(f(*args)))
            right += 1
    return right


def branches(x: Any, w: Any) -> Any:
    return chain(x, w) if x > 0 else chain(w, x)


def branches_on_an_item(x: Any, w: Any) -> Any:
    return chain(x * w, w) if (x * w).item() > 0 else chain(w, x * w)


def loops(x: Any, w: Any) -> Any:
    total = x * w
    while total < 3:
        total = chain(total * 0.01, w) * 0.0 + total + 1.0
    return total


def picks(x: Any, w: Any) -> Any:
    return chain(max(x, w), min(x, w))


@pytest.mark.parametrize("f", [branches, branches_on_an_item, loops, picks])
@pytest.mark.parametrize("kind", NUMBERS)
def test_a_branch_on_a_number_is_right_or_refused(f: Any, kind: str) -> None:
    w = te.Value(0.5)
    calls = [(NUMBERS[kind](x),) for x in (1.0, 1.0, 1.0, -1.0, -1.0, 2.0, 0.125)]
    assert right_or_refused(lambda x: f(x, w), calls) >= 1  # the first call runs as ever


def test_a_branch_on_an_array_entry_is_right_or_refused() -> None:
    w = te.Value(0.5)
    calls = [(np.array([x, 0.5]),) for x in (1.0, 1.0, 1.0, -1.0, 1.0)]
    assert right_or_refused(lambda x: branches(x[0], w), calls) >= 1
    assert right_or_refused(lambda x: chain(w, float(x[0])), calls) >= 1
    assert right_or_refused(lambda x: chain(w, x.max()), calls) >= 1


def test_a_branch_on_a_parameter_is_right_or_refused() -> None:
    for f in (branches, branches_on_an_item):
        w = te.Value(0.5)
        step = te.compile(lambda x, f=f, w=w: f(w, w * x))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecordingWarning)
            for number in (0.5, 0.5, 0.5, -0.5, 0.25):
                w.data = number
                try:
                    found = step(2.0)
                except TracingError:
                    continue
                assert bits(found) == bits(plain(f(w, w * 2.0)))


def test_integers_and_lengths_decide_the_structure() -> None:
    w = te.Value(0.5)

    def f(count: int, xs: Any) -> Any:
        total = w * 1.0
        for n in range(count):
            total = total * 0.5 + xs[n % len(xs)] * w
        return total

    calls: list[tuple[Any, ...]] = []
    for count in (300, 300, 300, 200, 300, 200):
        calls += [(count, [1.0, 2.0 * count]), (count, (1.0, 2.0, 3.0 + count))]
    assert right_or_refused(f, calls) == len(calls)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "rebound": lambda one: setattr(one.model.weights[0][0][0], "data", 0.75),
    "rebound to another sign": lambda one: setattr(one.model.biases[0][2], "data", -0.5),
    "replaced": lambda one: setattr(one.model, "scale", te.Value(-0.25)),
    "replaced in a list": lambda one: one.model.weights[0][1].__setitem__(0, te.Value(-0.25)),
    "frozen": lambda one: setattr(one.model.weights[0][3][1], "requires_grad", False),
    "rate": lambda one: setattr(one.optimizer, "lr", 0.01),
    "loaded": lambda one: one.model.load_state_dict(
        {name: array + 0.125 for name, array in one.model.state_dict().items()}
    ),
    "gradient left": lambda one: setattr(one.model.biases[1][0], "grad", np.float64(3.0)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("rule", one_in(2, ["adam", "sgd"]))
def test_a_change_between_calls_counts(change: str, rule: str) -> None:
    pair = by_hand, compiled = twins(maker(rule))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for n, (x, y) in enumerate(BATCHES[:9]):
            if n == 4:
                assert by_levels(compiled.step)
                for each in pair:
                    CHANGES[change](each)
            assert bits(compiled(x, y)) == bits(by_hand(x, y)), n
            assert compiled.state() == by_hand.state(), n


def test_leaves_that_are_not_used_rest() -> None:
    class More(Neurons):
        def __init__(self, activation: str) -> None:
            super().__init__(activation)
            self.unused = te.Value(2.0)
            self.hidden = te.Value(3.0)

        def forward(self, x: Any) -> Any:
            return super().forward(x) + self.hidden.detach()

    def loss(model: Any, x: Any, y: Any) -> Any:
        return sum((1.0 - y[i] * model([x[i, 0], x[i, 1]])).relu() for i in range(len(y)))

    compiled = same_training(maker("sgd with momentum", loss=loss, build=More), BATCHES[:6])
    assert compiled.model.unused.item() == 2.0
    assert compiled.model.hidden.item() == 3.0


def test_a_number_that_is_only_looked_at_is_read_anew() -> None:
    w, other = te.Value(0.5), te.Value(1.0)
    step = te.compile(lambda x: chain(x * other.detach(), w))
    for n in range(5):
        other.data = 0.25 * n
        assert bits(step(0.5)) == bits(plain(chain(0.5 * other.detach(), w)))


def test_numbers_that_overflow_are_as_ever() -> None:
    def grows(x: Any) -> Any:
        total = x * w
        for _ in range(FEWEST):
            total = total * 2.0 + w
        return np.where(total > 0, np.sqrt(abs(total)), total)

    w = te.Value(0.5)
    step = te.compile(grows)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for x in (1.0, 1.0, 1.0, 1e200, -1.0, 1e160, 1.0):
            w.grad = None
            found, slope = step(x), w.grad
            w.grad = None
            loss = grows(x)
            loss.backward()
            assert bits(found) == bits(plain(loss)), x
            assert bits(slope) == bits(w.grad), x


# ---- what may go wrong in the middle ----


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_an_exception_leaves_all_as_it_was(at: int) -> None:
    calls = []

    def loss(model: Any, x: Any, y: Any) -> Any:
        total = hinge(model, x, y)
        calls.append(1)
        if x[0, 0] is None or len(calls) == at + 1:
            raise KeyError("mine")
        return total

    by_hand, compiled = twins(maker("adam"))
    model, step = (
        compiled.model,
        te.compile(lambda x, y: loss(compiled.model, x, y), compiled.optimizer),
    )
    done = 0
    for n in range(6):
        before = compiled.state()
        try:
            step(*BATCHES[done])
        except KeyError:
            assert compiled.state() == before
            assert all(isinstance(p._data, np.float64) for p in model.parameters())
            continue
        by_hand(*BATCHES[done])
        done += 1
        assert compiled.state() == by_hand.state(), n


def test_a_step_that_calls_itself() -> None:
    w = te.Value(0.5)

    def f(x: Any, depth: int) -> Any:
        inner = step(x * 2.0, depth - 1).item() if depth else 0.0
        return chain(x, w) + inner

    def by_hand(x: float, depth: int) -> float:
        total: float = chain(x, w).item()
        return total + by_hand(x * 2.0, depth - 1) if depth else total

    step = te.compile(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for n in range(5):
            try:
                assert step(0.25 * n, 1).item() == by_hand(0.25 * n, 1)
            except TracingError:
                continue


def test_threads() -> None:
    w = te.Value(0.0)
    step = te.compile(lambda x: chain(x * 0.0, x * 0.0) + w * x, te.optim.SGD([w], lr=1.0))
    faults: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(10):
                step(-1.0)
        except BaseException as error:
            faults.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert not faults
    assert w.item() == 40.0
