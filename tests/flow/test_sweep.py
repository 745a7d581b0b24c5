"""A sweep finishes every cell that can be finished, whatever happens to the others."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.errors import FileError, OperandError, OtherTrainingError
from tinygrad_edu.flow.sweep import sweep

GRID: dict[str, list[Any]] = {"depth": [2, 5, 9], "activation": ["relu", "tanh"]}


def result(depth: int, activation: str, scale: float = 1.0) -> dict[str, Any]:
    return {"ratio": np.float64(scale / depth), "learnt": np.bool_(activation == "relu")}


def deadly(depth: int, activation: str) -> dict[str, Any]:
    if depth == 5 and activation == "tanh":
        os.kill(os.getpid(), signal.SIGKILL)
    return result(depth, activation)


def counted(depth: int, activation: str, folder: str) -> dict[str, Any]:
    (Path(folder) / f"{depth} {activation} {time.monotonic_ns()}").touch()
    if depth == 9:
        raise ValueError("too deep")
    return result(depth, activation)


def whole(cells: list[dict[str, Any]], grid: Any = None) -> None:
    assert cells == [
        {"depth": depth, "activation": name, **result(depth, name)}
        for depth, name in product(*(grid or GRID).values())
    ]


def test_every_cell_is_run_in_the_order_of_the_grid() -> None:
    found = sweep(result, GRID, progress=False)
    whole(found.cells)
    assert not found.failed


def test_any_executor_will_do_and_stays_open() -> None:
    with ThreadPoolExecutor(2) as threads:
        whole(sweep(result, GRID, executor=threads, progress=False).cells)
        assert threads.submit(int, "7").result() == 7


@pytest.mark.parametrize("given", [False, True])
def test_a_killed_worker_costs_its_own_cell_alone(given: bool) -> None:
    executor = ProcessPoolExecutor(2) if given else None
    found = sweep(deadly, GRID, executor=executor, progress=False)
    assert [(cell["depth"], cell["activation"]) for cell in found.failed] == [(5, "tanh")]
    assert "BrokenProcessPool" in found.failed[0]["error"]
    assert len(found.cells) == 5


def test_a_cell_that_raises_is_listed_and_tried_again_later(tmp_path: Path) -> None:
    run, path = partial(counted, folder=str(tmp_path)), tmp_path / "out" / "sweep.json"
    for times in (1, 2):
        found = sweep(run, GRID, path=path, progress=False)
        assert [cell["error"] for cell in found.failed] == ["ValueError: too deep"] * 2
        assert len(found.cells) == 4
        assert len(list(tmp_path.glob("9 relu *"))) == times
        assert len(list(tmp_path.glob("2 relu *"))) == 1  # what is done is not done again


def test_a_sweep_goes_on_where_its_process_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "sweep.json"
    slowly = (
        "import sys, time; sys.path.insert(0, '.')\n"
        "from tests.flow import test_sweep as here\n"
        "class Slow:\n"
        "    def submit(self, run, **each):\n"
        "        from concurrent.futures import Future\n"
        "        time.sleep(0.05); done = Future(); done.set_result(run(**each)); return done\n"
        "from concurrent.futures import Executor\n"
        "class Serial(Slow, Executor): pass\n"
        f"here.sweep(here.result, here.GRID, executor=Serial(), path={str(path)!r}, "
        "progress=False)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", slowly])
    deadline = time.monotonic() + 60
    while not path.exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    child.kill()
    child.wait()
    assert json.loads(path.read_text())["cells"]  # whole, whenever it was killed
    whole(sweep(result, GRID, path=path, progress=False).cells)


def test_a_grid_may_grow(tmp_path: Path) -> None:
    path = tmp_path / "sweep.json"
    sweep(result, GRID, path=path, progress=False)
    larger = {**GRID, "depth": [2, 5, 9, 20]}
    whole(sweep(result, larger, path=path, progress=False).cells, larger)


def test_the_file_of_another_sweep_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "sweep.json"
    sweep(result, GRID, path=path, progress=False)
    before = path.read_bytes()
    with pytest.raises(OtherTrainingError, match="remove it"):
        sweep(partial(result, scale=2.0), GRID, path=path, progress=False)
    assert path.read_bytes() == before
    path.write_text("{}")
    with pytest.raises(FileError, match="no sweep"):
        sweep(result, GRID, path=path, progress=False)


def test_what_a_sweep_refuses() -> None:
    with pytest.raises(OperandError, match="no cells"):
        sweep(result, {}, progress=False)
    with pytest.raises(OperandError, match="no cells"):
        sweep(result, {"depth": []}, progress=False)
    with pytest.raises(OperandError, match="numbers and texts"):
        sweep(result, {"depth": [object()]}, progress=False)


def test_the_table_and_the_file_hold_every_cell(tmp_path: Path) -> None:
    found = sweep(result, GRID, progress=False)
    assert found.table().count("relu") == 3
    assert found._repr_html_().count("<tr>") == 7
    found.to_csv(tmp_path / "sweep.csv")
    with (tmp_path / "sweep.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["depth", "activation", "ratio", "learnt"]
    assert [row[:2] for row in rows] == [[str(d), a] for d, a in product(*GRID.values())]
