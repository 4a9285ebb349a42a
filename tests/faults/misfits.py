"""Runs with one thing wrong each: in the data, or in how network, loss and targets fit."""

from __future__ import annotations

import numpy as np
from fault_tools import BINARY, SPARSE, Fault, blobs, column, moons, surface, trained

import pellucid as pl


def column_in_millions():
    x, y = surface()
    x[:, 2] = x[:, 2] * 2e6 + 5e6
    return trained([pl.Dense(16, "relu"), pl.Dense(1)], x, y, "mse", pl.Adam(1e-3))


def unscaled_classes():
    x, y = blobs()
    x = x * [1, 500, 1, 3000, 1]
    return trained([pl.Dense(16, "tanh"), pl.Dense(3)], x.astype("float32"), y, SPARSE, pl.SGD(0.1))


def tiny_inputs():
    x, y = blobs()
    return trained([pl.Dense(16, "tanh"), pl.Dense(3)], x * np.float32(1e-4), y, SPARSE, pl.SGD(0.1))


def targets_in_hundreds():
    x, y = surface()
    return trained([pl.Dense(16, "relu"), pl.Dense(1)], x, y * 70 + 900, "mse", pl.Adam(1e-3))


def pixels_under_sigmoid():
    x, y = surface()
    y = np.clip(y * 60 + 128, 0, 255)
    return trained([pl.Dense(16, "relu"), pl.Dense(1, "sigmoid")], x, y, "mse")


def targets_beyond_tanh():
    x, y = surface()
    return trained([pl.Dense(16, "tanh"), pl.Dense(1, "tanh")], x, y * 3, "mse", pl.Adam(0.01))


def negative_targets_under_relu():
    x, y = surface()
    return trained([pl.Dense(16, "tanh"), pl.Dense(1, "relu")], x, y - 1, "mae", pl.Adam(0.01))


def softmax_then_softmax():
    x, y = blobs()
    layers = [pl.Dense(16, "relu"), pl.Dense(3, "softmax"), pl.Activation("softmax")]
    return trained(layers, x, y, "sparse_categorical_crossentropy")


def softmax_under_logits():
    x, y = blobs()
    return trained([pl.Dense(16, "relu"), pl.Dense(3, "softmax"), pl.Flatten()], x, y, SPARSE)


def sigmoid_twice():
    x, y = moons()
    layers = [pl.Dense(16, "tanh"), pl.Dense(1, "sigmoid"), pl.Activation("sigmoid")]
    return trained(layers, x, column(y), "binary_crossentropy")


def one_unit_softmax():
    x, y = moons()
    return trained([pl.Dense(16, "relu"), pl.Dense(1, "softmax")], x, column(y), "binary_crossentropy")


def logits_as_probabilities():
    x, y = blobs()
    return trained([pl.Dense(16, "relu"), pl.Dense(3)], x, y, "sparse_categorical_crossentropy")


def logits_as_probabilities_binary():
    x, y = moons()
    return trained([pl.Dense(16, "relu"), pl.Dense(1)], x, column(y), "binary_crossentropy", pl.SGD(0.01))


def squared_error_of_codes():
    x, y = blobs(classes=5)
    return trained([pl.Dense(16, "relu"), pl.Dense(1)], x, column(y), "mse", pl.Adam(0.01))


def binary_loss_of_softmax():
    x, y = blobs()
    one_hot = np.eye(3, dtype="float32")[y]
    return trained([pl.Dense(16, "relu"), pl.Dense(3, "softmax")], x, one_hot, "binary_crossentropy")


def several_classes_at_once():
    x, _ = blobs()
    many = (x[:, :3] > 0).astype("float32")
    return trained([pl.Dense(16, "relu"), pl.Dense(3, "softmax")], x, many, "categorical_crossentropy")


def shuffled_labels():
    x, y = blobs(n=400)
    y = np.random.default_rng(5).permutation(y)
    return trained([pl.Dense(16, "relu"), pl.Dense(3)], x, y, SPARSE, pl.Adam(0.01), validation_split=0.3, epochs=20)


