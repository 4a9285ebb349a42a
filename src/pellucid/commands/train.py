"""Train: a table or folder becomes a recorded run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pellucid.automl import auto_model as tables
from pellucid.automl.settings import Settings
from pellucid.commands.listener import NOBODY, Listener
from pellucid.data.files.folder import Folder, open_folder
from pellucid.data.files.folder_recipe import FolderRecipe
from pellucid.data.tables.recipe import Recipe
from pellucid.data.tables.table import Table
from pellucid.errors import NotFiniteError
from pellucid.explain.step_view import LARGE
from pellucid.fit.recorder import Recorder
from pellucid.pages.target import Target
from pellucid.runs.folder_source import known_of_folder
from pellucid.runs.run import Run
from pellucid.runs.table_source import known_of_table
from pellucid.storage import Recording, check_place

Known = Callable[[dict[str, Any], int], tuple[dict[str, Any], dict[str, bytes]]]
"""What a run's manifest holds beside, bytes of data to keep -> manifest, first files."""


@dataclass(frozen=True)
class TableLearned:
    """A table, and how its columns become numbers."""

    table: Table
    recipe: Recipe


@dataclass(frozen=True)
class FolderLearned:
    """A folder, and how its files become numbers."""

    folder: Folder
    recipe: FolderRecipe


@dataclass(frozen=True)
class NetworkMade:
    """The network before its first step."""

    choices: str
    summary: str


@dataclass(frozen=True)
class TrainingStopped:
    """Training was stopped by a person or a loss that is not finite; what it did is recorded."""

    steps: int
    folder: Path


@dataclass(frozen=True)
class TrainDocument:
    """How a training went."""

    run: Run
    folder: Path
    task: str
    target: str
    test: dict[str, Any]
    test_rows: int
    best_epoch: int
    notes: tuple[str, ...]
    next: tuple[Target, ...]
    """What to open next."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "run": str(self.folder),
            "status": self.run.status,
            "task": self.task,
            "target": self.target,
            "test": self.test,
            "epochs": self.run.epochs,
            "steps": self.run.steps,
            "best_epoch": self.best_epoch,
            "seconds": round(self.run.seconds, 3),
            "history": self.run.history,
            "notes": list(self.notes),
        }


def train(settings: Settings, listener: Listener = NOBODY) -> TrainDocument:
    """Learns the recipe, trains, scores the test rows, writes the run."""
    settings.check()
    options = Recording(folder=settings.out)
    check_place(options.folder)
    data, recipe, known = _learn_folder(settings, listener) if settings.of_folder else _learn_table(settings, listener)
    notes = (*data.notes, *recipe.notes)
    for note in notes:
        listener.note(note)
    ready = tables.prepare(data, recipe, settings.choices)
    listener.told(NetworkMade(str(ready.choices), str(ready.model.summary())))

    def recorder(about: dict[str, Any]) -> Recorder:
        return Recorder(options, partial(known, about, options.keep_data), required=True)

    try:
        run = tables.fit(ready, listener, recorder)
    except (KeyboardInterrupt, NotFiniteError):
        run = ready.model.last_run
        if run is not None and run.folder is not None:
            listener.told(TrainingStopped(run.steps, run.folder))
        raise
    if run.trouble is not None:
        raise run.trouble
    assert run.recorder is not None
    rows = len(ready.rows.test())
    figures = tables.score(ready.model, recipe, ready.part("test")) if rows else {}
    best = ready.stopper.best_epoch if ready.stopper else run.epochs - 1
    folder = run.recorder.note({"test": figures, "best_epoch": best})
    target = recipe.target
    to_open = _next(run, str(folder.path), settings.data)
    return TrainDocument(run, folder.path, target.task, target.name, figures, rows, best, notes, to_open)


def _learn_table(settings: Settings, listener: Listener) -> tuple[Table, Recipe, Known]:
    """The table, how it becomes numbers, and what is recorded of it."""
    table, recipe = tables.learn(
        settings.data,
        settings.target,
        task=settings.task,
        kinds=settings.kinds,
        missing=settings.missing,
        seed=settings.choices.seed,
    )
    listener.told(TableLearned(table, recipe))
    return table, recipe, lambda about, keep: known_of_table(about, table, recipe, keep)


def _learn_folder(settings: Settings, listener: Listener) -> tuple[Folder, FolderRecipe, Known]:
    """The folder, how its files become numbers, and what is recorded of it."""
    folder = open_folder(settings.data)
    recipe = FolderRecipe.learn(folder, size=settings.size, skip=settings.skip, seed=settings.choices.seed)
    listener.told(FolderLearned(folder, recipe))
    return folder, recipe, lambda about, keep: known_of_folder(about, folder, recipe, keep)


def _next(run: Run, folder: str, data: str) -> tuple[Target, ...]:
    """What to open of a new run: its predictions, a row, a weight, a check."""
    parameters = run.model.parameters()
    first = next(iter(parameters))
    units = next((p for p, array in parameters.items() if array.ndim == 2), first).rpartition("/")[0]
    whole = sum(array.size for array in parameters.values()) <= LARGE
    step, row = Target("show", folder, {"step": 0}), Target("show", folder, {"step": 0, "row": 3})
    return (
        Target("predict", folder, {"o": "out.csv"}, other=data),
        row if whole else row.of("unit", units, 0),
        step.of("weight", first, *[0] * (parameters[first].ndim - 1), 1),
        Target("check", folder, {"step": 0}),
    )
