"""Model: a network that is compiled, fitted, evaluated, and opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy

from pellucid import optim
from pellucid.arguments import whole
from pellucid.autodiff import Tape, Value
from pellucid.data.arrays import as_array
from pellucid.data.dataset import Dataset, input_of
from pellucid.data.named import each, first
from pellucid.engine.engines import Engine
from pellucid.engine.loop import evaluate, predictions
from pellucid.engine.step import Arrays, State, given
from pellucid.errors import ShapeError, UsageError
from pellucid.explain.tape_page import model_page
from pellucid.fit.callbacks import Callback
from pellucid.fit.compiled import Compiled
from pellucid.fit.config import FitConfig
from pellucid.fit.description import describe_run
from pellucid.fit.progress import bar
from pellucid.fit.recorder import Recorder
from pellucid.fit.training import train
from pellucid.gradcheck import SPSA, FiniteDifference
from pellucid.models import saving
from pellucid.models.arguments import (
    check_outputs,
    class_weights,
    loss_of,
    method_of,
    metrics_of,
    recording_of,
    target_of,
    three,
)
from pellucid.models.evaluators import evaluator_of
from pellucid.nn import losses, metrics
from pellucid.nn.graph import give_back, skeleton, weights_of
from pellucid.nn.layer import Layer, layers_of
from pellucid.runs.run import Run
from pellucid.storage import Recording, check_place
from pellucid.storage.recorded_arrays import known_of_arrays


class Model(Layer):
    """A network: subclass it and write `__call__(self, x)`; or use Sequential for a chain of layers.

    With several inputs, fit({"left": …, "right": …}, y), x is a dict of those names. With several outputs, `__call__`
    returns a dict, and compile takes a loss for each: loss={"class": …, "box": …}.

    >>> import numpy as np, pellucid as pl
    >>> class TwoPaths(pl.Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.inner = pl.Dense(2, "relu")
    ...         self.out = pl.Dense(1)
    ...     def __call__(self, x):
    ...         return self.out(x + self.inner(x))
    >>> model = TwoPaths()
    >>> model.predict(np.ones((3, 2), dtype="float32")).shape
    (3, 1)
    >>> list(model.parameters())
    ['dense/kernel', 'dense/bias', 'dense_1/kernel', 'dense_1/bias']
    """

    is_model: ClassVar[bool] = True
    beside_settings: ClassVar[tuple[str, ...]] = ("weight_store", "compiled", "last_run")
    compiled: Compiled = field(default_factory=Compiled, init=False, repr=False, kw_only=True)
    last_run: Run | None = field(default=None, init=False, repr=False, kw_only=True)
    """The last run of `fit`, as far as it came."""

    def compile(
        self,
        optimizer: str | optim.Optimizer = "rmsprop",
        loss: str | losses.Loss | Mapping[str, str | losses.Loss] | None = None,
        metrics: Sequence[str | metrics.Metric] | Mapping[str, Sequence[str | metrics.Metric]] = (),
        *,
        loss_weights: Mapping[str, float] | None = None,
    ) -> None:
        """Says how the network learns: optimizer, loss and metrics, each by Keras name or as an object.

        A network with several outputs has a loss for each, by name, and their sum is learned, each times its weight
        in loss_weights, 1 if not given; metrics={"class": ["accuracy"]} says what is measured of which. The history
        then holds "loss", "class_loss", "box_loss", "class_accuracy". Raises UsageError for names that do not fit.
        """
        now = self.compiled
        now.optimizer = optim.get(optimizer)
        now.loss = loss_of(loss, loss_weights)
        now.metrics = metrics_of(metrics, now.loss)

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        batch_size: int = 32,
        epochs: int = 1,
        validation_split: float = 0.0,
        validation_data: tuple[Any, ...] | None = None,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        callbacks: Iterable[Callback] = (),
        shuffle: bool = True,
        seed: int = 0,
        engine: str = "xla",
        method: str | FiniteDifference | SPSA = "backprop",
        dtype: str | None = None,
        record: bool | str | Path | Recording = True,
        verbose: int = 1,
    ) -> Run:
        """Trains on rows x and targets y; the arguments are Keras' where Keras has them.

        seed: decides initial weights, the order of the rows and dropout: a run is a function of it.
        engine: "xla" compiles many steps into one call; "numpy" runs the same lines eagerly.
        method: "backprop", "finite_difference" (each gradient by changing each weight and measuring the
            loss), "spsa" (estimated by changing all weights at once), or a pellucid.FiniteDifference(eps, scheme)
            or pellucid.SPSA(eps, samples).
        dtype: "float32" or "float64", of weights and arithmetic.
        record: True records the run, while it is trained, in the next folder runs/N; a path, in that folder; False,
            not at all; a pellucid.Recording says how. `run.folder` says where.

        Returns a Run: `run.history["loss"]` by epoch, `run.step_history["loss"]` by step.

        Raises ShapeError or DataError for input that does not fit, NotFiniteError where the loss becomes NaN
        (the last finite weights are kept), KeyboardInterrupt after Ctrl-C (the weights so far are kept).
        """
        options = recording_of(record)
        if options is not None:  # refused while nothing is lost
            check_place(options.folder)
        data = self._dataset(x, y, sample_weight, class_weight, dtype, seed)
        validation = None
        if validation_data is not None:
            validation = self._dataset(*three(validation_data), None, dtype)
        elif validation_split:
            data, validation = data.split(validation_split)
        how = FitConfig(
            whole("batch_size", batch_size), whole("epochs", epochs), seed, shuffle, engine, method_of(method)
        )
        run = self.last_run = Run(self, how, callbacks=list(callbacks))
        if options is not None:
            about = describe_run(self, how, run.callbacks, required=options.folder is not None)
            run.recorder = Recorder(options, partial(known_of_arrays, about, data, validation, options.keep_data))
        train(run, data, validation, watcher=bar(verbose))
        return run

    def evaluate(
        self, x: Any, y: Any, *, sample_weight: Any = None, engine: str = "xla", dtype: str | None = None
    ) -> dict[str, Any]:
        """The loss and each metric over all rows: {"loss": …, "accuracy": …}."""
        data = self._dataset(x, y, sample_weight, None, dtype)
        return evaluate(self.evaluator(engine), self.state(), data)

    def predict(self, x: Any, *, batch_size: int = 1024, engine: str = "xla") -> Any:
        """The network's output for each row, or each of its outputs by name; the first call creates the weights.

        It is the last layer's output, as Keras: logits where the loss takes logits.
        """
        rows = input_of(x, self.compiled.dtype)
        self.build(rows)
        data = Dataset(rows, numpy.zeros((len(first(rows)), 0), self.compiled.dtype))
        engine_ = self.evaluator(engine, only_predict=True)
        parts = [y_pred for _, _, y_pred in predictions(engine_, self.state(), data, batch_size)]
        return each(lambda *pieces: numpy.concatenate(pieces), *parts)

    def build(self, x: Any, seed: int = 0) -> None:
        """Creates the weights, at random as the seed has it, by a pass of one row; checks x if they exist."""
        now = self.compiled
        features = each(lambda part: tuple(part.shape[1:]), x)
        if now.weights is not None and features == now.features:
            return
        if now.weights is not None and now.features:
            raise ShapeError(f"the model was built for rows of shape {now.features}, but x has rows of {features}")
        trained, untrained = self._weights()
        tape = Tape(trained, seed, dtype=None if now.weights else now.dtype, untrained=untrained)
        with numpy.errstate(all="ignore"):
            y_pred = self(given(tape, "x", each(lambda part: part[:1].astype(now.dtype), x)))
        for part in y_pred.values() if isinstance(y_pred, dict) and y_pred else (y_pred,):
            if not isinstance(part, Value):
                raise UsageError(
                    f"{type(self).__name__} returned {type(part).__name__}, not what its layers made; a network with "
                    "several outputs returns a dict of them"
                )
        now.last_op = each(lambda part: part.node.op.name if part.node.op else "", y_pred)
        now.units = each(lambda part: part.shape[-1], y_pred)
        now.features = features
        self._set(tape.parameters, tape.untrained)

    def parameters(self) -> Arrays:
        """Every weight by path: {"dense/kernel": array (i, units), …}; NumPy arrays."""
        trained, _ = self._weights()
        if not trained and self.compiled.weights is None:
            raise UsageError("the model has no weights yet; its first pass creates them: model.predict(x[:1])")
        return {path: numpy.asarray(array) for path, array in trained.items()}

    def untrained(self) -> Arrays:
        """What layers remember that no gradient changes, by path: a BatchNormalization's running mean and variance."""
        return {path: numpy.asarray(array) for path, array in self._weights()[1].items()}

    def load_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Takes these weights, by path; each has to have the shape of the one that it replaces, if any.

        What `untrained()` names may be among them; what of it is not given stays.
        """
        # Kept as given: a float64 weight is not rounded before it is known in which precision it is used.
        new = {path: numpy.array(as_array(a, path)) for path, a in parameters.items()}
        new = {path: a if a.dtype.kind == "f" else a.astype(self.compiled.dtype) for path, a in new.items()}
        trained, untrained = self._weights()
        if not trained and self.compiled.weights is None:
            self._set(new, {})
            return
        old = trained | untrained
        if odd := (trained.keys() - new.keys()) | (new.keys() - old.keys()):
            raise UsageError(f"the weights given and the model's differ in: {', '.join(sorted(odd))}")
        for path, array in new.items():
            if array.shape != tuple(old[path].shape):
                raise ShapeError(f"{path} has shape {tuple(old[path].shape)}, the array given {array.shape}")
        self._set({path: new[path] for path in trained}, {path: new.get(path, a) for path, a in untrained.items()})

    def summary(self) -> str:
        """A table of the layers, their weights' shapes and how many numbers they are."""
        rows = [(path, str(tuple(a.shape)), a.size) for path, a in self.parameters().items()]
        wide = max((len(path) for path, _, _ in rows), default=10)
        lines = [f"{path:<{wide}}  {shape:<14}  {size:>10,}" for path, shape, size in rows]
        return "\n".join([*lines, f"{'all':<{wide}}  {'':<14}  {sum(r[2] for r in rows):>10,}"])

    def save(self, path: str) -> None:
        """Writes the network, its settings and its weights into one file, which pellucid.load reads."""
        saving.save(self, path)

    def _repr_html_(self) -> str:
        weights: dict[str, dict[str, tuple[int, ...]]] = {}
        for path, array in {**self._weights()[0], **self._weights()[1]}.items():
            layer, _, name = path.rpartition("/")
            weights.setdefault(layer, {})[name] = tuple(array.shape)
        rows = [
            {"layer": path, "kind": type(layer).__name__, "weights": weights.pop(path, {})}
            for path, layer in layers_of(self).items()
            if layer is not self
        ]
        rows += [{"layer": path, "kind": "", "weights": found} for path, found in weights.items()]
        return model_page(type(self).__name__, rows).to_html()

    def _dataset(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        class_weight: Mapping[int, float] | None,
        dtype: str | None,
        seed: int = 0,
    ) -> Dataset:
        now = self.compiled
        if now.loss is None:
            raise UsageError("the model has no loss yet; call model.compile(optimizer, loss, metrics) first")
        if y is None:
            raise UsageError("fit needs the targets as well: model.fit(x, y)")
        if dtype is not None:
            self._set_dtype(dtype)
        rows = input_of(x, now.dtype)
        target = target_of(now.loss, y, now.dtype)
        self.build(rows, seed)
        check_outputs(now.loss, now.units)
        now.loss.check_targets(target, now.units)
        weight = None if sample_weight is None else as_array(sample_weight, "sample_weight").astype(now.dtype)
        if class_weight is not None:
            found = class_weights(target, class_weight, now.dtype)
            weight = found if weight is None else weight * found
        return Dataset(rows, target, weight)

    def _set_dtype(self, dtype: str) -> None:
        if dtype not in ("float32", "float64"):
            raise UsageError(f"dtype={dtype!r} is not known; it is 'float32' or 'float64'")
        self.compiled.dtype = dtype

    def state(self) -> State:
        """The weights, trained and untrained, in the precision that the model computes in."""
        dtype = self.compiled.dtype
        trained, untrained = self._weights()
        return State(trained, {}, untrained).map(lambda a: a if str(a.dtype) == dtype else a.astype(dtype))

    def take(self, state: State) -> None:
        """Takes the weights of a state, trained and untrained, as they are; each goes to the layer that made it."""
        self._set(state.parameters, state.untrained)

    def clone(self) -> Self:
        """A copy that shares nothing with this one: network, settings and weights, but not its last run."""
        made = cast(Self, skeleton(self))
        made.compiled = replace(self.compiled)
        if self.compiled.weights is not None:
            trained, untrained = self._weights()
            made.take(State(trained, {}, untrained).map(numpy.array))
        return made

    def evaluator(self, name: str, only_predict: bool = False) -> Engine:
        """An engine for evaluating, kept so that its compiled programs are."""
        return evaluator_of(self, name, only_predict)

    def _weights(self) -> tuple[Arrays, Arrays]:
        """What the layers keep, trained and untrained, by path, in the order of the first pass."""
        trained, untrained = weights_of(self)
        now = self.compiled
        if now.weights is None:
            return trained, untrained
        return {path: trained[path] for path in now.weights}, {path: untrained[path] for path in now.untrained}

    def _set(self, trained: Arrays, untrained: Arrays) -> None:
        self.compiled.weights, self.compiled.untrained = tuple(trained), tuple(untrained)
        give_back(self, trained, untrained)
