"""A pass run again from the first row that a weight touches: the same slopes as by the plain loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid import FiniteDifference, finite_difference
from pellucid.autodiff import OPS, Tape, op, ops
from pellucid.gradcheck import measured, restart
from pellucid.gradcheck.restart import Restart
from pellucid.gradcheck.variants import Column

draw = np.random.default_rng(5)
X = draw.normal(size=(6, 4))
LABELS = draw.integers(0, 3, 6)
CODES = np.array([0, 2, 1, 2, 0, 0], np.int32)


def weights(*shape):
    return draw.normal(size=shape) * 0.7


def given(p, x):
    return next(iter(p.values())).tape.given("x", x)


def dense_network(p):
    h = ops.relu(given(p, X) @ p["w0"] + p["b0"])
    h = ops.tanh(h @ p["w1"] + p["b1"])
    return ops.mean(ops.sparse_softmax_crossentropy(h @ p["w2"] + p["b2"], LABELS))


def shared_weights(p):
    h = ops.tanh(given(p, X) @ p["w"] + p["b"])
    h = ops.tanh(h @ p["w"] + p["b"])
    return ops.mean(ops.square(h + given(p, X) @ ops.swap_last(p["w"])))


def batch_normalization(p):
    h = given(p, X) @ p["w0"]
    centred = h - ops.mean(h, axis=0)
    h = p["scale"] * centred / ops.sqrt(ops.mean(ops.square(centred), axis=0) + 1e-3) + p["shift"]
    return ops.mean(ops.softmax_crossentropy(ops.elu(h) @ p["w1"], np.eye(3)[LABELS]))


def layer_normalization(p):
    h = given(p, X) @ p["w0"]
    centred = h - ops.mean(h, axis=-1, keepdims=True)
    h = p["scale"] * centred / ops.sqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True) + 1e-3) + p["shift"]
    return ops.mean(ops.square(h @ p["w1"]))


def embeddings(p):
    rows = ops.concatenate(given(p, X), ops.take_rows(p["table"], CODES), ops.take_rows(p["other"], CODES[::-1]))
    return ops.mean(ops.square(ops.sigmoid(rows @ p["w"])))


def dropped_and_penalised(p):
    h = ops.dropout(ops.leaky_relu(given(p, X) @ p["w0"]), X > 0.1, rate=0.3)
    penalty = 0.1 * ops.sum(ops.square(p["w0"])) + ops.mean(ops.absolute(p["w1"]), axis=0) * np.ones(3)
    return ops.sum(ops.softmax(h @ p["w1"]) * ops.log_softmax(h @ p["w1"])) + ops.sum(penalty)


def sequences(p):
    x = ops.reshape(given(p, np.concatenate([X, X])), shape=(2, 6, 4))
    scores = ops.softmax((x @ p["q"]) @ ops.swap_last(x @ p["k"]) * 0.5)
    return ops.mean(ops.square(scores @ (x @ p["v"]) + p["b"]))


def gates(p):
    z = given(p, X) @ p["w"] + p["b"]
    first, second = ops.columns(z, start=0, stop=3), ops.columns(z, start=3, stop=6)
    return ops.sum(ops.tanh(first) * ops.sigmoid(second) * p["scale"])


def a_weight_alone(p):
    return ops.sum(ops.power(p["w"], exponent=3)) * p["scale"] + ops.sum(ops.broadcast_to(p["b"], shape=(4, 3)))


NETWORKS = [
    (dense_network, {"w0": (4, 5), "b0": (5,), "w1": (5, 4), "b1": (4,), "w2": (4, 3), "b2": (3,)}),
    (shared_weights, {"w": (4, 4), "b": (4,)}),
    (batch_normalization, {"w0": (4, 5), "scale": (5,), "shift": (5,), "w1": (5, 3)}),
    (layer_normalization, {"w0": (4, 5), "scale": (5,), "shift": (5,), "w1": (5, 3)}),
    (embeddings, {"table": (3, 2), "other": (3, 1), "w": (7, 2)}),
    (dropped_and_penalised, {"w0": (4, 4), "w1": (4, 3)}),
    (sequences, {"q": (4, 3), "k": (4, 3), "v": (4, 2), "b": (2,)}),
    (gates, {"w": (4, 6), "b": (6,), "scale": ()}),
    (a_weight_alone, {"w": (2, 3), "scale": (), "b": (3,)}),
]


@pytest.fixture(autouse=True)
def registry():
    before = set(OPS)
    yield
    for name in set(OPS) - before:
        del OPS[name]


def pass_of(f, parameters):
    tape = Tape(dict(parameters))
    return f({path: tape.parameter(path) for path in parameters}), tape


def equal(found, expected, value):
    """Each loss is right to a few dozen units in the last place (sums of some 20 terms, added in another order);
    two of them over 2e-6 are 32 · 2.2e-16 · |f| / 2e-6 = 3.6e-9 · |f|."""
    for path, slope in zip(expected, found, strict=True):
        assert slope.shape == expected[path].shape
        np.testing.assert_allclose(slope, expected[path], rtol=1e-9, atol=3.6e-9 * max(1.0, abs(value)))


def assert_as_by_the_plain_loop(f, parameters, **how):
    output, tape = pass_of(f, parameters)
    found = measured(output, [tape.parameter(path) for path in parameters], FiniteDifference(**how))
    equal(found, finite_difference(f, parameters, **how), float(output.array))


@pytest.mark.parametrize(("f", "shapes"), NETWORKS, ids=lambda p: getattr(p, "__name__", ""))
@pytest.mark.parametrize("budget", [50, restart.BUDGET])
def test_networks(f, shapes, budget, monkeypatch):
    monkeypatch.setattr(restart, "BUDGET", budget)
    assert_as_by_the_plain_loop(f, {path: weights(*shape) for path, shape in shapes.items()})


def test_the_forward_scheme_and_another_step():
    shapes = NETWORKS[0][1]
    assert_as_by_the_plain_loop(
        dense_network, {p: weights(*shape) for p, shape in shapes.items()}, eps=1e-5, scheme="forward"
    )


def test_networks_in_xla():
    """The same lines traced: one program for all networks."""
    points = [{path: weights(*shape) for path, shape in shapes.items()} for _, shapes in NETWORKS]

    def program(points):
        found = []
        for (f, _), point in zip(NETWORKS, points, strict=True):
            output, tape = pass_of(f, point)
            found.append(dict(zip(point, measured(output, [tape.parameter(path) for path in point]), strict=True)))
        return found

    with jax.enable_x64(True):
        traced = jax.tree.map(np.asarray, jax.jit(program)(jax.tree.map(jnp.asarray, points)))
    for (f, _), point, found in zip(NETWORKS, points, traced, strict=True):
        equal([found[path] for path in point], finite_difference(f, point), float(pass_of(f, point)[0].array))


def test_chosen_places_alone():
    point = {path: weights(*shape) for path, shape in NETWORKS[0][1].items()}
    output, tape = pass_of(dense_network, point)
    values = [tape.parameter(path) for path in point]
    at = [np.arange(v.array.size)[::3] for v in values]
    whole = measured(output, values)
    for slope, all_, places in zip(measured(output, values, at=at), whole, at, strict=True):
        np.testing.assert_allclose(slope, all_.reshape(-1)[places], rtol=0, atol=1e-9)


def test_progress_counts_to_the_end(monkeypatch):
    monkeypatch.setattr(restart, "BUDGET", 200)
    point = {path: weights(*shape) for path, shape in NETWORKS[0][1].items()}
    output, tape = pass_of(dense_network, point)
    seen = []
    measured(output, [tape.parameter(path) for path in point], progress=lambda done, total: seen.append((done, total)))
    total = sum(a.size for a in point.values())
    assert seen == sorted(seen)
    assert len(seen) > len(point)
    assert seen[-1] == (total, total)


def test_what_is_not_reached_is_0_and_not_run():
    tape = Tape({"w": np.ones(3), "aside": np.ones(2), "unused": np.ones((2, 2))})
    w, aside = tape.parameter("w"), tape.parameter("aside")
    ops.exp(aside)
    output = ops.sum(w * 2.0)
    slopes = measured(output, [w, aside, tape.parameter("unused")])
    assert [s.shape for s in slopes] == [(3,), (2,), (2, 2)]
    assert not slopes[1].any() and not slopes[2].any()
    assert [row.op.name for row in Restart(tape.nodes, w.node.index, (output.node.index,)).between] == [
        "multiply",
        "sum",
    ]


def test_the_output_itself():
    tape = Tape({"w": np.array(3.0)})
    w = tape.parameter("w")
    assert measured(w, [w])[0] == pytest.approx(1.0, abs=1e-9)


def test_one_weight_of_a_product_moves_one_column():
    point = {"w": weights(4, 5), "b": weights(5)}
    output, tape = pass_of(lambda p: ops.tanh(X @ p["w"] + p["b"]), point)
    places = np.array([0, 7, 19])
    (found,) = Restart(tape.nodes, tape.parameter("w").node.index, [output.node.index]).run(places, np.ones(3)).values()
    assert isinstance(found, Column)
    assert found.places.tolist() == [0, 2, 4]
    assert found.values.shape == (3, 6, 1)


def test_an_op_from_elsewhere_that_no_rule_knows():
    @op("n i -> n")
    def row_norm(xp, x):
        """The length of each row."""
        return xp.sqrt(xp.sum(x * x, axis=1))

    assert_as_by_the_plain_loop(lambda p: ops.sum(row_norm(ops.tanh(X @ p["w"]))), {"w": weights(4, 3)})


def test_an_op_from_elsewhere_in_xla():
    @op("n i -> n")
    def row_spread(xp, x):
        """The largest less the smallest of each row."""
        return xp.max(x, axis=1) - xp.min(x, axis=1)

    def f(p):
        return ops.sum(row_spread(ops.tanh(X @ p["w"])) ** 2)

    w = weights(4, 3)

    def program(w):
        output, tape = pass_of(f, {"w": w})
        return measured(output, [tape.parameter("w")])

    with jax.enable_x64(True):
        found = [np.asarray(slope) for slope in jax.jit(program)(jnp.asarray(w))]
    equal(found, finite_difference(f, {"w": w}), float(pass_of(f, {"w": w})[0].array))


def test_an_op_from_elsewhere_that_is_not_what_its_axes_say():
    @op()
    def running_sum(xp, x):
        """Declared place by place, which it is not."""
        return xp.cumsum(x, axis=-1)

    @op()
    def sum_down(xp, x):
        """Right for every form but a single number."""
        return xp.cumsum(x, axis=-2)

    @op("... c -> ... c")
    def minus_first(xp, x):
        """Declared row by row, which it is not."""
        return x - x[0]

    w = {"w": weights(4, 3)}
    assert_as_by_the_plain_loop(lambda p: ops.sum(running_sum(X @ p["w"]) ** 2), w)
    assert_as_by_the_plain_loop(lambda p: ops.sum(sum_down(p["w"]) ** 2), w)
    assert_as_by_the_plain_loop(lambda p: ops.sum(minus_first(X @ p["w"]) ** 2), w)


def test_warnings_are_those_of_the_caller(monkeypatch):
    monkeypatch.setattr(restart, "BUDGET", 4)
    output, tape = pass_of(lambda p: ops.sum(ops.sqrt(p["w"])), {"w": np.full(50, 1e-9)})
    with np.errstate(invalid="ignore"):
        assert np.isnan(measured(output, [tape.parameter("w")])[0]).all()
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        measured(output, [tape.parameter("w")])
