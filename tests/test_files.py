"""Files appear whole or not at all; folders that cannot be used are refused in plain words."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NoReturn

import pytest

from tinygrad_edu.files import writable_folder, write_bytes, write_text


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_text_is_utf8_with_its_line_ends_untouched(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "損失\r\n0.25\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xe6\x90\x8d\xe5\xa4\xb1\r\n0.25\n"


def test_an_existing_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"a long first version")
    write_bytes(str(path), b"second")
    assert path.read_bytes() == b"second"
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_keeps_the_old_file_and_leaves_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail(*_: object) -> NoReturn:
        assert len(names(tmp_path)) == 2  # the temporary file is there when it fails
        raise failure

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(failure)) as caught:
        write_text(path, "new")
    if isinstance(caught.value, OSError):
        assert (caught.value.errno, caught.value.filename) == (28, str(path))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_errors_name_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing.a\.txt"):
        write_text(tmp_path / "missing" / "a.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_text(tmp_path / "folder", "x")
    assert names(tmp_path) == ["folder"]


def test_a_folder_is_made_with_its_parents_and_left_empty(tmp_path: Path) -> None:
    folder = writable_folder(str(tmp_path / "runs" / "xor"))
    assert folder == tmp_path / "runs" / "xor"
    assert writable_folder(folder) == folder
    assert names(folder) == []


@pytest.mark.parametrize("below", ["", "xor", "xor/seed"])
def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path, below: str) -> None:
    blocking = tmp_path / "runs"
    blocking.write_text("precious")
    with pytest.raises(NotADirectoryError) as caught:
        writable_folder(blocking / below)
    assert f"{blocking} is a file; choose another folder" in str(caught.value)
    assert blocking.read_text() == "precious"


def test_a_folder_that_cannot_be_written_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    # The administrator, whom permission bits do not stop, may be the one who runs this test.
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(PermissionError) as caught:
        writable_folder(tmp_path)
    assert str(caught.value) == (
        f"cannot write into the folder {tmp_path}: Permission denied; "
        "choose a folder you may write to"
    )
