"""A function run over a grid of settings, several cells at a time, and resumed where it stopped."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import StringIO
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FileError, OperandError, OtherTrainingError
from ..files import writable_folder, write_text
from ..tables import as_html, as_text
from ..terminal import Terminal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = dict[str, Any]
Run = Callable[..., Mapping[str, Any]]
FORMAT = "tinygrad_edu sweep 1"


@dataclass(frozen=True)
class Sweep:
    """The grid, and for each of its cells the settings and what `run` returned for them.

    `failed` are the cells without a result: their settings, and the `error`.
    """

    grid: dict[str, tuple[Any, ...]]
    cells: list[Cell]
    failed: list[Cell]

    def rows(self) -> list[tuple[str, ...]]:
        """The texts of the table, heading first."""
        names = list(dict.fromkeys(name for cell in self.cells for name in cell)) or [*self.grid]
        return [
            tuple(names),
            *(tuple(shown(cell.get(name, "–")) for name in names) for cell in self.cells),
        ]

    def notes(self) -> list[str]:
        """The cells that failed."""
        return [
            ", ".join(f"{name}={cell[name]}" for name in self.grid) + f": {cell['error']}"
            for cell in self.failed
        ]

    def title(self) -> str:
        """How many cells have a result."""
        count, total = len(self.cells), len(self.cells) + len(self.failed)
        return f"Sweep of {total} cells" + (f", {total - count} of them failed" * (count < total))

    def table(self) -> str:
        """A row for each cell."""
        return as_text(self.title(), self.rows(), self.notes())

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return as_html(self.title(), self.rows(), self.notes())

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one row for each cell; the file is whole or absent."""
        write_text(path, "".join(",".join(map(quoted, row)) + "\n" for row in self.rows()))

    def plot(self, lang: str = "en") -> Figure:
        """The grid: the colour of a cell is its `ratio`, its mark whether it has learnt."""
        from ..draw.gradients import grid  # matplotlib takes its time to import

        return grid(self.cells, keys=tuple(self.grid), lang=lang)


def sweep(
    run: Run,
    grid: Mapping[str, Sequence[Any]],
    *,
    executor: Executor | None = None,
    path: str | os.PathLike[str] | None = None,
    progress: bool | Terminal = True,
) -> Sweep:
    """Call `run(**settings)` for every combination of settings in `grid`, and collect the results.

    `run` returns a dict of numbers and texts. It runs in as many processes as there are
    processors, so it must be importable (no lambda), or in the `executor` that is given, of
    `concurrent.futures` or like it. A cell that raises is listed as failed, and so is one whose
    process dies; the others go on. `path` is a JSON file that holds the finished cells after each
    of them: a sweep that was broken off goes on from it, and cells that failed are tried again.

    Raises `OperandError` for an empty grid, `OtherTrainingError` where `path` holds another sweep.
    """
    if not grid or not all(len(values) for values in grid.values()):
        raise OperandError("the grid has no cells; give each setting a list of at least one value")
    settings = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    store = Store(path, name_of(run))
    terminal = progress
    if not isinstance(terminal, Terminal):
        terminal = Terminal(sys.stderr if progress else StringIO())
    found = {key(each): store.cells[key(each)] for each in settings if key(each) in store.cells}
    todo = [each for each in settings if key(each) not in found]
    errors: dict[str, str] = {}
    with terminal.progress("cells", len(settings), len(found)) as advance:
        for each, result in finished(run, todo, executor):
            if isinstance(result, Exception):
                errors[key(each)] = f"{type(result).__name__}: {result}"
            elif not isinstance(result, Mapping):
                raise OperandError(
                    "the function of a sweep returns a dict of numbers and texts, such as "
                    f'{{"ratio": 0.1, "learnt": True}}, not {result!r:.60}'
                )
            else:
                found[key(each)] = each | dict(result)
                store.add(key(each), found[key(each)])
            advance(len(found) + len(errors), " ".join(map(str, each.values())))
    return Sweep(
        {name: tuple(values) for name, values in grid.items()},
        [found[key(each)] for each in settings if key(each) in found],
        [each | {"error": errors[key(each)]} for each in settings if key(each) in errors],
    )


