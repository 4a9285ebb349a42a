"""Handwritten digits: a convolutional network on all of MNIST, 99 % right within 3 epochs.

    python examples/digits.py [--quick]

Two convolutions look for strokes and for how strokes meet; pooling keeps where each is strongest; two dense layers
decide. At the end one wrong answer is explained: which pixels spoke for the digit that the network saw, and which for
the digit that it is.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import fetch
import numpy as np

import pellucid as pl

TO_BEAT = 0.99


def pictures(x: Any) -> Any:
    """From 0 for paper to 1 for ink, with an axis for the one channel."""
    return (x[..., None] / 255).astype("float32")


def network() -> pl.Sequential:
    """The relu comes after the pool: the largest number and its sign are the same, and there are 4 times fewer."""
    return pl.Sequential(
        [
            pl.Conv2D(32, 3, padding="same"),
            pl.MaxPooling2D(),
            pl.Activation("relu"),
            pl.Conv2D(64, 3, padding="same"),
            pl.MaxPooling2D(),
            pl.Activation("relu"),
            pl.Flatten(),
            pl.Dropout(0.3),
            pl.Dense(128, "relu"),
            pl.Dropout(0.3),
            pl.Dense(10),
        ]
    )


def trained(x: Any, y: Any, epochs: int = 3, batch_size: int = 64) -> pl.Sequential:
    """The network after its training, the learning rate let down to 0 along a cosine."""
    model = network()
    steps = epochs * -(-len(x) // batch_size)
    rate = pl.CosineDecay(1e-4, steps, warmup_target=2e-3, warmup_steps=steps // 10)
    model.compile(pl.Adam(rate), pl.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    model.fit(x, y, batch_size=batch_size, epochs=epochs, record=False)
    return model


def explained(model: pl.Sequential, x: Any, y: Any) -> list[pl.Attribution]:
    """The surest wrong answer (or the least sure right one): what spoke for the answer, and for the digit it is."""
    logits = model.predict(x)
    rows = np.arange(len(x))
    others = np.where(np.arange(10) == y[:, None], -np.inf, logits)
    worst = int((others.max(axis=1) - logits[rows, y]).argmax())
    picture, true, seen = x[worst : worst + 1], int(y[worst]), int(others[worst].argmax())
    print(
        f"\ntest picture {worst} is a {true}; the network is {'wrong' if seen == logits[worst].argmax() else 'right'}."
    )
    found = []
    for digit, role in ((seen, "the digit that it is most easily taken for"), (true, "the digit that it is")):
        print(f"\nWhat speaks for {digit}, {role}:")
        found.append(pl.attribution(model, picture, output=digit))
        found[-1].show()
    return found


def main(arguments: Sequence[str] | None = None) -> list[pl.Attribution]:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true", help="2,000 pictures, for a look in seconds")
    quick = ask.parse_args(arguments).quick
    started = time.perf_counter()
    x, y, x_test, y_test = fetch.mnist()
    if quick:
        x, y, x_test, y_test = x[:2000], y[:2000], x_test[:500], y_test[:500]
    x, x_test = pictures(x), pictures(x_test)
    model = trained(x, y)
    reached = model.evaluate(x_test, y_test)["accuracy"]
    took = time.perf_counter() - started
    print(f"accuracy on {len(x_test):,} test pictures {reached:.2%}, to beat {TO_BEAT:.2%}; {took:.0f} s in all")
    return explained(model, x_test, y_test)


if __name__ == "__main__":
    main()
