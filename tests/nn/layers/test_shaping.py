"""Reshape, Permute and RepeatVector against NumPy, their gradients, and what they refuse."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import ShapeError, UsageError

both = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@both
@pytest.mark.parametrize(
    ("layer", "shape", "twin"),
    [
        (pl.Reshape((3, 2)), (4, 6), lambda t, _: t.reshape(4, 3, 2)),
        (pl.Reshape([-1]), (4, 2, 3), lambda t, _: t.reshape(4, 6)),
        (pl.Reshape((2, -1, 1)), (4, 6), lambda t, _: t.reshape(4, 2, 3, 1)),
        (pl.Permute((2, 1)), (4, 2, 3), lambda t, _: t.permute(0, 2, 1)),
        (pl.Permute((3, 1, 2)), (2, 3, 4, 5), lambda t, _: t.permute(0, 3, 1, 2)),
        (pl.RepeatVector(3), (4, 2), lambda t, _: t[:, None, :].repeat(1, 3, 1)),
    ],
    ids=lambda value: "" if callable(value) and not isinstance(value, pl.Layer) else repr(value),
)
def test_as_torch(as_torch, dtype, layer, shape, twin):
    as_torch(layer, shape, twin, dtype)


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_in_a_network(rows, engine):
    layers = [pl.Reshape((2, 2)), pl.Permute((2, 1)), pl.Flatten(), pl.RepeatVector(2), pl.Flatten(), pl.Dense(3)]
    model = pl.Sequential(layers)
    model.compile("sgd", pl.SparseCategoricalCrossentropy(from_logits=True))
    run = model.fit(rows.x, rows.y, batch_size=16, engine=engine, record=False, verbose=0)
    assert run.at(3).exact
    assert pl.check_gradients(model, rows.x[:8], rows.y[:8]).ok


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (pl.Reshape((4, 2)), (1, 6), r"Reshape\(target_shape=\(4, 2\)\): a row of x, shape \(6,\), has 6 numbers"),
        (pl.Reshape((4, -1)), (1, 6), "do not fill it"),
        (pl.Permute((2, 1)), (1, 6), "expected 3 axes"),
        (pl.RepeatVector(2), (1, 2, 3), r"\(rows, features\), but x has shape \(1, 2, 3\)"),
    ],
)
def test_shapes_that_do_not_fit(layer, shape, message):
    with pytest.raises(ShapeError, match=message):
        pl.Sequential([layer]).predict(np.ones(shape, "float32"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pl.Reshape((-1, -1)), "at most one -1"),
        (lambda: pl.Reshape((0, 2)), "lengths, 1 or more"),
        (lambda: pl.Permute((0, 1)), r"Permute\(dims=\(0, 1\)\): expected 1 to 2"),
        (lambda: pl.Permute((1, 1)), "in some order"),
        (lambda: pl.RepeatVector(0), r"RepeatVector\(n=0\)"),
    ],
)
def test_settings_that_are_none(make, message):
    with pytest.raises(UsageError, match=message):
        make()
