"""A person's own classes survive: written with their module and arguments, made again in a process that imports it."""

import json
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest

import pellucid as pl
from pellucid.fit.callbacks import Memory
from pellucid.registry import from_config, to_config
from pellucid.storage import RunFolder

MINE = """
    from dataclasses import dataclass, field
    from typing import ClassVar
    import numpy as np
    import pellucid as pl
    from pellucid.fit.callbacks import Memory
    from pellucid.nn.initializer import Initializer
    from pellucid.nn.regularizers import Constraint, Regularizer
    from pellucid.optim import Optimizer
    from pellucid.optim.schedule import Schedule

    @pl.register
    def bent(x):
        return x + pl.tanh(x) * 0.5

    @pl.op()
    def doubled(xp, x):
        '''Twice x.'''
        return x + x

    @doubled.backward
    def _(dy, y, x):
        return (dy + dy,)

    class Gain(pl.Layer):
        def __init__(self, start, *rest, activation=None, **more):
            super().__init__(name=more.get("name"))
            self.start, self.rest, self.activation = start, rest, activation

        def __call__(self, x):
            y = x * self.weight(x, "gain", (x.shape[-1],), Filled(self.start))
            return self.activation(y) if self.activation else y

    class Wide(Gain):
        pass

    class Net(pl.Model):
        def __init__(self, layers, repeated=1):
            super().__init__()
            self.hidden, self.repeated = layers, repeated

        def __call__(self, x):
            for layer in self.hidden:
                x = layer(x)
            return x

    @dataclass(frozen=True)
    class Filled(Initializer):
        value: float = 1.0

        def draw(self, shape, seed, path):
            return np.full(shape, self.value)

    @dataclass(frozen=True)
    class Quartic(Regularizer):
        factor: float = 0.01

        def __call__(self, w):
            return pl.sum(pl.square(pl.square(w))) * self.factor

    @dataclass(frozen=True)
    class Clipped(Constraint):
        top: float = 1.0

        def __call__(self, xp, w):
            return xp.clip(w, -self.top, self.top)

    class Ramp(pl.Loss):
        def __init__(self, slopes, inner=None):
            self.slopes, self.inner = slopes, inner

        def rows(self, y, y_pred):
            found = pl.mean(pl.absolute(y_pred - y) * self.slopes[0], axis=1)
            return found + self.inner.rows(y, y_pred) * self.slopes[1] if self.inner else found

    @dataclass(frozen=True)
    class Within(pl.Metric):
        margin: float = 0.5
        name: str = field(default="within", kw_only=True)
        higher_is_better: ClassVar[bool] = True

        def statistics(self, xp, y, y_pred, weight):
            near = xp.abs(y - y_pred) < self.margin
            return {"near": xp.sum(xp.astype(near, xp.int32)), "count": xp.asarray(y.shape[0], dtype=xp.int32)}

        def result(self, statistics):
            return float(statistics["near"] / statistics["count"])

    @dataclass(frozen=True)
    class Signs(Optimizer):
        power: float = 0.5

        def rule(self, xp, g, w, rate, t):
            change = -rate * xp.sign(g) * xp.abs(g) ** self.power
            return (change,)

    @dataclass(frozen=True)
    class Halved(Schedule):
        start: float
        every: int

        def __call__(self, xp, step):
            return self.start * 0.5 ** (xp.asarray(step, dtype=float) / self.every)

    class Notes(pl.Callback):
        def __init__(self, upto, words=()):
            self.upto, self.words, self.seen = upto, words, []

        def on_epoch_end(self, epoch, logs=None):
            self.seen.append(round(logs["loss"], 6))
            self.stop_training = epoch + 1 >= self.upto

        def memory(self):
            return Memory({"seen": list(self.seen)})

        def recall(self, memory):
            self.seen = list(memory.settings["seen"])

    class Silent(pl.Callback):
        pass

    class Stops(pl.Callback):
        armed = False

        def on_epoch_end(self, epoch, logs=None):
            if Stops.armed and epoch == 2:
                raise KeyboardInterrupt

    ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    TARGETS = ROWS[:, :1] - ROWS[:, 1:2] * 0.5

    def made():
        dense = pl.Dense(
            4, activation=bent, kernel_initializer=Filled(0.1), kernel_regularizer=Quartic(0.02),
            kernel_constraint=Clipped(0.8),
        )
        layers = [dense, Gain(0.9, 1, 2, activation=bent, name="gain"), Wide(1.1), pl.Dense(1, doubled)]
        model = Net(layers, repeated=np.int64(2))
        model.compile(Signs(Halved(0.05, 20), power=0.9), Ramp([0.5, 0.25], inner=pl.Huber(0.7)), [Within(0.3)])
        return model

    def fitted(place, **more):
        # A checkpoint after each call of the engine.
        how = pl.Recording(folder=place, share=1.0)
        callbacks = [Notes(5, words=["a", "b"]), Silent(), pl.EarlyStopping("within", patience=50), Stops()]
        return made().fit(
            ROWS, TARGETS, batch_size=16, epochs=6, engine="numpy", callbacks=callbacks, verbose=0, record=how, **more
        )
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a module of a person's own, and what another process trained with it."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_parts.py").write_text(textwrap.dedent(MINE))
    process(
        folder,
        """
        import my_parts
        run = my_parts.fitted("whole")
        run.model.save("model")
        my_parts.Stops.armed = True
        try:
            my_parts.fitted("stopped")
        except KeyboardInterrupt:
            pass
        """,
    )
    return folder


def process(folder, code):
    """What a new process prints, as JSON; or, where it fails, the last line of what it says."""
    lines = "import json, numpy as np, pellucid as pl\n" + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-W", "error", "-c", lines], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    return json.loads(done.stdout) if done.stdout else None


def test_a_saved_model_is_loaded(place):
    found = process(
        place,
        """
        import my_parts
        model, run = pl.load("model"), pl.open_run("whole")
        now = model.compiled
        same = np.array_equal(model.predict(my_parts.ROWS), run.model.predict(my_parts.ROWS))
        gain = model.hidden[1]
        print(json.dumps([
            bool(same), now.optimizer == my_parts.Signs(my_parts.Halved(0.05, 20), power=0.9),
            now.loss == my_parts.Ramp([0.5, 0.25], pl.Huber(0.7)), now.loss == my_parts.Ramp([0.5, 0.5]),
            now.metrics == (my_parts.Within(0.3),), [gain.start, list(gain.rest), gain.name], model.repeated,
            type(model.hidden[2]).__name__, model.hidden[0].kernel_constraint.top,
        ]))
        """,
    )
    assert found == [True, True, True, False, True, [0.9, [1, 2], "gain"], 2, "Wide", 0.8]


def test_every_step_of_a_run_is_opened(place):
    code = "import my_parts; run = pl.open_run('whole'); print([int(run.at(n).exact) for n in range(run.steps)])"
    assert process(place, code) == [1] * 15


def test_an_interrupted_run_is_resumed(place):
    found = process(
        place,
        """
        import my_parts
        whole, again = pl.open_run("whole"), pl.resume("stopped", verbose=0)
        notes = again.callbacks[0]
        print(json.dumps([
            again.step_history["loss"].tobytes() == whole.step_history["loss"].tobytes(), again.status, notes.words,
            len(notes.seen), again.history == whole.history, pl.open_run("stopped").at(-1).exact,
        ]))
        """,
    )
    assert found == [True, "stopped early", ["a", "b"], 5, True, True]


@pytest.mark.parametrize("step", [0, 7, 12])
def test_a_run_is_rewound(place, step, tmp_path):
    found = process(
        place,
        f"""
        import my_parts
        whole = pl.open_run("whole")
        again = whole.rewind({step}, as_={str(tmp_path / "child")!r}, verbose=0)
        print(json.dumps([
            again.step_history["loss"].tobytes() == whole.step_history["loss"].tobytes(), again.status,
            len(again.callbacks[0].seen), pl.open_run({str(tmp_path / "child")!r}).at(-1).exact,
        ]))
        """,
    )
    assert found == [True, "stopped early", 5, True]


def test_without_its_module_an_error_names_class_and_module(place):
    unknown = r"the layer 'Net' is not known here; it is your own, of the module 'my_parts': import my_parts first"
    for code in ("pl.load('model')", "pl.open_run('whole')", "pl.resume('stopped')"):
        assert process(place, code).endswith(unknown)


@pytest.mark.parametrize("kind", ["layer", "loss", "metric", "optimizer", "schedule", "initializer", "callback"])
def test_each_kind_that_is_not_known_says_so(kind):
    tag = "class" if kind == "layer" else kind
    with pytest.raises(pl.UsageError, match=rf"the {kind} 'Gone' is not known here; .*'far.off': import far.off first"):
        from_config({tag: "Gone", "module": "far.off"})
    with pytest.raises(pl.UsageError, match=rf"the {kind} 'Gone' is not known here; import the module that defines it"):
        from_config({tag: "Gone"})


def test_from_a_script_it_may_be_imported_as_a_module(place):
    """What was trained as __main__ opens where one class of that name is known, under another module's name."""
    trained = "exec(open('my_parts.py').read()); fitted('script')"
    assert process(place, trained) is None
    assert '"module": "__main__"' in (place / "script" / "run.json").read_text()
    assert process(place, "import my_parts; print(int(pl.open_run('script').at(3).exact))") == 1
    assert "it was defined in a script or notebook" in process(place, "pl.open_run('script')")


