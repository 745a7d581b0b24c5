from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from benchmarks.levels import Work
from benchmarks.measure import DifferentResultError
from benchmarks.micrograd_demo import Network, moons
from tests.shares import one_in
from tinygrad_edu.compile import level_graph, level_steps
from tinygrad_edu.compile.levels import FEWEST, Levels, suits
from tinygrad_edu.engine.context import changed
from tinygrad_edu.engine.operation import OPERATIONS, Elementwise, Operation
from tinygrad_edu.errors import (
    NotTrackedError,
    OperandError,
    ShapeError,
    StaleGraphError,
    UnsupportedError,
)

Function = Callable[[Sequence[Any], Sequence[Any]], Any]
Array = np.ndarray[Any, np.dtype[Any]]
# From one number per group to none in any: both ways of running must do all there is to do.
WIDTHS = {"groups": 1, "both": 16, "one by one": 10**9}
ELEMENTWISE = [op for op in OPERATIONS.values() if isinstance(op, Elementwise)]


@pytest.fixture(params=list(WIDTHS.values()), ids=list(WIDTHS))
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How few nodes of a kind are computed one by one."""
    for module in (level_graph, level_steps):
        monkeypatch.setattr(module, "NARROW", request.param)


def close(ours: Any, eager: Any) -> bool:
    """Whether two arrays are the same but for rounding in functions of a size about 1.

    A derivative is right to 4 ulp of the largest, and in its tails to 16 ulp of itself.
    """
    ours, eager = np.asarray(ours), np.asarray(eager)
    assert ours.dtype == eager.dtype
    assert ours.shape == eager.shape
    with np.errstate(invalid="ignore"):
        ulp = np.spacing(np.abs(eager))
        near = np.abs(ours - eager) <= np.maximum(16 * ulp, 4 * np.finfo(ours.dtype).eps)
    return bool((near | (ours == eager) | (np.isnan(ours) & np.isnan(eager))).all())


def exactly(ours: Any, eager: Any) -> bool:
    """Whether two arrays are the same, bit for bit but for the sign of zero."""
    ours, eager = np.asarray(ours), np.asarray(eager)
    return ours.dtype == eager.dtype and np.array_equal(ours, eager, equal_nan=True)


def record(
    f: Function, leaves: Any, inputs: Any = (), recording: bool = False
) -> tuple[Any, list[te.Value], list[te.Value]]:
    """The graph of `f` at these numbers."""
    xs = [te.Value(x) for x in leaves]
    cs = [te.Value(c, requires_grad=False) for c in inputs]
    with changed(recording=recording), np.errstate(all="ignore"):
        return f(xs, cs), xs, cs


def eagerly(f: Function, leaves: Any, inputs: Any = ()) -> tuple[Any, Array]:
    """The value and the gradients of `f` by the sweep."""
    root, xs, _ = record(f, leaves, inputs)
    gradients = te.grad(root, xs)
    return root.data, np.array(gradients)


def check(
    f: Function,
    points: Sequence[Any],
    inputs: Sequence[Any] = (),
    same: Callable[[Any, Any], bool] = exactly,
    recording: bool = False,
) -> Levels:
    """Record `f` at the first point, run it at all, and compare with eager code at each."""
    inputs = inputs or [()] * len(points)
    program = Levels(*record(f, points[0], inputs[0], recording))
    results = []
    for leaves, numbers in zip(points, inputs, strict=True):
        with np.errstate(all="ignore"):
            results.append(program.run(np.array(leaves), np.array(numbers)))
    # Compared after all are done: a later run does not write into what an earlier one has given.
    for (value, gradient), leaves, numbers in zip(results, points, inputs, strict=True):
        expected, slopes = eagerly(f, leaves, numbers)
        assert same(value, expected), (value, expected)
        assert same(gradient, slopes), (gradient, slopes)
    values = [float(value) for value, _ in results]
    assert len(points) < 2 or len(set(values)) > 1, "all points have the same value"
    return program


def normal(count: int, dtype: Any = np.float64) -> list[Array]:
    """Two points of so many numbers."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=count).astype(dtype) for _ in range(2)]


