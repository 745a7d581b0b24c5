"""Links to files of the repository lead to pages that show them, in the site itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.highlighting import PygmentsBridge
from sphinx.transforms import SphinxTransform
from sphinx.util.osutil import relative_uri

ROOT = Path(__file__).parents[2]
LANGUAGES = {".py": "python", ".toml": "toml", ".md": "md", ".sh": "bash", "": "bash"}
# Files that have a page of their own.
PAGES = {
    "README.md": "index",
    "README.ja.md": "ja/index",
    "CONTRIBUTING.md": "reference/contributing",
    "benchmarks": "reference/benchmarks",
    "benchmarks/README.md": "reference/benchmarks",
    "examples": "gallery/index",
}


def page_of(path: str) -> str:
    """The page that shows a file or folder, given by its path in the repository."""
    own = PAGES.get(path)
    if not own and path.startswith("examples/") and path.endswith(".py"):
        own = f"gallery/{Path(path).stem}"
    return own or f"source/{path}"


class RepositoryLinks(SphinxTransform):
    """Turns a relative link to a file that is no page into a link to the page that shows it."""

    default_priority = 200

    def apply(self, **kwargs: Any) -> None:
        """Change the links of one page."""
        here = Path(self.env.doc2path(self.env.docname)).parent
        shown: set[str] = set()
        linked_files(self.env)[self.env.docname] = shown
        kinds = (addnodes.download_reference, addnodes.pending_xref)
        for node in list(self.document.findall(lambda node: isinstance(node, kinds))):
            if node.get("reftype") != "myst":
                continue
            given = node["reftarget"].partition("#")[0]
            if node.get("refdomain") == "doc":
                # A document of the site by its name, one from elsewhere by its place.
                if not given.startswith("/"):
                    continue
                given += ".md"
            target = (here / given).resolve()
            if not target.is_relative_to(ROOT) or not target.exists() or target == here:
                continue
            if target.is_file() and target.suffix not in LANGUAGES:
                continue  # a picture, say, which is linked as it is
            path = target.relative_to(ROOT).as_posix()
            page = page_of(path)
            if page.startswith("source/"):
                shown.add(path)
            uri = relative_uri(f"{self.env.docname}.html", f"{page}.html")
            node.replace_self(nodes.reference("", "", *node.children, refuri=uri, internal=True))


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each file that is linked, and for each folder and the files in it."""
    linked = {path for paths in linked_files(app.env).values() for path in paths}
    folders = {path for path in linked if (ROOT / path).is_dir()}
    linked |= {path for folder in folders for path, _ in files_in(folder)}
    highlighter = PygmentsBridge("html", "sphinx")
    for path in sorted(linked):
        page = f"source/{path}"
        if path in folders:
            rows = (
                f'<tr><td><a href="{relative_uri(f"{page}.html", f"source/{file}.html")}">'
                f"<code>{escape(Path(file).name)}</code></a></td><td>{escape(says)}</td></tr>"
                for file, says in files_in(path)
            )
            body = f'<table class="docutils">{"".join(rows)}</table>'
        else:
            text = (ROOT / path).read_text(encoding="utf-8")
            language = LANGUAGES.get(Path(path).suffix, "text")
            body = highlighter.highlight_block(text, language, linenos="inline")
        yield page, {"title": path, "body": f"<h1>{escape(path)}</h1>{body}"}, "page.html"


def files_in(folder: str) -> list[tuple[str, str]]:
    """The Python files of a folder, each with the first line of what it says of itself."""
    found = []
    for file in sorted((ROOT / folder).glob("*.py")):
        says = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        found.append((file.relative_to(ROOT).as_posix(), says.split("\n")[0]))
    return found


def linked_files(env: BuildEnvironment) -> dict[str, set[str]]:
    """Which files each page links; Sphinx keeps it from build to build."""
    found: dict[str, set[str]] = vars(env).setdefault("repository_files", {})
    return found


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget what a page linked, before it is read anew."""
    linked_files(env).pop(docname, None)


def setup(app: Sphinx) -> dict[str, Any]:
    """Take part in the build."""
    app.add_transform(RepositoryLinks)
    app.connect("env-purge-doc", purge)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
