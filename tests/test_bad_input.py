"""What a person can get wrong, through the command line: the exit code, a message that names file, place and
fix, and nothing left behind."""

import errno
import json
import os
import random
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from commands import pellucid
from pellucid import files

SMALL = ("--hidden", "3", "--epochs", "2", "-q", "--engine", "numpy")


def cells(count: int = 80) -> list[list[str]]:
    """Rows of a, b, colour, y."""
    draw = random.Random(3)
    rows = []
    for _ in range(count):
        a, b = round(draw.gauss(0, 1), 3), round(draw.gauss(0, 1), 3)
        rows.append([str(a), str(b), "red" if a > 0 else "blue", str(round(20 * a - 10 * b, 3))])
    return rows


HEADER = ["a", "b", "colour", "y"]


def table(name: str, rows: list[list[str]], header: list[str] = HEADER) -> str:
    Path(name).write_text("".join(",".join(row) + "\n" for row in [header, *rows]))
    return name


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A regression and a run with three classes, on files that stay."""
    home = tmp_path_factory.mktemp("runs")
    level = [[*r[:3], "high" if float(r[3]) > 8 else "low" if float(r[3]) < -8 else "mid"] for r in cells()]
    for name, rows in (("regression", cells()), ("classes", level)):
        file = table(str(home / f"{name}.csv"), rows)
        done = pellucid("train", file, "--target", "y", "--out", home / name, *SMALL)
        assert done.code == 0, done.err
    return {name: home / name for name in ("regression", "classes")}


@pytest.fixture
def copy(runs: dict[str, Path], folder: Path) -> Path:
    """A run folder to damage."""
    return Path(shutil.copytree(runs["classes"], folder / "copy"))


def refused(*arguments: Any, code: int = 3, says: tuple[str, ...]) -> None:
    """The command ends with the code and one message that says all that; no file or folder is made."""
    before = sorted(Path.cwd().rglob("*"))
    done = pellucid(*arguments)
    assert done.code == code, done
    assert done.err.count("pellucid: ") == 1
    for part in says:
        assert part in done.err, done.err
    assert sorted(Path.cwd().rglob("*")) == before


# files that cannot be trained on


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", ("t.csv is empty", "a table needs a header line and at least one row")),
        (b"a,b,y\n", ("t.csv has a header (3 columns) and no row below it",)),
        (b"a,b,y\n" + b"1,2,3\n" * 5 + b"1,2,3,4\n", ("t.csv: line 7 has 4 cells, where the header has 3", "quotes")),
        (b"a,b,y\n" + b"1,2,3\n" * 5 + b"1,2\n", ("t.csv: line 7 has 2 cells, where the header has 3", "missing")),
        (
            b"a,b,y\n" + b"1,2,3\n" * 5 + b"caf\xe9,2,3\n",
            ("t.csv, line 7", "0xe9", "not UTF-8", "iconv -f latin1 -t utf-8 t.csv"),
        ),
        (b"a,a,y\n1,2,3\n", ('t.csv, line 1: columns 1 and 2 are both called "a"', "Rename one")),
        (b"a,b,z\n" + b"1,2,3\n" * 5, ('t.csv has no column "y"', "Its columns: a, b, z")),
        (b"a,y\n" + b"1,7\n2,7\n" * 9, ('t.csv, target "y" is the same in every row (7)',)),
        (b"a,y\n" + b"1,on\n2,on\n" * 9, ('t.csv, target "y" is the same in every row ("on")',)),
        (b"a,y\n" + b"1,\n2,\n" * 9, ('t.csv, target "y": every cell is missing',)),
        (
            b"a,y\n" + b"1,2.5\ninf,3.5\n4,4.5\n" * 9,
            ('t.csv, column "a": infinite at line 3 ("inf")', "--missing inf"),
        ),
        (b"a,y\n" + b"1,2.5\n2,3.5\n4,4.5\n" * 9 + b"5,-inf\n", ('t.csv, target "y": infinite at line 29 ("-inf")',)),
        (b"a,y\n" + b"1,2.5\n2,3.5\n4,4.5\n" * 9 + b"5,n.v.\n", ('target "y"', 'line 29 ("n.v.")', "--missing")),
    ],
    ids=lambda value: value[-30:].decode("latin1") if isinstance(value, bytes) else "",
)
def test_files_that_cannot_be_trained_on(content: bytes, says: tuple[str, ...]) -> None:
    Path("t.csv").write_bytes(content)
    refused("train", "t.csv", "--target", "y", "--out", "run", *SMALL, says=says)
    refused("train", "t.csv", "--target", "y", *SMALL, says=says)


def test_no_such_file() -> None:
    refused("train", "nothere.csv", "--target", "y", says=("There is no file nothere.csv", "Built-in tables: iris"))
    table("houses.csv", cells())
    refused("train", "house.csv", "--target", "y", says=("There is no file house.csv; did you mean houses.csv?",))
    Path("notes.xlsx").write_bytes(b"PK")
    refused("train", "notes.xlsx", "--target", "y", says=("notes.xlsx: files of this kind", "saves as CSV"))
    Path("f.csv").mkdir()
    refused("train", "f.csv", "--target", "y", code=2, says=("--target is of tables, but f.csv is a folder",))
    Path("torn.parquet").write_bytes(b"PAR1 no")
    refused("train", "torn.parquet", "--target", "y", says=("torn.parquet can not be read as Parquet",))


def test_no_target_said() -> None:
    refused("train", table("t.csv", cells()), says=("t.csv: say which column to predict, --target COLUMN",))


def test_three_cells_of_a_column_of_numbers_are_not() -> None:
    rows = cells()
    rows[10][0], rows[20][0], rows[30][0] = "n.v.", "??", "bad"
    file = table("t.csv", rows)
    says = ('t.csv, column "a": 77 cells are numbers', 'line 12 ("n.v.")', 'line 22 ("??")', 'line 32 ("bad")')
    fix = ("--missing n.v. --missing '??' --missing bad", "--kind a=category")
    refused("train", file, "--target", "y", "--out", "run", *SMALL, says=(*says, *fix))
    mended = ("--missing", "n.v.", "--missing", "??", "--missing", "bad")
    assert pellucid("train", file, "--target", "y", "--out", "run", *SMALL, *mended).code == 0
    assert pellucid("train", file, "--target", "y", "--out", "other", *SMALL, "--kind", "a=category").code == 0


# files that are odd and can


def test_a_target_with_missing_values_is_trained_without_those_rows() -> None:
    rows = cells()
    for i in (3, 10, 11):
        rows[i][3] = ""
    done = pellucid("train", table("t.csv", rows), "--target", "y", "--out", "run", *SMALL)
    assert done.code == 0
    assert 'note: 3 of 80 rows are left out because their "y" is missing.' in done.out
    predicted = pellucid("predict", "run", "t.csv")
    assert len(predicted.out.splitlines()) == 81


def test_thousands_and_percents_are_read_and_said() -> None:
    rows = [[f'"{1000 + 50 * i:,.1f}"', f"{i % 9} %", *r[2:]] for i, r in enumerate(cells())]
    assert rows[9][0] == '"1,450.0"'
    done = pellucid("train", table("t.csv", rows), "--target", "y", "--out", "run", *SMALL)
    assert done.code == 0
    assert 'note: a: "1,000.0" with a comma between thousands was read as a number.' in done.out
    assert 'note: b: "0 %" as its number of percent was read as a number.' in done.out
    columns = {c["name"]: c for c in json.loads(Path("run/recipe.json").read_text())["columns"]}
    assert (columns["a"]["kind"], columns["b"]["kind"]) == ("number", "number")
    assert 1000 <= columns["a"]["mean"] <= 5000
    assert 0 <= columns["b"]["mean"] <= 8


def test_ten_thousand_columns() -> None:
    draw = np.random.default_rng(0)
    x = draw.integers(0, 100, (30, 10_000)).astype(str)
    rows = [[*x[i], str(i * 1.5)] for i in range(30)]
    file = table("wide.csv", rows, [*(f"c{i}" for i in range(10_000)), "y"])
    done = pellucid("train", file, "--target", "y", "--out", "run", *SMALL)
    assert done.code == 0, done.err
    assert "wide.csv: 30 rows, 10001 columns" in done.out
    assert "more columns; recipe.json has them all" in done.out
    assert len(done.out.splitlines()) < 250
    assert re.search(r"dense/kernel +\(10000, 3\) +30,000", done.out)
    whole = pellucid("show", "run", "--row", 0)
    assert whole.code == 2
    assert "too many to print; name a part: --weight" in whole.err
    assert "or leave --row out for a summary" in whole.err
    summary = pellucid("show", "run")
    assert summary.code == 0
    assert "30,007 weights" in summary.out
    assert len(summary.out.splitlines()) < 60
    assert pellucid("show", "run", "--weight", "dense/kernel[9999,2]").code == 0


# predict


def test_a_label_that_training_had_not(runs: dict[str, Path]) -> None:
    file = table("new.csv", [["1", "2", "red", "low"], ["1", "2", "red", "huge"]])
    says = ('new.csv, column "y": expected a class that training had (high, low, mid)', 'line 3 ("huge")', "Mend")
    refused("predict", runs["classes"], file, "-o", "out.csv", says=says)


def test_a_category_that_training_had_not(runs: dict[str, Path]) -> None:
    file = table("new.csv", [["1", "2", "red"], ["1", "2", "green"]], HEADER[:3])
    done = pellucid("predict", runs["classes"], file, "-o", "out.csv")
    assert done.code == 0
    assert re.search(r"note: colour: 1 cells? holds? values? that training had not", done.err)
    assert len(Path("out.csv").read_text().splitlines()) == 3


def test_a_column_that_is_missing(runs: dict[str, Path]) -> None:
    file = table("new.csv", [["1", "red"], ["1", "red"]], ["a", "colour"])
    says = ('new.csv lacks the column "b", which the model was trained on', "Its columns: a, colour")
    refused("predict", runs["classes"], file, "-o", "out.csv", says=says)
    refused("predict", runs["classes"], file, says=says)


def test_a_column_too_many(runs: dict[str, Path]) -> None:
    file = table("new.csv", [["1", "2", "5", "red"], ["1", "2", "7", "blue"]], ["a", "b", "z", "colour"])
    done = pellucid("predict", runs["classes"], file, "-o", "out.csv")
    assert done.code == 0
    assert "note: new.csv has columns that the model was not trained on; they are ignored: z." in done.err
    assert len(Path("out.csv").read_text().splitlines()) == 3


def test_a_cell_that_is_no_number(runs: dict[str, Path]) -> None:
    file = table("new.csv", [["1", "2", "red"], ["x", "2", "red"]], HEADER[:3])
    refused("predict", runs["classes"], file, "-o", "out.csv", says=("new.csv", '"a"', 'line 3 ("x")'))


def test_a_place_that_cannot_be_written(runs: dict[str, Path]) -> None:
    file = table("new.csv", cells())
    says = ("no/out.csv could not be written", "choose another place")
    done = pellucid("predict", runs["regression"], file, "-o", "no/out.csv")
    assert done.code == 3
    assert all(part in done.err for part in says)
    assert not Path("no").exists()
    Path("file").write_text("x")
    refused("train", file, "--target", "y", "--out", "file/run", *SMALL, says=("the folder file cannot be made",))


# run folders


def test_a_run_that_is_not_there() -> None:
    for words in (("predict", "run", "iris"), ("show", "run"), ("check", "run")):
        refused(*words, says=("there is no run folder run", "`pellucid train FILE` makes one"))
    Path("empty").mkdir()
    refused("show", "empty", says=("empty/run.json is missing: this is no complete run folder",))


def damaged(file: Path, damage: str) -> str:
    """Damages a file; what is said of it."""
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
        return "is missing"
    file.write_bytes(content[: len(content) // 2] if damage == "shorter" else content[:-9] + b"x" * 9)
    return "is torn"


def unlabelled() -> str:
    """A table to predict for."""
    return table("new.csv", [row[:3] for row in cells(20)], HEADER[:3])


DAMAGE = pytest.mark.parametrize("damage", ["shorter", "other", "gone"])


@DAMAGE
def test_a_recipe_that_is_torn(copy: Path, damage: str) -> None:
    says = damaged(copy / "recipe.json", damage)
    refused("predict", copy, unlabelled(), "-o", "out.csv", says=(f"recipe.json {says}",))
    refused("show", copy, says=(f"recipe.json {says}",))


@DAMAGE
def test_best_weights_that_are_torn(copy: Path, damage: str) -> None:
    says = damaged(copy / "weights/best.safetensors", damage)
    done = pellucid("predict", copy, unlabelled())
    assert (done.code, len(done.out.splitlines())) == (0, 21)
    assert re.search(rf"note: .*best\.safetensors {says}.*; the weights of the last checkpoint are used", done.err)
    assert pellucid("show", copy).code == 0


@DAMAGE
def test_losses_that_are_torn(copy: Path, damage: str) -> None:
    says = damaged(next(copy.glob("steps-*.parquet")), damage)
    shown = pellucid("show", copy, "--unit", "dense[0]")
    assert shown.code == 0
    assert re.search(rf"note: .*\.parquet {says}.*; steps can be opened, but not held to their recorded", shown.err)
    assert shown.err.count("note: ") == 1
    assert "which cannot be compared, for the record does not hold the losses" in shown.out
    assert pellucid("predict", copy, unlabelled()).code == 0


@DAMAGE
def test_the_last_checkpoint_is_torn(copy: Path, damage: str) -> None:
    says = damaged(max((copy / "checkpoints").iterdir()), damage)
    shown = pellucid("show", copy, "--step", -1)
    assert shown.code == 0
    again = "the last whole checkpoint before it is used"
    assert re.search(rf"note: .*checkpoints/\d+\.safetensors {says}.*; {again}", shown.err)
    assert shown.err.count("note: ") == 1
    assert "the same, bit for bit, as recorded" in shown.out


def test_the_first_checkpoint_is_torn(copy: Path) -> None:
    for file in sorted((copy / "checkpoints").iterdir())[:-1]:
        damaged(file, "other")
    assert pellucid("predict", copy, unlabelled()).code == 0
    shown = pellucid("show", copy, "--step", 0)
    assert shown.code == 3
    assert "step 0 cannot be reached: the checkpoints before it are torn" in shown.err


def test_every_checkpoint_is_torn(copy: Path) -> None:
    for file in (copy / "checkpoints").iterdir():
        damaged(file, "shorter")
    for words in (("show", copy), ("predict", copy, unlabelled()), ("resume", copy), ("diff", copy, copy)):
        done = pellucid(*words)
        assert done.code == 3
        assert done.err.endswith(f"pellucid: {copy} has no whole checkpoint left; train again\n")


def test_a_copy_of_the_data_that_is_torn(runs: dict[str, Path], copy: Path) -> None:
    damaged(copy / "data/classes.csv", "other")
    done = pellucid("show", copy)
    assert done.code == 0 and "data/classes.csv is torn" in done.err and "which is as it was, is used" in done.err
    original = runs["classes"].with_suffix(".csv")
    text = original.read_text()
    original.write_text(text + "\n")
    refused("show", copy, says=("data/classes.csv is torn",))
    original.write_text(text)
    assert pellucid("predict", copy, unlabelled()).code == 0


@pytest.mark.parametrize("damage", ["shorter", "empty", "list", "other"])
def test_a_manifest_that_is_torn(copy: Path, damage: str) -> None:
    file = copy / "run.json"
    text = file.read_text()
    file.write_text({"shorter": text[: len(text) // 2], "empty": "", "list": "[]", "other": "{}"}[damage])
    for words in (("show", copy), ("predict", copy, unlabelled()), ("resume", copy), ("rewind", copy, "--step", 1)):
        refused(*words, says=("run.json cannot be read as the record of a run", "it is torn or was edited"))


def test_a_manifest_that_was_edited(copy: Path) -> None:
    file = copy / "run.json"
    text = file.read_text()
    file.write_text(text.replace('"seed": 0', '"seed": 1'))
    assert file.read_text() != text
    for command in ("show", "check", "why", "resume"):
        refused(command, copy, says=("run.json is torn or was edited: it is not what its seal says was written",))
    refused("plot", copy, "-o", "out.png", says=("run.json is torn or was edited",))
    listed = pellucid("runs", ".")
    assert listed.code == 0
    assert re.search(r"^copy +torn", listed.out, re.M)
    assert "note: copy/run.json is torn or was edited" in listed.out


def test_a_run_from_a_newer_version(copy: Path) -> None:
    manifest = json.loads((copy / "run.json").read_text())
    manifest |= {"format": 99, "versions": {"pellucid": "7.0"}}
    files.write_sealed(copy / "run.json", {name: manifest[name] for name in manifest if name != files.SEAL})
    says = ("written by pellucid 7.0 in format 99", "reads up to format", "pip install -U pellucid")
    for words in (("predict", copy, "iris"), ("show", copy), ("check", copy)):
        refused(*words, says=says)


# a full disk


def full(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """From so many calls on, nothing reaches the disk."""
    real, calls = os.fsync, iter(range(10**9))

    def fsync(file: int) -> None:
        if next(calls) >= after:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_full_disk_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    file = table("t.csv", cells())
    for after in range(4):
        full(monkeypatch, after)
        says = ("could not be written: No space left on device", "free some space and try again")
        refused("train", file, "--target", "y", "--out", "run", *SMALL, says=says)


@pytest.mark.parametrize("after", [4, 6, 11, 12])
def test_a_full_disk_after_training(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    file = table("t.csv", cells())
    with monkeypatch.context() as disk:
        full(disk, after)
        done = pellucid("train", file, "--target", "y", "--out", "run", *SMALL)
    assert done.code == 3
    assert "No space left on device" in done.err
    left = [path for path in Path("run").rglob("*") if path.is_file()]
    assert not [path for path in left if path.name.endswith(".new")]
    if not Path("run").exists():  # full before the first checkpoint
        assert sorted(path.name for path in Path.cwd().iterdir()) == [file]
        return
    assert json.loads(Path("run/run.json").read_text())["status"] == "running"
    assert pellucid("runs", ".").out.splitlines()[1].split()[:2] == ["run", "killed"]
    resumed = pellucid("resume", "run", "-q")
    assert resumed.code == 0, resumed.err
    assert pellucid("train", file, "--target", "y", "--out", "other", *SMALL).code == 0
    last = "checkpoints/00000008.safetensors"
    assert (Path("run") / last).read_bytes() == (Path("other") / last).read_bytes()


def test_a_full_disk_while_predicting(runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    file = table("new.csv", cells())
    Path("out.csv").write_text("before")
    full(monkeypatch, 0)
    says = ("out.csv could not be written: No space left on device. Nothing was half-written",)
    done = pellucid("predict", runs["regression"], file, "-o", "out.csv")
    assert done.code == 3
    assert says[0] in done.err
    assert Path("out.csv").read_text() == "before"
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["new.csv", "out.csv"]


# training that diverges


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_a_learning_rate_that_is_far_too_large(engine: str) -> None:
    file = table("t.csv", cells())
    options = ("--hidden", "8", "--epochs", "5", "-q", "--engine", engine, "--learning-rate", "1e30")
    done = pellucid("train", file, "--target", "y", "--out", "run", *options)
    assert done.code in (1, 3)  # which of them: the test below
    found = re.search(r"training stopped at step (\d+): the first value that is not finite is in (\w+)", done.err)
    assert found is not None
    assert found[2].startswith("dense")
    assert re.search(r"The learning rate there was \S+; try \S+", done.err)
    assert f"Stopped after {found[1]} steps; the run so far is in run" in done.out
    manifest = json.loads(Path("run/run.json").read_text())
    assert (manifest["status"], manifest["steps"]) == ("not finite", int(found[1]))
    assert len(pl.read_parquet(Path("run") / manifest["losses"])) == manifest["steps"]
    for name in manifest["files"]:
        if name.endswith(".safetensors"):
            for path, array in load_file(Path("run") / name).items():
                assert np.isfinite(array).all(), (name, path)
    new = table("new.csv", cells())
    assert pellucid("predict", "run", new, "-o", "out.csv").code == 0
    shown = pellucid("show", "run", "--step", "999")
    assert shown.code == 2


def test_a_training_that_diverges_ends_with_3() -> None:
    options = ("--hidden", "8", "--epochs", "5", "-q", "--engine", "numpy", "--learning-rate", "1e30")
    done = pellucid("train", table("t.csv", cells()), "--target", "y", "--out", "run", *options)
    assert done.code == 3


# options that cannot be meant


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--epochs", "0"], ("--epochs 0", "1 or more")),
        (["--batch-size", "0"], ("--batch-size 0", "1 or more")),
        (["--patience", "-1"], ("--patience -1", "1 or more")),
        (["--hidden", "x"], ("--hidden x", "as --hidden 64,64")),
        (["--hidden", ""], ("--hidden", "as --hidden 64,64")),
        (["--hidden", "8,0"], ("8,0", "1 or more")),
        (["--kind", "nonsense"], ("--kind nonsense", "COLUMN=KIND", "--kind zip=category")),
        (["--kind", "a=nonsense"], ('"nonsense"', "number, category, boolean, moment, text, user, item, leave_out")),
        (["--kind", "q=number"], ('"q"', "Its columns: a, b, colour, y")),
        (["--dropout", "2"], ("--dropout 2", "from 0 to below 1")),
        (["--dropout", "-0.5"], ("--dropout -0.5", "from 0 to below 1")),
        (["--engine", "foo"], ("foo", "xla", "numpy")),
        (["--task", "foo"], ('"foo"', "regression, binary, multiclass")),
        (["--learning-rate", "0"], ("--learning-rate 0", "above 0")),
        (["--learning-rate", "nan"], ("--learning-rate nan", "above 0")),
        (["--learning-rate", "-1"], ("--learning-rate -1", "above 0")),
        (["--seed", "-1"], ("--seed -1", "from 0 to")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_of_train(words: list[str], says: tuple[str, ...]) -> None:
    file = table("t.csv", cells())
    refused("train", file, "--target", "y", "--out", "run", "-q", *words, code=2, says=says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--step", "12"], ("step 12 is not there", "has steps 0 to 7")),
        (["--step", "-9"], ("step -9 is not there", "has steps 0 to 7")),
        (["--row", "16"], ("row 16 is not there", "step 0 has rows 0 to 15")),
        (["--row", "-1"], ("row -1 is not there", "step 0 has rows 0 to 15")),
        (["--weight", "dense/kernel[4,0]"], ("dense/kernel goes from [0,0] to [3,2]",)),
        (["--weight", "dense/kernel[0]"], ("dense/kernel goes from [0,0] to [3,2]",)),
        (["--weight", "dense/bias[3]"], ("dense/bias goes from [0] to [2]",)),
        (["--weight", "dens/kernel[0,0]"], ("'dens/kernel'", "dense/kernel, dense/bias, dense_1/kernel")),
        (["--weight", "dense"], ("'dense' is no part", 'as "dense/kernel[0,1]"')),
        (["--unit", "dense[3]"], ("dense has 3 units, 0 to 2",)),
        (["--unit", "dens[0]"], ("'dens'", "the layers are dense, dropout, dense_1")),
        (["--unit", "dense[0,1]"], ("dense[0,1]", '"dense[0]"')),
        (["--layer", "dens"], ("dens", "dense, dropout, dense_1")),
        (["--number", "dense[0]"], ("dense[0]",)),
        (["--number", "dense[99,0]"], ("dense",)),
        (["--gradient", "dens[0,0]"], ("dens",)),
        (["--unit", "dense[0]", "--weight", "dense/bias[0]"], ("--unit and --weight are given", "one at a time")),
        (["--layer", "dense", "--row", "2"], ("--row goes with --unit or --weight, not with --layer",)),
        (["--number", "dense[0,0]", "--row", "2"], ("not with --number", "names the row itself")),
        (["--save", "page.pdf"], ("page.pdf", ".html, .json or .txt")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_of_show(runs: dict[str, Path], words: list[str], says: tuple[str, ...]) -> None:
    refused("show", runs["regression"], *words, code=2, says=says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--step", "8"], ("step 8 is not there", "has steps 0 to 7")),
        (["--rows", "0"], ("--rows 0", "1 or more")),
        (["--sample", "0"], ("--sample 0", "1 or more")),
        (["--tolerance", "-1"], ("--tolerance -1", "1e-6")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_of_check(runs: dict[str, Path], words: list[str], says: tuple[str, ...]) -> None:
    refused("check", runs["regression"], *words, code=2, says=says)
