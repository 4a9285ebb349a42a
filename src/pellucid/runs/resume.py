"""A run that was killed or interrupted, trained to its end."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pellucid.errors import RunError, UsageError
from pellucid.fit.callbacks import Callback, revived
from pellucid.fit.progress import bar
from pellucid.fit.recorder import Recorder
from pellucid.fit.training import train
from pellucid.fit.watcher import Watcher
from pellucid.replay.recorded import last_checkpoint
from pellucid.runs.opening import run_in
from pellucid.runs.run import Run
from pellucid.storage import Recording, RunFolder


def resume(path: str | Path, *, callbacks: Iterable[Callback] | None = None, verbose: int = 1, **data: Any) -> Run:
    """Goes on with a run that was killed or interrupted, and ends with the weights it would have ended with.

    callbacks: in the place of the recorded ones; needed where one of them cannot be made again. data: as for
        `open_run`.

    Raises UsageError for a run that has ended, RunError for one that another process is training.
    """
    with held(path, **data) as run:
        return go_on(run, bar(verbose), callbacks)


@contextmanager
def held(path: str | Path, **data: Any) -> Generator[Run]:
    """The run in a folder, which no other process trains meanwhile."""
    folder = RunFolder.open(path)
    if not folder.lock():
        raise RunError(f"{path} is being trained by another process; it can be resumed when that one has ended")
    try:
        folder.reread()  # its writer may have ended just before it was locked
        yield run_in(folder, data)
    finally:
        folder.release()


def go_on(run: Run, watcher: Watcher, callbacks: Iterable[Callback] | None = None) -> Run:
    """Trains a run that is held to its end."""
    folder = run.stored
    assert folder is not None
    path = folder.path
    if run.status in ("finished", "stopped early"):
        raise UsageError(f"{path} has ended ({run.status}, {run.steps} steps): there is nothing left to resume")
    if run.status in ("not finite", "failed"):
        raise UsageError(
            f"{path} ended because of itself ({run.status} at step {run.steps}), and would again; "
            f"`pellucid why {path}` says why, and `pellucid rewind` goes back and changes something"
        )
    point = last_checkpoint(folder, run.steps)
    assert point is not None  # open_run found one
    those = _callbacks(path, folder, callbacks)
    replay = run.replay
    recorder = Recorder(Recording(path, **folder.recording), lambda: ({}, {}))
    recorder.go_on(folder)
    model = run.model.clone()
    model.take(point.state)
    again = Run(
        model,
        run.training,
        {name: values[: point.step // replay.plan.steps] for name, values in run.history.items()},
        {"loss": run.step_history["loss"][: point.step]},
        first=run.first,
        parent=run.parent,
        seconds=run.seconds,
        callbacks=those,
        recorder=recorder,
        stored=folder,
        origin=run.origin,
    )
    train(again, replay.data, run.validation, point, naming=replay.naming, watcher=watcher)
    again.replay.start = replay.start
    return again


def _callbacks(path: str | Path, folder: RunFolder, given: Iterable[Callback] | None) -> list[Callback]:
    """Those given, or as they were recorded; UsageError where they are not of the kinds that remember."""
    recorded = folder.manifest["callbacks"]
    those = list(given) if given is not None else [revived(config) for config in recorded]
    kinds = [config["callback"] for config in recorded]
    if (found := [type(callback).__name__ for callback in those]) != kinds:
        raise UsageError(
            f"{path} was trained with the callbacks {kinds}, and is resumed with {found}; give the same ones, in the "
            "same order, so that each remembers what it knew"
        )
    return those
