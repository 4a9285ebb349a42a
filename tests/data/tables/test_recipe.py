"""Recipes: real and made-up tables to numbers and back; nothing is learned from rows kept apart."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pellucid.data.tables.recipe import Recipe
from pellucid.data.tables.table import BUILT_IN, Table, open_table
from pellucid.errors import DataError, UsageError

RNG = np.random.default_rng(0)
N = 300


def mixed() -> dict[str, list[Any]]:
    """A column of every kind."""
    return {
        "age": ["" if i % 17 == 0 else str(RNG.integers(18, 80)) for i in range(N)],
        "zip": [f"z{i}" for i in RNG.integers(0, 70, N)],
        "income": np.exp(2 * RNG.normal(size=N)).round(3).astype(str).tolist(),
        "city": RNG.choice(["Paris", "Rome", "", "Oslo"], N).tolist(),
        "member": RNG.choice(["yes", "no"], N).tolist(),
        "when": (np.datetime64("2020-01-01") + RNG.integers(0, 900, N)).astype(str).tolist(),
        "label": RNG.choice(["low", "high"], N).tolist(),
        "amount": RNG.normal(100, 20, N).round(2).astype(str).tolist(),
    }


def written(folder: Path, columns: dict[str, list[Any]], name: str = "t.csv") -> Table:
    path = folder / name
    pl.DataFrame(columns).write_csv(path)
    return open_table(path)


def frame(**columns: Any) -> Table:
    return Table.from_frame(pl.DataFrame(columns))


def all_rows(recipe: Recipe, data: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.concatenate([x for x, _ in recipe.encode(data)])


@pytest.mark.parametrize(
    ("name", "task", "width"),
    [
        ("iris", "multiclass", 4),
        ("wine", "multiclass", 13),
        ("breast_cancer", "binary", 30),
        ("digits", "multiclass", 61),
        ("diabetes", "regression", 10),
    ],
)
def test_real_tables(name: str, task: str, width: int) -> None:
    table = open_table(name)
    recipe = Recipe.learn(table)
    assert (recipe.target.name, recipe.target.task, recipe.width) == (BUILT_IN[name][1], task, width)
    rows = recipe.rows(table)
    assert len(rows) == table.row_count
    assert rows.x.dtype == np.float32
    assert np.isfinite(rows.x).all()
    x, _ = rows.training().arrays()
    assert np.abs(x.mean(0)).max() < 1e-5
    # A pixel that is 0 in all training rows has nothing to be scaled by.
    assert set(x.std(0).round(3)) <= {0.0, 1.0}
    assert np.array_equal(all_rows(recipe, table), rows.x)


@pytest.mark.parametrize("target", ["label", "amount"])
def test_json_gives_the_same_numbers_to_the_last_bit(tmp_path: Path, target: str) -> None:
    table = written(tmp_path, mixed())
    recipe = Recipe.learn(table, target, seed=7)
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json(), allow_nan=False)))
    assert again == recipe
    first, second = recipe.rows(table), again.rows(table)
    for name in ("x", "y", "part", "row"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert again.describe() == recipe.describe()
    assert again.embeddings == recipe.embeddings
    with pytest.raises(DataError, match="version 2"):
        Recipe.from_json({**recipe.to_json(), "version": 2})


def test_columns_in_file_order_and_codes_last(tmp_path: Path) -> None:
    recipe = Recipe.learn(written(tmp_path, mixed()), "label")
    assert [column.name for column in recipe.columns] == [*list(mixed())[:6], "amount"]
    assert recipe.feature_names[-1] == "zip"
    assert len(recipe.feature_names) == recipe.width
    index, vocabulary, dimension = recipe.embeddings[0]
    assert index == recipe.width - 1
    x = all_rows(recipe, written(tmp_path, mixed()))
    assert x[:, index].max() < vocabulary
    assert dimension == min(50, round(1.6 * vocabulary**0.56))


def test_no_leakage(tmp_path: Path) -> None:
    """Other numbers and labels in the validation and test rows leave every statistic as it was."""
    columns = mixed()
    table = written(tmp_path, columns)
    for target in ("label", "amount"):
        recipe = Recipe.learn(table, target)
        rows = recipe.rows(table)
        changed = {name: list(cells) for name, cells in columns.items()}
        for row in rows.row[rows.part != 0]:
            changed["age"][row] = "1000"
            changed["income"][row] = "77.5"
            changed["city"][row] = "Rome"
            changed["zip"][row] = "z1"
            changed["when"][row] = "2031-05-05"
            if target == "amount":
                changed["amount"][row] = "5000.5"
        other = Recipe.learn(written(tmp_path, changed, "changed.csv"), target)
        assert other.columns == recipe.columns
        assert other.target == recipe.target


def test_stratified_parts(tmp_path: Path) -> None:
    labels = ["a"] * 200 + ["b"] * 80 + ["c"] * 19 + ["d"]
    table = written(tmp_path, {**mixed(), "label": labels})
    recipe = Recipe.learn(table, "label")
    rows = recipe.rows(table)
    counts = [np.bincount(rows.part[rows.y == i], minlength=3).tolist() for i in range(4)]
    assert counts[0] == [150, 20, 30]
    assert counts[1] == [60, 8, 12]
    assert counts[3] == [1, 0, 0]
    assert any("Only one row each is of class d" in note for note in recipe.notes)
    assert any("unbalanced" in note and "a has 200 rows, d 1" in note for note in recipe.notes)
    assert not np.array_equal(rows.part, Recipe.learn(table, "label", seed=1).rows(table).part)


def test_rows_without_a_target_are_left_out_and_counted(tmp_path: Path) -> None:
    columns = mixed()
    columns["amount"][3] = ""
    columns["amount"][100] = "NA"
    table = written(tmp_path, columns)
    recipe = Recipe.learn(table, "amount")
    rows = recipe.rows(table)
    assert recipe.rows_left_out == 2
    assert any("2 of 300 rows are left out" in note for note in recipe.notes)
    assert len(rows) == 298
    assert not {3, 100} & set(rows.row.tolist())
    assert len(all_rows(recipe, table)) == 300
    assert recipe.targets(table)[1].tolist() == rows.row.tolist()


def test_a_regression_target_comes_back_in_its_unit() -> None:
    values = RNG.normal(50, 9, 100)
    table = frame(x=RNG.normal(size=100), y=values)
    recipe = Recipe.learn(table, "y")
    rows = recipe.rows(table)
    assert rows.y.dtype == np.float32
    assert rows.training().y.mean() == pytest.approx(0, abs=1e-6)
    assert rows.training().y.std() == pytest.approx(1, abs=1e-6)
    assert np.allclose(recipe.target.decode(rows.y), values, rtol=1e-5)


@pytest.mark.parametrize(
    ("cells", "task", "classes"),
    [
        ([0, 1] * 30, "binary", ("0", "1")),
        ([2, 0, 1] * 20, "multiclass", ("0", "1", "2")),
        ([10, 9, 8, 7] * 15, "multiclass", ("7", "8", "9", "10")),
        (["0", "1.0", "1"] * 20, "binary", ("0", "1")),
        ([True, False] * 30, "binary", ("false", "true")),
        (["b", "a", "c"] * 20, "multiclass", ("a", "b", "c")),
        ([-1, 1] * 30, "regression", ()),
        ([0, 1000] * 30, "regression", ()),
        ([0.5, 1.5] * 30, "regression", ()),
        (list(range(60)), "regression", ()),
    ],
)
def test_the_task_is_told_from_the_target(cells: list[Any], task: str, classes: tuple[str, ...]) -> None:
    table = frame(x=RNG.normal(size=60), y=cells)
    target = Recipe.learn(table, "y").target
    assert (target.task, target.classes) == (task, classes)
    if classes:
        encoded = target.encode(pl.Series(cells))
        assert encoded.dtype == np.int32
        assert target.decode(encoded)[0] == target.labels(pl.Series(cells))[0]


def test_the_task_can_be_chosen() -> None:
    table = frame(x=RNG.normal(size=60), y=[0, 1, 2] * 20)
    assert Recipe.learn(table, "y", task="regression").target.task == "regression"
    assert Recipe.learn(table, "y", kinds={"y": "number"}).target.task == "regression"
    spread = frame(x=RNG.normal(size=60), y=[-5, 700] * 30)
    assert Recipe.learn(spread, "y", task="binary").target.classes == ("-5", "700")
    assert any("--task regression" in note for note in Recipe.learn(table, "y").notes)
    with pytest.raises(DataError, match="3 classes"):
        Recipe.learn(table, "y", task="binary")
    with pytest.raises(UsageError, match="regression, binary, multiclass"):
        Recipe.learn(table, "y", task="guess")
    with pytest.raises(DataError, match="--task multiclass"):
        Recipe.learn(frame(x=[1.0, 2] * 30, y=["a", "b"] * 30), "y", task="regression")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([7] * 60, "same in every row"),
        (["a"] * 60, "same in every row"),
        ([None] * 60, "every cell is missing"),
        ([1.5, None] + [None] * 58, "same in every row"),
        ([1.5, 2.5, 3.5, 4.5] + [None] * 56, "4 rows have"),
        ([1.5, float("inf")] + [0.5] * 58, "infinite at row 2"),
        ([f"n{i}" for i in range(60)], "identifier, not classes"),
        ([f"{i}.5" for i in range(59)] + ["oops"], r'row 60 \("oops"\)'),
        ([[1]] * 60, "nested"),
        (pl.Series([0, 1] * 30).cast(pl.Date), "dates"),
    ],
)
def test_targets_that_are_refused(y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Recipe.learn(frame(x=RNG.normal(size=60), y=y), "y")


def test_a_target_must_be_named_and_there() -> None:
    table = frame(age=[1.0, 2] * 5, price=[1.5, 2] * 5)
    with pytest.raises(DataError, match=r"--target COLUMN.*age, price"):
        Recipe.learn(table)
    with pytest.raises(DataError, match=r'no column "Prize".*Did you mean price\?'):
        Recipe.learn(table, "Prize")


def test_no_usable_column() -> None:
    with pytest.raises(DataError, match=r"no column is left.*c: left out, every row holds the same"):
        Recipe.learn(frame(c=["same"] * 60, y=[0, 1] * 30), "y")
    with pytest.raises(DataError, match="no column is left"):
        Recipe.learn(frame(y=[0, 1] * 30), "y")


def test_predicting_needs_the_columns_and_tells_of_others(tmp_path: Path) -> None:
    columns = mixed()
    recipe = Recipe.learn(written(tmp_path, columns), "label")
    fewer = written(tmp_path, {name: cells for name, cells in columns.items() if name != "city"}, "fewer.csv")
    with pytest.raises(DataError, match=r'fewer\.csv lacks the column "city"'):
        recipe.encode(fewer)
    columns["city"][0] = columns["city"][1] = "Atlantis"
    more = written(tmp_path, {"extra": ["1"] * N, **columns}, "more.csv")
    notes = recipe.notes_for(more)
    assert any("ignored: extra" in note for note in notes)
    assert any("city: 2 cells" in note for note in notes)
    (x, numbers), *_ = recipe.encode(more)
    assert x.shape == (N, recipe.width)
    assert numbers.tolist() == list(range(N))
    assert not any(note.startswith(("the frame", "city")) for note in recipe.notes_for(pl.DataFrame(mixed())))


def test_frames_predict_as_files_do(tmp_path: Path) -> None:
    table = written(tmp_path, mixed())
    recipe = Recipe.learn(table, "label")
    typed = pl.read_csv(table.name, try_parse_dates=True)
    assert typed["when"].dtype == pl.Date
    assert np.array_equal(all_rows(recipe, table), all_rows(recipe, typed))
    assert np.array_equal(all_rows(recipe, table), all_rows(recipe, typed.to_pandas()))


def test_a_bad_cell_met_when_predicting_is_named(tmp_path: Path) -> None:
    columns = mixed()
    recipe = Recipe.learn(written(tmp_path, columns), "label")
    columns["amount"][7] = "lots"
    bad = written(tmp_path, columns, "bad.csv")
    with pytest.raises(DataError, match=r'bad\.csv, column "amount": expected a number, found line 9 \("lots"\)'):
        list(recipe.encode(bad))


def test_a_label_never_seen_is_named(tmp_path: Path) -> None:
    columns = mixed()
    recipe = Recipe.learn(written(tmp_path, columns), "label")
    columns["label"][4] = "medium"
    with pytest.raises(DataError, match=r'line 6 \("medium"\)') as caught:
        recipe.targets(written(tmp_path, columns, "new.csv"))
    assert "high, low" in str(caught.value)
    with pytest.raises(DataError, match="nothing to score by"):
        recipe.targets(written(tmp_path, {"a": ["1"]}, "none.csv"))


def test_a_large_table_goes_to_disk_and_the_file_goes_away(tmp_path: Path) -> None:
    table = written(tmp_path, mixed())
    recipe = Recipe.learn(table, "label")
    inside = recipe.rows(table)
    assert inside.folder is None
    with recipe.rows(table, memory_limit=1000) as rows:
        assert isinstance(rows.x, np.memmap)
        assert np.array_equal(rows.x, inside.x)
        training = rows.training()
        assert len(training) + len(rows.validation()) + len(rows.test()) == N
        x, y = training.take(np.array([5, 0]))
        assert np.array_equal(x, inside.x[training.index[[5, 0]]])
        assert np.array_equal(y, inside.y[training.index[[5, 0]]])
        folder = rows.folder
        assert folder is not None
        assert folder.exists()
    assert not folder.exists()
    again = recipe.rows(table, memory_limit=1000)
    folder = again.folder
    del again
    assert folder is not None
    assert not folder.exists()


def test_ten_thousand_columns(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    numbers = RNG.normal(size=(50, 10_000)).round(4).astype(str)
    lines = [",".join([*row, str(i % 2)]) for i, row in enumerate(numbers.tolist())]
    path.write_text("\n".join([",".join([*(f"c{i}" for i in range(10_000)), "y"]), *lines]))
    start = time.perf_counter()
    table = open_table(path)
    recipe = Recipe.learn(table, "y")
    assert recipe.rows(table).x.shape == (50, 10_000)
    assert time.perf_counter() - start < 20


def test_a_recipe_is_a_value() -> None:
    recipe = Recipe.learn(open_table("iris"))
    assert replace(recipe, seed=1) != recipe
    assert Recipe.learn(open_table("iris")) == recipe
