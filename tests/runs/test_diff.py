"""Two runs side by side: equal ones, one with another choice, shorter ones, other networks."""

import numpy as np
import pytest

import pellucid as pl


def fitted(rows, place=False, units=8, rate=0.01, layers=None, **options):
    model = pl.Sequential(layers or [pl.Dense(units, "tanh"), pl.Dense(3)])
    model.compile(pl.Adam(rate), pl.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    options = {"batch_size": 16, "epochs": 2, "engine": "numpy"} | options
    return model.fit(rows.x, rows.y, record=place, verbose=0, **options)


@pytest.fixture(scope="module")
def one(rows):
    return fitted(rows)


def test_equal_runs(rows, one, tmp_path):
    fitted(rows, tmp_path / "run")
    text = one.diff(pl.open_run(tmp_path / "run")).to_text()
    assert "every setting is the same" in text
    assert "all 10 recorded losses are equal, bit for bit" in text


def test_another_learning_rate_parts_in_the_first_update(rows, one):
    other = fitted(rows, rate=0.02)
    text = one.diff(other).to_text()
    assert "optimizer.learning_rate" in text
    assert "The first step whose losses differ: 1" in text
    a, b = (run.step_history["loss"][1] for run in (one, other))
    assert f"loss {float(a):.9g} and {float(b):.9g}" in text
    a, b = (run.at(0).after.parameters["dense/kernel"][0, 0] for run in (one, other))
    assert (
        f"step 0 has equal values and gradients, and another update: dense/kernel[0, 0] is {a:.9g} and {b:.9g}" in text
    )


def test_a_learning_rate_changed_on_the_way(one, tmp_path):
    child = one.rewind(6, as_=tmp_path / "child", verbose=0, learning_rate=0.5)
    text = one.diff(child).to_text()
    assert "The first step whose losses differ: 7" in text
    assert "step 6 has equal values and gradients, and another update: dense/kernel[0, 0]" in text
    assert one.at(6).loss == child.at(6).loss


def test_shorter_and_longer(rows, one):
    text = one.diff(fitted(rows, epochs=3)).to_text()
    assert "training.epochs" in text
    assert "equal, bit for bit, for the 10 steps that both have" in text


def test_other_weights_at_the_start(rows, one):
    text = one.diff(fitted(rows, seed=8)).to_text()
    assert "The first step whose losses differ: 0" in text
    assert "the weights before step 0 differ already: dense/kernel[0, 0] is" in text


def test_other_rows(rows, one):
    text = one.diff(one.rewind(0, verbose=0, seed=8)).to_text()
    assert "The first step whose losses differ: 0" in text
    assert "in step 0: the rows of the batch: " in text


def test_networks_of_other_shapes(rows, one):
    text = one.diff(fitted(rows, units=9)).to_text()
    assert "The first step whose losses differ: 0" in text
    assert "the weights before step 0 differ already: dense/kernel has the shape (4, 8) and (4, 9)" in text


def test_a_layer_changed(one):
    child = one.rewind(0, verbose=0, **{"dense.activation": "relu"})
    text = one.diff(child).to_text()
    assert "in step 0: the first computes dense.tanh where the second computes dense.relu" in text


def test_a_change_inside_the_step_names_the_first_number(rows, tmp_path):
    layers = [pl.Dense(8, "tanh"), pl.Dropout(0.5), pl.Dense(3)]
    one = fitted(rows, layers=layers)
    child = one.rewind(4, verbose=0, **{"dropout.rate": 0.25})
    text = one.diff(child).to_text()
    assert "The first step whose losses differ: 4" in text
    assert "in step 4: " in text
    a, b = (run.at(4).values["dropout"] for run in (one, child))
    at = tuple(map(int, np.argwhere(a != b)[0]))
    assert f"dropout.dropout{list(at)} is {a[at]:.9g} and {b[at]:.9g}" in text


def test_where_a_part_is_before_the_later_run_begins(one, rows):
    child = fitted(rows, rate=0.5).rewind(7, verbose=0)
    text = one.diff(child).to_text()
    assert "it is before step 7, where the later of the two begins, and so cannot be opened in both" in text
