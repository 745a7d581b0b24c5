"""The training loop: epochs of batches, each a forward pass, a backward pass and a step."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NoReturn

import numpy as np

from ..data.batching import batches
from ..data.batching import rows as count
from ..engine.context import no_grad, record_lines
from ..engine.node import numbers_of
from ..engine.nonfinite import trace_nonfinite
from ..engine.value import Value
from ..errors import NonFiniteError, NotTrackedError, OperandError, ShapeError
from ..nn.module import Module, remembered, unchanged
from ..optim import Optimizer, clip_grad_norm, clip_grad_value
from ..terminal import Terminal
from .callbacks import Callback, Run
from .checkpoints import Checkpoint
from .history import History
from .program import Recording, StoppedError, check_finite, finite, refuse_observers
from .progress import progress as shown_progress
from .settings import (
    Data,
    Loss,
    Metric,
    Metrics,
    Schedule,
    check_file,
    check_numbers,
    check_parts,
    identity,
    named_callbacks,
    named_metrics,
    pair,
    shuffler,
)


def fit(
    model: Module,
    data: Data,
    loss: Loss,
    optimizer: Optimizer,
    *,
    epochs: int,
    batch_size: int | None = None,
    seed: int | np.random.Generator = 0,
    callbacks: Callback | Iterable[Callback | Callable[[Run], Any]] = (),
    validation: Data | None = None,
    metrics: Metrics = (),
    schedule: Schedule | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    accumulate: int = 1,
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 1,
    resume: bool = False,
    compile: bool = False,
    progress: bool | Terminal = True,
) -> History:
    """Train a model, and leave it in `eval` mode, ready to predict.

    `data` and `validation` are `(x, y)` whose rows belong together, and `loss(prediction, y)` a
    single number. A `batch_size` of None takes all rows at once; otherwise they are shuffled anew
    for each epoch by `seed`. `accumulate` batches make one step, with the gradient that they would
    have as one batch. `schedule(epoch, losses)`, see `te.optim`, multiplies the learning rate
    before every step; `losses` are those of the epochs so far, of validation where there is one.
    Gradients are clipped by entry (`clip_value`), then by their norm taken together (`clip_norm`).
    `metrics` are functions of prediction and target, or a dict of them by name. A callback is a
    function of the `Run` after each epoch, or a `Callback`. A loop of your own afterwards begins
    with `model.train()`.

    `checkpoint` is a file, in `.npz` or `.safetensors`, that holds the whole training after each
    `every`-th epoch. With `resume` a training goes on from it, where it exists, and ends with
    exactly the weights of one that was never interrupted; another model, other data or options
    than it was made with are refused.

    With `compile` the steps are one program, see `te.compile`: the same history and weights, and
    `.grad` is None afterwards. With clipping or `accumulate` it is forward and backward pass that
    are compiled.

    Raises `NonFiniteError` where loss or gradient is not finite: it names the operation that bore
    it; the model has the weights before that step, and the file is that of the last good epoch.
    Raises `TracingError` for a compiled step that something would look into, as `te.flow.Tracker`,
    or that needs the number behind a Value.
    """
    check_parts(model, loss, optimizer, schedule)
    check_numbers(
        epochs=epochs,
        batch_size=batch_size,
        accumulate=accumulate,
        every=every,
        clip_norm=clip_norm,
        clip_value=clip_value,
    )
    check_file(checkpoint, resume)
    x, y = pair(data, "data")
    if validation is not None:
        count(*pair(validation, "validation"))
    rows, shuffle = count(x, y), shuffler(seed)
    size = rows if batch_size is None else int(batch_size)
    called, measured = named_callbacks(callbacks), named_metrics(metrics)
    run = Run(model, optimizer, History(), epochs)
    file = None
    if checkpoint:
        functions = {"loss": loss, "schedule": schedule}
        numbers = {
            "batch_size": size,
            "accumulate": accumulate,
            "clip_norm": clip_norm,
            "clip_value": clip_value,
            "seed": seed,
        }
        settings = identity(
            model, (x, y), validation, optimizer, functions, called, measured, numbers
        )
        file = Checkpoint(checkpoint, run, shuffle, called, settings)
        if resume and file.path.exists():
            run.history = file.read()
    step = Step(model, optimizer, loss, clip_norm, clip_value)
    if compile:
        step.compile(accumulate, returning=bool(measured))

    try:
        with ExitStack() as stack:
            for callback in called:
                stack.enter_context(callback.watching(run))
            if compile:
                refuse_observers()
            tell = stack.enter_context(shown_progress(progress, run.epoch, epochs))
            while run.epoch < epochs and not run.history.stopped:
                began = time.perf_counter()
                parts = batches(x, y, size, shuffle=batch_size is not None, seed=shuffle)
                steps = math.ceil(math.ceil(rows / size) / accumulate)
                row = one_epoch(step, grouped(parts, accumulate), steps, run, schedule, measured)
                if validation is not None:
                    found = evaluate(model, validation, loss, metrics=measured, batch_size=size)
                    row |= {f"validation_{name}": number for name, number in found.items()}
                seconds = time.perf_counter() - began
                run.history.add(row | {"lr": optimizer.lr, "seconds": seconds})
                for callback in called:
                    callback.epoch_ended(run)
                over = run.epoch == epochs or run.history.stopped
                if file and (run.epoch % every == 0 or over):
                    file.write()
                tell(row, run.epoch, rows / seconds)
    except NonFiniteError as error:
        error.history = run.history
        if file and file.path.exists():
            error.add_note(f"The last good epoch is in {file.path}: te.train.load(model, path).")
        raise
    for callback in called:
        callback.finished(run)
    if schedule is not None:
        optimizer.scale(1)  # what comes next begins with the rate that was given
    model.eval()
    return run.history


def one_epoch(
    step: Step,
    groups: Iterable[list[Data]],
    steps: int,
    run: Run,
    schedule: Schedule | None,
    metrics: Mapping[str, Metric],
) -> dict[str, float]:
    """A step for each group of batches; the mean loss and metrics over all rows."""
    step.model.train()
    mean = Mean()
    watched = "validation_loss" if "validation_loss" in run.history else "loss"
    losses = run.history[watched] if run.epoch else []
    for number, group in enumerate(groups):
        if schedule is not None:
            step.optimizer.scale(schedule(run.epoch + number / steps, losses))
        where = f"epoch {run.epoch + 1}, step {number + 1} of {steps}"
        for rows, prediction, target, value in step(group, where):
            mean.add(rows, {"loss": value, **apply(metrics, prediction, target)})
    return mean.values()


def evaluate(
    model: Module,
    data: Data,
    loss: Loss,
    *,
    metrics: Metrics = (),
    batch_size: int | None = None,
) -> dict[str, float]:
    """The mean loss and metrics of a model on `(x, y)`, in `eval` mode and without a graph.

    The model's mode is afterwards what it was. Rows are taken `batch_size` at a time.
    """
    x, y = pair(data, "data")
    rows = count(x, y)
    measured = named_metrics(metrics)
    mean = Mean()
    with no_grad(), unchanged(model):
        model.eval()
        for inputs, target in batches(x, y, min(batch_size or rows, rows), shuffle=False):
            prediction = predict(model, inputs)
            found = {"loss": loss(prediction, target).item()}
            mean.add(count(inputs, target), found | apply(measured, prediction, target))
    return mean.values()


class Step:
    """One step of the optimiser on a group of batches, with its gradients looked at first."""

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Loss,
        clip_norm: float | None,
        clip_value: float | None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.generators = [each for _, each in model.named_generators()]
        self.buffers = [each for _, each in model.named_buffers()]
        self.passes = self.uncompiled
        self.at_once = False

    def compile(self, accumulate: int, *, returning: bool) -> None:
        """Run programs from now on: whole steps, or passes if gradients are changed behind them.

        `returning` says whether predictions are wanted.
        """
        self.at_once = accumulate == 1 and self.clip_value is self.clip_norm is None

        def passed(x: Any, y: Any, *share: float) -> tuple[Any, ...]:
            prediction = predict(self.model, x)
            value = checked_loss(self.loss(prediction, y))
            return *(value * each for each in share), value, prediction if returning else None

        passed.__name__ = passed.__qualname__ = "the training step"
        optimizer = self.optimizer if self.at_once else None
        program = Recording(passed, optimizer, self.optimizer.params, self.generators)

        def compiled(x: Any, y: Any, share: float) -> tuple[float, Any]:
            *_, value, prediction = program(x, y) if self.at_once else program(x, y, share)
            return value.item(), numbers_of(prediction)

        self.passes = compiled

    def uncompiled(self, x: Any, y: Any, share: float) -> tuple[float, Any]:
        """Forward and backward pass of a batch that is that share of the step's rows.

        Loss and prediction are numbers alone, so that a batch's graph is gone before the next.
        """
        prediction = predict(self.model, x)
        value = checked_loss(self.loss(prediction, y))
        number = value.item()
        if math.isfinite(number):
            value.backward(None if share == 1 else value.dtype.type(share))
        return number, numbers_of(prediction)

    def __call__(self, group: Sequence[Data], where: str) -> list[tuple[int, Any, Any, float]]:
        """Take the step; rows, prediction, target and loss of each batch of the group."""
        parameters = self.optimizer.params
        self.optimizer.zero_grad()
        total = sum(count(*batch) for batch in group)
        done = []
        for x, y in group:
            before = remembered(self.buffers, self.generators)
            rows = count(x, y)
            try:
                number, prediction = self.passes(x, y, rows / total)
                check_finite(number, parameters)
            except StoppedError as stopped:
                self.blame(x, y, before, f"{where}: {stopped}")
            done.append((rows, prediction, y, number))
        if self.at_once:
            return done
        if self.clip_value is not None:
            clip_grad_value(parameters, self.clip_value)
        if self.clip_norm is not None:
            clip_grad_norm(parameters, self.clip_norm)
        self.optimizer.step()
        return done

    def blame(self, x: Any, y: Any, before: Callable[[], None], told: str) -> NoReturn:
        """Raise the error that says where the first number was born that is not finite."""
        for name, parameter in self.model.named_parameters():
            if not finite(parameter.data):
                raise NonFiniteError(
                    f"{told}: the step before made {name} {worst(parameter.data)}; lower the "
                    "learning rate, or clip gradients with clip_norm=1"
                ) from None
        before()
        self.optimizer.zero_grad()
        try:
            with np.errstate(all="ignore"), trace_nonfinite(), record_lines():
                self.loss(predict(self.model, x), y).backward()
        except NonFiniteError as error:
            raise NonFiniteError(f"{told}: {error}") from None
        finally:
            self.optimizer.zero_grad()
        raise NonFiniteError(
            f"{told}, and finite when computed again; gradients of several batches have overflowed"
        ) from None


class Mean:
    """Means of several numbers, weighted by rows."""

    def __init__(self) -> None:
        self.rows = 0
        self.sums: dict[str, float] = {}

    def add(self, rows: int, numbers: Mapping[str, float]) -> None:
        """Count `rows` more."""
        self.rows += rows
        for name, number in numbers.items():
            self.sums[name] = self.sums.get(name, 0.0) + rows * number

    def values(self) -> dict[str, float]:
        """The means."""
        return {name: total / self.rows for name, total in self.sums.items()}


def grouped(parts: Iterable[Data], size: int) -> Iterator[list[Data]]:
    """Lists of `size` batches, the last one of what is left."""
    group: list[Data] = []
    for part in parts:
        group.append(part)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def predict(model: Module, x: Any) -> Any:
    """What a model says to a batch; a tuple is several inputs."""
    return model(*x) if isinstance(x, tuple) else model(x)


def apply(metrics: Mapping[str, Metric], prediction: Any, target: Any) -> dict[str, float]:
    """Each metric of one batch."""
    return {name: float(metric(numbers_of(prediction), target)) for name, metric in metrics.items()}


def worst(array: Any) -> str:
    """The first entry that is not finite."""
    return str(np.ravel(array)[~np.isfinite(np.ravel(array))][0])


def checked_loss(value: Any) -> Value:
    """The loss, if it is one."""
    if not isinstance(value, Value):
        raise OperandError(f"the loss must be a Value, as te.nn.losses give it, not {value!r:.60}")
    if value.size != 1:
        raise ShapeError(
            f"the loss has shape {value.shape} and must be a single number; "
            'write reduction="mean", or .mean()'
        )
    if not value.requires_grad:
        raise NotTrackedError(
            "the loss does not depend on any parameter: it was computed outside the model, under "
            "te.no_grad(), or from .data"
        )
    return value
