"""Callbacks, as Keras has them: objects that are told of each epoch and may stop the training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pellucid.errors import UsageError
from pellucid.train.step import Arrays

if TYPE_CHECKING:
    from pellucid.train.model import Model


class Callback:
    """Override what you need. `self.model` is the model in training, with its weights of the moment;
    setting `self.stop_training = True` ends the training after this epoch."""

    model: Model
    stop_training: bool = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Before the first epoch."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Before an epoch; the first is 0."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """After an epoch, with its loss and metrics, `val_` for those of the validation rows."""

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """After the last epoch, or after training was stopped."""


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
    _kept: Arrays | None = field(default=None, init=False, repr=False)

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
            self.best, self.best_epoch, self._kept = value, epoch, self.model.compiled.parameters
        elif epoch - self.best_epoch >= self.patience:
            self.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.restore_best_weights and self._kept is not None:
            self.model.compiled.parameters = self._kept

    def _rises(self) -> bool:
        """Whether more is better."""
        if self.mode != "auto":
            return self.mode == "max"
        return any(word in self.monitor for word in ("acc", "auc", "f1", "precision", "recall", "r2"))
