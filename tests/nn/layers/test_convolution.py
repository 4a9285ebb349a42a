"""Convolutions against PyTorch's with the same weights, against themselves in both engines, and what they refuse."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid as pl
from pellucid.autodiff import Tape
from pellucid.autodiff.windows import Sweep
from pellucid.errors import ShapeError, UsageError
from pellucid.nn.layer import snake_case
from pellucid.registry import from_config, to_config

both = pytest.mark.parametrize("dtype", [np.float32, np.float64])
LAYERS = {1: pl.Conv1D, 2: pl.Conv2D, 3: pl.Conv3D}


def axes(value, rank):
    return (value,) * rank if isinstance(value, int) else tuple(value)


def same(length, size, stride, dilation):
    """Keras' "same", worked out on its own: the last window begins at the last multiple of the stride inside."""
    last = (length - 1) // stride * stride
    total = max(0, last + (size - 1) * dilation + 1 - length)
    return total // 2, total - total // 2


def padded(t, size, padding, strides, dilation):
    """Zeros by hand, more of them at the end, on (n, *spatial, c)."""
    import torch

    edges = []
    for n, k, s, d in zip(t.shape[1:-1], size, strides, dilation, strict=True):
        edges.append({"valid": (0, 0), "causal": ((k - 1) * d, 0), "same": same(n, k, s, d)}[padding])
    flat = [n for edge in reversed(edges) for n in edge]
    return torch.nn.functional.pad(t, (0, 0, *flat))


def channels_first(t):
    return t.movedim(-1, 1)


def convolved(t, kernel, bias, strides, dilation, groups):
    """PyTorch's convolution of (n, *spatial, i) with (*size, i / groups, o)."""
    import torch

    rank = t.ndim - 2
    convolve = [torch.conv1d, torch.conv2d, torch.conv3d][rank - 1]
    weight = kernel.movedim((-1, -2), (0, 1))
    return convolve(channels_first(t), weight, bias, strides, 0, dilation, groups).movedim(1, -1)


# rank, input without rows, kernel_size, and what else is not by default
TABLE = [
    (1, (9, 2), 3, {}),
    (1, (8, 3), 2, {"padding": "same", "strides": 3}),
    (1, (7, 2), 3, {"padding": "causal"}),
    (1, (9, 4), 3, {"padding": "causal", "dilation_rate": 3, "groups": 2}),
    (1, (10, 1), 4, {"padding": "causal", "strides": 2}),
    (1, (3, 2), 5, {"padding": "same"}),
    (2, (5, 5, 1), 3, {}),
    (2, (6, 7, 3), (3, 2), {"use_bias": False}),
    (2, (7, 6, 2), 4, {"padding": "same"}),
    (2, (7, 10, 2), 3, {"strides": 2}),
    (2, (7, 10, 2), 3, {"strides": (3, 2), "padding": "same"}),
    (2, (8, 5, 2), 2, {"strides": 3}),
    (2, (9, 8, 2), 3, {"dilation_rate": 2}),
    (2, (9, 8, 2), (2, 3), {"dilation_rate": (3, 1), "padding": "same"}),
    (2, (5, 6, 4), 3, {"groups": 2, "padding": "same"}),
    (2, (5, 6, 4), 3, {"groups": 4, "strides": 2}),
    (2, (4, 4, 5), 1, {}),
    (2, (4, 1, 3), (3, 1), {"padding": "same"}),
    (2, (2, 2, 1), 5, {"padding": "same", "strides": 2}),
    (3, (4, 5, 6, 2), 3, {}),
    (3, (4, 5, 3, 2), (2, 3, 1), {"padding": "same", "strides": (1, 2, 2)}),
    (3, (5, 4, 4, 4), 2, {"groups": 2, "dilation_rate": 2}),
]


@both
@pytest.mark.parametrize(("rank", "shape", "size", "options"), TABLE)
def test_convolutions_as_torch(rank, shape, size, options, dtype, as_torch):
    strides, dilation = (axes(options.get(name, 1), rank) for name in ("strides", "dilation_rate"))

    def twin(t, w):
        inside = padded(t, axes(size, rank), options.get("padding", "valid"), strides, dilation)
        return convolved(inside, w["kernel"], w.get("bias"), strides, dilation, options.get("groups", 1))

    as_torch(LAYERS[rank](4, size, **options), (2, *shape), twin, dtype)


