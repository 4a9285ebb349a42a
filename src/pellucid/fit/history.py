"""The history of one training, and the way back to each of its steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy

from pellucid.data.dataset import Dataset, Numbers
from pellucid.engine.step import Arrays
from pellucid.errors import RunError, UsageError
from pellucid.fit.callbacks import Callback
from pellucid.fit.config import FitConfig
from pellucid.fit.recorder import Recorder
from pellucid.fit.trainable import Trainable
from pellucid.replay.open_step import OpenStep
from pellucid.replay.replay import Replay


@dataclass
class History:
    """How a training went, from its first step to its last, and the way back to each of its steps."""

    model: Trainable
    training: FitConfig
    """What was asked: batch size, epochs, seed, engine, method."""
    history: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    """By epoch, as Keras: "loss", each metric, and the same with `val_`."""
    step_history: dict[str, Numbers] = field(
        default_factory=lambda: {"loss": numpy.zeros(0, numpy.float32)}  # until training tells more
    )
    """By step: "loss"."""
    status: str = "running"
    """"finished", "stopped early", "interrupted", "not finite", "failed" (a callback raised), or "running", which a
    run that was killed stays."""
    seconds: float = 0.0
    folder: Path | None = None
    """Where the run is recorded, if it is."""
    first: int = 0
    """The first step of this run; above 0 for one that was rewound to there from `parent`."""
    parent: Path | None = None
    final: Arrays = field(default_factory=dict[str, Any])
    """The weights after the last step; the model may hold those of its best epoch."""
    callbacks: list[Callback] = field(default_factory=list[Callback], repr=False)
    source: Callable[[], tuple[Replay, Dataset | None]] | None = field(default=None, repr=False)
    """Reads from the folder what it takes to run the run again, and the validation rows."""
    recorder: Recorder | None = field(default=None, repr=False)
    trouble: RunError | None = field(default=None, repr=False)
    """Why the run could not be recorded to its end."""
    _replay: Replay | None = field(default=None, repr=False)
    _validation: Dataset | None = field(default=None, repr=False)

    @property
    def steps(self) -> int:
        """How many steps there were, those before a rewind included."""
        return len(self.step_history["loss"])

    @property
    def epochs(self) -> int:
        return len(self.history.get("loss", []))

    @property
    def replay(self) -> Replay:
        """What it takes to run the run again; DataError where its data moved or changed."""
        if self._replay is None:
            assert self.source is not None
            self._replay, self._validation = self.source()
        return self._replay

    @property
    def validation(self) -> Dataset | None:
        """The rows it was watched with, if any."""
        return self.replay and self._validation

    def with_data(self, replay: Replay, validation: Dataset | None) -> Self:
        """The run, with what it takes to run it again at hand."""
        self._replay, self._validation = replay, validation
        return self

    def at(self, n: int) -> OpenStep:
        """Step n, opened: run again from the nearest checkpoint, with every value of its pass.

        Step n uses batch n; the weights before it are those after n updates. -1 is the last step. Raises UsageError
        for a step that is not there, DataError where the data moved or changed.
        """
        if self.first == self.steps:
            raise UsageError(f"step {n} is not there: the run was stopped before its first step")
        if not (self.first <= n < self.steps or self.first - self.steps <= n < 0):
            where = f"; those before are in {self.parent}" if self.first and n >= 0 else ""
            raise UsageError(f"step {n} is not there: the run has steps {self.first} to {self.steps - 1}{where}")
        return self.replay.open(n % self.steps)
