"""Back-propagation as a whole: what meets, what is not used, what is refused."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid import Tape, backprop, finite_difference, relu, softplus, tanh
from pellucid.autodiff import gradients, ops
from pellucid.errors import ShapeError


def test_one_weight_by_hand():
    """(w·x - 6)² at w = x = 2: value 4, slope 2·(4 - 6)·2 = -8."""
    value, found, _ = backprop(lambda p: (p["w"] * 2.0 - 6.0) ** 2, {"w": np.array(2.0)})
    assert float(value) == 4.0
    assert float(found["w"]) == -8.0


def test_what_comes_back_from_each_use_adds_up():
    """w² + 3w + w·w·w at 2: 4 + 3 + 12."""
    _, found, _ = backprop(lambda p: p["w"] * p["w"] + 3.0 * p["w"] + p["w"] ** 3, {"w": np.array(2.0)})
    assert float(found["w"]) == 2 * 2 + 3 + 3 * 4


def test_a_weight_used_in_two_places_gets_the_sum_of_both():
    w, x = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, -1.0]])
    _, both, _ = backprop(lambda p: ops.sum(tanh(tanh(x @ p["w"]) @ p["w"])), {"w": w})
    _, apart, _ = backprop(lambda p: ops.sum(tanh(tanh(x @ p["a"]) @ p["b"])), {"a": w, "b": w})
    np.testing.assert_allclose(both["w"], apart["a"] + apart["b"], rtol=1e-15)


def test_one_value_in_both_places_of_an_op():
    _, found, _ = backprop(lambda p: ops.sum(p["w"] / p["w"] + p["w"] - p["w"]), {"w": np.array([2.0, 5.0])})
    np.testing.assert_allclose(found["w"], 0, atol=1e-16)


def test_a_parameter_that_is_not_used_gets_zeros_of_its_shape():
    point = {"w": np.array([1.0, 2.0]), "unused": np.ones((2, 3), np.float32)}
    _, found, _ = backprop(lambda p: ops.sum(p["w"]), point)
    assert found["unused"].shape == (2, 3)
    assert found["unused"].dtype == np.float32
    assert not found["unused"].any()


def test_the_output_itself_and_what_does_not_depend_on_it():
    tape = Tape({"w": np.array(3.0)})
    w = tape.parameter("w")
    y, aside = w * w, tape.given("aside", np.ones(2))
    mine, of_w, of_aside = gradients(y, [y, w, aside])
    assert (float(mine.array), float(of_w.array), of_aside.array.tolist()) == (1.0, 6.0, [0.0, 0.0])


def test_a_loss_that_depends_on_no_parameter():
    value, found, _ = backprop(lambda p: ops.sum(p["w"].tape.given("x", np.ones(2))), {"w": np.array(1.0)})
    assert (float(value), float(found["w"])) == (2.0, 0.0)


def test_a_tape_may_be_walked_twice():
    tape = Tape({"w": np.array(2.0)})
    w = tape.parameter("w")
    y = w**3
    first = gradients(y, [w])[0]
    again = gradients(y, [w])[0]
    assert float(first.array) == float(again.array) == 12.0
    of_two = gradients(w * w, [w])[0]
    assert float(of_two.array) == 4.0


def test_a_gradient_has_a_gradient_and_so_on():
    """The third derivative of w⁴ is 24·w."""
    tape = Tape({"w": np.array(1.5)})
    w = tape.parameter("w")
    y = w**4
    for expected in (4 * 1.5**3, 12 * 1.5**2, 24 * 1.5):
        y = gradients(y, [w])[0]
        assert float(y.array) == pytest.approx(expected, rel=1e-14)


def test_the_gradient_of_a_value_in_the_middle():
    tape = Tape({"w": np.array([1.0, -2.0])})
    hidden = tape.parameter("w") * 3.0
    found = gradients(ops.sum(hidden * hidden), [hidden])[0]
    np.testing.assert_array_equal(found.array, 2 * hidden.array)


@pytest.mark.parametrize("shape", [(2,), (1, 1), (0,)])
def test_only_one_number_has_a_gradient(shape):
    with pytest.raises(ShapeError, match=r"only one number has a gradient.*mean or sum"):
        backprop(lambda p: p["w"] * 2.0, {"w": np.ones(shape)})


def test_one_number_in_an_array_is_one_number():
    value, found, _ = backprop(lambda p: p["w"] * 2.0, {"w": np.ones(1)})
    assert (value.shape, found["w"].tolist()) == ((1,), [2.0])


def test_the_parameters_given_stay_as_they_were():
    w = np.array([1.0, 2.0])
    backprop(lambda p: ops.sum(p["w"] * p["w"]), {"w": w})
    w[0] = 5.0
    assert w.tolist() == [5.0, 2.0]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.sampled_from([tanh, softplus, relu]),
    st.integers(0, 999),
)
def test_a_network_of_any_widths_agrees_with_finite_differences(widths, activation, seed):
    draw = np.random.default_rng(seed)
    weights = {f"w{i}": draw.normal(size=shape) for i, shape in enumerate(pairwise(widths))}
    x = draw.normal(size=(3, widths[0]))

    def f(p):
        y = x
        for w in p.values():
            y = activation(y @ w)
        return ops.mean(ops.square(y))

    _, found, _ = backprop(f, weights)
    expected = finite_difference(f, weights)
    for path in weights:
        np.testing.assert_allclose(found[path], expected[path], rtol=1e-5, atol=1e-8)
