"""The verdict on two gradients: agreement, rounding, a kink, or a wrong rule."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.autodiff import OPS, compare, op


@pytest.fixture
def swapped_rule(monkeypatch):
    """An op whose backward rule forgot a factor of 2; taken off the registry again."""
    before = set(OPS)

    @op()
    def doubled_cube(xp, x):
        """2x³"""
        return 2 * x * x * x

    @doubled_cube.backward
    def _(dy, y, x):
        return dy * 3.0 * x * x

    yield doubled_cube
    for name in set(OPS) - before:
        del OPS[name]


def model_of(*layers):
    model = pl.Sequential(list(layers))
    model.compile(loss="mean_squared_error")
    return model


X = np.array([[0.3, -1.2], [1.1, 0.4], [-0.7, 0.9]])
Y = np.array([[1.0], [0.0], [2.0]])


def test_a_healthy_network_agrees():
    report = pl.check_gradients(model_of(pl.Dense(4, "tanh"), pl.Dense(1)), X, Y)
    assert report.ok
    assert report.worst < 1e-6
    assert report.count == 2 * 4 + 4 + 4 + 1
    assert report.wrong() == []
    assert list(report.weights) == ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]
    assert report.weights["dense/kernel"].backprop.shape == (2, 4)
    assert str(report).startswith("17 gradients both ways: ")


def test_a_wrong_rule_is_found_and_its_weights_named(swapped_rule):
    model = model_of(pl.Dense(3, swapped_rule), pl.Dense(1))
    report = pl.check_gradients(model, X, Y)
    assert not report.ok
    assert {path for path, _ in report.wrong()} == {"dense/kernel", "dense/bias"}
    assert report.counts()["wrong"] == 2 * 3 + 3
    assert report.weights["dense_1/kernel"].ok
    assert report.worst == pytest.approx(0.5, rel=1e-4)
    assert "9 wrong" in str(report)


def test_a_rule_that_is_a_thousandth_off_is_wrong(monkeypatch):
    rule = OPS["tanh"].rule
    monkeypatch.setattr(OPS["tanh"], "rule", lambda *a: rule(*a) * 1.001)
    report = pl.check_gradients(model_of(pl.Dense(3, "tanh"), pl.Dense(1)), X, Y)
    assert report.counts()["wrong"] == 9


def test_a_relu_at_its_corner_is_a_kink_and_not_wrong():
    """With zero weights and no bias every sum is 0: the unit stands on the corner of its relu."""
    model = model_of(pl.Dense(1, "relu", use_bias=False))
    model.predict(X[:1])
    model.load_parameters({"dense/kernel": np.zeros((2, 1))})
    report = pl.check_gradients(model, X, Y)
    assert report.ok
    assert report.counts()["kink"] > 0
    assert report.counts()["wrong"] == 0


@pytest.mark.xfail(
    reason="where rows cross corners in opposite directions, the loss has equal slopes to both sides and the "
    "rule's lies outside them: called wrong; the verdict would have to look at each row's corner"
)
def test_corners_of_several_rows_that_cancel_are_a_kink_too():
    model = model_of(pl.Dense(1, "relu", use_bias=False, kernel_initializer="zeros"))
    report = pl.check_gradients(model, np.array([[1.0], [-1.0]]), np.array([[1.0], [1.0]]) * [[1.0], [-1.0]])
    assert report.counts()["wrong"] == 0


def test_a_corner_does_not_excuse_a_slope_outside_it(monkeypatch):
    """On the corner of the relu the rule may give any slope between the two sides, and no other."""
    rule = OPS["relu"].rule
    monkeypatch.setattr(OPS["relu"], "rule", lambda dy, y, x: rule(dy, y, x) - dy * 0.5)
    model = model_of(pl.Dense(1, "relu", use_bias=False))
    model.predict(X[:1])
    model.load_parameters({"dense/kernel": np.zeros((2, 1))})
    assert not pl.check_gradients(model, X, Y).ok


def test_three_equal_maxima_are_a_kink():
    class Largest(pl.Model):
        def __init__(self):
            super().__init__()
            self.dense = pl.Dense(3, kernel_initializer="ones")

        def __call__(self, x):
            return pl.amax(self.dense(x), axis=1, keepdims=True)

    model = Largest()
    model.compile(loss="mean_squared_error")
    report = pl.check_gradients(model, X[:1], Y[:1])
    assert report.ok
    assert report.counts()["kink"] == 2 * 3 + 3


def never(path, index):
    raise AssertionError("the slopes are measured only where the two differ")


def test_what_subtraction_loses_is_rounding():
    """Losses of size 1e6 are known to 1e-10, so over 2e-6 a slope is known to about 1e-3."""
    report = compare({"w": np.array([1e-4])}, {"w": np.array([3e-4])}, 1e6, never)
    assert report.counts() == {"agree": 0, "rounding": 1, "kink": 0, "wrong": 0}
    assert report.worst == 0.0
    assert report.ok


def test_the_same_distance_at_a_small_loss_is_wrong():
    report = compare({"w": np.array([1e-4])}, {"w": np.array([3e-4])}, 1.0, lambda *_: (3e-4, 3e-4, 1e-9))
    assert report.wrong() == [("w", (0,))]


def test_a_gradient_that_is_not_a_number_is_wrong():
    report = compare({"w": np.array([np.nan])}, {"w": np.array([1.0])}, 1.0, lambda *_: (1.0, 1.0, 1e-9))
    assert not report.ok


def test_two_zeros_agree():
    report = compare({"w": np.zeros(3)}, {"w": np.zeros(3)}, 1.0, never)
    assert (report.counts()["agree"], report.worst) == (3, 0.0)


@pytest.mark.parametrize(
    ("rule", "left", "right", "verdict"),
    [(0.0, 0.0, 1.0, "kink"), (0.5, 0.0, 1.0, "kink"), (1.5, 0.0, 1.0, "wrong"), (0.5, 1.0, 1.0, "wrong")],
)
def test_a_kink_has_two_slopes_and_the_rule_between_them(rule, left, right, verdict):
    report = compare({"w": np.array([rule])}, {"w": np.array([0.9])}, 1.0, lambda *_: (left, right, 1e-9))
    assert report.weights["w"].verdict.tolist() == [verdict]


def test_a_compared_network_with_dropout_is_the_whole_one():
    """Dropout is off: a check is of the function that the network predicts with."""
    model = model_of(pl.Dense(4, "tanh"), pl.Dropout(0.5), pl.Dense(1))
    assert pl.check_gradients(model, X, Y).ok
