"""What docs/training_results.md says is reached is reached."""

from __future__ import annotations

import pytest

from tinygrad_edu.tasks import TASKS, learn
from tools.training_results import ABOUT, PAGE, SEEDS


@pytest.mark.thorough
@pytest.mark.parametrize("name", TASKS)
def test_five_seeds_reach_the_goal(name: str) -> None:
    task = TASKS[name]
    sets = task.sets()
    judged = next(iter(task.metrics))
    found = [learn(task.defaults, seed, sets).results["test"][judged] for seed in SEEDS]
    assert min(found) >= task.goal


def test_the_page_shows_every_task_and_seed() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert set(ABOUT) == set(TASKS)
    for name, task in TASKS.items():
        part = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert f"`{task.defaults.layers}`" in part
        assert part.count("| yes |") == len(SEEDS)
