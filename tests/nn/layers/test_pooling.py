"""Pools and the layers that resize: against PyTorch's, against themselves in both engines, and what they refuse."""

import math

import numpy as np
import pytest

import pellucid as pl
from pellucid.autodiff import Tape, gradients, ops
from pellucid.errors import ShapeError, UsageError
from pellucid.registry import from_config, to_config

both = pytest.mark.parametrize("dtype", [np.float32, np.float64])
MAX = {1: pl.MaxPooling1D, 2: pl.MaxPooling2D}
AVERAGE = {1: pl.AveragePooling1D, 2: pl.AveragePooling2D}


def axes(value, rank):
    return (value,) * rank if isinstance(value, int) else tuple(value)


def edges(lengths, size, strides, padding):
    """Keras' "same", worked out on its own: the last window begins at the last multiple of the stride inside."""
    found = []
    for n, k, s in zip(lengths, size, strides, strict=True):
        total = max(0, (n - 1) // s * s + k - n) if padding == "same" else 0
        found.append((total // 2, total - total // 2))
    return found


def around(t, pairs, fill=0.0):
    """Numbers around the spatial axes of (n, *spatial, c), by hand."""
    import torch

    flat = [n for edge in reversed(pairs) for n in edge]
    return torch.nn.functional.pad(t, (0, 0, *flat), value=fill)


def pooled(pool, t, *given):
    return pool(t.movedim(-1, 1), *given).movedim(1, -1)


# rank, input without rows, and what is not by default
TABLE = [
    (1, (8, 2), {}),
    (1, (7, 2), {"padding": "same"}),
    (1, (7, 3), {"pool_size": 3, "strides": 1}),
    (1, (9, 1), {"pool_size": 4, "strides": 3, "padding": "same"}),
    (1, (3, 1), {"pool_size": 2, "strides": 3}),
    (1, (4, 2), {"pool_size": 1}),
    (2, (4, 6, 2), {}),
    (2, (5, 7, 3), {}),
    (2, (5, 7, 2), {"padding": "same"}),
    (2, (6, 5, 2), {"pool_size": (3, 2), "strides": (2, 1)}),
    (2, (7, 7, 1), {"pool_size": 3, "strides": 2, "padding": "same"}),
    (2, (4, 3, 2), {"pool_size": (1, 3), "padding": "same"}),
    (2, (5, 5, 2), {"pool_size": 2, "strides": 3}),
    (2, (2, 3, 1), {"pool_size": 5, "padding": "same"}),
]
pools = pytest.mark.parametrize(("rank", "shape", "options"), TABLE)


def of(rank, shape, options):
    size = axes(options.get("pool_size", 2), rank)
    strides = axes(options.get("strides", size), rank)
    return size, strides, edges(shape[:-1], size, strides, options.get("padding", "valid"))


@both
@pools
def test_max_pools_as_torch(rank, shape, options, dtype, as_torch):
    torch = pytest.importorskip("torch")
    size, strides, pairs = of(rank, shape, options)

    def twin(t, _):
        pool = [torch.nn.functional.max_pool1d, torch.nn.functional.max_pool2d][rank - 1]
        return pooled(pool, around(t, pairs, -math.inf), size, strides)

    as_torch(MAX[rank](**options), (2, *shape), twin, dtype)


@both
@pools
def test_average_pools_as_torch(rank, shape, options, dtype, as_torch):
    """Under "same" the sum is divided by how many numbers of x are in the window."""
    torch = pytest.importorskip("torch")
    size, strides, pairs = of(rank, shape, options)

    def twin(t, _):
        pool = [torch.nn.functional.avg_pool1d, torch.nn.functional.avg_pool2d][rank - 1]
        held = pooled(pool, around(torch.ones_like(t), pairs), size, strides)
        return pooled(pool, around(t, pairs), size, strides) / held

    as_torch(AVERAGE[rank](**options), (2, *shape), twin, dtype)


@both
@pytest.mark.parametrize("keepdims", [False, True])
def test_global_pools_as_torch(keepdims, dtype, as_torch):
    for rank, largest, average in (
        (1, pl.GlobalMaxPooling1D, pl.GlobalAveragePooling1D),
        (2, pl.GlobalMaxPooling2D, pl.GlobalAveragePooling2D),
    ):
        over, shape = tuple(range(1, rank + 1)), (2, 5, 4, 3)[-rank - 2 :]
        as_torch(largest(keepdims), shape, lambda t, _, over=over: t.amax(over, keepdim=keepdims), dtype)
        as_torch(average(keepdims), shape, lambda t, _, over=over: t.mean(over, keepdim=keepdims), dtype)


@both
@pytest.mark.parametrize("size", [1, 2, (3, 2), (1, 4)])
@pytest.mark.parametrize("shape", [(2, 3, 4, 2), (1, 1, 2, 1)])
def test_upsampling_as_torch(size, shape, dtype, as_torch):
    torch = pytest.importorskip("torch")
    for interpolation, more in (("nearest", {}), ("bilinear", {"align_corners": False})):

        def twin(t, _, interpolation=interpolation, more=more):
            scale = tuple(map(float, axes(size, 2)))
            larger = torch.nn.functional.interpolate
            return larger(t.movedim(-1, 1), scale_factor=scale, mode=interpolation, **more).movedim(1, -1)

        as_torch(pl.UpSampling2D(size, interpolation), shape, twin, dtype)


@both
@pytest.mark.parametrize(
    ("layer", "shape", "pairs"),
    [
        (pl.ZeroPadding1D(), (2, 3, 2), [(1, 1)]),
        (pl.ZeroPadding1D((2, 0)), (2, 3, 2), [(2, 0)]),
        (pl.ZeroPadding2D(), (2, 3, 2, 2), [(1, 1), (1, 1)]),
        (pl.ZeroPadding2D((2, 1)), (2, 3, 2, 2), [(2, 2), (1, 1)]),
        (pl.ZeroPadding2D(((0, 3), (1, 0))), (2, 3, 2, 2), [(0, 3), (1, 0)]),
        (pl.Cropping1D(), (2, 5, 2), [(-1, -1)]),
        (pl.Cropping1D((0, 3)), (2, 5, 2), [(0, -3)]),
        (pl.Cropping2D(), (2, 4, 3, 2), [(0, 0), (0, 0)]),
        (pl.Cropping2D((1, 0)), (2, 4, 3, 2), [(-1, -1), (0, 0)]),
        (pl.Cropping2D(((0, 3), (2, 0))), (2, 4, 3, 2), [(0, -3), (-2, 0)]),
    ],
)
def test_zeros_around_and_edges_left_out_as_torch(layer, shape, pairs, dtype, as_torch):
    as_torch(layer, shape, lambda t, _: around(t, pairs), dtype)


@both
def test_the_first_of_equal_numbers_takes_the_gradient_as_in_torch(dtype):
    """Whole numbers from 0 to 2: most windows have several largest ones. Overlapping windows and not."""
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(1).integers(0, 3, (4, 9, 9, 3)).astype(dtype)
    for size, strides in ((2, 2), (3, 2), (3, 3)):
        tape = Tape({})
        value = tape.given("x", x)
        y = pl.MaxPooling2D(size, strides)(value)
        counts = np.random.default_rng(2).integers(1, 9, y.shape).astype(dtype)  # so that sums are exact
        (found,) = gradients(ops.sum(y * counts), [value])
        t = torch.tensor(x, requires_grad=True)
        expected = pooled(torch.nn.functional.max_pool2d, t, size, strides)
        (expected * torch.tensor(counts)).sum().backward()
        np.testing.assert_array_equal(y.array, expected.detach().numpy())
        np.testing.assert_array_equal(found.array, t.grad.numpy())
        assert found.array.sum() == counts.sum()  # handed out once


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: pl.MaxPooling2D(0), r"MaxPooling2D\(pool_size=0\)"),
        (lambda: pl.MaxPooling1D((2, 2)), r"pool_size=\(2, 2\)"),
        (lambda: pl.AveragePooling2D(2, strides=(1, 0)), r"strides=\(1, 0\)"),
        (lambda: pl.AveragePooling2D(padding="full"), r"'valid' or 'same'"),
        (lambda: pl.UpSampling2D(0), r"size=0"),
        (lambda: pl.UpSampling2D(2, "bicubic"), r"'nearest' or 'bilinear'"),
        (lambda: pl.ZeroPadding1D((1, 2, 3)), r"or a pair \(before, after\)"),
        (lambda: pl.ZeroPadding2D(-1), r"padding=-1.*0 or more"),
        (lambda: pl.Cropping2D(((1, 2), (3,))), r"or a pair \(before, after\) for each"),
    ],
)
def test_settings_out_of_range_are_refused(make, words):
    with pytest.raises(UsageError, match=words):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (pl.MaxPooling2D(), (1, 4, 4), r"MaxPooling2D \(max_pooling2d\) takes \(rows, height, width, channels\)"),
        (pl.GlobalAveragePooling1D(), (1, 4), r"takes \(rows, steps, channels\).*x\[\.\.\., None\]"),
        (pl.AveragePooling2D(3), (1, 2, 4, 1), r"window of 3×3.*does not fit into x of 2×4"),
        (pl.UpSampling2D(), (1, 4), r"UpSampling2D"),
        (pl.ZeroPadding1D(), (1, 4), r"ZeroPadding1D"),
        (pl.Cropping1D(2), (1, 4, 1), r"leaves nothing of x.*crop less"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(layer, shape, words):
    with pytest.raises(ShapeError, match=words):
        layer(Tape({}).given("x", np.ones(shape)))


# layers, and the shape of an input row
MODELS = {
    "max 1D": ([pl.Conv1D(3, 2), pl.MaxPooling1D(), pl.Conv1D(2, 2), pl.GlobalMaxPooling1D(keepdims=True)], (8, 2)),
    "max 2D": ([pl.Conv2D(3, 2, activation="relu"), pl.MaxPooling2D(), pl.MaxPooling2D(2, 1, "same")], (6, 5, 1)),
    "average 1D": ([pl.Conv1D(3, 2), pl.AveragePooling1D(2, 1, "same"), pl.GlobalAveragePooling1D()], (6, 2)),
    "average 2D": ([pl.Conv2D(3, 2), pl.AveragePooling2D(), pl.AveragePooling2D(3, 2, "same")], (6, 6, 1)),
    "global": ([pl.Conv2D(3, 2, activation="tanh"), pl.GlobalMaxPooling2D()], (4, 4, 2)),
    "resized": (
        [
            pl.ZeroPadding2D((1, 0)), pl.Conv2D(2, 2), pl.UpSampling2D(2), pl.Cropping2D(((1, 0), (0, 1))),
            pl.UpSampling2D((1, 2), "bilinear"), pl.Conv2D(2, 2, 2), pl.GlobalAveragePooling2D(),
        ],
        (3, 3, 2),
    ),
    "resized 1D": ([pl.Conv1D(2, 2), pl.ZeroPadding1D(2), pl.Cropping1D((1, 2)), pl.Conv1D(2, 2)], (4, 2)),
}  # fmt: skip
every = pytest.mark.parametrize("name", MODELS)


def rows_for(name, rows):
    draw = np.random.default_rng(4)
    return draw.normal(size=(rows, *MODELS[name][1])).astype("float32"), draw.integers(0, 3, rows)


def model_of(name):
    model = pl.Sequential([*MODELS[name][0], pl.Flatten(), pl.Dense(3)])
    model.compile(pl.SGD(0.05, momentum=0.9), pl.SparseCategoricalCrossentropy(from_logits=True))
    return model


@every
def test_gradients_by_both_proofs(name):
    report = pl.check_gradients(model_of(name), *rows_for(name, 3))
    assert report.ok, str(report)
    assert report.counts()["wrong"] == 0 and report.count == report.size
    assert report.worst < 1e-6


def test_a_maximum_that_changes_hands_is_a_kink_of_the_pool():
    """The largest numbers of a window are equal, so that any change of a weight decides."""
    model = pl.Sequential([pl.Conv1D(1, 1, use_bias=False), pl.MaxPooling1D(), pl.Flatten()])
    model.compile(loss="mean_squared_error")
    model.build(np.ones((1, 2, 2), "float32"))
    model.load_parameters({"conv1d/kernel": np.array([[[1.0], [1.0]]])})
    report = pl.check_gradients(model, np.array([[[1.0, 2.0], [2.0, 1.0]]]), np.array([[0.0]]))
    assert report.ok, str(report)
    assert [kink.op for kink in report.kinks] == ["max_pool"] * 2
    assert "a corner of max_pool in max_pooling1d, row 0 of the batch, unit 0, 0" in str(report.kinks[0])


@every
@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_a_step_opened_again_is_the_same_bit_for_bit(name, engine, tmp_path):
    x, y = rows_for(name, 10)
    run = model_of(name).fit(x, y, batch_size=4, epochs=2, engine=engine, record=tmp_path / "run", verbose=0)
    for n in (0, run.steps - 1):
        step = run.at(n)
        assert step.exact
        assert step.loss == run.step_history["loss"][n]


@every
def test_both_engines_agree(name):
    """To 1e-12 of the largest: in float64 the two add up the same terms in another order."""
    model, rows = model_of(name), rows_for(name, 3)
    model.predict(rows[0])
    (loss, eager), (other, compiled) = (pl.gradients(model, *rows, engine=engine) for engine in ("numpy", "xla"))
    assert loss == pytest.approx(other, rel=1e-13)
    for path, g in eager.items():
        np.testing.assert_allclose(compiled[path], g, rtol=1e-12, atol=1e-12 * max(1.0, np.abs(g).max()))


@every
def test_saved_and_loaded_it_is_the_same(name, tmp_path):
    x, _ = rows_for(name, 3)
    model = model_of(name)
    before = model.predict(x)
    model.save(tmp_path / "m.pellucid")
    again = pl.load(tmp_path / "m.pellucid")
    np.testing.assert_array_equal(again.predict(x), before)
    assert to_config(from_config(to_config(again))) == to_config(model)
