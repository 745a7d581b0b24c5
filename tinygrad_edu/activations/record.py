"""What an activation is: an operation with a card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..engine.operation import Elementwise, Operation, Structural

if TYPE_CHECKING:
    from .card import Card


class Carded:
    """Gives a record its card."""

    def card(self: Operation, lang: str = "en", full: bool = False) -> Card:  # type: ignore[misc]
        """What to know about this activation, in English ("en") or Japanese ("ja").

        `full` adds limits, monotonicity, Lipschitz constant, saturation, gain, χ₁, the source, and
        the cost beside relu, which is timed. Raises `UnknownNameError` for another language.
        """
        # The words are read and the formulas traced only when somebody asks.
        from .card import make_card

        return make_card(self, lang, full)

    @property
    def keeps_width(self: Operation) -> bool:  # type: ignore[misc]
        """Whether there are as many outputs as inputs: the gates that halve an axis give fewer."""
        return bool(np.shape(self.forward(np.ones(2))) == (2,))

    @property
    def initialiser(self: Operation) -> str:  # type: ignore[misc]
        """The name of the initialiser in `te.nn.init` that suits the layers before it."""
        from .card import initialiser

        return initialiser(self.name)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Activation(Carded, Elementwise):
    """An activation that works entry by entry."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class AxisActivation(Carded, Structural):
    """An activation whose every output depends on several inputs along an axis."""
