"""Draws pictures of the course and of the how-to pages that their code only describes.

python -m tools.lesson_pictures writes all of them; it needs chromium for the pages to step through.
"""

from __future__ import annotations

import shutil

import numpy as np
from matplotlib.figure import Figure
from playwright.sync_api import sync_playwright

import tinygrad_edu as te
from tinygrad_edu.draw.differences import forward_and_central
from tinygrad_edu.draw.style import COLOURS, figure_context, new_figure
from tools.png import FOLDER, reduced, small, write


def zoom() -> Figure:
    """The curve x² around 3, three times, each ten times closer, with the line of slope 6."""
    with figure_context():
        figure = new_figure(6.6, 2.9)
        for position, width in enumerate((2.0, 0.2, 0.02), 1):
            axes = figure.add_subplot(1, 3, position)
            x = np.linspace(3 - width, 3 + width, 101)
            axes.plot(x, x * x, color=COLOURS[0], linewidth=2.5, label="x · x")
            axes.plot(x, 9 + 6 * (x - 3), "--", color=COLOURS[1], label="slope 6")
            axes.plot(3, 9, "o", color=COLOURS[-1])
            axes.set_title(f"{3 - width:g} to {3 + width:g}", fontsize="medium")
            axes.set_xticks([3 - width, 3, 3 + width])
            axes.set_xlabel("x")
            axes.grid(True, alpha=0.3)
            if position == 1:
                axes.legend(loc="upper left", fontsize="small")
    return figure


def loss() -> te.Value:
    """The error of the smallest model, as in lessons 2 and 3."""
    w, x, b = te.Value(2.0, "w"), te.Value(3.0, "x"), te.Value(-1.0, "b")
    return (w * x + b - 4.0) ** 2


def with_gradients(value: te.Value) -> te.Value:
    """The same after its backward pass."""
    value.backward()
    return value


def shared() -> te.Value:
    """One leaf that goes into three products."""
    a = te.Value(1.5, "a")
    power = a
    for _ in range(3):
        power = power * a
    return power


def fork() -> te.Value:
    """A leaf that is used three times, in lesson 3."""
    x = te.Value(3.0, "x")
    return x * x + x


def layer() -> te.Value:
    """Four samples through a layer of three units, in lesson 6."""
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    weight = te.Value([[0.5, -1.0, 0.2], [0.3, 0.8, -0.4]], "W")
    bias = te.Value([0.1, 0.2, -0.5], "b")
    total: te.Value = np.tanh(x @ weight + bias).sum()
    return total


def step() -> te.Value:
    """One step of the neuron that lesson 12 compiles."""
    x, _ = te.data.xor()
    y = np.array([[-1.0], [-1.0], [-1.0], [1.0]])
    model = te.nn.MLP([2, 1], output="tanh", seed=0)
    return te.nn.losses.mse(model(x), y)


def neuron() -> te.Value:
    """The single neuron of docs/howto/draw_graph.md, with its lines as on the page."""
    x, w, b = te.Value(2.0, "x"), te.Value(-3.0, "w"), te.Value(7.0, "b")
    with te.record_lines():
        y = te.activations.sigmoid(w * x + b)
    return y


def network() -> te.Value:
    """The network of XOR on the same page."""
    data, target = te.data.xor()
    model = te.nn.MLP([2, 8, 1], activation="tanh", output="sigmoid", seed=0)
    return te.nn.losses.mse(model(data), target)


def differences() -> Figure:
    """The V of lesson 5."""
    return forward_and_central(lambda x: x * x * x, 3 / 7, 27 / 49, "x · x · x at 3/7")


def page_at(page: te.draw.Page, steps_before_the_end: int) -> bytes:
    """A step-through page in a browser, so many steps before its last one."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        window = browser.new_page(viewport={"width": 1000, "height": 520})
        window.set_content(page.html)
        window.keyboard.press("End")
        for _ in range(steps_before_the_end):
            window.keyboard.press("ArrowLeft")
        png = window.screenshot()
        browser.close()
    return png


def main() -> None:
    """Write all of them."""
    graph = te.draw.graph
    steps = {
        "course_03_steps": (fork(), 1),
        "howto_steps": (with_gradients(neuron()), 4),
    }
    drawn = {
        "course_01_zoom": small(zoom(), dpi=150, colours=64),
        "course_05_v": small(differences(), dpi=150, colours=64),
        "course_02_loss": reduced(graph(loss()).png, scale=0.7),
        "course_02_shared": reduced(graph(shared()).png, scale=0.7),
        "course_03_loss": reduced(graph(with_gradients(loss())).png, scale=0.7),
        "course_03_fork": reduced(graph(with_gradients(fork())).png, scale=0.7),
        "course_06_layer": reduced(graph(with_gradients(layer()), heatmaps=True).png, scale=0.7),
        "course_12_graph": reduced(graph(step()).png),
        "howto_graph": reduced(graph(with_gradients(neuron())).png),
        "howto_layers": reduced(graph(with_gradients(network()), collapse="layer").png),
    }
    for name, (value, before) in steps.items():
        drawn[name] = reduced(page_at(te.draw.step_through(value), before))
    for name, data in drawn.items():
        write(FOLDER / f"{name}.png", data)


if __name__ == "__main__":
    main()
