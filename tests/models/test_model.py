"""fit, evaluate and predict as a person calls them."""

import re
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid as pl

fit = {"engine": "numpy", "verbose": 0}


def regression():
    model = pl.Sequential([pl.Dense(1)])
    model.compile(pl.SGD(0.05), "mse", ["mae"])
    return model


def test_history_by_epoch_and_by_step(rows, make_classifier):
    run = make_classifier().fit(rows.x, rows.y, batch_size=16, epochs=3, validation_split=0.2, **fit)
    assert list(run.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert all(len(values) == 3 for values in run.history.values())
    assert (run.steps, run.epochs, run.status) == (12, 3, "finished")
    assert run.step_history["loss"].shape == (12,)
    assert run.step_history["loss"].dtype == np.float32


def test_the_loss_of_an_epoch_is_the_mean_over_its_rows(rows, make_classifier):
    """The last batch of 6 rows counts 6, not 16."""
    run = make_classifier().fit(rows.x, rows.y, batch_size=16, epochs=2, **fit)
    by_step = run.step_history["loss"].reshape(2, 5).astype(np.float64)
    np.testing.assert_allclose(run.history["loss"], by_step @ [16, 16, 16, 16, 6] / 70, rtol=1e-6)


def test_a_run_is_a_function_of_the_seed(rows, make_classifier):
    runs = [make_classifier().fit(rows.x, rows.y, seed=s, epochs=2, **fit) for s in (1, 1, 2)]
    a, b, c = (run.step_history["loss"] for run in runs)
    np.testing.assert_array_equal(a, b)
    assert (a != c).all()


def test_validation_split_is_the_last_rows(rows, make_classifier):
    model = make_classifier()
    run = model.fit(rows.x, rows.y, validation_split=0.3, epochs=1, **fit)
    cut = 49
    assert len(run.replay.data) == cut
    found = model.evaluate(rows.x[cut:], rows.y[cut:], engine="numpy")
    assert run.history["val_loss"][-1] == found["loss"]
    assert run.history["val_accuracy"][-1] == found["accuracy"]
    seen = {int(place) for n in range(run.steps) for place in run.at(n).batch.rows}
    assert seen == set(range(cut))


def test_validation_data_of_two_or_three_parts(rows, make_classifier):
    for extra in ((), (rows.weight,)):
        model = make_classifier()
        run = model.fit(rows.x, rows.y, validation_data=(rows.x, rows.y, *extra), **fit)
        weight = extra[0] if extra else None
        found = model.evaluate(rows.x, rows.y, sample_weight=weight, engine="numpy")
        assert run.history["val_loss"] == [found["loss"]]
    with pytest.raises(pl.UsageError, match=r"validation_data is \(x, y\)"):
        make_classifier().fit(rows.x, rows.y, validation_data=(rows.x,), **fit)


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 1.5, 0.001, 0.999])
def test_a_split_that_leaves_a_side_empty(rows, make_classifier, fraction):
    with pytest.raises(pl.UsageError, match=re.escape(f"validation_split={fraction}")):
        make_classifier().fit(rows.x, rows.y, validation_split=fraction, **fit)


def test_class_weights_are_sample_weights_by_class(rows, make_classifier):
    by_row = np.where(rows.y == 0, 3.0, np.where(rows.y == 2, 0.5, 1.0))
    a = make_classifier().fit(rows.x, rows.y, class_weight={0: 3.0, 2: 0.5}, **fit)
    b = make_classifier().fit(rows.x, rows.y, sample_weight=by_row, **fit)
    np.testing.assert_array_equal(a.step_history["loss"], b.step_history["loss"])
    with pytest.raises(pl.UsageError, match="names the class 7"):
        make_classifier().fit(rows.x, rows.y, class_weight={7: 2.0}, **fit)


def test_a_row_of_weight_0_teaches_nothing():
    x, y = np.array([[1.0], [2.0], [50.0]]), np.array([[2.0], [4.0], [-9.0]])
    a, b = regression(), regression()
    a.fit(x, y, sample_weight=[1.5, 1.5, 0.0], batch_size=3, **fit)
    b.fit(x[:2], y[:2], batch_size=2, **fit)
    for path, w in a.parameters().items():
        np.testing.assert_allclose(w, b.parameters()[path], rtol=1e-6)


@pytest.mark.parametrize("engine", ["xla", "numpy"])
@pytest.mark.parametrize("count", [1, 2, 63, 64, 70])
def test_predict_any_number_of_rows(trained, rows, engine, count):
    model, _ = trained
    whole = model.predict(rows.x, engine="numpy")
    found = model.predict(rows.x[:count], batch_size=64, engine=engine)
    assert found.shape == (count, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, whole[:count], rtol=1e-5, atol=1e-6)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 20), st.integers(1, 25))
