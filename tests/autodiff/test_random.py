"""The generator against its published vectors, and its numbers against the laws they should follow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from pellucid.autodiff import random
from pellucid.errors import UsageError

FULL = 0xFFFFFFFF
# Random123 1.14, tests/kat_vectors, "threefry2x32 20": counter, key, result.
PUBLISHED = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((FULL, FULL), (FULL, FULL), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]
SEEDS = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
@pytest.mark.parametrize(("counter", "key", "result"), PUBLISHED)
def test_published_known_answers(xp, counter, key, result):
    a, b = random.threefry2x32(xp, *key, *counter)
    assert (int(a), int(b)) == result
    c0, c1 = (xp.asarray([c, c, c], dtype=xp.uint32) for c in counter)
    a, b = random.threefry2x32(xp, *key, c0, c1)
    assert a.dtype == b.dtype == xp.uint32
    assert a.tolist() == [result[0]] * 3
    assert b.tolist() == [result[1]] * 3


def test_inputs_broadcast():
    a, b = random.threefry2x32(np, np.uint32(5), 6, np.arange(3)[:, None], np.arange(4))
    assert a.shape == b.shape == (3, 4)
    one, two = random.threefry2x32(np, 5, 6, 2, 1)
    assert (a[2, 1], b[2, 1]) == (one, two)


def test_numpy_jax_and_jit_agree_bit_for_bit():
    counter = np.arange(1000, dtype=np.uint32)
    here = random.threefry2x32(np, 123, FULL, counter, 7)
    there = random.threefry2x32(jnp, 123, FULL, jnp.asarray(counter), 7)
    compiled = jax.jit(lambda c: random.threefry2x32(jnp, 123, FULL, c, 7))(counter)
    for a, b, c in zip(here, there, compiled, strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(a, c)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (4, 5), (3, 0), (2, 3, 5)])
@pytest.mark.parametrize("seed", [0, 5, FULL, 2**63 + 11])
def test_keep_mask_is_the_same_in_both_engines(shape, seed):
    here = random.keep_mask(np, seed, 3, "dropout", shape, 0.3)
    there = jax.jit(lambda step: random.keep_mask(jnp, seed, step, "dropout", shape, 0.3))
    assert here.shape == shape
    assert here.dtype == bool
    for step in (jnp.int32(3), jnp.uint32(3)):
        assert np.array_equal(here, there(step))
    assert np.array_equal(here, random.keep_mask(np, seed, np.int32(3), "dropout", shape, 0.3))
    if seed <= FULL:
        traced = jax.jit(lambda seed, step: random.keep_mask(jnp, seed, step, "dropout", shape, 0.3))
        assert np.array_equal(here, traced(jnp.uint32(seed), 3))


def test_keep_mask_with_a_traced_seed_of_64_bits():
    with jax.enable_x64(True):
        traced = jax.jit(lambda seed: random.keep_mask(jnp, seed, 3, "d", (50,), 0.5))
        for seed in (1, 2**40 + 1):
            expected = random.keep_mask(np, seed, 3, "d", (50,), 0.5)
            assert np.array_equal(traced(jnp.uint64(seed)), expected)
            assert np.array_equal(traced(jnp.int64(seed)), expected)


def test_keep_mask_does_not_recompile_and_changes_with_the_step():
    traces = []

    @jax.jit
    def mask(step):
        traces.append(step)
        return random.keep_mask(jnp, 0, step, "dropout", (200,), 0.5)

    masks = {np.asarray(mask(jnp.int32(step))).tobytes() for step in range(20)}
    assert len(masks) == 20
    assert len(traces) == 1


def test_keep_mask_by_rate_path_and_seed():
    n = 100_000
    for rate in (0.0, 0.1, 0.5, 0.9, 1.0):
        kept = random.keep_mask(np, 1, 2, "a", (n,), rate).mean()
        assert abs(kept - (1 - rate)) <= 5 * np.sqrt(rate * (1 - rate) / n)
    base = random.keep_mask(np, 1, 2, "a", (n,), 0.5)
    for other in ((2, 2, "a"), (1, 3, "a"), (1, 2, "b"), (2, 1, "a"), (1 + 2**32, 2, "a")):
        agree = (base == random.keep_mask(np, *other, (n,), 0.5)).mean()
        assert abs(agree - 0.5) < 5 * 0.5 / np.sqrt(n)
    longer = random.keep_mask(np, 1, 2, "a", (n + 3,), 0.5)
    assert np.array_equal(base, longer[:n])


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan")])
def test_a_bad_rate_is_named(rate):
    with pytest.raises(UsageError, match="from 0 to 1"):
        random.keep_mask(np, 0, 0, "a", (2,), rate)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_bad_seed_is_named(seed):
    with pytest.raises(UsageError, match="seed is"):
        random.keep_mask(np, seed, 0, "a", (2,), 0.5)


def test_stream_keys_are_pinned_and_unambiguous():
    assert random.stream_key(0, "dense/kernel") == (3331939637, 2692374206)
    streams = [(), ("",), ("", ""), ("ab", "c"), ("a", "bc"), ("abc",), (1,), ("1",), (1, 2), (12,), (-1,)]
    keys = {random.stream_key(seed, *stream) for seed in (0, 1, 2**70) for stream in streams}
    assert len(keys) == 3 * len(streams)
    assert random.stream_key(np.int64(3), np.int32(4)) == random.stream_key(3, 4)


@given(SEEDS, st.integers(0, 40), st.integers(0, 40))
@settings(deadline=None)
def test_a_number_depends_on_its_index_alone(seed, start, count):
    whole = random.bits(seed, "a", 1, count=80)
    assert np.array_equal(random.bits(seed, "a", 1, count=count, start=start), whole[start : start + count])


def test_counters_beyond_32_bits_do_not_repeat():
    low = random.bits(0, count=4)
    assert not np.isin(random.bits(0, count=4, start=2**32), low).any()
    across = random.bits(0, count=4, start=2**32 - 2)
    assert np.array_equal(across[2:], random.bits(0, count=2, start=2**32))


def test_no_dependence_on_call_order():
    first = random.uniform(0, "a", shape=(3,)), random.normal(0, "b", shape=(3,))
    second = random.normal(0, "b", shape=(3,)), random.uniform(0, "a", shape=(3,))
    assert np.array_equal(first[0], second[1])
    assert np.array_equal(first[1], second[0])


def test_uniform_is_uniform():
    u = random.uniform(0, "u", shape=(400, 500))
    assert u.dtype == np.float64
    assert u.min() >= 0
    assert u.max() < 1
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(u.ravel()[:-1], u.ravel()[1:])[0, 1]) < 5 / np.sqrt(u.size)


def test_every_bit_is_fair():
    values = random.bits(0, "fair", count=50_000)
    share = np.array([((values >> np.uint64(k)) & np.uint64(1)).mean() for k in range(64)])
    assert np.abs(share - 0.5).max() < 5 * 0.5 / np.sqrt(50_000)


def test_normal_is_normal():
    z = random.normal(0, "z", shape=(200_000,))
    assert stats.kstest(z, "norm").pvalue > 1e-3
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / z.size)


def test_normal_quantile_against_scipy():
    tails = 2.0 ** -np.arange(1, 1022, dtype=np.float64)
    u = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 20_001), tails, 1 - tails[:52]])
    np.testing.assert_allclose(random.normal_quantile(u), special.ndtri(u), rtol=1e-14, atol=1e-15)
    smallest = np.array([0.5 * 2.0**-52])
    assert np.isfinite(random.normal_quantile(smallest)).all()
    assert random.normal_quantile(1 - 2 * smallest) == -random.normal_quantile(2 * smallest)


@given(st.integers(0, 200), SEEDS)
@settings(deadline=None)
def test_a_permutation_holds_every_number_once(n, seed):
    order = random.permutation(n, seed, "epoch", 0)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))


def test_permutations_are_equally_likely_and_differ_by_stream():
    counts: dict[bytes, int] = {}
    for epoch in range(6000):
        key = random.permutation(3, 0, "epoch", epoch).tobytes()
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 6
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3
    assert not np.array_equal(random.permutation(50, 0, "epoch", 0), random.permutation(50, 1, "epoch", 0))
