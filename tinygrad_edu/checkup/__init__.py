"""A network and the flow of its gradients: measured, predicted, diagnosed, cured, and a report.

Trains once and listens; tries remedies, or a grid of networks, where it is asked to.
"""

from __future__ import annotations

from dataclasses import replace

from .. import flow
from ..errors import UnknownNameError
from ..files import writable_folder, write_bytes, write_text
from ..flow.sweep import pool
from ..runs import find_font
from ..terminal import Terminal
from ..train import Run
from .grids import FILE, Plan
from .networks import (
    DEEPEST,
    NORMS,
    RATES,
    TASKS,
    WIDEST,
    Looked,
    Settings,
    check,
    look,
    remedies,
)
from .pages import (
    PICTURES,
    bars,
    check_gradient,
    code,
    command,
    failures,
    grid_columns,
    how,
    loss_line,
    make_report,
    pictures,
    shown_pass,
    theory_line,
    tidy_csv,
    try_next,
    verdict_lines,
)
from .texts import TEXTS

__all__ = ["DEEPEST", "FILE", "NORMS", "RATES", "TASKS", "WIDEST", "Looked", "Settings", "run"]

TRANSCRIPT = "transcript.txt"
OUTPUTS = ("report.html", "flow.csv", TRANSCRIPT, *(f"{name}.png" for name in PICTURES))


def run(settings: Settings, terminal: Terminal, shown: str) -> None:
    """The whole job; `shown` is the command for the report.

    Raises `UnknownNameError`, `ShapeError`, `OperandError`, `RenderingError` for lack of a font, or
    `OSError` before anything is trained. What an earlier run has left in the folder stays until
    this one has trained its network; a sweep goes on from there.
    """
    if settings.lang not in TEXTS:
        raise UnknownNameError(f"no language {settings.lang!r}; there is en and ja")
    text = TEXTS[settings.lang]
    if settings.plots:
        find_font(settings.lang)
    check(settings)
    out = writable_folder(settings.out)
    plan = Plan(settings, out) if settings.sweep else None
    begun = False
    tried: flow.Remedies | None = None
    swept: tuple[Plan, flow.Sweep] | None = None
    images: dict[str, bytes] = {}

    try:
        terminal.say(how(settings, text))
        with terminal.progress(text["training"], settings.epochs) as advance:

            def tell(run: Run) -> None:
                advance(run.epoch)

            looked = look(settings, tell)
        for name in OUTPUTS:
            (out / name).unlink(missing_ok=True)  # an earlier run's would be taken for this one's
        begun = True
        write_text(out / "flow.csv", tidy_csv(looked.flow))
        show(looked, terminal)

        def write_report() -> None:
            if settings.plots:
                figures = list(pictures(looked, tried, swept, out, terminal, text, images))
                page = make_report(looked, tried, swept, figures, checked, shown, text)
                write_text(out / "report.html", page)

        if settings.plots:
            checked = check_gradient(settings)
        if settings.remedy or plan:
            write_report()  # Ctrl-C keeps what is finished
        if settings.remedy:
            terminal.say()
            terminal.say(text["remedies_head"].format(seeds=settings.seeds))
            with pool(None, settings.workers) as executor:
                tried = remedies(settings, executor, terminal)
            head, *rows = tried.rows(settings.lang)
            terminal.table(head, rows, left=(0, 4))
            # The line to write comes below.
            for line in tried.said(settings.lang)[: -1 if tried.cures else None]:
                terminal.say(line)
            if not tried.cures and not settings.everything and looked.state != "learnt":
                more = command(replace(settings, everything=True))
                terminal.say(text["more"].format(command=more))
        elif looked.state != "learnt":
            terminal.say(text["hint"].format(command=command(replace(settings, remedy=True))))
        if write := code(looked, tried):
            terminal.say(text["write"].format(code=write))
        if plan:
            swept = plan, sweep(plan, settings, terminal)
        write_report()

        terminal.say()
        if settings.plots:
            terminal.say(f"{text['report_at']}: {out / 'report.html'}")
        else:
            terminal.say(f"{text['tables_at']}: {out}")
        if looked.state == "learnt" and (following := try_next(looked, text)):
            terminal.say(f"{text['try']}: {following[0][0]}")
    except KeyboardInterrupt:
        said = text["interrupted" if begun else "interrupted_early"].format(folder=out)
        raise KeyboardInterrupt(said + (text["interrupted_sweep"] if plan else "")) from None
    finally:
        # Ctrl-C keeps what is finished. The name of a folder may be bytes that are no UTF-8.
        if begun:
            lines = "".join(line + "\n" for line in terminal.lines)
            write_bytes(out / TRANSCRIPT, lines.encode(errors="backslashreplace"))


def show(looked: Looked, terminal: Terminal) -> None:
    """What the loss says, δ as bars, the verdict, and theory."""
    text = TEXTS[looked.settings.lang]
    terminal.say(loss_line(looked, text))
    terminal.say()
    step, passes = shown_pass(looked) + 1, len(looked.flow)
    terminal.say(text["delta_head"].format(step=f"{step:,}", passes=f"{passes:,}"))
    terminal.table(text["columns"].split("|"), bars(looked), left=(0, 3))
    terminal.say()
    for line in (*verdict_lines(looked, text), theory_line(looked, text)):
        terminal.say(line)


def sweep(plan: Plan, settings: Settings, terminal: Terminal) -> flow.Sweep:
    """Run the grid, and show its table."""
    text = TEXTS[settings.lang]
    count = len(plan.cells)
    terminal.say()
    keys = " × ".join(text[key] for key in plan.keys)
    terminal.say(text["sweep_head"].format(keys=keys, count=count))
    if plan.done:
        terminal.say(text["resumed"].format(file=plan.path, done=plan.done, count=count))
    with pool(None, settings.workers) as executor:
        found = plan.go(executor, terminal)
    terminal.table(grid_columns(plan, text), plan.rows(found), left=range(len(plan.keys)))
    if failed := failures(found, text):
        terminal.say(failed)
    return found
