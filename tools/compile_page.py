"""Writes the programs that docs/compile.md shows: python -m tools.compile_page.

The page's own examples are run, and each block behind `<!-- step.source -->` becomes the program
that `step` is at that place.
"""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from doctest import DocTestParser
from io import StringIO
from pathlib import Path
from typing import Any

from tinygrad_edu.files import write_text

PAGE = Path(__file__).parent.parent / "docs" / "compile.md"
BLOCK = re.compile(
    r"(?P<mark><!-- step\.source -->\n)?```(?P<language>\w+)\n(?P<code>.*?)```\n", re.S
)


def page(text: str) -> str:
    """The page with its programs as they are now."""
    names: dict[str, Any] = {}

    def renewed(block: re.Match[str]) -> str:
        mark, language, code = block.group("mark", "language", "code")
        if mark:
            return f"{mark}```{language}\n{names['step'].source.strip()}\n```\n"
        if language == "python":
            run(code, names)
        return block.group()

    return BLOCK.sub(renewed, text)


def run(code: str, names: dict[str, Any]) -> None:
    """The examples of a block, but for those that raise."""
    with redirect_stdout(StringIO()):
        for example in DocTestParser().get_examples(code):
            if example.exc_msg is None:
                exec(compile(example.source, "<docs/compile.md>", "single"), names)


def main() -> None:
    """Write it."""
    write_text(PAGE, page(PAGE.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
