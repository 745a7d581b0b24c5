"""What is said of a training: sentences, tables, pictures and the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Plot

from .. import check, data
from ..activations import sigmoid, softmax
from ..draw import classes, learned, report
from ..draw.addition import bit_accuracy, sums
from ..draw.graph import graph
from ..draw.saving import save
from ..draw.training import training
from ..engine.context import no_grad
from ..engine.value import Value
from ..errors import RenderingError
from ..files import write_text
from ..nn import RNN, BatchNorm, Dropout, Linear, Sequential
from ..nn.module import unchanged
from ..runs import versions
from ..terminal import Terminal
from ..train import Run
from .advice import try_next
from .learning import Learnt, rate
from .messages import said as translated
from .problems import BITS, TASKS, Array, Sets, Settings, right_sums

Text = Mapping[str, str]

PICTURES = {
    "points": ("training", "regions", "graph"),
    "images": ("training", "confusion", "mistakes", "weights", "graph"),
    "sums": ("training", "sums", "positions", "graph"),
}
BY_HEART = 0.05  # so much better on the training data than on others: overfitted
WORKED = ((255, 1), (170, 85), (127, 129), (200, 100), (91, 38), (255, 255))
LONG = 32


def percent(share: float) -> str:
    """A share as a percentage that says 100 only of all, and 0 only of none."""
    if share in (0, 1) or math.isnan(share):
        return f"{100 * share:.0f} %"
    return f"{min(max(100 * share, 0.01), 99.99):.{1 if 0.05 <= share < 0.9995 else 2}f} %"


def number(name: str, value: float) -> str:
    """A loss as a number, a metric as a percentage."""
    return f"{value:.4f}" if name == "loss" else percent(value)


def check_summary(checked: check.Report, model: Sequential, text: Text) -> str:
    """Along how many directions the gradient is right by finite differences."""
    right = [entry for entry in checked.entries if entry.verdict.kind == "correct"]
    wrong = [entry for entry in checked.entries if not entry.verdict.ok]
    stand_ins = [
        str(getattr(layer, "name", layer))
        for layer in model.layers
        if getattr(layer, "surrogate", False)
    ]
    facts = {
        "correct": len(right),
        "total": len(checked.entries),
        "parameters": f"{sum(leaf.size for leaf in model.parameters()):,}",
        "digits": math.floor(min((entry.verdict.digits for entry in right), default=0)),
        "kink": checked.count("kink"),
        "unclear": checked.count("inconclusive"),
        "wrong": len(wrong),
        "worst": checked.worst.name,
        "names": ", ".join(dict.fromkeys(stand_ins)),
    }
    said = [text["check_right" if right else "check_other"]]
    said += [text["check_kink"]] if facts["kink"] else []
    said += [text["check_unclear"]] if facts["unclear"] else []
    if wrong:
        said.append(text["check_stand_in" if stand_ins else "check_wrong"])
    return "".join(said).format(**facts)


def epoch_line(run: Run, text: Text) -> str:
    """The loss and the metrics after an epoch."""
    last = run.history.last()
    parts = [text["epoch_line"].format(epoch=run.epoch, epochs=run.epochs)]
    for name in last:
        if f"validation_{name}" in last:
            both = text["in_validation"].format(
                training=number(name, last[name]),
                validation=number(name, last[f"validation_{name}"]),
            )
            parts.append(f"{text[name]} {both}")
    return "  ".join(parts)


def result_rows(learnt: Learnt, sets: Sets, settings: Settings, text: Text) -> list[list[str]]:
    """Loss and metrics on each part of the data, with how many rows it has."""
    kind = TASKS[settings.task].kind
    rows = []
    for name, found in learnt.results.items():
        count = f"{len(getattr(sets, name)[0]):,}"
        label = text["part"].format(name=text[name], count=text[kind].format(count=count))
        rows.append([label, *(number(key, value) for key, value in found.items())])
    return rows


def result_columns(settings: Settings, text: Text) -> list[str]:
    """The heading of `result_rows`."""
    return [text["data"], *(text[name] for name in ("loss", *TASKS[settings.task].metrics))]


def verdict(learnt: Learnt, sets: Sets, settings: Settings, text: Text) -> list[str]:
    """What the results on the test data say, in sentences."""
    task = TASKS[settings.task]
    judged = next(iter(task.metrics))
    shares = {name: found[judged] for name, found in learnt.results.items()}
    total = len(sets.test[0])
    right = round(shares["test"] * total)
    facts = {
        "right": f"{right:,}",
        "wrong": f"{total - right:,}",
        "total": f"{total:,}",
        "goal": percent(task.goal),
        "seen": f"{len(sets.training[0]):,}",
        "bits": percent(learnt.results["test"].get("right_bits", 0.0)),
    }
    said = "learnt" if shares["test"] >= task.goal else "short"
    if said == "short" and task.kind == "points" and is_straight(learnt.model):
        said = "straight"
    if said == "short" and task.kind == "sums" and not has_memory(learnt.model):
        said = "no_memory"
    lines = [text[f"{task.kind}_{said}"].format(**facts)]
    if task.kind == "sums" and has_memory(learnt.model):
        x, y = data.adding_sequences(1000, bits=LONG, seed=2)
        lines.append(
            text["longer"].format(
                count="1,000", right=f"{round(1000 * right_sums(learnt.logits(x), y)):,}"
            )
        )
    if shares["training"] - shares["test"] > BY_HEART:
        shown = {name: percent(share) for name, share in shares.items()}
        lines.append(text["overfitted"].format(**shown))
    return lines


def is_straight(model: Sequential) -> bool:
    """Whether there is no activation that could bend its boundary."""
    return all(
        isinstance(layer, Linear | BatchNorm | Dropout) or getattr(layer, "name", "") == "linear"
        for layer in model.layers
    )


def has_memory(model: Sequential) -> bool:
    """Whether something is handed on from step to step."""
    return any(isinstance(layer, RNN) for layer in model.layers)


def worked_sums(learnt: Learnt) -> tuple[Array, Array]:
    """Sums that are worth a look, as bits, and the network's probabilities."""
    bits = np.array([[[a >> k & 1, b >> k & 1] for k in range(BITS + 1)] for a, b in WORKED])
    return bits, probabilities(learnt, bits.astype(float))


