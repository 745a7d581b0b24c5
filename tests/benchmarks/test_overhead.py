"""Operations are only compared where all sides compute the same, and what the formula says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from benchmarks.measure import DifferentResultError
from benchmarks.overhead import (
    OURS,
    POINTS,
    PROGRAMS,
    SIDES,
    Leaves,
    in_turn,
    ratios,
    true_result,
    verify,
)
from tests.finite_differences import derivative


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("label", PROGRAMS)
def test_closed_forms_have_the_programs_values_and_slopes(
    label: str, point: tuple[float, float]
) -> None:
    def program(x: float, w: float) -> Any:
        return PROGRAMS[label](x, w, np.tanh)

    x, w = point
    value, *slopes = true_result(label, x, w)
    assert program(x, w) == pytest.approx(value, rel=1e-12)
    seen = (
        derivative(lambda x: program(x, w), x, 1e-2),
        derivative(lambda w: program(x, w), w, 1e-4),
    )
    for slope, estimate in zip(slopes, seen, strict=True):
        assert estimate.value == pytest.approx(slope, abs=float(estimate.error) + 1e-12)


@pytest.mark.parametrize("label", PROGRAMS)
def test_ours_computes_the_same_and_cheats_are_found(label: str) -> None:
    verify(label, OURS, SIDES[OURS]())

    class Lazy(Leaves):
        def both(self, program: Callable[..., Any], i: int) -> tuple[Any, Any, Any]:
            value, x, w = super().both(program, 0)
            return value, x, w

    with pytest.raises(DifferentResultError, match="lazy"):
        verify(label, "lazy", Lazy(te.Value, np.tanh))


def test_ratios_are_medians_of_neighbours() -> None:
    times = {OURS: [1.0, 2.0, 30.0], "other": [2.0, 4.0, 10.0]}
    assert ratios(times) == {"other": 0.5}
    calls: list[int] = []
    found = in_turn({OURS: calls.append, "other": lambda i: None}, rounds=2)
    assert set(calls) == set(range(len(POINTS)))
    assert all(len(each) == 2 and min(each) > 0 for each in found.values())
