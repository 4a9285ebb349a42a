"""Pictures with boxes in them: a table of corners in pixels becomes shares of the pictures that a network takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pellucid.arguments import whole
from pellucid.data.files.labelled_files import NO_CLASS, LabelledFiles
from pellucid.data.files.pictures import MOST_PIXELS, Look, each, rendered, upright
from pellucid.data.files.placement import placement
from pellucid.data.rows import MEMORY_LIMIT, filling, room
from pellucid.data.tables.cells import read_labels, read_numbers
from pellucid.data.tables.table import Table, open_table
from pellucid.errors import DataError

CORNERS = ("left", "top", "right", "bottom")


@dataclass(frozen=True, kw_only=True)
class BoxedPictures(LabelledFiles):
    """x: uint8 (n, height, width, channels), boxes, y, counts, classes, files.

    With one box a picture: boxes float32 (n, 4) as left, top, right, bottom from 0 to 1, y (n,). With several: boxes
    (n, most, 4) and y (n, most), of which the first `counts` of a picture count; the others are 0 and class -1.
    """

    boxes: NDArray[np.float32] = field(repr=False)
    counts: NDArray[np.int32] = field(repr=False)


def boxed_pictures(
    source: str | Path | Sequence[Mapping[str, Any]] | Any,
    size: tuple[int, int],
    color: str = "rgb",
    *,
    folder: str | Path | None = None,
    most: int | None = 1,
    fit: str = "letterbox",
    resample: str = "bilinear",
    most_pixels: int = MOST_PIXELS,
    memory_limit: int = MEMORY_LIMIT,
) -> BoxedPictures:
    """The pictures that a table names, and the boxes in them, from 0 to 1 of what is left of the picture.

    source: a table file, a dataframe, or rows as dicts, with the columns file, left, top, right, bottom and, where
    boxes have classes, label; corners in pixels of the upright picture, 0, 0 its upper left corner. A file with
    several rows has several boxes, one whose corners are empty has none. folder: where the files lie; beside the
    table, if not given. most: boxes a picture, at most; None for the largest number there is. size, color, fit,
    resample, most_pixels, memory_limit: as in `pictures`; fit="crop" clips boxes to what it leaves.

    Raises DataError naming the row or file: a column or file that is missing, corners that are no numbers, in the
    wrong order or outside of the picture, more boxes than `most`, a box of which nothing is left.

    >>> import tempfile; from PIL import Image
    >>> place = Path(tempfile.mkdtemp())
    >>> Image.new("RGB", (40, 20)).save(place / "a.png")
    >>> row = {"file": "a.png", "left": 10, "top": 0, "right": 30, "bottom": 20, "label": "cat"}
    >>> found = boxed_pictures([row], size=(8, 8), folder=place)
    >>> found.x.shape, found.boxes.tolist(), found.classes
    ((1, 8, 8, 3), [[0.25, 0.25, 0.75, 0.75]], ('cat',))
    """
    look = Look(size, color, fit, resample).check()
    limit = None if most is None else whole("most", most)
    table, beside = _table(source)
    read = _Boxes.read(table, Path(folder).expanduser() if folder is not None else beside)
    counts = np.diff(read.starts).astype(np.int32)
    read.check_counts(counts, limit)
    seats = max(1, int(counts.max())) if limit is None else limit
    boxes = np.zeros((len(read.files), seats, 4), np.float32)
    y = np.full((len(read.files), seats), NO_CLASS, np.int32)
    x, at = room((len(read.files), *look.shape), memory_limit, np.uint8)
    with filling(at):
        done = each(partial(read.fitted, look=look, most_pixels=most_pixels), range(len(read.files)))
        for i, (picture, found) in enumerate(done):
            x[i] = picture
            boxes[i, : len(found)] = found
            y[i, : len(found)] = read.y[read.starts[i] : read.starts[i + 1]]
    if limit == 1:
        boxes, y = boxes[:, 0], y[:, 0]
    return BoxedPictures(x=x, y=y, classes=read.classes, files=read.files, folder=at, boxes=boxes, counts=counts)


@dataclass(frozen=True)
class _Boxes:
    """The boxes of a table, picture by picture: those of file i are `starts[i]` up to `starts[i + 1]`."""

    table: Table
    files: tuple[Path, ...]
    starts: NDArray[np.int64]
    corners: NDArray[np.float64]
    y: NDArray[np.int32]
    classes: tuple[str, ...]
    rows: NDArray[np.int64]
    """The row of the table that each box is."""

    @classmethod
    def read(cls, table: Table, beside: Path) -> _Boxes:
        names = ["file", *CORNERS]
        if absent := [name for name in names if name not in table.columns]:
            raise DataError(
                f"{table.name} lacks the column {', '.join(absent)}; a table of boxes has {', '.join(names)} and, "
                f"where boxes have classes, label. It has {', '.join(table.columns)}."
            )
        labelled = ["label"] if "label" in table.columns else []
        cells = pl.concat(list(table.batches(columns=[*names, *labelled])))
        files = read_labels(cells["file"])
        _refuse(table, "file", cells, files.is_null().to_numpy(), "the name of a picture")
        picture, distinct = _numbered(files)
        corners = np.stack([_numbers(table, name, cells) for name in CORNERS], axis=1)
        empty = np.isnan(corners)
        half = empty.any(axis=1) & ~empty.all(axis=1)
        _refuse(table, CORNERS[int(empty[half.argmax()].argmax())], cells, half, "a number, as in the other corners")
        rows = np.flatnonzero(~empty.all(axis=1))
        rows = rows[np.argsort(picture[rows], kind="stable")]
        y, classes = np.full(len(rows), NO_CLASS, np.int32), ()
        if labelled:
            labels = read_labels(cells["label"])
            lacking = np.logical_and(labels.is_null().to_numpy(), ~empty.all(axis=1))
            _refuse(table, "label", cells, lacking, "the class of the box")
            known, codes = np.unique(labels.gather(rows).to_numpy().astype(str), return_inverse=True)
            y, classes = codes.astype(np.int32), tuple(str(name) for name in known)
        starts = np.searchsorted(picture[rows], np.arange(len(distinct) + 1))
        return cls(table, tuple(beside / name for name in distinct), starts, corners[rows], y, classes, rows)

    def check_counts(self, counts: NDArray[np.int32], most: int | None) -> None:
        """DataError where a picture has more boxes than are wanted, or, where it has to have one, none."""
        if most is None:
            return
        if len(over := np.flatnonzero(counts > most)):
            raise DataError(
                f"{self.table.name}: {self.files[over[0]]} has {counts[over[0]]} boxes, more than most={most}: raise "
                "it, or take most=None for the largest number there is."
            )
        if most == 1 and len(bare := np.flatnonzero(counts == 0)):
            raise DataError(
                f"{self.table.name}: {self.files[bare[0]]} has no box; most=None takes pictures without one."
            )

    def fitted(self, i: int, look: Look, most_pixels: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Picture i as bytes, and its boxes in it."""
        image = upright(self.files[i], most_pixels)
        here = slice(self.starts[i], self.starts[i + 1])
        corners, size = self.corners[here], (image.height, image.width)
        for row, (left, top, right, bottom) in zip(self.rows[here], corners, strict=True):
            if not (0 <= left < right <= image.width and 0 <= top < bottom <= image.height):
                raise DataError(
                    f"{self.table.name}, {self.table.place(int(row))}: the box from {left:g}, {top:g} to {right:g}, "
                    f"{bottom:g} does not lie in {self.files[i].name}, which is {image.width} wide and {image.height} "
                    "high: corners are left, top, right, bottom in its pixels."
                )
        boxes = placement(look.fit, size, look.size).boxes(corners)
        gone = np.flatnonzero((boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1]))
        if len(gone):
            raise DataError(
                f"{self.table.name}, {self.table.place(int(self.rows[here][gone[0]]))}: fit={look.fit!r} leaves "
                f'nothing of its box in {self.files[i].name}; fit="letterbox" keeps the whole picture.'
            )
        return rendered(image, look), boxes


