"""Both gradients of a model: of all weights or of a sample; and training without back-propagation."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.data.dataset import Batch
from pellucid.engine.step import State, Step
from pellucid.errors import UsageError
from pellucid.replay.check_step import CHECK_ALL, SAMPLE, check_step

X = np.random.default_rng(1).normal(size=(12, 4))
LABELS = (X[:, 0] > 0) + (X[:, 1] > 0.5) * 1


def classifier(*layers):
    model = pl.Sequential([*layers, pl.Dense(3)])
    model.compile(pl.SGD(0.1), pl.SparseCategoricalCrossentropy(from_logits=True))
    return model


def test_a_sample_is_spread_over_all_parameters_and_says_so():
    report = pl.check_gradients(classifier(pl.Dense(8, "relu")), X, LABELS, sample=20)
    checked = {path: int((check.verdict != "").sum()) for path, check in report.weights.items()}
    assert checked == {"dense/kernel": 6, "dense/bias": 5, "dense_1/kernel": 6, "dense_1/bias": 3}
    assert (report.count, report.size) == (20, 4 * 8 + 8 + 8 * 3 + 3)
    assert str(report).startswith("20 of 67 gradients both ways: ")
    assert report.ok
    check = report.weights["dense/kernel"]
    assert np.isnan(check.finite_difference[check.verdict == ""]).all()
    assert not np.isnan(check.finite_difference[check.verdict != ""]).any()


def test_the_same_weights_are_drawn_again():
    model = classifier(pl.Dense(8, "relu"))
    one, two = (pl.check_gradients(model, X, LABELS, sample=10) for _ in range(2))
    for path in one.weights:
        np.testing.assert_array_equal(one.weights[path].verdict, two.weights[path].verdict)


def test_a_large_network_is_checked_by_a_sample():
    model = classifier(pl.Dense(CHECK_ALL // 4, "tanh"))
    report = pl.check_gradients(model, X[:1], LABELS[:1])
    assert (report.count, report.ok) == (SAMPLE, True)
    assert report.size > CHECK_ALL


@pytest.mark.parametrize(("work", "count"), [(10**9, 43), (4_600, 30), (0, 20)])
def test_a_network_whose_changes_take_long_is_checked_by_a_sample(monkeypatch, work, count):
    monkeypatch.setattr("pellucid.replay.check_step.WORK", work)
    monkeypatch.setattr("pellucid.replay.check_step.LEAST", 5)
    model = classifier(pl.Dense(5, "tanh"))
    assert pl.check_gradients(model, X, LABELS).count == count
    assert pl.check_gradients(model, X, LABELS, sample=10**6).count == 43  # as many as were asked for


def test_a_sample_is_one_weight_or_more():
    with pytest.raises(UsageError, match="sample=0: a whole number, 1 or more"):
        pl.check_gradients(classifier(), X, LABELS, sample=0)


def test_a_step_is_checked_with_its_own_dropout():
    model = classifier(pl.Dense(8, "tanh"), pl.Dropout(0.5))
    model.predict(X[:1])
    step = Step(model, model.compiled.loss, model.compiled.optimizer, seed=3)
    state = State({path: a.astype(np.float64) for path, a in model.parameters().items()})
    seen = []
    reports = [
        check_step(step, state, Batch(X, LABELS), n, training=True, progress=lambda *a: seen.append(a)) for n in (4, 5)
    ]
    assert all(report.ok for report in reports)
    one, two = (report.weights["dense_1/kernel"].backprop for report in reports)
    assert not np.array_equal(one, two)
    assert seen[-1] == (67, 67)


def test_both_engines_give_the_gradients():
    model = classifier(pl.Dense(8, "elu"))
    of_numpy = pl.gradients(model, X, LABELS)
    of_xla = pl.gradients(model, X, LABELS, engine="xla")
    assert of_numpy[0] == pytest.approx(of_xla[0], rel=1e-14)
    for path in of_numpy[1]:
        np.testing.assert_allclose(of_numpy[1][path], of_xla[1][path], rtol=1e-12, atol=1e-15)


def trained(method, engine):
    model = classifier(pl.Dense(6, "tanh"), pl.Dropout(0.2))
    model.fit(X, LABELS, batch_size=6, epochs=3, seed=2, engine=engine, method=method, dtype="float64", verbose=0)
    return model.parameters()


def test_finite_differences_train_as_backprop_in_both_engines():
    """Each slope is right to 1e-9, so that after 6 steps of rate 0.1 the weights are equal to 1e-9."""
    expected = trained("backprop", "numpy")
    for engine in ("numpy", "xla"):
        found = trained("finite_difference", engine)
        for path in expected:
            np.testing.assert_allclose(found[path], expected[path], rtol=0, atol=2e-9)


@pytest.mark.parametrize("method", ["spsa", pl.SPSA(eps=1e-3, samples=4)])
def test_spsa_trains_alike_in_both_engines(method):
    """An estimate is a difference of two losses over 2e-4: rounding of 1e-15 becomes 1e-11 of a slope."""
    of_numpy, of_xla = (trained(method, engine) for engine in ("numpy", "xla"))
    for path in of_numpy:
        np.testing.assert_allclose(of_numpy[path], of_xla[path], rtol=0, atol=1e-9)


def test_an_unknown_method_is_refused():
    with pytest.raises(UsageError, match="'backprop' or 'finite_difference' or 'spsa'"):
        classifier().fit(X, LABELS, method="guess", verbose=0)
