"""The verdict on two gradients: agreement, rounding, a kink, or a wrong rule; and whose rule it is."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.autodiff import OPS, Tape, gradients, op, ops
from pellucid.gradcheck import check
from pellucid.gradcheck.comparison import judge
from pellucid.gradcheck.fixed_branches import Closer


@pytest.fixture
def registry():
    """Ops defined in a test are taken off the registry again."""
    before = set(OPS)
    yield
    for name in set(OPS) - before:
        del OPS[name]


def cube_with(factor):
    """An op whose backward rule is off by a factor."""

    @op()
    def my_cube(xp, x):
        """x³"""
        return x * x * x

    @my_cube.backward
    def _(dy, y, x):
        return dy * (3.0 * factor) * x * x

    return my_cube


def model_of(*layers):
    model = pl.Sequential(list(layers))
    model.compile(loss="mean_squared_error")
    return model


X = np.array([[0.3, -1.2], [1.1, 0.4], [-0.7, 0.9]])
Y = np.array([[1.0], [0.0], [2.0]])


def report_of(f, **parameters):
    tape = Tape(parameters)
    values = {path: tape.parameter(path) for path in parameters}
    output = f(*values.values())
    found = gradients(output, list(values.values()))
    return check(output, values, {p: g.array for p, g in zip(values, found, strict=True)})


def test_a_healthy_network_agrees():
    report = pl.check_gradients(model_of(pl.Dense(4, "tanh"), pl.Dense(1)), X, Y)
    assert report.ok
    assert report.worst < 1e-6
    assert report.count == report.size == 2 * 4 + 4 + 4 + 1
    assert report.wrong() == report.kinks == report.culprits == []
    assert list(report.weights) == ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]
    assert report.weights["dense/kernel"].backprop.shape == (2, 4)
    assert str(report).startswith("17 gradients both ways: ")


def test_a_wrong_rule_is_found_and_its_weights_named(registry):
    model = model_of(pl.Dense(3, cube_with(0.5)), pl.Dense(1))
    report = pl.check_gradients(model, X, Y)
    assert not report.ok
    assert {path for path, _ in report.wrong()} == {"dense/kernel", "dense/bias"}
    assert report.counts()["wrong"] == 2 * 3 + 3
    assert report.weights["dense_1/kernel"].ok
    assert report.worst == pytest.approx(0.5, rel=1e-4)
    assert "9 wrong" in str(report)


def test_a_factor_of_a_thousandth_in_one_rule_is_named(registry):
    model = model_of(pl.Dense(4, "tanh"), pl.Dense(3, cube_with(1.001)), pl.Dense(1))
    report = pl.check_gradients(model, X, Y)
    assert [(c.op, c.layer) for c in report.culprits] == [("my_cube", "dense_1")]
    assert report.culprits[0].factor == pytest.approx(1.001, rel=1e-8)
    assert (
        "the backward rule of my_cube in dense_1 is wrong: its gradient is 1.001 times what the measurement gives"
        in str(report).splitlines()
    )


def test_every_rule_of_the_library_is_named_where_it_is_off(monkeypatch):
    def f(w):
        return ops.sum(ops.tanh(ops.softmax(ops.relu(w) @ np.array([[1.0, 2.0], [-1.0, 0.5]]) - ops.amax(w))))

    w = np.array([[0.4, -0.3], [1.5, 0.7], [0.2, 0.9]])
    for name in ("tanh", "softmax", "relu", "matmul", "amax", "subtract"):
        rule = OPS[name].rule

        def off(*arguments, rule=rule, **settings):
            sent = rule(*arguments, **settings)
            return tuple(g * 1.001 for g in sent) if isinstance(sent, tuple) else sent * 1.001

        with monkeypatch.context() as patch:
            patch.setattr(OPS[name], "rule", off)
            assert [c.op for c in report_of(f, w=w).culprits] == [name]
    assert report_of(f, w=w).culprits == []


def test_a_rule_that_is_off_in_one_number_has_no_factor(registry):
    @op("reduce")
    def my_sum(xp, x, *, axis=None, keepdims=False):
        """Σ x"""
        return xp.sum(x, axis=axis, keepdims=keepdims)

    @my_sum.backward
    def _(dy, y, x, *, axis=None, keepdims=False):
        return dy * np.array([1.0, 1.0, 0.0, 1.0])

    report = report_of(lambda w: my_sum(w * 2.0), w=np.array([0.5, -1.0, 2.0, 0.1]))
    assert report.wrong() == [("w", (2,))]
    (culprit,) = report.culprits
    assert culprit.factor is None
    assert "the backward rule of my_sum is wrong: its gradient is " in str(culprit)


def test_a_forgotten_rule_is_named(registry):
    @op()
    def ruleless(xp, x):
        """2x"""
        return 2 * x

    report = report_of(lambda w: ops.sum(ruleless(w)), w=np.array([0.5]))
    assert [c.op for c in report.culprits] == ["ruleless"]
    assert report.counts()["wrong"] == 1


def test_a_wrong_rule_that_no_weight_feels_is_named(monkeypatch):
    """The gradient behind it is 0, so that both ways agree; the rule is tested alone."""
    rule = OPS["tanh"].rule
    monkeypatch.setattr(OPS["tanh"], "rule", lambda *a: rule(*a) * 1.001)
    report = report_of(lambda w: ops.sum(ops.tanh(w) * 0.0), w=np.array([0.5]))
    assert report.counts()["wrong"] == 0
    assert [c.op for c in report.culprits] == ["tanh"]
    assert not report.ok


def test_a_relu_at_its_corner_is_a_kink_and_not_wrong():
    """With zero weights and no bias every sum is 0: the unit stands on the corner of its relu."""
    model = model_of(pl.Dense(1, "relu", use_bias=False))
    model.predict(X[:1])
    model.load_parameters({"dense/kernel": np.zeros((2, 1))})
    report = pl.check_gradients(model, X, Y)
    assert report.ok
    assert report.counts()["kink"] == len(report.kinks) == 2
    assert (report.kinks[0].op, report.kinks[0].layer, report.kinks[0].row) == ("relu", "dense", 0)


def test_corners_of_several_rows_that_cancel_are_a_kink_too():
    """The slopes to both sides are equal, and the rule's is another one."""
    model = model_of(pl.Dense(1, "relu", use_bias=False, kernel_initializer="zeros"))
    report = pl.check_gradients(model, np.array([[1.0], [-1.0]]), np.array([[1.0], [1.0]]) * [[1.0], [-1.0]])
    assert report.counts() == {"agree": 0, "rounding": 0, "kink": 1, "wrong": 0}
    assert report.ok