# Names


def test_ones_own_class_never_stands_for_one_of_the_library():
    class Huber(pl.Loss):
        def rows(self, y, y_pred):
            return pl.mean(y_pred - y, axis=1)

    class Dense(pl.Dense):
        pass

    assert to_config(pl.Huber()) == {"loss": "Huber", "delta": 1.0}
    assert type(from_config({"loss": "Huber"})) is pl.Huber
    assert type(from_config({"class": "Dense", "units": 2})) is pl.Dense
    for own in (Huber(), Dense(2)):
        assert to_config(own)["module"] == __name__
        assert type(from_config(to_config(own))) is type(own)


def test_a_class_that_is_defined_again_takes_the_place_of_the_first():
    def defined(scale):
        class Again(pl.Layer):
            factor = scale

        return Again

    old, new = defined(1), defined(2)
    assert from_config(to_config(old())).factor == 2
    assert type(from_config(to_config(new()))) is new


def test_classes_of_one_name_are_told_apart_by_module():
    kinds = [type("Twin", (pl.Callback,), {"__module__": module}) for module in ("first", "second")]
    for kind in kinds:
        assert type(from_config(to_config(kind()))) is kind
    with pytest.raises(pl.UsageError, match=r"there are 2 .*callbacks called 'Twin' here, in first and second.*third"):
        from_config({"callback": "Twin", "module": "third"})


