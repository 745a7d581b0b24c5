"""Registers the user's own records for the tests of this folder only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ops.user_records import registered


@pytest.fixture(scope="module", autouse=True)
def _user_records() -> Iterator[None]:
    with registered():
        yield
