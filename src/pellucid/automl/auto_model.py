"""A table or folder on disk becomes a trained network: the recipe, a network that fits it, the run, its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy

from pellucid.automl.choices import Choices
from pellucid.automl.folder_network import filled, folder_network
from pellucid.data.dataset import Dataset, Numbers
from pellucid.data.files.folder_recipe import FolderRecipe
from pellucid.data.rows import Rows
from pellucid.data.tables.recipe import Recipe
from pellucid.data.tables.table import Table, open_table
from pellucid.engine.loop import predictions
from pellucid.fit.callbacks import EarlyStopping
from pellucid.fit.config import FitConfig
from pellucid.fit.description import describe_run
from pellucid.fit.recorder import Recorder
from pellucid.fit.trainable import Trainable
from pellucid.fit.training import train
from pellucid.fit.watcher import Watcher
from pellucid.models.evaluators import evaluator_of
from pellucid.models.model import Model
from pellucid.models.networks import hidden_of, network_of
from pellucid.models.sequential import Sequential
from pellucid.nn import losses, metrics
from pellucid.nn.layer import Layer
from pellucid.nn.layers.dense import CategoryEmbedding, Dense
from pellucid.nn.layers.noise import Dropout
from pellucid.optim import AdamW, CosineDecay, Optimizer
from pellucid.runs.run import Run

AnyRecipe = Recipe | FolderRecipe
"""How a table, or a folder of files, becomes numbers."""

FIGURES = {
    "regression": ("mae", "rmse", "r2"),
    "binary": ("accuracy", "f1_score", "auc"),
    "multiclass": ("accuracy", "f1_score"),
}

WEIGHT_DECAY = 0.3
"""Times the learning rate, the share a step takes off each weight. Strong, so that the weights at the end of the
cosine are good ones: on the digits, at 0.01, the loss on the validation rows nearly doubles after its best epoch, in
the first third of the run; at 0.3 it rises by a tenth. At 1.0 California housing loses accuracy."""


@dataclass(frozen=True)
class TableRun:
    """A table's rows as numbers, and the network that learns from them."""

    model: Model
    recipe: AnyRecipe
    rows: Rows
    choices: Choices
    stopper: EarlyStopping | None

    def part(self, name: Literal["training", "validation", "test"]) -> Dataset:
        """The training, validation or test rows."""
        subset = {"training": self.rows.training, "validation": self.rows.validation, "test": self.rows.test}
        return Dataset(self.rows.x, self.recipe.target.as_learned(self.rows.y), rows=subset[name]().index)


def learn(
    source: str | Table,
    target: str | None = None,
    *,
    task: str | None = None,
    kinds: Mapping[str, str] | None = None,
    missing: Sequence[str] = (),
    seed: int = 0,
) -> tuple[Table, Recipe]:
    """The table and the recipe that makes numbers of it."""
    table = source if isinstance(source, Table) else open_table(source)
    return table, Recipe.learn(table, target, task=task, kinds=kinds, missing=missing, seed=seed)


def network(recipe: AnyRecipe, choices: Choices) -> Model:
    """A network for a recipe: one for files, words or ratings, or embeddings, hidden layers, an output for the task."""
    outputs = len(recipe.target.classes) if recipe.target.task == "multiclass" else 1
    if isinstance(recipe, FolderRecipe):
        return folder_network(recipe, choices, outputs)
    if (special := network_of(recipe, choices.hidden or (), choices.dropout or 0.0, outputs)) is not None:
        return special
    layers: list[Layer] = []
    if recipe.embeddings:
        layers.append(CategoryEmbedding([[size, dimension] for _, size, dimension in recipe.embeddings]))
    for units in choices.hidden or ():
        layers.append(Dense(units, "relu", kernel_initializer="he_normal"))
        if choices.dropout:
            layers.append(Dropout(choices.dropout))
    layers.append(Dense(outputs, kernel_initializer="glorot_uniform"))
    return Sequential(layers)


def loss_for(task: str) -> losses.Loss:
    """The loss that fits a task."""
    if task == "regression":
        return losses.MeanSquaredError()
    if task == "binary":
        return losses.BinaryCrossentropy(from_logits=True)
    return losses.SparseCategoricalCrossentropy(from_logits=True)


