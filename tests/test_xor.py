"""The main job against a replica in plain NumPy, and what it prints, writes and keeps."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from matplotlib.image import imread

import tinygrad_edu as te
from tests.shares import one_in
from tinygrad_edu import xor
from tinygrad_edu.check import Entry, Report, Verdict
from tinygrad_edu.draw import saving
from tinygrad_edu.errors import RenderingError, UnknownNameError
from tinygrad_edu.nn.layers import MLP
from tinygrad_edu.terminal import Terminal
from tinygrad_edu.xor import Settings, pages
from tinygrad_edu.xor.networks import Learnt, hidden_network, learn, learn_all, neuron
from tinygrad_edu.xor.texts import TEXTS

Array = np.ndarray[Any, np.dtype[Any]]
X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([[0.0], [1.0], [1.0], [0.0]])
RATE = 0.1
TABLES = {"gradients.csv", "losses.csv", "transcript.txt"}
PICTURES = {f"{name}.png" for name in ("loss", "surfaces", "regions", "gradients")}
GRAPHS = {"graph.dot", "graph_batch.dot", "graph.svg", "graph_batch.svg"}


def quiet() -> Terminal:
    return Terminal(io.StringIO())


# ---- the replica: two networks and their backpropagation, by hand ----


def logistic(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def neuron_by_hand(seed: int, epochs: int) -> tuple[list[float], Array]:
    """Losses, and the answers after training, of the article's neuron."""
    generator = np.random.default_rng(seed)
    weights = generator.standard_normal((2, 1))
    bias = generator.standard_normal()
    losses = []
    for _ in range(epochs):
        answers = logistic(X @ weights + bias)
        losses.append(float(np.mean((answers - Y) ** 2)))
        delta = 2 / 4 * (answers - Y) * answers * (1 - answers)
        weights = weights - RATE * X.T @ delta
        bias = bias - RATE * delta.sum()
    return losses, logistic(X @ weights + bias)


def tanh_by_hand(
    seed: int, epochs: int, hidden: int = 8
) -> tuple[list[float], Array, list[list[float]]]:
    """Losses, answers, and rms δ₁, δ₂, ∇W₁, ∇W₂ in each epoch, of a hidden layer of tanh."""
    generator = np.random.default_rng(seed)
    w1 = generator.standard_normal((2, hidden)) * math.sqrt(2 / (2 + hidden))
    w2 = generator.standard_normal((hidden, 1)) * math.sqrt(2 / (hidden + 1))
    b1, b2 = np.zeros(hidden), np.zeros(1)
    losses, sizes = [], []
    for _ in range(epochs):
        h = np.tanh(X @ w1 + b1)
        answers = logistic(h @ w2 + b2)
        losses.append(float(np.mean((answers - Y) ** 2)))
        delta2 = 2 / 4 * (answers - Y) * answers * (1 - answers)
        delta1 = delta2 @ w2.T * (1 - h**2)
        slopes = [delta1, delta2, X.T @ delta1, h.T @ delta2]
        sizes.append([math.sqrt(np.mean(each**2)) for each in slopes])
        w1, b1 = w1 - RATE * slopes[2], b1 - RATE * delta1.sum(axis=0)
        w2, b2 = w2 - RATE * slopes[3], b2 - RATE * delta2.sum(axis=0)
    return losses, logistic(np.tanh(X @ w1 + b1) @ w2 + b2), sizes


@pytest.mark.parametrize("seed", [0, 3, 79])
def test_both_networks_train_as_they_do_by_hand(seed: int) -> None:
    settings = Settings(epochs=400)
    losses, answers = neuron_by_hand(seed, 400)
    learnt = learn("neuron", neuron(seed), settings, quiet())
    np.testing.assert_allclose(learnt.losses, losses, rtol=1e-11)
    np.testing.assert_allclose(learnt.answers, answers[:, 0], rtol=1e-11)
    losses, answers, sizes = tanh_by_hand(seed, 400)
    network = hidden_network(settings, seed)
    with te.flow.track(network) as flow:
        learnt = learn("hidden", network, settings, quiet())
    np.testing.assert_allclose(learnt.losses, losses, rtol=1e-9)
    np.testing.assert_allclose(learnt.answers, answers[:, 0], rtol=1e-9)
    np.testing.assert_allclose([row[1:] for row in flow.rows(range(400))], sizes, rtol=1e-8)


def test_the_first_loss_is_the_articles() -> None:
    assert f"{learn('', neuron(0), Settings(epochs=1), quiet()).losses[0]:.4f}" == "0.2744"


