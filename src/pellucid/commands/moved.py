"""Whether the data of a run is where it was."""

from __future__ import annotations

from pellucid.commands.listener import Listener
from pellucid.runs.run import Run


def note_moved(listener: Listener, *runs: Run) -> None:
    """Notes where the data of a run is not as it was, and its copy in the run is used."""
    found = [run.origin.moved() for run in runs if run.origin is not None]
    for moved in dict.fromkeys(found):
        if moved:
            listener.note(moved)
