"""Every loss against PyTorch and Keras' formula written out; extreme logits; shapes that do not fit."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import pellucid as pl
from pellucid.autodiff import Tape, gradients
from pellucid.errors import ShapeError, UsageError
from pellucid.nn import losses
from pellucid.registry import from_config, to_config

torch = pytest.importorskip("torch")

F = torch.nn.functional
draw = np.random.default_rng(5)
N, K = 6, 4
REAL, GUESS = draw.normal(size=(N, K)), draw.normal(size=(N, K)) * 2
SOFT = draw.dirichlet(np.ones(K), N)
ONE_HOT = np.eye(K)[draw.integers(0, K, N)]
LABEL = ONE_HOT.argmax(axis=1)
BIT = (draw.random((N, K)) < 0.5) * 1.0
PROBABILITY = 1 / (1 + np.exp(-GUESS))
SUM_1 = np.exp(GUESS) / np.exp(GUESS).sum(axis=1, keepdims=True)
COUNT, RATES = draw.integers(0, 5, (N, K)) * 1.0, draw.uniform(0.2, 4, (N, K))
FLOOR = 1e-7


def keras_binary(y, p):
    p = np.clip(p, FLOOR, 1 - FLOOR)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(axis=-1)


def keras_categorical(y, p):
    p = np.clip(p / p.sum(axis=-1, keepdims=True), FLOOR, 1 - FLOOR)
    return -(y * np.log(p)).sum(axis=-1)


def keras_focal(y, p, alpha=0.25, gamma=2.0, balanced=False):
    p = np.clip(p, FLOOR, 1 - FLOOR)
    truth = y * p + (1 - y) * (1 - p)
    weight = y * alpha + (1 - y) * (1 - alpha) if balanced else 1
    return (weight * (1 - truth) ** gamma * -(y * np.log(p) + (1 - y) * np.log(1 - p))).mean(axis=-1)


def keras_categorical_focal(y, p, alpha=0.25, gamma=2.0):
    p = np.clip(p / p.sum(axis=-1, keepdims=True), FLOOR, 1 - FLOOR)
    return (alpha * (1 - p) ** gamma * -y * np.log(p)).sum(axis=-1)


def torch_focal(y, x, alpha=-1.0, gamma=2.0):
    """As torchvision's sigmoid_focal_loss has it."""
    p, entropy = x.sigmoid(), F.binary_cross_entropy_with_logits(x, y, reduction="none")
    each = entropy * (1 - (p * y + (1 - p) * (1 - y))) ** gamma
    return ((alpha * y + (1 - alpha) * (1 - y)) * each if alpha >= 0 else each).mean(dim=-1)


def keras_cosine(y, p):
    both = (v / np.sqrt(np.maximum((v**2).sum(-1, keepdims=True), 1e-12)) for v in (y, p))
    return -np.prod(list(both), axis=0).sum(-1)


def torch_categorical_focal(y, p):
    return -(0.25 * (1 - p) ** 2 * y * p.log()).sum(-1)


def torch_categorical_hinge(y, p):
    return F.relu(((1 - y) * p).max(dim=-1).values - (y * p).sum(dim=-1) + 1)


def per_row(f, **options):
    return lambda y, p: f(p, y, reduction="none", **options).mean(dim=-1)


