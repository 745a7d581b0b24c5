"""Makes the pictures of lessons 7 to 11, English and Japanese, by the code of the pages themselves.

A picture shows the `figure` that a page has made when the picture is named. Lesson 12 has a graph.

python -m tools.course_pictures_2, with --check to compare, or with the names of some pages.
"""

from __future__ import annotations

import argparse
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

import tinygrad_edu as te
from tinygrad_edu.files import write_bytes
from tools.flow_stories import DOCS, draw, pictures, signed, stale

PAGES = sorted(
    page
    for number in range(7, 12)
    for folder in ("course", "ja")
    for page in (DOCS / folder).glob(f"{number:02}_*.md")
)
LARGEST = 150_000
WIDTH = 1000


def recorded() -> te.draw.Graph:
    """The graph of one step of lesson 12."""
    x, _ = te.data.xor()
    y = np.array([[-1.0], [-1.0], [-1.0], [1.0]])
    model = te.nn.MLP([2, 1], output="tanh", seed=0)
    return te.draw.graph(te.nn.losses.mse(model(x), y))


def reduced(data: bytes) -> bytes:
    """The picture, narrower and with fewer colours where it is too large for a page."""
    if len(data) <= LARGEST:
        return data
    out = BytesIO()
    with Image.open(BytesIO(data)) as image:
        height = round(image.height * WIDTH / image.width)
        image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS).quantize(160).save(
            out, "png", optimize=True
        )
    return out.getvalue()


def main() -> None:
    """Draw the pictures of all pages, or of those that are named, or say which are not theirs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", type=Path, default=PAGES)
    parser.add_argument("--check", action="store_true", help="only say which are out of date")
    options = parser.parse_args()
    if options.check:
        old = [picture.name for page in options.pages for picture in stale(page)]
        sys.exit(f"out of date: {', '.join(old)}" if old else None)
    if options.pages is PAGES:
        write_bytes(DOCS / "pictures" / "course_12_graph.png", reduced(recorded().png))
    for page in options.pages:
        digests = pictures(page)
        for path, data in draw(page).items():
            written = signed(reduced(data), digests[path])
            write_bytes(path, written)
            print(f"{path.name}: {len(written) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
