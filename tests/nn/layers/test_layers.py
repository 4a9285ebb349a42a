"""Layers against PyTorch's with the same weights; their names; what dropout draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid as pl
from pellucid.autodiff import Tape, gradients, ops
from pellucid.errors import ShapeError, UsageError
from pellucid.nn.layer import snake_case
from pellucid.registry import from_config, to_config

torch = pytest.importorskip("torch")

draw = np.random.default_rng(2)


def passed(model, x, parameters=None, training=False, seed=0, step=0):
    """One pass, its output and the gradients of its numbers weighed at random, of x and of each weight."""
    tape = Tape(dict(parameters or {}), seed, step, training, dtype=None if parameters else str(x.dtype))
    value = tape.given("x", x)
    y = model(value)
    c = np.random.default_rng(9).normal(size=y.shape).astype(x.dtype)
    wrt = {"x": value} | {path: tape.parameter(path) for path in tape.parameters}
    found = gradients(ops.sum(y * c), list(wrt.values()))
    return y.array, {path: g.array for path, g in zip(wrt, found, strict=True)}, tape, c


def compared(model, x, parameters, twin, to_torch):
    """Both networks' outputs and gradients; to_torch puts our weights into the twin, names → tensors."""
    y, found, _, c = passed(model, x, parameters)
    t = torch.tensor(x, requires_grad=True)
    tensors = to_torch(twin)
    with torch.no_grad():
        for path, (tensor, turned) in tensors.items():
            tensor.copy_(torch.tensor(parameters[path].T if turned else parameters[path]))
    expected = twin(t)
    (expected * torch.tensor(c)).sum().backward()
    forward, backward = (1e-6, 1e-4) if x.dtype == np.float32 else (1e-12, 1e-9)
    assert y.dtype == x.dtype
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=forward, atol=forward)
    for path, (tensor, turned) in tensors.items():
        g = tensor.grad.numpy()
        assert found[path].dtype == x.dtype
        np.testing.assert_allclose(found[path], g.T if turned else g, rtol=backward, atol=backward * 0.1)
    if t.grad is not None and t.grad.abs().max() > 0:
        np.testing.assert_allclose(found["x"], t.grad.numpy(), rtol=backward, atol=backward * 0.1)


both = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def torch_dtype(dtype):
    return torch.float32 if dtype is np.float32 else torch.float64


@both
@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3)])
def test_dense_as_torch(dtype, shape):
    model = pl.Sequential([pl.Dense(4, "tanh"), pl.Dense(2)])
    x = draw.normal(size=shape).astype(dtype)
    parameters = {
        "dense/kernel": draw.normal(size=(3, 4)),
        "dense/bias": draw.normal(size=4),
        "dense_1/kernel": draw.normal(size=(4, 2)),
        "dense_1/bias": draw.normal(size=2),
    }
    twin = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    compared(
        model, x, {path: a.astype(dtype) for path, a in parameters.items()}, twin.to(torch_dtype(dtype)),
        lambda t: {
            "dense/kernel": (t[0].weight, True), "dense/bias": (t[0].bias, False),
            "dense_1/kernel": (t[2].weight, True), "dense_1/bias": (t[2].bias, False),
        },
    )  # fmt: skip


@both
def test_flatten_and_activation_as_torch(dtype):
    model = pl.Sequential([pl.Flatten(), pl.Dense(2, use_bias=False), pl.Activation("sigmoid")])
    x = draw.normal(size=(3, 2, 2)).astype(dtype)
    twin = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False), torch.nn.Sigmoid())
    kernel = draw.normal(size=(4, 2)).astype(dtype)
    compared(
        model, x, {"dense/kernel": kernel}, twin.to(torch_dtype(dtype)),
        lambda t: {"dense/kernel": (t[1].weight, True)},
    )  # fmt: skip


