"""What `make test` takes a share of, and `make thorough` all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def one_in(count: int, items: Iterable[Any], first: int = 0) -> list[Any]:
    """Every `count`-th of the items as parameters of a test; the others in the thorough run only.

    `first`, below `count`, is the place of the first one, so that several tests of the same items
    take turns.
    """
    return [
        pytest.param(
            item,
            id=getattr(item, "name", None) or (None if callable(item) else str(item)),
            marks=() if place % count == first else pytest.mark.thorough,
        )
        for place, item in enumerate(items)
    ]
