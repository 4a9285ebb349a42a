"""Callbacks, as Keras has them: objects that are told of each epoch and may stop the training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pellucid.engine.step import State
from pellucid.errors import UsageError
from pellucid.fit.trainable import Trainable
from pellucid.registry import Configured, from_config, to_config
from pellucid.replay.checkpoint import Memory

AGAIN = "give it again: pellucid.resume(run, callbacks=[…]), run.rewind(n, callbacks=[…])"


class Callback(Configured):
    """Override what you need. `self.model` is the model in training, with its weights of the moment;
    setting `self.stop_training = True` ends the training after this epoch.

    A run that is resumed or rewound makes it again from its arguments; what it has to know beside them is `memory`.
    """

    tag: ClassVar[str] = "callback"

    model: Trainable
    stop_training: bool = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Before the first epoch."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Before an epoch; the first is 0."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """After an epoch, with its loss and metrics, `val_` for those of the validation rows."""

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """After the last epoch, or after training was stopped."""

    def memory(self) -> Memory:
        """What a checkpoint has to hold so that a resumed training goes on as if it had never been stopped."""
        return Memory()

    def recall(self, memory: Memory) -> None:
        """Takes what `memory` gave, after on_train_begin."""


@dataclass
class EarlyStopping(Callback):
    """Stops when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    mode: "max" where more is better, "min" where less is; "auto" asks the metric that is watched.
    With restore_best_weights the model ends with the weights of its best epoch, `best_epoch`.
    (Prechelt 1998, doi:10.1007/3-540-49430-8_3.)
    """

    monitor: str = "val_loss"
    min_delta: float = 0.0
    patience: int = 0
    mode: Literal["auto", "min", "max"] = "auto"
    restore_best_weights: bool = False
    start_from_epoch: int = 0
    best_epoch: int = field(default=0, init=False)
    best: float = field(default=math.inf, init=False)
    _kept: State | None = field(default=None, init=False, repr=False)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.best, self.best_epoch, self._kept, self.stop_training = math.inf, 0, None, False
        self._rises()  # asks while nothing is lost

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        if self.monitor not in logs:
            known = ", ".join(logs)
            raise UsageError(
                f"EarlyStopping(monitor={self.monitor!r}): an epoch tells {known}; "
                "val_ figures need validation_split or validation_data"
            )
        if epoch < self.start_from_epoch:
            return
        value = float(logs[self.monitor]) * (-1 if self._rises() else 1)
        if value < self.best - self.min_delta:
            self.best, self.best_epoch, self._kept = value, epoch, self.model.state()
        elif epoch - self.best_epoch >= self.patience:
            self.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.restore_best_weights and self._kept is not None:
            self.model.take(self._kept)

    def memory(self) -> Memory:
        kept = {} if self._kept is None else dict(zip(("parameters", "untrained"), self._kept[::2], strict=True))
        arrays = {f"{part}/{path}": array for part, found in kept.items() for path, array in found.items()}
        names = {part: list(found) for part, found in kept.items()}
        settings = {"best": self.best, "best_epoch": self.best_epoch, "stop": self.stop_training, "kept": names}
        return Memory(settings, arrays)

    def recall(self, memory: Memory) -> None:
        self.best, self.best_epoch = memory.settings["best"], memory.settings["best_epoch"]
        self.stop_training = memory.settings["stop"]
        if names := memory.settings["kept"]:
            found = ({path: memory.arrays[f"{part}/{path}"] for path in paths} for part, paths in names.items())
            self._kept = State(next(found), {}, next(found))

    def _rises(self) -> bool:
        """Whether more is better: as `mode` says, or the loss or metric that is watched."""
        if self.mode != "auto":
            return self.mode == "max"
        known = {metric.name: metric.higher_is_better for metric in self.model.compiled.metrics}
        better = ({"loss": False} | known).get(self.monitor.removeprefix("val_"), known.get(self.monitor))
        if better is None:
            raise UsageError(
                f"EarlyStopping(monitor={self.monitor!r}): neither a loss nor a metric of the model says "
                "whether more of it is better; give mode='min' or mode='max'"
            )
        return better


def written(callbacks: Iterable[Callback]) -> list[dict[str, Any]]:
    """Each callback as `revived` reads it; of one that cannot be written down, its class and why."""
    found: list[dict[str, Any]] = []
    for callback in callbacks:
        try:
            found.append(to_config(callback))
        except UsageError as error:
            cls = type(callback)
            found.append(
                {"callback": cls.__name__, "module": cls.__module__, "arguments": None, "unwritable": str(error)}
            )
    return found


def revived(config: Mapping[str, Any]) -> Callback:
    """The callback that `written` wrote; UsageError, saying how it is given again, for one that it cannot make."""
    name = config["callback"]
    if "module" not in config and name != EarlyStopping.__name__:  # an earlier version wrote no more than its name
        raise UsageError(f"the run had a callback of your own, {name!r}, which no file holds; {AGAIN}")
    try:
        if "unwritable" in config and config["arguments"] is None:
            raise UsageError(config["unwritable"])
        return from_config(config, Callback)
    except UsageError as error:
        raise UsageError(f"the run had a callback of your own, {name!r}: {error}; or {AGAIN}") from error
