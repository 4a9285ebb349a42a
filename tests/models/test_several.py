"""Networks with several inputs and outputs: one loss for each output, weighted and added up."""

import json

import numpy as np
import pytest

import pellucid as pl
from pellucid.nn import losses, metrics
from pellucid.registry import from_config, to_config


class Two(pl.Model):
    """Numbers and pixels in, a class and a box out."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = pl.Dense(8, "tanh")
        self.digit = pl.Dense(3)
        self.box = pl.Dense(4)

    def __call__(self, x):
        h = self.hidden(pl.concatenate(x["numbers"], x["pixels"] / 255.0, axis=-1))
        return {"digit": self.digit(h), "box": self.box(h)}


def data(rows=50):
    draw = np.random.default_rng(0)
    x = {"numbers": draw.normal(size=(rows, 3)).astype("float32"), "pixels": draw.integers(0, 256, (rows, 2), "uint8")}
    return x, {"digit": draw.integers(0, 3, rows), "box": draw.normal(size=(rows, 4)).astype("float32")}


def two(**changes):
    model = Two()
    options = {
        "loss": {"digit": pl.SparseCategoricalCrossentropy(from_logits=True), "box": "mse"},
        "loss_weights": {"box": 5.0},
        "metrics": {"digit": ["accuracy"], "box": ["mae"]},
    }
    model.compile("adam", **(options | changes))
    return model


NAMES = ("loss", "digit_loss", "box_loss", "digit_accuracy", "box_mae")


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_each_output_has_its_loss_and_every_step_opens(tmp_path, engine):
    x, y = data()
    model = two()
    run = model.fit(
        x, y, epochs=3, batch_size=16, engine=engine, validation_split=0.2, record=tmp_path / "r", verbose=0
    )
    assert set(run.history) == {*NAMES, *(f"val_{name}" for name in NAMES)}
    for epoch in range(3):
        parts = [run.history[name][epoch] for name in ("digit_loss", "box_loss")]
        # Sums of 40 float32 numbers, each rounded to 2^-24 of itself, in other orders.
        assert run.history["loss"][epoch] == pytest.approx(parts[0] + 5 * parts[1], rel=40 * 2**-24)
    again = pl.open_run(run.folder)
    for number in range(run.steps):
        step = again.at(number)
        assert step.exact and float(step.loss) == run.step_history["loss"][number]
        assert step.batch.x["pixels"].dtype == np.uint8
    report = run.at(5).check()
    assert report.ok and report.count == sum(w.size for w in model.parameters().values())


def test_the_loss_is_the_weighted_sum_of_torch():
    torch = pytest.importorskip("torch")
    x, y = data()
    model = two()
    loss, gradients = pl.gradients(model, x, y)
    weights = {path: torch.tensor(w.astype("float64"), requires_grad=True) for path, w in model.parameters().items()}
    joined = torch.tensor(np.concatenate([x["numbers"], x["pixels"] / 255.0], axis=1).astype("float64"))
    h = torch.tanh(joined @ weights["hidden/kernel"] + weights["hidden/bias"]) if "hidden/kernel" in weights else None
    names = list(weights)
    h = torch.tanh(joined @ weights[names[0]] + weights[names[1]]) if h is None else h
    digit, box = (h @ weights[names[i]] + weights[names[i + 1]] for i in (2, 4))
    of_digit = torch.nn.functional.cross_entropy(digit, torch.tensor(y["digit"]))
    expected = of_digit + 5 * torch.nn.functional.mse_loss(box, torch.tensor(y["box"].astype("float64")))
    expected.backward()
    assert loss == pytest.approx(float(expected.detach()), rel=1e-6)  # pixels / 255 is rounded in float32 by nobody
    for path, found in gradients.items():
        np.testing.assert_allclose(found, weights[path].grad.numpy(), rtol=1e-6, atol=1e-9)


def test_engines_agree_and_predictions_come_by_name():
    x, y = data()
    found = []
    for engine in ("numpy", "xla"):
        model = two()
        run = model.fit(x, y, epochs=2, engine=engine, record=False, verbose=0)
        found.append(run.step_history["loss"])
        y_pred = model.predict(x, engine=engine)
        assert {name: part.shape for name, part in y_pred.items()} == {"digit": (50, 3), "box": (50, 4)}
        assert set(model.evaluate(x, y, engine=engine)) == set(NAMES)
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_a_run_too_large_to_copy_takes_its_inputs_again_by_name(tmp_path):
    x, y = data()
    run = two().fit(x, y, record=pl.Recording(folder=tmp_path / "r", keep_data=0), verbose=0)
    with pytest.raises(pl.DataError, match="x/numbers"):
        pl.open_run(run.folder).at(0)
    assert pl.open_run(run.folder, x=x, y=y).at(1).exact
    with pytest.raises(pl.DataError, match="not what"):
        pl.open_run(run.folder, x=x | {"numbers": x["numbers"] + 1}, y=y).at(0)


def test_saved_and_read_again(tmp_path):
    x, y = data()
    model = two()
    model.fit(x, y, record=False, verbose=0)
    model.save(str(tmp_path / "m.pellucid"))
    again = pl.load(str(tmp_path / "m.pellucid"))
    assert again.compiled.loss == model.compiled.loss and again.compiled.metrics == model.compiled.metrics
    for name, part in model.predict(x).items():
        np.testing.assert_array_equal(part, again.predict(x)[name])


def test_a_run_is_explained_and_diagnosed(tmp_path):
    x, y = data()
    run = two().fit(x, y, epochs=2, record=tmp_path / "r", verbose=0)
    text = run.at(0).row(0).to_text()
    assert "x/numbers[0]" in text and "x/pixels[1]" in text and "digit " in text
    assert "rows of the largest loss" in run.at(0).page().to_text()
    assert run.why().to_json()
    other = run.rewind(1, learning_rate=0.1, as_=tmp_path / "r2", verbose=0)
    assert other.at(2).exact and run.diff(other).to_text()


@pytest.mark.parametrize(
    ("y", "changes", "message"),
    [
        ("box", {"loss": "mse", "loss_weights": None, "metrics": ()}, "loss for each"),
        (None, {"loss": {"digit": "mse"}, "loss_weights": None, "metrics": ()}, "losses are for the outputs digit"),
        (None, {"loss_weights": {"boxes": 1.0}}, "loss_weights names boxes"),
        (None, {"loss_weights": {"box": -1.0}}, "0 or more"),
        (None, {"metrics": ["accuracy"]}, "say which is measured"),
        (None, {"metrics": {"boxes": ["mae"]}}, "metrics names boxes"),
        ("box", {"loss": "mse", "metrics": ()}, "loss_weights weighs"),
        ("box", {"loss": "mse", "loss_weights": None}, "metrics is a dict only with several outputs"),
        (None, {"loss": {}, "loss_weights": None, "metrics": ()}, "loss is an empty dict"),
    ],
)
def test_what_does_not_fit_is_refused(y, changes, message):
    x, targets = data()

    def trained():
        two(**changes).fit(x, targets if y is None else targets[y], record=False, verbose=0)

    with pytest.raises((pl.UsageError, pl.ShapeError), match=message):
        trained()


def test_inputs_and_targets_that_do_not_fit_are_named():
    x, y = data()
    with pytest.raises(pl.ShapeError, match="the losses are for the outputs digit, box, but y is one array"):
        two().fit(x, y["box"], record=False, verbose=0)
    with pytest.raises(pl.ShapeError, match="x/pixels has 49"):
        two().fit({**x, "pixels": x["pixels"][1:]}, y, record=False, verbose=0)
    with pytest.raises(pl.UsageError, match="class_weight is for one output"):
        two().fit(x, y, class_weight={0: 2.0}, record=False, verbose=0)
    model = pl.Sequential([pl.Dense(1)])
    model.compile(loss="mse")
    with pytest.raises(pl.UsageError, match="one loss"):
        model.fit(x["numbers"], {"a": y["box"]}, record=False, verbose=0)
    with pytest.raises(pl.DataError, match="empty dict"):
        two().predict({})


def test_a_custom_model_that_returns_no_values_is_told():
    class Odd(pl.Model):
        def __call__(self, x):
            return [x]

    with pytest.raises(pl.UsageError, match="returns a dict"):
        Odd().predict(np.zeros((2, 3)))


def test_json_of_losses_and_metrics():
    loss = losses.WeightedSum.of(
        {"a": pl.Huber(2.0), "b": pl.SparseCategoricalCrossentropy(ignore_class=0)}, {"a": 3.0}
    )
    assert from_config(json.loads(json.dumps(to_config(loss)))) == loss
    for metric in (metrics.OfOutput("a", pl.Accuracy(0.4)), metrics.OutputLoss("a", pl.Huber(2.0))):
        assert from_config(json.loads(json.dumps(to_config(metric)))) == metric
    ranked = metrics.OfOutput("a", pl.ROCAUC())
    assert ranked.merge == "rows" and ranked.name == "a_auc"


def test_pixels_stay_bytes_and_give_what_their_float_values_give():
    draw = np.random.default_rng(0)
    x = draw.integers(0, 256, (40, 6), "uint8")
    y = draw.normal(size=(40, 1))

    def trained(rows):
        model = pl.Sequential([pl.Dense(4, "tanh"), pl.Dense(1)])
        model.compile("adam", "mse")
        run = model.fit(rows, y, epochs=2, record=False, verbose=0)
        return run, run.step_history["loss"], model.predict(rows)

    run, losses_of_bytes, y_pred = trained(x)
    assert run.at(0).batch.x.dtype == np.uint8
    _, losses_of_floats, expected = trained(x.astype("float32"))
    np.testing.assert_array_equal(losses_of_bytes, losses_of_floats)
    np.testing.assert_array_equal(y_pred, expected)
