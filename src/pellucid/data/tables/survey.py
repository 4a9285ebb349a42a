"""What a column holds, gathered over the whole file in one pass: the ground on which its kind is decided."""

import numpy as np
import polars as pl

from pellucid.data.tables.cells import (
    FALSE,
    TRUE,
    Numbers,
    read_labels,
    read_numbers,
    votes_for_decimal_comma,
)
from pellucid.data.tables.datetimes import FORMATS, formats_of
from pellucid.data.tables.statistics import Distinct
from pellucid.data.text import UNSPACED

SHOWN = 5
WORD_ENDS = rf"\s+|[{UNSPACED}]"


class ColumnSurvey:
    """One column's facts; `see` takes its cells batch by batch."""

    def __init__(self, name: str, missing: tuple[str, ...], count_numbers: bool) -> None:
        """`count_numbers`: also count the different numbers, which costs a hash a cell."""
        self.name, self.missing = name, missing
        self.typed = ""
        self.rows = self.lacking = self.numbers = self.texts = 0
        self.lowest, self.highest = np.inf, -np.inf
        self.whole = True
        self.consecutive = True
        self._last = np.nan
        self.infinite: list[tuple[int, str]] = []
        self.unreadable: list[tuple[int, str]] = []
        self.dressed = ""
        self.decimal_comma = False
        self.truths = 0
        self.words = self.letters = 0
        self.formats = FORMATS
        self.labels = Distinct()
        self.values = Distinct() if count_numbers else None

    def see(self, cells: pl.Series, row: int) -> None:
        """Takes in a batch of cells whose first is row number `row` of the file."""
        self.rows += len(cells)
        kind = cells.dtype
        if kind.is_nested() or kind == pl.Binary or kind == pl.Object:
            self.typed = "nested"
        elif kind == pl.Boolean or (kind.is_temporal() and kind != pl.Duration):
            self.typed = "boolean" if kind == pl.Boolean else "moment"
            self.lacking += cells.null_count()
            self.labels.add(cells.drop_nulls())
        elif kind == pl.Categorical or kind == pl.Enum:
            self.typed = "text"
            self._see_text(read_labels(cells, self.missing), row)
        elif kind == pl.Null:
            self.lacking += len(cells)
        elif kind == pl.String and self.texts > max(1000, 0.5 * (self.rows - len(cells))):
            # So much text is no column of numbers, and looking for numbers in text is slow.
            self._see_text(read_labels(cells, self.missing), row)
        else:
            self._see_numbers(cells, row)

    def _see_numbers(self, cells: pl.Series, row: int) -> None:
        read = read_numbers(cells, self.missing, self.decimal_comma)
        if cells.dtype == pl.String and (read.dressed or read.unreadable.any()) and not self.decimal_comma:
            decimal, thousands = votes_for_decimal_comma(cells)
            if decimal and not thousands:
                self.decimal_comma = True
                read = read_numbers(cells, self.missing, True)
        self.dressed = self.dressed or read.dressed
        self._see_values(cells, read, row)
        if read.unreadable.any():
            self._see_text(read_labels(cells, self.missing).set(pl.Series(~read.unreadable), None), row)
            self.lacking -= int((~read.unreadable).sum())

    def _see_values(self, cells: pl.Series, read: Numbers, row: int) -> None:
        lacking = read.lacking
        self.lacking += int(lacking.sum())
        values = read.values
        if lacking.any() or read.unreadable.any():
            self.consecutive = False
            values = values[~np.isnan(values)]
        self.numbers += values.size
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        self.lowest, self.highest = min(self.lowest, low), max(self.highest, high)
        if np.isinf(low) or np.isinf(high):
            places = np.flatnonzero(np.isinf(read.values))[: SHOWN - len(self.infinite)]
            self.infinite += [(row + int(i), str(cells[int(i)])) for i in places]
            return
        self.whole = self.whole and bool((values == np.rint(values)).all())
        if self.consecutive:
            steps = np.diff(values) == 1
            self.consecutive = bool(steps.all()) and (np.isnan(self._last) or values[0] == self._last + 1)
            self._last = float(values[-1])
        if self.values is not None:
            self.values.add(pl.Series(values))

    def _see_text(self, labels: pl.Series, row: int) -> None:
        """Takes in text that is no number; null is missing."""
        self.lacking += labels.null_count()
        if len(self.unreadable) < SHOWN:
            places = labels.is_not_null().arg_true()[: SHOWN - len(self.unreadable)].to_list()
            self.unreadable += [(row + i, str(labels[i])) for i in places]
        text = labels.drop_nulls()
        self.texts += text.len()
        self.labels.add(text)
        self.truths += int(text.str.to_lowercase().is_in([*TRUE, *FALSE]).sum())
        self.letters += int(text.str.len_chars().sum())
        self.words += int((text.str.count_matches(WORD_ENDS) + 1).sum())
        if self.formats and text.len():
            self.formats = formats_of(text, self.formats, self.missing)

    @property
    def present(self) -> int:
        """How many cells hold something."""
        return self.rows - self.lacking

    @property
    def constant(self) -> bool:
        """Whether all cells that hold something hold the same."""
        if self.typed in ("boolean", "moment") or not self.numbers:
            return self.labels.count <= 1
        return not self.texts and self.lowest == self.highest

    @property
    def nearly_numbers(self) -> bool:
        """Whether a few cells only stand between this column and numbers: at most 3, or 0.5 %."""
        few = self.texts <= 3 or self.texts <= 0.005 * self.present
        return bool(self.texts) and few and self.numbers >= 4 * self.texts and self.typed != "text"
