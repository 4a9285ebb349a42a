"""What a column of the table becomes: a number, a category, yes or no, a moment, words, an id, or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pellucid.data.tables.category import Category
from pellucid.data.tables.cells import Flags, read_truths
from pellucid.data.tables.datetimes import Moment
from pellucid.data.tables.members import Item, User
from pellucid.data.tables.numeric import Number, refuse
from pellucid.data.tables.plain import Marked, Plain, plain_from_json
from pellucid.data.tables.words import Words
from pellucid.errors import DataError


@dataclass(frozen=True)
class Boolean(Marked, Plain):
    """1 for true, 0 for false."""

    kind: ClassVar[str] = "boolean"
    name: str
    indicator: bool = False
    missing: tuple[str, ...] = ()

    def encode(self, cells: pl.Series) -> NDArray[np.float32]:
        """The cells as float32, shape (n, width). Raises UnreadableCells."""
        values, unreadable = read_truths(cells, self.missing)
        refuse(self.name, cells, unreadable, "true or false, yes or no, t or f, y or n, 1 or 0")
        lacking = np.isnan(values)
        out = np.where(lacking, 0, values).astype(np.float32)[:, None]
        return np.concatenate([out, lacking.astype(np.float32)[:, None]], axis=1) if self.indicator else out

    def describe(self) -> str:
        """How a cell becomes numbers, in one sentence."""
        gaps = f'; a missing cell is 0 and "{self.name} missing" is then 1' if self.indicator else ""
        return f"{self.name}: yes or no, as 1 or 0{gaps}."


class BooleanLearner:
    """Notes whether a training row lacks the answer."""

    def __init__(self, name: str, missing: tuple[str, ...]) -> None:
        self._name, self._missing, self._lacking = name, missing, False

    def see(self, cells: pl.Series, sampled: Flags) -> None:
        """Takes in cells of training rows."""
        self._lacking |= bool(np.isnan(read_truths(cells, self._missing)[0]).any())

    def column(self) -> Boolean:
        return Boolean(self._name, self._lacking, self._missing)


@dataclass(frozen=True)
class LeftOut(Plain):
    """A column that is not learned from, and why."""

    kind: ClassVar[str] = "leave_out"
    name: str
    reason: str

    @property
    def width(self) -> int:
        """Nothing."""
        return 0

    @property
    def feature_names(self) -> list[str]:
        """None."""
        return []

    def encode(self, cells: pl.Series) -> NDArray[np.float32]:
        """No numbers at all, shape (n, 0)."""
        return np.zeros((len(cells), 0), np.float32)

    def describe(self) -> str:
        """Why it is not used, in one sentence."""
        return f"{self.name}: left out, {self.reason}."


class LeftOutLearner:
    """Learns nothing."""

    def __init__(self, name: str, reason: str) -> None:
        self._column = LeftOut(name, reason)

    def see(self, cells: pl.Series, sampled: Flags) -> None:
        """Passes the cells by."""

    def column(self) -> LeftOut:
        return self._column


Column: TypeAlias = Number | Category | Boolean | Moment | Words | User | Item | LeftOut
KINDS: dict[str, type[Column]] = {kind.kind: kind for kind in get_args(Column)}


class Learner(Protocol):
    """Gathers from the training rows, batch by batch, what a column needs."""

    def see(self, cells: pl.Series, sampled: Flags) -> None: ...

    def column(self) -> Column: ...


def column_from_json(plain: Mapping[str, Any]) -> Column:
    """The column that its `to_json` wrote. Raises DataError for a kind or a field that is not known."""
    kind = KINDS.get(str(plain.get("kind")))
    if kind is None:
        raise DataError(
            f"A recipe has a column of kind {plain.get('kind')!r}, which this pellucid does not know: update it."
        )
    return plain_from_json(kind, plain)
