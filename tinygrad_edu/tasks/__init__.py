"""A small model, whole: a task, its training, and a report of what has been learnt.

Checks the gradient first, trains with a checkpoint after each epoch, judges the model once on data
that it has not seen, and leaves pictures, tables, weights and a report.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from .. import check, train
from ..errors import NonFiniteError, UnknownNameError
from ..files import writable_folder, write_bytes, write_text
from ..runs import command_line, find_font
from ..terminal import Terminal
from .learning import (
    RATES,
    SCHEDULES,
    Learnt,
    learn,
    make_model,
    make_optimizer,
    make_schedule,
)
from .pages import (
    PICTURES,
    check_summary,
    epoch_line,
    few,
    make_report,
    model_table,
    pictures,
    result_columns,
    result_rows,
    seeds_table,
    try_next,
    verdict,
    worked_table,
)
from .problems import TASKS, Sets, Settings, Task
from .texts import TEXTS

CHECKPOINT = "checkpoint.npz"
OUTPUTS = (
    *("report.html", "transcript.txt", "history.csv", "weights.npz", "graph.dot", "graph.svg"),
    *(f"{name}.png" for name in sorted({each for kind in PICTURES.values() for each in kind})),
)

__all__ = ["RATES", "SCHEDULES", "TASKS", "Learnt", "Settings", "Sets", "Task", "learn", "run"]


def run(settings: Settings, terminal: Terminal, command: str) -> int:
    """The whole job; returns the exit code, which is 1 for a training that diverges.

    Raises `UnknownNameError`, `ShapeError` for layers that do not fit the task, `RenderingError`
    for lack of a font, `ImportError` for lack of data, or `OSError` before anything is trained,
    and `FileError` or `OperandError` for a checkpoint of something else.
    """
    if settings.lang not in TEXTS:
        raise UnknownNameError(f"no language {settings.lang!r}; there is en and ja")
    text = TEXTS[settings.lang]
    if settings.plots:
        find_font(settings.lang)
    task = TASKS[settings.task]
    model = make_model(settings, settings.seed)
    make_optimizer(settings, model)
    make_schedule(settings)
    sets = task.sets()
    out = writable_folder(settings.out)
    checkpoint = out / CHECKPOINT
    for name in OUTPUTS:
        (out / name).unlink(missing_ok=True)  # an earlier run's would be taken for this one's
    if not settings.resume:
        checkpoint.unlink(missing_ok=True)

    try:
        terminal.say(f"== {text[f'{settings.task}_title']} ==")
        table = model_table(model, sets, text)
        terminal.table(table.columns, [list(map(str, row)) for row in table.rows], left=(0, 1))
        # Dropout would make another function of it at each evaluation.
        checked = check.model(model.eval(), task.loss, *few(sets), mode="directions")
        summary = check_summary(checked, model, text)
        terminal.say(summary)

        terminal.say(f"\n== {text['training_head']} ==")
        if settings.resume:
            key = "resumed" if checkpoint.exists() else "nothing_to_resume"
            terminal.say(text[key].format(file=checkpoint))
        try:
            learnt = told(settings, sets, checkpoint, terminal)
        except NonFiniteError as error:
            what, *_ = str(error).splitlines()
            terminal.say(text["diverged"].format(error=what))
            terminal.say(text["diverged_help"])
            if checkpoint.exists():
                terminal.say(text["last_good"].format(file=checkpoint))
            if history := getattr(error, "history", None):
                history.to_csv(out / "history.csv")
            return 1
        if learnt.history.stopped:
            terminal.say(
                text["stopped"].format(
                    epoch=len(learnt.history),
                    patience=settings.patience,
                    best=learnt.best_epoch,
                )
            )
        learnt.history.to_csv(out / "history.csv")
        train.save(learnt.model, out / "weights.npz")

        terminal.say(f"\n== {text['results']} ==")
        rows = result_rows(learnt, sets, settings, text)
        terminal.table(result_columns(settings, text), rows, left=(0,))
        if task.kind == "sums":
            for sum_, answer, right in worked_table(learnt, text).rows:
                terminal.say(f"{sum_}  {text['answer']} {answer} {text['yes' if right else 'no']}")
        said = verdict(learnt, sets, settings, text)
        for sentence in said:
            terminal.say(sentence)

        figures = []
        if settings.plots:
            figures = list(pictures(settings, learnt, sets, out, terminal, text))

        def write_report(over_seeds: tuple[list[str], list[list[str]], str] | None) -> None:
            if settings.plots:
                page = make_report(
                    settings,
                    learnt,
                    sets,
                    said=said,
                    checked=(summary, checked.table(settings.lang)),
                    figures=figures,
                    over_seeds=over_seeds,
                    command=command,
                    text=text,
                )
                write_text(out / "report.html", page)

        write_report(None)
        if settings.seeds:
            terminal.say(f"\n== {text['over_seeds'].format(seeds=settings.seeds)} ==")
            found = seeds_table(over_seeds(settings, learnt, sets, terminal), settings, text)
            terminal.table(found[0], found[1])
            terminal.say(found[2])
            write_report(found)

        terminal.say()
        if settings.plots:
            terminal.say(f"{text['report_at']}: {out / 'report.html'}")
        else:
            terminal.say(f"{text['tables_at']}: {out}")
        this = command_line(["train", settings.task, "--layers", settings.layers])
        other = next(line for line, _ in try_next(settings, text) if not line.startswith(this))
        terminal.say(f"{text['try']}: {other}")
        return 0
    finally:
        # Ctrl-C keeps what is finished. The name of a folder may be bytes that are no UTF-8.
        lines = "".join(line + "\n" for line in terminal.lines)
        write_bytes(out / "transcript.txt", lines.encode(errors="backslashreplace"))


def told(settings: Settings, sets: Sets, checkpoint: Path, terminal: Terminal) -> Learnt:
    """Train with about ten lines, and a bar on a terminal."""
    text = TEXTS[settings.lang]
    every = max(settings.epochs // 10, 1)
    with terminal.progress(text["training_head"], settings.epochs) as advance:

        def tell(run: train.Run) -> None:
            advance(run.epoch)
            if run.epoch in (1, run.epochs) or run.epoch % every == 0 or run.history.stopped:
                terminal.say(epoch_line(run, text))

        return learn(settings, settings.seed, sets, tell, checkpoint)


def advanced(advance: Callable[[int], None], run: train.Run) -> None:
    """Move a bar to the epoch of a training."""
    advance(run.epoch)


def over_seeds(
    settings: Settings, first: Learnt, sets: Sets, terminal: Terminal
) -> list[Learnt | int]:
    """The same from other seeds; of a training that diverges only its seed."""
    text = TEXTS[settings.lang]
    runs: list[Learnt | int] = [first]
    for seed in range(settings.seed + 1, settings.seed + settings.seeds):
        with terminal.progress(f"{text['seed']} {seed}", settings.epochs) as advance:
            tell = partial(advanced, advance)
            try:
                runs.append(learn(settings, seed, sets, tell))
            except NonFiniteError:
                runs.append(seed)
    return runs
