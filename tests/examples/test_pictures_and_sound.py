"""The examples on pictures and sound, on slices that need no network: each trains, and its explanation's check holds.

The digits are scikit-learn's, 8 × 8, made 28 × 28; the voices are synthesised.
"""

import importlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import pellucid as pl

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch):
    """Imports a script by name."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


@pytest.fixture
def runs(monkeypatch):
    """What each `fit` returned."""
    kept, fit = [], pl.Model.fit

    def kept_fit(*args, **options):
        kept.append(fit(*args, **options))
        return kept[-1]

    monkeypatch.setattr(pl.Model, "fit", kept_fit)
    return kept


def small_mnist(train, test):
    """What fetch.mnist returns, of fewer digits."""
    digits = load_digits()
    x = np.kron(digits.images[: train + test] * (255 / 16), np.ones((3, 3))).astype(np.uint8)
    x = np.pad(x, ((0, 0), (2, 2), (2, 2)))
    y = digits.target[: train + test].astype(np.int32)
    return x[:train], y[:train], x[train:], y[train:]


def held(found, label):
    """Its output is the one asked for, and no gradient that was measured is wrong."""
    assert found.label.startswith(label)
    assert found.ok
    assert found.report.count == 100
    assert found.report.counts()["agree"] > 0
    assert found.report.worst < 1e-6


def test_digits(example, monkeypatch, runs, capsys):
    digits = example("digits")
    monkeypatch.setattr(digits.fetch, "mnist", lambda: small_mnist(1000, 200))
    answer, truth = digits.main(["--quick"])
    history = runs[0].history
    assert history["loss"][-1] < history["loss"][0] / 2
    said = capsys.readouterr().out
    assert "accuracy on 200 test pictures" in said and "to beat 99.00%" in said
    assert answer.label != truth.label
    for found in (answer, truth):
        held(found, "output[")
        assert found.contributions.shape == (28, 28, 1)
        assert not found.contributions[found.x == 0].any()


def test_boxes_lie_around_the_ink(example):
    where = example("where")
    digits = small_mnist(40, 0)[0]
    x, boxes = where.canvases(digits, seed=3)
    ink = x[..., 0] > 0
    for axis, (low, high) in ((1, (0, 2)), (2, (1, 3))):
        seen = ink.any(axis=axis)
        first, last = seen.argmax(axis=1), 64 - seen[:, ::-1].argmax(axis=1)
        # A pixel of the digit is up to 48 / 28 wide, and is smeared over no more than the next one on each side.
        assert np.abs(first - 64 * boxes[:, low]).max() < 2 * 48 / 28
        assert np.abs(last - 64 * boxes[:, high]).max() < 2 * 48 / 28
    np.testing.assert_array_equal(x, where.canvases(digits, seed=3)[0])


def test_a_digit_is_stretched_as_pillow_does_it(example):
    """Two nearest pixels, weighted by their distance: Pillow's transform with bilinear filtering."""
    image = pytest.importorskip("PIL.Image")
    where = example("where")
    digit, start, size = small_mnist(1, 0)[0][0].astype(np.float32), np.array([10.25]), np.array([35.0])
    weights = where.stretching(start, size)[0]
    found = weights @ digit @ weights.T
    # Pillow takes the nearest number past the edge of its source, where a canvas has paper: a margin settles that.
    source = image.fromarray(np.pad(digit, 4))
    step, first = 28 / 35, 4 - 10.25 * 28 / 35
    expected = source.transform(
        (64, 64), image.Transform.AFFINE, (step, 0, first, 0, step, first), image.Resampling.BILINEAR
    )
    # Pillow works the source's place out in float64 and the mixture in float32, of numbers up to 255.
    np.testing.assert_allclose(found, np.asarray(expected), atol=255 * 2**-20)


def test_where(example, monkeypatch, runs, capsys):
    where = example("where")
    monkeypatch.setattr(where.fetch, "mnist", lambda: small_mnist(256, 64))
    digit, edge = where.main(["--quick"])
    history = runs[0].history
    assert history["box_loss"][-1] < history["box_loss"][0]
    assert "to beat 0.75" in capsys.readouterr().out
    held(digit, "digit[")
    held(edge, "box[0]")
    assert edge.contributions.shape == (64, 64, 1)


def test_strips_hold_their_digits(example):
    strip = example("strip")
    digits, y, _, _ = small_mnist(30, 0)
    x, signs = strip.strips(digits, y, 50, seed=1)
    assert x.shape == (50, 28, 140, 1)
    lengths = (signs > strip.PAD).sum(axis=1) - 2
    assert set(lengths) == {2, 3, 4, 5}
    for row, length in zip(signs, lengths, strict=True):
        assert (row[0], row[length + 1]) == (strip.START, strip.END)
        assert strip.text(row) == "".join(str(s - 1) for s in row[1 : length + 1])
    assert x.max(axis=(1, 2, 3)).min() > 0
    ink = x[..., 0].any(axis=1)  # no strip is wider than its digits
    assert (ink.sum(axis=1) <= 28 * lengths).all()


def test_strip(example, monkeypatch, runs, capsys):
    strip = example("strip")
    monkeypatch.setattr(strip.fetch, "mnist", lambda: small_mnist(300, 60))
    (found,) = strip.main(["--quick"])
    history = runs[0].history
    assert history["loss"][-1] < history["loss"][0]
    assert "whole strings right on 200 unseen strips" in capsys.readouterr().out
    held(found, "output[")
    assert found.contributions["image"].shape == (28, 140, 1)
    assert not found.contributions["target_in"][2:].any()  # what is written later has no part in it


def spoken(pitch, seed):
    """Two seconds of a voice: harmonics of a pitch that wavers, with pauses."""
    draw = np.random.default_rng(seed)
    t = np.arange(16000) / 8000
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.05 * np.sin(2 * np.pi * draw.uniform(1, 3) * t))) / 8000
    tone = sum(np.sin(k * phase) / k for k in range(1, 9))
    return 0.1 * tone * (np.sin(2 * np.pi * draw.uniform(0.5, 1.5) * t) > -0.3)


def test_voices(example, monkeypatch, runs, tmp_path, capsys):
    soundfile = pytest.importorskip("soundfile")
    for name, pitch in (("low", 90), ("middle", 160), ("high", 280)):
        (tmp_path / name).mkdir()
        for i in range(20):
            soundfile.write(tmp_path / name / f"{i}.wav", spoken(pitch, i), 8000)
    voices = example("voices")
    monkeypatch.setattr(voices.fetch, "voices", lambda: tmp_path)
    found = voices.main(["--quick"])
    history = runs[0].history
    assert history["loss"][-1] < history["loss"][0]
    said = capsys.readouterr().out
    assert "accuracy on 12 test prompts" in said and "to beat 94.4%" in said
    assert "of the test prompts have a twin in training" in said
    held(found, "output[")
    assert found.contributions.shape == (198, 40, 1)
