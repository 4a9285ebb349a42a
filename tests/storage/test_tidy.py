"""A run's folder after a kill, and beside other processes: what is taken away, and what stays."""

import os
import signal
import subprocess
import sys

import pytest
from begun import CONTENTS, MANIFEST, begun, names

from pellucid import files
from pellucid.storage import RunFolder, checkpoint_name, losses_name
from pellucid.storage import run_folder as folders
from pellucid.storage.run_folder import RUN

ORPHANS = (
    checkpoint_name(9),
    losses_name(9),
    "weights/best.safetensors",
    ".run.json.17.new",
    f"data/.x.{os.getpid()}.new",
)
MINE = (
    "notes.txt",
    "weights/mine.npz",
    "checkpoints/read me",
    "steps-of-mine.parquet",
    ".hidden",
    "plan.new",
    ".my.new",
)


def put(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_opening_takes_away_what_a_killed_run_left_and_nothing_else(folder):
    for name in (*ORPHANS, *MINE):
        put(folder.path / name)
    RunFolder.open(folder.path)
    assert names(folder.path) == {*CONTENTS, RUN, *MINE}


LOCKS = """
import sys, time
from pellucid.storage import RunFolder
folder = RunFolder(__import__("pathlib").Path(sys.argv[1]), {})
print(folder.lock(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def elsewhere():
    """Starts a process that locks a folder; it is killed at the end."""
    started = []

    def start(path):
        process = subprocess.Popen([sys.executable, "-c", LOCKS, str(path)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "True\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_nothing_is_taken_from_a_run_that_another_process_writes(folder, elsewhere):
    writer = elsewhere(folder.path)
    for name in ORPHANS:
        put(folder.path / name)
    opened = RunFolder.open(folder.path)
    assert names(folder.path) == {*CONTENTS, RUN, *ORPHANS}
    assert not opened.lock()
    writer.send_signal(signal.SIGKILL)  # a lock ends with its process, however that ends
    writer.wait()
    assert opened.lock()
    opened.release()
    RunFolder.open(folder.path)
    assert names(folder.path) == {*CONTENTS, RUN}


def test_a_writer_that_ends_while_its_folder_is_opened_loses_nothing(folder, monkeypatch):
    """Between reading run.json and tidying, the last checkpoint is written: it is not taken for an orphan."""
    plain = files.read_sealed
    reads = []

    def read(path):
        found = plain(path)
        if not reads:
            reads.append(path)
            last = {checkpoint_name(7): b"last", losses_name(7): b"losses"}
            folder.commit(folder.manifest | {"losses": losses_name(7)}, last, [losses_name(3)])
        return found

    monkeypatch.setattr(files, "read_sealed", read)
    opened = RunFolder.open(folder.path)
    assert opened.read(checkpoint_name(7)) == b"last"
    assert opened.read(opened.manifest["losses"]) == b"losses"


def test_a_folder_of_a_run_killed_before_it_had_a_name_is_swept_away(tmp_path):
    put(tmp_path / ".123-7f00aa.new" / "data" / "arrays.safetensors")
    put(tmp_path / ".my.new" / "mine.txt")
    put(tmp_path / ".123-7f00aa.new.txt")
    begun(tmp_path / "run")
    assert {p.name for p in tmp_path.iterdir()} == {"run", ".my.new", ".123-7f00aa.new.txt"}


def test_a_folder_that_another_process_is_making_stays(tmp_path, elsewhere):
    new = tmp_path / ".123-7f00aa.new"
    put(new / "data" / "arrays.safetensors")
    elsewhere(new)
    begun(tmp_path / "run")
    assert {p.name for p in tmp_path.iterdir()} == {"run", new.name}


def test_a_folder_swept_away_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    plain = RunFolder.lock
    swept = []

    def lock(self):
        if not swept:
            swept.append(self.path)
            done = plain(self)
            self.path.rmdir()
            return done
        return plain(self)

    monkeypatch.setattr(RunFolder, "lock", lock)
    assert names(begun(tmp_path / "run").path) == {*CONTENTS, RUN}
    assert len(swept) == 1


def test_a_lock_is_of_the_folder_and_survives_its_naming(tmp_path):
    folder = RunFolder.begin(tmp_path / "run", MANIFEST, CONTENTS)
    code = LOCKS.replace("time.sleep(60)", "")
    found = subprocess.run([sys.executable, "-c", code, str(folder.path)], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
    folder.release()


def test_without_locks_runs_are_written_and_not_tidied(folder, monkeypatch):
    """As where the system has no flock."""
    monkeypatch.setattr(folders, "CAN_LOCK", False)
    put(folder.path / checkpoint_name(9))
    assert not RunFolder.open(folder.path).lock()
    assert checkpoint_name(9) in names(folder.path)
    assert begun(folder.path.parent / "other").manifest["seed"] == 3
