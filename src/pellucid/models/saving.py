"""A model as one file: a safetensors file whose text part says what the network is."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pellucid import files
from pellucid.autodiff import Array
from pellucid.data.named import each
from pellucid.errors import RunError, UsageError
from pellucid.fit.callbacks import Callback, written
from pellucid.models import networks, sequential
from pellucid.models.model import Model
from pellucid.nn.layer import Layer
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
from pellucid.nn.losses import Loss
from pellucid.nn.metrics import Metric
from pellucid.optim import Optimizer
from pellucid.registry import Configured, from_config, to_config

if TYPE_CHECKING:
    from pellucid.fit.training import Training

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


def describe(model: Model, lenient: bool = False) -> dict[str, Any]:
    """The network and its settings as plain JSON.

    Raises UsageError, naming class and argument, for what cannot be written down; lenient: its class alone is written.
    """
    now = model.compiled
    write = _named if lenient else to_config
    return {
        "format": VERSION,
        "network": write(model),
        "optimizer": write(now.optimizer),
        "loss": write(now.loss) if now.loss else None,
        "metrics": [write(metric) for metric in now.metrics],
        "dtype": now.dtype,
        "features": each(list, now.features),
        "units": now.units,
        "weights": list(now.parameters or {}),
        "untrained": list(now.untrained),
    }


def _named(thing: Configured) -> dict[str, Any]:
    try:
        return to_config(thing)
    except UsageError:
        return {thing.tag: type(thing).__name__}


def describe_run(
    model: Model, how: Training, callbacks: Iterable[Callback], *, required: bool, lost: str | None = None
) -> dict[str, Any]:
    """What a run's manifest holds of model, training and callbacks.

    lost: why the model cannot be made again, if that is known. required: such a run is refused; else it is trained
    and recorded, and `unreplayable` says why it will not open.
    """
    about = {"training": how.to_config(), "callbacks": written(callbacks)}
    try:
        if lost is not None:
            raise UsageError(lost)
        return {"model": describe(model), **about}
    except UsageError as error:
        sentence = f"this run cannot be replayed because {error}"
        if required:
            raise UsageError(f"{sentence}; with record=True or False it is trained all the same") from error
        warnings.warn(sentence, stacklevel=3)
        return {"model": describe(model, lenient=True), **about, "unreplayable": sentence}


def revive(config: dict[str, Any], parameters: dict[str, Array]) -> Model:
    """The model that `describe` described, with these weights."""
    model = from_config(config["network"], Layer)
    if not isinstance(model, Model):
        raise RunError(f"{config['network'].get('class')} is a layer, not a model")
    now = model.compiled
    now.optimizer = from_config(config["optimizer"], Optimizer)
    now.loss = from_config(config["loss"], Loss) if config["loss"] else None
    now.metrics = tuple(from_config(metric, Metric) for metric in config["metrics"])
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
