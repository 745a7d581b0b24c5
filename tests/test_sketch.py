"""`tinygrad-edu graph`: a formula in, text and pictures out."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tinygrad_edu import cli


def call(*arguments: str) -> int:
    """The exit code of the command."""
    try:
        return cli.main(["graph", *arguments])
    except SystemExit as left:
        return int(left.code or 0)


def test_a_formula_is_printed_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("x=2; y=-3; z=relu(x*y+10)**2", "--out", str(tmp_path), "--step") == 0
    said = capsys.readouterr().out
    # d/dx relu(xy + 10)² = 2(xy + 10)y
    assert "x   value 2   gradient -24" in said
    assert "z = relu(x * y + 10) ** 2" in said
    assert "∂z/∂x = 2 * relu(u) * (u > 0) * y, where u = x * y + 10" in said
    assert {path.name for path in tmp_path.iterdir()} == {"graph.dot", "graph.svg", "steps.html"}
    ElementTree.fromstring((tmp_path / "graph.svg").read_text(encoding="utf-8"))
    assert "z" in (tmp_path / "steps.html").read_text(encoding="utf-8")


def test_an_array_result_is_summed_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("x = [1, 2]; x * x", "--out", str(tmp_path), "--lang", "ja") == 0
    assert "勾配はその合計に対するもの" in capsys.readouterr().out


def test_a_constant_has_no_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("x = 2", "--no-plots") == 0
    assert "there is no gradient" in capsys.readouterr().out


def test_what_is_not_finite_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("x = -1; log(x)", "--no-plots") == 0
    assert "not defined here" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["x = 2; y = foo(x)", "y = x +", "", "x.y", "'a'"])
def test_a_mistake_is_pointed_at_and_writes_nothing(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    assert call(text, "--out", str(folder)) == 2
    told = capsys.readouterr()
    assert told.err.startswith("tinygrad-edu graph: ")
    assert not told.out
    assert not folder.exists()


@pytest.mark.parametrize("form", ["svg", "png", "pdf", "html"])
def test_each_format_is_written(form: str, tmp_path: Path) -> None:
    assert call("x = 2; tanh(x)", "--out", str(tmp_path), "--format", form) == 0
    assert (tmp_path / f"graph.{form}").stat().st_size > 500
