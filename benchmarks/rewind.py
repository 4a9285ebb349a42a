"""What it costs to record a run, to open one of its steps, and to prove every gradient of one.

    python benchmarks/rewind.py [--quick] [--repeats N]

Recording: the same training with and without, taking turns, so that a busy moment of the machine meets both: the
median of the ratios of their times, of their seconds of processor (which a busy machine changes less), and the share
that the run measured itself, by which it decides when there is time for a checkpoint. Opening: a step that is warm,
against the time that a step of the training took. Proving: every weight of 784-128-10 by finite differences as
`check_gradients` does it, against the plain loop of two passes for each weight, which is timed on a sample of weights.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import pellucid as pl
from pellucid.autodiff import Value
from pellucid.models.gradients import check_gradients
from pellucid.storage import Recording, RunFolder

Data = tuple[np.ndarray, np.ndarray]


def data(rows: int, features: int, classes: int) -> Data:
    """Numbers, and the class that a random direction for each class gives them."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, features)).astype("float32")
    return x, (x @ draw.normal(size=(features, classes))).argmax(axis=1).astype("int32")


def network(*units: int) -> pl.Sequential:
    model = pl.Sequential([*(pl.Dense(n, "relu") for n in units[:-1]), pl.Dense(units[-1])])
    model.compile(pl.Adam(1e-3), pl.SparseCategoricalCrossentropy(from_logits=True))
    return model


def recording(name: str, units: tuple[int, ...], given: Data, batch: int, epochs: int, repeats: int, home: Path) -> str:
    """One line: the median of the ratios of recorded to unrecorded training, and the run's own measure."""
    ratios, worked, shares, seconds, kept = [], [], [], [], 0
    places = (home / f"{name}-{i}" for i in count())

    def trained(record: Any) -> pl.Run:
        # The seconds of a run hold the writing of its end, and not what happens before its first step.
        return network(*units).fit(*given, batch_size=batch, epochs=epochs, record=record, verbose=0)

    trained(False)  # compiles
    for number in range(repeats):
        turns = [lambda: trained(False), lambda: trained(Recording(folder=next(places)))]
        order = 1 - 2 * (number % 2)
        (plain, before, _), (recorded, after, run) = [worked_on(turn) for turn in turns[::order]][::order]
        worked.append(after / before)
        folder = RunFolder.open(run.folder)
        about = folder.manifest["recording"]
        ratios.append(recorded / plain)
        shares.append(about["seconds"] / about["of"])
        seconds.append(plain)
        kept = len(folder.checkpoints())
    return (
        f"recording {name:<16} {median(seconds):7.2f} s without; with: {100 * (median(ratios) - 1):+6.2f} % "
        f"(from {100 * (min(ratios) - 1):+.2f} to {100 * (max(ratios) - 1):+.2f}), "
        f"of processor {100 * (median(worked) - 1):+.2f} %, by its own measure {100 * median(shares):.2f} %; "
        f"{kept} checkpoints"
    )


def worked_on(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds, seconds of all processors, and what was made."""
    started = time.process_time()
    seconds, done = timed(work)
    return seconds, time.process_time() - started, done


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    done = work()
    return time.perf_counter() - started, done


def opening(name: str, units: tuple[int, ...], given: Data, batch: int, steps: int, home: Path) -> str:
    """One line: the median time to open a step that is warm, and that of a step of the training."""
    rows = min(len(given[0]), batch * steps)
    whole = rows - rows % batch
    x, y = given[0][:whole], given[1][:whole]
    ends: list[float] = []

    class Clock(pl.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            ends.append(time.perf_counter())

    run = network(*units).fit(
        x, y, batch_size=batch, epochs=6, record=home / f"open-{name}", callbacks=[Clock()], verbose=0
    )
    own = median(np.diff(ends)) / (whole // batch)
    run.at(3)
    run.at(whole // batch - 1)  # both are compiled now
    numbers = [whole // batch * 2 + i for i in range(8)]
    run.at(numbers[0] - 1)  # the way to the first of them
    opened = [timed(lambda n=n: run.at(n)) for n in numbers]
    found = median(seconds for seconds, _ in opened)
    coarse = {step.fidelity for _, step in opened}
    exact = sum(step.exact for _, step in opened)
    return (
        f"opening   {name:<16} {1e3 * found:7.1f} ms for a step of {1e3 * own:.3f} ms; goal, 3 times that and 50 ms: "
        f"{1e3 * (3 * own + 0.05):.1f} ms; exact {exact} of {len(opened)}, kept at level {coarse}"
    )


def proving(given: Data, sample: int) -> str:
    """One line: every weight of 784-128-10 on 32 rows, and the plain loop."""
    x, y = given[0][:32].astype("float64"), given[1][:32]
    model = network(128, 10)
    model.predict(x[:1])
    check_gradients(model, x, y, sample=10)
    seconds, report = timed(lambda: check_gradients(model, x, y))
    weights = {path: a.astype("float64") for path, a in model.parameters().items()}
    some = weights.pop("dense/bias")[:sample]
    rest = model.parameters()["dense/bias"].astype("float64")[len(some) :]
    loss = model.compiled.loss
    assert loss is not None

    def f(p: dict[str, Value]) -> Value:
        tape = p["some"].tape
        tape.parameters.update(weights)
        bias = pl.concatenate(p["some"], tape.given("rest", rest), axis=0) if len(rest) else p["some"]
        hidden = pl.relu(tape.given("x", x) @ tape.parameter("dense/kernel") + bias)
        return loss(tape.given("y", y), hidden @ tape.parameter("dense_1/kernel") + tape.parameter("dense_1/bias"))

    each = timed(lambda: pl.finite_difference(f, {"some": some}))[0] / len(some)
    size = sum(a.size for a in model.parameters().values())
    return (
        f"proving   784-128-10       {seconds:7.2f} s for all {size:,} weights ({'ok' if report.ok else 'NOT OK'}); "
        f"the plain loop, from {len(some)} of them: {each * size:,.0f} s, {each * size / seconds:,.0f} times as long"
    )


def lines(quick: bool, repeats: int) -> Iterator[str]:
    """What is printed, as it is found."""
    rows, epochs, repeats = (3_000, 1, 1) if quick else (60_000, 20, repeats)
    small_epochs = 5 if quick else 400
    large, small = data(rows, 784, 10), data(3_200 if quick else 32_000, 4, 3)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        yield recording("784-512-512-10", (512, 512, 10), large, 128, epochs, repeats, home)
        yield recording("4-16-3", (16, 3), small, 32, small_epochs, repeats, home)
        steps = 20 if quick else 100
        yield opening("4-16-3", (16, 3), small, 32, steps, home)
        yield opening("784-128-10", (128, 10), large, 64, steps, home)
        yield opening("784-512-512-10", (512, 512, 10), large, 128, steps, home)
    yield proving(large, 16 if quick else 128)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true", help="small sizes, to see that it works; its figures say little")
    ask.add_argument("--repeats", type=int, default=5, help="pairs of runs with and without a record")
    given = ask.parse_args()
    for line in lines(given.quick, given.repeats):
        print(line, flush=True)


if __name__ == "__main__":
    main()
