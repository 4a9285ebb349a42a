"""The folder of pictures or sounds that a run was trained on: into the run, and found again."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
import zipfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy
import polars

from pellucid import files
from pellucid.data.files.folder import Folder
from pellucid.data.files.folder_recipe import FolderRecipe
from pellucid.data.files.labelled_files import Found
from pellucid.data.rows import Rows
from pellucid.errors import DataError, RunError
from pellucid.replay.open_step import Naming
from pellucid.runs.origin import Origin
from pellucid.storage import version

LIST = "data/files.csv"
"""Each file from the folder on, its class, its SHA-256: row n of the data is line n + 2."""
ARCHIVE = "data/files.zip"
"""The files themselves, where they are small: one file, for thousands would be slow to write safely."""
TEXT = {"file": polars.String, "class": polars.String}
SHOWN = 3


def known_of_folder(
    about: dict[str, Any], folder: Folder, recipe: FolderRecipe, keep: int
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What is known before the first step of a run on a folder: its manifest, the recipe, the list of its files.

    about: what the manifest holds beside; keep: files of up to so many bytes in all are copied into the run.
    """
    paths, y = folder.found.files, folder.found.y
    listed = polars.DataFrame(
        {
            "file": folder.file_names,
            "class": [folder.found.classes[number] for number in y],
            "sha256": [files.digest_of(path) for path in paths],
        }
    )
    contents = {
        "recipe.json": (json.dumps(recipe.to_json(), indent=2, ensure_ascii=False) + "\n").encode(),
        LIST: listed.write_csv().encode(),
    }
    small = sum(path.stat().st_size for path in paths) <= keep
    if small:
        contents[ARCHIVE] = _packed(folder.file_names, paths)
    data = {
        "kind": "folder",
        "holds": folder.kind,
        "source": str(folder.path.resolve()),
        "reader": {recipe.reading.package: version(recipe.reading.package)},
        "rows": folder.row_count,
        "sha256": files.digest(contents[LIST]),
        "file": ARCHIVE if small else None,
    }
    return {**about, "data": data, "target": recipe.target.name, "task": recipe.target.task}, contents


@dataclass(frozen=True)
class FolderSource(Origin):
    """The folder of a run, and how its files become numbers."""

    @cached_property
    def recipe(self) -> FolderRecipe:  # pyright: ignore[reportIncompatibleMethodOverride]
        """How files become numbers."""
        return FolderRecipe.from_json(json.loads(self.folder.read("recipe.json")))

    @cached_property
    def listed(self) -> polars.DataFrame:
        """Each file, its class, its SHA-256."""
        return polars.read_csv(io.BytesIO(self.folder.read(LIST)), schema_overrides=TEXT)

    @contextmanager
    def opened(self) -> Generator[Folder]:
        """The files it was trained on; DataError where they moved or changed since."""
        data = self.folder.manifest["data"]
        content = None
        if data["file"]:
            try:
                content = self.folder.read(data["file"])
            except RunError as error:
                if self.altered():
                    raise
                warnings.warn(f"{error}; {data['source']}, which is as it was, is used", stacklevel=2)
        elif altered := self.altered():
            raise DataError(
                f"{data['source']} is not as it was when {self.folder.path} was trained on it: {_some(altered)}. Its "
                "steps can only be opened with the files as they were"
            )
        if content is None:
            yield self._of(Path(data["source"]), self._paths())
            return
        with tempfile.TemporaryDirectory(prefix="pellucid-files-") as place:
            yield self._of(Path(data["source"]), _unpacked(content, Path(place), self.listed["file"].to_list()))

    def altered(self) -> list[str]:
        """Of each file that is gone or another one by now, a few words."""
        found: list[str] = []
        for path, digest in zip(self._paths(), self.listed["sha256"], strict=True):
            if not path.is_file():
                found.append(f"{path.name} is not there any more")
            elif files.digest_of(path) != digest:
                found.append(f"{path.name} has changed")
        return found

    def moved(self) -> str:
        """A sentence where files are gone or others by now; their copies in the run are used."""
        data = self.folder.manifest["data"]
        if not data["file"]:
            return ""
        if not Path(data["source"]).exists():
            return f"{data['source']} is not there any more; the copy in the run is used"
        altered = self.altered()
        return f"in {data['source']} {_some(altered)}; the copies in the run are used" if altered else ""

    def encoded(self) -> Rows:
        """The files as numbers, each with its part."""
        with self.opened() as folder:
            return self.recipe.rows(folder)

    def naming(self, training: Any) -> Naming:
        """Pixels or bands, classes, and the file of each training row."""
        recipe = self.recipe
        return Naming(
            recipe.feature_names,
            recipe.target.classes,
            lambda places: training.row[places],
            self.listed["file"].to_list(),
            recipe.reading.upright,
        )

    def _paths(self) -> list[Path]:
        """Where each file lay."""
        source = Path(self.folder.manifest["data"]["source"])
        return [source / name for name in self.listed["file"]]

    def _of(self, source: Path, paths: Sequence[Path]) -> Folder:
        classes, y = numpy.unique(self.listed["class"].to_numpy().astype(str), return_inverse=True)
        found = Found(tuple(paths), y.astype(numpy.int32), tuple(str(name) for name in classes))
        return Folder(source, found, self.folder.manifest["data"]["holds"])


def _packed(names: Sequence[str], paths: Sequence[Path]) -> bytes:
    """The files in one archive, the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, path in zip(names, paths, strict=True):
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes())
    return buffer.getvalue()


def _unpacked(content: bytes, place: Path, names: Sequence[str]) -> list[Path]:
    """The files of an archive, under names of their own."""
    paths: list[Path] = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for i, name in enumerate(names):
            about = archive.getinfo(name)
            if about.compress_type != zipfile.ZIP_STORED:  # pellucid stores; who compressed may hide any size
                raise RunError(f"{ARCHIVE} holds {name} compressed: it was not written by pellucid")
            paths.append(place / f"{i}{Path(name).suffix}")
            paths[-1].write_bytes(archive.read(about))
    return paths


def _some(altered: Sequence[str]) -> str:
    more = f" and {len(altered) - SHOWN:,} more" if len(altered) > SHOWN else ""
    return ", ".join(altered[:SHOWN]) + more
