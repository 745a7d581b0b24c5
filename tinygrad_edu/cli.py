"""The command line: parses, calls, prints."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from . import __version__, xor
from .activations import named
from .errors import UnknownNameError
from .terminal import Terminal


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tinygrad-edu`; returns the exit code: 0, 2 for a bad option, 130 for Ctrl-C."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a pipe without Unicode still gets its lines
    parser = make_parser()
    options = parser.parse_args(arguments)
    settings = xor.Settings(
        **{field.name: getattr(options, field.name) for field in fields(xor.Settings)}
    )
    terminal = Terminal()
    try:
        xor.run(settings, terminal, xor.command_line(arguments))
    except (UnknownNameError, OSError) as error:
        print(f"tinygrad-edu xor: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nStopped. What was finished is in {settings.out}.", file=sys.stderr)
        return 130
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The options of every command."""
    parser = argparse.ArgumentParser(
        prog="tinygrad-edu",
        description="Build small models, look at computation graphs, verify derivatives.",
    )
    parser.add_argument("--version", action="version", version=f"tinygrad-edu {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    command = commands.add_parser(
        "xor",
        help="one neuron cannot learn XOR, a hidden layer can: train both and draw everything",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    defaults = xor.Settings()
    add = command.add_argument
    add("--hidden", type=whole(1), default=defaults.hidden, help="hidden units")
    add("--activation", type=activation, default=defaults.activation, help="of the hidden layer")
    add("--optimizer", default=defaults.optimizer, help="update rule")
    add("--epochs", type=whole(1), default=defaults.epochs, help="passes over the four points")
    add("--lr", type=positive, default=defaults.lr, help="learning rate")
    add("--seed", type=whole(0), default=defaults.seed, help="of the initial weights")
    add("--seeds", type=whole(0), default=0, help="repeat over this many seeds as well")
    add("--out", type=Path, default=defaults.out, help="folder for the results")
    add("--lang", choices=("en", "ja"), default=defaults.lang, help="language")
    add("--no-plots", dest="plots", action="store_false", help="tables only, no pictures")
    return parser


def whole(least: int) -> Callable[[str], int]:
    """A parser of whole numbers that are at least `least`."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"give a whole number from {least} up, not {text!r}")
        return number

    return parse


def positive(text: str) -> float:
    """A positive finite number."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"give a positive number, not {text!r}")
    return number


def activation(text: str) -> Any:
    """The name of an activation that exists."""
    try:
        return named(text).name
    except UnknownNameError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
