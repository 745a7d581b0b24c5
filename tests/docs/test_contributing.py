"""The record of CONTRIBUTING.md passes every property that those of the package pass; a wrong one
does not.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tinygrad_edu as te
from tests.docs.contributed import PAGE, WRONG, block, wrong
from tests.ops import test_mutants
from tests.ops.user_records import restored
from tinygrad_edu.check.report import Report

ROOT = PAGE.parent
# Where the properties of all records are; in the thorough run, wherever one is named.
PROPERTIES = ("tests/ops", "tests/check/test_rule.py", "tests/compile/test_records.py")
TEXT = PAGE.read_text("utf-8")

RULE = "lambda out, x: np.tanh(x)"
SLIPS = {
    "the derivative of the derivative": f"{RULE} => lambda out, x: 1 - np.tanh(x) ** 2",
    "a sign": f"{RULE} => lambda out, x: -np.tanh(x)",
    "one in a million": f"{RULE} => lambda out, x: 1.000001 * np.tanh(x)",
    "out for x": f"{RULE} => lambda out, x: np.tanh(out)",
    "x for |x|": "np.abs(x) - LOG_2 => x - LOG_2",
    "overflow": "np.sinh(np.clip(x, -20, 20)) => np.sinh(x)",
    "float32 is widened": "np.abs(x) - LOG_2 => np.abs(x) - np.float64(LOG_2)",
}


def judged(code: str) -> Report:
    """The report on the record that some code declares."""
    names: dict[str, Any] = {}
    with restored():
        exec(code, names)
        return te.check.rule(names["log_cosh"])


def properties(*where: str, change: str = "") -> tuple[int, str]:
    """How many tests of the record pass, run as the page says, and what pytest prints."""
    options = ("-q", "-p", "no:cacheprovider", "-k", "log_cosh", "--deselect", "tests/docs")
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.docs.contributed", *options, *where],
        cwd=ROOT,
        env={**os.environ, WRONG: change, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    passed = re.search(r"(\d+) passed", found.stdout)
    return int(passed[1]) if passed else 0, found.stdout + found.stderr


@pytest.fixture
def record() -> Iterator[Any]:
    """The record, forgotten afterwards."""
    names: dict[str, Any] = {}
    with restored():
        exec(block(), names)
        yield names["log_cosh"]


def test_it_is_a_real_record_that_the_package_does_not_have(record: Any) -> None:
    assert record.elementwise
    assert record.formula
    assert record.extremes
    assert record.definition
    assert "log_cosh" not in Path(te.ops.elementary.__file__).read_text("utf-8")


def test_it_passes_what_the_records_of_the_package_pass() -> None:
    passed, printed = properties(*PROPERTIES)
    assert passed > 40, printed
    assert " failed" not in printed, printed
    assert " error" not in printed, printed


@pytest.mark.thorough
def test_the_page_says_how_many_tests_follow() -> None:
    (promised,) = re.findall(r"# more than (\d+) tests that you did not write", TEXT)
    passed, printed = properties("tests")
    assert passed > int(promised), printed
    assert " failed" not in printed, printed


def test_the_record_of_the_page_is_certified() -> None:
    report = judged(block())
    assert report.ok, report.table()
    assert report.count("inconclusive") <= 0.07 * len(report.entries)


@pytest.mark.parametrize("slip", SLIPS)
def test_a_wrong_version_fails(slip: str) -> None:
    assert not judged(wrong(block(), SLIPS[slip])).ok


@pytest.mark.thorough
@pytest.mark.parametrize("slip", ["one in a million", "overflow"])
def test_a_wrong_version_fails_the_properties_too(slip: str) -> None:
    _, printed = properties("-x", *PROPERTIES, change=SLIPS[slip])
    assert re.search(r"^FAILED tests/.*log_cosh", printed, re.M), printed


@pytest.mark.parametrize("mistake", ["scaled", "shifted", "dropped", "frozen"])
def test_each_mutant_of_its_rule_is_rejected(record: Any, mistake: str) -> None:
    found = {name: (position, change) for name, position, change in test_mutants.mutants(record)}
    test_mutants.test_a_wrong_rule_is_rejected(record, mistake, *found[mistake])


def test_files_that_the_page_names_are_there() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / link).exists(), link
    for target in re.findall(r"`make (\w+)`", TEXT):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.M), target
