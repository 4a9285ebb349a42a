"""The checkpoints that a run folder holds."""

from __future__ import annotations

import warnings

from pellucid.errors import RunError
from pellucid.replay.checkpoint import Checkpoint
from pellucid.storage import RunFolder, checkpoint_name


def last_checkpoint(folder: RunFolder, step: int) -> Checkpoint | None:
    """The last whole checkpoint at or before a step; a torn one is told of, and the one before it taken."""
    for number in reversed([n for n in folder.checkpoints() if n <= step]):
        name = checkpoint_name(number)
        try:
            return Checkpoint.from_bytes(folder.read(name), str(folder.path / name))
        except RunError as error:
            if folder.reread():  # the process that trains it has put others in its place
                return last_checkpoint(folder, step)
            warnings.warn(f"{error}; the last whole checkpoint before it is used", stacklevel=2)
    return None