TRANSPOSED = [
    {"kernel_size": k, "strides": s, "padding": p}
    for k, s, p in itertools.product([1, 2, 3, (5, 4)], [1, 2, (3, 2)], ["valid", "same"])
] + [
    {"kernel_size": 3, "dilation_rate": 2},
    {"kernel_size": 2, "dilation_rate": (2, 3), "padding": "same"},
    {"kernel_size": 3, "strides": 2, "output_padding": 1},
    {"kernel_size": 3, "strides": 3, "output_padding": (0, 2), "padding": "same"},
    {"kernel_size": (2, 4), "strides": 2, "output_padding": 0, "padding": "same"},
]


@both
@pytest.mark.parametrize("options", TRANSPOSED, ids=str)
def test_transposed_convolutions_as_torch(options, dtype, as_torch):
    """PyTorch gives all that the windows reach; Keras leaves out, of that, what its padding says."""
    import torch

    size, strides, dilation = (axes(options.get(name, 1), 2) for name in ("kernel_size", "strides", "dilation_rate"))
    more, kind = options.get("output_padding"), options.get("padding", "valid")

    def cut(n, k, s, d, extra):
        """First place kept and how many, from Keras' own output lengths."""
        full = (k - 1) * d + 1
        if kind == "valid":
            return 0, (n - 1) * s + (max(full, s) if extra is None else full + extra)
        if extra is None:  # as a "same" convolution that reads an input of n · s
            return same(n * s, k, s, d)[0], n * s
        first = full - 1 - min(-(-(full + full % 2 - 2 + extra) // 2), full - 1)
        return first, (n - 1) * s + full % 2 + extra

    def twin(t, w):
        weight = w["kernel"].permute(3, 2, 0, 1)
        y = torch.conv_transpose2d(channels_first(t), weight, None, strides, 0, 0, 1, dilation).movedim(1, -1)
        for axis in (1, 2):
            extra = None if more is None else axes(more, 2)[axis - 1]
            first, many = cut(t.shape[axis], size[axis - 1], strides[axis - 1], dilation[axis - 1], extra)
            lacking = max(0, first + many - y.shape[axis])
            y = torch.nn.functional.pad(y, (0, 0, *((0, lacking) if axis == 2 else (0, 0, 0, lacking))))
            y = y.narrow(axis, first, many)
        return y + w["bias"]

    as_torch(pl.Conv2DTranspose(3, **options), (2, 4, 3, 2), twin, dtype)


DEPTHWISE = [
    {"kernel_size": 3},
    {"kernel_size": (2, 3), "depth_multiplier": 2, "padding": "same"},
    {"kernel_size": 3, "strides": 2, "padding": "same", "depth_multiplier": 3},
    {"kernel_size": 2, "dilation_rate": 2},
]


def by_channel(t, kernel, options):
    size, strides, dilation = (axes(options.get(name, 1), 2) for name in ("kernel_size", "strides", "dilation_rate"))
    inside = padded(t, size, options.get("padding", "valid"), strides, dilation)
    channels, many = kernel.shape[-2:]
    return convolved(inside, kernel.reshape(*size, 1, channels * many), None, strides, dilation, channels)


@both
@pytest.mark.parametrize("options", DEPTHWISE, ids=str)
def test_depthwise_and_separable_convolutions_as_torch(options, dtype, as_torch):
    def depthwise(t, w):
        return by_channel(t, w["kernel"], options) + w["bias"]

    def separable(t, w):
        y = by_channel(t, w["depthwise_kernel"], options)
        return convolved(y, w["pointwise_kernel"], w["bias"], 1, 1, 1)

    as_torch(pl.DepthwiseConv2D(**options), (2, 7, 6, 3), depthwise, dtype)
    as_torch(pl.SeparableConv2D(4, **options), (2, 7, 6, 3), separable, dtype)


@settings(max_examples=60, deadline=None)
@given(*[st.integers(1, 6)] * 2, *[st.integers(1, 3)] * 3, *[st.integers(-1, 3)] * 2)
def test_the_way_back_is_the_way_there_reversed(length, size, stride, dilation, spread, low, high):
    """Each pair of input and output that meet in a window meets in the window of the way back, at the other end."""
    way = Sweep(length, size, stride, low, high, dilation, spread)
    if not way.stops:
        return
    there = {(way.seen(o, k), o, k) for o in range(way.stops) for k in range(size) if way.seen(o, k) is not None}
    back = way.back
    assert (back.stops, back.length) == (length, way.stops)
    assert back.back == way._replace(high=high - way.rest)  # what the last window left over is never seen
    met = ((i, back.seen(i, k), size - 1 - k) for i in range(length) for k in range(size))
    assert there == {pair for pair in met if pair[1] is not None}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: pl.Conv2D(0, 3), r"Conv2D\(filters=0\): a whole number, 1 or more"),
        (lambda: pl.Conv2D(4, 0), r"kernel_size=0.*or 2 of them \(height, width\)"),
        (lambda: pl.Conv2D(4, (3, 3, 3)), r"kernel_size=\(3, 3, 3\)"),
        (lambda: pl.Conv2D(4, 3, 1.5), r"strides=1\.5"),
        (lambda: pl.Conv2D(4, 3, padding="causal"), r"'valid' or 'same'.*ZeroPadding"),
        (lambda: pl.Conv1D(4, 3, padding="full"), r"'valid' or 'same' or 'causal'"),
        (lambda: pl.Conv2D(4, 3, strides=2, dilation_rate=2), r"only one of them may be above 1, as in Keras"),
        (lambda: pl.Conv2DTranspose(4, 3, strides=2, dilation_rate=2), r"Conv2DTranspose.*only one of them"),
        (lambda: pl.DepthwiseConv2D(3, strides=2, dilation_rate=(1, 2)), r"DepthwiseConv2D.*only one of them"),
        (lambda: pl.Conv2D(4, 3, groups=3), r"groups has to divide filters"),
        (lambda: pl.Conv2D(4, 3, groups=0), r"groups=0"),
        (lambda: pl.Conv2D(4, 3, activation="rlu"), r"'rlu' is not known"),
        (lambda: pl.Conv2DTranspose(4, 3, strides=2, output_padding=2), r"has to be below strides"),
        (lambda: pl.SeparableConv2D(4, 3, depth_multiplier=0), r"depth_multiplier=0"),
    ],
)
def test_settings_out_of_range_are_refused(make, words):
    with pytest.raises(UsageError, match=words):
        make()


