"""The main job: the article's neuron that cannot learn XOR, and the network that can.

Checks its own gradient first, trains both, measures the gradient at each layer, and leaves
pictures, graphs, tables and a report.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure as Plot

from . import __version__, check, data, flow, optim
from .activations import sigmoid
from .draw import report, training
from .draw.graph import Graph, graph
from .draw.style import figure_context
from .engine.context import no_grad
from .engine.value import Value
from .errors import RenderingError, UnknownNameError, closest
from .files import writable_folder, write_bytes, write_text
from .nn.layers import MLP
from .nn.losses import mse
from .terminal import Terminal
from .xor_texts import TEXTS

Array = np.ndarray[Any, np.dtype[Any]]

OPTIMIZERS: dict[str, Callable[..., optim.SGD]] = {"sgd": optim.SGD}
ALWAYS_HALF = 0.25  # the mean squared error of answering 0.5 to every input
ABOUT = 0.05  # how near to 0.5 an answer is called "about 0.5"


@dataclass(frozen=True)
class Settings:
    """What the command was asked for. `seeds` is how many seeds to repeat over, 0 for none."""

    hidden: int = 8
    activation: str = "tanh"
    optimizer: str = "sgd"
    epochs: int = 10_000
    lr: float = 0.1
    seed: int = 0
    seeds: int = 0
    out: Path = Path("runs/xor")
    lang: str = "en"
    plots: bool = True


@dataclass(frozen=True)
class Learnt:
    """A network after training: its loss at each epoch and its answers to the four inputs."""

    name: str
    network: MLP
    losses: list[float]
    answers: Array
    targets: Array

    @property
    def right(self) -> Array:
        """Which answers are on the right side of 0.5."""
        return right(self.answers, self.targets)

    def __call__(self, points: Array) -> Array:
        """The answers to points of shape (n, 2), of shape (n,)."""
        with no_grad():
            return self.network(points).data[:, 0]  # type: ignore[no-any-return]


def right(answers: Array, targets: Array) -> Array:
    """Which answers are on the right side of 0.5; NaN is on neither."""
    return np.where(targets > 0.5, answers > 0.5, answers <= 0.5)


def neuron(seed: int) -> MLP:
    """The article's network: one sigmoid neuron, weights and bias drawn from N(0, 1)."""
    generator = np.random.default_rng(seed)
    network = MLP(
        [2, 1], output="sigmoid", init=lambda shape, g: g.standard_normal(shape), seed=generator
    )
    network.layers[0].bias = Value([generator.standard_normal()], name="bias")
    return network


def hidden_network(settings: Settings, seed: int) -> MLP:
    """The one change: a hidden layer, its weights drawn by Xavier's rule."""
    widths = [2, settings.hidden, 1]
    return MLP(widths, settings.activation, "sigmoid", init="xavier_normal", seed=seed)


def make_optimizer(settings: Settings, network: MLP) -> optim.SGD:
    """The optimiser by name. Raises `UnknownNameError`."""
    if settings.optimizer not in OPTIMIZERS:
        raise UnknownNameError(
            f"no optimiser {settings.optimizer!r}; there is "
            f"{closest(settings.optimizer, OPTIMIZERS)}"
        )
    return OPTIMIZERS[settings.optimizer](network.parameters(), lr=settings.lr)


