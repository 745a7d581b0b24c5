"""What is written is read again, bit for bit, and damage is noticed."""

from __future__ import annotations

import builtins
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu.errors import FileError
from tinygrad_edu.train import storage

SUFFIXES = (".npz", ".safetensors")
ARRAYS = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.uint32, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
NAMES = st.text(
    st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="/\\"), min_size=1
)
TREES = st.recursive(
    ARRAYS | PLAIN,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(NAMES, part, max_size=3),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:
    """Whether two trees hold the same, bit for bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray | np.generic):
        kept = isinstance(other, np.ndarray | np.generic)
        return kept and one.dtype == other.dtype and one.tobytes() == other.tobytes()
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(tree=TREES)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, tree: Any
) -> None:
    path = tmp_path_factory.mktemp("storage") / f"tree{suffix}"
    storage.write(path, {"tree": tree})
    assert same(storage.read(path), {"tree": tree})


def test_numpy_reads_the_arrays_by_name_and_its_own_files_are_read(tmp_path: Path) -> None:
    weight = np.arange(6.0).reshape(2, 3)
    storage.write(tmp_path / "a.npz", {"model": {"layers.0.weight": weight}, "epoch": 3})
    with np.load(tmp_path / "a.npz") as held:
        np.testing.assert_array_equal(held["model.layers.0.weight"], weight)
    np.savez(tmp_path / "b.npz", weight=weight)
    np.testing.assert_array_equal(storage.read(tmp_path / "b.npz")["weight"], weight)


def test_other_programs_read_the_tensors(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weight = np.arange(6.0).reshape(2, 3).T  # not contiguous
    storage.write(tmp_path / "a.safetensors", {"weight": weight})
    np.testing.assert_array_equal(load_file(tmp_path / "a.safetensors")["weight"], weight)
    save_file({"bias": np.ones(3)}, tmp_path / "b.safetensors")
    np.testing.assert_array_equal(storage.read(tmp_path / "b.safetensors")["bias"], np.ones(3))


def test_names_that_would_be_one_are_kept_apart(tmp_path: Path) -> None:
    tree = {"a": {"b": np.ones(1)}, "a.b": np.zeros(1)}
    storage.write(tmp_path / "a.npz", tree)
    assert same(storage.read(tmp_path / "a.npz"), tree)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_cut_and_every_flipped_byte_is_an_error_or_harmless(
    tmp_path: Path, suffix: str
) -> None:
    tree = {"weight": np.arange(40.0), "epoch": 7}
    path = tmp_path / f"a{suffix}"
    storage.write(path, tree)
    whole = path.read_bytes()
    for length in range(0, len(whole), 17):
        path.write_bytes(whole[:length])
        with pytest.raises(FileError, match="damaged"):
            storage.read(path)
    if suffix == ".npz":  # the other format has no check sums
        begin = whole.index(np.arange(40.0).tobytes())
        assert begin > 0
        for at in range(0, len(whole), 3):
            for flip in (1, 255):
                path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
                try:
                    found = storage.read(path)
                except FileError:
                    continue
                assert same(found, tree), "of what the directory says twice"


def test_no_pickle_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", weight=np.array([object()], dtype=object))
    with pytest.raises(FileError):
        storage.read(tmp_path / "a.npz")
    buffer = io.BytesIO()
    np.save(buffer, np.array([object()], dtype=object), allow_pickle=True)
    (tmp_path / "b.npz").write_bytes(buffer.getvalue())
    with pytest.raises(FileError):
        storage.read(tmp_path / "b.npz")


def test_errors_name_the_file_and_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileError, match=r"weights\.pt must end in \.npz or \.safetensors"):
        storage.write(tmp_path / "weights.pt", {})
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.npz"):
        storage.read(tmp_path / "none.npz")
    original = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("safetensors"):
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "tinygrad_edu\[safetensors\]"'):
        storage.write(tmp_path / "a.safetensors", {})
