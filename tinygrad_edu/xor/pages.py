"""What is said of a run: sentences, tables, pictures and the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure as Plot

from .. import check, data, flow
from ..activations import named, sigmoid
from ..draw import learned, report
from ..draw.graph import Graph, graph
from ..draw.saving import save
from ..draw.training import gradient_magnitudes
from ..draw.training import losses as loss_curves
from ..engine.value import Value
from ..errors import RenderingError
from ..files import write_text
from ..nn.losses import mse
from ..runs import command_line
from ..terminal import Terminal
from .networks import Learnt, Settings, hidden_network, neuron

ALWAYS_HALF = 0.25  # the mean squared error of answering 0.5 to every input
MARKS = {True: "✓", False: "✗", None: "–"}
ABOUT = 0.05  # how near to 0.5 an answer is called "about 0.5"


def show_answers(learnt: Learnt, terminal: Terminal, marks: bool) -> None:
    """The four predictions, printed as in the article."""
    terminal.say("\n== Prediction after learning ==")
    for line, right in zip(answer_lines(learnt), decided(learnt), strict=True):
        terminal.say(f"{line} {MARKS[right]}" if marks else line)


def decided(learnt: Learnt) -> list[bool | None]:
    """Whether each answer is right; None where it cannot be told from 0.5 as it is printed."""
    return [
        None if abs(answer - 0.5) < 5e-5 else bool(right)
        for answer, right in zip(learnt.answers, learnt.right, strict=True)
    ]


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
    straight = not hidden or learnt.network.activation.name == "linear"
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


def check_summary(checked: check.Report, activation: str, text: Mapping[str, str]) -> str:
    """How many gradient entries are right by finite differences, and the fewest digits."""
    correct = [entry for entry in checked.entries if entry.verdict.kind == "correct"]
    outside = [entry for entry in checked.entries if not entry.verdict.ok]
    facts = {
        "correct": len(correct),
        "total": len(checked.entries),
        "digits": math.floor(min((entry.verdict.digits for entry in correct), default=0)),
        "kink": checked.count("kink"),
        "unclear": checked.count("inconclusive"),
        "wrong": len(outside),
        "worst": checked.worst.name,
        "activation": activation,
    }
    if outside:
        return text["check_stand_in" if named(activation).surrogate else "check_wrong"].format(
            **facts
        )
    said = [text["check_right"]]
    said += [text["check_kink"]] if facts["kink"] else []
    said += [text["check_unclear"]] if facts["unclear"] else []
    return "".join(said).format(**facts)


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
        ("loss", lambda: loss_curves(curves, reference=half, lang=lang)),
        ("surfaces", lambda: learned.learned_surfaces(by_name, x, y[:, 0], lang=lang)),
        ("regions", lambda: learned.regions(by_name, x, y[:, 0], lang=lang)),
        ("graph", None),
        (
            "gradients",
            lambda: gradient_magnitudes(range(settings.epochs), rms, lang=lang),
        ),
    ]
    with terminal.progress(text["drawing"], len(plots)) as advance:
        for number, (name, draw) in enumerate(plots, 1):
            alt = text[f"{name}_alt"]
            image: bytes | None
            if draw:
                image = save(draw(), out / f"{name}.png", text[f"{name}_heading"], alt)
            else:
                image = svg(one, out / "graph.svg")
            if draw is None and (image is None or svg(batch, out / "graph_batch.svg") is None):
                terminal.say(text["no_renderer"])
            yield report.Figure(
                number=number,
                heading=text[f"{name}_heading"],
                image=image,
                alt=alt,
                what_to_look_at=text[f"{name}_look"],
            )
            advance(number)


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
    inputs, targets = (
        Value(array, name=name, requires_grad=False) for name, array in (("x", x), ("y", y))
    )
    loss = mse(network(inputs), targets)
    loss.name = "loss"
    loss.backward()
    return graph(loss, title=text["graph_batch_title"], lang=settings.lang)


def answer_table(learnt: Learnt, text: Mapping[str, str]) -> report.PredictionTable:
    """The four predictions for the report."""
    x, y = data.xor()
    rows = zip(x.astype(int), learnt.answers, y[:, 0], decided(learnt), strict=True)
    return report.PredictionTable(
        network=learnt.name,
        predictions=tuple(
            report.Prediction(str(point), f"{answer:.4f}", f"{target:.0f}", right)
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
