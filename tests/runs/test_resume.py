"""A run that was interrupted or killed goes on as if it had never been stopped: the same bits, to the end."""

import signal
import subprocess
import sys

import numpy as np
import pytest

import pellucid as pl
from pellucid.fit.callbacks import Memory
from pellucid.replay.checkpoint import Checkpoint
from pellucid.storage import Recording, RunFolder

OFTEN = {"share": 1.0}
"""Of recording: a checkpoint after each call of the engine for which there is time."""


class Stops(pl.Callback):
    """Ctrl-C at the end of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def fitted(rows, place, engine="numpy", callbacks=(), epochs=6, **options):
    layers = [pl.Dense(8, "tanh"), pl.Dropout(0.2), pl.BatchNormalization(momentum=0.9), pl.Dense(3)]
    model = pl.Sequential(layers)
    loss = pl.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(pl.Adam(pl.CosineDecay(0.05, 30), global_clipnorm=1.0), loss, ["accuracy", "roc_auc"])
    options = {"batch_size": 16, "seed": 4, "sample_weight": rows.weight, "validation_split": 0.2} | options
    recording = Recording(folder=place, **OFTEN)
    return model.fit(
        rows.x, rows.y, engine=engine, epochs=epochs, callbacks=list(callbacks), record=recording, verbose=0, **options
    )


def interrupted(rows, place, engine="numpy", callbacks=(), at=2, **options):
    with pytest.raises(KeyboardInterrupt):
        fitted(rows, place, engine, [*callbacks, Stops(at)], **options)


def last(path):
    """What the last checkpoint of a run holds, as bytes, and its step."""
    folder = RunFolder.open(path)
    step = folder.checkpoints()[-1]
    point = Checkpoint.from_bytes(folder.read(f"checkpoints/{step:08}.safetensors"), "last")
    return step, {name: np.asarray(a).tobytes() for part in point.state for name, a in part.items()}


def alike(one, other):
    """Two runs that were trained to the same end, with or without a stop on the way."""
    assert one.history == other.history
    assert one.step_history["loss"].tobytes() == other.step_history["loss"].tobytes()
    assert (one.status, one.steps, one.epochs) == (other.status, other.steps, other.epochs)
    for a, b in ((one.final, other.final), (one.model.parameters(), other.model.parameters())):
        assert list(a) == list(b)
        assert all(a[path].tobytes() == b[path].tobytes() for path in a)
    for path, array in other.model.untrained().items():
        assert one.model.untrained()[path].tobytes() == array.tobytes()
    assert last(one.folder) == last(other.folder)


@pytest.mark.parametrize(("engine", "at"), [("numpy", 0), ("numpy", 2), ("numpy", 5), ("xla", 1)])
def test_an_interrupted_run_ends_as_one_that_was_not(rows, tmp_path, engine, at):
    whole = fitted(rows, tmp_path / "whole", engine)
    interrupted(rows, tmp_path / "run", engine, at=at)
    assert pl.open_run(tmp_path / "run").status == "interrupted"
    again = pl.resume(tmp_path / "run", callbacks=[Stops(99)], verbose=0)
    alike(again, whole)
    for opened in (again, pl.open_run(tmp_path / "run"))[engine == "xla" :]:
        for n in (0, 5, whole.steps - 1):
            step = opened.at(n)
            assert step.exact
            assert step.loss == whole.step_history["loss"][n]
    alike(pl.open_run(tmp_path / "run"), whole)


def test_a_run_may_be_interrupted_again_and_again(rows, tmp_path):
    whole = fitted(rows, tmp_path / "whole")
    interrupted(rows, tmp_path / "run", at=0)
    for at in (1, 3, 4):
        with pytest.raises(KeyboardInterrupt):
            pl.resume(tmp_path / "run", callbacks=[Stops(at)], verbose=0)
    alike(pl.resume(tmp_path / "run", callbacks=[Stops(99)], verbose=0), whole)


@pytest.mark.parametrize("patience", [1, 2, 5])
@pytest.mark.parametrize("at", [1, 3])
def test_early_stopping_remembers(rows, tmp_path, patience, at):
    def stop():
        return pl.EarlyStopping(monitor="val_loss", patience=patience, restore_best_weights=True)

    options = {"epochs": 12, "validation_split": 0.4}
    whole = fitted(rows, tmp_path / "whole", callbacks=[stop()], **options)
    if whole.epochs <= at + 1:
        pytest.skip("the run ended before the interruption")
    interrupted(rows, tmp_path / "run", callbacks=[stop()], at=at, **options)
    new = stop()
    again = pl.resume(tmp_path / "run", callbacks=[new, Stops(99)], verbose=0)
    alike_but_for_callbacks(again, whole)


def alike_but_for_callbacks(one, other):
    """`alike`, where the runs had other callbacks, so that their checkpoints hold other memories."""
    assert one.history == other.history
    assert one.step_history["loss"].tobytes() == other.step_history["loss"].tobytes()
    assert (one.status, one.epochs) == (other.status, other.epochs)
    for path, array in other.model.parameters().items():
        assert one.model.parameters()[path].tobytes() == array.tobytes()
    for path, array in other.final.items():
        assert one.final[path].tobytes() == array.tobytes()


def test_a_run_killed_after_it_had_decided_to_stop(rows, tmp_path, monkeypatch):
    """The last checkpoint says that training was over, though run.json does not yet."""

    def stop():
        return pl.EarlyStopping(monitor="loss", mode="max", patience=2)

    whole = fitted(rows, tmp_path / "whole", callbacks=[stop()])
    assert whole.status == "stopped early"
    run = fitted(rows, tmp_path / "run", callbacks=[stop()])
    folder = RunFolder.open(run.folder)
    folder.commit(folder.manifest | {"status": "running"}, {}, ["weights/best.safetensors"])
    again = pl.resume(tmp_path / "run", verbose=0)
    alike(again, whole)


def test_a_run_that_has_ended_is_not_resumed(rows, tmp_path):
    fitted(rows, tmp_path / "run", epochs=1)
    with pytest.raises(pl.UsageError, match=r"run has ended \(finished, 4 steps\): there is nothing left to resume"):
        pl.resume(tmp_path / "run")


def test_a_run_that_failed_of_itself_is_not_resumed(rows, tmp_path):
    class Breaks(pl.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fitted(rows, tmp_path / "run", callbacks=[Breaks()])
    with pytest.raises(pl.UsageError, match=r"failed at step 4.*pellucid rewind"):
        pl.resume(tmp_path / "run")


def test_a_run_that_another_process_trains_is_not_resumed(rows, tmp_path):
    interrupted(rows, tmp_path / "run")
    writer = RunFolder.open(tmp_path / "run")
    assert writer.lock()
    with pytest.raises(pl.RunError, match="is being trained by another process"):
        pl.resume(tmp_path / "run", callbacks=[Stops(99)], verbose=0)
    writer.release()
    pl.resume(tmp_path / "run", callbacks=[Stops(99)], verbose=0)


def test_callbacks_of_ones_own_are_made_again_or_given(rows, tmp_path):
    interrupted(rows, tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):  # the same callback, with its argument, at the end of the same epoch
        pl.resume(tmp_path / "run", verbose=0)
    folder = RunFolder.open(tmp_path / "run")
    own = {"callback": "Unheard", "module": "elsewhere", "epoch": 2}
    folder.commit(folder.manifest | {"callbacks": [own]}, {})
    with pytest.raises(pl.UsageError, match=r"'Unheard'.*import elsewhere first.*callbacks=\[…\]"):
        pl.resume(tmp_path / "run", verbose=0)
    folder.commit(folder.manifest | {"callbacks": [{"callback": "Stops"}]}, {})  # as earlier versions wrote it
    with pytest.raises(pl.UsageError, match=r"callback of your own, 'Stops', which no file holds.*callbacks=\[…\]"):
        pl.resume(tmp_path / "run", verbose=0)
    with pytest.raises(pl.UsageError, match=r"with the callbacks \['Stops'\], and is resumed with \['EarlyStopping'\]"):
        pl.resume(tmp_path / "run", callbacks=[pl.EarlyStopping()], verbose=0)
    assert pl.resume(tmp_path / "run", callbacks=[Stops(99)], verbose=0).status == "finished"


class Counts(pl.Callback):
    """Remembers how many epochs it saw."""

    def __init__(self):
        self.seen = 0

    def on_epoch_end(self, epoch, logs=None):
        self.seen += 1

    def memory(self):
        return Memory({"seen": self.seen})

    def recall(self, memory):
        self.seen = memory.settings["seen"]


def test_a_callback_of_ones_own_may_remember(rows, tmp_path):
    interrupted(rows, tmp_path / "run", callbacks=[Counts()], at=3)
    counts = Counts()
    pl.resume(tmp_path / "run", callbacks=[counts, Stops(99)], verbose=0)
    assert counts.seen == 6


CHILD = """
import os
import signal
import sys
import numpy as np
import pellucid as pl
from pellucid.replay.checkpoint import Checkpoint
from pellucid.storage import Recording, RunFolder
from pellucid.engine import loop

