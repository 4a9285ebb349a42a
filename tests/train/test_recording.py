"""A run of `fit` in its folder."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.record import RunFolder


def test_a_run_is_written_and_read_again(rows, make_classifier, tmp_path):
    model = make_classifier()
    run = model.fit(rows.x, rows.y, epochs=2, batch_size=16, record=tmp_path / "run", verbose=0)
    folder = RunFolder.open(run.folder)
    assert (folder.manifest["status"], folder.manifest["steps"]) == ("finished", run.steps)
    np.testing.assert_array_equal(folder.step_losses(), run.step_history["loss"])
    for which, expected in (("initial", run.at(0).before.parameters), ("final", run.final)):
        found = folder.weights(which)
        assert found.keys() == expected.keys()
        for path, array in found.items():
            np.testing.assert_array_equal(array, expected[path])


def test_a_folder_in_use_is_refused(rows, make_classifier, tmp_path):
    (tmp_path / "mine.txt").write_text("here first")
    with pytest.raises(pl.UsageError, match="not empty"):
        make_classifier().fit(rows.x, rows.y, record=tmp_path, verbose=0)


def test_a_training_that_fails_leaves_no_folder(rows, make_classifier, tmp_path):
    with pytest.raises(pl.UsageError, match="engine"):
        make_classifier().fit(rows.x, rows.y, record=tmp_path / "run", engine="torch", verbose=0)
    assert not (tmp_path / "run").exists()


def test_without_record_nothing_is_written(rows, make_classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = make_classifier().fit(rows.x, rows.y, verbose=0)
    assert run.folder is None
    assert not list(tmp_path.iterdir())
