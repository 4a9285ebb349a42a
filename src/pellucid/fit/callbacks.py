"""Callbacks, as Keras has them: objects that are told of each epoch and may stop the training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from pellucid.engine.step import State
from pellucid.errors import UsageError
from pellucid.fit.trainable import Trainable
from pellucid.replay.checkpoint import Memory


class Callback:
    """Override what you need. `self.model` is the model in training, with its weights of the moment;
    setting `self.stop_training = True` ends the training after this epoch."""

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

    def to_json(self) -> dict[str, Any]:
        """The settings, from which `from_json` makes an equal one."""
        return {"callback": type(self).__name__} | {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    def _rises(self) -> bool:
        """Whether more is better."""
        if self.mode != "auto":
            return self.mode == "max"
        return any(word in self.monitor for word in ("acc", "auc", "f1", "precision", "recall", "r2"))


def from_json(config: dict[str, Any]) -> Callback:
    """The callback that `to_json` described; UsageError for one that a person wrote."""
    if config.get("callback") != EarlyStopping.__name__:
        raise UsageError(
            f"the run had a callback of your own, {config.get('callback')!r}, which no file holds; give it again: "
            "pellucid.resume(run, callbacks=[…])"
        )
    return EarlyStopping(**{name: value for name, value in config.items() if name != "callback"})


def callbacks_json(callbacks: Sequence[Callback]) -> list[dict[str, Any]]:
    """Each callback's settings; of one that a person wrote, its name."""
    return [
        callback.to_json() if hasattr(callback, "to_json") else {"callback": type(callback).__name__}  # pyright: ignore
        for callback in callbacks
    ]
