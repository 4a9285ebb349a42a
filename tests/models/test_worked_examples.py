"""Examples that a person can follow with a pocket calculator, to the last printed figure."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.autodiff import Tape, ops

W0 = [[0.8, 0.4, 0.3], [0.2, 0.9, 0.5]]
W1 = [[0.3], [0.5], [0.9]]


def two_three_one():
    model = pl.Sequential([pl.Dense(3, "sigmoid", use_bias=False), pl.Dense(1, use_bias=False)])
    model.compile(loss="mse")
    model.predict([[1.0, 1.0]], engine="numpy")
    model.load_parameters({"dense/kernel": W0, "dense_1/kernel": W1})
    return model


def test_a_forward_pass_number_by_number():
    model = two_three_one()
    tape = Tape({path: np.asarray(w, np.float64) for path, w in model.parameters().items()})
    output = model(tape.given("x", np.array([[1.0, 1.0]])))
    sums, hidden = (row.output for row in tape.nodes if row.path == "dense" and row.op)
    np.testing.assert_allclose(sums, [[1.0, 1.3, 0.8]], rtol=1e-12)
    np.testing.assert_array_equal(hidden.round(6), [[0.731059, 0.785835, 0.689974]])
    assert output.array.round(6).tolist() == [[1.233212]]
    loss = ops.square(output - np.array([[0.0]]))
    assert loss.array.round(6).tolist() == [[1.520812]]
    assert (hidden.round(2) @ np.array(W1)).round(3).tolist() == [[1.235]]


def test_the_same_through_every_door():
    model = two_three_one()
    x, y = [[1.0, 1.0]], [[0.0]]
    for engine in ("xla", "numpy"):
        assert model.predict(x, engine=engine).item() == pytest.approx(1.233212, abs=1e-6)
        assert model.evaluate(x, y, engine=engine)["loss"] == pytest.approx(1.520812, abs=1e-6)
        loss, found = pl.gradients(model, x, y, engine=engine)
        assert round(loss, 6) == 1.520812
        h = 1 / (1 + np.exp(-np.array([1.0, 1.3, 0.8])))
        down = 2 * (h @ np.array(W1)).item()  # the slope of the squared error
        np.testing.assert_allclose(found["dense_1/kernel"].ravel(), down * h, rtol=1e-12)
        below = down * np.ravel(W1) * h * (1 - h)
        np.testing.assert_allclose(found["dense/kernel"], [below, below], rtol=1e-12)
    rows = pl.feed_forward(x, y, [W0, [0.0] * 3, W1, [0.0]])
    assert rows.round(6).tolist() == [1.520812]
    assert pl.check_gradients(model, x, y).ok


def test_feed_forward_of_several_rows_by_hand():
    x, y = np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([[1.0, 0.0], [0.0, 2.0]])
    weights = [np.full((2, 3), 0.1), np.array([0.0, 1.0, -1.0]), np.ones((3, 2)) * 0.5, np.array([0.1, -0.1])]
    hidden = 1 / (1 + np.exp(-(x @ weights[0] + weights[1])))
    output = hidden @ weights[2] + weights[3]
    found = pl.feed_forward(x, y, weights)
    np.testing.assert_allclose(found, ((output - y) ** 2).mean(axis=1), rtol=1e-12)
    with pytest.raises(pl.ShapeError, match=r"\(2, 2\), but y has shape \(2, 1\)"):
        pl.feed_forward(x, [[1.0], [2.0]], weights)


X = np.array([[1.0], [3.0], [4.0], [8.0], [10.0]])
Y = 3 * X


def line():
    model = pl.Sequential([pl.Dense(1)])
    model.compile(pl.SGD(0.01), "mse")
    model.predict(X, engine="numpy")
    model.load_parameters({"dense/kernel": [[2.269]], "dense/bias": [1.01]})
    return model


def fitted(engine, method="backprop", epochs=1000):
    model = line()
    run = model.fit(
        X, Y, batch_size=5, epochs=epochs, shuffle=False, engine=engine, method=method, dtype="float64", verbose=0
    )
    return run, *(float(w.item()) for w in model.parameters().values())


def test_a_line_s_errors_row_by_row():
    model = line()
    predicted = model.predict(X, engine="numpy")
    errors = (np.array([[2.269]]) * X + 1.01 - Y) ** 2
    assert errors.ravel().round(6).tolist() == [0.077841, 1.399489, 3.663396, 23.406244, 39.69]
    np.testing.assert_allclose((predicted - Y) ** 2, errors, rtol=1e-5)


@pytest.mark.parametrize("engine", ["xla", "numpy"])
@pytest.mark.parametrize("method", ["backprop", "finite_difference"])
def test_a_line_is_learned(engine, method):
    run, w, b = fitted(engine, method)
    assert round(float(run.step_history["loss"][0]), 6) == 13.647394
    assert (round(w, 6), round(b, 6)) == (2.999486, 0.003730)
    assert run.steps == run.epochs == 1000
    first = run.at(0)
    assert {p: round(float(a.item()), 6) for p, a in first.after.parameters.items()} == {
        "dense/kernel": 2.719520,
        "dense/bias": 1.065824,
    }
    assert first.loss == run.step_history["loss"][0]


@pytest.mark.parametrize("engine", ["xla", "numpy"])
def test_the_forward_difference_ends_a_little_beside(engine):
    _, w, b = fitted(engine, pl.FiniteDifference(eps=1e-4, scheme="forward"))
    assert (round(w, 6), round(b, 6)) == (2.999337, 0.004455)


def test_a_run_by_finite_differences_opens_with_its_own_update():
    for engine in ("xla", "numpy"):
        run, *_ = fitted(engine, pl.FiniteDifference(eps=0.1, scheme="forward"), epochs=4)
        for n in range(3):
            for path, w in run.at(n).after.parameters.items():
                np.testing.assert_array_equal(w, run.at(n + 1).before.parameters[path])
