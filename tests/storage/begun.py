"""A run's folder just begun, for the tests of what becomes of it."""

import numpy as np

from pellucid import files
from pellucid.storage import RunFolder, checkpoint_name, losses_file, losses_name

LOSSES = np.array([3.0, 2.5, 2.25], np.float32)
CONTENTS = {
    checkpoint_name(0): files.tensors({"dense/kernel": np.arange(6.0).reshape(2, 3)}),
    checkpoint_name(3): files.tensors({"dense/kernel": np.ones((2, 3))}),
    losses_name(3): losses_file(LOSSES),
    "data/arrays.safetensors": files.tensors({"x": np.ones(3)}),
}
MANIFEST = {"status": "running", "seed": 3, "losses": losses_name(3)}


def begun(place):
    """The folder, which no process holds."""
    folder = RunFolder.begin(place, MANIFEST, CONTENTS)
    folder.release()
    return folder


def names(path):
    """Every file in a folder, by its path inside it."""
    return {str(p.relative_to(path)) for p in path.rglob("*") if p.is_file()}
