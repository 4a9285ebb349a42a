"""Ratings: which user gave which item how much, as numbers that embeddings take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pellucid.data.split import TEST, split
from pellucid.data.tables.cells import Reals, read_labels, read_numbers
from pellucid.data.tables.datetimes import FORMATS, formats_of, read_moments
from pellucid.data.tables.table import Table, open_table
from pellucid.errors import DataError, UsageError

USER = re.compile(r"(user|customer|reviewer|member|account)(_?(id|name))?", re.I)
ITEM = re.compile(
    r"(item|movie|film|product|book|song|track|artist|game|recipe|business|course|article)(_?id)?|isbn|asin", re.I
)
RATING = re.compile(r"ratings?|score|stars?|user_?rating|overall", re.I)
TIME = re.compile(r"timestamp|time|date|datetime|rated_?at|unix_?(review_?)?time(stamp)?", re.I)
MOST_NAMED = 5


class Roles(NamedTuple):
    """Which column of a table is what; no time: ""."""

    user: str
    item: str
    rating: str
    time: str = ""


def find_roles(columns: Sequence[str]) -> Roles | None:
    """The roles of a table that has a column for user, item and rating each, a time at most, and no other.

    >>> find_roles(["userId", "movieId", "rating", "timestamp"])
    Roles(user='userId', item='movieId', rating='rating', time='timestamp')
    >>> find_roles(["user_id", "rating", "age"])
    """
    found = [[name for name in columns if kind.fullmatch(name)] for kind in (USER, ITEM, RATING, TIME)]
    users, items, ratings, times = found
    if not len(users) == len(items) == len(ratings) == 1 or len(times) > 1 or len(columns) != 3 + len(times):
        return None
    return Roles(users[0], items[0], ratings[0], *times)


@dataclass(frozen=True)
class Ratings:
    """x (n, 2) int32 numbers of user and item, y (n, 1) float32 ratings, and the names behind the numbers.

    User i is called users[i]; len(users) is a number kept for users that are not known, so an Embedding of them has
    input_dim = len(users) + 1; items alike. time: float64 (n,) seconds or whatever the table counts in, or None.

    >>> ratings = Ratings.read(pl.DataFrame({"user": ["ann", "bob", "ann"], "item": [7, 7, 9], "rating": [5, 3, 4]}))
    >>> ratings.x.tolist(), ratings.y.ravel().tolist(), ratings.users, ratings.items, ratings.mean
    ([[0, 0], [1, 0], [0, 1]], [5.0, 3.0, 4.0], ('ann', 'bob'), ('7', '9'), 4.0)
    >>> ratings.encode(["bob", "eve"], [9, 9], unknown="reserved").tolist()
    [[1, 1], [2, 1]]
    """

    x: NDArray[np.int32] = field(repr=False)
    y: NDArray[np.float32] = field(repr=False)
    users: tuple[str, ...] = field(repr=False)
    items: tuple[str, ...] = field(repr=False)
    time: Reals | None = field(default=None, repr=False)

    @classmethod
    def read(
        cls,
        source: str | Path | Any,
        *,
        user: str | None = None,
        item: str | None = None,
        rating: str | None = None,
        time: str | None = None,
        missing: Sequence[str] = (),
    ) -> Ratings:
        """The ratings of a table: a path, a dataframe, or a Table. Read in batches.

        user, item, rating, time: the columns; if not given, those with such a name (userId, movie_id, stars,
        timestamp …). Ids of any kind are taken as text, numbered by first appearance. missing: more signs of a
        missing cell.

        Raises DataError where a column is not there or a cell is missing or no number, naming its place.
        """
        table = source if isinstance(source, Table) else None
        if table is None:
            table = open_table(source) if isinstance(source, str | Path) else Table.from_frame(source)
        roles = Roles(
            _chosen(table, user, USER, "user"),
            _chosen(table, item, ITEM, "item"),
            _chosen(table, rating, RATING, "rating"),
            _chosen(table, time, TIME, "time") if time else _only(table, TIME),
        )
        users, items = Numbered(), Numbered()
        x: list[NDArray[np.int32]] = []
        y: list[Reals] = []
        when: list[Reals] = []
        row = 0
        for frame in table.batches(columns=[name for name in roles if name]):
            place = _Place(table, row, tuple(missing))
            pair = [ids.number(place.labels(frame[name])) for ids, name in ((users, roles.user), (items, roles.item))]
            x.append(np.stack(pair, axis=1))
            y.append(place.numbers(frame[roles.rating]))
            if roles.time:
                when.append(place.times(frame[roles.time]))
            row += frame.height
        return cls(
            np.concatenate(x),
            np.concatenate(y).astype(np.float32)[:, None],
            users.names,
            items.names,
            np.concatenate(when) if when else None,
        )

    def __len__(self) -> int:
        return len(self.x)

    @property
    def mean(self) -> float:
        """The mean of all ratings, what to answer where nothing is known."""
        return float(self.y.mean(dtype=np.float64)) if len(self) else 0.0

    @property
    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many ratings each user gave, (len(users),), and each item got, (len(items),)."""
        users, items = (
            np.bincount(self.x[:, side], minlength=len(names)) for side, names in enumerate((self.users, self.items))
        )
        return users, items

    def split(
        self, test: float = 0.2, seed: int = 0, by: Literal["random", "time"] = "random"
    ) -> tuple[Ratings, Ratings]:
        """(training, test): a share `test` of the rows, at random as the seed has it, or those of the latest time.

        Both keep all users and items. Raises UsageError for a share outside 0 … 1 (1 excluded), or by="time" without
        a time.
        """
        if not 0 <= test < 1 or by not in ("random", "time"):  # pyright: ignore[reportUnnecessaryContains]
            raise UsageError(f"split(test={test!r}, by={by!r}): a share from 0 to below 1, by 'random' or 'time'")
        if by == "random":
            part = split(len(self), seed, 0.0, test) == TEST
        elif self.time is None:
            raise UsageError("split(by='time'): these ratings have no time; read them with time=COLUMN")
        else:
            part = np.zeros(len(self), np.bool_)
            part[np.argsort(self.time, kind="stable")[len(self) - int(len(self) * test + 0.5) :]] = True
        return self._at(~part), self._at(part)

    def _at(self, rows: NDArray[np.bool_]) -> Ratings:
        return replace(self, x=self.x[rows], y=self.y[rows], time=None if self.time is None else self.time[rows])

    def encode(
        self, users: Iterable[Any], items: Iterable[Any], unknown: Literal["raise", "reserved"] = "raise"
    ) -> NDArray[np.int32]:
        """x (n, 2) of users and items by name. What is not known is named in a DataError, or gets the kept number."""
        if unknown not in ("raise", "reserved"):  # pyright: ignore[reportUnnecessaryContains]
            raise UsageError(f"unknown={unknown!r}: 'raise' or 'reserved'")
        sides: list[NDArray[np.int32]] = []
        for what, given, known in (("users", users, self._numbers[0]), ("items", items, self._numbers[1])):
            names = read_labels(pl.Series(list(given), strict=False)).to_list()
            absent = list(dict.fromkeys(str(name) for name in names if name not in known))
            if absent and unknown == "raise":
                shown = ", ".join(absent[:MOST_NAMED]) + (f" and {len(absent) - MOST_NAMED:,} more" * (len(absent) > 5))
                raise DataError(
                    f"{what} that no rating is of: {shown}; unknown='reserved' gives them a number kept for such."
                )
            sides.append(np.asarray([known.get(name, len(known)) for name in names], np.int32))
        if len(sides[0]) != len(sides[1]):
            raise UsageError(f"{len(sides[0]):,} users and {len(sides[1]):,} items: give one of each for a row")
        return np.stack(sides, axis=1)

    @cached_property
    def _numbers(self) -> tuple[dict[str | None, int], dict[str | None, int]]:
        users, items = ({name: i for i, name in enumerate(names)} for names in (self.users, self.items))
        return users, items  # pyright: ignore[reportReturnType]


