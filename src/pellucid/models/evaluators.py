"""Engines for evaluating and predicting, at hand as long as nothing was set; what they compiled is kept elsewhere."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from pellucid.engine import engines
from pellucid.engine.step import Step
from pellucid.fit.compiled import NoLoss
from pellucid.fit.trainable import Trainable
from pellucid.nn.layer import settings_changed

_AT_HAND: WeakKeyDictionary[Any, tuple[Any, dict[Any, engines.Engine]]] = WeakKeyDictionary()
"""Of each model: when it was looked at, and its engines since then. To ask whether two networks are the same takes as
long as to predict a row."""


def evaluator_of(model: Trainable, name: str, only_predict: bool = False) -> engines.Engine:
    """The engine of that name for a model with the settings that it has now."""
    now = model.compiled
    looked = (
        settings_changed(),
        *(id(part) for value in vars(model).values() if isinstance(value, list) for part in value),
    )
    when, at_hand = _AT_HAND.get(model, (None, {}))
    if when != looked:
        at_hand = {}
        _AT_HAND[model] = looked, at_hand
    key = (name, now.dtype, only_predict, now.loss, now.optimizer, now.metrics)
    if key not in at_hand:
        if only_predict or now.loss is None:
            step = Step(model, NoLoss(), now.optimizer)
        else:
            step = Step(model, now.loss, now.optimizer, now.metrics)
        at_hand[key] = engines.make(name, step, now.dtype)
    return at_hand[key]
