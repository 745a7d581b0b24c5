"""The whole command ``tinygrad-edu xor`` against the same work with the training by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.measure import DifferentResultError
from benchmarks.works import XOR_EPOCHS

PICTURES = {".png", ".svg"}


def _run(*module_and_arguments: str) -> float:
    """Seconds that a fresh process takes."""
    start = perf_counter()
    process = subprocess.run(
        [sys.executable, "-m", *module_and_arguments], capture_output=True, text=True, check=False
    )
    seconds = perf_counter() - start
    if process.returncode:
        raise DifferentResultError(
            f"{module_and_arguments[0]} ended with {process.returncode}: {process.stderr[-300:]}"
        )
    return seconds


def _pictures(out: Path) -> int:
    return sum(path.suffix in PICTURES and path.stat().st_size > 0 for path in out.iterdir())


def command_ratio(pairs: int) -> tuple[float, float]:
    """Run both in turn, each into an empty folder.

    Returns the median ratio (command / hand) and the median seconds by hand.
    Raises DifferentResultError where one fails, or the command draws fewer pictures or records
    fewer epochs.
    """
    times: list[tuple[float, float]] = []
    for _ in range(pairs):
        with TemporaryDirectory() as folder:
            by_hand, command = Path(folder, "hand"), Path(folder, "command")
            times.append(
                (
                    _run("benchmarks.xor_by_hand", str(by_hand)),
                    _run("tinygrad_edu", "xor", "--out", str(command)),
                )
            )
            if _pictures(command) < _pictures(by_hand):
                raise DifferentResultError("the command draws fewer pictures than by hand")
            epochs = (command / "gradients.csv").read_bytes().count(b"\n") - 1
            if epochs < XOR_EPOCHS:
                raise DifferentResultError(f"the command records {epochs} of {XOR_EPOCHS} epochs")
    return median(b / a for a, b in times), median(a for a, _ in times)
