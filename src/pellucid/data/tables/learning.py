"""From a table to a recipe, in three passes: over all columns, over the target, over the training rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pellucid.autodiff.random import bits
from pellucid.data.split import TRAINING, split
from pellucid.data.tables.cells import Flags, Reals
from pellucid.data.tables.columns import Column, Learner, LeftOutLearner
from pellucid.data.tables.datetimes import Moment, also_read_as
from pellucid.data.tables.kinds import is_row_number, learner_for, looks_like_identifier, near, row_number_reason
from pellucid.data.tables.numeric import Number
from pellucid.data.tables.ratings import Roles, find_roles
from pellucid.data.tables.survey import ColumnSurvey
from pellucid.data.tables.table import Table
from pellucid.data.tables.target import LACKING, TargetColumn, infer_target, with_classes
from pellucid.errors import DataError

SAMPLE_ROWS = 20_000
SAMPLE_CELLS = 50_000_000
FEWEST_ROWS = 5


def choose_target(table: Table, target: str | None) -> str:
    """The target's name. Raises DataError where there is none, or no such column."""
    name = target or table.default_target
    if name is None:
        raise DataError(
            f"{table.name}: say which column to predict, --target COLUMN (in Python target=…).{near('', table.columns)}"
        )
    if name not in table.columns:
        raise DataError(f'{table.name} has no column "{name}" to predict.{near(name, table.columns)}')
    return name


def survey(table: Table, target: str, missing: tuple[str, ...]) -> dict[str, ColumnSurvey]:
    """What each column holds, over the whole table."""
    surveys = {
        name: ColumnSurvey(name, missing, count_numbers=name == target or looks_like_identifier(name))
        for name in table.columns
    }
    row = 0
    for frame in table.batches():
        for cells in frame.iter_columns():
            surveys[cells.name].see(cells, row)
        row += frame.height
    return surveys


def roles_of(
    surveys: Mapping[str, ColumnSurvey], target: str, chosen: Mapping[str, str], task: str | None
) -> Roles | None:
    """What is user and item in a table of ratings whose rating is to be told, unless something else was asked."""
    roles = find_roles(list(surveys))
    if roles is None or target != roles.rating or task not in (None, "regression"):
        return None
    about = surveys[target]
    other = any(chosen.get(name, kind) != kind for name, kind in ((roles.user, "user"), (roles.item, "item")))
    return None if other or about.texts or not about.numbers or chosen.get(target) == "category" else roles


def task_of(chosen: Mapping[str, str], about: ColumnSurvey) -> str | None:
    """The task that the kinds asked for imply: of ratings, which are often few whole numbers, amounts."""
    if about.name in chosen:
        return {"number": "regression", "category": "multiclass"}.get(chosen[about.name])
    rated = {"user", "item"} <= set(chosen.values()) and about.numbers and not about.texts
    return "regression" if rated else None


def noticed(roles: Roles) -> str:
    """A note that a table is taken for ratings."""
    return (
        f"These are ratings: each {roles.user} and each {roles.item} is given a bias and a vector, and {roles.rating} "
        f"is told from those; --kind {roles.user}=category treats the table as any other."
    )


def time_reason(roles: Roles) -> str:
    """Why the time of a rating is left out."""
    return f"a rating is told without its time (keep it with --kind {roles.time}=number)"


@dataclass(frozen=True)
class Answers:
    """The target of every row: which rows have one, and, of those, the class number or the amount."""

    target: TargetColumn
    usable: Flags
    values: NDArray[np.int32] | Reals


def read_answers(table: Table, about: ColumnSurvey, task: str | None) -> Answers:
    """The target column, its task and classes, and its value in every row that has one."""
    target = infer_target(about, table, task)
    frames = (frame[target.name] for frame in table.batches(columns=[target.name]))
    if target.task == "regression":
        amounts = np.concatenate([np.asarray(target.read(cells), np.float64) for cells in frames])
        usable = ~np.isnan(amounts)
        answers = Answers(target, usable, amounts[usable])
    else:
        codes, labels = _number_labels(target, frames)
        usable = codes != LACKING
        counts = np.bincount(codes[usable], minlength=len(labels))
        target = with_classes(target, dict(zip(labels, counts.tolist(), strict=True)), table, task)
        rank = {label: i for i, label in enumerate(target.classes)}
        places = np.asarray([rank[label] for label in labels], np.int32)
        answers = Answers(target, usable, places[codes[usable]])
    if answers.values.size < FEWEST_ROWS:
        raise DataError(
            f'{table.name}: {answers.values.size} rows have a "{target.name}"; at least {FEWEST_ROWS} are '
            "needed to learn."
        )
    return answers


