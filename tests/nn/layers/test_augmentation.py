"""Pictures turned over, moved and cut: by NumPy on the same draws, alike in both engines, and only in training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import pellucid as pl
from pellucid.autodiff import Tape, gradients, ops
from pellucid.autodiff.random import whole_numbers
from pellucid.errors import ShapeError, UsageError

RNG = np.random.default_rng(0)
LAYERS = [
    pl.RandomFlip(),
    pl.RandomFlip("horizontal"),
    pl.RandomTranslation(0.4, 0.3),
    pl.RandomTranslation(0.4, (0.2, 0.5), "constant", 0.75),
    pl.RandomTranslation(1.0, 1.0, "wrap"),
    pl.RandomTranslation((-0.6, 0.0), 0.5, "nearest"),
    pl.RandomCrop(3, 4),
]
PICTURES = RNG.normal(size=(60, 5, 6, 2)).astype(np.float32)


def named(layer):
    return repr(layer).replace("name=None", "").replace(" ", "")


every = pytest.mark.parametrize("layer", LAYERS, ids=named)


def augmented(layer, x, seed=0, step=0, training=True):
    return layer(Tape({}, seed, step, training).given("x", x)).array


def draws(layer, counts):
    """What the layer draws for each row, for height and width."""
    return whole_numbers(np, 0, 0, layer, (60, 2), counts).T


def test_flips_by_hand():
    down, across = draws("random_flip", 2)
    found = augmented(pl.RandomFlip(), PICTURES)
    for row, x in enumerate(PICTURES):
        x = x[::-1] if down[row] else x
        np.testing.assert_array_equal(found[row], x[:, ::-1] if across[row] else x)
    assert 0 < down.sum() < 60 and 0 < (down != across).sum() < 60
    for mode, axis, turned in (("vertical", 0, down), ("horizontal", 1, across)):
        found = augmented(pl.RandomFlip(mode), PICTURES)
        expected = [np.flip(x, axis) if over else x for x, over in zip(PICTURES, turned, strict=True)]
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("fill_mode", "padded"),
    [("constant", "constant"), ("nearest", "edge"), ("reflect", "symmetric"), ("wrap", "wrap")],
)
def test_translations_by_hand(fill_mode, padded):
    """A picture with a margin as numpy.pad fills it, cut at the place that was drawn."""
    layer = pl.RandomTranslation(0.4, (-0.5, 0.2), fill_mode, 0.25)
    down, right = draws("random_translation", (5, 5))
    down, right = down - 2, right - 3  # 0.4 · 5 rows = 2; -0.5 · 6 columns = -3, 0.2 · 6 is about 1
    value = {"constant_values": 0.25} if padded == "constant" else {}
    whole = np.pad(PICTURES, ((0, 0), (5, 5), (6, 6), (0, 0)), padded, **value)
    found = augmented(layer, PICTURES)
    for row in range(60):
        top, left = 5 - down[row], 6 - right[row]
        np.testing.assert_array_equal(found[row], whole[row, top : top + 5, left : left + 6])
    assert set(down) == set(range(-2, 3)) and set(right) == set(range(-3, 2))


def test_crops_by_hand():
    top, left = draws("random_crop", 3)
    found = augmented(pl.RandomCrop(3, 4), PICTURES)
    for row in range(60):
        part = PICTURES[row, top[row] : top[row] + 3, left[row] : left[row] + 4]
        np.testing.assert_array_equal(found[row], part)
    assert set(top) == set(left) == {0, 1, 2}


def test_the_middle_outside_of_training():
    middle = augmented(pl.RandomCrop(3, 4), PICTURES, training=False)
    np.testing.assert_array_equal(middle, PICTURES[:, 1:4, 1:5])
    whole = augmented(pl.RandomCrop(5, 6), PICTURES)
    np.testing.assert_array_equal(whole, PICTURES)


@every
def test_nothing_else_happens_outside_of_training(layer):
    if not isinstance(layer, pl.RandomCrop):
        np.testing.assert_array_equal(augmented(layer, PICTURES, training=False), PICTURES)
    assert not np.array_equal(augmented(layer, PICTURES), augmented(layer, PICTURES, training=False))


@every
def test_the_engines_draw_the_same_bits(layer):
    eager = augmented(layer, PICTURES, 7, 3)
    compiled = jax.jit(lambda x, step: augmented(layer, x, 7, step))(PICTURES, jnp.int32(3))
    np.testing.assert_array_equal(eager, compiled)
    assert eager.dtype == compiled.dtype == np.float32
    for other in ({"seed": 8}, {"step": 4}):
        assert not np.array_equal(eager, augmented(layer, PICTURES, **({"seed": 7, "step": 3} | other)))


@pytest.mark.parametrize("count", [2, 7, 10])
def test_draws_are_equally_likely(count):
    drawn = whole_numbers(np, 1, 2, "layer", (20_000,), count)
    assert drawn.dtype == np.int32 and drawn.min() == 0 and drawn.max() == count - 1
    assert stats.chisquare(np.bincount(drawn)).pvalue > 0.001
    pairs = np.bincount(drawn[::2] * count + drawn[1::2], minlength=count * count)
    assert stats.chisquare(pairs).pvalue > 0.001  # neighbours know nothing of each other
    np.testing.assert_array_equal(drawn, whole_numbers(jnp, 1, 2, "layer", (20_000,), count))


@every
def test_gradients_go_back_to_where_the_numbers_stood(layer):
    """Each number of x gets what its copies count, by NumPy on a picture of its places."""
    tape = Tape({}, 0, 0, True)
    x = tape.given("x", PICTURES.astype(np.float64))
    y = layer(x)
    counts = RNG.normal(size=y.shape)
    found = gradients(ops.sum(y * counts), [x])[0].array
    places = np.arange(1, PICTURES.size + 1, dtype=np.float64).reshape(PICTURES.shape)
    seen = augmented(layer, places)
    expected = np.zeros(PICTURES.size + 1)
    filled = (seen != np.round(seen)) | (seen == 0)  # the filling of 0.75
    np.add.at(expected, np.where(filled, 0, seen).astype(int), counts)
    np.testing.assert_allclose(found.reshape(-1), expected[1:], rtol=1e-12, atol=1e-12)


def network():
    return pl.Sequential(
        [
            pl.Conv2D(2, 3, padding="same", activation="tanh"),
            pl.RandomFlip("horizontal"),
            pl.RandomTranslation(0.4, 0.3, "constant"),
            pl.RandomCrop(4, 4),
            pl.Flatten(),
            pl.Dense(3),
        ]
    )


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_steps_are_replayed_and_their_gradients_agree(engine):
    """The layers behind weights, so that gradients flow through them."""
    model = network()
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True))
    y = np.arange(60) % 3
    run = model.fit(PICTURES, y, batch_size=16, epochs=2, engine=engine, record=False, verbose=0)
    assert run.at(0).exact
    step = run.at(7)
    assert step.exact
    assert step.check(rows=6).ok
    x, y = PICTURES[:4].astype(np.float64), y[:4]
    assert pl.check_gradients(model, x, y).ok


def test_a_moved_number_opens_to_the_pixel_it_was():
    model = pl.Sequential([pl.RandomTranslation(0.4, 0.3, "constant", 0.5), pl.Flatten(), pl.Dense(1)])
    model.compile("sgd", "mean_squared_error")
    pixels = RNG.integers(0, 256, (8, 5, 6, 1)).astype(np.uint8)
    run = model.fit(pixels, np.zeros((8, 1)), batch_size=8, engine="numpy", record=False, verbose=0)
    step = run.at(0)
    moved = step.values["random_translation"]
    row, r, c, _ = np.argwhere(moved != 0.5)[-1].tolist()
    text = step.at("random_translation", (row, r, c, 0)).to_text()
    assert f"{moved[row, r, c, 0]:g}" in text and "x[" in text
    row, r, c, _ = np.argwhere(moved == 0.5)[0].tolist()
    assert "0.5" in step.at("random_translation", (row, r, c, 0)).to_text()


def test_saved_and_loaded(tmp_path):
    model = pl.Sequential([*LAYERS[:6], pl.RandomCrop(3, 4), pl.Flatten(), pl.Dense(2)])
    before = model.predict(PICTURES)
    model.save(tmp_path / "model.pellucid")
    np.testing.assert_array_equal(pl.load(tmp_path / "model.pellucid").predict(PICTURES), before)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: pl.RandomFlip("both"), r"RandomFlip\(mode='both'\): it is 'horizontal' or"),
        (lambda: pl.RandomTranslation(1.5, 0), r"height_factor=1\.5.*from 0 to 1"),
        (lambda: pl.RandomTranslation(0, (0.2, 0.1)), "width_factor=.*the lowest first"),
        (lambda: pl.RandomTranslation(0, 0, "mirror"), "fill_mode='mirror'"),
        (lambda: pl.RandomTranslation(0, 0, fill_value=None), "fill_value=None"),
        (lambda: pl.RandomCrop(0, 2), r"RandomCrop\(height=0\)"),
    ],
)
def test_settings_out_of_range(make, words):
    with pytest.raises(UsageError, match=words):
        make()


def test_inputs_that_do_not_fit():
    for layer in (pl.RandomFlip(), pl.RandomTranslation(0.1, 0.1), pl.RandomCrop(2, 2)):
        with pytest.raises(ShapeError, match=r"takes \(rows, height, width, channels\).*x\[\.\.\., None\]"):
            augmented(layer, PICTURES[..., 0])
    with pytest.raises(ShapeError, match=r"a part of 6×2 does not fit into x of 5×6"):
        augmented(pl.RandomCrop(6, 2), PICTURES)
