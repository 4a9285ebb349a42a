"""The gradient from all weights changed at once: right on average, and a function of seed, step and sample."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid import SPSA
from pellucid.errors import UsageError

W = np.array([0.5, -1.0, 2.0, 0.1])
SLOPE = np.array([1.0, 0.2, -3.0, 0.7])


def line(w):
    return (w * SLOPE).sum()


def test_one_sample_is_the_formula():
    how = SPSA(eps=1e-3)
    d = how.direction(np, 3, 7, 0, 4)
    assert set(d.tolist()) <= {-1.0, 1.0}
    found = how.estimate(np, line, W, 3, 7)
    np.testing.assert_allclose(found, (line(W + 1e-3 * d) - line(W - 1e-3 * d)) / (2e-3 * d), rtol=1e-12)


def test_the_mean_of_many_samples_is_the_gradient():
    """On a line an estimate is the slope of its weight plus the other slopes with random signs: its variance is
    the sum of their squares, and the mean of 4,000 of them is off by no more than 5 standard deviations."""
    found = SPSA(samples=4000).estimate(np, line, W, 0, 0)
    deviation = np.sqrt((SLOPE @ SLOPE - SLOPE**2) / 4000)
    assert (np.abs(found - SLOPE) < 5 * deviation).all()


def test_every_step_and_every_sample_has_its_own_direction():
    how = SPSA(samples=3)
    drawn = [tuple(how.direction(np, 0, step, sample, 40)) for step in range(4) for sample in range(3)]
    assert len(set(drawn)) == 12
    assert tuple(how.direction(np, 1, 0, 0, 40)) not in drawn


def test_both_engines_draw_and_measure_alike():
    how = SPSA(samples=3)
    expected = how.estimate(np, line, W, 5, 2)
    with jax.enable_x64(True):
        found = jax.jit(lambda w, step: how.estimate(jnp, line, w, 5, step))(jnp.asarray(W), jnp.asarray(2))
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-10)


def test_what_is_refused():
    for eps in (0.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="eps is a positive number"):
            SPSA(eps=eps)
    for samples in (0, 1.5, True):
        with pytest.raises(UsageError, match=r"SPSA\(samples=.*: a whole number, 1 or more"):
            SPSA(samples=samples)
