"""Prices and limits of weights: on the tape, in the loss of training and evaluation, replayed, and explained."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.autodiff import Tape
from pellucid.errors import UsageError
from pellucid.nn import regularizers
from pellucid.registry import from_config, to_config

W = np.array([[1.0, -2.0], [0.5, 0.0]])


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (pl.L1(0.1), 0.35),
        (pl.L2(0.1), 0.525),
        (pl.L1L2(0.1, 0.01), 0.35 + 0.0525),
        (regularizers.regularizer("l1"), 0.035),
        (regularizers.regularizer("L2"), 0.0525),
        (regularizers.regularizer("l1_l2"), 0.0875),
    ],
)
def test_what_a_weight_costs(price, expected):
    value = price(Tape({"w": W}).parameter("w")).array
    assert float(value) == pytest.approx(expected, rel=1e-14)


def test_a_limit():
    limit = pl.MaxNorm(1.0)
    held = limit(np, W)
    np.testing.assert_allclose(np.linalg.norm(held, axis=0), [1, 1], rtol=1e-15)
    np.testing.assert_allclose(held[:, 0], W[:, 0] / np.sqrt(1.25), rtol=1e-15)
    assert pl.MaxNorm(5.0)(np, W).tobytes() == W.tobytes()
    assert pl.MaxNorm(0.0)(np, W).tolist() == (0 * W).tolist()
    assert np.linalg.norm(pl.MaxNorm(1.0, axis=[0, 1])(np, W)) == pytest.approx(1, rel=1e-14)


def network(**options):
    model = pl.Sequential([pl.Dense(5, "tanh", **options), pl.Dense(3, kernel_regularizer=pl.L1(0.003))])
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    return model


PRICES = {"kernel_regularizer": "l2", "bias_regularizer": pl.L1L2(0.01, 0.02)}


def cost(parameters):
    total = 0.01 * (parameters["dense/kernel"] ** 2).sum() + 0.003 * np.abs(parameters["dense_1/kernel"]).sum()
    bias = parameters["dense/bias"]
    return total + 0.01 * np.abs(bias).sum() + 0.02 * (bias**2).sum()


@pytest.mark.parametrize("engine", ["numpy", "xla"])
@pytest.mark.parametrize("weighed", [False, True])
def test_evaluation_counts_it_once(rows, engine, weighed):
    model = network(**PRICES)
    weight = rows.weight if weighed else None
    model.fit(rows.x, rows.y, sample_weight=weight, engine=engine, record=False, verbose=0)
    found = model.evaluate(rows.x, rows.y, sample_weight=weight, engine=engine)
    bare = pl.Sequential([pl.Dense(5, "tanh"), pl.Dense(3)])
    bare.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    bare.load_parameters(model.parameters())
    plain = bare.evaluate(rows.x, rows.y, sample_weight=weight, engine=engine)
    assert found["accuracy"] == plain["accuracy"]
    assert found["loss"] - plain["loss"] == pytest.approx(cost(model.parameters()), abs=1e-6)
    assert cost(model.parameters()) > 0.01


def test_the_gradient_is_that_of_the_whole_loss(rows):
    model = network(**PRICES)
    loss, found = pl.gradients(model, rows.x, rows.y)
    bare = pl.Sequential([pl.Dense(5, "tanh"), pl.Dense(3)])
    bare.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True))
    bare.build(rows.x)
    bare.load_parameters(model.parameters())
    plain_loss, plain = pl.gradients(bare, rows.x, rows.y)
    w = {path: a.astype(float) for path, a in model.parameters().items()}
    assert loss - plain_loss == pytest.approx(cost(w), rel=1e-9)
    np.testing.assert_allclose(found["dense/kernel"] - plain["dense/kernel"], 0.02 * w["dense/kernel"], atol=1e-15)
    np.testing.assert_allclose(
        found["dense_1/kernel"] - plain["dense_1/kernel"], 0.003 * np.sign(w["dense_1/kernel"]), atol=1e-15
    )
    assert pl.check_gradients(model, rows.x, rows.y).ok


def test_a_layer_used_twice_pays_once():
    shared = pl.Dense(4, kernel_initializer="ones", kernel_regularizer=pl.L2(1.0))
    model = pl.Sequential([shared, shared])
    model.compile("sgd", "mse")
    x = np.zeros((1, 4))
    assert model.evaluate(x, x)["loss"] == 16


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_steps_with_prices_and_limits_are_replayed_exactly(rows, engine):
    model = network(kernel_constraint=pl.MaxNorm(0.5), bias_constraint="max_norm", **PRICES)
    run = model.fit(rows.x, rows.y, batch_size=16, epochs=3, engine=engine, record=False, verbose=0)
    for n in (0, 7, 14):
        step = run.at(n)
        assert step.exact
        assert step.check().ok
        assert np.linalg.norm(step.after.parameters["dense/kernel"], axis=0).max() <= 0.5 * (1 + 1e-6)
    assert np.linalg.norm(run.at(0).before.parameters["dense/kernel"], axis=0).max() > 0.5
    page = run.at(3).view.weight("dense/kernel", (0, 0))
    assert "held by MaxNorm(max_value=0.5, axis=0)" in page.to_text()


def test_the_engines_agree(rows):
    found = []
    for engine in ("numpy", "xla"):
        model = network(kernel_constraint=pl.MaxNorm(0.5), **PRICES)
        model.fit(rows.x, rows.y, batch_size=16, engine=engine, dtype="float64", record=False, verbose=0)
        found.append(model.parameters())
    for path, array in found[0].items():
        np.testing.assert_allclose(found[1][path], array, rtol=1e-10, atol=1e-13)


def test_a_layer_of_ones_own():
    class Scale(pl.Layer):
        def __call__(self, x):
            return x * self.weight(x, "factor", (x.shape[-1],), "ones", regularizer="l1", constraint="max_norm")

    model = pl.Sequential([Scale()])
    model.compile("sgd", "mse")
    assert model.evaluate(np.zeros((1, 4)), np.zeros((1, 4)))["loss"] == pytest.approx(0.04)


def test_json_and_files(tmp_path):
    model = network(kernel_constraint=pl.MaxNorm(0.5, axis=(0,)), **PRICES)
    again = from_config(to_config(model))
    assert to_config(again) == to_config(model)
    assert again.layers[0].bias_regularizer == pl.L1L2(0.01, 0.02)
    assert again.layers[0].kernel_constraint == pl.MaxNorm(0.5, axis=(0,))
    model.predict(np.ones((1, 4), "float32"))
    model.save(tmp_path / "m")
    assert to_config(pl.load(tmp_path / "m")) == to_config(model)
    with pytest.raises(UsageError, match="the regularizer 'L7' is not known here"):
        from_config({"regularizer": "L7"})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pl.L1(-1.0), r"L1\(l1=-1.0\): it is a number, 0 or more"),
        (lambda: pl.L2(float("nan")), r"L2\(l2=nan\)"),
        (lambda: pl.L1L2(0.1, "x"), r"L1L2\(l2='x'\)"),
        (lambda: pl.MaxNorm(-1), r"MaxNorm\(max_value=-1\)"),
        (lambda: pl.Dense(2, kernel_regularizer="l3"), "unknown regularizer 'l3'; expected one of l1, l2, l1_l2"),
        (lambda: pl.Dense(2, bias_regularizer="max_norm"), "unknown regularizer 'max_norm'"),
        (lambda: pl.Dense(2, kernel_constraint="l2"), "unknown constraint 'l2'; expected one of max_norm"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(UsageError, match=message):
        make()
