"""A run on disk: manifest, history, weights; atomic and verified."""

from pellucid.record.folder import RunFolder, fingerprint, now, steps_file

__all__ = ["RunFolder", "fingerprint", "now", "steps_file"]