# loss, target, prediction, each row's loss by torch, and by Keras' formula (None: it has no other).
TABLE = {
    "mse": (pl.MeanSquaredError(), REAL, GUESS, per_row(F.mse_loss), lambda y, p: ((p - y) ** 2).mean(-1)),
    "mae": (pl.MeanAbsoluteError(), REAL, GUESS, per_row(F.l1_loss), lambda y, p: abs(p - y).mean(-1)),
    "huber": (pl.Huber(), REAL, GUESS, per_row(F.huber_loss), None),
    "huber 0.3": (pl.Huber(0.3), REAL, GUESS, per_row(F.huber_loss, delta=0.3), None),
    "binary": (pl.BinaryCrossentropy(), BIT, PROBABILITY, per_row(F.binary_cross_entropy), keras_binary),
    "binary, soft": (
        pl.BinaryCrossentropy(), SOFT, PROBABILITY, per_row(F.binary_cross_entropy), keras_binary
    ),
    "binary from logits": (
        pl.BinaryCrossentropy(from_logits=True), BIT, GUESS, per_row(F.binary_cross_entropy_with_logits), None
    ),
    "categorical": (
        pl.CategoricalCrossentropy(), ONE_HOT, SUM_1, lambda y, p: -(y * p.log()).sum(-1), keras_categorical
    ),
    "categorical, unscaled": (
        pl.CategoricalCrossentropy(), SOFT, PROBABILITY,
        lambda y, p: -(y * (p / p.sum(-1, keepdim=True)).log()).sum(-1), keras_categorical,
    ),
    "categorical from logits": (
        pl.CategoricalCrossentropy(from_logits=True), ONE_HOT, GUESS,
        lambda y, p: F.cross_entropy(p, y, reduction="none"), None,
    ),
    "categorical from logits, soft": (
        pl.CategoricalCrossentropy(from_logits=True), SOFT, GUESS,
        lambda y, p: F.cross_entropy(p, y, reduction="none"), None,
    ),
    "sparse": (
        pl.SparseCategoricalCrossentropy(), LABEL, SUM_1,
        lambda y, p: F.nll_loss(p.log(), y, reduction="none"),
        lambda y, p: keras_categorical(np.eye(K)[y], p),
    ),
    "sparse from logits": (
        pl.SparseCategoricalCrossentropy(from_logits=True), LABEL, GUESS,
        lambda y, p: F.cross_entropy(p, y, reduction="none"), None,
    ),
    "log-cosh": (
        pl.LogCosh(), REAL, GUESS, lambda y, p: (p - y).cosh().log().mean(-1),
        lambda y, p: np.log(np.cosh(p - y)).mean(-1),
    ),
    "poisson": (
        pl.Poisson(), COUNT, RATES, per_row(F.poisson_nll_loss, log_input=False, eps=FLOOR),
        lambda y, p: (p - y * np.log(p + FLOOR)).mean(-1),
    ),
    "cosine": (pl.CosineSimilarity(), REAL, GUESS, lambda y, p: -F.cosine_similarity(p, y, dim=-1), keras_cosine),
    "kl": (
        pl.KLDivergence(), SOFT, SUM_1, lambda y, p: F.kl_div(p.log(), y, reduction="none").sum(-1),
        lambda y, p: (y * np.log(y / p)).sum(-1),
    ),
    "binary focal": (
        pl.BinaryFocalCrossentropy(), BIT, PROBABILITY, lambda y, p: torch_focal(y, p.logit()), keras_focal
    ),
    "binary focal, balanced": (
        pl.BinaryFocalCrossentropy(0.3, 1.5, apply_class_balancing=True), SOFT, PROBABILITY,
        lambda y, p: torch_focal(y, p.logit(), 0.3, 1.5),
        lambda y, p: keras_focal(y, p, 0.3, 1.5, balanced=True),
    ),
    "binary focal from logits": (
        pl.BinaryFocalCrossentropy(from_logits=True), BIT, GUESS, torch_focal,
        lambda y, x: keras_focal(y, 1 / (1 + np.exp(-x))),
    ),
    "binary focal, gamma 0": (
        pl.BinaryFocalCrossentropy(gamma=0.0), BIT, PROBABILITY, per_row(F.binary_cross_entropy), keras_binary
    ),
    "categorical focal": (
        pl.CategoricalFocalCrossentropy(), ONE_HOT, SUM_1,
        lambda y, p: torch_categorical_focal(y, p / p.sum(-1, keepdim=True)), keras_categorical_focal,
    ),
    "categorical focal from logits": (
        pl.CategoricalFocalCrossentropy(from_logits=True), SOFT, GUESS,
        lambda y, x: torch_categorical_focal(y, x.softmax(-1)), None,
    ),
    "hinge": (
        pl.Hinge(), BIT, GUESS, lambda y, p: F.relu(1 - (2 * y - 1) * p).mean(-1),
        lambda y, p: np.maximum(1 - (2 * y - 1) * p, 0).mean(-1),
    ),
    "squared hinge": (
        pl.SquaredHinge(), 2 * BIT - 1, GUESS, lambda y, p: F.relu(1 - y * p).square().mean(-1),
        lambda y, p: (np.maximum(1 - y * p, 0) ** 2).mean(-1),
    ),
    "categorical hinge": (
        pl.CategoricalHinge(), ONE_HOT, GUESS, torch_categorical_hinge,
        lambda y, p: np.maximum(((1 - y) * p).max(-1) - (y * p).sum(-1) + 1, 0),
    ),
}  # fmt: skip
by_loss = pytest.mark.parametrize("name", TABLE)