def trained(seeds: Sequence[int], hidden: int | None, activation: str = "tanh") -> Array:
    """The answers of networks trained side by side for the article's 10,000 epochs."""
    settings = Settings(hidden=hidden or 1, activation=activation)
    networks = [hidden_network(settings, s) if hidden else neuron(s) for s in seeds]
    return learn_all("", networks, settings, quiet())


def final_losses(answers: Array) -> Array:
    return ((answers - Y) ** 2).mean(axis=(1, 2))  # type: ignore[no-any-return]


def right(answers: Array) -> Array:
    return ((answers > 0.5) == (Y > 0.5)).sum(axis=(1, 2))  # type: ignore[no-any-return]


def test_ten_thousand_epochs() -> None:
    seeds = [0, 3, 79]
    neurons = trained(seeds, None)
    np.testing.assert_allclose(final_losses(neurons), [0.25, 0.2533, 0.25], atol=5e-5)
    assert right(neurons)[1] == 3
    answers = trained(seeds, 8)
    assert final_losses(answers).max() < 1e-3
    assert list(right(answers)) == [4, 4, 4]


def test_depth_without_non_linearity_stays_at_a_quarter() -> None:
    # Answering 0.5 to everything is where the loss of a model linear in its inputs is flat.
    np.testing.assert_allclose(final_losses(trained([0, 1], 8, "linear")), 0.25, atol=1e-3)


@pytest.mark.thorough
def test_a_hundred_seeds() -> None:
    seeds = range(100)
    neurons = trained(seeds, None)
    assert right(neurons).max() == 3  # no straight line gets all four
    unlike = np.flatnonzero(abs(final_losses(neurons) - 0.25) > 1e-3)
    assert list(unlike) == [3, 13, 55]
    np.testing.assert_allclose(final_losses(neurons)[unlike], 0.2533, atol=5e-4)
    assert list(right(neurons)[unlike]) == [3, 3, 3]
    eight = trained(seeds, 8)
    assert (right(eight) == 4).all()
    assert final_losses(eight).max() == pytest.approx(0.00086, abs=5e-6)
    assert (right(trained(seeds, 2)) == 4).sum() == 65
    assert final_losses(trained(seeds, 8, "linear")).max() < 0.2501


@pytest.mark.parametrize("name", xor.OPTIMIZERS)
def test_every_optimizer_learns(name: str) -> None:
    settings = Settings(optimizer=name, epochs=1000, lr=1.0 if name in ("gd", "sgd") else 0.05)
    learnt = learn("", hidden_network(settings, 0), settings, quiet())
    assert learnt.right.all()
    assert learnt.losses[-1] < 0.2 * learnt.losses[0]


@pytest.mark.parametrize("activation", ["tanh", "relu", "softmax", "mish"])
def test_networks_side_by_side_learn_what_each_learns_alone(activation: str) -> None:
    settings = Settings(hidden=3, activation=activation, epochs=200, lr=0.5)
    seeds = range(4)
    together = learn_all("", [hidden_network(settings, seed) for seed in seeds], settings, quiet())
    assert together.shape == (4, 4, 1)
    for seed, answers in zip(seeds, together, strict=True):
        alone = learn("", hidden_network(settings, seed), settings, quiet())
        np.testing.assert_allclose(answers[:, 0], alone.answers, rtol=1e-9)


@pytest.mark.parametrize("name", xor.OPTIMIZERS)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_compiled_it_learns_the_same(name: str, activation: str) -> None:
    """Bit for bit, alone and side by side."""
    found = []
    for compile in (False, True):
        settings = Settings(
            hidden=3, activation=activation, optimizer=name, epochs=100, lr=0.05, compile=compile
        )
        networks = [hidden_network(settings, seed) for seed in range(3)]
        alone = [learn("", each, settings, quiet()) for each in (neuron(0), networks[0])]
        answers = [each.answers.tobytes() for each in alone]
        together = learn_all("", networks, settings, quiet())
        found.append(([each.losses for each in alone], answers, together.tobytes()))
    assert found[1] == found[0]


# ---- what it says of what it measured ----


def learnt(network: MLP, *answers: float) -> Learnt:
    return Learnt("a network", network, [], np.array(answers), Y[:, 0])


