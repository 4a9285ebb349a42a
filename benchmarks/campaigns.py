"""Many replays, kills and torn files, counted: what recording promises, put to the test.

    python benchmarks/campaigns.py replay|kill|flip [--count N] [--seed N]

replay: random steps of five kinds of network, each run opened in processes of their own. Differing bits: 0.
kill: kill -9 at a random moment of a process that records. The run opens, holds its last checkpoint and nothing half
    written, and some are resumed and compared with a run that was never stopped.
flip: a random byte of a random file of a run is another one, or the file is cut. Each is noticed, by name, and with
    another checkpoint left any step still opens exactly.
"""

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import pellucid as pl
from pellucid.fit.recorder import Recorder
from pellucid.storage import Recording, RunFolder

SCRIPT = Path(__file__).resolve()
GROUP = 10  # steps that one process opens


def rows(features: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, and a class that follows from them."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(330, features)).astype("float32")
    return x, (x[:, 0] * x[:, 1] > 0) * 1 + (x[:, 2] > 0.3) * 1


def classifier(layers: list[pl.Layer], optimizer: Any, units: int = 3) -> pl.Sequential:
    model = pl.Sequential([*layers, pl.Dense(units)])
    model.compile(optimizer, pl.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    return model


def regression() -> pl.Sequential:
    model = pl.Sequential([pl.Dense(12, "relu"), pl.Dense(1)])
    model.compile(pl.Adam(pl.CosineDecay(0.01, 100), global_clipnorm=0.5), "mse", ["mae"])
    return model


KINDS: dict[str, tuple[int, Callable[[], pl.Sequential], dict[str, Any]]] = {
    "dense, Adam": (4, lambda: classifier([pl.Dense(16, "relu")], "adam"), {}),
    "dropout, momentum": (
        4, lambda: classifier([pl.Dense(16, "tanh"), pl.Dropout(0.3)], pl.SGD(0.1, momentum=0.9)), {},
    ),
    "batch normalization": (
        4, lambda: classifier([pl.Dense(16), pl.BatchNormalization(), pl.Activation("relu")], "adam"), {},
    ),
    "regression, float64": (4, regression, {"dtype": "float64", "sample_weight": True}),
    "784-128-10": (784, lambda: classifier([pl.Dense(128, "relu")], "adam", 10), {"batch_size": 64}),
}  # fmt: skip


def digest(state: Any) -> str:
    """Of every number of a state."""
    return hashlib.sha256(
        b"".join(np.asarray(part[path]).tobytes() for part in state for path in sorted(part))
    ).hexdigest()


def recorded(kind: str, place: Path, engine: str) -> list[list[str]]:
    """Trains one of the kinds and records it; each step's loss and state after it, as that process had them."""
    features, make, options = KINDS[kind]
    x, y = rows(features)
    options = {"batch_size": 32, "epochs": 8, "seed": 3} | options
    if options.pop("sample_weight", False):
        options["sample_weight"] = abs(x[:, 3])
    target = x[:, :1] * x[:, 1:2] if kind.startswith("regression") else y
    run = make().fit(x, target, engine=engine, record=Recording(folder=place, share=0.05), verbose=0, **options)
    # The states by the run's own compiled program, from the start on and without a checkpoint.
    run.replay.checkpoint = lambda _: None
    losses = [loss.tobytes().hex() for loss in run.step_history["loss"]]
    return [[loss, digest(run.replay.at(n + 1).state)] for n, loss in enumerate(losses)]


def opened(place: Path, steps: list[int]) -> None:
    """Opens steps of a run, and prints loss and digest of each. It runs in a process of its own."""
    warnings.simplefilter("error")
    run = pl.open_run(place)
    for n in steps:
        step = run.at(n)
        print(json.dumps([n, step.loss.tobytes().hex(), digest(step.after), step.exact, step.fidelity]), flush=True)


def replay(count: int, seed: int, engine: str = "xla", kinds: tuple[str, ...] = tuple(KINDS)) -> Counter[str]:
    """Random steps of each kind, opened elsewhere and held to what the training process had."""
    draw, told = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        runs = {kind: recorded(kind, home / str(i), engine) for i, kind in enumerate(kinds)}
        left = count
        while left > 0:
            for i, kind in enumerate(kinds):
                steps = [draw.randrange(len(runs[kind])) for _ in range(min(GROUP, left))]
                left -= len(steps)
                done = child("open", home / str(i), *steps)
                if done.returncode:
                    told["processes that failed"] += 1
                    print(done.stderr, file=sys.stderr)
                    continue
                for line in done.stdout.splitlines():
                    n, loss, after, exact, coarse = json.loads(line)
                    told["replays"] += 1
                    told["differing bits of a loss"] += bits(loss, runs[kind][n][0])
                    told["other states after the step"] += after != runs[kind][n][1]
                    told["steps not called exact"] += not exact
                    told[f"numbers kept at level {coarse}"] += 1
    return told


def bits(a: str, b: str) -> int:
    return (int(a, 16) ^ int(b, 16)).bit_count()


def child(*arguments: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def trained(place: Path | None, engine: str, often: bool, epochs: int) -> pl.Run:
    """The run that is killed: enough steps in an epoch for checkpoints within it."""
    x, y = rows(4)
    x, y = np.tile(x, (8, 1)), np.tile(y, 8)
    layers = [pl.Dense(16, "tanh"), pl.Dropout(0.1), pl.BatchNormalization()]
    record = False if place is None else Recording(folder=place, **({"share": 1.0} if often else {}))
    stop = pl.EarlyStopping("loss", patience=1000)
    model = classifier(layers, "adam")
    return model.fit(x, y, batch_size=32, epochs=epochs, engine=engine, callbacks=[stop], record=record, verbose=0)


def victim(place: Path, engine: str, often: bool, epochs: int) -> None:
    """Trains until it is killed, and says after each commit which step is safe now."""
    plain = RunFolder.commit

    def commit(self: RunFolder, *arguments: Any, **options: Any) -> None:
        plain(self, *arguments, **options)
        if self.path.name == place.name:  # one that has its name yet
            print(self.manifest["steps"], flush=True)

    RunFolder.commit = commit
    begin = Recorder._begin
    Recorder._begin = lambda self, *a: (begin(self, *a), print("begun", flush=True))[0]
    print("ready", flush=True)
    trained(place, engine, often, epochs)
    print("ended", flush=True)


def kill(count: int, seed: int, compiled: float = 0.15, compare: int = 12, longest: float = 2.0) -> Counter[str]:
    """kill -9 at random moments."""
    draw, told = random.Random(seed), Counter[str]()
    for number in range(count):
        engine = "xla" if draw.random() < compiled else "numpy"
        often = draw.random() < 0.8
        with tempfile.TemporaryDirectory() as name:
            place = Path(name) / "run"
            epochs = 15 if engine == "numpy" else 150
            command = [sys.executable, str(SCRIPT), "victim", str(place), engine, str(int(often)), str(epochs)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            said, awaited = [""], "begun" if draw.random() < 0.8 else "ready"
            while said[-1] != awaited and process.poll() is None:
                said.append(process.stdout.readline().strip())
            time.sleep(draw.uniform(0, longest) * draw.random())
            process.kill()
            said += process.stdout.read().split()
            process.wait()
            process.stdout.close()
            told["kills"] += 1
            told["after the end"] += "ended" in said
            killed(place, said, told, f"kill {number}")
            if place.exists() and "ended" not in said and number % max(1, count // compare) == 0:
                resumed(place, engine, epochs, told)
    return told


def killed(place: Path, said: list[str], told: Counter[str], name: str) -> None:
    """What is left of a run that was killed."""
    if not place.exists():
        told["before it had its name"] += 1
        told["PROBLEM: named, and gone"] += "begun" in said
        return
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            run = pl.open_run(place)
            if run.steps:
                step = run.at(run.steps - 1)
                told["PROBLEM: not exact"] += not step.exact
        told["opened"] += 1
        told["PROBLEM: warned"] += bool(warned)
        for warning in warned:
            print(f"{name}: {warning.message}", file=sys.stderr)
    except pl.PellucidError as error:
        told["PROBLEM: does not open"] += 1
        print(f"{name}: {error}", file=sys.stderr)
        return
    safe = max((int(word) for word in said if word.isdigit()), default=0)
    told["PROBLEM: progress lost"] += run.steps < safe
    told["PROBLEM: orphans"] += bool(orphans(place))


def orphans(place: Path) -> set[str]:
    """Files that run.json does not name, and names without a file."""
    there = {str(p.relative_to(place)) for p in place.rglob("*") if p.is_file()}
    return there ^ {*RunFolder.open(place).manifest["files"], "run.json"}


def resumed(place: Path, engine: str, epochs: int, told: Counter[str]) -> None:
    """Resumes a killed run and compares its end with that of one that was not."""
    whole, again = trained(None, engine, False, epochs), pl.resume(place, verbose=0)
    ends = [
        (r.history, r.step_history["loss"].tobytes(), digest((r.final, r.model.untrained()))) for r in (whole, again)
    ]
    told["resumed"] += 1
    told["PROBLEM: resumed to other bits"] += ends[0] != ends[1]


def flip(count: int, seed: int) -> Counter[str]:
    """Random bytes of random files of a run."""
    draw, told = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name) / "run"
        recorded_often(place)
        losses = pl.open_run(place).step_history["loss"]
        whole = {p.relative_to(place): p.read_bytes() for p in place.rglob("*") if p.is_file()}
        for _ in range(count):
            file = draw.choice(sorted(whole))
            content = whole[file]
            if draw.random() < 0.75:
                at = draw.randrange(len(content))
                torn = content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :]
            else:
                torn = content[: draw.randrange(len(content))]
            (place / file).write_bytes(torn)
            seen = noticed(place, file, losses, draw, told)
            told["noticed, by name"] += seen
            told["PROBLEM: not noticed"] += not seen
            (place / file).write_bytes(content)
    return told


def recorded_often(place: Path) -> None:
    """A run with a checkpoint in each epoch, however busy the machine is."""
    offer = Recorder.offer

    def patient(self: Recorder, *arguments: Any) -> None:
        if self._waiting is not None:
            self._waiting.result()
        self.pace.spent = self.pace.cost = 0.0
        offer(self, *arguments)

    Recorder.offer = patient
    try:
        x, y = rows(4)
        model = classifier([pl.Dense(8, "tanh"), pl.Dropout(0.2)], "adam")
        model.fit(x, y, batch_size=64, epochs=4, engine="numpy", record=Recording(folder=place, share=1.0), verbose=0)
    finally:
        Recorder.offer = offer


def noticed(place: Path, file: Path, losses: np.ndarray, draw: random.Random, told: Counter[str]) -> bool:
    """Whether a torn file is told of, by its name, when what it holds is read; and whether the rest still opens."""
    said: list[str] = []
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            run = pl.open_run(place)
            n = draw.randrange(run.steps)
            if file.parts[0] == "checkpoints":  # a step that this one is nearest to, so that it is read
                n = min(int(file.stem), run.steps - 1)
            step = run.at(n)
            same = step.loss.tobytes() == losses[n].tobytes()
            told["opened all the same"] += 1
            told["PROBLEM: opened to other bits"] += not same
            told["PROBLEM: not exact"] += not (step.exact or file.suffix == ".parquet")
        said = [str(warning.message) for warning in warned]
    except pl.PellucidError as error:
        said = [str(error), *(str(warning.message) for warning in warned)]
        needed = ("run.json", "arrays.safetensors", "00000000.safetensors")
        told["PROBLEM: a file too many was needed"] += file.name not in needed
    return any(file.name in text for text in said)


def main(arguments: list[str]) -> Iterator[str]:
    """The lines to print."""
    words = {"open": lambda a: opened(Path(a[0]), [int(n) for n in a[1:]])}
    words["victim"] = lambda a: victim(Path(a[0]), a[1], bool(int(a[2])), int(a[3]))
    if arguments and arguments[0] in words:
        words[arguments[0]](arguments[1:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("campaign", choices=("replay", "kill", "flip"))
    parser.add_argument("--count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    campaign, usual = {"replay": (replay, 1_000), "kill": (kill, 300), "flip": (flip, 2_000)}[given.campaign]
    started = time.perf_counter()
    told = campaign(given.count or usual, given.seed)
    yield from (f"{n:>8,}  {what}" for what, n in told.items())
    yield f"{time.perf_counter() - started:8.0f}  seconds"


if __name__ == "__main__":
    for line in main(sys.argv[1:]):
        print(line)
