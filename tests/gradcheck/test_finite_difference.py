"""The gradient by changing each weight: how exact it is, and that it disturbs nothing."""

import numpy as np
import pytest

import pellucid as pl
from pellucid import FiniteDifference, finite_difference
from pellucid.autodiff import ops
from pellucid.errors import ShapeError, UsageError

POINT = {"a": np.array([[0.5, -1.0], [2.0, 30.0]]), "b": np.array(3.0)}


def f(p):
    return ops.sum(p["a"] ** 3) * p["b"]


def test_central_by_default():
    found = finite_difference(f, POINT)
    np.testing.assert_allclose(found["a"], 9 * POINT["a"] ** 2, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found["b"], np.sum(POINT["a"] ** 3), rtol=1e-8)


@pytest.mark.parametrize(("scheme", "order"), [("central", 2), ("forward", 1)])
def test_the_error_falls_with_the_promised_power_of_the_change(scheme, order):
    w = {"w": np.array(0.7)}
    errors = [
        abs(float(finite_difference(lambda p: ops.exp(p["w"]), w, eps=h, scheme=scheme)["w"]) - np.exp(0.7))
        for h in (1e-2, 1e-3)
    ]
    assert np.log10(errors[0] / errors[1]) == pytest.approx(order, abs=0.02)


def test_forward_is_the_formula():
    h, w = 1e-4, 2.269
    found = finite_difference(lambda p: p["w"] ** 2, {"w": np.array(w)}, eps=h, scheme="forward")
    assert float(found["w"]) == pytest.approx(((w + h) ** 2 - w**2) / h, rel=1e-11)


def test_the_change_grows_with_the_weight():
    w = np.array([0.0, 0.5, -3.0, 1e6])
    np.testing.assert_allclose(FiniteDifference().change(np, w), [1e-6, 1e-6, 3e-6, 1.0])
    np.testing.assert_allclose(FiniteDifference(eps=0.01).change(np, w), 0.01)


def test_a_large_weight_is_divided_by_the_change_as_it_was_rounded():
    w = {"w": np.array(1e12)}
    found = finite_difference(lambda p: p["w"] * 2.0, w, eps=1e-4, scheme="forward")
    assert float(found["w"]) == pytest.approx(2.0, rel=1e-15)


def test_it_is_float64_whatever_the_parameters_are_and_leaves_them_alone():
    w = np.array([0.5, -1.5], np.float32)
    seen = []

    def g(p):
        seen.append(p["w"].dtype)
        return ops.sum(p["w"] ** 2)

    found = finite_difference(g, {"w": w})
    assert found["w"].dtype == np.float64
    assert set(seen) == {np.dtype(np.float64)}
    assert len(seen) == 4
    np.testing.assert_array_equal(w, np.array([0.5, -1.5], np.float32))
    np.testing.assert_allclose(found["w"], [1.0, -3.0], rtol=1e-9)


def test_one_pass_for_each_weight_and_one_more_when_forward():
    count = []
    finite_difference(lambda p: count.append(1) or ops.sum(p["w"]), {"w": np.ones(5)}, scheme="forward")
    assert len(count) == 6


def test_what_is_refused():
    with pytest.raises(ShapeError, match=r"f returned shape \(2,\)"):
        finite_difference(lambda p: p["w"], {"w": np.ones(2)})
    with pytest.raises(UsageError, match="'central' or 'forward'"):
        pl.FiniteDifference(scheme="backward")
    for eps in (0.0, -1e-6, float("inf"), float("nan")):
        with pytest.raises(UsageError, match="must be a positive number"):
            pl.FiniteDifference(eps=eps)
