"""Nested arrays and plain data in one file, `.npz` or `.safetensors`, without pickle.

The arrays lie in it under dotted names, so `np.load(path)["model.layers.0.weight"]` reads one, and
the rest as a JSON text in which `{"$array": name}` stands for each of them.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError
from ..files import write_bytes

Array = np.ndarray[Any, np.dtype[Any]]
PLAN = "plan.json"
# What readers raise where bytes are missing or changed.
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError),
    *(NotImplementedError, RuntimeError, UnicodeError),
)


def write(path: str | os.PathLike[str], tree: Any) -> None:
    """Write dicts and lists of arrays, numbers, texts and None to `path`, whole or not at all.

    Raises `FileError` for another suffix, `ImportError` where safetensors is not installed.
    """
    pack, _ = form_of(path)
    arrays: dict[str, Array] = {}
    plan = json.dumps(planned(tree, "", arrays))
    write_bytes(path, pack(arrays, plan))


def read(path: str | os.PathLike[str]) -> Any:
    """What `write` has written to `path`; of another program's file, its arrays by name.

    Raises `FileNotFoundError`, `FileError` for a file of another kind or one that is damaged: each
    changed byte of an `.npz` is noticed, while `.safetensors` keeps no check sums.
    """
    _, unpack = form_of(path)
    try:
        arrays, plan = unpack(Path(path).read_bytes())
        return carried_out(json.loads(plan), arrays) if plan else arrays
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {Path(path)}") from None
    except DAMAGE as error:
        raise FileError(f"{Path(path)} is damaged, or holds no arrays: {error}") from error


def planned(tree: Any, path: str, arrays: dict[str, Array]) -> Any:
    """`tree` with a note in the place of each array, which is put into `arrays`."""
    if isinstance(tree, Mapping):
        return {key: planned(part, joined(path, key), arrays) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        return [planned(part, joined(path, at), arrays) for at, part in enumerate(tree)]
    if isinstance(tree, np.ndarray | np.generic):
        name = path
        while name in arrays:
            name += "_"
        arrays[name] = np.asarray(tree)
        return {"$array": name}
    return tree


def carried_out(plan: Any, arrays: Mapping[str, Array]) -> Any:
    """The tree that a plan was made of."""
    if isinstance(plan, list):
        return [carried_out(part, arrays) for part in plan]
    if not isinstance(plan, dict):
        return plan
    if plan.keys() == {"$array"}:
        return arrays[plan["$array"]][()]
    return {key: carried_out(part, arrays) for key, part in plan.items()}


def joined(path: str, key: Any) -> str:
    """The dotted name of a part."""
    return f"{path}.{key}" if path else str(key)


def zipped(arrays: Mapping[str, Array], plan: str) -> bytes:
    """An `.npz` with the plan beside the arrays."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(PLAN, plan)  # first: what a damaged directory loses is missed then
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return whole.getvalue()


def unzipped(data: bytes) -> tuple[dict[str, Array], str]:
    """The arrays and the plan in an `.npz`; the plan is empty where `np.savez` has written it."""
    arrays, plan = {}, ""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            held = archive.read(name)  # whole: the end of it is where the check sum is compared
            if name == PLAN:
                plan = held.decode()
            else:
                array = np.lib.format.read_array(io.BytesIO(held), allow_pickle=False)
                arrays[name.removesuffix(".npy")] = array
    return arrays, plan


def as_tensors(arrays: Mapping[str, Array], plan: str) -> bytes:
    """A safetensors file with the plan among its metadata."""
    from safetensors.numpy import save

    tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    shaped = {name: tensors[name].reshape(array.shape) for name, array in arrays.items()}
    return bytes(save(shaped, metadata={PLAN: plan}))


def from_tensors(data: bytes) -> tuple[dict[str, Array], str]:
    """The arrays and the plan in a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)
    except SafetensorError as error:
        raise ValueError(error) from error
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return arrays, header.get("__metadata__", {}).get(PLAN, "")


Pack = Callable[[Mapping[str, Array], str], bytes]
Unpack = Callable[[bytes], tuple[dict[str, Array], str]]
FORMS: Mapping[str, tuple[Pack, Unpack]] = {
    ".npz": (zipped, unzipped),
    ".safetensors": (as_tensors, from_tensors),
}


def form_of(path: str | os.PathLike[str]) -> tuple[Pack, Unpack]:
    """How files with the suffix of `path` are made and read."""
    suffix = Path(path).suffix
    if suffix not in FORMS:
        raise FileError(f"{Path(path)} must end in {' or '.join(FORMS)}")
    if suffix == ".safetensors":
        try:
            import safetensors  # noqa: F401
        except ImportError:
            raise ImportError(
                'files in .safetensors need pip install "tinygrad_edu[safetensors]"; '
                "a name that ends in .npz needs nothing"
            ) from None
    return FORMS[suffix]
