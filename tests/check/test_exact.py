from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.ops.judges import FACTORISED
from tinygrad_edu.check import exact
from tinygrad_edu.check.numbers import context, lift, nearest
from tinygrad_edu.check.replay import Replay, applied, number, textbook
from tinygrad_edu.check.report import Entry
from tinygrad_edu.check.samples import (
    Call,
    apply,
    arguments,
    distances,
    fixed_cases,
    magnitudes,
)
from tinygrad_edu.check.strategies import calls
from tinygrad_edu.check.verdict import Verdict
from tinygrad_edu.check.words import sentence
from tinygrad_edu.engine.operation import Discrete, Elementwise, Operation
from tinygrad_edu.errors import ConversionError, OperandError

DIFFERENTIABLE = [op for op in te.OPERATIONS.values() if not isinstance(op, Discrete)]
DISCRETE = [op for op in te.OPERATIONS.values() if isinstance(op, Discrete)]
# tests/ops/test_all_floats.py has the values of element-wise ones at any floats.
SOMETIMES = [
    pytest.param(op, id=op.name, marks=pytest.mark.thorough if op.elementwise else ())
    for op in DIFFERENTIABLE
]
# NumPy's stubs take np.sin(value) for an array.
sigmoid: Any = te.activations.sigmoid
erf: Any = te.erf


def judged(
    f: Callable[..., Any], *inputs: Any, rule: Callable[..., Any] | None = None
) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """The entries of the engine's Jacobian, or of a rule for the sum of all outputs."""
    point = [np.asarray(x, np.float64) for x in inputs]
    if rule is None:
        leaves = [te.Value(x[()]) for x in point]
        out = f(*leaves)
        units = np.eye(out.size).reshape(out.size, *out.shape)
        rows = [te.grad(out, leaves, gradient=unit[()]) for unit in units]
        claims = [np.array([row[i] for row in rows]) for i in range(len(point))]
    else:
        with np.errstate(all="ignore"):
            given = rule(*(x[()] for x in point))
        parts = [given] if len(point) == 1 else given
        claims = [np.asarray(part, np.float64)[None] for part in parts]
    names = [f"x{i}" for i in range(len(point))]
    return exact.entries(f, point, names, claims, rule)


def verdict(f: Callable[..., Any], x: Any, rule: Callable[..., Any] | None = None) -> Verdict:
    """The verdict on the one entry there is."""
    ((entry,), _) = judged(f, x, rule=rule)
    return entry.verdict


def run(op: Operation, call: Call, digits: int = 400) -> Any:
    """A record's result with so many digits."""
    with context().workdps(digits):
        operands = [number(array) for array in call.arrays]
        shapes = [operand.shape for operand in operands]
        return applied(op, operands, call.options, textbook(op, shapes, call.options))


def in_floats(array: Any) -> Any:
    return np.array([nearest(lift(x).item()) for x in np.ravel(array)]).reshape(np.shape(array))


