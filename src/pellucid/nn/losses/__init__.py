"""Losses: how wrong a prediction is, as one number for each row, and their mean.

    regression.py     quantities: squared, absolute, Huber, log-cosh, counts, directions
    crossentropy.py   probabilities of classes; focal.py, with weight on what is hard
    margin.py         scores that have to win by a margin
    several.py        networks with several outputs
    ctc.py            sequences whose targets are shorter

Each is a class; `get` finds it by its Keras name.
"""

from __future__ import annotations

from difflib import get_close_matches

from pellucid.errors import UsageError
from pellucid.nn.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
)
from pellucid.nn.losses.ctc import CTC
from pellucid.nn.losses.focal import BinaryFocalCrossentropy, CategoricalFocalCrossentropy
from pellucid.nn.losses.loss import PROBABILITY_FLOOR, Loss
from pellucid.nn.losses.margin import CategoricalHinge, Hinge, SquaredHinge
from pellucid.nn.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
)
from pellucid.nn.losses.several import WeightedSum
from pellucid.registry import library

__all__ = [
    "CTC",
    "LOSSES",
    "PROBABILITY_FLOOR",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "WeightedSum",
    "get",
]

LOSSES: dict[str, type[Loss]] = {
    cls.name: cls for cls in library(Loss) if "name" in vars(cls) and cls is not WeightedSum
}
SHORT = {alias: name for name, cls in LOSSES.items() for alias in cls.aliases}


def get(loss: str | Loss) -> Loss:
    """A loss by its Keras name, or the loss itself."""
    if isinstance(loss, Loss):
        return loss
    name = SHORT.get(loss, loss)
    if name in LOSSES:
        return LOSSES[name]()
    near = get_close_matches(str(loss), [*LOSSES, *SHORT], 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(f"loss {loss!r} is not known; {hint}Known: {', '.join(LOSSES)}")
