"""What a training measured, epoch by epoch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import UnknownNameError, closest
from ..files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class History:
    """One number for each epoch in each column.

    The columns are `loss` (the mean over the rows as they were trained on), a metric each under
    its name, the same with `validation_` before it (after the epoch), `lr`, the learning rate of
    the first parameter group at the epoch's end, and `seconds`. `stopped` says why training ended
    before its last epoch, and is empty where it did not.
    """

    def __init__(
        self, columns: Mapping[str, Sequence[float]] | None = None, stopped: str = ""
    ) -> None:
        self._columns = {name: list(numbers) for name, numbers in (columns or {}).items()}
        self.stopped = stopped

    def add(self, row: Mapping[str, float]) -> None:
        """Take down the numbers of one more epoch."""
        for name, number in row.items():
            self._columns.setdefault(name, []).append(number)

    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._columns)

    def __getitem__(self, name: str) -> list[float]:
        if name not in self._columns:
            raise UnknownNameError(
                f"no column {name!r} in this history; there is {closest(name, self._columns)}"
                if self._columns
                else f"no column {name!r}: no epoch has been trained"
            )
        return self._columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        """The number of epochs."""
        return len(next(iter(self._columns.values()), ()))

    @property
    def losses(self) -> list[float]:
        """The training loss of each epoch."""
        return self._columns.get("loss", [])

    def last(self) -> dict[str, float]:
        """The numbers of the last epoch."""
        return {name: numbers[-1] for name, numbers in self._columns.items()}

    def __repr__(self) -> str:
        count = len(self)
        epochs = f"{count} epoch{'' if count == 1 else 's'}"
        shown = [f"{name} {self[name][-1]:.4g}" for name in self if name not in ("lr", "seconds")]
        why = [f"stopped: {self.stopped}"] if self.stopped else []
        return f"<History of {'; '.join([epochs, *([', '.join(shown)] if shown else []), *why])}>"

    def to_dict(self) -> dict[str, list[float]]:
        """A list for each column."""
        return {name: list(numbers) for name, numbers in self._columns.items()}

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one row for each epoch, counted from 1; the file is whole or absent."""
        lines = [",".join(["epoch", *self._columns])]
        rows = zip(*self._columns.values(), strict=True)
        lines += [",".join([str(n), *map(repr, row)]) for n, row in enumerate(rows, 1)]
        write_text(path, "\n".join(lines) + "\n")

    def plot(self, lang: str = "en") -> Figure:
        """The losses, and the metrics below, in English ("en") or Japanese ("ja")."""
        from ..draw.training import training  # matplotlib takes its time to import

        return training(self, lang=lang)
