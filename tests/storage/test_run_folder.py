"""A run's folder: it appears whole, complete when run.json says so, and honest about what is torn or too new."""

import json
import subprocess
import sys

import numpy as np
import pytest
from begun import CONTENTS, MANIFEST, begun, names

from pellucid import files
from pellucid.errors import RunError, UsageError
from pellucid.storage import (
    RunFolder,
    check_place,
    checkpoint_name,
    differences,
    fingerprint,
    losses_file,
    losses_name,
    version,
)
from pellucid.storage import run_folder as folders
from pellucid.storage.run_folder import RUN, VERSION


def test_what_is_written_is_read(folder):
    again = RunFolder.open(folder.path)
    assert again.manifest == folder.manifest
    assert (again.manifest["format"], again.manifest["seed"]) == (VERSION, 3)
    np.testing.assert_array_equal(again.tensors(checkpoint_name(0))["dense/kernel"], np.arange(6.0).reshape(2, 3))
    losses = again.step_losses()
    assert losses.tolist() == [3.0, 2.5, 2.25]
    assert losses.dtype == np.float32
    assert again.checkpoints() == [0, 3]
    assert names(folder.path) == {*CONTENTS, RUN}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_and_back_bit_for_bit(folder, dtype):
    losses = np.random.default_rng(0).normal(size=1000).astype(dtype) ** 9
    folder.commit(folder.manifest | {"losses": losses_name(1000)}, {losses_name(1000): losses_file(losses)})
    found = folder.step_losses()
    assert found.dtype == dtype
    assert found.tobytes() == losses.tobytes()
    empty = losses_file(losses[:0])
    folder.commit(folder.manifest | {"losses": losses_name(0)}, {losses_name(0): empty})
    assert folder.step_losses().shape == (0,)
    assert folder.step_losses().dtype == dtype


def test_a_folder_appears_whole(tmp_path, monkeypatch):
    """Until everything is written, nothing stands under its name."""
    seen = []
    plain = files.write
    monkeypatch.setattr(files, "write", lambda *a: seen.append((tmp_path / "run").exists()) or plain(*a))
    begun(tmp_path / "run")
    assert seen == [False] * (len(CONTENTS) + 1)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("moment", range(len(CONTENTS) + 1))
