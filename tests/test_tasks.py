"""The train command: models in one line, trainings that reach their goals, and what they leave."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

import tinygrad_edu as te
from tinygrad_edu import cli, tasks, train
from tinygrad_edu.check import Entry, Report, Verdict
from tinygrad_edu.errors import (
    FileError,
    OperandError,
    RenderingError,
    ShapeError,
    UnknownNameError,
)
from tinygrad_edu.nn import BatchNorm, Dropout, LayerNorm, Linear
from tinygrad_edu.tasks import TASKS, Settings, learn, messages, pages
from tinygrad_edu.tasks.advice import remedy, try_next
from tinygrad_edu.tasks.layers import Recurrent, network
from tinygrad_edu.tasks.learning import Learnt, make_optimizer, make_schedule
from tinygrad_edu.tasks.problems import Sets, digits, right_sums, sums
from tinygrad_edu.tasks.texts import TEXTS
from tinygrad_edu.terminal import Terminal

Array = np.ndarray[Any, np.dtype[Any]]
TABLES = {"history.csv", "transcript.txt", "weights.npz", "checkpoint.npz"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No run of these tests writes into the folder that they are started from."""
    monkeypatch.chdir(tmp_path)


# ---- models in one line ----


def test_a_line_is_the_network_that_it_says() -> None:
    x = np.random.default_rng(0).standard_normal((5, 64))
    for line, widths, activation in (
        ("64,relu,10", [64, 64, 10], "relu"),
        ("8,tanh,4,tanh,10", [64, 8, 4, 10], "tanh"),
        (" 6 , SELU , 10 ", [64, 6, 10], "selu"),
    ):
        model, mlp = network(line, 64, 10, seed=3), te.nn.MLP(widths, activation, seed=3)
        assert model(x).data.tobytes() == mlp(x).data.tobytes()


def test_each_part_is_a_layer_of_the_width_before_it() -> None:
    line = "layernorm,rnn:6,dropout:0.3,batchnorm,8,swiglu,dense,1".replace("dense", "linear")
    model = network(line, 2, 1, sequences=True, seed=1)
    kinds = [type(layer) for layer in model.layers if isinstance(layer, te.nn.Module)]
    assert kinds == [LayerNorm, Recurrent, Dropout, BatchNorm, Linear, Linear]
    functions = [getattr(layer, "name", "") for layer in model.layers]
    assert [name for name in functions if name] == ["swiglu", "linear"]
    assert vars(model.layers[2])["rate"] == 0.3
    assert [leaf.shape for _, leaf in model.named_parameters() if len(leaf.shape) == 2] == [
        *((2, 6), (6, 6)),
        *((6, 8), (4, 1)),
    ]
    assert model(np.zeros((3, 5, 2))).shape == (3, 5, 1)


def test_dropout_changes_no_weight_and_has_masks_of_each_seed() -> None:
    plain, dropped, other = (
        network(line, 4, 2, seed=seed)
        for line, seed in (
            ("8,relu,2", 0),
            ("8,relu,dropout:0.5,2", 0),
            ("8,relu,dropout:0.5,2", 1),
        )
    )
    for one, two in zip(plain.parameters(), dropped.parameters(), strict=True):
        np.testing.assert_array_equal(one.data, two.data)
    ones = np.ones((1, 200))
    masks = [model.layers[2](te.Value(ones)).data for model in (dropped, other)]
    assert (masks[0] != masks[1]).any()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "there is no layer between two commas, or at an end"),
        ("64,,10", "there is no layer between two commas"),
        ("64,relu,10,", "or at an end, of '64,relu,10,'; write as in 64,relu,10"),
        ("64,rleu,10", "no layer 'rleu'; there is relu"),
        ("64 relu,10", "no layer '64 relu'"),
        ("64,LogSigmoid,10", "write 'log_sigmoid'"),
        ("64,dropuot:0.2,10", r"there is dropout:0\.2"),
        ("64,relu,5", "has width 5, and this task has 10 outputs; write 64,relu,10"),
        ("64,relu", "must be a Linear layer of width 10: write 64,relu,10"),
        ("64,relu,10,softmax", "leave out the softmax at the end"),
        ("64,relu,10,batchnorm", "must be a Linear layer of width 10"),
        ("0,relu,10", "'0': a width is a whole number from 1 to 10000"),
        ("99999999999999999999,10", "a width is a whole number from 1 to 10000"),
        ("1" * 5000 + ",10", "a width is a whole number from 1 to 10000"),
        ("-3,10", "no layer '-3'; there is a width from 1 to 10000, an activation"),
        ("exp,10", r"activations --all\), dropout:0\.2, batchnorm or layernorm$"),
        ("nonsense,10", "no layer 'nonsense'; there is a width from 1 to 10000, an activation"),
        ("64.5,10", r"no layer '64\.5'"),
        ("dropout,10", "'dropout': dropout needs the share that is set to 0"),
        ("dropout:1,10", r"at least 0 and below 1, as in dropout:0\.2"),
        ("dropout:half,10", "'dropout:half'"),
        ("batchnorm:3,10", "'batchnorm:3': batchnorm takes no number; write batchnorm"),
        ("linear:64,10", "'linear:64': a Linear layer is its width alone, as in 64"),
        ("dense:64,10", "a Linear layer is its width alone"),
        ("lstm:16,10", "there is no lstm yet; for sequences write rnn:16"),
        ("rnn:16,10", "rnn needs sequences, which only the task sequence has"),
        ("5,glu,10", "glu halves the width, and the one before it is 5; make it even"),
    ],
)
def test_a_line_that_is_no_model_says_what_to_write(line: str, message: str) -> None:
    with pytest.raises((UnknownNameError, ShapeError), match=message) as caught:
        network(line, 64, 10)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ["rnn:x,1", "rnn,1", "rnn:0,1", "rnn:-1,1", "rnn:16:relu,1"])
