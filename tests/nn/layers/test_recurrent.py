"""Recurrent layers against torch's holding the same weights, with masks, states and both directions."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.engine.engines import XlaEngine

torch = pytest.importorskip("torch")

BOTH = ("numpy", "xla")
UNITS, FEATURES = 6, 4
random = np.random.default_rng(3)


def built(*layers, x, loss="mse"):
    model = pl.Sequential(list(layers))
    model.compile(loss=loss)
    model._set_dtype("float64")
    model.build(np.asarray(x, float))
    # Biases start at 0, where a mistake in them would not show.
    model.load_parameters({p: random.normal(size=w.shape) * 0.5 for p, w in model.parameters().items()})
    return model


def turned(gates):
    """A GRU's gates z, r, g as torch has them: r, z, n."""
    z, r, g = np.split(np.asarray(gates), 3, axis=-1)
    return np.concatenate([r, z, g], axis=-1)


def into(module, weights, turn=np.asarray, suffix="l0"):
    kernel, recurrent, bias = (turn(weights[n]) for n in ("kernel", "recurrent_kernel", "bias"))
    both = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    values = {"weight_ih": kernel.T, "weight_hh": recurrent.T, "bias_ih": both[0], "bias_hh": both[1]}
    with torch.no_grad():
        for name, value in values.items():
            getattr(module, f"{name}_{suffix}").copy_(torch.tensor(value))


def gradients_of(module, turn=np.asarray, bias_twice=False, suffix="l0"):
    got = {n: getattr(module, f"{n}_{suffix}").grad.numpy() for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    bias = np.stack([got["bias_ih"], got["bias_hh"]]) if bias_twice else got["bias_ih"]
    return {"kernel": turn(got["weight_ih"].T), "recurrent_kernel": turn(got["weight_hh"].T), "bias": turn(bias)}


KINDS = {
    "rnn": (pl.SimpleRNN, {}, torch.nn.RNN, {}, np.asarray, False),
    "rnn relu": (pl.SimpleRNN, {"activation": "relu"}, torch.nn.RNN, {"nonlinearity": "relu"}, np.asarray, False),
    "lstm": (pl.LSTM, {}, torch.nn.LSTM, {}, np.asarray, False),
    "gru": (pl.GRU, {}, torch.nn.GRU, {}, turned, True),
}


def own(parameters, path):
    return {p.removeprefix(path + "/"): w for p, w in parameters.items() if p.startswith(path)}


@pytest.mark.parametrize("engine", BOTH)
@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (2, 9)], ids=str)
@pytest.mark.parametrize("sequences", [True, False], ids=["all steps", "last step"])
@pytest.mark.parametrize("kind", KINDS)
def test_output_and_gradients_are_torchs(kind, sequences, shape, engine):
    ours, options, theirs, their_options, turn, twice = KINDS[kind]
    x = random.normal(size=(*shape, FEATURES))
    model = built(ours(UNITS, return_sequences=sequences, **options), pl.Flatten(), x=x)
    name = next(iter(model.children()))
    module = theirs(FEATURES, UNITS, batch_first=True, **their_options).double()
    into(module, own(model.parameters(), name), turn)
    output = module(torch.tensor(x))[0]
    output = output if sequences else output[:, -1]
    y = random.normal(size=output.reshape(shape[0], -1).shape)
    loss = torch.nn.functional.mse_loss(output.reshape(shape[0], -1), torch.tensor(y))
    loss.backward()
    found, gradient = pl.gradients(model, x, y, engine=engine)
    assert found == pytest.approx(loss.item(), rel=1e-12)
    expected = gradients_of(module, turn, twice)
    for part, g in own(gradient, name).items():
        np.testing.assert_allclose(g, expected[part], rtol=1e-9, atol=1e-12, err_msg=part)


@pytest.mark.parametrize("engine", BOTH)
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_masked_steps_are_passed_over(kind, engine):
    """The last states are torch's of packed sequences of unequal length."""
    ours, _, theirs, _, turn, twice = KINDS[kind]
    words = np.array([[3, 1, 2, 0, 0], [4, 4, 1, 2, 3], [2, 0, 0, 0, 0]])
    model = built(pl.Embedding(5, FEATURES, mask_zero=True), ours(UNITS), x=words)
    parameters = model.parameters()
    module = theirs(FEATURES, UNITS, batch_first=True).double()
    name = list(model.children())[1]
    into(module, own(parameters, name), turn)
    table = torch.tensor(parameters["embedding/embeddings"])
    lengths = torch.tensor((words > 0).sum(1))
    packed = torch.nn.utils.rnn.pack_padded_sequence(table[torch.tensor(words)], lengths, True, False)
    ends = module(packed)[1]
    end = (ends[0] if isinstance(ends, tuple) else ends)[0]
    y = random.normal(size=(3, UNITS))
    loss = torch.nn.functional.mse_loss(end, torch.tensor(y))
    loss.backward()
    found, gradient = pl.gradients(model, words, y, engine=engine)
    assert found == pytest.approx(loss.item(), rel=1e-12)
    expected = gradients_of(module, turn, twice)
    for part, g in own(gradient, name).items():
        np.testing.assert_allclose(g, expected[part], rtol=1e-9, atol=1e-12, err_msg=part)