def shuffled_targets():
    x, y = surface(n=400)
    y = np.random.default_rng(5).permutation(y)
    layers = [pl.Dense(32, "relu"), pl.Dense(1)]
    return trained(layers, x, y, "mse", pl.Adam(0.01), validation_split=0.3, epochs=20)


def one_class():
    x, y = blobs()
    return trained([pl.Dense(8, "relu"), pl.Dense(3)], x, y * 0, SPARSE)


def constant_targets():
    x, y = surface()
    return trained([pl.Dense(8, "relu"), pl.Dense(1)], x, y * 0 + 3, "mse")


def one_in_a_hundred():
    draw = np.random.default_rng(1)
    y = (np.arange(600) % 100 == 0).astype("float32")
    x = (draw.normal(size=(600, 4)) + 0.8 * y[:, None]).astype("float32")
    return trained([pl.Dense(8, "relu"), pl.Dense(1)], x, column(y), BINARY, pl.Adam(0.005), epochs=8)


def rare_third_class():
    x, y = blobs(n=500, apart=0.6, seed=3)
    keep = (y < 2) | (np.arange(500) % 20 == 0)
    return trained([pl.Dense(8, "tanh"), pl.Dense(3)], x[keep], y[keep], SPARSE, pl.Adam(0.005), epochs=10)


def copied_validation():
    x, y = blobs(apart=1.0)
    return trained(
        [pl.Dense(16, "relu"), pl.Dense(3)], x, y, SPARSE, pl.Adam(0.01), validation_data=(x[40:100], y[40:100])
    )


def repeated_before_the_split():
    x, y = surface(n=120)
    order = np.random.default_rng(2).permutation(240)
    x, y = np.concatenate([x, x])[order], np.concatenate([y, y])[order]
    return trained([pl.Dense(16, "relu"), pl.Dense(1)], x, y, "mse", pl.Adam(0.01), validation_split=0.4)


FAULTS = [
    Fault("a column in millions", column_in_millions, "unscaled inputs"),
    Fault("columns of unequal scale", unscaled_classes, "unscaled inputs"),
    Fault("tiny inputs", tiny_inputs, "unscaled inputs"),
    Fault("targets in hundreds", targets_in_hundreds, "unscaled targets"),
    Fault("pixels under a sigmoid", pixels_under_sigmoid, "targets out of the output's range", 0, "dense_1"),
    Fault("targets beyond a tanh", targets_beyond_tanh, "targets out of the output's range", 0, "dense_1"),
    Fault(
        "negative targets under a relu", negative_targets_under_relu, "targets out of the output's range", 0, "dense_1"
    ),
    Fault("softmax, softmax", softmax_then_softmax, "softmax twice", 0, "dense_1"),
    Fault("softmax under logits", softmax_under_logits, "softmax twice", 0, "dense_1"),
    Fault("sigmoid, sigmoid", sigmoid_twice, "softmax twice", 0, "dense_1"),
    Fault("softmax over one unit", one_unit_softmax, "softmax over one unit", 0, "dense_1"),
    Fault("logits as probabilities", logits_as_probabilities, "wrong loss for the output", 0, "dense_1"),
    Fault("logits as probabilities, binary", logits_as_probabilities_binary, "wrong loss for the output", 0, "dense_1"),
    Fault("squared error of class numbers", squared_error_of_codes, "wrong loss for the output", 0),
    Fault("binary loss of a softmax", binary_loss_of_softmax, "wrong loss for the output", 0),
    Fault("several classes under a softmax", several_classes_at_once, "wrong loss for the output", 0),
    Fault("shuffled labels", shuffled_labels, "shuffled labels"),
    Fault("shuffled targets", shuffled_targets, "shuffled labels"),
    Fault("one class", one_class, "constant labels"),
    Fault("constant targets", constant_targets, "constant labels"),
    Fault("one in a hundred", one_in_a_hundred, "class imbalance"),
    Fault("a rare third class", rare_third_class, "class imbalance"),
    Fault("copied validation rows", copied_validation, "duplicate rows"),
    Fault("repeated before the split", repeated_before_the_split, "duplicate rows"),
]
