"""Runs that version 53e9ba1 recorded open, replay to the same bits and resume."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from earlier_networks import data_of

import pellucid as pl

RUNS = Path(__file__).parent / "runs"
NAMES = sorted(path.stem for path in RUNS.glob("*.zip"))
NEAR = 1e-4
"""Elsewhere, on other versions or another processor, a replayed loss is as near to the recorded one, relatively."""


class Stop(pl.Callback):
    """What interrupted the run once, and does so no more."""


@pytest.fixture
def unpack(tmp_path):
    def unpacked(name):
        with zipfile.ZipFile(RUNS / f"{name}.zip") as archive:
            archive.extractall(tmp_path)
        return tmp_path / name

    return unpacked


def as_recorded(step):
    """The same bits where the run's fingerprint is this machine's; the same loss up to rounding anywhere."""
    if not step.elsewhere:
        return step.exact
    return abs(float(step.loss) - float(step.recorded)) <= NEAR * abs(float(step.recorded))


@pytest.mark.parametrize("name", NAMES)
def test_each_kind_of_run_replays(unpack, name):
    run = pl.open_run(unpack(name))
    for number in sorted({0, run.steps // 2, run.steps - 1}):
        assert as_recorded(run.at(number)), number


def test_an_interrupted_run_ends_as_the_one_that_was_not(unpack):
    whole = pl.open_run(unpack("dense"))
    resumed = pl.resume(unpack("interrupted"), callbacks=[Stop()], verbose=0)
    assert resumed.steps == whole.steps
    found, expected = resumed.step_history["loss"], whole.step_history["loss"]
    if whole.at(0).elsewhere:
        assert np.allclose(found, expected, rtol=NEAR)
    else:
        assert found.tobytes() == expected.tobytes()


def test_a_run_is_rewound(unpack):
    run = pl.open_run(unpack("run-iris"))
    other = run.rewind(14, learning_rate=0.01, verbose=0)
    assert other.first == 14
    assert (other.step_history["loss"][:14] == run.step_history["loss"][:14]).all()


def test_a_model_file_predicts_as_it_did():
    model = pl.load(RUNS / "convolution.pellucid")
    expected = np.load(RUNS / "convolution.npz")["y"]
    assert np.allclose(model.predict(data_of("convolution")[0][:4]), expected, rtol=1e-4, atol=1e-6)
