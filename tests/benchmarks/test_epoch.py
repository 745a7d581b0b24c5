"""The loop by hand and `te.train.fit` are one training, in every step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import epoch
from benchmarks.works import initial_parameters


def test_both_sides_train_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(epoch.WORK, sizes=(20, 16, 12, 10), batch_size=32, dtype=np.float64)
    monkeypatch.setattr(epoch, "WORK", small)
    monkeypatch.setattr(epoch, "ROWS", 500)
    x, y = epoch.data()
    parameters = initial_parameters(small)
    kept = [parameter.copy() for parameter in parameters]
    loss = epoch.by_hand(x, y, parameters)
    assert epoch.ours(x, y, parameters) == pytest.approx(loss, rel=1e-12)
    assert abs(loss - epoch.by_hand(x, y, [0.5 * each for each in kept])) > 0.01
    assert all(map(np.array_equal, parameters, kept))
