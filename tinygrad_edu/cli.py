"""The command line: parses, calls, prints."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from . import __version__, catalogue, checkup, sketch, tasks, verification, xor
from .activations import ACTIVATIONS, named
from .comparison import TASKS
from .draw.saving import FORMATS
from .errors import OperandError, RenderingError, UnknownNameError, closest
from .optim import OPTIMIZERS
from .runs import command_line
from .terminal import Terminal

TASK_HELP = {
    "moons": "two half circles of points that reach into each other",
    "circles": "a circle of points inside another",
    "spirals": "two arms of points that wind around each other",
    "digits": "images of handwritten digits (needs scikit-learn)",
    "sequence": "binary numbers to add, digit by digit",
}
STOPPED = {
    "en": ("Stopped.", " What was finished is in {out}."),
    "ja": ("中断しました。", "終わったところまでは {out} にあります。"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tinygrad-edu`; returns the exit code.

    0, 1 for a derivative found wrong or a training that diverged, 2 for a bad option, 130 for
    Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a pipe without Unicode still gets its lines
    # argparse takes -3,3 for an option unless it is joined to its own.
    given = list(arguments)
    for place in range(len(given) - 1, 0, -1):
        if given[place - 1] in ("--domain", "--layers") and re.match(r"-[\d.i]", given[place]):
            given[place - 1 : place + 1] = [f"{given[place - 1]}={given[place]}"]
    parser = make_parser()
    options = parser.parse_args(given)
    settings = options.settings(
        **{field.name: getattr(options, field.name) for field in fields(options.settings)}
    )
    program = f"tinygrad-edu {options.command}"
    try:
        # What overflows in a training that diverges is said by its numbers.
        with np.errstate(over="ignore", invalid="ignore"):
            code = options.run(settings, Terminal(), arguments)
    except BrokenPipeError:
        # The reader of the pipe, `head` for instance, has seen enough; keep the exit silent too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (
        UnknownNameError,
        RenderingError,
        OperandError,
        ImportError,
        ValueError,
        OSError,
    ) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"{program}: {error}; lower {options.memory}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        stopped, kept = STOPPED[getattr(settings, "lang", "en")]
        kept = kept.format(out=settings.out) if hasattr(settings, "out") else ""
        print(f"\n{interrupt}" if interrupt.args else f"\n{stopped}{kept}", file=sys.stderr)
        return 130
    return code or 0


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the options in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave with code 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what is unknown where it is, so that the help of this very command is named."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            name = next((word for word in unknown if word.startswith("--")), "")
            known = [word for word in self._option_string_actions if word.startswith("--")]
            near = closest(name.partition("=")[0], known, 1, fallback=False) if name else ""
            self.error(
                f"unrecognized arguments: {' '.join(unknown)}{f' (is it {near}?)' if near else ''}"
            )
        return found, unknown


def make_parser() -> argparse.ArgumentParser:
    """The options of every command."""
    parser = Parser(
        prog="tinygrad-edu",
        description="Build small models, look at computation graphs, verify derivatives.",
    )
    parser.add_argument("--version", action="version", version=f"tinygrad-edu {__version__}")
    parser.set_defaults(memory="--hidden or --seeds")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    add_xor(commands)
    add_train(commands)
    add_activations(commands)
    add_graph(commands)
    add_check(commands)
    add_flow(commands)
    return parser


def add_xor(commands: Any) -> None:
    """`tinygrad-edu xor`."""
    command = commands.add_parser(
        "xor",
        help="one neuron cannot learn XOR, a hidden layer can: train both and draw everything",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    defaults = xor.Settings()
    command.set_defaults(
        plots=True,
        settings=xor.Settings,
        run=lambda settings, terminal, arguments: xor.run(
            settings, terminal, command_line(arguments)
        ),
    )
    add = command.add_argument
    add(
        "--hidden", metavar="N", type=whole(1, 10_000), default=defaults.hidden, help="hidden units"
    )
    add(
        "--activation",
        metavar="NAME",
        type=activation,
        default=defaults.activation,
        help=f"of the hidden layer: {', '.join(ACTIVATIONS)}",
    )
    add(
        "--optimizer",
        metavar="NAME",
        default=defaults.optimizer,
        help=f"update rule: {', '.join(xor.OPTIMIZERS)}",
    )
    add("--epochs", metavar="N", type=whole(1), default=defaults.epochs, help="training steps")
    add("--lr", metavar="RATE", type=positive, default=defaults.lr, help="learning rate")
    add("--seed", metavar="N", type=whole(0), default=defaults.seed, help="of the initial weights")
    add(
        "--seeds",
        metavar="N",
        type=whole(0, 10_000),
        default=defaults.seeds,
        help="repeat over this many seeds as well",
    )
    add(
        "--compile",
        action="store_true",
        help="record a training step once and run it as one program, but for the network whose "
        "gradient is measured at each step: the same results, sooner",
    )
    add("--out", metavar="FOLDER", type=Path, default=defaults.out, help="for the results")
    add_lang_and_no_plots(add, defaults.lang, "tables only, no pictures and no report")


def add_train(commands: Any) -> None:
    """`tinygrad-edu train`, with a command for each task, whose defaults are its own."""
    command = commands.add_parser(
        "train",
        help=f"train a small model, whole, on {', '.join(tasks.TASKS)}, and draw what it learnt",
        epilog="tinygrad-edu train TASK --help lists the options, with the defaults of the task.",
    )
    kinds = command.add_subparsers(dest="task", required=True, metavar="task")
    for name, task in tasks.TASKS.items():
        add_task(kinds, name, task)


def add_task(kinds: Any, name: str, task: tasks.Task) -> None:
    """`tinygrad-edu train NAME`."""
    command = kinds.add_parser(
        name,
        help=TASK_HELP[name],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        epilog="The exit code is 1 if the training diverges.",
    )
    defaults = task.defaults
    command.set_defaults(
        lr=defaults.lr,
        clip=defaults.clip,
        plots=True,
        memory="the widths in --layers, or --batch",
        settings=tasks.Settings,
        run=lambda settings, terminal, arguments: tasks.run(
            settings, terminal, command_line(arguments)
        ),
    )
    add = command.add_argument
    recurrent = "rnn:16 a recurrent layer, " if task.kind == "sums" else ""
    add(
        "--layers",
        metavar="LIST",
        default=defaults.layers,
        help="of the model: a number is the width of a Linear layer, a name an activation, "
        f"{recurrent}dropout:0.2, batchnorm and layernorm what they say; the last number is "
        f"{task.outputs}",
    )
    add_optimizer_and_rate(add, defaults.optimizer, tasks.RATES)
    add(
        "--epochs", metavar="N", type=whole(1), default=defaults.epochs, help="passes over the data"
    )
    add("--batch", metavar="N", type=whole(1), default=defaults.batch, help="rows in a step")
    add(
        "--schedule",
        metavar="NAME",
        default=defaults.schedule,
        help=f"of the learning rate: {', '.join(tasks.SCHEDULES)}",
    )
    add(
        "--clip",
        metavar="NORM",
        type=positive,
        default=argparse.SUPPRESS,
        help="shorten gradients that are longer, all parameters taken together (default: none)",
    )
    add(
        "--weight-decay",
        metavar="SHARE",
        type=not_negative,
        default=defaults.weight_decay,
        help="how strongly weights are pulled towards 0",
    )
    add(
        "--patience",
        metavar="N",
        type=whole(0),
        default=defaults.patience,
        help="stop when the validation loss has not improved for N epochs, and keep the best "
        "weights; 0 never stops",
    )
    add(
        "--seed",
        metavar="N",
        type=whole(0),
        default=defaults.seed,
        help="of the initial weights and the order of the data",
    )
    add(
        "--seeds",
        metavar="N",
        type=whole(0, 1000),
        default=defaults.seeds,
        help="repeat over this many seeds as well",
    )
    add(
        "--compile",
        action="store_true",
        help="record a training step once and run it as one program: the same results, sooner",
    )
    add(
        "--resume",
        action="store_true",
        help="go on from the checkpoint in the folder, exactly as if never interrupted; the other "
        "options must be the same",
    )
    add("--out", metavar="FOLDER", type=Path, default=defaults.out, help="for the results")
    add_lang_and_no_plots(add, defaults.lang, "tables and weights only, no pictures and no report")


def add_activations(commands: Any) -> None:
    """`tinygrad-edu activations`."""
    command = commands.add_parser(
        "activations",
        help="list the activation functions, show their cards, draw them, compare them",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    defaults = catalogue.Settings()
    command.set_defaults(
        plots=True,
        settings=catalogue.Settings,
        run=lambda settings, terminal, arguments: catalogue.run(settings, terminal),
    )
    add = command.add_argument
    add(
        "names",
        metavar="NAME",
        nargs="*",
        type=activation,
        default=defaults.names,
        help="whose card and picture to show; none lists the sixteen of the article",
    )
    add(
        "--all",
        dest="everything",
        action="store_true",
        help="list the rest too; on cards: limits, gain, χ₁, cost, paper",
    )
    add("--surface", action="store_true", help="draw surfaces over two inputs, not curves")
    add(
        "--domain",
        metavar="article|centre|A,B",
        type=domain,
        default=defaults.domain,
        help="of the pictures: the article's, [-2, 2], or from A to B",
    )
    add(
        "--compare",
        dest="task",
        metavar="TASK",
        choices=TASKS,
        default=defaults.task,
        help=f"train the same network with each activation on {', '.join(TASKS)}",
    )
    add("--seeds", metavar="N", type=whole(1, 1000), default=defaults.seeds, help="for --compare")
    add("--out", metavar="FOLDER", type=Path, default=defaults.out, help="for the pictures")
    add("--format", choices=FORMATS, default=defaults.format, help="of the pictures")
    add_lang_and_no_plots(add, defaults.lang, "text only, no pictures")


def add_graph(commands: Any) -> None:
    """`tinygrad-edu graph`."""
    command = commands.add_parser(
        "graph",
        help='draw the computation graph of a formula such as "x = 2; y = -3; relu(x*y + 10)**2"',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    defaults = sketch.Settings("")
    command.set_defaults(
        plots=True,
        settings=sketch.Settings,
        run=lambda settings, terminal, arguments: sketch.run(settings, terminal),
    )
    add = command.add_argument
    add(
        "text",
        metavar="FORMULA",
        help="assignments with ; between them; the last may be an expression",
    )
    add("--step", action="store_true", help="make a page that steps through the chain rule, too")
    add("--out", metavar="FOLDER", type=Path, default=defaults.out, help="for the pictures")
    add(
        "--format",
        choices=("svg", "png", "pdf", "html"),
        default=defaults.format,
        help="of the picture; the DOT text is written in any case",
    )
    add_lang_and_no_plots(add, defaults.lang, "text only, no pictures")


def add_check(commands: Any) -> None:
    """`tinygrad-edu check`."""
    command = commands.add_parser(
        "check",
        help='judge the derivatives of a formula: check "x*tanh(y)" --at x=1,y=2',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        epilog="The exit code is 1 if a derivative is wrong.",
    )
    defaults = verification.Settings("")
    command.set_defaults(
        at=[],
        claim=[],
        plot=defaults.plot,
        settings=verification.Settings,
        run=lambda settings, terminal, arguments: verification.run(settings, terminal),
    )
    add = command.add_argument
    add("text", metavar="FORMULA", help="an expression, or assignments with ; between them")
    add(
        "--at",
        metavar="POINT",
        action="append",
        default=argparse.SUPPRESS,
        help="values of names, as in x=1,y=2 or x=[1,2],y=3",
    )
    add(
        "--claim",
        metavar="NAME=DERIVATIVE",
        action="append",
        default=argparse.SUPPRESS,
        help='a derivative of your own to be judged, as in "x=tanh(y)"; may be given several times',
    )
    add(
        "--order",
        type=int,
        choices=(1, 2),
        default=defaults.order,
        help="2 judges derivatives of derivatives",
    )
    add(
        "--precision",
        choices=("float64", "exact"),
        default=defaults.precision,
        help="exact computes with 50 digits",
    )
    add(
        "--plot",
        metavar="FILE",
        type=picture,
        default=argparse.SUPPRESS,
        help=f"draw the worst entry's error against the step ({', '.join(FORMATS)})",
    )
    add("--lang", choices=("en", "ja"), default=defaults.lang, help="English or Japanese")


def add_flow(commands: Any) -> None:
    """`tinygrad-edu flow`."""
    command = commands.add_parser(
        "flow",
        help="how strong the gradient is in each layer of a deep network, why it does not learn, "
        "and what helps",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        epilog="A network that does not learn is what is to be shown: the exit code is 0.",
    )
    defaults = checkup.Settings()
    command.set_defaults(
        normalise=defaults.normalise,
        lr=defaults.lr,
        sweep=defaults.sweep,
        workers=defaults.workers,
        plots=True,
        memory="--width, --depth or --workers",
        settings=checkup.Settings,
        run=lambda settings, terminal, arguments: checkup.run(
            settings, terminal, command_line(arguments)
        ),
    )
    add = command.add_argument

    def number(name: str, least: int, most: int | None, about: str) -> None:
        add(
            f"--{name}",
            metavar="N",
            type=whole(least, most),
            default=getattr(defaults, name),
            help=about,
        )

    number("depth", 1, checkup.DEEPEST, "hidden layers")
    number("width", 1, checkup.WIDEST, "units of each hidden layer")
    add(
        "--activation",
        metavar="NAME",
        type=activation,
        default=defaults.activation,
        help=f"of the hidden layers: {', '.join(ACTIVATIONS)}",
    )
    add(
        "--init",
        metavar="NAME",
        default=defaults.init,
        help="of the weights: xavier, he, lecun, normal, or any of te.nn.init; auto is what the "
        "card of the activation advises",
    )
    add("--task", metavar="NAME", default=defaults.task, help=", ".join(checkup.TASKS))
    add(
        "--normalise",
        metavar="NAME",
        default=argparse.SUPPRESS,
        help=f"before each activation: {', '.join(checkup.NORMS)} (default: none)",
    )
    add("--residual", action="store_true", help="x + layer(x) for each layer that keeps the width")
    add_optimizer_and_rate(add, defaults.optimizer, checkup.RATES)
    number("epochs", 1, None, "passes over the data")
    number("batch", 1, None, "rows in a step")
    number("seed", 0, None, "of the initial weights and the order of the data")
    add("--remedy", action="store_true", help="try remedies, each over --seeds seeds")
    add("--all", dest="everything", action="store_true", help="try all remedies, with --remedy")
    number("seeds", 1, 1000, "for --remedy")
    add(
        "--sweep",
        metavar="LIST",
        default=argparse.SUPPRESS,
        help="train a grid of networks: one to three of activation, init, depth and width, each "
        "alone or with its values, as in activation=tanh:relu,depth=5:20; the same command goes on "
        "where it was stopped",
    )
    add(
        "--workers",
        metavar="N",
        type=whole(1, 1000),
        default=argparse.SUPPRESS,
        help="processes for --remedy and --sweep (default: one for each processor)",
    )
    add("--out", metavar="FOLDER", type=Path, default=defaults.out, help="for the results")
    add_lang_and_no_plots(add, defaults.lang, "tables only, no pictures and no report")


def add_optimizer_and_rate(
    add: Callable[..., Any], optimizer: str, rates: Mapping[str, float]
) -> None:
    """The update rule of a command that trains, and its rate, by default the rule's own."""
    add(
        "--optimizer",
        metavar="NAME",
        default=optimizer,
        help=f"update rule: {', '.join(OPTIMIZERS)}",
    )
    own = ", ".join(f"{rule} {rate:g}" for rule, rate in rates.items())
    add(
        "--lr",
        metavar="RATE",
        type=positive,
        default=argparse.SUPPRESS,
        help=f"learning rate (default: {own})",
    )


