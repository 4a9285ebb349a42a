"""Sequential: layers one after the other."""

from __future__ import annotations

from dataclasses import field

from pellucid.autodiff import Value
from pellucid.errors import UsageError
from pellucid.models.model import Model
from pellucid.nn.layer import Layer


class Sequential(Model):
    """Layers one after the other.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.Dense(16, "relu"), pl.Dense(3)])
    >>> model.predict(np.zeros((1, 4), dtype="float32")).shape
    (1, 3)
    >>> print(model.summary())
    dense/kernel    (4, 16)                 64
    dense/bias      (16,)                   16
    dense_1/kernel  (16, 3)                 48
    dense_1/bias    (3,)                     3
    all                                    131
    """

    layers: list[Layer] = field(default_factory=list[Layer])

    def __post_init__(self) -> None:
        for layer in self.layers:
            if not isinstance(layer, Layer):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise UsageError(f"Sequential takes a list of layers, but {layer!r} is a {type(layer).__name__}")

    def __call__(self, x: Value) -> Value:
        for layer in self.layers:
            x = layer(x)
        return x
