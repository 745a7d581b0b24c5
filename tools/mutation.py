"""Mutation testing of the rule files: how many small mistakes in them the tests notice.

    pip install mutmut==2.5.1
    python tools/mutation.py                         # all rule files, about an hour on one core
    python tools/mutation.py --only piecewise        # one file
    python tools/mutation.py --again build/mutants.jsonl   # what survived, with every test

The mutants are mutmut's, of its second version: the third puts each function behind a switch and
leaves out what is decorated or stands outside of functions, where most rules are. They are run
here, in a process forked for each mutant from one that has imported NumPy, pytest and Hypothesis.
The changed text reaches the import system only: no file is touched.

Not mutated are labels (texts) and what says where the tests shall look (`LABELS`).
For each mutant only those tests run that name a record which the changed statement can reach, first
those that rejected its neighbours; expected values, which no mutant changes, are computed once.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import functools
import gc
import importlib
import importlib.machinery
import json
import os
import pickle
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

ROOT = Path(__file__).resolve().parents[1]
RULE_FILES = [
    *(
        ROOT / "tinygrad_edu/ops" / f"{name}.py"
        for name in (
            *("arithmetic", "differences", "elementary", "joining", "matrices", "products"),
            *("rearranging", "reductions", "rounding", "running", "selection", "shaping"),
            *("sinc", "special", "statistics", "tails", "trigonometry"),
        )
    ),
    *(ROOT / "tinygrad_edu/activations" / f"{name}.py" for name in ("smooth", "piecewise", "axis")),
]
# The tests, and a pattern of the rule files that each is run for.
TESTS = {
    "activations/test_numerics.py": "smooth|piecewise|tails|elementary|selection|special",
    "activations/test_axis.py": "axis|smooth|tails",
    "activations/test_definitions.py": "",
    "activations/test_parameters.py": "smooth|piecewise|selection",
    "ops/test_records.py": "",
    "ops/test_special.py": "special|tails",
    "ops/test_survivors.py": "",
    "engine/test_numerics.py": "",
    "ops/test_linalg.py": "matrices|products",
    "ops/test_reductions.py": "reductions|running|statistics|differences",
    "ops/test_shaping.py": "joining|rearranging|selection|shaping",
    "ops/test_ufuncs.py": "arithmetic|elementary|rounding|sinc|trigonometry|selection",
    "engine/test_numpy.py": "products|reductions|selection|shaping",
    "engine/test_blocks.py": "smooth|piecewise|axis|elementary|special",
    "activations/test_second_derivatives.py": "smooth|tails|elementary|selection|special",
}
# Run of what survived those, with --again: they are slow, or seldom see what the others do not.
MORE_TESTS = (
    *("engine/test_article.py", "engine/test_derivatives.py", "engine/test_define.py"),
    *("engine/test_errors.py", "engine/test_expression.py", "engine/test_stale_data.py"),
    *("engine/test_sweep.py", "engine/test_value.py"),
    *("activations/test_facts.py", "activations/test_cards.py"),
    *("nn/test_losses.py", "nn/test_layers.py", "nn/test_numerics.py", "test_hard_cases.py"),
)
# Tests of the tests.
ASIDE = re.compile("reject|every_coefficient_counts")
# The one test that each record has.
ABOUT = re.compile(r"test_the_formula_takes_its_arguments\[(\w+)\]")
# Which arguments and names of the rule files are no rules: where a record is tried.
LABELS = {"formula", "domain", "extremes", "cases"} | {
    *("AXES", "HALVES", "RANKS", "ROWS", "INDICES", "FARTHEST", "Cases", "Quotient")
}
SECONDS = 60
OPTIONS = (
    *("-x", "-q", "--tb=no", "--assert=plain", "--capture=no", "-p", "no:cacheprovider"),
    *("-p", "no:unraisableexception"),  # what another process left open rejects nothing
)


def is_label(node: Any) -> bool:
    """Whether a node of the syntax tree is a text, or inside of what `LABELS` names."""
    if node.type in ("string", "fstring"):
        return True
    while node is not None:
        if node.type in ("argument", "expr_stmt") and node.get_first_leaf().value in LABELS:
            return True
        node = node.parent
    return False


def mutants(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the whole text of every mutant of a file."""
    mutmut = importlib.import_module("mutmut")
    source = path.read_text()

    def context(**which: Any) -> Any:
        made = mutmut.Context(source=source, filename=str(path), **which)
        wanted = made.should_mutate
        made.should_mutate = lambda node: not is_label(node) and wanted(node)
        return made

    for number in mutmut.list_mutations(context()):
        text, _ = mutmut.mutate(context(mutation_id=number))
        try:
            compile(text, str(path), "exec")
        except SyntaxError:  # (*a, b) becomes (/a, b)
            continue
        yield number.line_number + 1, text


