"""The pictures of the pages: small PNG files in docs/pictures."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from tinygrad_edu.files import write_bytes

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"


def small(figure: Figure, *, dpi: int = 130, colours: int = 256) -> bytes:
    """A figure as PNG of few colours, those of thin lines among them."""
    drawn = BytesIO()
    figure.savefig(drawn, dpi=dpi)
    return reduced(drawn.getvalue(), colours=colours)


def reduced(data: bytes, *, scale: float = 1.0, colours: int = 256) -> bytes:
    """The same picture with few colours, and smaller."""
    out = BytesIO()
    with Image.open(BytesIO(data)) as image:
        picture = image.convert("RGB")
        if scale != 1:
            size = round(scale * image.width), round(scale * image.height)
            picture = picture.resize(size, Image.Resampling.LANCZOS)
        picture.quantize(colours).save(out, "png", optimize=True)
    return out.getvalue()


def write(path: Path, data: bytes) -> None:
    """Write a picture, and say how large it is."""
    write_bytes(path, data)
    print(f"{path.name}: {len(data) / 1000:.0f} kB")
