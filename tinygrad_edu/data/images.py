"""Handwritten digits, as scikit-learn brings them."""

from __future__ import annotations

from .batching import split
from .checks import Array, Seed


def digits(
    test_share: float = 0.2, seed: Seed = 0
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """The 1,797 handwritten digits of 8 × 8 grey levels: `(x, y), (x_test, y_test)`.

    `x` has shape (count, 64), rows of the image one after the other, from 0 (paper) to 1 (ink); `y`
    the digits 0 to 9 as whole numbers, of shape (count,). Both parts are shuffled by `seed`.
    Raises `ImportError` where scikit-learn is missing, `OperandError` for a share that is not
    between 0 and 1.
    Source: Alpaydin and Kaynak 1998, UCI repository; `sklearn.datasets.load_digits`.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "the digits come with scikit-learn; run: "
            'pip install "tinygrad_edu[data]" (in its source folder: pip install ".[data]")'
        ) from error
    levels, labels = load_digits(return_X_y=True)
    (x, y), (x_test, y_test) = split(levels / 16, labels, test_share, seed)
    return (x, y), (x_test, y_test)