def probabilities(learnt: Learnt, x: Array) -> Array:
    """The outputs of one logit each, through the sigmoid; without the last axis."""
    with no_grad():
        return sigmoid(Value(learnt.logits(x))).data[..., 0]  # type: ignore[no-any-return]


def worked_table(learnt: Learnt, text: Text) -> report.Table:
    """The worked sums in decimals."""
    _, shares = worked_sums(learnt)
    answers = (shares > 0.5) @ (1 << np.arange(BITS + 1))
    return report.Table(
        text["worked"],
        ("a + b", text["answer"], text["right"]),
        tuple(
            (f"{a} + {b} = {a + b}", f"{answer}", bool(answer == a + b))
            for (a, b), answer in zip(WORKED, answers, strict=True)
        ),
    )


def model_table(model: Sequential, sets: Sets, text: Text) -> report.Table:
    """The model layer by layer."""
    _, *rows = model.summary(sets.test[0][:1]).cells()
    *layers, total = rows
    shown = repr(model)
    return report.Table(
        shown if "\n" not in shown else text["layers"].format(count=len(model.layers)),
        tuple(text["columns"].split("|")),
        (*layers, (text["total"], *total[1:])),
        text["flops"].format(rows=1),
    )


def pictures(
    settings: Settings, learnt: Learnt, sets: Sets, out: Path, terminal: Terminal, text: Text
) -> Iterator[report.Figure]:
    """Draw and save what the task has to show, and yield it for the report."""
    names = PICTURES[TASKS[settings.task].kind]
    draw = plots(settings, learnt, sets, text)
    drawn = [name for name in names if name == "graph" or name in draw]
    with terminal.progress(text["drawing"], len(drawn)) as advance:
        for place, name in enumerate(drawn, 1):
            heading, alt = text[f"{name}_heading"], text[f"{name}_alt"]
            if name == "graph":
                image = step_graph(settings, learnt, sets, out, text)
                if image is None:
                    terminal.say(text["no_renderer"])
            else:
                image = save(draw[name](), out / f"{name}.png", heading, alt)
            look = text[f"{name}_look"]
            if name == "graph" and repeats(learnt.model):
                look += text["graph_first_digits"]
            yield report.Figure(place, heading, image, alt, look)
            advance(place)


def plots(
    settings: Settings, learnt: Learnt, sets: Sets, text: Text
) -> Mapping[str, Callable[[], Plot]]:
    """The pictures of a task by name."""
    lang = settings.lang
    x, y = sets.test
    drawn: dict[str, Callable[[], Plot]] = {"training": lambda: training(learnt.history, lang=lang)}
    kind = TASKS[settings.task].kind
    if kind == "points":
        clouds = {text[name]: getattr(sets, name) for name in ("training", "test")}
        drawn["regions"] = lambda: learned.decision_regions(
            lambda inputs: probabilities(learnt, inputs), clouds, lang=lang
        )
    elif kind == "images":
        with no_grad():
            shares = softmax(Value(learnt.logits(x))).data
        drawn["confusion"] = lambda: classes.confusion_matrix(
            y, shares.argmax(axis=1), names=[str(digit) for digit in range(10)], lang=lang
        )
        drawn["mistakes"] = lambda: classes.mistakes(x.reshape(-1, 8, 8), shares, y, lang=lang)
        first = next(layer for layer in learnt.model.layers if isinstance(layer, Linear))
        if first.weight.shape[0] == 64:
            drawn["weights"] = lambda: classes.weight_images(first.weight.data, (8, 8), lang=lang)
    else:
        drawn["sums"] = lambda: sums(*worked_sums(learnt), lang=lang)
        drawn["positions"] = lambda: bit_accuracy(x, probabilities(learnt, x), lang=lang)
    return drawn


