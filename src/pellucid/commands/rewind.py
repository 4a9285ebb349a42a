"""Rewind: back to a step, and on from there with a new choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.commands.listener import NOBODY, Listener
from pellucid.commands.moved import note_moved
from pellucid.commands.outcome import Figures, last, outcome, score
from pellucid.errors import NotFiniteError
from pellucid.models.library import open_run
from pellucid.pages.target import Target
from pellucid.runs import rewind as rewinding
from pellucid.runs.run import Run


@dataclass(frozen=True)
class RunEnded:
    """The run ended as its loss was not finite; it is recorded."""

    folder: Path


@dataclass(frozen=True)
class RewindDocument:
    """How the new run went, beside the one that it came from."""

    parent: Path
    step: int
    changes: dict[str, Any]
    run: Run
    figures: Figures
    before: Figures
    next: tuple[Target, ...]
    """What to open next."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        asked = {"parent": str(self.parent), "step": self.step, "changes": self.changes}
        return {**asked, **outcome(self.run), "test": self.figures.test}


def rewind(
    path: Path, number: int, changes: Mapping[str, Any], place: Path | None = None, listener: Listener = NOBODY
) -> RewindDocument:
    """Goes back to a step and trains on from there."""
    parent = open_run(path)
    note_moved(listener, parent)
    try:
        run = rewinding.rewind(parent, number, place, changes, listener)
    except NotFiniteError as error:
        if error.run is not None and error.run.folder is not None:
            listener.told(RunEnded(error.run.folder))
        raise
    test = score(run, parent.origin)
    tested = parent.stored.manifest.get("test", {}) if parent.stored else {}
    mine, before = Figures(run.folder, last(run), test), Figures(parent.folder, last(parent), tested)
    to_open = (Target("diff", str(path), other=str(run.folder)),)
    return RewindDocument(path, number, dict(changes), run, mine, before, to_open)
