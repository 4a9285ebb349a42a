"""What the commands on whole runs do, told to a screen and returned as a document."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from pellucid.automl import auto_model as tables
from pellucid.commands.step_command import tell, tell_moved, write
from pellucid.data.dataset import Dataset
from pellucid.errors import NotFiniteError, RunError, UsageError
from pellucid.fit.callbacks import EarlyStopping
from pellucid.models.library import open_run, resume
from pellucid.runs.run import Run
from pellucid.runs.sources import source_of
from pellucid.storage import RunFolder, runs_folder

COLUMNS = ("run", "status", "data", "steps", "loss", "held out", "begun")
"""Of the list of runs; "held out" is the first figure of the test rows, or else of the validation rows."""


def resume_run(path: Path, screen: Any, verbose: int) -> dict[str, Any]:
    """Goes on with a run to its end."""
    before = open_run(path).steps
    tell_moved(screen, path)
    run = resume(path, verbose=verbose)
    screen.print(f"Done: {run.status} after {run.steps:,} steps, {run.steps - before:,} of them now.", markup=False)
    test = _score(run)
    _figures(screen, run, test)
    return {**_outcome(run), "run": str(path), "resumed_at": before, "test": test}


def rewind_run(
    path: Path, number: int, changes: dict[str, str], place: Path | None, screen: Any, verbose: int
) -> dict[str, Any]:
    """Goes back to a step and trains on from there."""
    given = {name: _value(text) for name, text in changes.items()}
    parent = open_run(path)
    tell_moved(screen, path)
    try:
        run = parent.rewind(number, as_=place, verbose=verbose, **given)
    except NotFiniteError as error:
        run = error.run
        if run is not None and run.folder is not None:
            screen.print(f"The run ended as its loss was not finite; it is recorded in {run.folder}", markup=False)
        raise
    screen.print(f"From step {number} of {path}: {run.status} after {run.steps:,} steps.", markup=False)
    test = _score(run)
    _figures(screen, run, test, parent)
    screen.print(f"\nThe run is in {run.folder}. Try next:\n  pellucid diff {path} {run.folder}", markup=False)
    return {"parent": str(path), "step": number, "changes": given, **_outcome(run), "test": test}


def diff_runs(path: Path, other: Path, save: Path | None, screen: Any) -> dict[str, Any]:
    """Where two runs part."""
    page = open_run(path).diff(open_run(other))
    tell_moved(screen, path, other)
    tell(page, save, screen)
    return {"run": str(path), "other": str(other), "page": page.to_json()}


def why_run(path: Path, save: Path | None, screen: Any) -> dict[str, Any]:
    """What went wrong in a run."""
    found = open_run(path).why()
    tell_moved(screen, path)
    tell(found.page(), save, screen)
    return {"run": str(path), **found.to_json()}


def plot_run(path: Path, out: Path, points: int, screen: Any) -> dict[str, Any]:
    """A picture of a run."""
    if points < 0:
        raise UsageError(f"--points {points}: it is a whole number, 0 or more")
    write(open_run(path).plot(points), out, screen)
    return {"run": str(path), "out": str(out)}


def list_runs(folder: Path | None, screen: Any) -> dict[str, Any]:
    """Every run in a folder."""
    from rich.markup import escape
    from rich.table import Table

    parent = folder or runs_folder()
    found = sorted((p.parent for p in parent.glob("*/run.json")), key=_order)
    documents = [_described(path) for path in found]
    if not documents:
        screen.print(f"There is no run in {parent}; `pellucid train FILE` makes one.", markup=False)
    else:
        grid = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for name in COLUMNS:
            grid.add_column(name, justify="right" if name in ("steps", "loss") else "left", overflow="fold")
        for document in documents:
            grid.add_row(*(escape(cell) for cell in _cells(document)))
        screen.print(grid)
        for document in documents:
            if document["status"] == "torn":
                screen.print(f"note: {document['error']}", markup=False)
    return {"folder": str(parent), "runs": documents}


def _cells(document: dict[str, Any]) -> list[str]:
    """A run as a line of a list."""
    if document["status"] == "torn":
        return [document["run"], "torn", *[""] * (len(COLUMNS) - 2)]
    parent, loss = document["parent"], document["loss"]
    rewound = f", from step {document['first']} of {Path(parent).name}" if parent else ""
    return [
        document["run"],
        document["status"],
        f"{document['data']}{rewound}",
        f"{document['steps']:,}",
        "" if loss is None else f"{loss:.4g}",
        next((f"{name} {number:.3g}" for name, number in document["figures"].items()), ""),
        datetime.fromisoformat(document["begun"]).astimezone().strftime("%d %b %H:%M"),
    ]


def _described(path: Path) -> dict[str, Any]:
    try:
        folder = RunFolder.open(path)
    except RunError as error:
        return {"run": str(path), "status": "torn", "error": str(error)}
    manifest, status = folder.manifest, folder.manifest["status"]
    if status == "running" and not folder.being_written():
        status = "killed"
    history = manifest["history"]
    figures = manifest.get("test") or {n: v[-1] for n, v in history.items() if n.startswith("val_") and v}
    return {
        "run": str(path),
        "status": status,
        "data": Path(manifest["data"].get("source", "arrays")).name,
        "steps": manifest["steps"],
        "loss": history["loss"][-1] if history.get("loss") else None,
        "figures": {name: value for name, value in figures.items() if isinstance(value, float)},
        "seconds": manifest.get("seconds"),
        "begun": manifest["created"],
        "parent": manifest.get("parent"),
        "first": manifest.get("first", 0),
    }


def _outcome(run: Run) -> dict[str, Any]:
    return {
        "run": str(run.folder),
        "status": run.status,
        "steps": run.steps,
        "epochs": run.epochs,
        "history": run.history,
    }


def _score(run: Run) -> dict[str, Any]:
    """The figures of the rows held out of training, as after `pellucid train`; into run.json too."""
    assert run.folder is not None and run.recorder is not None
    folder = RunFolder.open(run.folder)
    source = source_of(folder)
    if source is None:
        return {}
    rows = source.rows()
    held_out = Dataset(rows.x, source.recipe.target.as_learned(rows.y), rows=rows.test().index)
    figures = tables.score(run.model, source.recipe, held_out) if len(held_out) else {}
    stoppers = [callback for callback in run.callbacks if isinstance(callback, EarlyStopping)]
    best = stoppers[0].best_epoch if stoppers else run.epochs - 1
    run.recorder.note({"test": figures, "best_epoch": best})
    return figures


def _figures(screen: Any, run: Run, test: dict[str, Any], parent: Run | None = None) -> None:
    """The figures of the last epoch and of the rows held out, beside those of the run that it came from."""
    mine = _last(run)
    before = _last(parent) if parent else {}
    tested: dict[str, Any] = {}
    if parent and parent.folder:
        tested = RunFolder.open(parent.folder).manifest.get("test", {})
    for heading, now, then in (
        ("in the last epoch", mine, before),
        ("on the rows held out", test, tested),
    ):
        if now:
            beside = f"  {parent.folder}" if parent and then else ""
            screen.print(f"  {heading:<22} {f'{run.folder}':<10}{beside}".rstrip(), markup=False)
        for name, value in now.items():
            other = f"  {then[name]:.4g}" if name in then else ""
            screen.print(f"    {name:<20} {f'{value:.4g}':<10}{other}".rstrip(), markup=False)


def _last(run: Run) -> dict[str, float]:
    return {name: v[-1] for name, v in run.history.items() if v and isinstance(v[-1], float)}


def _value(text: str) -> Any:
    """What a person typed as a value: a number, true, false, null, or a name."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _order(path: Path) -> tuple[int, str]:
    return (int(path.name), "") if path.name.isdigit() else (1 << 62, path.name)
