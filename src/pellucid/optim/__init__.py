"""How gradients become better weights: optimizers, learning-rate schedules, gradient clipping."""

from difflib import get_close_matches

from pellucid.errors import UsageError
from pellucid.optim.adadelta import Adadelta
from pellucid.optim.adagrad import Adagrad
from pellucid.optim.adam import Adam, AdamW
from pellucid.optim.adamax import Adamax
from pellucid.optim.clip import clip_by_global_norm, clip_by_norm, clip_by_value, global_norm
from pellucid.optim.lamb import Lamb
from pellucid.optim.lion import Lion
from pellucid.optim.muon import Muon
from pellucid.optim.nadam import Nadam
from pellucid.optim.optimizer import Optimizer
from pellucid.optim.rmsprop import RMSprop
from pellucid.optim.schedule import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    PiecewiseConstantDecay,
    Scaled,
    Schedule,
    Warmup,
)
from pellucid.optim.sgd import SGD
from pellucid.registry import library

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Constant",
    "CosineDecay",
    "ExponentialDecay",
    "Lamb",
    "Lion",
    "Muon",
    "Nadam",
    "Optimizer",
    "PiecewiseConstantDecay",
    "RMSprop",
    "Scaled",
    "Schedule",
    "Warmup",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "get",
    "global_norm",
]

BY_NAME: dict[str, type[Optimizer]] = {cls.__name__.lower(): cls for cls in library(Optimizer)}


def get(optimizer: str | Optimizer) -> Optimizer:
    """The optimizer of a Keras name, with its default settings, or the object as it is.

    Upper and lower case are alike. Raises UsageError for an unknown name, with the names near it.

    >>> get("sgd").learning_rate
    0.01
    >>> get("adm")
    Traceback (most recent call last):
        ...
    pellucid.errors.UsageError: unknown optimizer 'adm'; did you mean adam or nadam or adamw?
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str) and optimizer.lower() in BY_NAME:  # pyright: ignore[reportUnnecessaryIsInstance]
        return BY_NAME[optimizer.lower()]()
    near = get_close_matches(str(optimizer).lower(), BY_NAME)
    hint = f"did you mean {' or '.join(near)}?" if near else f"expected one of {', '.join(BY_NAME)}"
    raise UsageError(f"unknown optimizer {optimizer!r}; {hint}")
