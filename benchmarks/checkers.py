"""How often verifiers of gradients are right: ours, PyTorch's, JAX's and autograd's, in one run.

python -m benchmarks.checkers [--only ours,torch] [--write docs/checkers.md]
`python -m benchmarks --only checkers` runs it too.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import tinygrad_edu as te
from benchmarks.record_slopes import trials
from benchmarks.verifiers import (
    OURS,
    VERIFIERS,
    Answer,
    Counted,
    Verifier,
    WrongWrapperError,
    available,
    verify_wrapper,
    versions,
)
from benchmarks.wrong_rules import ANY, FORGOTTEN, LONG, MISTAKES, Trial, pairs, scaled
from tinygrad_edu.files import write_text

FUNCTIONS = 1000
POINTS = 60
# Every so many of the points are tried with wrong rules too.
EVERY = 4
RIGHT = "right"
ERRORS = {"10 %": 0.1, "1e-6": 1e-6}
# How often functions of so many numbers are looked at.
SEARCHES = {1_000_000: 1, 20_000: 5}
# What stands at the planted entries instead of the right numbers: times this.
FACTORS = (0.0, 2.0, 1.01)
MOST_WRONG, LEAST_RIGHT, MOST_OPEN = 0.001, 0.95, 0.05
MOST_CALLS, MOST_CALLS_AN_ENTRY = 400, 150
NOT_MEASURED = "–"

Sides = Mapping[str, Verifier]
Table = list[list[str]]


@dataclass
class Tally:
    """What a verifier said to many trials."""

    answers: Counter[Answer] = field(default_factory=Counter)
    calls: int = 0

    def ask(self, verifier: Verifier, trial: Trial) -> Answer:
        """The verdict, counted."""
        f = Counted(trial.f)
        answer = verifier.answer(f, trial)
        self.answers[answer] += 1
        self.calls += f.calls
        return answer

    def share(self, answer: Answer) -> float:
        """Of all answers; NaN before the first."""
        return self.answers[answer] / self.answers.total() if self.answers else np.nan

    @property
    def calls_a_trial(self) -> float:
        """Calls of the function for one verdict; NaN before the first."""
        return self.calls / self.answers.total() if self.answers else np.nan

    def add(self, other: Tally) -> None:
        """Count what another has counted."""
        self.answers += other.answers
        self.calls += other.calls


@dataclass
class Found:
    """What a verifier said to functions with a right and a wrong rule each.

    A mistake is `found` where the wrong rule is rejected and the right one is not: a verifier that
    rejects both has told nothing.
    """

    right: Tally = field(default_factory=Tally)
    wrong: Tally = field(default_factory=Tally)
    found: int = 0

    def ask(self, verifier: Verifier, right: Trial, wrong: Trial) -> None:
        """Both verdicts, counted."""
        for_right = self.right.ask(verifier, right)
        for_wrong = self.wrong.ask(verifier, wrong)
        self.found += for_wrong == "wrong" and for_right != "wrong"

    @property
    def share(self) -> float:
        """Of the mistakes; NaN before the first."""
        count = self.wrong.answers.total()
        return self.found / count if count else np.nan


def percent(share: float) -> str:
    """Rounded so that nothing but 0 and 1 looks like them."""
    if np.isnan(share):
        return NOT_MEASURED
    decimals = 0 if share in (0, 1) else 1
    while share not in (0, 1) and float(f"{100 * share:.{decimals}f}") in (0, 100):
        decimals += 1
    return f"{100 * share:.{decimals}f} %"


def share_of(answer: Answer) -> Callable[[Tally], str]:
    return lambda tally: percent(tally.share(answer))


def calls_a_trial(tally: Tally) -> str:
    """How often the function was called for one verdict."""
    number = tally.calls_a_trial
    if np.isnan(number):
        return NOT_MEASURED
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"


def across(label: str, cell: Callable[[Any], str], tallies: Mapping[str, Any]) -> list[str]:
    """A row with one cell for each verifier."""
    return [
        label,
        *(cell(tallies[name]) if name in tallies else NOT_MEASURED for name in VERIFIERS),
    ]


def mistakes(sides: Sides, functions: int, seed: int) -> dict[str, dict[str, Found]]:
    """Each kind of mistake in turn, every verifier on the same functions, rules and points."""
    kinds = list(MISTAKES)
    results = {}
    for i, kind in enumerate(kinds):
        start = perf_counter()
        results[kind] = {name: Found() for name in sides}
        count = functions // len(kinds) + (i < functions % len(kinds))
        for right, wrong in pairs(kind, count, seed):
            for name, verifier in sides.items():
                results[kind][name].ask(verifier, right, wrong)
        print(f"{kind}: {count} in {perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return results


def mistakes_table(results: Mapping[str, Mapping[str, Found]]) -> Table:
    """A row for each kind of mistake, then what the right rules and the calls came to."""
    table = [["mistake found", *VERIFIERS, f"{OURS} inconclusive"]]
    right = {name: Tally() for name in VERIFIERS}
    for kind, sides in results.items():
        open_share = percent(sides[OURS].wrong.share("open")) if OURS in sides else NOT_MEASURED
        table.append([*across(kind, lambda found: percent(found.share), sides), open_share])
        for name, found in sides.items():
            right[name].add(found.right)
    rejected = across("right rule rejected", share_of("wrong"), right)
    table.append([*rejected, percent(right[OURS].share("open"))])
    last = {name: found.right for name, found in results[FORGOTTEN].items()}
    return [*table, [*across(f"calls for {LONG:,} entries", calls_a_trial, last), NOT_MEASURED]]


def slopes(sides: Sides, points: int, seed: int) -> dict[str, dict[str, Tally]]:
    """Right rules, and every few of them with an error in the same run."""
    results = {label: {name: Tally() for name in sides} for label in (RIGHT, *ERRORS)}
    start = perf_counter()
    for i, trial in enumerate(trials(points, seed)):
        asked = {RIGHT: trial}
        if i % EVERY == 0:
            for label, error in ERRORS.items():
                wrong = replace(trial, rule=scaled(trial, 0, 1 + error))
                # Where the slope is 0 the error changes nothing.
                if wrong.gradient() != trial.gradient():
                    asked[label] = wrong
        for label, each in asked.items():
            for name, verifier in sides.items():
                results[label][name].ask(verifier, each)
    print(f"records: {perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return results


def slopes_table(results: Mapping[str, Mapping[str, Tally]]) -> Table:
    """Right rules first, then what passed of the wrong ones."""
    right = results[RIGHT]
    table = [
        ["", *VERIFIERS],
        across("right rule: correct", share_of("right"), right),
        across("right rule: inconclusive", share_of("open"), right),
        across("right rule: rejected", share_of("wrong"), right),
    ]
    for label in ERRORS:
        table.append(across(f"{label} off: passed", share_of("right"), results[label]))
        table.append(across(f"{label} off: inconclusive", share_of("open"), results[label]))
    return [*table, across("calls an entry", calls_a_trial, right)]


def large_trial(size: int, seed: int) -> Trial:
    """Σ w tanh(x) of many numbers."""
    rng = np.random.default_rng([seed, size])
    w, x = rng.standard_normal((2, size))
    return Trial(
        "many entries",
        lambda x: np.sum(w * np.tanh(x)),
        lambda x: (w * (1 - np.tanh(x) ** 2),),
        (x,),
    )


def planted(trial: Trial, seed: int) -> tuple[Trial, set[str]]:
    """The trial with a few wrong entries, and their names."""
    x = trial.point[0]
    positions = np.random.default_rng(seed).choice(x.size, len(FACTORS), replace=False)
    factors = np.ones(x.size)
    factors[positions] = FACTORS
    names = {f"x[{position}]" for position in positions}
    return replace(trial, rule=lambda x: (trial.rule(x)[0] * factors,)), names


def named(report: te.check.Report) -> set[str]:
    """The names of the single entries that are called wrong."""
    wrong = {entry.name for entry in report.entries if not entry.verdict.ok}
    return {name for name in wrong if not name.startswith("direction")}


def many(searches: Mapping[int, int], seed: int) -> tuple[Table, list[str]]:
    """Our directions for functions of many numbers, so often each, and where they fell short."""
    table = [["entries", "rule", "verdict", "calls", "wrong entries named"]]
    failures = []
    for size, count in searches.items():
        reports: dict[str, list[te.check.Report]] = {"right": [], f"{len(FACTORS)} wrong": []}
        hits: dict[str, int] = dict.fromkeys(reports, 0)
        for i in range(seed, seed + count):
            right = large_trial(size, i)
            wrong, names = planted(right, i)
            for label, trial, expected in zip(reports, (right, wrong), (set(), names), strict=True):
                report = te.check.gradients(
                    trial.f, *trial.point, rule=trial.rule, mode="directions", seed=i
                )
                reports[label].append(report)
                hits[label] += len(named(report) & expected)
                if named(report) != expected or report.ok is bool(expected):
                    failures.append(f"{size:,} entries, {label}: {sorted(named(report))} named")
        for label, those in reports.items():
            verdicts = Counter(
                "correct" if r.proven else "open" if r.ok else "wrong" for r in those
            )
            calls = sorted(report.evaluations for report in those)
            # The bar is for a right rule of so many; a search may take what it needs.
            if label == "right" and calls[-1] > MOST_CALLS:
                failures.append(f"{size:,} entries take {calls[-1]} calls")
            table.append(
                [
                    f"{size:,}",
                    label,
                    ", ".join(f"{word} {times}" for word, times in verdicts.items()),
                    f"{calls[0]} to {calls[-1]}" if calls[0] < calls[-1] else str(calls[0]),
                    f"{hits[label]} of {len(FACTORS) * count}"
                    if label != "right"
                    else NOT_MEASURED,
                ]
            )
    return table, failures


def missed(results: Mapping[str, Mapping[str, Found]], right: Mapping[str, Tally]) -> Iterable[str]:
    """What of ours is not as good as it must be."""
    for kind, sides in results.items():
        for name, found in sides.items():
            if found.share > sides[OURS].share:
                ours_share = percent(sides[OURS].share)
                yield f"{kind}: {name} finds {percent(found.share)}, ours {ours_share}"
    ours = right[OURS]
    if not ours.share("right") >= LEAST_RIGHT:
        yield f"only {percent(ours.share('right'))} of right rules are called correct"
    if not ours.share("wrong") <= MOST_WRONG:
        yield f"{percent(ours.share('wrong'))} of right rules are rejected"
    if not ours.share("open") <= MOST_OPEN:
        yield f"{percent(ours.share('open'))} of right rules are inconclusive"
    if not ours.calls_a_trial <= MOST_CALLS_AN_ENTRY:
        yield f"{calls_a_trial(ours)} calls an entry"


def markdown(table: Table) -> str:
    """The table with its columns aligned, for a terminal and for a page."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *rest = zip(cells, widths, strict=True)
        return " | ".join([first[0].ljust(first[1]), *(text.rjust(w) for text, w in rest)])

    rule = "|".join(["-" * (widths[0] + 1), *("-" * (w + 1) + ":" for w in widths[1:])])
    return "\n".join(
        [f"| {line(table[0])} |", f"|-{rule}|", *(f"| {line(r)} |" for r in table[1:])]
    )


