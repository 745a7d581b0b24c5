"""What is wrong with a training: what was measured beside the limits that the literature names.

A symptom is an illness only where the training has failed to learn, as AUTOTRAINER has it (Zhang et
al., ICSE 2021); else it is worth watching at most. Causes come before what follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import OperandError
from ..tables import as_html, as_text, refuse_language
from ..terminal import Terminal
from .diagnosis_texts import (
    ADVICE,
    COMMENTS,
    GRADES,
    HEADINGS,
    NAMES,
    NOTHING,
    PLACES,
    REASONS,
    SIZES,
    TITLES,
    VERDICTS,
)
from .learning import Learning, judged
from .listening import Tracker
from .measured import Flow
from .symptoms import CHECKS, Finding, Grade, View


@dataclass(frozen=True)
class Diagnosis:
    """Findings, the likeliest cause first, and whether the training has failed to learn.

    `print` shows it; notebooks show it too.
    """

    findings: tuple[Finding, ...]
    learning: Learning

    @property
    def grade(self) -> Grade:
        """That of the worst finding."""
        grades = {each.grade for each in self.findings}
        return "sick" if "sick" in grades else "watch" if grades else "healthy"

    @property
    def verdict(self) -> Finding | None:
        """The likeliest cause; None where nothing is found."""
        return self.findings[0] if self.findings else None

    def rows(self, lang: str = "en") -> list[tuple[str, ...]]:
        """The texts of the table, heading first. Raises `UnknownNameError` for another language."""
        refuse_language("the diagnosis", lang)
        rows: list[tuple[str, ...]] = [HEADINGS[lang]]
        for each in self.findings:
            words = each.told(lang)
            what = NAMES[lang][each.kind], GRADES[lang][each.grade]
            numbers = words["value"], words["side"] + words["limit"], words["step"]
            rows.append((*what, words["layer"], *numbers, each.source))
        return rows

    def table(self, lang: str = "en") -> str:
        """A row for each finding, as plain text."""
        rows = self.rows(lang)
        return as_text(TITLES[lang].format(grade=GRADES[lang][self.grade]), rows, left=3)

    def sentences(self, lang: str = "en") -> list[str]:
        """Of the likeliest cause: what was measured, and why it harms."""
        self.rows(lang)  # refuses other languages
        first = self.verdict
        if first is None:
            return [NOTHING[lang]["failed" if self.learning.failed else "learnt"]]
        words = {**first.told(lang), **first.facts}
        words["place"] = PLACES[lang].format(**words) if first.layer else ""
        words["size"] = SIZES[lang][first.value > first.limit]
        words["slope"] = REASONS[lang]["slope"].format(**words) if "steepest" in words else ""
        variant = words.get("variant", first.kind)
        if first.kind == "initialisation":
            reason = f"initialisation_{SIZES['en'][first.value > first.limit]}"
        else:
            reason = variant if variant in REASONS[lang] else first.kind
        verdict = variant if variant in VERDICTS[lang] else first.kind
        return [VERDICTS[lang][verdict].format(**words), REASONS[lang][reason].format(**words)]

    def text(self, lang: str = "en") -> str:
        """The same as one text."""
        return ("" if lang == "ja" else " ").join(self.sentences(lang))

    def advice(self, lang: str = "en") -> str:
        """One line of code to write next; nothing where nothing is found."""
        self.rows(lang)
        if (first := self.verdict) is None:
            return ""
        variant = first.facts.get("advice", first.facts.get("variant", first.kind))
        name = variant if variant in ADVICE else first.kind
        code = ADVICE[name].format(activation=first.facts.get("activation", "relu"))
        return f"{code}  # {COMMENTS[lang][name]}"

    def lines(self, lang: str = "en") -> list[str]:
        """What is said below the table."""
        return [*self.sentences(lang), *filter(None, [self.advice(lang)])]

    def show(self, terminal: Terminal | None = None, lang: str = "en") -> None:
        """Print it, with colours and a table on a terminal where rich is installed."""
        terminal = terminal or Terminal()
        rows = self.rows(lang)
        terminal.say(self.learning.line(lang))
        if self.findings:
            terminal.say(TITLES[lang].format(grade=GRADES[lang][self.grade]))
            terminal.table(rows[0], rows[1:], left=range(3))
        for line in self.lines(lang):
            terminal.say(line)

    def __str__(self) -> str:
        table = [self.table()] if self.findings else []
        return "\n".join([self.learning.line(), *table, *self.lines()])

    def _repr_html_(self) -> str:
        title = TITLES["en"].format(grade=self.grade)
        return as_html(title, self.rows(), [self.learning.line(), *self.lines()])


def diagnose(flow: Flow | Tracker, learnt: bool | None = None) -> Diagnosis:
    """What is wrong with the training that `flow` has measured, the likeliest cause first.

    A finding is "sick" only where the training has failed to learn, by its losses beside what
    guessing would have cost; `learnt` overrides that judgement. The ratio of rms δ of the first
    layer to the last is worth watching below 0.1 and above 10, and sick below 0.001 and above 70;
    for an RNN also that of its first time step to its last. The other limits stand in the table,
    with their sources. Raises `OperandError` where nothing was measured.
    """
    flow = flow.flow if isinstance(flow, Tracker) else flow
    if not len(flow):
        raise OperandError(
            "this flow has measured no backward pass; train inside of `with te.flow.track(model) "
            "as flow:`, or with te.train.fit(..., callbacks=[tracker]), and diagnose afterwards"
        )
    learning = judged(flow)
    if learnt is not None:
        learning = replace(learning, failed=not learnt, early=False)
    view = View(flow, learning)
    with np.errstate(all="ignore"):
        found = [each for check in CHECKS for each in check(view)]
    found.sort(key=lambda each: (each[1].grade != "sick", each[0]))
    return Diagnosis(tuple(finding for _, finding in found), learning)