# Arguments


class Holds(pl.Layer):
    def __init__(self, thing, other=None):
        super().__init__()
        self.thing, self.other = thing, other

    def __call__(self, x):
        return x


@pl.register
class Grid:
    def __init__(self, *sides, unit="cm"):
        self.sides, self.unit = sides, unit


@pl.register
def bent(x):
    return x


@pytest.mark.parametrize(
    "thing",
    [
        1, 2.5, "text", True, None, [1, [2.0, None]], {"a": 1, "b": [2]}, {"loss": "high", "class": "A"},
        {"shared": 3, "dict": {"op": "relu"}}, float("inf"), bent, pl.Huber(0.5), [pl.L2(0.1), pl.HeNormal()],
        pl.SPSA(0.1), pl.Warmup(pl.Constant(0.1), 5),
    ],
)  # fmt: skip
def test_what_can_be_written_is_given_again(thing):
    config = json.loads(json.dumps(to_config(Holds(thing))))
    assert from_config(config).thing == thing


def test_lists_and_numbers_of_numpy_are_written_plainly():
    rows = [1, 2]
    held = Holds(rows, (np.float32(0.5), np.int64(3)))
    rows.append(3)  # what it was given is kept
    assert to_config(held) == {"class": "Holds", "module": __name__, "thing": [1, 2], "other": [0.5, 3]}