def finished(
    run: Run, todo: Sequence[Cell], executor: Executor | None
) -> Iterator[tuple[Cell, Mapping[str, Any] | Exception]]:
    """Each cell with its result or error, as they come in.

    Where a process has died, all that were waiting are run again in new ones; where no cell comes
    through any more, one at a time, so that the cell is found that kills its process.
    """
    waiting = list(todo)
    alone = False
    while waiting:
        died, before = False, len(waiting)
        with pool(executor, 1 if alone else None) as workers:
            futures: dict[Future[Mapping[str, Any]], Cell] = {}
            for each in waiting[:1] if alone else waiting:
                try:
                    futures[workers.submit(run, **each)] = each
                except BrokenProcessPool:
                    break
            for future in as_completed(futures):
                each, error = futures[future], future.exception()
                if isinstance(error, BrokenProcessPool):
                    died = True
                    if not alone:
                        continue
                elif error is not None and not isinstance(error, Exception):
                    raise error
                waiting.remove(each)
                yield each, future.result() if error is None else error
        executor = None  # what is left was in a pool that has broken
        alone = not died if alone else len(waiting) == before


@contextmanager
def pool(executor: Executor | None, count: int | None) -> Iterator[Executor]:
    """The executor that is given, which stays open, or processes of our own."""
    if executor is not None:
        yield executor
        return
    workers = ProcessPoolExecutor(count or os.cpu_count(), initializer=worker)
    try:
        yield workers
    finally:
        workers.shutdown(cancel_futures=True)


def worker() -> None:
    """Prepare a process: what overflows is said by its numbers, and Ctrl-C ends it in silence."""
    np.seterr(all="ignore")
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Store:
    """The finished cells of a sweep in a file, if it has one."""

    def __init__(self, path: str | os.PathLike[str] | None, run: str) -> None:
        self.path = None if path is None else Path(path)
        self.run = run
        self.cells: dict[str, Cell] = {}
        if self.path is None:
            return
        writable_folder(self.path.parent)
        if not self.path.exists():
            return
        try:
            held = json.loads(self.path.read_text(encoding="utf-8"))
            made_by, cells = held["run"], dict(held["cells"])
            known = held["format"] == FORMAT
        except (ValueError, KeyError, TypeError) as error:
            raise FileError(
                f"{self.path} holds no sweep ({error}); give another path, or remove it"
            ) from None
        if not known or made_by != run:
            raise OtherTrainingError(
                f"{self.path} holds a sweep of {made_by}, not of {run}; give another path, or "
                "remove it",
                ["run"],
                len(cells),
            )
        self.cells = cells

    def add(self, name: str, cell: Cell) -> None:
        """Keep one more cell; the file is whole at any time."""
        self.cells[name] = cell
        if self.path is not None:
            held = {"format": FORMAT, "run": self.run, "cells": self.cells}
            text = json.dumps(held, ensure_ascii=False, indent=1, default=lambda each: each.item())
            write_text(self.path, text + "\n")


def key(settings: Cell) -> str:
    """The settings of a cell as a text. Raises `OperandError` for what JSON cannot hold."""
    try:
        return json.dumps(settings, ensure_ascii=False)
    except TypeError as error:
        raise OperandError(
            f"the settings of a sweep are numbers and texts, not {settings!r:.80}: {error}"
        ) from None


def name_of(run: Any) -> str:
    """A function as a text that is the same in every process, with what a partial binds."""
    if isinstance(run, partial):
        bound = ", ".join(
            [*map(repr, run.args), *(f"{name}={value!r}" for name, value in run.keywords.items())]
        )
        return f"{name_of(run.func)}({bound})"
    return f"{getattr(run, '__module__', '')}.{getattr(run, '__qualname__', repr(run))}"


def shown(value: Any) -> str:
    """A number or text of a cell."""
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.3g}"
    return str(value)


def quoted(text: str) -> str:
    """A cell of a CSV file."""
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n') else text
