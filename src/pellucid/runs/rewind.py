"""Training that goes on from any past step, with a new choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy

from pellucid import optim
from pellucid.data.arguments import whole
from pellucid.engine.step import Arrays, State
from pellucid.errors import UsageError
from pellucid.fit.callbacks import EarlyStopping, callbacks_json
from pellucid.fit.config import FitConfig
from pellucid.fit.description import describe
from pellucid.fit.history import History
from pellucid.fit.recorder import Recorder
from pellucid.fit.trainable import Trainable
from pellucid.fit.training import train
from pellucid.nn import losses
from pellucid.nn.layer import Layer
from pellucid.replay.checkpoint import Checkpoint
from pellucid.storage import Recording, RunFolder, check_place
from pellucid.storage.recorded_arrays import known_of_arrays

H = TypeVar("H", bound=History)


def rewind(run: H, number: int, place: str | Path | None, changes: Mapping[str, Any], verbose: int) -> H:
    """Goes back to a step and trains on from there; see Run.rewind."""
    if not run.first <= number <= run.steps:
        where = f"; those before are in {run.parent}" if run.first and number >= 0 else ""
        raise UsageError(f"step {number} is not there: the run can go back to steps {run.first} to {run.steps}{where}")
    check_place(place)
    replay = run.replay
    steps = replay.plan.steps
    point = replay.at(number)
    model = run.model.clone()
    model.take(point.state)
    before = model.compiled.optimizer
    how = _changed(model, run.training, changes, number)
    if how.epochs * steps <= number:
        raise UsageError(
            f"step {number} is the end of its {how.epochs} epochs, so there is nothing to train on with; give more: "
            f"epochs={number // steps + 1} (--set epochs={number // steps + 1})"
        )
    optimizer = _moments(before, point.state, model.compiled.optimizer)
    callbacks = _stoppers(run, number)
    memories = tuple(callback.memory() for callback in callbacks)
    begun = Checkpoint(number, point.state.map(numpy.asarray)._replace(optimizer=optimizer), point.totals, memories)
    other = type(run)(
        model,
        how,
        {name: values[: number // steps] for name, values in run.history.items()},
        {"loss": run.step_history["loss"][:number]},
        first=number,
        parent=run.folder.resolve() if run.folder else None,
        callbacks=list(callbacks),
    )
    if run.folder is not None or place is not None:
        other.recorder = _recorder(run, other, place, changes)
    train(other, replay.data, run.validation, begun, naming=replay.naming, verbose=verbose)
    return other


def _recorder(run: History, other: History, place: str | Path | None, changes: Mapping[str, Any]) -> Recorder:
    """What records the rewound run: recorded as its parent was, and with where it comes from."""
    options = Recording(place, **(RunFolder.open(run.folder).recording if run.folder else {}))
    about = {
        "model": describe(other.model),
        "training": other.training.to_json(),
        "callbacks": callbacks_json(other.callbacks),
        "first": other.first,
        "parent": str(other.parent) if other.parent else None,
        "changes": {name: value.to_json() if hasattr(value, "to_json") else value for name, value in changes.items()},
    }
    return Recorder(options, partial(_known, run, about, options))


def _stoppers(run: History, number: int) -> list[EarlyStopping]:
    """The early stoppings of a run, knowing what they knew before a step: from a checkpoint and the history."""
    steps = run.replay.plan.steps
    point = run.replay.checkpoint(number) or run.replay.start
    memories = iter([memory for memory in point.callbacks if "best_epoch" in memory.settings])
    made = [replace(callback) for callback in run.callbacks if type(callback) is EarlyStopping]
    for callback in made:
        callback.on_train_begin()
        if memory := next(memories, None):
            callback.recall(memory)
            begun = point.step // steps
        else:
            begun = 0
        for epoch in range(begun, number // steps):
            callback.model = cast(Trainable, _Then(run.replay.at((epoch + 1) * steps).state))
            callback.on_epoch_end(epoch, {name: values[epoch] for name, values in run.history.items()})
        callback.stop_training = False  # who rewinds wants to train
    return made


def _known(run: History, about: dict[str, Any], options: Recording) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The first files of a rewound run: its parent's data, as its parent keeps it."""
    if run.folder is None:
        return known_of_arrays(about, run.replay.data, run.validation, options.keep_data)
    parent = RunFolder.open(run.folder)
    names = [name for name in parent.manifest["files"] if name.startswith("data/") or name == "recipe.json"]
    kept = {key: parent.manifest[key] for key in ("data", "target", "task") if key in parent.manifest}
    return {**about, **kept}, {name: parent.read(name) for name in names}


