"""Files in folders, pictures or sounds alike: which there are, the class of each, and the numbers they become."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import DataError, UsageError

NO_CLASS = -1


@dataclass(frozen=True, kw_only=True)
class LabelledFiles:
    """Files as numbers: x (n, …), y (n,) int32 class numbers (-1: no class), the classes' names, the files."""

    x: NDArray[Any] = field(repr=False)
    y: NDArray[np.int32] = field(repr=False)
    classes: tuple[str, ...]
    files: tuple[Path, ...] = field(repr=False)
    folder: Path | None = field(default=None, repr=False)
    """Where the file behind x lies, if there is one; it goes when this does."""

    def __post_init__(self) -> None:
        if self.folder is not None:
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def __len__(self) -> int:
        return len(self.files)


@dataclass(frozen=True)
class Found:
    """Files and the class of each."""

    files: tuple[Path, ...]
    y: NDArray[np.int32]
    classes: tuple[str, ...]

    def part(self, places: Sequence[int]) -> Found:
        """The files at these places; the classes stay."""
        return Found(tuple(self.files[i] for i in places), self.y[list(places)], self.classes)


def find_files(
    source: str | Path | Iterable[str | Path], suffixes: Sequence[str], what: str, labels: Sequence[str] | None = None
) -> Found:
    """The files of a folder with a folder for each class, of a flat folder, or of a list; sorted, but for a list.

    suffixes: those of `what` ("sounds"), lower case; other files in a folder are passed by, and so are hidden ones.
    labels: the class of each file of a list. Raises DataError where nothing is found, UsageError for labels of
    another number or beside a folder.
    """
    if not isinstance(source, str | Path):
        files = tuple(Path(file).expanduser() for file in source)
        if not files:
            raise DataError(f"The list of {what} is empty: name at least one file.")
        return _with_labels(files, labels, what)
    root = Path(source).expanduser()
    if root.is_file():
        return _with_labels((root,), labels, what)
    if not root.is_dir():
        raise DataError(f"There is no folder {root}: give a folder of {what}, or a list of files.")
    if labels is not None:
        raise UsageError(f"labels go with a list of files; in {root} the folders inside are the classes.")
    inside = [p for p in sorted(root.rglob("*")) if p.is_file() and _visible(p, root)]
    files = tuple(p for p in inside if p.suffix.lower() in suffixes)
    if not files:
        held = f"{len(inside):,} other files" if inside else "no files"
        raise DataError(f"{root} holds no {what} ({', '.join(suffixes)}), but {held}.")
    return _by_folder(root, files, what)


def _visible(path: Path, root: Path) -> bool:
    return not any(part.startswith(".") for part in path.relative_to(root).parts)


def _by_folder(root: Path, files: tuple[Path, ...], what: str) -> Found:
    """The class of a file is the name of the folder directly under the root that it lies in."""
    inner = [path.relative_to(root).parts for path in files]
    flat = [path for path, parts in zip(files, inner, strict=True) if len(parts) == 1]
    if len(flat) == len(files):
        return _with_labels(files, None, what)
    if flat:
        raise DataError(
            f"{root} holds class folders and, beside them, {len(flat):,} {what} of no class ({flat[0].name}): move "
            "them into a folder, or away."
        )
    return _with_labels(files, [parts[0] for parts in inner], what)


def _with_labels(files: tuple[Path, ...], labels: Sequence[str] | None, what: str) -> Found:
    if labels is None:
        return Found(files, np.full(len(files), NO_CLASS, np.int32), ())
    if len(labels) != len(files):
        raise UsageError(f"{len(labels):,} labels for {len(files):,} {what}: give one for each file.")
    classes, y = np.unique(np.asarray([str(label) for label in labels]), return_inverse=True)
    return Found(files, y.astype(np.int32), tuple(str(name) for name in classes))
