"""A layer, or a network, that stands in two networks has one set of weights: trained through one, seen by the other."""

import numpy as np
import pytest

import pellucid as pl

FIT = {"epochs": 2, "batch_size": 8, "record": False, "verbose": 0}


class Twice(pl.Model):
    """One block, reached by two ways."""

    def __init__(self, block):
        super().__init__()
        self.left, self.right = pl.Sequential([block]), pl.Sequential([block, pl.Dense(2)])

    def __call__(self, x):
        return self.right(x) + self.left(x)


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)


def autoencoder():
    encoder = pl.Sequential([pl.Dense(2, "tanh")], name="encoder")
    return encoder, pl.Sequential([encoder, pl.Dense(4)])


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_the_encoder_of_an_autoencoder_predicts_with_what_was_trained(x, engine):
    encoder, whole = autoencoder()
    whole.compile(pl.Adam(0.05), "mse")
    whole.fit(x, x, engine=engine, **FIT)
    w = whole.parameters()
    expected = np.tanh(x @ w["encoder/dense/kernel"] + w["encoder/dense/bias"])
    np.testing.assert_allclose(encoder.predict(x), expected, rtol=1e-5, atol=1e-6)
    assert encoder.parameters()["dense/kernel"].tobytes() == w["encoder/dense/kernel"].tobytes()


def test_what_is_trained_on_through_the_encoder_is_seen_by_the_whole(x):
    encoder, whole = autoencoder()
    whole.compile("sgd", "mse")
    whole.fit(x, x, **FIT)
    encoder.compile(pl.SGD(0.1), "mse")
    encoder.fit(x, x[:, :2], **FIT)
    assert whole.parameters()["encoder/dense/kernel"].tobytes() == encoder.parameters()["dense/kernel"].tobytes()
    again = whole.fit(x, x, **FIT)
    assert np.isfinite(again.history["loss"]).all()


def test_a_trained_encoder_goes_into_a_new_network_as_it_is(x):
    encoder, whole = autoencoder()
    whole.compile("sgd", "mse")
    whole.fit(x, x, **FIT)
    before = encoder.parameters()["dense/kernel"].tobytes()
    head = pl.Sequential([encoder, pl.Dense(3)])
    assert head.predict(x).shape == (24, 3)
    assert head.parameters()["encoder/dense/kernel"].tobytes() == before


def test_a_block_with_two_ways_to_it_has_one_path_and_its_gradient_is_the_sum(x):
    model = Twice(pl.Dense(2, name="block"))
    model.compile("sgd", "mse")
    assert pl.check_gradients(model, x, x[:, :2]).ok
    assert sorted(model.parameters()) == ["sequential/block/bias", "sequential/block/kernel"] + [
        f"sequential_1/dense/{name}" for name in ("bias", "kernel")
    ]


def test_weights_go_by_file_to_layers_that_the_first_pass_makes(tmp_path):
    x = np.random.default_rng(0).normal(size=(6, 5, 8)).astype(np.float32)
    model = pl.Sequential([pl.TransformerEncoder(16, 2), pl.GlobalAveragePooling1D(), pl.Dense(3)])
    model.compile("adam", "mse")
    expected = model.predict(x)
    model.save(str(tmp_path / "m.pellucid"))
    again = pl.load(tmp_path / "m.pellucid")
    np.testing.assert_array_equal(again.predict(x), expected)
    again.take(again.state())
    np.testing.assert_array_equal(again.predict(x), expected)


def test_a_copy_shares_nothing(x):
    _, whole = autoencoder()
    whole.compile("sgd", "mse")
    whole.predict(x)
    other = whole.clone()
    other.compile(pl.SGD(0.5), "mse")
    before = whole.parameters()["encoder/dense/kernel"].copy()
    other.fit(x, x, **FIT)
    np.testing.assert_array_equal(whole.parameters()["encoder/dense/kernel"], before)
    assert other.last_run is not None and whole.last_run is None


def test_what_a_person_calls_an_attribute_is_not_taken(x):
    """A network of one's own may have a `run`, a `kept`, a `store`."""

    class Own(pl.Model):
        def __init__(self):
            self.kept, self.store, self.dense = [1], {"a": 2}, pl.Dense(2)

        def run(self):
            return "mine"

        def __call__(self, x):
            return self.dense(x)

    model = Own()
    model.compile("sgd", "mse")
    model.fit(x, x[:, :2], **FIT)
    assert (model.run(), model.kept, model.store) == ("mine", [1], {"a": 2})
    assert model.last_run.epochs == 2
