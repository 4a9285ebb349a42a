"""Back to any step and on from there: without a change the same run again, with one another; the parent stays."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.storage import RunFolder

RATE = pl.CosineDecay(0.05, 30)


def made(layers=None, optimizer=None):
    layers = layers or [pl.Dense(8, "tanh"), pl.Dropout(0.2), pl.BatchNormalization(momentum=0.9), pl.Dense(3)]
    model = pl.Sequential(layers)
    model.compile(optimizer or pl.Adam(RATE), pl.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    return model


def fitted(rows, place, engine="numpy", optimizer=None, **options):
    """4 epochs of 5 steps, the last of 6 rows."""
    options = {"batch_size": 16, "seed": 4, "epochs": 4, "sample_weight": rows.weight} | options
    return made(optimizer=optimizer).fit(rows.x, rows.y, engine=engine, record=place, verbose=0, **options)


@pytest.fixture(scope="module")
def parent(rows, tmp_path_factory):
    """Not to be changed."""
    return fitted(rows, tmp_path_factory.mktemp("parent") / "run")


def digests(path):
    return {p.name: p.read_bytes() for p in path.rglob("*") if p.is_file()}


def alike(a, b):
    """Two sets of arrays, equal bit for bit."""
    assert list(a) == list(b)
    assert all(np.asarray(a[path]).tobytes() == np.asarray(b[path]).tobytes() for path in b)


@pytest.mark.parametrize("n", [0, 1, 5, 8, 15, 19])
@pytest.mark.parametrize("opened", [False, True])
def test_without_a_change_it_is_the_same_run_again(parent, tmp_path, n, opened):
    before = digests(parent.folder)
    run = pl.open_run(parent.folder) if opened else parent
    child = run.rewind(n, as_=tmp_path / "child", verbose=0)
    assert child.history == parent.history
    assert child.step_history["loss"].tobytes() == parent.step_history["loss"].tobytes()
    alike(child.final, parent.final)
    alike(child.model.parameters(), parent.model.parameters())
    alike(child.model.untrained(), parent.model.untrained())
    assert (child.first, child.parent, child.status) == (n, parent.folder.resolve(), "finished")
    assert digests(parent.folder) == before
    again = pl.open_run(tmp_path / "child")
    assert (again.first, again.parent, again.steps) == (n, child.parent, parent.steps)
    for one in (child, again):
        for step in {n, 19}:
            assert one.at(step).exact
            alike(one.at(step).before.parameters, parent.at(step).before.parameters)
            alike(one.at(step).before.optimizer, parent.at(step).before.optimizer)


def test_the_compiled_run_again(rows, tmp_path):
    parent = fitted(rows, tmp_path / "run", "xla")
    child = pl.open_run(tmp_path / "run").rewind(8, as_=tmp_path / "child", verbose=0)
    assert child.step_history["loss"].tobytes() == parent.step_history["loss"].tobytes()
    assert child.history == parent.history
    alike(child.final, parent.final)


CHANGES = [
    ({"learning_rate": 0.001}, lambda m: m.compiled.optimizer.learning_rate == 0.001),
    ({"optimizer.learning_rate": 0.001}, lambda m: m.compiled.optimizer.learning_rate == 0.001),
    ({"beta_1": 0.5}, lambda m: m.compiled.optimizer == pl.Adam(RATE, beta_1=0.5)),
    ({"optimizer": pl.SGD(0.01, momentum=0.9)}, lambda m: m.compiled.optimizer == pl.SGD(0.01, momentum=0.9)),
    ({"optimizer": "rmsprop"}, lambda m: isinstance(m.compiled.optimizer, pl.RMSprop)),
    ({"dropout.rate": 0.6}, lambda m: m.layers[1].rate == 0.6),
    ({"loss": "mean_squared_error"}, None),
]


@pytest.mark.parametrize("n", [8, 10])
@pytest.mark.parametrize(("changes", "holds"), CHANGES, ids=lambda value: "" if callable(value) else str(value)[:30])
def test_a_change_is_made_from_that_step_on(parent, tmp_path, n, changes, holds):
    if holds is None:
        with pytest.raises(pl.PellucidError):  # whose targets are not class numbers
            parent.rewind(n, as_=tmp_path / "child", verbose=0, **changes)
        return
    child = parent.rewind(n, as_=tmp_path / "child", verbose=0, **changes)
    assert holds(child.model)
    assert not holds(parent.model)
    assert child.steps == parent.steps
    old, new = parent.step_history["loss"], child.step_history["loss"]
    assert new[:n].tobytes() == old[:n].tobytes()
    alike(child.at(n).before.parameters, parent.at(n).before.parameters)
    alike(child.at(n).before.untrained, parent.at(n).before.untrained)
    np.testing.assert_array_equal(child.at(n).batch.rows, parent.at(n).batch.rows)
    assert not np.array_equal(new, old)
    again = pl.open_run(tmp_path / "child")
    assert holds(again.model)
    for step in (n, 14, 19):
        assert again.at(step).exact
        assert again.at(step).loss == new[step]
    assert RunFolder.open(tmp_path / "child").manifest["changes"].keys() == changes.keys()


def test_an_optimizer_of_another_kind_begins_anew_at_that_step(parent, tmp_path):
    child = parent.rewind(7, as_=tmp_path / "child", verbose=0, optimizer=pl.SGD(0.1, momentum=0.9))
    state = child.at(7).before.optimizer
    assert int(state["step"]) == 7
    assert {name for name in state if name != "step"}
    assert all(not np.any(array) for name, array in state.items() if name != "step")


def test_more_epochs_and_fewer(parent, tmp_path):
    more = parent.rewind(20, as_=tmp_path / "more", verbose=0, epochs=6)
    assert (more.steps, more.epochs, more.first) == (30, 6, 20)
    assert more.step_history["loss"][:20].tobytes() == parent.step_history["loss"].tobytes()
    assert {name: values[:4] for name, values in more.history.items()} == parent.history
    fewer = parent.rewind(3, as_=tmp_path / "fewer", verbose=0, epochs=2)
    assert (fewer.steps, fewer.epochs) == (10, 2)
    with pytest.raises(pl.UsageError, match=r"step 20 is the end of its 4 epochs.*epochs=5"):
        parent.rewind(20, as_=tmp_path / "none", verbose=0)
    with pytest.raises(pl.UsageError, match=r"step 18 is the end of its 2 epochs.*epochs=4"):
        parent.rewind(18, as_=tmp_path / "none", verbose=0, epochs=2)
    assert not (tmp_path / "none").exists()


def test_longer_is_what_it_would_have_been(rows, parent, tmp_path):
    whole = fitted(rows, tmp_path / "whole", epochs=6)
    more = parent.rewind(20, as_=tmp_path / "more", verbose=0, epochs=6)
    assert more.step_history["loss"].tobytes() == whole.step_history["loss"].tobytes()
    assert more.history == whole.history


@pytest.mark.parametrize("changes", [{"batch_size": 35}, {"seed": 9}, {"shuffle": False}])
def test_what_decides_the_rows_can_only_be_changed_from_the_start(parent, tmp_path, changes):
    name = next(iter(changes))
    with pytest.raises(pl.UsageError, match=rf"{name} decides which rows each step sees.*rewind to step 0"):
        parent.rewind(5, as_=tmp_path / "child", verbose=0, **changes)
    child = parent.rewind(0, as_=tmp_path / "child", verbose=0, **changes)
    alike(child.at(0).before.parameters, parent.at(0).before.parameters)
    assert getattr(child.training, name) == changes[name]
    assert child.steps == (8 if name == "batch_size" else 20)
    assert pl.open_run(tmp_path / "child").at(-1).exact


UNKNOWN = [
    ({"learning_rte": 1}, r"'learning_rte' is not known.*learning_rate.*epochs.*dropout\.rate"),
    ({"droput.rate": 0.1}, r"no layer 'droput'; Sequential holds dense, dropout, batch_normalization, dense_1"),
    ({"dropout.rat": 0.1}, r"dropout \(Dropout\) has no 'rat'; it has .*rate"),
    ({"dropout.rate": 2.0}, "rate"),
    ({"epochs": 0}, "epochs=0"),
    ({"optimizer": "adamm"}, "adam"),
]


@pytest.mark.parametrize(("changes", "message"), UNKNOWN, ids=lambda value: str(value)[:20])
def test_changes_that_are_not_known(parent, tmp_path, changes, message):
    before = digests(parent.folder)
    with pytest.raises(pl.UsageError, match=message):
        parent.rewind(3, as_=tmp_path / "child", verbose=0, **changes)
    assert not list(tmp_path.iterdir())
    assert digests(parent.folder) == before
    assert parent.model.layers[1].rate == 0.2


def test_steps_that_are_not_there(parent, tmp_path):
    for n in (-1, 21):
        with pytest.raises(pl.UsageError, match=rf"step {n} is not there: the run can go back to steps 0 to 20"):
            parent.rewind(n, as_=tmp_path / "child", verbose=0)
    with pytest.raises(pl.UsageError, match="not empty"):
        parent.rewind(3, as_=parent.folder, verbose=0)


def test_a_rewound_run_is_rewound_in_its_turn(parent, tmp_path):
    child = parent.rewind(6, as_=tmp_path / "child", verbose=0, learning_rate=0.02)
    grandchild = pl.open_run(child.folder).rewind(13, as_=tmp_path / "grandchild", verbose=0, **{"dropout.rate": 0.0})
    again = pl.open_run(tmp_path / "grandchild")
    assert (again.first, again.parent) == (13, child.folder.resolve())
    assert again.step_history["loss"][:6].tobytes() == parent.step_history["loss"][:6].tobytes()
    assert again.step_history["loss"][:13].tobytes() == child.step_history["loss"][:13].tobytes()
    assert again.history == grandchild.history
    for n in range(13, 20):
        assert again.at(n).exact
    for one in (grandchild, again):
        with pytest.raises(
            pl.UsageError, match=r"step 12 is not there: the run has steps 13 to 19; those before.*child"
        ):
            one.at(12)
        with pytest.raises(pl.UsageError, match=r"can go back to steps 13 to 20; those before are in .*child"):
            one.rewind(12, as_=tmp_path / "none", verbose=0)
    assert again.model.layers[1].rate == 0.0
    assert again.model.compiled.optimizer.learning_rate == 0.02


def test_a_run_that_was_not_recorded_is_rewound_too(rows, tmp_path):
    run = fitted(rows, False)
    child = run.rewind(7, verbose=0)
    assert child.folder is None
    assert child.step_history["loss"].tobytes() == run.step_history["loss"].tobytes()
    kept = run.rewind(7, as_=tmp_path / "child", verbose=0, learning_rate=0.001)
    assert kept.parent is None
    assert pl.open_run(kept.folder).at(7).exact


@pytest.mark.parametrize("recorded", [False, True])
def test_early_stopping_knows_what_it_knew(rows, tmp_path, recorded):
    """From any step, the run stops where it stopped and keeps the weights that it kept."""
    stop = pl.EarlyStopping(patience=3, restore_best_weights=True)
    options = {"epochs": 30, "validation_split": 0.3, "callbacks": [stop], "optimizer": pl.Adam(0.01), "seed": 6}
    options["sample_weight"] = None
    run = fitted(rows, tmp_path / "run" if recorded else False, **options)
    assert run.status == "stopped early"
    assert 0 < stop.best_epoch < run.epochs - 2
    for epoch in (0, stop.best_epoch, stop.best_epoch + 1, run.epochs - 1):
        n = epoch * run.replay.plan.steps + 1
        child = run.rewind(n, as_=tmp_path / f"child-{n}" if recorded else None, verbose=0)
        assert child.history == run.history
        assert child.status == "stopped early"
        alike(child.final, run.final)
        alike(child.model.parameters(), run.model.parameters())
        if recorded:  # and so does a run that was rewound from it, with less of the past in its folder
            last = run.steps - 1
            again = pl.open_run(child.folder).rewind(last, as_=tmp_path / f"again-{n}", verbose=0)
            assert again.history == run.history
            alike(again.model.parameters(), run.model.parameters())
