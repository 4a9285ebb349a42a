"""Runs: every run in a folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pellucid.errors import RunError
from pellucid.storage import RunFolder, runs_folder


@dataclass(frozen=True)
class ListedRun:
    """A run as a line of the list."""

    run: str
    status: str
    data: str
    steps: int
    loss: float | None
    figures: dict[str, float]
    """Of the test rows, or else of the validation rows."""
    seconds: float | None
    begun: str
    parent: str | None
    first: int


@dataclass(frozen=True)
class TornRun:
    """A run that cannot be read."""

    run: str
    status: str
    error: str


@dataclass(frozen=True)
class RunsDocument:
    """The runs of a folder, those with numbers first and in order."""

    folder: Path
    runs: tuple[ListedRun | TornRun, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"folder": str(self.folder), "runs": [asdict(run) for run in self.runs]}


def runs(folder: Path | None = None) -> RunsDocument:
    """Every run in a folder."""
    parent = folder or runs_folder()
    found = sorted((p.parent for p in parent.glob("*/run.json")), key=_order)
    return RunsDocument(parent, tuple(_described(path) for path in found))


def _described(path: Path) -> ListedRun | TornRun:
    try:
        folder = RunFolder.open(path)
    except RunError as error:
        return TornRun(str(path), "torn", str(error))
    manifest, status = folder.manifest, folder.manifest["status"]
    if status == "running" and not folder.being_written():
        status = "killed"
    history = manifest["history"]
    figures = manifest.get("test") or {n: v[-1] for n, v in history.items() if n.startswith("val_") and v}
    return ListedRun(
        str(path),
        status,
        Path(manifest["data"].get("source", "arrays")).name,
        manifest["steps"],
        history["loss"][-1] if history.get("loss") else None,
        {name: value for name, value in figures.items() if isinstance(value, float)},
        manifest.get("seconds"),
        manifest["created"],
        manifest.get("parent"),
        manifest.get("first", 0),
    )


def _order(path: Path) -> tuple[int, str]:
    return (int(path.name), "") if path.name.isdigit() else (1 << 62, path.name)
