"""Remedies, tried: the same training with one thing changed, from the same weights and data.

A remedy is a claim until it has been run. Each is run again from several seeds, beside the same
training without it.
"""

from __future__ import annotations

import io
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..engine.context import no_grad
from ..engine.derivatives import grad, hessian
from ..engine.node import numbers_of
from ..engine.value import Value
from ..errors import NonFiniteError, OperandError, UnknownNameError, closest
from ..nn.losses import l2
from ..nn.module import Module, unchanged
from ..optim import Optimizer
from ..tables import as_html, as_text, refuse_language
from ..terminal import Terminal
from ..train import History, evaluate, fit
from ..train.loop import predict
from .diagnosis import Diagnosis, diagnose
from .known_remedies import ORDERS, REMEDIES, Remedy
from .listening import Tracker

Array = np.ndarray[Any, np.dtype[Any]]
Data = tuple[Any, Any]

# A loss of at most this share of what guessing costs is learnt.
LEARNT = 0.5
# Of the seeds; 4 of 5.
CURED = 0.8
# A loss that changes less than by this factor is the same.
SAME = 1.25


@dataclass(frozen=True)
class Trial:
    """One training: its losses, epoch by epoch, and the gradients of its layers.

    `delta_first` and `delta_last` are rms δ of each layer in the first pass and, as a median, in
    the last epoch; `ratio` is that of the first layer ÷ the last, the median over all passes.
    `loss` is that of the trained model on the data, `guessing` what the same answer for every row
    would cost. `error` says why a training ended early.
    """

    seed: int
    losses: tuple[float, ...]
    delta_first: tuple[float, ...]
    delta_last: tuple[float, ...]
    ratio: float
    loss: float
    guessing: float
    learnt: bool
    diagnosis: Diagnosis
    error: str = ""


@dataclass(frozen=True)
class Tried:
    """A remedy and its trainings, a seed each; none where there was nothing to change."""

    remedy: Remedy | None
    runs: tuple[Trial, ...]
    verdict: str = ""

    @property
    def name(self) -> str:
        """Of the remedy; "before" for the training without any."""
        return self.remedy.name if self.remedy else "before"

    @property
    def learnt(self) -> int:
        """How many of the trainings learnt."""
        return sum(run.learnt for run in self.runs)

    @property
    def loss(self) -> float:
        """The median of the losses after training; infinity stands for one that diverged."""
        return middle([run.loss for run in self.runs])

    @property
    def ratio(self) -> float:
        """The median of rms δ of the first layer ÷ that of the last."""
        return middle([run.ratio for run in self.runs])


TEXTS: dict[str, dict[str, Any]] = {
    "en": {
        "title": "Remedies, each run again from the same weights and data",
        "columns": ("remedy", "δ ratio", "loss", "learnt", "verdict"),
        "before": "before",
        "of": "{count} of {total}",
        "verdicts": {
            "cured": "cured",
            "better": "better",
            "no help": "no help",
            "worse": "worse",
            "not applicable": "nothing to change",
            "": "",
        },
        "cured": "Cured by: {names}.",
        "no cure": "None of these cured it.",
        "healthy": "It learns without a remedy.",
        "worse": "Worse with: {names}.",
        "write": "Write: {code}",
        "ratio": "δ ratio: rms δ of the first layer ÷ that of the last, median over the training.",
    },
    "ja": {
        "title": "対策の比較（重みとデータは同じ）",
        "columns": ("対策", "δ の比", "損失", "学習できた回数", "判定"),
        "before": "対策なし",
        "of": "{total} 回中 {count} 回",
        "verdicts": {
            "cured": "解決",
            "better": "改善",
            "no help": "効果なし",
            "worse": "悪化",
            "not applicable": "該当なし",
            "": "",
        },
        "cured": "効いた対策：{names}。",
        "no cure": "どの対策でも治りませんでした。",
        "healthy": "対策なしで学習できています。",
        "worse": "悪化した対策：{names}。",
        "write": "次に書く行：{code}",
        "ratio": "δ の比：最初の層の δ の rms ÷ 最終層の δ の rms（学習全体の中央値）。",
    },
}


