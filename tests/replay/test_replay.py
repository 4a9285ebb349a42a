"""Each step of each kind of run, opened again: its recorded loss, its state before and after, bit for bit."""

import json
import subprocess
import sys

import numpy as np
import pytest

import pellucid as pl
from pellucid.registry import to_config

FIT = {"batch_size": 16, "epochs": 3, "seed": 5, "verbose": 0}


def dense(**changes):
    return [pl.Dense(8, "tanh"), pl.Dense(3)]


def dropped():
    return [pl.Dense(8, "relu"), pl.Dropout(0.3), pl.Dense(3)]


def normalized():
    return [pl.Dense(8), pl.BatchNormalization(momentum=0.8), pl.Activation("relu"), pl.Dense(3)]


SCHEDULED = pl.Adam(pl.CosineDecay(0.02, 12, warmup_steps=3, warmup_target=0.05), global_clipnorm=0.5)
# layers, optimizer, what fit is told beside FIT; the data have 70 rows, so that the last batch of 16 has 6
KINDS = {
    "dense": (dense, "adam", {}),
    "in order": (dense, "sgd", {"shuffle": False}),
    "dropout": (dropped, pl.SGD(0.1, momentum=0.9), {}),
    "normalized": (normalized, "adam", {}),
    "normalized, dropped": (lambda: [*normalized()[:3], pl.Dropout(0.2), pl.Dense(3)], SCHEDULED, {}),
    "class weights": (dense, "rmsprop", {"class_weight": {0: 2.0, 2: 0.25}}),
    "sample weights": (dense, "adam", {"sample_weight": True, "class_weight": {1: 3.0}}),
    "schedule, clipped": (dense, SCHEDULED, {}),
    "clipped by value": (dropped, pl.SGD(0.3, momentum=0.5, nesterov=True, clipvalue=0.01), {}),
    "split": (dense, "adam", {"validation_split": 0.2}),
    "watched": (dropped, "adam", {"validation_data": True}),
    "whole batches": (dense, "adam", {"batch_size": 35}),
    "batch of all": (dense, "adam", {"batch_size": 500}),
    "batch of one": (dense, "adam", {"batch_size": 1, "epochs": 1}),
    "finite differences": (dense, "adam", {"method": "finite_difference", "epochs": 1}),
    "spsa": (dropped, "adam", {"method": "spsa"}),
}


def made(kind, rows, place, engine, dtype="float32"):
    """A recorded run of one of the kinds."""
    layers, optimizer, options = KINDS[kind]
    options = dict(options)
    if options.get("sample_weight"):
        options["sample_weight"] = rows.weight
    if options.get("validation_data"):
        options["validation_data"] = (rows.x[:9], rows.y[:9], rows.weight[:9])
    model = pl.Sequential(layers())
    model.compile(optimizer, pl.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    return model.fit(rows.x, rows.y, engine=engine, dtype=dtype, record=place, **{**FIT, **options})


def same(a, b):
    """Two states, equal bit for bit."""
    for one, other in zip(a, b, strict=True):
        assert list(one) == list(other)
        for path in one:
            assert np.asarray(one[path]).dtype == np.asarray(other[path]).dtype, path
            assert np.asarray(one[path]).tobytes() == np.asarray(other[path]).tobytes(), path


def opens_whole(run):
    """Each step from the last to the first, then from the first on: as recorded, and each ends as the next begins."""
    dtype = run.model.compiled.dtype
    for n in reversed(range(run.first, run.steps)):
        assert run.at(n).loss.tobytes() == run.step_history["loss"][n].tobytes()
    after = None
    for n in range(run.first, run.steps):
        step = run.at(n)
        assert step.number == n
        assert step.exact, step.verdict
        assert step.verdict.startswith("the same, bit for bit, as recorded")
        assert step.loss.dtype == dtype
        assert step.loss.tobytes() == step.recorded.tobytes() == run.step_history["loss"][n].tobytes()
        if after is not None:
            same(after, step.before)
        after = step.after
    same((after.parameters,), (run.final,))
    assert run.at(-1).number == run.steps - 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_of_a_run_and_of_its_folder(rows, tmp_path, kind):
    for dtype in ("float32", "float64"):
        run = made(kind, rows, tmp_path / dtype, "numpy", dtype)
        opens_whole(run)
        again = pl.open_run(tmp_path / dtype)
        equal(again, run)
        opens_whole(again)


COMPILED = [
    ("dropout", "float32"),
    ("normalized", "float32"),
    ("sample weights", "float64"),
    ("schedule, clipped", "float32"),
    ("in order", "float64"),
]


@pytest.mark.parametrize(("kind", "dtype"), COMPILED)
def test_every_step_of_a_compiled_run(rows, tmp_path, kind, dtype):
    run = made(kind, rows, tmp_path / "run", "xla", dtype)
    again = pl.open_run(tmp_path / "run")
    equal(again, run)
    opens_whole(again)


def equal(again, run):
    """An opened run against the one that fit returned."""
    assert again.history == run.history
    assert again.step_history["loss"].dtype == run.step_history["loss"].dtype
    assert again.step_history["loss"].tobytes() == run.step_history["loss"].tobytes()
    assert (again.status, again.steps, again.epochs, again.first) == (run.status, run.steps, run.epochs, run.first)
    assert again.training == run.training
    assert again.folder.resolve() == run.folder.resolve()
    assert again.seconds == pytest.approx(run.seconds, abs=1e-3)  # it is written in milliseconds
    same((again.final,), (run.final,))
    same((again.model.parameters(), again.model.untrained()), (run.model.parameters(), run.model.untrained()))
    assert to_config(again.model) == to_config(run.model)


def test_after_early_stopping_the_model_is_the_best_and_the_run_ends_with_its_last(rows, make_classifier, tmp_path):
    stop = pl.EarlyStopping(monitor="val_loss", patience=1, restore_best_weights=True)
    model = make_classifier(pl.Adam(0.1))
    run = model.fit(
        rows.x, rows.y, epochs=40, validation_split=0.3, engine="numpy", callbacks=[stop], record=tmp_path / "run",
        verbose=0,
    )  # fmt: skip
    assert run.status == "stopped early"
    again = pl.open_run(tmp_path / "run")
    equal(again, run)
    opens_whole(again)
    best = again.at((stop.best_epoch + 1) * again.replay.plan.steps)
    same((again.model.parameters(),), (best.before.parameters,))
    assert not np.array_equal(again.model.parameters()["dense/bias"], again.final["dense/bias"])
    assert again.validation is not None and len(again.validation) == 21


def test_figures_of_an_opened_model_are_those_of_the_run(rows, tmp_path):
    run = made("normalized", rows, tmp_path / "run", "numpy")
    again = pl.open_run(tmp_path / "run")
    assert again.model.evaluate(rows.x, rows.y, engine="numpy") == run.model.evaluate(rows.x, rows.y, engine="numpy")


def test_the_validation_rows_are_kept_even_where_they_are_the_training_rows(rows, tmp_path):
    model = pl.Sequential(dense())
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True))
    y = rows.y.astype("int32")
    run = model.fit(rows.x, y, validation_data=(rows.x, y), record=tmp_path / "run", engine="numpy", verbose=0)
    assert len(run.validation) == 70
    assert len(pl.open_run(tmp_path / "run").validation) == 70