TANH, LINEAR = (hidden_network(Settings(activation=name), 0) for name in ("tanh", "linear"))
NEURON = neuron(0)


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize(
    ("network", "answers", "key"),
    [
        (TANH, (0.02, 0.98, 0.97, 0.03), "learnt"),
        (TANH, (0.3, 0.7, 0.7, 0.3), "on_the_way"),
        (TANH, (0.5001, 0.499, 0.52, 0.5), "half"),
        (TANH, (0.1, 0.9, 0.6, 0.6), "not_learnt"),
        (TANH, (math.nan,) * 4, "diverged"),
        (LINEAR, (0.5001, 0.499, 0.52, 0.5), "half_linear"),
        (LINEAR, (0.1, 0.9, 0.6, 0.6), "straight_line_hidden"),
        (NEURON, (0.5001, 0.499, 0.52, 0.5), "half_linear"),
        (NEURON, (0.3, 0.6, 0.6, 0.7), "straight_line"),
        (NEURON, (math.inf, math.nan, 0, 0), "diverged"),
        # The loss is 0.25 here too, but nothing is near 0.5.
        (TANH, (0.0, 1.0, 1.0, 1.0), "not_learnt"),
        (NEURON, (0.0, 1.0, 1.0, 1.0), "straight_line"),
        (LINEAR, (0.0, 1.0, 1.0, 1.0), "straight_line_hidden"),
    ],
)
def test_the_verdict_follows_the_answers(
    network: MLP, answers: tuple[float, ...], key: str, lang: str
) -> None:
    with np.errstate(invalid="ignore"):
        sentence = pages.verdict(learnt(network, *answers), TEXTS[lang])
        loss = float(np.mean((np.array(answers) - Y[:, 0]) ** 2))
    pairs = zip(answers, (False, True, True, False), strict=True)
    count = sum((answer > 0.5) == target for answer, target in pairs)
    facts = {"loss": f"{loss:.5f}" if key == "learnt" else f"{loss:.4f}", "right": count}
    assert sentence == TEXTS[lang][key].format(**facts)


def test_an_answer_that_is_no_number_is_never_right() -> None:
    assert list(learnt(TANH, math.nan, math.nan, 0.9, 0.5).right) == [False, False, True, True]


def test_the_check_summary_counts_each_verdict() -> None:
    right, bent, hidden, wrong, outside = (
        Entry(name, verdict)
        for name, verdict in (
            ("w[0]", Verdict("correct", 1.0, 1.0, 1e-12, 1 - 1e-12, 1 + 1e-12, digits=12.3)),
            ("b[0]", Verdict("kink", 0.0, 0.5, 1e-12, 0.0, 1.0)),
            ("b[1]", Verdict("inconclusive", 0.0, 0.0, 1e-5, -1e-5, 1e-5, reason="rounding")),
            ("b[2]", Verdict("wrong", 2.5, 0.5, 1e-12, 0.5 - 1e-12, 0.5 + 1e-12)),
            ("b[3]", Verdict("kink", 4.5, 0.5, 1e-12, 0.0, 1.0, inside=False)),
        )
    )

    def said(*entries: Entry) -> str:
        return pages.check_summary(Report(entries), "tanh", TEXTS[lang])

    for lang in ("en", "ja"):
        rejected, accepted, unclear, digits = {
            "en": ("{} are WRONG", "1 sit at a kink, accepted", "cannot tell", "12 digits"),
            "ja": ("{} 個が誤り", "1 個は折れ点", "判定できません", "12 桁"),
        }[lang]
        for entries, count, worst in (
            ((right, bent, wrong), 1, "b[2]"),
            ((right, outside, hidden), 1, "b[3]"),
            ((right, wrong, outside), 2, "b["),
        ):
            assert rejected.format(count) in said(*entries)
            assert worst in said(*entries)
        assert accepted in said(right, bent)
        assert unclear in said(right, hidden)
        assert re.search("1 of 1|1 個中 1 個", said(right))
        assert digits in said(right)
        assert not [word for word in (accepted, unclear) if word in said(right)]


def test_both_languages_say_the_same_things() -> None:
    english, japanese = TEXTS["en"], TEXTS["ja"]
    assert english.keys() == japanese.keys()
    for key, text in english.items():
        fields = re.findall(r"\{\w+\}", text)
        assert sorted(fields) == sorted(re.findall(r"\{\w+\}", japanese[key])), key


# ---- the command line it proposes ----