class TestEveryRecord:
    @pytest.mark.parametrize("op", SOMETIMES)
    @given(data=st.data())
    def test_is_itself_with_more_digits(self, op: Operation, data: Any) -> None:
        call = data.draw(calls(op))
        out = op.forward(*call.arrays, **call.options)
        true = in_floats(run(op, call))
        # What a change of the arguments in their last place, and of those of what is summed, does.
        rng = np.random.default_rng(0)
        room = 8 * np.spacing(np.abs(out)) + 1e-320
        for _ in range(4):
            moved = [a * (1 + 2.0**-40 * rng.choice((-1, 1), np.shape(a))) for a in call.arrays]
            off = in_floats(run(op, Call(tuple(moved), call.options))) - true
            room = np.maximum(room, 2.0**-8 * np.abs(off))
        if op.name in ("sum", "mean", "matmul", "affine", "dot", "scatter", "mse"):
            sizes = Call(tuple(np.abs(a) for a in call.arrays), call.options)
            room = np.maximum(room, 8 * np.spacing(in_floats(run(op, sizes))))
        if op.name in FACTORISED:  # its entries are rounded as the largest of them is
            room = np.maximum(room, np.max(room, initial=0))
        assert np.shape(out) == np.shape(true)
        assert np.all(np.abs(out - true) <= room)

    @pytest.mark.parametrize("op", DISCRETE, ids=lambda op: op.name)
    def test_without_a_derivative_says_the_same(self, op: Operation) -> None:
        rng = np.random.default_rng(0)
        masks = op.name.startswith(("bitwise", "logical", "invert", "selected"))
        for _ in range(5):
            numbers = [rng.integers(-1, 2, (2, 3)).astype(np.float64) for _ in op.arguments]
            arrays = tuple(x > 0 if masks else x for x in numbers)
            np.testing.assert_array_equal(
                in_floats(run(op, Call(arrays, {}))), np.asarray(op.forward(*arrays), np.float64)
            )

    @pytest.mark.thorough
    @pytest.mark.parametrize("op", DIFFERENTIABLE, ids=lambda op: op.name)
    def test_is_found_right_from_the_smallest_inputs_to_large_ones(self, op: Operation) -> None:
        rng = np.random.default_rng(1)
        kinds = []
        for turn, case in enumerate(fixed_cases(op)[:8]):
            arrays = [
                magnitudes(op, i, math.prod(shape), rng, far=turn % 2 == 1).reshape(shape)
                for i, shape in enumerate(case.shapes)
            ]

            def f(*values: Any, options: Any = case.options) -> Any:
                return np.sum(apply(op, values, options))

            call = Call(tuple(arrays), case.options)
            try:
                with np.errstate(all="ignore"):
                    on_kink = any(np.any(each == 0) for each in distances(op, call))
                    finite = np.isfinite(f(*(te.Value(x) for x in arrays)).data)
            except np.linalg.LinAlgError:  # not every matrix has such factors
                call = arguments(op, case, "near", rng)
                arrays, on_kink, finite = list(call.arrays), False, True
            if finite and not on_kink and all(x.size for x in arrays):
                kinds += [entry.verdict.kind for entry in judged(f, *arrays)[0]]
        assert kinds
        assert set(kinds) == {"inconclusive" if op.surrogate else "correct"}


def gelu_tanh_slope(x: Any) -> Any:
    u = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    return (1 + u) / 2 + x / 2 * (1 - u * u) * math.sqrt(2 / math.pi) * (1 + 0.134145 * x * x)


def logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


SCALE = 1.0507009873554805
# Function, its right rule, a wrong one, and where the wrong one is to be rejected.
RULES: dict[str, tuple[Any, Any, Any, tuple[float, ...]]] = {
    "sign": (np.sin, np.cos, lambda x: -np.cos(x), (0.3, 1.0)),
    "factor": (np.exp, np.exp, lambda x: 2 * np.exp(x), (0.3,)),
    **{
        f"off by {off}": (np.sin, np.cos, lambda x, off=off: np.cos(x) * (1 + off), (0.5, 2.0))
        for off in (9e-4, 9e-6, 9e-7, 9e-10, 1e-11)
    },
    "the other GELU": (
        lambda x: x / 2 * (1 + erf(x / math.sqrt(2))),
        lambda x: (1 + erf(x / math.sqrt(2))) / 2 + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
        gelu_tanh_slope,
        (1.5, 2.0, 2.5, 3.0),
    ),
    "rounded constant": (
        lambda x: SCALE * np.maximum(x, 0),
        lambda x: SCALE * (x > 0),
        lambda x: 1.0507 * (x > 0),
        (0.5, 2.0),
    ),
    "zero, beside a small slope": (
        lambda x: 1e-6 * np.sin(x),
        lambda x: 1e-6 * np.cos(x),
        lambda x: 0 * x,
        (0.5,),
    ),
    "digits lost in a tail": (
        logistic,
        lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
        lambda x: logistic(x) * (1 - logistic(x)),
        (40.0,),
    ),
    "steeper than both sides of a kink": (
        lambda x: np.maximum(x, 0),
        lambda x: x > 0,
        lambda x: np.where(x == 0, 1.2, x > 0),
        (0.0,),
    ),
    "flat between two halves of a line": (
        lambda x: np.maximum(x, 0) - np.maximum(-x, 0),
        lambda x: 1 + 0 * x,
        lambda x: np.where(x == 0, 0.0, 1.0),
        (0.0,),
    ),
    "missing abs": (lambda x: x * np.abs(x), lambda x: 2 * np.abs(x), lambda x: 2 * x, (-1.0,)),
    "linear from 20 on": (
        lambda x: np.logaddexp(0, x),
        logistic,
        lambda x: np.where(x > 20, 1.0, logistic(x)),
        (20.5,),
    ),
    "no number": (np.sin, np.cos, lambda x: np.nan * x, (0.5,)),
}


