"""Every optimizer in training: each step is replayed bit for bit, in both engines, and explained; weights averaged."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.optim import BY_NAME

OPTIMIZERS = {name: kind(0.01) for name, kind in BY_NAME.items()} | {
    "muon, last layer by adamw": pl.Muon(pl.Warmup(0.05, 5), exclude_layers=["dense_1"]),
    "averaged": pl.Adam(0.05, use_ema=True, ema_momentum=0.8),
    "averaged, every 4": pl.Muon(0.05, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=4),
    "looking ahead": pl.AdamW(0.05, lookahead_period=4),
    "looking ahead, averaged": pl.Muon(0.05, lookahead_period=3, use_ema=True, ema_momentum=0.8),
    "lamb, clipped": pl.Lamb(0.05, global_clipnorm=0.5, weight_decay=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_steps_are_replayed_exactly(rows, make_classifier, name, engine):
    model = make_classifier(OPTIMIZERS[name])
    run = model.fit(rows.x, rows.y, batch_size=16, epochs=2, engine=engine, record=False, verbose=0)
    for n in (0, 6, 9):
        assert run.at(n).exact
    page = run.at(6).view.weight("dense/kernel", (1, 2)).to_text()
    assert "change = " in page
    if name.startswith("lamb"):
        assert "trust = trust_ratio(w, move) = " in page
    if name.startswith("muon"):
        assert "direction = orthogonal(ahead) = " in page
    if name.startswith("averaged"):
        assert "average = " in page
    if name.startswith("looking ahead"):
        assert "slow = " in page


@pytest.mark.parametrize("name", ["nadam", "lamb", "muon", "averaged, every 4", "looking ahead"])
def test_the_engines_agree(rows, make_classifier, name):
    found = []
    for engine in ("numpy", "xla"):
        model = make_classifier(OPTIMIZERS[name], dropout=0)
        model.fit(rows.x, rows.y, batch_size=16, epochs=2, engine=engine, dtype="float64", record=False, verbose=0)
        found.append(model.parameters())
    for path, array in found[0].items():
        # Newton-Schulz may blow a rounding up 1,670 times in a step, and the ten steps add to one another.
        np.testing.assert_allclose(found[1][path], array, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_a_finished_training_ends_with_the_averages(rows, make_classifier, engine):
    model = make_classifier(OPTIMIZERS["averaged"])
    run = model.fit(rows.x, rows.y, batch_size=16, epochs=2, engine=engine, record=False, verbose=0)
    average = dict(run.at(0).after.parameters)
    for n in range(1, run.steps):
        after = run.at(n).after.parameters
        average = {path: 0.8 * np.asarray(a) + 0.2 * np.asarray(after[path]) for path, a in average.items()}
    for path, array in model.parameters().items():
        np.testing.assert_allclose(array, average[path], rtol=1e-4, atol=1e-6)  # ten roundings of float32
        np.testing.assert_array_equal(run.final[path], array)


class Interrupt(pl.Callback):
    """Stops a training once, as Ctrl-C does."""

    after = 2

    def on_epoch_end(self, epoch, logs):
        Interrupt.after -= 1
        if Interrupt.after == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["averaged", "looking ahead"])
def test_copies_go_on_where_a_run_was_interrupted(rows, make_classifier, tmp_path, name):
    Interrupt.after = 2
    whole, part = (make_classifier(OPTIMIZERS[name]) for _ in range(2))
    settings = {"batch_size": 16, "epochs": 4, "engine": "numpy", "verbose": 0}
    whole.fit(rows.x, rows.y, record=False, **settings)
    with pytest.raises(KeyboardInterrupt):
        part.fit(rows.x, rows.y, record=tmp_path / "run", callbacks=[Interrupt()], **settings)
    again = pl.resume(tmp_path / "run", callbacks=[Interrupt()], verbose=0)
    for path, array in whole.parameters().items():
        assert again.final[path].tobytes() == array.tobytes()
