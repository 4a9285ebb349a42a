"""A run on a folder: its files are kept where they are small, and held to what they were where they are not."""

import contextlib
import csv
import io
import json
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest

import pellucid as pl
from pellucid import cli
from pellucid.automl.choices import Choices
from pellucid.automl.folder_network import filled, folder_network
from pellucid.commands import train as command
from pellucid.data.files.folder import Pixels, Spectrograms, open_folder
from pellucid.data.files.folder_recipe import FolderRecipe
from pellucid.data.files.pictures import Look
from pellucid.data.split import split
from pellucid.errors import DataError, UsageError
from pellucid.runs.folder_source import FolderSource
from pellucid.runs.sources import source_of
from pellucid.storage import RunFolder

Image = pytest.importorskip("PIL.Image")


def drawn(folder, count=12, side=8, seed=0, classes=("down", "across")):
    """Pictures with stripes that go down or across, in noise; some noise is other at each seed."""
    draw = np.random.default_rng(seed)
    for k, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            stripes = np.indices((side, side))[1 - k % 2] % 2 * 150
            pixels = (stripes + draw.integers(0, 100, (side, side))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i:02}.png")
    return folder


def quiet(*arguments):
    """Runs a command; its exit code and what it said."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = cli.run([str(argument) for argument in arguments])
    return code, out.getvalue() + err.getvalue()


def trained(folder, place, epochs=2, rate=0.002):
    options = ("--batch-size", 8, "-q", "--engine", "numpy", "--hidden", 4)
    code, said = quiet("train", folder, "--out", place, "--epochs", epochs, "--learning-rate", rate, *options)
    assert code == 0, said
    return RunFolder.open(place)


def opens(place):
    """Every step is exact."""
    run = pl.open_run(place)
    assert run.steps == 6
    for n in (0, run.steps - 1):
        assert run.at(n).exact
    return run


@pytest.fixture(scope="session")
def stripes(tmp_path_factory):
    """A folder and a run on it, whose files it holds; not to be changed."""
    place = tmp_path_factory.mktemp("stripes")
    return drawn(place / "stripes"), trained(place / "stripes", place / "run")


# The recipe


def test_what_a_folder_becomes(tmp_path):
    drawn(tmp_path, count=10)
    folder = open_folder(tmp_path)
    recipe = FolderRecipe.learn(folder, seed=3)
    assert recipe.reading == Pixels(Look((8, 8), "grey"))
    assert (recipe.target.task, recipe.target.classes, recipe.width) == ("binary", ("across", "down"), 64)
    rows = recipe.rows(folder)
    assert rows.x.dtype == np.uint8 and rows.x.shape == (20, 8, 8, 1)
    assert rows.y.tolist() == [0] * 10 + [1] * 10
    np.testing.assert_array_equal(rows.part, split(20, 3, 0.1, 0.15, rows.y))
    training = rows.x[rows.training().index].astype(np.float64)
    assert recipe.mean == pytest.approx([training.mean()], rel=1e-12)
    assert recipe.deviation == pytest.approx([training.std()], rel=1e-12)
    assert len(recipe.feature_names) == 64
    assert [recipe.feature_names[i] for i in (0, 9, -1)] == ["pixel[0,0]", "pixel[1,1]", "pixel[7,7]"]
    again = FolderRecipe.from_json(json.loads(json.dumps(recipe.to_json())))
    assert again == recipe
    with pytest.raises(DataError, match="version 2"):
        FolderRecipe.from_json(recipe.to_json() | {"version": 2})
    for x, places in recipe.encode(open_folder(tmp_path)):
        np.testing.assert_array_equal(x, rows.x[places])


def test_colours_and_sizes_are_chosen_by_the_files(tmp_path):
    drawn(tmp_path)
    Image.new("RGB", (200, 100), (200, 10, 10)).save(tmp_path / "down" / "red.png")
    recipe = FolderRecipe.learn(open_folder(tmp_path))
    assert recipe.reading == Pixels(Look((8, 8), "rgb"))
    assert recipe.feature_names[:4] == ["pixel[0,0] red", "pixel[0,0] green", "pixel[0,0] blue", "pixel[0,1] red"]
    assert "1 of 25 pictures are brought to 8 × 8 pixels" in recipe.notes[0]
    recipe = FolderRecipe.learn(open_folder(tmp_path), size=(6, 5))
    assert recipe.reading.shape == (6, 5, 3) and "All pictures are brought to 6 × 5" in recipe.notes[0]
    shutil.rmtree(tmp_path / "down")
    (tmp_path / "big").mkdir()
    for i in range(20):
        Image.new("L", (400, 300), i).save(tmp_path / "big" / f"{i}.png")
    assert FolderRecipe.learn(open_folder(tmp_path)).reading.shape == (72, 96, 1)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda at: at, "holds no pictures .* and no sounds"),
        (lambda at: (at / "notes.txt").write_text("?"), "holds no pictures .* and no sounds"),
        (lambda at: drawn(at, classes=("only",)), r"holds one class of pictures only \(only\)"),
        (lambda at: drawn(at / "x").rename(at / "y") and [p.rename(at / f"{i}.png") for i, p in
            enumerate((at / "y").rglob("*.png"))], "holds 24 pictures but no folders"),
        (lambda at: drawn(at, count=2), "holds 4 pictures; at least 5"),
        (lambda at: (drawn(at) / "down" / "x.png").write_text("no picture"), r"x\.png is no picture"),
        (lambda at: (drawn(at) / "down" / "x.wav").write_bytes(b""), "holds 24 pictures and 1 sounds"),
        (lambda at: Image.new("L", (2, 2)).save(drawn(at) / "x.png"), r"1 pictures of no class \(x\.png\)"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_learned_from(tmp_path, prepare, words):
    prepare(tmp_path)
    with pytest.raises(DataError, match=words):
        FolderRecipe.learn(open_folder(tmp_path))


def test_unreadable_files_can_be_left_out(tmp_path):
    drawn(tmp_path)
    (tmp_path / "down" / "x.png").write_text("no picture")
    torn = tmp_path / "across" / "05.png"
    torn.write_bytes(torn.read_bytes()[:60])
    folder = open_folder(tmp_path)
    recipe = FolderRecipe.learn(folder, skip=True)
    assert len(recipe.rows(folder)) == folder.row_count == 23
    assert len(folder.notes) == 1 and folder.notes[0].startswith("2 of 25 files are left out: ")
    assert "across/05.png" not in folder.file_names


def test_other_files_are_said_and_so_are_rare_classes(tmp_path):
    drawn(tmp_path, count=3, classes=("rare",))
    drawn(tmp_path, count=40, classes=("common",))
    (tmp_path / "rare" / "notes.txt").write_text("?")
    folder = open_folder(tmp_path)
    assert folder.notes == ["1 other file is passed by; only pictures are read."]
    assert "unbalanced: common has 40 files, rare 3" in FolderRecipe.learn(folder).notes[0]


# The network


@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (28, 28), (32, 32), (64, 96), (200, 16)])
@pytest.mark.parametrize("color", ["grey", "rgb"])
def test_a_network_for_every_size(tmp_path, shape, color):
    base = FolderRecipe.learn(open_folder(drawn(tmp_path)))
    channels = 1 if color == "grey" else 3
    recipe = replace(base, reading=Pixels(Look(shape, color)), mean=[128.0] * channels, deviation=[64.0] * channels)
    model = folder_network(recipe, filled(Choices(), 1000, 784), 7)
    x = np.zeros((2, *recipe.reading.shape), np.uint8)
    assert model.predict(x).shape == (2, 7)
    assert sum(a.size for a in model.parameters().values()) < 400_000


def test_the_first_layer_brings_the_pixels_to_size_one(stripes):
    _, folder = stripes
    run = pl.open_run(folder.path)
    source = FolderSource(folder)
    rows = source.rows()
    training = rows.x[rows.training().index]
    layer = run.model.children()["normalization"]
    values = (training - layer.mean) / np.sqrt(layer.variance)
    assert abs(values.mean()) < 1e-9 and abs(values.std() - 1) < 1e-9


# The run


def test_small_files_are_kept_and_steps_opened(stripes):
    at, folder = stripes
    data = folder.manifest["data"]
    assert (data["kind"], data["rows"], data["file"], data["holds"]) == ("folder", 24, "data/files.zip", "pictures")
    assert data["source"] == str(at)
    with zipfile.ZipFile(folder.path / "data" / "files.zip") as archive:
        assert archive.read("down/03.png") == (at / "down" / "03.png").read_bytes()
    with (folder.path / "data" / "files.csv").open() as file:
        listed = list(csv.DictReader(file))
    assert [row["file"] for row in listed[:2]] == ["across/00.png", "across/01.png"] and len(listed) == 24
    run = opens(folder.path)
    step = run.at(0)
    assert step.batch.x.shape == (8, 8, 8, 1) and step.batch.x.dtype == np.uint8
    assert step.check(rows=3, sample=60).ok
    assert type(source_of(folder)) is FolderSource and FolderSource(folder).moved() == ""
    assert pl.open_run(folder.path).at(5).naming.classes == ("across", "down")


def test_pages_name_pixels_and_files(stripes):
    _, folder = stripes
    step = pl.open_run(folder.path).at(0)
    row = int(step.naming.row(step.batch.rows)[2])
    name = step.naming.files[row]
    page = step.layer("normalization").to_text()
    assert "normalization" in page
    page = step.at("normalization", (2, 3, 5, 0)).to_text()
    assert f"row {row} of the data, {name}" in page
    assert "(pixel[3,5])" in page and f"{step.batch.x[2, 3, 5, 0]}" in page
    assert f"{row}: {name}" in step.page().to_text()
    weight = step.weight("dense_1/bias", (0,), 2).to_text()
    assert f"{row}: {name}" in weight
    assert f"row {row} of the data, {name}" in weight


def test_files_that_changed_or_moved_are_said_and_the_copies_used(tmp_path):
    at = drawn(tmp_path / "stripes")
    folder = trained(at, tmp_path / "run")
    (at / "down" / "03.png").write_bytes((at / "down" / "04.png").read_bytes())
    (at / "down" / "05.png").unlink()
    (at / "down" / "new.png").write_bytes((at / "down" / "04.png").read_bytes())  # not of the run: no matter
    assert FolderSource(folder).moved() == (
        f"in {at} 03.png has changed, 05.png is not there any more; the copies in the run are used"
    )
    opens(folder.path)
    at.rename(tmp_path / "elsewhere")
    assert FolderSource(folder).moved() == f"{at} is not there any more; the copy in the run is used"
    opens(folder.path)
    code, said = quiet("show", folder.path)
    assert code == 0 and "is not there any more; the copy in the run is used" in said


def test_a_torn_archive(tmp_path):
    at = drawn(tmp_path / "stripes")
    folder = trained(at, tmp_path / "run")
    archive = folder.path / "data" / "files.zip"
    archive.write_bytes(archive.read_bytes()[:-10])
    with pytest.warns(UserWarning, match=r"files\.zip is torn.*which is as it was, is used"):
        assert pl.open_run(folder.path).at(0).exact
    (at / "down" / "03.png").unlink()
    with pytest.raises(pl.RunError, match=r"files\.zip is torn"):
        pl.open_run(folder.path).at(0)


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A folder and a run whose files were too large to be kept."""
    plain = command.Recording
    monkeypatch.setattr(command, "Recording", lambda **options: replace(plain(**options), keep_data=100))
    return drawn(tmp_path / "stripes"), trained(tmp_path / "stripes", tmp_path / "run")


