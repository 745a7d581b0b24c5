"""The folder of a run: nothing of an earlier one goes before this one has something of its own."""

from __future__ import annotations

from pathlib import Path

from ..files import writable_folder
from .pages import PICTURES

TRANSCRIPT = "transcript.txt"
OUTPUTS = (
    *("report.html", "history.csv", "weights.npz", "graph.dot", "graph.svg"),
    *(f"{name}.png" for name in sorted({each for kind in PICTURES.values() for each in kind})),
)


class Folder:
    """Where a run leaves its files. Raises `OSError` where none can be written.

    `begun` says whether the run has something of its own, a checkpoint at least. What an earlier
    run has left is removed then: it would be taken for this one's.
    """

    def __init__(self, path: Path, resume: bool) -> None:
        self.path = writable_folder(path)
        self.checkpoint = self.path / "checkpoint.npz"
        self.begun = False
        self._before = self._stamp()
        self.resumed = resume and self._before is not None

    def look(self) -> None:
        """Begin, if the checkpoint has been written since."""
        if not self.begun and self._stamp() != self._before:
            self.begin()

    def begin(self) -> None:
        """Remove what an earlier run has left but for the checkpoint, which is replaced whole."""
        self.begun = True
        for name in OUTPUTS:
            (self.path / name).unlink(missing_ok=True)

    @property
    def keeps_earlier(self) -> bool:
        """Whether there are results of an earlier run, and none of this one."""
        left = self._before is not None or any((self.path / name).exists() for name in OUTPUTS)
        return left and not self.begun

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self.checkpoint.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino
