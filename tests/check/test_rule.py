"""One operation over its whole domain: right rules are certified, wrong ones get a counterexample.

The wrong ones are the mistakes of `tests/ops/test_mutants.py`, and smaller ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.ops.test_mutants import Mistake, after, changed, frozen, mutants, swapped
from tests.ops.user_records import ALL, DECLARED, registered, restored
from tests.shares import one_in
from tinygrad_edu.check.records import KEPT, rule
from tinygrad_edu.check.report import Report
from tinygrad_edu.engine.operation import Elementwise, Operation
from tinygrad_edu.errors import OperandError, UnknownNameError

DIFFERENTIABLE = [op for op in ALL if op.differentiable]
SOMETIMES = one_in(16, DIFFERENTIABLE)
# Where a function is all but constant, rounding hides its slopes.
UNCLEAR = 0.07


@pytest.fixture(autouse=True)
def _user_records() -> Iterator[None]:
    with registered():
        yield


@contextmanager
def declared(*given: Any, **options: Any) -> Iterator[Any]:
    """An operation that a user declares, forgotten afterwards."""
    options.setdefault("formula", "f({0})")
    with restored():
        yield te.define_elementwise("declared", *given, **options)


def wrong_names(report: Report) -> list[str]:
    return [entry.name for entry in report.entries if not entry.verdict.ok]


# ---- right rules ----


# tests/ops/test_all_floats.py tries all of them, and harder; here it is the verifier that is tried.
@pytest.mark.parametrize("op", SOMETIMES)
def test_every_record_gets_its_certificate(op: Operation) -> None:
    report = rule(op)
    assert report.ok, report.table()
    assert report.notes[0].startswith(f"{op.name} was tried at ")
    total, unclear = len(report.entries), report.count("inconclusive")
    assert report.evaluations > 50
    if op.surrogate:
        assert unclear > 0.9 * total
        assert "surrogate" in report.notes[1]
        return
    assert unclear <= UNCLEAR * total, report.table()
    assert report.count("correct") + report.count("kink") + unclear == total
    met = 0 if op.name in ("divide", "reciprocal") else len(op.kinks)  # those are poles
    said = [f"{met} of {len(op.kinks)} declared kinks"] if op.kinks else []
    assert re.findall(r"\d+ of \d+ declared kinks", report.notes[0]) == said
    assert len(report.notes) == 1, report.notes


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [1, 3])
def test_in_all_few_are_inconclusive_and_none_is_wrong(seed: int) -> None:
    reports = [rule(op, seed=seed) for op in DIFFERENTIABLE if not op.surrogate]
    total = sum(len(report.entries) for report in reports)
    assert [report.worst.name for report in reports if not report.ok] == []
    assert sum(report.count("inconclusive") for report in reports) <= 0.02 * total


def test_an_operation_may_be_meant_in_three_ways() -> None:
    by_name = rule("sum")
    assert by_name.ok
    for given in (te.OPERATIONS["sum"], np.sum):
        assert rule(given).notes == by_name.notes


def test_a_report_stays_small_enough_to_print_and_can_be_drawn_from() -> None:
    report = rule("tanh")
    assert len(report.entries) > 200
    assert len(report.table().splitlines()) < 80
    assert sum(bool(entry.steps) for entry in report.entries) <= KEPT
    assert report.worst.steps


def test_the_seed_draws_the_numbers() -> None:
    names = [[entry.name for entry in rule("sin", seed=seed).entries] for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]


# ---- wrong rules ----

Change = Callable[[Operation], Operation]


def in_one_case(op: Operation) -> Operation:
    """A pullback that is wrong in the last of the cases only."""
    options = op.cases[-1].options

    def mistake(right: Any) -> Any:
        def wrong(first: Any, arguments: tuple[Any, ...], given: Any) -> Any:
            found = right(first, arguments, given)
            return found * 1.5 if {**op.defaults, **given} == {**op.defaults, **options} else found

        return wrong

    return changed(op, 0, mistake)


def by(position: int, mistake: Mistake) -> Change:
    return lambda op: changed(op, position, mistake)


def at_0(value: float) -> Mistake:
    """A rule that is wrong where its first argument is exactly 0."""

    def mistake(right: Any) -> Any:
        def wrong(first: Any, arguments: tuple[Any, ...], options: Any) -> Any:
            return np.where(arguments[0] == 0, value, right(first, arguments, options))

        return wrong

    return mistake


def below(limit: float) -> Mistake:
    """A rule that is 1 % off for small arguments only."""

    def mistake(right: Any) -> Any:
        def wrong(first: Any, arguments: tuple[Any, ...], options: Any) -> Any:
            factor = np.where(np.abs(arguments[0]) < limit, 1.01, 1.0)
            return factor * right(first, arguments, options)

        return wrong

    return mistake


WRONG: list[tuple[str, str, Change]] = [
    ("exp", "sign", by(0, after(lambda g: -g))),
    ("tanh", "1e-6", by(0, after(lambda g: g * (1 + 1e-6)))),
    ("multiply", "1e-6", by(1, after(lambda g: g * (1 + 1e-6)))),
    ("softplus", "1e-6", by(1, after(lambda g: g * (1 + 1e-6)))),
    ("matmul", "1e-6", by(0, after(lambda g: g * (1 + 1e-6)))),
    ("softmax", "1e-6", by(0, after(lambda g: g * (1 + 1e-6)))),
    ("log", "dropped", by(0, after(lambda g: g * 0.0))),
    ("gelu", "shifted", by(0, after(lambda g: g + 1e-7))),
    ("divide", "swapped", by(1, swapped(0))),
    ("power", "swapped", by(0, swapped(0))),
    ("matmul", "swapped", by(0, swapped(0))),
    ("transpose", "transposed", by(0, after(lambda g: g.T))),
    ("max", "reversed", by(0, after(lambda g: np.flip(g)))),
    ("sin", "frozen", by(0, frozen)),
    ("log_softmax", "frozen", by(0, frozen)),
    ("relu", "at the kink", by(0, at_0(1.5))),
    ("absolute", "at the kink", by(0, at_0(-1.01))),
    ("hard_shrink", "at the jump", by(0, lambda right: lambda f, a, o: np.where(
        np.abs(a[0]) == a[1], 7.0, right(f, a, o)))),
    ("sin", "small arguments", by(0, below(1e-3))),
    ("mish", "small arguments", by(0, below(0.5))),
    ("sum", "one case", in_one_case),
    ("swapaxes", "one case", in_one_case),
    ("getitem", "one case", in_one_case),
    ("gelu", "one option", by(0, lambda right: lambda f, a, o: right(f, a, o) * (
        1.001 if o.get("approximate") == "none" else 1.0))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param(n, c, id=f"{n}-{label}", marks=pytest.mark.thorough if place % 3 else ())
        for place, (n, label, c) in enumerate(WRONG)
    ],
)
def test_a_wrong_rule_gets_a_counterexample(name: str, change: Change) -> None:
    report = rule(change(te.OPERATIONS[name]))
    assert not report.ok
    assert not report.worst.verdict.ok
    assert report.worst.name.startswith(f"{name}(")
    assert "WRONG" in report.table()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("op", "name", "position", "mistake"),
    [
        pytest.param(op, name, position, mistake, id=f"{op.name}-{position}-{name}")
        for op in DIFFERENTIABLE
        if not op.surrogate
        for name, position, mistake in mutants(op)
    ][::3],  # tests/ops/test_mutants.py tries them all
)
def test_all_wrong_rules_of_all_records(
    op: Operation, name: str, position: int, mistake: Mistake
) -> None:
    # Some of these mistakes change nothing: 1.01 · 0, a swap in a · b. What is right passes.
    right = op.rules[position]
    mutant = changed(op, position, mistake)
    if rule(mutant).ok:
        assert name != "shifted"
        scaled = name in ("scaled", "dropped") and callable(right)
        assert not scaled or op.name in ("sign",)


def test_a_counterexample_can_be_tried_by_the_reader() -> None:
    # softstep's derivative by x is sech²(x / width) / (2 width); the factor 1/2 is forgotten.
    def forward(x: Any, width: Any) -> Any:
        return 0.5 * np.tanh(x / width)

    def partial(out: Any, x: Any, width: Any) -> Any:
        return (1 - 4 * out * out) / width

    by_width = lambda out, x, width: -x / width**2 * 0.5 * (1 - 4 * out * out)  # noqa: E731
    domain = (te.OPERATIONS["tanh"].domain[0], (0.25, 4.0))
    with declared(forward, (partial, by_width), domain=domain) as softstep:
        report = rule(softstep)
    assert not report.ok
    assert "by x: a factor of 2 too much" in report.guesses
    assert not [name for name in wrong_names(report) if name.endswith(("by width", "width twice"))]
    found = 0
    for entry in report.entries:
        read = re.fullmatch(r"declared\(x=(\S+), width=(\S+)\) by x", entry.name)
        if read and not entry.verdict.ok:
            x, width = map(float, read.groups())
            slope = 1 / math.cosh(x / width) ** 2 / (2 * width)
            assert entry.verdict.expected == pytest.approx(slope, abs=10 * entry.verdict.bar)
            assert entry.verdict.claim == pytest.approx(2 * slope, rel=1e-6)
            found += 1
    assert found > 30


# ---- operations that users declare ----


def test_users_operations_are_certified() -> None:
    for op in DECLARED.values():
        report = rule(op)
        assert report.ok, report.table()
        assert report.count("inconclusive") <= UNCLEAR * len(report.entries)


@pytest.mark.parametrize("seed", one_in(3, range(3)))
@pytest.mark.parametrize("at", [-1.0, 0.0, 1.0])
def test_a_kink_that_is_not_declared_is_named(at: float, seed: int) -> None:
    with declared(lambda x: np.minimum(x, at), lambda out, x: np.where(x < at, 1.0, 0.0)) as cap:
        report = rule(cap, seed=seed)
    assert report.ok
    assert any("does not declare" in note and f"x={at}" in note for note in report.notes)


def test_a_rule_that_is_right_but_for_one_kink_is_found_there() -> None:
    def partial(out: Any, x: Any) -> Any:
        return np.where(x == 2, 3.0, np.sign(x - 2))

    with declared(lambda x: np.abs(x - 2), partial, kinks=(2.0,)) as bent:
        report = rule(bent)
    assert {*wrong_names(report)} == {"declared(x=2.0) by x"}


def test_an_extreme_that_overflows_is_found() -> None:
    with declared(lambda x: np.log(1 + np.exp(x)), lambda out, x: 1 / (1 + np.exp(-x)),
                  domain=(-30.0, 30.0), extremes=((1000.0,),)) as softplus:  # fmt: skip
        report = rule(softplus)
    (entry,) = (entry for entry in report.entries if not entry.verdict.ok)
    assert entry.name == "declared(x=1000.0)"
    assert "overflow" in entry.verdict.reason


def test_a_derivative_that_is_not_finite_at_an_extreme_is_found() -> None:
    with declared(np.hypot, (lambda out, a, b: a / out, lambda out, a, b: b / out),
                  domain=((1.0, 9.0), (1.0, 9.0)), extremes=((0.0, 0.0),),
                  formula="{0} + {1}") as length:  # fmt: skip
        report = rule(length)
    assert "declared(x1=0.0, x2=0.0) by x1" in wrong_names(report)


def test_a_forward_that_leaves_float32_is_found() -> None:
    with declared(lambda x: x * np.float64(2), 2) as twice:
        report = rule(twice)
    assert wrong_names(report) == ["declared(x of shape (200,)) in float32"]
    assert "another dtype comes out" in report.table()


def test_a_forward_that_loses_float32s_digits_is_found() -> None:
    big = np.float32(1e4)
    with declared(lambda x: (x + big) - big, 1, domain=(-5.0, 5.0)) as rounded:
        report = rule(rounded)
    found = [name for name in wrong_names(report) if name.endswith("in float32")]
    assert len(found) == 1
    assert found[0].startswith("declared(x=")


def test_a_forward_that_mixes_entries_is_found() -> None:
    with declared(lambda x: x - np.mean(x), 1) as centred:
        report = rule(centred)
    assert not report.ok


def test_a_rule_that_raises_or_works_on_vectors_only_is_found() -> None:
    def broken(out: Any, x: Any) -> Any:
        raise KeyError("{x}")

    with declared(np.sin, broken) as sine:
        report = rule(sine)
    assert "it raises KeyError" in report.table()
    with declared(lambda x: x[...] * 2, lambda out, x: 2.0 + 0 * x[0]) as doubled:
        report = rule(doubled)
    assert any(re.fullmatch(r"declared\(x=\S+\)", name) for name in wrong_names(report))


def test_a_pullback_of_the_wrong_shape_is_found() -> None:
    report = rule(replace(te.OPERATIONS["matmul"], pullbacks=(
        lambda g, out, a, b: np.swapaxes(g @ np.swapaxes(b, -1, -2), -1, -2),
        lambda g, out, a, b: np.swapaxes(a, -1, -2) @ g,
    )))  # type: ignore[call-arg]  # fmt: skip
    assert not report.ok
    assert "it raises" in report.table()
    assert any(note.startswith("A counterexample: matmul(a=[[") for note in report.notes)


def test_at_points_a_rule_is_not_called_wrong_for_its_own_rounding() -> None:
    # 1 − 1/(1 + eˣ) is right, but has lost half its digits where eˣ is 1e-8.
    def softplus(x: Any) -> Any:
        return np.log1p(np.exp(x))

    for factor in (1.0, 1.001):
        with declared(softplus, lambda out, x, c=factor: c * (1 - 1 / (1 + np.exp(x))),
                      domain=(-22.0, -8.0)) as rounded:  # fmt: skip
            entries = rule(rounded).entries
        own = [entry for entry in entries if entry.verdict.reason == "own"]
        assert (len(own) > 10) == (factor == 1.0)


def test_a_surrogate_is_never_wrong_and_its_note_says_why() -> None:
    with declared(np.sign, 1, surrogate=True) as passed:
        report = rule(passed)
    assert report.ok
    assert report.count("correct") == 0
    assert "on purpose" in report.table()
    assert "意図" in report.table("ja")
    with declared(np.sign, 1) as not_said:
        assert not rule(not_said).ok


# ---- what is no such operation ----


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("sofplus", UnknownNameError, "softplus"),
        ("argmax", OperandError, "no derivative"),
        (np.greater, OperandError, "no derivative"),
        (len, OperandError, "te.OPERATIONS"),
        (3, OperandError, "te.OPERATIONS"),
    ],
)
def test_what_has_no_rule_is_refused(given: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        rule(given)


def test_the_registry_is_as_before() -> None:
    assert isinstance(te.OPERATIONS["tanh"], Elementwise)
    assert "declared" not in te.OPERATIONS
