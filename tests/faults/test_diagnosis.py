"""What a diagnosis says and offers, and that it is the same for a run from its folder."""

import json

import healthy
import numpy as np
import planted
import pytest
from fault_tools import SPARSE, blobs, surface

import pellucid as pl
from pellucid.data.dataset import Batch
from pellucid.nn.losses import Huber, Loss
from pellucid.runs.why import Diagnosis, Finding
from pellucid.runs.why.baseline import classes_of, constant_loss
from pellucid.runs.why.evidence import Evidence
from pellucid.runs.why.learning import noise_scale


@pytest.fixture(scope="module")
def slow():
    """A run whose learning rate is too low."""
    return planted.rate_too_low_sgd()


def test_a_diagnosis_shows_itself(slow, capsys):
    diagnosis = slow.why()
    text = str(diagnosis)
    assert text.startswith("Learning rate too low, step 0")
    for word in (
        "Evidence: ",
        "Likely cause: ",
        "Try: ",
        "pellucid rewind RUN --step 0 --set optimizer.learning_rate=",
    ):
        assert word in text
    diagnosis.show()
    assert capsys.readouterr().out == text + "\n"
    assert "<h2" in diagnosis._repr_html_()
    plain = json.loads(json.dumps(diagnosis.to_json(), allow_nan=False))
    assert not plain["ok"] and plain["findings"][0]["kind"] == "learning rate too low"


def test_nothing_found_is_one_sentence_that_says_what_was_looked_at():
    diagnosis = healthy.adam_classes().why()
    assert diagnosis.ok and diagnosis.to_json()["findings"] == []
    text = str(diagnosis)
    assert text.startswith("Nothing was found. The losses of 120 steps") and "\n" not in text


def test_a_command_quotes_what_the_shell_would_read():
    finding = Finding("x", "", "", "", rewind={"dense.activation": "relu", "batch_size": 32}, at=7)
    assert finding.target("my runs/1").shell() == (
        "pellucid rewind 'my runs/1' --step 7 --set dense.activation=relu --set batch_size=32"
    )
    assert Finding("x", "", "", "").target("runs/1") is None


def test_the_rewind_that_is_offered_trains_better(slow):
    finding = slow.why().findings[0]
    better = slow.rewind(finding.at, verbose=0, **finding.rewind)
    assert better.history["loss"][-1] < 0.5 * slow.history["loss"][-1]


@pytest.mark.parametrize(
    "make", [planted.spike_by_schedule, planted.relus_killed_by_update, planted.eight_sigmoids, planted.batch_of_two]
)
def test_every_rewind_is_one_that_rewind_takes(make):
    run = make()
    for finding in run.why().findings:
        if finding.rewind:
            assert run.rewind(finding.at, verbose=0, **finding.rewind).steps > finding.at


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_a_run_from_its_folder_gives_the_same_findings(tmp_path, engine):
    x, y = surface()
    x[77] = 1e30
    model = pl.Sequential([pl.Dense(8, "relu"), pl.Dense(1)])
    model.compile(pl.SGD(0.01), "mse")
    with pytest.raises(pl.NotFiniteError):
        model.fit(x, y, batch_size=16, epochs=3, engine=engine, record=tmp_path / "run", verbose=0)
    found = pl.open_run(tmp_path / "run").why()
    assert [f.kind for f in found.findings] == ["not finite"]
    assert found.findings[0].step == planted.step_of(240, 77, 16) and found.findings[0].rows == (77,)
    assert found.to_json() == model.last_run.why().to_json()


def test_a_rewound_run_is_looked_at_from_where_it_begins(tmp_path):
    x, y = blobs()
    model = pl.Sequential([pl.Dense(16, "tanh"), pl.Dense(3)])
    model.compile(pl.Adam(0.003), SPARSE)
    run = model.fit(x, y, epochs=4, engine="numpy", record=tmp_path / "run", verbose=0)
    assert run.why().ok
    other = run.rewind(16, learning_rate=30.0, as_=tmp_path / "other", verbose=0)
    found = pl.open_run(other.folder).why().findings
    assert found[0].kind == "learning rate too high" and found[0].step == 16


def test_a_run_without_a_step_gives_no_finding():
    x, y = blobs()
    model = pl.Sequential([pl.Dense(3)])
    model.compile("adam", SPARSE)

    class Stop(pl.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, engine="numpy", callbacks=[Stop()], record=False, verbose=0)
    assert isinstance(model.last_run.why(), Diagnosis) and model.last_run.why().ok


def test_the_best_constant_is_that_of_a_search():
    draw = np.random.default_rng(0)
    y = draw.normal(size=(200, 1)) ** 3
    grid = np.linspace(-3, 3, 6001)
    batch = Batch(y, y)
    for loss, cost in (
        (pl.MeanSquaredError(), lambda e: e**2),
        (pl.MeanAbsoluteError(), abs),
    ):
        best = min(cost(y - c).mean() for c in grid)
        assert constant_loss(loss, batch) == pytest.approx(best, rel=1e-4)
    # For Huber the median stands in for the best constant, which it is near to.
    huber = min(np.where(abs(y - c) > 1, abs(y - c) - 0.5, 0.5 * (y - c) ** 2).mean() for c in grid)
    assert huber <= constant_loss(Huber(), batch) <= 1.1 * huber


def test_the_best_constant_for_classes_is_their_entropy():
    y = np.array([0, 0, 0, 1])
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert constant_loss(SPARSE, Batch(y, y)) == pytest.approx(entropy)
    assert constant_loss(pl.CategoricalCrossentropy(), Batch(y, np.eye(2)[y])) == pytest.approx(entropy)
    assert constant_loss(pl.BinaryCrossentropy(), Batch(y, y[:, None])) == pytest.approx(entropy)
    assert constant_loss(SPARSE, Batch(y, y * 0)) is None
    assert constant_loss(Loss(), Batch(y, y)) is None
    assert classes_of(pl.MeanSquaredError(), y) is None


def test_the_noise_scale_is_that_of_the_gradients_of_the_rows():
    """tr(Σ) / |G|² from the gradient of each row, worked out for a model of one weight."""
    draw = np.random.default_rng(1)
    x = draw.normal(size=(600, 1)).astype("float32")
    y = (2 * x + draw.normal(size=x.shape)).astype("float32")
    model = pl.Sequential([pl.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(pl.SGD(0.0), "mse")
    run = model.fit(x, y, batch_size=2, epochs=1, engine="numpy", record=False, verbose=0)
    each = (-2 * x * y).astype(float)
    expected = each.var() / each.mean() ** 2
    # From 32 batches of 2: the mean of 32 squares of a heavy-tailed number is known to about a third.
    assert noise_scale(Evidence(run)) == pytest.approx(expected, rel=1.0)
