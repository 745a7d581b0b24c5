"""Schedules: their formulas, at fractions of an epoch too, and the losses a plateau waits for."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tinygrad_edu.errors import OperandError
from tinygrad_edu.optim import Schedule, cosine, plateau, step_decay, warm_up

SCHEDULES: list[Schedule] = [
    step_decay(3, 0.5),
    cosine(10, floor=0.1),
    warm_up(4, start=0.2),
    warm_up(4, cosine(6)),
    warm_up(2.5, plateau(patience=1)),
    plateau(0.5, patience=2, floor=0.2),
]
losses_of_epochs = st.lists(st.floats(-10, 10) | st.just(math.nan), max_size=30)


def test_step_decay() -> None:
    schedule = step_decay(3, 0.5)
    assert [schedule(epoch) for epoch in (0, 2, 2.99, 3, 5.5, 6)] == [1, 1, 1, 0.5, 0.5, 0.25]
    assert step_decay(10)(25) == pytest.approx(0.01)


def test_cosine() -> None:
    schedule = cosine(10, floor=0.1)
    assert schedule(0) == 1
    assert schedule(5) == pytest.approx(0.55)
    assert schedule(2.5) == pytest.approx(0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2)
    assert [schedule(epoch) for epoch in (10, 11, 1000)] == [0.1, 0.1, 0.1]
    assert cosine(10)(10) == 0


def test_warm_up() -> None:
    schedule = warm_up(4, start=0.2)
    assert [schedule(epoch) for epoch in (0, 1, 4, 9)] == pytest.approx([0.2, 0.4, 1, 1])
    assert schedule(0.5) == pytest.approx(0.3)
    assert warm_up(6)(2) == pytest.approx(1 / 3 + 2 / 9)
    followed = warm_up(4, cosine(6), start=0.2)
    assert [followed(epoch) for epoch in (2, 4, 7, 10)] == pytest.approx([0.6, 1, 0.5, 0])


def test_what_follows_a_warm_up_sees_its_own_losses_only() -> None:
    losses = [9.0, 8.0, 1.0, 1.0, 1.0]
    assert warm_up(2, plateau(patience=1))(5, losses) == pytest.approx(0.1)
    assert warm_up(3, plateau(patience=1))(5, losses) == 1
    assert warm_up(2.5, plateau(patience=1))(5.5, losses) == 1


def test_a_plateau_waits_for_patience_and_starts_anew() -> None:
    schedule = plateau(0.5, patience=2, threshold=0.1, floor=0.2)
    losses = [1.0, 0.95, 0.91, 0.92, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8]
    factors = [schedule(epoch, losses[:epoch]) for epoch in range(len(losses) + 1)]
    # 0.95, 0.91 and 0.92 are no tenth less than 1: after the third the factor falls.
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2]


def test_a_plateau_of_negative_losses() -> None:
    schedule = plateau(patience=0, threshold=0.1)
    assert schedule(2, [-1.0, -1.05]) == pytest.approx(0.1)
    assert schedule(2, [-1.0, -1.15]) == 1
    assert schedule(1, [math.nan]) == pytest.approx(0.1)


@given(losses=losses_of_epochs, later=losses_of_epochs, epoch=st.floats(0, 30))
def test_a_schedule_is_a_function_of_the_past_alone(
    losses: list[float], later: list[float], epoch: float
) -> None:
    epoch = min(epoch, len(losses))
    for schedule in SCHEDULES:
        factor = schedule(epoch, losses)
        assert 0 <= factor <= 1
        assert schedule(epoch, losses + later) == factor
        assert copy.deepcopy(schedule)(epoch, tuple(losses)) == factor


@given(losses=losses_of_epochs)
def test_a_plateau_only_ever_falls(losses: list[float]) -> None:
    schedule = plateau(0.5, patience=1, floor=0.1)
    factors = [schedule(epoch, losses) for epoch in range(len(losses) + 1)]
    assert factors[0] == 1
    assert all(before >= after >= 0.1 for before, after in itertools.pairwise(factors))
    changes = [epoch for epoch, pair in enumerate(itertools.pairwise(factors)) if len({*pair}) > 1]
    assert all(after - before >= 2 for before, after in itertools.pairwise([-1, *changes]))


def test_a_schedule_reads_as_it_was_written_and_can_be_kept() -> None:
    schedule = warm_up(5, cosine(95, floor=0.01), start=0.5)
    assert repr(schedule) == "warm_up(epochs=5, then=cosine(epochs=95, floor=0.01), start=0.5)"
    for each in SCHEDULES:
        assert pickle.loads(pickle.dumps(each)) == each
        assert hash(each) == hash(copy.deepcopy(each))


def test_a_training_with_a_schedule_by_hand() -> None:
    p = te.Value(0.0)
    optimizer = te.optim.SGD([p], lr=0.1)
    schedule = step_decay(2, 0.5)
    rates = []
    for epoch in range(5):
        optimizer.scale(schedule(epoch, ()))
        rates.append(optimizer.lr)
        optimizer.zero_grad()
        (p * 1.0).backward()
        optimizer.step()
    assert rates == [0.1, 0.1, 0.05, 0.05, 0.025]
    assert p.data == pytest.approx(-sum(rates))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: step_decay(0), "every must be a positive number, not 0"),
        (lambda: step_decay(3, 1.0), "factor must be at least 0 and below 1, not 1.0"),
        (lambda: cosine(-1), "epochs must be a positive number, not -1"),
        (lambda: cosine(10, 1.5), "floor must be at least 0 and below 1"),
        (lambda: warm_up(math.nan), "epochs must be a positive number"),
        (lambda: warm_up(5, start=-0.1), "start must be at least 0 and below 1"),
        (
            lambda: warm_up(5, cast(Any, 10)),
            r"then must be a schedule such as cosine\(95\) or None, not 10",
        ),
        (lambda: plateau(1.0), "factor must be at least 0 and below 1"),
        (lambda: plateau(patience=-1), "patience must be a number from 0 up, not -1"),
        (lambda: plateau(threshold=2.0), "threshold must be at least 0 and below 1"),
        (lambda: plateau(floor=-1.0), "floor must be at least 0 and below 1"),
    ],
)
def test_what_schedules_refuse(make: Any, message: str) -> None:
    with pytest.raises(OperandError, match=message):
        make()
