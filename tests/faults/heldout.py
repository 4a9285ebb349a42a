"""Runs that no threshold was chosen on: faults, and runs with nothing wrong."""

from __future__ import annotations

import numpy as np
from fault_tools import BINARY, SPARSE, Fault, blobs, column, moons, step_of, surface, trained

import pellucid as pl
from pellucid.automl import auto_model as tables
from pellucid.data.tables.table import open_table


class Skip(pl.Model):
    """Two paths that are added."""

    def __init__(self, activation):
        super().__init__()
        self.inner = pl.Dense(20, activation)
        self.wide = pl.Dense(20, activation)
        self.out = pl.Dense(2)

    def __call__(self, x):
        h = self.inner(x)
        return self.out(h + self.wide(h))


class Inverse(pl.Layer):
    """One over each number."""

    def __call__(self, x):
        return 1.0 / x


def rings(n=320, seed=7):
    """Two rings, one around the other, and three columns that say nothing."""
    draw = np.random.default_rng(seed)
    y = draw.integers(0, 2, n)
    angle, radius = draw.uniform(0, 2 * np.pi, n), 1 + y + 0.15 * draw.normal(size=n)
    x = np.concatenate([np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), draw.normal(size=(n, 3))], 1)
    return (x / x.std(0)).astype("float32"), y