class TestRules:
    @pytest.mark.parametrize("name", RULES)
    def test_a_wrong_one_is_rejected_and_the_right_one_is_not(self, name: str) -> None:
        f, right, wrong, places = RULES[name]
        for x in places:
            for point in (x, [x, x]):
                found = judged(f, point, rule=right)[0]
                assert {each.verdict.kind for each in found} <= {"correct", "kink"}
                assert all(each.verdict.ok for each in found)
                assert not any(each.verdict.ok for each in judged(f, point, rule=wrong)[0])

    def test_one_that_is_wrong_as_mathematics_is_told_from_one_that_float64_spoils(self) -> None:
        f, _, wrong, _ = RULES["off by 1e-11"]
        assert verdict(f, 0.5, wrong).reason == "the rule itself is wrong, from digit 11 on"
        f, _, wrong, (x,) = RULES["digits lost in a tail"]
        assert verdict(f, x, wrong).reason == "lost"

    def test_one_that_only_floats_can_run_is_judged_by_its_numbers(self) -> None:
        def rule(x: Any) -> Any:
            return math.cos(float(x))

        found, notes = judged(np.sin, 0.5, rule=rule)
        assert found[0].verdict.kind == "correct"
        assert any("formula is not known" in note for note in notes)
        ((wrong,), _) = judged(np.sin, 0.5, rule=lambda x: rule(x) * (1 + 2e-9))
        assert wrong.verdict.kind == "wrong"

    def test_one_of_a_record_is_rejected_down_to_the_twelfth_digit(self) -> None:
        for off, ok in ((0.0, True), (2e-12, False), (1e-3, False)):
            op = Elementwise(
                name="sine",
                forward=np.sin,
                partials=(lambda out, x, off=off: np.cos(x) * (1 + off),),
                formula=r"\sin\left({0}\right)",
                domain=((-math.inf, math.inf),),
            )
            found, _ = judged(lambda x, op=op: np.tanh(op(x)), [0.5, 3.0])
            assert [each.verdict.ok for each in found[::3]] == [ok, ok]

    def test_digits_that_rounding_took_are_not_counted(self) -> None:
        found = verdict(lambda x: (1 - np.cos(x)) / x**2, 1e-5)
        # Its slope there is −x/12; messages of 1e10 cancel in it.
        assert found.expected == pytest.approx(-1e-5 / 12)
        assert abs(found.claim - found.expected) > abs(found.expected)
        assert (found.kind, found.reason, found.digits) == ("correct", "rounded", 0)
        assert "rounding" in sentence(found)
        assert "丸め誤差" in sentence(found, "ja")

    def test_functions_that_the_engine_does_not_know(self) -> None:
        x = np.array([0.3, -1.2, 2.0])
        for f, slope in (
            (np.linalg.norm, lambda x: x / np.sqrt(np.sum(x * x))),
            (np.var, lambda x: 2 * (x - np.mean(x)) / 3),
            (lambda x: np.hypot(np.asarray(x), 1.0), lambda x: x / np.sqrt(x * x + 1)),
            (lambda x: np.roll(x, 1) * x, lambda x: np.roll(x, 1) + np.roll(x, -1)),
            (lambda x: sum(np.sin(each) for each in x), np.cos),
        ):
            found, notes = judged(f, x, rule=slope)
            assert {each.verdict.kind for each in found} == {"correct"}
            assert len(notes) == 1

    def test_the_expected_slope_is_that_of_mpmath(self) -> None:
        for x in (-700.0, -40.0, 0.3, 40.0, 700.0):
            with mpmath.workdps(400):
                true = float(mpmath.diff(lambda t: 1 / (1 + mpmath.exp(-t)), x))
            assert verdict(sigmoid, x).expected == true
            assert verdict(sigmoid, x).digits >= 15

    def test_a_gradient_of_several_inputs_and_outputs(self) -> None:
        rng = np.random.default_rng(0)
        x, w = rng.standard_normal((3, 2)), rng.standard_normal((2, 2))
        found, notes = judged(lambda x, w: np.tanh(x @ w), x, w)
        assert len(found) == 6 * (6 + 4)
        assert found[-1].name == "output[2, 1] by x1[1, 1]"
        assert all(each.verdict.digits > 14 for each in found)
        assert "rounded by at most" in notes[0]

    def test_a_models_parameters(self) -> None:
        network = te.nn.MLP([2, 3, 1], activation="tanh", seed=0)
        x, y = np.array([[0.5, -1.0], [2.0, 1.5]]), np.array([[0.0], [1.0]])
        leaves = list(network.parameters())
        point = [leaf.data for leaf in leaves]

        def loss(*arrays: Any) -> Any:
            for leaf, array in zip(leaves, arrays, strict=True):
                leaf.data = array
            return te.nn.losses.mse(network(x), y)

        claims = [g[None] for g in te.grad(loss(*point), leaves)]
        names = [str(i) for i in range(len(leaves))]
        found, _ = exact.entries(loss, point, names, claims, leaves=leaves)
        assert {each.verdict.kind for each in found} == {"correct"}
        claims[0][0, 0, 1] *= 1 + 1e-8
        found, _ = exact.entries(loss, point, names, claims, leaves=leaves)
        assert [each.name for each in found if not each.verdict.ok] == ["0[0, 1]"]


