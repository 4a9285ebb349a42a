"""The table that a run was trained on: into its folder, and found again."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pellucid import files
from pellucid.data.rows import Rows
from pellucid.data.tables.recipe import Recipe
from pellucid.data.tables.table import BUILT_IN, Table, open_table
from pellucid.errors import DataError, RunError, UsageError
from pellucid.replay.open_step import Naming
from pellucid.runs.origin import Origin


def known_of_table(
    about: dict[str, Any], table: Table, recipe: Recipe, keep: int
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What is known before the first step of a run on a table: its manifest, and the recipe.

    about: what the manifest holds beside; keep: a file of up to so many bytes is copied into the run.
    """
    if table.path is None:
        raise UsageError(f"{table.name} is not a file; a run is recorded on a file, so that it can be opened again")
    file = None
    contents = {"recipe.json": (json.dumps(recipe.to_json(), indent=2, ensure_ascii=False) + "\n").encode()}
    if table.name not in BUILT_IN and table.path.stat().st_size <= keep:
        file = f"data/{table.path.name}"
        contents[file] = table.path.read_bytes()
    data = {
        "kind": "table",
        "source": table.name if table.name in BUILT_IN else str(table.path.resolve()),
        "rows": table.row_count,
        "sha256": files.digest(contents[file]) if file else files.digest_of(table.path),
        "file": file,
    }
    return {**about, "data": data, "target": recipe.target.name, "task": recipe.target.task}, contents


@dataclass(frozen=True)
class TableSource(Origin):
    """The table of a run, and how it becomes numbers."""

    @cached_property
    def recipe(self) -> Recipe:  # pyright: ignore[reportIncompatibleMethodOverride]
        """How columns become numbers; RunError where the run was not trained on a table."""
        if "recipe.json" not in self.folder.manifest["files"]:
            raise RunError(f"{self.folder.path} was trained on arrays, not on a table; use it from Python: open_run")
        return Recipe.from_json(json.loads(self.folder.read("recipe.json")))

    def table(self) -> Table:
        """The data it was trained on; DataError where it moved or changed since."""
        data = self.folder.manifest["data"]
        if data["file"]:
            try:
                self.folder.read(data["file"])  # checks it
                return open_table(self.folder.path / data["file"])
            except RunError as error:
                if not files.same(Path(data["source"]), data["sha256"]):
                    raise
                warnings.warn(f"{error}; {data['source']}, which is as it was, is used", stacklevel=2)
        try:
            table = open_table(data["source"])
        except DataError as error:
            raise DataError(
                f"{self.folder.path} was trained on {data['source']}, which cannot be read now: {error}"
            ) from error
        if table.path is None or files.digest_of(table.path) != data["sha256"]:
            raise DataError(
                f"{data['source']} has changed since {self.folder.path} was trained on it; its steps can only be "
                "opened with the file as it was"
            )
        return table

    def moved(self) -> str:
        """A sentence where the file itself is gone or another one by now; its copy in the run is used."""
        data = self.folder.manifest["data"]
        path = Path(data["source"])
        if not data["file"] or files.same(path, data["sha256"]):
            return ""
        what = "has changed since the run was trained on it" if path.is_file() else "is not there any more"
        return f"{path} {what}; the copy in the run is used"

    def encoded(self) -> Rows:
        """Its rows as numbers, each with its part."""
        return self.recipe.rows(self.table())

    def naming(self, training: Any) -> Naming:
        """Columns, classes, and the table's row of each training row."""
        recipe = self.recipe
        return Naming(recipe.feature_names, recipe.target.classes, lambda places: training.row[places])
