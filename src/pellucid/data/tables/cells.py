"""What the cells of a column say: numbers, labels, yes or no, moments in time, or nothing at all.

A CSV's cells are text and a frame's are typed; both are read here, by one set of rules, so that a model
trained on the one can predict from the other.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pellucid.errors import DataError

Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]

MISSING = (
    "",
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "<NA>",
    "NaN",
    "nan",
    "NAN",
    "null",
    "NULL",
    "Null",
    "None",
    "?",
    "-",
)
TRUE, FALSE = ("true", "yes", "t", "y"), ("false", "no", "f", "n")
CURRENCY = "[$€£¥]"
THOUSANDS_COMMA = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+"
THOUSANDS_POINT = r"(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d*)?|,\d+"
DECIMAL_COMMA = r"^[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+$"


class UnreadableCells(DataError):
    """Cells that a column can not take, by their position among the cells given; `place` words them."""

    def __init__(self, column: str, expected: str, found: list[tuple[int, str]], count: int) -> None:
        self.column, self.expected, self.found, self.count = column, expected, found, count
        listed = ", ".join(f'cell {i + 1} ("{text}")' for i, text in found)
        super().__init__(f'Column "{column}": {listed}: expected {expected}.')


@dataclass(frozen=True)
class Numbers:
    """A column read as numbers: NaN where a cell is missing or unreadable; and how it was written."""

    values: Reals
    unreadable: Flags
    dressed: str

    @property
    def lacking(self) -> Flags:
        """Where a cell holds nothing."""
        return np.isnan(self.values) & ~self.unreadable


def missing_mask(text: pl.Series, missing: tuple[str, ...]) -> pl.Series:
    """Where stripped text is null or one of the usual or given signs of a missing cell."""
    return text.is_null() | text.is_in([*MISSING, *missing])


def read_labels(cells: pl.Series, missing: tuple[str, ...] = ()) -> pl.Series:
    """Each cell as stripped text, null where missing; 3.0 is "3" and true is "true", as in a CSV."""
    if cells.dtype == pl.String:
        text = cells.str.strip_chars()
    elif cells.dtype.is_float():
        whole = cells.is_finite().fill_null(False) & (cells == cells.round(0)) & (cells.abs() < 2**53)
        integers = cells.cast(pl.Int64, strict=False).cast(pl.String)
        text = cells.fill_nan(None).cast(pl.String)
        text = text.zip_with(~whole.fill_null(False), integers)
    else:
        text = cells.cast(pl.String, strict=False).str.strip_chars()
    return text.set(missing_mask(text, missing), None)


def read_numbers(cells: pl.Series, missing: tuple[str, ...] = (), decimal_comma: bool = False) -> Numbers:
    """Each cell as a number. "1,234.5", "12 %", " 7 " and "$3" are read, and `dressed` says which."""
    kind = cells.dtype
    if kind == pl.String:
        return _from_text(cells, missing, decimal_comma)
    if kind == pl.Duration:
        cells = cells.dt.total_microseconds() / 1e6
    values = cells.cast(pl.Float64, strict=False).to_numpy(writable=True)
    given = [float(m) for m in missing if _is_number(m)]
    if given:
        values[np.isin(values, given)] = np.nan
    unreadable = np.isnan(values) & cells.is_not_null().to_numpy()
    if kind.is_float() or given:
        unreadable[:] = False
    return Numbers(values, unreadable, "")


def _from_text(cells: pl.Series, missing: tuple[str, ...], decimal_comma: bool) -> Numbers:
    if missing:
        cells = cells.set(cells.str.strip_chars().is_in(missing), None)
    plain = cells.cast(pl.Float64, strict=False)
    values = plain.to_numpy(writable=True)
    unreadable = np.zeros(values.size, np.bool_)
    dressed = ""
    if not decimal_comma and plain.null_count() == cells.null_count():
        return Numbers(values, unreadable, dressed)
    hard = cells.is_not_null() if decimal_comma else plain.is_null() & cells.is_not_null()
    positions = hard.arg_true()
    if positions.len():
        text = cells.gather(positions).str.strip_chars()
        apart = text.str.contains(r"\d\s+\d") & ~text.str.contains(r"^\D*\d{1,3}(\s\d{3})+([.,]\d+)?\D*$")
        bare = text.set(apart, "x").str.replace_all("−", "-").str.replace_all(r"\s", "")
        body = bare.str.replace(f"^([+-]?){CURRENCY}([+-]?)", "$1$2").str.replace(f"(?:%|{CURRENCY})$", "")
        body = _undress(body, decimal_comma)
        read = body.cast(pl.Float64, strict=False)
        absent = missing_mask(text, ())
        values[positions.to_numpy()] = read.set(absent, None).to_numpy()
        unreadable[positions.to_numpy()] = (read.is_null() & ~absent).to_numpy()
        dressed = _dress(text.filter(read.is_not_null()), decimal_comma)
    return Numbers(values, unreadable, dressed)


def _undress(body: pl.Series, decimal_comma: bool) -> pl.Series:
    """Numbers with their commas (or points) between thousands taken out; other text is left to fail."""
    if decimal_comma:
        grouped = body.str.contains(f"^[+-]?(?:{THOUSANDS_POINT})(?:[eE][+-]?\\d+)?$") & body.str.contains(
            r",|^[+-]?\d{1,3}(?:\.\d{3})+$"
        )
        return body.zip_with(~grouped, body.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True))
    grouped = body.str.contains(f"^[+-]?(?:{THOUSANDS_COMMA})(?:[eE][+-]?\\d+)?$")
    return body.zip_with(~grouped, body.str.replace_all(",", "", literal=True))


def _dress(text: pl.Series, decimal_comma: bool) -> str:
    """In words, what the numbers wear beyond digits: at most one example of each."""
    words: list[str] = []
    for pattern, meaning in ((r"%", "as its number of percent"), (CURRENCY, "without its currency sign")):
        worn = text.filter(text.str.contains(pattern))
        if worn.len():
            words.append(f'"{worn[0]}" {meaning}')
    commas = text.filter(text.str.contains(",") & ~text.str.contains(f"%|{CURRENCY}"))
    if commas.len():
        words.append(f'"{commas[0]}" with a comma {"before the decimals" if decimal_comma else "between thousands"}')
    return ", ".join(words)


def votes_for_decimal_comma(cells: pl.Series) -> tuple[int, int]:
    """How many cells can only be read with a comma before the decimals, and how many only without."""
    text = cells.str.strip_chars()
    commas = text.filter(text.str.contains(",").fill_null(False))
    thousands = commas.str.contains(r"^\D{0,3}\d{1,3}(,\d{3})+(\.\d+)?\D{0,3}$")
    decimal = commas.str.contains(DECIMAL_COMMA)
    return int((decimal & ~thousands).sum()), int((thousands & ~decimal).sum())


def read_truths(cells: pl.Series, missing: tuple[str, ...] = ()) -> tuple[Reals, Flags]:
    """Each cell as 1 (true, yes, t, y, 1) or 0 (false, no, f, n, 0), NaN where missing; and the others."""
    if cells.dtype == pl.Boolean:
        return cells.cast(pl.Float64).to_numpy(), np.zeros(len(cells), np.bool_)
    text = read_labels(cells, missing).str.to_lowercase()
    true, false = text.is_in([*TRUE, "1", "1.0"]), text.is_in([*FALSE, "0", "0.0"])
    values = np.where(true.fill_null(False).to_numpy(), 1.0, np.where(false.fill_null(False).to_numpy(), 0.0, np.nan))
    return values, np.isnan(values) & text.is_not_null().to_numpy()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
