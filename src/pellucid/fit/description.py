"""A network and its settings as plain JSON, and back: what run folders and saved models hold of it."""

from __future__ import annotations

from typing import Any, cast

from pellucid import optim
from pellucid.autodiff import Array
from pellucid.data.named import each
from pellucid.engine.step import State
from pellucid.errors import RunError
from pellucid.fit.trainable import Trainable
from pellucid.nn import layer, losses, metrics

VERSION = 1


def describe(model: Trainable) -> dict[str, Any]:
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
        "weights": list(now.weights or ()),
        "untrained": list(now.untrained),
    }


def revive(config: dict[str, Any], parameters: dict[str, Array]) -> Trainable:
    """The model that `describe` described, with these weights; its class has to be known."""
    made = layer.from_json(config["network"])
    if not made.is_model:
        raise RunError(f"{config['network'].get('class')} is a layer, not a model")
    model = cast(Trainable, made)
    now = model.compiled
    now.optimizer = optim.from_json(config["optimizer"])
    now.loss = losses.from_json(config["loss"]) if config["loss"] else None
    now.metrics = tuple(metrics.from_json(m) for m in config["metrics"])
    now.dtype, now.features = config["dtype"], each(tuple, config["features"])
    now.units = config["units"]
    now.weights, now.untrained = tuple(config["weights"]), tuple(config["untrained"])
    model.take(State({p: parameters[p] for p in now.weights}, untrained={p: parameters[p] for p in now.untrained}))
    return model
