"""Model: a network that is compiled, fitted, evaluated, and opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy

from pellucid import optim
from pellucid.autodiff import FiniteDifference, Tape, Value
from pellucid.data.arrays import as_array
from pellucid.errors import ShapeError, UsageError
from pellucid.nn import losses, metrics
from pellucid.nn.layer import Layer
from pellucid.record import RunFolder
from pellucid.train import engine as engines
from pellucid.train.dataset import Dataset, Numbers, target_of
from pellucid.train.loop import evaluate, predictions
from pellucid.train.step import Arrays, Step

if TYPE_CHECKING:
    from pellucid.train.callbacks import Callback
    from pellucid.train.run import Run

METHODS = {"backprop": None, "finite_difference": FiniteDifference()}


@dataclass
class Compiled:
    """What `compile` was given, and the weights once they exist."""

    optimizer: optim.Optimizer = field(default_factory=lambda: optim.get("rmsprop"))
    loss: losses.Loss | None = None
    metrics: tuple[metrics.Metric, ...] = ()
    parameters: Arrays | None = None
    dtype: str = "float32"
    features: tuple[int, ...] = ()
    """The shape of one input row."""
    units: int = 0
    """How many numbers the last layer gives."""
    last_op: str = ""
    """The op that made the prediction, known after the first pass."""


class Model(Layer):
    """A network: subclass it and write `__call__(self, x)`; or use Sequential for a chain of layers.

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

    @property
    def compiled(self) -> Compiled:
        """The settings of `compile` and the weights."""
        found = vars(self).get("_compiled")
        if found is None:
            found = vars(self)["_compiled"] = Compiled()
        return found

    def compile(
        self,
        optimizer: str | optim.Optimizer = "rmsprop",
        loss: str | losses.Loss | None = None,
        metrics: Sequence[str | metrics.Metric] = (),
    ) -> None:
        """Says how the network learns: optimizer, loss and metrics, each by Keras name or as an object."""
        now = self.compiled
        now.optimizer = optim.get(optimizer)
        now.loss = None if loss is None else losses.get(loss)
        now.metrics = tuple(_metrics(metrics))

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
        method: str | FiniteDifference = "backprop",
        dtype: str | None = None,
        record: bool | str | Path = False,
        verbose: int = 1,
    ) -> Run:
        """Trains on rows x and targets y; the arguments are Keras' where Keras has them.

        seed: decides initial weights, the order of the rows and dropout: a run is a function of it.
        engine: "xla" compiles many steps into one call; "numpy" runs the same lines eagerly.
        method: "backprop", "finite_difference" (each gradient by changing each weight and measuring the
            loss), or a pellucid.FiniteDifference(eps, scheme).
        dtype: "float32" or "float64", of weights and arithmetic.
        record: True writes the run into the next runs/N when it has ended, a path into that folder: history, loss
            of each step, and the initial, final and kept weights. `run.folder` says where.

        Returns a Run: `run.history["loss"]` by epoch, `run.step_history["loss"]` by step.

        Raises ShapeError or DataError for input that does not fit, NotFiniteError where the loss becomes NaN
        (the last finite weights are kept), KeyboardInterrupt after Ctrl-C (the weights so far are kept).
        """
        from pellucid.train.recording import write_run
        from pellucid.train.run import train  # a run holds a model: each of the two files knows the other

        data = self._dataset(x, y, sample_weight, class_weight, dtype, seed)
        validation = None
        if validation_data is not None:
            validation = self._dataset(*_three(validation_data), None, dtype)
        elif validation_split:
            data, validation = data.split(validation_split)
        # Made before training, so that a folder in use is refused while nothing is lost.
        folder = RunFolder.create(None if record is True else record) if record else None
        try:
            run = train(
                self,
                data,
                validation,
                batch_size=_positive("batch_size", batch_size),
                epochs=_positive("epochs", epochs),
                callbacks=list(callbacks),
                shuffle=shuffle,
                seed=seed,
                engine=engine,
                method=method_of(method),
                verbose=verbose,
            )
        except BaseException:
            if folder is not None:
                folder.path.rmdir()
            raise
        if folder is not None:
            run.folder = write_run(folder, run, {"engine": engine}).path
        return run

    def evaluate(
        self, x: Any, y: Any, *, sample_weight: Any = None, engine: str = "xla", dtype: str | None = None
    ) -> dict[str, Any]:
        """The loss and each metric over all rows: {"loss": …, "accuracy": …}."""
        data = self._dataset(x, y, sample_weight, None, dtype)
        return evaluate(self.evaluator(engine), self.cast(), data, self.compiled.metrics)

    def predict(self, x: Any, *, batch_size: int = 1024, engine: str = "xla") -> Numbers:
        """The network's output for each row; the first call creates the weights.

        It is the last layer's output, as Keras: logits where the loss takes logits.
        """
        rows = as_array(x, "x").astype(self.compiled.dtype)
        self.build(rows)
        data = Dataset(rows, numpy.zeros((len(rows), 0), rows.dtype))
        parts = predictions(self.evaluator(engine, only_predict=True), self.cast(), data, batch_size)
        return numpy.concatenate([y_pred for _, _, y_pred in parts])

    def build(self, x: Numbers, seed: int = 0) -> None:
        """Creates the weights, at random as the seed has it, by a pass of one row; checks x if they exist."""
        now = self.compiled
        if now.parameters is not None and x.shape[1:] == now.features:
            return
        if now.parameters is not None and now.features:
            raise ShapeError(f"the model was built for rows of shape {now.features}, but x has rows of {x.shape[1:]}")
        tape = Tape(dict(now.parameters or {}), seed, dtype=None if now.parameters else now.dtype)
        with numpy.errstate(all="ignore"):
            y_pred = self(tape.given("x", x[:1].astype(now.dtype)))
        if not isinstance(y_pred, Value):
            raise UsageError(f"{type(self).__name__} returned {type(y_pred).__name__}, not what its layers made")
        now.last_op = y_pred.row.op.name if y_pred.row.op else ""
        now.parameters, now.features, now.units = tape.parameters, x.shape[1:], y_pred.shape[-1]

    def parameters(self) -> Arrays:
        """Every weight by path: {"dense/kernel": array (i, units), …}; NumPy arrays."""
        if self.compiled.parameters is None:
            raise UsageError("the model has no weights yet; its first pass creates them: model.predict(x[:1])")
        return {path: numpy.asarray(array) for path, array in self.compiled.parameters.items()}

    def load_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Takes these weights, by path; each has to have the shape of the one that it replaces, if any."""
        now = self.compiled
        # Kept as given: a float64 weight is not rounded before it is known in which precision it is used.
        new = {path: numpy.array(as_array(a, path)) for path, a in parameters.items()}
        new = {path: a if a.dtype.kind == "f" else a.astype(now.dtype) for path, a in new.items()}
        if now.parameters is not None:
            if new.keys() != now.parameters.keys():
                odd = ", ".join(sorted(new.keys() ^ now.parameters.keys()))
                raise UsageError(f"the weights given and the model's differ in: {odd}")
            for path, array in new.items():
                if array.shape != tuple(now.parameters[path].shape):
                    raise ShapeError(
                        f"{path} has shape {tuple(now.parameters[path].shape)}, the array given {array.shape}"
                    )
            new = {path: new[path] for path in now.parameters}
        now.parameters = new

    def summary(self) -> str:
        """A table of the layers, their weights' shapes and how many numbers they are."""
        rows = [(path, str(tuple(a.shape)), a.size) for path, a in self.parameters().items()]
        wide = max((len(path) for path, _, _ in rows), default=10)
        lines = [f"{path:<{wide}}  {shape:<14}  {size:>10,}" for path, shape, size in rows]
        return "\n".join([*lines, f"{'all':<{wide}}  {'':<14}  {sum(r[2] for r in rows):>10,}"])

    def save(self, path: str) -> None:
        """Writes the network, its settings and its weights into one file, which pellucid.load reads."""
        from pellucid.train.saving import save

        save(self, path)

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
        rows = as_array(x, "x").astype(now.dtype, copy=False)
        target = target_of(now.loss, y, now.dtype)
        self.build(rows, seed)
        now.loss.check_targets(target, now.units)
        weight = None if sample_weight is None else as_array(sample_weight, "sample_weight").astype(now.dtype)
        if class_weight is not None:
            found = _class_weights(target, class_weight, now.dtype)
            weight = found if weight is None else weight * found
        return Dataset(rows, target, weight)

    def _set_dtype(self, dtype: str) -> None:
        if dtype not in ("float32", "float64"):
            raise UsageError(f"dtype={dtype!r} is not known; it is 'float32' or 'float64'")
        self.compiled.dtype = dtype

    def cast(self) -> Arrays:
        """The weights in the precision that the model computes in."""
        now = self.compiled
        return {p: a if str(a.dtype) == now.dtype else a.astype(now.dtype) for p, a in (now.parameters or {}).items()}

    def evaluator(self, name: str, only_predict: bool = False) -> engines.Engine:
        """An engine for evaluating, kept so that its compiled programs are."""
        now = self.compiled
        kept = vars(self).setdefault("_engines", {})
        key = (name, now.dtype, only_predict, now.loss, now.optimizer, now.metrics)
        if key not in kept:
            loss = _Output() if only_predict or now.loss is None else now.loss
            kept[key] = engines.make(name, Step(self, loss, now.optimizer, now.metrics), now.dtype)
        return kept[key]


