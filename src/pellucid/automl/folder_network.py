"""Networks for pictures and sounds: windows over height and width, halved again and again, then dense layers."""

from __future__ import annotations

from dataclasses import replace

from pellucid.automl.choices import Choices
from pellucid.data.files.folder import Spectrograms
from pellucid.data.files.folder_recipe import FolderRecipe
from pellucid.models.sequential import Sequential
from pellucid.nn.layer import Layer
from pellucid.nn.layers.augmentation import RandomTranslation
from pellucid.nn.layers.convolution import Conv2D
from pellucid.nn.layers.dense import Dense, Flatten
from pellucid.nn.layers.noise import Dropout
from pellucid.nn.layers.pooling import GlobalAveragePooling1D, GlobalAveragePooling2D, MaxPooling2D
from pellucid.nn.layers.scaling import Normalization
from pellucid.nn.layers.shaping import Reshape

FILTERS = 16
"""Of the first block; each further block has twice as many, up to MOST_FILTERS."""
MOST_FILTERS = 64
SMALLEST = 7
"""A block halves height and width as long as both are at least this."""
MOST_FLAT = 4096
"""More numbers than this are averaged over height and width, not laid out one by one."""
HIDDEN = (64,)
LEARNING_RATE = 4e-3
"""Of 0.002, 0.003, 0.004 and 0.006 it left the lowest validation loss on 4,500 handwritten digits (0.039; the others
0.06 to 0.07)."""
SHIFT = 0.1
"""Pictures and sounds are moved by up to this share of height, width or time while training."""
LONG = 4
"""A side more than so many times the other is quartered and not halved: sounds have many frames to a band."""
NUMBERS_SEEN = 100_000_000
"""Pixels or bands to train on in all, one counted each time it is seen: what a processor does in some minutes."""


def filled(choices: Choices, rows: int, numbers: int) -> Choices:
    """Every choice made, for so many training files of so many numbers."""
    batch = min(choices.batch_size or (32 if rows < 4_000 else 64), rows)
    epochs = choices.epochs or min(40, max(10, NUMBERS_SEEN // (rows * numbers)))
    return replace(
        choices,
        hidden=HIDDEN if choices.hidden is None else choices.hidden,
        epochs=epochs,
        batch_size=batch,
        learning_rate=choices.learning_rate or LEARNING_RATE,
        dropout=0.3 if choices.dropout is None else choices.dropout,
        patience=choices.patience or max(5, epochs // 2),
    )


def folder_network(recipe: FolderRecipe, choices: Choices, outputs: int) -> Sequential:
    """A network of 3×3 windows for what the files of a folder become; its first layer brings each colour or band to
    mean 0 and deviation 1.

    Pictures and sounds are moved a little while training. They are not turned over: digits, letters and much else are
    no longer what they were.
    """
    sounds = isinstance(recipe.reading, Spectrograms)
    height, width, *_ = recipe.reading.shape
    layers: list[Layer] = [Normalization(mean=recipe.mean, variance=[d * d for d in recipe.deviation])]
    if sounds:
        layers.append(Reshape((height, width, 1)))
    layers.append(RandomTranslation(SHIFT, 0.0 if sounds else SHIFT, "nearest"))
    filters = FILTERS
    while True:
        layers.append(Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal"))
        if min(height, width) < SMALLEST:
            break
        down, across = 4 if height > LONG * width else 2, 4 if width > LONG * height else 2
        layers.append(MaxPooling2D((down, across)))
        height, width, filters = height // down, width // across, min(MOST_FILTERS, 2 * filters)
    if sounds:  # when it was heard is no matter, how high it was is
        layers += [Reshape((height, width * filters)), GlobalAveragePooling1D()]
    else:
        layers.append(Flatten() if height * width * filters <= MOST_FLAT else GlobalAveragePooling2D())
    for units in choices.hidden or ():
        if choices.dropout:
            layers.append(Dropout(choices.dropout))
        layers.append(Dense(units, "relu", kernel_initializer="he_normal"))
    layers.append(Dense(outputs, kernel_initializer="glorot_uniform"))
    return Sequential(layers)
