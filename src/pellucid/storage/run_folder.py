"""A run on disk: a folder of plain files.

    run.json                          what was trained, on what, how, with which versions, and how it went by epoch
    recipe.json                       how the columns of a table became numbers
    data/…                            the data, where it is small
    checkpoints/00001234.safetensors  weights, optimizer and all else that step 1234 and those after depend on
    steps-00001234.parquet            the loss of each step before step 1234
    weights/best.safetensors          the weights that the model ended with

run.json holds the SHA-256 of the others, and its own. It is written last: a file that it does not name was
being written when the run was killed, and is taken away when the folder is opened next.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy

from pellucid import files
from pellucid.errors import RunError, UsageError
from pellucid.storage.recording import Recording

VERSION = 1
"""Of the folder's format; a folder of a higher one is refused."""
RUN = "run.json"
CAN_LOCK = find_spec("fcntl") is not None
"""On Unix; elsewhere runs are neither locked nor tidied."""
UNNAMED = re.compile(r"\.\d+-[0-9a-f]+\.new")
"""A folder that has not got its name yet."""
OURS = re.compile(r"(.*/)?\.[^/]+\.\d+\.new|checkpoints/\d+\.safetensors|steps-\d+\.parquet|weights/best\.safetensors")
"""The files that a run writes while it goes on, and unfinished ones."""


