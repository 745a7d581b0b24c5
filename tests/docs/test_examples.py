"""Every example runs, prints, draws, and stays short; every command on the page of the articles
runs, and every example and page that it names is there.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.shares import one_in
from tinygrad_edu.cli import main

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LINES = 60
ARTICLES = ROOT / "docs/articles.md"
COMMANDS = list(
    dict.fromkeys(
        shown or inline
        for shown, inline in re.findall(
            r"^\$ (tinygrad-edu .*?) *(?:#.*)?$|`(tinygrad-edu [^`]+)`",
            ARTICLES.read_text("utf-8"),
            re.M,
        )
    )
)


def run(script: Path, folder: Path, *arguments: str) -> str:
    """What an example prints, started in `folder` with warnings as errors."""
    found = subprocess.run(
        [sys.executable, "-W", "error", str(script), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    return found.stdout


def blank(picture: Path) -> bool:
    """Whether all of a picture has one colour."""
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("L"))
    return bool(np.ptp(pixels) < 100)


def test_there_are_twelve_in_order() -> None:
    assert [path.name[:3] for path in EXAMPLES] == [f"{number:02}_" for number in range(1, 13)]


# A third in `make test`: together they take half a minute.
@pytest.mark.parametrize("script", one_in(4, EXAMPLES))
def test_it_runs_prints_and_draws(script: Path, tmp_path: Path) -> None:
    printed = run(script, tmp_path, "pictures")
    assert len(printed.split()) >= 5
    pictures = sorted((tmp_path / "pictures").glob("*.png"))
    assert pictures
    for picture in pictures:
        assert picture.name.startswith(script.name[:3])
        assert not blank(picture)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_without_a_folder_it_draws_into_runs(tmp_path: Path) -> None:
    run(EXAMPLES[0], tmp_path)
    assert not blank(tmp_path / "runs/examples/01_scalar_graph.png")


def test_a_blank_picture_is_found(tmp_path: Path) -> None:
    path = tmp_path / "white.png"
    Image.new("RGB", (40, 30), "white").save(path)
    assert blank(path)


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_it_is_short_and_the_gallery_can_show_it(script: Path) -> None:
    text = script.read_text("utf-8")
    assert len(text.splitlines()) < LINES
    title, underline, empty, *words = (ast.get_docstring(ast.parse(text)) or "").splitlines()
    assert underline == "=" * len(title)
    assert empty == ""
    assert words
    assert "\n# %%\n# " in text


def test_the_articles_page_names_every_example_and_nothing_that_is_not_there() -> None:
    text = ARTICLES.read_text("utf-8")
    named = set(re.findall(r"\]\(\.\./(examples/\w+\.py)\)", text))
    assert named == {f"examples/{path.name}" for path in EXAMPLES}
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose):
        assert (ARTICLES.parent / link).exists(), link


def test_the_articles_page_has_commands() -> None:
    assert len(COMMANDS) >= 8


@pytest.mark.thorough
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_articles_page_run(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They do, and write what they draw; what the page says of the remedies is what comes out."""
    arguments = shlex.split(command)[1:]
    if arguments[0] == "check":
        assert main(arguments) == 0
        return
    folder = tmp_path / "out"
    assert main([*arguments, "--out", str(folder)]) == 0
    assert len(list(folder.iterdir())) > 0
    if "--remedy" in arguments:
        rows = re.findall(r"^(\S.*?)  +\S+  +\S+  \d of 2  (.*)$", capsys.readouterr().out, re.M)
        said = dict(rows)
        assert said["ReLU, weights as before"] == said["He initialisation"] == "no help"
        assert said["ReLU and He initialisation"] == "cured"
        assert said["Xavier initialisation"] == "nothing to change"
        assert said["BatchNorm"] == "no help"
