"""The column to predict: classes, or an amount and its unit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pellucid.data.tables.cells import Flags, Reals, read_labels, read_numbers
from pellucid.data.tables.numeric import refuse
from pellucid.data.tables.plain import Plain
from pellucid.data.tables.statistics import Spread
from pellucid.data.tables.survey import ColumnSurvey
from pellucid.data.tables.table import Table
from pellucid.errors import DataError, UsageError

TASKS = ("regression", "binary", "multiclass")
MOST_CLASSES = 10_000
MOST_WHOLE_NUMBERS = 20
UNBALANCED = 10
LACKING, UNKNOWN = -1, -2


@dataclass(frozen=True)
class TargetColumn(Plain):
    """What the network answers: a class number, or (value - mean) / scale."""

    kind: ClassVar[str] = "target"
    name: str
    task: str
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0
    numbers: bool = False
    """Whether the labels are numbers, so that "1" and "1.0" are the same class."""
    decimal_comma: bool = False
    missing: tuple[str, ...] = ()

    def read(self, cells: pl.Series) -> Reals | NDArray[np.int32]:
        """Each cell as a value in its own unit (NaN: missing), or as a class (-1: missing, -2: not known)."""
        if self.task == "regression":
            return self._amounts(cells)
        labels = self.labels(cells)
        known = labels.cast(pl.Enum(self.classes), strict=False).to_physical().cast(pl.Int32).fill_null(UNKNOWN)
        return np.where(labels.is_null().to_numpy(), LACKING, known.to_numpy()).astype(np.int32)

    def labels(self, cells: pl.Series) -> pl.Series:
        """Each cell as the text of its class, null where missing."""
        if self.numbers:
            cells = pl.Series(cells.name, self._amounts(cells))
        return read_labels(cells, self.missing)

    def _amounts(self, cells: pl.Series) -> Reals:
        read = read_numbers(cells, self.missing, self.decimal_comma)
        refuse(self.name, cells, read.unreadable, "a number")
        refuse(self.name, cells, np.isinf(read.values), "a finite number")
        return read.values

    def present(self, cells: pl.Series) -> Flags:
        """Which cells hold an answer."""
        read = self.read(cells)
        return ~np.isnan(read) if self.task == "regression" else read != LACKING

    def encode(self, cells: pl.Series) -> NDArray[np.float32] | NDArray[np.int32]:
        """What the network should answer: float32 in units of the scale, or int32 class numbers; shape (n,).

        NaN or -1 where missing. Raises UnreadableCells for a label that training did not have.
        """
        read = self.read(cells)
        if self.task == "regression":
            return ((read - self.mean) / self.scale).astype(np.float32)
        shown = ", ".join(self.classes[:20]) + (", …" if len(self.classes) > 20 else "")
        refuse(self.name, cells, read == UNKNOWN, f"a class that training had ({shown})")
        return read.astype(np.int32)

    def unbalanced(self, counts: NDArray[Any], things: str) -> list[str]:
        """A sentence where the rarest class has fewer than a tenth of the commonest; counts: how many of each."""
        if counts.min() * UNBALANCED >= counts.max():
            return []
        rare, common = self.classes[int(counts.argmin())], self.classes[int(counts.argmax())]
        return [
            f"The classes are unbalanced: {common} has {counts.max():,} {things}, {rare} {counts.min():,}; always "
            f"answering {common} would be right {counts.max() / counts.sum():.1%} of the time."
        ]

    def decode(self, predictions: NDArray[Any]) -> NDArray[Any]:
        """Amounts back in their own unit as float64; or class numbers as their labels."""
        if self.task == "regression":
            return np.asarray(predictions, np.float64) * self.scale + self.mean
        return np.asarray(self.classes)[np.asarray(predictions).astype(np.int64)]

    def as_learned(self, y: NDArray[Any]) -> NDArray[Any]:
        """Targets in the shape that the loss takes: a column, or class numbers."""
        return y if self.task == "multiclass" else y.astype("float32").reshape(-1, 1)

    def scaled_to(self, values: Reals) -> "TargetColumn":
        """The same target, standardised by the mean and spread of these values."""
        spread = Spread()
        spread.add(values)
        return replace(self, mean=spread.mean, scale=spread.scale)

    def describe(self) -> str:
        """What is predicted, in one sentence."""
        if self.task == "regression":
            unit = f"its distance from {self.mean:.6g} in units of {self.scale:.6g}"
            return f"{self.name}: an amount, learned as {unit}."
        shown = ", ".join(self.classes[:10]) + (", …" if len(self.classes) > 10 else "")
        return f"{self.name}: one of {len(self.classes)} classes ({shown})."


def infer_target(survey: ColumnSurvey, table: Table, task: str | None) -> TargetColumn:
    """The target before its classes and scale are known: its task, and how its cells are read."""
    name = survey.name
    if task is not None and task not in TASKS:
        raise UsageError(f'There is no task "{task}": choose one of {", ".join(TASKS)}.')
    where = f'{table.name}, target "{name}"'
    if survey.typed in ("nested", "moment"):
        raise DataError(
            f"{where} holds {'dates' if survey.typed == 'moment' else 'nested cells'}: predict a number or a label."
        )
    if not survey.present:
        raise DataError(f"{where}: every cell is missing, so there is nothing to learn from.")
    if survey.constant:
        raise DataError(f"{where} is the same in every row ({_example(survey)}): there is nothing to tell apart.")
    numbers = bool(survey.numbers) and not survey.texts and not survey.typed
    if task is None:
        if survey.nearly_numbers:
            raise DataError(_spoiled(survey, table))
        task = "regression" if numbers and not _few_whole_numbers(survey) else "multiclass"
    if task == "regression" and not numbers:
        raise DataError(_spoiled(survey, table))
    if numbers and survey.infinite:
        listed = ", ".join(f'{table.place(row)} ("{text}")' for row, text in survey.infinite)
        raise DataError(f"{where}: infinite at {listed}. Mend these cells, or count them as missing with --missing.")
    return TargetColumn(name, task, numbers=numbers, decimal_comma=survey.decimal_comma, missing=survey.missing)


def _few_whole_numbers(survey: ColumnSurvey) -> bool:
    """Whether whole numbers look like classes: at most 20, from 0 up, nearly all in use, and often."""
    different = survey.values.count if survey.values is not None else 0
    dense = survey.highest - survey.lowest + 1 <= 1.5 * different
    often = survey.numbers >= 3 * different
    return (
        survey.whole
        and survey.lowest >= 0
        and survey.highest <= 50
        and different <= MOST_WHOLE_NUMBERS
        and dense
        and often
    )


def _example(survey: ColumnSurvey) -> str:
    return (
        f'"{survey.unreadable[0][1]}"' if survey.unreadable else f"{survey.lowest:g}" if survey.numbers else "one value"
    )


def _spoiled(survey: ColumnSurvey, table: Table) -> str:
    listed = ", ".join(f'{table.place(row)} ("{text}")' for row, text in survey.unreadable) or "no cell is one"
    return (
        f'{table.name}, target "{survey.name}": {survey.numbers:,} of {survey.present:,} cells are numbers; '
        f"not: {listed}. "
        "Mend the cells, or count them as missing with --missing TEXT, or predict classes with --task "
        "multiclass."
    )


def with_classes(target: TargetColumn, counts: Mapping[str, int], table: Table, asked: str | None) -> TargetColumn:
    """The target with its classes in order: numbers by size, text by letter."""
    rows = sum(counts.values())
    where = f'{table.name}, target "{target.name}"'
    if len(counts) < 2:
        raise DataError(f"{where} has only one class ({', '.join(counts)}): there is nothing to tell apart.")
    if len(counts) > MOST_CLASSES or (rows >= 10 and len(counts) > 0.9 * rows):
        raise DataError(
            f"{where} has {len(counts):,} different values in {rows:,} rows: an identifier, not classes. "
            "Choose another "
            "target, or --task regression if they are amounts."
        )
    if asked == "binary" and len(counts) != 2:
        raise DataError(f"{where} has {len(counts)} classes; a binary task has 2. Use --task multiclass.")
    classes = sorted(counts, key=(lambda label: (float(label), label)) if target.numbers else str)
    task = asked or ("binary" if len(classes) == 2 else "multiclass")
    return replace(target, classes=tuple(classes), task=task)
