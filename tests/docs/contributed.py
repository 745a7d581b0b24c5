"""A plugin of pytest: the record of CONTRIBUTING.md is among those of the package before any test
is imported, as if it stood where the page says: `python -m pytest -p tests.docs.contributed`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tinygrad_edu.ops import elementary

PAGE = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"
BLOCK = re.compile(r"^```python\n(import math\n.*?)^```$", re.M | re.S)
# Of a part of the record, and what is to stand there instead: how a test asks for a wrong record.
WRONG = "CONTRIBUTED_WRONG"


def block() -> str:
    """The code on the page that declares the record."""
    (found,) = BLOCK.findall(PAGE.read_text("utf-8"))
    return str(found)


def declaration(text: str) -> str:
    """What is pasted into the package: the record without imports and without `te.`."""
    return text[text.index("log_cosh = ") :].replace("te.define", "define")


def wrong(text: str, change: str) -> str:
    """The code with `old => new` done to it."""
    old, new = change.split(" => ")
    if text.count(old) != 1:
        raise ValueError(f"{old!r} stands {text.count(old)} times in the record")
    return text.replace(old, new)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Declare it with the names that its module has, and no others."""
    text = declaration(block())
    if change := os.environ.get(WRONG):
        text = wrong(text, change)
    exec(text, dict(vars(elementary)))
