"""The flow command: the network it looks at, what it says, remedies, sweeps that resume, files."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from matplotlib.image import imread

import tinygrad_edu as te
from tinygrad_edu import checkup, cli
from tinygrad_edu.checkup import Settings, grids, networks, pages
from tinygrad_edu.checkup.texts import TEXTS
from tinygrad_edu.errors import OtherTrainingError, RenderingError
from tinygrad_edu.terminal import Terminal

TINY: dict[str, Any] = {"depth": 4, "width": 8, "epochs": 2, "batch": 100, "plots": False}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(folder: Path, **options: Any) -> list[str]:
    """The lines that are printed."""
    stream = io.StringIO()
    settings = replace(Settings(**TINY), out=folder, **options)
    with np.errstate(over="ignore", invalid="ignore"):  # as the command has it
        checkup.run(settings, Terminal(stream), "tinygrad-edu flow --of-the-test")
    printed = stream.getvalue()
    assert (folder / "transcript.txt").read_text(encoding="utf-8") == printed
    assert not list(folder.glob(".*"))  # nothing half-written
    return printed.splitlines()


def call(*arguments: str) -> int:
    try:
        return cli.main(["flow", *arguments])
    except SystemExit as left:
        return int(left.code or 0)


# ---- the network ----


@pytest.mark.parametrize(
    ("options", "variance"),
    [
        ({}, 1 / 64),  # Xavier: 2/(64 + 64)
        ({"activation": "relu"}, 2 / 64),  # its card advises He
        ({"init": "he"}, 2 / 64),
        ({"init": "normal"}, 1.0),
        ({"init": "lecun_normal"}, 1 / 64),
    ],
)
def test_the_weights_have_the_variance_that_is_asked_for(
    options: dict[str, Any], variance: float
) -> None:
    model = networks.make_model(Settings(depth=3, **options), 0)
    weight = dict(model.named_parameters())["layers.1.weight"].data
    # 4,096 numbers: the variance strays by √(2/4096) = 2 %.
    assert weight.shape == (64, 64)
    assert float(np.mean(weight**2)) == pytest.approx(variance, rel=0.1)


def test_depth_counts_hidden_layers_and_options_build_what_they_say() -> None:
    plain = networks.make_model(Settings(depth=3, width=5), 0)
    assert [leaf.shape for leaf in plain.parameters() if leaf.ndim == 2] == [
        *((2, 5), (5, 5), (5, 5), (5, 1))
    ]
    kinds = {
        option: [
            type(module).__name__ for _, module in networks.make_model(each, 0).named_modules()
        ]
        for option, each in {
            "batchnorm": Settings(depth=3, width=5, normalise="batchnorm"),
            "layernorm": Settings(depth=3, width=5, normalise="layernorm"),
            "residual": Settings(depth=3, width=5, residual=True),
        }.items()
    }
    assert kinds["batchnorm"].count("BatchNorm") == kinds["layernorm"].count("LayerNorm") == 3
    assert kinds["residual"].count("Residual") == 2


@pytest.mark.parametrize("name", networks.TASKS)
def test_guessing_costs_the_logarithm_of_the_classes(name: str) -> None:
    looked = networks.look(Settings(**TINY | {"task": name, "epochs": 1}))
    classes = 3 if name == "blobs" else 2
    assert looked.guessing == pytest.approx(math.log(classes), rel=1e-9)
    assert pages.guessing(looked) == f"ln {classes} = {math.log(classes):.4f}"
    assert 0 <= looked.right <= 1


def test_what_learns_is_called_learnt() -> None:
    options = {"activation": "tanh", "depth": 1, "task": "blobs", "epochs": 20, "lr": 0.5}
    looked = networks.look(Settings(**TINY | options))
    assert looked.state == "learnt"
    assert looked.right > 0.9
    line = pages.loss_line(looked, TEXTS["en"])
    assert re.fullmatch(
        r"0\.\d{4} after 20 epochs \(ln 3 = 1\.0986: guessing\), \S+ % right — LEARNT", line
    )
    assert pages.code(looked, None) == ""


# ---- what is said ----


@pytest.mark.parametrize(
    ("ratio", "length"),
    [
        (1.0, 24),
        (1e-12, 0),
        (1e-40, 0),
        (0.0, 0),
        (math.nan, 0),
        (1e-6, 12),
        (1e4, 32),
        (1e300, 32),
    ],
)
def test_bars_are_on_a_fixed_scale(ratio: float, length: int) -> None:
    assert pages.bar(ratio) == "█" * length
    assert pages.bar(10**0.25) == "█" * 24 + "▌"
    assert pages.bar(math.inf) == "█" * 32


def test_both_languages_say_the_same_things() -> None:
    english, japanese = TEXTS["en"], TEXTS["ja"]
    assert english.keys() == japanese.keys()
    for key, text in english.items():
        fields = re.findall(r"\{[\w:]+\}", text)
        assert sorted(fields) == sorted(re.findall(r"\{[\w:]+\}", japanese[key])), key
        assert text.count("|") == japanese[key].count("|")


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_vanishing_gradient_is_said_with_its_ratio_in_order(lang: str, tmp_path: Path) -> None:
    text = TEXTS[lang]
    lines = run(tmp_path, depth=14, epochs=4, lang=lang)
    assert text["failed"] in lines[1]
    assert "0.6931" in lines[1]
    bars = [line for line in lines if line.startswith("layers.")]
    assert [bars[0].split()[0], bars[-1].split()[0]] == ["layers.14", "layers.0"]
    assert len(bars) <= 12
    places = [
        next(i for i, line in enumerate(lines) if line.startswith(text[key].split("{")[0]))
        for key in ("verdict", "why", "theory", "hint", "write")
    ]
    assert places == list(range(places[0], places[0] + 5))
    verdict, why, theory, hint, write = lines[places[0] : places[0] + 5]
    # The bar of the first layer has the ratio that the verdict speaks of.
    ratio = float(bars[-1].split()[2])
    assert any(float(each) == pytest.approx(ratio, rel=0.03) for each in numbers(verdict))
    assert "0.001" in verdict
    assert "0.25" in why
    low, high = numbers(theory)[-3:-1]
    assert 0 < low < high < 1e-3
    assert "--remedy" in hint
    assert "--depth 14" in hint
    assert "te.nn.MLP" in write
    assert lines[-1].endswith(str(tmp_path))


def numbers(line: str) -> list[float]:
    return [float(each) for each in re.findall(r"\d\.\d+e-\d+", line)]


@pytest.mark.parametrize("lang", [pytest.param("en", marks=pytest.mark.thorough), "ja"])
def test_a_training_that_diverges_is_reported(lang: str, tmp_path: Path) -> None:
    lines = run(tmp_path, activation="relu", lr=1e200, lang=lang, epochs=3, plots=lang == "en")
    text = TEXTS[lang]
    assert lines[1].startswith(text["diverged"].split("{")[0])
    assert lines[1].endswith(text["failed"])
    assert (tmp_path / "report.html").exists() == (lang == "en")


def test_a_sick_network_is_no_error_of_the_command() -> None:
    line = "--lr 1e200 --activation relu --depth 3 --width 8 --no-plots"
    assert call(*line.split()) == 0


# ---- files ----


def test_a_run_leaves_all_files_and_none_is_blank(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "on the way"
    lines = run(folder, plots=True, lang="ja", sweep="activation=relu:tanh", workers=1)
    drawn = ("layers", "epochs", "histograms", "updates", "trap", "grid")
    assert {path.name for path in folder.iterdir()} == {
        *(f"{name}.png" for name in drawn),
        *("report.html", "flow.csv", "transcript.txt", "sweep.json"),
    }
    for name in drawn:
        pixels = imread(folder / f"{name}.png")[..., :3]
        assert min(pixels.shape[:2]) >= 300
        assert pixels.std() > 0.05
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert '<html lang="ja">' in page
    assert page.count("data:image/png;base64,") == len(drawn)
    assert "tinygrad-edu flow --of-the-test" in page
    for name in drawn:
        assert TEXTS["ja"][f"{name}_look"] in page
    assert lines[-1] == f"{TEXTS['ja']['report_at']}: {folder / 'report.html'}"
    with (folder / "flow.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    looked = networks.look(Settings(**TINY))
    found = {
        (int(row["step"]), row["layer"]): float(row["value"])
        for row in rows
        if row["quantity"] == "delta"
    }
    assert len(found) == 6 * 5
    for (step, layer), number in found.items():
        assert number == pytest.approx(looked.flow.delta[layer][step], rel=1e-8)


def test_what_was_there_stays_until_something_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    for name in ("report.html", "grid.png", "mine.txt"):
        (tmp_path / name).write_text("precious")
    with monkeypatch.context() as patch:
        patch.setattr(networks, "fit", stop)
        assert call("--out", str(tmp_path), "--no-plots") == 130
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "grid.png", "mine.txt"}
    monkeypatch.setattr(checkup, "remedies", stop)
    with pytest.raises(KeyboardInterrupt, match="What was finished is in"):
        run(tmp_path, remedy=True)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", "flow.csv", "transcript.txt"}


# ---- bad input ----

BAD = {
    "--depth 0": "--depth: give a whole number from 1 to 200, not '0'",
    "--width 0": "--width: give a whole number from 1 to 1000",
    "--activation sigmoyd": "no activation 'sigmoyd'; there is sigmoid",
    "--init xavierr": "no initialiser 'xavierr'; there is xavier_",
    "--init kaiming_normal": "write 'he_normal'",
    "--task spiral": "no task 'spiral'; there is spirals",
    "--normalise batch": "no normalisation 'batch'; there is batchnorm",
    "--optimizer adma": "no optimiser 'adma'; there is adam",
    "--lr fast": "--lr: give a positive number, not 'fast'",
    "--seeds 0": "--seeds: give a whole number from 1",
    "--workers 0": "--workers: give a whole number from 1",
    "--batch 299 --remedy": "write --batch 298",
    "--normalise batchnorm --batch 1": "write --batch 2",
    "--sweep colour": "--sweep: no setting 'colour'; there is activation",
    "--sweep activation,": "--sweep: no setting ''",
    "--sweep depth,depth": "--sweep: depth is given twice",
    "--sweep depth=two": "--sweep: a depth is a whole number from 1 to 200, not 'two'",
    "--sweep depth=": "--sweep: a depth is a whole number from 1 to 200, not ''",
    "--sweep activation=tahn": "no activation 'tahn'; there is tan",
    "--sweep init=hee": "no initialiser 'hee'",
    "--sweep activation,init,depth,width": "--sweep: 4 settings cannot be drawn; give one to three",
    "--remdy": "is it --remedy?",
    "--out file": "file is a file; choose another folder",
}


@pytest.mark.parametrize("line", BAD)
def test_bad_options_are_refused_in_one_line_before_training(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object, **__: object) -> NoReturn:
        raise AssertionError("trained")

    monkeypatch.setattr(networks, "fit", never)
    Path("file").write_text("")
    assert call("--no-plots", *line.split()) == 2
    printed, error = capsys.readouterr()
    assert printed == ""
    assert BAD[line] in error
    assert error.count("\n") == 1


def test_the_missing_font_is_said_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> NoReturn:
        raise ImportError("no font")

    monkeypatch.setattr("tinygrad_edu.draw.style._japanese_family", missing)
    with pytest.raises(RenderingError, match="--no-plots or --lang en"):
        run(tmp_path, lang="ja", plots=True)
    assert not list(tmp_path.iterdir())


def test_the_commands_to_try_can_be_given() -> None:
    looked = networks.look(Settings(**TINY | {"lang": "ja", "sweep": "", "lr": 0.25}))
    found = pages.try_next(looked, TEXTS["ja"])
    assert len(found) == 4
    for line, _ in found:
        words = line.split()
        options = cli.make_parser().parse_args(words[words.index("flow") :])
        assert (options.depth, options.width, options.lang, options.lr) == (4, 8, "ja", 0.25)


# ---- remedies and sweeps ----


def test_remedies_are_shown_and_their_cure_is_the_line_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = te.flow.try_remedies
    monkeypatch.setattr(
        te.flow,
        "try_remedies",
        lambda *given, **options: chosen(
            *given, **options | {"executor": None, "remedies": ("relu_he", "xavier")}
        ),
    )
    options = {"depth": 6, "width": 16, "task": "blobs", "epochs": 8, "batch": 30}
    lines = run(tmp_path, remedy=True, seeds=1, **options)
    table = [re.split(r"\s{2,}", line.strip()) for line in lines]
    assert ["1 of 1", "cured"] in [row[-2:] for row in table if row[0].startswith("ReLU and He")]
    assert ["0 of 1"] in [row[-1:] for row in table if row[0] == "before"]
    assert "Cured by: ReLU and He initialisation." in lines
    assert lines.count(f"Write next: {te.flow.REMEDIES['relu_he'].code}") == 1
    assert not [line for line in lines if "Try the remedies" in line]


def test_a_sweep_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = "activation=relu:tanh,depth=1:2"
    options = {"sweep": grid, "workers": 1, "epochs": 1}
    lines = run(tmp_path, **options)
    head = lines.index("== Sweep over activation × depth: 4 networks ==")
    assert [line.split()[:2] for line in lines[head + 2 : head + 6]] == [
        *(["relu", "1"], ["relu", "2"], ["tanh", "1"], ["tanh", "2"])
    ]
    file = tmp_path / "sweep.json"
    held = json.loads(file.read_text())
    wanted = networks.trial(Settings(**TINY | {"activation": "relu", "depth": 2, "epochs": 1}))
    (cell,) = (
        each
        for each in held["cells"].values()
        if each["activation"] == "relu" and each["depth"] == 2
    )
    assert {name: cell[name] for name in wanted} == wanted
    held["cells"].popitem()
    file.write_text(json.dumps(held))
    ran: list[Any] = []
    go = te.flow.sweep

    def sweep(run: Any, *given: Any, **settings: Any) -> Any:
        ran.append(settings)
        return go(run, *given, **settings)

    monkeypatch.setattr(te.flow, "sweep", sweep)
    again = run(tmp_path, **options)
    assert f"Going on from {file}: 3 of 4 are there already." in again
    start = again.index("== Sweep over activation × depth: 4 networks ==") + 2
    assert again[start : start + 5] == lines[head + 1 : head + 6]
    assert ran[0]["path"] == file
    before = file.read_bytes()
    with pytest.raises(OtherTrainingError, match="holds a sweep with other options"):
        run(tmp_path, **options | {"epochs": 2})
    assert file.read_bytes() == before


def test_a_cell_that_fails_is_said(tmp_path: Path) -> None:
    settings = Settings(**TINY, sweep="depth=1:2", out=tmp_path)
    plan = grids.Plan(settings, tmp_path)
    cells = [{"depth": 1, "ratio": 0.5, "loss": 0.6, "learnt": 0.0}]
    failed = [{"depth": 2, "error": "BrokenProcessPool: gone"}]
    found = te.flow.Sweep({"depth": (1, 2)}, cells, failed)
    assert plan.rows(found) == [("1", "5.0e-01", "0.6", "✗")]
    assert pages.failures(found, TEXTS["en"]).startswith("1 networks of the sweep failed: depth=2:")


# ---- the default story ----


@pytest.mark.thorough
def test_the_default_network_does_not_learn_and_relu_with_he_does() -> None:
    looked = networks.look(Settings())
    assert looked.state == "failed"
    verdict = looked.diagnosis.verdict
    assert verdict is not None
    assert (verdict.kind, verdict.grade) == ("vanishing", "sick")
    # Mean field: √χ a layer at σ_w² = 1, .236 (GRADIENT FLOW figures), over nine hidden steps.
    assert looked.theory is not None
    assert math.sqrt(looked.theory.chi_mean) == pytest.approx(0.236, abs=0.002)
    assert looked.theory.low[0] < looked.flow.ratio()[0] < looked.theory.high[0]
    for seed in range(3):
        cured = networks.look(Settings(activation="relu", seed=seed))
        assert cured.state == "learnt"
        assert cured.right == 1.0
