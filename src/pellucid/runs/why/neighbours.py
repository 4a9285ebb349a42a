"""Whether rows that are near each other have like targets: what there is to be learned from the inputs at all."""

from __future__ import annotations

import numpy

from pellucid.data.dataset import Numbers

MOST = 1500
"""Rows whose neighbours are looked for: the distances are then 2 million numbers."""
NEAREST = 5
SHUFFLES = 200


def nearest(x: Numbers, k: int = NEAREST) -> Numbers:
    """The k nearest other rows of each row, (n, k), by Euclidean distance in standardised inputs.

    >>> nearest(numpy.array([[0.0], [1.0], [5.0], [5.5]]), 1).reshape(-1).tolist()
    [1, 0, 3, 2]
    """
    x = numpy.asarray(x, numpy.float64).reshape(len(x), -1)
    x = numpy.clip(x, *numpy.quantile(x, (0.01, 0.99), axis=0))  # an outlier would make all others alike
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / numpy.where(spread > 0, spread, 1)
    square = (x * x).sum(axis=1)
    distance = square[:, None] + square[None, :] - 2 * x @ x.T
    numpy.fill_diagonal(distance, numpy.inf)
    k = min(k, len(x) - 1)
    return numpy.argpartition(distance, k - 1, axis=1)[:, :k]


def agreement(x: Numbers, y: Numbers) -> tuple[float, float]:
    """The share of rows whose nearest row has the same target, and that share by chance."""
    x, y = x[:MOST], y[:MOST]
    _, counts = numpy.unique(y, return_counts=True)
    chance = float(((counts / len(y)) ** 2).sum())
    return float((y[nearest(x, 1)[:, 0]] == y).mean()), chance


def along_a_line(x: Numbers, y: Numbers, seed: int = 0) -> tuple[float, float, float]:
    """The share of the variance of the targets' ranks that a linear function of the inputs explains, the same by
    chance, and the spread of chance. It shows in a few rows of many columns, where no row is near another.
    """
    y = y[:MOST]
    x = numpy.asarray(x[:MOST], numpy.float64).reshape(len(y), -1)
    x = numpy.clip(x, *numpy.quantile(x, (0.01, 0.99), axis=0))
    x = (x - x.mean(axis=0)) / numpy.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    basis = numpy.linalg.svd(x, full_matrices=False)[0][:, : max(1, len(x) // 3)]
    y = ranks(y)
    draw = numpy.random.default_rng(seed)
    chance = numpy.asarray([((basis.T @ draw.permutation(y)) ** 2).mean() for _ in range(SHUFFLES)]) * basis.shape[1]
    return float(((basis.T @ y) ** 2).sum()) / len(y), float(chance.mean()) / len(y), float(chance.std()) / len(y)


def ranks(y: Numbers) -> Numbers:
    """The order of the targets in standard units, equal ones alike; an outlier is then one row like any other.

    >>> ranks(numpy.array([2.0, 9e9, 2.0])).round(3).tolist()
    [-0.707, 1.414, -0.707]
    """
    _, place, counts = numpy.unique(y, return_inverse=True, return_counts=True)
    rank = (numpy.cumsum(counts) - counts / 2)[place.reshape(-1)]
    return (rank - rank.mean()) / (rank.std() or 1)


def likeness(x: Numbers, y: Numbers, classes: bool, seed: int = 0) -> tuple[float, float, float]:
    """How alike the targets of near rows are, the same by chance, and the spread of chance.

    For classes the share of near rows of the same class; for quantities the correlation of ranks with the mean of the
    near rows. Chance is measured by shuffling the targets 200 times.
    """
    x, y = x[:MOST], y[:MOST]
    near = nearest(x)
    if not classes:
        y = ranks(y)

    def measure(y: Numbers) -> float:
        return float((y[near] == y[:, None]).mean() if classes else (y[near].mean(axis=1) * y).mean())

    draw = numpy.random.default_rng(seed)
    chance = numpy.asarray([measure(draw.permutation(y)) for _ in range(SHUFFLES)])
    return measure(y), float(chance.mean()), float(chance.std())
