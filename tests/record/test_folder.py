"""A run's folder: created once, complete when run.json says so, and honest about what is torn or too new."""

import json

import numpy as np
import pytest

from pellucid.errors import RunError, UsageError
from pellucid.record import RunFolder, files, fingerprint
from pellucid.record.folder import VERSION, steps_file


@pytest.fixture
def folder(tmp_path):
    losses = np.array([3.0, 2.5, 2.25], np.float32)
    contents = {
        "weights/final.safetensors": files.tensors({"dense/kernel": np.arange(6.0).reshape(2, 3)}),
        "steps.parquet": steps_file(losses),
    }
    return RunFolder.create(tmp_path / "run").write({"status": "finished", "seed": 3}, contents)


def test_what_is_written_is_read(folder):
    again = RunFolder.open(folder.path)
    assert again.manifest == folder.manifest
    assert (again.manifest["format"], again.manifest["seed"]) == (VERSION, 3)
    np.testing.assert_array_equal(again.weights("final")["dense/kernel"], np.arange(6.0).reshape(2, 3))
    losses = again.step_losses()
    assert losses.tolist() == [3.0, 2.5, 2.25]
    assert losses.dtype == np.float32


def test_a_second_writing_keeps_the_digests_of_the_first(folder):
    later = folder.write({"status": "finished"}, {"note.txt": b"hello"})
    assert later.manifest["files"].keys() == {"weights/final.safetensors", "steps.parquet", "note.txt"}
    assert RunFolder.open(folder.path).read("note.txt") == b"hello"
    assert later.weights("final")


def test_run_json_is_written_last(tmp_path, monkeypatch):
    written = []
    plain = files.write
    monkeypatch.setattr(files, "write", lambda path, content: written.append(path.name) or plain(path, content))
    RunFolder.create(tmp_path / "run").write({}, {"a": b"1", "b": b"2"})
    assert written == ["a", "b", "run.json"]


def test_numbers_count_up(tmp_path):
    runs = tmp_path / "runs"
    found = [RunFolder.create(runs=runs).path.name for _ in range(3)]
    assert found == ["1", "2", "3"]
    (runs / "17").mkdir()
    (runs / "notes").mkdir()
    assert RunFolder.create(runs=runs).path.name == "18"


def test_a_folder_that_is_not_empty_is_not_taken(folder, tmp_path):
    with pytest.raises(UsageError, match=r"is there already and is not empty.*--out"):
        RunFolder.create(folder.path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is there already"):
        RunFolder.create(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert RunFolder.create(tmp_path / "empty").path == tmp_path / "empty"


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="cannot be made"):
        RunFolder.create(tmp_path / "file" / "run")


def test_a_folder_that_is_not_there_names_those_that_are(folder, tmp_path):
    with pytest.raises(RunError, match=r"there is no run folder .*other.*There is .*run"):
        RunFolder.open(tmp_path / "other")
    with pytest.raises(RunError, match="pellucid train FILE"):
        RunFolder.open(tmp_path / "deep" / "other")


def test_a_folder_without_run_json(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match="this is no complete run folder"):
        RunFolder.open(tmp_path / "run")


@pytest.mark.parametrize("content", ["", "{", '{"format": 1', "\x00"])
def test_a_torn_run_json(folder, content):
    (folder.path / "run.json").write_text(content)
    with pytest.raises(RunError, match="torn"):
        RunFolder.open(folder.path)


@pytest.mark.parametrize("content", ["[]", "3", "{}", '{"format": "one"}', '{"format": null}'])
def test_a_run_json_that_is_something_else(folder, content):
    (folder.path / "run.json").write_text(content)
    with pytest.raises(RunError, match="does not say its format"):
        RunFolder.open(folder.path)


def test_a_newer_format(folder):
    manifest = folder.manifest | {"format": VERSION + 1, "versions": {"pellucid": "9.9"}}
    (folder.path / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match=rf"by pellucid 9\.9 in format {VERSION + 1}.*pip install -U pellucid"):
        RunFolder.open(folder.path)


def test_a_torn_file_is_known_by_its_digest(folder):
    path = folder.path / "weights" / "final.safetensors"
    whole = path.read_bytes()
    for torn in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        path.write_bytes(torn)
        with pytest.raises(RunError, match=r"final\.safetensors is torn: it is not what run\.json says"):
            RunFolder.open(folder.path).weights("final")


def test_a_missing_file_says_how_far_the_run_came(folder):
    running = folder.write({"status": "running"}, {})
    with pytest.raises(RunError, match="status is 'running', so it was stopped before it was written"):
        running.weights("best")
    with pytest.raises(RunError, match="status is 'finished'"):
        folder.weights("best")


def test_a_fingerprint_names_versions_and_hardware():
    found = fingerprint()
    assert found["versions"]["numpy"] == np.__version__
    assert found["versions"].keys() == {"python", "pellucid", "jax", "jaxlib", "numpy", "polars"}
    assert found["hardware"]["cores"] >= 1
    json.dumps(found)
