"""The command as a learner meets it: options, one-line errors, pipes, terminals and Ctrl-C."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

import tinygrad_edu as te
from tinygrad_edu import cli, tasks, xor

MODULE = [sys.executable, "-m", "tinygrad_edu"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No run of these tests writes into the folder that they are started from."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> NoReturn:
        raise AssertionError("trained")

    monkeypatch.setattr(te.check, "model", never)
    monkeypatch.setattr(xor, "learn", never)


def call(*arguments: str) -> int:
    """The exit code of the command, run in this process."""
    try:
        return cli.main(arguments)
    except SystemExit as left:
        return int(left.code or 0)


# ---- options ----


def test_options_become_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    monkeypatch.setattr(xor, "run", lambda *arguments: given.append(arguments))
    assert call("xor") == 0
    assert given[0][0] == xor.Settings()
    line = "xor --hidden 3 --activation relu --optimizer sgd --epochs 5 --lr 1e-2 --seed 7 "
    line += "--seeds 2 --compile --out a/b --lang ja --no-plots"
    assert call(*line.split()) == 0
    settings, _, command = given[1]
    wanted = xor.Settings(3, "relu", "sgd", 5, 0.01, 7, 2, True, Path("a/b"), "ja", False)
    assert settings == wanted
    assert command.endswith(line)


BAD_OPTIONS = {
    "--activation LogSigmoid": "no activation 'LogSigmoid'; write 'log_sigmoid'",
    "--activation ReLU": "no activation 'ReLU'; write 'relu'",
    "--activation": "expected one argument",
    "--optimizer adamax": "no optimiser 'adamax'; there is adam, adamw or adagrad",
    "--epochs -3": "--epochs: give a whole number from 1 up, not '-3'",
    "--epochs 0": "--epochs: give a whole number from 1 up, not '0'",
    "--epochs 1e3": "--epochs: give a whole number from 1 up, not '1e3'",
    "--hidden 0": "--hidden: give a whole number from 1 to 10000, not '0'",
    "--hidden 10000000000000000000": "--hidden: give a whole number from 1 to 10000",
    "--seeds -1": "--seeds: give a whole number from 0 to 10000, not '-1'",
    "--seed -1": "--seed: give a whole number from 0 up, not '-1'",
    "--lr nan": "--lr: give a positive number, not 'nan'",
    "--lr inf": "--lr: give a positive number, not 'inf'",
    "--lr 0": "--lr: give a positive number, not '0'",
    "--lr -0.1": "--lr: give a positive number, not '-0.1'",
    "--lr fast": "--lr: give a positive number, not 'fast'",
    "--lang fr": "invalid choice: 'fr'",
    "--out file": "file is a file; choose another folder",
    "--out file/below": "file is a file; choose another folder",
    "--momentum 0.9": "unrecognized arguments",
    "surplus": "unrecognized arguments: surplus",
}


@pytest.mark.parametrize("options", [*BAD_OPTIONS])
@pytest.mark.usefixtures("untrained")
def test_a_bad_option_gets_one_line_and_code_2(
    options: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("precious")
    assert call("xor", *options.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("tinygrad-edu")
    assert BAD_OPTIONS[options] in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.usefixtures("untrained")
def test_a_folder_that_cannot_be_written_to_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # permission bits do not stop root
    assert call("xor", "--out", "locked") == 2
    assert capsys.readouterr() == (
        "",
        "tinygrad-edu xor: cannot write into the folder locked: Permission denied; "
        "choose a folder you may write to\n",
    )


@pytest.mark.usefixtures("untrained")
def test_a_missing_japanese_font_gets_one_line_before_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> NoReturn:
        raise ImportError("no font")

    monkeypatch.setattr("tinygrad_edu.draw.style._japanese_family", missing)
    assert call("xor", "--lang", "ja") == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert 'pip install "tinygrad_edu[ja]"' in err


def test_too_little_memory_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> NoReturn:
        raise MemoryError("Unable to allocate 149. GiB")

    monkeypatch.setattr(xor, "run", full)
    assert call("xor") == 2
    assert capsys.readouterr().err == (
        "tinygrad-edu xor: Unable to allocate 149. GiB; lower --hidden or --seeds\n"
    )


def test_a_full_disk_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, text: str) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(xor, "write_text", full)
    assert call("xor", "--epochs", "1", "--no-plots", "--out", "here") == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "losses.csv" in err


@pytest.mark.parametrize(("arguments", "said"), [((), "command"), (("xoor",), "'xor'")])
def test_a_missing_or_unknown_command_gets_one_line(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert said in err
    assert "--help" in err


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out == f"tinygrad-edu {te.__version__}\n"
    assert call("--help") == 0
    assert "xor" in capsys.readouterr().out
    assert call("xor", "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert all(name in shown for name in te.ACTIVATIONS)
    for default in ("8", "tanh", "sgd", "10000", "0.1", "runs/xor", "en"):
        assert f"(default: {default})" in shown
    assert "(default: True)" not in shown


# ---- train ----


def test_train_has_the_defaults_of_each_task(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    monkeypatch.setattr(tasks, "run", lambda *arguments: given.append(arguments))
    for name, task in tasks.TASKS.items():
        assert call("train", name) == 0
        settings, _, command = given.pop()
        assert settings == task.defaults
        assert settings.task == name
        assert command.endswith(f"train {name}")


def test_options_of_train_become_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    monkeypatch.setattr(tasks, "run", lambda *arguments: given.append(arguments))
    line = "train digits --layers 32,gelu,10 --optimizer adamw --lr 1e-3 --epochs 7 --batch 64 "
    line += "--schedule warm-up --clip 0.5 --weight-decay 0.01 --patience 4 --seed 3 --seeds 2 "
    line += "--compile --resume --out a/b --lang ja --no-plots"
    assert call(*line.split()) == 0
    settings, _, command = given[0]
    assert settings == tasks.Settings(
        *("digits", "32,gelu,10", 7, 64, Path("a/b"), "adamw", 1e-3, "warm-up", 0.5, 0.01, 4, 3, 2),
        resume=True,
        compile=True,
        lang="ja",
        plots=False,
    )
    assert command.endswith(line)


BAD_TRAINING = {
    "": "the following arguments are required: task",
    "moon": "invalid choice: 'moon'",
    "--epochs 3": "invalid choice: '3'",
    "digits --layers": "expected one argument",
    "digits --layers 64,relu,5": "the last layer has width 5, and this task has 10 outputs; write",
    "moons --layers 8,ReLLU,1": "no layer 'rellu'; there is relu",
    "moons --layers rnn:4,1": "rnn needs sequences",
    "moons --optimizer adma": "no optimiser 'adma'; there is adam",
    "moons --optimizer gd --weight-decay 0.1": "gd has no weight decay; write --optimizer sgd",
    "moons --schedule linear": "there is cosine, step, warm-up, plateau and none",
    "moons --lr 0": "--lr: give a positive number, not '0'",
    "moons --epochs 0": "--epochs: give a whole number from 1 up, not '0'",
    "moons --batch 0": "--batch: give a whole number from 1 up, not '0'",
    "moons --clip 0": "--clip: give a positive number, not '0'",
    "moons --clip nan": "--clip: give a positive number, not 'nan'",
    "moons --weight-decay -1": "--weight-decay: give a number from 0 up, not '-1'",
    "moons --weight-decay inf": "--weight-decay: give a number from 0 up, not 'inf'",
    "moons --weight-decay much": "--weight-decay: give a number from 0 up, not 'much'",
    "moons --patience -1": "--patience: give a whole number from 0 up, not '-1'",
    "moons --seed -1": "--seed: give a whole number from 0 up, not '-1'",
    "moons --seeds 1001": "--seeds: give a whole number from 0 to 1000, not '1001'",
    "moons --lang fr": "invalid choice: 'fr'",
    "moons --out file": "file is a file; choose another folder",
    "moons --hidden 3": "unrecognized arguments: --hidden 3; see tinygrad-edu train moons --help",
    "moons --nesterov": "arguments: --nesterov; see tinygrad-edu train moons --help",
    "moons --weight_decay 0.1": "(is it --weight-decay?); see tinygrad-edu train moons --help",
    "moons --layers -3,1": "no layer '-3'; there is a width from 1 to 10000",
    "moons --layers 16,exp,1": "no layer 'exp'; there is a width from 1 to 10000, an activation",
    "digits --layers --seed 3": "argument --layers: expected one argument",
    "moons --layers 4,batchnorm,relu,1 --batch 133": "a single row; write --batch 132",
}


@pytest.mark.parametrize("options", [*BAD_TRAINING])
def test_a_bad_option_of_train_gets_one_line_and_code_2(
    options: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object, **__: object) -> NoReturn:
        raise AssertionError("trained")

    monkeypatch.setattr(te.train, "fit", never)
    (tmp_path / "file").write_text("precious")
    assert call("train", *options.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("tinygrad-edu")
    assert BAD_TRAINING[options] in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_help_of_train_names_the_defaults_of_the_task(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call("train", "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert all(name in shown for name in tasks.TASKS)
    assert call("train", "sequence", "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    for default in ("rnn:16,1", "adam", "30", "32", "cosine", "runs/sequence", "en", "0.0"):
        assert f"(default: {default})" in shown
    assert "(default: gd 0.2, sgd 0.2" in shown
    assert "rnn:16 a recurrent layer" in shown
    assert "None" not in shown
    assert call("train", "digits", "--help") == 0
    assert "rnn" not in capsys.readouterr().out


def test_train_returns_1_for_a_training_that_diverges(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = "train moons --no-plots --epochs 3 --lr 1e200 --optimizer sgd"
    assert call(*line.split()) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert "The training has diverged. epoch 1, step 2 of 13: " in out


def test_an_interrupted_training_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    fit = te.train.fit
    monkeypatch.setattr(te.train, "fit", stop)
    assert call("train", "moons", "--no-plots") == 130
    assert capsys.readouterr().err == "\nStopped before the first epoch was finished.\n"
    assert call("train", "moons", "--no-plots", "--lang", "ja") == 130
    assert capsys.readouterr().err == "\n最初のエポックが終わる前に中断しました。\n"
    monkeypatch.setattr(te.train, "fit", fit)
    monkeypatch.setattr(te.train, "evaluate", stop)
    short = ("train", "moons", "--no-plots", "--epochs", "1", "--layers", "1")
    assert call(*short) == 130
    assert capsys.readouterr().err == (
        f"\nStopped. What was finished is in {Path('runs/moons')}. "
        "The same command with --resume goes on from there.\n"
    )


def test_train_says_what_to_lower_where_memory_is_short(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> NoReturn:
        raise MemoryError("Unable to allocate 149. GiB")

    monkeypatch.setattr(tasks, "run", full)
    assert call("train", "moons") == 2
    assert capsys.readouterr().err.endswith("GiB; lower the widths in --layers, or --batch\n")


@pytest.mark.parametrize("compiled", ["", "--compile"])
def test_a_training_that_diverges_says_so_without_a_warning(
    compiled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "xor --no-plots --epochs 3 --lr 1e308 --activation linear --hidden 20"
    assert call(*line.split(), *compiled.split()) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "Loss nan: the training has diverged. Try a smaller --lr." in out
    assert "Predicted: nan, Target: 0 ✗" in out


def test_an_interrupt_in_this_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(xor, "learn", stop)
    assert call("xor", "--no-plots") == 130
    out, err = capsys.readouterr()
    assert err == f"\nStopped. What was finished is in {Path('runs/xor')}.\n"
    assert (tmp_path / "runs" / "xor" / "transcript.txt").read_text() == out
    assert call("xor", "--no-plots", "--lang", "ja") == 130
    assert capsys.readouterr().err == (
        f"\n中断しました。終わったところまでは {Path('runs/xor')} にあります。\n"
    )


# ---- in a process of its own ----


def environment(**changes: str) -> dict[str, str]:
    plain = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "COLUMNS"}}
    paths = [str(Path(te.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return plain | {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | changes


SHORT = ["xor", "--epochs", "20", "--no-plots"]


def test_a_pipe_gets_plain_lines() -> None:
    done = subprocess.run(
        [*MODULE, *SHORT, "--seeds", "2"],
        env=environment(PYTHONIOENCODING="utf-8", FORCE_COLOR="0"),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "━" not in done.stdout
    assert done.stdout.startswith("Gradient check: 33 of 33")
    transcript = Path("runs/xor/transcript.txt").read_text(encoding="utf-8")
    assert done.stdout == transcript


def test_a_pipe_that_knows_no_unicode_gets_its_lines() -> None:
    done = subprocess.run(
        [*MODULE, *SHORT, "--lang", "ja"],
        env=environment(PYTHONIOENCODING="ascii"),
        capture_output=True,
        encoding="ascii",
        check=True,
    )
    assert done.stderr == ""
    assert "Input: [0 0], Predicted: 0.4861, Target: 0 ?" in done.stdout
    transcript = Path("runs/xor/transcript.txt").read_text(encoding="utf-8")
    assert "Input: [0 0], Predicted: 0.4861, Target: 0 ✓" in transcript


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    with subprocess.Popen(
        [*MODULE, *SHORT],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline().startswith("Gradient check")
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait(60) == 1


posix = pytest.mark.skipif(os.name != "posix", reason="Unix signals (2026-11-22)")


@posix
def test_control_c_ends_cleanly_and_keeps_what_is_finished() -> None:
    with subprocess.Popen(
        [*MODULE, "xor", "--epochs", str(10**9), "--out", "stopped"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("Epoch 1000"):
            lines.append(running.stdout.readline())
            assert lines[-1], "it ended by itself"
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err == "\nStopped. What was finished is in stopped.\n"
    assert [path.name for path in Path("stopped").iterdir()] == ["transcript.txt"]
    assert Path("stopped/transcript.txt").read_text() == "".join(lines) + out


@posix
@pytest.mark.parametrize("changes", [{}, {"NO_COLOR": "1"}])
def test_a_terminal_shows_progress(changes: Mapping[str, str]) -> None:
    pytest.importorskip("rich", reason="rich is an extra (2026-11-22)")
    shown = b"".join(on_a_terminal([*MODULE, *SHORT], changes)).decode()
    assert "━" in shown
    assert "The article's network: one sigmoid neuron " in shown
    assert "Epoch 0, Loss: 0.2744\r\n" in shown
    assert shown.count("\x1b[?25h") == shown.count("\x1b[?25l") > 0
    coloured = re.search(r"\x1b\[(3[0-7]|9[0-7]|38;)", shown)
    assert bool(coloured) == (not changes)
    transcript = Path("runs/xor/transcript.txt").read_text(encoding="utf-8")
    assert "━" not in transcript
    assert "\x1b" not in transcript


def on_a_terminal(command: list[str], changes: Mapping[str, str]) -> Iterator[bytes]:
    """What a command writes to a terminal of its own."""
    screen, line = os.openpty()
    with subprocess.Popen(
        command,
        env=environment(TERM="xterm-256color", COLUMNS="100", **changes),
        stdin=line,
        stdout=line,
        stderr=line,
    ) as running:
        os.close(line)
        while True:
            try:
                part = os.read(screen, 4096)
            except OSError:  # how Linux says that the other side is closed
                break
            if not part:
                break
            yield part
        os.close(screen)
        assert running.wait(60) == 0
