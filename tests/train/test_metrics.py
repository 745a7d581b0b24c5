from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.errors import OperandError, ShapeError

SCORES = np.array([[1.0, 3.0, 2.0], [0.0, -1.0, -2.0], [5.0, 6.0, 7.0]])


def test_accuracy_counts_rows_whose_largest_score_is_the_targets() -> None:
    assert te.train.accuracy(SCORES, np.array([1, 0, 0])) == 2 / 3
    assert te.train.accuracy(te.Value(SCORES), np.eye(3)[[1, 0, 2]]) == 1
    assert te.train.accuracy(np.stack([SCORES] * 2), np.array([[1, 0, 0], [2, 2, 2]])) == 3 / 6


def test_binary_accuracy_counts_entries_on_the_targets_side() -> None:
    target = np.array([[0.0], [1.0], [1.0], [0.0]])
    assert te.train.binary_accuracy(np.array([[0.2], [0.6], [0.4], [0.5]]), target) == 3 / 4
    logits = np.array([[-0.2], [0.1], [0.3], [0.1]])
    assert partial(te.train.binary_accuracy, threshold=0)(logits, target) == 3 / 4


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="binary_accuracy"):
        te.train.accuracy(SCORES[:, :1], np.array([1, 0, 0]))
    with pytest.raises(ShapeError, match=r"class indices of shape \(3,\), not \(2,\)"):
        te.train.accuracy(SCORES, np.array([1, 0]))
    with pytest.raises(ShapeError, match="must be equal"):
        te.train.binary_accuracy(SCORES, np.array([1, 0, 0]))


def test_logits_are_not_taken_for_probabilities_nor_classes_that_there_are_not() -> None:
    with pytest.raises(OperandError, match=r"from -1 to 3\. Of logits the threshold is 0"):
        te.train.binary_accuracy(np.array([3.0, -1.0]), np.array([1.0, 0.0]))
    with pytest.raises(OperandError, match="they are 0 to 2"):
        te.train.accuracy(SCORES, np.array([1, 0, 3]))
