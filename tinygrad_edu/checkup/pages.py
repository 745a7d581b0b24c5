"""What is said of a look at a network: lines, tables, pictures and the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure as Plot

from .. import check, flow
from ..draw import gradients, report
from ..draw.gradients.scales import every
from ..draw.saving import save
from ..flow import surgery
from ..runs import command_line, versions
from ..tasks.messages import said
from ..tasks.pages import check_lines, percent
from ..terminal import Terminal
from .grids import Plan
from .networks import DEEPEST, ROWS, TASKS, Looked, Settings, make_model

Text = Mapping[str, str]
Grid = tuple[Plan, flow.Sweep]

PICTURES = ("layers", "epochs", "histograms", "updates", "trap", "remedies", "grid")
BARS = 12
# The range of the bars, in powers of ten, and how many letters a power has.
LOWEST, HIGHEST, LETTERS = -12, 4, 2
PARTS = " ▏▎▍▌▋▊▉"
# Columns of the table of a flow.
GRADIENTS, SIGNALS = (0, 1, 2, 3, 8, 9), (0, 4, 5, 6, 7)


# ---- lines ----


def how(settings: Settings, text: Text) -> str:
    """The network and its training in one line."""
    more = [settings.normalise] if settings.normalise else []
    more += [text["residual"]] if settings.residual else []
    comma = "、" if settings.lang == "ja" else ", "
    facts = vars(settings) | {"lr": settings.rate, "weights": settings.weights, "rows": ROWS}
    return text["network"].format(**facts | {"more": "".join(comma + each for each in more)})


def guessing(looked: Looked) -> str:
    """What guessing costs, as the logarithm that it is where all classes are alike."""
    classes = max(TASKS[looked.settings.task].outputs, 2)
    shown = f"{looked.guessing:.4f}"
    return f"ln {classes} = {shown}" if shown == f"{math.log(classes):.4f}" else shown


def loss_line(looked: Looked, text: Text) -> str:
    """What the loss says."""
    state = text[looked.state]
    if looked.error:
        what, *_ = looked.error.splitlines()
        return text["diverged"].format(error=said(what, looked.settings.lang), state=state)
    share = "" if looked.state == "failed" else text["right"].format(share=percent(looked.right))
    return text["loss"].format(
        loss=number(looked.loss),
        epochs=f"{len(looked.losses):,}",
        guessing=guessing(looked),
        right=share,
        state=state,
    )


def number(loss: float) -> str:
    """A loss with four digits behind the point, or as a power of ten."""
    return f"{loss:.4f}" if not abs(loss) >= 1e4 else f"{loss:.2e}"


def shown_pass(looked: Looked) -> int:
    """The backward pass that the verdict speaks of; the first for other verdicts."""
    verdict = looked.diagnosis.verdict
    if not verdict or verdict.kind not in ("vanishing", "exploding"):
        return 0
    with np.errstate(all="ignore"):
        far = np.abs(np.log(looked.flow.ratio() / verdict.value))
    # Where the ratio is 0 there is nothing nearer than the pass that the verdict names.
    return int(np.nanargmin(far)) if np.isfinite(far).any() else verdict.step


def bar(ratio: float) -> str:
    """A number on a log scale as a bar of blocks."""
    if not ratio > 0:
        return ""
    power = min(max(math.log10(ratio) if ratio < math.inf else HIGHEST, LOWEST), HIGHEST)
    eighths = round((power - LOWEST) * LETTERS * 8)
    return ("█" * (eighths // 8) + PARTS[eighths % 8]).rstrip()


def bars(looked: Looked) -> list[list[str]]:
    """rms δ of each layer from the last to the first, beside that of the last, with its bar."""
    measured = looked.flow
    row = measured["delta"][shown_pass(looked)]
    with np.errstate(all="ignore"):
        ratios = row / row[-1]
    return [
        [measured.layers[place], f"{row[place]:.1e}", f"{ratios[place]:.1e}", bar(ratios[place])]
        for place in reversed(every(len(row), BARS))
    ]


def theory_line(looked: Looked, text: Text) -> str:
    """What was predicted of the first layer, beside what was measured."""
    if looked.theory is None:
        return text["no_theory"]
    ends = (looked.theory.delta[0], looked.theory.low[0], looked.theory.high[0])
    names = ("predicted", "low", "high")
    measured = looked.flow.ratio()[0]
    shown = {name: f"{end:.1e}" for name, end in zip(names, ends, strict=True)}
    return text["theory"].format(measured=f"{measured:.1e}", **shown)


def verdict_lines(looked: Looked, text: Text) -> list[str]:
    """The verdict with its ratio and limit, and why."""
    verdict, *why = looked.diagnosis.sentences(looked.settings.lang)
    reason = why[0] if why else "" if looked.state == "failed" else text["nothing_why"]
    lines = [text["verdict"].format(verdict=verdict)]
    return [*lines, text["why"].format(why=reason)] if reason else lines


def code(looked: Looked, tried: flow.Remedies | None) -> str:
    """The line to write next; nothing for a network that has learnt."""
    if tried:
        cures = (each for each in tried.tried if each.verdict == "cured")
        return next((each.remedy.code for each in cures if each.remedy), "")
    return "" if looked.state == "learnt" else looked.diagnosis.advice(looked.settings.lang)


def command(settings: Settings) -> str:
    """The command with these settings."""
    words = []
    for field in fields(settings):
        given = getattr(settings, field.name)
        if given == field.default:
            continue
        option = {"everything": "all", "plots": "no-plots"}.get(field.name, field.name)
        words.append(f"--{option}")
        if not isinstance(given, bool):
            words.append(f"{given:g}" if isinstance(given, float) else str(given))
    return command_line(["flow", *words])


def try_next(looked: Looked, text: Text) -> list[tuple[str, str]]:
    """Commands worth trying after this one, each with what it shows."""
    settings = looked.settings
    once = replace(settings, remedy=False, everything=False, sweep="")
    found = []
    if looked.state != "learnt":
        if not settings.remedy:
            shows = text["next_remedy"].format(seeds=settings.seeds)
            found.append((replace(once, remedy=True), shows))
        if settings.activation != "relu" or settings.init != "auto":
            found.append((replace(once, activation="relu", init="auto"), text["next_cured"]))
        if not settings.residual and settings.depth > 1:
            found.append((replace(once, residual=True), text["next_residual"]))
    elif 2 * settings.depth <= DEEPEST:
        found.append((replace(once, depth=2 * settings.depth), text["next_deeper"]))
    if not settings.sweep:
        found.append((replace(once, sweep="activation,init,depth"), text["next_sweep"]))
    return [(command(each), shows) for each, shows in found]


# ---- files ----


def tidy_csv(measured: flow.Flow) -> str:
    """Every number that was measured as one row."""
    found = measured.to_dict()
    lines = [",".join(found)]
    for step, layer, quantity, value in zip(*found.values(), strict=True):
        lines.append(f"{step},{layer},{quantity},{value:.9g}")
    return "\n".join(lines) + "\n"


def pictures(
    looked: Looked,
    tried: flow.Remedies | None,
    swept: Grid | None,
    out: Path,
    terminal: Terminal,
    text: Text,
    images: dict[str, bytes],
) -> Iterator[report.Figure]:
    """Draw and save what there is and is not in `images`, and yield all for the report."""
    drawn = plots(looked, tried, swept)
    with terminal.progress(text["drawing"], len(drawn)) as advance:
        for place, (name, draw) in enumerate(drawn.items(), 1):
            heading, alt = text[f"{name}_heading"], text[f"{name}_alt"]
            if name not in images:
                images[name] = save(draw(), out / f"{name}.png", heading, alt)
            yield report.Figure(place, heading, images[name], alt, text[f"{name}_look"])
            advance(place)


def plots(
    looked: Looked, tried: flow.Remedies | None, swept: Grid | None
) -> dict[str, Callable[[], Plot]]:
    """The pictures by name."""
    measured, lang = looked.flow, looked.settings.lang
    drawn: dict[str, Callable[[], Plot]] = {
        "layers": lambda: gradients.layers(measured, theory=looked.theory, lang=lang),
        "epochs": lambda: gradients.epochs(measured, lang=lang),
        "histograms": lambda: gradients.histograms(measured, lang=lang),
        "updates": lambda: gradients.updates(measured, lang=lang),
        "trap": lambda: gradients.trap(measured, lang=lang),
    }
    if tried and any(each.runs for each in tried.tried):
        drawn["remedies"] = lambda: gradients.remedies(tried, lang=lang)
    if swept and swept[1].cells:
        plan, found = swept
        drawn["grid"] = lambda: gradients.grid(found.cells, keys=plan.keys, lang=lang)
    return drawn


# ---- the report ----


def make_report(
    looked: Looked,
    tried: flow.Remedies | None,
    swept: Grid | None,
    figures: Sequence[report.Figure],
    checked: check.Report,
    shown: str,
    text: Text,
) -> str:
    """The whole report as a page; `shown` is the command that made it."""
    settings = looked.settings
    page = report.Report(
        title=text["title"].format(**vars(settings)),
        introduction=(text["introduction"], how(settings, text)),
        tables=tuple(verdict_tables(looked, tried, text)),
        figures=tuple(figures),
        check=report.GradientCheck(
            check_summary(checked, text), check_lines(checked, settings.lang)
        ),
        try_next=tuple(report.Command(*each) for each in try_next(looked, text)),
        command=shown,
        seed=str(settings.seed),
        versions=versions(),
        results=text["verdict_heading"],
        sections=tuple(sections(looked, tried, swept, text)),
    )
    return report.page(page, settings.lang)


def verdict_tables(
    looked: Looked, tried: flow.Remedies | None, text: Text
) -> Iterator[report.Table]:
    """What the loss says, and what is out of its limits."""
    lang = looked.settings.lang
    numbers = (number(looked.loss), guessing(looked), percent(looked.right))
    if looked.error:
        numbers = ("–", guessing(looked), "–")
    row = (f"{len(looked.losses):,}", *numbers, text[looked.state])
    columns = tuple(text["loss_columns"].split("|"))
    yield report.Table(text["loss_table"], columns, (row,), loss_line(looked, text))
    lines = verdict_lines(looked, text)
    if write := code(looked, tried):
        lines.append(text["write"].format(code=write))
    head, *rows = looked.diagnosis.rows(lang)
    yield report.Table(text["findings"], head, tuple(rows), joined(lines, lang))


def joined(lines: Sequence[str], lang: str) -> str:
    """Sentences as one text."""
    return ("" if lang == "ja" else " ").join(lines)


def sections(
    looked: Looked, tried: flow.Remedies | None, swept: Grid | None, text: Text
) -> Iterator[report.Section]:
    """Tables of theory and measurement, of remedies, and of the sweep."""
    lang = looked.settings.lang
    if looked.theory is not None:
        table = report.Table(
            text["comparison_table"],
            tuple(text["comparison_columns"].split("|")),
            tuple(comparison(looked)),
            theory_line(looked, text),
        )
        yield report.Section(text["comparison"], (text["comparison_said"],), (table,))
    tables = []
    for key, chosen in (("gradients_table", GRADIENTS), ("signals_table", SIGNALS)):
        head, *rows = (tuple(row[i] for i in chosen) for row in looked.flow.cells(lang))
        tables.append(report.Table(text[key], head, tuple(rows)))
    yield report.Section(text["measured"], (), tuple(tables))
    if tried:
        head, *rows = tried.rows(lang)
        lines = joined(tried.said(lang), lang)
        table = report.Table(text["remedies_table"], head, tuple(rows), lines)
        yield report.Section(text["remedies"], (text["remedies_said"],), (table,))
    if swept:
        plan, found = swept
        table = report.Table(
            text["sweep_table"],
            tuple(grid_columns(plan, text)),
            tuple(plan.rows(found)),
            failures(found, text) or None,
        )
        yield report.Section(text["sweep"], (text["sweep_said"],), (table,))


def comparison(looked: Looked) -> Iterator[tuple[str, ...]]:
    """Predicted and measured δ of each layer in the first pass, divided by the last layer's."""
    theory, measured = looked.theory, looked.flow
    assert theory is not None
    first = measured["delta"][0]
    with np.errstate(all="ignore"):
        ratios = dict(zip(measured.layers, (first / first[-1]).tolist(), strict=True))
    for place, name in enumerate(theory.names):
        if name not in ratios:
            continue
        low, high = theory.low[place], theory.high[place]
        # The last layer has no spread; digits behind the tenth are rounding.
        inside = low * (1 - 1e-9) <= ratios[name] <= high * (1 + 1e-9)
        yield (
            name,
            f"{theory.delta[place]:.2e}",
            f"{low:.1e} … {high:.1e}",
            f"{ratios[name]:.2e}",
            "✓" if inside else "–",
        )


def grid_columns(plan: Plan, text: Text) -> list[str]:
    """The heading of the rows of a sweep."""
    return [
        *(text[key] for key in plan.keys),
        text["ratio"],
        text["cell_loss"],
        text["cell_learnt"],
    ]


def failures(found: flow.Sweep, text: Text) -> str:
    """Which cells of a sweep failed."""
    if not found.failed:
        return ""
    which = "; ".join(found.notes())
    return text["failed_cells"].format(count=len(found.failed), which=which)


def check_gradient(settings: Settings) -> check.Report:
    """The gradient of the network before training, on a few rows, by finite differences."""
    task = TASKS[settings.task]
    x, y = task.make()
    rows = np.linspace(0, len(x) - 1, 6).astype(int)
    model = surgery.taken_apart(make_model(settings, settings.seed))
    return check.model(model.eval(), task.loss, x[rows], y[rows], mode="directions")


def check_summary(checked: check.Report, text: Text) -> str:
    """Along how many directions it is right."""
    facts = {"correct": checked.count("correct"), "total": len(checked.entries)}
    return text["check_right" if checked.ok else "check_unclear"].format(**facts)
