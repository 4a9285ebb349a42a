"""Attention against torch's, with causal and padding masks; Transformer blocks against torch's layers."""

import numpy as np
import pytest

import pellucid as pl

torch = pytest.importorskip("torch")

random = np.random.default_rng(5)
BOTH = ("numpy", "xla")


class Attend(pl.Model):
    def __init__(self, causal=False, heads=2, width=3):
        super().__init__()
        self.attention = pl.MultiHeadAttention(heads, width)
        self.causal = causal
        self.flat = pl.Flatten()

    def __call__(self, x):
        return self.flat(self.attention(x, use_causal_mask=self.causal))


def built(model, x, loss="mse"):
    model.compile(loss=loss)
    model._set_dtype("float64")
    model.build(np.asarray(x, float))
    model.load_parameters({p: random.normal(size=w.shape) * 0.5 for p, w in model.parameters().items()})
    return model, model.parameters()


def into_attention(module, weights):
    """Kernels (d, heads, k) into torch's stacked rows."""
    d = weights["query/kernel"].shape[0]
    flat = [weights[f"{n}/kernel"].reshape(d, -1).T for n in ("query", "key", "value")]
    biases = [weights[f"{n}/bias"].reshape(-1) for n in ("query", "key", "value")]
    with torch.no_grad():
        module.in_proj_weight.copy_(torch.tensor(np.concatenate(flat)))
        module.in_proj_bias.copy_(torch.tensor(np.concatenate(biases)))
        out = weights["attention_output/kernel"]
        module.out_proj.weight.copy_(torch.tensor(out.reshape(-1, out.shape[-1]).T))
        module.out_proj.bias.copy_(torch.tensor(weights["attention_output/bias"]))


def own(parameters, path):
    return {p.removeprefix(path + "/"): w for p, w in parameters.items() if p.startswith(path + "/")}


def compare(model, x, y, engine, output, module, path):
    """Loss and the gradients of the attention's weights."""
    loss = torch.nn.functional.mse_loss(output, torch.tensor(y))
    loss.backward()
    found, gradient = pl.gradients(model, x, y, engine=engine)
    assert found == pytest.approx(loss.item(), rel=1e-11)
    g = own(gradient, path)
    rows = np.split(module.in_proj_weight.grad.numpy(), 3)
    for name, expected in zip(("query", "key", "value"), rows, strict=True):
        kernel = g[f"{name}/kernel"]
        np.testing.assert_allclose(kernel.reshape(len(kernel), -1).T, expected, rtol=1e-8, atol=1e-11)
    out = g["attention_output/kernel"]
    expected = module.out_proj.weight.grad.numpy().T
    np.testing.assert_allclose(out.reshape(-1, out.shape[-1]), expected, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("engine", BOTH)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (2, 7)], ids=str)
def test_attention_is_torchs(shape, causal, engine):
    x = random.normal(size=(*shape, 6))
    model, parameters = built(Attend(causal), x)
    module = torch.nn.MultiheadAttention(6, 2, batch_first=True).double()
    into_attention(module, own(parameters, "multi_head_attention"))
    t = torch.tensor(x)
    ahead = torch.ones(shape[1], shape[1], dtype=torch.bool).triu(1) if causal else None
    output = module(t, t, t, attn_mask=ahead)[0].reshape(shape[0], -1)
    y = random.normal(size=output.shape)
    compare(model, x, y, engine, output, module, "multi_head_attention")


class Read(pl.Model):
    """Words, some of them padding, through a Transformer block; the mean of what it gives for the first step."""

    def __init__(self, **options):
        super().__init__()
        self.words = pl.Embedding(9, 4, mask_zero=True)
        self.block = pl.TransformerEncoder(8, 2, **options)
        self.end = pl.GRU(3)

    def __call__(self, x):
        return self.end(self.block(self.words(x)))


