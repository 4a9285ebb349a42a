"""What each command does, told to a screen and returned as a document."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy

from pellucid import files
from pellucid.automl import auto_model as tables
from pellucid.automl.settings import Settings
from pellucid.data.dataset import Dataset
from pellucid.data.files.folder import Folder, open_folder
from pellucid.data.files.folder_recipe import FolderRecipe
from pellucid.data.tables.columns import Column
from pellucid.data.tables.recipe import Recipe
from pellucid.data.tables.table import Table, open_table
from pellucid.data.tables.target import TargetColumn
from pellucid.errors import NotFiniteError, RunError
from pellucid.explain.step_view import LARGE
from pellucid.fit.recorder import Recorder
from pellucid.models.library import open_run
from pellucid.pages.target import Target
from pellucid.runs.folder_source import known_of_folder
from pellucid.runs.run import Run
from pellucid.runs.sources import source_of
from pellucid.runs.table_source import known_of_table
from pellucid.storage import Recording, RunFolder, check_place, fingerprint

MANY = 40
"""Columns, or classes of files, listed at most."""
Known = Callable[[dict[str, Any], int], tuple[dict[str, Any], dict[str, bytes]]]
"""What a run's manifest holds beside, bytes of data to keep -> manifest, first files."""


def train_data(settings: Settings, screen: Any, verbose: int) -> dict[str, Any]:
    """Learns the recipe, trains, scores the test rows, writes the run."""
    settings.check()
    options = Recording(folder=settings.out)
    check_place(options.folder)
    data, recipe, known = _learn_folder(settings, screen) if settings.of_folder else _learn_table(settings, screen)
    for note in [*data.notes, *recipe.notes]:
        screen.print(f"note: {note}", markup=False)
    ready = tables.prepare(data, recipe, settings.choices)
    screen.print(f"\n[bold]Network[/] {ready.choices}\n{ready.model.summary()}\n")

    def recorder(about: dict[str, Any]) -> Recorder:
        return Recorder(options, partial(known, about, options.keep_data), required=True)

    try:
        run = tables.fit(ready, verbose, recorder)
    except (KeyboardInterrupt, NotFiniteError):
        run = ready.model.last_run
        if run is not None and run.folder is not None:
            screen.print(f"Stopped after {run.steps:,} steps; the run so far is in {run.folder}", markup=False)
        raise
    if run.trouble is not None:
        raise run.trouble
    assert run.recorder is not None
    figures = tables.score(ready.model, recipe, ready.part("test")) if len(ready.rows.test()) else {}
    best = ready.stopper.best_epoch if ready.stopper else run.epochs - 1
    folder = run.recorder.note({"test": figures, "best_epoch": best})
    _tell_result(screen, ready, run, figures, folder.path, settings.data)
    return {
        "run": str(folder.path),
        "status": run.status,
        "task": recipe.target.task,
        "target": recipe.target.name,
        "test": figures,
        "epochs": run.epochs,
        "steps": run.steps,
        "best_epoch": best,
        "seconds": round(run.seconds, 3),
        "history": run.history,
        "notes": [*data.notes, *recipe.notes],
    }


