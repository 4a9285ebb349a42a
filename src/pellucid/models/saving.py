"""A model as one file: a safetensors file whose text part says what the network is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from pellucid import files, optim
from pellucid.autodiff import Array
from pellucid.data.named import each
from pellucid.errors import RunError, UsageError
from pellucid.models import networks, sequential
from pellucid.models.model import Model
from pellucid.nn import (
    layer,
    losses,
    metrics,
)
from pellucid.nn.layers import (
    attention,
    augmentation,
    convolution,
    dense,
    depthwise,
    merging,
    noise,
    normalization,
    pooling,
    recurrent,
    resizing,
    scaling,
    sequences,
    shaping,
)

VERSION = 1
BUILT_IN = (
    attention,
    augmentation,
    convolution,
    dense,
    depthwise,
    merging,
    networks,
    noise,
    normalization,
    pooling,
    recurrent,
    resizing,
    scaling,
    sequences,
    sequential,
    shaping,
)
"""The modules with layers of the library: read with this one, so that a file finds each of them by name."""


def describe(model: Model) -> dict[str, Any]:
    """The network and its settings as plain JSON."""
    now = model.compiled
    return {
        "format": VERSION,
        "network": model.to_json(),
        "optimizer": now.optimizer.to_json(),
        "loss": now.loss.to_json() if now.loss else None,
        "metrics": [metric.to_json() for metric in now.metrics],
        "dtype": now.dtype,
        "features": each(list, now.features),
        "units": now.units,
        "weights": list(now.parameters or {}),
        "untrained": list(now.untrained),
    }


def revive(config: dict[str, Any], parameters: dict[str, Array]) -> Model:
    """The model that `describe` described, with these weights."""
    model = layer.from_json(config["network"])
    if not isinstance(model, Model):
        raise RunError(f"{config['network'].get('class')} is a layer, not a model")
    now = model.compiled
    now.optimizer = optim.from_json(config["optimizer"])
    now.loss = losses.from_json(config["loss"]) if config["loss"] else None
    now.metrics = tuple(metrics.from_json(m) for m in config["metrics"])
    now.dtype, now.features = config["dtype"], each(tuple, config["features"])
    now.units = config["units"]
    now.parameters = {path: parameters[path] for path in config["weights"]}
    now.untrained = {path: parameters[path] for path in config["untrained"]}
    return model


def save(model: Model, path: str | Path) -> None:
    """Writes a model, whole or not at all."""
    config = json.dumps(describe(model), ensure_ascii=False)
    target = Path(path)
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent} to write {target.name} into")
    files.write(target, files.tensors(model.parameters() | model.untrained(), {"pellucid": config}))


def load(path: str | Path) -> Model:
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