def run(settings: Settings, terminal: Terminal, command: str) -> None:
    """The whole job.

    Raises `UnknownNameError`, `RenderingError` for lack of a font, or `OSError` before anything is
    trained.
    """
    if settings.lang not in TEXTS:
        raise UnknownNameError(f"no language {settings.lang!r}; there is en and ja")
    text = TEXTS[settings.lang]
    if settings.plots:
        find_font(settings.lang)
    network = hidden_network(settings, settings.seed)
    make_optimizer(settings, network)
    out = writable_folder(settings.out)
    x, y = data.xor()
    names = {
        "neuron": text["neuron"],
        "hidden": text["hidden" if settings.hidden > 1 else "hidden_one"].format(
            hidden=settings.hidden, activation=settings.activation
        ),
    }

    try:
        checked = check.model(network, mse, x, y)
        summary = check_summary(checked, text)
        terminal.say(summary)

        terminal.say(f"\n== {names['neuron']} ==")
        first = learn(names["neuron"], neuron(settings.seed), settings, terminal)
        show_answers(first, terminal, marks=False)
        terminal.say(verdict(first, text))

        terminal.say(f"\n== {names['hidden']} ==")
        with flow.track(network) as gradients:
            second = learn(names["hidden"], network, settings, terminal)
        show_answers(second, terminal, marks=True)
        terminal.say(verdict(second, text))

        terminal.say(f"\n== {text['gradient_table']} ==")
        shown = [*range(0, settings.epochs, every(settings.epochs))]
        rows = [[str(step), *(f"{v:.2e}" for v in rest)] for step, *rest in gradients.rows(shown)]
        terminal.table(gradients.columns(), rows)
        gradients.to_csv(out / "gradients.csv")
        write_text(out / "losses.csv", losses_csv([first, second]))

        figures: list[report.Figure] = []
        if settings.plots:
            figures = list(pictures(settings, [first, second], gradients, out, terminal, text))
            page = report.Report(
                title=text["title"],
                introduction=tuple(text["introduction"].split("\n")),
                tables=tuple(answer_table(each, text) for each in (first, second)),
                figures=tuple(figures),
                check=report.GradientCheck(summary, checked.table()),
                try_next=tuple(
                    report.Command(line, shows) for line, shows in try_next(settings, text)
                ),
                command=command,
                seed=str(settings.seed),
                versions=versions(),
            )
            write_text(out / "report.html", report.page(page, settings.lang))

        if settings.seeds:
            terminal.say(f"\n== {text['over_seeds'].format(seeds=settings.seeds)} ==")
            over_seeds(settings, names, terminal, text)

        terminal.say()
        if settings.plots:
            terminal.say(f"{text['report_at']}: {out / 'report.html'}")
        else:
            terminal.say(f"{text['tables_at']}: {out}")
        done = command_line(["xor", "--activation", settings.activation])
        other = next(line for line, _ in try_next(settings, text) if not line.startswith(done))
        terminal.say(f"{text['try']}: {other}")
    finally:
        # Ctrl-C keeps what is finished. The name of a folder may be bytes that are no UTF-8.
        lines = "".join(line + "\n" for line in terminal.lines)
        write_bytes(out / "transcript.txt", lines.encode(errors="backslashreplace"))


def find_font(lang: str) -> None:
    """Raise `RenderingError` where no font can write the pictures' labels."""
    try:
        with figure_context(lang):
            pass
    except ImportError:
        raise RenderingError(
            "no font with Japanese characters was found for the pictures; "
            'run pip install "tinygrad_edu[ja]", or add --no-plots or --lang en'
        ) from None