def optimizer_for(choices: Choices, rows: int) -> Optimizer:
    """AdamW, warmed up and let down along a cosine over the planned steps."""
    assert choices.epochs and choices.batch_size and choices.learning_rate
    steps = choices.epochs * -(-rows // choices.batch_size)
    rate = CosineDecay(
        choices.learning_rate / 10,
        steps,
        warmup_target=choices.learning_rate,
        warmup_steps=max(1, steps // 20),
    )
    return AdamW(rate, weight_decay=WEIGHT_DECAY, global_clipnorm=1.0)


def prepare(data: Any, recipe: AnyRecipe, choices: Choices) -> TableRun:
    """The rows of a table or folder as numbers, and a network for them with its first weights."""
    rows = recipe.rows(data)
    count = len(rows.training())
    if isinstance(recipe, FolderRecipe):
        choices = filled(choices, count, recipe.width)
    else:
        choices = choices.filled(count, hidden_of(recipe))
    model = network(recipe, choices)
    shown = [] if recipe.target.task == "regression" else ["accuracy"]
    model.compile(optimizer_for(choices, count), loss_for(recipe.target.task), shown)
    model.build(rows.x, choices.seed)
    patience = choices.patience or 10
    stopper = EarlyStopping(patience=patience, restore_best_weights=True) if len(rows.validation()) else None
    return TableRun(model, recipe, rows, choices, stopper)


def fit(
    ready: TableRun,
    watcher: Watcher | None = None,
    recorder: Callable[[dict[str, Any]], Recorder] | None = None,
) -> Run:
    """Trains on the training rows, stopping by the validation rows.

    watcher: is told where training stands.
    recorder: makes what records the run, from what its manifest holds of model, training and callbacks.
    """
    choices = ready.choices
    assert choices.epochs and choices.batch_size
    how = FitConfig(choices.batch_size, choices.epochs, choices.seed, engine=choices.engine)
    run = Run(ready.model, how, callbacks=[ready.stopper] if ready.stopper else [])
    if recorder is not None:
        run.recorder = recorder(describe_run(run.model, how, run.callbacks, required=True))
    ready.model.last_run = run
    train(run, ready.part("training"), ready.part("validation") if ready.stopper else None, watcher=watcher)
    return run


def score(model: Trainable, recipe: AnyRecipe, data: Dataset) -> dict[str, Any]:
    """The figures of a task over some rows; for regression in the target's own unit."""
    parts = [(b.y, p) for b, _, p in predictions(evaluator_of(model, "xla"), model.state(), data)]
    y, y_pred = (numpy.concatenate(part) for part in zip(*parts, strict=True))
    if recipe.target.task == "regression":
        y, y_pred = recipe.target.decode(y), recipe.target.decode(y_pred)
    found = {name: metrics.get(name).measure(y, y_pred) for name in FIGURES[recipe.target.task]}
    if isinstance(recipe, Recipe) and recipe.rated:
        found["rmse of the mean alone"] = metrics.get("rmse").measure(y, numpy.full_like(y, recipe.target.mean))
    return found


def predict(model: Trainable, recipe: AnyRecipe, data: Any) -> Iterator[tuple[Numbers, Numbers, Numbers | None]]:
    """Batch by batch: row numbers, the predicted values or labels and, for classes, the probability of each."""
    for x, rows in recipe.encode(data):
        batch = Dataset(x, numpy.zeros((len(x), 0), "float32"))
        engine = evaluator_of(model, "xla", only_predict=True)
        found = [y_pred for _, _, y_pred in predictions(engine, model.state(), batch)]
        output = numpy.concatenate(found)
        if recipe.target.task == "regression":
            yield rows, recipe.target.decode(output).reshape(-1), None
            continue
        p = loss_for(recipe.target.task).prediction(output.astype("float64"))
        p = numpy.concatenate([1 - p, p], axis=1) if recipe.target.task == "binary" else p
        yield rows, recipe.target.decode(p.argmax(axis=1)), p