def predict_data(path: Path, data: str, out: Path | None, screen: Any) -> dict[str, Any]:
    """Predicts each row, in the order of the table or of the files; with the target there, also scores."""
    source = source_of(RunFolder.open(path))
    if source is None:
        raise RunError(f"{path} was trained on arrays, not on a table or folder; use it from Python: open_run")
    recipe, run = source.recipe, open_run(path)
    model = run.model
    given: Any = open_folder(data) if isinstance(recipe, FolderRecipe) else open_table(data)
    y, held = _known(recipe, given)
    notes = [*given.notes, *recipe.notes_for(given)]
    if run.status == "running":
        notes.append(
            f"the training of {path} did not end: these are its weights after {run.steps:,} steps. "
            f"`pellucid resume {path}` goes on"
        )
    for note in notes:
        screen.print(f"note: {note}", markup=False)
    scores = {}
    if len(held):
        x = numpy.concatenate([x for x, _ in recipe.encode(given)])[held]
        scores = tables.score(model, recipe, Dataset(x, recipe.target.as_learned(y)))
        what = "folders say the" if isinstance(recipe, FolderRecipe) else "table holds"
        screen.print(f"the {what} {recipe.target.name}; scored by it: {_figures(scores)}", markup=False)
    rows = 0
    with files.whole(out) if out else contextlib.nullcontext(sys.stdout.buffer) as file:
        for first, (places, values, probabilities) in enumerate(tables.predict(model, recipe, given)):
            rows += len(values)
            names = [given.file_names[i] for i in places] if isinstance(given, Folder) else None
            text = _frame(recipe, names, values, probabilities).write_csv(include_header=first == 0)
            file.write(text.encode())  # not by polars, whose OSError does not say which
    if out is not None:
        screen.print(f"{rows:,} predictions in {out}", markup=False)
    return {
        "run": str(path),
        "out": str(out) if out else None,
        "rows": rows,
        "scores": scores,
        "notes": notes,
    }


def examine(screen: Any) -> dict[str, Any]:
    """What is installed, and one step in each engine."""
    import jax

    import pellucid as pl

    found = fingerprint()
    devices = [str(device) for device in jax.devices()]
    x = numpy.linspace(-1, 1, 32, dtype="float32").reshape(8, 4)
    losses: dict[str, float] = {}
    for engine in ("numpy", "xla"):
        model = pl.Sequential([pl.Dense(3, "tanh"), pl.Dense(1)])
        model.compile("adam", "mean_squared_error")
        started = time.perf_counter()
        run = model.fit(x, x[:, :1], epochs=2, batch_size=8, engine=engine, record=False, verbose=0)
        losses[engine] = float(run.step_history["loss"][-1])
        screen.print(
            f"engine {engine:<6} works; two steps in {time.perf_counter() - started:.2f} s, compiling included"
        )
    model = pl.Sequential([pl.Dense(3, "tanh"), pl.Dense(1)])
    model.compile("adam", "mean_squared_error")
    report = pl.check_gradients(model, x, x[:, :1])
    ok = report.ok and abs(losses["numpy"] - losses["xla"]) <= 1e-5 * abs(losses["numpy"])
    screen.print(f"gradients: {report}")
    for name, value in {**found["versions"], **found["hardware"], "devices": ", ".join(devices)}.items():
        screen.print(f"{name:<10} {value}", markup=False)
    screen.print("All is well." if ok else "Something is wrong: see above.")
    return {**found, "devices": devices, "losses": losses, "ok": ok}


def _learn_table(settings: Settings, screen: Any) -> tuple[Table, Recipe, Known]:
    """The table, how it becomes numbers, and what is recorded of it."""
    table, recipe = tables.learn(
        settings.data,
        settings.target,
        task=settings.task,
        kinds=settings.kinds,
        missing=settings.missing,
        seed=settings.choices.seed,
    )
    _tell_columns(screen, table, recipe)
    return table, recipe, lambda about, keep: known_of_table(about, table, recipe, keep)


def _learn_folder(settings: Settings, screen: Any) -> tuple[Folder, FolderRecipe, Known]:
    """The folder, how its files become numbers, and what is recorded of it."""
    folder = open_folder(settings.data)
    recipe = FolderRecipe.learn(folder, size=settings.size, skip=settings.skip, seed=settings.choices.seed)
    _tell_classes(screen, folder, recipe)
    return folder, recipe, lambda about, keep: known_of_folder(about, folder, recipe, keep)


def _known(recipe: tables.AnyRecipe, given: Any) -> tuple[Any, Any]:
    """The answers that the data holds, and the rows that they stand in."""
    if isinstance(recipe, FolderRecipe) or recipe.target.name in given.columns:
        return recipe.targets(given)
    return numpy.zeros(0), numpy.zeros(0, int)


