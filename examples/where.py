"""What and where: one network gives a digit's class and its box, on canvases that it has never seen.

    python examples/where.py [--quick]

Each canvas is 64 × 64 and holds one real digit of MNIST at a random place and scale: real digits, synthetic layout.
Canvases to learn from are made of MNIST's training digits, those to test of its test digits. At the end one canvas is
explained: the pixels that spoke for its class, and those that moved the left edge of its box.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import fetch
import numpy as np

import pellucid as pl

SIDE = 64
SMALLEST, LARGEST = 20, 48
"""The side of a digit's 28 × 28 square on the canvas, in pixels."""
TO_BEAT = {"box_box_iou": 0.75, "digit_accuracy": 0.97}


def canvases(digits: Any, seed: int) -> tuple[Any, Any]:
    """x (n, 64, 64, 1) uint8, digit i on canvas i; boxes (n, 4): left, top, right, bottom of its ink, 1 for 64 pixels.

    Both axes are stretched by a matrix (64, 28) of weights: each pixel of the canvas is a mixture of the two nearest.
    """
    draw = np.random.default_rng(seed)
    size = draw.uniform(SMALLEST, LARGEST, len(digits))
    corner = draw.uniform(0, 1, (2, len(digits))) * (SIDE - size)
    x = np.empty((len(digits), SIDE, SIDE, 1), np.uint8)
    for first in range(0, len(digits), 1000):
        some = slice(first, first + 1000)
        down, right = (stretching(start[some], size[some]) for start in corner)
        x[some, ..., 0] = np.rint(down @ digits[some].astype(np.float32) @ right.swapaxes(1, 2))
    edges = []
    for axis, start in ((2, corner[0]), (1, corner[1])):
        ink = digits.any(axis=axis)
        low, high = ink.argmax(axis=1), 28 - ink[:, ::-1].argmax(axis=1)
        edges.append((start + low * size / 28, start + high * size / 28))
    (top, bottom), (left, end) = edges
    return x, (np.stack([left, top, end, bottom], axis=1) / SIDE).astype(np.float32)


def stretching(start: Any, size: Any) -> Any:
    """(n, 64, 28): the weight of each of a digit's 28 pixels in each of the canvas' 64, along one axis."""
    place = (np.arange(SIDE) + 0.5 - start[:, None]) * (28 / size[:, None]) - 0.5
    return np.maximum(0, 1 - abs(place[..., None] - np.arange(28))).astype(np.float32)


class Finder(pl.Model):
    """Convolutions down to 4 × 4 places, and from what they see there the class and the box."""

    def __init__(self) -> None:
        super().__init__()
        self.look = pl.Sequential(
            [
                pl.Conv2D(16, 5, strides=2, padding="same", activation="relu"),
                *(layer for filters in (32, 64, 64) for layer in self.stage(filters)),
                pl.Flatten(),
                pl.Dense(128, "relu"),
            ]
        )
        self.digit, self.box = pl.Dense(10), pl.Dense(4, "sigmoid")

    @staticmethod
    def stage(filters: int) -> list[pl.Layer]:
        return [pl.Conv2D(filters, 3, padding="same"), pl.MaxPooling2D(), pl.Activation("relu")]

    def __call__(self, x: Any) -> Any:
        seen = self.look(x / 255.0)
        return {"digit": self.digit(seen), "box": self.box(seen)}


def trained(x: Any, y: Any, boxes: Any, epochs: int = 3, batch_size: int = 64) -> Finder:
    """Both outputs learn at once. A box is worth 10 digits: its errors are hundredths of a canvas."""
    model = Finder()
    steps = epochs * -(-len(x) // batch_size)
    model.compile(
        pl.Adam(pl.CosineDecay(1e-4, steps, warmup_target=2e-3, warmup_steps=steps // 10)),
        loss={"digit": pl.SparseCategoricalCrossentropy(from_logits=True), "box": pl.MeanAbsoluteError()},
        loss_weights={"box": 10.0},
        metrics={"digit": ["accuracy"], "box": [pl.BoxIoU()]},
    )
    model.fit(x, {"digit": y, "box": boxes}, batch_size=batch_size, epochs=epochs, record=False)
    return model


def explained(model: Finder, x: Any, y: Any, boxes: Any) -> list[pl.Attribution]:
    """The first canvas: the pixels that spoke for its class, and those that moved its box's left edge."""
    canvas, guess = x[:1], model.predict(x[:1])
    box = " ".join(f"{edge:.1f}" for edge in guess["box"][0] * SIDE)
    true = " ".join(f"{edge:.1f}" for edge in boxes[0] * SIDE)
    print(f"\nfirst test canvas: a {y[0]} at {true} (left, top, right, bottom), said to be at {box}.")
    found = []
    for name, output in (("its class", "digit"), ("the left edge of its box", ("box", 0))):
        print(f"\nWhat the pixels did to {name}:")
        found.append(pl.attribution(model, canvas, output=output))
        found[-1].show()
    return found


def main(arguments: Sequence[str] | None = None) -> list[pl.Attribution]:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true", help="2,000 canvases, for a look in seconds")
    quick = ask.parse_args(arguments).quick
    started = time.perf_counter()
    digits, y, test_digits, y_test = fetch.mnist()
    if quick:
        digits, y, test_digits, y_test = digits[:2000], y[:2000], test_digits[:500], y_test[:500]
    (x, boxes), (x_test, test_boxes) = canvases(digits, seed=0), canvases(test_digits, seed=1)
    model = trained(x, y, boxes)
    reached = model.evaluate(x_test, {"digit": y_test, "box": test_boxes})
    took = time.perf_counter() - started
    said = "; ".join(f"{name} {reached[name]:.3f}, to beat {floor}" for name, floor in TO_BEAT.items())
    print(f"on {len(x_test):,} unseen canvases {said}; {took:.0f} s in all")
    return explained(model, x_test, y_test, test_boxes)


if __name__ == "__main__":
    main()
