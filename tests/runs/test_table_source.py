"""A run on a table: its file is kept where it is small, and held to what it was where it is not."""

import contextlib
import io
from dataclasses import replace

import pytest

import pellucid as pl
from pellucid import cli
from pellucid.commands import train as command
from pellucid.runs.table_source import TableSource
from pellucid.storage import RunFolder

TABLE = "area,rooms,town,price\n" + "".join(
    f"{40 + 7 * i % 90},{1 + i % 5},{('Ulm', 'Köln', 'Bonn')[i % 3]},{100 + 13 * i % 211}\n" for i in range(60)
)


def trained(file, place):
    options = ("--hidden", "3", "--epochs", "3", "-q", "--engine", "numpy")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as err:
        code = cli.run(["train", str(file), "--target", "price", "--out", str(place), *options])
    assert code == 0, err.getvalue()
    return RunFolder.open(place)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "houses.csv"
    path.write_text(TABLE)
    return path


def opens(place):
    """Every step is exact."""
    run = pl.open_run(place)
    assert run.steps > 0
    for n in range(run.steps):
        assert run.at(n).exact
        assert run.at(n).loss == run.step_history["loss"][n]
    return run


def test_a_small_file_is_kept(file, tmp_path):
    folder = trained(file, tmp_path / "run")
    assert (folder.path / "data" / "houses.csv").read_text() == TABLE
    run = opens(folder.path)
    assert run.at(0).naming.features[:2] == ("area", "rooms") or "area" in run.at(0).naming.features
    assert len(run.validation) > 0
    assert TableSource(folder).moved() == ""


def test_a_file_that_changed_or_moved_is_said_and_the_copy_used(file, tmp_path):
    folder = trained(file, tmp_path / "run")
    file.write_text(TABLE + "1,1,Ulm,1\n")
    opens(folder.path)
    assert TableSource(folder).moved() == (
        f"{file} has changed since the run was trained on it; the copy in the run is used"
    )
    file.unlink()
    opens(folder.path)
    assert "is not there any more" in TableSource(folder).moved()


def test_a_torn_copy(file, tmp_path):
    folder = trained(file, tmp_path / "run")
    (folder.path / "data" / "houses.csv").write_text(TABLE.replace("Bonn", "Born"))
    with pytest.warns(UserWarning, match=r"houses\.csv is torn.*which is as it was, is used"):
        assert pl.open_run(folder.path).at(0).exact
    file.unlink()
    with pytest.raises(pl.RunError, match=r"houses\.csv is torn"):
        pl.open_run(folder.path).at(0)


@pytest.fixture
def large(file, tmp_path, monkeypatch):
    """A run whose file was too large to be kept."""
    plain = command.Recording
    monkeypatch.setattr(command, "Recording", lambda **options: replace(plain(**options), keep_data=100))
    return trained(file, tmp_path / "run")


def test_a_large_file_is_found_where_it_was(large, file):
    assert not (large.path / "data").exists()
    opens(large.path)
    assert TableSource(large).moved() == ""


def test_a_large_file_that_changed_is_refused(large, file):
    file.write_text(TABLE.replace("Bonn", "Born"))
    run = pl.open_run(large.path)  # what was recorded can be seen all the same
    assert run.status == "finished"
    with pytest.raises(pl.DataError, match=r"houses\.csv has changed since .*run was trained on it.*as it was"):
        run.at(0)
    file.unlink()
    with pytest.raises(pl.DataError, match=r"was trained on .*houses\.csv, which cannot be read now"):
        pl.open_run(large.path).at(0)
    file.write_text(TABLE)
    opens(large.path)


def test_a_built_in_table_needs_no_file(tmp_path):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        cli.run(["train", "iris", "--out", str(tmp_path / "run"), "--epochs", "2", "-q", "--engine", "numpy"])
    assert not (tmp_path / "run" / "data").exists()
    opens(tmp_path / "run")


def test_a_run_on_arrays_has_no_recipe(rows, tmp_path):
    model = pl.Sequential([pl.Dense(1)])
    model.compile("adam", "mse")
    run = model.fit(rows.x, rows.x[:, :1], record=tmp_path / "run", engine="numpy", verbose=0)
    with pytest.raises(pl.RunError, match="was trained on arrays, not on a table"):
        _ = TableSource(RunFolder.open(run.folder)).recipe


def test_a_run_on_a_table_is_rewound_with_its_file(file, tmp_path):
    folder = trained(file, tmp_path / "run")
    file.unlink()
    run = pl.open_run(folder.path)
    child = run.rewind(3, as_=tmp_path / "child", verbose=0)
    assert child.step_history["loss"].tobytes() == run.step_history["loss"].tobytes()
    assert child.history == run.history
    assert (tmp_path / "child" / "data" / "houses.csv").read_text() == TABLE
    again = pl.open_run(tmp_path / "child")
    assert again.at(4).exact
    assert list(again.at(4).naming.features) == list(run.at(4).naming.features)
    assert TableSource(RunFolder.open(tmp_path / "child")).recipe == TableSource(folder).recipe
