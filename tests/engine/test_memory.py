"""What a graph costs, and that nothing of it stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from benchmarks.memory import (
    GRAPHS,
    MOST_BYTES,
    SLACK,
    STEPS,
    Library,
    mixed,
    peaks,
    size,
    tinygrad_edu,
    training,
)
from tests.shares import one_in


@pytest.mark.parametrize("kind", one_in(3, GRAPHS))
def test_a_node_takes_at_most_400_bytes_beyond_its_array(kind: str) -> None:
    found = size(tinygrad_edu(), GRAPHS[kind], operations=2000)
    assert found.nodes > 1800
    assert 100 < found.bytes_a_node <= MOST_BYTES


@pytest.mark.thorough
def test_gradients_of_numbers_fit_in_too() -> None:
    recorded = size(tinygrad_edu(), mixed, operations=2000)
    swept = size(tinygrad_edu(), mixed, operations=2000, backward=True)
    assert recorded.bytes_a_node < swept.bytes_a_node <= MOST_BYTES


def test_arrays_are_not_counted_but_what_a_graph_keeps_of_them_is() -> None:
    def large(library: Library, operations: int) -> Any:
        value = library.leaf(np.ones(1000))
        for _ in range(operations):
            value = value + 1.0
        return value

    def with_copies(library: Library, operations: int) -> Any:
        value = library.leaf(np.ones(1000))
        for _ in range(operations):
            value = value + np.ones(1000)
        return value

    assert size(tinygrad_edu(), large, operations=200).bytes_a_node <= MOST_BYTES
    assert size(tinygrad_edu(), with_copies, operations=200).bytes_a_node > 8000


@pytest.mark.parametrize("steps", [400, pytest.param(STEPS, marks=pytest.mark.thorough)])
@pytest.mark.parametrize(
    "collector",
    [True, pytest.param(False, marks=pytest.mark.thorough)],
    ids=["collector", "no collector"],
)
@pytest.mark.parametrize("numbers", [False, True], ids=["network", "numbers"])
def test_the_peak_of_a_training_step_stays_flat(numbers: bool, collector: bool, steps: int) -> None:
    first, later = peaks(training(numbers), steps, collector)
    assert first > 1000
    assert later <= first + SLACK


def test_the_measurement_sees_what_stays() -> None:
    kept: list[te.Value] = []
    first, later = peaks(lambda: kept.append(te.Value(1.0)), 300)
    assert later > first + SLACK

    def cycle() -> None:
        node: list[Any] = [te.Value(1.0)]
        node.append(node)

    first, later = peaks(cycle, 300, collector=False)
    assert later > first + SLACK


def test_attributes_of_a_node_are_read_the_fast_way() -> None:
    # With either of them CPython reads every attribute through a slower path: 30 % of all time.
    for kind in te.Value.__mro__[:-1]:
        assert "__getattr__" not in vars(kind)
        assert "__getattribute__" not in vars(kind)
    assert not hasattr(te.Value(1.0), "__dict__")
