"""docs/compile.md shows the programs that are made now."""

from __future__ import annotations

from tools import compile_page

TEXT = compile_page.PAGE.read_text(encoding="utf-8")


def test_the_page_shows_the_programs_that_its_examples_make() -> None:
    assert compile_page.page(TEXT) == TEXT, "python -m tools.compile_page"


def test_only_programs_are_written_anew() -> None:
    example = "words\n\n```python\n>>> class step:\n...     source = '{}'\n\n```\n\nmore\n"
    program = "\n<!-- step.source -->\n```py\n{}\n```\n"
    text = "".join(
        [example.format("one"), program.format("stale"), example.format("two"), program.format("")]
    )
    new = "".join(
        [example.format("one"), program.format("one"), example.format("two"), program.format("two")]
    )
    assert compile_page.page(text) == new
    assert compile_page.page(new) == new


def test_what_raises_on_the_page_is_left_out() -> None:
    raising = (
        "```python\n>>> step.missing\nTraceback (most recent call last):\nNameError: step\n```\n"
    )
    assert compile_page.page(raising) == raising
