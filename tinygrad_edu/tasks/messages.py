"""What `fit` and the verifier report, in the words of the command and its language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import FileError, OperandError, OtherTrainingError

# What the names in the refusal of a checkpoint are called on the command line.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "model": ("--layers",),
    "optimizer": ("--optimizer",),
    "lr": ("--lr",),
    "weight_decay": ("--weight-decay",),
    "schedule": ("--schedule", "--epochs"),
    "batch_size": ("--batch",),
    "clip_norm": ("--clip",),
    "callbacks": ("--patience",),
    "seed": ("--seed",),
}
TASK = ("data", "rows", "loss")

JAPANESE = (
    (r"epoch (\d+), step (\d+) of (\d+): ", r"エポック \1、ステップ \2/\3："),
    (r"the step before made (\S+) ([^\s;]+);.*", r"直前の更新で \1 が \2 になりました。"),
    (r"the loss is (\S+): ", r"損失が \1 になりました。"),
    (r"a gradient is not finite: ", r"勾配が有限の値でなくなりました。"),
    (r"the derivative of (.+?) passed back ([^\s,;]+).*", r"原因：\1 の微分が \2 になりました。"),
    (r"([^。：]+?) gave ([^\s,;]+).*", r"原因：\1 の計算結果が \2 になりました。"),
    (r"(\S+) is not finite after the last step.*", r"\1 が有限の値でなくなりました。"),
    (
        r"(\d+) entries were checked along (\d+) random directions?\.",
        r"\1 個の要素をランダムな \2 方向で調べました。",
    ),
    (
        r"(\d+) entries of the gradient are not finite\.",
        r"勾配の \1 個の要素が有限の値でありません。",
    ),
    (
        r"The search ended when (\d+) wrong entries had been found\.",
        r"誤りが \1 個見つかったところで探索を終えました。",
    ),
)


def said(message: str, lang: str) -> str:
    """A message in English as it is, in Japanese so far as its sentences are known."""
    if lang == "ja":
        for english, japanese in JAPANESE:
            message = re.sub(english, japanese, message)
    return message


def refusal(
    error: FileError | OtherTrainingError, file: Path, text: Mapping[str, str]
) -> FileError | OperandError:
    """Why a checkpoint is not gone on from, and what to do, in one line."""
    if isinstance(error, FileError):
        return FileError(text["no_checkpoint"].format(file=file))
    if error.names == ("epochs",):
        return OperandError(text["enough_epochs"].format(file=file, done=error.epochs))
    if any(name in TASK for name in error.names):
        names = [text["the_task"]]
    else:
        names = [
            option for name, options in OPTIONS.items() if name in error.names for option in options
        ]
    # Another rule has other options, and another model other generators: one word is enough.
    for first, rest in (("--layers", ()), ("--optimizer", ("--lr", "--weight-decay"))):
        if first in names:
            names = [name for name in names if name not in rest]
    which = text["which"].format(names=", ".join(names)) if names else ""
    return OperandError(text["other_run"].format(file=file, which=which))
