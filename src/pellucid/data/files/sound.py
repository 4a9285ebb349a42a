"""Sound files as numbers: decoded by libsndfile, brought to one rate and length, made spectrograms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pellucid.arguments import whole
from pellucid.data.files.labelled_files import LabelledFiles, find_files
from pellucid.data.files.spectrogram import Bands, Signal
from pellucid.data.rows import MEMORY_LIMIT, filling, room
from pellucid.errors import DataError, UsageError

FORMATS = {"WAV": None, "WAVEX": None, "FLAC": None, "OGG": "VORBIS", "MP3": None}
"""What is decoded: container, and where only one is meant, the coding in it."""
SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".mp3")
LONGEST = 600.0
BLOCK = 1 << 16


class Header(NamedTuple):
    """What a file says of itself before it is decoded."""

    rate: int
    frames: int

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


@dataclass(frozen=True, kw_only=True)
class Sounds(LabelledFiles):
    """x: float32 (n, frames, mels) log-mel spectrograms, y, classes, files; each of `seconds` at `rate` Hz."""

    rate: int
    seconds: float


def sounds(
    source: str | Path | Iterable[str | Path],
    rate: int | None = None,
    seconds: float | None = None,
    mels: int = 40,
    *,
    labels: Sequence[str] | None = None,
    window: float = 0.025,
    hop: float = 0.01,
    longest: float = LONGEST,
    memory_limit: int = MEMORY_LIMIT,
) -> Sounds:
    """The log-mel spectrograms of a folder's sounds (its folders are the classes), or of a list of files.

    rate: samples a second that all are brought to; the commonest among the files if not given.
    seconds: the length of each, that of the longest if not given. A longer sound keeps its middle, a shorter one
        stands in the middle of silence.
    mels, window, hop: as in `log_mel_spectrogram`. labels: the classes, for a list of files.
    longest: a file of more seconds is refused before it is decoded.

    WAV, FLAC, OGG Vorbis and MP3 are read, one after the other; above `memory_limit` bytes x lies in a temporary
    file, mapped into memory. Raises DataError naming the file that cannot be read, UsageError for arguments out of
    range.

    >>> import tempfile, soundfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name, pitch in (("low", 300), ("high", 2000)):
    ...     (folder / name).mkdir()
    ...     tone = 0.5 * np.sin(2 * np.pi * pitch * np.arange(4000) / 8000)
    ...     soundfile.write(folder / name / "tone.wav", tone, 8000)
    >>> found = sounds(folder, mels=20)
    >>> found.x.shape, found.classes, found.y.tolist(), found.x.mean(axis=1).argmax(axis=1).tolist()
    ((2, 48, 20), ('high', 'low'), [0, 1], [14, 3])
    """
    found = find_files(source, SUFFIXES, "sounds", labels)
    headers = [header(file, longest) for file in found.files]
    rate = commonest([head.rate for head in headers]) if rate is None else rate
    seconds = max(head.seconds for head in headers) if seconds is None else seconds
    if not 0 < seconds < math.inf:
        raise UsageError(f"seconds={seconds!r}: a length above 0")
    length = max(1, round(seconds * rate))
    band = Bands.of(rate, mels, window, hop)
    x, folder = room((len(found.files), band.frames(length), mels), memory_limit)
    with filling(folder):
        for i, file in enumerate(found.files):
            samples, _ = read_sound(file, rate, longest)
            x[i] = band.apply(of_length(samples, length))
    return Sounds(
        x=x, y=found.y, classes=found.classes, files=found.files, folder=folder, rate=rate, seconds=length / rate
    )


def read_sound(file: str | Path, rate: int | None = None, longest: float = LONGEST) -> tuple[Signal, int]:
    """The samples of a sound file, float32 (t,) from -1 to 1, and their rate in Hz.

    Several channels become their mean. rate: what it is brought to by a polyphase filter (scipy.signal.resample_poly);
    its own if not given. Raises DataError for a file that is missing, torn, of a format that is not read, of no
    samples, with samples that are no numbers, or longer than `longest` seconds; the last before it is decoded.

    >>> import tempfile, soundfile
    >>> file = Path(tempfile.mkdtemp()) / "both.wav"
    >>> soundfile.write(file, np.array([[0.5, 0.25], [-0.5, 0.0]]), 8000)
    >>> read_sound(file)
    (array([ 0.375, -0.25 ], dtype=float32), 8000)
    """
    head = header(file, longest)
    soundfile = _soundfile()
    most = math.ceil(longest * head.rate)
    try:
        with soundfile.SoundFile(str(file)) as sound:
            parts = [block.mean(axis=1, dtype=np.float32) for block in islice(_blocks(sound), most // BLOCK + 1)]
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise DataError(f"{file} cannot be decoded ({error}): mend it or take it out.") from error
    samples = np.concatenate([*parts, np.zeros(0, np.float32)])
    if len(samples) > most:
        raise DataError(_too_long(file, longest, longest))
    if len(samples) < head.frames:
        raise DataError(f"{file} is torn: {len(samples):,} of its {head.frames:,} samples can be decoded.")
    if not np.isfinite(samples).all():
        raise DataError(f"{file} holds samples that are not finite (at {int((~np.isfinite(samples)).argmax())}).")
    return (samples, head.rate) if rate is None else (resampled(samples, head.rate, rate), rate)


def _blocks(sound: Any) -> Iterator[Signal]:
    """Sample by channel, a piece at a time; not by SoundFile.blocks, which fills up what a torn file lacks."""
    while len(block := sound.read(BLOCK, dtype="float32", always_2d=True)):
        yield block


def header(file: str | Path, longest: float = LONGEST) -> Header:
    """Rate and length of a sound file, from its header. Raises DataError as `read_sound`."""
    soundfile = _soundfile()
    path = Path(file)
    if not path.is_file():
        raise DataError(f"There is no file {file}.")
    try:
        about = soundfile.info(str(path))
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise DataError(f"{file} is no sound that can be read (WAV, FLAC, OGG Vorbis, MP3), or torn.") from error
    if about.format not in FORMATS or FORMATS[about.format] not in (None, about.subtype):
        raise DataError(
            f"{file} is {about.format} ({about.subtype}); sounds are read from WAV, FLAC, OGG Vorbis and MP3: convert "
            "it."
        )
    if not about.frames:
        raise DataError(f"{file} holds no samples: take it out.")
    head = Header(about.samplerate, about.frames)
    if head.seconds > longest:
        raise DataError(_too_long(file, head.seconds, longest))
    return head


def resampled(samples: Signal, old: int, new: int) -> Signal:
    """The sound at another rate: length t · new / old, rounded up."""
    whole("rate", new)
    if new == old:
        return samples
    from scipy.signal import resample_poly

    shared = math.gcd(old, new)
    return np.asarray(resample_poly(samples, new // shared, old // shared), np.float32)


def of_length(samples: Signal, length: int) -> Signal:
    """The middle `length` samples; of a shorter sound all, in the middle of zeros.

    >>> of_length(np.arange(5, dtype="float32"), 3), of_length(np.ones(2, "float32"), 5)
    (array([1., 2., 3.], dtype=float32), array([0., 1., 1., 0., 0.], dtype=float32))
    """
    if len(samples) >= length:
        first = (len(samples) - length) // 2
        return samples[first : first + length]
    before = (length - len(samples)) // 2
    return np.pad(samples, (before, length - len(samples) - before))


def commonest(rates: list[int]) -> int:
    """The rate of most sounds; of equally common ones the lowest."""
    counts = Counter(rates)
    return min(counts, key=lambda rate: (-counts[rate], rate))


def _too_long(file: str | Path, seconds: float, longest: float) -> str:
    return f"{file} lasts {seconds:,.0f} s, more than {longest:g} s: cut it, or raise longest=."


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the wheel lacks libsndfile for this machine
        raise UsageError(
            f'sounds are read by soundfile, which is missing: pip install "pellucid[sound]" ({error})'
        ) from error
    return soundfile
