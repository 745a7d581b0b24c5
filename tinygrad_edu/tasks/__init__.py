"""A small model, whole: a task, its training, and a report of what has been learnt.

Checks the gradient first, trains with a checkpoint after each epoch, judges the model only once, at
the end, on the test data, and leaves pictures, tables, weights and a report.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .. import check, train
from ..errors import (
    FileError,
    NonFiniteError,
    OtherTrainingError,
    UnknownNameError,
)
from ..files import write_bytes, write_text
from ..runs import command_line, find_font
from ..terminal import Terminal
from .advice import falls_short, remedy, try_next
from .folder import TRANSCRIPT, Folder
from .learning import (
    RATES,
    SCHEDULES,
    Learnt,
    check_batch,
    learn,
    make_model,
    make_optimizer,
    make_schedule,
)
from .messages import refusal, said
from .pages import (
    check_lines,
    check_summary,
    epoch_line,
    few,
    make_report,
    model_table,
    pictures,
    result_columns,
    result_rows,
    seeds_table,
    verdict,
    worked_table,
)
from .problems import TASKS, Sets, Settings, Task
from .texts import TEXTS

__all__ = ["RATES", "SCHEDULES", "TASKS", "Learnt", "Settings", "Sets", "Task", "learn", "run"]


def run(settings: Settings, terminal: Terminal, command: str) -> int:
    """The whole job; returns the exit code, which is 1 for a training that diverges.

    Raises `UnknownNameError`, `ShapeError` for layers that do not fit the task or the batches,
    `RenderingError` for lack of a font, `ImportError` for lack of data, `OSError`, and `FileError`
    or `OperandError` for a checkpoint of something else, all before anything is trained. What an
    earlier run has left in the folder stays until this one has finished an epoch.
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
    check_batch(settings, model, sets)
    folder = Folder(settings.out, settings.resume)
    out = folder.path

    try:
        terminal.say(f"== {text[f'{settings.task}_title']} ==")
        table = model_table(model, sets, text)
        terminal.table(table.columns, [list(map(str, row)) for row in table.rows], left=(0, 1))
        # Dropout would make another function of it at each evaluation.
        checked = check.model(model.eval(), task.loss, *few(sets), mode="directions")
        summary = check_summary(checked, model, text)
        terminal.say(summary)

        terminal.say(f"\n== {text['training_head']} ==")
        if settings.compile:
            terminal.say(text["compiled" if settings.clip is None else "compiled_clip"])
        if settings.resume:
            key = "resumed" if folder.resumed else "nothing_to_resume"
            terminal.say(text[key].format(file=folder.checkpoint))
        try:
            learnt = told(settings, sets, folder, terminal)
        except NonFiniteError as error:
            folder.look()
            what, *_ = str(error).splitlines()
            terminal.say(text["diverged"].format(error=said(what, settings.lang)))
            terminal.say(text["diverged_help"])
            if folder.begun or folder.resumed:
                terminal.say(text["last_good"].format(file=folder.checkpoint))
            elif folder.keeps_earlier:
                terminal.say(text["kept_results"].format(folder=out))
            if folder.begun:
                error.history.to_csv(out / "history.csv")
            terminal.say(f"{text['try']}: {remedy(settings, None, text)[0]}")
            return 1
        except (FileError, OtherTrainingError) as error:
            raise refusal(error, folder.checkpoint, text) from error
        folder.begin()
        if learnt.history.stopped:
            terminal.say(
                text["stopped"].format(
                    epoch=len(learnt.history),
                    patience=settings.patience,
                    best=learnt.best_epoch,
                )
            )
        elif learnt.best_epoch:
            terminal.say(text["kept_best"].format(best=learnt.best_epoch))
        learnt.history.to_csv(out / "history.csv")
        train.save(learnt.model, out / "weights.npz")

        terminal.say(f"\n== {text['results']} ==")
        rows = result_rows(learnt, sets, settings, text)
        terminal.table(result_columns(settings, text), rows, left=(0,))
        if task.kind == "sums":
            for sum_, answer, right in worked_table(learnt, text).rows:
                terminal.say(f"{sum_}  {text['answer']} {answer} {text['yes' if right else 'no']}")
        found = verdict(learnt, sets, settings, text)
        for sentence in found:
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
                    said=found,
                    checked=(summary, check_lines(checked, settings.lang)),
                    figures=figures,
                    over_seeds=over_seeds,
                    command=command,
                    text=text,
                )
                write_text(out / "report.html", page)

        write_report(None)
        if settings.seeds:
            terminal.say(f"\n== {text['over_seeds'].format(seeds=settings.seeds)} ==")
            table_of = seeds_table(over_seeds(settings, learnt, sets, terminal), settings, text)
            terminal.table(table_of[0], table_of[1])
            terminal.say(table_of[2])
            write_report(table_of)

        terminal.say()
        if settings.plots:
            terminal.say(f"{text['report_at']}: {out / 'report.html'}")
        else:
            terminal.say(f"{text['tables_at']}: {out}")
        this = command_line(["train", settings.task, "--layers", settings.layers])
        commands = [line for line, _ in try_next(settings, text, learnt)]
        short = falls_short(learnt, settings)
        other = next(line for line in commands if short or not line.startswith(this))
        terminal.say(f"{text['try']}: {other}")
        return 0
    except KeyboardInterrupt:
        folder.look()
        key = "interrupted" if folder.begun or folder.resumed else "interrupted_early"
        raise KeyboardInterrupt(text[key].format(folder=out)) from None
    finally:
        # Ctrl-C keeps what is finished. The name of a folder may be bytes that are no UTF-8.
        if not folder.keeps_earlier:
            lines = "".join(line + "\n" for line in terminal.lines)
            write_bytes(out / TRANSCRIPT, lines.encode(errors="backslashreplace"))


def told(settings: Settings, sets: Sets, folder: Folder, terminal: Terminal) -> Learnt:
    """Train with about ten lines, and a bar on a terminal."""
    text = TEXTS[settings.lang]
    every = max(settings.epochs // 10, 1)
    with terminal.progress(text["training_head"], settings.epochs) as advance:

        def tell(run: train.Run) -> None:
            advance(run.epoch)
            folder.look()
            if run.epoch in (1, run.epochs) or run.epoch % every == 0 or run.history.stopped:
                terminal.say(epoch_line(run, text))

        return learn(settings, settings.seed, sets, tell, folder.checkpoint)


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
