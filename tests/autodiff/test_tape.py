"""A tape keeps every number of a pass as it was."""

import numpy as np
import pytest

from pellucid import Tape, relu
from pellucid.autodiff import OPS, gradients, namespace, op, ops
from pellucid.errors import UsageError


@pytest.fixture
def tape():
    return Tape({"w": np.array([1.0, -2.0]), "b": np.array(0.5)})


def test_each_operation_is_a_row_in_order(tape):
    w, b = tape.parameter("w"), tape.parameter("b")
    y = (w * 3.0 + b).tape.nodes
    assert [row.op.name if row.op else row.path for row in y] == ["w", "b", "multiply", "add"]
    assert [row.index for row in y] == [0, 1, 2, 3]
    assert y[2].inputs == (w, 3.0)
    np.testing.assert_array_equal(y[3].output, [3.5, -5.5])


def test_a_parameter_is_one_row_however_often_it_is_asked_for(tape):
    assert tape.parameter("w") is tape.parameter("w")
    assert len(tape.nodes) == 1


def test_what_an_op_made_is_read_only(tape):
    y = tape.parameter("w") * 2.0
    with pytest.raises(ValueError, match="read-only"):
        y.array[0] = 7.0


def test_what_was_given_stays_the_givers(tape):
    """The tape does not freeze an array of the caller."""
    x = np.ones(3)
    tape.given("x", x)
    x[0] = 2.0


def test_an_array_from_outside_becomes_a_row(tape):
    y = tape.parameter("w") + np.array([1.0, 1.0])
    assert [row.path for row in tape.nodes[:2]] == ["w", "constant"]
    assert all(hasattr(value, "node") for value in y.node.inputs)


def test_arithmetic_of_values_and_arrays_is_arrays_arithmetic(tape):
    w = tape.parameter("w")
    a, plain = w.array, np.array([3.0, 5.0])
    matrix = np.array([[1.0, 2.0], [3.0, 4.0]])
    for found, expected in [
        (w + plain, a + plain),
        (plain + w, plain + a),
        (2.0 + w, 2.0 + a),
        (w - plain, a - plain),
        (1.0 - w, 1.0 - a),
        (w * plain, a * plain),
        (plain * w, plain * a),
        (w / plain, a / plain),
        (1.0 / w, 1.0 / a),
        (w**2, a**2),
        (-w, -a),
        (plain - w, plain - a),
        (ops.reshape(w, shape=(1, 2)) @ matrix, a.reshape(1, 2) @ matrix),
        (matrix @ ops.reshape(w, shape=(2, 1)), matrix @ a.reshape(2, 1)),
        (w > 0.0, a > 0),
        (w >= 1.0, a >= 1),
        (w < 0.0, a < 0),
        (w <= 1.0, a <= 1),
    ]:
        np.testing.assert_array_equal(found.array, expected)
        assert found.tape is tape


def test_a_value_has_no_truth_value(tape):
    with pytest.raises(UsageError, match=r"pellucid\.where"):
        bool(tape.parameter("w") > 0.0)
    with pytest.raises(UsageError, match="no truth value"):
        _ = 1 if tape.parameter("b") else 2


def test_a_value_names_itself(tape):
    assert repr(tape.parameter("w")) == "Value(w, shape=(2,), node 0)"
    assert repr(relu(tape.parameter("w"))) == "Value(relu, shape=(2,), node 1)"


def test_rows_of_the_backward_pass_name_the_row_they_come_from(tape):
    w = tape.parameter("w")
    loss = ops.sum(w * w)
    gradients(loss, [w])
    back = tape.nodes[loss.node.index + 1 :]
    assert all(row.backward_of is not None for row in back)
    assert all(row.backward_of is None for row in tape.nodes[: loss.node.index + 1])
    names = {tape.nodes[row.backward_of].op.name for row in back}
    assert names == {"sum", "multiply"}


def test_an_op_may_be_called_on_arrays_without_a_tape():
    np.testing.assert_array_equal(relu(np.array([-1.0, 2.0])), [0.0, 2.0])


def test_two_ops_of_one_name_are_refused():
    with pytest.raises(UsageError, match="an op named 'relu' is already registered"):

        @op()
        def relu(xp, x):
            """Another."""
            return x

    assert OPS["relu"] is ops.relu


def test_the_namespace_is_that_of_the_first_array_that_is_not_numpys():
    import jax.numpy as jnp

    assert namespace(np.ones(2), 3.0) is np
    assert namespace(2.0) is np
    assert namespace(np.ones(2), jnp.ones(2)) is jnp
