"""First weights against the theory of their distribution, and their independence of one another."""

import json
from math import sqrt

import numpy as np
import pytest
from scipy import stats

from pellucid.errors import ShapeError, UsageError
from pellucid.nn import initializers as init
from pellucid.registry import from_config, to_config

EVERY = pytest.mark.parametrize("name", init.BY_NAME)
SHAPES = [(300, 200), (5, 5, 20, 80), (50_000,)]
# scale, and which fan: the published variance is scale / fan.
SCALED = {
    "glorot_uniform": lambda i, o: 2 / (i + o),
    "glorot_normal": lambda i, o: 2 / (i + o),
    "he_uniform": lambda i, _: 2 / i,
    "he_normal": lambda i, _: 2 / i,
    "lecun_uniform": lambda i, _: 1 / i,
    "lecun_normal": lambda i, _: 1 / i,
}


def draw(name, shape=(30, 20), seed=0, path="dense/kernel", dtype="float64"):
    return init.get(name)(shape, seed, path, dtype)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), (1, 1)), ((7,), (7, 7)), ((3, 5), (3, 5)), ((4, 3, 5), (12, 20)), ((2, 4, 3, 5), (24, 40))],
)
def test_fans_by_the_rule_of_keras(shape, expected):
    assert init.fans(shape) == expected


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", SCALED)
def test_variance_and_bounds_by_theory(name, shape):
    w = draw(name, shape)
    n, variance = w.size, SCALED[name](*init.fans(shape))
    assert init.get(name).variance(shape) == pytest.approx(variance, rel=1e-15)
    if name.endswith("uniform"):
        limit = sqrt(3 * variance)
        law = stats.uniform(-limit, 2 * limit)
    else:
        sigma = sqrt(variance) / 0.87962566103423978
        limit = 2 * sigma
        law = stats.truncnorm(-2, 2, scale=sigma)
    assert 0.99 * limit < abs(w).max() <= limit
    assert abs(w.mean()) < 5 * sqrt(variance / n)
    assert w.var() == pytest.approx(variance, rel=5 * sqrt(2 / n))
    assert law.var() == pytest.approx(variance, rel=1e-12)
    assert stats.kstest(w.ravel(), law.cdf).pvalue > 1e-3


def test_plain_normal_and_uniform():
    w = draw("random_normal", (300, 300))
    assert stats.kstest(w.ravel() / 0.05, "norm").pvalue > 1e-3
    w = init.RandomNormal(mean=3.0, stddev=0.0)((4,), 0, "w", "float64")
    assert w.tolist() == [3.0] * 4
    w = draw("random_uniform", (300, 300))
    assert stats.kstest(w.ravel(), stats.uniform(-0.05, 0.1).cdf).pvalue > 1e-3
    w = init.RandomUniform(2.0, 3.0)((1000,), 0, "w", "float64")
    assert w.min() >= 2
    assert w.max() <= 3


@pytest.mark.parametrize("shape", [(8, 8), (12, 5), (5, 12), (3, 3, 4, 10), (2, 3, 20), (1, 6)], ids=str)
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_orthogonal(shape, gain):
    w = init.Orthogonal(gain)(shape, 3, "w", "float64")
    assert w.shape == shape
    matrix = w.reshape(-1, shape[-1]) / gain
    square = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(square, np.eye(len(square)), atol=1e-14)


def test_every_rotation_is_equally_likely():
    corner = [draw("orthogonal", (2, 2), seed=seed)[0, 0] for seed in range(3000)]
    # The cosine of an angle equally likely all round; without the signs half of them would be missing.
    assert stats.kstest(np.arccos(corner), stats.uniform(0, np.pi).cdf).pvalue > 1e-3


def test_orthogonal_needs_a_matrix():
    with pytest.raises(ShapeError, match=r"dense/bias has shape \(4,\)"):
        draw("orthogonal", (4,), path="dense/bias")


@EVERY
def test_a_function_of_seed_path_and_index(name):
    first = draw(name), draw(name, path="other")
    second = draw(name, path="other"), draw(name)
    assert np.array_equal(first[0], second[1])
    assert np.array_equal(first[1], second[0])
    constant = name in ("zeros", "ones")
    assert np.array_equal(first[0], first[1]) == constant
    assert np.array_equal(first[0], draw(name, seed=1)) == constant
    if not constant:
        assert abs(np.corrcoef(first[0].ravel(), first[1].ravel())[0, 1]) < 5 / sqrt(first[0].size)


@EVERY
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_computed_in_float64_then_rounded(name, dtype):
    w = draw(name, dtype=dtype)
    assert w.dtype == dtype
    assert w.shape == (30, 20)
    assert np.array_equal(w, draw(name).astype(dtype))
    assert isinstance(w, np.ndarray)
    assert w.flags.writeable


@pytest.mark.parametrize("name", [name for name in init.BY_NAME if name != "orthogonal"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (0, 3)], ids=str)
def test_empty_and_scalar_shapes(name, shape):
    assert draw(name, shape).shape == shape


@EVERY
def test_names_and_json(name):
    initializer = init.get(name)
    assert init.get(type(initializer).__name__) == initializer
    assert init.get(initializer) is initializer
    assert from_config(json.loads(json.dumps(to_config(initializer)))) == initializer
    assert hash(initializer) == hash(init.get(name))


def test_settings_survive_json():
    for initializer in (init.RandomNormal(1.0, 2.0), init.RandomUniform(-3.0, 4.0), init.Orthogonal(0.5)):
        assert from_config(to_config(initializer)) == initializer


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: init.get("he_norml"), "did you mean he_normal"),
        (lambda: init.get("qqq"), "expected one of glorot_uniform"),
        (lambda: init.get(3), "unknown initializer 3"),
        (lambda: from_config({"initializer": "Nope"}), "the initializer 'Nope' is not known here"),
        (lambda: init.RandomNormal(stddev=-1), "RandomNormal: stddev is -1; expected a number of at least 0"),
        (lambda: init.RandomNormal(mean=float("nan")), "mean is nan; expected a finite number"),
        (lambda: init.RandomUniform(1.0, 0.0), "maxval is 0.0; expected a number of at least 1.0"),
        (lambda: init.Orthogonal("big"), "gain is 'big'"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(UsageError, match=message):
        make()
