"""A program is compiled once for all that is the same, and never stands for anything else."""

import gc
import os
import subprocess
import sys
import weakref
from dataclasses import field

import numpy as np
import pytest

import pellucid as pl
from pellucid.engine import programs
from pellucid.engine.signature import signature

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
Y = (X[:, 0] > 0) * 1
FIT = {"epochs": 2, "batch_size": 8, "record": False, "verbose": 0}


def network(units=5, dropout=0.0, rate=0.01):
    model = pl.Sequential([pl.Dense(units, "relu"), *([pl.Dropout(dropout)] if dropout else []), pl.Dense(2)])
    model.compile(pl.Adam(rate), pl.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    return model


@pytest.fixture
def compiled():
    """How many programs XLA compiled since it was asked last."""
    from jax import monitoring

    seen = []

    def listen(event, duration, **_):
        if event.endswith("backend_compile_duration"):
            seen.append(event)

    monitoring.register_event_duration_secs_listener(listen)
    programs.forget()

    def count():
        found = len(seen)
        seen.clear()
        return found

    yield count
    monitoring.clear_event_listeners()


def test_a_second_training_compiles_nothing(compiled):
    model = network()
    run = model.fit(X, Y, **FIT)
    model.evaluate(X, Y)
    model.predict(X)
    run.at(3)
    assert compiled() > 0
    again = model.fit(X, Y, **FIT)
    model.evaluate(X, Y)
    model.predict(X)
    again.at(3)
    again.rewind(3, verbose=0).at(4)
    assert compiled() == 0


def test_a_new_network_of_the_same_shape_compiles_nothing(compiled):
    network().fit(X, Y, **FIT)
    compiled()
    network().fit(X, Y, **FIT)
    network().fit(X, Y, **FIT | {"seed": 9})
    assert compiled() == 0


def test_another_seed_with_dropout_is_another_program(compiled):
    first = network(dropout=0.5).fit(X, Y, **FIT)
    compiled()
    second = network(dropout=0.5).fit(X, Y, **FIT | {"seed": 9})
    assert compiled() > 0
    eager = network(dropout=0.5).fit(X, Y, **FIT | {"seed": 9, "engine": "numpy"})
    np.testing.assert_allclose(second.step_history["loss"], eager.step_history["loss"], rtol=1e-4)
    again = network(dropout=0.5).fit(X, Y, **FIT)
    assert again.step_history["loss"].tobytes() == first.step_history["loss"].tobytes()


def test_two_engines_made_before_either_was_traced_have_each_their_seed():
    from pellucid.engine.engines import XlaEngine
    from pellucid.engine.step import State, Step

    model = network(dropout=0.5)
    model.build(X)
    steps = [Step(model, model.compiled.loss, model.compiled.optimizer, seed=seed) for seed in (1, 2)]
    engines = [XlaEngine(step, "float32") for step in steps]
    parameters = model.parameters()
    state = State(parameters, model.compiled.optimizer.init(parameters))
    from pellucid.data.dataset import Batch

    batch = Batch(X[None, :8], Y[None, :8].astype(np.int32))
    for engine, step in zip(engines, steps, strict=True):
        compiled_loss = engine.run(engine.start(state), batch, 1)[1].loss[0]
        eager_loss = step(state, batch.map(lambda a: a[0]))[1].loss
        assert compiled_loss == pytest.approx(float(eager_loss), rel=1e-5)


def test_a_changed_setting_is_another_program():
    model = network()
    model.fit(X, Y, **FIT)
    before = model.predict(X)
    model.layers[0].activation = "tanh"
    after = model.predict(X)
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after, model.predict(X, engine="numpy"), rtol=1e-4, atol=1e-6)
    model.layers.insert(1, pl.Activation("sigmoid"))
    np.testing.assert_allclose(model.predict(X), model.predict(X, engine="numpy"), rtol=1e-4, atol=1e-6)


SCALE = 2.0


class Scaled(pl.Layer):
    """Reads a number of its module."""

    def __call__(self, x):
        return x * SCALE


def closed(factor):
    class Closed(pl.Layer):
        def __call__(self, x):
            return x * factor

    return Closed()


def test_what_a_persons_own_code_sees_is_part_of_it(monkeypatch):
    def predicted(layer):
        model = pl.Sequential([layer])
        return model.predict(X)

    np.testing.assert_allclose(predicted(Scaled()), 2 * X)
    monkeypatch.setattr(sys.modules[__name__], "SCALE", 3.0)
    np.testing.assert_allclose(predicted(Scaled()), 3 * X)
    np.testing.assert_allclose(predicted(closed(5.0)), 5 * X)
    np.testing.assert_allclose(predicted(closed(7.0)), 7 * X)