@both
def test_category_embedding_as_torch(dtype):
    class Twin(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Embedding(5, 2), torch.nn.Embedding(3, 4)

        def forward(self, x):
            return torch.cat([x[:, :2], self.a(x[:, 2].long()), self.b(x[:, 3].long())], dim=1)

    x = np.column_stack([draw.normal(size=(6, 2)), draw.integers(0, 5, 6), draw.integers(0, 3, 6)])
    parameters = {"table_0": draw.normal(size=(5, 2)), "table_1": draw.normal(size=(3, 4))}
    compared(
        pl.Sequential([pl.CategoryEmbedding(((5, 2), (3, 4)))]),
        x.astype(dtype),
        {f"category_embedding/{k}": a.astype(dtype) for k, a in parameters.items()},
        Twin().to(torch_dtype(dtype)),
        lambda t: {
            "category_embedding/table_0": (t.a.weight, False),
            "category_embedding/table_1": (t.b.weight, False),
        },
    )


def test_category_embedding_of_codes_alone():
    model = pl.Sequential([pl.CategoryEmbedding([[3, 2]])])
    table = np.arange(6.0).reshape(3, 2)
    y, *_ = passed(model, np.array([[2.0], [0.0]]), {"category_embedding/table_0": table})
    np.testing.assert_array_equal(y, table[[2, 0]])


@both
def test_dropout_as_torch_with_the_same_places(dtype):
    x = draw.normal(size=(8, 5)).astype(dtype)
    y, found, tape, c = passed(pl.Dropout(0.4), x, training=True, seed=3, step=17)
    keep = next(row for row in tape.nodes if row.op and row.op.name == "dropout").inputs[1].array
    t = torch.tensor(x, requires_grad=True)
    expected = torch.where(torch.tensor(keep), t / (1 - 0.4), 0)
    (expected * torch.tensor(c)).sum().backward()
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(found["x"], t.grad.numpy(), rtol=1e-6)
    assert y.dtype == dtype


def dropped(layer, seed=0, step=0, x=None):
    return passed(layer, np.ones((20, 10)) if x is None else x, training=True, seed=seed, step=step)[0]


def test_dropout_is_a_function_of_seed_step_and_path():
    first = dropped(pl.Dropout(0.5))
    np.testing.assert_array_equal(first, dropped(pl.Dropout(0.5)))
    for other in (
        dropped(pl.Dropout(0.5), seed=1),
        dropped(pl.Dropout(0.5), step=1),
        dropped(pl.Dropout(0.5, name="other")),
    ):
        assert 0.3 < (first != other).mean() < 0.7
    assert set(np.unique(first)) == {0.0, 2.0}
    assert 0.4 < (first == 0).mean() < 0.6


def test_two_dropouts_and_one_called_twice_draw_anew():
    both_layers = dropped(pl.Sequential([pl.Dropout(0.5), pl.Dropout(0.5)]))
    same = pl.Dropout(0.5)
    twice = dropped(pl.Sequential([same, same]))
    for y in (both_layers, twice):
        assert 0.6 < (y == 0).mean() < 0.9


def test_dropout_is_off_outside_training_and_at_rate_0():
    x = np.ones((3, 3))
    assert passed(pl.Dropout(0.9), x)[0].tolist() == x.tolist()
    assert dropped(pl.Dropout(0.0), x=x).tolist() == x.tolist()
    for rate in (1.0, -0.1, 1.5):
        with pytest.raises(UsageError, match="from 0 to below 1"):
            pl.Dropout(rate)


def names(model, x=None):
    tape = Tape({}, dtype="float32")
    model(tape.given("x", np.ones((1, 3), np.float32) if x is None else x))
    return list(tape.parameters)


def test_layers_are_named_by_kind_and_number():
    model = pl.Sequential([pl.Dense(2), pl.Dropout(0.1), pl.Dense(2, use_bias=False), pl.Dense(1)])
    assert names(model) == ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_2/kernel", "dense_2/bias"]


def test_an_explicit_name_is_kept_and_does_not_count():
    model = pl.Sequential([pl.Dense(2, name="first", use_bias=False), pl.Dense(2, use_bias=False)])
    assert names(model) == ["first/kernel", "dense/kernel"]


def test_two_layers_of_one_explicit_name_are_refused():
    model = pl.Sequential([pl.Dense(2, name="a"), pl.Dense(2, name="a")])
    with pytest.raises(UsageError, match="two layers are named 'a'"):
        names(model)


def test_an_explicit_name_that_a_numbered_layer_would_take():
    """`dense_1` is given by hand to the third: the second may not take it from under it."""
    layers = [
        pl.Dense(2, use_bias=False),
        pl.Dense(2, use_bias=False),
        pl.Dense(2, name="dense_1", use_bias=False),
    ]
    assert sorted(names(pl.Sequential(layers))) == ["dense/kernel", "dense_1/kernel", "dense_2/kernel"]


def test_models_inside_models():
    inner = pl.Sequential([pl.Dense(2, use_bias=False), pl.Dense(2, use_bias=False)])
    other = pl.Sequential([pl.Dense(2, use_bias=False)], name="tail")
    found = names(pl.Sequential([inner, pl.Dense(2, use_bias=False), other]))
    assert found == [
        "sequential/dense/kernel",
        "sequential/dense_1/kernel",
        "dense/kernel",
        "tail/dense/kernel",
    ]


def test_a_layer_used_twice_shares_its_weights():
    shared = pl.Dense(3, "tanh", use_bias=False)
    model = pl.Sequential([shared, shared])
    x, w = draw.normal(size=(4, 3)), draw.normal(size=(3, 3))
    y, found, tape, c = passed(model, x, {"dense/kernel": w})
    assert list(tape.parameters) == ["dense/kernel"]
    t = torch.tensor(w, requires_grad=True)
    expected = torch.tanh(torch.tanh(torch.tensor(x) @ t) @ t)
    (expected * torch.tensor(c)).sum().backward()
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(found["dense/kernel"], t.grad.numpy(), rtol=1e-9)


def test_layers_as_attributes_and_in_lists():
    class Net(pl.Model):
        def __init__(self):
            super().__init__()
            self.hidden = [pl.Dense(3, "relu"), pl.Dense(3, "relu")]
            self.out = pl.Dense(1)

        def __call__(self, x):
            for layer in self.hidden:
                x = x + layer(x)
            return self.out(x)

    assert [n for n in names(Net()) if "kernel" in n] == ["dense/kernel", "dense_1/kernel", "dense_2/kernel"]


def test_a_layer_of_ones_own():
    class Scale(pl.Layer):
        start: float = 2.0

        def __call__(self, x):
            return x * self.weight(x, "factor", (x.shape[-1],), pl.Ones()) * self.start

    x = np.ones((2, 3))
    y, _, tape, _ = passed(pl.Sequential([Scale(3.0), Scale()]), x)
    np.testing.assert_array_equal(y, 6 * x)
    assert list(tape.parameters) == ["scale/factor", "scale_1/factor"]


def test_a_layer_that_the_model_does_not_hold_is_refused():
    class Net(pl.Model):
        def __call__(self, x):
            return pl.Dense(1)(x)

    with pytest.raises(UsageError, match=r"Net called a Dense that it does not hold; set it as an attribute"):
        names(Net())


def test_a_layer_called_on_an_array_says_what_to_do():
    with pytest.raises(UsageError, match=r"Dense was called on an array.*model\.predict"):
        pl.Dense(2)(np.ones((1, 3)))
    with pytest.raises(UsageError, match="Layer"):
        pl.Layer()(np.ones(2))


@pytest.mark.parametrize("units", [0, -1, 2.0, "3", True, None])
def test_units_are_a_whole_number(units):
    with pytest.raises(UsageError, match=r"Dense\(units=.*: a whole number, 1 or more"):
        pl.Dense(units)


def test_dense_takes_rows():
    with pytest.raises(ShapeError, match=r"rows of numbers.*\(3,\)"):
        names(pl.Sequential([pl.Dense(2)]), np.ones(3, np.float32))


def test_weights_of_another_input_size_are_named():
    with pytest.raises(ShapeError, match=r"dense/kernel has shape \(3, 2\).*it has to be \(4, 2\)"):
        passed(pl.Sequential([pl.Dense(2)]), np.ones((1, 4)), {"dense/kernel": np.ones((3, 2))})


def test_a_pass_that_may_not_create_weights_says_which_is_missing():
    with pytest.raises(UsageError, match=r"no weight 'dense/bias' is known \(known: dense/kernel\)"):
        passed(pl.Sequential([pl.Dense(2)]), np.ones((1, 3)), {"dense/kernel": np.ones((3, 2))})


def test_json_and_back():
    model = pl.Sequential(
        [
            pl.Flatten(),
            pl.Dense(3, "relu", kernel_initializer="he_normal", name="first"),
            pl.Dense(2, pl.tanh, use_bias=False, bias_initializer=pl.RandomNormal(stddev=0.3)),
            pl.Dropout(0.25),
            pl.CategoryEmbedding(((3, 2),)),
            pl.Sequential([pl.Activation("softmax")], name="inner"),
        ]
    )
    again = from_config(to_config(model))
    assert to_config(again) == to_config(model)
    assert again.layers[2].bias_initializer == pl.RandomNormal(stddev=0.3)
    assert (again.layers[1].name, again.layers[3].rate) == ("first", 0.25)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 4), st.integers(1, 3))
def test_dense_and_flatten_of_any_shape(features, units, rows):
    x = np.ones((rows, *features), np.float32)
    assert passed(pl.Sequential([pl.Dense(units)]), x)[0].shape == (rows, *features[:-1], units)
    assert passed(pl.Flatten(), x)[0].shape == (rows, int(np.prod(features)))


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("Dense", "dense"),
        ("CategoryEmbedding", "category_embedding"),
        ("LSTM", "lstm"),
        ("MLPBlock", "mlp_block"),
    ],
)
def test_snake_case(name, snake):
    assert snake_case(name) == snake