class Reach:
    """Which records the statements of the rule files take part in."""

    def __init__(self) -> None:
        self.statements: list[tuple[Path, range, set[str], set[str], set[str]]] = []
        for path in RULE_FILES:
            for statement in ast.parse(path.read_text()).body:
                binds, uses, records = set[str](), set[str](), set[str]()
                if isinstance(statement, ast.FunctionDef):
                    binds.add(statement.name)
                elif isinstance(statement, ast.Assign):
                    targets = [n for target in statement.targets for n in ast.walk(target)]
                    binds |= {n.id for n in targets if isinstance(n, ast.Name)}
                elif isinstance(statement, ast.AnnAssign):
                    binds.add(ast.unparse(statement.target))
                inside = set[str]()
                for node in ast.walk(statement):
                    if isinstance(node, ast.arg):
                        inside.add(node.arg)
                    elif isinstance(node, ast.Name):
                        (uses if isinstance(node.ctx, ast.Load) else inside).add(node.id)
                    elif isinstance(node, ast.Call) and "define" in ast.unparse(node.func):
                        records |= {ast.literal_eval(name) for name in node.args[:1]}
                uses -= inside
                decorators = getattr(statement, "decorator_list", [])
                first = min(each.lineno for each in (statement, *decorators))
                lines = range(first, (statement.end_lineno or first) + 1)
                self.statements.append((path, lines, binds, uses, records))
        self.known = set[str]().union(*(records for *_, records in self.statements))

    def of(self, mutated: Path, line: int) -> set[str]:
        """The records that the statement at a line takes part in, through all that use it."""
        todo = [each for each in self.statements if each[0] == mutated and line in each[1]]
        names, reached = set[str](), set[str]()
        while todo:
            *_, binds, _, records = todo.pop()
            reached |= records
            new = binds - names
            names |= new
            todo += [each for each in self.statements if each[3] & new]
        return reached


class Chosen:
    """A pytest plugin: chooses and orders the tests, and keeps the name of the first that fails."""

    def __init__(self, path: Path, others: set[str], first: list[str]) -> None:
        self.file = str(path.relative_to(ROOT))
        self.others, self.failed = others, ""
        self.rank = {name: place for place, name in enumerate(first)}

    def pytest_sessionstart(self) -> None:
        """The smallest counterexample is not asked for."""
        settings.register_profile("mutation", settings(), phases=[Phase.generate])
        settings.load_profile("mutation")

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """The killers of neighbours come first."""
        items[:] = self.chosen(items)

    def chosen(self, items: list[Any]) -> list[Any]:
        """The tests that may see the mutant, the likeliest first."""
        mine = [item for item in items if self.takes(item.nodeid)]
        return sorted(mine, key=lambda item: self.rank.get(item.nodeid, len(self.rank)))

    def takes(self, name: str) -> bool:
        """Whether a test is of rules, and not of other records than the mutant can reach."""
        words = set(re.findall(r"\w+", name.partition("[")[2]))
        pattern = TESTS.get(name.partition("::")[0].removeprefix("tests/"), "")
        return not (ASIDE.search(name) or words & self.others) and bool(
            re.search(pattern, self.file)
        )

    def pytest_runtest_logreport(self, report: Any) -> None:
        """The first test that fails is the one that rejects the mutant."""
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        """A mutant that cannot be imported is rejected when the tests are collected."""
        if report.failed and not self.failed:
            self.failed = f"import of {report.nodeid}"


Memory = dict[tuple[str, str], dict[Any, Any]]


