from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tinygrad_edu.errors import UnknownNameError
from tinygrad_edu.train import History


@pytest.fixture
def history() -> History:
    found = History()
    found.add({"loss": 0.5, "accuracy": 0.25, "lr": 0.1, "seconds": 0.01})
    found.add({"loss": 1 / 3, "accuracy": 0.75, "lr": 0.1, "seconds": 0.02})
    return found


def test_columns_are_read_by_name(history: History) -> None:
    assert len(history) == 2
    assert history["loss"] == history.losses == [0.5, 1 / 3]
    assert list(history) == history.columns() == ["loss", "accuracy", "lr", "seconds"]
    assert "accuracy" in history
    assert "validation_loss" not in history
    assert history.last()["accuracy"] == 0.75
    with pytest.raises(UnknownNameError, match=r"no column .acuracy.*accuracy"):
        history["acuracy"]
    with pytest.raises(UnknownNameError, match="no epoch has been trained"):
        History()["loss"]
    assert len(History()) == 0
    assert History().losses == []


def test_a_history_says_what_it_holds(history: History) -> None:
    assert repr(history) == "<History of 2 epochs; loss 0.3333, accuracy 0.75>"
    history.stopped = "enough"
    assert repr(history).endswith("; stopped: enough>")
    assert repr(History()) == "<History of 0 epochs>"


def test_the_table_holds_every_digit(history: History, tmp_path: Path) -> None:
    history.to_csv(tmp_path / "history.csv")
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2]
    assert [float(row["loss"]) for row in rows] == [0.5, 1 / 3]
    held = history.to_dict()
    held["loss"].append(7.0)
    assert len(history) == 2, "a copy"