def test_large_files_are_read_where_they_lie_and_held_to_what_they_were(large):
    at, folder = large
    assert not (folder.path / "data" / "files.zip").exists()
    opens(folder.path)
    (at / "down" / "03.png").write_bytes(b"other")
    with pytest.raises(DataError, match=r"is not as it was when .* was trained on it: 03\.png has changed"):
        pl.open_run(folder.path).at(0)


def test_rewind_resume_diff_and_why(stripes, tmp_path):
    _, folder = stripes
    child = tmp_path / "child"
    changes = ("--set", "optimizer.learning_rate=0.0001", "--set", "random_translation.height_factor=0.0")
    code, said = quiet("rewind", folder.path, "--step", 3, *changes, "--as", child, "-q")
    assert code == 0 and "on the rows held out" in said, said
    assert RunFolder.open(child).manifest["data"] == folder.manifest["data"]
    assert pl.open_run(child).at(4).exact
    code, said = quiet("diff", folder.path, child)
    assert code == 0 and "step 3" in said
    code, said = quiet("why", folder.path)
    assert code == 0 and "unscaled" not in said, said
    code, said = quiet("resume", folder.path)
    assert code == 2 and "nothing left to resume" in said


def test_it_learns_and_predicts(tmp_path):
    at = drawn(tmp_path / "stripes", count=40, side=6)
    folder = trained(at, tmp_path / "run", epochs=10, rate=0.01)
    assert folder.manifest["test"]["accuracy"] > 0.9
    new = drawn(tmp_path / "new", count=5, side=6, seed=9)
    out = tmp_path / "out.csv"
    code, said = quiet("predict", folder.path, new, "-o", out)
    assert code == 0 and "the folders say the class; scored by it: accuracy" in said
    with out.open() as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == ["file", "class", "class_across", "class_down"]
    assert [row["file"] for row in found[:1]] == ["across/00.png"] and len(found) == 10
    assert sum(row["file"].startswith(row["class"]) for row in found) >= 9
    model = pl.open_run(folder.path).model
    logits = model.predict(pl.pictures(new, (6, 6), "grey").x)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    np.testing.assert_allclose([float(row["class_down"]) for row in found], p[:, 0], rtol=1e-5)