def passed(layer, shape):
    tape = Tape({}, dtype="float32")
    return layer(tape.given("x", np.ones(shape, np.float32)))


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (pl.Conv2D(2, 3), (1, 5, 5), r"Conv2D \(conv2d\) takes \(rows, height, width, channels\).*x\[\.\.\., None\]"),
        (pl.Conv1D(2, 3), (1, 5, 5, 1), r"4 axes instead of 3: reshape x"),
        (pl.Conv2DTranspose(2, 3), (4, 3), r"conv2d_transpose"),
        (pl.DepthwiseConv2D(3), (4, 3, 3), r"DepthwiseConv2D"),
        (pl.Conv2D(2, 5), (1, 4, 6, 1), r"window of 5×5.*does not fit into x of 4×6.*padding='same'"),
        (pl.Conv2D(2, 3, dilation_rate=2), (1, 4, 6, 1), r"window of 5×5"),
        (pl.Conv2D(4, 3, groups=2), (1, 4, 4, 3), r"groups=2 does not divide its 3 channels"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(layer, shape, words):
    with pytest.raises(ShapeError, match=words):
        passed(layer, shape)


def test_names_are_those_of_keras():
    expected = {"Conv2D": "conv2d", "Conv2DTranspose": "conv2d_transpose", "SeparableConv2D": "separable_conv2d"}
    expected |= {"MaxPooling1D": "max_pooling1d", "UpSampling2D": "up_sampling2d"}
    assert {name: snake_case(name) for name in expected} == expected


def images(rows, *shape):
    draw = np.random.default_rng(4)
    return draw.normal(size=(rows, *shape)).astype("float32"), draw.integers(0, 3, rows)


def model_of(*layers):
    model = pl.Sequential([*layers, pl.Flatten(), pl.Dense(3)])
    model.compile(pl.SGD(0.05, momentum=0.9), pl.SparseCategoricalCrossentropy(from_logits=True))
    return model


# layers, and the shape of an input row
MODELS = {
    "1D": ([pl.Conv1D(3, 3, padding="causal", activation="relu"), pl.Conv1D(2, 2, strides=2)], (7, 2)),
    "2D": ([pl.Conv2D(4, 3, activation="relu"), pl.Conv2D(3, 2, padding="same", strides=2)], (6, 5, 2)),
    "grouped, dilated": ([pl.Conv2D(4, 2, groups=2, dilation_rate=2), pl.Conv2D(4, 2, groups=4)], (5, 5, 2)),
    "3D": ([pl.Conv3D(2, 2, activation="tanh"), pl.Conv3D(2, (1, 2, 2), padding="same")], (3, 4, 3, 1)),
    "transposed": ([pl.Conv2DTranspose(2, 3, 2, "same", activation="relu"), pl.Conv2DTranspose(2, 2)], (3, 2, 2)),
    "depthwise": ([pl.DepthwiseConv2D(2, depth_multiplier=2, activation="elu"), pl.DepthwiseConv2D(2)], (4, 4, 2)),
    "separable": ([pl.SeparableConv2D(3, 3, padding="same", activation="relu"), pl.SeparableConv2D(2, 2)], (4, 4, 2)),
}
every = pytest.mark.parametrize("name", MODELS)


@every
def test_gradients_by_both_proofs(name):
    layers, shape = MODELS[name]
    x, y = images(3, *shape)
    report = pl.check_gradients(model_of(*layers), x, y)
    assert report.ok, str(report)
    assert report.counts()["wrong"] == 0 and report.count == report.size
    assert report.worst < 1e-6


@every
@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_a_step_opened_again_is_the_same_bit_for_bit(name, engine, tmp_path):
    layers, shape = MODELS[name]
    x, y = images(10, *shape)
    run = model_of(*layers).fit(x, y, batch_size=4, epochs=2, engine=engine, record=tmp_path / "run", verbose=0)
    for n in (0, 4, run.steps - 1):
        step = run.at(n)
        assert step.exact
        assert step.loss == run.step_history["loss"][n]


@every
def test_both_engines_agree(name):
    """To 1e-12 of the largest: in float64 the two add up the same terms in another order."""
    layers, shape = MODELS[name]
    x, y = images(3, *shape)
    model = model_of(*layers)
    model.predict(x)
    (loss, eager), (other, compiled) = (pl.gradients(model, x, y, engine=engine) for engine in ("numpy", "xla"))
    assert loss == pytest.approx(other, rel=1e-13)
    for path, g in eager.items():
        np.testing.assert_allclose(compiled[path], g, rtol=1e-12, atol=1e-12 * max(1.0, np.abs(g).max()))


@every
def test_saved_and_loaded_it_is_the_same(name, tmp_path):
    layers, shape = MODELS[name]
    x, _ = images(3, *shape)
    model = model_of(*layers)
    before = model.predict(x)
    model.save(tmp_path / "m.pellucid")
    again = pl.load(tmp_path / "m.pellucid")
    np.testing.assert_array_equal(again.predict(x), before)
    assert to_config(from_config(to_config(again))) == to_config(model)


def test_trained_by_finite_differences_it_goes_the_same_way():
    x, y = images(6, 4, 4, 1)
    losses = [
        model_of(pl.Conv2D(2, 2, activation="tanh"))
        .fit(x, y, batch_size=3, epochs=2, method=method, dtype="float64", record=False, verbose=0)
        .history["loss"]
        for method in ("backprop", "finite_difference")
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
