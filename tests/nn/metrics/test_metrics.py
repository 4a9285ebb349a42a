"""Metrics against scikit-learn, whole or in batches, in NumPy or compiled, on ordinary and awkward input."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from pellucid.errors import DataError, ShapeError, UsageError
from pellucid.nn import metrics
from pellucid.registry import from_config, to_config


def binary(p):
    return (p[:, 0] > 0.5).astype(int)


def per_class(function, average):
    def of(y, p, w):
        if p.shape[1] == 1:
            return function(y, binary(p), sample_weight=w, zero_division=0)
        every = range(p.shape[1])
        return function(y, p.argmax(1), labels=every, average=average, sample_weight=w, zero_division=0)

    return of


def auc(y, p, w):
    if p.shape[1] == 1:
        return sk.roc_auc_score(y, p[:, 0], sample_weight=w)
    # One class after the other, for scikit-learn refuses when a class is absent.
    kinds = [c for c in range(p.shape[1]) if 0 < (y == c).sum() < len(y)]
    return np.mean([sk.roc_auc_score(y == c, p[:, c], sample_weight=w) for c in kinds])


def average_precision(y, p, w):
    if p.shape[1] == 1:
        return sk.average_precision_score(y, p[:, 0], sample_weight=w)
    kinds = [c for c in range(p.shape[1]) if (y == c).any()]
    return np.mean([sk.average_precision_score(y == c, p[:, c], sample_weight=w) for c in kinds])


def guess(p):
    return binary(p) if p.shape[1] == 1 else p.argmax(1)


CLASSES = {
    "accuracy": (metrics.Accuracy(), lambda y, p, w: sk.accuracy_score(y, guess(p), sample_weight=w)),
    "auc": (metrics.ROCAUC(), auc),
    "map": (metrics.MeanAveragePrecision(), average_precision),
    "confusion": (
        metrics.ConfusionMatrix(),
        lambda y, p, w: sk.confusion_matrix(y, guess(p), labels=range(max(2, p.shape[1])), sample_weight=w),
    ),
} | {
    f"{kind.__name__} {average}": (kind(average=average), per_class(function, average))
    for kind, function in (
        (metrics.Precision, sk.precision_score),
        (metrics.Recall, sk.recall_score),
        (metrics.F1Score, sk.f1_score),
    )
    for average in ("macro", "micro", "weighted")
}
VALUES = {
    "mse": (metrics.MeanSquaredError(), sk.mean_squared_error),
    "mae": (metrics.MeanAbsoluteError(), sk.mean_absolute_error),
    "rmse": (
        metrics.RootMeanSquaredError(),
        lambda y, p, sample_weight: np.sqrt(sk.mean_squared_error(y, p, sample_weight=sample_weight)),
    ),
    "r2": (metrics.R2Score(), sk.r2_score),
}


def probabilities(rng, n, columns, levels=None):
    """Rows of probabilities; with `levels`, so few different ones that ties abound."""
    if columns == 1:
        p = rng.random((n, 1))
        return p if levels is None else np.floor(p * levels) / levels
    p = rng.random((n, columns)) if levels is None else rng.integers(1, levels + 1, (n, columns)) * 1.0
    return p / p.sum(axis=1, keepdims=True)


def class_cases():
    rng = np.random.default_rng(0)
    for columns in (1, 2, 3, 7):
        for n in (12, 500):
            for levels in (None, 3):
                p = probabilities(rng, n, columns, levels)
                y = rng.integers(0, max(2, columns), n)
                y[:2] = 0, 1
                yield f"{n}x{columns}, ties {levels}", y, p
        y, p = np.arange(30) % 2, probabilities(rng, 30, columns)
        yield f"{columns} columns, only classes 0 and 1", y, p
        yield f"{columns} columns, all scores equal", y, np.full((30, columns), 1 / columns)
        one_sided = np.full((30, columns), 0.1 / max(1, columns - 1))
        one_sided[:, 0] = 0.1 if columns == 1 else 0.9
        yield f"{columns} columns, class 0 always guessed", y, one_sided


CASES = list(class_cases())
WEIGHTS = pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])


def weights(n, weighted):
    if not weighted:
        return None
    w = np.random.default_rng(n).random(n)
    w[::7] = 0.0
    return w


def in_batches(metric, y, p, w, size, how=None):
    """The statistics of batches, merged as the training loop does, and what they come to."""
    how = how or partial(metric.statistics, np)
    parts = [
        how(y[i : i + size], p[i : i + size], None if w is None else w[i : i + size]) for i in range(0, len(y), size)
    ]
    join = sum if metric.merge == "sum" else np.concatenate
    return metric.result({key: join([np.asarray(part[key]) for part in parts]) for key in parts[0]})


@WEIGHTS
@pytest.mark.parametrize("name", CLASSES)
def test_classes_against_scikit_learn(name, weighted):
    metric, theirs = CLASSES[name]
    for case, y, p in CASES:
        w = weights(len(y), weighted)
        expected = theirs(y, p, w)
        check = partial(np.testing.assert_allclose, desired=expected, rtol=1e-12, atol=1e-15, err_msg=case)
        check(metric.measure(y, p, w))
        check(metric.measure(y[:, None], p, w))
        check(in_batches(metric, y, p, w, 5))
        if p.shape[1] > 1:
            check(metric.measure(np.eye(p.shape[1])[y], p, w))


@WEIGHTS
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3), (2, 1)], ids=str)
def test_values_against_scikit_learn(name, weighted, shape):
    metric, theirs = VALUES[name]
    rng = np.random.default_rng(1)
    for offset, scale in ((0, 1), (1e6, 1), (-5, 1e-3)):
        y = offset + scale * rng.normal(size=shape)
        p = y + 0.5 * scale * rng.normal(size=shape)
        w = None if not weighted else rng.random(shape[0]) + 0.1
        expected = theirs(y, p, sample_weight=w)
        check = partial(np.testing.assert_allclose, desired=expected, rtol=1e-8)
        check(metric.measure(y, p, w))
        check(in_batches(metric, y, p, w, 7))
        check(in_batches(metric, y, p, w, 1))


@WEIGHTS
@pytest.mark.parametrize("name", [*CLASSES, *VALUES])
def test_compiled_in_float32_agrees_with_numpy(name, weighted):
    metric = (CLASSES | VALUES)[name][0]
    rng = np.random.default_rng(2)
    for columns in (1, 4):
        if name in VALUES:
            y = rng.normal(size=(64, columns)).astype(np.float32)
            p = (y + rng.normal(size=y.shape)).astype(np.float32)
        else:
            y, p = rng.integers(0, max(2, columns), 64), probabilities(rng, 64, columns).astype(np.float32)
        w = weights(64, weighted)
        w32 = None if w is None else w.astype(np.float32)
        compiled = jax.jit(partial(metric.statistics, jnp))
        merged = in_batches(metric, y, p, w32, 16, compiled)
        np.testing.assert_allclose(merged, metric.measure(y, p, w), rtol=1e-5)
        found, plain = compiled(y, p, w32), metric.statistics(np, y, p, w32)
        assert {key: (a.shape, a.dtype) for key, a in found.items()} == {
            key: (np.shape(a), np.asarray(a).dtype) for key, a in plain.items()
        }


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_any_batches_merge_to_the_whole(data):
    columns = data.draw(st.sampled_from([1, 2, 4]))
    n = data.draw(st.integers(1, 30))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    size = data.draw(st.integers(1, n))
    w = rng.integers(0, 3, n) * 0.5 if data.draw(st.booleans()) else None
    y, p = rng.integers(0, max(2, columns), n), probabilities(rng, n, columns, 4)
    for metric, _ in CLASSES.values():
        np.testing.assert_allclose(in_batches(metric, y, p, w, size), metric.measure(y, p, w), rtol=1e-12)
    y, p = rng.integers(-2, 3, (n, columns)) * 1.0, rng.integers(-2, 3, (n, columns)) * 1.0
    for metric, _ in VALUES.values():
        found, whole = in_batches(metric, y, p, w, size), metric.measure(y, p, w)
        np.testing.assert_allclose(found, whole, rtol=1e-9, atol=1e-12)


@given(st.integers(0, 2**32), st.integers(2, 25))
@settings(deadline=None, max_examples=50)
def test_auc_is_the_share_of_pairs_in_order(seed, n):
    rng = np.random.default_rng(seed)
    y, s, w = rng.integers(0, 2, n), rng.integers(0, 5, n) / 5, rng.integers(0, 4, n)
    pairs = [(w[i] * w[j], np.sign(s[i] - s[j])) for i in range(n) for j in range(n) if y[i] > y[j]]
    found = metrics.ROCAUC().measure(y, s[:, None], w)
    if total := sum(weight for weight, _ in pairs):
        won = sum(weight * (1 + sign) / 2 for weight, sign in pairs)
        assert found == pytest.approx(won / total, abs=1e-12)
    else:
        assert np.isnan(found)


def test_undefined_values():
    ones, none = np.ones(4, dtype=int), np.full((4, 1), 0.1)
    assert metrics.Precision().measure(ones, none) == 0
    assert metrics.Recall().measure(0 * ones, none) == 0
    assert metrics.F1Score().measure(0 * ones, none) == 0
    assert np.isnan(metrics.ROCAUC().measure(ones, none))
    assert np.isnan(metrics.ROCAUC().measure([0, 1], [[np.nan], [0.5]]))
    assert metrics.R2Score().measure([[2.0]], [[2.0]]) == 1
    assert metrics.R2Score().measure([[2.0], [2.0]], [[2.0], [3.0]]) == 0
    for kind in (metrics.MeanSquaredError, metrics.RootMeanSquaredError, metrics.R2Score):
        assert np.isnan(kind().measure(np.zeros((0, 1)), np.zeros((0, 1))))
        assert np.isnan(kind().measure(np.ones((2, 1)), np.ones((2, 1)), np.zeros(2)))
    assert np.isnan(metrics.Accuracy().measure(np.zeros(0, dtype=int), np.zeros((0, 3))))


def test_counts_pass_2_to_the_24():
    """As float32 the sum of a million batches would stand still at 16,777,216."""
    batch = metrics.Accuracy().statistics(jnp, jnp.ones(16, dtype=jnp.int32), jnp.full((16, 1), 0.9), None)
    assert {str(a.dtype) for a in batch.values()} == {"int32"}
    matrix = metrics.ConfusionMatrix().statistics(jnp, jnp.arange(3), jnp.eye(3), None)
    assert str(matrix["counts"].dtype) == "int32"


def test_r2_keeps_its_digits_in_float32_far_from_zero():
    rng = np.random.default_rng(0)
    y = (10_000 + rng.normal(size=(512, 1))).astype(np.float32)
    p = (y + 0.1 * rng.normal(size=y.shape)).astype(np.float32)
    compiled = jax.jit(partial(metrics.R2Score().statistics, jnp))
    found = in_batches(metrics.R2Score(), y, p, None, 64, compiled)
    assert found == pytest.approx(sk.r2_score(y.astype(float), p.astype(float)), abs=1e-5)


def test_thresholds():
    y, p = [0, 1, 1], [[0.2], [0.35], [0.5]]
    assert metrics.Accuracy().measure(y, p) == pytest.approx(1 / 3)  # 0.5 is not above one half
    assert metrics.Accuracy(0.3).measure(y, p) == 1
    assert metrics.Recall(threshold=0.4).measure(y, p) == 0.5
    assert metrics.ConfusionMatrix(0.1).measure(y, p).tolist() == [[0, 1], [0, 2]]


@pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
@pytest.mark.parametrize(
    ("kind", "y", "p", "message"),
    [
        ("mse", (5,), (5, 1), r"mse: y has shape \(5,\), y_pred \(5, 1\); make .* y.reshape\(-1, 1\)"),
        ("r2", (5, 1), (5,), r"make y flat with y.reshape\(-1\)"),
        ("mae", (5, 2), (5, 1), "expected equal shapes"),
        ("rmse", (4, 1), (5, 1), r"y has shape \(4, 1\), y_pred \(5, 1\)"),
        ("accuracy", (4,), (5, 3), r"y has shape \(4,\), y_pred \(5, 3\); expected y_pred \(n, 1\)"),
        ("accuracy", (5, 2), (5, 3), "one-hot like y_pred"),
        ("accuracy", (5,), (5,), r"expected y_pred \(n, 1\)"),
        ("auc", (5, 2), (5, 1), r"y has shape \(5, 2\)"),
        ("confusion_matrix", (5, 2, 2), (5, 2, 2), r"expected y_pred \(n, 1\)"),
        ("f1", (6,), (5, 1), r"y has shape \(6,\)"),
    ],
)
def test_shapes_that_do_not_fit(xp, kind, y, p, message):
    with pytest.raises(ShapeError, match=message):
        metrics.get(kind).statistics(xp, xp.zeros(y), xp.zeros(p), None)


@pytest.mark.parametrize("name", [*CLASSES, *VALUES])
def test_weights_that_do_not_fit(name):
    with pytest.raises(ShapeError, match=r"weight has shape \(5, 1\).*one weight a row, shape \(5,\)"):
        (CLASSES | VALUES)[name][0].measure(np.zeros((5, 1)), np.zeros((5, 1)), np.ones((5, 1)))


def test_classes_without_a_column():
    with pytest.raises(DataError, match=r"y holds classes 1 to 3, but y_pred .* knows classes 0 to 2"):
        metrics.Accuracy().measure([1, 2, 3], np.eye(3))
    with pytest.raises(DataError, match="classes -1 to 1"):
        metrics.ROCAUC().measure([-1, 1], [[0.1], [0.9]])


def test_names_and_json():
    for name, kind in metrics.BY_NAME.items():
        assert metrics.get(name) == kind(name=name)
        assert metrics.get(kind.__name__) == kind()
        assert from_config(json.loads(json.dumps(to_config(metrics.get(name))))) == metrics.get(name)
        assert hash(kind()) == hash(kind())
    mine = metrics.Precision(average="micro", threshold=0.3, name="mine")
    assert from_config(to_config(mine)) == mine
    assert metrics.get(mine) is mine


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.get("precison"), "did you mean precision"),
        (lambda: metrics.get("zzz"), "expected one of acc, accuracy, auc"),
        (lambda: metrics.get(3), "unknown metric 3"),
        (lambda: from_config({"metric": "Nope"}), "the metric 'Nope' is not known here"),
        (lambda: metrics.F1Score(average="mean"), "F1Score: average is 'mean'; expected macro, micro or"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_accuracy_of_sequences_leaves_padding_out():
    draw = np.random.default_rng(3)
    y, p = draw.integers(1, 4, (5, 7)), draw.dirichlet(np.ones(4), (5, 7))
    y[:, 4:] = 0
    weight = draw.uniform(0.5, 2, 5)
    right = p.argmax(axis=-1) == y
    expected = sk.accuracy_score(y[:, :4].reshape(-1), p[:, :4].argmax(axis=-1).reshape(-1))
    assert metrics.Accuracy(ignore_class=0).measure(y, p) == pytest.approx(expected, rel=1e-12)
    assert metrics.Accuracy().measure(y[..., None], p) == pytest.approx(right.mean(), rel=1e-12)
    weighted = (right[:, :4] * weight[:, None]).sum() / (4 * weight.sum())
    assert metrics.Accuracy(ignore_class=0).measure(y, p, weight) == pytest.approx(weighted, rel=1e-12)
    assert metrics.Accuracy(ignore_class=-1).measure([-1, 1], [[0.1, 0.9], [0.1, 0.9]]) == 1.0
    assert np.isnan(metrics.Accuracy(ignore_class=0).measure(np.zeros((2, 3)), p[:2, :3]))
