"""What a command says: plain lines in a pipe, a progress bar and tables on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, TextIO

from .tables import aligned


class Terminal:
    """Prints lines and keeps them, so that they can be saved as a transcript.

    Uses rich where it is installed and the stream is a terminal; `NO_COLOR` is respected.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stdout if stream is None else stream
        self.lines: list[str] = []
        self.console: Any = None
        if self.stream.isatty() and find_spec("rich"):
            from rich.console import Console

            self.console = Console(file=self.stream, highlight=False, markup=False, emoji=False)

    def say(self, line: str = "") -> None:
        """Print one line."""
        self.lines.append(line)
        if self.console is not None:
            self.console.print(line, soft_wrap=True)
        else:
            print(line, file=self.stream, flush=True)

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        left: Collection[int] = (),
    ) -> None:
        """Print a table, its columns aligned to the right but for those numbered in `left`."""
        plain = aligned([columns, *rows], left)
        if self.console is None:
            for line in plain:
                self.say(line)
            return
        from rich.table import Table

        table = Table(*columns, box=None, header_style="bold")
        for number, column in enumerate(table.columns):
            column.justify = "left" if number in left else "right"
        for row in rows:
            table.add_row(*row)
        self.lines.extend(plain)
        self.console.print(table)

    @contextmanager
    def progress(self, label: str, total: int, done: int = 0) -> Iterator[Callable[..., None]]:
        """A bar on a terminal, nothing in a pipe; call what it yields with the steps done.

        A text as second argument stands behind the bar from then on.
        """
        if self.console is None:
            yield lambda done, note="": None
            return
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        parts = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*parts, console=self.console, transient=True) as bar:
            task = bar.add_task(label, total=total, completed=done, note="")

            def advance(done: int, note: str = "") -> None:
                bar.update(task, completed=done, note=note)

            yield advance