def _table(source: Any) -> tuple[Table, Path]:
    """The table, and the folder that its files are named from."""
    if isinstance(source, str | Path):
        table = open_table(source)
        return table, (table.path or Path()).parent
    if isinstance(source, list | tuple):
        if not source:
            raise DataError("The list of boxes is empty: give a row for each box.")
        if odd := next((row for row in source if not isinstance(row, Mapping)), None):
            raise DataError(f"the rows of boxes are dicts with file, {', '.join(CORNERS)}, but one is {odd!r}")
        source = pl.DataFrame(source, strict=False, infer_schema_length=None)
    return Table.from_frame(source, "the table of boxes"), Path()


def _numbered(files: pl.Series) -> tuple[NDArray[np.int64], list[str]]:
    """For each row the number of its file, in order of appearance, and the files."""
    distinct = files.unique(maintain_order=True)
    return files.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64).to_numpy(), distinct.to_list()


def _numbers(table: Table, name: str, cells: pl.DataFrame) -> NDArray[np.float64]:
    read = read_numbers(cells[name])
    _refuse(table, name, cells, read.unreadable | np.isinf(read.values), "a number of pixels")
    return read.values


def _refuse(table: Table, name: str, cells: pl.DataFrame, wrong: Any, expected: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f'{table.name}, {table.place(row)}, column "{name}": {cells[name][row]!r}; expected {expected}.'
        )
