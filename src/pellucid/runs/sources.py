"""Where the data of a recorded run comes from, by what its manifest says of it."""

from __future__ import annotations

from pellucid.runs.folder_source import FolderSource
from pellucid.runs.origin import Origin
from pellucid.runs.table_source import TableSource
from pellucid.storage import RunFolder

SOURCES: dict[str, type[Origin]] = {"table": TableSource, "folder": FolderSource}


def source_of(folder: RunFolder) -> Origin | None:
    """The table or the folder of files of a run; None where it was trained on arrays."""
    kind = SOURCES.get(folder.manifest["data"]["kind"])
    return None if kind is None else kind(folder)