def remembering(memory: Memory) -> Callable[[Any], Any]:
    """`functools.cache` with a memory that outlives the process; for the tests only."""
    cache = functools.cache

    def decorate(function: Any) -> Any:
        if not function.__module__.startswith("tests."):
            return cache(function)
        known = memory.setdefault((function.__module__, function.__qualname__), {})

        @functools.wraps(function)
        def remembered(*arguments: Any) -> Any:
            if arguments not in known:
                known[arguments] = function(*arguments)
            return known[arguments]

        return remembered

    return decorate


def forked(work: Callable[[], Any], seconds: int = 0) -> Any:
    """What `work` returns in a process of its own, or what ended it."""
    with tempfile.TemporaryFile() as answer:
        if not (child := os.fork()):
            # Seconds of work: the machine may be busy with other things.
            signal.setitimer(signal.ITIMER_PROF, seconds)
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            pickle.dump(work(), answer)
            answer.flush()
            os._exit(0)
        os.waitpid(child, 0)
        answer.seek(0)
        try:
            return pickle.load(answer)
        except EOFError:
            return "too slow, or it crashed"


def reimported(path: Path, text: str, chosen: Chosen, tests: list[str]) -> str:
    """The first test that fails where the package is imported anew, with `text` for one file."""
    for name in list(sys.modules):
        if name.partition(".")[0] in ("tinygrad_edu", "tests", "conftest"):
            del sys.modules[name]
    original = importlib.machinery.SourceFileLoader.get_code

    def get_code(loader: Any, name: str) -> Any:
        if loader.path == str(path):
            return compile(text, str(path), "exec", dont_inherit=True)
        return original(loader, name)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[assignment]
    code = pytest.main([*OPTIONS, *(f"tests/{test}" for test in tests)], plugins=[chosen])
    # 5 is pytest's word for no test at all.
    return chosen.failed or ("" if code in (0, 5) else "import")


def codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and those inside of it, in order."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def place(code: CodeType) -> tuple[Any, ...]:
    """What tells the code of one function in a file from all others."""
    return code.co_qualname, code.co_firstlineno, *code.co_positions()


def exchanged(path: Path, text: str, functions: dict[tuple[Any, ...], list[Any]]) -> bool:
    """Give the functions of the imported module the mutant's code, if no more than that changed."""
    old, new = (compile(t, str(path), "exec", dont_inherit=True) for t in (path.read_text(), text))

    def outside(code: CodeType) -> Any:
        plain = [repr(c) for c in code.co_consts if not isinstance(c, CodeType)]
        return code.co_code, code.co_names, plain

    before, after = list(codes(old)), list(codes(new))
    if outside(old) != outside(new) or len(before) != len(after):
        return False
    for right, wrong in zip(before[1:], after[1:], strict=True):
        hollow = not any(isinstance(c, CodeType) for c in right.co_consts)
        if hollow and outside(right) == outside(wrong) and right.co_varnames == wrong.co_varnames:
            continue
        live = functions.get((str(path), *place(right)), [])
        if not live and right in old.co_consts:  # it ran when the module was imported
            return False
        for function in live:
            try:
                function.__code__ = wrong
            except ValueError:  # it closes over other names
                return False
    return True