def add_lang_and_no_plots(add: Callable[..., Any], lang: str, without: str) -> None:
    """The language of a command that draws, and the option to leave the pictures out."""
    add("--lang", choices=("en", "ja"), default=lang, help="English or Japanese")
    add(
        "--no-plots",
        dest="plots",
        action="store_false",
        default=argparse.SUPPRESS,
        help=without,
    )


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """A parser of whole numbers from `least` to `most`."""
    span = f"from {least} up" if most is None else f"from {least} to {most}"

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"give a whole number {span}, not {text!r}")
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


def not_negative(text: str) -> float:
    """A finite number from 0 up."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"give a number from 0 up, not {text!r}")
    return number


def activation(text: str) -> Any:
    """The name of an activation that exists."""
    try:
        return named(text).name
    except UnknownNameError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def picture(text: str) -> Path:
    """The name of a picture file."""
    path = Path(text)
    if path.suffix.removeprefix(".") not in FORMATS:
        raise argparse.ArgumentTypeError(f"{text!r} must end in .{', .'.join(FORMATS)}")
    return path


def domain(text: str) -> str | tuple[float, float]:
    """One of the named domains, or two numbers with a comma between."""
    if text in catalogue.CURVE_DOMAINS:
        return text
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low = high = 0.0
    if not -float("inf") < low < high < float("inf"):
        raise argparse.ArgumentTypeError(
            f"give article, centre, or two numbers as -3,3 (from low to high), not {text!r}"
        )
    return low, high