def test_a_recurrent_layer_needs_a_width(line: str) -> None:
    with pytest.raises(ShapeError, match="a width is a whole number from 1 to 10000, as in rnn:16"):
        network(line, 2, 1, sequences=True)


PARTS = st.sampled_from(["3", "4", "relu", "glu", "softmax", "dropout:0.1", "batchnorm", "x", "1"])


@given(st.lists(PARTS | st.text(max_size=4), max_size=5).map(",".join))
def test_any_line_is_a_model_or_a_clear_error(line: str) -> None:
    try:
        model = network(line, 2, 1)
    except (UnknownNameError, ShapeError):
        return
    assert model.eval()(np.zeros((4, 2))).shape == (4, 1)


# ---- data ----


def test_all_sums_are_there_once_with_their_bits() -> None:
    x, y = sums().test
    weights = 2 ** np.arange(9)
    a, b = x[:, :, 0] @ weights, x[:, :, 1] @ weights
    assert len(set(zip(a, b, strict=True))) == 256 * 256
    assert a.max() == b.max() == 255
    np.testing.assert_array_equal(y[:, :, 0] @ weights, a + b)
    assert digits(np.array([6])).tolist() == [[0, 1, 1, 0, 0, 0, 0, 0, 0]]


def test_a_sum_is_right_if_all_its_bits_are() -> None:
    y = np.array([[1, 0], [1, 1]])[:, :, None]
    logits = np.array([[2.0, -1.0], [2.0, -1.0]])[:, :, None]
    assert right_sums(logits, y) == 0.5
    assert right_sums(np.full_like(logits, math.nan), y) == 0


@pytest.mark.parametrize("name", ["moons", "circles", "spirals", "sequence"])
def test_no_two_parts_of_the_data_are_the_same(name: str) -> None:
    training, validation, _ = TASKS[name].sets()
    assert not np.array_equal(training[0][: len(validation[0])], validation[0])
    for (x, y), (x_again, y_again) in zip(TASKS[name].sets(), TASKS[name].sets(), strict=True):
        np.testing.assert_array_equal(x, x_again)
        np.testing.assert_array_equal(y, y_again)


@pytest.mark.thorough
def test_no_digit_is_in_two_parts() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is an extra (2026-11-22)")
    parts = [{image.tobytes() for image in x} for x, _ in TASKS["digits"].sets()]
    assert [len(part) for part in parts] == [1294, 144, 359]
    assert not parts[0] & parts[1]
    assert not parts[2] & (parts[0] | parts[1])


# ---- training ----


def tiny(name: str = "moons", **changes: Any) -> Settings:
    return replace(TASKS[name].defaults, **{"layers": "4,relu,1", "epochs": 3, **changes})


def reaches(name: str, seed: int) -> bool:
    judged = next(iter(TASKS[name].metrics))
    return learn(TASKS[name].defaults, seed).results["test"][judged] >= TASKS[name].goal


def test_moons_are_parted() -> None:
    assert reaches("moons", 0)


def test_digits_are_read_in_thirty_epochs() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is an extra (2026-11-22)")
    task = TASKS["digits"]
    assert (task.goal, task.defaults.epochs, task.defaults.layers) == (0.97, 30, "64,relu,10")
    assert reaches("digits", 0)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", TASKS)
def test_five_seeds_reach_the_goal(name: str, seed: int) -> None:
    if name == "digits":
        pytest.importorskip("sklearn", reason="scikit-learn is an extra (2026-11-22)")
    assert reaches(name, seed)


def test_a_training_prints_nothing_and_is_the_same_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, again, other = (learn(tiny(), seed) for seed in (0, 0, 1))
    assert capsys.readouterr() == ("", "")
    for name, array in first.model.state_dict().items():
        np.testing.assert_array_equal(array, again.model.state_dict()[name])
    assert first.results["test"] == again.results["test"] != other.results["test"]


def base_rate(given: dict[str, Any]) -> float:
    return float(given["optimizer"].groups[0]["base_lr"])


def test_settings_become_those_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    fit = train.fit

    def listen(model: Any, data: Any, loss: Any, optimizer: Any, **options: Any) -> Any:
        given.update(options, optimizer=optimizer, rows=len(data[0]))
        return fit(model, data, loss, optimizer, **options)

    monkeypatch.setattr(train, "fit", listen)
    settings = tiny(optimizer="adamw", lr=0.02, weight_decay=0.3, clip=0.7, batch=50, patience=2)
    learnt = learn(settings, 5)
    assert given["optimizer"].groups[0]["weight_decay"] == 0.3
    assert (base_rate(given), type(given["optimizer"])) == (0.02, te.optim.AdamW)
    wanted = {"epochs": 3, "batch_size": 50, "seed": 5, "clip_norm": 0.7, "rows": 400}
    wanted["compile"] = False
    assert {name: given[name] for name in wanted} == wanted
    assert given["schedule"] == te.optim.cosine(3)
    assert isinstance(given["callbacks"][0], train.EarlyStopping)
    assert learnt.best_epoch is not None
    assert len(given["validation"][0]) == 200
    learn(tiny(), 0)
    assert given["clip_norm"] is None
    assert base_rate(given) == tasks.RATES["adam"]
    assert len(given["callbacks"]) == 1


