"""Data sets are what their names say."""

from __future__ import annotations

import numpy as np

import tinygrad_edu as te


def test_xor_is_true_where_exactly_one_input_is() -> None:
    x, y = te.data.xor()
    assert x.shape == (4, 2)
    assert y.shape == (4, 1)
    assert x.dtype == y.dtype == np.float64
    assert [(int(a) ^ int(b), t) for (a, b), t in zip(x, y[:, 0], strict=True)] == [
        (0, 0.0),
        (1, 1.0),
        (1, 1.0),
        (0, 0.0),
    ]
    assert sorted(map(tuple, x)) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_each_call_gives_arrays_of_its_own() -> None:
    x, y = te.data.xor()
    x[:], y[:] = 7, 7
    again, targets = te.data.xor()
    assert again.max() == targets.max() == 1