@dataclass(frozen=True)
class Remedies:
    """What came of the remedies that were tried, beside the training without any.

    A remedy has cured where at least four of five trainings learn with it, and more than without.
    """

    before: Tried
    tried: tuple[Tried, ...]

    @property
    def cures(self) -> tuple[str, ...]:
        """The names of the remedies that cured, in the order in which they were tried."""
        return tuple(each.name for each in self.tried if each.verdict == "cured")

    @property
    def diagnosis(self) -> Diagnosis:
        """Of the training that is to be cured, from its first seed that did not learn."""
        failed = [run for run in self.before.runs if not run.learnt]
        return (failed or list(self.before.runs))[0].diagnosis

    def __getitem__(self, name: str) -> Tried:
        for each in (self.before, *self.tried):
            if each.name == name:
                return each
        known = ("before", *(each.name for each in self.tried))
        raise UnknownNameError(f"no remedy {name!r} was tried; there is {closest(name, known)}")

    def rows(self, lang: str = "en") -> list[tuple[str, ...]]:
        """The texts of the table, heading first. Raises `UnknownNameError` for another language."""
        text = texts(lang)
        rows = [text["columns"]]
        for each in (self.before, *self.tried):
            title = each.remedy.title[lang] if each.remedy else text["before"]
            verdict = text["verdicts"][each.verdict]
            if not each.runs:
                rows.append((title, "–", "–", "–", verdict))
                continue
            ratio = "–" if math.isnan(each.ratio) else f"{each.ratio:.1e}"
            share = text["of"].format(count=each.learnt, total=len(each.runs))
            rows.append((title, ratio, f"{each.loss:.4g}", share, verdict))
        return rows

    def said(self, lang: str = "en") -> list[str]:
        """What cured, what made it worse, and the line to write."""
        text = texts(lang)
        join = "、" if lang == "ja" else ", "

        def names(verdict: str) -> str:
            found = [each.remedy for each in self.tried if each.verdict == verdict]
            return join.join(remedy.title[lang] for remedy in found if remedy)

        if self.before.learnt >= enough(len(self.before.runs)):
            lines = [text["healthy"]]
        elif self.cures:
            lines = [text["cured"].format(names=names("cured"))]
        else:
            lines = [text["no cure"]]
        if names("worse"):
            lines.append(text["worse"].format(names=names("worse")))
        if self.cures:
            lines.append(text["write"].format(code=REMEDIES[self.cures[0]].code))
        return [text["ratio"], *lines]

    def table(self, lang: str = "en") -> str:
        """A row for the training without remedy and for each one that was tried."""
        rows = self.rows(lang)
        return as_text(texts(lang)["title"], rows, self.said(lang))

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return as_html(texts("en")["title"], self.rows(), self.said())


@dataclass(frozen=True)
class Experiment:
    """A training that can be run from any seed, with and without a remedy."""

    make_model: Callable[[int], Module]
    data: Data
    loss: Callable[[Any, Any], Value]
    make_optimizer: Callable[[list[Value]], Optimizer]
    epochs: int
    batch_size: int | None
    every: int
    learnt: Callable[[Module], bool] | None
    options: dict[str, Any] = field(default_factory=dict)

    # What overflows in a training that diverges is said by its numbers.
    @np.errstate(all="ignore")
    def run(self, name: str, seed: int) -> Trial | None:
        """Train with the remedy of that name, or "before"; None where it changes nothing."""
        remedy = REMEDIES.get(name)
        model = self.make_model(seed)
        if not isinstance(model, Module):
            raise OperandError(f"make_model(seed) must return a model, not {model!r:.60}")
        options = dict(self.options)
        loss = self.loss
        if remedy is not None:
            if remedy.change is not None:
                changed = remedy.change(model, seed)
                if changed is None:
                    return None
                model = changed
            if remedy.clip_norm is not None:
                options["clip_norm"] = remedy.clip_norm
            if remedy.rate != 1:
                given = options.get("schedule", lambda epoch, losses: 1.0)
                options["schedule"] = lambda epoch, losses: remedy.rate * given(epoch, losses)
            if remedy.penalty:

                def loss(prediction: Any, target: Any) -> Value:
                    return self.loss(prediction, target) + remedy.penalty * l2(model)

        tracker, error = Tracker(self.every), ""
        try:
            history = fit(
                model,
                self.data,
                loss,
                self.make_optimizer(model.parameters()),
                epochs=self.epochs,
                batch_size=self.batch_size,
                seed=seed,
                callbacks=[tracker],
                progress=False,
                **options,
            )
        except NonFiniteError as ended:
            history, error = ended.history or History(), str(ended)
        return self.judged(model, seed, history.losses, tracker, error)

    def judged(
        self, model: Module, seed: int, losses: Sequence[float], tracker: Tracker, error: str
    ) -> Trial:
        """What came of a training."""
        flow = tracker.flow
        cost = math.inf if error else evaluate(model, self.data, self.loss)["loss"]
        guessing = guessed(model, self.data, self.loss)
        learnt = not error and math.isfinite(cost)
        learnt = learnt and (self.learnt(model) if self.learnt else cost <= LEARNT * guessing)
        delta = flow["delta"]
        late = delta[flow.epochs[-2] if len(flow.epochs) > 1 else 0 :]
        with np.errstate(all="ignore"):
            ratios = flow.ratio()
        ratios = ratios[~np.isnan(ratios)]
        return Trial(
            seed=seed,
            losses=tuple(losses),
            delta_first=tuple(delta[0].tolist()) if len(delta) else (),
            delta_last=tuple(np.median(late, axis=0).tolist()) if len(late) else (),
            ratio=float(np.median(ratios)) if len(ratios) else math.nan,
            loss=cost,
            guessing=guessing,
            learnt=bool(learnt),
            diagnosis=diagnose(flow, learnt=bool(learnt)),
            error=error,
        )