@pytest.mark.parametrize("name", tasks.RATES)
def test_every_optimiser_learns_at_its_own_rate(name: str) -> None:
    learnt = learn(tiny(optimizer=name, layers="8,relu,1", epochs=8), 0)
    assert learnt.results["test"]["accuracy"] > 0.8
    assert set(tasks.RATES) == set(te.optim.OPTIMIZERS)


@pytest.mark.parametrize("name", tasks.SCHEDULES)
def test_every_schedule_begins_below_or_at_one_and_can_be_called(name: str) -> None:
    schedule = make_schedule(tiny(schedule=name, epochs=30))
    factors = [1.0 if schedule is None else schedule(epoch, [1.0] * epoch) for epoch in range(30)]
    assert max(factors) == 1
    assert min(factors) > 0
    if name == "none":
        assert schedule is None
    elif name == "warm-up":
        assert factors[0] < factors[1] < factors[3] == factors[-1]
    else:
        assert factors[0] == 1 > factors[-1]


def test_what_is_unknown_is_refused() -> None:
    listed = "no schedule 'cosin'; there is cosine, step, warm-up, plateau and none"
    with pytest.raises(UnknownNameError, match=listed):
        make_schedule(tiny(schedule="cosin"))
    model = network("1", 2, 1)
    with pytest.raises(UnknownNameError, match="no optimiser 'adma'; there is adam"):
        make_optimizer(tiny(optimizer="adma"), model)
    with pytest.raises(OperandError, match="gd has no weight decay; write --optimizer sgd"):
        make_optimizer(tiny(optimizer="gd", weight_decay=0.1), model)


# ---- what is said ----


def test_shares_say_100_only_of_all() -> None:
    shares = {0.9999: "99.99 %", 1.0: "100 %", 0.0: "0 %", 0.00001: "0.01 %", 0.0123: "1.23 %"}
    shares |= {0.991: "99.1 %", 0.5: "50.0 %", 0.999996: "99.99 %", 0.9996: "99.96 %"}
    assert {share: pages.percent(share) for share in shares} == shares
    assert pages.percent(math.nan) == "nan %"


def test_both_languages_say_the_same_things() -> None:
    english, japanese = TEXTS["en"], TEXTS["ja"]
    assert english.keys() == japanese.keys()
    for key, text in english.items():
        fields = re.findall(r"\{[\w:]+\}", text)
        assert sorted(fields) == sorted(re.findall(r"\{[\w:]+\}", japanese[key])), key


def learnt(line: str, share: float, name: str = "moons", known: float = 0.0) -> Learnt:
    task = TASKS[name]
    model = network(line, task.inputs, task.outputs, sequences=task.kind == "sums")
    judged = dict.fromkeys(task.metrics, share)
    results = {"training": dict.fromkeys(task.metrics, max(share, known)), "test": judged}
    return Learnt(0, model.eval(), train.History(), results, None)


def data_of(count: int) -> Sets:
    return Sets(*(((np.zeros((count, 2)), np.zeros((count, 1))),) * 3))


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize(
    ("name", "line", "share", "keys"),
    [
        ("moons", "4,relu,1", 0.97, ["points_learnt"]),
        ("moons", "4,relu,1", 0.96, ["points_short"]),
        ("moons", "4,linear,1", 0.85, ["points_straight"]),
        ("moons", "1", 0.85, ["points_straight"]),
        ("moons", "16,dropout:0.1,1", 0.85, ["points_straight"]),
        ("moons", "16,batchnorm,1", 0.85, ["points_straight"]),
        ("moons", "16,layernorm,1", 0.85, ["points_short"]),
        ("moons", "1", 0.99, ["points_learnt"]),
        ("digits", "10", 0.97, ["images_learnt"]),
        ("digits", "10", 0.96, ["images_short"]),
        ("sequence", "4,tanh,1", 0.1, ["sums_no_memory"]),
        ("sequence", "rnn:4,1", 0.99, ["sums_short", "longer"]),
        ("sequence", "rnn:4,1", 1.0, ["sums_learnt", "longer"]),
    ],
)
def test_the_verdict_follows_the_results(
    name: str, line: str, share: float, keys: list[str], lang: str
) -> None:
    text = TEXTS[lang]
    settings = tiny(name, layers=line)
    said = pages.verdict(learnt(line, share, name), data_of(100), settings, text)
    assert len(said) == len(keys)
    for sentence, key in zip(said, keys, strict=True):
        pattern = re.escape(text[key])
        assert re.fullmatch(re.sub(r"\\\{\w+\\\}", ".+", pattern), sentence), sentence
    count = f"{round(100 * share)}"
    assert count in said[0] or (keys[0] == "sums_learnt" and "100" in said[0])