def _number_labels(target: TargetColumn, columns: Iterable[pl.Series]) -> tuple[NDArray[np.int32], list[str]]:
    """Each row's label as a number in order of appearance (-1 missing), and the labels."""
    seen: dict[str, int] = {}
    codes: list[NDArray[np.int32]] = []
    for cells in columns:
        labels = target.labels(cells)
        for label in labels.drop_nulls().unique(maintain_order=True):
            seen.setdefault(label, len(seen))
        codes.append(labels.cast(pl.Enum(list(seen))).to_physical().cast(pl.Int32).fill_null(LACKING).to_numpy())
    return np.concatenate(codes), list(seen)


def learners(
    table: Table, surveys: Mapping[str, ColumnSurvey], target: str, kinds: Mapping[str, str]
) -> dict[str, Learner]:
    """What will learn each column but the target. Raises DataError where nothing usable is left."""
    found = {name: learner_for(about, table, kinds.get(name)) for name, about in surveys.items() if name != target}
    counting = [name for name in found if name not in kinds and is_row_number(surveys[name])]
    used = [name for name, learner in found.items() if not isinstance(learner, LeftOutLearner)]
    if len(used) > len(counting):
        found.update({name: LeftOutLearner(name, row_number_reason(surveys[name])) for name in counting})
    if not used:
        reasons = " ".join(learner.column().describe() for learner in list(found.values())[:5])
        raise DataError(f'{table.name}: no column is left to predict "{target}" from. {reasons}'.rstrip())
    return found


def learn_columns(table: Table, learning: Mapping[str, Learner], training: Flags, seed: int) -> tuple[Column, ...]:
    """The columns as learned from the training rows, and from no other."""
    sampled = _sample(training, seed, len(learning))
    names = [name for name, learner in learning.items() if not isinstance(learner, LeftOutLearner)]
    row = 0
    for frame in table.batches(columns=names):
        here = slice(row, row + frame.height)
        row += frame.height
        wanted = training[here]
        if wanted.any():
            kept = frame.filter(pl.Series(wanted))
            for cells in kept.iter_columns():
                learning[cells.name].see(cells, sampled[here][wanted])
    return tuple(learner.column() for learner in learning.values())


def _sample(training: Flags, seed: int, columns: int) -> Flags:
    """At most 20,000 of the training rows, at random, for medians and the like."""
    most = max(1000, min(SAMPLE_ROWS, SAMPLE_CELLS // max(columns, 1)))
    rows = np.flatnonzero(training)
    if rows.size <= most:
        return training
    keys = bits(seed, "sample", count=training.size)[rows]
    sampled = np.zeros_like(training)
    sampled[rows[np.argpartition(keys, most)[:most]]] = True
    return sampled


def training_rows(answers: Answers, seed: int, validation: float, test: float) -> Flags:
    """Which rows of the table are training rows."""
    classes = None if answers.target.task == "regression" else np.asarray(answers.values, np.int32)
    part = split(answers.values.size, seed, validation, test, classes)
    training = np.zeros(answers.usable.size, np.bool_)
    training[np.flatnonzero(answers.usable)[part == TRAINING]] = True
    return training


def remarks(
    table: Table,
    answers: Answers,
    asked: str | None,
    columns: Sequence[Column],
    surveys: Mapping[str, ColumnSurvey],
) -> list[str]:
    """What a person should know of how the table was understood."""
    target, found = answers.target, table.notes
    absent = int((~answers.usable).sum())
    if absent:
        found.append(
            f'{absent:,} of {answers.usable.size:,} rows are left out because their "{target.name}" is missing.'
        )
    for column in columns:
        if column.kind == "leave_out":
            found.append(column.describe())
        elif isinstance(column, Number) and column.dressed:
            found.append(f"{column.name}: {column.dressed} was read as a number.")
        elif isinstance(column, Moment) and (other := also_read_as(surveys[column.name].formats)):
            found.append(
                f"{column.name}: its dates fit {column.format} and {other} alike and were read by the first; "
                "write them as 2024-12-31 to be sure."
            )
    if target.task == "regression":
        return found
    if target.numbers and asked is None:
        found.append(
            f'"{target.name}" holds {len(target.classes)} different whole numbers and was taken as classes; '
            "if they are "
            "amounts, choose --task regression."
        )
    counts = np.bincount(answers.values.astype(np.int64), minlength=len(target.classes))
    single = [label for label, rows in zip(target.classes, counts, strict=True) if rows == 1]
    if single:
        shown = ", ".join(single[:10]) + (", …" if len(single) > 10 else "")
        found.append(f"Only one row each is of class {shown}: it trains, and no row is left to test that class by.")
    found += target.unbalanced(counts, "rows")
    return found
