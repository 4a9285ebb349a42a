"""The networks, and the data, of the runs that an earlier version recorded."""

import numpy as np

import pellucid as pl


class Branches(pl.Model):
    """Two inputs and two outputs by name."""

    def __init__(self):
        super().__init__()
        self.shared = pl.Dense(6, "tanh")
        self.kind = pl.Dense(3)
        self.amount = pl.Dense(1)

    def __call__(self, x):
        inner = self.shared(x["left"]) + self.shared(x["right"])
        return {"kind": self.kind(inner), "amount": self.amount(inner)}


def _classes():
    return pl.SparseCategoricalCrossentropy(from_logits=True)


def _sequential(layers, optimizer="adam", **options):
    def make():
        model = pl.Sequential(layers())
        model.compile(optimizer() if callable(optimizer) else optimizer, _classes(), ["accuracy"])
        return model, {"epochs": 4, "batch_size": 16, "seed": 5, "validation_split": 0.2} | options

    return make


def _branches():
    model = Branches()
    model.compile("adam", {"kind": _classes(), "amount": "mse"}, {"kind": ["accuracy"]}, loss_weights={"amount": 0.5})
    return model, {"epochs": 4, "batch_size": 16, "seed": 5}


def _small():
    return [pl.Dense(5, "relu"), pl.Dense(3)]


KINDS = {
    "dense": _sequential(lambda: [pl.Dense(8, "relu"), pl.Dropout(0.2), pl.Dense(3)]),
    "convolution": _sequential(
        lambda: [
            pl.Conv2D(4, 3, padding="same"),
            pl.BatchNormalization(),
            pl.Activation("relu"),
            pl.MaxPooling2D(2),
            pl.Flatten(),
            pl.Dense(3),
        ],
        lambda: pl.SGD(0.05, momentum=0.9),
    ),
    "lstm": _sequential(lambda: [pl.LSTM(5), pl.Dense(3)]),
    "gru": _sequential(lambda: [pl.Bidirectional(pl.GRU(4)), pl.Dense(3)], lambda: pl.AdamW(0.01)),
    "attention": _sequential(
        lambda: [pl.Embedding(12, 8), pl.TransformerEncoder(16, 2), pl.GlobalAveragePooling1D(), pl.Dense(3)]
    ),
    "branches": _branches,
    "eager": _sequential(_small, lambda: pl.RMSprop(0.01), engine="numpy"),
    "finite_difference": _sequential(_small, method="finite_difference", epochs=2),
    "spsa": _sequential(_small, lambda: pl.SGD(0.01), method="spsa"),
    "double": _sequential(_small, lambda: pl.Lamb(pl.CosineDecay(0.01, 20)), dtype="float64"),
    "stopped": _sequential(
        _small, lambda: pl.Adam(0.05), epochs=30, callbacks=[pl.EarlyStopping(patience=2, restore_best_weights=True)]
    ),
}


def data_of(name):
    """x and y of a kind of network."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(60, 4)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0) * 1 + (x[:, 2] > 0.3) * 1
    if name == "convolution":
        return draw.normal(size=(60, 6, 6, 2)).astype(np.float32) + y[:, None, None, None], y
    if name in ("lstm", "gru"):
        return draw.normal(size=(60, 7, 3)).astype(np.float32) + y[:, None, None], y
    if name == "attention":
        return (draw.integers(1, 6, (60, 7)) + 3 * y[:, None]).astype(np.int32), y
    if name == "branches":
        return {"left": x, "right": -x}, {"kind": y, "amount": x[:, :1] * 2}
    return x, y