def test_the_choices_of_tables_are_refused(stripes, tmp_path):
    at, _ = stripes
    for option, value in (("--target", "x"), ("--task", "binary"), ("--kind", "a=number"), ("--missing", "x")):
        code, said = quiet("train", at, option, value)
        assert code == 2 and f"{option} is of tables" in said
    for options in (("--size", "8x8"), ("--skip-unreadable",)):
        code, said = quiet("train", "iris", *options)
        assert code == 2 and "is of folders" in said


# Sounds


def spoken(folder, count=10, rate=8000):
    soundfile = pytest.importorskip("soundfile")
    draw = np.random.default_rng(0)
    for name, pitch in (("low", 400), ("high", 1500)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            time = np.arange(800 + 40 * i) / rate
            tone = 0.4 * np.sin(2 * np.pi * pitch * time) + draw.normal(0, 0.05, len(time))
            soundfile.write(folder / name / f"{i}.wav", tone, rate)
    return folder


def test_sounds_are_trained_on_and_opened(tmp_path):
    folder = trained(spoken(tmp_path / "tones"), tmp_path / "run")
    source = FolderSource(folder)
    assert isinstance(source.recipe.reading, Spectrograms) and source.recipe.reading.rate == 8000
    rows = source.rows()
    assert rows.x.dtype == np.float32 and rows.x.shape[2] == 40
    step = pl.open_run(folder.path).at(0)
    assert step.exact and step.check(rows=2, sample=20).ok
    assert "(frame 2, band 3)" in step.at("normalization", (0, 2, 3)).to_text()
    page = step.unit("dense", 0).to_text()
    picture = page[page.index("pitch upwards") : page.index("target = ")].splitlines()[1:]
    loud = max(range(len(picture)), key=lambda i: picture[i].count("█"))  # a tone is a line
    assert (loud < len(picture) / 2) == ("(high)" in page)
    out = tmp_path / "out.csv"
    code, said = quiet("predict", folder.path, tmp_path / "tones" / "low" / "3.wav", "-o", out)
    assert code == 0, said
    assert out.read_text().splitlines()[1].startswith("3.wav,")
    code, said = quiet("predict", folder.path, drawn(tmp_path / "pictures"), "-o", out)
    assert code == 3 and "holds pictures, but the model was trained on sounds" in said


def test_sounds_that_cannot_be_read(tmp_path):
    (spoken(tmp_path) / "low" / "x.wav").write_bytes(b"no sound")
    with pytest.raises(DataError, match=r"x\.wav is no sound"):
        FolderRecipe.learn(open_folder(tmp_path))
    folder = open_folder(tmp_path)
    assert FolderRecipe.learn(folder, skip=True).reading.shape == (13, 40)
    assert folder.row_count == 20
    with pytest.raises(UsageError, match="size= is of pictures"):
        FolderRecipe.learn(open_folder(tmp_path), size=(8, 8))
