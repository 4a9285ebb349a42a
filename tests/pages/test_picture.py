"""Pictures in characters: as many as there are numbers, the fuller the larger."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.pages.picture import COLUMNS, MOMENTS, PITCHES, drawn


def test_the_fuller_the_larger():
    assert drawn(np.arange(10).reshape(2, 5)).split("\n") == ["    ░░░░▒▒", "▒▒▓▓▓▓████"]
    assert drawn(np.zeros((2, 2))).split("\n") == ["    ", "    "]
    assert drawn(np.array([[[0.0, 0.0], [1.0, 3.0]]])) == "  ██"  # channels averaged
    assert drawn(np.array([[np.nan, 0.0, np.inf, 1.0]])) == "      ██"


@pytest.mark.parametrize("shape", [(41, 3), (100, 90), (40, 40), (1000, 7)])
def test_wide_pictures_are_averaged(shape):
    x = np.random.default_rng(0).normal(size=shape)
    lines = drawn(x).split("\n")
    block = -(-max(shape) // COLUMNS)
    assert len(lines) == -(-shape[0] // block) <= COLUMNS
    assert {len(line) for line in lines} == {2 * -(-shape[1] // block)}


def test_a_spectrogram_lies_on_its_side():
    assert drawn(np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 0.0]]), upright=True).split("\n") == ["░▓ ", " ▒█"]
    rising = np.eye(760)[:, :760:19][:, :, None]  # the pitch goes up with time
    lines = drawn(rising, upright=True).split("\n")
    assert (len(lines), {len(line) for line in lines}) == (PITCHES, {MOMENTS})
    firsts = [next(i for i, shade in enumerate(line) if shade != " ") for line in lines]
    assert firsts == sorted(firsts, reverse=True) and firsts[-1] == 0


@pytest.mark.parametrize(("side", "whole"), [(9, True), (3, False)])
def test_a_page_draws_a_picture_and_lists_a_few_numbers(side, whole):
    model = pl.Sequential([pl.Flatten(), pl.Dense(2)])
    model.compile("sgd", pl.SparseCategoricalCrossentropy(from_logits=True))
    x = np.zeros((4, side, side, 1), np.uint8)
    x[:, :, 2] = 200
    run = model.fit(x, [0, 1, 0, 1], batch_size=4, engine="numpy", record=False, verbose=0)
    page = run.at(0).weight("dense/bias", (0,)).to_text()
    assert ("numbers from 0 (empty) to 200 (full)" in page) == ("\n      ██" in page) == whole
    assert ("x[2]" in page) != whole
