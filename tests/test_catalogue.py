"""The command `activations`: what it lists and tells, which files it writes, what it refuses."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

import tinygrad_edu as te
from tests.draw.test_training import HAS_JAPANESE
from tests.shares import one_in
from tinygrad_edu import catalogue, cli
from tinygrad_edu.activations.card import alternative_text
from tinygrad_edu.terminal import Terminal

SIXTEEN = [*te.ACTIVATIONS][:16]
LANGUAGES = ["en", *(["ja"] if HAS_JAPANESE else [])]
SVG = "{http://www.w3.org/2000/svg}"
FORMATS = ["png", "svg", "pdf"]
FOLDER = Path("runs/activations")
Drawn = list[tuple[str, tuple[Any, ...], dict[str, Any]]]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No run of these tests writes into the folder that they are started from."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """Every drawing that is asked for; an empty figure stands for it."""
    calls: Drawn = []

    def instead(name: str) -> Callable[..., Figure]:
        def draw(*arguments: Any, **options: Any) -> Figure:
            calls.append((name, arguments, options))
            return Figure((1, 1))

        return draw

    for name in ("activation", "activations", "surfaces", "comparison"):
        monkeypatch.setattr(te.draw, name, instead(name))
    return calls


def call(*arguments: str) -> int:
    """The exit code of the command, run in this process."""
    try:
        return cli.main(["activations", *arguments])
    except SystemExit as left:
        return int(left.code or 0)


def files() -> list[str]:
    return sorted(path.name for path in Path().rglob("*") if path.is_file())


# ---- lists and cards ----


def test_the_list_is_the_sixteen_of_the_article_in_its_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call("--no-plots") == 0
    first, heads, *rows, last = capsys.readouterr().out.splitlines()
    assert first == "The sixteen of the second article:"
    assert heads.split() == ["No.", "name", "range", "f(x)"]
    assert [row.split()[:2] for row in rows] == [[str(i + 1), n] for i, n in enumerate(SIXTEEN)]
    assert rows[13].endswith("x * tanh(softplus(x))")
    assert "tinygrad-edu activations --all" in last
    assert files() == []


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_all_lists_the_rest_too(lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--all", "--no-plots", "--lang", lang) == 0
    lines = capsys.readouterr().out.splitlines()
    numbered = [line.split()[:2] for line in lines if re.match(r" *\d+ ", line)]
    assert numbered == [[str(i + 1), name] for i, name in enumerate(te.ACTIVATIONS)]
    heading = {"en": "And these:", "ja": "そのほか:"}[lang]
    assert lines.index(heading) == 18  # after a heading, the columns' heads and sixteen rows
    assert "--all" not in lines[-1]


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("everything", [False, True])
def test_cards_are_those_of_the_library(
    lang: str, everything: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--no-plots", "--lang", lang, *(["--all"] if everything else [])]
    assert call("mish", "glu", *options) == 0
    timed = re.compile(r"(10⁶ .*?)[\d.]+$", re.MULTILINE)  # the cost differs from run to run
    cards = [str(te.ACTIVATIONS[name].card(lang, everything)) for name in ("mish", "glu")]
    expected = "\n\n".join(cards) + "\n"
    assert timed.sub(r"\1", capsys.readouterr().out) == timed.sub(r"\1", expected)
    assert files() == []


def test_a_name_given_twice_is_shown_once(drawn: Drawn, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("relu", "relu") == 0
    out = capsys.readouterr().out
    assert out.count("[relu]") == 1
    assert out.count("Wrote") == 1
    assert [name for name, *_ in drawn] == ["activation"]


# ---- which pictures ----


PICTURES: Mapping[str, Mapping[str, tuple[Any, Any]]] = {
    "": {"activations": (None, (-5, 5)), "derivatives": (SIXTEEN, (-5, 5))},
    "--domain centre": {"activations": (None, (-2, 2)), "derivatives": (SIXTEEN, (-2, 2))},
    "--domain=-1,4": {"activations": (None, (-1, 4)), "derivatives": (SIXTEEN, (-1, 4))},
    "mish": {"mish": ("mish", None)},
    "mish --domain article": {"mish": ("mish", (-5, 5))},
    "mish --domain 0,2.5": {"mish": ("mish", (0, 2.5))},
    "mish glu": {
        "mish": ("mish", None),
        "glu": ("glu", None),
        "activations": (("mish", "glu"), (-5, 5)),
    },
    "--surface": {"surfaces": (None, "article"), "surfaces_centre": (None, "centre")},
    "--surface --domain article": {"surfaces": (None, "article")},
    "--surface --domain centre": {"surfaces_centre": (None, "centre")},
    "mish relu --surface --domain=-3,3": {"surfaces": (("mish", "relu"), (-3, 3))},
}


@pytest.mark.parametrize("options", PICTURES)
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_pictures_are_those_asked_for(
    options: str, lang: str, drawn: Drawn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*options.split(), "--lang", lang) == 0
    expected = PICTURES[options]
    assert files() == sorted(f"{stem}.png" for stem in expected)
    out = capsys.readouterr().out
    wrote = {"en": "Wrote", "ja": "保存しました"}[lang]
    assert re.findall(f"{wrote}: (.*)", out) == [str(FOLDER / f"{stem}.png") for stem in expected]
    assert len(drawn) == len(expected)
    for (_, arguments, given), (names, domain) in zip(drawn, expected.values(), strict=True):
        curves = [n for n in names if te.ACTIVATIONS[n].elementwise] if names is SIXTEEN else names
        assert (arguments[0] if arguments else None) == curves
        assert given["domain"] == domain
        assert given["lang"] == lang


def test_all_draws_the_derivatives_of_every_curve(drawn: Drawn) -> None:
    assert call("--all") == 0
    _, (names,), options = drawn[1]
    assert names == [name for name, each in te.ACTIVATIONS.items() if each.elementwise]
    assert options["slopes"] is True


def test_a_comparison_is_a_table_a_caption_and_a_picture(
    drawn: Drawn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("linear", "tanh", "--compare", "xor", "--seeds", "2", "--out", "here") == 0
    heads, *rows, caption, blank, wrote = capsys.readouterr().out.splitlines()
    assert heads.startswith("activation  epochs to 95 %")
    assert [row.split()[0] for row in rows] == ["tanh", "linear"]
    assert re.search(r" never +0/2 ", rows[1])
    assert "2-8-1" in caption
    assert (blank, wrote) == ("", f"Wrote: {Path('here/compare_xor.png')}")
    ((name, (result,), _),) = drawn
    assert (name, result.seeds, len(result.rows)) == ("comparison", 2, 2)


# ---- files ----


@pytest.mark.parametrize("lang", one_in(2, reversed(LANGUAGES)))
@pytest.mark.parametrize("kind", one_in(2, FORMATS))
def test_files_are_whole_say_what_they_show_and_are_the_same_twice(kind: str, lang: str) -> None:
    options = ["tanh", "--format", kind, "--lang", lang, "--out"]
    assert call(*options, "one") == call(*options, "two") == 0
    assert files() == [f"tanh.{kind}"] * 2
    first, second = (Path(folder, f"tanh.{kind}").read_bytes() for folder in ("one", "two"))
    assert first == second
    said = alternative_text("tanh", lang)
    if kind == "svg":
        root = ElementTree.fromstring(first)
        assert root.tag == f"{SVG}svg"
        dublin = "{http://purl.org/dc/elements/1.1/}"
        assert [each.text for each in root.iter(f"{SVG}title")] == ["tanh"]
        assert [each.text for each in root.iter(f"{dublin}description")] == [said]
        assert not list(root.iter(f"{dublin}date"))
    elif kind == "png":
        image = matplotlib.image.imread(io.BytesIO(first))
        assert image.ndim == 3
        assert np.ptp(image) > 0.9  # black on white
        from PIL import Image

        with Image.open(io.BytesIO(first)) as opened:
            known: dict[str, str] = opened.text  # type: ignore[attr-defined]
        assert (known["Title"], known["Description"]) == ("tanh", said)
    else:
        assert first.startswith(b"%PDF-1")
        assert first.rstrip().endswith(b"%%EOF")
        assert b"/Title (tanh)" in first
        # A text beyond ASCII is UTF-16 in PDF, with a mark of byte order.
        ascii_only = said.isascii()
        assert (said.encode() if ascii_only else b"\xfe\xff") in first.replace(b"\\", b"")
        assert b"CreationDate" not in first


def test_a_comparison_in_real_ink() -> None:
    for lang in LANGUAGES:
        line = ["relu", "--compare", "xor", "--seeds", "1", "--format", "svg", "--lang", lang]
        assert call(*line) == 0
        root = ElementTree.parse(FOLDER / "compare_xor.svg").getroot()
        assert sum(each.tag.endswith("}path") for each in root.iter()) > 10


# ---- what is refused ----


BAD_OPTIONS = {
    "Mish": "no activation 'Mish'; write 'mish'",
    "mish LogSigmoid": "no activation 'LogSigmoid'; write 'log_sigmoid'",
    "--domain 3,1": "two numbers as -3,3 (from low to high), not '3,1'",
    "--domain nan,1": "not 'nan,1'",
    "--domain 0,inf": "not '0,inf'",
    "--domain 1,2,3": "not '1,2,3'",
    "--domain middle": "give article, centre, or two numbers",
    "--compare moon": "invalid choice: 'moon' (choose from",
    "--seeds 0": "give a whole number from 1 to 1000, not '0'",
    "--format jpg": "invalid choice: 'jpg'",
    "--lang fr": "invalid choice: 'fr'",
    "--out file": "file is a file; choose another folder",
    "relu glu --compare xor": "leave it out",
    "swiglu --compare xor --no-plots": "leave it out",
}


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_a_bad_option_gets_one_line_and_code_2(
    options: str, drawn: Drawn, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").write_text("precious")
    assert call(*options.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("tinygrad-edu activations: ")
    assert BAD_OPTIONS[options] in err
    assert drawn == []
    assert files() == ["file"]
    assert Path("file").read_text() == "precious"


def test_a_picture_that_cannot_be_saved_leaves_no_part_of_it(
    drawn: Drawn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(figure: Figure, path: Any, **_: object) -> NoReturn:
        path.write(b"half a")
        raise OSError("No space left on device")

    monkeypatch.setattr(Figure, "savefig", broken)
    assert call("mish") == 2
    assert capsys.readouterr().err == "tinygrad-edu activations: No space left on device\n"
    assert files() == []


def test_a_missing_japanese_font_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> NoReturn:
        raise ImportError('no font: pip install "tinygrad_edu[ja]"')

    monkeypatch.setattr("tinygrad_edu.draw.style._japanese_family", missing)
    assert call("mish", "--lang", "ja") == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert 'pip install "tinygrad_edu[ja]"' in err
    assert files() == []
    assert call("mish", "--lang", "ja", "--no-plots") == 0


# ---- terminals and pipes ----


def test_both_languages_have_the_same_words() -> None:
    assert catalogue.TEXTS["en"].keys() == catalogue.TEXTS["ja"].keys()


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("plain", [True, False])
def test_no_color_is_respected(plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich", reason="rich is an extra (2026-11-22)")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if plain:
        monkeypatch.setenv("NO_COLOR", "1")
    screen = Screen()
    settings = catalogue.Settings(("linear", "relu"), task="xor", seeds=1, plots=False)
    catalogue.run(settings, Terminal(screen))
    shown = screen.getvalue()
    assert bool(re.search(r"\x1b\[(3[0-7]|9[0-7]|38;)", shown)) != plain
    assert "━" in shown
    assert shown.count("\x1b[?25h") == shown.count("\x1b[?25l") > 0


def test_a_pipe_gets_plain_lines_even_without_unicode() -> None:
    paths = [str(Path(te.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    line = "-W error -m tinygrad_edu activations mish --no-plots --lang ja"
    done = subprocess.run(
        [sys.executable, *line.split()],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        encoding="ascii",
        check=True,
    )
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "f(x) = x * tanh(softplus(x))" in done.stdout