class _Then:
    """The model as it was at a step, for a callback that is told of that step again and asks for the weights."""

    def __init__(self, state: State) -> None:
        self._state = State(state.parameters, {}, state.untrained)

    def state(self) -> State:
        """The weights that it had then."""
        return self._state


def _changed(model: Trainable, how: FitConfig, changes: Mapping[str, Any], number: int) -> FitConfig:
    """Makes the changes to the model; returns the training with those that concern it."""
    now = model.compiled
    for name, value in changes.items():
        where, _, setting = name.removeprefix("optimizer.").rpartition(".")
        if name == "epochs":
            how = replace(how, epochs=whole("epochs", value))
        elif name in ("batch_size", "seed", "shuffle"):
            if number:
                raise UsageError(
                    f"{name} decides which rows each step sees, so it can only be changed from the start: "
                    "rewind to step 0"
                )
            how = replace(how, **{name: _of_start(name, value)})
        elif name == "loss":
            now.loss = losses.get(value)
        elif name == "optimizer":
            now.optimizer = optim.get(value)
        elif where:
            _set_layer(model, where, setting, value)
        elif setting in (known := [f.name for f in fields(now.optimizer)]):
            now.optimizer = replace(now.optimizer, **{setting: value})
        else:
            raise UsageError(
                f"{name!r} is not known; a rewind can change {', '.join(known)} of the optimizer, optimizer, loss, "
                "epochs, from step 0 also batch_size, seed and shuffle, and settings of layers by path, as dropout.rate"
            )
    return how


def _of_start(name: str, value: Any) -> Any:
    """A batch size, seed or shuffle, as it can be."""
    if name == "batch_size":
        return whole(name, value)
    if name == "shuffle":
        if not isinstance(value, bool):
            raise UsageError(f"shuffle={value!r}: it is true or false")
    elif not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**64:
        raise UsageError(f"seed={value!r}: it is a whole number from 0 to 2**64 - 1")
    return value


def _moments(before: optim.Optimizer, state: State, after: optim.Optimizer) -> Arrays:
    """The optimizer's state there: what it remembers, or, of another optimizer, its first state at that step."""
    plain = {path: numpy.asarray(a) for path, a in state.parameters.items()}
    fresh = after.init(plain)
    known = state.optimizer if type(before) is type(after) else {"step": state.optimizer["step"]}
    return {name: numpy.asarray(known.get(name, array)) for name, array in fresh.items()}


def _set_layer(model: Trainable, path: str, setting: str, value: Any) -> None:
    layer = cast(Layer, model)
    for part in path.split("/"):
        children = layer.children()
        if part not in children:
            raise UsageError(
                f"there is no layer {path!r}; {type(layer).__name__} holds {', '.join(children) or 'none'}"
            )
        layer = children[part]
    known = [f.name for f in fields(layer) if f.init]
    if setting not in known:
        raise UsageError(f"{path} ({type(layer).__name__}) has no {setting!r}; it has {', '.join(known)}")
    setattr(layer, setting, value)
    if hasattr(layer, "__post_init__"):
        try:
            layer.__post_init__()  # pyright: ignore  # checks the new value
        except TypeError as error:
            raise UsageError(f"{path}.{setting}={value!r}: it is of the wrong kind ({error})") from error
