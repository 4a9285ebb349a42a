"""Resume: a run that was killed or interrupted goes on to its end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.commands.listener import NOBODY, Listener
from pellucid.commands.moved import note_moved
from pellucid.commands.outcome import Figures, last, outcome, score
from pellucid.models.library import held
from pellucid.runs.resume import go_on
from pellucid.runs.run import Run


@dataclass(frozen=True)
class ResumeDocument:
    """How a run went on."""

    path: Path
    run: Run
    resumed_at: int
    figures: Figures

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        more = {"run": str(self.path), "resumed_at": self.resumed_at, "test": self.figures.test}
        return {**outcome(self.run), **more}


def resume(path: Path, listener: Listener = NOBODY) -> ResumeDocument:
    """Goes on with a run to its end."""
    with held(path) as before:
        note_moved(listener, before)
        run = go_on(before, listener)
    test = score(run, before.origin)
    return ResumeDocument(path, run, before.steps, Figures(run.folder, last(run), test))
