"""Training that goes on: a run that was stopped, to its end; or from any past step, with a new choice."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy

from pellucid import optim
from pellucid.errors import RunError, UsageError
from pellucid.nn import losses
from pellucid.nn.layer import Layer
from pellucid.registry import Configured, from_config, replaced, to_config
from pellucid.storage import Recording, RunFolder, check_place
from pellucid.models.arguments import positive
from pellucid.fit.callbacks import Callback, Memory, revived, written
from pellucid.models.model import Model
from pellucid.runs.opening import open_run
from pellucid.replay.checkpoint import Point
from pellucid.fit.recorder import Recorder
from pellucid.storage.recorded_arrays import known_of_arrays
from pellucid.runs.run import Run
from pellucid.models.saving import describe_run
from pellucid.engine.step import Arrays, State
from pellucid.fit.training import Earlier, Training, last_checkpoint, train


def resume(path: str | Path, *, callbacks: Iterable[Callback] | None = None, verbose: int = 1, **data: Any) -> Run:
    """Goes on with a run that was killed or interrupted, and ends with the weights it would have ended with.

    callbacks: in the place of the recorded ones; needed where one of them cannot be made again. data: as for `open_run`.

    Raises UsageError for a run that has ended, RunError for one that another process is training.
    """
    folder = RunFolder.open(path)
    if not folder.lock():
        raise RunError(f"{path} is being trained by another process; it can be resumed when that one has ended")
    try:
        run = open_run(path, **data)
        folder.manifest = RunFolder.open(path).manifest  # as it is since nobody else writes
        return _resumed(path, run, folder, callbacks, verbose)
    finally:
        folder.release()


def _resumed(path: str | Path, run: Run, folder: RunFolder, callbacks: Iterable[Callback] | None, verbose: int) -> Run:
    if run.status in ("finished", "stopped early"):
        raise UsageError(f"{path} has ended ({run.status}, {run.steps} steps): there is nothing left to resume")
    if run.status in ("not finite", "failed"):
        raise UsageError(
            f"{path} ended because of itself ({run.status} at step {run.steps}), and would again; "
            f"`pellucid why {path}` says why, and `pellucid rewind` goes back and changes something"
        )
    point = last_checkpoint(folder, run.steps)
    assert point is not None  # open_run found one
    recorded = folder.manifest["callbacks"]
    those = list(callbacks) if callbacks is not None else [revived(config) for config in recorded]
    kinds = [config["callback"] for config in recorded]
    if (found := [type(callback).__name__ for callback in those]) != kinds:
        raise UsageError(
            f"{path} was trained with the callbacks {kinds}, and is resumed with {found}; give the same ones, in the "
            "same order, so that each remembers what it knew"
        )
    replay, plan = run.replay, run.replay.plan
    past = {name: values[: point.step // plan.steps] for name, values in run.history.items()}
    earlier = Earlier(point, run.step_history["loss"][: point.step], past, run.first, run.parent, run.seconds)
    recorder = Recorder(Recording(path, **folder.recording), lambda: ({}, {}))
    recorder.go_on(folder)
    model = _fresh(run.model, point.state)
    again = train(
        model, replay.data, run.validation, run.training,
        callbacks=those, verbose=verbose, recorder=recorder, earlier=earlier,
    )  # fmt: skip
    again.replay.start, again.replay.naming = replay.start, replay.naming
    return again


def rewind(
    run: Run,
    number: int,
    place: str | Path | None,
    changes: Mapping[str, Any],
    verbose: int,
    callbacks: Iterable[Callback] | None = None,
) -> Run:
    """Goes back to a step and trains on from there; see Run.rewind."""
    if not run.first <= number <= run.steps:
        where = f"; those before are in {run.parent}" if run.first and number >= 0 else ""
        raise UsageError(f"step {number} is not there: the run can go back to steps {run.first} to {run.steps}{where}")
    check_place(place)
    replay = run.replay
    point = replay.at(number)
    losses_before = run.step_history["loss"][:number]
    past = {name: values[: number // replay.plan.steps] for name, values in run.history.items()}
    model = _fresh(run.model, point.state)
    before = model.compiled.optimizer
    how = _changed(model, run.training, changes, number)
    if how.epochs * replay.plan.steps <= number:
        raise UsageError(
            f"step {number} is the end of its {how.epochs} epochs, so there is nothing to train on with; give more: "
            f"epochs={number // replay.plan.steps + 1} (--set epochs={number // replay.plan.steps + 1})"
        )
    optimizer = _moments(before, point.state, model.compiled.optimizer)
    state = State(*({path: numpy.asarray(a) for path, a in part.items()} for part in point.state))
    those = _knowing(run, number, callbacks)
    memories = tuple(callback.memory() for callback in those)
    begun = Point(number, state._replace(optimizer=optimizer), point.totals, memories)
    home = run.folder.resolve() if run.folder else None
    earlier = Earlier(begun, losses_before, past, number, home)
    options = Recording(place, **(RunFolder.open(run.folder).recording if run.folder else {}))
    recorder = None
    if run.folder is not None or place is not None:
        about = {
            **describe_run(model, how, those, required=place is not None, lost=_lost(model, changes)),
            "first": number,
            "parent": str(home) if home else None,
            "changes": {
                name: to_config(value) if isinstance(value, Configured) else value for name, value in changes.items()
            },
        }
        recorder = Recorder(options, partial(_known, run, about, options))
    other = train(
        model,
        replay.data,
        run.validation,
        how,
        callbacks=those,
        verbose=verbose,
        recorder=recorder,
        earlier=earlier,
    )
    other.replay.naming = replay.naming
    return other


def _knowing(run: Run, number: int, given: Iterable[Callback] | None) -> list[Callback]:
    """The callbacks of a run, or others in their place, knowing what they knew before a step: from a checkpoint and
    the history."""
    recorded = RunFolder.open(run.folder).manifest["callbacks"] if run.folder else written(run.callbacks)
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


def _recall(callback: Callback, memory: Memory, step: int, run: Run, number: int) -> None:
    """Gives back to a callback what it remembered at a step, and tells it of the epochs from there to `number`."""
    steps = run.replay.plan.steps
    callback.model = copy.copy(run.model)  # which is asked for the weights that it had then
    vars(callback.model)["_compiled"] = replace(run.model.compiled)
    callback.on_train_begin()
    begun = 0
    if memory.settings or memory.arrays:
        callback.recall(memory)
        begun = step // steps
    for epoch in range(begun, number // steps):
        callback.model.take(run.replay.at((epoch + 1) * steps).state)
        callback.on_epoch_end(epoch, {name: values[epoch] for name, values in run.history.items()})
    callback.stop_training = False  # who rewinds wants to train


def _lost(model: Model, changes: Mapping[str, Any]) -> str | None:
    """Why a changed setting of a layer would not be there if the model was made again, where that is so."""
    try:
        again = from_config(to_config(model), Layer)
    except UsageError:
        return None  # which says so itself
    for name in changes:
        where, _, setting = name.removeprefix("optimizer.").rpartition(".")
        if where and getattr(_layer_at(again, where), setting) != getattr(_layer_at(model, where), setting):
            return f"{type(model).__name__} makes its layer {where} itself, with another {setting}; make it an argument"
    return None


def _known(run: Run, about: dict[str, Any], options: Recording) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The first files of a rewound run: its parent's data, as its parent keeps it."""
    if run.folder is None:
        return known_of_arrays(about, run.replay.data, run.validation, options.keep_data)
    parent = RunFolder.open(run.folder)
    names = [name for name in parent.manifest["files"] if name.startswith("data/") or name == "recipe.json"]
    kept = {key: parent.manifest[key] for key in ("data", "target", "task") if key in parent.manifest}
    return {**about, **kept}, {name: parent.read(name) for name in names}


def _fresh(model: Model, state: State) -> Model:
    """A copy of a model, with these weights."""
    kept = vars(model)
    made = copy.copy(model)
    vars(made).clear()
    apart = ("_compiled", "_engines", "run")
    vars(made).update(copy.deepcopy({name: value for name, value in kept.items() if name not in apart}))
    vars(made)["_compiled"] = replace(model.compiled)
    made.take(state)
    return made


def _changed(model: Model, how: Training, changes: Mapping[str, Any], number: int) -> Training:
    """Makes the changes to the model; returns the training with those that concern it."""
    now = model.compiled
    for name, value in changes.items():
        where, _, setting = name.removeprefix("optimizer.").rpartition(".")
        if name == "epochs":
            how = replace(how, epochs=positive("epochs", value))
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
        return positive(name, value)
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


def _set_layer(model: Model, path: str, setting: str, value: Any) -> None:
    layer = _layer_at(model, path)
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
