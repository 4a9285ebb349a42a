"""CTC against every path written out, and against PyTorch's; in training, in both engines; labels that do not fit."""

from itertools import groupby, product

import numpy as np
import pytest

import pellucid as pl
from pellucid.autodiff import Tape, ctc, gradients, ops
from pellucid.errors import ShapeError, UsageError

torch = pytest.importorskip("torch")

draw = np.random.default_rng(6)


def ours(x, y):
    """Each row's loss, and the gradient of their sum, weighed 1, 2, …"""
    tape = Tape({})
    value = tape.given("x", x)
    each = ctc(value, tape.given("y", np.asarray(y, np.int32)))
    counts = np.arange(1, len(x) + 1).astype(x.dtype)
    return each.array, gradients(ops.sum(each * counts), [value])[0].array


def spelled(path):
    return [k for k, _ in groupby(path) if k]


@pytest.mark.parametrize("label", [[], [1], [2, 1], [1, 1], [1, 2, 1]])
def test_it_is_the_sum_over_all_paths(label):
    x = draw.normal(size=(1, 5, 3))
    p = np.exp(x[0]) / np.exp(x[0]).sum(axis=-1, keepdims=True)
    paths = [path for path in product(range(3), repeat=5) if spelled(path) == label]
    chances = np.array([np.prod([p[t, k] for t, k in enumerate(path)]) for path in paths])
    each, g = ours(x, [label + [0] * (3 - len(label))])
    assert each[0] == pytest.approx(-np.log(chances.sum()), rel=1e-13)
    at = np.zeros((5, 3))
    for path, chance in zip(paths, chances, strict=True):
        at[range(5), path] += chance / chances.sum()
    np.testing.assert_allclose(g[0], p - at, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_as_torch(dtype):
    n, t, c, length = 6, 40, 9, 12
    x = (draw.normal(size=(n, t, c)) * 3).astype(dtype)
    y = draw.integers(1, c, (n, length))
    y[0, 3:], y[1, :6], y[2, 1:], y[3] = 0, 4, 0, 0
    each, g = ours(x, y)
    tensor = torch.tensor(x, requires_grad=True)
    lengths = torch.tensor((y != 0).sum(axis=1))
    scores = tensor.log_softmax(-1).transpose(0, 1)
    theirs = torch.nn.functional.ctc_loss(scores, torch.tensor(y), torch.full((n,), t), lengths, reduction="none")
    (theirs * torch.arange(1, n + 1)).sum().backward()
    assert (each.dtype, g.dtype) == (dtype, dtype)
    # In float32 a sum of t logarithms near 100 is rounded t times.
    value, slope = (1e-5, 1e-4) if dtype == np.float32 else (1e-12, 1e-9)
    np.testing.assert_allclose(each, theirs.detach().numpy(), rtol=value)
    np.testing.assert_allclose(g, tensor.grad.numpy(), atol=slope * n)


def test_extreme_scores_stay_finite():
    x = np.zeros((2, 4, 3), np.float32)
    x[:, :, 0], x[:, :, 1] = 1e4, -1e4
    each, g = ours(x, [[1, 1], [2, 0]])
    assert np.isfinite(each).all() and np.isfinite(g).all()
    # Two steps at class 1, each 2e4 below the best, or one at class 2, 1e4 below it; less the log of how many ways.
    np.testing.assert_allclose(each, [4e4 - np.log(3), 1e4 - np.log(4)], rtol=1e-6)


def test_a_label_that_needs_more_steps_is_infinitely_unlikely():
    for label, t, possible in (([1, 1], 2, False), ([1, 1], 3, True), ([1, 2], 2, True), ([1, 2, 2], 3, False)):
        each, _ = ours(np.zeros((1, t, 3)), [label])
        assert np.isfinite(each[0]) == possible


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_a_network_learns_to_spell(engine):
    """Eight steps, of which each shows one of three signs for a while; the signs in order are the label."""
    r = np.random.default_rng(0)
    y = np.stack([r.permutation([1, 2, 3])[:2] for _ in range(32)])
    x = np.eye(4, dtype="float32")[np.repeat(y, 4, axis=1)] + 0.05 * r.normal(size=(32, 8, 4)).astype("float32")
    model = pl.Sequential([pl.Dense(8, "tanh"), pl.Dense(4)])
    model.compile(pl.Adam(0.03), "ctc")
    run = model.fit(x, y, batch_size=8, epochs=25, engine=engine, record=False, verbose=0)
    assert run.history["loss"][-1] < 0.3 * run.history["loss"][0]
    for n in (0, 50, 99):
        assert run.at(n).exact
    best = model.predict(x).argmax(axis=-1)
    assert np.mean([spelled(path) == label for path, label in zip(best, y.tolist(), strict=True)]) > 0.9
    report = pl.check_gradients(model, x[:3], y[:3])
    assert report.ok, str(report)


def test_the_engines_agree():
    x, y = draw.normal(size=(8, 6, 4)), draw.integers(1, 4, (8, 3))
    losses = []
    for engine in ("numpy", "xla"):
        model = pl.Sequential([pl.Dense(4)])
        model.compile(pl.SGD(0.1), pl.CTC())
        run = model.fit(x, y, batch_size=4, epochs=2, engine=engine, dtype="float64", record=False, verbose=0)
        losses.append(run.step_history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-12)


@pytest.mark.parametrize(
    ("y", "shape", "error", "message"),
    [
        ([[1, 2, 1]], (1, 2, 3), ShapeError, r"\(1, 3\) and the prediction \(1, 2, 3\).* l from 1 to t"),
        ([1, 2], (2, 4, 3), ShapeError, r"expected y \(n, l\)"),
        ([[1, 2]], (1, 4), ShapeError, r"\(n, t, classes\)"),
        ([[1, 3]], (1, 4, 3), UsageError, "from 1 to 3, but the last layer has 3 units, for classes 1 to 2"),
        ([[1, 2], [0, 2]], (2, 4, 3), UsageError, "row 1 of the targets has a class behind a 0"),
    ],
)
def test_what_does_not_fit(y, shape, error, message):
    with pytest.raises(error, match=message):
        pl.CTC().measure(y, np.zeros(shape))