place, engine, killed = sys.argv[1:]
commit = RunFolder.commit

def deadly(self, manifest, *contents):
    commit(self, manifest, *contents)
    if manifest["steps"] > 200 and manifest["steps"] % 200:
        os.kill(os.getpid(), signal.SIGKILL)

if killed == "killed":
    loop.CALL_SECONDS = 0  # many calls an epoch, and a checkpoint after any of them
    RunFolder.commit = deadly
draw = np.random.default_rng(0)
x = draw.normal(size=(1600, 6)).astype("float32")
y = (x[:, 0] * x[:, 1] > 0) * 1
model = pl.Sequential([pl.Dense(16, "tanh"), pl.Dropout(0.1), pl.Dense(2)])
model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
stop = pl.EarlyStopping("loss", patience=50)
model.fit(
    x, y, batch_size=8, epochs=4, engine=engine, callbacks=[stop], verbose=0,
    record=Recording(folder=place, share=1.0),
)
"""


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_a_run_killed_in_the_midst_of_an_epoch(tmp_path, engine):
    """kill -9 as soon as a checkpoint within an epoch of 200 steps, not the first, is on the disk."""
    runs = {how: tmp_path / how for how in ("killed", "whole")}
    ends = {how: subprocess.run([sys.executable, "-c", CHILD, place, engine, how]) for how, place in runs.items()}
    assert {how: end.returncode for how, end in ends.items()} == {"killed": -signal.SIGKILL, "whole": 0}
    killed = pl.open_run(runs["killed"])
    assert killed.status == "running"
    assert 200 < killed.steps < 800 and killed.steps % 200
    alike(pl.resume(runs["killed"], verbose=0), pl.open_run(runs["whole"]))
