"""Writes docs/training_results.md: python -m tools.training_results. Takes a few minutes."""

from __future__ import annotations

from pathlib import Path

from tinygrad_edu.files import write_text
from tinygrad_edu.tasks import TASKS, learn
from tools.markdown import code, table

PAGE = Path(__file__).parent.parent / "docs" / "training_results.md"
SEEDS = range(5)

INTRODUCTION = """\
# Five seeds of each

What `tinygrad-edu train TASK --seeds 5` finds with the settings that it comes with: the share of
right answers on the test data, which are looked at only once, at the end, for five seeds of weights
and batches. No row of them is trained on, but for sequence: there they are all sums that exist, so
that those learnt from are among them.
`python -m tools.training_results` writes this page.
"""

ABOUT = {
    "moons": "Two half circles that reach into each other, with noise; 400 points, 1,000 to test.",
    "circles": "A ring around another, with noise; 400 points, 1,000 to test.",
    "spirals": "Two arms that wind around each other; 400 points, 1,000 to test.",
    "digits": "1,797 handwritten digits of 8 × 8 grey levels; a fifth of them to test.",
    "sequence": (
        "The sum of two numbers of 8 bits, read bit by bit from the lowest; 2,000 random "
        "sums to learn from, and all 65,536 to test, these too; each counts only if all nine bits "
        "are right."
    ),
}


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *map(part, TASKS)])


def part(name: str) -> str:
    """One task."""
    task = TASKS[name]
    sets = task.sets()
    judged = next(iter(task.metrics))
    rows = []
    for seed in SEEDS:
        learnt = learn(task.defaults, seed, sets)
        found = learnt.results["test"]
        rows.append(
            (
                str(seed),
                f"{found[judged]:.2%}",
                "yes" if found[judged] >= task.goal else "**no**",
                f"{found['loss']:.4f}",
                f"{learnt.history.losses[-1]:.4f}",
                str(len(learnt.history)),
            )
        )
    settings = task.defaults
    facts = (
        f"{ABOUT[name]} Layers {code(settings.layers)}, {settings.optimizer}, schedule "
        f"{settings.schedule}, batches of {settings.batch}, {settings.epochs} epochs; to reach: "
        f"{task.goal:.0%}.\n"
    )
    heading = ("seed", "right", "reached", "test loss", "training loss", "epochs")
    return "\n".join([f"## {name}\n", facts, table(heading, rows)])


if __name__ == "__main__":
    write_text(PAGE, page())