def test_arguments_whose_names_are_taken():
    class Watches(pl.Callback):
        def __init__(self, metric, module, callback):
            self.all = metric, module, callback

    config = to_config(Watches("accuracy", "left", pl.EarlyStopping(patience=3)))
    assert config["arguments"]["module"] == "left"
    again = from_config(json.loads(json.dumps(config)))
    assert again.all[:2] == ("accuracy", "left")
    assert again.all[2].patience == 3


def test_a_class_that_is_no_subclass_is_registered():
    held = from_config(json.loads(json.dumps(to_config(Holds(Grid(3, 4, unit="m"))))))
    assert (held.thing.sides, held.thing.unit) == ((3, 4), "m")


@pytest.mark.parametrize(
    ("thing", "what"),
    [
        (lambda x: x, "a lambda"),
        (np.zeros((2, 3)), r"an array of shape \(2, 3\)"),
        ([1, object()], "of the type object"),
        ({3: 4}, "of the type dict"),
        (pl.Dense, "the class Dense"),
        (test_lists_and_numbers_of_numpy_are_written_plainly, "the function test_lists"),
    ],
)
def test_what_cannot_be_written_is_named(thing, what):
    with pytest.raises(pl.UsageError, match=rf"Holds\(thing=…\) is {what}.*pellucid.register.*get_config"):
        to_config(pl.Sequential([Holds(thing)]))


def test_a_class_may_say_itself_what_is_written():
    class Table(pl.Layer):
        def __init__(self, rows):
            super().__init__()
            self.rows = np.asarray(rows)

        def get_config(self):
            return super().get_config() | {"rows": self.rows.tolist()}

    again = from_config(json.loads(json.dumps(to_config(Table(np.eye(2))))))
    assert np.array_equal(again.rows, np.eye(2))


def test_another_init_than_when_it_was_written():
    with pytest.raises(pl.UsageError, match=r"Holds of .* cannot be made of thing, gone: it takes no gone"):
        from_config({"class": "Holds", "module": __name__, "thing": 1, "gone": 2})


class Heavy(pl.SGD):
    def __init__(self, rate):
        super().__init__(rate, momentum=0.9)


def test_an_argument_of_an_optimizer_of_ones_own_is_changed_in_a_rewind(tmp_path):
    model = pl.Sequential([pl.Dense(1)])
    model.compile(Heavy(0.1), "mse")
    run = model.fit(X, X[:, :1], epochs=3, engine="numpy", verbose=0, record=tmp_path / "run")
    child = run.rewind(1, as_=tmp_path / "child", verbose=0, rate=pl.Constant(0.01))
    assert child.model.compiled.optimizer == Heavy(pl.Constant(0.01)) != Heavy(0.1)
    assert pl.open_run(tmp_path / "child").at(-1).exact
    with pytest.raises(pl.UsageError, match=r"'momentum' is not known; a rewind can change rate of the optimizer"):
        run.rewind(1, as_=tmp_path / "none", verbose=0, momentum=0.5)


def test_losses_with_an_init_of_their_own_are_told_apart():
    class Sloped(pl.Loss):
        def __init__(self, slope):
            self.slope = slope

    assert Sloped(1) == Sloped(1)
    assert Sloped(1) != Sloped(2)
    assert len({Sloped(1), Sloped(1)}) == 1


# A layer at two places


