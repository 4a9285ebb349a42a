"""Small data sets, small networks, and what a planted fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import pellucid as pl

SPARSE = pl.SparseCategoricalCrossentropy(from_logits=True)
BINARY = pl.BinaryCrossentropy(from_logits=True)


@dataclass(frozen=True)
class Fault:
    """A run with one thing wrong, and what `why` has to say of it first."""

    name: str
    run: Callable[[], pl.Run]
    kind: str
    step: int | None = None
    """The exact step, where there is one to be found."""
    layer: str | None = None
    rows: tuple[int, ...] | None = None
    """Rows that have to be among those named."""
    also: tuple[str, ...] = ()
    """Kinds that have to be told too."""


def blobs(n=240, features=5, classes=3, seed=0, apart=2.0):
    """Clouds of points, one for each class, in standard units."""
    draw = np.random.default_rng(seed)
    y = draw.integers(0, classes, n)
    x = draw.normal(size=(classes, features))[y] * apart + draw.normal(size=(n, features))
    return ((x - x.mean(0)) / x.std(0)).astype("float32"), y


def moons(n=240, seed=0, noise=0.15):
    """Two half circles inside each other, in standard units."""
    draw = np.random.default_rng(seed)
    y = draw.integers(0, 2, n)
    angle = draw.uniform(0, np.pi, n)
    x = np.stack([np.cos(angle), np.sin(angle)], 1) * np.where(y, -1, 1)[:, None] + np.where(y, 0.5, -0.5)[:, None] * [
        1,
        -0.6,
    ]
    x = x + draw.normal(size=x.shape) * noise
    return ((x - x.mean(0)) / x.std(0)).astype("float32"), y


def surface(n=240, features=4, seed=0, noise=0.1):
    """A smooth function of a few standard normal inputs, of variance about 1."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, features)).astype("float32")
    y = np.sin(1.5 * x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + 0.5 * x[:, 3] + noise * draw.normal(size=n)
    return x, y.reshape(-1, 1).astype("float32")


def column(y):
    return np.asarray(y, "float32").reshape(-1, 1)


def trained(layers, x, y, loss, optimizer="adam", **options) -> pl.Run:
    """A run of these layers; of one that diverged, the run up to there."""
    model = layers if isinstance(layers, pl.Model) else pl.Sequential(layers)
    model.compile(optimizer, loss)
    settings = {"epochs": 10, "engine": "numpy", "record": False, "verbose": 0} | options
    try:
        return model.fit(x, y, **settings)
    except pl.NotFiniteError:
        return model.last_run


def step_of(rows, row, batch_size, seed=0, epoch=0):
    """The step of an epoch whose batch holds a row."""
    from pellucid.data.dataset import Plan

    plan = Plan(rows, batch_size, seed)
    return next(epoch * plan.steps + i for i, places in enumerate(plan.batches(epoch)) if row in places)
