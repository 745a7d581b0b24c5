"""Draws the pictures of lessons 1 to 6 into docs/pictures: python -m tools.course_pictures_1."""

from __future__ import annotations

import shutil
from io import BytesIO

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from playwright.sync_api import sync_playwright

import tinygrad_edu as te
from tinygrad_edu.draw.differences import forward_and_central
from tinygrad_edu.draw.style import COLOURS, figure_context, new_figure
from tinygrad_edu.files import write_bytes
from tools.verify_pictures import FOLDER, small


def zoom() -> Figure:
    """The curve x² around 3, three times, each ten times closer, with the line of slope 6."""
    with figure_context():
        figure = new_figure(9.0, 3.2)
        for position, width in enumerate((2.0, 0.2, 0.02), 1):
            axes = figure.add_subplot(1, 3, position)
            x = np.linspace(3 - width, 3 + width, 101)
            axes.plot(x, x * x, color=COLOURS[0], linewidth=2.5, label="x · x")
            axes.plot(x, 9 + 6 * (x - 3), "--", color=COLOURS[1], label="straight line of slope 6")
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


def graphs() -> dict[str, te.draw.Graph]:
    """Each graph by the name of its file."""
    return {
        "course_02_loss": te.draw.graph(loss()),
        "course_02_shared": te.draw.graph(shared()),
        "course_03_loss": te.draw.graph(with_gradients(loss())),
        "course_03_fork": te.draw.graph(with_gradients(fork())),
        "course_06_layer": te.draw.graph(with_gradients(layer()), heatmaps=True),
    }


def reduced(png: bytes, scale: float = 1.0) -> bytes:
    """The same picture, smaller and with 256 colours."""
    out = BytesIO()
    with Image.open(BytesIO(png)) as image:
        size = round(scale * image.width), round(scale * image.height)
        smaller = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        smaller.quantize(256).save(out, "png", optimize=True)
    return out.getvalue()


def main() -> None:
    """Write all of them."""
    drawn = {"course_01_zoom": small(zoom()), "course_05_v": small(differences())}
    drawn |= {name: reduced(graph.png, 0.7) for name, graph in graphs().items()}
    drawn["course_03_steps"] = reduced(page_at(te.draw.step_through(fork()), 1))
    for name, data in drawn.items():
        write_bytes(FOLDER / f"{name}.png", data)
        print(f"{name}.png: {len(data) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
