"""Folders of pictures at the command line: what is printed, what is written, how a command ends."""

import csv
import io
import json
import sys

import numpy as np
import pytest

from commands import pellucid
from pellucid.storage import RunFolder

Image = pytest.importorskip("PIL.Image")
QUICK = ("--epochs", 2, "--batch-size", 8, "-q", "--engine", "numpy", "--hidden", 4)


def pictures(folder, classes, count=8, mode="L", side=6):
    draw = np.random.default_rng(1)
    for k, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = draw.integers(60 * k, 60 * k + 80, (side, side)).astype(np.uint8)
            Image.fromarray(pixels).convert(mode).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder of three classes, the run on it, and what training printed."""
    place = tmp_path_factory.mktemp("greys")
    at = pictures(place / "greys", ("dark", "light", "middle"))
    done = pellucid("train", at, "--out", place / "run", *QUICK)
    assert done[0] == 0, done[2]
    return at, place / "run", done[1]


def test_train_says_what_it_read_and_what_it_made(trained):
    at, run, out = trained
    assert f"{at}: 24 pictures, 3 classes" in out and "│ middle │        8 │" in out
    assert "pixel: 6 × 6 grey pixels, each from 0 (black) to 255." in out
    assert "(3, 3, 1, 16)" in out and "On the 4 rows held out: accuracy" in out
    assert f"pellucid predict {run} {at} -o out.csv" in out
    for line in out.splitlines():
        if line.startswith("  pellucid show"):
            code, page, err = pellucid(*[part.strip('"') for part in line.split()[1:]])
            assert code == 0, err
            assert "Step 0" in page


def test_the_document_of_a_training(tmp_path):
    at = pictures(tmp_path / "greys", ("a", "b"))
    code, out, _ = pellucid("train", at, "--out", tmp_path / "run", "--json", *QUICK)
    document = json.loads(out)
    assert code == 0 and document["command"] == "train"
    assert (document["task"], document["target"], document["status"]) == ("binary", "class", "finished")


def test_predict_a_folder_and_a_file(trained, tmp_path):
    at, run, _ = trained
    code, out, err = pellucid("predict", run, at)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0 and len(rows) == 24 and "scored by it: accuracy" in err
    assert list(rows[0]) == ["file", "class", "class_dark", "class_light", "class_middle"]
    for row in rows:
        p = {name: float(row[f"class_{name}"]) for name in ("dark", "light", "middle")}
        assert sum(p.values()) == pytest.approx(1) and row["class"] == max(p, key=p.get)
    code, out, err = pellucid("predict", run, at / "dark" / "3.png")
    alone = next(csv.DictReader(io.StringIO(out)))
    assert code == 0 and alone["file"] == "3.png" and err == ""
    assert float(alone["class_dark"]) == pytest.approx(float(rows[3]["class_dark"]), rel=1e-6)


def test_predict_leaves_out_what_cannot_be_read_and_says_so(trained, tmp_path):
    _, run, _ = trained
    new = pictures(tmp_path / "new", ("x", "y"), count=2, mode="RGB", side=9)
    (new / "x" / "torn.png").write_bytes((new / "x" / "0.png").read_bytes()[:70])
    code, _, err = pellucid("predict", run, new, "-o", tmp_path / "out.csv")
    assert code == 0 and "note: 1 of 5 files are left out: " in err and "scored" not in err
    assert "4 predictions in" in err
    with (tmp_path / "out.csv").open() as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["x/0.png", "x/1.png", "y/0.png", "y/1.png"]


def test_classes_that_are_not_of_the_model_are_not_scored(trained, tmp_path):
    _, run, _ = trained
    new = pictures(tmp_path / "new", ("dark", "other"), count=2)
    code, _, err = pellucid("predict", run, new, "-o", tmp_path / "out.csv")
    assert code == 0 and "their files are not scored: other." in err and "scored by it: accuracy" in err


def test_show_check_and_runs(trained):
    _, run, _ = trained
    code, out, _ = pellucid("show", run, "--step", 2, "--weight", "conv2d/kernel[1,1,0,3]")
    assert code == 0 and "of the data, " in out.splitlines()[0] and ".png" in out
    code, out, _ = pellucid("show", run, "--step", 2, "--number", "conv2d[0,2,3,1]")
    assert code == 0 and "(pixel[" in out
    code, out, _ = pellucid("check", run, "--step", 0, "--sample", 30, "--rows", 3)
    assert code == 0 and "30 agree" in out
    code, out, _ = pellucid("runs", run.parent)
    assert code == 0 and "greys" in out and "accuracy" in out


def test_a_size_of_ones_own(tmp_path):
    at = pictures(tmp_path / "greys", ("a", "b"))
    code, out, err = pellucid("train", at, "--out", tmp_path / "run", "--size", "4x5", *QUICK)
    assert code == 0 and "pixel: 4 × 5 grey pixels" in out, err
    assert "note: All pictures are brought to 4 × 5 pixels" in out
    for size, words in (("4", "write it as HEIGHTxWIDTH"), ("0x4", "are 1 or more")):
        code, _, err = pellucid("train", at, "--size", size)
        assert code == 2 and words in err


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda at: at.mkdir(), "holds no pictures"),
        (lambda at: pictures(at, ("only",)), "holds one class of pictures only (only)"),
        (lambda at: (pictures(at, ("a", "b")) / "a" / "9.png").write_text("?"), "9.png is no picture"),
        (lambda at: (at.mkdir(), (at / "a.docx").write_text("?")), "holds no pictures"),
    ],
)
def test_folders_that_cannot_be_trained_on(tmp_path, make, words):
    make(tmp_path / "folder")
    code, _, err = pellucid("train", tmp_path / "folder", "--out", tmp_path / "run")
    assert code == 3 and words in err and "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_an_unreadable_file_left_out_is_said(tmp_path):
    at = pictures(tmp_path / "greys", ("a", "b"))
    (at / "a" / "9.png").write_text("?")
    code, out, err = pellucid("train", at, "--out", tmp_path / "run", "--skip-unreadable", *QUICK)
    assert code == 0 and "note: 1 of 17 files are left out: " in out, err
    assert RunFolder.open(tmp_path / "run").manifest["data"]["rows"] == 16


def test_no_pillow(trained, tmp_path, monkeypatch):
    at, _, _ = trained
    monkeypatch.setitem(sys.modules, "PIL", None)
    code, _, err = pellucid("train", at, "--out", tmp_path / "run")
    assert code == 2 and 'pip install "pellucid[images]"' in err
