"""A table with a column of sentences: told as text, learned from, opened, proven, predicted from."""

import contextlib
import io
import json

import numpy as np
import polars
import pytest

import pellucid as pl
from pellucid import cli
from pellucid.automl import auto_model as tables
from pellucid.data.tables.recipe import Recipe
from pellucid.data.tables.table import Table, open_table
from pellucid.data.tables.words import LONGEST, Words
from pellucid.data.text import PAD, UNKNOWN
from pellucid.errors import DataError
from pellucid.models.networks import BagOfWords, TextNetwork

pytest.importorskip("tokenizers")
GOOD, BAD = ["splendid", "moving", "funny", "clever"], ["dull", "stupid", "tired", "loud"]
FILLER = ["the", "film", "is", "a", "story", "of", "two", "people", "and", "their", "dog"]


def reviews(count=160, seed=0, **more):
    """Sentences whose words say the class; a number and a label that say nothing."""
    draw = np.random.default_rng(seed)
    kind = draw.integers(0, 2, count)
    texts = [
        " ".join(draw.permutation([*draw.choice(FILLER, draw.integers(4, 9)), *draw.choice(GOOD if k else BAD, 2)]))
        for k in kind
    ]
    return {"review": texts, "mood": np.where(kind, "good", "bad").tolist(), **more}


def frame(**columns):
    return Table.from_frame(polars.DataFrame(columns))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("reviews") / "r.csv"
    draw = np.random.default_rng(1)
    years = draw.integers(1950, 2020, 160)
    polars.DataFrame(reviews(year=years, cinema=draw.choice(["Rex", "Odeon"], 160))).write_csv(path)
    return path


@pytest.fixture(scope="module")
def place(file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    trained(file, folder, "numpy")
    return folder


def pellucid(*arguments):
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run([str(argument) for argument in arguments])
    assert code == 0, err.getvalue()
    return out.buffer.getvalue().decode() + err.getvalue()  # pyright: ignore


def trained(file, place, engine):
    options = ("--target", "mood", "--epochs", 3, "--hidden", 4, "-q", "--engine", engine)
    pellucid("train", file, *options, "--out", place)


# The column.


def test_words_are_learned_from_the_training_rows_alone():
    rows = reviews()
    recipe = Recipe.learn(frame(**rows), "mood")
    column = recipe.columns[0]
    assert isinstance(column, Words)
    part = recipe.rows(frame(**rows)).part
    texts = [text for text, p in zip(rows["review"], part, strict=True) if p == 0]
    counts = {word: sum(text.split().count(word) for text in texts) for word in {*GOOD, *BAD, *FILLER}}
    assert set(column.tokens[4:]) == {word for word, times in counts.items() if times >= 2}
    assert column.length == int(np.ceil(np.percentile([len(text.split()) for text in texts], 95)))
    assert recipe.texts == [(column.length, column.vocabulary)]


def test_a_row_is_its_words_and_zeros():
    column = Words("x", 4, ("<pad>", "<unknown>", "<start>", "<end>", "good", "film", "."))
    x = column.encode(polars.Series(["Good film.", "", None, "a good good good film"]))
    assert x.dtype == np.float32
    assert x.tolist() == [[4, 5, 6, PAD], [0] * 4, [0] * 4, [UNKNOWN, 4, 4, 4]]
    assert [name.of(5.0) for name in column.feature_names[:2]] == ["x word 1: film", "x word 2: film"]
    assert column.feature_names[3].of(0.0) == "x word 4: no word"


def test_words_come_first_and_the_recipe_is_json():
    rows = reviews(320, zip=[f"z{i % 70}" for i in range(320)], age=list(range(20, 340)))
    recipe = Recipe.learn(frame(age=rows["age"], zip=rows["zip"], review=rows["review"], mood=rows["mood"]), "mood")
    length = recipe.texts[0][0]
    assert recipe.feature_names[length - 1 :] == [f"review word {length}", "age", "zip"]
    assert [feature for feature, _, _ in recipe.embeddings] == [length + 1]
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))
    assert again == recipe
    data = frame(**rows)
    for (x, _), (y, _) in zip(recipe.encode(data), again.encode(data), strict=True):
        assert np.array_equal(x, y)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([f"it was a dark night number {i}" for i in range(60)], "text"),
        ([f"敏捷的棕色狐狸第{i}次跳过了懒狗" for i in range(60)], "text"),
        ([f"Braund, Mr. Owen {i}" for i in range(60)], "leave_out"),
        ([f"it was a dark and stormy night {i % 5}" for i in range(60)], "category"),
    ],
    ids=["sentences", "chinese", "names", "few"],
)
def test_sentences_are_told(cells, kind):
    recipe = Recipe.learn(frame(x=cells, other=[i % 7 for i in range(60)], y=[i % 2 for i in range(60)]), "y")
    assert recipe.columns[0].kind == kind


def test_a_kind_can_be_forced_both_ways():
    rows = reviews(other=list(range(160)))
    assert Recipe.learn(frame(**rows), "mood", kinds={"review": "leave_out"}).texts == []
    short = frame(x=["red car", "blue car"] * 20, y=[0, 1] * 20)
    assert Recipe.learn(short, "y", kinds={"x": "text"}).texts == [(2, 7)]


