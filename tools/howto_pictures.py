"""Draws the pictures of the how-to pages into docs/pictures: python -m tools.howto_pictures."""

from __future__ import annotations

import tinygrad_edu as te
from tinygrad_edu.files import write_bytes
from tools.course_pictures_1 import page_at, reduced
from tools.verify_pictures import FOLDER


def neuron() -> te.Value:
    """The single neuron of docs/howto/draw_graph.md, after its backward pass."""
    x, w, b = te.Value(2.0, "x"), te.Value(-3.0, "w"), te.Value(7.0, "b")
    y = te.activations.sigmoid(w * x + b)
    y.backward()
    return y


def network() -> te.Value:
    """The network of XOR on the same page."""
    data, target = te.data.xor()
    model = te.nn.MLP([2, 8, 1], activation="tanh", output="sigmoid", seed=0)
    loss = te.nn.losses.mse(model(data), target)
    loss.backward()
    return loss


def main() -> None:
    """Write all of them."""
    drawn = {
        "howto_graph": te.draw.graph(neuron()).png,
        "howto_layers": te.draw.graph(network(), collapse="layer").png,
        "howto_steps": page_at(te.draw.step_through(neuron()), 4),
    }
    for name, png in drawn.items():
        data = reduced(png)
        write_bytes(FOLDER / f"{name}.png", data)
        print(f"{name}.png: {len(data) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
