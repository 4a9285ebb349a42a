"""Writes a run while it is trained: losses, history, checkpoints, in a thread of its own.

The training thread hands over arrays that nothing changes; the writing thread makes files of them. How long both
take is measured, and a checkpoint waits until it fits into its share of the training time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy

from pellucid import files as disk
from pellucid.data.dataset import Numbers
from pellucid.errors import RunError
from pellucid.replay.checkpoint import Checkpoint
from pellucid.storage import (
    Pace,
    Recording,
    RunFolder,
    checkpoint_name,
    fingerprint,
    losses_file,
    losses_name,
    now,
    thinned,
)

Manifest = dict[str, Any]
Contents = Mapping[str, bytes]
Known = Callable[[], tuple[Manifest, Contents]]
"""What is known of a run before its first step: its manifest and its first files. It is asked in the writing thread,
for it reads and hashes the data."""


class Recorder:
    """Records one run."""

    def __init__(self, options: Recording, known: Known, required: bool = False) -> None:
        self.options, self.known = options, known
        self.required = required or options.folder is not None
        """Whether a run that cannot be recorded is not to be trained."""
        self.folder: RunFolder | None = None
        self.pace = Pace(options.share)
        self.trouble: Exception | None = None
        """What went wrong when a checkpoint was written; training goes on, and the next one is tried."""
        self._worker = ThreadPoolExecutor(1, "pellucid-recorder")
        self._waiting: Future[None] | None = None
        self._started = time.perf_counter()

    def begin(self, start: Checkpoint, losses: Numbers, history: Mapping[str, Sequence[Any]]) -> None:
        """Makes the folder, with all that a killed run is resumed from."""
        self._started = time.perf_counter()
        self._submit(self._begin, start, losses, _copied(history))

    def go_on(self, folder: RunFolder) -> None:
        """Goes on writing into a run that was resumed."""
        self.folder = folder
        self._started = time.perf_counter()

    def offer(self, point: Checkpoint, losses: list[Numbers], history: Mapping[str, Sequence[Any]]) -> None:
        """Takes a checkpoint, if there is time for one now. The losses are joined into one array."""
        if self._waiting is not None and not self._waiting.done():
            return
        if self.folder is None and self.required:
            raise RunError(f"the run cannot be recorded, so it is not trained on: {self.trouble}") from self.trouble
        started = time.perf_counter()
        if not self.pace.allows(started - self._started):
            return
        losses[:] = [numpy.concatenate(losses)]
        self._submit(self._checkpoint, point, losses[0], _copied(history), {}, {})
        self.pace.spent += time.perf_counter() - started

    def end(
        self,
        point: Checkpoint,
        losses: Numbers,
        history: Mapping[str, Sequence[Any]],
        about: Manifest,
        best: Mapping[str, Any],
    ) -> RunFolder:
        """Writes how it ended, and waits until all is on the disk; RunError where it cannot be written."""
        contents = {"weights/best.safetensors": disk.tensors(best)}
        self._submit(self._checkpoint, point, losses, _copied(history), about, contents)
        return self._closed()

    def note(self, about: Manifest) -> RunFolder:
        """Adds to run.json what is known after training, as the figures of held-out rows."""
        assert self.folder is not None
        self.folder.commit({**self.folder.manifest, **about}, {})
        return self.folder

    def _closed(self) -> RunFolder:
        try:
            self._worker.shutdown(wait=True)
        except KeyboardInterrupt:  # a second Ctrl-C, while the end is being written: it takes a moment
            self._worker.shutdown(wait=True)
        if self.folder is not None:
            self.folder.release()
        if self.trouble is not None or self.folder is None:
            raise RunError(
                f"the run could not be recorded to its end: {self.trouble}. The model holds its weights; "
                "model.save(PATH) writes them to another place"
            ) from self.trouble
        return self.folder

    def _submit(self, job: Callable[..., None], *arguments: Any) -> None:
        self._waiting = self._worker.submit(self._timed, job, *arguments)

    def _timed(self, job: Callable[..., None], *arguments: Any) -> None:
        began = time.thread_time()
        try:
            job(*arguments)
            self.trouble = None
        except Exception as error:  # told at the end: training is not lost because a disk is full
            self.trouble = error
        self.pace.took(time.thread_time() - began)

    def _begin(self, start: Checkpoint, losses: Numbers, history: Manifest) -> None:
        manifest, contents = self.known()
        whole = {
            "status": "running",
            "created": now(),
            **fingerprint(),
            **manifest,
            "steps": start.step,
            "history": history,
            "losses": losses_name(start.step),
            "recording": self.options.to_json(),
        }
        first = {losses_name(start.step): losses_file(losses), checkpoint_name(start.step): start.to_bytes()}
        self.folder = RunFolder.begin(self.options.folder, plain(whole), {**contents, **first})

    def _checkpoint(
        self, point: Checkpoint, losses: Numbers, history: Manifest, about: Manifest, more: Contents
    ) -> None:
        folder = self.folder
        if folder is None:
            raise RunError(f"its folder could not be made: {self.trouble}") from self.trouble
        content = point.to_bytes()
        started = time.perf_counter()
        written = losses_file(losses)
        self.pace.spent += time.perf_counter() - started  # in threads of its own, which `_timed` does not see
        known = sorted({*folder.checkpoints(), point.step})
        kept = thinned(known, self.options.most(len(content)))
        before = folder.manifest["losses"]
        manifest = {
            **folder.manifest,
            "steps": len(losses),
            "history": history,
            "losses": losses_name(len(losses)),
            "recording": {
                **self.options.to_json(),
                "seconds": round(self.pace.spent, 4),
                "of": round(time.perf_counter() - self._started, 3),
            },
            **about,
        }
        drop = [checkpoint_name(step) for step in known if step not in kept]
        if before != manifest["losses"]:
            drop.append(before)
        files = {losses_name(len(losses)): written, checkpoint_name(point.step): content, **more}
        folder.commit(plain(manifest), files, drop)


def plain(value: Any) -> Any:
    """NumPy's numbers and arrays as JSON has them."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, numpy.ndarray | numpy.generic) else value


def _copied(history: Mapping[str, Sequence[Any]]) -> Manifest:
    return {name: list(values) for name, values in history.items()}
