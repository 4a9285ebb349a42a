"""What many tests share: small tables of numbers, a network trained once, and the modules beside this one."""

import sys
from pathlib import Path

import numpy as np
import pytest

import pellucid as pl

sys.path.insert(0, str(Path(__file__).parent))


class Moons:
    """70 rows of 4 numbers in 3 classes, which a small network learns in part."""

    def __init__(self):
        draw = np.random.default_rng(0)
        self.x = draw.normal(size=(70, 4)).astype(np.float32)
        self.y = (self.x[:, 0] * self.x[:, 1] > 0) * 1 + (self.x[:, 2] > 0.3) * 1
        self.weight = draw.uniform(0.5, 2, 70).astype(np.float32)


@pytest.fixture(scope="session")
def rows():
    return Moons()


def classifier(optimizer="adam", dropout=0.2, metrics=("accuracy",)):
    """4-8-3, with dropout."""
    layers = [pl.Dense(8, "tanh"), *([pl.Dropout(dropout)] if dropout else []), pl.Dense(3)]
    model = pl.Sequential(layers)
    loss = pl.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, list(metrics))
    return model


@pytest.fixture(scope="session")
def make_classifier():
    return classifier


@pytest.fixture(scope="session")
def trained(rows):
    """A classifier after 3 epochs of 5 steps, the last of 6 rows; not to be trained again."""
    model = classifier()
    run = model.fit(rows.x, rows.y, batch_size=16, epochs=3, seed=4, engine="numpy", verbose=0)
    return model, run
