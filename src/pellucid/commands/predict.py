"""Predict: each row of a table, or each file of a folder, told by a run."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy

from pellucid import files
from pellucid.automl import auto_model as tables
from pellucid.commands.listener import NOBODY, Listener
from pellucid.data.dataset import Dataset
from pellucid.data.files.folder import Folder, open_folder
from pellucid.data.files.folder_recipe import FolderRecipe
from pellucid.data.tables.table import open_table
from pellucid.errors import RunError
from pellucid.models.library import open_run
from pellucid.pages.target import Target


@dataclass(frozen=True)
class Scored:
    """The data holds the answers: how good the predictions are."""

    of_folder: bool
    target: str
    scores: dict[str, Any]


@dataclass(frozen=True)
class PredictDocument:
    """What was predicted, and where it is written."""

    run: Path
    out: Path | None
    rows: int
    scores: dict[str, Any]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "run": str(self.run),
            "out": str(self.out) if self.out else None,
            "rows": self.rows,
            "scores": self.scores,
            "notes": list(self.notes),
        }


def predict(path: Path, data: str, out: Path | BinaryIO, listener: Listener = NOBODY) -> PredictDocument:
    """Predicts each row, in the order of the table or of the files; with the target there, also scores.

    out: the .csv file that is written, or a stream of bytes.
    """
    run = open_run(path)
    if run.origin is None:
        raise RunError(f"{path} was trained on arrays, not on a table or folder; use it from Python: open_run")
    recipe, model = run.origin.recipe, run.model
    given: Any = open_folder(data) if isinstance(recipe, FolderRecipe) else open_table(data)
    y, held = _known(recipe, given)
    notes = [*given.notes, *recipe.notes_for(given)]
    if run.status == "running":
        notes.append(
            f"the training of {path} did not end: these are its weights after {run.steps:,} steps. "
            f"`{Target('resume', str(path)).shell()}` goes on"
        )
    for note in notes:
        listener.note(note)
    scores: dict[str, Any] = {}
    if len(held):
        x = numpy.concatenate([x for x, _ in recipe.encode(given)])[held]
        scores = tables.score(model, recipe, Dataset(x, recipe.target.as_learned(y)))
        listener.told(Scored(isinstance(recipe, FolderRecipe), recipe.target.name, scores))
    rows = 0
    with files.whole(out) if isinstance(out, Path) else contextlib.nullcontext(out) as file:
        for first, (places, values, probabilities) in enumerate(tables.predict(model, recipe, given)):
            rows += len(values)
            names = [given.file_names[i] for i in places] if isinstance(given, Folder) else None
            text = _frame(recipe, names, values, probabilities).write_csv(include_header=first == 0)
            file.write(text.encode())  # not by polars, whose OSError does not say which
    return PredictDocument(path, out if isinstance(out, Path) else None, rows, scores, tuple(notes))


def _known(recipe: tables.AnyRecipe, given: Any) -> tuple[Any, Any]:
    """The answers that the data holds, and the rows that they stand in."""
    if isinstance(recipe, FolderRecipe) or recipe.target.name in given.columns:
        return recipe.targets(given)
    return numpy.zeros(0), numpy.zeros(0, int)


def _frame(recipe: tables.AnyRecipe, names: list[str] | None, values: Any, probabilities: Any) -> Any:
    import polars

    name = recipe.target.name
    columns = {**({} if names is None else {"file": names}), name: values}
    if probabilities is not None:
        columns |= {f"{name}_{label}": probabilities[:, i] for i, label in enumerate(recipe.target.classes)}
    return polars.DataFrame(columns)
