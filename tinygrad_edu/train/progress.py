"""How far a training is, on a terminal as a bar and in a pipe as about ten lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from ..terminal import Terminal

LINES = 10


@contextmanager
def progress(
    shown: bool | Terminal, done: int, epochs: int
) -> Iterator[Callable[[Mapping[str, float], int, float], None]]:
    """A function to call with an epoch's numbers, the epochs done, and rows a second.

    `shown` is False for silence, True for standard error, or where to write.
    """
    if not shown:
        yield lambda numbers, epoch, rate: None
        return
    terminal = shown if isinstance(shown, Terminal) else Terminal(sys.stderr)
    every = max(1, epochs // LINES)
    began, last = time.perf_counter(), ""
    with terminal.progress("epochs", epochs, done) as advance:

        def tell(numbers: Mapping[str, float], epoch: int, rate: float) -> None:
            nonlocal last
            text = "  ".join(f"{name} {number:.4g}" for name, number in numbers.items())
            text += f"  {rate:,.0f} rows/s"
            advance(epoch, text)
            last = f"epoch {epoch}/{epochs}  {text}"
            if terminal.console is None and (epoch % every == 0 or epoch in (1, epochs)):
                left = (time.perf_counter() - began) / (epoch - done) * (epochs - epoch)
                terminal.say(f"{last}  {left:.0f} s left")

        yield tell
    if terminal.console is not None and last:
        terminal.say(last)  # the bar is gone