def test_commands_are_given_with_the_path_where_the_shell_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = tmp_path / ".venv" / "bin" / "tinygrad-edu"
    beside.parent.mkdir(parents=True)
    beside.write_text("#!/bin/sh\n")
    beside.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(beside.parent / "python"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(beside.parent))
    assert xor.command_line(["xor", "--out", "a b"]) == "tinygrad-edu xor --out 'a b'"
    monkeypatch.setenv("PATH", "")
    assert xor.command_line(["xor"]) == ".venv/bin/tinygrad-edu xor"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert xor.command_line(["xor"]) == f"{beside} xor"
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert xor.command_line(["xor"]) == "tinygrad-edu xor"


# ---- whole runs ----


def run(folder: Path, **options: Any) -> tuple[list[str], Path]:
    """The lines that are printed, and the folder of the results."""
    stream = io.StringIO()
    settings = Settings(out=folder, **options)
    xor.run(settings, Terminal(stream), "tinygrad-edu xor --of-the-test")
    printed = stream.getvalue()
    assert (folder / "transcript.txt").read_text(encoding="utf-8") == printed
    assert not list(folder.glob(".*"))  # nothing half-written
    return printed.splitlines(), folder


@pytest.fixture(scope="module", params=one_in(2, ["en", "ja"]))
def whole_run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[str], Path, str]:
    folder = tmp_path_factory.mktemp("run") / "made" / "on the way"
    return (*run(folder, epochs=30, lang=request.param), request.param)


def number_after(label: str, line: str) -> float:
    return float(line.split(label)[1].split()[0].strip(",."))


def test_a_run_prints_what_the_article_prints(whole_run: tuple[list[str], Path, str]) -> None:
    lines, _, lang = whole_run
    text = TEXTS[lang]
    losses = neuron_by_hand(0, 30)[0], tanh_by_hand(0, 30)[0]
    answers = neuron_by_hand(0, 30)[1], tanh_by_hand(0, 30)[1]
    assert re.search("33 of 33|33 個中 33 個", lines[0])
    heads = [i for i, line in enumerate(lines) if line == "== Prediction after learning =="]
    starts = [
        lines.index(f"== {text['neuron']} =="),
        lines.index(f"== {text['hidden'].format(hidden=8, activation='tanh')} =="),
    ]
    assert starts[0] < heads[0] < starts[1] < heads[1]
    for start, head, by_hand, given in zip(starts, heads, losses, answers, strict=True):
        epochs = lines[start + 1 : start + 11]
        assert epochs == [f"Epoch {e}, Loss: {by_hand[e]:.4f}" for e in range(0, 30, 3)]
        for row, (point, answer, target) in enumerate(zip(X, given[:, 0], Y[:, 0], strict=True)):
            line = f"Input: [{point[0]:.0f} {point[1]:.0f}], Predicted: {answer:.4f}, "
            line += f"Target: {target:.0f}"
            if start == starts[1]:
                line += " ✓" if (answer > 0.5) == (target > 0.5) else " ✗"
            assert lines[head + 1 + row] == line
    table = lines.index(f"== {text['gradient_table']} ==")
    assert lines[table + 1].split("  ")[0] == "epoch"
    sizes = tanh_by_hand(0, 30)[2]
    for row, epoch in enumerate(range(0, 30, 3)):
        cells = lines[table + 2 + row].split()
        assert cells == [str(epoch), *(f"{size:.2e}" for size in sizes[epoch])]
    assert lines[-2].endswith("report.html")
    assert lines[-1].startswith(f"{text['try']}: ")
    assert "xor --activation linear" in lines[-1]


def test_a_run_leaves_all_files_and_none_is_blank(whole_run: tuple[list[str], Path, str]) -> None:
    _, folder, lang = whole_run
    assert {path.name for path in folder.iterdir()} == (
        TABLES | PICTURES | GRAPHS | {"report.html"}
    )
    for name in PICTURES:
        pixels = imread(folder / name)[..., :3]
        assert min(pixels.shape[:2]) >= 300
        assert pixels.std() > 0.05
    for name in GRAPHS:
        text = (folder / name).read_text(encoding="utf-8")
        assert text.count("->" if name.endswith("dot") else "<text") >= 5
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f'lang="{lang}"' in page
    assert page.count("data:image/png;base64,") == 4
    assert page.count("data:image/svg+xml;base64,") == 1
    assert "tinygrad-edu xor --of-the-test" in page
    for _, answers in (neuron_by_hand(0, 30), tanh_by_hand(0, 30)[:2]):
        for answer in answers[:, 0]:
            assert f">{answer:.4f}<" in page


