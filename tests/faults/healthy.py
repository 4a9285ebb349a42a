"""Runs with nothing wrong: real tables by the table's own route, and made ones over optimizers and layers."""

from __future__ import annotations

from fault_tools import BINARY, SPARSE, blobs, column, moons, surface, trained

import pellucid as pl
from pellucid.automl import auto_model as tables


def table(name, **choices):
    """A built-in table, as `pellucid train` trains on it."""

    def run():
        source, recipe = tables.learn(name)
        return tables.fit(tables.prepare(source, recipe, tables.Choices(engine="numpy", **choices)))

    return run


def adam_classes():
    x, y = blobs()
    return trained([pl.Dense(16, "relu"), pl.Dense(3)], x, y, SPARSE, pl.Adam(0.003), epochs=15)


def sgd_momentum():
    x, y = surface()
    return trained([pl.Dense(24, "tanh"), pl.Dense(1)], x, y, "mse", pl.SGD(0.05, momentum=0.9), epochs=20)


def sgd_small_batches():
    x, y = blobs(apart=1.0)
    return trained([pl.Dense(12, "sigmoid"), pl.Dense(3)], x, y, SPARSE, pl.SGD(0.1), batch_size=4, epochs=8)


def batch_norm():
    x, y = moons(n=400)
    layers = [pl.Dense(24), pl.BatchNormalization(), pl.Activation("relu"), pl.Dense(1)]
    return trained(layers, x, column(y), BINARY, pl.Adam(0.01), epochs=15)


def dropout():
    x, y = blobs(n=400, apart=1.0)
    layers = [pl.Dense(32, "relu"), pl.Dropout(0.3), pl.Dense(32, "relu"), pl.Dropout(0.3), pl.Dense(3)]
    return trained(layers, x, y, SPARSE, pl.Adam(0.003), epochs=15, validation_split=0.2)


def early_stopping():
    x, y = surface(n=300, noise=0.5)
    stop = pl.EarlyStopping(patience=5, restore_best_weights=True)
    layers = [pl.Dense(32, "relu"), pl.Dense(1)]
    return trained(layers, x, y, "mse", pl.Adam(0.01), epochs=60, validation_split=0.25, callbacks=[stop])


def probabilities():
    x, y = moons()
    return trained(
        [pl.Dense(16, "tanh"), pl.Dense(1, "sigmoid")], x, column(y), "binary_crossentropy", "rmsprop", epochs=30
    )


def deep():
    x, y = blobs(n=300)
    layers = [*(pl.Dense(24, "relu", kernel_initializer="he_normal") for _ in range(5)), pl.Dense(3, "softmax")]
    return trained(layers, x, y, "sparse_categorical_crossentropy", pl.Adam(0.002), epochs=15)


def scheduled():
    x, y = surface()
    rate = pl.CosineDecay(0.001, 300, warmup_target=0.02, warmup_steps=20)
    return trained([pl.Dense(24, "tanh"), pl.Dense(1)], x, y, "huber", pl.AdamW(rate), batch_size=16, epochs=20)


HEALTHY = {
    "iris": table("iris", epochs=40),
    "wine": table("wine", epochs=40),
    "breast_cancer": table("breast_cancer", epochs=15),
    "diabetes": table("diabetes", epochs=30),
    "digits": table("digits", epochs=6),
    "adam, classes": adam_classes,
    "sgd with momentum": sgd_momentum,
    "sgd, batches of 4": sgd_small_batches,
    "batch normalization": batch_norm,
    "dropout": dropout,
    "early stopping": early_stopping,
    "probabilities": probabilities,
    "deep": deep,
    "scheduled": scheduled,
}
