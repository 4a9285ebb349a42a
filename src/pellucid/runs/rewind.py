"""Training that goes on from any past step, with a new choice."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy

from pellucid import optim
from pellucid.arguments import whole
from pellucid.engine.step import Arrays, State
from pellucid.errors import UsageError
from pellucid.fit.callbacks import Callback, revived, written
from pellucid.fit.config import FitConfig
from pellucid.fit.description import describe_run
from pellucid.fit.history import History
from pellucid.fit.recorder import Recorder
from pellucid.fit.trainable import Trainable
from pellucid.fit.training import train
from pellucid.fit.watcher import Watcher
from pellucid.nn import losses
from pellucid.nn.layer import Layer
from pellucid.registry import Configured, from_config, replaced, to_config
from pellucid.replay.checkpoint import Checkpoint, Memory
from pellucid.storage import Recording, RunFolder, check_place
from pellucid.storage.recorded_arrays import known_of_arrays

H = TypeVar("H", bound=History)


def rewind(
    run: H,
    number: int,
    place: str | Path | None,
    changes: Mapping[str, Any],
    watcher: Watcher,
    callbacks: Iterable[Callback] | None = None,
) -> H:
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
    parent = RunFolder.open(run.folder) if run.folder else None
    those = _knowing(run, parent, number, callbacks)
    memories = tuple(callback.memory() for callback in those)
    begun = Checkpoint(number, point.state.map(numpy.asarray)._replace(optimizer=optimizer), point.totals, memories)
    other = type(run)(
        model,
        how,
        {name: values[: number // steps] for name, values in run.history.items()},
        {"loss": run.step_history["loss"][:number]},
        first=number,
        parent=run.folder.resolve() if run.folder else None,
        callbacks=those,
    )
    if parent is not None or place is not None:
        other.recorder = _recorder(run, parent, other, place, changes)
    train(other, replay.data, run.validation, begun, naming=replay.naming, watcher=watcher)
    return other


def _recorder(
    run: History, parent: RunFolder | None, other: History, place: str | Path | None, changes: Mapping[str, Any]
) -> Recorder:
    """What records the rewound run: recorded as its parent was, and with where it comes from."""
    options = Recording(place, **(parent.recording if parent else {}))
    about = {
        **describe_run(
            other.model,
            other.training,
            other.callbacks,
            required=place is not None,
            lost=_lost(other.model, changes),
        ),
        "first": other.first,
        "parent": str(other.parent) if other.parent else None,
        "changes": {name: to_config(v) if isinstance(v, Configured) else v for name, v in changes.items()},
    }
    return Recorder(options, partial(_known, run, parent, about, options))


def _knowing(run: History, parent: RunFolder | None, number: int, given: Iterable[Callback] | None) -> list[Callback]:
    """The callbacks of a run, or others in their place, knowing what they knew before a step: from a checkpoint and
    the history."""
    recorded = parent.manifest["callbacks"] if parent else written(run.callbacks)
    point = run.replay.checkpoint(number) or run.replay.start
    memories = [*point.callbacks, *[Memory()] * len(recorded)]
    if given is None:
        found = [
            (_again(config, run.callbacks[i] if run.callbacks else None), memories[i])
            for i, config in enumerate(recorded)
            if "module" in config or config["callback"] == "EarlyStopping"  # of others, earlier versions wrote no more
        ]
    else:
        those = list(given)
        alike = [type(callback).__name__ for callback in those] == [config["callback"] for config in recorded]
        found = [(callback, memories[i] if alike else Memory()) for i, callback in enumerate(those)]
    for callback, memory in found:
        if type(callback).memory is not Callback.memory:
            _recall(callback, memory, point.step, run, number)
    return [callback for callback, _ in found]


def _again(config: Mapping[str, Any], live: Callback | None) -> Callback:
    """A callback as it was given; of one that cannot be written down, and is still there, a copy."""
    if live is not None and config.get("arguments", {}) is None:
        return copy.copy(live)
    return revived(config)


def _recall(callback: Callback, memory: Memory, step: int, run: History, number: int) -> None:
    """Gives back to a callback what it remembered at a step, and tells it of the epochs from there to `number`."""
    steps = run.replay.plan.steps
    callback.model = run.model.clone()  # which is asked for the weights that it had then
    callback.on_train_begin()
    begun = 0
    if memory.settings or memory.arrays:
        callback.recall(memory)
        begun = step // steps
    for epoch in range(begun, number // steps):
        callback.model.take(run.replay.at((epoch + 1) * steps).state)
        callback.on_epoch_end(epoch, {name: values[epoch] for name, values in run.history.items()})
    callback.stop_training = False  # who rewinds wants to train


def _known(
    run: History, parent: RunFolder | None, about: dict[str, Any], options: Recording
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The first files of a rewound run: its parent's data, as its parent keeps it."""
    if parent is None:
        return known_of_arrays(about, run.replay.data, run.validation, options.keep_data)
    names = [name for name in parent.manifest["files"] if name.startswith("data/") or name == "recipe.json"]
    kept = {key: parent.manifest[key] for key in ("data", "target", "task") if key in parent.manifest}
    return {**about, **kept}, {name: parent.read(name) for name in names}


def _lost(model: Trainable, changes: Mapping[str, Any]) -> str | None:
    """Why a changed setting of a layer would not be there if the model was made again, where that is so."""
    network = cast(Layer, model)
    try:
        again = from_config(to_config(network), Layer)
    except UsageError:
        return None  # which says so itself
    for name in changes:
        where, _, setting = name.removeprefix("optimizer.").rpartition(".")
        if where and getattr(_layer_at(again, where), setting) != getattr(_layer_at(network, where), setting):
            return f"{type(model).__name__} makes its layer {where} itself, with another {setting}; make it an argument"
    return None


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
        elif setting in (known := list(now.optimizer.get_config())):
            now.optimizer = replaced(now.optimizer, **{setting: value})
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
    layer = _layer_at(cast(Layer, model), path)
    known = [f.name for f in fields(layer) if f.init]
    if setting not in known:
        raise UsageError(f"{path} ({type(layer).__name__}) has no {setting!r}; it has {', '.join(known)}")
    setattr(layer, setting, value)
    if hasattr(layer, "__post_init__"):
        try:
            layer.__post_init__()  # pyright: ignore  # checks the new value
        except TypeError as error:
            raise UsageError(f"{path}.{setting}={value!r}: it is of the wrong kind ({error})") from error


def _layer_at(model: Layer, path: str) -> Layer:
    layer = model
    for part in path.split("/"):
        children = layer.children()
        if part not in children:
            raise UsageError(
                f"there is no layer {path!r}; {type(layer).__name__} holds {', '.join(children) or 'none'}"
            )
        layer = children[part]
    return layer
