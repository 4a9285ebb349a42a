"""How a table becomes numbers: learned from its training rows, kept as JSON, applied to any table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pellucid.data.rows import MEMORY_LIMIT, Rows, filling, room
from pellucid.data.split import split
from pellucid.data.tables import learning
from pellucid.data.tables.category import Category
from pellucid.data.tables.cells import UnreadableCells
from pellucid.data.tables.columns import Column, LeftOutLearner, column_from_json
from pellucid.data.tables.kinds import check_kinds, near
from pellucid.data.tables.plain import plain_from_json
from pellucid.data.tables.table import Table
from pellucid.data.tables.target import TargetColumn
from pellucid.data.tables.words import Words
from pellucid.errors import DataError

VERSION = 1


@dataclass(frozen=True)
class Recipe:
    """The columns in file order, the target, and how the rows were split."""

    columns: tuple[Column, ...]
    target: TargetColumn
    seed: int = 0
    validation: float = 0.1
    test: float = 0.15
    rows_left_out: int = 0
    """Rows whose target is missing."""
    notes: list[str] = field(default_factory=list[str])

    @classmethod
    def learn(
        cls,
        table: Table,
        target: str | None = None,
        *,
        task: str | None = None,
        kinds: Mapping[str, str] | None = None,
        missing: str | Sequence[str] = (),
        seed: int = 0,
        validation: float = 0.1,
        test: float = 0.15,
    ) -> "Recipe":
        """The recipe of a table: kinds and task from all rows, every statistic from the training rows alone.

        `kinds` overrules what a column is taken for ("number", "category", "boolean", "moment", "text", "user",
        "item", "leave_out"); a table of ratings (user, item, rating) is told by the names of its columns. `missing`
        adds signs of a missing cell; `validation` and `test` are shares of the rows.
        Raises DataError or UsageError, naming the file, line, column and fix.

        >>> from pellucid.data.tables.table import open_table
        >>> recipe = Recipe.learn(open_table("iris"))
        >>> recipe.target.classes, recipe.width
        (('setosa', 'versicolor', 'virginica'), 4)
        """
        name = learning.choose_target(table, target)
        chosen = dict(kinds or {})
        check_kinds(chosen, table.columns)
        signs = (missing,) if isinstance(missing, str) else tuple(missing)
        surveys = learning.survey(table, name, signs)
        roles = learning.roles_of(surveys, name, chosen, task)
        if roles is not None:
            chosen |= {roles.user: "user", roles.item: "item"}
        asked = task or learning.task_of(chosen, surveys[name])
        answers = learning.read_answers(table, surveys[name], asked)
        found = learning.learners(table, surveys, name, chosen)
        if roles is not None and roles.time and roles.time not in chosen:
            found[roles.time] = LeftOutLearner(roles.time, learning.time_reason(roles))
        training = learning.training_rows(answers, seed, validation, test)
        columns = learning.learn_columns(table, found, training, seed)
        learned = answers.target
        if learned.task == "regression":
            learned = learned.scaled_to(answers.values[training[answers.usable]].astype(np.float64))
        notes = learning.remarks(table, answers, asked, columns, surveys)
        notes += [learning.noticed(roles)] if roles is not None else []
        left_out = int((~answers.usable).sum())
        return cls(columns, learned, seed, validation, test, left_out, notes)

    @cached_property
    def _features(self) -> list[Column]:
        """The columns that become features, in the order of the matrix: words first, codes last, user before item."""
        return sorted((column for column in self.columns if column.width), key=_place)

    @property
    def width(self) -> int:
        """How many numbers a row becomes."""
        return sum(column.width for column in self.columns)

    @property
    def feature_names(self) -> list[str]:
        """What each of them is called, in the order of the matrix."""
        return [name for column in self._features for name in column.feature_names]

    @property
    def embeddings(self) -> list[tuple[int, int, int]]:
        """(feature index, vocabulary, dimension) of each column that is a code, the last features."""
        coded = [column for column in self._features if isinstance(column, Category) and _embedded(column)]
        first = self.width - len(coded)
        return [(first + i, column.vocabulary, column.embedding_dimension) for i, column in enumerate(coded)]

    @property
    def texts(self) -> list[tuple[int, int]]:
        """(length, vocabulary) of each column of words, the first features."""
        return [(column.length, column.vocabulary) for column in self._features if isinstance(column, Words)]

    @property
    def rated(self) -> bool:
        """Whether the last two features are the codes of a user and an item, and the target is an amount."""
        kinds = [column.kind for column in self._features[-2:]]
        return self.target.task == "regression" and kinds == ["user", "item"]

    def describe(self) -> list[str]:
        """A sentence on each column, in file order, and one on the target."""
        return [column.describe() for column in self.columns] + [self.target.describe()]

    def encode(self, data: Any) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """(x, row numbers from 0) of a table or dataframe, batch by batch, every row, for predicting.

        Raises DataError at once where a column is missing, and on the way for a cell that can not be read.
        """
        table = as_table(data)
        names = [column.name for column in self._features]
        absent = [name for name in names if name not in table.columns]
        if absent:
            listed = ", ".join(f'"{name}"' for name in absent[:10]) + (", …" if len(absent) > 10 else "")
            raise DataError(
                f"{table.name} lacks {'columns' if len(absent) > 1 else 'the column'} {listed}, which the "
                "model was trained "
                f"on.{near(absent[0], table.columns)}"
            )
        return ((x, rows) for x, rows, _ in self._encoded(table, names))

    def _encoded(
        self, table: Table, names: list[str]
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64], pl.DataFrame]]:
        row = 0
        # A wide row takes more room as numbers than as cells, so a batch is bounded by both.
        size = max(1, min(50_000, (64 << 20) // (4 * max(self.width, 1))))
        for frame in table.batches(size, columns=names):
            x = np.empty((frame.height, self.width), np.float32)
            first = 0
            for column in self._features:
                with _located(table, row):
                    x[:, first : first + column.width] = column.encode(frame[column.name])
                first += column.width
            yield x, np.arange(row, row + frame.height), frame
            row += frame.height

    def targets(self, data: Any) -> tuple[NDArray[np.float32] | NDArray[np.int32], NDArray[np.int64]]:
        """(y, row numbers) of the rows whose target is there, encoded, to score predictions by.

        Raises DataError, naming line and label, where training did not know a label.
        """
        table = as_table(data)
        name = self.target.name
        if name not in table.columns:
            raise DataError(
                f'{table.name} has no column "{name}", so there is nothing to score by.{near(name, table.columns)}'
            )
        values: list[NDArray[Any]] = []
        rows: list[NDArray[np.int64]] = []
        row = 0
        for frame in table.batches(columns=[name]):
            with _located(table, row):
                y = self.target.encode(frame[name])
            kept = np.flatnonzero(self.target.present(frame[name]))
            values.append(y[kept])
            rows.append(kept + row)
            row += frame.height
        return np.concatenate(values), np.concatenate(rows)

    def rows(self, table: Table, memory_limit: int = MEMORY_LIMIT) -> Rows:
        """The rows that have a target, as numbers, each with its part: for training.

        Above `memory_limit` bytes x lies in a temporary file; `close()` deletes it.
        """
        names = [*(column.name for column in self._features), self.target.name]
        x, folder = room((table.row_count, self.width), memory_limit)
        values: list[NDArray[Any]] = []
        rows: list[NDArray[np.int64]] = []
        filled = 0
        with filling(folder):
            for batch, numbers, frame in self._encoded(table, names):
                cells = frame[self.target.name]
                with _located(table, int(numbers[0])):
                    y = self.target.encode(cells)
                kept = np.flatnonzero(self.target.present(cells))
                x[filled : filled + kept.size] = batch[kept] if kept.size < len(batch) else batch
                filled += kept.size
                values.append(y[kept])
                rows.append(numbers[kept])
        y = np.concatenate(values)
        classes = None if self.target.task == "regression" else y.astype(np.int32)
        part = split(filled, self.seed, self.validation, self.test, classes)
        return Rows(x[:filled], y, part, np.concatenate(rows), folder)

    def notes_for(self, data: Any) -> list[str]:
        """What to know before predicting: columns that are ignored, values that training never saw."""
        table = as_table(data)
        known = {column.name for column in self.columns} | {self.target.name}
        extra = [name for name in table.columns if name not in known]
        found: list[str] = []
        if extra:
            shown = ", ".join(extra[:10]) + (", …" if len(extra) > 10 else "")
            found.append(f"{table.name} has columns that the model was not trained on; they are ignored: {shown}.")
        categories = {c.name: c for c in self.columns if isinstance(c, Category) and c.name in table.columns}
        unseen = dict.fromkeys(categories, 0)
        if categories:
            for frame in table.batches(columns=list(categories)):
                for name, column in categories.items():
                    unseen[name] += column.unseen(frame[name])
        for name, count in unseen.items():
            if count:
                hold = "cells hold" if count > 1 else "cell holds"
                found.append(f"{name}: {count:,} {hold} values that training had not, or too rarely to learn them.")
        return found

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain JSON values; `from_json` gives back an equal one, to the last bit."""
        return {
            "version": VERSION,
            "columns": [column.to_json() for column in self.columns],
            "target": self.target.to_json(),
            "seed": self.seed,
            "validation": self.validation,
            "test": self.test,
            "rows_left_out": self.rows_left_out,
            "notes": self.notes,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Recipe":
        """The recipe that `to_json` wrote. Raises DataError for one of a newer version."""
        if plain.get("version") != VERSION:
            raise DataError(
                f"The recipe has version {plain.get('version')!r}; this pellucid reads version {VERSION}. "
                "Update pellucid."
            )
        return cls(
            tuple(column_from_json(column) for column in plain["columns"]),
            plain_from_json(TargetColumn, plain["target"]),
            int(plain["seed"]),
            float(plain["validation"]),
            float(plain["test"]),
            int(plain["rows_left_out"]),
            [str(note) for note in plain["notes"]],
        )


def as_table(data: Any) -> Table:
    """A table as it is, a dataframe as a table."""
    return data if isinstance(data, Table) else Table.from_frame(data)


def _embedded(column: Column) -> bool:
    return isinstance(column, Category) and column.encoding == "embedding"


def _place(column: Column) -> int:
    """Where among the features a column stands; those of one place keep the order of the file."""
    if isinstance(column, Words):
        return 0
    return {"user": 3, "item": 4}.get(column.kind, 2 if _embedded(column) else 1)


class _located:
    """Words a column's complaint about its cells by where they stand in the table."""

    def __init__(self, table: Table, row: int) -> None:
        self._table, self._row = table, row

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, UnreadableCells):
            listed = ", ".join(f'{self._table.place(self._row + i)} ("{text}")' for i, text in error.found)
            raise DataError(
                f'{self._table.name}, column "{error.column}": expected {error.expected}, found {listed}. '
                "Mend "
                f"{'the cell' if error.count == 1 else 'the cells'} or leave "
                f"{'it' if error.count == 1 else 'them'} empty."
            ) from error
