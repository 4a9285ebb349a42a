"""A run of `fit` in its folder: what is kept of its data, and what a torn or missing file is worth."""

import os
import re
import warnings

import numpy as np
import pytest

import pellucid as pl
from pellucid import files
from pellucid.engine import loop
from pellucid.fit.recorder import Recorder
from pellucid.storage import Recording, RunFolder, checkpoint_name, losses_file

FIT = {"epochs": 3, "batch_size": 16, "engine": "numpy", "verbose": 0}


def fitted(rows, place, **options):
    layers = [pl.Dense(8, "tanh"), pl.Dense(3)]
    model = pl.Sequential(layers)
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    return model.fit(rows.x, rows.y, record=place, **FIT | options)


def often(place, **options):
    """A checkpoint as often as one can be written."""
    return Recording(folder=place, share=1.0, **options)


def names(path):
    return {str(p.relative_to(path)) for p in path.rglob("*") if p.is_file()}


def many_checkpoints(rows, place, **options):
    """A run with a checkpoint in each epoch, however busy the machine is."""
    offer = Recorder.offer

    def patient(self, point, *arguments):
        self._waiting.result()
        self.pace.spent = self.pace.cost = 0.0
        if point.step % 5 == 0:
            offer(self, point, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "offer", patient)
        run = fitted(rows, often(place), **options)
    assert RunFolder.open(run.folder).checkpoints() == [0, 5, 10, 15]
    return run


def test_what_a_run_folder_holds(rows, tmp_path):
    run = fitted(rows, tmp_path / "run")
    folder = RunFolder.open(run.folder)
    about = folder.manifest
    assert (about["status"], about["steps"], about["epochs"]) == ("finished", 15, 3)
    assert about["history"] == run.history
    assert folder.step_losses().tobytes() == run.step_history["loss"].tobytes()
    assert names(run.folder) == {*about["files"], "run.json"}
    assert {"data/arrays.safetensors", "weights/best.safetensors", checkpoint_name(0), checkpoint_name(15)} <= {
        *about["files"]
    }
    assert about["recording"]["of"] > 0
    assert about["created"] <= about["finished"]