class _Output(losses.Loss):
    """Stands in for a loss where only the prediction is wanted."""

    name: ClassVar[str] = "none"

    def check(self, y: tuple[int, ...], y_pred: tuple[int, ...]) -> None:
        """Nothing to compare."""

    def rows(self, y: Any, y_pred: Value) -> Value:
        return y_pred


def method_of(method: str | FiniteDifference) -> FiniteDifference | None:
    """How gradients are found: None for back-propagation."""
    if isinstance(method, FiniteDifference):
        return method
    if method not in METHODS:
        raise UsageError(f"method={method!r} is not known; it is {' or '.join(map(repr, METHODS))}")
    return METHODS[method]


def _metrics(given: Sequence[str | metrics.Metric]) -> Iterable[metrics.Metric]:
    if isinstance(given, str):
        raise UsageError(f"metrics is a list: metrics=[{given!r}]")
    return (metrics.get(metric) for metric in given)


def _class_weights(target: Numbers, weights: Mapping[int, float], dtype: str) -> Numbers:
    labels = target.argmax(axis=-1) if target.ndim > 1 and target.shape[-1] > 1 else target.reshape(len(target))
    found = numpy.ones(len(labels), dtype)
    for label, weight in weights.items():
        if not (labels == label).any():
            raise UsageError(f"class_weight names the class {label}, but no target is of that class")
        found[labels == label] = weight
    return found


def _three(given: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    if len(given) not in (2, 3):
        raise UsageError(f"validation_data is (x, y) or (x, y, sample_weight), not {len(given)} things")
    return given if len(given) == 3 else (*given, None)


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | numpy.integer) or value < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"{name}={value!r}: it is a whole number, 1 or more")
    return int(value)