class Numbered:
    """Names, numbered in the order in which they come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._numbers)

    def number(self, labels: pl.Series) -> NDArray[np.int32]:
        """The number of each; new names get the next ones."""
        for name in labels.unique(maintain_order=True):
            self._numbers.setdefault(name, len(self._numbers))
        return labels.cast(pl.Enum(list(self._numbers))).to_physical().cast(pl.Int32).to_numpy()


@dataclass(frozen=True)
class _Place:
    """Reads cells of a table, and says where one that cannot be read stands."""

    table: Table
    row: int
    missing: tuple[str, ...]

    def labels(self, cells: pl.Series) -> pl.Series:
        labels = read_labels(cells, self.missing)
        self._refuse(cells, labels.is_null().to_numpy(), "an id")
        return labels

    def numbers(self, cells: pl.Series) -> Reals:
        values = read_numbers(cells, self.missing).values
        self._refuse(cells, ~np.isfinite(values), "a number")
        return values

    def times(self, cells: pl.Series) -> Reals:
        """Numbers as they are, dates as seconds since 1970."""
        if cells.dtype.is_temporal():
            moments = read_moments(cells, "", self.missing)[0]
        elif formats := formats_of(read_labels(cells, self.missing).drop_nulls(), FORMATS, self.missing):
            moments = read_moments(cells, formats[0], self.missing)[0]
        else:
            return self.numbers(cells)
        self._refuse(cells, moments.is_null().to_numpy(), "a date")
        return moments.cast(pl.Int64).to_numpy() / 1e6

    def _refuse(self, cells: pl.Series, wrong: NDArray[np.bool_], expected: str) -> None:
        if wrong.any():
            first = int(wrong.argmax())
            count = f" and {int(wrong.sum()) - 1:,} more" if wrong.sum() > 1 else ""
            raise DataError(
                f'{self.table.name}, column "{cells.name}": {self.table.place(self.row + first)} holds '
                f'"{"" if cells[first] is None else cells[first]}"{count}; expected {expected}. Mend it, or take the '
                "row out."
            )


def _chosen(table: Table, name: str | None, pattern: re.Pattern[str], what: str) -> str:
    found = name or _only(table, pattern)
    if found not in table.columns:
        said = f'no column "{name}"' if name else f"not one column with the name of a {what}"
        raise DataError(
            f'{table.name} has {said}: say which, {what}="…". Its columns: {", ".join(table.columns[:20])}.'
        )
    return found


def _only(table: Table, pattern: re.Pattern[str]) -> str:
    found = [name for name in table.columns if pattern.fullmatch(name)]
    return found[0] if len(found) == 1 else ""