def test_a_run_is_recorded_unless_told_otherwise(rows, tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_RUNS", str(tmp_path / "runs"))
    run = fitted(rows, True)
    assert run.folder == tmp_path / "runs" / "1"
    assert fitted(rows, False).folder is None
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["1"]
    assert fitted(rows, str(tmp_path / "here")).folder == tmp_path / "here"


def test_tests_write_no_runs_into_the_repository():
    assert "pellucid-runs-" in os.environ["PELLUCID_RUNS"]


def test_recording_changes_no_number(rows, tmp_path):
    runs = [fitted(rows, place) for place in (False, tmp_path / "a", often(tmp_path / "b"))]
    for run in runs[1:]:
        assert run.history == runs[0].history
        assert run.step_history["loss"].tobytes() == runs[0].step_history["loss"].tobytes()


def test_sums_of_metrics_do_not_depend_on_how_many_steps_a_call_has(rows, monkeypatch):
    """How many they are depends on the clock; float sums are added one after the other all the same."""
    found = []
    for seconds in (0.0, 1e6):
        monkeypatch.setattr(loop, "CALL_SECONDS", seconds)
        model = pl.Sequential([pl.Dense(1)])
        model.compile("adam", "mse", ["mae", "mse", "r2"])
        x = np.random.default_rng(0).normal(size=(2000, 4)) ** 3
        run = model.fit(
            x, x @ [[1.0], [2.0], [3.0], [4.0]], sample_weight=abs(x[:, 0]), epochs=2, record=False, verbose=0
        )
        found.append(run.history)
    assert found[0] == found[1]


def test_a_place_in_use_is_refused_before_training(rows, tmp_path):
    (tmp_path / "mine.txt").write_text("here first")
    with pytest.raises(pl.UsageError, match="not empty"):
        fitted(rows, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("options", [{"engine": "torch"}, {"epochs": 0}, {"seed": -1}])
def test_a_training_that_cannot_begin_leaves_no_folder(rows, tmp_path, options):
    with pytest.raises(pl.UsageError):
        fitted(rows, tmp_path / "run", **options)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_not_finite_leaves_a_run_that_opens(rows, tmp_path):
    model = pl.Sequential([pl.Dense(8), pl.Dense(1)])
    model.compile(pl.SGD(1e8), "mse")
    with pytest.raises(pl.NotFiniteError):
        model.fit(rows.x, rows.x[:, :1], record=tmp_path / "run", **FIT)
    again = pl.open_run(tmp_path / "run")
    assert again.status == "not finite"
    assert again.steps == model.last_run.steps > 0
    assert again.at(-1).exact
    with pytest.raises(pl.UsageError, match="pellucid why"):
        pl.resume(tmp_path / "run")


def test_data_that_is_not_kept_is_given_again(rows, tmp_path):
    run = fitted(rows, Recording(folder=tmp_path / "run", keep_data=0), class_weight={0: 2.0}, validation_split=0.2)
    again = pl.open_run(tmp_path / "run")
    assert again.history == run.history
    with pytest.raises(pl.DataError, match=r"does not hold x, \(70, 4\) float32.*open_run\('.*run', x=…\)"):
        again.at(3)
    with pytest.raises(pl.DataError, match=r"does not hold y, \(70,\) int32"):
        pl.open_run(tmp_path / "run", x=rows.x).at(3)
    again = pl.open_run(tmp_path / "run", x=rows.x.astype("float64"), y=rows.y.tolist())
    for n in range(run.steps):
        assert again.at(n).exact
        assert again.at(n).loss == run.step_history["loss"][n]
    assert len(again.validation) == 14


@pytest.mark.parametrize(
    "wrong", [lambda x: x + 1e-6, lambda x: x[:-1], lambda x: x[::-1], lambda x: x.T.reshape(70, 4)]
)
def test_other_data_than_the_run_was_trained_on(rows, tmp_path, wrong):
    fitted(rows, Recording(folder=tmp_path / "run", keep_data=0))
    with pytest.raises(pl.DataError, match=r"x is not what .*run was trained on"):
        pl.open_run(tmp_path / "run", x=wrong(rows.x), y=rows.y).at(0)


@pytest.mark.parametrize("kind", ["raw", "npy"])
def test_data_mapped_from_a_file_is_found_there(rows, tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    if kind == "npy":
        np.save(path, rows.x)
        x = np.load(path, mmap_mode="r")
    else:
        rows.x.tofile(path)
        x = np.memmap(path, "float32", "r", shape=rows.x.shape)
    model = pl.Sequential([pl.Dense(3)])
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True))
    run = model.fit(x, rows.y, record=Recording(folder=tmp_path / "run", keep_data=600), **FIT)
    assert (run.folder / "data" / "arrays.safetensors").stat().st_size < rows.x.nbytes
    again = pl.open_run(tmp_path / "run")
    assert again.at(7).exact
    assert isinstance(again.replay.data.x, np.memmap)
    del x, again
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(pl.DataError, match=r"x is not what .*run was trained on"):
        pl.open_run(tmp_path / "run").at(7)
    path.write_bytes(content[:40])
    with pytest.raises(pl.DataError, match="has changed since"):
        pl.open_run(tmp_path / "run").at(7)
    path.unlink()
    with pytest.raises(pl.DataError, match=rf"{re.escape(str(path))}, which is not there any more"):
        pl.open_run(tmp_path / "run").at(7)
    assert pl.open_run(tmp_path / "run", x=rows.x).at(7).exact


def test_a_part_of_a_mapped_file_is_opened_as_that_part(rows, tmp_path):
    np.save(tmp_path / "x.npy", np.concatenate([rows.x, rows.x[::-1]]))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")[70:]
    model = pl.Sequential([pl.Dense(3)])
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, rows.y, record=Recording(folder=tmp_path / "run", keep_data=600), **FIT)
    assert pl.open_run(tmp_path / "run").at(7).exact


