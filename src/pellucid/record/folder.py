"""A run on disk: a folder of plain files.

    run.json              what was trained, on what, how, with which versions, and how it went by epoch
    recipe.json           how the columns of a table became numbers
    steps.parquet         the loss of each step
    weights/*.safetensors initial, final and best weights

run.json holds the SHA-256 of the others and is written last, so a folder that a crash left behind is
recognised, and says so.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy

from pellucid.errors import RunError, UsageError
from pellucid.record import files

VERSION = 1
"""Of the folder's format; a folder of a higher one is refused."""


@dataclass(frozen=True)
class RunFolder:
    """One run's folder and its manifest (what run.json holds)."""

    path: Path
    manifest: dict[str, Any]

    @classmethod
    def create(cls, place: str | Path | None = None, runs: str | Path = "runs") -> RunFolder:
        """A new, empty folder: `place`, or the next number in `runs`."""
        if place is not None:
            path = Path(place)
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise UsageError(f"{path} is there already and is not empty; choose another name with --out")
            _make(path, exist_ok=True)
            return cls(path, {})
        parent = Path(runs)
        _make(parent, exist_ok=True)
        number = 1 + max((int(p.name) for p in parent.iterdir() if p.name.isdigit()), default=0)
        while True:
            try:
                (parent / str(number)).mkdir()
                return cls(parent / str(number), {})
            except FileExistsError:  # another run took it a moment ago
                number += 1
            except OSError as error:
                raise RunError(f"{parent / str(number)} cannot be made: {error.strerror}") from error

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """The run in a folder. Raises RunError where it is missing, torn, unfinished or too new."""
        path = Path(path)
        if not path.is_dir():
            near = sorted(str(p.parent) for p in path.parent.glob("*/run.json"))[-3:]
            hint = f" There is {', '.join(near)}." if near else " `pellucid train FILE` makes one."
            raise RunError(f"there is no run folder {path}.{hint}")
        manifest = files.read_json(path / "run.json")
        version = manifest.get("format") if isinstance(manifest, dict) else None
        if not isinstance(version, int):
            raise RunError(f"{path}/run.json does not say its format; it is not a run of pellucid")
        if version > VERSION:
            raise RunError(
                f"{path} was written by pellucid {manifest.get('versions', {}).get('pellucid', '?')} in format "
                f"{version}; this pellucid reads up to format {VERSION}. Update it: pip install -U pellucid"
            )
        return cls(path, manifest)

    def write(self, manifest: Mapping[str, Any], contents: Mapping[str, bytes]) -> RunFolder:
        """Writes the files, then run.json with their digests; returns the folder with that manifest."""
        for name, content in contents.items():
            target = self.path / name
            _make(target.parent, exist_ok=True)
            files.write(target, content)
        known = dict(self.manifest.get("files", {})) | {n: files.digest(c) for n, c in contents.items()}
        whole = {"format": VERSION, **manifest, "files": known}
        files.write_json(self.path / "run.json", whole)
        return RunFolder(self.path, whole)

    def discard(self) -> None:
        """Takes away a folder whose first files could not be written."""
        shutil.rmtree(self.path, ignore_errors=True)

    def read(self, name: str) -> bytes:
        """One file of the run, checked against its digest."""
        expected = self.manifest.get("files", {}).get(name)
        try:
            content = (self.path / name).read_bytes()
        except OSError as error:
            status = self.manifest.get("status", "unknown")
            raise RunError(
                f"{self.path / name} is missing; the run's status is {status!r}"
                + (", so it was stopped before it was written" if status == "running" else "")
            ) from error
        if files.digest(content) != expected:
            raise RunError(f"{self.path / name} is torn: it is not what run.json says was written")
        return content

    def weights(self, which: str) -> dict[str, numpy.ndarray[Any, Any]]:
        """The weights "initial", "final" or "best"."""
        name = f"weights/{which}.safetensors"
        return files.read_tensors(self.read(name), str(self.path / name))

    def step_losses(self) -> numpy.ndarray[Any, Any]:
        """The loss of each step."""
        import polars

        return polars.read_parquet(io.BytesIO(self.read("steps.parquet")))["loss"].to_numpy()


def steps_file(losses: numpy.ndarray[Any, Any]) -> bytes:
    """The loss of each step as a Parquet file."""
    import polars

    buffer = io.BytesIO()
    polars.DataFrame({"step": numpy.arange(len(losses)), "loss": losses}).write_parquet(buffer)
    return buffer.getvalue()


def fingerprint() -> dict[str, Any]:
    """Versions and hardware: within one fingerprint a replay gives the same bits."""
    names = ("pellucid", "jax", "jaxlib", "numpy", "polars")
    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in names}},
        "hardware": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        },
    }


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _make(path: Path, exist_ok: bool) -> None:
    try:
        path.mkdir(parents=True, exist_ok=exist_ok)
    except OSError as error:
        raise RunError(f"the folder {path} cannot be made: {error.strerror or error}") from error
