"""The loss of the best constant prediction: what a network has to beat to have learned anything."""

from __future__ import annotations

import numpy

from pellucid.data.dataset import Batch, Numbers
from pellucid.nn import losses


def classes_of(loss: losses.Loss | None, y: Numbers) -> Numbers | None:
    """The class of each row (n,); None where a target is a quantity.

    >>> classes_of(losses.CategoricalCrossentropy(), numpy.eye(3)[[2, 0]]).tolist()
    [2, 0]
    """
    if isinstance(loss, losses.SparseCategoricalCrossentropy) and y.size == len(y):
        return y.reshape(-1).astype(int)
    if isinstance(loss, losses.CategoricalCrossentropy) and y.ndim == 2 and _one_hot(y):
        return y.argmax(axis=1)
    if isinstance(loss, losses.BinaryCrossentropy):
        if y.size == len(y) and numpy.isin(y, (0, 1)).all():
            return y.reshape(-1).astype(int)
        if y.ndim == 2 and _one_hot(y):
            return y.argmax(axis=1)
    return None


def constant_loss(loss: losses.Loss | None, batch: Batch) -> float | None:
    """The least loss that one prediction for all rows can have: for classes the entropy of their frequencies, for
    squared errors the variance. None for a loss that is not known here, and where it is 0.

    >>> constant_loss(losses.MeanSquaredError(), Batch(numpy.zeros(2), numpy.array([[1.0], [3.0]])))
    1.0
    """
    if isinstance(loss, losses.WeightedSum):
        return None
    y = numpy.asarray(batch.y, numpy.float64)
    weight = numpy.ones(len(y)) if batch.weight is None else numpy.asarray(batch.weight, numpy.float64)
    if not weight.sum() > 0:
        return None
    share = weight / weight.sum()
    flat = y.reshape(len(y), -1)
    mean = share @ flat
    if isinstance(loss, losses.SparseCategoricalCrossentropy):
        counted = numpy.ones(flat.shape, bool) if loss.ignore_class is None else flat != loss.ignore_class
        each = share[:, None] * counted / numpy.maximum(counted.sum(axis=1, keepdims=True), 1)
        if not each.sum() > 0:
            return None
        found = each.sum() * _entropy(numpy.bincount(flat[counted].astype(int), each[counted]) / each.sum())
    elif isinstance(loss, losses.CategoricalCrossentropy):
        found = _entropy(mean)
    elif isinstance(loss, losses.BinaryCrossentropy):
        found = float(numpy.mean([_entropy(numpy.array([p, 1 - p])) for p in mean]))
    elif isinstance(loss, losses.MeanSquaredError):
        found = float((share @ (flat - mean) ** 2).mean())
    elif isinstance(loss, losses.MeanAbsoluteError):
        found = float((share @ abs(flat - numpy.median(flat, axis=0))).mean())
    elif isinstance(loss, losses.Huber):
        error = abs(flat - numpy.median(flat, axis=0))
        near, far = 0.5 * error**2, loss.delta * (error - 0.5 * loss.delta)
        found = float((share @ numpy.where(error > loss.delta, far, near)).mean())
    else:
        return None
    found *= float(weight.mean())
    return found if found > 0 else None


def _entropy(p: Numbers) -> float:
    p = p[p > 0]
    return float(-(p * numpy.log(p)).sum())


def _one_hot(y: Numbers) -> bool:
    return y.shape[1] > 1 and bool(numpy.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())