@pytest.mark.parametrize("first", [False, True], ids=["after", "before"])
def test_an_encoder_block_is_torchs_and_does_not_see_padding(first):
    words = np.array([[3, 1, 2, 0, 0], [4, 8, 1, 2, 3]])
    model, p = built(Read(normalize_first=first), words)
    module = torch.nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True, norm_first=first).double()
    block = own(p, "transformer_encoder")
    into_attention(module.self_attn, own(block, "multi_head_attention"))
    norms = {"norm1": "layer_normalization", "norm2": "layer_normalization_1"}
    names = {"linear1": block_dense(block, 8), "linear2": block_dense(block, 4)}
    with torch.no_grad():
        for theirs, ours in norms.items():
            getattr(module, theirs).weight.copy_(torch.tensor(block[f"{ours}/gamma"]))
            getattr(module, theirs).bias.copy_(torch.tensor(block[f"{ours}/beta"]))
        for theirs, ours in names.items():
            getattr(module, theirs).weight.copy_(torch.tensor(block[f"{ours}/kernel"].T))
            getattr(module, theirs).bias.copy_(torch.tensor(block[f"{ours}/bias"]))
    x = torch.tensor(p["embedding/embeddings"])[torch.tensor(words)]
    expected = module(x, src_key_padding_mask=torch.tensor(words == 0)).detach().numpy()
    found = model_block(model, words)
    real = words > 0
    np.testing.assert_allclose(found[real], expected[real], rtol=1e-9, atol=1e-11)


def block_dense(block, units):
    """The dense layer of a block with so many units."""
    return next(
        p.rsplit("/", 1)[0] for p, w in block.items() if p.endswith("bias") and "dense" in p and len(w) == units
    )


def model_block(model, words):
    """What the block gives: the last row of its path."""
    from pellucid.autodiff import Tape

    tape = Tape(model.parameters())
    model(tape.given("x", words.astype(float)))
    return [row for row in tape.nodes if row.path.startswith("transformer_encoder") and row.op][-1].output


class Translate(pl.Model):
    """A word-by-word writer: an encoder reads, a decoder looks back and across."""

    def __init__(self):
        super().__init__()
        self.words = pl.Embedding(7, 4)
        self.where = pl.PositionEmbedding(6)
        self.wave = pl.SinusoidalEncoding()
        self.read = pl.TransformerEncoder(6, 2, dropout=0.1, activation="gelu")
        self.write = pl.TransformerDecoder(6, 2, dropout=0.1, normalize_first=True)
        self.end = pl.Dense(2)
        self.flat = pl.Flatten()

    def __call__(self, x):
        x = self.wave(self.where(self.words(x)))
        return self.end(self.flat(self.write(x, self.read(x))))


@pytest.mark.parametrize("engine", BOTH)
def test_blocks_are_checked_and_replayed(engine):
    x, y = random.integers(0, 7, (24, 5)), random.normal(size=(24, 2)).astype("float32")
    model = Translate()
    model.compile("adam", "mse")
    run = model.fit(x, y, epochs=1, batch_size=8, engine=engine, record=False, verbose=0)
    assert all(run.at(n).exact for n in range(run.steps))
    report = run.at(2).check()
    assert report.ok, str(report)


def test_a_causal_block_does_not_see_what_comes():
    x = random.normal(size=(1, 5, 4)).astype("float32")
    model = pl.Sequential([pl.TransformerEncoder(6, 2, use_causal_mask=True)])
    before = model.predict(x)
    x[0, 3:] += 1
    after = model.predict(x)
    np.testing.assert_array_equal(before[0, :3], after[0, :3])
    assert (before[0, 3:] != after[0, 3:]).any()


def test_what_is_wrong_is_said():
    with pytest.raises(pl.UsageError, match=r"MultiHeadAttention\(num_heads=0\)"):
        pl.MultiHeadAttention(0, 2)
    with pytest.raises(pl.ShapeError, match=r"query has shape \(1, 4\)"):
        Attend().predict(np.zeros((2, 4), "float32"))
    with pytest.raises(pl.ShapeError, match="multiple of the heads"):
        pl.Sequential([pl.TransformerEncoder(4, 3)]).predict(np.zeros((2, 5, 4), "float32"))
    with pytest.raises(pl.ShapeError, match="sequence_length=3"):
        pl.Sequential([pl.PositionEmbedding(3)]).predict(np.zeros((2, 5, 4), "float32"))


def test_a_saved_block_is_the_same(tmp_path):
    x = random.normal(size=(2, 5, 4)).astype("float32")
    model = pl.Sequential([pl.TransformerEncoder(6, 2), pl.Dense(1)])
    expected = model.predict(x)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(pl.load(tmp_path / "m").predict(x), expected)
