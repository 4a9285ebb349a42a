"""A training step of a small network: pellucid's fit, a plain jax.grad loop, eager PyTorch; and the import.

    python benchmarks/step.py [--markdown]

A 4-16-3 relu network, softmax cross-entropy, batches of 32, Adam: 1,000 steps an epoch over 32,000 rows in an
order that is new each epoch. Each is timed by whole epochs, warm-up epochs left out; they take turns, so that a
busy moment of the machine meets them all, and the median epoch counts. Of PyTorch's ways the fastest counts.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import jax
import numpy as np
import optax
import torch

import pellucid as pl

STEPS, BATCH = 1_000, 32
WARM_UP, EPOCHS, ROUNDS = 2, 4, 3
ROWS = np.random.default_rng(0).normal(size=(STEPS * BATCH, 4)).astype("float32")
LABELS = (ROWS @ np.array([[1, 0, -1], [0, 1, -1], [1, 1, 0], [-1, 0, 1]], "float32")).argmax(1).astype("int32")


class Clock(pl.Callback):
    """The time of each epoch's end."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.ends.append(time.perf_counter())


def pellucid() -> list[float]:
    """Seconds of each epoch inside model.fit: shuffling, batching and the loss of each step are in it."""
    model = pl.Sequential([pl.Dense(16, "relu"), pl.Dense(3)])
    model.compile(pl.Adam(1e-3), pl.SparseCategoricalCrossentropy(from_logits=True))
    clock = Clock()
    model.fit(ROWS, LABELS, batch_size=BATCH, epochs=WARM_UP + EPOCHS, callbacks=[clock], verbose=0)
    return list(np.diff(clock.ends[WARM_UP - 1 :]))


def plain_jax() -> list[float]:
    """The same with jax.grad and optax, every step of an epoch in one compiled scan, rows already shuffled."""
    rng = np.random.default_rng(0)
    state = [rng.normal(size=(4, 16)) * 0.5, np.zeros(16), rng.normal(size=(16, 3)) * 0.3, np.zeros(3)]
    state = [jax.numpy.asarray(a, "float32") for a in state]
    adam = optax.adam(1e-3)

    def loss(w: list[jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
        logits = jax.nn.relu(x @ w[0] + w[1]) @ w[2] + w[3]
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    @jax.jit
    def epoch(w, moments, x, y):
        def step(carried, batch):
            value, gradient = jax.value_and_grad(loss)(carried[0], *batch)
            change, kept = adam.update(gradient, carried[1])
            return (optax.apply_updates(carried[0], change), kept), value

        return jax.lax.scan(step, (w, moments), (x, y))

    def epochs() -> Iterator[None]:
        held = (state, adam.init(state))
        while True:
            order = rng.permutation(len(ROWS)).reshape(STEPS, BATCH)
            held, losses = epoch(*held, ROWS[order], LABELS[order])
            np.asarray(losses)
            yield

    return timed(epochs())


def pytorch(threads: int, **settings: bool) -> list[float]:
    """The same, eager: rows by index, so without the cost of a DataLoader."""
    torch.set_num_threads(threads)
    model = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
    adam = torch.optim.Adam(model.parameters(), 1e-3, **settings)
    measure = torch.nn.CrossEntropyLoss()
    x, y = torch.from_numpy(ROWS), torch.from_numpy(LABELS).long()

    def epochs() -> Iterator[None]:
        while True:
            for places in torch.randperm(len(x)).split(BATCH):
                adam.zero_grad()
                measure(model(x[places]), y[places]).backward()
                adam.step()
            yield

    return timed(epochs())


def timed(epochs: Iterator[None]) -> list[float]:
    """Seconds of each epoch after the warm-up."""
    ends: list[float] = []
    for _ in range(WARM_UP + EPOCHS):
        next(epochs)
        ends.append(time.perf_counter())
    return list(np.diff(ends[WARM_UP - 1 :]))


def import_seconds() -> list[float]:
    """Seconds of `import pellucid` in fresh processes; fails if it brings JAX along."""
    code = (
        "import sys, time; t = time.perf_counter(); import pellucid; print(time.perf_counter() - t); "
        "assert 'jax' not in sys.modules, 'import pellucid imports jax'"
    )
    runs = [subprocess.run([sys.executable, "-c", code], check=True, capture_output=True) for _ in range(5)]
    return [float(run.stdout) for run in runs]


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--markdown", action="store_true")
    markdown = ask.parse_args().markdown
    ways: dict[str, Callable[[], list[float]]] = {"pellucid, model.fit": pellucid, "jax.grad, scanned": plain_jax}
    for threads in (1, 2):
        for name, settings in {"": {}, ", foreach": {"foreach": True}, ", fused": {"fused": True}}.items():
            ways[f"PyTorch{name}, {threads} thread{'s' * (threads > 1)}"] = partial(pytorch, threads, **settings)
    epochs: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, run in ways.items():
            epochs[name] += run()
    micro = {name: median(seconds) / STEPS * 1e6 for name, seconds in epochs.items()}
    fastest = min(v for name, v in micro.items() if name.startswith("PyTorch"))
    ours = micro["pellucid, model.fit"]
    table = [["a step of 4-16-3, batch 32, Adam", "µs", "times pellucid's"]]
    table += [[name, f"{value:.1f}", f"{value / ours:.1f}"] for name, value in micro.items()]
    for line in table[:1] + ([["---"] * 3] if markdown else []) + table[1:]:
        print("| " + " | ".join(line) + " |" if markdown else f"{line[0]:34} {line[1]:>8} {line[2]:>17}")
    print(f"\nPyTorch {torch.__version__} at its fastest takes {fastest / ours:.1f} times as long a step.")
    print(f"import pellucid, without JAX: {median(import_seconds()):.3f} s")


if __name__ == "__main__":
    main()