@dataclass
class RunFolder:
    """One run's folder and its manifest (what run.json holds)."""

    path: Path
    manifest: dict[str, Any]
    _lock: int | None = field(default=None, repr=False)

    @classmethod
    def begin(cls, place: str | Path | None, manifest: Mapping[str, Any], contents: Mapping[str, bytes]) -> RunFolder:
        """A new folder with these files: at `place`, or the next number in `runs`. It appears whole."""
        parent = Path(place).parent if place is not None else runs_folder()
        _make(parent)
        _sweep(parent)
        new = parent / f".{os.getpid()}-{id(contents):x}.new"
        folder = cls(new, {})
        try:
            folder._make_locked()
            folder.commit(manifest, contents)
            folder.path = _named(new, place, parent)
            files.sync_folder(parent)
        except BaseException:
            folder.release()
            shutil.rmtree(folder.path if folder.path == new else new, ignore_errors=True)
            raise
        return folder

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """The run in a folder. Raises RunError where it is missing, torn or too new."""
        path = Path(path)
        if not path.is_dir():
            near = sorted(str(p.parent) for p in path.parent.glob(f"*/{RUN}"))[-3:]
            hint = f" There is {', '.join(near)}." if near else " `pellucid train FILE` makes one."
            raise RunError(f"there is no run folder {path}.{hint}")
        manifest = files.read_sealed(path / RUN)
        version = manifest.get("format")
        if not isinstance(version, int):
            raise RunError(f"{path}/{RUN} does not say its format; it is not a run of pellucid")
        if version > VERSION:
            raise RunError(
                f"{path} was written by pellucid {manifest.get('versions', {}).get('pellucid', '?')} in format "
                f"{version}; this pellucid reads up to format {VERSION}. Update it: pip install -U pellucid"
            )
        folder = cls(path, manifest)
        folder.tidy()
        return folder

    def commit(self, manifest: Mapping[str, Any], contents: Mapping[str, bytes], drop: Iterable[str] = ()) -> None:
        """Writes the files, then run.json with their digests; then takes away those that it no longer names."""
        for name, content in contents.items():
            target = self.path / name
            _make(target.parent)
            files.write(target, content)
        known = dict(self.manifest.get("files", {})) | {n: files.digest(c) for n, c in contents.items()}
        gone = {name for name in drop if known.pop(name, None)}
        whole = {"format": VERSION, **manifest, "files": known}
        files.write_sealed(self.path / RUN, whole)
        self.manifest = whole
        for name in gone:
            with contextlib.suppress(OSError):
                (self.path / name).unlink()

    @property
    def recording(self) -> dict[str, Any]:
        """How it is recorded, as `Recording` takes it."""
        known = self.manifest.get("recording", {})
        return {f.name: known[f.name] for f in fields(Recording) if f.name in known}

    def reread(self) -> bool:
        """Reads run.json again; whether another process has written it since it was read."""
        before = self.manifest
        now = files.read_sealed(self.path / RUN)
        if now == before:
            return False
        self.manifest = now
        return True

    def read(self, name: str) -> bytes:
        """One file of the run, checked against its digest."""
        expected = self.manifest.get("files", {}).get(name)
        try:
            content = (self.path / name).read_bytes()
        except OSError as error:
            raise RunError(f"{self.path / name} is missing, though {RUN} names it: it was taken away") from error
        if files.digest(content) != expected:
            raise RunError(f"{self.path / name} is torn: it is not what {RUN} says was written")
        return content

    def tensors(self, name: str) -> dict[str, numpy.ndarray[Any, Any]]:
        """The arrays of one file of the run."""
        return files.read_tensors(self.read(name), str(self.path / name))

    def step_losses(self) -> numpy.ndarray[Any, Any]:
        """The loss of each step."""
        import polars

        return polars.read_parquet(io.BytesIO(self.read(self.manifest["losses"])))["loss"].to_numpy()

    def checkpoints(self) -> list[int]:
        """The steps before which there is a checkpoint, in order."""
        names = (name for name in self.manifest.get("files", {}) if name.startswith("checkpoints/"))
        return sorted(int(Path(name).stem) for name in names)

    def lock(self) -> bool:
        """Says that this process writes the run, until it ends or `release`s; False if another one does."""
        if not CAN_LOCK:
            return False
        if self._lock is None:
            import fcntl

            handle = os.open(self.path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(handle)
                return False
            self._lock = handle
        return True

    def being_written(self) -> bool:
        """Whether another process is training this run now."""
        if self.lock():
            self.release()
            return False
        return True

    def release(self) -> None:
        """Ends `lock`."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _make_locked(self) -> None:
        """Makes the folder, which nobody else sweeps away from then on."""
        while True:
            _make(self.path)
            with contextlib.suppress(FileNotFoundError):
                if (self.lock() and _is_open(self._lock, self.path)) or not CAN_LOCK:
                    return
            self.release()  # it was taken for one that a killed run had left, between making and locking

    def tidy(self) -> None:
        """Takes away what a killed run left behind, unless some process is writing the run now."""
        if not self.lock():
            return
        try:
            self.manifest = files.read_sealed(self.path / RUN)  # its writer may have ended since it was read
            named = {self.path / name for name in (*self.manifest.get("files", {}), RUN)}
            for file in self.path.rglob("*"):
                if file.is_file() and file not in named and _ours(file.relative_to(self.path)):
                    with contextlib.suppress(OSError):
                        file.unlink()
        finally:
            self.release()


def checkpoint_name(step: int) -> str:
    return f"checkpoints/{step:08}.safetensors"


def losses_name(steps: int) -> str:
    return f"steps-{steps:08}.parquet"


def losses_file(losses: numpy.ndarray[Any, Any], first: int = 0) -> bytes:
    """The loss of each step as a Parquet file."""
    import polars

    buffer = io.BytesIO()
    steps = numpy.arange(first, first + len(losses))
    polars.DataFrame({"step": steps, "loss": losses}).write_parquet(buffer, compression="lz4")
    return buffer.getvalue()


def runs_folder() -> Path:
    """Where runs go that are given no place."""
    return Path(os.environ.get("PELLUCID_RUNS", "runs"))


def check_place(place: str | Path | None) -> None:
    """UsageError or RunError where a run cannot be written to `place`: asked before training, while nothing is lost."""
    path = runs_folder() / "1" if place is None else Path(place)
    if place is not None and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} is there already and is not empty; choose another name (--out, --as)")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        reason = "may not be written to" if above.is_dir() else "is a file"
        raise RunError(f"the folder {path.parent} cannot be made: {above} {reason}; choose another place")


def _named(new: Path, place: str | Path | None, parent: Path) -> Path:
    """Gives a finished folder its name."""
    number = 1 + max((int(p.name) for p in parent.iterdir() if p.name.isdigit()), default=0)
    while True:
        path = Path(place) if place is not None else parent / str(number)
        try:
            new.rename(path)
            return path
        except OSError as error:
            if place is not None:
                raise UsageError(
                    f"{path} is there already and is not empty; choose another name (--out, --as)"
                ) from error
            if not path.exists():
                raise RunError(f"{path} cannot be made: {error.strerror}") from error
            number += 1  # another run took it a moment ago


def _is_open(handle: int | None, path: Path) -> bool:
    """Whether the open folder is the one at this path."""
    try:
        return handle is not None and os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _sweep(parent: Path) -> None:
    """Takes away folders of runs that were killed before they had a name."""
    for left in parent.glob(".*.new"):
        folder = RunFolder(left, {})
        with contextlib.suppress(FileNotFoundError):  # it has got its name meanwhile
            if UNNAMED.fullmatch(left.name) and left.is_dir() and folder.lock():
                shutil.rmtree(left, ignore_errors=True)
                folder.release()


def _ours(file: Path) -> bool:
    """Whether pellucid writes files of such a name; what a person put into the folder stays."""
    return OURS.fullmatch(file.as_posix()) is not None


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"the folder {path} cannot be made: {error.strerror or error}") from error
