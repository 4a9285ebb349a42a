"""The layers, one file for each kind of them. Read as a whole, so that a file which names a layer finds it."""

from pellucid.nn.layers import (
    attention,
    augmentation,
    convolution,
    dense,
    depthwise,
    merging,
    noise,
    normalization,
    pooling,
    recurrent,
    resizing,
    scaling,
    sequences,
    shaping,
    spatial,
)

__all__ = [
    "attention",
    "augmentation",
    "convolution",
    "dense",
    "depthwise",
    "merging",
    "noise",
    "normalization",
    "pooling",
    "recurrent",
    "resizing",
    "scaling",
    "sequences",
    "shaping",
    "spatial",
]
