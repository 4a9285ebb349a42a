"""Writes a run into its folder: how it went, the loss of each step, and the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy

from pellucid.record import RunFolder, files, fingerprint, now, steps_file
from pellucid.train.saving import describe

if TYPE_CHECKING:
    from pellucid.train.run import Run


def write_run(folder: RunFolder, run: Run, more: dict[str, Any]) -> RunFolder:
    """Writes a run that has ended; `more` goes into run.json beside what every run has there."""
    manifest = {
        **fingerprint(),
        "seed": run.replay.step.seed,
        **folder.manifest,
        "status": run.status,
        "finished": now(),
        "seconds": round(run.seconds, 3),
        "model": describe(run.model),
        "batch_size": run.replay.plan.batch_size,
        "epochs": run.epochs,
        "steps": run.steps,
        "history": run.history,
        **more,
    }
    contents = {
        "steps.parquet": steps_file(run.step_history["loss"]),
        "weights/initial.safetensors": files.tensors(run.replay.start.parameters),
        "weights/final.safetensors": files.tensors(run.final),
        "weights/best.safetensors": files.tensors(run.model.parameters()),
    }
    return folder.write(_plain(manifest), contents)


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as JSON has them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if isinstance(value, numpy.ndarray | numpy.generic) else value