def plane(n=300, features=8, seed=9, noise=0.3):
    """A linear function with heavy-tailed noise."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, features)).astype("float32")
    return x, column(x @ draw.normal(size=features) / 2 + noise * draw.standard_t(4, size=n))


def division_by_zero():
    x, y = plane()
    x[120] = 0
    layers = [pl.Dense(6, use_bias=False), Inverse(), pl.Dense(1)]
    return trained(layers, x, y, "mae", pl.SGD(1e-5), batch_size=10, epochs=3)


def rings_rate_too_high():
    x, y = rings()
    return trained(Skip("tanh"), x, y, SPARSE, pl.RMSprop(2.0), epochs=15)


def rings_rate_too_low():
    x, y = rings()
    return trained(Skip("relu"), x, y, SPARSE, pl.RMSprop(1e-6), epochs=15)


def wrong_target_late():
    x, y = plane()
    y[7] = 3e4
    return trained([pl.Dense(1)], x, y, "mse", pl.SGD(0.002, momentum=0.5), batch_size=12, epochs=1)


def dead_middle():
    x, y = rings()
    middle = pl.Dense(24, "relu", bias_initializer=pl.RandomNormal(-30.0, 1.0))
    return trained([pl.Dense(24, "relu"), middle, pl.Dense(24, "tanh"), pl.Dense(1)], x, column(y), BINARY)


def raw_wine():
    table = open_table("wine")
    recipe = tables.learn("wine")[1]
    names = [c for c in table.columns if c != recipe.target.name]
    frame = next(iter(table.batches(1000)))
    x = np.stack([frame[c].cast(float).to_numpy() for c in names], 1).astype("float32")
    y = recipe.targets(table)[0]
    return trained([pl.Dense(16, "relu"), pl.Dense(3)], x, y, SPARSE, pl.Adam(1e-3), epochs=10)


def probabilities_of_tanh():
    x, y = rings()
    return trained([pl.Dense(16, "relu"), pl.Dense(1, "tanh")], x, column(y), "binary_crossentropy", pl.Adam(0.003))


def noise_for_targets():
    x, _ = plane(n=400)
    y = column(np.random.default_rng(3).normal(size=400))
    return trained([pl.Dense(16, "relu"), pl.Dense(1)], x, y, "mae", pl.Adam(0.005), validation_split=0.25, epochs=15)


def validation_in_training():
    x, y = rings()
    return trained([pl.Dense(16, "relu"), pl.Dense(1)], x, column(y), BINARY, validation_data=(x[::4], column(y[::4])))


def tanh_stack_too_large():
    x, y = rings()
    wide = pl.RandomNormal(0.0, 5.0)
    layers = [*(pl.Dense(20, "tanh", kernel_initializer=wide) for _ in range(3)), pl.Dense(1)]
    return trained(layers, x, column(y), BINARY, pl.SGD(0.01), epochs=8)


FAULTS = [
    Fault("division by zero", division_by_zero, "not finite", step_of(300, 120, 10), "inverse", (120,)),
    Fault("rings, rate too high", rings_rate_too_high, "learning rate too high", 0),
    Fault("rings, rate too low", rings_rate_too_low, "learning rate too low", 0),
    Fault("a wrong target", wrong_target_late, "loss spike", step_of(300, 7, 12), rows=(7,)),
    Fault("dead in the middle", dead_middle, "dead relu units", 0, "dense_1"),
    Fault("wine as it is", raw_wine, "unscaled inputs"),
    Fault("probabilities of a tanh", probabilities_of_tanh, "wrong loss for the output", 0, "dense_1"),
    Fault("noise for targets", noise_for_targets, "shuffled labels"),
    Fault("validation in training", validation_in_training, "duplicate rows"),
    Fault("tanhs of large weights", tanh_stack_too_large, "saturated units", 0),
]


def skip_rings():
    x, y = rings()
    return trained(Skip("relu"), x, y, SPARSE, pl.Adam(0.005), epochs=25, validation_split=0.2)


def plane_sgd():
    x, y = plane()
    return trained([pl.Dense(1)], x, y, "mae", pl.SGD(0.02), epochs=15, batch_size=10)


def plane_few_epochs():
    x, y = plane()
    return trained([pl.Dense(16, "relu"), pl.Dense(1)], x, y, "huber", pl.Adam(0.001), epochs=3)


def three_labels():
    x, _ = plane()
    y = (x[:, :3] + 0.3 * x[:, 3:6] > 0).astype("float32")
    return trained([pl.Dense(24, "swish"), pl.Dense(3)], x, y, BINARY, pl.RMSprop(0.005), epochs=15)


def counts():
    x, _ = plane()
    y = column(np.random.default_rng(4).poisson(np.exp(0.5 + 0.5 * x[:, 0])))
    return trained([pl.Dense(16, "relu"), pl.Dense(1, "softplus")], x, y, "mse", pl.Adam(0.005), epochs=15)


def batch_norm_tanh():
    x, y = rings()
    layers = [pl.Dense(16), pl.BatchNormalization(), pl.Activation("tanh"), pl.Dropout(0.1), pl.Dense(2, "softmax")]
    return trained(
        layers, x, np.eye(2, dtype="float32")[y], "categorical_crossentropy", pl.SGD(0.1, momentum=0.9), epochs=20
    )


def hard_classes():
    x, y = moons(n=500, noise=0.8)
    return trained(
        [pl.Dense(16, "relu"), pl.Dense(1)], x, column(y), BINARY, pl.AdamW(0.005), epochs=12, validation_split=0.2
    )


def one_at_a_time():
    x, y = plane(n=120)
    return trained([pl.Dense(8, "tanh"), pl.Dense(1)], x, y, "mse", pl.SGD(0.01), batch_size=1, epochs=5)


def seven_in_a_hundred():
    x, _ = blobs(n=600, classes=4, apart=1.5)
    y = (x[:, 0] + 0.2 * x[:, 1] > np.quantile(x[:, 0], 0.93)).astype("float32")
    return trained([pl.Dense(16, "relu"), pl.Dense(1)], x, column(y), BINARY, pl.Adam(0.01), epochs=20)


def narrow_surface():
    x, y = surface()
    return trained([pl.Dense(3, "relu"), pl.Dense(1)], x, y, "mse", "adam", epochs=30)


HEALTHY = {
    "two paths": skip_rings,
    "a line by sgd": plane_sgd,
    "three epochs": plane_few_epochs,
    "three labels": three_labels,
    "counts": counts,
    "batch normalization and tanh": batch_norm_tanh,
    "hard classes": hard_classes,
    "one row at a time": one_at_a_time,
    "seven in a hundred": seven_in_a_hundred,
    "three units": narrow_surface,
}
