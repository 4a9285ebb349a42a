"""The arrays that a run was trained on: into its folder, and out of it again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from pellucid import files
from pellucid.data.arrays import as_array
from pellucid.data.dataset import Dataset, Numbers
from pellucid.data.named import flat, gathered
from pellucid.errors import DataError
from pellucid.storage import RunFolder

FILE = "data/arrays.safetensors"
PARTS = ("x", "y", "weight", "rows")


def known_of_arrays(
    about: dict[str, Any], data: Dataset, validation: Dataset | None, keep: int
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What is known before the first step of a run on arrays: its manifest, and the data where it is small.

    about: what the manifest holds beside the data; keep: bytes of data to copy. Of an array that does not fit, its
    digest is kept and, where it is mapped from a file, that file's path.
    """
    arrays = _arrays(data, validation)
    # What is worked out from the arguments of fit, and could not be given again, is kept in any case.
    own = {f"{place}{part}" for place in ("", "validation/") for part in ("rows", "weight")}
    kept = {name: array for name, array in arrays.items() if name in own}
    for name in sorted(arrays.keys() - kept.keys(), key=lambda name: (arrays[name].nbytes, name)):
        if arrays[name].nbytes <= keep:
            keep -= arrays[name].nbytes
            kept[name] = arrays[name]
    found = {name: _described(array, name in kept) for name, array in arrays.items()}
    manifest = {**about, "data": {"kind": "arrays", "rows": len(data), "arrays": found}}
    return manifest, {FILE: files.tensors(kept)}


def arrays_of(folder: RunFolder, given: Mapping[str, Any]) -> tuple[Dataset, Dataset | None]:
    """The training rows and the validation rows of a run on arrays; `given` holds those that it does not keep.

    Raises DataError for one that is neither kept nor given, or that is not the one that the run was trained on.
    """
    kept = folder.tensors(FILE)
    known = folder.manifest["data"]["arrays"]
    arrays = {name: kept[name] if name in kept else _found(folder, name, known[name], given) for name in known}
    data = Dataset(*(gathered(part, arrays) for part in PARTS))
    watched = {name.removeprefix("validation/"): a for name, a in arrays.items() if name.startswith("validation/")}
    if not watched:
        return data, None
    if gathered("x", watched) is None:  # a split of the same rows
        return data, Dataset(data.x, data.y, data.weight, watched["rows"])
    return data, Dataset(*(gathered(part, watched) for part in PARTS))


def _arrays(data: Dataset, validation: Dataset | None) -> dict[str, Numbers]:
    """By path: "x", "y", "weight", "rows", and the same with "validation/"; of several inputs, "x/left", "x/right"."""
    found = {part: getattr(data, part) for part in PARTS}
    if validation is not None:
        split = validation.rows is not None
        same = split and validation.x is data.x and validation.y is data.y and validation.weight is data.weight
        parts = ("rows",) if same else PARTS
        found |= {f"validation/{part}": getattr(validation, part) for part in parts}
    return {path: array for name, part in found.items() if part is not None for path, array in flat(name, part).items()}


def _described(array: Numbers, kept: bool) -> dict[str, Any]:
    about: dict[str, Any] = {"dtype": str(array.dtype), "shape": list(array.shape), "sha256": _digest(array)}
    if not kept and isinstance(array, numpy.memmap) and array.filename is not None and array.flags.c_contiguous:
        whole = array
        while isinstance(whole.base, numpy.memmap):  # a part of a mapped array has the offset of the whole
            whole = whole.base
        offset = whole.offset + array.ctypes.data - whole.ctypes.data
        about |= {"mapped": str(Path(array.filename).resolve()), "offset": int(offset)}
    return about | {"kept": kept}


def _found(folder: RunFolder, name: str, about: dict[str, Any], given: Mapping[str, Any]) -> Numbers:
    argument, _, part = name.replace("validation/", "validation_").partition("/")
    value = given.get(argument)
    if part and isinstance(value, Mapping):
        value = value.get(part)
    if value is not None:
        array = as_array(value, argument).astype(about["dtype"], copy=False)
    elif "mapped" in about:
        path = Path(about["mapped"])
        if not path.is_file():
            raise DataError(f"{folder.path} was trained on {path}, which is not there any more; move it back")
        try:
            array = numpy.memmap(path, about["dtype"], "r", about["offset"], tuple(about["shape"]))
        except ValueError as error:
            raise DataError(f"{path} has changed since {folder.path} was trained on it: {error}") from error
    else:
        raise DataError(
            f"{folder.path} does not hold {name}, {tuple(about['shape'])} {about['dtype']}, which was too large to be "
            f"copied; give it again: pellucid.open_run({str(folder.path)!r}, {argument}=…)"
        )
    if list(array.shape) != about["shape"] or _digest(array) != about["sha256"]:
        raise DataError(
            f"{argument} is not what {folder.path} was trained on: expected {tuple(about['shape'])} "
            f"{about['dtype']} with the digest {about['sha256'][:12]}…, found {array.shape} {array.dtype}; its steps "
            "can only be opened with the data as it was"
        )
    return array


def _digest(array: Numbers) -> str:
    """The SHA-256 of an array's numbers, without a copy where they lie together."""
    return hashlib.sha256(memoryview(numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8))).hexdigest()  # pyright: ignore