def torn(path, name):
    """One bit of a file is another one."""
    content = bytearray((path / name).read_bytes())
    content[len(content) // 2] ^= 4
    (path / name).write_bytes(content)


def test_a_torn_checkpoint_is_told_of_and_the_one_before_it_used(rows, tmp_path):
    run = many_checkpoints(rows, tmp_path / "run")
    torn(run.folder, checkpoint_name(15))
    with pytest.warns(UserWarning, match=r"00000015\.safetensors is torn.*checkpoint before it is used"):
        again = pl.open_run(run.folder)
    torn(run.folder, checkpoint_name(5))
    for n in (14, 12, 3):
        assert again.at(n).exact
    with pytest.warns(UserWarning, match=r"00000005\.safetensors is torn"):
        assert opened_quietly(run.folder).at(7).exact


def opened_quietly(path):
    with warnings.catch_warnings(action="ignore"):
        return pl.open_run(path)


def test_a_torn_first_checkpoint(rows, tmp_path):
    run = many_checkpoints(rows, tmp_path / "run")
    torn(run.folder, checkpoint_name(0))
    again = pl.open_run(run.folder)
    with pytest.warns(UserWarning, match=r"00000000\.safetensors is torn"):
        assert again.at(7).exact
    with (
        pytest.warns(UserWarning, match=r"00000000\.safetensors is torn"),
        pytest.raises(pl.RunError, match=r"step 3 cannot be reached: .* the first step that can be opened is 5"),
    ):
        again.at(3)


def test_no_whole_checkpoint(rows, tmp_path):
    run = many_checkpoints(rows, tmp_path / "run")
    for step in (0, 5, 10, 15):
        torn(run.folder, checkpoint_name(step))
    with pytest.warns(UserWarning, match="is torn"), pytest.raises(pl.RunError, match="no whole checkpoint left"):
        pl.open_run(run.folder)


def test_torn_losses_are_told_of_and_steps_open_without_them(rows, tmp_path):
    run = fitted(rows, tmp_path / "run")
    torn(run.folder, "steps-00000015.parquet")
    with pytest.warns(UserWarning, match=r"steps-00000015\.parquet is torn.*not held to their recorded losses"):
        again = pl.open_run(run.folder)
    step = again.at(9)
    assert step.loss == run.step_history["loss"][9]
    assert (step.recorded, step.exact) == (None, False)
    assert "the record does not hold the losses" in step.verdict
    assert "the record does not hold the losses" in step.page().to_text()


def test_torn_best_weights_are_told_of_and_the_last_are_used(rows, tmp_path):
    run = fitted(rows, tmp_path / "run")
    torn(run.folder, "weights/best.safetensors")
    with pytest.warns(UserWarning, match=r"best\.safetensors is torn.*weights of the last checkpoint"):
        again = pl.open_run(run.folder)
    np.testing.assert_array_equal(again.model.parameters()["dense/kernel"], run.final["dense/kernel"])


def test_torn_data(rows, tmp_path):
    run = fitted(rows, tmp_path / "run")
    torn(run.folder, "data/arrays.safetensors")
    again = pl.open_run(run.folder)
    with pytest.raises(pl.RunError, match=r"arrays\.safetensors is torn"):
        again.at(0)


def test_checkpoints_are_thinned_as_the_run_grows(rows, tmp_path):
    run = fitted(rows, often(tmp_path / "run", budget=0, checkpoints=4), epochs=60)
    folder = RunFolder.open(run.folder)
    steps = folder.checkpoints()
    assert 2 <= len(steps) <= 4
    assert (steps[0], steps[-1]) == (0, 300)
    assert names(run.folder) == {*folder.manifest["files"], "run.json"}
    assert all(run.at(n).exact for n in (0, 1, 150, 299))


def test_a_disk_that_fills_up_while_training(rows, tmp_path, monkeypatch):
    """Training goes on to its end, says so then, and the model has its weights."""
    plain = files.write

    def full(path, content):
        if "checkpoints" in str(path) and "00000000" not in path.name:
            raise pl.RunError("the disk is full")
        plain(path, content)

    monkeypatch.setattr(files, "write", full)
    model = pl.Sequential([pl.Dense(3)])
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(pl.RunError, match="could not be recorded to its end: the disk is full"):
        model.fit(rows.x, rows.y, record=tmp_path / "run", **FIT)
    assert model.last_run.epochs == 3
    monkeypatch.setattr(files, "write", plain)
    assert pl.open_run(tmp_path / "run").status == "running"
    again = pl.resume(tmp_path / "run", verbose=0)
    np.testing.assert_array_equal(again.final["dense/kernel"], model.parameters()["dense/kernel"])


def test_versions_of_elsewhere_are_named(rows, tmp_path):
    run = fitted(rows, tmp_path / "run")
    folder = RunFolder.open(run.folder)
    losses = np.nextafter(run.step_history["loss"], np.float32(9))
    versions = folder.manifest["versions"] | {"numpy": "1.0"}
    folder.commit(folder.manifest | {"versions": versions}, {folder.manifest["losses"]: losses_file(losses)})
    step = pl.open_run(run.folder).at(2)
    assert not step.exact
    assert step.drift != 0
    assert f"recorded with numpy 1.0, here {np.__version__}" in step.verdict


def test_a_run_goes_on_as_it_was_recorded(tmp_path):
    """How it is recorded is kept with it, for `resume` and `rewind`."""
    x, y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")
    model = pl.Sequential([pl.Dense(1)])
    model.compile("sgd", "mse")
    how = pl.Recording(folder=tmp_path / "r", keep_data=0, budget=1_000, checkpoints=3, share=0.5)
    run = model.fit(x, y, epochs=4, record=how, verbose=0)
    other = run.rewind(2, learning_rate=0.1, as_=tmp_path / "r2", verbose=0)
    for folder in (run.folder, other.folder):
        assert RunFolder.open(folder).recording == how.to_json()
