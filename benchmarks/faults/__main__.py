"""``python -m benchmarks.faults``: is the diagnosis right on networks with known faults?

--set judging (the networks it is judged by) or tuning (those it was made with); --seed; --only
kind; --remedies tries to cure the ill ones too, which takes long.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter

import tinygrad_edu as te
from benchmarks.faults import HEALTHY, Case, examine
from tinygrad_edu.flow import KINDS
from tinygrad_edu.tables import aligned

BAR, CURED_BAR = 0.95, 0.9
SICK, NOTHING = "sick", "nothing"
RATES = (
    "ill or healthy: precision",
    "ill or healthy: recall",
    "kind of illness: precision",
    "kind of illness: recall",
)


@dataclass(frozen=True)
class Judged:
    """What was said of a case: the grade, the verdict's kind, and the kinds found to be sick."""

    case: Case
    grade: str
    verdict: str = ""
    sick: frozenset[str] = frozenset()

    @property
    def ill(self) -> bool:
        return self.case.kind != HEALTHY

    @property
    def called_ill(self) -> bool:
        return self.grade == SICK

    @property
    def right(self) -> bool:
        """The planted kind is the verdict, or stands behind one that is honest too."""
        if not self.ill:
            return not self.called_ill
        kind = self.case.kind
        behind = kind in self.sick and self.verdict in self.case.also
        return self.called_ill and (self.verdict == kind or behind)

    def line(self) -> str:
        said = ", ".join(sorted(self.sick - {self.verdict})) or NOTHING
        found = f"{self.verdict} (also sick: {said})" if self.called_ill else self.grade
        return f"{self.case.name}: {self.case.kind}; called {found}"


def judged(case: Case, diagnosis: te.flow.Diagnosis) -> Judged:
    sick = frozenset(each.kind for each in diagnosis.findings if each.grade == SICK)
    verdict = diagnosis.verdict.kind if diagnosis.verdict else ""
    return Judged(case, diagnosis.grade, verdict, sick)


def rates(all_judged: Iterable[Judged]) -> tuple[float, ...]:
    """Those of `RATES`, in that order; a share of nothing is 1."""
    counts: Counter[str] = Counter()
    for each in all_judged:
        counts["ill"] += each.ill
        counts["called"] += each.called_ill
        counts["found"] += each.ill and each.called_ill
        counts["named"] += each.ill and each.right
    pairs = ("found", "called"), ("found", "ill"), ("named", "called"), ("named", "ill")
    return tuple(counts[part] / counts[whole] if counts[whole] else 1.0 for part, whole in pairs)


def confusion(all_judged: Sequence[Judged]) -> list[list[str]]:
    """A row for each planted kind, a column for each verdict, and how many were right."""
    counts = Counter(
        (each.case.kind, each.verdict if each.called_ill else HEALTHY) for each in all_judged
    )
    order = [HEALTHY, *KINDS]
    planted = [kind for kind in order if any(row == kind for row, _ in counts)]
    said = [kind for kind in order if any(column == kind for _, column in counts)]
    table = [["planted", *said, "right"]]
    for kind in planted:
        cells = [str(counts[kind, column] or "·") for column in said]
        of_kind = [each.right for each in all_judged if each.case.kind == kind]
        table.append([kind, *cells, f"{sum(of_kind)} of {len(of_kind)}"])
    return table


def cure(case: Case, seed: int) -> list[str]:
    """What cures an ill case, as its re-runs show."""
    setting = case.make(seed)
    for everything in (False, True):  # what the diagnosis advises, then all there is
        tried = te.flow.try_remedies(
            lambda other: case.make(other).model,
            setting.data,
            setting.loss,
            setting.make_optimizer,
            seeds=3,
            epochs=setting.epochs,
            batch_size=setting.batch_size,
            everything=everything,
            until_cured=True,
            progress=False,
        )
        if tried.cures:
            break
    before = tried.before.learnt
    cures = [each for each in tried.tried if each.verdict == "cured"]
    if claimed := [each.name for each in cures if each.learnt <= before]:
        raise AssertionError(f"{case.name}: claimed, but not shown: {', '.join(claimed)}")
    return [each.name for each in cures]


def report(all_judged: Sequence[Judged]) -> bool:
    """Print what was said of all; whether all rates are as high as they must be."""
    for each in all_judged:
        if not each.right:
            print("WRONG", each.line())
    print("\n" + "\n".join(aligned(confusion(all_judged), left=[0])) + "\n")
    reached = rates(all_judged)
    for name, rate in zip(RATES, reached, strict=True):
        print(f"{name} {rate:.3f}" + ("" if rate >= BAR else f" (below {BAR})"))
    return min(reached) >= BAR


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--set", choices=("judging", "tuning"), default="judging")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=(HEALTHY, *KINDS), metavar="kind")
    parser.add_argument("--remedies", action="store_true")
    options = parser.parse_args(arguments)

    began = perf_counter()
    cases: list[Case] = importlib.import_module(f"benchmarks.faults.{options.set}").cases(
        options.seed
    )
    chosen = [case for case in cases if options.only in (None, case.kind)]
    made = perf_counter()
    all_judged = [judged(case, examine(case, options.seed)) for case in chosen]
    good = report(all_judged)
    over = perf_counter()
    print(f"{len(chosen)} networks, {made - began:.0f} s to make, {over - made:.0f} s to examine")
    if options.remedies:
        ill = [case for case in chosen if case.kind != HEALTHY]
        found = 0
        for case in ill:
            cures = cure(case, options.seed)
            found += bool(cures)
            print(f"{case.name}: {case.kind}; cured by {', '.join(cures) or NOTHING}", flush=True)
        print(f"cured {found} of {len(ill)}")
        good &= found >= CURED_BAR * len(ill)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
