"""Gradient × input against PyTorch's autograd and by hand; its check finds a wrong rule; its pictures and lists."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import ShapeError, UsageError

torch = pytest.importorskip("torch")


def rows(*shape):
    return np.random.default_rng(0).normal(size=shape)


def in_torch(model):
    return {path: torch.tensor(a.astype("float64")) for path, a in model.parameters().items()}


def test_pixels_as_pytorch_has_them():
    x = rows(1, 8, 8, 2)
    layers = [pl.Conv2D(3, 3, padding="same"), pl.Activation("relu"), pl.MaxPooling2D(), pl.Flatten(), pl.Dense(4)]
    model = pl.Sequential(layers)
    model.predict(x)
    found = pl.attribution(model, x, output=2, sample=None)
    w = in_torch(model)
    picture = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    h = torch.conv2d(picture, w["conv2d/kernel"].permute(3, 2, 0, 1), w["conv2d/bias"], padding=1)
    h = torch.max_pool2d(torch.relu(h), 2).permute(0, 2, 3, 1).reshape(1, -1)
    f = (h @ w["dense/kernel"] + w["dense/bias"])[0, 2]
    f.backward()
    expected = (picture * picture.grad).detach().numpy()[0].transpose(1, 2, 0)
    np.testing.assert_allclose(found.contributions, expected, rtol=1e-12, atol=1e-14)
    assert found.output == pytest.approx(float(f.detach()), rel=1e-12)
    assert (found.ok, found.report.count, found.report.size) == (True, 128, 128)


def sorted_gates(a):
    """From our order of a GRU's gates, update, reset, new, to PyTorch's reset, update, new."""
    z, r, g = torch.tensor_split(a, 3, dim=-1)
    return torch.cat([r, z, g], dim=-1)


def test_words_as_pytorch_has_them():
    ids = np.array([[3, 1, 4, 1, 5]])
    model = pl.Sequential([pl.Embedding(7, 6), pl.GRU(5), pl.Dense(3)])
    model.predict(ids)
    w = in_torch(model)
    embedding = w["embedding/embeddings"]
    gru = torch.nn.GRU(6, 5, batch_first=True).double()
    bias = w["gru/bias"]
    with torch.no_grad():
        gru.weight_ih_l0.copy_(sorted_gates(w["gru/kernel"]).T)
        gru.weight_hh_l0.copy_(sorted_gates(w["gru/recurrent_kernel"]).T)
        gru.bias_ih_l0.copy_(sorted_gates(bias[0]))
        gru.bias_hh_l0.copy_(sorted_gates(bias[1]))

    def f(words):
        return (gru(words)[0][:, -1] @ w["dense/kernel"] + w["dense/bias"])[0, 1]

    words = embedding[torch.tensor(ids)].requires_grad_()
    f(words).backward()
    found = pl.attribution(model, ids, output=1)
    expected = (words * words.grad).sum(dim=-1)[0].detach().numpy()
    np.testing.assert_allclose(found.contributions, expected, rtol=1e-10, atol=1e-14)
    assert found.baseline == pytest.approx(float(f(torch.zeros_like(words)).detach()), rel=1e-10)
    assert found.gap == pytest.approx(
        expected.sum() - float((f(words) - f(torch.zeros_like(words))).detach()), rel=1e-8
    )
    assert (found.ok, found.report.count) == (True, 30)


class Rating(pl.Model):
    """Film + user + film · user, and a table of its own for how popular a film is."""

    def __init__(self):
        super().__init__()
        self.films, self.users, self.fame = pl.Embedding(5, 2), pl.Embedding(4, 2), pl.Embedding(5, 1)

    def __call__(self, x):
        film, user = self.films(x["film"]), self.users(x["user"])
        return pl.sum(film * user, axis=-1) + pl.reshape(self.fame(x["film"]), shape=(-1, 1))


def test_an_input_gets_the_sum_of_all_tables_that_it_picks_from():
    model = Rating()
    x = {"film": np.array([[3]]), "user": np.array([[1]])}
    model.predict(x)
    films, users, fame = (rows(5, 2), rows(4, 2) + 1, rows(5, 1) + 2)
    paths = list(model.parameters())
    model.load_parameters(dict(zip(paths, (films, users, fame), strict=True)))
    found = pl.attribution(model, x)
    product = float(films[3] @ users[1])
    assert found.contributions["film"].tolist() == pytest.approx([product + float(fame[3, 0])])
    assert found.contributions["user"].tolist() == pytest.approx([product])
    assert found.output == pytest.approx(product + float(fame[3, 0]))
    assert found.baseline == 0.0
    assert found.gap == pytest.approx(product)  # a product counts for both of its factors
    lines = found.to_text(labels={"film": ["Alien"], "user": ["Ann"]}).splitlines()
    assert [line.split()[-1] for line in lines[1:5]] == ["film:", "Alien", "user:", "Ann"]


def test_codes_among_numbers_of_one_input():
    model = pl.Sequential([pl.CategoryEmbedding([[3, 2]]), pl.Dense(1)])
    x = np.array([[0.5, -2.0, 1.0]])
    model.predict(x)
    table, kernel = rows(3, 2), rows(4, 1) + 1
    paths = ["category_embedding/table_0", "dense/kernel", "dense/bias"]
    model.load_parameters(dict(zip(paths, (table, kernel, np.zeros(1)), strict=True)))
    found = pl.attribution(model, x)
    expected = [0.5 * kernel[0, 0], -2 * kernel[1, 0], float(table[1] @ kernel[2:, 0])]
    np.testing.assert_allclose(found.contributions, expected)
    assert found.gap == pytest.approx(0, abs=1e-14)
    assert found.report.count == 4  # two numbers and the row of the table; the code itself is not moved


class Two(pl.Model):
    """A class and a box."""

    def __init__(self):
        super().__init__()
        self.digit, self.box = pl.Dense(3), pl.Dense(4)

    def __call__(self, x):
        return {"digit": self.digit(x), "box": self.box(x)}


def test_one_of_several_outputs():
    model, x = Two(), rows(1, 6)
    kernels = {"dense": rows(6, 3), "dense_1": rows(6, 4)[::-1]}
    model.load_parameters(
        {f"{name}/kernel": a for name, a in kernels.items()} | {"dense/bias": np.zeros(3), "dense_1/bias": np.zeros(4)}
    )
    found = pl.attribution(model, x, output=("box", 2))
    np.testing.assert_allclose(found.contributions, x[0] * kernels["dense_1"][:, 2])
    assert found.label == "box[2]"
    best = int((x @ kernels["dense"]).argmax())
    assert pl.attribution(model, x, output="digit").label == f"digit[{best}]"
    with pytest.raises(UsageError, match=r"the network has the outputs digit, box: name one, as output=\('digit', 0\)"):
        pl.attribution(model, x, output=2)


def test_a_place_in_a_sequence():
    model = pl.Sequential([pl.Embedding(6, 3), pl.Dense(6)])
    found = pl.attribution(model, np.array([[2, 5, 1]]), output=(1, 4))
    assert found.label == "output[1, 4]"
    assert found.contributions[[0, 2]].tolist() == [0, 0]
    assert found.gap == pytest.approx(0, abs=1e-14)


def test_dropout_is_off_and_running_means_are_used():
    model = pl.Sequential([pl.Dense(4), pl.BatchNormalization(), pl.Dropout(0.5), pl.Dense(2)])
    model.compile("sgd", "mean_squared_error")
    x = rows(20, 3)
    model.fit(x, rows(20, 2), epochs=2, record=False, verbose=0)
    found = pl.attribution(model, x[3:4], output=0)
    assert found.output == pytest.approx(float(model.predict(x[3:4])[0, 0]), rel=1e-5)  # float64 against float32
    assert found.gap == pytest.approx(0, abs=1e-12)


def test_a_wrong_rule_is_found():
    @pl.op()
    def halved_slope(xp, x):
        """x, with a rule that is wrong."""
        return x + 0.0

    @halved_slope.backward
    def _(dy, y, x):
        return dy * 0.5

    class Wrong(pl.Model):
        def __init__(self):
            super().__init__()
            self.out = pl.Dense(2)

        def __call__(self, x):
            return self.out(halved_slope(x))

    found = pl.attribution(Wrong(), rows(1, 3), output=0)
    assert not found.ok
    assert found.report.counts()["wrong"] == 3
    assert "halved_slope" in found.to_text()


def test_a_sample_measures_inputs_that_are_not_zero_first():
    x = np.zeros((1, 50))
    x[0, ::5] = 1.0
    model = pl.Sequential([pl.Dense(3, "tanh"), pl.Dense(1)])
    report = pl.attribution(model, x, sample=10).report
    assert np.flatnonzero(report.weights["x"].verdict[0] != "").tolist() == list(range(0, 50, 5))


def test_a_list_and_a_picture():
    model = pl.Sequential([pl.Flatten(), pl.Dense(1, kernel_initializer="ones")])
    grid = np.array([[[0.0, 4.0, 0.0], [-4.0, 1.0, 0.0]]])
    assert pl.attribution(model, grid).to_text().splitlines()[1:4] == [
        "  ██",
        "≡≡░░",
        "░▒▓█ adds, ·-=≡ takes away; █ is 4",
    ]
    assert pl.attribution(model, grid).to_text(upright=True).splitlines()[1:3] == ["██░░", "  ≡≡"]
    model = pl.Sequential([pl.Dense(1, kernel_initializer="ones")])
    line = pl.attribution(model, grid[:, 0])
    assert line.to_text(labels=["a", "b", "c"]).splitlines()[1:-1] == ["  4  ████████  b"]


def test_a_label_for_each_input():
    found = pl.attribution(pl.Sequential([pl.Dense(1)]), rows(1, 3))
    with pytest.raises(UsageError, match="2 labels for 3 inputs: give one for each"):
        found.to_text(labels=["a", "b"])


def test_what_is_no_number_is_drawn_blank():
    class Roots(pl.Model):
        def __call__(self, x):
            return pl.sum(pl.sqrt(x), axis=(1, 2), keepdims=True)

    with np.errstate(all="ignore"):  # the slope of a root at 0 is infinite, and times 0 no number
        found = pl.attribution(Roots(), np.array([[[0.0, 16.0], [4.0, 0.0]]]))
    assert np.isnan(found.contributions).tolist() == [[True, False], [False, True]]
    assert found.to_text().splitlines()[1:3] == ["  ██", "▒▒"]


def test_a_large_picture_is_drawn_small():
    model = pl.Sequential([pl.Flatten(), pl.Dense(1)])
    found = pl.attribution(model, rows(1, 100, 300), sample=1)
    lines = found.to_text().splitlines()[1:-2]
    assert len(lines) == 25  # 100 rows, 4 to a line
    assert max(map(len, lines)) == 60  # 300 columns, 5 to a letter


@pytest.mark.parametrize(
    ("x", "arguments", "error", "message"),
    [
        (rows(2, 3), {}, ShapeError, r"explains one row, but the shapes are \{'x': \(2, 3\)\}"),
        (rows(1, 3), {"output": 2}, UsageError, r"output=2 is no place in output, whose shape for a row is \(2,\)"),
        (rows(1, 3), {"output": (0, 1)}, UsageError, r"output=\(0, 1\) is no place"),
        (rows(1, 3), {"output": "box"}, UsageError, "output='box' is no place"),
        (rows(1, 3), {"sample": 0}, UsageError, "sample=0: a whole number, 1 or more"),
    ],
    ids=["two rows", "no such class", "too many places", "no such name", "no sample"],
)
def test_what_is_refused(x, arguments, error, message):
    with pytest.raises(error, match=message):
        pl.attribution(pl.Sequential([pl.Dense(2)]), x, **arguments)


def test_indices_that_are_worked_out_are_refused():
    class Buckets(pl.Model):
        def __init__(self):
            super().__init__()
            self.table = pl.Embedding(10, 2)

        def __call__(self, x):
            return self.table(x * 2.0)

    with pytest.raises(UsageError, match="embedding picks rows of its table by numbers that are worked out"):
        pl.attribution(Buckets(), np.array([[1, 3]]))