def test_what_fails_on_the_way_leaves_nothing(tmp_path, monkeypatch, moment):
    left = [moment]
    plain = files.write

    def fails(path, content):
        if not left[0]:
            raise RunError("the disk is full")
        left[0] -= 1
        plain(path, content)

    monkeypatch.setattr(files, "write", fails)
    with pytest.raises(RunError, match="the disk is full"):
        begun(tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_run_json_is_written_last(folder, monkeypatch):
    written = []
    plain = files.write
    monkeypatch.setattr(files, "write", lambda path, content: written.append(path.name) or plain(path, content))
    folder.commit(folder.manifest, {"a": b"1", "b": b"2"})
    assert written == ["a", "b", RUN]


def test_a_commit_keeps_the_digests_of_the_first_and_drops_what_it_is_told(folder):
    folder.commit(folder.manifest | {"status": "finished"}, {"note.txt": b"hello"}, [checkpoint_name(0), "unknown"])
    again = RunFolder.open(folder.path)
    assert again.manifest["status"] == "finished"
    assert again.read("note.txt") == b"hello"
    assert again.checkpoints() == [3]
    assert names(folder.path) == {*CONTENTS, RUN, "note.txt"} - {checkpoint_name(0)}


def test_a_commit_that_fails_leaves_what_was_there(folder, monkeypatch):
    def fails(path, value):
        raise RunError("the disk is full")

    monkeypatch.setattr(files, "write_sealed", fails)
    with pytest.raises(RunError, match="full"):
        folder.commit(folder.manifest | {"status": "finished"}, {losses_name(9): b"new"}, [losses_name(3)])
    again = RunFolder.open(folder.path)
    assert again.manifest["status"] == "running"
    assert again.step_losses().tolist() == [3.0, 2.5, 2.25]
    assert names(folder.path) == {*CONTENTS, RUN}  # opening took away the file that run.json does not name


def test_numbers_count_up(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_RUNS", str(tmp_path / "deep" / "runs"))
    assert [begun(None).path.name for _ in range(3)] == ["1", "2", "3"]
    (tmp_path / "deep" / "runs" / "17").mkdir()
    (tmp_path / "deep" / "runs" / "notes").mkdir()
    assert begun(None).path.name == "18"


RACE = """
from pellucid.storage import RunFolder
for i in range(15):
    RunFolder.begin(None, {"status": "running", "losses": ""}, {"data/x": b"x"}).release()
"""


def test_runs_that_begin_at_once_get_a_number_each(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_RUNS", str(tmp_path))
    racing = [subprocess.Popen([sys.executable, "-c", RACE]) for _ in range(3)]
    assert [process.wait(60) for process in racing] == [0, 0, 0]
    assert {p.name for p in tmp_path.iterdir()} == {str(i) for i in range(1, 46)}
    for path in tmp_path.iterdir():
        assert names(path) == {"data/x", RUN}
        RunFolder.open(path)


def test_one_name_wanted_by_two(tmp_path):
    begun(tmp_path / "run")
    before = (tmp_path / "run" / RUN).read_bytes()
    with pytest.raises(UsageError, match=r"is there already and is not empty.*--out"):
        RunFolder.begin(tmp_path / "run", MANIFEST, {})
    assert (tmp_path / "run" / RUN).read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_place_in_use_is_refused_before_anything_is_written(folder, tmp_path):
    with pytest.raises(UsageError, match=r"is there already and is not empty.*--out"):
        check_place(folder.path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is there already"):
        check_place(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    for free in (tmp_path / "empty", tmp_path / "new", None):
        check_place(free)
    assert begun(tmp_path / "empty").path == tmp_path / "empty"


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="cannot be made"):
        begun(tmp_path / "file" / "run")


def test_a_folder_that_is_not_there_names_those_that_are(folder, tmp_path):
    with pytest.raises(RunError, match=r"there is no run folder .*other.*There is .*run"):
        RunFolder.open(tmp_path / "other")
    with pytest.raises(RunError, match="pellucid train FILE"):
        RunFolder.open(tmp_path / "deep" / "other")


def test_a_folder_without_run_json(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match="this is no complete run folder"):
        RunFolder.open(tmp_path / "run")


@pytest.mark.parametrize("content", ["", "{", '{"format": 1', "\x00", "[]", "3", "{}", '{"format": "one"}'])
def test_a_torn_run_json(folder, content):
    (folder.path / RUN).write_text(content)
    with pytest.raises(RunError, match="torn or was edited"):
        RunFolder.open(folder.path)


def test_a_run_json_edited_by_one_byte(folder):
    path = folder.path / RUN
    path.write_text(path.read_text().replace('"seed": 3', '"seed": 4'))
    with pytest.raises(RunError, match=r"run\.json is torn or was edited"):
        RunFolder.open(folder.path)


@pytest.mark.parametrize("version", ["one", None])
def test_a_run_json_of_something_else(folder, version):
    files.write_sealed(folder.path / RUN, folder.manifest | {"format": version})
    with pytest.raises(RunError, match="does not say its format"):
        RunFolder.open(folder.path)


def test_a_newer_format(folder):
    manifest = folder.manifest | {"format": VERSION + 1, "versions": {"pellucid": "9.9"}}
    files.write_sealed(folder.path / RUN, manifest)
    with pytest.raises(RunError, match=rf"by pellucid 9\.9 in format {VERSION + 1}.*pip install -U pellucid"):
        RunFolder.open(folder.path)


def test_a_torn_file_is_known_by_its_digest(folder):
    path = folder.path / checkpoint_name(3)
    whole = path.read_bytes()
    for torn in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        path.write_bytes(torn)
        with pytest.raises(RunError, match=r"00000003\.safetensors is torn: it is not what run\.json says"):
            RunFolder.open(folder.path).tensors(checkpoint_name(3))
    path.unlink()
    with pytest.raises(RunError, match=r"00000003\.safetensors is missing, though run\.json names it"):
        RunFolder.open(folder.path).tensors(checkpoint_name(3))


def test_runs_go_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("PELLUCID_RUNS", "/somewhere")
    assert str(folders.runs_folder()) == "/somewhere"
    monkeypatch.delenv("PELLUCID_RUNS")
    assert str(folders.runs_folder()) == "runs"


def test_a_fingerprint_names_versions_and_hardware():
    found = fingerprint()
    assert found["versions"]["numpy"] == np.__version__
    assert found["versions"].keys() == {"python", "pellucid", "jax", "jaxlib", "numpy", "polars"}
    assert found["hardware"]["cores"] >= 1
    json.dumps(found)


def test_what_was_otherwise_where_a_run_was_recorded():
    here = fingerprint()
    assert differences({**here, "data": {"reader": {"pip": version("pip")}}}) == []
    elsewhere = {"versions": {**here["versions"], "numpy": "1.0", "polars": "1.0"}, "data": {"reader": {"pillow": "9"}}}
    assert differences(elsewhere) == [f"numpy 1.0, here {np.__version__}", f"pillow 9, here {version('pillow')}"]
    assert version("no-such-package") == "not installed"


def test_reread_tells_whether_another_process_wrote_meanwhile(tmp_path):
    writer = RunFolder.begin(tmp_path / "r", {"status": "running", "steps": 0}, {})
    writer.release()
    reader = RunFolder.open(tmp_path / "r")
    assert not reader.reread()
    writer.commit({**writer.manifest, "steps": 5}, {})
    assert reader.reread() and reader.manifest["steps"] == 5 and not reader.reread()
