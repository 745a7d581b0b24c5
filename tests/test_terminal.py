"""What is printed: plain lines in a pipe, more on a terminal, and a transcript of either."""

from __future__ import annotations

import io
import re
from unicodedata import east_asian_width

import pytest

from tinygrad_edu.terminal import Terminal

ROWS = [["one neuron", "0 of 3", "0.25"], ["変える", "12 of 3", "0.001"], ["", "1", "nan"]]
COLUMNS = ["network", "学習成功", "loss"]


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def columns(text: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def plain(text: str) -> str:
    """Without the codes that colour a terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_a_pipe_gets_plain_lines_at_once() -> None:
    class Pipe(io.StringIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1

    pipe = Pipe()
    terminal = Terminal(pipe)
    terminal.say("损失 [bold]δ[/bold] :smile:")
    terminal.say()
    assert pipe.getvalue() == "损失 [bold]δ[/bold] :smile:\n\n"
    assert pipe.flushed == 2
    assert terminal.lines == ["损失 [bold]δ[/bold] :smile:", ""]


def test_the_standard_output_is_where_lines_go(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().say("hello")
    assert capsys.readouterr().out == "hello\n"


def test_columns_of_a_table_end_together_in_any_script() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    terminal.table(COLUMNS, ROWS)
    lines = stream.getvalue().splitlines()
    assert lines == terminal.lines
    assert [line.split() for line in lines] == [
        [word for cell in row for word in cell.split()] for row in (COLUMNS, *ROWS)
    ]
    assert {columns(line) for line in lines} == {10 + 2 + 8 + 2 + 5}
    assert {
        columns(line[: line.rindex(row[2])]) + len(row[2])
        for line, row in zip(lines, (COLUMNS, *ROWS), strict=True)
    } == {27}


def test_an_empty_table_is_its_head() -> None:
    stream = io.StringIO()
    Terminal(stream).table(["epoch", "loss"], [])
    assert stream.getvalue() == "epoch  loss\n"


def test_a_pipe_shows_no_progress() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    with terminal.progress("training", 10) as advance:
        for done in range(10):
            advance(done)
    assert stream.getvalue() == ""
    assert terminal.lines == []


def test_a_terminal_shows_a_bar_and_takes_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich", reason="rich is an extra (2026-11-22)")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Screen()
    terminal = Terminal(screen)
    with terminal.progress("training", 10) as advance:
        advance(5)
        terminal.say("Epoch 5")
    shown = screen.getvalue()
    assert "training" in shown
    assert "━" in shown
    assert "Epoch 5\n" in plain(shown)
    assert shown.rstrip().endswith("\x1b[2K")  # its line is cleared
    assert shown.count("\x1b[?25h") == shown.count("\x1b[?25l") == 1  # and the cursor is back
    assert terminal.lines == ["Epoch 5"]


def test_the_cursor_is_back_after_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich", reason="rich is an extra (2026-11-22)")
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    terminal = Terminal(screen)

    def interrupted() -> None:
        with terminal.progress("training", 10):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "\x1b[?25h" in screen.getvalue()


def test_a_terminal_shows_lines_and_tables_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich", reason="rich is an extra (2026-11-22)")
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()
    terminal = Terminal(screen)
    terminal.say("a [bold]line[/bold] of runs/:smile:/" + "x" * 100)
    terminal.table(COLUMNS, [*ROWS, ["[red]", ":cat:", "0"]])
    lines = plain(screen.getvalue()).splitlines()
    assert lines[0] == "a [bold]line[/bold] of runs/:smile:/" + "x" * 100
    assert [line.split() for line in lines[1:]] == [line.split() for line in terminal.lines[1:]]
    assert lines[5].split() == ["[red]", ":cat:", "0"]


@pytest.mark.parametrize("unset", [True, False])
def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch, unset: bool) -> None:
    pytest.importorskip("rich", reason="rich is an extra (2026-11-22)")
    monkeypatch.setenv("TERM", "xterm-256color")
    if unset:
        monkeypatch.delenv("NO_COLOR", raising=False)
    else:
        monkeypatch.setenv("NO_COLOR", "1")
    screen = Screen()
    with Terminal(screen).progress("training", 10) as advance:
        advance(5)
    coloured = re.search(r"\x1b\[(3[0-7]|9[0-7]|38;)", screen.getvalue())
    assert bool(coloured) == unset


def test_without_rich_a_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_edu.terminal.find_spec", lambda name: None)
    screen = Screen()
    terminal = Terminal(screen)
    with terminal.progress("training", 10) as advance:
        advance(5)
        terminal.say("Epoch 5")
    terminal.table(["epoch"], [["5"]])
    assert screen.getvalue() == "Epoch 5\nepoch\n    5\n"
