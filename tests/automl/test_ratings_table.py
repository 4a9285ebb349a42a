"""A table of ratings: told by its columns, learned by biases and vectors, each part of a prediction readable."""

import contextlib
import io
import json

import numpy as np
import polars
import pytest

import pellucid as pl
from pellucid import cli
from pellucid.automl import auto_model as tables
from pellucid.data.tables.members import Item, User
from pellucid.data.tables.recipe import Recipe
from pellucid.data.tables.table import Table
from pellucid.models.networks import RatingsNetwork


def ratings(count=1500, seed=0):
    """What 30 users gave 20 films: a liking of each, and of each pair, rounded to 1 … 5."""
    draw = np.random.default_rng(seed)
    users, films = draw.integers(0, 30, count), draw.integers(0, 20, count)
    p, q = draw.normal(size=(30, 2)), draw.normal(size=(20, 2))
    liking = (
        3 + draw.normal(size=30)[users] * 0.5 + draw.normal(size=20)[films] * 0.5 + (p[users] * q[films]).sum(1) * 0.5
    )
    return {
        "userId": (users * 7 + 100).tolist(),
        "film": [f"film {i}" for i in films],
        "rating": np.clip(np.rint(liking), 1, 5).astype(int).tolist(),
        "timestamp": draw.integers(10**9, 10**9 + 10**6, count).tolist(),
    }


def frame(**columns):
    return Table.from_frame(polars.DataFrame(columns))


def pellucid(*arguments):
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run([str(argument) for argument in arguments])
    assert code == 0, err.getvalue()
    return out.buffer.getvalue().decode() + err.getvalue()  # pyright: ignore


def trained(file, place, engine):
    pellucid("train", file, "--target", "rating", "--epochs", 3, "-q", "--engine", engine, "--out", place)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("ratings") / "ratings.csv"
    polars.DataFrame(ratings()).write_csv(path)
    return path


