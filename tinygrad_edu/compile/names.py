"""Names in generated source: what users call things, as far as it is harmless, and our own."""

from __future__ import annotations

import builtins
import keyword
import re
from functools import lru_cache

import numpy as np

# What generated source says besides: its functions, and the functions that it is given.
OURS = frozenset(
    {"gradients", "step", "make", "found", "strictly", "finite", "failed", "vdot", "copyto", "zip"}
)
# Longer names would not leave a line readable.
LONGEST = 40
GAPS = re.compile("[^A-Za-z0-9]+")
LIKE_OURS = re.compile(r"\d|[a-z]+\d+$")


class Names:
    """Gives each thing a name of its own."""

    def __init__(self) -> None:
        self.taken: set[str] = set(OURS)

    def new(self, wanted: str) -> str:
        """`wanted`, which is an identifier, or the same with a number behind it."""
        name, count = wanted, 1
        while name in self.taken:
            count += 1
            name = f"{wanted}_{count}"
        self.taken.add(name)
        return name

    def of_user(self, text: str, otherwise: str) -> str:
        """A name like a text that a user chose."""
        return self.new(harmless(text) or otherwise)


def harmless(text: str) -> str:
    """ASCII letters, digits and underscores of a text, where they make a name nobody else has.

    Nothing that means something in Python or NumPy, and nothing like the names of buffers.
    """
    name = GAPS.sub("_", text).strip("_")[-LONGEST:].lstrip("_")
    if not name:
        return ""
    if LIKE_OURS.match(name) or name in known_words():
        name = f"value_{name}"
    return name


@lru_cache(maxsize=1)
def known_words() -> frozenset[str]:
    """Words that mean something where generated source runs, or to who reads it."""
    return frozenset({*dir(np), *dir(builtins), *keyword.kwlist, *keyword.softkwlist, *OURS})


@lru_cache(maxsize=1024)
def plain_text(text: str) -> str:
    """A text of a user's for a comment: it stays on its line, and is not taken for code."""
    return re.sub(r"[^\w.\[\]: -]", "?", text)[:80]
