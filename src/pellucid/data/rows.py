"""The rows of a table as numbers: in memory, or, when they are many, in a file that memory maps."""

import math
import shutil
import tempfile
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pellucid.data.split import TEST, TRAINING, VALIDATION

MEMORY_LIMIT = 512 << 20
"""Bytes of numbers that are held in memory; more of them lie in a file."""


@dataclass(frozen=True)
class Subset:
    """Some of the rows, by their positions; nothing is copied until it is taken."""

    rows: "Rows"
    index: NDArray[np.int64]

    def __len__(self) -> int:
        return self.index.size

    def take(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """(x, y) of the subset's rows at these positions, in that order."""
        wanted = self.index[positions]
        return np.asarray(self.rows.x[wanted]), self.rows.y[wanted]

    @property
    def row(self) -> NDArray[np.int64]:
        """The number of each row in the table, from 0."""
        return self.rows.row[self.index]

    @property
    def y(self) -> NDArray[Any]:
        """The targets, in order."""
        return self.rows.y[self.index]

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """(x, y) of the whole subset, copied to memory."""
        return self.take(np.arange(len(self)))


@dataclass(frozen=True)
class Rows:
    """x (n, width) float32, y (n,), each row's part (0 training, 1 validation, 2 test), its table row."""

    x: NDArray[np.float32]
    y: NDArray[Any]
    part: NDArray[np.uint8]
    row: NDArray[np.int64]
    folder: Path | None = None
    """Where the file behind x lies, if there is one."""

    def __post_init__(self) -> None:
        if self.folder is not None:
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def __len__(self) -> int:
        return self.y.shape[0]

    def _subset(self, part: int) -> Subset:
        return Subset(self, np.flatnonzero(self.part == part))

    def training(self) -> Subset:
        """The rows to learn from."""
        return self._subset(TRAINING)

    def validation(self) -> Subset:
        """The rows to watch while learning."""
        return self._subset(VALIDATION)

    def test(self) -> Subset:
        """The rows kept for the end."""
        return self._subset(TEST)

    def close(self) -> None:
        """Deletes the file behind x, if there is one; it also goes when the rows do."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "Rows":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def room(
    shape: tuple[int, ...], memory_limit: int = MEMORY_LIMIT, dtype: DTypeLike = np.float32
) -> tuple[NDArray[Any], Path | None]:
    """An array of this shape to fill; above `memory_limit` bytes it is a file in the new folder."""
    if math.prod(shape) * np.dtype(dtype).itemsize <= memory_limit:
        return np.empty(shape, dtype), None
    folder = Path(tempfile.mkdtemp(prefix="pellucid-rows-"))
    return np.memmap(folder / f"x.{np.dtype(dtype)}", dtype, "w+", shape=shape), folder


@contextmanager
def filling(folder: Path | None) -> Generator[None]:
    """Takes the folder away where filling its file fails."""
    try:
        yield
    except BaseException:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