@pytest.fixture(scope="module")
def place(file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    trained(file, folder, "numpy")
    return folder


# The recipe.


def test_ratings_are_told_and_said():
    recipe = Recipe.learn(frame(**ratings()), "rating")
    assert [column.kind for column in recipe.columns] == ["user", "item", "leave_out"]
    assert (recipe.target.task, recipe.rated, recipe.width) == ("regression", True, 2)
    assert any(note.startswith("These are ratings: each userId and each film") for note in recipe.notes)
    assert "(keep it with --kind timestamp=number)" in recipe.columns[2].describe()
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize(
    ("how", "rated", "task"),
    [
        ({"kinds": {"userId": "category"}}, False, "multiclass"),
        ({"task": "multiclass"}, False, "multiclass"),
        ({"kinds": {"rating": "category"}}, False, "multiclass"),
        ({"kinds": {"userId": "user"}}, True, "regression"),
        ({"kinds": {"timestamp": "number"}}, True, "regression"),
    ],
    ids=["user-category", "task", "rating-category", "user", "time"],
)
def test_what_is_asked_goes_before(how, rated, task):
    recipe = Recipe.learn(frame(**ratings()), "rating", **how)
    assert (recipe.rated, recipe.target.task) == (rated, task)


def test_kinds_make_ratings_of_any_table():
    rows = ratings()
    data = frame(age=[i % 50 for i in range(1500)], thing=rows["film"], who=rows["userId"], much=rows["rating"])
    assert not Recipe.learn(data, "much").rated
    recipe = Recipe.learn(data, "much", kinds={"who": "user", "thing": "item"})
    assert recipe.rated
    assert recipe.target.task == "regression"
    assert recipe.feature_names == ["age", "who", "thing"]


def test_another_target_is_no_rating():
    assert not Recipe.learn(frame(**ratings()), "film").rated


def test_ids_met_once_are_kept_and_new_ones_share_a_code():
    rows = ratings()
    rows["userId"][0] = 5
    recipe = Recipe.learn(frame(**rows), "rating", validation=0, test=0)
    user, film = recipe.columns[:2]
    assert isinstance(user, User) and isinstance(film, Item)
    assert len(user.values) == 31
    assert user.encode(polars.Series(["5", "6", None])).ravel().tolist() == [2 + user.values.index("5"), 0, 1]
    assert user.feature_names[0].of(0.0) == "userId: other"
    assert film.feature_names[0].of(2.0) == f"film: {film.values[0]}"


# The network.


def test_the_score_is_the_sum_of_its_parts():
    model = RatingsNetwork(5, 6, dimension=3, hidden=[4])
    x = np.array([[2, 3], [4, 5], [2, 5]], dtype=np.float32)
    model.predict(x)
    draw = np.random.default_rng(0)
    model.load_parameters({path: draw.normal(size=w.shape) for path, w in model.parameters().items()})
    w = {path: array.astype(np.float64) for path, array in model.parameters().items()}
    for found, (u, i) in zip(model.predict(x), x.astype(int), strict=True):
        p, q = w["user_vector/embeddings"][u], w["item_vector/embeddings"][i]
        hidden = np.maximum(np.concatenate([p, q]) @ w["dense/kernel"] + w["dense/bias"], 0)
        network = hidden @ w["network/kernel"] + w["network/bias"]
        by_hand = w["user_bias/embeddings"][u] + w["item_bias/embeddings"][i] + p @ q + network
        assert found == pytest.approx(by_hand, rel=1e-5)
    model.compile("adam", "mse")
    assert pl.check_gradients(model, x, np.ones((3, 1), np.float32)).ok


def test_it_beats_the_mean_by_pairs_as_well():
    """The parts of the liking have variances 0.25, 0.25 and 0.5; biases alone leave the last."""
    data = frame(**ratings(4000))
    recipe = Recipe.learn(data, "rating")
    ready = tables.prepare(data, recipe, tables.Choices(epochs=40, learning_rate=0.01))
    assert isinstance(ready.model, RatingsNetwork)
    tables.fit(ready)
    figures = tables.score(ready.model, recipe, ready.part("test"))
    test = ready.rows.test().y
    alone = recipe.target.decode(np.zeros(len(test)))
    assert figures["rmse of the mean alone"] == pytest.approx(
        np.sqrt(np.mean((recipe.target.decode(test) - alone) ** 2)), rel=1e-6
    )
    assert figures["rmse"] < 0.6 * figures["rmse of the mean alone"]


def test_other_columns_go_into_its_network():
    rows = ratings()
    data = frame(**rows, age=[i % 50 for i in range(1500)], zip=[f"z{i % 70}" for i in range(1500)])
    recipe = Recipe.learn(data, "rating", kinds={"userId": "user", "film": "item"})
    ready = tables.prepare(data, recipe, tables.Choices())
    shapes = {path: w.shape for path, w in ready.model.parameters().items()}
    assert shapes["dense/kernel"][0] == recipe.width - 3 + 16 + 16 + recipe.embeddings[0][2]


# The run.


def test_every_step_opens_as_it_was(place):
    run = pl.open_run(place)
    for n in (0, run.steps // 2, run.steps - 1):
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
        arguments = ["train", str(file), "--target", "rating", "--epochs", "3", "-q", "--engine", "numpy"]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert cli.run([*arguments, "--out", str(tmp_path / "half")]) != 0
    assert pl.open_run(tmp_path / "half").status == "interrupted"
    pellucid("resume", tmp_path / "half", "-q")
    whole, again = pl.open_run(place), pl.open_run(tmp_path / "half")
    assert again.status == whole.status == "finished"
    assert again.step_history["loss"].tobytes() == whole.step_history["loss"].tobytes()
    assert all(again.final[path].tobytes() == array.tobytes() for path, array in whole.final.items())


def test_a_page_says_what_a_score_is_made_of(place, file):
    page = pellucid("show", place, "--step", 5, "--row", 3, "--unit", "score[0]")
    step = pl.open_run(place).at(5)
    row = int(step.naming.row(step.batch.rows)[3])
    rows = polars.read_csv(file)
    assert f"userId: {rows['userId'][row]} = " in page
    assert f"film: {rows['film'][row]} = " in page
    for part in ("user_bias.take_rows[0]", "item_bias.take_rows[0]", "product.reshape[0]", "network.sum[0]"):
        assert part in page
    parts = [step.values[path][3, 0] for path in ("user_bias", "item_bias", "product", "network")]
    assert step.values["score"][3, 0] == pytest.approx(np.sum(parts, dtype=np.float64), rel=1e-5)


def test_the_commands(place, file, tmp_path):
    new = tmp_path / "new.csv"
    new.write_text("userId,film\n100,film 3\n9999,film 3\n")
    said = pellucid("predict", place, new, "-o", tmp_path / "out.csv")
    assert "userId: 1 cell holds values that training had not" in said
    assert polars.read_csv(tmp_path / "out.csv")["rating"].is_between(0, 6).all()
    assert "rmse of the mean alone" in pellucid("predict", place, file, "-o", tmp_path / "out.csv")
    assert "unscaled" not in pellucid("why", place).lower()
    pellucid("rewind", place, "--step", 3, "--set", "optimizer.learning_rate=0.01", "--as", tmp_path / "again", "-q")
    assert pl.open_run(tmp_path / "again").at(4).exact
    pellucid("diff", place, tmp_path / "again")
