"""What every run says of itself: its command line, its versions, and the font it lacks."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np

from . import __version__
from .draw.style import figure_context
from .errors import RenderingError


def find_font(lang: str) -> None:
    """Raise `RenderingError` where no font can write the pictures' labels."""
    try:
        with figure_context(lang):
            pass
    except ImportError:
        raise RenderingError(
            "no font with Japanese characters was found for the pictures; "
            'run pip install "tinygrad_edu[ja]" (in its source folder: pip install ".[ja]"), '
            "or add --no-plots or --lang en"
        ) from None


def versions() -> dict[str, str]:
    """Versions of everything that computes or draws."""
    return {
        "tinygrad_edu": __version__,
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "matplotlib": matplotlib.__version__,
    }


def command_line(arguments: Sequence[str]) -> str:
    """The command as it can be typed again, with its path where the shell does not find it."""
    name = "tinygrad-edu"
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    if beside and not shutil.which(name):
        here = Path(beside).is_relative_to(Path.cwd())
        name = os.path.relpath(beside) if here else beside
    return shlex.join([name, *arguments])
