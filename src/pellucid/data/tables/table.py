"""A table: named columns whose rows come in batches, from a file of any size, a built-in name or a frame."""

import difflib
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import narwhals as nw
import polars as pl

from pellucid.data.tables.csv_file import CsvFile
from pellucid.errors import DataError

BUILT_IN = {
    "iris": ("iris.csv", "species"),
    "wine": ("wine.csv", "cultivar"),
    "breast_cancer": ("breast_cancer.csv", "diagnosis"),
    "digits": ("digits.csv.gz", "digit"),
    "diabetes": ("diabetes.csv", "progression"),
}
SUPPORTED = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")


class Source(Protocol):
    """Where the rows of a table come from."""

    columns: list[str]
    notes: list[str]

    def batches(self, size: int, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]: ...

    def row_count(self) -> int: ...

    def line(self, row: int) -> int: ...


class Table:
    """Named columns and their rows, which are read anew, in file order, each time they are asked for."""

    def __init__(self, name: str, source: Source, default_target: str | None = None, path: Path | None = None) -> None:
        self.name = name
        self.path = path
        self.default_target = default_target
        self._source = source

    @classmethod
    def from_frame(cls, frame: Any, name: str = "the frame") -> "Table":
        """The table of a pandas, polars, Arrow or other dataframe that narwhals knows; its index is left out.

        Raises DataError: not a dataframe, two columns of one name, no rows.
        """
        return cls(name, FrameSource(frame, name))

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in file order."""
        return list(self._source.columns)

    @property
    def notes(self) -> list[str]:
        """What a person should know of how the file was read."""
        return list(self._source.notes)

    @property
    def row_count(self) -> int:
        """How many rows there are, the header not counted; the first use reads a CSV through."""
        return self._source.row_count()

    def batches(self, size: int = 50_000, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """The rows in order, at most `size` in a frame, `columns` only if given; memory stays bounded.

        A CSV's cells are text. Raises DataError, naming lines, for a file that breaks its own shape.
        """
        return self._source.batches(size, columns)

    def line(self, row: int) -> int:
        """The 1-based line of a row in the file, the header counted (in a frame or Parquet: row + 1)."""
        return self._source.line(row)

    def place(self, row: int) -> str:
        """Where a row stands, for messages: "line 7" of a text file, "row 6" elsewhere."""
        return f"{'line' if isinstance(self._source, CsvFile) else 'row'} {self.line(row)}"


def open_table(source: str | Path) -> Table:
    """The table in a file (.csv .tsv, also .gz; .parquet) or of a built-in name; an existing file wins.

    Raises DataError naming the file, the line and the fix when there is no such file or it can not be read.

    >>> iris = open_table("iris")
    >>> iris.row_count, iris.default_target, iris.columns[:2]
    (150, 'species', ['sepal_length', 'sepal_width'])
    """
    path = Path(source).expanduser()
    if path.is_dir():
        raise DataError(f"{source} is a folder: name the file in it.")
    if path.exists():
        suffixes = path.name.lower()
        if suffixes.endswith(".parquet"):
            return Table(str(source), ParquetSource(path, str(source)), path=path)
        if suffixes.endswith(SUPPORTED):
            return Table(str(source), CsvFile(path, str(source)), path=path)
        raise DataError(
            f"{source}: files of this kind can not be read. Give one that ends in {', '.join(SUPPORTED)} (a "
            "spreadsheet saves as CSV)."
        )
    if str(source) in BUILT_IN:
        file, target = BUILT_IN[str(source)]
        built_in = Path(str(resources.files("pellucid.data") / "builtin" / file))
        return Table(str(source), CsvFile(built_in, str(source)), target, built_in)
    raise DataError(_no_such_file(path))


def _no_such_file(path: Path) -> str:
    folder = path.parent
    there = [p.name for p in folder.iterdir() if p.name.lower().endswith(SUPPORTED)] if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, [*there, *BUILT_IN], n=3, cutoff=0.5)
    message = f"There is no file {path}"
    if not folder.is_dir():
        message += f" (nor a folder {folder})"
    if near:
        shown = [name if name in BUILT_IN else str(folder / name) for name in near]
        message += f"; did you mean {' or '.join(shown)}?"
    else:
        message += "."
    return f"{message} Built-in tables: {', '.join(BUILT_IN)}."


class ParquetSource:
    """A Parquet file, read a batch at a time; its columns keep their types."""

    def __init__(self, path: Path, shown: str) -> None:
        self._shown = shown
        self._scan = pl.scan_parquet(path, glob=False)
        self.notes: list[str] = []
        try:
            self.columns = self._scan.collect_schema().names()
            self._count = int(self._scan.select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{shown} can not be read as Parquet: {str(error).splitlines()[0]}") from error
        if not self._count:
            raise DataError(f"{shown} has {len(self.columns)} columns and no row: nothing to learn from.")

    def batches(self, size: int, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        scan = self._scan if columns is None else self._scan.select([c for c in self.columns if c in set(columns)])
        for first in range(0, self._count, size):
            try:
                yield scan.slice(first, size).collect()
            except (pl.exceptions.PolarsError, OSError) as error:
                raise DataError(
                    f"{self._shown}, rows from {first + 1}: damaged Parquet ({str(error).splitlines()[0]})."
                ) from error

    def row_count(self) -> int:
        return self._count

    def line(self, row: int) -> int:
        return row + 1


class FrameSource:
    """A dataframe in memory, whatever library made it."""

    def __init__(self, frame: Any, shown: str) -> None:
        self.notes: list[str] = []
        try:
            native = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
            self._frame = _as_polars(native)
        except (TypeError, ValueError) as error:
            raise DataError(f"{shown} is not a dataframe that can be read: {str(error).splitlines()[0]}") from error
        self.columns = self._frame.columns
        if not self._frame.height:
            raise DataError(f"{shown} has {len(self.columns)} columns and no row: nothing to learn from.")

    def batches(self, size: int, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        wanted = self.columns if columns is None else [c for c in self.columns if c in set(columns)]
        yield from self._frame.select(wanted).iter_slices(size)

    def row_count(self) -> int:
        return self._frame.height

    def line(self, row: int) -> int:
        return row + 1


def _as_polars(frame: Any) -> pl.DataFrame:
    if isinstance(frame, pl.DataFrame):
        return frame
    eager = nw.from_native(frame, eager_only=True)
    names = [str(name) for name in eager.columns]
    repeated = [name for i, name in enumerate(names) if name in names[:i]]
    if repeated:
        raise ValueError(f'two columns are called "{repeated[0]}": rename one.')
    return pl.DataFrame({name: _series(column) for name, column in zip(names, eager.iter_columns(), strict=True)})


def _series(column: "nw.Series[Any]") -> pl.Series:
    """A narwhals series as polars; mixed Python objects become text, as they would in a CSV."""
    if column.dtype == nw.Object or re.search("object", str(column.dtype), re.I):
        return pl.Series([None if _lacking(value) else str(value) for value in column.to_list()], dtype=pl.String)
    return column.to_polars()


def _lacking(value: object) -> bool:
    return value is None or value != value or type(value).__name__ in ("NAType", "NaTType")
