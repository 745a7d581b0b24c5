"""The code of the README and of the pages in docs runs as shown, and its output is compared."""

from __future__ import annotations

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pages = Sybil(parsers=[PythonCodeBlockParser()], patterns=["README*.md", "docs/*.md"])
pytest_collect_file = pages.pytest()
