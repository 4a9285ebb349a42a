"""A column of labels: a place for each value, or, when there are many, a code for an embedding."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pellucid.data.tables.category_name import CategoryName
from pellucid.data.tables.cells import Flags, read_labels
from pellucid.data.tables.plain import Plain

MOST_PLACES = 48
MOST_VALUES = 20_000
MOST_COUNTED = 200_000
OTHER, LACKING = 0, 1


@dataclass(frozen=True)
class Category(Plain):
    """One number a value (1 where the cell has it), or one code for an embedding (0 other, 1 missing)."""

    kind: ClassVar[str] = "category"
    name: str
    values: tuple[str, ...]
    """By falling frequency in the training rows."""
    encoding: str = "one-hot"
    lacking: bool = False
    """Whether a training row lacks it: missing is then a value of its own."""
    other: bool = False
    """Whether training rows hold values too rare for a place of their own."""
    missing: tuple[str, ...] = ()

    @property
    def vocabulary(self) -> int:
        """How many different codes there are, other and missing included."""
        return len(self.values) + 2

    @property
    def embedding_dimension(self) -> int:
        """min(50, round(1.6 vocabulary^0.56)), fastai's rule of thumb."""
        return min(50, round(1.6 * self.vocabulary**0.56))

    @property
    def width(self) -> int:
        """How many numbers a cell becomes."""
        return 1 if self.encoding == "embedding" else len(self.values) + self.lacking + self.other

    @property
    def feature_names(self) -> list[str]:
        """What to call each of them."""
        if self.encoding == "embedding":
            return [CategoryName(self.name, ("other", "missing", *self.values))]
        names = [f"{self.name}={value}" for value in self.values]
        return names + [f"{self.name} missing"] * self.lacking + [f"{self.name}=(other)"] * self.other

    def codes(self, cells: pl.Series) -> NDArray[np.int64]:
        """Each cell's code: 0 other (or never seen), 1 missing, 2 and up the values in order."""
        labels = read_labels(cells, self.missing)
        known = labels.cast(pl.Enum(self.values), strict=False).to_physical().cast(pl.Int64) + 2
        return np.where(labels.is_null().to_numpy(), LACKING, known.fill_null(OTHER).to_numpy())

    def unseen(self, cells: pl.Series) -> int:
        """How many cells hold a value without a place of its own."""
        return int((self.codes(cells) == OTHER).sum())

    def encode(self, cells: pl.Series) -> NDArray[np.float32]:
        """The cells as float32, shape (n, width).

        A value that was never seen, or a gap where training had none, goes to "(other)"; if training had no
        "(other)" either, all places stay 0, since a place that was never 1 in training has learned nothing.
        """
        codes = self.codes(cells)
        if self.encoding == "embedding":
            return codes.astype(np.float32)[:, None]
        places = codes - 2
        if self.lacking:
            places[codes == LACKING] = len(self.values)
        if self.other:
            places[(codes == OTHER) | ((codes == LACKING) & (not self.lacking))] = self.width - 1
        out = np.zeros((codes.size, self.width), np.float32)
        rows = np.flatnonzero(places >= 0)
        out[rows, places[rows]] = 1
        return out

    def describe(self) -> str:
        """How a cell becomes numbers, in one sentence."""
        if self.encoding == "embedding":
            return (
                f"{self.name}: a category of {len(self.values):,} values, a code that the network looks up "
                "in a table of "
                f"{self.vocabulary:,} rows of {self.embedding_dimension} learned numbers (0: rare or never "
                "seen, 1: missing)."
            )
        unseen = '"(other)" for rare or new values' if self.other else "all 0 for a new value"
        gaps = ", a place for missing cells" if self.lacking else ""
        places = f"one place for each of {len(self.values)} values, 1 where it holds"
        return f"{self.name}: a category, {places}{gaps}, {unseen}."


class CategoryLearner:
    """Counts the values of the training rows, in bounded memory."""

    def __init__(self, name: str, missing: tuple[str, ...]) -> None:
        self._name, self._missing = name, missing
        self._counts: dict[str, int] = {}
        self._rows = 0
        self._lacking = False
        self._dropped = False

    def see(self, cells: pl.Series, sampled: Flags) -> None:
        """Takes in cells of training rows."""
        self._rows += sampled.size
        labels = read_labels(cells, self._missing)
        self._lacking |= labels.null_count() > 0
        counted = labels.drop_nulls().value_counts(name="rows")
        for value, rows in counted.iter_rows():
            self._counts[value] = self._counts.get(value, 0) + rows
        if len(self._counts) > MOST_COUNTED:
            # What is still met once after so many values is rare; what is frequent is met again and again.
            floor = sorted(self._counts.values())[-MOST_COUNTED // 2]
            self._counts = {value: rows for value, rows in self._counts.items() if rows > floor}
            self._dropped = True

    def ranked(self) -> list[tuple[str, int]]:
        """The values and their rows, the most frequent first, equally frequent ones by letter."""
        return sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))

    def column(self) -> Category:
        """Values met once in 100 rows or more share "(other)": one row teaches nothing of a value."""
        floor = 2 if self._rows >= 100 else 1
        ranked = self.ranked()
        values = tuple(value for value, rows in ranked if rows >= floor)[:MOST_VALUES]
        return Category(
            self._name,
            values,
            "one-hot" if len(values) <= MOST_PLACES else "embedding",
            self._lacking,
            self._dropped or len(values) < len(ranked),
            self._missing,
        )
