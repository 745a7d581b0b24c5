"""Signatures and docstrings as the reference shows them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from tools.numpy_page import INTERNAL, STARS

# As long as a signature is on one line.
WIDTH = 88


def label(name: str) -> str:
    """A target for links, on a line of its own before a heading; they are in small letters."""
    return f"({name.lower()})=\n"


def entry(name: str, item: Any, level: int = 2, formula: str = "", anchor: str = "") -> str:
    """A name with its signature, its docstring and, if it is a class, its methods."""
    parts = [label(anchor or name) + f"{'#' * level} {name}"]
    if callable(item) and not is_error(item):
        parts.append(fence(signature(name, item)))
    if formula:
        parts.append(f"$$\n{formula}\n$$")
    parts.append(prose(item))
    if inspect.isclass(item) and not is_error(item):
        for call, text in methods(item):
            parts.append(f"`{call}`\n: {text}".replace("\n\n", "\n\n  "))
    return "\n\n".join(part for part in parts if part) + "\n"


def is_error(item: Any) -> bool:
    """Whether an item is an exception, which users catch and do not make."""
    return inspect.isclass(item) and issubclass(item, BaseException)


def prose(item: Any) -> str:
    """A docstring as Markdown: its examples as code, its paragraphs in one line each."""
    parts = []
    for paragraph in (inspect.getdoc(item) or "").split("\n\n"):
        if paragraph.startswith((">>>", "    ")):
            parts.append(fence(inspect.cleandoc(paragraph)))
        elif paragraph.startswith("- "):
            parts.append(escaped(paragraph))
        else:
            parts.append(escaped(" ".join(paragraph.split())))
    return "\n\n".join(parts)


def escaped(text: str) -> str:
    """A text that Markdown leaves as it is, but for what is between backticks."""
    return re.sub(r"(`[^`]*`)|([$<_*\[\]\\|])", lambda found: found[1] or f"\\{found[2]}", text)


def fence(code: str) -> str:
    """Python as a block; not one that is run."""
    return f"```py\n{code}\n```"


def signature(name: str, item: Any) -> str:
    """How something is called, on one line or one for each parameter."""
    try:
        given = inspect.signature(item)
    except ValueError:
        return f"{name}(...)"
    back = "" if inspect.isclass(item) else annotation(given.return_annotation, " -> ")
    shown = list(parameters(given))
    line = f"{name}({', '.join(shown)}){back}"
    if len(line) <= WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {each},\n" for each in shown) + f"){back}"


def parameters(given: inspect.Signature) -> Iterator[str]:
    """Each parameter as it is written, and the marks between them."""
    before = None
    for each in given.parameters.values():
        if each.name == "self":
            continue
        if before == each.POSITIONAL_ONLY != each.kind:
            yield "/"
        marked = before in (each.KEYWORD_ONLY, each.VAR_POSITIONAL)
        if each.kind == each.KEYWORD_ONLY and not marked:
            yield "*"
        star = STARS.get(each.kind, "")
        typed = annotation(each.annotation, ": ")
        default = "" if each.default is each.empty else written(each.default)
        equals = " = " if typed and default else "=" if default else ""
        yield f"{star}{each.name}{typed}{equals}{default}"
        before = each.kind
    if before == inspect.Parameter.POSITIONAL_ONLY:
        yield "/"


def annotation(given: Any, lead: str) -> str:
    """A type after what stands before it; nothing where there is none."""
    if given in (inspect.Signature.empty, "Any", Any):
        return ""
    return lead + (given if isinstance(given, str) else inspect.formatannotation(given))


def written(default: Any) -> str:
    """A default as code: a function or class by its name, not by its place in memory."""
    if callable(default) and hasattr(default, "__name__"):
        return str(default.__name__)
    return repr(default)


def methods(item: type) -> Iterator[tuple[str, str]]:
    """The public methods and properties that a class has of its own, each as it is called."""
    for name, member in vars(item).items():
        if (name.startswith("_") and name != "__call__") or name in INTERNAL:
            continue
        if isinstance(member, property):
            yield name, prose(member)
        elif isinstance(member, FunctionType | classmethod | staticmethod) and member.__doc__:
            call = signature("" if name == "__call__" else name, getattr(item, name))
            yield " ".join(call.split()).replace("( ", "(").replace(", )", ")"), prose(member)
