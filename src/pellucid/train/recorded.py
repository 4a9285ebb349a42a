"""A run on a table, written to its folder and opened from it again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pellucid.autodiff import GradientReport
from pellucid.data.recipe import Recipe
from pellucid.data.rows import Rows
from pellucid.data.table import Table, open_table
from pellucid.errors import DataError, RunError, UsageError
from pellucid.explain.lesson import Lesson
from pellucid.record import RunFolder, fingerprint, now
from pellucid.train import engine as engines
from pellucid.train.dataset import Dataset, Plan
from pellucid.train.gradients import check_step
from pellucid.train.model import Model
from pellucid.train.recording import write_run
from pellucid.train.replay import OpenStep, Replay
from pellucid.train.run import Run
from pellucid.train.saving import revive
from pellucid.train.step import Batch, State, Step
from pellucid.train.table import TableRun, targets


def begin(folder: RunFolder, table: Table, recipe: Recipe, seed: int) -> RunFolder:
    """Writes what is known before training, so that a run that is killed says what it was."""
    manifest = {
        "status": "running",
        "created": now(),
        **fingerprint(),
        "seed": seed,
        "data": {"source": _source(table), "rows": table.row_count, "sha256": content_hash(table)},
        "target": recipe.target.name,
        "task": recipe.target.task,
    }
    return folder.write(manifest, {"recipe.json": _json(recipe.to_json())})


def finish(folder: RunFolder, done: TableRun, run: Run, figures: dict[str, Any]) -> RunFolder:
    """Writes how it went, with the figures of the rows held out."""
    best = done.stopper.best_epoch if done.stopper else run.epochs - 1
    return write_run(folder, run, {"engine": done.choices.engine, "best_epoch": best, "test": figures})


@dataclass(frozen=True)
class Recorded:
    """A run folder, opened: its model with the best weights, its recipe, and the way back to its steps."""

    folder: RunFolder

    @classmethod
    def open(cls, path: str | Path) -> Recorded:
        """The run at `path`; RunError where it is missing, torn, unfinished or too new."""
        folder = RunFolder.open(path)
        if "model" not in folder.manifest:
            raise RunError(
                f"{path} was stopped before training ended, so it has no weights "
                f"(status {folder.manifest.get('status')!r}); train again"
            )
        return cls(folder)

    @cached_property
    def recipe(self) -> Recipe:
        return Recipe.from_json(json.loads(self.folder.read("recipe.json")))

    @cached_property
    def model(self) -> Model:
        """The model with its best weights."""
        return revive(self.folder.manifest["model"], self.folder.weights("best"))

    @cached_property
    def table(self) -> Table:
        """The data it was trained on; DataError where it moved or changed since."""
        data = self.folder.manifest["data"]
        try:
            table = open_table(data["source"])
        except DataError as error:
            raise DataError(
                f"{self.folder.path} was trained on {data['source']}, which cannot be read now: {error}"
            ) from error
        if content_hash(table) != data["sha256"]:
            raise DataError(
                f"{data['source']} has changed since {self.folder.path} was trained on it; its steps can only be "
                "opened with the file as it was"
            )
        return table

    @cached_property
    def rows(self) -> Rows:
        return self.recipe.rows(self.table)

    def step(self, number: int) -> OpenStep:
        """Step `number`, opened: run again from the initial weights."""
        steps = self.folder.manifest["steps"]
        if not steps:
            raise UsageError(f"step {number} is not there: {self.folder.path} was stopped before its first step")
        if not 0 <= number < steps:
            raise UsageError(f"step {number} is not there: {self.folder.path} has steps 0 to {steps - 1}")
        return self._replay.open(number)

    def drift(self, step: OpenStep) -> float:
        """The replayed loss minus the recorded one: 0, on the same versions and hardware."""
        return float(step.loss) - float(self.folder.step_losses()[step.number])

    def lesson(self, number: int) -> tuple[Lesson, OpenStep]:
        """Step `number`, ready to be explained."""
        step = self.step(number)
        lesson = Lesson(
            step.tape,
            step.output,
            step.gradients,
            step.before.parameters,
            step.after.parameters,
            self._replay.step.optimizer,
            step.before.optimizer,
            step.number,
            [int(row) for row in self.rows.training().row[step.places]],
            self.recipe.feature_names,
            self.recipe.target.classes,
        )
        return lesson, step

    def check(self, number: int, rows: int, tolerance: float) -> GradientReport:
        """Every weight's gradient in step `number` both ways, in float64, on the first `rows` of its batch."""
        step = self.step(number)
        wide = {path: w.astype("float64") for path, w in step.before.parameters.items()}
        x, y, _ = step.batch
        y = y if self.recipe.target.task == "multiclass" else y.astype("float64")
        batch = Batch(x[:rows].astype("float64"), y[:rows])
        return check_step(self._replay.step, wide, batch, number, training=True, tolerance=tolerance)

    @cached_property
    def _replay(self) -> Replay:
        manifest, rows = self.folder.manifest, self.rows
        model = revive(manifest["model"], self.folder.weights("initial"))
        now = model.compiled
        assert now.loss is not None and now.parameters is not None
        step = Step(model, now.loss, now.optimizer, now.metrics, manifest["seed"])
        data = Dataset(rows.x, targets(self.recipe, rows.y), rows=rows.training().index)
        plan = Plan(len(data), manifest["batch_size"], manifest["seed"])
        start = State(now.parameters, now.optimizer.init(now.parameters))
        return Replay(step, engines.make(manifest["engine"], step, now.dtype), plan, data, start)


def content_hash(table: Table) -> str:
    """The SHA-256 of a table's file."""
    digest = hashlib.sha256()
    if table.path is None:
        raise UsageError(f"{table.name} is not a file; a run is recorded on a file, so that it can be opened again")
    with table.path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _source(table: Table) -> str:
    """What opens the table again from any folder: an absolute path, or a built-in's name."""
    path = Path(table.name).expanduser()
    return str(path.resolve()) if path.is_file() else table.name


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
