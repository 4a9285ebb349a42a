"""What noise layers draw: the right share and shape, the same again in either engine, and nothing outside training."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import pellucid as pl
from pellucid.autodiff import Tape, gradients, ops
from pellucid.autodiff.random import noise
from pellucid.errors import ShapeError, UsageError


def disturbed(layer, x, seed=0, step=0, training=True):
    tape = Tape({}, seed, step, training)
    value = tape.given("x", x)
    y = layer(value)
    return y.array, gradients(ops.sum(y), [value])[0].array


@pytest.mark.parametrize(
    ("layer", "shape"), [(pl.SpatialDropout1D(0.4), (50, 4, 8)), (pl.SpatialDropout2D(0.4), (50, 3, 2, 8))]
)
def test_whole_features_are_dropped(layer, shape):
    y, g = disturbed(layer, np.ones(shape))
    over = tuple(range(1, len(shape) - 1))
    assert np.all(y == y.max(axis=over, keepdims=True))  # each feature of a row is all dropped or all kept
    assert set(np.unique(y)) == {0.0, 1 / 0.6}
    # 400 draws of probability 0.4: within five deviations of the mean
    assert abs((y[:, 0].reshape(50, -1)[:, :8] == 0).mean() - 0.4) < 5 * np.sqrt(0.4 * 0.6 / 400)
    np.testing.assert_array_equal(g, y)


def test_gaussian_noise_is_normal():
    x = np.full((200, 50), 3.0)
    y, g = disturbed(pl.GaussianNoise(0.5), x)
    drawn = (y - x) / 0.5
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 0.01
    assert abs(drawn.mean()) < 5 / 100
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 5 / np.sqrt(200)
    assert np.all(g == 1)


def test_the_tails_are_finite_and_symmetric():
    """The smallest and the largest of the 2^23 quantiles."""
    from pellucid.autodiff.random import normal_quantile

    ends = np.array([0.5, 2.0**23 - 0.5]) * 2.0**-23
    for dtype in (np.float32, np.float64):
        low, high = normal_quantile(ends.astype(dtype))
        assert low == -high
        assert abs(high - stats.norm.ppf(ends[1])) < 1e-5


def test_noise_is_a_function_of_seed_step_and_path():
    at = {"seed": 1, "step": 2, "path": "noise", "shape": (40,), "dtype": "float64"}
    first = noise(np, **at)
    np.testing.assert_array_equal(first, noise(np, **at))
    for other in ({"seed": 2}, {"step": 3}, {"path": "other"}):
        assert abs(np.corrcoef(first, noise(np, **(at | other)))[0, 1]) < 0.7
    single = noise(np, **(at | {"dtype": "float32"}))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, first, atol=2e-6)
    compiled = noise(jnp, **(at | {"dtype": "float32"}))
    assert compiled.dtype == jnp.float32
    np.testing.assert_allclose(compiled, first, atol=2e-6)


def test_a_layer_called_twice_draws_anew():
    same = pl.GaussianNoise(1.0)
    x = np.zeros((4, 100))
    once, twice = disturbed(pl.Sequential([same]), x)[0], disturbed(pl.Sequential([same, same]), x)[0]
    assert 0.9 < (twice - once).std() < 1.1


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(pl.SpatialDropout1D(0.5), (2, 3, 4)), (pl.SpatialDropout2D(0.5), (2, 3, 2, 4)), (pl.GaussianNoise(1.0), (2, 3))],
)
def test_nothing_happens_outside_training(layer, shape):
    x = np.ones(shape)
    assert np.array_equal(disturbed(layer, x, training=False)[0], x)


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_steps_are_replayed_exactly(rows, engine):
    layers = [pl.GaussianNoise(0.3), pl.Reshape((2, 2)), pl.SpatialDropout1D(0.3), pl.Flatten()]
    model = pl.Sequential([*layers, pl.Dense(5, "tanh"), pl.GaussianNoise(0.1), pl.Dense(3)])
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True))
    run = model.fit(rows.x, rows.y, batch_size=16, epochs=3, engine=engine, record=False, verbose=0)
    for n in (0, 7, 14):
        step = run.at(n)
        assert step.exact
        assert step.check().ok
    assert pl.check_gradients(model, rows.x[:8], rows.y[:8]).ok


def test_the_engines_draw_the_same_noise(rows):
    losses = []
    for engine in ("numpy", "xla"):
        model = pl.Sequential([pl.GaussianNoise(0.5), pl.Dense(3)])
        model.compile("sgd", pl.SparseCategoricalCrossentropy(from_logits=True))
        run = model.fit(rows.x, rows.y, batch_size=16, engine=engine, record=False, verbose=0)
        losses.append(run.step_history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"SpatialDropout1D takes x of shape \(rows, steps, features\).*\(2, 3\)"):
        disturbed(pl.SpatialDropout1D(0.5), np.ones((2, 3)))
    with pytest.raises(ShapeError, match="SpatialDropout2D takes x of shape"):
        disturbed(pl.SpatialDropout2D(0.5), np.ones((2, 3, 4)))
    for kind in (pl.SpatialDropout1D, pl.SpatialDropout2D):
        with pytest.raises(UsageError, match=rf"{kind.__name__}\(rate=1.0\)"):
            kind(1.0)
    with pytest.raises(UsageError, match=r"GaussianNoise\(stddev=-1.0\)"):
        pl.GaussianNoise(-1.0)
