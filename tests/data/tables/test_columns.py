"""Columns: how each kind is told, what its cells become, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pellucid.data.tables.category import Category
from pellucid.data.tables.cells import UnreadableCells, read_numbers
from pellucid.data.tables.columns import Boolean, Column, LeftOut, column_from_json
from pellucid.data.tables.datetimes import Moment
from pellucid.data.tables.numeric import Number
from pellucid.data.tables.recipe import Recipe
from pellucid.data.tables.table import Table, open_table
from pellucid.errors import DataError, UsageError

ROWS = 60
OTHER = [f"{i * 7 % 11}.5" for i in range(ROWS)]
Y = ["a" if i % 2 else "b" for i in range(ROWS)]


def table(folder: Path, **columns: list[Any]) -> Table:
    """A CSV of these columns, of `other` and of `y`."""
    path = folder / "t.csv"
    rows = max(len(cells) for cells in columns.values())
    pl.DataFrame(
        {**columns, "other": (OTHER * (rows // ROWS + 1))[:rows], "y": (Y * (rows // ROWS + 1))[:rows]}
    ).write_csv(path)
    return open_table(path)


def learn(folder: Path, cells: list[Any], **how: Any) -> Column:
    """The column "x" as learned from all rows."""
    return Recipe.learn(table(folder, x=cells), "y", validation=0, test=0, **how).columns[0]


def encoded(column: Column, cells: list[Any]) -> list[list[float]]:
    return column.encode(pl.Series(column.name, cells)).round(4).tolist()


def test_a_number_is_standardised(tmp_path: Path) -> None:
    column = learn(tmp_path, [str(float(i)) for i in reversed(range(ROWS))])
    assert isinstance(column, Number)
    assert (column.mean, column.median, column.width) == (29.5, 29.5, 1)
    assert column.scale == pytest.approx(np.arange(60).std())
    assert encoded(column, ["29.5", ""]) == [[0], [0]]
    assert "minus 29.5, divided by 17.318" in column.describe()


def test_a_gap_becomes_the_median_and_a_feature(tmp_path: Path) -> None:
    gaps = ["", "NA", "N/A", "NaN", "null", "None", "?", "-"]
    column = learn(tmp_path, gaps + [str(i * i) for i in range(ROWS - 8)])
    assert column.feature_names == ["x", "x missing"]
    assert isinstance(column, Number)
    x = column.encode(pl.Series([*gaps, None, str(column.median)]))
    assert x[:, 1].tolist() == [1.0] * 9 + [0.0]
    assert np.unique(x[:, 0]).size == 1


def test_dressed_numbers_are_read_and_said(tmp_path: Path) -> None:
    cells = ["1,234.5", "12 %", " 7 ", "$3", "−4", "1 000", "-$5", "5€", "1e3", "+2"]
    read = read_numbers(pl.Series(cells))
    assert read.values.tolist() == [1234.5, 12, 7, 3, -4, 1000, -5, 5, 1000, 2]
    assert not read.unreadable.any()
    bad = read_numbers(pl.Series(["1,2,3", "1 2", "abc", "1.2.3", "%"]))
    assert bad.unreadable.all()
    recipe = Recipe.learn(table(tmp_path, x=cells * 6), "y")
    assert any('"1,234.5" with a comma between thousands' in note and "12 %" in note for note in recipe.notes)
    assert '"$3"' in recipe.columns[0].describe()


def test_decimal_commas(tmp_path: Path) -> None:
    column = learn(tmp_path, [f"{i},5" for i in range(ROWS - 1)] + ["1.000,25"])
    assert isinstance(column, Number)
    assert column.decimal_comma
    assert column.median == 30
    assert "before the decimals" in column.describe()


def test_heavy_tails_are_squashed_only_where_it_helps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    heavy = learn(tmp_path, np.exp(2 * rng.normal(size=2000)).tolist())
    assert isinstance(heavy, Number)
    assert heavy.spread > 0
    assert "heavy tails" in heavy.describe()
    x = heavy.encode(pl.Series(np.exp(2 * rng.normal(size=2000))))
    assert np.abs(x).max() < 6
    for light in (rng.normal(size=2000), rng.uniform(size=2000), rng.exponential(size=2000)):
        plain = learn(tmp_path, light.tolist())
        assert isinstance(plain, Number)
        assert plain.spread == 0


def test_huge_numbers_stay_finite(tmp_path: Path) -> None:
    column = learn(tmp_path, [f"{i}e300" for i in range(ROWS)])
    assert np.isfinite(column.encode(pl.Series([f"{i}e300" for i in range(ROWS)]))).all()


def test_a_category_has_a_place_for_each_value(tmp_path: Path) -> None:
    column = learn(tmp_path, (["Paris"] * 3 + ["Rome"] * 2 + [""]) * 10)
    assert isinstance(column, Category)
    assert column.feature_names == ["x=Paris", "x=Rome", "x missing"]
    assert encoded(column, ["Rome", " Paris ", None, "?", "Oslo"]) == [
        [0, 1, 0],
        [1, 0, 0],
        [0, 0, 1],
        [0, 0, 1],
        [0, 0, 0],
    ]
    assert column.unseen(pl.Series(["Oslo", "Rome", None])) == 1


def test_rare_values_share_a_place(tmp_path: Path) -> None:
    column = learn(tmp_path, ["Paris"] * 100 + ["Rome"] * 50 + ["Oslo"])
    assert column.feature_names == ["x=Paris", "x=Rome", "x=(other)"]
    assert encoded(column, ["Oslo", "Bonn", "", "Rome"]) == [[0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 1, 0]]


def test_many_values_become_codes(tmp_path: Path) -> None:
    cells = [f"v{i % 60:02}" for i in range(240)] + ["rare"]
    column = learn(tmp_path, cells)
    assert isinstance(column, Category)
    assert (column.encoding, column.width, column.vocabulary, len(column.values)) == ("embedding", 1, 62, 60)
    assert column.embedding_dimension == round(1.6 * 62**0.56)
    assert encoded(column, ["v00", "v59", None, "rare", "never"]) == [[2], [61], [1], [0], [0]]
    assert column.feature_names == ["x"]
    assert len(set(column.values)) == 60


def test_codes_keep_at_most_twenty_thousand_values(tmp_path: Path) -> None:
    column = learn(tmp_path, [f"v{i % 21_000}" for i in range(42_000)])
    assert isinstance(column, Category)
    assert (len(column.values), column.other, column.embedding_dimension) == (20_000, True, 50)


@pytest.mark.parametrize("pair", [("true", "false"), ("Yes", "no"), ("T", "F"), (True, False)])
def test_yes_or_no(tmp_path: Path, pair: tuple[Any, Any]) -> None:
    column = learn(tmp_path, [pair[i % 2] for i in range(ROWS - 1)] + [None])
    assert isinstance(column, Boolean)
    assert column.feature_names == ["x", "x missing"]
    assert encoded(column, [pair[0], pair[1], None]) == [[1, 0], [0, 0], [0, 1]]
    with pytest.raises(UnreadableCells, match="perhaps"):
        column.encode(pl.Series(["perhaps"]))


@pytest.mark.parametrize(
    ("written", "format"),
    [
        ("{y}-{m:02}-{d:02}", "%Y-%m-%d"),
        ("{y}-{m:02}-{d:02}T10:30:00Z", "%Y-%m-%dT%H:%M:%S%.f%#z"),
        ("{y}-{m:02}-{d:02} 10:30:00", "%Y-%m-%d %H:%M:%S%.f"),
        ("{m}/{d}/{y}", "%m/%d/%Y"),
        ("{d}/{m}/{y}", "%d/%m/%Y"),
        ("{d}.{m}.{y}", "%d.%m.%Y"),
        ("{d} Jan {y}", "%d %b %Y"),
    ],
)
def test_dates_as_people_write_them(tmp_path: Path, written: str, format: str) -> None:
    cells = [written.format(y=2019 + i % 3, m=1 + i % 12, d=1 + i % 28) for i in range(ROWS)]
    column = learn(tmp_path, cells)
    assert isinstance(column, Moment)
    assert column.format == format
    x = column.encode(pl.Series(cells))
    assert np.isfinite(x).all()
    assert column.feature_names[:2] == ["x elapsed", "x year"]
    assert x[:, 0].mean() == pytest.approx(0, abs=1e-4)
    with pytest.raises(UnreadableCells, match="date"):
        column.encode(pl.Series(["soon"]))


def test_cycles_appear_where_they_vary(tmp_path: Path) -> None:
    column = learn(tmp_path, [f"2020-06-01 {i % 24:02}:00" for i in range(ROWS)])
    assert column.feature_names == ["x elapsed", "x hour sine", "x hour cosine"]
    assert np.allclose(column.encode(pl.Series(["2020-06-01 06:00"]))[0, 1:], [1, 0], atol=1e-6)
    assert isinstance(learn(tmp_path, [f"{i % 24:02}:30" for i in range(ROWS)]), Moment)


def test_a_missing_moment(tmp_path: Path) -> None:
    column = learn(tmp_path, [f"2020-01-{1 + i % 28:02}" for i in range(ROWS - 1)] + [""])
    assert column.feature_names[-1] == "x missing"
    assert encoded(column, [""])[0] == [0] * (column.width - 1) + [1]


def test_typed_dates_and_text_dates_are_one(tmp_path: Path) -> None:
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 2, 29), eager=True)
    typed = Recipe.learn(Table.from_frame(pl.DataFrame({"x": days, "y": Y})), "y", validation=0, test=0).columns[0]
    texts = learn(tmp_path, days.cast(pl.Datetime).dt.strftime("%Y-%m-%d").to_list())
    assert np.array_equal(typed.encode(days), texts.encode(days))
    assert np.array_equal(typed.encode(days), typed.encode(days.dt.strftime("%Y-%m-%d")))
    zoned = days.cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    assert np.array_equal(typed.encode(days), typed.encode(zoned))


def test_an_ambiguous_date_is_said(tmp_path: Path) -> None:
    recipe = Recipe.learn(table(tmp_path, x=[f"{1 + i % 12}/{1 + i % 11}/2020" for i in range(ROWS)]), "y")
    assert any("%m/%d/%Y and %d/%m/%Y alike" in note for note in recipe.notes)


@pytest.mark.parametrize(
    ("name", "cells", "reason"),
    [
        ("x", ["same"] * ROWS, "same"),
        ("x", ["3"] * ROWS, "same"),
        ("x", ["", "NA"] * (ROWS // 2), "missing"),
        ("x", [str(i) for i in range(1, ROWS + 1)], "counts the rows"),
        ("user_id", [str(i * 37 % 1009) for i in range(ROWS)], "identifier"),
        ("x", [f"name {i}" for i in range(ROWS)], "different text"),
        ("x", [f"a dark and stormynight{i * 2 // 3}" for i in range(ROWS)], "free text of few words"),
    ],
)
def test_what_is_left_out_and_why(tmp_path: Path, name: str, cells: list[str], reason: str) -> None:
    recipe = Recipe.learn(table(tmp_path, **{name: cells}), "y")
    column = recipe.columns[0]
    assert isinstance(column, LeftOut)
    assert reason in column.reason
    assert column.describe() in recipe.notes
    assert column.width == 0


def test_a_lone_column_that_counts_is_kept() -> None:
    frame = pl.DataFrame({"x": range(ROWS), "y": [2.5 * i for i in range(ROWS)]})
    assert Recipe.learn(Table.from_frame(frame), "y").feature_names == ["x"]


def test_kinds_can_be_overruled(tmp_path: Path) -> None:
    zips = [f"{75000 + i % 5}" for i in range(ROWS)]
    assert learn(tmp_path, zips).kind == "number"
    category = learn(tmp_path, zips, kinds={"x": "category"})
    assert category.feature_names == [f"x={75000 + i}" for i in range(5)]
    assert category.encode(pl.Series([75000.0])).tolist() == category.encode(pl.Series(["75000"])).tolist()
    assert learn(tmp_path, zips, kinds={"x": "leave_out"}).describe() == "x: left out, as asked."
    flags = ["0", "1"] * (ROWS // 2)
    assert learn(tmp_path, flags).kind == "number"
    assert learn(tmp_path, flags, kinds={"x": "boolean"}).kind == "boolean"
    days = [f"2020-01-{1 + i % 28:02}" for i in range(ROWS)]
    assert learn(tmp_path, days, kinds={"x": "moment"}).kind == "moment"
    assert learn(tmp_path, [str(i) for i in range(ROWS)], kinds={"x": "number"}).kind == "number"


@pytest.mark.parametrize("kind", ["number", "moment"])
def test_an_overrule_that_can_not_be(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataError, match=r't\.csv, column "x"'):
        learn(tmp_path, ["red", "blue"] * (ROWS // 2), kinds={"x": kind})


def test_unknown_overrules(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Did you mean other\?"):
        learn(tmp_path, OTHER, kinds={"othr": "number"})
    with pytest.raises(UsageError, match="number, category"):
        learn(tmp_path, OTHER, kinds={"x": "numeric"})


def test_an_infinity_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r't\.csv, column "x": infinite at line 4 \("inf"\)'):
        learn(tmp_path, ["1", "2", "inf", *OTHER])
    column = learn(tmp_path, OTHER)
    with pytest.raises(UnreadableCells, match="finite"):
        column.encode(pl.Series([np.inf]))


def test_numeric_but_for_a_few_cells(tmp_path: Path) -> None:
    cells = [*OTHER, "abc", *OTHER, "unknown"]
    with pytest.raises(DataError) as caught:
        learn(tmp_path, cells)
    for part in (
        'line 62 ("abc")',
        'line 123 ("unknown")',
        "--missing abc",
        "--kind x=category",
        'column "x"',
    ):
        assert part in str(caught.value)
    assert learn(tmp_path, cells, missing=["abc", "unknown"]).kind == "number"
    assert learn(tmp_path, cells, kinds={"x": "category"}).kind == "category"
    assert learn(tmp_path, ["5+", "6+"] * 10 + OTHER).kind == "category"


def test_missing_signs_apply_to_numbers_too() -> None:
    frame = pl.DataFrame({"x": [-999, 1, 2, 3] * 15, "y": Y})
    column = Recipe.learn(Table.from_frame(frame), "y", missing=["-999"]).columns[0]
    assert column.feature_names == ["x", "x missing"]
    assert column.encode(pl.Series([-999]))[0, 1] == 1
    assert column.encode(pl.Series(["-999"]))[0, 1] == 1


def test_frames_of_every_type() -> None:
    frame = pl.DataFrame(
        {
            "flag": [True, False, None] * 20,
            "cat": pl.Series(["u", "v", "w"] * 20, dtype=pl.Categorical),
            "list": [[1], [2], [3]] * 20,
            "decimal": pl.Series([1, 2, 3] * 20).cast(pl.Decimal(10, 2)),
            "span": pl.Series([1, 2, 3] * 20).cast(pl.Duration("us")),
            "time": pl.Series([3_600_000_000_000, 0, 7_200_000_000_000] * 20).cast(pl.Time),
            "none": [None] * 60,
            "float": [1.0, float("nan"), 2.0] * 20,
            "y": [0.5, 1.5, 2.75] * 20,
        }
    )
    recipe = Recipe.learn(Table.from_frame(frame), "y")
    kinds = [column.kind for column in recipe.columns]
    assert kinds == ["boolean", "category", "leave_out", "number", "number", "moment", "leave_out", "number"]
    assert np.isfinite(recipe.rows(Table.from_frame(frame)).x).all()


@pytest.mark.parametrize(
    "column",
    [
        Number("a", 0.1, 1 / 3, 2 / 7, 0.3, True, True, '"1 %"', ("x", "y")),
        Category("a", ("é", "b"), "embedding", True, True),
        Boolean("a", True),
        Moment("a", "%Y", 1 / 3, 0.1, 2000.5, 0.5, ("month", "hour"), True),
        LeftOut("a", "as asked"),
    ],
)
def test_json_gives_back_an_equal_column(column: Column) -> None:
    plain = json.loads(json.dumps(column.to_json()))
    assert column_from_json(plain) == column
    with pytest.raises(DataError, match="does not know"):
        column_from_json({**plain, "novel": 1})
    with pytest.raises(DataError, match="not whole"):
        column_from_json({"kind": column.kind})
    with pytest.raises(DataError, match="does not know"):
        column_from_json({"kind": "novel"})