def test_what_is_learnt_by_heart_is_called_so() -> None:
    text = TEXTS["en"]
    settings = tiny()
    *_, sentence = pages.verdict(learnt("4,relu,1", 0.9, known=0.96), data_of(100), settings, text)
    assert sentence.startswith("On the training data 96.0 % are right, on the test data 90.0 %")
    close = pages.verdict(learnt("4,relu,1", 0.9, known=0.94), data_of(100), settings, text)
    assert len(close) == 1


def test_the_check_summary_counts_each_verdict() -> None:
    right = Entry("direction 1", Verdict("correct", 1.0, 1.0, 1e-12, 1.0, 1.0, digits=11.7))
    bent = Entry("direction 2", Verdict("kink", 0.0, 0.5, 1e-12, 0.0, 1.0))
    unclear = Entry(
        "direction 3", Verdict("inconclusive", 0.0, 0.0, 1e-5, -1e-5, 1e-5, reason="rounding")
    )
    wrong = Entry("direction 4", Verdict("wrong", 2.5, 0.5, 1e-12, 0.5, 0.5))
    plain, step = network("4,relu,1", 2, 1), network("4,step,1", 2, 1)
    for lang in ("en", "ja"):
        text = TEXTS[lang]

        def said(*entries: Entry, model: Any = plain, text: Any = text) -> str:
            return pages.check_summary(Report(entries), model, text)

        assert said(right) == text["check_right"].format(
            correct=1, total=1, parameters=17, digits=11
        )
        for entry, key in ((bent, "check_kink"), (unclear, "check_unclear")):
            assert text[key].format(kink=1, unclear=1) in said(right, entry)
            assert text[key].format(kink=1, unclear=1) not in said(right)
        assert text["check_wrong"].format(wrong=1, worst="direction 4") in said(right, wrong)
        mark = text["check_stand_in"].format(wrong=1, names="step")
        assert mark in said(wrong, model=step)


def test_a_table_of_seeds_counts_those_that_reach_the_goal() -> None:
    runs: list[Learnt | int] = [learnt("1", 0.98), 7, learnt("1", 0.9)]
    columns, rows, sentence = pages.seeds_table(runs, tiny(), TEXTS["en"])
    assert columns == ["seed", "epochs", "loss", "accuracy", "goal reached"]
    assert rows[1] == ["7", "diverged", "–", "–", "✗"]
    assert [row[-1] for row in rows] == ["✓", "✗", "✗"]
    assert sentence.startswith("1 of 3 reach the goal of 97.0 % on the test data; median 90.0 %")


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_commands_to_try_next_are_ones_that_can_be_given(name: str, lang: str) -> None:
    commands = try_next(tiny(name, lang=lang), TEXTS[lang])
    assert len(commands) == 3
    for command, _ in commands:
        words = command.split()
        options = cli.make_parser().parse_args(words[words.index("train") :])
        assert (options.task, options.lang) == (name, lang)
        assert options.out != TASKS[name].defaults.out
        task = TASKS[name]
        network(options.layers, task.inputs, task.outputs, sequences=task.kind == "sums")


# ---- whole runs ----


def run(folder: Path, name: str, *, code: int = 0, **options: Any) -> list[str]:
    """The lines that are printed."""
    stream = io.StringIO()
    settings = replace(TASKS[name].defaults, out=folder, **options)
    with np.errstate(over="ignore", invalid="ignore"):  # as the command has it
        left = tasks.run(settings, Terminal(stream), "tinygrad-edu train --of-the-test")
    assert left == code
    printed = stream.getvalue()
    assert (folder / "transcript.txt").read_text(encoding="utf-8") == printed
    assert not list(folder.glob(".*"))  # nothing half-written
    return printed.splitlines()


WHOLE: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "moons": ("ja", {"layers": "4,relu,1", "epochs": 2}, {"training", "regions"}),
    "digits": (
        "ja",
        {"layers": "4,batchnorm,relu,10", "epochs": 2, "patience": 5},
        {"training", "confusion", "mistakes", "weights"},
    ),
    "sequence": ("en", {"layers": "rnn:3,1", "epochs": 2}, {"training", "sums", "positions"}),
}