class TestBesideAPoint:
    @pytest.mark.parametrize(
        ("f", "low", "high"),
        [
            (np.abs, -1.0, 1.0),
            (lambda x: np.maximum(3 * x, -2 * x), -2.0, 3.0),
            (lambda x: np.abs(x) + np.sin(x), 0.0, 2.0),
        ],
    )
    def test_a_kink_has_two_slopes(self, f: Any, low: float, high: float) -> None:
        seen = verdict(f, 0.0)
        assert (seen.kind, seen.inside) == ("kink", True)
        assert (seen.low, seen.high) == pytest.approx((low, high), abs=1e-40)
        assert not verdict(f, 0.0, lambda x: low - 1e-6 + 0 * x).ok
        assert verdict(f, 1e-9).kind == verdict(f, -1e-300).kind == "correct"

    @pytest.mark.parametrize(
        "f", [lambda x: np.maximum(x, 0) ** 2, lambda x: np.abs(x) ** 1.5, lambda x: x * np.sqrt(x)]
    )
    def test_what_falls_to_zero_is_zero(self, f: Any) -> None:
        assert verdict(f, 0.0, lambda x: 0 * x).kind == "correct"
        assert verdict(f, 0.0, lambda x: 0 * x + 1e-9).kind == "wrong"

    @pytest.mark.parametrize(
        "f",
        [
            np.sqrt,
            lambda x: np.sqrt(np.abs(x)),
            lambda x: np.where(x > 0, x + 1, x),
            lambda x: np.log(x),
        ],
    )
    def test_where_there_is_no_slope_nothing_is_said(self, f: Any) -> None:
        assert verdict(f, 0.0, lambda x: 0 * x + 1).kind == "inconclusive"

    def test_a_slope_of_zero_is_not_taken_for_one_that_float64_cannot_see(self) -> None:
        assert verdict(lambda x: 1 + 0 * x, 2.0, lambda x: 0 * x).kind == "correct"
        tiny = verdict(lambda x: 1 + 1e-300 * x, 2.0, lambda x: 0 * x)
        assert (tiny.kind, tiny.expected) == ("wrong", 1e-300)


class TestRounding:
    @pytest.mark.parametrize(
        ("f", "x"),
        [
            (lambda x: np.sum(te.activations.softmax(x)), [1.0, 2.5, -0.3]),
            (lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)), 19.0),
            (lambda x: x / x, 0.3),
            (lambda x: np.sin(x) ** 2 + np.cos(x) ** 2, 0.7),
            (lambda x: np.sum((x - np.mean(x)) ** 2), [1e8, 1e8 + 1, 1e8 - 1]),
        ],
    )
    def test_that_backpropagation_cannot_help_is_no_mistake(self, f: Any, x: Any) -> None:
        assert all(each.verdict.kind == "correct" for each in judged(f, x)[0])

    def test_of_the_function_is_measured(self) -> None:
        _, (note,) = judged(lambda x: (1 + x) - 1, 1e-10)
        assert float(note.split()[-3]) > 1e8
        _, (note,) = judged(np.exp, 0.5)
        assert float(note.split()[-3]) < 1