def every(epochs: int) -> int:
    """The article prints every thousandth epoch; shorter runs print ten times too."""
    return min(1000, max(epochs // 10, 1))


def learn(name: str, network: MLP, settings: Settings, terminal: Terminal) -> Learnt:
    """The article's training: mean squared error over all four points, one step an epoch."""
    x, y = data.xor()
    optimizer = make_optimizer(settings, network)
    losses = []
    with terminal.progress(name, settings.epochs) as advance:
        for epoch in range(settings.epochs):
            loss = mse(network(x), y)
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if epoch % every(settings.epochs) == 0:
                terminal.say(f"Epoch {epoch}, Loss: {loss:.4f}")
                advance(epoch)
    with no_grad():
        answers = network(x).data[:, 0]
    return Learnt(name, network, losses, answers, y[:, 0])


def show_answers(learnt: Learnt, terminal: Terminal, marks: bool) -> None:
    """The four predictions, printed as in the article."""
    terminal.say("\n== Prediction after learning ==")
    for line, right in zip(answer_lines(learnt), learnt.right, strict=True):
        terminal.say(f"{line} {'✓' if right else '✗'}" if marks else line)


def answer_lines(learnt: Learnt) -> Iterator[str]:
    """`Input: [0 1], Predicted: 0.5000, Target: 1` for each of the four points."""
    x, y = data.xor()
    for point, answer, target in zip(x.astype(int), learnt.answers, y[:, 0], strict=True):
        yield f"Input: {point}, Predicted: {answer:.4f}, Target: {target:.0f}"


def verdict(learnt: Learnt, text: Mapping[str, str]) -> str:
    """What the measured loss and answers say, in one sentence."""
    loss = float(np.mean((learnt.answers - learnt.targets) ** 2))
    count = int(learnt.right.sum())
    facts = {"loss": f"{loss:.4f}", "right": count}
    *hidden, _ = learnt.network.layers
    straight = not hidden or learnt.network.activation.name == "linear"  # type: ignore[attr-defined]
    if not np.isfinite(loss):
        return text["diverged"].format(**facts)
    if count == 4 and loss < 0.01:
        return text["learnt"].format(loss=f"{loss:.5f}", right=count)
    if count == 4:
        return text["on_the_way"].format(**facts)
    if np.abs(learnt.answers - 0.5).max() < ABOUT:
        return text["half_linear" if straight else "half"].format(**facts)
    if straight:
        return text["straight_line_hidden" if hidden else "straight_line"].format(**facts)
    return text["not_learnt"].format(**facts)


def check_summary(checked: check.Report, text: Mapping[str, str]) -> str:
    """How many gradient entries agree with finite differences, and the worst error."""
    facts = {
        "agrees": checked.count("agrees"),
        "corner": checked.count("corner"),
        "wrong": checked.count("wrong"),
        "total": len(checked.entries),
        "error": f"{checked.largest_error:.1e}",
    }
    key = "check_wrong" if facts["wrong"] else "check_corner" if facts["corner"] else "check_right"
    return text[key].format(**facts, worst=checked.worst.name)


def losses_csv(runs: Sequence[Learnt]) -> str:
    """The loss of each network at each epoch."""
    head = "epoch,loss_neuron,loss_hidden"
    curves = zip(*(each.losses for each in runs), strict=True)
    lines = [",".join([str(e), *(f"{v:.9e}" for v in row)]) for e, row in enumerate(curves)]
    return "\n".join([head, *lines]) + "\n"


def pictures(
    settings: Settings,
    runs: Sequence[Learnt],
    gradients: flow.Flow,
    out: Path,
    terminal: Terminal,
    text: Mapping[str, str],
) -> Iterator[report.Figure]:
    """Draw and save ① to ⑤, and yield them for the report."""
    x, y = data.xor()
    lang = settings.lang
    by_name = {each.name: each for each in runs}
    half = (ALWAYS_HALF, text["always_half"])
    curves = {each.name: each.losses for each in runs}
    one, batch = sample_graph(settings, text), batch_graph(settings, text)
    write_text(out / "graph.dot", one.source)
    write_text(out / "graph_batch.dot", batch.source)
    rms = {layer: gradients.delta[layer] for layer in gradients.layers}
    plots: list[tuple[str, Callable[[], Plot] | None]] = [
        ("loss", lambda: training.losses(curves, reference=half, lang=lang)),
        ("surfaces", lambda: training.surfaces(by_name, x, y[:, 0], lang=lang)),
        ("regions", lambda: training.regions(by_name, x, y[:, 0], lang=lang)),
        ("graph", None),
        (
            "gradients",
            lambda: training.gradient_magnitudes(range(settings.epochs), rms, lang=lang),
        ),
    ]
    with terminal.progress(text["drawing"], len(plots)) as advance:
        for number, (name, draw) in enumerate(plots, 1):
            image = png(draw(), out / f"{name}.png") if draw else svg(one, out / "graph.svg")
            if draw is None and (image is None or svg(batch, out / "graph_batch.svg") is None):
                terminal.say(text["no_renderer"])
            yield report.Figure(
                number=number,
                heading=text[f"{name}_heading"],
                image=image,
                alt=text[f"{name}_alt"],
                what_to_look_at=text[f"{name}_look"],
            )
            advance(number)


def png(figure: Plot, path: Path) -> bytes:
    """Save a picture and return its bytes."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=200)
    write_bytes(path, buffer.getvalue())
    return buffer.getvalue()


def svg(drawing: Graph, path: Path) -> bytes | None:
    """Save a drawn graph; None where nothing is installed that can render it."""
    try:
        rendered = drawing.svg
    except RenderingError:
        return None
    write_text(path, rendered)
    return rendered.encode()


def sample_graph(settings: Settings, text: Mapping[str, str]) -> Graph:
    """One neuron on one sample, before it has learnt: numbers on every edge."""
    layer = neuron(settings.seed).layers[0]
    (weights, bias) = (layer.weight.data[:, 0], layer.bias.data[0])  # type: ignore[union-attr]
    w1, w2 = (Value(w, name=f"w{i}") for i, w in enumerate(weights, 1))
    x1 = Value(1.0, name="x1", requires_grad=False)
    x2 = Value(0.0, name="x2", requires_grad=False)
    b = Value(bias, name="b")
    y = Value(1.0, name="y", requires_grad=False)
    loss = (sigmoid(w1 * x1 + w2 * x2 + b) - y) ** 2
    loss.name = "loss"
    loss.backward()
    return graph(loss, title=text["graph_title"], lang=settings.lang)


def batch_graph(settings: Settings, text: Mapping[str, str]) -> Graph:
    """The network on all four samples at once, before it has learnt."""
    x, y = data.xor()
    network = hidden_network(settings, settings.seed)
    loss = mse(network(Value(x, name="x", requires_grad=False)), y)
    loss.name = "loss"
    loss.backward()
    return graph(loss, title=text["graph_batch_title"], lang=settings.lang)


def answer_table(learnt: Learnt, text: Mapping[str, str]) -> report.PredictionTable:
    """The four predictions for the report."""
    x, y = data.xor()
    rows = zip(x.astype(int), learnt.answers, y[:, 0], learnt.right, strict=True)
    return report.PredictionTable(
        network=learnt.name,
        predictions=tuple(
            report.Prediction(str(point), f"{answer:.4f}", f"{target:.0f}", bool(right))
            for point, answer, target, right in rows
        ),
        verdict=verdict(learnt, text),
    )


def try_next(settings: Settings, text: Mapping[str, str]) -> list[tuple[str, str]]:
    """Three commands worth trying after this one, each with what it shows."""
    base = command_line(["xor"])
    language = "" if settings.lang == "en" else f" --lang {settings.lang}"
    return [
        (f"{base} --activation linear --out runs/linear{language}", text["next_linear"]),
        (f"{base} --hidden 2 --seeds 100 --out runs/seeds{language}", text["next_seeds"]),
        (f"{base} --activation relu --out runs/relu{language}", text["next_relu"]),
    ]


def versions() -> dict[str, str]:
    """Versions of everything that computes or draws."""
    return {
        "tinygrad_edu": __version__,
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "matplotlib": matplotlib.__version__,
    }


def command_line(arguments: Sequence[str]) -> str:
    """The command as it can be typed again, with its path where the shell does not find it."""
    name = "tinygrad-edu"
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    if beside and not shutil.which(name):
        here = Path(beside).is_relative_to(Path.cwd())
        name = os.path.relpath(beside) if here else beside
    return shlex.join([name, *arguments])


def over_seeds(
    settings: Settings, names: Mapping[str, str], terminal: Terminal, text: Mapping[str, str]
) -> None:
    """Both networks from many starts, and how often each learns."""
    seeds = range(settings.seed, settings.seed + settings.seeds)
    makers: dict[str, Callable[[int], MLP]] = {
        names["neuron"]: neuron,
        names["hidden"]: lambda seed: hidden_network(settings, seed),
    }
    rows = []
    for name, make in makers.items():
        answers = learn_all(name, [make(seed) for seed in seeds], settings, terminal)
        _, y = data.xor()
        learnt = np.all(right(answers, y), axis=(1, 2))
        losses = ((answers - y) ** 2).mean(axis=(1, 2))
        count = text["of"].format(learnt=learnt.sum(), seeds=len(seeds))
        rows.append([name, count, f"{np.median(losses):.5f}", f"{losses.max():.5f}"])
    terminal.table([text[key] for key in ("network", "learns", "median", "worst")], rows)


def learn_all(name: str, networks: Sequence[MLP], settings: Settings, terminal: Terminal) -> Array:
    """Train networks of one shape side by side; answers of shape (networks, 4, 1).

    The same model, each parameter with one more axis in front: the losses only add up, so every
    network gets exactly its own gradient.
    """
    x, y = data.xor()
    together = networks[0]
    for layer, *others in zip(*(network.layers for network in networks), strict=True):
        same = [layer, *others]
        layer.weight = Value(np.stack([each.weight.data for each in same]), name="weight")
        layer.bias = Value(np.stack([each.bias.data[None] for each in same]), name="bias")
    optimizer = make_optimizer(settings, together)
    targets = np.broadcast_to(y, (len(networks), *y.shape))
    with terminal.progress(name, settings.epochs) as advance:
        for epoch in range(settings.epochs):
            loss = mse(together(x), targets) * len(networks)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if epoch % 100 == 0:
                advance(epoch)
    with no_grad():
        return together(x).data  # type: ignore[no-any-return]