@pytest.mark.parametrize(
    "name", [pytest.param("moons", marks=pytest.mark.thorough), "digits", "sequence"]
)
def test_a_run_leaves_all_files_and_none_is_blank(name: str, tmp_path: Path) -> None:
    lang, options, plots = WHOLE[name]
    if name == "digits":
        pytest.importorskip("sklearn", reason="scikit-learn is an extra (2026-11-22)")
    folder = tmp_path / "made" / "on the way"
    lines = run(folder, name, lang=lang, **options)
    text = TEXTS[lang]
    pictures = {f"{plot}.png" for plot in plots}
    graphs = {"graph.dot", "graph.svg"}
    assert {path.name for path in folder.iterdir()} == (
        TABLES | pictures | graphs | {"report.html"}
    )
    for picture in pictures:
        pixels = imread(folder / picture)[..., :3]
        assert min(pixels.shape[:2]) >= 300
        assert pixels.std() > 0.05
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f'<html lang="{lang}">' in page
    assert page.count("data:image/png;base64,") == len(plots)
    assert page.count("data:image/svg+xml;base64,") == 1
    assert "tinygrad-edu train --of-the-test" in page
    for plot in (*plots, "graph"):
        assert page.count(text[f"{plot}_look"].replace("'", "&#x27;")) == 1
    assert lines[0] == f"== {text[f'{name}_title']} =="
    assert lines[-2].startswith(text["report_at"])
    assert re.search(f"{text['try']}: .*tinygrad-edu train {name} ", lines[-1])
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head[:2] == ["epoch", "loss"]
    assert [row[0] for row in rows] == ["1", "2"]
    (line,) = (line for line in lines if re.match(rf"{text['test']}( \(|（)", line))
    model = network(str(options["layers"]), *sizes(name), sequences=name == "sequence", seed=1)
    train.load(model, folder / "weights.npz")
    task = TASKS[name]
    found = train.evaluate(model, task.sets().test, task.loss, metrics=task.metrics)
    for metric, value in found.items():
        assert pages.number(metric, value) in line
        assert f"<td>{pages.number(metric, value)}</td>" in page


def sizes(name: str) -> tuple[int, int]:
    return TASKS[name].inputs, TASKS[name].outputs


QUICK: dict[str, Any] = {"layers": "2,relu,1", "epochs": 2, "plots": False}


def test_without_plots_tables_and_weights_are_left(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("of an earlier run")
    (tmp_path / "regions.png").write_text("of an earlier run")
    (tmp_path / "mine.txt").write_text("precious")
    lines = run(tmp_path, "moons", **QUICK)
    assert {path.name for path in tmp_path.iterdir()} == TABLES | {"mine.txt"}
    assert lines[-2] == f"Tables: {tmp_path}"
    epochs = [line.split("  ")[0] for line in lines if line.startswith("Epoch")]
    assert epochs == ["Epoch 1/2", "Epoch 2/2"]


def test_a_long_training_says_about_ten_lines(tmp_path: Path) -> None:
    lines = run(tmp_path, "moons", **(QUICK | {"epochs": 40, "layers": "1", "batch": 400}))
    epochs = [line.split("  ")[0] for line in lines if line.startswith("Epoch")]
    assert epochs == ["Epoch 1/40", *(f"Epoch {epoch}/40" for epoch in range(4, 41, 4))]


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    options = QUICK | {"epochs": 6, "layers": "4,relu,dropout:0.2,batchnorm,1", "patience": 4}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(whole, "moons", **options)
    say = Terminal.say

    def stop(self: Terminal, line: str = "") -> None:
        say(self, line)
        if line.startswith("Epoch 4/"):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Terminal, "say", stop)
        with pytest.raises(KeyboardInterrupt):
            run(parts, "moons", **options)
    assert {path.name for path in parts.iterdir()} == {"checkpoint.npz", "transcript.txt"}
    lines = run(parts, "moons", resume=True, **options)
    assert f"Going on from {parts / 'checkpoint.npz'}." in lines
    assert not [line for line in lines if line.startswith(("Epoch 1/", "Epoch 2/"))]
    one, two = (np.load(folder / "weights.npz") for folder in (whole, parts))
    assert one.files == two.files
    arrays = [name for name in one.files if name != "plan.json"]
    assert len(arrays) == 8
    for name in arrays:
        assert one[name].tobytes() == two[name].tobytes()


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("name", ["moons", "sequence"])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_a_compiled_run_leaves_the_same_and_says_so(
    name: str, lang: str, clip: float | None, tmp_path: Path
) -> None:
    layers = "rnn:3,1" if name == "sequence" else "4,relu,dropout:0.2,batchnorm,1"
    options: dict[str, Any] = {"layers": layers, "epochs": 2, "plots": False, "clip": clip}
    folders = [tmp_path / "plain", tmp_path / "compiled"]
    lines, compiled = (
        run(folder, name, lang=lang, compile=folder.name == "compiled", **options)
        for folder in folders
    )
    text = TEXTS[lang]
    assert [line for line in compiled if line not in lines] == [
        text["compiled" if clip is None else "compiled_clip"],
        f"{text['tables_at']}: {folders[1]}",
    ]
    plain, same = (np.load(folder / "weights.npz") for folder in folders)
    arrays = [each for each in plain.files if each != "plan.json"]
    assert len(arrays) > 4
    for each in arrays:
        if name == "moons":
            assert plain[each].tobytes() == same[each].tobytes(), each
        # Gradients of many time steps are added up in another order.
        np.testing.assert_allclose(same[each], plain[each], rtol=1e-9, atol=1e-12)


