"""The code of README, CONTRIBUTING and docs runs as shown, and its output is compared."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from tests.ops.user_records import restored


def remember(namespace: dict[str, Any]) -> None:
    """Keep the registry before a page declares operations, some of them wrong on purpose."""
    namespace["registered"] = stack = ExitStack()
    stack.enter_context(restored())


def forget(namespace: dict[str, Any]) -> None:
    """Leave the registry as it was, for the tests that draw from it."""
    namespace["registered"].close()


pages = Sybil(
    parsers=[PythonCodeBlockParser()],
    patterns=["README*.md", "CONTRIBUTING.md", "docs/*.md", "docs/*/*.md"],
    excludes=["docs/reference/*.md"],  # written by each build of the site
    setup=remember,
    teardown=forget,
)
pytest_collect_file = pages.pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Translations run what their lessons run: the long run has them."""
    for item in items:
        if item.path.parent.name == "ja":
            item.add_marker(pytest.mark.thorough)