def page(tables: Sequence[str], versions: str, functions: int, points: int) -> str:
    """The three tables as Markdown, with what they show and how to make them again."""
    first, second, third = tables
    return f"""# How often verifiers of gradients are right

`te.check.gradients(f, x, rule=rule)` beside `torch.autograd.gradcheck`, `jax.test_util.check_grads`
and `autograd.test_util.check_grads` (first order, reverse mode, float64, all else by default), in
one run and on the same functions, rules and points. {versions}. To make it again:
`python -m benchmarks.checkers --write docs/checkers.md`.

## Wrong rules

{functions:,} generated functions, each with its gradient in closed form and with a mistake in it.
A mistake is *found* where the wrong rule is rejected and the right one, at the same point, is not.
JAX's and autograd's checkers look along one random direction; PyTorch's looks at each entry, and so
does ours, but along three directions where there are {LONG:,} entries. Half of the missing
reductions are gradients that were not summed at all; PyTorch's engine sums those by itself, so that
they are right there.

{first}

## The package's own derivatives

Every argument of every element-wise record, at {points} points of both signs inside its domain,
their size as likely in any decade from 1e-6 to 1e3 as in any other. At every fourth point a rule
that is 10 % off was tried too, and one that is 1e-6 off.

{second}

## Many entries

Ours, by random directions and bisection: Σ w tanh(x), and the same with three entries of its
gradient times {", ".join(f"{factor:g}" for factor in FACTORS)}.

{third}
"""


