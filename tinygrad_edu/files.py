"""Files written whole or not at all, and folders that can be written to."""

from __future__ import annotations

import glob
import os
import secrets
import tempfile
from pathlib import Path


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` whole, or leave what was there untouched.

    Raises `OSError` naming `path`; its folder must exist (see `writable_folder`).
    """
    target = Path(path)
    # In the same folder, because a rename is atomic only within one file system. Not `tempfile`,
    # which creates files that only their owner may read, where the umask may allow more.
    temporary = target.parent / f".{target.name[:100]}.{secrets.token_hex(8)}.tmp"
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error


def remove_remains(path: str | os.PathLike[str]) -> None:
    """Remove what processes that were killed have left half written of `path`."""
    target = Path(path)
    for temporary in target.parent.glob(f".{glob.escape(target.name[:100])}.*.tmp"):
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` as UTF-8, its line ends as they are, as `write_bytes` does."""
    write_bytes(path, text.encode())


def writable_folder(path: str | os.PathLike[str]) -> Path:
    """The folder `path`, created with its parents if need be, in which files can be made.

    Raises `NotADirectoryError` where a file is in the way, `PermissionError` or another `OSError`
    where nothing can be written; the message names the path and says what to do.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Asking for permission is not enough: only making a file shows a full or read-only disk.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        blocking = next(p for p in (folder, *folder.parents) if p.exists() or p.is_symlink())
        raise NotADirectoryError(
            f"cannot make the folder {folder}: {blocking} is a file; "
            "choose another folder or move that file"
        ) from error
    except OSError as error:
        raise type(error)(
            f"cannot write into the folder {folder}: {error.strerror}; "
            "choose a folder you may write to"
        ) from error
    return folder