def user_record(definition: Any) -> Operation:
    """A record that is not registered, with a forward that only floats can run."""
    return Elementwise(
        name="error_function",
        forward=np.vectorize(math.erf),
        partials=(lambda out, x: 2 / math.sqrt(math.pi) * np.exp(-x * x),),
        formula=r"\operatorname{{erf}}\left({0}\right)",
        domain=((-math.inf, math.inf),),
        definition=definition,
    )


class TestWhatCannotBeRun:
    def test_a_record_for_floats_is_named_and_its_definition_helps(self) -> None:
        bare, defined = user_record(None), user_record(lambda x: erf(x))
        with pytest.raises(OperandError, match=r"error_function .* `definition`"):
            judged(lambda x: bare(x), [0.5])
        assert judged(lambda x: defined(x), [0.5])[0][0].verdict.digits > 15

    def test_a_function_for_floats_is_refused(self) -> None:
        with pytest.raises(OperandError, match=r"np\.exp in place of math\.exp"):
            judged(lambda x: math.exp(x), 0.5, rule=np.exp)

    def test_an_if_is_followed_where_the_function_takes_arrays(self) -> None:
        def f(x: Any) -> Any:
            return 2 * x if x > 0 else x * 1.0

        seen = verdict(f, 0.0, lambda x: 2 + 0 * x)
        assert (seen.kind, seen.low, seen.high) == ("kink", 1.0, 2.0)

    def test_chance_is_refused(self) -> None:
        rng = np.random.default_rng(0)

        def f(x: Any) -> Any:
            return np.tanh(x) * rng.random()

        with pytest.raises(OperandError, match="chance"):
            judged(f, 0.5)

    def test_without_mpmath_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "mpmath", None)
        with pytest.raises(ImportError, match=r"pip install \"tinygrad_edu\[verify\]\""):
            context.__wrapped__()


class TestNumbers:
    @pytest.mark.parametrize(
        ("name", "theirs"),
        [
            *((name, name) for name in ("exp", "expm1", "log1p", "sqrt", "sin", "tanh", "sinh")),
            ("arctan", "atan"),
            ("arcsinh", "asinh"),
            ("arccos", "acos"),
        ],
    )
    def test_numpys_functions_have_all_digits(self, name: str, theirs: str) -> None:
        with context().workdps(60), mpmath.workdps(60):
            true = mpmath.nstr(getattr(mpmath, theirs)(mpmath.mpf(0.7)), 58)
            # NumPy keeps the class of the array, np.asarray does not.
            for array in (lift([0.2, 0.7]), np.asarray(lift([0.2, 0.7]).view(np.ndarray))):
                out = lift(getattr(np, name)(array))
                assert context().nstr(out[1].item(), 58) == true

    def test_nothing_raises_and_nothing_is_complex(self) -> None:
        x = lift([-1.0, 0.0, 1.0])
        np.testing.assert_array_equal(in_floats(1 / x), [-1, np.inf, 1])
        np.testing.assert_array_equal(in_floats(x / 0), [-np.inf, np.nan, np.inf])
        np.testing.assert_array_equal(in_floats(np.log(x)), [np.nan, -np.inf, 0])
        np.testing.assert_array_equal(in_floats(x**0.5), [np.nan, 0, 1])
        np.testing.assert_array_equal(np.isfinite(np.log(x)), [False, False, True])

    def test_a_float_would_lose_digits_and_is_refused(self) -> None:
        with pytest.raises(ConversionError, match=r"np\.exp"):
            math.exp(lift(0.5))

    def test_writing_in_place(self) -> None:
        x = lift([1.0, 2.0])
        x += 0.5
        x[0] = 7
        np.add.at(x, np.array([1, 1]), lift(1.0))
        np.testing.assert_array_equal(in_floats(x), [7, 4.5])


def test_only_what_moves_is_run_again() -> None:
    runs: list[int] = []

    def forward(x: Any) -> Any:
        runs.append(1)
        return x + 0

    counted = Elementwise(
        name="counted", forward=forward, partials=(1,), formula="{0} + 0", domain=((-9.0, 9.0),)
    )
    x, y = te.Value(1.0), te.Value(2.0)
    out = counted(x) * y
    replay = Replay([out], [x, y])
    runs.clear()
    arrays = [lift(1.0), lift(2.0)]
    first = replay.run(arrays)
    moved = replay.run([arrays[0], lift(3.0)], first)
    assert (len(runs), in_floats(moved[id(out)])) == (1, 3)
