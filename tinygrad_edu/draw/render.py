"""DOT text becomes a picture: drawn by Graphviz's `dot`, or else by `graphviz-pure` from PyPI."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import unicodedata
from pathlib import Path
from xml.etree import ElementTree

from ..errors import RenderingError
from .style import EMBEDDED, font_face

PURE = "graphviz-pure"
# Every system has a font with the widths of Arial, for which the renderers lay out.
FAMILIES = f"Arial, Helvetica, 'Liberation Sans', Arimo, '{EMBEDDED}', sans-serif"
ELEMENTS = {"svg", "g", "polygon", "polyline", "path", "ellipse", "text"}
ATTRIBUTES = {
    *("width", "height", "viewBox", "transform", "x", "y", "cx", "cy", "rx", "ry", "points", "d"),
    *("fill", "stroke", "stroke-width", "stroke-dasharray", "text-anchor", "font-size"),
}


def rendered(source: str, form: str) -> bytes:
    """`source` drawn as "svg", "png" or "pdf" by the first renderer that can.

    Raises `RenderingError`, saying what to install and why what is installed does not do.
    """
    reasons = []
    for program in renderers():
        name = Path(program).stem
        if lack := lacking(name, source, form):
            reasons.append(f"{name} {lack}")
            continue
        command = [program, f"-T{form}", "-q", *(["-Gdpi=144"] if form == "png" else [])]
        try:
            done = subprocess.run(command, input=source.encode(), capture_output=True, check=False)
        except OSError as error:
            reasons.append(f"{name} does not start: {error.strerror}")
            continue
        if done.returncode == 0 and done.stdout:
            return done.stdout
        reasons.append(f"{name} failed: {done.stderr.decode(errors='replace').strip()}")
    remedy = (
        "install Graphviz"
        if reasons
        else (
            'run pip install "tinygrad_edu[render]" (in its source folder: pip install ".[render]")'
        )
    )
    raise RenderingError(
        f"the graph cannot be drawn as {form.upper()}: "
        f"{'; '.join(reasons) or 'neither dot nor graphviz-pure is installed'}. "
        f'To mend it, {remedy}; the DOT text is in .source, and .save("graph.dot") writes it'
    )


def renderers() -> list[str]:
    """The programs that can draw DOT here, the best first."""
    found = [system] if (system := shutil.which("dot")) else []
    try:
        files = importlib.metadata.files(PURE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    # Through its package, because an environment's programs need not be on the PATH.
    return found + [str(file.locate()) for file in files if file.stem == PURE]


def lacking(name: str, source: str, form: str) -> str | None:
    """What keeps the renderer `name` from drawing `source`, if anything does."""
    if name == PURE and form == "pdf":
        return "draws no PDF (save as .svg or .png)"
    wide = form != "svg" and any(map(is_wide, source))
    if wide and (name == PURE or not system_font()):
        return f"has no Japanese font for {form.upper()} (save as .svg)"
    return None


def system_font() -> bool:
    """Whether the system has a font with Japanese characters; True where it does not say."""
    program = shutil.which("fc-list")
    if program is None:
        return True
    found = subprocess.run([program, ":lang=ja"], capture_output=True, check=False)
    return bool(found.stdout.strip())


def is_wide(character: str) -> bool:
    """Whether a character takes a full square, as kana and kanji do."""
    return unicodedata.east_asian_width(character) in "WF"


def cleaned(svg: bytes, label: str, lang: str) -> str:
    """A renderer's SVG as one element that holds shapes and text only, and no address.

    `label` is what a screen reader says. Japanese text brings its characters along.
    """

    def copy(element: ElementTree.Element) -> ElementTree.Element:
        kept = {key: value for key, value in element.attrib.items() if key in ATTRIBUTES}
        twin = ElementTree.Element(element.tag.rpartition("}")[2], kept)
        twin.text, twin.tail = element.text, element.tail
        twin.extend(copy(part) for part in element if part.tag.rpartition("}")[2] in ELEMENTS)
        return twin

    root = copy(ElementTree.fromstring(svg))
    root.attrib.update({"xmlns": "http://www.w3.org/2000/svg", "lang": lang, "role": "img"})
    root.attrib.update({"aria-label": label, "font-family": FAMILIES})
    font = font_face("".join(root.itertext()))
    if font:
        style = ElementTree.Element("style")
        style.text = font
        root.insert(0, style)
    return ElementTree.tostring(root, encoding="unicode")