def step_graph(
    settings: Settings, learnt: Learnt, sets: Sets, out: Path, text: Text
) -> bytes | None:
    """Save the graph of the loss of four rows; None where nothing can render it."""
    task, model = TASKS[settings.task], learnt.model
    x, y = few(sets)
    if repeats(model):
        x, y = x[:, :2], y[:, :2]
    title = text["graph_title"].format(title=text[f"{settings.task}_title"])
    with unchanged(model):
        model.train()
        loss = task.loss(model(Value(x, name="x", requires_grad=False)), y)
        loss.name = "loss"
        model.zero_grad()
        loss.backward()
        drawing = graph(loss, title=title, lang=settings.lang, collapse="layer")
        model.zero_grad()
        write_text(out / "graph.dot", drawing.source)
        try:
            rendered = drawing.svg
        except RenderingError:
            return None
    write_text(out / "graph.svg", rendered)
    return rendered.encode()


def repeats(model: Sequential) -> bool:
    """Whether the steps of a sequence are drawn side by side: something comes before an RNN."""
    return any(isinstance(layer, RNN) for layer in list(model.layers)[1:])


def few(sets: Sets) -> tuple[Array, Array]:
    """Four rows from all over the training data, which may be sorted."""
    x, y = sets.training
    rows = np.linspace(0, len(x) - 1, 4).astype(int)
    return x[rows], y[rows]


def seeds_table(
    runs: Sequence[Learnt | int], settings: Settings, text: Text
) -> tuple[list[str], list[list[str]], str]:
    """Columns, rows and a sentence on trainings from several seeds; a number is one diverged."""
    task = TASKS[settings.task]
    metrics = list(task.metrics)
    columns = [text["seed"], text["epochs"], text["loss"], *(text[name] for name in metrics)]
    rows, shares = [], []
    for run in runs:
        if isinstance(run, int):
            rows.append([str(run), text["diverged_cell"], *["–"] * (len(metrics) + 1), text["no"]])
            shares.append(0.0)
            continue
        found = run.results["test"]
        shares.append(found[metrics[0]])
        cells = [number(name, value) for name, value in found.items()]
        reached = text["yes" if shares[-1] >= task.goal else "no"]
        rows.append([str(run.seed), str(len(run.history)), *cells, reached])
    said = text["of_seeds"].format(
        count=sum(share >= task.goal for share in shares),
        seeds=len(shares),
        goal=percent(task.goal),
        median=percent(float(np.median(shares))),
        worst=percent(min(shares)),
    )
    return [*columns, text["reached"]], rows, said


def how(settings: Settings, learnt: Learnt, text: Text) -> str:
    """How the model was trained, and what part the validation and the test data had in it."""
    facts: dict[str, Any] = vars(settings) | {
        "parameters": f"{sum(leaf.size for leaf in learnt.model.parameters()):,}",
        "epochs": len(learnt.history),
        "asked": settings.epochs,
        "lr": rate(settings),
        "best": learnt.best_epoch,
    }
    more = [text["more_decay"]] if settings.weight_decay else []
    more += [text["more_clip"]] if settings.clip is not None else []
    more += [text["more_compiled"]] if settings.compile else []
    facts["more"] = "".join(more).format(**facts)
    ending = "stopped" if learnt.history.stopped else "kept" if learnt.best_epoch else "whole"
    tested = "how_tested_sums" if TASKS[settings.task].kind == "sums" else "how_tested"
    return "".join([text["how"], text[f"how_{ending}"], text[tested]]).format(**facts)


def check_lines(checked: check.Report, lang: str) -> str:
    """The table of a gradient check, its notes too in the language of the report."""
    notes = tuple(translated(note, lang) for note in checked.notes)
    return replace(checked, notes=notes).table(lang)


def make_report(
    settings: Settings,
    learnt: Learnt,
    sets: Sets,
    *,
    said: Sequence[str],
    checked: tuple[str, str],
    figures: Sequence[report.Figure],
    over_seeds: tuple[list[str], list[list[str]], str] | None,
    command: str,
    text: Text,
) -> str:
    """The whole report as a page."""
    task = TASKS[settings.task]
    tables = [
        report.Table(
            text["on_each"],
            tuple(result_columns(settings, text)),
            tuple(map(tuple, result_rows(learnt, sets, settings, text))),
            " ".join(said) if settings.lang == "en" else "".join(said),
        )
    ]
    if task.kind == "sums":
        tables.append(worked_table(learnt, text))
    if over_seeds:
        columns, rows, sentence = over_seeds
        heading = text["over_seeds"].format(seeds=len(rows))
        tables.append(report.Table(heading, tuple(columns), tuple(map(tuple, rows)), sentence))
    page = report.Report(
        title=text[f"{settings.task}_title"],
        introduction=(text[f"{settings.task}_introduction"], how(settings, learnt, text)),
        tables=tuple(tables),
        figures=tuple(figures),
        check=report.GradientCheck(*checked),
        try_next=tuple(
            report.Command(line, shows) for line, shows in try_next(settings, text, learnt)
        ),
        command=command,
        seed=str(settings.seed),
        versions=versions(),
        results=text["results"],
        sections=(report.Section(text["model"], (), (model_table(learnt.model, sets, text),)),),
    )
    return report.page(page, settings.lang)
