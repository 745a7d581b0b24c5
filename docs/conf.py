"""The site: `make docs` builds it, without a network and with warnings as errors."""

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from matplotlib import get_data_path
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

HERE = Path(__file__).parent
# The site's own extensions, and the tools that write the reference.
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

import tinygrad_edu  # noqa: E402
from tools import reference_pages  # noqa: E402

project = "tinygrad_edu"
version = release = tinygrad_edu.__version__
html_title = f"{project} {version}"
extensions = ["myst_parser", "sphinx_gallery.gen_gallery", "mathml", "source_pages"]
exclude_patterns = ["_build", "gallery/*.py", "gallery/*.ipynb"]
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
smartquotes = False  # options and quoted texts are to be copied
html_math_renderer = "mathml"
pygments_style, pygments_dark_style = "friendly", "monokai"

html_theme = "furo"
html_static_path = ["_static", f"{get_data_path()}/fonts/ttf/DejaVuSerif.ttf"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = html_show_sphinx = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/\d\d_\w+\.py$",
    "image_scrapers": ["figures.scraper"],
    "reset_argv": "figures.arguments",
    "reset_modules": (),
    "capture_repr": ("_repr_html_",),
    "download_all_examples": False,
    "within_subsection_order": "FileNameSortKey",
    "min_reported_time": 1_000_000,  # a time of one machine teaches nothing
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

reference_pages.write(HERE / "reference")

# The end of a line behind Japanese punctuation, or between kana and kanji.
JAPANESE_END = re.compile(
    r"(?<=[、。：」）])\n|(?<=[\u3000-\u9fff\uff00-\uffef])\n(?=[\u3000-\u9fff\uff00-\uffef])"
)


class WithoutEmptyLine(SphinxTransform):
    """Takes off the empty line that ends an example that is run."""

    default_priority = 200

    def apply(self, **kwargs: Any) -> None:
        """Change the blocks of code of one page."""
        for block in self.document.findall(nodes.literal_block):
            block.rawsource = block.rawsource.rstrip()
            block.children = [nodes.Text(block.astext().rstrip())]


class WithoutGaps(SphinxTransform):
    """Joins lines of Japanese: a browser would show the end of a line as a space."""

    default_priority = 900

    def apply(self, **kwargs: Any) -> None:
        """Change the texts of one page."""
        for element in self.document.findall(nodes.paragraph):
            words = ["", *(child.astext() for child in element.children), ""]
            element.children = [
                child
                for before, child, after in zip(words, element.children, words[2:], strict=False)
                if child != "\n" or not JAPANESE_END.search(f"{before[-1:]}\n{after[:1]}")
            ]


class LinkedPictures(SphinxTransform):
    """Lets every picture be opened by itself, as Sphinx does for those that it scales."""

    default_priority = 200

    def apply(self, **kwargs: Any) -> None:
        """Ask for the pictures of one page to be scaled, to the width that they have."""
        for image in self.document.findall(nodes.image):
            image.setdefault("width", "100%")  # site.css keeps smaller ones as they are


def name_language(app: Sphinx, page: str, template: str, context: dict[str, Any], _: Any) -> None:
    """Tell browsers which pages are Japanese: they choose fonts and line breaks by it."""
    context["language"] = "ja" if page.startswith("ja/") else "en"


def setup(app: Sphinx) -> None:
    """Take part in the build."""
    app.add_transform(WithoutEmptyLine)
    app.add_transform(LinkedPictures)
    app.add_transform(WithoutGaps)
    app.connect("html-page-context", name_language)
