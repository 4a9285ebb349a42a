"""Every layer of the library, found by itself: its gradients, its training in both engines, its replay, its file.

A layer that is added to the library fails here until it has a row in LAYERS.
"""

from dataclasses import fields

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import UsageError
from pellucid.models import networks
from pellucid.registry import from_config, library, to_config

torch = pytest.importorskip("torch")

DRAW = np.random.default_rng(5)
ROWS = 6


def numbers(*shape):
    return DRAW.normal(size=(ROWS, *shape)).astype("float32")


FLAT, STEPS, PICTURES, VOLUMES = numbers(5), numbers(4, 3), numbers(4, 6, 2), numbers(3, 4, 4, 1)
WORDS = DRAW.integers(0, 5, (ROWS, 4))
CODES = np.concatenate([FLAT[:, :2], WORDS[:, :2]], axis=1).astype("float32")
Y = numbers(1)


class Around(pl.Model):
    """A Dense layer, the layers in question, one beside the other, and a Dense layer: a gradient goes through each."""

    layers: list[pl.Layer]
    takes: str = "numbers"

    def __post_init__(self):
        self.start, self.other = (pl.Dense(4, "tanh", name=name) for name in ("start", "other"))
        self.flat, self.end = pl.Flatten(), pl.Dense(1, name="end")

    def __call__(self, x):
        h = x if self.takes == "codes" else self.start(x)
        parts = [self.flat(self.made(layer, h, x)) for layer in self.layers]
        return self.end(pl.concatenate(*parts) if len(parts) > 1 else parts[0])

    def made(self, layer, h, x):
        if self.takes == "list":
            return layer([h, self.other(x)])
        return layer(h, self.other(x)) if self.takes == "reading" else layer(h)


