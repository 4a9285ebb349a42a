"""A sound as a log-mel spectrogram, by our own arithmetic.

Frames times a Hann window, their power by the Fourier transform, added up in bands that are equally wide to the ear,
and the logarithm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.arguments import whole
from pellucid.errors import DataError, UsageError

Signal = NDArray[np.float32]

FLOOR = 1e-6
"""Power that counts as silence, a little above the rounding of 16-bit samples: about (2^-15)²/12 times the window."""


def log_mel_spectrogram(
    samples: Any,
    rate: int,
    mels: int = 40,
    *,
    window: float = 0.025,
    hop: float = 0.01,
    low: float = 0.0,
    high: float | None = None,
    floor: float = FLOOR,
) -> Signal:
    """How loud each band of pitch is at each moment: float32 (frames, mels), natural logarithms of power.

    y[f, m] = log(max(floor, Σ_k bank[k, m] · |Σ_t hann[t] · x[f · hop + t] · e^(-2πi k t / size)|²)),
    hann[t] = ½ - ½ cos(2π t / w), w = window · rate samples, size: w rounded up to a power of 2.
    frames = 1 + (t - w) / hop, rounded down; a sound shorter than w gets zeros after it.

    samples: (t,) at `rate` Hz. window, hop: seconds. low, high: the lowest and highest pitch in Hz, high = rate / 2 if
    not given. bank: `mel_filterbank`. Raises DataError for samples that are not one row of finite numbers, UsageError
    for arguments out of range.

    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    >>> y = log_mel_spectrogram(tone, 8000, mels=20)
    >>> y.shape, int(y[0].argmax())
    ((98, 20), 9)

    Source: Davis and Mermelstein (1980), doi:10.1109/TASSP.1980.1163420.
    """
    row = np.asarray(samples)
    if row.ndim != 1 or not len(row) or row.dtype.kind not in "iuf" or not np.isfinite(row).all():
        raise DataError(
            f"samples of shape {row.shape} and dtype {row.dtype}: expected one row of finite numbers, (t,)."
        )
    return Bands.of(rate, mels, window, hop, low, high, floor).apply(row)


def mel_filterbank(rate: int, size: int, mels: int = 40, low: float = 0.0, high: float | None = None) -> Any:
    """Triangles over the frequencies of a Fourier transform, evenly spaced to the ear: float64 (size / 2 + 1, mels).

    mel(f) = 2595 · log10(1 + f / 700), the scale of HTK; corners c_0 … c_{mels + 1} equally far apart in mel from low
    to high. bank[k, m] = max(0, min((f_k - c_m) / (c_{m+1} - c_m), (c_{m+2} - f_k) / (c_{m+2} - c_{m+1}))) with
    f_k = k · rate / size in Hz: each triangle rises from one corner to 1 at the next, and falls to the one after it.

    Raises UsageError for arguments out of range, and where a triangle is so narrow that it holds no frequency.

    >>> mel_filterbank(8000, 16, mels=3).round(3)[:5]
    array([[0.   , 0.   , 0.   ],
           [0.893, 0.107, 0.   ],
           [0.166, 0.834, 0.   ],
           [0.   , 0.651, 0.349],
           [0.   , 0.199, 0.801]])

    Source: O'Shaughnessy, Speech Communication (1987), p. 150; Young et al., The HTK Book, section 5.4.
    """
    high = rate / 2 if high is None else high
    whole("mels", mels)
    if not 0 <= low < high <= rate / 2:
        raise UsageError(f"low={low}, high={high}: pitches in Hz, 0 <= low < high <= rate / 2 = {rate / 2:g}")
    corners = 700 * (10 ** (np.linspace(_mel(low), _mel(high), mels + 2) / 2595) - 1)
    f = np.arange(size // 2 + 1)[:, None] * (rate / size)
    rising = (f - corners[:-2]) / np.diff(corners)[:-1]
    falling = (corners[2:] - f) / np.diff(corners)[1:]
    bank = np.maximum(0, np.minimum(rising, falling))
    if not bank.any(axis=0).all():
        raise UsageError(
            f"mels={mels} are too many: between frequencies {rate / size:.3g} Hz apart, a band would hold none. Take "
            "fewer, or a longer window."
        )
    return bank


def _mel(frequency: float) -> float:
    return 2595 * math.log10(1 + frequency / 700)


@dataclass(frozen=True)
class Bands:
    """What a spectrogram is made with: the window, how far it moves, the bands, the floor."""

    hann: NDArray[np.float64]
    step: int
    bank: NDArray[np.float64]
    floor: float

    @classmethod
    def of(
        cls,
        rate: int,
        mels: int,
        window: float,
        hop: float,
        low: float = 0.0,
        high: float | None = None,
        floor: float = FLOOR,
    ) -> Bands:
        """For sounds of one rate; the arguments of `log_mel_spectrogram`."""
        whole("rate", rate)
        for name, value in (("window", window), ("hop", hop), ("floor", floor)):
            if not 0 < value < math.inf:
                raise UsageError(f"{name}={value!r}: a number above 0")
        width, step = round(window * rate), max(1, round(hop * rate))
        if width < 2:
            raise UsageError(f"window={window}: at {rate} Hz this is less than 2 samples; take a longer one")
        size = 1 << (width - 1).bit_length()
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width)
        return cls(hann, step, mel_filterbank(rate, size, mels, low, high), floor)

    def frames(self, length: int) -> int:
        """How many frames so many samples make."""
        return 1 + max(0, length - len(self.hann)) // self.step

    def apply(self, samples: Any) -> Signal:
        """The log-mel spectrogram, in float64 until the end."""
        row = np.asarray(samples, np.float64)
        row = np.pad(row, (0, max(0, len(self.hann) - len(row))))
        windows = np.lib.stride_tricks.sliding_window_view(row, len(self.hann))[:: self.step]
        out = np.empty((len(windows), self.bank.shape[1]), np.float32)
        size = 2 * (len(self.bank) - 1)
        for first in range(0, len(windows), 1024):  # a few seconds at a time, for ten minutes make 60,000 frames
            spectrum = np.fft.rfft(windows[first : first + 1024] * self.hann, size)
            power = (spectrum.real**2 + spectrum.imag**2) @ self.bank
            out[first : first + 1024] = np.log(np.maximum(self.floor, power))
        return out
