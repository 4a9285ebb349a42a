"""A run folder, opened: from there any step can be, and the run resumed, rewound, compared."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy

from pellucid.data.dataset import Dataset, Numbers
from pellucid.engine import engines
from pellucid.errors import RunError
from pellucid.fit.config import FitConfig
from pellucid.fit.description import revive
from pellucid.replay.checkpoint import Checkpoint
from pellucid.replay.open_step import Naming
from pellucid.replay.recorded import last_checkpoint
from pellucid.replay.replay import Replay
from pellucid.runs.run import Run
from pellucid.runs.sources import source_of
from pellucid.storage import RunFolder, differences
from pellucid.storage.recorded_arrays import arrays_of

BEST = "weights/best.safetensors"


def open_run(path: str | Path, **data: Any) -> Run:
    """The run in a folder, as `fit` returned it.

    data: `x=`, and where needed `y=`, `weight=`, `validation_x=` …, for a run whose data was too large to be copied.

    Raises RunError where the folder is missing, torn or from a newer pellucid; UsageError where it was
    trained with classes that are not imported. What is read from the data is read when a step is opened.
    """
    return run_in(RunFolder.open(path), data)


def run_in(folder: RunFolder, data: dict[str, Any]) -> Run:
    """The run in a folder that is open; see `open_run`."""
    path = folder.path
    losses, last = _read(folder)
    manifest = folder.manifest
    if why := manifest.get("unreplayable"):
        raise RunError(f"{path}: {why}")
    how = FitConfig.from_config(manifest["training"])
    if last is None:
        raise RunError(f"{path} has no whole checkpoint left; train again")
    model = revive(manifest["model"], last.state.parameters | last.state.untrained)
    run = Run(
        model,
        how,
        manifest["history"],
        {"loss": losses},
        status=manifest["status"],
        seconds=manifest.get("seconds", 0.0),
        folder=folder.path,
        first=manifest.get("first", 0),
        parent=Path(manifest["parent"]) if manifest.get("parent") else None,
        final={p: numpy.asarray(a) for p, a in last.state.parameters.items()},
        stored=folder,
        origin=source_of(folder),
    )
    if BEST in manifest["files"]:
        try:
            model.load_parameters(folder.tensors(BEST))
        except RunError as error:
            warnings.warn(f"{error}; the weights of the last checkpoint are used", stacklevel=2)
    run.source = partial(_source, run, folder, data)
    return run


def _source(run: Run, folder: RunFolder, given: dict[str, Any]) -> tuple[Replay, Dataset | None]:
    """What it takes to run a run again."""
    manifest = folder.manifest
    naming = Naming()
    if run.origin is not None:
        data, validation, naming = run.origin.datasets()
    else:
        data, validation = arrays_of(folder, given)
    start = last_checkpoint(folder, run.first)
    if start is None:  # the first checkpoint is torn: steps before the next one cannot be reached
        start = _first_whole(folder)
    model = run.model.clone()
    model.take(start.state)
    step = run.training.step(model)
    engine = engines.make(run.training.engine, step, model.compiled.dtype)
    replay = Replay(step, engine, run.training.plan(len(data)), data, start, naming=naming)
    replay.losses = run.step_history["loss"]
    replay.checkpoint = partial(last_checkpoint, folder)
    replay.elsewhere = "; ".join(differences(manifest))
    return replay, validation


def _read(folder: RunFolder) -> tuple[Numbers, Checkpoint | None]:
    """The recorded losses and the last checkpoint: of one commit, though another process may be training the run."""
    while True:
        seen = folder.manifest
        losses = _losses(folder)
        last = last_checkpoint(folder, len(losses))
        if folder.manifest is seen:
            return losses, last


def _losses(folder: RunFolder) -> Numbers:
    """The recorded loss of each step; where that file is torn, NaN for each."""
    try:
        return folder.step_losses()
    except RunError as error:
        if folder.reread():
            return _losses(folder)
        warnings.warn(f"{error}; steps can be opened, but not held to their recorded losses", stacklevel=3)
        return numpy.full(int(folder.manifest["steps"]), numpy.nan, folder.manifest["model"]["dtype"])


def _first_whole(folder: RunFolder) -> Checkpoint:
    for number in folder.checkpoints():
        if (point := last_checkpoint(folder, number)) is not None:
            return point
    raise RunError(f"{folder.path} has no whole checkpoint left; train again")
