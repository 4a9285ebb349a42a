"""Schedules against optax where it has them, and against values worked out by hand."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pellucid.errors import UsageError
from pellucid.optim import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    PiecewiseConstantDecay,
    Warmup,
)
from pellucid.registry import from_config, to_config

TABLE = [
    (Constant(0.1), optax.constant_schedule(0.1)),
    (ExponentialDecay(0.1, 7, 0.8), optax.exponential_decay(0.1, 7, 0.8)),
    (ExponentialDecay(0.1, 7, 0.8, staircase=True), optax.exponential_decay(0.1, 7, 0.8, staircase=True)),
    (CosineDecay(0.1, 30), optax.cosine_decay_schedule(0.1, 30)),
    (CosineDecay(0.1, 30, alpha=0.2), optax.cosine_decay_schedule(0.1, 30, alpha=0.2)),
    (
        CosineDecay(0.01, 30, alpha=0.1, warmup_target=0.1, warmup_steps=10),
        optax.warmup_cosine_decay_schedule(0.01, 0.1, 10, 40, end_value=0.01),
    ),
    (Warmup(0.1, 8), optax.linear_schedule(0.0, 0.1, 8)),
    # Keras counts a boundary to the left, optax to the right.
    (
        PiecewiseConstantDecay([9, 19], [0.4, 0.2, 0.1]),
        optax.piecewise_constant_schedule(0.4, {10: 0.5, 20: 0.5}),
    ),
]
EVERY = pytest.mark.parametrize("ours", [ours for ours, _ in TABLE], ids=repr)


@pytest.mark.parametrize(("ours", "theirs"), TABLE, ids=[repr(ours) for ours, _ in TABLE])
def test_against_optax(ours, theirs):
    with jax.enable_x64(True):
        expected = [float(theirs(jnp.asarray(step))) for step in range(60)]
    found = [float(ours(np, step)) for step in range(60)]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-17)


@EVERY
def test_traced_steps_give_the_same_rate(ours):
    compiled = jax.jit(lambda step: jnp.asarray(ours(jnp, step)))
    for step in (0, 5, 9, 10, 31, 100):
        np.testing.assert_allclose(compiled(jnp.int32(step)), float(ours(np, step)), rtol=1e-5, atol=1e-8)
        assert compiled(jnp.int32(step)).dtype == np.float32
    with jax.enable_x64(True):
        precise = jax.jit(lambda step: jnp.asarray(ours(jnp, step)))
        for step in (0, 5, 9, 10, 31, 100):
            rate = precise(jnp.int32(step))
            np.testing.assert_allclose(rate, float(ours(np, step)), rtol=1e-13, atol=1e-17)


@EVERY
def test_json_and_equality(ours):
    again = from_config(json.loads(json.dumps(to_config(ours))))
    assert again == ours
    assert hash(again) == hash(ours)


def test_values_by_hand():
    decay = PiecewiseConstantDecay((10, 20), (1.0, 0.5, 0.1))
    assert [float(decay(np, step)) for step in (0, 10, 11, 20, 21, 999)] == [1.0, 1.0, 0.5, 0.5, 0.1, 0.1]
    nested = Warmup(ExponentialDecay(1.0, 10, 0.5), 4)
    np.testing.assert_allclose([nested(np, s) for s in (0, 2, 10)], [0, 0.5 * 0.5**0.2, 0.5], rtol=1e-15)
    assert from_config(json.loads(json.dumps(to_config(nested)))) == nested
    climb = CosineDecay(0.0, 10, warmup_target=1.0, warmup_steps=4)
    found = [climb(np, step) for step in (0, 1, 4, 9, 14, 50)]
    np.testing.assert_allclose(found, [0, 0.25, 1, 0.5, 0, 0], atol=1e-16)
    assert CosineDecay(0.5, 10, warmup_target=1.0)(np, 0) == 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ExponentialDecay(0.1, 0, 0.9), "decay_steps is 0"),
        (lambda: ExponentialDecay(-0.1, 1, 0.9), "initial_learning_rate is -0.1"),
        (lambda: ExponentialDecay(0.1, 1, 0.0), "decay_rate is 0.0"),
        (lambda: CosineDecay(0.1, 10, alpha=2), r"alpha is 2; expected a number in \[0, 1\]"),
        (lambda: CosineDecay(0.1, 10, warmup_target=-1), "warmup_target is -1"),
        (lambda: CosineDecay(0.1, 10, warmup_steps=5), "warmup_steps without warmup_target"),
        (lambda: PiecewiseConstantDecay((1, 2), (1.0, 2.0)), "2 boundaries and 2 values; expected 3"),
        (lambda: PiecewiseConstantDecay((2, 1), (1.0, 2.0, 3.0)), "expected increasing"),
        (lambda: PiecewiseConstantDecay((1,), (1.0, -2.0)), "value is -2.0"),
        (lambda: Warmup(0.1, 0), "steps is 0"),
        (lambda: Warmup(-0.1, 5), "value is -0.1"),
        (lambda: Constant(float("nan")), "value is nan"),
        (lambda: from_config({"schedule": "Nope"}), "the schedule 'Nope' is not known here"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(UsageError, match=message):
        make()
