"""Tables: every way a file can be read, and every way it can be refused."""

import csv
import gzip
import io
import sys
import time
from pathlib import Path
from subprocess import run
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.tables import csv_file
from pellucid.data.tables.table import BUILT_IN, Table, open_table
from pellucid.errors import DataError


def opened(folder: Path, data: bytes, name: str = "t.csv") -> Table:
    path = folder / name
    path.write_bytes(data)
    return open_table(path)


def cells(table: Table, size: int = 2) -> list[tuple[object, ...]]:
    return pl.concat(list(table.batches(size))).rows()


def refused(folder: Path, data: bytes, *parts: str, name: str = "t.csv") -> None:
    """Reading must fail with a message that has the file's name and all of the parts."""
    with pytest.raises(DataError) as caught:
        list(opened(folder, data, name).batches())
    for part in (name, *parts):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_tables_know_their_target(name: str) -> None:
    table = open_table(name)
    assert table.default_target == BUILT_IN[name][1]
    assert table.default_target in table.columns
    assert table.row_count == {"iris": 150, "wine": 178, "breast_cancer": 569, "digits": 1797, "diabetes": 442}[name]
    assert len(cells(table, 100)) == table.row_count


def test_a_file_wins_over_a_built_in_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_table("iris").row_count == 150
    (tmp_path / "iris").write_bytes(b"a,b\n1,2\n")
    with pytest.raises(DataError, match="can not be read"):
        open_table("iris")


def test_cells_stay_text_and_batches_keep_order(tmp_path: Path) -> None:
    table = opened(tmp_path, b"a,b\n007,x\n1.50, y\n,z\n")
    assert [frame.height for frame in table.batches(2)] == [2, 1]
    assert cells(table) == [("007", "x"), ("1.50", " y"), (None, "z")]
    assert [frame.columns for frame in table.batches(2, columns=["b"])] == [["b"], ["b"]]
    assert table.row_count == 3
    assert table.notes == []


def test_quoted_separators_newlines_and_marks(tmp_path: Path) -> None:
    table = opened(tmp_path, b'a,b\n"x\ny",2\n\n"p ""q"", z",3\r\n4,""\n"""",5')
    assert cells(table) == [("x\ny", "2"), ('p "q", z', "3"), ("4", ""), ('"', "5")]
    assert [table.line(row) for row in range(4)] == [2, 5, 6, 7]
    assert table.place(1) == "line 5"


def test_a_mark_inside_a_cell_is_text(tmp_path: Path) -> None:
    table = opened(tmp_path, b'a,b\n1,5" pipe\n2,"q\nr"\n3, "s, t"\n')
    assert cells(table) == [("1", '5" pipe'), ("2", "q\nr"), ("3", "s, t")]
    assert [table.line(row) for row in range(3)] == [2, 3, 5]
    assert table.row_count == 3


def test_blocks_meet_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the block's size, the same cells and lines come out."""
    lines = "".join(f'{i},"é{i}\n{i}",{"x" * (i % 7)}\n' + "\n" * (i % 3 == 0) for i in range(300))
    path = tmp_path / "t.csv"
    path.write_bytes(("a,b,c\n" + lines).encode())
    whole = open_table(path)
    expected, at = cells(whole, 50), [whole.line(row) for row in range(300)]
    assert at[:4] == [2, 5, 7, 9]
    for size in (13, 14, 64, 1000):
        monkeypatch.setattr(csv_file, "BLOCK", size)
        table = open_table(path)
        table._source._block = size  # pyright: ignore
        assert cells(table, 50) == expected
        assert [table.line(row) for row in range(300)] == at


def test_lines_without_reading_first(tmp_path: Path) -> None:
    assert opened(tmp_path, b"\n\na,b\n1,2\n\n3,4\n").line(1) == 6


def test_a_byte_order_mark_and_other_separators(tmp_path: Path) -> None:
    table = opened(tmp_path, b"\xef\xbb\xbfa;b\n1;2,5\n")
    assert (table.columns, cells(table)) == (["a", "b"], [("1", "2,5")])
    assert "semicolons" in table.notes[0]
    tabbed = opened(tmp_path, b"a\tb\n1\t2\n")
    assert cells(tabbed) == [("1", "2")]
    assert "tabs" in tabbed.notes[0]
    assert opened(tmp_path, b"a\tb\n1\t2\n", "t.tsv").notes == []
    assert opened(tmp_path, b'"a;b",c\n1,2\n').columns == ["a;b", "c"]


def test_one_column_keeps_its_blank_cells(tmp_path: Path) -> None:
    assert cells(opened(tmp_path, b"a\n1\n\n3\n")) == [("1",), (None,), ("3",)]


def test_gzip(tmp_path: Path) -> None:
    assert cells(opened(tmp_path, gzip.compress(b"a,b\n1,2\n"), "t.csv.gz")) == [("1", "2")]
    refused(tmp_path, b"not gzip", "damaged", name="t.csv.gz")
    refused(tmp_path, gzip.compress(b"a,b\n" + b"1,2\n" * 1000)[:-20], "damaged", name="t.csv.gz")


