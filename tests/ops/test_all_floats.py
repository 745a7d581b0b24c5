"""Every element-wise record at any float64 numbers: subnormal, huge, beside its kinks and ends."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ops.judges import judge_orders, judge_slopes
from tests.ops.user_records import ELEMENTWISE
from tinygrad_edu.check.samples import corners, interval, option_sets
from tinygrad_edu.engine.operation import Operation

FEW = settings(max_examples=max(5, settings().max_examples // 3))
ANY = st.floats(allow_nan=False, allow_infinity=False)


def places(op: Operation, position: int) -> list[float]:
    """Where an argument's rule is most likely to be wrong, and the floats beside."""
    at = {0.0, -0.0, 1.0, 5e-324, *interval(op, position)}
    at |= {extreme[position] for extreme in op.extremes if len(extreme) > position}
    at |= {*corners(op)} if position == 0 else set()
    finite = [x for x in at if math.isfinite(x)]
    beside = [math.nextafter(x, side) for x in finite for side in (-math.inf, math.inf)]
    return [x for x in [*finite, *beside] if math.isfinite(x)]


@st.composite
def points(draw: st.DrawFn, op: Operation) -> Any:
    """Up to five points, (arguments, points)."""
    each = [
        st.one_of(ANY, st.floats(-40, 40), st.sampled_from(places(op, position)))
        for position in range(len(op.arguments))
    ]
    drawn = np.array(draw(st.lists(st.tuples(*each), min_size=1, max_size=5))).T
    if len(each) > 1 and draw(st.booleans()):
        drawn[1, 0] = drawn[0, 0]  # a tie
    return drawn


elementwise_records = pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)


@elementwise_records
@given(data=st.data())
def test_value_and_slopes_are_true_at_any_floats(op: Operation, data: st.DataObject) -> None:
    judge_slopes(op, data.draw(st.sampled_from(option_sets(op))), data.draw(points(op)))


@elementwise_records
@FEW
@given(data=st.data())
def test_second_and_third_derivatives_are_true_at_any_floats(
    op: Operation, data: st.DataObject
) -> None:
    judge_orders(op, data.draw(st.sampled_from(option_sets(op))), data.draw(points(op)))
