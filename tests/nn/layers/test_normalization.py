"""Batch normalization against PyTorch's, Keras' formula by hand, and finite differences; what it remembers."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.autodiff import Tape, gradients, ops

draw = np.random.default_rng(3)
both = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SHAPES = [((16, 5), -1), ((8, 3, 5), -1), ((8, 5, 3), 1), ((4, 5, 2, 3), 1), ((2, 5), 1)]


def arrays(features, dtype):
    """Weights and running numbers in the middle of a training."""
    gamma, beta, mean = (draw.normal(size=features).astype(dtype) for _ in range(3))
    trained = {"batch_normalization/gamma": gamma, "batch_normalization/beta": beta}
    running = {
        "batch_normalization/moving_mean": mean,
        "batch_normalization/moving_variance": draw.uniform(0.5, 2, features).astype(dtype),
    }
    return trained, running


def passed(layer, x, trained, running, training):
    """Output, gradients of its numbers weighed at random, and what is remembered."""
    tape = Tape(dict(trained), training=training, untrained=dict(running))
    value = tape.given("x", x)
    y = pl.Sequential([layer])(value)
    c = np.random.default_rng(9).normal(size=y.shape).astype(x.dtype)
    wrt = {"x": value} | {path: tape.parameter(path) for path in trained}
    found = gradients(ops.sum(y * c), list(wrt.values()))
    after = running | {path: value.array for path, value in tape.next_untrained.items()}
    return y.array, {path: g.array for path, g in zip(wrt, found, strict=True)}, after, c


@both
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_as_torch(dtype, training, shape, axis):
    """PyTorch's momentum is 1 - ours; its running variance is that of the batch times n / (n - 1)."""
    torch = pytest.importorskip("torch")
    x = draw.normal(2, 3, shape).astype(dtype)
    trained, running = arrays(5, dtype)
    layer = pl.BatchNormalization(axis=axis, momentum=0.9, epsilon=1e-3)
    y, found, after, c = passed(layer, x, trained, running, training)
    twin = torch.nn.BatchNorm1d(5, eps=1e-3, momentum=0.1, dtype=torch.from_numpy(x).dtype)
    with torch.no_grad():
        for name, array in zip(
            ("weight", "bias", "running_mean", "running_var"), [*trained.values(), *running.values()], strict=True
        ):
            getattr(twin, name).copy_(torch.tensor(array))
    twin.train(training)
    t = torch.tensor(x, requires_grad=True)
    flat = torch.movedim(t, axis, -1).reshape(-1, 5)
    expected = torch.movedim(twin(flat).reshape(np.moveaxis(x, axis, -1).shape), -1, axis % x.ndim)
    (expected * torch.tensor(c)).sum().backward()
    close = {"rtol": 1e-5, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-9}
    # Where few rows are alike, the gradient of x is a difference of numbers gamma / std times as large as itself.
    wide = {name: value * 20 for name, value in close.items()}
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected.detach().numpy(), **close)
    np.testing.assert_allclose(found["x"], t.grad.numpy(), **wide)
    np.testing.assert_allclose(found["batch_normalization/gamma"], twin.weight.grad.numpy(), **wide)
    np.testing.assert_allclose(found["batch_normalization/beta"], twin.bias.grad.numpy(), **wide)
    n = x.size // 5
    biased = running["batch_normalization/moving_variance"] * 0.9 + x_variance(x, axis) * 0.1 if training else None
    np.testing.assert_allclose(after["batch_normalization/moving_mean"], twin.running_mean.numpy(), **close)
    if training:
        np.testing.assert_allclose(after["batch_normalization/moving_variance"], biased, **close)
        unbiased = running["batch_normalization/moving_variance"] * 0.9 + x_variance(x, axis) * n / (n - 1) * 0.1
        np.testing.assert_allclose(twin.running_var.numpy(), unbiased, **close)
    else:
        assert after == running


def x_variance(x, axis):
    return x.astype(np.float64).var(axis=tuple(i for i in range(x.ndim) if i != axis % x.ndim))


@both
def test_the_formula_by_hand(dtype):
    """Keras': biased variance everywhere, moving ← momentum · moving + (1 - momentum) · batch."""
    x = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0]], dtype)
    trained = {
        "batch_normalization/gamma": np.array([2.0, 1.0], dtype),
        "batch_normalization/beta": np.array([0.5, 0.0], dtype),
    }
    running = {
        "batch_normalization/moving_mean": np.zeros(2, dtype),
        "batch_normalization/moving_variance": np.ones(2, dtype),
    }
    y, _, after, _ = passed(pl.BatchNormalization(momentum=0.99, epsilon=0.001), x, trained, running, True)
    tolerance = 4 * np.finfo(dtype).eps * 30  # a few roundings of numbers up to 30
    a, b = 2 / np.sqrt(8 / 3 + 0.001), 10 / np.sqrt(200 / 3 + 0.001)
    np.testing.assert_allclose(y, [[0.5 - 2 * a, -b], [0.5, b], [0.5 + 2 * a, 0]], atol=tolerance)
    np.testing.assert_allclose(after["batch_normalization/moving_mean"], [0.03, 0.2], atol=tolerance)
    np.testing.assert_allclose(
        after["batch_normalization/moving_variance"], [0.99 + 0.01 * 8 / 3, 0.99 + 0.01 * 200 / 3], atol=tolerance
    )
    y, _, after, _ = passed(pl.BatchNormalization(), x, trained, running, False)
    np.testing.assert_allclose(y, x / np.sqrt(1.001) * [2, 1] + [0.5, 0], atol=tolerance)
    assert all(np.array_equal(after[path], running[path]) for path in running)