def test_a_layer_at_two_places_is_one_on_disk(tmp_path):
    twice = pl.Dense(3, "tanh")
    inner = pl.Sequential([twice, pl.Dense(3)])
    model = pl.Sequential([twice, inner, twice, inner, pl.Dense(1)])
    config = to_config(model)
    first, second, third, fourth, _ = config["layers"]
    assert first == {"class": "Dense", "units": 3, "activation": "tanh"}
    assert second["layers"][0] == third == {"shared": 1}
    assert fourth == {"shared": 2}
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    run = model.fit(x, x[:, :1], epochs=2, engine="numpy", verbose=0, record=tmp_path / "run")
    again = pl.open_run(tmp_path / "run")
    layers = again.model.layers
    assert layers[0] is layers[2] is layers[1].layers[0]
    assert layers[1] is layers[3]
    assert again.at(-1).exact
    assert np.array_equal(again.model.predict(x), run.model.predict(x))
    with pytest.raises(pl.UsageError, match="names a layer that was not written before"):
        from_config({"class": "Sequential", "layers": [{"shared": 5}]})


# Runs that cannot be replayed


def held(thing):
    model = pl.Sequential([Holds(thing), pl.Dense(1)])
    model.compile("sgd", "mse")
    return model


X = np.ones((6, 2), "float32")


def test_a_run_that_cannot_be_replayed_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_RUNS", str(tmp_path / "runs"))
    model = held(lambda x: x)
    why = r"this run cannot be replayed because Holds\(thing=…\) is a lambda"
    with pytest.raises(pl.UsageError, match=why):
        model.fit(X, X[:, :1], engine="numpy", verbose=0, record=tmp_path / "asked")
    assert not (tmp_path / "asked").exists()
    with pytest.warns(UserWarning, match=why) as told:
        run = model.fit(X, X[:, :1], engine="numpy", verbose=0)
    assert len(told) == 1
    assert run.at(0).exact  # while it is at hand
    assert RunFolder.open(run.folder).manifest["unreplayable"].startswith("this run cannot be replayed")
    with pytest.raises(pl.RunError, match=why):
        pl.open_run(run.folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, X[:, :1], engine="numpy", verbose=0, record=False)
    with pytest.raises(pl.UsageError, match=r"Holds\(thing=…\) is a lambda"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


class Heard(pl.Callback):
    def __init__(self, tell):
        self.tell, self.epochs = tell, 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1
        self.tell(epoch)

    def memory(self):
        return Memory({"epochs": self.epochs})

    def recall(self, memory):
        self.epochs = memory.settings["epochs"]


def test_a_callback_that_cannot_be_written_is_given_again(tmp_path):
    said = []
    run = held(1).fit(
        X, X[:, :1], epochs=3, engine="numpy", verbose=0, callbacks=[Heard(said.append)], record=tmp_path / "run"
    )
    assert said == [0, 1, 2]
    assert run.rewind(1, as_=tmp_path / "near", verbose=0).callbacks[0].epochs == 3
    opened = pl.open_run(tmp_path / "run")
    assert opened.at(1).exact
    with pytest.raises(
        pl.UsageError, match=r"'Heard': Heard\(tell=…\) is of the type builtin_function.*rewind\(n, callbacks="
    ):
        opened.rewind(1, as_=tmp_path / "far", verbose=0)
    again = opened.rewind(1, as_=tmp_path / "far", verbose=0, callbacks=[Heard(said.append)])
    assert again.callbacks[0].epochs == 3


class Deep(pl.Model):
    def __init__(self):
        super().__init__()
        self.noise, self.out = pl.Dropout(0.1), pl.Dense(1)

    def __call__(self, x):
        return self.out(self.noise(x))


class Deeper(Deep):
    """A subclass without an __init__ is made by that of its parent."""

    def __call__(self, x):
        return super().__call__(pl.tanh(x))


def test_a_setting_that_a_model_makes_itself_cannot_be_rewound_and_replayed(tmp_path):
    model = Deeper()
    model.compile("sgd", "mse")
    run = model.fit(X, X[:, :1], epochs=3, engine="numpy", verbose=0, record=tmp_path / "run")
    assert pl.open_run(tmp_path / "run").at(-1).exact
    with pytest.raises(pl.UsageError, match="Deeper makes its layer dropout itself, with another rate"):
        run.rewind(1, as_=tmp_path / "child", verbose=0, **{"dropout.rate": 0.5})
