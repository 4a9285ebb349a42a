"""A folder of pictures or sounds as rows to train on or to predict: its files, their classes, what they become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pellucid.data.files import pictures, sound, spectrogram
from pellucid.data.files.labelled_files import Found, LabelledFiles, find_files
from pellucid.data.files.pictures import Look
from pellucid.data.tables.plain import Plain, plain_from_json
from pellucid.errors import DataError

MOST_SIDE = 96
"""Pixels of the longer side, if no size is asked for: of larger pictures a network on a processor learns too slowly."""
MOST_SECONDS = 10.0
LONG = 0.95
"""If no length is asked for, this share of the sounds is not cut."""
MELS, WINDOW, HOP = 40, 0.025, 0.01
"""Bands, and seconds: as `sounds` has them if nothing is said."""


@dataclass(frozen=True)
class Pixels:
    """How the files of a folder of pictures become numbers: uint8 (height, width, channels)."""

    kind: ClassVar[str] = "pictures"
    package: ClassVar[str] = "pillow"
    suffixes: ClassVar[tuple[str, ...]] = pictures.SUFFIXES
    upright: ClassVar[bool] = False
    look: Look

    @classmethod
    def choose(cls, found: Found, size: tuple[int, int] | None, notes: list[str]) -> Pixels:
        """A size that suits the pictures, if none is asked for; grey if all of them are."""
        _, headers, _ = pictures.surveyed(found, skip=True)
        sizes = np.array([header.size for header in headers])
        if size is None:
            middle = np.median(sizes, axis=0)
            height, width = (max(1, round(n)) for n in (middle * min(1.0, MOST_SIDE / middle.max())).tolist())
            size = (height, width)
        color = "grey" if all(header.grey for header in headers) else "rgb"
        odd = int((sizes != size).any(axis=1).sum())
        if odd:
            whose = "All pictures" if odd == len(sizes) else f"{odd:,} of {len(sizes):,} pictures"
            notes.append(
                f"{whose} are brought to {size[0]} × {size[1]} pixels (height × width), whole, with black beside "
                "those of another shape; --size chooses another size."
            )
        return cls(Look(size, color).check())

    @property
    def shape(self) -> tuple[int, ...]:
        return self.look.shape

    def read(self, found: Found, skip: bool) -> tuple[LabelledFiles, tuple[str, ...]]:
        """The files as numbers, and why some are left out."""
        done = pictures.decoded(found, self.look, skip)
        return done, done.skipped

    def name_of(self, place: Sequence[int]) -> str:
        """What a number of a picture is called."""
        row, column, channel = place
        color = "" if self.look.color == "grey" else f" {('red', 'green', 'blue')[channel]}"
        return f"pixel[{row},{column}]{color}"

    def describe(self) -> str:
        return (
            f"pixel: {self.look.size[0]} × {self.look.size[1]} {'grey' if self.look.color == 'grey' else 'coloured'} "
            "pixels, each from 0 (black) to 255."
        )

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, **self.look._asdict()}


@dataclass(frozen=True)
class Spectrograms(Plain):
    """How the files of a folder of sounds become numbers: log-mel spectrograms, float32 (frames, mels)."""

    kind: ClassVar[str] = "sounds"
    package: ClassVar[str] = "soundfile"
    suffixes: ClassVar[tuple[str, ...]] = sound.SUFFIXES
    upright: ClassVar[bool] = True
    """Their first axis is time, which is drawn to the right."""
    rate: int
    seconds: float
    mels: int
    window: float
    hop: float

    @classmethod
    def choose(cls, found: Found, notes: list[str]) -> Spectrograms:
        """The commonest rate, and a length that most of the sounds do not exceed."""
        headers = [header for header in _headers(found) if isinstance(header, sound.Header)]
        if not headers:
            raise DataError(f"none of the {len(found.files):,} sounds can be read: {_headers(found)[0]}")
        lengths = sorted(header.seconds for header in headers)
        seconds = min(MOST_SECONDS, lengths[int(LONG * (len(lengths) - 1) + 0.5)])
        if cut := sum(length > seconds for length in lengths):
            notes.append(
                f"{cut:,} of {len(lengths):,} sounds are longer than {seconds:.3g} s; of them the middle is heard."
            )
        return cls(sound.commonest([header.rate for header in headers]), seconds, MELS, WINDOW, HOP)

    @property
    def shape(self) -> tuple[int, ...]:
        bands = spectrogram.Bands.of(self.rate, self.mels, self.window, self.hop)
        return (bands.frames(max(1, round(self.seconds * self.rate))), self.mels)

    def read(self, found: Found, skip: bool) -> tuple[LabelledFiles, tuple[str, ...]]:
        """The files as numbers, and why some are left out: those whose headers cannot be read."""
        headers = _headers(found)
        why = [header for header in headers if isinstance(header, DataError)]
        if why and (not skip or len(why) == len(headers)):
            raise why[0]
        kept = found.part([i for i, header in enumerate(headers) if isinstance(header, sound.Header)])
        given = {name: value for name, value in asdict(self).items() if name not in ("rate", "seconds", "mels")}
        done = sound.sounds(kept.files, self.rate, self.seconds, self.mels, **given)
        read = LabelledFiles(x=done.x, y=kept.y, classes=kept.classes, files=kept.files, folder=done.folder)
        return read, tuple(map(str, why))

    def name_of(self, place: Sequence[int]) -> str:
        """What a number of a spectrogram is called."""
        return f"frame {place[0]}, band {place[1]}"

    def describe(self) -> str:
        frames, bands = self.shape
        return (
            f"frame: {frames:,} frames of {bands} mel bands, each the logarithm of its power, of {self.seconds:.3g} s "
            f"at {self.rate:,} Hz."
        )


Reading = Pixels | Spectrograms


def reading_from_json(plain: Mapping[str, Any]) -> Reading:
    """What `to_json` wrote."""
    if plain["kind"] == Spectrograms.kind:
        return plain_from_json(Spectrograms, plain)
    given: dict[str, Any] = {name: value for name, value in plain.items() if name not in ("kind", "size")}
    return Pixels(Look(tuple(plain["size"]), **given))


def _headers(found: Found) -> list[sound.Header | DataError]:
    """What each sound file says of itself, or why it cannot be read."""
    headers: list[sound.Header | DataError] = []
    for file in found.files:
        try:
            headers.append(sound.header(file))
        except DataError as error:
            headers.append(error)
    return headers


class Folder:
    """Files of one kind, in order, with the class of each where their folders say it."""

    def __init__(self, path: Path, found: Found, kind: str, notes: Sequence[str] = ()) -> None:
        self.path, self.found, self.kind = path, found, kind
        self.notes = list(notes)
        self._read: tuple[Reading, LabelledFiles] | None = None

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def row_count(self) -> int:
        return len(self.found.files)

    @property
    def file_names(self) -> list[str]:
        """Each file from the folder on: "seven/12.png"."""
        base = self.path if self.path.is_dir() else self.path.parent
        return [
            file.relative_to(base).as_posix() if file.is_relative_to(base) else str(file) for file in self.found.files
        ]

    def numbers(self, how: Reading, skip: bool = False) -> LabelledFiles:
        """The files as numbers, read once; files that are skipped are in `found` no longer, and in `notes`."""
        if self._read is None or self._read[0] != how:
            done, why = how.read(self.found, skip)
            if why:
                more = f" and {len(why) - 3:,} more" if len(why) > 3 else ""
                self.notes.append(f"{len(why):,} of {self.row_count:,} files are left out: {' '.join(why[:3])}{more}")
                self.found = Found(done.files, done.y, done.classes)
            self._read = how, done
        return self._read[1]

    def batches(self, how: Reading, size: int = 4096) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
        """(x, row numbers from 0), some files at a time."""
        x = self.numbers(how, skip=True).x
        for first in range(0, len(x), size):
            part = np.asarray(x[first : first + size])
            yield part, np.arange(first, first + len(part))


def open_folder(path: str | Path) -> Folder:
    """The pictures or sounds of a folder, whichever it holds, or the one in a file.

    Raises DataError where it holds none, or both.
    """
    root = Path(path).expanduser()
    inside = [root] if root.is_file() else list(root.rglob("*"))
    counts = {kind: sum(p.suffix.lower() in kind.suffixes for p in inside) for kind in (Pixels, Spectrograms)}
    if all(counts.values()):
        both = " and ".join(f"{count:,} {kind.kind}" for kind, count in counts.items())
        raise DataError(f"{root} holds {both}: give a folder that holds one or the other.")
    known = next((kind for kind, count in counts.items() if count), None)
    if known is None:
        raise DataError(
            f"{root} holds no pictures ({', '.join(Pixels.suffixes)}) and no sounds "
            f"({', '.join(Spectrograms.suffixes)})."
        )
    found = find_files(root, known.suffixes, known.kind)
    other = sum(p.is_file() for p in inside) - len(found.files)
    passed = f"{other:,} other {'files are' if other > 1 else 'file is'} passed by; only {known.kind} are read."
    return Folder(root, found, known.kind, [passed] if other else ())
