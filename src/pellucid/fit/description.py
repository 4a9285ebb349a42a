"""A network and its settings as plain JSON, and back: what run folders and saved models hold of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, cast

from pellucid.autodiff import Array
from pellucid.data.named import each
from pellucid.engine.step import State
from pellucid.errors import RunError, UsageError
from pellucid.fit.callbacks import Callback, written
from pellucid.fit.config import FitConfig
from pellucid.fit.trainable import Trainable
from pellucid.nn.layer import Layer
from pellucid.nn.losses import Loss
from pellucid.nn.metrics import Metric
from pellucid.optim import Optimizer
from pellucid.registry import from_config, to_config

VERSION = 1


def describe(model: Trainable, lenient: bool = False) -> dict[str, Any]:
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
        "weights": list(now.weights or ()),
        "untrained": list(now.untrained),
    }


def _named(thing: Any) -> dict[str, Any]:
    try:
        return to_config(thing)
    except UsageError:
        return {thing.tag: type(thing).__name__}


def describe_run(
    model: Trainable, how: FitConfig, callbacks: Iterable[Callback], *, required: bool, lost: str | None = None
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


def revive(config: dict[str, Any], parameters: dict[str, Array]) -> Trainable:
    """The model that `describe` described, with these weights; its classes have to be known."""
    made = from_config(config["network"], Layer)
    if not made.is_model:
        raise RunError(f"{config['network'].get('class')} is a layer, not a model")
    model = cast(Trainable, made)
    now = model.compiled
    now.optimizer = from_config(config["optimizer"], Optimizer)
    now.loss = from_config(config["loss"], Loss) if config["loss"] else None
    now.metrics = tuple(from_config(metric, Metric) for metric in config["metrics"])
    now.dtype, now.features = config["dtype"], each(tuple, config["features"])
    now.units = config["units"]
    now.weights, now.untrained = tuple(config["weights"]), tuple(config["untrained"])
    model.take(State({p: parameters[p] for p in now.weights}, untrained={p: parameters[p] for p in now.untrained}))
    return model
