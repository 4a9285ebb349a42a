"""A model as one file: a safetensors file whose text part says what the network is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from pellucid import files
from pellucid.errors import RunError, UsageError
from pellucid.fit.description import VERSION, describe, revive
from pellucid.fit.trainable import Trainable


def save(model: Trainable, path: str | Path) -> None:
    """Writes a model, whole or not at all."""
    config = json.dumps(describe(model), ensure_ascii=False)
    target = Path(path)
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent} to write {target.name} into")
    files.write(target, files.tensors(model.parameters() | model.untrained(), {"pellucid": config}))


def read(path: str | Path) -> Trainable:
    """The model that `model.save(path)` wrote: network, settings and weights.

    Raises RunError for a file that is missing, torn, no model, or from a newer pellucid; UsageError for a
    network with layers of your own that are not imported yet.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    text = files.metadata_of(content, str(path)).get("pellucid")
    if text is None:
        raise RunError(f"{path} holds arrays but no network; for weights alone use model.load_parameters")
    arrays = files.read_tensors(content, str(path))
    try:
        config = cast(dict[str, Any], json.loads(text))
        if config["format"] > VERSION:
            raise RunError(f"{path} is from a newer pellucid (format {config['format']}); pip install -U pellucid")
        return revive(config, arrays)
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise RunError(f"{path} holds no whole network ({error!r}): it was edited, or is not a model") from error
