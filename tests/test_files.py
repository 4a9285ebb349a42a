"""A file is whole or not there, whatever goes wrong at whatever moment."""

import errno
import json
import math
import os

import numpy as np
import pytest

from pellucid import files
from pellucid.errors import RunError


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def denied(*_):
    raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "a"
    files.write(path, b"one")
    files.write(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_full_disk_leaves_the_old_file_and_no_debris(tmp_path, monkeypatch, function, before):
    path = tmp_path / "a"
    if before is not None:
        path.write_bytes(before)
    monkeypatch.setattr(os, function, full)
    with pytest.raises(RunError, match=r"a could not be written: No space left on device.*free some space"):
        files.write(path, b"new")
    assert (path.read_bytes() if path.exists() else None) == before
    assert [p.name for p in tmp_path.iterdir()] == ([] if before is None else ["a"])


def test_a_place_that_may_not_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", denied)
    with pytest.raises(RunError, match=r"Permission denied.*choose another place"):
        files.write(tmp_path / "a", b"new")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(RunError, match="No such file or directory"):
        files.write(tmp_path / "no" / "a", b"new")


def test_an_interrupt_leaves_no_debris(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "a", b"new")
    assert not list(tmp_path.iterdir())


def test_the_file_and_its_folder_reach_the_disk_in_order(tmp_path, monkeypatch):
    """fsync of the file, then the rename, then fsync of the folder."""
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: done.append("fsync") or fsync(fd))
    monkeypatch.setattr(os, "replace", lambda *a: done.append("replace") or replace(*a))
    files.write(tmp_path / "a", b"new")
    assert done == ["fsync", "replace", "fsync"]


def test_what_a_killed_process_of_the_same_number_left_is_in_nobodys_way(tmp_path):
    (tmp_path / f".a.{os.getpid()}.new").write_bytes(b"left by a process that had this number, in a container say")
    files.write(tmp_path / "a", b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"new")]


SEALED = {"a": [1, 2.5, None, True], "text": 'ü "quoted" \n 世界', "empty": {}, "zeros": "0" * 64}


def test_sealed_json_and_back(tmp_path):
    path = tmp_path / "a.json"
    files.write_sealed(path, SEALED | {"inf": [math.inf, -math.inf], "nan": math.nan})
    found = files.read_sealed(path)
    assert math.isnan(found.pop("nan"))
    assert found == SEALED | {"inf": [math.inf, -math.inf]}
    assert "世界" in path.read_text(encoding="utf-8")
    assert list(json.loads(path.read_text()))[-1] == files.SEAL


def test_a_value_that_holds_its_own_seal(tmp_path):
    """A copy of the digest elsewhere in the file does not make it unreadable."""
    path = tmp_path / "a.json"
    files.write_sealed(path, {"a": "0" * 64})
    assert files.read_sealed(path) == {"a": "0" * 64}
    files.write_sealed(path, {"a": files.digest(b"other"), "b": "0" * 63})
    assert files.read_sealed(path)["b"] == "0" * 63


def test_every_flipped_byte_of_a_sealed_file_is_noticed(tmp_path):
    path = tmp_path / "run.json"
    files.write_sealed(path, SEALED)
    whole = path.read_bytes()
    for place in range(len(whole)):
        for mask in (0x01, 0x20, 0x80):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :])
            with pytest.raises(RunError, match=r"run\.json .*torn or was edited"):
                files.read_sealed(path)
    path.write_bytes(whole)
    assert files.read_sealed(path) == SEALED


def test_every_cut_of_a_sealed_file_is_noticed(tmp_path):
    path = tmp_path / "run.json"
    files.write_sealed(path, SEALED)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(RunError, match=r"run\.json .*torn or was edited"):
            files.read_sealed(path)
    path.write_bytes(whole + b" ")
    with pytest.raises(RunError, match="torn or was edited"):
        files.read_sealed(path)


@pytest.mark.parametrize("content", [b"[]", b"3", b"null", b"{}", b'{"seal": 3}', b'{"seal": ""}', b"\xff\xfe\x00"])
def test_json_that_was_never_sealed(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(RunError, match="torn or was edited"):
        files.read_sealed(tmp_path / "a.json")


def test_sealed_json_that_is_missing(tmp_path):
    with pytest.raises(RunError, match="is missing: this is no complete run folder"):
        files.read_sealed(tmp_path / "a.json")


def test_arrays_and_back_bit_for_bit():
    arrays = {
        "a/kernel": np.random.default_rng(0).normal(size=(3, 4)),
        "b": np.float32([1e-45, np.inf, np.nan, -0.0]),
        "turned": np.arange(6.0).reshape(2, 3).T,
        "one": np.array(7, np.int32),
        "none": np.zeros((0, 3), np.float32),
    }
    again = files.read_tensors(files.tensors(arrays, {"k": "v"}), "file")
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        assert again[name].dtype == array.dtype
        assert again[name].shape == array.shape
        assert again[name].tobytes() == np.ascontiguousarray(array).tobytes()


def test_torn_arrays():
    whole = files.tensors({"a": np.ones(4)}, {"k": "v"})
    assert files.metadata_of(whole, "file") == {"k": "v"}
    for torn in (b"", whole[:4], whole[:20], whole[:-1]):
        with pytest.raises(RunError, match="file is torn"):
            files.read_tensors(torn, "file")
    with pytest.raises(RunError, match="file is no safetensors file, or it is torn"):
        files.metadata_of(b"\x05\x00\x00\x00\x00\x00\x00\x00[1,2]", "file")
