"""Inputs brought to a size that a network learns from."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

import pellucid as pl
from pellucid.errors import ShapeError, UsageError

X = np.random.default_rng(0).normal(3, [1, 5, 0.1], (40, 4, 3))


def test_rescaling():
    model = pl.Sequential([pl.Rescaling(1 / 255, -0.5)])
    np.testing.assert_allclose(model.predict(np.array([[0, 51, 255]], np.uint8)), [[-0.5, -0.3, 0.5]], rtol=1e-6)


def test_normalization_is_what_scikit_learn_does():
    rows = X[:, 0]
    layer = pl.Normalization().adapt(rows)
    scaler = StandardScaler().fit(rows)
    np.testing.assert_allclose(layer.mean, scaler.mean_, rtol=1e-12)
    np.testing.assert_allclose(layer.variance, scaler.var_, rtol=1e-12)
    there = pl.Sequential([layer]).predict(rows)
    rounding = np.finfo(np.float32).eps * (np.abs(rows) / scaler.scale_).max()  # of x and of the mean, half each
    np.testing.assert_allclose(there, scaler.transform(rows), rtol=1e-6, atol=rounding)
    back = pl.Sequential([pl.Normalization(mean=layer.mean, variance=layer.variance, invert=True)])
    np.testing.assert_allclose(back.predict(there), rows, rtol=1e-6, atol=rounding)


def test_along_another_axis_and_along_none():
    along = pl.Sequential([pl.Normalization(axis=1).adapt(X)]).predict(X)
    np.testing.assert_allclose(along.mean(axis=(0, 2)), np.zeros(4), atol=1e-6)
    np.testing.assert_allclose(along.std(axis=(0, 2)), np.ones(4), rtol=1e-6)
    whole = pl.Normalization(axis=None).adapt(X)
    assert whole.mean == pytest.approx(X.mean()) and whole.variance == pytest.approx(X.var())
    np.testing.assert_allclose(pl.Sequential([whole]).predict(X), (X - X.mean()) / X.std(), rtol=1e-5, atol=1e-5)


def test_pictures_of_bytes_and_a_feature_that_is_always_the_same():
    pictures = np.random.default_rng(1).integers(0, 256, (9, 5, 5, 2)).astype("uint8")
    pictures[..., 1] = 7
    found = pl.Sequential([pl.Normalization().adapt(pictures)]).predict(pictures)
    assert np.isfinite(found).all() and found[..., 0].std() == pytest.approx(1, rel=1e-5)
    np.testing.assert_array_equal(found[..., 1], 0)


def test_saved_and_loaded(tmp_path):
    model = pl.Sequential([pl.Rescaling(0.5), pl.Normalization().adapt(X), pl.Flatten(), pl.Dense(2)])
    before = model.predict(X)
    model.save(tmp_path / "model.pellucid")
    np.testing.assert_array_equal(pl.load(tmp_path / "model.pellucid").predict(X), before)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: pl.Rescaling("2"), r"Rescaling\(scale='2'\)"),
        (lambda: pl.Rescaling(1.0, float("nan")), r"Rescaling\(offset=nan\)"),
        (lambda: pl.Normalization(mean=1.0), "given both"),
        (lambda: pl.Normalization(mean=[1.0, np.inf], variance=1.0), r"mean=\[1.0, inf\].*finite$"),
        (lambda: pl.Normalization(mean=0.0, variance=-1.0), "variance=-1.0.*0 or more"),
        (lambda: pl.Normalization(mean=0.0, variance=[[1.0], [2.0, 3.0]]), "variance="),
    ],
)
def test_settings_out_of_range(make, words):
    with pytest.raises(UsageError, match=words):
        make()


@pytest.mark.parametrize(
    ("layer", "error", "words"),
    [
        (pl.Normalization(), UsageError, r"call layer\.adapt\(x\)"),
        (pl.Normalization(mean=[0.0], variance=[1.0]), ShapeError, "for 1 features, but x has shape"),
        (pl.Normalization(axis=0, mean=[0.0] * 3, variance=[1.0] * 3), ShapeError, "axis 0 is the rows"),
        (pl.Normalization(axis=None, mean=[0.0] * 3, variance=[1.0] * 3), ShapeError, "one mean and one variance"),
    ],
)
def test_inputs_that_do_not_fit(layer, error, words):
    with pytest.raises(error, match=words):
        pl.Sequential([layer]).predict(X)
