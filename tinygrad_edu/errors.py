"""Every exception the package raises on purpose; each says what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from numpy.linalg import LinAlgError


class ShapeError(ValueError):
    """Shapes that an operation, a gradient or an assignment cannot use."""


class DtypeError(TypeError):
    """Data of a type that has no derivative here: complex, object, string, float16, longdouble."""


class OperandError(TypeError):
    """An operation called with arguments it does not take."""


class MatrixError(LinAlgError):
    """A matrix without an inverse, or without the factors that are asked for."""


class IndexingError(IndexError):
    """An index outside an array, or of the wrong kind."""


class UnsupportedError(TypeError):
    """A NumPy function, or an option of one, that has no record."""


class InPlaceError(TypeError):
    """A write that would change numbers a recorded graph still needs."""


class ConversionError(TypeError):
    """A conversion to a plain number or array that would lose the gradient in silence."""


class StaleGraphError(RuntimeError):
    """Data was replaced after the graph that used it was recorded."""


class NotTrackedError(RuntimeError):
    """A derivative asked of a value that no tracked leaf leads to."""


class NonFiniteError(FloatingPointError):
    """The first NaN or infinity, found by `te.trace_nonfinite()`.

    `history` is that of the training which it ended, None outside of `te.train.fit`.
    """

    history: Any = None


class TracingError(TypeError):
    """Something asked of a value in `te.compile` that a program cannot know: its number."""


class RecordingWarning(UserWarning):
    """`te.compile` records a program again, which takes time."""


class IncompleteRecordError(TypeError):
    """An operation declared without a rule, a formula or a domain."""


class UnknownNameError(ValueError):
    """A name (of an activation, an initialiser, a language ...) that does not exist."""


class FormulaError(ValueError):
    """A typed formula that cannot be read; the message points at the place."""


class GradientError(AssertionError):
    """A derivative that the verifier has found wrong; the message is its table."""


class FileError(ValueError):
    """A file that is damaged, of another kind, or of a name that says nothing of its kind."""


class LossWarning(UserWarning):
    """A loss given what another function has already squashed: it trains, but badly."""


class OtherTrainingError(OperandError):
    """A checkpoint of another training than the one that shall go on.

    `names` are the settings that differ, and `epochs` how many the checkpoint has.
    """

    def __init__(self, message: str, names: Iterable[str], epochs: int) -> None:
        super().__init__(message)
        self.names = tuple(names)
        self.epochs = epochs


class RenderingError(RuntimeError):
    """A picture that no installed program can draw."""


def closest(name: str, known: Iterable[str], count: int = 3, fallback: bool = True) -> str:
    """The known names nearest to `name`, as "a, b or c"; if none is near, all of them or none."""
    names = list(known)
    spelt = {candidate.replace("_", "").lower(): candidate for candidate in names}
    near = difflib.get_close_matches(
        name.replace("_", "").lower(), spelt, n=count, cutoff=0.5 if fallback else 0.7
    )
    chosen = [spelt[key] for key in near] or (sorted(names) if fallback else [])
    if not chosen:
        return ""
    return chosen[0] if len(chosen) == 1 else f"{', '.join(chosen[:-1])} or {chosen[-1]}"
