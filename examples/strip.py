"""One picture to many signs: a strip of 2 to 5 handwritten digits is read into its string, one digit after the other.

    python examples/strip.py [--quick]

A strip is 28 × 140: real digits of MNIST set side by side, some closer, some lower, then blank paper. Convolutions
turn it into 35 columns; a decoder writes the string. It knows what it has written, looks at the column that is next,
and learns with the right string so far given (teacher forcing). At the end one reading is explained: which pixels spoke
for its second digit.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import fetch
import numpy as np

import pellucid as pl

WIDE, LONGEST = 140, 5
PAD, START, END = 0, 11, 12
"""Sign 0 fills up; digit d is sign d + 1; then the signs before a string and after it."""
TO_BEAT = 0.95


def strips(digits: Any, y: Any, count: int, seed: int) -> tuple[Any, Any]:
    """x (count, 28, 140, 1) uint8; signs (count, 7): start, digits, end, filled up."""
    draw = np.random.default_rng(seed)
    x = np.zeros((count, 28, WIDE), np.uint8)
    signs = np.full((count, LONGEST + 2), PAD, np.int32)
    for strip, written in zip(x, signs, strict=True):
        rows = draw.integers(0, len(digits), draw.integers(2, LONGEST + 1))
        closer, lower = draw.integers(0, 8, len(rows)), draw.integers(-3, 4, len(rows))
        starts = 28 * np.arange(len(rows)) - np.cumsum(closer) + closer[0]
        starts += min(draw.integers(0, 14), WIDE - 28 - starts[-1])
        for row, start, fall in zip(rows, starts, lower, strict=True):
            ink, place = digits[row].any(axis=1), strip[:, start : start + 28]
            fall = np.clip(fall, -ink.argmax(), ink[::-1].argmax())  # no further than its margins
            np.maximum(place, np.roll(digits[row], fall, axis=0), out=place)
        written[: len(rows) + 2] = [START, *(y[rows] + 1), END]
    return x[..., None], signs


class Reader(pl.Model):
    """Columns of the picture, each with the others in view, and a decoder that attends to them."""

    def __init__(self) -> None:
        super().__init__()
        strokes = pl.Conv2D(16, 5, strides=2, padding="same", activation="relu")
        self.look = pl.Sequential([strokes, *self.stage(32, 2), *self.stage(64, (7, 1))])
        self.along = pl.Sequential(
            [pl.PositionEmbedding(WIDE // 4), pl.Bidirectional(pl.GRU(64, return_sequences=True))]
        )
        self.signs = pl.Embedding(END + 1, 64)
        self.written = pl.GRU(128, return_sequences=True)
        self.attention = pl.MultiHeadAttention(num_heads=2, key_dim=64)
        self.out = pl.Sequential([pl.Dense(128, "relu"), pl.Dense(END + 1)])

    @staticmethod
    def stage(filters: int, pool: Any) -> list[pl.Layer]:
        return [pl.Conv2D(filters, 3, padding="same"), pl.MaxPooling2D(pool), pl.Activation("relu")]

    def __call__(self, x: Any) -> Any:
        seen = self.look(x["image"] / 255.0)
        columns = self.along(pl.reshape(seen, shape=(-1, WIDE // 4, 64)))  # the height of 1 goes
        written = self.written(self.signs(x["target_in"]))
        return self.out(pl.concatenate(written, self.attention(written, columns)))


def trained(x: Any, signs: Any, epochs: int = 4, batch_size: int = 64) -> Reader:
    model = Reader()
    steps = epochs * -(-len(x) // batch_size)
    model.compile(
        pl.Adam(pl.CosineDecay(1e-4, steps, warmup_target=2e-3, warmup_steps=steps // 10), global_clipnorm=1.0),
        pl.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD),
        [pl.Accuracy(ignore_class=PAD)],
    )
    inputs = {"image": x, "target_in": signs[:, :-1]}
    model.fit(inputs, signs[:, 1:], batch_size=batch_size, epochs=epochs, record=False)
    return model


def read(model: Reader, x: Any) -> list[list[int]]:
    """The signs of each strip after the start, always the likeliest, up to the end."""
    prompts = {"image": x, "target_in": [[START]] * len(x)}
    written = pl.generate(model, prompts, LONGEST + 1, temperature=0, end_token=END, alternatives=1, batch_size=256)
    return [found.tokens for found in written]


def text(signs: Any) -> str:
    """The digits among the signs."""
    return "".join(str(sign - 1) for sign in signs if PAD < sign < START)


def explained(model: Reader, x: Any, signs: Any) -> list[pl.Attribution]:
    """The second sign of the first strip: which pixels spoke for it, and what the digit before it did."""
    found = read(model, x[:1])[0]
    place = min(1, len(found) - 1)
    print(f"\nfirst test strip: {text(signs[0])}, read as {text(found)}. What spoke for sign {place + 1} of these:")
    so_far = [START, *found[:-1], *[PAD] * (LONGEST + 1 - len(found))]
    inputs = {"image": x[:1], "target_in": np.array([so_far], np.int32)}
    why = pl.attribution(model, inputs, output=(place, found[place]))
    why.show(labels={"target_in": ["start" if sign == START else text([sign]) for sign in so_far]})
    return [why]


def main(arguments: Sequence[str] | None = None) -> list[pl.Attribution]:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true", help="500 strips, twice, for a look in seconds")
    quick = ask.parse_args(arguments).quick
    started = time.perf_counter()
    digits, y, test_digits, y_test = fetch.mnist()
    x, signs = strips(digits, y, 500 if quick else 40_000, seed=0)
    x_test, test_signs = strips(test_digits, y_test, 200 if quick else 3_000, seed=1)
    model = trained(x, signs, epochs=2 if quick else 4)
    right = np.mean([text(found) == text(row) for found, row in zip(read(model, x_test), test_signs, strict=True)])
    took = time.perf_counter() - started
    print(
        f"whole strings right on {len(x_test):,} unseen strips {right:.2%}, to beat {TO_BEAT:.0%}; {took:.0f} s in all"
    )
    return explained(model, x_test, test_signs)


if __name__ == "__main__":
    main()