# name: how the layer is made, the rows that it is given, and what it takes of them.
LAYERS = {
    "Activation": (lambda: pl.Activation("gelu"), FLAT, "numbers"),
    "Add": (lambda: pl.Add(), FLAT, "list"),
    "Average": (lambda: pl.Average(), FLAT, "list"),
    "AveragePooling1D": (lambda: pl.AveragePooling1D(2), STEPS, "numbers"),
    "AveragePooling2D": (lambda: pl.AveragePooling2D(2, padding="same"), PICTURES, "numbers"),
    "BagOfWords": (lambda: networks.BagOfWords(5, 3), WORDS, "codes"),
    "BatchNormalization": (lambda: pl.BatchNormalization(), FLAT, "numbers"),
    "Bidirectional": (lambda: pl.Bidirectional(pl.GRU(2)), STEPS, "numbers"),
    "CategoryEmbedding": (lambda: pl.CategoryEmbedding(((5, 2), (5, 1))), CODES, "codes"),
    "Concatenate": (lambda: pl.Concatenate(), FLAT, "list"),
    "Conv1D": (lambda: pl.Conv1D(2, 2, padding="causal"), STEPS, "numbers"),
    "Conv2D": (lambda: pl.Conv2D(2, 3, strides=2, padding="same"), PICTURES, "numbers"),
    "Conv2DTranspose": (lambda: pl.Conv2DTranspose(2, 3, strides=2), PICTURES, "numbers"),
    "Conv3D": (lambda: pl.Conv3D(2, 2), VOLUMES, "numbers"),
    "Cropping1D": (lambda: pl.Cropping1D(1), STEPS, "numbers"),
    "Cropping2D": (lambda: pl.Cropping2D(1), PICTURES, "numbers"),
    "Dense": (lambda: pl.Dense(3, "tanh"), FLAT, "numbers"),
    "DepthwiseConv2D": (lambda: pl.DepthwiseConv2D(2, depth_multiplier=2), PICTURES, "numbers"),
    "Dot": (lambda: pl.Dot(1), FLAT, "list"),
    "Dropout": (lambda: pl.Dropout(0.3), FLAT, "numbers"),
    "Embedding": (lambda: pl.Embedding(5, 3), WORDS, "codes"),
    "Flatten": (lambda: pl.Flatten(), STEPS, "numbers"),
    "GRU": (lambda: pl.GRU(2), STEPS, "numbers"),
    "GaussianNoise": (lambda: pl.GaussianNoise(0.3), FLAT, "numbers"),
    "GlobalAveragePooling1D": (lambda: pl.GlobalAveragePooling1D(), STEPS, "numbers"),
    "GlobalAveragePooling2D": (lambda: pl.GlobalAveragePooling2D(), PICTURES, "numbers"),
    "GlobalMaxPooling1D": (lambda: pl.GlobalMaxPooling1D(), STEPS, "numbers"),
    "GlobalMaxPooling2D": (lambda: pl.GlobalMaxPooling2D(), PICTURES, "numbers"),
    "GroupNormalization": (lambda: pl.GroupNormalization(2), PICTURES, "numbers"),
    "LSTM": (lambda: pl.LSTM(2, return_sequences=True), STEPS, "numbers"),
    "LayerNormalization": (lambda: pl.LayerNormalization(), FLAT, "numbers"),
    "Masking": (lambda: pl.Sequential([pl.Masking(), pl.GRU(2)]), STEPS * (WORDS > 0)[..., None], "codes"),
    "MaxPooling1D": (lambda: pl.MaxPooling1D(2), STEPS, "numbers"),
    "MaxPooling2D": (lambda: pl.MaxPooling2D(2), PICTURES, "numbers"),
    "Maximum": (lambda: pl.Maximum(), FLAT, "list"),
    "MultiHeadAttention": (lambda: pl.MultiHeadAttention(2, 2), STEPS, "numbers"),
    "Multiply": (lambda: pl.Multiply(), FLAT, "list"),
    "Normalization": (lambda: pl.Normalization(mean=[0.5, -0.5, 0, 1], variance=[2, 1, 0.5, 4]), FLAT, "numbers"),
    "Permute": (lambda: pl.Permute((2, 1)), STEPS, "numbers"),
    "PositionEmbedding": (lambda: pl.PositionEmbedding(5), STEPS, "numbers"),
    "RMSNormalization": (lambda: pl.RMSNormalization(), FLAT, "numbers"),
    "RandomCrop": (lambda: pl.RandomCrop(3, 4), PICTURES, "numbers"),
    "RandomFlip": (lambda: pl.RandomFlip(), PICTURES, "numbers"),
    "RandomTranslation": (lambda: pl.RandomTranslation(0.3, 0.3), PICTURES, "numbers"),
    "RatingsNetwork": (lambda: networks.RatingsNetwork(5, 5, hidden=(3,), dimension=2), CODES, "codes"),
    "RepeatVector": (lambda: pl.RepeatVector(2), FLAT, "numbers"),
    "Rescaling": (lambda: pl.Rescaling(0.5, 0.1), FLAT, "numbers"),
    "Reshape": (lambda: pl.Reshape((2, 2)), FLAT, "numbers"),
    "SeparableConv2D": (lambda: pl.SeparableConv2D(2, 2), PICTURES, "numbers"),
    "Sequential": (lambda: pl.Sequential([pl.Dense(3, "tanh"), pl.Dense(2)]), FLAT, "numbers"),
    "SimpleRNN": (lambda: pl.SimpleRNN(2), STEPS, "numbers"),
    "SinusoidalEncoding": (lambda: pl.SinusoidalEncoding(), STEPS, "numbers"),
    "SpatialDropout1D": (lambda: pl.SpatialDropout1D(0.3), STEPS, "numbers"),
    "SpatialDropout2D": (lambda: pl.SpatialDropout2D(0.3), PICTURES, "numbers"),
    "Subtract": (lambda: pl.Subtract(), FLAT, "list"),
    "TextNetwork": (lambda: networks.TextNetwork(((2, 5),), ((5, 2),), (3,), 1), CODES[:, [2, 3, 0, 1, 3]], "codes"),
    "TimeDistributed": (lambda: pl.TimeDistributed(pl.Dense(2, "tanh")), STEPS, "numbers"),
    "TransformerDecoder": (lambda: pl.TransformerDecoder(3, 2), STEPS, "reading"),
    "TransformerEncoder": (lambda: pl.TransformerEncoder(3, 2), STEPS, "numbers"),
    "UpSampling2D": (lambda: pl.UpSampling2D(2, interpolation="bilinear"), PICTURES, "numbers"),
    "ZeroPadding1D": (lambda: pl.ZeroPadding1D(1), STEPS, "numbers"),
    "ZeroPadding2D": (lambda: pl.ZeroPadding2D(1), PICTURES, "numbers"),
}
EVERY = pytest.mark.parametrize("name", LAYERS)


def test_every_layer_has_a_row():
    found = {
        kind.__name__
        for kind in library(pl.Layer)
        if kind is not pl.Model
        # What others are made from is tested by them.
        if not any(part.__module__.startswith("pellucid.") for part in kind.__subclasses__())
    }
    assert found == LAYERS.keys()


def around(*names):
    """A network of these layers, and its rows."""
    _, x, takes = LAYERS[names[0]]
    model = Around([LAYERS[name][0]() for name in names], takes)
    model.compile(pl.SGD(0.05), "mse")
    return model, x


@EVERY
def test_gradients_both_ways(name):
    model, x = around(name)
    report = pl.check_gradients(model, x, Y)
    assert report.ok, report
    assert report.count == sum(w.size for w in model.parameters().values()) > 0


@EVERY
def test_three_steps_are_recorded_and_opened_and_the_model_is_read_back(name, tmp_path):
    model, x = around(name)
    run = model.fit(x, Y, batch_size=2, engine="numpy", record=tmp_path / "run", verbose=0)
    opened = pl.open_run(run.folder)
    assert [opened.at(n).exact for n in range(run.steps)] == [True] * 3
    assert [opened.at(n).loss for n in range(3)] == run.step_history["loss"].tolist()
    model.save(tmp_path / "model")
    again = pl.load(tmp_path / "model")
    assert to_config(again) == to_config(model)
    np.testing.assert_array_equal(again.predict(x, engine="numpy"), model.predict(x, engine="numpy"))