def test_resuming_what_is_not_there_or_is_another_model(tmp_path: Path) -> None:
    lines = run(tmp_path, "moons", resume=True, **QUICK)
    assert f"There is no {tmp_path / 'checkpoint.npz'} yet: beginning anew." in lines
    (tmp_path / "checkpoint.npz").write_bytes(b"no archive")
    for lang, message in (("en", "damaged"), ("ja", "壊れているか")):
        with pytest.raises(FileError, match=f"{message}.*--resume") as caught:
            run(tmp_path, "moons", resume=True, lang=lang, **QUICK)
        assert "\n" not in str(caught.value)
    run(tmp_path, "moons", **QUICK)  # what is in the way is replaced


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("moons", {"layers": "3,relu,1"}, "--layers"),
    ("moons", {"layers": "2,relu,dropout:0.1,1"}, "--layers"),
    ("moons", {"batch": 16}, "--batch"),
    ("moons", {"lr": 0.5}, "--lr"),
    ("moons", {"clip": 2.0}, "--clip"),
    ("moons", {"weight_decay": 0.1}, "--weight-decay"),
    ("moons", {"patience": 3}, "--patience"),
    ("moons", {"seed": 1}, "--seed"),
    ("moons", {"schedule": "none"}, "--schedule, --epochs"),
    ("moons", {"epochs": 3}, "--schedule, --epochs"),
    ("moons", {"optimizer": "sgd"}, "--optimizer"),
    ("circles", {}, "task"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that is over, with a picture that is only written by hand."""
    folder = tmp_path_factory.mktemp("finished")
    run(folder, "moons", **QUICK)
    (folder / "report.html").write_text("precious")
    return folder


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(("name", "options", "word"), REFUSED)
def test_a_checkpoint_of_another_training_is_refused_and_nothing_is_touched(
    name: str, options: dict[str, Any], word: str, finished: Path
) -> None:
    before = held(finished)
    with pytest.raises(OperandError) as caught:
        run(finished, name, resume=True, **(QUICK | options))
    assert str(caught.value) == (
        f"{finished / 'checkpoint.npz'} was made by another training (other {word}): give the "
        "same options as before, another --out, or leave out --resume"
    )
    with pytest.raises(OperandError, match="前回と同じオプション") as caught:
        run(finished, name, resume=True, lang="ja", **(QUICK | options))
    assert ("課題" if word == "task" else word) in str(caught.value)
    assert held(finished) == before


def test_fewer_epochs_than_are_done_are_refused(tmp_path: Path) -> None:
    run(tmp_path, "moons", schedule="none", **QUICK)
    with pytest.raises(OperandError, match="2 epochs already: give --epochs 2 or more"):
        run(tmp_path, "moons", schedule="none", resume=True, **(QUICK | {"epochs": 1}))
    lines = run(tmp_path, "moons", schedule="none", resume=True, **(QUICK | {"epochs": 3}))
    assert [line[:9] for line in lines if line.startswith("Epoch")] == ["Epoch 3/3"]


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_run_that_fails_in_its_first_epoch_leaves_an_earlier_one_whole(
    lang: str, finished: Path
) -> None:
    before = held(finished)
    stream = io.StringIO()
    settings = replace(TASKS["moons"].defaults, out=finished, lang=lang, lr=1e200, **QUICK)
    with np.errstate(over="ignore", invalid="ignore"):
        assert tasks.run(replace(settings, optimizer="sgd"), Terminal(stream), "") == 1
    assert held(finished) == before
    printed = stream.getvalue()
    text = TEXTS[lang]
    assert text["kept_results"].format(folder=finished) in printed
    assert text["last_good"].format(file=finished / "checkpoint.npz") not in printed
    assert "--optimizer sgd --lr 0.2" in printed.splitlines()[-1]


def test_ctrl_c_in_the_first_epoch_leaves_an_earlier_run_whole(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    before = held(finished)
    monkeypatch.setattr(train, "fit", stop)
    settings = replace(TASKS["moons"].defaults, out=finished, lang="ja", **QUICK)
    with pytest.raises(KeyboardInterrupt, match="最初のエポックが終わる前に"):
        tasks.run(settings, Terminal(io.StringIO()), "")
    assert held(finished) == before


def test_a_run_that_has_begun_leaves_nothing_of_an_earlier_one(tmp_path: Path) -> None:
    run(tmp_path, "moons", **QUICK)
    (tmp_path / "report.html").write_text("of an earlier run")
    say = Terminal.say

    def stop(self: Terminal, line: str = "") -> None:
        say(self, line)
        if line.startswith("Epoch 2/"):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Terminal, "say", stop)
        with pytest.raises(KeyboardInterrupt, match="with --resume goes on"):
            run(tmp_path, "moons", seed=5, **QUICK)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.npz", "transcript.txt"}


def test_how_it_was_trained_says_what_stopped_it_and_which_weights_are_kept() -> None:
    model = learnt("4,relu,1", 0.98)
    history = train.History({"loss": [1.0] * 7})
    for lang in ("en", "ja"):
        text = TEXTS[lang]
        whole = pages.how(tiny(), replace(model, history=history), text)
        assert text["how_whole"].format(epochs=7) in whole
        assert "clip" not in whole
        kept = replace(model, history=history, best_epoch=4)
        assert text["more_compiled"] not in whole
        options = tiny(patience=3, epochs=60, clip=2.5, weight_decay=0.125, compile=True)
        said = pages.how(options, kept, text)
        assert text["how_kept"].format(epochs=7, best=4) in said
        assert text["more_clip"].format(clip=2.5) in said
        assert text["more_decay"].format(weight_decay=0.125) in said
        assert text["more_compiled"] in said
        stopped = train.History({"loss": [1.0] * 7}, "no better")
        said = pages.how(options, replace(kept, history=stopped), text)
        facts = {"epochs": 7, "asked": 60, "patience": 3, "best": 4}
        assert text["how_stopped"].format(**facts) in said
        assert text["how_whole"].format(epochs=7) not in said


@pytest.mark.parametrize(
    ("line", "operations"),
    [("4,batchnorm,relu,1", "mean, var"), ("4,relu,dropout:0.5,1", "layers.2: multiply")],
)
def test_the_graph_of_a_training_step_is_drawn_as_while_learning(
    line: str, operations: str, tmp_path: Path
) -> None:
    model = learnt(line, 0.98)
    before = model.model.state_dict()
    masks = [each.bit_generator.state for _, each in model.model.named_generators()]
    pages.step_graph(tiny(), model, TASKS["moons"].sets(), tmp_path, TEXTS["en"])
    assert operations in (tmp_path / "graph.dot").read_text(encoding="utf-8")
    assert not any(module.training for _, module in model.model.named_modules())
    for name, array in model.model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert [each.bit_generator.state for _, each in model.model.named_generators()] == masks


@pytest.mark.parametrize("line", ["rnn:4,rnn:4,1", "4,tanh,rnn:4,1"])
def test_the_graph_of_layers_around_a_recurrent_one_stays_readable(
    line: str, tmp_path: Path
) -> None:
    image = pages.step_graph(
        tiny("sequence"),
        learnt(line, 1.0, "sequence"),
        TASKS["sequence"].sets(),
        tmp_path,
        TEXTS["en"],
    )
    assert image is not None
    width = re.search(rb'<svg width="(\d+)pt"', image)
    assert width is not None
    assert int(width[1]) < 1000


def test_a_long_model_has_a_short_caption() -> None:
    sets = TASKS["moons"].sets()
    captions = [
        pages.model_table(network(line, 2, 1), sets, TEXTS["en"]).caption
        for line in ("4,relu,1", "16,batchnorm,relu,dropout:0.1,16,batchnorm,relu,1")
    ]
    assert captions == [
        "Sequential(Linear(2, 4), 'relu', Linear(4, 1))",
        "8 layers, one after the other",
    ]


SHORT: list[tuple[dict[str, Any], str]] = [
    ({"lr": 9.0, "epochs": 60}, "moons --layers 4,relu,1 --out"),
    (
        {"lr": 1e-5, "optimizer": "sgd", "epochs": 60},
        "moons --layers 4,relu,1 --optimizer sgd --out",
    ),
    ({}, "moons --out"),
    ({"layers": TASKS["moons"].defaults.layers, "patience": 2}, "moons --patience 2 --out"),
    ({"layers": TASKS["moons"].defaults.layers, "epochs": 60, "seed": 3}, "moons --out"),
    ({"layers": TASKS["moons"].defaults.layers, "epochs": 60}, "moons --epochs 120 --out"),
]


@pytest.mark.parametrize(("options", "command"), SHORT)
def test_behind_a_failure_the_first_command_is_what_helps(
    options: dict[str, Any], command: str
) -> None:
    (first, _), *others = try_next(tiny(**options), TEXTS["en"], learnt("1", 0.8))
    assert f"train {command} runs/moons-again" in first
    assert others == try_next(tiny(**options), TEXTS["en"])
    assert others == try_next(tiny(**options), TEXTS["en"], learnt("1", 0.98))


@pytest.mark.parametrize(
    ("options", "lr"),
    [({"lr": 1e9}, "0.01"), ({"lr": 0.01}, "0.001"), ({}, "0.001"), ({"lr": 0.0031}, "0.00031")],
)
def test_behind_a_divergence_the_rate_is_smaller(options: dict[str, Any], lr: str) -> None:
    assert f" --lr {lr} " in remedy(tiny(**options), None, TEXTS["en"])[0]


def test_what_fit_says_is_said_in_japanese() -> None:
    step = "epoch 3, step 2 of 13: "
    for english, japanese in (
        (
            f"{step}the step before made layers.0.weight inf; lower the learning rate, or clip "
            "gradients with clip_norm=1",
            "エポック 3、ステップ 2/13：直前の更新で layers.0.weight が inf になりました。",
        ),
        (
            f"{step}the loss is nan: exp(z) gave inf at [0, 1], from 1000.0; it overflows",
            "エポック 3、ステップ 2/13：損失が nan になりました。"
            "原因：exp(z) の計算結果が inf になりました。",
        ),
        (
            f"{step}a gradient is not finite: the derivative of sqrt(z) passed back inf, where the "
            "input is 0.0; add a small constant",
            "エポック 3、ステップ 2/13：勾配が有限の値でなくなりました。"
            "原因：sqrt(z) の微分が inf になりました。",
        ),
        (
            "4810 entries were checked along 3 random directions.",
            "4810 個の要素をランダムな 3 方向で調べました。",
        ),
    ):
        assert messages.said(english, "ja") == japanese
        assert messages.said(english, "en") == english


def test_a_real_divergence_and_the_notes_of_a_check_are_in_japanese(tmp_path: Path) -> None:
    options = QUICK | {"lr": 1e200, "optimizer": "sgd"}
    lines = run(tmp_path, "moons", code=1, lang="ja", **options)
    (line,) = (line for line in lines if line.startswith("学習が発散しました。"))
    assert re.search("エポック 1、ステップ 2/13：.*になりました。$", line)
    assert not re.search("epoch|step|loss|gave|made", line)
    task = TASKS["moons"]
    checked = te.check.model(
        network("4,relu,1", 2, 1), task.loss, *pages.few(task.sets()), mode="directions"
    )
    assert "random direction" in pages.check_lines(checked, "en")
    assert "random direction" not in pages.check_lines(checked, "ja")
    assert "ランダムな" in pages.check_lines(checked, "ja")


@pytest.mark.parametrize(("batch", "fitting"), [(133, 132), (399, 398), (1, 2), (57, 56)])
def test_a_batch_of_one_row_is_found_before_training(
    batch: int, fitting: int, tmp_path: Path
) -> None:
    options = QUICK | {"layers": "2,batchnorm,relu,1", "epochs": 1}
    with pytest.raises(ShapeError, match=f"write --batch {fitting}$"):
        run(tmp_path, "moons", **(options | {"batch": batch}))
    assert not list(tmp_path.iterdir())
    run(tmp_path, "moons", **(options | {"batch": fitting}))
    run(tmp_path, "moons", **(options | {"batch": batch, "layers": "1"}))


def test_early_stopping_is_said(tmp_path: Path) -> None:
    options = QUICK | {"epochs": 100, "lr": 1.0, "patience": 1, "schedule": "none"}
    lines = run(tmp_path, "moons", **options)
    (line,) = (line for line in lines if line.startswith("Stopped in epoch"))
    stopped, patience, best = map(int, re.findall(r"\d+", line))
    assert (patience, stopped) == (1, best + 1)
    assert any(line.startswith(f"Epoch {stopped}/100") for line in lines)


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_training_that_diverges_says_so_and_keeps_the_last_good_epoch(
    tmp_path: Path, epoch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if epoch == 1:
        options = {"lr": 1e200, "optimizer": "sgd"}
    else:
        options = {}
        monkeypatch.setattr(
            "tinygrad_edu.tasks.learning.make_schedule",
            lambda settings: lambda epoch, losses: 1e300 if epoch >= 1 else 1.0,
        )
    lines = run(tmp_path, "moons", code=1, **QUICK, **options)
    (said,) = (line for line in lines if line.startswith("The training has diverged. epoch"))
    assert f"epoch {epoch}, step" in said
    assert "Try a smaller --lr, or --clip 1." in lines
    kept = {"transcript.txt"} if epoch == 1 else {"transcript.txt", "checkpoint.npz", "history.csv"}
    assert {path.name for path in tmp_path.iterdir()} == kept
    assert (f"The last good epoch is in {tmp_path / 'checkpoint.npz'}." in lines) == (epoch == 2)


def test_many_seeds_are_listed_each(tmp_path: Path) -> None:
    lines = run(tmp_path, "moons", seed=3, seeds=3, **QUICK)
    head = lines.index("== The same over 3 seeds ==")
    shares = []
    for row, seed in zip(lines[head + 2 : head + 5], (3, 4, 5), strict=True):
        found = learn(replace(TASKS["moons"].defaults, **QUICK), seed).results["test"]
        shares.append(found["accuracy"])
        assert row.split()[-1] in ("✓", "✗")
        cells = [str(seed), "2", f"{found['loss']:.4f}", pages.percent(found["accuracy"])]
        assert re.split(r"\s{2,}", row.strip())[:4] == cells
    assert f"worst {pages.percent(min(shares))}" in lines[head + 5]


def test_nothing_is_touched_where_something_is_unknown_or_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> NoReturn:
        raise AssertionError("trained")

    def missing() -> NoReturn:
        raise ImportError("no font")

    monkeypatch.setattr(train, "fit", never)
    (tmp_path / "report.html").write_text("precious")
    (tmp_path / "checkpoint.npz").write_text("precious")
    bad: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"lang": "fr"}, UnknownNameError, "no language 'fr'; there is en and ja"),
        ({"layers": "3"}, ShapeError, "the last layer has width 3"),
        ({"optimizer": "adma"}, UnknownNameError, "no optimiser 'adma'"),
        ({"schedule": "linear"}, UnknownNameError, "no schedule 'linear'"),
        ({"lang": "ja", "plots": True}, RenderingError, "--no-plots or --lang en"),
    ]
    monkeypatch.setattr("tinygrad_edu.draw.style._japanese_family", missing)
    for options, kind, message in bad:
        settings = tiny(**{"out": tmp_path, "plots": False, **options})
        with pytest.raises(kind, match=message):
            tasks.run(settings, Terminal(io.StringIO()), "")
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "checkpoint.npz"}


def test_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r'pip install "tinygrad_edu\[data\]"'):
        tasks.run(replace(TASKS["digits"].defaults, plots=False), Terminal(io.StringIO()), "")
    assert not Path("runs").exists()


def test_without_a_renderer_the_text_of_the_graph_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> NoReturn:
        raise RenderingError("nothing is installed")

    monkeypatch.setattr(import_module("tinygrad_edu.draw.graph"), "rendered", missing)
    lines = run(tmp_path, "moons", **(QUICK | {"plots": True, "epochs": 1}))
    assert TEXTS["en"]["no_renderer"] in lines
    assert (tmp_path / "graph.dot").exists()
    assert not (tmp_path / "graph.svg").exists()
