"""A training step of a small convolution network: pellucid's fit, plain jax.grad, eager PyTorch.

    python benchmarks/convolution.py [--rounds 5] [--threads 2]
    taskset -c 0 python benchmarks/convolution.py --threads 1

28 × 28 × 1 images, two 3 × 3 convolutions (32 and 64 channels, "same", relu, each with a 2 × 2 max-pool), dense layers
of 128 and 10, softmax cross-entropy, batches of 64, SGD. Each is timed by 20 steps in a row after a warm-up; they take
turns, so that a busy moment of the machine meets them all, and the median counts. Run it while the machine is quiet:
PyTorch's threads wait for one another in a loop, and lose several times over to a busy neighbour; on one core less so.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

import pellucid as pl

STEPS, BATCH = 20, 64
DRAW = np.random.default_rng(0)
IMAGES = DRAW.normal(size=(STEPS * BATCH, 28, 28, 1)).astype("float32")
LABELS = DRAW.integers(0, 10, STEPS * BATCH).astype("int32")


class Clock(pl.Callback):
    """The time of each epoch's end."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.ends.append(time.perf_counter())


def pellucid() -> Callable[[], list[float]]:
    """Inside model.fit: shuffling, batching and the loss of each step are in it; the first epoch is left out."""
    model = pl.Sequential(
        [
            pl.Conv2D(32, 3, padding="same", activation="relu"),
            pl.MaxPooling2D(),
            pl.Conv2D(64, 3, padding="same", activation="relu"),
            pl.MaxPooling2D(),
            pl.Flatten(),
            pl.Dense(128, "relu"),
            pl.Dense(10),
        ]
    )
    model.compile(pl.SGD(1e-2), pl.SparseCategoricalCrossentropy(from_logits=True))

    def epochs() -> list[float]:
        clock = Clock()
        model.fit(IMAGES, LABELS, batch_size=BATCH, epochs=4, callbacks=[clock], record=False, verbose=0)
        return list(np.diff(clock.ends) / STEPS)

    return epochs


def plain_jax() -> Callable[[], list[float]]:
    """A compiled step with jax.grad of the same network."""
    shapes = [(3, 3, 1, 32), (3, 3, 32, 64), (3136, 128), (128, 10)]
    weights: Any = [jnp.asarray(DRAW.normal(size=s) * 0.05, "float32") for s in shapes]
    weights += [jnp.zeros(s[-1]) for s in shapes]

    def convolved(x: Any, w: Any, b: Any) -> Any:
        y = jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        y = jax.nn.relu(y + b)
        return jax.lax.reduce_window(y, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def loss(w: Any, x: Any, y: Any) -> Any:
        h = convolved(convolved(x, w[0], w[4]), w[1], w[5]).reshape(len(x), -1)
        logits = jax.nn.relu(h @ w[2] + w[6]) @ w[3] + w[7]
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1).mean()

    @jax.jit
    def step(w: Any, x: Any, y: Any) -> Any:
        value, gradient = jax.value_and_grad(loss)(w, x, y)
        return [p - 1e-2 * g for p, g in zip(w, gradient, strict=True)], value

    held = [weights]

    def epoch() -> list[float]:
        started = time.perf_counter()
        for i in range(0, len(IMAGES), BATCH):
            held[0], value = step(held[0], IMAGES[i : i + BATCH], LABELS[i : i + BATCH])
            value.block_until_ready()
        return [(time.perf_counter() - started) / STEPS]

    return epoch


def pytorch(threads: int) -> Callable[[], list[float]]:
    """Eager, channels last in memory, which is its fastest here."""
    nn = torch.nn
    torch.set_num_threads(threads)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10),
    ).to(memory_format=torch.channels_last)  # fmt: skip
    sgd = torch.optim.SGD(model.parameters(), 1e-2, foreach=True)
    measure = nn.CrossEntropyLoss()
    x = torch.from_numpy(IMAGES.transpose(0, 3, 1, 2)).contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy(LABELS).long()

    def epoch() -> list[float]:
        started = time.perf_counter()
        for i in range(0, len(x), BATCH):
            sgd.zero_grad(set_to_none=True)
            measure(model(x[i : i + BATCH]), y[i : i + BATCH]).backward()
            sgd.step()
        return [(time.perf_counter() - started) / STEPS]

    return epoch


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--rounds", type=int, default=5)
    ask.add_argument("--threads", type=int, default=2, help="PyTorch's; XLA takes the cores that the process has")
    asked = ask.parse_args()
    ways = {
        "pellucid, model.fit": pellucid(),
        "jax.grad": plain_jax(),
        f"PyTorch {torch.__version__}": pytorch(asked.threads),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for run in ways.values():
        run()
    for _ in range(asked.rounds):
        for name, run in ways.items():
            seconds[name] += run()
    theirs = median(list(seconds.values())[-1])
    print(f"{'a step of 2 convolutions + 2 dense, batch 64':45} {'median':>9} {'least':>9} {'times PyTorch':>14}")
    for name, found in seconds.items():
        middle = median(found)
        print(f"{name:45} {middle * 1e3:6.1f} ms {min(found) * 1e3:6.1f} ms {middle / theirs:14.2f}")


if __name__ == "__main__":
    main()
