"""What the activations are timed against must be right too, and what is wrong must not be timed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from benchmarks import activation_speed
from benchmarks.activation_formulas import BY_HAND
from benchmarks.activation_speed import HAND, OURS, Side, in_turn, make_sides, page, verify
from benchmarks.measure import DifferentResultError
from benchmarks.works import Array

each_name = pytest.mark.parametrize("name", BY_HAND)
STEP = 1e-6


@pytest.fixture(autouse=True)
def few_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation_speed, "SHAPE", (30, 40))


def test_every_activation_is_timed_but_the_one_that_does_nothing() -> None:
    assert set(BY_HAND) == set(te.ACTIVATIONS) - {"linear"}


@each_name
def test_by_hand_is_the_definition(name: str) -> None:
    definition = te.ACTIVATIONS[name].definition or np.arctan
    x = te.Value(np.random.default_rng(0).normal(0, 3, (7, 8)))
    parameters = [
        te.ACTIVATIONS[name].defaults[each] for each in te.ACTIVATIONS[name].arguments[1:]
    ]
    wanted: Any = definition(x, *parameters)
    np.testing.assert_allclose(BY_HAND[name].forward(x.data), wanted.data, rtol=1e-9, atol=1e-12)


@each_name
def test_the_gradient_by_hand_is_the_slope(name: str) -> None:
    """Along a random direction, by central differences; of the step it is a stand-in."""
    rng = np.random.default_rng(1)
    x, direction = rng.normal(0, 3, (2, 7, 8))
    y = BY_HAND[name].forward(x)
    g = rng.normal(size=y.shape)
    gradient = BY_HAND[name].backward(g, x, y)
    if name == "step":
        np.testing.assert_array_equal(gradient, g)
        return
    above, below = (BY_HAND[name].forward(x + sign * STEP * direction) for sign in (1, -1))
    slope = np.sum(g * (above - below)) / (2 * STEP)
    assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-6)


@each_name
def test_ours_is_what_is_written_by_hand(name: str) -> None:
    sides = make_sides(name, (OURS, HAND))
    verify(name, sides[OURS], sides[HAND])


class Off:
    """Another program whose value or gradient is a little off, or of another kind."""

    def __init__(self, right: Side, change: Any, part: int) -> None:
        self.right, self.change, self.part = right, change, part

    def forward(self, i: int) -> Any:
        return self.right.forward(i)

    def both(self, i: int) -> tuple[Any, Any]:
        found = list(self.right.both(i))
        found[self.part] = self.change(found[self.part])
        return found[0], found[1]


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize(
    "change",
    [
        lambda a: a * np.float32(1.0001),
        lambda a: a.astype(np.float64),
        lambda a: a[:-1],
        lambda a: np.where(a == a.max(), np.nan, a).astype(np.float32),
    ],
)
def test_verification_rejects_what_is_off(change: Any, part: int) -> None:
    sides = make_sides("mish", (OURS, HAND))
    with pytest.raises(DifferentResultError, match="mish: the"):
        verify("mish", Off(sides[OURS], change, part), sides[HAND])


def test_the_ratio_is_that_of_the_times(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def program(duration: float) -> Any:
        def run(i: int) -> None:
            clock[0] += duration

        return run

    monkeypatch.setattr(activation_speed, "perf_counter", lambda: clock[0])
    assert in_turn([program(3.0), program(1.0), program(6.0)]) == pytest.approx([3.0, 0.5])


def test_the_page_has_a_row_for_each_activation() -> None:
    columns = ["activation", "forward ÷ hand", "both ÷ hand"]
    text = page([["relu", "1.00", "0.90"], ["mish", "0.80", "0.70"]], columns, "NumPy 2.0.0")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert table[0] == "| activation | forward ÷ hand | both ÷ hand |"
    assert table[2:] == ["| relu | 1.00 | 0.90 |", "| mish | 0.80 | 0.70 |"]
    assert all(len(row.split("|")) == 5 for row in table)
    assert "NumPy 2.0.0" in text
    assert "python -m benchmarks.activation_speed --write docs/activation_speed.md" in text


@pytest.mark.thorough
def test_the_command_writes_the_page(tmp_path: Path) -> None:
    path = tmp_path / "speed.md"
    command = [sys.executable, "-m", "benchmarks.activation_speed", "--only", "relu"]
    options = ["--no-peers", "--repeats", "1", "--write", str(path)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    row = path.read_text(encoding="utf-8").splitlines()[-1].strip("| ").split(" | ")
    assert "  ".join(row) in done.stdout
    assert row[0] == "relu"
    assert all(0.01 < float(ratio) < 100 for ratio in row[1:])


def test_the_inputs_cannot_be_changed_by_a_program() -> None:
    arrays: list[Array] = activation_speed.normal_numbers(0, (3, 4))
    with pytest.raises(ValueError, match="read-only"):
        arrays[0][0, 0] = 1
