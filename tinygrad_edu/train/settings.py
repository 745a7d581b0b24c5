"""What `fit` was asked for: whether it can be meant, and whether it is the same training again."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from ..data.batching import rows as count
from ..engine.value import Value
from ..errors import OperandError, ShapeError
from ..nn.module import Module
from ..optim import Optimizer
from .callbacks import Callback, Called

Loss = Callable[[Any, Any], Value]
Metric = Callable[[Any, Any], float]
Metrics = Mapping[str, Metric] | Iterable[Metric] | Metric
Data = tuple[Any, Any]
Schedule = Callable[[float, Sequence[float]], float]


def check_parts(model: Any, loss: Any, optimizer: Any, schedule: Any) -> None:
    """Refuse what is no model, loss, optimiser or schedule, or not of one another."""
    if not isinstance(model, Module):
        raise OperandError(f"fit trains a te.nn.Module, not {model!r:.60}")
    refuse_uncalled("loss", loss, "te.nn.losses.mse")
    if not isinstance(optimizer, Optimizer):
        raise OperandError(
            f"the optimiser must be one of te.optim, as te.optim.Adam(model.parameters()), "
            f"not {optimizer!r:.60}"
        )
    held = {id(parameter) for parameter in model.parameters()}
    if not any(id(parameter) in held for parameter in optimizer.params):
        raise OperandError(
            "the optimiser moves none of this model's parameters; "
            "make it with model.parameters() of the same model"
        )
    if schedule is not None:
        refuse_uncalled("schedule", schedule, "te.optim.cosine(epochs)")


def check_numbers(**numbers: Any) -> None:
    """Refuse counts below 1, and bounds that are no positive numbers."""
    for name, number in numbers.items():
        if number is None and name in ("batch_size", "clip_norm", "clip_value"):
            continue
        if name.startswith("clip"):
            if not isinstance(number, Real) or not 0 < float(number) < np.inf:
                raise OperandError(f"{name} must be a positive number, not {number!r}")
        elif not isinstance(number, int | np.integer) or number < 1:
            raise OperandError(f"{name} must be a whole number from 1 up, not {number!r}")


def check_file(checkpoint: Any, resume: bool) -> None:
    """Refuse to resume from nothing, and a folder for a file."""
    if resume and not checkpoint:
        raise OperandError("resume=True needs checkpoint=: the file to go on from")
    if checkpoint and Path(checkpoint).is_dir():
        raise OperandError(f"checkpoint is the folder {checkpoint}; name a file in it")


def refuse_uncalled(name: str, given: Any, example: str) -> None:
    """Refuse what cannot be called, and a class in place of what it makes."""
    if not callable(given):
        raise OperandError(f"{name} must be a function, as {example}, not {given!r:.60}")
    if isinstance(given, type):
        raise OperandError(
            f"{name} is the class {given.__name__} itself; make one, as in {example}"
        )


def shuffler(seed: Any) -> np.random.Generator:
    """What shuffles."""
    if not isinstance(seed, int | np.integer | np.random.Generator) or (
        not isinstance(seed, np.random.Generator) and seed < 0
    ):
        raise OperandError(f"seed must be a whole number from 0 up or a generator, not {seed!r}")
    return np.random.default_rng(seed)


def named_callbacks(callbacks: Any) -> list[Callback]:
    """Callbacks, functions among them; a single one stands for a list of one."""
    if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable):
        callbacks = [callbacks]
    found: list[Callback] = []
    for each in callbacks:
        if not isinstance(each, Callback):
            refuse_uncalled("a callback", each, "te.train.EarlyStopping(patience=5)")
            each = Called(each)
        found.append(each)
    return found


def named_metrics(metrics: Metrics) -> dict[str, Metric]:
    """Metrics by name: that of the function where none is given."""
    if isinstance(metrics, Mapping):
        found = dict(metrics)
    else:
        listed = [metrics] if callable(metrics) else list(metrics)
        for each in listed:
            refuse_uncalled("a metric", each, "te.train.accuracy")
        found = {getattr(each, "func", each).__name__: each for each in listed}
        if len(found) < len(listed):
            raise OperandError(
                f"two metrics have the same name; give a dict, as "
                f"{{{', '.join(f'{name!r}: ...' for name in found)}, 'another': ...}}"
            )
    for each in found.values():
        refuse_uncalled("a metric", each, "te.train.accuracy")
    return found


def pair(data: Any, name: str) -> Data:
    """Inputs and targets."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        advice = "; te.data.split(x, y) keeps some rows back" if name == "validation" else ""
        raise ShapeError(f"{name} must be (x, y), not {data!r:.60}{advice}")
    return data[0], data[1]


# ---- is it the same training? ----


def identity(
    model: Module,
    data: Data,
    validation: Data | None,
    optimizer: Optimizer,
    functions: Mapping[str, Any],
    callbacks: Sequence[Callback],
    metrics: Mapping[str, Metric],
    numbers: Mapping[str, Any],
) -> dict[str, Any]:
    """All that a training depends on, but for its weights, in plain numbers and texts."""
    several = len(optimizer.groups) > 1
    options = {
        f"groups[{number}].{name}" if several else name.removeprefix("base_"): option
        for number, group in enumerate(optimizer.groups)
        for name, option in group.items()
        if name not in ("params", "lr")
    }
    return {
        "model": " ".join(repr(model).split()),
        "rows": count(*data),
        "data": check_sum(data),
        "validation": None if validation is None else check_sum(validation),
        "metrics": list(metrics),
        "callbacks": [repr(each) for each in callbacks if not isinstance(each, Called)],
        "optimizer": type(optimizer).__name__,
        **options,
        **{name: label(function) for name, function in functions.items()},
        **{name: plain(number) for name, number in numbers.items()},
    }


def check_sum(data: Any) -> str:
    """A number that other data hardly share."""
    if isinstance(data, tuple | list) and not np.isscalar(data):
        return "-".join(check_sum(each) for each in data)
    array = np.ascontiguousarray(data)
    return f"{array.dtype}{list(array.shape)}:{zlib.crc32(array.data):08x}"


def label(function: Any) -> str | None:
    """A function's name, with the options that were bound to it."""
    if function is None:
        return None
    if isinstance(function, partial):
        bound = [*map(repr, function.args), *(f"{k}={v!r}" for k, v in function.keywords.items())]
        return f"{label(function.func)}({', '.join(bound)})"
    if is_dataclass(function):
        return repr(function)
    return str(getattr(function, "__name__", type(function).__name__))


def plain(number: Any) -> Any:
    """A number as JSON writes it; None for a generator, whose state is kept elsewhere."""
    if isinstance(number, np.random.Generator):
        return None
    return number.item() if isinstance(number, np.generic) else number
