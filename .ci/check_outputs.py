"""Look at every file that `tinygrad-edu xor` must write: `python .ci/check_outputs.py runs/xor`."""

import base64
import binascii
import csv
import io
import math
import re
import sys
import urllib.parse
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image


class Unfit(Exception):
    """What is wrong with one output."""


def require(holds: bool, otherwise: str) -> None:
    """Raise `Unfit` unless `holds`."""
    if not holds:
        raise Unfit(otherwise)


def check_picture(data: bytes) -> None:
    """A bitmap that decodes, is large enough to read, and is not one colour."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            pixels = np.asarray(picture.convert("RGB"), dtype=np.float64)
    except (OSError, SyntaxError) as error:
        raise Unfit(f"does not decode: {error}") from error
    height, width, _ = pixels.shape
    require(width >= 300 and height >= 200, f"only {width} × {height} pixels")
    spread = float(pixels.std())
    inked = float(np.mean(np.any(pixels != np.median(pixels, axis=(0, 1)), axis=-1)))
    require(spread >= 5, f"almost one colour (standard deviation {spread:.2g} of 255)")
    require(inked >= 0.01, f"almost blank ({inked:.2%} of the pixels differ from the background)")


def check_drawing(data: bytes, texts: int) -> None:
    """An SVG of valid XML with at least `texts` text elements that say something."""
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise Unfit(f"is not XML: {error}") from error
    require(root.tag.rpartition("}")[2] == "svg", f"its root is <{root.tag}>, not <svg>")
    labels = [e for e in root.iter() if e.tag.rpartition("}")[2] == "text"]
    written = sum(bool("".join(label.itertext()).strip()) for label in labels)
    require(written >= texts, f"{written} text elements, at least {texts} expected")


def check_graph(data: bytes) -> None:
    """A DOT source with nodes and edges, complete to its closing brace."""
    source = data.decode().strip()
    require("digraph" in source and source.endswith("}"), "is not a complete digraph")
    require(source.count("->") >= 5, f"only {source.count('->')} edges")


def as_number(cell: str) -> float | None:
    """The number in a cell of a table, if it holds one."""
    try:
        return float(cell)
    except ValueError:
        return None


def check_table(data: bytes, rows: int) -> None:
    """A CSV with a header, at least `rows` rows, and columns of names or of finite numbers."""
    header, *body = list(csv.reader(io.StringIO(data.decode())))
    require(len(body) >= rows, f"{len(body)} rows, at least {rows} expected")
    require(all(as_number(cell) is None for cell in header), "has no header")
    require(all(len(row) == len(header) for row in body), "has rows of different lengths")
    varied = 0
    for name, cells in zip(header, zip(*body, strict=True), strict=True):
        numbers = [number for number in map(as_number, cells) if number is not None]
        require(len(numbers) in (0, len(body)), f"column {name!r} mixes names and numbers")
        require(all(map(math.isfinite, numbers)), f"column {name!r} holds NaN or infinity")
        varied += len(set(numbers)) > 1
    require(varied >= 2, "has fewer than two columns of numbers that vary")


def check_transcript(data: bytes) -> None:
    """What was printed: the gradient check and the predictions."""
    text = data.decode()
    for phrase in ("gradients are confirmed", "== Prediction after learning =="):
        require(phrase in text, f"does not say {phrase!r}")


class Page(HTMLParser):
    """The words of a page, its pictures, and whatever it would load from outside."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.pictures: list[str] = []
        self.drawings = 0
        self.unnamed = 0
        self.loads: list[str] = []
        self.unread: str | None = None
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag in ("script", "style"):
            self.unread = tag
        self.drawings += tag == "svg"
        if tag == "img":
            self.pictures.append(attributes.get("src", ""))
            self.unnamed += not attributes.get("alt", "").strip()
        # A link waits to be clicked; anything else with an address loads it.
        loading = ["src", "srcset", "data", "poster"]
        loading += ["href", "xlink:href"] if tag != "a" else []
        addresses = filter(None, map(attributes.get, loading))
        self.loads += [a for a in addresses if not a.startswith(("data:", "#"))]

    def handle_endtag(self, tag: str) -> None:
        if tag == self.unread:
            self.unread = None

    def handle_data(self, data: str) -> None:
        if self.unread is None:
            self.words += data.split()


def check_report(data: bytes) -> None:
    """One page that opens from disk: no address, nothing to load, four pictures and more."""
    source = data.decode()
    page = Page(source)
    require(not page.loads, f"loads {page.loads[:3]} from outside")
    # Inside an <svg>, a namespace and a document type are identifiers that nothing ever loads.
    named = re.sub(r"""\sxmlns(:\w+)?\s*=\s*("[^"]*"|'[^']*')|<!DOCTYPE[^>]*>""", "", source)
    addresses = re.findall(r"""https?://[^\s"'<>)]*|url\(\s*["']?(?!#|data:)[^)]*""", named)
    require(not addresses, f"holds addresses: {addresses[:3]}")
    require(len(page.words) >= 100, f"only {len(page.words)} words")
    shown = len(page.pictures) + page.drawings
    require(shown >= 4, f"{shown} inlined pictures, at least 4 expected")
    require(page.unnamed == 0, f"{page.unnamed} pictures without alt text")
    for number, picture in enumerate(page.pictures, start=1):
        kind, _, content = picture.partition(",")
        try:
            decoded = urllib.parse.unquote_to_bytes(content)
            if kind.endswith(";base64"):
                decoded = base64.b64decode(decoded)
            if kind.startswith("data:image/svg+xml"):
                check_drawing(decoded, texts=1)
            else:
                check_picture(decoded)
        except (Unfit, binascii.Error) as error:
            raise Unfit(f"picture {number}: {error}") from error


CHECKS: dict[str, Callable[[bytes], None]] = {
    "report.html": check_report,
    "loss.png": check_picture,
    "surfaces.png": check_picture,
    "regions.png": check_picture,
    "gradients.png": check_picture,
    "graph.svg": lambda data: check_drawing(data, texts=15),
    "graph_batch.svg": lambda data: check_drawing(data, texts=15),
    "graph.dot": check_graph,
    "graph_batch.dot": check_graph,
    "gradients.csv": lambda data: check_table(data, rows=10_000),
    "losses.csv": lambda data: check_table(data, rows=1_000),
    "transcript.txt": check_transcript,
}


def main(folder: Path) -> int:
    """Check every output in `folder`, print what is wrong, and return the exit code."""
    failed = 0
    for name, check in CHECKS.items():
        try:
            data = (folder / name).read_bytes()
            require(bool(data.strip()), "is empty")
            check(data)
        except FileNotFoundError:
            print(f"FAILED {folder / name}: does not exist")
        except (Unfit, UnicodeDecodeError) as error:
            print(f"FAILED {folder / name}: {error}")
        else:
            print(f"ok     {folder / name}")
            continue
        failed += 1
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python .ci/check_outputs.py FOLDER")
    sys.exit(main(Path(sys.argv[1])))
