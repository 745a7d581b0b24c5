"""The whole command ``tinygrad-edu xor`` against the same work with the training by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from benchmarks.measure import DifferentResultError
from benchmarks.works import XOR_EPOCHS

# Losses are written with ten digits, and rounding grows a little in 10,000 epochs.
RTOL = 1e-6


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


def _compare(by_hand: Path, command: Path) -> None:
    """Every loss of both networks, and the names of the pictures."""
    expected, losses = (
        np.loadtxt(out / "losses.csv", delimiter=",", skiprows=1) for out in (by_hand, command)
    )
    if losses.shape != (XOR_EPOCHS, 3):
        raise DifferentResultError(f"the command's losses have shape {losses.shape}")
    error = np.abs(losses[:, 1:] / expected[:, 1:] - 1).max()
    if not error <= RTOL:
        raise DifferentResultError(f"the command's losses are off by {error:.1e}")
    for picture in by_hand.iterdir():
        drawn = command / picture.name
        if not drawn.exists() or not drawn.stat().st_size:
            raise DifferentResultError(f"the command does not leave {picture.name}")


def command_ratio(pairs: int) -> tuple[float, float]:
    """Run both in turn, each into an empty folder, and compare what they leave.

    Returns the median ratio (command / hand) and the median seconds by hand.
    Raises DifferentResultError where one fails or the results differ.
    """
    times: list[tuple[float, float]] = []
    for _ in range(pairs):
        with TemporaryDirectory() as folder:
            by_hand, command = Path(folder, "hand"), Path(folder, "command")
            hand_seconds = _run("benchmarks.xor_by_hand", str(by_hand))
            command_seconds = _run("tinygrad_edu", "xor", "--out", str(command))
            _compare(by_hand, command)
            times.append((hand_seconds, command_seconds))
    return median(b / a for a, b in times), median(a for a, _ in times)
