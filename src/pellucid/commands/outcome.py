"""How a run that went on, or was rewound, ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.automl import auto_model as tables
from pellucid.data.dataset import Dataset
from pellucid.fit.callbacks import EarlyStopping
from pellucid.runs.origin import Origin
from pellucid.runs.run import Run


@dataclass(frozen=True)
class Figures:
    """The figures of a run: of its last epoch, and of the rows held out."""

    folder: Path | None
    last: dict[str, float]
    test: dict[str, Any]


def outcome(run: Run) -> dict[str, Any]:
    """What the documents of such runs hold alike."""
    return {
        "run": str(run.folder),
        "status": run.status,
        "steps": run.steps,
        "epochs": run.epochs,
        "history": run.history,
    }


def last(run: Run) -> dict[str, float]:
    """The figures of the last epoch."""
    return {name: v[-1] for name, v in run.history.items() if v and isinstance(v[-1], float)}


def score(run: Run, origin: Origin | None) -> dict[str, Any]:
    """The figures of the rows held out of training, as after a training; into run.json too."""
    assert run.recorder is not None
    if origin is None:
        return {}
    rows = origin.rows()
    held_out = Dataset(rows.x, origin.recipe.target.as_learned(rows.y), rows=rows.test().index)
    figures = tables.score(run.model, origin.recipe, held_out) if len(held_out) else {}
    stoppers = [callback for callback in run.callbacks if isinstance(callback, EarlyStopping)]
    best = stoppers[0].best_epoch if stoppers else run.epochs - 1
    run.recorder.note({"test": figures, "best_epoch": best})
    return figures
