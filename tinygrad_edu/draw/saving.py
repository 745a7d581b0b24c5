"""Figures as files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
# Where each format keeps a title, and a sentence for those who cannot see the picture.
METADATA = {
    "png": ("Title", "Description"),
    "svg": ("Title", "Description"),
    "pdf": ("Title", "Subject"),
}


def save(figure: Figure, path: Path, title: str = "", description: str = "") -> bytes:
    """Write a figure whole or not at all, in the format of the path's suffix; returns its bytes.

    The same figure gives the same bytes, on any day.
    """
    import matplotlib

    kind = path.suffix.removeprefix(".")
    texts = dict(zip(METADATA[kind], (title, description), strict=True))
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    buffer = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": title}):
        figure.savefig(
            buffer,
            format=kind,
            dpi=200,
            metadata={**{key: text for key, text in texts.items() if text}, **undated},
        )
    write_bytes(path, buffer.getvalue())
    return buffer.getvalue()
