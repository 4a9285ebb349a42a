"""How a folder of class folders becomes numbers: learned once, kept as JSON, applied to any folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from pellucid.data.files.folder import Folder, Pixels, Reading, Spectrograms, reading_from_json
from pellucid.data.rows import Rows
from pellucid.data.split import TRAINING, split
from pellucid.data.tables.plain import plain_from_json
from pellucid.data.tables.target import TargetColumn
from pellucid.errors import DataError, UsageError

VERSION = 1
FEWEST_FILES = 5
TARGET = "class"
BLOCK = 256
"""Rows whose mean and deviation are computed at once."""
TINY = 1e-12
"""A deviation of less than this, relative to the mean, is the rounding of numbers that are all the same."""


@dataclass(frozen=True)
class FolderRecipe:
    """How each file is read, the classes, how the rows were split, and the size of the training rows' numbers."""

    reading: Reading
    target: TargetColumn
    mean: list[float]
    deviation: list[float]
    """Of each colour of a picture or band of a sound, over the training rows; the network's first layer scales by
    them."""
    seed: int = 0
    validation: float = 0.1
    test: float = 0.15
    notes: list[str] = field(default_factory=list[str])

    @classmethod
    def learn(
        cls,
        folder: Folder,
        *,
        size: tuple[int, int] | None = None,
        skip: bool = False,
        seed: int = 0,
        validation: float = 0.1,
        test: float = 0.15,
    ) -> FolderRecipe:
        """The recipe of a folder with a folder for each class.

        size: (height, width) of pictures, by the files if not given; skip: leaves files out that cannot be read.
        Raises DataError for a folder without classes or with one, or a file that cannot be read.
        """
        if not folder.found.classes:
            raise DataError(
                f"{folder.name} holds {folder.row_count:,} {folder.kind} but no folders, so they have no classes: "
                f"put the {folder.kind} of each class into a folder of its own in it."
            )
        if folder.kind == Spectrograms.kind and size is not None:
            raise UsageError(f"size= is of pictures, but {folder.name} holds sounds", arguments=("size",))
        notes: list[str] = []
        reading = (
            Pixels.choose(folder.found, size, notes)
            if folder.kind == Pixels.kind
            else Spectrograms.choose(folder.found, notes)
        )
        read = folder.numbers(reading, skip)
        counts = np.bincount(read.y, minlength=len(read.classes))
        used = [i for i, count in enumerate(counts) if count]
        if len(used) < 2:
            raise DataError(
                f"{folder.name} holds one class of {folder.kind} only ({read.classes[used[0]]}): there is nothing to "
                "tell apart; put another class into a folder beside it."
            )
        if len(read.y) < FEWEST_FILES:
            raise DataError(
                f"{folder.name} holds {len(read.y)} {folder.kind}; at least {FEWEST_FILES} are needed to learn."
            )
        target = TargetColumn(
            TARGET, "binary" if len(used) == 2 else "multiclass", tuple(read.classes[i] for i in used)
        )
        part = split(len(read.y), seed, validation, test, _codes(target, read.classes)[read.y])
        mean, deviation = _size(read.x, np.flatnonzero(part == TRAINING))
        notes += target.unbalanced(counts[used], "files")
        return cls(reading, target, mean, deviation, seed, validation, test, notes)

    @property
    def width(self) -> int:
        """How many numbers a row becomes."""
        return int(np.prod(self.reading.shape))

    @property
    def feature_names(self) -> Sequence[str]:
        """What each of them is called, in order; made when it is asked for, for there are many."""
        return _Names(self.reading)

    def describe(self) -> list[str]:
        """A sentence on what a file becomes, and one on the target."""
        return [self.reading.describe(), self.target.describe()]

    def encode(self, folder: Folder) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
        """(x, row numbers from 0) of the files that can be read, batch by batch, for predicting."""
        self._check(folder)
        return folder.batches(self.reading)

    def targets(self, folder: Folder) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """(y, row numbers) of the files whose folder is one of the classes, to score predictions by."""
        self._check(folder)
        read = folder.numbers(self.reading, skip=True)
        if not read.classes:
            return np.zeros(0, np.int32), np.zeros(0, np.int64)
        y = _codes(self.target, read.classes)[read.y]
        rows = np.flatnonzero(y >= 0)
        return y[rows], rows

    def _check(self, folder: Folder) -> None:
        if folder.kind != self.reading.kind:
            raise DataError(f"{folder.name} holds {folder.kind}, but the model was trained on {self.reading.kind}.")

    def rows(self, folder: Folder) -> Rows:
        """The files as numbers, each with its part: for training."""
        read = folder.numbers(self.reading)
        y = _codes(self.target, read.classes)[read.y]
        part = split(len(y), self.seed, self.validation, self.test, y)
        return Rows(read.x, y, part, np.arange(len(y)), read.folder)

    def notes_for(self, folder: Folder) -> list[str]:
        """What to know before predicting: folders that are no classes of the model."""
        other = [name for name in folder.found.classes if name not in self.target.classes]
        if not other or len(other) == len(folder.found.classes):
            return []
        shown = ", ".join(other[:10]) + (", …" if len(other) > 10 else "")
        return [f"{folder.name} has folders that are no classes of the model; their files are not scored: {shown}."]

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain JSON values; `from_json` gives back an equal one, to the last bit."""
        return {
            "version": VERSION,
            "reading": self.reading.to_json(),
            "target": self.target.to_json(),
            "mean": self.mean,
            "deviation": self.deviation,
            "seed": self.seed,
            "validation": self.validation,
            "test": self.test,
            "notes": self.notes,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> FolderRecipe:
        """The recipe that `to_json` wrote. Raises DataError for one of a newer version."""
        if plain.get("version") != VERSION:
            raise DataError(
                f"The recipe has version {plain.get('version')!r}; this pellucid reads version {VERSION}. "
                "Update pellucid."
            )
        return cls(
            reading_from_json(plain["reading"]),
            plain_from_json(TargetColumn, plain["target"]),
            [float(mean) for mean in plain["mean"]],
            [float(deviation) for deviation in plain["deviation"]],
            int(plain["seed"]),
            float(plain["validation"]),
            float(plain["test"]),
            [str(note) for note in plain["notes"]],
        )


class _Names(Sequence[str]):
    """The names of a row's numbers, in reading order."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def __len__(self) -> int:
        return int(np.prod(self._reading.shape))

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        place = np.unravel_index(index % len(self), self._reading.shape)
        return self._reading.name_of([int(i) for i in place])


def _codes(target: TargetColumn, classes: Sequence[str]) -> NDArray[np.int32]:
    """For each class of a folder, its number among those of the model; -1 if it is none."""
    known = {name: i for i, name in enumerate(target.classes)}
    return np.array([known.get(name, -1) for name in classes], np.int32)


def _size(x: NDArray[Any], rows: NDArray[np.int64]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each feature of these rows, its last axis, in two passes; 1 for one that is always
    the same."""
    parts = [rows[first : first + BLOCK] for first in range(0, len(rows), BLOCK)]
    over = tuple(range(x.ndim - 1))
    count = len(rows) * int(np.prod(x.shape[1:-1]))
    mean = np.sum([x[part].sum(axis=over, dtype=np.float64) for part in parts], axis=0) / count
    square = np.sum([np.square(x[part] - mean).sum(axis=over) for part in parts], axis=0) / count
    deviation = np.sqrt(square)
    return mean.tolist(), np.where(deviation > TINY * np.abs(mean), deviation, 1.0).tolist()