def test_a_kink_names_the_row_and_the_unit():
    """Row 1, unit 2 of the relu is 1e-8 from its corner: within the change of 1e-6 of its own weights alone."""
    x, w = np.array([[1.0, 0.5], [2.0, 1.0]]), np.array([[1.0, 2.0, 0.5], [1.0, 1.0, 1e-8 - 1.0]])
    report = report_of(lambda w: ops.sum(ops.relu(np.asarray(x) @ w) ** 2 + ops.relu(x @ w)), w=w)
    assert report.ok
    assert [(k.path, k.index, k.op, k.row, k.unit) for k in report.kinks] == [
        ("w", (0, 2), "relu", 0, (2,)),
        ("w", (1, 2), "relu", 0, (2,)),
    ]
    assert str(report.kinks[0]) == "w[0, 2]: a corner of relu, row 0 of the batch, unit 2"


def test_a_maximum_that_changes_hands_is_a_kink():
    report = report_of(lambda w: ops.sum(ops.amax(w, axis=1)), w=np.array([[1.0, 0.5], [2.0, 2.0 + 1e-9]]))
    assert [(k.op, k.index, k.row) for k in report.kinks] == [("amax", (1, 0), 1), ("amax", (1, 1), 1)]
    assert report.ok


def test_a_jump_is_a_kink():
    jump = report_of(lambda w: ops.sum(ops.sign(w)), w=np.array([0.0, 1.0]))
    assert [(k.op, k.index) for k in jump.kinks] == [("sign", (0,))]
    assert jump.ok


@pytest.mark.parametrize(("off", "wrong"), [(-0.5, 2), (0.5, 0)])
def test_a_corner_does_not_excuse_another_slope(monkeypatch, off, wrong):
    """On its corner the relu promises 0, and no other slope, be it the half that is measured."""
    rule = OPS["relu"].rule
    monkeypatch.setattr(OPS["relu"], "rule", lambda dy, y, x: rule(dy, y, x) + dy * off)
    model = model_of(pl.Dense(1, "relu", use_bias=False))
    model.predict(X[:1])
    model.load_parameters({"dense/kernel": np.zeros((2, 1))})
    report = pl.check_gradients(model, X, Y)
    assert report.counts()["wrong"] == wrong
    assert [c.op for c in report.culprits] == ["relu"]
    assert not report.ok


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


def never(some):
    raise AssertionError("a closer look is taken only where the two differ")


def looks(near, fine, error=0.0, crossed=-1):
    numbers = [np.array([v]) for v in (crossed, 0, near, fine, error)]
    return lambda _: Closer(*numbers)


def verdict_of(a, b, loss, closer, **options):
    return judge(np.array([a]), np.array([b]), loss, closer, **options)[0].tolist()


def test_what_subtraction_loses_is_rounding():
    """Losses of size 1e6 are known to 1e-10, so over 2e-6 a slope is known to about 1e-3."""
    assert verdict_of(1e-4, 3e-4, 1e6, never) == ["rounding"]


def test_the_same_distance_at_a_small_loss_is_wrong():
    assert verdict_of(1e-4, 3e-4, 1.0, looks(3e-4, 3e-4)) == ["wrong"]


def test_what_a_finer_measurement_grants_is_rounding():
    assert verdict_of(1e-4, 3e-4, 1.0, looks(3e-4, 1e-4)) == ["rounding"]
    assert verdict_of(1.0, 1.1, 1.0, looks(1.1, 1.0001, error=2e-5)) == ["rounding"]


def test_an_uncertain_measurement_grants_nothing():
    assert verdict_of(1.0, 1.1, 1.0, looks(1.1, 1.001, error=2e-3)) == ["wrong"]
    assert verdict_of(1.0, 1.1, 1.0, looks(np.nan, np.nan, error=np.nan)) == ["wrong"]


@pytest.mark.parametrize(("near", "crossed", "verdict"), [(0.5, 7, "kink"), (0.9, 7, "wrong"), (0.5, -1, "rounding")])
def test_a_kink_crosses_a_corner_and_agrees_when_held(near, crossed, verdict):
    assert verdict_of(0.5, 0.9, 1.0, looks(near, near, crossed=crossed)) == [verdict]


def test_a_gradient_that_is_not_a_number_is_wrong():
    assert verdict_of(np.nan, 1.0, 1.0, looks(1.0, 1.0)) == ["wrong"]


def test_two_zeros_agree():
    assert verdict_of(0.0, 0.0, 1.0, never) == ["agree"]


def test_a_compared_network_with_dropout_is_the_whole_one():
    """Dropout is off: a check is of the function that the network predicts with."""
    model = model_of(pl.Dense(4, "tanh"), pl.Dropout(0.5), pl.Dense(1))
    assert pl.check_gradients(model, X, Y).ok
