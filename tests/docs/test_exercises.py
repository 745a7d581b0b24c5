"""Every exercise of the course: its answer passes its check, and its empty form fails it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sybil.document import Document
from sybil.parsers.markdown import PythonCodeBlockParser

from tests.ops.user_records import restored
from tests.shares import one_in

DOCS = Path(__file__).parents[2] / "docs"
LESSONS = sorted(page for part in ("course", "ja") for page in (DOCS / part).glob("[0-9]*.md"))
FENCE = re.compile(r"^```py\n# (?P<part>exercise|answer|check) (?P<number>\d+\.\d+)\n", re.M)
KINDS = ("exercise", "answer", "check")


@pytest.fixture(autouse=True)
def unspoilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files go to a folder of their own, and operations that are declared go again."""
    monkeypatch.chdir(tmp_path)
    with restored():
        yield


def name_of(page: Path) -> str:
    return f"{page.parent.name}/{page.stem}"


@cache
def fences(page: Path) -> list[tuple[str, str, str]]:
    """What each marked fence is, the number of its exercise, and its code, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        (found["part"], found["number"], text[found.start() + len("```py\n") :].split("\n```")[0])
        for found in FENCE.finditer(text)
    ]


def defined(page: Path) -> dict[str, Any]:
    """The names that a reader has who has run the lesson."""
    document = Document.parse(str(page), PythonCodeBlockParser())
    for example in document.examples():
        example.evaluate()
    return document.namespace


def outcome(names: dict[str, Any], *codes: str) -> Exception | None:
    """What goes wrong when these are run with the names of a lesson, if anything."""
    namespace = dict(names)
    try:
        for code in codes:
            exec(compile(code, "exercise", "exec"), namespace)
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize("page", LESSONS, ids=name_of)
def test_a_lesson_has_three_exercises_each_with_a_hidden_answer_and_a_check(page: Path) -> None:
    lesson = int(page.stem[:2])
    expected = [(kind, f"{lesson}.{number}") for number in (1, 2, 3) for kind in KINDS]
    assert [(kind, number) for kind, number, _ in fences(page)] == expected
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^### .*?(\d+\.\d+)", text, re.M)
    assert headings == [f"{lesson}.{number}" for number in (1, 2, 3)]
    hidden = re.findall(r"^<details>.*?^</details>", text, re.M | re.S)
    found = [FENCE.findall(each + "\n") for each in hidden if FENCE.search(each)]
    assert found == [[(kind, f"{lesson}.{number}") for kind in KINDS[1:]] for number in (1, 2, 3)]


@pytest.mark.parametrize("page", LESSONS, ids=name_of)
def test_a_check_asserts_something(page: Path) -> None:
    for kind, number, code in fences(page):
        if kind == "check":
            assert any(isinstance(each, ast.Assert) for each in ast.walk(ast.parse(code))), number


def test_what_lesson_4_leads_to_is_there() -> None:
    page = DOCS / "course/04_value.md"
    rows = re.findall(r"^\| `[^|]*\| (.*?) \|", page.read_text(encoding="utf-8"), re.M)
    assert len(rows) == 7
    for row in rows:
        files = [page.parent / path for path in re.findall(r"]\(([^)]+)\)", row)]
        source = "\n".join(path.read_text(encoding="utf-8") for path in files)
        for name in re.findall(r"`(\w+)`", re.sub(r"\[`.*?`]", "", row)):
            assert re.search(rf"^(class |def )?{name}\b", source, re.M), name


@pytest.mark.parametrize("page", one_in(3, LESSONS))
def test_answers_pass_and_empty_forms_fail(page: Path) -> None:
    names = defined(page)
    codes = {(kind, number): code for kind, number, code in fences(page)}
    for number in {number for _, number in codes}:
        form, answer, check = (codes[kind, number] for kind in KINDS)
        error = outcome(names, answer, check)
        assert error is None, f"{number}: {error!r}"
        assert outcome(names, form, check) is not None, number