ALONE = {"Bidirectional", "GRU", "LSTM", "MultiHeadAttention", "TransformerEncoder"}
"""Large programs: the time that XLA takes grows faster than they do."""


def grouped(most=8):
    """Layers that take the same, together: XLA takes a second or two for a program, however small."""
    found = {}
    for name, (_, rows, takes) in LAYERS.items():
        alike = (id(rows), takes, name if name in ALONE else "")
        groups = found.setdefault(alike, [[]])
        if len(groups[-1]) == most:
            groups.append([])
        groups[-1].append(name)
    return {names[0]: names for groups in found.values() for names in groups}


GROUPS = grouped()


@pytest.mark.parametrize("group", GROUPS)
def test_three_compiled_steps_are_recorded_and_opened(group, tmp_path):
    model, x = around(*GROUPS[group])
    run = model.fit(x, Y, batch_size=2, record=tmp_path / "run", verbose=0)
    assert [run.at(n).exact for n in range(run.steps)] == [True] * 3


def settings(layer, ending):
    """Its fields of that ending: kernel_regularizer, bias_regularizer, …"""
    return [field.name for field in fields(layer) if field.name.endswith(ending)]


PRICED = [name for name, (make, *_) in LAYERS.items() if settings(make(), "regularizer")]
ROLES = {"recurrent_kernel": "recurrent_", "depthwise_kernel": "depthwise_", "pointwise_kernel": "pointwise_"}
ROLES |= {"position_embeddings": "", "table_0": "embeddings_", "table_1": "embeddings_"}
"""Of weights whose settings do not bear their name."""


def role(layer, path):
    last = path.rpartition("/")[2]
    return "depthwise_" if isinstance(layer, pl.DepthwiseConv2D) and last == "kernel" else ROLES.get(last, f"{last}_")


def with_settings(name, ending, values):
    """The network of a layer with these settings, read back from JSON; each weight of the layer, and its setting."""
    plain = LAYERS[name][0]()
    given = dict(zip(settings(plain, ending), values, strict=False))
    config = to_config(plain) | {field: to_config(value) for field, value in given.items()}
    layer = from_config(config)
    assert to_config(layer) == config
    model, x = around(name)
    model.layers[0] = layer
    model.build(x, seed=3)
    inside = {
        path: given[role(layer, path) + ending]
        for path in model.parameters()
        if path.split("/")[0] not in ("start", "other", "end") and role(layer, path) + ending in given
    }
    assert set(inside.values()) == set(given.values())
    return model, x, inside


@pytest.mark.parametrize("name", PRICED)
def test_each_weight_is_priced_once_and_by_its_own_setting(name):
    factors = [pl.L1L2(0.01 * k, 0.03 * k) for k in (1, 2, 3)]
    model, x, inside = with_settings(name, "regularizer", factors)
    plain, _ = around(name)
    plain.build(x)
    plain.load_parameters(model.parameters())
    (loss, found), (bare_loss, bare) = (pl.gradients(m, x, Y) for m in (model, plain))
    w = {path: torch.tensor(a.astype("f8"), requires_grad=True) for path, a in model.parameters().items()}
    price = sum(p.l1 * w[path].abs().sum() + p.l2 * w[path].square().sum() for path, p in inside.items())
    price.backward()
    assert loss - bare_loss == pytest.approx(price.item(), rel=1e-9)
    for path, tensor in w.items():
        expected = 0 * bare[path] if tensor.grad is None else tensor.grad.numpy()
        # torch's slope of |w| at 0 is 0, as ours.
        np.testing.assert_allclose(found[path] - bare[path], expected, atol=1e-12)


@pytest.mark.parametrize("name", PRICED)
def test_each_weight_is_held_after_every_step(name):
    model, x, inside = with_settings(name, "constraint", [pl.MaxNorm(k / 8) for k in (1, 2, 3)])
    run = model.fit(x, Y, batch_size=2, engine="numpy", record=False, verbose=0)
    for n in range(run.steps):
        step = run.at(n)
        assert step.exact
        for path, limit in inside.items():
            # A sum of few float32 squares, its root, and a quotient.
            assert np.linalg.norm(step.after.parameters[path], axis=0).max() <= limit.max_value * (1 + 1e-6)


@pytest.mark.parametrize("name", PRICED)
@pytest.mark.parametrize("ending", ["initializer", "regularizer", "constraint"])
def test_a_setting_that_is_not_known_is_refused_at_once(name, ending):
    plain = LAYERS[name][0]()
    for field in settings(plain, ending):
        with pytest.raises(UsageError, match=f"unknown {ending} 'wrong'"):
            from_config(to_config(plain) | {field: "wrong"})
