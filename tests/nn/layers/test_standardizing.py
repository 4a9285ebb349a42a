"""Layer, group and RMS normalization against PyTorch's, and what they refuse."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import ShapeError, UsageError

both = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@both
@pytest.mark.parametrize(
    ("shape", "axis", "inside"),
    [
        ((4, 5), -1, (1,)),
        ((3, 4, 5), -1, (2,)),
        ((3, 4, 5), (1, 2), (1, 2)),
        ((3, 4, 5), [1], (1,)),
        ((2, 3, 4), 1, (1,)),
    ],
)
def test_layer_normalization_as_torch(as_torch, dtype, shape, axis, inside):
    import torch

    def twin(t, w):
        outside = [i for i in range(t.ndim) if i not in inside]
        moved = t.permute(*outside, *inside)
        sizes = [t.shape[i] for i in inside]
        y = torch.nn.functional.layer_norm(moved, sizes, w["gamma"], w["beta"], eps=1e-3)
        return y.permute(*np.argsort([*outside, *inside]).tolist())

    as_torch(pl.LayerNormalization(axis=axis), shape, twin, dtype)


@both
@pytest.mark.parametrize(
    ("shape", "groups", "axis"),
    [((4, 6), 2, -1), ((3, 5, 6), 3, -1), ((2, 3, 4, 6), 6, -1), ((3, 6, 4), 2, 1), ((3, 6), -1, 1)],
)
def test_group_normalization_as_torch(as_torch, dtype, shape, groups, axis):
    import torch

    def twin(t, w):
        first = t.movedim(axis, 1)
        count = first.shape[1] if groups == -1 else groups
        if first.ndim == 2 and count == first.shape[1]:  # PyTorch refuses one number a group; ours gives beta
            return (t * 0) * w["gamma"] + w["beta"]
        y = torch.nn.functional.group_norm(first, count, w["gamma"], w["beta"], eps=1e-3)
        return y.movedim(1, axis)

    as_torch(pl.GroupNormalization(groups=groups, axis=axis), shape, twin, dtype)


@both
@pytest.mark.parametrize(("shape", "axis"), [((4, 5), -1), ((3, 4, 5), -1), ((3, 4, 5), 1), ((3, 4, 5), (1, 2))])
def test_rms_normalization_as_torch(as_torch, dtype, shape, axis):
    inside = [axis % len(shape)] if isinstance(axis, int) else list(axis)

    def twin(t, w):
        y = t / (t.square().mean(dim=inside, keepdim=True) + 1e-6).sqrt()
        return y * w["scale"].reshape([n if i in inside else 1 for i, n in enumerate(shape)])

    as_torch(pl.RMSNormalization(axis=axis), shape, twin, dtype)


def test_rms_normalization_is_torchs_own(as_torch):
    import torch

    def twin(t, w):
        return torch.nn.functional.rms_norm(t, [5], w["scale"], eps=1e-6)

    as_torch(pl.RMSNormalization(), (4, 5), twin, np.float64)


def test_scale_and_center_may_be_left_out():
    for layer in (
        pl.LayerNormalization(center=False, scale=False),
        pl.GroupNormalization(2, center=False, scale=False),
    ):
        model = pl.Sequential([layer])
        y = model.predict(np.array([[1.0, 3.0, 5.0, 9.0]], "float32"))
        assert model.parameters() == {}
        assert abs(float(y.mean())) < 1e-6


NETWORKS = {
    "layer": lambda: [pl.Dense(6), pl.LayerNormalization()],
    "group": lambda: [pl.Dense(6), pl.GroupNormalization(groups=3)],
    "rms": lambda: [pl.Dense(6), pl.RMSNormalization()],
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_steps_are_replayed_exactly_and_gradients_hold(rows, name, engine):
    model = pl.Sequential([*NETWORKS[name](), pl.Activation("tanh"), pl.Dense(3)])
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True))
    run = model.fit(rows.x, rows.y, batch_size=16, epochs=2, engine=engine, record=False, verbose=0)
    for n in (0, 5, 9):
        assert run.at(n).exact
    report = pl.check_gradients(model, rows.x[:8], rows.y[:8])
    assert report.ok, str(report)


@pytest.mark.parametrize("kind", [pl.LayerNormalization, pl.RMSNormalization, pl.GroupNormalization])
@pytest.mark.parametrize("axis", [0, 2, -2])
def test_an_axis_that_is_not_there(kind, axis):
    with pytest.raises(ShapeError, match=rf"{kind.__name__}\(axis={axis}\): x has shape \(1, 4\).*one of 1$"):
        pl.Sequential([kind(axis=axis)]).predict(np.ones((2, 4), "float32"))


def test_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"GroupNormalization\(groups=32\): .* 6 channels along axis 1"):
        pl.Sequential([pl.GroupNormalization()]).predict(np.ones((2, 6), "float32"))
    with pytest.raises(UsageError, match=r"GroupNormalization\(groups=0\)"):
        pl.GroupNormalization(groups=0)
    for kind in (pl.LayerNormalization, pl.RMSNormalization, pl.GroupNormalization):
        with pytest.raises(UsageError, match=rf"{kind.__name__}\(epsilon=-1.0\)"):
            kind(epsilon=-1.0)
