"""Draws the pictures of docs/verify.md into docs/pictures: python -m tools.verify_pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tinygrad_edu import activations
from tinygrad_edu.check import gradients
from tinygrad_edu.check.identities import taylor
from tinygrad_edu.draw.differences import best_steps, forward_and_central, sides
from tools.png import FOLDER, small, write


def pictures() -> dict[str, Figure]:
    """Each picture by the name of its file."""

    def sine(x: Any) -> Any:
        return np.sum(np.sin(x))

    x = np.linspace(0.1, 2.0, 5)
    return {
        "verify_v": forward_and_central(np.sin, 1.0, np.cos(1.0), "sin at 1"),
        "verify_steps": best_steps(
            [
                ("sin(x) at 1", np.sin, 1.0, np.cos(1.0)),
                ("sin(1000 x) at 1", lambda x: np.sin(1000 * x), 1.0, 1000 * np.cos(1000.0)),
                ("log(x) at 1e-5", np.log, 1e-5, 1e5),
                ("exp(x / 1000) at 1", lambda x: np.exp(x / 1000), 1.0, np.exp(0.001) / 1000),
            ]
        ),
        "verify_kinks": sides(
            [
                ("relu at 0", activations.relu, 0.0),
                ("relu at 1e-9", activations.relu, 1e-9),
                ("relu at 1e-3", activations.relu, 1e-3),
            ]
        ),
        "verify_wrong": gradients(np.sin, 1.0, rule=lambda x: 1.001 * np.cos(x)).plot(),
        "verify_taylor": taylor(sine, x).plot(),
        "verify_taylor_wrong": taylor(sine, x, rule=lambda x: 1.01 * np.cos(x)).plot(),
    }


def main() -> None:
    """Write all of them."""
    for name, figure in pictures().items():
        write(FOLDER / f"{name}.png", small(figure, dpi=150, colours=64))


if __name__ == "__main__":
    main()
