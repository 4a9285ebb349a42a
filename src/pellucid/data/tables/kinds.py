"""Which kind each column is of: decided by its survey, or by the person."""

import difflib
import re
from collections.abc import Mapping

from pellucid.data.tables.category import CategoryLearner
from pellucid.data.tables.columns import KINDS, BooleanLearner, Learner, LeftOutLearner
from pellucid.data.tables.datetimes import FORMATS, MomentLearner
from pellucid.data.tables.members import Item, MemberLearner, User
from pellucid.data.tables.numeric import NumberLearner
from pellucid.data.tables.survey import ColumnSurvey
from pellucid.data.tables.table import Table
from pellucid.data.tables.words import WordsLearner, can_read
from pellucid.errors import DataError, UsageError

INSTALL = 'pip install "pellucid[text]"'
CAMEL_ID = re.compile(r"[a-z]I[dD]$")
FEWEST_FOR_IDENTIFIER = 10
FEWEST_WORDS = 5
"""Words of a cell, on average, from which on a column holds sentences; names and titles mostly have fewer."""


def looks_like_identifier(name: str) -> bool:
    """Whether a name is one that tables give to row numbers and keys: id, user_id, PassengerId, index, …"""
    return bool(
        re.search(r"(^|[_\s.-])(id|uid|uuid|guid|key|index|idx|row|nr|no)$", name, re.I) or CAMEL_ID.search(name)
    )


def check_kinds(kinds: Mapping[str, str], columns: list[str]) -> None:
    """Raises UsageError for an override of an unknown column or to an unknown kind."""
    for name, kind in kinds.items():
        if name not in columns:
            raise UsageError(f'kinds names a column "{name}" that the table has not.{near(name, columns)}')
        if kind not in KINDS:
            raise UsageError(f'Column "{name}" can not be of kind "{kind}": choose one of {", ".join(KINDS)}.')


def near(name: str, columns: list[str]) -> str:
    """A sentence with the nearest names, then the names there are."""
    found = difflib.get_close_matches(name, columns, n=3, cutoff=0.6)
    lower = [column for column in columns if column.lower() == name.lower()]
    guess = f" Did you mean {' or '.join(dict.fromkeys([*lower, *found]))}?" if found or lower else ""
    shown = ", ".join(columns[:20]) + (f", … ({len(columns)} in all)" if len(columns) > 20 else "")
    return f"{guess} Its columns: {shown}."


def learner_for(survey: ColumnSurvey, table: Table, kind: str | None) -> Learner:
    """What will learn the column: of the kind that the person names, or that the survey says."""
    name, missing = survey.name, survey.missing
    reason = "as asked" if kind == "leave_out" else ""
    if kind is None:
        kind, reason = infer(survey, table)
    if kind == "number":
        refuse_infinite(survey, table)
        if survey.typed in ("moment", "nested", "text") or survey.texts:
            raise DataError(_not_numbers(survey, table))
        return NumberLearner(name, missing, survey.decimal_comma, survey.dressed)
    if kind == "category":
        return CategoryLearner(name, missing)
    if kind == "boolean":
        return BooleanLearner(name, missing)
    if kind == "moment":
        return MomentLearner(name, missing, _format(survey, table))
    if kind == "text":
        if not can_read():
            raise UsageError(f'Column "{name}" is text, which the tokenizers library reads: {INSTALL}.')
        return WordsLearner(name, missing)
    if kind in ("user", "item"):
        return MemberLearner(name, missing, User if kind == "user" else Item)
    return LeftOutLearner(name, reason)


def infer(survey: ColumnSurvey, table: Table) -> tuple[str, str]:
    """The kind of a column and, where it is left out, the reason."""
    if survey.typed == "nested":
        return "leave_out", "its cells are lists, structures or bytes"
    if not survey.present:
        return "leave_out", "every cell is missing"
    if survey.nearly_numbers:
        raise DataError(_not_numbers(survey, table))
    if survey.constant and not survey.lacking:
        return "leave_out", "every row holds the same"
    if survey.typed in ("boolean", "moment"):
        return survey.typed, ""
    if not survey.texts:
        return _infer_number(survey, table)
    if not survey.numbers:
        if survey.truths == survey.texts:
            return "boolean", ""
        if survey.formats:
            return "moment", ""
    return _infer_text(survey)


