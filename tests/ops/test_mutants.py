"""Wrong derivative rules are rejected by the very checks that the right ones pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample

import tinygrad_edu as te
from tests.ops.checks import (
    Check,
    Claims,
    check_first_order,
    check_kink,
    check_second_order,
    first_order,
    second_order,
)
from tests.ops.user_records import DIFFERENTIABLE
from tinygrad_edu.check.samples import Call
from tinygrad_edu.check.strategies import calls, calls_on_kink
from tinygrad_edu.engine.operation import Elementwise, Operation, Structural

Rule = Callable[..., Any]
# A mistake takes a rule to a wrong one; both are called as rule(first, arguments, options), with
# `first` all that comes before the arguments: (out,) or (g, out).
Mistake = Callable[[Rule], Rule]

SEARCH = settings(
    max_examples=30, phases=[Phase.generate], derandomize=True, database=None, deadline=None
)


def rules(op: Operation) -> tuple[Any, ...]:
    """The rules as they are declared."""
    assert isinstance(op, Elementwise | Structural)
    return op.partials if isinstance(op, Elementwise) else op.pullbacks


def changed(op: Operation, position: int, mistake: Mistake) -> Operation:
    """The record with one rule made wrong; the registry never sees it."""
    before = 1 if isinstance(op, Elementwise) else 2
    right = rules(op)[position]

    def unpacked(first: tuple[Any, ...], arguments: tuple[Any, ...], options: Any) -> Any:
        return right(*first, *arguments, **options) if callable(right) else right

    wrong = mistake(unpacked)

    def rule(*everything: Any, **options: Any) -> Any:
        return wrong(everything[:before], everything[before:], options)

    new = (*rules(op)[:position], rule, *rules(op)[position + 1 :])
    if isinstance(op, Elementwise):
        return replace(op, partials=new)
    assert isinstance(op, Structural)
    return replace(op, pullbacks=new)


def after(change: Callable[[Any], Any]) -> Mistake:
    """A rule whose result is changed."""
    return lambda rule: lambda first, arguments, options: change(rule(first, arguments, options))


def swapped(left: int) -> Mistake:
    """A rule that takes two neighbouring arguments for one another."""

    def mistake(rule: Rule) -> Rule:
        def wrong(first: Any, arguments: tuple[Any, ...], options: Any) -> Any:
            turned = list(arguments)
            turned[left : left + 2] = turned[left : left + 2][::-1]
            return rule(first, tuple(turned), options)

        return wrong

    return mistake


def frozen(rule: Rule) -> Rule:
    """A rule that forgets that it depends on the arguments: right at first order only."""

    def constant(item: Any) -> Any:
        return item.detach() if isinstance(item, te.Value) else item

    return lambda first, arguments, options: rule(
        (*first[:-1], constant(first[-1])), tuple(map(constant, arguments)), options
    )


def mutants(op: Operation) -> Iterator[tuple[str, int, Mistake]]:
    """The name of each mistake, the rule it is made in, and the mistake."""
    for position in range(len(rules(op))):
        yield "scaled", position, after(lambda g: g * 1.01)
        yield "shifted", position, after(lambda g: g + 0.01)
        yield "dropped", position, after(lambda g: g * 0.0)
        yield "frozen", position, frozen
        most = max(len(case.shapes) for case in op.cases) if op.variadic else len(op.arguments)
        for left in range(most - 1):
            yield f"swapped-{left}", position, swapped(left)


def passes(check: Check, op: Operation, call: Call) -> bool:
    try:
        check(op, call)
    except AssertionError:
        return False
    return True


def alike(claims: Claims, op: Operation, mutant: Operation, call: Call) -> bool:
    """Whether the mutant's gradients are those of the record but for rounding."""
    return all(
        np.allclose(wrong, right, rtol=1e-12, atol=0, equal_nan=True)
        for wrong, right in zip(claims(mutant, call), claims(op, call), strict=True)
    )


# Sampled in `make test`: each takes a search of its own, and tests/check has mistakes of its own.
MUTANTS = [
    pytest.param(op, name, position, mistake, id=f"{op.name}-{position}-{name}")
    for op in DIFFERENTIABLE
    for name, position, mistake in mutants(op)
]
THOROUGH = [
    pytest.param(*case.values, id=case.id, marks=() if i % 10 == 0 else pytest.mark.thorough)
    for i, case in enumerate(MUTANTS)
]


@pytest.mark.parametrize(("op", "name", "position", "mistake"), THOROUGH)
def test_a_wrong_rule_is_rejected(
    op: Operation, name: str, position: int, mistake: Mistake
) -> None:
    """A mutant may live only if its gradients are right, as 1.01 · 0 and a swap in a · b are."""
    mutant = changed(op, position, mistake)
    claims, check, most = (
        (second_order, check_second_order, 2)
        if name == "frozen"
        else (first_order, check_first_order, 3)
    )
    differs = False

    def rejected(call: Call) -> bool:
        nonlocal differs
        try:
            if alike(claims, op, mutant, call):
                return False
        except (ValueError, TypeError, IndexError):
            return True  # a swap that no shape fits
        differs = True
        return not passes(check, mutant, call)

    try:
        find(calls(op, most=most), rejected, settings=SEARCH)
    except NoSuchExample:
        assert not differs, "no check tells this rule from the right one"
        assert name != "shifted", "a shifted rule must differ somewhere"


@pytest.mark.parametrize(
    ("op", "which"),
    [
        pytest.param(op, which, id=f"{op.name}-{which}")
        for op in DIFFERENTIABLE
        for which in range(len(op.kinks))
    ],
)
def test_a_rule_beyond_both_slopes_of_a_kink_is_rejected(op: Operation, which: int) -> None:
    mutant = changed(op, 0, after(lambda g: g + 10.0))

    def pole(call: Call) -> bool:
        with np.errstate(all="ignore"):
            return not np.all(np.isfinite(op.forward(*call.arrays, **call.options)))

    find(
        calls_on_kink(op, which),
        lambda call: pole(call) or not passes(check_kink, mutant, call),
        settings=SEARCH,
    )
