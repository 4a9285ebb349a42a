"""Sounds: decoded as they were written, spectrograms as torch and SciPy have them, bands as computed by hand."""

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal

import pellucid as pl
from pellucid.data.files.sound import header, of_length, read_sound, resampled
from pellucid.data.files.spectrogram import FLOOR, Bands, mel_filterbank
from pellucid.errors import DataError, UsageError

soundfile = pytest.importorskip("soundfile")
torch = pytest.importorskip("torch")
RNG = np.random.default_rng(0)


def tone(pitch: float, seconds: float = 0.5, rate: int = 8000) -> Any:
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)


def written(folder: Path, name: str, samples: Any, rate: int = 8000, **how: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, **how)
    return path


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_samples_come_back_as_written(tmp_path: Path, name: str) -> None:
    samples = RNG.integers(-(2**15), 2**15, 3000).astype(np.int16)
    found, rate = read_sound(written(tmp_path, name, samples))
    assert rate == 8000
    assert found.dtype == np.float32
    assert np.array_equal(found, samples / 2.0**15)


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_files_keep_the_pitch(tmp_path: Path, name: str) -> None:
    found, rate = read_sound(written(tmp_path, name, tone(1000, 1.0)))
    assert np.abs(np.fft.rfft(found)).argmax() * rate / len(found) == pytest.approx(1000, abs=2)


def test_channels_become_their_mean(tmp_path: Path) -> None:
    both = np.stack([tone(300), tone(900), tone(40)], axis=1)
    found, _ = read_sound(written(tmp_path, "a.wav", both, subtype="FLOAT"))
    assert found == pytest.approx(both.astype(np.float32).mean(axis=1), abs=3 * 2**-24)


@pytest.mark.parametrize(("old", "new"), [(16000, 8000), (44100, 16000), (8000, 11025)])
def test_resampling_keeps_a_tone(old: int, new: int) -> None:
    found = resampled(tone(440, 1.0, old).astype(np.float32), old, new)
    assert len(found) == math.ceil(old * new / old)
    middle = slice(new // 10, -new // 10)
    assert np.abs(found - tone(440, 1.0, new))[middle].max() < 0.005  # the filter's ripple in the pass band


def test_a_sound_keeps_its_middle_or_stands_in_the_middle() -> None:
    row = np.arange(1, 8, dtype=np.float32)
    assert of_length(row, 4).tolist() == [2, 3, 4, 5]
    assert of_length(row, 10).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 0]
    assert of_length(row, 7) is not None and np.array_equal(of_length(row, 7), row)