def _infer_number(survey: ColumnSurvey, table: Table) -> tuple[str, str]:
    refuse_infinite(survey, table)
    once = survey.values is not None and survey.values.all_once and survey.present >= FEWEST_FOR_IDENTIFIER
    if survey.whole and once and looks_like_identifier(survey.name):
        return (
            "leave_out",
            f"its name and its values, all different whole numbers, are an identifier's{_keep(survey)}",
        )
    return "number", ""


def is_row_number(survey: ColumnSurvey) -> bool:
    """Whether the column counts the rows: 0, 1, 2, … or 1, 2, 3, …"""
    counts = survey.consecutive and survey.whole and survey.lowest in (0, 1)
    return counts and survey.numbers == survey.rows >= FEWEST_FOR_IDENTIFIER


def _infer_text(survey: ColumnSurvey) -> tuple[str, str]:
    """Cells of five words and more, mostly different, are text; each sign of Chinese and the like is a word."""
    count, distinct = survey.texts, survey.labels.count
    mostly_different = distinct > 20 and distinct > 0.5 * count
    if mostly_different and survey.words >= FEWEST_WORDS * count:
        if can_read():
            return "text", ""
        return "leave_out", f"it is free text, which the tokenizers library reads: {INSTALL}"
    if mostly_different and survey.words >= 4 * count and survey.letters >= 20 * count:
        return "leave_out", f"it is free text of few words{_keep(survey, 'text')}"
    if count >= FEWEST_FOR_IDENTIFIER and survey.labels.all_once and count >= 0.5 * survey.present:
        return (
            "leave_out",
            f"every row holds a different text, as an identifier does{_keep(survey, 'category')}",
        )
    return "category", ""


def _keep(survey: ColumnSurvey, kind: str = "number") -> str:
    return f" (keep it with --kind {survey.name}={kind})"


def row_number_reason(survey: ColumnSurvey) -> str:
    """Why a column that counts the rows is left out."""
    return f"it only counts the rows{_keep(survey)}"


def refuse_infinite(survey: ColumnSurvey, table: Table) -> None:
    """Raises DataError where the column holds an infinity."""
    if survey.infinite:
        listed = ", ".join(f'{table.place(row)} ("{text}")' for row, text in survey.infinite)
        raise DataError(
            f'{table.name}, column "{survey.name}": infinite at {listed}. Mend the cells, or count them as '
            "missing "
            f"with --missing {survey.infinite[0][1]}."
        )


def _not_numbers(survey: ColumnSurvey, table: Table) -> str:
    name, texts = survey.name, list(dict.fromkeys(text for _, text in survey.unreadable))
    listed = ", ".join(f'{table.place(row)} ("{text}")' for row, text in survey.unreadable)
    more = f" and {survey.texts - len(survey.unreadable):,} more" if survey.texts > len(survey.unreadable) else ""
    if not survey.texts:
        held = survey.typed or "text"
        return f'{table.name}, column "{name}" holds no numbers ({held}): leave its kind to pellucid.'
    flags = " ".join(f"--missing {_quoted(text)}" for text in texts)
    return (
        f'{table.name}, column "{name}": {survey.numbers:,} cells are numbers, but not {listed}{more}. Mend '
        "the cells, "
        f"or count them as missing with {flags}, or take every cell as a label with --kind "
        f"{_quoted(name)}=category."
    )


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[\w.+-]+", text) else f"'{text}'"


def _format(survey: ColumnSurvey, table: Table) -> str:
    if survey.typed == "moment":
        return ""
    if survey.formats and survey.formats is not FORMATS and survey.texts:
        return survey.formats[0]
    raise DataError(
        f'{table.name}, column "{survey.name}" can not be read as dates: no one format reads all of its '
        "cells. Write "
        f"them as 2024-12-31 or 2024-12-31 23:59:59, or choose another kind."
    )
