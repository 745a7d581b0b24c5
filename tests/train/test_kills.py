"""A training that is killed at random moments and resumed ends as one that never was."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.train import killed
from tinygrad_edu.train import storage

EPOCHS = 120
SCRIPT = Path(killed.__file__)
ROOT = SCRIPT.parents[2]


def started(checkpoint: Path, weights: Path) -> subprocess.Popen[bytes]:
    """The training in a process of its own, at the first line of its work."""
    command = [sys.executable, str(SCRIPT), str(checkpoint), str(weights), str(EPOCHS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begin\n"
    return process


@pytest.mark.parametrize(
    "suffix", [".npz", pytest.param(".safetensors", marks=pytest.mark.thorough)]
)
@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.thorough)])
def test_killed_at_random_moments_and_resumed(tmp_path: Path, kills: int, suffix: str) -> None:
    whole = killed.model()
    killed.train(whole, EPOCHS, None, resume=False)

    checkpoint, weights = tmp_path / f"checkpoint{suffix}", tmp_path / "weights.npz"
    moments = random.Random(kills)
    epochs = [0]
    for _ in range(kills):
        process = started(checkpoint, weights)
        time.sleep(moments.uniform(0, 0.15))
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        if checkpoint.exists():
            epochs.append(len(storage.read(checkpoint)["history"]["columns"]["loss"]))
    assert epochs == sorted(epochs), "no epoch is lost"
    assert epochs[-1] > 0, "some kills came after a checkpoint"
    with started(checkpoint, weights) as process:
        assert process.wait() == 0

    with np.load(weights) as held:
        assert set(held) - {storage.PLAN} == set(whole.state_dict())
        for name, array in whole.state_dict().items():
            assert held[name].tobytes() == array.tobytes(), name
    assert sorted(each.name for each in tmp_path.iterdir()) == [checkpoint.name, weights.name], (
        "what a kill left half written is swept away"
    )
