"""The two engines do one thing, PyTorch's own loop does it too, and a step opened again is the step that ran."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.data.dataset import Plan
from pellucid.engine import engines, programs

torch = pytest.importorskip("torch")

BOTH = ("xla", "numpy")


def test_engines_agree_over_fifty_steps(rows, make_classifier):
    """Float64, with dropout, shuffling, a last batch of 6 rows, Adam, class weights and sample weights."""
    found = {}
    for engine in BOTH:
        model = make_classifier("adam")
        run = model.fit(
            rows.x, rows.y, batch_size=16, epochs=13, seed=3, engine=engine, dtype="float64", verbose=0,
            class_weight={0: 2.0, 2: 0.5}, sample_weight=rows.weight, validation_split=0.1,
        )  # fmt: skip
        found[engine] = (run, model.parameters())
    (xla, a), (plain, b) = found["xla"], found["numpy"]
    assert xla.steps == plain.steps == 52
    np.testing.assert_allclose(xla.step_history["loss"], plain.step_history["loss"], rtol=1e-12)
    assert list(a) == list(b)
    for path in b:
        assert a[path].dtype == b[path].dtype == np.float64
        np.testing.assert_allclose(a[path], b[path], rtol=1e-12, atol=1e-12)
    assert xla.history.keys() == plain.history.keys() == {"loss", "accuracy", "val_loss", "val_accuracy"}
    for name in xla.history:
        np.testing.assert_allclose(xla.history[name], plain.history[name], rtol=1e-12)


# optimizer, dropout, dtype, batch size of 70 rows, engine
OPENED = [
    (pl.Adam(pl.CosineDecay(0.05, 10), global_clipnorm=0.5), 0.3, "float32", 16, "xla"),
    (pl.SGD(0.1, momentum=0.9, clipvalue=0.05), 0.0, "float64", 16, "xla"),
    (pl.Adam(pl.ExponentialDecay(0.05, 4, 0.5)), 0.3, "float32", 16, "numpy"),
    (pl.RMSprop(pl.Warmup(0.01, 5), clipnorm=0.1), 0.3, "float64", 70, "numpy"),
]


@pytest.mark.parametrize(("optimizer", "dropout", "dtype", "batch", "engine"), OPENED)
def test_an_opened_step_is_the_step_that_ran(rows, make_classifier, optimizer, dropout, dtype, batch, engine):
    """First, last and partial batches of several epochs; each ends where the next begins, bit for bit."""
    model = make_classifier(optimizer, dropout)
    run = model.fit(rows.x, rows.y, batch_size=batch, epochs=3, engine=engine, dtype=dtype, verbose=0)
    before = None
    for n in range(run.steps):
        step = run.at(n)
        assert step.number == n
        assert step.loss == run.step_history["loss"][n]
        assert step.loss.dtype == dtype
        if before is not None:
            for path, w in step.before.parameters.items():
                np.testing.assert_array_equal(w, before.after.parameters[path])
        before = step
    for path, w in before.after.parameters.items():
        np.testing.assert_array_equal(w, run.final[path])
    assert run.at(-1).loss == run.step_history["loss"][-1]


@pytest.mark.parametrize("engine", BOTH)
def test_an_open_step_holds_its_batch_its_values_and_its_gradients(rows, make_classifier, engine):
    model = make_classifier(pl.SGD(0.5), dropout=0.0)
    run = model.fit(rows.x, rows.y, batch_size=16, epochs=2, engine=engine, dtype="float64", verbose=0)
    step = run.at(7)
    np.testing.assert_array_equal(step.batch.x, rows.x[step.batch.rows].astype(np.float64))
    assert {"dense", "dense_1"} <= step.values.keys()
    assert step.values["dense_1"].shape == (16, 3)
    for path, w in step.before.parameters.items():
        after = step.after.parameters[path]
        np.testing.assert_allclose(after, w - 0.5 * step.gradients[path], rtol=1e-12, atol=1e-15)
    assert step.exact
    assert step.output.array == step.loss


def test_dropout_of_an_opened_step_is_that_of_the_run(rows, make_classifier):
    run = make_classifier("sgd", 0.5).fit(rows.x, rows.y, batch_size=35, epochs=2, engine="numpy", verbose=0)
    kept = [row for n in (2, 2, 3) for row in run.at(n).tape.nodes if row.op and row.op.name == "dropout"]
    forward = [row.output for row in kept if row.backward_of is None]
    np.testing.assert_array_equal(forward[0], forward[1])
    assert ((forward[0] == 0) != (forward[2] == 0)).any()


def test_a_step_that_is_not_there(trained):
    _, run = trained
    for n in (15, -16):
        with pytest.raises(pl.UsageError, match="the run has steps 0 to 14"):
            run.at(n)


# ours, torch's
LOOPS = {
    "sgd": (pl.SGD(0.05, momentum=0.9), lambda p: torch.optim.SGD(p, 0.05, momentum=0.9)),
    "adam": (pl.Adam(0.01), lambda p: torch.optim.Adam(p, 0.01, eps=1e-7)),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_training_is_torch_s_own_loop(rows, make_classifier, name):
    """The same weights, rows in the same order, optimizer; float64, 30 steps, 1e-9."""
    optimizer, theirs = LOOPS[name]
    model = make_classifier(optimizer, dropout=0.0)
    model.predict(rows.x[:1], engine="numpy")
    start = {path: w.astype(np.float64) for path, w in model.parameters().items()}
    model.load_parameters(start)
    run = model.fit(rows.x, rows.y, batch_size=16, epochs=6, seed=9, dtype="float64", verbose=0)
    twin = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).double()
    tensors = dict(zip(start, twin.parameters(), strict=True))  # kernel, bias, kernel, bias in both
    with torch.no_grad():
        for path, tensor in tensors.items():
            tensor.copy_(torch.tensor(start[path].T if "kernel" in path else start[path]))
    update = theirs(twin.parameters())
    losses = []
    for epoch in range(6):
        for places in Plan(70, 16, 9).batches(epoch):
            update.zero_grad()
            logits = twin(torch.tensor(rows.x[places], dtype=torch.float64))
            loss = torch.nn.functional.cross_entropy(logits, torch.tensor(rows.y[places]))
            loss.backward()
            update.step()
            losses.append(loss.item())
    assert len(losses) == run.steps == 30
    np.testing.assert_allclose(run.step_history["loss"], losses, rtol=1e-9)
    for path, tensor in tensors.items():
        w = tensor.detach().numpy()
        np.testing.assert_allclose(model.parameters()[path], w.T if "kernel" in path else w, rtol=1e-9, atol=1e-12)


def test_nothing_is_compiled_again_between_epochs(rows, make_classifier, monkeypatch):
    """The step is traced for whole batches and for the smaller last one, however many epochs there are."""
    traced = []
    plain = engines._train
    monkeypatch.setattr(engines, "_train", lambda kept, *a: traced.append(a[1].x.shape) or plain(kept, *a))
    programs.forget()
    run = make_classifier().fit(rows.x, rows.y, batch_size=16, epochs=6, verbose=0)
    assert sorted(shape[1] for shape in traced) == [6, 16]
    run.at(7)
    assert len(traced) == 2


def test_opening_many_steps_compiles_the_open_step_once(rows, make_classifier, monkeypatch):
    """Once for each way of keeping numbers that was tried at the first step, and never again."""
    made = []
    plain = engines._opened
    monkeypatch.setattr(engines, "_opened", lambda kept, *a: made.append(a[3]) or plain(kept, *a))
    programs.forget()
    run = make_classifier().fit(rows.x[:64], rows.y[:64], batch_size=16, epochs=1, verbose=0)
    run.at(0)
    tried = list(made)
    assert tried == sorted(set(tried))
    for n in range(run.steps):
        run.at(n)
    assert made == tried


@pytest.mark.parametrize("engine", BOTH)
def test_large_and_small_models_are_carried_alike(rows, engine, monkeypatch):
    """Packed into one vector or not, a step is the same arithmetic."""
    found = []
    for limit in (0, 20_000):
        monkeypatch.setattr(engines, "PACK_BELOW", limit)
        programs.forget()
        model = pl.Sequential([pl.Dense(3)])
        model.compile(pl.SGD(0.1, momentum=0.9), "mse")
        model.fit(rows.x, np.eye(3)[rows.y], batch_size=35, epochs=3, dtype="float64", engine=engine, verbose=0)
        found.append(model.parameters())
    for path in found[0]:
        np.testing.assert_allclose(found[0][path], found[1][path], rtol=1e-13, atol=1e-15)


def test_an_unknown_engine_and_method(rows, make_classifier):
    for options in ({"engine": "torch"}, {"method": "guess"}, {"dtype": "float16"}):
        with pytest.raises(pl.UsageError, match=f"{next(iter(options))}=.* is not known"):
            make_classifier().fit(rows.x, rows.y, verbose=0, **options)
    with pytest.raises(pl.UsageError, match="engine='torch' is not known"):
        make_classifier().predict(rows.x, engine="torch")
    with pytest.raises(pl.UsageError, match="engine='torch' is not known"):
        pl.gradients(make_classifier(), rows.x, rows.y, engine="torch")


def test_numpy_predicts_on_numpy_what_xla_trained():
    """Weights that are still arrays of JAX would be computed with by JAX."""
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(40, 5)).astype("float32"), draw.normal(size=(40, 1)).astype("float32")
    model = pl.Sequential([pl.Dense(8, "tanh"), pl.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, y, record=False, verbose=0)
    found = model.predict(x, engine="numpy")
    model.load_parameters(model.parameters())
    np.testing.assert_array_equal(found, model.predict(x, engine="numpy"))
