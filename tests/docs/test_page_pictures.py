"""The pictures of the pages are made by the code that the pages show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from tools import page_pictures
from tools.page_pictures import DOCS, PAGES
from tools.png import FOLDER

PAGE = """\
```python
>>> from matplotlib.figure import Figure
>>> print(1 + 1)
2
>>> figure = Figure(figsize=(2, 1))

```

![An empty figure](drawn.png)
"""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name + "/" + page.stem)
def test_pictures_are_made_by_the_code_of_their_page(page: Path) -> None:
    named = page.relative_to(DOCS.parent)
    assert page_pictures.stale(page) == [], f"python -m tools.page_pictures {named}"
    assert page_pictures.pictures(page)


def every_page() -> list[Path]:
    """The pages that are written by hand."""
    root = DOCS.parent
    pages = [*DOCS.glob("*.md"), *DOCS.glob("*/*.md"), *root.glob("*.md")]
    return [page for page in pages if page.parent.name != "reference"]


def shown(page: Path) -> list[tuple[str, Path]]:
    """What is said of each picture of a page, and its file."""
    found = re.findall(r"!\[([^]]*)]\(([^)]+\.png)\)", page.read_text(encoding="utf-8"))
    return [(alt, (page.parent / path).resolve()) for alt, path in found]


def test_each_picture_is_shown_and_described_and_none_is_left_over() -> None:
    seen = set()
    for page in every_page():
        for alt, path in shown(page):
            assert len(alt) > (10 if page.parent.name == "ja" or ".ja" in page.name else 25), page
            seen.add(path)
    assert {path.resolve() for path in FOLDER.glob("*.png")} - seen == set()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.png")), ids=lambda path: path.stem)
def test_a_picture_is_small_enough_to_load(path: Path) -> None:
    assert path.stat().st_size <= page_pictures.LARGEST


def test_the_tool_draws_and_compares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, picture = tmp_path / "page.md", tmp_path / "drawn.png"
    page.write_text(PAGE, encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["page_pictures", "--check", str(page)])
    with pytest.raises(SystemExit, match=r"drawn\.png"):
        page_pictures.main()
    monkeypatch.setattr("sys.argv", ["page_pictures", str(page)])
    page_pictures.main()
    assert "drawn.png" in capsys.readouterr().out
    with Image.open(picture) as drawn:
        assert drawn.size == (260, 130)
    monkeypatch.setattr("sys.argv", ["page_pictures", "--check", str(page)])
    page_pictures.main()
    # Prose and output may change; code may not.
    page.write_text(PAGE.replace("An empty", "A blank"), encoding="utf-8")
    page_pictures.main()
    page.write_text(PAGE.replace("(2, 1)", "(2, 2)"), encoding="utf-8")
    with pytest.raises(SystemExit, match="other code"):
        page_pictures.main()


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (PAGE.replace("\n2\n", "\n3\n"), "does not print"),
        (PAGE.replace("figure = Figure", "other = Figure"), "no new `figure`"),
        (PAGE + "\n![Again](second.png)\n", r"second\.png"),
    ],
)
def test_the_tool_refuses_pages_that_are_wrong(page: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(page, encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        page_pictures.draw(path)