class Mutation:
    """A pytest plugin that runs the mutants in place of the tests, which have been collected."""

    def __init__(self, given: argparse.Namespace, memory: Memory) -> None:
        self.given, self.memory, self.reach = given, memory, Reach()
        self.known, self.survivors = set[str](), set[tuple[str, ...]]()
        if given.again:
            before = map(json.loads, given.again.read_text().splitlines())
            self.survivors = {(b["file"], *b["change"]) for b in before if not b["killer"]}
        self.functions: dict[tuple[Any, ...], list[Any]] = {}

    def pytest_runtestloop(self, session: Any) -> bool:
        """Without a mutant the tests pass; then a process for each mutant."""
        paths = [path for path in RULE_FILES if re.search(self.given.only, str(path))]
        for item in session.items:
            # Those of activations have expected values to remember.
            if self.given.trust and "/activations/" not in item.nodeid:
                continue
            if any(report.failed for report in runtestprotocol(item, log=False)):
                raise SystemExit(f"without a mutant {item.nodeid} fails")
        for function in gc.get_objects():
            if isinstance(function, FunctionType):
                key = function.__code__.co_filename, *place(function.__code__)
                self.functions.setdefault(key, []).append(function)
        gc.freeze()
        # Also the records of other files, and the tests' own.
        self.known = {word for item in session.items for word in ABOUT.findall(item.nodeid)}
        self.given.out.parent.mkdir(exist_ok=True)
        with self.given.out.open("w") as out:
            for path in paths:
                for found in self.results(session, path):
                    print(json.dumps(found, ensure_ascii=False), file=out, flush=True)
        return True

    def results(self, session: Any, path: Path) -> Iterator[dict[str, Any]]:
        """What becomes of each mutant of a file."""
        name, source = str(path.relative_to(ROOT)), path.read_text()
        # The way of running them rejects nothing by itself.
        if failed := forked(
            lambda: self.killer(session, path, source, Chosen(path, self.known, []))
        ):
            raise SystemExit(f"without a mutant, in a process of its own, {failed} fails")
        killers: list[tuple[int, str]] = []
        for line, text in mutants(path):
            change = changed(source, text)
            if self.given.again and (name, *change) not in self.survivors:
                continue
            killers.sort(key=lambda killer: abs(killer[0] - line))
            first = list(dict.fromkeys(killer for _, killer in killers))
            chosen = Chosen(path, self.known - (self.reach.of(path, line) or self.known), first)
            began = time.perf_counter()
            killer = forked(functools.partial(self.killer, session, path, text, chosen), SECONDS)
            if killer:
                killers.append((line, killer))
            seconds = round(time.perf_counter() - began, 2)
            yield {
                **{"file": name, "line": line, "change": change},
                **{"killer": killer, "seconds": seconds},
            }

    def killer(self, session: Any, path: Path, text: str, chosen: Chosen) -> str:
        """The test that rejects a mutant; "" if none does."""
        if exchanged(path, text, self.functions):
            for item in chosen.chosen(session.items):
                if any(report.failed for report in runtestprotocol(item, log=False)):
                    return str(item.nodeid)
            return ""
        tests = [test for test in TESTS if re.search(TESTS[test], chosen.file)]
        tests += MORE_TESTS if self.given.again else ()
        # A file with killers of neighbours first: where one does it again no other is collected.
        likely = {name.partition("::")[0].removeprefix("tests/") for name in list(chosen.rank)[:2]}
        early = [test for test in tests if test in likely]
        if early and (killer := forked(lambda: reimported(path, text, chosen, early), SECONDS)):
            return str(killer)
        return reimported(path, text, chosen, tests)


def main() -> int:
    """Run the mutants, write a line of JSON for each, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a pattern of the files to mutate")
    parser.add_argument("--out", type=Path, default=ROOT / "build/mutants.jsonl")
    parser.add_argument("--again", type=Path, help="run the survivors in this file, with all tests")
    parser.add_argument(
        "--trust", action="store_true", help="do not first run all tests without a mutant"
    )
    given = parser.parse_args()
    os.chdir(ROOT)
    memory: Memory = {}
    functools.cache = remembering(memory)
    everything = Chosen(RULE_FILES[0], set(), [])
    everything.takes = lambda name: not ASIDE.search(name)  # type: ignore[method-assign]
    tests = [*TESTS, *(MORE_TESTS if given.again else ())]
    code = pytest.main(
        [*OPTIONS, *(f"tests/{test}" for test in tests)],
        plugins=[everything, Mutation(given, memory)],
    )
    if code:
        return int(code)
    print(table([json.loads(line) for line in given.out.read_text().splitlines()]))
    return 0


def changed(source: str, text: str) -> list[str]:
    """The lines that a mutant takes away and those that it puts there."""
    lines = difflib.unified_diff(source.splitlines(), text.splitlines(), n=0, lineterm="")
    return [line for line in list(lines)[2:] if not line.startswith("@@")]


def table(found: list[dict[str, Any]]) -> str:
    """How many mutants each file has, and how many of them the tests reject."""
    rows = ["| file | mutants | rejected | share |", "|---|--:|--:|--:|"]
    for name in [*dict.fromkeys(one["file"] for one in found), ""]:
        mine = [bool(one["killer"]) for one in found if name in one["file"]]
        share = 100 * sum(mine) / max(len(mine), 1)
        rows.append(f"| {name or 'all'} | {len(mine)} | {sum(mine)} | {share:.1f} % |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
