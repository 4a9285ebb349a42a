"""Callbacks are told in Keras' order; early stopping keeps the best weights; Ctrl-C keeps the last."""

import numpy as np
import pytest

import pellucid as pl

fit = {"engine": "numpy", "verbose": 0}


class Told(pl.Callback):
    def __init__(self):
        self.said = []
        self.weights = []

    def on_train_begin(self, logs=None):
        self.said.append("train begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.said.append(f"begin {epoch}")
        self.weights.append(self.model.parameters())

    def on_epoch_end(self, epoch, logs=None):
        self.said.append(f"end {epoch} {sorted(logs)}")
        self.weights.append(self.model.parameters())

    def on_train_end(self, logs=None):
        self.said.append("train end")


def same(a, b):
    return all(np.array_equal(a[path], b[path]) for path in b)


@pytest.mark.parametrize("engine", ["xla", "numpy"])
def test_callbacks_are_told_in_order_with_the_weights_of_the_moment(rows, make_classifier, engine):
    told = Told()
    model = make_classifier()
    run = model.fit(rows.x, rows.y, epochs=2, callbacks=[told], engine=engine, verbose=0)
    both = "['accuracy', 'loss']"
    assert told.said == [
        "train begin", "begin 0", f"end 0 {both}", "begin 1", f"end 1 {both}", "train end",
    ]  # fmt: skip
    at_begin_0, at_end_0, at_begin_1, at_end_1 = told.weights
    assert same(run.at(0).before.parameters, at_begin_0)
    assert same(at_end_0, at_begin_1)
    assert same(run.at(run.steps // 2).before.parameters, at_end_0)
    assert same(run.final, at_end_1)
    assert same(model.parameters(), at_end_1)


class Figures(pl.Callback):
    """Gives an epoch the figures of a list, before the next callback reads them."""

    def __init__(self, name, values):
        self.name, self.values = name, values

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.values[epoch]


def stopped(rows, make_classifier, values, monitor="val_loss", epochs=8, **options):
    told = Told()
    stop = pl.EarlyStopping(monitor=monitor, **options)
    model = make_classifier()
    run = model.fit(rows.x, rows.y, epochs=epochs, callbacks=[Figures(monitor, values), stop, told], **fit)
    return model, run, stop, told


def test_early_stopping_restores_the_best_weights(rows, make_classifier):
    values = [3.0, 1.0, 2.0, 1.5, 0.5]
    model, run, stop, told = stopped(rows, make_classifier, values, patience=2, restore_best_weights=True)
    assert (run.epochs, run.status, stop.best_epoch, stop.best) == (4, "stopped early", 1, 1.0)
    assert same(model.parameters(), told.weights[3])  # at the end of epoch 1
    assert same(run.final, told.weights[-1])
    assert not same(model.parameters(), run.final)


def test_without_restoring_the_last_weights_stay(rows, make_classifier):
    model, run, *_ = stopped(rows, make_classifier, [1.0, 2.0, 2.0, 2.0], patience=1)
    assert run.epochs == 2
    assert same(model.parameters(), run.final)


@pytest.mark.parametrize(
    ("values", "options", "epochs"),
    [
        ([1, 1, 1, 1, 1, 1, 1, 1], {"patience": 3}, 4),
        ([5, 4, 3, 2, 1, 0.9, 0.8, 0.7], {"patience": 0}, 8),
        ([1.0, 0.95, 0.91, 0.5, 0.5], {"patience": 1, "min_delta": 0.2}, 2),
        ([9, 9, 9, 9, 1, 2], {"patience": 1, "start_from_epoch": 4}, 6),
        ([0.1, 0.2, 0.3, 0.2, 0.1], {"monitor": "val_accuracy", "patience": 1}, 4),
        ([0.1, 0.2, 0.3, 0.2, 0.1], {"monitor": "thing", "mode": "max", "patience": 1}, 4),
        ([0.1, 0.2, 0.3], {"monitor": "val_accuracy", "mode": "min", "patience": 1}, 2),
    ],
)
def test_when_it_stops(rows, make_classifier, values, options, epochs):
    _, run, *_ = stopped(rows, make_classifier, values, **options)
    assert run.epochs == epochs


def test_keras_counts_patience_from_the_first_epoch_it_looks_at(rows, make_classifier):
    """A first figure that is NaN is no improvement, and no reason to stop before patience is over."""
    nan = float("nan")
    _, run, stop, _ = stopped(rows, make_classifier, [nan, nan, 1.0, 2.0, 2.0, 2.0], patience=2)
    assert (run.epochs, stop.best_epoch) == (5, 2)


def test_monitoring_what_no_epoch_tells(rows, make_classifier):
    with pytest.raises(pl.UsageError, match=r"monitor='val_loss'.*tells loss, accuracy.*validation_split"):
        make_classifier().fit(rows.x, rows.y, callbacks=[pl.EarlyStopping()], **fit)


class Nameless(pl.Metric):
    """Nobody says whether more of it is better."""

    def statistics(self, xp, y, y_pred, weight):
        return {"sum": xp.sum(y_pred)}

    def result(self, statistics):
        return float(statistics["sum"])


@pytest.mark.parametrize(
    ("monitor", "rises"),
    [
        ("loss", False),
        ("val_loss", False),
        ("accident_loss", False),  # of the output "accident", though "acc" is in its name
        ("val_accident_loss", False),
        ("accident_mae", False),
        ("val_digit_accuracy", True),
        ("val_digit_auc", True),
        ("val_box_box_iou", True),
        ("digit_mean_average_precision", True),
    ],
)
def test_which_way_is_better_is_said_by_the_metric(rows, monitor, rises):
    class Three(pl.Model):
        def __init__(self):
            super().__init__()
            self.parts = [pl.Dense(3), pl.Dense(4, "sigmoid"), pl.Dense(1)]

        def __call__(self, x):
            return dict(zip(("digit", "box", "accident"), (part(x) for part in self.parts), strict=True))

    model = Three()
    model.compile(
        "sgd",
        {"digit": pl.SparseCategoricalCrossentropy(from_logits=True), "box": "mse", "accident": "mse"},
        {"digit": ["accuracy", "auc", pl.MeanAveragePrecision()], "box": ["box_iou"], "accident": ["mae"]},
    )
    count = len(rows.x)
    box = np.tile([0.1, 0.1, 0.9, 0.9], (count, 1))
    y = {"digit": rows.y, "box": box, "accident": rows.x[:, :1]}
    stop = pl.EarlyStopping(monitor, patience=9)
    run = model.fit(rows.x, y, epochs=3, validation_split=0.3, callbacks=[stop], record=False, **fit)
    assert abs(stop.best) == (max if rises else min)(run.history[monitor])
    assert (stop.best < 0) is rises


@pytest.mark.parametrize("monitor", ["metric", "val_metric", "thing", "val_thing"])
def test_a_figure_of_which_nobody_says_what_is_better(rows, make_classifier, monitor):
    model = make_classifier()
    model.compile("sgd", model.compiled.loss, [Nameless()])
    told = Told()
    with pytest.raises(pl.UsageError, match=rf"monitor='{monitor}'.*give mode='min' or mode='max'"):
        model.fit(rows.x, rows.y, callbacks=[told, pl.EarlyStopping(monitor)], record=False, **fit)
    assert told.said == ["train begin"]  # nothing was trained
    stop = pl.EarlyStopping("metric", mode="max")
    assert model.fit(rows.x, rows.y, callbacks=[stop], record=False, **fit).epochs == 1


def test_a_stopping_may_be_used_again(rows, make_classifier):
    stop = pl.EarlyStopping(monitor="loss", patience=50, restore_best_weights=True)
    for _ in range(2):
        run = make_classifier("sgd").fit(rows.x, rows.y, epochs=2, callbacks=[stop], **fit)
        assert run.epochs == 2
        assert stop.best == pytest.approx(min(run.history["loss"]))


class Interrupts(pl.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("engine", ["xla", "numpy"])
def test_ctrl_c_keeps_the_weights_so_far_and_comes_through(rows, make_classifier, engine):
    model, told = make_classifier(), Told()
    with pytest.raises(KeyboardInterrupt):
        model.fit(rows.x, rows.y, epochs=9, batch_size=35, callbacks=[told, Interrupts()], engine=engine, verbose=0)
    assert same(model.parameters(), told.weights[-1])
    assert told.said[-1] == "train end"
    run = model.last_run
    assert (run.status, run.epochs, run.steps) == ("interrupted", 2, 4)
    assert run.at(3).loss == run.step_history["loss"][3]
    assert model.predict(rows.x).shape == (70, 3)


def test_an_error_in_a_callback_comes_through(rows, make_classifier):
    class Breaks(pl.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("mine")

    model = make_classifier()
    with pytest.raises(RuntimeError, match="mine"):
        model.fit(rows.x, rows.y, callbacks=[Breaks()], **fit)
    assert model.parameters()
    assert model.last_run.status not in ("finished", "running")


def test_a_bar_goes_to_standard_error_and_nothing_without_it(rows, make_classifier, capfd):
    make_classifier().fit(rows.x, rows.y, epochs=2, engine="numpy", verbose=1)
    out, err = capfd.readouterr()
    assert out == ""
    assert "epoch" in err
    assert "loss" in err
    make_classifier().fit(rows.x, rows.y, **fit)
    assert capfd.readouterr() == ("", "")