def test_the_tables_hold_every_epoch(whole_run: tuple[list[str], Path, str]) -> None:
    _, folder, _ = whole_run
    with (folder / "losses.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["epoch", "loss_neuron", "loss_hidden"]
    by_hand = np.transpose([range(30), neuron_by_hand(0, 30)[0], tanh_by_hand(0, 30)[0]])
    np.testing.assert_allclose(np.array(rows, np.float64), by_hand, rtol=1e-8)
    with (folder / "gradients.csv").open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    sizes = np.c_[range(30), tanh_by_hand(0, 30)[2]]
    np.testing.assert_allclose(np.array(rows, np.float64), sizes, rtol=1e-8)


def test_without_plots_only_tables_are_left(tmp_path: Path) -> None:
    lines, folder = run(tmp_path, epochs=1, plots=False)
    assert {path.name for path in folder.iterdir()} == TABLES
    assert lines[-2] == f"Tables: {folder}"
    assert [line for line in lines if line.startswith("Epoch")] == [
        "Epoch 0, Loss: 0.2744",
        f"Epoch 0, Loss: {tanh_by_hand(0, 1)[0][0]:.4f}",
    ]


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_compiled_run_leaves_the_same_tables_and_says_what_is_compiled(
    lang: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"epochs": 40, "seeds": 2, "plots": False, "lang": lang}
    lines, folder = run(tmp_path / "plain", **options)
    compiled, other = run(tmp_path / "compiled", compile=True, **options)
    for name in ("losses.csv", "gradients.csv"):
        assert (other / name).read_bytes() == (folder / name).read_bytes()
    text = TEXTS[lang]
    added = [line for line in compiled if line not in lines]
    assert added == [text["compiled"], text["compiled_seeds"], f"{text['tables_at']}: {other}"]


@pytest.mark.thorough
def test_many_seeds_say_how_often_each_network_learns(tmp_path: Path) -> None:
    lines, _ = run(tmp_path, epochs=2000, plots=False, seed=3, seeds=4, lr=1.0, hidden=3)
    head = lines.index("== The same over 4 seeds ==")
    columns, first, second = lines[head + 1 : head + 4]
    assert re.split(r"\s{2,}", columns.strip()) == [
        "network",
        "learns XOR",
        "median loss",
        "worst loss",
    ]
    settings = Settings(hidden=3, epochs=2000, lr=1.0)
    for line, make in (
        (first, neuron),
        (second, lambda s: hidden_network(settings, s)),
    ):
        alone = [learn("", make(seed), settings, quiet()) for seed in range(3, 7)]
        losses = [float(np.mean((each.answers - Y[:, 0]) ** 2)) for each in alone]
        count = sum(bool(each.right.all()) for each in alone)
        _, *cells = re.split(r"\s{2,}", line.strip())
        assert cells == [f"{count} of 4", f"{np.median(losses):.5f}", f"{max(losses):.5f}"]
    assert "0 of 4" in first
    assert len(columns) == len(first) == len(second)


def test_a_kinked_activation_is_accepted_at_its_kink(tmp_path: Path) -> None:
    lines, _ = run(tmp_path, epochs=1, plots=False, activation="relu")
    assert "25 of 33 gradients are confirmed" in lines[0]
    assert "8 sit at a kink, accepted" in lines[0]
    lines, _ = run(tmp_path, epochs=1, plots=False, activation="relu", lang="ja")
    assert "8 個は折れ点（微分できない点）にあるので合格扱い" in lines[0]


HIDDEN = sorted(name for name, op in te.ACTIVATIONS.items() if op.keeps_width)


@pytest.mark.parametrize("activation", one_in(4, HIDDEN))
def test_every_activation_runs(tmp_path: Path, activation: str) -> None:
    lines, _ = run(tmp_path, epochs=3, plots=False, activation=activation, hidden=2)
    assert "WRONG" not in lines[0]
    assert ("stand-in" in lines[0]) == (activation == "step")
    assert f"== One change: 2 hidden {activation} units ==" in lines
    other = "--hidden 2 --seeds 100" if activation == "linear" else "--activation linear"
    assert f"xor {other}" in lines[-1]


def test_one_hidden_unit_is_called_one(tmp_path: Path) -> None:
    lines, _ = run(tmp_path, epochs=1, plots=False, hidden=1)
    assert "== One change: 1 hidden tanh unit ==" in lines


def test_a_folder_whose_name_is_no_unicode(tmp_path: Path) -> None:
    folder = tmp_path / "\udcff"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes only Unicode (2026-11-22)")
    terminal = Terminal(io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace"))
    xor.run(Settings(epochs=1, plots=False, out=folder), terminal, "command")
    assert r"\udcff" in (folder / "transcript.txt").read_text(encoding="utf-8")


# ---- what can go wrong ----


def test_nothing_is_trained_where_something_is_unknown_or_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> NoReturn:
        raise AssertionError("trained")

    monkeypatch.setattr(te.check, "model", never)
    monkeypatch.setattr(xor, "learn", never)
    for options, message in (
        ({"optimizer": "Adam"}, "no optimiser 'Adam'; write 'adam'"),
        ({"lang": "fr"}, "no language 'fr'; there is en and ja"),
        ({"activation": "ReLU"}, "no activation 'ReLU'; write 'relu'"),
    ):
        with pytest.raises(UnknownNameError, match=message):
            run(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    blocked = tmp_path / "file"
    blocked.write_text("precious")
    with pytest.raises(NotADirectoryError, match="is a file"):
        run(blocked)
    assert blocked.read_text() == "precious"


def no_font() -> NoReturn:
    raise ImportError("no font with Japanese characters")


def test_a_missing_japanese_font_is_noticed_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinygrad_edu.draw.style._japanese_family", no_font)
    with pytest.raises(RenderingError) as caught:
        run(tmp_path / "out", epochs=1, lang="ja")
    assert 'pip install "tinygrad_edu[ja]"' in str(caught.value)
    assert "--no-plots" in str(caught.value)
    assert not (tmp_path / "out").exists()
    lines, _ = run(tmp_path / "out", epochs=1, lang="ja", plots=False)
    assert lines[0].startswith("勾配確認")


def test_without_a_renderer_graphs_are_left_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinygrad_edu.draw.render.renderers", lambda: [])
    lines, folder = run(tmp_path, epochs=2)
    assert lines.count(TEXTS["en"]["no_renderer"]) == 1
    assert 'pip install "tinygrad_edu[render]"' in TEXTS["en"]["no_renderer"]
    names = {path.name for path in folder.iterdir()}
    assert names == TABLES | PICTURES | {"graph.dot", "graph_batch.dot", "report.html"}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert TEXTS["en"]["graph_alt"] in page


class Interrupted(Terminal):
    """Ctrl-C comes when a line with this text is to be printed for the n-th time."""

    def __init__(self, text: str, time: int) -> None:
        super().__init__(io.StringIO())
        self.text, self.time = text, time

    def say(self, line: str = "") -> None:
        self.time -= self.text in line
        if not self.time:
            raise KeyboardInterrupt
        super().say(line)


BEFORE_EPOCH_4 = [("Gradient check", 1), ("Epoch 4,", 1)]


@pytest.mark.parametrize(
    ("text", "time", "kept"),
    [
        ("Gradient check", 1, {"transcript.txt"}),
        ("Epoch 4,", 1, {"transcript.txt"}),
        ("Epoch 4,", 2, {"transcript.txt"}),
        ("== The same over", 1, TABLES),
    ],
)
def test_an_interrupt_keeps_what_is_finished(
    tmp_path: Path, text: str, time: int, kept: set[str]
) -> None:
    terminal = Interrupted(text, time)
    with pytest.raises(KeyboardInterrupt):
        xor.run(Settings(epochs=10, plots=False, seeds=2, out=tmp_path), terminal, "command")
    assert {path.name for path in tmp_path.iterdir()} == kept
    transcript = (tmp_path / "transcript.txt").read_text(encoding="utf-8").splitlines()
    assert transcript == "".join(line + "\n" for line in terminal.lines).splitlines()
    assert ("Epoch 4, Loss: 0.2716" in transcript) == ((text, time) not in BEFORE_EPOCH_4)


def test_an_interrupt_while_drawing_keeps_the_pictures_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = saving.save
    drawn: list[str] = []

    def stopping(figure: Any, path: Path, *texts: str) -> bytes:
        if drawn:
            raise KeyboardInterrupt
        drawn.append(path.name)
        return whole(figure, path, *texts)

    monkeypatch.setattr(pages, "save", stopping)
    with pytest.raises(KeyboardInterrupt):
        xor.run(Settings(epochs=2, out=tmp_path), quiet(), "command")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == TABLES | {"loss.png", "graph.dot", "graph_batch.dot"}
    assert imread(tmp_path / "loss.png").std() > 0.05