def network(**options):
    model = pl.Sequential([pl.Dense(6), pl.BatchNormalization(**options), pl.Activation("tanh"), pl.Dense(3)])
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True))
    return model


def test_what_it_remembers_is_no_parameter():
    model = network()
    model.predict(np.ones((2, 4), "float32"))
    inside = "batch_normalization"
    assert list(model.untrained()) == [f"{inside}/moving_mean", f"{inside}/moving_variance"]
    assert [path for path in model.parameters() if inside in path] == [f"{inside}/gamma", f"{inside}/beta"]
    plain = pl.Sequential([pl.BatchNormalization(center=False, scale=False)])
    plain.predict(np.ones((2, 4), "float32"))
    assert plain.parameters() == {}


def test_running_numbers_move_with_each_step_and_not_in_evaluation(rows):
    model = network(momentum=0.5)
    run = model.fit(rows.x, rows.y, batch_size=16, epochs=2, engine="numpy", record=False, verbose=0)
    mean, variance = np.zeros(6, "float32"), np.ones(6, "float32")
    for n in range(run.steps):
        step = run.at(n)
        inside = step.values["dense"]
        mean = 0.5 * mean + 0.5 * inside.mean(axis=0)
        variance = 0.5 * variance + 0.5 * inside.var(axis=0)
    # Ten steps of a mean over 16 rows, each rounded a few times: of numbers near 1, in float32.
    found = list(model.untrained().values())
    np.testing.assert_allclose(found[0], mean, atol=1e-5)
    np.testing.assert_allclose(found[1], variance, rtol=1e-5)
    model.evaluate(rows.x, rows.y, engine="numpy")
    model.predict(rows.x, engine="numpy")
    assert all(np.array_equal(a, b) for a, b in zip(model.untrained().values(), found, strict=True))


def test_the_engines_agree(rows):
    found = []
    for engine in ("numpy", "xla"):
        model = network()
        model.fit(rows.x, rows.y, batch_size=16, epochs=3, engine=engine, dtype="float64", record=False, verbose=0)
        found.append(model.parameters() | model.untrained())
    for path, array in found[0].items():
        # A bias before a normalization has no effect: its gradient is rounding, which Adam makes a step of.
        if path != "dense/bias" and "moving_mean" not in path:
            np.testing.assert_allclose(found[1][path], array, rtol=1e-9, atol=1e-12)


def test_a_file_keeps_it(rows, tmp_path):
    model = network()
    model.fit(rows.x, rows.y, epochs=2, engine="numpy", record=False, verbose=0)
    model.save(tmp_path / "m")
    again = pl.load(tmp_path / "m")
    assert list(again.untrained()) == list(model.untrained())
    for path, array in model.untrained().items():
        assert again.untrained()[path].tobytes() == array.tobytes()
    assert again.predict(rows.x, engine="numpy").tobytes() == model.predict(rows.x, engine="numpy").tobytes()


def test_weights_taken_from_another_model(rows):
    model = network()
    model.fit(rows.x, rows.y, epochs=1, engine="numpy", record=False, verbose=0)
    for other in (network(), network()):
        other.load_parameters(model.parameters() | model.untrained())
        assert other.predict(rows.x, engine="numpy").tobytes() == model.predict(rows.x, engine="numpy").tobytes()
        assert list(other.untrained()) == list(model.untrained())


@pytest.mark.parametrize("options", [{}, {"center": False}, {"scale": False}, {"axis": 1}])
def test_its_gradients_are_those_of_finite_differences(rows, options):
    model = network(**options)
    model.predict(rows.x[:1])
    report = pl.check_gradients(model, rows.x[:16], rows.y[:16])
    assert report.ok, str(report)


def test_a_recorded_step_is_checked_in_training(rows):
    run = network().fit(rows.x, rows.y, batch_size=16, engine="numpy", record=False, verbose=0)
    assert run.at(2).check().ok


@pytest.mark.parametrize("axis", [0, 2, -2, -3])
def test_an_axis_that_is_not_there(axis):
    with pytest.raises(pl.ShapeError, match=rf"axis={axis}\): x has shape \(1, 4\).*one of 1$"):
        pl.Sequential([pl.BatchNormalization(axis=axis)]).predict(np.ones((2, 4), "float32"))


@pytest.mark.parametrize(
    ("options", "message"), [({"momentum": 1.5}, "momentum=1.5"), ({"epsilon": -1.0}, "epsilon=-1.0")]
)
def test_settings_out_of_range(options, message):
    with pytest.raises(pl.UsageError, match=message):
        pl.BatchNormalization(**options)
