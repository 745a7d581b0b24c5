"""The main job: the article's neuron that cannot learn XOR, and the network that can.

Checks its own gradient first, trains both, measures the gradient at each layer, and leaves
pictures, graphs, tables and a report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from .. import check, data, flow
from ..draw import report
from ..errors import UnknownNameError
from ..files import writable_folder, write_bytes, write_text
from ..nn.layers import MLP
from ..nn.losses import mse
from ..optim import OPTIMIZERS
from ..runs import command_line, find_font, versions
from ..terminal import Terminal
from .networks import (
    Settings,
    every,
    hidden_network,
    learn,
    learn_all,
    make_optimizer,
    neuron,
    right,
)
from .pages import (
    answer_table,
    check_summary,
    losses_csv,
    pictures,
    show_answers,
    try_next,
    verdict,
)
from .texts import TEXTS

OUTPUTS = (
    *("report.html", "transcript.txt", "losses.csv", "gradients.csv"),
    *("loss.png", "surfaces.png", "regions.png", "gradients.png"),
    *("graph.dot", "graph.svg", "graph_batch.dot", "graph_batch.svg"),
)

__all__ = ["OPTIMIZERS", "Settings", "command_line", "run"]


def run(settings: Settings, terminal: Terminal, command: str) -> None:
    """The whole job.

    Raises `UnknownNameError`, `RenderingError` for lack of a font, or `OSError` before anything is
    trained.
    """
    if settings.lang not in TEXTS:
        raise UnknownNameError(f"no language {settings.lang!r}; there is en and ja")
    text = TEXTS[settings.lang]
    if settings.plots:
        find_font(settings.lang)
    network = hidden_network(settings, settings.seed)
    make_optimizer(settings, network)
    out = writable_folder(settings.out)
    for name in OUTPUTS:
        (out / name).unlink(missing_ok=True)  # an earlier run's would be taken for this one's
    x, y = data.xor()
    names = {
        "neuron": text["neuron"],
        "hidden": text["hidden" if settings.hidden > 1 else "hidden_one"].format(
            hidden=settings.hidden, activation=settings.activation
        ),
    }

    try:
        checked = check.model(network, mse, x, y)
        summary = check_summary(checked, settings.activation, text)
        terminal.say(summary)
        if settings.compile:
            terminal.say(text["compiled"])

        terminal.say(f"\n== {names['neuron']} ==")
        first = learn(names["neuron"], neuron(settings.seed), settings, terminal)
        show_answers(first, terminal, marks=False)
        terminal.say(verdict(first, text))

        terminal.say(f"\n== {names['hidden']} ==")
        with flow.track(network) as gradients:
            second = learn(names["hidden"], network, settings, terminal, measured=True)
        show_answers(second, terminal, marks=True)
        terminal.say(verdict(second, text))

        terminal.say(f"\n== {text['gradient_table']} ==")
        shown = [*range(0, settings.epochs, every(settings.epochs))]
        rows = [[str(step), *(f"{v:.2e}" for v in rest)] for step, *rest in gradients.rows(shown)]
        terminal.table(gradients.columns(), rows)
        terminal.say(text["gradient_symbols"])
        gradients.to_csv(out / "gradients.csv")
        write_text(out / "losses.csv", losses_csv([first, second]))

        figures: list[report.Figure] = []
        if settings.plots:
            figures = list(pictures(settings, [first, second], gradients, out, terminal, text))
            page = report.Report(
                title=text["title"],
                introduction=tuple(text["introduction"].split("\n")),
                tables=tuple(answer_table(each, text) for each in (first, second)),
                figures=tuple(figures),
                check=report.GradientCheck(summary, checked.table()),
                try_next=tuple(
                    report.Command(line, shows) for line, shows in try_next(settings, text)
                ),
                command=command,
                seed=str(settings.seed),
                versions=versions(),
            )
            write_text(out / "report.html", report.page(page, settings.lang))

        if settings.seeds:
            terminal.say(f"\n== {text['over_seeds'].format(seeds=settings.seeds)} ==")
            if settings.compile:
                terminal.say(text["compiled_seeds"])
            over_seeds(settings, names, terminal, text)

        terminal.say()
        if settings.plots:
            terminal.say(f"{text['report_at']}: {out / 'report.html'}")
        else:
            terminal.say(f"{text['tables_at']}: {out}")
        done = command_line(["xor", "--activation", settings.activation])
        other = next(line for line, _ in try_next(settings, text) if not line.startswith(done))
        terminal.say(f"{text['try']}: {other}")
    finally:
        # Ctrl-C keeps what is finished. The name of a folder may be bytes that are no UTF-8.
        lines = "".join(line + "\n" for line in terminal.lines)
        write_bytes(out / "transcript.txt", lines.encode(errors="backslashreplace"))


def over_seeds(
    settings: Settings, names: Mapping[str, str], terminal: Terminal, text: Mapping[str, str]
) -> None:
    """Both networks from many starts, and how often each learns."""
    seeds = range(settings.seed, settings.seed + settings.seeds)
    makers: dict[str, Callable[[int], MLP]] = {
        names["neuron"]: neuron,
        names["hidden"]: lambda seed: hidden_network(settings, seed),
    }
    rows = []
    for name, make in makers.items():
        answers = learn_all(name, [make(seed) for seed in seeds], settings, terminal)
        _, y = data.xor()
        learnt = np.all(right(answers, y), axis=(1, 2))
        losses = ((answers - y) ** 2).mean(axis=(1, 2))
        count = text["of"].format(learnt=learnt.sum(), seeds=len(seeds))
        rows.append([name, count, f"{np.median(losses):.5f}", f"{losses.max():.5f}"])
    terminal.table([text[key] for key in ("network", "learns", "median", "worst")], rows)