def test_parquet_keeps_types(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": [1, 2, 3], "b": [None, 0.5, 1.0]}).write_parquet(path)
    table = open_table(path)
    assert table.row_count == 3
    assert cells(table) == [(1, None), (2, 0.5), (3, 1.0)]
    assert (table.line(0), table.place(2)) == (1, "row 3")
    refused(tmp_path, b"PAR1", "Parquet", name="bad.parquet")
    pl.DataFrame({"a": []}).write_parquet(path)
    with pytest.raises(DataError, match="no row"):
        open_table(path)


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (b"", ["is empty"]),
        (b"\n \n", ["is empty"]),
        (b"a,b\n", ["2 columns", "no row"]),
        (b"a,b", ["no row"]),
        (b"a,b\n1,2,3\n4\n5,6\n7\n", ["line 2 has 3 cells", "line 3 has 1 cell,", "line 5", "header has 2"]),
        (b'a,b\n"x\ny",2\n3\n', ["line 4 has 1 cell,"]),
        (b'a,b\n1,5" x\n3\n', ["line 3 has 1 cell,"]),
        ("a,b\n1,2\n3,é\n".encode("latin1"), ["line 3", "byte 10", "0xe9", "iconv -f latin1"]),
        ("a,b\n1,2\n".encode("utf-16"), ["line 1", "byte 0", "iconv -f utf-16"]),
        (b"a,b,a\n1,2,3\n", ["line 1", "columns 1 and 3", '"a"']),
        (b",a\n1,2\n", ["line 1", "column 1", "no name"]),
        (b"a,b\r1,2\r", ["carriage return"]),
        (b'a,b\n1,2\n1,"x\n2,3\n', ["line 3", "never closed"]),
    ],
)
def test_what_is_refused(tmp_path: Path, data: bytes, parts: list[str]) -> None:
    refused(tmp_path, data, *parts)


def test_no_such_file_names_the_near_ones(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_bytes(b"a,b\n1,2\n")
    with pytest.raises(DataError, match=r"sales\.csv\?.*Built-in tables: iris, wine"):
        open_table(tmp_path / "sale.csv")
    with pytest.raises(DataError, match=r"did you mean iris\?"):
        open_table("irs")
    with pytest.raises(DataError, match="nor a folder"):
        open_table("/no/such/t.csv")
    with pytest.raises(DataError, match="is a folder"):
        open_table(tmp_path)
    refused(tmp_path, b"a", ".csv, .tsv", name="t.xlsx")


def test_a_file_that_changes_is_refused(tmp_path: Path) -> None:
    table = opened(tmp_path, b"a,b\n1,2\n")
    opened(tmp_path, b"a,b\n1,2\n3,4\n")
    with pytest.raises(DataError, match="changed"):
        list(table.batches())


def test_frames_of_three_libraries() -> None:
    pandas = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None], 3: [1, "z"], "c": pd.Categorical(["u", "v"])})
    table = Table.from_frame(pandas)
    assert table.columns == ["a", "b", "3", "c"]
    assert table.row_count == 2
    assert cells(table)[1][1:] == (None, "z", "v")
    assert Table.from_frame(pl.DataFrame({"a": [1]})).columns == ["a"]
    assert Table.from_frame(pl.LazyFrame({"a": [1]})).columns == ["a"]
    assert cells(Table.from_frame(pa.table({"a": [1, 2]}))) == [(1,), (2,)]


@pytest.mark.parametrize("frame", [pd.DataFrame({"a": []}), pl.DataFrame(), {"a": [1]}, None, np.ones((2, 2))])
def test_frames_that_are_refused(frame: object) -> None:
    with pytest.raises(DataError):
        Table.from_frame(frame)


def test_two_columns_of_one_name_in_a_frame() -> None:
    with pytest.raises(DataError, match=r"one name|called|unique|duplicate"):
        Table.from_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]))


MEASURE = """
import sys
from pathlib import Path
from pellucid.data.tables.table import open_table
def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
list(open_table("iris").batches())
before = most = held()
rows = 0
for frame in open_table(sys.argv[1]).batches():
    rows += frame.height
    most = max(most, held())
print(rows, most - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory use from /proc")
def test_memory_stays_bounded(tmp_path: Path) -> None:
    """150 MB of CSV, read in a process of its own, holds less than 150 MB at any moment; so would 150 GB."""
    path = tmp_path / "large.csv"
    chunk = "".join(f"{i},{i * 0.37:.6f},{i * i % 9973},some text {i % 50}\n" for i in range(25_000)).encode()
    times = 150_000_000 // len(chunk)
    with path.open("wb") as file:
        file.write(b"a,b,c,d\n")
        for _ in range(times):
            file.write(chunk)
    start = time.perf_counter()
    done = run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    rows, growth = map(int, done.stdout.split())
    assert rows == times * 25_000
    assert growth < 150_000_000
    assert time.perf_counter() - start < 30


CELLS = st.sampled_from(["", "a", "1.5", 'q"x', '"', "x,y", "l1\nl2", "é ü", "\r\n", " lead", '""', ";", "NA", "#"])


@settings(deadline=None)
@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=12),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    last_end=st.booleans(),
    block=st.sampled_from([7, 33, 100, 8 << 20]),
    size=st.sampled_from([1, 3, 100]),
)
def test_the_same_cells_as_the_csv_module(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    end: str,
    quoting: Any,
    last_end: bool,
    block: int,
    size: int,
) -> None:
    """Any table that Python's csv module writes comes back cell by cell, each on its line."""
    text, at = io.StringIO(), list[int]()
    writer = csv.writer(text, lineterminator=end, quoting=quoting)
    writer.writerow(["c0", "c1", "c2"])
    for row in rows:
        at.append(text.getvalue().count("\n") + 1)
        writer.writerow(row)
    data = text.getvalue().encode()
    table = opened(tmp_path_factory.getbasetemp(), data if last_end else data[: -len(end)], "any.csv")
    table._source._block = block  # pyright: ignore
    assert [[cell or "" for cell in row] for row in cells(table, size)] == rows
    assert table.row_count == len(rows)
    assert [table.line(row) for row in range(len(rows))] == at