def test_steps_that_are_not_there(rows, make_classifier, tmp_path):
    run = make_classifier().fit(rows.x, rows.y, record=tmp_path / "run", engine="numpy", verbose=0)
    for opened in (run, pl.open_run(tmp_path / "run")):
        for n in (3, 99, -4):
            with pytest.raises(pl.UsageError, match=rf"step {n} is not there: the run has steps 0 to 2$"):
                opened.at(n)
        assert [opened.at(n).number for n in (-1, -3, 0, 2)] == [2, 0, 0, 2]


def test_an_open_step_does_not_disturb_the_run(rows, make_classifier, tmp_path):
    """What a person does to an open step's arrays changes no later answer."""
    run = make_classifier().fit(rows.x, rows.y, epochs=2, engine="numpy", record=tmp_path / "run", verbose=0)
    expected = {path: w.copy() for path, w in run.at(4).after.parameters.items()}
    step = run.at(3)
    for array in (*step.after.parameters.values(), step.batch.x):
        if array.flags.writeable:
            array += 1
    same((run.at(4).after.parameters,), (expected,))


ELSEWHERE = """
import hashlib, json, sys, warnings
warnings.simplefilter("error")
import numpy as np
import pellucid as pl

def digest(state):
    return hashlib.sha256(b"".join(np.asarray(a).tobytes() for part in state for a in part.values())).hexdigest()

run = pl.open_run(sys.argv[1])
found = []
for n in map(int, sys.argv[2:]):
    step = run.at(n)
    found.append([step.loss.tobytes().hex(), digest(step.before), digest(step.after), step.exact])
print(json.dumps(found))
"""


@pytest.mark.parametrize(("kind", "engine"), [("normalized, dropped", "xla"), ("spsa", "numpy")])
def test_a_process_of_its_own_finds_the_same_bits(rows, tmp_path, kind, engine):
    run = made(kind, rows, tmp_path / "run", engine)
    numbers = [14, 7, 4, 0]
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path / "run"), *map(str, numbers)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    spaces = {}
    exec(ELSEWHERE.split("run = ")[0], spaces)
    for n, (loss, before, after, exact) in zip(numbers, json.loads(done.stdout), strict=True):
        step = run.at(n)
        assert loss == run.step_history["loss"][n].tobytes().hex()
        assert (before, after, exact) == (spaces["digest"](step.before), spaces["digest"](step.after), True)
