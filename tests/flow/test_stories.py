"""The pages on gradient flow: their pictures are theirs, and what they say is no luck of a seed."""

from __future__ import annotations

import math
import re
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.flow import symptoms
from tools import page_pictures

STORIES = {page.stem.removeprefix("flow_story_"): page for page in page_pictures.STORIES}
GUESSING = math.log(2)
thorough = pytest.mark.thorough


@cache
def story(name: str) -> SimpleNamespace:
    """What a page defines."""
    names: dict[str, Any] = {}
    for part in page_pictures.parts(STORIES[name]):
        if not part.picture:
            exec(page_pictures.source(part.code), names)
    return SimpleNamespace(**names)


def late(flow: te.flow.Flow) -> float:
    """The loss at the end, of a training whose loss jumps."""
    return float(np.median(flow.losses[-20:]))


def test_all_stories_have_a_lesson_and_something_to_try_and_are_in_the_guide() -> None:
    guide = page_pictures.GUIDE.read_text(encoding="utf-8")
    assert len(STORIES) == 6
    for page in STORIES.values():
        text = page.read_text(encoding="utf-8")
        assert f"]({page.name})" in guide
        assert "**What to remember.**" in text
        assert "`tinygrad-edu flow" in text.split("**Try it.**")[1]


def test_the_table_of_limits_is_that_of_the_diagnosis() -> None:
    guide = page_pictures.GUIDE.read_text(encoding="utf-8")
    rows = {
        kind: cells
        for kind, cells in re.findall(r"^\| `(\w+)`[^|]*\|(.*)\|$", guide, re.M)
        if kind in symptoms.KINDS
    }
    assert set(rows) == set(symptoms.KINDS)
    for kind, numbers in {
        "vanishing": [*symptoms.VANISHING],
        "exploding": [*symptoms.EXPLODING],
        "dead": [100 * symptoms.MOST, 100 * symptoms.DYING],
        "saturated": [100 * symptoms.MOST, 100 * symptoms.most_flat(te.activations.relu)],
        "initialisation": [symptoms.FAR, symptoms.FAR_EACH],
        "symmetric": [100 * symptoms.MOST],
        "step_large": [symptoms.MOST_UPDATE],
        "step_small": [symptoms.LEAST_UPDATE],
        "oscillation": [100 * symptoms.TURNS],
    }.items():
        limits = rows[kind].rpartition("|")[0]
        found = [float(each) for each in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", limits)]
        assert found == pytest.approx(numbers), kind


# ---- what the stories say holds for other seeds ----


@thorough
@pytest.mark.parametrize("seed", range(1, 5))
def test_sigmoids_die_and_relu_lives(seed: int) -> None:
    page = story("sigmoid")
    model, flow, theory = page.train("sigmoid", "xavier_normal", seed)
    found = te.flow.diagnose(flow)
    assert late(flow) == pytest.approx(GUESSING, abs=1e-3)
    assert np.ptp(model(page.x).data) < 1e-4
    assert found.grade == "sick"
    assert found.verdict is not None
    assert found.verdict.kind == "vanishing"
    assert 1e-7 < theory.delta[0] < 1e-6
    assert 1e-7 < flow.ratio()[0] < 2e-6
    _, flow, theory = page.train("relu", "he_normal", seed)
    assert flow.losses[-1] < 0.01
    assert 0.05 < flow.ratio()[0] < 1
    assert 0.9 < theory.chi_mean < 1.1


@thorough
@pytest.mark.parametrize("seed", range(1, 10))
def test_relu_dies_of_a_step_that_leaky_relu_survives(seed: int) -> None:
    page = story("dead_relu")
    relu, leaky = page.train("relu", 0.3, seed), page.train("leaky_relu", 0.3, seed)
    small = page.train("relu", 0.01, seed)
    assert relu.losses[-1] == pytest.approx(np.var(page.y), rel=1e-3)
    assert max(share for share in relu.last("dead").values() if share == share) == 1
    found = te.flow.diagnose(relu)
    assert "dead" in [each.kind for each in found.findings]
    assert found.grade == "sick"
    assert leaky.losses[-1] < 0.1
    assert np.nanmax(leaky["dead"]) == 0
    assert small.losses[-1] < 0.02


@thorough
@pytest.mark.parametrize("seed", range(1, 5))
def test_clipping_holds_the_rnn(seed: int) -> None:
    page = story("rnn")
    wild, held = page.train(None, seed), page.train(0.3, seed)
    assert late(wild) > 0.9 * GUESSING
    assert late(held) < 0.5 * GUESSING
    for flow in (wild, held):  # clipping leaves the ratio
        last, *_, first = flow.over_time["rnn"][0]
        assert first / last > 70


@thorough
@pytest.mark.parametrize("seed", range(1, 5))
def test_batchnorm_cures_at_ten_and_explodes_at_fifty(seed: int) -> None:
    page = story("batchnorm")
    plain, normed, deep, around = (
        page.train(page.network(**options, seed=seed), epochs=epochs)
        for options, epochs in (
            ({"depth": 10}, 40),
            ({"depth": 10, "norm": True}, 40),
            ({"depth": 50, "norm": True}, 20),
            ({"depth": 50, "norm": True, "residual": True}, 20),
        )
    )
    assert plain.losses[-1] == pytest.approx(GUESSING, abs=1e-3)
    assert plain.ratio()[0] < 1e-3
    assert normed.losses[-1] < 0.1
    assert 1 < normed.ratio()[0] < 10
    assert deep.losses[-1] > 0.9 * GUESSING
    assert deep.ratio()[0] > 1e3
    network = page.network(50, norm=True, inputs=64, width=64, seed=seed)
    with te.flow.track(network) as flow:
        np.mean(network(page.noise)).backward()
    delta = flow["delta"][0]
    assert (delta[0] / delta[-2]) ** (2 / 48) == pytest.approx(math.pi / (math.pi - 1), abs=0.06)
    assert around.losses[-1] < 0.5 * GUESSING
    assert around.ratio()[0] < 10


@thorough
@pytest.mark.parametrize("seed", range(1, 5))
def test_weight_gradients_hide_the_vanishing(seed: int) -> None:
    flow = story("weights").measured(story("weights").usual, seed)
    delta, weight = flow["delta"][0], flow["weight"][0]
    assert delta[9] / delta[0] > 100
    assert max(weight[:10]) / min(weight[:10]) < 1.5
    better = story("weights").measured("xavier_normal", seed)["delta"][0]
    assert better[9] / better[0] < 5
