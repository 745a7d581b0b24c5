"""The sample program of a typed user runs; that its types are right is for `mypy --strict`."""

from __future__ import annotations

from tests import typed_program


def test_the_program_runs() -> None:
    typed_program.main()