# Random programs


# IEEE 754 says what these give, to the last bit; other functions NumPy may compute in another way
# for an array than for a number.
EXACT = [
    *("add", "subtract", "multiply", "negative", "positive", "absolute", "square"),
    *("maximum", "minimum", "fmax", "fmin", "where", "clip"),
    *("relu", "leaky_relu", "prelu", "relu6", "squared_relu", "hard_sigmoid", "hard_tanh"),
    *("hard_swish", "soft_shrink", "hard_shrink", "threshold", "softsign", "sign", "floor"),
]


def random_function(seed: int, leaves: int, nodes: int) -> Function:
    """A program of random records on random earlier nodes, new ones rather than old ones."""
    rng = np.random.default_rng(seed)
    near = int(rng.integers(2, 200))
    names = [str(name) for name in rng.permutation(EXACT)[: rng.integers(2, 20)]]
    chosen = [OPERATIONS[name] for name in (*names, "add", "multiply", "subtract", "add")]
    lines = []
    for i in range(leaves, leaves + nodes):
        op = chosen[int(rng.integers(len(chosen)))]
        places: list[int | None] = [
            i - 1 - int(rng.integers(min(i, near))) for _ in range(op.count)
        ]
        if op.count > 1 and rng.random() < 0.2:
            places[-1] = None
        constant = [2.0, 0.5, float(rng.integers(-3, 4)), float(rng.normal())][rng.integers(4)]
        lines.append((op, places, constant, 1 / (1 + float(rng.integers(8)))))

    def function(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        values = list(xs)
        for op, places, constant, factor in lines:
            value = op(*(constant if place is None else values[place] for place in places))
            # Nothing may overflow, and no clip may cut all slopes off.
            values.append(value * factor / (1 + abs(value) * 0.125))
        return sum(values[-leaves:]) + values[-1] * xs[0] + xs[0] * xs[0]

    return function


@pytest.mark.usefixtures("width")
@pytest.mark.parametrize("seed", one_in(5, range(1, 12), first=2))
def test_random_programs_are_eagers_bit_for_bit(seed: int) -> None:
    leaves = 1 + seed * 3
    first = np.random.default_rng(seed).normal(size=leaves)
    f = random_function(seed, leaves, 60 + 60 * seed)
    root, xs, _ = record(f, first)
    program = Levels(root, xs)
    for change in (0.0, 1e-3):
        with np.errstate(all="ignore"):
            value, gradient = program.run(first + change)
        expected, slopes = eagerly(f, first + change)
        assert exactly(value, expected)
        assert exactly(gradient, slopes)
        assert np.any(gradient != 0)


@pytest.mark.usefixtures("width")
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 400))
def test_sums_and_products_are_eagers_bit_for_bit(seed: int, leaves: int, nodes: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = rng.integers(6, size=nodes)
    others = rng.random(size=(nodes, 2))
    constants = rng.normal(size=nodes).round(int(rng.integers(3)))

    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        values = list(xs)
        for which, (p, q), constant in zip(
            chosen.tolist(), others.tolist(), constants.tolist(), strict=True
        ):
            a, b = (values[int(r * len(values))] for r in (p, q))
            if which == 0:
                values.append(a * b * 0.5)
            elif which == 1:
                values.append(a - b)
            elif which == 2:
                values.append(constant + a)
            elif which == 3:
                values.append(sum(values[-5:]))
            else:
                values.append(a + b if which == 4 else b + values[-1] + a)
        return sum(values)

    points = [rng.normal(size=leaves) / 8 for _ in range(2)]
    check(f, points)


# Every record


def arguments_of(op: Operation, count: int) -> Array:
    """Points in the domain of a record, its extremes among them."""
    rng = np.random.default_rng(1)
    columns = []
    for i in range(op.count):
        low, high = op.domain[min(i, len(op.domain) - 1)]
        low, high = max(low, -3.0), min(high, 3.0)
        columns.append(low + (high - low) * rng.uniform(0.05, 0.95, count))
    points = np.stack(columns, axis=1)
    extremes = [e for e in op.extremes if len(e) == op.count]
    return np.concatenate([np.reshape(extremes, (-1, op.count)), points])[:count]


@pytest.mark.parametrize(
    "dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.thorough)]
)
@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_every_elementwise_record(op: Operation, dtype: Any) -> None:
    count = 40
    points = arguments_of(op, count)
    points = np.clip(points, np.finfo(dtype).min, np.finfo(dtype).max).astype(dtype)
    weights = np.linspace(0.5, 1.5, count).astype(dtype)
    options = op.cases[0].options if op.cases else {}

    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        rows = [xs[i * op.count : (i + 1) * op.count] for i in range(count)]
        outs = [op(*row, **options) * w for row, w in zip(rows, weights, strict=True)]
        return sum(out for out in outs if np.isfinite(out.data))

    root, xs, _ = record(f, points.reshape(-1))
    if not root.requires_grad:
        pytest.skip("has no derivative")
    program = Levels(root, xs)
    with np.errstate(all="ignore"):
        value, gradient = program.run(points.reshape(-1))
    expected = np.array(te.grad(root, xs))
    assert value.dtype == gradient.dtype == dtype
    assert np.isclose(value, root.data, rtol=1e-13 if dtype == np.float64 else 1e-5, equal_nan=True)
    assert close(gradient, expected)
    assert np.array_equal(gradient == 0, expected == 0)


@pytest.mark.usefixtures("width")
def test_options_are_kept_apart() -> None:
    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        slopes = [0.1, 0.3, 0.1]
        return sum(
            te.activations.leaky_relu(x, slopes[i % 3]) * te.activations.gelu(x, approximate="tanh")
            + te.activations.gelu(x)
            for i, x in enumerate(xs)
        )

    check(f, normal(60))


# What the engine repairs, shares, and leaves alone


@pytest.mark.usefixtures("width")
def test_ties_of_relu_and_maximum() -> None:
    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        return sum(
            x.relu() + np.maximum(x, 0.0) * 3 + np.minimum(x, xs[0]) + abs(x) * 0.5 for x in xs
        )

    points = [np.tile([0.0, 0.0, 1.0, -1.0], 10), np.tile([1.0, 0.0, 1.0, 0.0], 10)]
    check(f, points)


@pytest.mark.usefixtures("width")
def test_zero_times_infinity_is_zero() -> None:
    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        roots = [np.sqrt(abs(x)) for x in xs]
        return sum(np.where(x > 0, np.sqrt(x), x) + r * r for x, r in zip(xs, roots, strict=True))

    points = [np.linspace(-1, 1, 41), np.linspace(-0.5, 2, 41)]
    program = check(f, points, recording=True)
    with np.errstate(invalid="ignore"):
        assert np.isfinite(program.run(points[0])[1]).all()
    # The same where the slope is one number for all.
    infinite = check(
        lambda xs, cs: sum(np.where(x > 0, x, x * np.inf) for x in xs),
        [np.linspace(0.5, 1, 40), np.linspace(1, 2, 40)],
    )
    assert np.array_equal(infinite.run(np.ones(40))[1], np.ones(40))
    # And where something comes in, infinity stays.
    check(lambda xs, cs: sum(np.sqrt(x) for x in xs), [np.linspace(0, 1, 40), np.ones(40)])


@pytest.mark.usefixtures("width")
def test_numbers_that_are_used_often() -> None:
    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        a, b = xs[0], xs[1]
        square = a * a
        products = [square * x * b for x in xs]
        total = sum(products)
        return total * total + square + total + products[3] + (square + square)

    check(f, normal(50))


@pytest.mark.parametrize("horner", [False, True], ids=["sum", "polynomial"])
@pytest.mark.parametrize("length", [4_000, pytest.param(100_000, marks=pytest.mark.thorough)])
def test_a_long_chain(length: int, horner: bool) -> None:
    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        a, b = xs
        value = a
        for _ in range(length):
            value = value * b + a if horner else value + b
        return value

    check(f, [np.array([0.5, 0.99999]), np.array([-0.25, 1.00001])])


@pytest.mark.usefixtures("width")
def test_constants_of_all_kinds() -> None:
    rng = np.random.default_rng(2)
    numbers = rng.normal(size=40)

    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        terms = []
        for i, x in enumerate(xs):
            c = float(numbers[i])
            terms += [x * c, x * np.float64(c), 2 * x, i * x, np.int64(i) - x, x * True]
            terms += [c + x + 1, x**2, x**2.0, (x * x + 1) ** (i % 3), 3 / (x * x + 1)]
            terms += [np.where(i % 2 == 0, x, c), np.clip(x, None, c), np.clip(x, -0.5, None)]
        return sum(terms, 7)

    check(f, normal(40), same=lambda a, b: np.allclose(a, b, rtol=1e-13, atol=0))


@pytest.mark.usefixtures("width")
def test_float32_stays_float32() -> None:
    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        return sum((x * 0.1 + i * x - 3).tanh() * 2 for i, x in enumerate(xs)) / 7

    value, gradient = check(f, normal(40, np.float32)).run(normal(40, np.float32)[0])
    assert value.dtype == gradient.dtype == np.float32


@pytest.mark.usefixtures("width")
def test_sums_of_minus_zero() -> None:
    """What begins with 0 would forget the sign."""

    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        sums = [x + x + y for x, y in zip(xs[:20], xs[20:], strict=True)]
        return sum(np.copysign(2.0 + x, total) for x, total in zip(xs, sums, strict=False))

    check(f, [np.full(40, -0.0), np.zeros(40)])


@pytest.mark.usefixtures("width")
def test_dtypes_side_by_side() -> None:
    """A wider number makes a wider result, and gets back what it sent, in its own dtype."""
    rng = np.random.default_rng(3)
    narrow = [te.Value(np.float32(x)) for x in rng.normal(size=40)]
    wide = [te.Value(x) for x in rng.normal(size=40)]
    root: Any = sum(a * b + a for a, b in zip(narrow, wide, strict=True)) * narrow[0]
    root = root + sum(a * b for a, b in zip(wide[1:] + narrow, wide[:-1] + wide, strict=False))
    root = root + sum(a.astype(np.float64) * 0.1 for a in narrow)
    value, gradient = Levels(root, [*narrow, *wide]).run(
        [float(x.item()) for x in (*narrow, *wide)]
    )
    expected: Any = te.grad(root, (*narrow, *wide))
    assert value == root.data
    assert gradient.dtype == np.float64
    assert np.array_equal(gradient, np.array(expected, np.float64))


@pytest.mark.usefixtures("width")
def test_second_derivatives() -> None:
    """The graph of a gradient is a graph too."""

    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        loss = sum((x * xs[0]).tanh() * x + np.where(x > 0, x, x * x).relu() for x in xs)
        first = te.grad(loss, tuple(xs), create_graph=True)
        return sum(g * g for g in first)

    check(
        f, normal(40), same=lambda a, b: np.allclose(a, b, rtol=1e-13, atol=1e-13), recording=True
    )


# What is given anew, and what stays


@pytest.mark.usefixtures("width")
def test_inputs_are_given_anew() -> None:
    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        return sum(sum(w * c for w, c in zip(xs, cs[i:], strict=False)).relu() for i in range(40))

    rng = np.random.default_rng(4)
    check(f, normal(20), inputs=[rng.normal(size=60) for _ in range(2)])


@pytest.mark.usefixtures("width")
def test_masks_are_computed_anew() -> None:
    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        total = 0
        for i, x in enumerate(xs):
            with te.no_grad():
                weight = x * 2 + cs[i]
                size = abs(x) + 1
            chosen = (x > cs[i]) & ~(x < -1)
            total = total + np.where(chosen, x * x, weight * x) / size + weight
        return total

    rng = np.random.default_rng(5)
    points, inputs = normal(40), [rng.normal(size=40) for _ in range(2)]
    check(f, points, inputs, recording=True)
    # Without the record the masks would be what they were.
    program = Levels(*record(f, points[0], inputs[0], recording=False))
    assert program.run(points[1], inputs[1])[0] != eagerly(f, points[1], inputs[1])[0]


def test_other_leaves_stay_as_they_are() -> None:
    x, w, hidden = te.Value(2.0), te.Value(3.0), te.Value(5.0)
    program = Levels(x * w * hidden, [w], [x])
    assert program.run([7.0], [11.0]) == (7 * 11 * 5, np.array([55.0]))


@pytest.mark.usefixtures("width")
def test_leaves_that_do_not_matter_have_gradient_zero() -> None:
    xs = [te.Value(float(i)) for i in range(40)]
    root: Any = sum(x * x for x in xs[::2]) + sum(x.detach() * 2 for x in xs[1::4])
    value, gradient = Levels(root, xs).run(np.arange(40.0))
    assert value == root.data
    assert np.array_equal(gradient, np.where(np.arange(40) % 2 == 0, 2 * np.arange(40.0), 0))
    # A leaf that only a comparison looks at: nothing comes in.
    with changed(recording=True):
        root = sum(np.where(a * a > 1, b, -b) for a, b in zip(xs[:20], xs[20:], strict=True))
    gradient = Levels(root, xs).run(np.arange(40.0))[1]
    assert np.array_equal(gradient[:20], np.zeros(20))
    assert np.array_equal(np.abs(gradient[20:]), np.ones(20))


def test_a_root_that_is_a_leaf() -> None:
    x, y = te.Value(2.0), te.Value(3.0)
    value, gradient = Levels(x, [y, x]).run([5.0, 7.0])
    assert value == 7
    assert np.array_equal(gradient, [0, 1])
    assert Levels(x, [y]).run([5.0])[0] == 2


def test_an_inner_node_can_be_given() -> None:
    x = te.Value(2.0)
    inner = x * x
    value, gradient = Levels(inner * inner + x, [inner, x]).run([3.0, 10.0])
    assert value == 19
    assert np.array_equal(gradient, [6, 1])


def test_a_leaf_may_be_rebound_if_it_is_given() -> None:
    x, y = te.Value(2.0), te.Value(3.0)
    root = x * y + x
    x.data = 4.0
    assert Levels(root, [x]).run([5.0])[0] == 20
    with pytest.raises(StaleGraphError, match="was replaced after"):
        Levels(root, [y])


@pytest.mark.usefixtures("width")
def test_results_beside_the_root() -> None:
    """In the middle of a sum, above the root, a leaf, a comparison: none of them adds a slope."""

    def results(xs: Sequence[Any]) -> list[Any]:
        products = [x * x for x in xs]
        part = sum(products[:20])
        total = part + sum(products[20:])
        above = total * xs[0] + part
        return [total, part, above, xs[3], xs[1] > 0, (above - total) * xs[2], part]

    first, second = normal(40)
    with changed(recording=True):
        xs = [te.Value(x) for x in first]
        root, *others = results(xs)
    program = Levels(root, xs, [], others)
    for point in (first, second, -first):
        value, gradient, *found = program.run(point)
        leaves = [te.Value(x) for x in point]
        expected = results(leaves)
        assert exactly(gradient, np.array(te.grad(expected[0], leaves)))
        for ours, theirs in zip([value, *found], expected, strict=True):
            assert exactly(ours, theirs.data)


def test_rebound_leaves_do_not_make_a_slower_program() -> None:
    xs = [te.Value(float(i)) for i in range(1, 41)]
    root: Any = sum(x * x / xs[0] for x in xs)
    steps = len(Levels(root, xs).steps)
    for x in xs:
        x.data = x.data + 1
    program = Levels(root, xs)
    assert len(program.steps) == steps == 3
    assert program.run(np.ones(40))[0] == 40


def test_without_leaves() -> None:
    x, y = te.Value(2.0), te.Value(3.0)
    value, gradient = Levels(x * y, [], [x]).run([], [5.0])
    assert value == 15
    assert gradient.shape == (0,)


def test_results_are_the_callers() -> None:
    xs = [te.Value(float(i)) for i in range(40)]
    root: Any = sum(x * x for x in xs)
    program = Levels(root, xs)
    value, gradient = program.run(np.ones(40))
    gradient[:] = 9
    assert np.array_equal(program.run(np.ones(40))[1], np.full(40, 2.0))
    assert value == 40


def test_threads_do_not_disturb_each_other() -> None:
    network = Network(te.Value, None, [2, 8, 1])
    x, y = moons(20)
    parameters = network.parameters()
    program = Levels(network.loss(x, y), parameters)
    start = np.array([p.data for p in parameters])
    points = [start * (1 + 0.01 * i) for i in range(20)]
    expected = [program.run(point) for point in points]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for (value, gradient), (v, g) in zip(
                pool.map(program.run, points), expected, strict=True
            ):
                assert value == v
                assert np.array_equal(gradient, g)


# The demo


@pytest.mark.usefixtures("width")
def test_training_of_the_demo_is_eagers_bit_for_bit() -> None:
    x, y = moons(20)
    eager, replayed = (Network(te.Value, None, [2, 8, 8, 1]) for _ in range(2))
    leaves = replayed.parameters()
    program = Levels(replayed.loss(x, y), leaves)
    data = np.array([leaf.data for leaf in leaves])
    for _ in range(5):
        loss = eager.forward_backward(x, y)
        value, gradient = program.run(data)
        assert value == loss
        assert np.array_equal(gradient, [p.grad for p in eager.parameters()])
        eager.update()
        data = data - 0.1 * gradient


@pytest.mark.parametrize("samples", [20, pytest.param(100, marks=pytest.mark.thorough)])
def test_the_demo_is_few_calls(samples: int) -> None:
    network = Network(te.Value, None, [2, 16, 16, 1])
    x, y = moons(samples)
    program = Levels(network.loss(x, y), network.parameters())
    assert program.nodes > 600 * samples
    assert len(program.steps) < 30


@pytest.mark.parametrize(
    ("f", "steps"),
    [
        (lambda xs: sum((x * 0.1 + i * x - 3).tanh() * 2 for i, x in enumerate(xs)) / 7, 8),
        (lambda xs: sum(np.where((x > i) & (x < i + 1), x * x, -x) for i, x in enumerate(xs)), 10),
        (lambda xs: sum(g * g for g in slopes_of(xs)), 25),
        (lambda xs: total_of([x * x + x + i for i, x in enumerate(xs)]), 4),
        (lambda xs: xs[0] + total_of([x * i for i, x in enumerate(xs)]) + xs[1], 3),
    ],
    ids=["constants", "masks", "second derivatives", "total of sums", "total"],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_many_numbers_are_few_calls(f: Callable[[Any], Any], steps: int, dtype: Any) -> None:
    program = check(lambda xs, cs: f(xs), normal(100, dtype), recording=True, same=loosely)
    assert program.nodes > 200
    assert len(program.steps) <= steps
    alone = [
        row for step in program.steps if isinstance(step, level_steps.Narrow) for row in step.rows
    ]
    assert len(alone) < 20


def slopes_of(xs: Sequence[Any]) -> Any:
    """A gradient that is part of a graph."""
    return te.grad(sum((x * 2).tanh() * x for x in xs), tuple(xs), create_graph=True)


def total_of(terms: Sequence[Any]) -> Any:
    """The sum, written the other way round."""
    total = terms[0]
    for term in terms[1:]:
        total = term + total
    return total


def loosely(ours: Any, eager: Any) -> bool:
    return np.allclose(ours, eager, rtol=1e-4 if eager.dtype == np.float32 else 1e-12)


def test_the_benchmark_refuses_a_program_that_does_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = Work((2, 4, 1), 10)
    program = work.compiled(work.record())
    work.verify(program)
    last = program.run(work.weights, work.data(0)[0].reshape(-1))
    monkeypatch.setattr(program, "run", lambda *numbers: last)
    with pytest.raises(DifferentResultError):
        work.verify(program)


def test_the_benchmark_refuses_a_step_that_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work((2, 4, 1), 10)
    work.verify_step()

    def nothing(f: Any) -> Any:
        found: list[Any] = []

        def step(x: Any) -> Any:
            if not found:
                loss = f(x)
                found.append((loss, te.grad(loss, work.parameters)))
            for parameter, gradient in zip(work.parameters, found[0][1], strict=True):
                parameter.grad = gradient
            return found[0][0]

        return step

    monkeypatch.setattr(te, "compile", nothing)
    with pytest.raises(DifferentResultError, match="call 1"):
        work.verify_step()


# Operations of others


@pytest.fixture
def declared() -> Iterator[None]:
    """Records that a test declares are gone afterwards."""
    before = set(OPERATIONS)
    yield
    for name in set(OPERATIONS) - before:
        del OPERATIONS[name]


@pytest.mark.usefixtures("declared")
def test_operations_that_cannot_take_arrays_run_one_by_one() -> None:
    branching = te.define_elementwise(
        "branching",
        lambda x: x if x > 0 else x * 0.5,
        lambda out, x: 1.0 if x > 0 else 0.5,
        formula="b({0})",
    )
    mixing = te.define_elementwise(
        "mixing", lambda x: x - np.mean(x) + 1, lambda out, x: x * 0, formula="m({0})"
    )
    rule_branches = te.define_elementwise(
        "rule_branches", np.abs, lambda out, x: 1.0 if x > 0 else -1.0, formula="r({0})"
    )

    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        return sum(branching(x) * x + mixing(x) * x + rule_branches(x) + x.sum() for x in xs)

    check(f, normal(40))


@pytest.mark.usefixtures("width")
def test_whole_numbers_and_truth_values_are_computed_too() -> None:
    def f(xs: Sequence[Any], cs: Sequence[Any]) -> Any:
        total = xs[0] * 0
        for x, c in zip(xs, cs, strict=True):
            count = np.floor(c) + (x > 0) + (x > 0.5) + (c > 0)
            both = (x > 0) + (c > 0) + (x > c)
            total = total + x * count + np.where(both, x, 2 * x)
        return total

    rng = np.random.default_rng(7)
    check(f, normal(40), inputs=[rng.normal(size=40) for _ in range(2)], recording=True)


@pytest.mark.usefixtures("width")
def test_options_that_only_look_equal() -> None:
    made = te.define_elementwise(
        "with_option",
        lambda x, *, at: np.copysign(x, at),
        lambda out, x, *, at: np.copysign(1.0, at) + 0 * x,
        formula="o({0})",
        cases=[(((),), {"at": 0.0})],
    )
    try:
        options = [0.0, -0.0, 0, True]
        check(
            lambda xs, cs: sum(made(abs(x) + 1, at=options[i % 4]) for i, x in enumerate(xs)),
            normal(40),
        )
    finally:
        del OPERATIONS["with_option"]


# The program as text


HOSTILE = "x\n    raise SystemExit('injected')\r\n#\x1b[2J\u2028"


class Neurons(te.nn.Module):
    """Numbers in scopes of two depths."""

    def __init__(self, name: str) -> None:
        self.parts = {name: te.nn.Sequential(lambda x: x * 2.0, lambda x: x + 1.0)}

    def forward(self, x: Any) -> Any:
        return self.parts["here" if "here" in self.parts else HOSTILE](x).tanh()


def steps_shown(source: str) -> list[tuple[str, list[str]]]:
    """The lines of both ways, with those that belong to a step behind its depth."""
    ways = source.split("backward\n")
    return [
        (way, [line for line in way.splitlines() if line.startswith("  depth ")]) for way in ways
    ]


@pytest.mark.parametrize("count", [3, 40])
def test_the_source_shows_every_step(count: int) -> None:
    model = Neurons("here")
    xs = [te.Value(float(i)) for i in range(count)]
    last = te.Value(2.0, requires_grad=False)
    root: Any = sum(model(x) * model(x) for x in xs) * last
    program = Levels(root, xs, [last])
    (forward, ahead), (backward, back) = steps_shown(program.source)
    assert len(ahead) == len(program.steps)
    assert len(back) == len(program.active)
    assert f"v[1:{count + 1}] = leaf_values[0:{count}]" in forward
    assert f"v[{count + 1}:{count + 2}] = input_values[0:1]" in forward
    assert "g[1] = 1" in backward
    if count == 3:
        # All that is done one by one: what, and how many of each.
        assert "one by one: " in ahead[0]
        assert " 6 tanh" in ahead[0]
    else:
        assert [line.split("# ")[1] for line in ahead[:3]] == [
            "80 nodes in neurons.parts.here",
            "80 nodes in neurons.parts.here",
            "80 nodes in neurons",
        ]
        assert "= multiply(v[1:41] 2 times, 2.0)" in ahead[0]
        assert "80 x sum of 2: v" in ahead[1]
        assert "= tanh(v[" in ahead[2]
        assert "slope 0 of tanh" in backward
    assert max(map(len, program.source.splitlines())) <= 100


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize("count", [3, 40])
def test_names_of_users_stay_on_their_lines(count: int) -> None:
    made = te.define_elementwise(
        HOSTILE,
        lambda x, *, at: x * 2.0,
        lambda out, x, *, at: 2.0 + 0 * x,
        formula="h({0})",
        cases=[(((),), {"at": "b"})],
    )
    model = Neurons(HOSTILE)
    xs = [te.Value(float(i), name=HOSTILE) for i in range(count)]
    program = Levels(sum(made(model(x), at=HOSTILE) for x in xs), xs)
    text = program.source
    assert all(each.isprintable() or each == "\n" for each in text)
    ordinary = ("#", "forward", "backward", "  ")
    assert all(line.startswith(ordinary) for line in text.splitlines())
    assert not any(line.lstrip().startswith("raise") for line in text.splitlines())
    assert "injected" in text  # it is shown, as what it is


# Errors


def test_errors_say_what_to_do() -> None:
    x = te.Value([1.0, 2.0])
    with pytest.raises(NotTrackedError, match="depends on no tracked leaf"):
        Levels(te.Value(1.0, requires_grad=False), [])
    with pytest.raises(ShapeError, match="only a single number"):
        Levels(x, [])
    with pytest.raises(UnsupportedError, match=r"shape \(2,\)"):
        Levels((x * x).sum(), [])
    a = te.Value(2.0)
    with pytest.raises(OperandError, match="twice"):
        Levels(a * a, [a], [a])
    program = Levels(a * a, [a])
    with pytest.raises(ShapeError, match="leaf_values has shape"):
        program.run([1.0, 2.0])
    with pytest.raises(ShapeError, match="input_values has shape"):
        program.run([1.0], [1.0])


def test_what_suits() -> None:
    a, x = te.Value(2.0), te.Value([1.0, 2.0])
    chain = a
    for _ in range(FEWEST):
        chain = chain * a
    assert suits(chain)
    assert not suits(a * a)
    assert not suits(chain + (x * a).sum())
