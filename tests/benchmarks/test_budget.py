"""The budget's parts are positive and make up the whole, and no row is missing."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te
from benchmarks.budget import PARTS, STEP, calls_of, in_turn, operations, rows, split, table

TIMES = {
    "NumPy": 2e-6,
    "allocation": 1e-6,
    "rule": 4e-6,
    "start": 0.5e-6,
    "forward": 8e-6,
    "backward": 10e-6,
    "step": 3e-6,
    "whole": 24e-6,
}


def test_parts_are_what_wholes_have_beyond_each_other() -> None:
    row = split("work", TIMES, bare=4e-6)
    expected = [2000, 1000, 5000, 4000, 500, 5500, 3000, 3000]
    assert list(row.parts) == list(PARTS)
    assert list(row.parts.values()) == pytest.approx(expected)
    assert row.whole == pytest.approx(24_000)
    assert "24,000 (6.0)" in table([row])


def test_noise_makes_no_part_negative() -> None:
    row = split("work", TIMES | {"forward": 1e-6, "backward": 1e-6, "whole": 0.0}, bare=1e-6)
    assert [row.parts[each] for each in ("dispatch", "sweep", "together")] == [0, 0, 0]
    assert row.whole == sum(row.parts.values())


def test_calls_of_a_name_are_added_up() -> None:
    counts = [0, 0]

    def call(place: int) -> None:
        counts[place] += 1

    found = in_turn({"both": [lambda: call(0), lambda: call(1)], "none": []}, 2)
    assert counts[0] == counts[1] > 0
    assert found["both"] > 0
    assert found["none"] == 0


def test_what_is_timed_is_what_the_graph_computes() -> None:
    a, w = te.Value(np.arange(6.0).reshape(2, 3)), te.Value(np.eye(3)[:, :2])
    calls = calls_of(lambda: np.tanh(a @ w))
    forwards = [call() for call in calls["NumPy"]]
    np.testing.assert_array_equal(forwards[1], a.data @ w.data)
    slope = 1 - np.tanh(a.data @ w.data) ** 2
    by_tanh, by_a, by_w = [call() for call in calls["rule"]]
    np.testing.assert_allclose(by_tanh, slope, rtol=1e-9)
    np.testing.assert_allclose(by_a, slope @ w.data.T, rtol=1e-9)
    np.testing.assert_allclose(by_w, a.data.T @ slope, rtol=1e-9)
    assert len(calls["allocation"]) == 2
    for name in ("backward", "whole"):
        (call,) = calls[name]
        for _ in range(2):  # each time anew
            call()
            np.testing.assert_allclose(a.grad, slope @ w.data.T, rtol=1e-9)


def test_every_operation_and_the_step_have_a_row() -> None:
    found = rows(repeats=1)
    assert [row.name for row in found] == [*operations(), STEP]
    text = table(found).splitlines()
    assert text[0].split() == [*PARTS, "whole"]
    assert len(text) == 1 + len(found) + 1 + len(PARTS)
    for row in found:
        assert row.bare > 0
        assert row.parts["NumPy"] > 0
        assert min(row.parts.values()) >= 0
        assert (row.parts["update"] > 0) is (row.name == STEP)
