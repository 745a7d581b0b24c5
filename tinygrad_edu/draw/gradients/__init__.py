"""Pictures of gradient flow: how strong the gradient is in each layer, predicted and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matplotlib.figure import Figure

from ...errors import UnknownNameError, closest
from ...flow import Flow, Theory, Tracker
from .depth import layers, trap
from .samples import histograms
from .sweep import grid
from .training import epochs, updates
from .trials import remedies
from .unrolled import time

__all__ = [
    "epochs",
    "flow",
    "grid",
    "histograms",
    "layers",
    "remedies",
    "time",
    "trap",
    "updates",
]

PLAIN: Mapping[str, Callable[..., Figure]] = {
    "epochs": epochs,
    "histograms": histograms,
    "updates": updates,
    "trap": trap,
}
PREDICTED: Mapping[str, Callable[..., Figure]] = {"layers": layers, "time": time}
KINDS = ("layers", "epochs", "histograms", "updates", "trap", "time")


def flow(
    flow: Flow | Tracker, kind: str = "layers", *, theory: Theory | None = None, lang: str = "en"
) -> Figure:
    """One picture of what `te.flow.track` measured.

    `kind` is "layers" (rms δ of each layer, before and after training), "epochs" (depth × epoch as
    colours), "histograms" (of activations and δ), "updates" (update ÷ weight), "trap" (δ beside
    ∇W) or "time" (rms δ over the steps of an RNN). `theory`, what `te.flow.theory` predicts of the
    same model, is drawn in "layers" and "time". Raises `UnknownNameError` for another kind or
    language, `ValueError` for a flow without passes.
    """
    flow = flow.flow if isinstance(flow, Tracker) else flow
    if kind in PREDICTED:
        return PREDICTED[kind](flow, theory=theory, lang=lang)
    if kind not in PLAIN:
        raise UnknownNameError(f"there is no picture {kind!r}; write kind={closest(kind, KINDS)}")
    return PLAIN[kind](flow, lang=lang)
