"""Engines for evaluating and predicting, kept as long as the model that they belong to."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from pellucid.engine import engines
from pellucid.engine.step import Step
from pellucid.fit.compiled import NoLoss
from pellucid.fit.trainable import Trainable

_KEPT: WeakKeyDictionary[Any, dict[Any, engines.Engine]] = WeakKeyDictionary()


def evaluator_of(model: Trainable, name: str, only_predict: bool = False) -> engines.Engine:
    """The engine of that name for a model with the settings that it has now."""
    now = model.compiled
    kept = _KEPT.setdefault(model, {})
    key = (name, now.dtype, only_predict, now.loss, now.optimizer, now.metrics)
    if key not in kept:
        loss = NoLoss() if only_predict or now.loss is None else now.loss
        kept[key] = engines.make(name, Step(model, loss, now.optimizer, now.metrics), now.dtype)
    return kept[key]