def test_very_long_texts_are_cut():
    long = frame(x=[f"{i} " + "word " * 400 for i in range(60)], y=[i % 2 for i in range(60)])
    assert Recipe.learn(long, "y").texts[0][0] == LONGEST


def test_without_the_library_the_column_is_left_out_and_says_why(monkeypatch):
    monkeypatch.setattr("pellucid.data.tables.kinds.can_read", lambda: False)
    recipe = Recipe.learn(frame(**reviews(other=list(range(0, 320, 2)))), "mood")
    assert any("free text" in note and 'pip install "pellucid[text]"' in note for note in recipe.notes)
    with pytest.raises(DataError, match=r'no column is left .* pip install "pellucid\[text\]"'):
        Recipe.learn(frame(**reviews()), "mood")


# The network.


def test_a_bag_is_the_sum_of_its_words_over_the_root_of_their_number():
    model = pl.Sequential([BagOfWords(9, 3)])
    x = np.array([[4, 5, 4, 8, 0, 0], [7, 0, 0, 0, 0, 0], [0] * 6], dtype=np.float32)
    found = model.predict(x)
    table = model.parameters()["bag_of_words/words/embeddings"]
    by_hand = [sum(table[int(i)] for i in row if i) / np.sqrt(max(1, (row > 0).sum())) for row in x]
    assert found == pytest.approx(np.array([np.broadcast_to(row, 3) for row in by_hand]), rel=1e-6, abs=1e-7)


def test_its_gradients_are_proven_and_padding_has_none():
    model = TextNetwork([[4, 9], [3, 7]], [[5, 2]], [3], 1)
    model.compile("adam", "binary_crossentropy")
    x = np.array([[4, 5, 0, 0, 6, 0, 0, 0.5, 1], [8, 0, 0, 0, 5, 4, 0, -1, 4]], dtype=np.float32)
    y = np.array([[1], [0]], dtype=np.float32)
    assert pl.check_gradients(model, x, y).ok
    _, slopes = pl.gradients(model, x, y)
    assert not slopes["bag_of_words/words/embeddings"][0].any()


def test_it_learns_what_the_words_say(file):
    table, recipe = tables.learn(str(file), "mood")
    ready = tables.prepare(table, recipe, tables.Choices(epochs=30, learning_rate=0.02))
    assert isinstance(ready.model, TextNetwork)
    tables.fit(ready)
    assert tables.score(ready.model, recipe, ready.part("test"))["accuracy"] >= 0.9


def test_a_table_of_text_alone_has_no_hidden_layer_unless_asked():
    data = frame(**reviews())
    recipe = Recipe.learn(data, "mood")
    plain, asked = (tables.prepare(data, recipe, tables.Choices(hidden=hidden)) for hidden in (None, (5,)))
    assert (plain.choices.hidden, asked.choices.hidden) == ((), (5,))
    assert "no hidden units" in str(plain.choices)
    assert "dense/kernel" in asked.model.parameters()


# The run.


def test_every_step_opens_as_it_was(place):
    run = pl.open_run(place)
    for n in range(run.steps):
        assert run.at(n).exact
    assert run.at(1).check(sample=20, rows=8).ok


def test_a_compiled_step_opens_as_it_was(file, tmp_path):
    trained(file, tmp_path / "run", "xla")
    assert pl.open_run(tmp_path / "run").at(5).exact


def test_an_interrupted_training_ends_with_the_bits_of_one_that_was_not(file, place, tmp_path, monkeypatch):
    def stopped(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pl.EarlyStopping, "on_epoch_end", stopped)
        arguments = [
            "train",
            str(file),
            "--target",
            "mood",
            "--epochs",
            "3",
            "-q",
            "--engine",
            "numpy",
            "--hidden",
            "4",
        ]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert cli.run([*arguments, "--out", str(tmp_path / "half")]) != 0
    assert pl.open_run(tmp_path / "half").status == "interrupted"
    pellucid("resume", tmp_path / "half", "-q")
    whole, again = pl.open_run(place), pl.open_run(tmp_path / "half")
    assert again.status == whole.status == "finished"
    assert again.step_history["loss"].tobytes() == whole.step_history["loss"].tobytes()
    assert all(again.final[path].tobytes() == array.tobytes() for path, array in whole.final.items())


def test_the_commands(file, place, tmp_path):
    run = pl.open_run(place)
    words = open_table(file)
    first = next(words.batches())["review"][int(run.at(0).naming.row(run.at(0).batch.rows)[2])].split()[0]
    assert f"review word 1: {first} = " in pellucid("show", place, "--step", 0, "--row", 2, "--unit", "output[0]")
    assert "agree" in pellucid("check", place, "--step", 1, "--sample", 10, "--rows", 4)
    pellucid("predict", place, file, "-o", tmp_path / "out.csv")
    assert polars.read_csv(tmp_path / "out.csv").columns == ["mood", "mood_bad", "mood_good"]
    pellucid("rewind", place, "--step", 3, "--set", "optimizer.learning_rate=0.01", "--as", tmp_path / "again", "-q")
    again = pl.open_run(tmp_path / "again")
    assert again.at(4).exact
    assert "unscaled" not in pellucid("why", place).lower()
    pellucid("diff", place, tmp_path / "again")
    assert "splendid" in json.loads((place / "recipe.json").read_text())["columns"][0]["tokens"]
