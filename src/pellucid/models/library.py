"""Every network and layer of the library, so that a file finds each of them by name.

What reads a run or a model begins here: the classes have to be known before a file speaks of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from pellucid.models import networks, saving, sequential
from pellucid.models.model import Model
from pellucid.nn import layers
from pellucid.runs import opening
from pellucid.runs import resume as resuming

LIBRARY = (layers, networks, sequential)
"""What has to have been read before a file is."""

open_run, resume, held = opening.open_run, resuming.resume, resuming.held


def load(path: str | Path) -> Model:
    """The model that `model.save(path)` wrote: network, settings and weights.

    Raises RunError for a file that is missing, torn, no model, or from a newer pellucid; UsageError for a
    network with layers of your own that are not imported yet.
    """
    return cast(Model, saving.read(path))
