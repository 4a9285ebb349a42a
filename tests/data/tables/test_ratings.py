"""Ratings: ids of any kind as numbers and back, split at random or by time, what is not known by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pytest

import pellucid as pl
from pellucid.data.tables.ratings import find_roles
from pellucid.errors import DataError, UsageError

ROWS: dict[str, list[Any]] = {
    "userId": [11, 5, 11, 7, 5],
    "movieId": ["Up", "Up", "Heat", "Alien", "Heat"],
    "rating": [4.5, 3, 5, 2, 1],
    "timestamp": [50, 10, 30, 20, 40],
}


@pytest.fixture
def ratings() -> pl.Ratings:
    return pl.Ratings.read(polars.DataFrame(ROWS, strict=False))


def test_ids_become_numbers_and_keep_their_names(ratings: pl.Ratings) -> None:
    assert (ratings.x.dtype, ratings.y.dtype, ratings.y.shape) == (np.int32, np.float32, (5, 1))
    assert (ratings.users, ratings.items) == (("11", "5", "7"), ("Up", "Heat", "Alien"))
    assert [(ratings.users[u], ratings.items[i]) for u, i in ratings.x] == [
        (str(user), item) for user, item in zip(ROWS["userId"], ROWS["movieId"], strict=True)
    ]
    assert ratings.y.ravel().tolist() == ROWS["rating"]
    assert ratings.time is not None and ratings.time.tolist() == ROWS["timestamp"]
    assert ratings.mean == pytest.approx(3.1)
    assert [side.tolist() for side in ratings.counts] == [[2, 2, 1], [2, 2, 1]]


def test_a_file_reads_as_the_frame(tmp_path: Path, ratings: pl.Ratings) -> None:
    frame = polars.DataFrame(ROWS, strict=False)
    frame.write_csv(tmp_path / "r.csv")
    frame.write_parquet(tmp_path / "r.parquet")
    for source in (tmp_path / "r.csv", str(tmp_path / "r.parquet"), pandas.DataFrame(ROWS)):
        found = pl.Ratings.read(source)
        assert np.array_equal(found.x, ratings.x) and np.array_equal(found.y, ratings.y)
        assert (found.users, found.items) == (ratings.users, ratings.items)
        assert np.array_equal(found.time, ratings.time)


def test_columns_of_other_names_are_said(tmp_path: Path) -> None:
    frame = polars.DataFrame(
        {"who": ["a", "b"], "what": ["x", "y"], "much": [1, 2], "when": ["2024-01-02", "2024-01-01"]}
    )
    found = pl.Ratings.read(frame, user="who", item="what", rating="much", time="when")
    assert found.time is not None and np.diff(found.time).tolist() == [-86400]
    with pytest.raises(DataError, match='name of a user: say which, user="…"'):
        pl.Ratings.read(frame)
    with pytest.raises(DataError, match='no column "whom"'):
        pl.Ratings.read(frame, user="whom")


def test_many_batches_number_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    frame = polars.DataFrame(
        {"user": draw.integers(0, 3000, 120_000), "item": draw.integers(0, 90, 120_000), "stars": draw.random(120_000)}
    )
    found = pl.Ratings.read(frame)  # batches of 50,000
    assert [int(name) for name in found.users] == frame["user"].unique(maintain_order=True).to_list()
    assert np.array_equal(np.asarray(found.users).astype(int)[found.x[:, 0]], frame["user"])
    assert np.array_equal(np.asarray(found.items).astype(int)[found.x[:, 1]], frame["item"])


def test_a_split_at_random_is_a_function_of_the_seed() -> None:
    frame = polars.DataFrame({"user": [i % 7 for i in range(100)], "item": range(100), "rating": range(100)})
    ratings = pl.Ratings.read(frame)
    training, test = ratings.split(0.2, seed=3)
    assert (len(training), len(test)) == (80, 20)
    assert sorted([*training.y.ravel(), *test.y.ravel()]) == list(range(100))
    assert np.array_equal(ratings.split(0.2, seed=3)[1].y, test.y)
    assert not np.array_equal(ratings.split(0.2, seed=4)[1].y, test.y)
    assert training.users == ratings.users


def test_a_split_by_time_keeps_the_latest_for_the_test(ratings: pl.Ratings) -> None:
    training, test = ratings.split(0.4, by="time")
    assert test.time is not None and test.time.tolist() == [50, 40]
    assert training.time is not None and training.time.tolist() == [10, 30, 20]
    bare = pl.Ratings(ratings.x, ratings.y, ratings.users, ratings.items)
    with pytest.raises(UsageError, match="no time"):
        bare.split(by="time")
    for bad in ({"test": 1.0}, {"by": "user"}):
        with pytest.raises(UsageError, match="a share from 0"):
            ratings.split(**bad)


def test_what_is_not_known_is_named_or_gets_a_number_of_its_own(ratings: pl.Ratings) -> None:
    assert ratings.encode([5, 11], ["Heat", "Up"]).tolist() == [[1, 1], [0, 0]]
    assert ratings.encode(["5", "x"], ["Heat", "Up"], unknown="reserved").tolist() == [[1, 1], [3, 0]]
    with pytest.raises(DataError, match="users that no rating is of: x, y;"):
        ratings.encode(["x", "y", "x"], ["Up", "Up", "Up"])
    with pytest.raises(DataError, match=r"items that no rating is of: 0, 1, 2, 3, 4 and 3 more"):
        ratings.encode([5] * 8, range(8))
    with pytest.raises(UsageError, match="2 users and 1 items"):
        ratings.encode([5, 11], ["Up"])
    with pytest.raises(UsageError, match="'raise' or 'reserved'"):
        ratings.encode([5], ["Up"], unknown="drop")  # pyright: ignore


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("user", "", 'line 3 holds ""; expected an id'),
        ("item", "NA", 'line 3 holds "NA"; expected an id'),
        ("rating", "good", 'line 3 holds "good"; expected a number'),
        ("rating", "inf", "expected a number"),
        ("time", "soon", 'line 3 holds "soon"; expected a number'),
    ],
)
def test_bad_cells_are_named(tmp_path: Path, column: str, cell: str, message: str) -> None:
    rows = {"user": ["a", "b"], "item": ["x", "y"], "rating": ["1", "2"], "time": ["1", "2"]}
    rows[column][1] = cell
    polars.DataFrame(rows).write_csv(tmp_path / "r.csv")
    with pytest.raises(DataError, match=message):
        pl.Ratings.read(tmp_path / "r.csv")


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["user", "item", "rating"], True),
        (["user_id", "item_id", "rating", "timestamp"], True),
        (["userId", "movieId", "rating", "timestamp"], True),
        (["UserID", "ISBN", "Stars"], True),
        (["customer_id", "product_id", "score", "date"], True),
        (["user_id", "film", "rating", "age"], False),
        (["user_id", "rating"], False),
        (["user_id", "user", "item", "rating"], False),
        (["age", "income", "score"], False),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_a_table_of_ratings_is_told_by_its_columns(columns: list[str], found: bool) -> None:
    assert (find_roles(columns) is not None) == found