@pytest.mark.parametrize("engine", BOTH)
def test_bidirectional_is_torchs(engine):
    x = random.normal(size=(2, 4, FEATURES))
    model = built(pl.Bidirectional(pl.LSTM(UNITS, return_sequences=True)), pl.Flatten(), x=x)
    module = torch.nn.LSTM(FEATURES, UNITS, batch_first=True, bidirectional=True).double()
    parameters = model.parameters()
    into(module, own(parameters, "bidirectional/forward_lstm"))
    into(module, own(parameters, "bidirectional/backward_lstm"), suffix="l0_reverse")
    output = module(torch.tensor(x))[0].reshape(2, -1)
    y = random.normal(size=output.shape)
    loss = torch.nn.functional.mse_loss(output, torch.tensor(y))
    loss.backward()
    found, gradient = pl.gradients(model, x, y, engine=engine)
    assert found == pytest.approx(loss.item(), rel=1e-12)
    for path, suffix in (("forward_lstm", "l0"), ("backward_lstm", "l0_reverse")):
        expected = gradients_of(module, suffix=suffix)
        for part, g in own(gradient, f"bidirectional/{path}").items():
            np.testing.assert_allclose(g, expected[part], rtol=1e-9, atol=1e-12, err_msg=f"{path} {part}")


class FromStates(pl.Model):
    """One LSTM reads, another goes on from its states; a GRU and a SimpleRNN see what it gives, backwards."""

    def __init__(self):
        super().__init__()
        self.reader = pl.LSTM(3, return_state=True, return_sequences=True)
        self.writer = pl.LSTM(3, return_sequences=True)
        self.back = pl.GRU(2, reset_after=False, return_sequences=True, go_backwards=True, use_bias=False)
        self.each = pl.TimeDistributed(pl.Dense(2))
        self.end = pl.SimpleRNN(2, recurrent_dropout=0.3, dropout=0.2)

    def __call__(self, x):
        read, *states = self.reader(x)
        return self.end(self.each(self.back(self.writer(read, initial_state=states))))


@pytest.mark.parametrize("engine", BOTH)
def test_every_option_is_checked_and_replayed(engine):
    x, y = random.normal(size=(40, 4, 3)).astype("float32"), random.normal(size=(40, 2)).astype("float32")
    model = FromStates()
    model.compile("adam", "mse")
    run = model.fit(x, y, epochs=2, batch_size=16, engine=engine, record=False, verbose=0)
    for n in range(run.steps):
        assert run.at(n).exact
    report = run.at(3).check()
    assert report.ok, str(report)
    assert pl.check_gradients(model, x[:5], y[:5]).ok


def test_the_two_engines_do_one_thing():
    x, y = random.normal(size=(40, 4, 3)), random.normal(size=(40, 2))
    found = []
    for engine in BOTH:
        model = FromStates()
        model.compile("sgd", "mse")
        model.fit(x, y, epochs=2, batch_size=16, engine=engine, dtype="float64", record=False, verbose=0)
        found.append(model.parameters())
    for path, w in found[0].items():
        np.testing.assert_allclose(w, found[1][path], rtol=1e-11, atol=1e-13, err_msg=path)


def test_a_sequence_is_one_row_under_xla_and_many_in_numpy():
    """A compiled step scans; an eager one shows every step's arithmetic."""
    x, y = random.normal(size=(8, 5, 3)).astype("float32"), np.zeros((8, 2), "float32")
    counts = {}
    for engine in BOTH:
        model = pl.Sequential([pl.GRU(2)])
        model.compile("sgd", "mse")
        run = model.fit(x, y, engine=engine, record=False, verbose=0)
        names = [row.op.name for row in run.at(0).tape.nodes if row.op and row.backward_of is None]
        counts[engine] = names.count("sigmoid"), names.count("recurrence")
        assert isinstance(run.replay.engine, XlaEngine) == (engine == "xla")
    assert counts == {"xla": (0, 1), "numpy": (10, 0)}


def test_what_is_wrong_is_said():
    with pytest.raises(pl.ShapeError, match=r"LSTM takes sequences, \(rows, steps, features\)"):
        pl.Sequential([pl.LSTM(2)]).predict(np.zeros((3, 4), "float32"))
    with pytest.raises(pl.UsageError, match=r"GRU\(units=0\)"):
        pl.GRU(0)
    with pytest.raises(pl.UsageError, match="recurrent_dropout=1"):
        pl.SimpleRNN(2, recurrent_dropout=1)
    with pytest.raises(pl.UsageError, match="merge_mode='or'"):
        pl.Bidirectional(pl.LSTM(2), merge_mode="or")
    with pytest.raises(pl.UsageError, match="not Dense"):
        pl.Bidirectional(pl.Dense(2))


def test_a_saved_model_is_the_same(tmp_path):
    x = random.normal(size=(2, 4, 3)).astype("float32")
    model = pl.Sequential([pl.Bidirectional(pl.GRU(2, return_sequences=True), "sum"), pl.LSTM(2), pl.Dense(1)])
    expected = model.predict(x)
    model.save(tmp_path / "m.pellucid")
    np.testing.assert_array_equal(pl.load(tmp_path / "m.pellucid").predict(x), expected)