def test_predict_by_any_batch_size(trained, rows, count, batch_size):
    model, _ = trained
    found = model.predict(rows.x[:count], batch_size=batch_size, engine="numpy")
    np.testing.assert_allclose(found, model.predict(rows.x[:20], engine="numpy")[:count], rtol=1e-5, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 20), st.integers(1, 25), st.integers(1, 3))
def test_any_number_of_rows_and_batch_size_trains_on_each_row_once_an_epoch(count, batch, epochs):
    x = np.arange(count, dtype=np.float32).reshape(-1, 1) / 10
    run = regression().fit(x, 2 * x, batch_size=batch, epochs=epochs, **fit)
    per_epoch = -(-count // batch)
    assert run.steps == per_epoch * epochs
    places = [run.replay.plan.at(n) for n in range(run.steps)]
    for epoch in range(epochs):
        seen = np.concatenate(places[epoch * per_epoch : (epoch + 1) * per_epoch])
        assert sorted(seen.tolist()) == list(range(count))


FORMS = {
    "numpy": lambda a: a,
    "float64": lambda a: a.astype(np.float64),
    "fortran": np.asfortranarray,
    "jax": jnp.asarray,
    "torch": lambda a: pytest.importorskip("torch").tensor(a),
    "pandas": lambda a: pd.DataFrame(a) if a.ndim == 2 else pd.Series(a),
    "polars": lambda a: polars.DataFrame(a, orient="row") if a.ndim == 2 else polars.Series(a),
    "pyarrow": lambda a: pyarrow.table({f"c{i}": c for i, c in enumerate(a.T)}) if a.ndim == 2 else pyarrow.array(a),
    "lists": lambda a: a.tolist(),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_rows_in_any_form_are_the_same_rows(form, rows, make_classifier):
    turn = FORMS[form]
    x, y, weight = rows.x[:20], rows.y[:20].astype(np.int32), rows.weight[:20]
    expected = make_classifier().fit(x, y, sample_weight=weight, **fit).step_history["loss"]
    model = make_classifier()
    run = model.fit(turn(x), turn(y), sample_weight=turn(weight), **fit)
    np.testing.assert_array_equal(run.step_history["loss"], expected)
    np.testing.assert_array_equal(model.predict(turn(x), engine="numpy"), model.predict(x, engine="numpy"))


def test_evaluate_is_the_mean_loss_without_dropout(rows, make_classifier):
    model = make_classifier(dropout=0.5)
    logits = model.predict(rows.x, engine="numpy")
    torch = pytest.importorskip("torch")
    expected = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(rows.y)).item()
    accuracy = (logits.argmax(axis=1) == rows.y).mean()
    for engine in ("xla", "numpy"):
        found = model.evaluate(rows.x, rows.y, engine=engine)
        assert found["loss"] == pytest.approx(expected, rel=1e-5)
        assert found["accuracy"] == pytest.approx(accuracy)


def test_what_cannot_be_trained(rows, make_classifier):
    model = make_classifier()
    for options, error, words in (
        ({"y": None}, pl.UsageError, "needs the targets"),
        ({"y": rows.y[:60]}, pl.ShapeError, "x has 70 rows but y has 60"),
        ({"y": np.eye(3)[rows.y]}, pl.ShapeError, "for one-hot targets use categorical_crossentropy"),
        ({"y": rows.y + 1}, pl.UsageError, r"class numbers from 1 to 3.*3 units"),
        ({"y": rows.y - 1}, pl.UsageError, "class numbers from -1 to 1"),
        ({"y": rows.y + 0.5}, pl.DataError, r"class numbers.*whole.*0\.5|class numbers.*whole"),
        ({"sample_weight": [1.0]}, pl.ShapeError, r"sample_weight has shape \(1,\)"),
        ({"batch_size": 0}, pl.UsageError, "batch_size=0"),
        ({"epochs": 2.5}, pl.UsageError, "epochs=2.5"),
        ({"x": np.full((70, 4), np.nan)}, pl.DataError, "x is not finite"),
        ({"x": [["a"]] * 70}, pl.DataError, "not numbers"),
    ):
        with pytest.raises(error, match=words):
            model.fit(**({"x": rows.x, "y": rows.y} | options), **fit)


@pytest.mark.parametrize("engine", ["xla", "numpy"])
def test_a_class_out_of_range_is_named_outside_fit_too(trained, rows, engine, make_classifier):
    model = make_classifier(metrics=())
    with pytest.raises(pl.PellucidError, match="class"):
        model.evaluate(rows.x[:4], [0, 1, 2, 7], engine=engine)


def test_a_model_without_weights_may_be_fitted():
    model = pl.Sequential([pl.Flatten()])
    model.compile("sgd", "mse")
    run = model.fit(np.ones((4, 2)), np.zeros((4, 2)), verbose=0)
    assert run.history["loss"] == [1.0]


def test_a_flat_target_against_a_column_of_predictions():
    x, y = np.ones((4, 2)), np.arange(4.0)
    with pytest.raises(pl.ShapeError, match=r"\(1,\).*\(1, 1\).*y\.reshape\(-1, 1\)|\(4,\).*\(4, 1\)"):
        regression().fit(x, y, **fit)


def test_no_loss_and_no_weights_yet(rows):
    model = pl.Sequential([pl.Dense(1)])
    with pytest.raises(pl.UsageError, match=r"call model\.compile"):
        model.fit(rows.x, rows.y)
    with pytest.raises(pl.UsageError, match=r"model\.predict\(x\[:1\]\)"):
        model.parameters()
    with pytest.raises(pl.UsageError, match=r"metrics=\['mse'\]"):
        model.compile(loss="mse", metrics="mse")


@pytest.mark.parametrize("last", ["softmax", "sigmoid"])
def test_softmax_and_from_logits_is_an_error(rows, last):
    for layers in ([pl.Dense(3, last)], [pl.Dense(3), pl.Activation(last)]):
        model = pl.Sequential(layers)
        model.compile(loss=pl.SparseCategoricalCrossentropy(from_logits=True))
        with pytest.raises(pl.UsageError, match=f"remove the {last}, or give the loss from_logits=False"):
            model.fit(rows.x, rows.y, **fit)


@pytest.mark.parametrize("engine", ["xla", "numpy"])
def test_a_huge_learning_rate_is_explained_and_the_weights_stay_finite(rows, engine):
    model = pl.Sequential([pl.Dense(8, "relu"), pl.Dense(1)])
    model.compile(pl.SGD(1e6), "mse")
    with pytest.raises(pl.NotFiniteError) as error:
        model.fit(rows.x, rows.y.reshape(-1, 1), epochs=50, batch_size=16, engine=engine, verbose=0)
    text = str(error.value)
    assert re.search(r"stopped at step \d+: .* is in (dense|dense_1|mean_squared_error|square|mean)\b", text), text
    assert "The learning rate there was 1e+06; try 0.001, or global_clipnorm" in text
    assert "global_clipnorm" in text
    assert all(np.isfinite(w).all() for w in model.parameters().values())
    assert model.last_run.status == "not finite"


def test_weights_in_and_out(trained, rows, make_classifier):
    model, _ = trained
    other = make_classifier()
    other.load_parameters(model.parameters())
    np.testing.assert_array_equal(other.predict(rows.x), model.predict(rows.x))
    renamed = model.parameters()
    renamed["dense_7/kernel"] = renamed.pop("dense/kernel")
    with pytest.raises(pl.UsageError, match="differ in: dense/kernel, dense_7/kernel"):
        other.load_parameters(renamed)
    with pytest.raises(pl.ShapeError, match=r"dense/bias has shape \(8,\), the array given \(3,\)"):
        other.load_parameters(model.parameters() | {"dense/bias": np.ones(3)})


def test_rows_of_another_width(trained, rows):
    model, _ = trained
    with pytest.raises(pl.ShapeError, match=r"rows of shape \(4,\), but x has rows of \(3,\)"):
        model.predict(rows.x[:, :3])


def test_summary(trained):
    lines = trained[0].summary().splitlines()
    assert [line.split()[0] for line in lines] == [
        "dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias", "all",
    ]  # fmt: skip
    assert lines[0].split(maxsplit=1)[1].split() == ["(4,", "8)", "32"]
    assert lines[-1].split()[-1] == str(4 * 8 + 8 + 8 * 3 + 3)


def test_sequential_takes_layers():
    with pytest.raises(pl.UsageError, match=r"'relu' is a str"):
        pl.Sequential(["relu"])


def test_training_goes_on_from_the_weights_of_before(rows, make_classifier):
    model = make_classifier("sgd", dropout=0.0)
    first = model.fit(rows.x, rows.y, epochs=1, shuffle=False, batch_size=70, **fit)
    again = model.fit(rows.x, rows.y, epochs=1, shuffle=False, batch_size=70, **fit)
    assert again.step_history["loss"][0] < first.step_history["loss"][0]
    np.testing.assert_array_equal(
        first.final["dense/kernel"], np.asarray(again.at(0).before.parameters["dense/kernel"])
    )
    assert first.at(0).loss == first.step_history["loss"][0]


@pytest.mark.parametrize(("module", "code"), [("jax", 0), ("polars", 0), ("torch", 0)])
def test_import_pellucid_does_not_import(module, code):
    asked = f"import sys, pellucid; pellucid.Sequential, pellucid.Dense; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == code


def test_every_public_name_is_there():
    for name in dir(pl):
        assert getattr(pl, name) is not None
    with pytest.raises(AttributeError, match="pellucid has no 'dense'"):
        _ = pl.dense
