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
from tests.strategies import Call, calls, calls_on_kink
from tinygrad_edu.engine.operation import Elementwise, Operation, Structural

Rule = Callable[..., Any]
Wrong = Callable[[Rule], Rule]

SEARCH = settings(
    max_examples=30, phases=[Phase.generate], derandomize=True, database=None, deadline=None
)


def rules(op: Operation) -> tuple[Any, ...]:
    """The rules as they are declared."""
    assert isinstance(op, Elementwise | Structural)
    return op.partials if isinstance(op, Elementwise) else op.pullbacks


def changed(op: Operation, position: int, wrong: Wrong) -> Operation:
    """The record with one rule made wrong; the registry never sees it.

    `wrong` gets and gives rules of the form `rule(g_and_out, arguments, options)`, `g_and_out`
    being all that comes before the arguments.
    """
    declared = rules(op)
    rule = declared[position]
    ahead = 1 if isinstance(op, Elementwise) else 2

    def right(first: tuple[Any, ...], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return rule(*first, *arguments, **options) if callable(rule) else rule

    mutated = wrong(right)

    def taken(*everything: Any, **options: Any) -> Any:
        return mutated(everything[:ahead], everything[ahead:], options)

    new = (*declared[:position], taken, *declared[position + 1 :])
    return replace(op, **{"partials" if ahead == 1 else "pullbacks": new})


def after(change: Callable[[Any], Any]) -> Wrong:
    """A rule whose result is changed."""
    return lambda rule: lambda first, arguments, options: change(rule(first, arguments, options))


def swapped(left: int) -> Wrong:
    """A rule that takes two neighbouring arguments for one another."""

    def wrong(rule: Rule) -> Rule:
        def taken(first: Any, arguments: tuple[Any, ...], options: Any) -> Any:
            turned = list(arguments)
            turned[left : left + 2] = turned[left : left + 2][::-1]
            return rule(first, tuple(turned), options)

        return taken

    return wrong


def frozen(rule: Rule) -> Rule:
    """A rule that forgets that it depends on the arguments: right at first order only."""

    def constant(item: Any) -> Any:
        return item.detach() if isinstance(item, te.Value) else item

    return lambda first, arguments, options: rule(
        (*first[:-1], constant(first[-1])), tuple(map(constant, arguments)), options
    )


def mutants(op: Operation) -> Iterator[tuple[str, int, Wrong]]:
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


@pytest.mark.parametrize(
    ("op", "mistake", "position", "wrong"),
    [
        pytest.param(op, mistake, position, wrong, id=f"{op.name}-{position}-{mistake}")
        for op in DIFFERENTIABLE
        for mistake, position, wrong in mutants(op)
    ],
)
def test_a_wrong_rule_is_rejected(op: Operation, mistake: str, position: int, wrong: Wrong) -> None:
    """A mutant may live only if its gradients are right: 1.01 · 0, or a swap in a symmetric rule."""
    mutant = changed(op, position, wrong)
    claims, check, most = (
        (second_order, check_second_order, 2)
        if mistake == "frozen"
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
        assert mistake != "shifted", "a shifted rule must differ somewhere"


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