class Worked(pl.Layer):
    """Works out attributes of its own, which are no arguments."""

    given: int
    factor: int = field(default=0, init=False)
    inner: list[pl.Layer] = field(default_factory=list, init=False)

    def __post_init__(self):
        self.factor, self.inner = self.given + 1, [pl.Dense(2, kernel_initializer="ones")]

    def __call__(self, x):
        return self.inner[0](x) * float(self.factor)


def test_what_a_layer_works_out_is_a_setting_too():
    """A program is traced on a copy, which has to have all of it; and one that is set later makes another program."""
    model = pl.Sequential([Worked(0)])
    total = np.repeat(X.sum(axis=1, keepdims=True), 2, axis=1)
    np.testing.assert_allclose(model.predict(X), total, rtol=1e-4, atol=1e-5)
    model.layers[0].factor = 3
    np.testing.assert_allclose(model.predict(X), 3 * total, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.clone().predict(X), 3 * total, rtol=1e-4, atol=1e-5)


def test_the_same_class_defined_again_is_another():
    def defined(sign):
        class Again(pl.Layer):
            def __call__(self, x):
                return x + 1.0 if sign > 0 else x - 1.0

        return Again

    one, other = (pl.Sequential([defined(sign)()]).predict(X) for sign in (1, -1))
    np.testing.assert_allclose(one - other, np.full_like(X, 2.0), rtol=1e-5)


def test_a_signature_tells_what_differs():
    same = [
        lambda: pl.Dense(3),
        lambda: pl.Adam(pl.CosineDecay(0.1, 10)),
        lambda: network(),
        lambda: pl.Normalization(mean=[1.0, 2.0], variance=[1.0, 4.0]),
    ]
    assert all(signature(make()) == signature(make()) for make in same)
    shared = pl.Dense(3)
    different = [
        (pl.Dense(3), pl.Dense(4)),
        (pl.Adam(0.1), pl.Adam(0.2)),
        (pl.Adam(0.1), pl.AdamW(0.1)),
        (0.0, -0.0),
        (1, 1.0),
        (1, True),
        ([shared, shared], [pl.Dense(3), pl.Dense(3)]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.zeros(3), np.zeros(3, np.float32)),
        (object(), object()),
    ]
    assert not any(signature(one) == signature(other) for one, other in different)


def test_no_network_is_kept_alive():
    model = network()
    model.fit(X, Y, **FIT)
    model.predict(X)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_only_the_last_programs_are_kept(monkeypatch):
    programs.forget()
    monkeypatch.setattr(programs, "MOST", 3)
    for units in range(2, 9):
        network(units).predict(X)
    assert len(programs._KEPT) == 3


CHILD = """
import sys, time
import numpy as np, pellucid as pl
x = np.random.default_rng(0).normal(size=(48, 6, 6, 2)).astype("float32"); y = (x[:, 0, 0, 0] > 0) * 1
layers = {
    "dense": lambda: [pl.Flatten(), pl.Dense(8, "relu"), pl.Dropout(0.3), pl.Dense(2)],
    "convolution": lambda: [pl.Conv2D(3, 3), pl.BatchNormalization(), pl.MaxPooling2D(2), pl.Flatten(), pl.Dense(2)],
    "lstm": lambda: [pl.Reshape((12, 6)), pl.LSTM(5), pl.Dense(2)],
}
for name, make in layers.items():
    model = pl.Sequential(make())
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True))
    run = model.fit(x, y, epochs=2, batch_size=16, record=False, verbose=0)
    print(name, run.step_history["loss"].tobytes().hex(), *(w.tobytes().hex() for w in model.parameters().values()))
"""


def test_a_program_from_the_disk_has_the_bits_of_a_fresh_one(tmp_path):
    def trained(cache):
        environment = {**os.environ, "PELLUCID_CACHE": str(cache)}
        done = subprocess.run(
            [sys.executable, "-c", CHILD], capture_output=True, text=True, env=environment, check=True
        )
        assert done.stderr == ""
        return done.stdout

    fresh, cold, warm = trained("off"), trained(tmp_path / "cache"), trained(tmp_path / "cache")
    assert any((tmp_path / "cache").rglob("*-cache"))
    assert fresh == cold == warm


def test_a_cache_that_cannot_be_made_is_done_without(tmp_path):
    (tmp_path / "file").write_text("")
    code = "from pellucid.engine.disk_cache import switch_on; print(switch_on())"
    for place in (tmp_path / "file" / "below", "off"):
        environment = {**os.environ, "PELLUCID_CACHE": str(place)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        assert (done.stdout, done.stderr) == ("None\n", "")