def ours(loss, y, y_pred, weight=None):
    """The loss, and its gradient with respect to the prediction."""
    tape = Tape({})
    value = tape.given("y_pred", np.asarray(y_pred))
    found = loss(tape.given("y", np.asarray(y)), value, weight)
    return float(found.array), gradients(found, [value])[0].array


def each_row(loss, y, y_pred):
    tape = Tape({})
    return loss.rows(tape.given("y", y), tape.given("y_pred", y_pred)).array


def test_every_loss_is_compared():
    elsewhere = {pl.CTC}  # test_ctc.py
    assert {type(loss) for loss, *_ in TABLE.values()} | elsewhere == set(losses.LOSSES.values())


@by_loss
def test_as_torch(name):
    loss, y, y_pred, f, _ = TABLE[name]
    p = torch.tensor(y_pred, requires_grad=True)
    rows = f(torch.tensor(y), p)
    rows.mean().backward()
    np.testing.assert_allclose(each_row(loss, y, y_pred), rows.detach().numpy(), rtol=1e-12)
    value, g = ours(loss, y, y_pred)
    assert value == pytest.approx(rows.mean().item(), rel=1e-12)
    g_torch = p.grad.numpy()
    if name in ("categorical", "sparse"):
        # Keras divides by the sum, here 1, as part of the loss: the gradient loses what lies along p.
        g_torch = g_torch - (g_torch * y_pred).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(g, g_torch, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", [name for name, case in TABLE.items() if case[4]])
def test_as_keras_writes_it(name):
    loss, y, y_pred, _, f = TABLE[name]
    np.testing.assert_allclose(each_row(loss, y, y_pred), f(y, y_pred), rtol=1e-13)


@by_loss
def test_sample_weights_count_in_a_mean_over_the_rows(name):
    loss, y, y_pred, *_ = TABLE[name]
    weight = np.array([0.0, 1.0, 2.0, 0.5, 3.0, 1.0])
    value, g = ours(loss, y, y_pred, weight)
    assert value == pytest.approx((weight * each_row(loss, y, y_pred)).sum() / N, rel=1e-13)
    assert not g[0].any()


@by_loss
def test_float32_stays_float32(name):
    loss, y, y_pred, *_ = TABLE[name]
    y = y.astype(np.float32 if y.dtype == np.float64 else np.int32)
    assert each_row(loss, y, y_pred.astype(np.float32)).dtype == np.float32
    assert ours(loss, y, y_pred.astype(np.float32))[1].dtype == np.float32


def test_certain_probabilities_are_kept_off_0_and_1():
    certain = np.array([[0.0, 1.0]])
    for y, expected in ((certain, -np.log(1 - FLOOR)), (1 - certain, -np.log(FLOOR))):
        value, g = ours(pl.BinaryCrossentropy(), y, certain)
        assert value == pytest.approx(expected, rel=1e-8)
        assert np.isfinite(g).all()
        value, g = ours(pl.CategoricalCrossentropy(), y, certain)
        assert value == pytest.approx(expected, rel=1e-8)
        assert np.isfinite(g).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_are_finite_and_exact(dtype):
    x = np.array([[-1e4, 1e4], [1e4, -1e4]], dtype)
    right, wrong = np.array([[0.0, 1.0], [1.0, 0.0]], dtype), np.array([[1.0, 0.0], [0.0, 1.0]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for y, binary, categorical, sign in ((right, 0.0, 0.0, 0.0), (wrong, 1e4, 2e4, 1.0)):
            value, g = ours(pl.BinaryCrossentropy(from_logits=True), y, x)
            assert value == binary
            np.testing.assert_array_equal(g, sign * (1 - 2 * y) / 4)
            value, g = ours(pl.CategoricalCrossentropy(from_logits=True), y, x)
            assert value == categorical
            np.testing.assert_array_equal(g, sign * (1 - 2 * y) / 2)
            labels = y.argmax(axis=1).astype(np.int32)
            value, g = ours(pl.SparseCategoricalCrossentropy(from_logits=True), labels, x)
            assert value == categorical
            np.testing.assert_array_equal(g, sign * (1 - 2 * y) / 2)


def test_logits_and_probabilities_agree_where_both_are_exact():
    for plain, y in ((pl.CategoricalCrossentropy, ONE_HOT), (pl.SparseCategoricalCrossentropy, LABEL)):
        a, b = each_row(plain(from_logits=True), y, GUESS), each_row(plain(), y, SUM_1)
        np.testing.assert_allclose(a, b, rtol=1e-10)


@pytest.mark.parametrize(
    ("loss", "y", "y_pred", "fix"),
    [
        (pl.MeanSquaredError(), (5,), (5, 1), "y.reshape(-1, 1)"),
        (pl.BinaryCrossentropy(), (5,), (5, 1), "y.reshape(-1, 1)"),
        (pl.MeanAbsoluteError(), (5, 1), (5,), "y.reshape(-1)"),
        (pl.MeanSquaredError(), (5, 3), (5, 1), "the last layer needs 3 units"),
        (pl.MeanSquaredError(), (5, 1), (5, 3), "the last layer needs 1 unit"),
        (pl.MeanSquaredError(), (5,), (5, 3), "as many units as the target has numbers a row, 1"),
        (pl.Huber(), (5, 2), (4, 2), "they have to be the same"),
        (pl.CategoricalCrossentropy(), (5,), (5, 3), "sparse_categorical_crossentropy"),
        (pl.CategoricalCrossentropy(), (5, 1), (5, 3), "sparse_categorical_crossentropy"),
        (
            pl.SparseCategoricalCrossentropy(),
            (5, 3),
            (5, 3),
            "for one-hot targets use categorical_crossentropy",
        ),
        (pl.SparseCategoricalCrossentropy(), (4,), (5, 3), "one class number a row, (5,)"),
        (pl.SparseCategoricalCrossentropy(), (5,), (5, 1), "use binary_crossentropy"),
    ],
)
def test_shapes_that_do_not_fit_are_named_with_the_fix(loss, y, y_pred, fix):
    with pytest.raises(ShapeError, match=re.escape(fix)) as error:
        ours(loss, np.zeros(y), np.zeros(y_pred))
    if "binary" not in fix:
        assert str(y) in str(error.value)
        assert str(y_pred) in str(error.value)


@settings(max_examples=60, deadline=None)
@given(hnp.array_shapes(min_dims=1, max_dims=3, max_side=3), hnp.array_shapes(min_dims=1, max_dims=3, max_side=3))
def test_no_two_shapes_are_ever_broadcast(y, y_pred):
    for loss in (pl.MeanSquaredError(), pl.BinaryCrossentropy(from_logits=True), pl.Huber()):
        if y == y_pred:
            assert each_row(loss, np.zeros(y), np.zeros(y_pred)).shape == y[:1]
        else:
            with pytest.raises(ShapeError):
                ours(loss, np.zeros(y), np.zeros(y_pred))


@settings(max_examples=30, deadline=None)
@given(hnp.array_shapes(min_dims=1, max_dims=3, max_side=3), st.integers(2, 4), st.booleans())
def test_sparse_targets_of_any_shape_equal_their_one_hot_form(shape, classes, column):
    r = np.random.default_rng(0)
    label, x = r.integers(0, classes, shape), r.normal(size=(*shape, classes))
    sparse = pl.SparseCategoricalCrossentropy(from_logits=True)
    a = ours(sparse, label[..., None] if column else label, x)
    b = ours(pl.CategoricalCrossentropy(from_logits=True), np.eye(classes)[label], x)
    assert a[0] == pytest.approx(b[0], rel=1e-12)
    np.testing.assert_allclose(a[1], b[1], rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pl.Poisson().measure([[-1.0]], [[1.0]]), "poisson: the targets go down to -1"),
        (lambda: pl.Hinge().measure([[2.0]], [[1.0]]), "hinge: the targets are 2; each has to be -1 or 1"),
        (lambda: pl.SquaredHinge().measure([[-1.0, 0.0]], [[1.0, 1.0]]), "the targets are -1, 0; each has to be"),
        (lambda: pl.KLDivergence().measure([[1.5]], [[1.0]]), "kl_divergence: the targets go from 1.5 to 1.5"),
        (lambda: pl.CategoricalHinge().measure([[-1.0, 1.0]], [[1.0, 1.0]]), "the targets go from -1 to 1"),
        (lambda: pl.BinaryFocalCrossentropy().measure([[3.0]], [[0.5]]), "the targets go from 3 to 3"),
        (lambda: pl.BinaryFocalCrossentropy(gamma=-1.0), r"BinaryFocalCrossentropy\(gamma=-1.0\)"),
        (lambda: pl.CategoricalFocalCrossentropy(alpha=2.0), r"CategoricalFocalCrossentropy\(alpha=2.0\)"),
    ],
)
def test_targets_and_settings_out_of_range(make, message):
    with pytest.raises(UsageError, match=message):
        make()


@pytest.mark.parametrize("loss", [pl.CategoricalFocalCrossentropy(), pl.CategoricalHinge()])
def test_class_numbers_for_one_hot_are_named(loss):
    with pytest.raises(ShapeError, match="sparse_categorical_crossentropy"):
        loss.measure([1, 2], np.full((2, 3), 0.3))


def test_far_and_certain_predictions_stay_finite():
    far = np.array([[-1e4, 1e4]])
    for loss in (pl.LogCosh(), pl.BinaryFocalCrossentropy(from_logits=True), pl.BinaryFocalCrossentropy(gamma=0.5)):
        for y in ([[0.0, 1.0]], [[1.0, 0.0]]):
            x = far if getattr(loss, "from_logits", True) else far * 0 + [[0.0, 1.0]]
            value, g = ours(loss, y, x)
            assert np.isfinite(value) and np.isfinite(g).all()
    value, g = ours(pl.CosineSimilarity(), np.ones((1, 2)), np.zeros((1, 2)))
    assert value == 0 and np.isfinite(g).all()
    for gamma in (0.0, 0.5, 2.0):
        value, g = ours(pl.CategoricalFocalCrossentropy(gamma=gamma), [[0.0, 1.0]], [[0.0, 1.0]])
        assert np.isfinite(value) and np.isfinite(g).all()


def test_a_loss_by_its_keras_name():
    assert losses.get("kld") == losses.get("kl_divergence") == pl.KLDivergence()
    assert losses.get("categorical_focal_crossentropy") == pl.CategoricalFocalCrossentropy()
    assert losses.get("mse") == pl.MeanSquaredError()
    assert losses.get("sparse_categorical_crossentropy") == pl.SparseCategoricalCrossentropy()
    assert losses.get(pl.Huber(2.0)).delta == 2.0
    with pytest.raises(UsageError, match="did you mean 'mean_squared_error'"):
        losses.get("mean_square_error")
    with pytest.raises(UsageError, match="delta is a positive number"):
        pl.Huber(0.0)


@by_loss
def test_a_loss_comes_back_from_its_json(name):
    loss = TABLE[name][0]
    assert from_config(to_config(loss)) == loss


def test_an_unknown_loss_in_a_file_is_named():
    with pytest.raises(UsageError, match="'Nonsense' is not known"):
        from_config({"loss": "Nonsense"} | {"class": "Nonsense"})


def test_a_prediction_is_read_as_probabilities():
    x = np.array([[0.0, 0.0]])
    assert pl.BinaryCrossentropy(from_logits=True).prediction(x).tolist() == [[0.5, 0.5]]
    assert pl.CategoricalCrossentropy(from_logits=True).prediction(x).tolist() == [[0.5, 0.5]]
    assert pl.CategoricalCrossentropy().prediction(x) is x
    assert pl.MeanSquaredError().prediction(x) is x


def test_padding_does_not_count():
    draw = np.random.default_rng(0)
    logits, y = draw.normal(size=(4, 6, 5)), draw.integers(1, 5, (4, 6))
    y[0, 3:] = y[1, 5:] = 0
    y[3] = 0  # nothing but padding
    each = torch.nn.functional.cross_entropy(
        torch.tensor(logits).transpose(1, 2), torch.tensor(y), ignore_index=0, reduction="none"
    ).numpy()
    expected = (each.sum(axis=1) / np.maximum((y != 0).sum(axis=1), 1)).mean()
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    assert loss.measure(y, logits) == pytest.approx(expected, rel=1e-12)
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    assert losses.SparseCategoricalCrossentropy(ignore_class=0).measure(y, p) == pytest.approx(expected, rel=1e-6)
    away = np.where(y == 0, -1, y)  # no class at all
    assert dataclasses.replace(loss, ignore_class=-1).measure(away, logits) == pytest.approx(expected, rel=1e-12)
    flat = dataclasses.replace(loss, ignore_class=-1).measure(away[:, 0], logits[:, 0])
    assert flat == pytest.approx(each[:, 0].sum() / 4, rel=1e-12)