def _tell_classes(screen: Any, folder: Folder, recipe: FolderRecipe) -> None:
    from rich.markup import escape
    from rich.table import Table as Grid

    title = f"{escape(folder.name)}: {folder.row_count:,} {folder.kind}, {len(recipe.target.classes)} classes"
    grid = Grid(title=title, title_justify="left")
    grid.add_column("class", no_wrap=True)
    grid.add_column(folder.kind, justify="right")
    counts = numpy.bincount(folder.found.y, minlength=len(folder.found.classes))
    for name, count in list(zip(folder.found.classes, counts.tolist(), strict=True))[:MANY]:
        grid.add_row(escape(name), f"{count:,}")
    if len(counts) > MANY:
        grid.add_row("…", f"and {len(counts) - MANY:,} more classes")
    screen.print(grid)
    screen.print(recipe.reading.describe(), markup=False)


def _tell_columns(screen: Any, table: Table, recipe: Recipe) -> None:
    from rich.markup import escape
    from rich.table import Table as Grid

    grid = Grid(
        title=f"{escape(table.name)}: {table.row_count:,} rows, {len(table.columns)} columns",
        title_justify="left",
    )
    for name in ("column", "kind", "numbers"):
        grid.add_column(name, justify="right" if name == "numbers" else "left", no_wrap=True)
    grid.add_column("how it becomes numbers")
    for column in recipe.columns[:MANY]:
        grid.add_row(escape(column.name), column.kind.replace("_", " "), str(column.width), escape(_what(column)))
    if len(recipe.columns) > MANY:
        grid.add_row("…", "", "", f"and {len(recipe.columns) - MANY:,} more columns; recipe.json has them all")
    grid.add_row(escape(recipe.target.name), "target", "", escape(_what(recipe.target)), style="bold")
    screen.print(grid)


def _what(column: Column | TargetColumn) -> str:
    """Its description without its name, which stands beside it."""
    return column.describe().removeprefix(f"{column.name}: ")


def _tell_result(
    screen: Any, ready: tables.TableRun, run: Run, figures: dict[str, Any], path: Path, source: str
) -> None:
    best = ready.stopper.best_epoch + 1 if ready.stopper else run.epochs
    screen.print(
        f"\n[bold]Done[/] in {run.seconds:.1f} s: {run.epochs} epochs, {run.steps:,} steps; "
        f"best epoch {best}, whose weights are kept."
    )
    if figures:
        screen.print(f"[bold]On the {len(ready.rows.test()):,} rows held out:[/] {_figures(figures)}")
    screen.print(f"\nThe run is in {path}. Try next:", markup=False)
    parameters = run.model.parameters()
    first = next(iter(parameters))
    units = next((p for p, array in parameters.items() if array.ndim == 2), first).rpartition("/")[0]
    whole = sum(array.size for array in parameters.values()) <= LARGE
    where = str(path)
    step, row = Target("show", where, {"step": 0}), Target("show", where, {"step": 0, "row": 3})
    for target in (
        Target("predict", where, {"o": "out.csv"}, other=source),
        row if whole else row.of("unit", units, 0),
        step.of("weight", first, *[0] * (parameters[first].ndim - 1), 1),
        Target("check", where, {"step": 0}),
    ):
        screen.print(f"  {target.shell()}", markup=False)


def _figures(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _frame(recipe: tables.AnyRecipe, files: list[str] | None, values: Any, probabilities: Any) -> Any:
    import polars

    name = recipe.target.name
    columns = {**({} if files is None else {"file": files}), name: values}
    if probabilities is not None:
        columns |= {f"{name}_{label}": probabilities[:, i] for i, label in enumerate(recipe.target.classes)}
    return polars.DataFrame(columns)