def try_remedies(
    make_model: Callable[[int], Module],
    data: Data,
    loss: Callable[[Any, Any], Value],
    make_optimizer: Callable[[list[Value]], Optimizer],
    seeds: int | Iterable[int] = 5,
    *,
    epochs: int = 100,
    batch_size: int | None = None,
    everything: bool = False,
    until_cured: bool = False,
    remedies: Sequence[str] | None = None,
    learnt: Callable[[Module], bool] | None = None,
    every: int = 10,
    executor: Executor | None = None,
    progress: bool | Terminal = True,
    **options: Any,
) -> Remedies:
    """Run a training that fails again with one remedy after the other, and compare.

    `make_model(seed)` returns a new model, `make_optimizer(parameters)` its optimiser, e.g.
    `lambda p: te.optim.SGD(p, lr=0.1)`; `seeds` is a number of seeds, or the seeds. Every remedy
    starts from the same weights, and sees the same data in the same order, as the training without
    it. Which are tried, and in which order, follows from the diagnosis of that one: for vanishing
    gradients the ReLU family, BatchNorm, Xavier and He initialisation, for exploding ones clipping
    and L2 first; `everything` adds all others; `remedies` names them instead. `until_cured` ends
    with the first that cures.

    A model has learnt if its loss is at most half of what the same answer for every row would
    cost; `learnt(model)` decides otherwise. `executor` runs the trainings, several at a time (of
    processes: functions must be importable, no lambdas). Other options go to `te.train.fit`.
    Raises `UnknownNameError` for a remedy that does not exist, `OperandError` for what is no model.
    """
    if isinstance(make_model, Module) or not callable(make_model):
        raise OperandError(
            "make_model is a function of the seed that returns a new model, such as "
            f"lambda seed: te.nn.MLP(widths, seed=seed), not {make_model!r:.60}"
        )
    if not callable(make_optimizer):
        raise OperandError(
            "make_optimizer is a function of the parameters that returns a new optimiser, such as "
            f"lambda p: te.optim.SGD(p, lr=0.1), not {make_optimizer!r:.60}"
        )
    remedies = [remedies] if isinstance(remedies, str) else remedies
    if remedies is not None and not len(remedies):
        raise OperandError(
            "remedies is an empty list; leave it out for those that the case asks for"
        )
    unknown = [name for name in remedies or () if name not in REMEDIES]
    if unknown:
        raise UnknownNameError(
            f"no remedy {unknown[0]!r}; there is {closest(unknown[0], REMEDIES)}"
        )
    if isinstance(seeds, int) and seeds < 1:
        raise OperandError(f"seeds must be 1 or more, or a list of seeds, not {seeds!r}")
    numbers = list(range(seeds)) if isinstance(seeds, int) else [int(seed) for seed in seeds]
    if not numbers:
        raise OperandError("seeds is an empty list; give at least one, or a number of them")
    experiment = Experiment(
        make_model, data, loss, make_optimizer, epochs, batch_size, every, learnt, options
    )
    shown = progress
    if not isinstance(shown, Terminal):
        shown = Terminal(sys.stderr if progress else io.StringIO())
    before = Tried(None, tuple(ran(experiment, ["before"], numbers, executor, shown)[0]))
    order = list(remedies) if remedies is not None else chosen(before, everything)
    tried: list[Tried] = []
    for names in [[name] for name in order] if until_cured else [order]:
        found = ran(experiment, names, numbers, executor, shown)
        for name, runs in zip(names, found, strict=True):
            one = Tried(REMEDIES[name], tuple(runs))
            tried.append(replace(one, verdict=judge(one, before)))
        if until_cured and tried[-1].verdict == "cured":
            break
    return Remedies(before, tuple(tried))


