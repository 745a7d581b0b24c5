"""Makes the pictures of gradient flow and of the course by the code of the pages themselves.

A picture shows the `figure` that a page has made when the picture is named. Each remembers the code
that it was made by, so that --check can tell, without running it, whether the page has changed.

python -m tools.page_pictures, with --check to compare, or with the names of some pages.
"""

from __future__ import annotations

import argparse
import doctest
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tools.png import FOLDER, reduced, small, write

DOCS = FOLDER.parent
GUIDE = DOCS / "flow.md"
STORIES = sorted(DOCS.glob("flow_story_*.md"))
LESSONS = [
    page
    for number in ("07", "08", "09", "10", "11")
    for folder in ("course", "ja")
    for page in (DOCS / folder).glob(f"{number}_*.md")
]
HOW_TO = DOCS / "howto" / "diagnose_network.md"
PAGES = [GUIDE, *STORIES, DOCS / "explanation" / "mean_field.md", HOW_TO, *LESSONS]
# What a page holds: code that is run, and pictures.
PARTS = re.compile(r"^```python\n(?P<code>.*?)^```$|^!\[[^]]*]\((?P<picture>[^)]+)\)$", re.M | re.S)
MADE_BY = "Source"
# Surfaces have more shades than a page should load: the bytes that are too many, and their width.
LARGEST, WIDTH = 150_000, 1000


@dataclass(frozen=True)
class Part:
    """A block of code, or a picture with all code before it."""

    picture: str
    code: str
    line: int

    @property
    def digest(self) -> str:
        """Of the code."""
        return sha256(source(self.code).encode()).hexdigest()


def source(code: str) -> str:
    """The code of a block, without the output that it prints."""
    return "".join(each.source for each in doctest.DocTestParser().get_examples(code))


def parts(page: Path) -> Iterator[Part]:
    """Blocks and pictures of a page, in order."""
    text = page.read_text(encoding="utf-8")
    before = ""
    for found in PARTS.finditer(text):
        line = text.count("\n", 0, found.start())
        if found["picture"]:
            yield Part(found["picture"], before, line)
        else:
            before += found["code"]
            yield Part("", found["code"], line)


def pictures(page: Path) -> dict[Path, str]:
    """The files of a page's pictures, and the digests of the code that makes them."""
    return {page.parent / each.picture: each.digest for each in parts(page) if each.picture}


def made_by(picture: Path) -> str:
    """The digest that a picture remembers; empty for one that does not exist."""
    if not picture.exists():
        return ""
    with Image.open(picture) as image:
        return str(image.info.get(MADE_BY, ""))


def stale(page: Path) -> list[Path]:
    """Pictures that do not exist, or were made by other code than the page has."""
    return [picture for picture, digest in pictures(page).items() if made_by(picture) != digest]


def draw(page: Path) -> dict[Path, bytes]:
    """Run a page, and draw its pictures. Raises `ValueError` where it prints something else."""
    names: dict[str, Any] = {}
    runner = doctest.DocTestRunner()
    drawn: dict[Path, bytes] = {}
    last: Any = None
    for part in parts(page):
        if part.picture:
            if names.get("figure") is last:
                raise ValueError(f"{page.name}: no new `figure` was made for {part.picture}")
            last = names["figure"]
            data = small(last)
            if len(data) > LARGEST:
                with Image.open(BytesIO(data)) as image:
                    data = reduced(data, scale=WIDTH / image.width, colours=160)
            drawn[page.parent / part.picture] = signed(data, part.digest)
            continue
        test = doctest.DocTestParser().get_doctest(
            part.code, names, page.name, str(page), part.line + 1
        )
        runner.run(test, clear_globs=False)
        names = test.globs
    if runner.failures:
        raise ValueError(f"{page.name} does not print what it shows")
    return drawn


def signed(data: bytes, digest: str) -> bytes:
    """A PNG that remembers a digest."""
    info, out = PngInfo(), BytesIO()
    info.add_text(MADE_BY, digest)
    Image.open(BytesIO(data)).save(out, "png", optimize=True, pnginfo=info)
    return out.getvalue()


def main() -> None:
    """Draw the pictures of all pages, or of those that are named, or say which are not theirs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", type=Path, default=PAGES)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    for page in options.pages:
        if options.check:
            if found := stale(page):
                names = ", ".join(each.name for each in found)
                sys.exit(f"{page.name} has other code: python -m tools.page_pictures draws {names}")
            continue
        for picture, data in draw(page).items():
            write(picture, data)


if __name__ == "__main__":
    main()
