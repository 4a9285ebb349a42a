"""A run on disk: manifest, history, checkpoints; atomic and verified."""

from pellucid.engine.fingerprint import differences, fingerprint, now, version
from pellucid.storage.recording import Pace, Recording, thinned
from pellucid.storage.run_folder import (
    RunFolder,
    check_place,
    checkpoint_name,
    losses_file,
    losses_name,
    runs_folder,
)

__all__ = [
    "Pace",
    "Recording",
    "RunFolder",
    "check_place",
    "checkpoint_name",
    "differences",
    "fingerprint",
    "losses_file",
    "losses_name",
    "now",
    "runs_folder",
    "thinned",
    "version",
]