def main() -> int:
    """Measure, print, and write the page if asked to; 1 where ours falls short."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.checkers", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--only", default=",".join(VERIFIERS), help="verifiers, commas between")
    parser.add_argument("--write", type=Path, help="a Markdown file for the tables")
    parser.add_argument("--functions", type=int, default=FUNCTIONS, help="generated wrong rules")
    parser.add_argument("--points", type=int, default=POINTS, help="points for each derivative")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := set(wanted) - set(VERIFIERS):
        parser.error(
            f"no verifier named {', '.join(sorted(unknown))}; there is {', '.join(VERIFIERS)}"
        )
    if options.functions < len(MISTAKES) or options.points < 1:
        parser.error(f"--functions must be at least {len(MISTAKES)}, --points at least 1")
    names = [name for name in available() if name in wanted]

    with warnings.catch_warnings():
        # Functions are called beyond their domains on purpose.
        warnings.simplefilter("ignore")
        sides = {name: VERIFIERS[name]() for name in names}
        rng = np.random.default_rng(options.seed)
        try:
            for name, verifier in sides.items():
                for make in ANY:
                    verify_wrapper(name, verifier, make(rng))
        except WrongWrapperError as error:
            print(f"FAILED {error}")
            return 1
        of_mistakes = mistakes(sides, options.functions, options.seed)
        tables = [markdown(mistakes_table(of_mistakes))]
        print(f"\n{tables[0]}\n", flush=True)
        of_slopes = slopes(sides, options.points, options.seed)
        tables.append(markdown(slopes_table(of_slopes)))
        print(f"\n{tables[1]}\n", flush=True)
        failures: list[str] = []
        if OURS in sides:
            table, failures = many(SEARCHES, options.seed)
            tables.append(markdown(table))
            print(tables[2])
            failures += missed(of_mistakes, of_slopes[RIGHT])
    print("\n".join(["", versions(names), *(f"FAILED {failure}" for failure in failures)]))
    if options.write and OURS in sides:
        write_text(
            options.write,
            page(tables, versions(names), options.functions, options.points),
        )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