def ran(
    experiment: Experiment,
    names: Sequence[str],
    seeds: Sequence[int],
    executor: Executor | None,
    terminal: Terminal,
) -> list[list[Trial]]:
    """The trials of each remedy; an empty list where it has nothing to change."""
    tasks = [(name, seed) for name in names for seed in seeds]
    run = executor.map if executor else map
    results = run(experiment.run, *zip(*tasks, strict=True)) if tasks else iter(())
    found: dict[str, list[Trial]] = {name: [] for name in names}
    with terminal.progress("remedies", len(tasks)) as advance:
        for done, ((name, _), trial) in enumerate(zip(tasks, results, strict=True), 1):
            if trial is not None:
                found[name].append(trial)
            advance(done, name)
    return list(found.values())


def chosen(before: Tried, everything: bool) -> list[str]:
    """Which remedies to try, in which order, by what ails most of the trainings."""
    verdicts = [run.diagnosis.verdict for run in before.runs if not run.learnt]
    kinds = Counter(verdict.kind for verdict in verdicts if verdict is not None)
    ailing = kinds.most_common(1)[0][0] if kinds else "vanishing"
    order = list(ORDERS[ailing])
    return [*order, *(name for name in REMEDIES if name not in order)] if everything else order


def judge(tried: Tried, before: Tried) -> str:
    """What a remedy did: "cured", "better", "no help", "worse" or "not applicable"."""
    if not tried.runs or all(
        run.losses == other.losses for run, other in zip(tried.runs, before.runs, strict=True)
    ):
        return "not applicable"
    if tried.learnt >= enough(len(tried.runs)) and tried.learnt > before.learnt:
        return "cured"
    if tried.learnt != before.learnt:
        return "better" if tried.learnt > before.learnt else "worse"
    pairs = zip(tried.runs, before.runs, strict=True)
    factors = [run.loss / other.loss if run.loss != other.loss else 1.0 for run, other in pairs]
    factor = middle(factors)
    return "better" if factor < 1 / SAME else "worse" if factor > SAME else "no help"


def enough(count: int) -> int:
    """How many of so many trainings must learn."""
    return math.ceil(CURED * count - 1e-9)


def middle(numbers: Sequence[float]) -> float:
    """The median of what is known."""
    known = [number for number in numbers if not math.isnan(number)]
    return float(np.median(known)) if known else math.nan


def guessed(model: Module, data: Data, loss: Callable[[Any, Any], Value]) -> float:
    """What the best answer costs that is the same for every row, by Newton's method.

    It begins with the mean of the model's answers, or with 0 if that costs less, and ends where
    nothing gets better.
    """
    x, y = data
    with no_grad(), unchanged(model), np.errstate(all="ignore"):
        model.eval()
        answers = np.asarray(numbers_of(predict(model, x)), np.float64)
    shape = answers.shape
    answer = np.mean(answers.reshape(-1, shape[-1] if len(shape) > 1 else 1), axis=0)

    def cost(constant: Any) -> Any:
        return np.sum(loss(np.broadcast_to(constant, shape), y))

    # Wild answers are wild on average too, and lie where no derivative leads back from.
    starts = [(float(cost(Value(each)).item()), each) for each in (answer, np.zeros_like(answer))]
    least, answer = min(starts, key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0])
    for _ in range(50):
        slope, curvature = grad(cost)(answer), hessian(cost)(answer)
        if not (np.all(np.isfinite(slope)) and np.all(np.isfinite(curvature))):
            break
        step = np.linalg.lstsq(curvature, slope, rcond=1e-12)[0]
        tries = ((answer - step * 0.5**halving) for halving in range(30))
        found = ((float(cost(Value(each)).item()), each) for each in tries)
        better = next((pair for pair in found if pair[0] < least), None)
        if better is None or better[0] > least * (1 - 1e-9):
            break
        least, answer = better
    return least


def texts(lang: str) -> dict[str, Any]:
    """The words of a language. Raises `UnknownNameError` where there are none."""
    refuse_language("the table", lang)
    return TEXTS[lang]