@pytest.mark.parametrize(("rate", "width", "step", "size"), [(8000, 200, 80, 256), (16000, 400, 160, 512)])
def test_power_is_that_of_torch_and_scipy(rate: int, width: int, step: int, size: int) -> None:
    """With the filterbank taken out: a bank that passes each frequency on shows the power itself."""
    samples = RNG.normal(size=3000)
    bands = Bands.of(rate, 20, 0.025, 0.01)
    assert (len(bands.hann), bands.step, 2 * len(bands.bank) - 2) == (width, step, size)
    ours = np.exp(Bands(bands.hann, step, np.eye(size // 2 + 1), 1e-30).apply(samples).astype(np.float64)).T
    window = torch.hann_window(width, periodic=True, dtype=torch.float64)
    # torch puts a window shorter than the transform in its middle: hence zeros before the first frame.
    before = (size - width) // 2
    padded = torch.from_numpy(np.pad(samples, (before, size)))
    spectrum = torch.stft(
        padded, size, step, width, window, center=False, onesided=True, return_complex=True
    ).abs().square().numpy()  # fmt: skip
    assert ours.shape[1] == 1 + (3000 - width) // step
    # float32 logarithms of values below 12 are off by 2^-21 at most, float64 cancels below that.
    assert ours == pytest.approx(spectrum[:, : ours.shape[1]], rel=2e-6, abs=1e-12)
    _, _, wave = scipy.signal.stft(
        samples, window=bands.hann, nperseg=width, noverlap=width - step, nfft=size, boundary=None, padded=False,
        scaling="spectrum",
    )  # fmt: skip
    assert ours == pytest.approx(np.abs(wave * bands.hann.sum()) ** 2, rel=2e-6, abs=1e-12)


def test_a_filterbank_by_hand() -> None:
    """3 bands from 0 to 4000 Hz. Equal steps of log(1 + f / 700) multiply 1 + f / 700 by one factor, here 4 times:
    (47 / 7)^¼ = √√(47 / 7), which gives 426.8, 1113.8 and 2219.8 Hz between 0 and 4000."""
    bank = mel_filterbank(8000, 16, 3)
    assert bank.shape == (9, 3)
    factor = math.sqrt(math.sqrt(47 / 7))
    corners = [700 * (factor**i - 1) for i in range(5)]
    assert [round(c, 1) for c in corners] == [0, 426.8, 1113.8, 2219.8, 4000]
    by_hand = np.zeros((9, 3))
    for k in range(9):
        f = 500 * k
        for m in range(3):
            left, top, right = corners[m : m + 3]
            if left <= f <= top:
                by_hand[k, m] = (f - left) / (top - left)
            elif top < f <= right:
                by_hand[k, m] = (right - f) / (right - top)
    assert bank == pytest.approx(by_hand, abs=1e-12)
    inside = (np.arange(9) * 500 >= corners[1]) & (np.arange(9) * 500 <= corners[3])
    assert bank.sum(axis=1)[inside] == pytest.approx(np.ones(inside.sum()))  # neighbours share a frequency


def test_the_spectrogram_of_silence_is_the_floor_and_short_sounds_make_one_frame() -> None:
    y = pl.log_mel_spectrogram(np.zeros(50), 8000, mels=10)
    assert y.shape == (1, 10)
    assert y == pytest.approx(np.full((1, 10), math.log(FLOOR)))
    long = pl.log_mel_spectrogram(np.zeros(8000 * 40), 8000, mels=10)
    assert long.shape == (1 + (320_000 - 200) // 80, 10)


def test_a_tone_is_loudest_in_the_band_around_it() -> None:
    for pitch in (200, 1000, 3000):
        bank = mel_filterbank(8000, 256, 40)
        y = pl.log_mel_spectrogram(tone(pitch), 8000)
        assert y.mean(axis=0).argmax() == bank[round(pitch / 8000 * 256)].argmax()


def test_a_folder_of_class_folders(tmp_path: Path) -> None:
    written(tmp_path, "low/b.wav", tone(200))
    written(tmp_path, "low/deeper/a.flac", tone(250))
    written(tmp_path, "high/a.ogg", tone(2000, 0.25))
    written(tmp_path, "high/slow.wav", tone(2000, rate=16000), 16000)
    (tmp_path / "low" / "notes.txt").write_text("not a sound")
    (tmp_path / ".cache").mkdir()
    found = pl.sounds(tmp_path, mels=20)
    assert [file.relative_to(tmp_path).as_posix() for file in found.files] == [
        "high/a.ogg", "high/slow.wav", "low/b.wav", "low/deeper/a.flac",
    ]  # fmt: skip
    assert (found.classes, found.y.tolist(), found.y.dtype) == (("high", "low"), [0, 0, 1, 1], np.int32)
    assert (found.rate, found.seconds, found.x.shape, found.x.dtype) == (8000, 0.5, (4, 48, 20), np.float32)
    assert np.array_equal(found.x[2], pl.log_mel_spectrogram(read_sound(found.files[2])[0], 8000, 20))
    assert len(found) == 4
    short = pl.sounds(tmp_path, rate=4000, seconds=0.1, mels=10)
    assert (short.rate, short.x.shape) == (4000, (4, 1 + (400 - 100) // 40, 10))


def test_a_list_of_files_with_and_without_labels(tmp_path: Path) -> None:
    files = [written(tmp_path, f"{i}.wav", tone(300 * i)) for i in (3, 1, 2)]
    bare = pl.sounds(files)
    assert (bare.files, bare.classes, bare.y.tolist()) == (tuple(files), (), [-1, -1, -1])
    named = pl.sounds(files, labels=["b", "a", "b"])
    assert (named.classes, named.y.tolist()) == (("a", "b"), [1, 0, 1])
    assert pl.sounds(files[0]).x.shape == (1, 48, 40)
    assert pl.sounds(tmp_path).classes == ()


def test_many_lie_in_a_file_that_goes_with_them(tmp_path: Path) -> None:
    files = [written(tmp_path, f"{i}.wav", tone(300 * (i + 1))) for i in range(3)]
    small, large = pl.sounds(files, mels=8), pl.sounds(files, mels=8, memory_limit=1000)
    assert small.folder is None
    assert large.folder is not None and large.folder.is_dir()
    assert isinstance(large.x, np.memmap) and np.array_equal(small.x, large.x)
    folder = large.folder
    del large
    assert not folder.exists()


def test_nothing_is_left_behind_where_a_file_is_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    files = [written(tmp_path, f"{i}.flac", RNG.normal(size=8000) / 10) for i in range(2)]
    files[1].write_bytes(files[1].read_bytes()[:2000])
    with pytest.raises(DataError, match=r"1\.flac cannot be decoded"):
        pl.sounds(files, memory_limit=1000)
    assert not list(temporary.iterdir())


def test_bad_files_are_named(tmp_path: Path) -> None:
    text = tmp_path / "text.wav"
    text.write_text("hello")
    long = written(tmp_path, "long.wav", np.zeros(3 * 8000))
    foreign = written(tmp_path, "foreign.wav", tone(300), format="AIFF")
    empty = written(tmp_path, "empty.wav", np.zeros(0))
    infinite = written(tmp_path, "infinite.wav", np.array([0, np.inf]), subtype="FLOAT")
    for file, message in (
        (text, "no sound that can be read"),
        (long, r"lasts 3 s, more than 2 s"),
        (foreign, r"AIFF \(PCM_16\)"),
        (empty, "no samples"),
        (infinite, "not finite"),
        (tmp_path / "absent.wav", "no file"),
    ):
        with pytest.raises(DataError, match=message) as caught:
            read_sound(file, longest=2)
        assert file.name in str(caught.value)
    with pytest.raises(DataError, match="more than 2 s"):
        header(long, 2)


@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_half_a_file_is_torn(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, name, RNG.normal(size=40_000) / 10)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"{name} (is torn: \d|cannot be decoded)"):
        read_sound(path)
    capfd.readouterr()


def test_bad_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        pl.sounds(tmp_path / "absent")
    with pytest.raises(DataError, match=r"holds no sounds .*, but no files"):
        pl.sounds(tmp_path)
    with pytest.raises(DataError, match="list of sounds is empty"):
        pl.sounds([])
    written(tmp_path, "a.wav", tone(300))
    written(tmp_path, "class/a.wav", tone(300))
    with pytest.raises(DataError, match=r"1 sounds of no class \(a.wav\)"):
        pl.sounds(tmp_path)
    with pytest.raises(UsageError, match="labels go with a list"):
        pl.sounds(tmp_path, labels=["a"])
    with pytest.raises(UsageError, match="2 labels for 1 sounds"):
        pl.sounds([tmp_path / "a.wav"], labels=["a", "b"])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"mels": 0}, "mels=0"),
        ({"mels": 200}, "too many"),
        ({"window": 0}, "window=0"),
        ({"window": 1e-5}, "less than 2 samples"),
        ({"hop": -1}, "hop=-1"),
        ({"low": 4000}, "low=4000"),
        ({"high": 5000}, "high=5000"),
        ({"floor": 0}, "floor=0"),
        ({"rate": 0}, "rate=0"),
    ],
    ids=lambda value: next(iter(value)) + str(next(iter(value.values()))) if isinstance(value, dict) else "",
)
def test_bad_arguments(how: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pl.log_mel_spectrogram(np.zeros(4000), **{"rate": 8000, **how})


def test_bad_samples(tmp_path: Path) -> None:
    for samples in (np.zeros((2, 3)), np.zeros(0), np.array([np.nan]), np.array(["a"])):
        with pytest.raises(DataError, match="one row of finite numbers"):
            pl.log_mel_spectrogram(samples, 8000)
    with pytest.raises(UsageError, match="seconds=0"):
        pl.sounds([written(tmp_path, "a.wav", tone(300))], seconds=0)


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, "a.wav", tone(300))
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(UsageError, match=r"pellucid\[sound\]"):
        read_sound(file)
