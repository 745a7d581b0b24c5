"""The pictures of the gallery: every figure and graph that an example leaves under a name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

from tinygrad_edu.draw import Graph
from tinygrad_edu.files import write_bytes


def scraper(block: Any, variables: dict[str, Any], gallery: Mapping[str, Any]) -> str:
    """Save what a block of an example has made, and return the text that shows it.

    A figure is shown once, where it is new; lists and tuples of figures count, too.
    """
    seen = variables.setdefault("shown", [])
    shown = []
    for given in list(variables["example_globals"].values()):
        for picture in given if isinstance(given, list | tuple) else (given,):
            is_picture = isinstance(picture, Figure | Graph)
            if not is_picture or any(picture is other for other in seen):
                continue
            seen.append(picture)
            path = Path(next(variables["image_path_iterator"]))
            if isinstance(picture, Figure):
                picture.savefig(path, dpi=150, metadata={"Software": None})
            else:
                write_bytes(path, picture.png)
            shown.append(figure_rst([str(path)], gallery["src_dir"], title_of(picture)))
    return "".join(shown)


def title_of(picture: Figure | Graph) -> str:
    """What a picture shows, for those who cannot see it."""
    if isinstance(picture, Graph):
        return "A computation graph"
    titles = (picture.get_suptitle(), *(axes.get_title() for axes in picture.axes))
    return next((" ".join(title.split()) for title in titles if title), "A figure")


def arguments(gallery: Mapping[str, Any], variables: Mapping[str, Any]) -> list[str]:
    """What an example is called with: the folder for the files that it writes by itself."""
    return [str(Path(gallery["src_dir"]) / "_build" / "examples")]
